//! Which addresses may be reached without being listed.

use ipnet::IpNet;
use std::net::IpAddr;
use terms::{Reach, reach};

/// The address without an IPv6 wrapping of an IPv4 one that an operating system would undo.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
    }
}

/// Whether `address` may be connected to: public, or within a listed network.
pub(crate) fn allowed(address: IpAddr, listed: &[IpNet]) -> Result<(), Reach> {
    match reach(address) {
        Reach::Public => Ok(()),
        other => {
            let bare = plain(address);
            if listed.iter().any(|net| net.contains(&bare)) { Ok(()) } else { Err(other) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_network_opens_itself_and_its_mapped_form_only() {
        let listed = ["10.1.0.0/16".parse().unwrap()];
        assert!(allowed("10.1.2.3".parse().unwrap(), &listed).is_ok());
        assert!(allowed("::ffff:10.1.2.3".parse().unwrap(), &listed).is_ok());
        assert!(allowed("10.2.0.1".parse().unwrap(), &listed).is_err());
        assert!(allowed("169.254.169.254".parse().unwrap(), &listed).is_err());
        assert!(allowed("8.8.8.8".parse().unwrap(), &[]).is_ok());
    }
}
