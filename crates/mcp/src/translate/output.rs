//! A tool's structured content for clients whose revision knows objects alone: what is none stands under one key, in the schema and in the result.

use crate::document::{Edits, Node};
use crate::json::{self, Object};
use crate::schema;
use serde_json::Value;

/// The key under which it stands.
pub(super) const KEY: &str = "result";

/// How the structured content of a tool is listed to a client of a legacy revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Output {
    /// As its server lists it, or not at all: content that is no object is enclosed nevertheless.
    #[default]
    Plain,
    /// As an object with the one member `result`: so must be the content, whatever it is.
    Enclosed,
}

impl Output {
    /// How [`super::Legs::definition`] lists this schema of output.
    pub fn of(schema: Option<&Value>) -> Self {
        match schema {
            Some(schema) if schema.get("type").and_then(Value::as_str) != Some("object") => Self::Enclosed,
            Some(_) | None => Self::Plain,
        }
    }
}

/// Notes the schema as that of the one member of an object, unless it is one of an object already.
///
/// References from its root follow it to its new place, unless it has a name of its own (`$id`), from which they go on counting.
pub(super) fn enclose(schema: Node<'_>, edits: &mut Edits) {
    if schema.get("type").is_some_and(|kind| kind.is_text("object")) {
        return;
    }
    let mut dialect = None;
    if schema.get("$id").is_none() {
        schema::each(schema, &mut |inner| {
            if inner.get("$id").is_some() {
                return false;
            }
            for reference in ["$ref", "$dynamicRef"].into_iter().filter_map(|keyword| inner.get(keyword)) {
                if let Some(text) = reference.text()
                    && (text == "#" || text.starts_with("#/"))
                {
                    edits.set_text(reference.index(), format!("#/properties/{KEY}{}", text.trim_start_matches('#')));
                }
            }
            true
        });
        dialect = schema.get("$schema");
    }
    if let Some(dialect) = dialect {
        edits.remove(dialect.index());
    }
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    if let Some(dialect) = dialect.and_then(Node::text) {
        json::write_str(object.key("$schema"), &dialect);
    }
    object.text("type", "object");
    let mut properties = Object::open(object.key("properties"));
    schema.print(edits, properties.key(KEY));
    properties.close();
    object.raw("required", b"[\"result\"]");
    object.close();
    edits.replace(schema.index(), out);
}
