//! The root, where the operator is: its key is drawn here, read from a file or used in a token; what it signs is handed to the authority.

use super::token::Token;
use crate::outcome::{self, Failure};
use crate::passphrase::Quiet;
use identity::authority::{Authority, Domain, Kept, Signer};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use terms::{Entropy, Secret, Utc};

/// Where a root's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In a token.
    Token(Token),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("pkcs11:") {
            return text.parse().map(Self::Token);
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
    let signer = signer(place, pin, Sought::Either)?;
    let root = Authority::root_of(domain, &signer, now, entropy).map_err(failed)?;
    let above = Authority::open(&root, signer).map_err(failed)?;
    let Kept { certificate, key } = above.below(domain, now, entropy).map_err(failed)?;
    Ok(Made { root, key: None, issuer: certificate, issuer_key: key })
}

/// Makes an issuer below the root of this certificate, whose key is at `place`.
///
/// # Errors
/// [`Failure`]: the key cannot be used, or is another's.
pub fn below(place: &Place, pin: Option<&Path>, root: &str, domain: &Domain, now: Utc, entropy: &dyn Entropy) -> Result<Kept, Failure> {
    let another = |_| Failure::usage("the key is not that of the root of this authority");
    let above = Authority::open(root, signer(place, pin, Sought::There)?).map_err(another)?;
    above.below(domain, now, entropy).map_err(failed)
}

/// Which key of a token is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    /// One that is there.
    There,
    /// One that is there, else one that is made.
    Either,
}

/// A token's PIN: from a file, else asked.
fn pin_of(file: Option<&Path>) -> Result<Secret<String>, Failure> {
    let mut text = match file {
        Some(path) => super::read(path)?,
        None => {
            use std::io::{BufRead as _, Read as _};
            let _quiet = Quiet::new()?;
            outcome::ask("PIN of the token: ");
            let mut line = String::new();
            std::io::stdin().lock().take(256).read_line(&mut line)?;
            outcome::tell("");
            line
        }
    };
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(text))
}

fn signer(place: &Place, pin: Option<&Path>, sought: Sought) -> Result<Signer, Failure> {
    match place {
        Place::Token(token) => {
            let pin = pin_of(pin)?;
            let key = match sought {
                Sought::There => token.open(&pin)?,
                Sought::Either => token.open_or_make(&pin)?,
            };
            Ok(Signer::new(key))
        }
        Place::File(path) => Signer::of_pem(&super::pem(path)?).map_err(|_| Failure::usage(format!("`{}` holds no key", path.display()))),
    }
}
