//! States: what a client carries between the questions that it was asked and its answers, sealed.

use crate::seal::{NONCE, Seals};
use mcp::Method;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use terms::{CallId, Entropy, SessionId, Utc};

/// How long a client may take to come back.
pub const LIFE: Duration = Duration::from_secs(300);
/// States of one session that were used and are not yet too old.
const SPENT: usize = 4_096;

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

/// Seals and opens states under a key of this process.
pub struct States {
    seals: Seals,
}

/// Which states of one session were used: nobody else uses them up, or learns of them.
#[derive(Debug, Default)]
pub struct Used(Mutex<BTreeSet<(u64, [u8; NONCE])>>);

/// What became of using a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is used now.
    Now,
    /// It cannot be used.
    Before,
}

impl States {
    /// Those of a new key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { seals: Seals::new(entropy) }
    }

    /// The text of a state; `None` when it cannot be sealed.
    pub fn seal(&self, entropy: &dyn Entropy, state: &State, session: SessionId, now: Utc) -> Option<String> {
        self.seals.seal(entropy, state, &bound(session), now, LIFE)
    }

    /// What a state says; `None` when it is not ours, was altered, is another session's or request's, too old, or was `used`.
    pub fn open(&self, text: &str, session: SessionId, used: &Used, about: &[u8; 32], now: Utc) -> Option<Round> {
        let opened = self.seals.open::<State>(text, &bound(session), now)?;
        let (state, nonce, expires) = (opened.said, opened.nonce, opened.expires);
        let good = state.about == *about && !used.0.lock().contains(&(expires, nonce));
        good.then_some(Round { state, nonce, expires })
    }
}

impl Used {
    /// Uses a state up; [`Spent::Before`] when that was done before, or cannot be remembered.
    pub fn spend(&self, round: &Round, now: Utc) -> Spent {
        let mut spent = self.0.lock();
        let fresh = spent.split_off(&(now.seconds(), [0; NONCE]));
        *spent = fresh;
        if spent.len() < SPENT && spent.insert((round.expires, round.nonce)) { Spent::Now } else { Spent::Before }
    }
}

fn bound(session: SessionId) -> String {
    format!("round {session}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(number: u64, expires: u64) -> Round {
        let mut nonce = [0; NONCE];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let state = State { about: [0; 32], round: 1, asked: Vec::new(), upstream: Upstream::Fresh };
        Round { state, nonce, expires }
    }

    #[test]
    fn who_uses_up_its_own_uses_up_nobody_elses() {
        let (greedy, other) = (Used::default(), Used::default());
        let now = Utc::from_seconds(1_000);
        let most = u64::try_from(SPENT).unwrap();
        assert!((0..most).all(|number| greedy.spend(&round(number, 1_300), now) == Spent::Now));
        assert_eq!(greedy.spend(&round(most, 1_300), now), Spent::Before, "no more can be remembered");
        assert_eq!(other.spend(&round(most, 1_300), now), Spent::Now);
        assert_eq!(other.spend(&round(most, 1_300), now), Spent::Before);
        let later = Utc::from_seconds(1_301);
        assert_eq!(greedy.spend(&round(most, 1_600), later), Spent::Now, "what is too old need not be remembered");
        assert_eq!(greedy.0.lock().len(), 1);
    }

    #[test]
    fn a_state_is_good_for_its_time_and_its_session_alone() {
        struct Counting(std::sync::atomic::AtomicU8);
        impl Entropy for Counting {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            }
        }
        let entropy = Counting(std::sync::atomic::AtomicU8::new(0));
        let states = States::new(&entropy);
        let (own, other) = (SessionId::new(&entropy), SessionId::new(&entropy));
        let state = State { about: [7; 32], round: 1, asked: Vec::new(), upstream: Upstream::State(Some("theirs".into())) };
        let now = Utc::from_seconds(1_000);
        let text = states.seal(&entropy, &state, own, now).unwrap();
        let open = |session, about: u8, seconds| states.open(&text, session, &Used::default(), &[about; 32], Utc::from_seconds(seconds));
        assert_eq!(open(own, 7, 1_299).unwrap().state, state);
        assert!(open(own, 7, 1_300).is_none(), "too old");
        assert!(open(other, 7, 1_001).is_none(), "another session's");
        assert!(open(own, 8, 1_001).is_none(), "another request's");
        assert!(!text.contains("theirs"));
    }
}
