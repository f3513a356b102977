//! An HTTP+SSE client, as of 2024: everything that it is told comes on one stream, which is read aside.

use super::{Http, Response};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

/// How long it waits for an event.
const LONG: Duration = Duration::from_secs(30);

/// An agent over HTTP+SSE.
#[derive(Debug)]
pub struct OneStream {
    /// What it POSTs with.
    pub http: Http,
    /// Where it POSTs, as the stream said.
    pub endpoint: String,
    stream: TcpStream,
    events: Receiver<(String, String)>,
    next: u64,
}

impl OneStream {
    /// Opens the stream of `/sse` with the token of `http`; its session is not yet opened. Panics when no endpoint comes.
    pub fn open(http: Http) -> Self {
        let mut stream = TcpStream::connect(http.address).expect("the listener accepts");
        let token = http.token.as_deref().unwrap_or_default();
        let head =
            format!("GET /sse HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n", http.address);
        stream.write_all(head.as_bytes()).expect("a socket");
        let (say, events) = channel();
        let reader = BufReader::new(stream.try_clone().expect("a socket"));
        std::thread::spawn(move || {
            let mut kind = String::new();
            for line in reader.lines().map_while(Result::ok) {
                match line.split_once(": ") {
                    Some(("event", name)) => kind = name.to_owned(),
                    Some(("data", data)) => drop(say.send((std::mem::take(&mut kind), data.to_owned()))),
                    _ => {}
                }
            }
        });
        let mut client = Self { http, endpoint: String::new(), events, stream, next: 0 };
        let (kind, endpoint) = client.event();
        assert_eq!(kind, "endpoint");
        client.endpoint = endpoint;
        client
    }

    fn event(&self) -> (String, String) {
        self.events.recv_timeout(LONG).expect("an event")
    }

    /// The next message on the stream. Panics when none comes.
    pub fn message(&self) -> Value {
        let (kind, data) = self.event();
        assert_eq!(kind, "message");
        serde_json::from_str(&data).unwrap_or_else(|fault| panic!("{fault}: {data}"))
    }

    /// POSTs `message`; what the POST itself is answered with.
    pub fn post(&self, message: &Value) -> Response {
        self.post_bytes(message.to_string().as_bytes())
    }

    /// POSTs `body` as it is, JSON or not.
    pub fn post_bytes(&self, body: &[u8]) -> Response {
        self.http.send("POST", &self.endpoint, &self.http.headers(&[("Accept", "*/*")]), body)
    }

    /// Sends a request; its answer on the stream. Panics when another message comes first.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let response = self.post(&json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params}));
        assert_eq!((response.status, response.body.len()), (202, 0), "{method}");
        let answer = self.message();
        assert_eq!(answer["id"], self.next);
        answer
    }

    /// Opens its session; gives the revision that it is in.
    pub fn shake(&mut self) -> String {
        let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}});
        let settled = self.ask("initialize", &hello)["result"]["protocolVersion"].as_str().expect("a revision").to_owned();
        assert_eq!(self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).status, 202);
        settled
    }

    /// Whether nothing waits on the stream.
    pub fn is_silent(&self) -> bool {
        matches!(self.events.try_recv(), Err(TryRecvError::Empty))
    }

    /// Whether the stream has ended, or ends.
    pub fn ends(&self) -> bool {
        loop {
            match self.events.recv_timeout(LONG) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Hangs up.
    pub fn hang_up(&self) {
        drop(self.stream.shutdown(std::net::Shutdown::Both));
    }
}
