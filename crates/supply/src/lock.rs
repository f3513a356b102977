//! The lock file: readable text with a signature as its last line.
//!
//! Body: JSON with two spaces of indentation and one line a definition. Last line:
//! `signature ed25519 KEY SIGNATURE`, the key's id being the first eight bytes of its SHA-256 in hexadecimal and the
//! signature standard base64. What is signed is [`DOMAIN`] followed by every byte before that line.
//! A body that is not byte for byte what this module prints is refused, so one lock has one text.

use crate::{Content, Definition, Digest, Error, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use terms::{Name, ServerName, Utc};

/// What the signature covers before the body, so that it cannot be taken for a signature of something else.
pub const DOMAIN: &[u8] = b"dev.bastide/lock/v1\n";
/// The format that is read and written.
const VERSION: u32 = 1;
/// Largest lock, in bytes.
const MOST_BYTES: usize = 64 << 20;
const MARK: &str = "signature ed25519 ";

/// Why a definition is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aside {
    /// It differs from what was reviewed.
    Changed,
    /// It was not reviewed.
    New,
    /// Its name cannot be told from another one's of the same server.
    Collision,
}

/// One reviewed definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its name, as the server spells it; a template's is its `uriTemplate`.
    pub name: String,
    /// What clients of all servers see.
    pub shown_as: String,
    /// SHA-256 of the canonical definition.
    pub digest: Digest,
    /// Its place in the server's list, from 0.
    pub position: u32,
    /// Set when it is pinned but must not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
    /// The definition, canonical.
    pub definition: Definition,
}

/// All that was reviewed of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPin {
    /// What is started or dialled.
    pub content: Content,
    /// The revision of the protocol.
    pub revision: String,
    /// `serverInfo`.
    pub server_info: Definition,
    /// `capabilities`.
    pub capabilities: Definition,
    /// `instructions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Who looked at it.
    pub reviewer: Name,
    /// When.
    #[serde(with = "stamp")]
    pub approved_at: Utc,
    /// Until when the review counts.
    #[serde(default, with = "stamp::maybe", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Utc>,
    /// The tools, in the server's order.
    pub tools: Vec<Pin>,
    /// The prompts, in the server's order.
    pub prompts: Vec<Pin>,
    /// The resource templates, in the server's order.
    pub templates: Vec<Pin>,
}

impl ServerPin {
    /// The pins of one sort, in the server's order.
    pub fn of(&self, kind: Kind) -> &[Pin] {
        match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Template => &self.templates,
        }
    }

    /// The pin of `name`, spelled exactly.
    pub fn pin(&self, kind: Kind, name: &str) -> Option<&Pin> {
        self.of(kind).iter().find(|pin| pin.name == name)
    }

    /// Whether the review still counts at `now`.
    pub fn is_current(&self, now: Utc) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

/// The pins of all servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// By server.
    pub servers: BTreeMap<ServerName, ServerPin>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, servers: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads a lock that `key` signed.
    ///
    /// # Errors
    /// [`Error::Missing`] for no bytes, [`Error::Unsigned`] without a signature line, [`Error::Key`] for another
    /// key's, [`Error::Signature`] when it does not fit, then [`Error::Malformed`] and [`Error::Version`] for a
    /// signed body that is no lock. Nothing of the body is parsed before its signature held.
    pub fn read(bytes: &[u8], key: &VerifyingKey) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Missing);
        }
        if bytes.len() > MOST_BYTES {
            return Err(Error::TooLarge { what: "bastide.lock".into(), bound: MOST_BYTES });
        }
        let (body, line) = split(bytes).ok_or(Error::Unsigned)?;
        let line = line.strip_prefix(MARK).ok_or(Error::Unsigned)?;
        let (found, signature) = line.split_once(' ').ok_or(Error::Unsigned)?;
        let expected = key_id(key);
        if found != expected {
            return Err(Error::Key { found: crate::visible(found), expected });
        }
        let signature = STANDARD.decode(signature).map_err(|_| Error::Signature)?;
        let signature = Signature::from_slice(&signature).map_err(|_| Error::Signature)?;
        key.verify_strict(&signed(body), &signature).map_err(|_| Error::Signature)?;

        let malformed = |cause: serde_json::Error| Error::Malformed(cause.to_string());
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(body).map_err(malformed)?;
        if head.version != VERSION {
            return Err(Error::Version(head.version));
        }
        let lock: Self = serde_json::from_slice(body).map_err(malformed)?;
        if lock.body()? != body {
            return Err(Error::Malformed("it is not in canonical form".into()));
        }
        lock.check()?;
        Ok(lock)
    }

    /// Prints and signs the lock; equal locks give equal bytes.
    ///
    /// # Errors
    /// [`Error::Print`], which no lock made by [`crate::approve`] meets.
    pub fn write(&self, key: &SigningKey) -> Result<Vec<u8>, Error> {
        let mut bytes = self.body()?;
        let signature = STANDARD.encode(key.sign(&signed(&bytes)).to_bytes());
        bytes.extend_from_slice(format!("{MARK}{} {signature}\n", key_id(&key.verifying_key())).as_bytes());
        Ok(bytes)
    }

    fn body(&self) -> Result<Vec<u8>, Error> {
        let mut body = serde_json::to_vec_pretty(self).map_err(Error::Print)?;
        body.push(b'\n');
        Ok(body)
    }

    fn check(&self) -> Result<(), Error> {
        for (server, pinned) in &self.servers {
            for kind in Kind::ALL {
                for pin in pinned.of(kind) {
                    if pin.definition.digest() != pin.digest {
                        return Err(Error::Malformed(format!("the digest of {} `{}` of {server} is wrong", kind.as_str(), pin.name)));
                    }
                }
            }
        }
        Ok(())
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let ended = bytes.strip_suffix(b"\n")?;
    let at = ended.iter().rposition(|byte| *byte == b'\n')? + 1;
    let (body, line) = ended.split_at_checked(at)?;
    Some((body, std::str::from_utf8(line).ok()?))
}

fn signed(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}

fn key_id(key: &VerifyingKey) -> String {
    hex::encode(Digest::of(key.as_bytes()).as_bytes()).chars().take(16).collect()
}

mod stamp {
    use super::{Deserialize, Deserializer, Serializer, Utc};

    pub(super) fn serialize<S: Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Utc, D::Error> {
        let text = String::deserialize(input)?;
        Utc::parse(&text).ok_or_else(|| serde::de::Error::custom("a time is written as in RFC 3339"))
    }

    pub(super) mod maybe {
        use super::{Deserializer, Serializer, Utc};

        pub(in crate::lock) fn serialize<S: Serializer>(at: &Option<Utc>, out: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => out.collect_str(at),
                None => out.serialize_none(),
            }
        }

        pub(in crate::lock) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Utc>, D::Error> {
            super::deserialize(input).map(Some)
        }
    }
}

/// One row of `bastide server list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerRow {
    /// Its name.
    pub name: ServerName,
    /// What is started or dialled.
    pub content: Content,
    /// The pinned revision of the protocol.
    pub revision: String,
    /// How many tools may be used.
    pub tools: usize,
    /// How many prompts may be used.
    pub prompts: usize,
    /// How many resource templates may be used.
    pub templates: usize,
    /// How many definitions are put aside.
    pub aside: usize,
    /// Who reviewed it.
    pub reviewer: Name,
    /// When, RFC 3339.
    pub approved_at: String,
    /// Until when the review counts.
    pub expires: Option<String>,
}

impl ServerRow {
    /// The row of a pinned server.
    pub fn of(name: &ServerName, pinned: &ServerPin) -> Self {
        let usable = |kind| pinned.of(kind).iter().filter(|pin| pin.aside.is_none()).count();
        Self {
            name: name.clone(),
            content: pinned.content.clone(),
            revision: pinned.revision.clone(),
            tools: usable(Kind::Tool),
            prompts: usable(Kind::Prompt),
            templates: usable(Kind::Template),
            aside: Kind::ALL.iter().flat_map(|kind| pinned.of(*kind)).filter(|pin| pin.aside.is_some()).count(),
            reviewer: pinned.reviewer.clone(),
            approved_at: pinned.approved_at.to_string(),
            expires: pinned.expires.map(|end| end.to_string()),
        }
    }
}
