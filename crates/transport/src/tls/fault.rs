//! Why a handshake failed.

use rustls::{CertificateError, Error, PeerIncompatible};
use std::io;

/// Why a client was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Handshake {
    /// The client's: it was not done in time.
    #[error("the handshake was not done in time")]
    Slow,
    /// The client's: it left, or the connection broke.
    #[error("the client left during the handshake")]
    Left,
    /// The client's: it shows no certificate.
    #[error("the client shows no certificate")]
    Bare,
    /// The client's: its certificate does not say who it is.
    #[error("the client's certificate has no single SPIFFE or DNS name")]
    Nameless,
    /// The client's: its certificate has ended.
    #[error("the client's certificate has expired")]
    Expired,
    /// The client's: its certificate has not begun.
    #[error("the client's certificate is not valid yet")]
    NotYet,
    /// The client's: its certificate was taken back.
    #[error("the client's certificate was revoked")]
    Revoked,
    /// The client's: its certificate is of no authority that is trusted here.
    #[error("the client's certificate is of an unknown authority")]
    Stranger,
    /// The client's: its certificate is not for clients.
    #[error("the client's certificate is not for clients")]
    Purpose,
    /// The operator's: whether the certificate was taken back cannot be told, because the list has ended or is missing.
    #[error("whether the client's certificate was revoked cannot be told: the list of revocations has ended or is missing")]
    Unclear,
    /// The client's: its certificate is otherwise unfit: broken, weak, or signed by nobody.
    #[error("the client's certificate cannot be used")]
    Unfit,
    /// The client's: it speaks no TLS 1.3, or none of its algorithms.
    #[error("the client speaks no TLS 1.3 with an algorithm that is taken")]
    Old,
    /// The client's: what it sends is no TLS.
    #[error("what the client sends is no TLS")]
    Garbled,
    /// The operator's: the listener's own certificate has ended.
    #[error("the listener's own certificate has expired")]
    Ended,
}

impl Handshake {
    /// In a word, for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Left => "left",
            Self::Bare => "bare",
            Self::Nameless => "nameless",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Revoked => "revoked",
            Self::Stranger => "stranger",
            Self::Purpose => "purpose",
            Self::Unclear => "unclear",
            Self::Unfit => "unfit",
            Self::Old => "old",
            Self::Garbled => "garbled",
            Self::Ended => "ended",
        }
    }

    /// Why it failed with `cause`.
    pub(super) fn of(cause: &io::Error) -> Self {
        cause.get_ref().and_then(|cause| cause.downcast_ref::<Error>()).map_or(Self::Left, Self::of_error)
    }

    /// Why it failed as the library says.
    pub(super) fn of_error(cause: &Error) -> Self {
        match cause {
            Error::NoCertificatesPresented => Self::Bare,
            Error::InvalidCertificate(fault) => Self::of_certificate(fault),
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => Self::Unfit,
            Error::PeerIncompatible(_) => Self::Old,
            Error::AlertReceived(_) => Self::Left,
            _ => Self::Garbled,
        }
    }

    fn of_certificate(fault: &CertificateError) -> Self {
        match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer => Self::Stranger,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::Purpose,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::Unclear,
            _ => Self::Unfit,
        }
    }
}
