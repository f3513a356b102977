//! Which checks are made: all of them. Only this crate's own tests can take one out, to see that it is the one that holds.

use crate::hostname::Asked;
use std::net::Ipv4Addr;
#[cfg(test)]
use std::net::SocketAddr;

/// A check on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// A question for a name has the one strict form.
    Question,
    /// A question is for what connections need.
    Wanted,
    /// A name is on the list.
    Name,
    /// A sandbox has so many names.
    Names,
    /// So many questions a second.
    Questions,
    /// A connection went to an address that stands for names.
    Range,
    /// So many connections at once.
    Connections,
    /// So many new connections a second.
    Opening,
    /// Name and port are on the list together.
    Port,
    /// A literal address is on the list.
    Address,
    /// The proxy is asked in its one form.
    Connect,
    /// The expected protocol is spoken.
    Protocol,
    /// What is offered inside TLS need not be named.
    Alpn,
    /// The hello or the head has the one strict form.
    Form,
    /// TLS names a server.
    Nameless,
    /// TLS hides no name.
    Hidden,
    /// TLS names the server that is connected to.
    ServerName,
    /// HTTP names the host that is connected to.
    Host,
    /// HTTP does so in every request of a connection.
    Requests,
    /// The first bytes come in time.
    Silent,
    /// Addresses are public or listed.
    Reach,
    /// The address that was checked is the one that is connected to.
    Pin,
    /// So many bytes within an hour.
    Bytes,
    /// So many bytes a second.
    Rate,
    /// Something comes from time to time.
    Idle,
    /// The attempt is on record.
    Record,
}

/// The checks that are made.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    #[cfg(test)]
    pub(crate) out: Vec<Check>,
    /// Where a test sends every connection, whatever address was found.
    #[cfg(test)]
    pub(crate) detour: Option<SocketAddr>,
}

impl Checks {
    /// Whether `check` is made.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only a test's checks differ")]
    pub(crate) const fn hold(&self, _: Check) -> bool {
        true
    }

    #[cfg(test)]
    pub(crate) fn hold(&self, check: Check) -> bool {
        !self.out.contains(&check)
    }

    /// `address` as a host, where `check` is not made.
    pub(crate) fn without(&self, check: Check, address: Ipv4Addr) -> Option<Asked> {
        (!self.hold(check)).then(|| Asked::Address(address.into()))
    }
}
