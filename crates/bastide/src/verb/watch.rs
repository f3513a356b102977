//! `server watch`: what a server asks for, and the entry that covers it.

use super::configured;
use crate::desk::Desk;
use crate::outcome::{Common, Failure, NO, ask, say, warn};
use crate::reviews::exchange;
use crate::wire::Configured;
use admin::{Act, Call, Watched, Watching, Whose};
use config::{Amended, Boxed, Size, amend};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use terms::ServerName;

/// What is watched, and what is done with what is found.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Its name
    name: ServerName,
    /// Call a tool of it: its name, `=`, and its arguments as a JSON object; may be repeated
    #[arg(long = "call", value_name = "TOOL={…}", value_parser = call)]
    calls: Vec<Call>,
    /// Watch what its clients do with it instead, while the gateway runs
    #[arg(long, conflicts_with = "calls")]
    clients: bool,
    /// Leave it to itself, or to its clients, for so many seconds, at most 20 [default: 1, of clients 20]
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=20))]
    seconds: Option<u64>,
    /// Write the proposed entry into the configuration without asking
    #[arg(long)]
    accept: bool,
}

fn call(text: &str) -> Result<Call, String> {
    let (tool, arguments) = text.split_once('=').unwrap_or((text, "{}"));
    let arguments = serde_json::from_str(arguments).map_err(|cause| format!("the arguments of `{tool}` are no JSON object: {cause}"))?;
    Ok(Call { tool: tool.to_owned(), arguments })
}

/// What was seen, and what became of it.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    watched: Watched,
    /// Whether the entry says more or other than the file.
    differs: bool,
    /// Whether it was written.
    written: bool,
    /// The entry, as lines of YAML.
    entry: String,
}

/// Watches, shows, asks, writes.
///
/// # Errors
/// [`Failure`].
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let server = configured.loaded.file.servers.get(&args.name);
    let server = server.ok_or_else(|| Failure::usage(format!("there is no server `{}`", args.name)).next("bastide server list"))?;
    let (whose, usual) = if args.clients { (Whose::Clients, 20) } else { (Whose::Ours, 1) };
    let wish = Watching { whose, calls: args.calls.clone(), seconds: args.seconds.unwrap_or(usual) };
    let act = Act::ServerWatch { server: args.name.clone(), wish };
    let perform = async |desk: &Desk| match (desk, whose) {
        (Desk::Stopped(_), Whose::Clients) => Err(Failure::usage("no gateway runs, so nobody uses it").next("bastide serve")),
        (Desk::Running(_) | Desk::Stopped(_), Whose::Clients | Whose::Ours) => desk.perform(act).await,
    };
    let watched = Desk::at(&configured, perform).await?;
    let watched: Watched = serde_json::from_value(watched).map_err(|_| Failure::system("the gateway's answer cannot be read"))?;
    let (now, next) = (Boxed::of(server), boxed(&watched));
    let differs = now != next;
    if !common.json {
        say(&shown(&watched, &now, &next))?;
    }
    let mut answer =
        Answer { differs, written: false, entry: next.lines().iter().fold(String::new(), |out, line| out + line + "\n"), watched };
    if differs && (args.accept || asked(common)?) {
        answer.written = write(&configured, &args.name, &next)?;
    }
    let complete = answer.watched.complete;
    common.answer(&answer, |answer| match (answer.written, answer.differs) {
        (true, _) => "It is written.  next  bastide lock --check, and reload a gateway that runs\n".to_owned(),
        (false, true) => "Nothing was changed.\n".to_owned(),
        (false, false) => "The entry is as it should be.\n".to_owned(),
    })?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn boxed(watched: &Watched) -> Boxed {
    Boxed {
        read: watched.read.clone(),
        write: watched.write.clone(),
        egress: watched.egress.clone(),
        memory: Size::mebibytes(watched.memory.div_ceil(1 << 20)),
        processes: watched.processes,
    }
}

fn asked(common: &Common) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if common.json || !input.is_terminal() {
        return Ok(false);
    }
    ask("  Write this entry? [y/N] ");
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Writes the entry into the file that was read, where it still is that file; else says where it belongs.
fn write(configured: &Configured, server: &ServerName, entry: &Boxed) -> Result<bool, Failure> {
    let text = std::fs::read_to_string(&configured.path)?;
    if Configured::read(Some(&configured.path), &crate::host::SystemClock::new())?.loaded.digest != configured.loaded.digest {
        return Err(Failure::usage("the configuration changed while the server was watched: nothing was written").next("watch it again"));
    }
    match amend(&text, server, entry) {
        Some(Amended::Text(text)) => {
            let real = configured.path.canonicalize()?;
            let mode = std::fs::metadata(&real)?.permissions();
            exchange(&real, text.as_bytes())?;
            std::fs::set_permissions(&real, mode)?;
            Ok(true)
        }
        Some(Amended::ByHand { line, entry }) => {
            let indented = entry.lines().fold(String::new(), |out, line| format!("{out}    {line}\n"));
            warn(&format!(
                "{}:{line} is not written as a block, so it is not changed. Put this below `{server}`:",
                configured.path.display()
            ));
            warn(indented.trim_end());
            Ok(false)
        }
        None => Err(Failure::usage(format!("{} names no server `{server}`", configured.path.display()))),
    }
}

fn shown(watched: &Watched, now: &Boxed, next: &Boxed) -> String {
    let mut out = String::new();
    let path = |path: &Path| supply::visible(&path.display().to_string());
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let _ = writeln!(
        out,
        "{} was run {} times: at most {} MiB of memory, {} processes and threads.",
        watched.server,
        watched.rounds,
        mib(watched.peak_memory),
        watched.peak_processes
    );
    if let Some(fault) = &watched.fault {
        let _ = writeln!(out, "It did not come to its end: {}", supply::visible(fault));
    }
    for tool in &watched.failed {
        let _ = writeln!(out, "A call of `{}` was answered with an error.", supply::visible(tool));
    }
    let unwritten = next.write.iter().any(|path| !now.write.contains(path));
    if unwritten && (watched.fault.is_some() || !watched.failed.is_empty()) {
        let _ = writeln!(out, "It could not write what it wanted to, which is not in its entry yet: with that written, watch it again.");
    }
    for held in &watched.withheld {
        let _ = writeln!(out, "not proposed  {}  ({})", path(&held.path), held.why);
    }
    if watched.missed > 0 {
        let _ = writeln!(out, "{} of its requests could not be noted.", watched.missed);
    }
    let (before, after) = (now.lines(), next.lines());
    let _ = writeln!(out, "\n  sandbox:");
    for line in before.iter().filter(|line| !after.contains(line)) {
        let _ = writeln!(out, "-   {}", supply::visible(line));
    }
    for line in &after {
        let sign = if before.contains(line) { ' ' } else { '+' };
        let _ = writeln!(out, "{sign}   {}", supply::visible(line));
    }
    out
}
