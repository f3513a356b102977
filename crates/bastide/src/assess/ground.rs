//! Where probes stand: the configuration, the gateway that runs on it, its log, and what the probes were given.
//!
//! Whatever a probe changes at the gateway is changed here, and undone by [`Ground::clean`].

use super::agent::{Agent, Reply};
use super::steps::Trouble;
use crate::canary;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::wire::{Configured, LOCK};
use audit::read::{self, Query};
use audit::record::Kind;
use base64::Engine as _;
use config::{File, Loaded};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::journal::LogFolder;
use terms::{Clock as _, ServerName, Utc};
use tokio::net::UnixStream;

/// The principal that may have a role which names it.
pub const A: &str = "probe/a";
/// The principal that no role may name.
pub const B: &str = "probe/b";
/// The principal that is stopped. No role names it either.
pub const C: &str = "probe/c";
/// What the names of the probes' principals begin with.
const PROBES: &str = "probe/";
/// Why probes are stopped, so that what an earlier run left behind is known.
const REASON: &str = "bastide assess";
/// How long a gateway may take to say that it is there.
const HELLO: Duration = Duration::from_secs(5);
/// How long cleaning up may take.
const CLEANING: Duration = Duration::from_secs(10);
/// How often it is looked for tokens that are left.
const LOOKS: usize = 4;
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
    door: Door,
}

/// How clients come in at the data listener.
pub struct Door {
    url: url::Url,
    /// What the gateway lets probes in with, where it asks.
    pass: Option<Pass>,
}

/// PEM, as the gateway handed it out.
struct Pass {
    chain: String,
    key: String,
    /// What the listener itself shows, leaf first.
    shown: String,
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
    pass: tokio::sync::OnceCell<Arc<str>>,
    made: Mutex<Made>,
}

/// What the probes made at the gateway, and is to be undone.
#[derive(Default)]
struct Made {
    issued: Vec<Token>,
    credentials: Vec<String>,
    upset: Vec<ServerName>,
}

impl Ground {
    /// Finds the configuration as every verb does, and the gateway that runs on it.
    pub async fn find(common: &Common) -> Result<Self, Failure> {
        let clock = SystemClock::new();
        let configured = Configured::read(common.config.as_deref(), &clock)?;
        let socket = configured.loaded.file.state.join("admin.sock");
        let (running, why_not) = match tokio::time::timeout(HELLO, Running::find(&socket)).await {
            Ok(Ok(Some(running))) => (Some(running), String::new()),
            Ok(Ok(None)) => (None, SERVE.to_owned()),
            Ok(Err(trouble)) => (None, format!("{}: {}", trouble.did, trouble.why)),
            Err(_) => (None, format!("a gateway runs on this configuration, and does not answer within {} s", HELLO.as_secs())),
        };
        let began = clock.utc();
        let (pass, made) = (tokio::sync::OnceCell::new(), Mutex::default());
        Ok(Self { configured, clock, running, why_not, began, pass, made })
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

    /// The configuration, as verbs read it.
    pub fn configured(&self) -> &Configured {
        &self.configured
    }

    /// The bytes of the lock; none where there is no lock.
    pub fn lock(&self) -> Vec<u8> {
        std::fs::read(self.configured.folder().join(LOCK)).unwrap_or_default()
    }

    /// The names of the tools that the lock pins, as clients of `/mcp` write them.
    pub fn pinned_tools(&self) -> Vec<String> {
        self.pinned_definitions().into_iter().map(|(name, _)| name).collect()
    }

    /// The tools that the lock pins, each with its definition. The signature is the gateway's affair.
    pub fn pinned_definitions(&self) -> Vec<(String, Value)> {
        let text = String::from_utf8(self.lock()).unwrap_or_default();
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

    /// How clients come in at the data listener.
    pub fn door(&self) -> Result<&Door, Trouble> {
        Ok(&self.running()?.door)
    }

    /// An agent without a token.
    pub async fn stranger(&self) -> Result<Agent, Trouble> {
        let pass = self.pass.get_or_try_init(async || self.issue(A, LIFE, None).await.map(|token| Arc::from(token.text))).await?;
        Ok(Agent::new(self.running()?.client.clone(), Arc::clone(pass)))
    }

    /// An agent that is `principal`, with a token of its own and a session.
    pub async fn agent(&self, principal: &str) -> Result<Agent, Trouble> {
        let token = self.issue(principal, LIFE, None).await?;
        let mut agent = self.stranger().await?.with(Some(&token.text));
        agent.open().await?;
        Ok(agent)
    }

    /// As [`agent`](Self::agent), for the user `user`, in `sessions` sessions of one token.
    pub async fn agents_for(&self, principal: &str, user: &str, sessions: usize) -> Result<Vec<Agent>, Trouble> {
        let token = self.issue_to("probe", principal, Some(user), LIFE, None).await?;
        let mut agents = Vec::new();
        for _ in 0..sessions {
            let mut agent = self.stranger().await?.with(Some(&token.text));
            agent.open().await?;
            agents.push(agent);
        }
        Ok(agents)
    }

    /// A token for `principal`, on `servers` or on all that are configured. It is taken back at the end.
    pub async fn issue(&self, principal: &str, life: Duration, servers: Option<&[ServerName]>) -> Result<Token, Trouble> {
        self.issue_for("probe", principal, life, servers).await
    }

    /// As [`issue`](Self::issue), for `purpose`: `probe` marks what is done with the token, `work` is what agents get.
    pub async fn issue_for(
        &self,
        purpose: &str,
        principal: &str,
        life: Duration,
        servers: Option<&[ServerName]>,
    ) -> Result<Token, Trouble> {
        self.issue_to(purpose, principal, None, life, servers).await
    }

    async fn issue_to(
        &self,
        purpose: &str,
        principal: &str,
        user: Option<&str>,
        life: Duration,
        servers: Option<&[ServerName]>,
    ) -> Result<Token, Trouble> {
        let all = self.servers();
        let servers = servers.unwrap_or(&all);
        let mut wish = json!({"agent": principal, "user": user, "life_seconds": life.as_secs(), "purpose": purpose});
        if let (false, Some(wish)) = (servers.is_empty(), wish.as_object_mut()) {
            wish.insert("servers".into(), servers.iter().map(ServerName::as_str).collect());
        }
        let handed = self.operate("issued a token to the probe", "/api/v1/tokens", &wish).await?;
        let text = |key: &str| handed.get(key).and_then(Value::as_str).map(str::to_owned);
        let token = text("id").zip(text("token")).map(|(id, text)| Token { id, text });
        let token = token.ok_or_else(|| Trouble::new("issued a token to the probe", "the answer holds no token"))?;
        self.made().issued.push(token.clone());
        Ok(token)
    }

    /// The tokens that were issued.
    pub fn issued(&self) -> Vec<Token> {
        self.made().issued.clone()
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.operate("stopped the probe", "/api/v1/kill", &json!({"scope": scope, "reason": REASON})).await
    }

    /// Lets `scope` go.
    pub async fn release(&self, scope: &str) -> Result<Value, Trouble> {
        self.operate("let the probe go", "/api/v1/release", &json!({"scope": scope, "reason": REASON})).await
    }

    /// Puts a credential into the vault. One that was not there before is taken out at the end.
    pub async fn put_secret(&self, place: &str, value: &str) -> Result<(), Trouble> {
        if !self.held_secrets().await?.iter().any(|held| held == place) {
            self.made().credentials.push(place.to_owned());
        }
        let value = base64::engine::general_purpose::STANDARD.encode(value);
        let body = json!({"address": format!("vault:{place}"), "value": value});
        self.operate("put a credential made for this run into the vault", "/api/v1/secrets", &body).await.map(drop)
    }

    /// The places of the vault that hold something.
    pub async fn held_secrets(&self) -> Result<Vec<String>, Trouble> {
        let listed = self.view("asked what the vault holds", "/api/v1/secrets").await?;
        let entries = listed.get("secrets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let place = |entry: &Value| Some(entry.get("address")?.as_str()?.trim_start_matches("vault:").to_owned());
        Ok(entries.iter().filter_map(place).collect())
    }

    /// Notes that a probe makes `server` misbehave. It is let go, and compared with its pins once more, at the end.
    pub fn upset(&self, server: &ServerName) {
        let mut made = self.made();
        if !made.upset.contains(server) {
            made.upset.push(server.clone());
        }
    }

    /// Undoes what an earlier run could not, since it was killed: its stops of probes.
    pub async fn sweep(&self) {
        if self.running.is_some() {
            let _ = tokio::time::timeout(CLEANING, self.release_all()).await;
        }
    }

    /// Undoes whatever the probes did: ends their sessions, takes their tokens back, lets go what they stopped, takes credentials out of the vault,
    /// and has the canary compared with its pins again. Gives what is left nevertheless; that ends by itself within two minutes, but for stops, which
    /// the next run lets go.
    pub async fn clean(&self) -> Vec<String> {
        if self.running.is_none() {
            return Vec::new();
        }
        match tokio::time::timeout(CLEANING, self.undo()).await {
            Ok(Ok(left)) => left,
            Ok(Err(Trouble { did, why })) => vec![format!("{did}: {why}")],
            Err(_) => vec![format!("the gateway did not let it be undone within {} s", CLEANING.as_secs())],
        }
    }

    async fn undo(&self) -> Result<Vec<String>, Trouble> {
        let (credentials, upset) = {
            let made = self.made();
            (made.credentials.clone(), made.upset.clone())
        };
        for server in &upset {
            let _ = self.operate("let the canary go", &format!("/api/v1/servers/{server}/release"), &json!({})).await;
            self.look_again(server).await;
        }
        let admin = &self.running()?.admin;
        // One that was asked for when the run was interrupted may be issued only now.
        for _ in 0..LOOKS {
            let live = self.live_tokens().await?;
            if live.is_empty() {
                break;
            }
            for id in live {
                let _ = admin.delete::<Value>(&format!("/api/v1/tokens/{id}")).await;
            }
        }
        for place in &credentials {
            let _ = admin.delete::<Value>(&format!("/api/v1/secrets/{place}")).await;
        }
        self.release_all().await?;

        let mut left: Vec<String> = self.live_tokens().await?.into_iter().map(|id| format!("token {id}")).collect();
        left.extend(self.stops().await?.into_iter().map(|scope| format!("stop of {scope}")));
        left.extend(self.sessions_of(PROBES).await?.into_iter().map(|id| format!("session {id}")));
        let held = if credentials.is_empty() { Vec::new() } else { self.held_secrets().await? };
        left.extend(credentials.into_iter().filter(|place| held.contains(place)).map(|place| format!("vault:{place}")));
        Ok(left)
    }

    /// Opens a session that reaches `server`, so that what it offers now is compared with its pins.
    async fn look_again(&self, server: &ServerName) {
        if let Ok(mut agent) = self.agent(A).await {
            let _ = agent.call(&format!("{server}__echo"), json!({"text": "assessment"})).await;
            agent.close().await;
        }
    }

    async fn release_all(&self) -> Result<(), Trouble> {
        for scope in self.stops().await? {
            let _ = self.release(&scope).await;
        }
        Ok(())
    }

    /// The scopes that a run of ours stopped.
    async fn stops(&self) -> Result<Vec<String>, Trouble> {
        let status = self.view("asked what is stopped", "/api/v1/status").await?;
        let stops = status.get("stops").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ours = stops.iter().filter(|stop| stop.get("reason").and_then(Value::as_str) == Some(REASON));
        Ok(ours.filter_map(|stop| stop.get("scope")?.as_str()).map(str::to_owned).collect())
    }

    /// The ids of tokens of probes that were issued since this run began and were not taken back.
    async fn live_tokens(&self) -> Result<Vec<String>, Trouble> {
        let listed = self.view("asked which tokens there are", "/api/v1/tokens").await?;
        let all = listed.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = |token: &Value, key: &str| token.get(key).and_then(Value::as_str).map(str::to_owned);
        let time = |token: &Value, key: &str| text(token, key).and_then(|time| Utc::parse(&time)).unwrap_or_default();
        let began = Utc::from_seconds(self.began.seconds());
        let live = all.iter().filter(|token| {
            text(token, "agent").is_some_and(|agent| agent.starts_with(PROBES))
                && token.get("revoked").is_none_or(Value::is_null)
                && time(token, "issued") >= began
        });
        Ok(live.filter_map(|token| text(token, "id")).collect())
    }

    /// The ids of the open sessions of agents whose names begin with `start`.
    pub async fn sessions_of(&self, start: &str) -> Result<Vec<String>, Trouble> {
        let view = self.view("asked for the open sessions", "/api/v1/sessions").await?;
        let list = view.get("sessions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mine = list.iter().filter(|session| session.get("agent").and_then(Value::as_str).is_some_and(|agent| agent.starts_with(start)));
        Ok(mine.filter_map(|session| session.get("id")?.as_str()).map(str::to_owned).collect())
    }

    /// Whether the gateway that ran at first has gone, or answers no more.
    pub async fn lost(&self) -> bool {
        self.running.is_some() && !matches!(tokio::time::timeout(HELLO, self.view("", "/api/v1/status")).await, Ok(Ok(_)))
    }

    /// The records of probes, events and acts since this run began, oldest first. What agents do meanwhile is not read.
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
        let probed = |record: &Value| record.get("kind").and_then(Value::as_str) == Some("probe");
        self.recorded(enough, |record| probed(record) && record.get("request").and_then(Value::as_str) == Some(reference)).await
    }

    /// The record of what was answered with `reply`: of a refusal, by its reference. Only what is marked as a probe's counts.
    pub async fn record_of(&self, reply: &Reply) -> Result<Option<Value>, Trouble> {
        let Some(reference) = reply.reference() else { return Ok(None) };
        Ok(self.records_of(&reference, 1).await?.into_iter().next())
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
        let secured = data.starts_with("https:");
        let pass = if secured { pass(&admin).await? } else { None };
        let door = Door { url, pass };
        let identity = if door.pass.is_some() { Some(door.identity()?) } else { None };
        let client = door.client(identity)?;
        let peer = UnixStream::connect(socket).await.and_then(|stream| stream.peer_cred());
        let pid = peer.ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        Ok(Some(Self { admin, pid, client, door }))
    }
}

/// Asks for what the data listener lets probes in with; nothing where it asks nobody.
async fn pass(admin: &admin::client::Client) -> Result<Option<Pass>, Trouble> {
    const DID: &str = "asked for what the data listener lets probes in with";
    let wish = json!({"agent": "probe/door", "life_seconds": LIFE.as_secs(), "purpose": "probe"});
    let handed: Value = admin.post("/api/v1/tokens", &wish).await.map_err(|fault| Trouble::new(DID, fault))?;
    if let Some(id) = handed.get("id").and_then(Value::as_str) {
        admin.delete::<Value>(&format!("/api/v1/tokens/{id}")).await.map_err(|fault| Trouble::new(DID, fault))?;
    }
    let Some(pass) = handed.get("certificate") else { return Ok(None) };
    let text = |key: &str| pass.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(Pass { chain: text("chain"), key: text("key"), shown: text("shown") }))
}

impl Door {
    /// The certificate that the gateway gave this probe.
    pub fn identity(&self) -> Result<egress::ClientIdentity, Trouble> {
        let none = || Trouble::new("took the certificate that the gateway gave", "there is none, or it cannot be read");
        let pass = self.pass.as_ref().ok_or_else(none)?;
        let chain = CertificateDer::pem_slice_iter(pass.chain.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
        let key = PrivateKeyDer::from_pem_slice(pass.key.as_bytes()).map_err(|_| none())?;
        Ok(egress::ClientIdentity { chain, key })
    }

    /// A client that shows `identity`.
    fn client(&self, identity: Option<egress::ClientIdentity>) -> Result<egress::Client, Trouble> {
        const DID: &str = "made a client of the data listener";
        let mut target = egress::ServerTarget::new(self.url.clone()).map_err(|fault| Trouble::new(DID, fault))?;
        if let Some(pass) = &self.pass {
            let shown = CertificateDer::from_pem_slice(pass.shown.as_bytes());
            target = target.exactly(shown.map_err(|_| Trouble::new(DID, "the listener's certificate cannot be read"))?);
        }
        if let Some(identity) = identity {
            target = target.identity(identity);
        }
        egress::Egress::new().client(target).map_err(|fault| Trouble::new(DID, fault))
    }

    /// Whether whoever shows `identity` gets an answer at all.
    pub async fn reached(&self, identity: Option<egress::ClientIdentity>) -> bool {
        match self.client(identity) {
            Ok(client) => client.get(http::HeaderMap::new()).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// What the record of a probe would be of anybody else: `intent`, `outcome`, `decision`; empty for other records.
pub fn phase(record: &Value) -> &str {
    record.get("phase").and_then(Value::as_str).unwrap_or_default()
}

fn since(log: &LogFolder, began: Utc) -> Result<Vec<Value>, audit::Error> {
    let query = Query { since: Some(began), kinds: vec![Kind::Probe, Kind::Event, Kind::Act], ..Query::default() };
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
