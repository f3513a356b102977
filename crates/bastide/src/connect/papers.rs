//! What a gateway elsewhere is known by and shown, and the token that it is told: files that are replaced while they are used.

use super::Args;
use crate::outcome::Failure;
use http::HeaderValue;
use ipnet::IpNet;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use store::read_private;
use terms::Secret;
use url::Url;
use zeroize::Zeroizing;

/// The variable that holds the token.
const TOKEN: &str = "BASTIDE_TOKEN";
/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Where the files are.
pub(super) struct Papers {
    identity: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

/// What the files held.
pub(super) struct Read {
    authorities: Option<Vec<u8>>,
    shown: Option<(Vec<u8>, Secret<Vec<u8>>)>,
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        let shown = |read: &Self| read.shown.as_ref().map(|(chain, key)| (chain.clone(), key.open().clone()));
        self.authorities == other.authorities && shown(self) == shown(other)
    }
}

impl Papers {
    pub(super) fn of(args: &Args) -> Self {
        let authorities = args.ca.clone().or_else(|| args.identity.as_ref().map(|folder| folder.join("authority.pem")));
        Self { identity: args.identity.clone(), authorities }
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// [`Failure`] that names the file.
    pub(super) fn read(&self) -> Result<Read, Failure> {
        let authorities = self.authorities.as_deref().map(file).transpose()?;
        let shown = match &self.identity {
            None => None,
            Some(folder) => {
                let path = folder.join("key.pem");
                let key = read_private(&path).map_err(|cause| Failure::usage(cause).next(format!("chmod 600 {}", path.display())))?;
                let key = key.ok_or_else(|| Failure::usage(format!("{} is not there", path.display())))?;
                Some((file(&folder.join("chain.pem"))?, key))
            }
        };
        Ok(Read { authorities, shown })
    }

    /// The gateway at `url`, known by `read`.
    ///
    /// # Errors
    /// [`Failure`] when what was read cannot be used.
    pub(super) fn target(&self, url: Url, read: &Read) -> Result<egress::ServerTarget, Failure> {
        let mut target = egress::ServerTarget::new(url).map_err(Failure::usage)?.listed(everywhere());
        if let (Some(path), Some(pem)) = (&self.authorities, &read.authorities) {
            target = target.roots_alone(certificates(path, pem)?);
        }
        if let (Some(folder), Some((chain, key))) = (&self.identity, &read.shown) {
            let key = PrivateKeyDer::from_pem_slice(key.open());
            let key = key.map_err(|_| Failure::usage(format!("{} is no private key in PEM", folder.join("key.pem").display())))?;
            target = target.identity(egress::ClientIdentity { chain: certificates(&folder.join("chain.pem"), chain)?, key });
        }
        Ok(target)
    }
}

/// Where the token comes from.
pub(super) enum Token {
    File(PathBuf),
    Given(Secret<String>),
}

impl Token {
    /// # Errors
    /// [`Failure`] when there is none.
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        if let Some(path) = &args.token_file {
            return Ok(Self::File(path.clone()));
        }
        match std::env::var(TOKEN) {
            Ok(token) if !token.is_empty() => Ok(Self::Given(Secret::new(token))),
            Ok(_) | Err(_) => Err(Failure::usage(format!("a gateway elsewhere wants a token: --token-file FILE, or ${TOKEN}"))
                .next("bastide token issue --principal agent:NAME, on the machine of the gateway")),
        }
    }

    /// The value of `Authorization` as of now.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    pub(super) fn header(&self) -> Result<HeaderValue, String> {
        let mut text = Zeroizing::new(b"Bearer ".to_vec());
        match self {
            Self::Given(token) => text.extend_from_slice(token.open().as_bytes()),
            Self::File(path) => match read_private(path) {
                Ok(Some(token)) => text.extend_from_slice(token.open().trim_ascii()),
                Ok(None) => return Err(format!("{} is not there", path.display())),
                Err(cause) => return Err(cause.to_string()),
            },
        }
        let mut header = HeaderValue::from_bytes(&text).map_err(|_| "the token cannot be a header".to_owned())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// Every network: the person who launches this has said where to go.
fn everywhere() -> Vec<IpNet> {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)].into_iter().filter_map(|zero| IpNet::new(zero, 0).ok()).collect()
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    read.map_err(|cause| Failure::usage(format!("{} cannot be read", path.display())).because(&cause))?;
    Ok(bytes)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(Failure::usage(format!("{} is not PEM with a certificate in it", path.display()))) } else { Ok(found) }
}
