//! What may be used of what a server offers now.

use crate::approve::crowded;
use crate::{Aside, Fetched, Item, Kind, ServerPin, fold};
use serde::Serialize;
use std::collections::BTreeMap;
use terms::Code;

/// Where a definition stands against its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it was reviewed.
    Approved,
    /// Reviewed, but it says something else now: put aside.
    Changed,
    /// Never reviewed: put aside.
    New,
    /// Its name cannot be told from another one's: put aside.
    Collision,
    /// Reviewed, but no longer offered.
    Removed,
}

impl Status {
    /// The refusal that a call meets; `None` when it may go on.
    ///
    /// A definition that was never reviewed or is gone does not exist for a caller.
    pub const fn refusal(self) -> Option<Code> {
        match self {
            Self::Approved => None,
            Self::Changed | Self::Collision => Some(Code::PinChanged),
            Self::New | Self::Removed => Some(Code::Unknown),
        }
    }
}

/// The status of everything pinned or offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    items: BTreeMap<Item, Status>,
}

impl Judgement {
    /// The status of `name`; what is neither pinned nor offered is [`Status::Removed`].
    pub fn status(&self, kind: Kind, name: &str) -> Status {
        self.items.get(&Item { kind, name: name.to_owned() }).copied().unwrap_or(Status::Removed)
    }

    /// Everything, by sort and name.
    pub fn items(&self) -> impl Iterator<Item = (&Item, Status)> {
        self.items.iter().map(|(item, status)| (item, *status))
    }

    /// What may not be used, by sort and name.
    pub fn aside(&self) -> impl Iterator<Item = (&Item, Status)> {
        self.items().filter(|(_, status)| *status != Status::Approved)
    }
}

/// Judges each definition of `fetched` by the pins.
///
/// A whole server that is not what was approved (its content, revision or capabilities) is not judged here: see
/// [`crate::Difference::is_other_server`].
pub fn judge(pinned: &ServerPin, fetched: &Fetched) -> Judgement {
    let mut items = BTreeMap::new();
    for kind in Kind::ALL {
        for pin in pinned.of(kind) {
            items.insert(Item { kind, name: pin.name.clone() }, Status::Removed);
        }
        let offered = fetched.of(kind);
        let folded = crowded(offered);
        for one in offered {
            let crowd = folded.get(&fold(&one.name)).is_some_and(|count| *count > 1);
            let status = match pinned.pin(kind, &one.name) {
                _ if crowd => Status::Collision,
                None => Status::New,
                Some(pin) => match pin.aside {
                    Some(Aside::Collision) => Status::Collision,
                    Some(Aside::New) => Status::New,
                    Some(Aside::Changed) => Status::Changed,
                    None if pin.digest == one.definition.digest() => Status::Approved,
                    None => Status::Changed,
                },
            };
            items.insert(Item { kind, name: one.name.clone() }, status);
        }
    }
    Judgement { items }
}
