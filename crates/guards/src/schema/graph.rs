//! Which subschema looks at which value: at the same one, or at a part of it.

use super::SchemaBounds;
use crate::Error;
use serde_json::Value;
use std::collections::HashMap;

/// The part of a value that a subschema looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part<'s> {
    /// The member of this name.
    Name(&'s str),
    /// The item at this place.
    Index(usize),
    /// Any member, or a member's name.
    AnyName,
    /// Any item.
    AnyIndex,
}

/// One subschema.
#[derive(Debug, Default)]
pub(super) struct Node<'s> {
    /// Subschemas that look at the same value, and how often one look here makes them look.
    pub(super) same: Vec<(usize, u64)>,
    /// Subschemas that look at a part of it.
    pub(super) parts: Vec<(Part<'s>, usize)>,
}

/// The subschemas that the root reaches; the root is the first.
#[derive(Debug, Default)]
pub(super) struct Graph<'s> {
    pub(super) nodes: Vec<Node<'s>>,
}

/// Finds the subschemas from the root on, references followed.
struct Walk<'s> {
    root: &'s Value,
    anchors: HashMap<&'s str, &'s Value>,
    known: HashMap<*const Value, usize>,
    todo: Vec<&'s Value>,
    most: usize,
}

impl<'s> Graph<'s> {
    /// The graph of `root`.
    pub(super) fn new(root: &'s Value, bounds: &SchemaBounds) -> Result<Self, Error> {
        let mut walk = Walk { root, anchors: anchors(root)?, known: HashMap::new(), todo: Vec::new(), most: bounds.subschemas };
        walk.node(root)?;
        let mut nodes = Vec::new();
        let mut at = 0;
        while let Some(schema) = walk.todo.get(at).copied() {
            nodes.push(walk.edges(schema)?);
            at += 1;
        }
        Ok(Self { nodes })
    }
}

impl<'s> Walk<'s> {
    fn node(&mut self, schema: &'s Value) -> Result<usize, Error> {
        let next = self.todo.len();
        let at = *self.known.entry(std::ptr::from_ref(schema)).or_insert(next);
        if at == next {
            if next >= self.most {
                return Err(Error::TooMany { most: self.most });
            }
            self.todo.push(schema);
        }
        Ok(at)
    }

    fn edges(&mut self, schema: &'s Value) -> Result<Node<'s>, Error> {
        let mut node = Node::default();
        let Value::Object(members) = schema else { return Ok(node) };
        // What is left unevaluated is found by looking at everything else again.
        let again = members.contains_key("unevaluatedProperties") || members.contains_key("unevaluatedItems");
        let looks = if again { 3 } else { 1 };
        for (key, value) in members {
            match (key.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    let target = self.resolve(target)?;
                    node.same.push((self.node(target)?, looks));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    // oneOf may look at a branch twice: for a first that fits, and for a second that must not.
                    for schema in schemas {
                        node.same.push((self.node(schema)?, looks));
                    }
                }
                ("not" | "if" | "then" | "else", schema) => node.same.push((self.node(schema)?, looks)),
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    for schema in schemas.values().filter(|schema| !schema.is_array()) {
                        node.same.push((self.node(schema)?, looks));
                    }
                }
                ("properties", Value::Object(schemas)) => {
                    for (name, schema) in schemas {
                        node.parts.push((Part::Name(name), self.node(schema)?));
                    }
                }
                ("patternProperties", Value::Object(schemas)) => {
                    for schema in schemas.values() {
                        node.parts.push((Part::AnyName, self.node(schema)?));
                    }
                }
                ("additionalProperties" | "unevaluatedProperties" | "propertyNames", schema) => {
                    node.parts.push((Part::AnyName, self.node(schema)?));
                }
                ("items" | "prefixItems", Value::Array(schemas)) => {
                    for (at, schema) in schemas.iter().enumerate() {
                        node.parts.push((Part::Index(at), self.node(schema)?));
                    }
                }
                ("items" | "additionalItems" | "unevaluatedItems" | "contains", schema) => {
                    node.parts.push((Part::AnyIndex, self.node(schema)?));
                }
                ("$defs" | "definitions", Value::Object(schemas)) => {
                    // Compiled though perhaps never looked at: they count.
                    for schema in schemas.values() {
                        self.node(schema)?;
                    }
                }
                _ => {}
            }
        }
        if again {
            let parts = node.parts.clone();
            node.parts.extend(parts.iter().copied().chain(parts.iter().copied()));
        }
        Ok(node)
    }

    fn resolve(&self, target: &str) -> Result<&'s Value, Error> {
        let fragment = target.strip_prefix('#').ok_or(Error::Reference)?;
        let decoded = decode(fragment).ok_or(Error::Reference)?;
        if decoded.is_empty() || decoded.starts_with('/') {
            self.root.pointer(&decoded).ok_or(Error::Reference)
        } else {
            self.anchors.get(decoded.as_str()).copied().ok_or(Error::Reference)
        }
    }
}

/// The named places. A name that stands twice is refused: which one is meant would be for the library to choose.
fn anchors(root: &Value) -> Result<HashMap<&str, &Value>, Error> {
    let mut found = HashMap::new();
    let mut todo = vec![root];
    while let Some(value) = todo.pop() {
        match value {
            Value::Array(items) => todo.extend(items),
            Value::Object(members) => {
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(Value::String(name)) = members.get(key)
                        && found.insert(name.as_str(), value).is_some()
                    {
                        return Err(Error::Keyword("$anchor"));
                    }
                }
                todo.extend(members.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(found)
}

fn decode(fragment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(fragment.len());
    let mut bytes = fragment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
            out.push(digit(bytes.next())? << 4 | digit(bytes.next())?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
