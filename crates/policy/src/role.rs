//! Roles to Cedar: one permit for each entry.

use crate::glob::quote;
use crate::place::{Problem, nearest};
use crate::rule::Origin;
use crate::{Effect, Entry, Glob, Pattern, Place, RoleSource, Rule, ServerEntries};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terms::{Label, Name, Operation, Principal, ServerName};

/// The most roles, the most members of one, the most entries of one.
const MOST: usize = 10_000;

/// Who a line of `members` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// Programs of these names.
    Agent(Glob),
    /// Anyone for whom users of these names are known.
    User(Glob),
    /// Nobody yet.
    Group,
}

/// A role, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) source: RoleSource,
    members: Vec<Member>,
}

impl Role {
    /// Whether `principal` is in it.
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        self.members.iter().any(|member| match member {
            Member::Agent(glob) => glob.matches(principal.agent.as_str()),
            Member::User(glob) => principal.user.as_ref().is_some_and(|user| glob.matches(user.as_str())),
            Member::Group => false,
        })
    }

    /// The names and patterns of its members that can be somebody.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.members.iter().filter_map(|member| match member {
            Member::Agent(glob) => Some((Kind::Agent, glob.as_str())),
            Member::User(glob) => Some((Kind::User, glob.as_str())),
            Member::Group => None,
        })
    }

    /// The agents and users that are named without a wildcard, and whether there are members beside them.
    pub(crate) fn exact(&self) -> (Vec<(Kind, &str)>, bool) {
        let mut names = Vec::new();
        let mut more = false;
        for member in &self.members {
            match member {
                Member::Agent(glob) if glob.is_exact() => names.push((Kind::Agent, glob.as_str())),
                Member::User(glob) if glob.is_exact() => names.push((Kind::User, glob.as_str())),
                Member::Agent(_) | Member::User(_) => more = true,
                Member::Group => {}
            }
        }
        (names, more)
    }
}

/// Which of a principal's facts a member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Agent,
    User,
}

/// A rule with its Cedar text.
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    pub(crate) cedar: String,
}

/// Compiles `sources`; every problem goes to `problems`.
pub(crate) fn compile(sources: Vec<RoleSource>, servers: &[ServerName], problems: &mut Vec<Problem>) -> (Vec<Role>, Vec<Draft>) {
    let mut seen: BTreeMap<Name, Place> = BTreeMap::new();
    let mut roles = Vec::new();
    let mut drafts = Vec::new();
    let known: BTreeSet<&str> = servers.iter().map(ServerName::as_str).collect();
    for source in sources {
        if roles.len() >= MOST || source.members.len() > MOST {
            problems.push(Problem::new(&source.place, format!("more than {MOST} roles, or members of one role")));
            break;
        }
        if let Some(first) = seen.insert(source.name.clone(), source.place.clone()) {
            problems.push(Problem::new(&source.place, format!("the role \"{}\" is already at {}", source.name, first.short())));
            continue;
        }
        let members = source.members.iter().filter_map(|entry| member(entry, problems)).collect();
        for (effect, lists) in [(Effect::Allow, &source.allow), (Effect::Ask, &source.ask), (Effect::Grant, &source.grant)] {
            for list in lists {
                if !known.contains(list.server.as_str()) {
                    let near = nearest(list.server.as_str(), known.iter().copied());
                    let message = format!("there is no server \"{}\"", list.server);
                    problems.push(Problem::new(&list.place, message).near(near));
                }
                draft(&source, effect, list, &mut drafts, problems);
            }
        }
        roles.push(Role { source, members });
    }
    (roles, drafts)
}

fn member(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Member> {
    const KINDS: [&str; 3] = ["agent", "user", "group"];
    let (kind, name) = match entry.text.split_once(':') {
        Some(parts) => parts,
        None => {
            let near = format!("agent:{}", entry.text);
            problems.push(Problem::new(&entry.place, "a member is agent:NAME, user:NAME or group:NAME").near(Some(&near)));
            return None;
        }
    };
    let found = match kind {
        "agent" => Glob::new(name).map(Member::Agent),
        "user" => Glob::new(name).map(Member::User),
        "group" => Glob::new(name).map(|_| Member::Group),
        _ => {
            let near = nearest(kind, KINDS).map(|near| format!("{near}:{name}"));
            problems.push(Problem::new(&entry.place, "a member is agent:NAME, user:NAME or group:NAME").near(near.as_deref()));
            return None;
        }
    };
    let spelled = Name::new(&name.replace('*', "x"));
    match (found, spelled) {
        (Ok(member), Ok(_)) => Some(member),
        (Err(cause), _) => {
            problems.push(Problem::new(&entry.place, cause.to_string()));
            None
        }
        (_, Err(cause)) => {
            problems.push(Problem::new(&entry.place, cause.to_string()));
            None
        }
    }
}

fn draft(role: &RoleSource, effect: Effect, list: &ServerEntries, drafts: &mut Vec<Draft>, problems: &mut Vec<Problem>) {
    if list.entries.len() > MOST {
        problems.push(Problem::new(&list.place, format!("more than {MOST} entries")));
        return;
    }
    for (at, entry) in list.entries.iter().enumerate() {
        let pattern = match Pattern::new(&entry.text) {
            Ok(pattern) => pattern,
            Err(cause) => {
                problems.push(Problem::new(&entry.place, cause.to_string()));
                continue;
            }
        };
        let id = format!("{}.{}.{}[{at}]", role.name, effect.as_str(), list.server);
        let cedar = permit(&id, role.name.as_str(), list.server.as_str(), &pattern);
        let origin = Origin::Entry { role: role.name.clone(), server: list.server.clone(), pattern };
        drafts.push(Draft { rule: rule(id, entry, effect, role.clearance, origin), cedar });
    }
}

fn rule(id: String, entry: &Entry, effect: Effect, clearance: Label, origin: Origin) -> Rule {
    let text: Arc<str> = entry.text.as_str().into();
    Rule { id: id.into(), place: entry.place.clone(), text, effect, clearance, obligations: Arc::new([]), origin }
}

/// The Cedar text of one entry. That it waits for a person is said by the rule, not by Cedar.
fn permit(id: &str, role: &str, server: &str, pattern: &Pattern) -> String {
    let (action, condition) = match pattern {
        Pattern::Everything => ("action", String::new()),
        Pattern::Tool(glob) => ("action == Action::\"call\"", like(glob)),
        Pattern::Kind(kind, glob) => {
            // What no kind is known of counts as the gravest.
            let otherwise = *kind == Operation::Delete;
            let is = format!("(if context has operation then context.operation == {} else {otherwise})", quote(kind.as_str()));
            ("action == Action::\"call\"", format!("\nwhen {{ resource.name like {} && {is} }}", glob.as_like()))
        }
        Pattern::Prompt(glob) => ("action == Action::\"get\"", like(glob)),
        Pattern::Resource(glob) => {
            let named = glob.as_like();
            let when = format!("\nwhen {{ action == Action::\"list\" || resource.name like {named} }}");
            ("action in [Action::\"read\", Action::\"list\"]", when)
        }
        Pattern::Question(question) => {
            ("action == Action::\"question\"", format!("\nwhen {{ resource.name == {} }}", quote(question.as_str())))
        }
    };
    format!("@id({})\npermit (principal in Role::{}, {action}, resource in Server::{}){condition};", quote(id), quote(role), quote(server))
}

fn like(glob: &Glob) -> String {
    format!("\nwhen {{ resource.name like {} }}", glob.as_like())
}
