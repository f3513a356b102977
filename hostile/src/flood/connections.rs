//! Connections: too many, too short, broken off, and those of the local socket.

use super::case;
use crate::arena::Door;
use crate::case::{Case, Want};
use crate::hello::Hello;
use crate::ring::Ring;
use crate::seen::{Ended, Seen};
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn local(ring: &Ring<'_>) -> UnixStream {
    UnixStream::connect(ring.arena.plain.world.state().join("bastide.sock")).expect("a socket")
}

/// How many connections of one address there may be: of this machine, eight times as many as of others.
const BOUND: usize = 8 * 40;
/// How many are tried.
const BEYOND: usize = BOUND + 20;

/// What the local socket says to these bytes until it closes.
fn line(ring: &Ring<'_>, bytes: &[u8]) -> Seen {
    let wait = |stream: &UnixStream, time| drop(stream.set_read_timeout(Some(time)));
    ring.through(&mut local(ring), &wait, bytes, Seen::http)
}

/// Whether both listeners still answer whoever comes anew.
fn both_serve(ring: &Ring<'_>) -> Seen {
    let asked = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", ring.host(Door::Secured));
    let plain = ring.http(&ring.get("/health", "Connection: close\r\n")).status == Some(200);
    let secured = ring.inside(&ring.arena.single, asked.as_bytes(), Seen::http).status == Some(200);
    Seen::judged(plain && secured, format!("plain {plain}, secured {secured}"))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("connections beyond the bound of an address", Want::Good, |ring| {
            let held: Vec<_> = (0..BEYOND).map(|_| ring.tcp(Door::Plain)).collect();
            let is_closed = |mut stream: &std::net::TcpStream| match stream.set_nonblocking(true).and_then(|()| stream.read(&mut [0; 8])) {
                Ok(read) => read == 0,
                // Open, and silent.
                Err(cause) => cause.kind() != std::io::ErrorKind::WouldBlock,
            };
            // Which of them it is depends on how many of the time before are still there.
            let (began, mut closed) = (Instant::now(), 0);
            while closed < BEYOND - BOUND && began.elapsed() < ring.within {
                std::thread::sleep(Duration::from_millis(20));
                closed = held.iter().filter(|stream| is_closed(stream)).count();
            }
            drop(held);
            Seen::judged(closed >= BEYOND - BOUND, format!("{closed} of {BEYOND} were closed unread"))
        }),
        case("connections that are opened and closed", Want::Good, |ring| {
            for _ in 0..2_000 {
                drop(ring.tcp(Door::Plain));
            }
            both_serve(ring)
        }),
        case("connections that are broken off", Want::Good, |ring| {
            for _ in 0..2_000 {
                let mut stream = ring.tcp(Door::Plain);
                let _ = stream.write_all(b"GET /health HTTP/1.1\r\n");
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
            }
            both_serve(ring)
        }),
        case("requests whose answers nobody waits for", Want::Good, |ring| {
            let asked = ring.post(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#, "");
            for _ in 0..500 {
                let mut stream = ring.tcp(Door::Plain);
                let _ = stream.write_all(&asked);
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
            }
            both_serve(ring)
        }),
        case("the end of sending right after connecting", Want::Good, |ring| {
            for _ in 0..1_000 {
                let stream = ring.tcp(Door::Plain);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            both_serve(ring)
        }),
        case("handshakes that are done and left", Want::Good, |ring| {
            for _ in 0..150 {
                drop(ring.shaken(&ring.arena.single));
            }
            both_serve(ring)
        }),
        case("hellos that are left", Want::Good, |ring| {
            let hello = Hello::new().bytes();
            for _ in 0..600 {
                let mut stream = ring.tcp(Door::Secured);
                let _ = stream.write_all(&hello);
            }
            both_serve(ring)
        }),
        case("a local line that does not end", Want::Cut, |ring| line(ring, &vec![b'x'; 4 << 20])),
        case("local lines that are no messages", Want::Cut, |ring| {
            let mut bytes = b"{\"bastide\":1,\"as\":\"mallory\"}\n".to_vec();
            bytes.extend(b"no message\n".repeat(50));
            line(ring, &bytes)
        }),
        case("a first local line that says nothing of use", Want::Cut, |ring| line(ring, b"{\"bastide\":2,\"as\":\"x\",\"more\":[]}\n")),
        case("local connections by the thousand", Want::Good, |ring| {
            let held: Vec<_> = (0..600).map(|_| local(ring)).collect();
            let seen = both_serve(ring);
            drop(held);
            Seen { ended: Ended::Closed, ..seen }
        }),
    ]
}
