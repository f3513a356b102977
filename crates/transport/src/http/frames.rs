//! What a connection of HTTP/2 may cost before it has asked for anything: the frames that a client sends for free and that are dear to us.
//!
//! The HTTP library bounds streams, header lists and resets of its own. Here every frame is counted by kind before the library sees it, whatever it does
//! with it. A client that goes over is cut off.
//!
//! Source: RFC 9113 §4.1, §6, §10.5. Control: `transport.bounds`.

use super::patient::Patient;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What every connection begins with (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// The head of a frame.
const HEAD: usize = 9;
/// Frames of a field section beyond its first.
const CONTINUATIONS: u32 = 4;
/// Data that pays for one frame more, in bytes.
const PAID: u64 = 4096;

/// The kinds of frames that have an allowance of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A stream that is taken back.
    Reset,
    /// Settings, pings, priorities, what nobody knows.
    Control,
    /// Windows that are opened.
    Window,
    /// Data of next to no bytes.
    Crumb,
    /// The rest of a field section.
    Continuation,
}

/// So many at once, and so many a second after.
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    each_second: u32,
    filled: Instant,
}

impl Allowance {
    fn of(most: u32, each_second: u32, now: Instant) -> Self {
        Self { left: most, most, each_second, filled: now }
    }

    /// Takes one, if there is one left at `now`.
    fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let passed = u32::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(u32::MAX);
            let new = passed.saturating_mul(self.each_second) / 1000;
            if new == 0 {
                return false;
            }
            self.left = new.min(self.most);
            self.filled = now;
        }
        self.left -= 1;
        true
    }

    /// Gives one more, up to the most.
    fn give(&mut self) {
        self.left = self.left.saturating_add(1).min(self.most);
    }
}

/// Counts the frames of one connection.
#[derive(Debug)]
struct Count {
    place: Place,
    resets: Allowance,
    control: Allowance,
    windows: Allowance,
    crumbs: Allowance,
    continuations: u32,
    data: u64,
}

#[derive(Debug)]
enum Place {
    /// So many bytes of the preface are to come.
    Preface(usize),
    /// In the head of a frame, of which so many bytes are known.
    Head([u8; HEAD], usize),
    /// In a payload of which so many bytes are to come.
    Payload(usize),
}

impl Count {
    fn new(now: Instant) -> Self {
        Self {
            place: Place::Preface(PREFACE),
            resets: Allowance::of(200, 50, now),
            control: Allowance::of(200, 20, now),
            windows: Allowance::of(2_000, 500, now),
            crumbs: Allowance::of(500, 100, now),
            continuations: 0,
            data: 0,
        }
    }

    /// Counts what came.
    ///
    /// # Errors
    /// The kind of which there are too many.
    fn read(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Kind> {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Preface(left) | Place::Payload(left) => {
                    let piece = (*left).min(bytes.len());
                    *left -= piece;
                    bytes = bytes.get(piece..).unwrap_or_default();
                    if *left == 0 {
                        self.place = Place::Head([0; HEAD], 0);
                    }
                }
                Place::Head(head, known) => {
                    let piece = (HEAD - *known).min(bytes.len());
                    let (now_known, rest) = bytes.split_at(piece);
                    if let Some(part) = head.get_mut(*known..*known + piece) {
                        part.copy_from_slice(now_known);
                    }
                    *known += piece;
                    bytes = rest;
                    if *known == HEAD {
                        let head = *head;
                        let length = self.frame(&head, now)?;
                        self.place = if length == 0 { Place::Head([0; HEAD], 0) } else { Place::Payload(length) };
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts a frame; gives the length of its payload.
    fn frame(&mut self, head: &[u8; HEAD], now: Instant) -> Result<usize, Kind> {
        let [a, b, c, kind, flags, ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let within = |taken: bool, kind: Kind| if taken { Ok(()) } else { Err(kind) };
        match kind {
            // DATA: an empty one that ends nothing, or a crumb, is dear; what carries much pays for its windows.
            0 => {
                if length < 16 && flags & 1 == 0 {
                    within(self.crumbs.take(now), Kind::Crumb)?;
                }
                self.data += u64::from(length);
                while self.data >= PAID {
                    self.data -= PAID;
                    self.crumbs.give();
                }
            }
            // HEADERS
            1 => {
                self.continuations = 0;
                self.windows.give();
                self.windows.give();
            }
            // RST_STREAM
            3 => within(self.resets.take(now), Kind::Reset)?,
            // WINDOW_UPDATE
            8 => within(self.windows.take(now), Kind::Window)?,
            // CONTINUATION
            9 => {
                self.continuations += 1;
                within(self.continuations <= CONTINUATIONS, Kind::Continuation)?;
            }
            // PRIORITY, SETTINGS, PUSH_PROMISE, PING, GOAWAY and what is not known
            _ => within(self.control.take(now), Kind::Control)?,
        }
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// A stream of frames in which no kind goes over its allowance, and whose writes have a longest time.
pub(super) struct Frames<S> {
    inner: Patient<S>,
    count: Count,
    found: Arc<OnceLock<Kind>>,
}

impl<S> Frames<S> {
    /// The frames that come out of `inner`, whose writes may stall for `write`. Of which kind there are too many is put into `found`: the library does not
    /// hand on why reading failed.
    pub(super) fn new(inner: S, write: Duration, found: Arc<OnceLock<Kind>>) -> Self {
        Self { inner: Patient::new(inner, write), count: Count::new(Instant::now()), found }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, into))?;
        let new = into.filled().get(before..).unwrap_or_default();
        let counted = self.count.read(new, Instant::now());
        Poll::Ready(counted.map_err(|kind| {
            // INVARIANT: the first is the last, nothing is read after it.
            let _ = self.found.set(kind);
            io::ErrorKind::InvalidData.into()
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, kind: u8, flags: u8) -> Vec<u8> {
        let [.., a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + length, 0);
        frame
    }

    /// How many of `frames`, one after the other without a pause, pass.
    fn passed(frames: impl Iterator<Item = Vec<u8>>) -> (usize, Option<Kind>) {
        let now = Instant::now();
        let mut count = Count::new(now);
        count.read(&[0; PREFACE], now).unwrap();
        for (at, frame) in frames.enumerate() {
            for piece in frame.chunks(5) {
                if let Err(kind) = count.read(piece, now) {
                    return (at, Some(kind));
                }
            }
        }
        (usize::MAX, None)
    }

    #[tokio::test]
    async fn each_kind_of_free_frame_has_an_end() {
        let many = |kind: u8, length: usize| std::iter::repeat_n(frame(length, kind, 0), 10_000);
        assert_eq!(passed(many(3, 4)), (200, Some(Kind::Reset)));
        for control in [2, 4, 6, 7, 99] {
            assert_eq!(passed(many(control, 8)), (200, Some(Kind::Control)), "{control}");
        }
        assert_eq!(passed(many(8, 4)), (2_000, Some(Kind::Window)));
        assert_eq!(passed(many(0, 0)), (500, Some(Kind::Crumb)));
        assert_eq!(passed(many(9, 100)), (4, Some(Kind::Continuation)));
    }

    #[tokio::test]
    async fn a_client_at_work_does_not_meet_them() {
        let call = || [frame(80, 1, 4), frame(1_000, 0, 1), frame(4, 8, 0), frame(4, 8, 0)];
        assert_eq!(passed(std::iter::repeat_with(call).take(20_000).flatten()), (usize::MAX, None));
        let upload = std::iter::once(frame(80, 1, 4)).chain(std::iter::repeat_n(frame(16_384, 0, 0), 500));
        assert_eq!(passed(upload), (usize::MAX, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_up_comes_back_with_time() {
        let mut count = Count::new(Instant::now());
        count.read(&[0; PREFACE], Instant::now()).unwrap();
        let reset = frame(4, 3, 0);
        while count.read(&reset, Instant::now()).is_ok() {}
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..100).take_while(|_| count.read(&reset, Instant::now()).is_ok()).count(), 50);
    }
}
