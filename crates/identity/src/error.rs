//! What can go wrong here, and the shape of what is waited for.

use std::pin::Pin;

/// What a port could not do: the cause, for the operator's eyes.
pub type PortFault = Box<dyn std::error::Error + Send + Sync>;

/// An answer of a port, not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Why identity could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator asked for a token that lives too long or not at all.
    #[error("a token lives for at least a second and at most 24 hours")]
    Life,
    /// The operator asked for a token that is good nowhere.
    #[error("a token names at least one endpoint")]
    Nowhere,
    /// The operator gave a pattern for tools that is none.
    #[error("`{0}` is no pattern for tool names")]
    Pattern(String),
    /// The operator's token would be longer than what the verifier reads.
    #[error("the token would be longer than {} bytes; name fewer servers or tools", crate::token::LONGEST)]
    TooLong,
    /// A key is not one: our fault or the disk's.
    #[error("the key is not a sound Ed25519 key")]
    Key,
    /// The peer has as many sessions as one principal may have.
    #[error("the principal has {0} open sessions, which is the most")]
    PrincipalSessions(usize),
    /// All peers together have as many sessions as there may be.
    #[error("there are {0} open sessions, which is the most")]
    AllSessions(usize),
    /// Chance gave the same id again and again: our fault.
    #[error("no unused id could be drawn")]
    Chance,
    /// What could not be written: our fault.
    #[error("the token could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// The store did not do its part.
    #[error("the store of tokens and revocations failed")]
    Port(#[source] PortFault),
}
