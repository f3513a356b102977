//! `audit`: show, verify, prove, export. All of it reads the log's files, beside a running gateway too.

use super::configured;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO, say, warn};
use crate::screen::{Mark, since};
use audit::bundle;
use audit::read::{self, Query, Reach, Reference};
use audit::record::Kind;
use audit::verify::{Against, KeyFrom, Report, verify};
use audit::{VerifierKey, show};
use clap::Subcommand;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::journal::LogFolder;
use terms::{Clock as _, Utc};

/// The log, in the state folder.
pub const FOLDER: &str = "audit";

/// What is done with the log.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Print records, one JSON object a line, joined to one line a call; archives that are here are read too
    #[command(after_help = "Example:\n  bastide audit show --since 24h --kind decision\n  bastide audit show C-7K3M9")]
    Show(Show),
    /// Verify every byte of the log and of the archives that are in it; works on a copy too, and beside a running gateway
    #[command(after_help = "Example:\n  bastide audit verify /evidence/audit --key log.pub")]
    Verify(Verify),
    /// Print records with the proof that they are in the log
    #[command(after_help = "Example:\n  bastide audit prove C-7K3M9 > proof.json")]
    Prove(Prove),
    /// Print records as they stand in the log, or write a pack that verifies on its own
    #[command(after_help = "Example:\n  bastide audit export --since 2026-11-01 --bundle november.jsonl")]
    Export(Export),
}

/// A stretch of time.
#[derive(clap::Args, Debug)]
pub struct Stretch {
    /// From this time on: RFC 3339, a date, or a span back from now such as 24h
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<Utc>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Utc>,
}

/// Which records.
#[derive(clap::Args, Debug)]
pub struct Show {
    #[command(flatten)]
    stretch: Stretch,
    /// The call or record whose id begins so
    #[arg(value_name = "REFERENCE", value_parser = reference)]
    call: Option<Reference>,
    /// As REFERENCE
    #[arg(long, value_name = "ID", value_parser = reference, conflicts_with = "call")]
    reference: Option<Reference>,
    /// Only records of this kind: intent, outcome, decision, approval, act, event, probe
    #[arg(long, value_parser = kind)]
    kind: Vec<Kind>,
    /// Only records of the session whose id begins so
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The newest so many lines; reads no more of the log than holds them
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Every record as it stands in the log, not joined
    #[arg(long)]
    raw: bool,
}

/// What is verified, and against what.
#[derive(clap::Args, Debug)]
pub struct Verify {
    /// The folder of the log [default: that of the state]
    dir: Option<PathBuf>,
    /// The log's public key, known from elsewhere
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// An earlier checkpoint, kept elsewhere: the log must have grown out of it
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// What is proved.
#[derive(clap::Args, Debug)]
pub struct Prove {
    /// The call or record, or a start of its id
    #[arg(value_parser = reference)]
    reference: Reference,
}

/// What is handed out.
#[derive(clap::Args, Debug)]
pub struct Export {
    /// The folder of the log [default: that of the state]
    dir: Option<PathBuf>,
    #[command(flatten)]
    stretch: Stretch,
    /// Write the records with their proofs to this file
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

fn time(text: &str) -> Result<Utc, String> {
    since(text, SystemClock::new().utc()).ok_or_else(|| "a time is RFC 3339, a date such as 2026-11-01, or a span such as 24h".to_owned())
}

/// The start of an id.
pub fn reference(text: &str) -> Result<Reference, String> {
    Reference::new(text).map_err(|cause| cause.to_string())
}

fn kind(text: &str) -> Result<Kind, String> {
    let words = || Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    Kind::from_word(text).ok_or_else(|| format!("a kind is one of {}", words()))
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Show(args) => shown(args, common),
        Verb::Verify(args) => verified(args, common),
        Verb::Prove(args) => {
            let folder = folder(None, common)?;
            let proof = match bundle::prove(&folder, &args.reference) {
                Err(audit::Error::Absent) => {
                    let failure = Failure::no("no record of the log that a checkpoint covers begins so");
                    return Err(missing(&folder, None)?.into_iter().fold(failure, Failure::next));
                }
                proof => proof?,
            };
            say(&(serde_json::to_string(&proof)? + "\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Export(args) => exported(args, common),
    }
}

/// The folder that was named, else that of the state.
fn folder(named: Option<&Path>, common: &Common) -> Result<LogFolder, Failure> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => configured(common)?.loaded.file.state.join(FOLDER),
    };
    if !path.is_dir() {
        return Err(Failure::usage(format!("there is no log at `{}`", path.display())).next("the first `bastide serve` makes one"));
    }
    Ok(LogFolder::new(path))
}

/// Standard output, line by line; that nobody reads it any more is no failure.
struct Lines {
    out: std::io::BufWriter<std::io::StdoutLock<'static>>,
    broken: Option<std::io::Error>,
}

impl Lines {
    fn new() -> Self {
        Self { out: std::io::BufWriter::new(std::io::stdout().lock()), broken: None }
    }

    fn put(&mut self, line: &[u8]) -> ControlFlow<()> {
        match self.out.write_all(line).and_then(|()| self.out.write_all(b"\n")) {
            Ok(()) => ControlFlow::Continue(()),
            Err(cause) => {
                self.broken = Some(cause);
                ControlFlow::Break(())
            }
        }
    }

    fn put_all<'a>(&mut self, lines: impl IntoIterator<Item = &'a Value>) -> ControlFlow<()> {
        lines.into_iter().try_for_each(|line| self.put(line.to_string().as_bytes()))
    }

    fn end(mut self) -> Result<ExitCode, Failure> {
        match self.broken.map_or_else(|| self.out.flush(), Err) {
            Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => Err(cause.into()),
            Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Says which records cannot be read because their archives are not here.
pub fn missing(folder: &LogFolder, since: Option<Utc>) -> Result<Option<String>, Failure> {
    let wanted = |until: &Option<Utc>| since.zip(*until).is_none_or(|(since, until)| since < until);
    let absent: Vec<String> =
        read::absent(folder)?.into_iter().filter(|(_, until)| wanted(until)).map(|(absent, _)| absent.to_string()).collect();
    let list = absent.join(", ");
    Ok((!absent.is_empty()).then(|| format!("archived and not here: {list}; put back what was moved away to read it")))
}

fn shown(args: &Show, common: &Common) -> Result<ExitCode, Failure> {
    let folder = folder(None, common)?;
    let query = Query {
        since: args.stretch.since,
        until: args.stretch.until,
        reference: args.call.as_ref().or(args.reference.as_ref()).cloned(),
        kinds: args.kind.clone(),
        reach: Reach::Archives,
    };
    let start = args.session.as_ref().map(|start| start.to_ascii_uppercase());
    let keep = |body: &[u8]| start.as_ref().is_none_or(|start| of_session(body, start));
    let mut out = Lines::new();
    let few = match (args.limit, &query.reference) {
        (_, Some(_)) => Some(read::find(&folder, &query)?.into_iter().filter(|entry| keep(&entry.body)).collect::<Vec<_>>()),
        (Some(limit), None) => Some(read::newest(&folder, &query, limit, keep)?),
        (None, None) => None,
    };
    if few.as_ref().is_none_or(Vec::is_empty)
        && let Some(missing) = missing(&folder, args.stretch.since)?
    {
        warn(&missing.to_string());
    }
    if let Some(entries) = few {
        let from = |lines: usize| args.limit.map_or(0, |limit| lines.saturating_sub(limit));
        let _ = if args.raw {
            entries.iter().skip(from(entries.len())).try_for_each(|entry| out.put(&entry.body))
        } else {
            let lines = show::join(&entries);
            out.put_all(lines.iter().skip(from(lines.len())))
        };
        return out.end();
    }
    let mut joiner = show::Joiner::default();
    read::records(&folder, &query, |entry| match (keep(&entry.body), args.raw) {
        (false, _) => ControlFlow::Continue(()),
        (true, true) => out.put(&entry.body),
        (true, false) => out.put_all(&joiner.push(&entry)),
    })?;
    if out.broken.is_none() {
        let _ = out.put_all(&joiner.finish());
    }
    out.end()
}

fn of_session(body: &[u8], start: &str) -> bool {
    let record: Value = serde_json::from_slice(body).unwrap_or_default();
    record.pointer("/session/id").and_then(Value::as_str).is_some_and(|id| id.starts_with(start))
}

fn verified(args: &Verify, common: &Common) -> Result<ExitCode, Failure> {
    let text = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|cause| Failure::usage(format!("`{}` cannot be read", path.display())).because(&cause))
    };
    let key = args.key.as_ref().map(text).transpose()?;
    let key = key.map(|line| VerifierKey::parse(&line).map_err(Failure::usage)).transpose()?;
    let against = Against { key, checkpoint: args.checkpoint.as_ref().map(text).transpose()? };
    let report = verify(&folder(args.dir.as_deref(), common)?, &against);
    common.answer(&report, said)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Four facts, never one tick.
fn said(report: &Report) -> String {
    let mut out = String::new();
    let mut fact = |name: &str, mark: Mark, text: &str| {
        let _ = writeln!(out, "  {name:<10}  {} {text}", mark.sign());
    };
    match (&report.checkpoint, report.key_from) {
        (Some(covered), KeyFrom::Given) => {
            let text = format!("{} records, the newest checkpoint of {} covers {}", report.records, covered.time, covered.size);
            fact("authentic", Mark::Good, &text);
        }
        (Some(covered), KeyFrom::Folder) => {
            let text = format!(
                "{} records, checkpoint of {}; the key is the folder's own: give --key to know whose it is",
                report.records, covered.time
            );
            fact("authentic", Mark::Note, &text);
        }
        (None, _) => fact("authentic", Mark::Bad, "no good checkpoint"),
    }
    if report.ok {
        fact("unaltered", Mark::Good, "chain whole, no gap, order kept, no foreign file");
    } else {
        fact("unaltered", Mark::Bad, &format!("{} problems", report.problems.len()));
    }
    if let Some(count) = report.in_progress {
        let text = format!("a gateway is writing: judged up to the newest checkpoint; {count} records behind it are in progress");
        fact("running", Mark::Note, &text);
    }
    for one in &report.archives {
        let text = format!("{} records from {} on, {}", one.records, one.first, one.file);
        match one.here {
            true => fact("archived", Mark::Good, &format!("{text}: sealed, and what the log's hashes say")),
            false => fact("archived", Mark::Note, &format!("{text}: not here; its hashes are in the log")),
        }
    }
    fact("anchored", Mark::Note, "no witness countersigns; keep a checkpoint elsewhere and give it as --checkpoint");
    fact("complete", Mark::Note, "for traffic through Bastide, and for nothing else");
    for problem in &report.problems {
        let at = problem.at.map(|at| format!(" at byte {at}")).unwrap_or_default();
        let _ = writeln!(out, "  problem     {}{at}: {}", supply::visible(&problem.file), problem.what);
    }
    out
}

fn exported(args: &Export, common: &Common) -> Result<ExitCode, Failure> {
    let folder = folder(args.dir.as_deref(), common)?;
    let query = Query { since: args.stretch.since, until: args.stretch.until, ..Query::default() };
    let Some(path) = &args.bundle else {
        let mut out = Lines::new();
        read::records(&folder, &query, |entry| out.put(&entry.body))?;
        return out.end();
    };
    let unwritten = |cause: std::io::Error| Failure::system(format!("`{}` cannot be written", path.display())).because(&cause);
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = std::io::BufWriter::new(tempfile::NamedTempFile::new_in(beside).map_err(unwritten)?);
    let mut written = Ok(());
    let records = bundle::pack(&folder, &query, |line| {
        if written.is_ok() {
            written = file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n"));
        }
    })?;
    written.map_err(unwritten)?;
    let file = file.into_inner().map_err(|cause| unwritten(cause.into_error()))?;
    file.as_file().sync_all().map_err(unwritten)?;
    file.persist(path).map_err(|cause| unwritten(cause.error))?;
    let answer = json!({ "file": path, "records": records });
    common.answer(&answer, |_| format!("{records} records with their proofs are in {}.\n", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
