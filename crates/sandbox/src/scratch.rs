//! What a server wrote into its private places, held open so that it can be read when nobody is left who could change it.

use crate::outcome::{Kept, Most};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The private places of every server, and what they are called when they are kept.
pub(crate) const PLACES: [(&str, &str); 2] = [("/tmp", "tmp"), ("/dev/shm", "shm")];
/// Folders within folders.
const DEEPEST: u32 = 32;

/// The private places of one server. They live as long as this does, and hold no process.
#[derive(Debug)]
pub struct Scratch {
    places: Vec<(&'static str, OwnedFd)>,
}

impl Scratch {
    /// Takes over what the helper handed out.
    pub(crate) fn of(fds: Vec<OwnedFd>) -> Self {
        Self { places: PLACES.into_iter().map(|(_, name)| name).zip(fds).collect() }
    }

    /// Copies what is there into `folder`, which exists and belongs to the caller, no more than `most`. Files become 0600, folders 0700; links,
    /// sockets and devices are left out.
    ///
    /// The server and its descendants have ended: who still ran could exchange what is read.
    ///
    /// # Errors
    /// What cannot be written. What cannot be read is counted.
    pub fn keep(&self, folder: &Path, most: Most) -> io::Result<Kept> {
        let mut copy = Copy { most, entries: 0, kept: Kept::default() };
        for (name, place) in &self.places {
            match open(place.as_fd(), Path::new("."), OFlags::DIRECTORY) {
                Ok(place) => copy.folder(&place, &folder.join(name), 0)?,
                Err(_) => copy.kept.left_out += 1,
            }
        }
        Ok(copy.kept)
    }
}

struct Copy {
    most: Most,
    entries: u64,
    kept: Kept,
}

impl Copy {
    fn folder(&mut self, from: &OwnedFd, to: &Path, depth: u32) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(to)?;
        let Ok(entries) = Dir::read_from(from) else {
            self.kept.left_out += 1;
            return Ok(());
        };
        for entry in entries.flatten() {
            let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
            if matches!(name.as_os_str().as_bytes(), b"." | b"..") {
                continue;
            }
            self.entries += 1;
            let sort = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).map(|found| FileType::from_raw_mode(found.st_mode));
            let fits = self.entries <= self.most.entries && self.kept.bytes < self.most.bytes;
            match sort {
                Ok(FileType::Directory) if fits && depth < DEEPEST => match open(from.as_fd(), name, OFlags::DIRECTORY) {
                    Ok(inner) => self.folder(&inner, &to.join(name), depth + 1)?,
                    Err(_) => self.kept.left_out += 1,
                },
                Ok(FileType::RegularFile) if fits => match open(from.as_fd(), name, OFlags::NONBLOCK) {
                    Ok(file) => self.file(file.into(), &to.join(name))?,
                    Err(_) => self.kept.left_out += 1,
                },
                Ok(_) | Err(_) => self.kept.left_out += 1,
            }
        }
        Ok(())
    }

    fn file(&mut self, from: File, to: &Path) -> io::Result<()> {
        let length = from.metadata().map_or(0, |found| found.len());
        let room = self.most.file_bytes.min(self.most.bytes.saturating_sub(self.kept.bytes));
        let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let copied = io::copy(&mut from.take(room), &mut made)?;
        self.kept.files += 1;
        self.kept.bytes += copied;
        self.kept.cut += u64::from(copied < length);
        Ok(())
    }
}

/// Opens what is called `name`, and lets its owner read it where the server had forbidden that.
fn open(folder: BorrowedFd<'_>, name: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let tried = || rustix::fs::openat(folder, name, flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    tried().or_else(|_| rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty()).and_then(|()| tried()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn files_are_copied_up_to_a_bound_and_nothing_is_followed() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = |name: &str| from.path().join(name);
        fs::create_dir_all(place("a/b")).unwrap();
        fs::write(place("a/b/small"), "found").unwrap();
        fs::write(place("large"), vec![1; 5000]).unwrap();
        symlink("/etc/passwd", place("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        fs::set_permissions(place("a/b/small"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(place("a"), fs::Permissions::from_mode(0o000)).unwrap();
        let scratch = Scratch::of(vec![File::open(from.path()).unwrap().into()]);
        let most = Most { bytes: 1 << 20, file_bytes: 1000, entries: 100 };
        let kept = scratch.keep(to.path(), most).unwrap();
        assert_eq!(kept, Kept { files: 2, bytes: 1005, cut: 1, left_out: 2 });
        let small = to.path().join("tmp/a/b/small");
        assert_eq!(fs::read_to_string(&small).unwrap(), "found");
        assert_eq!(fs::metadata(&small).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(to.path().join("tmp/link")).is_err());
        let other = tempfile::tempdir().unwrap();
        let few = scratch.keep(other.path(), Most { entries: 1, ..most }).unwrap();
        assert!(few.left_out >= 3, "{few:?}");
    }
}
