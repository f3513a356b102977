//! The vault's sealed bytes.

use super::{Store, from_number, to_column, to_number, to_time};
use crate::Error;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use vault::{Address, Chest, Head, Pending, Sealed, Stretch};

const WHAT: &str = "vault";

fn port(error: Error) -> vault::Error {
    vault::Error::Port(Box::new(error))
}

fn small(row: &SqliteRow, column: &str) -> Result<u32, Error> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Error::Damaged(WHAT))
}

fn head(row: &SqliteRow) -> Result<Head, Error> {
    Ok(Head {
        method: row.try_get::<&str, _>("method")?.parse().map_err(|_| Error::Damaged(WHAT))?,
        salt: row.try_get::<&[u8], _>("salt")?.try_into().map_err(|_| Error::Damaged(WHAT))?,
        stretch: Stretch { memory: small(row, "memory")?, passes: small(row, "passes")?, lanes: small(row, "lanes")? },
        version: from_number(row.try_get("version")?, WHAT)?,
        wrapped: row.try_get("wrapped")?,
    })
}

fn sealed(row: &SqliteRow) -> Result<Sealed, Error> {
    let server = row.try_get::<&str, _>("server")?.parse().map_err(|_| Error::Damaged(WHAT))?;
    let name = row.try_get::<&str, _>("name")?.parse().map_err(|_| Error::Damaged(WHAT))?;
    Ok(Sealed {
        address: Address::new(server, name),
        version: from_number(row.try_get("version")?, WHAT)?,
        key: row.try_get("key")?,
        value: row.try_get("value")?,
        created: to_time(row.try_get("created")?, WHAT)?,
        updated: to_time(row.try_get("updated")?, WHAT)?,
    })
}

impl Store {
    async fn find_head(&self) -> Result<Option<Head>, Error> {
        let row = sqlx::query("SELECT * FROM vault_head").fetch_optional(&self.readers).await?;
        row.as_ref().map(head).transpose()
    }

    async fn write_head(&self, head: Head) -> Result<bool, Error> {
        let version = to_number(head.version, WHAT)?;
        let query = if version == 1 {
            "INSERT INTO vault_head (one, method, salt, memory, passes, lanes, version, wrapped) VALUES (1, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING"
        } else {
            "UPDATE vault_head SET method = ?1, salt = ?2, memory = ?3, passes = ?4, lanes = ?5, version = ?6, wrapped = ?7 WHERE version = ?6 - 1"
        };
        let written = sqlx::query(query)
            .bind(head.method.as_str())
            .bind(head.salt.to_vec())
            .bind(i64::from(head.stretch.memory))
            .bind(i64::from(head.stretch.passes))
            .bind(i64::from(head.stretch.lanes))
            .bind(version)
            .bind(head.wrapped)
            .execute(&self.writer)
            .await?;
        Ok(written.rows_affected() == 1)
    }

    async fn all_sealed(&self) -> Result<Vec<Sealed>, Error> {
        let rows = sqlx::query("SELECT * FROM vault_entries ORDER BY server, name").fetch_all(&self.readers).await?;
        rows.iter().map(sealed).collect()
    }

    async fn write_sealed(&self, sealed: Sealed) -> Result<bool, Error> {
        let version = to_number(sealed.version, WHAT)?;
        let query = if version == 1 {
            "INSERT INTO vault_entries (server, name, version, key, value, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE vault_entries SET version = ?3, key = ?4, value = ?5, created = ?6, updated = ?7
             WHERE server = ?1 AND name = ?2 AND version = ?3 - 1"
        };
        let written = sqlx::query(query)
            .bind(sealed.address.server.as_str())
            .bind(sealed.address.name.as_str())
            .bind(version)
            .bind(sealed.key)
            .bind(sealed.value)
            .bind(to_column(sealed.created))
            .bind(to_column(sealed.updated))
            .execute(&self.writer)
            .await?;
        Ok(written.rows_affected() == 1)
    }

    async fn remove_sealed(&self, address: &Address) -> Result<bool, Error> {
        let removed = sqlx::query("DELETE FROM vault_entries WHERE server = ? AND name = ?")
            .bind(address.server.as_str())
            .bind(address.name.as_str())
            .execute(&self.writer)
            .await?;
        Ok(removed.rows_affected() == 1)
    }
}

impl Chest for Store {
    fn head(&self) -> Pending<'_, Option<Head>> {
        Box::pin(async move { self.find_head().await.map_err(port) })
    }

    fn keep_head(&self, head: Head) -> Pending<'_, bool> {
        Box::pin(async move { self.write_head(head).await.map_err(port) })
    }

    fn entries(&self) -> Pending<'_, Vec<Sealed>> {
        Box::pin(async move { self.all_sealed().await.map_err(port) })
    }

    fn keep(&self, sealed: Sealed) -> Pending<'_, bool> {
        Box::pin(async move { self.write_sealed(sealed).await.map_err(port) })
    }

    fn remove(&self, address: &Address) -> Pending<'_, bool> {
        let address = address.clone();
        Box::pin(async move { self.remove_sealed(&address).await.map_err(port) })
    }
}
