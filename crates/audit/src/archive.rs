//! Archives: segments that retention took out of the log, each in one sealed file.
//!
//! The seal, a signed note, filled up with zeros to [`SEAL`] bytes; then the segment's bytes up to the end of its last frame. Nothing of it depends on when it
//! is made, so that the same segment always gives the same file. The leaf hashes stay in the log's tiles: who has the log finds out any change to an archive,
//! and who has only the archive has the log's signature.

use crate::note::{LogKey, VerifierKey};
use crate::segment::{self, HEADER, Header, Sort, Step};
use crate::tree::Hash;
use crate::{Error, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use terms::Utc;

/// The folder of the archives, in the log's folder.
pub const FOLDER: &str = "archive";
/// An archive in the making.
pub const PREPARING: &str = "archive/preparing";
/// Bytes before the segment's own.
pub const SEAL: usize = 4096;

/// The path of the archive of segment `ordinal`.
pub fn path(ordinal: u64) -> String {
    format!("{FOLDER}/{ordinal:010}")
}

/// The ordinal that a path names.
pub fn ordinal(text: &str) -> Option<u64> {
    let ordinal = text.strip_prefix(FOLDER)?.strip_prefix('/')?.parse().ok()?;
    (path(ordinal) == text).then_some(ordinal)
}

/// What is signed of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The log's name.
    pub origin: String,
    /// The segment's number.
    pub ordinal: u64,
    /// Records in the log before it.
    pub first: u64,
    /// Records in it.
    pub records: u64,
    /// SHA-256 of what follows the seal.
    pub digest: Hash,
}

impl Seal {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let Self { origin, ordinal, first, records, digest } = self;
        format!("{origin}\narchive {ordinal}\nfirst {first}\nrecords {records}\nsha256 {}\n", STANDARD.encode(digest))
    }

    /// Opens a note with one signature and reads it; every line must be in its one spelling.
    ///
    /// # Errors
    /// [`Error::Note`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, Error> {
        let text = key.open(note)?;
        if note.get(text.len() + 1..).is_none_or(|signatures| signatures.lines().count() != 1) {
            return Err(Error::Note("it has more than one signature"));
        }
        let own = Self::read(text)?;
        if own.origin == key.name() { Ok(own) } else { Err(Error::Note("it is another log's")) }
    }

    /// Reads the text of a note without checking a signature.
    ///
    /// # Errors
    /// [`Error::Note`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines();
        let origin = lines.next().unwrap_or_default().to_owned();
        let mut line = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).ok_or(Error::Note("it is no seal"));
        let (ordinal, first, records) = (number(line("archive"))?, number(line("first"))?, number(line("records"))?);
        let digest = line("sha256").and_then(|text| STANDARD.decode(text).ok()?.try_into().ok()).ok_or(Error::Note("it is no seal"))?;
        let own = Self { origin, ordinal, first, records, digest };
        if own.text() == text { Ok(own) } else { Err(Error::Note("a line is not in its one spelling")) }
    }
}

/// A segment that nothing is added to any more, read whole.
#[derive(Debug)]
pub struct Ended {
    header: Header,
    contents: Vec<u8>,
    newest: Option<Utc>,
    leaves: Vec<Hash>,
}

impl Ended {
    /// Takes `bytes`, a whole segment, if it is one from its header to its last zero and `after`, the header of the one behind it, continues it.
    ///
    /// # Errors
    /// [`Error::Damaged`]: such a segment is evidence and is left as it is.
    pub fn read(mut bytes: Vec<u8>, after: &Header) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged { file: segment::path(after.ordinal.saturating_sub(1)), what };
        let header = Header::decode(&bytes).ok_or_else(|| damaged("its header is broken"))?;
        let (mut tree, mut at, mut newest, mut leaves) = (header.before.clone(), HEADER, None, Vec::new());
        loop {
            match segment::step(&bytes, at) {
                Step::Frame(frame) => {
                    if frame.sort == Sort::Record {
                        let time = read::Head::read(frame.body).and_then(|head| Utc::parse(head.time));
                        newest = newest.max(Some(time.ok_or_else(|| damaged("it holds a frame that is no record"))?));
                        tree.push(frame.hash);
                        leaves.push(frame.hash);
                    }
                    at = frame.next;
                }
                Step::End => break,
                Step::Broken(what) => return Err(damaged(what)),
            }
        }
        let size = u64::try_from(bytes.len()).ok();
        if header.ordinal.checked_add(1) != Some(after.ordinal) || size != Some(header.bytes) || header.bytes != after.bytes {
            return Err(damaged("its header does not fit it"));
        }
        if tree != after.before {
            return Err(damaged("the segment behind it does not continue it"));
        }
        bytes.truncate(at);
        Ok(Self { header, contents: bytes, newest, leaves })
    }

    /// The time of its newest record; none where it holds checkpoints only.
    pub const fn newest(&self) -> Option<Utc> {
        self.newest
    }

    /// How many records the log has before it.
    pub const fn first(&self) -> u64 {
        self.header.before.size()
    }

    /// The leaf hashes of its records.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// The archive's seal and its bytes.
    pub fn seal(&self, key: &LogKey) -> (Seal, Vec<u8>) {
        let seal = Seal {
            origin: key.verifier().name().to_owned(),
            ordinal: self.header.ordinal,
            first: self.first(),
            records: u64::try_from(self.leaves.len()).unwrap_or(u64::MAX),
            digest: Sha256::digest(&self.contents).into(),
        };
        let mut bytes = key.sign(&seal.text()).into_bytes();
        // A log's name has at most 200 bytes, so that a seal always fits.
        bytes.resize(SEAL, 0);
        bytes.extend_from_slice(&self.contents);
        (seal, bytes)
    }
}

/// The segment's bytes in an archive, not verified.
pub fn contents(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.drain(..SEAL.min(bytes.len()));
    bytes
}

/// Verifies an archive by itself: its signature, and that it holds what was signed. Gives the seal and the segment's bytes.
///
/// # Errors
/// [`Error::Note`], and [`Error::Damaged`] when the contents are others.
pub fn open(bytes: Vec<u8>, key: &VerifierKey) -> Result<(Seal, Vec<u8>), Error> {
    let start = bytes.get(..SEAL).ok_or(Error::Note("it is shorter than a seal"))?;
    let end = start.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let note = std::str::from_utf8(start.get(..end).unwrap_or_default()).map_err(|_| Error::Note("it is not text"))?;
    let seal = Seal::open(note, key)?;
    let contents = contents(bytes);
    let header = Header::decode(&contents);
    let fits = header.is_some_and(|header| header.ordinal == seal.ordinal && header.before.size() == seal.first);
    let digest: Hash = Sha256::digest(&contents).into();
    if fits && digest == seal.digest {
        Ok((seal, contents))
    } else {
        Err(Error::Damaged { file: path(seal.ordinal), what: "it does not hold what was sealed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Frontier;
    use terms::Secret;

    fn key(seed: u8) -> LogKey {
        LogKey::from_seed("bastide/test", Secret::new([seed; 32])).unwrap()
    }

    /// A segment of one record and the header of the one behind it.
    fn segment() -> (Vec<u8>, Header) {
        let mut bytes = Header { ordinal: 4, bytes: 1 << 14, before: Frontier::default() }.encode();
        let body = br#"{"v":1,"id":"R-000000000001","kind":"event","time":"2026-11-21T10:04:05.000000000Z"}"#;
        let mut before = Frontier::default();
        before.push(segment::put(&mut bytes, Sort::Record, body));
        bytes.resize(1 << 14, 0);
        (bytes, Header { ordinal: 5, bytes: 1 << 14, before })
    }

    #[test]
    fn every_byte_of_an_archive_counts_and_no_other_key_opens_it() {
        let (bytes, after) = segment();
        let ended = Ended::read(bytes, &after).unwrap();
        assert_eq!((ended.leaves().len(), ended.newest()), (1, Utc::parse("2026-11-21T10:04:05.000000000Z")));
        let (seal, archive) = ended.seal(&key(7));
        assert_eq!(open(archive.clone(), key(7).verifier()).unwrap().0, seal);
        assert_eq!(ended.seal(&key(7)).1, archive, "it depends on something else");
        assert!(open(archive.clone(), key(8).verifier()).is_err());
        for at in 0..archive.len() {
            let mut changed = archive.clone();
            changed[at] ^= 1;
            assert!(open(changed, key(7).verifier()).is_err(), "byte {at}");
        }
        for length in [0, 10, SEAL, SEAL + HEADER, archive.len() - 1] {
            assert!(open(archive[..length].to_vec(), key(7).verifier()).is_err(), "{length} bytes");
        }
        assert!(open([&archive[..], b"\0"].concat(), key(7).verifier()).is_err());
    }

    #[test]
    fn what_is_no_whole_segment_is_not_sealed() {
        let (bytes, after) = segment();
        for at in [0, 20, 30, HEADER + 8, HEADER + 50, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Ended::read(changed, &after).is_err(), "byte {at}");
        }
        assert!(Ended::read(bytes[..bytes.len() - 1].to_vec(), &after).is_err());
        assert!(Ended::read(bytes.clone(), &Header { before: Frontier::default(), ..after.clone() }).is_err(), "another log's");
        assert!(Ended::read(bytes, &Header { ordinal: 6, ..after }).is_err());
    }

    #[test]
    fn a_seal_is_no_checkpoint_and_a_checkpoint_no_seal() {
        let (bytes, after) = segment();
        let (seal, _) = Ended::read(bytes, &after).unwrap().seal(&key(7));
        assert!(crate::Checkpoint::read(&seal.text()).is_err());
        assert!(Seal::read(&crate::Checkpoint::empty("bastide/test", Utc::default()).text()).is_err());
    }
}
