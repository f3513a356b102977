//! What is held of a server that runs.

use crate::doors::Doors;
use crate::launch::Process;
use crate::observe::Observer;
use crate::scratch::Scratch;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// What it reads.
    pub stdin: ChildStdin,
    /// What it writes.
    pub stdout: ChildStdout,
    /// What it says about itself. Whoever does not read it stops the server.
    pub stderr: ChildStderr,
    /// What it can connect to, where it was given doors.
    pub doors: Option<Doors>,
    /// Its private places, where it has any.
    pub scratch: Option<Scratch>,
    /// What notes what it asks for, where that was wished.
    pub observer: Option<Observer>,
    /// The handle on its life. Dropping it ends the server with all its descendants.
    pub process: Process,
}
