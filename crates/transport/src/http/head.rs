//! What a client sends, judged before the HTTP library reads it: where each request begins and ends must be beyond doubt.
//!
//! The library repairs what two readers may read differently: of a `Content-Length` beside a `Transfer-Encoding` it drops one, it takes bare line feeds,
//! chunk extensions and lists of codings. Such a request is refused here. The rows are those of `docs/strict-parsing.md`.
//!
//! Source: RFC 9112 §2.2, §3, §5, §6, §7.1, §11.2; RFC 9110 §5.5, §8.6. Controls: `transport.strict-messages`, `transport.bounds`.

use super::frames::Kind;
use super::{HEAD_BYTES, HEAD_FIELDS};

/// Digits that the size of a chunk may have.
const CHUNK_DIGITS: u8 = 8;
/// Digits that a `Content-Length` may have.
const LENGTH_DIGITS: usize = 15;

/// Why a request is refused before it is read as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Flaw {
    /// It has two lengths.
    #[error("Transfer-Encoding beside Content-Length (row 51)")]
    TwoLengths,
    /// Its `Content-Length` is doubled, or no plain number.
    #[error("Content-Length is not one plain number (row 52)")]
    Length,
    /// Its `Transfer-Encoding` is not a single `chunked` of HTTP/1.1.
    #[error("Transfer-Encoding is not a single chunked of HTTP/1.1 (row 53)")]
    Coding,
    /// Its chunks have a bad size, extensions or trailers.
    #[error("the chunks have a bad size, extensions or trailers (row 54)")]
    Chunk,
    /// A line is none of HTTP/1: its end, its folding, a blank before its colon, a control character.
    #[error("a line of the head is none of HTTP/1 (row 55)")]
    Line,
    /// It has not exactly one `Host`.
    #[error("there is not exactly one Host (row 56)")]
    Host,
    /// Its head has too many bytes.
    #[error("the head has more than {HEAD_BYTES} bytes (row 61)")]
    Large,
    /// Its head has too many fields.
    #[error("the head has more than {HEAD_FIELDS} fields (row 61)")]
    Fields,
    /// Its head was not complete in time.
    #[error("the head was not complete in time (row 61)")]
    Slow,
    /// It is no HTTP/2, over a connection that is.
    #[error("what is sent is no HTTP/2")]
    Frame,
    /// There are too many frames of a kind that costs the client nothing.
    #[error("there are too many frames of one kind: {0:?}")]
    Flood(Kind),
}

impl Flaw {
    /// The status that says so (RFC 9110 §15.5.1 and §15.5.9, RFC 6585 §5).
    pub const fn status(self) -> u16 {
        match self {
            Self::TwoLengths | Self::Length | Self::Coding | Self::Chunk | Self::Line | Self::Host | Self::Frame => 400,
            Self::Flood(_) => 429,
            Self::Slow => 408,
            Self::Large | Self::Fields => 431,
        }
    }
}

/// What may be read of the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// So many of the first: whole heads and parts of bodies.
    pub passed: usize,
    /// What becomes of the others.
    pub rest: Rest,
}

/// What becomes of bytes that may not be read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are the beginning of a head; they are to be shown again with what follows them. Also when there are none.
    Head,
    /// They are never read: a head is flawed.
    BadHead(Flaw),
    /// They are never read: a body is flawed whose head has passed.
    BadBody(Flaw),
}

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    place: Place,
    head: Head,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// In a head, or between two requests.
    #[default]
    Head,
    /// In a body of which so many bytes are to come.
    Body(u64),
    /// In a body of chunks.
    Chunks(Chunk),
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Size { so_far: u64, digits: u8 },
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    LastReturn,
    LastEnd,
}

/// What is known of the head under way, of which all bytes are shown again until it is complete.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// Where the line begins that is not complete.
    line: usize,
    /// How far a line's end was looked for.
    searched: usize,
    minor: Option<Minor>,
    fields: usize,
    hosts: Count,
    length: Option<u64>,
    coding: Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Minor {
    Zero,
    One,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Count {
    #[default]
    None,
    One,
}

impl Framing {
    /// Judges `bytes`: what follows those that have passed. How a stream is cut into pieces makes no difference.
    ///
    /// After a flaw nothing is to be shown any more.
    pub fn judge(&mut self, bytes: &[u8]) -> Judged {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            if rest.is_empty() {
                return Judged { passed, rest: Rest::Head };
            }
            match &mut self.place {
                Place::Head => match self.head.read(rest) {
                    Ok(None) => return Judged { passed, rest: Rest::Head },
                    Ok(Some(body)) => {
                        passed += self.head.searched;
                        self.place = body;
                        self.head = Head::default();
                    }
                    Err(flaw) => return Judged { passed, rest: Rest::BadHead(flaw) },
                },
                Place::Body(left) => {
                    passed += skip(left, rest);
                    if *left == 0 {
                        self.place = Place::Head;
                    }
                }
                Place::Chunks(Chunk::Data(left)) => {
                    passed += skip(left, rest);
                    if *left == 0 {
                        self.place = Place::Chunks(Chunk::DataReturn);
                    }
                }
                Place::Chunks(chunk) => {
                    let Some(place) = rest.first().and_then(|byte| chunk.step(*byte)) else {
                        return Judged { passed, rest: Rest::BadBody(Flaw::Chunk) };
                    };
                    passed += 1;
                    self.place = place;
                }
            }
        }
    }
}

/// How many of `rest` belong to a run of which `left` bytes are to come.
fn skip(left: &mut u64, rest: &[u8]) -> usize {
    let run = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
    *left = left.saturating_sub(run as u64);
    run
}

impl Chunk {
    /// Where the byte after this leads, if it may stand there (RFC 9112 §7.1). Extensions and trailers may not.
    fn step(self, byte: u8) -> Option<Place> {
        let next = match (self, byte) {
            (Self::Size { so_far, digits }, byte) if byte.is_ascii_hexdigit() && digits < CHUNK_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                Self::Size { so_far: so_far << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { so_far, digits }, b'\r') if digits > 0 => Self::SizeEnd(so_far),
            (Self::SizeEnd(0), b'\n') => Self::LastReturn,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::FIRST,
            (Self::LastReturn, b'\r') => Self::LastEnd,
            (Self::LastEnd, b'\n') => return Some(Place::Head),
            _ => return None,
        };
        Some(Place::Chunks(next))
    }

    const FIRST: Self = Self::Size { so_far: 0, digits: 0 };
}

impl Head {
    /// Reads the lines that are complete in `bytes`, of which the first is the head's first. Where the last is among them, says what follows the head.
    fn read(&mut self, bytes: &[u8]) -> Result<Option<Place>, Flaw> {
        // Whoever speaks another protocol may never send a line feed.
        if !bytes.first().copied().is_some_and(is_token) {
            return Err(Flaw::Line);
        }
        while let Some(end) = memchr::memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()).map(|at| self.searched + at) {
            if end >= HEAD_BYTES {
                return Err(Flaw::Large);
            }
            let line = bytes.get(self.line..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Flaw::Line)?;
            (self.line, self.searched) = (end + 1, end + 1);
            match self.minor {
                None => self.minor = Some(request(line).ok_or(Flaw::Line)?),
                Some(minor) if line.is_empty() => return self.body(minor).map(Some),
                Some(_) => self.field(line)?,
            }
        }
        self.searched = bytes.len();
        if bytes.len() > HEAD_BYTES { Err(Flaw::Large) } else { Ok(None) }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Flaw> {
        self.fields += 1;
        if self.fields > HEAD_FIELDS {
            return Err(Flaw::Fields);
        }
        let colon = memchr::memchr(b':', line).ok_or(Flaw::Line)?;
        let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        if name.is_empty() || !name.iter().copied().all(is_token) || !is_text(value) {
            return Err(Flaw::Line);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts.up().ok_or(Flaw::Host),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(trimmed(value)).filter(|_| self.length.is_none()).ok_or(Flaw::Length)?;
                self.length = Some(length);
                Ok(())
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let chunked = trimmed(value).eq_ignore_ascii_case(b"chunked");
                if chunked { self.coding.up().ok_or(Flaw::Coding) } else { Err(Flaw::Coding) }
            }
            _ => Ok(()),
        }
    }

    /// What follows the head (RFC 9112 §6.3).
    fn body(&self, minor: Minor) -> Result<Place, Flaw> {
        if self.hosts == Count::None {
            return Err(Flaw::Host);
        }
        match (self.coding, self.length, minor) {
            (Count::One, Some(_), _) => Err(Flaw::TwoLengths),
            (Count::One, None, Minor::Zero) => Err(Flaw::Coding),
            (Count::One, None, Minor::One) => Ok(Place::Chunks(Chunk::FIRST)),
            (Count::None, None | Some(0), _) => Ok(Place::Head),
            (Count::None, Some(length), _) => Ok(Place::Body(length)),
        }
    }
}

impl Count {
    /// One more, of which there may be one.
    fn up(&mut self) -> Option<()> {
        (std::mem::replace(self, Self::One) == Self::None).then_some(())
    }
}

/// The version of a request line (RFC 9112 §3); its target has no fragment (RFC 9110 §4.2.5).
fn request(line: &[u8]) -> Option<Minor> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = !method.is_empty()
        && method.iter().copied().all(is_token)
        && !target.is_empty()
        && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        && parts.next().is_none();
    match version {
        b"HTTP/1.1" if fits => Some(Minor::One),
        b"HTTP/1.0" if fits => Some(Minor::Zero),
        _ => None,
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether there is no control character but the tabulator (RFC 9110 §5.5).
fn is_text(value: &[u8]) -> bool {
    value.iter().fold(true, |so_far, byte| so_far & ((*byte >= 0x20) & (*byte != 0x7F) | (*byte == b'\t')))
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A decimal number without a sign and without zeros in front, which some read as octal.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > LENGTH_DIGITS || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What passes of these pieces, and where it ends.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Rest) {
        let (mut framing, mut held, mut through) = (Framing::default(), Vec::new(), Vec::new());
        for piece in pieces {
            held.extend_from_slice(piece);
            let judged = framing.judge(&held);
            through.extend(held.drain(..judged.passed));
            if judged.rest != Rest::Head {
                return (through, judged.rest);
            }
        }
        (through, Rest::Head)
    }

    fn head(lines: &str) -> Rest {
        let text = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let (through, rest) = feed([text.as_bytes()]);
        assert_eq!(through.is_empty(), rest != Rest::Head, "{lines:?}");
        rest
    }

    fn chunks(body: &str) -> Rest {
        feed([format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").as_bytes()]).1
    }

    #[test]
    fn whole_requests_pass_one_after_the_other() {
        let text = "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\r\n\r\n\x00\
            POST / HTTP/1.1\r\nhost:a\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n3\r\na\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n\
            GET http://a/b?c=d HTTP/1.0\r\nHost:\r\nX-Any: \"caf\u{e9}\"\t;x\r\nContent-Length: 0\r\n\r\n\
            DELETE * HTTP/1.1\r\nHost: b\r\n\r\n";
        assert_eq!(feed([text.as_bytes()]), (text.as_bytes().to_vec(), Rest::Head));
        assert_eq!(feed(text.as_bytes().chunks(1)), (text.as_bytes().to_vec(), Rest::Head));
        let begun = format!("{text}GET / HTTP/1.1\r\nHost: a\r\n");
        assert_eq!(feed([begun.as_bytes()]).0, text.as_bytes(), "a head passes when it is complete");
    }

    #[test]
    fn two_lengths_are_none() {
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length:5\r\n",
        ] {
            assert_eq!(head(lines), Rest::BadHead(Flaw::TwoLengths), "{lines:?}");
        }
    }

    #[test]
    fn a_length_is_one_plain_number() {
        for value in ["", "+5", "-5", "5,5", "5, 5", "5 5", "0x5", "5.0", "five", "05", "1e1", "\u{665}", "9999999999999999", "5;", "\"5\""]
        {
            assert_eq!(head(&format!("Content-Length: {value}\r\n")), Rest::BadHead(Flaw::Length), "{value:?}");
        }
        assert_eq!(head("Content-Length: 5\r\nContent-Length: 5\r\n"), Rest::BadHead(Flaw::Length));
        assert_eq!(head("Content-Length: 5\r\ncontent-length: 6\r\n"), Rest::BadHead(Flaw::Length));
        assert_eq!(head("Content-Length: \t 5 \r\n"), Rest::Head);
    }

    #[test]
    fn a_coding_is_a_single_chunked_of_http_1_1() {
        for value in [
            "",
            "gzip",
            "identity",
            "gzip, chunked",
            "chunked, gzip",
            "chunked, chunked",
            "chunked;q=1",
            "xchunked",
            "chunked,",
            "\"chunked\"",
        ] {
            assert_eq!(head(&format!("Transfer-Encoding: {value}\r\n")), Rest::BadHead(Flaw::Coding), "{value:?}");
        }
        assert_eq!(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Rest::BadHead(Flaw::Coding));
        let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(feed([old.as_bytes()]), (Vec::new(), Rest::BadHead(Flaw::Coding)));
    }

    #[test]
    fn chunks_are_sizes_and_data_and_nothing_else() {
        for body in [
            "5\n",
            "5 \r\n",
            " 5\r\n",
            "5;x\r\n",
            "5;x=y\r\n",
            "\r\n",
            "g\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5\rx",
            "123456789\r\n",
            "000000000\r\n",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\rx",
            "0\r\nX: y\r\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\n\n",
            "3\r\nabc0\r\n\r\n",
        ] {
            assert_eq!(chunks(body), Rest::BadBody(Flaw::Chunk), "{body:?}");
        }
        assert_eq!(chunks("a\r\n0123456789\r\n0\r\n\r\n"), Rest::Head);
    }

    #[test]
    fn lines_are_as_http_has_them() {
        for lines in [
            "X: y\n",
            "X: y\r\r\n",
            " X: y\r\n",
            "\tX: y\r\n",
            "X: y\r\n z\r\n",
            "X : y\r\n",
            "X\t: y\r\n",
            ": y\r\n",
            "X\r\n",
            "X Y: z\r\n",
            "X: \0\r\n",
            "X: a\u{1}\r\n",
            "X: a\u{7f}\r\n",
            "X\0: y\r\n",
            "X: a\rb\r\n",
            "\u{e9}: y\r\n",
            "X(y): z\r\n",
            "Content-Length : 5\r\n",
            "X: y\r\n\n",
        ] {
            assert_eq!(head(lines), Rest::BadHead(Flaw::Line), "{lines:?}");
        }
        for line in [
            "",
            "GET /\r",
            "GET  / HTTP/1.1\r",
            "GET / HTTP/1.1 \r",
            "GET / HTTP/2.0\r",
            "GET / http/1.1\r",
            "GET / HTTP/1.10\r",
            " GET / HTTP/1.1\r",
            "G\0T / HTTP/1.1\r",
            "GET /\0 HTTP/1.1\r",
            "GET /\u{e9} HTTP/1.1\r",
            "GET /#part HTTP/1.1\r",
            "GET\t/\tHTTP/1.1\r",
            "\r",
            "GET / HTTP/1.1",
            "(GET) / HTTP/1.1\r",
        ] {
            let text = format!("{line}\nHost: a\r\n\r\n");
            assert_eq!(feed([text.as_bytes()]), (Vec::new(), Rest::BadHead(Flaw::Line)), "{line:?}");
        }
        assert_eq!(feed([&b"\x16\x03\x01\x02\x00\x01"[..]]).1, Rest::BadHead(Flaw::Line), "TLS");
    }

    #[test]
    fn there_is_one_host() {
        assert_eq!(head("HOST: b\r\n"), Rest::BadHead(Flaw::Host));
        assert_eq!(head("Host: a\r\n"), Rest::BadHead(Flaw::Host));
        assert_eq!(feed([&b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"[..]]).1, Rest::BadHead(Flaw::Host));
        assert_eq!(feed([&b"GET / HTTP/1.0\r\n\r\n"[..]]).1, Rest::BadHead(Flaw::Host));
    }

    #[test]
    fn a_head_has_its_bounds() {
        let of = |size: usize| {
            let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(size - empty))
        };
        assert_eq!(feed([of(HEAD_BYTES).as_bytes()]).0.len(), HEAD_BYTES);
        assert_eq!(feed([of(HEAD_BYTES + 1).as_bytes()]), (Vec::new(), Rest::BadHead(Flaw::Large)));
        assert_eq!(feed(of(HEAD_BYTES + 1).as_bytes().chunks(1000)), (Vec::new(), Rest::BadHead(Flaw::Large)));
        assert_eq!(feed([&vec![b'a'; HEAD_BYTES + 1][..]]).1, Rest::BadHead(Flaw::Large));
        assert_eq!(head(&"X: y\r\n".repeat(HEAD_FIELDS - 1)), Rest::Head);
        assert_eq!(head(&"X: y\r\n".repeat(HEAD_FIELDS)), Rest::BadHead(Flaw::Fields));
    }

    #[test]
    fn what_follows_a_flaw_is_not_read() {
        let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
        let text = format!("{good}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{{}}{good}");
        assert_eq!(feed([text.as_bytes()]), (good.as_bytes().to_vec(), Rest::BadHead(Flaw::Length)));
    }

    fn parts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => Just("POST /mcp HTTP/1.1\r\nHost: a\r\n"),
            2 => Just("GET / HTTP/1.0\r\nHost: a\r\n"),
            6 => Just("\r\n"),
            3 => Just("Content-Length: 7\r\n"),
            3 => Just("Transfer-Encoding: chunked\r\n"),
            2 => Just("X: y\r\n"),
            2 => Just("5\r\n12345\r\n"),
            4 => Just("0\r\n\r\n"),
            1 => Just("Host: b\r\n"),
            1 => Just("\n"),
            1 => Just("\r"),
            1 => Just(" "),
            1 => Just("\0"),
            1 => Just("0123456"),
            1 => Just("POST"),
        ];
        proptest::collection::vec(piece, 0..14).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(bytes in parts(), cuts in proptest::collection::vec(1_usize..9, 1..20)) {
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            prop_assert_eq!(feed([&bytes[..]]), feed(pieces));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (through, _) = feed(bytes.chunks(7));
            prop_assert!(bytes.starts_with(&through));
        }
    }
}
