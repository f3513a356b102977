//! What the params and results of each method look like, and the check that they do.
//!
//! A shape is data: the params of each method are in `shape/params.rs`, the results in `shape/results.rs`. An object lists its members; any
//! other key is refused, but for the places that the specification leaves open.

mod block;
mod check;
mod params;
mod results;

use crate::document::Node;
use crate::fault::{About, Fault, Place};
use crate::method::Method;
use crate::revision::Revision;

/// Whether a member must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Must,
    May,
}

/// One member of an object, from the first revision that has it.
pub(crate) struct Field {
    key: &'static str,
    presence: Presence,
    since: Revision,
    shape: &'static Shape,
}

/// What a value looks like.
pub(crate) enum Shape {
    /// Anything, nothing in it checked: data of a tool, a log, an error.
    Any,
    /// A boolean.
    Bool,
    /// An integer without fraction or exponent, within ±(2^53 − 1).
    Integer,
    /// An integer or `null`.
    IntegerOrNull,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A name: 1 to 128 bytes, no controls.
    Name,
    /// A name as a definition states it: 1 to 1024 bytes, no controls.
    Label,
    /// An address: 1 byte to 8 KiB, no controls, no blanks.
    Uri,
    /// The address of an icon: `https:` or `data:`, of any length.
    IconUri,
    /// Standard Base64 with padding (RFC 4648 §4).
    Base64,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A string or an integer, as an id is.
    Token,
    /// An object with any members: capabilities, metadata of a vendor.
    Open,
    /// An object of the tool's own making: arguments, structured content.
    Free,
    /// A JSON Schema of an object.
    Schema,
    /// `_meta`.
    Meta,
    /// Exactly these members.
    Object(&'static [Field]),
    /// An array of these.
    List(&'static Shape),
    /// An array of at most so many of these.
    ListUpTo(usize, &'static Shape),
    /// An object with any keys and these as values.
    Map(&'static Shape),
    /// One of these or an array of them.
    OneOrMany(&'static Shape),
    /// An object whose member `type` says which.
    Tagged(&'static [(&'static str, &'static Shape)]),
    /// Which one, the value shows.
    By(fn(Node<'_>) -> Option<&'static Shape>),
}

pub(crate) const fn must(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, presence: Presence::Must, since: Revision::R2024_11_05, shape }
}

pub(crate) const fn may(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, presence: Presence::May, since: Revision::R2024_11_05, shape }
}

impl Field {
    pub(crate) const fn since(self, since: Revision) -> Self {
        Self { since, ..self }
    }
}

/// Checks the params of `method`.
///
/// The row that refuses them otherwise.
pub(crate) fn params(method: Method, revision: Revision, node: Node<'_>) -> Result<(), u8> {
    check::check(params::of(method), node, revision)
}

/// Checks that `result` has the shape of a result of `method` in `revision`: what a server answers a client, or a client a server's question.
///
/// # Errors
/// The [`Fault`] of row 7, 8, 9, 10, 14, 37 or 68, as the one who asked is told it: status 200, code -31503.
pub fn check_result(method: Method, result: Node<'_>, revision: Revision) -> Result<(), Fault> {
    match check::check(results::of(method), result, revision) {
        Ok(()) => Ok(()),
        Err(row) => Err(Fault::at(if row == 29 { 68 } else { row }, Place::Result, About::Response)),
    }
}

/// Checks that `data` is that of the error [`crate::URL_ELICITATION_REQUIRED`] in `revision`.
///
/// # Errors
/// As [`check_result`].
pub fn check_elicitations(data: Node<'_>, revision: Revision) -> Result<(), Fault> {
    check::check(&params::ELICITATIONS, data, revision)
        .map_err(|row| Fault::at(if row == 29 { 68 } else { row }, Place::Result, About::Response))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Bounds;
    use crate::document::Document;

    #[test]
    fn pages_to_be_visited_first_have_the_shape_of_questions() {
        let fits = |text: &'static str| {
            let document = Document::parse(text.as_bytes().into(), &Bounds::default()).unwrap();
            check_elicitations(document.root(), Revision::R2025_11_25).is_ok()
        };
        assert!(fits(r#"{"elicitations":[{"mode":"url","url":"https://example.com","message":"m","elicitationId":"1"}]}"#));
        assert!(!fits(r#"{"elicitations":[{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}]}"#));
        assert!(!fits(r#"{"elicitations":[{"mode":"url","url":"https://example.com","message":"m","elicitationId":"1","more":1}]}"#));
        assert!(!fits(r#"{"elicitations":{}}"#));
        assert!(!fits("{}"));
    }
}
