//! Which rules can apply at all: lookups that leave out only those whose scope cannot hold.
//!
//! INVARIANT: a forbid is found whenever its condition could be true; the index goes by the scope of a policy, which Cedar demands anyway.

use crate::compile::Compiled;
use crate::role::Role;
use crate::rule::Origin;
use crate::{Action, Effect, Facts, Glob, Holds, Pattern, Subject};
use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use foldhash::HashMap;
use serde_json::{Value, json};
use terms::{Name, Principal};

/// For whom a policy's scope is.
enum Who {
    Anyone,
    Role(String),
    Agent(String),
    User(String),
}

/// Rules of one scope, by what must hold of the subject's name.
#[derive(Debug, Default)]
struct Shelf {
    /// Nothing.
    any: Vec<usize>,
    /// It is this.
    exact: HashMap<String, Vec<usize>>,
    /// It starts so; by the length of the start.
    starts: HashMap<String, Vec<usize>>,
    lengths: Vec<usize>,
}

impl Shelf {
    fn put(&mut self, at: usize, name: Option<&Glob>) {
        match name {
            Some(glob) if glob.is_exact() => {
                self.exact.entry(glob.as_str().to_owned()).or_default().push(at);
            }
            Some(glob) if !glob.prefix().is_empty() => {
                if !self.lengths.contains(&glob.prefix().len()) {
                    self.lengths.push(glob.prefix().len());
                }
                self.starts.entry(glob.prefix().to_owned()).or_default().push(at);
            }
            Some(_) | None => self.any.push(at),
        }
    }

    fn all(&self) -> impl Iterator<Item = usize> + '_ {
        self.any.iter().chain(self.exact.values().flatten()).chain(self.starts.values().flatten()).copied()
    }

    fn take<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let starts = self.lengths.iter().filter_map(|length| name.get(..*length)).filter_map(|start| self.starts.get(start));
        self.any.iter().chain(self.exact.get(name).into_iter().flatten()).chain(starts.flatten()).copied()
    }
}

/// The Cedar policies for one server, or for all, by whom their scope is for.
#[derive(Debug, Default)]
struct Scope {
    anyone: Shelf,
    roles: HashMap<String, Shelf>,
    agents: HashMap<String, Shelf>,
    users: HashMap<String, Shelf>,
}

impl Scope {
    fn put(&mut self, at: usize, who: Who, name: Option<&Glob>) {
        match who {
            Who::Anyone => &mut self.anyone,
            Who::Role(name) => self.roles.entry(name).or_default(),
            Who::Agent(name) => self.agents.entry(name).or_default(),
            Who::User(name) => self.users.entry(name).or_default(),
        }
        .put(at, name);
    }

    fn shelves<'a>(&'a self, principal: &Principal, roles: impl Iterator<Item = &'a str> + 'a) -> impl Iterator<Item = &'a Shelf> + 'a {
        let user = principal.user.as_ref().and_then(|user| self.users.get(user.as_str()));
        let roles = roles.filter_map(|role| self.roles.get(role));
        [Some(&self.anyone), self.agents.get(principal.agent.as_str()), user].into_iter().flatten().chain(roles)
    }
}

/// What a policy demands beside the principal and the server, in its scope and at the very beginning of its condition: where that does not hold,
/// nothing else of it is looked at, by Cedar neither.
#[derive(Debug)]
struct Demand {
    /// One of these actions; `None` for any.
    actions: Option<Vec<String>>,
    /// This subject.
    subject: Option<(String, String)>,
    /// A subject of such a name.
    name: Option<Glob>,
}

impl Demand {
    fn of(policy: &Policy) -> Self {
        let id = |uid: EntityUid| uid.id().unescaped().to_owned();
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(vec![id(uid)]),
            ActionConstraint::In(uids) => Some(uids.into_iter().map(id).collect()),
        };
        let subject = match policy.resource_constraint() {
            ResourceConstraint::Eq(uid) => Some((uid.type_name().basename().to_owned(), id(uid))),
            ResourceConstraint::Any | ResourceConstraint::In(_) | ResourceConstraint::Is(_) | ResourceConstraint::IsIn(_, _) => None,
        };
        Self { actions, subject, name: policy.to_json().ok().and_then(|json| first(&json)) }
    }

    fn met(&self, action: Action, server: &str, subject: Subject<'_>) -> bool {
        let named = |(kind, id): &(String, String)| {
            let own = id.strip_prefix(server).and_then(|rest| rest.strip_prefix('/'));
            kind == subject.kind() && own == Some(subject.name())
        };
        self.actions.as_ref().is_none_or(|actions| actions.iter().any(|one| one == action.as_str()))
            && self.subject.as_ref().is_none_or(named)
            && self.name.as_ref().is_none_or(|glob| glob.matches(subject.name()))
    }
}

/// The glob that a name must fit, where a policy begins with `when { resource.name like "…" && …`, or with `==`.
fn first(policy: &Value) -> Option<Glob> {
    let condition = policy.get("conditions")?.get(0).filter(|condition| condition.get("kind").and_then(Value::as_str) == Some("when"))?;
    let mut test = condition.get("body")?;
    while let Some(both) = test.get("&&") {
        test = both.get("left")?;
    }
    let is_name = |expression: &Value| {
        let access = expression.get(".");
        let of = |key: &str| access.and_then(|access| access.get(key));
        of("attr").and_then(Value::as_str) == Some("name") && of("left") == Some(&json!({ "Var": "resource" }))
    };
    if let Some(like) = test.get("like") {
        let letters = like.get("pattern")?.as_array()?.iter().map(|letter| match letter {
            Value::String(wildcard) if wildcard == "Wildcard" => Some("*"),
            // A star that is meant as one has no place in a glob.
            literal => literal.get("Literal").and_then(Value::as_str).filter(|text| !text.contains('*')),
        });
        return like.get("left").filter(|left| is_name(left)).and_then(|_| Glob::new(&letters.collect::<Option<String>>()?).ok());
    }
    let equal = test.get("==")?;
    let name = equal.get("right")?.get("Value")?.as_str().filter(|text| !text.contains('*'))?;
    equal.get("left").filter(|left| is_name(left)).and_then(|_| Glob::new(name).ok())
}

/// The index of an engine's rules.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By server, by the position of the role.
    entries: HashMap<String, Vec<Option<Shelf>>>,
    /// Policies whose scope names a server, and those whose does not.
    here: HashMap<String, Scope>,
    anywhere: Scope,
    /// By position of the rule.
    demands: Vec<Option<Demand>>,
}

impl Index {
    /// Indexes `rules`; positions are those in the slice.
    pub(crate) fn new(roles: &[Role], rules: &[Compiled]) -> Self {
        let mut index = Self { demands: rules.iter().map(|_| None).collect(), ..Self::default() };
        let positions: HashMap<&Name, usize> = roles.iter().enumerate().map(|(at, role)| (&role.source.name, at)).collect();
        for (at, compiled) in rules.iter().enumerate() {
            match (&compiled.rule.origin, &compiled.policy) {
                (Origin::Entry { role, server, pattern, .. }, _) => {
                    let shelves = index.entries.entry(server.as_str().to_owned()).or_default();
                    shelves.resize_with(roles.len(), || None);
                    if let Some(shelf) = positions.get(role).and_then(|role| shelves.get_mut(*role)) {
                        shelf.get_or_insert_default().put(at, name(pattern));
                    }
                }
                (Origin::Cedar, Some(policy)) => {
                    let scope = match server(&policy.resource_constraint()) {
                        Some(server) => index.here.entry(server).or_default(),
                        None => &mut index.anywhere,
                    };
                    let demand = Demand::of(policy);
                    scope.put(at, who(&policy.principal_constraint()), demand.name.as_ref());
                    if let Some(place) = index.demands.get_mut(at) {
                        *place = Some(demand);
                    }
                }
                (Origin::Cedar, None) => {}
            }
        }
        index
    }

    /// The entries of the roles at these positions that apply to `facts`, in no order. What cannot be known yet counts.
    pub(crate) fn entries<'a>(
        &'a self,
        rules: &'a [Compiled],
        held: &'a [usize],
        facts: &'a Facts<'_>,
    ) -> impl Iterator<Item = &'a Compiled> {
        let shelves = self.entries.get(facts.server.as_str()).map(Vec::as_slice).unwrap_or_default();
        let of_roles = held.iter().filter_map(|role| shelves.get(*role)?.as_ref());
        of_roles.flat_map(|shelf| shelf.take(facts.subject.name())).filter_map(|at| rules.get(at)).filter(|compiled| {
            match &compiled.rule.origin {
                Origin::Entry { pattern, when, .. } => {
                    pattern.matches(facts.subject, facts.action)
                        && pattern.takes(facts.operation)
                        && (when.is_empty() || when.holds(facts) != Holds::No)
                }
                Origin::Cedar => false,
            }
        })
    }

    /// The Cedar policies that can apply to `facts` of a principal in `roles`, in order of position.
    pub(crate) fn policies<'a>(&'a self, facts: &'a Facts<'_>, roles: impl Iterator<Item = &'a str> + Clone + 'a) -> Vec<usize> {
        let scopes = self.here.get(facts.server.as_str()).into_iter().chain([&self.anywhere]);
        let shelves = scopes.flat_map(|scope| scope.shelves(facts.principal, roles.clone()));
        let found = shelves.flat_map(|shelf| shelf.take(facts.subject.name()));
        let mut found: Vec<usize> = found
            .filter(|at| {
                self.demands
                    .get(*at)
                    .and_then(Option::as_ref)
                    .is_none_or(|demand| demand.met(facts.action, facts.server.as_str(), facts.subject))
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a rule that can permit something at `server` is in reach of `principal`, who holds the roles at these positions, of these names.
    pub(crate) fn reaches(&self, rules: &[Compiled], principal: &Principal, held: &[usize], roles: &[&str], server: &str) -> bool {
        let shelves = self.entries.get(server).map(Vec::as_slice).unwrap_or_default();
        let listed = |role: &usize| shelves.get(*role).is_some_and(Option::is_some);
        let permits = |at: usize| rules.get(at).is_some_and(|compiled| compiled.rule.effect != Effect::Forbid);
        let mut scopes = self.here.get(server).into_iter().chain([&self.anywhere]);
        held.iter().any(listed) || scopes.any(|scope| scope.shelves(principal, roles.iter().copied()).any(|shelf| shelf.all().any(permits)))
    }
}

/// What must hold of a name for an entry.
const fn name(pattern: &Pattern) -> Option<&Glob> {
    match pattern {
        Pattern::Tool(glob) | Pattern::Kind(_, glob) | Pattern::Prompt(glob) => Some(glob),
        Pattern::Everything | Pattern::Resource(_) | Pattern::Question(_) => None,
    }
}

fn who(scope: &PrincipalConstraint) -> Who {
    let uid = match scope {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => return Who::Anyone,
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => uid,
    };
    let id = uid.id().unescaped().to_owned();
    match uid.type_name().basename() {
        "Role" => Who::Role(id),
        "Agent" => Who::Agent(id),
        "User" => Who::User(id),
        _ => Who::Anyone,
    }
}

fn server(scope: &ResourceConstraint) -> Option<String> {
    let uid: &EntityUid = match scope {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => return None,
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => uid,
    };
    let id = uid.id().unescaped();
    match uid.type_name().basename() {
        "Server" => Some(id.to_owned()),
        "Tool" | "Prompt" | "Resource" | "Method" | "Question" => id.split_once('/').map(|(server, _)| server.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_first_test_of_a_policy_is_looked_at_beforehand() {
        let glob = |condition: &str| {
            let policy: Policy = format!("forbid (principal, action, resource) {condition};").parse().unwrap();
            first(&policy.to_json().unwrap()).map(|glob| glob.to_string())
        };
        assert_eq!(glob(r#"when { resource.name like "*secret*" }"#).as_deref(), Some("*secret*"));
        assert_eq!(glob(r#"when { resource.name == "a" && context has user && context.user == "b" } when { true }"#).as_deref(), Some("a"));
        for other in [
            r#"when { context.user == "b" && resource.name like "a" }"#,
            r#"when { resource.name like "a" || context.user == "b" }"#,
            r#"unless { resource.name like "a" }"#,
            r#"when { true } when { resource.name like "a" }"#,
            r#"when { resource.server like "a" }"#,
            r#"when { resource.name like "a\*" }"#,
            r#"when { resource.name == "*" }"#,
            r#"when { !(resource.name like "a") }"#,
            "",
        ] {
            assert_eq!(glob(other), None, "{other}");
        }
    }
}
