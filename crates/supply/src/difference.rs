//! How what a server offers differs from what was reviewed.

use crate::{Content, Definition, Fetched, Item, Kind, ServerPin, visible};
use serde::Serialize;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// As it was reviewed.
    pub before: T,
    /// As it is now.
    pub after: T,
}

/// A member of a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// What the model reads.
    Description,
    /// What it accepts.
    InputSchema,
    /// What it answers.
    OutputSchema,
    /// Its hints.
    Annotations,
    /// What people read.
    Title,
    /// Any other member.
    #[serde(untagged)]
    Member(String),
}

impl Part {
    fn of(key: &str) -> Self {
        match key {
            "description" => Self::Description,
            "inputSchema" => Self::InputSchema,
            "outputSchema" => Self::OutputSchema,
            "annotations" => Self::Annotations,
            "title" => Self::Title,
            _ => Self::Member(key.to_owned()),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description => out.write_str("description"),
            Self::InputSchema => out.write_str("inputSchema"),
            Self::OutputSchema => out.write_str("outputSchema"),
            Self::Annotations => out.write_str("annotations"),
            Self::Title => out.write_str("title"),
            Self::Member(key) => out.write_str(&visible(key)),
        }
    }
}

/// One member of one definition that says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Which definition.
    #[serde(flatten)]
    pub item: Item,
    /// Which member.
    pub part: Part,
    /// Canonical JSON as reviewed; absent when the member is new.
    pub before: Option<String>,
    /// Canonical JSON as offered; absent when the member is gone.
    pub after: Option<String>,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What was not there when it was reviewed.
    pub added: Vec<Item>,
    /// What is no longer there.
    pub removed: Vec<Item>,
    /// What says something else.
    pub changed: Vec<Changed>,
    /// What is started or dialled.
    pub content: Option<Change<Content>>,
    /// The revision of the protocol.
    pub revision: Option<Change<String>>,
    /// `serverInfo`.
    pub server_info: Option<Change<Definition>>,
    /// `capabilities`.
    pub capabilities: Option<Change<Definition>>,
    /// `instructions`.
    pub instructions: Option<Change<Option<String>>>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && self.parts().next().is_none()
    }

    /// Whether the server as a whole is not the one that was approved: other content, or another revision.
    pub fn is_other_server(&self) -> bool {
        self.content.is_some() || self.revision.is_some()
    }

    /// The names of what differs about the server itself.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        [
            self.content.as_ref().map(|_| "content"),
            self.revision.as_ref().map(|_| "revision"),
            self.server_info.as_ref().map(|_| "serverInfo"),
            self.capabilities.as_ref().map(|_| "capabilities"),
            self.instructions.as_ref().map(|_| "instructions"),
        ]
        .into_iter()
        .flatten()
    }

    /// The difference for a person: one paragraph a thing, unified diffs, hidden characters made visible.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let mut part = |name: &str, before: &str, after: &str| {
            out.push_str(&format!("~ {name}\n"));
            out.push_str(&lines(before, after));
        };
        if let Some(change) = &self.content {
            part("content", &change.before.to_string(), &change.after.to_string());
        }
        if let Some(change) = &self.revision {
            part("revision", &change.before, &change.after);
        }
        if let Some(change) = &self.server_info {
            part("serverInfo", &pretty(change.before.as_str()), &pretty(change.after.as_str()));
        }
        if let Some(change) = &self.capabilities {
            part("capabilities", &pretty(change.before.as_str()), &pretty(change.after.as_str()));
        }
        if let Some(change) = &self.instructions {
            part("instructions", change.before.as_deref().unwrap_or_default(), change.after.as_deref().unwrap_or_default());
        }
        for changed in &self.changed {
            let name = format!("{} {}: {}", changed.item.kind.as_str(), visible(&changed.item.name), changed.part);
            let before = changed.before.as_deref().map(pretty).unwrap_or_default();
            part(&name, &before, &changed.after.as_deref().map(pretty).unwrap_or_default());
        }
        for item in &self.added {
            out.push_str(&format!("+ {} {}\n", item.kind.as_str(), visible(&item.name)));
        }
        for item in &self.removed {
            out.push_str(&format!("- {} {}\n", item.kind.as_str(), visible(&item.name)));
        }
        out
    }
}

/// How `fetched` differs from `pinned`. Order of lists does not count.
pub fn compare(pinned: &ServerPin, fetched: &Fetched) -> Difference {
    let mut difference = Difference {
        content: change(&pinned.content, &fetched.content),
        revision: change(&pinned.revision, &fetched.revision),
        server_info: change(&pinned.server_info, &fetched.server_info),
        capabilities: change(&pinned.capabilities, &fetched.capabilities),
        instructions: change(&pinned.instructions, &fetched.instructions),
        ..Difference::default()
    };
    for kind in Kind::ALL {
        let before: BTreeMap<&str, &Definition> = pinned.of(kind).iter().map(|pin| (pin.name.as_str(), &pin.definition)).collect();
        let after: BTreeMap<&str, &Definition> = fetched.of(kind).iter().map(|one| (one.name.as_str(), &one.definition)).collect();
        for name in before.keys().chain(after.keys()).copied().collect::<BTreeSet<&str>>() {
            let item = Item { kind, name: name.to_owned() };
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) => members(&item, before, after, &mut difference.changed),
                (Some(_), None) => difference.removed.push(item),
                (None, Some(_)) => difference.added.push(item),
                (None, None) => {}
            }
        }
    }
    difference
}

fn change<T: Clone + PartialEq>(before: &T, after: &T) -> Option<Change<T>> {
    (before != after).then(|| Change { before: before.clone(), after: after.clone() })
}

fn members(item: &Item, before: &Definition, after: &Definition, changed: &mut Vec<Changed>) {
    if before == after {
        return;
    }
    let (mut before, mut after) = (before.members(), after.members());
    for key in before.keys().chain(after.keys()).cloned().collect::<BTreeSet<String>>() {
        let (before, after) = (before.remove(&key), after.remove(&key));
        if before != after {
            changed.push(Changed { item: item.clone(), part: Part::of(&key), before, after });
        }
    }
}

fn pretty(json: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return text;
    }
    let value = serde_json::from_str::<serde_json::Value>(json).and_then(|value| serde_json::to_string_pretty(&value));
    value.unwrap_or_else(|_| json.to_owned())
}

fn lines(before: &str, after: &str) -> String {
    let (before, after) = (visible(before), visible(after));
    let diff = TextDiff::from_lines(before.as_str(), after.as_str());
    let mut out = diff.unified_diff().context_radius(2).header("reviewed", "offered").to_string();
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}
