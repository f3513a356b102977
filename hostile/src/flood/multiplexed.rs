//! Over HTTP/2: frames, fields and streams.

use super::{FLOOD, MALFORMED, MANY, SIZE, case};
use crate::arena::Door;
use crate::case::{Case, Want};
use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, PING, POST, PREFACE, PRIORITISED, PRIORITY, PUSH,
    RESET, SETTINGS, WINDOW, field, frame, request, setting, text,
};
use crate::ring::Ring;
use crate::seen::Seen;

/// Codes of RFC 9113 §7.
const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const LENGTH: u32 = 6;
const REFUSED: u32 = 7;
const CALM: u32 = 11;

fn many(one: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..MANY).flat_map(one).collect()
}

fn block(ring: &Ring<'_>, method: u8, more: &[(&str, &str)]) -> Vec<u8> {
    request(method, "/health", &ring.host(Door::Secured), more)
}

/// A request for a page, on this stream.
fn get(ring: &Ring<'_>, stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(ring, GET, &[]))
}

/// A request whose body is to come, on this stream.
fn open(ring: &Ring<'_>, stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(ring, POST, &[]))
}

/// A request for a page with these bytes after its fields.
fn with(ring: &Ring<'_>, more: &[u8]) -> Seen {
    ring.h2(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &[block(ring, GET, &[]), more.to_vec()].concat()))
}

/// Cut off for too many frames, and on record as that.
const fn flood(name: &'static str, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Cut, act).recorded(FLOOD)
}

/// Told which rule it breaks, for the whole connection, and on record.
const fn broken(name: &'static str, code: u32, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::GoAway(code), act).recorded(MALFORMED)
}

/// Told which rule it breaks, for one stream.
const fn reset(name: &'static str, code: u32, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Reset(code), act)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        // Frames that cost their sender nothing.
        flood("pings", |ring| ring.h2(&many(|at| frame(PING, 0, 0, &u64::from(at).to_be_bytes())))),
        flood("answers to pings that nobody sent", |ring| ring.h2(&many(|_| frame(PING, ACK, 0, &[0; 8])))),
        flood("settings", |ring| ring.h2(&many(|at| frame(SETTINGS, 0, 0, &setting(4, at))))),
        flood("settings of nothing", |ring| ring.h2(&many(|_| frame(SETTINGS, 0, 0, &[])))),
        case("acknowledgements of settings that nobody sent", Want::Cut, |ring| ring.h2(&many(|_| frame(SETTINGS, ACK, 0, &[])))),
        flood("settings that make the table of fields large and small", |ring| {
            ring.h2(&many(|at| frame(SETTINGS, 0, 0, &setting(1, if at % 2 == 0 { 0 } else { 65_536 }))))
        }),
        flood("settings of a thousand entries each", |ring| {
            let entries = (0..1000).flat_map(|at| setting(4, at)).collect::<Vec<_>>();
            ring.h2(&(0..400).flat_map(|_| frame(SETTINGS, 0, 0, &entries)).collect::<Vec<_>>())
        }),
        flood("priorities of streams that are not there", |ring| ring.h2(&many(|at| frame(PRIORITY, 0, 2 * at + 1, &[0, 0, 0, 0, 16])))),
        flood("windows of the connection", |ring| ring.h2(&many(|_| frame(WINDOW, 0, 0, &[0, 0, 0, 1])))),
        flood("windows of a stream", |ring| ring.h2(&[open(ring, 1), many(|_| frame(WINDOW, 0, 1, &[0, 0, 0, 1]))].concat())),
        flood("frames that nobody knows", |ring| ring.h2(&many(|_| frame(0x7f, 0, 0, b"?")))),
        case("streams that are taken back at once", Want::Cut, |ring| {
            ring.h2(&many(|at| [get(ring, 2 * at + 1), frame(RESET, 0, 2 * at + 1, &[0, 0, 0, 8])].concat()))
        }),
        case("streams that the gateway is made to take back", Want::Cut, |ring| {
            ring.h2(&many(|at| [open(ring, 2 * at + 1), frame(WINDOW, 0, 2 * at + 1, &[0, 0, 0, 0])].concat()))
        }),
        flood("data of nothing", |ring| ring.h2(&[open(ring, 1), many(|_| frame(DATA, 0, 1, &[]))].concat())),
        flood("data of one byte", |ring| ring.h2(&[open(ring, 1), many(|_| frame(DATA, 0, 1, b"x"))].concat())),
        case("data that is all padding", Want::Cut, |ring| {
            let padding = [&[255][..], &[0; 255]].concat();
            ring.h2(&[open(ring, 1), many(|_| frame(DATA, PADDED, 1, &padding))].concat())
        }),
        flood("fields that go on in frames of nothing", |ring| {
            ring.h2(&[frame(HEADERS, 0, 1, &block(ring, GET, &[])), many(|_| frame(CONTINUATION, 0, 1, &[]))].concat())
        }),
        flood("fields that go on and on", |ring| {
            ring.h2(&[frame(HEADERS, 0, 1, &block(ring, GET, &[])), many(|at| frame(CONTINUATION, 0, 1, &field(&format!("x{at}"), "y")))]
                .concat())
        }),
        flood("farewells", |ring| ring.h2(&many(|_| frame(GOAWAY, 0, 0, &[0; 8])))),
        // Streams.
        reset("more streams than there may be", REFUSED, |ring| {
            ring.h2(&(0..200).flat_map(|at| open(ring, 2 * at + 1)).collect::<Vec<_>>())
        }),
        broken("a stream of the gateway's own numbers", PROTOCOL, |ring| ring.h2(&get(ring, 2))),
        broken("a stream with a number below the last", PROTOCOL, |ring| ring.h2(&[open(ring, 9), open(ring, 3)].concat())),
        broken("data of a stream that was never opened", PROTOCOL, |ring| ring.h2(&frame(DATA, 0, 77, b"x"))),
        broken("data of no stream", PROTOCOL, |ring| ring.h2(&frame(DATA, 0, 0, b"x"))),
        broken("a stream taken back that was never opened", PROTOCOL, |ring| ring.h2(&frame(RESET, 0, 77, &[0, 0, 0, 8]))),
        broken("no stream taken back", PROTOCOL, |ring| ring.h2(&frame(RESET, 0, 0, &[0, 0, 0, 8]))),
        case("fields of a stream that has ended", Want::Cut, |ring| ring.h2(&[get(ring, 1), many(|_| get(ring, 1))].concat())),
        reset("a stream that waits for itself", PROTOCOL, |ring| {
            let waits = [&[0, 0, 0, 1, 16][..], &block(ring, GET, &[])].concat();
            ring.h2(&frame(HEADERS, END_HEADERS | END_STREAM | PRIORITISED, 1, &waits))
        }),
        broken("a push", PROTOCOL, |ring| ring.h2(&frame(PUSH, END_HEADERS, 1, &[0, 0, 0, 2]))),
        // Windows and lengths.
        broken("a window of the connection over its end", FLOW, |ring| ring.h2(&frame(WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(2))),
        reset("a window of a stream over its end", FLOW, |ring| {
            ring.h2(&[open(ring, 1), frame(WINDOW, 0, 1, &[0x7f, 0xff, 0xff, 0xff]).repeat(2)].concat())
        }),
        broken("a window opened by nothing", PROTOCOL, |ring| ring.h2(&frame(WINDOW, 0, 0, &[0; 4]))),
        case("a body of two megabytes", Want::Status(413), |ring| {
            let pieces = (0..128).flat_map(|_| frame(DATA, 0, 1, &[b' '; 16_384])).collect::<Vec<_>>();
            ring.h2(&[frame(HEADERS, END_HEADERS, 1, &ring.post_fields()), pieces].concat())
        })
        .recorded(SIZE),
        broken("a frame larger than may be", LENGTH, |ring| ring.h2(&frame(DATA, 0, 1, &vec![0; 1 << 20]))),
        broken("a ping of seven bytes", PROTOCOL, |ring| ring.h2(&frame(PING, 0, 0, &[0; 7]))),
        broken("a ping of a stream", PROTOCOL, |ring| ring.h2(&frame(PING, 0, 1, &[0; 8]))),
        broken("settings of five bytes", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, 0, 0, &[0; 5]))),
        broken("settings of a stream", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, 0, 1, &[]))),
        broken("an acknowledgement with something in it", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, ACK, 0, &setting(4, 1)))),
        broken("a setting that is neither yes nor no", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, 0, 0, &setting(2, 2)))),
        broken("a window larger than there are", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, 0, 0, &setting(4, 0x8000_0000)))),
        broken("frames smaller than there are", PROTOCOL, |ring| ring.h2(&frame(SETTINGS, 0, 0, &setting(5, 100)))),
        broken("padding longer than the frame", PROTOCOL, |ring| ring.h2(&[open(ring, 1), frame(DATA, PADDED, 1, &[200, 1, 2])].concat())),
        // Fields.
        broken("another frame in the midst of fields", PROTOCOL, |ring| {
            ring.h2(&[frame(HEADERS, 0, 1, &block(ring, GET, &[])), frame(PING, 0, 0, &[0; 8])].concat())
        }),
        broken("the rest of fields that never began", PROTOCOL, |ring| ring.h2(&frame(CONTINUATION, END_HEADERS, 1, &[]))),
        broken("fields that grow when they are read", CALM, |ring| {
            let mut bomb = vec![0x40, 1, b'x', 0x7f, 0x81, 0x1e];
            bomb.extend([b'y'; 3968]);
            bomb.extend([0xbe; 8_000]);
            with(ring, &bomb)
        }),
        broken("a size of the table beyond its bound", PROTOCOL, |ring| {
            ring.h2(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x3f, 0xff, 0xff, 0xff, 0x7f]))
        }),
        broken("a number that does not end", PROTOCOL, |ring| with(ring, &[&[0x7f][..], &[0xff; 64]].concat())),
        broken("a field of no entry", PROTOCOL, |ring| with(ring, &[0xff, 0x80, 0x7f])),
        broken("a text that is no code", PROTOCOL, |ring| with(ring, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 1, b'v'])),
        broken("a name in capitals", PROTOCOL, |ring| with(ring, &field("Capital", "x"))),
        reset("a field of the connection", PROTOCOL, |ring| with(ring, &field("connection", "keep-alive"))),
        reset("a coding of HTTP/1.1", PROTOCOL, |ring| with(ring, &field("transfer-encoding", "chunked"))),
        reset("a pseudo field behind the others", PROTOCOL, |ring| with(ring, &[field("a", "b"), field(":path", "/mcp")].concat())),
        reset("a pseudo field twice", PROTOCOL, |ring| with(ring, &[vec![0x04], text(b"/mcp")].concat())),
        broken("a pseudo field that nobody knows", PROTOCOL, |ring| with(ring, &field(":odd", "x"))),
        case("no path", Want::Status(400), |ring| ring.h2(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &[GET, 0x87]))),
        reset("a length that is not the body's", PROTOCOL, |ring| {
            let head = frame(HEADERS, END_HEADERS, 1, &block(ring, POST, &[("content-length", "5")]));
            ring.h2(&[head, frame(DATA, END_STREAM, 1, &[b'x'; 50])].concat())
        }),
        case("crumbs of cookies by the thousand", Want::Status(431), |ring| with(ring, &field("cookie", "a=b").repeat(1_300))),
        case("a path of sixteen kilobytes", Want::Status(404), |ring| {
            let path = format!("/mcp{}", "a".repeat(16_000));
            ring.h2(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &request(GET, &path, &ring.host(Door::Secured), &[])))
        }),
        case("a tunnel is asked for", Want::Status(403), |ring| {
            let connect = [field(":method", "CONNECT"), vec![0x01], text(b"10.0.0.1:22")].concat();
            ring.h2(&frame(HEADERS, END_HEADERS, 1, &connect))
        }),
        // What is no HTTP/2.
        case("bytes that are no frames", Want::Cut, |ring| ring.h2_from(&[0xff; 100_000])).recorded(MALFORMED),
        case("a preface and bytes that are no frames", Want::Cut, |ring| ring.h2_from(&[PREFACE, &[0xff; 100_000]].concat()))
            .recorded(MALFORMED),
        case("HTTP/1.1 where HTTP/2 was settled", Want::Cut, |ring| ring.h2_from(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
            .recorded(MALFORMED),
        broken("a farewell of a stream", PROTOCOL, |ring| ring.h2(&frame(GOAWAY, 0, 1, &[0; 8]))),
        broken("data after the end of a stream", PROTOCOL, |ring| {
            ring.h2(&[open(ring, 1), frame(DATA, END_STREAM, 1, b"{}"), frame(DATA, 0, 1, &[b'x'; 100])].concat())
        }),
    ]
}
