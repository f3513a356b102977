//! The ports over a real database file.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::{Revocations, Standing, TokenRecord, Tokens};
use response::{Scope, Switch};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Error, Signer, Sqlite, Store};
use terms::{Clock, Entropy, Instant, Name, Secret, ServerName, TokenId, Utc};
use vault::{Address, Chest, Stretch, Unlock, Vault};

const AT: Utc = Utc::from_seconds(1_800_000_000);
const LIGHT: Stretch = Stretch { memory: 19_456, passes: 2, lanes: 1 };

#[derive(Default)]
struct World(AtomicU64);
impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_mul(0xD134_2543_DE82_EF95);
            chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
        }
    }
}
impl Clock for World {
    fn utc(&self) -> Utc {
        AT
    }
    fn instant(&self) -> Instant {
        Instant::from_nanos(0)
    }
}

async fn open(path: &Path) -> Arc<Store> {
    Arc::new(Sqlite::open(&path.join("state")).await.unwrap())
}

fn record(bits: u64) -> TokenRecord {
    TokenRecord {
        id: TokenId::from_bits(bits),
        agent: Name::new("claude-code").unwrap(),
        user: Some(Name::new("ana").unwrap()),
        servers: vec![ServerName::new("files").unwrap()],
        tools: vec!["read_*".into()],
        workload: Some("spiffe://example.org/agent/claude-code".into()),
        issued: AT,
        expires: Utc::from_seconds(1_800_003_600),
        revoked: None,
    }
}

fn github() -> Address {
    "vault:github/token".parse().unwrap()
}

fn value(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Secret::new(text.to_owned()), LIGHT)
}

#[tokio::test]
async fn tokens_and_revocations_outlive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    Tokens::keep(&*store, record(1)).await.unwrap();
    Tokens::keep(&*store, record(2)).await.unwrap();
    assert!(Tokens::keep(&*store, record(1)).await.is_err(), "an id was kept twice");
    store.revoke(TokenId::from_bits(1), AT).await.unwrap();
    store.revoke(TokenId::from_bits(1), Utc::from_seconds(9)).await.unwrap();
    store.revoke(TokenId::from_bits(77), AT).await.unwrap();
    drop(store);
    let store = open(root.path()).await;
    assert_eq!(store.standing(TokenId::from_bits(1)), Standing::Revoked);
    assert_eq!(store.standing(TokenId::from_bits(77)), Standing::Revoked, "a revocation needs no record");
    assert_eq!(store.standing(TokenId::from_bits(2)), Standing::Good);
    let found = store.find(TokenId::from_bits(1)).await.unwrap().unwrap();
    assert_eq!(found, TokenRecord { revoked: Some(AT), ..record(1) });
    assert_eq!(Tokens::list(&*store).await.unwrap().len(), 2);
    assert_eq!(store.forget(Utc::from_seconds(1_800_003_601)).await.unwrap(), 2);
    assert_eq!(store.revoked().await.unwrap().len(), 1);
}

#[tokio::test]
async fn kills_outlive_a_restart_and_the_epoch_only_rises() {
    let root = tempfile::tempdir().unwrap();
    let switch = Switch::open(open(root.path()).await).await.unwrap();
    let all = switch.kill(Scope::All, "leak", "ana", AT).await;
    all.durable.unwrap();
    switch.kill("agent:x".parse().unwrap(), "odd", "ana", AT).await.durable.unwrap();
    switch.release(&Scope::All, AT).await.unwrap();
    drop(switch);
    let switch = Switch::open(open(root.path()).await).await.unwrap();
    assert_eq!(switch.epochs().epoch(), 2);
    assert!(!switch.epochs().all_stopped());
    assert_eq!(switch.epochs().stops().len(), 1);
    assert_eq!(switch.kill(Scope::All, "again", "ana", AT).await.stop.epoch, 3);
}

#[tokio::test]
async fn a_late_write_of_an_older_kill_frees_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    let epochs = response::Epochs::new();
    let mut first = epochs.kill(Scope::All, "one", "ana", AT);
    let second = epochs.kill(Scope::All, "two", "ana", AT);
    response::EpochStore::keep(&*store, second.clone()).await.unwrap();
    first.released = Some(AT);
    response::EpochStore::keep(&*store, first).await.unwrap();
    let kept = response::EpochStore::kept(&*store).await.unwrap();
    assert_eq!((kept.epoch, kept.stops), (2, vec![second]));
}

#[tokio::test]
async fn a_vault_opens_with_its_key_alone_and_keeps_values_sealed() {
    let (root, world) = (tempfile::tempdir().unwrap(), World::default());
    let store = open(root.path()).await;
    let vault = Vault::open(Arc::clone(&store) as Arc<dyn Chest>, &passphrase("correct horse"), &world).await.unwrap();
    vault.put(github(), value("one-secret-value"), &world, &world).await.unwrap();
    let second = vault.put(github(), value("two-secret-value"), &world, &world).await.unwrap();
    assert_eq!(second.version, 2);
    drop(vault);
    let chest = || Arc::clone(&store) as Arc<dyn Chest>;
    assert!(matches!(Vault::open(chest(), &passphrase("wrong horse!"), &world).await, Err(vault::Error::Locked)));
    assert!(matches!(Vault::open(chest(), &Unlock::Keyfile(Secret::new(vec![1; 32])), &world).await, Err(vault::Error::Method(_))));
    let vault = Vault::open(chest(), &passphrase("correct horse"), &world).await.unwrap();
    let lease = vault.lease(&github().server, &github().name).unwrap();
    assert_eq!(lease.open().unwrap(), b"two-secret-value");
    vault.rewrap(&passphrase("correct horse"), &passphrase("another horse"), &world).await.unwrap();
    assert!(matches!(Vault::open(chest(), &passphrase("correct horse"), &world).await, Err(vault::Error::Locked)));
    let vault = Vault::open(chest(), &passphrase("another horse"), &world).await.unwrap();
    let mut seen = Vec::new();
    vault.all_for_echo(&mut |address, value| seen.push((address.clone(), value.to_vec()))).unwrap();
    assert_eq!(seen, [(github(), b"two-secret-value".to_vec())]);
    store.close().await;
    for file in std::fs::read_dir(root.path().join("state")).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"secret-value"), "a value lies open on disk");
    }
    assert!(vault.remove(&github()).await.is_err(), "a closed store took a write");
}

#[tokio::test]
async fn sealed_bytes_open_at_their_own_place_only() {
    let (root, world) = (tempfile::tempdir().unwrap(), World::default());
    let store = open(root.path()).await;
    let chest = || Arc::clone(&store) as Arc<dyn Chest>;
    let unlock = Unlock::Keyfile(Secret::new(vec![9; 32]));
    let vault = Vault::open(chest(), &unlock, &world).await.unwrap();
    vault.put(github(), value("secret"), &world, &world).await.unwrap();
    let mut moved = Chest::entries(&*store).await.unwrap().remove(0);
    moved.address = "vault:evil/token".parse().unwrap();
    assert!(Chest::keep(&*store, moved.clone()).await.unwrap());
    assert!(!Chest::keep(&*store, moved.clone()).await.unwrap(), "an entry was written over");
    let mut altered = Chest::entries(&*store).await.unwrap().into_iter().find(|sealed| sealed.address == github()).unwrap();
    altered.version = 2;
    assert!(Chest::keep(&*store, altered).await.unwrap());
    let vault = Vault::open(chest(), &unlock, &world).await.unwrap();
    for address in [github(), moved.address] {
        let lease = vault.lease(&address.server, &address.name).unwrap();
        assert!(matches!(lease.open(), Err(vault::Error::Altered(_))), "{address}");
    }
    assert!(vault.all_for_echo(&mut |_, _| {}).is_err());
}

#[tokio::test]
async fn a_weakened_head_stays_shut() {
    let (root, world) = (tempfile::tempdir().unwrap(), World::default());
    let store = open(root.path()).await;
    let chest = || Arc::clone(&store) as Arc<dyn Chest>;
    Vault::open(chest(), &passphrase("correct horse"), &world).await.unwrap();
    let mut head = Chest::head(&*store).await.unwrap().unwrap();
    head.version = 2;
    head.stretch.memory = 8;
    assert!(Chest::keep_head(&*store, head).await.unwrap());
    assert!(matches!(Vault::open(chest(), &passphrase("correct horse"), &world).await, Err(vault::Error::Head)));
}

#[tokio::test]
async fn keys_are_made_once_and_their_loss_or_change_is_noticed() {
    let (root, world) = (tempfile::tempdir().unwrap(), World::default());
    let store = open(root.path()).await;
    let first = store.key(Signer::Issuer, &world).await.unwrap();
    let other = store.key(Signer::Audit, &world).await.unwrap();
    assert_ne!(first.open(), other.open());
    drop(store);
    let store = open(root.path()).await;
    assert_eq!(store.key(Signer::Issuer, &world).await.unwrap().open(), first.open());
    let keys = root.path().join("state/keys");
    assert_eq!(keys.join("issuer.pem").metadata().unwrap().mode() & 0o777, 0o600);
    std::fs::rename(keys.join("audit.pem"), keys.join("issuer.pem")).unwrap();
    assert!(matches!(store.key(Signer::Issuer, &world).await, Err(Error::KeyChanged(_))));
    assert!(matches!(store.key(Signer::Audit, &world).await, Err(Error::KeyGone(_))));
    let keyfile = store.vault_keyfile(&world).await.unwrap();
    Vault::open(Arc::clone(&store) as Arc<dyn Chest>, &Unlock::Keyfile(keyfile), &world).await.unwrap();
    std::fs::remove_file(root.path().join("state/vault.key")).unwrap();
    assert!(matches!(store.vault_keyfile(&world).await, Err(Error::KeyGone(_))));
}

#[tokio::test]
async fn the_database_is_private_and_neither_newer_nor_foreign() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    let file = root.path().join("state/state.db");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(root.path().join("state/state.db-wal").metadata().unwrap().mode() & 0o777, 0o600);
    store.close().await;
    drop(store);
    let change = async |pragma: &'static str| {
        let pool = sqlx::SqlitePool::connect(file.to_str().unwrap()).await.unwrap();
        sqlx::raw_sql(pragma).execute(&pool).await.unwrap();
        pool.close().await;
    };
    let open = async || Sqlite::open(&root.path().join("state")).await.err();
    change("PRAGMA user_version = 999").await;
    assert!(matches!(open().await, Some(Error::Newer { found: 999, .. })));
    change("PRAGMA user_version = 1; PRAGMA application_id = 5").await;
    assert!(matches!(open().await, Some(Error::ForeignDatabase(_))));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open().await, Some(Error::Open { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_all_succeed() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path()).await;
    let tasks: Vec<_> = (0..40)
        .map(|bits| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                Tokens::keep(&*store, record(bits)).await.unwrap();
                Tokens::list(&*store).await.unwrap();
                store.revoke(TokenId::from_bits(bits), AT).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = Tokens::list(&*store).await.unwrap();
    assert!(all.len() == 40 && all.iter().all(|token| token.revoked.is_some()));
}

/// Not a test of its own: the process that `what_was_acknowledged_survives_a_kill` ends without warning.
#[tokio::test]
#[ignore = "started by another test"]
async fn child_that_writes() {
    let Some(path) = std::env::var_os("BASTIDE_TEST_STATE") else { return };
    let store = Sqlite::open(Path::new(&path)).await.unwrap();
    for bits in 0.. {
        store.revoke(TokenId::from_bits(bits), AT).await.unwrap();
        println!("kept {bits}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    use std::io::BufRead;
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes", "--ignored", "--nocapture"])
        .env("BASTIDE_TEST_STATE", &state)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut last = 0;
    while last < 20 {
        let line = lines.next().unwrap();
        last = line.rsplit_once("kept ").and_then(|(_, bits)| bits.parse().ok()).unwrap_or(last);
    }
    assert!(matches!(Sqlite::open(&state).await, Err(Error::InUse { pid, .. }) if pid == child.id().to_string()));
    child.kill().unwrap();
    child.wait().unwrap();
    let last = lines.filter_map(|line| line.rsplit_once("kept ").and_then(|(_, bits)| bits.parse().ok())).last().unwrap_or(last);
    let store = Sqlite::open(&state).await.unwrap();
    assert!((0..=last).all(|bits| store.standing(TokenId::from_bits(bits)) == Standing::Revoked));
}
