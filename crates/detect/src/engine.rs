//! The engine: rules compiled once, texts inspected many times.

use crate::budget::{Allowance, Budget};
use crate::card::Cards;
use crate::custom::Customs;
use crate::detector::{Detector, Reader, Sheet};
use crate::email::Emails;
use crate::error::Error;
use crate::keyword::{Keywords, Memory};
use crate::ladder::{self, Rung};
use crate::number::{LabelWords, Numbers};
use crate::person::{Addresses, Names};
use crate::rule::Rules;
use crate::secret::{Assigned, Connections, Headers, Logins, Tokens};
use crate::turned::{Turned, turn};
use crate::view::{Piece, Place, View};
use crate::words::{Blocks, Starts, Words};
use terms::{Class, Finding, Span};

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// An argument of a call.
    Argument,
    /// A tool's result.
    Result,
    /// The content of a resource.
    Resource,
    /// A prompt template, filled.
    Prompt,
    /// A definition: description, schema, annotations, a server's instructions.
    Definition,
    /// A server's question to the client.
    Question,
    /// An error's text.
    Fault,
    /// A log line or a progress note.
    Note,
}

/// Memory of an inspection, kept so that a text without findings costs no allocation. One for each thread.
#[derive(Default)]
pub struct Scratch {
    pub(crate) rungs: Vec<Rung>,
    pub(crate) caches: Vec<Option<Memory>>,
    pub(crate) labelled: Blocks,
    pub(crate) turned: Vec<Span>,
    pub(crate) rotated: Vec<u8>,
    pub(crate) joined: String,
}

/// What was found in one text: in order, spans in bytes of the original.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The facts.
    pub findings: Vec<Finding>,
    /// The runs of encoded text that had to be decoded to find some of them; each is the span of such a finding.
    pub decoded: Vec<Span>,
}

impl Report {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

/// All rules, compiled. Immutable; shared between threads.
pub struct Engine {
    /// Where the literals of all readers stand.
    words: Words,
    /// What literals announce: first the rules, which may run on from one part of a message into the next, then what stands in one part.
    readers: [Box<dyn Reader>; READERS],
    /// An operator's own, which may run on as well.
    customs: Customs,
    /// What stands in one part, and is announced by no literal.
    standing: [Box<dyn Detector>; 5],
}

/// How many readers there are, and which of them has the rules.
const READERS: usize = 8;
const RULES: usize = 0;

impl Engine {
    /// Compiles `rules`.
    ///
    /// # Errors
    /// [`Error::Pattern`] for a pattern that does not compile, [`Error::Bounds`] for a literal that is too short.
    pub fn new(rules: &Rules) -> Result<Self, Error> {
        let readers: [Box<dyn Reader>; READERS] = [
            Box::new(Keywords::new(rules)),
            Box::new(Connections),
            Box::new(Assigned),
            Box::new(Headers),
            Box::new(Logins),
            Box::new(Addresses::new()?),
            Box::new(LabelWords),
            Box::new(Turned::new(rules)),
        ];
        let literals = readers
            .iter()
            .enumerate()
            .flat_map(|(reader, one)| one.words().into_iter().map(move |(word, stands, number)| (word, stands, reader, number)));
        Ok(Self {
            words: Words::new(literals)?,
            readers,
            customs: Customs::new(rules)?,
            standing: [
                Box::new(Tokens),
                Box::new(Cards),
                Box::new(Emails),
                Box::new(Numbers::new(&rules.without)),
                Box::new(Names::new(&rules.without_names)),
            ],
        })
    }

    /// Finds what `text` holds, as written and as decoded, within `budget`.
    pub fn inspect(&self, text: &str, channel: Channel, budget: &Budget, scratch: &mut Scratch) -> Report {
        let mut budget = *budget;
        self.inspect_one(text, channel, &mut budget, scratch)
    }

    /// As [`inspect`](Self::inspect), of one text of several that have one budget.
    pub(crate) fn inspect_one(&self, text: &str, channel: Channel, budget: &mut Budget, scratch: &mut Scratch) -> Report {
        let mut report = Report::default();
        let mut allowance = Allowance::new(budget, text.len());
        scratch.rungs.resize_with(budget.depth.saturating_add(1), Rung::default);
        let Scratch { rungs, caches, labelled, turned, rotated, .. } = scratch;
        ladder::climb(&View::original(text.as_bytes()), rungs, &mut allowance, &mut |view, allowance| {
            let (findings, decoded) = (&mut report.findings, &mut report.decoded);
            let mut sheet = Sheet { channel, borders: &[], allowance, caches, labelled, turned, findings, decoded, most: budget.findings };
            self.read(view, &mut sheet);
            for at in 0..sheet.turned.len() {
                let Some(span) = sheet.turned.get(at).copied() else { break };
                rotated.clear();
                rotated.extend(view.bytes.get(span.start..span.end).unwrap_or_default().iter().map(|byte| turn(*byte)));
                let pieces = [Piece { at: 0, from: span.start, literal: true }];
                self.look(&View { bytes: rotated, place: Place::Pieces(&pieces, view) }, &mut sheet);
            }
        });
        budget.spend(&allowance);
        settle(&mut report);
        report.findings.extend(allowance.unseen());
        report
    }

    /// Reads a view, and notes what of it may be turned.
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        sheet.turned.clear();
        self.look(view, sheet);
    }

    fn look(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        let mut done = [0; READERS];
        sheet.labelled.reset(view.bytes.len());
        self.words.each(view.bytes, Starts::Written, |at, reader, number| {
            if let (Some(one), Some(done)) = (self.readers.get(reader), done.get_mut(reader)) {
                one.read(view, at, number, done, sheet);
            }
        });
        self.customs.read(view, sheet);
        for detector in &self.standing {
            detector.read(view, sheet);
        }
    }

    /// Finds what crosses `borders`, which rise, in `text` as it is written: a word may also start and end at each of them.
    pub(crate) fn read_across(&self, text: &str, borders: &[usize], channel: Channel, budget: &Budget, scratch: &mut Scratch) -> Report {
        let mut report = Report::default();
        let mut allowance = Allowance::new(budget, text.len());
        let Scratch { caches, labelled, turned, .. } = scratch;
        let (findings, decoded) = (&mut report.findings, &mut report.decoded);
        let mut sheet =
            Sheet { channel, borders, allowance: &mut allowance, caches, labelled, turned, findings, decoded, most: budget.findings };
        let view = View::original(text.as_bytes());
        self.words.each(view.bytes, Starts::All, |at, reader, number| {
            if let (RULES, Some(rules)) = (reader, self.readers.first()) {
                rules.read(&view, at, number, &mut 0, &mut sheet);
            }
        });
        self.customs.read(&view, &mut sheet);
        settle(&mut report);
        report.findings.extend(allowance.unseen());
        report
    }
}

/// Leaves one finding for each place: what lies inside a finding of the same or a graver class goes.
pub(crate) fn settle(report: &mut Report) {
    if report.findings.is_empty() {
        return;
    }
    report.findings.sort_by(|a, b| {
        let order =
            (a.span.start, std::cmp::Reverse(a.span.end), rank(a.class)).cmp(&(b.span.start, std::cmp::Reverse(b.span.end), rank(b.class)));
        order.then(b.confidence.total_cmp(&a.confidence))
    });
    let (mut kept, mut reach): (Vec<Finding>, [usize; 7]) = (Vec::new(), [0; 7]);
    for finding in report.findings.drain(..) {
        let rank = rank(finding.class);
        if reach.iter().take(rank + 1).any(|end| finding.span.end <= *end) {
            continue;
        }
        if let Some(end) = reach.get_mut(rank) {
            *end = (*end).max(finding.span.end);
        }
        kept.push(finding);
    }
    report.findings = kept;
    report.decoded.sort_unstable();
    report.decoded.dedup();
    report.decoded.retain(|run| {
        let first = report.findings.partition_point(|finding| finding.span.start < run.start);
        let same = report.findings.iter().skip(first).take_while(|finding| finding.span.start == run.start);
        same.into_iter().any(|finding| finding.span == *run)
    });
}

fn rank(class: Class) -> usize {
    match class {
        Class::Echo => 0,
        Class::Secret => 1,
        Class::Financial => 2,
        Class::Pii => 3,
        Class::Leak => 4,
        Class::Injection => 5,
        Class::Unseen => 6,
    }
}
