//! The root, where the operator is: its key is drawn here, read from a file or used in a token; what it signs is handed to the authority.

use crate::outcome::Failure;
use identity::authority::{Authority, Domain, Kept, Signer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use terms::{Entropy, Secret, Utc};

/// Where a root's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("pkcs11:") {
            return Err("tokens are not built in this release".to_owned());
        }
        Ok(Self::File(text.into()))
    }
}

/// A root and the first issuer below it.
pub struct Made {
    /// The root's certificate, PEM.
    pub root: String,
    /// Its key, PEM, where it was drawn here.
    pub key: Option<Secret<String>>,
    /// The issuer's certificate, PEM.
    pub issuer: String,
    /// Its key, PEM.
    pub issuer_key: Secret<String>,
}

fn failed(cause: identity::authority::Error) -> Failure {
    Failure::caused(&cause)
}

/// Draws a root's key here.
///
/// # Errors
/// [`Failure`] of the library.
pub fn drawn(domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Made, Failure> {
    let root = Authority::root(domain, now, entropy).map_err(failed)?;
    let above = Authority::open(&root.certificate, Signer::of_pem(root.key.open()).map_err(failed)?).map_err(failed)?;
    let Kept { certificate, key } = above.below(domain, now, entropy).map_err(failed)?;
    Ok(Made { root: root.certificate, key: Some(root.key), issuer: certificate, issuer_key: key })
}

/// Makes a root whose key is at `place`.
///
/// # Errors
/// [`Failure`]: the key cannot be used.
pub fn made(place: &Place, pin: Option<&Path>, domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Made, Failure> {
    let root = Authority::root_of(domain, &signer(place, pin)?, now, entropy).map_err(failed)?;
    let Kept { certificate, key } = below(place, pin, &root, domain, now, entropy)?;
    Ok(Made { root, key: None, issuer: certificate, issuer_key: key })
}

/// Makes an issuer below the root of this certificate, whose key is at `place`.
///
/// # Errors
/// [`Failure`]: the key cannot be used, or is another's.
pub fn below(place: &Place, pin: Option<&Path>, root: &str, domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Failure> {
    let another = |_| Failure::usage("the key is not that of the root of this authority");
    let above = Authority::open(root, signer(place, pin)?).map_err(another)?;
    above.below(domain, now, entropy).map_err(failed)
}

fn signer(place: &Place, _pin: Option<&Path>) -> Result<Signer, Failure> {
    match place {
        Place::File(path) => Signer::of_pem(&super::read(path)?).map_err(|_| Failure::usage(format!("`{}` holds no key", path.display()))),
    }
}

/// The certificate of the root in place, PEM, from the state's file of authorities: the last one that has signed itself.
///
/// # Errors
/// [`Failure`] when there is none.
pub fn certificate(state: &Path) -> Result<String, Failure> {
    let path = state.join(crate::ca::FOLDER).join(crate::ca::AUTHORITY);
    let text = super::read(&path)?;
    let count = CertificateDer::pem_slice_iter(text.as_bytes()).count();
    let last = text.match_indices("-----BEGIN CERTIFICATE-----").last().and_then(|(at, _)| text.get(at..));
    last.filter(|_| count >= 2).map(str::to_owned).ok_or_else(|| Failure::usage(format!("{} holds no root", path.display())))
}
