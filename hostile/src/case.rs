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

/// How long a gateway waits for what has to come: what ends a case must be what the case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Longer for everything than any case lasts: what is closed here was closed for what was sent.
    Calm,
    /// Two seconds for a head, a body and an answer that is not read; longer than any case lasts for what is idle.
    Short,
    /// Two seconds for what is idle over HTTP/2; longer than any case lasts for a body and an answer that is not read.
    Idle,
}

impl Ground {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Calm, Self::Short, Self::Idle];

    /// Its bounds. Who has nothing under way is asked to leave after `idle`, and left after `header`.
    pub(crate) const fn bounds(self) -> &'static str {
        match self {
            Self::Calm => "header: 60s\nbody: 60s\nidle: 60s\nwrite: 60s",
            Self::Short => "header: 2s\nbody: 2s\nidle: 60s\nwrite: 2s",
            Self::Idle => "header: 2s\nbody: 60s\nidle: 2s\nwrite: 60s",
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
    /// The connection closed by the gateway, without a page or a result. No bound but that of its `Ground` can have done so in its time.
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
    /// Against which gateway.
    pub(crate) ground: Ground,
    /// How it is done.
    pub(crate) act: fn(&Ring<'_>) -> Seen,
}

impl Case {
    pub(crate) const fn new(class: Class, name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Self {
        let (seconds, ground) = match class {
            Class::Flood => (20, Ground::Calm),
            Class::Slow => (12, Ground::Short),
            Class::Tls | Class::Certificate => (8, Ground::Calm),
        };
        Self { class, name, want, within: Duration::from_secs(seconds), record: None, ground, act }
    }

    /// What ends it is that nothing is under way.
    pub(crate) const fn idling(mut self) -> Self {
        self.ground = Ground::Idle;
        self
    }

    /// It is on record under `code`.
    pub(crate) const fn recorded(mut self, code: &'static str) -> Self {
        self.record = Some(code);
        self
    }
}
