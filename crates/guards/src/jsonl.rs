//! The guards on standard input: one JSON request a line, one JSON answer a line.

use crate::guard::{Guard, GuardKind, Words};
use crate::path::Lexical;
use crate::{Refused, url};
use serde_json::{Map, Value, json};

/// Between the hops of a redirect, or the targets of links, that were found out of a value.
const HOP: &str = " -> ";

/// Answers one request: `{id, guard, policy, value}` gives `{id, decisions: [allow | block], normal | reason}`.
///
/// No file system and no name service is asked. A value with ` -> ` holds the hops of a redirect (http) or the targets of links (files), each of which
/// must be allowed. What cannot be judged is blocked.
pub fn answer(request: &Value) -> String {
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let block = |reason: String| json!({ "id": id, "decisions": ["block"], "reason": reason }).to_string();
    let named = request.get("guard").and_then(Value::as_str);
    let Some(kind) = named.and_then(|name| GuardKind::ALL.into_iter().find(|kind| kind.as_str() == name)) else {
        return block("there is no such guard".to_owned());
    };
    let words = match request.get("policy") {
        Some(Value::Object(members)) => words(members),
        _ => Err("the request has no policy".to_owned()),
    };
    let guard = words.and_then(|words| Guard::new(kind, &words).map_err(|error| error.to_string()));
    match guard.map(|guard| judge(&guard, request.get("value").unwrap_or(&Value::Null))) {
        Ok(Ok(normal)) => json!({ "id": id, "decisions": ["allow"], "normal": normal }).to_string(),
        Ok(Err(refused)) => block(refused.to_string()),
        Err(error) => block(error),
    }
}

fn judge(guard: &Guard, value: &Value) -> Result<Vec<String>, Refused> {
    match (guard, value.as_str()) {
        (Guard::Files(policy), Some(text)) if text.contains(HOP) => policy.judge_chain(text.split(HOP)).map(|judged| vec![judged.normal]),
        (Guard::Http(policy), Some(text)) if text.contains(HOP) => chain(policy, text).map(|judged| vec![judged]),
        _ => guard.judge(value, &Lexical).map(|judged| judged.into_iter().map(|judged| judged.normal).collect()),
    }
}

fn chain(policy: &url::Policy, text: &str) -> Result<String, Refused> {
    policy.judge_chain(text.split(HOP)).map(|judged| judged.normal)
}

/// The words of a policy; unknown ones, and values of another type, are refused by name.
fn words(members: &Map<String, Value>) -> Result<Words, String> {
    let mut words = Words::default();
    for (key, value) in members {
        let wrong = || format!("the policy's `{key}` is of another type");
        let list = || {
            let items = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
            items.map(Some).ok_or_else(wrong)
        };
        let flag = || value.as_bool().map(Some).ok_or_else(wrong);
        let text = || value.as_str().map(|text| Some(text.to_owned())).ok_or_else(wrong);
        match key.as_str() {
            "roots" => words.roots = list()?,
            "write" => words.write = flag()?,
            "follow_symlinks_outside" => words.follow_symlinks_outside = flag()?,
            "schemes" => words.schemes = list()?,
            "allow_hosts" => words.allow_hosts = list()?,
            "deny_private" => words.deny_private = flag()?,
            "dialect" => words.dialect = text()?,
            "mode" => words.mode = text()?,
            "tables" => words.tables = list()?,
            "single_statement" => words.single_statement = flag()?,
            "functions" => words.functions = list()?,
            "rows" => words.rows = Some(value.as_u64().ok_or_else(wrong)?),
            "literals" => words.literals = text()?,
            "allowed" => words.allowed = list()?,
            "shell_metacharacters" => words.shell_metacharacters = text()?,
            "inline_code" => words.inline_code = text()?,
            "env_prefix" => words.env_prefix = text()?,
            "exec_options" => words.exec_options = text()?,
            "paths_outside_cwd" => words.paths_outside_cwd = text()?,
            "cwd" => words.cwd = text()?,
            _ => return Err(format!("the policy's `{key}` is not known")),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(request: Value) -> String {
        let answer: Value = serde_json::from_str(&answer(&request)).unwrap();
        answer["decisions"][0].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_cannot_be_judged_is_blocked() {
        let files = json!({"roots": ["/srv"]});
        assert_eq!(decide(json!({"guard": "files", "policy": files, "value": "a"})), "allow");
        for request in [
            json!({}),
            json!({"guard": "files", "value": "a"}),
            json!({"guard": "other", "policy": files, "value": "a"}),
            json!({"guard": "files", "policy": {"roots": "/srv"}, "value": "a"}),
            json!({"guard": "files", "policy": {"roots": ["/srv"], "more": 1}, "value": "a"}),
            json!({"guard": "files", "policy": files}),
            json!({"guard": "files", "policy": files, "value": "a -> ../../x"}),
        ] {
            assert_eq!(decide(request.clone()), "block", "{request}");
        }
    }
}
