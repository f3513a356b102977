//! The gateway killed at random moments under load: what ran or was answered is on record, and the log is whole.
//!
//! `BASTIDE_CRASHES` says how often; `cargo xtask faults` sets it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::{Http, SeededEntropy, World};

const CRASHES: usize = 20;
const CLIENTS: usize = 3;
const CANARY: &str = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\n\
    sandbox: { read: [{bin}], write: [{box}] }\ninstances: shared";

#[test]
fn what_ran_or_was_answered_is_on_record_whenever_the_gateway_is_killed() {
    let crashes = std::env::var("BASTIDE_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES);
    let chance = SeededEntropy::new(u64::from(std::process::id()));
    let mut world = World::with().server("canary", CANARY).section("tools", "canary__echo: { operation: read }").start();
    let token = world.token("agent:tester", &[]);
    let mut known = Seen::default();
    for round in 0..crashes {
        let span = Duration::from_micros(30_000 + chance.next() % 300_000);
        let answered = load(&mut world, &token, round, span);
        world.serve();
        let found = records(&world);
        let executed = executed(&world);
        for name in &answered {
            assert!(found.contains_key(name), "round {round}: {name} was answered and is not on record");
        }
        for name in executed.iter().filter(|name| name.starts_with("write")) {
            assert!(found.get(name).is_some_and(|call| call.intents > 0), "round {round}: {name} ran and its intent is not on record");
        }
        for (name, call) in &found {
            assert_eq!((call.intents, call.outcomes), (1, 1), "round {round}: {name}");
        }
        let report = world.verify();
        assert_eq!(report["ok"], true, "round {round}: {report}");
        if round % 10 == 9 || round + 1 == crashes {
            stranger(&world);
        }
        known.answered += answered.len();
        known.executed = executed.len();
        known.recorded = found.len();
    }
    println!("{crashes} crashes: {known:?}");
    assert!(known.answered >= crashes, "there was no load: {known:?}");
    assert_eq!(world.stop(), Some(0));
    assert_eq!(world.verify()["ok"], true);
    stranger(&world);
}

#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    executed: usize,
    recorded: usize,
}

/// The records of one call.
#[derive(Debug, Default)]
struct Call {
    intents: usize,
    outcomes: usize,
}

/// Calls from several clients until the gateway is killed after `span`; gives the names of the calls that were answered.
fn load(world: &mut World, token: &str, round: usize, span: Duration) -> Vec<String> {
    let agents: Vec<Http> = (0..CLIENTS)
        .map(|_| {
            let mut agent = Http::new(world.data(), "/mcp", Some(token));
            agent.open();
            // Its server is up when the load begins.
            agent.call("canary__add", json!({"a": 1, "b": 2}));
            agent
        })
        .collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = agents
            .into_iter()
            .enumerate()
            .map(|(number, agent)| {
                let over = &over;
                scope.spawn(move || calls(agent, &format!("{round}-{number}"), over))
            })
            .collect();
        std::thread::sleep(span);
        world.crash();
        over.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// Reading and writing calls in turn, until one is not answered.
fn calls(mut agent: Http, mark: &str, over: &AtomicBool) -> Vec<String> {
    let mut answered = Vec::new();
    for number in 0.. {
        let reads = number % 2 == 0;
        let name = format!("{}-{mark}-{number}", if reads { "read" } else { "write" });
        let params = if reads {
            json!({"name": "canary__echo", "arguments": {"text": name}})
        } else {
            json!({"name": "canary__write_note", "arguments": {"name": name, "text": "x"}})
        };
        let message = agent.request("tools/call", params);
        let done = if reads { name.as_str() } else { "\"written\"" };
        match post(&agent, &message) {
            Some(answer) if answer.contains(done) => answered.push(name),
            Some(answer) => assert!(over.load(Ordering::SeqCst) || answer.is_empty(), "{answer}"),
            None => break,
        }
        if over.load(Ordering::SeqCst) {
            break;
        }
    }
    answered
}

/// One request; what came back until the connection ended, `None` when there was none.
fn post(agent: &Http, message: &Value) -> Option<String> {
    let session = agent.session.as_deref().unwrap_or_default();
    let headers = agent.headers(&[("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")]);
    let body = message.to_string();
    let mut text = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n", agent.address, body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(agent.address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The marked calls that reached the server.
fn executed(world: &World) -> BTreeSet<String> {
    world.reached().iter().filter_map(marked).collect()
}

/// The marked calls on record.
fn records(world: &World) -> BTreeMap<String, Call> {
    let output = world.run(&["audit", "show", "--raw"]);
    assert!(output.status.success());
    let mut requests: BTreeMap<String, (Option<String>, Call)> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let Some(request) = record["request"].as_str() else { continue };
        let (name, call) = requests.entry(request.to_owned()).or_default();
        match record["kind"].as_str() {
            Some("intent") => {
                *name = marked(&record);
                call.intents += 1;
            }
            Some("outcome") => call.outcomes += 1,
            _ => {}
        }
    }
    requests.into_values().filter_map(|(name, call)| Some((name?, call))).collect()
}

/// The name that a call was given by this test.
fn marked(call: &Value) -> Option<String> {
    let text = call.pointer("/arguments/name").or_else(|| call.pointer("/arguments/text"))?.as_str()?;
    (text.starts_with("read-") || text.starts_with("write-")).then(|| text.to_owned())
}

/// The verifier that shares no code with the writer, on a copy: a gateway may be at work.
fn stranger(world: &World) {
    let (from, to) = (world.state().join("audit"), world.path("copy"));
    if to.exists() {
        std::fs::remove_dir_all(&to).unwrap();
    }
    // A checkpoint may come at any time: what is copied first must not be newer than what is copied last.
    copy(&from.join("checkpoint"), &to.join("checkpoint"));
    for part in ["log.pub", "tile", "segment"] {
        copy(&from.join(part), &to.join(part));
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_audit.py");
    let output = testkit::run(Command::new("python3").arg(tool).arg(&to), b"");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}
