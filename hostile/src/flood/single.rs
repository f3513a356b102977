//! Over HTTP/1.1: heads, chunks, requests one behind the other.

use super::{MALFORMED, SIZE, URL, case};
use crate::arena::Door;
use crate::case::{Case, Want};
use crate::ring::Ring;
use crate::seen::Seen;

/// Refused as no request, with this status, and on record.
const fn bad(name: &'static str, status: u16, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Status(status), act).recorded(MALFORMED)
}

/// Refused as too large, and on record.
const fn large(name: &'static str, status: u16, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Status(status), act).recorded(SIZE)
}

/// The head of a POST whose body comes in chunks, and its beginning.
fn chunks(ring: &Ring<'_>, chunks: &[u8]) -> Seen {
    ring.http(&[&ring.post_head("Transfer-Encoding: chunked\r\n\r\n"), chunks].concat())
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        large("a line of the request that does not end", 431, |ring| ring.http(&[b"GET /".to_vec(), vec![b'a'; 1 << 20]].concat())),
        large("a field that does not end", 431, |ring| {
            ring.http(&[ring.get("/health", "")[..20].to_vec(), b"\r\nX: ".to_vec(), vec![b'a'; 1 << 20]].concat())
        }),
        case("ten thousand fields", Want::Status(431), |ring| ring.http(&ring.get("/health", &"A: b\r\n".repeat(10_000)))),
        case("a hundred fields", Want::Status(431), |ring| ring.http(&ring.get("/health", &"A: b\r\n".repeat(100)))),
        bad("fields that go on in the next line", 400, |ring| {
            ring.http(&ring.get("/health", &format!("A: b\r\n{}", " c\r\n".repeat(500))))
        }),
        case("empty lines by the thousand", Want::Cut, |ring| ring.http(&b"\r\n".repeat(50_000))),
        bad("methods that nobody knows", 405, |ring| {
            ring.http(&format!("BREW /mcp HTTP/1.1\r\nHost: {}\r\n\r\n", ring.host(Door::Plain)).repeat(500).into_bytes())
        }),
        case("requests one behind the other by the thousand", Want::Good, |ring| {
            let asked = [ring.get("/health", "").repeat(3_000), ring.get("/health", "Connection: close\r\n")].concat();
            let mut stream = ring.tcp(Door::Plain);
            ring.through(&mut stream, &crate::ring::plain_wait, &asked, |bytes, ended| {
                let answers = bytes.windows(12).filter(|window| *window == b"HTTP/1.1 200").count();
                Seen { good: answers == 3_001, note: format!("{answers} answers"), ended, ..Seen::default() }
            })
        }),
        bad("two lengths", 400, |ring| ring.http(&ring.post_head("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"))),
        bad("a length and chunks", 400, |ring| {
            ring.http(&ring.post_head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
        }),
        bad("a length beyond all numbers", 400, |ring| ring.http(&ring.post_head("Content-Length: 99999999999999999999999\r\n\r\n"))),
        large("a length of a terabyte", 413, |ring| ring.http(&ring.post_head("Content-Length: 1099511627776\r\n\r\n"))),
        large("a body in chunks that does not end", 413, |ring| {
            chunks(ring, &[&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat().repeat(3))
        }),
        case("chunks of one byte", Want::Status(400), |ring| chunks(ring, &[b"1\r\n \r\n".repeat(20_000), b"0\r\n\r\n".to_vec()].concat())),
        case("a chunk larger than all memory", Want::Cut, |ring| chunks(ring, b"ffffffffffffffff\r\nx")),
        case("notes behind the sizes of chunks", Want::Cut, |ring| {
            chunks(ring, &[&b"1;a="[..], &vec![b'b'; 1 << 20], b"\r\n \r\n"].concat())
        }),
        case("fields behind the last chunk", Want::Cut, |ring| {
            chunks(ring, &[b"2\r\n{}\r\n0\r\n".to_vec(), b"X: y\r\n".repeat(20_000), b"\r\n".to_vec()].concat())
        }),
        case("a body that is compressed", Want::Status(415), |ring| {
            // A megabyte of spaces in a thousand bytes; nobody unpacks it.
            ring.http(&ring.post(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xec; 1000]].concat(), "Content-Encoding: gzip\r\n"))
        })
        .recorded(MALFORMED),
        case("an upgrade to HTTP/2", Want::Status(200), |ring| {
            ring.http(
                &ring
                    .get("/health", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")
                    .repeat(100),
            )
        }),
        case("leave to send that is asked for and not used", Want::Status(401), |ring| {
            let head =
                format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", ring.host(Door::Plain));
            ring.http(head.as_bytes())
        }),
        bad("a thousand hosts", 400, |ring| ring.http(&ring.get("/health", &"Host: a.example\r\n".repeat(50)))),
        bad("a host that is not ours", 403, |ring| ring.http(b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")),
        case("ranges of a page by the hundred", Want::Status(200), |ring| {
            let ranges = (0..500).map(|at| format!("{at}-")).collect::<Vec<_>>().join(",");
            ring.http(&ring.get("/health", &format!("Range: bytes={ranges}\r\n")))
        }),
        case("a secret in the address", Want::Status(400), |ring| ring.http(&ring.get("/mcp?access_token=abc", ""))).recorded(URL),
        bad("HTTP/0.9 and HTTP/3.7", 400, |ring| ring.http(b"GET /health HTTP/3.7\r\nHost: x\r\n\r\n")),
    ]
}
