//! The one judge.

use crate::compile::{self, Compiled, Parts};
use crate::digest::digest;
use crate::model::Model;
use crate::place::Problem;
use crate::role::{Kind, Role};
use crate::slice::Index;
use crate::{Action, Effect, Facts, Judgement, Obligation, Question, Reason, Rule, Sources, Subject, Verdict, Wait};
use cedar_policy::{Authorizer, Decision, PolicySet};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use terms::{Label, Name, Operation, Principal, ServerName, Workload};

/// The most verdicts that are kept.
const VERDICTS: u64 = 16_384;
/// The most policy sets that are kept, one for each set of rules that can apply together.
const SLICES: u64 = 4_096;
/// The longest name or URI that is judged, in bytes; longer ones are refused.
const LONGEST: usize = 4_096;
/// The longest that a verdict is kept for, in bytes: names that a peer makes up do not fill the memory.
const KEPT: usize = 512;

/// Compiled policy. Immutable: a reload makes a new one, so a kept verdict never outlives the rules that it came from.
pub struct Engine {
    limited: bool,
    model: Model,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Compiled>,
    servers: Vec<ServerName>,
    by_member: HashMap<(Kind, String), Vec<usize>>,
    by_glob: Vec<usize>,
    by_id: HashMap<Arc<str>, usize>,
    index: Index,
    authorizer: Authorizer,
    verdicts: moka::sync::Cache<Key, Verdict>,
    slices: moka::sync::Cache<Vec<usize>, Arc<PolicySet>>,
    digest: [u8; 32],
}

/// Everything that a verdict depends on beside the rules.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    agent: Name,
    user: Option<Name>,
    workload: Workload,
    server: ServerName,
    subject: Named,
    action: Action,
    operation: Option<Operation>,
    label: Option<Label>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Named {
    Tool(Box<str>),
    Prompt(Box<str>),
    Resource(Box<str>),
    Method(crate::Method),
    Question(Question),
}

impl Key {
    fn new(facts: &Facts<'_>) -> Self {
        let subject = match facts.subject {
            Subject::Tool(name) => Named::Tool(name.into()),
            Subject::Prompt(name) => Named::Prompt(name.into()),
            Subject::Resource(uri) => Named::Resource(uri.into()),
            Subject::Method(method) => Named::Method(method),
            Subject::Question(question) => Named::Question(question),
        };
        Self {
            agent: facts.principal.agent.clone(),
            user: facts.principal.user.clone(),
            workload: facts.principal.workload.clone(),
            server: facts.server.clone(),
            subject,
            action: facts.action,
            operation: facts.operation,
            label: facts.label,
        }
    }
}

impl Engine {
    /// Compiles `sources`.
    ///
    /// # Errors
    /// Every [`Problem`] that there is, in order of place: entries that are no patterns, members that are no members, servers that do not
    /// exist, names given twice, Cedar that does not parse or does not fit [`crate::SCHEMA`].
    pub fn compile(sources: Sources) -> Result<Self, Vec<Problem>> {
        let digest = digest(&sources);
        let servers = sources.servers.clone();
        let Parts { model, roles, rules } = compile::compile(sources)?;
        let mut by_member: HashMap<(Kind, String), Vec<usize>> = HashMap::new();
        let mut by_glob = Vec::new();
        for (at, role) in roles.iter().enumerate() {
            let (names, more) = role.exact();
            for (kind, name) in names {
                by_member.entry((kind, name.to_owned())).or_default().push(at);
            }
            if more {
                by_glob.push(at);
            }
        }
        Ok(Self {
            limited: roles.iter().any(|role| !role.source.limits.is_none()),
            model,
            by_id: rules.iter().enumerate().map(|(at, compiled)| (compiled.rule.id.clone(), at)).collect(),
            index: Index::new(&rules),
            roles,
            rules,
            servers,
            by_member,
            by_glob,
            authorizer: Authorizer::new(),
            verdicts: moka::sync::Cache::new(VERDICTS),
            slices: moka::sync::Cache::new(SLICES),
            digest,
        })
    }

    /// SHA-256 of the sources: two engines of one digest decide alike.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The digest in lower-case hexadecimal, for records.
    pub fn digest_hex(&self) -> String {
        hex::encode(self.digest)
    }

    /// How many rules there are, entries and Cedar policies.
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule: then everything is refused.
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The servers that exist.
    pub(crate) fn servers(&self) -> &[ServerName] {
        &self.servers
    }

    /// The names of the roles, in the order of the sources.
    pub fn role_names(&self) -> impl Iterator<Item = &Name> {
        self.roles.iter().map(|role| &role.source.name)
    }

    /// The roles that `principal` is in, in the order of the sources.
    pub fn roles_of(&self, principal: &Principal) -> Vec<&Name> {
        self.held(principal).map(|role| &role.source.name).collect()
    }

    /// The servers at which `principal` might be allowed something: those that an entry of its roles names, and all of them where a Cedar
    /// permit may apply to it. What a token for it is made out to by default.
    pub fn servers_of(&self, principal: &Principal) -> BTreeSet<ServerName> {
        let held: Vec<&str> = self.held(principal).map(|role| role.source.name.as_str()).collect();
        self.servers.iter().filter(|server| self.index.reaches(&self.rules, principal, &held, server)).cloned().collect()
    }

    /// Whether any role limits anything.
    pub(crate) const fn is_limited(&self) -> bool {
        self.limited
    }

    pub(crate) fn held(&self, principal: &Principal) -> impl Iterator<Item = &Role> {
        let agent = self.by_member.get(&(Kind::Agent, principal.agent.as_str().to_owned()));
        let user = principal.user.as_ref().and_then(|user| self.by_member.get(&(Kind::User, user.as_str().to_owned())));
        let by_glob = self.by_glob.iter().filter(|at| self.roles.get(**at).is_some_and(|role| role.has(principal)));
        let found: BTreeSet<usize> = agent.into_iter().flatten().chain(user.into_iter().flatten()).chain(by_glob).copied().collect();
        found.into_iter().filter_map(|at| self.roles.get(at))
    }

    /// Decides. Listing, calling and explaining all come here.
    ///
    /// Deny by default; a forbid wins; of the rules that permit, the strictest wins ([`Effect`]) and an allow is cleared up to the highest
    /// clearance among them. What cannot be evaluated is refused with [`Reason::Fault`].
    ///
    /// Controls: `access.deny-by-default`, `access.filtered-discovery`, `data.labels`.
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        if !facts.subject.takes(facts.action) || facts.subject.name().len() > LONGEST || strays(facts.subject) {
            return Verdict::refuse(Reason::Malformed, Vec::new());
        }
        if facts.subject.name().len() > KEPT {
            return self.evaluate(facts);
        }
        let key = Key::new(facts);
        if let Some(verdict) = self.verdicts.get(&key) {
            return verdict;
        }
        let verdict = self.evaluate(facts);
        self.verdicts.insert(key, verdict.clone());
        verdict
    }

    /// The subjects that `principal` may know of, in their order: those whose natural use is allowed or waits for a person.
    pub fn visible<'a>(
        &self,
        principal: &Principal,
        server: &ServerName,
        subjects: impl IntoIterator<Item = Subject<'a>>,
    ) -> Vec<(Subject<'a>, Verdict)> {
        let judged = subjects.into_iter().map(|subject| (subject, self.decide(&Facts::new(principal, server, subject))));
        judged.filter(|(_, verdict)| verdict.shows()).collect()
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        let held: Vec<&Role> = self.held(facts.principal).collect();
        let names = held.iter().map(|role| role.source.name.as_str());
        let candidates = self.index.candidates(&self.rules, facts, names);
        if candidates.is_empty() {
            return Verdict::refuse(if held.is_empty() { Reason::NoRole } else { Reason::NoRule }, Vec::new());
        }
        let Some(set) = self.slice(candidates) else { return Verdict::refuse(Reason::Fault, Vec::new()) };
        let highest = held.iter().map(|role| role.source.clearance).max().unwrap_or_default();
        let asked = self.model.request(facts, held.iter().map(|role| &role.source.name), highest);
        let Ok((request, entities)) = asked else { return Verdict::refuse(Reason::Fault, Vec::new()) };
        let response = self.authorizer.is_authorized(&request, &set, &entities);
        let mut rules = Vec::new();
        for id in response.diagnostics().reason() {
            let text: &str = id.as_ref();
            match self.by_id.get(text).and_then(|at| self.rules.get(*at)) {
                Some(compiled) => rules.push(compiled.rule.clone()),
                None => return Verdict::refuse(Reason::Fault, Vec::new()),
            }
        }
        rules.sort_by(|one, other| one.place.cmp(&other.place));
        // Cedar passes over a policy that errs; a forbid that errs would thereby allow.
        if response.diagnostics().errors().next().is_some() {
            return Verdict::refuse(Reason::Fault, rules);
        }
        match response.decision() {
            Decision::Allow => permitted(facts, rules),
            Decision::Deny if !rules.is_empty() => Verdict::refuse(Reason::Forbidden, rules),
            Decision::Deny => Verdict::refuse(if held.is_empty() { Reason::NoRole } else { Reason::NoRule }, rules),
        }
    }

    fn slice(&self, candidates: Vec<usize>) -> Option<Arc<PolicySet>> {
        if let Some(set) = self.slices.get(&candidates) {
            return Some(set);
        }
        let policies = candidates.iter().map(|at| self.rules.get(*at).map(|compiled| compiled.policy.clone()));
        let set = Arc::new(PolicySet::from_policies(policies.collect::<Option<Vec<_>>>()?).ok()?);
        self.slices.insert(candidates, set.clone());
        Some(set)
    }
}

/// The verdict where `rules` permit and nothing forbids.
fn permitted(facts: &Facts<'_>, rules: Vec<Arc<Rule>>) -> Verdict {
    let Some(strictest) = rules.iter().map(|rule| rule.effect).max() else {
        return Verdict::refuse(Reason::Fault, rules);
    };
    let clearance = rules.iter().map(|rule| rule.clearance).max().unwrap_or_default();
    if let Some(label) = facts.label.filter(|label| *label > clearance) {
        return Verdict::refuse(Reason::Clearance { label, clearance }, rules);
    }
    let (judgement, reason) = match strictest {
        Effect::Allow => (Judgement::Allow(obligations(clearance, &rules)), Reason::Allowed),
        Effect::Ask => (Judgement::Hold(Wait::Approval), Reason::Asks),
        Effect::Grant => (Judgement::Hold(Wait::Grant), Reason::Closed),
        Effect::Forbid => (Judgement::Refuse, Reason::Forbidden),
    };
    Verdict { judgement, reason, rules: rules.into() }
}

/// The clearance, the smallest cap, and everything else that any of the rules demands.
fn obligations(clearance: Label, rules: &[Arc<Rule>]) -> Arc<[Obligation]> {
    let mut cap: Option<u64> = None;
    let mut all = BTreeSet::from([Obligation::Clearance(clearance)]);
    for obligation in rules.iter().flat_map(|rule| rule.obligations.iter()) {
        match obligation {
            Obligation::Cap(bytes) => cap = Some(cap.map_or(*bytes, |least| least.min(*bytes))),
            Obligation::Clearance(_) => {}
            Obligation::Redact => {
                all.insert(Obligation::Redact);
            }
        }
    }
    all.extend(cap.map(Obligation::Cap));
    all.into_iter().collect()
}

/// Whether a URI holds a dot segment, plainly or percent-encoded up to three times, a backslash or a control character: what a server makes
/// of such a URI can lie outside the glob that it matches.
fn strays(subject: Subject<'_>) -> bool {
    let Subject::Resource(uri) = subject else { return false };
    let mut bytes = uri.as_bytes().to_vec();
    for _ in 0..4 {
        let dotted = bytes.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
        if dotted || bytes.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
            return true;
        }
        if !bytes.contains(&b'%') {
            return false;
        }
        bytes = decoded(&bytes);
    }
    false
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Engine({} rules, {})", self.rules.len(), self.digest_hex())
    }
}
