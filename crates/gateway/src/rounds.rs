//! Rounds of questions that a client answers by asking anew (MCP 2026-07-28, "Multi Round-Trip Requests"): sealed states, and the calls of servers of
//! the other era that wait meanwhile.
//!
//! A state is good once, for the session and the very request that it was given to, for five minutes and in this process.

mod state;

pub use state::{Asked, LIFE, Round, Spent, State, States, Upstream};

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

/// How often a server may ask within one call.
pub(crate) const MOST: u8 = 10;
/// Calls that may wait at once.
const WAITING: usize = 1024;

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
    waiting: Mutex<HashMap<CallId, Suspended>>,
}

impl Rounds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        Self { states: States::new(entropy), waiting: Mutex::default() }
    }

    /// Holds a call until its client comes back, or for too long.
    pub(crate) fn hold(&self, gate: &Arc<Gate>, call: CallId, suspended: Suspended) {
        let refused = {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= WAITING || suspended.session.ended.is_cancelled() {
                Some(suspended)
            } else {
                waiting.insert(call, suspended)
            }
        };
        let gate = Arc::clone(gate);
        tokio::spawn(async move {
            let given_up = match refused {
                Some(refused) => Some(refused),
                None => {
                    let session = gate.rounds.waiting.lock().get(&call).map(|suspended| Arc::clone(&suspended.session));
                    let Some(session) = session else { return };
                    tokio::select! {
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
        self.waiting.lock().remove(&call)
    }
}
