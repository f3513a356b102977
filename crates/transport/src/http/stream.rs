//! The stream of one connection: what is read of it was judged before, and a peer that does not read is not waited for without end.

use super::head::{Flaw, Framing, Rest};
use super::patient::Patient;
use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;

/// How long a peer that goes on sending is read from after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read at once of a head that comes in pieces.
const PIECE: usize = 4096;

/// What is read instead of a flawed head, so that the answer to it has its turn after those before it. No client's head passes without a `Host`.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A stream of requests whose heads are read whole and without a flaw, and whose writes have a longest time.
///
/// In place of a flawed head another is read, which [`Found::of`] knows; whoever answers it ends the connection. After a flaw in a body reading fails.
pub struct Stream<S> {
    inner: Patient<S>,
    leaving: Option<Pin<Box<Sleep>>>,
    framing: Framing,
    /// Bytes that were not read yet: those that may be, then the beginning of a head.
    held: BytesMut,
    /// How many of them may be read.
    ready: usize,
    end: End,
    found: Found,
}

/// Where reading ends for good.
#[derive(Clone, Copy)]
enum End {
    /// Not so far.
    Open,
    /// After the stand-in of a flawed head.
    Head,
    /// Within a flawed body.
    Body(Flaw),
}

/// Why the head is flawed for which another stands in.
#[derive(Clone, Debug, Default)]
pub struct Found(Arc<OnceLock<Flaw>>);

impl Found {
    /// The flaw of this request, if it is the stand-in.
    pub fn of<B>(&self, request: &http::Request<B>) -> Option<Flaw> {
        request.headers().is_empty().then(|| self.0.get().copied().unwrap_or(Flaw::Line))
    }
}

impl<S> Stream<S> {
    /// `inner`, whose writes may stall for `write`. What is wrong with a head is put into `found`.
    pub fn new(inner: S, write: Duration, found: Found) -> Self {
        Self {
            inner: Patient::new(inner, write),
            leaving: None,
            framing: Framing::default(),
            held: BytesMut::new(),
            ready: 0,
            end: End::Open,
            found,
        }
    }

    /// Whether a part of a head is there, and everything before it was answered.
    pub(super) fn awaits_head(&self) -> bool {
        self.held.len() > self.ready && !self.inner.is_stalled()
    }

    /// Lets so many of the held bytes be read, and no more than the verdict allows ever.
    fn settle(&mut self, passed: usize, rest: Rest) {
        self.ready = passed;
        match rest {
            Rest::Head => {}
            Rest::BadHead(flaw) => {
                // INVARIANT: the first flaw is the last, nothing is judged after it.
                let _ = self.found.0.set(flaw);
                self.held.truncate(passed);
                self.held.extend_from_slice(STAND_IN);
                self.ready = self.held.len();
                self.end = End::Head;
            }
            Rest::BadBody(flaw) => {
                self.held.truncate(passed);
                self.end = End::Body(flaw);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.ready > 0 {
                let piece = this.ready.min(into.remaining());
                into.put_slice(&this.held.split_to(piece));
                this.ready -= piece;
                if this.held.is_empty() {
                    this.held = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            match this.end {
                End::Open => {}
                // The answer to the stand-in ends the connection.
                End::Head => return Poll::Pending,
                End::Body(flaw) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flaw))),
            }
            if this.held.is_empty() {
                let before = into.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(context, into))?;
                let new = into.filled().get(before..).unwrap_or_default();
                if new.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let judged = this.framing.judge(new);
                // Most heads come in one piece and are not held at all.
                if let Some(rest) = new.get(judged.passed..).filter(|rest| !rest.is_empty()) {
                    this.held.extend_from_slice(rest);
                }
                into.set_filled(before + judged.passed);
                this.settle(0, judged.rest);
                if judged.passed > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                this.held.reserve(PIECE);
                if ready!(poll_read_buf(Pin::new(&mut this.inner), context, &mut this.held))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                let judged = this.framing.judge(&this.held);
                this.settle(judged.passed, judged.rest);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
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

    /// Says that nothing more is written, then drops what still comes: closing on unread bytes would make the system throw away the last answer
    /// (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.leaving.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
        }
        let leaving = this.leaving.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if leaving.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut dropped = [0; 4096];
        // Now and then others have their turn.
        for _ in 0..16 {
            let mut into = ReadBuf::new(&mut dropped);
            match Pin::new(&mut this.inner).poll_read(context, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn the_last_answer_reaches_a_peer_that_was_still_sending() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut stream = Stream::new(accepted, Duration::from_secs(5), Found::default());
        let serving = tokio::spawn(async move {
            stream.write_all(b"no").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        client.write_all(&vec![b'x'; 8 << 20]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "no");
        drop(client);
        tokio::time::timeout(Duration::from_secs(30), serving).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut stream = Stream::new(accepted, Duration::from_millis(50), Found::default());
        let fault = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }
}
