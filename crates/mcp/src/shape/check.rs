//! The check of a value against its shape. The depth is that of the document, which the scanner has bounded.

use super::{
    CAPABILITIES_KEY, CLIENT_KEY, Case, Field, LEVEL_KEY, Presence, SERVER_KEY, SUBSCRIPTION_KEY, Shape, VERSION_KEY, block, params,
};
use crate::bounds::Bounds;
use crate::document::{Kind, Member, Node};
use crate::fold;
use crate::id::{Id, SAFE};
use crate::message::stranger;
use crate::revision::Revision;
use std::collections::BTreeSet;

/// The row for a value that is missing or of the wrong kind.
const MISFIT: u8 = 29;

pub(super) fn check(shape: &Shape, node: Node<'_>, revision: Revision) -> Result<(), u8> {
    match shape {
        Shape::Any => Ok(()),
        Shape::Bool => kind(node, Kind::Bool),
        Shape::Integer => fit(node.integer().is_some_and(|number| (-SAFE..=SAFE).contains(&number))),
        Shape::Natural => fit(node.integer().is_some_and(|number| (0..=SAFE).contains(&number))),
        Shape::IntegerOrNull => fit(node.is_null() || node.integer().is_some()),
        Shape::Number => kind(node, Kind::Number),
        Shape::Text => kind(node, Kind::Text),
        Shape::TextUpTo(most) => match node.text() {
            Some(text) if node.kind() == Kind::Text && text.len() > *most => Err(14),
            _ => kind(node, Kind::Text),
        },
        Shape::Name => bounded(node, Bounds::NAME),
        Shape::Label => bounded(node, Bounds::DEFINITION_NAME),
        Shape::Uri => {
            bounded(node, Bounds::URI)?;
            fit(node.text().is_some_and(|text| !text.contains([' ', '\u{7f}'])))
        }
        Shape::PageUri => {
            check(&Shape::Uri, node, revision)?;
            let scheme = node.text().and_then(|text| Some(text.split_once("://")?.0.to_ascii_lowercase()));
            fit(scheme.is_some_and(|scheme| matches!(&*scheme, "https" | "http")))
        }
        Shape::IconUri => fit(node.text().is_some_and(|text| text.starts_with("https://") || text.starts_with("data:"))),
        Shape::Base64 => fit(node.text().is_some_and(|text| is_base64(text.as_bytes()))),
        Shape::Choice(choices) => fit(choices.iter().any(|choice| node.is_text(choice))),
        Shape::Token => match Id::read(node) {
            Ok(_) => Ok(()),
            Err(row @ (9 | 14)) => Err(row),
            Err(_) => Err(MISFIT),
        },
        Shape::Open => {
            kind(node, Kind::Object)?;
            open(node)
        }
        Shape::Free => kind(node, Kind::Object),
        Shape::Schema => {
            kind(node, Kind::Object)?;
            fit(node.get("type").is_some_and(|kind| kind.is_text("object")))
        }
        Shape::Meta => meta(node, revision),
        Shape::MessageMeta if revision.is_legacy() => meta(node, revision),
        Shape::MessageMeta => Ok(()),
        Shape::MetaWith(key) => {
            meta(node, revision)?;
            fit(node.get(key).is_some())
        }
        Shape::Object(fields) => object(fields, node, revision),
        Shape::List(item) => list(item, usize::MAX, node, revision),
        Shape::ListUpTo(most, item) => list(item, *most, node, revision),
        Shape::Map(value) => map(value, usize::MAX, node, revision),
        Shape::MapUpTo(most, value) => map(value, *most, node, revision),
        Shape::OneOrMany(since, one) => match node.kind() {
            Kind::Array if *since > revision => Err(MISFIT),
            Kind::Array => list(one, usize::MAX, node, revision),
            _ => check(one, node, revision),
        },
        Shape::Tagged(cases) => check(tagged(cases, node, revision).ok_or(MISFIT)?, node, revision),
        Shape::By(choose) => check(choose(node).ok_or(MISFIT)?, node, revision),
    }
}

fn fit(fits: bool) -> Result<(), u8> {
    if fits { Ok(()) } else { Err(MISFIT) }
}

fn kind(node: Node<'_>, kind: Kind) -> Result<(), u8> {
    fit(node.kind() == kind)
}

fn bounded(node: Node<'_>, most: usize) -> Result<(), u8> {
    let text = if node.kind() == Kind::Text { node.text() } else { None };
    match text {
        None => Err(MISFIT),
        Some(text) if text.is_empty() => Err(MISFIT),
        Some(text) if text.bytes().any(|byte| byte < 0x20) => Err(9),
        Some(text) if text.len() > most => Err(14),
        Some(_) => Ok(()),
    }
}

/// The shape that the member `type` names, if `revision` has it.
pub(super) fn tagged(cases: &[Case], node: Node<'_>, revision: Revision) -> Option<&'static Shape> {
    let tag = node.get("type")?;
    cases.iter().find(|case| tag.is_text(case.tag) && case.since <= revision).map(|case| case.shape)
}

fn map(value: &Shape, most: usize, node: Node<'_>, revision: Revision) -> Result<(), u8> {
    kind(node, Kind::Object)?;
    for (place, member) in node.members().enumerate() {
        fit(place < most)?;
        inherited(&member.name())?;
        check(value, member.value, revision)?;
    }
    Ok(())
}

fn list(item: &Shape, most: usize, node: Node<'_>, revision: Revision) -> Result<(), u8> {
    kind(node, Kind::Array)?;
    for (place, node) in node.items().enumerate() {
        fit(place < most)?;
        check(item, node, revision)?;
    }
    Ok(())
}

fn object(fields: &[Field], node: Node<'_>, revision: Revision) -> Result<(), u8> {
    kind(node, Kind::Object)?;
    let known = |field: &&Field| field.is_in(revision);
    let mut seen = 0_u64;
    for member in node.members() {
        match fields.iter().enumerate().find(|(_, field)| known(field) && member.key.is_text(field.key)) {
            Some((place, field)) => {
                seen |= 1 << place;
                check(field.shape, member.value, revision)?;
            }
            None => return Err(stranger(&member.name(), fields.iter().filter(known).map(|field| field.key))),
        }
    }
    let missing = |(place, field): (usize, &Field)| field.presence == Presence::Must && known(&field) && seen & (1 << place) == 0;
    fit(!fields.iter().enumerate().any(missing))
}

/// No member that every JavaScript object has by itself, through which a careless reader changes what all of them inherit.
fn inherited(name: &str) -> Result<(), u8> {
    if matches!(name, "__proto__" | "constructor" | "prototype") { Err(10) } else { Ok(()) }
}

/// Objects up to this size are compared key by key; of larger ones the folded keys are kept.
const FEW: usize = 16;

/// An open object, to any depth: no two keys alike, none of JavaScript's own.
fn open(node: Node<'_>) -> Result<(), u8> {
    if node.kind() == Kind::Object {
        let mut keys = BTreeSet::new();
        let few = node.members().count() <= FEW;
        for (place, member) in node.members().enumerate() {
            let name = member.name();
            inherited(&name)?;
            let doubled = if few {
                node.members().take(place).any(|other| fold::alike(&other.name(), &name))
            } else {
                !keys.insert(fold::fold(&name))
            };
            if doubled {
                return Err(7);
            }
            open(member.value)?;
        }
    }
    node.items().try_for_each(open)
}

/// The keys that the modern revision gives a meaning, and what stands under them. That the whole is [`open`] comes on top.
static MEANT: [(&str, &Shape); 9] = [
    (VERSION_KEY, &Shape::Text),
    (CAPABILITIES_KEY, &Shape::Free),
    (CLIENT_KEY, &block::IMPLEMENTATION),
    (LEVEL_KEY, &params::LEVEL),
    (SERVER_KEY, &block::IMPLEMENTATION),
    (SUBSCRIPTION_KEY, &Shape::Token),
    ("traceparent", &Shape::Text),
    ("tracestate", &Shape::Text),
    ("baggage", &Shape::Text),
];

/// Whether this member of `_meta`, good in a legacy revision, has a name that means something else in the modern one.
pub(super) fn misunderstood(member: Member<'_>) -> bool {
    let name = member.name();
    let meant = MEANT.iter().find(|(key, _)| fold::alike(&name, key));
    meant.is_some_and(|(key, shape)| name != *key || check(shape, member.value, Revision::R2026_07_28).is_err())
}

fn meta(node: Node<'_>, revision: Revision) -> Result<(), u8> {
    if node.kind() != Kind::Object {
        return Err(37);
    }
    for member in node.members() {
        let name = member.name();
        inherited(&name)?;
        if fold::alike(&name, "progressToken") {
            if name != "progressToken" {
                return Err(7);
            }
            check(&Shape::Token, member.value, Revision::R2024_11_05).map_err(|row| if row == MISFIT { 64 } else { row })?;
        }
        if !revision.is_legacy()
            && let Some((key, shape)) = MEANT.iter().find(|(key, _)| fold::alike(&name, key))
        {
            if name != *key {
                return Err(7);
            }
            check(shape, member.value, revision).map_err(|row| if row == MISFIT { 37 } else { row })?;
        }
        if !is_meta_key(&name) {
            return Err(37);
        }
    }
    open(node)
}

/// Whether `key` has the form of a key of `_meta`: an optional dotted prefix and `/`, then a name.
pub(crate) fn is_meta_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let ends = |text: &str, first: fn(&u8) -> bool| {
        text.as_bytes().first().is_some_and(first) && text.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric)
    };
    let label =
        |label: &str| ends(label, u8::is_ascii_alphabetic) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    prefix.is_none_or(|prefix| prefix.split('.').all(label))
        && ends(name, u8::is_ascii_alphanumeric)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_base64(text: &[u8]) -> bool {
    let body = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    text.len().is_multiple_of(4) && body.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_meta_have_a_form() {
        for good in ["a", "progressToken", "io.modelcontextprotocol/related-task", "dev.bastide/server", "a-b.c/x_1.y", "1a"] {
            assert!(is_meta_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "a..b/c", "1a.b/c", "-a", "a-", "a b", "é", "a-/b"] {
            assert!(!is_meta_key(bad), "{bad}");
        }
    }

    #[test]
    fn base64_is_standard_and_padded() {
        for good in ["", "AAAA", "AAA=", "AA==", "+/+/"] {
            assert!(is_base64(good.as_bytes()), "{good}");
        }
        for bad in ["A", "AA", "AAA", "A===", "AA=A", "-_-_", "AA A", "AAAA\n"] {
            assert!(!is_base64(bad.as_bytes()), "{bad}");
        }
    }
}
