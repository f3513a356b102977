//! The audit log's writer: segment files written ahead as zeros, one thread, group commit.
//!
//! A record is durable when one `fdatasync` after its write has succeeded, never before. A failed write or flush is not tried again on the same file: what was
//! durable is copied to a new one, which takes its place, and nothing is taken in until then. The format is in `docs/audit-format.md`.

mod disk;
mod folder;
mod keeper;
mod open;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::{Disk, Handle, RealDisk};
pub use folder::LogFolder;
pub use keeper::Sealed;

use audit::{Journal, LogKey, State, Ticket, Unavailable};
use keeper::Keeper;
use queue::{Item, Queue, Room, Urgency};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use terms::{Clock, Utc};

/// Why a log was not opened, or not closed cleanly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process writes it.
    #[error("another process has the audit log open")]
    Locked,
    /// A file cannot be read or written.
    #[error("the audit log's `{file}` cannot be used")]
    Io {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What stands there is not what was written.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The folder belongs to a log with another key or name.
    #[error("the audit log belongs to another key")]
    OtherKey,
    /// The log's thread has ended or failed.
    #[error("the audit log could not be written to its end")]
    Unfinished,
}

/// Bounds and ports of a log.
#[derive(Clone)]
pub struct Options {
    /// Tells the time of checkpoints.
    pub clock: Arc<dyn Clock>,
    /// Size of a segment of a new log; an old one keeps its own. From 16 KiB to 256 MiB.
    pub segment_bytes: u64,
    /// The most bytes that wait.
    pub queue_bytes: usize,
    /// The most records that wait.
    pub queue_records: usize,
    /// The longest time between checkpoints while records arrive.
    pub checkpoint_every: Duration,
    /// How long a batch may take before records are refused.
    pub limit: Duration,
    /// How often a failed log is tried again.
    pub retry: Duration,
}

impl Options {
    /// 4 MiB segments, 64 MiB or 65,536 records waiting, a checkpoint a second, 10 s limit, retry every second.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            segment_bytes: 4 << 20,
            queue_bytes: 64 << 20,
            queue_records: 65_536,
            checkpoint_every: Duration::from_secs(1),
            limit: Duration::from_secs(10),
            retry: Duration::from_secs(1),
        }
    }
}

/// What was found at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Records in the log.
    pub records: u64,
    /// Bytes of a frame that was never finished, now zero. Nobody was told that it was durable.
    pub torn_bytes: u64,
    /// Tiles that a crash had kept from the disk, made again from the segments.
    pub tiles: u64,
    /// Whether the last writer had closed the log.
    pub clean: bool,
}

/// A time in which the log took no records, and is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// When the writer noticed.
    pub since: Utc,
    /// When it could write again.
    pub until: Utc,
    /// What it noticed.
    pub cause: String,
}

/// A log in a folder of this machine.
pub struct FileJournal {
    queue: Arc<Queue>,
    keeper: Keeper,
    limit: Duration,
    thread: Mutex<Option<JoinHandle<Result<(), Error>>>>,
}

impl FileJournal {
    /// Opens the log in `folder`, makes it where there is none, and takes away what a crash left unfinished. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::OtherKey`], [`Error::Io`], and [`Error::Audit`] when what a checkpoint covers is not there.
    pub fn open(folder: &Path, key: LogKey, options: &Options) -> Result<(Self, Recovery), Error> {
        let disk = RealDisk::open(folder)?;
        Self::on(Arc::new(disk), folder, key, options)
    }

    /// As [`open`](Self::open), writing through `disk`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn on(disk: Arc<dyn Disk>, folder: &Path, key: LogKey, options: &Options) -> Result<(Self, Recovery), Error> {
        let queue = Arc::new(Queue::new(options));
        let key = Arc::new(key);
        let keeper = Keeper::new(Arc::clone(&disk), folder, Arc::clone(&key));
        let (writer, recovery) = open::open(disk, folder, key, options, Arc::clone(&queue))?;
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run())
            .map_err(|source| Error::Io { file: "thread".into(), source })?;
        Ok((Self { queue, keeper, limit: options.limit, thread: Mutex::new(Some(thread)) }, recovery))
    }

    /// Writes what waits and the closing checkpoint, and ends the thread. Blocks. A second call does nothing.
    ///
    /// # Errors
    /// When the last records or the closing checkpoint could not be written.
    pub fn close(&self) -> Result<(), Error> {
        // An archive in the making is finished first.
        self.keeper.close();
        self.queue.close();
        match self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(thread) => thread.join().map_err(|_| Error::Unfinished)?,
            None => Ok(()),
        }
    }

    /// Makes the archive of the oldest segment, durable, if all of its records are older than `before` and the log is 256 records past it. Blocks on the disk,
    /// beside the writer. None where there is nothing to archive.
    ///
    /// # Errors
    /// [`Error::Audit`] when the segment or its tiles are not what they should be: both are then left as they are. [`Error::Io`].
    pub fn seal(&self, before: Utc) -> Result<Option<Sealed>, Error> {
        if self.queue.state().writable() { self.keeper.seal(before) } else { Ok(None) }
    }

    /// Drops the segment of an archive from the log: a checkpoint says so first; the hashes of its records stay. Blocks.
    ///
    /// # Errors
    /// [`Error::Audit`] when the archive is not there any more as it was made, [`Error::Unfinished`] when the log is failed or closed; else those of the disk.
    pub fn drop_sealed(&self, sealed: &Sealed) -> Result<(), Error> {
        self.keeper.check(sealed)?;
        self.queue.retain(sealed.seal().ordinal, sealed.end()).recv().map_err(|_| Error::Unfinished)?
    }

    /// The interruptions that ended since this was last asked.
    pub fn interruptions(&self) -> Vec<Interruption> {
        self.queue.interruptions()
    }

    fn hand_over(&self, record: Vec<u8>, room: Room, urgency: Urgency) -> Ticket {
        // One frame that is no record would spoil the log for good.
        if !record.starts_with(START) || record.last() != Some(&b'}') {
            return Ticket::refused(Unavailable::Size);
        }
        let (ticket, completion) = audit::ticket();
        match self.queue.push(Item { record, completion, room, urgency }) {
            Ok(()) => ticket,
            Err(why) => Ticket::refused(why),
        }
    }
}

impl Journal for FileJournal {
    fn append(&self, record: Vec<u8>) -> Ticket {
        self.hand_over(record, Room::Common, Urgency::Now)
    }

    fn append_soon(&self, record: Vec<u8>) -> Ticket {
        self.hand_over(record, Room::Common, Urgency::Soon)
    }

    fn append_reserved(&self, record: Vec<u8>) -> Ticket {
        self.hand_over(record, Room::Reserved, Urgency::Now)
    }

    fn state(&self) -> State {
        self.queue.state()
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn checkpoint(&self) -> Option<String> {
        self.queue.checkpoint()
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the audit log was not closed cleanly");
        }
    }
}

/// Waits for `ticket`, at most `limit`.
///
/// # Errors
/// [`Unavailable::Slow`] past the limit; else the ticket's own.
pub async fn within(ticket: Ticket, limit: Duration) -> Result<audit::Position, Unavailable> {
    tokio::time::timeout(limit, ticket).await.unwrap_or(Err(Unavailable::Slow))
}

/// How every record begins.
const START: &[u8] = b"{\"v\":1,\"id\":\"R-";

fn io(file: &str) -> impl FnOnce(std::io::Error) -> Error {
    let file = file.to_owned();
    move |source| Error::Io { file, source }
}
