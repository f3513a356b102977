//! The texts of an input, each with its place: a message in JSON string by string as the gateway looks at it, anything else as one text.

use super::super::screens::Credited;
use bytes::Bytes;
use detect::is_credit_key;
use mcp::{Bounds, Document, Kind, Node};
use std::borrow::Cow;
use std::ops::Range;

/// Digits from which on a number is looked at.
const DIGITS: usize = 8;

/// One text.
pub(super) struct Part<'a> {
    /// As it reads.
    pub(super) text: Cow<'a, str>,
    /// Where it stands, where the input is JSON.
    node: Option<Node<'a>>,
    /// Where it begins in the input, in bytes.
    start: usize,
    spelling: Spelling,
}

/// How a text stands in the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    /// With the escapes of JSON.
    Escaped,
}

/// A line and a column, both from 1 on; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The parts of `input`. `document` is the input where it is JSON.
pub(super) fn parts<'a>(input: &'a str, document: Option<&'a Document>) -> Vec<Part<'a>> {
    let Some(document) = document else {
        return vec![Part { text: Cow::Borrowed(input), node: None, start: 0, spelling: Spelling::Plain }];
    };
    let begin = document.source().as_ptr().addr();
    let looked_at = |node: &Node<'_>| match node.kind() {
        Kind::Key | Kind::Text => true,
        Kind::Number => node.number().is_some_and(|digits| digits.len() >= DIGITS),
        Kind::Object | Kind::Array | Kind::Bool | Kind::Null => false,
    };
    let part = |node: Node<'a>| {
        let (text, quote, spelling) = match node.text() {
            Some(text) => (text, 1, Spelling::Escaped),
            None => (Cow::Borrowed(node.number().unwrap_or_default()), 0, Spelling::Plain),
        };
        Part { text, node: Some(node), start: node.raw().as_ptr().addr().saturating_sub(begin) + quote, spelling }
    };
    document.root().all().filter(looked_at).map(part).collect()
}

/// `input` as a document, where it is a JSON object or list.
pub(super) fn document(input: &str) -> Option<Document> {
    if !input.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let size = input.len();
    let bounds = Bounds { message: size, result: size, nesting: Bounds::DEEPEST, members: size, values: size, text: size };
    Document::parse(Bytes::copy_from_slice(input.as_bytes()), &bounds).ok()
}

/// The places of a document that stand under keys which give credit.
pub(super) struct Credits(Vec<Range<u32>>);

impl Credits {
    /// Those of a document, where there is one.
    pub(super) fn of(document: Option<&Document>) -> Self {
        Self(document.map(|document| credits(document.root())).unwrap_or_default())
    }

    /// Whether a part stands in one of them.
    pub(super) fn hold(&self, part: &Part<'_>) -> Credited {
        let held = part.node.is_some_and(|node| self.0.iter().any(|place| place.contains(&node.index())));
        if held { Credited::ByKey } else { Credited::Not }
    }
}

fn credits(root: Node<'_>) -> Vec<Range<u32>> {
    let members = root.all().filter(|node| node.kind() == Kind::Object).flat_map(Node::members);
    let giving = members.filter(|member| is_credit_key(&member.name()));
    giving.map(|member| member.value.index()..member.value.after()).collect()
}

impl Part<'_> {
    /// Where it stands in a JSON text (RFC 6901); a key has the path of its member.
    pub(super) fn path(&self) -> Option<String> {
        self.node.map(Node::pointer)
    }

    /// Where byte `at` of the text stands in `input`.
    pub(super) fn spot(&self, input: &str, at: usize) -> Spot {
        let raw = input.get(self.start..).unwrap_or_default();
        let offset = match self.spelling {
            Spelling::Plain => at,
            Spelling::Escaped => written(raw, at),
        };
        let before = input.get(..input.floor_char_boundary(self.start + offset)).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Spot { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

/// Where byte `at` of what a JSON string stands for is written in it (RFC 8259 §7).
fn written(raw: &str, at: usize) -> usize {
    let (mut read, mut letters) = (0, raw.char_indices().peekable());
    while read < at {
        let Some((place, letter)) = letters.next() else { break };
        if letter != '\\' {
            read += letter.len_utf8();
            continue;
        }
        let Some((_, escape)) = letters.next() else { break };
        if escape != 'u' {
            read += 1;
            continue;
        }
        let unit = raw.get(place + 2..place + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_default();
        let pair = (0xd800..0xdc00).contains(&unit);
        read += if pair { 4 } else { char::from_u32(unit).map_or(3, char::len_utf8) };
        letters.nth(if pair { 9 } else { 3 });
    }
    letters.next().map_or(raw.len(), |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_an_escaped_string_is_that_of_its_escape() {
        for (raw, text, at) in
            [(r"a\nb", "a\nb", 2), (r"\u00e9x", "éx", 2), (r"\ud83d\ude00x", "😀x", 4), (r#"\"\\x"#, "\"\\x", 2), ("éx", "éx", 2)]
        {
            let expected = raw.find(&text[at..]).unwrap();
            assert_eq!(written(raw, at), expected, "{raw}");
        }
        assert_eq!(written(r"\ud83d\ude00\ud83d\ude00x", 8), 24);
        assert_eq!(written("ab", 9), 2);
        assert_eq!(written(r"\", 9), 1);
    }

    #[test]
    fn the_strings_of_a_message_have_paths_and_places() {
        let input = "{\n  \"a/b\": [\"x\\ny\", 12345678, true]\n}";
        let document = document(input);
        let parts = parts(input, document.as_ref());
        let paths: Vec<_> = parts.iter().map(|part| part.path().unwrap()).collect();
        assert_eq!(paths, ["/a~1b", "/a~1b/0", "/a~1b/1"]);
        assert_eq!(parts[1].spot(input, 2), Spot { line: 2, column: 15 });
        assert_eq!(parts[2].spot(input, 0), Spot { line: 2, column: 19 });
        let input = r#"{"authors": [{"name": "Jane Doe"}], "other": "Jane Doe"}"#;
        let document = super::document(input);
        let credits = Credits::of(document.as_ref());
        let held: Vec<_> = super::parts(input, document.as_ref()).iter().map(|part| credits.hold(part)).collect();
        assert_eq!(held, [Credited::Not, Credited::ByKey, Credited::ByKey, Credited::Not, Credited::Not]);
        assert!(super::document("no json").is_none() && super::document("[1, ").is_none());
    }
}
