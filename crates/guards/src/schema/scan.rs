//! The first look at a schema: its size, its shape, and what it must not say.

use super::SchemaBounds;
use crate::Error;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the look found.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Names of properties anywhere.
    pub(super) names: BTreeSet<String>,
    /// How many patterns.
    pub(super) patterns: usize,
    bytes: usize,
}

/// Looks at every value of the document, whether it stands where a schema can or not: a reference may lead anywhere.
pub(super) fn scan(schema: &Value, bounds: &SchemaBounds) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let mut todo = vec![(schema, 0_usize)];
    while let Some((value, depth)) = todo.pop() {
        if depth > bounds.depth {
            return Err(Error::TooDeep { most: bounds.depth });
        }
        seen.spend(weight(value), bounds)?;
        match value {
            Value::Array(items) => todo.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => {
                for (key, member) in members {
                    seen.spend(key.len() + 3, bounds)?;
                    seen.member(key, member, depth, bounds)?;
                    todo.push((member, depth + 1));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(seen)
}

impl Seen {
    fn spend(&mut self, bytes: usize, bounds: &SchemaBounds) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > bounds.bytes { Err(Error::TooLarge { most: bounds.bytes }) } else { Ok(()) }
    }

    fn member(&mut self, key: &str, member: &Value, depth: usize, bounds: &SchemaBounds) -> Result<(), Error> {
        match (key, member) {
            ("$ref", Value::String(target)) if !target.starts_with('#') => return Err(Error::Reference),
            ("$dynamicRef", Value::String(_)) => return Err(Error::Keyword("$dynamicRef")),
            ("$recursiveRef", Value::String(_)) => return Err(Error::Keyword("$recursiveRef")),
            ("$id", Value::String(_)) if depth > 0 => return Err(Error::Keyword("$id")),
            ("$schema", Value::String(_)) if depth > 0 => return Err(Error::Keyword("$schema")),
            ("$vocabulary", Value::Object(_)) => return Err(Error::Keyword("$vocabulary")),
            ("pattern", Value::String(pattern)) => self.pattern(pattern, bounds)?,
            ("patternProperties", Value::Object(patterns)) => {
                for pattern in patterns.keys() {
                    self.pattern(pattern, bounds)?;
                }
            }
            ("properties", Value::Object(properties)) => self.names.extend(properties.keys().cloned()),
            _ => {}
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str, bounds: &SchemaBounds) -> Result<(), Error> {
        self.patterns += 1;
        if pattern.len() > bounds.pattern {
            return Err(Error::PatternTooLong { most: bounds.pattern });
        }
        if self.patterns > bounds.patterns {
            return Err(Error::TooManyPatterns { most: bounds.patterns });
        }
        Ok(())
    }
}

/// Bytes of a value's own print, without its members.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(_) | Value::Object(_) => 3,
    }
}
