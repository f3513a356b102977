//! Text that comes in pieces, given on as soon as no match can reach into it any more.

use crate::budget::Budget;
use crate::engine::{Channel, Engine, Scratch};
use crate::redact::{Actions, Numbers, redact_in};
use crate::rule::REACH;
use terms::{Class, Finding, Span};

/// Held back at most; a run that is longer ends the stream.
const MOST: usize = 64 << 10;
/// Bytes that all decoding of what is held may give at most, besides eight times what is held.
const DECODED: usize = 128 << 10;
/// Bytes of released text that are kept for the sake of what stands before a match.
const BEHIND: usize = REACH;

/// Redacts a text that comes in chunks; the output is the same however it is cut.
///
/// Holds back [`REACH`] bytes, and looks again when twice as much has come, so that each byte is read four times at most, and takes 2 MiB of memory at
/// most. A run without white space longer than 64 KiB cannot be judged in pieces, nor can more findings be told than the budget has: either becomes a
/// finding of [`Class::Unseen`], and all that follows is withheld.
pub struct Stream<'e> {
    engine: &'e Engine,
    channel: Channel,
    budget: Budget,
    actions: Actions,
    scratch: Scratch,
    numbers: Numbers,
    /// The last of what was released, for the sake of what stands before a match, then what is held.
    text: String,
    released: usize,
    dropped: usize,
    /// How much has to be held before it is looked at.
    enough: usize,
    findings: Vec<Finding>,
    ended: bool,
}

impl<'e> Stream<'e> {
    /// An empty stream.
    pub fn new(engine: &'e Engine, channel: Channel, budget: Budget, actions: Actions) -> Self {
        let (scratch, numbers) = (Scratch::default(), Numbers::default());
        let budget = Budget { decoded_bytes: budget.decoded_bytes.min(DECODED), ..budget };
        Self {
            engine,
            channel,
            budget,
            actions,
            scratch,
            numbers,
            text: String::new(),
            released: 0,
            dropped: 0,
            enough: 2 * REACH,
            findings: Vec::new(),
            ended: false,
        }
    }

    /// Takes a chunk; gives what can be released, redacted.
    pub fn push(&mut self, chunk: &str) -> String {
        let mut out = String::new();
        let mut rest = chunk;
        while !rest.is_empty() && !self.ended {
            let room = self.enough.saturating_sub(self.text.len() - self.released).max(4);
            let (part, more) = rest.split_at(rest.floor_char_boundary(room));
            self.text.push_str(part);
            rest = more;
            if self.text.len() - self.released >= self.enough {
                out.push_str(&self.release(self.text.len() - REACH));
            }
        }
        out
    }

    /// Ends the stream; gives what is left, redacted, and every finding with spans in the whole.
    pub fn finish(mut self) -> (String, Vec<Finding>) {
        let out = if self.ended { String::new() } else { self.release(self.text.len()) };
        (out, self.findings)
    }

    fn release(&mut self, limit: usize) -> String {
        let found = self.engine.inspect(&self.text, self.channel, &self.budget, &mut self.scratch).findings;
        let last = limit == self.text.len();
        let cut = if last { limit } else { self.cut(limit, &found) };
        if cut <= self.released && !last {
            if self.text.len() - self.released >= MOST {
                return self.end("stream");
            }
            self.enough = 2 * (self.text.len() - self.released);
            return String::new();
        }
        self.enough = 2 * REACH;
        let from = self.released;
        let mut here: Vec<Finding> = found.into_iter().filter(|one| one.span.end > from && one.span.end <= cut).collect();
        for one in &mut here {
            one.span = Span::new(one.span.start.max(from) - from, one.span.end - from);
        }
        let out = redact_in(self.text.get(from..cut).unwrap_or_default(), &here, &self.actions, &mut self.numbers).into_owned();
        let base = self.dropped + from;
        if self.findings.len() + here.len() > self.budget.findings {
            return self.end("findings");
        }
        self.findings.extend(here.into_iter().map(|one| Finding { span: Span::new(one.span.start + base, one.span.end + base), ..one }));
        self.released = cut;
        let keep = self.text.floor_char_boundary(cut.saturating_sub(BEHIND));
        self.text.drain(..keep);
        self.released -= keep;
        self.dropped += keep;
        out
    }

    /// Withholds all from here on.
    fn end(&mut self, bound: &'static str) -> String {
        self.ended = true;
        let span = Span::new(self.dropped + self.released, self.dropped + self.text.len());
        self.findings.push(Finding { class: Class::Unseen, kind: bound.into(), span, confidence: 1.0 });
        self.text = String::new();
        format!("«withheld: {}»", Class::Unseen.as_str())
    }

    /// The last place up to `limit` at which neither a word, nor wrapped lines of an encoding, nor a finding is cut.
    fn cut(&self, limit: usize, found: &[Finding]) -> usize {
        let bytes = self.text.as_bytes();
        let mut cut = limit;
        loop {
            let before = cut;
            let word = bytes.get(..cut).unwrap_or_default();
            cut = word.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
            let line = bytes.get(..cut.saturating_sub(1)).unwrap_or_default();
            let long = line.iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
            if long >= 56 {
                cut = cut.saturating_sub(1);
                cut -= long;
            }
            cut = found.iter().map(|one| one.span).filter(|span| span.end > cut).fold(cut, |cut, span| cut.min(span.start));
            if cut == before || cut <= self.released {
                return cut.max(self.released);
            }
        }
    }
}
