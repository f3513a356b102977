//! The schema: forward only, one transaction a step.

use crate::Error;
use sqlx::{AssertSqlSafe, SqlitePool};
use std::path::Path;

/// "BSTD": marks the file as ours (`PRAGMA application_id`).
const APPLICATION: i64 = 0x4253_5444;

/// Step `n` (from 1) leads from version `n - 1` to `n`. Never edited once released.
const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_bound_tokens.sql"),
    include_str!("../../migrations/0003_authority.sql"),
];

pub(super) async fn run(pool: &SqlitePool, path: &Path) -> Result<(), Error> {
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(pool).await?;
    let fresh = application == 0 && found == 0 && tables == 0;
    if !fresh && application != APPLICATION {
        return Err(Error::ForeignDatabase(path.to_owned()));
    }
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Error::Newer { found, known });
    }
    let done = usize::try_from(found).map_err(|_| Error::Damaged("version"))?;
    for (at, step) in STEPS.iter().enumerate().skip(done) {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        // Pragmas take no parameters; both are numbers of ours.
        let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}", at + 1);
        sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}
