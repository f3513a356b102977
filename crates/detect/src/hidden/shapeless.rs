//! Characters without a shape of their own: Unicode tags, zero-width characters, fillers, selectors, overrides of direction.

use super::{Hidden, MOST};
use terms::Span;

/// The fewest characters without a shape in a row that are a message.
const ROW: usize = 8;
/// The fewest letters with something unseen between them.
const SPREAD: usize = 4;

/// What a character may be part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Tag,
    Zero,
    Selector,
}

fn sort(letter: char) -> Option<Sort> {
    match u32::from(letter) {
        0xe_0001..=0xe_007f => Some(Sort::Tag),
        0xad | 0x34f | 0x115f | 0x1160 | 0x180e | 0x200b..=0x200f | 0x2060..=0x2064 | 0x206a..=0x206f | 0x3164 | 0xfeff | 0xffa0 => {
            Some(Sort::Zero)
        }
        0xfe00..=0xfe0f | 0xe_0100..=0xe_01ef => Some(Sort::Selector),
        _ => None,
    }
}

/// Adds what such characters hide in `text`.
pub(super) fn find(text: &str, found: &mut Vec<Hidden>) {
    if text.is_ascii() {
        return;
    }
    rows(text, found);
    spread(text, found);
    overrides(text, found);
}

/// Rows of one sort.
fn rows(text: &str, found: &mut Vec<Hidden>) {
    let mut before = ' ';
    let mut letters = text.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        let Some(of) = sort(letter) else {
            before = letter;
            continue;
        };
        let mut row = vec![letter];
        let mut end = start + letter.len_utf8();
        while let Some((at, next)) = letters.next_if(|(_, next)| sort(*next) == Some(of)) {
            if row.len() < 1 << 16 {
                row.push(next);
            }
            end = at + next.len_utf8();
        }
        // Flags of regions: U+1F3F4, a few tags, U+E007F.
        let flag = of == Sort::Tag && before == '\u{1f3f4}' && row.len() <= 7;
        let least = if of == Sort::Zero { ROW } else { 4 };
        if !flag && row.len() >= least && found.len() < MOST {
            let (how, reads) = match of {
                Sort::Tag => (
                    "unicode-tags",
                    row.iter()
                        .filter_map(|letter| char::from_u32(u32::from(*letter) - 0xe_0000))
                        .filter(|letter| !letter.is_control())
                        .collect(),
                ),
                Sort::Zero => ("zero-width", bits(&row)),
                Sort::Selector => ("selectors", selectors(&row)),
            };
            found.push(Hidden { how, span: Span::new(start, end), reads });
        }
        before = letter;
    }
}

/// Two kinds of characters as the bits of bytes, whichever of the two is the one.
fn bits(row: &[char]) -> String {
    let Some(first) = row.first() else { return String::new() };
    let bytes = |flip: u8| -> Vec<u8> {
        let bit = |letter: &char| u8::from(letter != first) ^ flip;
        row.chunks_exact(8).map(|eight| eight.iter().fold(0, |byte, letter| byte << 1 | bit(letter))).collect()
    };
    [bytes(0), bytes(1)]
        .into_iter()
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .find(|text| text.chars().all(|letter| !letter.is_control()))
        .unwrap_or_default()
}

fn selectors(row: &[char]) -> String {
    let byte = |letter: &char| match u32::from(*letter) {
        code @ 0xfe00..=0xfe0f => u8::try_from(code - 0xfe00).ok(),
        code => u8::try_from(code.checked_sub(0xe_0100)? + 16).ok(),
    };
    String::from_utf8_lossy(&row.iter().filter_map(byte).collect::<Vec<_>>()).into_owned()
}

/// Letters of ASCII with something unseen between each and the next.
fn spread(text: &str, found: &mut Vec<Hidden>) {
    let (mut start, mut end, mut seen, mut reads) = (0, 0, 0, String::new());
    let mut hides = false;
    let mut flush = |start: usize, end: usize, seen: usize, reads: &mut String| {
        if seen >= SPREAD && found.len() < MOST {
            found.push(Hidden { how: "zero-width", span: Span::new(start, end), reads: std::mem::take(reads) });
        }
        reads.clear();
    };
    for (at, letter) in text.char_indices() {
        if sort(letter).is_some() {
            hides = !reads.is_empty();
            continue;
        }
        let plain = letter.is_ascii_graphic() || letter == ' ';
        if !plain || !hides && !reads.is_empty() {
            flush(start, end, seen, &mut reads);
            seen = 0;
        }
        if plain {
            if reads.is_empty() {
                start = at;
            } else {
                seen += 1;
            }
            reads.push(letter);
            end = at + 1;
        }
        hides = false;
    }
    flush(start, end, seen, &mut reads);
}

/// What stands between an override of direction and its end reads backwards. Isolates and embeddings are part of ordinary text.
fn overrides(text: &str, found: &mut Vec<Hidden>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(['\u{202e}', '\u{202d}'])).map(|at| from + at) {
        let start = at + '\u{202e}'.len_utf8();
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.find(['\u{202c}', '\n', '\u{202e}', '\u{202d}']).unwrap_or(rest.len());
        let inside = rest.get(..len).unwrap_or_default();
        if inside.trim().chars().nth(3).is_some() && found.len() < MOST {
            let reads = if text.get(at..start) == Some("\u{202e}") { inside.chars().rev().collect() } else { inside.to_owned() };
            found.push(Hidden { how: "bidi-override", span: Span::new(at, start + len), reads });
        }
        from = start + len;
    }
}
