//! Opens a log: finds where it ends, takes away what a crash left, makes what a crash kept from the disk.

use super::disk::Disk;
use super::folder::LogFolder;
use super::queue::Queue;
use super::writer::{CHECKPOINT_NEW, PREPARING, Writer};
use super::{Error, Options, Recovery, io};
use audit::checkpoint::{Checkpoint, Phase};
use audit::read::{CHECKPOINT, Hashes, KEY, MOST_FILE};
use audit::segment::{self, Header, Sort, Step};
use audit::tile::{self, Full, LEVELS, Tiler, WIDTH};
use audit::tree::Frontier;
use audit::{Folder, LogKey, VerifierKey};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Where a log ends.
struct End {
    ordinal: u64,
    bytes: u64,
    tail: u64,
    tree: Frontier,
    last: Option<Checkpoint>,
    clean: bool,
    torn: Vec<u8>,
}

pub(super) fn open(
    disk: Arc<dyn Disk>,
    root: &Path,
    key: Arc<LogKey>,
    options: &Options,
    queue: Arc<Queue>,
) -> Result<(Writer, Recovery), Error> {
    let folder = LogFolder::new(root);
    disk.remove(PREPARING).map_err(io(PREPARING))?;
    disk.remove(CHECKPOINT_NEW).map_err(io(CHECKPOINT_NEW))?;
    disk.remove(audit::archive::PREPARING).map_err(io(audit::archive::PREPARING))?;
    let fresh = !begun(&folder)?;
    if fresh {
        create(&*disk, &folder, &key, options)?;
    }
    own_key(&folder, &key)?;
    let mut end = find(&*disk, &folder, &key)?;
    let head = folder.read(CHECKPOINT, MOST_FILE).ok().and_then(|note| String::from_utf8(note).ok());
    if let Some(point) = head.and_then(|note| Checkpoint::open(&note, key.verifier()).ok())
        && point.size > end.tree.size()
    {
        return Err(damaged(&segment::path(end.ordinal), "it ends before its last checkpoint"));
    }
    let path = segment::path(end.ordinal);
    let mut file = disk.open(&path).map_err(io(&path))?;
    if !end.torn.is_empty() {
        end.torn.fill(0);
        file.write_at(&end.torn, end.tail).and_then(|()| file.sync()).map_err(io(&path))?;
    }
    let dropped = end.last.as_ref().map_or(0, |last| last.dropped);
    remove_dropped(&*disk, &folder, dropped)?;
    let tiles = if end.clean { 0 } else { restore_tiles(&*disk, &folder, end.tree.size())? };
    let tiler = tiler(&folder, end.tree.size())?;
    if tiler.frontier().as_ref() != Some(&end.tree) {
        return Err(damaged("tile", "the tiles do not fit the segments"));
    }
    let recovery = Recovery { records: end.tree.size(), torn_bytes: end.torn.len() as u64, tiles, clean: fresh || end.clean };
    let prepared = prepared(&*disk, &folder, end.ordinal + 1, end.bytes)?;
    let last = end.last.unwrap_or_else(|| Checkpoint::empty(key.verifier().name(), terms::Utc::default()));
    let first = audit::read::segments(&folder)?.first().copied().unwrap_or(end.ordinal);
    let now = Instant::now();
    let mut writer = Writer {
        disk,
        folder,
        key,
        options: options.clone(),
        queue,
        file,
        first,
        ordinal: end.ordinal,
        bytes: end.bytes,
        tail: end.tail,
        tree: end.tree,
        tiler,
        full: Vec::new(),
        last,
        noted: now,
        preparing: None,
        prepared,
        failed: false,
        looked: None,
        tried: now,
    };
    writer.prepare();
    writer.note(Phase::Open)?;
    Ok((writer, recovery))
}

fn damaged(file: &str, what: &'static str) -> Error {
    audit::Error::Damaged { file: file.to_owned(), what }.into()
}

/// Whether a log was ever begun here.
fn begun(folder: &LogFolder) -> Result<bool, Error> {
    for ordinal in audit::read::segments(folder)? {
        let path = segment::path(ordinal);
        let start = folder.start(&path, segment::HEADER).map_err(io(&path))?;
        if !segment::zeros(&start) {
            return Ok(true);
        }
    }
    let exists = |path: &str| folder.start(path, 1).is_ok();
    if exists(CHECKPOINT) || exists(&tile::path(0, 0)) {
        return Err(damaged(segment::FOLDER, "the segments are gone"));
    }
    Ok(false)
}

/// Makes the first segment; the log has begun when its header is there.
fn create(disk: &dyn Disk, folder: &LogFolder, key: &LogKey, options: &Options) -> Result<(), Error> {
    for ordinal in audit::read::segments(folder)? {
        let path = segment::path(ordinal);
        disk.remove(&path).map_err(io(&path))?;
    }
    let bytes = options.segment_bytes.clamp(segment::LEAST, segment::MOST);
    disk.put(KEY, format!("{}\n", key.verifier().line()).as_bytes()).map_err(io(KEY))?;
    let path = segment::path(0);
    let mut file = disk.zeros(PREPARING, bytes).map_err(io(PREPARING))?;
    let header = Header { ordinal: 0, bytes, before: Frontier::default() };
    file.write_at(&header.encode(), 0).and_then(|()| file.sync()).map_err(io(PREPARING))?;
    disk.rename(PREPARING, &path).and_then(|()| disk.sync_all()).map_err(io(&path))
}

fn own_key(folder: &LogFolder, key: &LogKey) -> Result<(), Error> {
    let bytes = folder.read(KEY, MOST_FILE).map_err(io(KEY))?;
    let own = std::str::from_utf8(&bytes).ok().and_then(|text| VerifierKey::parse(text).ok());
    if own.as_ref() == Some(key.verifier()) { Ok(()) } else { Err(Error::OtherKey) }
}

/// Reads from the last segment that begins with a known tree, to the end.
fn find(disk: &dyn Disk, folder: &LogFolder, key: &LogKey) -> Result<End, Error> {
    let mut active = None;
    for ordinal in audit::read::segments(folder)?.into_iter().rev() {
        let path = segment::path(ordinal);
        let bytes = folder.read(&path, MOST_FILE).map_err(io(&path))?;
        if segment::zeros(&bytes) {
            continue;
        }
        if Header::decode(&bytes).is_none() && follows_a_segment(folder, ordinal) {
            // A rotation that a crash cut short: nothing in it was durable.
            disk.remove(&path).map_err(io(&path))?;
            continue;
        }
        active = Some((ordinal, bytes));
        break;
    }
    let (ordinal, bytes) = active.ok_or_else(|| damaged(segment::FOLDER, "it has no segment that was begun"))?;
    let end = scan(ordinal, &bytes, key)?;
    if ordinal > 0
        && end.last.is_none()
        && let Ok(bytes) = folder.read(&segment::path(ordinal - 1), MOST_FILE)
    {
        let before = scan(ordinal - 1, &bytes, key)?;
        if !before.torn.is_empty() || Header::decode(&bytes).is_none() {
            return Err(damaged(&segment::path(ordinal - 1), "it is broken"));
        }
        return Ok(End { last: before.last, ..end });
    }
    Ok(end)
}

fn follows_a_segment(folder: &LogFolder, ordinal: u64) -> bool {
    let before = ordinal.checked_sub(1).and_then(|before| folder.start(&segment::path(before), segment::HEADER).ok());
    before.is_some_and(|start| Header::decode(&start).is_some())
}

fn scan(ordinal: u64, bytes: &[u8], key: &LogKey) -> Result<End, Error> {
    let path = segment::path(ordinal);
    let header = Header::decode(bytes).ok_or_else(|| damaged(&path, "its header is broken"))?;
    if header.ordinal != ordinal || u64::try_from(bytes.len()) != Ok(header.bytes) {
        return Err(damaged(&path, "its header does not fit it"));
    }
    let (mut tree, mut at, mut last, mut clean) = (header.before, segment::HEADER, None, false);
    let torn = loop {
        match segment::step(bytes, at) {
            Step::Frame(frame) => {
                clean = false;
                match frame.sort {
                    Sort::Record => tree.push(frame.hash),
                    Sort::Checkpoint => {
                        let note = std::str::from_utf8(frame.body).map_err(|_| damaged(&path, "a checkpoint is not text"))?;
                        let point = Checkpoint::open(note, key.verifier())?;
                        if point.size != tree.size() || point.root != tree.root() {
                            return Err(damaged(&path, "a checkpoint does not fit the records before it"));
                        }
                        clean = point.phase == Phase::Closed;
                        last = Some(point);
                    }
                }
                at = frame.next;
            }
            Step::End => break Vec::new(),
            Step::Broken(_) => {
                clean = false;
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                break rest.get(..length).unwrap_or_default().to_vec();
            }
        }
    };
    let tail = u64::try_from(at).map_err(|_| damaged(&path, "it is too large"))?;
    Ok(End { ordinal, bytes: header.bytes, tail, tree, last, clean, torn })
}

/// Removes segments that a checkpoint already says are dropped.
fn remove_dropped(disk: &dyn Disk, folder: &LogFolder, dropped: u64) -> Result<(), Error> {
    let ordinals = audit::read::segments(folder)?;
    for (own, next) in ordinals.iter().zip(ordinals.iter().skip(1)) {
        let path = segment::path(*next);
        let header = Header::decode(&folder.start(&path, segment::HEADER).map_err(io(&path))?);
        match header {
            Some(header) if header.before.size() <= dropped && dropped > 0 => {
                let path = segment::path(*own);
                disk.remove(&path).map_err(io(&path))?;
            }
            _ => break,
        }
    }
    Ok(())
}

/// Makes full tiles that are not there. Gives how many.
fn restore_tiles(disk: &dyn Disk, folder: &LogFolder, size: u64) -> Result<u64, Error> {
    let there: BTreeSet<String> = folder
        .walk()
        .map_err(io("tile"))?
        .into_iter()
        .filter(|node| matches!(node.sort, audit::Sort::File { bytes, .. } if bytes == tile::BYTES as u64))
        .map(|node| node.path)
        .collect();
    let mut made = 0;
    let mut leaves = Hashes::new(folder, size);
    for level in 0..LEVELS {
        for index in 0..tile::full(level, size) {
            let path = tile::path(level, index);
            if there.contains(&path) {
                continue;
            }
            let hashes = partial(folder, &mut leaves, level, index * WIDTH as u64, (index + 1) * WIDTH as u64)?;
            disk.put(&path, &Full { level, index, hashes }.bytes()).map_err(io(&path))?;
            made += 1;
        }
    }
    Ok(made)
}

/// The hashes `from..to` of a level of tiles: leaves, or roots of the tiles one level lower.
fn partial(folder: &LogFolder, leaves: &mut Hashes<'_>, level: u8, from: u64, to: u64) -> Result<Vec<audit::tree::Hash>, Error> {
    (from..to)
        .map(|index| match level.checked_sub(1) {
            None => Ok(leaves.leaf(index)?),
            Some(lower) => {
                let path = tile::path(lower, index);
                let bytes = folder.read(&path, tile::BYTES as u64).map_err(io(&path))?;
                Ok(audit::tree::root_of(&tile::read(&bytes).ok_or_else(|| damaged(&path, "it is not a full tile"))?))
            }
        })
        .collect()
}

fn tiler(folder: &LogFolder, size: u64) -> Result<Tiler, Error> {
    let mut leaves = Hashes::new(folder, size);
    let mut levels = Vec::new();
    for level in 0..LEVELS {
        let all = size >> (8 * u32::from(level));
        if all == 0 {
            break;
        }
        let from = all / WIDTH as u64 * WIDTH as u64;
        // Leaves of a dropped segment are in a full tile, so that none of them is asked for here.
        levels.push(partial(folder, &mut leaves, level, from, all)?);
    }
    Tiler::resume(size, levels).ok_or_else(|| damaged("tile", "the tiles do not fit the segments"))
}

/// Whether segment `ordinal` is there and is zeros; another is made where it is not.
fn prepared(disk: &dyn Disk, folder: &LogFolder, ordinal: u64, bytes: u64) -> Result<bool, Error> {
    let path = segment::path(ordinal);
    match folder.read(&path, MOST_FILE) {
        Ok(found) if segment::zeros(&found) && u64::try_from(found.len()) == Ok(bytes) => Ok(true),
        Ok(_) | Err(_) => {
            disk.remove(&path).map_err(io(&path))?;
            Ok(false)
        }
    }
}
