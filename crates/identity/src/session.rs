//! Sessions with clients, each bound to one principal.
//!
//! A session belongs to its [`Binding`]: the principal with all its facts (the token or peer it came by included) and its run. Whoever else names it gets the answer for a
//! session that never was. What the gateway keeps per session is its own business: `T`.
//!
//! Control: `identity.session-binding`.

mod handle;
mod table;

pub use handle::Handle;

use crate::Error;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use table::Table;
use terms::{Clock, Entropy, Instant, Name, Principal, SessionId, Utc};

/// Which run of its program a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Run {
    /// The only one: nothing was declared.
    Sole,
    /// The one that the client declared.
    Declared(Name),
    /// The one that we gave a handle to (`Mcp-Session-Id` of the revisions that have one).
    Handled(Handle),
}

/// What a session is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Who.
    pub principal: Principal,
    /// Which run.
    pub run: Run,
}

/// One open session.
pub struct Session<T> {
    id: SessionId,
    binding: Binding,
    opened: Utc,
    seen: AtomicU64,
    value: Arc<T>,
}

impl<T> Session<T> {
    /// Its id, fit for records.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// What it is bound to.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Whose it is.
    pub fn principal(&self) -> &Principal {
        &self.binding.principal
    }

    /// When it was opened.
    pub fn opened(&self) -> Utc {
        self.opened
    }

    /// When it was last used.
    pub fn seen(&self) -> Instant {
        Instant::from_nanos(self.seen.load(Ordering::Relaxed))
    }

    /// Notes a use at `now`: an open stream does so while it lives.
    pub fn touch(&self, now: Instant) {
        self.seen.fetch_max(now.nanos(), Ordering::Relaxed);
    }

    /// What the gateway keeps with it.
    pub fn value(&self) -> &Arc<T> {
        &self.value
    }

    fn idle(&self, now: Instant, most: Duration) -> bool {
        now.since(self.seen()) >= most
    }
}

/// How many sessions there may be, and for how long unused.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one agent and user together.
    pub principal: usize,
    /// Of all.
    pub total: usize,
    /// How long one lives unused.
    pub idle: Duration,
}

impl Default for Bounds {
    /// 64 of one principal, 16,384 of all, 30 minutes unused.
    fn default() -> Self {
        Self { principal: 64, total: 16_384, idle: Duration::from_secs(30 * 60) }
    }
}

/// All open sessions.
pub struct Sessions<T> {
    bounds: Bounds,
    table: RwLock<Table<T>>,
}

impl<T> Sessions<T> {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, table: RwLock::new(Table::default()) }
    }

    /// Opens a session for `principal` and gives it a handle that only the client learns.
    ///
    /// # Errors
    /// [`Error::PrincipalSessions`] and [`Error::AllSessions`] at the bounds, [`Error::Chance`].
    pub fn open(
        &self,
        principal: &Principal,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        make: impl FnOnce(SessionId) -> T,
    ) -> Result<(Arc<Session<T>>, Handle), Error> {
        let handle = Handle::new(entropy);
        let binding = Binding { principal: principal.clone(), run: Run::Handled(handle.clone()) };
        Ok((self.insert(binding, clock, entropy, make)?, handle))
    }

    /// The session of `principal` under `handle`. None when it does not exist, has ended, or is another's: nobody can tell which.
    pub fn find(&self, principal: &Principal, handle: &str, clock: &dyn Clock) -> Option<Arc<Session<T>>> {
        let run = Run::Handled(Handle::parse(handle)?);
        self.live(&Binding { principal: principal.clone(), run }, clock.instant())
    }

    /// The session of `principal` in `run` where the client has no handle, opened when there is none.
    ///
    /// # Errors
    /// As [`Sessions::open`].
    pub fn join(
        &self,
        principal: &Principal,
        run: Option<&Name>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        make: impl FnOnce(SessionId) -> T,
    ) -> Result<Arc<Session<T>>, Error> {
        let run = run.map_or(Run::Sole, |name| Run::Declared(name.clone()));
        let binding = Binding { principal: principal.clone(), run };
        match self.live(&binding, clock.instant()) {
            Some(session) => Ok(session),
            None => self.insert(binding, clock, entropy, make),
        }
    }

    /// Ends the session `id`.
    pub fn end(&self, id: SessionId) -> Option<Arc<Session<T>>> {
        self.table.write().remove(id)
    }

    /// Ends every session that `meant` means, and gives them back so that their streams and servers can be ended too.
    pub fn end_where(&self, meant: impl Fn(&Session<T>) -> bool) -> Vec<Arc<Session<T>>> {
        self.table.write().remove_where(meant)
    }

    /// Ends every session that was not used for too long.
    pub fn sweep(&self, now: Instant) -> Vec<Arc<Session<T>>> {
        self.end_where(|session| session.idle(now, self.bounds.idle))
    }

    /// The session `id`, for the operator's eyes and for acts.
    pub fn by_id(&self, id: SessionId) -> Option<Arc<Session<T>>> {
        self.table.read().by_id(id)
    }

    /// All open sessions, oldest first.
    pub fn list(&self) -> Vec<Arc<Session<T>>> {
        let mut all = self.table.read().all();
        all.sort_by_key(|session| (session.opened, session.id));
        all
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.table.read().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn live(&self, binding: &Binding, now: Instant) -> Option<Arc<Session<T>>> {
        let session = self.table.read().bound(binding)?;
        if session.idle(now, self.bounds.idle) {
            return None;
        }
        session.touch(now);
        Some(session)
    }

    /// Opens the session of `binding`, or gives the one that another call opened meanwhile.
    fn insert(
        &self,
        binding: Binding,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        make: impl FnOnce(SessionId) -> T,
    ) -> Result<Arc<Session<T>>, Error> {
        let now = clock.instant();
        let mut table = self.table.write();
        match table.bound(&binding) {
            Some(session) if session.idle(now, self.bounds.idle) => drop(table.remove(session.id)),
            Some(session) => return Ok(session),
            None => {}
        }
        if table.len() >= self.bounds.total || table.count(&binding.principal) >= self.bounds.principal {
            table.remove_where(|session| session.idle(now, self.bounds.idle));
        }
        if table.count(&binding.principal) >= self.bounds.principal {
            return Err(Error::PrincipalSessions(self.bounds.principal));
        }
        if table.len() >= self.bounds.total {
            return Err(Error::AllSessions(self.bounds.total));
        }
        let id = table.unused(entropy).ok_or(Error::Chance)?;
        let session = Session { id, binding, opened: clock.utc(), seen: AtomicU64::new(now.nanos()), value: Arc::new(make(id)) };
        Ok(table.insert(session))
    }
}
