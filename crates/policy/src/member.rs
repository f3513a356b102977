//! Who a line of `members` means.

use crate::place::nearest;
use crate::{Circumstances, Glob, GlobError, Holds, Situation, Transport};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use terms::{Name, NameError, Principal, Workload};

/// Who has a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// Programs of these names.
    Agent(Glob),
    /// Anyone for whom users of these names are known.
    User(Glob),
    /// A group of an outside issuer. Nobody yet: the built-in issuer knows no groups.
    Group(Glob),
    /// Clients that call themselves so: a claim, not proof.
    Client(Glob),
    /// Who shows a client certificate that names it: a SPIFFE id, or `dns:NAME`.
    Certificate(Glob),
    /// Who comes from these addresses.
    Network(Network),
    /// Who comes in so.
    Environment(Environment),
}

/// Why a text is no member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// It begins with none of the sorts.
    #[error("a member is agent:NAME, user:NAME, group:NAME, client:NAME, certificate:NAME, network:CIDR or environment:FACT=GLOB{}", near(.0))]
    Sort(Option<String>),
    /// The name is no glob.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is no network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// It is no fact of the environment.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

fn near(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

const SORTS: [&str; 7] = ["agent", "user", "group", "client", "certificate", "network", "environment"];

impl FromStr for Member {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        let Some((sort, name)) = text.split_once(':') else { return Err(MemberError::Sort(Some(format!("agent:{text}")))) };
        let named = || -> Result<Glob, MemberError> {
            Name::new(&name.replace('*', "x"))?;
            Ok(Glob::new(name)?)
        };
        Ok(match sort {
            "agent" => Self::Agent(named()?),
            "user" => Self::User(named()?),
            "group" => Self::Group(named()?),
            "client" => Self::Client(Glob::new(name)?),
            "certificate" => Self::Certificate(Glob::new(name)?),
            "network" => Self::Network(name.parse()?),
            "environment" => Self::Environment(name.parse()?),
            _ => return Err(MemberError::Sort(nearest(sort, SORTS).map(|near| format!("{near}:{name}")))),
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(glob) => write!(out, "agent:{glob}"),
            Self::User(glob) => write!(out, "user:{glob}"),
            Self::Group(glob) => write!(out, "group:{glob}"),
            Self::Client(glob) => write!(out, "client:{glob}"),
            Self::Certificate(glob) => write!(out, "certificate:{glob}"),
            Self::Network(network) => write!(out, "network:{network}"),
            Self::Environment(environment) => write!(out, "environment:{environment}"),
        }
    }
}

impl Member {
    /// Whether it means `principal` in `situation`.
    pub fn holds(&self, principal: &Principal, situation: &Situation<'_>) -> Holds {
        match self {
            Self::Agent(glob) => Holds::of(glob.matches(principal.agent.as_str())),
            Self::User(glob) => Holds::of(principal.user.as_ref().is_some_and(|user| glob.matches(user.as_str()))),
            Self::Group(_) => Holds::No,
            Self::Certificate(glob) => match &principal.workload {
                Workload::Certificate { identity } => Holds::of(glob.matches(identity)),
                Workload::Local { .. } | Workload::Remote | Workload::Gateway => Holds::No,
            },
            Self::Client(glob) => of(situation, |now| now.client.is_some_and(|client| glob.matches(client))),
            Self::Network(network) => of(situation, |now| now.address.is_some_and(|address| network.contains(address))),
            Self::Environment(environment) => of(situation, |now| environment.holds(principal, now)),
        }
    }

    /// Whether it means `principal` whatever the situation is.
    pub fn is(&self, principal: &Principal) -> bool {
        self.holds(principal, &Situation::Is(Circumstances::UNKNOWN)) == Holds::Yes
    }
}

/// What a test of the circumstances comes to where these may be unknown.
pub(crate) fn of(situation: &Situation<'_>, test: impl FnOnce(&Circumstances<'_>) -> bool) -> Holds {
    match situation {
        Situation::Is(now) => Holds::of(test(now)),
        Situation::Any => Holds::Maybe,
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It does not parse.
    #[error("a network is an address with the length of its prefix, such as 10.1.0.0/16 or fd00::/8")]
    Form,
    /// Its address has bits beyond the prefix.
    #[error("the address of a network ends where its prefix does: {0}")]
    Beyond(IpNet),
    /// It is IPv4 written as IPv6.
    #[error("write a network of IPv4 as such")]
    Mapped,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let network: IpNet = text.parse().map_err(|_| NetworkError::Form)?;
        if network.addr() != network.network() {
            return Err(NetworkError::Beyond(network.trunc()));
        }
        if network.addr().to_canonical() != network.addr() {
            return Err(NetworkError::Mapped);
        }
        Ok(Self(network))
    }
}

impl Network {
    /// Whether `address` lies in it; IPv4 written as IPv6 is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// A fact of where a call comes in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// How.
    Transport(Transport),
    /// From which program of this machine: known of the local socket alone.
    Executable(Glob),
}

/// Why a text is no fact of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// It is none of them.
    #[error("a fact of the environment is transport=local, transport=http or executable=GLOB")]
    Form,
    /// The glob in it.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        match text.split_once('=') {
            Some(("transport", word)) => {
                Transport::ALL.into_iter().find(|one| one.as_str() == word).map(Self::Transport).ok_or(EnvironmentError::Form)
            }
            Some(("executable", glob)) => Ok(Self::Executable(Glob::new(glob)?)),
            Some(_) | None => Err(EnvironmentError::Form),
        }
    }
}

impl Environment {
    /// Whether it is so.
    pub fn holds(&self, principal: &Principal, now: &Circumstances<'_>) -> bool {
        match self {
            Self::Transport(transport) => now.transport == Some(*transport),
            Self::Executable(glob) => match &principal.workload {
                Workload::Local { executable, .. } => executable.as_ref().is_some_and(|path| glob.matches(path)),
                Workload::Remote | Workload::Certificate { .. } | Workload::Gateway => false,
            },
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(transport) => write!(out, "transport={}", transport.as_str()),
            Self::Executable(glob) => write!(out, "executable={glob}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_as_they_are_read() {
        for text in [
            "agent:ci-*",
            "user:ana",
            "group:engineering",
            "client:Cursor *",
            "certificate:CN=build*",
            "network:10.0.0.0/8",
            "network:fd00::/8",
            "environment:transport=local",
            "environment:executable=/usr/bin/*",
        ] {
            assert_eq!(text.parse::<Member>().unwrap().to_string(), text);
        }
        let wrong = |text: &str| text.parse::<Member>().unwrap_err().to_string();
        assert!(wrong("ana").contains("did you mean \"agent:ana\"?"), "{}", wrong("ana"));
        assert!(wrong("agnet:x").contains("did you mean \"agent:x\"?"));
        assert!(wrong("network:10.0.0.1/8").contains("10.0.0.0/8"));
        assert!(wrong("network:::ffff:10.0.0.0/104").contains("IPv4"));
        assert!(wrong("environment:moon=full").contains("transport=local"));
        assert!("agent:a b".parse::<Member>().is_err() && "agent:".parse::<Member>().is_err());
    }

    #[test]
    fn an_address_is_the_same_in_either_form() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains("10.9.8.7".parse().unwrap()) && network.contains("::ffff:10.9.8.7".parse().unwrap()));
        assert!(!network.contains("11.0.0.1".parse().unwrap()) && !network.contains("::10.0.0.1".parse().unwrap()));
    }
}
