//! What a run has shown.

use crate::case::Class;
use crate::good::Call;
use crate::record::{Found, Owed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What came of one case.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) want: String,
    pub(crate) got: String,
    pub(crate) ok: bool,
    pub(crate) took: Duration,
    /// What must be on record of each of its runs, and of how many it is not.
    pub(crate) owed: Vec<Owed>,
    pub(crate) missing: usize,
    /// How often the good client called that called least while it went on.
    pub(crate) calls: usize,
    /// The slowest call but one in a hundred of the good client that was slower.
    pub(crate) p99: Duration,
}

/// What came of one class on one ground.
pub(crate) struct Tally {
    pub(crate) class: Class,
    pub(crate) lines: Vec<Line>,
    /// The calls of each good client.
    pub(crate) calls: Vec<Vec<Call>>,
}

/// What a run had to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every kind that there is.
    Whole,
    /// What was asked for.
    Part {
        /// What of it is in the name of no case, and no class.
        unknown: Vec<String>,
    },
}

/// All of it.
pub struct Report {
    scope: Scope,
    tallies: Vec<Tally>,
    /// Refusals that had to be on record, by code: of how many runs, and how many there are.
    records: BTreeMap<&'static str, (u64, u64)>,
}

/// Calls of a good client that make one in a hundred of them.
pub(crate) const LEAST: usize = 100;
/// The longest that a good call may take but for one in a hundred.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 1 });

/// The time that all calls but one in a hundred were within, of the client that was slower.
pub(crate) fn p99(clients: &[Vec<Call>]) -> Duration {
    let of = |calls: &Vec<Call>| {
        let mut took: Vec<Duration> = calls.iter().map(|call| call.took).collect();
        took.sort_unstable();
        took.get((took.len() * 99 / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    clients.iter().map(of).max().unwrap_or_default()
}

impl Line {
    /// Whether it had its end, and its own record.
    fn is_right(&self) -> bool {
        self.ok && self.missing == 0
    }
}

impl Tally {
    fn failures(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().flatten().filter(|call| call.fault.is_some())
    }

    fn right(&self) -> usize {
        self.lines.iter().filter(|line| line.is_right()).count()
    }

    fn called(&self) -> usize {
        self.calls.iter().map(Vec::len).sum()
    }

    /// The cases during which a good client was slow, or called too seldom to tell.
    fn slow(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.p99 > SLOW || self.class == Class::Flood && line.calls < LEAST)
    }

    fn holds(&self) -> bool {
        let served = p99(&self.calls) <= SLOW && self.calls.iter().all(|calls| calls.len() >= LEAST);
        self.right() == self.lines.len() && self.failures().next().is_none() && self.slow().next().is_none() && served
    }
}

impl Report {
    /// Of a run that looks at this, before it.
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, tallies: Vec::new(), records: BTreeMap::new() }
    }

    /// Whether something was asked for that there is not.
    pub(crate) fn names_unknown(&self) -> bool {
        matches!(&self.scope, Scope::Part { unknown } if !unknown.is_empty())
    }

    /// How many kinds of `class` were run.
    fn kinds(&self, class: Class) -> usize {
        self.tallies.iter().filter(|tally| tally.class == class).map(|tally| tally.lines.len()).sum()
    }

    /// What should have been run and was not, a sentence each.
    fn lacking(&self) -> Vec<String> {
        match &self.scope {
            Scope::Whole => {
                let short = |class: &Class| self.kinds(*class) < class.least();
                let told = |class: Class| format!("{}: {} kinds were run, of at least {}", class.name(), self.kinds(class), class.least());
                Class::ALL.into_iter().filter(short).map(told).collect()
            }
            Scope::Part { unknown } if unknown.is_empty() && self.tallies.is_empty() => vec!["nothing was run".to_owned()],
            Scope::Part { unknown } => {
                let told = |part: &String| {
                    format!("`{part}` is in the name of no case, and no class: nothing was run; --list prints what there is")
                };
                unknown.iter().map(told).collect()
            }
        }
    }

    /// Adds what came of one ground, and what is on record there.
    pub(crate) fn add(&mut self, mut tallies: Vec<Tally>, mut found: Found) {
        let mut wanted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for owed in tallies.iter().flat_map(|tally| &tally.lines).flat_map(|line| &line.owed) {
            *wanted.entry(owed.code).or_default() += 1;
        }
        for (code, count) in wanted {
            let (least, all) = self.records.entry(code).or_default();
            (*least, *all) = (*least + count, *all + found.count(code));
        }
        for line in tallies.iter_mut().flat_map(|tally| &mut tally.lines) {
            line.missing = line.owed.iter().filter(|owed| !found.claim(owed)).count();
        }
        self.tallies.append(&mut tallies);
    }

    /// Whether all was run that there had to be, every case had its end and its record, and the good clients were served in time during each.
    pub fn holds(&self) -> bool {
        self.lacking().is_empty() && self.tallies.iter().all(Tally::holds)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let class = |tally: &Tally| {
            let line = |line: &Line| {
                json!({"case": line.name, "want": line.want, "got": line.got, "ok": line.ok, "ms": line.took.as_millis(), "on_record": line.owed.len() - line.missing,
                    "not_on_record": line.missing, "good_calls": line.calls, "p99_ms": line.p99.as_millis()})
            };
            json!({"class": tally.class.name(), "kinds": tally.lines.len(), "as_expected": tally.right(), "good_calls": tally.called(),
                "good_failures": tally.failures().count(), "good_p99_ms": p99(&tally.calls).as_millis(), "cases": tally.lines.iter().map(line).collect::<Vec<_>>()})
        };
        let record = |(code, (least, found)): (&&str, &(u64, u64))| json!({"code": code, "at_least": least, "found": found});
        json!({"ok": self.holds(), "lacking": self.lacking(), "classes": self.tallies.iter().map(class).collect::<Vec<_>>(), "records": self.records.iter().map(record).collect::<Vec<_>>()})
    }

    /// The case during which a good client was slowest.
    fn slowest(&self) -> Option<(&Tally, &Line)> {
        self.tallies.iter().flat_map(|tally| tally.lines.iter().map(move |line| (tally, line))).max_by_key(|(_, line)| line.p99)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "class         kinds   as expected   good calls   failed   p99")?;
        for tally in &self.tallies {
            let (name, kinds, right) = (tally.class.name(), tally.lines.len(), tally.right());
            let (calls, failed, p99) = (tally.called(), tally.failures().count(), p99(&tally.calls).as_millis());
            writeln!(out, "{name:<12} {kinds:>6} {right:>13} {calls:>12} {failed:>8}   {p99} ms")?;
        }
        if let Some((tally, line)) = self.slowest() {
            let (class, calls, p99) = (tally.class.name(), line.calls, line.p99.as_millis());
            writeln!(out, "a good client was slowest during {class}: {}, p99 {p99} ms of at least {calls} calls", line.name)?;
        }
        for (code, (least, found)) in &self.records {
            writeln!(out, "{code:<40} {found:>6} on record, {least} of them owed to cases")?;
        }
        for lack in self.lacking() {
            writeln!(out, "! {lack}")?;
        }
        for tally in &self.tallies {
            let class = tally.class.name();
            for line in tally.lines.iter().filter(|line| !line.ok) {
                writeln!(out, "! {class}: {}: wanted {}, got {} after {} ms", line.name, line.want, line.got, line.took.as_millis())?;
            }
            for line in tally.lines.iter().filter(|line| line.missing > 0) {
                writeln!(out, "! {class}: {}: {} of {} runs are not on record", line.name, line.missing, line.owed.len())?;
            }
            for line in tally.slow() {
                writeln!(out, "! {class}: {}: p99 of a good client {} ms of {} calls", line.name, line.p99.as_millis(), line.calls)?;
            }
            for call in tally.failures().take(5) {
                writeln!(out, "! {class}: a good call failed: {}", call.fault.as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn call(took: Duration) -> Call {
        Call { began: Instant::now(), took, fault: None }
    }

    /// A flood with its end, on record, while a good client called as often as it must.
    fn good() -> Tally {
        let calls = vec![vec![call(Duration::from_millis(3)); LEAST]];
        let line = Line {
            name: "a flood",
            want: String::new(),
            got: String::new(),
            ok: true,
            took: Duration::from_secs(1),
            owed: Vec::new(),
            missing: 0,
            calls: LEAST,
            p99: p99(&calls),
        };
        Tally { class: Class::Flood, lines: vec![line], calls }
    }

    /// So many kinds of `class`, each with its end.
    fn kinds(class: Class, count: usize) -> Tally {
        Tally { class, lines: (0..count).flat_map(|_| good().lines).collect(), calls: good().calls }
    }

    fn of(scope: Scope, tallies: Vec<Tally>) -> Report {
        Report { scope, tallies, records: BTreeMap::new() }
    }

    #[test]
    fn a_whole_run_has_at_least_so_many_kinds_of_each_class() {
        let whole = |change: fn(Class, usize) -> usize| {
            let tallies = Class::ALL.map(|class| kinds(class, change(class, class.least())));
            of(Scope::Whole, tallies.into_iter().filter(|tally| !tally.lines.is_empty()).collect())
        };
        assert!(whole(|_, least| least).holds());
        // Grounds have tallies of their own, which count together.
        let mut halves = whole(|_, least| least - 1);
        halves.tallies.extend(Class::ALL.map(|class| kinds(class, 1)));
        assert!(halves.holds());
        let short = whole(|class, least| if class == Class::Slow { least - 1 } else { least });
        assert!(!short.holds() && short.to_string().contains("! slow: 29 kinds were run, of at least 30"), "{short}");
        let none = whole(|class, least| if class == Class::Certificate { 0 } else { least });
        assert!(!none.holds() && none.to_string().contains("! certificate: 0 kinds were run, of at least 15"), "{none}");
    }

    #[test]
    fn what_was_not_run_holds_nothing() {
        assert!(!Report::new(Scope::Whole).holds());
        let empty = Report::new(Scope::Part { unknown: Vec::new() });
        assert!(!empty.holds() && empty.to_string().contains("! nothing was run"), "{empty}");
        let unknown = Report::new(Scope::Part { unknown: vec!["pingz".to_owned()] });
        assert!(!unknown.holds() && unknown.to_string().contains("! `pingz` is in the name of no case"), "{unknown}");
        assert_eq!(unknown.json()["ok"], false);
        assert!(of(Scope::Part { unknown: Vec::new() }, vec![good()]).holds(), "a part needs no number");
    }

    #[test]
    fn one_fault_is_enough_to_fail() {
        let late = SLOW + Duration::from_millis(1);
        type Spoil = fn(&mut Tally, Duration);
        let faults: [(&str, Spoil); 7] = [
            ("another end", |tally, _| tally.lines[0].ok = false),
            ("nothing on record", |tally, _| tally.lines[0].missing = 1),
            ("a client that is slow during a case", |tally, late| tally.lines[0].p99 = late),
            ("a client that called too seldom during a flood", |tally, _| tally.lines[0].calls = LEAST - 1),
            ("a client that is slow over all", |tally, late| tally.calls[0][..2].fill(call(late))),
            ("a client that hardly called", |tally, _| tally.calls.push(vec![call(Duration::ZERO)])),
            ("a call that failed", |tally, _| tally.calls[0][0].fault = Some("it was cut off".to_owned())),
        ];
        let report = |tally| of(Scope::Part { unknown: Vec::new() }, vec![good(), tally]);
        assert!(report(good()).holds());
        for (what, spoil) in faults {
            let mut tally = good();
            spoil(&mut tally, late);
            assert!(!report(tally).holds(), "{what}");
        }
        // One call in a hundred may be late.
        let mut tally = good();
        tally.calls[0][0].took = late;
        tally.calls[0].push(call(Duration::ZERO));
        assert!(report(tally).holds());
    }
}
