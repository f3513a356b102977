//! What was used in the last span, exactly.

use std::collections::VecDeque;
use std::time::Duration;

/// Uses that lie closer together than this part of the span are kept as one, which leaves with the last of them: room is there late by less than one
/// hundredth of the span, and never early.
const GRAIN: u64 = 128;

/// A log of uses.
#[derive(Debug, Default)]
pub(super) struct Window {
    uses: VecDeque<Use>,
    total: u64,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    first: u64,
    last: u64,
    amount: u64,
}

impl Window {
    /// Lets go of what lies `span` nanoseconds back.
    pub(super) fn turn(&mut self, span: u64, now: u64) {
        while let Some(oldest) = self.uses.front().filter(|oldest| oldest.last.saturating_add(span) <= now) {
            self.total = self.total.saturating_sub(oldest.amount);
            self.uses.pop_front();
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.uses.is_empty()
    }

    /// How long until `amount` fits; none where it never does, nothing where it does now.
    pub(super) fn wait(&self, most: u64, amount: u64, span: u64, now: u64) -> Option<Duration> {
        if amount > most {
            return None;
        }
        let mut excess = self.total.saturating_add(amount).saturating_sub(most);
        if excess == 0 {
            return Some(Duration::ZERO);
        }
        for held in &self.uses {
            if held.amount >= excess {
                return Some(Duration::from_nanos(held.last.saturating_add(span).saturating_sub(now)));
            }
            excess -= held.amount;
        }
        Some(Duration::from_nanos(span))
    }

    /// Takes `amount`.
    pub(super) fn take(&mut self, amount: u64, span: u64, now: u64) {
        self.total = self.total.saturating_add(amount);
        match self.uses.back_mut() {
            Some(newest) if now.saturating_sub(newest.first) <= span / GRAIN => {
                newest.last = newest.last.max(now);
                newest.amount = newest.amount.saturating_add(amount);
            }
            // INVARIANT: the clock is monotonic; were it not, a use stays longer rather than shorter.
            Some(newest) => {
                let now = now.max(newest.last);
                self.uses.push_back(Use { first: now, last: now, amount });
            }
            None => self.uses.push_back(Use { first: now, last: now, amount }),
        }
    }

    /// Gives `amount` back, the newest first.
    pub(super) fn give(&mut self, mut amount: u64) {
        while let Some(newest) = self.uses.back_mut().filter(|_| amount > 0) {
            let back = newest.amount.min(amount);
            newest.amount -= back;
            self.total = self.total.saturating_sub(back);
            amount -= back;
            if newest.amount == 0 {
                self.uses.pop_back();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_size_is_bounded() {
        let mut window = Window::default();
        for now in 0..100_000 {
            window.turn(10_000, now);
            window.take(1, 10_000, now);
        }
        assert!(window.uses.len() as u64 <= GRAIN + 2, "{}", window.uses.len());
        assert!(window.total >= 10_000);
    }
}
