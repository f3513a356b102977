//! Where schemas stand in a JSON Schema (2020-12): what is a keyword there, and what is only data that looks like one.

use crate::document::{Kind, Node};

/// What the value of a keyword holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Schemas of members, by name.
    Properties,
    /// One schema, or several in an array.
    Schemas,
    /// Schemas by name that are not those of members.
    Named,
    /// No schema: data, references, annotations.
    Data,
}

/// What the value of `keyword` holds.
pub(crate) fn holds(keyword: &str) -> Holds {
    match keyword {
        "properties" => Holds::Properties,
        "items"
        | "prefixItems"
        | "contains"
        | "unevaluatedItems"
        | "additionalProperties"
        | "propertyNames"
        | "unevaluatedProperties"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contentSchema"
        | "allOf"
        | "anyOf"
        | "oneOf" => Holds::Schemas,
        "patternProperties" | "dependentSchemas" | "$defs" | "definitions" => Holds::Named,
        _ => Holds::Data,
    }
}

/// Shows `see` the schema and every one in it, the outer before the inner; it says whether to look into it. The depth is that of the document.
pub(crate) fn each<'a>(schema: Node<'a>, see: &mut impl FnMut(Node<'a>) -> bool) {
    if schema.kind() != Kind::Object || !see(schema) {
        return;
    }
    for member in schema.members() {
        match holds(&member.name()) {
            Holds::Properties | Holds::Named => member.value.members().for_each(|member| each(member.value, see)),
            Holds::Schemas if member.value.kind() == Kind::Array => member.value.items().for_each(|schema| each(schema, see)),
            Holds::Schemas => each(member.value, see),
            Holds::Data => {}
        }
    }
}
