//! Verifies a log's folder: every byte of every file, and that there is no other file.

use crate::checkpoint::{Checkpoint, Phase};
use crate::note::VerifierKey;
use crate::read::{CHECKPOINT, Folder, Head, KEY, Live, Node, Sort};
use crate::segment::{self, Header, Step};
use crate::tile::{self, Tiler};
use crate::tree::{Frontier, Hash, leaf};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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

/// Verifies the whole folder. A running gateway is allowed for: what it is just writing is not judged.
pub fn verify(folder: &dyn Folder, against: &Against) -> Report {
    let mut walk = Walk::new(folder, against);
    walk.run();
    let problems = walk.problems;
    Report {
        ok: problems.is_empty(),
        records: walk.tree.size(),
        checkpoint: walk.last.map(|(point, note)| Covered {
            origin: point.origin,
            size: point.size,
            root: hex::encode(point.root),
            time: point.time.to_string(),
            note,
        }),
        key_from: if against.key.is_some() { KeyFrom::Given } else { KeyFrom::Folder },
        problems,
    }
}

struct Walk<'a> {
    folder: &'a dyn Folder,
    live: Live,
    key: Option<VerifierKey>,
    outside: Option<Checkpoint>,
    against: &'a Against,
    nodes: BTreeMap<String, Sort>,
    seen: BTreeSet<String>,
    tree: Frontier,
    tiler: Tiler,
    last: Option<(Checkpoint, String)>,
    /// Digests of all notes in the segments.
    notes: BTreeSet<Hash>,
    /// Whether the last frame of the log is a closing checkpoint.
    closed: bool,
    /// Records up to which tiles were read as they were checked; those missing past the last checkpoint are forgiven later.
    missing: Vec<(u64, String)>,
    /// The size of the log when its first segment begins.
    first: u64,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a dyn Folder, against: &'a Against) -> Self {
        Self {
            folder,
            live: folder.live(),
            key: against.key.clone(),
            outside: None,
            against,
            nodes: BTreeMap::new(),
            seen: BTreeSet::new(),
            tree: Frontier::default(),
            tiler: Tiler::default(),
            last: None,
            notes: BTreeSet::new(),
            closed: false,
            missing: Vec::new(),
            first: 0,
            problems: Vec::new(),
        }
    }

    fn report(&mut self, file: &str, at: Option<usize>, what: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { file: file.to_owned(), at: at.and_then(|at| u64::try_from(at).ok()), what: what.into() });
        }
    }

    fn run(&mut self) {
        // The checkpoint is read first: all that it covers was written before it.
        let head = self.folder.read(CHECKPOINT, crate::read::MOST_FILE).ok();
        match self.folder.walk() {
            Ok(nodes) => self.list(nodes),
            Err(error) => return self.report(".", None, format!("cannot be listed: {error}")),
        }
        self.own_key();
        self.outside_checkpoint();
        self.segments();
        self.head(head.as_deref());
        self.tiles();
        self.rest();
    }

    fn list(&mut self, nodes: Vec<Node>) {
        for node in nodes {
            match node.sort {
                Sort::File { links: 0 | 1, .. } | Sort::Folder => {}
                Sort::File { .. } => self.report(&node.path, None, "has more than one name"),
                Sort::Foreign => self.report(&node.path, None, "is a link or no regular file"),
            }
            self.nodes.insert(node.path, node.sort);
        }
    }

    fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        self.seen.insert(path.to_owned());
        match self.folder.read(path, crate::read::MOST_FILE) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.report(path, None, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn own_key(&mut self) {
        let Some(bytes) = self.bytes(KEY) else { return };
        let own = std::str::from_utf8(&bytes).ok().filter(|text| text.ends_with('\n')).and_then(|text| VerifierKey::parse(text).ok());
        match (own, &self.key) {
            (None, _) => self.report(KEY, None, "is not a signed-note key"),
            (Some(own), Some(given)) if own != *given => self.report(KEY, None, "is another key than the given one"),
            (Some(own), None) => self.key = Some(own),
            (Some(_), Some(_)) => {}
        }
    }

    fn outside_checkpoint(&mut self) {
        let (Some(note), Some(key)) = (&self.against.checkpoint, &self.key) else { return };
        match Checkpoint::open(note, key) {
            Ok(point) => self.outside = Some(point),
            Err(error) => self.report("the given checkpoint", None, error.to_string()),
        }
    }

    /// Compares the tree with the outside checkpoint when it has its size.
    fn meet_outside(&mut self) {
        if let Some(point) = self.outside.take_if(|point| point.size == self.tree.size())
            && point.root != self.tree.root()
        {
            self.report("the given checkpoint", None, "the log did not grow out of it");
        }
    }

    fn grow(&mut self, hash: Hash) {
        self.tree.push(hash);
        for full in self.tiler.push(hash) {
            let path = full.path();
            self.seen.insert(path.clone());
            match self.folder.read(&path, tile::BYTES as u64) {
                Ok(bytes) if bytes == full.bytes() => {}
                // What a running writer has not finished is past the last checkpoint, and is forgiven there.
                Ok(_) | Err(_) => self.missing.push((self.tree.size(), path)),
            }
        }
        self.meet_outside();
    }

    fn segments(&mut self) {
        self.meet_outside();
        let ordinals: Vec<u64> = self.nodes.keys().filter_map(|path| segment::ordinal(path)).collect();
        let mut bytes_each = None;
        let mut before: Option<u64> = None;
        let mut prepared = false;
        let mut broken = false;
        for ordinal in ordinals {
            let path = segment::path(ordinal);
            if before.is_some_and(|before| before.checked_add(1) != Some(ordinal)) {
                self.report(&path, None, "the segment before it is missing");
            }
            let Some(bytes) = self.bytes(&path) else { continue };
            if prepared {
                self.report(&path, None, "stands after the prepared segment");
                continue;
            }
            if segment::zeros(&bytes) {
                prepared = true;
                let size = u64::try_from(bytes.len()).ok();
                if before.is_none() || size != bytes_each {
                    self.report(&path, None, "is a prepared segment of another size");
                }
                before = Some(ordinal);
                continue;
            }
            if broken {
                self.report(&path, None, "stands after a segment that is broken");
            }
            broken |= !self.segment(&path, ordinal, &bytes, before.is_none(), &mut bytes_each);
            before = Some(ordinal);
        }
        if before.is_none() {
            self.report(segment::FOLDER, None, "has no segment");
        }
        if !prepared && self.closed {
            self.report(segment::FOLDER, None, "the prepared segment is missing");
        }
    }

    /// Takes in one segment; gives whether it was whole.
    fn segment(&mut self, path: &str, ordinal: u64, bytes: &[u8], is_first: bool, bytes_each: &mut Option<u64>) -> bool {
        let Some(header) = Header::decode(bytes) else {
            self.report(path, Some(0), "its header is broken");
            return false;
        };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if header.ordinal != ordinal {
            self.report(path, Some(8), "is another segment by its header");
        }
        if header.bytes != size || bytes_each.is_some_and(|each| each != size) {
            self.report(path, None, "has another size than its header and the others say");
        }
        *bytes_each = Some(size);
        if is_first {
            self.first = header.before.size();
            self.dropped(header.before.size());
        }
        if header.before != self.tree {
            self.report(path, Some(24), "does not continue the tree of what stands before it");
            return false;
        }
        self.closed = false;
        let mut at = segment::HEADER;
        loop {
            match segment::step(bytes, at) {
                Step::Frame(frame) => {
                    self.closed = false;
                    match frame.sort {
                        segment::Sort::Record => {
                            if Head::read(frame.body).is_none_or(|head| crate::record::Kind::from_word(head.kind).is_none()) {
                                self.report(path, Some(at), "holds a frame that is no record");
                            }
                            self.grow(frame.hash);
                        }
                        segment::Sort::Checkpoint => self.note(path, at, frame.body, frame.hash),
                    }
                    at = frame.next;
                }
                Step::End => return true,
                Step::Broken(what) => {
                    if self.live == Live::Running {
                        return true;
                    }
                    self.report(
                        path,
                        Some(at),
                        format!("{what}; if the last stop was a crash, the next start takes it away and records so"),
                    );
                    return false;
                }
            }
        }
    }

    /// Takes the hashes of the records that retention dropped from the tiles.
    fn dropped(&mut self, size: u64) {
        for index in 0..size.div_ceil(256) {
            let path = tile::path(0, index);
            let Some(hashes) = self.bytes(&path).as_deref().and_then(tile::read) else {
                return self.report(&path, None, "is needed for the records that retention dropped, and is not a full tile");
            };
            for hash in hashes {
                if self.tree.size() < size {
                    self.grow(hash);
                }
            }
        }
    }

    fn note(&mut self, path: &str, at: usize, body: &[u8], digest: Hash) {
        let Some(key) = &self.key else { return self.report(path, Some(at), "a checkpoint without a key to check it with") };
        let opened = std::str::from_utf8(body).ok().map(|note| (note, Checkpoint::open(note, key)));
        let (note, point) = match opened {
            Some((note, Ok(point))) => (note, point),
            Some((_, Err(error))) => return self.report(path, Some(at), error.to_string()),
            None => return self.report(path, Some(at), "a checkpoint that is not text"),
        };
        if point.size != self.tree.size() || point.root != self.tree.root() {
            return self.report(path, Some(at), "a checkpoint that does not fit the records before it");
        }
        if let Some((last, _)) = &self.last
            && (point.time < last.time || point.dropped < last.dropped)
        {
            return self.report(path, Some(at), "a checkpoint that goes back behind the one before");
        }
        self.closed = point.phase == Phase::Closed;
        self.notes.insert(digest);
        self.last = Some((point, note.to_owned()));
    }

    fn head(&mut self, head: Option<&[u8]>) {
        self.seen.insert(CHECKPOINT.to_owned());
        let Some(head) = head else { return self.report(CHECKPOINT, None, "is missing or cannot be read") };
        let Some((last, note)) = &self.last else { return self.report(segment::FOLDER, None, "holds no good checkpoint") };
        let dropped = last.dropped;
        let fits = if self.closed && self.live == Live::Stopped { head == note.as_bytes() } else { self.notes.contains(&leaf(head)) };
        if !fits {
            self.report(CHECKPOINT, None, "is not the checkpoint that the segments end with");
        }
        let exact = self.closed && self.live == Live::Stopped;
        if self.first > dropped || (exact && self.first != dropped) {
            self.report(segment::FOLDER, None, "lacks segments that retention did not drop");
        }
        if let Some(point) = self.outside.take() {
            self.report("the given checkpoint", None, format!("the log has {} records and it covers {}", self.tree.size(), point.size));
        }
    }

    fn tiles(&mut self) {
        let covered = self.last.as_ref().map_or(0, |(point, _)| point.size);
        for (size, path) in std::mem::take(&mut self.missing) {
            if size <= covered {
                self.report(&path, None, "the tile is missing or does not hold the tree's hashes");
            } else if self.live == Live::Stopped && self.nodes.contains_key(&path) {
                self.report(&path, None, "the tile does not hold the tree's hashes");
            }
        }
    }

    /// Everything that nothing asked for is foreign.
    fn rest(&mut self) {
        let mut folders: BTreeSet<String> = BTreeSet::from([segment::FOLDER.to_owned()]);
        for path in &self.seen {
            let mut end = path.as_str();
            while let Some((parent, _)) = end.rsplit_once('/') {
                folders.insert(parent.to_owned());
                end = parent;
            }
        }
        let unfinished = !self.closed || self.live == Live::Running;
        let foreign: Vec<String> = self
            .nodes
            .iter()
            .filter(|(path, sort)| match sort {
                Sort::Folder => !folders.contains(*path),
                Sort::File { .. } => {
                    let expected = self.seen.contains(*path) || self.newer(path) || (unfinished && TRANSIENT.contains(&path.as_str()));
                    !expected
                }
                // Already a problem.
                Sort::Foreign => false,
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in foreign {
            self.report(&path, None, "does not belong to the log");
        }
    }

    /// A file that a running writer made after the records were read.
    fn newer(&self, path: &str) -> bool {
        self.live == Live::Running && (path.starts_with("tile/") || segment::ordinal(path).is_some())
    }
}

/// Files that exist for a moment while the log is written; after a crash one may be left until the next start.
pub const TRANSIENT: [&str; 2] = ["segment/preparing", "checkpoint.new"];
