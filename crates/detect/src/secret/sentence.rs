//! Values that a sentence gives: `the admin password was reset to …`, `das Kennwort für den Server ist …`, `Пароль от сервера: …`.

use super::value;
use terms::Span;

/// How far behind the name the value may end, in bytes, and how many words may stand between.
const NEAR: usize = 112;
const WORDS: usize = 8;
/// Words behind which the value stands.
const COPULAS: &[&str] = &[
    "is",
    "was",
    "to",
    "now",
    "are",
    "ist",
    "lautet",
    "auf",
    "est",
    "devient",
    "es",
    "é",
    "è",
    "är",
    "er",
    "ble",
    "blev",
    "jest",
    "to:",
    "je",
    "on",
    "είναι",
    "este",
    "sunt",
    "adalah",
    "là",
    "=>",
    "→",
    "->",
    "это",
];

/// The made-up word that the rest of the sentence gives.
pub(super) fn value(bytes: &[u8], name: Span) -> Option<Span> {
    let rest = bytes.get(name.end..bytes.len().min(name.end + NEAR))?;
    let rest = rest.get(..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()))?;
    // Languages that write the copula to the name.
    let text = bytes.get(name.start..name.end)?;
    let (mut at, mut led) = (0, ["は", "는", "是", "为"].iter().any(|end| text.ends_with(end.as_bytes())));
    for _ in 0..WORDS {
        at += rest.get(at..)?.iter().take_while(|byte| **byte == b' ').count();
        let word = rest.get(at..)?;
        let word = word.get(..word.iter().position(|byte| *byte == b' ').unwrap_or(word.len()))?;
        if word.is_empty() {
            return None;
        }
        if led {
            let bare = trimmed(word);
            let start = at
                + (word.len() - word.trim_ascii_start().len())
                + usize::from(word.first().is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'(')));
            if value::made_up(bare) {
                return Some(Span::new(name.end + start, name.end + start + bare.len()));
            }
        }
        let text = std::str::from_utf8(word).ok()?;
        led = COPULAS.iter().any(|copula| text.eq_ignore_ascii_case(copula))
            || text.ends_with([':', '：'])
            || led && text.chars().all(char::is_alphabetic);
        // A sentence that ends has not given it, and code is none.
        if text.chars().any(|letter| "()[]{}=<>|\\/_".contains(letter)) && !matches!(text, "=>" | "->") {
            return None;
        }
        if text.ends_with(['.', '!', '?', ';']) {
            return None;
        }
        at += word.len();
    }
    None
}

/// A word without the quotes around it and the marks behind it.
fn trimmed(word: &[u8]) -> &[u8] {
    let start = usize::from(word.first().is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'(')));
    let end = word.iter().rposition(|byte| !b",.;:)'\"`".contains(byte)).map_or(start, |at| at + 1);
    word.get(start..end.max(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_gives_a_word_that_somebody_made_up() {
        for (text, expect) in [
            ("password has been reset to aDAR7EWBZ2kg.", Some("aDAR7EWBZ2kg")),
            ("password for the box is `tundra_5083QZ`, ok", Some("tundra_5083QZ")),
            ("password of the NAS: Ox3Gc2-gmr", Some("Ox3Gc2-gmr")),
            ("password is checked by the gateway", None),
            ("password is hashed with PBKDF2-HMAC-SHA256", None),
            ("password is SHA-256-hashed", None),
            ("password(self, request: SOCKS5UserRequest)", None),
            ("password is lost. Use aDAR7EWBZ2kg", None),
        ] {
            let found = value(text.as_bytes(), Span::new(0, 8)).map(|span| &text[span.start..span.end]);
            assert_eq!(found, expect, "{text}");
        }
    }
}
