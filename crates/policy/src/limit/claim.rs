//! What is asked of the counters, and what they answer.

use super::{Measure, Per, Unit};
use sha2::{Digest, Sha256};
use std::time::Duration;
use terms::{Name, Principal, ServerName, SessionId};

/// Under which rule something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// The limits of a role.
    Role(&'a Name),
    /// The limits of a server.
    Server(&'a ServerName),
    /// The limits of a tool, by its server and its bare name.
    Tool(&'a ServerName, &'a str),
    /// The limits that the assessor tries.
    Probe,
}

/// For whom something is counted.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// A principal, however it connects.
    Principal(&'a Principal),
    /// All of them together.
    Everyone,
}

/// The name of a counter: a digest over rule, holder, measure and unit, of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterKey([u8; 16]);

impl MeterKey {
    /// The counter of `measure` over `per` that `holder` has under `rule`.
    pub fn of(measure: Measure, per: Per, rule: Rule<'_>, holder: Holder<'_>) -> Self {
        let mut text = [0_u8; 320];
        let mut draft = Draft { text: &mut text, length: 0, spilled: None };
        draft.byte(measure as u8);
        draft.byte(match per {
            Per::Unit(unit) => of(unit),
            Per::Pace(unit) => 8 + of(unit),
            Per::Session => 16,
            Per::Moment => 17,
        });
        match rule {
            Rule::Role(role) => draft.part(b'r', role.as_str()),
            Rule::Server(server) => draft.part(b's', server.as_str()),
            Rule::Tool(server, tool) => {
                draft.part(b't', server.as_str());
                draft.part(b'n', tool);
            }
            Rule::Probe => draft.byte(b'p'),
        }
        match holder {
            Holder::Principal(principal) => {
                draft.part(b'a', principal.agent.as_str());
                if let Some(user) = &principal.user {
                    draft.part(b'u', user.as_str());
                }
            }
            Holder::Everyone => draft.byte(b'*'),
        }
        draft.key()
    }

    /// Its bytes: the name of the counter in a store.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

const fn of(unit: Unit) -> u8 {
    match unit {
        Unit::Second => 0,
        Unit::Minute => 1,
        Unit::Hour => 2,
        Unit::Day => 3,
    }
}

/// The parts of a key, each with its length before it. Mostly they fit the stack.
struct Draft<'a> {
    text: &'a mut [u8; 320],
    length: usize,
    spilled: Option<Sha256>,
}

impl Draft<'_> {
    fn part(&mut self, sort: u8, text: &str) {
        self.byte(sort);
        self.put(&(text.len() as u64).to_be_bytes());
        self.put(text.as_bytes());
    }

    fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.spilled {
            hash.update(bytes);
            return;
        }
        let end = self.length + bytes.len();
        match self.text.get_mut(self.length..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length = end;
            }
            None => {
                let mut hash = Sha256::new();
                hash.update(self.text.get(..self.length).unwrap_or_default());
                hash.update(bytes);
                self.spilled = Some(hash);
            }
        }
    }

    fn key(self) -> MeterKey {
        let digest = match self.spilled {
            Some(hash) => hash.finalize(),
            None => Sha256::digest(self.text.get(..self.length).unwrap_or_default()),
        };
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        MeterKey(key)
    }
}

/// How much a counter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At most `most` in any `span`.
    Window {
        /// How much.
        most: u64,
        /// In which span.
        span: Duration,
    },
    /// `most` in a `span`, evenly: what runs ahead is a hundredth of it, and at least one.
    Pace {
        /// How much.
        most: u64,
        /// In which span.
        span: Duration,
    },
    /// At most `most` until the session is forgotten.
    Session {
        /// How much.
        most: u64,
        /// Of which session.
        session: SessionId,
    },
    /// At most `most` that were not given back.
    Flight {
        /// How much.
        most: u64,
    },
}

impl Bound {
    /// How much it lets through.
    pub const fn most(self) -> u64 {
        match self {
            Self::Window { most, .. } | Self::Pace { most, .. } | Self::Session { most, .. } | Self::Flight { most } => most,
        }
    }
}

/// What is to be taken from one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub key: MeterKey,
    /// How much it may hold.
    pub bound: Bound,
    /// How much is taken; 0 asks whether there is room for one more.
    pub amount: u64,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Everything was taken.
    Within,
    /// Nothing was taken: a limit is reached.
    Over {
        /// Which of the claims; of several the one that lasts longest.
        at: usize,
        /// When there is room, if nothing else is taken; none where waiting does not help.
        retry_after: Option<Duration>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_every_part() {
        let (server, other) = (ServerName::new("a").unwrap(), ServerName::new("ab").unwrap());
        let long = "x".repeat(400);
        let of = |measure, per, rule| MeterKey::of(measure, per, rule, Holder::Everyone);
        let minute = Per::Unit(Unit::Minute);
        let keys = [
            of(Measure::Calls, minute, Rule::Server(&server)),
            of(Measure::Cost, minute, Rule::Server(&server)),
            of(Measure::Calls, Per::Pace(Unit::Minute), Rule::Server(&server)),
            of(Measure::Calls, minute, Rule::Server(&other)),
            of(Measure::Calls, minute, Rule::Tool(&server, "bc")),
            of(Measure::Calls, minute, Rule::Tool(&other, "c")),
            of(Measure::Calls, minute, Rule::Tool(&server, &long)),
            of(Measure::Calls, minute, Rule::Tool(&server, &long[1..])),
        ];
        let all: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(all.len(), keys.len());
        assert_eq!(of(Measure::Calls, minute, Rule::Tool(&server, &long)), keys[6]);
    }
}
