//! What verbs read without the state: the rules compiled, and the lock with the key that signs it.

use crate::outcome::Failure;
use crate::wire::{Configured, LOCK};
use config::Locked;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use gateway::snapshot::Snapshot;
use policy::{Engine, Inventory};
use serde_json::Value;
use terms::{ServerName, Utc};

/// The key of the lock, in the state folder.
const LOCK_KEY: &str = "keys/lock.pem";

/// The rules of `configured`: roles, and the Cedar files beside them.
///
/// # Errors
/// [`Failure`] with every problem.
pub fn policy(configured: &Configured) -> Result<Engine, Failure> {
    let tools = match lock(configured) {
        Ok(Lock::Read(lock)) => config::parameters(&lock),
        Ok(Lock::Absent | Lock::Broken(_)) | Err(_) => policy::Tools::new(),
    };
    let sources = policy::Sources { tools, ..config::sources(&configured.loaded, &configured.name(), configured.cedar()?) };
    Engine::compile(sources).map_err(|problems| Failure::usage(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// How the lock stands.
pub enum Lock {
    /// It is what was signed.
    Read(supply::Lock),
    /// There is none yet, or no key to judge it by.
    Absent,
    /// It is not what was signed, and why.
    Broken(String),
}

/// The lock, judged by the key in the state folder; works beside a running gateway.
///
/// # Errors
/// [`Failure`] when the key cannot be read.
pub fn lock(configured: &Configured) -> Result<Lock, Failure> {
    let Some(key) = lock_key(configured)? else { return Ok(Lock::Absent) };
    Ok(match configured.lock(&key.verifying_key()) {
        Ok(lock) => Lock::Read(lock),
        Err(supply::Error::Missing) => Lock::Absent,
        Err(fault) => Lock::Broken(fault.to_string()),
    })
}

/// The key that signs the lock, if there is one yet.
fn lock_key(configured: &Configured) -> Result<Option<SigningKey>, Failure> {
    let Some(file) = store::read_private(&configured.loaded.file.state.join(LOCK_KEY))? else { return Ok(None) };
    let key = std::str::from_utf8(file.open()).ok().and_then(|text| SigningKey::from_pkcs8_pem(text).ok());
    key.map(Some).ok_or_else(|| Failure::system("the key of the lock is damaged").next("restore it from a backup"))
}

/// The servers of `configured` that could be used if the lock were `bytes`, judged as the gateway judges the one that is there.
///
/// # Errors
/// [`Failure`].
pub fn usable(configured: &Configured, bytes: &[u8], now: Utc) -> Result<Vec<ServerName>, Failure> {
    let read = lock_key(configured)?.and_then(|key| supply::Lock::read(bytes, &key.verifying_key()).ok());
    let locked = read.map_or(Locked::Unverified, Locked::Read);
    usable_by(configured, &locked, now)
}

/// The same for a lock that was read.
///
/// # Errors
/// [`Failure`].
pub fn usable_by(configured: &Configured, locked: &Locked, now: Utc) -> Result<Vec<ServerName>, Failure> {
    let snapshot = config::snapshot(&configured.loaded, &configured.name(), configured.cedar()?, locked, now).map_err(Failure::usage)?;
    Ok(snapshot.servers.values().filter(|server| server.pinned.is_ok()).map(|server| server.name.clone()).collect())
}

/// The whole configuration as the gateway would take it now.
///
/// # Errors
/// [`Failure`].
pub fn snapshot(configured: &Configured, now: Utc) -> Result<Snapshot, Failure> {
    let locked = match lock(configured)? {
        Lock::Read(lock) => Locked::Read(lock),
        Lock::Absent => Locked::Read(supply::Lock::default()),
        Lock::Broken(_) => Locked::Unverified,
    };
    config::snapshot(&configured.loaded, &configured.name(), configured.cedar()?, &locked, now).map_err(Failure::usage)
}

/// The tools that the lock names, for hints alone: the signature is not looked at.
pub fn inventory(configured: &Configured) -> Inventory {
    let bytes = std::fs::read(configured.folder().join(LOCK)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let body = text.trim_end().rsplit_once('\n').map_or("", |(body, _)| body);
    let lock: Value = serde_json::from_str(body).unwrap_or_default();
    let servers = lock.get("servers").and_then(Value::as_object);
    let tools = |server: &Value| -> Vec<String> {
        let pins = server.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        pins.iter().filter_map(|pin| pin.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
    };
    let named = |name: &ServerName, tools: Vec<String>| tools.iter().flat_map(|tool| configured.loaded.file.names_of(name, tool)).collect();
    let servers = servers.into_iter().flatten().filter_map(|(name, server)| Some((ServerName::new(name).ok()?, tools(server))));
    servers.map(|(name, tools)| (name.clone(), named(&name, tools))).collect()
}
