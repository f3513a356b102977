//! Small closed sets that policy speaks in.

use serde::{Deserialize, Serialize};

/// How sensitive data is; sticks to it. Ordered from harmless to closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// Anyone may have it.
    #[default]
    Public,
    /// For the house.
    Internal,
    /// For those who need it.
    Confidential,
    /// For those named.
    Restricted,
}

impl Label {
    /// The name in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// What a tool does to the world; fixed when the tool is reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Changes nothing.
    Read,
    /// Adds or changes.
    Write,
    /// Removes.
    Delete,
}

impl Operation {
    /// The name in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// Whether strangers may have written what a server returns, and whether what it is sent leaves the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Ours.
    Internal,
    /// Not ours.
    External,
}
