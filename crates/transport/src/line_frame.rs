//! One frame a line: the framing of stdio and of the local socket.
//!
//! LF ends a line, CRLF is taken too; a line is bounded; nothing is parsed here.
//!
//! Source: MCP 2025-11-25, Transports, "stdio". Control: `transport.bounds`.

use bytes::{Bytes, BytesMut};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;

/// Bounds on the lines of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one line, its end not counted.
    pub line_bytes: usize,
    /// Most frames that wait to be written.
    pub queue: usize,
    /// Longest time for one frame to be written, its wait in the queue included.
    pub write: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { line_bytes: 16 * 1024 * 1024, queue: 64, write: Duration::from_secs(30) }
    }
}

/// Why no more lines are read or written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The peer's fault: a line over its bound.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
    /// The peer's fault: the stream ended within a line.
    #[error("the stream ended within a line")]
    Truncated,
    /// The peer does not read.
    #[error("the peer took nothing for {0:?}")]
    Slow(Duration),
    /// The peer does not read as fast as frames come.
    #[error("{0} frames wait already")]
    Full(usize),
    /// An earlier frame was written in part only, so nothing can follow it.
    #[error("an earlier frame was written in part")]
    Torn,
    /// Our own fault: a frame that is not one line.
    #[error("the frame holds a line end")]
    NotOneLine,
    /// The stream is broken.
    #[error("the stream is broken")]
    Broken(#[source] std::io::Error),
}

/// Reads lines. After a fault nothing more comes.
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    pending: BytesMut,
    searched: usize,
    most: usize,
    over: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads from `source`, each line at most `line_bytes` long.
    pub fn new(source: R, line_bytes: usize) -> Self {
        Self { source, pending: BytesMut::new(), searched: 0, most: line_bytes, over: false }
    }

    /// The next line without its end, or none at the end of the stream. Cancel-safe.
    ///
    /// # Errors
    /// [`Fault::TooLong`], [`Fault::Truncated`], [`Fault::Broken`]; then none.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        const PIECE: usize = 8 * 1024;
        loop {
            if self.over {
                return None;
            }
            if let Some(line) = self.take() {
                return Some(line);
            }
            self.pending.reserve(PIECE);
            match self.source.read_buf(&mut self.pending).await {
                Ok(0) if self.pending.is_empty() => {
                    self.over = true;
                    return None;
                }
                Ok(0) => return Some(self.fail(Fault::Truncated)),
                Ok(_) => {}
                Err(cause) => return Some(self.fail(Fault::Broken(cause))),
            }
        }
    }

    fn take(&mut self) -> Option<Result<Bytes, Fault>> {
        let unsearched = self.pending.get(self.searched..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', unsearched).map(|at| self.searched + at) else {
            self.searched = self.pending.len();
            // One more than the bound may be the CR of an end that is on its way.
            let held = self.pending.len().saturating_sub(usize::from(self.pending.ends_with(b"\r")));
            return (held > self.most).then(|| self.fail(Fault::TooLong(self.most)));
        };
        self.searched = 0;
        let mut line = self.pending.split_to(end + 1);
        line.truncate(end);
        if line.ends_with(b"\r") {
            line.truncate(end - 1);
        }
        if line.len() > self.most {
            return Some(self.fail(Fault::TooLong(self.most)));
        }
        Some(Ok(line.freeze()))
    }

    fn fail(&mut self, fault: Fault) -> Result<Bytes, Fault> {
        self.over = true;
        self.pending = BytesMut::new();
        Err(fault)
    }
}

/// Writes lines, one at a time, for as many senders as hold a clone. Dropping the last clone closes the stream.
#[derive(Debug)]
pub struct LineWriter<W> {
    shared: Arc<Shared<W>>,
}

#[derive(Debug)]
struct Shared<W> {
    sink: Mutex<Sink<W>>,
    waiting: AtomicUsize,
    bounds: Bounds,
}

#[derive(Debug)]
struct Sink<W> {
    stream: Option<W>,
    torn: bool,
}

impl<W> Clone for LineWriter<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<W: AsyncWrite + Unpin> LineWriter<W> {
    /// Writes to `stream`.
    pub fn new(stream: W, bounds: Bounds) -> Self {
        let sink = Mutex::new(Sink { stream: Some(stream), torn: false });
        Self { shared: Arc::new(Shared { sink, waiting: AtomicUsize::new(0), bounds }) }
    }

    /// Writes `frame` and a line end.
    ///
    /// A frame whose sender went away while it was being written leaves the stream torn: it is closed, and everyone is told.
    ///
    /// # Errors
    /// [`Fault`]. After [`Fault::Full`] and [`Fault::NotOneLine`] nothing of the frame was written; after the others it is unknown.
    pub async fn send(&self, frame: &[u8]) -> Result<(), Fault> {
        if memchr::memchr2(b'\n', b'\r', frame).is_some() {
            return Err(Fault::NotOneLine);
        }
        let bounds = self.shared.bounds;
        let _place = Place::take(&self.shared.waiting, bounds.queue)?;
        tokio::time::timeout(bounds.write, self.write(frame)).await.map_err(|_| Fault::Slow(bounds.write))?
    }

    /// Closes the stream: the peer reads its end. Frames sent later find it torn.
    pub async fn close(&self) {
        let mut sink = self.shared.sink.lock().await;
        sink.torn = true;
        if let Some(mut stream) = sink.stream.take() {
            let _ = tokio::time::timeout(Duration::from_millis(100), stream.shutdown()).await;
        }
    }

    async fn write(&self, frame: &[u8]) -> Result<(), Fault> {
        let mut sink = self.shared.sink.lock().await;
        // INVARIANT: marked while bytes are on their way, so that a write given up half-way is never followed by another.
        if std::mem::replace(&mut sink.torn, true) {
            sink.stream = None;
            return Err(Fault::Torn);
        }
        let stream = sink.stream.as_mut().ok_or(Fault::Torn)?;
        match write_line(stream, frame).await {
            Ok(()) => {
                sink.torn = false;
                Ok(())
            }
            Err(cause) => {
                sink.stream = None;
                Err(Fault::Broken(cause))
            }
        }
    }
}

async fn write_line<W: AsyncWrite + Unpin>(stream: &mut W, frame: &[u8]) -> std::io::Result<()> {
    let mut written = 0;
    while written < frame.len() {
        let rest = frame.get(written..).unwrap_or_default();
        let count = stream.write_vectored(&[IoSlice::new(rest), IoSlice::new(b"\n")]).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        written += count;
    }
    if written == frame.len() {
        stream.write_all(b"\n").await?;
    }
    stream.flush().await
}

/// One of the bounded number of senders that wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self, Fault> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::AcqRel) >= most { Err(Fault::Full(most)) } else { Ok(place) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    async fn lines(input: &[u8], most: usize) -> Vec<Result<Bytes, String>> {
        let mut reader = Lines::new(input, most);
        let mut all = Vec::new();
        while let Some(line) = reader.next().await {
            all.push(line.map_err(|fault| fault.to_string()));
        }
        all
    }

    #[tokio::test]
    async fn lines_end_in_lf_or_crlf_and_are_bounded() {
        let expected: Vec<Result<Bytes, String>> = vec![Ok("{}".into()), Ok("".into()), Ok("abcd".into()), Ok("a\rb".into())];
        assert_eq!(lines(b"{}\n\r\nabcd\r\na\rb\n", 4).await, expected);
        assert_eq!(lines(b"abcde\n", 4).await, [Err(Fault::TooLong(4).to_string())]);
        assert_eq!(lines(b"abcdefgh", 4).await, [Err(Fault::TooLong(4).to_string())]);
        assert_eq!(lines(b"ok\nabc", 4).await, [Ok("ok".into()), Err(Fault::Truncated.to_string())]);
    }

    #[tokio::test]
    async fn a_long_line_is_refused_before_it_ends() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let mut reader = Lines::new(ours, 1000);
        theirs.write_all(&[b'x'; 5000]).await.unwrap();
        assert!(matches!(reader.next().await, Some(Err(Fault::TooLong(1000)))));
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn concurrent_frames_do_not_mix() {
        let (ours, theirs) = duplex(7);
        let writer = LineWriter::new(ours, Bounds::default());
        let frames: Vec<String> = (0..20).map(|at| format!("{at}").repeat(40)).collect();
        let tasks: Vec<_> = frames
            .iter()
            .cloned()
            .map(|frame| {
                let writer = writer.clone();
                tokio::spawn(async move { writer.send(frame.as_bytes()).await.unwrap() })
            })
            .collect();
        drop(writer);
        let mut reader = Lines::new(theirs, 1000);
        let mut seen = Vec::new();
        while let Some(line) = reader.next().await {
            seen.push(String::from_utf8(line.unwrap().to_vec()).unwrap());
        }
        for task in tasks {
            task.await.unwrap();
        }
        seen.sort();
        let mut expected = frames;
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_holds_nobody_up() {
        let (ours, _theirs) = duplex(8);
        let bounds = Bounds { queue: 1, write: Duration::from_secs(5), ..Bounds::default() };
        let writer = LineWriter::new(ours, bounds);
        let first = tokio::spawn({
            let writer = writer.clone();
            async move { writer.send(&[b'x'; 100]).await }
        });
        tokio::task::yield_now().await;
        assert!(matches!(writer.send(b"{}").await, Err(Fault::Full(1))));
        assert!(matches!(first.await.unwrap(), Err(Fault::Slow(_))));
        assert!(matches!(writer.send(b"{}").await, Err(Fault::Torn)));
    }

    #[tokio::test]
    async fn a_frame_is_one_line() {
        let (ours, _theirs) = duplex(64);
        let writer = LineWriter::new(ours, Bounds::default());
        assert!(matches!(writer.send(b"{}\n{}").await, Err(Fault::NotOneLine)));
    }
}
