//! Notes what a server asks for: the files that it names and the addresses that it would connect to.
//!
//! The kernel lets a call wait until it was noted, and then go on as if nothing had been (seccomp(2), `SECCOMP_USER_NOTIF_FLAG_CONTINUE`).
//! What is noted decides nothing: a server can exchange a name between the note and the call. It is held by its layers.

use crate::outcome::{Seen, Wish};
use crate::sys::{self, Asked};
use parking_lot::Mutex;

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Names and addresses that are kept.
const MOST: usize = 20_000;
/// Bytes of a path, with its end (`PATH_MAX`).
const LONGEST: u64 = 4096;
const PAGE: u64 = 4096;

/// Notes what one server asks for, as long as it runs.
#[derive(Clone, Debug)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
}

impl Observer {
    /// Begins to note what comes from `listener`. Without a reader every noted call would wait for ever, so the thread ends with the server only.
    pub(crate) fn start(listener: OwnedFd) -> io::Result<Self> {
        let observer = Self { seen: Arc::default() };
        let notes = observer.clone();
        std::thread::Builder::new().name("observer".to_owned()).spawn(move || notes.attend(&listener))?;
        Ok(observer)
    }

    /// What was asked for until now.
    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    fn attend(&self, listener: &OwnedFd) {
        loop {
            match sys::next_call(listener) {
                Ok(Some(asked)) => {
                    self.note(listener, &asked);
                    let _ = sys::let_call(listener, asked.id);
                }
                Ok(None) => return,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted || cause.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return,
            }
        }
    }

    fn note(&self, listener: &OwnedFd, asked: &Asked) {
        for row in paths().filter(|row| row.call == asked.call) {
            let read = path(asked, row);
            // Only now it is sure whose memory that was.
            if !sys::still_asks(listener, asked.id) {
                return;
            }
            let mut seen = self.seen.lock();
            match read {
                Ok(Some(_)) if seen.files.len() >= MOST => seen.missed += 1,
                Ok(Some(path)) => {
                    let wish = row.wish(asked);
                    seen.files.entry(path).and_modify(|known| *known = wish.max(*known)).or_insert(wish);
                }
                Ok(None) => {}
                Err(_) => seen.missed += 1,
            }
        }
        for row in ADDRESSES.iter().filter(|row| row.0 == asked.call) {
            let read = address(asked, row.1, row.2);
            if !sys::still_asks(listener, asked.id) {
                return;
            }
            let mut seen = self.seen.lock();
            match read {
                Ok(Some(_)) if seen.addresses.len() >= MOST => seen.missed += 1,
                Ok(Some(address)) => drop(seen.addresses.insert(address)),
                Ok(None) => {}
                Err(_) => seen.missed += 1,
            }
        }
    }
}

/// What a call that names a file wants with it.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Always(Wish),
    /// As the flags of open(2) in this argument say.
    Flags(usize),
}

/// A path of a call.
#[derive(Clone, Copy, Debug)]
struct Row {
    call: i64,
    /// The argument with the folder that it is relative to; without one it is the working directory.
    folder: Option<usize>,
    path: usize,
    purpose: Purpose,
}

impl Row {
    fn wish(&self, asked: &Asked) -> Wish {
        match self.purpose {
            Purpose::Always(wish) => wish,
            Purpose::Flags(at) => {
                let flags = i32::from_ne_bytes(low(argument(asked, at)).to_ne_bytes());
                let changes = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
                match flags & libc::O_ACCMODE {
                    _ if flags & libc::O_PATH != 0 => Wish::Look,
                    libc::O_RDONLY if flags & changes == 0 => Wish::Read,
                    _ => Wish::Write,
                }
            }
        }
    }
}

macro_rules! rows {
    ($($call:ident $folder:expr, $path:literal, $purpose:expr;)*) => {
        [$(Row { call: libc::$call, folder: $folder, path: $path, purpose: $purpose }),*]
    };
}

const LOOK: Purpose = Purpose::Always(Wish::Look);
const READ: Purpose = Purpose::Always(Wish::Read);
const WRITE: Purpose = Purpose::Always(Wish::Write);

/// Calls that every architecture has.
const COMMON: &[Row] = &rows! {
    SYS_openat Some(0), 1, Purpose::Flags(2);
    SYS_newfstatat Some(0), 1, LOOK;
    SYS_statx Some(0), 1, LOOK;
    SYS_faccessat Some(0), 1, LOOK;
    SYS_faccessat2 Some(0), 1, LOOK;
    SYS_readlinkat Some(0), 1, LOOK;
    SYS_statfs None, 0, LOOK;
    SYS_chdir None, 0, LOOK;
    SYS_execve None, 0, READ;
    SYS_inotify_add_watch None, 1, READ;
    SYS_mkdirat Some(0), 1, WRITE;
    SYS_unlinkat Some(0), 1, WRITE;
    SYS_symlinkat Some(1), 2, WRITE;
    SYS_linkat Some(2), 3, WRITE;
    SYS_renameat Some(0), 1, WRITE;
    SYS_renameat Some(2), 3, WRITE;
    SYS_renameat2 Some(0), 1, WRITE;
    SYS_renameat2 Some(2), 3, WRITE;
    SYS_fchmodat Some(0), 1, WRITE;
    SYS_utimensat Some(0), 1, WRITE;
    SYS_truncate None, 0, WRITE;
    SYS_fchownat Some(0), 1, WRITE;
};
/// Calls that only the older numbers of one architecture have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Row] = &rows! {
    SYS_open None, 0, Purpose::Flags(1);
    SYS_creat None, 0, WRITE;
    SYS_stat None, 0, LOOK;
    SYS_lstat None, 0, LOOK;
    SYS_access None, 0, LOOK;
    SYS_readlink None, 0, LOOK;
    SYS_mkdir None, 0, WRITE;
    SYS_rmdir None, 0, WRITE;
    SYS_unlink None, 0, WRITE;
    SYS_symlink None, 1, WRITE;
    SYS_link None, 1, WRITE;
    SYS_rename None, 0, WRITE;
    SYS_rename None, 1, WRITE;
    SYS_chmod None, 0, WRITE;
    SYS_chown None, 0, WRITE;
    SYS_lchown None, 0, WRITE;
    SYS_utime None, 0, WRITE;
    SYS_utimes None, 0, WRITE;
    SYS_futimesat Some(0), 1, WRITE;
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Row] = &[];

/// Every call that names a file.
fn paths() -> impl Iterator<Item = &'static Row> {
    COMMON.iter().chain(OLDER)
}

/// Calls that name an address, the argument with it and the one with its length.
const ADDRESSES: [(i64, usize, usize); 2] = [(libc::SYS_connect, 1, 2), (libc::SYS_sendto, 4, 5)];

/// The calls that are noted, and the argument that must not be null where it may be.
pub(crate) fn calls() -> impl Iterator<Item = (i64, Option<u8>)> {
    let named = paths().map(|row| (row.call, None));
    named.chain([(libc::SYS_connect, None), (libc::SYS_sendto, Some(4))])
}

fn argument(asked: &Asked, at: usize) -> u64 {
    asked.arguments.get(at).copied().unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel reads the low half alone")]
const fn low(argument: u64) -> u32 {
    argument as u32
}

/// The absolute path; none where the call names none, as where it is about an open file.
fn path(asked: &Asked, row: &Row) -> io::Result<Option<PathBuf>> {
    let name = PathBuf::from(std::ffi::OsString::from_vec(text(asked.pid, argument(asked, row.path))?));
    if name.as_os_str().is_empty() {
        return Ok(None);
    }
    if name.is_absolute() {
        return Ok(Some(plain(&name)));
    }
    let process = format!("/proc/{}", asked.pid);
    let folder = row.folder.map_or(libc::AT_FDCWD, |at| i32::from_ne_bytes(low(argument(asked, at)).to_ne_bytes()));
    let folder = match folder {
        libc::AT_FDCWD => std::fs::read_link(format!("{process}/cwd"))?,
        number => std::fs::read_link(format!("{process}/fd/{number}"))?,
    };
    Ok(folder.is_absolute().then(|| plain(&folder.join(name))))
}

/// Without `.`, and with `..` taken by the word.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    out
}

/// The C string at `at`, read no further than the page that holds its end.
fn text(pid: u32, at: u64) -> io::Result<Vec<u8>> {
    let memory = memory(pid)?;
    let (mut found, mut from) = (Vec::new(), at);
    while (found.len() as u64) < LONGEST {
        let length = PAGE - from % PAGE;
        let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
        memory.read_exact_at(&mut piece, from)?;
        match piece.iter().position(|byte| *byte == 0) {
            Some(end) => {
                found.extend_from_slice(piece.get(..end).unwrap_or_default());
                return Ok(found);
            }
            None => found.append(&mut piece),
        }
        from = from.saturating_add(length);
    }
    Err(io::Error::other("a path without an end"))
}

fn memory(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/mem"))
}

/// The address that a call names, where it is one of IP (ip(7), ipv6(7)).
fn address(asked: &Asked, at: usize, length: usize) -> io::Result<Option<SocketAddr>> {
    const LARGEST: usize = 28;
    let length = usize::try_from(low(argument(asked, length))).unwrap_or(0);
    if length < 8 {
        return Ok(None);
    }
    let mut bytes = vec![0; length.min(LARGEST)];
    memory(asked.pid)?.read_exact_at(&mut bytes, argument(asked, at))?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    let ip: IpAddr = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => IpAddr::from(*rest.first_chunk::<4>()?),
        libc::AF_INET6 => Ipv6Addr::from(*rest.get(4..)?.first_chunk::<16>()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(flags: i32) -> Wish {
        let row = paths().find(|row| row.call == libc::SYS_openat).unwrap();
        let mut arguments = [0; 6];
        arguments[2] = u64::from(flags as u32);
        row.wish(&Asked { id: 1, pid: 1, call: libc::SYS_openat, arguments })
    }

    #[test]
    fn flags_say_what_is_wanted() {
        assert_eq!(opened(libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY), Wish::Read);
        assert_eq!(opened(libc::O_PATH | libc::O_RDWR), Wish::Look);
        for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC, libc::O_TMPFILE | libc::O_RDWR] {
            assert_eq!(opened(flags), Wish::Write, "{flags:#o}");
        }
    }

    #[test]
    fn paths_and_strings_are_read_from_memory() {
        assert_eq!(plain(Path::new("/a/./b/../../../c/")), Path::new("/c"));
        let name = c"/etc/passwd";
        assert_eq!(text(std::process::id(), name.as_ptr() as u64).unwrap(), b"/etc/passwd");
        assert!(text(std::process::id(), 8).is_err());
    }

    #[test]
    fn addresses_are_those_of_ip() {
        let four = [2, 0, 1, 187, 198, 18, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse(&four), Some("198.18.0.9:443".parse().unwrap()));
        let mut six = vec![10, 0, 1, 187, 0, 0, 0, 0];
        six.extend("::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(parse(&six), Some("10.0.0.1:443".parse().unwrap()));
        assert_eq!(parse(b"\x01\x00/run/x"), None);
    }
}
