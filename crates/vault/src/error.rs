//! What can go wrong here, and the shape of what is waited for.

use crate::Address;
use std::pin::Pin;

/// What a port could not do: the cause, for the operator's eyes.
pub type PortFault = Box<dyn std::error::Error + Send + Sync>;

/// An answer of a port, not there yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Why the vault could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator's: the key file or passphrase is not the vault's.
    #[error("the vault stays locked: the key file or passphrase is not the one it was made with")]
    Locked,
    /// The operator's: the vault was made to be unlocked in another way.
    #[error("the vault stays locked: it opens with a {0}")]
    Method(crate::Method),
    /// The operator's: too little to guess.
    #[error("a key file has at least 32 bytes and a passphrase at least 8 characters")]
    Weak,
    /// There is no such entry.
    #[error("there is no `{0}` in the vault")]
    Absent(Address),
    /// The operator's: not the name of an entry.
    #[error("an entry is called `vault:SERVER/NAME`")]
    Name,
    /// The operator's: more than an entry holds.
    #[error("a value has at most {0} bytes")]
    TooLong(usize),
    /// The operator's: more entries than there may be.
    #[error("the vault has {0} entries, which is the most")]
    Full(usize),
    /// The disk's, or somebody's: what is sealed does not open at its place.
    #[error("`{0}` was altered or belongs elsewhere")]
    Altered(Address),
    /// The disk's, or somebody's: the head of the vault is not one.
    #[error("the head of the vault was altered or is of a newer kind")]
    Head,
    /// Somebody wrote the same entry meanwhile.
    #[error("`{0}` was changed by somebody else meanwhile")]
    Conflict(Address),
    /// Ours: the cipher refused.
    #[error("the cipher failed")]
    Cipher,
    /// The chest did not do its part.
    #[error("the store of sealed credentials failed")]
    Port(#[source] PortFault),
}
