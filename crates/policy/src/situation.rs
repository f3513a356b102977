//! What a decision reads of a call beside who, what and where to.

use serde_json::{Map, Value};
use std::net::IpAddr;
use terms::Utc;

/// With which arguments something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// None: no condition on an argument holds.
    Absent,
    /// These, canonical, and in the normal form that guards gave them.
    Are(&'a Map<String, Value>),
    /// Any: for lists, which show what some arguments would be allowed for, and for the comparison of rules. A condition on one may hold.
    Any,
}

/// How a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Over the local socket.
    Local,
    /// Over HTTP.
    Http,
}

impl Transport {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Local, Self::Http];

    /// The word in configuration, in Cedar and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Http => "http",
        }
    }
}

/// From where, when, and after how much. What is absent is known to be so, or nobody said it: no condition on it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Circumstances<'a> {
    /// What the client calls itself: a claim.
    pub client: Option<&'a str>,
    /// Its address, where it came over a network.
    pub address: Option<IpAddr>,
    /// How it came in.
    pub transport: Option<Transport>,
    /// When. Absent, it is outside of every role's hours.
    pub at: Option<Utc>,
    /// How many calls its session has made, this one included.
    pub depth: Option<u64>,
}

impl Circumstances<'_> {
    /// Nothing of it is known.
    pub const UNKNOWN: Self = Self { client: None, address: None, transport: None, at: None, depth: None };
}

/// What is known of the circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation<'a> {
    /// These are.
    Is(Circumstances<'a>),
    /// Any: for the comparison of rules, never for a call. Every condition on it may hold, and it is within every role's hours.
    Any,
}

/// Whether something holds of facts of which some may be unknown. Ordered, so that the least of several is what holds of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// It does not.
    No,
    /// For some of what is unknown it does.
    Maybe,
    /// It does.
    Yes,
}

impl Holds {
    /// What a test comes to.
    pub const fn of(test: bool) -> Self {
        if test { Self::Yes } else { Self::No }
    }
}
