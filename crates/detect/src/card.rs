//! Card numbers: a network's range, a length that it issues, the check digit, a usual grouping.
//!
//! Source: ISO/IEC 7812-1; the networks' published ranges.

use crate::check::luhn;
use crate::detector::{Detector, Sheet};
use crate::scan;
use crate::view::View;
use std::borrow::Cow;
use terms::{Class, Span};

/// First six digits from, to; shortest and longest number.
const NETWORKS: &[(u32, u32, usize, usize)] = &[
    (400_000, 499_999, 16, 16),
    (510_000, 559_999, 16, 16),
    (222_100, 272_099, 16, 16),
    (340_000, 349_999, 15, 15),
    (370_000, 379_999, 15, 15),
    (300_000, 305_999, 14, 14),
    (360_000, 369_999, 14, 14),
    (380_000, 399_999, 14, 14),
    (352_800, 358_999, 16, 16),
    (601_100, 601_199, 16, 16),
    (644_000, 659_999, 16, 16),
    (620_000, 629_999, 16, 19),
    (500_000, 509_999, 16, 16),
    (560_000, 589_999, 16, 16),
    (600_000, 601_099, 16, 16),
    (601_200, 619_999, 16, 19),
    (630_000, 639_999, 16, 19),
    (670_000, 679_999, 12, 19),
    (220_000, 220_499, 16, 16),
    (979_200, 979_289, 16, 16),
];

/// How the digits may be grouped, besides not at all.
const GROUPINGS: &[&[usize]] =
    &[&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 4, 4, 4, 2], &[6, 13], &[4, 4, 4, 3], &[8, 8]];

/// Finds card numbers.
pub(crate) struct Cards;

impl Detector for Cards {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        scan::digits(view.bytes, |run| numbers(view, run, sheet));
    }
}

fn numbers(view: &View<'_>, run: Span, sheet: &mut Sheet<'_>) {
    let mut at = run.start;
    while at < run.end {
        let here = view.bytes.get(at).copied().unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| view.bytes.get(at).copied()).unwrap_or(b' ');
        let starts =
            here.is_ascii_digit() && !before.is_ascii_alphanumeric() && !matches!(before, b'_' | b'.' | b'#') && !negative(view.bytes, at);
        match starts.then(|| number(view.bytes, at, run.end)).flatten() {
            Some(end) if among_numbers(view.bytes, at, end) => at = end,
            Some(end) => {
                sheet.add(view, Class::Financial, Cow::Borrowed("card"), Span::new(at, end), 0.95);
                at = end;
            }
            None => at += 1,
        }
    }
}

/// Whether a minus stands before the number at `at`, as in arithmetic.
fn negative(bytes: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    before(1) == b'-' && !before(2).is_ascii_alphanumeric()
}

/// Whether it is one of a row of long numbers, the others of which are none of cards: a table of constants.
fn among_numbers(bytes: &[u8], start: usize, end: usize) -> bool {
    let gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let open = |byte: Option<&u8>| matches!(byte, Some(b'[' | b'(' | b'{' | b']' | b')' | b'}'));
    let back = bytes.get(start.saturating_sub(64)..start).unwrap_or_default();
    let back = back.get(..back.len() - back.iter().rev().take_while(|byte| gap(byte)).count()).unwrap_or_default();
    let on = bytes.get(end..bytes.len().min(end + 64)).unwrap_or_default();
    let on = on.get(on.iter().take_while(|byte| gap(byte)).count()..).unwrap_or_default();
    let before = back.get(back.len() - back.iter().rev().take_while(|byte| byte.is_ascii_digit()).count()..).unwrap_or_default();
    let after = on.get(..on.iter().take_while(|byte| byte.is_ascii_digit()).count()).unwrap_or_default();
    let long = |text: &[u8]| (12..=20).contains(&text.len()) && number(text, 0, text.len()).is_none();
    let gap_before = bytes.get(start.saturating_sub(64) + back.len()..start).unwrap_or_default();
    let rows = |gap: &[u8]| gap.contains(&b',') && gap.contains(&b'\n');
    let gap_after = bytes.get(end..end + 64.min(bytes.len() - end) - on.len()).unwrap_or_default();
    long(before) && (long(after) || open(on.first()) || rows(gap_before) || on.first() == Some(&b'#'))
        || long(after) && (open(back.last()) || rows(gap_after))
}

/// The end of the card number that starts at `at`.
fn number(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let mut digits = [0_u8; 19];
    let (mut count, mut groups, mut group, mut separator, mut here) = (0, [0_usize; 6], 0, None, at);
    let mut best = None;
    while here <= end {
        let byte = bytes.get(here).copied().filter(|_| here < end);
        if let Some(digit) = byte.filter(u8::is_ascii_digit) {
            let Some(slot) = digits.get_mut(count) else { break };
            *slot = digit - b'0';
            count += 1;
            *groups.get_mut(group)? += 1;
            here += 1;
            continue;
        }
        let follows = bytes.get(here).copied().unwrap_or(b' ');
        let goes_on = matches!(follows, b'.' | b'-') && bytes.get(here + 1).is_some_and(u8::is_ascii_alphanumeric) && group == 0;
        let decimal = goes_on || follows == b'.' && bytes.get(here + 1).is_some_and(u8::is_ascii_digit);
        if !follows.is_ascii_alphanumeric() && follows != b'_' && !decimal && sound(digits.get(..count)?, groups.get(..=group)?) {
            best = Some(here);
        }
        let joins = byte.filter(|byte| separator.is_none_or(|seen| seen == *byte));
        if joins.is_none() || !bytes.get(here + 1).is_some_and(u8::is_ascii_digit) || group + 1 == groups.len() {
            break;
        }
        separator = byte;
        group += 1;
        here += 1;
    }
    best
}

fn sound(digits: &[u8], groups: &[usize]) -> bool {
    let (Some(first), true) = (digits.get(..6), groups.len() == 1 || GROUPINGS.contains(&groups)) else { return false };
    let range = first.iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit));
    let issued =
        |network: &(u32, u32, usize, usize)| (network.0..=network.1).contains(&range) && (network.2..=network.3).contains(&digits.len());
    NETWORKS.iter().any(issued) && luhn(digits)
}
