//! A server over HTTP that does what its script says: for what no real one does.

use crate::{Arrived, Speaks};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a double says to a request.
#[derive(Clone, Debug)]
pub enum Says {
    /// The result of the request.
    Result(Value),
    /// An error.
    Error(i64, Value),
    /// A message as it is.
    Message(Value),
    /// Messages on an event stream, which then ends.
    Events(Vec<Value>),
    /// The message on an event stream, over and over.
    Endless(Value),
    /// A status with headers, each with its end of line.
    Status(u16, String),
    /// Nothing, and the connection is closed.
    Nothing,
}

/// The server.
#[derive(Clone, Debug)]
pub struct Double {
    port: u16,
    seen: Arc<Mutex<Vec<Arrived>>>,
}

impl Double {
    /// A double that answers each request by `script`.
    pub fn start(script: impl Fn(&Arrived) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let double = Self { port: listener.local_addr().expect("a socket").port(), seen: Arc::default() };
        let (seen, script) = (Arc::clone(&double.seen), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &seen, &*script));
            }
        });
        double
    }

    /// A double of 2026-07-28 that has `tools` and answers their calls by `call`.
    pub fn modern(tools: Value, call: impl Fn(&Arrived) -> Says + Send + Sync + 'static) -> Self {
        Self::start(move |asked| match asked.method() {
            "server/discover" => Says::Result(modern(json!({"supportedVersions": [Speaks::MODERN], "capabilities": {"tools": {}}}))),
            "tools/list" => Says::Result(modern(json!({"tools": tools}))),
            "tools/call" => call(asked),
            _ => Says::Error(-32601, json!("Method not found")),
        })
    }

    /// A double of 2025-11-25 that has `tools` and answers their calls by `call`.
    pub fn legacy(tools: Value, call: impl Fn(&Arrived) -> Says + Send + Sync + 'static) -> Self {
        Self::start(move |asked| match asked.method() {
            "initialize" => {
                let server = json!({"name": "double", "version": "1"});
                Says::Result(json!({"protocolVersion": Speaks::LEGACY, "capabilities": {"tools": {}}, "serverInfo": server}))
            }
            "tools/list" => Says::Result(json!({"tools": tools})),
            "tools/call" => call(asked),
            _ if asked.body["id"].is_null() => Says::Status(202, String::new()),
            _ => Says::Error(-32601, json!("Method not found")),
        })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The requests that reached it with `method`.
    pub fn of(&self, method: &str) -> Vec<Arrived> {
        let seen = self.seen.lock().expect("no test panics in here");
        seen.iter().filter(|arrived| arrived.method() == method).cloned().collect()
    }
}

/// `result` with what each list and discovery has in 2026-07-28.
fn modern(mut result: Value) -> Value {
    for (name, value) in [("resultType", json!("complete")), ("ttlMs", json!(0)), ("cacheScope", json!("private"))] {
        result[name] = value;
    }
    result
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Arrived>>, script: &dyn Fn(&Arrived) -> Says) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    let Some(asked) = read(&mut reader) else { return };
    seen.lock().expect("no test panics in here").push(asked.clone());
    let id = asked.body["id"].clone();
    let whole = |body: &Value| {
        let body = body.to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let event = |message: &Value| format!("event: message\ndata: {message}\n\n");
    let says = if asked.verb == "POST" { script(&asked) } else { Says::Status(405, "Allow: POST\r\n".to_owned()) };
    let text = match says {
        Says::Nothing => return,
        Says::Result(result) => whole(&json!({"jsonrpc": "2.0", "id": id, "result": result})),
        Says::Error(code, message) => whole(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})),
        Says::Message(message) => whole(&message),
        Says::Events(messages) => format!("{events}{}", messages.iter().map(event).collect::<String>()),
        Says::Endless(message) => {
            let mut alive = stream.write_all(events.as_bytes()).is_ok();
            while alive {
                alive = stream.write_all(event(&message).as_bytes()).is_ok();
                std::thread::sleep(Duration::from_millis(2));
            }
            return;
        }
        Says::Status(status, headers) => format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"),
    };
    let _ = stream.write_all(text.as_bytes());
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Arrived> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let verb = line.split(' ').next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Arrived { verb, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}
