//! The prefilter: one pass that finds every literal which announces something, of all detectors together.
//!
//! A bitmap over the last four bytes, folded to lower case, says for each place whether a literal may start there; ordinary
//! text passes it at a few instructions a byte.

use crate::error::Error;

/// Bytes of a literal that the bitmap knows; one that is a byte shorter is entered with every byte behind it.
const STEM: usize = 4;
/// The fewest bytes of a literal.
pub(crate) const SHORTEST: usize = 3;
/// Places of the bitmap and of the index, as powers of two.
const MAP: u32 = 17;
const INDEX: u32 = 12;

/// ASCII letters in lower case, all else as it is.
pub(crate) const FOLD: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).to_ascii_lowercase();
        at += 1;
    }
    table
};

/// A literal and who wants to know of it.
struct Word {
    text: Box<[u8]>,
    reader: usize,
    index: usize,
}

/// All literals.
pub(crate) struct Words {
    map: Box<[u64]>,
    /// Where the words of each place of the index start.
    starts: Box<[u16]>,
    words: Vec<Word>,
}

fn mixed(stem: u32, bits: u32) -> usize {
    (stem.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

/// The first bytes of a word as the pass sees them, the first one lowest; `last` stands for the fourth where there is none.
fn stem(text: &[u8], last: u8) -> u32 {
    let at = |place: usize| text.get(place).copied().unwrap_or(last);
    u32::from_le_bytes([at(0), at(1), at(2), at(3)])
}

impl Words {
    /// Of literals, compared without regard to the case of ASCII letters: text, reader, and a number of the reader's own.
    ///
    /// # Errors
    /// [`Error::Bounds`] for a literal under [`SHORTEST`] bytes.
    pub fn new(literals: impl IntoIterator<Item = (String, usize, usize)>) -> Result<Self, Error> {
        let mut words = Vec::new();
        let mut map = vec![0_u64; 1 << (MAP - 6)].into_boxed_slice();
        for (text, reader, index) in literals {
            let lower = text.to_ascii_lowercase().into_bytes();
            if lower.len() < SHORTEST {
                return Err(Error::Bounds { kind: text });
            }
            let ends = if lower.len() < STEM { 0..=u8::MAX } else { 0..=0 };
            for last in ends {
                let place = mixed(stem(&lower, last), MAP);
                if let Some(slot) = map.get_mut(place >> 6) {
                    *slot |= 1 << (place & 63);
                }
            }
            words.push(Word { text: lower.into_boxed_slice(), reader, index });
        }
        let place = |word: &Word| mixed(stem(word.text.get(..SHORTEST).unwrap_or_default(), 0), INDEX);
        words.sort_by_key(place);
        let mut starts = vec![0_u16; (1 << INDEX) + 1].into_boxed_slice();
        for (slot, start) in starts.iter_mut().enumerate() {
            *start = u16::try_from(words.partition_point(|word| place(word) < slot)).map_err(|_| Error::Bounds { kind: "keywords".to_owned() })?;
        }
        Ok(Self { map, starts, words })
    }

    /// Shows every place of `bytes` where a literal stands, in order: the place, the reader, the reader's number.
    pub fn each(&self, bytes: &[u8], mut with: impl FnMut(usize, usize, usize)) {
        let mut last = 0_u32;
        // INVARIANT: `last` holds the four bytes up to the one that was read, the first of them lowest.
        let padded = bytes.iter().chain(std::iter::once(&0)).enumerate();
        for (at, byte) in padded {
            last = last >> 8 | u32::from(FOLD[usize::from(*byte)]) << 24;
            let place = mixed(last, MAP);
            if self.map.get(place >> 6).is_some_and(|slot| slot >> (place & 63) & 1 == 1)
                && let Some(start) = at.checked_sub(STEM - 1)
            {
                self.show(bytes, start, last & 0xff_ffff, &mut with);
            }
        }
    }

    #[inline(never)]
    fn show(&self, bytes: &[u8], start: usize, stem: u32, with: &mut impl FnMut(usize, usize, usize)) {
        let slot = mixed(stem, INDEX);
        let from = self.starts.get(slot).copied().map_or(0, usize::from);
        let to = self.starts.get(slot + 1).copied().map_or(0, usize::from);
        for word in self.words.get(from..to).unwrap_or_default() {
            let here = bytes.get(start..start + word.text.len()).unwrap_or_default();
            let same = here.len() == word.text.len() && here.iter().zip(&word.text).all(|(one, other)| FOLD[usize::from(*one)] == *other);
            if same {
                with(start, word.reader, word.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_place_of_every_word_is_found(text in "[abkK-]{0,120}", words in prop::collection::btree_set("[abk-]{3,6}", 1..80)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut expected: Vec<(usize, usize)> = Vec::new();
            let lower = text.to_ascii_lowercase();
            for (index, word) in words.iter().enumerate() {
                expected.extend((0..text.len()).filter(|at| lower[*at..].starts_with(word)).map(|at| (at, index)));
            }
            expected.sort_unstable();
            let made = Words::new(words.iter().enumerate().map(|(index, word)| ((*word).to_owned(), 7, index))).unwrap();
            let mut found = Vec::new();
            made.each(text.as_bytes(), |at, reader, index| found.push((at, index + reader - 7)));
            found.sort_unstable();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn a_word_without_a_stem_is_refused() {
        assert!(Words::new([("ab".to_owned(), 0, 0)]).is_err());
    }
}
