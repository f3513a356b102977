//! What is run, as one digest: a package tree or a single executable.
//!
//! The digest is SHA-256 over the entries in the order of their paths' bytes. An entry is a letter for its sort (`d` folder, `f` file, `x` executable file, `l` link, `o` link
//! to a file outside), the path relative to the root, and the SHA-256 of the contents, or for `l` the target's text; each part with its length before it, as 8 bytes,
//! big-endian. The path of a single file is empty.
//! Control: `supply.provenance`.

use crate::Error;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use terms::Utc;

const MOST_ENTRIES: usize = 200_000;
const MOST_DEPTH: usize = 64;
const MOST_BYTES: u64 = 8 << 30;
const PIECE: usize = 256 * 1024;

/// A SHA-256, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest in these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Digest {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("sha256:").filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
        hex::decode_to_slice(digits.ok_or(Error::Damaged("digest"))?, &mut bytes).map_err(|_| Error::Damaged("digest"))?;
        Ok(Self(bytes))
    }
}

/// What `stat` says of everything in a tree: changes whenever anything was touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 over path, device, inode, mode, size, and times of change of every entry.
    pub digest: [u8; 32],
    /// The latest change of any entry.
    pub changed: Utc,
}

/// A tree that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// What it is.
    pub digest: Digest,
    /// What `stat` said, before and after reading alike.
    pub fingerprint: Fingerprint,
    /// How many entries it has.
    pub entries: usize,
    /// How much its files hold.
    pub bytes: u64,
}

/// One entry of a walk: where it is, under which name it counts, and what it is.
struct Entry {
    path: PathBuf,
    relative: Vec<u8>,
    sort: Sort,
    found: Metadata,
}

enum Sort {
    Folder,
    File,
    Link(Vec<u8>),
    /// A link out of the tree, and the plain file that it leads to.
    Outside(PathBuf, Metadata),
}

/// Reads the tree or single file at `path`. Blocks; at most 200,000 entries, 64 folders deep, 8 GiB.
///
/// # Errors
/// [`Error::TooMuch`]; [`Error::Leaves`] for a link to a folder outside or to nothing outside; [`Error::Sort`] for what is neither file, folder nor link;
/// [`Error::Moving`] when it changed meanwhile; [`Error::File`].
pub fn tree_digest(path: &Path) -> Result<Tree, Error> {
    let root = path.canonicalize().map_err(Error::file(path))?;
    let entries = walk(&root)?;
    let before = print(&entries);
    let total = entries.iter().filter(|entry| entry.found.is_file()).fold(0_u64, |sum, entry| sum.saturating_add(entry.found.len()));
    if total > MOST_BYTES {
        return Err(Error::TooMuch { path: root, most: "8 GiB" });
    }
    let mut whole = Sha256::new();
    for entry in &entries {
        match &entry.sort {
            Sort::Folder => part(&mut whole, &[b"d", &entry.relative]),
            Sort::Link(target) => part(&mut whole, &[b"l", &entry.relative, target]),
            Sort::File => part(&mut whole, &[letter(&entry.found), &entry.relative, &contents(&entry.path, &entry.found)?]),
            Sort::Outside(target, found) => part(&mut whole, &[b"o", &entry.relative, letter(found), &contents(target, found)?]),
        }
    }
    if fingerprint(&root)? != before {
        return Err(Error::Moving(root));
    }
    Ok(Tree { digest: Digest(whole.finalize().into()), fingerprint: before, entries: entries.len(), bytes: total })
}

/// Reads the single file that is open as `file`, from its start: as [`tree_digest`] of it, but of the very file that was opened, whatever has its
/// name meanwhile. `path` is for errors. Blocks; at most 8 GiB.
///
/// # Errors
/// [`Error::TooMuch`], [`Error::Sort`] when it is no plain file, [`Error::Moving`], [`Error::File`].
pub fn opened_digest(file: &File, path: &Path) -> Result<Tree, Error> {
    let found = file.metadata().map_err(Error::file(path))?;
    let before = opened_fingerprint(file, path)?;
    if found.len() > MOST_BYTES {
        return Err(Error::TooMuch { path: path.to_owned(), most: "8 GiB" });
    }
    let mut whole = Sha256::new();
    part(&mut whole, &[letter(&found), b"", &read(file, path, &found)?]);
    if opened_fingerprint(file, path)? != before {
        return Err(Error::Moving(path.to_owned()));
    }
    Ok(Tree { digest: Digest(whole.finalize().into()), fingerprint: before, entries: 1, bytes: found.len() })
}

/// What `fstat` says of a single file that is open, as [`fingerprint`] of it.
///
/// # Errors
/// [`Error::Sort`] when it is no plain file, [`Error::File`].
pub fn opened_fingerprint(file: &File, path: &Path) -> Result<Fingerprint, Error> {
    let found = file.metadata().map_err(Error::file(path))?;
    if !found.is_file() {
        return Err(Error::Sort { path: path.to_owned(), wanted: "file" });
    }
    Ok(print(&[Entry { path: path.to_owned(), relative: Vec::new(), sort: Sort::File, found }]))
}

/// What `stat` says of the tree or single file at `path`, without reading it. Blocks.
///
/// # Errors
/// As [`tree_digest`].
pub fn fingerprint(path: &Path) -> Result<Fingerprint, Error> {
    let root = path.canonicalize().map_err(Error::file(path))?;
    Ok(print(&walk(&root)?))
}

fn print(entries: &[Entry]) -> Fingerprint {
    let mut whole = Sha256::new();
    let mut changed = 0_u64;
    for entry in entries {
        part(&mut whole, &[&entry.relative]);
        let outside = match &entry.sort {
            Sort::Outside(_, found) => Some(found),
            Sort::Folder | Sort::File | Sort::Link(_) => None,
        };
        for found in std::iter::once(&entry.found).chain(outside) {
            for number in [found.dev(), found.ino(), u64::from(found.mode()), found.size()] {
                whole.update(number.to_be_bytes());
            }
            for number in [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()] {
                whole.update(number.to_be_bytes());
            }
            let seconds = u64::try_from(found.ctime()).unwrap_or(0);
            changed = changed.max(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(found.ctime_nsec()).unwrap_or(0)));
        }
    }
    Fingerprint { digest: whole.finalize().into(), changed: Utc::from_nanos(changed) }
}

fn part(whole: &mut Sha256, pieces: &[&[u8]]) {
    for piece in pieces {
        whole.update((piece.len() as u64).to_be_bytes());
        whole.update(piece);
    }
}

fn letter(found: &Metadata) -> &'static [u8] {
    if found.mode() & 0o111 == 0 { b"f" } else { b"x" }
}

/// The SHA-256 of the file, which must be as long as `found` says.
fn contents(path: &Path, found: &Metadata) -> Result<[u8; 32], Error> {
    read(&File::open(path).map_err(Error::file(path))?, path, found)
}

fn read(file: &File, path: &Path, found: &Metadata) -> Result<[u8; 32], Error> {
    let mut file = file.take(found.len().saturating_add(1));
    let mut piece = vec![0; PIECE];
    let mut whole = Sha256::new();
    let mut read = 0_u64;
    loop {
        let length = file.read(&mut piece).map_err(Error::file(path))?;
        let Some(filled) = piece.get(..length).filter(|filled| !filled.is_empty()) else { break };
        whole.update(filled);
        read = read.saturating_add(length as u64);
    }
    if read == found.len() { Ok(whole.finalize().into()) } else { Err(Error::Moving(path.to_owned())) }
}

/// Every entry below and with `root`, ordered by path.
fn walk(root: &Path) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut open = vec![(root.to_owned(), 0_usize)];
    while let Some((path, depth)) = open.pop() {
        if depth > MOST_DEPTH {
            return Err(Error::TooMuch { path: root.to_owned(), most: "64 folders in one another" });
        }
        let entry = entry(root, path)?;
        if matches!(entry.sort, Sort::Folder) {
            for child in std::fs::read_dir(&entry.path).map_err(Error::file(&entry.path))? {
                open.push((child.map_err(Error::file(&entry.path))?.path(), depth + 1));
                if open.len() + entries.len() >= MOST_ENTRIES {
                    return Err(Error::TooMuch { path: root.to_owned(), most: "200,000 entries" });
                }
            }
        }
        entries.push(entry);
    }
    entries.sort_by(|one, other| one.relative.cmp(&other.relative));
    Ok(entries)
}

fn entry(root: &Path, path: PathBuf) -> Result<Entry, Error> {
    let found = path.symlink_metadata().map_err(Error::file(&path))?;
    let relative = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
    let sort = if found.is_dir() {
        Sort::Folder
    } else if found.is_file() {
        Sort::File
    } else if found.is_symlink() {
        link(root, &path)?
    } else {
        return Err(Error::Sort { path, wanted: "file, folder or link" });
    };
    Ok(Entry { path, relative, sort, found })
}

/// A link that stays inside counts by its text, since its target is an entry too; one that leaves counts by what it leads to.
fn link(root: &Path, path: &Path) -> Result<Sort, Error> {
    let target = std::fs::read_link(path).map_err(Error::file(path))?;
    if stays(root, path, &target) {
        return Ok(Sort::Link(target.into_os_string().as_encoded_bytes().to_vec()));
    }
    let outside = path.canonicalize().map_err(|_| Error::Leaves(path.to_owned()))?;
    let found = outside.symlink_metadata().map_err(Error::file(&outside))?;
    if found.is_file() { Ok(Sort::Outside(outside, found)) } else { Err(Error::Leaves(path.to_owned())) }
}

/// Whether a link at `path` ends inside `root`, both by its text and by where it leads.
fn stays(root: &Path, path: &Path, target: &Path) -> bool {
    let inside = match path.canonicalize() {
        Ok(end) => end.starts_with(root),
        Err(_) => true,
    };
    let mut depth = path.parent().and_then(|parent| parent.strip_prefix(root).ok()).map_or(0, |inner| inner.components().count());
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    inside
}
