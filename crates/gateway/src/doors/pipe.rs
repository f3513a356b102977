//! The pipes of one local process and its life, behind one handle.

use sandbox::{Ended, Grace, Process, Running};
use tokio::process::{ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;
use transport::line_frame::Bounds;
use transport::upstream::stdio::{self, Receiver, Sender};

/// The way to a local process. Ending it ends the process with all its descendants.
pub(super) struct Pipe {
    sender: Sender<ChildStdin>,
    end: CancellationToken,
    kill: CancellationToken,
}

/// What a local process leaves to be watched.
pub(super) struct Watched {
    /// What it says.
    pub lines: Receiver<ChildStdout>,
    /// What it says about itself.
    pub stderr: Option<tokio::process::ChildStderr>,
    /// Its life.
    pub process: Process,
    /// Asked to end.
    pub end: CancellationToken,
    /// Asked to end without being asked first.
    kill: CancellationToken,
}

impl Pipe {
    /// Splits a running process into what is written to and what is watched.
    pub(super) fn new(running: Running, bounds: Bounds) -> (Self, Watched) {
        let Running { stdin, stdout, stderr, process, .. } = running;
        let (sender, lines) = stdio::wire(stdin, stdout, bounds);
        let (end, kill) = (CancellationToken::new(), CancellationToken::new());
        let watched = Watched { lines, stderr: Some(stderr), process, end: end.clone(), kill: kill.clone() };
        (Self { sender, end, kill }, watched)
    }

    /// Sends one frame.
    pub(super) async fn send(&self, frame: &[u8]) -> Result<(), transport::upstream::Fault> {
        self.sender.send(frame).await
    }

    /// Kills the process and all that came from it.
    pub(super) fn kill(&self) {
        self.kill.cancel();
        self.end();
    }

    /// Asks the process to end.
    pub(super) fn end(&self) {
        self.end.cancel();
        let sender = self.sender.clone();
        tokio::spawn(async move { sender.close().await });
    }
}

impl Watched {
    /// Ends the process: its input is closed, then it is told, then it is killed; or killed at once, where that was asked for. How it ended,
    /// where that can be told.
    pub(super) async fn finish(mut self) -> Option<Ended> {
        let asked = tokio::select! {
            biased;
            () = self.kill.cancelled() => None,
            ended = self.process.end(Grace::default()) => Some(ended),
        };
        let ended = match asked {
            Some(ended) => ended,
            None => self.process.kill().await,
        };
        match ended {
            Ok(ended) => Some(ended),
            Err(cause) => {
                tracing::warn!(%cause, "a local server could not be ended");
                None
            }
        }
    }
}
