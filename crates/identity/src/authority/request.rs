//! Requests for certificates (PKCS #10, RFC 2986): who asks keeps its key.

use super::Error;
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// Bytes that a request may have.
const MOST_BYTES: usize = 16 * 1024;

/// The key of a request that this key has signed.
pub struct Request(SubjectPublicKeyInfo);

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
        if !rest.is_empty() || request.verify_signature().is_err() {
            return Err(Error::Request);
        }
        SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw).map(Self).map_err(|_| Error::Request)
    }

    pub(super) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.0
    }
}
