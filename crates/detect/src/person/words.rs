//! Lists of words, sorted by bytes, one a line; looked up in place.

/// Given names of many countries.
pub(super) const GIVEN: List = List(include_str!("../../data/given.txt"));
/// Family names.
pub(super) const FAMILY: List = List(include_str!("../../data/family.txt"));
/// Words that ordinary text writes in lower case.
pub(super) const ORDINARY: List = List(include_str!("../../data/words.txt"));

/// A sorted list.
pub(super) struct List(&'static str);

impl List {
    /// Whether `word`, in lower case, is in it.
    pub fn has(&self, word: &str) -> bool {
        let (bytes, wanted) = (self.0.as_bytes(), word.as_bytes());
        let (mut low, mut high) = (0, bytes.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let start = bytes.get(low..middle).and_then(|part| memchr::memrchr(b'\n', part)).map_or(low, |at| low + at + 1);
            let end = bytes.get(start..).and_then(|part| memchr::memchr(b'\n', part)).map_or(bytes.len(), |len| start + len);
            match bytes.get(start..end).unwrap_or_default().cmp(wanted) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = end + 1,
                std::cmp::Ordering::Greater => high = start,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_list_is_found_and_others_are_not() {
        for list in [GIVEN, FAMILY, ORDINARY] {
            assert!(list.0.lines().all(|word| list.has(word)));
            assert!(list.0.lines().collect::<Vec<_>>().is_sorted_by(|one, next| one.as_bytes() < next.as_bytes()));
        }
        for word in ["", "zzzzz", "a", "ann\nanna", "\n"] {
            assert!(!GIVEN.has(word), "{word:?}");
        }
    }
}
