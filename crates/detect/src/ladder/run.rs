//! Runs in base64, base32 and hex, and what is compressed inside them.

use crate::budget::Allowance;
use std::io::Read;

/// Appends what a run stands for; false where it is none of its kind.
type Decoder = fn(&[u8], &mut Vec<u8>) -> bool;

/// Decodes `text` in each way that gives something readable and shows the results to `with`; uses `buffer` for them.
///
/// Where the run as a whole reads as nothing, its parts between `/`, `-`, `_` and `+` are tried, each by its start: a path or an
/// identifier may stand before the encoded part.
pub(super) fn each(text: &[u8], buffer: &mut Vec<u8>, mut with: impl FnMut(&[u8])) {
    if whole(text, buffer, &mut with) {
        return;
    }
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| rest.len() >= crate::scan::SHORTEST_RUN) {
        let len = rest.iter().position(|byte| matches!(byte, b'/' | b'-' | b'_' | b'+')).unwrap_or(rest.len());
        // A long encoding holds such bytes itself: what reads at its start is tried to its end.
        let start = rest.get(..rest.len().min(SAMPLE)).unwrap_or_default();
        if from > 0 && rest.len() > SAMPLE && whole(start, buffer, &mut |_| {}) && whole(rest, buffer, &mut with) {
            return;
        }
        if (crate::scan::SHORTEST_RUN..text.len()).contains(&len) {
            whole(rest.get(..len).unwrap_or_default(), buffer, &mut with);
        }
        from += len + 1;
    }
}

/// How much of a part shows whether it is an encoding, in bytes.
const SAMPLE: usize = 48;

fn whole(text: &[u8], buffer: &mut Vec<u8>, with: &mut impl FnMut(&[u8])) -> bool {
    for decode in [hex as Decoder, base32, base64] {
        buffer.clear();
        if decode(text, buffer) && readable(buffer) {
            with(buffer);
            return true;
        }
    }
    false
}

/// Whether a gzip or zlib stream starts here (RFC 1952 §2.3.1, RFC 1950 §2.2).
pub(super) fn packed(bytes: &[u8]) -> bool {
    matches!(bytes, [0x1f, 0x8b, 8, ..] | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..])
}

/// Unpacks into `out`; false when the allowance ended before the stream did. A broken stream gives what came before the break.
pub(super) fn inflate(bytes: &[u8], allowance: &mut Allowance, out: &mut Vec<u8>) -> bool {
    out.clear();
    let most = allowance.bytes_left() as u64;
    let read = |reader: &mut dyn Read, out: &mut Vec<u8>| {
        // What came before a break is looked at; the break itself is no fact worth a finding.
        let _ = reader.take(most.saturating_add(1)).read_to_end(out);
    };
    if bytes.first() == Some(&0x1f) {
        read(&mut flate2::read::MultiGzDecoder::new(bytes), out);
    } else {
        read(&mut flate2::read::ZlibDecoder::new(bytes), out);
    }
    if allowance.take(out.len()) {
        return true;
    }
    out.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    allowance.take(out.len());
    false
}

/// Whether a person or a model could read some of it: compressed, UTF-8 that starts with ten characters that are no controls (what is not seen may stand
/// between any two of them), or ten printable characters of ASCII in a row anywhere. UTF-16 is folded.
fn readable(bytes: &mut Vec<u8>) -> bool {
    if packed(bytes) {
        return true;
    }
    let zeros = memchr::memchr_iter(0, bytes).count();
    if bytes.len() >= 16 && zeros * 5 >= bytes.len() * 2 {
        bytes.retain(|byte| *byte != 0);
    }
    let sound = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(cut) => bytes.get(..cut.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default(),
    };
    if sound.chars().filter(|letter| !letter.is_control()).nth(9).is_some() {
        return true;
    }
    crate::scan::prints(bytes, 10)
}

/// RFC 4648 §8. Every digit of the run has to be one.
fn hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    if !text.len().is_multiple_of(2) {
        return false;
    }
    for pair in text.chunks_exact(2) {
        let [high, low] = pair else { return false };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
        out.push(high << 4 | low);
    }
    true
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 4648 §6, padding optional.
fn base32(text: &[u8], out: &mut Vec<u8>) -> bool {
    groups(text, out, 5, |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    })
}

/// RFC 4648 §4 and §5 alike, padding optional, white space and escaped line ends between the lines.
fn base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(text.len());
    let mut rest = text;
    while let Some((quad, more)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = quad.map(|byte| u32::from(DIGITS[usize::from(byte)]));
        if (a | b | c | d) >= 64 {
            break;
        }
        let [_, first, second, third] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
        out.extend_from_slice(&[first, second, third]);
        rest = more;
    }
    groups(rest, out, 6, |byte| Some(DIGITS[usize::from(byte)]).filter(|digit| *digit < 64))
}

/// What each byte stands for in base64; 64 where it is none of its digits.
const DIGITS: [u8; 256] = {
    let mut table = [64; 256];
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < 64 {
        table[digits[at] as usize] = at as u8;
        at += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

fn groups(text: &[u8], out: &mut Vec<u8>, width: u32, value: impl Fn(u8) -> Option<u8>) -> bool {
    out.reserve(text.len());
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.iter().copied() {
        let Some(value) = value(byte) else {
            if byte == b'=' || byte.is_ascii_whitespace() {
                continue;
            }
            return false;
        };
        held = held << width | u32::from(value);
        bits += width;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (held >> bits).to_be_bytes();
            out.push(byte);
        }
    }
    true
}
