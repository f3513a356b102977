//! Messages: those of strangers, and those of somebody with a token who means ill.

use super::{MALFORMED, SIZE, case};
use crate::arena::Door;
use crate::case::{Case, Want};
use crate::ring::{Ring, plain_wait};
use crate::seen::{Ended, Seen};
use std::io::{Read as _, Write as _};
use std::time::Duration;

const CALL: &str = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"TEXT"}}}"#;

/// A message of the attacker's, on a connection that ends with it.
fn say(ring: &Ring<'_>, body: &[u8]) -> Seen {
    ring.http(&ring.post(body, "Connection: close\r\n"))
}

/// The same message many times on one connection; the last answer.
fn repeat(ring: &Ring<'_>, body: &str, times: usize) -> Seen {
    ring.http(&[ring.post(body.as_bytes(), "").repeat(times), ring.post(body.as_bytes(), "Connection: close\r\n")].concat())
}

/// How many answers have this in them, of requests one behind the other; good where that is as many as wanted.
fn count(bytes: &[u8], ended: Ended, what: &[u8], least: usize) -> Seen {
    let found = bytes.windows(what.len()).filter(|window| *window == what).count();
    Seen { good: found >= least, note: format!("{found} of {least}"), ended, ..Seen::default() }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("strangers without a token", Want::Status(401), |ring| {
            let host = ring.host(Door::Plain);
            ring.http(format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}").repeat(500).as_bytes())
        })
        .recorded("identity.tokens/missing"),
        case("tokens that are guessed", Want::Status(401), |ring| {
            let host = ring.host(Door::Plain);
            let guess = |at| format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer bst_{at:040}\r\nContent-Length: 2\r\n\r\n{{}}");
            ring.http((0..1000).map(guess).collect::<String>().as_bytes())
        })
        .recorded("identity.tokens/invalid"),
        case("a token of a megabyte", Want::Status(431), |ring| {
            ring.http(&ring.get("/mcp", &format!("Authorization: Bearer {}\r\n", "a".repeat(1 << 20))))
        })
        .recorded(SIZE),
        case("messages that are no JSON", Want::Status(400), |ring| repeat(ring, "{\"jsonrpc\":", 500)).recorded(MALFORMED),
        case("brackets to the depth of a hundred thousand", Want::Status(400), |ring| say(ring, "[".repeat(100_000).as_bytes())),
        case("a value nested deeper than may be", Want::Cut, |ring| {
            let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
            say(ring, CALL.replace("\"TEXT\"", &deep).as_bytes())
        }),
        case("half a million small values", Want::Status(413), |ring| {
            let list = vec!["1"; 400_000].join(",");
            say(ring, CALL.replace("\"TEXT\"", &format!("[{list}]")).as_bytes())
        }),
        case("fifty thousand names in one object", Want::Status(413), |ring| {
            let names = (0..50_000).map(|at| format!("\"k{at}\":1")).collect::<Vec<_>>().join(",");
            say(ring, CALL.replace("\"text\":\"TEXT\"", &names).as_bytes())
        }),
        case("a number of a hundred thousand digits", Want::Status(400), |ring| {
            say(ring, CALL.replace("\"TEXT\"", &"9".repeat(100_000)).as_bytes())
        }),
        case("a message of two megabytes", Want::Status(413), |ring| say(ring, CALL.replace("TEXT", &"x".repeat(2 << 20)).as_bytes())).recorded(SIZE),
        case("large messages one behind the other", Want::Good, |ring| {
            let one = ring.post(CALL.replace("TEXT", &"x ".repeat(200_000)).as_bytes(), "");
            let mut stream = ring.tcp(Door::Plain);
            ring.through(&mut stream, &plain_wait, &one.repeat(4), |bytes, ended| count(bytes, ended, b"HTTP/1.1 200", 4))
        }),
        case("escapes in every letter", Want::Good, |ring| {
            let seen = say(ring, CALL.replace("TEXT", &"\\u0061".repeat(100_000)).as_bytes());
            Seen { good: seen.status == Some(200), ..seen }
        }),
        case("letters that are marks upon marks", Want::Good, |ring| {
            let seen = say(ring, CALL.replace("TEXT", &"a\u{301}\u{302}\u{303}".repeat(30_000)).as_bytes());
            Seen { good: seen.status == Some(200), ..seen }
        }),
        case("sessions by the hundred", Want::Code("transport.bounds/streams"), |ring| {
            let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#;
            let mallory = &ring.arena.plain.mallory;
            let head = |end: &str| {
                format!(
                    "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n{end}\r\n{hello}",
                    ring.host(Door::Plain),
                    mallory.token.as_deref().unwrap_or_default(),
                    hello.len()
                )
            };
            ring.http(format!("{}{}", head("").repeat(150), head("Connection: close\r\n")).as_bytes())
        })
        .recorded("transport.bounds/streams"),
        case("standing streams beyond the bound", Want::Good, |ring| {
            let mallory = &ring.arena.plain.mallory;
            let (token, session) = (mallory.token.clone().unwrap_or_default(), mallory.session.clone().unwrap_or_default());
            let asked = ring.get(
                "/mcp",
                &format!("Authorization: Bearer {token}\r\nMcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\nAccept: text/event-stream\r\n"),
            );
            let mut held = Vec::new();
            for _ in 0..12 {
                let mut stream = ring.tcp(Door::Plain);
                let _ = stream.write_all(&asked);
                plain_wait(&stream, Duration::from_millis(400));
                let opened = stream.read(&mut [0; 4096]);
                assert!(opened.is_ok_and(|read| read > 0), "no stream");
                held.push(stream);
            }
            // The oldest make room for the newest: the body of theirs ends.
            let open = held.iter_mut().filter_map(|stream| {
                plain_wait(stream, Duration::from_millis(100));
                let (mut came, mut piece) = (Vec::new(), [0; 4096]);
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    came.extend_from_slice(&piece[..read]);
                }
                (!came.ends_with(b"0\r\n\r\n")).then_some(())
            });
            let open = open.count();
            Seen::judged((1..=4).contains(&open), format!("{open} of 12 are open"))
        }),
        case("calls at once beyond the bound", Want::Good, |ring| {
            let one = ring.post(CALL.replace("TEXT", &"a b ".repeat(50_000)).as_bytes(), "Connection: close\r\n");
            let refused = std::thread::scope(|scope| {
                let calls: Vec<_> = (0..40).map(|at| { let one = String::from_utf8_lossy(&one).replace("\"id\":\"x\"", &format!("\"id\":{}", 100 + at)); scope.spawn(move || {
                    let mut stream = ring.tcp(Door::Plain);
                    let seen = ring.through(&mut stream, &plain_wait, one.as_bytes(), Seen::http);
                                        usize::from(seen.code.as_deref() == Some("transport.bounds/inflight"))
                })}).collect();
                calls.into_iter().map(|call| call.join().unwrap_or(0)).sum::<usize>()
            });
            Seen::judged(refused >= 1, format!("{refused} of 40 refused"))
        })
        .recorded("transport.bounds/inflight"),
        case("the end of a session that is not there", Want::Status(404), |ring| {
            let token = ring.arena.plain.mallory.token.clone().unwrap_or_default();
            let host = ring.host(Door::Plain);
            ring.http(
                format!("DELETE /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nMcp-Session-Id: none\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n")
                    .repeat(300)
                    .as_bytes(),
            )
        }),
        case("calls taken back that were never made", Want::Status(202), |ring| {
            repeat(ring, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"none"}}"#, 300)
        }),
        case("answers to questions that nobody asked", Want::Good, |ring| {
            let seen = repeat(ring, r#"{"jsonrpc":"2.0","id":"q","result":{}}"#, 300);
            Seen { good: seen.status.is_some_and(|status| status < 500), ..seen }
        }),
        case("lists by the thousand", Want::Status(200), |ring| repeat(ring, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#, 500)),
        case("a tool that is not there", Want::Code("access.filtered-discovery/unknown"), |ring| {
            repeat(ring, &CALL.replace("canary__echo", "canary__none"), 300)
        })
        .recorded("access.filtered-discovery/unknown"),
    ]
}
