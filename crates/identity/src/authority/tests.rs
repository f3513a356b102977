//! A root, an issuer, certificates, lists; and issuers that cannot be one.

use super::*;
use rcgen::DistinguishedName;
use terms::Name;
use x509_parser::prelude::{CertificateRevocationList, X509Certificate};

struct Chance(std::sync::Mutex<u8>);

impl Entropy for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        let mut last = self.0.lock().unwrap();
        for byte in bytes {
            *last = last.wrapping_mul(31).wrapping_add(7);
            *byte = *last;
        }
    }
}

fn chance() -> Chance {
    Chance(std::sync::Mutex::new(1))
}

fn now() -> Utc {
    Utc::from_seconds(1_800_000_000)
}

fn domain() -> Domain {
    "example.internal".parse().unwrap()
}

fn agent(name: &str) -> Subject {
    Subject::new(domain(), Role::Agent, Name::new(name).unwrap(), Vec::new()).unwrap()
}

fn founded() -> (Kept, Authority) {
    let (entropy, root) = (chance(), Authority::root(&domain(), now(), &chance()).unwrap());
    let above = Authority::open(&root.certificate, Signer::of_pem(root.key.open()).unwrap()).unwrap();
    let kept = above.below(&domain(), now(), &entropy).unwrap();
    let issuer = Authority::open(&kept.certificate, Signer::of_pem(kept.key.open()).unwrap()).unwrap();
    (root, issuer)
}

fn request(key: &KeyPair, names: &[SanType]) -> String {
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = names.to_vec();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.serialize_request(key).unwrap().pem().unwrap()
}

#[test]
fn no_two_issuers_have_one_name_whenever_they_are_made() {
    let root = Authority::root(&domain(), now(), &chance()).unwrap();
    let above = Authority::open(&root.certificate, Signer::of_pem(root.key.open()).unwrap()).unwrap();
    let subjects = [(); 2].map(|()| {
        let below = above.below(&domain(), now(), &chance()).unwrap();
        let der = CertificateDer::from_pem_slice(below.certificate.as_bytes()).unwrap();
        X509Certificate::from_der(&der).unwrap().1.subject().to_string()
    });
    assert_ne!(subjects[0], subjects[1]);
}

#[test]
fn a_certificate_says_whom_it_names_and_for_what() {
    let (root, issuer) = founded();
    let key = KeyPair::generate().unwrap();
    let request = Request::read(request(&key, &[]).as_bytes()).unwrap();
    let issued = issuer.issue(&agent("codex"), Some(&request), Duration::from_secs(3600), now(), &chance()).unwrap();
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let parsed: Vec<_> = chain.iter().map(|der| X509Certificate::from_der(der).unwrap().1).collect();
    let root = CertificateDer::from_pem_slice(root.certificate.as_bytes()).unwrap();
    let root = X509Certificate::from_der(&root).unwrap().1;
    assert!(parsed[0].verify_signature(Some(parsed[1].public_key())).is_ok());
    assert!(parsed[1].verify_signature(Some(root.public_key())).is_ok());
    let usage = parsed[0].extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    let names = &parsed[0].subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 1);
    assert!(matches!(names[0], x509_parser::extensions::GeneralName::URI("spiffe://example.internal/agent/codex")));
    assert_eq!(issued.ends, now().after(Duration::from_secs(3600)));
    assert_eq!(parsed[0].raw_serial_as_string().replace(':', ""), issued.serial);
    assert_eq!(&issued.public, request.public());
}

#[test]
fn a_request_that_names_another_or_is_not_signed_by_its_key_is_refused() {
    let (_, issuer) = founded();
    let key = KeyPair::generate().unwrap();
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let issue = |names: &[SanType]| {
        let request = Request::read(request(&key, names).as_bytes()).unwrap();
        issuer.issue(&agent("codex"), Some(&request), Duration::from_secs(3600), now(), &chance()).map(drop)
    };
    assert!(issue(&[uri("spiffe://example.internal/agent/codex")]).is_ok());
    for other in [uri("spiffe://example.internal/agent/other"), uri("spiffe://example.internal/operator/codex")] {
        assert!(matches!(issue(&[other]), Err(Error::Named)));
    }
    assert!(matches!(issue(&[SanType::DnsName("gw.example.org".try_into().unwrap())]), Err(Error::Named)));
    let good = request(&key, &[]);
    let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(good.as_bytes()).unwrap();
    let mut bytes = der.to_vec();
    // The last byte is the signature's.
    *bytes.last_mut().unwrap() ^= 1;
    let broken = outside::pem_of(&bytes, "CERTIFICATE REQUEST");
    assert!(matches!(Request::read(broken.as_bytes()), Err(Error::Request)));
    assert!(matches!(Request::read(&vec![b'A'; 20_000]), Err(Error::Request)));
}

#[test]
fn a_life_has_bounds_and_ends_with_the_issuer() {
    let (_, issuer) = founded();
    let issue = |life: Duration, at: Utc| issuer.issue(&agent("codex"), None, life, at, &chance()).map(|issued| issued.ends);
    for bad in [Duration::from_secs(59), days(31)] {
        assert!(matches!(issue(bad, now()), Err(Error::Life)));
    }
    let late = now().after(ISSUER_LIFE - Duration::from_secs(3600));
    assert_eq!(issue(days(1), late).unwrap(), issuer.ends());
    assert!(matches!(issue(days(1), now().after(ISSUER_LIFE)), Err(Error::Ended)));
}

#[test]
fn a_list_names_what_was_taken_back() {
    let (_, issuer) = founded();
    let list = issuer.list(&[TakenBack { serial: "41aa".to_owned(), at: now() }], 7, now()).unwrap();
    let der = rustls_pki_types::CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap();
    let (_, read) = CertificateRevocationList::from_der(&der).unwrap();
    let serials: Vec<_> = read.iter_revoked_certificates().map(|one| one.raw_serial_as_string()).collect();
    assert_eq!(serials, ["41:aa"]);
    assert_eq!(read.next_update().unwrap().timestamp(), i64::try_from(now().after(LIST_LIFE).seconds()).unwrap());
}

#[test]
fn an_outside_issuer_is_judged_before_it_issues() {
    let (root, issuer) = founded();
    let (other, _) = founded();
    let kept = {
        let above = Authority::open(&root.certificate, Signer::of_pem(root.key.open()).unwrap()).unwrap();
        above.below(&domain(), now(), &chance()).unwrap()
    };
    let signer = || Signer::of_pem(kept.key.open()).unwrap();
    let (chain, top) = judge(&kept.certificate, Some(&root.certificate), &signer(), now()).unwrap();
    assert_eq!((fingerprint(&chain), fingerprint(&top)), (fingerprint(&kept.certificate), fingerprint(&root.certificate)));
    let both = format!("{}{}", kept.certificate, root.certificate);
    assert_eq!(judge(&both, None, &signer(), now()).unwrap().1, top);
    assert_eq!(judge(&kept.certificate, None, &signer(), now()).unwrap(), (chain.clone(), chain));
    let leaf = issuer.issue(&agent("codex"), None, days(1), now(), &chance()).unwrap();
    let leaf_signer = Signer::of_pem(leaf.key.as_ref().unwrap().open()).unwrap();
    let bad = |chain: &str, root: Option<&str>, signer: &Signer, at: Utc| judge(chain, root, signer, at).unwrap_err().to_string();
    assert!(bad(&leaf.chain, None, &leaf_signer, now()).contains("no authority"));
    assert!(bad(&kept.certificate, None, &leaf_signer, now()).contains("key is not"));
    assert!(bad(&kept.certificate, Some(&other.certificate), &signer(), now()).contains("not signed by the next"));
    assert!(bad(&kept.certificate, None, &signer(), now().after(ISSUER_LIFE)).contains("has ended"));
    assert!(bad("", None, &signer(), now()).contains("cannot be read"));
}
