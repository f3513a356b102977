//! Packages that the lines of package runners name: installed once, when they are locked, each into a tree of its own, and started from there.
//!
//! A tree is `packages/REGISTRY-NAME-VERSION-DIGEST` in the state folder, the digest being the start of the tree's own. It is made in
//! `packages/.new`, where the registry's own client installs it without running anything of it; only a whole one gets its name. It is ours alone
//! and read-only. Trees that no lock names go away, but never one that the lock before the last named: what runs from it may still.
//! Control: `supply.pinning`, `supply.allowlist`.

mod error;
mod npm;
mod pypi;
mod tool;

pub use error::Error;

use crate::contents::FileContents;
use admin::Seek;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::tree_digest;
use supply::{Content, Digest, Lock, Package, Registry, Runner};
use terms::ServerName;
use tool::Stage;

/// The folder of a tree in the making.
const NEW: &str = ".new";

/// What was installed, before it has its name.
struct Installed {
    version: String,
    integrity: String,
}

/// What is started of a tree.
struct Started {
    program: PathBuf,
    arguments: Vec<String>,
}

/// All packages of one state folder.
pub struct Packages {
    folder: PathBuf,
    contents: Arc<FileContents>,
    /// What was looked at and is not approved yet.
    pending: Mutex<HashMap<ServerName, Package>>,
    /// What the lock before the last one named.
    left: Mutex<BTreeSet<PathBuf>>,
    /// One installation at a time: there is one folder for it.
    turn: tokio::sync::Mutex<()>,
}

impl Packages {
    /// The packages in `folder`, which is ours alone and without links.
    pub fn new(folder: PathBuf, contents: Arc<FileContents>) -> Self {
        Self { folder, contents, pending: Mutex::default(), left: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What the line `run` of `server` stands for, to be looked at: what was `approved`, as long as the line still names that and `seek` does not ask
    /// for another look at the registry; else what is installed now. None when the line is no package runner's.
    ///
    /// # Errors
    /// [`Error`]; what was installed before stays.
    pub async fn look(
        &self,
        server: &ServerName,
        run: &[String],
        approved: Option<&Content>,
        seek: Seek,
    ) -> Result<Option<Content>, Error> {
        let Some(runner) = Runner::parse(run)? else {
            self.pending.lock().remove(server);
            return Ok(None);
        };
        let _turn = self.turn.lock().await;
        let approved = match approved {
            Some(Content::Package(package)) => Some(package).filter(|package| names(&runner, package)),
            Some(Content::Executable { .. } | Content::Tree { .. } | Content::Image { .. } | Content::Remote { .. }) | None => None,
        };
        let package = match (seek, approved) {
            (Seek::Approved, Some(package)) => self.kept(server, &runner, run, package).await?,
            (Seek::Approved, None) => match self.pending(server, run) {
                Some(package) => package,
                None => self.installed(&runner, run).await?,
            },
            (Seek::Newest, Some(_) | None) => self.installed(&runner, run).await?,
        };
        self.pending.lock().insert(server.clone(), package.clone());
        Ok(Some(Content::Package(package)))
    }

    /// What was looked at last, to be approved; else as [`Packages::look`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn shown(&self, server: &ServerName, run: &[String], approved: Option<&Content>) -> Result<Option<Content>, Error> {
        match self.pending(server, run) {
            Some(package) => Ok(Some(Content::Package(package))),
            None => self.look(server, run, approved, Seek::Approved).await,
        }
    }

    fn pending(&self, server: &ServerName, run: &[String]) -> Option<Package> {
        self.pending.lock().get(server).filter(|package| package.run == run && Path::new(&package.root).is_dir()).cloned()
    }

    /// The approved package, which must be as it was installed; with the line as it is now.
    async fn kept(&self, server: &ServerName, runner: &Runner, run: &[String], package: &Package) -> Result<Package, Error> {
        let changed = |cause: String| Error::Changed { server: server.clone(), cause };
        let now = self.described(package.clone()).await.map_err(changed)?;
        if now != *package {
            return Err(Error::Changed { server: server.clone(), cause: format!("it is {}, not {}", now.tree, package.tree) });
        }
        if package.run == run {
            return Ok(now);
        }
        let (runner, run) = (runner.clone(), run.to_vec());
        let started = started(&runner, &run, Path::new(&now.root))?;
        self.described(with(now, started, run)).await.map_err(Error::Unreadable)
    }

    /// Installs what `runner` names and gives it its name.
    async fn installed(&self, runner: &Runner, run: &[String]) -> Result<Package, Error> {
        let stage = Stage::make(self.folder.join(NEW))?;
        let installed = match runner.registry {
            Registry::Npm => npm::install(&stage, runner, run).await?,
            Registry::Pypi => pypi::install(&stage, runner).await?,
        };
        if !runner.wanted.fits(&installed.version) {
            return Err(Error::Version { asked: runner.to_string(), found: installed.version });
        }
        // What cannot be started is not kept.
        started(runner, run, &stage.tree())?;
        let (folder, asked) = (self.folder.clone(), runner.clone());
        let version = installed.version.clone();
        let root = blocking(move || settle(&folder, &stage, &asked, &version)).await?;
        let package = Package {
            registry: runner.registry,
            name: runner.package.clone(),
            version: installed.version,
            integrity: installed.integrity,
            run: Vec::new(),
            path: String::new(),
            digest: Digest::from_bytes([0; 32]),
            arguments: Vec::new(),
            root: root.to_string_lossy().into_owned(),
            tree: Digest::from_bytes([0; 32]),
            files: 0,
            bytes: 0,
        };
        let started = started(runner, run, &root)?;
        self.described(with(package, started, run.to_vec())).await.map_err(Error::Unreadable)
    }

    /// `package` with the digests that its program and its tree have now.
    async fn described(&self, package: Package) -> Result<Package, String> {
        let contents = Arc::clone(&self.contents);
        let found = tokio::task::spawn_blocking(move || contents.package(&package)).await.map_err(|cause| cause.to_string())??;
        match found.content {
            Content::Package(package) => Ok(package),
            Content::Executable { .. } | Content::Tree { .. } | Content::Image { .. } | Content::Remote { .. } => {
                Err("it is no package".to_owned())
            }
        }
    }

    /// Removes the trees that neither `lock` nor the lock before it names, and that nobody is about to approve. While something is installed nothing
    /// is removed; the next time does it.
    pub fn sweep(&self, lock: &Lock) {
        let Ok(_turn) = self.turn.try_lock() else { return };
        let named = roots(lock);
        let mut pending = self.pending.lock();
        pending.retain(|server, package| lock.servers.get(server).is_none_or(|pin| pin.content != Content::Package(package.clone())));
        let mut left = self.left.lock();
        let wanted = |path: &Path| named.contains(path) || left.contains(path) || pending.values().any(|one| Path::new(&one.root) == path);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !wanted(&path)
                && let Err(cause) = remove(&path)
            {
                tracing::warn!(%cause, path = %path.display(), "a package that is not used any more could not be removed");
            }
        }
        *left = named;
    }
}

/// Whether the line asks for what is installed.
fn names(runner: &Runner, package: &Package) -> bool {
    package.registry == runner.registry && package.name == runner.package && runner.wanted.fits(&package.version)
}

fn started(runner: &Runner, run: &[String], root: &Path) -> Result<Started, Error> {
    match runner.registry {
        Registry::Npm => npm::started(root, runner, run),
        Registry::Pypi => pypi::started(root, runner),
    }
}

fn with(package: Package, started: Started, run: Vec<String>) -> Package {
    let Started { program, arguments } = started;
    Package { path: program.to_string_lossy().into_owned(), arguments, run, ..package }
}

fn roots(lock: &Lock) -> BTreeSet<PathBuf> {
    let root = |pin: &supply::ServerPin| match &pin.content {
        Content::Package(package) => Some(PathBuf::from(&package.root)),
        Content::Executable { .. } | Content::Tree { .. } | Content::Image { .. } | Content::Remote { .. } => None,
    };
    lock.servers.values().filter_map(root).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| Err(Error::Unreadable(cause.to_string())))
}

/// Gives a whole tree its name: everything of it is on the disk and read-only before.
fn settle(folder: &Path, stage: &Stage, runner: &Runner, version: &str) -> Result<PathBuf, Error> {
    let tree = stage.tree();
    let made = tree_digest(&tree).map_err(|cause| Error::Unreadable(cause.to_string()))?;
    let slug: String = runner.package.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(64).collect();
    let digest = hex(made.digest.as_bytes());
    let root = folder.join(format!("{}-{}-{version}-{digest}", runner.registry, slug.trim_matches('-')));
    if root.exists() {
        if tree_digest(&root).is_ok_and(|there| there.digest == made.digest) {
            return Ok(root);
        }
        remove(&root)?;
    }
    seal(&tree)?;
    flush(&tree)?;
    std::fs::rename(&tree, &root)?;
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o555))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(root)
}

/// Brings everything of the file system that `tree` is on to the disk.
#[cfg(target_os = "linux")]
fn flush(tree: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(std::fs::File::open(tree)?)?)
}

/// Brings everything to the disk: single file systems have no call of their own here.
#[cfg(not(target_os = "linux"))]
fn flush(_: &Path) -> std::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the right to write away from all below `root`, and lets everybody read who comes so far: that is the server, whose account is another one
/// where we are root, and to whom the tree is shown; the folder of all packages lets nobody by. The root itself stays as it is, to be renamed.
fn seal(root: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        let found = path.symlink_metadata()?;
        if found.is_symlink() {
            continue;
        }
        if found.is_dir() {
            seal(&path)?;
        }
        let mode = if found.is_dir() || found.permissions().mode() & 0o111 != 0 { 0o555 } else { 0o444 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Removes what is at `path`, read-only as it may be.
fn remove(path: &Path) -> std::io::Result<()> {
    fn open(folder: &Path) -> std::io::Result<()> {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open(&entry.path())?;
            }
        }
        Ok(())
    }
    match path.symlink_metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
        Ok(found) if found.is_dir() => {
            open(path)?;
            std::fs::remove_dir_all(path)
        }
        Ok(_) => std::fs::remove_file(path),
    }
}
