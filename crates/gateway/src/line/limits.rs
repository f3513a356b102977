//! What a call takes from rates and budgets.
//!
//! Twice it is asked. When a call is admitted, it counts against the calls of its sender, whatever it names. When it is allowed, it counts against
//! everything else at once: against all of it, or against nothing, the first count given back.

use super::decide::Decided;
use super::parse::Parsed;
use super::resolve::{self, Reference, Resolved, Target};
use crate::event;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::{Repeated, Session, UsedUp, likeness, repeats};
use crate::snapshot::{Item, Server};
use crate::trail::{Occasion, Trail};
use mcp::{Method, Node};
use policy::{Charge, Claim, Holder, LimitRule, Limits, Measure, Meters, Quota, Unit};
use std::sync::Arc;
use terms::{Code, Hole, Name, Operation, Principal, ServerName};

/// What a call holds while it is under way; given back when dropped.
pub(super) struct Taken {
    meters: Arc<dyn Meters>,
    inflight: Vec<Claim>,
    bytes: Vec<(Claim, Code)>,
}

impl Taken {
    /// Takes what comes back of the call from the budgets of bytes.
    pub(super) fn receive(&self, gate: &Gate, trail: &mut Trail, bytes: u64) -> Result<(), Halt> {
        if self.bytes.is_empty() || bytes == 0 {
            return Ok(());
        }
        let mut bill = Bill::default();
        for (claim, code) in &self.bytes {
            bill.put(Claim { amount: bytes, ..*claim }, *code);
        }
        bill.pay(gate, trail)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.inflight.is_empty() && self.meters.refund(&self.inflight).is_err() {
            tracing::error!("calls under way could not be given back to their counters: they count on");
        }
    }
}

/// What is to be taken together, each with the code of its refusal.
#[derive(Default)]
struct Bill {
    claims: Vec<Claim>,
    codes: Vec<Code>,
}

/// Who is to pay: the rule, the principal, and the session in which it acts.
#[derive(Clone, Copy)]
struct Payer<'a> {
    rule: LimitRule<'a>,
    holder: Holder<'a>,
    session: &'a Session,
}

impl Bill {
    fn put(&mut self, claim: Claim, code: Code) {
        self.claims.push(claim);
        self.codes.push(code);
    }

    /// Adds those of `quotas` of which `amount` knows how much is taken.
    fn add(&mut self, payer: Payer<'_>, quotas: &[Quota], amount: impl Fn(Measure) -> Option<u64>) {
        for quota in quotas {
            if let Some(amount) = amount(quota.measure) {
                let claim = quota.claim(payer.rule, payer.holder, payer.session.id, amount);
                self.put(claim, code(quota.measure, payer));
            }
        }
    }

    /// Adds what the roles of the sender, and what the assessor tries, limit.
    fn roles(&mut self, roles: &[(&Name, &Limits)], session: &Session, amount: impl Fn(Measure) -> Option<u64> + Copy) {
        let holder = Holder::Principal(&session.principal);
        for (role, limits) in roles.iter().copied() {
            let rule = LimitRule::Role(role);
            self.add(Payer { rule, holder, session }, &limits.each, amount);
            self.add(Payer { rule, holder: Holder::Everyone, session }, &limits.together, amount);
        }
        if let Some(quota) = probed(&session.principal) {
            self.add(Payer { rule: LimitRule::Probe, holder, session }, &[quota], amount);
        }
    }

    /// Takes all of it or nothing.
    fn pay(&self, gate: &Gate, trail: &mut Trail) -> Result<(), Halt> {
        if self.claims.is_empty() {
            return Ok(());
        }
        match gate.meters.charge(&self.claims, gate.clock.instant()) {
            Ok(Charge::Within) => Ok(()),
            Ok(Charge::Over { at, retry_after }) => {
                let code = self.codes.get(at).copied().unwrap_or(Code::RateFault);
                let most = self.claims.get(at).map_or(0, |claim| claim.bound.most());
                let mut halt = trail.refuse_with(code, Hole::Most(most));
                halt.refusal.retry_after = retry_after;
                Err(halt)
            }
            Err(cause) => {
                trail.cause(&cause);
                Err(trail.refuse(Code::RateFault))
            }
        }
    }
}

/// The code under which a limit refuses.
fn code(measure: Measure, payer: Payer<'_>) -> Code {
    match measure {
        Measure::Mutations => Code::BudgetMutations,
        Measure::Bytes => Code::BudgetBytes,
        Measure::Cost => Code::BudgetCost,
        Measure::Depth => Code::BudgetDepth,
        Measure::Inflight => Code::RateInflight,
        Measure::Calls => match (payer.rule, payer.holder) {
            (LimitRule::Role(_) | LimitRule::Probe, Holder::Principal(_)) => Code::RateCalls,
            (LimitRule::Role(_) | LimitRule::Probe, Holder::Everyone) => Code::RateRole,
            (LimitRule::Server(_), Holder::Principal(_)) => Code::RateServer,
            (LimitRule::Tool(..), Holder::Principal(_)) => Code::RateTool,
            (LimitRule::Server(_) | LimitRule::Tool(..), Holder::Everyone) => Code::RateInterface,
        },
    }
}

/// Counts a request against the calls of its sender. What was taken is returned.
pub(super) fn attempt(gate: &Gate, trail: &mut Trail, parsed: &Parsed, session: &Arc<Session>, calls: u64) -> Result<Box<[Claim]>, Halt> {
    let roles: Vec<_> = parsed.identified().framed().snapshot().policy.limits_of(&session.principal).collect();
    let mut bill = Bill::default();
    bill.roles(&roles, session, |measure| (measure == Measure::Calls).then_some(calls));
    begin(gate, session, &bill);
    bill.pay(gate, trail)?;
    Ok(bill.claims.into_boxed_slice())
}

/// Takes what an allowed call uses up. Where that is more than there is, nothing is taken, and the count of the attempt is given back.
pub(super) fn take(gate: &Gate, trail: &mut Trail, decided: &Decided) -> Result<Option<Box<Taken>>, Halt> {
    let taken = taken(gate, trail, decided);
    let attempt = std::mem::take(&mut trail.attempt);
    if taken.is_err() && !attempt.is_empty() && gate.meters.refund(&attempt).is_err() {
        tracing::error!("an attempt could not be given back to its counters: it counts on");
    }
    taken
}

fn taken(gate: &Gate, trail: &mut Trail, decided: &Decided) -> Result<Option<Box<Taken>>, Halt> {
    let resolved = decided.inspected().resolved();
    let session = resolved.admitted().session();
    let roles: Vec<_> = resolved.snapshot().policy.limits_of(&session.principal).collect();
    if answered(resolved) {
        person(gate, trail, &roles, session)?;
    }
    let Some(asked) = Asked::of(trail, decided) else { return Ok(None) };
    repeated(gate, trail, decided, &asked, &roles)?;
    let mut bill = Bill::default();
    bill.roles(&roles, session, |measure| asked.uses(measure).filter(|_| measure != Measure::Calls));
    let each = Holder::Principal(&session.principal);
    for (server, calls) in &asked.servers {
        let rule = LimitRule::Server(&server.name);
        let of = |measure| if measure == Measure::Calls { Some(*calls) } else { asked.uses(measure) };
        bill.add(Payer { rule, holder: each, session }, &server.quotas.each, of);
        bill.add(Payer { rule, holder: Holder::Everyone, session }, &server.quotas.together, of);
    }
    if let (Some(item), Some((server, _))) = (asked.item, asked.servers.first()) {
        let rule = LimitRule::Tool(&server.name, &item.name);
        bill.add(Payer { rule, holder: each, session }, &item.quotas.each, |measure| asked.uses(measure));
        bill.add(Payer { rule, holder: Holder::Everyone, session }, &item.quotas.together, |measure| asked.uses(measure));
    }
    if let (Some(word), Some(item), Some((server, _))) = (tried(&session.principal), asked.item, asked.servers.first()) {
        let quota = [Quota::window(Measure::Calls, PROBED.into(), Unit::Minute)];
        let rule = match word {
            "server" => Some(LimitRule::Server(&server.name)),
            "tool" => Some(LimitRule::Tool(&server.name, &item.name)),
            _ => None,
        };
        if let Some(rule) = rule {
            bill.add(Payer { rule, holder: each, session }, &quota, |measure| asked.uses(measure));
        }
    }
    if bill.claims.is_empty() {
        return Ok(None);
    }
    begin(gate, session, &bill);
    bill.pay(gate, trail)?;
    let (mut inflight, mut bytes) = (Vec::new(), Vec::new());
    for (claim, code) in bill.claims.iter().zip(&bill.codes) {
        match code {
            Code::RateInflight => inflight.push(*claim),
            Code::BudgetBytes => bytes.push((*claim, *code)),
            _ => {}
        }
    }
    let idle = inflight.is_empty() && bytes.is_empty();
    Ok((!idle).then(|| Box::new(Taken { meters: Arc::clone(&gate.meters), inflight, bytes })))
}

/// What a call asks of servers.
struct Asked<'a> {
    servers: Vec<(Arc<Server>, u64)>,
    item: Option<&'a Item>,
    subject: &'a str,
    calls: u64,
    cost: u64,
    mutations: u64,
}

impl<'a> Asked<'a> {
    /// `None` where no server is asked anything.
    fn of(trail: &Trail, decided: &'a Decided) -> Option<Self> {
        let target = decided.inspected().resolved().target();
        let (item, subject) = match target {
            Target::Tool(_, item, _) => (Some(&**item), item.name.as_str()),
            Target::Prompt(_, item) => (None, item.name.as_str()),
            Target::Resource(_, uri) | Target::Subscription(_, uri, _) | Target::Completion(_, Reference::Template(uri)) => {
                (None, uri.as_str())
            }
            Target::Completion(_, Reference::Prompt(name)) => (None, name.as_str()),
            Target::Resources(..) => (None, ""),
            Target::Listen(..) => return Self::listens(decided),
            Target::Initialize
            | Target::Discover
            | Target::Ping
            | Target::List(..)
            | Target::Level(_)
            | Target::NoResources
            | Target::Reply(..)
            | Target::Cancel(_)
            | Target::Noted(_)
            | Target::Dropped
            | Target::Stream(_)
            | Target::End
            | Target::Search(_)
            | Target::Misused(_)
            | Target::Closed(..)
            | Target::Absent => return None,
        };
        let server = Arc::clone(resolve::server(target)?);
        // What is not known to read counts as one that changes something.
        let mutations = u64::from(item.is_some() && trail.operation != Some(Operation::Read));
        Some(Self { servers: vec![(server, 1)], item, subject, calls: 1, cost: item.map_or(1, |item| item.cost), mutations })
    }

    /// A subscription asks each server as often as it has resources of it.
    fn listens(decided: &Decided) -> Option<Self> {
        let snapshot = decided.inspected().resolved().snapshot();
        let mut servers: Vec<(Arc<Server>, u64)> = Vec::new();
        let mut of = |name: &ServerName| match servers.iter_mut().find(|(server, _)| server.name == *name) {
            Some((_, calls)) => *calls += 1,
            None => servers.extend(snapshot.servers.get(name).map(|server| (Arc::clone(server), 1))),
        };
        decided.honoured().resources.keys().for_each(|(name, _)| of(name));
        let calls = servers.iter().map(|(_, calls)| calls).sum();
        (calls > 0).then_some(Self { servers, item: None, subject: "", calls, cost: calls, mutations: 0 })
    }

    /// How much of a measure it takes. Of bytes it is asked whether there is any room: how many come is not known yet.
    fn uses(&self, measure: Measure) -> Option<u64> {
        match measure {
            Measure::Calls | Measure::Depth => Some(self.calls),
            Measure::Mutations => Some(self.mutations).filter(|count| *count > 0),
            Measure::Cost => Some(self.cost).filter(|cost| *cost > 0),
            Measure::Bytes => Some(0),
            // A subscription goes on and on: how many there may be is bounded elsewhere.
            Measure::Inflight => (!self.subject.is_empty()).then_some(1),
        }
    }
}

/// A session that makes the same call over and over is told of on record, and stopped where its roles have limits.
fn repeated(gate: &Gate, trail: &mut Trail, decided: &Decided, asked: &Asked<'_>, roles: &[(&Name, &Limits)]) -> Result<(), Halt> {
    let Some((server, _)) = asked.servers.first().filter(|_| !asked.subject.is_empty()) else { return Ok(()) };
    let resolved = decided.inspected().resolved();
    let session = resolved.admitted().session();
    let stated = roles.iter().filter_map(|(_, limits)| limits.repeats).min();
    let probed = (tried(&session.principal) == Some(LOOP)).then_some(PROBED);
    let most = probed.or(stated).unwrap_or(u32::MAX);
    let likeness = likeness(server.name.as_str(), asked.subject, decided.inspected().canonical());
    match session.repeats.count(likeness, most, gate.clock.instant()) {
        Repeated::Within(repeats::TOLD) if trail.occasion == Occasion::Work => {
            event::repeated(gate, session, &server.name, asked.subject, trail.id);
            Ok(())
        }
        Repeated::Within(_) => Ok(()),
        Repeated::Over { retry_after } => {
            let mut halt = trail.refuse_with(Code::BudgetLoop, Hole::Most(u64::from(most)));
            halt.refusal.retry_after = Some(retry_after);
            Err(halt)
        }
    }
}

/// Whether a person has answered, between the calls of the session, what a server asked.
fn answered(resolved: &Resolved) -> bool {
    let accepted = |answer: Option<Node<'_>>| answer.and_then(|answer| answer.get("action")).is_some_and(|action| action.is_text("accept"));
    match (resolved.target(), resolved.round()) {
        (Target::Reply(_, Method::Elicit, _), _) => accepted(resolved.reply()),
        (_, Some(round)) => {
            let asked = round.state.asked.iter().filter(|asked| asked.method() == Some(Method::Elicit));
            asked.into_iter().any(|asked| accepted(resolved.answers().and_then(|answers| answers.get(&asked.key))))
        }
        _ => false,
    }
}

/// Begins the depth of a session anew.
fn person(gate: &Gate, trail: &mut Trail, roles: &[(&Name, &Limits)], session: &Session) -> Result<(), Halt> {
    let holder = Holder::Principal(&session.principal);
    let depths = roles.iter().flat_map(|(role, limits)| limits.each.iter().map(move |quota| (role, quota)));
    for (role, quota) in depths.filter(|(_, quota)| quota.measure == Measure::Depth) {
        let key = quota.claim(LimitRule::Role(role), holder, session.id, 0).key;
        gate.meters.renew(session.id, key).map_err(|cause| {
            trail.cause(&cause);
            trail.refuse(Code::RateFault)
        })?;
    }
    Ok(())
}

/// Has the counters of a session forgotten when it ends.
fn begin(gate: &Gate, session: &Arc<Session>, bill: &Bill) {
    if bill.claims.iter().any(|claim| matches!(claim.bound, policy::Bound::Session { .. })) {
        session.used_up.get_or_init(|| UsedUp { meters: Arc::clone(&gate.meters), session: session.id });
    }
}

/// Calls, units and the like that a probe of limits may use up.
const PROBED: u32 = 3;
/// Bytes that it may receive.
const PROBED_BYTES: u64 = 2048;
/// What the user of such a probe is called, with the measure behind it.
pub const PROBES: &str = "bastide-limits/";

/// What it is called in the name of a probe's user that calls the same over and over.
const LOOP: &str = "loop";

/// What a probe of the assessor asked to be limited in, by the name of its user.
fn tried(principal: &Principal) -> Option<&str> {
    if !principal.is_probe() {
        return None;
    }
    principal.user.as_ref()?.as_str().strip_prefix(PROBES)?.split('/').next()
}

/// The quota that such a probe has: it is counted by the same counters as everyone's.
fn probed(principal: &Principal) -> Option<Quota> {
    let most = u64::from(PROBED);
    Some(match tried(principal)? {
        "calls" => Quota::window(Measure::Calls, most, Unit::Minute),
        "session" => Quota::session(Measure::Calls, most),
        "mutations" => Quota::session(Measure::Mutations, most),
        "bytes" => Quota::session(Measure::Bytes, PROBED_BYTES),
        "cost" => Quota::window(Measure::Cost, most, Unit::Hour),
        "depth" => Quota::session(Measure::Depth, most),
        _ => return None,
    })
}
