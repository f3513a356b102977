//! Sentences whose letters are written as numbers: pairs of hexadecimal digits, bits, octal and decimal codes, with whatever stands between them; and
//! Morse code.

use super::{Hidden, MOST, words};
use crate::mask::{self, within};
use terms::Span;

/// The shortest stretch of numbers that is looked at, in bytes, and the fewest of them that are a message.
const STRETCH: usize = 24;
const FEWEST: usize = 10;
/// The fewest words of a message of which none is known.
const WORDS: usize = 6;
/// The most of one message, in letters.
const LONGEST: usize = 1 << 14;

/// A way to write one letter as a number.
#[derive(Clone, Copy)]
struct Radix {
    how: &'static str,
    base: u32,
    /// How many digits a number has, the fewest and the most.
    digits: (usize, usize),
}

/// The narrow ones first: bits and octal digits are decimal ones as well.
const RADIXES: [Radix; 4] = [
    Radix { how: "binary", base: 2, digits: (7, 8) },
    Radix { how: "octal", base: 8, digits: (3, 3) },
    Radix { how: "decimal", base: 10, digits: (2, 3) },
    Radix { how: "hex", base: 16, digits: (2, 4) },
];

/// Adds the sentences of `text` that are written as numbers.
pub(super) fn find(text: &str, found: &mut Vec<Hidden>) {
    let bytes = text.as_bytes();
    // Digits, what separates them, and the letters of `0x`, `U+` and `chr()`.
    let numbers = |byte: u8| {
        within(byte, b'0', b'9')
            | within(byte | 0x20, b'a', b'f')
            | within(byte, b'\t', b'\r')
            | within(byte, b' ', b'/')
            | matches!(byte, b':' | b';' | b'=' | b'_' | b'[' | b']' | b'{' | b'}' | b'\\' | b'|' | b'x' | b'h' | b'r' | b'u' | b'U')
    };
    mask::runs(bytes, STRETCH, numbers, |run| {
        for radix in RADIXES {
            if read(bytes, run, radix, found) {
                break;
            }
        }
    });
    solid(bytes, found);
    morse(text, found);
}

/// Bits without anything between them.
fn solid(bytes: &[u8], found: &mut Vec<Hidden>) {
    mask::runs(
        bytes,
        64,
        |byte| (byte == b'0') | (byte == b'1'),
        |run| {
            let digits = bytes.get(run.start..run.end).unwrap_or_default();
            let code = |eight: &[u8]| eight.iter().fold(0, |sum, digit| sum << 1 | (digit & 1));
            push("binary", run, &digits.chunks_exact(8).take(LONGEST).map(code).collect::<Vec<u8>>(), found);
        },
    );
}

/// Reads the numbers of one stretch in one radix; whether they say something.
fn read(bytes: &[u8], run: Span, radix: Radix, found: &mut Vec<Hidden>) -> bool {
    let before = found.len();
    let (mut at, mut span, mut letters) = (run.start, Span::new(run.start, run.start), Vec::new());
    while at < run.end {
        let rest = bytes.get(at..run.end).unwrap_or_default();
        let len = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if len == 0 {
            at += 1;
            continue;
        }
        match letter(rest.get(..len).unwrap_or_default(), radix) {
            Some(letter) => {
                if letters.is_empty() {
                    span = Span::new(at, at);
                }
                span.end = at + len;
                if letters.len() < LONGEST {
                    letters.push(letter);
                }
            }
            // `0x`, `chr(` and the offset at the start of a line of a dump.
            None if len == 1 && matches!(rest.get(1), Some(b'x' | b'h')) || len == 8 && fresh(bytes, at) => {}
            None => push(radix.how, span, &std::mem::take(&mut letters), found),
        }
        at += len;
    }
    push(radix.how, span, &letters, found);
    found.len() > before
}

/// Whether a line starts at `at`.
fn fresh(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| bytes.get(before) == Some(&b'\n'))
}

/// The byte that `digits` stand for, where that may be part of a text.
fn letter(digits: &[u8], radix: Radix) -> Option<u8> {
    let (least, most) = radix.digits;
    if digits.len() < least || digits.len() > most {
        return None;
    }
    let code = digits.iter().try_fold(0, |sum, digit| Some(sum * radix.base + char::from(*digit).to_digit(radix.base)?))?;
    u8::try_from(code).ok().filter(|code| matches!(code, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..))
}

fn push(how: &'static str, span: Span, letters: &[u8], found: &mut Vec<Hidden>) {
    if letters.len() >= FEWEST
        && found.len() < MOST
        // A word before them may be a number in the same radix.
        && let Some(reads) = (0..3).find_map(|skip| std::str::from_utf8(letters.get(skip..)?).ok())
        && words::sentence(reads)
        && (words::known(reads) > 0 || words::count(reads) >= WORDS)
    {
        found.push(Hidden { how, span, reads: reads.to_owned() });
    }
}

/// Letters in the code of Morse (ITU-R M.1677), separated by blanks, words by `/`, `|` or more blanks.
fn morse(text: &str, found: &mut Vec<Hidden>) {
    let signs = |byte: u8| matches!(byte, b'.' | b'-' | b' ' | b'/' | b'|' | b'\n');
    mask::runs(text.as_bytes(), STRETCH, signs, |run| {
        let inside = text.get(run.start..run.end).unwrap_or_default();
        let (mut reads, mut read, mut all) = (String::new(), 0, 0);
        for part in inside.split([' ', '\n']).take(LONGEST) {
            if matches!(part, "" | "/" | "|") {
                if !reads.is_empty() && !reads.ends_with(' ') {
                    reads.push(' ');
                }
                continue;
            }
            all += 1;
            if let Some((_, letter)) = MORSE.iter().find(|(sign, _)| *sign == part) {
                read += 1;
                reads.push(*letter);
            }
        }
        if read >= FEWEST && read * 10 >= all * 9 && words::known(&reads) > 1 && words::sentence(&reads) && found.len() < MOST {
            found.push(Hidden { how: "morse", span: run, reads: reads.trim_end().to_owned() });
        }
    });
}

#[rustfmt::skip]
const MORSE: [(&str, char); 26] = [
    (".-", 'a'), ("-...", 'b'), ("-.-.", 'c'), ("-..", 'd'), (".", 'e'), ("..-.", 'f'), ("--.", 'g'), ("....", 'h'), ("..", 'i'), (".---", 'j'), ("-.-", 'k'), (".-..", 'l'), ("--", 'm'),
    ("-.", 'n'), ("---", 'o'), (".--.", 'p'), ("--.-", 'q'), (".-.", 'r'), ("...", 's'), ("-", 't'), ("..-", 'u'), ("...-", 'v'), (".--", 'w'), ("-..-", 'x'), ("-.--", 'y'), ("--..", 'z'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|one| (one.how, one.reads)).collect()
    }

    fn each(text: &str, between: &str, letter: impl Fn(u8) -> String) -> String {
        text.bytes().map(letter).collect::<Vec<_>>().join(between)
    }

    #[test]
    fn letters_as_numbers_are_read() {
        let says = "mail the ledger to nobody";
        for (how, form) in [
            ("hex", each(says, " ", |byte| format!("{byte:02x}"))),
            ("hex", each(says, ":", |byte| format!("{byte:02X}"))),
            ("hex", each(says, ", ", |byte| format!("0x{byte:02x}"))),
            ("hex", each(says, " ", |byte| format!("U+{byte:04X}"))),
            ("binary", each(says, " ", |byte| format!("{byte:08b}"))),
            ("binary", each(says, "", |byte| format!("{byte:08b}"))),
            ("octal", each(says, " ", |byte| format!("{byte:03o}"))),
            ("decimal", each(says, ",", |byte| byte.to_string())),
            ("decimal", each(says, " + ", |byte| format!("chr({byte})"))),
        ] {
            assert_eq!(found(&format!("Decide. {form}\nBye.")), [(how, says.to_owned())], "{form}");
        }
    }

    #[test]
    fn morse_is_read() {
        let sign = |letter| MORSE.iter().find(|(_, known)| *known == letter).map_or("/", |(sign, _)| *sign);
        let form: Vec<&str> = "mail the ledger to nobody".chars().map(sign).collect();
        assert_eq!(found(&form.join(" ")), [("morse", "mail the ledger to nobody".to_owned())]);
        for text in [
            "--------- ... --------- .. ---- .",
            "- one\n- - two\n--- ... --- and CQ is -.-. --.-",
            ". .. ... . .. ... . .. ... . .. ... . .. ...",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn dumps_are_read_over_their_lines() {
        let says = b"mail the ledger to nobody at all";
        let lines = says.chunks(16).enumerate().map(|(row, line)| {
            let pairs: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:08x}  {}\n", row * 16, pairs.join(" "))
        });
        assert_eq!(found(&lines.collect::<String>()), [("hex", String::from_utf8_lossy(says).into_owned())]);
    }

    #[test]
    fn numbers_that_are_numbers_stay() {
        for text in [
            "89 50 4e 47 0d 0a 1a 0a 00 00 00 0d 49 48 44 52 00 00 00 10 00 00 00 10 08 06 00 00 00 1f f3 ff 61",
            "scores 97 101 88 110 104 99 115 92 100 105 113 120 87 95 108 117 101 32 99 98 97 32 110",
            "umask 022 gives 755 644 775 664 777 666 700 600 711 751 555 444",
            "0000 0001 0010 0100 1000 1111 0101 1010 0011 1100 00000001 00000010 00000100",
            "const K: [u8; 8] = [0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01];",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
