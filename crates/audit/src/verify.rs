//! Verifies a log's folder: every byte of every file, and that there is no other file.

mod walk;

pub use walk::TRANSIENT;

use crate::note::VerifierKey;
use crate::read::{Folder, Live};
use serde::Serialize;
use walk::Walk;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, relative to the folder.
    pub file: String,
    /// At which byte, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What.
    pub what: String,
}

/// Where the key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyFrom {
    /// The folder's own file: it shows that the log is whole, not whose it is.
    Folder,
    /// The one who asks.
    Given,
}

/// The newest checkpoint that was found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The log's name.
    pub origin: String,
    /// Records that it covers.
    pub size: u64,
    /// The root, hexadecimal.
    pub root: String,
    /// When it was made.
    pub time: String,
    /// The signed note.
    pub note: String,
}

/// Records that retention took out of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The archive, relative to the folder; of several that are not here, the first and the last.
    pub file: String,
    /// Its first record.
    pub first: u64,
    /// How many it has.
    pub records: u64,
    /// Whether it is here and was verified. One that is not was moved away: its hashes are in the log, its records are not.
    pub here: bool,
}

/// The answer of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether there is no problem.
    pub ok: bool,
    /// Records in the log, those whose content was dropped included.
    pub records: u64,
    /// The newest good checkpoint.
    pub checkpoint: Option<Covered>,
    /// Where the key came from.
    pub key_from: KeyFrom,
    /// What is archived, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub archives: Vec<Archived>,
    /// Of a log that is being written: records past the newest checkpoint, which are in progress and were not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<u64>,
    /// Everything that is wrong, at most [`MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
}

/// Problems beyond this count are not listed.
pub const MOST_PROBLEMS: usize = 100;

/// What to verify against.
#[derive(Clone, Debug, Default)]
pub struct Against {
    /// The log's key, known from elsewhere.
    pub key: Option<VerifierKey>,
    /// The note of an earlier checkpoint, kept elsewhere: the log must have grown out of it.
    pub checkpoint: Option<String>,
}

/// How often a log is looked at whose files change places while they are read.
const TRIES: usize = 5;

/// Verifies the whole folder.
///
/// Of a log that a gateway is writing, everything up to the newest signed checkpoint is judged. What stands behind it is in progress, and is not.
pub fn verify(folder: &dyn Folder, against: &Against) -> Report {
    let mut tries = 1;
    loop {
        let mut walk = Walk::new(folder, against);
        walk.run();
        if walk.is_good() || walk.live() == Live::Stopped || tries == TRIES || !walk.has_moved() {
            return walk.report();
        }
        tries += 1;
    }
}
