//! Finds records without reading what cannot hold them.
//!
//! Each part begins with a checkpoint that tells when: the records of a part were written after it and before that of the next one. Times are looked up in a few
//! kilobytes a part, in halves; what is searched for without a time is searched from the newest part back.

use super::{Entry, Folder, Head, Part, Query, frames, parts};
use crate::Error;
use crate::record::Kind;
use crate::segment::Sort;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;
use terms::Utc;

/// How far a record's time may be from when it was written: it waits its turn, and clocks are set.
const SLACK: Duration = Duration::from_secs(60);

fn earlier(time: Utc) -> Utc {
    Utc::from_nanos(time.nanos().saturating_sub(u64::try_from(SLACK.as_nanos()).unwrap_or(u64::MAX)))
}

/// The parts that can hold what `query` asks for, oldest first.
fn worth_reading(folder: &dyn Folder, query: &Query) -> Result<Vec<Part>, Error> {
    let mut all = parts(folder, query.reach)?;
    if let Some(until) = query.until {
        let end = boundary(folder, &all, |began| earlier(began) < until)?;
        all.truncate(end);
    }
    if let Some(since) = query.since {
        // The part before the first one that began late enough holds what was written up to then.
        let from = boundary(folder, &all, |began| began < earlier(since))?.saturating_sub(1);
        all.drain(..from);
    }
    Ok(all)
}

/// How many of `parts`, from the oldest on, began when `early` says. One that was not begun or does not say when counts as late.
fn boundary(folder: &dyn Folder, parts: &[Part], early: impl Fn(Utc) -> bool) -> Result<usize, Error> {
    let (mut low, mut high) = (0, parts.len());
    while low < high {
        let middle = low.midpoint(high);
        let began = parts.get(middle).map(|part| part.began(folder)).transpose()?.flatten();
        // A part that does not say when it began is the prepared one, or is read to be sure.
        if began.is_some_and(&early) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Hands each record that `query` asks for to `each`, oldest first, one part in memory at a time.
///
/// # Errors
/// As [`frames`].
pub fn records(folder: &dyn Folder, query: &Query, mut each: impl FnMut(Entry) -> ControlFlow<()>) -> Result<(), Error> {
    let mut flow = ControlFlow::Continue(());
    for part in worth_reading(folder, query)? {
        frames(folder, part, |index, frame| {
            if frame.sort == Sort::Record && query.matches(frame.body) {
                flow = each(Entry { index, body: frame.body.to_vec() });
            }
            flow
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Hands the records of each part that `query` asks for to `each`, the newest part first, in each part the oldest record first, with when the part began.
///
/// # Errors
/// As [`frames`].
pub fn backwards(
    folder: &dyn Folder,
    query: &Query,
    mut each: impl FnMut(Option<Utc>, Vec<Entry>) -> ControlFlow<()>,
) -> Result<(), Error> {
    for part in worth_reading(folder, query)?.into_iter().rev() {
        let mut found = Vec::new();
        frames(folder, part, |index, frame| {
            if frame.sort == Sort::Record && query.matches(frame.body) {
                found.push(Entry { index, body: frame.body.to_vec() });
            }
            ControlFlow::Continue(())
        })?;
        if each(part.began(folder)?, found).is_break() {
            break;
        }
    }
    Ok(())
}

/// The records that `query` asks for, oldest first, for a question with few answers.
///
/// A whole id is searched from the newest part back, up to where it began; the start of one, in all that the times allow.
///
/// # Errors
/// As [`frames`].
pub fn find(folder: &dyn Folder, query: &Query) -> Result<Vec<Entry>, Error> {
    let whole = query.reference.as_ref().is_some_and(super::Reference::is_whole);
    let mut found: Vec<Entry> = Vec::new();
    let mut first: Option<Utc> = None;
    backwards(folder, query, |began, mut entries| {
        for entry in &entries {
            let Some(head) = Head::read(&entry.body) else { continue };
            // A call begins with its intent, or with the decision where nothing is sent; a record that is looked for by its own id is one.
            let own = query.reference.as_ref().is_some_and(|wanted| wanted.is(Some(&head.id.to_string())));
            if own || head.request.is_none() || Kind::from_word(head.kind).is_some_and(Kind::begins) {
                first = Utc::parse(head.time).into_iter().chain(first).min();
            }
        }
        entries.append(&mut found);
        found = std::mem::take(&mut entries);
        let before = first.zip(began).is_some_and(|(first, began)| began <= earlier(first));
        if whole && before { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// The newest records that `query` asks for and `keep` takes, oldest first: at least as many as make `lines` lines when they are joined.
///
/// # Errors
/// As [`frames`].
pub fn newest(folder: &dyn Folder, query: &Query, lines: usize, keep: impl Fn(&[u8]) -> bool) -> Result<Vec<Entry>, Error> {
    let asked = query.kinds.is_empty() || query.kinds.iter().copied().any(Kind::begins);
    let mut found: Vec<Vec<Entry>> = Vec::new();
    let mut calls = BTreeSet::new();
    let (mut begun, mut oldest) = (0_usize, None);
    backwards(folder, query, |began, mut entries| {
        entries.retain(|entry| keep(&entry.body));
        if begun < lines {
            for head in entries.iter().filter_map(|entry| Head::read(&entry.body)) {
                let begins = !asked || Kind::from_word(head.kind).is_some_and(Kind::begins);
                begun += usize::from(begins && head.request.is_none_or(|request| calls.insert(request.to_owned())));
            }
            oldest = entries.first().and_then(|entry| Utc::parse(Head::read(&entry.body)?.time));
        }
        found.push(entries);
        // The two records of an act may stand in two parts.
        let before = oldest.zip(began).is_some_and(|(oldest, began)| began <= earlier(oldest));
        if begun >= lines && before { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found.into_iter().rev().flatten().collect())
}
