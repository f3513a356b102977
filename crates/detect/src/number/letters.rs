//! Identity numbers that hold letters: tokens of capitals and digits.

use super::Found;
use super::account;
use super::check::{day, two};
use super::label::Labels;
use super::national::cn_resident;
use terms::Span;

/// Words beside papers.
#[rustfmt::skip]
const PASSPORT: &[&str] = &["passport", "reisepass", "passeport", "pasaporte", "passaporto", "paspoort", "passaporte", "护照", "паспорт"];
#[rustfmt::skip]
const VEHICLE: &[&str] = &["vin", "vehicle identification", "chassis", "fahrgestell"];
#[rustfmt::skip]
const DRIVER: &[&str] = &["driver's license", "drivers license", "driver license", "driving licence", "führerschein", "permis de conduire", "licence number", "license number"];
#[rustfmt::skip]
const DNI: &[&str] = &["dni", "nif"];

/// All words that are asked for.
pub(super) fn labels() -> impl Iterator<Item = &'static &'static [&'static str]> {
    [&PASSPORT, &VEHICLE, &DRIVER, &DNI].into_iter().chain(KINDS.iter().map(|kind| &kind.3))
}

/// The longest token.
const LONGEST: usize = 24;

/// What the token at `at` is.
pub(super) fn token(bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
    let rest = bytes.get(at..bytes.len().min(at + LONGEST + 1))?;
    let len = rest.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    let follows = rest.get(len).copied().unwrap_or(b' ');
    let glued = follows.is_ascii_alphanumeric() || follows == b'_' || follows >= 0x80;
    if len > LONGEST {
        return None;
    }
    let word = rest.get(..len)?;
    let here = |end: usize| Span::new(at, at + end);
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    // A part of a fraction, of a date or of a path of numbers.
    if matches!(before, b'.' | b'-' | b'+') && at.checked_sub(2).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if !glued && (7..=18).contains(&len) && word.iter().any(u8::is_ascii_digit) {
        let found = KINDS.iter().find(|kind| kind.0 == len && (kind.2)(word) && (kind.3.is_empty() || labels.says(at, kind.3)));
        if let Some(kind) = found {
            return Some(Found::pii(kind.1, here(len), if kind.3.is_empty() { 0.9 } else { 0.95 }));
        }
        if (7..=12).contains(&len) && labels.says(at, PASSPORT) && word.iter().any(u8::is_ascii_digit) {
            return Some(Found::pii("passport", here(len), 0.92));
        }
        if len == 17 && labels.says(at, VEHICLE) && !word.iter().any(|byte| matches!(byte, b'I' | b'O' | b'Q')) {
            return Some(Found::pii("vehicle-number", here(len), 0.92));
        }
        if (5..=16).contains(&len) && labels.says(at, DRIVER) {
            return Some(Found::pii("driving-licence", here(len), 0.85));
        }
    }
    written(bytes, at, labels).or_else(|| account::bic(bytes, at, word, glued, labels))
}

/// Length, kind, whether it holds, words that have to stand beside it.
type Kind = (usize, &'static str, fn(&[u8]) -> bool, &'static [&'static str]);

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    (9, "uk-nino", nino, &[]),
    (16, "it-codice-fiscale", codice_fiscale, &[]),
    (9, "es-dni", |w| form(w, "ddddddddL") && dni(w, 0), &[]),
    (9, "es-nie", |w| form(w, "LdddddddL") && w.first().and_then(|first| b"XYZ".iter().position(|byte| byte == first)).is_some_and(|lead| dni(w, lead)), &[]),
    (10, "in-pan", |w| form(w, "LLLLLddddL") && w.get(3) == Some(&b'P'), &[]),
    (10, "in-pan", |w| form(w, "LLLLLddddL") && w.get(3).is_some_and(|byte| b"ABCFGHLJT".contains(byte)), &["pan"]),
    (18, "mx-curp", |w| form(w, "LLLLddddddLLLLLAAd") && w.get(10).is_some_and(|byte| b"HMX".contains(byte)) && day(pair(w, 6), pair(w, 8)), &[]),
    (13, "mx-rfc", |w| form(w, "LLLLddddddAAA") && day(pair(w, 6), pair(w, 8)), &["rfc"]),
    (18, "cn-resident-id", |w| form(w, "dddddddddddddddddL") && w.last() == Some(&b'X') && cn_resident(&digits(w), 10), &[]),
    (9, "sg-nric", nric, &[]),
    (10, "tw-national-id", taiwan, &[]),
    (8, "hk-id", |w| form(w, "Ldddddd") || form(w, "LdddddddA") || form(w, "LddddddA"), &["hkid", "hong kong id", "香港身份證"]),
    (8, "ie-pps", |w| form(w, "dddddddL") && pps(w), &["pps", "ppsn"]),
    (9, "ie-pps", |w| form(w, "dddddddLL") && pps(w), &["pps", "ppsn"]),
    (12, "de-social-insurance", |w| form(w, "ddddddddLddd") && day(pair(w, 4), pair(w, 2)), &["rentenversicherung", "sozialversicherung", "sv-nummer", "rvnr", "rvnummer"]),
    (10, "de-identity-card", |w| w.first().is_some_and(|byte| b"LMNPRTVWXYCFGHJK".contains(byte)), &["personalausweis", "ausweisnummer", "identity card"]),
    (9, "de-identity-card", |w| w.first().is_some_and(|byte| b"LMNPRTVWXYCFGHJK".contains(byte)), &["personalausweis", "ausweisnummer", "identity card"]),
    (10, "de-health-insurance", |w| form(w, "Lddddddddd"), &["krankenversicher", "versichertennummer", "kvnr"]),
    (10, "lk-nic", |w| form(w, "dddddddddL") && w.last().is_some_and(|byte| b"VX".contains(byte)), &["nic"]),
    (11, "us-medicare", |w| form(w, "dLAdLAdLLdd"), &["medicare", "mbi"]),
    (16, "uk-driving-licence", |w| form(w, "AAAAAddddddAAAAA"), &["driving", "licence", "dvla"]),
];

/// Numbers with marks inside: Finland's `131052-308T`, Chile's `12.345.678-K`, Britain's `AB 12 34 56 C`, Hong Kong's `A123456(7)`, Italy's and others' with blanks.
fn written(bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
    let rest = bytes.get(at..bytes.len().min(at + 20))?;
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    let ends = |len: usize| {
        !matches!(before, b'.' | b'-' | b'+') && !rest.get(len).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let here = |len: usize| Span::new(at, at + len);
    if rest.len() >= 11
        && form(rest.get(..6)?, "dddddd")
        && rest.get(6).is_some_and(|byte| b"-+ABCDEFYXWVU".contains(byte))
        && form(rest.get(7..11)?, "dddA")
        && ends(11)
        && hetu(rest.get(..11)?)
    {
        return Some(Found::pii("fi-hetu", here(11), 0.95));
    }
    for len in [12, 11, 10] {
        if let Some(word) = rest.get(..len).filter(|_| ends(len)).filter(|word| rut(word)) {
            return Some(Found::pii("cl-rut", here(word.len()), 0.93));
        }
    }
    if let Some(word) = rest.get(..13).filter(|word| ends(13) && word.iter().filter(|byte| **byte == b' ').count() == 4) {
        let bare: Vec<u8> = word.iter().copied().filter(|byte| *byte != b' ').collect();
        if bare.len() == 9 && nino(&bare) && word.get(2) == Some(&b' ') {
            return Some(Found::pii("uk-nino", here(13), 0.93));
        }
    }
    let hong_kong = rest.len() >= 10
        && form(rest.get(..7)?, "Ldddddd")
        && rest.get(7) == Some(&b'(')
        && rest.get(8).is_some_and(u8::is_ascii_alphanumeric)
        && rest.get(9) == Some(&b')');
    if hong_kong {
        return Some(Found::pii("hk-id", here(10), 0.95));
    }
    let blanks = rest.get(..10).filter(|word| ends(10) && form(word, "dddddddd L") || ends(10) && form(word, "dddddddd-L"));
    blanks
        .filter(|word| labels.says(at, DNI) && dni(&[word.get(..8).unwrap_or_default(), word.get(9..).unwrap_or_default()].concat(), 0))
        .map(|_| Found::pii("es-dni", here(10), 0.93))
}

/// Whether `word` has a form: `d` a digit, `L` a capital, `A` either, all else itself.
fn form(word: &[u8], form: &str) -> bool {
    word.len() == form.len()
        && word.iter().zip(form.bytes()).all(|(byte, wants)| match wants {
            b'd' => byte.is_ascii_digit(),
            b'L' => byte.is_ascii_uppercase(),
            b'A' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            other => *byte == other,
        })
}

fn digits(word: &[u8]) -> Vec<u8> {
    word.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect()
}

/// The two digits at `at`.
fn pair(word: &[u8], at: usize) -> u8 {
    two(&digits(word.get(at..at + 2).unwrap_or_default()), 0)
}

fn value(word: &[u8]) -> u32 {
    digits(word).iter().fold(0, |sum, digit| sum * 10 + u32::from(*digit))
}

/// HMRC, National Insurance Manual NIM39110.
fn nino(w: &[u8]) -> bool {
    let Some((prefix, rest)) = w.split_first_chunk::<2>() else { return false };
    form(rest, "ddddddL")
        && rest.last().is_some_and(|byte| (b'A'..=b'D').contains(byte))
        && !prefix.iter().any(|byte| b"DFIQUV".contains(byte) || !byte.is_ascii_uppercase())
        && prefix.get(1) != Some(&b'O')
        && ![b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"].contains(&prefix)
}

/// Decreto ministeriale 23 December 1976.
fn codice_fiscale(w: &[u8]) -> bool {
    if !form(w, "LLLLLLAALAALAAAL") {
        return false;
    }
    const ODD: [u32; 26] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let index = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let sum: u32 = w
        .iter()
        .take(15)
        .enumerate()
        .map(|(at, byte)| if at % 2 == 0 { ODD.get(index(*byte) as usize).copied().unwrap_or(0) } else { index(*byte) })
        .sum();
    w.last().is_some_and(|check| sum % 26 == u32::from(check - b'A'))
}

/// Real Decreto 1553/2005; `lead` stands for the letter of a foreigner's number.
fn dni(w: &[u8], lead: usize) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let lead = u32::try_from(lead).unwrap_or(0);
    let number = if w.first().is_some_and(u8::is_ascii_digit) { value(w) } else { lead * 10_000_000 + value(w) };
    w.last() == LETTERS.get((number % 23) as usize)
}

/// Immigration and Checkpoints Authority: `S`, `T`, `F`, `G`, `M`.
fn nric(w: &[u8]) -> bool {
    if !form(w, "LdddddddL") {
        return false;
    }
    let sum: u32 = digits(w).iter().zip([2_u32, 7, 6, 5, 4, 3, 2]).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    let (letters, offset) = match w.first() {
        Some(b'S') => (b"JZIHGFEDCBA", 0),
        Some(b'T') => (b"JZIHGFEDCBA", 4),
        Some(b'F') => (b"XWUTRQPNMLK", 0),
        Some(b'G') => (b"XWUTRQPNMLK", 4),
        Some(b'M') => (b"KLJNPQRTUWX", 3),
        _ => return false,
    };
    let at = (sum + offset) % 11;
    let at = if w.first() == Some(&b'M') { 10 - at } else { at };
    w.last() == letters.get(at as usize)
}

fn taiwan(w: &[u8]) -> bool {
    const LETTERS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    if !form(w, "Lddddddddd") || !matches!(w.get(1), Some(b'1' | b'2' | b'8' | b'9')) {
        return false;
    }
    let Some(lead) = w.first().and_then(|first| LETTERS.iter().position(|letter| letter == first)) else { return false };
    let lead = u32::try_from(lead).unwrap_or(0) + 10;
    let sum: u32 = digits(w).iter().zip([8_u32, 7, 6, 5, 4, 3, 2, 1, 1]).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    (lead / 10 + lead % 10 * 9 + sum).is_multiple_of(10)
}

/// Ireland: seven digits, a check letter, a second letter in newer ones.
fn pps(w: &[u8]) -> bool {
    let sum: u32 = digits(w).iter().zip([8_u32, 7, 6, 5, 4, 3, 2]).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    let second = w.get(8).map_or(0, |byte| if *byte == b'W' { 0 } else { u32::from(byte - b'A' + 1) * 9 });
    w.get(7).is_some_and(|check| b"WABCDEFGHIJKLMNOPQRSTUV".get(((sum + second) % 23) as usize) == Some(check))
}

fn hetu(w: &[u8]) -> bool {
    const LETTERS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let head = value(w.get(..6).unwrap_or_default());
    let number = head * 1000 + value(w.get(7..10).unwrap_or_default());
    day(pair(w, 2), pair(w, 0)) && w.last() == LETTERS.get((number % 31) as usize)
}

/// Chile: `12.345.678-5`, `1.234.567-K`, `12345678-5`.
fn rut(w: &[u8]) -> bool {
    let Some((check, [body @ .., b'-'])) = w.split_last() else { return false };
    let dots = body.iter().filter(|byte| **byte == b'.').count();
    let bare = digits(body);
    let plain = dots == 0 && matches!(check, b'K' | b'k') && bare.len() >= 7;
    let dotted = dots == 2 && body.len() >= 9 && body.get(body.len() - 4) == Some(&b'.') && body.get(body.len() - 8) == Some(&b'.');
    if !(plain || dotted) || bare.len() + dots != body.len() || bare.len() > 8 {
        return false;
    }
    let sum: u32 = bare.iter().rev().zip([2_u32, 3, 4, 5, 6, 7, 2, 3]).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => matches!(check, b'K' | b'k'),
        other => u32::from(check.wrapping_sub(b'0')) == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_hold() {
        assert!(codice_fiscale(b"RSSMRA85T10A562S"));
        assert!(!codice_fiscale(b"RSSMRA85T10A562T"));
        assert!(dni(b"12345678Z", 0) && !dni(b"12345678A", 0));
        assert!(nric(b"S1234567D") && !nric(b"S1234567A"));
        assert!(taiwan(b"A123456789") && !taiwan(b"A123456788"));
        assert!(hetu(b"131052-308T"));
        assert!(rut(b"30.686.957-4"));
        assert!(nino(b"AB123456C") && !nino(b"GB123456C"));
    }
}
