//! Who performs an act. Never an agent.

use std::fmt;
use terms::Name;

/// How an operator became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the credentials of the admin socket: an account that may open it.
    Socket {
        /// The user id.
        uid: u32,
    },
    /// By the key of this installation, on the admin listener.
    Key,
    /// By a signal to the gateway's process: an account that may send one.
    Signal,
    /// By opening the state folder itself, while no gateway runs.
    CommandLine,
}

/// A person with administrative rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The account's name; for a holder of the key, the one who made it.
    pub name: Name,
    /// How it is known.
    pub way: Way,
}

/// `NAME via WAY`, as the record has it.
impl fmt::Display for Operator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Socket { uid } => write!(out, "{} via admin socket, uid {uid}", self.name),
            Way::Key => write!(out, "{} via admin key", self.name),
            Way::Signal => write!(out, "{} via signal", self.name),
            Way::CommandLine => write!(out, "{} via command line", self.name),
        }
    }
}
