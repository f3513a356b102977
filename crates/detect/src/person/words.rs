//! What words are known as: names of people, ordinary words, titles, and what leads to or follows a name.

use std::collections::BTreeSet;

/// Given names of many countries.
const GIVEN_NAMES: &str = include_str!("../../data/given.txt");
/// Family names.
const FAMILY_NAMES: &str = include_str!("../../data/family.txt");
/// Words that ordinary text writes in lower case.
const ORDINARY_WORDS: &str = include_str!("../../data/words.txt");

/// A set of what a word is known as.
pub(super) type Known = u32;
pub(super) const GIVEN: Known = 1;
pub(super) const FAMILY: Known = 2;
pub(super) const ORDINARY: Known = 4;
pub(super) const TITLE: Known = 8;
/// Leads to a name without being one.
pub(super) const LEAD: Known = 16;
/// Follows what is the name of a thing or a place.
pub(super) const THING: Known = 32;

/// Bits of a slot that say what the word is; the others tell it from words that share the slot.
const FLAGS: Known = 0xff;

/// Known words, by their hashes: a word that is not there is taken for one that is about once in sixteen million times.
pub(super) struct Lexicon {
    slots: Box<[u32]>,
}

impl Lexicon {
    /// Of the lists of this crate, but for the names in `without`, and of more words, each in lower case.
    pub fn new(more: &[(&[&str], Known)], without: &BTreeSet<String>) -> Self {
        let lists = [(GIVEN_NAMES, GIVEN), (FAMILY_NAMES, FAMILY), (ORDINARY_WORDS, ORDINARY)];
        let words = || {
            lists
                .iter()
                .flat_map(|(list, known)| list.lines().map(|word| (word, *known)))
                .chain(more.iter().flat_map(|(list, known)| list.iter().map(|word| (*word, *known))))
        };
        let mut lexicon = Self { slots: vec![0; (words().count() * 3 / 2).next_power_of_two()].into_boxed_slice() };
        for (word, known) in words().filter(|(word, known)| *known & (GIVEN | FAMILY) == 0 || !without.contains(*word)) {
            let (mut place, tag) = lexicon.place(word.as_bytes());
            while let Some(slot) = lexicon.slots.get_mut(place) {
                if *slot == 0 || *slot & !FLAGS == tag {
                    *slot |= tag | known;
                    break;
                }
                place = (place + 1) & (lexicon.slots.len() - 1);
            }
        }
        lexicon
    }

    /// What `word`, in lower case, is known as.
    pub fn known(&self, word: &[u8]) -> Known {
        let (mut place, tag) = self.place(word);
        while let Some(slot) = self.slots.get(place).filter(|slot| **slot != 0) {
            if *slot & !FLAGS == tag {
                return *slot & FLAGS;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
        0
    }

    /// FNV-1a, with its high bits as the tag.
    fn place(&self, word: &[u8]) -> (usize, u32) {
        let hash = word.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [_, a, b, c, ..] = mixed.to_be_bytes();
        ((mixed as usize) & (self.slots.len() - 1), u32::from_be_bytes([a, b, c, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_list_is_known_and_others_are_not() {
        let lexicon = Lexicon::new(&[(&["mrs", "street"], TITLE), (&["street"], THING)], &BTreeSet::new());
        for (list, known) in [(GIVEN_NAMES, GIVEN), (FAMILY_NAMES, FAMILY), (ORDINARY_WORDS, ORDINARY)] {
            assert!(list.lines().all(|word| lexicon.known(word.as_bytes()) & known == known));
            assert!(list.lines().all(|word| !word.is_empty() && word.trim() == word));
        }
        assert_eq!(lexicon.known(b"street") & (TITLE | THING), TITLE | THING);
        assert_eq!(lexicon.known(b"mrs") & THING, 0);
        for word in ["", "zzzzz", "ann\nanna", "\n"] {
            assert_eq!(lexicon.known(word.as_bytes()), 0, "{word:?}");
        }
    }
}
