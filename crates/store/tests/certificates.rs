//! What the authority of our own has issued, over a real database file.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::authority::{CertificateRecord, Certificates, Invitation, IssuerRecord, Origin, Role};
use std::path::Path;
use std::time::Duration;
use store::{Sqlite, Store};
use terms::{Name, Utc};

const AT: Utc = Utc::from_seconds(1_800_000_000);

fn certificate(serial: &str, name: &str, ends: u64) -> CertificateRecord {
    CertificateRecord {
        serial: serial.to_owned(),
        issuer: "i".to_owned(),
        role: Role::Agent,
        name: Name::new(name).unwrap(),
        hosts: Vec::new(),
        life: Duration::from_secs(3600),
        public: [7; 32],
        begins: AT,
        ends: Utc::from_seconds(ends),
        revoked: None,
    }
}

/// A store with an authority whose issuer is called `i`.
async fn founded(path: &Path) -> Store {
    let store = Sqlite::open(&path.join("state")).await.unwrap();
    let (chain, root) = ("chain".to_owned(), "root".to_owned());
    let issuer = IssuerRecord { id: "i".to_owned(), chain, root, origin: Origin::Own, since: AT, ends: Utc::from_seconds(1_900_000_000) };
    assert!(store.found("example.internal".parse().unwrap(), issuer).await.unwrap());
    store
}

#[tokio::test]
async fn certificates_are_taken_back_all_or_none() {
    let root = tempfile::tempdir().unwrap();
    let store = founded(root.path()).await;
    let serials = ["01", "02", "03"].map(str::to_owned).to_vec();
    for serial in &serials {
        store.keep(certificate(serial, "codex", 1_800_003_600)).await.unwrap();
    }
    let beside = sqlx::SqlitePool::connect(&format!("sqlite:{}", root.path().join("state/state.db").display())).await.unwrap();
    let broken = "CREATE TRIGGER broken BEFORE UPDATE ON certificates WHEN NEW.serial = '02' BEGIN SELECT RAISE(ABORT, 'broken'); END";
    sqlx::query(broken).execute(&beside).await.unwrap();
    let revoke = || store.revoke(serials.clone(), AT, "a drill".to_owned());
    assert!(revoke().await.is_err());
    assert_eq!(store.taken_back("i".to_owned()).await.unwrap(), [], "some were taken back, and others not");
    sqlx::query("DROP TRIGGER broken").execute(&beside).await.unwrap();
    revoke().await.unwrap();
    store.revoke(serials.clone(), Utc::from_seconds(9), "again".to_owned()).await.unwrap();
    let taken_back = store.taken_back("i".to_owned()).await.unwrap();
    assert_eq!(taken_back.iter().map(|one| (one.serial.as_str(), one.at)).collect::<Vec<_>>(), [("01", AT), ("02", AT), ("03", AT)]);
}

#[tokio::test]
async fn what_was_taken_back_stays_so_whatever_the_clock_says() {
    let root = tempfile::tempdir().unwrap();
    let store = founded(root.path()).await;
    for (serial, name) in [("01", "gone"), ("02", "good")] {
        store.keep(certificate(serial, name, 1_800_003_600)).await.unwrap();
    }
    store.revoke(vec!["01".to_owned()], AT, "a drill".to_owned()).await.unwrap();
    let (role, life) = (Role::Agent, Duration::from_secs(60));
    let name = Name::new("gone").unwrap();
    let code = Invitation { id: "c".to_owned(), digest: [7; 32], role, name: name.clone(), hosts: Vec::new(), life, ends: AT, spent: None };
    store.invite(code).await.unwrap();
    // A code that has ended by this clock is used up, too.
    assert_eq!(store.withdraw(name, None, Utc::from_seconds(1_850_000_000)).await.unwrap(), 1);
    let far = Utc::from_seconds(1_890_000_000);
    assert_eq!(store.forget(far).await.unwrap(), 0, "what its issuer vouches for can be taken back");
    store.drop_issuer("i".to_owned()).await.unwrap();
    assert_eq!(store.forget(far).await.unwrap(), 1);
    // Should the issuer come back, its list says so still.
    assert_eq!(store.taken_back("i".to_owned()).await.unwrap().len(), 1);
}
