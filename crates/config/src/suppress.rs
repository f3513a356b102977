//! Findings that are let pass somewhere: which of these entries count.

use crate::file::{File, Pattern};
use crate::problem::{Fault, Problem, nearest};
use crate::risk::end_of;
use crate::tree::Node;
use std::collections::BTreeSet;
use terms::{ServerName, Utc};

/// Patterns and lists of words of an operator's, and words of one list.
const PATTERNS: usize = 64;
const WORDS: usize = 1_000;
/// Characters of a word or a name.
const LONGEST: usize = 100;

/// A finding that is let pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppressed {
    /// Its kind.
    pub kind: String,
    /// Where it comes from.
    pub server: ServerName,
    /// By which tools; none: whatever it is.
    pub tool: Option<policy::Glob>,
    /// From this moment on it does not count any more; to be looked at for each call.
    pub ends: Utc,
}

/// Checks the patterns of the operator, and sorts the suppressions: those that count are returned, ended ones are warned of.
pub(crate) fn check(file: &File, root: &Node, now: Utc, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Vec<Suppressed> {
    patterns(&file.inspect.pii.custom, root, problems);
    let mut counted = Vec::new();
    for (at, entry) in file.inspect.suppress.iter().enumerate() {
        let number = at.to_string();
        let note = |key: &str, fault, message: String, nearest| Problem {
            place: root.place_of(&["inspect", "suppress", &number, key]),
            key: format!("inspect.suppress[{at}].{key}"),
            fault,
            message,
            nearest,
        };
        if entry.reason.trim().is_empty() {
            problems.push(note("reason", Fault::Value, "a suppression needs a reason".into(), None));
        }
        if !file.servers.contains_key(&entry.server) {
            let near = nearest(entry.server.as_str(), file.servers.keys().map(ServerName::as_str));
            problems.push(note("server", Fault::Misfit, format!("there is no server {:?}", entry.server.as_str()), near));
        }
        let Some(ends) = end_of(entry.until) else {
            problems.push(note("until", Fault::Value, "the date is outside what can be counted".into(), None));
            continue;
        };
        if now >= ends {
            let message = format!("the suppression of {} at {} ended on {}; it does not count", entry.kind, entry.server, entry.until);
            warnings.push(note("until", Fault::Warning, message, None));
        } else {
            counted.push(Suppressed { kind: entry.kind.clone(), server: entry.server.clone(), tool: entry.tool.clone(), ends });
        }
    }
    counted
}

fn patterns(all: &[Pattern], root: &Node, problems: &mut Vec<Problem>) {
    let mut names = BTreeSet::new();
    for (at, one) in all.iter().enumerate() {
        let number = at.to_string();
        let mut wrong = |key: &str, message: String| {
            let place = root.place_of(&["inspect", "pii", "custom", &number, key]);
            let key = format!("inspect.pii.custom[{at}].{key}");
            problems.push(Problem { place, key, fault: Fault::Value, message, nearest: None });
        };
        let plain = one.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !plain || one.name.is_empty() || one.name.len() > 32 || !names.insert(one.name.as_str()) {
            wrong("name", "a name has 1 to 32 small letters, digits and hyphens, and stands for one pattern".into());
        }
        if at >= PATTERNS {
            wrong("name", format!("there are at most {PATTERNS} patterns"));
        }
        match (&one.pattern, one.words.as_slice()) {
            (Some(pattern), []) => {
                if let Err(cause) = detect::check_pattern(&one.name, pattern) {
                    wrong("pattern", cause.to_string());
                }
            }
            (None, words) if !words.is_empty() => {
                let long = |word: &String| word.trim().len() < 2 || word.chars().count() > LONGEST;
                if words.len() > WORDS || words.iter().any(long) {
                    wrong("words", format!("there are at most {WORDS} words, of 2 to {LONGEST} characters"));
                }
            }
            _ => wrong("name", "a pattern needs either `pattern` or `words`".into()),
        }
    }
}
