//! A Streamable HTTP client, one connection a request.

use super::Answer;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// One HTTP response, its body whole and unchunked.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code; 0 when the peer closed without one.
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    /// The body after chunked coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Every message in the body: one of JSON, or those of an event stream.
    pub fn messages(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body);
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok()).collect();
        }
        serde_json::from_str(&text).into_iter().collect()
    }

    /// The message that answers a request: the last with `result` or `error`. Panics when there is none.
    pub fn answer(&self) -> Answer {
        let found = self.messages().into_iter().rfind(|message| message.get("result").is_some() || message.get("error").is_some());
        Answer(found.unwrap_or_else(|| panic!("no answer: {} {}", self.status, String::from_utf8_lossy(&self.body))))
    }
}

/// An agent over Streamable HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where it connects.
    pub address: SocketAddr,
    /// `/mcp` or `/mcp/SERVER`.
    pub path: String,
    /// The bearer token, if any.
    pub token: Option<String>,
    /// The session of the legacy revision, once opened.
    pub session: Option<String>,
    /// How it secures its connections, if it does.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// How long it waits for bytes.
    pub patience: Duration,
    next: u64,
}

impl Http {
    /// An agent for `path` at `address`.
    pub fn new(address: SocketAddr, path: &str, token: Option<&str>) -> Self {
        Self {
            address,
            path: path.into(),
            token: token.map(str::to_owned),
            session: None,
            tls: None,
            patience: Duration::from_secs(90),
            next: 0,
        }
    }

    /// The same agent with its connections secured.
    #[must_use]
    pub fn secured(mut self, tls: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The same agent at another path.
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.into(), ..self.clone() }
    }

    /// Opens a legacy session: `initialize`, then `notifications/initialized`.
    pub fn open(&mut self) -> Answer {
        let hello = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "testkit", "version": "1"}});
        let message = self.request("initialize", hello);
        let response = self.post(&message, &[]);
        self.session = response.header("mcp-session-id").map(str::to_owned);
        let answer = response.answer();
        assert!(answer.code().is_none(), "initialize: {}", answer.0);
        let noted = self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &[]);
        assert_eq!(noted.status, 202, "initialized: {}", String::from_utf8_lossy(&noted.body));
        answer
    }

    /// Calls a tool in the legacy session.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a request in the legacy session.
    pub fn ask(&mut self, method: &str, params: Value) -> Answer {
        let message = self.request(method, params);
        self.post(&message, &[]).answer()
    }

    /// Sends a request of revision 2026-07-28, with its headers and `_meta`.
    pub fn ask_modern(&mut self, method: &str, mut params: Value) -> Response {
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "testkit", "version": "1"}});
        let name = ["name", "uri"].iter().find_map(|key| params.get(key)?.as_str()).map(str::to_owned);
        let message = self.request(method, params);
        let mut headers = vec![("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)];
        headers.extend(name.as_deref().map(|name| ("Mcp-Name", name)));
        self.send("POST", &self.path, &self.headers(&headers), message.to_string().as_bytes())
    }

    /// Posts `message` as it is, with the session's headers and `more`.
    pub fn post(&self, message: &Value, more: &[(&str, &str)]) -> Response {
        self.post_text(&message.to_string(), more)
    }

    /// Posts `body` as it is, JSON or not, with the session's headers and `more`; a header of `more` replaces the one of that name.
    pub fn post_text(&self, body: &str, more: &[(&str, &str)]) -> Response {
        let mut headers = self.headers(more);
        if self.session.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("mcp-protocol-version")) {
            headers.push(("MCP-Protocol-Version".into(), LEGACY.into()));
        }
        if let Some(session) =
            self.session.as_ref().filter(|_| !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id")))
        {
            headers.push(("Mcp-Session-Id".into(), session.clone()));
        }
        self.send("POST", &self.path, &headers, body.as_bytes())
    }

    /// A request object with a fresh id.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params})
    }

    /// Ends the legacy session.
    pub fn close(&mut self) -> Response {
        let session = self.session.take().unwrap_or_default();
        self.send("DELETE", &self.path, &self.headers(&[("Mcp-Session-Id", &session), ("MCP-Protocol-Version", LEGACY)]), b"")
    }

    /// One request with exactly these headers (beside `Host`, `Content-Length` and `Connection`).
    pub fn send(&self, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        parse(&self.raw(&bytes))
    }

    /// Sends bytes as they are; gives back what comes until the peer closes or falls silent.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        self.read(bytes, |_, _| false)
    }

    /// As [`Http::raw`], but only until one answer is there that says how long it is.
    pub fn raw_answer(&self, bytes: &[u8]) -> Vec<u8> {
        self.read(bytes, |so_far, _| {
            let end = so_far.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            let length = parse(so_far).header("content-length").and_then(|length| length.parse::<usize>().ok());
            end.zip(length).is_some_and(|(end, length)| so_far.len() >= end + length)
        })
    }

    /// As [`Http::raw`], but only until `enough` of the text has come.
    pub fn raw_until(&self, bytes: &[u8], enough: impl Fn(&str) -> bool) -> Vec<u8> {
        self.read(bytes, |so_far, _| enough(&String::from_utf8_lossy(so_far)))
    }

    /// As [`Http::raw`], but for no longer than about `most`, whatever still comes.
    pub fn raw_for(&self, bytes: &[u8], most: Duration) -> Vec<u8> {
        self.read(bytes, |_, waited| waited > most)
    }

    fn read(&self, bytes: &[u8], enough: impl Fn(&[u8], Duration) -> bool) -> Vec<u8> {
        let began = Instant::now();
        let stream = TcpStream::connect(self.address).expect("the listener accepts");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(self.patience)).expect("a socket");
        let mut stream = secured(stream, self.tls.as_ref(), self.address);
        let _ = stream.write_all(bytes);
        let _ = stream.flush();
        let mut answer = Vec::new();
        let mut piece = [0_u8; 16384];
        while let Ok(read) = stream.read(&mut piece) {
            if read == 0 {
                break;
            }
            answer.extend_from_slice(&piece[..read]);
            if enough(&answer, began.elapsed()) {
                break;
            }
        }
        answer
    }

    /// The usual headers of an MCP request; those in `more` replace them by name.
    pub fn headers(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let usual = [
            ("Content-Type", Some("application/json".to_owned())),
            ("Accept", Some("application/json, text/event-stream".to_owned())),
            ("Authorization", bearer),
        ];
        for (name, value) in usual {
            if let Some(value) = value.filter(|_| !headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))) {
                headers.push((name.to_owned(), value));
            }
        }
        headers
    }
}

/// Bytes both ways.
trait Channel: Read + Write {}
impl<T: Read + Write> Channel for T {}

/// `stream`, inside TLS where there is one. A handshake that fails is told by the first read or write.
fn secured(stream: TcpStream, tls: Option<&Arc<rustls::ClientConfig>>, address: SocketAddr) -> Box<dyn Channel> {
    let Some(tls) = tls else { return Box::new(stream) };
    let name = rustls_pki_types::ServerName::from(address.ip());
    let session = rustls::ClientConnection::new(Arc::clone(tls), name).expect("a client");
    Box::new(rustls::StreamOwned::new(session, stream))
}

fn parse(bytes: &[u8]) -> Response {
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(&bytes[split..]) } else { bytes[split..].to_vec() };
    Response { status, headers, body }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
        let from = end + 2;
        if size == 0 || rest.len() < from + size {
            body.extend_from_slice(&rest[from.min(rest.len())..rest.len().min(from + size)]);
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_events_are_put_together() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
            1d\r\nevent: message\ndata: {\"id\":1,\r\n11\r\n\"result\":{}}\n\n:\n\n\r\n0\r\n\r\n";
        let response = parse(wire);
        assert_eq!(response.status, 200);
        assert_eq!(response.answer().0, json!({"id": 1, "result": {}}));
    }
}
