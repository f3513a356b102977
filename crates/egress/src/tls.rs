//! TLS 1.3 to a server: its chain verified and asked for among what was taken back, its key pinned where pins are given.

use crate::{Error, SpkiPin};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
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

/// What became of a server whose key is none of its pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It was not spoken to.
    Refused,
    /// It was spoken to: the pins are only tried out.
    Taken,
}

/// Who is told of servers whose key is none of their pins: of each key once.
pub trait Witness: Send + Sync {
    /// The server has shown a certificate of this key.
    fn other_key(&self, seen: SpkiPin, departure: Departure);
}

/// Whether a certificate may be its own authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfSigned {
    /// Where it is named as one.
    Taken,
    /// Never.
    Refused,
}

/// The keys that a server may have; without any, the chain alone decides.
#[derive(Default)]
pub(crate) struct Pins {
    pub(crate) keys: Vec<SpkiPin>,
    /// Until when another key is only told of.
    pub(crate) tried_until: Option<UnixTime>,
    pub(crate) witness: Option<Arc<dyn Witness>>,
    /// Other keys that were told of, and what became of them.
    told: Mutex<Vec<(SpkiPin, Departure)>>,
}

/// What the system's roots are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// They are trusted.
    Trusted,
    /// They are not.
    Distrusted,
}

/// How a server is known, and what it is shown.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) pins: Pins,
    pub(crate) system: System,
    /// Authorities beside the system's.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    pub(crate) revoked: Vec<CertificateRevocationListDer<'static>>,
    pub(crate) self_signed: SelfSigned,
    /// The one certificate that it has, where the caller knows it.
    pub(crate) exactly: Option<CertificateDer<'static>>,
    /// The SHA-256 of the roots, one of which it shows, where the caller knows these alone.
    pub(crate) rooted: Vec<[u8; 32]>,
    pub(crate) identity: Option<ClientIdentity>,
}

impl Default for Introduction {
    fn default() -> Self {
        let (pins, roots, revoked) = (Pins::default(), Vec::new(), Vec::new());
        Self {
            pins,
            system: System::Trusted,
            roots,
            revoked,
            self_signed: SelfSigned::Taken,
            exactly: None,
            rooted: Vec::new(),
            identity: None,
        }
    }
}

/// How many other keys of one server are told of, of each departure.
const MOST_TOLD: usize = 16;

impl std::fmt::Debug for Pins {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pins").field("keys", &self.keys).field("tried_until", &self.tried_until).finish_non_exhaustive()
    }
}

/// The key that was seen is none of the pins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its key is {0}, which is none of its pins")]
pub struct OtherKey(SpkiPin);

impl Pins {
    fn judge(&self, seen: SpkiPin, now: UnixTime) -> Result<(), rustls::Error> {
        if self.keys.is_empty() || self.keys.contains(&seen) {
            return Ok(());
        }
        let tried = self.tried_until.is_some_and(|until| now < until);
        self.tell(seen, if tried { Departure::Taken } else { Departure::Refused });
        if tried {
            return Ok(());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(OtherKey(seen))))))
    }

    fn tell(&self, seen: SpkiPin, departure: Departure) {
        let mut told = self.told.lock();
        let alike = told.iter().filter(|(_, one)| *one == departure).count();
        if told.contains(&(seen, departure)) || alike >= MOST_TOLD {
            return;
        }
        told.push((seen, departure));
        drop(told);
        if let Some(witness) = &self.witness {
            witness.other_key(seen, departure);
        }
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
    /// Whose chain leads to one of the roots, was not taken back, and begins with one of the keys where there are any.
    Chain {
        /// The roots.
        roots: RootCertStore,
        /// The keys.
        pins: Pins,
        /// Lists of what was taken back, one of each authority of the chain; none: nobody is asked.
        revoked: Vec<CertificateRevocationListDer<'static>>,
        /// Certificates that are nobody's but their own: roots that no server may show as its own.
        alone: Vec<CertificateDer<'static>>,
    },
    /// Who shows exactly this certificate, whoever has signed it.
    Exactly(CertificateDer<'static>),
    /// Whose chain leads to a root with one of these digests, which it shows.
    Rooted(Vec<[u8; 32]>),
}

/// The settings for one server.
pub(crate) fn settings(inside: Inside, trust: Trust, identity: Option<ClientIdentity>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let known = match trust {
        Trust::Chain { roots, pins, revoked, alone } => {
            let mut chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            if !revoked.is_empty() {
                chain = chain.with_crls(revoked).enforce_revocation_expiration();
            }
            Known::Chain { chain: chain.build().map_err(Error::Verifier)?, pins, alone }
        }
        Trust::Exactly(leaf) => Known::Exactly(leaf),
        Trust::Rooted(digests) => Known::Rooted(digests),
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
    // A handshake that resumes another one shows no certificate (RFC 8446 §2.2), and what was good then may have ended or been taken back.
    settings.resumption = Resumption::disabled();
    Ok(Arc::new(settings))
}

/// By what a server's certificate is told.
#[derive(Debug)]
enum Known {
    Chain { chain: Arc<WebPkiServerVerifier>, pins: Pins, alone: Vec<CertificateDer<'static>> },
    Exactly(CertificateDer<'static>),
    Rooted(Vec<[u8; 32]>),
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
        let (chain, pins, alone) = match &self.known {
            Known::Chain { chain, pins, alone } => (chain, pins, alone),
            Known::Exactly(known) => return if known == leaf { Ok(ServerCertVerified::assertion()) } else { other },
            Known::Rooted(digests) => {
                let root = intermediates.iter().find(|shown| digests.contains(&Sha256::digest(shown).into()));
                let Some(root) = root else { return other };
                let mut roots = RootCertStore::empty();
                roots.add(root.clone().into_owned())?;
                let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
                return chain.map_err(|_| rustls::Error::General("no verifier".to_owned()))?.verify_server_cert(
                    leaf,
                    intermediates,
                    name,
                    ocsp,
                    now,
                );
            }
        };
        let verified = chain.verify_server_cert(leaf, intermediates, name, ocsp, now)?;
        if alone.iter().any(|one| one == leaf) {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        let key = ParsedCertificate::try_from(leaf)?.subject_public_key_info();
        pins.judge(SpkiPin(Sha256::digest(&*key).into()), now)?;
        Ok(verified)
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
