//! `assess`: which controls hold now, on what evidence.
//!
//! Every probe goes through the front door of the gateway that runs, as the principals `agent:probe/a` and `agent:probe/b`, and is on record like any
//! other call. Tokens of the probes live two minutes and are taken back at the end. Without a running gateway a control is not assessed, never passed.

mod access;
mod agent;
mod canaries;
mod ground;
mod identity;
mod log;
mod probe;
mod runtime;
mod secrets;
mod steps;
mod stop;
mod supply;

use crate::outcome::{Common, Failure, Fault, NO, say};
use ::assess::{Assessment, Detail, Evidence, Level, Scope, catalogue, score};
use ground::Ground;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use terms::Control;

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
    let mut progress = Progress::new(common);
    let evidence = probe::all(&ground, &mut |control| progress.show(control)).await;
    progress.end();
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
    Ok(code(args, &assessment, &ground))
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

/// One line on a terminal that says what is being looked at.
struct Progress {
    shown: Option<std::io::Stderr>,
}

impl Progress {
    fn new(common: &Common) -> Self {
        let stderr = std::io::stderr();
        Self { shown: (!common.json && stderr.is_terminal()).then_some(stderr) }
    }

    fn show(&mut self, control: Control) {
        if let Some(out) = &mut self.shown {
            let _ = write!(out, "\r\x1b[Kassessing {}", control.id());
            let _ = out.flush();
        }
    }

    fn end(&mut self) {
        if let Some(out) = &mut self.shown {
            let _ = write!(out, "\r\x1b[K");
            let _ = out.flush();
        }
    }
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
