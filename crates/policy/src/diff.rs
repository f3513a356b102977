//! What a change of the rules lets in or shuts out: two engines are asked the same questions.

use crate::space::TooMany;
use crate::{Action, Arguments, Engine, Facts, Judgement, Obligation, Situation, Space, Spoken, Verdict, Wait};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use terms::{Label, Name, Operation, Principal, ServerName};

/// What is known of a subject beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What a tool does to the world.
    pub operation: Option<Operation>,
    /// The label of what comes back.
    pub label: Option<Label>,
}

/// One of the two sides.
pub struct Side<'a> {
    /// The rules.
    pub engine: &'a Engine,
    /// What is known of a subject under them.
    pub known: &'a dyn Fn(&ServerName, &Spoken) -> Known,
}

/// In which direction a change goes. What loosens in one respect is wider, whatever it tightens in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// It lets more in.
    Wider,
    /// It shuts something out.
    Narrower,
}

impl Direction {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
        }
    }
}

/// One decision that is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// For whom: all of them are in the same roles before, and in the same after.
    pub who: Vec<Principal>,
    /// At which server.
    pub server: ServerName,
    /// To what.
    pub subject: Spoken,
    /// What.
    pub action: Action,
    /// What was decided.
    pub before: Verdict,
    /// What is decided now.
    pub after: Verdict,
    /// In which direction.
    pub direction: Direction,
}

/// What was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The decisions that differ, by principal, server and subject.
    pub changes: Vec<Change>,
    /// How many principals were asked about.
    pub principals: usize,
    /// How many decisions were compared; of principals in the same roles one stands for all.
    pub decisions: usize,
}

/// The kinds that a call may turn out to be.
const SUPPOSED: [Option<Operation>; 4] = [None, Some(Operation::Read), Some(Operation::Write), Some(Operation::Delete)];

/// Compares the decisions of `old` and `new` about all of `space`. What a program and a user may each do alone is not told again of the two together.
///
/// # Errors
/// [`TooMany`].
pub fn diff(old: &Side<'_>, new: &Side<'_>, space: &Space) -> Result<Difference, TooMany> {
    let principals = space.principals()?;
    let count = principals.len();
    let mut groups: BTreeMap<Standing, Vec<Principal>> = BTreeMap::new();
    for principal in principals {
        groups.entry(Standing::of(old.engine, new.engine, space, &principal)).or_default().push(principal);
    }
    let mut decisions = 0;
    let mut changes: Vec<Change> = Vec::new();
    // Of which kind the changes are that a program or a user alone has.
    let mut alone: HashMap<(Option<Name>, Option<Name>), BTreeSet<Kind>> = HashMap::new();
    let mut together = Vec::new();
    for who in groups.into_values() {
        let Some(first) = who.first() else { continue };
        let mut found = Vec::new();
        for (server, subjects) in space.subjects() {
            for subject in subjects {
                for action in subject.actions() {
                    decisions += 1;
                    let ask = |side: &Side<'_>, supposed: Option<Operation>| {
                        let Known { operation, label } = (side.known)(server, subject);
                        let operation = operation.or(supposed);
                        let whole = Facts::new(first, server, subject.subject()).doing(action);
                        let facts = Facts { operation, label, ..whole }.arguments(Arguments::Any).situation(Situation::Any);
                        side.engine.decide(&facts)
                    };
                    // What is not known of a tool may turn out as any kind: the widest change is told.
                    let supposed = if action == Action::Call { &SUPPOSED[..] } else { &SUPPOSED[..1] };
                    let asked = supposed.iter().filter_map(|kind| {
                        let (before, after) = (ask(old, *kind), ask(new, *kind));
                        direction(&before, &after).map(|direction| (direction, before, after))
                    });
                    let Some((direction, before, after)) = asked.min_by_key(|(direction, ..)| *direction) else { continue };
                    let (server, subject) = (server.clone(), subject.clone());
                    found.push(Change { who: Vec::new(), server, subject, action, before, after, direction });
                }
            }
        }
        for principal in &who {
            if principal.user.is_none() || space.is_stranger(principal) {
                let key = (stranger(space, principal), principal.user.clone());
                alone.entry(key).or_default().extend(found.iter().map(kind));
            }
        }
        together.push((who, found));
    }
    for (who, found) in together {
        for change in found {
            let said = |principal: &Principal| {
                let agent = alone.get(&(stranger(space, principal), None)).is_some_and(|kinds| kinds.contains(&kind(&change)));
                let user = alone.get(&(None, principal.user.clone())).is_some_and(|kinds| kinds.contains(&kind(&change)));
                let anyone = alone.get(&(None, None)).is_some_and(|kinds| kinds.contains(&kind(&change)));
                match (stranger(space, principal), &principal.user) {
                    (Some(_), Some(_)) => agent || user || anyone,
                    (Some(_), None) | (None, Some(_)) => anyone,
                    (None, None) => false,
                }
            };
            let who: Vec<Principal> = who.iter().filter(|principal| !said(principal)).cloned().collect();
            if !who.is_empty() {
                changes.push(Change { who, ..change });
            }
        }
    }
    Ok(Difference { changes, principals: count, decisions })
}

/// The program, unless it is the one that no rule names.
fn stranger(space: &Space, principal: &Principal) -> Option<Name> {
    (!space.is_stranger(principal)).then(|| principal.agent.clone())
}

/// What a change is, whoever it concerns.
type Kind = (ServerName, Spoken, Action, Direction);

fn kind(change: &Change) -> Kind {
    (change.server.clone(), change.subject.clone(), change.action, change.direction)
}

/// What of a principal decisions depend on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    before: Vec<Name>,
    after: Vec<Name>,
    literal: Option<(Name, Option<Name>)>,
}

impl Standing {
    fn of(old: &Engine, new: &Engine, space: &Space, principal: &Principal) -> Self {
        let roles = |engine: &Engine| engine.roles_of(principal).into_iter().cloned().collect();
        let literal = space.is_literal(principal).then(|| (principal.agent.clone(), principal.user.clone()));
        Self { before: roles(old), after: roles(new), literal }
    }
}

/// The direction from `before` to `after`; none when nothing is let in or shut out.
pub fn direction(before: &Verdict, after: &Verdict) -> Option<Direction> {
    const fn rank(judgement: &Judgement) -> u8 {
        match judgement {
            Judgement::Refuse => 0,
            Judgement::Hold(Wait::Grant) => 1,
            Judgement::Hold(Wait::Approval) => 2,
            Judgement::Allow(_) => 3,
        }
    }
    match rank(&before.judgement).cmp(&rank(&after.judgement)) {
        Ordering::Less => Some(Direction::Wider),
        Ordering::Greater => Some(Direction::Narrower),
        Ordering::Equal => bounds(before.obligations(), after.obligations()),
    }
}

/// The direction of what must be done beside an allow.
fn bounds(before: &[Obligation], after: &[Obligation]) -> Option<Direction> {
    let clearance = |all: &[Obligation]| {
        all.iter().find_map(|one| match one {
            Obligation::Clearance(label) => Some(*label),
            Obligation::Cap(_) | Obligation::Redact => None,
        })
    };
    let cap = |all: &[Obligation]| {
        all.iter()
            .find_map(|one| match one {
                Obligation::Cap(bytes) => Some(*bytes),
                Obligation::Clearance(_) | Obligation::Redact => None,
            })
            .unwrap_or(u64::MAX)
    };
    let open = |all: &[Obligation]| !all.contains(&Obligation::Redact);
    let moves = [clearance(before).cmp(&clearance(after)), cap(before).cmp(&cap(after)), open(before).cmp(&open(after))];
    if moves.contains(&Ordering::Less) {
        Some(Direction::Wider)
    } else if moves.contains(&Ordering::Greater) {
        Some(Direction::Narrower)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CedarSource, Entry, Inventory, Place, RoleSource, ServerEntries, Sources};

    fn place() -> Place {
        Place::new("bastide.yaml", 1, 1)
    }

    fn role(name: &str, members: &[&str], allow: &[&str], ask: &[&str]) -> RoleSource {
        let entries = |texts: &[&str]| {
            let entries = texts.iter().map(|text| Entry::new(*text, place())).collect();
            vec![ServerEntries { server: ServerName::new("files").unwrap(), place: place(), entries }]
        };
        RoleSource {
            members: members.iter().map(|text| Entry::new(*text, place())).collect(),
            allow: entries(allow),
            ask: entries(ask),
            ..RoleSource::new(Name::new(name).unwrap(), place())
        }
    }

    fn engine(roles: Vec<RoleSource>, cedar: &str) -> Engine {
        let cedar = vec![CedarSource { file: "x.cedar".to_owned(), text: cedar.to_owned() }];
        Engine::compile(Sources { servers: vec![ServerName::new("files").unwrap()], roles, cedar, ..Sources::default() }).unwrap()
    }

    fn compared(old: &Engine, new: &Engine) -> Vec<(String, String, Direction)> {
        let inventory = Inventory::from([(ServerName::new("files").unwrap(), vec!["read_file".to_owned(), "write_file".to_owned()])]);
        let space = old.space(&inventory).and(new.space(&inventory));
        let known = |_: &ServerName, _: &Spoken| Known::default();
        let found = diff(&Side { engine: old, known: &known }, &Side { engine: new, known: &known }, &space).unwrap();
        let line = |change: &Change| {
            let who: Vec<String> = change.who.iter().map(|one| space.name(one)).collect();
            (who.join(", "), change.subject.subject().name().to_owned(), change.direction)
        };
        found.changes.iter().map(line).collect()
    }

    #[test]
    fn the_same_rules_do_not_differ() {
        let one = || engine(vec![role("a", &["agent:a", "user:u"], &["read_*"], &["write_file"])], "");
        assert_eq!(compared(&one(), &one()), []);
    }

    #[test]
    fn what_is_let_in_and_shut_out_is_told_of_those_whom_it_concerns() {
        let old = engine(vec![role("a", &["agent:a"], &["read_*"], &[]), role("b", &["user:u"], &["write_file"], &[])], "");
        let new = engine(vec![role("a", &["agent:a"], &["read_*"], &["write_file"]), role("b", &["user:u"], &[], &["write_file"])], "");
        let found = compared(&old, &new);
        assert!(found.contains(&("agent:a".to_owned(), "write_file".to_owned(), Direction::Wider)), "{found:?}");
        assert!(found.contains(&("user:u".to_owned(), "write_file".to_owned(), Direction::Narrower)), "{found:?}");
    }

    #[test]
    fn names_that_nobody_offers_yet_count() {
        let old = engine(vec![role("a", &["agent:ci-*"], &["read_file"], &[])], "");
        let new = engine(vec![role("a", &["agent:ci-*"], &["read_*"], &[])], "");
        assert_eq!(compared(&old, &new), [("agent:ci-*".to_owned(), "read_x".to_owned(), Direction::Wider)]);
    }

    #[test]
    fn what_anyone_may_is_told_once() {
        let old = engine(vec![role("a", &["agent:a"], &["read_file"], &[])], "");
        let new = engine(
            vec![role("a", &["agent:a"], &["read_file"], &[])],
            r#"permit (principal, action == Action::"call", resource in Server::"files") when { resource.name == "write_file" };"#,
        );
        let found = compared(&old, &new);
        assert!(found.iter().any(|(who, what, way)| who == "anyone else" && what == "write_file" && *way == Direction::Wider), "{found:?}");
        assert!(!found.iter().any(|(who, ..)| who.contains("agent:a")), "{found:?}");
    }

    #[test]
    fn a_higher_clearance_is_wider() {
        let with = |label| RoleSource { clearance: label, ..role("a", &["agent:a"], &["read_file"], &[]) };
        let found = compared(&engine(vec![with(Label::Internal)], ""), &engine(vec![with(Label::Restricted)], ""));
        assert_eq!(found, [("agent:a".to_owned(), "read_file".to_owned(), Direction::Wider)]);
    }
}
