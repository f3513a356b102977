//! Another snapshot comes into force: what it leaves behind ends, and clients are told that their lists changed.

use super::revival::Revival;
use super::{Servers, State};
use crate::arrival::Endpoint;
use crate::gate::Gate;
use crate::line;
use crate::session::{News, Phase, Session};
use crate::snapshot::{Server, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use supply::{Kind, Pin};
use terms::ServerName;

/// For how long changes of one server are gathered before clients are told.
const GATHER: Duration = Duration::from_millis(200);

/// What may differ in the lists of a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Differs {
    /// Any definition of the kind.
    Any(Kind),
    /// The definition of this name.
    One(Kind, String),
}

impl Differs {
    /// The kind, where a session is shown what differs.
    fn shown(&self, snapshot: &Snapshot, session: &Session, server: &Server) -> Option<Kind> {
        match self {
            Self::Any(kind) => Some(*kind),
            Self::One(kind, name) => line::lists_to(snapshot, session, server, *kind, name).then_some(*kind),
        }
    }
}

impl Gate {
    /// Puts another configuration in force, for calls that start from now on.
    ///
    /// Links to servers that it does not name end at once, with the calls on them. Links to servers that it describes otherwise, or that were
    /// approved anew, take no further call and end after those under way. Sessions whose lists may be others are told.
    pub fn replace(&self, next: Arc<Snapshot>) {
        let (before, aside) = self.servers.turn(|| self.swap(Arc::clone(&next)), &next);
        if !Arc::ptr_eq(&before.policy, &next.policy) {
            let kinds = before.servers.values().chain(next.servers.values()).flat_map(|server| offered(server)).collect();
            self.sessions.list().iter().for_each(|session| tell(session, &kinds));
            return;
        }
        for name in before.servers.keys().chain(next.servers.keys()).collect::<BTreeSet<_>>() {
            let (old, new) = (before.servers.get(name), next.servers.get(name));
            if old.zip(new).is_some_and(|(old, new)| same_pins(old, new)) {
                continue;
            }
            let Some(server) = new.or(old) else { continue };
            let mut differs = differing(old, new);
            differs.extend(aside.get(name).into_iter().flatten().cloned());
            self.lists_changed(server, &differs);
        }
    }

    /// Tells the sessions that are shown something of what differs in the lists of `server`.
    fn lists_changed(&self, server: &Server, differs: &BTreeSet<Differs>) {
        let snapshot = self.snapshot();
        for session in self.sessions.list() {
            let here = match &session.endpoint {
                Endpoint::All => true,
                Endpoint::Server(own) => *own == server.name,
            };
            if here && snapshot.policy.servers_in(&session.principal, &session.moment.get().situation()).contains(&server.name) {
                tell(&session, &differs.iter().filter_map(|one| one.shown(&snapshot, &session, server)).collect());
            }
        }
    }

    /// Ends the use of definitions that were taken as a risk which is not accepted any more.
    pub fn end_outlived(&self) {
        let now = self.clock.utc();
        let snapshot = self.snapshot();
        let outlived: Vec<_> = snapshot.servers.values().filter(|server| server.outlived(now)).collect();
        if outlived.is_empty() {
            return;
        }
        let mut next = (*snapshot).clone();
        for server in outlived {
            if let Some(approved) = &server.approved {
                next.servers.insert(server.name.clone(), Arc::clone(approved));
            }
        }
        self.replace(Arc::new(next));
    }
}

impl Servers {
    /// Exchanges the snapshot by `swap`, which gives the one before, and lets go of what `next` does not know or describes otherwise. Gives the one
    /// before, and what is not put aside any more.
    fn turn(&self, swap: impl FnOnce() -> Arc<Snapshot>, next: &Snapshot) -> (Arc<Snapshot>, BTreeMap<ServerName, BTreeSet<Differs>>) {
        let _turn = self.turning.lock();
        let before = swap();
        for (name, new) in &next.servers {
            if let Some(old) = before.servers.get(name).filter(|old| old.digest == new.digest) {
                new.crowd.knows(&old.crowd);
            }
        }
        let mut back = BTreeMap::new();
        let mut gone = Vec::new();
        self.states.lock().retain(|name, state| {
            let (old, new) = (before.servers.get(name), next.servers.get(name));
            let Some(new) = new else {
                gone.push(Arc::clone(state));
                return false;
            };
            let described = old.is_some_and(|old| old.digest == new.digest);
            let approved = old.is_some_and(|old| same_pins(old, new));
            if !described {
                *state.revival.lock() = Revival::of(&new.carrier);
            }
            if !approved {
                let freed = state.aside.clear().into_iter().map(|(kind, name)| Differs::One(kind, name)).collect();
                back.insert(name.clone(), freed);
            }
            if !described || !approved {
                state.retire();
            }
            true
        });
        for state in gone {
            state.cut();
        }
        (before, back)
    }

    /// Tells clients soon that a server's lists changed; what changes until then is told at once.
    pub(super) fn tell_soon(&self, gate: &Arc<Gate>, server: &Arc<Server>, state: &Arc<State>, differs: impl IntoIterator<Item = Differs>) {
        state.untold.lock().extend(differs);
        if state.telling.swap(true, Ordering::AcqRel) {
            return;
        }
        let (gate, server, state) = (Arc::clone(gate), Arc::clone(server), Arc::clone(state));
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            state.telling.store(false, Ordering::Release);
            let differs = std::mem::take(&mut *state.untold.lock());
            gate.lists_changed(&server, &differs);
        });
    }
}

/// Whether the same definitions may be used of both.
fn same_pins(old: &Server, new: &Server) -> bool {
    let until = |server: &Server| server.taking.as_ref().map(|taking| taking.until);
    let same = match (&old.pinned, &new.pinned) {
        (Ok(old), Ok(new)) => old.pin == new.pin,
        (Err(old), Err(new)) => old == new,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    same && until(old) == until(new)
}

/// The kinds of definitions that may be used of a server.
fn offered(server: &Server) -> Vec<Kind> {
    let Ok(pinned) = &server.pinned else { return Vec::new() };
    let tables = [(Kind::Tool, &pinned.tools), (Kind::Prompt, &pinned.prompts), (Kind::Template, &pinned.templates)];
    tables.into_iter().filter(|(_, table)| table.iter().next().is_some()).map(|(kind, _)| kind).collect()
}

/// What of a server's definitions is not the same in both.
fn differing(old: Option<&Arc<Server>>, new: Option<&Arc<Server>>) -> BTreeSet<Differs> {
    let Some((Ok(before), Ok(after))) = old.zip(new).map(|(old, new)| (&old.pinned, &new.pinned)) else {
        return [old, new].into_iter().flatten().flat_map(|server| offered(server)).map(Differs::Any).collect();
    };
    let mut differs = BTreeSet::new();
    for kind in Kind::ALL {
        let had: BTreeMap<&str, &Pin> = before.pin.of(kind).iter().map(|pin| (pin.name.as_str(), pin)).collect();
        let has: BTreeMap<&str, &Pin> = after.pin.of(kind).iter().map(|pin| (pin.name.as_str(), pin)).collect();
        let names = had.keys().chain(has.keys()).filter(|name| had.get(*name) != has.get(*name));
        differs.extend(names.map(|name| Differs::One(kind, (*name).to_owned())));
    }
    differs
}

fn tell(session: &Session, kinds: &BTreeSet<Kind>) {
    if session.phase() == Phase::Ready {
        kinds.iter().for_each(|kind| session.announce(&News::Changed(*kind)));
    }
}
