//! The certificate that a client has shown, and whom it names.

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Letters that the name in a certificate may have.
const LONGEST: usize = 255;

/// A client's certificate whose chain was verified.
#[derive(Debug)]
pub struct Certificate {
    identity: Arc<str>,
    serial: Box<str>,
    fingerprint: [u8; 32],
    ends: u64,
    chain: Vec<CertificateDer<'static>>,
}

impl Certificate {
    /// Reads the leaf of a chain, which it does not verify; nothing, when it does not name one workload: a SPIFFE id, or else a DNS name.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let der = chain.first()?;
        let (rest, leaf) = parse_x509_certificate(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names = leaf.subject_alternative_name().ok()??;
        let names = &names.value.general_names;
        let of = |want: fn(&GeneralName<'_>) -> bool| {
            let mut found = names.iter().filter(|name| want(name));
            found.next().filter(|_| found.next().is_none())
        };
        let identity = match of(|name| matches!(name, GeneralName::URI(_))) {
            Some(GeneralName::URI(uri)) if is_spiffe(uri) => (*uri).into(),
            Some(_) => return None,
            None if names.iter().any(|name| matches!(name, GeneralName::URI(_))) => return None,
            None => match of(|name| matches!(name, GeneralName::DNSName(_))) {
                Some(GeneralName::DNSName(name)) if is_dns(name) => format!("dns:{}", name.to_ascii_lowercase()).into(),
                _ => return None,
            },
        };
        let ends = u64::try_from(leaf.validity().not_after.timestamp()).ok()?;
        let serial = leaf.raw_serial().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Some(Self { identity, serial: serial.into(), fingerprint: Sha256::digest(der).into(), ends, chain })
    }

    /// Whom it names: `spiffe://…`, or `dns:NAME`.
    pub fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// Its serial number, in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The SHA-256 of its DER.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// When it ends, in seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// Its DER.
    pub fn der(&self) -> &[u8] {
        self.chain.first().map(|leaf| &**leaf).unwrap_or_default()
    }

    /// The leaf and what it was shown with.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

/// A SPIFFE id (SPIFFE-ID §2): a trust domain and a path, in its own small alphabet.
fn is_spiffe(uri: &str) -> bool {
    let Some((domain, path)) = uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')) else { return false };
    let domain_fits =
        !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte));
    let segment_fits = |segment: &str| {
        let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        plain && !matches!(segment, "" | "." | "..")
    };
    uri.len() <= LONGEST && domain_fits && path.split('/').all(segment_fits)
}

/// A name of a host, without a wildcard.
fn is_dns(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn named(names: &[SanType]) -> Option<String> {
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = names.to_vec();
        let leaf = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(&[leaf.der().clone()]).map(|read| read.identity().to_string())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn a_certificate_names_one_workload_or_nobody() {
        let spiffe = "spiffe://example.org/agent/claude-code";
        assert_eq!(named(&[uri(spiffe), dns("a.example.org")]).as_deref(), Some(spiffe));
        assert_eq!(named(&[dns("A.example.org")]).as_deref(), Some("dns:a.example.org"));
        for nobody in [
            vec![],
            vec![uri(spiffe), uri("spiffe://example.org/other")],
            vec![uri("https://example.org/agent"), dns("a.example.org")],
            vec![uri("spiffe://example.org"), dns("a.example.org")],
            vec![uri("spiffe://example.org/a/../b")],
            vec![uri("spiffe://Example.org/a")],
            vec![dns("a.example.org"), dns("b.example.org")],
            vec![dns("*.example.org")],
        ] {
            assert_eq!(named(&nobody), None, "{nobody:?}");
        }
    }
}
