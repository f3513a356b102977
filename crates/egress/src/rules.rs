//! The list of what one server may reach.
//!
//! Controls: `network.egress`, `network.protocols`.

use crate::address::plain;
use crate::hostname::{HostName, split};
use crate::protocol::{Protocol, Purpose, purpose_of_port};
use ipnet::IpNet;
use std::net::IpAddr;
use terms::{Reach, reach};

/// Most entries of one list.
const MOST: usize = 256;
/// Most different ports: each has a listener of its own.
const PORTS: usize = 64;
/// The port of the proxy in a sandbox, which no entry can have.
pub const PROXY_PORT: u16 = 3128;
/// The widest networks: an IPv4 and an IPv6 prefix may not be shorter.
const WIDEST: (u8, u8) = (8, 7);

/// Why an entry cannot be used: the operator's fault, said in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not `host:port`.
    #[error(
        "egress is host:port, such as db.internal:5432 or \"*.example.com:443\", with an optional protocol before it, such as ssh://git.example.com:22"
    )]
    Form,
    /// The name before the port is not one.
    #[error("`{0}` is not a host name in the form in which it is compared; write other letters than ASCII in their usual form or as xn--…")]
    Name(String),
    /// The star stands above too much.
    #[error("\"*.\" needs a name of at least two labels behind it")]
    Wide,
    /// The network is too wide, or has bits behind its prefix.
    #[error("`{0}` is not a network in its one form, or is wider than /8 (IPv6: /7)")]
    Network(String),
    /// There is no such protocol.
    #[error("`{0}` is not a protocol; use {all}", all = Protocol::ALL.map(Protocol::as_str).join(", "))]
    Protocol(String),
    /// The port is for what must be named.
    #[error("port {port} is for {purpose}, which must be named: write {example}://… if that is what it is for")]
    Named {
        /// The port.
        port: u16,
        /// What it is for.
        purpose: Purpose,
        /// A protocol that could be meant.
        example: &'static str,
    },
    /// The proxy has that port.
    #[error("port {PROXY_PORT} is the proxy's own in every sandbox")]
    Proxy,
    /// Two entries for the same host and port say different protocols.
    #[error("another entry names the same host and port with another protocol")]
    Twice,
    /// More than there may be.
    #[error("a server's list has at most {MOST} entries and {PORTS} ports")]
    Many,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(HostName),
    Below(HostName),
    Network(IpNet),
}

/// One entry: where to, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    host: Host,
    port: u16,
    protocol: Protocol,
}

impl std::str::FromStr for Rule {
    type Err = Unfit;

    fn from_str(entry: &str) -> Result<Self, Unfit> {
        let (word, target) = match entry.split_once("://") {
            Some((word, target)) => (Some(word), target),
            None => (None, entry),
        };
        let (host, port) = split(target).ok_or(Unfit::Form)?;
        if port == PROXY_PORT {
            return Err(Unfit::Proxy);
        }
        let protocol = match word {
            Some(word) => Protocol::from_word(word).ok_or_else(|| Unfit::Protocol(word.chars().take(32).collect()))?,
            None => Protocol::of_port(port).map_err(|purpose| named(port, purpose))?,
        };
        let purpose = purpose_of_port(port);
        if purpose != Purpose::General && protocol.purpose() != purpose {
            return Err(named(port, purpose));
        }
        Ok(Self { host: host_of(host)?, port, protocol })
    }
}

fn named(port: u16, purpose: Purpose) -> Unfit {
    let example = match (purpose, port) {
        (Purpose::Mail, 143) => "imap",
        (Purpose::Mail, 993) => "imaps",
        (Purpose::Mail, 109 | 110) => "pop3",
        (Purpose::Mail, 995) => "pop3s",
        (Purpose::Mail, 465) => "smtps",
        (Purpose::Mail | Purpose::General, _) => "smtp",
        (Purpose::Files, 22) => "ssh",
        (Purpose::Files, 137..=139 | 445) => "smb",
        (Purpose::Files, 873) => "rsync",
        (Purpose::Files, 989 | 990) => "ftps",
        (Purpose::Files, _) => "ftp",
        (Purpose::Peers, _) => "bittorrent",
    };
    Unfit::Named { port, purpose, example }
}

fn host_of(text: &str) -> Result<Host, Unfit> {
    let not_a_name = || Unfit::Name(text.chars().take(64).collect());
    if let Some(parent) = text.strip_prefix("*.") {
        let parent = HostName::written(parent).ok_or_else(not_a_name)?;
        return if parent.labels() < 2 { Err(Unfit::Wide) } else { Ok(Host::Below(parent)) };
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = bare.unwrap_or(text);
    if inner.contains(':') != bare.is_some() {
        return Err(Unfit::Form);
    }
    let network = match inner.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) if inner.contains('/') => return Err(Unfit::Network(inner.chars().take(64).collect())),
        Err(_) => match inner.parse::<IpAddr>() {
            Ok(address) => IpNet::from(plain(address)),
            Err(_) => return HostName::written(text).map(Host::Name).ok_or_else(not_a_name),
        },
    };
    let widest = if network.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if network.trunc() != network || network.prefix_len() < widest {
        return Err(Unfit::Network(inner.chars().take(64).collect()));
    }
    Ok(Host::Network(network))
}

/// What one server may reach. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// The list that `entries` write down.
    ///
    /// An entry is `host:port` or `protocol://host:port`. The host is a name, `*.` and a name (whatever is below it, at any depth), an address, or a network in CIDR
    /// form; IPv6 in brackets. A listed address or network may be connected to, and names of the list may resolve to it even where it is not public.
    ///
    /// # Errors
    /// The place of the first entry that cannot be used, and why.
    pub fn new<T: AsRef<str>>(entries: &[T]) -> Result<Self, (usize, Unfit)> {
        let mut rules: Vec<Rule> = Vec::with_capacity(entries.len().min(MOST));
        for (at, entry) in entries.iter().enumerate() {
            let rule: Rule = entry.as_ref().parse().map_err(|unfit| (at, unfit))?;
            if rules.iter().any(|other| other.host == rule.host && other.port == rule.port && other.protocol != rule.protocol) {
                return Err((at, Unfit::Twice));
            }
            rules.push(rule);
            let all = Self(std::mem::take(&mut rules));
            if all.0.len() > MOST || all.ports().len() > PORTS {
                return Err((at, Unfit::Many));
            }
            rules = all.0;
        }
        Ok(Self(rules))
    }

    /// Whether nothing may be reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ports of all entries, rising.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.0.iter().map(|rule| rule.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether an entry names `name`, at whatever port.
    pub(crate) fn names(&self, name: &HostName) -> bool {
        self.0.iter().any(|rule| covers(&rule.host, name).is_some())
    }

    /// What is spoken with `name` at `port`; none where that is not listed. The longest entry decides.
    pub(crate) fn protocol(&self, name: &HostName, port: u16) -> Option<Protocol> {
        let fitting = self.0.iter().filter(|rule| rule.port == port).filter_map(|rule| Some((covers(&rule.host, name)?, rule.protocol)));
        fitting.max_by_key(|(length, _)| *length).map(|(_, protocol)| protocol)
    }

    /// What is spoken with `address` at `port`; none where that is not listed. The narrowest network decides.
    pub(crate) fn protocol_at(&self, address: IpAddr, port: u16) -> Option<Protocol> {
        let address = plain(address);
        let networks = self.0.iter().filter(|rule| rule.port == port).filter_map(|rule| match &rule.host {
            Host::Network(network) if network.contains(&address) && opens(network, address) => Some((network.prefix_len(), rule.protocol)),
            Host::Network(_) | Host::Name(_) | Host::Below(_) => None,
        });
        networks.max_by_key(|(length, _)| *length).map(|(_, protocol)| protocol)
    }

    /// The names that are listed without a star, each with its port.
    pub fn exact(&self) -> impl Iterator<Item = (&HostName, u16)> {
        self.0.iter().filter_map(|rule| match &rule.host {
            Host::Name(name) => Some((name, rule.port)),
            Host::Below(_) | Host::Network(_) => None,
        })
    }

    /// Whether a name may lead to `address` at `port`: it is public, or listed.
    ///
    /// # Errors
    /// Where it leads instead.
    pub fn may_lead(&self, address: IpAddr, port: u16) -> Result<(), Reach> {
        match reach(address) {
            Reach::Public => Ok(()),
            _ if self.protocol_at(address, port).is_some() => Ok(()),
            other => Err(other),
        }
    }
}

/// How much of `name` an entry says, the exact name more than any star.
fn covers(host: &Host, name: &HostName) -> Option<usize> {
    match host {
        Host::Name(own) => (own == name).then_some(usize::MAX),
        Host::Below(parent) => name.is_below(parent).then(|| parent.as_str().len()),
        Host::Network(_) => None,
    }
}

/// A network opens addresses of the sort that it is all of: one that is mostly public does not open the inner addresses that lie in it.
fn opens(network: &IpNet, address: IpAddr) -> bool {
    let sort = reach(address);
    reach(network.network()) == sort && reach(network.broadcast()) == sort
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(entries: &[&str]) -> Rules {
        Rules::new(entries).unwrap()
    }

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn an_entry_is_a_host_a_port_and_a_protocol() {
        for good in [
            "db.internal:5432",
            "*.example.com:443",
            "10.0.0.1:1",
            "[::1]:443",
            "10.0.0.0/8:5432",
            "[fd00::/8]:443",
            "ssh://git.example.com:22",
            "smtp://mail.example.com:587",
            "http://api.example.com:8080",
            "bücher.example:443",
            "db:5432",
        ] {
            assert!(Rules::new(&[good]).is_ok(), "{good}: {:?}", Rules::new(&[good]));
        }
        for bad in [
            "",
            "db",
            "db:0",
            "db:99999",
            "*:443",
            "*.com:443",
            "a.*.b:1",
            "https://x:443",
            "x:+1",
            "a b:1",
            ":1",
            "mail.example.com:25",
            "ssh://mail.example.com:25",
            "git.example.com:22",
            "tcp://files:445",
            "x:3128",
            "0.0.0.0/0:443",
            "10.0.0.1/8:443",
            "[::/0]:443",
            "::1:443",
            "[10.0.0.1/33]:1",
            "127.1:80",
            "0x7f.1:80",
            "example.com.:443",
            "exam\u{ad}ple.com:443",
            "user@x:443",
            "x/path:443",
            "[db]:1",
            "*.10.0.0.1:1",
            "tls://tls://x:443",
        ] {
            assert!(Rules::new(&[bad]).is_err(), "{bad}");
        }
        assert_eq!(Rules::new(&["a:443", "http://a:443"]), Err((1, Unfit::Twice)));
        let many: Vec<String> = (0..300).map(|at| format!("h{at}.example.com:443")).collect();
        assert_eq!(Rules::new(&many), Err((256, Unfit::Many)));
        let ports: Vec<String> = (0..65).map(|at| format!("tls://a:{}", 40_000 + at)).collect();
        assert_eq!(Rules::new(&ports), Err((64, Unfit::Many)));
    }

    #[test]
    fn what_is_not_listed_is_not_reached() {
        let rules =
            rules(&["api.example.com:443", "*.files.example.com:443", "http://api.example.com:8080", "tcp://x.files.example.com:443"]);
        assert_eq!(rules.ports(), [443, 8080]);
        assert_eq!(rules.protocol(&name("api.example.com"), 443), Some(Protocol::Tls));
        assert_eq!(rules.protocol(&name("api.example.com"), 8080), Some(Protocol::Http));
        assert_eq!(rules.protocol(&name("a.b.files.example.com"), 443), Some(Protocol::Tls));
        assert_eq!(rules.protocol(&name("x.files.example.com"), 443), Some(Protocol::Tcp));
        for (host, port) in [
            ("api.example.com", 80),
            ("files.example.com", 443),
            ("evil.com", 443),
            ("api.example.com.evil.com", 443),
            ("xapi.example.com", 443),
        ] {
            assert_eq!(rules.protocol(&name(host), port), None, "{host}:{port}");
        }
        assert!(Rules::default().is_empty() && !Rules::default().names(&name("a")));
    }

    #[test]
    fn inner_addresses_are_reached_only_where_they_are_listed_as_such() {
        let listed = rules(&["db.internal:5432", "10.1.0.0/16:5432", "169.0.0.0/8:5432", "100.0.0.0/8:5432"]);
        let may = |address: &str, port| listed.may_lead(address.parse().unwrap(), port).is_ok();
        assert!(may("10.1.2.3", 5432) && may("::ffff:10.1.2.3", 5432) && may("8.8.8.8", 443));
        for (inner, port) in [
            ("10.1.2.3", 443),
            ("10.2.0.1", 5432),
            ("169.254.169.254", 5432),
            ("100.64.0.1", 5432),
            ("127.0.0.1", 5432),
            ("::1", 5432),
            ("64:ff9b::a01:203", 5432),
            ("2002:a01:203::", 5432),
            ("192.168.0.1", 5432),
            ("224.0.0.1", 5432),
            ("0.0.0.0", 5432),
            ("203.0.113.1", 5432),
        ] {
            assert!(!may(inner, port), "{inner}:{port}");
        }
        let metadata = rules(&["169.254.169.254:80"]);
        assert_eq!(metadata.protocol_at("169.254.169.254".parse().unwrap(), 80), Some(Protocol::Http));
        assert_eq!(metadata.protocol_at("169.254.169.253".parse().unwrap(), 80), None);
    }
}
