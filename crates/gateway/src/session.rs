//! Our own sessions with clients: bound to one principal, carrying what MCP's sessions carry.
//!
//! A session key is principal, way of authentication and run; the revision in use only adds what it needs on top.

mod listen;
mod question;
pub(crate) mod repeats;
mod stream;
pub(crate) mod tokens;

pub(crate) use listen::event;
pub use listen::{Form, Listeners, News, Place, Wants};
pub(crate) use question::Asker;
pub use question::{Question, Questions};
pub(crate) use repeats::{Repeated, Repeats, likeness};
pub use stream::{StreamId, Streams, Subscriber};

use crate::arrival::Endpoint;
use crate::calls::Call;
use crate::doors::Link;
use crate::moment::Newest;
use crate::rounds::Used;
use mcp::{Id, Revision};
use parking_lot::Mutex;
use policy::Meters;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use terms::{Entropy, Instant, Principal, ServerName, SessionId, Utc};
use tokio_util::sync::CancellationToken;

/// What a client said that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Takes `sampling/createMessage`.
    pub sampling: Ability,
    /// Takes `elicitation/create` in form mode.
    pub form: Ability,
    /// Takes `elicitation/create` in URL mode.
    pub url: Ability,
    /// Takes `roots/list`.
    pub roots: Ability,
    /// Wants to be told how sensitive an answer is (`experimental`, `dev.bastide/labels`).
    pub labels: Ability,
}

impl Abilities {
    /// All of them.
    pub const ALL: Self = Self {
        sampling: Ability::Declared,
        form: Ability::Declared,
        url: Ability::Declared,
        roots: Ability::Declared,
        labels: Ability::Declared,
    };

    /// Those that stand in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |one, other| if one == Ability::Declared && other == Ability::Declared { Ability::Declared } else { Ability::Absent };
        Self {
            sampling: both(self.sampling, other.sampling),
            form: both(self.form, other.form),
            url: both(self.url, other.url),
            roots: both(self.roots, other.roots),
            labels: both(self.labels, other.labels),
        }
    }
}

/// Whether a peer declared something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ability {
    /// It did.
    Declared,
    /// It did not.
    #[default]
    Absent,
}

/// When a token ends: by the clock on the wall, and by the one that nobody can set. The earlier of them counts, so that a clock that is set back
/// lets nobody stay longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    at: Utc,
    by: Instant,
}

impl Ends {
    /// The end at `at`, as seen from now.
    pub fn new(at: Utc, utc: Utc, now: Instant) -> Self {
        Self { at, by: now.after(Duration::from_nanos(at.nanos().saturating_sub(utc.nanos()))) }
    }

    /// Whether it has come.
    pub fn have_come(self, utc: Utc, now: Instant) -> bool {
        utc >= self.at || now >= self.by
    }
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `initialize` was answered, `initialized` has not come.
    Opening,
    /// All is open.
    Ready,
    /// Over.
    Ended,
}

/// What a session is opened with.
pub struct Opening {
    /// See [`Session::principal`].
    pub principal: Arc<Principal>,
    /// See [`Session::endpoint`].
    pub endpoint: Endpoint,
    /// See [`Session::opened`].
    pub opened: Utc,
    /// See [`Session::ends`].
    pub ends: Option<Ends>,
    /// See [`Session::revision`].
    pub revision: Revision,
    /// See [`Session::abilities`].
    pub abilities: Abilities,
    /// See [`Session::streams`].
    pub streams: Streams,
}

/// One session with one client.
pub struct Session {
    /// Its id in records and commands.
    pub id: SessionId,
    /// MCP's id of it, on HTTP: 256 random bits.
    pub key: String,
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// What it speaks to.
    pub endpoint: Endpoint,
    /// When it was opened.
    pub opened: Utc,
    /// When what let it in ends.
    pub ends: Option<Ends>,
    /// The revision that the client speaks.
    pub revision: Revision,
    /// What the client can do; where each request says that for itself, what any request may say.
    pub abilities: Abilities,
    /// The streams to the client.
    pub streams: Streams,
    /// Its subscriptions, where they are requests.
    pub listeners: Listeners,
    /// Questions of servers that wait for the client.
    pub questions: Questions,
    /// The states of rounds that its client has brought back.
    pub rounds: Used,
    /// Its calls that hardly differ.
    pub(crate) repeats: Repeats,
    /// Folders of its client's, as far as that told them.
    pub(crate) roots: Mutex<Arc<[String]>>,
    /// What stands for values in it.
    pub(crate) tokens: tokens::Tokens,
    /// What it has used up, where that is counted.
    pub(crate) used_up: OnceLock<UsedUp>,
    /// Ends when the session does.
    pub ended: CancellationToken,
    /// From where, as what and when its newest message came.
    pub moment: Newest,
    phase: AtomicU8,
    level: AtomicU8,
    calls: AtomicU64,
    used: AtomicU64,
    under_way: AtomicUsize,
    flight: Mutex<HashMap<Id, Arc<Call>>>,
    subscriptions: Mutex<BTreeSet<(ServerName, String)>>,
    links: tokio::sync::Mutex<HashMap<ServerName, Arc<Link>>>,
}

impl Session {
    /// Opens one. Where there is no handshake it is ready at once.
    pub fn open(entropy: &dyn Entropy, opening: Opening) -> Arc<Self> {
        let Opening { principal, endpoint, opened, ends, revision, abilities, streams } = opening;
        let mut bits = [0_u8; 32];
        entropy.fill(&mut bits);
        Arc::new(Self {
            id: SessionId::new(entropy),
            key: hex::encode(bits),
            principal,
            endpoint,
            opened,
            ends,
            revision,
            abilities,
            streams,
            listeners: Listeners::default(),
            questions: Questions::default(),
            rounds: Used::default(),
            repeats: Repeats::default(),
            roots: Mutex::default(),
            tokens: tokens::Tokens::default(),
            used_up: OnceLock::new(),
            ended: CancellationToken::new(),
            moment: Newest::default(),
            phase: AtomicU8::new(u8::from(!revision.is_legacy())),
            level: AtomicU8::new(0),
            calls: AtomicU64::new(0),
            used: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            flight: Mutex::default(),
            subscriptions: Mutex::default(),
            links: tokio::sync::Mutex::default(),
        })
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Opening,
            1 => Phase::Ready,
            _ => Phase::Ended,
        }
    }

    /// The client said that it is ready.
    pub fn ready(&self) {
        let _ = self.phase.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends it: its streams close, its calls are stopped by who ends it.
    pub fn end(&self) {
        self.phase.store(2, Ordering::Release);
        self.ended.cancel();
        self.streams.close();
        self.listeners.close();
    }

    /// Tells the client what no call is about, where it wants to hear it.
    pub fn announce(&self, news: &News<'_>) {
        if self.revision.is_legacy() {
            self.streams.send(None, &news.frame(None));
        } else {
            self.listeners.tell(news);
        }
    }

    /// How many streams and subscriptions the client listens to.
    pub fn listening(&self) -> usize {
        self.streams.listening() + self.listeners.count()
    }

    /// A place for one stream or subscription more; `None` when the client listens to `most`.
    pub fn claim(&self, most: usize) -> Option<Place<'_>> {
        self.listeners.claim(|| most.saturating_sub(self.streams.listening()))
    }

    /// A request of it is under way, until [`Session::leave`].
    pub(crate) fn enter(&self) {
        self.under_way.fetch_add(1, Ordering::AcqRel);
    }

    /// A request of it is not under way any more.
    pub(crate) fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many requests of it are under way.
    pub fn flying(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Notes a use.
    pub fn touch(&self, now: Instant) {
        self.used.store(now.nanos(), Ordering::Relaxed);
    }

    /// The last use.
    pub fn used(&self) -> Instant {
        Instant::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// Counts calls.
    pub fn count_calls(&self, calls: u64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
    }

    /// How many calls it made.
    pub fn call_count(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The lowest level of log messages that the client wants, 0 (debug) to 7 (emergency).
    pub fn level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    /// Sets that level.
    pub fn set_level(&self, level: u8) {
        self.level.store(level, Ordering::Relaxed);
    }

    /// Enters a call under the client's id of it; false when that id is in flight already.
    pub fn fly(&self, id: Id, call: &Arc<Call>) -> Flight {
        match self.flight.lock().entry(id) {
            std::collections::hash_map::Entry::Occupied(_) => Flight::Doubled,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Arc::clone(call));
                Flight::Entered
            }
        }
    }

    /// Whether an id is in flight.
    pub fn flies(&self, id: &Id) -> Option<Arc<Call>> {
        self.flight.lock().get(id).cloned()
    }

    /// Takes a call out again.
    pub fn land(&self, id: &Id) {
        self.flight.lock().remove(id);
    }

    /// Notes a subscription.
    pub fn subscribe(&self, server: ServerName, uri: String) {
        self.subscriptions.lock().insert((server, uri));
    }

    /// Forgets one.
    pub fn unsubscribe(&self, server: &ServerName, uri: &str) {
        self.subscriptions.lock().remove(&(server.clone(), uri.to_owned()));
    }

    /// The resources of a server that the client subscribed to, as the server spells them.
    pub fn subscriptions_at(&self, server: &ServerName) -> BTreeSet<String> {
        let subscriptions = self.subscriptions.lock();
        subscriptions.iter().filter(|(other, _)| other == server).map(|(_, uri)| uri.clone()).collect()
    }

    /// How many resources it is subscribed to.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.lock().len()
    }

    /// Whether the client subscribed to this resource.
    pub fn subscribed(&self, server: &ServerName, uri: &str) -> bool {
        self.subscriptions.lock().contains(&(server.clone(), uri.to_owned()))
    }

    /// The session's links to servers.
    pub(crate) fn links(&self) -> &tokio::sync::Mutex<HashMap<ServerName, Arc<Link>>> {
        &self.links
    }
}

/// The counters of a session: forgotten with it.
pub(crate) struct UsedUp {
    /// Where they are.
    pub(crate) meters: Arc<dyn Meters>,
    /// Whose they are.
    pub(crate) session: SessionId,
}

impl Drop for UsedUp {
    fn drop(&mut self) {
        self.meters.forget(self.session);
    }
}

/// What became of entering a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flight {
    /// It is in.
    Entered,
    /// Its id was in use.
    Doubled,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// All of them, by key.
    all: HashMap<String, Arc<Session>>,
    /// Those that no handshake opened: whoever calls again is in the same one.
    callers: HashMap<Caller, Arc<Session>>,
}

/// What makes requests without a session be in the same one of ours: who sends them, where to, and until when they may.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who.
    pub principal: Arc<Principal>,
    /// Where to.
    pub endpoint: Endpoint,
    /// When the token ends.
    pub until: Option<Utc>,
}

impl Open {
    fn add(&mut self, session: &Arc<Session>, most: usize) -> Result<(), Full> {
        let own = self.all.values().filter(|other| other.principal == session.principal).count();
        if own >= most || self.all.len() >= MOST {
            return Err(Full);
        }
        self.all.insert(session.key.clone(), Arc::clone(session));
        Ok(())
    }
}

impl Sessions {
    /// Adds one, unless its principal has `most` already.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add(&self, session: &Arc<Session>, most: usize) -> Result<(), Full> {
        self.open.lock().add(session, most)
    }

    /// The session of a caller; made where there is none yet and its principal has fewer than `most`.
    ///
    /// # Errors
    /// [`Full`].
    pub fn of_caller(&self, caller: Caller, most: usize, make: impl FnOnce() -> Arc<Session>) -> Result<Arc<Session>, Full> {
        let mut open = self.open.lock();
        if let Some(session) = open.callers.get(&caller) {
            return Ok(Arc::clone(session));
        }
        let session = make();
        open.add(&session, most)?;
        open.callers.insert(caller, Arc::clone(&session));
        Ok(session)
    }

    /// The session of that key, if it is this principal's and at this endpoint: another's is as unknown as none, and so is one that has no key.
    pub fn find(&self, key: &str, principal: &Principal, endpoint: &Endpoint) -> Option<Arc<Session>> {
        let session = self.open.lock().all.get(key).cloned()?;
        let own = *session.principal == *principal && session.endpoint == *endpoint;
        (own && session.revision.is_legacy() && session.phase() != Phase::Ended).then_some(session)
    }

    /// Takes out and ends every session that `which` picks; returns them.
    pub fn end(&self, which: impl Fn(&Session) -> bool) -> Vec<Arc<Session>> {
        let mut ended = Vec::new();
        let mut open = self.open.lock();
        open.all.retain(|_, session| {
            if which(session) {
                ended.push(Arc::clone(session));
                false
            } else {
                true
            }
        });
        open.callers.retain(|_, session| !ended.iter().any(|other| other.id == session.id));
        drop(open);
        for session in &ended {
            session.end();
        }
        ended
    }

    /// All of them.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.open.lock().all.values().cloned().collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.lock().all.len()
    }
}

/// No session more: a bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Sessions in all.
const MOST: usize = 20_000;
