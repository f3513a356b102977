//! The Merkle tree of RFC 6962, grown leaf by leaf.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256 of a zero byte and the record. Source: RFC 6962 §2.1.
pub fn leaf(record: &[u8]) -> Hash {
    Sha256::new().chain_update([0_u8]).chain_update(record).finalize().into()
}

/// The hash of an inner node: SHA-256 of a one byte and both children. Source: RFC 6962 §2.1.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1_u8]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree.
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The roots of the complete subtrees of a tree, largest first: as many as its size has set bits, and all that is needed to grow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves, if there are as many hashes as it has.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (u32::try_from(hashes.len()) == Ok(size.count_ones())).then_some(Self { size, hashes })
    }

    /// Leaves in the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut rest = self.size;
        while rest & 1 == 1 {
            if let Some(left) = self.hashes.pop() {
                hash = node(&left, &hash);
            }
            rest >>= 1;
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        let mut from_right = self.hashes.iter().rev();
        let Some(last) = from_right.next() else { return empty() };
        from_right.fold(*last, |right, left| node(left, &right))
    }
}

/// The root over `hashes` taken as leaves.
pub fn root_of(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(*hash);
    }
    frontier.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roots of the trees of the first n inputs. Source: the test vectors of Certificate Transparency's reference implementation.
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        for (size, expected) in roots.iter().enumerate() {
            assert_eq!(hex::encode(frontier.root()), *expected, "size {size}");
            if let Some(input) = inputs.get(size) {
                frontier.push(leaf(&hex::decode(input).unwrap()));
            }
        }
    }
}
