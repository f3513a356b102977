//! Policies asked before everything is known: of lists there are no arguments yet, of a comparison of rules no circumstances.
//!
//! A test that reads what is unknown is replaced by what it may come to: in a permit by what lets through, in a forbid by what does not forbid. So a
//! permit holds wherever the policy could, a forbid only where it must, and what is shown is what could be allowed.

use crate::misnamed;
use cedar_policy::{Effect, Policy};
use serde_json::{Value, json};

/// Whether what stands in `expression` (Cedar's JSON form) reads one of `names` of the context, or the context as a whole.
pub(crate) fn reads(expression: &Value, names: &[&str]) -> bool {
    match expression {
        Value::Object(members) => members.iter().any(|(key, value)| match (key.as_str(), value) {
            ("." | "has", Value::Object(_)) => access_reads(value, names),
            ("Var", Value::String(name)) => name == "context",
            _ => reads(value, names),
        }),
        Value::Array(items) => items.iter().any(|item| reads(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn access_reads(access: &Value, names: &[&str]) -> bool {
    let attributes = misnamed::names(access);
    let Some(left) = access.get("left").filter(|_| !attributes.is_empty()) else { return true };
    attributes.iter().any(|one| names.contains(one)) || (left.get("Var").is_none() && reads(left, names))
}

/// `policy` for facts of which `names` are unknown; none where it has no such form.
pub(crate) fn without(policy: &Policy, names: &[&str]) -> Option<Policy> {
    let mut json = policy.to_json().ok()?;
    let bound = match policy.effect() {
        Effect::Permit => Bound::Could,
        Effect::Forbid => Bound::Must,
    };
    for condition in json.get_mut("conditions")?.as_array_mut()? {
        let bound = match condition.get("kind").and_then(Value::as_str)? {
            "when" => bound,
            "unless" => bound.flipped(),
            _ => return None,
        };
        let body = condition.get_mut("body")?;
        *body = bounded(body, bound, names);
    }
    Policy::from_json(Some(policy.id().clone()), json).ok()
}

/// Which side of what an expression may come to.
#[derive(Clone, Copy)]
enum Bound {
    /// True where it could be.
    Could,
    /// True only where it must be.
    Must,
}

impl Bound {
    const fn flipped(self) -> Self {
        match self {
            Self::Could => Self::Must,
            Self::Must => Self::Could,
        }
    }
}

fn bounded(expression: &Value, bound: Bound, names: &[&str]) -> Value {
    if !reads(expression, names) {
        return expression.clone();
    }
    let side = |key: &str, side: &str| expression.get(key).and_then(|both| both.get(side));
    for key in ["&&", "||"] {
        if let (Some(left), Some(right)) = (side(key, "left"), side(key, "right")) {
            return json!({ key: { "left": bounded(left, bound, names), "right": bounded(right, bound, names) } });
        }
    }
    if let Some(negated) = side("!", "arg") {
        return json!({ "!": { "arg": bounded(negated, bound.flipped(), names) } });
    }
    json!({ "Value": matches!(bound, Bound::Could) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(effect: &str, condition: &str) -> String {
        let policy: Policy = format!("{effect} (principal, action, resource) {condition};").parse().unwrap();
        without(&policy, &["arguments"]).unwrap().to_string()
    }

    #[test]
    fn a_permit_holds_where_it_could_and_a_forbid_where_it_must() {
        let some = "context.user == \"ana\" && context has arguments.t.x && !(context.arguments.t.x == 5)";
        assert!(
            over("permit", &format!("when {{ {some} }}")).contains("true && (!false)"),
            "{}",
            over("permit", &format!("when {{ {some} }}"))
        );
        assert!(over("forbid", &format!("when {{ {some} }}")).contains("false"));
        assert!(over("forbid", &format!("unless {{ {some} }}")).contains("true"));
        assert!(!over("permit", &format!("when {{ {some} }}")).contains("arguments"));
        let whole = over("permit", "when { if context.arguments.t.x == 5 then context.user == \"b\" else false }");
        assert!(whole.contains("true") && !whole.contains("user"), "{whole}");
        assert!(over("permit", "when { {a: context}.a has user }").contains("true"), "the context as a whole");
    }
}
