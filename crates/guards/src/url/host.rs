//! Hosts: names and addresses in one spelling, and patterns of them.

use crate::{Reason, text};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use unicode_normalization::UnicodeNormalization as _;

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An address, written as such.
    Address(IpAddr),
    /// A name in ASCII and lower case, without a dot at its end.
    Name {
        /// The name.
        name: String,
        /// Whether it had a dot at its end.
        dot: bool,
    },
}

impl Host {
    /// Reads a host in its only spelling: addresses in dotted decimal or in brackets, names that IDNA maps to themselves but for case.
    pub(super) fn parse(host: &str) -> Result<Self, Reason> {
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().map(|address| Self::Address(address.into())).map_err(|_| Reason::UrlNumber);
        }
        let (bare, dot) = host.strip_suffix('.').map_or((host, false), |bare| (bare, true));
        let name = if bare.is_ascii() { Cow::Owned(bare.to_ascii_lowercase()) } else { Cow::Owned(international(bare)?) };
        if is_number(&name) {
            let address = name.parse::<Ipv4Addr>().map_err(|_| Reason::UrlNumber)?;
            return if bare.is_ascii() { Ok(Self::Address(address.into())) } else { Err(Reason::UrlName) };
        }
        let label = |label: &str| {
            !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if name.is_empty() || name.len() > 253 || !name.split('.').all(label) {
            return Err(Reason::UrlName);
        }
        if name.split('.').any(|label| label.starts_with("xn--")) && idna::domain_to_unicode(&name).1.is_err() {
            return Err(Reason::UrlName);
        }
        Ok(Self::Name { name: name.into_owned(), dot })
    }

    /// As it is written in a URL.
    pub(super) fn printed(&self) -> Cow<'_, str> {
        match self {
            Self::Address(IpAddr::V4(address)) => Cow::Owned(address.to_string()),
            Self::Address(IpAddr::V6(address)) => Cow::Owned(format!("[{}]", six(*address))),
            Self::Name { name, dot: true } => Cow::Owned(format!("{name}.")),
            Self::Name { name, dot: false } => Cow::Borrowed(name),
        }
    }
}

/// An IPv6 address as the WHATWG standard prints it: never with an IPv4 one at its end.
fn six(address: Ipv6Addr) -> String {
    url::Host::<&str>::Ipv6(address).to_string().trim_matches(['[', ']']).to_owned()
}

/// The ASCII form of a name in other letters, where every IDNA gives the same: nothing in it is mapped but case, and no letter is one that IDNA 2003
/// and 2008 take differently (UTS 46, section 2.3).
fn international(name: &str) -> Result<String, Reason> {
    if text::find(name, |letter| matches!(letter, '\u{df}' | '\u{3c2}' | '\u{200c}' | '\u{200d}')).is_some() {
        return Err(Reason::UrlName);
    }
    let ascii = idna::domain_to_ascii_strict(name).map_err(|_| Reason::UrlName)?;
    let (back, valid) = idna::domain_to_unicode(&ascii);
    let plain: String = name.to_lowercase().nfc().collect();
    if valid.is_err() || back != plain { Err(Reason::UrlName) } else { Ok(ascii) }
}

/// Whether programs read it as an IPv4 address: its last part is a number (WHATWG, "ends in a number").
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether an address holds an IPv4 one in the way that was given up (RFC 4291 section 2.5.5.1): nobody is reached by it, or whoever knows.
pub(super) fn is_compatible(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if six.segments().iter().take(6).all(|part| *part == 0))
}

/// Whether a name is one of this host's own.
pub(super) fn is_own(name: &str) -> bool {
    const OWN: [&str; 5] = ["localhost", "localdomain", "ip6-localhost", "ip6-loopback", "loopback"];
    OWN.iter().any(|own| below(name, own))
}

/// Whether a name leads to inner addresses by its place: names without a dot, special-use and customary inner domains (RFC 6761, 6762, 8375), domains of
/// clusters and clouds, and public services that answer with the address in the name.
pub(super) fn leads_in(name: &str) -> bool {
    const DOMAINS: [&str; 39] = [
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "localnet",
        "home.arpa",
        "in-addr.arpa",
        "ip6.arpa",
        "svc",
        "consul",
        "docker",
        "onion",
        "invalid",
        "cluster.local",
        "default.svc",
        "nip.io",
        "sslip.io",
        "xip.io",
        "traefik.me",
        "localtest.me",
        "lvh.me",
        "vcap.me",
        "lacolhost.com",
        "localho.st",
        "yoogle.com",
        "127-0-0-1.org.uk",
        "fbi.com.local",
        "readme.localtest.me",
        "local.gd",
        "lcl.host",
        "rbndr.us",
        "1u.ms",
        "rebind.it",
        "rebind.network",
        "whonow.rebind.network",
        "ns.rebind.network",
    ];
    !name.contains('.') || is_own(name) || DOMAINS.iter().any(|domain| below(name, domain))
}

fn below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// An entry of `allow_hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    hosts: Hosts,
    ports: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Below(String),
    One(Host),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    Usual,
    One(u16),
    All,
}

impl Pattern {
    pub(super) fn parse(entry: &str) -> Option<Self> {
        let (host, ports) = match entry.rsplit_once(':') {
            Some((host, "*")) => (host, Ports::All),
            Some((host, port)) if !port.contains(']') => (host, Ports::One(port.parse().ok()?)),
            Some(_) | None => (entry, Ports::Usual),
        };
        let hosts = match host.strip_prefix("*.") {
            _ if host == "*" => Hosts::All,
            Some(domain) => match Host::parse(domain).ok()? {
                Host::Name { name, .. } => Hosts::Below(name),
                Host::Address(_) => return None,
            },
            None => match Host::parse(host).ok()? {
                Host::Name { name, .. } => Hosts::One(Host::Name { name, dot: false }),
                address => Hosts::One(address),
            },
        };
        Some(Self { hosts, ports })
    }

    pub(super) fn holds(&self, host: &Host) -> bool {
        match (&self.hosts, host) {
            (Hosts::All, _) => true,
            (Hosts::Below(domain), Host::Name { name, .. }) => name != domain && below(name, domain),
            (Hosts::Below(_), Host::Address(_)) => false,
            (Hosts::One(Host::Name { name: one, .. }), Host::Name { name, .. }) => one == name,
            (Hosts::One(one), other) => one == other,
        }
    }

    /// Whether it names `name` in full.
    pub(super) fn spells(&self, name: &str) -> bool {
        matches!(&self.hosts, Hosts::One(Host::Name { name: one, .. }) if one == name)
    }

    pub(super) fn is_all(&self) -> bool {
        self.hosts == Hosts::All && self.ports == Ports::Usual
    }

    pub(super) fn opens(&self, port: Option<u16>, usual: Option<u16>) -> bool {
        match self.ports {
            Ports::All => true,
            Ports::One(one) => port == Some(one),
            Ports::Usual => self.hosts == Hosts::All || port == usual,
        }
    }
}
