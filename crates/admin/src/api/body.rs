//! The bodies of requests.

use crate::{Adoption, CertificateWish, Error, Founding, KeyPlace, TokenWish};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::token::Purpose;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use terms::{Name, Secret, ServerName};
use zeroize::Zeroizing;

/// Reads a body.
///
/// # Errors
/// [`Error::Request`]; the text says where, never what stood there.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|cause| match cause.classify() {
        serde_json::error::Category::Data => Error::Request("the body does not have the members that this path takes".to_owned()),
        _ => Error::Request(format!("the body is not JSON (line {}, column {})", cause.line(), cause.column())),
    })
}

/// Reads a name in a path.
///
/// # Errors
/// [`Error::Request`].
pub(super) fn name<T: FromStr<Err: Display>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|cause: T::Err| Error::Request(cause.to_string()))
}

/// Of `kill` and `release`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reasoned {
    pub(super) scope: String,
    pub(super) reason: String,
}

/// Of a look.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    #[serde(default)]
    pub(super) seek: crate::Seek,
}

/// Of an approval.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    pub(super) shown: supply::Digest,
}

/// Of a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    agent: Name,
    user: Option<Name>,
    servers: Option<Vec<ServerName>>,
    #[serde(default)]
    tools: Vec<String>,
    workload: Option<Arc<str>>,
    life_seconds: u64,
    #[serde(default)]
    purpose: Purpose,
}

impl From<Token> for TokenWish {
    fn from(body: Token) -> Self {
        let Token { agent, user, servers, tools, workload, life_seconds, purpose } = body;
        Self { agent, user, servers, tools, workload, life: Duration::from_secs(life_seconds), purpose }
    }
}

/// Of a credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    address: vault::Address,
    value: String,
}

impl Credential {
    /// The value, decoded.
    ///
    /// # Errors
    /// [`Error::Request`] when it is not base64.
    pub(super) fn open(self) -> Result<(vault::Address, Secret<Vec<u8>>), Error> {
        let text = Zeroizing::new(self.value);
        let value = STANDARD.decode(text.as_bytes()).map_err(|_| Error::Request("the value is not base64".to_owned()))?;
        Ok((self.address, Secret::new(value)))
    }
}

/// Of an authority that is founded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Founded {
    domain: String,
    root: String,
    root_key: Option<String>,
    issuer: String,
    issuer_key: String,
}

impl Founded {
    /// What is founded.
    ///
    /// # Errors
    /// [`Error::Request`] when the domain is none.
    pub(super) fn open(self) -> Result<Founding, Error> {
        let Self { domain, root, root_key, issuer, issuer_key } = self;
        let (root_key, issuer_key) = (root_key.map(Secret::new), Secret::new(issuer_key));
        Ok(Founding { domain: name(&domain)?, root, root_key, issuer, issuer_key })
    }
}

/// Of a certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) wish: CertificateWish,
    pub(super) request: String,
}

/// Of a code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    pub(super) wish: CertificateWish,
    pub(super) within_seconds: u64,
}

/// Of what is taken back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    pub(super) which: String,
    pub(super) reason: String,
}

/// Of what is renewed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    pub(super) what: crate::Renewal,
}

/// Of an issuer that takes the place of the one before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adopted {
    chain: String,
    root: Option<String>,
    key: Option<String>,
    vault: Option<vault::Address>,
}

impl Adopted {
    /// What is put in place.
    ///
    /// # Errors
    /// [`Error::Request`] unless its key is in one place.
    pub(super) fn open(self) -> Result<Adoption, Error> {
        let Self { chain, root, key, vault } = self;
        let key = match (key.map(Secret::new), vault) {
            (Some(key), None) => KeyPlace::Here(key),
            (None, Some(address)) => KeyPlace::Vault(address),
            (Some(_), Some(_)) | (None, None) => return Err(Error::Request("an issuer has its key here or in the vault".to_owned())),
        };
        Ok(Adoption { chain, root, key })
    }
}
