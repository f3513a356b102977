//! Authorities of tests, and certificates good and bad.

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
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

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authority(…)")
    }
}

impl Leaf {
    /// A certificate that was made elsewhere, and its key, as PEM.
    pub fn of(certificate: &str, key: &str) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned(), serial: 0 }
    }

    /// Whether a client with these settings takes it for the certificate of a server on 127.0.0.1.
    pub fn serves(&self, client: &Arc<ClientConfig>) -> bool {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<_, _>>().expect("a chain");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let settings = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let mut settings =
            settings.expect("a version").with_no_client_auth().with_single_cert(chain, key).expect("a certificate with its key");
        settings.alpn_protocols.clone_from(&client.alpn_protocols);
        let mut server = rustls::ServerConnection::new(Arc::new(settings)).expect("a server");
        let name = rustls_pki_types::ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut client = rustls::ClientConnection::new(Arc::clone(client), name).expect("a client");
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).expect("memory");
            server.read_tls(&mut bytes.as_slice()).expect("memory");
            if server.process_new_packets().is_err() {
                return false;
            }
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).expect("memory");
            client.read_tls(&mut bytes.as_slice()).expect("memory");
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        true
    }
}

/// An element of DER (X.690 §8.1), of less than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short element").to_be_bytes();
    let mut bytes = match length {
        [0, short] if short < 0x80 => vec![tag, short],
        [0, short] => vec![tag, 0x81, short],
        [high, low] => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(content);
    bytes
}

/// The least that is read as a certificate of `name` by `name` (RFC 5280 §4.1), of the key numbered so, as PEM: nobody has signed it.
fn unsigned(name: &[u8], extensions: &[u8], number: u16) -> String {
    let algorithm = element(0x30, &[6, 3, 0x2b, 0x65, 0x70]);
    let validity = element(0x30, &[element(0x17, b"250101000000Z"), element(0x17, b"490101000000Z")].concat());
    let mut key = vec![0; 33];
    key[1..3].copy_from_slice(&number.to_be_bytes());
    let key = element(0x30, &[&*algorithm, &element(3, &key)].concat());
    let start = [0xa0, 3, 2, 1, 2, 2, 1, 1];
    let parts = [&start, &*algorithm, name, &validity, name, &key, extensions].concat();
    let whole = element(0x30, &[&*element(0x30, &parts), &algorithm, &element(3, &[0, 1])].concat());
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64::engine::general_purpose::STANDARD.encode(whole))
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

    /// A certificate of the client that `uri` names, with hundreds of authorities behind it that nobody has signed: who looks for a way from it to a root
    /// tries each of them as the issuer of each other, as far as it counts.
    pub fn maze(uri: &str) -> Leaf {
        const SAME: usize = 9;
        const OTHERS: usize = 540;
        let (key, mut parameters) = (KeyPair::generate().expect("a key"), dated(DAY, DAY));
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut above = CertificateParams::default();
        above.distinguished_name = DistinguishedName::new();
        above.distinguished_name.push(DnType::CommonName, "x");
        let issuer = Issuer::new(above, KeyPair::generate().expect("a key"));
        let leaf = parameters.signed_by(&key, &issuer).expect("a certificate").pem();
        let named = element(0x30, &element(0x31, &element(0x30, &[&[6, 3, 0x55, 4, 3], &*element(12, b"x")].concat())));
        let authority = element(0x30, &[&[6, 3, 0x55, 0x1d, 0x13], &*element(4, &[0x30, 3, 1, 1, 0xff])].concat());
        let authority = element(0xa3, &element(0x30, &authority));
        let behind = (0..OTHERS).map(|_| (element(0x30, &[]), Vec::new())).chain((0..SAME).map(|_| (named.clone(), authority.clone())));
        let behind: String = behind.zip(0..).map(|((name, extensions), at)| unsigned(&name, &extensions, at)).collect();
        Leaf { certificate: leaf + &behind, key: key.serialize_pem(), serial: 0 }
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
        client(&self.pem, leaf.map(|leaf| (leaf.certificate.as_str(), leaf.key.as_str())), inside).expect("a certificate with its key")
    }

    /// An authority below this one that may issue, and its key.
    pub fn issuer(&self, name: &str) -> Leaf {
        self.leaf(|parameters| {
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        })
    }
}

/// A client of TLS 1.3 that trusts the authorities in `roots` (PEM), and shows this chain and key (PEM), if any; none, when these are not of one another.
pub fn client(roots: &str, shown: Option<(&str, &str)>, inside: &str) -> Option<Arc<ClientConfig>> {
    let mut trusted = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        trusted.add(root.expect("a certificate")).expect("a certificate");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(trusted);
    let mut settings = match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().ok()?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?).ok()?
        }
    };
    settings.alpn_protocols = vec![inside.as_bytes().to_vec()];
    Some(Arc::new(settings))
}

/// The client whose `authority.pem`, `chain.pem` and `key.pem` are in `folder`. What is just being replaced is read again.
pub fn holder(folder: &Path) -> Arc<ClientConfig> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
    loop {
        if let Some(settings) = client(&read("authority.pem"), Some((&read("chain.pem"), &read("key.pem"))), "http/1.1") {
            return settings;
        }
    }
}

/// A request for a certificate of a new key that names `uris`, and the key, as PEM.
pub fn request(uris: &[&str]) -> (String, String) {
    let (key, mut parameters) = (KeyPair::generate().expect("a key"), CertificateParams::default());
    parameters.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("a URI"))).collect();
    (parameters.serialize_request(&key).and_then(|request| request.pem()).expect("a request"), key.serialize_pem())
}

/// A request for a certificate of the key in `pem`.
pub fn request_of(pem: &str) -> String {
    let key = KeyPair::from_pem(pem).expect("a key");
    CertificateParams::default().serialize_request(&key).and_then(|request| request.pem()).expect("a request")
}

/// Parameters of a certificate that began `before` now and ends `after` it.
pub fn dated(before: Duration, after: Duration) -> CertificateParams {
    let (mut parameters, now) = (CertificateParams::default(), SystemTime::now());
    parameters.not_before = (now - before).into();
    parameters.not_after = (now + after).into();
    parameters
}
