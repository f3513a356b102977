//! What is known of issued tokens, and which of them are no longer good.

use crate::{Error, Pending};
use papaya::HashMap;
use serde::Serialize;
use std::sync::Arc;
use terms::{Name, ServerName, TokenId, Utc};

/// Whether a token was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not.
    Good,
    /// It was.
    Revoked,
    /// It cannot be told, so the token is refused.
    Unknown,
}

/// A token that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Which.
    pub id: TokenId,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Utc,
}

/// Which tokens were taken back.
///
/// `standing` is asked on every call and must answer from memory, at once.
pub trait Revocations: Send + Sync {
    /// Whether token `id` is still good.
    fn standing(&self, id: TokenId) -> Standing;

    /// Takes token `id` back: in force before the answer is there, durable when it is. Again is no error and keeps the first time.
    ///
    /// # Errors
    /// [`Error::Port`] when it could not be made durable; it is in force in this process all the same.
    fn revoke(&self, id: TokenId, at: Utc) -> Pending<'_, Revocation>;

    /// All that were taken back, oldest first.
    ///
    /// # Errors
    /// [`Error::Port`].
    fn revoked(&self) -> Pending<'_, Vec<Revocation>>;
}

/// What is kept of an issued token: everything but the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// The agent it speaks for.
    pub agent: Name,
    /// The user it speaks for.
    pub user: Option<Name>,
    /// The servers it reaches.
    pub servers: Vec<ServerName>,
    /// The patterns of tools it is narrowed to; none: whatever the roles allow.
    pub tools: Vec<String>,
    /// Whose certificate it must be shown with, where that is so: a SPIFFE id, or `dns:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<str>>,
    /// When it was issued.
    #[serde(serialize_with = "as_text")]
    pub issued: Utc,
    /// When it ends.
    #[serde(serialize_with = "as_text")]
    pub expires: Utc,
    /// When it was taken back.
    #[serde(serialize_with = "as_maybe_text")]
    pub revoked: Option<Utc>,
}

/// What was issued.
pub trait Tokens: Send + Sync {
    /// Keeps `record`; an id is kept once.
    ///
    /// # Errors
    /// [`Error::Port`]; then the token must not be handed out.
    fn keep(&self, record: TokenRecord) -> Pending<'_, ()>;

    /// The record of token `id`, with its revocation.
    ///
    /// # Errors
    /// [`Error::Port`].
    fn find(&self, id: TokenId) -> Pending<'_, Option<TokenRecord>>;

    /// All records, newest first, at most 10,000.
    ///
    /// # Errors
    /// [`Error::Port`].
    fn list(&self) -> Pending<'_, Vec<TokenRecord>>;

    /// Forgets tokens that ended before `end`, and their revocations; says how many.
    ///
    /// # Errors
    /// [`Error::Port`].
    fn forget(&self, end: Utc) -> Pending<'_, u64>;
}

fn as_text<S: serde::Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}

fn as_maybe_text<S: serde::Serializer>(at: &Option<Utc>, out: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => out.collect_str(at),
        None => out.serialize_none(),
    }
}

/// Revocations in memory: lock-free to read. Stores put it in front of what they keep.
#[derive(Debug, Default)]
pub struct Memory {
    revoked: HashMap<TokenId, Utc>,
}

impl Memory {
    /// One that holds `known`.
    pub fn new(known: impl IntoIterator<Item = Revocation>) -> Self {
        Self { revoked: known.into_iter().map(|one| (one.id, one.at)).collect() }
    }

    /// Notes that `id` was taken back, at once; the first time stays.
    pub fn note(&self, id: TokenId, at: Utc) -> Revocation {
        let at = *self.revoked.pin().get_or_insert(id, at);
        Revocation { id, at }
    }

    /// Drops what is known of `id`, whose token has ended.
    pub fn drop_ended(&self, id: TokenId) {
        self.revoked.pin().remove(&id);
    }

    /// All, oldest first.
    pub fn all(&self) -> Vec<Revocation> {
        let mut all: Vec<_> = self.revoked.pin().iter().map(|(id, at)| Revocation { id: *id, at: *at }).collect();
        all.sort_by_key(|one| (one.at, one.id));
        all
    }
}

impl Revocations for Memory {
    fn standing(&self, id: TokenId) -> Standing {
        if self.revoked.pin().contains_key(&id) { Standing::Revoked } else { Standing::Good }
    }

    fn revoke(&self, id: TokenId, at: Utc) -> Pending<'_, Revocation> {
        let noted = self.note(id, at);
        Box::pin(std::future::ready(Ok::<_, Error>(noted)))
    }

    fn revoked(&self) -> Pending<'_, Vec<Revocation>> {
        Box::pin(std::future::ready(Ok(self.all())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_holds_and_keeps_its_first_time() {
        let memory = Memory::default();
        let id = TokenId::from_bits(7);
        assert_eq!(memory.standing(id), Standing::Good);
        memory.note(id, Utc::from_seconds(5));
        assert_eq!(memory.note(id, Utc::from_seconds(9)).at, Utc::from_seconds(5));
        assert_eq!(memory.standing(id), Standing::Revoked);
        assert_eq!(memory.standing(TokenId::from_bits(8)), Standing::Good);
        assert_eq!(memory.all(), [Revocation { id, at: Utc::from_seconds(5) }]);
    }

    #[test]
    fn a_revocation_is_in_force_before_it_is_awaited() {
        let memory = Memory::default();
        let id = TokenId::from_bits(7);
        drop(memory.revoke(id, Utc::from_seconds(5)));
        assert_eq!(memory.standing(id), Standing::Revoked);
    }
}
