//! Numbers that mean a person or an account: one pass over the tokens of a text, each judged by its shape, its check digits and the words beside it.

mod account;
mod birth;
mod check;
mod label;
mod letters;
mod national;
mod phone;
mod shape;

use crate::detector::{Detector, Sheet};
use crate::view::View;
pub(crate) use label::Labels;
use shape::Groups;
use std::borrow::Cow;
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
pub(crate) struct Numbers;

impl Detector for Numbers {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        let bytes = view.bytes;
        let labels = Labels::new(bytes);
        let mut at = 0;
        while let Some(start) = next(bytes, at) {
            if !sheet.allowance.step(32) {
                sheet.allowance.miss("steps", view.trace(Span::new(start, bytes.len())));
                return;
            }
            match judge(bytes, start, &labels) {
                Some(found) => {
                    at = found.span.end.max(start + 1);
                    sheet.add(view, found.class, Cow::Borrowed(found.kind), found.span, found.confidence);
                }
                None => at = start + 1,
            }
        }
    }
}

/// The next place at which a token may start: a digit, a capital, a plus or a parenthesis behind what is no letter or digit.
fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let mut before = from.checked_sub(1).and_then(|at| bytes.get(at).copied()).unwrap_or(b' ');
    for (place, byte) in rest.iter().copied().enumerate() {
        let starts = byte.is_ascii_digit() || byte.is_ascii_uppercase() || matches!(byte, b'+' | b'(');
        if starts && !before.is_ascii_alphanumeric() && before != b'_' && before < 0x80 {
            return Some(from + place);
        }
        before = byte;
    }
    None
}

fn judge(bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
    match bytes.get(at)? {
        b'+' | b'(' => phone::marked(bytes, at),
        b'0'..=b'9' => {
            let groups = Groups::read(bytes, at)?;
            account::digits(bytes, &groups, labels)
                .or_else(|| national::digits(bytes, &groups, labels))
                .or_else(|| birth::date(bytes, &groups, labels))
                .or_else(|| birth::spelled(bytes, at, labels))
                .or_else(|| phone::digits(bytes, &groups, labels))
                .or_else(|| letters::token(bytes, at, labels))
        }
        _ => account::iban(bytes, at).or_else(|| letters::token(bytes, at, labels)).or_else(|| birth::spelled(bytes, at, labels)),
    }
}
