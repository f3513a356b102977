//! `identity.session-binding`: a client of HTTP+SSE is known by its token in each request. The id of its stream says which stream, and opens nothing.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::{Http, OneStream, Response, World};

const LONG: Duration = Duration::from_secs(30);

fn world() -> World {
    let mut world = World::new();
    world.stop();
    let address = world.data().to_string();
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, legacy_sse: true }}"));
    world.serve();
    world
}

fn open(world: &World, principal: &str) -> OneStream {
    let mut client = OneStream::open(world.client(principal, "/sse"));
    assert_eq!(client.shake(), "2025-11-25");
    client
}

fn echo(client: &mut OneStream, text: &str) -> Value {
    client.ask("tools/call", &json!({"name": "canary__echo", "arguments": {"text": text}}))
}

fn post(http: &Http, path: &str, message: &Value) -> Response {
    http.send("POST", path, &http.headers(&[("Accept", "*/*")]), message.to_string().as_bytes())
}

fn sessions(world: &World) -> usize {
    world.json(&["session", "list"])["sessions"].as_array().unwrap().len()
}

#[test]
fn it_is_not_spoken_unless_the_file_says_so() {
    let world = World::new();
    let agent = world.client("agent:tester", "/sse");
    assert_eq!(agent.send("GET", "/sse", &agent.headers(&[]), b"").status, 404);
    let id = "0".repeat(64);
    assert_eq!(post(&agent, &format!("/messages?id={id}"), &json!({})).status, 400);
}

#[test]
fn what_is_posted_is_judged_as_ever_and_answered_on_the_stream() {
    let world = world();
    let mut client = open(&world, "agent:tester");
    assert_eq!(echo(&mut client, "hi")["result"]["content"][0]["text"], "hi");
    let refused = client.ask("tools/call", &json!({"name": "canary__nothing", "arguments": {}}));
    assert_eq!(refused["result"]["_meta"]["dev.bastide/refusal"]["code"], "access.filtered-discovery/unknown", "{refused}");
    let slow = client.ask("tools/call", &json!({"name": "canary__wait", "arguments": {"ms": 3_000}}));
    assert!(slow["result"].is_object(), "an answer that came as a stream: {slow}");
    let leak = client.ask("tools/call", &json!({"name": "canary__secret_leak", "arguments": {"kind": "github"}}));
    assert!(!leak.to_string().contains("ghp_") && leak.to_string().contains("«redacted"), "{leak}");
    let doubled = post(&client.http, &client.endpoint, &json!([]));
    assert_eq!(doubled.status, 400, "a batch");
    let records = world.audit().into_iter().filter(|record| record["tool"] == "echo" && record["principal"]["agent"] == "tester").count();
    assert!(records > 0);
}

#[test]
fn the_id_of_a_stream_opens_nothing() {
    let world = world();
    let stranger = world.stranger();
    assert_eq!(stranger.send("GET", "/sse", &[], b"").status, 401);
    let mut client = open(&world, "agent:tester");
    let call =
        json!({"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": {"name": "canary__echo", "arguments": {"text": "stolen"}}});
    let hello = json!({"jsonrpc": "2.0", "id": 98, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    for message in [&call, &hello] {
        assert_eq!(post(&stranger, &client.endpoint, message).status, 401);
        let mut forger = client.http.clone();
        forger.token = Some("not.a.token".into());
        assert_eq!(post(&forger, &client.endpoint, message).status, 401);
        for other in ["agent:other", "agent:tester"] {
            let other = world.client(other, "/mcp");
            assert_eq!(post(&other, &client.endpoint, message).status, 404, "another principal, or the same with another token");
        }
        let own = |path: &str| post(&client.http, path, message).status;
        assert_eq!(own(&format!("/messages?id={}", "0".repeat(64))), 404);
        assert_eq!(own("/messages?id="), 400);
        assert_eq!(own(&format!("{}&x=1", client.endpoint)), 400);
        assert_eq!(own("/messages"), 404);
        assert_eq!(own(&format!("http://evil.example{}", client.endpoint)), 403);
    }
    let foreign =
        client.http.send("POST", &client.endpoint, &client.http.headers(&[("Host", "evil.example")]), call.to_string().as_bytes());
    assert_eq!(foreign.status, 403);
    let page = client.http.send("GET", "/sse", &client.http.headers(&[("Origin", "https://evil.example")]), b"");
    assert_eq!(page.status, 403);
    assert!(client.is_silent() && world.reached().is_empty());
    assert_eq!(echo(&mut client, "mine")["result"]["content"][0]["text"], "mine", "the stream is as good as before");
}

#[test]
fn a_stream_and_its_session_end_together() {
    let world = world();
    let one = open(&world, "agent:tester");
    let mut two = open(&world, "agent:tester");
    assert_eq!(sessions(&world), 2);
    one.hang_up();
    let end = Instant::now() + LONG;
    while sessions(&world) > 1 {
        assert!(Instant::now() < end, "the session outlives its stream");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(echo(&mut two, "still")["result"]["content"][0]["text"], "still");
    world.json(&["kill", "--all", "--reason", "tested"]);
    assert!(two.ends(), "the stream outlives its session");
}
