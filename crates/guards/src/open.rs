//! Arguments of a tool that may hold any text.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How deep a schema is looked into; what lies deeper counts as open.
const DEEPEST: usize = 16;
/// How many subschemas are looked at; what is beyond counts as open.
const MOST: usize = 2_000;

/// The arguments of a tool that may hold any text, by its schema and without those that the operator bounds or marks as free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenText {
    names: BTreeSet<String>,
    declared: BTreeSet<String>,
    /// Arguments that are known to the operator.
    known: BTreeSet<String>,
    more: bool,
}

impl OpenText {
    /// Of a tool with this schema, of which the operator speaks of the arguments `known`.
    pub fn new<'a>(schema: Option<&Value>, known: impl Iterator<Item = &'a str>) -> Self {
        let known: BTreeSet<String> = known.map(str::to_owned).collect();
        let Some(schema) = schema else { return Self { known, more: true, ..Self::default() } };
        let properties = schema.get("properties").and_then(Value::as_object);
        let declared: BTreeSet<String> = properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let mut look = Look { root: schema, left: MOST };
        let names = properties.into_iter().flatten().filter(|(name, one)| !known.contains(*name) && look.is_open(one, 0));
        let names = names.map(|(name, _)| name.clone()).collect();
        let more = schema.get("additionalProperties").is_none_or(|more| look.is_open(more, 0))
            && schema.get("unevaluatedProperties").is_none_or(|more| look.is_open(more, 0));
        Self { names, declared, known, more }
    }

    /// The declared arguments that are open.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The first argument of a call that is open and holds a text; `?` for one that is not declared.
    pub fn first<'a>(&'a self, arguments: &Map<String, Value>) -> Option<&'a str> {
        if self.names.is_empty() && !self.more {
            return None;
        }
        arguments.iter().filter(|(_, value)| holds_text(value)).find_map(|(name, _)| match self.names.get(name) {
            Some(name) => Some(name.as_str()),
            None if self.more && !self.declared.contains(name) && !self.known.contains(name) => Some("?"),
            None => None,
        })
    }
}

fn holds_text(value: &Value) -> bool {
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        match value {
            Value::String(_) => return true,
            Value::Array(items) => todo.extend(items),
            Value::Object(members) if !members.is_empty() => return true,
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    false
}

struct Look<'a> {
    root: &'a Value,
    left: usize,
}

impl Look<'_> {
    /// Whether a value of this schema may hold any text. Where that cannot be told, it may.
    fn is_open(&mut self, schema: &Value, depth: usize) -> bool {
        const BOUNDS: [&str; 5] = ["enum", "const", "pattern", "format", "maxLength"];
        if self.left == 0 || depth > DEEPEST {
            return true;
        }
        self.left -= 1;
        let members = match schema {
            Value::Bool(any) => return *any,
            Value::Object(members) => members,
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => return true,
        };
        if BOUNDS.iter().any(|bound| members.contains_key(*bound)) {
            return false;
        }
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)).cloned();
            return target.is_none_or(|target| self.is_open(&target, depth + 1));
        }
        for (word, all) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
            if let Some(Value::Array(branches)) = members.get(word) {
                let mut open = branches.iter().map(|branch| self.is_open(branch, depth + 1));
                let open = if all { open.all(|open| open) } else { open.any(|open| open) };
                return open;
            }
        }
        let kinds: Vec<&str> = match members.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
            Some(_) | None => return true,
        };
        kinds.into_iter().any(|kind| match kind {
            "integer" | "number" | "boolean" | "null" => false,
            "array" => {
                let first =
                    members.get("prefixItems").and_then(Value::as_array).into_iter().flatten().any(|item| self.is_open(item, depth + 1));
                first || members.get("items").is_none_or(|items| self.is_open(items, depth + 1))
            }
            "object" => {
                let properties = members.get("properties").and_then(Value::as_object);
                let inner = properties.into_iter().flatten().any(|(_, one)| self.is_open(one, depth + 1));
                inner || members.get("additionalProperties").is_none_or(|more| self.is_open(more, depth + 1))
            }
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nothing_bounds_is_open() {
        let schema = json!({"type": "object", "additionalProperties": false, "$defs": {"loop": {"$ref": "#/$defs/loop"}, "short": {"type": "string", "maxLength": 9}}, "properties": {
            "plain": {"type": "string"}, "any": {}, "anything": true, "optional": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"type": "string"}}, "bag": {"type": "object"}, "round": {"$ref": "#/$defs/loop"},
            "deep": {"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}}},
            "short": {"$ref": "#/$defs/short"}, "one": {"enum": ["a"]}, "number": {"type": ["integer", "null"]}, "known": {"type": "string"},
            "numbers": {"type": "array", "items": {"type": "number"}}, "closed": {"type": "object", "additionalProperties": false},
            "both": {"allOf": [{"type": "string"}, {"maxLength": 3}]}, "none": false}});
        let open = OpenText::new(Some(&schema), ["known"].into_iter());
        assert_eq!(open.names().collect::<Vec<_>>(), ["any", "anything", "bag", "deep", "list", "optional", "plain", "round"]);
        let first = |arguments: Value| open.first(arguments.as_object().unwrap()).map(str::to_owned);
        assert_eq!(first(json!({"plain": "x"})).as_deref(), Some("plain"));
        assert_eq!(first(json!({"any": 7, "list": [1]})), None);
        assert_eq!(first(json!({"list": [[{"a": 1}]]})).as_deref(), Some("list"));
        assert_eq!(first(json!({"short": "x", "one": "a", "known": "y", "more": "z"})), None, "the schema takes no more");
        let loose = OpenText::new(Some(&json!({"type": "object"})), ["known"].into_iter());
        assert_eq!(loose.first(json!({"more": "z"}).as_object().unwrap()), Some("?"));
        assert_eq!(loose.first(json!({"known": "z", "n": 1}).as_object().unwrap()), None);
        assert_eq!(OpenText::new(None, std::iter::empty()).first(json!({"a": "b"}).as_object().unwrap()), Some("?"));
    }
}
