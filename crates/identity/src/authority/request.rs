//! Requests for certificates (PKCS #10, RFC 2986): who asks keeps its key.

use super::{Error, Subject, outside};
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

/// Bytes that a request may have.
const MOST_BYTES: usize = 12 * 1024;

/// The key of a request that this key has signed, and whom it names.
#[derive(Debug)]
pub struct Request {
    key: SubjectPublicKeyInfo,
    digest: [u8; 32],
    names: Vec<String>,
}

impl Request {
    /// Reads a request in PEM, and verifies that it is signed by the key that it brings.
    ///
    /// # Errors
    /// [`Error::Request`].
    pub fn read(pem: &[u8]) -> Result<Self, Error> {
        if pem.len() > MOST_BYTES {
            return Err(Error::Request);
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem).map_err(|_| Error::Request)?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| Error::Request)?;
        let public = &request.certification_request_info.subject_pki;
        if !rest.is_empty() || request.verify_signature().is_err() || !outside::strong(public.parsed().ok()) {
            return Err(Error::Request);
        }
        let mut names = Vec::new();
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(found) = extension {
                names.extend(found.general_names.iter().map(shown));
            }
        }
        let key = SubjectPublicKeyInfo::from_der(public.raw).map_err(|_| Error::Request)?;
        Ok(Self { key, digest: Sha256::digest(public.raw).into(), names })
    }

    /// The SHA-256 of its public key (SubjectPublicKeyInfo).
    pub fn public(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    /// Whether it names nobody but `subject`.
    pub fn names_only(&self, subject: &Subject) -> bool {
        let id = subject.id();
        self.names.iter().all(|name| *name == id || subject.hosts().iter().any(|host| host.eq_ignore_ascii_case(name)))
    }
}

fn shown(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::URI(uri) => (*uri).to_owned(),
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => IpAddr::from(four).to_string(),
            (_, Ok(sixteen)) => IpAddr::from(sixteen).to_string(),
            _ => "no address".to_owned(),
        },
        _ => "a name of another kind".to_owned(),
    }
}
