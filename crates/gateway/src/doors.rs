//! The doors: the only way to a server, a credential, or what a server says of itself. Each asks for the state that may open it.

mod aside;
mod collector;
mod compare;
pub(crate) mod era;
mod fetch;
mod link;
mod local;
mod observe;
mod one_stream;
mod outward;
mod overhear;
mod papers;
mod pipe;
mod renew;
mod revival;
mod subscribe;
mod turn;

pub use aside::Sort;
pub use fetch::fetch;
pub use link::{Broken, Frame, Heard, InFlight, Incoming, Link, Standing};
pub use observe::{Observed, PORTS, Sight, observe};
pub use overhear::overhear;

use crate::gate::Gate;
use crate::line::{self, Extra, Recorded, Reference, Target};
use crate::session::{Abilities, Ability, Asker, Session, Wants};
use crate::snapshot::{Carrier, Instances, Remote, Run, Server, Snapshot};
use crate::trail::Occasion;
use arc_swap::ArcSwapOption;
use aside::Aside;
use detect::Echo;
use http::HeaderValue;
use mcp::{Method, Revision};
use papers::Known;
use parking_lot::{Mutex, RwLock};
use policy::Question;
use response::{CallScope, Scope};
use revival::Revival;
use sandbox::Next;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use supply::Transport;
use terms::{Code, Name, Secret, ServerName};
use transport::upstream::http as wire;
use vault::Vault;

/// Local processes in all.
const PROCESSES: usize = 128;
/// Longest that a server may take from its start to the end of the handshake and of the look at its definitions.
/// Standing streams of one server at once: half of its connections.
const MOST_STREAMS: usize = 128;
const OPENING: std::time::Duration = std::time::Duration::from_secs(30);
/// Longest that a server may take to take note of a level of log messages.
const TELLING: std::time::Duration = std::time::Duration::from_secs(5);

/// Tells what is to be executed for a local server, so that it can be compared with the lock.
pub trait Contents: Send + Sync {
    /// The content behind a command line. The line of a package runner stands for the tree of `installed`, which says where that is; for what is
    /// in it, it is looked at.
    ///
    /// # Errors
    /// A sentence for the record when it cannot be read, or is a package that was not installed.
    fn of(&self, command: &[String], installed: Option<&supply::Content>) -> Result<Found, String>;

    /// The content behind an image with the words `arguments`, which is looked for on this machine and fetched from nowhere.
    ///
    /// # Errors
    /// A sentence for the record when it is not there, or nothing here can hold it.
    fn image(&self, image: &sandbox::podman::Reference, arguments: &[String]) -> Result<Found, String>;

    /// The variables, beyond those of its entry, that keep a server from changing what was approved of it by merely running.
    fn steadying(&self, content: &supply::Content) -> &'static [(&'static str, &'static str)];
}

/// What would be executed for a local server.
pub struct Found {
    /// What is compared with the lock.
    pub content: supply::Content,
    /// The program, by its absolute path.
    pub program: std::path::PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The very file whose digest `content` has.
    pub image: sandbox::Image,
    /// What it needs to be run, beside what every program does: to be read.
    pub needs: Vec<std::path::PathBuf>,
    /// Folders of the gateway's own that it is run from: to be read all the same.
    pub lent: Vec<std::path::PathBuf>,
    /// The gateway's own, that no server may reach.
    pub private: Vec<std::path::PathBuf>,
    /// What holds it, where that is not our own sandbox; then the program is Podman.
    pub engine: Option<Arc<sandbox::podman::Engine>>,
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
    /// All connections to it are in use.
    #[error("all connections to the server are in use")]
    Full,
    /// It is waiting to be tried again.
    #[error("the server was lost and is tried again after {0:?}")]
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
    /// The configuration does not name it any more.
    #[error("the server was taken out of the configuration")]
    Removed,
    /// A kill came while the way was opened.
    #[error(transparent)]
    Stopped(#[from] response::Stopped),
}

impl Closed {
    /// What the peer learns.
    pub fn code(&self) -> Code {
        match self {
            Self::Broken(Broken::Malformed(_)) => Code::ServerMalformed,
            Self::Broken(Broken::Revision) => Code::ServerRevision,
            Self::Broken(Broken::Slow) => Code::CallTimeout,
            Self::Start(sandbox::Error::Unavailable { .. } | sandbox::Error::Elsewhere(_)) => Code::SandboxUnavailable,
            Self::Broken(_) | Self::Start(_) | Self::Waiting(_) | Self::Entry(_) | Self::Removed => Code::ServerUnavailable,
            Self::Full => Code::Overload,
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
    outside: egress::Outside,
    echo: ArcSwapOption<Echo>,
    /// Whether `echo` knows every credential. Where it does not, none is given out: what cannot be searched for could come back.
    learned: RwLock<bool>,
    states: Mutex<HashMap<ServerName, Arc<State>>>,
    /// Held while a snapshot comes into force, and while what a server offers is judged by the one in force.
    turning: Mutex<()>,
    running: Arc<AtomicUsize>,
    /// What serves the ways out of local servers.
    background: Option<tokio::runtime::Handle>,
}

/// What is remembered of one server, whatever its configuration.
pub(crate) struct State {
    shared: tokio::sync::Mutex<Option<Arc<Link>>>,
    clients: Mutex<Option<Known>>,
    /// The ways out: probes have one of their own, so that they use up nothing of others'.
    exits: Mutex<HashMap<Occasion, (String, Arc<egress::Exit>)>>,
    revival: Mutex<Revival>,
    overheard: overhear::Overheard,
    aside: Aside,
    links: Mutex<Vec<std::sync::Weak<Link>>>,
    /// Places for standing streams of links over HTTP, so that these leave connections for calls.
    streams: Arc<tokio::sync::Semaphore>,
    /// The kinds of lists that changed since clients were told, and whether they are about to be.
    untold: Mutex<BTreeSet<turn::Differs>>,
    telling: AtomicBool,
}

impl State {
    /// Ends every link.
    fn cut(&self) {
        for link in self.links.lock().drain(..).filter_map(|link| link.upgrade()) {
            link.end();
        }
    }

    /// The links that `which` means.
    fn links(&self, which: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        self.links.lock().iter().filter_map(std::sync::Weak::upgrade).filter(|link| which(link)).collect()
    }

    /// Lets no link take a further call; each ends after those under way.
    fn retire(&self) {
        let links: Vec<_> = self.links.lock().iter().filter_map(std::sync::Weak::upgrade).collect();
        links.iter().for_each(|link| link.retire());
    }

    /// INVARIANT: whoever ends links finds every one, also one that is still being opened.
    fn enter(&self, link: &Arc<Link>) {
        let mut links = self.links.lock();
        // Those that are over go when there is no room left, or each opening would look at all of them.
        if links.len() == links.capacity() {
            links.retain(|link| link.strong_count() > 0);
            let living = links.len();
            links.reserve(living.max(16));
        }
        links.push(Arc::downgrade(link));
    }
}

impl Servers {
    /// No server yet.
    pub(crate) fn new(credentials: Credentials, contents: Arc<dyn Contents>, outside: egress::Outside) -> Self {
        let servers = Self {
            credentials,
            contents,
            egress: egress::Egress::new().by(outside.clone()),
            outside,
            echo: ArcSwapOption::new(nothing_known()),
            learned: RwLock::new(false),
            states: Mutex::default(),
            turning: Mutex::default(),
            running: Arc::default(),
            background: tokio::runtime::Handle::try_current().ok(),
        };
        servers.learn();
        servers
    }

    /// Learns the credentials anew, after one was put in or taken out. When they cannot all be searched for, the last set stays and no credential
    /// is given out.
    pub fn learn(&self) {
        let Credentials::Open(vault) = &self.credentials else { return };
        let mut known: Vec<(String, Vec<u8>)> = Vec::new();
        // Who asks for one meanwhile waits.
        let mut learned = self.learned.write();
        *learned = false;
        let read = vault.all_for_echo(&mut |address, value| known.push((address.to_string(), value.to_vec())));
        match (read, Echo::new(known.iter().map(|(name, value)| (name.as_str(), value.as_slice())))) {
            (Ok(()), Ok(echo)) => {
                self.echo.store(Some(Arc::new(echo)));
                *learned = true;
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
        let state = Arc::new(State {
            shared: tokio::sync::Mutex::new(None),
            clients: Mutex::new(None),
            exits: Mutex::default(),
            revival: Mutex::new(Revival::of(&server.carrier)),
            overheard: overhear::Overheard::default(),
            aside: Aside::default(),
            links: Mutex::default(),
            streams: Arc::new(tokio::sync::Semaphore::new(MOST_STREAMS)),
            untold: Mutex::default(),
            telling: AtomicBool::new(false),
        });
        states.insert(server.name.clone(), Arc::clone(&state));
        state
    }

    /// Whether a definition was put aside because the server changed it.
    pub(crate) fn is_aside(&self, server: &ServerName, sort: Sort, name: &str) -> bool {
        self.states.lock().get(server).is_some_and(|state| state.aside.holds(sort, name))
    }

    /// Whether what a call is about was put aside because the server changed it.
    pub(crate) fn sets_aside(&self, server: &ServerName, target: &Target) -> bool {
        match target {
            Target::Tool(_, item, _) => self.is_aside(server, Sort::Tool, item.upstream()),
            Target::Prompt(_, item) => self.is_aside(server, Sort::Prompt, &item.name),
            Target::Completion(_, Reference::Prompt(name)) => self.is_aside(server, Sort::Prompt, name),
            Target::Completion(_, Reference::Template(uri)) => self.is_aside(server, Sort::Template, uri),
            _ => false,
        }
    }

    /// What was put aside of a server, for `server list`.
    pub fn put_aside(&self, server: &ServerName) -> Vec<(String, String)> {
        self.states.lock().get(server).map(|state| state.aside.list()).unwrap_or_default()
    }

    /// Whether a server died too often.
    pub fn is_given_up(&self, server: &ServerName) -> bool {
        self.states.lock().get(server).is_some_and(|state| state.revival.lock().is_aside())
    }

    /// Someone has looked at a server that died too often.
    pub fn release(&self, server: &ServerName) {
        if let Some(state) = self.states.lock().get(server) {
            state.revival.lock().release();
        }
    }

    /// Sends a recorded call to its server, until `deadline`.
    pub(crate) async fn send(
        &self,
        gate: &Arc<Gate>,
        recorded: &Recorded,
        server: &Arc<Server>,
        deadline: tokio::time::Instant,
        extra: Option<&Extra>,
    ) -> Result<InFlight, Closed> {
        let session = recorded.session();
        let (link, sent) = self.try_send(gate, recorded, server, deadline, extra).await?;
        if sent.as_ref().is_err_and(session_lost) {
            link.end();
        }
        let sent = match sent {
            // The link is as good as before, and so is the server.
            Err(broken) if broken.is_full() => return Err(Closed::Full),
            Err(broken) if broken.never_sent() || session_lost(&broken) && recorded.is_repeatable() => {
                link.end();
                Box::pin(self.try_send(gate, recorded, server, deadline, extra)).await?.1
            }
            other => other,
        };
        if let (Ok(_), Target::Subscription(_, uri, method)) = (&sent, recorded.target()) {
            match method {
                Method::Unsubscribe => session.unsubscribe(&server.name, uri),
                _ => {
                    session.subscribe(server.name.clone(), uri.clone());
                    renew::keep(gate, &link, &server.name, Some(session));
                }
            }
        }
        Ok(sent?)
    }

    /// Sends once. A process of the session's own that does not take what it is sent is not left to itself.
    async fn try_send(
        &self,
        gate: &Arc<Gate>,
        recorded: &Recorded,
        server: &Arc<Server>,
        deadline: tokio::time::Instant,
        extra: Option<&Extra>,
    ) -> Result<(Arc<Link>, Result<InFlight, Broken>), Closed> {
        let call = Arc::clone(recorded.call());
        let link = tokio::time::timeout_at(deadline, self.way(gate, recorded, server)).await.map_err(|_| Broken::Slow)??;
        let sending = link.send(Some(call), |id| line::print(recorded, &link, id, extra));
        let sent = tokio::time::timeout_at(deadline, sending).await.unwrap_or_else(|_| {
            link.overrun();
            Err(Broken::Slow)
        });
        Ok((link, sent))
    }

    /// Sends a client's reply to the server that asked.
    pub(crate) async fn reply(&self, recorded: &Recorded, session: &Session) -> Result<(), Broken> {
        let Target::Reply(_, _, id) = recorded.target() else { return Ok(()) };
        let Some(question) = session.questions.take(id) else { return Ok(()) };
        match (question.asker, recorded.reply_result()) {
            (Asker::Server(link, id), Some(result)) => link.reply(&id, &result).await,
            (Asker::Server(link, id), None) => link.decline(&id, question.method).await,
            (Asker::Round { key, replies }, result) => {
                // Who waited may have gone.
                drop(replies.try_send((key, result)));
                Ok(())
            }
        }
    }

    /// Tells the session's servers the level of log messages that the client wants.
    pub(crate) async fn set_level(&self, session: &Session, level: u8) {
        let links: Vec<Arc<Link>> = session.links().lock().await.values().cloned().collect();
        for link in links.into_iter().filter(|link| link.is_open() && link.takes_level()) {
            tell_level(&link, level).await;
        }
    }

    /// Tells the session's servers that the client's roots changed.
    pub(crate) async fn roots_changed(&self, session: &Session) {
        if session.abilities.roots == Ability::Absent {
            return;
        }
        let links: Vec<Arc<Link>> = session.links().lock().await.values().cloned().collect();
        for link in links.into_iter().filter(|link| link.is_open() && link.revision().is_legacy()) {
            let mut frame = Vec::with_capacity(64);
            mcp::print_notification(&mut frame, Method::RootsChanged.as_str(), None);
            let _ = link.tell(frame).await;
        }
    }

    /// Asks a server to tell the session of a resource's updates.
    pub(crate) async fn watch(&self, gate: &Arc<Gate>, recorded: &Recorded, server: &Arc<Server>, uri: &str) -> Result<(), Closed> {
        let session = recorded.session();
        recorded.still_alive_at(gate, Some(&server.name)).map_err(Closed::Stopped)?;
        let link = self.way(gate, recorded, server).await?;
        if link.revision().is_legacy() {
            let response = link.ask(Method::Subscribe, Some(&located(uri))).await?;
            if let mcp::Outcome::Error { code, .. } = response.outcome() {
                return Err(Broken::Refused { method: Method::Subscribe.as_str(), code }.into());
            }
        } else {
            link.subscribing().want(uri).await?;
        }
        session.subscribe(server.name.clone(), uri.to_owned());
        renew::keep(gate, &link, &server.name, Some(session));
        Ok(())
    }

    /// Lets go of one resource of one server.
    pub(crate) async fn unwatch_one(&self, gate: &Gate, session: &Arc<Session>, server: &ServerName, uri: &str) {
        session.unsubscribe(server, uri);
        forget(gate, session, server, uri).await;
    }

    /// Lets go of resources that nobody of the session listens to any more, without waiting for it.
    pub(crate) fn unwatch(&self, gate: &Arc<Gate>, session: &Arc<Session>, wants: &Wants) {
        let gone: Vec<_> = wants.resources.keys().filter(|(server, uri)| !session.listeners.wants(server, uri)).cloned().collect();
        let (gate, session) = (Arc::clone(gate), Arc::clone(session));
        tokio::spawn(async move {
            for (server, uri) in gone {
                session.unsubscribe(&server, &uri);
                forget(&gate, &session, &server, &uri).await;
            }
        });
    }

    /// The link that calls of a session run on, where it is open.
    async fn standing(&self, session: &Session, server: &ServerName) -> Option<Arc<Link>> {
        let own = session.links().lock().await.get(server).cloned();
        let link = match own {
            Some(link) => Some(link),
            None => {
                let state = self.states.lock().get(server).cloned();
                match state {
                    Some(state) => state.shared.lock().await.clone(),
                    None => None,
                }
            }
        };
        link.filter(|link| link.is_open())
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
        self.links(|link| server.is_none_or(|server| *server == link.server)).iter().for_each(|link| link.kill());
    }

    /// Has what the local processes that a kill of `scope` means leave behind kept when they end. Gives where.
    pub(crate) fn keep(&self, gate: &Gate, scope: &Scope) -> Vec<PathBuf> {
        let now = gate.clock.utc();
        let links = self.links(|link| link.occasion == Occasion::Work && is_meant(scope, link));
        links.iter().filter_map(|link| link.keep(gate.forensics.place(&link.server, now))).collect()
    }

    /// Ends the links that a kill of `scope` means, at once: local processes with them.
    pub(crate) fn kill(&self, scope: &Scope) {
        self.links(|link| is_meant(scope, link)).iter().for_each(|link| link.kill());
    }

    fn links(&self, which: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        let states: Vec<Arc<State>> = self.states.lock().values().cloned().collect();
        states.iter().flat_map(|state| state.links(&which)).collect()
    }

    /// Ends every link of a session at once: its processes with them.
    pub(crate) async fn cut_session(&self, session: &Session) {
        for (_, link) in session.links().lock().await.drain() {
            link.kill();
        }
    }

    /// How many local processes run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// The link for a call. Opening one compares anew, so that what changed since the call was allowed is not called either.
    async fn way(&self, gate: &Arc<Gate>, recorded: &Recorded, server: &Arc<Server>) -> Result<Arc<Link>, Closed> {
        if server.outlived(gate.clock.utc()) {
            gate.end_outlived();
            return Err(Closed::Content("the risk of taking its definitions unseen is not accepted any more".to_owned()));
        }
        let link = self.link(gate, recorded.session(), server).await?;
        if !gate.knows(&server.name) {
            // A snapshot without it ends the links that it finds; this one may have come after it looked.
            link.end();
            return Err(Closed::Removed);
        }
        if let Err(stopped) = recorded.still_alive_at(gate, Some(&server.name)) {
            // A kill of the server ends the links that it finds; this one may have come after it looked.
            if matches!(&stopped.scope, Scope::All | Scope::Server(_)) {
                link.kill();
            }
            return Err(Closed::Stopped(stopped));
        }
        if self.sets_aside(&server.name, recorded.target()) { Err(Closed::Content("the definition changed".to_owned())) } else { Ok(link) }
    }

    async fn link(&self, gate: &Arc<Gate>, session: &Arc<Session>, server: &Arc<Server>) -> Result<Arc<Link>, Closed> {
        if !gate.knows(&server.name) {
            return Err(Closed::Removed);
        }
        let state = self.state(server);
        let shared = matches!(&server.carrier, Carrier::Run(run) if run.instances == Instances::Shared);
        let fresh = |link: &Arc<Link>| link.is_open() && !link.is_retired() && link.digest == server.digest;
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
            old.retire();
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
        match state.revival.lock().may_start(gate.clock.instant()) {
            Next::Start => {}
            Next::Wait(until) => return Err(Closed::Waiting(until.since(gate.clock.instant()))),
            Next::Aside => return Err(Closed::Aside),
        }
        let snapshot = gate.snapshot();
        let opened = tokio::time::timeout(OPENING, self.try_open(gate, &snapshot, session, server, state)).await;
        match opened {
            Ok(Ok(link)) => {
                state.revival.lock().opened();
                Ok(link)
            }
            Ok(Err(Closed::Broken(broken))) if broken.is_full() => Err(Closed::Full),
            Ok(Err(closed)) => {
                // A process that ended by itself was counted by who watches it.
                let counted = matches!(closed, Closed::Broken(Broken::Gone));
                if !counted && matches!(closed, Closed::Broken(_) | Closed::Start(_)) {
                    state.revival.lock().failed(gate.clock.instant());
                }
                Err(closed)
            }
            Err(_) => {
                state.revival.lock().failed(gate.clock.instant());
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
                let found = self.verify(server, run).await?;
                local::start(self, gate, session, server, run, found, state).await?
            }
            Carrier::Remote(remote) => self.dial(gate, session, server, remote, state).await?,
        };
        let guard = Unopened(Some(Arc::clone(&link)));
        state.enter(&link);
        if let Carrier::Run(run) = &server.carrier {
            // What an interpreter has read by its path since: it was the same before and after.
            self.verify(server, run).await?;
        }
        let only = server.pinned.as_ref().ok().and_then(|pinned| Revision::parse(&pinned.pin.revision)).or(server.revision);
        let only = only.unwrap_or(Revision::NEWEST_LEGACY);
        let opened = link.open(may(snapshot, session.map(AsRef::as_ref), server), Some(only)).await;
        if let Err(Broken::Revision) = &opened {
            crate::event::downgraded(gate, &link, &server.name, only);
        }
        opened?;
        self.compare(gate, &link, &server.name, state).await?;
        if let Some(session) = session
            && session.level() > 0
            && link.takes_level()
        {
            tell_level(&link, session.level()).await;
        }
        renew::renew(gate, &link, &server.name, session);
        match &server.carrier {
            _ if !link.revision().is_legacy() => subscribe::subscribe(gate, &link, server, session),
            Carrier::Remote(_) => local::listen(gate, &link, server, session).await,
            Carrier::Run(_) => {}
        }
        guard.keep();
        Ok(link)
    }

    /// What would be executed is what the lock says.
    async fn verify(&self, server: &Server, run: &Run) -> Result<Found, Closed> {
        let Ok(pinned) = &server.pinned else { return Err(Closed::Content("nothing was approved".to_owned())) };
        let found = content_of(&self.contents, run, Some(&pinned.pin.content)).await?;
        if found.content != pinned.pin.content {
            return Err(Closed::Content(format!("found {}, approved {}", found.content, pinned.pin.content)));
        }
        Ok(found)
    }

    async fn dial(
        &self,
        gate: &Arc<Gate>,
        session: Option<&Arc<Session>>,
        server: &Arc<Server>,
        remote: &Remote,
        state: &State,
    ) -> Result<Arc<Link>, Closed> {
        let client = self.client(gate, server, remote, state).await?;
        let authorization = match &remote.bearer {
            None => None,
            Some(name) => Some(self.bearer(name)?),
        };
        let snapshot = gate.snapshot();
        let bounds = wire::Bounds { frame_bytes: snapshot.bounds.result, answer: server.call, ..wire::Bounds::default() };
        let wire = wire::Wire::new(client, bounds);
        match remote.transport {
            Transport::Streamable => {
                Ok(Link::over_http(server.name.clone(), server.digest.clone(), wire, authorization, limits(&snapshot)))
            }
            Transport::OneStream => one_stream::open(gate, session, server, &wire, authorization.as_ref()).await,
        }
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

    /// The key of a listener, at `OWNER/NAME`.
    ///
    /// # Errors
    /// Why it cannot be had, in a sentence.
    pub fn listener_key(&self, reference: &str) -> Result<Secret<Vec<u8>>, String> {
        let lease = self.lease(reference).map_err(|closed| closed.to_string())?;
        lease.open().map(|key| Secret::new(key.to_vec())).map_err(|cause| cause.to_string())
    }

    /// A lease on `server/NAME`.
    fn lease(&self, reference: &str) -> Result<vault::Lease, Closed> {
        let Credentials::Open(vault) = &self.credentials else {
            return Err(credential(reference, "the vault is locked".to_owned(), Code::VaultLocked));
        };
        if !*self.learned.read() {
            return Err(credential(reference, "not every credential of the vault can be read".to_owned(), Code::VaultLocked));
        }
        let parts = reference.split_once('/').and_then(|(server, name)| Some((ServerName::new(server).ok()?, Name::new(name).ok()?)));
        let (server, name) = parts.ok_or_else(|| credential(reference, "it is not `server/NAME`".to_owned(), Code::VaultAbsent))?;
        vault.lease(&server, &name).map_err(|cause| credential(reference, cause.to_string(), Code::VaultAbsent))
    }
}

/// What would be executed, looked up where reading a large tree holds nobody up.
async fn content_of(contents: &Arc<dyn Contents>, run: &Run, installed: Option<&supply::Content>) -> Result<Found, Closed> {
    let (contents, image, command, installed) = (Arc::clone(contents), run.image.clone(), run.command.clone(), installed.cloned());
    let found = tokio::task::spawn_blocking(move || match image {
        Some(image) => contents.image(&image, &command),
        None => contents.of(&command, installed.as_ref()),
    })
    .await;
    found.unwrap_or_else(|cause| Err(cause.to_string())).map_err(Closed::Content)
}

/// Whether a kill of `scope` ends `link`: with its server, or with the session that its process belongs to.
fn is_meant(scope: &Scope, link: &Link) -> bool {
    match scope {
        Scope::All => true,
        Scope::Server(server) => *server == link.server,
        Scope::Principal(_) | Scope::Session(_) => {
            let call =
                |session: &Session| scope.means(&CallScope { principal: &session.principal, session: Some(session.id), server: None });
            link.owner().is_some_and(|session| call(&session))
        }
    }
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

/// A server that forgot our session, or is not of the era that it was of, says so before it acts: 404, or 400 with words (some real ones).
fn session_lost(broken: &Broken) -> bool {
    matches!(broken, Broken::Wire(transport::upstream::Fault::Status { status, .. }) if matches!(status.as_u16(), 400 | 404 | 405))
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

/// What a server may ask: what the client can and policy lets it. Where each request says for itself what its client can, that is looked at then.
fn may(snapshot: &Snapshot, session: Option<&Session>, server: &Server) -> Abilities {
    let Some(session) = session else { return Abilities::default() };
    let moment = session.moment.get();
    let asks =
        |question| if line::may_ask(snapshot, &session.principal, &moment, server, question) { Ability::Declared } else { Ability::Absent };
    let elicitation = asks(Question::Elicitation);
    let allowed = Abilities {
        sampling: asks(Question::Sampling),
        form: elicitation,
        url: elicitation,
        roots: asks(Question::Roots),
        labels: Ability::Absent,
    };
    session.abilities.and(allowed)
}

/// Tells a server that a session does not want to hear of a resource any more, unless another one that shares its process does.
async fn forget(gate: &Gate, session: &Session, server: &ServerName, uri: &str) {
    let Some(link) = gate.servers.standing(session, server).await else { return };
    if link.is_shared() && gate.sessions.list().iter().any(|other| other.subscribed(server, uri)) {
        return;
    }
    if link.revision().is_legacy() {
        let _ = tokio::time::timeout(TELLING, link.ask(Method::Unsubscribe, Some(&located(uri)))).await;
    } else {
        link.subscribing().forget(uri);
    }
}

/// Params that name a resource.
fn located(uri: &str) -> Vec<u8> {
    let mut params = Vec::with_capacity(uri.len() + 16);
    let mut object = mcp::json::Object::open(&mut params);
    object.text("uri", uri);
    object.close();
    params
}

async fn tell_level(link: &Arc<Link>, level: u8) {
    let params = format!("{{\"level\":\"{}\"}}", crate::names::level_name(level));
    let told = tokio::time::timeout(TELLING, link.ask(Method::SetLevel, Some(params.as_bytes()))).await;
    if let Err(cause) = told.unwrap_or(Err(Broken::Slow)) {
        tracing::debug!(server = %link.server, %cause, "the level of log messages was not taken");
    }
}
