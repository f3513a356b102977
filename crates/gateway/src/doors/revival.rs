//! When a server that was lost is tried again: a local one by its restart rule, until it is put aside; a remote one for ever, after a growing
//! delay.

use crate::snapshot::{Carrier, Restart};
use sandbox::{Next, RestartPolicy, Supervisor};
use std::time::Duration;
use terms::Instant;

/// The first delay of a remote server; it doubles.
const FIRST: Duration = Duration::from_millis(500);
/// Its longest delay.
const LONGEST: Duration = Duration::from_secs(5);

/// What is remembered of a server's failures.
#[derive(Debug)]
pub(super) enum Revival {
    /// Of a local process: what keeps dying is put aside.
    Local(Supervisor),
    /// Of a server elsewhere: others see to it.
    Remote(Backoff),
}

impl Revival {
    /// Of a server that has not failed yet.
    pub(super) fn of(carrier: &Carrier) -> Self {
        match carrier {
            Carrier::Run(run) => {
                let Restart { delay, most, within } = run.restart;
                Self::Local(Supervisor::new(RestartPolicy { delay, most, within }))
            }
            Carrier::Remote(_) => Self::Remote(Backoff::default()),
        }
    }

    /// Whether it may be tried at `now`.
    pub(super) fn may_start(&self, now: Instant) -> Next {
        match self {
            Self::Local(supervisor) => supervisor.may_start(now),
            Self::Remote(backoff) => backoff.may_dial(now),
        }
    }

    /// It died, or could not be opened.
    pub(super) fn failed(&mut self, now: Instant) -> Next {
        match self {
            Self::Local(supervisor) => supervisor.died(now),
            Self::Remote(backoff) => backoff.failed(now),
        }
    }

    /// It was opened.
    pub(super) fn opened(&mut self) {
        match self {
            // A process that comes up and dies again is what the restart rule is for: only time makes its deaths forgotten.
            Self::Local(_) => {}
            Self::Remote(backoff) => *backoff = Backoff::default(),
        }
    }

    /// Whether it was put aside.
    pub(super) fn is_aside(&self) -> bool {
        match self {
            Self::Local(supervisor) => supervisor.is_aside(),
            Self::Remote(_) => false,
        }
    }

    /// Someone has looked at it.
    pub(super) fn release(&mut self) {
        match self {
            Self::Local(supervisor) => supervisor.release(),
            Self::Remote(backoff) => *backoff = Backoff::default(),
        }
    }
}

/// The delays of a server that cannot be reached: 0.5 s, doubled to at most 5 s. Calls that fail while one waits already count once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    from: Option<Instant>,
}

impl Backoff {
    fn may_dial(&self, now: Instant) -> Next {
        match self.from {
            Some(from) if now < from => Next::Wait(from),
            Some(_) | None => Next::Start,
        }
    }

    fn failed(&mut self, now: Instant) -> Next {
        let next = self.may_dial(now);
        if next != Next::Start {
            return next;
        }
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1).min(16);
        let from = now.after(doubled.min(LONGEST));
        self.from = Some(from);
        Next::Wait(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_remote_server_is_tried_for_ever_after_at_most_five_seconds() {
        let mut remote = Revival::Remote(Backoff::default());
        let mut now = 0;
        for delay in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            assert_eq!(remote.failed(at(now)), Next::Wait(at(now + delay)));
            assert_ne!(remote.may_start(at(now + delay - 1)), Next::Start);
            assert_eq!(remote.may_start(at(now + delay)), Next::Start);
            now += delay;
        }
        for _ in 0..1_000 {
            now += 10_000;
            assert_eq!(remote.failed(at(now)), Next::Wait(at(now + 5_000)));
            assert!(!remote.is_aside());
        }
        remote.opened();
        assert_eq!(remote.failed(at(now)), Next::Wait(at(now + 500)));
    }

    #[test]
    fn many_calls_that_fail_at_once_are_one_failure() {
        let mut remote = Revival::Remote(Backoff::default());
        for _ in 0..50 {
            assert_eq!(remote.failed(at(1)), Next::Wait(at(501)));
        }
    }

    #[test]
    fn a_local_one_that_keeps_dying_is_put_aside() {
        let mut local = Revival::Local(Supervisor::new(RestartPolicy { most: 2, ..RestartPolicy::default() }));
        for now in 0..3 {
            local.failed(at(now * 60_000));
            local.opened();
        }
        assert!(local.is_aside());
        local.release();
        assert_eq!(local.may_start(at(200_000)), Next::Start);
    }
}
