//! The prefilter's search for long runs of one sort of byte.

use crate::mask::{self, alphanumeric, within};
use terms::Span;

/// A run under this many bytes is not taken for an encoding.
pub(crate) const SHORTEST_RUN: usize = 16;
const SHORTEST_CARD: usize = 13;
const SHORTEST_TOKEN: usize = 23;
const LINE: usize = 56;

#[inline(always)]
fn of_words(byte: u8) -> bool {
    alphanumeric(byte) | (byte == b'_') | (byte == b'-')
}

/// Runs that may be base64, base32 or hex; padding included, wrapped lines joined.
pub(crate) fn runs(bytes: &[u8], out: &mut Vec<Span>) {
    mask::runs(
        bytes,
        SHORTEST_RUN,
        |byte| of_words(byte) | (byte == b'+') | (byte == b'/'),
        |mut run| {
            let padding = bytes.get(run.end..).unwrap_or_default().iter().take(6).take_while(|byte| **byte == b'=').count();
            run.end += padding;
            match out.last_mut() {
                Some(last) if wrapped(bytes, *last, run) => last.end = run.end,
                _ => out.push(run),
            }
        },
    );
}

/// Whether `next` is one more line of the encoding of `last`, which its padding would have ended.
fn wrapped(bytes: &[u8], last: Span, next: Span) -> bool {
    last.len() >= LINE
        && bytes.get(last.end - 1) != Some(&b'=')
        && next.start > last.end
        && next.start - last.end <= 4
        && bytes.get(last.end..next.start).is_some_and(|gap| gap.iter().all(u8::is_ascii_whitespace))
}

/// Runs of letters, digits, `_` and `-` that are long enough for a token.
pub(crate) fn words(bytes: &[u8], with: impl FnMut(Span)) {
    mask::runs(bytes, SHORTEST_TOKEN, of_words, with);
}

/// Runs of digits and their usual separators that are long enough for a card number.
pub(crate) fn digits(bytes: &[u8], with: impl FnMut(Span)) {
    mask::runs(bytes, SHORTEST_CARD, |byte| within(byte, b'0', b'9') | (byte == b' ') | (byte == b'-') | (byte == b'.'), with);
}

/// Whether so many printable characters of ASCII stand in a row.
pub(crate) fn prints(bytes: &[u8], row: usize) -> bool {
    let mut found = false;
    let printed = |byte: u8| within(byte, b' ', b'~') | (byte == b'\t') | (byte == b'\r') | (byte == b'\n');
    mask::runs(bytes, row, printed, |_| found = true);
    found
}
