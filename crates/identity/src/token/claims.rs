//! What a token states.

use super::Scope;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use terms::{Name, ServerName, TokenId};

/// What a token is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// An agent's work.
    #[default]
    Work,
    /// A probe of the assessor: what is done with it is on record as a probe's.
    Probe,
}

impl Purpose {
    /// Whether it is the usual one, which a token does not state.
    fn is_usual(&self) -> bool {
        matches!(self, Self::Work)
    }
}

/// What a token shall state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The agent it speaks for.
    pub agent: Name,
    /// The user it speaks for.
    pub user: Option<Name>,
    /// The endpoints it is good at: exact URLs of `/mcp` and `/mcp/{server}`.
    pub audiences: Vec<String>,
    /// What it narrows its holder to.
    pub scope: Scope,
    /// How long it lives: 1 s to 24 h, whole seconds.
    pub life: Duration,
    /// Whose certificate it must be shown with, where that is so: a SPIFFE id, or `dns:NAME`.
    pub workload: Option<Arc<str>>,
    /// What it is made for.
    pub purpose: Purpose,
}

/// The payload. A member more, a member twice or one of another type is no payload; `client_id` and `cnf` are reserved and refused until they are checked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    pub iss: String,
    pub sub: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    pub aud: Vec<String>,
    pub servers: Vec<ServerName>,
    pub tools: Vec<String>,
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
    pub jti: TokenId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Purpose::is_usual")]
    pub purpose: Purpose,
}
