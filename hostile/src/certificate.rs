//! Certificates that do not let in, and material that must not replace what works. One after the other: some change what the listener holds.

use crate::arena::ANA;
use crate::case::{Case, Class, Want};
use crate::ring::Ring;
use crate::seen::{Ended, Seen};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ClientConfig, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use testkit::pki::{Authority, Leaf, dated};

const DAY: Duration = Duration::from_secs(24 * 3600);
const REFUSED: &str = "identity.mtls/refused";

const fn case(name: &'static str, want: Want, act: fn(&Ring<'_>) -> Seen) -> Case {
    Case::new(Class::Certificate, name, want, act)
}

/// A leaf that does not let in, which is on record.
const fn refused(name: &'static str, act: fn(&Ring<'_>) -> Seen) -> Case {
    case(name, Want::Cut, act).recorded(REFUSED)
}

/// What a client gets that shows this leaf.
fn show(ring: &Ring<'_>, leaf: Option<&Leaf>) -> Seen {
    shown(ring, &ring.arena.authority.trusting(leaf, "http/1.1"))
}

/// A leaf of the good authority with something changed.
fn changed(ring: &Ring<'_>, change: impl FnOnce(&mut CertificateParams)) -> Seen {
    show(ring, Some(&ring.arena.authority.client_with(ANA, change)))
}

/// What a client gets that connects so: a page, or nothing.
fn shown(ring: &Ring<'_>, settings: &Arc<ClientConfig>) -> Seen {
    let began = Instant::now();
    let asked = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", ring.host(crate::arena::Door::Secured));
    match ring.shaken(settings) {
        Err(cause) => Seen { ended: Ended::Closed, note: cause.to_string(), took: began.elapsed(), ..Seen::default() },
        Ok(mut stream) => ring.through(&mut stream, &crate::ring::secured_wait, asked.as_bytes(), Seen::http),
    }
}

/// The same, where the client's own library would not show it: it is shown with its key all the same.
fn unchecked(ring: &Ring<'_>, change: impl FnOnce(&mut CertificateParams)) -> Seen {
    let leaf = ring.arena.authority.client_with(ANA, change);
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let mut settings = ClientConfig::clone(&ring.arena.single);
    settings.client_auth_cert_resolver = Arc::new(Shower(Arc::new(CertifiedKey::new(chain, key))));
    shown(ring, &Arc::new(settings))
}

/// A chain under the good authority: authorities, each with its bound on how many follow, then the leaf.
fn chain(ring: &Ring<'_>, constraints: &[BasicConstraints]) -> Seen {
    let mut parents: Vec<(Issuer<'static, KeyPair>, String)> = Vec::new();
    for (at, constraint) in constraints.iter().enumerate() {
        let (key, mut parameters) = (KeyPair::generate().unwrap(), dated(DAY, DAY));
        parameters.is_ca = IsCa::Ca(*constraint);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        parameters.distinguished_name.push(rcgen::DnType::CommonName, format!("between {at}"));
        let pem = match parents.last() {
            Some((issuer, _)) => parameters.signed_by(&key, issuer).unwrap().pem(),
            None => ring.arena.authority.sign(&parameters, &key),
        };
        parents.push((Issuer::new(parameters, key), pem));
    }
    let (key, mut parameters) = (KeyPair::generate().unwrap(), dated(DAY, DAY));
    parameters.subject_alt_names = vec![SanType::URI(ANA.try_into().unwrap())];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = parameters.signed_by(&key, &parents.last().unwrap().0).unwrap().pem();
    let certificate: String = std::iter::once(leaf).chain(parents.into_iter().rev().map(|(_, pem)| pem)).collect();
    show(ring, Some(&Leaf::of(&certificate, &key.serialize_pem())))
}

/// Shows this, whatever is asked for.
#[derive(Debug)]
struct Shower(Arc<CertifiedKey>);

/// Signs whatever it is asked to with nothing.

#[derive(Debug)]
struct Scrawl(SignatureAlgorithm);

impl ResolvesClientCert for Shower {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl SigningKey for Scrawl {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Scrawl(self.0)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0
    }
}

impl Signer for Scrawl {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![7; if self.0 == SignatureAlgorithm::RSA { 128 } else { 70 }])
    }

    fn scheme(&self) -> SignatureScheme {
        if self.0 == SignatureAlgorithm::RSA { SignatureScheme::RSA_PSS_SHA256 } else { SignatureScheme::ECDSA_NISTP256_SHA256 }
    }
}

/// Shows a certificate without its key.
fn forged(ring: &Ring<'_>, certificate: &str, algorithm: SignatureAlgorithm) -> Seen {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let mut settings = ClientConfig::clone(&ring.arena.single);
    settings.client_auth_cert_resolver = Arc::new(Shower(Arc::new(CertifiedKey::new(chain, Arc::new(Scrawl(algorithm))))));
    shown(ring, &Arc::new(settings))
}

/// Waits until a good client's way in has been looked at after a change; the gateway looks for changed files by itself.
fn until(most: Duration, holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < most {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// Puts a file in place that cannot be used: what was there must stay in force, which is on record.
fn kept(ring: &Ring<'_>, file: &str, text: &str, back: &str) -> Seen {
    let count = || events(ring, "transport.tls-kept");
    let before = count();
    ring.arena.put(file, text);
    let noted = until(Duration::from_secs(30), || count() > before);
    let served = show(ring, Some(&ring.arena.leaf)).status == Some(200);
    ring.arena.put(file, back);
    Seen::judged(noted && served, format!("on record: {noted}, good client served: {served}"))
}

fn events(ring: &Ring<'_>, event: &str) -> usize {
    ring.arena.secured.world.audit().iter().filter(|record| record["event"] == event).count()
}

fn file(ring: &Ring<'_>, name: &str) -> String {
    std::fs::read_to_string(ring.arena.secured.world.path(&format!("tls/{name}"))).unwrap()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("the good one", Want::Status(200), |ring| show(ring, Some(&ring.arena.leaf))),
        refused("none", |ring| show(ring, None)),
        refused("one that has ended", |ring| {
            changed(ring, |leaf| {
                leaf.not_before = (SystemTime::now() - DAY * 2).into();
                leaf.not_after = (SystemTime::now() - DAY).into();
            })
        }),
        refused("one that has not begun", |ring| {
            changed(ring, |leaf| {
                leaf.not_before = (SystemTime::now() + DAY).into();
                leaf.not_after = (SystemTime::now() + DAY * 2).into();
            })
        }),
        refused("of nobody", |ring| changed(ring, |leaf| leaf.subject_alt_names = vec![])),
        refused("of two", |ring| {
            changed(ring, |leaf| {
                leaf.subject_alt_names = ["spiffe://a.example/x", ANA].map(|name| SanType::URI(name.try_into().unwrap())).into()
            })
        }),
        refused("of a mail address alone", |ring| {
            changed(ring, |leaf| leaf.subject_alt_names = vec![SanType::Rfc822Name("ana@example.org".try_into().unwrap())])
        }),
        refused("for servers", |ring| changed(ring, |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        refused("of another authority of the same name", |ring| show(ring, Some(&Authority::new("clients").client(ANA)))),
        refused("signed by itself", |ring| show(ring, Some(&Authority::nobody(ANA)))),
        refused("an authority's, as a leaf", |ring| changed(ring, |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        refused("with an RSA key of 1024 bits", |ring| forged(ring, include_str!("weak/short.pem"), SignatureAlgorithm::RSA)),
        refused("signed over SHA-1", |ring| {
            let leaf = Leaf::of(include_str!("weak/sha1.pem"), include_str!("weak/sha1.key"));
            show(ring, Some(&leaf))
        }),
        case("with thousands of names", Want::Cut, |ring| {
            unchecked(ring, |leaf| {
                leaf.subject_alt_names.extend((0..4000).map(|at| SanType::DnsName(format!("host-{at}.example.org").try_into().unwrap())));
            })
        })
        .recorded("transport.tls/refused"),
        refused("with an extension that must be understood and is not", |ring| {
            unchecked(ring, |leaf| {
                let mut odd = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
                odd.set_criticality(true);
                leaf.custom_extensions.push(odd);
            })
        }),
        refused("under a chain that is too long", |ring| chain(ring, &[BasicConstraints::Unconstrained; 12])),
        refused("before a maze of authorities", |ring| show(ring, Some(&Authority::maze(ANA)))),
        refused("under an authority that may have none below it", |ring| {
            chain(ring, &[BasicConstraints::Constrained(0), BasicConstraints::Unconstrained])
        }),
        refused("under a leaf that acts as an authority", |ring| {
            let (key, mut parameters) = (KeyPair::generate().unwrap(), dated(DAY, DAY));
            parameters.subject_alt_names = vec![SanType::URI(ANA.try_into().unwrap())];
            parameters.distinguished_name.push(rcgen::DnType::CommonName, "a leaf");
            let parent = ring.arena.authority.sign(&parameters, &key);
            let issuer = Issuer::new(parameters, key);
            let (key, mut parameters) = (KeyPair::generate().unwrap(), dated(DAY, DAY));
            parameters.subject_alt_names = vec![SanType::URI(ANA.try_into().unwrap())];
            let leaf = parameters.signed_by(&key, &issuer).unwrap().pem();
            show(ring, Some(&Leaf::of(&format!("{leaf}{parent}"), &key.serialize_pem())))
        }),
        case("shown without its key", Want::Cut, |ring| forged(ring, &ring.arena.leaf.certificate, SignatureAlgorithm::ECDSA)),
        case("good, with a token that is bound to another", Want::Code("identity.mtls/other"), |ring| {
            let bound = ring.arena.secured.world.token("agent:mallory", &["--workload", "spiffe://example.org/agent/ben"]);
            let mut mallory = ring.arena.secured.mallory.clone();
            mallory.token = Some(bound);
            let answer = mallory.post(&serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]);
            Seen { status: Some(answer.status), code: Some(answer.answer().refused().to_owned()), ..Seen::default() }
        }),
        case("half a certificate, put in place of the listener's", Want::Good, |ring| {
            let whole = file(ring, "server.pem");
            kept(ring, "server.pem", &whole[..whole.len() / 2], &whole)
        }),
        case("a key of another certificate, put in place of the listener's", Want::Good, |ring| {
            let (whole, other) = (file(ring, "server.key"), ring.arena.authority.server());
            kept(ring, "server.key", &other.key, &whole)
        }),
        case("a list of revocations that has ended", Want::Good, |ring| {
            let whole = file(ring, "crl.pem");
            kept(ring, "crl.pem", &ring.arena.authority.taken_back(&[], Duration::ZERO), &whole)
        }),
        case("a list of revocations of another authority", Want::Good, |ring| {
            let whole = file(ring, "crl.pem");
            kept(ring, "crl.pem", &Authority::new("clients").taken_back(&[&ring.arena.leaf], DAY), &whole)
        }),
        case("no authorities any more", Want::Good, |ring| {
            let whole = file(ring, "clients.pem");
            kept(ring, "clients.pem", "", &whole)
        }),
        case("one that was taken back", Want::Good, |ring| {
            let bad = ring.arena.authority.client("spiffe://example.org/agent/eve");
            let before = show(ring, Some(&bad)).status;
            ring.arena.put("crl.pem", &ring.arena.authority.taken_back(&[&bad], DAY));
            let out = until(Duration::from_secs(30), || show(ring, Some(&bad)).status.is_none());
            let good = show(ring, Some(&ring.arena.leaf)).status;
            Seen::judged(before == Some(200) && out && good == Some(200), format!("before {before:?}, then out: {out}, good one {good:?}"))
        })
        .recorded(REFUSED),
    ];
    for case in &mut cases {
        case.within = Duration::from_secs(40);
    }
    cases
}
