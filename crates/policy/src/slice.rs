//! Which rules can apply at all: a lookup that leaves out only those whose scope cannot hold.
//!
//! INVARIANT: a forbid is found whenever its condition could be true; the index goes by the scope of a policy, which Cedar demands anyway.

use crate::compile::Compiled;
use crate::rule::Origin;
use crate::{Effect, Facts, Pattern, Subject};
use cedar_policy::{EntityUid, PrincipalConstraint, ResourceConstraint};
use std::collections::{BTreeSet, HashMap};
use terms::{Principal, ServerName};

/// For whom a rule's scope is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Anyone,
    Role(String),
    Agent(String),
    User(String),
}

/// The rules of one scope, by what must hold of the subject's name.
#[derive(Debug, Default)]
struct Shelf {
    /// Nothing.
    any: Vec<usize>,
    /// It is this.
    exact: HashMap<String, Vec<usize>>,
    /// It starts so; by the length of the start.
    starts: HashMap<String, Vec<usize>>,
    lengths: BTreeSet<usize>,
}

impl Shelf {
    fn put(&mut self, at: usize, pattern: Option<&Pattern>) {
        match pattern {
            Some(Pattern::Tool(glob) | Pattern::Kind(_, glob) | Pattern::Prompt(glob)) if glob.is_exact() => {
                self.exact.entry(glob.as_str().to_owned()).or_default().push(at);
            }
            Some(Pattern::Tool(glob) | Pattern::Kind(_, glob) | Pattern::Prompt(glob)) if !glob.prefix().is_empty() => {
                self.lengths.insert(glob.prefix().len());
                self.starts.entry(glob.prefix().to_owned()).or_default().push(at);
            }
            Some(
                Pattern::Everything
                | Pattern::Tool(_)
                | Pattern::Kind(..)
                | Pattern::Prompt(_)
                | Pattern::Resource(_)
                | Pattern::Question(_),
            )
            | None => {
                self.any.push(at);
            }
        }
    }

    fn take<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let starts = self.lengths.iter().filter_map(|length| name.get(..*length)).filter_map(|start| self.starts.get(start));
        self.any.iter().chain(self.exact.get(name).into_iter().flatten()).chain(starts.flatten()).copied()
    }
}

/// The index of an engine's rules.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By server, where the scope names one; by principal.
    shelves: HashMap<Option<String>, HashMap<Who, Shelf>>,
}

impl Index {
    /// Indexes `rules`; positions are those in the slice.
    pub(crate) fn new(rules: &[Compiled]) -> Self {
        let mut index = Self::default();
        for (at, compiled) in rules.iter().enumerate() {
            let (server, who, pattern) = match &compiled.rule.origin {
                Origin::Entry { role, server, pattern } => {
                    (Some(server.as_str().to_owned()), Who::Role(role.as_str().to_owned()), Some(pattern))
                }
                Origin::Cedar => (server(&compiled.policy.resource_constraint()), who(&compiled.policy.principal_constraint()), None),
            };
            index.shelves.entry(server).or_default().entry(who).or_default().put(at, pattern);
        }
        index
    }

    /// The rules that can apply to `facts` of a principal in `roles`, in order of position.
    pub(crate) fn candidates<'r>(&self, rules: &[Compiled], facts: &Facts<'_>, roles: impl Iterator<Item = &'r str> + Clone) -> Vec<usize> {
        let principal = facts.principal;
        let mut found = Vec::new();
        for server in [Some(facts.server.as_str().to_owned()), None] {
            let Some(shelves) = self.shelves.get(&server) else { continue };
            let of_user = principal.user.as_ref().map(|user| Who::User(user.as_str().to_owned()));
            let of_roles = roles.clone().map(|role| Who::Role(role.to_owned()));
            let whos = [Who::Anyone, Who::Agent(principal.agent.as_str().to_owned())].into_iter().chain(of_user).chain(of_roles);
            for shelf in whos.filter_map(|who| shelves.get(&who)) {
                found.extend(shelf.take(facts.subject.name()));
            }
        }
        found.retain(|at| rules.get(*at).is_some_and(|compiled| can_apply(compiled, facts.subject, facts)));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a rule that can permit something at `server` is in reach of `principal`, who holds `roles`.
    pub(crate) fn reaches(&self, rules: &[Compiled], principal: &Principal, roles: &[&str], server: &ServerName) -> bool {
        let permits = |at: &usize| rules.get(*at).is_some_and(|compiled| compiled.rule.effect != Effect::Forbid);
        let shelves = [Some(server.as_str().to_owned()), None].into_iter().filter_map(|server| self.shelves.get(&server));
        shelves.flatten().any(|(who, shelf)| {
            let mine = match who {
                Who::Anyone => true,
                Who::Role(name) => roles.contains(&name.as_str()),
                Who::Agent(name) => principal.agent.as_str() == name,
                Who::User(name) => principal.user.as_ref().is_some_and(|user| user.as_str() == name),
            };
            mine && (shelf.any.iter().chain(shelf.exact.values().flatten()).chain(shelf.starts.values().flatten())).any(permits)
        })
    }
}

fn can_apply(compiled: &Compiled, subject: Subject<'_>, facts: &Facts<'_>) -> bool {
    match &compiled.rule.origin {
        Origin::Entry { pattern, .. } => pattern.matches(subject, facts.action),
        Origin::Cedar => true,
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
