//! Who a call is made for.

use crate::{Name, TokenId};
use serde::Serialize;
use std::sync::Arc;

/// Where a call comes from: the facts about the peer that the peer did not choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Workload {
    /// A process of this host, known from its socket credentials.
    Local {
        /// The user id of the peer.
        uid: u32,
        /// The executable that the peer's process id led to, when it could be read.
        executable: Option<String>,
    },
    /// A holder of a token, known by nothing more.
    Remote,
    /// Who has shown a client certificate.
    Certificate {
        /// Whom the certificate names: a SPIFFE id, or `dns:NAME`.
        identity: Arc<str>,
    },
    /// The gateway itself: probes and background work.
    Gateway,
}

/// How a principal became known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Authenticated {
    /// By socket credentials; the agent's name is its own claim.
    Peer,
    /// By a token of the built-in issuer.
    Token {
        /// The token's id.
        id: TokenId,
    },
    /// By a token of the built-in issuer that was made for a probe of the assessor.
    Probe {
        /// The token's id.
        id: TokenId,
    },
    /// By being part of the gateway.
    Gateway,
}

impl Authenticated {
    /// The token that it was done with.
    pub const fn token(&self) -> Option<TokenId> {
        match self {
            Self::Token { id } | Self::Probe { id } => Some(*id),
            Self::Peer | Self::Gateway => None,
        }
    }
}

/// Who a call is made for: an agent, acting for a user, from a workload. Never an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Principal {
    /// Which program.
    pub agent: Name,
    /// For whom, where that is known.
    pub user: Option<Name>,
    /// From where.
    pub workload: Workload,
    /// How it became known.
    pub authenticated: Authenticated,
}

impl Principal {
    /// Whether it is a probe of the assessor. Only a token says so that an operator asked for as one; a name says nothing.
    pub const fn is_probe(&self) -> bool {
        matches!(self.authenticated, Authenticated::Probe { .. })
    }

    /// Whether `member`, written `agent:NAME` or `user:NAME`, means this principal.
    pub fn is(&self, member: &str) -> bool {
        match member.split_once(':') {
            Some(("agent", name)) => self.agent.as_str() == name,
            Some(("user", name)) => self.user.as_ref().is_some_and(|user| user.as_str() == name),
            _ => false,
        }
    }
}
