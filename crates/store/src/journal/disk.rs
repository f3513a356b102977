//! The disk as the writer needs it; the real one is a folder that this process has locked.

use super::Error;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Stat};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file that is written in place.
pub trait Handle: Send {
    /// Writes all of `bytes` at `at`.
    ///
    /// # Errors
    /// Those of the file system; how much was written is then unknown.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Those of the file system; what was written since the last success is then lost. A file or a log that no longer has its name is one.
    fn sync(&mut self) -> io::Result<()>;
}

/// What the log's writer asks of a file system. Paths are relative to the log's folder.
pub trait Disk: Send + Sync {
    /// Opens a file to write in place.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &str) -> io::Result<Box<dyn Handle>>;

    /// Makes a file of `bytes` zeros, durable, its blocks written. Replaces what is there.
    ///
    /// # Errors
    /// Those of the file system.
    fn zeros(&self, path: &str, bytes: u64) -> io::Result<Box<dyn Handle>>;

    /// Writes a whole small file, folders above it included; not durable by itself.
    ///
    /// # Errors
    /// Those of the file system.
    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, taking the place of what has it.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; that there is none is fine.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Writes a whole archive into the folder of archives, which is made where it is not there: durable with its name, in the place of what has it.
    ///
    /// # Errors
    /// Those of the file system, and one when the folder of archives is a link or others can reach it; nothing of the file is then left behind.
    fn keep(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Whether the log has its name and all `segments` are in it.
    ///
    /// # Errors
    /// What is not where it was.
    fn standing(&self, segments: RangeInclusive<u64>) -> io::Result<()>;

    /// Makes the names in the folder of segments and in the log's folder durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_names(&self) -> io::Result<()>;

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_all(&self) -> io::Result<()>;

    /// How full the volume is, in percent.
    ///
    /// # Errors
    /// Those of the file system.
    fn filled(&self) -> io::Result<u64>;
}

/// A folder, locked for as long as this lives.
pub struct RealDisk(Arc<Root>);

/// The log's folder: what is done in it is done in the one that was locked, whatever has its name by then.
struct Root {
    path: PathBuf,
    lock: OwnedFd,
}

/// A file of the log and the name that it must have.
struct Named {
    root: Arc<Root>,
    path: PathBuf,
    file: File,
}

/// How long a log's lock is waited for: a reader asks in passing whether there is a writer, and what a killed writer started may hold it a moment longer.
const LOCK_WAIT: Duration = Duration::from_secs(1);

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl RealDisk {
    /// Makes the folder where it is not there, and locks it.
    ///
    /// # Errors
    /// [`Error::Locked`] when another has the lock; [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(audit::segment::FOLDER)))
            .map_err(super::io("."))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| super::io(".")(error.into()))?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(Arc::new(Root { path: folder.to_owned(), lock }))),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(LOCK_WAIT / 50),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::Locked),
                Err(error) => return Err(super::io(".")(error.into())),
            }
        }
    }

    fn named(&self, path: &str, flags: OFlags) -> io::Result<Named> {
        Ok(Named { root: Arc::clone(&self.0), path: path.into(), file: self.0.file(path, flags)? })
    }
}

impl Root {
    fn file(&self, path: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.lock, path, flags, Mode::RUSR | Mode::WUSR)?))
    }

    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.lock, path, flags, Mode::empty())?)
    }

    /// Makes the folders above `path`, which is relative.
    fn folders_above(&self, path: &str) -> io::Result<()> {
        for (at, _) in path.match_indices('/') {
            match rustix::fs::mkdirat(&self.lock, path.get(..at).unwrap_or_default(), Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.lock, path, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the folder's name is still its own.
    fn standing(&self) -> io::Result<()> {
        let own = rustix::fs::fstat(&self.lock)?;
        let named = rustix::fs::lstat(&self.path);
        if named.is_ok_and(|named| same(&own, &named)) { Ok(()) } else { Err(moved("the log's folder")) }
    }
}

fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn moved(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is no longer where it was: it was renamed, replaced or removed"))
}

impl Handle for Named {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // Bytes in a file that nobody finds are durable for nobody.
        let named = rustix::fs::statat(&self.root.lock, &self.path, AtFlags::SYMLINK_NOFOLLOW);
        let own = rustix::fs::fstat(&self.file)?;
        if !named.is_ok_and(|named| same(&own, &named)) {
            return Err(moved("the file"));
        }
        self.root.standing()
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &str) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(self.named(path, OFlags::empty())?))
    }

    fn zeros(&self, path: &str, bytes: u64) -> io::Result<Box<dyn Handle>> {
        let named = self.named(path, OFlags::CREATE | OFlags::TRUNC)?;
        let mut at = 0;
        while at < bytes {
            let length = usize::try_from(bytes - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
            named.file.write_all_at(ZEROS.get(..length).unwrap_or_default(), at)?;
            at += length as u64;
        }
        named.file.sync_all()?;
        Ok(Box::new(named))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let write = || self.0.file(path, OFlags::CREATE | OFlags::TRUNC)?.write_all_at(bytes, 0);
        match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.0.folders_above(path)?;
                write()
            }
            done => done,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0.lock, from, &self.0.lock, to)?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn keep(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let root = &self.0;
        root.folders_above(path)?;
        let folder = root.folder(audit::archive::FOLDER)?;
        let about = rustix::fs::fstat(&folder)?;
        if about.st_uid != rustix::process::geteuid().as_raw() || about.st_mode & 0o077 != 0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can reach the folder of archives"));
        }
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let preparing = audit::archive::PREPARING.rsplit_once('/').map_or(audit::archive::PREPARING, |(_, name)| name);
        let remove = || match rustix::fs::unlinkat(&folder, preparing, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(io::Error::from(error)),
        };
        let write = || -> io::Result<()> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::openat(&folder, preparing, flags, Mode::RUSR | Mode::WUSR)?);
            file.write_all(bytes)?;
            file.sync_all()?;
            rustix::fs::renameat(&folder, preparing, &folder, name)?;
            rustix::fs::fsync(&folder)?;
            Ok(rustix::fs::fsync(&root.lock)?)
        };
        remove()?;
        write().inspect_err(|_| drop(remove()))
    }

    fn standing(&self, segments: RangeInclusive<u64>) -> io::Result<()> {
        self.0.standing()?;
        let mut there = BTreeSet::new();
        for entry in rustix::fs::Dir::read_from(self.0.folder(audit::segment::FOLDER)?)? {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            there.extend(audit::segment::ordinal(&format!("{}/{name}", audit::segment::FOLDER)));
        }
        match segments.into_iter().find(|ordinal| !there.contains(ordinal)) {
            Some(ordinal) => Err(moved(&format!("`{}`", audit::segment::path(ordinal)))),
            None => Ok(()),
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        rustix::fs::fsync(self.0.folder(audit::segment::FOLDER)?)?;
        Ok(rustix::fs::fsync(&self.0.lock)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.0.lock)?;
        self.sync_names()
    }

    fn filled(&self) -> io::Result<u64> {
        let volume = rustix::fs::fstatvfs(&self.0.lock)?;
        let used = volume.f_blocks.saturating_sub(volume.f_bavail);
        Ok(used.saturating_mul(100).checked_div(volume.f_blocks).unwrap_or(0))
    }
}
