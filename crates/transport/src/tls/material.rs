//! What a listener holds: its certificate and key, and whom it lets in. Judged before it is put to use, so that what is broken never replaces what works.

use super::fault::Handshake;
use super::holder::Holder;
use super::namesakes::Namesakes;
use super::{Certificate, Inside};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};
use x509_parser::public_key::PublicKey;

/// Certificates that a chain, or a file of authorities, may have.
const MOST: usize = 64;
/// Bytes that a file of certificates may have.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// The least bits of an RSA key.
const RSA_BITS: usize = 2048;

/// What a listener is to hold, as PEM (RFC 7468).
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// Its chain, leaf first.
    pub chain: &'a [u8],
    /// The leaf's key.
    pub key: &'a [u8],
    /// Whom it lets in; everybody, where there are none.
    pub clients: Option<Clients<'a>>,
}

/// Whose clients are let in.
#[derive(Clone, Copy)]
pub struct Clients<'a> {
    /// The authorities that their certificates come from.
    pub authorities: &'a [u8],
    /// What the authorities have taken back: a list of each that is below a root. Without it nothing is taken back.
    pub revoked: Option<&'a [u8]>,
    /// What the name in a certificate begins with, one of these; any name, where there are none.
    pub names: &'a [String],
    /// What they are asked for.
    pub asked: Asked,
}

/// What clients are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A certificate for clients.
    Client,
    /// A certificate for clients or for servers, or none. One that is shown is verified all the same.
    Holder,
}

/// What is demanded of the material beyond what TLS demands.
#[derive(Clone, Debug)]
pub struct Standard {
    /// What may be spoken inside.
    pub inside: &'static [Inside],
    /// Whose certificates may be shown.
    pub issuer: Issuer,
}

/// Whose certificates a listener may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// Anybody's, its own included.
    Any,
    /// An authority's.
    Authority,
}

/// What is wrong with the material: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not PEM, or nothing of what is sought in it.
    #[error("{what} is not PEM with {sought} in it")]
    Pem {
        /// Of what.
        what: &'static str,
        /// What is sought.
        sought: &'static str,
    },
    /// Too long, or too many parts.
    #[error("{0} is too large")]
    Large(&'static str),
    /// A certificate in it cannot be read.
    #[error("a certificate of {0} cannot be read")]
    Certificate(&'static str),
    /// It has ended.
    #[error("the certificate has expired")]
    Expired,
    /// It has not begun.
    #[error("the certificate is not valid yet")]
    NotYet,
    /// It is signed by nobody but itself.
    #[error("the certificate is signed by itself, which `profile: production` does not take")]
    SelfSigned,
    /// A key is too short, or a signature of a kind that is broken.
    #[error("{0} has a key or a signature that is too weak")]
    Weak(&'static str),
    /// The key is not that of the leaf.
    #[error("the key is not that of the certificate, or of a kind that is not taken")]
    Key,
    /// A list of revocations has ended.
    #[error("a list of revocations has ended")]
    Stale,
    /// A list of revocations is signed by none of the authorities.
    #[error("a list of revocations is not signed by an authority of the clients")]
    Forged,
    /// What TLS says of it.
    #[error("the authorities cannot be used")]
    Authorities,
}

/// What a listener holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) settings: Arc<ServerConfig>,
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) asked: Asked,
    names: Vec<String>,
    /// When its own certificate ends, in seconds since 1970.
    pub(super) ends: u64,
}

impl Held {
    pub(super) fn new(material: &Material<'_>, standard: &Standard, now: UnixTime) -> Result<Self, Unfit> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates("certificate", material.chain)?;
        let ends = leaf(&chain, standard.issuer, now)?;
        let key = PrivateKeyDer::from_pem_slice(material.key).map_err(|_| Unfit::Pem { what: "key", sought: "a private key" })?;
        let clients = material.clients.map(|clients| verifier(&clients, &provider, now)).transpose()?;
        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).map_err(|_| Unfit::Key)?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut settings = builder.with_single_cert(chain, key).map_err(|_| Unfit::Key)?;
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
        settings.alpn_protocols = standard.inside.iter().map(|inside| inside.id().to_vec()).collect();
        let asked = material.clients.map_or(Asked::Client, |clients| clients.asked);
        let names = material.clients.map(|clients| clients.names.to_vec()).unwrap_or_default();
        Ok(Self { settings: Arc::new(settings), clients, asked, names, ends })
    }

    /// Judges a client's certificate as a handshake at `now` would.
    ///
    /// # Errors
    /// Why it would not be let in.
    pub(super) fn judge(&self, certificate: &Certificate, now: UnixTime) -> Result<(), Handshake> {
        let Some(verifier) = &self.clients else { return Ok(()) };
        if !self.knows(certificate.identity()) {
            return Err(Handshake::Purpose);
        }
        let (leaf, intermediates) = certificate.chain().split_first().ok_or(Handshake::Bare)?;
        verifier.verify_client_cert(leaf, intermediates, now).map(drop).map_err(|cause| Handshake::of_error(&cause))
    }

    /// Whether the name in a certificate is one of those that are let in.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|start| name.starts_with(start.as_str()))
    }
}

/// Judges the chain that is shown; gives when its leaf ends.
fn leaf(chain: &[CertificateDer<'_>], issuer: Issuer, now: UnixTime) -> Result<u64, Unfit> {
    let parsed = chain.iter().map(|der| parse("certificate", der)).collect::<Result<Vec<_>, _>>()?;
    let leaf = parsed.first().ok_or(Unfit::Pem { what: "certificate", sought: "a certificate" })?;
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    let validity = leaf.validity();
    let ends = seconds(validity.not_after.timestamp());
    if now.as_secs() >= ends {
        return Err(Unfit::Expired);
    }
    if now.as_secs() < seconds(validity.not_before.timestamp()) {
        return Err(Unfit::NotYet);
    }
    if issuer == Issuer::Authority && leaf.issuer() == leaf.subject() && leaf.verify_signature(None).is_ok() {
        return Err(Unfit::SelfSigned);
    }
    Ok(ends)
}

fn verifier(clients: &Clients<'_>, provider: &Arc<CryptoProvider>, now: UnixTime) -> Result<Arc<dyn ClientCertVerifier>, Unfit> {
    let authorities = certificates("client_ca", clients.authorities)?;
    let parsed = authorities.iter().map(|der| parse("client_ca", der)).collect::<Result<Vec<_>, _>>()?;
    let Some(revoked) = clients.revoked else {
        let all = judge(&authorities, Vec::new(), clients.asked, provider)?;
        return Ok(Arc::new(Namesakes::new(all, Vec::new())));
    };
    let lists = lists(revoked, &parsed, now)?;
    let mut rounds: Vec<(Vec<CertificateDer<'static>>, Vec<CertificateRevocationListDer<'static>>)> = Vec::new();
    for (at, authority) in parsed.iter().enumerate() {
        let namesakes = parsed.iter().take(at).filter(|earlier| is_namesake(earlier, authority)).count();
        if namesakes == rounds.len() {
            rounds.push(Default::default());
        }
        let Some((members, taken_back)) = rounds.get_mut(namesakes) else { continue };
        members.extend(authorities.get(at).cloned());
        taken_back.extend(lists.iter().filter(|(signer, _)| *signer == at).map(|(_, list)| list.clone()));
    }
    // Of whom no list speaks nobody can tell what was taken back.
    rounds.retain(|(_, lists)| !lists.is_empty());
    let mut judges = rounds.into_iter().map(|(members, lists)| judge(&members, lists, clients.asked, provider));
    let first = judges.next().ok_or(Unfit::Authorities)??;
    let others = judges.collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Namesakes::new(first, others)))
}

/// Whether both have one name and different keys.
fn is_namesake(one: &X509Certificate<'_>, other: &X509Certificate<'_>) -> bool {
    one.subject() == other.subject() && one.public_key().raw != other.public_key().raw
}

/// Lets in whom these authorities vouch for and no list takes back; where there are no lists, nothing is taken back.
fn judge(
    authorities: &[CertificateDer<'static>],
    lists: Vec<CertificateRevocationListDer<'static>>,
    asked: Asked,
    provider: &Arc<CryptoProvider>,
) -> Result<Holder, Unfit> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|_| Unfit::Certificate("client_ca"))?;
    }
    let roots = Arc::new(roots);
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
    if !lists.is_empty() {
        builder = builder.with_crls(lists.clone()).enforce_revocation_expiration();
    }
    if asked == Asked::Client {
        return builder.build().map(Holder::client).map_err(|_| Unfit::Authorities);
    }
    let client = builder.allow_unauthenticated().build().map_err(|_| Unfit::Authorities)?;
    Holder::new(client, roots, lists, provider)
}

/// The lists in `pem`, none of which has ended, each with the place of the authority that has signed it.
fn lists(
    pem: &[u8],
    authorities: &[X509Certificate<'_>],
    now: UnixTime,
) -> Result<Vec<(usize, CertificateRevocationListDer<'static>)>, Unfit> {
    const NONE: Unfit = Unfit::Pem { what: "crl", sought: "a list of revocations" };
    if pem.len() > 16 * MOST_BYTES {
        return Err(Unfit::Large("crl"));
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| NONE)?;
    if lists.is_empty() {
        return Err(NONE);
    }
    let signed = |der: CertificateRevocationListDer<'static>| {
        let (_, list) = CertificateRevocationList::from_der(&der).map_err(|_| NONE)?;
        let ended = list.next_update().is_none_or(|next| u64::try_from(next.timestamp()).unwrap_or(0) <= now.as_secs());
        if ended {
            return Err(Unfit::Stale);
        }
        let signer = authorities
            .iter()
            .position(|authority| authority.subject() == list.issuer() && list.verify_signature(authority.public_key()).is_ok());
        Ok((signer.ok_or(Unfit::Forged)?, der))
    };
    lists.into_iter().map(signed).collect()
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    if pem.len() > MOST_BYTES {
        return Err(Unfit::Large(what));
    }
    let none = || Unfit::Pem { what, sought: "a certificate" };
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
    match found.len() {
        0 => Err(none()),
        1..=MOST => Ok(found),
        _ => Err(Unfit::Large(what)),
    }
}

/// Reads a certificate that is not weak: an RSA key of at least 2048 bits, and no signature over MD5 or SHA-1.
fn parse<'a>(what: &'static str, der: &'a [u8]) -> Result<X509Certificate<'a>, Unfit> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Unfit::Certificate(what))?;
    if !rest.is_empty() {
        return Err(Unfit::Certificate(what));
    }
    let short = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < RSA_BITS,
        Ok(PublicKey::EC(_)) => false,
        Ok(PublicKey::Unknown(_)) => false,
        Ok(PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_)) => true,
        Err(_) => return Err(Unfit::Certificate(what)),
    };
    // RFC 8017 appendix A.2.4 and RFC 5758 §3.2: md5WithRSA, sha1WithRSA, ecdsa-with-SHA1, dsa-with-sha1.
    let signature = certificate.signature_algorithm.algorithm.to_id_string();
    let broken = ["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.10040.4.3"].contains(&signature.as_str());
    let roots_own = certificate.issuer() == certificate.subject();
    if short || (broken && !roots_own) {
        return Err(Unfit::Weak(what));
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa};
    use rcgen::{Issuer as Signer, KeyPair};

    const ANY: Standard = Standard { inside: &[Inside::Http1], issuer: Issuer::Any };
    const SIGNED: Standard = Standard { inside: &[Inside::Http1], issuer: Issuer::Authority };

    /// A key of 1024 bits that has signed itself.
    const SHORT: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIB/DCCAWWgAwIBAgIUK/VY5a6R5ih8lcWJbyo9xthWSNQwDQYJKoZIhvcNAQEL\n\
        BQAwEDEOMAwGA1UEAwwFc2hvcnQwHhcNMjYxMTIyMTMwODQ2WhcNMzYxMTE5MTMw\n\
        ODQ2WjAQMQ4wDAYDVQQDDAVzaG9ydDCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC\n\
        gYEAsK5jPIPXNsMYDBnwynpdPYuSA0Szup2W8G3TZ2phNKRRZTOYveiLjgZ9Jfcm\n\
        94gwVLOx/xVXJ0/ULOe0q5pqQZwkZP01OTJvcbZqY8Ge+omNmO29RaIoZHlRZ1CB\n\
        E6ZSTL29d6m90+YId7OblB3bV+Rsp4oR+BKB6/NPuvZCAR0CAwEAAaNTMFEwHQYD\n\
        VR0OBBYEFEW8LCpOQXs+BaQ7Xucv0I87oP2JMB8GA1UdIwQYMBaAFEW8LCpOQXs+\n\
        BaQ7Xucv0I87oP2JMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEA\n\
        ovk9U7l9jQj5YLHC18M5N9zUoBCY4rwF5zqWHkBoFbFZVtshm47Ef09PNFAVeY+a\n\
        8xj6HfwPyLA5Fnn8ItM3+gTVr4Pk9xaRaVDt0TmQp4OVCGQE3sGJg5E0sg+sRgpU\n\
        NGtDFex+bUcNAHX8cKzRBu7aZ/LYefkLRmOBvI3Ye7w=\n\
        -----END CERTIFICATE-----\n\
        ";
    /// A leaf that an authority has signed over SHA-1.
    const SHA1: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIB1zCBwAIUBKG1KXrv6PpgoRXF5iTesvq20N8wDQYJKoZIhvcNAQEFBQAwDTEL\n\
        MAkGA1UEAwwCY2EwHhcNMjYxMTIyMTMwODQ2WhcNMzYxMTE5MTMwODQ2WjAPMQ0w\n\
        CwYDVQQDDARsZWFmMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECuiVIZgb5Jp3\n\
        o1m37pjm7mcZz+rxmFgyOSNOVqeAxfVI8VKaaS4BRYBmusdRzIzPha/2Eai4sXlr\n\
        H0lg4UQHvDANBgkqhkiG9w0BAQUFAAOCAQEAa5ntt5aFxkqWwUwM/8KqA773Hcm0\n\
        zvAXofX4ahQeBg6OT7Y+Lv3CWkeJbN4E9Z/fFIFcVWXQgCqQ+ynu4mjUitc6R//i\n\
        qQHkp6oBUVYywAvyw0yNvxMc1NFAVi/hMkTNBq3h0bsvSwcL2WEa+uSLttWLfM82\n\
        rigrrGh44weeRtLP6yBqUCyAihMDn5h6TMm4UCLyKTn/4gqJmr2MAlqGm9IKcEVx\n\
        CMhmtWHszIXazlVseSziUdwy6npFATRuTISnIVmFsQIOONlAEvTka6uyGVzzCb+M\n\
        Dlq/MPiaN0R9NjaF/osljXiUZ6rsswAOVToXyFRRb6qeP6wSbBjJ7ISEPQ==\n\
        -----END CERTIFICATE-----\n\
        ";

    fn judged(chain: &str, key: &str, standard: &Standard) -> Option<Unfit> {
        Held::new(&Material { chain: chain.as_bytes(), key: key.as_bytes(), clients: None }, standard, UnixTime::now()).err()
    }

    #[test]
    fn what_is_weak_is_refused_whoever_has_signed_it() {
        for weak in [SHORT, SHA1] {
            assert_eq!(judged(weak, "", &ANY), Some(Unfit::Weak("certificate")));
        }
    }

    #[test]
    fn what_is_signed_by_itself_is_taken_only_where_anything_is() {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        assert_eq!(judged(&own, &key.serialize_pem(), &ANY), None);
        assert_eq!(judged(&own, &key.serialize_pem(), &SIGNED), Some(Unfit::SelfSigned));
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
        let signer = Signer::new(authority, KeyPair::generate().unwrap());
        let signed = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &signer).unwrap().pem();
        assert_eq!(judged(&signed, &key.serialize_pem(), &SIGNED), None);
        assert_eq!(judged(&signed, &KeyPair::generate().unwrap().serialize_pem(), &SIGNED), Some(Unfit::Key));
    }
}
