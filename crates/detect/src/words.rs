//! The prefilter: one pass that finds every literal which announces something, of all detectors together.
//!
//! A bitmap over the last four bytes, folded to lower case, and another over three for the literals of three, say for each place
//! whether a literal may start there; ordinary text passes them at a few instructions a byte.

use crate::error::Error;

/// Bytes of a literal that the bitmap knows.
const STEM: usize = 4;
/// The fewest bytes of a literal.
pub(crate) const SHORTEST: usize = 3;
/// Places of the bitmaps and of the index, as powers of two.
const MAP: u32 = 18;
const SHORT: u32 = 14;
const INDEX: u32 = 12;

/// ASCII letters in lower case, all else as it is.
const FOLD: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).to_ascii_lowercase();
        at += 1;
    }
    table
};

/// Where a literal has to stand to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Anywhere.
    Anywhere,
    /// Behind what is no letter or digit.
    AtStart,
    /// As [`AtStart`](Self::AtStart), and before what is no letter.
    Alone,
}

/// Which places of a text count as the start of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starts {
    /// Those behind what is no letter or digit.
    Written,
    /// All: the readers know better.
    All,
}

/// 1 for what a word may start behind.
const EDGE: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = !(at as u8).is_ascii_alphanumeric() as u8;
        at += 1;
    }
    table
};

/// A literal and who wants to know of it.
struct Word {
    text: Box<[u8]>,
    stands: Stands,
    reader: usize,
    index: usize,
}

/// All literals.
pub(crate) struct Words {
    map: Map<MAP>,
    short: Map<SHORT>,
    /// Where the words of each place of the index start.
    starts: Box<[u16]>,
    words: Vec<Word>,
}

fn mixed(stem: u32, bits: u32) -> usize {
    (stem.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

/// The first bytes of a word as the pass sees them, the first one lowest.
fn stem(text: &[u8], len: usize) -> u32 {
    text.iter().take(len).rev().fold(0, |stem, byte| stem << 8 | u32::from(*byte))
}

/// Bits for stems, behind what is an edge and what is none.
struct Map<const BITS: u32>(Box<[u64]>);

impl<const BITS: u32> Map<BITS> {
    fn new() -> Self {
        Self(vec![0; 1 << (BITS - 6)].into_boxed_slice())
    }

    fn place(stem: u32, edge: u32) -> (usize, u32) {
        let place = mixed(stem, BITS) ^ (edge as usize) << (BITS - 1);
        (place >> 6, (place & 63) as u32)
    }

    fn enter(&mut self, stem: u32, edge: u32) {
        let (slot, bit) = Self::place(stem, edge);
        if let Some(slot) = self.0.get_mut(slot) {
            *slot |= 1 << bit;
        }
    }

    fn has(&self, stem: u32, edge: u32) -> bool {
        let (slot, bit) = Self::place(stem, edge);
        self.0.get(slot).is_some_and(|slot| slot >> bit & 1 == 1)
    }
}

impl Words {
    /// Of literals, compared without regard to the case of ASCII letters: text, where it stands, reader, and a number of the reader's own.
    ///
    /// # Errors
    /// [`Error::Bounds`] for a literal under [`SHORTEST`] bytes.
    pub fn new(literals: impl IntoIterator<Item = (String, Stands, usize, usize)>) -> Result<Self, Error> {
        let mut words = Vec::new();
        let (mut map, mut short) = (Map::new(), Map::new());
        for (text, stands, reader, index) in literals {
            let lower = text.to_ascii_lowercase().into_bytes();
            if lower.len() < SHORTEST {
                return Err(Error::Bounds { kind: text });
            }
            for edge in u32::from(stands != Stands::Anywhere)..=1 {
                if lower.len() < STEM {
                    short.enter(stem(&lower, SHORTEST), edge);
                } else {
                    map.enter(stem(&lower, STEM), edge);
                }
            }
            words.push(Word { text: lower.into_boxed_slice(), stands, reader, index });
        }
        let place = |word: &Word| mixed(stem(&word.text, SHORTEST), INDEX);
        words.sort_by_key(place);
        let mut starts = vec![0_u16; (1 << INDEX) + 1].into_boxed_slice();
        for (slot, start) in starts.iter_mut().enumerate() {
            *start = u16::try_from(words.partition_point(|word| place(word) < slot))
                .map_err(|_| Error::Bounds { kind: "keywords".to_owned() })?;
        }
        Ok(Self { map, short, starts, words })
    }

    /// Shows every place of `bytes` where a literal stands, in order: the place, the reader, the reader's number.
    pub fn each(&self, bytes: &[u8], starts: Starts, mut with: impl FnMut(usize, usize, usize)) {
        let everywhere = u32::from(starts == Starts::All);
        let (mut last, mut edges) = (0_u32, u32::MAX);
        // INVARIANT: `last` holds the four bytes up to the one that was read, the first of them lowest; bit `n` of `edges` tells of the byte read `n` before.
        let mut step = |at: usize, byte: u8| {
            last = last >> 8 | u32::from(FOLD[usize::from(byte)]) << 24;
            edges = edges << 1 | u32::from(EDGE[usize::from(byte)]);
            let edge = edges >> 4 & 1 | everywhere;
            if self.map.has(last, edge) | self.short.has(last & 0xff_ffff, edge)
                && let Some(start) = at.checked_sub(STEM - 1)
            {
                self.show(bytes, start, last & 0xff_ffff, starts, &mut with);
            }
        };
        for (at, byte) in bytes.iter().enumerate() {
            step(at, *byte);
        }
        step(bytes.len(), 0);
    }

    #[inline(never)]
    fn show(&self, bytes: &[u8], start: usize, stem: u32, starts: Starts, with: &mut impl FnMut(usize, usize, usize)) {
        let slot = mixed(stem, INDEX);
        let from = self.starts.get(slot).copied().map_or(0, usize::from);
        let to = self.starts.get(slot + 1).copied().map_or(0, usize::from);
        let edge =
            starts == Starts::All || start.checked_sub(1).and_then(|at| bytes.get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        for word in self.words.get(from..to).unwrap_or_default() {
            let Some(here) = bytes.get(start..start + word.text.len()) else { continue };
            let open = || bytes.get(start + word.text.len()).is_none_or(|byte| !byte.is_ascii_alphabetic());
            let stands = match word.stands {
                Stands::Anywhere => true,
                Stands::AtStart => edge,
                Stands::Alone => edge && open(),
            };
            if stands && here.iter().zip(&word.text).all(|(one, other)| FOLD[usize::from(*one)] == *other) {
                with(start, word.reader, word.index);
            }
        }
    }
}

/// Blocks of a text in which something stands.
#[derive(Default)]
pub(crate) struct Blocks(Vec<u64>);

impl Blocks {
    /// Bytes of one block, as a power of two.
    const BLOCK: usize = 6;

    /// Empties it for a text of `len` bytes.
    pub fn reset(&mut self, len: usize) {
        self.0.clear();
        self.0.resize((len >> (Self::BLOCK + 6)) + 1, 0);
    }

    /// Marks the block of `at`.
    pub fn mark(&mut self, at: usize) {
        let block = at >> Self::BLOCK;
        if let Some(slot) = self.0.get_mut(block >> 6) {
            *slot |= 1 << (block & 63);
        }
    }

    /// Whether any block from that of `start` to that of `end` is marked.
    pub fn any(&self, start: usize, end: usize) -> bool {
        (start >> Self::BLOCK..=end >> Self::BLOCK).any(|block| self.0.get(block >> 6).is_some_and(|slot| slot >> (block & 63) & 1 == 1))
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
            let made = Words::new(words.iter().enumerate().map(|(index, word)| ((*word).to_owned(), Stands::Anywhere, 7, index))).unwrap();
            let mut found = Vec::new();
            made.each(text.as_bytes(), Starts::Written, |at, reader, index| found.push((at, index + reader - 7)));
            found.sort_unstable();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn a_word_without_a_stem_is_refused() {
        assert!(Words::new([("ab".to_owned(), Stands::Anywhere, 0, 0)]).is_err());
    }

    #[test]
    fn words_stand_where_they_have_to() {
        let words = [("key", Stands::Anywhere, 0, 0), ("ssn", Stands::Alone, 0, 1), ("ghp_", Stands::AtStart, 0, 2)];
        let words = Words::new(words.map(|(text, stands, reader, index)| (text.to_owned(), stands, reader, index))).unwrap();
        let found = |text: &str, starts| {
            let mut found = Vec::new();
            words.each(text.as_bytes(), starts, |_, _, index| found.push(index));
            found
        };
        assert_eq!(found("monkeys, SSN: 1, ghp_x", Starts::Written), [0, 1, 2]);
        assert_eq!(found("sessnum xghp_x mssn ssn", Starts::Written), [1]);
        assert_eq!(found("xghp_x", Starts::All), [2]);
    }

    #[test]
    fn blocks_are_found_by_their_places() {
        let mut blocks = Blocks::default();
        blocks.reset(10_000);
        blocks.mark(700);
        assert!(blocks.any(644, 700) && blocks.any(650, 760) && !blocks.any(768, 9_999) && !blocks.any(0, 639));
    }
}
