//! Issued tokens and revocations.

use super::{Store, to_column, to_time};
use crate::Error;
use identity::{Pending, Revocation, Revocations, Standing, TokenRecord, Tokens};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use terms::{TokenId, Utc};

const MOST_LISTED: i64 = 10_000;
const WHAT: &str = "tokens";

fn port(error: Error) -> identity::Error {
    identity::Error::Port(Box::new(error))
}

pub(super) async fn revoked(pool: &SqlitePool) -> Result<Vec<Revocation>, Error> {
    let rows = sqlx::query("SELECT id, at FROM revocations ORDER BY at, id").fetch_all(pool).await?;
    rows.iter().map(|row| Ok(Revocation { id: id(row)?, at: to_time(row.try_get("at")?, WHAT)? })).collect()
}

fn id(row: &SqliteRow) -> Result<TokenId, Error> {
    row.try_get::<&str, _>("id")?.parse().map_err(|_| Error::Damaged(WHAT))
}

fn record(row: &SqliteRow) -> Result<TokenRecord, Error> {
    let damaged = |_| Error::Damaged(WHAT);
    let user: Option<String> = row.try_get("user")?;
    let revoked: Option<i64> = row.try_get("revoked")?;
    Ok(TokenRecord {
        id: id(row)?,
        agent: row.try_get::<&str, _>("agent")?.parse().map_err(|_| Error::Damaged(WHAT))?,
        user: user.map(|user| user.parse()).transpose().map_err(|_| Error::Damaged(WHAT))?,
        servers: serde_json::from_str(row.try_get("servers")?).map_err(damaged)?,
        tools: serde_json::from_str(row.try_get("tools")?).map_err(damaged)?,
        workload: row.try_get::<Option<&str>, _>("workload")?.map(Into::into),
        issued: to_time(row.try_get("issued")?, WHAT)?,
        expires: to_time(row.try_get("expires")?, WHAT)?,
        revoked: revoked.map(|at| to_time(at, WHAT)).transpose()?,
    })
}

impl Store {
    async fn keep_token(&self, record: TokenRecord) -> Result<(), Error> {
        let servers = serde_json::to_string(&record.servers).map_err(|_| Error::Damaged(WHAT))?;
        let tools = serde_json::to_string(&record.tools).map_err(|_| Error::Damaged(WHAT))?;
        sqlx::query("INSERT INTO tokens (id, agent, user, servers, tools, workload, issued, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(record.id.to_string())
            .bind(record.agent.as_str())
            .bind(record.user.as_ref().map(terms::Name::as_str))
            .bind(servers)
            .bind(tools)
            .bind(record.workload.as_deref())
            .bind(to_column(record.issued))
            .bind(to_column(record.expires))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn find_token(&self, id: TokenId) -> Result<Option<TokenRecord>, Error> {
        let row = sqlx::query("SELECT t.*, r.at AS revoked FROM tokens t LEFT JOIN revocations r ON r.id = t.id WHERE t.id = ?")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(record).transpose()
    }

    async fn list_tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        let rows = sqlx::query(
            "SELECT t.*, r.at AS revoked FROM tokens t LEFT JOIN revocations r ON r.id = t.id ORDER BY t.issued DESC, t.id LIMIT ?",
        )
        .bind(MOST_LISTED)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(record).collect()
    }

    async fn forget_tokens(&self, end: Utc) -> Result<u64, Error> {
        let end = to_column(end);
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM revocations WHERE id IN (SELECT id FROM tokens WHERE expires < ?)")
            .bind(end)
            .execute(&mut *transaction)
            .await?;
        let ended = sqlx::query("DELETE FROM tokens WHERE expires < ? RETURNING id").bind(end).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        for row in &ended {
            self.revoked.drop_ended(id(row)?);
        }
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }

    async fn keep_revocation(&self, noted: Revocation) -> Result<Revocation, Error> {
        sqlx::query("INSERT INTO revocations (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING")
            .bind(noted.id.to_string())
            .bind(to_column(noted.at))
            .execute(&self.writer)
            .await?;
        Ok(noted)
    }
}

impl Tokens for Store {
    fn keep(&self, record: TokenRecord) -> Pending<'_, ()> {
        Box::pin(async move { self.keep_token(record).await.map_err(port) })
    }

    fn find(&self, id: TokenId) -> Pending<'_, Option<TokenRecord>> {
        Box::pin(async move { self.find_token(id).await.map_err(port) })
    }

    fn list(&self) -> Pending<'_, Vec<TokenRecord>> {
        Box::pin(async move { self.list_tokens().await.map_err(port) })
    }

    fn forget(&self, end: Utc) -> Pending<'_, u64> {
        Box::pin(async move { self.forget_tokens(end).await.map_err(port) })
    }
}

impl Revocations for Store {
    fn standing(&self, id: TokenId) -> Standing {
        self.revoked.standing(id)
    }

    fn revoke(&self, id: TokenId, at: Utc) -> Pending<'_, Revocation> {
        let noted = self.revoked.note(id, at);
        Box::pin(async move { self.keep_revocation(noted).await.map_err(port) })
    }

    fn revoked(&self) -> Pending<'_, Vec<Revocation>> {
        Box::pin(std::future::ready(Ok(self.revoked.all())))
    }
}
