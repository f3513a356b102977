//! Where a connection comes from, as far as strangers are told apart by it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The part of a client's address that one party usually has to itself: an IPv4 address, the /64 of an IPv6 address, or this machine.
///
/// Source: RFC 4291 §2.5.4 and RFC 6177 (a site gets a /64 or more); RFC 4291 §2.5.5.2 (an IPv4 address written as an IPv6 one counts as IPv4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourcePrefix {
    /// This machine, by whichever of its loopback addresses.
    Loopback,
    /// One address, or a /64 with the lower half zero.
    Network(IpAddr),
}

impl SourcePrefix {
    /// The prefix of `address`.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            own if own.is_loopback() => Self::Loopback,
            IpAddr::V4(address) => Self::Network(address.into()),
            IpAddr::V6(address) => Self::Network(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()),
        }
    }
}

impl fmt::Display for SourcePrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => out.write_str("loopback"),
            Self::Network(IpAddr::V4(address)) => address.fmt(out),
            Self::Network(IpAddr::V6(address)) => write!(out, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_site_is_one_source_and_this_machine_is_one_too() {
        let of = |text: &str| SourcePrefix::of(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(own), "loopback", "{own}");
        }
    }
}
