//! ROT13: what stands for a known word with every letter moved by thirteen places, and the view in which it reads plainly.

use crate::detector::{Reader, Sheet};
use crate::rule::Rules;
use crate::view::View;
use crate::words::Stands;
use terms::Span;

/// How far around such a word the text is turned, in bytes, and how many stretches of one view.
const AROUND: usize = 512;
const MOST: usize = 64;
/// Words that stand beside values, and prefixes of values, turned.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "api_key",
    "apikey",
    "access_key",
    "authorization",
    "bearer ",
    "private key",
    "credential",
    "iban",
    "passport",
    "@gmail",
    "@example",
    "postgres://",
    "mysql://",
    "mongodb",
];

/// Finds them.
pub(crate) struct Turned(Vec<String>);

impl Turned {
    pub fn new(rules: &Rules) -> Self {
        // A keyword with a mark in it starts a value; words alone would be found in ordinary text.
        let marked = |word: &&String| {
            word.len() >= 4
                && word.bytes().any(|byte| matches!(byte, b'_' | b'-'))
                && word.bytes().filter(u8::is_ascii_alphabetic).count() >= 3
        };
        let keywords = rules.iter().flat_map(|rule| &rule.keywords).filter(marked).cloned();
        Self(
            keywords
                .chain(WORDS.iter().map(|word| (*word).to_owned()))
                .map(|word| word.bytes().map(|byte| char::from(turn(byte))).collect())
                .collect(),
        )
    }
}

impl Reader for Turned {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        self.0.iter().map(|word| (word.clone(), Stands::Anywhere, 0)).collect()
    }

    fn read(&self, view: &View<'_>, at: usize, _: usize, done: &mut usize, sheet: &mut Sheet<'_>) {
        if at < *done {
            return;
        }
        let (from, to) = (at.saturating_sub(AROUND), view.bytes.len().min(at + AROUND));
        if sheet.turned.len() >= MOST || !sheet.allowance.take(to - from) {
            sheet.allowance.miss("bytes", view.trace(Span::new(from, to)));
            return;
        }
        match sheet.turned.last_mut().filter(|last| last.end >= from) {
            Some(last) => last.end = to,
            None => sheet.turned.push(Span::new(from, to)),
        }
        *done = at + AROUND / 2;
    }
}

/// A letter thirteen places on.
pub(crate) fn turn(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}
