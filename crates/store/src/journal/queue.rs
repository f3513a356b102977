//! What waits for the writer, and what the writer tells everyone.

use super::{Error, Interruption, Options};
use audit::{Completion, State, Unavailable};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use terms::Utc;

/// Which room a record may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Common,
    /// Also what is kept back when no new segment can be made.
    Reserved,
}

/// How long a record may wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for it.
    Now,
    /// It may wait for the next that is urgent, [`SOON`] at most.
    Soon,
}

pub(super) struct Item {
    pub(super) record: Vec<u8>,
    pub(super) completion: Completion,
    pub(super) room: Room,
    pub(super) urgency: Urgency,
}

/// An order to drop archived segments.
pub(super) struct Retain {
    /// The last of them.
    pub(super) ordinal: u64,
    /// How many records the log has up to its end.
    pub(super) end: u64,
    pub(super) answer: mpsc::Sender<Result<(), Error>>,
}

/// Interruptions that are remembered until someone asks.
const MOST_INTERRUPTIONS: usize = 16;

#[derive(Default)]
struct Inner {
    items: Vec<Item>,
    /// How many of them are urgent.
    urgent: usize,
    /// When the first of them came, unless it is urgent.
    oldest: Option<Instant>,
    bytes: usize,
    retain: Vec<Retain>,
    watch: Watch,
    closing: bool,
    ended: bool,
    failed: Option<Utc>,
    cause: String,
    interruptions: Vec<Interruption>,
    warned: bool,
    /// When the writer took the batch that it is writing.
    busy: Option<Instant>,
    busy_utc: Utc,
    checkpoint: Option<String>,
}

pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    most_bytes: usize,
    most_records: usize,
    limit: Duration,
}

/// What the writer is to do next.
pub(super) struct Work {
    pub(super) items: Vec<Item>,
    /// How many of them were urgent.
    pub(super) urgent: usize,
    pub(super) retain: Vec<Retain>,
    pub(super) closing: bool,
}

/// What wakes the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watch {
    /// Nothing: it is at work, and looks for itself before it sleeps.
    #[default]
    Busy,
    /// Any record.
    Asleep,
    /// An urgent record; it looks for others by itself soon.
    Dozing,
    /// So many urgent records.
    Gathering(usize),
}

/// Urgent records of one batch from which on it pays to wait for as many again.
const CROWD: usize = 3;
/// The longest wait for them: about one commit.
const GATHER: Duration = Duration::from_micros(150);
/// The longest time that a record which is not urgent waits for one that is.
const SOON: Duration = Duration::from_millis(2);
/// How long after a batch the writer dozes before it sleeps.
const LINGER: Duration = Duration::from_millis(20);

impl Queue {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            inner: Mutex::default(),
            wake: Condvar::new(),
            most_bytes: options.queue_bytes,
            most_records: options.queue_records,
            limit: options.limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slow(&self, inner: &Inner) -> bool {
        inner.busy.is_some_and(|since| since.elapsed() > self.limit)
    }

    pub(super) fn push(&self, item: Item) -> Result<(), Unavailable> {
        let mut inner = self.lock();
        if inner.closing || inner.ended {
            return Err(Unavailable::Closed);
        }
        if inner.failed.is_some() {
            return Err(Unavailable::Failed);
        }
        if self.slow(&inner) {
            return Err(Unavailable::Slow);
        }
        if inner.items.len() >= self.most_records || inner.bytes.saturating_add(item.record.len()) > self.most_bytes {
            return Err(Unavailable::Full);
        }
        inner.bytes += item.record.len();
        match item.urgency {
            Urgency::Now => inner.urgent += 1,
            Urgency::Soon if inner.oldest.is_none() => inner.oldest = Some(Instant::now()),
            Urgency::Soon => {}
        }
        let wake = match inner.watch {
            Watch::Busy => false,
            Watch::Asleep => true,
            Watch::Dozing => item.urgency == Urgency::Now,
            Watch::Gathering(enough) => inner.urgent >= enough,
        };
        if wake {
            inner.watch = Watch::Busy;
        }
        inner.items.push(item);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn retain(&self, ordinal: u64, end: u64) -> mpsc::Receiver<Result<(), Error>> {
        let (answer, receiver) = mpsc::channel();
        let mut inner = self.lock();
        if !inner.closing && !inner.ended {
            inner.retain.push(Retain { ordinal, end, answer });
        }
        drop(inner);
        self.wake.notify_one();
        receiver
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for work, at most `span`. Where the last batch had `last` urgent records and that is a crowd, others are on their way: a moment more makes
    /// one commit of many.
    pub(super) fn take(&self, span: Duration, last: usize) -> Work {
        let mut inner = self.lock();
        inner.busy = None;
        let began = Instant::now();
        while inner.urgent == 0 && inner.retain.is_empty() && !inner.closing {
            let waited = began.elapsed();
            let (watch, rest) = match inner.oldest {
                Some(since) => match SOON.checked_sub(since.elapsed()).filter(|rest| !rest.is_zero()) {
                    Some(rest) => (Watch::Dozing, rest),
                    None => break,
                },
                None if waited >= span => break,
                None if waited < LINGER => (Watch::Dozing, SOON),
                None => (Watch::Asleep, span.saturating_sub(waited)),
            };
            inner = self.wait(inner, watch, rest);
        }
        if last >= CROWD && inner.urgent > 0 {
            let began = Instant::now();
            while inner.urgent < last && !inner.closing {
                let Some(rest) = GATHER.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) else { break };
                inner = self.wait(inner, Watch::Gathering(last), rest);
            }
        }
        inner.watch = Watch::Busy;
        inner.oldest = None;
        inner.bytes = 0;
        let urgent = std::mem::take(&mut inner.urgent);
        Work { items: std::mem::take(&mut inner.items), urgent, retain: std::mem::take(&mut inner.retain), closing: inner.closing }
    }

    fn wait<'a>(&'a self, mut inner: MutexGuard<'a, Inner>, watch: Watch, span: Duration) -> MutexGuard<'a, Inner> {
        inner.watch = watch;
        self.wake.wait_timeout(inner, span).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The writer begins to write.
    pub(super) fn begin(&self, now: Utc) {
        let mut inner = self.lock();
        inner.busy = Some(Instant::now());
        inner.busy_utc = now;
    }

    pub(super) fn failed(&self, since: Utc, cause: String) {
        let mut inner = self.lock();
        inner.failed = Some(since);
        inner.cause = cause;
    }

    pub(super) fn healed(&self, until: Utc) {
        let mut inner = self.lock();
        let cause = std::mem::take(&mut inner.cause);
        if let Some(since) = inner.failed.take()
            && inner.interruptions.len() < MOST_INTERRUPTIONS
        {
            inner.interruptions.push(Interruption { since, until, cause });
        }
    }

    pub(super) fn interruptions(&self) -> Vec<Interruption> {
        std::mem::take(&mut self.lock().interruptions)
    }

    pub(super) fn warned(&self, warned: bool) {
        self.lock().warned = warned;
    }

    pub(super) fn noted(&self, note: String) {
        self.lock().checkpoint = Some(note);
    }

    /// The writer is gone: whatever waits is refused.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        inner.busy = None;
        let gone = (std::mem::take(&mut inner.items), std::mem::take(&mut inner.retain));
        drop(inner);
        drop(gone);
    }

    pub(super) fn state(&self) -> State {
        let inner = self.lock();
        match inner.failed {
            _ if inner.closing || inner.ended => State::Closed,
            Some(since) => State::Failed { since },
            None if self.slow(&inner) => State::Failed { since: inner.busy_utc },
            None if inner.warned => State::NearlyFull,
            None => State::Healthy,
        }
    }

    pub(super) fn checkpoint(&self) -> Option<String> {
        self.lock().checkpoint.clone()
    }
}
