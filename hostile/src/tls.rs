//! TLS that is none, or not the one that is spoken.

use crate::case::{Case, Class, Want};
use crate::hello::{ALPN, GROUPS, Hello, MODES, NAME, PSK, SHARE, SIGNATURES, VERSIONS, long, record, share, short};
use crate::ring::Ring;
use crate::seen::Seen;
use rustls::{ClientConfig, HandshakeKind};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Alerts of RFC 8446 §6.
const UNEXPECTED: u8 = 10;
const HANDSHAKE: u8 = 40;
const ILLEGAL: u8 = 47;
const DECODE: u8 = 50;
const VERSION: u8 = 70;
const MISSING: u8 = 109;

const REFUSED: &str = "transport.tls/refused";

const fn case(name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Case {
    Case::new(Class::Tls, name, want, act)
}

/// One that is refused with this alert, and on record.
const fn alert(name: &'static str, code: u8, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Alert(code), act).recorded(REFUSED)
}

/// One that is refused too late for an alert in the clear, or while more of it comes, and on record.
const fn late(name: &'static str, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Cut, act).recorded(REFUSED)
}

/// One whose hello is answered by the server's, because what is odd about it is to be let be.
const fn taken(name: &'static str, hello: fn() -> Vec<u8>) -> Take {
    Take { name, hello }
}

struct Take {
    name: &'static str,
    hello: fn() -> Vec<u8>,
}

/// What answers a hello: the server's, whose random number says whether it asks for another share (RFC 8446 §4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Hello,
    Again,
    Not,
}

const AGAIN: [u8; 4] = [0xcf, 0x21, 0xad, 0x74];

/// Sends `bytes` and looks at the first record that comes.
fn answered(ring: &Ring<'_>, bytes: &[u8]) -> (Answered, Vec<u8>) {
    let mut stream = ring.tcp(crate::arena::Door::Secured);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = stream.write_all(bytes);
    let mut first = vec![0; 4096];
    let read = stream.read(&mut first).unwrap_or(0);
    first.truncate(read);
    // Record, message, version, then the random number.
    let kind = match (first.first(), first.get(5), first.get(11..15)) {
        (Some(22), Some(2), Some(random)) if random == AGAIN => Answered::Again,
        (Some(22), Some(2), Some(_)) => Answered::Hello,
        _ => Answered::Not,
    };
    (kind, first)
}

fn is_answered(ring: &Ring<'_>, bytes: &[u8], wanted: Answered) -> Seen {
    let (kind, first) = answered(ring, bytes);
    Seen::judged(kind == wanted, format!("{kind:?} {:02x?}", first.get(..8).unwrap_or(&first)))
}

/// A client as libraries make it, with something changed; what comes of a request for `/health`.
fn client(ring: &Ring<'_>, change: impl FnOnce(&mut ClientConfig)) -> Seen {
    let mut settings = ClientConfig::clone(&ring.arena.single);
    change(&mut settings);
    page(ring, &Arc::new(settings))
}

fn page(ring: &Ring<'_>, settings: &Arc<ClientConfig>) -> Seen {
    let host = ring.host(crate::arena::Door::Secured);
    ring.inside(settings, format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(), Seen::http)
}

/// A hello and then these bytes.
fn hello_and(more: &[u8]) -> Vec<u8> {
    [Hello::new().bytes(), more.to_vec()].concat()
}

/// A hello that names no share, and the one that comes after the server has asked for one.
fn asked_again(ring: &Ring<'_>, second: &Hello) -> Seen {
    let first = Hello::new().with(SHARE, long(&[]));
    let mut stream = ring.tcp(crate::arena::Door::Secured);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = stream.write_all(&first.bytes());
    let mut answer = vec![0; 4096];
    let _ = stream.read(&mut answer);
    ring.through(&mut stream, &crate::ring::plain_wait, &second.bytes(), Seen::records)
}

/// The key of a ticket that nobody gave, and a binder over it.
fn ticket() -> Vec<u8> {
    let identity = [long(&[5; 32]), vec![0, 0, 0, 1]].concat();
    [long(&identity), long(&short(&[6; 32]))].concat()
}

/// What is odd and let be: the server answers as if it were not there.
fn takes() -> [Take; 14] {
    [
        taken("values that nobody knows, among good ones", || {
            let mut hello = Hello::new().with(GROUPS, long(&[0x0a, 0x0a, 0, 29])).with(VERSIONS, short(&[0x2a, 0x2a, 3, 4]));
            hello.suites.insert(0, 0x1a1a);
            hello.extensions.insert(0, (0x3a3a, vec![0]));
            hello.bytes()
        }),
        taken("a hello in records of one byte", || Hello::new().split(1)),
        taken("no protocol inside is named", || Hello::new().without(ALPN).bytes()),
        taken("a ticket that nobody gave", || Hello::new().with(PSK, ticket()).bytes()),
        taken("data before the handshake is announced", || Hello::new().with(42, vec![]).with(PSK, ticket()).bytes()),
        taken("a hello that is hidden in another", || {
            Hello::new().with(0xfe0d, [vec![0, 0, 1, 0, 1, 0], long(&[3; 32]), long(&[4; 128])].concat()).bytes()
        }),
        taken("certificates compressed", || Hello::new().with(27, short(&[0, 2, 0, 3])).bytes()),
        taken("certificates asked for after the handshake", || Hello::new().with(49, vec![]).bytes()),
        taken("heartbeats are offered", || Hello::new().with(15, vec![1]).bytes()),
        taken("renegotiation is offered", || Hello::new().with(0xff01, vec![0]).bytes()),
        taken("a name that is an address", || Hello::new().with(NAME, long(&[&[0][..], &long(b"127.0.0.1")].concat())).bytes()),
        taken("an odd version of the record", || {
            let mut hello = Hello::new();
            hello.record = [3, 0];
            hello.bytes()
        }),
        taken("padding of sixteen kilobytes", || Hello::new().with(21, vec![0; 16_000]).bytes()),
        taken("signed certificate timestamps and status asked for", || Hello::new().with(18, vec![]).with(5, vec![1, 0, 0, 0, 0]).bytes()),
    ]
}

/// Asks for each kind of [`takes`] by its place: a case holds a plain function.
macro_rules! takes {
    ($($at:literal),*) => {
        vec![$(case(takes()[$at].name, Want::Good, |ring| is_answered(ring, &(takes()[$at].hello)(), Answered::Hello))),*]
    };
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        // Versions.
        alert("SSL 2", DECODE, |ring| ring.tls(&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80, 3, 0, 0x80])),
        alert("SSL 3", VERSION, |ring| ring.tls(&Hello::old(&[5, 10]).but(|hello| hello.version = [3, 0]).bytes())),
        alert("TLS 1.0", VERSION, |ring| ring.tls(&Hello::old(&[0x2f, 0x35]).but(|hello| hello.version = [3, 1]).bytes())),
        alert("TLS 1.1", VERSION, |ring| ring.tls(&Hello::old(&[0x2f, 0x35]).but(|hello| hello.version = [3, 2]).bytes())),
        alert("TLS 1.2 with forward secrecy", VERSION, |ring| ring.tls(&Hello::old(&[0xc02b, 0xc02f, 0xcca9]).bytes())),
        alert("TLS 1.2 with a key sent under RSA", VERSION, |ring| ring.tls(&Hello::old(&[0x9c, 0x9d]).bytes())),
        alert("TLS 1.2 with CBC and 3DES", VERSION, |ring| ring.tls(&Hello::old(&[0xc013, 0xc014, 0x0a]).bytes())),
        alert("TLS 1.2 with RC4, no cipher and export keys", VERSION, |ring| ring.tls(&Hello::old(&[5, 4, 1, 2, 3, 0x3b]).bytes())),
        alert("TLS 1.2 without any certificate", VERSION, |ring| ring.tls(&Hello::old(&[0x18, 0x34, 0xc018]).bytes())),
        alert("TLS 1.2 with keys that are shared, or passwords", VERSION, |ring| ring.tls(&Hello::old(&[0x8c, 0xa8, 0xc01d]).bytes())),
        alert("TLS 1.2 that says it could do better", VERSION, |ring| ring.tls(&Hello::old(&[0xc02f, 0x5600]).bytes())),
        alert("TLS 1.2 that renegotiates", VERSION, |ring| ring.tls(&Hello::old(&[0xc02f]).with(0xff01, short(&[1; 12])).bytes())),
        alert("TLS 1.2 with compression", VERSION, |ring| {
            ring.tls(&Hello::old(&[0xc02f]).but(|hello| hello.compressions = vec![1, 0]).bytes())
        }),
        alert("suites of 1.3 in a list of versions below it", VERSION, |ring| {
            ring.tls(&Hello::new().with(VERSIONS, short(&[3, 3, 3, 2])).bytes())
        }),
        alert("a draft of TLS 1.3", VERSION, |ring| ring.tls(&Hello::new().with(VERSIONS, short(&[0x7f, 0x1c])).bytes())),
        alert("versions that never were", VERSION, |ring| ring.tls(&Hello::new().with(VERSIONS, short(&[3, 9, 9, 9])).bytes())),
        alert("an empty list of versions", DECODE, |ring| ring.tls(&Hello::new().with(VERSIONS, short(&[])).bytes())),
        case("a library that speaks nothing newer than 1.2", Want::Alert(VERSION), |ring| {
            // What it sends, with its usual extensions.
            ring.tls(
                &Hello::old(&[0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xff])
                    .with(23, vec![])
                    .with(35, vec![])
                    .with(ALPN, long(&[short(b"h2"), short(b"http/1.1")].concat()))
                    .bytes(),
            )
        })
        .recorded(REFUSED),
        // Keys and suites.
        case("no share of a key, asked for again", Want::Good, |ring| {
            is_answered(ring, &Hello::new().with(SHARE, long(&[])).bytes(), Answered::Again)
        }),
        case("a share of a group that is not taken, asked for again", Want::Good, |ring| {
            let hello = Hello::new().with(GROUPS, long(&[0x01, 0x00, 0, 29])).with(SHARE, long(&share(0x0100, &[1; 256])));
            is_answered(ring, &hello.bytes(), Answered::Again)
        }),
        alert("a share too short for its group", ILLEGAL, |ring| ring.tls(&Hello::new().with(SHARE, long(&share(29, &[9; 31]))).bytes())),
        alert("a share that is zero", ILLEGAL, |ring| ring.tls(&Hello::new().with(SHARE, long(&share(29, &[0; 32]))).bytes())),
        alert("a share of nothing", DECODE, |ring| ring.tls(&Hello::new().with(SHARE, long(&share(29, &[]))).bytes())),
        alert("two shares of one group", ILLEGAL, |ring| {
            ring.tls(&Hello::new().with(SHARE, long(&[share(29, &[9; 32]), share(29, &[8; 32])].concat())).bytes())
        }),
        alert("half a hybrid share", ILLEGAL, |ring| {
            ring.tls(&Hello::new().with(GROUPS, long(&[0x11, 0xec])).with(SHARE, long(&share(0x11ec, &[9; 700]))).bytes())
        }),
        alert("groups that nobody knows", HANDSHAKE, |ring| {
            ring.tls(&Hello::new().with(GROUPS, long(&[0x0a, 0x0a, 9, 9])).with(SHARE, long(&share(0x0909, &[1]))).bytes())
        }),
        alert("no groups", HANDSHAKE, |ring| ring.tls(&Hello::new().without(GROUPS).bytes())),
        alert("no share where one belongs", HANDSHAKE, |ring| ring.tls(&Hello::new().without(SHARE).bytes())),
        alert("no signatures", HANDSHAKE, |ring| ring.tls(&Hello::new().without(SIGNATURES).bytes())),
        late("signatures over SHA-1 and MD5 alone", |ring| ring.tls(&Hello::new().with(SIGNATURES, long(&[2, 1, 2, 3, 1, 1])).bytes())),
        alert("suites of 1.3 that are not taken", HANDSHAKE, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.suites = vec![0x1304, 0x1305]).bytes())
        }),
        alert("suites that nobody knows", HANDSHAKE, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.suites = vec![0x9999, 0x0a0a]).bytes())
        }),
        alert("no suites", DECODE, |ring| ring.tls(&Hello::new().but(|hello| hello.suites = vec![]).bytes())),
        alert("compression besides none, under 1.3", ILLEGAL, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.compressions = vec![0, 1]).bytes())
        }),
        alert("no way to leave data uncompressed", ILLEGAL, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.compressions = vec![1]).bytes())
        }),
        // What the hello is made of.
        alert("a session of 33 bytes", DECODE, |ring| ring.tls(&Hello::new().but(|hello| hello.session = vec![1; 33]).bytes())),
        alert("an extension twice", ILLEGAL, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.extensions.push((VERSIONS, short(&[3, 4])))).bytes())
        }),
        alert("an extension longer than the message", DECODE, |ring| {
            let mut hello = Hello::new().bytes();
            let at = hello.len() - 40;
            hello[at] = 0xff;
            ring.tls(&hello)
        }),
        alert("bytes after the extensions", DECODE, |ring| ring.tls(&Hello::new().but(|hello| hello.after = vec![0; 9]).bytes())),
        late("a message of sixteen megabytes announced", |ring| ring.tls(&record(22, &[1, 0xff, 0xff, 0xff, 3, 3]))),
        late("a hello of two hundred kilobytes", |ring| {
            let mut hello = Hello::new();
            hello.extensions.extend((0..4).map(|at| (0x5000 + at, vec![0; 15_000])));
            let message = [hello.message(), vec![0; 150_000]].concat();
            let mut long = message.clone();
            long[1] = 3;
            ring.tls(&long.chunks(16_384).flat_map(|piece| record(22, piece)).collect::<Vec<_>>())
        }),
        case("a hello that breaks off, and the end", Want::Cut, |ring| ring.tls_then_end(&Hello::new().bytes()[..90])),
        alert("a ticket that is not the last extension", ILLEGAL, |ring| {
            ring.tls(&Hello::new().but(|hello| hello.extensions.insert(0, (PSK, ticket()))).bytes())
        }),
        alert("a ticket with a binder too many", ILLEGAL, |ring| {
            let identity = [long(&[5; 32]), vec![0, 0, 0, 1]].concat();
            let two = [short(&[6; 32]), short(&[6; 32])].concat();
            ring.tls(&Hello::new().with(PSK, [long(&identity), long(&two)].concat()).bytes())
        }),
        alert("a ticket without the ways to use it", MISSING, |ring| ring.tls(&Hello::new().without(MODES).with(PSK, ticket()).bytes())),
        alert("an empty name", DECODE, |ring| ring.tls(&Hello::new().with(NAME, long(&[&[0][..], &long(b"")].concat())).bytes())),
        alert("two names", DECODE, |ring| {
            let name = |name: &[u8]| [&[0][..], &long(name)].concat();
            ring.tls(&Hello::new().with(NAME, long(&[name(b"a.example"), name(b"b.example")].concat())).bytes())
        }),
        alert("a name with a zero in it", ILLEGAL, |ring| {
            ring.tls(&Hello::new().with(NAME, long(&[&[0][..], &long(b"a\0b")].concat())).bytes())
        }),
        // What is spoken inside.
        late("HTTP/2 in the clear is asked for inside", |ring| ring.tls(&Hello::new().with(ALPN, long(&short(b"h2c"))).bytes())),
        late("HTTP/1.0 is asked for inside", |ring| ring.tls(&Hello::new().with(ALPN, long(&short(b"http/1.0"))).bytes())),
        alert("nothing is asked for inside", DECODE, |ring| ring.tls(&Hello::new().with(ALPN, long(&[])).bytes())),
        alert("a protocol of no letters inside", DECODE, |ring| ring.tls(&Hello::new().with(ALPN, long(&short(b""))).bytes())),
        // Records.
        alert("a record of nothing", DECODE, |ring| ring.tls(&record(22, &[]))),
        alert("a record longer than there are", DECODE, |ring| ring.tls(&[&[22, 3, 1, 0x48, 0x01][..], &[0; 18_433]].concat())),
        alert("a record of no version", DECODE, |ring| ring.tls(&Hello::new().but(|hello| hello.record = [5, 5]).bytes())),
        alert("data first", UNEXPECTED, |ring| ring.tls(&record(23, b"GET / HTTP/1.1\r\n\r\n"))),
        alert("a record of no kind", DECODE, |ring| ring.tls(&record(99, b"?"))),
        alert("a heartbeat that asks for more than it gave", DECODE, |ring| ring.tls(&record(24, &[1, 0x40, 0]))),
        case("warnings before the hello", Want::Cut, |ring| ring.tls(&record(21, &[1, 90]).repeat(500))),
        case("a fatal alert first", Want::Cut, |ring| ring.tls(&record(21, &[2, 40]))),
        case("changes of the cipher before the hello", Want::Cut, |ring| ring.tls(&record(20, &[1]).repeat(500))),
        case("changes of the cipher after the hello", Want::Cut, |ring| ring.tls(&hello_and(&record(20, &[1]).repeat(500)))),
        // The order of messages.
        alert("a server's hello", DECODE, |ring| {
            let mut message = Hello::new().message();
            message[0] = 2;
            ring.tls(&record(22, &message))
        }),
        case("a second hello", Want::Cut, |ring| ring.tls(&hello_and(&Hello::new().bytes()))),
        alert("the same again, when another share was asked for", ILLEGAL, |ring| asked_again(ring, &Hello::new().with(SHARE, long(&[])))),
        case("an end of the handshake that is made up", Want::Cut, |ring| ring.tls(&hello_and(&record(23, &[7; 69])))),
        case("a certificate in the clear", Want::Cut, |ring| ring.tls(&hello_and(&record(22, &[11, 0, 0, 4, 0, 0, 0, 0])))),
        case("an alert, when the server has said its part", Want::Cut, |ring| ring.tls(&hello_and(&record(21, &[2, 48])))),
        case("the end of sending, when the server has said its part", Want::Cut, |ring| ring.tls_then_end(&Hello::new().bytes())),
        // What is no TLS.
        case("HTTP/1.1 in the clear", Want::Cut, |ring| ring.tls(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")).recorded(REFUSED),
        case("HTTP/2 in the clear", Want::Cut, |ring| ring.tls(crate::frames::PREFACE)).recorded(REFUSED),
        case("another protocol's greeting", Want::Cut, |ring| ring.tls(b"SSH-2.0-OpenSSH_9.9\r\n")).recorded(REFUSED),
        case("a proxy's line before the hello", Want::Cut, |ring| {
            ring.tls(&[b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), Hello::new().bytes()].concat())
        })
        .recorded(REFUSED),
        case("bytes of chance", Want::Cut, |ring| {
            let mut state = 7_u32;
            let noise = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            ring.tls(&noise.take(9_000).collect::<Vec<_>>())
        })
        .recorded(REFUSED),
        case("a hello on the plain listener", Want::Status(400), |ring| ring.http(&Hello::new().bytes())),
        case("HTTP/2 with prior knowledge on the plain listener", Want::Status(400), |ring| {
            ring.http(&[crate::frames::PREFACE, &crate::frames::frame(4, 0, 0, &[])].concat())
        }),
        // Clients of a library.
        case("resumption is tried", Want::Good, |ring| {
            let settings = Arc::clone(&ring.arena.single);
            let first = page(ring, &settings);
            let again = ring.shaken(&settings).map(|stream| stream.conn.handshake_kind());
            let full = matches!(again, Ok(Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)));
            Seen::judged(first.status == Some(200) && full, format!("{again:?}"))
        }),
        case("data before the handshake is tried", Want::Good, |ring| {
            let mut settings = ClientConfig::clone(&ring.arena.single);
            settings.enable_early_data = true;
            let settings = Arc::new(settings);
            page(ring, &settings);
            let name = ring.arena.secured.address.ip().into();
            let mut client = rustls::ClientConnection::new(settings, name).unwrap();
            Seen::judged(client.early_data().is_none(), "no ticket lets data in early")
        }),
        case("a name that is not ours", Want::Good, |ring| {
            let hello = Hello::new().with(NAME, long(&[&[0][..], &long(b"elsewhere.example")].concat()));
            is_answered(ring, &hello.bytes(), Answered::Hello)
        }),
        case("records of 64 bytes", Want::Status(200), |ring| client(ring, |settings| settings.max_fragment_size = Some(64))),
        case("new keys asked for again and again", Want::Good, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            let began = Instant::now();
            let mut asked = 0;
            while asked < 2000 && began.elapsed() < Duration::from_secs(5) {
                if stream.conn.refresh_traffic_keys().is_err() || stream.flush().is_err() {
                    break;
                }
                asked += 1;
            }
            let host = ring.host(crate::arena::Door::Secured);
            let _ = write!(stream, "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let mut answer = [0; 4096];
            let read = stream.read(&mut answer).unwrap_or(0);
            let served = answer[..read].starts_with(b"HTTP/1.1 200");
            Seen::judged(served || read == 0, format!("after {asked}: {}", if served { "served" } else { "closed" }))
        }),
        case("the end of sending after the handshake", Want::Cut, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            stream.conn.send_close_notify();
            let _ = stream.conn.complete_io(&mut stream.sock);
            ring.through(&mut stream, &crate::ring::secured_wait, &[], Seen::http)
        }),
        case("the connection cut without a farewell", Want::Cut, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            let _ = stream.write_all(b"GET /hea");
            let _ = stream.sock.shutdown(Shutdown::Write);
            ring.through(&mut stream, &crate::ring::secured_wait, &[], Seen::http)
        }),
        case("bytes in the clear after the handshake", Want::Cut, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            let _ = stream.sock.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
            ring.through(&mut stream, &crate::ring::secured_wait, &[], Seen::http)
        }),
        case("a record that was forged after the handshake", Want::Cut, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            let _ = stream.sock.write_all(&record(23, &[9; 200]));
            ring.through(&mut stream, &crate::ring::secured_wait, &[], Seen::http)
        }),
        case("a hello after the handshake", Want::Cut, |ring| {
            let Ok(mut stream) = ring.shaken(&ring.arena.single) else { return Seen::judged(false, "no handshake") };
            let _ = stream.sock.write_all(&Hello::new().bytes());
            ring.through(&mut stream, &crate::ring::secured_wait, &[], Seen::http)
        }),
    ];
    cases.extend(takes![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    cases
}
