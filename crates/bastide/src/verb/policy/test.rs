//! `policy test`: whether calls are decided as files expect.

use super::super::explain::supposed::{Fault, Supposed};
use super::configured;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO};
use crate::screen::{Mark, plain};
use crate::sources;
use config::{Case, Expect, Place};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::Clock as _;

/// The files.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files of expected decisions
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// One decision beside the expected one.
struct Outcome {
    file: String,
    place: Place,
    case: Case,
    found: Expect,
    supposed: Supposed,
    good: bool,
}

/// Decides every case as the gateway would. The answer is no when one is decided otherwise.
///
/// # Errors
/// [`Failure`] when a file cannot be read, with every problem of it.
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let snapshot = sources::snapshot(&configured, SystemClock::new().utc())?;
    let mut outcomes = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|cause| Failure::usage(format!("{file} cannot be read")).because(&cause))?;
        for (case, place) in config::cases(&file, &bytes).map_err(Failure::usage)? {
            let supposed = Supposed::decide(&case, &snapshot, &configured.loaded.file);
            let found = supposed.outcome();
            let code = case.code.as_deref().is_none_or(|code| supposed.code().is_some_and(|found| found.to_string() == code));
            let good = found == case.expect && code;
            outcomes.push(Outcome { file: file.clone(), place, case, found, supposed, good });
        }
    }
    let failed = outcomes.iter().filter(|one| !one.good).count();
    let answer = json!({
        "ok": failed == 0,
        "passed": outcomes.len() - failed,
        "failed": failed,
        "cases": outcomes.iter().map(answer).collect::<Vec<_>>(),
    });
    common.answer(&answer, |_| text(&outcomes, failed))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn answer(one: &Outcome) -> Value {
    json!({
        "ok": one.good,
        "file": one.file,
        "line": one.place.line,
        "as": one.case.caller.0,
        "user": one.case.user,
        "call": one.case.call.to_string(),
        "expected": one.case.expect.as_str(),
        "expected_code": one.case.code,
        "found": one.found.as_str(),
        "code": one.supposed.code(),
        "detail": one.supposed.fault.as_ref().and_then(|fault: &Fault| fault.detail.as_deref()),
        "decided": one.supposed.explanation.decided(),
        "rules_alone": one.supposed.rules_alone,
    })
}

fn text(outcomes: &[Outcome], failed: usize) -> String {
    let mut out = String::new();
    for one in outcomes.iter().filter(|one| !one.good) {
        let user = one.case.user.as_ref().map(|user| format!(" for {user}")).unwrap_or_default();
        let code = one.supposed.code().map(|code| format!(" ({code})")).unwrap_or_default();
        let wanted = one.case.code.as_deref().map(|code| format!(" ({})", plain(code, 80))).unwrap_or_default();
        let _ = writeln!(
            out,
            "{} {}:{}  agent {}{user} calls {}",
            Mark::Bad.sign(),
            one.file,
            one.place.line,
            one.case.caller.0,
            plain(&one.case.call.to_string(), 120)
        );
        let _ = writeln!(out, "    expected {}{wanted}, found {}{code}", one.case.expect.as_str(), one.found.as_str());
        if let Some(detail) = one.supposed.fault.as_ref().and_then(|fault| fault.detail.as_deref()) {
            let _ = writeln!(out, "    {detail}");
        }
        for line in one.supposed.explanation.decided().iter().take(3) {
            let _ = writeln!(out, "    {}", plain(line, 160));
        }
    }
    let alone = outcomes.iter().filter(|one| one.supposed.rules_alone).count();
    if alone > 0 {
        let _ = writeln!(
            out,
            "{} {alone} of them by the rules alone: what their servers offer is not approved here, and their arguments were not checked.",
            Mark::Note.sign()
        );
    }
    let mark = if failed == 0 { Mark::Good } else { Mark::Bad };
    let _ = writeln!(out, "{} {} of {} cases are decided as expected.", mark.sign(), outcomes.len() - failed, outcomes.len());
    if let Some(one) = outcomes.iter().find(|one| !one.good) {
        let user = one.case.user.as_ref().map(|user| format!(" --user {user}")).unwrap_or_default();
        let _ = writeln!(out, "  next  bastide explain --as agent:{}{user} {}", one.case.caller.0, plain(&one.case.call.to_string(), 120));
    }
    out
}
