//! Segments: the files that hold the records, written ahead as zeros.
//!
//! A header of [`HEADER`] bytes, then frames one behind the other, then zeros to the end. A segment without a header is prepared: all zeros.

use crate::tree::{Frontier, Hash, leaf};

/// Bytes of a segment's header.
pub const HEADER: usize = 4096;
/// Bytes before a frame's body.
pub const PREFIX: usize = 40;
/// Frames begin at multiples of this.
pub const ALIGN: usize = 8;
/// The smallest segment, in bytes.
pub const LEAST: u64 = 16 * 1024;
/// The largest segment, in bytes.
pub const MOST: u64 = 256 * 1024 * 1024;
/// The folder of the segments.
pub const FOLDER: &str = "segment";

const MAGIC: &[u8; 8] = b"bastide1";

/// The path of segment `ordinal` in the log's folder.
pub fn path(ordinal: u64) -> String {
    format!("{FOLDER}/{ordinal:010}")
}

/// The ordinal that a path names.
pub fn ordinal(text: &str) -> Option<u64> {
    let ordinal = text.strip_prefix(FOLDER)?.strip_prefix('/')?.parse().ok()?;
    (path(ordinal) == text).then_some(ordinal)
}

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its number, from 0.
    pub ordinal: u64,
    /// Its size in bytes, the same for all segments of a log.
    pub bytes: u64,
    /// The tree of all records before it.
    pub before: Frontier,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        for number in [self.ordinal, self.bytes, self.before.size()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend(self.before.hashes().iter().flatten());
        out.resize(HEADER, 0);
        out
    }

    /// Reads the header at the start of `bytes`; every byte of it must be as [`encode`](Self::encode) prints it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let (ordinal, size, first) = (number(8)?, number(16)?, number(24)?);
        let end = 32 + 32 * usize::try_from(first.count_ones()).ok()?;
        let hashes = bytes.get(32..end)?.as_chunks::<32>().0.to_vec();
        let own = Self { ordinal, bytes: size, before: Frontier::new(first, hashes)? };
        (own.encode() == bytes && (LEAST..=MOST).contains(&size)).then_some(own)
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A record.
    Record,
    /// A signed checkpoint over all records before it.
    Checkpoint,
}

/// One frame as it stands in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub sort: Sort,
    /// The leaf hash of its body, which was checked.
    pub hash: Hash,
    /// Its body.
    pub body: &'a [u8],
    /// Where the next one begins.
    pub next: usize,
}

/// What stands at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// Zeros to the end.
    End,
    /// Neither.
    Broken(&'static str),
}

/// Bytes that a body of `length` takes as a frame.
pub const fn framed(length: usize) -> usize {
    (PREFIX + length).next_multiple_of(ALIGN)
}

/// Appends the frame of `body` to `out`; gives its leaf hash.
pub fn put(out: &mut Vec<u8>, sort: Sort, body: &[u8]) -> Hash {
    let hash = leaf(body);
    let kind: u32 = match sort {
        Sort::Record => 1,
        Sort::Checkpoint => 2,
    };
    let end = out.len() + framed(body.len());
    // Bodies are bounded by the size of a segment, which is less than 4 GiB.
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&hash);
    out.extend_from_slice(body);
    out.resize(end, 0);
    hash
}

/// Reads what stands at `at` in the segment `bytes`.
pub fn step(bytes: &[u8], at: usize) -> Step<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    let word = |from: usize| rest.get(from..from + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
    let length = match word(0) {
        Some(0) | None => return if zeros(rest) { Step::End } else { Step::Broken("bytes after the last frame that are not zero") },
        Some(length) => length as usize,
    };
    let sort = match word(4) {
        Some(1) => Sort::Record,
        Some(2) => Sort::Checkpoint,
        _ => return Step::Broken("a frame of no known sort"),
    };
    let size = framed(length);
    let (Some(hash), Some(body), Some(pad)) = (
        rest.get(8..PREFIX).and_then(|hash| Hash::try_from(hash).ok()),
        rest.get(PREFIX..PREFIX + length),
        rest.get(PREFIX + length..size),
    ) else {
        return Step::Broken("a frame that is longer than its segment");
    };
    if leaf(body) != hash {
        return Step::Broken("a frame that does not have its hash");
    }
    if !zeros(pad) {
        return Step::Broken("a frame whose padding is not zero");
    }
    Step::Frame(Frame { sort, hash, body, next: at + size })
}

/// Whether `bytes` are zeros only.
pub fn zeros(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        let mut bytes = Vec::new();
        let hash = put(&mut bytes, Sort::Record, b"{\"a\":1}");
        put(&mut bytes, Sort::Checkpoint, b"x");
        bytes.resize(512, 0);
        let Step::Frame(first) = step(&bytes, 0) else { panic!("no frame") };
        assert_eq!((first.sort, first.hash, first.body), (Sort::Record, hash, &b"{\"a\":1}"[..]));
        let Step::Frame(second) = step(&bytes, first.next) else { panic!("no frame") };
        assert_eq!((second.sort, second.body), (Sort::Checkpoint, &b"x"[..]));
        assert_eq!(step(&bytes, second.next), Step::End);
        for at in 0..second.next {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let same = step(&changed, 0) == Step::Frame(first) && step(&changed, first.next) == Step::Frame(second);
            assert!(!same, "byte {at}");
        }
    }

    #[test]
    fn headers_come_back() {
        let mut before = Frontier::default();
        (0..13_u8).for_each(|at| before.push(leaf(&[at])));
        let header = Header { ordinal: 3, bytes: 1 << 20, before };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        let mut changed = bytes.clone();
        changed[4000] = 1;
        assert_eq!(Header::decode(&changed), None);
        assert_eq!(ordinal("segment/0000000012"), Some(12));
        assert_eq!(ordinal("segment/12"), None);
    }
}
