//! What compiles and still cannot be meant: `policy check`.

mod bound;
mod cedar;
mod member;

use crate::place::{Place, nearest};
use crate::rule::Origin;
use crate::{Effect, Engine, Pattern, Rule, When};
use std::collections::BTreeMap;
use std::fmt;
use terms::{Label, Name, ServerName};

/// What servers offer: the names of their tools. A server that is not in it is not judged.
pub type Inventory = BTreeMap<ServerName, Vec<String>>;

/// What is odd about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The pattern fits no tool that the server offers.
    Matches {
        /// The nearest tool.
        nearest: Option<String>,
    },
    /// The same entry stands earlier.
    Twice {
        /// Where.
        first: Place,
    },
    /// A wider entry of the same effect already says so.
    Covered {
        /// The wider one.
        by: Place,
    },
    /// A stricter entry always wins over it.
    Outweighed {
        /// The stricter one.
        by: Place,
    },
    /// The role has no member that could ever match.
    Memberless,
    /// The role allows nothing.
    Empty,
    /// The entry opens everything that the server offers.
    Everything,
    /// The member can be nobody in this release.
    Nobody,
    /// No call can ever fit the Cedar policy.
    Impossible,
    /// The Cedar policy reads otherwise than it looks.
    Confusing {
        /// How.
        cause: String,
    },
    /// The scope of the Cedar policy names what is not there.
    Nothing {
        /// What sort of thing.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
        /// Whether it would forbid.
        forbids: bool,
    },
    /// All that the entry allows is labelled above the clearance of its role.
    Above {
        /// The lowest of these labels.
        label: Label,
        /// The role's clearance.
        clearance: Label,
    },
    /// The role is cleared above everything that it allows.
    Slack {
        /// Its clearance.
        clearance: Label,
        /// The highest label of what it allows.
        highest: Label,
    },
    /// A condition of the entry can never hold.
    Never {
        /// Which.
        test: String,
    },
}

/// A warning about a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// Where.
    pub place: Place,
    /// The rule's id, or the role's name.
    pub what: String,
    /// What is odd.
    pub why: Why,
    /// The server that it is about, where it is about one.
    pub server: Option<ServerName>,
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} ", self.place, self.what)?;
        match &self.why {
            Why::Matches { nearest: None } => out.write_str("can never match: no such tool is offered"),
            Why::Matches { nearest: Some(near) } => write!(out, "can never match: no such tool is offered; did you mean \"{near}\"?"),
            Why::Twice { first } => write!(out, "stands already at {}", first.short()),
            Why::Covered { by } => write!(out, "says nothing that {} does not", by.short()),
            Why::Outweighed { by } => write!(out, "never takes effect: {} is stricter", by.short()),
            Why::Memberless => out.write_str("has no members"),
            Why::Empty => out.write_str("allows nothing"),
            Why::Everything => out.write_str("opens everything that the server offers, questions and logging included"),
            Why::Nobody => out.write_str("is nobody: no issuer of this release knows it"),
            Why::Impossible => out.write_str("can never apply: no call fits its scope and its conditions together"),
            Why::Confusing { cause } => write!(out, "reads otherwise than it looks: {cause}"),
            Why::Nothing { kind, name, nearest, forbids } => {
                write!(out, "{} nothing: there is no {kind} \"{name}\"", if *forbids { "forbids" } else { "permits" })?;
                nearest.as_ref().map_or(Ok(()), |near| write!(out, "; did you mean \"{near}\"?"))
            }
            Why::Above { label, clearance } => {
                write!(out, "never passes: what it allows is {}, and the role is cleared for {}", label.as_str(), clearance.as_str())
            }
            Why::Slack { clearance, highest } => {
                write!(out, "is cleared for {}, and nothing that it allows is above {}", clearance.as_str(), highest.as_str())
            }
            Why::Never { test } => write!(out, "can never match: its condition on {test} holds for nothing that it speaks of"),
        }
    }
}

/// An entry of a role for a server.
type Line<'a> = (&'a Rule, &'a Pattern, &'a When);

impl Engine {
    /// The odd lines, in order of place.
    pub fn check(&self, inventory: &Inventory) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut groups: BTreeMap<(&Name, &ServerName), Vec<Line<'_>>> = BTreeMap::new();
        for compiled in &self.rules {
            if let Origin::Entry { role, server, pattern, when } = &compiled.rule.origin {
                groups.entry((role, server)).or_default().push((&compiled.rule, pattern, when));
                notices.extend(unmatched(&compiled.rule, server, pattern, inventory));
                notices.extend(bound::never(&compiled.rule, server, pattern, when));
            }
        }
        notices.extend(self.idle_members());
        notices.extend(self.idle_policies(inventory));
        for group in groups.values() {
            for (at, (rule, pattern, when)) in group.iter().enumerate() {
                // What holds only under a condition of its own leaves room for the others.
                let others = group.iter().enumerate().filter(|(other, (.., by))| *other != at && (by.is_empty() || by == when));
                let why = others.filter_map(|(other, (by, wide, _))| dead(rule, pattern, by, wide, other < at)).min();
                notices.extend(why.map(|why| notice(rule, why)));
            }
        }
        for role in &self.roles {
            let (exact, more) = role.exact();
            let mut odd = |why| {
                notices.push(Notice { place: role.source.place.clone(), what: format!("the role {}", role.source.name), why, server: None })
            };
            if exact.is_empty() && !more {
                odd(Why::Memberless);
            }
            if [&role.source.allow, &role.source.ask, &role.source.grant]
                .iter()
                .all(|lists| lists.iter().all(|list| list.entries.is_empty()))
            {
                odd(Why::Empty);
            }
        }
        notices.sort();
        notices.dedup();
        notices
    }
}

fn notice(rule: &Rule, why: Why) -> Notice {
    let server = match &rule.origin {
        Origin::Entry { server, .. } => Some(server.clone()),
        Origin::Cedar => None,
    };
    Notice { place: rule.place.clone(), what: rule.id.to_string(), why, server }
}

fn unmatched(rule: &Rule, server: &ServerName, pattern: &Pattern, inventory: &Inventory) -> Option<Notice> {
    match pattern {
        Pattern::Everything => (rule.effect == Effect::Allow).then(|| notice(rule, Why::Everything)),
        Pattern::Tool(glob) | Pattern::Kind(_, glob) => {
            let tools = inventory.get(server)?;
            if tools.iter().any(|tool| glob.matches(tool)) {
                return None;
            }
            let near = nearest(&glob.as_str().replace('*', ""), tools.iter().map(String::as_str)).map(str::to_owned);
            Some(notice(rule, Why::Matches { nearest: near }))
        }
        Pattern::Prompt(_) | Pattern::Resource(_) | Pattern::Question(_) => None,
    }
}

/// Why `rule` is without effect beside `by`, an entry of the same role and server; `earlier` is whether that one stands before.
fn dead(rule: &Rule, pattern: &Pattern, by: &Rule, wide: &Pattern, earlier: bool) -> Option<Why> {
    if !wide.covers(pattern) {
        return None;
    }
    match by.effect.cmp(&rule.effect) {
        std::cmp::Ordering::Greater => Some(Why::Outweighed { by: by.place.clone() }),
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal if wide == pattern => earlier.then(|| Why::Twice { first: by.place.clone() }),
        std::cmp::Ordering::Equal => Some(Why::Covered { by: by.place.clone() }),
    }
}
