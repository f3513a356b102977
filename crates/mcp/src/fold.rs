//! When two spellings look or compare alike: NFKC, then case folding.

use unicode_normalization::UnicodeNormalization;

/// `text` in NFKC with case folded, for comparison only.
///
/// Upper case first, then lower, so that letters with one-to-many folds (`ß`, `ſ`, the Kelvin sign) meet.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let wide: String = text.nfkc().collect();
    wide.to_uppercase().to_lowercase().nfkc().collect()
}

/// Whether two spellings are alike under [`fold`].
pub fn alike(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() { one.eq_ignore_ascii_case(other) } else { fold(one) == fold(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_look_alike_are_alike() {
        for (one, other) in [("name", "Name"), ("name", "ｎame"), ("straße", "STRASSE"), ("k", "\u{212a}"), ("é", "e\u{301}"), ("s", "ſ")]
        {
            assert!(alike(one, other), "{one} {other}");
        }
        assert!(!alike("name", "names"));
    }
}
