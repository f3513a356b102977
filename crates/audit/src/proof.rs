//! Proofs: that a leaf is in a tree, and that a tree grew out of another.

use crate::Error;
use crate::tree::{Hash, node};

/// Where proofs take hashes from: the root of the complete subtree of 2^`level` leaves that begins at leaf `index`·2^`level`.
pub trait Nodes {
    /// The root of that subtree.
    ///
    /// # Errors
    /// [`Error`] when the log does not have it or cannot be read.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error>;
}

/// The largest power of two that is less than `size`, for a size over one.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The root over the leaves `from..to`.
///
/// # Errors
/// As [`Nodes::node`].
pub fn root(nodes: &mut dyn Nodes, from: u64, to: u64) -> Result<Hash, Error> {
    let size = to.saturating_sub(from);
    if size == 0 {
        return Ok(crate::tree::empty());
    }
    if size.is_power_of_two() && from.is_multiple_of(size) {
        let level = size.trailing_zeros();
        return nodes.node(level, from >> level);
    }
    let left = split(size);
    Ok(node(&root(nodes, from, from + left)?, &root(nodes, from + left, to)?))
}

/// The audit path of leaf `index` in the tree of `size` leaves. Source: RFC 6962 §2.1.1.
///
/// # Errors
/// [`Error::Absent`] when the leaf is not in that tree; else as [`Nodes::node`].
pub fn inclusion(nodes: &mut dyn Nodes, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
    if index >= size {
        return Err(Error::Absent);
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(root(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `older` leaves is the start of the tree of `newer`. Source: RFC 6962 §2.1.2.
///
/// # Errors
/// [`Error::Absent`] when the older is not the smaller; else as [`Nodes::node`].
pub fn consistency(nodes: &mut dyn Nodes, older: u64, newer: u64) -> Result<Vec<Hash>, Error> {
    if older > newer {
        return Err(Error::Absent);
    }
    if older == newer || older == 0 {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (0, newer);
    let mut path = Vec::new();
    let mut whole = true;
    while older != to {
        let middle = from + split(to - from);
        if older <= middle {
            path.push(root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(root(nodes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(root(nodes, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an audit path. Source: RFC 9162 §2.1.3.2.
///
/// # Errors
/// [`Error::Proof`].
pub fn check_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], expected: &Hash) -> Result<(), Error> {
    if index >= size {
        return Err(Error::Proof);
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in path {
        if last == 0 {
            return Err(Error::Proof);
        }
        if place & 1 == 1 || place == last {
            hash = node(step, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *expected { Ok(()) } else { Err(Error::Proof) }
}

/// Checks a consistency proof. Source: RFC 9162 §2.1.4.2.
///
/// # Errors
/// [`Error::Proof`].
pub fn check_consistency(older: u64, newer: u64, path: &[Hash], older_root: &Hash, newer_root: &Hash) -> Result<(), Error> {
    if older > newer || (older == newer && older_root != newer_root) || (older == 0 && *older_root != crate::tree::empty()) {
        return Err(Error::Proof);
    }
    if older == newer || older == 0 {
        return if path.is_empty() { Ok(()) } else { Err(Error::Proof) };
    }
    let mut steps = path.iter();
    let first = if older.is_power_of_two() { *older_root } else { *steps.next().ok_or(Error::Proof)? };
    let (mut place, mut last) = (older - 1, newer - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut small, mut large) = (first, first);
    for step in steps {
        if last == 0 {
            return Err(Error::Proof);
        }
        if place & 1 == 1 || place == last {
            small = node(step, &small);
            large = node(step, &large);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            large = node(&large, step);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 && small == *older_root && large == *newer_root { Ok(()) } else { Err(Error::Proof) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Frontier, leaf, root_of};
    use proptest::prelude::*;

    struct Leaves(Vec<Hash>);

    impl Nodes for Leaves {
        fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
            let (from, to) = ((index << level) as usize, ((index + 1) << level) as usize);
            self.0.get(from..to).map(root_of).ok_or(Error::Absent)
        }
    }

    fn leaves(size: u64) -> Leaves {
        Leaves((0..size).map(|at| leaf(&at.to_le_bytes())).collect())
    }

    #[test]
    fn every_small_proof_holds() {
        for size in 1..40_u64 {
            let mut nodes = leaves(size);
            let top = root_of(&nodes.0);
            for index in 0..size {
                let path = inclusion(&mut nodes, index, size).unwrap();
                assert!(check_inclusion(&nodes.0[index as usize], index, size, &path, &top).is_ok(), "{index} in {size}");
            }
            for older in 0..=size {
                let path = consistency(&mut nodes, older, size).unwrap();
                let before = root_of(&nodes.0[..older as usize]);
                assert!(check_consistency(older, size, &path, &before, &top).is_ok(), "{older} in {size}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_proof_does_not_hold(size in 2_u64..600, pick in any::<u64>(), bit in 0_usize..256, step in any::<proptest::sample::Index>()) {
            let mut nodes = leaves(size);
            let mut frontier = Frontier::default();
            nodes.0.iter().for_each(|hash| frontier.push(*hash));
            let top = frontier.root();
            let index = pick % size;
            let mut path = inclusion(&mut nodes, index, size).unwrap();
            let own = nodes.0[index as usize];
            prop_assert!(check_inclusion(&own, index, size, &path, &top).is_ok());
            prop_assert!(check_inclusion(&own, (index + 1) % size, size, &path, &top).is_err());
            let at = step.index(path.len());
            path[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check_inclusion(&own, index, size, &path, &top).is_err());

            let older = 1 + pick % (size - 1);
            let before = root_of(&nodes.0[..older as usize]);
            let mut path = consistency(&mut nodes, older, size).unwrap();
            prop_assert!(check_consistency(older, size, &path, &before, &top).is_ok());
            prop_assert!(!path.is_empty());
            let at = step.index(path.len());
            path[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check_consistency(older, size, &path, &before, &top).is_err());
        }
    }
}
