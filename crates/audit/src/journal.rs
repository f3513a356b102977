//! The port to the log's writer: a record goes in, a ticket comes back, and the ticket is good once the record is durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use terms::Utc;

/// Where a durable record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its index in the log, from 0.
    pub index: u64,
}

/// Why a record is not durable. Whether it ever reaches the log cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// More is waiting than the bounds allow.
    #[error("the audit queue is full")]
    Full,
    /// It is no printed record, or larger than a segment holds.
    #[error("the record does not fit the audit log")]
    Size,
    /// A write or a flush failed, or the volume is full.
    #[error("the audit log cannot be written")]
    Failed,
    /// The writer has not finished its last batch within the limit.
    #[error("the audit log is slow past its limit")]
    Slow,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

/// How the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes records.
    Healthy,
    /// It takes records; the volume is filled to 80 % or more, or the next segment could not be prepared.
    NearlyFull,
    /// It takes none: a write failed, or the writer is slow past its limit.
    Failed {
        /// Since when.
        since: Utc,
    },
    /// It was closed.
    Closed,
}

impl State {
    /// Whether a record handed over now has a chance to become durable.
    pub const fn writable(self) -> bool {
        match self {
            Self::Healthy | Self::NearlyFull => true,
            Self::Failed { .. } | Self::Closed => false,
        }
    }
}

/// Keeps records durably and in order.
pub trait Journal: Send + Sync {
    /// Hands `record`, one JSON object as [`crate::Record::encode`] prints it, to the writer. Never blocks on the disk; the ticket answers when the record
    /// is durable or cannot be.
    fn append(&self, record: Vec<u8>) -> Ticket;

    /// As [`append`](Self::append), for what nobody waits for yet: it may stay behind for a few milliseconds, so that it becomes durable together with the
    /// next record that is waited for.
    fn append_soon(&self, record: Vec<u8>) -> Ticket;

    /// As [`append`](Self::append), for acts of operators and kills: these may also use the room that is kept in reserve when the volume is full.
    fn append_reserved(&self, record: Vec<u8>) -> Ticket;

    /// How the log is now.
    fn state(&self) -> State;

    /// The longest time that anyone should wait for a ticket; past it the call counts as not recorded.
    fn limit(&self) -> Duration;

    /// The last signed checkpoint, a signed note.
    fn checkpoint(&self) -> Option<String>;
}

#[derive(Debug)]
enum Slot {
    Waiting(Option<Waker>),
    Done(Result<Position, Unavailable>),
}

/// Answers when a record is durable. Works on any executor; may be polled again after it answered.
#[derive(Debug)]
#[must_use = "a record is durable only when its ticket says so"]
pub struct Ticket(Arc<Mutex<Slot>>);

/// The writer's end of a [`Ticket`]; dropped unused it answers [`Unavailable::Failed`].
#[derive(Debug)]
pub struct Completion(Arc<Mutex<Slot>>);

/// A ticket and its other end.
pub fn ticket() -> (Ticket, Completion) {
    let slot = Arc::new(Mutex::new(Slot::Waiting(None)));
    (Ticket(Arc::clone(&slot)), Completion(slot))
}

impl Ticket {
    /// A ticket that was refused at once.
    pub fn refused(why: Unavailable) -> Self {
        Self(Arc::new(Mutex::new(Slot::Done(Err(why)))))
    }

    /// The answer, if it is there.
    pub fn peek(&self) -> Option<Result<Position, Unavailable>> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Slot::Waiting(_) => None,
            Slot::Done(answer) => Some(*answer),
        }
    }
}

impl Future for Ticket {
    type Output = Result<Position, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Slot::Done(answer) => Poll::Ready(*answer),
            Slot::Waiting(waker) => {
                match waker {
                    Some(known) if known.will_wake(context.waker()) => {}
                    _ => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Completion {
    /// Answers the ticket.
    pub fn complete(self, answer: Result<Position, Unavailable>) {
        self.settle(answer);
    }

    fn settle(&self, answer: Result<Position, Unavailable>) {
        let waker = {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *slot {
                Slot::Done(_) => None,
                Slot::Waiting(waker) => {
                    let waker = waker.take();
                    *slot = Slot::Done(answer);
                    waker
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.settle(Err(Unavailable::Failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_completion_refuses() {
        let (ticket, completion) = ticket();
        assert_eq!(ticket.peek(), None);
        drop(completion);
        assert_eq!(ticket.peek(), Some(Err(Unavailable::Failed)));
    }

    #[test]
    fn the_first_answer_stays() {
        let (ticket, completion) = ticket();
        completion.complete(Ok(Position { index: 7 }));
        assert_eq!(ticket.peek(), Some(Ok(Position { index: 7 })));
    }
}
