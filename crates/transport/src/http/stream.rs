//! The stream of one connection: a peer that does not read is not waited for without end, and one that is slow to ask is told so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What who did not finish the head of a request is told (RFC 9110 §15.5.9).
const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a peer that goes on sending is read from after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// A TCP stream whose writes have a longest time.
pub(super) struct Stream {
    inner: TcpStream,
    write: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    leaving: Option<Pin<Box<Sleep>>>,
    begun: Begun,
    late: Late,
}

/// Whether a part of a request is there that nothing was answered to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
}

/// Tells the stream, before it is dropped, that the head of a request was not complete in time.
#[derive(Clone, Default)]
pub(super) struct Late(Arc<AtomicBool>);

impl Late {
    pub(super) fn tell(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Stream {
    /// `inner`, whose writes may stall for `write`.
    pub(super) fn new(inner: TcpStream, write: Duration, late: Late) -> Self {
        Self { inner, write, stalled: None, leaving: None, begun: Begun::No, late }
    }

    /// The outcome of a write, unless the peer has taken nothing for too long.
    fn timely(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            self.begun = Begun::No;
            return written;
        }
        let write = self.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(write)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.begun == Begun::Yes && self.late.0.load(Ordering::Acquire) {
            let _ = self.inner.try_write(LATE);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, into);
        if into.filled().len() > before {
            self.begun = Begun::Yes;
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.timely(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.timely(context, written)
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
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_last_answer_reaches_a_peer_that_was_still_sending() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut stream = Stream::new(accepted, Duration::from_secs(5), Late::default());
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
        let mut stream = Stream::new(accepted, Duration::from_millis(50), Late::default());
        let fault = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }
}
