//! The requests of one HTTP connection, one behind the other: each head is judged before a byte of it goes out, not the first one alone.

use super::Halt;
use crate::attempt::Reason;
use crate::head::{self, Body, Found, Head};

/// Where in the stream of requests a client is.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    /// The beginning of a head that is not complete.
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before or in a head.
    #[default]
    Head,
    /// So many bytes of a body are to come.
    Length(u64),
    /// In the line with a chunk's size: what it says so far, and how many digits.
    Size(u64, u8),
    /// Behind the digits of a size.
    SizeEnd(u64),
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// Behind a chunk's data, so many bytes of its line end have come.
    ChunkEnd(u8),
    /// Behind the last chunk, so many bytes of the empty line have come.
    LastEnd(u8),
}

fn malformed(why: &'static str) -> Halt {
    Halt::because(Reason::Malformed, why)
}

impl Requests {
    /// Takes the next bytes; what may go out is added to `out`.
    ///
    /// # Errors
    /// They are not a request in the one form that all read alike, or `judge` refuses its head.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        mut judge: impl FnMut(&Head<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        while let Some((first, rest)) = bytes.split_first() {
            self.state = match self.state {
                State::Head => {
                    let room = head::MOST.saturating_add(4).saturating_sub(self.head.len());
                    let (more, behind) = bytes.split_at(bytes.len().min(room));
                    let before = self.head.len();
                    self.head.extend_from_slice(more);
                    if behind.is_empty() && !head::is_worth_reading(more, self.head.len()) {
                        return Ok(());
                    }
                    let head = match head::read(&self.head) {
                        Found::More if behind.is_empty() => return Ok(()),
                        Found::More => return Err(malformed("the head is too long")),
                        Found::Bad(why) => return Err(malformed(why)),
                        Found::Head(head) => head,
                    };
                    judge(&head)?;
                    let (length, body) = (head.length, head.body);
                    out.extend(self.head.iter().take(length));
                    bytes = bytes.get(length.saturating_sub(before)..).unwrap_or_default();
                    self.head.clear();
                    self.state = match body {
                        Body::None | Body::Length(0) => State::Head,
                        Body::Length(length) => State::Length(length),
                        Body::Chunked => State::Size(0, 0),
                    };
                    continue;
                }
                State::Length(left) | State::Chunk(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (data, behind) = bytes.split_at(count);
                    out.extend_from_slice(data);
                    bytes = behind;
                    self.state = match (self.state, left.saturating_sub(count as u64)) {
                        (State::Length(_), 0) => State::Head,
                        (State::Length(_), left) => State::Length(left),
                        (_, 0) => State::ChunkEnd(0),
                        (_, left) => State::Chunk(left),
                    };
                    continue;
                }
                State::Size(size, digits) => match (first, digits) {
                    (b'\r', 1..) => State::SizeEnd(size),
                    (digit, 0..15) => {
                        let value = char::from(*digit).to_digit(16).ok_or_else(|| malformed("a chunk's size that is none"))?;
                        State::Size(size << 4 | u64::from(value), digits + 1)
                    }
                    _ => return Err(malformed("a chunk's size that is none")),
                },
                State::SizeEnd(size) => match (first, size) {
                    (b'\n', 0) => State::LastEnd(0),
                    (b'\n', size) => State::Chunk(size),
                    _ => return Err(malformed("a chunk's size that is none")),
                },
                State::ChunkEnd(come) => match (first, come) {
                    (b'\r', 0) => State::ChunkEnd(1),
                    (b'\n', 1) => State::Size(0, 0),
                    _ => return Err(malformed("a chunk without its end")),
                },
                State::LastEnd(come) => match (first, come) {
                    (b'\r', 0) => State::LastEnd(1),
                    (b'\n', 1) => State::Head,
                    _ => return Err(malformed("fields behind the last chunk")),
                },
            };
            out.push(*first);
            bytes = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n5\r\n\r\n\r\nx\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: a\r\n\r\n";

    fn targets(bytes: &[u8], cut: usize) -> Result<(Vec<String>, Vec<u8>), Halt> {
        let (mut requests, mut out, mut seen) = (Requests::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            requests.take(piece, &mut out, |head| {
                seen.push(head.target.to_owned());
                Ok(())
            })?;
        }
        Ok((seen, out))
    }

    #[test]
    fn every_request_is_seen_however_the_stream_is_cut() {
        for cut in [1, 2, 3, 7, 50, 10_000] {
            let (seen, out) = targets(STREAM.as_bytes(), cut).unwrap();
            assert_eq!(seen, ["/", "/b", "/c", "/d"], "{cut}");
            assert_eq!(out, STREAM.as_bytes());
        }
    }

    #[test]
    fn nothing_of_a_head_goes_out_before_it_is_judged() {
        let (mut requests, mut out) = (Requests::default(), Vec::new());
        let mut judge = |head: &Head<'_>| if head.target == "/" { Ok(()) } else { Err(Reason::Host.into()) };
        assert!(requests.take(b"GET / HTTP/1.1\r\n\r\nGET /e", &mut out, &mut judge).is_ok());
        assert_eq!(out, b"GET / HTTP/1.1\r\n\r\n");
        assert!(requests.take(b"vil HTTP/1.1\r\n\r\n", &mut out, &mut judge).is_err());
        assert_eq!(out, b"GET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn what_two_readers_take_for_two_lengths_is_refused() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for bad in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: \r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            &format!("{chunked}5;a=b\r\nhello\r\n0\r\n\r\n"),
            &format!("{chunked}5\nhello\r\n0\r\n\r\n"),
            &format!("{chunked}\r\n"),
            &format!("{chunked}-5\r\n"),
            &format!("{chunked}5\r\nhelloX\r\n"),
            &format!("{chunked}0\r\nTrailer: x\r\n\r\n"),
            &format!("{chunked}1000000000000000\r\n"),
        ] {
            assert!(targets(bad.as_bytes(), 1_000).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_alike_however_they_are_cut(at in 0_usize..220, byte: u8, cut in 1_usize..50) {
            let mut bytes = STREAM.as_bytes().to_vec();
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            match (targets(&bytes, cut), targets(&bytes, 10_000)) {
                (Ok(cut), Ok(whole)) => prop_assert_eq!(cut, whole),
                (Err(_), Err(_)) => {}
                (cut, whole) => prop_assert!(false, "{:?} {:?}", cut.is_ok(), whole.is_ok()),
            }
        }
    }
}
