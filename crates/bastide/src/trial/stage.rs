//! The stage of the story: a folder, a configuration, a lock, a running gateway, a token.

use super::client::{Client, Said};
use crate::outcome::Failure;
use sandbox::{Standing, Weakness};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use terms::{Clock as _, Utc};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// The credential that the sample server is given.
pub const CREDENTIAL: &str = "sample-credential-7f3a91c0d2";
/// How long what is accepted for the sample server stays so, at most twice as long.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the gateway may take to be ready, and to see a change.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the story plays on.
pub struct Stage {
    program: PathBuf,
    folder: PathBuf,
    state: PathBuf,
    gateway: Child,
    data: String,
    token: String,
}

impl Stage {
    /// Sets everything up in `folder`, or in a new one.
    ///
    /// # Errors
    /// [`Failure`] when something of it cannot be done.
    pub async fn set(folder: Option<&Path>) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let folder = match folder {
            Some(folder) => std::path::absolute(folder)?,
            None => tempfile::Builder::new().prefix("bastide-try-").tempdir()?.keep(),
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let config = folder.join("bastide.yaml");
        if !config.exists() {
            let today = crate::host::SystemClock::new().utc();
            write(&config, &format!("{}{}", configuration(&program, &folder)?, accepted(&missing(), today)))?;
        }
        let state = state_of(&config)?;
        let run = |words: &[&str]| command(&program, &config, words);
        put(run(&["secret", "put", "sample/credential"])).await?;
        answer(run(&["lock", "--yes", "--json"])).await?;
        let mut gateway =
            run(&["serve", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let ready = match gateway.stdout.take() {
            Some(output) => tokio::time::timeout(PATIENCE, BufReader::new(output).lines().next_line()).await,
            None => Ok(Ok(None)),
        };
        let Ok(Ok(Some(line))) = ready else {
            return Err(Failure::system("the gateway did not start").next(format!("bastide serve --config {}", config.display())));
        };
        let ready: Value = serde_json::from_str(&line)?;
        let data = text(&ready, "data")?;
        let issued = answer(run(&["token", "issue", "--principal", "agent:visitor", "--json"])).await?;
        let token = text(&issued, "token")?;
        Ok(Self { program, folder, state, gateway, data, token })
    }

    /// The address of the data listener.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The agent's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("bastide.yaml")
    }

    /// What a verb answers in JSON, whatever its exit code.
    ///
    /// # Errors
    /// [`Failure`] when it prints none.
    pub async fn json(&self, words: &[&str]) -> Result<Value, Failure> {
        let mut command = command(&self.program, &self.config(), words);
        let output = command.arg("--json").stdin(Stdio::null()).output().await?;
        serde_json::from_slice(&output.stdout)
            .map_err(|cause| Failure::system(format!("`bastide {}` does not answer", words.join(" "))).because(&cause))
    }

    /// The agent's session.
    ///
    /// # Errors
    /// [`Failure`] when there is none.
    pub async fn session(&self) -> Result<String, Failure> {
        let list = self.json(&["session", "list"]).await?;
        let sessions = list.as_array().or_else(|| list.get("sessions")?.as_array()).cloned().unwrap_or_default();
        let own = sessions.iter().find(|session| session.to_string().contains("visitor"));
        own.and_then(|session| session.get("id")?.as_str()).map(str::to_owned).ok_or_else(|| Failure::system("the session is not listed"))
    }

    /// Calls `add` until the gateway has seen that its definition changed.
    ///
    /// # Errors
    /// [`Failure`] when the connection is lost.
    pub async fn until_changed(&self, client: &mut Client) -> Result<Said, Failure> {
        let until = tokio::time::Instant::now() + Duration::from_secs(15);
        loop {
            let said = client.call("sample__add", &json!({"a": 1, "b": 1})).await?;
            if said.refusal.is_some() || tokio::time::Instant::now() > until {
                return Ok(said);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The reference of the last recorded call of a tool.
    ///
    /// # Errors
    /// [`Failure`] when the log cannot be read.
    pub fn recorded(&self, tool: &str) -> Result<Option<String>, Failure> {
        self.last(|record| record.get("tool").and_then(Value::as_str) == Some(tool))
    }

    /// The reference of the last recorded message.
    ///
    /// # Errors
    /// [`Failure`] when the log cannot be read.
    pub fn last_reference(&self) -> Result<Option<String>, Failure> {
        self.last(|_| true)
    }

    fn last(&self, which: impl Fn(&Value) -> bool) -> Result<Option<String>, Failure> {
        let folder = store::journal::LogFolder::new(self.state.join("audit"));
        let mut found = None;
        let query = audit::read::Query::default();
        audit::read::records(&folder, &query, |entry| {
            if let Ok(record) = serde_json::from_slice::<Value>(&entry.body)
                && which(&record)
                && let Some(reference) = record.get("request").and_then(Value::as_str)
            {
                found = Some(reference.to_owned());
            }
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// A copy of the log in which one bit of a record is another.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be copied.
    pub fn tampered(&self) -> Result<PathBuf, Failure> {
        let copy = self.folder.join("tampered");
        if copy.exists() {
            std::fs::remove_dir_all(&copy)?;
        }
        copy_folder(&self.state.join("audit"), &copy)?;
        let segments = copy.join("segment");
        let mut names: Vec<PathBuf> = std::fs::read_dir(&segments)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        names.sort();
        let first = names.first().ok_or_else(|| Failure::system("the log has no segment"))?;
        let mut bytes = std::fs::read(first)?;
        let place =
            bytes.windows(7).position(|window| window == b"allowed").ok_or_else(|| Failure::system("the log holds no allowed call"))?;
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
        std::fs::write(first, bytes)?;
        Ok(copy)
    }

    /// Tells the gateway to end, and waits until it has.
    pub async fn end_gateway(&mut self) {
        if let Some(pid) = self.gateway.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(PATIENCE, self.gateway.wait()).await.is_err() {
            let _ = self.gateway.kill().await;
        }
    }
}

fn command(program: &Path, config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).arg("--config").arg(config);
    command
}

async fn answer(mut command: Command) -> Result<Value, Failure> {
    let output = command.stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        // With `--json` what went wrong may stand in the answer alone.
        let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said).trim().to_owned());
        return Err(Failure::system(said.iter().find(|said| !said.is_empty()).map_or("it ended without a word", String::as_str)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn put(mut command: Command) -> Result<(), Failure> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(CREDENTIAL.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    if output.status.success() { Ok(()) } else { Err(Failure::system(String::from_utf8_lossy(&output.stderr).trim())) }
}

fn text(value: &Value, key: &str) -> Result<String, Failure> {
    value.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Failure::system(format!("the answer has no `{key}`")))
}

fn state_of(config: &Path) -> Result<PathBuf, Failure> {
    let configured = crate::wire::Configured::read(Some(config), &crate::host::SystemClock::new())?;
    Ok(configured.loaded.file.state)
}

fn write(path: &Path, contents: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents.as_bytes())?;
    Ok(())
}

/// Two ports that nobody listens on right now.
fn free_ports() -> Result<(u16, u16), Failure> {
    let any = || std::net::TcpListener::bind("127.0.0.1:0");
    let (one, other) = (any()?, any()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

fn configuration(program: &Path, folder: &Path) -> Result<String, Failure> {
    let (data, admin) = free_ports()?;
    let quoted = |path: &Path| Ok::<_, Failure>(serde_json::to_string(&path.to_string_lossy())?);
    let (program, state) = (quoted(program)?, quoted(&folder.join("state"))?);
    Ok(format!(
        "# What `bastide try` plays on.
profile: local
state: {state}
listen:
  data:  {{ address: 127.0.0.1:{data} }}
  admin: {{ address: 127.0.0.1:{admin} }}
servers:
  sample:
    run: [{program}, {verb}]
    secrets: {{ {secret}: vault:sample/credential }}
roles:
  visitor:
    members: [\"agent:visitor\"]
    allow: {{ sample: [add, read_mail, leak, change] }}
    limits: {{ calls: 120/min }}
tools:
  sample__add:
    operation: read
    arguments: {{ b: {{ maximum: 1000 }} }}
  sample__read_mail: {{ operation: read }}
inspect:
  secrets: {{ action: redact }}
  financial: {{ action: mask }}
  pii: {{ action: redact }}
",
        verb = crate::canary::VERB,
        secret = crate::canary::SECRET,
    ))
}

/// The weaknesses of this machine, without which the sample server would not start. It is a part of this program: a server of anybody else needs
/// an operator's word.
pub fn missing() -> BTreeSet<Weakness> {
    let tried = sandbox::capabilities();
    tried.all.iter().filter(|one| matches!(one.standing, Standing::Missing(_))).filter_map(|one| Weakness::of(one.layer)).collect()
}

/// What accepts `weaknesses` for the sample server until tomorrow.
fn accepted(weaknesses: &BTreeSet<Weakness>, today: Utc) -> String {
    let tomorrow = today.after(DAY).to_string();
    let until = tomorrow.split_once('T').map_or(tomorrow.as_str(), |(day, _)| day);
    let entry = |weakness: &Weakness| {
        let (name, reason) = (weakness.name(), "the sample server is a part of bastide");
        format!(
            "  - {{ control: runtime.sandbox, where: server/sample, weakness: {name}, reason: {reason}, owner: try, until: {until} }}\n"
        )
    };
    let entries: String = weaknesses.iter().map(entry).collect();
    if entries.is_empty() { entries } else { format!("accept_risk:\n{entries}") }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
