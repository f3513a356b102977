//! Texts in several parts: blocks of a result, strings of a message.

use crate::budget::Budget;
use crate::engine::{Channel, Engine, Report, Scratch, settle};
use terms::{Class, Span};

impl Engine {
    /// Inspects all strings of a message: each by itself, and keys that run on from one into the next. One report a part, one budget for
    /// all.
    ///
    /// The second look joins the parts without anything between them and keeps only secrets that cross a border and that the
    /// pattern alone is sure of (confidence 0.9 and over).
    pub fn inspect_parts(&self, parts: &[&str], channel: Channel, budget: &Budget, scratch: &mut Scratch) -> Vec<Report> {
        let mut budget = *budget;
        let mut reports: Vec<Report> = parts.iter().map(|part| self.inspect_one(part, channel, &mut budget, scratch)).collect();
        if parts.len() < 2 {
            return reports;
        }
        let mut joined = std::mem::take(&mut scratch.joined);
        joined.clear();
        joined.extend(parts.iter().copied());
        let mut end = 0;
        let borders: Vec<usize> = parts
            .iter()
            .map(|part| {
                end += part.len();
                end
            })
            .collect();
        for finding in self.read_across(&joined, &borders, channel, &budget, scratch).findings {
            let mut touched = 0;
            spread(parts, finding.span, |_, _| touched += 1);
            if finding.class != Class::Secret || finding.confidence < 0.9 || touched < 2 {
                continue;
            }
            spread(parts, finding.span, |index, span| {
                if let Some(report) = reports.get_mut(index) {
                    report.findings.push(terms::Finding { span, ..finding.clone() });
                }
            });
        }
        scratch.joined = joined;
        for report in &mut reports {
            settle(report);
        }
        reports
    }
}

/// Gives the share of each part in `span` of the parts put together.
pub(crate) fn spread(parts: &[&str], span: Span, mut with: impl FnMut(usize, Span)) {
    let mut start = 0;
    for (index, part) in parts.iter().enumerate() {
        let end = start + part.len();
        if Span::new(start, end).meets(span) {
            with(index, Span::new(span.start.max(start) - start, span.end.min(end) - start));
        }
        start = end;
    }
}
