//! Judges tokens.

use super::claims::Payload;
use super::{LONGEST, LONGEST_LIFE, PublicKey, Scope};
use crate::{Revocations, Standing};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{Authenticated, Code, Principal, TokenId, Utc, Workload};

const LEEWAY: Duration = Duration::from_secs(5);
const CACHED: u64 = 10_000;
const SIGNATURE: usize = 64;

/// What is wrong with a token: for the record. The peer learns [`TokenFault::code`] and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// The peer's: longer than 8 KiB.
    #[error("the token is too long")]
    TooLong,
    /// The peer's: not three segments in canonical base64url.
    #[error("the token is not three segments of canonical base64url")]
    Shape,
    /// The peer's: its header is none that this issuer writes, so its type, algorithm or key is foreign.
    #[error("the token's header is none of this issuer's")]
    Header,
    /// The peer's: the key named did not sign this.
    #[error("the token's signature does not hold")]
    Signature,
    /// The signed payload is not what this issuer writes.
    #[error("the token's claims are not as they must be")]
    Claims,
    /// Signed for another issuer's name.
    #[error("the token is of another issuer")]
    Issuer,
    /// The peer's: made for another endpoint.
    #[error("the token is not for this endpoint")]
    Audience,
    /// The peer's: it has ended.
    #[error("the token has expired")]
    Expired,
    /// It begins in the future.
    #[error("the token is not valid yet")]
    NotYet,
    /// The peer's: it was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// Ours: whether it was taken back cannot be told.
    #[error("whether the token was revoked cannot be told")]
    StandingUnknown,
}

impl TokenFault {
    /// What the peer learns.
    pub const fn code(self) -> Code {
        match self {
            Self::TooLong
            | Self::Shape
            | Self::Header
            | Self::Signature
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::Expired
            | Self::NotYet
            | Self::Revoked => Code::TokenInvalid,
            Self::StandingUnknown => Code::IdentityFault,
        }
    }
}

/// What a good token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who holds it.
    pub principal: Principal,
    /// Its id.
    pub token: TokenId,
    /// What it narrows its holder to.
    pub scope: Scope,
    /// When it ends.
    pub expires: Utc,
}

/// A token whose signature and form held once; time, endpoint and revocation are judged at each use.
struct Known {
    verified: Arc<Verified>,
    audiences: Vec<String>,
    begins: Utc,
}

/// Judges the tokens of one issuer.
///
/// What was found by signature is remembered by the SHA-256 of the token, for at most 10,000 tokens; a refusal is never remembered.
/// The clock may only rise in its eyes: when it is set back, a token does not live longer.
pub struct Verifier {
    issuer: String,
    keys: Vec<PublicKey>,
    revocations: Arc<dyn Revocations>,
    known: Cache<[u8; 32], Arc<Known>>,
    latest: AtomicU64,
}

impl Verifier {
    /// One for the tokens of `issuer` signed with any of `keys`.
    pub fn new(issuer: impl Into<String>, keys: Vec<PublicKey>, revocations: Arc<dyn Revocations>) -> Self {
        Self { issuer: issuer.into(), keys, revocations, known: Cache::new(CACHED), latest: AtomicU64::new(0) }
    }

    /// Judges `token` as shown at the endpoint with the exact URL `audience`, at `now`.
    ///
    /// # Errors
    /// [`TokenFault`], the first that was met.
    pub fn verify(&self, token: &str, audience: &str, now: Utc) -> Result<Arc<Verified>, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::TooLong);
        }
        let now = Utc::from_nanos(self.latest.fetch_max(now.nanos(), Ordering::AcqRel).max(now.nanos()));
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known.get(&digest) {
            let judged = self.judge(&known, audience, now);
            if judged == Err(TokenFault::Expired) {
                self.known.invalidate(&digest);
            }
            return judged;
        }
        let known = Arc::new(self.read(token)?);
        let judged = self.judge(&known, audience, now);
        if judged.is_ok() {
            self.known.insert(digest, known);
        }
        judged
    }

    /// What changes between two uses of one token.
    fn judge(&self, known: &Known, audience: &str, now: Utc) -> Result<Arc<Verified>, TokenFault> {
        if now >= known.verified.expires {
            return Err(TokenFault::Expired);
        }
        if known.begins > now.after(LEEWAY) {
            return Err(TokenFault::NotYet);
        }
        if !known.audiences.iter().any(|one| one == audience) {
            return Err(TokenFault::Audience);
        }
        match self.revocations.standing(known.verified.token) {
            Standing::Good => Ok(Arc::clone(&known.verified)),
            Standing::Revoked => Err(TokenFault::Revoked),
            Standing::Unknown => Err(TokenFault::StandingUnknown),
        }
    }

    /// What never changes: form, header, signature, claims.
    fn read(&self, token: &str) -> Result<Known, TokenFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        if payload.contains('.') {
            return Err(TokenFault::Shape);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenFault::Shape)?;
        let signature: [u8; SIGNATURE] = signature.try_into().map_err(|_| TokenFault::Shape)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenFault::Shape)?;
        let key = self.keys.iter().find(|key| key.header() == header).ok_or(TokenFault::Header)?;
        if !key.holds(signed.as_bytes(), &signature) {
            return Err(TokenFault::Signature);
        }
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| TokenFault::Claims)?;
        self.accept(payload)
    }

    fn accept(&self, payload: Payload) -> Result<Known, TokenFault> {
        if payload.iss != self.issuer {
            return Err(TokenFault::Issuer);
        }
        let life = payload.exp.checked_sub(payload.iat).ok_or(TokenFault::Claims)?;
        if life == 0 || life > LONGEST_LIFE.as_secs() {
            return Err(TokenFault::Claims);
        }
        let scope = Scope::new(payload.servers, payload.tools).map_err(|_| TokenFault::Claims)?;
        let principal = Principal {
            agent: payload.sub,
            user: payload.user,
            workload: Workload::Remote,
            authenticated: Authenticated::Token { id: payload.jti },
        };
        let verified = Verified { principal, token: payload.jti, scope, expires: Utc::from_seconds(payload.exp) };
        Ok(Known { verified: Arc::new(verified), audiences: payload.aud, begins: Utc::from_seconds(payload.nbf.max(payload.iat)) })
    }
}
