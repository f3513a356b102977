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
use testkit::World;

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
const PAGE: &str = "a page outside";

/// A host outside that has one page and counts who comes.
struct Outside {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Outside {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}", PAGE.len());
                    }
                });
            }
        });
        Self { port, came }
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// The entries that let a server reach it by the name `localhost`, speaking HTTP.
    fn listed(&self) -> String {
        format!("\"http://localhost:{0}\", \"http://127.0.0.1:{0}\", \"http://[::1]:{0}\"", self.port)
    }
}

/// A resolver of our own, asked by DNS over HTTP on this host. Each name leads where `led` says, from how often it was asked before.
struct Names {
    url: String,
}

impl Names {
    fn new(led: impl Fn(&str, usize) -> [u8; 4] + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
        let (led, asked) = (Arc::new(led), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, led, asked) = (stream.unwrap(), Arc::clone(&led), Arc::clone(&asked));
                std::thread::spawn(move || while Self::answer(&mut stream, &*led, &asked).is_some() {});
            }
        });
        Self { url }
    }

    fn answer(stream: &mut std::net::TcpStream, led: &dyn Fn(&str, usize) -> [u8; 4], asked: &AtomicUsize) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            stream.read_exact(&mut one).ok()?;
            head.push(one[0]);
        }
        let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let labels = &body[12..length - 5];
        let name: String = labels.iter().map(|byte| if *byte < 32 { '.' } else { char::from(*byte) }).collect();
        (body[2], body[3]) = (0x81, 0x80);
        if body[length - 3] == 1 {
            let address = led(&name[1..], asked.fetch_add(1, Ordering::SeqCst));
            body[7] = 1;
            body.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            body.extend(address);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()
    }
}

/// A running world whose server `script` runs `code`, in which `PORT` is the port outside, with `list` as its `egress`.
fn world(code: &str, outside: &Outside, list: &str) -> World {
    start(code, outside, list, "system")
}

/// As [`world`], with the names of `names`.
fn world_with(names: &Names, code: &str, outside: &Outside, list: &str) -> World {
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
fn run(world: &World) -> Value {
    let text = world.agent().call("script__run", json!({})).text();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// The events of `name` on record.
fn events(world: &World, name: &str) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == name).collect()
}

/// Waits until an attempt was refused for `reason`; its record.
fn refused(world: &World, reason: &str) -> Value {
    let find = || events(world, "network.refused").into_iter().find(|record| record["detail"]["reason"] == reason);
    crate::runtime::until(|| find().is_some());
    find().unwrap()
}
