//! Kill epochs in memory: a number that every kill raises, and the scopes that were stopped.

use crate::{Error, Member, Scope};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use terms::{Code, Principal, ServerName, SessionId, Utc};

const MOST_STOPS: usize = 4_096;
const LONGEST_TEXT: usize = 1_024;

/// A kill, in force or released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// What it stops.
    pub scope: Scope,
    /// The epoch that it raised.
    pub epoch: u64,
    /// Why, at most 1 KiB.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Utc,
    /// When it was released.
    #[serde(serialize_with = "as_maybe_text")]
    pub released: Option<Utc>,
}

fn as_text<S: serde::Serializer>(at: &Utc, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(at)
}

fn as_maybe_text<S: serde::Serializer>(at: &Option<Utc>, out: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => out.collect_str(at),
        None => out.serialize_none(),
    }
}

/// What a call touches, as far as it is known yet.
#[derive(Clone, Copy, Debug)]
pub struct CallScope<'a> {
    /// Who it is made for.
    pub principal: &'a Principal,
    /// Its session.
    pub session: Option<SessionId>,
    /// The server it goes to.
    pub server: Option<&'a ServerName>,
}

/// The epoch that a call was admitted at. A kill that comes later and means the call ends it, released or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Carried(u64);

impl Carried {
    /// The number, for the record.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// That a call was stopped, and by which kill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by the kill of `{scope}`")]
pub struct Stopped {
    /// The widest scope that stops it.
    pub scope: Scope,
}

impl Stopped {
    /// What the peer learns.
    pub const fn code(&self) -> Code {
        Code::Killed
    }
}

/// One moment's view: read in one load, so that the number and the scopes always agree.
#[derive(Clone, Default)]
struct View {
    epoch: u64,
    /// Calls that carry less are stopped: what was known of the kills up to here is no longer kept.
    floor: u64,
    stops: HashMap<Scope, Stop>,
}

type Callback = dyn Fn(&Scope) + Send + Sync;

/// A listener for kills; it ends when this is dropped.
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    _callback: Arc<Callback>,
}

/// All kills of this process. Reading takes no lock.
#[derive(Default)]
pub struct Epochs {
    view: ArcSwap<View>,
    writer: Mutex<()>,
    watches: RwLock<Vec<Weak<Callback>>>,
}

impl Epochs {
    /// None stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a store remembers: the highest epoch it saw, and the kills that are in force.
    pub fn restore(epoch: u64, stops: impl IntoIterator<Item = Stop>) -> Self {
        let stops: HashMap<_, _> = stops.into_iter().map(|stop| (stop.scope.clone(), stop)).collect();
        let epoch = stops.values().map(|stop| stop.epoch).fold(epoch, u64::max);
        Self { view: ArcSwap::from_pointee(View { epoch, floor: 0, stops }), ..Self::default() }
    }

    /// The current epoch: rises with every kill and never falls.
    pub fn epoch(&self) -> u64 {
        self.view.load().epoch
    }

    /// Raises the epoch to at least `least`, which another witness of it has seen.
    pub fn raise(&self, least: u64) {
        let _writer = self.writer.lock();
        let view = self.view.load();
        if view.epoch < least {
            self.view.store(Arc::new(View { epoch: least, ..View::clone(&view) }));
        }
    }

    /// The widest kill in force that means `call`, if there is one.
    pub fn is_stopped(&self, call: &CallScope<'_>) -> Option<Scope> {
        find(&self.view.load(), call, |stop| stop.released.is_none())
    }

    /// Whether everything is stopped: the question of `accept`, where no more is known.
    pub fn all_stopped(&self) -> bool {
        let view = self.view.load();
        !view.stops.is_empty() && view.stops.get(&Scope::All).is_some_and(|stop| stop.released.is_none())
    }

    /// Admits `call`: it carries the epoch of this moment from here on.
    ///
    /// # Errors
    /// [`Stopped`] when a kill in force means it.
    pub fn admit(&self, call: &CallScope<'_>) -> Result<Carried, Stopped> {
        let view = self.view.load();
        match find(&view, call, |stop| stop.released.is_none()) {
            Some(scope) => Err(Stopped { scope }),
            None => Ok(Carried(view.epoch)),
        }
    }

    /// Whether `call`, admitted at `carried`, may go on: no kill that means it is in force or came since, not even one that was released.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn still_alive(&self, carried: Carried, call: &CallScope<'_>) -> Result<(), Stopped> {
        let view = self.view.load();
        if carried.0 < view.floor {
            return Err(Stopped { scope: Scope::All });
        }
        match find(&view, call, |stop| stop.released.is_none() || stop.epoch > carried.0) {
            Some(scope) => Err(Stopped { scope }),
            None => Ok(()),
        }
    }

    /// Stops `scope`, at once, and tells every watch before it returns. Always works; stopping again raises the epoch again.
    pub fn kill(&self, scope: Scope, reason: &str, by: &str, at: Utc) -> Stop {
        let stop = {
            let _writer = self.writer.lock();
            let mut view = View::clone(&self.view.load());
            view.epoch = view.epoch.saturating_add(1);
            let stop = Stop { scope: scope.clone(), epoch: view.epoch, reason: bounded(reason), by: bounded(by), at, released: None };
            view.stops.insert(scope.clone(), stop.clone());
            shorten(&mut view);
            self.view.store(Arc::new(view));
            stop
        };
        let watches: Vec<_> = self.watches.read().iter().filter_map(Weak::upgrade).collect();
        for watch in watches {
            watch(&scope);
        }
        stop
    }

    /// Releases the kill `stop`, at its `released`; calls that were under way when it came stay stopped.
    ///
    /// # Errors
    /// [`Error::NotStopped`] when that very kill is not in force: it was released, or another came after it.
    pub fn release(&self, stop: &Stop) -> Result<(), Error> {
        let _writer = self.writer.lock();
        let mut view = View::clone(&self.view.load());
        match view.stops.get_mut(&stop.scope).filter(|held| held.released.is_none() && held.epoch == stop.epoch) {
            Some(held) => held.released = Some(stop.released.unwrap_or(held.at)),
            None => return Err(Error::NotStopped(stop.scope.clone())),
        }
        self.view.store(Arc::new(view));
        Ok(())
    }

    /// The kills in force, oldest first.
    pub fn stops(&self) -> Vec<Stop> {
        let mut stops: Vec<_> = self.view.load().stops.values().filter(|stop| stop.released.is_none()).cloned().collect();
        stops.sort_by_key(|stop| stop.epoch);
        stops
    }

    /// Calls `callback` with the scope of every kill to come, on the killer's thread; it must be quick and must not kill.
    ///
    /// Whoever aborts work in flight registers the work first and asks [`Epochs::still_alive`] after: then no kill falls between.
    pub fn watch(&self, callback: impl Fn(&Scope) + Send + Sync + 'static) -> Watch {
        let callback: Arc<Callback> = Arc::new(callback);
        let mut watches = self.watches.write();
        watches.retain(|watch| watch.strong_count() > 0);
        watches.push(Arc::downgrade(&callback));
        Watch { _callback: callback }
    }
}

/// The widest scope of `call` whose stop `counts`.
fn find(view: &View, call: &CallScope<'_>, counts: impl Fn(&Stop) -> bool) -> Option<Scope> {
    if view.stops.is_empty() {
        return None;
    }
    let scopes = [
        Some(Scope::All),
        call.server.map(|server| Scope::Server(server.clone())),
        Some(Scope::Principal(Member::Agent(call.principal.agent.clone()))),
        call.principal.user.as_ref().map(|user| Scope::Principal(Member::User(user.clone()))),
        call.session.map(Scope::Session),
    ];
    scopes.into_iter().flatten().find(|scope| view.stops.get(scope).is_some_and(&counts))
}

/// Forgets the oldest releases when there are too many, and stops whatever was under way since before them. What is in force is never forgotten.
fn shorten(view: &mut View) {
    if view.stops.len() <= MOST_STOPS {
        return;
    }
    let mut released: Vec<_> =
        view.stops.values().filter(|stop| stop.released.is_some()).map(|stop| (stop.epoch, stop.scope.clone())).collect();
    released.sort_by_key(|(epoch, _)| *epoch);
    for (epoch, scope) in released.into_iter().take(view.stops.len() - MOST_STOPS / 2) {
        view.stops.remove(&scope);
        view.floor = view.floor.max(epoch);
    }
}

fn bounded(text: &str) -> String {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
