//! The doors: the only way to a server, a credential, or what a server says of itself. Each asks for the state that may open it.

mod aside;
mod fetch;
mod link;
mod local;
mod pipe;

pub use aside::Sort;
pub use fetch::fetch;
pub use link::{Broken, InFlight, Incoming, Link, Standing};

use crate::gate::Gate;
use crate::line::{self, Recorded, Target};
use crate::session::{Ability, Session};
use crate::snapshot::{Carrier, Instances, Remote, Run, Server, Snapshot};
use arc_swap::ArcSwapOption;
use aside::Aside;
use detect::Echo;
use http::HeaderValue;
use mcp::Method;
use parking_lot::Mutex;
use policy::Question;
use response::Scope;
use sandbox::{Next, RestartPolicy, Supervisor};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use terms::{Code, Name, ServerName};
use transport::upstream::http as wire;
use vault::Vault;

/// Local processes in all.
const PROCESSES: usize = 128;
/// Longest that a server may take from its start to the end of the handshake and of the look at its definitions.
const OPENING: std::time::Duration = std::time::Duration::from_secs(30);

/// Tells what is to be executed for a local server, so that it can be compared with the lock.
pub trait Contents: Send + Sync {
    /// The content behind a command line.
    ///
    /// # Errors
    /// A sentence for the record when it cannot be read.
    fn of(&self, command: &[String]) -> Result<supply::Content, String>;

    /// The variables, beyond those of its entry, that keep a server from changing what was approved of it by merely running.
    fn steadying(&self, content: &supply::Content) -> &'static [(&'static str, &'static str)];
}

/// Where credentials come from.
#[derive(Clone)]
pub enum Credentials {
    /// An open vault.
    Open(Arc<Vault>),
    /// None can be read.
    Locked,
}

/// Why there is no way to a server.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The way broke.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It could not be started.
    #[error("the server could not be started: {0}")]
    Start(#[from] sandbox::Error),
    /// It is waiting to be started again.
    #[error("the server died and is started again after {0:?}")]
    Waiting(std::time::Duration),
    /// It died too often.
    #[error("the server died too often and was put aside")]
    Aside,
    /// Too many run.
    #[error("{PROCESSES} local servers are running")]
    Many,
    /// A credential cannot be had.
    #[error("the credential `{name}` cannot be had: {cause}")]
    Credential {
        /// Which.
        name: String,
        /// Why.
        cause: String,
        /// What the peer learns.
        code: Code,
    },
    /// What would be executed is not what was approved.
    #[error("what would be executed is not what was approved: {0}")]
    Content(String),
    /// The configuration cannot be used.
    #[error("the server's entry cannot be used: {0}")]
    Entry(String),
    /// A kill came while the way was opened.
    #[error(transparent)]
    Stopped(#[from] response::Stopped),
}

impl Closed {
    /// What the peer learns.
    pub fn code(&self) -> Code {
        match self {
            Self::Broken(Broken::Malformed(_) | Broken::Revision) => Code::ServerMalformed,
            Self::Broken(Broken::Slow) => Code::CallTimeout,
            Self::Broken(_) | Self::Start(_) | Self::Waiting(_) | Self::Entry(_) => Code::ServerUnavailable,
            Self::Aside => Code::ServerAside,
            Self::Many => Code::InstanceLimit,
            Self::Credential { code, .. } => *code,
            Self::Content(_) => Code::PinChanged,
            Self::Stopped(stopped) => stopped.code(),
        }
    }
}

/// All servers, behind their doors.
pub struct Servers {
    credentials: Credentials,
    contents: Arc<dyn Contents>,
    egress: egress::Egress,
    echo: ArcSwapOption<Echo>,
    /// Whether `echo` knows every credential. While it does not, none is given out: what cannot be searched for could come back.
    learned: AtomicBool,
    states: Mutex<HashMap<ServerName, Arc<State>>>,
    running: Arc<AtomicUsize>,
}

/// What is remembered of one server, whatever its configuration.
pub(crate) struct State {
    shared: tokio::sync::Mutex<Option<Arc<Link>>>,
    clients: Mutex<Option<(String, egress::Client)>>,
    supervisor: Mutex<Supervisor>,
    aside: Aside,
    links: Mutex<Vec<std::sync::Weak<Link>>>,
}

impl State {
    /// Ends every link.
    fn cut(&self) {
        for link in self.links.lock().drain(..).filter_map(|link| link.upgrade()) {
            link.end();
        }
    }
}

impl Servers {
    /// No server yet.
    pub(crate) fn new(credentials: Credentials, contents: Arc<dyn Contents>) -> Self {
        let servers = Self {
            credentials,
            contents,
            egress: egress::Egress::new(),
            echo: ArcSwapOption::new(nothing_known()),
            learned: AtomicBool::new(false),
            states: Mutex::default(),
            running: Arc::default(),
        };
        servers.learn();
        servers
    }

    /// Learns the credentials anew, after one was put in or taken out. When they cannot all be searched for, the last set stays and no credential
    /// is given out.
    pub fn learn(&self) {
        let Credentials::Open(vault) = &self.credentials else { return };
        let mut known: Vec<(String, Vec<u8>)> = Vec::new();
        self.learned.store(false, Ordering::Release);
        let read = vault.all_for_echo(&mut |address, value| known.push((address.to_string(), value.to_vec())));
        match (read, Echo::new(known.iter().map(|(name, value)| (name.as_str(), value.as_slice())))) {
            (Ok(()), Ok(echo)) => {
                self.echo.store(Some(Arc::new(echo)));
                self.learned.store(true, Ordering::Release);
            }
            (Err(cause), _) => tracing::error!(%cause, "the vault's credentials cannot be read for the echo screen"),
            (_, Err(cause)) => tracing::error!(%cause, "the echo screen cannot be built"),
        }
        for (_, value) in &mut known {
            zeroize::Zeroize::zeroize(value);
        }
    }

    /// What finds our credentials in text.
    pub(crate) fn echo(&self) -> arc_swap::Guard<Option<Arc<Echo>>> {
        self.echo.load()
    }

    fn state(&self, server: &Server) -> Arc<State> {
        let mut states = self.states.lock();
        if let Some(state) = states.get(&server.name) {
            return Arc::clone(state);
        }
        let policy = match &server.carrier {
            Carrier::Run(run) => RestartPolicy { delay: run.restart.delay, most: run.restart.most, within: run.restart.within },
            Carrier::Remote(_) => RestartPolicy::default(),
        };
        let state = Arc::new(State {
            shared: tokio::sync::Mutex::new(None),
            clients: Mutex::new(None),
            supervisor: Mutex::new(Supervisor::new(policy)),
            aside: Aside::default(),
            links: Mutex::default(),
        });
        states.insert(server.name.clone(), Arc::clone(&state));
        state
    }

    /// Whether a definition was put aside because the server changed it.
    pub(crate) fn is_aside(&self, server: &ServerName, sort: Sort, name: &str) -> bool {
        self.states.lock().get(server).is_some_and(|state| state.aside.holds(sort, name))
    }

    /// What was put aside of a server, for `server list`.
    pub fn put_aside(&self, server: &ServerName) -> Vec<(String, String)> {
        self.states.lock().get(server).map(|state| state.aside.list()).unwrap_or_default()
    }

    /// Whether a server died too often.
    pub fn is_given_up(&self, server: &ServerName) -> bool {
        self.states.lock().get(server).is_some_and(|state| state.supervisor.lock().is_aside())
    }

    /// Someone has looked at a server that died too often.
    pub fn release(&self, server: &ServerName) {
        if let Some(state) = self.states.lock().get(server) {
            state.supervisor.lock().release();
        }
    }

    /// Forgets what was put aside, since the lock may have been signed anew. The links to such a server end, so that the next call compares anew
    /// what it offers: what still differs is aside again before it is called.
    pub fn forget_aside(&self) {
        let states: Vec<Arc<State>> = self.states.lock().values().filter(|state| !state.aside.is_empty()).cloned().collect();
        for state in states {
            state.cut();
            state.aside.clear();
        }
    }

    /// Sends a recorded call to its server.
    pub(crate) async fn send(&self, gate: &Arc<Gate>, recorded: &Recorded, server: &Arc<Server>) -> Result<InFlight, Closed> {
        let call = Arc::clone(recorded.call());
        let session = recorded.session();
        let link = self.way(gate, recorded, server).await?;
        let sent = link.send(Some(Arc::clone(&call)), |id| line::print(recorded, call.id, id)).await;
        if sent.as_ref().is_err_and(session_lost) {
            link.end();
        }
        let sent = match sent {
            Err(broken) if broken.never_sent() || session_lost(&broken) && recorded.is_repeatable() => {
                link.end();
                Box::pin(self.send_again(gate, recorded, server)).await?
            }
            other => other,
        };
        if let (Ok(_), Target::Subscription(_, uri, method)) = (&sent, recorded.target()) {
            match method {
                Method::Unsubscribe => session.unsubscribe(&server.name, uri),
                _ => session.subscribe(server.name.clone(), uri.clone()),
            }
        }
        Ok(sent?)
    }

    async fn send_again(&self, gate: &Arc<Gate>, recorded: &Recorded, server: &Arc<Server>) -> Result<Result<InFlight, Broken>, Closed> {
        let call = Arc::clone(recorded.call());
        let link = self.way(gate, recorded, server).await?;
        Ok(link.send(Some(Arc::clone(&call)), |id| line::print(recorded, call.id, id)).await)
    }

    /// Sends a client's reply to the server that asked.
    pub(crate) async fn reply(&self, recorded: &Recorded, session: &Session) -> Result<(), Broken> {
        let Target::Reply(_, _, id) = recorded.target() else { return Ok(()) };
        let Some(question) = session.questions.take(id) else { return Ok(()) };
        match recorded.reply_result() {
            Some(result) => question.link.reply(&question.id, &result).await,
            None => question.link.decline(&question.id, question.method).await,
        }
    }

    /// Tells the session's servers the level of log messages that the client wants.
    pub(crate) async fn set_level(&self, session: &Session, level: u8) {
        let links: Vec<Arc<Link>> = session.links().lock().await.values().cloned().collect();
        for link in links.into_iter().filter(|link| link.is_open() && link.can("logging")) {
            tell_level(&link, level).await;
        }
    }

    /// Tells the session's servers that the client's roots changed.
    pub(crate) async fn roots_changed(&self, session: &Session) {
        if session.abilities.roots == Ability::Absent {
            return;
        }
        let links: Vec<Arc<Link>> = session.links().lock().await.values().cloned().collect();
        for link in links.into_iter().filter(|link| link.is_open()) {
            let mut frame = Vec::with_capacity(64);
            mcp::print_notification(&mut frame, Method::RootsChanged.as_str(), None);
            let _ = link.tell(frame).await;
        }
    }

    /// Ends the links of a session.
    pub(crate) async fn leave(&self, session: &Session) {
        let links: Vec<Arc<Link>> = session.links().lock().await.drain().map(|(_, link)| link).collect();
        for link in links {
            if let Err(slow) = tokio::time::timeout(std::time::Duration::from_secs(2), link.leave()).await {
                tracing::debug!(%slow, "a server did not let go of its session in time");
                link.end();
            }
        }
    }

    /// Ends every link to a server at once: its processes with them.
    pub fn cut(&self, server: Option<&ServerName>) {
        let states: Vec<Arc<State>> = self
            .states
            .lock()
            .iter()
            .filter(|(name, _)| server.is_none_or(|server| server == *name))
            .map(|(_, state)| Arc::clone(state))
            .collect();
        for state in states {
            state.cut();
        }
    }

    /// How many local processes run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// The link for a call. Opening one compares anew, so that what changed since the call was allowed is not called either.
    async fn way(&self, gate: &Arc<Gate>, recorded: &Recorded, server: &Arc<Server>) -> Result<Arc<Link>, Closed> {
        let link = self.link(gate, recorded.session(), server).await?;
        if let Err(stopped) = recorded.still_alive(gate) {
            // A kill of the server ends the links that it finds; this one may have come after it looked.
            if matches!(&stopped.scope, Scope::All | Scope::Server(_)) {
                link.end();
            }
            return Err(Closed::Stopped(stopped));
        }
        let aside = match recorded.target() {
            Target::Tool(_, item, _) => self.is_aside(&server.name, Sort::Tool, &item.name),
            Target::Prompt(_, item) => self.is_aside(&server.name, Sort::Prompt, &item.name),
            _ => false,
        };
        if aside { Err(Closed::Content("the definition changed".to_owned())) } else { Ok(link) }
    }

    async fn link(&self, gate: &Arc<Gate>, session: &Arc<Session>, server: &Arc<Server>) -> Result<Arc<Link>, Closed> {
        let state = self.state(server);
        let shared = matches!(&server.carrier, Carrier::Run(run) if run.instances == Instances::Shared);
        let fresh = |link: &Arc<Link>| link.is_open() && link.digest == server.digest;
        if shared {
            let mut slot = state.shared.lock().await;
            if let Some(link) = slot.as_ref().filter(|link| fresh(link)) {
                return Ok(Arc::clone(link));
            }
            let link = Box::pin(self.open(gate, None, server, &state)).await?;
            *slot = Some(Arc::clone(&link));
            return Ok(link);
        }
        let mut links = session.links().lock().await;
        if let Some(link) = links.get(&server.name).filter(|link| fresh(link)) {
            return Ok(Arc::clone(link));
        }
        if let Some(old) = links.remove(&server.name) {
            old.end();
        }
        let link = Box::pin(self.open(gate, Some(session), server, &state)).await?;
        links.insert(server.name.clone(), Arc::clone(&link));
        if session.ended.is_cancelled() {
            link.end();
            return Err(Closed::Broken(Broken::Gone));
        }
        Ok(link)
    }

    async fn open(
        &self,
        gate: &Arc<Gate>,
        session: Option<&Arc<Session>>,
        server: &Arc<Server>,
        state: &Arc<State>,
    ) -> Result<Arc<Link>, Closed> {
        match state.supervisor.lock().may_start(gate.clock.instant()) {
            Next::Start => {}
            Next::Wait(until) => return Err(Closed::Waiting(until.since(gate.clock.instant()))),
            Next::Aside => return Err(Closed::Aside),
        }
        let snapshot = gate.snapshot();
        let opened = tokio::time::timeout(OPENING, self.try_open(gate, &snapshot, session, server, state)).await;
        match opened {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(closed)) => {
                // A process that ended by itself was counted by who watches it.
                let counted = matches!(closed, Closed::Broken(Broken::Gone));
                if !counted && matches!(closed, Closed::Broken(_) | Closed::Start(_)) {
                    state.supervisor.lock().died(gate.clock.instant());
                }
                Err(closed)
            }
            Err(_) => {
                state.supervisor.lock().died(gate.clock.instant());
                Err(Closed::Broken(Broken::Slow))
            }
        }
    }

    async fn try_open(
        &self,
        gate: &Arc<Gate>,
        snapshot: &Snapshot,
        session: Option<&Arc<Session>>,
        server: &Arc<Server>,
        state: &Arc<State>,
    ) -> Result<Arc<Link>, Closed> {
        let link = match &server.carrier {
            Carrier::Run(run) => {
                let steadying = self.verify(server, run).await?;
                local::start(self, gate, session, server, run, steadying, state).await?
            }
            Carrier::Remote(remote) => self.dial(snapshot, server, remote, state)?,
        };
        let guard = Unopened(Some(Arc::clone(&link)));
        {
            // INVARIANT: a kill finds every link, also one that is still being opened.
            let mut links = state.links.lock();
            links.retain(|link| link.strong_count() > 0);
            links.push(Arc::downgrade(&link));
        }
        link.open(&capabilities(snapshot, session.map(AsRef::as_ref), server)).await?;
        self.compare(gate, &link, server, state).await?;
        if let Some(session) = session
            && session.level() > 0
            && link.can("logging")
        {
            tell_level(&link, session.level()).await;
        }
        if let Carrier::Remote(_) = &server.carrier {
            local::listen(gate, &link, server, session);
        }
        guard.keep();
        Ok(link)
    }

    /// What would be executed is what the lock says. Gives the variables that keep it so.
    async fn verify(&self, server: &Server, run: &Run) -> Result<Steadying, Closed> {
        let Ok(pinned) = &server.pinned else { return Err(Closed::Content("nothing was approved".to_owned())) };
        let found = content_of(&self.contents, run).await?;
        if found != pinned.pin.content {
            return Err(Closed::Content(format!("found {found}, approved {}", pinned.pin.content)));
        }
        Ok(self.contents.steadying(&found))
    }

    fn dial(&self, snapshot: &Snapshot, server: &Server, remote: &Remote, state: &State) -> Result<Arc<Link>, Closed> {
        let client = {
            let mut clients = state.clients.lock();
            match clients.as_ref().filter(|(digest, _)| *digest == server.digest) {
                Some((_, client)) => client.clone(),
                None => {
                    let pins = remote.pins.iter().map(|pin| pin.parse()).collect::<Result<Vec<_>, _>>();
                    let pins = pins.map_err(|cause: egress::Error| Closed::Entry(cause.to_string()))?;
                    let target =
                        egress::ServerTarget::new(remote.url.clone()).map_err(|cause| Closed::Entry(cause.to_string()))?.pins(pins);
                    let client = self.egress.client(target).map_err(|cause| Closed::Entry(cause.to_string()))?;
                    *clients = Some((server.digest.clone(), client.clone()));
                    client
                }
            }
        };
        let authorization = match &remote.bearer {
            None => None,
            Some(name) => Some(self.bearer(name)?),
        };
        let bounds = wire::Bounds { frame_bytes: snapshot.bounds.result, answer: server.call, ..wire::Bounds::default() };
        let wire = wire::Wire::new(client, bounds);
        Ok(Link::over_http(server.name.clone(), server.digest.clone(), wire, authorization, limits(snapshot)))
    }

    fn bearer(&self, name: &str) -> Result<HeaderValue, Closed> {
        let lease = self.lease(name)?;
        let value = lease.open().map_err(|cause| credential(name, cause.to_string(), Code::VaultLocked))?;
        let mut text = zeroize::Zeroizing::new(b"Bearer ".to_vec());
        text.extend_from_slice(value);
        let mut header =
            HeaderValue::from_bytes(&text).map_err(|_| credential(name, "it cannot be a header".to_owned(), Code::VaultAbsent))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// A lease on `server/NAME`.
    fn lease(&self, reference: &str) -> Result<vault::Lease, Closed> {
        let Credentials::Open(vault) = &self.credentials else {
            return Err(credential(reference, "the vault is locked".to_owned(), Code::VaultLocked));
        };
        if !self.learned.load(Ordering::Acquire) {
            return Err(credential(reference, "not every credential of the vault can be read".to_owned(), Code::VaultLocked));
        }
        let parts = reference.split_once('/').and_then(|(server, name)| Some((ServerName::new(server).ok()?, Name::new(name).ok()?)));
        let (server, name) = parts.ok_or_else(|| credential(reference, "it is not `server/NAME`".to_owned(), Code::VaultAbsent))?;
        vault.lease(&server, &name).map_err(|cause| credential(reference, cause.to_string(), Code::VaultAbsent))
    }

    /// Compares what the server offers now with its pins; what differs is put aside and reported.
    pub(crate) async fn compare(&self, gate: &Arc<Gate>, link: &Arc<Link>, server: &Server, state: &State) -> Result<(), Closed> {
        let Ok(pinned) = &server.pinned else { return Ok(()) };
        let offered = fetch::offered(link, pinned.pin.content.clone()).await?;
        let judgement = supply::judge(&pinned.pin, &offered);
        let accepted = server.takes_changes.is_some_and(|end| gate.clock.utc() < end);
        let told = link.told();
        let differing = if accepted { aside::differing(&judgement, told) } else { state.aside.set(&judgement, told) };
        if !differing.is_empty() {
            crate::event::changed(gate, &server.name, &differing);
        }
        Ok(())
    }

    /// Compares anew after the server said that something changed. A link of which that cannot be done ends.
    pub(crate) async fn compare_again(&self, gate: &Arc<Gate>, link: &Arc<Link>, server: &Server) {
        let state = self.state(server);
        while link.is_open() && link.changes().begin() {
            let compared = tokio::time::timeout(OPENING, self.compare(gate, link, server, &state)).await;
            if let Err(cause) = compared.unwrap_or(Err(Closed::Broken(Broken::Slow))) {
                tracing::warn!(server = %server.name, %cause, "a changed server could not be compared with its pins");
                link.end();
            }
        }
    }
}

/// Variables that a server gets beyond those of its entry.
type Steadying = &'static [(&'static str, &'static str)];

/// What would be executed, looked up where reading a large tree holds nobody up.
async fn content_of(contents: &Arc<dyn Contents>, run: &Run) -> Result<supply::Content, Closed> {
    let (contents, command) = (Arc::clone(contents), run.command.clone());
    let found = tokio::task::spawn_blocking(move || contents.of(&command)).await;
    found.unwrap_or_else(|cause| Err(cause.to_string())).map_err(Closed::Content)
}

/// An echo screen that knows no credential; without any, building it cannot fail.
fn nothing_known() -> Option<Arc<Echo>> {
    Echo::new(std::iter::empty()).ok().map(Arc::new)
}

/// Ends a link that did not come to be used.
struct Unopened(Option<Arc<Link>>);

impl Unopened {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.end();
        }
    }
}

/// A server that forgot our session says so before it acts: 404, or 400 with words (some real ones).
fn session_lost(broken: &Broken) -> bool {
    matches!(broken, Broken::Wire(transport::upstream::Fault::Status { status, .. }) if matches!(status.as_u16(), 400 | 404))
}

fn credential(name: &str, cause: String, code: Code) -> Closed {
    Closed::Credential { name: name.to_owned(), cause, code }
}

/// The bounds on a server's messages.
pub(crate) fn limits(snapshot: &Snapshot) -> mcp::Bounds {
    mcp::Bounds {
        message: snapshot.bounds.message,
        result: snapshot.bounds.result,
        nesting: snapshot.bounds.nesting,
        ..mcp::Bounds::default()
    }
}

/// Every ability that a client may have, as [`capabilities`] prints them: what a server is told when it is looked at to be approved, since some
/// offer more to who can do more.
const ABILITIES: &[u8] = br#"{"sampling":{},"roots":{"listChanged":true},"elicitation":{"form":{},"url":{}}}"#;

/// What we say that we can do: what the client can and policy lets this server ask.
fn capabilities(snapshot: &Snapshot, session: Option<&Session>, server: &Server) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let mut object = mcp::json::Object::open(&mut out);
    if let Some(session) = session {
        let may = |question| line::may_ask(snapshot, &session.principal, server, question);
        let abilities = session.abilities;
        if abilities.sampling == Ability::Declared && may(Question::Sampling) {
            object.raw("sampling", b"{}");
        }
        if abilities.roots == Ability::Declared && may(Question::Roots) {
            object.raw("roots", br#"{"listChanged":true}"#);
        }
        if may(Question::Elicitation) {
            match (abilities.form, abilities.url) {
                (Ability::Declared, Ability::Declared) => drop(object.raw("elicitation", br#"{"form":{},"url":{}}"#)),
                (Ability::Declared, Ability::Absent) => drop(object.raw("elicitation", br#"{"form":{}}"#)),
                (Ability::Absent, Ability::Declared) => drop(object.raw("elicitation", br#"{"url":{}}"#)),
                (Ability::Absent, Ability::Absent) => {}
            }
        }
    }
    object.close();
    out
}

async fn tell_level(link: &Arc<Link>, level: u8) {
    let params = format!("{{\"level\":\"{}\"}}", crate::names::level_name(level));
    if let Err(cause) = link.ask(Method::SetLevel, Some(params.as_bytes())).await {
        tracing::debug!(server = %link.server, %cause, "the level of log messages was not taken");
    }
}
