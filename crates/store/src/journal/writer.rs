//! The one thread that writes.

use super::disk::{Disk, Handle};
use super::folder::LogFolder;
use super::queue::{Item, Queue, Retain, Room, Work};
use super::{Error, Options, io};
use audit::checkpoint::{Checkpoint, Phase};
use audit::read::CHECKPOINT;
use audit::segment::{self, Header, Sort, Step, framed};
use audit::tile::{Full, Tiler};
use audit::tree::{Frontier, Hash};
use audit::{Completion, Folder, LogKey, Position, Unavailable};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// At the end of each segment, for checkpoints only.
const NOTES: u64 = 4096;
/// Of these, for the closing checkpoint only.
const LAST_NOTE: u64 = 2048;
/// A file that exists until it is a segment.
pub(super) const PREPARING: &str = "segment/preparing";
/// A file that exists until it is the checkpoint.
pub(super) const CHECKPOINT_NEW: &str = "checkpoint.new";
const WARN_PERCENT: u64 = 80;
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: LogFolder,
    pub(super) key: Arc<LogKey>,
    pub(super) options: Options,
    pub(super) queue: Arc<Queue>,
    pub(super) file: Box<dyn Handle>,
    /// The first segment in the log.
    pub(super) first: u64,
    pub(super) ordinal: u64,
    pub(super) bytes: u64,
    /// Where the next frame goes: everything before it is durable.
    pub(super) tail: u64,
    pub(super) tree: Frontier,
    pub(super) tiler: Tiler,
    /// Tiles that are full and not yet files.
    pub(super) full: Vec<Full>,
    pub(super) last: Checkpoint,
    pub(super) noted: Instant,
    pub(super) preparing: Option<JoinHandle<std::io::Result<()>>>,
    /// Whether the next segment is there.
    pub(super) prepared: bool,
    pub(super) failed: bool,
    pub(super) looked: Option<Instant>,
    pub(super) tried: Instant,
}

impl Writer {
    pub(super) fn run(mut self) -> Result<(), Error> {
        let end = End(Arc::clone(&self.queue));
        let mut last = 0;
        loop {
            let Work { items, urgent, retain, closing } = self.queue.take(self.pause(), last);
            last = urgent;
            self.queue.begin(self.options.clock.utc());
            self.look();
            if self.failed && self.tried.elapsed() >= self.options.retry {
                self.heal();
            }
            self.batch(items);
            for one in retain {
                self.retain(&one);
            }
            if !self.failed && self.due() {
                let noted = self.note(Phase::Open);
                self.judge(noted);
            }
            if closing {
                let closed = self.close();
                drop(end);
                return closed;
            }
        }
    }

    fn due(&self) -> bool {
        self.tree.size() > self.last.size && self.noted.elapsed() >= self.options.checkpoint_every
    }

    /// How long to sleep when nothing comes.
    fn pause(&self) -> Duration {
        if self.failed {
            self.options.retry.saturating_sub(self.tried.elapsed())
        } else if self.tree.size() > self.last.size {
            self.options.checkpoint_every.saturating_sub(self.noted.elapsed())
        } else {
            LOOK_EVERY
        }
    }

    /// Warns before the volume is full, and gets the next segment ready.
    fn look(&mut self) {
        if self.preparing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.await_prepared();
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY.min(self.options.retry)) {
            return;
        }
        self.looked = Some(Instant::now());
        let tight = self.disk.filled().is_ok_and(|percent| percent >= WARN_PERCENT);
        let waiting = self.preparing.is_some();
        self.queue.warned(tight || (!self.prepared && !waiting));
        if !self.failed {
            let standing = self.standing();
            self.judge(standing);
        }
        self.prepare();
    }

    pub(super) fn prepare(&mut self) {
        if self.prepared || self.preparing.is_some() {
            return;
        }
        let (disk, bytes, path) = (Arc::clone(&self.disk), self.bytes, segment::path(self.ordinal + 1));
        let made = move || {
            disk.zeros(PREPARING, bytes)?;
            disk.rename(PREPARING, &path)?;
            disk.sync_names()
        };
        self.preparing = std::thread::Builder::new().name("audit-ahead".into()).spawn(made).ok();
    }

    fn await_prepared(&mut self) {
        if let Some(thread) = self.preparing.take() {
            self.prepared = matches!(thread.join(), Ok(Ok(())));
            if !self.prepared {
                tracing::warn!("the audit log's next segment cannot be prepared");
            }
            self.queue.warned(!self.prepared);
        }
    }

    fn batch(&mut self, items: Vec<Item>) {
        let mut buffer = Vec::new();
        let mut waiting: Vec<(Hash, Completion)> = Vec::new();
        for item in items {
            let size = framed(item.record.len()) as u64;
            if size > self.bytes - NOTES - segment::HEADER as u64 {
                item.completion.complete(Err(Unavailable::Size));
                continue;
            }
            if !self.failed && self.tail + buffer.len() as u64 + size > self.bytes - NOTES {
                self.flush(&mut buffer, &mut waiting);
                if !self.failed {
                    let rotated = self.rotate();
                    self.judge(rotated);
                }
            }
            let reserved = !self.prepared && self.preparing.is_none() && self.tail + buffer.len() as u64 + size > self.bytes / 4 * 3;
            if self.failed || (reserved && item.room == Room::Common) {
                item.completion.complete(Err(Unavailable::Failed));
                continue;
            }
            let hash = segment::put(&mut buffer, Sort::Record, &item.record);
            waiting.push((hash, item.completion));
        }
        self.flush(&mut buffer, &mut waiting);
    }

    /// One write, one flush; then, and only then, the tickets.
    fn flush(&mut self, buffer: &mut Vec<u8>, waiting: &mut Vec<(Hash, Completion)>) {
        if buffer.is_empty() {
            return;
        }
        let written = self.file.write_at(buffer, self.tail).and_then(|()| self.file.sync());
        let length = buffer.len() as u64;
        buffer.clear();
        let batch = std::mem::take(waiting);
        if let Err(source) = written {
            self.judge(Err(io(&segment::path(self.ordinal))(source)));
            for (_, completion) in batch {
                completion.complete(Err(Unavailable::Failed));
            }
            return;
        }
        self.tail += length;
        let mut hashes = Vec::with_capacity(batch.len());
        for (index, (hash, completion)) in (self.tree.size()..).zip(batch) {
            completion.complete(Ok(Position { index }));
            hashes.push(hash);
        }
        for hash in hashes {
            self.tree.push(hash);
            self.full.extend(self.tiler.push(hash));
        }
    }

    /// Goes into the failed state on an error.
    fn judge(&mut self, done: Result<(), Error>) {
        if let Err(error) = done {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            if !self.failed {
                tracing::error!(%cause, "the audit log cannot be written: no call is taken until it can");
                self.queue.failed(self.options.clock.utc(), cause);
            }
            self.failed = true;
            self.tried = Instant::now();
        }
    }

    fn tiles(&mut self) -> Result<(), Error> {
        while let Some(tile) = self.full.first() {
            let path = tile.path();
            self.disk.put(&path, &tile.bytes()).map_err(io(&path))?;
            self.full.remove(0);
        }
        Ok(())
    }

    fn point(&self, phase: Phase, dropped: u64) -> Checkpoint {
        let time = self.options.clock.utc().max(self.last.time);
        Checkpoint { origin: self.key.verifier().name().to_owned(), size: self.tree.size(), root: self.tree.root(), time, dropped, phase }
    }

    pub(super) fn note(&mut self, phase: Phase) -> Result<(), Error> {
        self.note_dropping(phase, self.last.dropped)
    }

    /// Signs the tree as it stands: tiles first, then the frame in the segment, then the file.
    fn note_dropping(&mut self, phase: Phase, dropped: u64) -> Result<(), Error> {
        self.tiles()?;
        let point = self.point(phase, dropped);
        let note = point.sign(&self.key);
        let mut frame = Vec::new();
        segment::put(&mut frame, Sort::Checkpoint, note.as_bytes());
        let room = match phase {
            Phase::Open => self.bytes - LAST_NOTE,
            Phase::Closed => self.bytes,
        };
        if self.tail + frame.len() as u64 > room {
            // The segment that follows begins with a checkpoint.
            return self.rotate_dropping(dropped);
        }
        let path = segment::path(self.ordinal);
        self.file.write_at(&frame, self.tail).and_then(|()| self.file.sync()).map_err(io(&path))?;
        self.tail += frame.len() as u64;
        self.publish(point, note)
    }

    fn publish(&mut self, point: Checkpoint, note: String) -> Result<(), Error> {
        self.disk
            .put(CHECKPOINT_NEW, note.as_bytes())
            .and_then(|()| self.disk.rename(CHECKPOINT_NEW, CHECKPOINT))
            .map_err(io(CHECKPOINT))?;
        self.last = point;
        self.noted = Instant::now();
        self.queue.noted(note);
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), Error> {
        self.rotate_dropping(self.last.dropped)
    }

    fn rotate_dropping(&mut self, dropped: u64) -> Result<(), Error> {
        let next = segment::path(self.ordinal + 1);
        self.await_prepared();
        if !self.prepared {
            let made = self
                .disk
                .zeros(PREPARING, self.bytes)
                .and_then(|_| self.disk.rename(PREPARING, &next))
                .and_then(|()| self.disk.sync_names());
            made.map_err(io(&next))?;
            self.prepared = true;
        }
        self.tiles()?;
        let mut file = self.disk.open(&next).map_err(io(&next))?;
        let mut start = Header { ordinal: self.ordinal + 1, bytes: self.bytes, before: self.tree.clone() }.encode();
        let point = self.point(Phase::Open, dropped);
        let note = point.sign(&self.key);
        segment::put(&mut start, Sort::Checkpoint, note.as_bytes());
        file.write_at(&start, 0).and_then(|()| file.sync()).map_err(io(&next))?;
        self.file = file;
        self.ordinal += 1;
        self.tail = start.len() as u64;
        self.prepared = false;
        self.prepare();
        self.publish(point, note)
    }

    /// Puts a new file with all that is durable in the place of the one that failed.
    fn heal(&mut self) {
        self.tried = Instant::now();
        let healed = self.standing().and_then(|()| self.rewrite()).and_then(|()| self.note(Phase::Open));
        match healed {
            Ok(()) => {
                self.failed = false;
                tracing::warn!("the audit log takes records again");
                self.queue.healed(self.options.clock.utc());
                self.looked = None;
            }
            Err(error) => self.judge(Err(error)),
        }
    }

    fn rewrite(&mut self) -> Result<(), Error> {
        self.await_prepared();
        let path = segment::path(self.ordinal);
        let bytes = self.folder.read(&path, audit::read::MOST_FILE).map_err(io(&path))?;
        let lost = || audit::Error::Damaged { file: path.clone(), what: "what was durable cannot be read back" };
        let tail = usize::try_from(self.tail).map_err(|_| lost())?;
        let kept = bytes.get(..tail).ok_or_else(lost)?;
        let header = Header::decode(kept).ok_or_else(lost)?;
        let (mut tree, mut at) = (header.before, segment::HEADER);
        while at < tail {
            let Step::Frame(frame) = segment::step(kept, at) else { return Err(lost().into()) };
            if frame.sort == Sort::Record {
                tree.push(frame.hash);
            }
            at = frame.next;
        }
        if at != tail || tree != self.tree {
            return Err(lost().into());
        }
        // A header that a failed rotation began is taken back with its file.
        let next = segment::path(self.ordinal + 1);
        self.disk.remove(&next).map_err(io(&next))?;
        self.prepared = false;
        let mut file = self.disk.zeros(PREPARING, self.bytes).map_err(io(PREPARING))?;
        file.write_at(kept, 0).and_then(|()| file.sync()).map_err(io(PREPARING))?;
        self.disk.rename(PREPARING, &path).and_then(|()| self.disk.sync_names()).map_err(io(&path))?;
        self.file = self.disk.open(&path).map_err(io(&path))?;
        self.prepare();
        Ok(())
    }

    /// Whether the log, and each segment up to the one that is written, is where it was.
    fn standing(&self) -> Result<(), Error> {
        self.disk.standing(self.first..=self.ordinal).map_err(io("."))
    }

    /// Drops what is archived: first a checkpoint says so, then the segments go.
    fn retain(&mut self, asked: &Retain) {
        let mut done = if self.failed || asked.ordinal >= self.ordinal { Err(Error::Unfinished) } else { Ok(()) };
        if done.is_ok() {
            let noted = self.note_dropping(Phase::Open, self.last.dropped.max(asked.end));
            done = if noted.is_ok() { self.remove_through(asked.ordinal) } else { Err(Error::Unfinished) };
            self.judge(noted);
        }
        // Nobody waits for the answer any more: that is theirs.
        let _ = asked.answer.send(done);
    }

    fn remove_through(&mut self, last: u64) -> Result<(), Error> {
        while self.first <= last {
            let path = segment::path(self.first);
            self.disk.remove(&path).map_err(io(&path))?;
            self.first += 1;
        }
        self.disk.sync_names().map_err(io("."))
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.failed {
            self.heal();
        }
        if self.failed {
            return Err(Error::Unfinished);
        }
        self.await_prepared();
        self.prepare();
        self.await_prepared();
        let phase = if self.prepared { Phase::Closed } else { Phase::Open };
        self.note(phase)?;
        self.disk.sync_all().map_err(io("."))
    }
}

/// Refuses what waits when the writer ends, in whatever way.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
