//! Authorities of tests, and certificates good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority: it signs whatever it is asked to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    serial: AtomicU64,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: String,
    serial: u64,
}

impl Leaf {
    /// A certificate, with what stands behind it in its chain, and its key, both as PEM.
    pub fn of(certificate: String, key: String) -> Self {
        Self { certificate, key, serial: 0 }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authority(…)")
    }
}

impl Authority {
    /// A root of this name.
    pub fn new(name: &str) -> Self {
        let (key, mut parameters) = (KeyPair::generate().expect("a key"), dated(DAY, DAY * 30));
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(parameters, key), pem, serial: AtomicU64::new(1) }
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate of a listener on 127.0.0.1.
    pub fn server(&self) -> Leaf {
        self.leaf(|parameters| {
            let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
            parameters.subject_alt_names = vec![SanType::IpAddress(local), SanType::DnsName("localhost".try_into().expect("a name"))];
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A certificate of the client that `uri` names.
    pub fn client(&self, uri: &str) -> Leaf {
        self.client_with(uri, |_| {})
    }

    /// The same, with something changed.
    pub fn client_with(&self, uri: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.leaf(|parameters| {
            parameters.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            change(parameters);
        })
    }

    /// A certificate for a day, as `change` leaves it.
    pub fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let (key, mut parameters) = (KeyPair::generate().expect("a key"), dated(DAY, DAY));
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        parameters.serial_number = Some(SerialNumber::from(serial));
        change(&mut parameters);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Leaf { certificate, key: key.serialize_pem(), serial }
    }

    /// Signs `parameters` for `key` as they are; the certificate, as PEM.
    pub fn sign(&self, parameters: &CertificateParams, key: &KeyPair) -> String {
        parameters.signed_by(key, &self.issuer).expect("a certificate").pem()
    }

    /// A certificate that nobody has signed but its own key.
    pub fn nobody(uri: &str) -> Leaf {
        let (key, mut parameters) = (KeyPair::generate().expect("a key"), dated(DAY, DAY));
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        Leaf { certificate, key: key.serialize_pem(), serial: 0 }
    }

    /// A list, good for `life`, of what it has taken back, as PEM.
    pub fn taken_back(&self, leaves: &[&Leaf], life: Duration) -> String {
        let now = SystemTime::now();
        let revoked = |leaf: &&Leaf| RevokedCertParams {
            serial_number: SerialNumber::from(leaf.serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - DAY).into(),
            next_update: (now - DAY + DAY + life).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: leaves.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("a list")
    }

    /// A client of TLS 1.3 that trusts this authority, and shows `leaf` to who asks, speaking `inside` (such as `http/1.1`).
    pub fn trusting(&self, leaf: Option<&Leaf>, inside: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate")).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_root_certificates(roots);
        let mut settings = match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes()).collect::<Result<_, _>>().expect("a chain");
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a certificate with its key")
            }
        };
        settings.alpn_protocols = vec![inside.as_bytes().to_vec()];
        Arc::new(settings)
    }
}

/// Parameters of a certificate that began `before` now and ends `after` it.
pub fn dated(before: Duration, after: Duration) -> CertificateParams {
    let (mut parameters, now) = (CertificateParams::default(), SystemTime::now());
    parameters.not_before = (now - before).into();
    parameters.not_after = (now + after).into();
    parameters
}
