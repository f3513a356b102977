//! What a killed server leaves behind, kept to be looked at: its private places and the last of its standard error.
//!
//! A kill never waits for it: the processes end first, then what they left is copied. Control: `response.kill-switch`.

use sandbox::{Kept, Most, Scratch};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use terms::{ServerName, Utc};

/// The most of one process.
const MOST: Most = Most { bytes: 64 << 20, file_bytes: 16 << 20, entries: 10_000 };
/// Folders that are kept; the oldest go first.
const FOLDERS: usize = 64;
/// How long one is kept.
const AGE: Duration = Duration::from_secs(30 * 86_400);

/// The folder in which it is kept.
#[derive(Debug)]
pub struct Forensics {
    folder: PathBuf,
    next: AtomicU64,
}

impl Forensics {
    /// In `folder`, which is made with mode 0700 when something is kept.
    pub const fn at(folder: PathBuf) -> Self {
        Self { folder, next: AtomicU64::new(1) }
    }

    /// Where the next process of `server` will be kept: a name that no other one gets.
    pub(crate) fn place(&self, server: &ServerName, now: Utc) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{server}-{}-{number}", now.to_string().replace(':', "-")))
    }

    /// Keeps what is in `scratch`, and `said`, the last lines of its standard error, at `place`. Nothing of it runs any more.
    ///
    /// # Errors
    /// What cannot be written; what came before it is there.
    pub(crate) fn keep(&self, place: &Path, scratch: Option<&Scratch>, said: &[Box<str>]) -> io::Result<Kept> {
        // Before, so that the new one is never the one too many.
        self.clear(FOLDERS - 1);
        folder(&self.folder).or_else(|cause| if self.folder.is_dir() { Ok(()) } else { Err(cause) })?;
        folder(place)?;
        let mut log = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.join("stderr.log"))?;
        for line in said {
            writeln!(log, "{line}")?;
        }
        scratch.map_or(Ok(Kept::default()), |scratch| scratch.keep(place, MOST))
    }

    /// Removes what is too old, or too much.
    pub fn sweep(&self) {
        self.clear(FOLDERS);
    }

    fn clear(&self, most: usize) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let dated = |entry: std::fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let mut all: Vec<(SystemTime, PathBuf)> = entries.flatten().filter_map(dated).collect();
        all.sort();
        let now = SystemTime::now();
        let many = all.len().saturating_sub(most);
        for (at, (made, path)) in all.into_iter().enumerate() {
            let old = now.duration_since(made).is_ok_and(|age| age > AGE);
            if (at < many || old)
                && let Err(cause) = std::fs::remove_dir_all(&path)
            {
                tracing::warn!(%cause, path = %path.display(), "what was kept of a killed server cannot be removed");
            }
        }
    }
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let root = std::env::temp_dir().join(format!("bastide-forensics-{}", std::process::id()));
        let forensics = Forensics::at(root.clone());
        let server = ServerName::new("files").unwrap();
        let mut places = Vec::new();
        for at in 0..FOLDERS + 2 {
            let place = forensics.place(&server, Utc::from_nanos(0));
            forensics.keep(&place, None, &["last words".into()]).unwrap();
            let made = std::fs::File::open(&place).unwrap();
            made.set_modified(SystemTime::now() - Duration::from_secs(1000 - at as u64)).unwrap();
            places.push(place);
        }
        let there: Vec<bool> = places.iter().map(|place| place.is_dir()).collect();
        let old = std::fs::File::open(&places[FOLDERS]).unwrap();
        old.set_modified(SystemTime::now() - AGE - Duration::from_secs(60)).unwrap();
        forensics.sweep();
        let swept = places[FOLDERS].is_dir();
        let said = std::fs::read_to_string(places[FOLDERS + 1].join("stderr.log")).unwrap();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(there.iter().filter(|there| **there).count(), FOLDERS);
        assert!(!there[0] && !there[1] && there[2] && !swept);
        assert_eq!(said, "last words\n");
    }
}
