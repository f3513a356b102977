//! A case: one thing that a client does, and the end that it must have.

use crate::ring::Ring;
use crate::seen::Seen;
use std::fmt;
use std::time::Duration;

/// What a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Too much of something.
    Flood,
    /// Too slow with something.
    Slow,
    /// TLS that is none, or not the one that is spoken.
    Tls,
    /// A certificate that does not let in.
    Certificate,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flood, Self::Slow, Self::Tls, Self::Certificate];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Slow => "slow",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
        }
    }

    /// How many kinds of it there are at least.
    pub const fn least(self) -> usize {
        match self {
            Self::Flood => 64,
            Self::Slow => 30,
            Self::Tls => 60,
            Self::Certificate => 15,
        }
    }
}

/// The end that a case must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// This status of HTTP, as the last one.
    Status(u16),
    /// A refusal of this code.
    Code(&'static str),
    /// GOAWAY with this code (RFC 9113 §7), and the connection closed.
    GoAway(u32),
    /// RST_STREAM with this code.
    Reset(u32),
    /// A fatal alert in the clear (RFC 8446 §6).
    Alert(u8),
    /// The connection closed by the gateway, without a page or a result.
    Cut,
    /// What the driver looked at itself.
    Good,
}

impl fmt::Display for Want {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(out, "{status}"),
            Self::Code(code) => write!(out, "{code}"),
            Self::GoAway(code) => write!(out, "GOAWAY {code}"),
            Self::Reset(code) => write!(out, "RST_STREAM {code}"),
            Self::Alert(code) => write!(out, "alert {code}"),
            Self::Cut => write!(out, "closed"),
            Self::Good => write!(out, "as it should"),
        }
    }
}

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is about.
    pub class: Class,
    /// What is done.
    pub name: &'static str,
    /// The end that it must have.
    pub want: Want,
    /// In what time.
    pub within: Duration,
    /// The code under which it must be on record.
    pub record: Option<&'static str>,
    /// How it is done.
    pub(crate) act: fn(&Ring<'_>) -> Seen,
}

impl Case {
    pub(crate) const fn new(class: Class, name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Self {
        let seconds = match class {
            Class::Flood => 20,
            Class::Slow => 12,
            Class::Tls | Class::Certificate => 8,
        };
        Self { class, name, want, within: Duration::from_secs(seconds), record: None, act }
    }

    /// It is on record under `code`.
    pub(crate) const fn recorded(mut self, code: &'static str) -> Self {
        self.record = Some(code);
        self
    }
}
