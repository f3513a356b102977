//! How much a server may say on the way to one answer.

use std::time::Duration;
use terms::Instant;

/// Between two notes, in the long run.
const PERIOD: Duration = Duration::from_millis(10);
/// How far the notes of a call may run ahead of that: 256 of them.
const AHEAD: Duration = Duration::from_millis(2_560);

/// The notes of one call that are still passed on: 256 at once, then a hundred a second (the generic cell rate algorithm, ITU-T I.371). Notes carry
/// no promise of delivery, and a server that talks without end must not have us screen without end.
pub(super) struct Allowance {
    due: Instant,
}

impl Allowance {
    /// A full one.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// Takes one note out of it; `None` when none is left.
    pub(super) fn take(&mut self, now: Instant) -> Option<()> {
        let due = self.due.max(now);
        (due.since(now) < AHEAD).then(|| self.due = due.after(PERIOD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_a_hundred_a_second() {
        let start = Instant::from_nanos(5);
        let mut allowance = Allowance::new(start);
        assert_eq!((0..10_000).filter_map(|_| allowance.take(start)).count(), 256);
        let later = start.after(Duration::from_secs(1));
        assert_eq!((0..10_000).filter_map(|_| allowance.take(later)).count(), 100);
        let rested = later.after(Duration::from_secs(60));
        assert_eq!((0..10_000).filter_map(|_| allowance.take(rested)).count(), 256);
    }
}
