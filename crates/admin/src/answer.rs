//! What an act gives back.

use crate::{Approved, Certified, Forgotten, Founded, Invited, Look, Reloaded, Renewed, TakenBack, Watched};
use response::Scope;
use serde::{Serialize, Serializer};
use std::path::PathBuf;
use terms::{Secret, ServerName, TokenId, Utc};
use vault::{Address, Listing};

/// The answer of an act. The shapes of tokens and kills are part of the contract.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Of a kill or a release.
    Cut(Cut),
    /// Of a token that was issued.
    Handed(Handed),
    /// Of a token that was taken back.
    Revoked(Revoked),
    /// Of a reload.
    Reloaded(Reloaded),
    /// Of a server that may start again.
    ServerReleased {
        /// Which.
        server: ServerName,
    },
    /// Of a server that was looked at.
    Looked(Box<Look>),
    /// Of a server that was watched.
    Watched(Box<Watched>),
    /// Of a server that was approved.
    Approved(Box<Approved>),
    /// Of a server that was taken out of the lock.
    Forgotten(Forgotten),
    /// Of a credential that was put.
    Kept(Listing),
    /// Of a credential that was removed.
    Removed {
        /// Which.
        address: Address,
    },
    /// Of an authority that was founded, or an issuer that took its place.
    Founded(Founded),
    /// Of a certificate that was signed.
    Certified(Box<Certified>),
    /// Of a code that was drawn.
    Invited(Invited),
    /// Of certificates that were taken back.
    TakenBack(TakenBack),
    /// Of what was renewed.
    Renewed(Renewed),
}

/// What a kill or a release did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// What it means.
    pub scope: Scope,
    /// Sessions that it ended.
    pub ended_sessions: usize,
    /// Calls under way that it ended.
    pub ended_calls: usize,
    /// From the act to its end, in milliseconds.
    pub ms: u64,
    /// Where what killed local servers leave behind is being kept, a folder each; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<PathBuf>,
}

/// A token, shown once.
#[derive(Debug, Serialize)]
pub struct Handed {
    /// The token.
    #[serde(serialize_with = "reveal")]
    pub token: Secret<String>,
    /// Its id.
    pub id: TokenId,
    /// When it ends.
    #[serde(serialize_with = "as_text")]
    pub expires_at: Utc,
    /// What the data listener lets a probe in with, where it asks for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Pass>,
}

/// A certificate for a probe, as PEM.
#[derive(Debug, Serialize)]
pub struct Pass {
    /// The certificate.
    pub chain: String,
    /// Its key.
    #[serde(serialize_with = "reveal")]
    pub key: Secret<String>,
    /// What the listener itself shows, leaf first.
    pub shown: String,
}

/// A token that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// Which.
    pub id: TokenId,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Utc,
    /// Sessions that ended with it.
    pub ended_sessions: usize,
}

fn reveal<S: Serializer>(token: &Secret<String>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(token.open())
}

fn as_text<S: Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}
