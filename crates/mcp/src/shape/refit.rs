//! From the shape of one revision to that of another: what the other does not have goes.

use super::check::{misunderstood, tagged};
use super::{Field, Shape};
use crate::document::{Edits, Kind, Node};
use crate::revision::Revision;

/// Notes the changes that make a value of `shape`, which fits the first revision, fit the second, and says whether that is all it takes.
///
/// Members go that the second does not have, and those of `_meta` by which it would understand something else; a link to a resource becomes its address in text where links are unknown. What a member changed its
/// shape to, and what must be added, is not known here.
pub(super) fn refit(shape: &Shape, node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) -> bool {
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
        | Shape::PageUri
        | Shape::Base64
        | Shape::Choice(_)
        | Shape::Token
        | Shape::Open
        | Shape::Free
        | Shape::Schema => true,
        Shape::Meta | Shape::MessageMeta | Shape::MetaWith(_) => {
            if legs.0.is_legacy() && !legs.1.is_legacy() {
                for member in node.members().filter(|member| misunderstood(*member)) {
                    edits.remove(member.value.index());
                }
            }
            true
        }
        Shape::Object(fields) => object(fields, node, legs, edits),
        Shape::List(item) | Shape::ListUpTo(_, item) => all(item, node.items(), legs, edits),
        Shape::Map(value) | Shape::MapUpTo(_, value) => all(value, node.members().map(|member| member.value), legs, edits),
        Shape::OneOrMany(since, one) => match node.kind() {
            Kind::Array => all(one, node.items(), legs, edits) && *since <= legs.1,
            _ => refit(one, node, legs, edits),
        },
        Shape::Tagged(cases) => match (tagged(cases, node, legs.0), tagged(cases, node, legs.1)) {
            (Some(shape), Some(_)) => refit(shape, node, legs, edits),
            (Some(shape), None) => as_text(shape, node, legs, edits),
            (None, _) => false,
        },
        Shape::By(choose) => choose(node).is_some_and(|shape| refit(shape, node, legs, edits)),
    }
}

fn all<'a>(shape: &Shape, nodes: impl Iterator<Item = Node<'a>>, legs: (Revision, Revision), edits: &mut Edits) -> bool {
    let mut fits = true;
    for node in nodes {
        fits &= refit(shape, node, legs, edits);
    }
    fits
}

fn object(fields: &[Field], node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) -> bool {
    let mut fits = true;
    for member in node.members() {
        let named = || fields.iter().filter(|field| member.key.is_text(field.key));
        match named().find(|field| field.is_in(legs.0)) {
            Some(field) if named().any(|field| field.is_in(legs.1)) => fits &= refit(field.shape, member.value, legs, edits),
            Some(_) => {
                edits.remove(member.value.index());
            }
            None => fits = false,
        }
    }
    fits
}

/// A block that has an address becomes a text that is this address; what a text does not have goes. Others cannot be said.
fn as_text(shape: &Shape, node: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) -> bool {
    if node.get("uri").is_none() {
        return false;
    }
    refit(shape, node, legs, edits);
    for member in node.members() {
        match &*member.name() {
            "type" => edits.set_text(member.value.index(), "text"),
            "uri" => edits.set_text(member.key.index(), "text"),
            "annotations" => edits,
            _ => edits.remove(member.value.index()),
        };
    }
    true
}
