//! What a detector is: reads a view, adds findings.

use crate::budget::Allowance;
use crate::engine::Channel;
use crate::view::{Place, View};
use crate::words::{Blocks, Stands};
use std::borrow::Cow;
use terms::{Class, Finding, Span};

/// Finds one sort of thing. New ones join the list in [`crate::engine`].
pub(crate) trait Detector: Send + Sync {
    /// Adds what `view` holds. Linear in its length; what is not looked at is noted in the sheet's allowance.
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>);
}

/// Finds what literals announce; shown each place of each of them, in order.
pub(crate) trait Reader: Send + Sync {
    /// The literals, of three bytes at least, where they stand, and a number for each.
    fn words(&self) -> Vec<(String, Stands, usize)>;

    /// Adds what the literal with `number` at `at` announces. `done` is the reader's own from place to place of one view, zero at first:
    /// where it need not look again.
    fn read(&self, view: &View<'_>, at: usize, number: usize, done: &mut usize, sheet: &mut Sheet<'_>);
}

/// Where the findings of one inspection are written.
pub(crate) struct Sheet<'a> {
    /// Where the text comes from.
    #[expect(dead_code, reason = "for detectors whose meaning depends on it")]
    pub channel: Channel,
    /// Where parts of the original meet.
    pub borders: &'a [usize],
    /// What is left of the budget.
    pub allowance: &'a mut Allowance,
    /// Search memory, one slot a rule.
    pub caches: &'a mut Vec<Option<crate::keyword::Memory>>,
    /// Stretches of the view that may read otherwise with every letter moved by thirteen places.
    pub turned: &'a mut Vec<Span>,
    /// Where in the view words stand that say what a number is.
    pub labelled: &'a mut Blocks,
    /// So far.
    pub findings: &'a mut Vec<Finding>,
    /// Runs that were decoded around a finding.
    pub decoded: &'a mut Vec<Span>,
    /// How many there may be.
    pub most: usize,
}

impl Sheet<'_> {
    /// Whether two parts of the original meet at `at` of `view`.
    pub fn border(&self, view: &View<'_>, at: usize) -> bool {
        matches!(view.place, Place::Same) && self.borders.binary_search(&at).is_ok()
    }

    /// Whether two parts of the original meet within `span` of `view`.
    pub fn crosses(&self, view: &View<'_>, span: Span) -> bool {
        let next = self.borders.partition_point(|border| *border <= span.start);
        matches!(view.place, Place::Same) && self.borders.get(next).is_some_and(|border| *border < span.end)
    }

    /// Adds a finding at `span` of `view`.
    pub fn add(&mut self, view: &View<'_>, class: Class, kind: Cow<'static, str>, span: Span, confidence: f32) {
        let place = view.trace(span);
        if self.findings.len() >= self.most {
            self.allowance.miss("findings", place);
            return;
        }
        if view.encoded() {
            self.decoded.push(place);
        }
        self.findings.push(Finding { class, kind, span: place, confidence });
    }
}
