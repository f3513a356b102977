//! The certificate authority of our own, as acts reach it: what is wished of it, what it gives, and the port behind which it is.

use crate::perform::Pending;
use identity::authority::{Domain, Role};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::time::Duration;
use terms::{Name, Secret, Utc};
use vault::Address;

/// Whom a certificate shall name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateWish {
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub name: Name,
    /// Names and addresses that it is connected to by, where it is.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How long it lives, in seconds; as long as `ca.life` says, where this does not.
    #[serde(default)]
    pub life_seconds: Option<u64>,
}

/// A root and the first issuer below it, made where the operator is.
#[derive(Debug)]
pub struct Founding {
    /// The trust domain.
    pub domain: Domain,
    /// The root's certificate, PEM.
    pub root: String,
    /// The root's key, PEM, where we are to keep it.
    pub root_key: Option<Secret<String>>,
    /// The issuer's certificate, PEM.
    pub issuer: String,
    /// The issuer's key, PEM.
    pub issuer_key: Secret<String>,
}

/// An issuer that takes the place of the one before.
#[derive(Debug)]
pub struct Adoption {
    /// Its certificate and those above it, PEM.
    pub chain: String,
    /// Its root, where that is apart.
    pub root: Option<String>,
    /// Its key.
    pub key: KeyPlace,
}

/// Where a key is.
#[derive(Debug)]
pub enum KeyPlace {
    /// Here, PEM.
    Here(Secret<String>),
    /// In the vault.
    Vault(Address),
}

/// What is renewed before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renewal {
    /// The issuer, with the root's key that we keep.
    Issuer,
    /// The certificate of a listener of ours: data, admin or enrol.
    Listener(String),
}

/// What was founded, or took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Founded {
    /// The trust domain.
    pub domain: String,
    /// The SHA-256 of the root's certificate, in hexadecimal.
    pub root: String,
    /// The issuer in place.
    pub issuer: String,
    /// When the issuer ends.
    #[serde(serialize_with = "as_text")]
    pub ends: Utc,
    /// The file of issuers and roots.
    pub authority: String,
    /// The file of what was taken back.
    pub crl: String,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certified {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// Whom it names.
    pub id: String,
    /// It and what is between it and its root, PEM.
    pub chain: String,
    /// The roots, PEM.
    pub authority: String,
    /// When it ends.
    #[serde(serialize_with = "as_text")]
    pub ends: Utc,
    /// When it is to be renewed.
    #[serde(serialize_with = "as_text")]
    pub renews: Utc,
}

/// A code that enrols once, shown once.
#[derive(Debug, Serialize)]
pub struct Invited {
    /// The code.
    #[serde(serialize_with = "reveal")]
    pub code: Secret<String>,
    /// Whom it is for.
    pub id: String,
    /// When it ends.
    #[serde(serialize_with = "as_text")]
    pub ends: Utc,
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenBack {
    /// The certificates.
    pub serials: Vec<String>,
    /// How many open codes went with them.
    pub codes: u64,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Utc,
}

/// What was renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renewed {
    /// What.
    pub what: String,
    /// When it ends now.
    #[serde(serialize_with = "as_text")]
    pub ends: Utc,
}

/// Why the authority did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unissued {
    /// The operator's: there is one.
    #[error("there is an authority of `{0}` already; nothing was changed")]
    Founded(Domain),
    /// The operator's: there is none.
    #[error("there is no authority yet: bastide ca init")]
    Unfounded,
    /// The operator's: what was wished cannot be.
    #[error("{0}")]
    Unfit(String),
    /// The operator's: nothing is called so.
    #[error("there is no certificate or code of `{0}`")]
    Nobody(String),
    /// Ours: the vault is locked.
    #[error("the vault is locked, and the authority's keys are in it")]
    Locked,
    /// Ours: what is kept cannot be used or written.
    #[error("{0}")]
    Broken(String),
    /// Ours: taken back, and the list of it is not in force everywhere.
    #[error(
        "it is taken back and cannot be renewed, but the list that says so is not in force, and who asks the list alone lets it in: {0}"
    )]
    Unlisted(String),
}

/// The authority.
pub trait Authorities: Send + Sync {
    /// Founds it.
    fn found(&self, founding: Founding) -> Pending<'_, Result<Founded, Unissued>>;

    /// Signs a certificate for the key of `request` (PKCS #10, PEM).
    fn issue(&self, wish: CertificateWish, request: String) -> Pending<'_, Result<Certified, Unissued>>;

    /// Draws a code that enrols once within `within`.
    fn invite(&self, wish: CertificateWish, within: Duration) -> Pending<'_, Result<Invited, Unissued>>;

    /// Takes back the certificate of this serial, or every one and every code of a name, written NAME or ROLE/NAME.
    fn revoke<'a>(&'a self, which: &'a str, reason: &'a str) -> Pending<'a, Result<TakenBack, Unissued>>;

    /// Renews something before its time.
    fn renew(&self, what: Renewal) -> Pending<'_, Result<Renewed, Unissued>>;

    /// Puts another issuer in place.
    fn adopt(&self, adoption: Adoption) -> Pending<'_, Result<Founded, Unissued>>;

    /// How it stands, with its certificates.
    fn standing(&self) -> Pending<'_, Result<Value, Unissued>>;
}

fn reveal<S: Serializer>(code: &Secret<String>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(code.open())
}

fn as_text<S: Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}
