//! How a remote server is known by its certificate, and what of ours it is shown.
//!
//! Controls: `transport.tls`, `identity.mtls`.

use super::{Closed, Servers, credential};
use crate::snapshot::Remote;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use terms::Code;

/// What files say of how a remote server is known and what it is shown; read anew for each way that is opened, so that what was renewed is used.
#[derive(PartialEq, Eq)]
pub(super) struct Papers {
    authorities: Option<Vec<u8>>,
    chain: Option<Vec<u8>>,
}

impl Papers {
    pub(super) async fn read(remote: &Remote) -> Result<Self, Closed> {
        let read = async |path: Option<&PathBuf>| match path {
            None => Ok(None),
            Some(path) => {
                let bytes = tokio::fs::read(path).await;
                bytes.map(Some).map_err(|cause| Closed::Entry(format!("{} cannot be read: {cause}", path.display())))
            }
        };
        Ok(Self {
            authorities: read(remote.authorities.as_ref()).await?,
            chain: read(remote.certificate.as_ref().map(|ours| &ours.chain)).await?,
        })
    }
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Closed> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(Closed::Entry(format!("{key} is not PEM with a certificate in it"))) } else { Ok(found) }
}

impl Servers {
    /// The server, how it is known, and what it is shown.
    pub(super) fn target(&self, remote: &Remote, papers: &Papers) -> Result<egress::ServerTarget, Closed> {
        let entry = |cause: egress::Error| Closed::Entry(cause.to_string());
        let pins = remote.pins.iter().map(|pin| pin.parse()).collect::<Result<Vec<_>, _>>().map_err(entry)?;
        let mut target = egress::ServerTarget::new(remote.url.clone()).map_err(entry)?.pins(pins);
        if let Some(authorities) = &papers.authorities {
            target = target.roots(certificates("tls.ca", authorities)?);
        }
        if let (Some(ours), Some(chain)) = (&remote.certificate, &papers.chain) {
            let lease = self.lease(&ours.key)?;
            let pem = lease.open().map_err(|cause| credential(&ours.key, cause.to_string(), Code::VaultLocked))?;
            let key = PrivateKeyDer::from_pem_slice(pem);
            let key = key.map_err(|_| credential(&ours.key, "it is no private key in PEM".to_owned(), Code::VaultAbsent))?;
            target = target.identity(egress::ClientIdentity { chain: certificates("auth.certificate.chain", chain)?, key });
        }
        Ok(target)
    }
}
