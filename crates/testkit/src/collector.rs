//! A collector of telemetry: takes what is posted to it, and shows the spans and metrics in it by the field numbers of OTLP.

use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a collector does with what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Takes the connection and never answers.
    Sleeps,
    /// Answers with this status.
    Answers(u16),
    /// Sends elsewhere.
    Redirects(String),
    /// Takes it, and says that it did not take so many.
    Rejects(u8),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its first line and its fields.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A collector on a port of its own, until the test ends.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    exports: Arc<Mutex<Vec<Export>>>,
    manner: Arc<Mutex<Manner>>,
}

impl Collector {
    /// One that takes everything.
    pub fn new() -> Self {
        Self::of(Manner::Takes)
    }

    /// One of this manner.
    pub fn of(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (exports, manner) = (Arc::<Mutex<Vec<Export>>>::default(), Arc::new(Mutex::new(manner)));
        let (kept, how) = (Arc::clone(&exports), Arc::clone(&manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, how) = (Arc::clone(&kept), Arc::clone(&how));
                std::thread::spawn(move || while take(&stream, &kept, &how).is_some() {});
            }
        });
        Self { address, exports, manner }
    }

    /// Behaves otherwise from now on.
    pub fn turns(&self, manner: Manner) {
        *self.manner.lock().expect("no test panics in here") = manner;
    }

    /// Its address, as a configuration has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was sent to it so far.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().expect("no test panics in here").clone()
    }

    /// The spans so far: `trace`, `id`, `parent`, `name`, `kind`, `from`, `to`, `attributes`, `events`, `status`.
    pub fn spans(&self) -> Vec<Value> {
        let exports = self.exports();
        let traces = exports.iter().filter(|export| export.head.starts_with("POST /v1/traces "));
        traces.flat_map(|export| within(&export.body, &[1, 2, 2]).into_iter().map(|span| span_of(&span)).collect::<Vec<_>>()).collect()
    }

    /// The metrics of the last export: by name, `points` with `attributes` and `count`.
    pub fn metrics(&self) -> Map<String, Value> {
        let exports = self.exports();
        let last = exports.iter().rfind(|export| export.head.starts_with("POST /v1/metrics "));
        let metrics = last.map(|export| within(&export.body, &[1, 2, 2])).unwrap_or_default();
        let named = |metric: &Vec<u8>| {
            let points: Vec<Value> = [(5_u64, 7), (7, 7), (9, 9)]
                .iter()
                .flat_map(|(data, labels)| {
                    within(metric, &[*data, 1]).into_iter().map(move |point| {
                        let count = [4, 6].iter().find_map(|field| number(&point, *field));
                        json!({"attributes": attributes(&point, *labels), "count": count})
                    })
                })
                .collect();
            (text(metric, 1), json!({"points": points, "unit": text(metric, 3)}))
        };
        metrics.iter().map(named).collect()
    }

    /// Waits until the spans satisfy `enough`, and gives them. Panics after a minute.
    pub fn spans_until(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let spans = self.spans();
            if enough(&spans) {
                return spans;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not in these spans: {spans:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes one request of a connection; nothing once it is over.
fn take(mut stream: &TcpStream, kept: &Mutex<Vec<Export>>, how: &Mutex<Manner>) -> Option<()> {
    let mut seen = Vec::new();
    let (head, length) = loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).into_owned();
            let field = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let length: usize = field.and_then(|length| length.parse().ok()).unwrap_or(0);
            seen.drain(..end + 4);
            break (head, length);
        }
        more(stream, &mut seen)?;
    };
    while seen.len() < length {
        more(stream, &mut seen)?;
    }
    kept.lock().expect("no test panics in here").push(Export { head, body: seen });
    let manner = how.lock().expect("no test panics in here").clone();
    let (status, fields, body) = match manner {
        Manner::Takes => (200, String::new(), Vec::new()),
        Manner::Sleeps => {
            std::thread::sleep(Duration::from_secs(600));
            return None;
        }
        Manner::Answers(status) => (status, String::new(), b"no".to_vec()),
        Manner::Redirects(to) => (307, format!("Location: {to}\r\n"), Vec::new()),
        Manner::Rejects(count) => (200, String::new(), vec![0x0a, 2, 0x08, count]),
    };
    let head = format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn more(mut stream: &TcpStream, seen: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 << 10];
    let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
    seen.extend_from_slice(&piece[..read]);
    Some(())
}

/// A field of a message: a number as its bytes, else what it holds.
fn fields(mut rest: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let length = match tag & 7 {
            0 => {
                found.push((tag >> 3, varint(&mut rest).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)).expect("a length"),
            5 => 4,
            other => panic!("no such wire type: {other}"),
        };
        let (taken, left) = rest.split_at(length);
        found.push((tag >> 3, taken.to_vec()));
        rest = left;
    }
    found
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first().expect("a whole number");
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The messages at the end of a path of fields.
fn within(message: &[u8], path: &[u64]) -> Vec<Vec<u8>> {
    let Some((first, rest)) = path.split_first() else { return vec![message.to_vec()] };
    fields(message).iter().filter(|(field, _)| field == first).flat_map(|(_, inner)| within(inner, rest)).collect()
}

fn bytes(message: &[u8], wanted: u64) -> Option<Vec<u8>> {
    fields(message).into_iter().find(|(field, _)| *field == wanted).map(|(_, value)| value)
}

fn text(message: &[u8], wanted: u64) -> String {
    bytes(message, wanted).map(|value| String::from_utf8(value).expect("a text")).unwrap_or_default()
}

fn number(message: &[u8], wanted: u64) -> Option<u64> {
    bytes(message, wanted).map(|value| u64::from_le_bytes(value.try_into().expect("eight bytes")))
}

fn attributes(message: &[u8], wanted: u64) -> Map<String, Value> {
    let entry = |entry: Vec<u8>| {
        let value = bytes(&entry, 2).unwrap_or_default();
        let told = match number_field(&value) {
            Some(number) => json!(number),
            None => json!(text(&value, 1)),
        };
        (text(&entry, 1), told)
    };
    within(message, &[wanted]).into_iter().map(entry).collect()
}

fn number_field(value: &[u8]) -> Option<i64> {
    bytes(value, 3).map(|value| i64::from_le_bytes(value.try_into().expect("eight bytes")))
}

fn span_of(span: &[u8]) -> Value {
    let id = |field| bytes(span, field).map(hex::encode);
    let status = within(span, &[15]).first().and_then(|status| number(status, 3));
    json!({
        "trace": id(1),
        "id": id(2),
        "parent": id(4),
        "name": text(span, 5),
        "kind": match number(span, 6) { Some(2) => "server", Some(3) => "client", _ => "other" },
        "from": number(span, 7),
        "to": number(span, 8),
        "attributes": attributes(span, 9),
        "events": within(span, &[11]).iter().map(|event| text(event, 2)).collect::<Vec<_>>(),
        "status": status,
    })
}
