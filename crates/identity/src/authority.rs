//! A certificate authority of our own: a root that signs one authority below it, and that one certificates of hours to days.
//!
//! Names are SPIFFE ids under one trust domain: `spiffe://DOMAIN/agent/NAME`, `…/server/NAME`, `…/operator/NAME`, `…/replica/NAME`; listeners have host names
//! and addresses too. Keys are drawn by the cryptographic library; where they are kept is the caller's business.
//!
//! Source: RFC 5280; SPIFFE X.509-SVID. Control: `identity.private-ca`.

mod name;
mod request;

pub use name::{Domain, Role, Subject};
pub use request::Request;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::{Entropy, Secret, Utc};

/// How long a root lives.
pub const ROOT_LIFE: Duration = days(3650);
/// How long the authority below it lives.
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
pub enum Error {
    /// The operator's: a certificate lives that long at least and at most.
    #[error("a certificate lives for at least a minute and at most 30 days")]
    Life,
    /// The operator's: the request for a certificate cannot be read, or is not signed by its own key.
    #[error("the request is no PEM of a certificate request that its own key has signed")]
    Request,
    /// What is kept of the authority cannot be read.
    #[error("the authority's certificate or key cannot be read")]
    Kept,
    /// The library's.
    #[error("the certificate could not be made")]
    Make(#[source] rcgen::Error),
}

/// An authority and its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// What is kept of an authority.
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
    /// The chain, PEM, leaf first.
    pub chain: String,
    /// Its key, PEM, where we drew it.
    pub key: Option<Secret<String>>,
    /// When it ends.
    pub ends: Utc,
}

impl Authority {
    /// A new root of `domain`.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn root(domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Error> {
        let (key, mut parameters) = (KeyPair::generate().map_err(Error::Make)?, dated(now, ROOT_LIFE, entropy));
        of_authority(&mut parameters, &format!("{domain} root"), BasicConstraints::Constrained(1));
        let certificate = parameters.self_signed(&key).map_err(Error::Make)?.pem();
        Ok(Kept { certificate, key: Secret::new(key.serialize_pem()) })
    }

    /// A new authority of `domain` below this root, that signs no further ones.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn below(&self, domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Error> {
        let (key, mut parameters) = (KeyPair::generate().map_err(Error::Make)?, dated(now, ISSUER_LIFE, entropy));
        of_authority(&mut parameters, &format!("{domain} issuer {}", now.seconds()), BasicConstraints::Constrained(0));
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(Error::Make)?.pem();
        Ok(Kept { certificate, key: Secret::new(key.serialize_pem()) })
    }

    /// The authority that was kept.
    ///
    /// # Errors
    /// [`Error::Kept`].
    pub fn open(kept: Kept) -> Result<Self, Error> {
        let key = KeyPair::from_pem(kept.key.open()).map_err(|_| Error::Kept)?;
        let issuer = Issuer::from_ca_cert_pem(&kept.certificate, key).map_err(|_| Error::Kept)?;
        Ok(Self { issuer, certificate: kept.certificate })
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate for `subject`, and draws its key unless `request` brings one. Of a request its key alone is taken: whom it names, and for what, is
    /// the operator's word.
    ///
    /// # Errors
    /// [`Error::Life`], [`Error::Make`].
    pub fn issue(&self, subject: &Subject, request: Option<&Request>, life: Duration, now: Utc, entropy: &dyn Entropy) -> Result<Issued, Error> {
        if !LIFE.contains(&life) {
            return Err(Error::Life);
        }
        let mut parameters = dated(now, life, entropy);
        let serial = parameters.serial_number.as_ref().map(|serial| hex(serial.as_ref())).unwrap_or_default();
        parameters.distinguished_name.push(DnType::CommonName, subject.name());
        parameters.subject_alt_names = subject.alternatives().map_err(Error::Make)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = subject.role().usages().to_vec();
        parameters.use_authority_key_identifier_extension = true;
        let (certificate, key) = match request {
            Some(request) => (parameters.signed_by(request.key(), &self.issuer), None),
            None => {
                let key = KeyPair::generate().map_err(Error::Make)?;
                (parameters.signed_by(&key, &self.issuer), Some(Secret::new(key.serialize_pem())))
            }
        };
        let chain = format!("{}{}", certificate.map_err(Error::Make)?.pem(), self.certificate);
        Ok(Issued { serial, chain, key, ends: now.after(life) })
    }

    /// The list of what this authority has taken back, PEM: numbers in hexadecimal and when. `number` rises with each list.
    ///
    /// # Errors
    /// [`Error::Make`].
    pub fn list(&self, taken_back: &[(String, Utc)], number: u64, now: Utc) -> Result<String, Error> {
        let revoked = taken_back.iter().map(|(serial, at)| RevokedCertParams {
            serial_number: SerialNumber::from(unhex(serial)),
            revocation_time: time(*at).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (time(now) - BEFORE).into(),
            next_update: time(now.after(LIST_LIFE)).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(Error::Make)
    }
}

/// When a certificate that lives from `begins` to `ends` is to be renewed: after two thirds of its life.
pub fn renewal(begins: Utc, ends: Utc) -> Utc {
    let life = ends.nanos().saturating_sub(begins.nanos());
    begins.after(Duration::from_nanos(life / 3 * 2))
}

fn of_authority(parameters: &mut CertificateParams, name: &str, constraints: BasicConstraints) {
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(constraints);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = true;
}

fn dated(now: Utc, life: Duration, entropy: &dyn Entropy) -> CertificateParams {
    let (mut parameters, mut serial) = (CertificateParams::default(), [0; 16]);
    entropy.fill(&mut serial);
    // RFC 5280 §4.1.2.2: positive, and the same in print as in DER.
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    parameters.not_before = (time(now) - BEFORE).into();
    parameters.not_after = time(now.after(life)).into();
    parameters
}

fn time(at: Utc) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(at.seconds())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The bytes of hexadecimal text; what is none gives none.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|letter| u8::try_from(letter.to_digit(16)?).ok()).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
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
