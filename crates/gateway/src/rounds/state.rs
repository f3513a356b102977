//! States: what a client carries between the questions that it was asked and its answers, sealed.

use crate::seal::{NONCE, Seals};
use mcp::Method;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use terms::{CallId, Entropy, SessionId, Utc};

/// How long a client may take to come back.
pub const LIFE: Duration = Duration::from_secs(300);
/// States that were used and are not yet too old.
const SPENT: usize = 65_536;

/// What a client was asked, and what it comes back for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
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
pub struct Asked {
    /// What we call it.
    pub key: String,
    /// What the server calls it.
    pub theirs: String,
    /// The method.
    pub method: String,
}

impl Asked {
    /// Its method.
    pub fn method(&self) -> Option<Method> {
        Method::parse(&self.method)
    }
}

/// Who waits for the answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upstream {
    /// Nobody: the server asked in a result, and wants this back.
    State(Option<String>),
    /// A call that is under way at the server.
    Call(CallId),
    /// Nobody: the request is to be made as if it were the first.
    Fresh,
}

/// A state that was opened.
#[derive(Clone, Debug)]
pub struct Round {
    /// What it says.
    pub state: State,
    nonce: [u8; NONCE],
    expires: u64,
}

/// Seals and opens states under a key of this process, and knows which were used.
pub struct States {
    seals: Seals,
    spent: Mutex<BTreeMap<(u64, [u8; NONCE]), ()>>,
}

/// What became of using a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is used now.
    Now,
    /// It cannot be used.
    Before,
}

impl States {
    /// Those of a new key, none used.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { seals: Seals::new(entropy), spent: Mutex::default() }
    }

    /// The text of a state; `None` when it cannot be sealed.
    pub fn seal(&self, entropy: &dyn Entropy, state: &State, session: SessionId, now: Utc) -> Option<String> {
        self.seals.seal(entropy, state, &bound(session), now, LIFE)
    }

    /// What a state says; `None` when it is not ours, was altered, is another session's or request's, too old, or was used.
    pub fn open(&self, text: &str, session: SessionId, about: &[u8; 32], now: Utc) -> Option<Round> {
        let opened = self.seals.open::<State>(text, &bound(session), now)?;
        let (state, nonce, expires) = (opened.said, opened.nonce, opened.expires);
        let good = state.about == *about && !self.spent.lock().contains_key(&(expires, nonce));
        good.then_some(Round { state, nonce, expires })
    }

    /// Uses a state up; [`Spent::Before`] when that was done before, or cannot be remembered.
    pub fn spend(&self, round: &Round, now: Utc) -> Spent {
        let mut spent = self.spent.lock();
        let fresh = spent.split_off(&(now.seconds(), [0; NONCE]));
        *spent = fresh;
        if spent.len() >= SPENT || spent.insert((round.expires, round.nonce), ()).is_some() { Spent::Before } else { Spent::Now }
    }
}

fn bound(session: SessionId) -> String {
    format!("round {session}")
}
