//! What must fit together in limits.

use super::Checks;
use crate::file::{Limits, Served};
use crate::unit::{Amount, Rate, Several, Size, Unit};
use std::collections::BTreeSet;

/// The limits of the role `name`.
pub(super) fn role(checks: &mut Checks<'_>, name: &str, limits: &Limits) {
    let path = ["roles", name, "limits"];
    rates(checks, &path, "calls", &limits.calls);
    rates(checks, &path, "mutations", &limits.mutations);
    amounts(checks, &path, "bytes", &limits.bytes);
    rates(checks, &path, "cost", &limits.cost);
    for (key, count) in [("depth", limits.depth), ("inflight", limits.inflight), ("repeats", limits.repeats)] {
        some(checks, &path, key, count);
    }
    let path = ["roles", name, "limits", "together"];
    rates(checks, &path, "calls", &limits.together.calls);
    rates(checks, &path, "cost", &limits.together.cost);
    some(checks, &path, "inflight", limits.together.inflight);
    for (key, rates) in [("calls", &limits.together.calls), ("cost", &limits.together.cost)] {
        of_time(checks, &path, key, rates.0.iter().map(|rate| rate.per));
    }
}

/// The limits of the server or tool at `owner`.
pub(super) fn served(checks: &mut Checks<'_>, owner: [&str; 2], limits: &Served) {
    let path = [owner[0], owner[1], "limits"];
    rates(checks, &path, "calls", &limits.calls);
    of_time(checks, &path, "calls", limits.calls.0.iter().map(|rate| rate.per));
    of_time(checks, &path, "pace", limits.pace.iter().map(|rate| rate.per));
    nothing(checks, &path, "pace", limits.pace.is_some_and(|rate| rate.count == 0));
    some(checks, &path, "inflight", limits.inflight);
    let path = [owner[0], owner[1], "limits", "each"];
    rates(checks, &path, "calls", &limits.each.calls);
    amounts(checks, &path, "bytes", &limits.each.bytes);
    some(checks, &path, "inflight", limits.each.inflight);
}

/// The least bytes of a page: a character has up to four.
const LEAST_PAGE: u64 = 1 << 10;

/// How much is given at once of what stands at `path`.
pub(super) fn page(checks: &mut Checks<'_>, path: &[&str], max: Option<Size>, lines: Option<u32>) {
    if max.is_some_and(|max| max.bytes() < LEAST_PAGE) {
        checks.misfit(&[path, &["max"]].concat(), format!("{}.max is at least 1KiB", path.join(".")));
    }
    some(checks, path, "lines", lines);
}

fn rates(checks: &mut Checks<'_>, path: &[&str], key: &str, rates: &Several<Rate>) {
    nothing(checks, path, key, rates.0.iter().any(|rate| rate.count == 0));
    once(checks, path, key, rates.0.iter().map(|rate| rate.per));
}

fn amounts(checks: &mut Checks<'_>, path: &[&str], key: &str, amounts: &Several<Amount>) {
    nothing(checks, path, key, amounts.0.iter().any(|amount| amount.size.bytes() == 0));
    once(checks, path, key, amounts.0.iter().map(|amount| amount.per));
}

fn some(checks: &mut Checks<'_>, path: &[&str], key: &str, count: Option<u32>) {
    nothing(checks, path, key, count == Some(0));
}

fn nothing(checks: &mut Checks<'_>, path: &[&str], key: &str, is_nothing: bool) {
    if is_nothing {
        let message = format!("{}.{key} must be more than nothing; what is to be closed stands in no `allow`", path.join("."));
        checks.misfit(&[path, &[key]].concat(), message);
    }
}

fn once(checks: &mut Checks<'_>, path: &[&str], key: &str, units: impl Iterator<Item = Unit>) {
    let mut seen = BTreeSet::new();
    if units.map(Unit::as_str).any(|unit| !seen.insert(unit)) {
        checks.misfit(&[path, &[key]].concat(), format!("{}.{key} has two of one unit; keep the smaller one", path.join(".")));
    }
}

/// What several principals use up together is of no session.
fn of_time(checks: &mut Checks<'_>, path: &[&str], key: &str, mut units: impl Iterator<Item = Unit>) {
    if units.any(|unit| unit == Unit::Session) {
        let message =
            format!("{}.{key} counts for all principals together, who share no session; write a rate per s, min, h or d", path.join("."));
        checks.misfit(&[path, &[key]].concat(), message);
    }
}
