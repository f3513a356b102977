//! Records, Merkle log, checkpoints, proofs, and the verifier.
//!
//! Pure: the log's files are reached through [`Folder`], and a record is handed over through the port [`Journal`]. The format is written down in
//! `docs/audit-format.md`.

pub mod archive;
pub mod bundle;
pub mod checkpoint;
mod error;
mod journal;
pub mod note;
pub mod proof;
pub mod read;
pub mod record;
pub mod segment;
pub mod show;
pub mod tile;
pub mod tree;
pub mod verify;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use journal::{Completion, Journal, Position, State, Ticket, Unavailable, ticket};
pub use note::{LogKey, VerifierKey};
pub use read::{Entry, Folder, Live, Node, Sort};
pub use record::Record;
pub use verify::{Problem, Report, verify};
