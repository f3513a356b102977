//! Authorities of the same name, such as one before and after its key was changed.
//!
//! A verifier looks the list of an issuer up by the issuer's name alone, and would judge what one of them has issued by the list of the other. Each has a
//! verifier of its own here, and whom one of these lets in is let in.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// A verifier for each.
#[derive(Debug)]
pub(super) struct Namesakes {
    first: Arc<dyn ClientCertVerifier>,
    others: Vec<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
}

impl Namesakes {
    /// Lets in whom `first` or one of `others` lets in.
    pub(super) fn new(first: Arc<dyn ClientCertVerifier>, others: Vec<Arc<dyn ClientCertVerifier>>) -> Self {
        // The others have no name that the first has not.
        let hints = first.root_hint_subjects().to_vec();
        Self { first, others, hints }
    }
}

/// Whether `cause` holds whoever of them is asked.
const fn is_certain(cause: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext, NotValidYet, NotValidYetContext, Revoked};
    matches!(
        cause,
        Error::InvalidCertificate(
            Revoked
                | Expired
                | ExpiredContext { .. }
                | NotValidYet
                | NotValidYetContext { .. }
                | InvalidPurpose
                | InvalidPurposeContext { .. }
        )
    )
}

impl ClientCertVerifier for Namesakes {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn client_auth_mandatory(&self) -> bool {
        self.first.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut told = match self.first.verify_client_cert(leaf, intermediates, now) {
            Ok(good) => return Ok(good),
            Err(cause) => cause,
        };
        for other in &self.others {
            match other.verify_client_cert(leaf, intermediates, now) {
                Ok(good) => return Ok(good),
                Err(cause) if is_certain(&cause) && !is_certain(&told) => told = cause,
                Err(_) => {}
            }
        }
        Err(told)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }
}
