//! Why an act or a question was not answered.

use crate::{Unissued, Unreviewed};
use serde::Serialize;
use terms::{ServerName, TokenId};

/// Whose fault it is: decides the status of the API and the exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The operator's: the act or its parameters do not fit.
    Usage,
    /// Ours or the system's.
    System,
}

/// Why an act was not performed, or a question not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator's: not a request of this API.
    #[error("the request does not fit: {0}")]
    Request(String),
    /// The operator's: an act that stops or frees needs a reason.
    #[error("a reason is one line of 1 to 1,000 characters")]
    Reason,
    /// The operator's: a probe's token for something that is no probe.
    #[error("a token for probing is for an agent called `probe/…` and lives at most five minutes")]
    Probe,
    /// The operator's: no such server.
    #[error("there is no server `{0}`")]
    NoServer(ServerName),
    /// The operator's: no such token.
    #[error("there is no token `{0}`")]
    NoToken(TokenId),
    /// The operator's: no such credential.
    #[error("there is no `{0}` in the vault")]
    NoSecret(vault::Address),
    /// The operator's: the act needs a running gateway.
    #[error("this needs a running gateway")]
    NotRunning,
    /// The operator's: the new configuration is not good; the last good one stays in force.
    #[error("the configuration was not taken; the last good one stays in force\n{0}")]
    Configuration(String),
    /// Ours: the act cannot be recorded, so it was not performed.
    #[error("the act cannot be recorded, so it was not performed")]
    Unrecorded(#[source] audit::Unavailable),
    /// Ours: it was performed, and how it ended cannot be recorded.
    #[error("the act was performed, but its end cannot be recorded")]
    HalfRecorded(#[source] audit::Unavailable),
    /// Ours: it is stopped, and will not be after a restart.
    #[error("it is stopped, but the stop could not be stored: a restart would free it")]
    NotDurable(#[source] response::Error),
    /// A server could not be looked at, or the lock not changed.
    #[error(transparent)]
    Unreviewed(#[from] Unreviewed),
    /// The authority did not do it.
    #[error(transparent)]
    Unissued(#[from] Unissued),
    /// The vault is locked.
    #[error("the vault is locked")]
    VaultLocked,
    /// Tokens and revocations.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The kill switch.
    #[error(transparent)]
    Response(#[from] response::Error),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// Ours: an answer that cannot be printed.
    #[error("the answer cannot be printed")]
    Print(#[source] serde_json::Error),
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Request(_)
            | Self::Reason
            | Self::Probe
            | Self::NoServer(_)
            | Self::NoToken(_)
            | Self::NoSecret(_)
            | Self::NotRunning
            | Self::Configuration(_)
            | Self::Unreviewed(Unreviewed::NoServer(_) | Unreviewed::Kept(_) | Unreviewed::Moved(_) | Unreviewed::Configuration(_))
            | Self::Unissued(Unissued::Founded(_) | Unissued::Unfounded | Unissued::Unfit(_) | Unissued::Nobody(_))
            | Self::Response(response::Error::Scope | response::Error::NotStopped(_))
            | Self::Identity(identity::Error::Life | identity::Error::Nowhere | identity::Error::Pattern(_) | identity::Error::TooLong)
            | Self::Vault(
                vault::Error::Absent(_) | vault::Error::Name | vault::Error::TooLong(_) | vault::Error::Full(_) | vault::Error::Conflict(_),
            ) => Fault::Usage,
            Self::Unrecorded(_)
            | Self::HalfRecorded(_)
            | Self::NotDurable(_)
            | Self::Unreviewed(Unreviewed::Unseen { .. } | Unreviewed::Unwritten(_))
            | Self::Unissued(_)
            | Self::VaultLocked
            | Self::Identity(_)
            | Self::Response(_)
            | Self::Vault(_)
            | Self::Print(_) => Fault::System,
        }
    }

    /// The sentence with what lies behind it.
    pub fn sentence(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause.filter(|_| text.len() < 2_000) {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
