//! The calls under way: who can be stopped, and how many there are.

use crate::session::Session;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use telemetry::Context;
use terms::{CallId, Instant, Principal, ServerName};
use tokio::sync::Notify;

/// Why a call was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An operator's kill.
    Killed,
    /// The client cancelled it.
    Cancelled,
    /// The token that it came by has ended.
    Expired,
}

/// One call under way; the line looks at it wherever it waits.
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// The session that it runs in.
    pub session: Arc<Session>,
    server: OnceLock<ServerName>,
    context: OnceLock<Context>,
    /// When it began.
    pub since: Instant,
    stop: AtomicU8,
    stopped: Notify,
}

impl Call {
    /// The server that it goes to, once that is known.
    pub fn server(&self) -> Option<&ServerName> {
        self.server.get()
    }

    /// Notes the server that it goes to.
    pub(crate) fn goes_to(&self, server: &ServerName) {
        let _ = self.server.set(server.clone());
    }

    /// Where it stands in a trace, if anybody is told of that.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.context.get()
    }

    /// Notes where it stands in a trace.
    pub(crate) fn stands(&self, context: Context) {
        let _ = self.context.set(context);
    }

    /// Ends the call; the first reason stays.
    pub fn stop(&self, why: Stop) {
        let value = match why {
            Stop::Killed => 1,
            Stop::Cancelled => 2,
            Stop::Expired => 3,
        };
        if self.stop.compare_exchange(0, value, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.stopped.notify_waiters();
            self.stopped.notify_one();
        }
    }

    /// Why it was ended, if it was.
    pub fn why(&self) -> Option<Stop> {
        match self.stop.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Stop::Killed),
            2 => Some(Stop::Cancelled),
            _ => Some(Stop::Expired),
        }
    }

    /// Waits until the call is ended from outside.
    pub async fn stopped(&self) -> Stop {
        loop {
            let waiting = self.stopped.notified();
            if let Some(why) = self.why() {
                return why;
            }
            waiting.await;
        }
    }
}

/// All calls under way.
#[derive(Default)]
pub struct Calls {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    calls: HashMap<CallId, Arc<Call>>,
    by_principal: HashMap<Arc<Principal>, usize>,
}

/// A call's place in the table; takes it out when dropped.
pub struct Entry {
    calls: Arc<Calls>,
    call: Arc<Call>,
}

impl Entry {
    /// The call.
    pub fn call(&self) -> &Arc<Call> {
        &self.call
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.calls.open.lock();
        open.calls.remove(&self.call.id);
        let principal = &self.call.session.principal;
        if let Some(count) = open.by_principal.get_mut(principal) {
            *count -= 1;
            if *count == 0 {
                open.by_principal.remove(principal);
            }
        }
    }
}

impl Calls {
    /// Enters a call, unless its principal has `most` under way.
    pub fn enter(self: &Arc<Self>, id: CallId, session: &Arc<Session>, since: Instant, most: usize) -> Option<Entry> {
        let call = Arc::new(Call {
            id,
            session: Arc::clone(session),
            server: OnceLock::new(),
            context: OnceLock::new(),
            since,
            stop: AtomicU8::new(0),
            stopped: Notify::new(),
        });
        let mut open = self.open.lock();
        let count = open.by_principal.entry(Arc::clone(&session.principal)).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        open.calls.insert(id, Arc::clone(&call));
        drop(open);
        Some(Entry { calls: Arc::clone(self), call })
    }

    /// Ends every call that `which` picks; says how many.
    pub fn stop(&self, why: Stop, which: impl Fn(&Call) -> bool) -> usize {
        let picked: Vec<Arc<Call>> = self.open.lock().calls.values().filter(|call| which(call)).cloned().collect();
        for call in &picked {
            call.stop(why);
        }
        picked.len()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.lock().calls.len()
    }
}
