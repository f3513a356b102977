//! How much work one inspection may be.

use std::borrow::Cow;
use terms::{Class, Finding, Span};

/// Bounds of one inspection. What lies behind a bound becomes a finding of [`Class::Unseen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Decodings inside one another.
    pub depth: usize,
    /// Bytes that all decoding together may give, besides eight times the text.
    pub decoded_bytes: usize,
    /// Bytes that validators may read, besides 64 times the text.
    pub validated_bytes: usize,
    /// Findings.
    pub findings: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { depth: 5, decoded_bytes: 1 << 20, validated_bytes: 1 << 20, findings: 10_000 }
    }
}

impl Budget {
    /// Takes off what one of several texts used beyond its own share, so that many small ones cost no more than a large one.
    pub(crate) fn spend(&mut self, used: &Allowance) {
        self.decoded_bytes = self.decoded_bytes.min(used.bytes);
        self.validated_bytes = self.validated_bytes.min(used.steps);
    }
}

/// What is left of a [`Budget`] for one text.
pub(crate) struct Allowance {
    bytes: usize,
    steps: usize,
    missed: [Option<(&'static str, Span)>; 4],
}

impl Allowance {
    pub fn new(budget: &Budget, len: usize) -> Self {
        Self {
            bytes: budget.decoded_bytes.saturating_add(len.saturating_mul(8)),
            steps: budget.validated_bytes.saturating_add(len.saturating_mul(64)),
            missed: [None; 4],
        }
    }

    pub fn bytes_left(&self) -> usize {
        self.bytes
    }

    /// Charges decoding; false when it may not be done.
    pub fn take(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }

    /// Charges a validator; false when it may not run.
    pub fn step(&mut self, bytes: usize) -> bool {
        match self.steps.checked_sub(bytes) {
            Some(left) => {
                self.steps = left;
                true
            }
            None => false,
        }
    }

    /// Notes what was not looked at.
    pub fn miss(&mut self, bound: &'static str, span: Span) {
        for slot in &mut self.missed {
            match slot {
                Some((name, seen)) if *name == bound => {
                    *seen = Span::new(seen.start.min(span.start), seen.end.max(span.end));
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some((bound, span));
                    return;
                }
            }
        }
    }

    /// The findings that say so.
    pub fn unseen(&self) -> impl Iterator<Item = Finding> + '_ {
        self.missed.iter().flatten().map(|(bound, span)| Finding {
            class: Class::Unseen,
            kind: Cow::Borrowed(bound),
            span: *span,
            confidence: 1.0,
        })
    }
}
