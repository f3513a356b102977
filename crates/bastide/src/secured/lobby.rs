//! The authority that the assessor's certificates come from: made anew at each start, its key in memory alone.
//!
//! A listener that asks for certificates asks the probes too. What they are let in with ends within minutes, and gives no right: a token is asked as of
//! anybody.

use crate::outcome::Failure;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use std::time::{Duration, SystemTime};
use terms::Secret;

/// Whom a probe's certificate names.
pub const PROBE: &str = "spiffe://bastide.invalid/probe";
/// How long it lives.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How long the authority lives: longer than a gateway runs.
const LONG: Duration = Duration::from_secs(3 * 366 * 24 * 3600);
/// Clocks that are behind ours.
const BEFORE: Duration = Duration::from_secs(60);

/// The authority.
pub struct Lobby {
    issuer: Issuer<'static, KeyPair>,
    authority: String,
    revoked: String,
    serial: Mutex<u64>,
}

impl Lobby {
    /// Makes one.
    ///
    /// # Errors
    /// [`Failure`] of the library, which draws the key.
    pub fn new() -> Result<Self, Failure> {
        let key = KeyPair::generate().map_err(|cause| Failure::caused(&cause))?;
        let mut parameters = dated(LONG);
        parameters.distinguished_name.push(DnType::CommonName, "bastide probes");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key).map_err(|cause| Failure::caused(&cause))?;
        let issuer = Issuer::new(parameters, key);
        let now = SystemTime::now();
        let list = CertificateRevocationListParams {
            this_update: (now - BEFORE).into(),
            next_update: (now + LONG).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let revoked = list.signed_by(&issuer).and_then(|list| list.pem()).map_err(|cause| Failure::caused(&cause))?;
        Ok(Self { issuer, authority: certificate.pem(), revoked, serial: Mutex::new(1) })
    }

    /// Its certificate, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The list of what it has taken back, which is nothing, as PEM.
    pub fn revoked(&self) -> &str {
        &self.revoked
    }

    /// A certificate for a probe, and its key, as PEM.
    ///
    /// # Errors
    /// [`Failure`] of the library.
    pub fn issue(&self) -> Result<(String, Secret<String>), Failure> {
        let key = KeyPair::generate().map_err(|cause| Failure::caused(&cause))?;
        let mut parameters = dated(LIFE);
        parameters.distinguished_name.push(DnType::CommonName, "probe");
        parameters.subject_alt_names = vec![SanType::URI(PROBE.try_into().map_err(|cause: rcgen::Error| Failure::caused(&cause))?)];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = {
            let mut last = self.serial.lock();
            *last += 1;
            *last
        };
        parameters.serial_number = Some(SerialNumber::from(serial));
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(|cause| Failure::caused(&cause))?;
        Ok((certificate.pem(), Secret::new(key.serialize_pem())))
    }
}

fn dated(life: Duration) -> CertificateParams {
    let (mut parameters, now) = (CertificateParams::default(), SystemTime::now());
    parameters.not_before = (now - BEFORE).into();
    parameters.not_after = (now + life).into();
    parameters
}
