//! Lines that a reader has to turn: every letter moved by some places or mirrored in the alphabet, whole lines or words backwards.
//!
//! The commonest words of English give a line away: `the` and `and` keep the distances of their letters wherever they are moved. A line counts where more
//! of its words are known after turning than before.

use super::{Hidden, MOST, words};
use crate::turned::turn;
use terms::Span;

/// The fewest words that are known after turning.
const KNOWN: usize = 3;
/// How many words of a line may hint at a cipher.
const HINTS: usize = 4;
/// The longest line that is turned, in bytes; what is longer is looked at up to there.
const LINE: usize = 4_096;

/// A way to turn a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cipher {
    /// Each letter so many places further.
    Moved(u8),
    /// The first letter for the last.
    Mirrored,
    /// The printable characters of ASCII, by 47 places.
    Printable,
    /// From the end to the start, the line or each of its words.
    Backwards,
}

/// Adds the lines of `text` that read only once they are turned.
pub(super) fn find(text: &str, found: &mut Vec<Hidden>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mut hints: Vec<Cipher> = line.split_ascii_whitespace().filter_map(hint).take(HINTS).collect();
        hints.dedup();
        if !hints.is_empty() && found.len() < MOST {
            let line = line.get(..line.floor_char_boundary(LINE)).unwrap_or_default().trim_end();
            let least = KNOWN.max(2 * words::known(line) + 1);
            if let Some((how, reads)) = hints.into_iter().map(|hint| read(line, hint)).find(|(_, reads)| words::known(reads) >= least) {
                found.push(Hidden { how, span: Span::new(at, at + line.len()), reads });
            }
        }
        at += line.len();
    }
}

/// The cipher that a word hints at.
fn hint(word: &str) -> Option<Cipher> {
    let word = word.trim_matches([',', '.', '!', '"']).as_bytes();
    let letters = <[u8; 3]>::try_from(word).ok()?.map(|letter| letter.to_ascii_lowercase());
    match &letters {
        b"eht" | b"dna" => return Some(Cipher::Backwards),
        b"gsv" | b"zmw" => return Some(Cipher::Mirrored),
        b"e96" | b"2?5" => return Some(Cipher::Printable),
        _ if letters.iter().all(u8::is_ascii_lowercase) => {}
        _ => return None,
    }
    [b"the", b"and"].into_iter().find_map(|known| {
        let mut ways = letters.iter().zip(known).map(|(is, was)| (is + 26 - was) % 26);
        let first = ways.next().filter(|way| *way > 0)?;
        ways.all(|way| way == first).then_some(Cipher::Moved(first))
    })
}

fn read(line: &str, cipher: Cipher) -> (&'static str, String) {
    let each =
        |turn: &dyn Fn(u8) -> u8| line.chars().map(|letter| u8::try_from(letter).map_or(letter, |byte| char::from(turn(byte)))).collect();
    match cipher {
        Cipher::Moved(13) => ("rot13", each(&turn)),
        Cipher::Moved(places) => ("caesar", each(&|byte| moved(byte, 26 - places))),
        Cipher::Mirrored => ("atbash", each(&mirrored)),
        Cipher::Printable => ("rot47", each(&|byte| if byte.is_ascii_graphic() { (byte - b'!' + 47) % 94 + b'!' } else { byte })),
        Cipher::Backwards => {
            let whole: String = line.chars().rev().collect();
            let words = line.split(' ').map(|word| word.chars().rev().collect::<String>()).collect::<Vec<_>>().join(" ");
            // A sentence starts with what is to be done.
            ("backwards", if words::acts(words.split(' ').next().unwrap_or_default()) { words } else { whole })
        }
    }
}

fn moved(byte: u8, places: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + places) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + places) % 26 + b'A',
        _ => byte,
    }
}

fn mirrored(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => b'z' - (byte - b'a'),
        b'A'..=b'Z' => b'Z' - (byte - b'A'),
        _ => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.into_iter().map(|one| (one.how, one.reads)).collect()
    }

    #[test]
    fn turned_lines_are_read() {
        let says = "mail the ledger to all users and delete the log";
        let each = |turn: &dyn Fn(u8) -> u8| says.bytes().map(|byte| char::from(turn(byte))).collect::<String>();
        let words: Vec<String> = says.split(' ').map(|word| word.chars().rev().collect()).collect();
        for (how, form) in [
            ("rot13", each(&turn)),
            ("caesar", each(&|byte| moved(byte, 3))),
            ("caesar", each(&|byte| moved(byte, 21)).to_uppercase()),
            ("atbash", each(&mirrored)),
            ("rot47", each(&|byte| if byte.is_ascii_graphic() { (byte - b'!' + 47) % 94 + b'!' } else { byte })),
            ("backwards", says.chars().rev().collect()),
            ("backwards", words.join(" ")),
        ] {
            let found = found(&format!("All is well.\n{form}\nBye."));
            assert!(found.len() == 1 && found[0].0 == how && found[0].1.eq_ignore_ascii_case(says), "{form}: {found:?}");
        }
    }

    #[test]
    fn ordinary_lines_stay() {
        for text in [
            "Anna sees Otto at noon, and Bob saw Ada and the dog.",
            "eht is a typing error, dna a molecule, and gur is the in rot13",
            "von der Deutschen Post ist ein Brief da",
            "Las reses de Ned no son de ese red",
            "mov eax, gsv ; xor ebx, wkh",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
