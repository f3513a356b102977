//! `policy test`: whether calls are decided, and texts screened, as files expect.

use super::super::explain::supposed::{Fault, Supposed};
use super::super::screens::{Credited, Origin, Screens};
use super::configured;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO};
use crate::screen::{Mark, plain};
use crate::sources;
use config::{Case, Expect, Expected, Place, Screened};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Action, Clock as _, Finding};

/// The files.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files of expected decisions
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What came of an expectation.
struct Outcome {
    file: String,
    place: Place,
    what: What,
}

enum What {
    Call(Box<Decided>),
    Text(Seen),
}

/// One decision beside the expected one.
struct Decided {
    case: Case,
    found: Expect,
    supposed: Supposed,
    good: bool,
}

/// What the screens made of a text, and what of it was not expected.
struct Seen {
    screened: Screened,
    found: Vec<(Finding, Action)>,
    faults: Vec<String>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        match &self.what {
            What::Call(decided) => decided.good,
            What::Text(seen) => seen.faults.is_empty(),
        }
    }
}

/// Decides every case and screens every text as the gateway would. The answer is no when one ends otherwise.
///
/// # Errors
/// [`Failure`] when a file cannot be read, with every problem of it.
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let now = SystemClock::new().utc();
    let snapshot = sources::snapshot(&configured, now)?;
    let screens = Screens::new(Some(&configured), now)?;
    let mut outcomes = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|cause| Failure::usage(format!("{file} cannot be read")).because(&cause))?;
        for (expected, place) in config::cases(&file, &bytes).map_err(Failure::usage)? {
            let what = match expected {
                Expected::Call(case) => {
                    let supposed = Supposed::decide(&case, &snapshot, &configured.loaded.file);
                    let found = supposed.outcome();
                    let code = case.code.as_deref().is_none_or(|code| supposed.code().is_some_and(|found| found.to_string() == code));
                    What::Call(Box::new(Decided { good: found == case.expect && code, case, found, supposed }))
                }
                Expected::Text(screened) => What::Text(seen(screened, &screens).map_err(|why| {
                    Failure::usage(format!("{file}:{} inspect.server: {}", place.line, why.sentence())).next("bastide server list")
                })?),
            };
            outcomes.push(Outcome { file: file.clone(), place, what });
        }
    }
    let failed = outcomes.iter().filter(|one| !one.is_good()).count();
    let answer = json!({
        "ok": failed == 0,
        "passed": outcomes.len() - failed,
        "failed": failed,
        "cases": outcomes.iter().map(answer).collect::<Vec<_>>(),
    });
    common.answer(&answer, |_| text(&outcomes, failed))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Screens a text as what its server returns.
fn seen(screened: Screened, screens: &Screens) -> Result<Seen, Failure> {
    let origin = screened.server.as_ref().map(|server| Origin { server, tool: screened.tool.as_deref() });
    let handled = screens.of(origin.as_ref())?;
    let reports = screens.find(&[screened.text.as_str()]);
    let acted = |finding: Finding| {
        let action = handled.action(&screened.text, &finding, Credited::Not);
        (finding, action)
    };
    let found: Vec<(Finding, Action)> = reports.into_iter().flat_map(|report| report.findings).map(acted).collect();
    let of = |kind: &str| found.iter().filter(|(finding, _)| finding.kind == kind).collect::<Vec<_>>();
    let mut faults = Vec::new();
    for kind in &screened.finds {
        if of(kind).is_empty() {
            faults.push(format!("finds: no {} is found", plain(kind, 60)));
        }
        let other = |action: Action| screened.action.is_some_and(|expected| expected.as_str() != action.as_str());
        for (finding, action) in of(kind).into_iter().filter(|(_, action)| other(*action)) {
            let place = column(&screened.text, finding);
            let expected = screened.action.map_or("", config::Handled::as_str);
            faults.push(format!("action: {} at {place} meets {}, not {expected}", plain(kind, 60), action.as_str()));
        }
    }
    for kind in &screened.not {
        faults.extend(
            of(kind).into_iter().map(|(finding, _)| format!("not: {} is found at {}", plain(kind, 60), column(&screened.text, finding))),
        );
    }
    Ok(Seen { screened, found, faults })
}

/// Where in the text a finding stands, by characters from 1 on.
fn column(text: &str, finding: &Finding) -> usize {
    text.get(..text.floor_char_boundary(finding.span.start)).map_or(0, |before| before.chars().count()) + 1
}

fn answer(one: &Outcome) -> Value {
    match &one.what {
        What::Call(decided) => json!({
            "ok": decided.good,
            "file": one.file,
            "line": one.place.line,
            "as": decided.case.caller.0,
            "user": decided.case.user,
            "call": decided.case.call.to_string(),
            "expected": decided.case.expect.as_str(),
            "expected_code": decided.case.code,
            "found": decided.found.as_str(),
            "code": decided.supposed.code(),
            "detail": decided.supposed.fault.as_ref().and_then(|fault: &Fault| fault.detail.as_deref()),
            "decided": decided.supposed.explanation.decided(),
            "rules_alone": decided.supposed.rules_alone,
        }),
        What::Text(seen) => {
            let row = |(finding, action): &(Finding, Action)| {
                let column = column(&seen.screened.text, finding);
                json!({ "class": finding.class.as_str(), "kind": finding.kind, "column": column, "action": action.as_str() })
            };
            json!({
                "ok": seen.faults.is_empty(),
                "file": one.file,
                "line": one.place.line,
                "server": seen.screened.server,
                "tool": seen.screened.tool,
                "expected": { "finds": seen.screened.finds, "not": seen.screened.not, "action": seen.screened.action.map(config::Handled::as_str) },
                "found": seen.found.iter().map(row).collect::<Vec<_>>(),
                "faults": seen.faults,
            })
        }
    }
}

fn text(outcomes: &[Outcome], failed: usize) -> String {
    let mut out = String::new();
    for one in outcomes.iter().filter(|one| !one.is_good()) {
        let place = format!("{} {}:{}", Mark::Bad.sign(), one.file, one.place.line);
        match &one.what {
            What::Call(decided) => call(&mut out, &place, decided),
            What::Text(seen) => {
                let _ = writeln!(out, "{place}  a text is screened");
                for fault in &seen.faults {
                    let _ = writeln!(out, "    {fault}");
                }
            }
        }
    }
    let decided = || {
        outcomes.iter().filter_map(|one| match &one.what {
            What::Call(decided) => Some(decided),
            What::Text(_) => None,
        })
    };
    let alone = decided().filter(|one| one.supposed.rules_alone).count();
    if alone > 0 {
        let _ = writeln!(
            out,
            "{} {alone} of them by the rules alone: what their servers offer is not approved here, and their arguments were not checked.",
            Mark::Note.sign()
        );
    }
    let mark = if failed == 0 { Mark::Good } else { Mark::Bad };
    let end = if decided().count() == outcomes.len() { "decided as expected" } else { "as expected" };
    let _ = writeln!(out, "{} {} of {} cases are {end}.", mark.sign(), outcomes.len() - failed, outcomes.len());
    if let Some(one) = decided().find(|one| !one.good) {
        let user = one.case.user.as_ref().map(|user| format!(" --user {user}")).unwrap_or_default();
        let _ = writeln!(out, "  next  bastide explain --as agent:{}{user} {}", one.case.caller.0, plain(&one.case.call.to_string(), 120));
    } else if failed > 0 {
        let _ = writeln!(out, "  next  bastide inspect < FILE");
    }
    out
}

fn call(out: &mut String, place: &str, one: &Decided) {
    let user = one.case.user.as_ref().map(|user| format!(" for {user}")).unwrap_or_default();
    let code = one.supposed.code().map(|code| format!(" ({code})")).unwrap_or_default();
    let wanted = one.case.code.as_deref().map(|code| format!(" ({})", plain(code, 80))).unwrap_or_default();
    let _ = writeln!(out, "{place}  agent {}{user} calls {}", one.case.caller.0, plain(&one.case.call.to_string(), 120));
    let _ = writeln!(out, "    expected {}{wanted}, found {}{code}", one.case.expect.as_str(), one.found.as_str());
    if let Some(detail) = one.supposed.fault.as_ref().and_then(|fault| fault.detail.as_deref()) {
        let _ = writeln!(out, "    {detail}");
    }
    for line in one.supposed.explanation.decided().iter().take(3) {
        let _ = writeln!(out, "    {}", plain(line, 160));
    }
}
