//! `doctor`: everything that must hold, looked at, with the command that mends what does not.

mod check;
mod tls;

use crate::outcome::{Common, Failure, NO};
use crate::screen::Mark;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Not as it must be.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    name: &'static str,
    standing: Standing,
    detail: String,
    next: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, standing: Standing::Ok, detail: detail.into(), next: None }
    }

    fn note(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, standing: Standing::Note, detail: detail.into(), next: None }
    }

    fn problem(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, standing: Standing::Problem, detail: detail.into(), next: None }
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    findings: Vec<Finding>,
}

/// Looks. The answer is no when there is a problem; what is worth knowing is none.
///
/// # Errors
/// [`Failure`] when the answer cannot be printed.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let findings = check::all(common).await;
    let ok = findings.iter().all(|finding| finding.standing != Standing::Problem);
    common.answer(&Answer { ok, findings }, said)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn said(answer: &Answer) -> String {
    let mut out = String::new();
    for finding in &answer.findings {
        let mark = match finding.standing {
            Standing::Ok => Mark::Good,
            Standing::Note => Mark::Note,
            Standing::Problem => Mark::Bad,
        };
        let mut lines = finding.detail.lines();
        let _ = writeln!(out, "  {:<9} {} {}", finding.name, mark.sign(), lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(out, "              {line}");
        }
        if let Some(next) = &finding.next {
            let _ = writeln!(out, "              next  {next}");
        }
    }
    out
}
