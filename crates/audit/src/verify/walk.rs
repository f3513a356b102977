//! One pass over a log's folder.

use super::{Against, Archived, Covered, KeyFrom, MOST_PROBLEMS, Problem, Report};
use crate::archive;
use crate::checkpoint::{Checkpoint, Phase};
use crate::note::VerifierKey;
use crate::read::{Absent, CHECKPOINT, Folder, Head, KEY, Live, MOST_FILE, Node, Sort};
use crate::segment::{self, Header, Step};
use crate::tile::{self, Tiler};
use crate::tree::{Frontier, Hash, leaf};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

pub(super) struct Walk<'a> {
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
    /// The size of each segment.
    bytes_each: Option<u64>,
    /// Of a running log: the size up to which everything is judged.
    bound: Option<u64>,
    archives: Vec<Archived>,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(folder: &'a dyn Folder, against: &'a Against) -> Self {
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
            bytes_each: None,
            bound: None,
            archives: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) const fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) const fn live(&self) -> Live {
        self.live
    }

    /// Whether segments or archives came or went since they were listed.
    pub(super) fn has_moved(&self) -> bool {
        let part = |path: &String| segment::ordinal(path).or_else(|| archive::ordinal(path)).is_some();
        let now = self.folder.walk().unwrap_or_default().into_iter().map(|node| node.path).filter(part).collect::<BTreeSet<_>>();
        !now.iter().eq(self.nodes.keys().filter(|path| part(path)))
    }

    pub(super) fn report(self) -> Report {
        let covered = self.last.as_ref().map_or(0, |(point, _)| point.size);
        let running = self.live == Live::Running;
        Report {
            ok: self.problems.is_empty(),
            records: self.tree.size(),
            in_progress: running.then(|| self.tree.size().saturating_sub(covered)),
            checkpoint: self.last.map(|(point, note)| Covered {
                origin: point.origin,
                size: point.size,
                root: hex::encode(point.root),
                time: point.time.to_string(),
                note,
            }),
            key_from: if self.against.key.is_some() { KeyFrom::Given } else { KeyFrom::Folder },
            archives: self.archives,
            problems: self.problems,
        }
    }

    /// Whether everything that the newest checkpoint of a running log covers was seen: what is behind it may be seen in part.
    fn is_past_bound(&self) -> bool {
        self.bound.is_some_and(|bound| self.tree.size() >= bound)
    }

    fn problem(&mut self, file: &str, at: Option<usize>, what: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { file: file.to_owned(), at: at.and_then(|at| u64::try_from(at).ok()), what: what.into() });
        }
    }

    pub(super) fn run(&mut self) {
        // The checkpoint is read first: all that it covers was written before it.
        let head = self.folder.read(CHECKPOINT, MOST_FILE).ok();
        match self.folder.walk() {
            Ok(nodes) => self.list(nodes),
            Err(error) => return self.problem(".", None, format!("cannot be listed: {error}")),
        }
        self.own_key();
        self.outside_checkpoint();
        self.bind(head.as_deref());
        self.parts();
        self.head(head.as_deref());
        self.tiles();
        self.rest();
    }

    fn list(&mut self, nodes: Vec<Node>) {
        for node in nodes {
            match node.sort {
                Sort::File { links: 0 | 1, .. } | Sort::Folder => {}
                Sort::File { .. } => self.problem(&node.path, None, "has more than one name"),
                Sort::Foreign => self.problem(&node.path, None, "is a link or no regular file"),
            }
            self.nodes.insert(node.path, node.sort);
        }
    }

    fn bytes(&mut self, path: &str) -> Option<Vec<u8>> {
        self.seen.insert(path.to_owned());
        match self.folder.read(path, MOST_FILE) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.problem(path, None, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn own_key(&mut self) {
        let Some(bytes) = self.bytes(KEY) else { return };
        let own = std::str::from_utf8(&bytes).ok().filter(|text| text.ends_with('\n')).and_then(|text| VerifierKey::parse(text).ok());
        match (own, &self.key) {
            (None, _) => self.problem(KEY, None, "is not a signed-note key"),
            (Some(own), Some(given)) if own != *given => self.problem(KEY, None, "is another key than the given one"),
            (Some(own), None) => self.key = Some(own),
            (Some(_), Some(_)) => {}
        }
    }

    fn outside_checkpoint(&mut self) {
        let (Some(note), Some(key)) = (&self.against.checkpoint, &self.key) else { return };
        match Checkpoint::open(note, key) {
            Ok(point) => self.outside = Some(point),
            Err(error) => self.problem("the given checkpoint", None, error.to_string()),
        }
    }

    /// Compares the tree with the outside checkpoint when it has its size.
    fn meet_outside(&mut self) {
        if let Some(point) = self.outside.take_if(|point| point.size == self.tree.size())
            && point.root != self.tree.root()
        {
            self.problem("the given checkpoint", None, "the log did not grow out of it");
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

    /// Finds up to where a running log is judged.
    fn bind(&mut self, head: Option<&[u8]>) {
        let (Some(head), Some(key), Live::Running) = (head, &self.key, self.live) else { return };
        let note = std::str::from_utf8(head).ok();
        self.bound = note.and_then(|note| Checkpoint::open(note, key).ok()).map(|point| point.size);
    }

    /// Goes through segments and archives in the order of the log.
    fn parts(&mut self) {
        self.meet_outside();
        let segments: BTreeSet<u64> = self.nodes.keys().filter_map(|path| segment::ordinal(path)).collect();
        let archives: BTreeSet<u64> = self.nodes.keys().filter_map(|path| archive::ordinal(path)).collect();
        let mut expected = 0;
        for ordinal in &archives {
            if segments.contains(ordinal) {
                self.twin(*ordinal);
            } else if segments.first().is_none_or(|first| ordinal < first) {
                expected = self.archive(*ordinal, expected);
            } else {
                self.problem(&archive::path(*ordinal), None, "is an archive of what stands behind the log's first segment");
            }
        }
        let mut before: Option<u64> = None;
        let mut prepared = false;
        for ordinal in segments {
            let path = segment::path(ordinal);
            if before.is_some_and(|before| before.checked_add(1) != Some(ordinal)) {
                self.problem(&path, None, "the segment before it is missing");
            }
            if self.was_archived(&path) {
                expected = self.archive(ordinal, expected);
                before = before.map(|_| ordinal);
                continue;
            }
            let Some(bytes) = self.bytes(&path) else { continue };
            if prepared {
                if !self.is_past_bound() {
                    self.problem(&path, None, "stands after the prepared segment");
                }
                continue;
            }
            if segment::zeros(&bytes) {
                prepared = true;
                let size = u64::try_from(bytes.len()).ok();
                if before.is_none() || size != self.bytes_each {
                    self.problem(&path, None, "is a prepared segment of another size");
                }
            } else {
                self.segment(ordinal, &bytes, before.is_none().then_some(expected));
            }
            before = Some(ordinal);
        }
        if before.is_none() {
            self.problem(segment::FOLDER, None, "has no segment");
        }
        if !prepared && self.closed {
            self.problem(segment::FOLDER, None, "the prepared segment is missing");
        }
    }

    /// Whether a running gateway took a segment out of the log since it was listed.
    fn was_archived(&self, path: &str) -> bool {
        let gone = || self.folder.start(path, 1).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        self.live == Live::Running && gone()
    }

    /// Takes in one segment. `expected` is given for the first one: the ordinal behind the last archive.
    fn segment(&mut self, ordinal: u64, bytes: &[u8], expected: Option<u64>) {
        let path = segment::path(ordinal);
        let Some(header) = Header::decode(bytes) else {
            if !self.is_past_bound() {
                self.problem(&path, Some(0), "its header is broken");
            }
            return;
        };
        if header.ordinal != ordinal {
            self.problem(&path, Some(8), "is another segment by its header");
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if header.bytes != size || self.bytes_each.is_some_and(|each| each != size) {
            self.problem(&path, None, "has another size than its header and the others say");
        }
        self.bytes_each = Some(size);
        if let Some(expected) = expected {
            self.first = header.before.size();
            self.absent(Absent { from: expected, to: ordinal }, header.before.size());
        }
        if header.before == self.tree {
            self.closed = false;
            self.frames(&path, 0, bytes);
        } else if !self.is_past_bound() {
            self.problem(&path, Some(24), "does not continue the tree of what stands before it");
        }
    }

    /// Takes in the frames of a segment, whose bytes stand in the file `path` from `offset` on.
    fn frames(&mut self, path: &str, offset: usize, bytes: &[u8]) {
        let mut at = segment::HEADER;
        loop {
            match segment::step(bytes, at) {
                Step::Frame(frame) => {
                    self.closed = false;
                    match frame.sort {
                        segment::Sort::Record => {
                            if Head::read(frame.body).is_none_or(|head| crate::record::Kind::from_word(head.kind).is_none()) {
                                self.problem(path, Some(offset + at), "holds a frame that is no record");
                            }
                            self.grow(frame.hash);
                        }
                        segment::Sort::Checkpoint => self.note(path, offset + at, frame.body, frame.hash),
                    }
                    at = frame.next;
                }
                Step::End => return,
                Step::Broken(_) if self.is_past_bound() => return,
                Step::Broken(what) => {
                    let what = format!("{what}; {AFTER_A_CRASH}");
                    return self.problem(path, Some(offset + at), what);
                }
            }
        }
    }

    /// Reads an archive and verifies it by itself; none where it is not good, or was moved away meanwhile.
    fn sealed(&mut self, ordinal: u64) -> Option<(archive::Seal, Vec<u8>)> {
        let path = archive::path(ordinal);
        self.seen.insert(path.clone());
        let bytes = match self.folder.read(&path, MOST_FILE) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.problem(&path, None, format!("cannot be read: {error}"));
                return None;
            }
        };
        let opened = match &self.key {
            Some(key) => archive::open(bytes, key).map_err(|error| error.to_string()),
            None => Err("there is no key to check its seal with".to_owned()),
        };
        match opened {
            Ok((seal, contents)) if seal.ordinal == ordinal => Some((seal, contents)),
            Ok((seal, _)) => {
                self.problem(&path, None, format!("is the archive of segment {} by its seal", seal.ordinal));
                None
            }
            Err(what) => {
                self.problem(&path, None, what);
                None
            }
        }
    }

    /// Verifies an archive against the log. `expected` is the ordinal behind the archive before; gives the one behind this.
    fn archive(&mut self, ordinal: u64, expected: u64) -> u64 {
        let path = archive::path(ordinal);
        let Some((seal, contents)) = self.sealed(ordinal) else { return expected };
        let Some(header) = Header::decode(&contents) else { return expected };
        if self.bytes_each.is_some_and(|each| each != header.bytes) {
            self.problem(&path, None, "has another size than the others say");
        }
        self.bytes_each = Some(header.bytes);
        self.absent(Absent { from: expected, to: ordinal }, seal.first);
        if header.before != self.tree {
            self.problem(&path, None, "does not continue the tree of what stands before it");
            return expected;
        }
        self.frames(&path, archive::SEAL, &contents);
        if self.tree.size() - seal.first != seal.records {
            self.problem(&path, None, "has another number of records than its seal says");
        }
        self.archives.push(Archived { file: path, first: seal.first, records: seal.records, here: true });
        ordinal.saturating_add(1)
    }

    /// Verifies an archive whose segment is still in the log: the two hold the same.
    fn twin(&mut self, ordinal: u64) {
        let Some((_, contents)) = self.sealed(ordinal) else { return };
        let path = segment::path(ordinal);
        let same = match self.folder.read(&path, MOST_FILE) {
            Ok(bytes) => bytes.split_at_checked(contents.len()).is_some_and(|(start, rest)| start == contents && segment::zeros(rest)),
            // Dropped since it was listed.
            Err(error) => self.live == Live::Running && error.kind() == io::ErrorKind::NotFound,
        };
        if !same {
            self.problem(&archive::path(ordinal), None, "does not hold what its segment holds");
        }
    }

    /// Takes the hashes of records whose archives are not here, those before `gone.to`, from the tiles, until the log has `size`.
    fn absent(&mut self, gone: Absent, size: u64) {
        let first = self.tree.size();
        if size <= first {
            return;
        }
        for index in first / 256..size.div_ceil(256) {
            let path = tile::path(0, index);
            let Some(hashes) = self.bytes(&path).as_deref().and_then(tile::read) else {
                return self.problem(&path, None, "is needed for the records that retention dropped, and is not a full tile");
            };
            let from = usize::try_from(self.tree.size() % 256).unwrap_or(0);
            for hash in hashes.into_iter().skip(from) {
                if self.tree.size() < size {
                    self.grow(hash);
                }
            }
        }
        let last = gone.to.saturating_sub(1);
        let file = Absent { from: gone.from.min(last), to: last }.to_string();
        self.archives.push(Archived { file, first, records: size - first, here: false });
    }

    fn note(&mut self, path: &str, at: usize, body: &[u8], digest: Hash) {
        let Some(key) = &self.key else { return self.problem(path, Some(at), "a checkpoint without a key to check it with") };
        let opened = std::str::from_utf8(body).ok().map(|note| (note, Checkpoint::open(note, key)));
        let (note, point) = match opened {
            Some((note, Ok(point))) => (note, point),
            Some((_, Err(error))) => return self.problem(path, Some(at), error.to_string()),
            None => return self.problem(path, Some(at), "a checkpoint that is not text"),
        };
        if point.size != self.tree.size() || point.root != self.tree.root() {
            return self.problem(path, Some(at), "a checkpoint that does not fit the records before it");
        }
        if let Some((last, _)) = &self.last
            && (point.time < last.time || point.dropped < last.dropped)
        {
            return self.problem(path, Some(at), "a checkpoint that goes back behind the one before");
        }
        self.closed = point.phase == Phase::Closed;
        self.notes.insert(digest);
        self.last = Some((point, note.to_owned()));
    }

    fn head(&mut self, head: Option<&[u8]>) {
        self.seen.insert(CHECKPOINT.to_owned());
        let Some(head) = head else { return self.problem(CHECKPOINT, None, "is missing or cannot be read") };
        let Some((last, note)) = &self.last else { return self.problem(segment::FOLDER, None, "holds no good checkpoint") };
        let dropped = last.dropped;
        let fits = if self.closed && self.live == Live::Stopped { head == note.as_bytes() } else { self.notes.contains(&leaf(head)) };
        if !fits {
            self.problem(CHECKPOINT, None, "is not the checkpoint that the segments end with");
        }
        let exact = self.closed && self.live == Live::Stopped;
        if self.first > dropped || (exact && self.first != dropped) {
            self.problem(segment::FOLDER, None, "lacks segments that retention did not drop");
        }
        if let Some(point) = self.outside.take() {
            self.problem("the given checkpoint", None, format!("the log has {} records and it covers {}", self.tree.size(), point.size));
        }
    }

    fn tiles(&mut self) {
        let covered = self.last.as_ref().map_or(0, |(point, _)| point.size);
        for (size, path) in std::mem::take(&mut self.missing) {
            if size <= covered {
                self.problem(&path, None, "the tile is missing or does not hold the tree's hashes");
            } else if self.live == Live::Stopped && self.nodes.contains_key(&path) {
                self.problem(&path, None, format!("the tile does not hold the tree's hashes; {AFTER_A_CRASH}"));
            }
        }
    }

    /// Everything that nothing asked for is foreign.
    fn rest(&mut self) {
        let mut folders: BTreeSet<String> = BTreeSet::from([segment::FOLDER.to_owned(), archive::FOLDER.to_owned()]);
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
            self.problem(&path, None, "does not belong to the log");
        }
    }

    /// A file that a running writer made after the records were read.
    fn newer(&self, path: &str) -> bool {
        self.live == Live::Running && (path.starts_with("tile/") || segment::ordinal(path).is_some())
    }
}

/// What may be of bytes that no checkpoint covers.
const AFTER_A_CRASH: &str = "if the last stop was a crash, the next start takes it away and records so";

/// Files that exist for a moment while the log is written; after a crash one may be left until the next start.
pub const TRANSIENT: [&str; 3] = ["segment/preparing", "checkpoint.new", archive::PREPARING];
