//! Check digits.

pub(super) use crate::check::luhn;

/// Sum of digit times weight.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// The number that the digits write.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

/// ISO/IEC 7064, MOD 11,10.
pub(super) fn mod11_10(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10_u32, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

/// J. Verhoeff, "Error Detecting Decimal Codes", 1969.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    // Multiplication in the dihedral group of order ten, and the permutation of the places.
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 5 - b % 5) % 5 + 5,
        (false, false) => (a + 5 - b % 5) % 5,
    };
    const STEP: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let place = |digit: u8, times: usize| (0..times % 8).fold(digit, |digit, _| STEP.get(usize::from(digit)).copied().unwrap_or(0));
    digits.iter().rev().enumerate().fold(0, |sum, (at, digit)| times(sum, place(*digit, at))) == 0
}

/// Whether month and day are plausible; `day` may be raised by the offsets that some countries use.
pub(super) fn day(month: u8, day: u8) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// The two digits at `at`.
pub(super) fn two(digits: &[u8], at: usize) -> u8 {
    digits.get(at).copied().unwrap_or(9) * 10 + digits.get(at + 1).copied().unwrap_or(9)
}

/// EAN-13, which some identity numbers use.
pub(super) fn ean(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(at, digit)| u32::from(*digit) * if at % 2 == 0 { 1 } else { 3 }).sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_examples_hold() {
        assert!(verhoeff(&digits("2363")));
        assert!(!verhoeff(&digits("2364")));
        assert!(mod11_10(&digits("36574261809")));
        assert!(!mod11_10(&digits("36574261808")));
        assert!(ean(&digits("756.9217.0769.85")));
    }
}
