//! What may be used up, as the counters take it.

use crate::file::{Limits, Served, Together};
use crate::unit::{Amount, Rate, Several, Unit};
use policy::{Measure, Per, Quota, Quotas};

/// How many calls of one session that hardly differ are a runaway loop, where a role has limits and says nothing of that.
const REPEATS: u32 = 10_000;

/// The limits of a role.
pub(crate) fn role(limits: &Limits) -> policy::Limits {
    let mut each = rates(Measure::Calls, &limits.calls);
    each.extend(rates(Measure::Mutations, &limits.mutations));
    each.extend(amounts(&limits.bytes));
    each.extend(rates(Measure::Cost, &limits.cost));
    each.extend(limits.depth.map(|most| Quota::session(Measure::Depth, most.into())));
    each.extend(inflight(limits.inflight));
    let Together { calls, cost, inflight: at_once } = &limits.together;
    let mut together = rates(Measure::Calls, calls);
    together.extend(rates(Measure::Cost, cost));
    together.extend(inflight(*at_once));
    let limited = !each.is_empty() || !together.is_empty();
    policy::Limits { each, together, repeats: limits.repeats.or(limited.then_some(REPEATS)) }
}

/// The limits of a server or a tool.
pub(crate) fn served(limits: &Served) -> Quotas {
    let mut together = rates(Measure::Calls, &limits.calls);
    together
        .extend(limits.pace.and_then(|rate| Some(Quota { measure: Measure::Calls, most: rate.count, per: Per::Pace(unit(rate.per)?) })));
    together.extend(inflight(limits.inflight));
    let mut each = rates(Measure::Calls, &limits.each.calls);
    each.extend(amounts(&limits.each.bytes));
    each.extend(inflight(limits.each.inflight));
    Quotas { each, together }
}

fn rates(measure: Measure, rates: &Several<Rate>) -> Vec<Quota> {
    rates.0.iter().map(|rate| Quota { measure, most: rate.count, per: per(rate.per) }).collect()
}

fn amounts(amounts: &Several<Amount>) -> Vec<Quota> {
    amounts.0.iter().map(|amount| Quota { measure: Measure::Bytes, most: amount.size.bytes(), per: per(amount.per) }).collect()
}

fn inflight(most: Option<u32>) -> Option<Quota> {
    most.map(|most| Quota { measure: Measure::Inflight, most: most.into(), per: Per::Moment })
}

fn per(per: Unit) -> Per {
    unit(per).map_or(Per::Session, Per::Unit)
}

fn unit(unit: Unit) -> Option<policy::Unit> {
    match unit {
        Unit::Second => Some(policy::Unit::Second),
        Unit::Minute => Some(policy::Unit::Minute),
        Unit::Hour => Some(policy::Unit::Hour),
        Unit::Day => Some(policy::Unit::Day),
        Unit::Session => None,
    }
}
