//! Kill epochs.

use super::{Store, from_number, to_column, to_number, to_time};
use crate::Error;
use response::{EpochStore, Kept, Pending, Stop};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

const WHAT: &str = "kill epochs";

fn port(error: Error) -> response::Error {
    response::Error::Port(Box::new(error))
}

fn stop(row: &SqliteRow) -> Result<Stop, Error> {
    let released: Option<i64> = row.try_get("released")?;
    Ok(Stop {
        scope: row.try_get::<&str, _>("scope")?.parse().map_err(|_| Error::Damaged(WHAT))?,
        epoch: from_number(row.try_get("epoch")?, WHAT)?,
        reason: row.try_get("reason")?,
        by: row.try_get("by")?,
        at: to_time(row.try_get("at")?, WHAT)?,
        released: released.map(|at| to_time(at, WHAT)).transpose()?,
    })
}

impl Store {
    async fn keep_stop(&self, stop: Stop) -> Result<(), Error> {
        let epoch = to_number(stop.epoch, WHAT)?;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE epoch SET highest = max(highest, ?)").bind(epoch).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO stops (scope, epoch, reason, by, at, released) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (scope) DO UPDATE SET epoch = excluded.epoch, reason = excluded.reason, by = excluded.by, at = excluded.at,
                 released = coalesce(iif(stops.epoch = excluded.epoch, stops.released, NULL), excluded.released)
             WHERE stops.epoch <= excluded.epoch",
        )
        .bind(stop.scope.to_string())
        .bind(epoch)
        .bind(stop.reason)
        .bind(stop.by)
        .bind(to_column(stop.at))
        .bind(stop.released.map(to_column))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn kept_stops(&self) -> Result<Kept, Error> {
        let mut transaction = self.readers.begin().await?;
        let highest: i64 = sqlx::query_scalar("SELECT highest FROM epoch").fetch_one(&mut *transaction).await?;
        let rows = sqlx::query("SELECT * FROM stops WHERE released IS NULL ORDER BY epoch").fetch_all(&mut *transaction).await?;
        Ok(Kept { epoch: from_number(highest, WHAT)?, stops: rows.iter().map(stop).collect::<Result<_, _>>()? })
    }
}

impl EpochStore for Store {
    fn keep(&self, stop: Stop) -> Pending<'_, ()> {
        Box::pin(async move { self.keep_stop(stop).await.map_err(port) })
    }

    fn kept(&self) -> Pending<'_, Kept> {
        Box::pin(async move { self.kept_stops().await.map_err(port) })
    }
}
