//! Rounds of questions that a client answers by asking anew (MCP 2026-07-28, "Multi Round-Trip Requests"): sealed states, and the calls of servers of
//! the other era that wait meanwhile.
//!
//! A state is good once, for the session and the very request that it was given to, for five minutes and in this process.

mod state;

pub use state::{Asked, LIFE, Round, Spent, State, States, Upstream, Used};

use crate::doors::InFlight;
use crate::event;
use crate::gate::Gate;
use crate::session::Session;
use crate::snapshot::Server;
use bytes::Bytes;
use mcp::{Id, Method};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use terms::{CallId, Entropy};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a server may ask within one call.
pub(crate) const MOST: u8 = 10;
/// Calls that may wait at once.
const WAITING: usize = 1024;
/// Bytes of questions that may wait at once.
const QUESTIONS: usize = 16 << 20;

/// A call at a server that waits for a client to come back.
pub(crate) struct Suspended {
    /// The call.
    pub flight: InFlight,
    /// Where it is.
    pub server: Arc<Server>,
    /// Whose it is.
    pub session: Arc<Session>,
    /// What was asked.
    pub questions: Vec<Open>,
}

impl Suspended {
    /// Bytes of its questions.
    fn size(&self) -> usize {
        self.questions.iter().map(|question| question.params.len()).sum()
    }
}

/// A question of a call that waits.
pub(crate) struct Open {
    /// What we call it.
    pub key: String,
    /// The server's id of it.
    pub id: Id,
    /// The method.
    pub method: Method,
    /// The params as the client saw them, one JSON object.
    pub params: Bytes,
}

/// The states, and what waits.
pub(crate) struct Rounds {
    /// What is sealed.
    pub states: States,
    waiting: Mutex<HashMap<CallId, Waiting>>,
}

/// A call that waits, and what ends with its waiting: the task that would give it up.
struct Waiting {
    suspended: Suspended,
    _taken: DropGuard,
}

impl Rounds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        Self { states: States::new(entropy), waiting: Mutex::default() }
    }

    /// Holds a call until its client comes back, or for too long. `most` calls of one session may wait; what does not fit is given up at once.
    pub(crate) fn hold(&self, gate: &Arc<Gate>, call: CallId, suspended: Suspended, most: usize) {
        let taken = CancellationToken::new();
        let session = Arc::clone(&suspended.session);
        let refused = {
            let mut waiting = self.waiting.lock();
            let own = waiting.values().filter(|other| other.suspended.session.id == session.id).count();
            let bytes: usize = waiting.values().map(|other| &other.suspended).chain([&suspended]).map(Suspended::size).sum();
            if waiting.len() >= WAITING || own >= most || bytes > QUESTIONS || session.ended.is_cancelled() {
                Some(suspended)
            } else {
                let entry = Waiting { suspended, _taken: taken.clone().drop_guard() };
                waiting.insert(call, entry).map(|other| other.suspended)
            }
        };
        let gate = Arc::clone(gate);
        tokio::spawn(async move {
            let given_up = match refused {
                Some(refused) => Some(refused),
                None => {
                    tokio::select! {
                        () = taken.cancelled() => return,
                        () = tokio::time::sleep(LIFE) => {}
                        () = session.ended.cancelled() => {}
                        () = gate.ending.cancelled() => {}
                    }
                    gate.rounds.take(call)
                }
            };
            if let Some(Suspended { mut flight, server, .. }) = given_up {
                flight.cancel().await;
                event::abandoned(&gate, flight.link(), &server.name, call);
            }
        });
    }

    /// Takes a call that waits.
    pub(crate) fn take(&self, call: CallId) -> Option<Suspended> {
        self.waiting.lock().remove(&call).map(|waiting| waiting.suspended)
    }
}
