//! Runs the client of a registry: with an environment of its own, for so long, and for so many bytes.

use super::{Error, remove};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// Longest that an installation may take.
const LONGEST: Duration = Duration::from_secs(300);
/// How often the size is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Most bytes of a tree in the making, with all that the client keeps beside it.
const MOST_BYTES: u64 = 2 << 30;
/// Most files and folders of it.
const MOST_ENTRIES: u64 = 300_000;
/// How much of what a client says is kept.
const SAID: u64 = 64 * 1024;
/// Lines of it that are shown.
const SHOWN: usize = 4;
/// The user's settings of proxies and authorities that every client sees.
const SETTINGS: [&str; 8] =
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The folder in which one tree is made; gone when it is dropped, with all that the tree did not take along.
pub(super) struct Stage {
    folder: PathBuf,
    until: Instant,
}

impl Stage {
    /// Makes it afresh.
    pub(super) fn make(folder: PathBuf) -> Result<Self, Error> {
        remove(&folder)?;
        let stage = Self { folder, until: Instant::now() + LONGEST };
        for path in [stage.folder.clone(), stage.tree(), stage.beside("home")] {
            DirBuilder::new().mode(0o700).create(path)?;
        }
        Ok(stage)
    }

    /// Where the tree is made.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// A place beside the tree.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command that inherits nothing but those of `settings`, and of the settings of proxies and authorities, that are set.
    pub(super) fn command(&self, program: &Path, settings: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", sandbox::MINIMAL_PATH).env("LANG", "C.UTF-8");
        command.env("HOME", self.beside("home")).env("TMPDIR", self.beside("home")).current_dir(&self.folder);
        for name in SETTINGS.iter().chain(settings) {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs `command` to its end: how it ended, and the start of what it said.
    pub(super) async fn run(&self, command: &mut Command) -> Result<(ExitStatus, String), Error> {
        let path = self.beside("said");
        let said: File = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        // What it says grows the folder, and is bounded with it.
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut group = Group(child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw));
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                () = tokio::time::sleep(LOOK) => {}
            }
            if Instant::now() >= self.until {
                return Err(Error::TooMuch("five minutes"));
            }
            let folder = self.folder.clone();
            let size = tokio::task::spawn_blocking(move || size(&folder)).await.unwrap_or_default();
            if size.bytes > MOST_BYTES || size.entries > MOST_ENTRIES {
                return Err(Error::TooMuch("2 GiB or 300,000 files while it is installed"));
            }
        };
        group.0 = None;
        Ok((status, start(&path)))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(cause) = remove(&self.folder) {
            tracing::warn!(%cause, "the folder of a new package could not be removed");
        }
    }
}

/// The processes of a client, killed unless it ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    bytes: u64,
    entries: u64,
}

/// How much lies below `folder`; what goes away meanwhile does not count.
fn size(folder: &Path) -> Size {
    let mut size = Size::default();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            size.bytes = size.bytes.saturating_add(found.len());
            size.entries = size.entries.saturating_add(1);
            if size.entries > MOST_ENTRIES {
                return size;
            }
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    size
}

/// The start of what was said, as much as is kept.
fn start(path: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SAID).read_to_end(&mut text));
    read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// Whether the disk was full.
pub(super) fn is_full(said: &str) -> bool {
    said.contains("ENOSPC") || said.contains("No space left on device")
}

/// The telling lines, for a person, hidden characters made visible: the first that are marked as errors, else the last.
pub(super) fn shown(said: &str) -> String {
    let marked: Vec<&str> = said.lines().filter(|line| line.starts_with("npm error") || line.starts_with("ERROR:")).collect();
    let last = said.lines().rev().filter(|line| !line.trim().is_empty()).take(SHOWN).collect::<Vec<_>>().into_iter().rev().collect();
    let lines: Vec<String> = if marked.is_empty() { last } else { marked }
        .into_iter()
        .map(|line| line.trim_start_matches("npm error").trim_start_matches("ERROR:").trim())
        .filter(|line| !line.is_empty())
        .take(SHOWN)
        .map(|line| supply::visible(line).chars().take(240).collect())
        .collect();
    if lines.is_empty() { "it did not say why".to_owned() } else { lines.join("; ") }
}

/// A file of at most 64 MiB as JSON.
pub(super) fn json(path: &Path) -> Result<serde_json::Value, Error> {
    let unreadable = |cause: &dyn std::fmt::Display| Error::Unreadable(format!("{}: {cause}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|cause| unreadable(&cause))?;
    file.take(64 << 20).read_to_end(&mut bytes).map_err(|cause| unreadable(&cause))?;
    serde_json::from_slice(&bytes).map_err(|cause| unreadable(&cause))
}

/// How a file says that it is to be run.
pub(super) enum Head {
    /// By the words of its first line after `#!`.
    Script(Vec<String>),
    /// By the system itself.
    Native,
    /// It does not say.
    Silent,
}

/// Reads it from the start of the file.
pub(super) fn head(path: &Path) -> Result<Head, Error> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    if start.starts_with(b"\x7fELF") {
        return Ok(Head::Native);
    }
    let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else { return Ok(Head::Silent) };
    Ok(Head::Script(String::from_utf8_lossy(line).split_ascii_whitespace().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(script: &str, longest: Duration) -> Result<(ExitStatus, String), Error> {
        let root = tempfile::tempdir().unwrap();
        let mut stage = Stage::make(root.path().join(".new")).unwrap();
        stage.until = Instant::now() + longest;
        let mut command = stage.command(Path::new("/bin/sh"), &[]);
        stage.run(command.args(["-c", script])).await
    }

    #[tokio::test]
    async fn a_client_ends_with_all_it_started_when_it_takes_too_much() {
        let mark = format!("{}", 600 + std::process::id() % 100_000);
        let script = format!("sleep {mark} & truncate -s 3G large; wait");
        assert!(matches!(run(&script, LONGEST).await, Err(Error::TooMuch(most)) if most.contains("GiB")));
        assert!(
            matches!(run(&format!("sleep {mark} & wait"), Duration::ZERO).await, Err(Error::TooMuch(most)) if most.contains("minutes"))
        );
        let runs = || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
            lines.filter(|line| *line == format!("sleep\0{mark}\0").into_bytes()).count()
        };
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while runs() > 0 {
            assert!(std::time::Instant::now() < end, "it still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_client_inherits_settings_and_nothing_else() {
        let (status, said) = run("env | cut -d= -f1 | sort | tr '\\n' ' '", LONGEST).await.unwrap();
        assert!(status.success());
        let known =
            |name: &&str| SETTINGS.contains(name) || ["HOME", "LANG", "PATH", "PWD", "TMPDIR", "_", "SHLVL", "OLDPWD"].contains(name);
        assert_eq!(said.split_whitespace().filter(|name| !known(name)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn nothing_of_what_a_client_says_moves_the_cursor() {
        assert_eq!(shown("npm error code X\n\nERROR: a\u{1b}[2Jb\n"), "code X; a<U+001B>[2Jb");
        assert!(is_full("npm error code ENOSPC") && is_full("OSError: [Errno 28] No space left on device") && !is_full(""));
    }
}
