//! Checkpoints: signed heads of the log, after C2SP tlog-checkpoint.

use crate::note::{LogKey, VerifierKey};
use crate::tree::Hash;
use crate::{Error, tree};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use terms::Utc;

/// Whether more is to be expected after a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The log is being written.
    Open,
    /// The log was closed cleanly: this covers everything.
    Closed,
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// When it was made; never before the one before.
    pub time: Utc,
    /// Records before this index are gone by retention: their hashes remain.
    pub dropped: u64,
    /// Whether the log was closed with it.
    pub phase: Phase,
}

impl Checkpoint {
    /// The head of the empty log.
    pub fn empty(origin: &str, time: Utc) -> Self {
        Self { origin: origin.to_owned(), size: 0, root: tree::empty(), time, dropped: 0, phase: Phase::Open }
    }

    /// The text that is signed: origin, size, root, and the extension lines `time`, `dropped`, `state`.
    pub fn text(&self) -> String {
        let Self { origin, size, root, time, dropped, phase } = self;
        format!("{origin}\n{size}\n{}\ntime {time}\ndropped {dropped}\nstate {}\n", STANDARD.encode(root), phase.as_str())
    }

    /// The signed note.
    pub fn sign(&self, key: &LogKey) -> String {
        key.sign(&self.text())
    }

    /// Opens a note and reads it; every line must be in its one spelling.
    ///
    /// # Errors
    /// [`Error::Note`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, Error> {
        let own = Self::read(key.open(note)?)?;
        if own.origin == key.name() { Ok(own) } else { Err(Error::Note("it is another log's")) }
    }

    /// Reads the text of a note without checking a signature.
    ///
    /// # Errors
    /// [`Error::Note`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(Error::Note("a line is missing"));
        let origin = line()?.to_owned();
        let size = line()?.parse().map_err(|_| Error::Note("its size is no number"))?;
        let root = STANDARD.decode(line()?).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Note("its root is no hash"))?;
        let time = line()?.strip_prefix("time ").and_then(Utc::parse).ok_or(Error::Note("its time is none"))?;
        let dropped = line()?
            .strip_prefix("dropped ")
            .and_then(|text| text.parse().ok())
            .ok_or(Error::Note("its count of dropped records is none"))?;
        let phase = match line()? {
            "state open" => Phase::Open,
            "state closed" => Phase::Closed,
            _ => return Err(Error::Note("its state is none")),
        };
        let own = Self { origin, size, root, time, dropped, phase };
        if own.text() == text { Ok(own) } else { Err(Error::Note("a line is not in its one spelling")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Secret;

    #[test]
    fn a_checkpoint_reads_what_it_printed_and_nothing_near() {
        let key = LogKey::from_seed("bastide/test", Secret::new([7; 32])).unwrap();
        let point = Checkpoint { size: 12, phase: Phase::Closed, dropped: 3, ..Checkpoint::empty("bastide/test", Utc::from_seconds(5)) };
        let note = point.sign(&key);
        assert_eq!(Checkpoint::open(&note, key.verifier()).unwrap(), point);
        for (at, _) in note.char_indices() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let opened = String::from_utf8(changed).ok().and_then(|text| Checkpoint::open(&text, key.verifier()).ok());
            // Unused bits of base64 are the one freedom a note has; frames and files are compared byte for byte besides.
            assert!(opened.is_none(), "byte {at}");
        }
        assert!(Checkpoint::read("a\n012\n").is_err());
    }
}
