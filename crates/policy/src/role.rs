//! Roles to rules, one for each entry, and what each means in Cedar.

use crate::glob::quote;
use crate::place::{Problem, nearest};
use crate::rule::Origin;
use crate::{
    Effect, Entry, Glob, Holds, Member, MemberError, Pattern, Place, RoleSource, Rule, Schedule, ServerEntries, Situation, Strict, When,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terms::{Name, Operation, Principal, ServerName};

/// The most roles, the most members of one, the most entries of one.
const MOST: usize = 10_000;

/// A role, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) source: RoleSource,
    members: Vec<Member>,
    hours: Option<(Schedule, Strict)>,
}

impl Role {
    /// Whether `principal` is in it; a perhaps counts.
    pub(crate) fn has(&self, principal: &Principal, situation: &Situation<'_>) -> bool {
        self.members.iter().any(|member| member.holds(principal, situation) != Holds::No)
    }

    /// The names and patterns of its members that can be somebody.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.members.iter().filter_map(|member| match member {
            Member::Agent(glob) => Some((Kind::Agent, glob.as_str())),
            Member::User(glob) => Some((Kind::User, glob.as_str())),
            Member::Group(_) | Member::Certificate(_) | Member::Client(_) | Member::Network(_) | Member::Environment(_) => None,
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
                Member::Agent(_)
                | Member::User(_)
                | Member::Certificate(_)
                | Member::Client(_)
                | Member::Network(_)
                | Member::Environment(_) => more = true,
                Member::Group(_) => {}
            }
        }
        (names, more)
    }

    /// What becomes of what it permits in `situation`: `None` within its hours, or where it has none.
    pub(crate) fn outside(&self, situation: &Situation<'_>) -> Option<Strict> {
        let (schedule, strict) = self.hours.as_ref()?;
        let within = match situation {
            Situation::Any => true,
            Situation::Is(now) => now.at.is_some_and(|at| schedule.contains(at)),
        };
        (!within).then_some(*strict)
    }

    /// Whether it has hours.
    pub(crate) const fn is_timed(&self) -> bool {
        self.hours.is_some()
    }
}

/// Which of a principal's facts a member names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Agent,
    User,
}

/// Compiles `sources`; every problem goes to `problems`.
pub(crate) fn compile(sources: Vec<RoleSource>, servers: &[ServerName], problems: &mut Vec<Problem>) -> (Vec<Role>, Vec<Rule>) {
    let mut seen: BTreeMap<Name, Place> = BTreeMap::new();
    let mut roles = Vec::new();
    let mut rules = Vec::new();
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
                entries(&source, effect, list, &mut rules, problems);
            }
        }
        let hours = source.hours.as_ref().and_then(|hours| match hours.within.text.parse::<Schedule>() {
            Ok(schedule) => Some((schedule, hours.strict)),
            Err(cause) => {
                problems.push(Problem::new(&hours.within.place, cause.to_string()));
                None
            }
        });
        if source.when.reads_arguments() {
            let message = "conditions on arguments belong to entries, which name their tools";
            problems.push(Problem::new(&source.place, message));
        }
        roles.push(Role { source, members, hours });
    }
    (roles, rules)
}

fn member(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Member> {
    match entry.text.parse() {
        Ok(member) => Some(member),
        Err(MemberError::Sort(near)) => {
            problems.push(Problem::new(&entry.place, MemberError::Sort(None).to_string()).near(near.as_deref()));
            None
        }
        Err(cause) => {
            problems.push(Problem::new(&entry.place, cause.to_string()));
            None
        }
    }
}

fn entries(role: &RoleSource, effect: Effect, list: &ServerEntries, rules: &mut Vec<Rule>, problems: &mut Vec<Problem>) {
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
        let named = matches!(&pattern, Pattern::Tool(glob) | Pattern::Kind(_, glob) if glob.is_exact());
        if entry.when.reads_arguments() && !named {
            problems.push(Problem::new(&entry.place, "a condition on arguments is for tools that are named in full, without *"));
            continue;
        }
        let id = format!("{}.{}.{}[{at}]", role.name, effect.as_str(), list.server);
        let when = When(role.when.0.iter().chain(&entry.when.0).cloned().collect());
        let origin = Origin::Entry { role: role.name.clone(), server: list.server.clone(), pattern, when };
        rules.push(rule(id, entry, effect, role, origin));
    }
}

fn rule(id: String, entry: &Entry, effect: Effect, role: &RoleSource, origin: Origin) -> Rule {
    let text: Arc<str> = entry.text.as_str().into();
    let scope = Some(role.name.clone());
    let clearance = role.clearance;
    Rule { id: id.into(), place: entry.place.clone(), text, effect, clearance, obligations: Arc::new([]), scope, origin }
}

/// What one entry means, in Cedar. That it waits for a person, and when its role is at work, is said by the rule and the role, not by Cedar.
pub(crate) fn permit(id: &str, role: &Name, server: &ServerName, pattern: &Pattern, when: &When) -> String {
    let (action, condition) = match pattern {
        Pattern::Everything => ("action", None),
        Pattern::Tool(glob) => ("action == Action::\"call\"", Some(like(glob))),
        Pattern::Kind(kind, glob) => {
            // What no kind is known of counts as the gravest.
            let otherwise = *kind == Operation::Delete;
            let is = format!("(if context has operation then context.operation == {} else {otherwise})", quote(kind.as_str()));
            ("action == Action::\"call\"", Some(format!("{} && {is}", like(glob))))
        }
        Pattern::Prompt(glob) => ("action == Action::\"get\"", Some(like(glob))),
        Pattern::Resource(glob) => {
            let named = format!("(action == Action::\"list\" || {})", like(glob));
            ("action in [Action::\"read\", Action::\"list\"]", Some(named))
        }
        Pattern::Question(question) => ("action == Action::\"question\"", Some(format!("resource.name == {}", quote(question.as_str())))),
    };
    let tool = match pattern {
        Pattern::Tool(glob) | Pattern::Kind(_, glob) if glob.is_exact() => Some(shown(server, glob.as_str())),
        Pattern::Everything | Pattern::Tool(_) | Pattern::Kind(..) | Pattern::Prompt(_) | Pattern::Resource(_) | Pattern::Question(_) => {
            None
        }
    };
    let all: Vec<String> = condition.into_iter().chain(when.as_cedar(tool.as_deref())).collect();
    let when = if all.is_empty() { String::new() } else { format!("\nwhen {{ {} }}", all.join(" && ")) };
    let (role, server) = (quote(role.as_str()), quote(server.as_str()));
    format!("@id({})\npermit (principal in Role::{role}, {action}, resource in Server::{server}){when};", quote(id))
}

fn like(glob: &Glob) -> String {
    format!("resource.name like {}", glob.as_like())
}

/// The key of a tool in `context.arguments`, as under `tools` in the configuration.
pub(crate) fn shown(server: &ServerName, tool: &str) -> String {
    format!("{server}__{tool}")
}
