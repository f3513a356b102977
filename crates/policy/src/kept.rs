//! Answers that are kept: a bounded map that forgets a part of itself when that part is full.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{PoisonError, RwLock};

/// Parts, each behind a lock of its own.
const PARTS: usize = 16;

/// A bounded map. What is forgotten is only asked for again.
pub(crate) struct Kept<K, V> {
    parts: [RwLock<HashMap<K, V>>; PARTS],
    /// The most entries of a part.
    most: usize,
    hasher: RandomState,
}

impl<K: Hash + Eq, V: Clone> Kept<K, V> {
    /// For at most `most` entries.
    pub(crate) fn new(most: usize) -> Self {
        Self { parts: Default::default(), most: (most / PARTS).max(1), hasher: RandomState::new() }
    }

    fn part(&self, key: &K) -> Option<&RwLock<HashMap<K, V>>> {
        let at = self.hasher.hash_one(key) % PARTS as u64;
        self.parts.get(usize::try_from(at).unwrap_or_default())
    }

    /// What is kept under `key`.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.part(key)?.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Keeps `value`.
    pub(crate) fn put(&self, key: K, value: V) {
        let Some(part) = self.part(&key) else { return };
        let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
        if part.len() >= self.most {
            part.clear();
        }
        part.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_has_room_for() {
        let kept = Kept::new(64);
        for at in 0..10_000 {
            kept.put(at, at + 1);
            assert_eq!(kept.get(&at), Some(at + 1));
        }
        let held: usize = kept.parts.iter().map(|part| part.read().unwrap().len()).sum();
        assert!(held <= 64, "{held}");
        assert_eq!(kept.get(&-1), None);
    }
}
