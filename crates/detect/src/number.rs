//! Numbers that mean a person or an account: one pass over the tokens of a text, each judged by its shape, its check digits and the words beside it.

mod account;
mod birth;
mod check;
mod general;
mod label;
mod letters;
mod national;
mod phone;
mod shape;

use crate::detector::{Detector, Reader, Sheet};
use crate::mask::{Places, alphanumeric, within};
use crate::rule::left_out;
use crate::view::View;
use crate::words::Stands;
pub(crate) use label::Labels;
use shape::Groups;
use std::borrow::Cow;
use std::collections::BTreeSet;
use terms::{Class, Span};

/// What a token is found to be.
pub(super) struct Found {
    class: Class,
    kind: &'static str,
    span: Span,
    confidence: f32,
}

impl Found {
    fn pii(kind: &'static str, span: Span, confidence: f32) -> Self {
        Self { class: Class::Pii, kind, span, confidence }
    }

    fn financial(kind: &'static str, span: Span, confidence: f32) -> Self {
        Self { class: Class::Financial, kind, span, confidence }
    }
}

/// Finds them.
pub(crate) struct Numbers {
    shapes: national::Shapes,
    without: BTreeSet<String>,
}

impl Numbers {
    /// All but those of the kinds `without`.
    pub fn new(without: &BTreeSet<String>) -> Self {
        Self { shapes: national::Shapes::new(without), without: without.clone() }
    }
}

impl Detector for Numbers {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        let labelled = std::mem::take(sheet.labelled);
        self.all(view, &Labels::among(view.bytes, &labelled), sheet);
        *sheet.labelled = labelled;
    }
}

/// Marks where the words stand that [`Labels`] is asked for.
pub(crate) struct LabelWords;

impl Reader for LabelWords {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        let lists = account::LABELS.iter().chain(letters::labels()).chain(national::labels()).chain([&birth::WORDS, &phone::WORDS]);
        let mut words: Vec<&str> = lists.flat_map(|list| list.iter().copied()).collect();
        words.sort_unstable();
        words.dedup();
        words.into_iter().map(|word| (word.to_owned(), if word.len() < 5 { Stands::Alone } else { Stands::Anywhere }, 0)).collect()
    }

    fn read(&self, _: &View<'_>, at: usize, _: usize, _: &mut usize, sheet: &mut Sheet<'_>) {
        sheet.labelled.mark(at);
    }
}

impl Numbers {
    fn all(&self, view: &View<'_>, labels: &Labels<'_>, sheet: &mut Sheet<'_>) {
        let bytes = view.bytes;
        let first = |byte: u8| within(byte, b'0', b'9') | within(byte, b'A', b'Z') | (byte == b'+') | (byte == b'(');
        let glue = |byte: u8| alphanumeric(byte) | (byte == b'_') | (byte >= 0x80);
        let mut places = Places::new(bytes, first, glue);
        let mut at = 0;
        while let Some(start) = places.from(at) {
            if !begins(bytes, start) {
                at = start + 1;
                continue;
            }
            if !sheet.allowance.step(32) {
                sheet.allowance.miss("steps", view.trace(Span::new(start, bytes.len())));
                return;
            }
            let known = self.judge(bytes, start, labels).filter(|found| !left_out(&self.without, found.kind));
            let refused = || self.shapes.refuses(bytes, start, labels);
            match known.or_else(|| general::number(bytes, start).filter(|_| !refused())) {
                Some(found) => {
                    at = found.span.end.max(start + 1);
                    sheet.add(view, found.class, Cow::Borrowed(found.kind), found.span, found.confidence);
                }
                None => at = start + 1,
            }
        }
    }
}

/// Whether the token that starts with the digit, plus, parenthesis or capital at `at` can mean something.
fn begins(bytes: &[u8], at: usize) -> bool {
    let after = bytes.get(at + 1).copied().unwrap_or(b' ');
    match bytes.get(at) {
        Some(b'(') => after.is_ascii_digit() || after == b'+',
        Some(b'A'..=b'Z') => after.is_ascii_uppercase() || after.is_ascii_digit() || birth::month(bytes, at),
        _ => true,
    }
}

impl Numbers {
    fn judge(&self, bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
        match bytes.get(at)? {
            b'+' | b'(' => phone::marked(bytes, at),
            b'0'..=b'9' => {
                let groups = Groups::read(bytes, at)?;
                let short = groups.total() < FEWEST;
                let found = if short {
                    None
                } else {
                    account::digits(bytes, &groups, labels)
                        .or_else(|| self.shapes.digits(bytes, &groups, labels))
                        .or_else(|| birth::date(bytes, &groups, labels))
                        .or_else(|| phone::digits(bytes, &groups, labels))
                };
                found.or_else(|| birth::spelled(bytes, at, labels)).or_else(|| letters::token(bytes, at, labels))
            }
            _ => account::iban(bytes, at, labels, &self.without)
                .or_else(|| letters::token(bytes, at, labels))
                .or_else(|| birth::spelled(bytes, at, labels)),
        }
    }
}

/// The fewest digits of a number that means something by itself or by a word beside it.
const FEWEST: usize = 6;
