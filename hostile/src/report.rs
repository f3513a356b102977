//! What a run has shown.

use crate::case::Class;
use crate::good::Call;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// What came of one case.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) want: String,
    pub(crate) got: String,
    pub(crate) ok: bool,
    pub(crate) took: Duration,
    /// The slowest good call but one in a hundred, while it went on.
    pub(crate) p99: Duration,
}

/// What came of one class.
pub(crate) struct Tally {
    pub(crate) class: Class,
    pub(crate) lines: Vec<Line>,
    pub(crate) calls: Vec<Call>,
}

/// All of it.
pub struct Report {
    pub(crate) tallies: Vec<Tally>,
    /// Refusals that had to be on record, by code: how many at least, and how many are.
    pub(crate) records: Vec<(&'static str, u64, u64)>,
}

/// The longest that a good call may take but for one in a hundred.
const SLOW: Duration = Duration::from_secs(1);

/// The time that all calls but one in a hundred were within.
pub(crate) fn p99(calls: &[Call]) -> Duration {
    let mut took: Vec<Duration> = calls.iter().map(|call| call.took).collect();
    took.sort_unstable();
    took.get((took.len() * 99 / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl Tally {
    fn failures(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.fault.is_some())
    }

    fn right(&self) -> usize {
        self.lines.iter().filter(|line| line.ok).count()
    }

    fn holds(&self) -> bool {
        self.right() == self.lines.len() && self.failures().next().is_none() && p99(&self.calls) <= SLOW
    }
}

impl Report {
    /// Whether every case had its end, every refusal is on record, and the good clients were served in time.
    pub fn holds(&self) -> bool {
        self.tallies.iter().all(Tally::holds) && self.records.iter().all(|(_, least, found)| found >= least)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let class = |tally: &Tally| {
            let line = |line: &Line| json!({"case": line.name, "want": line.want, "got": line.got, "ok": line.ok, "ms": line.took.as_millis(), "p99_ms": line.p99.as_millis()});
            json!({"class": tally.class.name(), "kinds": tally.lines.len(), "as_expected": tally.right(), "good_calls": tally.calls.len(),
                "good_failures": tally.failures().count(), "good_p99_ms": p99(&tally.calls).as_millis(), "cases": tally.lines.iter().map(line).collect::<Vec<_>>()})
        };
        let record = |(code, least, found): &(&str, u64, u64)| json!({"code": code, "at_least": least, "found": found});
        json!({"ok": self.holds(), "classes": self.tallies.iter().map(class).collect::<Vec<_>>(), "records": self.records.iter().map(record).collect::<Vec<_>>()})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "class         kinds   as expected   good calls   failed   p99")?;
        for tally in &self.tallies {
            let (name, kinds, right) = (tally.class.name(), tally.lines.len(), tally.right());
            let (calls, failed, p99) = (tally.calls.len(), tally.failures().count(), p99(&tally.calls).as_millis());
            writeln!(out, "{name:<12} {kinds:>6} {right:>13} {calls:>12} {failed:>8}   {p99} ms")?;
        }
        if let Some((line, class)) =
            self.tallies.iter().flat_map(|tally| tally.lines.iter().map(|line| (line, tally.class))).max_by_key(|(line, _)| line.p99)
        {
            writeln!(out, "the good client was slowest during {}: {}, p99 {} ms", class.name(), line.name, line.p99.as_millis())?;
        }
        for (code, least, found) in &self.records {
            let said = if found >= least { "on record" } else { "NOT ALL ON RECORD" };
            writeln!(out, "{code:<40} {found:>6} {said}, at least {least}")?;
        }
        for tally in &self.tallies {
            for line in tally.lines.iter().filter(|line| !line.ok) {
                writeln!(
                    out,
                    "! {}: {}: wanted {}, got {} after {} ms",
                    tally.class.name(),
                    line.name,
                    line.want,
                    line.got,
                    line.took.as_millis()
                )?;
            }
            for call in tally.failures().take(5) {
                writeln!(out, "! {}: a good call failed: {}", tally.class.name(), call.fault.as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}
