//! `inspect`: the content screens on standard input, what they get wrong on a set, and the false alarms of calls.

mod alarm;
mod look;
mod part;
mod reason;
mod score;

use super::configured;
use super::screens::{Origin, Screens};
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::wire::{Configured, configuration_folder};
use clap::Subcommand;
use detect::{Engine, Rules, Scratch, jsonl};
use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Clock as _, ServerName};

/// The longest line, and the longest text, in bytes.
const LONGEST: u64 = 64 << 20;
const LONGEST_TEXT: usize = 16 << 20;

/// In which form.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// One JSON request a line, {id, task, text, channel}; one JSON answer a line, {id, spans, redacted}. With the task `arguments` a request is
    /// {id, task, guard, policy, value} and its answer {id, decisions}
    #[arg(long, conflicts_with_all = ["server", "tool", "eval"])]
    stdin_jsonl: bool,
    /// Look at the text as at one that this server returns: its trust, its label and what is suppressed there count
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
    /// With --server: as one that this tool of it returns
    #[arg(long, value_name = "NAME", requires = "server")]
    tool: Option<String>,
    /// Score a labelled set in JSON Lines, {text, spans: [[start, end, kind]]}; without FILE the local set of false alarms
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["server", "tool"])]
    eval: Option<Option<PathBuf>>,
    /// With --eval: what the set is about, where its records do not say it
    #[arg(long, value_name = "TASK", requires = "eval")]
    task: Option<score::Task>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What is done besides.
#[derive(Subcommand, Debug)]
enum Verb {
    /// Say that a finding of a call is a false alarm, take that back, or list what was said
    #[command(after_help = "Examples:\n  bastide inspect report C-7K3M9 --finding 2 --reason \"a ticket number\"\n  \
        bastide inspect report C-7K3M9 --finding 2 --reason \"a ticket number\" --text < answer.txt\n  \
        bastide inspect report --list\n  bastide inspect report --remove C-7K3M9…\n  bastide inspect --eval")]
    Report(alarm::Report),
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    if args.stdin_jsonl {
        return lines();
    }
    if let Some(Verb::Report(report)) = &args.verb {
        return alarm::run(report, &configured(common)?, common);
    }
    let configured = perhaps(common)?;
    let screens = Screens::new(configured.as_ref(), SystemClock::new().utc())?;
    if let Some(path) = &args.eval {
        return score::run(path.as_deref(), args.task, &screens, configured.as_ref(), common);
    }
    let origin = args.server.as_ref().map(|server| Origin { server, tool: args.tool.as_deref() });
    look::run(&input(LONGEST_TEXT)?, origin.as_ref(), &screens, common)
}

/// The configuration; none where nobody named one and there is none yet.
fn perhaps(common: &Common) -> Result<Option<Configured>, Failure> {
    let environment = std::env::var_os("BASTIDE_CONFIG").map(PathBuf::from);
    let path = config::find(common.config.as_deref(), environment.as_deref(), configuration_folder().as_deref());
    let named = common.config.is_some() || environment.is_some();
    if !named && path.map_or(true, |path| !path.exists()) {
        return Ok(None);
    }
    configured(common).map(Some)
}

/// All of standard input.
///
/// # Errors
/// [`Failure`] when it is longer than `most` bytes, or not UTF-8.
fn input(most: usize) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(Failure::usage(format!("a text has at most {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("the text is not UTF-8"))
}

/// Answers line by line until standard input ends.
///
/// # Errors
/// [`Failure`] when the screens cannot be built, or a line is too long.
fn lines() -> Result<ExitCode, Failure> {
    let rules = Rules::built_in().map_err(|cause| Failure::caused(&cause))?;
    let engine = Engine::new(&rules).map_err(|cause| Failure::caused(&cause))?;
    let mut scratch = Scratch::default();
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if line.last() != Some(&b'\n') && u64::try_from(line.len()).is_ok_and(|length| length == LONGEST) {
            return Err(Failure::usage(format!("a line has at most {LONGEST} bytes")));
        }
        let answer = match std::str::from_utf8(&line) {
            Ok(text) => answer(text.trim_end_matches(['\r', '\n']), &engine, &mut scratch),
            Err(_) => r#"{"error":"the line is not UTF-8"}"#.to_owned(),
        };
        match out.write_all(answer.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written?,
        }
    }
}

/// What a line is answered with: by the guards where it is about an argument, else by the screens.
fn answer(line: &str, engine: &Engine, scratch: &mut Scratch) -> String {
    let about = serde_json::from_str::<serde_json::Value>(line).ok().filter(|request| request["task"] == "arguments");
    about.map_or_else(|| jsonl::answer(line, engine, scratch), |request| guards::jsonl::answer(&request))
}
