//! Looks at servers and keeps the lock: what stands behind `lock` and `server approve`, with a running gateway and without one.

use crate::outcome::Failure;
use crate::packages::{self, Packages};
use crate::wire::{Configured, LOCK};
use admin::{Approved, Differs, Forgotten, Look, Pending, Reviews, Seek, Unreviewed, Watched, Watching, Whose};
use config::Locked;
use ed25519_dalek::SigningKey;
use gateway::doors::{Contents, fetch};
use gateway::gate::Gate;
use gateway::snapshot::{Carrier, Server};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use supply::{Approval, Content, Digest, Fetched, Lock, Review, ServerPin, ServerRow};
use terms::{Clock, Name, ServerName};
use tokio::sync::Mutex;

/// The one that looks and signs.
pub struct Reviewer {
    path: PathBuf,
    gate: Arc<Gate>,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    contents: Arc<dyn Contents>,
    packages: Packages,
    in_force: Mutex<Configured>,
}

/// Which installed package is looked at.
#[derive(Clone, Copy)]
enum Choice {
    /// The one that is sought.
    Sought(Seek),
    /// The one that was shown last.
    Shown,
}

impl Reviewer {
    /// Reviews for `gate`, which runs on `configured`; locks are signed with `key`.
    pub fn new(
        configured: &Configured,
        gate: Arc<Gate>,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        contents: Arc<dyn Contents>,
        packages: Packages,
    ) -> Self {
        Self { path: configured.path.clone(), gate, key, clock, contents, packages, in_force: Mutex::new(configured.clone()) }
    }

    /// The configuration in force. Held while it or the lock is exchanged, so that neither exchange undoes the other.
    pub const fn in_force(&self) -> &Mutex<Configured> {
        &self.in_force
    }

    /// The file as it is now.
    fn configured(&self) -> Result<Configured, Unreviewed> {
        Configured::read(Some(&self.path), &*self.clock).map_err(|failure| Unreviewed::Configuration(failure.to_string()))
    }

    /// The lock beside the file; empty when there is none that may be believed.
    fn lock(&self, configured: &Configured) -> Lock {
        configured.lock(&self.key.verifying_key()).unwrap_or_default()
    }

    /// What the server offers; of a package, as `choice` says.
    async fn fetched(&self, configured: &Configured, name: &ServerName, choice: Choice) -> Result<Fetched, Unreviewed> {
        let snapshot = configured.snapshot(&self.key.verifying_key(), &*self.clock);
        let (snapshot, _) = snapshot.map_err(|failure| Unreviewed::Configuration(failure.to_string()))?;
        let server = snapshot.servers.get(name).ok_or_else(|| Unreviewed::NoServer(name.clone()))?;
        let package = self.package(configured, server, choice).await.map_err(|cause| unseen(name, &cause))?;
        fetch(&self.gate, server, &self.contents, package.as_ref()).await.map_err(|cause| unseen(name, &cause))
    }

    async fn watched(&self, name: &ServerName, wish: &Watching) -> Result<Watched, Unreviewed> {
        let configured = self.configured()?;
        let snapshot = configured.snapshot(&self.key.verifying_key(), &*self.clock);
        let (snapshot, _) = snapshot.map_err(|failure| Unreviewed::Configuration(failure.to_string()))?;
        let server = snapshot.servers.get(name).ok_or_else(|| Unreviewed::NoServer(name.clone()))?;
        if wish.whose == Whose::Clients {
            let egress = configured.loaded.file.servers.get(name).map(|entry| entry.sandbox.egress.as_slice()).unwrap_or_default();
            return crate::watch::overheard(&self.gate, server, egress, wish).await.map_err(|cause| unseen(name, &cause));
        }
        let package = self.package(&configured, server, Choice::Sought(Seek::Approved)).await.map_err(|cause| unseen(name, &cause))?;
        crate::watch::watch(&self.gate, server, &self.contents, package.as_ref(), wish).await.map_err(|cause| unseen(name, &cause))
    }

    async fn package(&self, configured: &Configured, server: &Server, choice: Choice) -> Result<Option<Content>, packages::Error> {
        let Carrier::Run(run) = &server.carrier else { return Ok(None) };
        let lock = self.lock(configured);
        if run.image.is_some() {
            return Ok(None);
        }
        let approved = lock.servers.get(&server.name).map(|pin| &pin.content);
        match choice {
            Choice::Sought(seek) => self.packages.look(&server.name, &run.command, approved, seek).await,
            Choice::Shown => self.packages.shown(&server.name, &run.command, approved).await,
        }
    }

    async fn seen(&self, name: &ServerName, seek: Seek) -> Result<Look, Unreviewed> {
        let configured = self.configured()?;
        let fetched = self.fetched(&configured, name, Choice::Sought(seek)).await?;
        let noted = crate::definition::noted(&self.gate.snapshot().inspect.engine, &fetched);
        let review = Review::new(name, self.lock(&configured).servers.get(name), fetched).map_err(|cause| unseen(name, &cause))?;
        // What cannot be approved is said before anybody is asked.
        let approval = Approval { reviewer: nobody()?, at: self.clock.utc(), expires: None };
        review.approve(&approval).map_err(|cause| unseen(name, &cause))?;
        Ok(Look {
            server: name.clone(),
            open: review.differs(),
            shown: review.digest().map_err(|cause| unseen(name, &cause))?,
            differs: Differs::of(name, &review.difference()),
            text: review.render(),
            pinned: review.pinned().map_or(serde_json::Value::Null, |pin| row(name, pin)),
            noted,
        })
    }

    async fn approved(&self, name: &ServerName, shown: Digest, reviewer: &Name) -> Result<Approved, Unreviewed> {
        let configured = self.configured()?;
        let fetched = self.fetched(&configured, name, Choice::Shown).await?;
        let in_force = self.in_force.lock().await;
        let mut lock = self.lock(&configured);
        let review = Review::new(name, lock.servers.get(name), fetched).map_err(|cause| unseen(name, &cause))?;
        if review.digest().map_err(|cause| unseen(name, &cause))? != shown {
            return Err(Unreviewed::Moved(name.clone()));
        }
        let approval = Approval { reviewer: reviewer.clone(), at: self.clock.utc(), expires: None };
        let pin = review.approve(&approval).map_err(|cause| unseen(name, &cause))?;
        let row = row(name, &pin);
        lock.servers.insert(name.clone(), pin);
        let digest = self.sign(&configured, &in_force, lock)?;
        let behind = configured.loaded.digest != in_force.loaded.digest;
        Ok(Approved { row, differs: Differs::of(name, &review.difference()), lock: digest, behind })
    }

    async fn forgotten(&self, name: &ServerName) -> Result<Forgotten, Unreviewed> {
        let configured = self.configured()?;
        let in_force = self.in_force.lock().await;
        let mut lock = self.lock(&configured);
        if configured.loaded.file.servers.contains_key(name) || lock.servers.remove(name).is_none() {
            return Err(Unreviewed::Kept(name.clone()));
        }
        let lock = self.sign(&configured, &in_force, lock)?;
        Ok(Forgotten { server: name.clone(), lock })
    }

    /// Signs `lock`, lets it take the place of the one before, and puts it in force.
    fn sign(&self, configured: &Configured, in_force: &Configured, lock: Lock) -> Result<Digest, Unreviewed> {
        let unwritten = |failure: Failure| Unreviewed::Unwritten(failure.to_string());
        let bytes = lock.write(&self.key).map_err(|cause| Unreviewed::Unwritten(cause.to_string()))?;
        let digest = Digest::of(&bytes);
        let locked = Locked::Read(lock);
        let next = config::repinned(&in_force.loaded, &self.gate.snapshot(), &locked, self.clock.utc());
        let next = next.map_err(|cause| Unreviewed::Configuration(cause.to_string()))?;
        exchange(&configured.folder().join(LOCK), &bytes).map_err(unwritten)?;
        exchange(&configured.latest(), digest.to_string().as_bytes()).map_err(unwritten)?;
        self.gate.replace(Arc::new(next));
        if let Locked::Read(lock) = &locked {
            self.packages.sweep(lock);
        }
        Ok(digest)
    }
}

impl Reviews for Reviewer {
    fn look<'a>(&'a self, server: &'a ServerName, seek: Seek) -> Pending<'a, Result<Look, Unreviewed>> {
        Box::pin(self.seen(server, seek))
    }

    fn watch<'a>(&'a self, server: &'a ServerName, wish: &'a Watching) -> Pending<'a, Result<Watched, Unreviewed>> {
        Box::pin(self.watched(server, wish))
    }

    fn approve<'a>(&'a self, server: &'a ServerName, shown: Digest, reviewer: &'a Name) -> Pending<'a, Result<Approved, Unreviewed>> {
        Box::pin(self.approved(server, shown, reviewer))
    }

    fn forget<'a>(&'a self, server: &'a ServerName) -> Pending<'a, Result<Forgotten, Unreviewed>> {
        Box::pin(self.forgotten(server))
    }
}

/// The reviewer of a pin that is never kept.
fn nobody() -> Result<Name, Unreviewed> {
    Name::new("nobody").map_err(|cause| Unreviewed::Configuration(cause.to_string()))
}

fn unseen(server: &ServerName, cause: &dyn std::fmt::Display) -> Unreviewed {
    Unreviewed::Unseen { server: server.clone(), cause: cause.to_string() }
}

fn row(name: &ServerName, pin: &ServerPin) -> serde_json::Value {
    serde_json::to_value(ServerRow::of(name, pin)).unwrap_or_default()
}

/// Writes the whole file beside the old one, then takes its place.
pub fn exchange(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|cause| Failure::caused(&cause.error))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}
