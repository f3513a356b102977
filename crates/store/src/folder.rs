//! The state folder: ours alone, and one process's at a time.

use crate::Error;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use terms::{Entropy, Secret};
use zeroize::Zeroizing;

const OWNER: &str = "owner.pid";
const LONGEST_PRIVATE: u64 = 64 * 1024;

/// The state folder, held by this process until it is dropped or the process ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _owner: File,
}

impl Folder {
    /// Takes the folder at `path`, made with mode 0700 when it is not there.
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::Foreign`] when others can reach it, [`Error::InUse`], [`Error::Sort`], [`Error::File`].
    pub fn take(path: &Path) -> Result<Self, Error> {
        let path = Self::prepare(path)?;
        let owner = claim(&path)?;
        Ok(Self { path, _owner: owner })
    }

    /// Makes the folder at `path` with mode 0700 when it is not there, and gives it without links; whoever works in it takes it.
    ///
    /// # Errors
    /// As [`Folder::take`], without [`Error::InUse`].
    pub fn prepare(path: &Path) -> Result<PathBuf, Error> {
        make(path)?;
        let path = path.canonicalize().map_err(Error::file(path))?;
        private(&path, &path.metadata().map_err(Error::file(&path))?, Sort::Folder)?;
        Ok(path)
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder `name` in it, made with mode 0700 when it is not there.
    ///
    /// # Errors
    /// As [`Folder::take`], without [`Error::InUse`].
    pub fn sub(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        make(&path)?;
        private(&path, &path.symlink_metadata().map_err(Error::file(&path))?, Sort::Folder)?;
        Ok(path)
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Folder,
    File,
}

fn make(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(Error::file(path))
}

/// Refuses what others own or can reach.
fn private(path: &Path, found: &std::fs::Metadata, sort: Sort) -> Result<(), Error> {
    let (fits, wanted, mode) = match sort {
        Sort::Folder => (found.is_dir(), "folder", "700"),
        Sort::File => (found.is_file(), "plain file", "600"),
    };
    if !fits {
        return Err(Error::Sort { path: path.to_owned(), wanted });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Error::Foreign { path: path.to_owned(), owner: found.uid() });
    }
    if found.mode() & 0o077 != 0 {
        return Err(Error::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Takes the advisory lock and writes our process id into it.
fn claim(folder: &Path) -> Result<File, Error> {
    let path = folder.join(OWNER);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| Error::file(&path)(errno.into()))?.into();
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let read = (&mut file).take(20).read_to_string(&mut pid);
            let told = read.is_ok() && !pid.trim().is_empty() && pid.trim().bytes().all(|byte| byte.is_ascii_digit());
            let pid = if told { pid.trim().to_owned() } else { "unknown".to_owned() };
            return Err(Error::InUse { path: folder.to_owned(), pid });
        }
        Err(errno) => return Err(Error::file(&path)(errno.into())),
    }
    file.set_len(0).map_err(Error::file(&path))?;
    file.rewind().map_err(Error::file(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(Error::file(&path))?;
    Ok(file)
}

/// Reads the private file at `path`, at most 64 KiB; none when it is not there.
///
/// # Errors
/// [`Error::Open`], [`Error::Foreign`], [`Error::Sort`] when others can reach it or it is a link; [`Error::File`].
pub fn read_private(path: &Path) -> Result<Option<Secret<Vec<u8>>>, Error> {
    let file: File = match rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file.into(),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(Error::Sort { path: path.to_owned(), wanted: "plain file" }),
        Err(errno) => return Err(Error::file(path)(errno.into())),
    };
    let found = file.metadata().map_err(Error::file(path))?;
    private(path, &found, Sort::File)?;
    if found.len() > LONGEST_PRIVATE {
        return Err(Error::Sort { path: path.to_owned(), wanted: "key file" });
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(found.len()).unwrap_or_default()]);
    file.read_exact_at(&mut bytes, 0).map_err(Error::file(path))?;
    Ok(Some(Secret::new(std::mem::take(&mut *bytes))))
}

/// Writes the private file at `path`, mode 0600, whole or not at all, and never over one that is there; durable when it returns.
///
/// # Errors
/// [`Error::File`].
pub fn write_private(path: &Path, bytes: &Secret<Vec<u8>>, entropy: &dyn Entropy) -> Result<(), Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut tag = [0; 8];
    entropy.fill(&mut tag);
    let draft = folder.join(format!(".{}", hex::encode(tag)));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File =
        rustix::fs::open(&draft, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| Error::file(&draft)(errno.into()))?.into();
    let written = file.write_all(bytes.open()).and_then(|()| file.sync_all()).and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    written.and(removed).map_err(Error::file(path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file(folder))
}

/// Makes sure that the file at `path` is there and private, before somebody else would make it with other rights.
pub(crate) fn reserve(path: &Path) -> Result<(), Error> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| Error::file(path)(errno.into()))?.into();
    private(path, &file.metadata().map_err(Error::file(path))?, Sort::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_new_folder_is_ours_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::take(&root.path().join("a/b")).unwrap();
        assert_eq!(folder.path().metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(folder.sub("keys").unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_reach_is_refused_with_the_command_that_mends_it() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o750, 0o705, 0o710, 0o777, 0o701] {
            std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Folder::take(root.path()).unwrap_err();
            assert!(matches!(error, Error::Open { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 700 "), "{error}");
        }
    }

    #[test]
    fn a_folder_has_one_holder_who_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state");
        let first = Folder::take(&path).unwrap();
        let Error::InUse { pid, .. } = Folder::take(&path).unwrap_err() else { panic!("not in use") };
        assert_eq!(pid, std::process::id().to_string());
        drop(first);
        assert!(Folder::take(&path).is_ok());
    }

    #[test]
    fn a_private_file_is_written_once_and_read_back() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.key");
        assert!(read_private(&path).unwrap().is_none());
        write_private(&path, &Secret::new(b"one".to_vec()), &Fixed(1)).unwrap();
        assert!(write_private(&path, &Secret::new(b"two".to_vec()), &Fixed(2)).is_err());
        assert_eq!(read_private(&path).unwrap().unwrap().open(), b"one");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_private_file_that_others_read_or_that_is_a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.key");
        write_private(&path, &Secret::new(b"one".to_vec()), &Fixed(1)).unwrap();
        std::os::unix::fs::symlink(&path, root.path().join("link")).unwrap();
        assert!(matches!(read_private(&root.path().join("link")), Err(Error::Sort { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path), Err(Error::Open { .. })));
    }
}
