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
        if began.elapsed() > Duration::from_secs(60) {
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
    let page = |block: &[u8], patience: Duration| {
        let mut stream = connected(&world, &settings);
        stream.sock.set_read_timeout(Some(patience)).unwrap();
        stream.write_all(&frame(1, END_HEADERS | END_STREAM, 1, block)).unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..count]);
            if answer.windows(PAGE.len()).any(|window| window == PAGE) {
                return true;
            }
        }
        false
    };
    assert!(page(&fields(&world, GET), Duration::from_secs(60)), "its twin without the fields gets the page");
    assert!(!page(&bomb, Duration::from_secs(3)));
}

#[test]
fn an_answer_that_is_not_read_and_a_connection_that_does_nothing_are_cut() {
    let authority = Authority::new("clients");
    let world = World::with()
        .secured(&authority, ", client_ca: {root}/tls/clients.pem")
        .section("bounds", "write: 5s\nidle: 5s\nheader: 5s")
        .start();
    let settings = authority.trusting(Some(&authority.client(ANA)), "h2");
    assert!(cut(connected(&world, &settings), &[]), "one that does nothing");
    // No window for any answer (RFC 9113 §6.5.2), and signs of life that are no requests.
    let mut stream = connected(&world, &settings);
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    stream.write_all(&frame(1, END_HEADERS | END_STREAM, 1, &fields(&world, GET))).unwrap();
    assert!(cut(stream, &frame(6, 0, 0, &[0; 8])), "an answer that is not read");
}

#[test]
fn an_answer_that_is_not_read_is_cut_while_others_are() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, ", client_ca: {root}/tls/clients.pem").section("bounds", "write: 2s").start();
    let settings = authority.trusting(Some(&authority.client(ANA)), "h2");
    let mut stream = connected(&world, &settings);
    stream.sock.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // A window of one byte each, of which all but the first are opened.
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 1])).unwrap();
    let asked = |id: u32| frame(1, END_HEADERS | END_STREAM, id, &fields(&world, GET));
    stream.write_all(&asked(1)).unwrap();
    let (began, mut read, mut id, mut piece) = (Instant::now(), Vec::<u8>::new(), 1, [0; 16384]);
    loop {
        assert!(began.elapsed() < Duration::from_secs(40), "it is kept");
        id += 2;
        std::thread::sleep(Duration::from_millis(200));
        if stream.write_all(&[asked(id), frame(8, 0, id, &[0, 0, 0, 64])].concat()).is_err() {
            break;
        }
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => read.extend(&piece[..length]),
            Err(cause) if matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    assert!(read.windows(PAGE.len() - 1).any(|window| *window == PAGE[1..]), "the others are answered");
}

/// What `/health` says.
const PAGE: &[u8] = br#"{"ok":true}"#;
