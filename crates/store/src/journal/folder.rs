//! A log's folder, read only.

use audit::{Folder, Live, Node, Sort};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const MOST_NODES: usize = 4_000_000;
/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// The folder of a log or of a copy of one.
#[derive(Clone, Debug)]
pub struct LogFolder(PathBuf);

impl LogFolder {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn list(&self, folder: &Path, prefix: &str, out: &mut Vec<Node>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            // A name that is no text cannot be one of ours; its replacement is none either.
            let path = format!("{prefix}{}", name.to_string_lossy());
            let about = match std::fs::symlink_metadata(entry.path()) {
                Ok(about) => about,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let sort = if about.is_file() {
                Sort::File { bytes: about.len(), links: about.nlink() }
            } else if about.is_dir() {
                Sort::Folder
            } else {
                Sort::Foreign
            };
            if out.len() >= MOST_NODES {
                return Err(io::Error::other("too many files"));
            }
            out.push(Node { path: path.clone(), sort });
            if sort == Sort::Folder {
                self.list(&entry.path(), &format!("{path}/"), out)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(self.0.join(path), flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }
}

impl Folder for LogFolder {
    fn walk(&self) -> io::Result<Vec<Node>> {
        let mut out = Vec::new();
        self.list(&self.0, "", &mut out)?;
        Ok(out)
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.0.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut out = Vec::new();
        for entry in entries {
            if out.len() >= MOST_NODES {
                return Err(io::Error::other("too many files"));
            }
            out.push(format!("{folder}/{}", entry?.file_name().to_string_lossy()));
        }
        Ok(out)
    }

    fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut file = self.file(path)?.take(most.saturating_add(1));
        let length = file.get_ref().metadata().map_or(0, |facts| facts.len().min(most));
        // A segment is zeros until it is written: memory that was drawn as zeros and is not written to is none.
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let (mut piece, mut at) = (vec![0; PIECE], 0);
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause),
            };
            let end = at + read.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if read.iter().any(|byte| *byte != 0)
                && let Some(place) = bytes.get_mut(at..end)
            {
                place.copy_from_slice(read);
            }
            at = end;
        }
        bytes.truncate(at);
        if u64::try_from(at).is_ok_and(|length| length <= most) { Ok(bytes) } else { Err(io::Error::other("it is too large")) }
    }

    fn start(&self, path: &str, bytes: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.file(path)?.take(bytes as u64).read_to_end(&mut out)?;
        Ok(out)
    }

    fn live(&self) -> Live {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let locked = rustix::fs::open(&self.0, flags, Mode::empty())
            .is_ok_and(|folder| rustix::fs::flock(&folder, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK));
        if locked { Live::Running } else { Live::Stopped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_is_there_wherever_it_is_zero() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogFolder::new(folder.path());
        let (zeros, ones) = (vec![0; 3 * PIECE], vec![1; PIECE + 7]);
        for text in
            [Vec::new(), vec![1], zeros.clone(), [&ones[..], &zeros[..], &ones[..]].concat(), [&zeros[..], &ones[..], &zeros[..5]].concat()]
        {
            std::fs::write(folder.path().join("file"), &text).unwrap();
            let most = text.len() as u64;
            assert!(log.read("file", most).unwrap() == text, "{most}");
            assert!(log.read("file", most + 1).unwrap() == text, "{most}");
            assert!(most == 0 || log.read("file", most - 1).is_err(), "{most}");
        }
    }
}
