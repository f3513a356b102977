//! Who shares what there is too little of.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::LazyLock;

/// Parties that are told apart at most.
pub const PARTIES: usize = 64;

/// One of the parties among whom something is shared. Two may be taken for one, and then have one share; nobody can choose with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party(pub(crate) u8);

impl Party {
    /// The party that `what` tells apart from others.
    pub fn of(what: &(impl Hash + ?Sized)) -> Self {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self((KEYS.hash_one(what) % PARTIES as u64) as u8)
    }

    /// Below [`PARTIES`].
    pub fn at(self) -> usize {
        usize::from(self.0)
    }
}
