//! The prefilter: one pass that finds every literal which announces something, of all detectors together.
//!
//! A table over four bytes, folded to lower case, and another over three for the literals of three, say for each place whether a literal may start
//! there. Both are asked for 64 places at once, without a branch; what passes is compared.

use crate::error::Error;
use crate::mask::{self, BLOCK, alphanumeric};

/// Bytes of a literal that the tables know.
const STEM: usize = 4;
/// The fewest bytes of a literal.
pub(crate) const SHORTEST: usize = 3;
/// Bytes of a literal that are compared at once.
const HEAD: usize = 8;
/// Places of the tables and of the index, as powers of two.
const LONG: u32 = 15;
const SHORT: u32 = 12;
const INDEX: u32 = 12;

/// What a table says of a place: a literal may start there, or may where a word starts.
const ANYWHERE: u8 = 1;
const AT_START: u8 = 2;

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

/// The first bytes of a literal, the first one lowest, and which bits of eight bytes are theirs.
struct Head {
    bytes: u64,
    known: u64,
}

/// A literal and who wants to know of it.
struct Word {
    text: Box<[u8]>,
    stands: Stands,
    reader: usize,
    index: usize,
}

/// All literals.
pub(crate) struct Words {
    long: Box<[u8; 1 << LONG]>,
    short: Box<[u8; 1 << SHORT]>,
    /// For each place of the index, which bytes go on behind the first three of its words.
    more: Box<[u64; 1 << INDEX]>,
    /// Where the words of each place of the index start.
    starts: Box<[u16]>,
    /// Of each word, in their order.
    heads: Vec<Head>,
    words: Vec<Word>,
}

/// A place where a literal may stand: its first bytes, their place in the index, and whether a word starts there.
struct Found {
    start: usize,
    head: u64,
    slot: usize,
    edge: bool,
}

/// The places of the stems of a block in the two tables; in 16 bits, of which compilers work on many at once.
#[inline(always)]
fn places(window: &[u8; BLOCK + HEAD]) -> ([u16; BLOCK], [u16; BLOCK]) {
    let [a, b, c, d]: [[u8; BLOCK]; STEM] =
        [mask::block(window, 0), mask::block(window, 1), mask::block(window, 2), mask::block(window, 3)];
    let (mut long, mut short) = ([0; BLOCK], [0; BLOCK]);
    for place in 0..BLOCK {
        let pair = (u16::from(a[place]) | u16::from(b[place]) << 8).wrapping_mul(0x9e3b);
        let more = pair.wrapping_add((u16::from(c[place]) | u16::from(d[place]) << 8).wrapping_mul(0x6a2d));
        long[place] = (more ^ more >> 8).wrapping_mul(0x85eb) >> (16 - LONG);
        short[place] = pair.wrapping_add(u16::from(c[place]).wrapping_mul(0x6a2d)) >> (16 - SHORT);
    }
    (long, short)
}

/// The bit of the fourth and fifth byte in [`Words::more`].
fn more(head: u64) -> u64 {
    1 << (((head >> 24).wrapping_mul(5) ^ (head >> 32 & 0xff)) % 64)
}

/// The place of a literal in the index.
fn slot(head: u64) -> usize {
    ((head as u32 & 0xff_ffff).wrapping_mul(0x9e37_79b1) >> (32 - INDEX)) as usize
}

impl Words {
    /// Of literals, compared without regard to the case of ASCII letters: text, where it stands, reader, and a number of the reader's own.
    ///
    /// # Errors
    /// [`Error::Bounds`] for a literal under [`SHORTEST`] bytes.
    pub fn new(literals: impl IntoIterator<Item = (String, Stands, usize, usize)>) -> Result<Self, Error> {
        let mut words = Vec::new();
        let (mut long, mut short) = (Box::new([0; 1 << LONG]), Box::new([0; 1 << SHORT]));
        for (text, stands, reader, index) in literals {
            let lower = text.to_ascii_lowercase().into_bytes();
            if lower.len() < SHORTEST {
                return Err(Error::Bounds { kind: text });
            }
            let ([of_long, ..], [of_short, ..]) = places(&mask::block(&lower, 0));
            let says = if stands == Stands::Anywhere { ANYWHERE } else { AT_START };
            if lower.len() < STEM {
                short[usize::from(of_short)] |= says;
            } else {
                long[usize::from(of_long)] |= says;
            }
            words.push(Word { text: lower.into_boxed_slice(), stands, reader, index });
        }
        let head = |word: &Word| u64::from_le_bytes(mask::block(&word.text, 0));
        words.sort_by_key(|word| slot(head(word)));
        let mut more = Box::new([0; 1 << INDEX]);
        for word in &words {
            more[slot(head(word))] |= if word.text.len() > STEM { self::more(head(word)) } else { u64::MAX };
        }
        let heads = words.iter().map(|word| Head { bytes: head(word), known: u64::MAX >> (8 * (HEAD - word.text.len().min(HEAD))) });
        let mut starts = vec![0_u16; (1 << INDEX) + 1].into_boxed_slice();
        for (place, start) in starts.iter_mut().enumerate() {
            *start = u16::try_from(words.partition_point(|word| slot(head(word)) < place))
                .map_err(|_| Error::Bounds { kind: "keywords".to_owned() })?;
        }
        Ok(Self { heads: heads.collect(), long, short, more, starts, words })
    }

    /// Shows every place of `bytes` where a literal stands, in order: the place, the reader, the reader's number.
    pub fn each(&self, bytes: &[u8], starts: Starts, mut with: impl FnMut(usize, usize, usize)) {
        let mut glued = 0;
        for at in (0..bytes.len()).step_by(BLOCK) {
            let mut window: [u8; BLOCK + HEAD] = mask::block(bytes, at);
            window.make_ascii_lowercase();
            let of_words = mask::of(&mask::block(&window, 0), alphanumeric);
            let edges = if starts == Starts::All { u64::MAX } else { !(of_words << 1 | glued) };
            glued = of_words >> (BLOCK - 1);
            let (anywhere, at_start) = self.may(&window);
            let mut here = anywhere | at_start & edges;
            while here != 0 {
                let place = here.trailing_zeros() as usize;
                let head = u64::from_le_bytes(mask::block(&window, place));
                here &= here - 1;
                let slot = slot(head);
                if self.more[slot] & more(head) != 0 {
                    let found = Found { start: at + place, head, slot, edge: edges >> place & 1 == 1 };
                    self.show(bytes, &found, &mut with);
                }
            }
        }
    }

    /// At which places of a block a literal may start, and at which where a word starts.
    #[inline(always)]
    fn may(&self, window: &[u8; BLOCK + HEAD]) -> (u64, u64) {
        let (long, short) = places(window);
        let mut lanes = [0; BLOCK];
        for ((lane, long), short) in lanes.iter_mut().zip(long).zip(short) {
            *lane = self.long[usize::from(long) % (1 << LONG)] | self.short[usize::from(short) % (1 << SHORT)];
        }
        (mask::pack(&lanes.map(|lane| lane & ANYWHERE)), mask::pack(&lanes.map(|lane| lane >> 1)))
    }

    fn show(&self, bytes: &[u8], &Found { start, head, slot, edge }: &Found, with: &mut impl FnMut(usize, usize, usize)) {
        let from = self.starts.get(slot).copied().map_or(0, usize::from);
        let to = self.starts.get(slot + 1).copied().map_or(0, usize::from);
        let heads = self.heads.get(from..to).unwrap_or_default();
        for (place, _) in heads.iter().enumerate().filter(|(_, one)| (head ^ one.bytes) & one.known == 0) {
            let Some(word) = self.words.get(from + place) else { continue };
            let Some(here) = bytes.get(start..start + word.text.len()) else { continue };
            let open = || bytes.get(start + word.text.len()).is_none_or(|byte| !byte.is_ascii_alphabetic());
            let stands = match word.stands {
                Stands::Anywhere => true,
                Stands::AtStart => edge,
                Stands::Alone => edge && open(),
            };
            if stands && here.eq_ignore_ascii_case(&word.text) {
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
