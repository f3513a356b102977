//! Reads a log, also while it is written: up to the last whole frame.

mod part;
mod search;

pub use part::{Absent, Part, Place, Reach, absent, frames, is_newest, parts, segments};
pub use search::{backwards, find, newest, records};

use crate::proof::Nodes;
use crate::record::Kind;
use crate::segment::{self, Header};
use crate::tree::{Hash, root_of};
use crate::{Error, archive, tile};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use terms::{RecordId, Utc};

/// The most bytes that any file of a log has.
pub const MOST_FILE: u64 = segment::MOST + archive::SEAL as u64;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A regular file with so many names.
    File {
        /// Its size.
        bytes: u64,
        /// Its hard links.
        links: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link, a device, a socket or anything else.
    Foreign,
}

/// One entry of the log's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Relative to the folder, parts joined with `/`.
    pub path: String,
    /// What it is, links not followed.
    pub sort: Sort,
}

/// Whether a writer has the folder open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// A process holds the lock: what it is just writing may be seen in part.
    Running,
    /// Nobody does.
    Stopped,
}

/// A log's folder, read only.
pub trait Folder {
    /// Everything below it, at any depth.
    ///
    /// # Errors
    /// Those of the file system.
    fn walk(&self) -> io::Result<Vec<Node>>;

    /// The paths of what stands directly in `folder`, which is one of the log's; none where it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let within = |path: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'));
        Ok(self.walk()?.into_iter().map(|node| node.path).filter(|path| within(path)).collect())
    }

    /// The bytes of a regular file, links not followed, at most `most`.
    ///
    /// # Errors
    /// Those of the file system, and one when the file is larger.
    fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>>;

    /// The first `bytes` bytes of a regular file, fewer where it is shorter.
    ///
    /// # Errors
    /// Those of the file system.
    fn start(&self, path: &str, bytes: usize) -> io::Result<Vec<u8>>;

    /// Whether a writer is at work.
    fn live(&self) -> Live;
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index, from 0.
    pub index: u64,
    /// The leaf: one JSON object.
    pub body: Vec<u8>,
}

/// What of the log is asked for; what is `None` or empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Records of this time and later.
    pub since: Option<Utc>,
    /// Records before this time.
    pub until: Option<Utc>,
    /// Records whose own id or whose request id begins so.
    pub reference: Option<Reference>,
    /// Records of these kinds.
    pub kinds: Vec<Kind>,
    /// Whether archives are asked too.
    pub reach: Reach,
}

/// The start of an id of a call or a record, five characters at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// Checks `text`; letters may be small.
    ///
    /// # Errors
    /// [`Error::Reference`].
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim().to_ascii_uppercase();
        let fits = (5..=14).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Self(text)) } else { Err(Error::Reference) }
    }

    /// Whether it is an id to its last character.
    fn is_whole(&self) -> bool {
        self.0.len() == 14
    }

    fn is(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| id.starts_with(&self.0))
    }
}

/// The fields of a record that it is found by.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) id: RecordId,
    pub(crate) kind: &'a str,
    pub(crate) time: &'a str,
    pub(crate) request: Option<&'a str>,
}

impl<'a> Head<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

impl Query {
    /// Whether the record `body` is asked for.
    pub fn matches(&self, body: &[u8]) -> bool {
        let Some(head) = Head::read(body) else { return false };
        let time = Utc::parse(head.time);
        self.since.is_none_or(|since| time.is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time.is_some_and(|time| time < until))
            && (self.kinds.is_empty() || Kind::from_word(head.kind).is_some_and(|kind| self.kinds.contains(&kind)))
            && self.reference.as_ref().is_none_or(|wanted| wanted.is(head.request) || wanted.is(Some(&head.id.to_string())))
    }
}

/// A file's bytes.
///
/// # Errors
/// [`Error::Read`].
pub fn file(folder: &dyn Folder, path: &str) -> Result<Vec<u8>, Error> {
    folder.read(path, MOST_FILE).map_err(|source| Error::Read { file: path.to_owned(), source })
}

/// The last checkpoint's note.
///
/// # Errors
/// [`Error::Read`], and [`Error::Note`] when the file is not text.
pub fn checkpoint(folder: &dyn Folder) -> Result<String, Error> {
    String::from_utf8(file(folder, CHECKPOINT)?).map_err(|_| Error::Note("it is not text"))
}

/// The path of the last checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The path of the public key.
pub const KEY: &str = "log.pub";

/// The hashes of a log, from its tiles, and from its segments where no tile is full.
pub struct Hashes<'a> {
    folder: &'a dyn Folder,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    segments: BTreeMap<u64, (u64, Vec<Hash>)>,
    firsts: Option<Vec<(u64, u64)>>,
    size: u64,
}

const MOST_CACHED: usize = 64;

impl<'a> Hashes<'a> {
    /// The hashes of the first `size` records.
    pub const fn new(folder: &'a dyn Folder, size: u64) -> Self {
        Self { folder, tiles: BTreeMap::new(), segments: BTreeMap::new(), firsts: None, size }
    }

    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], Error> {
        if !self.tiles.contains_key(&(level, index)) {
            let path = tile::path(level, index);
            let hashes = tile::read(&file(self.folder, &path)?).ok_or(Error::Damaged { file: path, what: "it is not a full tile" })?;
            if self.tiles.len() >= MOST_CACHED {
                self.tiles.clear();
            }
            self.tiles.insert((level, index), hashes);
        }
        self.tiles.get(&(level, index)).map(Vec::as_slice).ok_or(Error::Absent)
    }

    /// The leaf hash of record `index`, from its segment.
    ///
    /// # Errors
    /// [`Error::Absent`] when no segment has it; else as [`frames`].
    pub fn leaf(&mut self, index: u64) -> Result<Hash, Error> {
        if self.firsts.is_none() {
            let mut firsts = Vec::new();
            for ordinal in segments(self.folder)? {
                let path = segment::path(ordinal);
                let bytes = self.folder.start(&path, segment::HEADER).map_err(|source| Error::Read { file: path, source })?;
                if let Some(header) = Header::decode(&bytes) {
                    firsts.push((header.before.size(), ordinal));
                }
            }
            self.firsts = Some(firsts);
        }
        let known = self.firsts.as_deref().unwrap_or_default();
        let (first, ordinal) = known.iter().rev().find(|(first, _)| *first <= index).copied().ok_or(Error::Absent)?;
        if !self.segments.contains_key(&ordinal) {
            let mut hashes = Vec::new();
            frames(self.folder, Part::segment(ordinal), |_, frame| {
                if frame.sort == segment::Sort::Record {
                    hashes.push(frame.hash);
                }
                ControlFlow::Continue(())
            })?;
            if self.segments.len() >= MOST_CACHED {
                self.segments.clear();
            }
            self.segments.insert(ordinal, (first, hashes));
        }
        let (first, hashes) = self.segments.get(&ordinal).ok_or(Error::Absent)?;
        usize::try_from(index - first).ok().and_then(|at| hashes.get(at)).copied().ok_or(Error::Absent)
    }
}

impl Nodes for Hashes<'_> {
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let row = u8::try_from(level / 8).map_err(|_| Error::Absent)?;
        let inside = level % 8;
        let (from, width) = (index << inside, 1_u64 << inside);
        if from / 256 < tile::full(row, self.size) {
            let at = usize::try_from(from % 256).map_err(|_| Error::Absent)?;
            let to = at + usize::try_from(width).map_err(|_| Error::Absent)?;
            return self.tile(row, from / 256)?.get(at..to).map(root_of).ok_or(Error::Absent);
        }
        if level == 0 {
            return if index < self.size { self.leaf(index) } else { Err(Error::Absent) };
        }
        Ok(crate::tree::node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}
