//! A local server: frames over the pipes of its process.

use super::Fault;
use crate::line_frame::{Bounds, LineWriter, Lines};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// The two directions of one server process, to be used by different tasks.
///
/// `stdin` and `stdout` are the gateway's ends. Dropping every [`Sender`] closes the server's standard input, which asks it to leave.
pub fn wire<W: AsyncWrite + Unpin, R: AsyncRead + Unpin>(stdin: W, stdout: R, bounds: Bounds) -> (Sender<W>, Receiver<R>) {
    (Sender(LineWriter::new(stdin, bounds)), Receiver(Lines::new(stdout, bounds.line_bytes)))
}

/// Sends frames; clones share the pipe.
#[derive(Debug)]
pub struct Sender<W>(LineWriter<W>);

impl<W> Clone for Sender<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: AsyncWrite + Unpin> Sender<W> {
    /// Sends one frame. A server that does not read costs at most `bounds.write`, after which the pipe is torn.
    ///
    /// # Errors
    /// [`Fault::Line`].
    pub async fn send(&self, frame: &[u8]) -> Result<(), Fault> {
        Ok(self.0.send(frame).await?)
    }

    /// Closes the server's standard input, whoever else holds a clone.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// Receives frames.
#[derive(Debug)]
pub struct Receiver<R>(Lines<R>);

impl<R: AsyncRead + Unpin> Receiver<R> {
    /// The next frame, or none when the server has closed its standard output. Cancel-safe.
    ///
    /// # Errors
    /// [`Fault::Line`], after which the process is to be ended.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        Some(self.0.next().await?.map_err(Fault::Line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use std::time::Duration;
    use tokio::process::{Child, Command};

    fn start(program: &str, args: &[&str]) -> Child {
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    #[tokio::test]
    async fn frames_pass_a_real_process_both_ways_and_closing_ends_it() {
        let mut child = start("/usr/bin/cat", &[]);
        let (sender, mut receiver) = wire(child.stdin.take().unwrap(), child.stdout.take().unwrap(), Bounds::default());
        let long = vec![b'x'; 1_000_000];
        let write = tokio::spawn({
            let (sender, long) = (sender.clone(), long.clone());
            async move {
                sender.send(b"{\"id\":1}").await.unwrap();
                sender.send(&long).await.unwrap();
            }
        });
        assert_eq!(receiver.next().await.unwrap().unwrap(), "{\"id\":1}");
        assert_eq!(receiver.next().await.unwrap().unwrap(), long);
        write.await.unwrap();
        sender.close().await;
        assert!(receiver.next().await.is_none());
        assert!(child.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_process_that_does_not_read_does_not_hold_us() {
        let mut child = start("/usr/bin/sleep", &["60"]);
        let bounds = Bounds { write: Duration::from_millis(100), ..Bounds::default() };
        let (sender, _receiver) = wire(child.stdin.take().unwrap(), child.stdout.take().unwrap(), bounds);
        let fault = sender.send(&vec![b'x'; 1_000_000]).await.unwrap_err();
        assert!(matches!(fault, Fault::Line(crate::line_frame::Fault::Slow(_))));
        child.kill().await.unwrap();
    }

    #[tokio::test]
    async fn an_endless_line_is_a_fault() {
        let mut child = start("/usr/bin/python3", &["-c", "import sys\nwhile True: sys.stdout.write('x'*65536)"]);
        let bounds = Bounds { line_bytes: 100_000, ..Bounds::default() };
        let (_sender, mut receiver) = wire(child.stdin.take().unwrap(), child.stdout.take().unwrap(), bounds);
        assert!(matches!(receiver.next().await, Some(Err(Fault::Line(crate::line_frame::Fault::TooLong(100_000))))));
        child.kill().await.unwrap();
    }
}
