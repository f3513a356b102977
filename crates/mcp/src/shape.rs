//! What the params and results of each method look like, and the check that they do.
//!
//! A shape is data: the params of each method are in `shape/params.rs`, the results in `shape/results.rs`. An object lists its members; any
//! other key is refused, but for the places that the specification leaves open.

mod block;
mod check;
mod params;
mod refit;
mod results;

use crate::definition::Sort;
use crate::document::{Edits, Node};
use crate::fault::{About, Fault, Place};
use crate::method::Method;
use crate::revision::Revision;

/// Whether a member must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Must,
    May,
}

/// One member of an object, from the first revision that has it to the last. A member that changed its shape stands there twice.
pub(crate) struct Field {
    key: &'static str,
    presence: Presence,
    since: Revision,
    until: Revision,
    shape: &'static Shape,
}

/// What an object looks like whose member `type` is `tag`, from the first revision that has it.
pub(crate) struct Case {
    tag: &'static str,
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
    /// An integer that is not negative.
    Natural,
    /// An integer or `null`.
    IntegerOrNull,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A string of at most so many bytes.
    TextUpTo(usize),
    /// A name: 1 to 128 bytes, no controls.
    Name,
    /// A name as a definition states it: 1 to 1024 bytes, no controls.
    Label,
    /// An address: 1 byte to 8 KiB, no controls, no blanks.
    Uri,
    /// The address of an icon: `https:` or `data:`, of any length.
    IconUri,
    /// The address of a page that a user is sent to: `https:` or `http:`.
    PageUri,
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
    /// `_meta` of a message: on the modern revision it was checked before the method was read.
    MessageMeta,
    /// `_meta` with a member of this key.
    MetaWith(&'static str),
    /// Exactly these members.
    Object(&'static [Field]),
    /// An array of these.
    List(&'static Shape),
    /// An array of at most so many of these.
    ListUpTo(usize, &'static Shape),
    /// An object with any keys and these as values.
    Map(&'static Shape),
    /// An object with at most so many keys and these as values.
    MapUpTo(usize, &'static Shape),
    /// One of these or, from this revision on, an array of them.
    OneOrMany(Revision, &'static Shape),
    /// An object whose member `type` says which.
    Tagged(&'static [Case]),
    /// Which one, the value shows.
    By(fn(Node<'_>) -> Option<&'static Shape>),
}

pub(crate) const fn must(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, presence: Presence::Must, since: Revision::R2024_11_05, until: Revision::R2026_07_28, shape }
}

pub(crate) const fn may(key: &'static str, shape: &'static Shape) -> Field {
    Field { key, presence: Presence::May, since: Revision::R2024_11_05, until: Revision::R2026_07_28, shape }
}

pub(crate) const fn case(tag: &'static str, shape: &'static Shape) -> Case {
    Case { tag, since: Revision::R2024_11_05, shape }
}

impl Case {
    pub(crate) const fn since(self, since: Revision) -> Self {
        Self { since, ..self }
    }
}

impl Field {
    pub(crate) const fn since(self, since: Revision) -> Self {
        Self { since, ..self }
    }

    pub(crate) const fn until(self, until: Revision) -> Self {
        Self { until, ..self }
    }

    fn is_in(&self, revision: Revision) -> bool {
        self.since <= revision && revision <= self.until
    }
}

/// The key of `_meta` that names the revision of a modern request.
pub const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// The key of `_meta` that holds what the client of a modern request can do.
pub const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// The key of `_meta` that says what wrote a modern request: display only.
pub const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
/// The key of `_meta` that asks for log messages of a modern request.
pub const LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
/// The key of `_meta` that says what wrote a modern result: display only.
pub const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";
/// The key of `_meta` that names the listen request whose stream a modern message is on.
pub const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

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
    told(check::check(results::of(method, result, revision), result, revision))
}

fn told(checked: Result<(), u8>) -> Result<(), Fault> {
    checked.map_err(|row| Fault::at(if row == 29 { 68 } else { row }, Place::Result, About::Response))
}

/// Checks the params of a server's question `method` that did not come as a message of its own: an entry of a modern result.
///
/// # Errors
/// As [`check_result`].
pub fn check_question(method: Method, params: Node<'_>, revision: Revision) -> Result<(), Fault> {
    told(check::check(params::of(method), params, revision))
}

/// Checks the `_meta` of a modern message, which is read before the method. The row that refuses it otherwise.
pub(crate) fn message_meta(node: Node<'_>) -> Result<(), u8> {
    check::check(&Shape::Meta, node, Revision::R2026_07_28)
}

/// Notes what must change in a result of `method` of revision `from` so that it is one of `to`; see [`crate::translate`].
pub(crate) fn refit_result(method: Method, result: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) {
    refit::refit(results::of(method, result, legs.0), result, legs, edits);
}

/// The same of params; whether `to` can say all that is asked.
pub(crate) fn refit_params(method: Method, params: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) -> bool {
    refit::refit(params::of(method), params, legs, edits)
}

/// The same of one item of the list that `method` asks for.
pub(crate) fn refit_definition(sort: Sort, definition: Node<'_>, legs: (Revision, Revision), edits: &mut Edits) {
    let shape = match sort {
        Sort::Tool => &block::TOOL,
        Sort::Prompt => &results::PROMPT_LISTED,
        Sort::Template => &results::TEMPLATE,
        Sort::Resource => &results::RESOURCE,
    };
    refit::refit(shape, definition, legs, edits);
}

/// Checks that `data` is that of the error [`crate::URL_ELICITATION_REQUIRED`] in `revision`.
///
/// # Errors
/// As [`check_result`].
pub fn check_elicitations(data: Node<'_>, revision: Revision) -> Result<(), Fault> {
    told(check::check(&params::ELICITATIONS, data, revision))
}

/// Checks that `data` is that of the error [`crate::CAPABILITY_MISSING`].
///
/// # Errors
/// As [`check_result`].
pub fn check_missing(data: Node<'_>) -> Result<(), Fault> {
    told(check::check(&params::MISSING, data, Revision::R2026_07_28))
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

    #[test]
    fn what_a_client_lacks_is_said_in_one_object() {
        let fits = |text: &'static str| {
            let document = Document::parse(text.as_bytes().into(), &Bounds::default()).unwrap();
            check_missing(document.root()).is_ok()
        };
        assert!(fits(r#"{"requiredCapabilities":{"elicitation":{"url":{}},"sampling":{}}}"#));
        for bad in [
            r#"{"requiredCapabilities":[]}"#,
            r#"{"requiredCapabilities":{},"more":1}"#,
            r#"{"requiredCapabilities":{"a":1,"A":1}}"#,
            "{}",
            "[]",
        ] {
            assert!(!fits(bad), "{bad}");
        }
    }
}
