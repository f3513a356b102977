//! Scores the screens on a labelled set: precision, recall, false alarms, by kind, and which records are wrong.
//!
//! A set is JSON Lines: `text`, `spans` of `[start, end, kind]` in code points, and where they are given `id`, `task`, `family`. A record is judged by the
//! class of its task: what of another class is found in it does not count. The rule for spans: an expected one is found where what is found covers half of
//! it and is at most four times as long; what lies half within an expected one is no false alarm.

use super::super::screens::Screens;
use super::alarm::{self, Sealed};
use crate::outcome::{Common, Failure};
use crate::screen::{Mark, plain, table};
use crate::verb::member;
use crate::wire::Configured;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use terms::{Class, Finding, Span};

/// The largest set, in bytes.
const LARGEST: u64 = 256 << 20;
/// Records that are wrong and named.
const MOST: usize = 100;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Task {
    /// Keys, tokens, passwords.
    Secrets,
    /// What names, reaches or identifies a person.
    Pii,
    /// Cards and accounts.
    Financial,
    /// Paths, addresses, stack traces.
    Leaks,
}

impl Task {
    /// The one that findings of a class are judged by.
    pub(super) const fn of(class: Class) -> Option<Self> {
        match class {
            Class::Secret => Some(Self::Secrets),
            Class::Pii => Some(Self::Pii),
            Class::Financial => Some(Self::Financial),
            Class::Leak => Some(Self::Leaks),
            Class::Echo | Class::Injection | Class::Unseen => None,
        }
    }

    /// The word in a set.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Pii => "pii",
            Self::Financial => "financial",
            Self::Leaks => "leaks",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Secrets, Self::Pii, Self::Financial, Self::Leaks].into_iter().find(|task| task.as_str() == word)
    }

    /// Whether findings of a class count. A number of a person and one of an account are told apart by neither.
    pub(super) fn counts(self, class: Class) -> bool {
        match self {
            Self::Secrets => class == Class::Secret,
            Self::Pii | Self::Financial => matches!(class, Class::Pii | Class::Financial),
            Self::Leaks => class == Class::Leak,
        }
    }
}

/// One record of a set.
struct Record {
    line: usize,
    id: String,
    text: String,
    gold: Vec<(Span, String)>,
    task: Option<Task>,
}

/// Counts of one kind.
#[derive(Default)]
struct Tally {
    expected: usize,
    found: usize,
    false_alarms: usize,
}

/// Scores the set in `path`; without one, the local set of false alarms.
///
/// # Errors
/// [`Failure`] when the set cannot be read, with the line.
pub(super) fn run(
    path: Option<&Path>,
    task: Option<Task>,
    screens: &Screens,
    configured: Option<&Configured>,
    common: &Common,
) -> Result<ExitCode, Failure> {
    let (name, text, sealed) = match (path, configured) {
        (Some(path), _) => (path.display().to_string(), read(path)?, None),
        (None, Some(configured)) => {
            let path = alarm::path(configured);
            if !path.exists() {
                return Err(Failure::no("no false alarm has been reported").next("bastide inspect report REFERENCE --reason WHY"));
            }
            (path.display().to_string(), read(&path)?, Some(Sealed::of(configured)))
        }
        (None, None) => return Err(Failure::usage("without a configuration there is no local set").next("bastide inspect --eval FILE")),
    };
    let (mut records, mut unscored) = (Vec::new(), Vec::new());
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| Failure::usage(format!("{name}:{}: {what}", at + 1));
        let value: Value = serde_json::from_str(line).map_err(|cause| wrong("it is not JSON").because(&cause))?;
        let id = value["id"].as_str().map_or_else(|| value["id"].to_string(), str::to_owned);
        let told = value["task"].as_str().map(|word| Task::from_word(word).ok_or_else(|| wrong("`task` is none that is scored")));
        let task = task.or(told.transpose()?);
        let opened = match &sealed {
            Some(sealed) if !member(&value, "reference").is_empty() => match sealed.open(member(&value, "reference"), &id)? {
                Some(opened) => opened,
                None => {
                    unscored.push(json!({ "line": at + 1, "id": id, "why": member(&value, "unsealed") }));
                    continue;
                }
            },
            Some(_) | None => value,
        };
        let text = opened["text"].as_str().ok_or_else(|| wrong("it needs the text `text`"))?;
        let gold = gold(text, &opened["spans"]).ok_or_else(|| wrong("`spans` must be a list of [start, end, kind] within the text"))?;
        records.push(Record { line: at + 1, id, text: text.to_owned(), gold, task });
    }
    let answer = scored(&name, &records, unscored, screens);
    common.answer(&answer, said)?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable = |cause: &dyn std::error::Error| Failure::usage(format!("{} cannot be read", path.display())).because(cause);
    let length = std::fs::metadata(path).map_err(|cause| unreadable(&cause))?.len();
    if length > LARGEST {
        return Err(Failure::usage(format!("{} has more than {LARGEST} bytes", path.display())));
    }
    std::fs::read_to_string(path).map_err(|cause| unreadable(&cause))
}

/// The expected spans, in bytes; none where they are not of the form.
fn gold(text: &str, spans: &Value) -> Option<Vec<(Span, String)>> {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |value: &Value| places.get(usize::try_from(value.as_u64()?).ok()?).copied();
    let one = |span: &Value| Some((Span::new(place(&span[0])?, place(&span[1])?), span[2].as_str()?.to_owned()));
    spans.as_array()?.iter().map(one).collect()
}

fn scored(name: &str, records: &[Record], unscored: Vec<Value>, screens: &Screens) -> Value {
    let mut kinds: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut wrong, mut negatives, mut flagged) = (Vec::new(), 0_usize, 0_usize);
    let (mut found, mut missed, mut right, mut alarms) = (0_usize, 0_usize, 0_usize, 0_usize);
    for record in records {
        let counts = |one: &Finding| match record.task {
            Some(task) => task.counts(one.class),
            None => matches!(one.class, Class::Secret | Class::Pii | Class::Financial),
        };
        let reports = screens.find(&[record.text.as_str()]);
        let told: Vec<&Finding> = reports.iter().flat_map(|report| &report.findings).filter(|one| counts(one)).collect();
        let expected: Vec<Span> = record.gold.iter().map(|(span, _)| *span).collect();
        let spans: Vec<Span> = told.iter().map(|one| one.span).collect();
        let (hits, holds) = matched(&expected, &spans);
        let mut faults = Vec::new();
        for ((span, kind), hit) in record.gold.iter().zip(&hits) {
            let tally = kinds.entry(kind.clone()).or_default();
            tally.expected += 1;
            if *hit {
                (found, tally.found) = (found + 1, tally.found + 1);
            } else {
                missed += 1;
                faults.push(fault("missed", kind, &record.text, *span));
            }
        }
        for (one, holds) in told.iter().zip(&holds) {
            if *holds {
                right += 1;
            } else {
                alarms += 1;
                kinds.entry(one.kind.to_string()).or_default().false_alarms += 1;
                faults.push(fault("false alarm", &one.kind, &record.text, one.span));
            }
        }
        if record.gold.is_empty() {
            negatives += 1;
            flagged += usize::from(!told.is_empty());
        }
        if !faults.is_empty() {
            wrong.push(json!({ "line": record.line, "id": record.id, "faults": faults }));
        }
    }
    let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    let (precision, recall) = (share(found, found + alarms), share(found, found + missed));
    let f1 = if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    let row = |(kind, tally): (&String, &Tally)| json!({ "kind": kind, "expected": tally.expected, "found": tally.found, "false_alarms": tally.false_alarms });
    json!({
        "set": name,
        "records": records.len() + unscored.len(),
        "scored": records.len(),
        "precision": rounded(precision),
        "recall": rounded(recall),
        "f1": rounded(f1),
        "expected": found + missed,
        "found": found,
        "right": right,
        "false_alarms": alarms,
        "negatives": negatives,
        "flagged": flagged,
        "kinds": kinds.iter().map(row).collect::<Vec<_>>(),
        "wrong": wrong,
        "unscored": unscored,
    })
}

/// Four places behind the point.
fn rounded(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

/// What is wrong in a text, and where, without the value.
fn fault(what: &str, kind: &str, text: &str, span: Span) -> Value {
    let before = text.get(..text.floor_char_boundary(span.start)).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    json!({ "what": what, "kind": kind, "text_line": before.matches('\n').count() + 1, "text_column": column })
}

/// Which of `gold` are found by `told`, and which of `told` are right.
fn matched(gold: &[Span], told: &[Span]) -> (Vec<bool>, Vec<bool>) {
    let common = |one: &Span, other: &Span| one.end.min(other.end).saturating_sub(one.start.max(other.start));
    let (mut found, mut right) = (vec![false; gold.len()], vec![false; told.len()]);
    for (hit, expected) in found.iter_mut().zip(gold) {
        let parts: Vec<&Span> = told.iter().filter(|one| one.meets(*expected)).collect();
        let enough = |cover: usize, length: usize| cover * 2 >= expected.len() && expected.len() * 4 >= length;
        let cover: usize = parts.iter().map(|one| common(expected, one)).sum();
        let single = parts.iter().any(|one| enough(common(expected, one), one.len()));
        *hit = !parts.is_empty() && (single || enough(cover, parts.iter().map(|one| one.len()).sum()));
        for (holds, _) in right.iter_mut().zip(told).filter(|(_, one)| *hit && one.meets(*expected) && one.len() <= 4 * expected.len()) {
            *holds = true;
        }
    }
    for (holds, one) in right.iter_mut().zip(told) {
        *holds |= gold.iter().any(|expected| common(expected, one) * 2 >= one.len());
        let inside = |expected: &&Span| expected.start >= one.start && expected.end <= one.end;
        let within: Vec<usize> = gold.iter().filter(inside).map(|expected| expected.len()).collect();
        if within.len() > 1 && within.iter().sum::<usize>() * 4 >= one.len() {
            *holds = true;
            found.iter_mut().zip(gold).filter(|(_, expected)| inside(expected)).for_each(|(hit, _)| *hit = true);
        }
    }
    (found, right)
}

fn said(answer: &Value) -> String {
    let of = |key: &str| answer[key].as_f64().unwrap_or_default();
    let mut out = format!(
        "{}: {} records\n  precision {:.4}  recall {:.4}  F1 {:.4}\n  {} of {} found, {} false alarms; {} of {} texts without anything are flagged\n\n",
        member(answer, "set"),
        answer["scored"],
        of("precision"),
        of("recall"),
        of("f1"),
        answer["found"],
        answer["expected"],
        answer["false_alarms"],
        answer["flagged"],
        answer["negatives"],
    );
    let list = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let cells = |row: &Value| {
        vec![plain(member(row, "kind"), 60), row["expected"].to_string(), row["found"].to_string(), row["false_alarms"].to_string()]
    };
    out.push_str(&table(&["kind", "expected", "found", "false alarms"], &list("kinds").iter().map(cells).collect::<Vec<_>>()));
    for one in list("wrong").iter().take(MOST) {
        for fault in one["faults"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let _ = writeln!(
                out,
                "{} line {}  {}  {} {}  at {}:{} of its text",
                Mark::Bad.sign(),
                one["line"],
                plain(member(one, "id"), 40),
                member(fault, "what"),
                plain(member(fault, "kind"), 60),
                fault["text_line"],
                fault["text_column"]
            );
        }
    }
    if list("wrong").len() > MOST {
        let _ = writeln!(out, "{} and {} more records", Mark::Note.sign(), list("wrong").len() - MOST);
    }
    for one in list("unscored") {
        let why = plain(member(one, "why"), 300);
        let _ = writeln!(out, "{} line {}  {}  not scored: {why}", Mark::Note.sign(), one["line"], plain(member(one, "id"), 40));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_match_by_the_rule_of_the_sets() {
        let s = Span::new;
        for (gold, told, found, right) in [
            (vec![s(0, 10)], vec![s(0, 10)], vec![true], vec![true]),
            (vec![s(0, 10)], vec![s(0, 5)], vec![true], vec![true]),
            (vec![s(0, 10)], vec![s(0, 4)], vec![false], vec![true]),
            (vec![s(0, 10)], vec![s(0, 100)], vec![false], vec![false]),
            (vec![s(0, 10)], vec![s(0, 4), s(5, 9)], vec![true], vec![true, true]),
            (vec![s(0, 10)], vec![s(20, 30)], vec![false], vec![false]),
            (vec![s(0, 10), s(12, 20)], vec![s(0, 60)], vec![true, true], vec![true]),
            (vec![], vec![s(0, 3)], vec![], vec![false]),
        ] {
            assert_eq!(matched(&gold, &told), (found, right), "{gold:?} {told:?}");
        }
    }
}
