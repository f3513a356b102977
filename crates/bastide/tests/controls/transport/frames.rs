//! `transport.bounds` over HTTP/2: frames that cost their sender nothing are counted, and a good client goes on.

use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testkit::World;
use testkit::pki::Authority;

const ANA: &str = "spiffe://example.org/agent/ana";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Frames of a flood: more than any allowance.
const MANY: u32 = 4_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of `GET /health`, or of a POST to it, in HPACK (RFC 7541 appendix A).
fn fields(world: &World, method: u8) -> Vec<u8> {
    let authority = world.data().to_string();
    let mut block = vec![method, 0x87, 0x04, 7];
    block.extend(b"/health");
    block.extend([0x01, u8::try_from(authority.len()).unwrap()]);
    block.extend(authority.as_bytes());
    block
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

type Secured = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connected(world: &World, settings: &std::sync::Arc<rustls::ClientConfig>) -> Secured {
    let stream = TcpStream::connect(world.data()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let session = rustls::ClientConnection::new(settings.clone(), rustls_pki_types::ServerName::from(world.data().ip())).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream
}

/// Sends `bytes` and reads until the other side ends it; gives whether it did.
fn cut(mut stream: Secured, bytes: &[u8]) -> bool {
    let began = Instant::now();
    if stream.write_all(bytes).and_then(|()| stream.flush()).is_err() {
        return true;
    }
    let mut piece = [0; 16384];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(cause) => return !matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
        if began.elapsed() > Duration::from_secs(20) {
            return false;
        }
    }
}

#[test]
fn floods_of_frames_are_cut_off_and_a_good_client_goes_on() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, ", client_ca: {root}/tls/clients.pem").start();
    let leaf = authority.client(ANA);
    let settings = authority.trusting(Some(&leaf), "h2");
    let mut agent = world.client("agent:tester", "/mcp").secured(authority.trusting(Some(&leaf), "http/1.1"));
    agent.open();
    let many = |one: &dyn Fn(u32) -> Vec<u8>| (0..MANY).flat_map(one).collect::<Vec<u8>>();
    let head = fields(&world, GET);
    let body = fields(&world, POST);
    let long = frame(1, 0, 1, &head);
    let floods: Vec<(&str, Vec<u8>)> = vec![
        ("pings", many(&|at| frame(6, 0, 0, &u64::from(at).to_be_bytes()))),
        ("settings", many(&|_| frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]))),
        ("empty settings", many(&|_| frame(4, 0, 0, &[]))),
        ("priorities", many(&|at| frame(2, 0, 2 * at + 1, &[0, 0, 0, 0, 16]))),
        ("windows", many(&|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("unknown frames", many(&|_| frame(0x7f, 0, 0, b"?"))),
        ("resets", many(&|at| [frame(1, END_HEADERS | END_STREAM, 2 * at + 1, &head), frame(3, 0, 2 * at + 1, &[0, 0, 0, 8])].concat())),
        ("empty data", [frame(1, END_HEADERS, 1, &body), many(&|_| frame(0, 0, 1, &[]))].concat()),
        ("crumbs of data", [frame(1, END_HEADERS, 1, &body), many(&|_| frame(0, 0, 1, b"x"))].concat()),
        ("continuations", [long.clone(), many(&|_| frame(9, 0, 1, &[]))].concat()),
        ("continuations that carry", [long, many(&|_| frame(9, 0, 1, &[0x00, 1, b'a', 1, b'b']))].concat()),
        ("no frames at all", vec![0xff; 100_000]),
        ("a frame too large", frame(0, 0, 1, &vec![0; 1 << 20])),
        ("pushes", many(&|_| frame(5, END_HEADERS, 1, &[0, 0, 0, 2]))),
        ("a window over its end", [frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])].concat()),
        ("data of no stream", frame(0, 0, 77, b"x")),
    ];
    for (case, bytes) in floods {
        assert!(cut(connected(&world, &settings), &bytes), "{case}: it goes on");
        assert_eq!(agent.call("canary__echo", json!({"text": case})).text(), case);
    }
    let malformed = || world.audit().iter().filter(|record| record["decision"]["code"] == "transport.strict-messages/malformed").count();
    let before = malformed();
    assert!(before >= 1, "what is no HTTP/2 is on record");
    // Who just leaves is not.
    drop(connected(&world, &settings));
    assert_eq!(agent.call("canary__echo", json!({"text": "after"})).text(), "after");
    assert_eq!(malformed(), before);
    let flooded = world.audit().iter().filter(|record| record["decision"]["code"] == "transport.bounds/flood").count();
    assert!(flooded >= 9, "{flooded} floods on record");
}

#[test]
fn heads_that_grow_when_they_are_read_are_refused() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, ", client_ca: {root}/tls/clients.pem").start();
    let settings = authority.trusting(Some(&authority.client(ANA)), "h2");
    // One long field into the table, then named again and again by one byte each (RFC 7541 §6.1).
    let mut bomb = fields(&world, GET);
    bomb.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    bomb.extend([b'y'; 3968]);
    bomb.extend([0xbe; 8_000]);
    let mut stream = connected(&world, &settings);
    stream.write_all(&frame(1, END_HEADERS | END_STREAM, 1, &bomb)).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let kinds: Vec<u8> = kinds(&answer);
    // Either an answer of 431, or the stream or the connection ends: never the page.
    assert!(!answer.windows(12).any(|window| window == br#"{"ok":true}"#.as_slice()), "{kinds:?}");
}

/// The kinds of the frames in `bytes`.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, ..] = *bytes {
        kinds.push(kind);
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    kinds
}
