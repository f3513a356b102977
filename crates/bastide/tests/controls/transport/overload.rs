//! `transport.bounds` under more than can be done: what is too much is refused at once, what is taken in is done, and a kill goes through.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use testkit::{Http, World};

/// How many calls the server does at once, and how long one takes.
const AT_ONCE: usize = 4;
const TAKES: Duration = Duration::from_millis(150);
/// Clients, each with one call at a time: far more than it can do.
const CLIENTS: usize = 120;

/// A server that does [`AT_ONCE`] calls at a time and lets the others wait in line, as one does that has no bound of its own.
#[derive(Default)]
struct Narrow {
    busy: Mutex<usize>,
    free: Condvar,
    waiting: AtomicUsize,
    longest: AtomicUsize,
    done: AtomicUsize,
}

impl Narrow {
    fn serve() -> (Arc<Self>, SocketAddr) {
        let (server, listener) = (Arc::new(Self::default()), TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, own) = (listener.local_addr().unwrap(), Arc::clone(&server));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = Arc::clone(&own);
                std::thread::spawn(move || own.one(stream));
            }
        });
        (server, address)
    }

    fn one(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            length = lower.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok()).unwrap_or(length);
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "narrow", "version": "1"}})
            }
            Some("tools/list") => {
                json!({"tools": [{"name": "look", "description": "Looks.", "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object"}}]})
            }
            Some("tools/call") => {
                self.work();
                json!({"content": [{"type": "text", "text": "seen"}]})
            }
            _ if message.get("id").is_some() => json!({}),
            _ => return stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        };
        let text = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
        stream.write_all(format!("{head}{text}").as_bytes())
    }

    fn work(&self) {
        let line = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.longest.fetch_max(line, Ordering::SeqCst);
        let mut busy = self.busy.lock().unwrap();
        while *busy >= AT_ONCE {
            busy = self.free.wait(busy).unwrap();
        }
        *busy += 1;
        drop(busy);
        std::thread::sleep(TAKES);
        *self.busy.lock().unwrap() -= 1;
        self.free.notify_one();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    /// The longest line from here on.
    fn forget(&self) {
        self.longest.store(0, Ordering::SeqCst);
    }
}

const ENTRY: &str = "revision: \"2025-11-25\"\ncall: 60s";
const BOUNDS: &str = "inflight: 500\nconnections: 500";
const ROLE: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], narrow: [look] }";

fn world(address: SocketAddr) -> World {
    World::with()
        .server("narrow", &format!("url: http://{address}/mcp\n{ENTRY}"))
        .role("tester", ROLE)
        .section("tools", "narrow__look: { operation: read }")
        .section("bounds", BOUNDS)
        .start()
}

fn call(id: usize) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "narrow__look", "arguments": {}}})
}

/// What clients were told: how often each status, the last refusal with its `Retry-After`, and how often something else.
#[derive(Default)]
struct Told {
    statuses: HashMap<u16, usize>,
    refused: Option<(String, Option<String>)>,
    odd: Vec<String>,
}

/// Ends the crowd, however its test ends.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Lets many clients call as long as `goes_on`; whoever is refused comes back after a little while.
fn crowd(agent: &Http, goes_on: &AtomicBool, told: &Mutex<Told>) {
    std::thread::scope(|scope| {
        for at in 0..CLIENTS {
            let agent = agent.clone();
            scope.spawn(move || {
                for number in 0.. {
                    if !goes_on.load(Ordering::SeqCst) {
                        return;
                    }
                    let answer = agent.post(&call((at + 1) * 10_000 + number), &[]);
                    let mut told = told.lock().unwrap();
                    *told.statuses.entry(answer.status).or_default() += 1;
                    match answer.status {
                        200 if answer.answer().text() == "seen" => {}
                        503 => {
                            let after = answer.header("retry-after").map(str::to_owned);
                            told.refused = Some((answer.answer().refused().to_owned(), after));
                            drop(told);
                            std::thread::sleep(2 * TAKES);
                        }
                        _ => told.odd.push(String::from_utf8_lossy(&answer.body).into_owned()),
                    }
                }
            });
        }
    });
}

fn until(most: Duration, holds: impl Fn() -> bool) {
    let end = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn more_than_a_server_can_do_is_refused_at_once_and_it_stays_busy() {
    let (server, address) = Narrow::serve();
    // The twin: everybody asks the server itself, and the line grows to all of them.
    std::thread::scope(|scope| {
        for at in 0..CLIENTS {
            scope.spawn(move || assert_eq!(Http::new(address, "/mcp", None).post(&call(at), &[]).answer().text(), "seen"));
        }
    });
    let twin = server.longest.load(Ordering::SeqCst);
    assert!(twin > CLIENTS / 2, "{twin} waited");

    let began = Instant::now();
    let mut world = world(address);
    let mut agent = world.agent();
    for _ in 0..12 {
        assert_eq!(agent.call("narrow__look", json!({})).text(), "seen");
    }
    let (goes_on, told) = (AtomicBool::new(true), Mutex::new(Told::default()));
    let refused = || told.lock().unwrap().statuses.get(&503).copied().unwrap_or(0);
    std::thread::scope(|scope| {
        let _end = End(&goes_on);
        scope.spawn(|| crowd(&agent, &goes_on, &told));
        until(Duration::from_secs(60), || refused() > 100);
        let line = || {
            server.forget();
            let done = server.done.load(Ordering::SeqCst);
            until(Duration::from_secs(60), || server.done.load(Ordering::SeqCst) > done + 50);
            server.longest.load(Ordering::SeqCst)
        };
        until(Duration::from_secs(60), || line() * 3 < twin);
        assert!(line() >= AT_ONCE, "it has nothing to do");
        // Somebody else's server has nothing to do with it.
        assert_eq!(agent.clone().call("canary__echo", json!({"text": "beside"})).text(), "beside");
        // What stops the gateway is never refused.
        assert_eq!(world.json(&["kill", "--server", "narrow", "--reason", "tested"])["scope"], "server:narrow");
    });
    let told = told.into_inner().unwrap();
    assert_eq!(told.refused, Some(("transport.bounds/overload".into(), Some("1".into()))));
    let stopped = |text: &String| text.contains("response.kill-switch/stopped");
    assert!(told.odd.iter().all(stopped), "{:?}", told.odd.iter().find(|text| !stopped(text)));
    // Of all that was refused there is a record, of most of it a sum: in each minute twenty by themselves.
    world.stop();
    let records: Vec<Value> =
        world.audit().into_iter().filter(|record| record["decision"]["code"] == "transport.bounds/overload").collect();
    let sum: u64 = records.iter().map(|record| record["detail"]["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!(sum, told.statuses[&503] as u64);
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    assert!(records.len() <= 21 * (minutes + 2), "{} records in {minutes} minutes", records.len());
}

#[test]
fn who_may_not_see_a_tool_does_not_learn_how_busy_it_is() {
    let (server, address) = Narrow::serve();
    let world = World::with()
        .server("narrow", &format!("url: http://{address}/mcp\n{ENTRY}"))
        .role("tester", ROLE)
        .role("other", "members: [\"agent:other\"]\nclearance: restricted\nallow: { canary: [echo] }")
        .section("tools", "narrow__look: { operation: read }")
        .section("bounds", BOUNDS)
        .start();
    let mut agent = world.agent();
    for _ in 0..12 {
        agent.call("narrow__look", json!({}));
    }
    let mut other = world.client("agent:other", "/mcp");
    other.open();
    let (goes_on, told) = (AtomicBool::new(true), Mutex::new(Told::default()));
    std::thread::scope(|scope| {
        let _end = End(&goes_on);
        scope.spawn(|| crowd(&agent, &goes_on, &told));
        until(Duration::from_secs(60), || told.lock().unwrap().statuses.get(&503).copied().unwrap_or(0) > 50);
        for _ in 0..20 {
            assert_eq!(other.call("narrow__look", json!({})).refused(), "access.filtered-discovery/unknown");
        }
    });
    assert!(server.done.load(Ordering::SeqCst) > 12);
}

/// The gateway on one processor, and so with one lane, wherever it runs.
const ONE_LANE: &str = "first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/self/status)\nexec taskset -c \"$first\"";

#[test]
fn a_gateway_that_is_behind_refuses_who_asks_for_most_and_serves_who_asks_for_little() {
    // To list them is far dearer than to ask for it.
    let tools: Vec<Value> = (0..100)
        .map(|at| json!({"name": format!("look-{at}"), "description": "Looks at what there is.", "inputSchema": {"type": "object"}}))
        .collect();
    let script = json!({ "tools": tools }).to_string();
    // The twin has the same to do and refuses nobody.
    for (turn, refuses) in [("1ms", true), ("60s", false)] {
        let world = World::with()
            .started_by(ONE_LANE)
            .file("box/many.json", &script)
            .scripted(&["many"], "box/many.json", "trust: internal")
            .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { many: [\"*\"] }")
            .role(
                "light",
                "members: [\"agent:light-1\", \"agent:light-2\", \"agent:light-3\"]\nclearance: restricted\nallow: { canary: [\"*\"] }",
            )
            .section("bounds", &format!("inflight: 500\nconnections: 500\nturn: {turn}"))
            .start();
        let mut agent = world.agent();
        let listed = agent.ask("tools/list", json!({}));
        assert!(listed.0["result"]["tools"].as_array().unwrap().len() > tools.len(), "{}", listed.0);
        // Callers are told apart by a hash into 64: one of these may share the part of who asks for most.
        let light = ["agent:light-1", "agent:light-2", "agent:light-3"].map(|principal| {
            let mut one = world.client(principal, "/mcp");
            one.open();
            one
        });
        let (goes_on, told) = (AtomicBool::new(true), Mutex::new(HashMap::<u16, usize>::new()));
        let count = |status: u16| told.lock().unwrap().get(&status).copied().unwrap_or(0);
        let served = std::thread::scope(|scope| {
            let _end = End(&goes_on);
            for at in 0..CLIENTS as u64 {
                let (agent, goes_on, told) = (agent.clone(), &goes_on, &told);
                scope.spawn(move || {
                    for number in 0_u64.. {
                        if !goes_on.load(Ordering::SeqCst) {
                            return;
                        }
                        // What is listed is asked of no server.
                        let list = json!({"jsonrpc": "2.0", "id": at * 1_000_000 + number, "method": "tools/list"});
                        let status = agent.post(&list, &[]).status;
                        *told.lock().unwrap().entry(status).or_default() += 1;
                    }
                });
            }
            until(Duration::from_secs(120), || if refuses { count(503) > 100 } else { count(200) > 2 * CLIENTS });
            let asked = light.each_ref().map(|one| {
                scope.spawn(move || {
                    let is_served = |at: &i32| {
                        std::thread::sleep(Duration::from_millis(200));
                        one.post(&json!({"jsonrpc": "2.0", "id": 1000 + at, "method": "ping"}), &[]).status == 200
                    };
                    (0..12).filter(is_served).count()
                })
            });
            asked.into_iter().map(|one| one.join().unwrap()).max().unwrap()
        });
        let told = told.into_inner().unwrap();
        assert!(told.keys().all(|status| [200, 503].contains(status)), "{told:?}");
        assert_eq!(told.contains_key(&503), refuses, "{told:?}");
        assert!(served >= 11, "{served} of 12 who asks for little, {told:?}");
    }
}

#[test]
fn a_compressed_answer_is_never_unpacked() {
    // Sixteen megabytes in as many kilobytes.
    let mut pack = std::process::Command::new("gzip");
    pack.arg("-c9");
    let packed = testkit::run(&mut pack, &vec![b' '; 16 << 20]).stdout;
    let mut unpack = std::process::Command::new("gzip");
    unpack.arg("-dc");
    let unpacked = testkit::run(&mut unpack, &packed).stdout.len();
    assert!(unpacked > 500 * packed.len(), "whoever unpacks it has {unpacked} bytes of {}", packed.len());
    let head = |coding: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            packed.len()
        )
    };
    let act = |coding: &str| json!([[{"raw": head(coding)}, {"hex": packed.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}]]);
    let script = json!({"acts": {"gzip": act("gzip"), "zstd": act("zstd"), "br": act("br"), "twice": act("gzip, gzip"), "identity": act("identity")}});
    let mut world = World::with()
        .file("script.json", &script.to_string())
        .scripted(&["bomb"], "script.json", "call: 20s")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], bomb: [\"*\"] }")
        .start();
    let mut agent = world.agent();
    assert_eq!(agent.call("bomb__echo", json!({"text": "hi"})).text(), "hi");
    let pid = world.gateway().pid();
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap()
    };
    let before = peak();
    for coding in ["gzip", "zstd", "br", "twice", "identity"] {
        let answer = agent.call("bomb__echo", json!({"text": coding}));
        let code = answer.refused();
        assert!(["transport.strict-messages/server", "runtime.restart/unavailable"].contains(&code), "{coding}: {code}");
        // The connection ended with it; the next one is another.
        let end = Instant::now() + Duration::from_secs(60);
        while agent.call("bomb__echo", json!({"text": "hi"})).is_error() {
            assert!(Instant::now() < end, "{coding}: the server never came back");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    assert!(peak() < before + (48 << 10), "{before} kB became {}", peak());
    assert_eq!(agent.call("canary__echo", json!({"text": "after"})).text(), "after");
}
