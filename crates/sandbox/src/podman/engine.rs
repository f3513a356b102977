//! Podman itself: whether it has an image, whether it can hold a container, and the end of what it keeps.
//!
//! It is executed with an environment of its own, and every word that it says is bounded.

use super::{Container, Reference, Rights, Verb};
use crate::Error;
use crate::account::account;
use crate::env::MINIMAL_PATH;
use crate::helper::profile;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is there where control groups are those of version 2 alone (cgroups(7)).
const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";
/// Longest time for one command.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// Most bytes of what it says.
const MOST: u64 = 64 * 1024;
/// Variables of the gateway that tell Podman where its own folders are. What else it can be told is in its files.
const NEEDED: [&str; 5] = ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS"];

/// Podman, as the gateway of one state folder uses it.
#[derive(Debug)]
pub struct Engine {
    program: PathBuf,
    rights: Rights,
    state: String,
    label: String,
    profile: PathBuf,
    environment: Vec<(String, String)>,
}

impl Engine {
    /// The Podman of this machine, for the gateway whose state is in `state`; it is given those of `variables` that it needs. Writes the profile of
    /// system calls into that folder.
    ///
    /// # Errors
    /// [`Error::ProgramAbsent`] where there is no Podman, [`Error::ContainerLimits`] where it would leave limits out, [`Error::Launcher`] when the
    /// profile cannot be written.
    pub fn find(state: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let engine = Self::at(crate::program_lookup("podman")?, state, variables)?;
        match engine.rights {
            // podman-run(1): "This option is not supported on cgroups V1 rootless systems", and it says so in a warning alone.
            Rights::Rootless if !Path::new(UNIFIED).exists() => Err(Error::ContainerLimits),
            Rights::Root | Rights::Rootless => Ok(engine),
        }
    }

    /// As [`Engine::find`], with the Podman at `program`.
    ///
    /// # Errors
    /// [`Error::Launcher`] when the profile cannot be written.
    pub fn at(program: PathBuf, state: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let rights = if rustix::process::geteuid().is_root() { Rights::Root } else { Rights::Rootless };
        let environment = variables.filter(|(name, _)| NEEDED.contains(&name.as_str())).collect();
        let engine = Self::of(program, rights, &state.to_string_lossy(), environment);
        engine.write_profile().map_err(Error::Launcher)?;
        Ok(engine)
    }

    fn of(program: PathBuf, rights: Rights, state: &str, environment: Vec<(String, String)>) -> Self {
        let label = format!("dev.bastide.state={}", account(state, ""));
        let profile = Path::new(state).join("podman").join("seccomp.json");
        Self { program, rights, state: state.to_owned(), label, profile, environment }
    }

    #[cfg(test)]
    pub(super) fn fixed(program: &str, rights: Rights, state: &str, environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::of(program.into(), rights, state, environment)
    }

    /// The program, by its absolute path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// With whose rights it runs.
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    pub(super) fn environment(&self) -> impl Iterator<Item = &(String, String)> {
        self.environment.iter()
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// What every container of this gateway bears.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn profile(&self) -> &Path {
        &self.profile
    }

    /// Whether `image` is on this machine. Blocks.
    ///
    /// # Errors
    /// [`Error::ImageAbsent`], [`Error::Podman`].
    pub fn has(&self, image: &Reference) -> Result<(), Error> {
        match self.ask("image exists", &["image", "exists", image.as_str()])? {
            (Some(0), _) => Ok(()),
            (Some(1), _) => Err(Error::ImageAbsent(image.as_str().to_owned())),
            (_, said) => Err(Error::Podman { verb: "image exists", said }),
        }
    }

    /// Tries whether Podman can hold `container`: it is made with everything that it would be started with, but for the server itself, and removed.
    /// Blocks.
    ///
    /// # Errors
    /// [`Error::Podman`] with what Podman says; [`Error::Command`], [`Error::ContainerDoors`].
    pub fn attempt(&self, container: &Container) -> Result<(), Error> {
        let args = container.arguments(Verb::Create, self)?;
        let made = self.done("create", &args.iter().map(String::as_str).collect::<Vec<_>>());
        let held = made.and_then(|()| self.done("init", &["init", &container.name]));
        let removed = self.remove(&container.name);
        held.and(removed)
    }

    /// Ends and removes every container that an earlier gateway of the same state left. Blocks.
    ///
    /// # Errors
    /// [`Error::Podman`].
    pub fn sweep(&self) -> Result<(), Error> {
        let filter = format!("--filter=label={}", self.label);
        let (code, said) = self.ask("ps", &["ps", "--all", "--quiet", "--no-trunc", &filter])?;
        if code != Some(0) {
            return Err(Error::Podman { verb: "ps", said });
        }
        let plain = |id: &&str| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        said.lines().filter(plain).try_for_each(|id| self.remove(id))
    }

    /// Kills and removes a container, if it is there.
    fn remove(&self, name: &str) -> Result<(), Error> {
        self.done("rm", &["rm", "--force", "--ignore", "--time=0", "--volumes", "--", name])
    }

    fn done(&self, verb: &'static str, args: &[&str]) -> Result<(), Error> {
        match self.ask(verb, args)? {
            (Some(0), _) => Ok(()),
            (_, said) => Err(Error::Podman { verb, said }),
        }
    }

    /// Its exit status and what it said: on its output where that went well, else on the other one.
    fn ask(&self, verb: &'static str, args: &[&str]) -> Result<(Option<i32>, String), Error> {
        let unasked = |cause: std::io::Error| Error::Podman { verb, said: cause.to_string() };
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().env("PATH", MINIMAL_PATH).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(unasked)?;
        let (out, err) = (said(child.stdout.take()), said(child.stderr.take()));
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait().map_err(unasked)? {
                Some(status) => break status,
                None if Instant::now() >= until => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::Podman { verb, said: format!("no answer within {PATIENCE:?}") });
                }
                None => std::thread::sleep(LOOK),
            }
        };
        let told = if status.success() { out } else { err };
        // What Podman leaves behind may keep its streams open.
        Ok((status.code(), told.recv_timeout(Duration::from_secs(2)).unwrap_or_default()))
    }

    fn write_profile(&self) -> std::io::Result<()> {
        let unknown = || std::io::Error::other("the system calls of this architecture are not known");
        let text = profile().ok_or_else(unknown)?.to_string();
        if std::fs::read_to_string(&self.profile).is_ok_and(|found| found == text) {
            return Ok(());
        }
        let folder = self.profile.parent().ok_or_else(unknown)?;
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => return Err(cause),
            Ok(()) | Err(_) => {}
        }
        // Beside it first: whoever reads it meanwhile sees a whole one.
        let fresh = folder.join(format!("seccomp.{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(fresh, &self.profile)
    }
}

/// What comes out of a stream, without control characters, read by a thread of its own.
fn said(stream: Option<impl std::io::Read + Send + 'static>) -> std::sync::mpsc::Receiver<String> {
    let (tell, hear) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(MOST).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        let text = String::from_utf8_lossy(&bytes).trim().replace(|letter: char| letter.is_control() && letter != '\n', " ");
        let _ = tell.send(text);
    });
    hear
}

/// What Podman keeps of a container. It goes with this value at the latest.
#[derive(Debug)]
pub(crate) struct Remains(Option<(Arc<Engine>, String)>);

impl Remains {
    pub(crate) const fn new(engine: Arc<Engine>, name: String) -> Self {
        Self(Some((engine, name)))
    }

    /// Removes it now.
    pub(crate) async fn remove(mut self) {
        if let Some((engine, name)) = self.0.take() {
            let removed = tokio::task::spawn_blocking(move || engine.remove(&name)).await;
            if let Ok(Err(cause)) = removed {
                tracing::warn!(%cause, "a container could not be removed; the next start of the gateway tries again");
            }
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if let Some((engine, name)) = self.0.take() {
            let removing = std::thread::Builder::new().name("podman".to_owned()).spawn(move || {
                if let Err(cause) = engine.remove(&name) {
                    tracing::warn!(%cause, "a container could not be removed; the next start of the gateway tries again");
                }
            });
            if let Err(cause) = removing {
                tracing::warn!(%cause, "a container could not be removed; the next start of the gateway tries again");
            }
        }
    }
}
