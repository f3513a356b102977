//! From the shape of one revision to that of another: what the other does not have goes.

use super::check::tagged;
use super::{Field, Shape};
use crate::document::{Edits, Kind, Node};
use crate::revision::Revision;

/// Notes the changes that make a value of `shape`, which fits the first revision, fit the second.
///
/// Members go that the second does not have; a link to a resource becomes its address in text where links are unknown. What a member changed its
/// shape to, and what must be added, is not known here.
pub(super) fn refit(shape: &Shape, node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) {
    match shape {
        Shape::Any
        | Shape::Bool
        | Shape::Integer
        | Shape::Natural
        | Shape::IntegerOrNull
        | Shape::Number
        | Shape::Text
        | Shape::TextUpTo(_)
        | Shape::Name
        | Shape::Label
        | Shape::Uri
        | Shape::IconUri
        | Shape::Base64
        | Shape::Choice(_)
        | Shape::Token
        | Shape::Open
        | Shape::Free
        | Shape::Schema
        | Shape::Meta
        | Shape::MessageMeta
        | Shape::MetaWith(_) => {}
        Shape::Object(fields) => object(fields, node, legs, edits),
        Shape::List(item) | Shape::ListUpTo(_, item) => node.items().for_each(|node| refit(item, node, legs, edits)),
        Shape::Map(value) | Shape::MapUpTo(_, value) => node.members().for_each(|member| refit(value, member.value, legs, edits)),
        Shape::OneOrMany(one) => match node.kind() {
            Kind::Array => node.items().for_each(|node| refit(one, node, legs, edits)),
            _ => refit(one, node, legs, edits),
        },
        Shape::Tagged(cases) => match (tagged(cases, node, legs.0), tagged(cases, node, legs.1)) {
            (Some(shape), Some(_)) => refit(shape, node, legs, edits),
            (Some(shape), None) => as_text(shape, node, legs, edits),
            (None, _) => {}
        },
        Shape::By(choose) => {
            if let Some(shape) = choose(node) {
                refit(shape, node, legs, edits);
            }
        }
    }
}

fn object(fields: &[Field], node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) {
    for member in node.members() {
        let named = || fields.iter().filter(|field| member.key.is_text(field.key));
        match named().find(|field| field.is_in(legs.0)) {
            Some(field) if named().any(|field| field.is_in(legs.1)) => refit(field.shape, member.value, legs, edits),
            Some(_) => {
                edits.remove(member.value.index());
            }
            None => {}
        }
    }
}

/// A block that has an address becomes a text that is this address; what a text does not have goes.
fn as_text(shape: &Shape, node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) {
    refit(shape, node, legs, edits);
    for member in node.members() {
        match &*member.name() {
            "type" => edits.set_text(member.value.index(), "text"),
            "uri" => edits.set_text(member.key.index(), "text"),
            "annotations" => edits,
            _ => edits.remove(member.value.index()),
        };
    }
}
