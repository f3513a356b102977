//! A connection that was let through: bytes go both ways, within bounds, until one side has had enough.

use super::checks::Check;
use super::opening::differs;
use super::requests::Requests;
use super::{Exit, Goal, Halt};
use crate::attempt::{Attempt, End, Kept, Moved, Reason};
use crate::head::Head;
use crate::limits::Direction;
use crate::meter::Open;
use crate::protocol::{Protocol, Purpose, Start, Turn, recognise_greeting};
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

/// Bytes that are moved at once.
const PIECE: usize = 128 * 1024;
/// Most bytes that are held back until they are judged.
const HELD: usize = 16 * 1024;

/// One connection that was let through. Dropped, it has ended, and that goes on record.
struct Passage<'a> {
    exit: &'a Exit,
    attempt: Attempt,
    began: Instant,
    moved: [AtomicU64; 2],
    /// Milliseconds since it began, of the last byte.
    stirred: AtomicU64,
    end: Mutex<End>,
    _open: Open,
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        let [out, back] = &self.moved;
        let moved = Moved { out: out.load(Ordering::Relaxed), back: back.load(Ordering::Relaxed), lasted: self.began.elapsed() };
        self.exit.meter.arrived(&self.attempt, moved.out, moved.back);
        self.exit.ledger.closed(&self.attempt, moved, *self.end.lock());
    }
}

/// What bytes of one side are still to be compared with before they go on.
enum Filter<'a> {
    /// Nothing.
    Open,
    /// The first of them with a protocol; they are held back until then.
    First { protocol: Protocol, judge: fn(Protocol, &[u8]) -> Start, held: Vec<u8> },
    /// All of them with the host that is meant.
    Requests { requests: Box<Requests>, goal: &'a Goal },
}

impl Exit {
    /// Moves bytes both ways until the end.
    pub(super) async fn pass(
        &self,
        mut inner: TcpStream,
        mut outer: TcpStream,
        first: Vec<u8>,
        goal: &Goal,
        attempt: &Attempt,
    ) -> Result<(), Halt> {
        let kept = self.ledger.opened(attempt);
        let passage = Passage {
            exit: self,
            attempt: attempt.clone(),
            began: Instant::now(),
            moved: [AtomicU64::new(0), AtomicU64::new(0)],
            stirred: AtomicU64::new(0),
            end: Mutex::new(End::Cut),
            _open: self.meter.open(),
        };
        let (client, server) = (inner.split(), outer.split());
        let first_of = |judge| Filter::First { protocol: goal.protocol, judge, held: Vec::new() };
        let (out_filter, back_filter) = match goal.protocol.turn() {
            Turn::Client if goal.protocol == Protocol::Http && self.follows() => {
                (Filter::Requests { requests: Box::default(), goal }, Filter::Open)
            }
            Turn::Either if self.checks.hold(Check::Protocol) => (first_of(Protocol::begins), first_of(Protocol::greets)),
            Turn::Client | Turn::Either => (Filter::Open, Filter::Open),
        };
        let both = async {
            let out = passage.flow(client.0, server.1, Direction::Out, first, out_filter);
            let back = passage.flow(server.0, client.1, Direction::Back, Vec::new(), back_filter);
            match tokio::try_join!(out, back) {
                Ok(_) => Ok(End::Done),
                Err(halt) => Err(halt),
            }
        };
        let ended = tokio::select! {
            biased;
            halt = self.unrecorded(kept) => Err(Stopped::Halt(halt)),
            () = passage.idle() => Ok(End::Idle),
            ended = both => ended,
        };
        let (end, halt) = match ended {
            Ok(end) => (end, None),
            Err(Stopped::Broken) => (End::Broken, None),
            Err(Stopped::Halt(halt)) => (End::Stopped(halt.reason), Some(halt)),
        };
        *passage.end.lock() = end;
        halt.map_or(Ok(()), Err)
    }

    /// Whether every request is judged, and not the first alone.
    fn follows(&self) -> bool {
        [Check::Requests, Check::Form, Check::Host, Check::Protocol].into_iter().all(|check| self.checks.hold(check))
    }

    /// Waits until the attempt is on record, and for ever then.
    async fn unrecorded(&self, kept: Kept) -> Halt {
        match kept.await {
            Err(_) if self.checks.hold(Check::Record) => Reason::Unrecorded.into(),
            Ok(()) | Err(_) => std::future::pending().await,
        }
    }
}

/// Why bytes move no more.
enum Stopped {
    Broken,
    Halt(Halt),
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl Passage<'_> {
    /// Moves the bytes of one direction, `first` before all others, until its source ends.
    async fn flow(
        &self,
        from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        direction: Direction,
        first: Vec<u8>,
        mut filter: Filter<'_>,
    ) -> Result<(), Stopped> {
        self.send(&mut to, direction, &first, &mut filter, &mut Vec::new()).await?;
        drop(first);
        loop {
            from.readable().await?;
            // A connection on which nothing comes holds no room.
            let (mut piece, mut passed) = (vec![0; PIECE], Vec::new());
            loop {
                let read = match from.try_read(&mut piece) {
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                    read => read?,
                };
                let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
                    to.shutdown().await?;
                    return Ok(());
                };
                self.send(&mut to, direction, bytes, &mut filter, &mut passed).await?;
            }
        }
    }

    /// Sends of `bytes`, and of what was held back before, what the filter lets through.
    async fn send(
        &self,
        to: &mut WriteHalf<'_>,
        direction: Direction,
        bytes: &[u8],
        filter: &mut Filter<'_>,
        passed: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        passed.clear();
        let bytes = match filter {
            Filter::Open => bytes,
            Filter::First { protocol, judge, held } => {
                held.extend_from_slice(bytes);
                match judge(*protocol, held) {
                    _ if held.is_empty() => return Ok(()),
                    Start::Fits => *passed = std::mem::take(held),
                    Start::More if held.len() < HELD => return Ok(()),
                    Start::More | Start::Differs => return Err(Stopped::Halt(self.differs(direction, held, *protocol))),
                }
                *filter = Filter::Open;
                passed
            }
            Filter::Requests { requests, goal } => {
                let judge = |head: &Head<'_>| self.exit.names_host(head, goal, &mut self.attempt.clone());
                requests.take(bytes, passed, judge).map_err(Stopped::Halt)?;
                passed
            }
        };
        if !bytes.is_empty() {
            self.charge(direction, bytes.len()).await?;
            to.write_all(bytes).await?;
        }
        Ok(())
    }

    /// Counts bytes that are about to be moved, and waits as long as they cost.
    async fn charge(&self, direction: Direction, count: usize) -> Result<(), Stopped> {
        let (exit, count) = (self.exit, count as u64);
        if !exit.allowance.bytes(direction, count) && exit.checks.hold(Check::Bytes) {
            return Err(Stopped::Halt(Reason::Bytes.into()));
        }
        let wait = exit.allowance.wait(direction, count);
        if !wait.is_zero() && exit.checks.hold(Check::Rate) {
            tokio::time::sleep(wait).await;
        }
        exit.meter.moved(direction, count);
        let [out, back] = &self.moved;
        match direction {
            Direction::Out => out.fetch_add(count, Ordering::Relaxed),
            Direction::Back => back.fetch_add(count, Ordering::Relaxed),
        };
        self.stirred.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }

    fn differs(&self, direction: Direction, bytes: &[u8], expected: Protocol) -> Halt {
        match direction {
            Direction::Out => differs(bytes, expected, &mut self.attempt.clone()),
            Direction::Back => {
                let named = recognise_greeting(bytes)
                    .is_some_and(|found| found.purpose() != Purpose::General && found.purpose() != expected.purpose());
                let reason = if named { Reason::Unlisted } else { Reason::Protocol };
                Halt::because(reason, format!("the server greets with something else than {expected}"))
            }
        }
    }

    /// Returns once nothing has moved for too long.
    async fn idle(&self) {
        let bound = self.exit.terms.limits.idle;
        if !self.exit.checks.hold(Check::Idle) {
            return std::future::pending().await;
        }
        loop {
            let last = self.began + std::time::Duration::from_millis(self.stirred.load(Ordering::Relaxed));
            if last.elapsed() >= bound {
                return;
            }
            tokio::time::sleep_until(last + bound).await;
        }
    }
}
