//! Normal forms that all guards share: how programs that decode, fold or map a text would read it.

use std::borrow::Cow;
use terms::Span;
use unicode_normalization::UnicodeNormalization as _;

/// The first control character (C0, DEL, C1).
pub(crate) fn control(text: &str) -> Option<Span> {
    find(text, char::is_control)
}

/// The first character that is not seen and changes what is read: bidirectional controls, zero widths, tags, fillers. Joiners between letters of
/// living scripts and in emoji stay.
pub(crate) fn hidden(text: &str) -> Option<Span> {
    let mut before = None;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let joins = matches!(letter, '\u{200c}' | '\u{200d}') && {
            let wide = |other: Option<char>| other.is_some_and(|other| !other.is_ascii());
            wide(before) && wide(letters.peek().map(|(_, next)| *next))
        };
        if is_hidden(letter) && !joins {
            return Some(Span::new(at, at + letter.len_utf8()));
        }
        before = Some(letter);
    }
    None
}

fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The first character that `is` says yes to.
pub(crate) fn find(text: &str, is: impl Fn(char) -> bool) -> Option<Span> {
    text.char_indices().find(|(_, letter)| is(*letter)).map(|(at, letter)| Span::new(at, at + letter.len_utf8()))
}

/// One round of percent decoding as lenient programs do it: `%2e`, `%u002e`, and sequences of UTF-8 that are longer than they need be. None when
/// there is nothing to decode.
pub(crate) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut changed = false;
    while let Some((first, after)) = rest.split_first() {
        match (*first == b'%').then(|| escape(after)).flatten() {
            Some((value, length)) => {
                changed = true;
                match u8::try_from(value) {
                    Ok(byte) if length == 2 => out.push(byte),
                    _ => out.extend(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).bytes()),
                }
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    changed.then(|| lenient(&out))
}

/// The value of an escape behind its `%`, and its length.
fn escape(after: &[u8]) -> Option<(u32, usize)> {
    let digits = |part: &[u8]| part.iter().try_fold(0_u32, |sum, byte| char::from(*byte).to_digit(16).map(|digit| sum * 16 + digit));
    match after {
        [b'u' | b'U', rest @ ..] => digits(rest.get(..4)?).map(|value| (value, 5)),
        _ => digits(after.get(..2)?).map(|value| (value, 2)),
    }
}

/// Bytes as text, with UTF-8 sequences read as decoders do that do not check for the shortest form.
fn lenient(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                out.push_str(text);
                break;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                out.push_str(std::str::from_utf8(good).unwrap_or_default());
                let (letter, length) = overlong(bad);
                out.push(letter);
                rest = bad.get(length..).unwrap_or_default();
            }
        }
    }
    out
}

fn overlong(bad: &[u8]) -> (char, usize) {
    let low = |byte: u8| u32::from(byte & 0x3f);
    let (value, length) = match bad {
        [lead @ (0xc0 | 0xc1), next, ..] => (u32::from(lead & 0x1f) << 6 | low(*next), 2),
        [0xe0, a @ 0x80..=0xbf, b @ 0x80..=0xbf, ..] => (low(*a) << 6 | low(*b), 3),
        [0xf0, a @ 0x80..=0xbf, b @ 0x80..=0xbf, c @ 0x80..=0xbf, ..] => (low(*a) << 12 | low(*b) << 6 | low(*c), 4),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER), length)
}

/// The text as programs read it that map to compatible characters (NFKC), or to what looks alike on a system of another code page.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.chars().map(alike).nfkc().collect()) }
}

/// The character of ASCII that separators and marks of addresses are taken for.
fn alike(letter: char) -> char {
    match letter {
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{2571}' | '\u{27cb}' | '\u{3033}' => '/',
        '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{20e5}' | '\u{2572}' | '\u{27cd}' => '\\',
        '\u{3002}' | '\u{ff61}' | '\u{701}' | '\u{702}' | '\u{a4f8}' => '.',
        '\u{2236}' | '\u{a789}' | '\u{5c3}' | '\u{2d0}' => ':',
        '\u{223c}' | '\u{2dc}' | '\u{301c}' => '~',
        other => other,
    }
}

/// The letter of ASCII that looks the same, for names that people and models read.
pub(crate) fn skeleton(letter: char) -> char {
    match letter {
        'а' | 'ɑ' | 'α' => 'a',
        'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'є' => 'e',
        'һ' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'ј' => 'j',
        'κ' | 'к' => 'k',
        'ӏ' => 'l',
        'м' => 'm',
        'ո' | 'п' => 'n',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' | 'ս' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        other => other,
    }
}

/// How often a text is decoded before it counts as encoded over and over.
const ROUNDS: usize = 4;

/// The text, and what programs read in it that decode it (up to [`ROUNDS`] times), fold it, or both. None where it is encoded over and over.
pub(crate) fn readings(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut all = vec![Cow::Borrowed(text)];
    if text.is_ascii() && !text.contains('%') {
        return Some(all);
    }
    let mut forms = vec![text.to_owned()];
    for round in 0..=ROUNDS {
        let mut next = Vec::new();
        for form in &forms {
            let fold = folded(form);
            if fold != form.as_str() {
                next.extend(decoded(&fold));
                all.push(Cow::Owned(fold.into_owned()));
            }
            next.extend(decoded(form));
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return Some(all);
        }
        if round == ROUNDS {
            return None;
        }
        all.extend(next.iter().cloned().map(Cow::Owned));
        forms = next;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_encoded_is_read() {
        for (text, expected) in [
            ("%2e%2E/", "../"),
            ("%c0%ae%c0%af", "./"),
            ("%c1%9c", "\\"),
            ("%e0%80%ae", "."),
            ("%f0%80%80%ae", "."),
            ("%u002e%u2215", ".\u{2215}"),
            ("%c3%a9", "é"),
            ("%ff", "\u{fffd}"),
            ("%252f", "%2f"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(expected), "{text}");
        }
        for plain in ["100%", "%zz", "a", "%", "%u12"] {
            assert_eq!(decoded(plain), None, "{plain}");
        }
        assert_eq!(folded("．．／é"), "../é");
        assert_eq!(folded("‥∕x"), "../x");
    }

    #[test]
    fn what_is_not_seen_is_found() {
        assert_eq!(hidden("a\u{200b}b"), Some(Span::new(1, 4)));
        assert!(hidden("x\u{202e}gpj").is_some() && hidden(".g\u{200c}it").is_some() && hidden("\u{e0041}").is_some());
        for seen in ["\u{1f468}\u{200d}\u{1f469}", "می\u{200c}خواهم", "été", "日本"] {
            assert_eq!(hidden(seen), None, "{seen}");
        }
    }

    #[test]
    fn encodings_have_an_end() {
        assert!(readings("%2525252525252e").is_none());
        assert!(readings("%25252e").is_some_and(|all| all.iter().any(|one| one == ".")));
    }

    proptest! {
        #[test]
        fn nothing_is_decoded_for_ever(text in "(%|2|5|e|u|é|．|[ -~]){0,64}") {
            if let Some(all) = readings(&text) {
                prop_assert!(all.len() <= 2 << (ROUNDS + 2));
            }
        }
    }
}
