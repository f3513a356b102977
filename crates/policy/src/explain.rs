//! Why a verdict is what it is, for operators. Never shown to a peer: it names roles and rules.

use crate::place::nearest;
use crate::rule::Origin;
use crate::{Effect, Engine, Facts, Holds, Rule, Subject, Verdict};
use std::sync::Arc;
use terms::Name;

/// The most near misses of one explanation.
const MOST: usize = 5;

/// Why a rule did not apply. Ordered from nearest to farthest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// It applied, but a stricter rule won.
    Outweighed,
    /// Its scope fits; its condition does not hold.
    Condition,
    /// It speaks of another name; `edits` away where that is near.
    Name {
        /// The number of single-character edits between the two.
        edits: usize,
    },
    /// It would apply, to members of a role that the principal is not in.
    Role(Name),
    /// It speaks of something else at this server, such as prompts where a tool was called.
    Kind,
}

/// A rule that might have decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Why it did not.
    pub miss: Miss,
}

/// A verdict with its grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided; its `rules` are the lines that decided, with place and text.
    pub verdict: Verdict,
    /// The roles of the principal.
    pub roles: Vec<Name>,
    /// Rules that come near and did not decide, nearest first, at most five.
    pub near: Vec<Near>,
}

impl Engine {
    /// Decides as [`Engine::decide`] does, and says why.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let verdict = self.decide(facts);
        let roles: Vec<Name> = self.roles_in(facts.principal, &facts.situation).into_iter().cloned().collect();
        let mut near: Vec<Near> = self
            .rules
            .iter()
            .filter(|compiled| compiled.rule.effect != Effect::Forbid)
            .filter(|compiled| !verdict.rules.iter().any(|rule| rule.id == compiled.rule.id))
            .filter_map(|compiled| miss(&compiled.rule, facts, &roles).map(|miss| Near { rule: compiled.rule.clone(), miss }))
            .collect();
        near.sort_by(|one, other| one.miss.cmp(&other.miss).then_with(|| one.rule.place.cmp(&other.rule.place)));
        near.truncate(MOST);
        Explanation { verdict, roles, near }
    }
}

fn miss(rule: &Rule, facts: &Facts<'_>, roles: &[Name]) -> Option<Miss> {
    let Origin::Entry { role, server, pattern, when } = &rule.origin else { return Some(Miss::Condition) };
    if server != facts.server {
        return None;
    }
    let applies = pattern.matches(facts.subject, facts.action);
    match (roles.contains(role), applies) {
        (true, true) if !pattern.takes(facts.operation) || when.holds(facts) == Holds::No => Some(Miss::Condition),
        (false, true) if !pattern.takes(facts.operation) => None,
        (true, true) => Some(Miss::Outweighed),
        (false, true) => Some(Miss::Role(role.clone())),
        (true, false) => Some(distance(pattern, facts.subject).map_or(Miss::Kind, |edits| Miss::Name { edits })),
        (false, false) => None,
    }
}

/// How far a pattern of the subject's kind is from its name: exact names by edits, globs by the edits to their start.
fn distance(pattern: &crate::Pattern, subject: Subject<'_>) -> Option<usize> {
    use crate::Pattern;
    match (pattern, subject) {
        (Pattern::Tool(glob) | Pattern::Kind(_, glob), Subject::Tool(name))
        | (Pattern::Prompt(glob), Subject::Prompt(name))
        | (Pattern::Resource(glob), Subject::Resource(name)) => {
            let literal = glob.as_str().replace('*', "");
            let length = if glob.is_exact() { usize::MAX } else { literal.chars().count() };
            let start: String = name.chars().take(length.min(256)).collect();
            Some(strsim::osa_distance(&literal, &start))
        }
        (
            Pattern::Everything | Pattern::Tool(_) | Pattern::Kind(..) | Pattern::Prompt(_) | Pattern::Resource(_) | Pattern::Question(_),
            _,
        ) => None,
    }
}

impl Explanation {
    /// The lines that decided, as `file:line  text`.
    pub fn decided(&self) -> Vec<String> {
        self.verdict.rules.iter().map(|rule| format!("{}  {} {}", rule.place.short(), rule.effect.as_str(), rule.text)).collect()
    }

    /// The name among `offered` that a caller of an unknown one most probably meant.
    pub fn meant<'a>(facts: &Facts<'_>, offered: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        nearest(facts.subject.name(), offered)
    }
}
