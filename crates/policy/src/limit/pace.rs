//! Calls spread evenly: the generic cell rate algorithm (ITU-T I.371, annex A).

use std::time::Duration;

/// The part of a unit's calls that may run ahead.
const AHEAD: u64 = 100;

/// When the next call is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    due: u64,
}

impl Pace {
    /// Whether it is as good as new.
    pub(super) const fn is_idle(self, now: u64) -> bool {
        self.due <= now
    }

    /// How long until `amount` fits; nothing where it does now, none where it never does.
    pub(super) fn wait(self, most: u64, amount: u64, span: u64, now: u64) -> Option<Duration> {
        let burst = (most / AHEAD).max(1);
        if amount > burst {
            return None;
        }
        let between = span / most.max(1);
        let slack = between.saturating_mul(burst - amount.max(1));
        Some(Duration::from_nanos(self.due.max(now).saturating_sub(slack).saturating_sub(now)))
    }

    /// Takes `amount`.
    pub(super) fn take(&mut self, most: u64, amount: u64, span: u64, now: u64) {
        self.due = self.due.max(now).saturating_add((span / most.max(1)).saturating_mul(amount));
    }

    /// Gives `amount` back.
    pub(super) fn give(&mut self, most: u64, amount: u64, span: u64) {
        self.due = self.due.saturating_sub((span / most.max(1)).saturating_mul(amount));
    }
}
