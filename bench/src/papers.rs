//! Certificates of one measurement: an authority, a listener, a client.

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

/// They lie as PEM in a folder: `authority.pem`, `server.pem` and `client.pem` with their keys.
pub struct Papers<'a>(pub &'a Path);

impl Papers<'_> {
    /// Makes them.
    pub fn make(&self) -> anyhow::Result<()> {
        let (key, mut parameters) = (KeyPair::generate()?, CertificateParams::default());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        std::fs::write(self.0.join("authority.pem"), parameters.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(parameters, key);
        let server = SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let client = SanType::URI("spiffe://example.org/bench".try_into()?);
        for (name, who, usage) in
            [("server", server, ExtendedKeyUsagePurpose::ServerAuth), ("client", client, ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let (key, mut parameters) = (KeyPair::generate()?, CertificateParams::default());
            parameters.subject_alt_names = vec![who];
            parameters.extended_key_usages = vec![usage];
            std::fs::write(self.0.join(format!("{name}.pem")), parameters.signed_by(&key, &issuer)?.pem())?;
            let path = self.0.join(format!("{name}.key"));
            std::fs::write(&path, key.serialize_pem())?;
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Ok(())
    }

    /// The entry of a listener that has them.
    pub fn listener(&self) -> String {
        let folder = self.0.display();
        format!(", tls: {{ certificate: {folder}/server.pem, key: {folder}/server.key, client_ca: {folder}/authority.pem }}")
    }

    fn pair(&self, name: &str) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = vec![CertificateDer::from_pem_file(self.0.join(format!("{name}.pem")))?];
        Ok((chain, PrivateKeyDer::from_pem_file(self.0.join(format!("{name}.key")))?))
    }

    fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.0.join("authority.pem"))?)?;
        Ok(roots)
    }

    /// A client that asks for `inside` and resumes nothing.
    pub fn client(&self, inside: &str) -> anyhow::Result<Arc<ClientConfig>> {
        let (chain, key) = self.pair("client")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut settings = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(chain, key)?;
        settings.alpn_protocols = vec![inside.as_bytes().to_vec()];
        settings.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(settings))
    }

    /// A server that asks for a certificate and nothing more.
    pub fn server(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let (chain, key) = self.pair("server")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()?), Arc::clone(&provider)).build().context("clients")?;
        let mut settings = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)?;
        settings.session_storage = Arc::new(NoServerSessionStorage {});
        settings.send_tls13_tickets = 0;
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(settings))
    }
}
