//! The prefilter's search for long runs of one sort of byte. Looks at about every eighth byte of prose.

use terms::Span;

/// A run under this many bytes is not taken for an encoding.
pub(crate) const SHORTEST_RUN: usize = 16;
const SHORTEST_CARD: usize = 13;
const SHORTEST_TOKEN: usize = 23;
const LINE: usize = 56;

const ENCODED: [bool; 256] = table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-");
const WORD: [bool; 256] = table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
const DIGITS: [bool; 256] = table(b"0123456789 -.");

const PRINTED: [bool; 256] = {
    let mut table = table(b"\t\r\n");
    let mut at = b' ' as usize;
    while at <= b'~' as usize {
        table[at] = true;
        at += 1;
    }
    table
};

const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < members.len() {
        table[members[at] as usize] = true;
        at += 1;
    }
    table
}

/// Runs that may be base64, base32 or hex; padding included, wrapped lines joined.
pub(crate) fn runs(bytes: &[u8], out: &mut Vec<Span>) {
    each(bytes, &ENCODED, SHORTEST_RUN, |mut run| {
        let padding = bytes.get(run.end..).unwrap_or_default().iter().take(6).take_while(|byte| **byte == b'=').count();
        run.end += padding;
        match out.last_mut() {
            Some(last) if wrapped(bytes, *last, run) => last.end = run.end,
            _ => out.push(run),
        }
    });
}

fn wrapped(bytes: &[u8], last: Span, next: Span) -> bool {
    last.len() >= LINE
        && next.start > last.end
        && next.start - last.end <= 4
        && bytes.get(last.end..next.start).is_some_and(|gap| gap.iter().all(u8::is_ascii_whitespace))
}

/// Runs of letters, digits, `_` and `-` that are long enough for a token.
pub(crate) fn words(bytes: &[u8], with: impl FnMut(Span)) {
    each(bytes, &WORD, SHORTEST_TOKEN, with);
}

/// Runs of digits and their usual separators that are long enough for a card number.
pub(crate) fn digits(bytes: &[u8], with: impl FnMut(Span)) {
    each(bytes, &DIGITS, SHORTEST_CARD, with);
}

/// Whether so many printable characters of ASCII stand in a row.
pub(crate) fn prints(bytes: &[u8], row: usize) -> bool {
    let mut found = false;
    each(bytes, &PRINTED, row, |_| found = true);
    found
}

fn member(bytes: &[u8], class: &[bool; 256], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| class[usize::from(*byte)])
}

fn each(bytes: &[u8], class: &[bool; 256], least: usize, mut with: impl FnMut(Span)) {
    // INVARIANT: the byte before `start` is not a member, or is the end of the run found last.
    let mut start = 0;
    'probe: while start + least <= bytes.len() {
        let mut at = start + least;
        while at > start {
            at -= 1;
            if !member(bytes, class, at) {
                start = at + 1;
                continue 'probe;
            }
        }
        let mut end = start + least;
        while member(bytes, class, end) {
            end += 1;
        }
        with(Span::new(start, end));
        start = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn skipping_finds_what_walking_finds(text in "[ab .]{0,200}") {
            let class = table(b"ab");
            let mut found = Vec::new();
            each(text.as_bytes(), &class, 5, |span| found.push(span));
            let mut walked = Vec::new();
            let mut start = 0;
            for part in text.split_inclusive([' ', '.']) {
                let len = part.trim_end_matches([' ', '.']).len();
                if len >= 5 {
                    walked.push(Span::new(start, start + len));
                }
                start += part.len();
            }
            prop_assert_eq!(found, walked);
        }
    }
}
