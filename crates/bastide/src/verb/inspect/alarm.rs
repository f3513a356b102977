//! The local set of false alarms: findings of calls that an operator says are none, to be scored as any set is.
//!
//! A file of the state folder in JSON Lines, mode 0600, in which everything that was found is a mark; and beside it the texts as they were, sealed by a key
//! of their own. A line by itself is a record of a text in which nothing is to be found; with its sealed text it says what is to be found there.

use super::super::explain::recorded;
use super::super::screens::Screens;
use super::score::Task;
use crate::acts::account;
use crate::host::{SystemClock, SystemEntropy};
use crate::outcome::{Common, Failure};
use crate::reviews::exchange;
use crate::screen::{Mark, plain, table};
use crate::verb::{member, unique};
use crate::wire::{Configured, WITHHELD};
use detect::{Actions, redact};
use gateway::withheld::Withheld;
use serde_json::{Value, json};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Action, CallId, Class, Clock as _, Finding};

/// The folder in the state folder, the set in it, and the folder of sealed texts in it.
const FOLDER: &str = "inspect";
const SET: &str = "false-alarms.jsonl";
const SEALED: &str = "sealed";
/// Records of the set.
const MOST: usize = 10_000;
/// The largest text, in bytes.
pub(super) const LARGEST: usize = 1 << 20;

/// What is said of a call.
#[derive(clap::Args, Debug)]
pub struct Report {
    /// The reference of the call, or a start of it
    #[arg(required_unless_present_any = ["list", "remove"])]
    reference: Option<String>,
    /// Which of its findings, by the number that is shown without this
    #[arg(long, value_name = "NUMBER", requires = "reference")]
    finding: Option<usize>,
    /// Why it is a false alarm
    #[arg(long, value_name = "WHY", required_unless_present_any = ["list", "remove"])]
    reason: Option<String>,
    /// Read the text from standard input: of what is found in it, all of this kind is a false alarm
    #[arg(long, requires = "reference")]
    text: bool,
    /// List what was reported
    #[arg(long, conflicts_with_all = ["reference", "reason", "remove"])]
    list: bool,
    /// Take back what was reported under this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["reference", "reason"])]
    remove: Option<String>,
}

/// The texts as they were.
pub(super) struct Sealed(Withheld);

impl Sealed {
    /// Those of the local set.
    pub(super) fn of(configured: &Configured) -> Self {
        Self(Withheld::at(folder(configured).join(SEALED)))
    }

    /// `{id, text, spans}` of a record of a call; none where it has no sealed text.
    pub(super) fn open(&self, reference: &str, id: &str) -> Result<Option<Value>, Failure> {
        let Ok(reference) = reference.parse::<CallId>() else { return Ok(None) };
        Ok(self.all(reference)?.into_iter().find(|one| member(one, "id") == id))
    }

    fn all(&self, reference: CallId) -> Result<Vec<Value>, Failure> {
        let texts = self.0.originals(reference).map_err(|cause| {
            Failure::system(format!("the sealed texts of {reference} cannot be read")).because(&cause).next("bastide inspect report --list")
        })?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Puts a record's text in place of the one of that id; without one, takes that away.
    fn put(&self, reference: CallId, id: &str, record: Option<&Value>) -> Result<(), Failure> {
        let mut all = self.all(reference)?;
        all.retain(|one| member(one, "id") != id);
        all.extend(record.cloned());
        if all.is_empty() {
            return Ok(self.0.forget(reference)?);
        }
        let texts: Vec<String> = all.iter().map(Value::to_string).collect();
        Ok(self.0.keep(&SystemEntropy, reference, &texts)?)
    }
}

fn folder(configured: &Configured) -> PathBuf {
    configured.loaded.file.state.join(FOLDER)
}

/// Where the local set is.
pub(super) fn path(configured: &Configured) -> PathBuf {
    folder(configured).join(SET)
}

/// Does it. `text` is what came on standard input, where that was asked for.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(args: &Report, configured: &Configured, common: &Common) -> Result<ExitCode, Failure> {
    match (&args.reference, &args.reason, &args.remove) {
        (Some(reference), Some(reason), _) => report(reference, reason, args, configured, common)?,
        (_, _, Some(id)) => remove(id, configured, common)?,
        _ => common.answer(&json!({ "set": path(configured), "reported": read(configured)? }), listed)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn report(reference: &str, reason: &str, args: &Report, configured: &Configured, common: &Common) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::usage("a report needs a reason"));
    }
    let (_, call) = recorded::find(reference, configured)?;
    let id: CallId = member(&call, "request").parse().map_err(|_| Failure::usage(format!("`{reference}` is a record of no call")))?;
    let (number, found) = chosen(&call, id, args.finding)?;
    let (kind, class) = (member(&found, "kind").to_owned(), member(&found, "class"));
    let task = [Class::Secret, Class::Pii, Class::Financial, Class::Leak].into_iter().find(|one| one.as_str() == class).and_then(Task::of);
    let task = task.ok_or_else(|| Failure::usage(format!("a finding of the class {class} cannot be a false alarm")))?;
    let screens = Screens::new(Some(configured), SystemClock::new().utc())?;
    let text = match args.text {
        true => Some(super::input(LARGEST)?),
        false => withheld(&kind, id, configured)?,
    };
    let record = format!("{id}.{number}");
    let sealed = text.as_deref().map(|text| sealed(&record, text, &kind, task, &screens)).transpose()?;
    let context = match &text {
        Some(text) => marked(text, &screens),
        None => context(&call, &kind),
    };
    let again = format!("bastide inspect report {id} --finding {number} --reason … --text < FILE");
    let mut line = json!({
        "id": record, "text": context, "spans": [], "family": "false-alarm", "channel": "result", "task": task.as_str(),
        "kind": kind, "class": class, "reference": id, "server": member(&call, "server"), "tool": member(&call, "tool"),
        "reason": reason.trim(), "owner": account()?, "at": SystemClock::new().utc().to_string(), "sealed": sealed.is_some(),
    });
    let next = match (&sealed, line.as_object_mut()) {
        (None, Some(line)) => {
            line.insert("unsealed".to_owned(), json!(format!("the text is not kept; to have it scored, give it: {again}")));
            again
        }
        _ => "bastide inspect --eval".to_owned(),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder(configured))?;
    let mut all = read(configured)?;
    all.retain(|one| member(one, "id") != record);
    if all.len() >= MOST {
        return Err(Failure::no(format!("the set has {MOST} records")).next("bastide inspect report --remove ID"));
    }
    all.push(line.clone());
    Sealed::of(configured).put(id, &record, sealed.as_ref())?;
    write(&all, configured)?;
    let answer = json!({ "reported": line, "set": path(configured), "next": next });
    common.answer(&answer, |answer| {
        let line = &answer["reported"];
        let scored = if line["sealed"] == true { "its text is sealed beside the set" } else { "its text is not kept, so it is not scored" };
        let kind = plain(member(line, "kind"), 60);
        format!("{} {}  {kind} is a false alarm; {scored}\n  next  {}\n", Mark::Good.sign(), member(line, "id"), member(answer, "next"))
    })
}

/// The finding of a call that is meant, and its number.
fn chosen(call: &Value, id: CallId, number: Option<usize>) -> Result<(usize, Value), Failure> {
    let found = call["obligations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = found.iter().filter(|one| !member(one, "class").is_empty());
    let mut known: Vec<(usize, &Value)> = known.enumerate().map(|(at, one)| (at + 1, one)).collect();
    if known.is_empty() {
        return Err(Failure::no(format!("nothing was found in {id}")));
    }
    if let Some(number) = number {
        known.retain(|(at, _)| *at == number);
    }
    match known.as_slice() {
        [(number, one)] => Ok((*number, (*one).clone())),
        [] => Err(Failure::usage(format!("{id} has no such finding")).next(format!("bastide explain {id}"))),
        many => {
            let row = |(at, one): &(usize, &Value)| {
                let kind = plain(member(one, "kind"), 60);
                format!("--finding {at}: {} {}:{kind}, {}", one["count"], member(one, "class"), member(one, "action"))
            };
            let rows: Vec<String> = many.iter().map(row).collect();
            Err(Failure::usage(format!("{id} has several findings; say which:\n  {}", rows.join("\n  "))))
        }
    }
}

/// The text that was taken out of an answer because it tells of a machine, where it is kept.
fn withheld(kind: &str, id: CallId, configured: &Configured) -> Result<Option<String>, Failure> {
    let originals = Withheld::at(configured.loaded.file.state.join(WITHHELD)).originals(id)?;
    Ok(originals.into_iter().find(|text| detect::leaks(text).iter().any(|one| one.kind == kind)))
}

/// A text with what is to be found in it: everything of the task but the false alarm.
fn sealed(id: &str, text: &str, kind: &str, task: Task, screens: &Screens) -> Result<Value, Failure> {
    let reports = screens.find(&[text]);
    let found: Vec<&Finding> = reports.iter().flat_map(|report| &report.findings).filter(|one| task.counts(one.class)).collect();
    if !found.iter().any(|one| one.kind == kind) {
        return Err(Failure::no(format!("in this text nothing of the kind {kind} is found")).next("bastide inspect < FILE"));
    }
    let points = |at: usize| text.get(..at).map_or(0, |before| before.chars().count());
    let rest = found.iter().filter(|one| one.kind != kind);
    let spans: Vec<Value> = rest.map(|one| json!([points(one.span.start), points(one.span.end), one.kind])).collect();
    Ok(json!({ "id": id, "text": text, "spans": spans }))
}

/// A text with everything that is found in it taken out.
fn marked(text: &str, screens: &Screens) -> String {
    let reports = screens.find(&[text]);
    let found: Vec<Finding> = reports.into_iter().flat_map(|report| report.findings).filter(|one| one.class != Class::Unseen).collect();
    redact(text, &found, &Actions::all(Action::Redact)).into_owned()
}

/// What of the arguments on record stands around a mark of the kind.
fn context(call: &Value, kind: &str) -> String {
    let mark = format!("«redacted: {kind} ");
    let arguments = call.get("arguments").map(Value::to_string).unwrap_or_default();
    if arguments.contains(&mark) { arguments } else { format!("«redacted: {kind} #1»") }
}

fn remove(id: &str, configured: &Configured, common: &Common) -> Result<(), Failure> {
    let mut all = read(configured)?;
    let one = unique(&all, "id", id)?.clone();
    if let Ok(reference) = member(&one, "reference").parse::<CallId>() {
        Sealed::of(configured).put(reference, member(&one, "id"), None)?;
    }
    all.retain(|other| other != &one);
    write(&all, configured)?;
    common.answer(&json!({ "removed": member(&one, "id"), "left": all.len() }), |answer| {
        format!("{} {} is taken back; {} are left\n", Mark::Good.sign(), member(answer, "removed"), answer["left"])
    })
}

fn read(configured: &Configured) -> Result<Vec<Value>, Failure> {
    let path = path(configured);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Failure::system(format!("{} cannot be read", path.display())).because(&cause)),
    };
    let line = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|cause| Failure::system(format!("{}:{} is damaged", path.display(), at + 1)).because(&cause))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

fn write(all: &[Value], configured: &Configured) -> Result<(), Failure> {
    let text: String = all.iter().map(|one| format!("{one}\n")).collect();
    exchange(&path(configured), text.as_bytes())
}

fn listed(answer: &Value) -> String {
    let all = answer["reported"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "No false alarm was reported.\n".to_owned();
    }
    let row = |one: &Value| {
        let source = [member(one, "server"), member(one, "tool")].join("__");
        let sealed = if one["sealed"] == true { "sealed" } else { "not kept" };
        vec![
            member(one, "id").to_owned(),
            plain(member(one, "kind"), 40),
            plain(&source, 60),
            sealed.to_owned(),
            plain(member(one, "owner"), 40),
            plain(member(one, "reason"), 80),
        ]
    };
    table(&["id", "kind", "tool", "text", "owner", "reason"], &all.iter().map(row).collect::<Vec<_>>())
}
