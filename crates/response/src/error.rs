//! What can go wrong here, and the shape of what is waited for.

use std::pin::Pin;

/// What a port could not do: the cause, for the operator's eyes.
pub type PortFault = Box<dyn std::error::Error + Send + Sync>;

/// An answer of a port, not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Why the kill switch could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator named no scope.
    #[error("a scope is `all`, `server:NAME`, `agent:NAME`, `user:NAME` or a session's id")]
    Scope,
    /// The operator released what is not stopped.
    #[error("`{0}` is not stopped")]
    NotStopped(crate::Scope),
    /// The store did not do its part.
    #[error("the store of kill epochs failed")]
    Port(#[source] PortFault),
}
