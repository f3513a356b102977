//! Clients that are too slow with something, each within its bound of two seconds, while the others are longer than a case. All of a ground run beside one
//! another.

use crate::arena::Door;
use crate::case::{Case, Class, Want};
use crate::frames::{DATA, END_HEADERS, END_STREAM, GET, HEADERS, PING, PREFACE, SETTINGS, WINDOW, frame, request, setting};
use crate::hello::{Hello, record};
use crate::ring::{Ring, Secured, plain_wait, secured_wait};
use crate::seen::{Ended, Seen};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
const LATE: &str = "transport.bounds/fault";
const SHAKEN: &str = "transport.bounds/fault";

const fn case(name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Case {
    Case::new(Class::Slow, name, want, act)
}

/// Late with what has to come: told so, and on record.
const fn late(name: &'static str, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Status(408), act).recorded(LATE)
}

/// One byte after the other.
fn bytes(text: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    text.into_iter().map(|byte| vec![byte])
}

/// The same piece again and again.
fn again(piece: impl Into<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    std::iter::repeat_n(piece.into(), 400)
}

/// This at once, then the pieces.
fn first(at_once: Vec<u8>, rest: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(at_once).chain(rest)
}

/// This and nothing more.
fn only(at_once: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(at_once)
}

fn block(ring: &Ring<'_>, method: u8) -> Vec<u8> {
    request(method, "/health", &ring.host(Door::Secured), &[])
}

/// HTTP/2 from its beginning: settings of these values, then `rest` piece by piece.
fn h2(ring: &Ring<'_>, settings: &[u8], at_once: Vec<u8>, rest: impl Iterator<Item = Vec<u8>>, each: Duration) -> Seen {
    let begun = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, settings), at_once].concat();
    let parse = if settings.is_empty() { Seen::frames } else { held_back };
    ring.drip_inside(&ring.arena.multiplexed, first(begun, rest), each, parse)
}

/// A call whose answer is two hundred kilobytes.
fn large(ring: &Ring<'_>) -> Vec<u8> {
    let text = "x".repeat(200_000);
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":"l","method":"tools/call","params":{{"name":"canary__echo","arguments":{{"text":"{text}"}}}}}}"#);
    ring.post(body.as_bytes(), "")
}

/// A connection with a small window, so that little waits in the system.
fn narrow(ring: &Ring<'_>) -> TcpStream {
    let stream = ring.tcp(Door::Plain);
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 2048);
    stream
}

/// Writes requests without reading an answer, until the gateway lets go; then whether it has.
fn unread(ring: &Ring<'_>, mut stream: TcpStream, piece: &[u8], times: usize) -> Seen {
    let began = Instant::now();
    let all = piece.repeat(times);
    let mut rest = all.as_slice();
    let _ = stream.set_write_timeout(Some(TICK));
    while began.elapsed() < ring.within {
        match stream.write(rest) {
            Ok(0) if began.elapsed() > ring.within / 2 => {
                // Everything was taken in. What waits in the system is all that comes, where the gateway has let go.
                let asked = all.windows(4).filter(|window| *window == b"\r\n\r\n").count();
                let seen = ring.through(&mut stream, &plain_wait, &[], |bytes, ended| {
                    let answers = bytes.windows(9).filter(|window| *window == b"HTTP/1.1 ").count();
                    Seen { ended, status: None, note: answers.to_string(), ..Seen::default() }
                });
                let answers: usize = seen.note.parse().unwrap_or(usize::MAX);
                let cut = seen.ended == Ended::Closed && answers < asked;
                return Seen { took: began.elapsed(), ..Seen::judged(cut, format!("{answers} answers to {asked}, {:?}", seen.ended)) };
            }
            Ok(0) => std::thread::sleep(TICK),
            Ok(written) => rest = &rest[written..],
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(cause) => return Seen { took: began.elapsed(), ..Seen::judged(true, cause.to_string()) },
        }
        if !matches!(rustix::net::sockopt::socket_error(&stream), Ok(Ok(()))) {
            return Seen { took: began.elapsed(), ..Seen::judged(true, "it was reset") };
        }
    }
    Seen { took: began.elapsed(), ..Seen::judged(false, format!("it goes on, {} of {} bytes unwritten", rest.len(), all.len())) }
}

/// An answer whose body is not let through: its status may come, and then the connection ends.
fn held_back(bytes: &[u8], ended: Ended) -> Seen {
    Seen { status: None, ..Seen::frames(bytes, ended) }
}

fn local(ring: &Ring<'_>) -> UnixStream {
    UnixStream::connect(ring.arena.plain.world.state().join("bastide.sock")).expect("a socket")
}

fn local_wait(stream: &UnixStream, time: Duration) {
    let _ = stream.set_read_timeout(Some(time));
}

fn handshake(ring: &Ring<'_>) -> Option<Secured> {
    ring.shaken(&ring.arena.single).ok()
}

fn held_handshake(name: &'static str, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Cut, act).recorded(SHAKEN)
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        // The head.
        case("a connection that says nothing", Want::Cut, |ring| ring.drip_http(std::iter::empty(), TICK)),
        late("a byte of the request line now and then", |ring| {
            ring.drip_http(bytes(b"GET /health HTTP/1.1 and so on and so on and on".to_vec()), TICK)
        }),
        late("a target that does not end", |ring| ring.drip_http(first(b"GET /".to_vec(), again("a")), TICK)),
        late("the name of a field that does not end", |ring| ring.drip_http(first(b"GET / HTTP/1.1\r\nHo".to_vec(), again("s")), TICK)),
        late("the value of a field that does not end", |ring| {
            ring.drip_http(first(b"GET / HTTP/1.1\r\nHost: ".to_vec(), again("a")), TICK)
        }),
        late("one field after the other", |ring| {
            ring.drip_http(first(b"GET /health HTTP/1.1\r\n".to_vec(), again("X: y\r\n")), Duration::from_millis(300))
        }),
        late("a head without its last byte", |ring| {
            let mut head = ring.get("/health", "");
            head.pop();
            ring.drip_http(only(head), TICK)
        }),
        late("a head that stops in the middle of a token", |ring| {
            let mut head = ring.post_head("");
            head.truncate(90);
            ring.drip_http(only(head), TICK)
        }),
        late("half a head behind a whole request", |ring| {
            ring.drip_http(only([ring.get("/health", ""), b"GET /hea".to_vec()].concat()), TICK)
        }),
        case("a connection that is kept and not used", Want::Good, |ring| {
            let seen = Seen {
                status: None,
                ..ring.drip(&mut ring.tcp(Door::Plain), &plain_wait, only(ring.get("/health", "")), TICK, |bytes, ended| {
                    let page = Seen::http(bytes, ended);
                    Seen { good: page.status == Some(200) && ended == Ended::Closed, ..page }
                })
            };
            Seen { good: seen.good, ..seen }
        }),
        case("empty lines before a request", Want::Cut, |ring| ring.drip_http(again("\r\n"), TICK)),
        case("half a head, and the end of sending", Want::Cut, |ring| {
            let mut stream = ring.tcp(Door::Plain);
            let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHo");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            ring.through(&mut stream, &plain_wait, &[], Seen::http)
        }),
        // The body.
        late("a body that never begins", |ring| ring.drip_http(only(ring.post_head("Content-Length: 500\r\n\r\n")), TICK)),
        late("a byte of the body now and then", |ring| {
            ring.drip_http(first(ring.post_head("Content-Length: 500\r\n\r\n"), again("{")), TICK)
        }),
        late("half a body", |ring| ring.drip_http(only([ring.post_head("Content-Length: 500\r\n\r\n"), vec![b' '; 250]].concat()), TICK)),
        late("the size of a chunk that does not come", |ring| {
            ring.drip_http(only(ring.post_head("Transfer-Encoding: chunked\r\n\r\n")), TICK)
        }),
        late("a chunk byte by byte", |ring| {
            ring.drip_http(first(ring.post_head("Transfer-Encoding: chunked\r\n\r\n1f4\r\n"), again("{")), TICK)
        }),
        late("one small chunk after the other", |ring| {
            ring.drip_http(first(ring.post_head("Transfer-Encoding: chunked\r\n\r\n"), again("1\r\n \r\n")), TICK)
        }),
        late("a last chunk that does not come", |ring| {
            ring.drip_http(only(ring.post_head("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")), TICK)
        }),
        late("a body after leave to send it", |ring| {
            let head = ring.post_head("Expect: 100-continue\r\nContent-Length: 500\r\n\r\n");
            ring.drip_http(only(head), TICK)
        }),
        // Answers that are not read.
        case("a large answer that is not read", Want::Good, |ring| unread(ring, narrow(ring), &large(ring), 40)),
        case("answers to a thousand small requests that are not read", Want::Good, |ring| {
            unread(ring, narrow(ring), &ring.get("/mcp", "").repeat(10), 1_500)
        }),
        // The handshake.
        held_handshake("a handshake of which nothing comes", |ring| ring.drip_tls(std::iter::empty(), TICK)),
        held_handshake("a hello byte by byte", |ring| ring.drip_tls(bytes(Hello::new().bytes()), TICK)),
        held_handshake("a hello without its last byte", |ring| {
            let mut hello = Hello::new().bytes();
            hello.pop();
            ring.drip_tls(only(hello), TICK)
        }),
        held_handshake("the head of a record and nothing in it", |ring| ring.drip_tls(only(vec![22, 3, 1, 2, 0]), TICK)),
        held_handshake("a hello, and no word after the server's", |ring| ring.drip_tls(only(Hello::new().bytes()), TICK)),
        held_handshake("a hello, then a change of the cipher now and then", |ring| {
            ring.drip_tls(first(Hello::new().bytes(), again(record(20, &[1]))), Duration::from_millis(700))
        }),
        held_handshake("a share that is asked for again and does not come", |ring| {
            ring.drip_tls(only(Hello::new().with(crate::hello::SHARE, vec![0, 0]).bytes()), TICK)
        }),
        case("nothing after the handshake", Want::Cut, |ring| ring.drip_inside(&ring.arena.single, std::iter::empty(), TICK, Seen::http)),
        late("a head inside TLS byte by byte", |ring| {
            ring.drip_inside(&ring.arena.single, bytes(b"GET /health HTTP/1.1 and so on and so on and on".to_vec()), TICK, Seen::http)
        }),
        case("a record byte by byte after the handshake", Want::Cut, |ring| {
            let Some(mut stream) = handshake(ring) else { return Seen::judged(false, "no handshake") };
            secured_wait(&stream, TICK);
            let began = Instant::now();
            for byte in record(23, &[0; 400]) {
                if began.elapsed() > ring.within || stream.sock.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(TICK);
                match stream.sock.read(&mut [0; 512]) {
                    Ok(0) => return Seen { ended: Ended::Closed, took: began.elapsed(), ..Seen::default() },
                    Err(cause) if !matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                        return Seen { ended: Ended::Closed, took: began.elapsed(), ..Seen::default() };
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            Seen { took: began.elapsed(), ..Seen::default() }
        }),
        case("a connection of TLS that is left open after the farewell", Want::Cut, |ring| {
            let Some(mut stream) = handshake(ring) else { return Seen::judged(false, "no handshake") };
            stream.conn.send_close_notify();
            let _ = stream.flush();
            ring.through(&mut stream, &secured_wait, &[], Seen::http)
        }),
        // HTTP/2.
        case("a preface that never comes", Want::Cut, |ring| {
            ring.drip_inside(&ring.arena.multiplexed, std::iter::empty(), TICK, Seen::frames)
        })
        .idling(),
        case("a preface byte by byte", Want::Cut, |ring| {
            ring.drip_inside(&ring.arena.multiplexed, bytes([PREFACE, PREFACE].concat()), Duration::from_millis(250), Seen::frames)
        })
        .idling(),
        case("settings that are never acknowledged", Want::Cut, |ring| h2(ring, &[], vec![], std::iter::empty(), TICK)).idling(),
        case("the head of a frame byte by byte", Want::Cut, |ring| {
            h2(ring, &[], vec![], bytes(frame(PING, 0, 0, &[0; 8])), Duration::from_millis(400))
        })
        .idling(),
        case("fields of which the end never comes", Want::Cut, |ring| {
            h2(ring, &[], frame(HEADERS, END_STREAM, 1, &block(ring, GET)), std::iter::empty(), TICK)
        })
        .idling(),
        late("a body over HTTP/2 that never begins", |ring| {
            h2(ring, &[], frame(HEADERS, END_HEADERS, 1, &ring.post_fields()), std::iter::empty(), TICK)
        }),
        late("a body over HTTP/2 byte by byte", |ring| {
            h2(ring, &[], frame(HEADERS, END_HEADERS, 1, &ring.post_fields()), again(frame(DATA, 0, 1, b"{")), TICK)
        }),
        case("a window of nothing for the answer", Want::Cut, |ring| {
            h2(ring, &setting(4, 0), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(ring, GET)), std::iter::empty(), TICK)
        }),
        case("a window of nothing, and signs of life", Want::Cut, |ring| {
            let asked = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(ring, GET));
            h2(ring, &setting(4, 0), asked, again(frame(PING, 0, 0, &[0; 8])), Duration::from_millis(300))
        }),
        case("a window that opens for another stream", Want::Cut, |ring| {
            let asked = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(ring, GET));
            h2(ring, &setting(4, 0), asked, again(frame(WINDOW, 0, 0, &[0, 0, 0, 9])), Duration::from_millis(300))
        }),
        case("a window of a byte, beside answers that are read", Want::Cut, |ring| {
            let asked = |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &block(ring, GET));
            let others = (1..).map(|at| [asked(2 * at + 1), frame(WINDOW, 0, 2 * at + 1, &[0, 0, 0, 64])].concat());
            h2(ring, &setting(4, 1), asked(1), others, Duration::from_millis(300))
        }),
        case("a connection of HTTP/2 that is kept by pings", Want::Cut, |ring| {
            h2(ring, &[], vec![], again(frame(PING, 0, 0, &[0; 8])), Duration::from_millis(300))
        })
        .idling(),
        case("a connection of HTTP/2 after its last answer", Want::Good, |ring| {
            let begun =
                [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(ring, GET))].concat();
            ring.drip_inside(&ring.arena.multiplexed, only(begun), TICK, |bytes, ended| {
                let seen = Seen::frames(bytes, ended);
                Seen { good: seen.status == Some(200) && seen.goaway == Some(0) && ended == Ended::Closed, ..seen }
            })
        })
        .idling(),
        // The local socket, whose first line has ten seconds.
        case("a local connection that says nothing", Want::Cut, |ring| {
            ring.drip(&mut local(ring), &local_wait, std::iter::empty(), TICK, Seen::http)
        }),
        case("the first local line byte by byte", Want::Cut, |ring| ring.drip(&mut local(ring), &local_wait, again("{"), TICK, Seen::http)),
    ]
}
