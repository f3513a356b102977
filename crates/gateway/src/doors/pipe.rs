//! The pipes of one local process and its life, behind one handle.

use sandbox::{Ended, Grace, Process, Running, Scratch};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::process::{ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;
use transport::line_frame::Bounds;
use transport::upstream::stdio::{self, Receiver, Sender};

/// The way to a local process. Ending it ends the process with all its descendants.
pub(super) struct Pipe {
    sender: Sender<ChildStdin>,
    end: CancellationToken,
    kill: CancellationToken,
    kept: Arc<OnceLock<PathBuf>>,
}

/// What a local process leaves to be watched.
pub(super) struct Watched {
    /// What it says.
    pub lines: Receiver<ChildStdout>,
    /// What it says about itself.
    pub stderr: Option<tokio::process::ChildStderr>,
    /// Its private places.
    pub scratch: Option<Scratch>,
    /// Where what it leaves behind is to be kept, if that was asked for.
    pub kept: Arc<OnceLock<PathBuf>>,
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
        let Running { stdin, stdout, stderr, scratch, process, .. } = running;
        let (sender, lines) = stdio::wire(stdin, stdout, bounds);
        let (end, kill) = (CancellationToken::new(), CancellationToken::new());
        let kept = Arc::new(OnceLock::new());
        let stderr = Some(stderr);
        let watched = Watched { lines, stderr, scratch, kept: Arc::clone(&kept), process, end: end.clone(), kill: kill.clone() };
        (Self { sender, end, kill, kept }, watched)
    }

    /// Sends one frame.
    pub(super) async fn send(&self, frame: &[u8]) -> Result<(), transport::upstream::Fault> {
        self.sender.send(frame).await
    }

    /// Has what it leaves behind kept at `place`; none where that was asked for before.
    pub(super) fn keep(&self, place: PathBuf) -> Option<PathBuf> {
        self.kept.set(place.clone()).is_ok().then_some(place)
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
    pub(super) async fn finish(&mut self) -> Option<Ended> {
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
