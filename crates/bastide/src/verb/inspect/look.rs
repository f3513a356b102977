//! What the screens find in a text, where, why, what would be done with it, and what would let it pass.

use super::super::screens::{Origin, Screens, can_be_quiet};
use super::part::{self, Credits};
use super::reason::{Reason, Reasons};
use crate::acts::account;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::{Mark, plain};
use crate::verb::proposal::many;
use crate::verb::{joined, member};
use detect::{Budget, Rules, Scratch, hidden};
use gateway::snapshot::Source;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use terms::{Clock as _, Finding, Trust, Utc};

/// Findings that are explained; the others are counted.
const MOST: usize = 200;
/// How long an entry that lets something pass is proposed for.
const DAYS: u64 = 90;

/// Looks at `input` as at what comes from `origin`.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(input: &str, origin: Option<&Origin<'_>>, screens: &Screens, common: &Common) -> Result<ExitCode, Failure> {
    let handled = screens.of(origin)?;
    let document = part::document(input);
    let parts = part::parts(input, document.as_ref());
    let texts: Vec<&str> = parts.iter().map(|part| part.text.as_ref()).collect();
    let reports = screens.find(&texts);
    let credits = Credits::of(document.as_ref());
    let mut reasons = Reasons::new(screens, Rules::built_in().map_err(|cause| Failure::caused(&cause))?);
    let (mut findings, mut count) = (Vec::new(), 0_usize);
    for (part, report) in parts.iter().zip(&reports) {
        for finding in &report.findings {
            count += 1;
            if count > MOST {
                continue;
            }
            let why = reasons.of(&part.text, finding, &report.findings, &report.decoded);
            let action = handled.action(&part.text, finding, credits.hold(part));
            let spot = part.spot(input, finding.span.start);
            let value = part.text.get(finding.span.start..finding.span.end).unwrap_or_default();
            findings.push(json!({
                "finding": count,
                "class": finding.class.as_str(),
                "kind": finding.kind,
                "line": spot.line,
                "column": spot.column,
                "path": part.path(),
                "characters": value.chars().count(),
                "confidence": f64::from((finding.confidence * 100.0).round()) / 100.0,
                "rule": reasons.rule(finding),
                "why": why.iter().map(Reason::value).collect::<Vec<_>>(),
                "because": why.iter().map(Reason::sentence).collect::<Vec<_>>(),
                "action": action.as_str(),
                "suppressed": handled.is_quiet(finding),
                "suppress": can_be_quiet(finding.class).then(|| entry(finding, origin)).transpose()?,
            }));
        }
    }
    let mut unread = Vec::new();
    for part in &parts {
        let found = hidden(&part.text, &Budget::default(), &mut Scratch::default());
        unread.extend(found.iter().map(|one| {
            let spot = part.spot(input, one.span.start);
            json!({ "how": one.how, "line": spot.line, "column": spot.column, "path": part.path(), "characters": one.reads.chars().count() })
        }));
    }
    let answer = json!({
        "preset": screens.file().inspect.preset.as_str(),
        "server": origin.map(|origin| origin.server),
        "tool": origin.and_then(|origin| origin.tool),
        "source": source(handled.source()),
        "format": if document.is_some() { "json" } else { "text" },
        "count": count,
        "findings": findings,
        "hidden": unread,
    });
    common.answer(&answer, said)?;
    Ok(ExitCode::SUCCESS)
}

/// An entry of `inspect.suppress` as it can be pasted.
fn entry(finding: &Finding, origin: Option<&Origin<'_>>) -> Result<String, Failure> {
    let quoted = |text: &str| Value::from(text).to_string();
    let server = origin.map_or("SERVER", |origin| origin.server.as_str());
    let tool = origin.and_then(|origin| origin.tool).map(|tool| format!("tool: {}, ", quoted(tool))).unwrap_or_default();
    let now = SystemClock::new().utc();
    let until = Utc::from_seconds(now.nanos() / 1_000_000_000 + DAYS * 86_400).to_string();
    let day = until.get(..10).unwrap_or_default();
    let owner = quoted(account()?.as_str());
    Ok(format!("{{ kind: {}, server: {server}, {tool}reason: \"say why\", owner: {owner}, until: {day} }}", finding.kind))
}

/// `internal, no label`.
fn source(source: Source) -> String {
    let label = source.label.map_or("no label", terms::Label::as_str);
    let trust = match source.trust {
        Trust::Internal => "internal",
        Trust::External => "external",
    };
    format!("{trust}, {label}")
}

fn said(answer: &Value) -> String {
    let rows = answer["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = match (member(answer, "server"), member(answer, "tool")) {
        ("", _) => "of nobody in particular".to_owned(),
        (server, "") => format!("of {server}"),
        (server, tool) => format!("of {server}__{}", plain(tool, 80)),
    };
    let count = answer["count"].as_u64().unwrap_or_default();
    let mut out = format!("{}; preset {}, text {of} ({})\n", many(count, "finding"), member(answer, "preset"), member(answer, "source"));
    for row in rows {
        let mark = if member(row, "action") == "flag" { Mark::Note } else { Mark::Changed };
        let place = [place(row), plain(member(row, "path"), 200)].join("  ");
        let _ = writeln!(
            out,
            "\n{} {}  {} {}  {}  {} characters",
            mark.sign(),
            row["finding"],
            member(row, "class"),
            plain(member(row, "kind"), 60),
            place.trim_end(),
            row["characters"]
        );
        let mut line = |name: &str, text: &str| {
            let _ = writeln!(out, "  {name:<10} {text}");
        };
        let passes = if row["suppressed"] == true { " (an entry of inspect.suppress lets it pass)" } else { "" };
        line("action", &format!("{}{passes}", member(row, "action")));
        line("rule", &format!("{}, confidence {}", plain(member(row, "rule"), 200), row["confidence"]));
        line("because", &joined(row, "because"));
        match row["suppress"].as_str() {
            Some(entry) => line("suppress", &format!("- {entry}")),
            None => line("suppress", "no entry can let it pass"),
        }
    }
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if count > shown {
        let _ = writeln!(out, "\n{} and {} more", Mark::Note.sign(), count - shown);
    }
    for one in answer["hidden"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let path = plain(member(one, "path"), 200);
        let _ = writeln!(
            out,
            "\n{} {}  hidden text, {}  {path}  {} characters; nothing is done with it",
            Mark::Note.sign(),
            place(one),
            member(one, "how"),
            one["characters"]
        );
    }
    out
}

fn place(row: &Value) -> String {
    format!("{}:{}", row["line"], row["column"])
}
