//! Whom certificates name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use terms::Name;

/// Letters of a host's name.
const LONGEST_HOST: usize = 253;

/// A trust domain: the part of a SPIFFE id that says whose names they are (SPIFFE-ID §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(Box<str>);

/// Why a text is no trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trust domain is 1 to 200 of a-z, 0-9, dots, hyphens and underscores")]
pub struct NoDomain;

impl FromStr for Domain {
    type Err = NoDomain;

    fn from_str(text: &str) -> Result<Self, NoDomain> {
        let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte));
        if text.is_empty() || text.len() > 200 || !fits { Err(NoDomain) } else { Ok(Self(text.into())) }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An agent, that connects.
    Agent,
    /// A listener or an MCP server, that is connected to.
    Server,
    /// An operator, who connects to the admin listener.
    Operator,
    /// Another gateway of the same fleet, that does both.
    Replica,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Server, Self::Operator, Self::Replica];

    /// The word in names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server => "server",
            Self::Operator => "operator",
            Self::Replica => "replica",
        }
    }
}

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    domain: Domain,
    role: Role,
    name: Name,
    hosts: Vec<String>,
}

/// Why nobody can be named so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unnameable {
    /// The name has letters that a SPIFFE id does not.
    #[error("`{0}` has letters beyond a-z, A-Z, 0-9, dots, hyphens and underscores")]
    Name(Name),
    /// It is no name or address of a host.
    #[error("`{0}` is no name or address of a host")]
    Host(String),
    /// Who connects has none; who is connected to has some.
    #[error("hosts are for servers and replicas, and these have at least one")]
    Hosts,
}

impl Subject {
    /// Names `name` in its role, at `hosts` where it is connected to.
    ///
    /// # Errors
    /// [`Unnameable`].
    pub fn new(domain: Domain, role: Role, name: Name, hosts: Vec<String>) -> Result<Self, Unnameable> {
        if !name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) || matches!(name.as_str(), "." | "..")
        {
            return Err(Unnameable::Name(name));
        }
        let connected_to = matches!(role, Role::Server | Role::Replica);
        if connected_to == hosts.is_empty() {
            return Err(Unnameable::Hosts);
        }
        if let Some(odd) = hosts.iter().find(|host| !is_host(host)) {
            return Err(Unnameable::Host(odd.clone()));
        }
        Ok(Self { domain, role, name, hosts })
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Where it is connected to.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Its SPIFFE id.
    pub fn id(&self) -> String {
        format!("spiffe://{}/{}/{}", self.domain, self.role.as_str(), self.name.as_str())
    }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= LONGEST_HOST && text.split('.').all(label))
}
