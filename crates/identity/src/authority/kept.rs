//! What is kept of certificates, of those that issue them, and of codes.

use super::{Domain, Error, Role, Subject, Unnameable};
use crate::Pending;
use std::time::Duration;
use terms::{Name, Utc};

/// What is kept of an issued certificate: everything but its key, which we never had or hold in memory alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// Which [`IssuerRecord`] it is of.
    pub issuer: String,
    /// What it is for.
    pub role: Role,
    /// Whom it names.
    pub name: Name,
    /// Where that one is connected to.
    pub hosts: Vec<String>,
    /// How long it was to live.
    pub life: Duration,
    /// The SHA-256 of its public key.
    pub public: [u8; 32],
    /// When it began.
    pub begins: Utc,
    /// When it ends.
    pub ends: Utc,
    /// When it was taken back, and why.
    pub revoked: Option<(Utc, String)>,
}

impl CertificateRecord {
    /// Whom it names, in `domain`.
    ///
    /// # Errors
    /// [`Unnameable`], where what was kept is damaged.
    pub fn subject(&self, domain: Domain) -> Result<Subject, Unnameable> {
        Subject::new(domain, self.role, self.name.clone(), self.hosts.clone())
    }

    /// Whether it is good at `now`.
    pub fn stands(&self, now: Utc) -> bool {
        self.revoked.is_none() && self.ends > now
    }
}

/// A certificate that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Its number, in hexadecimal.
    pub serial: String,
    /// When.
    pub at: Utc,
}

/// What is kept of an issuer: everything but its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRecord {
    /// The start of the SHA-256 of its certificate, in hexadecimal; its key is called so, too.
    pub id: String,
    /// Its certificate and those between it and its root, PEM.
    pub chain: String,
    /// Its root's certificate, PEM.
    pub root: String,
    /// Whether it was made outside, and is renewed there.
    pub origin: Origin,
    /// When it took its place.
    pub since: Utc,
    /// When it ends.
    pub ends: Utc,
}

/// Who made an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Our own root.
    Own,
    /// Somebody else.
    Outside,
}

/// What is kept of a code: who may be enrolled by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What it is found by.
    pub id: String,
    /// The SHA-256 of its secret.
    pub digest: [u8; 32],
    /// What the certificate is for.
    pub role: Role,
    /// Whom it names.
    pub name: Name,
    /// Where that one is connected to.
    pub hosts: Vec<String>,
    /// How long the certificate lives.
    pub life: Duration,
    /// When the code ends.
    pub ends: Utc,
    /// When it was used up.
    pub spent: Option<Utc>,
}

/// Keeps what an authority has issued.
pub trait Certificates: Send + Sync {
    /// The trust domain, once there is an authority.
    ///
    /// # Errors
    /// [`crate::Error::Port`], as of all others here.
    fn domain(&self) -> Pending<'_, Option<Domain>>;

    /// Keeps the trust domain and the first issuer; false when there is an authority already.
    fn found(&self, domain: Domain, issuer: IssuerRecord) -> Pending<'_, bool>;

    /// Keeps a further issuer, in place of the one before.
    fn succeed(&self, issuer: IssuerRecord) -> Pending<'_, ()>;

    /// The issuers that have not ended before `now`, the one in place first.
    fn issuers(&self, now: Utc) -> Pending<'_, Vec<IssuerRecord>>;

    /// Forgets the issuer `id`.
    fn drop_issuer(&self, id: String) -> Pending<'_, ()>;

    /// Keeps what was issued; a serial is kept once.
    fn keep(&self, record: CertificateRecord) -> Pending<'_, ()>;

    /// The record of a certificate.
    fn find(&self, serial: String) -> Pending<'_, Option<CertificateRecord>>;

    /// The newest 10,000 that had not ended at `since`, newest first.
    fn list(&self, since: Utc) -> Pending<'_, Vec<CertificateRecord>>;

    /// Those of `name`, in `role` or in any, that had not ended at `since`.
    fn named(&self, name: Name, role: Option<Role>, since: Utc) -> Pending<'_, Vec<CertificateRecord>>;

    /// Takes certificates back, all or none. Again is no error and keeps the first time.
    fn revoke(&self, serials: Vec<String>, at: Utc, reason: String) -> Pending<'_, ()>;

    /// What was taken back of `issuer`, ended or not: a clock that was set forward goes back.
    fn taken_back(&self, issuer: String) -> Pending<'_, Vec<TakenBack>>;

    /// Forgets certificates and codes that ended before `end`; how many certificates those were. What was taken back is kept as long as its issuer.
    fn forget(&self, end: Utc) -> Pending<'_, u64>;

    /// A number that no list had.
    fn next_number(&self) -> Pending<'_, u64>;

    /// Keeps a code.
    fn invite(&self, invitation: Invitation) -> Pending<'_, ()>;

    /// What is kept of a code.
    fn invitation(&self, id: String) -> Pending<'_, Option<Invitation>>;

    /// Uses a code up; false when it was already.
    fn spend(&self, id: String, at: Utc) -> Pending<'_, bool>;

    /// Uses up every code of `name`, in `role` or in any, ended or not; how many there were.
    fn withdraw(&self, name: Name, role: Option<Role>, at: Utc) -> Pending<'_, u64>;
}

impl Role {
    /// The role that is called so.
    ///
    /// # Errors
    /// [`Error::Kept`], where none is.
    pub fn named(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Error::Kept)
    }
}
