//! A tool that does several kinds of things, as one tool for each of them.

use super::Unfit;
use crate::file::{File, PartName, Portion, Split, ToolKey};
use gateway::snapshot::Item;
use guards::operation::{By, Kinds, Part};
use guards::schema::{Compiled, SchemaBounds};
use serde_json::{Map, Value, json};
use supply::{Kind, Pin, ServerPin};
use terms::{Operation, ServerName};

/// The tool that `make` makes of `one`, or its parts in its place.
///
/// # Errors
/// What `make` says.
pub(super) fn of(
    file: &File,
    server: &ServerName,
    pin: &ServerPin,
    one: &Pin,
    make: impl Fn() -> Result<Item, Unfit>,
) -> Result<Vec<Item>, Unfit> {
    let rule = file.tools.get(&ToolKey { server: server.clone(), tool: one.name.clone() });
    let Some((rule, split)) = rule.and_then(|rule| Some((rule, rule.split.as_ref()?))) else { return Ok(vec![make()?]) };
    let mut parts = Vec::new();
    for (end, portion) in split.portions(rule) {
        let name = format!("{}.{end}", one.name);
        // A tool of the server's own that has this name, or one like it, is not taken for ours, and ours not for it: then there is no such part.
        if pin.of(Kind::Tool).iter().any(|other| supply::fold(&other.name) == supply::fold(&name)) {
            continue;
        }
        let mut item = make()?;
        fit(&mut item.definition, &name, &end, split, &portion);
        // What is listed is what is checked.
        item.input = item
            .definition
            .get("inputSchema")
            .map(|schema| Compiled::new(schema, &SchemaBounds::default()).map_err(|cause| cause.to_string()));
        item.shown = supply::shown_as(server, &name);
        item.name = name;
        item.operation = Some(portion.operation);
        let by = portion.values.map_or(By::Guard, By::Values);
        item.kinds = Kinds::of_part(portion.operation, Part { tool: one.name.clone(), argument: split.by.clone(), by });
        parts.push(item);
    }
    Ok(parts)
}

/// The definition as it fits the part: its name, what it is for, the values that its argument may have, what its annotations must say.
fn fit(definition: &mut Map<String, Value>, name: &str, end: &PartName, split: &Split, portion: &Portion) {
    definition.insert("name".to_owned(), json!(name));
    let what = match portion.operation {
        Operation::Read => "read",
        Operation::Write => "add or change something",
        Operation::Delete => "remove something",
    };
    let about = definition.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\nOnly for calls that {what}, as `{}` says.", split.by);
    definition.insert("description".to_owned(), json!(about.trim()));
    if let Some(Value::String(title)) = definition.get_mut("title") {
        title.push_str(&format!(" ({end})"));
    }
    let annotations = definition.entry("annotations").or_insert_with(|| json!({}));
    if let Value::Object(annotations) = annotations {
        if let Some(Value::String(title)) = annotations.get_mut("title") {
            title.push_str(&format!(" ({end})"));
        }
        annotations.insert("readOnlyHint".to_owned(), json!(portion.operation == Operation::Read));
        annotations.insert("destructiveHint".to_owned(), json!(portion.operation == Operation::Delete));
    }
    let Some(Value::Object(schema)) = definition.get_mut("inputSchema") else { return };
    if let Some(values) = &portion.values
        && let Some(Value::Object(argument)) = schema.get_mut("properties").and_then(|properties| properties.get_mut(&split.by))
    {
        argument.insert("enum".to_owned(), json!(values));
        argument.retain(|key, _| !matches!(key.as_str(), "const" | "default"));
    }
    // Without the argument nothing tells.
    match schema.entry("required").or_insert_with(|| json!([])) {
        Value::Array(required) if !required.iter().any(|one| one.as_str() == Some(&split.by)) => required.push(json!(split.by)),
        _ => {}
    }
}
