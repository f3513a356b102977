//! The local socket: clients of this machine, known by what the kernel says of them.
//!
//! Source: unix(7), `SO_PEERCRED`. Control: `identity.tokens`.

use rustix::fs::{FlockOperation, OFlags};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// Why the socket cannot be opened, or a connection not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Another process listens there.
    #[error("another process listens on this socket")]
    InUse,
    /// The folder is not ours alone.
    #[error("the folder of the socket is not ours alone (mode {mode:o}, owner {owner})")]
    Folder {
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
    /// Something that is no socket of ours is in the way.
    #[error("something that is not our socket is in its place")]
    Occupied,
    /// The system said no.
    #[error("the socket cannot be used")]
    System(#[from] io::Error),
}

/// Who is at the other end, as of the moment of its `connect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process, if the kernel could tell.
    pub pid: Option<u32>,
    /// What the process runs, if it can be read. A process may change it after connecting: it names a program among co-operating ones.
    pub executable: Option<PathBuf>,
}

/// A socket with mode 0600 in a folder with mode 0700. Removed when dropped.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    uids: Vec<u32>,
    _lock: File,
}

impl Listener {
    /// Listens at `path` for processes of our own user and of `others`.
    ///
    /// A socket that an ended process has left is replaced; a lock file beside it (`.lock`) makes sure that it has ended.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn bind(path: &Path, others: &[u32]) -> Result<Self, Fault> {
        let own = rustix::process::geteuid().as_raw();
        let folder = path.parent().ok_or(Fault::Occupied)?;
        check_folder(folder, own)?;
        let lock = lock(path)?;
        match std::fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause.into()),
            Ok(found) if found.file_type().is_socket() && found.uid() == own => match UnixStream::connect(path).await {
                Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
                Ok(_) => return Err(Fault::InUse),
                Err(cause) => return Err(cause.into()),
            },
            Ok(_) => return Err(Fault::Occupied),
        }
        // The folder keeps others out between this line and the next.
        let inner = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let made = std::fs::symlink_metadata(path)?;
        let mut uids = vec![own];
        uids.extend_from_slice(others);
        Ok(Self { inner, path: path.to_owned(), identity: (made.dev(), made.ino()), uids, _lock: lock })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection of a user who may connect; others are closed without a word. Cancel-safe.
    ///
    /// # Errors
    /// [`Fault::System`], for instance when there are no descriptors left.
    pub async fn accept(&self) -> Result<(UnixStream, LocalPeer), Fault> {
        loop {
            let (stream, _) = self.inner.accept().await?;
            let Ok(credentials) = stream.peer_cred() else { continue };
            let uid = credentials.uid();
            if !self.uids.contains(&uid) {
                tracing::warn!(uid, "a connection of another user was closed");
                continue;
            }
            let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
            let executable = pid.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
            return Ok((stream, LocalPeer { uid, gid: credentials.gid(), pid, executable }));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn check_folder(folder: &Path, own: u32) -> Result<(), Fault> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(cause.into()),
    }
    let found = std::fs::metadata(folder)?;
    let mode = found.permissions().mode() & 0o777;
    if !found.is_dir() || found.uid() != own || mode & 0o077 != 0 {
        return Err(Fault::Folder { mode, owner: found.uid() });
    }
    Ok(())
}

/// Holds the lock file beside `path` for as long as the file stays open.
fn lock(path: &Path) -> Result<File, Fault> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(&name)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Fault::InUse),
        Err(cause) => Err(io::Error::from(cause).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_frame::{Bounds, LineWriter, Lines};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[tokio::test]
    async fn the_peer_is_known_and_frames_pass() {
        let folder = folder();
        let path = folder.path().join("s.sock");
        let listener = Listener::bind(&path, &[]).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let client = UnixStream::connect(&path).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(peer.executable, std::env::current_exe().ok());
        let (read, write) = stream.into_split();
        LineWriter::new(write, Bounds::default()).send(b"{}").await.unwrap();
        assert_eq!(Lines::new(client, 10).next().await.unwrap().unwrap(), "{}");
        drop(read);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = folder();
        let path = folder.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = Listener::bind(&path, &[]).await.unwrap();
        assert!(matches!(Listener::bind(&path, &[]).await, Err(Fault::InUse)));
        drop(first);
        let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(Listener::bind(&path, &[]).await, Err(Fault::InUse)));
        assert!(path.exists());
        drop(foreign);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::bind(&path, &[]).await, Err(Fault::Occupied)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_put_in_our_place_is_not_removed() {
        let folder = folder();
        let path = folder.path().join("s.sock");
        let listener = Listener::bind(&path, &[]).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn an_open_folder_is_refused() {
        let folder = folder();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Listener::bind(&folder.path().join("s"), &[]).await, Err(Fault::Folder { mode: 0o755, .. })));
    }
}
