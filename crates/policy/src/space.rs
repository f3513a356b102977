//! Who and what the rules of engines speak of: enough principals and subjects that any difference between two of them shows.
//!
//! A wildcard stands for one sample: globs have a single sort of wildcard, so what differs for some name that only wildcards reach differs for the sample
//! too, unless another entry names it; and names that entries or the inventory name are all there. Of a Cedar condition its string literals are tried.

use crate::role::Kind;
use crate::rule::Origin;
use crate::{Action, Engine, Inventory, Method, Pattern, Question, Subject};
use std::collections::{BTreeMap, BTreeSet};
use terms::{Authenticated, Name, Principal, ServerName, TokenId, Workload};

/// What stands in the place of a wildcard.
const SAMPLE: &str = "x";
/// A program that no rule names, unless one names this.
const STRANGER: &str = "anyone-else";
/// The most principals that are compared.
const MOST: usize = 20_000;

/// More principals than can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rules speak of {0} principals, of which at most {MOST} can be compared")]
pub struct TooMany(pub usize);

/// A subject that owns its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spoken {
    /// A tool.
    Tool(String),
    /// A prompt.
    Prompt(String),
    /// A resource, by URI.
    Resource(String),
    /// A method of the server as a whole.
    Method(Method),
    /// A question of the server's.
    Question(Question),
}

impl Spoken {
    /// The subject.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::Tool(name) => Subject::Tool(name),
            Self::Prompt(name) => Subject::Prompt(name),
            Self::Resource(uri) => Subject::Resource(uri),
            Self::Method(method) => Subject::Method(*method),
            Self::Question(question) => Subject::Question(*question),
        }
    }

    /// What can be done to it.
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL.into_iter().filter(|action| self.subject().takes(*action))
    }
}

/// Principals and subjects that are worth asking about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Programs, each with the pattern that it is a sample of.
    agents: BTreeMap<Name, String>,
    /// Users, likewise.
    users: BTreeMap<Name, String>,
    subjects: BTreeMap<ServerName, BTreeSet<Spoken>>,
    /// Names that Cedar policies hold.
    literal: BTreeSet<Name>,
}

impl Space {
    /// What either speaks of.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.agents.extend(other.agents);
        self.users.extend(other.users);
        self.literal.extend(other.literal);
        for (server, subjects) in other.subjects {
            self.subjects.entry(server).or_default().extend(subjects);
        }
        self
    }

    /// The subjects by server.
    pub const fn subjects(&self) -> &BTreeMap<ServerName, BTreeSet<Spoken>> {
        &self.subjects
    }

    /// Every program alone and for every user; one that no rule names among them.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn principals(&self) -> Result<Vec<Principal>, TooMany> {
        let stranger = Name::new(STRANGER).ok();
        let agents: BTreeSet<&Name> = self.agents.keys().chain(stranger.as_ref()).collect();
        let all = agents.len().saturating_mul(self.users.len() + 1);
        if all > MOST {
            return Err(TooMany(all));
        }
        let users = || std::iter::once(None).chain(self.users.keys().map(Some));
        let principal = |agent: &Name, user: Option<&Name>| Principal {
            agent: agent.clone(),
            user: user.cloned(),
            workload: Workload::Remote,
            authenticated: Authenticated::Token { id: TokenId::from_bits(0) },
        };
        Ok(agents.into_iter().flat_map(|agent| users().map(move |user| principal(agent, user))).collect())
    }

    /// How a member list would name `principal`: `agent:NAME`, `user:NAME` or both; for a sample its pattern.
    pub fn name(&self, principal: &Principal) -> String {
        let shown = |known: &BTreeMap<Name, String>, name: &Name| known.get(name).cloned().unwrap_or_else(|| name.to_string());
        let agent = (!self.is_stranger(principal)).then(|| format!("agent:{}", shown(&self.agents, &principal.agent)));
        let user = principal.user.as_ref().map(|user| format!("user:{}", shown(&self.users, user)));
        let parts: Vec<String> = agent.into_iter().chain(user).collect();
        if parts.is_empty() { "anyone else".to_owned() } else { parts.join(" for ") }
    }

    /// Whether no rule names the program.
    pub fn is_stranger(&self, principal: &Principal) -> bool {
        principal.agent.as_str() == STRANGER && !self.agents.contains_key(&principal.agent)
    }

    /// Whether a Cedar policy may tell `principal` from others in the same roles.
    pub(crate) fn is_literal(&self, principal: &Principal) -> bool {
        self.literal.contains(&principal.agent) || principal.user.as_ref().is_some_and(|user| self.literal.contains(user))
    }
}

impl Engine {
    /// Who and what its rules, and the tools of `inventory`, speak of.
    pub fn space(&self, inventory: &Inventory) -> Space {
        let mut space = Space::default();
        for role in &self.roles {
            for (kind, pattern) in role.patterns() {
                let Ok(name) = Name::new(&sample(pattern)) else { continue };
                let known = match kind {
                    Kind::Agent => &mut space.agents,
                    Kind::User => &mut space.users,
                };
                // A name that is written out is shown as it is, also where a pattern has it for a sample.
                let shown = known.entry(name.clone()).or_insert_with(|| pattern.to_owned());
                if pattern == name.as_str() {
                    pattern.clone_into(shown);
                }
            }
        }
        let everywhere = || Method::ALL.map(Spoken::Method).into_iter().chain(Question::ALL.map(Spoken::Question));
        for server in self.servers() {
            let tools = inventory.get(server).into_iter().flatten().cloned().map(Spoken::Tool);
            space.subjects.entry(server.clone()).or_default().extend(everywhere().chain(tools));
        }
        for compiled in &self.rules {
            match &compiled.rule.origin {
                Origin::Entry { server, pattern, .. } => {
                    let spoken = match pattern {
                        Pattern::Everything => [SAMPLE].map(|name| Spoken::Tool(name.to_owned())).into_iter().chain(others()).collect(),
                        Pattern::Tool(glob) | Pattern::Kind(_, glob) => vec![Spoken::Tool(sample(glob.as_str()))],
                        Pattern::Prompt(glob) => vec![Spoken::Prompt(sample(glob.as_str()))],
                        Pattern::Resource(glob) => vec![Spoken::Resource(sample(glob.as_str()))],
                        Pattern::Question(_) => Vec::new(),
                    };
                    space.subjects.entry(server.clone()).or_default().extend(spoken);
                }
                Origin::Cedar => {
                    for literal in literals(&compiled.rule.text) {
                        if let Ok(name) = Name::new(&sample(&literal)) {
                            space.agents.entry(name.clone()).or_insert_with(|| literal.clone());
                            space.users.entry(name.clone()).or_insert_with(|| literal.clone());
                            space.literal.insert(name);
                        }
                        for server in self.servers() {
                            let own = literal.strip_prefix(server.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&literal);
                            let name = sample(own);
                            let spoken = [Spoken::Tool(name.clone()), Spoken::Prompt(name.clone()), Spoken::Resource(name)];
                            space.subjects.entry(server.clone()).or_default().extend(spoken.into_iter().chain(others()));
                        }
                    }
                }
            }
        }
        space
    }
}

/// A prompt and a resource that nothing names.
fn others() -> [Spoken; 2] {
    [Spoken::Prompt(SAMPLE.to_owned()), Spoken::Resource(format!("{SAMPLE}:{SAMPLE}"))]
}

fn sample(pattern: &str) -> String {
    pattern.replace('*', SAMPLE)
}

/// The string literals of a Cedar text, escapes of quotes and backslashes read.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = text.chars();
    while letters.by_ref().any(|letter| letter == '"') {
        let mut literal = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => literal.extend(letters.next()),
                _ => literal.push(letter),
            }
        }
        found.push(literal);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_with_their_escapes() {
        assert_eq!(literals(r#"permit (principal == Agent::"a\"b", action, resource) when { x like "read_*" };"#), ["a\"b", "read_*"]);
        assert_eq!(literals(r#"no "end"#), ["end"]);
        assert!(literals("none").is_empty());
    }
}
