//! Where a keyword may start: a vectorised search for the first three bytes of each, which ordinary text passes at a few bytes an instruction.

use crate::error::Error;
use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Span};
use std::collections::BTreeMap;

/// Bytes of a keyword that the search looks at: the fewest that a keyword has.
pub(crate) const STEM: usize = 3;
/// Stems of one vectorised search; more of them make it slower than two.
const PACK: usize = 48;

/// A literal and the rules that it announces.
struct Word {
    text: Vec<u8>,
    rules: Vec<usize>,
}

/// All keywords, found by their stems in text in lower case.
pub(super) struct Prefilter {
    packs: Vec<Pack>,
}

/// Some stems, and the words behind each in the order of the search's patterns.
struct Pack {
    search: Search,
    words: Vec<Vec<Word>>,
}

enum Search {
    Packed(Searcher),
    /// For machines without the vector instructions.
    Plain(AhoCorasick),
}

impl Prefilter {
    /// Of keywords in lower case, each of [`STEM`] bytes at least, and the rules that each announces.
    pub fn new(words: BTreeMap<String, Vec<usize>>) -> Result<Self, Error> {
        let mut stems: BTreeMap<Vec<u8>, Vec<Word>> = BTreeMap::new();
        for (text, rules) in words {
            let text = text.into_bytes();
            let stem = text.get(..STEM).ok_or_else(|| Error::Bounds { kind: String::from_utf8_lossy(&text).into_owned() })?;
            stems.entry(stem.to_vec()).or_default().push(Word { text, rules });
        }
        let mut stems = stems.into_iter().peekable();
        let mut packs = Vec::new();
        while stems.peek().is_some() {
            let (stems, words): (Vec<_>, Vec<_>) = stems.by_ref().take(PACK).unzip();
            packs.push(Pack { search: Search::new(&stems)?, words });
        }
        Ok(Self { packs })
    }

    /// Shows every place of `lower` where a keyword stands, with a rule that it announces.
    pub fn each(&self, lower: &[u8], mut with: impl FnMut(usize, usize)) {
        for pack in &self.packs {
            let mut from = 0;
            while let Some((stem, at)) = pack.search.next(lower, from) {
                let rest = lower.get(at..).unwrap_or_default();
                for word in pack.words.get(stem).into_iter().flatten().filter(|word| rest.starts_with(&word.text)) {
                    word.rules.iter().for_each(|rule| with(at, *rule));
                }
                from = at + 1;
            }
        }
    }
}

impl Search {
    fn new(stems: &[Vec<u8>]) -> Result<Self, Error> {
        if let Some(searcher) = packed::Config::new().builder().extend(stems).build() {
            return Ok(Self::Packed(searcher));
        }
        let plain = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(stems);
        plain.map(Self::Plain).map_err(|cause| Error::Pattern { kind: "keywords".to_owned(), cause: cause.to_string() })
    }

    /// The first stem at or after `from`, and where.
    fn next(&self, lower: &[u8], from: usize) -> Option<(usize, usize)> {
        let rest = Span::from(from..lower.len());
        let found = match self {
            Self::Packed(searcher) => searcher.find_in(lower, rest),
            Self::Plain(plain) => plain.find(aho_corasick::Input::new(lower).span(rest)),
        };
        found.map(|found| (found.pattern().as_usize(), found.start()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(words: &[&str]) -> [Prefilter; 2] {
        let made = || Prefilter::new(words.iter().enumerate().map(|(rule, word)| ((*word).to_owned(), vec![rule])).collect()).unwrap();
        let mut plain = made();
        for pack in &mut plain.packs {
            let stems: Vec<Vec<u8>> = pack.words.iter().map(|words| words[0].text[..STEM].to_vec()).collect();
            pack.search = Search::Plain(AhoCorasick::new(stems).unwrap());
        }
        [made(), plain]
    }

    proptest! {
        #[test]
        fn every_place_of_every_word_is_found(text in "[abk-]{0,120}", words in prop::collection::btree_set("[abk-]{3,6}", 1..80)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut expected: Vec<(usize, usize)> = Vec::new();
            for (rule, word) in words.iter().enumerate() {
                expected.extend((0..text.len()).filter(|at| text[*at..].starts_with(word)).map(|at| (at, rule)));
            }
            expected.sort_unstable();
            for prefilter in both(&words) {
                let mut found = Vec::new();
                prefilter.each(text.as_bytes(), |at, rule| found.push((at, rule)));
                found.sort_unstable();
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    #[test]
    fn a_word_without_a_stem_is_refused() {
        assert!(Prefilter::new([("ab".to_owned(), vec![0])].into()).is_err());
    }
}
