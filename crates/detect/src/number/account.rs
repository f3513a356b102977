//! Bank accounts and what leads to them.
//!
//! Sources: ISO 13616 (IBAN) and its registry, ISO 9362 (BIC), the American Bankers Association's routing numbers, Pay.UK, the Reserve Bank of India (IFSC),
//! AusPayNet (BSB), Banco de México (CLABE).

use super::Found;
use super::check::weighted;
use super::label::Labels;
use super::shape::Groups;
use std::collections::BTreeSet;
use terms::Span;

/// Words beside codes and numbers of banks.
const IFSC: &[&str] = &["ifsc"];
const BIC: &[&str] = &["bic", "swift", "bic/swift", "swift code", "bankleitzahl international"];
const ROUTING: &[&str] = &["routing", "aba", "rtn", "transit number", "transit no"];
const SORT: &[&str] = &["sort code", "sort-code", "sortcode", "sort_code"];
const BSB: &[&str] = &["bsb"];
const CLABE: &[&str] = &["clabe"];
const BLZ: &[&str] = &["blz", "bankleitzahl"];
#[rustfmt::skip]
const ACCOUNT: &[&str] = &["account number", "account no", "account_number", "accountnumber", "acct", "account #", "account:", "kontonummer", "konto-nr", "numéro de compte", "número de cuenta", "cuenta", "conto corrente", "rekeningnummer", "bank account", "口座番号", "账号", "account"];
#[rustfmt::skip]
const BANK: &[&str] = &["account number", "account no", "acct", "account_number", "accountnumber", "kontonummer", "konto-nr", "bank account", "numéro de compte", "número de cuenta", "cuenta", "conto corrente", "rekeningnummer", "口座番号", "账号", "sort code", "routing", "bsb", "ifsc", "bank", "iban", "transit", "institution"];
/// All of them.
pub(super) const LABELS: &[&[&str]] = &[IFSC, BIC, ROUTING, SORT, BSB, CLABE, BLZ, ACCOUNT, BANK];

/// Country and length of an IBAN (SWIFT, IBAN registry).
#[rustfmt::skip]
const IBANS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22), (b"BI", 27), (b"BR", 29), (b"BY", 28), (b"CH", 21),
    (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18),
    (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23),
    (b"IS", 26), (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21), (b"LY", 25), (b"MC", 27),
    (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28), (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24), (b"PL", 28),
    (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27),
    (b"SO", 23), (b"ST", 25), (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

/// The IBAN at `at`, in one piece or with a blank or hyphen here and there.
///
/// Of a country that is in no list, or among those `without`, one that is written in groups of four, or that a word of banks stands beside.
pub(super) fn iban(bytes: &[u8], at: usize, labels: &Labels<'_>, without: &BTreeSet<String>) -> Option<Found> {
    let country: &[u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
    let left_out = || std::str::from_utf8(country).is_ok_and(|code| without.contains(&format!("iban-{}", code.to_ascii_lowercase())));
    let Some((_, len)) = IBANS.iter().find(|(known, _)| *known == country).filter(|_| without.is_empty() || !left_out()) else {
        return unlisted(bytes, at, labels);
    };
    let mut held = [0_u8; 34];
    let (mut count, mut here, mut marks) = (0, at, 0);
    while count < *len {
        match bytes.get(here)? {
            byte if byte.is_ascii_uppercase() || byte.is_ascii_digit() => {
                *held.get_mut(count)? = *byte;
                count += 1;
                marks = 0;
            }
            b' ' | b'-' if count >= 4 && marks == 0 => marks = 1,
            _ => return None,
        }
        here += 1;
    }
    let word = held.get(..count)?;
    let open = bytes.get(here).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let numbered = word.get(2..4)?.iter().all(u8::is_ascii_digit);
    (open && numbered && sound(word)).then(|| Found::financial("iban", Span::new(at, here), 0.98))
}

/// A number of the form of ISO 13616 without regard to its country.
fn unlisted(bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
    let rest = bytes.get(at..bytes.len().min(at + 44))?;
    let part = |from: usize| {
        rest.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count()
    };
    let first = part(0);
    let (mut end, mut last) = (first, 4);
    // Groups of four, and a last one that may be shorter.
    while first == 4 && last == 4 && matches!(rest.get(end), Some(b' ' | b'-')) {
        last = part(end + 1);
        if !(1..=4).contains(&last) {
            return None;
        }
        end += 1 + last;
    }
    let word: Vec<u8> = rest.get(..end)?.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let open = rest.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let form = word
        .first_chunk::<4>()
        .is_some_and(|[a, b, c, d]| [a, b].iter().all(|byte| byte.is_ascii_uppercase()) && [c, d].iter().all(|byte| byte.is_ascii_digit()));
    let said = first == 4 || labels.says(at, BANK);
    (open && form && (15..=34).contains(&word.len()) && digits * 2 >= word.len() && sound(&word) && said)
        .then(|| Found::financial("iban", Span::new(at, at + end), 0.8))
}

/// ISO/IEC 7064, MOD 97-10.
fn sound(word: &[u8]) -> bool {
    let rest = word.iter().skip(4).chain(word.iter().take(4)).fold(0_u32, |rest, byte| {
        if byte.is_ascii_digit() { (rest * 10 + u32::from(byte - b'0')) % 97 } else { (rest * 100 + u32::from(byte - b'A') + 10) % 97 }
    });
    rest == 1
}

/// BIC and IFSC.
pub(super) fn bic(_: &[u8], at: usize, word: &[u8], glued: bool, labels: &Labels<'_>) -> Option<Found> {
    let letters = |from: usize, to: usize| word.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_uppercase));
    let span = Span::new(at, at + word.len());
    if glued {
        return None;
    }
    if word.len() == 11 && letters(0, 4) && word.get(4) == Some(&b'0') && labels.says(at, IFSC) {
        return Some(Found::financial("ifsc", span, 0.95));
    }
    let form = matches!(word.len(), 8 | 11) && letters(0, 6);
    (form && labels.says(at, BIC)).then(|| Found::financial("bic", span, 0.93))
}

/// Routing numbers, sort codes and account numbers, all of which need a word beside them.
pub(super) fn digits(_: &[u8], groups: &Groups, labels: &Labels<'_>) -> Option<Found> {
    groups.each(|number| {
        let says = |words: &[&str]| labels.says(number.span.start, words);
        let count = number.digits.len();
        let kind = match number.shape {
            "9" | "4-4-1"
                if weighted(number.digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
                    && says(ROUTING)
                    && !nearer(labels, number.span.start) =>
            {
                "routing-number"
            }
            "2-2-2" | "6" | "2 2 2" if says(SORT) && !nearer(labels, number.span.start) => "sort-code",
            "3-3" | "6" if says(BSB) && !nearer(labels, number.span.start) => "bsb",
            "18" if says(CLABE) => "clabe",
            "8" | "3 3 2" if says(BLZ) => "bank-code",
            _ if (6..=17).contains(&count) && says(ACCOUNT) && money(labels, number.span.start) => "account-number",
            _ => return None,
        };
        Some(Found::financial(kind, number.span, 0.9))
    })
}

/// Whether the word nearest to the value speaks of an account.
fn nearer(labels: &Labels<'_>, at: usize) -> bool {
    labels.last_of(at, &["account", "acct", "konto", "cuenta"], &["routing", "aba", "rtn", "transit", "sort", "bsb"])
}

/// Whether an account is one of a bank.
fn money(labels: &Labels<'_>, at: usize) -> bool {
    labels.says(at, BANK)
}
