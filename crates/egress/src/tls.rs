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
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

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

/// A server of an authority of which the caller has no more than digests.
#[derive(Clone, Debug)]
pub(crate) struct Rooted {
    /// The SHA-256 of the roots, one of which it shows.
    pub(crate) digests: Vec<[u8; 32]>,
    /// The path of the SPIFFE id in its certificate, with its first slash: the same authority certifies other servers, too.
    pub(crate) path: &'static str,
}

impl Rooted {
    /// Whether the one URI in `leaf` is a SPIFFE id of that path (SPIFFE-ID §2).
    fn names(&self, leaf: &CertificateDer<'_>) -> bool {
        let Ok((_, parsed)) = parse_x509_certificate(leaf) else { return false };
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
        let mut ids = names.value.general_names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        let (id, further) = (ids.next(), ids.next());
        let path = id.and_then(|id| id.strip_prefix("spiffe://")).and_then(|rest| rest.find('/').and_then(|at| rest.get(at..)));
        further.is_none() && path == Some(self.path)
    }
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
    /// One of the roots that it shows, and whom it names, where the caller knows these alone.
    pub(crate) rooted: Option<Rooted>,
    pub(crate) identity: Option<ClientIdentity>,
}

impl Default for Introduction {
    fn default() -> Self {
        let (pins, roots, revoked) = (Pins::default(), Vec::new(), Vec::new());
        Self { pins, system: System::Trusted, roots, revoked, self_signed: SelfSigned::Taken, exactly: None, rooted: None, identity: None }
    }
}

/// Certificates that a peer may show behind its own, on either side. A verifier tries each as the issuer of each other: hundreds of them, whose names are well chosen, cost
/// seconds before anything is known of who shows them, and nothing else bounds their number.
pub const MOST_BEHIND: usize = 6;
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
    /// Whose chain leads to a root with one of these digests, which it shows, and that is named so.
    Rooted(Rooted),
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
        Trust::Rooted(rooted) => Known::Rooted(rooted),
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
    Rooted(Rooted),
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
        if intermediates.len() > MOST_BEHIND {
            return other;
        }
        let (chain, pins, alone) = match &self.known {
            Known::Chain { chain, pins, alone } => (chain, pins, alone),
            Known::Exactly(known) => return if known == leaf { Ok(ServerCertVerified::assertion()) } else { other },
            Known::Rooted(rooted) => {
                let root = intermediates.iter().find(|shown| rooted.digests.contains(&Sha256::digest(shown).into()));
                let Some(root) = root.filter(|_| rooted.names(leaf)) else { return other };
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

    /// An authority, and a server's certificate of it for localhost with these URIs.
    fn certified(uris: &[&str]) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let (key, mut parameters) = (KeyPair::generate().unwrap(), CertificateParams::default());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = parameters.self_signed(&key).unwrap().der().clone();
        let mut server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        server.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let leaf = server.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(parameters, key)).unwrap().der().clone();
        (root, leaf)
    }

    fn judge(known: Known, leaf: &CertificateDer<'_>, behind: &[CertificateDer<'_>]) -> Result<ServerCertVerified, rustls::Error> {
        let verifier = Verifier { known, provider: Arc::new(aws_lc_rs::default_provider()) };
        verifier.verify_server_cert(leaf, behind, &ServerName::try_from("localhost").unwrap(), &[], UnixTime::now())
    }

    #[test]
    fn of_an_authority_known_by_its_digest_the_one_server_that_is_meant_is_taken() {
        let cases: [(&[&str], bool); 6] = [
            (&["spiffe://example.org/server/gateway"], true),
            (&["spiffe://example.org/server/other"], false),
            (&["spiffe://example.org/deep/server/gateway"], false),
            (&["spiffe://example.org/server/other", "spiffe://example.org/server/gateway"], false),
            (&["https://example.org/server/gateway"], false),
            (&[], false),
        ];
        for (uris, taken) in cases {
            let (root, leaf) = certified(uris);
            let known = Known::Rooted(Rooted { digests: vec![Sha256::digest(&root).into()], path: "/server/gateway" });
            assert_eq!(judge(known, &leaf, &[root]).is_ok(), taken, "{uris:?}");
        }
    }

    #[test]
    fn a_chain_is_only_looked_at_if_it_is_no_longer_than_one_can_be() {
        for (behind, taken) in [(MOST_BEHIND, true), (MOST_BEHIND + 1, false)] {
            let (root, leaf) = certified(&[]);
            let mut roots = RootCertStore::empty();
            roots.add(root.clone()).unwrap();
            let provider = Arc::new(aws_lc_rs::default_provider());
            let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            let known = Known::Chain { chain, pins: Pins::default(), alone: Vec::new() };
            assert_eq!(judge(known, &leaf, &vec![root; behind]).is_ok(), taken, "{behind}");
        }
    }
}
