//! SQLite and files behind the ports.
//!
//! [`Sqlite::open`] takes the state folder; the [`Store`] it gives implements `identity::{Tokens, Revocations}`, `vault::Chest` and `response::EpochStore`.

mod error;
mod folder;
pub mod journal;
mod keys;
mod sqlite;
mod tree;

pub use error::Error;
pub use folder::{Folder, read_private, write_private};
pub use keys::Signer;
pub use sqlite::{Sqlite, Store};
pub use tree::{Digest, Fingerprint, Tree, fingerprint, opened_digest, opened_fingerprint, tree_digest};
