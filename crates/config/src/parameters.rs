//! What the arguments of approved tools are, for the policies that speak of them.

use policy::{Parameter, ParameterKind, Presence, Tools};
use serde_json::{Map, Value};
use supply::{Kind, Lock, Pin};

/// The tools of `lock` with the arguments that a Cedar policy can speak of. A server that is approved is there, whatever it offers.
pub fn parameters(lock: &Lock) -> Tools {
    let of = |pin: &Pin| {
        let definition: Value = serde_json::from_str(pin.definition.as_str()).unwrap_or_default();
        (pin.name.clone(), definition.get("inputSchema").map(arguments).unwrap_or_default())
    };
    let tools = |pin: &supply::ServerPin| pin.of(Kind::Tool).iter().filter(|one| one.aside.is_none()).map(of).collect();
    lock.servers.iter().map(|(server, pin)| (server.clone(), tools(pin))).collect()
}

/// The arguments at the top level of a schema whose values have one of the types that policies know.
fn arguments(schema: &Value) -> Vec<Parameter> {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let one = |(name, schema): (&String, &Value)| {
        let (kind, nullable) = kind(schema.as_object()?)?;
        let presence = if required.iter().any(|one| one == name) && !nullable { Presence::Required } else { Presence::Optional };
        Some(Parameter { name: name.clone(), kind, presence })
    };
    properties.into_iter().flatten().filter_map(one).collect()
}

/// The type of a value, and whether it may be `null`. Where a schema leaves more than one open, there is none.
fn kind(schema: &Map<String, Value>) -> Option<(ParameterKind, bool)> {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        None if schema.get("enum").and_then(Value::as_array).is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string)) => {
            vec!["string"]
        }
        Some(_) | None => return None,
    };
    let nullable = names.contains(&"null");
    let mut others = names.into_iter().filter(|name| *name != "null");
    let (Some(name), None) = (others.next(), others.next()) else { return None };
    let item = || schema.get("items").and_then(|items| items.get("type")).and_then(Value::as_str);
    let kind = match name {
        "string" => ParameterKind::Text,
        "integer" => ParameterKind::Whole,
        "number" => ParameterKind::Number,
        "boolean" => ParameterKind::Truth,
        "array" if item() == Some("string") => ParameterKind::Texts,
        "array" if item() == Some("integer") => ParameterKind::Wholes,
        _ => return None,
    };
    Some((kind, nullable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_come_from_the_schema() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"}, "count": {"type": ["integer", "null"]}, "mode": {"enum": ["a", "b"]}, "share": {"type": "number"},
                "deep": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}, "any": {}, "both": {"type": ["string", "integer"]},
                "inner": {"type": "object"}, "rows": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["path", "count"],
        });
        let found: Vec<_> = arguments(&schema).into_iter().map(|one| (one.name, one.kind, one.presence)).collect();
        let one = |name: &str, kind, presence| (name.to_owned(), kind, presence);
        let expected = [
            one("path", ParameterKind::Text, Presence::Required),
            one("count", ParameterKind::Whole, Presence::Optional),
            one("mode", ParameterKind::Text, Presence::Optional),
            one("share", ParameterKind::Number, Presence::Optional),
            one("deep", ParameterKind::Truth, Presence::Optional),
            one("tags", ParameterKind::Texts, Presence::Optional),
        ];
        assert_eq!(found.len(), expected.len());
        assert!(expected.iter().all(|one| found.contains(one)), "{found:?}");
    }
}
