//! What has to hold for a value beyond its pattern: checksums, structure, entropy, and not being a placeholder.

use serde::Deserialize;

/// The structure that a value has to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// None but the pattern.
    #[default]
    Pattern,
    /// The last six characters are the CRC-32 of the thirty before them, in base 62.
    Github,
    /// The first part is a JSON object with `alg`.
    Jwt,
    /// Behind the first line stands a row of base64: a heading alone holds no key.
    Armour,
}

impl Check {
    /// Whether `value` has it.
    pub(crate) fn holds(self, value: &[u8]) -> bool {
        match self {
            Self::Pattern => true,
            Self::Github => github(value),
            Self::Jwt => jwt(value),
            Self::Armour => armour(value),
        }
    }
}

/// Source: GitHub, "Behind GitHub's new authentication token formats", 2021.
fn github(value: &[u8]) -> bool {
    let Some((_, rest)) = value.split_first_chunk::<4>() else { return false };
    let Some((body, sum)) = rest.split_last_chunk::<6>() else { return false };
    let written = sum.iter().try_fold(0_u64, |total, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        Some(total * 62 + u64::from(digit))
    });
    written == Some(u64::from(crc32(body)))
}

/// CRC-32 as in ISO-HDLC, reflected, bit by bit: the inputs are 30 bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// RFC 7468 §3: a line of the body, where it is not the last, has 64 characters; keys of curves may have fewer.
fn armour(value: &[u8]) -> bool {
    const SHORTEST: usize = 24;
    let heading = memchr::memmem::find(value, b"KEY").unwrap_or(0);
    let mut run = 0;
    value.iter().skip(heading + 3).any(|byte| {
        run = if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') { run + 1 } else { 0 };
        run >= SHORTEST
    })
}

/// RFC 7515 §4: the header is a JSON object and names its algorithm. `{"` at its start is certain from the pattern.
fn jwt(value: &[u8]) -> bool {
    let header = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    // `"alg"` in base64url, at each of the three alignments.
    ["ImFsZy", "JhbGci", "iYWxnI"].iter().any(|form| memchr::memmem::find(header, form.as_bytes()).is_some())
}

/// Bits a character, after Shannon.
pub(crate) fn entropy(value: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    let value = value.get(..value.len().min(1024)).unwrap_or_default();
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let len = value.len() as f32;
    counts.iter().filter(|count| **count > 0).map(|count| f32::from(*count) / len).map(|share| -share * share.log2()).sum()
}

/// Whether the value was drawn, going by its digits: words of several parts that happen to stand behind one another have few.
pub(crate) fn drawn(value: &[u8]) -> bool {
    value.iter().filter(|byte| byte.is_ascii_digit()).count() >= if value.len() < 30 { 1 } else { 2 }
}

/// Whether the value says of itself that it is none: documentation, templates, values already taken out.
pub(crate) fn placeholder(value: &[u8]) -> bool {
    const SIGNS: [&[u8]; 11] = [
        b"example",
        b"xxxxx",
        b"placeholder",
        b"changeme",
        b"redacted",
        b"your_",
        b"your-",
        b"00000000",
        b"abcdefghijkl",
        b"0123456789",
        b"00010203",
    ];
    let mut lower = [0_u8; 96];
    let shown = value.len().min(lower.len());
    for (to, from) in lower.iter_mut().zip(value) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..shown).unwrap_or_default();
    lower == b"password" || SIGNS.iter().any(|sign| memchr::memmem::find(lower, sign).is_some()) || published(value)
}

/// Values that published standards and manuals show: RFC 5849, 6749, 6750, 7009 and 7617, Telegram's manual, the web documentation of Mozilla, jwt.io.
const PUBLISHED: &[&[u8]] = &[
    b"2YotnFZFEjr1zCsicMWpAA",
    b"45ghiukldjahdnhzdauz",
    b"kkk9d7dh3k39sjv7",
    b"A3ddj3w",
    b"123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",
    b"opensesame",
    b"QWxhZGRpbjo",
    b"tGzv3JOkF0XG5Qx2TlKWIA",
    b"mF_9.B5f-4.1JqM",
    b"czZCaGRSa3F0MzpnWDFmQmF0M2JW",
    b"czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
    b"QWxhZGRpbjpvcGVuc2VzYW1l",
    b"QWxhZGRpbjpvcGVuIHNlc2FtZQ",
    b"hh5s93j4hdidpola",
    b"hdhd0244k9j7ao03",
    b"h480djs93hd8",
    b"kd94hf93k423kf44",
    b"pfkkdhi9sl3r4s00",
    b"nnch734d00sl2jdk",
    b"gX1fBat3bV",
    b"7Fjfp0ZBr1KtDRbnfVdmIw",
    b"SplxlOBeZQQYbYS6WxSbIA",
    b"298zf09hf012fh2",
    b"u32t4o3tb3gg43",
    b"8xLOxBtZp8",
    b"dGhlIHNhbXBsZSBub25jZQ",
    b"SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    b"dBjftJeZ4CVP",
    b"s6BhdRkqt3",
];

/// Whether it is one of them.
pub(crate) fn published(value: &[u8]) -> bool {
    let bare = value.iter().rposition(|byte| *byte != b'=').map_or(value, |at| value.get(..=at).unwrap_or_default());
    PUBLISHED.iter().any(|known| bare == *known || known.len() > 20 && bare.ends_with(known))
}

/// The check digit of card numbers (ISO/IEC 7812-1, annex B); `digits` are values from 0 to 9.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn luhn_tells_one_digit() {
        assert!(luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        assert!(!luhn(&[4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]));
    }
}
