//! An agent of revision 2026-07-28 that sends what no SDK would, and streams that show each event as it comes.

use crate::Speaks;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use testkit::{Answer, Http, Response, World};

/// How long an event is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent without a session.
#[derive(Clone, Debug)]
pub struct Agent {
    /// What carries its messages.
    pub http: Http,
    /// What each of its requests says that it can do.
    pub capabilities: Value,
    /// The level of logs that each of its requests asks for.
    pub level: Option<&'static str>,
    next: u64,
}

impl Agent {
    /// An agent of `principal` on `path` that can do nothing.
    pub fn new(world: &World, principal: &str, path: &str) -> Self {
        Self { http: world.client(principal, path), capabilities: json!({}), level: None, next: 0 }
    }

    /// The same one, able to be asked for forms, pages and samples.
    #[must_use]
    pub fn able(self) -> Self {
        Self { capabilities: json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}), ..self }
    }

    /// Sends a request and waits for all that comes.
    pub fn ask(&mut self, method: &str, params: Value) -> Response {
        self.next += 1;
        let body = self.request(&json!(self.next), method, params);
        self.post(&body, &[])
    }

    /// Calls a tool.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).answer()
    }

    /// A request with its `_meta`; what `params` has of that stays.
    pub fn request(&self, id: &Value, method: &str, mut params: Value) -> Value {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": Speaks::MODERN,
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
        });
        if let Some(level) = self.level {
            meta["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        for (name, value) in params["_meta"].as_object().into_iter().flatten() {
            meta[name] = value.clone();
        }
        params["_meta"] = meta;
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// The headers that belong to `body`; those in `more` replace them by name.
    pub fn headers(&self, body: &Value, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let method = body["method"].as_str().unwrap_or_default();
        let mut headers = vec![("MCP-Protocol-Version", Speaks::MODERN), ("Mcp-Method", method)];
        let name = match method {
            "tools/call" | "prompts/get" => body["params"]["name"].as_str(),
            "resources/read" => body["params"]["uri"].as_str(),
            _ => None,
        };
        headers.extend(name.map(|name| ("Mcp-Name", name)));
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        headers.extend(more);
        self.http.headers(&headers)
    }

    /// Posts `body` with the headers that belong to it and `more`.
    pub fn post(&self, body: &Value, more: &[(&str, &str)]) -> Response {
        self.http.send("POST", &self.http.path, &self.headers(body, more), body.to_string().as_bytes())
    }

    /// Posts a request under `id` and shows its answer as it comes.
    pub fn hold(&self, id: &Value, method: &str, params: Value) -> Held {
        let body = self.request(id, method, params);
        Held::open(self.http.address, "POST", &self.http.path, &self.headers(&body, &[]), body.to_string().as_bytes())
    }

    /// Opens a subscription under `id`; the acknowledgement is its first event.
    pub fn listen(&self, id: &Value, wants: Value) -> Held {
        self.hold(id, "subscriptions/listen", json!({"notifications": wants}))
    }
}

/// An answer that is read event by event. Dropping it hangs up.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
    status: u16,
    events: Receiver<(Option<String>, Value)>,
}

impl Held {
    /// Sends a request and reads the head of the answer.
    pub fn open(address: SocketAddr, verb: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).expect("the listener accepts");
        let mut head = format!("{verb} {path} HTTP/1.1\r\nHost: {address}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(&[head.as_bytes(), body].concat()).expect("a listener that reads");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        while !line.trim_end().is_empty() {
            line.clear();
            reader.read_line(&mut line).expect("a head");
        }
        stream.set_read_timeout(None).expect("a socket");
        let (send, events) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            while let Some(piece) = chunk(&mut reader) {
                text.push_str(&piece);
                while let Some((event, rest)) = text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned())) {
                    text = rest;
                    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
                    let message: Value = field("data:").and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default();
                    let id = field("id:");
                    if (id.is_some() || !message.is_null()) && send.send((id, message)).is_err() {
                        return;
                    }
                }
            }
        });
        Self { stream, status, events }
    }

    /// As [`Held::open`], in the session of `http`.
    pub fn of(http: &Http, verb: &str, more: &[(&str, &str)], body: &[u8]) -> Self {
        let mut headers = http.headers(more);
        headers.push(("MCP-Protocol-Version".into(), Speaks::LEGACY.into()));
        headers.extend(http.session.iter().map(|session| ("Mcp-Session-Id".to_owned(), session.clone())));
        Self::open(http.address, verb, &http.path, &headers, body)
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The next event with its id; `None` when the answer ended.
    ///
    /// Panics when neither comes in time.
    pub fn event(&self) -> Option<(Option<String>, Value)> {
        match self.events.recv_timeout(PATIENCE) {
            Ok(event) => Some(event),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no event"),
        }
    }

    /// The next message; `None` when the answer ended.
    pub fn message(&self) -> Option<Value> {
        loop {
            let (_, message) = self.event()?;
            if !message.is_null() {
                return Some(message);
            }
        }
    }

    /// All messages that are still to come, until the answer ends.
    pub fn rest(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.message()).collect()
    }

    /// The messages that came already, without waiting.
    pub fn so_far(&self) -> Vec<Value> {
        self.events.try_iter().map(|(_, message)| message).filter(|message| !message.is_null()).collect()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The next piece of a chunked body.
fn chunk(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let size = usize::from_str_radix(line.trim_end(), 16).ok().filter(|size| *size > 0)?;
    let mut piece = vec![0; size + 2];
    reader.read_exact(&mut piece).ok()?;
    piece.truncate(size);
    Some(String::from_utf8_lossy(&piece).into_owned())
}
