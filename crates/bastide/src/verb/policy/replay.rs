//! `policy replay`: calls that were, decided again under another configuration.

use super::super::audit::Stretch;
use super::super::proposal::many;
use super::super::recorded::{self, Read, Was};
use super::super::{configured, judge, proposal};
use super::suggest::member;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::wire::{Configured, LOCK};
use config::Locked;
use gateway::snapshot::Snapshot;
use policy::{Alike, Decided, Direction, Ending, Many, Past, Replay};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Clock as _, Name};

/// Which calls, and under what.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    stretch: Stretch,
    /// The configuration to decide them under [default: the one in force]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Only calls of members of this role, as the configuration in force has them
    #[arg(long, value_name = "ROLE")]
    role: Option<Name>,
    /// Only calls of this principal: agent:NAME or user:NAME
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = member)]
    principal: Option<String>,
    /// End with 1 when any call would end otherwise
    #[arg(long)]
    no_change: bool,
    /// End with 1 when any call is let further than it was
    #[arg(long)]
    no_wider: bool,
}

/// How many changes, and how many calls that lack something, are printed.
const SHOWN: usize = 20;

/// Decides them again.
///
/// # Errors
/// [`Failure`].
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let present = configured(common)?;
    let against = match &args.against {
        None => present.clone(),
        Some(path) => Configured::read(Some(path), &SystemClock::new())?,
    };
    let snapshot = snapshot(&present, &against)?;
    let roles = args.role.as_ref().map(|_| sources::policy(&present)).transpose()?;
    let mut replay = Replay::default();
    recorded::each(&present, &args.stretch, |read| {
        let call = match read {
            Read::Other => return,
            Read::Lacking { reference, what } => {
                replay.note(&reference, what, Decided::No);
                return;
            }
            Read::Call(call) => call,
        };
        let has = |role: &Name| roles.as_ref().is_none_or(|engine| engine.roles_of(&call.principal).contains(&role));
        let wanted = args.principal.as_ref().is_none_or(|wanted| call.principal.is(wanted)) && args.role.as_ref().is_none_or(has);
        if !wanted {
            return;
        }
        let was = match call.was {
            Was::Decided(was) => was,
            Was::Elsewhere(_) => {
                replay.elsewhere += 1;
                return;
            }
        };
        let (judged, missing) = judge::again(&call, &snapshot, &against.loaded.file);
        let decided = judged.as_ref().map_or(Decided::No, |judged| judged.decided);
        if let Some(missing) = missing {
            replay.note(&call.reference, &missing, decided);
        }
        let Some(judged) = judged else { return };
        // Without the arguments nothing says that those which were refused for them would pass now.
        if decided == Decided::RulesAlone && judged.ending() == Ending::Allowed && is_of_arguments(was) {
            replay.calls += 1;
            replay.same += 1;
            return;
        }
        let (kind, name) = match &call.target {
            Some((_, spoken)) => (spoken.subject().kind(), spoken.subject().name()),
            None => ("Tool", call.name.as_str()),
        };
        let past = Past { reference: &call.reference, agent: call.principal.agent.as_str(), server: call.server(), kind, name, was };
        replay.count(&past, judged.ending(), || judged.why());
    })?;
    if replay.calls + replay.undecided + replay.elsewhere == 0 {
        return Err(Failure::no("no call is on record in that time").next("bastide audit show --since 24h"));
    }
    let (wider, narrower) = (replay.total(Direction::Wider), replay.total(Direction::Narrower));
    let is_kept = !(args.no_change && wider + narrower > 0 || args.no_wider && wider > 0);
    let next = next(&replay, args, common);
    let answer = answer(&replay, is_kept, &next);
    common.answer(&answer, |_| said(&replay, args, is_kept, &next))?;
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Whether it was refused for its arguments.
const fn is_of_arguments(was: Ending) -> bool {
    use terms::Code;
    match was {
        Ending::Refused(code) => !matches!(
            code,
            Code::Denied | Code::Unknown | Code::Clearance | Code::Hours | Code::NotApproved | Code::PinChanged | Code::LockUnverified
        ),
        Ending::Held | Ending::Allowed => false,
    }
}

/// The other configuration as the gateway would take it, with the lock beside it; where there is none, with that of the one in force.
fn snapshot(present: &Configured, against: &Configured) -> Result<Snapshot, Failure> {
    let now = SystemClock::new().utc();
    if against.folder().join(LOCK).exists() {
        return sources::snapshot(against, now);
    }
    let locked = match sources::lock(present)? {
        sources::Lock::Read(lock) => Locked::Read(lock),
        sources::Lock::Absent | sources::Lock::Broken(_) => Locked::Unverified,
    };
    config::snapshot(&against.loaded, &against.name(), against.cedar()?, &locked, now).map_err(Failure::usage)
}

fn next(replay: &Replay, args: &Args, common: &Common) -> Option<String> {
    let (_, many) = replay.changes().next()?;
    Some(match &args.against {
        None => format!("{} {}", proposal::command("explain", common), many.first),
        Some(path) => format!("bastide explain --config {} {}", proposal::word(&path.display().to_string()), many.first),
    })
}

fn answer(replay: &Replay, is_kept: bool, next: &Option<String>) -> Value {
    let change = |(alike, many): (&Alike, &Many)| {
        json!({
            "was": alike.was.as_str(),
            "is": alike.is.as_str(),
            "server": alike.server,
            "kind": alike.kind,
            "name": alike.name,
            "calls": many.count,
            "agents": many.agents,
            "first": many.first,
            "last": many.last,
            "because": many.why,
        })
    };
    let newly = |word| replay.newly(word).0;
    let partly = |one: &policy::Partly| {
        let decided = match one.decided {
            Decided::RulesAlone => "rules",
            Decided::No | Decided::Wholly => "no",
        };
        json!({ "reference": one.reference, "missing": one.missing, "decided": decided })
    };
    json!({
        "ok": is_kept,
        "calls": replay.calls,
        "same": replay.same,
        "newly_refused": newly("refused"),
        "newly_held": newly("held"),
        "newly_allowed": newly("allowed"),
        "wider": replay.total(Direction::Wider),
        "narrower": replay.total(Direction::Narrower),
        "refused_elsewhere": replay.elsewhere,
        "rules_alone": replay.rules_alone,
        "undecided": replay.undecided,
        "changes": replay.changes().map(change).collect::<Vec<_>>(),
        "partly": replay.partly().iter().map(partly).collect::<Vec<_>>(),
        "next": next,
    })
}

fn said(replay: &Replay, args: &Args, is_kept: bool, next: &Option<String>) -> String {
    let under = args.against.as_ref().map_or_else(|| "the configuration in force".to_owned(), |path| path.display().to_string());
    let mut out = format!("{} decided again under {under}: {} as before.\n", many(replay.calls, "call"), replay.same);
    for (word, sign) in [("refused", "-"), ("held", "-"), ("allowed", "+")] {
        let (count, agents) = replay.newly(word);
        let who = if count == 0 { String::new() } else { format!(" ({})", many(u64::try_from(agents).unwrap_or(u64::MAX), "agent")) };
        let _ = writeln!(out, "{sign} newly {word} {count}{who}");
        let alike: Vec<(&Alike, &Many)> = replay.changes().filter(|(alike, _)| alike.is.as_str() == word).collect();
        for (alike, calls) in alike.iter().take(SHOWN) {
            let name = if alike.kind == "Tool" {
                format!("{}__{}", alike.server, plain(&alike.name, 80))
            } else {
                format!("{} {} {}", alike.server, alike.kind.to_lowercase(), plain(&alike.name, 80))
            };
            let agents = calls.agents.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "    {}  {}  {name}  by {agents}", calls.first, many(calls.count, "time"));
            for line in &calls.why {
                let _ = writeln!(out, "        {line}");
            }
        }
        if alike.len() > SHOWN {
            let _ = writeln!(out, "    and {} more: --json has all of them", alike.len() - SHOWN);
        }
    }
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            let _ = writeln!(out, "{} {count} {what}", Mark::Note.sign());
        }
    };
    note(replay.elsewhere, "were refused for limits, kills, tokens or content, which no configuration decides again");
    note(replay.rules_alone, "were decided by the rules alone, and");
    note(replay.undecided, "could not be decided, because this is not on record:");
    for one in replay.partly().iter().take(SHOWN) {
        let _ = writeln!(out, "    {}  {}", one.reference, one.missing);
    }
    if replay.partly().len() > SHOWN {
        let _ = writeln!(out, "    and more: --json has the first thousand");
    }
    let changed = replay.calls - replay.same;
    let (mark, words) = match (is_kept, changed) {
        (true, 0) => (Mark::Good, "Nothing changes.".to_owned()),
        (true, _) => (Mark::Note, format!("{} would end otherwise.", many(changed, "call"))),
        (false, _) if args.no_change => (Mark::Bad, format!("{} would end otherwise, and none may.", many(changed, "call"))),
        (false, _) => (Mark::Bad, format!("{} would be let further, and none may.", many(replay.total(Direction::Wider), "call"))),
    };
    let _ = writeln!(out, "{} {words}", mark.sign());
    if let Some(next) = next {
        let _ = writeln!(out, "  next  {next}");
    }
    out
}
