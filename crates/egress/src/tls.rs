//! TLS 1.3 to a server: its chain verified, its key pinned where pins are given.

use crate::{Error, SpkiPin};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A certificate chain of our own and its key, shown to servers that ask for one.
pub struct ClientIdentity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ClientIdentity(…)")
    }
}

/// The system's trusted roots; those that cannot be read are left out.
///
/// # Errors
/// [`Error::NoRoots`] when none is left.
pub(crate) fn system_roots() -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(Error::NoRoots) } else { Ok(store) }
}

/// What is spoken inside TLS (RFC 7301, and IANA's registry of protocol ids).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// HTTP/1.1.
    Http,
    /// DNS (RFC 7858).
    Dns,
}

impl Inside {
    const fn id(self) -> &'static [u8] {
        match self {
            Self::Http => b"http/1.1",
            Self::Dns => b"dot",
        }
    }
}

/// Which servers are trusted.
pub(crate) enum Trust {
    /// Whose chain leads to one of the roots, and holds one of the keys where there are any.
    Chain {
        /// The roots.
        roots: RootCertStore,
        /// The keys.
        pins: Vec<SpkiPin>,
    },
    /// Who shows exactly this certificate, whoever has signed it.
    Exactly(CertificateDer<'static>),
}

/// The settings for one server.
pub(crate) fn settings(inside: Inside, trust: Trust, identity: Option<ClientIdentity>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let known = match trust {
        Trust::Chain { roots, pins } => {
            let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            Known::Chain { chain: chain.map_err(|_| Error::NoRoots)?, pins }
        }
        Trust::Exactly(leaf) => Known::Exactly(leaf),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Error::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { known, provider }));
    let mut settings = match identity {
        Some(ClientIdentity { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(Error::Tls)?,
        None => builder.with_no_client_auth(),
    };
    settings.alpn_protocols = vec![inside.id().to_vec()];
    Ok(Arc::new(settings))
}

/// By what a server's certificate is told.
#[derive(Debug)]
enum Known {
    Chain { chain: Arc<WebPkiServerVerifier>, pins: Vec<SpkiPin> },
    Exactly(CertificateDer<'static>),
}

/// Verifies the chain as usual and then the key against the pins, without which the chain alone decides; or that it is the one certificate.
#[derive(Debug)]
struct Verifier {
    known: Known,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let other = Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        let (chain, pins) = match &self.known {
            Known::Chain { chain, pins } => (chain, pins),
            Known::Exactly(known) => return if known == leaf { Ok(ServerCertVerified::assertion()) } else { other },
        };
        let verified = chain.verify_server_cert(leaf, intermediates, name, ocsp, now)?;
        if pins.is_empty() {
            return Ok(verified);
        }
        let key = ParsedCertificate::try_from(leaf)?.subject_public_key_info();
        let digest: [u8; 32] = Sha256::digest(&*key).into();
        if pins.iter().any(|pin| pin.0 == digest) { Ok(verified) } else { other }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
