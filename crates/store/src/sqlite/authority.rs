//! What the authority of our own has issued.

use super::{Store, from_number, to_column, to_number, to_time};
use crate::Error;
use identity::Pending;
use identity::authority::{CertificateRecord, Certificates, Domain, Invitation, IssuerRecord, Origin, Role, TakenBack};
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use std::time::Duration;
use terms::{Name, Utc};

const MOST_LISTED: i64 = 10_000;
const WHAT: &str = "certificates";

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

fn port(error: Error) -> identity::Error {
    identity::Error::Port(Box::new(error))
}

fn damaged<T>(_: T) -> Error {
    Error::Damaged(WHAT)
}

fn role(row: &SqliteRow) -> Result<Role, Error> {
    Role::named(row.try_get("role")?).map_err(damaged)
}

fn name(row: &SqliteRow) -> Result<Name, Error> {
    row.try_get::<&str, _>("name")?.parse().map_err(damaged)
}

fn hosts(row: &SqliteRow) -> Result<Vec<String>, Error> {
    serde_json::from_str(row.try_get("hosts")?).map_err(damaged)
}

fn life(row: &SqliteRow) -> Result<Duration, Error> {
    from_number(row.try_get("life")?, WHAT).map(Duration::from_secs)
}

fn bytes(row: &SqliteRow, column: &str) -> Result<[u8; 32], Error> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(damaged)
}

fn moment(row: &SqliteRow, column: &str) -> Result<Utc, Error> {
    to_time(row.try_get(column)?, WHAT)
}

fn maybe(row: &SqliteRow, column: &str) -> Result<Option<Utc>, Error> {
    row.try_get::<Option<i64>, _>(column)?.map(|at| to_time(at, WHAT)).transpose()
}

fn printed(hosts: &[String]) -> Result<String, Error> {
    serde_json::to_string(hosts).map_err(damaged)
}

fn certificate(row: &SqliteRow) -> Result<CertificateRecord, Error> {
    let reason: Option<String> = row.try_get("reason")?;
    Ok(CertificateRecord {
        serial: row.try_get("serial")?,
        issuer: row.try_get("issuer")?,
        role: role(row)?,
        name: name(row)?,
        hosts: hosts(row)?,
        life: life(row)?,
        public: bytes(row, "public")?,
        begins: moment(row, "begins")?,
        ends: moment(row, "ends")?,
        revoked: maybe(row, "revoked")?.map(|at| (at, reason.unwrap_or_default())),
    })
}

fn issuer(row: &SqliteRow) -> Result<IssuerRecord, Error> {
    Ok(IssuerRecord {
        id: row.try_get("id")?,
        chain: row.try_get("chain")?,
        root: row.try_get("root")?,
        origin: if row.try_get::<i64, _>("outside")? == 0 { Origin::Own } else { Origin::Outside },
        since: moment(row, "since")?,
        ends: moment(row, "ends")?,
    })
}

fn invitation(row: &SqliteRow) -> Result<Invitation, Error> {
    Ok(Invitation {
        id: row.try_get("id")?,
        digest: bytes(row, "digest")?,
        role: role(row)?,
        name: name(row)?,
        hosts: hosts(row)?,
        life: life(row)?,
        ends: moment(row, "ends")?,
        spent: maybe(row, "spent")?,
    })
}

fn insertion(issuer: &IssuerRecord) -> Query<'static> {
    // Again is the same issuer back in its place.
    sqlx::query(
        "INSERT INTO issuers (id, chain, root, outside, since, ends) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET since = excluded.since",
    )
    .bind(issuer.id.clone())
    .bind(issuer.chain.clone())
    .bind(issuer.root.clone())
    .bind(match issuer.origin {
        Origin::Own => 0_i64,
        Origin::Outside => 1,
    })
    .bind(to_column(issuer.since))
    .bind(to_column(issuer.ends))
}

impl Store {
    async fn change(&self, query: Query<'_>) -> Result<u64, Error> {
        Ok(query.execute(&self.writer).await?.rows_affected())
    }

    async fn one<T>(&self, query: Query<'_>, read: fn(&SqliteRow) -> Result<T, Error>) -> Result<Option<T>, Error> {
        query.fetch_optional(&self.writer).await?.as_ref().map(read).transpose()
    }

    async fn all<T>(&self, query: Query<'_>, read: fn(&SqliteRow) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        query.fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    async fn found_authority(&self, domain: Domain, issuer: IssuerRecord) -> Result<bool, Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let founded = sqlx::query("INSERT INTO authority (one, domain, number) VALUES (1, ?, 0) ON CONFLICT (one) DO NOTHING")
            .bind(domain.to_string())
            .execute(&mut *transaction)
            .await?;
        if founded.rows_affected() == 0 {
            return Ok(false);
        }
        insertion(&issuer).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn keep_certificate(&self, record: CertificateRecord) -> Result<(), Error> {
        let query = sqlx::query(
            "INSERT INTO certificates (serial, issuer, role, name, hosts, life, public, begins, ends) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(record.serial)
        .bind(record.issuer)
        .bind(record.role.as_str())
        .bind(record.name.as_str().to_owned())
        .bind(printed(&record.hosts)?)
        .bind(to_number(record.life.as_secs(), WHAT)?)
        .bind(record.public.to_vec())
        .bind(to_column(record.begins))
        .bind(to_column(record.ends));
        self.change(query).await.map(drop)
    }

    async fn keep_invitation(&self, invitation: Invitation) -> Result<(), Error> {
        let query = sqlx::query("INSERT INTO invitations (id, digest, role, name, hosts, life, ends) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(invitation.id)
            .bind(invitation.digest.to_vec())
            .bind(invitation.role.as_str())
            .bind(invitation.name.as_str().to_owned())
            .bind(printed(&invitation.hosts)?)
            .bind(to_number(invitation.life.as_secs(), WHAT)?)
            .bind(to_column(invitation.ends));
        self.change(query).await.map(drop)
    }

    async fn forget_certificates(&self, end: Utc) -> Result<u64, Error> {
        let end = to_column(end);
        self.change(sqlx::query("DELETE FROM invitations WHERE ends < ?").bind(end)).await?;
        let kept = "DELETE FROM certificates WHERE ends < ? AND revoked IS NULL AND issuer NOT IN (SELECT id FROM issuers)";
        self.change(sqlx::query(kept).bind(end)).await
    }
}

impl Certificates for Store {
    fn domain(&self) -> Pending<'_, Option<Domain>> {
        let read = |row: &SqliteRow| row.try_get::<&str, _>("domain")?.parse().map_err(damaged);
        Box::pin(async move { self.one(sqlx::query("SELECT domain FROM authority"), read).await.map_err(port) })
    }

    fn found(&self, domain: Domain, issuer: IssuerRecord) -> Pending<'_, bool> {
        Box::pin(async move { self.found_authority(domain, issuer).await.map_err(port) })
    }

    fn succeed(&self, issuer: IssuerRecord) -> Pending<'_, ()> {
        Box::pin(async move { self.change(insertion(&issuer)).await.map(drop).map_err(port) })
    }

    fn issuers(&self, now: Utc) -> Pending<'_, Vec<IssuerRecord>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM issuers WHERE ends > ? ORDER BY since DESC, id").bind(to_column(now));
            self.all(query, issuer).await.map_err(port)
        })
    }

    fn drop_issuer(&self, id: String) -> Pending<'_, ()> {
        Box::pin(async move { self.change(sqlx::query("DELETE FROM issuers WHERE id = ?").bind(id)).await.map(drop).map_err(port) })
    }

    fn keep(&self, record: CertificateRecord) -> Pending<'_, ()> {
        Box::pin(async move { self.keep_certificate(record).await.map_err(port) })
    }

    fn find(&self, serial: String) -> Pending<'_, Option<CertificateRecord>> {
        Box::pin(async move {
            self.one(sqlx::query("SELECT * FROM certificates WHERE serial = ?").bind(serial), certificate).await.map_err(port)
        })
    }

    fn list(&self, since: Utc) -> Pending<'_, Vec<CertificateRecord>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM certificates WHERE ends > ? ORDER BY begins DESC, serial LIMIT ?");
            self.all(query.bind(to_column(since)).bind(MOST_LISTED), certificate).await.map_err(port)
        })
    }

    fn named(&self, name: Name, role: Option<Role>, since: Utc) -> Pending<'_, Vec<CertificateRecord>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT * FROM certificates WHERE name = ? AND role = coalesce(?, role) AND ends > ? ORDER BY begins");
            let query = query.bind(name.as_str().to_owned()).bind(role.map(Role::as_str)).bind(to_column(since));
            self.all(query, certificate).await.map_err(port)
        })
    }

    fn revoke(&self, serials: Vec<String>, at: Utc, reason: String) -> Pending<'_, ()> {
        Box::pin(async move {
            let query = "UPDATE certificates SET revoked = ?, reason = ? \
                WHERE serial IN (SELECT value FROM json_each(?)) AND revoked IS NULL";
            let query = sqlx::query(query).bind(to_column(at)).bind(reason).bind(printed(&serials).map_err(port)?);
            self.change(query).await.map(drop).map_err(port)
        })
    }

    fn taken_back(&self, issuer: String) -> Pending<'_, Vec<TakenBack>> {
        let read = |row: &SqliteRow| Ok(TakenBack { serial: row.try_get("serial")?, at: moment(row, "revoked")? });
        Box::pin(async move {
            let query = sqlx::query("SELECT serial, revoked FROM certificates WHERE issuer = ? AND revoked IS NOT NULL ORDER BY serial");
            self.all(query.bind(issuer), read).await.map_err(port)
        })
    }

    fn forget(&self, end: Utc) -> Pending<'_, u64> {
        Box::pin(async move { self.forget_certificates(end).await.map_err(port) })
    }

    fn next_number(&self) -> Pending<'_, u64> {
        let read = |row: &SqliteRow| from_number(row.try_get("number")?, WHAT);
        Box::pin(async move {
            let next = self.one(sqlx::query("UPDATE authority SET number = number + 1 RETURNING number"), read).await;
            next.and_then(|number| number.ok_or(Error::Damaged(WHAT))).map_err(port)
        })
    }

    fn invite(&self, invitation: Invitation) -> Pending<'_, ()> {
        Box::pin(async move { self.keep_invitation(invitation).await.map_err(port) })
    }

    fn invitation(&self, id: String) -> Pending<'_, Option<Invitation>> {
        Box::pin(async move { self.one(sqlx::query("SELECT * FROM invitations WHERE id = ?").bind(id), invitation).await.map_err(port) })
    }

    fn spend(&self, id: String, at: Utc) -> Pending<'_, bool> {
        Box::pin(async move {
            let query = sqlx::query("UPDATE invitations SET spent = ? WHERE id = ? AND spent IS NULL").bind(to_column(at)).bind(id);
            self.change(query).await.map(|changed| changed == 1).map_err(port)
        })
    }

    fn withdraw(&self, name: Name, role: Option<Role>, at: Utc) -> Pending<'_, u64> {
        Box::pin(async move {
            let query = sqlx::query("UPDATE invitations SET spent = ? WHERE name = ? AND role = coalesce(?, role) AND spent IS NULL");
            let query = query.bind(to_column(at)).bind(name.as_str().to_owned()).bind(role.map(Role::as_str));
            self.change(query).await.map_err(port)
        })
    }
}
