//! What can go wrong on the way out.

use crate::Unshaken;
use std::net::IpAddr;
use std::time::Duration;
use terms::Reach;

/// Why a request was not made, or not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's fault: the URL cannot be used.
    #[error("the URL cannot be used: {0}")]
    Url(&'static str),
    /// The operator's fault: a pin is not `sha256/` and the Base64 of 32 bytes.
    #[error("a pin is `sha256/` and the Base64 of the SHA-256 of a public key")]
    Pin,
    /// The operator's fault: a certificate or a key cannot be used.
    #[error("the TLS settings cannot be used")]
    Tls(#[source] rustls::Error),
    /// The operator's fault: a list of what was taken back cannot be read.
    #[error("the list of revoked certificates cannot be used")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// The system has no certificate that could be trusted.
    #[error("there is no trusted root certificate on this system")]
    NoRoots,
    /// The name did not resolve.
    #[error("the name could not be resolved")]
    Resolve(#[source] std::io::Error),
    /// The name resolved to nothing.
    #[error("the name has no address")]
    NoAddress,
    /// An address that may not be reached without being listed.
    #[error("the address `{address}` is {reach} and is not listed")]
    Address {
        /// The address, as resolved.
        address: IpAddr,
        /// Why it is refused.
        reach: Reach,
    },
    /// The connection could not be made.
    #[error("the connection could not be made: {0}")]
    Connect(std::io::Error),
    /// TLS could not be agreed on.
    #[error("{0}")]
    Shake(Unshaken),
    /// Something took longer than its bound.
    #[error("no {what} within {bound:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        bound: Duration,
    },
    /// All connections to this server are in use.
    #[error("all {0} connections to the server are in use")]
    Exhausted(usize),
    /// The connection broke before the request was written: it certainly did not arrive.
    #[error("the request could not be sent")]
    Unsent(#[source] hyper::Error),
    /// The connection broke after the request was written, or the answer is not HTTP: whether the request ran is unknown.
    #[error("the answer was lost")]
    Lost(#[source] hyper::Error),
    /// The peer's fault: the body is larger than it may be.
    #[error("the body is larger than {0} bytes")]
    TooLong(usize),
}

impl Error {
    /// Whether the request certainly did not reach the server, so that trying again cannot make it run twice.
    pub const fn never_sent(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::Pin
            | Self::Tls(_)
            | Self::Verifier(_)
            | Self::NoRoots
            | Self::Resolve(_)
            | Self::NoAddress
            | Self::Address { .. }
            | Self::Connect(_)
            | Self::Shake(_)
            | Self::Exhausted(_)
            | Self::Unsent(_) => true,
            Self::Timeout { what, .. } => matches!(what.as_bytes(), b"connection"),
            Self::Lost(_) | Self::TooLong(_) => false,
        }
    }
}
