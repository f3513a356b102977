//! The closed list of administrative acts.

use crate::{Adoption, CertificateWish, Error, Founding, KeyPlace, Renewal, Seek, Watching};
use identity::token::Purpose;
use response::Scope;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use supply::Digest;
use terms::{Name, Secret, ServerName, TokenId};
use vault::Address;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_000;

/// What the names of the assessor's probes begin with.
const PROBES: &str = "probe/";
/// The longest that a probe's token lives.
const LONGEST_PROBE: Duration = Duration::from_secs(300);

/// How much an act weighs: what must be there before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Stops something: applied at once, recorded beside it, never kept from being applied by a log that cannot be written.
    Stop,
    /// Changes what is: recorded before it is applied.
    Plain,
    /// Opens what was closed, or gives a right: recorded before it is applied; where second people are demanded, they are demanded here.
    Grave,
}

/// What a token shall be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenWish {
    /// The agent it speaks for.
    pub agent: Name,
    /// The user it speaks for.
    pub user: Option<Name>,
    /// The servers it reaches; none: every one that the principal's roles reach.
    pub servers: Option<Vec<ServerName>>,
    /// The tools it is narrowed to; empty: whatever the roles allow.
    pub tools: Vec<String>,
    /// Whose certificate it must be shown with, where that is so: a SPIFFE id, or `dns:NAME`.
    pub workload: Option<Arc<str>>,
    /// How long it lives: 1 s to 24 h.
    pub life: Duration,
    /// What it is made for. A probe's agent is called `probe/…` and its token lives at most five minutes, so that no agent's work passes for a probe's.
    pub purpose: Purpose,
}

/// One administrative deed. A new variant is a new thought: its gravity, its name and its parameters are exhaustive matches.
#[derive(Debug)]
pub enum Act {
    /// Stop a scope, at once.
    Kill {
        /// What.
        scope: Scope,
        /// Why.
        reason: String,
    },
    /// Let go on what was stopped.
    Release {
        /// What.
        scope: Scope,
        /// Why.
        reason: String,
    },
    /// Issue a token.
    TokenIssue(TokenWish),
    /// Take a token back, and end its sessions.
    TokenRevoke {
        /// Which.
        id: TokenId,
    },
    /// Read the configuration anew.
    Reload,
    /// Let a server that died too often start again.
    ServerRelease {
        /// Which.
        server: ServerName,
    },
    /// Look at what a server offers now, beside what was approved of it: starts or dials it.
    ServerLook {
        /// Which.
        server: ServerName,
        /// Which version of it, where it is a package.
        seek: Seek,
    },
    /// Run a local server once more to see what it asks for, and propose what it is to be given.
    ServerWatch {
        /// Which.
        server: ServerName,
        /// What is done with it.
        wish: Watching,
    },
    /// Approve a server as it was shown, and sign the lock.
    ServerApprove {
        /// Which.
        server: ServerName,
        /// The digest of what was shown: nothing else is approved by this.
        shown: Digest,
    },
    /// Take a server that is no longer configured out of the lock, and sign it.
    ServerForget {
        /// Which.
        server: ServerName,
    },
    /// Put a credential into the vault.
    SecretPut {
        /// What it is called.
        address: Address,
        /// What it is.
        value: Secret<Vec<u8>>,
    },
    /// Take a credential out of the vault.
    SecretRemove {
        /// What it is called.
        address: Address,
    },
    /// Found the certificate authority.
    CaInit(Box<Founding>),
    /// Sign a certificate.
    CaIssue {
        /// Whom it names.
        wish: CertificateWish,
        /// The request for it, PEM.
        request: String,
    },
    /// Draw a code that enrols once.
    CaInvite {
        /// Whom the certificate names.
        wish: CertificateWish,
        /// How long the code is good.
        within: Duration,
    },
    /// Take certificates and codes back, at once.
    CaRevoke {
        /// A serial, NAME or ROLE/NAME.
        which: String,
        /// Why.
        reason: String,
    },
    /// Renew the issuer or a listener's certificate before its time.
    CaRenew(Renewal),
    /// Put another issuer in place.
    CaImport(Box<Adoption>),
}

impl Act {
    /// How much it weighs.
    pub const fn gravity(&self) -> Gravity {
        match self {
            Self::Kill { .. } | Self::TokenRevoke { .. } | Self::CaRevoke { .. } => Gravity::Stop,
            Self::SecretRemove { .. }
            | Self::ServerRelease { .. }
            | Self::ServerLook { .. }
            | Self::ServerWatch { .. }
            | Self::ServerForget { .. }
            | Self::CaRenew(_) => Gravity::Plain,
            Self::Release { .. }
            | Self::TokenIssue(_)
            | Self::Reload
            | Self::SecretPut { .. }
            | Self::ServerApprove { .. }
            | Self::CaInit(_)
            | Self::CaIssue { .. }
            | Self::CaInvite { .. }
            | Self::CaImport(_) => Gravity::Grave,
        }
    }

    /// Its name in records.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Release { .. } => "release",
            Self::TokenIssue(_) => "token.issue",
            Self::TokenRevoke { .. } => "token.revoke",
            Self::Reload => "reload",
            Self::ServerRelease { .. } => "server.release",
            Self::ServerLook { .. } => "server.look",
            Self::ServerWatch { .. } => "server.watch",
            Self::ServerApprove { .. } => "server.approve",
            Self::ServerForget { .. } => "server.forget",
            Self::SecretPut { .. } => "secret.put",
            Self::SecretRemove { .. } => "secret.remove",
            Self::CaInit(_) => "ca.init",
            Self::CaIssue { .. } => "ca.issue",
            Self::CaInvite { .. } => "ca.invite",
            Self::CaRevoke { .. } => "ca.revoke",
            Self::CaRenew(_) => "ca.renew",
            Self::CaImport(_) => "ca.import",
        }
    }

    /// Its parameters for the record, without secrets.
    pub fn parameters(&self) -> Map<String, Value> {
        let value = match self {
            Self::Kill { scope, reason } | Self::Release { scope, reason } => json!({ "scope": scope, "reason": reason }),
            Self::TokenIssue(wish) => json!({
                "agent": wish.agent,
                "user": wish.user,
                "servers": wish.servers,
                "tools": wish.tools,
                "workload": wish.workload,
                "life_seconds": wish.life.as_secs(),
                "purpose": wish.purpose,
            }),
            Self::TokenRevoke { id } => json!({ "id": id }),
            Self::Reload => json!({}),
            Self::ServerRelease { server } | Self::ServerForget { server } => json!({ "server": server }),
            Self::ServerLook { server, seek } => json!({ "server": server, "seek": seek }),
            Self::ServerWatch { server, wish } => {
                let tools: Vec<&str> = wish.calls.iter().map(|call| call.tool.as_str()).collect();
                json!({ "server": server, "tools": tools, "seconds": wish.seconds })
            }
            Self::ServerApprove { server, shown } => json!({ "server": server, "shown": shown }),
            Self::SecretPut { address, value: _ } | Self::SecretRemove { address } => json!({ "address": address }),
            Self::CaInit(founding) => json!({ "domain": founding.domain.to_string(), "root_kept": founding.root_key.is_some() }),
            Self::CaIssue { wish, request: _ } => json!(wish),
            Self::CaInvite { wish, within } => json!({ "wish": wish, "within_seconds": within.as_secs() }),
            Self::CaRevoke { which, reason } => json!({ "which": which, "reason": reason }),
            Self::CaRenew(what) => json!({ "what": what }),
            Self::CaImport(adoption) => match &adoption.key {
                KeyPlace::Here(_) => json!({}),
                KeyPlace::Vault(address) => json!({ "key": address }),
            },
        };
        match value {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// Refuses what nobody could read in the record later.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Kill { reason, .. } | Self::Release { reason, .. } | Self::CaRevoke { reason, .. } => {
                let good = !reason.trim().is_empty() && reason.chars().count() <= LONGEST_REASON && !reason.chars().any(char::is_control);
                if good { Ok(()) } else { Err(Error::Reason) }
            }
            Self::TokenIssue(wish) => match wish.purpose {
                Purpose::Work => Ok(()),
                Purpose::Probe if wish.agent.as_str().starts_with(PROBES) && wish.life <= LONGEST_PROBE => Ok(()),
                Purpose::Probe => Err(Error::Probe),
            },
            Self::TokenRevoke { .. }
            | Self::Reload
            | Self::ServerRelease { .. }
            | Self::ServerLook { .. }
            | Self::ServerWatch { .. }
            | Self::ServerApprove { .. }
            | Self::ServerForget { .. }
            | Self::SecretPut { .. }
            | Self::SecretRemove { .. }
            | Self::CaInit(_)
            | Self::CaIssue { .. }
            | Self::CaInvite { .. }
            | Self::CaRenew(_)
            | Self::CaImport(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_among_the_parameters() {
        let act = Act::SecretPut { address: "vault:github/token".parse().unwrap(), value: Secret::new(b"hunter2".to_vec()) };
        assert_eq!(Value::Object(act.parameters()), json!({ "address": "vault:github/token" }));
        assert!(!format!("{act:?}").contains("hunter2"));
    }

    #[test]
    fn the_work_of_an_agent_does_not_pass_for_a_probe() {
        let wish = |agent: &str, seconds, purpose| {
            let (agent, life) = (agent.parse().unwrap(), Duration::from_secs(seconds));
            Act::TokenIssue(TokenWish { agent, user: None, servers: None, tools: Vec::new(), workload: None, life, purpose })
                .check()
                .is_ok()
        };
        assert!(wish("probe/a", 300, Purpose::Probe) && wish("probe/a", 3_600, Purpose::Work));
        assert!(!wish("codex", 60, Purpose::Probe) && !wish("probe", 60, Purpose::Probe) && !wish("probe/a", 301, Purpose::Probe));
    }

    #[test]
    fn a_kill_needs_a_reason() {
        for (reason, good) in [("drill", true), ("", false), ("  ", false), ("a\nb", false), (&"x".repeat(1_001), false)] {
            let act = Act::Kill { scope: Scope::All, reason: reason.to_owned() };
            assert_eq!(act.check().is_ok(), good, "{reason}");
        }
    }
}
