//! Escapes and look-alikes: what is undone character by character.

use crate::view::Piece;

/// What a sequence stands for: up to four bytes.
struct Stands {
    /// Bytes of the sequence.
    taken: usize,
    /// The bytes that it stands for.
    text: [u8; 4],
    /// How many of them count.
    len: usize,
}

impl Stands {
    fn char(taken: usize, symbol: char) -> Self {
        let mut text = [0; 4];
        let len = symbol.encode_utf8(&mut text).len();
        Self { taken, text, len }
    }

    fn byte(taken: usize, byte: u8) -> Self {
        Self { taken, text: [byte, 0, 0, 0], len: 1 }
    }

    fn nothing(taken: usize) -> Self {
        Self { taken, text: [0; 4], len: 0 }
    }
}

/// Whether [`unfold`] would change anything.
pub(super) fn needed(bytes: &[u8]) -> bool {
    memchr::memchr3_iter(b'\\', b'%', b'&', bytes).any(|at| stands(bytes, at).is_some())
        || memchr::memchr_iter(b'+', bytes).any(|at| beside_quote(bytes, at))
        || (!bytes.is_ascii() && bytes.iter().enumerate().any(|(at, byte)| LEADS[usize::from(*byte)] && matters(bytes, at)))
}

/// First bytes of the characters that [`symbol`] and [`likeness`] know.
const LEADS: [bool; 256] = {
    let mut table = [false; 256];
    let leads = [0xc2, 0xc9, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, 0xf3];
    let mut at = 0;
    while at < leads.len() {
        table[leads[at]] = true;
        at += 1;
    }
    table
};

/// Whether the character at `at` may hide something: one that is not seen beside a printable one of ASCII, an unusual space or dash beside a digit, or
/// a look-alike. The punctuation of East Asian text and the selectors of emoji are what they seem to be.
fn matters(bytes: &[u8], at: usize) -> bool {
    let Some(found) = bytes.get(at..).and_then(symbol) else { return likeness(bytes, at).is_some() };
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let after = bytes.get(at + found.taken).copied().unwrap_or(b' ');
    match found.text.get(..found.len) {
        Some([]) => before.is_ascii_graphic() || after.is_ascii_graphic(),
        Some(b" " | b"-") => before.is_ascii_digit() || after.is_ascii_digit(),
        Some(b"," | b":" | b";" | b"!" | b"?" | b"(" | b")" | b"~" | b"[" | b"]") => {
            before.is_ascii_alphanumeric() || after.is_ascii_alphanumeric()
        }
        _ => true,
    }
}

/// Whether there is an escape that ordinary text does not nest: anything but a doubled backslash or a plain control escape.
pub(super) fn layered(bytes: &[u8]) -> bool {
    memchr::memchr3_iter(b'\\', b'%', b'&', bytes).any(|at| {
        let plain = bytes.get(at) == Some(&b'\\') && !matches!(bytes.get(at + 1), Some(b'u' | b'x'));
        !plain && stands(bytes, at).is_some()
    })
}

/// Undoes every escape once: JSON and source escapes, percent, HTML references, zero-width characters, Unicode tags,
/// full-width and mathematical letters, unusual spaces and dashes, and string concatenation.
pub(super) fn unfold(bytes: &[u8], out: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    out.clear();
    pieces.clear();
    let (mut at, mut plain) = (0, 0);
    let literal = |from: usize, to: usize, out: &mut Vec<u8>, pieces: &mut Vec<Piece>| {
        if from < to {
            pieces.push(Piece { at: out.len(), from, literal: true });
            out.extend_from_slice(bytes.get(from..to).unwrap_or_default());
        }
    };
    while let Some(byte) = bytes.get(at) {
        let special = matches!(byte, b'\\' | b'%' | b'&' | b'"' | b'\'' | b'`') || LEADS[usize::from(*byte)];
        let Some(found) = special.then(|| stands(bytes, at)).flatten() else {
            at += 1;
            continue;
        };
        literal(plain, at, out, pieces);
        pieces.push(Piece { at: out.len(), from: at, literal: false });
        out.extend_from_slice(found.text.get(..found.len).unwrap_or_default());
        at += found.taken;
        plain = at;
    }
    literal(plain, bytes.len(), out, pieces);
}

fn stands(bytes: &[u8], at: usize) -> Option<Stands> {
    let rest = bytes.get(at..)?;
    match rest.first()? {
        b'\\' => backslash(rest),
        b'%' => Some(Stands::byte(3, u8::try_from(number(rest.get(1..3)?, 16)?).ok()?)),
        b'&' => reference(rest),
        b'"' | b'\'' | b'`' => joint(rest),
        0xc2.. => symbol(rest).or_else(|| likeness(bytes, at)),
        _ => None,
    }
}

/// Letters of other scripts that look like one of ASCII, in a word of ASCII (Unicode Technical Standard 39, confusables).
fn likeness(bytes: &[u8], at: usize) -> Option<Stands> {
    const LETTERS: [char; 55] = [
        'ɡ', 'Α', 'Β', 'Ε', 'Ζ', 'Η', 'Ι', 'Κ', 'Μ', 'Ν', 'Ο', 'Ρ', 'Τ', 'Υ', 'Χ', 'α', 'ν', 'ο', 'ρ', 'А', 'В', 'Е', 'К', 'М', 'Н', 'О',
        'Р', 'С', 'Т', 'У', 'Х', 'І', 'Ј', 'Ѕ', 'а', 'е', 'о', 'р', 'с', 'у', 'х', 'і', 'ј', 'ѕ', 'һ', 'ԁ', 'ӏ', 'ԛ', 'ԝ', 'ѵ', 'Ӏ', 'Ԍ',
        'ϲ', 'ϳ', 'қ',
    ];
    const LIKE: &[u8; 55] = b"gABEZHIKMNOPTYXavopABEKMHOPCTYXIJSaeopcyxijshdlqwvIGcjk";
    let inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if !inside(at.checked_sub(1).and_then(|at| bytes.get(at))) && !inside(bytes.get(at + 2)) {
        return None;
    }
    let [lead, next] = *bytes.get(at..at + 2)?.first_chunk::<2>()?;
    let letter = char::from_u32(u32::from(lead & 0x1f) << 6 | u32::from(next & 0x3f))?;
    let place = LETTERS.iter().position(|known| *known == letter)?;
    LIKE.get(place).map(|like| Stands::byte(2, *like))
}

/// RFC 8259 §7, and the forms of common programming languages.
fn backslash(rest: &[u8]) -> Option<Stands> {
    match rest.get(1)? {
        b'n' => Some(Stands::byte(2, b'\n')),
        b't' => Some(Stands::byte(2, b'\t')),
        b'r' => Some(Stands::byte(2, b'\r')),
        b'b' | b'f' => Some(Stands::byte(2, b' ')),
        plain @ (b'"' | b'\'' | b'/' | b'\\') => Some(Stands::byte(2, *plain)),
        b'x' => Some(Stands::byte(4, u8::try_from(number(rest.get(2..4)?, 16)?).ok()?)),
        b'u' => {
            if rest.get(2) == Some(&b'{') {
                let close = rest.iter().take(10).position(|byte| *byte == b'}')?;
                return Some(Stands::char(close + 1, char::from_u32(number(rest.get(3..close)?, 16)?)?));
            }
            let high = number(rest.get(2..6)?, 16)?;
            let low = (rest.get(6..8) == Some(b"\\u")).then(|| number(rest.get(8..12)?, 16)).flatten();
            match (high, low) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    Some(Stands::char(12, char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?))
                }
                _ => Some(Stands::char(6, char::from_u32(high)?)),
            }
        }
        _ => None,
    }
}

/// HTML character references: the numeric ones, and the names that stand for ASCII.
fn reference(rest: &[u8]) -> Option<Stands> {
    let close = rest.iter().take(12).position(|byte| *byte == b';')?;
    let symbol = match rest.get(1..close)? {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?)?,
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?)?,
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        b"nbsp" => ' ',
        b"commat" => '@',
        b"period" => '.',
        b"lowbar" => '_',
        b"colon" => ':',
        b"equals" => '=',
        b"sol" => '/',
        b"plus" => '+',
        _ => return None,
    };
    Some(Stands::char(close + 1, symbol))
}

/// `" + "`: a string that goes on in the next literal.
fn joint(rest: &[u8]) -> Option<Stands> {
    let mut at = 1;
    let mut pluses = 0;
    while let Some(byte) = rest.get(at).filter(|_| at < 24) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'+' if pluses == 0 => pluses += 1,
            b'"' | b'\'' | b'`' if pluses == 1 => return Some(Stands::nothing(at + 1)),
            _ => return None,
        }
        at += 1;
    }
    None
}

fn beside_quote(bytes: &[u8], plus: usize) -> bool {
    let before = bytes.get(..plus).unwrap_or_default().iter().rev().take(12).position(|byte| !byte.is_ascii_whitespace());
    before.is_some_and(|back| {
        let quote = plus - 1 - back;
        matches!(bytes.get(quote), Some(b'"' | b'\'' | b'`')) && stands(bytes, quote).is_some()
    })
}

/// Characters that are not seen, or read as ASCII.
fn symbol(rest: &[u8]) -> Option<Stands> {
    let taken = match rest.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let code = match *rest.get(..taken)? {
        [a, b] => u32::from(a & 0x1f) << 6 | u32::from(b & 0x3f),
        [a, b, c] => u32::from(a & 0x0f) << 12 | u32::from(b & 0x3f) << 6 | u32::from(c & 0x3f),
        [a, b, c, d] => u32::from(a & 7) << 18 | u32::from(b & 0x3f) << 12 | u32::from(c & 0x3f) << 6 | u32::from(d & 0x3f),
        _ => return None,
    };
    let ascii = |code: u32| u8::try_from(code).ok().map(|byte| Stands::byte(taken, byte));
    match code {
        0xad | 0x34f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff | 0xe_0001 | 0xe_007f => {
            Some(Stands::nothing(taken))
        }
        0xa0 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => ascii(0x20),
        0x2010..=0x2015 | 0x2212 => ascii(0x2d),
        0xff01..=0xff5e => ascii(code - 0xfee0),
        0xe_0020..=0xe_007e => ascii(code - 0xe_0000),
        0x1_d400..=0x1_d6a3 => {
            let letter = (code - 0x1_d400) % 52;
            ascii(if letter < 26 { 0x41 + letter } else { 0x61 + letter - 26 })
        }
        0x1_d7ce..=0x1_d7ff => ascii(0x30 + (code - 0x1_d7ce) % 10),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?))
}
