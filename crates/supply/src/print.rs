//! Text of a peer, made safe to look at.

use std::fmt::Write as _;

/// `text` with every character that is not seen, or that changes how others are seen, written `<U+XXXX>`.
///
/// Line feeds and tabs stay. Covers controls, zero-width and joining characters, bidirectional marks, variation
/// selectors, blank letters and tag characters.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if hidden(letter) {
            let _ = write!(out, "<U+{:04X}>", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

fn hidden(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' | '\u{FFA0}' => true,
        '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => true,
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E000}'..='\u{F8FF}' => true,
        '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}' => true,
        _ => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_seen() {
        assert_eq!(visible("a\u{200B}b\u{202E}c\u{E0041}d\u{1B}[0m\ne"), "a<U+200B>b<U+202E>c<U+E0041>d<U+001B>[0m\ne");
        assert_eq!(visible("größer 漢字 🙂"), "größer 漢字 🙂");
    }
}
