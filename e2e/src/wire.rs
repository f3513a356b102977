//! What passes between the gateway and a server: a relay that keeps every byte, in both directions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A relay in front of a server.
#[derive(Clone, Debug)]
pub struct Wire {
    port: u16,
    passed: Arc<Mutex<Passed>>,
}

#[derive(Debug, Default)]
struct Passed {
    /// By connection: what the gateway sent.
    up: Vec<Vec<u8>>,
    /// All that the server sent.
    down: Vec<u8>,
    /// Connections that the gateway closed before the server did.
    hung_up: usize,
}

/// One request as it arrived at the server.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// `POST`, `GET` or `DELETE`.
    pub verb: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; null when it is none of JSON.
    pub body: serde_json::Value,
}

impl Arrived {
    /// The values of a header (lower case).
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The method of the message.
    pub fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }
}

impl Wire {
    /// A relay to the server on `port` of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let wire = Self { port: listener.local_addr().expect("a socket").port(), passed: Arc::default() };
        let passed = Arc::clone(&wire.passed);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let at = {
                    let mut passed = passed.lock().expect("no test panics in here");
                    passed.up.push(Vec::new());
                    passed.up.len() - 1
                };
                let (from, to, keep) = (client.try_clone(), server.try_clone(), Arc::clone(&passed));
                let (Ok(from), Ok(to)) = (from, to) else { continue };
                std::thread::spawn(move || {
                    carry(from, to, |piece| keep.lock().expect("as above").up[at].extend_from_slice(piece));
                    keep.lock().expect("as above").hung_up += 1;
                });
                let keep = Arc::clone(&passed);
                std::thread::spawn(move || carry(server, client, |piece| keep.lock().expect("as above").down.extend_from_slice(piece)));
            }
        });
        wire
    }

    /// Where the gateway finds the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes the gateway has sent.
    pub fn bytes(&self) -> usize {
        self.passed().up.iter().map(Vec::len).sum()
    }

    /// How many connections the gateway has closed.
    pub fn hung_up(&self) -> usize {
        self.passed().hung_up
    }

    /// What the server said, as text.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.passed().down).into_owned()
    }

    /// The requests that reached the server whole, connection by connection.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.passed().up.iter().flat_map(|bytes| requests(bytes)).collect()
    }

    /// Those that carried `method`.
    pub fn of(&self, method: &str) -> Vec<Arrived> {
        self.arrived().into_iter().filter(|arrived| arrived.method() == method).collect()
    }

    fn passed(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.passed.lock().expect("no test panics in here")
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut piece = [0_u8; 16384];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        keep(&piece[..read]);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn requests(mut bytes: &[u8]) -> Vec<Arrived> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let verb = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let rest = &bytes[end + 4..];
        if rest.len() < length {
            break;
        }
        found.push(Arrived { verb, headers, body: serde_json::from_slice(&rest[..length]).unwrap_or_default() });
        bytes = &rest[length..];
    }
    found
}
