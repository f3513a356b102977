//! The disk as the writer needs it; the real one is a folder that this process has locked.

use super::Error;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

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
    /// Those of the file system; what was written since the last success is then lost. A file that was removed is one.
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
pub struct RealDisk {
    root: PathBuf,
    lock: OwnedFd,
}

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl RealDisk {
    /// Makes the folder where it is not there, and locks it.
    ///
    /// # Errors
    /// [`Error::Locked`] when another has the lock; [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(audit::segment::FOLDER)))
            .map_err(super::io("."))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| super::io(".")(error.into()))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { root: folder.to_owned(), lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked),
            Err(error) => Err(super::io(".")(error.into())),
        }
    }

    fn file(&self, path: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(self.root.join(path), flags, Mode::RUSR | Mode::WUSR)?))
    }
}

impl Handle for File {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        // Bytes in a file without a name are durable for nobody.
        if rustix::fs::fstat(&*self)?.st_nlink == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &str) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(self.file(path, OFlags::empty())?))
    }

    fn zeros(&self, path: &str, bytes: u64) -> io::Result<Box<dyn Handle>> {
        let file = self.file(path, OFlags::CREATE | OFlags::TRUNC)?;
        let mut at = 0;
        while at < bytes {
            let length = usize::try_from(bytes - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
            file.write_all_at(ZEROS.get(..length).unwrap_or_default(), at)?;
            at += length as u64;
        }
        file.sync_all()?;
        Ok(Box::new(file))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let write = || self.file(path, OFlags::CREATE | OFlags::TRUNC)?.write_all_at(bytes, 0);
        match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = self.root.join(path).parent() {
                    std::fs::create_dir_all(parent)?;
                }
                write()
            }
            done => done,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        match std::fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(self.root.join(audit::segment::FOLDER))?.sync_all()?;
        rustix::fs::fsync(&self.lock).map_err(io::Error::from)
    }

    fn sync_all(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.lock)?;
        self.sync_names()
    }

    fn filled(&self) -> io::Result<u64> {
        let volume = rustix::fs::fstatvfs(&self.lock)?;
        let used = volume.f_blocks.saturating_sub(volume.f_bavail);
        Ok(used.saturating_mul(100).checked_div(volume.f_blocks).unwrap_or(0))
    }
}
