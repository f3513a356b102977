//! The headers of the modern revision over HTTP: what they must say of the body, and how a value is coded in them.
//!
//! They repeat parts of the body so that what stands between can route without reading it. We hold the client's against the body (rows 40 to 42)
//! and never pass them on: those for a server are made anew from what is sent to it.

mod declared;

pub use declared::{DECLARATION, Declared, Misuse, declared};

use crate::document::Node;
use crate::fault::Fault;
use crate::id::Id;
use crate::message::Envelope;
use crate::method::Method;
use crate::revision::Revision;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// The header that names the revision.
pub const VERSION: &str = "mcp-protocol-version";
/// The header that names the method.
pub const METHOD: &str = "mcp-method";
/// The header that names the tool, prompt or resource.
pub const NAME: &str = "mcp-name";
/// How the headers begin that repeat arguments of a tool.
pub const PARAM: &str = "mcp-param-";

const OPENING: &str = "=?base64?";
const CLOSING: &str = "?=";

/// What came under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// No header.
    Absent,
    /// One, with this value.
    Once(&'a [u8]),
    /// Several.
    Repeated,
}

impl<'a> Received<'a> {
    /// What the values of one name are.
    pub fn of(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }

    /// Whether it came once and is `text`, blanks around it aside.
    fn is(self, text: &str) -> bool {
        matches!(self, Self::Once(value) if value.trim_ascii() == text.as_bytes())
    }

    /// Whether it came once and says `text` in the coding of [`encode`].
    fn says(self, text: &str) -> bool {
        matches!(self, Self::Once(value) if decode(value).is_some_and(|value| value == text))
    }
}

/// The value of a header that says `text`: as it is when it is visible ASCII with blanks inside at most, otherwise, or when it looks coded, coded
/// in Base64.
pub fn encode(text: &str) -> Cow<'_, str> {
    let visible = text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
    if visible && text.trim_matches(' ') == text && coded(text).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{OPENING}{}{CLOSING}", STANDARD.encode(text)))
}

/// What a header says; blanks around it do not count. None if it holds bytes that are not ASCII, controls, or Base64 that is not standard, padded
/// and UTF-8.
pub fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !text.bytes().all(|byte| (0x20..0x7F).contains(&byte) || byte == b'\t') {
        return None;
    }
    let Some(inner) = coded(text) else { return Some(Cow::Borrowed(text)) };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok().map(Cow::Owned)
}

/// What stands between the markers, which must both be there.
fn coded(text: &str) -> Option<&str> {
    text.strip_prefix(OPENING)?.strip_suffix(CLOSING)
}

/// The member of the params that [`NAME`] repeats.
pub const fn named(method: Method) -> Option<&'static str> {
    match method {
        Method::CallTool | Method::GetPrompt => Some("name"),
        Method::ReadResource => Some("uri"),
        _ => None,
    }
}

/// The headers that a modern message carries besides those of arguments.
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a> {
    /// [`VERSION`].
    pub version: Received<'a>,
    /// [`METHOD`].
    pub method: Received<'a>,
    /// [`NAME`].
    pub name: Received<'a>,
}

impl Routing<'_> {
    /// Checks that the headers of a modern message say what its body says. A response has no method to be named, and is refused later.
    ///
    /// # Errors
    /// The [`Fault`] of row 40 or 41.
    pub fn check(&self, envelope: &Envelope, revision: Revision) -> Result<(), Fault> {
        let fault = |row| Err(Fault::of_row(row, revision, envelope.id().cloned()));
        if !self.version.is(revision.as_str()) {
            return fault(40);
        }
        let Some(method) = envelope.method() else { return Ok(()) };
        if !self.method.is(&method) {
            return fault(41);
        }
        let Some(member) = Method::parse(&method).and_then(named) else { return Ok(()) };
        let text = envelope.params().and_then(|params| params.get(member)).and_then(Node::text).unwrap_or_default();
        if self.name.says(&text) { Ok(()) } else { fault(41) }
    }
}

/// Checks that the headers of the tool call `id` say what its arguments say: each declared one, as `received` finds it by its name in lower case.
///
/// # Errors
/// The [`Fault`] of row 42.
pub fn check_arguments<'a>(
    declared: &[Declared],
    arguments: Option<Node<'_>>,
    revision: Revision,
    id: &Id,
    mut received: impl FnMut(&str) -> Received<'a>,
) -> Result<(), Fault> {
    let agree = declared.iter().all(|declared| declared.agrees(arguments, received(declared.header())));
    if agree { Ok(()) } else { Err(Fault::of_row(42, revision, Some(id.clone()))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Peer};
    use proptest::prelude::*;

    #[test]
    fn values_are_plain_where_they_can_be() {
        for plain in ["", "echo", "a b", "=?base64?", "?=", "=?BASE64?YQ==?=", "x=?base64?YQ==?=", "~!"] {
            assert_eq!(encode(plain), plain);
            assert_eq!(decode(plain.as_bytes()).as_deref(), Some(plain));
        }
        assert_eq!(encode("é"), "=?base64?w6k=?=");
        for coded in [" a", "a ", "\t", "a\nb", "\u{7f}", "=?base64?YQ==?=", "=?base64??=", "日本"] {
            assert!(encode(coded).starts_with(OPENING), "{coded}");
            assert_eq!(decode(encode(coded).as_bytes()).as_deref(), Some(coded));
        }
        assert_eq!(decode(b" \techo ").as_deref(), Some("echo"));
        for bad in
            ["=?base64?YQ?=", "=?base64?YQ=?=", "=?base64?_w==?=", "=?base64?YR==?=", "=?base64?/w==?=", "é", "a\u{1}b", "=?base64?Y Q=?="]
        {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn headers_must_say_what_the_body_says() {
        let source = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é"}}"#;
        let envelope = Envelope::read(source.into(), Peer::Client, &Bounds::default()).unwrap();
        let once = |text: &'static str| Received::Once(text.as_bytes());
        let good = Routing { version: once("2026-07-28"), method: once("tools/call"), name: once("=?base64?w6k=?=") };
        let row =
            |routing: Routing<'_>| routing.check(&envelope, Revision::R2026_07_28).err().map(|fault| (fault.row, fault.code, fault.http));
        assert_eq!(row(good), None);
        for (want, bad) in [
            (40, Routing { version: Received::Absent, ..good }),
            (40, Routing { version: Received::Repeated, ..good }),
            (40, Routing { version: once("2025-11-25"), ..good }),
            (41, Routing { method: Received::Absent, ..good }),
            (41, Routing { method: Received::Repeated, ..good }),
            (41, Routing { method: once("tools/Call"), ..good }),
            (41, Routing { name: Received::Absent, ..good }),
            (41, Routing { name: once("\u{e9}"), ..good }),
            (41, Routing { name: once("=?base64?w6k?="), ..good }),
        ] {
            assert_eq!(row(bad), Some((want, -32020, 400)), "{bad:?}");
        }
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
        let envelope = Envelope::read(list.into(), Peer::Client, &Bounds::default()).unwrap();
        assert!(Routing { method: once("tools/list"), ..good }.check(&envelope, Revision::R2026_07_28).is_ok());
    }

    #[test]
    fn headers_of_arguments_must_say_what_they_are() {
        let schema = serde_json::json!({"type": "object", "properties": {"a": {"type": "integer", "x-mcp-header": "A"}}});
        let declared = declared(&schema).unwrap();
        let arguments = crate::Document::parse(r#"{"a":1}"#.into(), &Bounds::default()).unwrap();
        let row = |arguments, value: Option<&'static str>| {
            let received = |name: &str| {
                assert_eq!(name, "mcp-param-a");
                Received::of(value.map(str::as_bytes))
            };
            let checked = check_arguments(&declared, arguments, Revision::R2026_07_28, &Id::Number(1), received);
            checked.err().map(|fault| (fault.row, fault.http, fault.code, fault.id))
        };
        let refused = Some((42, 400, -32020, Some(Id::Number(1))));
        assert_eq!(row(Some(arguments.root()), Some("1")), None);
        assert_eq!(row(None, None), None);
        assert_eq!(row(Some(arguments.root()), Some("2")), refused);
        assert_eq!(row(Some(arguments.root()), None), refused);
        assert_eq!(row(None, Some("1")), refused);
    }

    proptest! {
        #[test]
        fn decoding_undoes_coding(text in any::<String>()) {
            let coded = encode(&text);
            prop_assert!(coded.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
            let decoded = decode(coded.as_bytes()).map(Cow::into_owned);
            prop_assert_eq!(decoded, Some(text));
        }

        #[test]
        fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&value);
        }
    }
}
