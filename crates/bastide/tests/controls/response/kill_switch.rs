//! `response.kill-switch`: one act stops a session, a principal, a server or everything, at once; it stays stopped until it is released.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use testkit::{Http, World};

/// From the act to the last byte, which would come after 25 seconds; the promise is a second, the rest is the machine that runs the test.
const MOST: Duration = Duration::from_secs(15);
const STOPPED: &str = "response.kill-switch/stopped";

#[test]
fn a_session_ends_with_its_stream_and_its_calls() {
    let world = World::new();
    let before = sessions(&world);
    let mut agent = world.agent();
    let session = sessions(&world).difference(&before).next().unwrap().clone();
    let mut other = world.agent();
    let flight = Flight::begin(&world, &agent);
    let (answer, taken) = kill(&world, &["--session", &session]);
    assert_eq!((&answer["ended_sessions"], &answer["ended_calls"]), (&json!(1), &json!(1)), "{answer}");
    flight.ends_by(taken);
    let ping = agent.request("ping", json!({}));
    assert_eq!(agent.post(&ping, &[]).status, 404);
    assert_eq!(other.call("canary__echo", json!({"text": "hi"})).text(), "hi", "another session was stopped");
    let acts: Vec<Value> = world.audit().into_iter().filter(|record| record["act"]["name"] == "kill").collect();
    assert!(acts.iter().any(|record| record["act"]["parameters"]["reason"] == "tested"), "{acts:#?}");
}

#[test]
fn a_principal_stays_stopped_over_a_restart_until_it_is_released() {
    let mut world = World::with()
        .role("tester", "members: [\"agent:tester\", \"agent:other\"]\nclearance: restricted\nallow: { canary: [\"*\"] }")
        .start();
    let agent = world.agent();
    let token = agent.token.clone();
    let mut other = world.client("agent:other", "/mcp");
    other.open();
    let flight = Flight::begin(&world, &agent);
    let (_, taken) = kill(&world, &["--principal", "agent:tester"]);
    flight.ends_by(taken);
    assert!(!opens(&Http::new(world.data(), "/mcp", token.as_deref())));
    assert_eq!(other.call("canary__echo", json!({"text": "hi"})).text(), "hi", "another principal was stopped");
    world.crash();
    world.serve();
    assert!(!opens(&Http::new(world.data(), "/mcp", token.as_deref())), "the restart released it");
    other.session = None;
    other.open();
    assert_eq!(other.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    release(&world, &["--principal", "agent:tester"]);
    let mut again = Http::new(world.data(), "/mcp", token.as_deref());
    again.open();
    assert_eq!(again.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_stopped_server_is_not_reached_by_a_subscription() {
    let world = World::new();
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.patience = Duration::from_secs(12);
    let mut listen = || {
        let wanted = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["canary://page"]}});
        let told = agent.ask_modern("subscriptions/listen", wanted).messages();
        assert_eq!(told.first().map(|first| &first["method"]), Some(&json!("notifications/subscriptions/acknowledged")), "{told:?}");
    };
    listen();
    let asked = || world.journal().iter().filter(|message| message["method"] == "resources/subscribe").count();
    assert_eq!(asked(), 1, "what is looked for does not happen without the kill");
    kill(&world, &["--server", "canary"]);
    let before = world.journal().len();
    listen();
    assert_eq!(world.journal().len(), before, "it was reached");
}

#[test]
fn a_server_stays_stopped_over_a_restart_until_it_is_released() {
    let mut world = World::with()
        .remote("second", "")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], second: [\"*\"] }")
        .start();
    let mut agent = world.agent();
    let flight = Flight::call(&world, &agent);
    let (answer, taken) = kill(&world, &["--server", "canary"]);
    assert_eq!(answer["ended_calls"], 1, "{answer}");
    flight.ends_by(taken);
    let before = world.journal().len();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).refused(), STOPPED);
    assert_eq!(agent.call("second__echo", json!({"text": "hi"})).text(), "hi", "another server was stopped");
    world.stop();
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).refused(), STOPPED, "the restart released it");
    assert_eq!(world.journal().len(), before, "it was reached");
    release(&world, &["--server", "canary"]);
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn everything_stays_stopped_over_a_restart_until_it_is_released() {
    let mut world = World::new();
    let agent = world.agent();
    let flight = Flight::begin(&world, &agent);
    let (answer, taken) = kill(&world, &["--all"]);
    assert_eq!(answer["ended_sessions"], 1, "{answer}");
    flight.ends_by(taken);
    let before = world.journal().len();
    let token = agent.token.clone();
    assert!(!opens(&Http::new(world.data(), "/mcp", token.as_deref())));
    let mut local = world.connect(&[]);
    local.line(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string());
    assert!(local.read().is_none_or(|answer| answer.get("result").is_none()), "the local socket was left open");
    world.crash();
    world.serve();
    assert!(!opens(&Http::new(world.data(), "/mcp", token.as_deref())), "the restart released it");
    assert_eq!(world.journal().len(), before, "a server was reached");
    release(&world, &["--all"]);
    let mut again = Http::new(world.data(), "/mcp", token.as_deref());
    again.open();
    assert_eq!(again.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_kill_without_a_running_gateway_is_in_force_from_the_start() {
    let mut world = World::new();
    let token = world.token("agent:tester", &[]);
    world.stop();
    kill(&world, &["--principal", "agent:tester"]);
    world.serve();
    assert!(!opens(&Http::new(world.data(), "/mcp", Some(&token))));
}

#[test]
fn a_kill_works_when_nothing_can_be_recorded() {
    let world = World::new();
    let agent = world.agent();
    let flight = Flight::begin(&world, &agent);
    std::fs::remove_dir_all(world.state().join("audit")).unwrap();
    let began = Instant::now();
    world.run(&["kill", "--principal", "agent:tester", "--reason", "tested"]);
    flight.ends_by(began);
    assert!(!opens(&Http::new(world.data(), "/mcp", agent.token.as_deref())));
}

#[test]
fn an_agent_cannot_release_itself() {
    let world = World::new();
    let agent = world.agent();
    kill(&world, &["--principal", "agent:tester"]);
    let headers = agent.headers(&[]);
    for path in ["/api/v1/acts", "/api/v1/release", "/api/v1/kill"] {
        let response = world.admin().send("POST", path, &headers, br#"{"act":"release","scope":"agent:tester","reason":"mine"}"#);
        assert!([401, 403, 404, 405].contains(&response.status), "{path}: {}", response.status);
    }
    assert!(!opens(&Http::new(world.data(), "/mcp", agent.token.as_deref())));
}

/// What runs while a kill comes: a standing stream and a call.
struct Flight {
    parts: Vec<JoinHandle<(Vec<u8>, Instant)>>,
}

impl Flight {
    fn begin(world: &World, agent: &Http) -> Self {
        let mut flight = Self::call(world, agent);
        let (session, host) = (agent.session.clone().unwrap(), agent.address.to_string());
        let more = [
            ("Host", host.as_str()),
            ("Mcp-Session-Id", &session),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Accept", "text/event-stream"),
        ];
        let head: String = agent.headers(&more).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (listener, (opened, open)) = (agent.clone(), std::sync::mpsc::channel());
        flight.parts.push(std::thread::spawn(move || {
            let stream = listener.raw_until(format!("GET /mcp HTTP/1.1\r\n{head}\r\n").as_bytes(), |said| {
                if said.contains("\r\n\r\n") {
                    let _ = opened.send(said.starts_with("HTTP/1.1 200"));
                }
                said.ends_with("\r\n0\r\n\r\n")
            });
            (stream, Instant::now())
        }));
        assert_eq!(open.recv_timeout(Duration::from_secs(60)), Ok(true), "the stream is not open");
        flight
    }

    fn call(world: &World, agent: &Http) -> Self {
        let reached = world.reached().len();
        let mut caller = agent.clone();
        let call = std::thread::spawn(move || {
            let message = caller.request("tools/call", json!({"name": "canary__wait", "arguments": {"ms": 25_000}}));
            (caller.post(&message, &[]).body, Instant::now())
        });
        let end = Instant::now() + Duration::from_secs(60);
        while world.reached().len() == reached {
            assert!(Instant::now() < end, "the call is not under way");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { parts: vec![call] }
    }

    /// Nothing of it lives on, and nothing came of it.
    #[track_caller]
    fn ends_by(self, act: Instant) {
        for part in self.parts {
            let (said, ended) = part.join().unwrap();
            assert!(ended.duration_since(act) < MOST, "ended after {:?}", ended.duration_since(act));
            assert!(!String::from_utf8_lossy(&said).contains("waited"));
        }
    }
}

/// Kills; gives the answer and when the act began.
fn kill(world: &World, what: &[&str]) -> (Value, Instant) {
    let began = Instant::now();
    let answer = world.json(&[&["kill", "--reason", "tested"], what].concat());
    assert!(answer["ms"].as_u64().unwrap() < 10_000, "{answer}");
    (answer, began)
}

fn release(world: &World, what: &[&str]) {
    world.json(&[&["release", "--reason", "tested"], what].concat());
}

fn sessions(world: &World) -> BTreeSet<String> {
    let list = world.json(&["session", "list"]);
    list["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

/// Whether a session can be opened.
fn opens(client: &Http) -> bool {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "testkit", "version": "1"}}});
    let response = client.post(&hello, &[]);
    response.header("mcp-session-id").is_some() || response.messages().iter().any(|message| message.get("result").is_some())
}

/// A server that leaves a plan in its `/tmp`, says last words, and answers `done`.
const LEAVER: &str = r#"import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if 'id' not in message: continue
    method = message['method']
    if method == 'initialize': result = {'protocolVersion': message['params']['protocolVersion'], 'capabilities': {'tools': {}}, 'serverInfo': {'name': 'script', 'version': '1'}}
    elif method == 'tools/list': result = {'tools': [{'name': 'run', 'description': 'x', 'inputSchema': {'type': 'object'}}]}
    else:
        os.makedirs('/tmp/loot', exist_ok=True)
        open('/tmp/loot/plan', 'w').write('the plan')
        if not os.path.lexists('/tmp/loot/link'): os.symlink('/etc/passwd', '/tmp/loot/link')
        print('last words', file=sys.stderr, flush=True)
        result = {'content': [{'type': 'text', 'text': 'done'}]}
    print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': result}), flush=True)
"#;

/// A world in which `tester` and `other` may use [`LEAVER`] as `script`.
fn leaving() -> World {
    let role = "members: [\"agent:tester\", \"agent:other\"]\nclearance: restricted\nallow: { canary: [\"*\"], script: [\"*\"] }";
    World::with()
        .file("bin/script/script.py", LEAVER)
        .server("script", "run: [/usr/bin/python3, {bin}/script/script.py]")
        .role("tester", role)
        .start()
}

/// Waits until the gateway has recorded that something was kept in `folder`.
#[track_caller]
fn kept(world: &World, folder: &Value) -> Value {
    let event = || world.audit().into_iter().find(|record| record["event"] == "forensics.kept" && record["detail"]["folder"] == *folder);
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(event) = event() {
            return event;
        }
        assert!(Instant::now() < end, "it was not kept: {:#?}", world.audit().last());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_killed_server_left_is_kept_and_on_record() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = leaving();
    let mut agent = world.agent();
    assert_eq!(agent.call("script__run", json!({})).text(), "done");
    let (answer, _) = kill(&world, &["--server", "script"]);
    let folder = std::path::PathBuf::from(answer["kept"][0].as_str().unwrap_or_else(|| panic!("{answer}")));
    assert!(folder.starts_with(world.state().join("forensics")), "{answer}");
    let event = kept(&world, &answer["kept"][0]);
    assert_eq!(std::fs::read_to_string(folder.join("tmp/loot/plan")).unwrap(), "the plan");
    assert_eq!(std::fs::read_to_string(folder.join("stderr.log")).unwrap(), "last words\n");
    let mode = |path: &std::path::Path| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777;
    assert_eq!((mode(&folder), mode(folder.parent().unwrap()), mode(&folder.join("tmp/loot/plan"))), (0o700, 0o700, 0o600));
    assert!(std::fs::symlink_metadata(folder.join("tmp/loot/link")).is_err(), "a link was copied");
    let detail = event["detail"].clone();
    assert_eq!((&detail["folder"], &detail["files"], &detail["left_out"]), (&answer["kept"][0], &json!(1), &json!(1)), "{detail}");
    let acts: Vec<Value> = world.audit().into_iter().filter(|record| record["act"]["name"] == "kill").collect();
    assert!(acts.iter().any(|record| record["detail"]["kept"][0] == answer["kept"][0]), "{acts:#?}");
}

#[test]
fn what_the_servers_of_a_killed_session_or_principal_left_is_kept_and_of_nobody_else() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = leaving();
    let open = |principal: &str| {
        let mut client = world.client(principal, "/mcp");
        client.open();
        assert_eq!(client.call("script__run", json!({})).text(), "done");
        client
    };
    let before = sessions(&world);
    let _first = open("agent:tester");
    let session = sessions(&world).difference(&before).next().unwrap().clone();
    let (mut second, mut other) = (open("agent:tester"), open("agent:other"));
    let _third = open("agent:tester");
    for (scope, number) in [(["--session", session.as_str()], 1), (["--principal", "agent:tester"], 2)] {
        let (answer, _) = kill(&world, &scope);
        let folders = answer["kept"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        assert_eq!(folders.len(), number, "{answer}");
        for folder in &folders {
            assert_eq!(kept(&world, folder)["detail"]["files"], 1);
            let path = std::path::Path::new(folder.as_str().unwrap());
            assert_eq!(std::fs::read_to_string(path.join("tmp/loot/plan")).unwrap(), "the plan");
            assert!(std::fs::read_to_string(path.join("stderr.log")).unwrap().starts_with("last words\n"));
        }
        if number == 1 {
            assert_eq!(second.call("script__run", json!({})).text(), "done", "another session was stopped");
        }
    }
    assert_eq!(other.call("script__run", json!({})).text(), "done", "another principal was stopped");
    let left = std::fs::read_dir(world.state().join("forensics")).unwrap().count();
    assert_eq!(left, 3, "something of somebody else was kept");
}

#[test]
fn a_kill_of_somebody_without_a_server_keeps_nothing() {
    let world = World::new();
    let mut client = world.client("agent:tester", "/mcp");
    client.open();
    let (answer, _) = kill(&world, &["--principal", "agent:tester"]);
    assert_eq!((&answer["ended_sessions"], answer.get("kept")), (&json!(1), None), "{answer}");
}
