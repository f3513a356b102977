//! Pieces of a stream in, events out.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::time::Duration;

/// Bounds on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one line, its end not counted.
    pub line_bytes: usize,
    /// Most bytes of one event's data.
    pub event_bytes: usize,
    /// Most bytes between two events: comments, empty events, unknown fields.
    pub noise_bytes: usize,
    /// Most bytes of the whole stream; none for a standing one.
    pub stream_bytes: Option<u64>,
    /// Longest id that is kept; longer ones are ignored.
    pub id_bytes: usize,
    /// Longest `retry` that is believed; longer ones count as this.
    pub retry: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            line_bytes: 16 * 1024 * 1024,
            event_bytes: 16 * 1024 * 1024,
            noise_bytes: 1024 * 1024,
            stream_bytes: None,
            id_bytes: 512,
            retry: Duration::from_secs(30),
        }
    }
}

/// Why a stream is not read any further. Always the server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line over its bound.
    #[error("a line of the stream is longer than {0} bytes")]
    Line(usize),
    /// An event over its bound.
    #[error("an event of the stream is longer than {0} bytes")]
    Event(usize),
    /// Too much that is no event.
    #[error("more than {0} bytes of the stream hold no event")]
    Noise(usize),
    /// A stream over its bound.
    #[error("the stream is longer than {0} bytes")]
    Stream(u64),
}

/// What an event says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message: no name, or `message`.
    Message,
    /// The first event of HTTP+SSE.
    Endpoint,
    /// Any other name; to be dropped and recorded.
    Stray,
}

/// One event that has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it says that it is.
    pub kind: Kind,
    /// The data lines, joined with LF. Not checked for UTF-8.
    pub data: Bytes,
}

/// Splits a stream into events. Memory stays under one line, one event and one piece.
#[derive(Debug)]
pub struct Reader {
    bounds: Bounds,
    pending: BytesMut,
    searched: usize,
    begun: bool,
    after_cr: bool,
    failed: Option<Fault>,
    total: u64,
    noise: usize,
    kind: Kind,
    data: Data,
    id: Option<Bytes>,
    last_id: Option<Bytes>,
    retry: Option<Duration>,
}

#[derive(Debug)]
enum Data {
    None,
    One(Bytes),
    More(BytesMut),
}

impl Reader {
    /// A reader at the start of a stream.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            pending: BytesMut::new(),
            searched: 0,
            begun: false,
            after_cr: false,
            failed: None,
            total: 0,
            noise: 0,
            kind: Kind::Message,
            data: Data::None,
            id: None,
            last_id: None,
            retry: None,
        }
    }

    /// The id of the last event that had one: what a resumption names. Events without data count.
    pub fn last_id(&self) -> Option<&Bytes> {
        self.last_id.as_ref().filter(|id| !id.is_empty())
    }

    /// How long the server wants us to wait before we connect again, capped.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes in a piece of any size.
    ///
    /// # Errors
    /// [`Fault::Stream`]; and once a fault was seen, the same again.
    pub fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        self.total = self.total.saturating_add(piece.len() as u64);
        if let Some(most) = self.bounds.stream_bytes.filter(|most| self.total > *most) {
            return self.fail(Fault::Stream(most));
        }
        if self.pending.is_empty() {
            self.pending = BytesMut::from(piece);
        } else {
            self.pending.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The next whole event with data among what was pushed. What the stream's end leaves unfinished is no event.
    ///
    /// # Errors
    /// [`Fault`], for good.
    pub fn next_event(&mut self) -> Result<Option<Event>, Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if !self.begin() {
            return Ok(None);
        }
        while let Some(line) = self.line()? {
            if let Some(event) = self.field(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn fail<T>(&mut self, fault: Fault) -> Result<T, Fault> {
        self.failed = Some(fault);
        self.pending = BytesMut::new();
        self.data = Data::None;
        Err(fault)
    }

    /// Takes one byte order mark off; no when more bytes are needed to tell.
    fn begin(&mut self) -> bool {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if self.begun {
            return true;
        }
        if self.pending.starts_with(MARK) {
            let _ = self.pending.split_to(MARK.len());
        } else if MARK.starts_with(&self.pending) {
            return false;
        }
        self.begun = true;
        true
    }

    fn line(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.after_cr
            && let Some(first) = self.pending.first()
        {
            if *first == b'\n' {
                let _ = self.pending.split_to(1);
            }
            self.after_cr = false;
        }
        let unsearched = self.pending.get(self.searched..).unwrap_or_default();
        let found = memchr2(b'\r', b'\n', unsearched).map(|at| self.searched + at);
        let length = found.unwrap_or(self.pending.len());
        if length > self.bounds.line_bytes {
            return self.fail(Fault::Line(self.bounds.line_bytes));
        }
        let Some(end) = found else {
            self.searched = self.pending.len();
            return Ok(None);
        };
        self.searched = 0;
        let mut line = self.pending.split_to(end + 1);
        self.after_cr = line.last() == Some(&b'\r');
        line.truncate(end);
        Ok(Some(line.freeze()))
    }

    fn field(&mut self, line: Bytes) -> Result<Option<Event>, Fault> {
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let name = line.slice(..colon);
        let after = (colon + 1).min(line.len());
        let value = if line.get(after) == Some(&b' ') { line.slice(after + 1..) } else { line.slice(after..) };
        if &*name == b"data" {
            self.add(value)?;
            return Ok(None);
        }
        self.noise = self.noise.saturating_add(line.len() + 1);
        if self.noise > self.bounds.noise_bytes {
            return self.fail(Fault::Noise(self.bounds.noise_bytes));
        }
        match &*name {
            b"event" => {
                self.kind = match &*value {
                    b"" | b"message" => Kind::Message,
                    b"endpoint" => Kind::Endpoint,
                    _ => Kind::Stray,
                }
            }
            b"id" if value.len() <= self.bounds.id_bytes && !value.contains(&0) => self.id = Some(Bytes::copy_from_slice(&value)),
            b"retry" => {
                if let Some(millis) = digits(&value) {
                    self.retry = Some(Duration::from_millis(millis).min(self.bounds.retry));
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn add(&mut self, value: Bytes) -> Result<(), Fault> {
        let so_far = match &self.data {
            Data::None => 0,
            Data::One(data) => data.len() + 1,
            Data::More(data) => data.len() + 1,
        };
        if so_far.saturating_add(value.len()) > self.bounds.event_bytes {
            return self.fail(Fault::Event(self.bounds.event_bytes));
        }
        self.data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Data::One(value),
            Data::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + value.len() + 1);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(b"\n");
                joined.extend_from_slice(&value);
                Data::More(joined)
            }
            Data::More(mut joined) => {
                joined.extend_from_slice(b"\n");
                joined.extend_from_slice(&value);
                Data::More(joined)
            }
        };
        Ok(())
    }

    fn dispatch(&mut self) -> Result<Option<Event>, Fault> {
        let kind = std::mem::replace(&mut self.kind, Kind::Message);
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => Bytes::new(),
            Data::One(data) => data,
            Data::More(data) => data.freeze(),
        };
        if data.is_empty() {
            self.noise = self.noise.saturating_add(1);
            if self.noise > self.bounds.noise_bytes {
                return self.fail(Fault::Noise(self.bounds.noise_bytes));
            }
            return Ok(None);
        }
        self.noise = 0;
        Ok(Some(Event { kind, data }))
    }
}

fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]], bounds: Bounds) -> (Reader, Result<Vec<(Kind, String)>, Fault>) {
        let mut reader = Reader::new(bounds);
        let mut events = Vec::new();
        for piece in pieces {
            if let Err(fault) = reader.push(Bytes::copy_from_slice(piece)) {
                return (reader, Err(fault));
            }
            loop {
                match reader.next_event() {
                    Ok(Some(event)) => events.push((event.kind, String::from_utf8_lossy(&event.data).into_owned())),
                    Ok(None) => break,
                    Err(fault) => return (reader, Err(fault)),
                }
            }
        }
        (reader, Ok(events))
    }

    fn messages(text: &str) -> Vec<(Kind, String)> {
        read(&[text.as_bytes()], Bounds::default()).1.unwrap()
    }

    fn message(data: &str) -> (Kind, String) {
        (Kind::Message, data.to_owned())
    }

    #[test]
    fn every_end_of_line_counts() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("event: message{end}data: {{}}{end}{end}data:x{end}{end}");
            assert_eq!(messages(&text), [message("{}"), message("x")], "{end:?}");
        }
        assert_eq!(messages("data: a\r\n\r\ndata: b\n\rdata: c\r\r"), [message("a"), message("b"), message("c")]);
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        assert_eq!(messages("\u{feff}data: a\n\n"), [message("a")]);
        assert_eq!(messages("\u{feff}\u{feff}data: a\n\n"), []);
        assert_eq!(messages(": note\n:\ndata: a\n: note\ndata: b\n\n"), [message("a\nb")]);
        assert_eq!(messages("data:  a\n\n"), [message(" a")]);
        assert_eq!(messages("data\ndata\n\n"), [message("\n")]);
        assert_eq!(messages("data\n\n"), []);
        assert_eq!(messages("data:\n\n"), []);
        assert_eq!(messages("Data: a\n data: b\n\n"), []);
        assert_eq!(messages("event: endpoint\ndata: /x\n\ndata: y\n\n"), [(Kind::Endpoint, "/x".into()), message("y")]);
        assert_eq!(messages("event: ping\ndata: y\n\n"), [(Kind::Stray, "y".into())]);
        assert_eq!(messages("data: unfinished\n"), []);
        assert_eq!(messages("data: unfinished"), []);
    }

    #[test]
    fn ids_last_and_bad_ones_are_ignored() {
        let (reader, _) = read(&[b"id: 1\ndata: a\n\nid: \x00x\ndata: b\n\n"], Bounds::default());
        assert_eq!(reader.last_id().unwrap(), "1");
        let (reader, events) = read(&[b"id: 7\ndata:\n\n"], Bounds::default());
        assert_eq!((reader.last_id().unwrap(), events.unwrap().len()), (&Bytes::from_static(b"7"), 0));
        let (reader, _) = read(&[b"id: 7\ndata: a\n\nid\ndata: b\n\n"], Bounds::default());
        assert_eq!(reader.last_id(), None);
        let (reader, _) = read(&[b"id: 7\ndata: not dispatched\n"], Bounds::default());
        assert_eq!(reader.last_id(), None);
        let long = format!("id: {}\ndata: a\n\n", "x".repeat(600));
        assert_eq!(read(&[long.as_bytes()], Bounds::default()).0.last_id(), None);
    }

    #[test]
    fn retry_is_digits_and_capped() {
        let retry = |text: &str| read(&[text.as_bytes()], Bounds::default()).0.retry();
        assert_eq!(retry("retry: 250\n"), Some(Duration::from_millis(250)));
        assert_eq!(retry("retry: 99999999999999999999999999\n"), Some(Duration::from_secs(30)));
        for bad in ["retry: -1\n", "retry: 1.5\n", "retry: \n", "retry: 1 \n", "retry: +1\n"] {
            assert_eq!(retry(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_bound_holds() {
        let bounds = Bounds { line_bytes: 10, event_bytes: 12, noise_bytes: 20, stream_bytes: Some(100), ..Bounds::default() };
        assert_eq!(read(&[b"data: 45678"], bounds).1, Err(Fault::Line(10)));
        assert_eq!(read(&[b"data: 456", b"78\n\n"], bounds).1, Err(Fault::Line(10)));
        assert_eq!(read(&[b"data:12345\n\n"], bounds).1, Ok(vec![message("12345")]));
        assert_eq!(read(&[b"data:12345\ndata:12345\ndata:1\n\n"], bounds).1, Err(Fault::Event(12)));
        assert_eq!(read(&[b":23456789\n:23456789\n:\n"], bounds).1, Err(Fault::Noise(20)));
        assert_eq!(read(&[&b"\n".repeat(21)], bounds).1, Err(Fault::Noise(20)));
        assert_eq!(read(&[&b"data:1\n\n".repeat(13)], bounds).1, Err(Fault::Stream(100)));
        let mut reader = read(&[b"data: 45678"], bounds).0;
        assert_eq!(reader.push(Bytes::from_static(b"\n\ndata: x\n\n")), Err(Fault::Line(10)));
        assert_eq!(reader.next_event(), Err(Fault::Line(10)));
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(
            parts in proptest::collection::vec(prop_oneof![
                Just("data: a"), Just("data"), Just(":"), Just("id: 1"), Just("event: x"), Just("\u{feff}"),
                Just("\n"), Just("\r"), Just("\r\n"), Just("\n\n"), Just("retry: 5"), Just("é"),
            ], 0..30),
            cuts in proptest::collection::vec(1_usize..5, 1..20),
        ) {
            let whole = parts.concat().into_bytes();
            let mut pieces = Vec::new();
            let mut rest = &whole[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            let (one, at_once) = read(&[&whole], Bounds::default());
            let (many, in_pieces) = read(&pieces, Bounds::default());
            prop_assert_eq!(at_once, in_pieces);
            prop_assert_eq!(one.last_id(), many.last_id());
        }
    }
}
