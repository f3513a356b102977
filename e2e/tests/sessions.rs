//! What a session lives through beside calls: questions, progress, updates, cancelling, and a server that forgets it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Client, Driven, Peers, Step, Way};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Running, World, free_port};

const PAGE: &str = "demo://resource/dynamic/text/1";
const ALL: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { everything: [\"*\"] }";

fn launched(peers: &Peers, role: &str) -> World {
    let sandbox = format!("sandbox: {{ read: [{:?}], write: [\"{{box}}\"] }}", peers.folder().display().to_string());
    let run = peers.node_server("server-everything", &["stdio"]);
    World::with().server("everything", &format!("run: {run}\n{sandbox}")).role("tester", role).start()
}

fn remote(port: u16) -> World {
    // Reads are repeated after a session was lost, what may change something is not.
    World::with()
        .server("everything", &format!("url: http://127.0.0.1:{port}/mcp"))
        .role("tester", ALL)
        .section("tools", "everything__get-sum: { operation: read }")
        .start()
}

fn everything(peers: &Peers, world: Option<&World>, port: u16) -> Running {
    // All that it says goes to the log.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$0\" streamableHttp >&2"]).arg(peers.node("mcp-server-everything"));
    let log = world.map_or_else(|| std::env::temp_dir().join(format!("everything-{port}.log")), |world| world.path("everything.log"));
    let server = Running::start(peers.prepare(&mut command).env("PORT", port.to_string()), &log);
    let end = Instant::now() + Duration::from_secs(90);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn ways(world: &World) -> [Way; 2] {
    [Way::http(world, "/mcp/everything"), Way::connect(world, "everything")]
}

fn call(client: &mut Driven, name: &str, arguments: Value) -> Step {
    client.step(&json!({"call": name, "arguments": arguments}))
}

fn questions_reach_the_client(peers: &Peers, world: &World, roots: &str) {
    for way in ways(world) {
        let mut client = peers.session(Client::Python, Able::Yes, &way, &world.path("home"));
        let sampled = call(&mut client, "trigger-sampling-request", json!({"prompt": "say hi", "maxTokens": 10}));
        assert!(sampled.text().contains("a sampled answer"), "{sampled:?}");
        let form = call(&mut client, "trigger-elicitation-request", json!({}));
        assert!(form.text().contains("Name: blue"), "{form:?}");
        let page = call(&mut client, "trigger-url-elicitation", json!({"url": "https://example.com/one"}));
        assert!(page.text().contains("User completed"), "{page:?}");
        let first = call(&mut client, "trigger-url-elicitation", json!({"url": "https://example.com/two", "errorPath": true}));
        assert_eq!(first.0["fault"]["code"], -32042, "{first:?}");
        assert_eq!(first.0["fault"]["data"]["elicitations"][0]["mode"], "url", "{first:?}");
        let listed = call(&mut client, "get-roots-list", json!({}));
        assert!(listed.good() && listed.text().contains(roots), "{listed:?}");
        let seen = client.step(&json!({"seen": 3}));
        for kind in ["sampling", "elicitation"] {
            assert!(seen.0["seen"].as_array().unwrap().iter().any(|one| one[kind] != Value::Null), "{kind}: {seen:?}");
        }
    }
    let audit = world.audit();
    for held in ["a sampled answer", "blue"] {
        let found = audit.iter().any(|record| record["method"] == "response" && record["arguments"].to_string().contains(held));
        assert!(found, "no record of the reply with {held}");
    }
}

#[test]
fn questions_reach_a_client_that_can_answer() {
    let Some(peers) = Peers::find() else { return };
    questions_reach_the_client(&peers, &launched(&peers, ALL), "file:///tmp");
    let port = free_port();
    let _server = everything(&peers, None, port);
    // It asks for roots on its standing stream, where a question belongs to no call: declined.
    questions_reach_the_client(&peers, &remote(port), "oots");
}

#[test]
fn questions_that_policy_forbids_are_not_asked() {
    let Some(peers) = Peers::find() else { return };
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { everything: [\"trigger-*\", \"question:elicitation\"] }";
    let world = launched(&peers, role);
    for way in ways(&world) {
        let mut client = peers.session(Client::Python, Able::Yes, &way, &world.path("home"));
        let form = call(&mut client, "trigger-elicitation-request", json!({}));
        assert!(form.text().contains("Name: blue"), "{form:?}");
        let sampled = call(&mut client, "trigger-sampling-request", json!({"prompt": "say hi", "maxTokens": 10}));
        assert!(!sampled.text().contains("a sampled answer"), "{sampled:?}");
        let seen = client.step(&json!({"seen": 1}));
        assert!(seen.0["seen"].as_array().unwrap().iter().all(|one| one["sampling"] == Value::Null), "{seen:?}");
    }
}

#[test]
fn progress_updates_and_cancelling_pass() {
    let Some(peers) = Peers::find() else { return };
    let world = launched(&peers, ALL);
    for way in ways(&world) {
        let mut client = peers.session(Client::Python, Able::No, &way, &world.path("home"));
        let long = call(&mut client, "trigger-long-running-operation", json!({"duration": 1, "steps": 4}));
        assert_eq!(long.0["progress"], json!([1.0, 2.0, 3.0, 4.0]), "{long:?}");
        assert!(client.step(&json!({"read": PAGE})).text().contains("plaintext resource"));
        assert_eq!(client.step(&json!({"subscribe": PAGE})).0, json!({}));
        assert!(call(&mut client, "toggle-subscriber-updates", json!({})).good());
        let end = Instant::now() + Duration::from_secs(60);
        let updated = json!({"updated": PAGE});
        while !client.step(&json!({"seen": 0})).0["seen"].as_array().unwrap().contains(&updated) {
            assert!(Instant::now() < end, "no update came");
            std::thread::sleep(Duration::from_millis(100));
        }
        let step = json!({"call": "trigger-long-running-operation", "arguments": {"duration": 20, "steps": 2}, "within": 0.5});
        assert_eq!(client.step(&step).0["gone"], true);
        assert_eq!(call(&mut client, "echo", json!({"message": "after"})).text(), "Echo: after");
    }
    let cancelled = || world.audit().iter().filter(|record| record["result"]["status"] == "cancelled").count();
    let end = Instant::now() + Duration::from_secs(60);
    while cancelled() < 2 {
        assert!(Instant::now() < end, "{} of 2 are on record", cancelled());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(cancelled(), 2);
}

#[test]
fn a_server_that_forgot_its_sessions_gets_new_ones_and_no_call_twice() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let mut server = everything(&peers, None, port);
    let world = remote(port);
    let mut clients = ways(&world).map(|way| peers.session(Client::Python, Able::No, &way, &world.path("home")));
    let sum = |client: &mut Driven| call(client, "get-sum", json!({"a": 1, "b": 2}));
    let echo = |client: &mut Driven| call(client, "echo", json!({"message": "hi"}));
    for client in &mut clients {
        assert!(echo(client).good());
    }
    server.kill();
    let mut server = everything(&peers, Some(&world), port);
    for client in &mut clients {
        let read = sum(client);
        assert!(read.text().contains("is 3"), "a read is asked again: {read:?}");
        assert!(echo(client).good());
    }
    assert_eq!(handshakes(&world), 2, "one a session");
    server.kill();
    std::fs::remove_file(world.path("everything.log")).unwrap();
    server = everything(&peers, Some(&world), port);
    for client in &mut clients {
        let changes = echo(client);
        assert_eq!(changes.refused(), Some("runtime.restart/unavailable"), "what may change something is not sent twice: {changes:?}");
        let audit = world.audit();
        let record = audit.iter().find(|record| record["request"] == changes.reference().unwrap()).unwrap();
        assert_eq!(record["result"]["status"], "unknown", "{record}");
        assert!(echo(client).good(), "the session is open again");
    }
    assert_eq!(handshakes(&world), 2, "one a session");
    server.kill();
    for client in &mut clients {
        assert_eq!(echo(client).refused(), Some("runtime.restart/unavailable"));
    }
    let _server = everything(&peers, Some(&world), port);
    for client in &mut clients {
        let end = Instant::now() + Duration::from_secs(90);
        while !echo(client).good() {
            assert!(Instant::now() < end, "it is there again and not used");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// How often the server says that a session was opened.
fn handshakes(world: &World) -> usize {
    let said = std::fs::read_to_string(world.path("everything.log")).unwrap();
    said.matches("Session initialized").count()
}
