//! Scores the screens on labelled sets: precision, recall, F1, rate of false alarms, and beside them what is found of a family
//! when everything that was made for its provider or country, and every name in it, is taken away.
//!
//! `eval [--misses] [DIR]` reads `secrets.jsonl`, `pii.jsonl`, `financial.jsonl` and `hidden.jsonl`, those that are there; without a folder, those of the repository, `tests/sets` and `second` and `third` in it. A record has a `family`
//! and a `text`, and `spans` of `[start, end, kind]` in code points, or values marked in the text as `⟦kind|value⟧`; `¦` inside a mark
//! is left out, so that no scanner takes a set for a leak. Records of `hidden` have a `label` in place of spans.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]

use detect::{Budget, Channel, Engine, Rules, Scratch, hidden};
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use terms::{Class, Span};

type Fault = Box<dyn std::error::Error>;

struct Record {
    family: String,
    text: String,
    gold: Vec<Span>,
    positive: bool,
}

/// Counts of one task.
#[derive(Clone, Copy, Default)]
struct Counts {
    found: usize,
    missed: usize,
    wrong: usize,
    negatives: usize,
    flagged: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.wrong += other.wrong;
        self.negatives += other.negatives;
        self.flagged += other.flagged;
    }

    fn precision(self) -> f64 {
        share(self.found, self.found + self.wrong)
    }

    fn recall(self) -> f64 {
        share(self.found, self.found + self.missed)
    }

    fn f1(self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn main() -> Result<(), Fault> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let misses = arguments.iter().position(|one| one == "--misses").map(|at| arguments.remove(at)).is_some();
    let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sets"));
    let folders =
        arguments.pop().map_or_else(|| vec![own.to_owned(), own.join("second"), own.join("third")], |folder| vec![PathBuf::from(folder)]);
    for folder in folders {
        set(&folder, misses)?;
    }
    Ok(())
}

/// Prints the table of the sets in one folder.
fn set(folder: &Path, misses: bool) -> Result<(), Fault> {
    println!("\n{}:\n", folder.display());
    println!(
        "| set | records | precision | recall | F1 | false alarms | left out | recall | F1 | gap |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for task in ["secrets", "pii", "financial", "hidden"] {
        let path = folder.join(format!("{task}.jsonl"));
        if path.exists() {
            table(task, &records(&path)?, misses)?;
        }
    }
    Ok(())
}

fn records(path: &Path) -> Result<Vec<Record>, Fault> {
    let mut all = Vec::new();
    for line in std::fs::read_to_string(path)?.lines().filter(|line| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).map_err(|cause| format!("{}: {cause}: {line}", path.display()))?;
        let text = value.get("text").and_then(Value::as_str).unwrap_or_default();
        let (text, mut gold) = marked(text)?;
        let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        places.push(text.len());
        for span in value.get("spans").and_then(Value::as_array).into_iter().flatten() {
            let at = |place: usize| span.get(place).and_then(Value::as_u64).and_then(|at| places.get(at as usize).copied());
            if let (Some(start), Some(end)) = (at(0), at(1)) {
                gold.push(Span::new(start, end));
            }
        }
        let positive = value.get("label").map_or(!gold.is_empty(), |label| label == "hidden");
        let family = value.get("family").and_then(Value::as_str).unwrap_or("none").to_owned();
        all.push(Record { family, text, gold, positive });
    }
    Ok(all)
}

/// A text without its marks, and where they stood.
fn marked(text: &str) -> Result<(String, Vec<Span>), Fault> {
    let (mut out, mut gold, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('⟦') {
        let (mark, behind) = after.split_once('⟧').ok_or_else(|| format!("a mark is open: {text}"))?;
        let (_, value) = mark.split_once('|').ok_or_else(|| format!("a mark has no kind: {text}"))?;
        out.push_str(before);
        let start = out.len();
        out.extend(value.chars().filter(|letter| *letter != '¦'));
        gold.push(Span::new(start, out.len()));
        rest = behind;
    }
    out.push_str(rest);
    Ok((out, gold))
}

fn table(task: &str, records: &[Record], misses: bool) -> Result<(), Fault> {
    let engine = Engine::new(&Rules::built_in()?)?;
    let mut scratch = Scratch::default();
    let (mut all, mut out) = (Counts::default(), Counts::default());
    let mut makers: Vec<BTreeSet<String>> = Vec::new();
    for record in records {
        let (counts, kinds) = score(task, record, &engine, &mut scratch);
        if misses && (counts.missed + counts.wrong + counts.flagged > 0) {
            eprintln!("{task} {}: {} missed, {} wrong: {:?} {kinds:?}", record.family, counts.missed, counts.wrong, record.text);
        }
        all.add(counts);
        makers.push(kinds);
    }
    let mut lost: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut left: BTreeSet<String> = BTreeSet::new();
    let mut engines: BTreeMap<BTreeSet<String>, Engine> = BTreeMap::new();
    for (record, kinds) in records.iter().zip(&makers) {
        let own = left_out(kinds, record);
        let names = names(task, record);
        let mut whole = own.clone();
        whole.extend(names.iter().map(|name| format!("name {name}")));
        let counts = if whole.is_empty() {
            score(task, record, &engine, &mut scratch).0
        } else {
            let without = match engines.entry(whole) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(place) => {
                    let rules = Rules::built_in()?.without(own.iter().map(String::as_str)).without_names(names.iter().map(String::as_str));
                    place.insert(Engine::new(&rules)?)
                }
            };
            score(task, record, without, &mut Scratch::default()).0
        };
        left.extend(own);
        if misses && counts.missed > 0 {
            eprintln!("left out: {task} {}: {} missed: {:?}", record.family, counts.missed, record.text);
        }
        lost.entry(&record.family).or_default().add(counts);
        out.add(counts);
    }
    let lost: Vec<String> =
        lost.iter().filter(|(_, counts)| counts.missed > 0).map(|(family, counts)| format!("{family} {:.2}", counts.recall())).collect();
    println!(
        "| {task} | {} | {:.4} | {:.4} | {:.4} | {:.2} % | {left} | {:.4} | {:.4} | {:.3}{} |",
        records.len(),
        all.precision(),
        all.recall(),
        all.f1(),
        100.0 * (1.0 - share(all.negatives - all.flagged, all.negatives)),
        out.recall(),
        out.f1(),
        all.f1() - out.f1(),
        if all.f1() - out.f1() > 0.05 { ", over .05" } else { "" },
        left = left.len(),
    );
    if task == "hidden" {
        println!(
            "\nNothing was left out of hidden: what stands in an encoding is seen by its own decoder or by none, so that a figure without \
             the decoder would say only which encodings there are. The families of the set are the encodings; found of each that is not \
             found whole is said below.\n"
        );
    }
    if !lost.is_empty() {
        println!("\nFound of families without what was made for them ({task}): {}\n", lost.join(", "));
    }
    Ok(())
}

/// Kinds that were made for no family: what stands behind a name or in a header, the forms of standards that no provider or country owns.
const GENERAL: [&str; 22] = [
    "generic-password",
    "generic-key",
    "generic-token",
    "connection-password",
    "bearer-token",
    "basic-auth",
    "session-cookie",
    "private-key",
    "jwt",
    "totp-secret",
    "seed-phrase",
    "person",
    "address",
    "email",
    "phone",
    "birth-date",
    "identity-number",
    "account-number",
    "passport",
    "vehicle-number",
    "card",
    "bic",
];

/// What is left out for a record: the providers or countries whose kinds found something in it.
fn left_out(kinds: &BTreeSet<String>, record: &Record) -> BTreeSet<String> {
    let own = kinds.iter().filter(|kind| !GENERAL.contains(&kind.as_str()));
    own.flat_map(|kind| match kind.as_str() {
        "iban" => {
            let texts = record.gold.iter().filter_map(|span| record.text.get(span.start..span.end));
            texts.filter_map(|text| text.get(..2)).map(|code| format!("iban-{}", code.to_ascii_lowercase())).collect()
        }
        kind => vec![kind.split_once('-').map_or(kind, |(family, _)| family).to_owned()],
    })
    .collect()
}

/// Words of names in the values of a record, which a gazetteer without it would not know.
fn names(task: &str, record: &Record) -> BTreeSet<String> {
    if task != "pii" {
        return BTreeSet::new();
    }
    let values = record.gold.iter().filter_map(|span| record.text.get(span.start..span.end));
    let words =
        values.filter(|value| !value.contains(|letter: char| letter.is_ascii_digit() || letter == '@')).flat_map(str::split_whitespace);
    words.filter(|word| word.chars().next().is_some_and(char::is_uppercase)).map(|word| word.to_lowercase().replace('’', "'")).collect()
}

/// The counts of one record, and the kinds that found something right.
fn score(task: &str, record: &Record, engine: &Engine, scratch: &mut Scratch) -> (Counts, BTreeSet<String>) {
    let mut counts = Counts { negatives: usize::from(!record.positive), ..Counts::default() };
    let mut kinds = BTreeSet::new();
    if task == "hidden" {
        let says = !hidden(&record.text, &Budget::default(), scratch).is_empty();
        match (record.positive, says) {
            (true, true) => counts.found += 1,
            (true, false) => counts.missed += 1,
            (false, true) => {
                counts.wrong += 1;
                counts.flagged += 1;
            }
            (false, false) => {}
        }
        return (counts, kinds);
    }
    let report = engine.inspect(&record.text, Channel::Result, &Budget::default(), scratch);
    let wanted = |class: Class| match task {
        "secrets" => class == Class::Secret,
        _ => matches!(class, Class::Pii | Class::Financial),
    };
    let found: Vec<_> = report.findings.iter().filter(|one| wanted(one.class)).collect();
    let shared = |one: Span, other: Span| one.end.min(other.end).saturating_sub(one.start.max(other.start));
    for gold in &record.gold {
        let covers = |span: Span| shared(*gold, span) * 2 >= gold.len() && gold.len() * 4 >= span.len();
        let parts: Vec<_> = found.iter().filter(|one| shared(*gold, one.span) > 0).collect();
        let together: usize = parts.iter().map(|one| shared(*gold, one.span)).sum();
        if parts.iter().any(|one| covers(one.span)) || together * 2 >= gold.len() && !parts.is_empty() {
            counts.found += 1;
            kinds.extend(parts.iter().map(|one| one.kind.to_string()));
        } else {
            counts.missed += 1;
        }
    }
    counts.wrong =
        found.iter().filter(|one| !record.gold.iter().any(|gold| shared(*gold, one.span) * 2 >= one.span.len().min(gold.len()))).count();
    counts.flagged = usize::from(!record.positive && !found.is_empty());
    (counts, kinds)
}
