//! What is told of a server that ran, and of its end.

use crate::forbidden::Call;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a server ended; all its descendants have ended too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or 128 and the number of the signal that ended it; 125 when the launcher failed.
    pub code: i32,
    /// The limit that ended it, if one did.
    pub breach: Option<Breach>,
}

/// What ended a server that went where it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Too much memory.
    Memory,
    /// A system call that only attacks need, of the server or of any process that came from it; none where it is not known which one: the
    /// process took it back, or the kernel itself killed for it.
    Call(Option<Call>),
}

/// How long a server is given to leave by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// From the end of its input to SIGTERM.
    pub input: Duration,
    /// From SIGTERM to SIGKILL.
    pub term: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { input: Duration::from_secs(2), term: Duration::from_secs(2) }
    }
}

/// What a server wants with a file. The later one includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Whether it is there, and what it is.
    Look,
    /// To read, list or execute it.
    Read,
    /// To make, change or remove it.
    Write,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files by their absolute paths, as the server sees them; nothing but `.` and `..` was resolved.
    pub files: BTreeMap<PathBuf, Wish>,
    /// Addresses that it would have sent to.
    pub addresses: BTreeSet<SocketAddr>,
    /// What could not be read or was too much.
    pub missed: u64,
}

/// What a server with all its descendants takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that are their own.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
}

impl Usage {
    /// The larger of both, each for itself.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { memory_bytes: self.memory_bytes.max(other.memory_bytes), processes: self.processes.max(other.processes) }
    }
}

/// The most that is kept of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files and folders.
    pub entries: u64,
}

/// What was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Files, whole or cut.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files of which the end is missing.
    pub cut: u64,
    /// What was left out: what is neither a file nor a folder, could not be read, or was too much.
    pub left_out: u64,
}
