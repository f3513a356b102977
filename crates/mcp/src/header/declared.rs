//! Headers that a tool asks for in its input schema: `x-mcp-header`.

use super::{PARAM, Received, decode, encode};
use crate::document::{Kind, Node};
use crate::schema::{Holds, holds};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The keyword of an input schema that names a header.
pub const DECLARATION: &str = "x-mcp-header";

/// Why a tool's declarations cannot be honoured, so that the tool is not offered over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Misuse {
    /// The name is no string of the letters that a header's name has (RFC 9110 §5.6.2).
    #[error("a header's name has letters that no header has")]
    Name,
    /// Two arguments ask for the same header.
    #[error("two arguments ask for the same header")]
    Doubled,
    /// The argument is no string, integer or boolean.
    #[error("a header is asked for an argument that is no string, integer or boolean")]
    Type,
    /// The argument is not reached from the outermost schema through `properties` alone.
    #[error("a header is asked for where no argument is certain to be")]
    Place,
}

/// An argument that a tool wants repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    header: String,
    path: Vec<String>,
}

/// Reads the headers that an input schema asks for.
///
/// # Errors
/// The first [`Misuse`]; the tool is then not offered over HTTP. The depth is that of the schema, which the parser has bounded.
pub fn declared(schema: &Value) -> Result<Vec<Declared>, Misuse> {
    let mut found = Vec::new();
    visit(schema, Some(&mut Vec::new()), &mut found)?;
    let mut names = BTreeSet::new();
    if found.iter().all(|declared| names.insert(declared.header.as_str())) { Ok(found) } else { Err(Misuse::Doubled) }
}

/// `path` is none where `properties` alone do not lead.
fn visit(schema: &Value, mut path: Option<&mut Vec<String>>, found: &mut Vec<Declared>) -> Result<(), Misuse> {
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(name) = members.get(DECLARATION) {
        let path = path.as_deref().filter(|path| !path.is_empty()).ok_or(Misuse::Place)?;
        found.push(read(name, members, path)?);
    }
    for (keyword, value) in members {
        match (holds(keyword), value) {
            (Holds::Properties, Value::Object(named)) => {
                for (name, schema) in named {
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.clone());
                        visit(schema, Some(path), found)?;
                        path.pop();
                    } else {
                        visit(schema, None, found)?;
                    }
                }
            }
            (Holds::Named, Value::Object(named)) => named.values().try_for_each(|schema| visit(schema, None, found))?,
            (Holds::Schemas, Value::Array(schemas)) => schemas.iter().try_for_each(|schema| visit(schema, None, found))?,
            (Holds::Schemas, schema) => visit(schema, None, found)?,
            (Holds::Properties | Holds::Named | Holds::Data, _) => {}
        }
    }
    Ok(())
}

fn read(name: &Value, schema: &Map<String, Value>, path: &[String]) -> Result<Declared, Misuse> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = name.as_str().filter(|name| !name.is_empty() && name.bytes().all(letter)).ok_or(Misuse::Name)?;
    match schema.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => {
            Ok(Declared { header: format!("{PARAM}{}", name.to_ascii_lowercase()), path: path.to_vec() })
        }
        _ => Err(Misuse::Type),
    }
}

impl Declared {
    /// The name of the header, in lower case.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The value of the header for these arguments; none if there is no such argument, it is `null`, or it is nothing that a header can say.
    pub fn value(&self, arguments: Option<Node<'_>>) -> Option<String> {
        let argument = self.argument(arguments)?;
        said(argument).map(|text| encode(&text).into_owned())
    }

    /// Whether what came agrees with the arguments: nothing for nothing, the same text, the same number however it is spelled.
    pub fn agrees(&self, arguments: Option<Node<'_>>, received: Received<'_>) -> bool {
        let argument = self.argument(arguments).and_then(|argument| Some((argument, said(argument)?)));
        match (argument, received) {
            (None, Received::Absent) => true,
            (Some((argument, text)), Received::Once(value)) => match decode(value) {
                Some(value) if argument.kind() == Kind::Number => argument.is_number(&value),
                Some(value) => value == text,
                None => false,
            },
            (None, Received::Once(_)) | (Some(_), Received::Absent) | (_, Received::Repeated) => false,
        }
    }

    fn argument<'a>(&self, arguments: Option<Node<'a>>) -> Option<Node<'a>> {
        self.path.iter().try_fold(arguments?, |node, step| node.get(step))
    }
}

/// What a header says of an argument.
fn said(argument: Node<'_>) -> Option<Cow<'_, str>> {
    match argument.kind() {
        Kind::Text => argument.text(),
        Kind::Number => argument.number().map(Cow::Borrowed),
        Kind::Bool => argument.truth().map(|truth| Cow::Borrowed(if truth { "true" } else { "false" })),
        Kind::Null | Kind::Array | Kind::Object | Kind::Key => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Document};
    use serde_json::json;

    fn document(source: &str) -> Document {
        Document::parse(source.to_owned().into(), &Bounds::default()).unwrap()
    }

    #[test]
    fn declarations_are_found_where_they_may_be() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "at": {"type": "object", "properties": {"x-mcp-header": {"type": "integer", "x-mcp-header": "Row"}}},
            "plain": {"type": "string", "default": {"x-mcp-header": 1}, "enum": [{"x-mcp-header": 2}]},
        }});
        let declared = declared(&schema).unwrap();
        let mut names: Vec<_> = declared.iter().map(Declared::header).collect();
        names.sort_unstable();
        assert_eq!(names, ["mcp-param-region", "mcp-param-row"]);
    }

    #[test]
    fn misuse_is_told() {
        let property = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
        for (want, schema) in [
            (Misuse::Name, property(json!({"type": "string", "x-mcp-header": ""}))),
            (Misuse::Name, property(json!({"type": "string", "x-mcp-header": "a b"}))),
            (Misuse::Name, property(json!({"type": "string", "x-mcp-header": 7}))),
            (Misuse::Type, property(json!({"type": "number", "x-mcp-header": "a"}))),
            (Misuse::Type, property(json!({"type": ["string", "null"], "x-mcp-header": "a"}))),
            (Misuse::Type, property(json!({"x-mcp-header": "a"}))),
            (Misuse::Place, json!({"type": "object", "x-mcp-header": "a"})),
            (Misuse::Place, property(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "a"}}))),
            (Misuse::Place, property(json!({"anyOf": [{"type": "string", "x-mcp-header": "a"}]}))),
            (Misuse::Place, json!({"type": "object", "$defs": {"a": {"properties": {"b": {"type": "string", "x-mcp-header": "a"}}}}})),
            (
                Misuse::Doubled,
                json!({"properties": {"a": {"type": "string", "x-mcp-header": "H"}, "b": {"type": "string", "x-mcp-header": "h"}}}),
            ),
        ] {
            assert_eq!(declared(&schema), Err(want), "{schema}");
        }
    }

    #[test]
    fn headers_agree_with_arguments() {
        let one = |path: &[&str]| Declared { header: "mcp-param-a".into(), path: path.iter().map(|step| (*step).to_owned()).collect() };
        let arguments = document(r#"{"s":"é","n":42,"b":true,"z":null,"o":{"n":9007199254740993}}"#);
        let root = Some(arguments.root());
        assert_eq!(one(&["s"]).value(root).as_deref(), Some("=?base64?w6k=?="));
        assert_eq!(one(&["n"]).value(root).as_deref(), Some("42"));
        assert_eq!(one(&["b"]).value(root).as_deref(), Some("true"));
        for absent in [&["z"][..], &["o"], &["x"], &["s", "x"]] {
            assert_eq!(one(absent).value(root), None);
            assert!(one(absent).agrees(root, Received::Absent) && !one(absent).agrees(root, Received::Once(b"")));
        }
        assert!(one(&["s"]).agrees(None, Received::Absent));
        for (path, value, agrees) in [
            (&["n"][..], "42", true),
            (&["n"], "42.0", true),
            (&["n"], "4.2e1", true),
            (&["n"], "042", false),
            (&["n"], "+42", false),
            (&["n"], "", false),
            (&["n"], "-42", false),
            (&["o", "n"], "9007199254740993", true),
            (&["o", "n"], "9007199254740992", false),
            (&["b"], "true", true),
            (&["b"], "True", false),
            (&["s"], "=?base64?w6k=?=", true),
            (&["s"], "=?base64?w6k?=", false),
        ] {
            assert_eq!(one(path).agrees(root, Received::Once(value.as_bytes())), agrees, "{value}");
        }
        assert!(!one(&["n"]).agrees(root, Received::Absent) && !one(&["n"]).agrees(root, Received::Repeated));
    }
}
