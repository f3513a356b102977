//! Rounds of questions that a client answers by asking anew (MCP 2026-07-28, "Multi Round-Trip Requests"): sealed states, and the calls of servers of
//! the other era that wait meanwhile.
//!
//! A state is good once, for the session and the very request that it was given to, for five minutes and in this process.

use crate::doors::InFlight;
use crate::event;
use crate::gate::Gate;
use crate::session::Session;
use crate::snapshot::Server;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use mcp::{Id, Method};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use terms::{CallId, Entropy, SessionId, Utc};

/// How long a client may take to come back.
pub(crate) const LIFE: Duration = Duration::from_secs(300);
/// How often a server may ask within one call.
pub(crate) const MOST: u8 = 10;
/// Calls that may wait at once.
const WAITING: usize = 1024;
/// States that were used and are not yet too old.
const SPENT: usize = 65_536;
const NONCE: usize = 12;

/// What a client was asked, and what it comes back for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Digest of the request: server, method, name and canonical arguments.
    pub about: [u8; 32],
    /// Which round it answers, from 1.
    pub round: u8,
    /// The questions.
    pub asked: Vec<Asked>,
    /// Who waits for the answers.
    pub upstream: Upstream,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// What we call it.
    pub key: String,
    /// What the server calls it.
    pub theirs: String,
    /// The method.
    pub method: String,
}

impl Asked {
    /// Its method.
    pub(crate) fn method(&self) -> Option<Method> {
        Method::parse(&self.method)
    }
}

/// Who waits for the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Upstream {
    /// Nobody: the server asked in a result, and wants this back.
    State(Option<String>),
    /// A call that is under way at the server.
    Call(CallId),
    /// Nobody: the request is to be made as if it were the first.
    Fresh,
}

/// A state that was opened.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// What it says.
    pub state: State,
    nonce: [u8; NONCE],
    expires: u64,
}

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

/// Seals and opens states under a key of this process, and holds what waits.
pub(crate) struct Rounds {
    cipher: Aes256GcmSiv,
    spent: Mutex<BTreeMap<(u64, [u8; NONCE]), ()>>,
    waiting: Mutex<HashMap<CallId, Suspended>>,
}

impl Rounds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; 32];
        entropy.fill(&mut key);
        Self { cipher: Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key)), spent: Mutex::default(), waiting: Mutex::default() }
    }

    /// The text of a state; `None` when it cannot be sealed.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, state: &State, session: &Session, now: Utc) -> Option<String> {
        let mut nonce = [0_u8; NONCE];
        entropy.fill(&mut nonce);
        let plain = serde_json::to_vec(&(now.after(LIFE).seconds(), state)).ok()?;
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: bound(session.id).as_bytes() }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What a state says; `None` when it is not ours, was altered, is another session's or request's, too old, or was used.
    pub(crate) fn open(&self, text: &str, session: &Session, about: &[u8; 32], now: Utc) -> Option<Round> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound(session.id).as_bytes() }).ok()?;
        let (expires, state): (u64, State) = serde_json::from_slice(&plain).ok()?;
        let good = now.seconds() < expires && state.about == *about && !self.spent.lock().contains_key(&(expires, *nonce));
        good.then_some(Round { state, nonce: *nonce, expires })
    }

    /// Uses a state up; false when that was done before, or cannot be remembered.
    pub(crate) fn spend(&self, round: &Round, now: Utc) -> Spent {
        let mut spent = self.spent.lock();
        let fresh = spent.split_off(&(now.seconds(), [0; NONCE]));
        *spent = fresh;
        if spent.len() >= SPENT || spent.insert((round.expires, round.nonce), ()).is_some() { Spent::Before } else { Spent::Now }
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

/// What became of using a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It is used now.
    Now,
    /// It cannot be used.
    Before,
}

fn bound(session: SessionId) -> String {
    format!("round {session}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::Endpoint;
    use crate::session::{Abilities, Opening, Streams};
    use mcp::Revision;
    use std::sync::atomic::{AtomicU8, Ordering};
    use terms::{Authenticated, Name, Principal, Workload};

    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    #[test]
    fn a_state_is_good_for_five_minutes_and_once() {
        let entropy = Counting(AtomicU8::new(1));
        let principal =
            Principal { agent: Name::new("ana").unwrap(), user: None, workload: Workload::Remote, authenticated: Authenticated::Peer };
        let session = || {
            let opening = Opening {
                principal: Arc::new(principal.clone()),
                endpoint: Endpoint::All,
                opened: Utc::from_seconds(0),
                ends: None,
                revision: Revision::R2026_07_28,
                abilities: Abilities::ALL,
                streams: Streams::Own,
            };
            Session::open(&entropy, opening)
        };
        let (own, other) = (session(), session());
        let rounds = Rounds::new(&entropy);
        let about = [7; 32];
        let state = State { about, round: 1, asked: Vec::new(), upstream: Upstream::State(Some("theirs".to_owned())) };
        let given = Utc::from_seconds(1_000);
        let text = rounds.seal(&entropy, &state, &own, given).unwrap();
        let (last, late) = (given.after(LIFE - Duration::from_secs(1)), given.after(LIFE));
        assert!(rounds.open(&text, &own, &about, late).is_none(), "too old");
        assert!(rounds.open(&text, &other, &about, last).is_none(), "another session's");
        assert!(rounds.open(&text, &own, &[8; 32], last).is_none(), "another request's");
        let round = rounds.open(&text, &own, &about, last).unwrap();
        assert_eq!(round.state, state);
        assert_eq!(rounds.spend(&round, last), Spent::Now);
        assert_eq!(rounds.spend(&round, last), Spent::Before);
        assert!(rounds.open(&text, &own, &about, last).is_none(), "used");
    }
}
