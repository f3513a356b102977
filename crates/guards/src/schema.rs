//! JSON Schema from strangers: bounded, without references to the outside, with linear-time patterns.
//!
//! Source: JSON Schema 2020-12 Core and Validation; the dialects of 2019-09, draft 7 and draft 6 where `$schema` names them.

mod cost;
mod graph;
mod scan;

use crate::{Error, Mismatch};
use cost::Cost;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What a schema may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaBounds {
    /// Bytes of its compact print; 256 KiB.
    pub bytes: usize,
    /// Levels of nesting; 32.
    pub depth: usize,
    /// Subschemas; 2,000.
    pub subschemas: usize,
    /// Patterns, keys of `patternProperties` included; 256.
    pub patterns: usize,
    /// Bytes of one pattern; 1,024.
    pub pattern: usize,
    /// Steps of one check: nodes of the value times the times that one node is looked at; 20 million.
    pub steps: u64,
}

impl Default for SchemaBounds {
    fn default() -> Self {
        Self { bytes: 256 * 1024, depth: 32, subschemas: 2_000, patterns: 256, pattern: 1_024, steps: 20_000_000 }
    }
}

/// Members that every JavaScript object has, through which its prototype is reached.
const INHERITED: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// Memory for the matchers of all patterns of one schema.
const MATCHERS: usize = 8 * 1024 * 1024;

/// A schema that can be checked in bounded time.
pub struct Compiled {
    validator: Validator,
    cost: Cost,
    names: BTreeSet<String>,
    steps: u64,
}

impl Compiled {
    /// Takes `schema`, or says why not.
    ///
    /// # Errors
    /// [`Error`] when a bound is passed, a reference leads out of the document or round in circles, a pattern has no linear-time matcher, the
    /// dialect is unknown, a keyword is used that is not taken (`$dynamicRef`, `$recursiveRef`, an inner `$id` or `$schema`), the whole is no
    /// schema, or a value could make the check take time or stack without bound.
    pub fn new(schema: &Value, bounds: &SchemaBounds) -> Result<Self, Error> {
        let seen = scan::scan(schema, bounds)?;
        let graph = graph::Graph::new(schema, bounds)?;
        let cost = Cost::new(&graph)?;
        let size = (MATCHERS / seen.patterns.max(1)).clamp(MATCHERS / 256, MATCHERS / 4);
        let validator = jsonschema::options()
            .with_draft(dialect(schema)?)
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(size).dfa_size_limit(size))
            .build(schema)
            .map_err(|cause| refused(&cause))?;
        Ok(Self { validator, cost, names: seen.names, steps: bounds.steps })
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// The first [`Mismatch`]; also when the value is so deep or so large that the check would not stay in its bounds.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        let size = cost::measure(value).ok_or_else(|| Mismatch::new("", "depth"))?;
        if !self.cost.stacks(size) {
            return Err(Mismatch::new("", "depth"));
        }
        if self.cost.steps(size) > self.steps {
            return Err(Mismatch::new("", "cost"));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        Err(self.validator.validate(value).err().map_or_else(
            || Mismatch::new("", "schema"),
            |cause| Mismatch {
                pointer: self.known(cause.instance_path().as_str()),
                keyword: Cow::Owned(cause.kind().keyword().to_owned()),
            },
        ))
    }

    /// Checks that no object in `value`, at any depth, has a member that JavaScript objects have by themselves, unless the schema names it: a server
    /// that merges its arguments would change what all its objects inherit.
    ///
    /// # Errors
    /// The first [`Mismatch`], of the keyword `propertyNames`.
    pub fn check_inherited(&self, value: &Value) -> Result<(), Mismatch> {
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            match value {
                Value::Array(items) => todo.extend(items),
                Value::Object(members) => {
                    for (key, member) in members {
                        if INHERITED.contains(&key.as_str()) && !self.names.contains(key) {
                            return Err(Mismatch::new("", "propertyNames"));
                        }
                        todo.push(member);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Ok(())
    }

    /// The pointer with every name that is not the schema's own replaced by `?`.
    fn known(&self, pointer: &str) -> String {
        let mut out = String::new();
        for segment in pointer.split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let index = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            out.push('/');
            out.push_str(if index || self.names.contains(&name) { segment } else { "?" });
        }
        out
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Compiled({:?})", self.cost)
    }
}

fn dialect(schema: &Value) -> Result<Draft, Error> {
    let Some(named) = schema.get("$schema") else { return Ok(Draft::Draft202012) };
    let named = named.as_str().ok_or(Error::Dialect)?;
    let bare = named.trim_end_matches('#');
    match bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://")) {
        Some("json-schema.org/draft/2020-12/schema") => Ok(Draft::Draft202012),
        Some("json-schema.org/draft/2019-09/schema") => Ok(Draft::Draft201909),
        Some("json-schema.org/draft-07/schema") => Ok(Draft::Draft7),
        Some("json-schema.org/draft-06/schema") => Ok(Draft::Draft6),
        Some(_) | None => Err(Error::Dialect),
    }
}

fn refused(cause: &jsonschema::ValidationError<'_>) -> Error {
    let keyword = cause.kind().keyword();
    if keyword == "$ref" {
        return Error::Reference;
    }
    let pointer = cause.instance_path().as_str();
    let format_of_pattern = matches!(keyword, "format" | "pattern") && pointer.rsplit('/').next() == Some("pattern");
    if format_of_pattern || pointer.contains("patternProperties") {
        return Error::Pattern;
    }
    Error::Invalid { pointer: pointer.chars().take(256).collect() }
}
