//! Why a handshake with a server failed, in words of ours: what a certificate says is never repeated.

use crate::tls::OtherKey;
use rustls::{AlertDescription, CertificateError, Error as Tls};
use std::io;

/// Why a handshake failed (RFC 8446, RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unshaken {
    /// Its certificate has ended.
    #[error("its certificate has ended")]
    Ended,
    /// Its certificate has not begun.
    #[error("its certificate has not begun yet")]
    NotBegun,
    /// Its certificate was taken back.
    #[error("its certificate was revoked")]
    Revoked,
    /// Nothing says whether its certificate was taken back.
    #[error("no list says whether its certificate was revoked")]
    Unlisted,
    /// The list of what was taken back has ended.
    #[error("the list of revocations has ended")]
    StaleList,
    /// The list of what was taken back is not signed by who signed the certificate.
    #[error("the list of revocations is not signed by its authority")]
    ForgedList,
    /// Its certificate leads to no authority that is known.
    #[error("its certificate is of no authority that is known")]
    Unknown,
    /// Its certificate names others.
    #[error("its certificate names another host")]
    OtherName,
    /// Its certificate is for something else.
    #[error("its certificate is not for servers")]
    OtherUse,
    /// Its key is none of the pins.
    #[error(transparent)]
    OtherKey(OtherKey),
    /// Its certificate is refused for another reason.
    #[error("its certificate cannot be accepted")]
    Certificate,
    /// It wants another certificate of us, or one at all.
    #[error("it does not accept the certificate that it was shown, or was shown none")]
    Ours,
    /// It does not speak TLS 1.3 as we do.
    #[error("it does not speak TLS 1.3")]
    Version,
    /// Anything else.
    #[error("the handshake failed")]
    Failed,
}

impl Unshaken {
    /// What the TLS library means; none where the connection failed and not the handshake.
    pub(crate) fn of(cause: &io::Error) -> Option<Self> {
        let cause = cause.get_ref()?.downcast_ref::<Tls>()?;
        Some(match cause {
            Tls::InvalidCertificate(cause) => Self::of_certificate(cause),
            Tls::InvalidCertRevocationList(_) => Self::ForgedList,
            Tls::PeerIncompatible(_) | Tls::AlertReceived(AlertDescription::ProtocolVersion) => Self::Version,
            Tls::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied,
            ) => Self::Ours,
            _ => Self::Failed,
        })
    }

    /// That the server did not accept what it was shown, which it says after the handshake is over for us (RFC 8446 §4.4.2.4): it has then read nothing.
    pub(crate) fn late(cause: &hyper::Error) -> Option<Self> {
        let cause = std::error::Error::source(cause)?.downcast_ref::<io::Error>()?;
        Self::of(cause).filter(|unshaken| *unshaken == Self::Ours)
    }

    fn of_certificate(cause: &CertificateError) -> Self {
        match cause {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Ended,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotBegun,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus => Self::Unlisted,
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => Self::StaleList,
            CertificateError::UnknownIssuer => Self::Unknown,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::OtherUse,
            CertificateError::Other(other) => match other.0.downcast_ref::<OtherKey>() {
                Some(key) => Self::OtherKey(key.clone()),
                None => Self::Certificate,
            },
            _ => Self::Certificate,
        }
    }
}
