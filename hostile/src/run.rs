//! Runs cases: floods and certificates one after the other, the others beside one another.

use crate::arena::Arena;
use crate::case::{Case, Class};
use crate::good::{Call, Good};
use crate::report::{Line, Report, Tally, p99};
use crate::ring::Ring;
use crate::seen::Seen;
use crate::{certificate, flood, slow, tls};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Which cases are run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of whose name, or class, this is a part; all, where nothing is named.
    pub only: Vec<String>,
}

impl Selection {
    fn takes(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| case.name.contains(part.as_str()) || case.class.name() == part)
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    [flood::cases(), slow::cases(), tls::cases(), certificate::cases()].concat()
}

/// Runs what was selected.
pub fn run(selection: &Selection) -> Report {
    let cases: Vec<Case> = all().into_iter().filter(|case| selection.takes(case)).collect();
    let mut arena = Arena::new();
    let mut tallies = Vec::new();
    for class in Class::ALL {
        let cases: Vec<Case> = cases.iter().filter(|case| case.class == class).copied().collect();
        if cases.is_empty() {
            continue;
        }
        let good = [Good::start(&arena.plain), Good::start(&arena.secured)];
        let began = Instant::now();
        let abreast = match class {
            Class::Flood | Class::Tls | Class::Certificate => 1,
            Class::Slow => cases.len(),
        };
        let lines = abreast_of(&arena, &cases, abreast, &good);
        let calls = since(&good, began);
        tallies.push(Tally { class, lines, calls });
    }
    let mut wanted: Vec<(&'static str, u64)> = Vec::new();
    for code in cases.iter().filter_map(|case| case.record) {
        match wanted.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => wanted.push((code, 1)),
        }
    }
    let found = arena.records();
    let count = |code: &str| found.iter().find(|(known, _)| known == code).map_or(0, |(_, count)| *count);
    Report { tallies, records: wanted.into_iter().map(|(code, least)| (code, least, count(code))).collect() }
}

fn since(good: &[Good], began: Instant) -> Vec<Call> {
    good.iter().flat_map(|good| good.since(began)).collect()
}

/// Runs `cases`, so many at a time.
fn abreast_of(arena: &Arena, cases: &[Case], most: usize, good: &[Good]) -> Vec<Line> {
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..most {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { return };
                    let line = one(arena, case, good);
                    lines.lock().unwrap().push((at, line));
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn one(arena: &Arena, case: &Case, good: &[Good]) -> Line {
    let began = Instant::now();
    let ring = Ring { arena, want: case.want, within: case.within };
    let seen = catch_unwind(AssertUnwindSafe(|| (case.act)(&ring))).unwrap_or_else(|_| Seen::judged(false, "the driver failed"));
    let took = began.elapsed();
    let ok = seen.is(case.want) && seen.took <= case.within + std::time::Duration::from_millis(500);
    Line { name: case.name, want: case.want.to_string(), got: told(&seen), ok, took, p99: p99(&since(good, began)) }
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
