//! Cursors: sealed positions in lists, good for one session and one configuration.

use crate::line::Listing;
use crate::session::Session;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use terms::{Entropy, ServerName, Utc};

/// How long a cursor is good for.
const LIFE: Duration = Duration::from_secs(3600);
const NONCE: usize = 12;

/// A position in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Cursor {
    /// In a list that is answered from the pins.
    Pinned {
        /// Which list.
        list: Listing,
        /// How many were shown.
        position: usize,
    },
    /// In the resources of a server, at its own cursor.
    Resources {
        /// Which server.
        server: ServerName,
        /// Its cursor; its first page when absent.
        own: Option<String>,
    },
}

/// Seals and opens cursors under a key of this process.
pub(crate) struct Cursors {
    cipher: Aes256GcmSiv,
}

impl Cursors {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; 32];
        entropy.fill(&mut key);
        Self { cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key)) }
    }

    /// The text of a cursor; `None` when it cannot be sealed.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, cursor: &Cursor, session: &Session, configuration: &str, now: Utc) -> Option<String> {
        let mut nonce = [0_u8; NONCE];
        entropy.fill(&mut nonce);
        let plain = serde_json::to_vec(&(now.after(LIFE).seconds(), cursor)).ok()?;
        let bound = bound(session, configuration);
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: bound.as_bytes() }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What a cursor says; `None` when it is not ours, was altered, is another session's, another configuration's, or too old.
    pub(crate) fn open(&self, text: &str, session: &Session, configuration: &str, now: Utc) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let bound = bound(session, configuration);
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound.as_bytes() }).ok()?;
        let (expires, cursor): (u64, Cursor) = serde_json::from_slice(&plain).ok()?;
        (now.seconds() < expires).then_some(cursor)
    }
}

fn bound(session: &Session, configuration: &str) -> String {
    format!("{} {configuration}", session.id)
}
