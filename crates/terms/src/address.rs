//! Where an address leads, by the address alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The public internet.
    Public,
    /// This host.
    Loopback,
    /// A private, shared or unique local network.
    Private,
    /// The link, cloud metadata services included.
    LinkLocal,
    /// Many hosts at once.
    Multicast,
    /// Nothing that a server could have: unspecified, documentation, benchmarking, future use.
    Reserved,
}

impl fmt::Display for Reach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "of this host",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

/// Where `address` leads. An IPv6 form that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) leads where that leads.
///
/// Source: IANA special-purpose address registries (RFC 6890 and its updates).
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Reach::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Private,
        // Addresses at which clouds answer about the instance, outside the link-local block.
        (168, 63, 129) => Reach::LinkLocal,
        (169, 254, _) => Reach::LinkLocal,
        (224..=239, ..) => Reach::Multicast,
        (0, ..) | (240..=255, ..) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Reach::Reserved,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    let [s0, s1, s2, _, s4, s5, s6, s7] = segments;
    let carried = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Reserved,
        // Mapped (RFC 4291 §2.5.5.2), translated (RFC 2765) and compatible (§2.5.5.1).
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => carried(s6, s7),
        // NAT64, well-known (RFC 6052) and local-use (RFC 8215); the latter is inside a private network by definition.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => carried(s6, s7),
        [0x64, 0xff9b, 1, ..] => Reach::Private,
        // 6to4 (RFC 3056).
        [0x2002, ..] => match carried(s1, s2) {
            Reach::Public => Reach::Reserved,
            other => other,
        },
        // Teredo (RFC 4380), ORCHID, documentation, benchmarking, discard-only.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] | [0x100, 0, 0, 0, ..] => Reach::Reserved,
        _ if s0 & 0xfe00 == 0xfc00 => Reach::Private,
        _ if s0 & 0xffc0 == 0xfe80 => Reach::LinkLocal,
        _ if s0 & 0xffc0 == 0xfec0 => Reach::Private,
        _ if s0 & 0xff00 == 0xff00 => Reach::Multicast,
        // Global unicast is 2000::/3; the rest is unassigned. ISATAP (RFC 5214) carries an IPv4 address as interface id.
        _ if s0 & 0xe000 == 0x2000 => match (s4 & 0xfdff, s5) {
            (0, 0x5efe) => carried(s6, s7),
            _ => Reach::Public,
        },
        _ => Reach::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for (text, expected) in [
            ("8.8.8.8", Reach::Public),
            ("2606:4700::1111", Reach::Public),
            ("127.0.0.1", Reach::Loopback),
            ("127.255.1.2", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("10.1.2.3", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("172.32.0.1", Reach::Public),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("100.100.100.200", Reach::Private),
            ("169.254.169.254", Reach::LinkLocal),
            ("168.63.129.16", Reach::LinkLocal),
            ("0.0.0.0", Reach::Reserved),
            ("255.255.255.255", Reach::Reserved),
            ("198.18.0.1", Reach::Reserved),
            ("224.0.0.1", Reach::Multicast),
            ("::", Reach::Reserved),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("::ffff:169.254.169.254", Reach::LinkLocal),
            ("::ffff:8.8.8.8", Reach::Public),
            ("::10.0.0.1", Reach::Private),
            ("::ffff:0:10.0.0.1", Reach::Private),
            ("64:ff9b::a00:1", Reach::Private),
            ("64:ff9b::169.254.169.254", Reach::LinkLocal),
            ("64:ff9b:1::1", Reach::Private),
            ("2002:7f00:1::", Reach::Loopback),
            ("2002:808:808::", Reach::Reserved),
            ("2001:0:1::1", Reach::Reserved),
            ("2001:db8::1", Reach::Reserved),
            ("fc00::1", Reach::Private),
            ("fd00:ec2::254", Reach::Private),
            ("fe80::1", Reach::LinkLocal),
            ("fec0::1", Reach::Private),
            ("ff02::1", Reach::Multicast),
            ("2600::5efe:a00:1", Reach::Private),
            ("4000::1", Reach::Reserved),
        ] {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
    }
}
