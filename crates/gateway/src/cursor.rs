//! Cursors: sealed positions in lists, good for one session and one configuration.

use crate::line::Listing;
use crate::seal::Seals;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use terms::{Entropy, ServerName, SessionId, Utc};

/// How long a cursor is good for.
pub const LIFE: Duration = Duration::from_secs(3600);

/// A position in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cursor {
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
    /// In a resource that is handed out in pages.
    Page {
        /// Which server's.
        server: ServerName,
        /// The server's own address of it.
        uri: String,
        /// How many bytes of it were shown.
        from: usize,
        /// Of what, as long as it does not change.
        digest: String,
    },
}

/// Seals and opens cursors under a key of this process.
pub struct Cursors {
    seals: Seals,
}

impl Cursors {
    /// Those of a new key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { seals: Seals::new(entropy) }
    }

    /// The text of a cursor; `None` when it cannot be sealed.
    pub fn seal(&self, entropy: &dyn Entropy, cursor: &Cursor, session: SessionId, configuration: &str, now: Utc) -> Option<String> {
        self.seals.seal(entropy, cursor, &bound(session, configuration), now, LIFE)
    }

    /// What a cursor says; `None` when it is not ours, was altered, is another session's, another configuration's, or too old.
    pub fn open(&self, text: &str, session: SessionId, configuration: &str, now: Utc) -> Option<Cursor> {
        self.seals.open(text, &bound(session, configuration), now).map(|opened| opened.said)
    }
}

fn bound(session: SessionId, configuration: &str) -> String {
    format!("{session} {configuration}")
}
