//! Framings: how streams of bytes are cut into heads and bodies, lines, events.

use crate::Input;
use bytes::Bytes;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};
use transport::http::{Flaw, Framing, HEAD_BYTES, HEAD_FIELDS, Rest};
use transport::line_frame::{Fault as LineFault, Lines};
use transport::sse::{Bounds, Event, Fault, Kind, Reader};

const HEAD: [&str; 34] = [
    "POST /mcp HTTP/1.1\r\nHost: a\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\n",
    "POST / HTTP/1.1\r\n",
    "\r\n",
    "\r\n",
    "\r\n\r\n",
    "Content-Length: 7\r\n",
    "Content-Length: 0\r\n",
    "content-length:3\r\n",
    "Content-Length: 07\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "X: y\r\n",
    "Host: b\r\n",
    "5\r\n12345\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "a;x=y\r\n",
    "00000003\r\nabc\r\n",
    "0123456",
    "abc",
    " ",
    "\t",
    ":",
    "\n",
    "\r",
    "\0",
    "POST",
    "HTTP/1.1",
    "{\"id\":1}",
    "X : y\r\n",
    " folded\r\n",
    "Accept: */*\r\nContent-Type: application/json\r\n",
    "\u{e9}",
];

/// A stream of pieces that are likely to mean something, and of any bytes.
fn stream(input: &mut Input<'_>, pieces: &[&str]) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..input.below(24) {
        match input.below(8) {
            0 => stream.extend_from_slice(input.own(16).as_bytes()),
            1 => stream.extend(std::iter::repeat_n(input.bits() as u8, input.pick(&[1, 3, 63, 64, 1024]))),
            _ => stream.extend_from_slice(input.pick(pieces).as_bytes()),
        }
    }
    stream.extend_from_slice(input.tail());
    stream
}

pub(crate) fn head(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let cuts = input.bits().to_le_bytes();
    let whole = stream(&mut input, &HEAD);
    let once = judged([&*whole]);
    assert!(whole.starts_with(&once.0), "what passes is what came");
    let mut cuts = Input::new(&cuts);
    assert_eq!(judged(cuts.cut(&whole, 40)), once, "how the stream is cut makes no difference");
    assert_eq!(judged(whole.chunks(1)), once, "how the stream is cut makes no difference");
    if once.1 == Rest::BadHead(Flaw::Slow) {
        panic!("time is not judged here");
    }
    first(&whole, &once);
}

/// What passes of these pieces, and what becomes of the rest.
fn judged<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Rest) {
    let (mut framing, mut held, mut through) = (Framing::default(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        let judged = framing.judge(&held);
        assert!(judged.passed <= held.len());
        through.extend(held.drain(..judged.passed));
        if judged.rest != Rest::Head {
            return (through, judged.rest);
        }
        assert!(held.len() <= HEAD_BYTES, "a head that is held back is within its bound");
    }
    (through, Rest::Head)
}

/// Where the first head passes, another reader ends it at the same byte, and sees one host and at most one length.
fn first(whole: &[u8], judged: &(Vec<u8>, Rest)) {
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS + 1];
    let mut request = httparse::Request::new(&mut fields);
    let read = request.parse(whole);
    if judged.0.is_empty() {
        return;
    }
    let Ok(httparse::Status::Complete(end)) = read else { panic!("others do not read the first head: {read:?}") };
    let head = whole.get(..end).unwrap_or_default();
    let mut framing = Framing::default();
    assert_eq!(framing.judge(&head[..end - 1]).passed, 0, "a head passes when it is complete");
    assert_eq!(Framing::default().judge(head).passed, end, "a head ends where others end it");
    let count = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert_eq!(count("host"), 1, "one host");
    assert!(count("content-length") + count("transfer-encoding") <= 1, "at most one length");
}

/// Bytes that come in pieces.
struct Pieces<'a>(std::vec::IntoIter<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.next() {
            out.put_slice(piece);
        }
        Poll::Ready(Ok(()))
    }
}

/// The lines of these pieces, and how they end.
fn split(pieces: Vec<&[u8]>, most: usize) -> (Vec<Bytes>, Option<String>) {
    let mut lines = Lines::new(Pieces(pieces.into_iter()), most);
    let mut all = Vec::new();
    loop {
        let next = std::pin::pin!(lines.next());
        let Poll::Ready(next) = next.poll(&mut Context::from_waker(Waker::noop())) else { panic!("nothing is waited for") };
        match next {
            Some(Ok(line)) => {
                assert!(line.len() <= most && !line.contains(&b'\n'), "a line is one, and within its bound");
                all.push(line);
            }
            Some(Err(fault)) => return (all, Some(format!("{fault:?}"))),
            None => return (all, None),
        }
    }
}

pub(crate) fn lines(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let most = input.pick(&[1, 8, 64, 4096]);
    let cuts = input.bits().to_le_bytes();
    let whole = stream(&mut input, &["\n", "\r\n", "\r", "{}", "{\"jsonrpc\":\"2.0\"}", "\0", "\n\n", "é", "12345678", "\r\r\n"]);
    let once = split(Input::new(&cuts).cut(&whole, 4096), most);
    assert_eq!(split(Input::new(&cuts).cut(&whole, 7), most), once, "how the stream is cut makes no difference");
    assert_eq!(split(whole.chunks(1).collect(), most), once, "how the stream is cut makes no difference");
    // What the lines are, said in another way.
    let mut wanted = Vec::new();
    let mut rest = &whole[..];
    let fault = loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            let held = rest.strip_suffix(b"\r").unwrap_or(rest);
            break if rest.is_empty() {
                None
            } else if held.len() > most {
                Some(LineFault::TooLong(most))
            } else {
                Some(LineFault::Truncated)
            };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.len() > most {
            break Some(LineFault::TooLong(most));
        }
        wanted.push(Bytes::copy_from_slice(line));
        rest = &rest[end + 1..];
    };
    assert_eq!(once, (wanted, fault.map(|fault| format!("{fault:?}"))));
}

/// All that a reader says of these pieces.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    events: Vec<Event>,
    fault: Option<Fault>,
    last: Option<Bytes>,
    retry: Option<std::time::Duration>,
}

fn heard(pieces: &[&[u8]], bounds: Bounds) -> Heard {
    let mut reader = Reader::new(bounds);
    let mut events = Vec::new();
    let mut fault = None;
    'pieces: for piece in pieces {
        if let Err(found) = reader.push(Bytes::copy_from_slice(piece)) {
            fault = Some(found);
            break;
        }
        loop {
            match reader.next_event() {
                Ok(Some(event)) => {
                    assert!(!event.data.is_empty() && event.data.len() <= bounds.event_bytes, "an event is within its bound");
                    events.push(event);
                }
                Ok(None) => break,
                Err(found) => {
                    fault = Some(found);
                    break 'pieces;
                }
            }
        }
    }
    if let Some(fault) = fault {
        assert_eq!(reader.push(Bytes::from_static(b"data: x\n\n")), Err(fault), "a fault is for good");
        assert_eq!(reader.next_event(), Err(fault), "a fault is for good");
    }
    Heard { events, fault, last: reader.last_id().cloned(), retry: reader.retry() }
}

pub(crate) fn events(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let cuts = input.bits().to_le_bytes();
    let small = Bounds { line_bytes: 12, event_bytes: 16, noise_bytes: 24, stream_bytes: None, id_bytes: 4, ..Bounds::default() };
    let bounds = if input.flip() { small } else { Bounds::default() };
    let pieces = [
        "data: a",
        "data",
        "data:",
        "data:  b",
        ":",
        ": c",
        "id: 1",
        "id",
        "id:\0",
        "event: x",
        "event: endpoint",
        "event:message",
        "retry: 5",
        "retry: x",
        "\u{feff}",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\r",
        "é",
        "{\"jsonrpc\":\"2.0\"}",
        "dat",
        " ",
    ];
    let whole = stream(&mut input, &pieces);
    let once = heard(&[&whole], bounds);
    assert_eq!(heard(&Input::new(&cuts).cut(&whole, 20), bounds), once, "how the stream is cut makes no difference");
    assert_eq!(heard(&whole.chunks(1).collect::<Vec<_>>(), bounds), once, "how the stream is cut makes no difference");
    if once.fault.is_none() {
        assert_eq!(once.events, standard(&whole), "the events are those of the standard");
    }
    let most = 1 + whole.len() as u64 / 2;
    let short = heard(&whole.chunks(1).collect::<Vec<_>>(), Bounds { stream_bytes: Some(most), ..bounds });
    if whole.len() as u64 > most {
        assert!(short.fault.is_some(), "a stream is within its bound");
    }
}

/// The events of a whole stream as WHATWG HTML §9.2.6 has them.
fn standard(whole: &[u8]) -> Vec<Event> {
    let whole = whole.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(whole);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut bytes = whole.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                lines.push(std::mem::take(&mut line));
            }
            b'\n' => lines.push(std::mem::take(&mut line)),
            byte => line.push(*byte),
        }
    }
    let (mut events, mut data, mut kind) = (Vec::new(), Vec::new(), Kind::Message);
    for line in lines {
        if line.is_empty() {
            let kind = std::mem::replace(&mut kind, Kind::Message);
            let mut data = std::mem::take(&mut data);
            data.pop();
            if !data.is_empty() {
                events.push(Event { kind, data: data.into() });
            }
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (&line[..], &b""[..]),
        };
        match name {
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"event" => {
                kind = match value {
                    b"" | b"message" => Kind::Message,
                    b"endpoint" => Kind::Endpoint,
                    _ => Kind::Stray,
                }
            }
            _ => {}
        }
    }
    events
}
