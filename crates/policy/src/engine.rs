//! The one judge.

use crate::compile::{self, Compiled, Parts};
use crate::digest::digest;
use crate::kept::Kept;
use crate::model::{ANYTHING, ARGUMENTS, Model, Reads};
use crate::place::Problem;
use crate::role::{Kind, Role};
use crate::slice::Index;
use crate::unknown::without;
use crate::{
    Action, Arguments, Circumstances, Discovery, Effect, Facts, Judgement, Obligation, Question, Reason, Rule, Situation, Sources, Strict,
    Subject, Tools, Transport, Verdict, Wait,
};
use cedar_policy::{Authorizer, PolicySet};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use terms::{Label, Name, Operation, Principal, ServerName, Workload};

/// The most answers of Cedar that are kept.
const HEARD: usize = 16_384;
/// The most policy sets that are kept, one for each set of policies that can apply together.
const SLICES: usize = 4_096;
/// The longest name or URI that is judged, in bytes; longer ones are refused.
const LONGEST: usize = 4_096;
/// The longest that an answer is kept for, in bytes: names that a peer makes up do not fill the memory.
const KEPT: usize = 512;

/// Compiled policy. Immutable: a reload makes a new one, so a kept verdict never outlives the rules that it came from.
pub struct Engine {
    limited: bool,
    pub(crate) model: Model,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Compiled>,
    servers: Vec<ServerName>,
    /// Roles by who is named in them without a wildcard, and the roles with other members.
    by_agent: HashMap<String, Vec<usize>>,
    by_user: HashMap<String, Vec<usize>>,
    by_rest: Vec<usize>,
    by_name: HashMap<Name, usize>,
    by_id: HashMap<Arc<str>, usize>,
    index: Index,
    authorizer: Authorizer,
    heard: Kept<Key, Heard>,
    slices: Kept<Vec<usize>, Arc<Slice>>,
    /// The obligations of an allow that has no others, by clearance.
    plain: [Arc<[Obligation]>; LABELS.len()],
    digest: [u8; 32],
    /// What it was compiled of, where that depends on the approved tools.
    sources: Option<Box<Sources>>,
}

/// The labels, from the lowest.
const LABELS: [Label; 4] = [Label::Public, Label::Internal, Label::Confidential, Label::Restricted];

/// Policies that are asked together.
struct Slice {
    set: PolicySet,
    reads: Reads,
    /// The same before there are arguments, and before anything of a call is known.
    early: OnceLock<Option<PolicySet>>,
    earliest: OnceLock<Option<PolicySet>>,
}

impl Slice {
    /// The policies for what is known of `facts`.
    fn set(&self, facts: &Facts<'_>) -> Option<&PolicySet> {
        let less = |names: &[&str]| {
            let policies = self.set.policies().map(|policy| without(policy, names)).collect::<Option<Vec<_>>>()?;
            PolicySet::from_policies(policies).ok()
        };
        match (&facts.situation, &facts.arguments) {
            (Situation::Any, _) => self.earliest.get_or_init(|| less(&ANYTHING)).as_ref(),
            (Situation::Is(_), Arguments::Any) if self.reads.arguments() => self.early.get_or_init(|| less(&ARGUMENTS)).as_ref(),
            (Situation::Is(_), Arguments::Any | Arguments::Are(_) | Arguments::Absent) => Some(&self.set),
        }
    }
}

/// What the policies of one slice say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    /// Those that permit.
    permits: Arc<[usize]>,
    /// Those that forbid.
    forbids: Arc<[usize]>,
    /// Whether one could not be evaluated: Cedar passes over it, and a forbid that errs would thereby allow.
    fault: bool,
}

/// Everything that policies may read, but for what differs from call to call ([`Reads`]).
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    agent: Name,
    user: Option<Name>,
    workload: Workload,
    client: Option<Box<str>>,
    address: Option<IpAddr>,
    transport: Option<Transport>,
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
    fn new(facts: &Facts<'_>, now: &Circumstances<'_>) -> Self {
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
            client: now.client.map(Into::into),
            address: now.address,
            transport: now.transport,
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
    /// exist, names given twice, Cedar that does not parse or does not fit the schema ([`Engine::schema`]).
    pub fn compile(sources: Sources) -> Result<Self, Vec<Problem>> {
        let digest = digest(&sources);
        let servers = sources.servers.clone();
        let kept = (!sources.cedar.is_empty()).then(|| Box::new(sources.clone()));
        let Parts { model, roles, rules } = compile::compile(sources)?;
        let (mut by_agent, mut by_user): (HashMap<String, Vec<usize>>, HashMap<String, Vec<usize>>) = Default::default();
        let mut by_rest = Vec::new();
        for (at, role) in roles.iter().enumerate() {
            let (names, more) = role.exact();
            for (kind, name) in names {
                let by_name = match kind {
                    Kind::Agent => &mut by_agent,
                    Kind::User => &mut by_user,
                };
                by_name.entry(name.to_owned()).or_default().push(at);
            }
            if more {
                by_rest.push(at);
            }
        }
        Ok(Self {
            limited: roles.iter().any(|role| !role.source.limits.is_none()),
            model,
            by_name: roles.iter().enumerate().map(|(at, role)| (role.source.name.clone(), at)).collect(),
            by_id: rules.iter().enumerate().map(|(at, compiled)| (compiled.rule.id.clone(), at)).collect(),
            index: Index::new(&roles, &rules),
            roles,
            rules,
            servers,
            by_agent,
            by_user,
            by_rest,
            authorizer: Authorizer::new(),
            heard: Kept::new(HEARD),
            slices: Kept::new(SLICES),
            plain: LABELS.map(|label| Arc::from([Obligation::Clearance(label)])),
            digest,
            sources: kept,
        })
    }

    /// The same rules where the approved tools are `tools`; none where that makes no difference.
    ///
    /// # Errors
    /// As [`Engine::compile`]: a policy may not fit what a tool has become.
    pub fn with_tools(&self, tools: Tools) -> Result<Option<Self>, Vec<Problem>> {
        match &self.sources {
            Some(sources) if sources.tools != tools => Self::compile(Sources { tools, ..(**sources).clone() }).map(Some),
            Some(_) | None => Ok(None),
        }
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

    /// The roles that `principal` is in, or can be in from somewhere, in the order of the sources.
    pub fn roles_of(&self, principal: &Principal) -> Vec<&Name> {
        self.roles_in(principal, &Situation::Any)
    }

    /// The roles that `principal` is in when it comes in so, in the order of the sources.
    pub fn roles_in(&self, principal: &Principal, situation: &Situation<'_>) -> Vec<&Name> {
        self.held(principal, situation).into_iter().map(|role| &role.source.name).collect()
    }

    /// How `principal` finds tools when it comes in so: by searching where it has a role and all that it has say so. It decides nothing.
    pub fn discovery_in(&self, principal: &Principal, situation: &Situation<'_>) -> Discovery {
        let held = self.held(principal, situation);
        let search = !held.is_empty() && held.iter().all(|role| role.source.discovery == Discovery::Search);
        if search { Discovery::Search } else { Discovery::List }
    }

    /// The servers at which `principal` might be allowed something from somewhere: those that an entry of its roles names, and all of them where a
    /// Cedar permit may apply to it. What a token for it is made out to by default.
    pub fn servers_of(&self, principal: &Principal) -> BTreeSet<ServerName> {
        self.servers_in(principal, &Situation::Any)
    }

    /// Whether any role limits anything.
    pub(crate) const fn is_limited(&self) -> bool {
        self.limited
    }

    /// The servers at which `principal` might be allowed something when it comes in so.
    pub fn servers_in(&self, principal: &Principal, situation: &Situation<'_>) -> BTreeSet<ServerName> {
        let held = self.positions(principal, situation);
        let names: Vec<&str> = self.named(&held).collect();
        let reached = |server: &&ServerName| self.index.reaches(&self.rules, principal, &held, &names, server.as_str());
        self.servers.iter().filter(reached).cloned().collect()
    }

    /// The roles of `principal` in `situation`, in the order of the sources.
    pub(crate) fn held(&self, principal: &Principal, situation: &Situation<'_>) -> Vec<&Role> {
        self.positions(principal, situation).into_iter().filter_map(|at| self.roles.get(at)).collect()
    }

    /// The names of the roles at these positions.
    fn named<'a>(&'a self, held: &'a [usize]) -> impl Iterator<Item = &'a str> + Clone {
        held.iter().filter_map(|at| self.roles.get(*at)).map(|role| role.source.name.as_str())
    }

    fn positions(&self, principal: &Principal, situation: &Situation<'_>) -> Vec<usize> {
        let agent = self.by_agent.get(principal.agent.as_str());
        let user = principal.user.as_ref().and_then(|user| self.by_user.get(user.as_str()));
        let rest = self.by_rest.iter().filter(|at| self.roles.get(**at).is_some_and(|role| role.has(principal, situation)));
        let mut found: Vec<usize> = agent.into_iter().chain(user).flatten().chain(rest).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Decides. Listing, calling and explaining all come here.
    ///
    /// Deny by default; a forbid wins; of the rules that permit, the strictest wins ([`Effect`]) and an allow is cleared up to the highest
    /// clearance among them. What cannot be evaluated is refused with [`Reason::Fault`]. Entries of roles are decided here, Cedar policies by
    /// Cedar; what an entry means in Cedar is [`Engine::as_cedar`], and decides alike.
    ///
    /// Controls: `access.deny-by-default`, `access.filtered-discovery`, `data.labels`.
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        let held = self.positions(facts.principal, &facts.situation);
        let verdict = self.judge(facts, &held);
        let given =
            matches!(facts.arguments, Arguments::Are(_)) && matches!(verdict.reason, Reason::NoRule | Reason::NoRole | Reason::Forbidden);
        if given && self.judge(&facts.arguments(Arguments::Any), &held).shows() {
            return Verdict { reason: Reason::Arguments, ..verdict };
        }
        verdict
    }

    /// What [`decide`](Self::decide) says, for explaining, learning and replaying: nothing is done on it.
    pub fn suppose(&self, facts: &Facts<'_>) -> Verdict {
        self.decide(facts)
    }

    /// The subjects that `principal` may know of, in their order: those whose natural use is allowed or waits for a person.
    pub fn visible<'a>(
        &self,
        principal: &Principal,
        server: &ServerName,
        subjects: impl IntoIterator<Item = Subject<'a>>,
    ) -> Vec<(Subject<'a>, Verdict)> {
        let judged = subjects.into_iter().map(|subject| {
            let facts = Facts::new(principal, server, subject).arguments(Arguments::Any);
            (subject, self.decide(&facts))
        });
        judged.filter(|(_, verdict)| verdict.shows()).collect()
    }

    fn judge(&self, facts: &Facts<'_>, held: &[usize]) -> Verdict {
        if !facts.subject.takes(facts.action) || facts.subject.name().len() > LONGEST || strays(facts.subject) {
            return Verdict::refuse(Reason::Malformed, Vec::new());
        }
        let mut rules: Vec<Arc<Rule>> = self.index.entries(&self.rules, held, facts).map(|compiled| compiled.rule.clone()).collect();
        let policies = self.index.policies(facts, self.named(held));
        if !policies.is_empty() {
            let heard = self.hear(facts, held, policies);
            let of =
                |positions: &[usize]| positions.iter().filter_map(|at| self.rules.get(*at)).map(|compiled| compiled.rule.clone()).collect();
            match heard {
                None => return Verdict::refuse(Reason::Fault, Vec::new()),
                Some(Heard { fault: true, permits, forbids }) => {
                    let all: Vec<usize> = permits.iter().chain(&*forbids).copied().collect();
                    return Verdict::refuse(Reason::Fault, of(&all));
                }
                Some(Heard { forbids, .. }) if !forbids.is_empty() => return Verdict::refuse(Reason::Forbidden, of(&forbids)),
                Some(Heard { permits, .. }) => rules.extend::<Vec<Arc<Rule>>>(of(&permits)),
            }
        }
        if rules.is_empty() {
            return Verdict::refuse(if held.is_empty() { Reason::NoRole } else { Reason::NoRule }, rules);
        }
        if rules.len() > 1 {
            rules.sort_by(|one, other| one.place.cmp(&other.place));
        }
        self.permitted(facts, rules)
    }

    /// What the Cedar policies at these positions say; none where they cannot be asked.
    fn hear(&self, facts: &Facts<'_>, held: &[usize], policies: Vec<usize>) -> Option<Heard> {
        let key = match &facts.situation {
            Situation::Is(now) if facts.subject.name().len() <= KEPT => Some(Key::new(facts, now)),
            Situation::Is(_) | Situation::Any => None,
        };
        if let Some(heard) = key.as_ref().and_then(|key| self.heard.get(key)) {
            return Some(heard);
        }
        let slice = self.slice(policies)?;
        let heard = self.ask(facts, held, &slice)?;
        if let Some(key) = key.filter(|_| !slice.reads.changes()) {
            self.heard.put(key, heard.clone());
        }
        Some(heard)
    }

    fn ask(&self, facts: &Facts<'_>, held: &[usize], slice: &Slice) -> Option<Heard> {
        let roles = || held.iter().filter_map(|at| self.roles.get(*at));
        let highest = roles().map(|role| role.source.clearance).max().unwrap_or_default();
        let (request, entities) = self.model.request(facts, roles().map(|role| &role.source.name), highest, &slice.reads).ok()?;
        let response = self.authorizer.is_authorized(&request, slice.set(facts)?, &entities);
        let at = response.diagnostics().reason().map(|id| self.by_id.get::<str>(id.as_ref()).copied());
        let at: Vec<usize> = at.collect::<Option<_>>()?;
        let fault = response.diagnostics().errors().next().is_some();
        let forbids = |at: &usize| self.rules.get(*at).is_none_or(|compiled| compiled.rule.effect == Effect::Forbid);
        let (forbids, permits): (Vec<usize>, Vec<usize>) = at.into_iter().partition(forbids);
        Some(Heard { permits: permits.into(), forbids: forbids.into(), fault })
    }

    fn slice(&self, policies: Vec<usize>) -> Option<Arc<Slice>> {
        if let Some(slice) = self.slices.get(&policies) {
            return Some(slice);
        }
        let found: Vec<_> = policies.iter().map(|at| self.rules.get(*at)?.policy.clone()).collect::<Option<_>>()?;
        let reads = Reads::of(&found)?;
        let slice =
            Arc::new(Slice { set: PolicySet::from_policies(found).ok()?, reads, early: OnceLock::new(), earliest: OnceLock::new() });
        self.slices.put(policies, slice.clone());
        Some(slice)
    }

    /// The verdict where `rules` permit and nothing forbids.
    fn permitted(&self, facts: &Facts<'_>, rules: Vec<Arc<Rule>>) -> Verdict {
        let Some(strictest) = rules.iter().map(|rule| rule.effect).max() else {
            return Verdict::refuse(Reason::Fault, rules);
        };
        let outside = |rule: &Arc<Rule>| {
            let role = rule.scope.as_ref().and_then(|scope| self.by_name.get(scope)).and_then(|at| self.roles.get(*at));
            role.filter(|role| role.is_timed()).and_then(|role| role.outside(&facts.situation))
        };
        // Outside of strict hours a role lets nothing through, while what it asks still counts.
        let open = || rules.iter().filter(|rule| outside(rule) != Some(Strict::Refuse));
        let Some(clearance) = open().map(|rule| rule.clearance).max() else {
            return Verdict::refuse(Reason::Hours, rules);
        };
        if let Some(label) = facts.label.filter(|label| *label > clearance) {
            return Verdict::refuse(Reason::Clearance { label, clearance }, rules);
        }
        let late = if open().any(|rule| outside(rule).is_none()) { None } else { open().find_map(|rule| rule.scope.clone()) };
        let (judgement, reason) = match strictest {
            Effect::Allow => (Judgement::Allow(self.obligations(clearance, open())), Reason::Allowed),
            Effect::Ask => (Judgement::Hold(Wait::Approval), Reason::Asks),
            Effect::Grant => (Judgement::Hold(Wait::Grant), Reason::Closed),
            Effect::Forbid => (Judgement::Refuse, Reason::Forbidden),
        };
        Verdict { judgement, reason, rules: rules.into(), late }
    }

    /// The clearance, the smallest cap, and everything else that any of the rules demands.
    fn obligations<'a>(&self, clearance: Label, rules: impl Iterator<Item = &'a Arc<Rule>>) -> Arc<[Obligation]> {
        let mut more = rules.flat_map(|rule| rule.obligations.iter()).peekable();
        let plain = LABELS.iter().position(|label| *label == clearance).and_then(|at| self.plain.get(at));
        if let (None, Some(plain)) = (more.peek(), plain) {
            return plain.clone();
        }
        let mut cap: Option<u64> = None;
        let mut all = BTreeSet::from([Obligation::Clearance(clearance)]);
        for obligation in more {
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
