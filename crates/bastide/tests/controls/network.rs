//! What local servers reach.

mod dns;
mod egress;
mod protocols;
mod segments;
mod telemetry;

use crate::runtime::python;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::{Names, World};

/// Begins every script: asks the stub by hand, connects, and speaks with the proxy, whatever the resolver of the script's language would do.
const CLIENT: &str = r#"
import socket, struct
def ask(name, kind=1, more=b''):
    question = b'\x12\x34\x01\0\0\x01\0\0\0\0\0\0' + b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0' + struct.pack('>HH', kind, 1) + more
    stub = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); stub.settimeout(10); stub.sendto(question, ('127.0.0.53', 53))
    answer = stub.recv(512)
    return [answer[3] & 15, socket.inet_ntoa(answer[-4:]) if answer[7] else None]
def say(address, port, text):
    stream = socket.create_connection((address, port), 20); stream.sendall(text.encode('latin-1'))
    heard = b''
    while True:
        piece = stream.recv(4096)
        if not piece: return heard.decode('latin-1')
        heard += piece
def tried(what):
    try: return what() or 'nothing'
    except OSError as fault: return 'failed'
get = 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n'
def connect(target, text): return say('127.0.0.1', 3128, 'CONNECT ' + target + ' HTTP/1.1\r\n\r\n' + text)
"#;
pub(super) const PAGE: &str = "a page outside";

/// A host outside that has one page, sends whoever asks for `/to/ADDRESS` on to that address, and counts who comes.
pub(super) struct Outside {
    pub(super) port: u16,
    came: Arc<AtomicUsize>,
}

impl Outside {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut head = [0; 4096];
                    let Ok(count @ 1..) = stream.read(&mut head) else { return };
                    let head = String::from_utf8_lossy(&head[..count]).into_owned();
                    let _ = match head.strip_prefix("GET /to/").and_then(|rest| rest.split(' ').next()) {
                        Some(to) => {
                            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        }
                        None => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}", PAGE.len()),
                    };
                });
            }
        });
        Self { port, came }
    }

    pub(super) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// The entries that let a server reach it by the name `localhost`, speaking HTTP.
    pub(super) fn listed(&self) -> String {
        format!("\"http://localhost:{0}\", \"http://127.0.0.1:{0}\", \"http://[::1]:{0}\"", self.port)
    }
}

/// A running world whose server `script` runs `code`, in which `PORT` is the port outside, with `list` as its `egress`.
pub(super) fn world(code: &str, outside: &Outside, list: &str) -> World {
    start(code, outside, list, "system")
}

/// As [`world`], with the names of `names`.
pub(super) fn world_with(names: &Names, code: &str, outside: &Outside, list: &str) -> World {
    start(code, outside, list, &names.url)
}

fn start(code: &str, outside: &Outside, list: &str, resolver: &str) -> World {
    let code = code.replace("PORT", &outside.port.to_string());
    let more = format!("sandbox: {{ egress: [{list}], memory: 1GiB }}");
    let mut world = python("script", &code, &more).section("dns", &format!("resolver: \"{resolver}\"")).write();
    crate::runtime::prepend(&world, CLIENT);
    world.json(&["lock", "--yes"]);
    world.serve();
    world
}

/// What the server's code left in `said`.
pub(super) fn run(world: &World) -> Value {
    let text = world.agent().call("script__run", json!({})).text();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// The events of `name` on record.
pub(super) fn events(world: &World, name: &str) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == name).collect()
}

/// Waits until an attempt was refused for `reason`; its record.
pub(super) fn refused(world: &World, reason: &str) -> Value {
    let find = || events(world, "network.refused").into_iter().find(|record| record["detail"]["reason"] == reason);
    crate::runtime::until(|| find().is_some());
    find().unwrap()
}
