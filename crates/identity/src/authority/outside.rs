//! Certificates of authorities that others made, read and judged.

use super::{Error, Signer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use terms::Utc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

/// Certificates that a chain may have.
const MOST: usize = 8;
/// Bytes that a file of them may have.
const MOST_BYTES: usize = 128 * 1024;
/// The least bits of an RSA key.
const RSA_BITS: usize = 2048;

/// What is read of a certificate.
pub(super) struct Read {
    pub(super) public: Vec<u8>,
    pub(super) key_id: Vec<u8>,
    pub(super) begins: Utc,
    pub(super) ends: Utc,
}

impl Read {
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let seconds = |at: i64| u64::try_from(at).map(Utc::from_seconds).ok();
        let key_id = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Some(Self {
            public: certificate.public_key().raw.to_vec(),
            key_id: key_id.unwrap_or_default(),
            begins: seconds(certificate.validity().not_before.timestamp())?,
            ends: seconds(certificate.validity().not_after.timestamp())?,
        })
    }
}

fn all(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    const NONE: Error = Error::Outside("its certificates cannot be read");
    if pem.len() > MOST_BYTES {
        return Err(NONE);
    }
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|_| NONE)?;
    if found.is_empty() || found.len() > MOST { Err(NONE) } else { Ok(found) }
}

/// See [`super::judge`].
pub(super) fn judge(chain: &str, root: Option<&str>, signer: &Signer, now: Utc) -> Result<(String, String), Error> {
    let mut ders = all(chain)?;
    if let Some(root) = root {
        ders.extend(all(root)?.into_iter().take(1));
    }
    let parsed = ders
        .iter()
        .map(|der| {
            X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| Error::Outside("a certificate cannot be read"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut way = Vec::new();
    for (at, certificate) in parsed.iter().enumerate() {
        authority(certificate, at, now)?;
        way.push(at);
        if certificate.issuer() == certificate.subject() {
            break;
        }
        if let Some(above) = parsed.get(at + 1)
            && (certificate.issuer() != above.subject() || certificate.verify_signature(Some(above.public_key())).is_err())
        {
            return Err(Error::Outside("a certificate of its chain is not signed by the next"));
        }
    }
    let (Some(first), Some(last)) = (parsed.first(), way.last().and_then(|at| parsed.get(*at))) else {
        return Err(Error::Outside("it has no certificate"));
    };
    if last.issuer() == last.subject() && last.verify_signature(None).is_err() {
        return Err(Error::Outside("its root has not signed itself"));
    }
    if root.is_some() && way.len() != parsed.len() {
        return Err(Error::Outside("its chain does not lead to that root"));
    }
    if first.public_key().raw != signer.public().as_slice() {
        return Err(Error::Outside("the key is not that of its certificate"));
    }
    // An authority without anything above it is its own root.
    let between = way.len().saturating_sub(1).max(1);
    let text = |der: &CertificateDer<'_>| pem(der);
    let below: String = ders.iter().take(between).map(text).collect();
    let top = way.last().and_then(|at| ders.get(*at)).map(text).unwrap_or_default();
    Ok((below, top))
}

fn authority(certificate: &X509Certificate<'_>, depth: usize, now: Utc) -> Result<(), Error> {
    let constraints = certificate.basic_constraints().ok().flatten().filter(|found| found.value.ca);
    let Some(constraints) = constraints else { return Err(Error::Outside("it is no authority")) };
    // Below the one at `depth` stand `depth` authorities.
    if constraints.value.path_len_constraint.is_some_and(|most| usize::try_from(most).is_ok_and(|most| most < depth)) {
        return Err(Error::Outside("its chain is longer than an authority in it allows"));
    }
    let usage = certificate.key_usage().ok().flatten();
    if usage.is_some_and(|usage| !usage.value.key_cert_sign() || (depth == 0 && !usage.value.crl_sign())) {
        return Err(Error::Outside("its key may not sign certificates and lists"));
    }
    let seconds = |at: i64| u64::try_from(at).unwrap_or(0);
    if seconds(certificate.validity().not_after.timestamp()) <= now.seconds() {
        return Err(Error::Outside("it has ended"));
    }
    if seconds(certificate.validity().not_before.timestamp()) > now.seconds() {
        return Err(Error::Outside("it has not begun"));
    }
    strong(certificate.public_key().parsed().ok()).then_some(()).ok_or(Error::Outside("its key is too weak"))
}

/// Whether a key may be used: RSA of at least 2048 bits, or one on a curve.
pub(super) fn strong(key: Option<PublicKey<'_>>) -> bool {
    match key {
        Some(PublicKey::RSA(key)) => key.key_size() >= RSA_BITS,
        Some(PublicKey::EC(_) | PublicKey::Unknown(_)) => true,
        Some(_) | None => false,
    }
}

/// A certificate as PEM.
fn pem(der: &[u8]) -> String {
    pem_of(der, "CERTIFICATE")
}

/// What is called `label`, as PEM (RFC 7468).
pub(super) fn pem_of(der: &[u8], label: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}
