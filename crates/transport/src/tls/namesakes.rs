//! Authorities of the same name, such as one before and after its key was changed.
//!
//! A verifier looks the list of an issuer up by the issuer's name alone, and would judge what one of them has issued by the list of the other. Each has a
//! verifier of its own here, and whom one of these lets in is let in.

use super::holder::Holder;
use egress::MOST_BEHIND;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// A verifier for each, the first being the only one where no two have the same name.
#[derive(Debug)]
pub(super) struct Namesakes {
    first: Holder,
    others: Vec<Holder>,
}

impl Namesakes {
    /// Lets in whom `first` or one of `others` takes; these have no name that the first has not.
    pub(super) fn new(first: Holder, others: Vec<Holder>) -> Self {
        Self { first, others }
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
        self.first.client.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.first.client.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.len() > MOST_BEHIND {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let mut told = match self.first.verify(leaf, intermediates, now) {
            Ok(good) => return Ok(good),
            Err(cause) => cause,
        };
        for other in &self.others {
            match other.verify(leaf, intermediates, now) {
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
        self.first.client.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.client.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.client.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::RootCertStore;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::server::WebPkiClientVerifier;
    use std::sync::Arc;

    #[test]
    fn a_chain_is_only_looked_at_if_it_is_no_longer_than_one_can_be() {
        let signed = || CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(signed()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider())).build().unwrap();
        let namesakes = Namesakes::new(Holder::client(verifier), Vec::new());
        let (leaf, behind) = (signed(), vec![signed(); MOST_BEHIND + 1]);
        let told = |count: usize| namesakes.verify_client_cert(&leaf, &behind[..count], UnixTime::now()).unwrap_err();
        assert_eq!(told(MOST_BEHIND), Error::InvalidCertificate(CertificateError::BadSignature));
        assert_eq!(told(MOST_BEHIND + 1), Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
    }
}
