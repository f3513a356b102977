//! Writing JSON by hand, in the string form of RFC 8785 §3.2.2.2, and taking escapes out of checked strings.

use std::borrow::Cow;

/// The letters that RFC 8785 asks for: two-character escapes where JSON has them, `\u00xx` for other controls, all else as it is.
const fn short(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"\\\""),
        b'\\' => Some(b"\\\\"),
        0x08 => Some(b"\\b"),
        0x09 => Some(b"\\t"),
        0x0A => Some(b"\\n"),
        0x0C => Some(b"\\f"),
        0x0D => Some(b"\\r"),
        _ => None,
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Writes `text` as a JSON string, quotes included.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\') {
        let (clean, tail) = rest.split_at(at);
        out.extend_from_slice(clean);
        let Some((byte, tail)) = tail.split_first() else { break };
        match short(*byte) {
            Some(escape) => out.extend_from_slice(escape),
            None => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].iter().filter_map(|digit| HEX.get(usize::from(*digit))));
            }
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes `number` in decimal.
pub fn write_int(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(slot) = digits.get_mut(at) {
            *slot = b'0' + u8::try_from(left % 10).unwrap_or(0);
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// An object being written: commas are kept right, the values are the caller's.
///
/// ```
/// let mut out = Vec::new();
/// let mut object = mcp::json::Object::open(&mut out);
/// object.text("type", "text").raw("list", b"[1]");
/// object.close();
/// assert_eq!(out, br#"{"type":"text","list":[1]}"#);
/// ```
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Writes the opening brace.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes the key; the value is written to what this returns.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        write_str(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A member that is a string.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Self {
        write_str(self.key(key), text);
        self
    }

    /// A member that is an integer.
    pub fn int(&mut self, key: &str, number: i64) -> &mut Self {
        write_int(self.key(key), number);
        self
    }

    /// A member that is JSON already.
    pub fn raw(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.key(key).extend_from_slice(json);
        self
    }

    /// Writes the closing brace.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

/// Takes the escapes out of what stands between the quotes. The scanner has checked them; a lone surrogate, which it refuses, would become U+FFFD.
pub(crate) fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(first) = inner.find('\\') else { return Cow::Borrowed(inner) };
    let mut text = String::with_capacity(inner.len());
    text.push_str(inner.get(..first).unwrap_or_default());
    let mut rest = inner.get(first..).unwrap_or_default();
    while let Some(tail) = rest.strip_prefix('\\') {
        let mut letters = tail.chars();
        let letter = letters.next();
        rest = letters.as_str();
        match letter {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (unit, after) = unit(rest);
                rest = after;
                let (letter, after) = match (unit, rest.strip_prefix("\\u").map(self::unit)) {
                    (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, after))) => (0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00), after),
                    _ => (unit, rest),
                };
                rest = after;
                text.push(char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => text.push(other),
            None => {}
        }
        let next = rest.find('\\').unwrap_or(rest.len());
        text.push_str(rest.get(..next).unwrap_or_default());
        rest = rest.get(next..).unwrap_or_default();
    }
    Cow::Owned(text)
}

fn unit(text: &str) -> (u32, &str) {
    (text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xFFFD), text.get(4..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings_take_the_form_of_rfc_8785() {
        let mut out = Vec::new();
        write_str(&mut out, "\u{20ac}$\u{f}\nA'B\"\\\"/\u{7f}\u{2028}");
        assert_eq!(String::from_utf8(out).unwrap(), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\u{7f}\u{2028}\"");
    }

    #[test]
    fn escapes_are_taken_out() {
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z"#), "a\"\\/\u{8}\u{c}\n\r\té😀z");
    }

    proptest! {
        #[test]
        fn writing_agrees_with_serde(text in any::<String>(), number in any::<i64>()) {
            let mut out = Vec::new();
            write_str(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.clone());
            let printed = String::from_utf8(out).unwrap();
            prop_assert_eq!(unescape(printed.get(1..printed.len() - 1).unwrap()), text);
            let mut out = Vec::new();
            write_int(&mut out, number);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
