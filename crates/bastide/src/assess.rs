//! `assess`: which controls hold now, on what evidence.
//!
//! Every probe goes through the front door of the gateway that runs, as the principals `agent:probe/a` and `agent:probe/b`, and is on record like any
//! other call. Tokens of the probes live two minutes and are taken back at the end. Without a running gateway a control is not assessed, never passed.

mod access;
mod agent;
mod arguments;
mod authority;
mod bounds;
mod canaries;
mod confinement;
mod data;
mod door;
mod fuzzing;
mod ground;
mod guarded;
mod identity;
mod limits;
mod log;
mod network;
mod outward;
mod pages;
mod probe;
mod progress;
mod runtime;
mod secrets;
mod steps;
mod stop;
mod supply;
mod transport;

use crate::outcome::{Common, Failure, Fault, NO, say};
use ::assess::{Assessment, Detail, Evidence, Level, Scope, catalogue, score};
use ground::Ground;
use progress::Progress;
use std::process::ExitCode;
use terms::Control;
use tokio::signal::unix::{SignalKind, signal};

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show this control or group with every step, and what mends it; may be given several times
    #[arg(long, value_name = "ID|GROUP")]
    control: Vec<String>,
    /// Exit 1 when the level is below this
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=3))]
    min_level: Option<u8>,
}

/// Probes, scores, prints.
///
/// # Errors
/// [`Failure`] when the configuration cannot be used or `--control` names nothing.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let wanted = chosen(&args.control)?;
    let catalogue = catalogue().map_err(|fault| Failure::caused(fault))?;
    let ground = Ground::find(common).await?;
    let began = ground.now();
    let progress = Progress::new(common);
    let stopped = tokio::select! {
        evidence = probe::all(&ground, &progress) => Ok(evidence),
        stopped = interrupted() => Err(stopped),
    };
    progress.end();
    let evidence = match stopped {
        Ok(evidence) => evidence,
        Err(cause) => return Err(given_up(&ground, cause).await),
    };
    let lost = ground.lost().await;
    let assessment = score(&evidence);
    let scope = Scope {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        configuration: ground.configuration(),
        digest: ground.digest(),
        people: ground.people_who_may_kill(),
        began,
        ended: ground.now(),
    };
    let shown = |evidence: &Evidence| wanted.contains(&evidence.control);
    let printed = if common.json {
        ::assess::json(&assessment, catalogue, &scope, shown).to_string() + "\n"
    } else {
        let detail = if args.control.is_empty() { Detail::Summary } else { Detail::Steps };
        ::assess::text(&assessment, catalogue, &scope, detail, shown)
    };
    say(&printed)?;
    if lost {
        return Err(Failure::system("the gateway went away while it was assessed").next("bastide serve, then assess again"));
    }
    Ok(code(args, &assessment, &ground))
}

/// Waits until someone wants the assessment to end.
async fn interrupted() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Puts things back after an interruption, unless that is interrupted too.
async fn given_up(ground: &Ground, cause: std::io::Result<()>) -> Failure {
    let left = tokio::select! {
        left = ground.clean() => left,
        _ = interrupted() => vec!["putting things back was interrupted too".to_owned()],
    };
    let failure = match cause {
        Ok(()) => Failure::system("the assessment was interrupted; nothing was assessed"),
        Err(fault) => Failure::system("signals cannot be awaited").because(&fault),
    };
    match left.as_slice() {
        [] => failure.next("what the probes had made at the gateway was taken back; run `bastide assess` again"),
        left => failure.next(format!("left at the gateway: {}; `bastide assess` takes it back when it runs again", left.join(", "))),
    }
}

fn code(args: &Args, assessment: &Assessment, ground: &Ground) -> ExitCode {
    let wanted = args.min_level.and_then(Level::from_number);
    match wanted {
        _ if !ground.runs() => ExitCode::from(Fault::System.code()),
        Some(level) if assessment.level < level => ExitCode::from(NO),
        Some(_) | None => ExitCode::SUCCESS,
    }
}

/// The controls that `names` mean: ids and groups; all when there are none.
fn chosen(names: &[String]) -> Result<Vec<Control>, Failure> {
    if names.is_empty() {
        return Ok(Control::ALL.to_vec());
    }
    let mut chosen = Vec::new();
    for name in names {
        let before = chosen.len();
        chosen.extend(Control::ALL.into_iter().filter(|control| control.id() == name || control.group() == name));
        if chosen.len() == before {
            return Err(Failure::usage(format!("no control and no group is called `{name}`")).next("bastide assess --json lists them all"));
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_or_a_group_may_be_named() {
        assert_eq!(chosen(&[]).unwrap().len(), 72);
        assert_eq!(chosen(&["audit.chain".into()]).unwrap(), [Control::AuditChain]);
        assert!(chosen(&["audit".into()]).unwrap().contains(&Control::AuditChain));
        assert!(chosen(&["audits".into()]).is_err());
    }
}
