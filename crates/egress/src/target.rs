//! What is reached, and within which bounds.

use crate::tls::{Introduction, Rooted, System};
use crate::{ClientIdentity, Error, SelfSigned, Witness};
use base64::Engine as _;
use ipnet::IpNet;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// The SHA-256 of a certificate's SubjectPublicKeyInfo, written `sha256/` and Base64 with padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpkiPin(pub(crate) [u8; 32]);

impl std::fmt::Display for SpkiPin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "sha256/{}", base64::engine::general_purpose::STANDARD.encode(self.0))
    }
}

impl std::str::FromStr for SpkiPin {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let coded = text.strip_prefix("sha256/").ok_or(Error::Pin)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(coded).map_err(|_| Error::Pin)?;
        bytes.try_into().map(Self).map_err(|_| Error::Pin)
    }
}

/// Bounds on one server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Longest time for resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// Longest time from a request to the head of its answer.
    pub answer: Duration,
    /// Most connections at once, streams included.
    pub connections: usize,
    /// Most idle connections kept.
    pub idle_connections: usize,
    /// How long an idle connection is kept. Shorter than the 5 s after which common servers close theirs, so that no request meets a closing one.
    pub idle: Duration,
    /// Most bytes of an answer's head.
    pub head_bytes: usize,
    /// Most fields of an answer's head.
    pub head_fields: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            connections: 256,
            idle_connections: 32,
            idle: Duration::from_secs(4),
            head_bytes: 64 * 1024,
            head_fields: 64,
        }
    }
}

/// One server, as the configuration names it.
#[derive(Debug)]
pub struct ServerTarget {
    pub(crate) url: Url,
    pub(crate) introduction: Introduction,
    pub(crate) listed: Vec<IpNet>,
    pub(crate) bounds: Bounds,
}

impl ServerTarget {
    /// The server at `url`. An address written literally in it is thereby listed, and so is loopback for the host `localhost`.
    ///
    /// # Errors
    /// [`Error::Url`]: neither `https:` nor `http:` to loopback, no host, a user or password, or a fragment.
    pub fn new(url: Url) -> Result<Self, Error> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url("it holds a user or a password"));
        }
        if url.fragment().is_some() {
            return Err(Error::Url("it holds a fragment"));
        }
        let listed = match url.host() {
            None => return Err(Error::Url("it has no host")),
            Some(Host::Ipv4(address)) => vec![IpNet::from(IpAddr::V4(address))],
            Some(Host::Ipv6(address)) => vec![IpNet::from(crate::address::plain(IpAddr::V6(address)))],
            Some(Host::Domain("localhost")) => localhost().map(IpNet::from).to_vec(),
            Some(Host::Domain(_)) => Vec::new(),
        };
        let loopback = !listed.is_empty() && listed.iter().all(|net| net.addr().is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(Error::Url("`http:` goes to loopback only")),
            _ => return Err(Error::Url("its scheme is not `https`")),
        }
        Ok(Self { url, introduction: Introduction::default(), listed, bounds: Bounds::default() })
    }

    /// Demands that the server's key is one of `pins`, beside a valid chain.
    #[must_use]
    pub fn pins(mut self, pins: Vec<SpkiPin>) -> Self {
        self.introduction.pins.keys = pins;
        self
    }

    /// Tries the pins out until then (seconds since 1970): a server whose key is none of them is spoken to, and told of.
    #[must_use]
    pub fn tried_until(mut self, seconds: u64) -> Self {
        self.introduction.pins.tried_until = Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        self
    }

    /// Tells `witness` of keys that are none of the pins.
    #[must_use]
    pub fn witness(mut self, witness: Arc<dyn Witness>) -> Self {
        self.introduction.pins.witness = Some(witness);
        self
    }

    /// Refuses what is on `lists`: one of each authority of the server's chain, none of them past its next update (RFC 5280 §5).
    #[must_use]
    pub fn revoked(mut self, lists: Vec<CertificateRevocationListDer<'static>>) -> Self {
        self.introduction.revoked = lists;
        self
    }

    /// Whether a certificate among `roots` may be the server's own.
    #[must_use]
    pub fn self_signed(mut self, self_signed: SelfSigned) -> Self {
        self.introduction.self_signed = self_signed;
        self
    }

    /// Trusts `roots` beside the system's.
    #[must_use]
    pub fn roots(mut self, roots: Vec<CertificateDer<'static>>) -> Self {
        self.introduction.roots = roots;
        self
    }

    /// Trusts `roots` and none of the system's.
    #[must_use]
    pub fn roots_alone(mut self, roots: Vec<CertificateDer<'static>>) -> Self {
        self.introduction.roots = roots;
        self.introduction.system = System::Distrusted;
        self
    }

    /// Trusts who shows exactly `certificate`, and nobody else, whoever has signed it: for a server whose certificate the caller has from itself.
    #[must_use]
    pub fn exactly(mut self, certificate: CertificateDer<'static>) -> Self {
        self.introduction.exactly = Some(certificate);
        self
    }

    /// Trusts whose chain leads to a root with one of these SHA-256 digests, if the only URI in its certificate is a SPIFFE id of this path, such as
    /// `/server/name`, and nobody else. The server must show that root with its chain.
    #[must_use]
    pub fn rooted(mut self, digests: Vec<[u8; 32]>, path: &'static str) -> Self {
        self.introduction.rooted = Some(Rooted { digests, path });
        self
    }

    /// Lets the name resolve into `listed` networks that are not public.
    #[must_use]
    pub fn listed(mut self, listed: Vec<IpNet>) -> Self {
        self.listed.extend(listed);
        self
    }

    /// Shows a certificate of our own to the server.
    #[must_use]
    pub fn identity(mut self, identity: ClientIdentity) -> Self {
        self.introduction.identity = Some(identity);
        self
    }

    /// Replaces the default bounds.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }
}

/// What `localhost` means, without asking a resolver (RFC 6761 §6.3).
pub(crate) fn localhost() -> [IpAddr; 2] {
    [IpAddr::from([127, 0, 0, 1]), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_loopback_only() {
        for good in ["http://127.0.0.1:1/mcp", "http://[::1]/", "http://localhost:80/x", "https://example.com/", "https://10.0.0.1/"] {
            assert!(ServerTarget::new(good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "https://a:b@example.com/",
            "https://example.com/#x",
        ] {
            assert!(ServerTarget::new(bad.parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pin_is_a_whole_digest() {
        assert!("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse::<SpkiPin>().is_ok());
        for bad in [
            "AAAA",
            "sha256/AAAA",
            "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(bad.parse::<SpkiPin>().is_err(), "{bad}");
        }
    }
}
