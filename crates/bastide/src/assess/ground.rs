//! Where probes stand: the configuration, the gateway that runs on it, its log, and the tokens that the probes were given.

use super::agent::Agent;
use super::steps::Trouble;
use crate::canary;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::wire::{Configured, LOCK};
use audit::read::{self, Query};
use config::{File, Loaded};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use store::journal::LogFolder;
use terms::{Clock as _, ServerName, Utc};
use tokio::net::UnixStream;

/// The principal that may have a role which names it.
pub const A: &str = "probe/a";
/// The principal that no role may name.
pub const B: &str = "probe/b";
/// How long a token of the probes lives.
const LIFE: Duration = Duration::from_secs(120);
/// Records that are read at most.
const MOST_RECORDS: usize = 50_000;
/// How long a record may take to be there.
const SETTLE: Duration = Duration::from_secs(3);
/// What to do when no gateway runs.
pub const SERVE: &str = "no gateway runs on this configuration; start one with `bastide serve`";

/// A gateway that runs.
pub struct Running {
    /// The way of its operators.
    pub admin: admin::client::Client,
    /// Its process, where the kernel could tell.
    pub pid: Option<u32>,
    client: egress::Client,
}

/// A token of the probes.
#[derive(Clone)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// Itself.
    pub text: String,
}

/// The canary among the configured servers.
pub struct CanaryServer {
    /// What the configuration calls it.
    pub name: ServerName,
    /// Where in the vault its credential is.
    pub secret: Option<String>,
}

/// Where probes stand.
pub struct Ground {
    configured: Configured,
    clock: SystemClock,
    running: Option<Running>,
    why_not: String,
    began: Utc,
    issued: Mutex<Vec<Token>>,
    stopped: Mutex<Vec<String>>,
}

impl Ground {
    /// Finds the configuration as every verb does, and the gateway that runs on it.
    pub async fn find(common: &Common) -> Result<Self, Failure> {
        let clock = SystemClock::new();
        let configured = Configured::read(common.config.as_deref(), &clock)?;
        let socket = configured.loaded.file.state.join("admin.sock");
        let (running, why_not) = match Running::find(&socket).await {
            Ok(Some(running)) => (Some(running), String::new()),
            Ok(None) => (None, SERVE.to_owned()),
            Err(trouble) => (None, format!("{}: {}", trouble.did, trouble.why)),
        };
        let began = clock.utc();
        let (issued, stopped) = (Mutex::default(), Mutex::default());
        Ok(Self { configured, clock, running, why_not, began, issued, stopped })
    }

    /// The time.
    pub fn now(&self) -> Utc {
        self.clock.utc()
    }

    /// Where the configuration is.
    pub fn configuration(&self) -> String {
        self.configured.path.display().to_string()
    }

    /// The digest of the configuration's bytes, hexadecimal.
    pub fn digest(&self) -> String {
        self.loaded().digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the configuration says.
    pub fn loaded(&self) -> &Loaded {
        &self.configured.loaded
    }

    /// What the configuration says, its keys alone.
    pub fn file(&self) -> &File {
        &self.loaded().file
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.file().state
    }

    /// The log.
    pub fn log(&self) -> LogFolder {
        LogFolder::new(self.state().join("audit"))
    }

    /// How many people may use the kill switch.
    pub fn people_who_may_kill(&self) -> usize {
        self.file().people.iter().filter(|person| person.may.contains(&config::Right::Kill)).count()
    }

    /// Whether a gateway runs.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// The gateway that runs.
    ///
    /// # Errors
    /// [`Trouble`] that says to start one.
    pub fn running(&self) -> Result<&Running, Trouble> {
        self.running.as_ref().ok_or_else(|| Trouble::new("looked for the running gateway", &self.why_not))
    }

    /// The names of all configured servers.
    pub fn servers(&self) -> Vec<ServerName> {
        self.file().servers.keys().cloned().collect()
    }

    /// The canary, where the configuration has one.
    pub fn canary(&self) -> Option<CanaryServer> {
        let (name, server) = self.file().servers.iter().find(|(_, server)| server.run.get(1).is_some_and(|verb| verb == canary::VERB))?;
        let secret = server.secrets.iter().find(|(variable, _)| variable.as_str() == canary::SECRET);
        Some(CanaryServer { name: name.clone(), secret: secret.map(|(_, place)| place.to_string()) })
    }

    /// The names of the tools that the lock pins, as clients of `/mcp` write them.
    pub fn pinned_tools(&self) -> Vec<String> {
        self.pinned_definitions().into_iter().map(|(name, _)| name).collect()
    }

    /// The tools that the lock pins, each with its definition. The signature is the gateway's affair.
    pub fn pinned_definitions(&self) -> Vec<(String, Value)> {
        let path = self.configured.folder().join(LOCK);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let body = text.trim_end().rsplit_once('\n').map_or("", |(body, _)| body);
        let lock: Value = serde_json::from_str(body).unwrap_or_default();
        let servers = lock.get("servers").and_then(Value::as_object);
        let tools = servers.into_iter().flatten().flat_map(|(server, pin)| {
            let tools = pin.get("tools").and_then(Value::as_array);
            let named = move |tool: &Value| {
                let name = tool.get("name")?.as_str()?;
                Some((format!("{server}__{name}"), tool.get("definition").cloned().unwrap_or_default()))
            };
            tools.into_iter().flatten().filter_map(named)
        });
        tools.collect()
    }

    /// An agent without a token.
    pub fn stranger(&self) -> Result<Agent, Trouble> {
        Ok(Agent::new(self.running()?.client.clone(), None))
    }

    /// An agent that is `principal`, with a token of its own and a session.
    pub async fn agent(&self, principal: &str) -> Result<Agent, Trouble> {
        let token = self.issue(principal, LIFE, None).await?;
        let mut agent = self.stranger()?.with(Some(&token.text));
        agent.open().await?;
        Ok(agent)
    }

    /// A token for `principal`, on `servers` or on all that are configured. It is taken back at the end.
    pub async fn issue(&self, principal: &str, life: Duration, servers: Option<&[ServerName]>) -> Result<Token, Trouble> {
        let all = self.servers();
        let servers = servers.unwrap_or(&all);
        let mut wish = json!({"agent": principal, "life_seconds": life.as_secs()});
        if let (false, Some(wish)) = (servers.is_empty(), wish.as_object_mut()) {
            wish.insert("servers".into(), servers.iter().map(ServerName::as_str).collect());
        }
        let handed = self.operate("issued a token to the probe", "/api/v1/tokens", &wish).await?;
        let text = |key: &str| handed.get(key).and_then(Value::as_str).map(str::to_owned);
        let token = text("id").zip(text("token")).map(|(id, text)| Token { id, text });
        let token = token.ok_or_else(|| Trouble::new("issued a token to the probe", "the answer holds no token"))?;
        self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(token.clone());
        Ok(token)
    }

    /// The tokens that were issued.
    pub fn issued(&self) -> Vec<Token> {
        self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Takes a token back.
    pub async fn revoke(&self, token: &Token) -> Result<(), Trouble> {
        let admin = &self.running()?.admin;
        let path = format!("/api/v1/tokens/{}", token.id);
        admin.delete::<Value>(&path).await.map(drop).map_err(|fault| Trouble::new("took the token of the probe back", fault))
    }

    /// Asks an act of the gateway.
    pub async fn operate(&self, did: &str, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.running()?.admin.post::<Value>(path, body).await.map_err(|fault| Trouble::new(did, fault))
    }

    /// Asks a view of the gateway.
    pub async fn view(&self, did: &str, path: &str) -> Result<Value, Trouble> {
        self.running()?.admin.get::<Value>(path).await.map_err(|fault| Trouble::new(did, fault))
    }

    /// Stops `scope`. It is let go at the end if not before.
    pub async fn kill(&self, scope: &str) -> Result<Value, Trouble> {
        self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(scope.to_owned());
        self.operate("stopped the probe", "/api/v1/kill", &json!({"scope": scope, "reason": "assessment"})).await
    }

    /// Lets `scope` go.
    pub async fn release(&self, scope: &str) -> Result<Value, Trouble> {
        let let_go = self.operate("let the probe go", "/api/v1/release", &json!({"scope": scope, "reason": "assessment"})).await?;
        self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|stopped| stopped != scope);
        Ok(let_go)
    }

    /// Takes back and lets go what the probes left behind. What fails ends by itself: tokens within two minutes, a stop means probes alone.
    pub async fn clean(&self) {
        for token in self.issued() {
            let _ = self.revoke(&token).await;
        }
        let stopped = self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for scope in stopped {
            let _ = self.release(&scope).await;
        }
    }

    /// The records of this run, oldest first: those that were made since it began.
    pub async fn records(&self) -> Result<Vec<Value>, Trouble> {
        let (log, began) = (self.log(), self.began);
        let read = tokio::task::spawn_blocking(move || since(&log, began)).await;
        let read = read.map_err(|fault| Trouble::new("read the log", fault))?;
        read.map_err(|fault| Trouble::new("read the log", fault))
    }

    /// The records that `means` means, as soon as `enough` of them are there, or what there is after a while.
    pub async fn recorded(&self, enough: usize, means: impl Fn(&Value) -> bool) -> Result<Vec<Value>, Trouble> {
        let until = tokio::time::Instant::now() + SETTLE;
        loop {
            let found: Vec<Value> = self.records().await?.into_iter().filter(|record| means(record)).collect();
            if found.len() >= enough || tokio::time::Instant::now() > until {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The records of calls that probe a made to `tool` at `since` or later.
    pub async fn records_of_tool(&self, tool: &str, since: Utc, enough: usize) -> Result<Vec<Value>, Trouble> {
        let text = |record: &Value, at: &str| record.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let means = |record: &Value| {
            text(record, "/principal/agent").as_deref() == Some(A)
                && text(record, "/tool").is_some_and(|found| found == tool || found.ends_with(&format!("__{tool}")))
                && text(record, "/time").and_then(|time| Utc::parse(&time)).is_some_and(|time| time >= since)
        };
        self.recorded(enough, means).await
    }

    /// The records of the call `reference`.
    pub async fn records_of(&self, reference: &str, enough: usize) -> Result<Vec<Value>, Trouble> {
        self.recorded(enough, |record| record.get("request").and_then(Value::as_str) == Some(reference)).await
    }

    /// Every file of the state folder.
    pub fn state_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files(self.state(), 0, &mut found);
        found
    }
}

impl Running {
    async fn find(socket: &Path) -> Result<Option<Self>, Trouble> {
        const DID: &str = "looked for the running gateway";
        let Some(admin) = admin::client::Client::find(socket).await.map_err(|fault| Trouble::new(DID, fault))? else { return Ok(None) };
        let status: Value = admin.get("/api/v1/status").await.map_err(|fault| Trouble::new(DID, fault))?;
        let data = status.get("data").and_then(Value::as_str).ok_or_else(|| Trouble::new(DID, "it does not say where agents find it"))?;
        let url = data.parse().map_err(|_| Trouble::new(DID, "its address cannot be read"))?;
        let target = egress::ServerTarget::new(url).map_err(|fault| Trouble::new(DID, fault))?;
        let client = egress::Egress::new().client(target).map_err(|fault| Trouble::new(DID, fault))?;
        let peer = UnixStream::connect(socket).await.and_then(|stream| stream.peer_cred());
        let pid = peer.ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        Ok(Some(Self { admin, pid, client }))
    }
}

fn since(log: &LogFolder, began: Utc) -> Result<Vec<Value>, audit::Error> {
    let query = Query { since: Some(began), ..Query::default() };
    let mut found = Vec::new();
    read::records(log, &query, |entry| {
        found.extend(serde_json::from_slice(&entry.body));
        if found.len() < MOST_RECORDS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

fn files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    const MOST: usize = 100_000;
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < 8 {
            files(&entry.path(), depth + 1, found);
        } else if kind.is_file() && found.len() < MOST {
            found.push(entry.path());
        }
    }
}
