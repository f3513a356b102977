//! Tiles: the tree's hashes in files of 256, after C2SP tlog-tiles.
//!
//! Only full tiles are kept as files. What a partial tile would hold follows from the segments.

use crate::tree::{Frontier, Hash, root_of};

/// Hashes in a full tile.
pub const WIDTH: usize = 256;
/// Bytes of a full tile.
pub const BYTES: usize = WIDTH * 32;
/// Levels of tiles that a tree can have.
pub const LEVELS: u8 = 8;

/// The tile's path in the log's folder: `tile/<L>/<N>`, N in groups of three digits, all but the last with an `x`. Source: C2SP tlog-tiles.
pub fn path(level: u8, index: u64) -> String {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    format!("tile/{level}/{}", groups.join("/"))
}

/// How many full tiles of `level` a tree of `size` leaves has.
pub const fn full(level: u8, size: u64) -> u64 {
    let shift = 8 * (level as u32 + 1);
    if shift >= 64 { 0 } else { size >> shift }
}

/// The hashes in a full tile's bytes, if they are one.
pub fn read(bytes: &[u8]) -> Option<Vec<Hash>> {
    if bytes.len() != BYTES {
        return None;
    }
    Some(bytes.as_chunks::<32>().0.to_vec())
}

/// A tile that became full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// Its level, from 0.
    pub level: u8,
    /// Its index within the level.
    pub index: u64,
    /// Its hashes.
    pub hashes: Vec<Hash>,
}

impl Full {
    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// Its path.
    pub fn path(&self) -> String {
        path(self.level, self.index)
    }
}

/// Gathers leaves into tiles, level over level.
#[derive(Clone, Debug, Default)]
pub struct Tiler {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Tiler {
    /// The tiler of a tree of `size` leaves, `levels` holding the hashes of the partial tile of each level, lowest first.
    pub fn resume(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = (0_u8..).zip(&levels).all(|(level, hashes)| hashes.len() as u64 == (size >> (8 * u32::from(level))) % WIDTH as u64);
        let whole = levels.len() >= usize::from(LEVELS) || size >> (8 * levels.len()) == 0;
        (fits && whole).then_some(Self { size, levels })
    }

    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf's hash; gives the tiles that it filled, lowest first.
    pub fn push(&mut self, leaf: Hash) -> Vec<Full> {
        let mut filled = Vec::new();
        let mut hash = leaf;
        self.size += 1;
        for level in 0..LEVELS {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(at) else { break };
            hashes.push(hash);
            if hashes.len() < WIDTH {
                break;
            }
            let hashes = std::mem::take(hashes);
            hash = root_of(&hashes);
            filled.push(Full { level, index: full(level, self.size) - 1, hashes });
        }
        filled
    }

    /// The frontier of the tree, built from what is gathered.
    pub fn frontier(&self) -> Option<Frontier> {
        let mut hashes = Vec::new();
        for partial in self.levels.iter().rev() {
            let mut part = Frontier::default();
            for hash in partial {
                part.push(*hash);
            }
            hashes.extend_from_slice(part.hashes());
        }
        Frontier::new(self.size, hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(path(0, 0), "tile/0/000");
        assert_eq!(path(3, 1_234_067), "tile/3/x001/x234/067");
        assert_eq!(full(0, 255), 0);
        assert_eq!(full(1, 65_536), 1);
        assert_eq!(full(7, u64::MAX), 0);
    }

    #[test]
    fn tiles_hold_the_tree() {
        let mut tiler = Tiler::default();
        let mut frontier = Frontier::default();
        let mut filled = Vec::new();
        for at in 0..70_000_u32 {
            let hash = leaf(&at.to_le_bytes());
            frontier.push(hash);
            filled.extend(tiler.push(hash));
        }
        assert_eq!(filled.iter().filter(|tile| tile.level == 0).count(), 273);
        assert_eq!(filled.iter().filter(|tile| tile.level == 1).count(), 1);
        assert_eq!(tiler.frontier(), Some(frontier));
        assert!(filled.iter().all(|tile| read(&tile.bytes()).as_deref() == Some(&tile.hashes)));
    }
}
