//! Verifies certificates of whoever holds one: for clients as usual, and those for servers where these are taken, too.

use super::Unfit;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use std::net::IpAddr;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Takes good certificates for clients, or for servers, too.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) client: Arc<dyn ClientCertVerifier>,
    server: Option<Arc<WebPkiServerVerifier>>,
}

impl Holder {
    /// Those for clients alone, which `client` judges.
    pub(super) fn client(client: Arc<dyn ClientCertVerifier>) -> Self {
        Self { client, server: None }
    }

    /// Who judges those for clients is `client`; those for servers come from `roots`, and `lists` are asked of them.
    pub(super) fn new(
        client: Arc<dyn ClientCertVerifier>,
        roots: Arc<RootCertStore>,
        lists: Vec<CertificateRevocationListDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Unfit> {
        let mut builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
        if !lists.is_empty() {
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        Ok(Self { client, server: Some(builder.build().map_err(|_| Unfit::Authorities)?) })
    }

    /// Judges a chain, as [`ClientCertVerifier::verify_client_cert`] does.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match (self.client.verify_client_cert(leaf, intermediates, now), &self.server) {
            (
                Err(Error::InvalidCertificate(CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. })),
                Some(server),
            ) => {
                let name = own_name(leaf).ok_or(Error::InvalidCertificate(CertificateError::InvalidPurpose))?;
                server.verify_server_cert(leaf, intermediates, &name, &[], now).map(|_| ClientCertVerified::assertion())
            }
            (judged, _) => judged,
        }
    }
}

/// A name that a server's certificate is good for: its first.
fn own_name(leaf: &CertificateDer<'_>) -> Option<ServerName<'static>> {
    let (_, parsed) = parse_x509_certificate(leaf).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => ServerName::try_from((*name).to_owned()).ok(),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?;
            Some(ServerName::from(address))
        }
        _ => None,
    })
}
