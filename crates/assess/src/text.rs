//! The assessment as text for a terminal.

use crate::report::{Scope, priority_word};
use crate::{Assessment, Catalogue, Evidence, Outcome};
use std::fmt::Write as _;
use terms::Control;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The level, what blocks the next one, sums, and one line for each control that does not hold.
    Summary,
    /// Every step of the controls that are meant, and what mends them.
    Steps,
}

/// Next steps that a summary names.
const ADVICE: usize = 3;

/// Prints `assessment`; of the controls those that `wanted` means. Lines are plain text, any length of line.
pub fn text(assessment: &Assessment, catalogue: &Catalogue, scope: &Scope, detail: Detail, wanted: impl Fn(&Evidence) -> bool) -> String {
    let mut out = String::new();
    match detail {
        Detail::Summary => summary(&mut out, assessment, catalogue, scope, &wanted),
        Detail::Steps => {
            for evidence in assessment.evidence.iter().filter(|evidence| wanted(evidence)) {
                steps(&mut out, evidence, catalogue);
            }
            let _ = writeln!(out, "level {}", assessment.level);
        }
    }
    out
}

fn summary(out: &mut String, assessment: &Assessment, catalogue: &Catalogue, scope: &Scope, wanted: &impl Fn(&Evidence) -> bool) {
    for note in scope.notes() {
        let _ = writeln!(out, "note   {note}");
    }
    let total = assessment.total();
    let _ = writeln!(out, "level  {}: {} of {} controls pass", assessment.level, total.passed(), total.applicable());
    if let Some(next) = &assessment.next {
        let blocking: Vec<&str> = next.blocking.iter().map(|control| control.id()).collect();
        let more = if next.high_missing > 0 { format!(" and {} more of high priority", next.high_missing) } else { String::new() };
        let _ = writeln!(
            out,
            "next   level {} takes {}{more}",
            next.level,
            if blocking.is_empty() { "none".into() } else { blocking.join(", ") }
        );
    }
    let _ = writeln!(out);
    for (name, tally) in &assessment.groups {
        let _ = writeln!(out, "{name:<12}{:>3} of {:>2}", tally.passed(), tally.applicable());
    }
    let _ = writeln!(out);
    for (priority, tally) in &assessment.priorities {
        let _ = writeln!(out, "{:<12}{:>3} of {:>2}", priority_word(*priority), tally.passed(), tally.applicable());
    }
    let _ = writeln!(out);
    for list in &assessment.checklists {
        let items = list.holding.len() + list.open.len();
        let _ = writeln!(out, "{:>3} of {items:>2} items hold  list {}, {}", list.holding.len(), list.list.letter(), list.list.title());
    }
    let _ = writeln!(out);
    for evidence in assessment.evidence.iter().filter(|evidence| wanted(evidence)) {
        if evidence.outcome != Outcome::Absent {
            let _ = writeln!(out, "{:<9}{:<26}{}", evidence.outcome, evidence.control.id(), finding(evidence));
        }
    }
    let absent: Vec<&str> = assessment
        .evidence
        .iter()
        .filter(|evidence| evidence.outcome == Outcome::Absent && wanted(evidence))
        .map(|evidence| evidence.control.id())
        .collect();
    if !absent.is_empty() {
        let _ = writeln!(out, "{:<9}{} not in this build: {}", Outcome::Absent, absent.len(), absent.join(", "));
    }
    let advice = advice(assessment, catalogue);
    if !advice.is_empty() {
        let _ = writeln!(out, "\nthe most useful next steps");
        for (control, what) in advice {
            let _ = writeln!(out, "  {:<26}{what}", control.id());
        }
    }
}

/// The first thing that was not as it had to be.
fn finding(evidence: &Evidence) -> String {
    evidence
        .steps
        .iter()
        .find(|step| !step.ok)
        .map_or_else(String::new, |step| format!("{}: expected {}, found {}", step.did, step.expected, step.found))
}

fn steps(out: &mut String, evidence: &Evidence, catalogue: &Catalogue) {
    let control = evidence.control;
    let _ = writeln!(out, "{:<9}{} ({}, {})", evidence.outcome, control.id(), priority_word(control.priority()), evidence.how.as_str());
    let _ = writeln!(out, "  {}", control.wants());
    for step in &evidence.steps {
        let mark = if step.ok { "ok" } else { "no" };
        let _ = writeln!(out, "  {mark}  {}\n        expected {}\n        found    {}", step.did, step.expected, step.found);
    }
    if let (false, Some(entry)) = (evidence.outcome.holds(), catalogue.of(control)) {
        let _ = writeln!(out, "  next  {}", entry.off_means);
    }
    let _ = writeln!(out);
}

/// What to do first: what a person can mend, what blocks the next level before the rest, grave before light.
fn advice<'a>(assessment: &Assessment, catalogue: &'a Catalogue) -> Vec<(Control, &'a str)> {
    let blocks = |control: Control| assessment.next.as_ref().is_some_and(|next| next.blocking.contains(&control));
    let mut open: Vec<&Evidence> =
        assessment.evidence.iter().filter(|evidence| !evidence.outcome.holds() && evidence.outcome != Outcome::Absent).collect();
    open.sort_by_key(|evidence| (!blocks(evidence.control), std::cmp::Reverse(evidence.control.priority())));
    let said = |evidence: &&Evidence| catalogue.of(evidence.control).map(|entry| (evidence.control, entry.off_means.as_str()));
    open.iter().filter_map(said).take(ADVICE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{How, Step, catalogue, score};
    use terms::Utc;

    fn evidence(control: Control, ok: bool) -> Evidence {
        let step = Step { did: "asked".into(), expected: "401".into(), found: if ok { "401" } else { "200" }.into(), ok };
        Evidence::of(control, How::Probe, vec![step], Utc::default())
    }

    #[test]
    fn a_summary_leads_with_note_level_and_what_blocks() {
        let found = score(&[evidence(Control::AuditCalls, true), evidence(Control::IdentityTokens, false)]);
        let printed = text(&found, catalogue().unwrap(), &Scope::default(), Detail::Summary, |_| true);
        let lines: Vec<&str> = printed.lines().collect();
        assert!(lines[0].starts_with("note   nobody is named"), "{printed}");
        assert_eq!(lines[1], "level  0, Raw: 1 of 72 controls pass");
        assert_eq!(lines[2], "next   level 1, Basic takes secrets.config-scan, transport.tls");
        assert!(printed.contains("fail     identity.tokens           asked: expected 401, found 200"), "{printed}");
        assert!(printed.contains("absent   70 not in this build: identity.mtls"), "{printed}");
        assert!(printed.contains("bastide token list"), "{printed}");
    }

    #[test]
    fn steps_show_what_was_done_and_what_mends() {
        let found = score(&[evidence(Control::IdentityTokens, false)]);
        let printed =
            text(&found, catalogue().unwrap(), &Scope::default(), Detail::Steps, |evidence| evidence.control == Control::IdentityTokens);
        assert!(printed.contains("  no  asked\n        expected 401\n        found    200\n  next  Run `bastide token list`"), "{printed}");
        assert!(!printed.contains("audit.calls"));
    }
}
