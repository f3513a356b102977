//! What a kill stops.

use crate::{CallScope, Error};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use terms::{Name, ServerName, SessionId};

/// The part of a principal that a kill names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A program, whoever it acts for.
    Agent(Name),
    /// A person, whatever acts for them.
    User(Name),
}

/// What a kill stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything.
    All,
    /// Every call to a server.
    Server(ServerName),
    /// Every call of a principal.
    Principal(Member),
    /// Every call of a session.
    Session(SessionId),
}

impl Scope {
    /// Whether a kill of this scope means `call`.
    pub fn means(&self, call: &CallScope<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Server(server) => call.server == Some(server),
            Self::Principal(Member::Agent(agent)) => call.principal.agent == *agent,
            Self::Principal(Member::User(user)) => call.principal.user.as_ref() == Some(user),
            Self::Session(session) => call.session == Some(*session),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(out, "agent:{name}"),
            Self::User(name) => write!(out, "user:{name}"),
        }
    }
}

/// `agent:NAME` or `user:NAME`.
impl FromStr for Member {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let name = |name: &str| Name::new(name).map_err(|_| Error::Scope);
        match text.split_once(':') {
            Some(("agent", rest)) => name(rest).map(Self::Agent),
            Some(("user", rest)) => name(rest).map(Self::User),
            _ => Err(Error::Scope),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => out.write_str("all"),
            Self::Server(server) => write!(out, "server:{server}"),
            Self::Principal(member) => member.fmt(out),
            Self::Session(id) => write!(out, "session:{id}"),
        }
    }
}

/// `all`, `server:NAME`, `agent:NAME`, `user:NAME` or `session:ID`.
impl FromStr for Scope {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some(("server", name)) => ServerName::new(name).map(Self::Server).map_err(|_| Error::Scope),
            Some(("session", id)) => id.parse().map(Self::Session).map_err(|_| Error::Scope),
            _ => text.parse().map(Self::Principal),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_what_it_prints() {
        for text in ["all", "server:files", "agent:claude-code", "user:ana@example.com", "session:S-000000000001"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for bad in ["", "All", "server:", "server:A", "group:x", "session:1", "agent:", "all:", "files"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
