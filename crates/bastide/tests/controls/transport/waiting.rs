//! `transport.bounds`, `response.kill-switch`: calls that wait for their client to come back with an answer are bounded, on record when nobody does, and
//! end with what ends their session.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::{Response, World};

/// A server of 2025-11-25 whose one tool asks the user first, and what it was told.
struct Asker {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Asker {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let asker = Self { address: listener.local_addr().unwrap(), told: Arc::default() };
        let told = Arc::clone(&asker.told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || answer(stream, &told));
            }
        });
        asker
    }

    /// How many calls were taken back.
    fn cancelled(&self) -> usize {
        self.told.lock().unwrap().iter().filter(|message| message["method"] == "notifications/cancelled").count()
    }
}

/// Answers one request; the stream of a call stays open until the gateway lets go of it.
fn answer(mut stream: TcpStream, told: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head)? > 2 {
        let line = head.rsplit('\n').nth(1).unwrap_or_default().to_ascii_lowercase();
        length = line.strip_prefix("content-length:").and_then(|text| text.trim().parse().ok()).unwrap_or(length);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    told.lock().unwrap().push(message.clone());
    let id = &message["id"];
    let result = match message["method"].as_str() {
        Some("initialize") => {
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "asker", "version": "1"}})
        }
        Some("tools/list") => json!({"tools": [{"name": "ask", "inputSchema": {"type": "object"}}]}),
        Some("tools/call") => {
            let question = json!({"jsonrpc": "2.0", "id": format!("q{id}"), "method": "elicitation/create",
                "params": {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}}}});
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
            write!(stream, "{head}data: {question}\n\n")?;
            return reader.read_to_end(&mut body).map(drop);
        }
        // The reply to a question, which it never takes note of.
        None if message.get("result").is_some() => return reader.read_to_end(&mut body).map(drop),
        _ if head.starts_with("GET") => {
            return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        _ => return stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    };
    let text = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{text}", text.len())
}

/// A call by a modern client that can be asked; `more` are further params.
fn call(world: &World, token: &str, number: usize, more: &Value) -> Response {
    let mut params = json!({"name": "ask", "arguments": {"number": number},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let message = json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params});
    let client = testkit::Http::new(world.data(), "/mcp/asker", Some(token));
    client.post(&message, &[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "ask")])
}

fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn calls_that_wait_are_bounded_and_end_with_their_session() {
    let asker = Asker::start();
    let world = World::with()
        .server("asker", &format!("url: http://{}/mcp\nrevision: \"2025-11-25\"", asker.address))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { asker: [ask, \"question:elicitation\"] }")
        .section("bounds", "inflight: 2")
        .start();
    let token = world.token("agent:tester", &[]);
    let asked: Vec<Value> = (1..=3)
        .map(|number| {
            let answer = call(&world, &token, number, &json!({})).answer().0;
            assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
            json!({"requestState": answer["result"]["requestState"], "inputResponses": {}})
        })
        .collect();
    until("the third call was not taken back", || asker.cancelled() == 1);
    assert_eq!(call(&world, &token, 3, &asked[2]).answer().code(), Some(-32602), "what does not wait cannot go on");
    let again = call(&world, &token, 1, &asked[0]).answer().0;
    assert_eq!(again["result"]["resultType"], "input_required", "what was not answered is asked again: {again}");
    let abandoned = || world.audit().iter().filter(|record| record["event"] == "call.abandoned").count();
    until("it is not on record", || abandoned() == 1);
    world.json(&["kill", "--principal", "agent:tester", "--reason", "tested"]);
    until("a call outlived its session", || abandoned() == 3);
}

#[test]
fn a_kill_ends_a_call_whose_server_does_not_take_the_answer() {
    let asker = Asker::start();
    let world = World::with()
        .server("asker", &format!("url: http://{}/mcp\nrevision: \"2025-11-25\"\ncall: 300s", asker.address))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { asker: [ask, \"question:elicitation\"] }")
        .start();
    let token = world.token("agent:tester", &[]);
    let asked = call(&world, &token, 1, &json!({})).answer().0;
    let key = asked["result"]["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
    let answers = json!({"requestState": asked["result"]["requestState"], "inputResponses": {key: {"action": "decline"}}});
    std::thread::scope(|scope| {
        let back = scope.spawn(|| call(&world, &token, 1, &answers).answer());
        until("it was not answered", || asker.told.lock().unwrap().iter().any(|message| message.get("result").is_some()));
        world.json(&["kill", "--principal", "agent:tester", "--reason", "tested"]);
        assert_eq!(back.join().unwrap().refused(), "response.kill-switch/stopped");
    });
    until("the server was not told", || asker.cancelled() == 1);
}
