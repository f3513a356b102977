//! `transport.bounds`: a server that says everything on one stream (HTTP+SSE) is held to its own origin, and its stream is its life.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::World;
use testkit::server::{Canary, Server as _};

const GONE: &str = "runtime.restart/unavailable";

/// What the server does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    /// It wants to be told at another origin.
    Elsewhere(SocketAddr),
    /// It names a second endpoint, before it answers a call.
    Twice,
    /// It closes the stream on a call.
    Cut,
    /// It answers a call with an id that is nobody's.
    Astray,
}

#[derive(Clone)]
struct OneStream {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    streams: Arc<Mutex<HashMap<usize, TcpStream>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl OneStream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, mood: Arc::new(Mutex::new(Mood::Good)), streams: Arc::default(), seen: Arc::default() };
        let own = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        server
    }

    fn world(&self) -> World {
        let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], far: [\"*\"] }";
        let entry = format!("url: http://{}/sse\ntransport: sse\ncall: 15s\nclearance: restricted\ntrust: internal", self.address);
        World::with().server("far", &entry).role("tester", role).start()
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut request = String::new();
            reader.read_line(&mut request).ok().filter(|read| *read > 0)?;
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                match line.trim_end().to_ascii_lowercase().split_once(':') {
                    Some(("content-length", value)) => length = value.trim().parse().unwrap(),
                    Some(_) => {}
                    None => break,
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            self.seen.lock().unwrap().push(request.clone());
            if request.starts_with("GET /sse ") {
                self.open(stream.try_clone().unwrap());
            } else {
                let id = request.strip_prefix("POST /messages?id=")?.split(' ').next()?.parse().ok()?;
                stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted").ok()?;
                self.answer(id, &serde_json::from_slice(&body).unwrap());
            }
        }
    }

    fn open(&self, mut stream: TcpStream) {
        let mut streams = self.streams.lock().unwrap();
        let id = streams.len();
        let endpoint = match *self.mood.lock().unwrap() {
            Mood::Elsewhere(address) => format!("http://{address}/messages?id={id}"),
            _ => format!("/messages?id={id}"),
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        drop(stream.write_all(format!("{head}event: endpoint\r\ndata: {endpoint}\r\n\r\n").as_bytes()));
        streams.insert(id, stream);
    }

    fn answer(&self, id: usize, message: &Value) {
        let mut out = Vec::new();
        Canary::new(&std::env::temp_dir(), None).unwrap().take(message, &mut out).unwrap();
        let mut streams = self.streams.lock().unwrap();
        let stream = streams.get_mut(&id).unwrap();
        let mut text: String = String::from_utf8(out).unwrap().lines().map(|line| format!("event: message\ndata: {line}\n\n")).collect();
        if message["method"] == "tools/call" {
            match *self.mood.lock().unwrap() {
                Mood::Good | Mood::Elsewhere(_) => {}
                Mood::Twice => text = format!("event: endpoint\ndata: /messages?id={id}\n\n{text}"),
                Mood::Cut => return drop(stream.shutdown(Shutdown::Both)),
                Mood::Astray => text = text.replace(&format!("\"id\":{}", message["id"]), "\"id\":4711"),
            }
        }
        drop(stream.write_all(text.as_bytes()));
    }
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !what() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn calls_of_two_sessions_go_there_and_back() {
    let server = OneStream::start();
    let world = server.world();
    let opened = || server.seen.lock().unwrap().iter().filter(|line| line.starts_with("GET /sse ")).count();
    let before = opened();
    let (mut one, mut two) = (world.agent(), world.agent());
    for round in 0..3 {
        for (name, agent) in [("one", &mut one), ("two", &mut two)] {
            let text = format!("{name} {round}");
            assert_eq!(agent.call("far__echo", json!({"text": text})).text(), text);
        }
    }
    assert_eq!(opened(), before + 2, "each session has a stream");
    let echoes = world.audit().into_iter().filter(|record| record["tool"] == "echo" && record["result"]["status"] == "ok").count();
    assert_eq!(echoes, 6);
}

#[test]
fn it_is_told_nothing_at_another_origin() {
    let server = OneStream::start();
    let world = server.world();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    server.is(Mood::Elsewhere(elsewhere.local_addr().unwrap()));
    let mut agent = world.agent();
    assert_eq!(agent.call("far__echo", json!({"text": "hi"})).refused(), GONE);
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was told elsewhere");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    server.is(Mood::Good);
    until(|| world.agent().call("far__echo", json!({"text": "hi"})).text() == "hi");
}

#[test]
fn with_its_stream_a_session_ends_and_the_next_call_opens_another() {
    let server = OneStream::start();
    let world = server.world();
    let mut agent = world.agent();
    for mood in [Mood::Cut, Mood::Twice] {
        assert_eq!(agent.call("far__echo", json!({"text": "hi"})).text(), "hi");
        server.is(mood);
        assert_eq!(agent.call("far__echo", json!({"text": "lost"})).refused(), GONE);
        server.is(Mood::Good);
    }
    assert_eq!(agent.call("far__echo", json!({"text": "hi"})).text(), "hi");
    server.is(Mood::Astray);
    assert_eq!(agent.call("far__echo", json!({"text": "hi"})).refused(), "runtime.limits/timeout");
}

#[test]
fn a_server_that_is_spoken_to_otherwise_than_it_was_approved_is_not_used() {
    let server = OneStream::start();
    let mut world = server.world();
    let lock = std::fs::read_to_string(world.path("bastide.lock")).unwrap();
    assert!(lock.contains("\"sse\""), "{lock}");
    assert_eq!(world.agent().call("far__echo", json!({"text": "hi"})).text(), "hi");
    for (from, to, code) in
        [("transport: sse", "transport: http", Some("supply.pinning/changed")), ("transport: http", "transport: sse", None)]
    {
        world.stop();
        world.edit(from, to);
        world.serve();
        server.seen.lock().unwrap().clear();
        let answer = world.agent().call("far__echo", json!({"text": "hi"}));
        match code {
            Some(code) => {
                assert_eq!(answer.refused(), code);
                assert!(server.seen.lock().unwrap().is_empty(), "it was asked all the same");
            }
            None => assert_eq!(answer.text(), "hi"),
        }
    }
}
