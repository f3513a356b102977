//! Tools and arguments that a policy names and nobody offers: behind `has` Cedar takes them for what is not there, and the policy never applies.

use crate::place::nearest;
use crate::{CedarSource, Parameter, Problem, Rule};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tools by their name in `context.arguments`.
type Tools = BTreeMap<String, Vec<Parameter>>;

/// What is named under `context.arguments` in `policy` (Cedar's JSON form of `rule`, a policy of `source`) and is not in `tools`. Of tools whose name
/// begins with one of `unseen` nothing is known yet.
pub(crate) fn misnamed(policy: &Value, tools: &Tools, unseen: &[String], rule: &Rule, source: Option<&CedarSource>) -> Vec<Problem> {
    let mut named = Vec::new();
    collect(policy, &mut named);
    named.sort_unstable();
    named.dedup();
    let known = |tool: &str| unseen.iter().any(|start| tool.starts_with(start));
    let mut problems = Vec::new();
    for (tool, argument) in named.into_iter().filter(|(tool, _)| !known(tool)) {
        let (name, message, near) = match (tools.get(tool), argument) {
            (None, None) => (tool, format!("no tool {tool} is approved"), nearest(tool, tools.keys().map(String::as_str))),
            (Some(parameters), Some(argument)) if parameters.iter().all(|one| one.name != argument) => {
                let near = nearest(argument, parameters.iter().map(|one| one.name.as_str()));
                (argument, format!("{tool} has no argument {argument} that a policy can speak of"), near)
            }
            (None, Some(_)) | (Some(_), _) => continue,
        };
        let found = source.and_then(|source| Some((source, source.text.find(&*rule.text)? + rule.text.find(&format!(".{name}"))? + 1)));
        let problem = match found {
            Some((source, at)) => Problem::in_text(&rule.place.file, &source.text, at, name.len(), message),
            None => Problem::new(&rule.place, message),
        };
        problems.push(problem.near(near));
    }
    problems
}

/// The names below `context.arguments`: tools, and tools with an argument.
fn collect<'a>(expression: &'a Value, named: &mut Vec<(&'a str, Option<&'a str>)>) {
    match expression {
        Value::Object(members) => {
            for (key, value) in members {
                if matches!(key.as_str(), "." | "has") {
                    let path = value.get("left").and_then(path).map(|left| [left, names(value)].concat());
                    match path.as_deref() {
                        Some(["arguments", tool]) => named.push((tool, None)),
                        Some(["arguments", tool, argument, ..]) => named.extend([(*tool, None), (*tool, Some(*argument))]),
                        Some(_) | None => {}
                    }
                }
                collect(value, named);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The attributes that lead from the context to `expression`; none where it is no such thing.
fn path(expression: &Value) -> Option<Vec<&str>> {
    if expression.get("Var").and_then(Value::as_str) == Some("context") {
        return Some(Vec::new());
    }
    let access = expression.get(".")?;
    Some([path(access.get("left")?)?, names(access)].concat())
}

/// What an access names: one attribute, or with `has` several behind each other.
pub(crate) fn names(access: &Value) -> Vec<&str> {
    match access.get("attr") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}
