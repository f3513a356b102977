//! What can be wrong with a lock or with what a server offers.

use terms::Code;

/// Why a lock or a definition is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no lock: the file is absent or empty.
    #[error("there is no lock")]
    Missing,
    /// The file has no signature line.
    #[error("the lock is not signed")]
    Unsigned,
    /// The signature was made with another key.
    #[error("the lock was signed with the key `{found}`, not with `{expected}`")]
    Key {
        /// Id of the key that the file names.
        found: String,
        /// Id of the key that was handed in.
        expected: String,
    },
    /// The signature does not fit the bytes.
    #[error("the lock was changed after it was signed")]
    Signature,
    /// It was signed, and another was signed after it.
    #[error("the lock is an old one: another was signed after it")]
    Superseded,
    /// The content is not a lock.
    #[error("the lock cannot be read: {0}")]
    Malformed(String),
    /// The content is a lock of another format.
    #[error("the lock has format {0}, which is not read here")]
    Version(u32),
    /// More bytes than the bound.
    #[error("`{what}` is larger than {bound} bytes")]
    TooLarge {
        /// Which thing.
        what: String,
        /// The bound in bytes.
        bound: usize,
    },
    /// A definition is not the JSON that it must be.
    #[error("the definition is not valid: {0}")]
    Definition(String),
    /// A definition's own name is not the one it was listed under.
    #[error("the definition of `{listed}` names itself `{own}`")]
    Misnamed {
        /// Name in the list.
        listed: String,
        /// Name in the definition.
        own: String,
    },
    /// A name was offered twice.
    #[error("the {kind} `{name}` is offered twice")]
    Twice {
        /// Sort of definition.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two names would be shown as the same.
    #[error("`{first}` and `{second}` would both be shown as `{shown}`")]
    Shown {
        /// One name.
        first: String,
        /// The other.
        second: String,
        /// What both would be shown as.
        shown: String,
    },
    /// The operator's: the line of a package runner that names nothing which can be pinned.
    #[error("`{found}`: {why}; write `{instead}`")]
    Runner {
        /// What was found, hidden characters made visible.
        found: String,
        /// What is wrong with it.
        why: String,
        /// What to write.
        instead: String,
    },
    /// The lock cannot be printed.
    #[error("the lock cannot be written")]
    Print(#[source] serde_json::Error),
}

impl Error {
    /// The refusal that a peer gets while the lock is in this state.
    pub const fn code(&self) -> Code {
        match self {
            Self::Missing
            | Self::Unsigned
            | Self::Key { .. }
            | Self::Signature
            | Self::Superseded
            | Self::Malformed(_)
            | Self::Version(_)
            | Self::TooLarge { .. }
            | Self::Print(_) => Code::LockUnverified,
            Self::Definition(_) | Self::Misnamed { .. } | Self::Twice { .. } | Self::Shown { .. } | Self::Runner { .. } => Code::PinChanged,
        }
    }
}
