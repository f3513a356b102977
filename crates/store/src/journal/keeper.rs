//! Makes archives of old segments, beside the writer: it reads what nobody writes any more.

use super::disk::Disk;
use super::folder::LogFolder;
use super::{Error, io};
use audit::archive::{self, Ended, Seal};
use audit::read::{self, MOST_FILE};
use audit::segment::{self, HEADER, Header};
use audit::tile::{self, WIDTH};
use audit::tree::Hash;
use audit::{Folder, LogKey};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use terms::Utc;

/// An archive that is durable.
#[derive(Debug)]
pub struct Sealed {
    seal: Seal,
    file: Hash,
}

impl Sealed {
    /// What was sealed.
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Its path in the log's folder.
    pub fn path(&self) -> String {
        archive::path(self.seal.ordinal)
    }

    /// How many records the log has up to its end.
    pub(super) const fn end(&self) -> u64 {
        self.seal.first.saturating_add(self.seal.records)
    }
}

pub(super) struct Keeper {
    folder: LogFolder,
    key: Arc<LogKey>,
    state: Mutex<State>,
}

struct State {
    /// The disk, until the log is closed.
    disk: Option<Arc<dyn Disk>>,
    /// The time of the newest record of the oldest segment, which was not old enough.
    known: Option<Utc>,
}

impl Keeper {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &Path, key: Arc<LogKey>) -> Self {
        Self { folder: LogFolder::new(folder), key, state: Mutex::new(State { disk: Some(disk), known: None }) }
    }

    /// Waits for the archive that is being made; no other is made.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).disk = None;
    }

    pub(super) fn seal(&self, before: Utc) -> Result<Option<Sealed>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(disk) = state.disk.clone() else { return Ok(None) };
        if state.known.is_some_and(|newest| newest >= before) {
            return Ok(None);
        }
        let ordinals = read::segments(&self.folder)?;
        let (Some(own), Some(next)) = (ordinals.first().copied(), ordinals.get(1).copied()) else { return Ok(None) };
        let path = segment::path(next);
        let start = self.folder.start(&path, HEADER).map_err(io(&path))?;
        if segment::zeros(&start) {
            return Ok(None);
        }
        let Some(after) = Header::decode(&start) else {
            let begun = read::is_newest(&self.folder, next)?;
            return if begun { Ok(None) } else { Err(audit::Error::Damaged { file: path, what: "its header is broken" }.into()) };
        };
        let path = segment::path(own);
        let ended = Ended::read(self.folder.read(&path, MOST_FILE).map_err(io(&path))?, &after)?;
        if let Some(newest) = ended.newest().filter(|newest| *newest >= before) {
            state.known = Some(newest);
            return Ok(None);
        }
        if !self.has_tiles(&ended)? {
            return Ok(None);
        }
        disk.sync_all().map_err(io("tile"))?;
        let (seal, bytes) = ended.seal(&self.key);
        let path = archive::path(own);
        disk.keep(&path, &bytes).map_err(io(&path))?;
        Ok(Some(Sealed { seal, file: Sha256::digest(&bytes).into() }))
    }

    /// Whether the hashes of all its records stand in full tiles, where they stay.
    fn has_tiles(&self, ended: &Ended) -> Result<bool, Error> {
        let width = WIDTH as u64;
        let mut index = ended.first() / width;
        let mut skip = usize::try_from(ended.first() % width).unwrap_or(0);
        let mut leaves = ended.leaves();
        while !leaves.is_empty() {
            let path = tile::path(0, index);
            let bytes = match self.folder.read(&path, tile::BYTES as u64) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(io(&path)(error)),
            };
            let Some(hashes) = tile::read(&bytes) else { return Ok(false) };
            let (own, rest) = leaves.split_at(leaves.len().min(WIDTH - skip));
            if hashes.get(skip..skip + own.len()) != Some(own) {
                return Err(audit::Error::Damaged { file: path, what: "it does not hold the hashes of its records" }.into());
            }
            (leaves, skip, index) = (rest, 0, index + 1);
        }
        Ok(true)
    }

    /// Whether the archive stands as it was made.
    pub(super) fn check(&self, sealed: &Sealed) -> Result<(), Error> {
        let path = sealed.path();
        let bytes = self.folder.read(&path, MOST_FILE).map_err(io(&path))?;
        let found: Hash = Sha256::digest(&bytes).into();
        if found == sealed.file { Ok(()) } else { Err(audit::Error::Damaged { file: path, what: "it is not what was sealed" }.into()) }
    }
}
