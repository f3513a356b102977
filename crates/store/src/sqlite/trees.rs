//! Digests of package trees, remembered while nothing in them was touched.

use super::Store;
use crate::tree::{Digest, Tree, fingerprint, tree_digest};
use crate::{Error, Fingerprint};
use sqlx::Row;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use terms::Clock;

const WHAT: &str = "trees";
/// A file may be written twice within one tick of its clock; what is younger is read anew next time.
const SETTLED: Duration = Duration::from_secs(3);

impl Store {
    /// The digest of the tree or executable at `path`, read anew only when size, times, mode or inode of anything in it changed since.
    ///
    /// # Errors
    /// Those of [`tree_digest`]; [`Error::Database`].
    pub async fn tree(&self, path: &Path, clock: &dyn Clock) -> Result<Digest, Error> {
        let path = path.canonicalize().map_err(Error::file(path))?;
        let now = clock.utc();
        let seen = aside(path.clone(), fingerprint).await?;
        if let Some(digest) = self.remembered(&path, &seen).await? {
            return Ok(digest);
        }
        let tree = aside(path.clone(), tree_digest).await?;
        if tree.fingerprint.changed.after(SETTLED) < now {
            self.remember(&path, &tree).await?;
        }
        Ok(tree.digest)
    }

    async fn remembered(&self, path: &Path, seen: &Fingerprint) -> Result<Option<Digest>, Error> {
        let row = sqlx::query("SELECT fingerprint, digest FROM trees WHERE path = ?")
            .bind(path.as_os_str().as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<&[u8], _>("fingerprint")? != seen.digest {
            return Ok(None);
        }
        let digest: [u8; 32] = row.try_get::<&[u8], _>("digest")?.try_into().map_err(|_| Error::Damaged(WHAT))?;
        Ok(Some(Digest::from_bytes(digest)))
    }

    async fn remember(&self, path: &Path, tree: &Tree) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO trees (path, fingerprint, digest) VALUES (?, ?, ?)
             ON CONFLICT (path) DO UPDATE SET fingerprint = excluded.fingerprint, digest = excluded.digest",
        )
        .bind(path.as_os_str().as_bytes())
        .bind(tree.fingerprint.digest.to_vec())
        .bind(tree.digest.as_bytes().to_vec())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn aside<T: Send + 'static>(path: PathBuf, work: fn(&Path) -> Result<T, Error>) -> Result<T, Error> {
    tokio::task::spawn_blocking(move || work(&path)).await.map_err(|_| Error::CutOff)?
}
