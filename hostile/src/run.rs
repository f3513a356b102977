//! Runs cases: those of being slow beside one another, all others one after the other.

use crate::arena::Arena;
use crate::case::{Case, Class, Ground};
use crate::good::{Call, Good};
use crate::record::Owed;
use crate::report::{LEAST, Line, Report, Scope, Tally, p99};
use crate::ring::Ring;
use crate::seen::Seen;
use crate::{certificate, flood, slow, tls};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a case is repeated at most, until the good clients have called often enough.
const REPEATED: Duration = Duration::from_secs(if cfg!(debug_assertions) { 300 } else { 60 });
/// How much later than its end had to come a case may have seen it.
const SEEN_LATER: Duration = Duration::from_millis(if cfg!(debug_assertions) { 10_000 } else { 500 });

/// Which cases are run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of whose name, or class, this is a part; all, where nothing is named.
    pub only: Vec<String>,
}

impl Selection {
    fn takes(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| Self::names(part, case))
    }

    fn names(part: &str, case: &Case) -> bool {
        case.name.contains(part) || case.class.name() == part
    }

    /// What of `cases` must have been run.
    fn scope(&self, cases: &[Case]) -> Scope {
        if self.only.is_empty() {
            return Scope::Whole;
        }
        let unknown = |part: &&String| !cases.iter().any(|case| Self::names(part, case));
        Scope::Part { unknown: self.only.iter().filter(unknown).cloned().collect() }
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    [flood::cases(), slow::cases(), tls::cases(), certificate::cases()].concat()
}

/// Runs what was selected; nothing, where some of it is unknown.
pub fn run(selection: &Selection) -> Report {
    let cases = all();
    let mut report = Report::new(selection.scope(&cases));
    if report.names_unknown() {
        return report;
    }
    let cases: Vec<Case> = cases.into_iter().filter(|case| selection.takes(case)).collect();
    for ground in Ground::ALL {
        let cases: Vec<Case> = cases.iter().filter(|case| case.ground == ground).copied().collect();
        if cases.is_empty() {
            continue;
        }
        let mut arena = Arena::new(ground);
        let tallies: Vec<Tally> = Class::ALL.into_iter().filter_map(|class| tally(&arena, class, &cases)).collect();
        report.add(tallies, arena.records());
    }
    report
}

/// Runs the cases of `class`, if there are any.
fn tally(arena: &Arena, class: Class, cases: &[Case]) -> Option<Tally> {
    let cases: Vec<Case> = cases.iter().filter(|case| case.class == class).copied().collect();
    if cases.is_empty() {
        return None;
    }
    let good = [Good::start(&arena.plain), Good::start(&arena.secured)];
    let began = Instant::now();
    let (abreast, least) = match class {
        Class::Flood => (1, LEAST),
        Class::Slow => (cases.len(), LEAST),
        // What is over at once costs nobody anything: all of it together is looked at.
        Class::Tls | Class::Certificate => (1, LEAST.div_ceil(cases.len())),
    };
    let lines = abreast_of(abreast, &cases, |case| one(arena, case, &good, least));
    Some(Tally { class, lines, calls: good.iter().map(|good| good.since(began)).collect() })
}

/// Runs `cases`, so many at a time.
fn abreast_of(most: usize, cases: &[Case], one: impl Fn(&Case) -> Line + Sync) -> Vec<Line> {
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..most {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { return };
                    let line = one(case);
                    lines.lock().unwrap().push((at, line));
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Runs a case again and again until each good client has called `least` times meanwhile, or it had another end.
fn one(arena: &Arena, case: &Case, good: &[Good], least: usize) -> Line {
    let began = Instant::now();
    let mut owed = Vec::new();
    loop {
        let (ring, wall) = (Ring { arena, want: case.want, within: case.within, from: Mutex::default() }, SystemTime::now());
        let seen = catch_unwind(AssertUnwindSafe(|| (case.act)(&ring))).unwrap_or_else(|_| Seen::judged(false, "the driver failed"));
        let ok = seen.is(case.want) && seen.took <= case.within + SEEN_LATER;
        owed.extend(case.record.map(|code| Owed::new(code, &seen, wall, ring.from.into_inner().unwrap())));
        let calls = good.iter().map(|good| good.count_since(began)).min().unwrap_or_default();
        if !ok || calls >= least || began.elapsed() > REPEATED {
            let calls: Vec<Vec<Call>> = good.iter().map(|good| good.since(began)).collect();
            let (want, got, took) = (case.want.to_string(), told(&seen), began.elapsed());
            return Line {
                name: case.name,
                want,
                got,
                ok,
                took,
                owed,
                missing: 0,
                calls: calls.iter().map(Vec::len).min().unwrap_or_default(),
                p99: p99(&calls),
            };
        }
    }
}

/// What came back, in a few words.
fn told(seen: &Seen) -> String {
    let mut parts = vec![format!("{:?}", seen.ended)];
    parts.extend(seen.status.map(|status| status.to_string()));
    parts.extend(seen.code.clone());
    parts.extend(seen.goaway.map(|code| format!("GOAWAY {code}")));
    parts.extend(seen.reset.map(|code| format!("RST_STREAM {code}")));
    parts.extend(seen.alert.map(|code| format!("alert {code}")));
    parts.extend((!seen.note.is_empty()).then(|| format!("({})", seen.note.escape_debug())));
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_told_and_nothing_is_run() {
        let cases = all();
        let scope = |only: &[&str]| Selection { only: only.iter().map(ToString::to_string).collect() }.scope(&cases);
        assert_eq!(scope(&[]), Scope::Whole);
        assert_eq!(scope(&["pings", "tls"]), Scope::Part { unknown: Vec::new() });
        assert_eq!(scope(&["pings", "pongs and pings"]), Scope::Part { unknown: vec!["pongs and pings".to_owned()] });
        let report = run(&Selection { only: vec!["pings".to_owned(), "pongs and pings".to_owned()] });
        let said = report.to_string();
        assert!(!report.holds() && said.contains("`pongs and pings`") && said.contains("--list"), "{said}");
        assert_eq!(report.json()["classes"].as_array().unwrap().len(), 0);
    }
}
