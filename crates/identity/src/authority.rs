//! A certificate authority of our own: a root that signs one issuer below it, and that one certificates of hours to days.
//!
//! Names are SPIFFE ids under one trust domain: `spiffe://DOMAIN/agent/NAME`, `…/server/NAME`, `…/operator/NAME`, `…/replica/NAME`; listeners have host names
//! and addresses too. Keys are drawn by the cryptographic library; where they are kept is the caller's business. What was issued is behind [`Certificates`].
//!
//! Source: RFC 5280; SPIFFE X.509-SVID. Control: `identity.private-ca`.

mod code;
mod kept;
mod name;
mod outside;
mod request;
mod signer;

pub use code::Code;
pub use kept::{CertificateRecord, Certificates, Invitation, IssuerRecord, Origin, TakenBack};
pub use name::{Domain, NoDomain, Role, Subject, Unnameable};
pub use request::Request;
pub use signer::Signer;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::{Entropy, Secret, Utc};
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer as _};

/// How long a root lives.
pub const ROOT_LIFE: Duration = days(3650);
/// How long the issuer below it lives.
pub const ISSUER_LIFE: Duration = days(90);
/// The least and the most that a certificate lives.
pub const LIFE: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=days(30);
/// How long a list of what was taken back is good.
pub const LIST_LIFE: Duration = days(7);
/// By how much a certificate begins before it is made: clocks differ.
const BEFORE: Duration = Duration::from_secs(60);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

/// What an authority could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator's: a certificate lives that long at least and at most.
    #[error("a certificate lives for at least a minute and at most 30 days")]
    Life,
    /// The operator's: the issuer ends too soon.
    #[error("the issuer has ended, or does so within a minute: it must be renewed first")]
    Ended,
    /// The peer's: the request for a certificate cannot be read, or is not signed by its own key.
    #[error("the request is no PEM of a certificate request that its own key has signed, with a key that is strong enough")]
    Request,
    /// The peer's: the request names somebody else.
    #[error("the request names somebody else")]
    Named,
    /// What is kept of the authority cannot be read.
    #[error("the authority's certificate or key cannot be read")]
    Kept,
    /// The operator's: an outside issuer that cannot be one.
    #[error("this cannot issue: {0}")]
    Outside(&'static str),
    /// The library's.
    #[error("the certificate could not be made")]
    Make(#[source] rcgen::Error),
}

/// An authority and what signs for it.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, Signer>,
    chain: String,
    key_id: Vec<u8>,
    begins: Utc,
    ends: Utc,
}

/// What is kept of an authority whose key we drew.
#[derive(Debug)]
pub struct Kept {
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key, PEM (PKCS #8).
    pub key: Secret<String>,
}

/// A certificate that was issued.
#[derive(Debug)]
pub struct Issued {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// The chain, PEM, leaf first, without the root.
    pub chain: String,
    /// Its key, PEM, where we drew it.
    pub key: Option<Secret<String>>,
    /// The SHA-256 of its public key (SubjectPublicKeyInfo).
    pub public: [u8; 32],
    /// When it begins to count for its renewal.
    pub begins: Utc,
    /// When it ends.
    pub ends: Utc,
}

impl Authority {
    /// A new root of `domain`, and its key.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn root(domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Error> {
        let key = KeyPair::generate().map_err(Error::Make)?;
        let text = Secret::new(key.serialize_pem());
        Ok(Kept { certificate: Self::root_of(domain, &Signer::new(key), now, entropy)?, key: text })
    }

    /// The certificate, PEM, of a new root of `domain` for which `signer` signs.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn root_of(domain: &Domain, signer: &Signer, now: Utc, entropy: &dyn Entropy) -> Result<String, Error> {
        let mut parameters = dated(now, now.after(ROOT_LIFE), entropy);
        of_authority(&mut parameters, &format!("{domain} root"), BasicConstraints::Constrained(1));
        Ok(parameters.self_signed(signer).map_err(Error::Make)?.pem())
    }

    /// A new issuer of `domain` below this root, that signs no further ones.
    ///
    /// # Errors
    /// [`Error::Make`], [`Error::Ended`].
    pub fn below(&self, domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Error> {
        if now >= self.ends {
            return Err(Error::Ended);
        }
        let key = KeyPair::generate().map_err(Error::Make)?;
        let mut parameters = dated(now, now.after(ISSUER_LIFE).min(self.ends), entropy);
        of_authority(&mut parameters, &format!("{domain} issuer {}", named(&key)), BasicConstraints::Constrained(0));
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(Error::Make)?.pem();
        Ok(Kept { certificate, key: Secret::new(key.serialize_pem()) })
    }

    /// The authority of the first certificate of `chain` (PEM), for which `signer` signs.
    ///
    /// # Errors
    /// [`Error::Kept`], also where the key is another's.
    pub fn open(chain: &str, signer: Signer) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(chain.as_bytes()).map_err(|_| Error::Kept)?;
        let read = outside::Read::of(&der).ok_or(Error::Kept)?;
        if read.public != *signer.public() {
            return Err(Error::Kept);
        }
        let issuer = Issuer::from_ca_cert_der(&der, signer).map_err(|_| Error::Kept)?;
        Ok(Self { issuer, chain: chain.to_owned(), key_id: read.key_id, begins: read.begins, ends: read.ends })
    }

    /// Its certificate, PEM, with those between it and its root.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// When it began.
    pub fn begins(&self) -> Utc {
        self.begins
    }

    /// When it ends.
    pub fn ends(&self) -> Utc {
        self.ends
    }

    /// Signs a certificate for `subject`, and draws its key unless `request` brings one. Of a request its key alone is taken: whom it names, and for what, is
    /// the operator's word; one that names somebody else is refused. It ends with the issuer at the latest.
    ///
    /// # Errors
    /// [`Error::Life`], [`Error::Ended`], [`Error::Named`], [`Error::Make`].
    pub fn issue(
        &self,
        subject: &Subject,
        request: Option<&Request>,
        life: Duration,
        now: Utc,
        entropy: &dyn Entropy,
    ) -> Result<Issued, Error> {
        if !LIFE.contains(&life) {
            return Err(Error::Life);
        }
        let ends = now.after(life).min(self.ends);
        if ends < now.after(*LIFE.start()) {
            return Err(Error::Ended);
        }
        let mut parameters = dated(now, ends, entropy);
        let serial = parameters.serial_number.as_ref().map(|serial| hex::encode(serial.as_ref())).unwrap_or_default();
        parameters.distinguished_name.push(DnType::CommonName, subject.name());
        parameters.subject_alt_names = subject.alternatives().map_err(Error::Make)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = subject.role().usages().to_vec();
        parameters.use_authority_key_identifier_extension = true;
        let (certificate, key) = match request {
            Some(request) if !request.names_only(subject) => return Err(Error::Named),
            Some(request) => (parameters.signed_by(request.key(), &self.issuer), None),
            None => {
                let key = KeyPair::generate().map_err(Error::Make)?;
                (parameters.signed_by(&key, &self.issuer), Some(Secret::new(key.serialize_pem())))
            }
        };
        let certificate = certificate.map_err(Error::Make)?;
        let public = public_of(certificate.der()).ok_or(Error::Kept)?;
        Ok(Issued { serial, chain: format!("{}{}", certificate.pem(), self.chain), key, public, begins: now, ends })
    }

    /// The list of what this authority has taken back, PEM. `number` rises with each list.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn list(&self, taken_back: &[TakenBack], number: u64, now: Utc) -> Result<String, Error> {
        let revoked = taken_back.iter().map(|one| RevokedCertParams {
            serial_number: SerialNumber::from(hex::decode(&one.serial).unwrap_or_default()),
            revocation_time: time(one.at).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (time(now) - BEFORE).into(),
            next_update: time(now.after(LIST_LIFE)).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::PreSpecified(self.key_id.clone()),
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(Error::Make)
    }
}

/// When a certificate that lives from `begins` to `ends` is to be renewed: after two thirds of its life.
pub fn renewal(begins: Utc, ends: Utc) -> Utc {
    let life = ends.nanos().saturating_sub(begins.nanos());
    begins.after(Duration::from_nanos(life / 3 * 2))
}

/// The SHA-256 of the first certificate in `pem`; none, where there is none.
pub fn fingerprint(pem: &str) -> Option<[u8; 32]> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|der| Sha256::digest(&der).into())
}

/// Judges an outside issuer: the certificates in `chain` (PEM, issuer first, up to its root or below), the root in `root` where it is apart, and what signs.
/// Gives its chain without the root, and the root.
///
/// # Errors
/// [`Error::Outside`]: it is no authority, its key is another's, its chain does not hold, or it has ended.
pub fn judge(chain: &str, root: Option<&str>, signer: &Signer, now: Utc) -> Result<(String, String), Error> {
    outside::judge(chain, root, signer, now)
}

/// The SHA-256 of the public key in a certificate (DER); none, where it cannot be read.
pub fn public_of(der: &[u8]) -> Option<[u8; 32]> {
    outside::Read::of(der).map(|read| Sha256::digest(&read.public).into())
}

/// When the first certificate in `pem` begins and ends; none, where there is none.
pub fn validity(pem: &str) -> Option<(Utc, Utc)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    outside::Read::of(&der).map(|read| (read.begins, read.ends))
}

/// When that list of revocations in `pem` begins and ends which ends first; none, where there is none or one cannot be read or has no end.
pub fn lists_validity(pem: &[u8]) -> Option<(Utc, Utc)> {
    let validity = |der: Result<CertificateRevocationListDer<'_>, _>| {
        let der = der.ok()?;
        let (_, list) = CertificateRevocationList::from_der(&der).ok()?;
        let utc = |time: ASN1Time| u64::try_from(time.timestamp()).map(Utc::from_seconds).ok();
        Some((utc(list.last_update())?, utc(list.next_update()?)?))
    };
    let all = CertificateRevocationListDer::pem_slice_iter(pem).map(validity).collect::<Option<Vec<_>>>()?;
    all.into_iter().min_by_key(|(_, ends)| *ends)
}

/// What tells an issuer from those before and after it: lists of what was taken back are looked up by the issuer's name (RFC 5280 §6.3.3).
fn named(key: &KeyPair) -> String {
    Sha256::digest(key.subject_public_key_info()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn of_authority(parameters: &mut CertificateParams, name: &str, constraints: BasicConstraints) {
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(constraints);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = true;
}

fn dated(now: Utc, ends: Utc, entropy: &dyn Entropy) -> CertificateParams {
    let (mut parameters, mut serial) = (CertificateParams::default(), [0; 16]);
    entropy.fill(&mut serial);
    // RFC 5280 §4.1.2.2: positive, and the same in print as in DER.
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.not_before = (time(now) - BEFORE).into();
    parameters.not_after = time(ends).into();
    parameters
}

fn time(at: Utc) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.seconds())
}

impl Role {
    const fn usages(self) -> &'static [ExtendedKeyUsagePurpose] {
        match self {
            Self::Agent | Self::Operator => &[ExtendedKeyUsagePurpose::ClientAuth],
            Self::Server => &[ExtendedKeyUsagePurpose::ServerAuth],
            Self::Replica => &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        }
    }
}

impl Subject {
    fn alternatives(&self) -> Result<Vec<SanType>, rcgen::Error> {
        let mut names = vec![SanType::URI(self.id().as_str().try_into()?)];
        for host in self.hosts() {
            names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into()?),
            });
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
