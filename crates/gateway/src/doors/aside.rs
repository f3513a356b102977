//! What was put aside of a server while it runs: definitions that are not what was approved.

use super::turn::Differs;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use supply::{Judgement, Kind, Status};

/// The sorts of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource template.
    Template,
}

impl From<Kind> for Sort {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Tool => Self::Tool,
            Kind::Prompt => Self::Prompt,
            Kind::Template => Self::Template,
        }
    }
}

/// What a server was told that its client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Everything that a client can, as when it was approved.
    All,
    /// Less.
    Fewer,
}

impl From<Sort> for Kind {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Tool => Self::Tool,
            Sort::Prompt => Self::Prompt,
            Sort::Template => Self::Template,
        }
    }
}

/// What a judgement changed.
pub(super) struct Set {
    /// What was not aside for the same reason before, as `kind/name` and the reason.
    pub(super) fresh: Vec<(String, String)>,
    /// What was approved and is aside now, or is no longer. What was never approved nobody has seen.
    pub(super) differs: BTreeSet<Differs>,
}

/// The definitions of one server that are aside, and why.
#[derive(Default)]
pub(super) struct Aside {
    held: ArcSwap<BTreeMap<(Sort, String), Status>>,
}

impl Aside {
    /// Whether a definition is aside.
    pub(super) fn holds(&self, sort: Sort, name: &str) -> bool {
        let held = self.held.load();
        !held.is_empty() && held.contains_key(&(sort, name.to_owned()))
    }

    /// Takes over a judgement; says what is aside now and was not for the same reason before, and what changed by it.
    ///
    /// A server that was told of fewer abilities may offer less: what it then leaves out stays as it was.
    pub(super) fn set(&self, judgement: &Judgement, told: Told) -> Set {
        let before = self.held.load_full();
        let mut held = BTreeMap::new();
        let mut fresh = Vec::new();
        for (item, status) in judgement.aside() {
            let key = (Sort::from(item.kind), item.name.clone());
            if told == Told::Fewer && status == Status::Removed && before.get(&key) != Some(&status) {
                continue;
            }
            if before.get(&key) != Some(&status) {
                fresh.push((format!("{}/{}", item.kind.as_str(), item.name), reason(status).to_owned()));
            }
            held.insert(key, status);
        }
        let newly = held.iter().filter(|(key, _)| !before.contains_key(*key));
        let changed = newly.chain(before.iter().filter(|(key, _)| !held.contains_key(*key))).filter(|(_, status)| **status != Status::New);
        let differs = changed.map(|((sort, name), _)| Differs::One(Kind::from(*sort), name.clone())).collect();
        self.held.store(Arc::new(held));
        Set { fresh, differs }
    }

    /// All that is aside.
    pub(super) fn list(&self) -> Vec<(String, String)> {
        self.held.load().iter().map(|((_, name), status)| (name.clone(), reason(*status).to_owned())).collect()
    }

    /// Forgets all; gives what it was.
    pub(super) fn clear(&self) -> Vec<(Kind, String)> {
        self.held.swap(Arc::default()).keys().map(|(sort, name)| (Kind::from(*sort), name.clone())).collect()
    }
}

/// Why a definition is not used, in one word.
pub(super) fn reason(status: Status) -> &'static str {
    match status {
        Status::Approved => "approved",
        Status::Changed => "changed",
        Status::New => "new",
        Status::Collision => "collision",
        Status::Removed => "removed",
    }
}
