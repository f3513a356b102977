//! One digest over everything that a decision depends on.

use crate::Sources;
use sha2::{Digest, Sha256};

/// SHA-256 over the sources; places count, since records name them.
pub(crate) fn digest(sources: &Sources) -> [u8; 32] {
    let mut hash = Sha256::new();
    // The derived print is unambiguous (strings are quoted and escaped) and covers every field, future ones included.
    hash.update(format!("{sources:?}").as_bytes());
    hash.finalize().into()
}
