//! Puts the parts together, without logic of its own.

use crate::ca::PrivateCa;
use crate::contents::FileContents;
use crate::host::{SystemClock, SystemEntropy};
use crate::outcome::Failure;
use crate::packages::Packages;
use crate::reviews::Reviewer;
use audit::{Journal, LogKey};
use config::{Access, Facts, Loaded, Locked, Sort, Step};
use gateway::doors::{Contents, Credentials};
use gateway::forensics::Forensics;
use gateway::gate::{Gate, Parts};
use gateway::snapshot::Snapshot;
use gateway::withheld::Withheld;
use identity::token::{Issuer, SigningKey, Verifier};
use identity::{Revocations, Tokens};
use policy::CedarSource;
use response::Switch;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::journal::{FileJournal, Options};
use store::{Signer, Sqlite, Store};
use terms::{Clock, Entropy, Name};
use vault::{Stretch, Unlock, Vault};

/// The name of the log in its checkpoints.
const ORIGIN: &str = "bastide/audit";
/// The lock, beside the configuration.
pub const LOCK: &str = "bastide.lock";
/// The largest lock or policy file that is read.
const MOST_BYTES: u64 = 64 << 20;
/// The folder of installed packages, in the state folder.
pub const PACKAGES: &str = "packages";
/// The folder of the state in which what was taken out of answers is kept.
pub const WITHHELD: &str = "withheld";

/// The file and where it is.
#[derive(Clone)]
pub struct Configured {
    /// Where.
    pub path: PathBuf,
    /// What it says.
    pub loaded: Loaded,
}

impl Configured {
    /// Finds, reads and checks the configuration.
    ///
    /// # Errors
    /// [`Failure`]: all problems at once.
    pub fn read(explicit: Option<&Path>, clock: &dyn Clock) -> Result<Self, Failure> {
        let environment = std::env::var_os("BASTIDE_CONFIG").map(PathBuf::from);
        let folder = configuration_folder();
        let path = config::find(explicit, environment.as_deref(), folder.as_deref())
            .map_err(|cause| Failure::usage(cause).next("`bastide init` writes a first one"))?;
        let path = std::path::absolute(&path).map_err(|cause| Failure::caused(&cause))?;
        let bytes = std::fs::read(&path).map_err(|cause| {
            let failure = Failure::usage(format!("{} cannot be read", path.display())).because(&cause);
            match cause.kind() {
                std::io::ErrorKind::NotFound => failure.next("`bastide init` writes a first one"),
                _ => failure,
            }
        })?;
        let unknown = || Failure::usage(format!("who may change {} cannot be told", path.display())).next("keep it in a plain file");
        let facts = facts(&path).ok_or_else(unknown)?;
        let loaded = loaded(&path, &bytes, Some(facts), clock)?;
        Ok(Self { path, loaded })
    }

    /// The configuration as it would be with `bytes` in its file.
    ///
    /// # Errors
    /// [`Failure`]: all problems at once.
    pub fn amended(&self, bytes: &[u8], clock: &dyn Clock) -> Result<Self, Failure> {
        Ok(Self { path: self.path.clone(), loaded: loaded(&self.path, bytes, facts(&self.path), clock)? })
    }

    /// The name that places are shown with.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The folder that lock and policies stand in.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }

    /// The Cedar files beside it, in the order of their names.
    ///
    /// # Errors
    /// [`Failure`] when one cannot be read: half a set is never used.
    pub fn cedar(&self) -> Result<Vec<CedarSource>, Failure> {
        let folder = self.folder().join("policies");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(Failure::usage(format!("{} cannot be read", folder.display())).because(&cause)),
        };
        unwritable(&folder)?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                paths.push(path);
            }
        }
        paths.sort();
        let read = |path: PathBuf| {
            unwritable(&path)?;
            let text = std::fs::read_to_string(&path)
                .map_err(|cause| Failure::usage(format!("{} cannot be read", path.display())).because(&cause))?;
            let file = path.file_name().map(|name| format!("policies/{}", name.to_string_lossy())).unwrap_or_default();
            Ok(CedarSource { file, text })
        };
        paths.into_iter().map(read).collect()
    }

    /// The snapshot of this moment, with the lock verified by `key`.
    ///
    /// # Errors
    /// [`Failure`] when policies or constraints cannot be used.
    pub fn snapshot(&self, key: &ed25519_dalek::VerifyingKey, clock: &dyn Clock) -> Result<(Snapshot, Option<supply::Error>), Failure> {
        let (locked, fault) = match self.lock(key) {
            Ok(lock) => (Locked::Read(lock), None),
            Err(fault) => (Locked::Unverified, Some(fault)),
        };
        let snapshot = config::snapshot(&self.loaded, &self.name(), self.cedar()?, &locked, clock.utc()).map_err(Failure::usage)?;
        Ok((snapshot, fault))
    }

    /// The lock beside it.
    ///
    /// # Errors
    /// [`supply::Error`] when it is missing, unsigned, not what was signed, or not what was signed last.
    pub fn lock(&self, key: &ed25519_dalek::VerifyingKey) -> Result<supply::Lock, supply::Error> {
        let path = self.folder().join(LOCK);
        let small = std::fs::metadata(&path).is_ok_and(|facts| facts.len() <= MOST_BYTES);
        let bytes = if small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let lock = supply::Lock::read(&bytes, key)?;
        match std::fs::read_to_string(self.latest()) {
            Ok(digest) if digest.trim() == supply::Digest::of(&bytes).to_string() => Ok(lock),
            Ok(_) => Err(supply::Error::Superseded),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(lock),
            Err(_) => Err(supply::Error::Superseded),
        }
    }

    /// What no local server may reach: the state, the file, and what stands beside it and counts as much.
    pub fn private(&self) -> Vec<PathBuf> {
        let beside = |name: &str| self.folder().join(name);
        vec![self.loaded.file.state.clone(), self.path.clone(), beside(LOCK), beside("policies")]
    }

    /// Where the digest of the lock that was signed last is kept: a lock that was good once is not good for ever.
    pub fn latest(&self) -> PathBuf {
        self.loaded.file.state.join("lock.digest")
    }
}

fn loaded(path: &Path, bytes: &[u8], facts: Option<Facts>, clock: &dyn Clock) -> Result<Loaded, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let source =
        config::Source { path, bytes, home: home.as_deref(), user: user_name(rustix::process::getuid().as_raw()), now: clock.utc(), facts };
    Ok(config::load(&source)?)
}

/// The user's configuration folder, which the product's own is in.
pub fn configuration_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
}

/// Refuses what others could change: policies count as much as the configuration.
fn unwritable(path: &Path) -> Result<(), Failure> {
    let facts = facts(path).ok_or_else(|| Failure::usage(format!("{} cannot be read", path.display())))?;
    facts.objection().map_or(Ok(()), |objection| Err(Failure::usage(objection)))
}

/// Who may exchange what is at `path`, on the way as it is written and on the way as it really is.
fn facts(path: &Path) -> Option<Facts> {
    const STICKY: u32 = 0o1000;
    let step = |path: &Path, sort: Sort| {
        let found = if sort == Sort::Link { path.symlink_metadata() } else { path.metadata() }.ok()?;
        let shared = found.mode() & STICKY != 0 && sort == Sort::Above;
        let access = if shared { Access::Owner } else { Access::of_mode(found.mode()) };
        Some(Step { path: path.to_owned(), sort, access, owner: found.uid() })
    };
    let real = path.canonicalize().ok()?;
    let mut steps = Vec::new();
    for way in [path, &real] {
        for above in way.ancestors().skip(2) {
            steps.push(step(above, Sort::Above)?);
        }
        for link in way.ancestors().filter(|step| step.is_symlink()) {
            steps.push(step(link, Sort::Link)?);
        }
        steps.push(step(way.parent()?, Sort::Folder)?);
    }
    let sort = if real.is_dir() { Sort::Folder } else { Sort::File };
    steps.push(step(&real, sort)?);
    Some(Facts { steps, own: rustix::process::getuid().as_raw() })
}

/// The name of a user of this host, from `/etc/passwd`.
pub fn user_name(uid: u32) -> Option<Name> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    let row = table.lines().find(|row| row.split(':').nth(2).and_then(|field| field.parse::<u32>().ok()) == Some(uid))?;
    Name::new(row.split(':').next()?).ok()
}

/// The parts of a running gateway, and what the acts of operators work on.
pub struct Wired {
    /// The gateway.
    pub gate: Arc<Gate>,
    /// The embedded database.
    pub store: Arc<Store>,
    /// The log.
    pub journal: Arc<FileJournal>,
    /// The kill switch.
    pub switch: Arc<Switch>,
    /// The built-in issuer.
    pub issuer: Arc<Issuer>,
    /// What was revoked.
    pub revocations: Arc<dyn Revocations>,
    /// The vault, where it could be opened.
    pub vault: Option<Arc<Vault>>,
    /// The key that signs the lock.
    pub lock_key: ed25519_dalek::SigningKey,
    /// Looks at servers and keeps the lock.
    pub reviews: Arc<Reviewer>,
    /// The certificate authority of our own.
    pub authority: Arc<PrivateCa>,
    /// Why the lock cannot be used, if it cannot.
    pub lock_fault: Option<supply::Error>,
    /// What the log found when it was opened.
    pub recovery: store::journal::Recovery,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// Who knows the addresses of names.
/// What connections to public addresses go through.
fn proxy(file: &config::File) -> Result<Option<Arc<egress::Proxy>>, Failure> {
    let proxy = file.proxy.as_ref().map(egress::Proxy::new).transpose();
    proxy.map(|proxy| proxy.map(Arc::new)).map_err(|cause| Failure::usage(format!("proxy cannot be used: {cause}")))
}

fn resolver(text: &str) -> Result<Arc<dyn egress::Resolver>, Failure> {
    if text == "system" {
        return Ok(Arc::new(egress::System));
    }
    let unfit = |cause| Failure::usage(format!("dns.resolver cannot be used: {cause}"));
    if text.starts_with("tls:") {
        return Ok(Arc::new(egress::Dot::new(text).map_err(unfit)?));
    }
    Ok(Arc::new(egress::Doh::new(text).map_err(unfit)?))
}

/// Removes the containers that an earlier gateway of this state left. Where Podman cannot, its servers will say so.
async fn sweep(contents: Arc<FileContents>) {
    let swept = tokio::task::spawn_blocking(move || contents.engine()?.sweep()).await;
    match swept {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::warn!(%cause, "containers of an earlier gateway could not be looked for"),
        Err(cause) => tracing::warn!(%cause, "containers of an earlier gateway could not be looked for"),
    }
}

/// The key that signs the lock, made on first use.
///
/// # Errors
/// [`Failure`] when it cannot be read.
pub async fn lock_key(store: &Store, entropy: &dyn Entropy) -> Result<ed25519_dalek::SigningKey, Failure> {
    let seed = store.key(Signer::Lock, entropy).await?;
    Ok(ed25519_dalek::SigningKey::from_bytes(seed.open()))
}

/// Opens the vault with what the configuration names: the key file of the state folder, or a passphrase.
///
/// # Errors
/// [`Failure`] when it stays locked.
pub async fn open_vault(configured: &Configured, store: &Arc<Store>, entropy: &dyn Entropy) -> Result<Vault, Failure> {
    let unlock = match configured.loaded.file.vault.unlock {
        config::Unlock::Passphrase => Unlock::Passphrase(crate::passphrase::ask()?, Stretch::default()),
        config::Unlock::Keyfile => Unlock::Keyfile(store.vault_keyfile(entropy).await?),
        config::Unlock::Keychain | config::Unlock::Pkcs11 | config::Unlock::Tpm => {
            return Err(Failure::usage("vault.unlock: only `keyfile` and `passphrase` are built"));
        }
    };
    Ok(Vault::open(Arc::clone(store) as Arc<dyn vault::Chest>, &unlock, entropy).await?)
}

/// Opens the state and puts a gateway together on it.
///
/// # Errors
/// [`Failure`]: nothing runs after one.
pub async fn wire(configured: &Configured) -> Result<Wired, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let file = &configured.loaded.file;
    let store = Arc::new(Sqlite::open(&file.state).await?);
    let lock_key = lock_key(&store, &*entropy).await?;
    let (snapshot, lock_fault) = configured.snapshot(&lock_key.verifying_key(), &*clock)?;

    let audit_seed = store.key(Signer::Audit, &*entropy).await?;
    let log = LogKey::from_seed(ORIGIN, audit_seed)?;
    let folder = store.folder().sub("audit")?;
    let (journal, recovery) = FileJournal::open(&folder, log, &Options::new(Arc::clone(&clock)))?;
    let journal = Arc::new(journal);

    let issuer_seed = store.key(Signer::Issuer, &*entropy).await?;
    let issuer = Issuer::new(snapshot.listen.base.clone(), SigningKey::from_seed(&issuer_seed));
    let revocations: Arc<dyn Revocations> = Arc::clone(&store) as Arc<dyn Revocations>;
    let keys = vec![issuer.public().clone()];
    let verifier = Verifier::new(snapshot.listen.base.clone(), keys, Arc::clone(&revocations));

    let vault = match open_vault(configured, &store, &*entropy).await {
        Ok(vault) => Some(Arc::new(vault)),
        Err(cause) => {
            tracing::error!(%cause, "the vault stays locked: servers that need a credential are refused");
            None
        }
    };
    let switch = Arc::new(Switch::open(Arc::clone(&store) as Arc<dyn response::EpochStore>).await?);
    let folder = store.folder().sub(PACKAGES)?;
    let files = Arc::new(FileContents::new(folder.clone(), configured.private(), store.folder().path().to_owned()));
    let packages = Packages::new(folder, Arc::clone(&files));
    if let Ok(lock) = configured.lock(&lock_key.verifying_key()) {
        packages.sweep(&lock);
    }
    if configured.loaded.file.servers.values().any(|server| server.image.is_some()) {
        sweep(Arc::clone(&files)).await;
    }
    let contents: Arc<dyn Contents> = files;
    let gate = Gate::new(Parts {
        snapshot: Arc::new(snapshot),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        epochs: Arc::clone(switch.epochs()),
        tokens: Arc::new(verifier),
        meters: Arc::new(policy::MemoryMeters::default()),
        vault: vault.clone().map_or(Credentials::Locked, Credentials::Open),
        contents: Arc::clone(&contents),
        forensics: Forensics::at(store.folder().path().join("forensics")),
        withheld: Withheld::at(store.folder().path().join(WITHHELD)),
        outside: egress::Outside { resolver: resolver(&configured.loaded.file.dns.resolver)?, proxy: proxy(&configured.loaded.file)? },
        collector: file.telemetry.as_ref().map(crate::collector::collector).transpose()?,
    });
    let authority = PrivateCa::new(
        (Arc::clone(&store), Arc::clone(&gate), vault.clone()),
        configured.loaded.file.ca.clone(),
        Arc::clone(&journal) as Arc<dyn Journal>,
        (Arc::clone(&clock), Arc::clone(&entropy)),
    )?;
    let reviews = Reviewer::new(configured, Arc::clone(&gate), lock_key.clone(), Arc::clone(&clock), contents, packages);
    Ok(Wired {
        gate,
        store,
        journal,
        switch,
        issuer: Arc::new(issuer),
        revocations,
        vault,
        lock_key,
        reviews: Arc::new(reviews),
        authority: Arc::new(authority),
        lock_fault,
        recovery,
        clock,
        entropy,
    })
}

/// Gives every intent of a gateway that ended unclean its outcome: what became of it cannot be told.
///
/// # Errors
/// [`Failure`] when the log cannot be read or written: then no call is taken.
pub async fn reconcile(wired: &Wired) -> Result<u64, Failure> {
    use audit::record::{Kind, Outcome, Status};
    let folder = store::journal::LogFolder::new(wired.store.folder().sub("audit")?);
    let kinds = vec![Kind::Intent, Kind::Outcome, Kind::Probe];
    let query = audit::read::Query { kinds, reach: audit::read::Reach::Log, ..audit::read::Query::default() };
    let mut open = std::collections::BTreeMap::new();
    audit::read::records(&folder, &query, |entry| {
        if let Ok(record) = serde_json::from_slice::<serde_json::Value>(&entry.body)
            && let Some(request) = record.get("request").and_then(serde_json::Value::as_str)
        {
            let word = |key: &str| record.get(key).and_then(serde_json::Value::as_str);
            match word("phase").or(word("kind")) {
                Some("intent") => drop(open.insert(request.to_owned(), record)),
                _ => drop(open.remove(request)),
            }
        }
        std::ops::ControlFlow::Continue(())
    })?;
    let mut count = 0;
    for (request, intent) in &open {
        let id = terms::RecordId::new(&*wired.entropy);
        let mut record = audit::Record::new(id, Kind::Outcome, wired.clock.utc(), wired.clock.instant());
        record.request = request.parse().ok();
        let word = |key: &str| intent.get(key).and_then(serde_json::Value::as_str);
        (record.server, record.method, record.tool) = (word("server"), word("method"), word("tool"));
        record.result = Some(Outcome { status: Status::Unclear, size: None, digest: None, label: None });
        record.event = Some("audit.outcome-unknown");
        record.severity = Some(audit::record::Severity::Medium);
        if word("kind") == Some("probe") {
            record = record.of_probe();
        }
        wired.journal.append(record.encode()).await.map_err(|cause| Failure::caused(&cause))?;
        count += 1;
    }
    Ok(count)
}

impl Wired {
    /// Who holds which token.
    pub fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::clone(&self.store) as Arc<dyn Tokens>
    }

    /// Ends the log with its closing checkpoint, then the database.
    pub async fn close(&self) {
        let journal = Arc::clone(&self.journal);
        match tokio::task::spawn_blocking(move || journal.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => tracing::error!(%cause, "the log could not be closed"),
            Err(cause) => tracing::error!(%cause, "the log could not be closed"),
        }
        self.store.close().await;
    }
}
