//! The embedded database: one file, write-ahead log, every commit synced, one writer.

mod authority;
mod chest;
mod epochs;
mod migration;
mod tokens;
mod trees;

use crate::folder::reserve;
use crate::{Error, Folder, keys};
use identity::Memory;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;
use terms::Utc;

const FILE: &str = "state.db";
const LOG: &str = "state.db-wal";
const READERS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(5);

/// The embedded store: the state folder and the database in it.
pub struct Store {
    folder: Folder,
    /// INVARIANT: one connection, so that writes queue here and never meet a busy database.
    writer: SqlitePool,
    readers: SqlitePool,
    revoked: Memory,
}

/// Opens the embedded store.
pub struct Sqlite;

impl Sqlite {
    /// Takes the state folder at `state`, made when it is not there, and opens the database in it, brought to this release's schema.
    ///
    /// # Errors
    /// Those of [`Folder::take`]; [`Error::DatabaseGone`], [`Error::Newer`], [`Error::ForeignDatabase`], [`Error::Damaged`], [`Error::Database`].
    pub async fn open(state: &Path) -> Result<Store, Error> {
        let folder = Folder::take(state)?;
        let path = folder.path().join(FILE);
        if is_empty(&path) && is_empty(&folder.path().join(LOG)) && keys::any(&folder)? {
            return Err(Error::DatabaseGone(path));
        }
        reserve(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        let writer = SqlitePoolOptions::new().min_connections(1).max_connections(1).idle_timeout(None).max_lifetime(None);
        let writer = writer.acquire_timeout(PATIENCE).connect_with(options.clone()).await?;
        migration::run(&writer, &path).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(PATIENCE);
        let readers = readers.connect_lazy_with(options.pragma("query_only", "ON"));
        let revoked = Memory::new(tokens::revoked(&writer).await?);
        Ok(Store { folder, writer, readers, revoked })
    }
}

impl Store {
    /// The state folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Ends all connections, so that the write-ahead log is folded in. Dropping it without is safe, too.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }
}

/// Whether nothing was ever written there. With revocations and kills in it, a database must not begin anew beside keys that go on.
fn is_empty(path: &Path) -> bool {
    path.metadata().map_or(true, |found| found.len() == 0)
}

fn to_column(at: Utc) -> i64 {
    i64::try_from(at.nanos()).unwrap_or(i64::MAX)
}

fn to_time(column: i64, what: &'static str) -> Result<Utc, Error> {
    u64::try_from(column).map(Utc::from_nanos).map_err(|_| Error::Damaged(what))
}

fn to_number(number: u64, what: &'static str) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Damaged(what))
}

fn from_number(column: i64, what: &'static str) -> Result<u64, Error> {
    u64::try_from(column).map_err(|_| Error::Damaged(what))
}
