//! The very file that a program was when it was looked at: what is executed is that one, or nothing.

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Which file, in which state: another one under the same name, or one that was written to since, has another image (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What to execute.
pub(crate) enum Opened {
    /// The open file itself, whatever takes its name meanwhile.
    File(File),
    /// Whatever has the name: a script, since its interpreter opens it anew, or a program that nobody looked at before.
    Name,
}

impl Image {
    /// The image of an open file, from what it says of itself.
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Opens `program` once; it must be this file.
    pub(crate) fn open(&self, program: &Path) -> io::Result<Opened> {
        let mut file = File::open(program)?;
        if Self::of(&file.metadata()?) != *self {
            return Err(io::Error::other("it is not the file that was looked at"));
        }
        let mut start = [0_u8; 2];
        let script = file.read_exact(&mut start).is_ok() && start == *b"#!";
        Ok(if script { Opened::Name } else { Opened::File(file) })
    }
}
