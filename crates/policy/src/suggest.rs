//! What a role needs, learnt from what it used: `policy suggest`.
//!
//! A suggestion never says more than the rules of today: it names what was used, and a glob only where the rules of today have a wider one and every tool that
//! it fits among those that are offered was used.

use crate::rule::Origin;
use crate::{Action, Effect, Engine, Inventory, Pattern, Place, Spoken};
use std::collections::{BTreeMap, BTreeSet};
use terms::{Label, Name, Operation, ServerName};

/// The most names that are kept of one role.
const NAMES: usize = 50_000;
/// The most callers that are kept of one role.
const CALLERS: usize = 10_000;
/// The fewest used names that a glob stands for.
const WORTH: usize = 3;

/// Whether globs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Globs {
    /// Where they let in nothing that is offered and was not used.
    Tight,
    /// Never.
    Never,
}

/// What was done with something, and of which kind that was, where it is known.
pub type Done = (Action, Option<Operation>);

/// What was used: of one role or of one principal. Bounded; what is beyond is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    uses: BTreeMap<(ServerName, Spoken), BTreeMap<Done, u64>>,
    callers: BTreeMap<String, u64>,
    highest: Label,
    calls: u64,
    beyond: u64,
}

impl Usage {
    /// Counts one use of `subject` at `server` by `caller`, of the kind `operation`; `label` is that of what it received.
    pub fn count(&mut self, caller: &str, (server, subject): (&ServerName, &Spoken), done: Done, label: Option<Label>) {
        self.calls += 1;
        self.highest = self.highest.max(label.unwrap_or_default());
        if let Some(count) = self.callers.get_mut(caller) {
            *count += 1;
        } else if self.callers.len() < CALLERS {
            self.callers.insert(caller.to_owned(), 1);
        }
        let key = (server.clone(), subject.clone());
        if self.uses.len() < NAMES || self.uses.contains_key(&key) {
            *self.uses.entry(key).or_default().entry(done).or_default() += 1;
        } else {
            self.beyond += 1;
        }
    }

    /// How many uses there were.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Who used it, and how often.
    pub const fn callers(&self) -> &BTreeMap<String, u64> {
        &self.callers
    }

    /// How many uses are of names that were too many to keep.
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many different names were used.
    pub fn names(&self) -> usize {
        self.uses.len()
    }
}

/// One entry that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// As it is written in the file.
    pub entry: String,
    /// What of it was used, and how often.
    pub used: Vec<(String, u64)>,
}

/// An entry of today that nothing needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Where it stands.
    pub place: Place,
    /// For which server.
    pub server: ServerName,
    /// As it is written.
    pub entry: String,
}

/// What a role needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// What it may use.
    pub allow: BTreeMap<ServerName, Vec<Suggested>>,
    /// The highest label that it received.
    pub clearance: Label,
    /// What it used that is allowed under conditions alone: by server and the place of the entry, which stays with its condition, and how often.
    pub conditions: BTreeMap<(ServerName, Place), Vec<(String, u64)>>,
    /// What it used that no narrow entry can name, so that one of today stays: the server, the entry, and what it is kept for.
    pub kept: Vec<(ServerName, String, String)>,
    /// Entries of today that nothing used.
    pub unused: Vec<Unused>,
    /// Tools that the entries of today open, of those that are offered, and that were not used.
    pub idle: usize,
}

impl Engine {
    /// The least that allows `usage`, within what the entries of `roles` allow today.
    pub fn suggest(&self, roles: &[Name], usage: &Usage, inventory: &Inventory, globs: Globs) -> Suggestion {
        let today: Vec<Entry<'_>> = self.entries(roles).collect();
        let mut found = Suggestion { clearance: usage.highest, ..Suggestion::default() };
        let mut plain: BTreeMap<(&ServerName, Sort), BTreeMap<String, u64>> = BTreeMap::new();
        let mut unnamed: Vec<(&ServerName, &Spoken, Action, &str)> = Vec::new();
        let mut needed: BTreeSet<(&ServerName, &str)> = BTreeSet::new();
        for ((server, subject), actions) in &usage.uses {
            for ((action, operation), count) in actions {
                let speaks = |pattern: &Pattern| pattern.matches(subject.subject(), *action) && pattern.takes(*operation);
                let fits = |entry: &&Entry<'_>| entry.server == server && speaks(entry.pattern);
                let allowing: Vec<&Entry<'_>> = today.iter().filter(fits).collect();
                needed.extend(allowing.iter().map(|entry| (entry.server, entry.text)));
                // What is allowed only under conditions stays so, under the first of them.
                if let (Some(entry), true) = (allowing.first(), allowing.iter().all(|entry| entry.under == Under::Condition)) {
                    let condition = found.conditions.entry((server.clone(), entry.place.clone())).or_default();
                    condition.push((entry.text.to_owned(), *count));
                    continue;
                }
                let kinds = !allowing.is_empty() && allowing.iter().all(|entry| matches!(entry.pattern, Pattern::Kind(..)));
                let kind = if kinds { Some(operation.unwrap_or(Operation::Delete)) } else { None };
                match written(subject, *action, kind) {
                    Some((sort, name)) => *plain.entry((server, sort)).or_default().entry(name).or_default() += count,
                    None => {
                        let narrowest = allowing
                            .iter()
                            .min_by_key(|entry| (*entry.pattern == Pattern::Everything, std::cmp::Reverse(entry.text.len())));
                        let Some(entry) = narrowest else { continue };
                        unnamed.push((server, subject, *action, entry.text));
                    }
                }
            }
        }
        for ((server, sort), names) in plain {
            let offered = if sort == Sort::Tool { inventory.get(server).map(Vec::as_slice).unwrap_or_default() } else { &[] };
            let wider: Vec<&Pattern> = today.iter().filter(|entry| entry.server == server).map(|entry| entry.pattern).collect();
            let covered = if sort == Sort::Tool && globs == Globs::Tight { cover(&names, offered, &wider) } else { Vec::new() };
            let list = found.allow.entry(server.clone()).or_default();
            list.extend(written_out(sort, &names, covered));
        }
        let says = |server: &ServerName, subject: &Spoken, action| {
            let list = found.allow.get(server).into_iter().flatten();
            list.filter_map(|one| Pattern::new(&one.entry).ok()).any(|pattern| pattern.matches(subject.subject(), action))
        };
        // What a narrow entry says beside its own, such as the listing of resources, needs no wide one.
        let left = unnamed.into_iter().filter(|(server, subject, action, _)| !says(server, subject, *action));
        found.kept = left
            .map(|(server, subject, action, entry)| {
                (server.clone(), entry.to_owned(), format!("{} {}", action.as_str(), subject.subject().name()))
            })
            .collect();
        for (server, entry, _) in &found.kept {
            let list = found.allow.entry(server.clone()).or_default();
            if !list.iter().any(|one| one.entry == *entry) {
                list.push(Suggested { entry: entry.clone(), used: Vec::new() });
            }
        }
        let unused = today.iter().filter(|entry| !needed.contains(&(entry.server, entry.text)));
        found.unused =
            unused.map(|entry| Unused { place: entry.place.clone(), server: entry.server.clone(), entry: entry.text.to_owned() }).collect();
        let open = |server: &ServerName, tool: &String| {
            let subject = Spoken::Tool(tool.clone());
            today.iter().any(|entry| entry.server == server && entry.pattern.matches(subject.subject(), Action::Call))
                && !usage.uses.contains_key(&(server.clone(), subject))
        };
        found.idle = inventory.iter().map(|(server, tools)| tools.iter().filter(|tool| open(server, tool)).count()).sum();
        found
    }

    fn entries<'a>(&'a self, roles: &'a [Name]) -> impl Iterator<Item = Entry<'a>> {
        self.rules.iter().filter_map(|compiled| match &compiled.rule.origin {
            Origin::Entry { role, server, pattern, when } if roles.contains(role) && compiled.rule.effect == Effect::Allow => {
                let whole = self.roles.iter().find(|one| one.source.name == *role).map_or(0, |one| one.source.when.0.len());
                let under = if when.0.len() > whole { Under::Condition } else { Under::None };
                Some(Entry { server, pattern, under, text: &compiled.rule.text, place: &compiled.rule.place })
            }
            Origin::Entry { .. } | Origin::Cedar => None,
        })
    }
}

/// An allow of today.
struct Entry<'a> {
    server: &'a ServerName,
    pattern: &'a Pattern,
    under: Under,
    text: &'a str,
    place: &'a Place,
}

/// Whether an entry has a condition of its own, beside its role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    None,
    Condition,
}

/// What of an entry stands before its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Tool,
    Read,
    Write,
    Delete,
    Prompt,
    Resource,
    Question,
}

impl Sort {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Tool => "",
            Self::Read => "read:",
            Self::Write => "write:",
            Self::Delete => "delete:",
            Self::Prompt => "prompt:",
            Self::Resource => "resource:",
            Self::Question => "question:",
        }
    }
}

/// The entry that names `subject` alone, calls of one kind where `kind` says so; none where only a wider one can.
fn written(subject: &Spoken, action: Action, kind: Option<Operation>) -> Option<(Sort, String)> {
    let (sort, name) = match (subject, action) {
        (Spoken::Tool(name), Action::Call) => {
            let sort = match kind {
                None => Sort::Tool,
                Some(Operation::Read) => Sort::Read,
                Some(Operation::Write) => Sort::Write,
                Some(Operation::Delete) => Sort::Delete,
            };
            (sort, name.as_str())
        }
        (Spoken::Prompt(name), Action::Get) => (Sort::Prompt, name.as_str()),
        (Spoken::Resource(uri), Action::Read) => (Sort::Resource, uri.as_str()),
        (Spoken::Question(question), Action::Question) => (Sort::Question, question.as_str()),
        (Spoken::Tool(_) | Spoken::Prompt(_) | Spoken::Resource(_) | Spoken::Method(_) | Spoken::Question(_), _) => return None,
    };
    let text = format!("{}{name}", sort.prefix());
    let is_mistaken = matches!(subject, Spoken::Tool(_)) && name.contains(':');
    let alone = !(is_mistaken || name.contains('*') || name.contains(char::is_whitespace));
    let exact = Pattern::new(&text).is_ok_and(|pattern| pattern.matches(subject.subject(), action));
    (alone && exact).then(|| (sort, name.to_owned()))
}

/// Globs that fit no offered name but used ones, each within one of `wider`; the one that stands for most first.
fn cover(used: &BTreeMap<String, u64>, offered: &[String], wider: &[&Pattern]) -> Vec<(String, Vec<String>)> {
    let starts: BTreeSet<&str> = used
        .keys()
        .flat_map(|name| name.char_indices().filter(|(_, letter)| "_-./".contains(*letter)).filter_map(|(at, _)| name.get(..=at)))
        .collect();
    let fits = |start: &&str| {
        let text = format!("{start}*");
        let is_tight = offered.iter().filter(|name| name.starts_with(*start)).all(|name| used.contains_key(name));
        is_tight && Pattern::new(&text).is_ok_and(|glob| wider.iter().any(|wide| wide.covers(&glob)))
    };
    let mut starts: Vec<&str> = starts.into_iter().filter(fits).collect();
    let mut left: BTreeSet<&String> = used.keys().collect();
    let mut globs = Vec::new();
    loop {
        let count = |start: &&str| left.iter().filter(|name| name.starts_with(*start)).count();
        // Of two that stand for the same names the longer one says less.
        let Some(best) = starts.iter().copied().max_by_key(|start| (count(start), start.len())).filter(|best| count(best) >= WORTH) else {
            return globs;
        };
        let (taken, rest): (Vec<&String>, Vec<&String>) = left.into_iter().partition(|name| name.starts_with(best));
        globs.push((format!("{best}*"), taken.into_iter().cloned().collect()));
        left = rest.into_iter().collect();
        starts.retain(|start| *start != best);
    }
}

fn written_out(sort: Sort, names: &BTreeMap<String, u64>, globs: Vec<(String, Vec<String>)>) -> Vec<Suggested> {
    let counted = |name: &String| (name.clone(), names.get(name).copied().unwrap_or_default());
    let covered: BTreeSet<&String> = globs.iter().flat_map(|(_, names)| names).collect();
    let exact = names.keys().filter(|name| !covered.contains(name));
    let mut all: Vec<Suggested> =
        exact.map(|name| Suggested { entry: format!("{}{name}", sort.prefix()), used: vec![counted(name)] }).collect();
    all.extend(globs.iter().map(|(glob, names)| Suggested { entry: glob.clone(), used: names.iter().map(counted).collect() }));
    all.sort_by(|one, other| one.entry.cmp(&other.entry));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, RoleSource, ServerEntries, Sources};

    fn server() -> ServerName {
        ServerName::new("files").unwrap()
    }

    fn engine(allow: &[&str]) -> Engine {
        let place = Place::new("bastide.yaml", 1, 1);
        let entries = allow.iter().map(|text| crate::Entry::new(*text, place.clone())).collect();
        let role = RoleSource {
            allow: vec![ServerEntries { server: server(), place: place.clone(), entries }],
            ..RoleSource::new(Name::new("coder").unwrap(), place)
        };
        Engine::compile(Sources { servers: vec![server()], roles: vec![role], cedar: vec![], tools: Default::default() }).unwrap()
    }

    fn suggested(allow: &[&str], offered: &[&str], used: &[Spoken], globs: Globs) -> Suggestion {
        let mut usage = Usage::default();
        for one in used {
            usage.count("agent:a", (&server(), one), (one.subject().action(), Some(Operation::Read)), Some(Label::Internal));
        }
        let inventory = Inventory::from([(server(), offered.iter().map(|name| (*name).to_owned()).collect())]);
        engine(allow).suggest(&[Name::new("coder").unwrap()], &usage, &inventory, globs)
    }

    fn tools(names: &[&str]) -> Vec<Spoken> {
        names.iter().map(|name| Spoken::Tool((*name).to_owned())).collect()
    }

    fn texts(found: &Suggestion) -> Vec<&str> {
        found.allow.get(&server()).into_iter().flatten().map(|one| one.entry.as_str()).collect()
    }

    const OFFERED: [&str; 7] = ["read_a", "read_b", "read_c", "write_a", "write_b", "write_c", "list"];

    #[test]
    fn a_glob_stands_for_what_was_used_and_for_nothing_else_that_is_offered() {
        let used = tools(&["read_a", "read_b", "read_c", "write_a", "write_b", "list"]);
        let found = suggested(&["*"], &OFFERED, &used, Globs::Tight);
        assert_eq!(texts(&found), ["list", "read_*", "write_a", "write_b"]);
        assert_eq!((found.idle, found.clearance), (1, Label::Internal));
        let found = suggested(&["*"], &OFFERED, &used, Globs::Never);
        assert_eq!(texts(&found), ["list", "read_a", "read_b", "read_c", "write_a", "write_b"]);
    }

    #[test]
    fn what_the_rules_of_today_name_one_by_one_stays_so() {
        let found =
            suggested(&["read_a", "read_b", "read_c", "list", "prompt:*"], &OFFERED, &tools(&["read_a", "read_b", "read_c"]), Globs::Tight);
        assert_eq!(texts(&found), ["read_a", "read_b", "read_c"], "a glob would let in what comes later");
        assert_eq!(found.unused.iter().map(|one| one.entry.as_str()).collect::<Vec<_>>(), ["list", "prompt:*"]);
    }

    #[test]
    fn what_is_allowed_by_its_kind_alone_stays_so() {
        let found = suggested(&["read:*", "list"], &OFFERED, &tools(&["read_a", "list"]), Globs::Tight);
        assert_eq!(texts(&found), ["list", "read:read_a"]);
    }

    #[test]
    fn what_no_narrow_entry_can_name_keeps_its_own() {
        let used = [Spoken::Tool("a b".to_owned()), Spoken::Method(Method::LoggingSetLevel), Spoken::Resource("repo://x?y={z}".to_owned())];
        let found = suggested(&["*", "a*"], &["a b"], &used, Globs::Tight);
        assert_eq!(texts(&found), ["resource:repo://x?y={z}", "a*", "*"]);
        assert_eq!(found.kept.len(), 2);
    }

    #[test]
    fn counts_are_bounded() {
        let mut usage = Usage::default();
        for at in 0..NAMES + 10 {
            usage.count("agent:a", (&server(), &Spoken::Tool(format!("t{at}"))), (Action::Call, None), None);
        }
        assert_eq!((usage.names(), usage.beyond(), usage.calls()), (NAMES, 10, NAMES as u64 + 10));
    }
}
