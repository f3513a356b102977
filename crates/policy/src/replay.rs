//! What another configuration would make of calls that were: `policy replay`. Kept in bounded memory, whatever the length of the log.

use crate::Direction;
use std::collections::{BTreeMap, BTreeSet};
use terms::Code;

/// The most changes of different kinds that are kept.
const KINDS: usize = 10_000;
/// The most agents of one kind that are told apart.
const AGENTS: usize = 1_000;
/// The most calls that are named because something of them is not on record.
const NAMED: usize = 1_000;

/// In what a call ends, as far as rules and arguments decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// It is refused so.
    Refused(Code),
    /// It waits for a person.
    Held,
    /// It passes.
    Allowed,
}

impl Ending {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Held => "held",
            Self::Allowed => "allowed",
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Refused(_) => 0,
            Self::Held => 1,
            Self::Allowed => 2,
        }
    }
}

/// One call that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past<'a> {
    /// Its id.
    pub reference: &'a str,
    /// Which program.
    pub agent: &'a str,
    /// At which server; empty where none was known.
    pub server: &'a str,
    /// Of what kind is what it was about: `Tool`, `Prompt`, `Resource`, `Method`.
    pub kind: &'static str,
    /// What it was about.
    pub name: &'a str,
    /// In what it ended.
    pub was: Ending,
}

/// Calls that change alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike {
    /// In what they end now.
    pub is: Ending,
    /// In what they ended.
    pub was: Ending,
    /// At which server.
    pub server: String,
    /// The kind of what they are about.
    pub kind: &'static str,
    /// What they are about.
    pub name: String,
}

/// How many, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Many {
    /// How many calls.
    pub count: u64,
    /// The id of the first one.
    pub first: String,
    /// The id of the last one.
    pub last: String,
    /// By which programs; at most 1,000 are told apart.
    pub agents: BTreeSet<String>,
    /// Why, of the first one: lines, or what an argument does not fit.
    pub why: Vec<String>,
}

/// A call that could not be decided wholly, and what of it is not on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partly {
    /// Its id.
    pub reference: String,
    /// What is missing.
    pub missing: String,
    /// Whether the rules were asked all the same.
    pub decided: Decided,
}

/// How far a call was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decided {
    /// By rules and arguments.
    Wholly,
    /// By the rules, not by its arguments.
    RulesAlone,
    /// Not at all.
    No,
}

/// The sums of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    changes: BTreeMap<Alike, Many>,
    partly: Vec<Partly>,
    /// Calls that were decided again.
    pub calls: u64,
    /// Of these, calls that end as they did.
    pub same: u64,
    /// Calls whose arguments could not be judged, so that the rules decided alone.
    pub rules_alone: u64,
    /// Calls that could not be decided.
    pub undecided: u64,
    /// Calls that were refused for what no configuration decides: limits, kills, tokens, content.
    pub elsewhere: u64,
    /// Changes of kinds that were too many to keep, by direction: wider, narrower.
    pub beyond: [u64; 2],
}

impl Replay {
    /// Counts a call that ends in `is` now, for the reasons `why`.
    pub fn count(&mut self, past: &Past<'_>, is: Ending, why: impl FnOnce() -> Vec<String>) {
        self.calls += 1;
        let Some(direction) = direction(past.was, is) else {
            self.same += 1;
            return;
        };
        let (server, name) = (past.server.to_owned(), past.name.to_owned());
        let alike = Alike { is, was: past.was, server, kind: past.kind, name };
        if self.changes.len() >= KINDS && !self.changes.contains_key(&alike) {
            let [wider, narrower] = &mut self.beyond;
            *match direction {
                Direction::Wider => wider,
                Direction::Narrower => narrower,
            } += 1;
            return;
        }
        let many = self.changes.entry(alike).or_default();
        if many.count == 0 {
            past.reference.clone_into(&mut many.first);
            many.why = why();
        }
        many.count += 1;
        past.reference.clone_into(&mut many.last);
        if many.agents.len() < AGENTS {
            many.agents.insert(past.agent.to_owned());
        }
    }

    /// Notes that something of a call is not on record.
    pub fn note(&mut self, reference: &str, missing: &str, decided: Decided) {
        match decided {
            Decided::Wholly => return,
            Decided::RulesAlone => self.rules_alone += 1,
            Decided::No => self.undecided += 1,
        }
        if self.partly.len() < NAMED {
            self.partly.push(Partly { reference: reference.to_owned(), missing: missing.to_owned(), decided });
        }
    }

    /// What changes, by what it ends in.
    pub fn changes(&self) -> impl Iterator<Item = (&Alike, &Many)> {
        self.changes.iter()
    }

    /// The first thousand calls that could not be decided wholly.
    pub fn partly(&self) -> &[Partly] {
        &self.partly
    }

    /// How many calls go `way`.
    pub fn total(&self, way: Direction) -> u64 {
        let [wider, narrower] = self.beyond;
        let beyond = match way {
            Direction::Wider => wider,
            Direction::Narrower => narrower,
        };
        self.changes.iter().filter(|(alike, _)| direction(alike.was, alike.is) == Some(way)).map(|(_, many)| many.count).sum::<u64>()
            + beyond
    }

    /// How many calls end newly in `word`, and by how many programs.
    pub fn newly(&self, word: &str) -> (u64, usize) {
        let of = || self.changes.iter().filter(|(alike, _)| alike.is.as_str() == word).map(|(_, many)| many);
        (of().map(|many| many.count).sum(), of().flat_map(|many| &many.agents).collect::<BTreeSet<_>>().len())
    }
}

/// In which direction a call goes; none where it ends alike, for whichever reason it is refused.
pub const fn direction(was: Ending, is: Ending) -> Option<Direction> {
    if was.rank() < is.rank() {
        Some(Direction::Wider)
    } else if was.rank() > is.rank() {
        Some(Direction::Narrower)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past<'a>(reference: &'a str, name: &'a str, was: Ending) -> Past<'a> {
        Past { reference, agent: "coder", server: "files", kind: "Tool", name, was }
    }

    #[test]
    fn calls_that_change_alike_are_one_line() {
        let mut replay = Replay::default();
        let refused = Ending::Refused(Code::Denied);
        for reference in ["C-1", "C-2"] {
            replay.count(&past(reference, "a", Ending::Allowed), refused, Vec::new);
        }
        replay.count(&past("C-3", "a", refused), Ending::Refused(Code::Clearance), Vec::new);
        replay.count(&past("C-4", "b", refused), Ending::Allowed, Vec::new);
        replay.count(&past("C-5", "b", Ending::Allowed), Ending::Held, Vec::new);
        let found: Vec<_> =
            replay.changes().map(|(alike, many)| (alike.is.as_str(), many.count, many.first.as_str(), many.last.as_str())).collect();
        assert_eq!(found, [("refused", 2, "C-1", "C-2"), ("held", 1, "C-5", "C-5"), ("allowed", 1, "C-4", "C-4")]);
        assert_eq!((replay.calls, replay.same, replay.total(Direction::Wider), replay.total(Direction::Narrower)), (5, 1, 1, 3));
        assert_eq!(replay.newly("refused"), (2, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut replay = Replay::default();
        for at in 0..KINDS + 5 {
            replay.count(&past("C-1", &format!("t{at}"), Ending::Allowed), Ending::Refused(Code::Denied), Vec::new);
            replay.note("C-1", "its arguments", Decided::RulesAlone);
        }
        assert_eq!((replay.changes().count(), replay.beyond, replay.total(Direction::Narrower)), (KINDS, [0, 5], KINDS as u64 + 5));
        assert_eq!((replay.partly().len(), replay.rules_alone), (NAMED, KINDS as u64 + 5));
    }
}
