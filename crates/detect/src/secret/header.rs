//! Credentials in HTTP headers (RFC 9110 §11): `Authorization`, `Proxy-Authorization`, and the cookies of sessions (RFC 6265 §4).

use crate::check;
use crate::detector::{Reader, Sheet};
use crate::view::View;
use crate::words::Stands;
use std::borrow::Cow;
use terms::{Class, Span};

const STEMS: [&str; 7] = ["basic ", "bearer ", "cookie", "--user ", "curl -u ", "authorization", "\"auth\""];
/// The longest credential, in bytes.
const LONGEST: usize = 8192;

/// Finds them.
pub(crate) struct Headers;

impl Reader for Headers {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        STEMS.iter().enumerate().map(|(number, stem)| ((*stem).to_owned(), Stands::Anywhere, number)).collect()
    }

    fn read(&self, view: &View<'_>, at: usize, number: usize, _: &mut usize, sheet: &mut Sheet<'_>) {
        let end = at + STEMS.get(number).map_or(0, |stem| stem.len());
        match number {
            0 => token(view.bytes, end)
                .filter(|span| pair(view.bytes, *span) && !check::published(view.bytes.get(span.start..span.end).unwrap_or_default()))
                .into_iter()
                .for_each(|span| add(view, sheet, "basic-auth", span)),
            1 => token(view.bytes, end)
                .filter(|span| opaque(view.bytes, *span))
                .into_iter()
                .for_each(|span| add(view, sheet, "bearer-token", span)),
            2 => cookies(view, end, sheet),
            5 => scheme(view.bytes, end).into_iter().for_each(|span| add(view, sheet, "bearer-token", span)),
            6 => token(view.bytes, end + skip(view.bytes, end, b"\": "))
                .filter(|span| {
                    span.len() >= 16
                        && pair(view.bytes, *span)
                        && !check::published(view.bytes.get(span.start..span.end).unwrap_or_default())
                })
                .into_iter()
                .for_each(|span| add(view, sheet, "basic-auth", span)),
            _ => user(view.bytes, end).into_iter().for_each(|span| add(view, sheet, "basic-auth", span)),
        }
    }
}

fn add(view: &View<'_>, sheet: &mut Sheet<'_>, kind: &'static str, span: Span) {
    sheet.add(view, Class::Secret, Cow::Borrowed(kind), span, 0.92);
}

/// A token68 (RFC 9110 §11.2).
fn token(bytes: &[u8], at: usize) -> Option<Span> {
    let rest = bytes.get(at..bytes.len().min(at + LONGEST))?;
    let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte)).count();
    let padding = rest.get(len..)?.iter().take(2).take_while(|byte| **byte == b'=').count();
    (len >= 8).then(|| Span::new(at, at + len + padding))
}

/// The credential of another scheme, or of none: `Authorization: Token …`, `authorization: ApiKey …`.
fn scheme(bytes: &[u8], end: usize) -> Option<Span> {
    let gap = skip(bytes, end, b"\"'\\");
    matches!(bytes.get(end + gap), Some(b':' | b'=')).then_some(())?;
    let at = end + gap + 1 + skip(bytes, end + gap + 1, b" \"'\\");
    let rest = bytes.get(at..bytes.len().min(at + 24))?;
    let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
    let named = rest.get(word) == Some(&b' ');
    let lower = rest.get(..word)?.to_ascii_lowercase();
    if named && [b"basic".as_slice(), b"bearer", b"digest", b"negotiate"].contains(&lower.as_slice()) {
        return None;
    }
    token(bytes, if named { at + word + 1 } else { at }).filter(|span| span.len() >= 20 && opaque(bytes, *span))
}

/// How many of the bytes `over` stand at `at`.
fn skip(bytes: &[u8], at: usize, over: &[u8]) -> usize {
    bytes.get(at..bytes.len().min(at + 8)).unwrap_or_default().iter().take_while(|byte| over.contains(byte)).count()
}

/// Base64 of `user:password`.
fn pair(bytes: &[u8], span: Span) -> bool {
    let text = bytes.get(span.start..span.end).unwrap_or_default();
    let (mut held, mut bits, mut colon, mut plain, mut sound) = (0_u32, 0, None, 0, true);
    for (place, byte) in text.iter().filter(|byte| **byte != b'=').enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        held = held << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let out = (held >> bits) & 0xff;
            held &= (1 << bits) - 1;
            if !(0x20..0x7f).contains(&out) && out < 0x80 {
                return false;
            }
            plain += 1;
            sound &= (0x20..0x7f).contains(&out);
            if out == u32::from(b':') && colon.is_none() {
                colon = Some(place);
            }
        }
    }
    // A word of letters alone may happen to be base64 of something; then it is not of ASCII.
    colon.is_some() && plain >= 6 && (sound || text.iter().any(|byte| byte.is_ascii_digit() || *byte == b'='))
}

/// Long enough and mixed enough to be made by a machine.
fn opaque(bytes: &[u8], span: Span) -> bool {
    let text = bytes.get(span.start..span.end).unwrap_or_default();
    text.len() >= 16
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_alphabetic)
        && check::entropy(text) >= 3.0
        && !check::placeholder(text)
}

/// `curl --user name:password`.
fn user(bytes: &[u8], at: usize) -> Option<Span> {
    let quoted = usize::from(matches!(bytes.get(at), Some(b'"' | b'\'')));
    let rest = bytes.get(at + quoted..bytes.len().min(at + 256))?;
    let len = rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\')).unwrap_or(rest.len());
    let word = rest.get(..len)?;
    let colon = word.iter().position(|byte| *byte == b':')?;
    let value = word.get(colon + 1..)?;
    (value.len() >= 6
        && !value.starts_with(b"$")
        && !value.starts_with(b"{")
        && !value.starts_with(b"<")
        && !check::placeholder(value)
        && !value.eq_ignore_ascii_case(b"password"))
    .then(|| Span::new(at + quoted + colon + 1, at + quoted + len))
}

/// The values of cookies that carry a session.
fn cookies(view: &View<'_>, at: usize, sheet: &mut Sheet<'_>) {
    let bytes = view.bytes;
    let after = bytes.get(at..bytes.len().min(at + 4)).unwrap_or_default();
    let lead = after.iter().take_while(|byte| matches!(byte, b'"' | b'\'' | b':' | b' ')).count();
    if !after.iter().take(lead).any(|byte| *byte == b':') {
        return;
    }
    let mut here = at + lead;
    let end = bytes.len().min(here + LONGEST);
    while let Some(rest) = bytes.get(here..end) {
        let len = rest.iter().position(|byte| matches!(byte, b';' | b'\r' | b'\n' | b'"' | b'\'')).unwrap_or(rest.len());
        let pair = rest.get(..len).unwrap_or_default();
        if let Some(sign) = pair.iter().position(|byte| *byte == b'=') {
            let (name, value) = (pair.get(..sign).unwrap_or_default(), pair.get(sign + 1..).unwrap_or_default());
            if session(name) && value.len() >= 12 && check::entropy(value) >= 2.8 && !check::placeholder(value) {
                add(view, sheet, "session-cookie", Span::new(here + sign + 1, here + len));
            }
        }
        match rest.get(len) {
            Some(b';') => here += len + 1,
            _ => return,
        }
    }
}

/// Whether a cookie's name is one of a session or of a login.
fn session(name: &[u8]) -> bool {
    let name: Vec<u8> = name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let has = |word: &[u8]| memchr::memmem::find(&name, word).is_some();
    [b"sess".as_slice(), b"sid", b"auth", b"token", b"login", b"remember", b"jwt", b"identity", b"credential", b"aspxauth", b"sso"]
        .iter()
        .any(|word| has(word))
        && !has(b"csrf")
        && !has(b"xsrf")
}
