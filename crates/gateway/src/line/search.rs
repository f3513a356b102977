//! The two tools of our own that stand for a long list: one searches what the list would show, the other calls one of these by name.
//!
//! They change what is listed, not what is allowed. A search shows what the list would, by the same decision; a wrapped call is unwrapped at
//! `resolve`, so that every stage after it sees the call of the tool itself.

use super::decide::Viewer;
use super::lists;
use super::resolve::Listing;
use crate::gate::Gate;
use crate::snapshot::{Item, Server};
use guards::Mismatch;
use mcp::{Kind, Node};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::cmp::Reverse;

/// The tool that searches. No server has this name on `/mcp`: the configuration refuses one that is called `bastide`.
pub(super) const SEARCH: &str = "bastide__search_tools";
/// The tool that calls another.
pub(crate) const CALL: &str = "bastide__call_tool";

/// Letters of a query.
const QUERY: usize = 256;
/// Letters of a name that is searched at or called.
const NAME: usize = 512;
/// Words of a query that are sought.
const WORDS: usize = 12;
/// Tools that are found where nothing is said of it, and at most.
const FOUND: (usize, usize) = (10, 50);
/// Bytes of a title or description that are searched.
const SEARCHED: usize = 2048;
/// Bytes of definitions in one answer; the first is in it, however long.
const BYTES: usize = 128 << 10;
/// What of a definition a search gives.
const GIVEN: [&str; 5] = ["name", "title", "description", "inputSchema", "annotations"];

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// It searches.
    Search,
    /// It calls.
    Call,
}

impl Own {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            SEARCH => Some(Self::Search),
            CALL => Some(Self::Call),
            _ => None,
        }
    }
}

/// Whether `name` is that of a tool of our own: where a record names no server beside it, it tells of no call of a server.
pub fn is_own(name: &str) -> bool {
    Own::named(name).is_some()
}

/// What is sought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// In lower case; none where everything is meant.
    words: Vec<String>,
    server: Option<String>,
    most: usize,
}

impl Sought {
    /// Reads the arguments of a search.
    ///
    /// # Errors
    /// The first [`Mismatch`] with what is listed as its schema.
    pub(super) fn read(arguments: Option<Node<'_>>) -> Result<Self, Mismatch> {
        let (mut query, mut server, mut most) = (None, None, FOUND.0);
        for (name, value) in members(arguments)? {
            match &*name {
                "query" => query = Some(text(value, "query", QUERY)?),
                "server" => server = Some(text(value, "server", NAME)?.into_owned()),
                "limit" => {
                    let count = value.integer().ok_or_else(|| mismatch("/limit", "type"))?;
                    let count = usize::try_from(count).ok().filter(|count| (1..=FOUND.1).contains(count));
                    most = count.ok_or_else(|| mismatch("/limit", if value.integer() > Some(0) { "maximum" } else { "minimum" }))?;
                }
                _ => return Err(mismatch("", "additionalProperties")),
            }
        }
        let query = query.ok_or_else(|| mismatch("", "required"))?.to_lowercase();
        let mut words: Vec<String> = Vec::new();
        for word in query.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if words.len() < WORDS && !words.iter().any(|one| one == word) {
                words.push(word.to_owned());
            }
        }
        Ok(Self { words, server, most })
    }

    /// How well a tool fits, the more the better; nothing where it does not.
    fn weigh(&self, item: &Item) -> Option<u32> {
        if self.words.is_empty() {
            return Some(0);
        }
        let name = item.shown.to_lowercase();
        let said = |key: &str| {
            let text = item.definition.get(key).and_then(Value::as_str).unwrap_or_default();
            text.get(..text.floor_char_boundary(SEARCHED)).unwrap_or_default().to_lowercase()
        };
        let (title, description) = (said("title"), said("description"));
        let weight = |word: &String| match () {
            () if name.split(|letter: char| !letter.is_alphanumeric()).any(|part| part == word) => 8,
            () if name.contains(word) => 5,
            () if title.contains(word) => 3,
            () if description.contains(word) => 2,
            () => 0,
        };
        Some(self.words.iter().map(weight).sum()).filter(|weight: &u32| *weight > 0)
    }
}

/// What a wrapped call holds: the name of the tool and its arguments.
///
/// # Errors
/// The first [`Mismatch`] with what is listed as the schema of the wrapper.
pub(super) fn unwrap(arguments: Option<Node<'_>>) -> Result<(Cow<'_, str>, Option<Node<'_>>), Mismatch> {
    let (mut name, mut inner) = (None, None);
    for (key, value) in members(arguments)? {
        match &*key {
            "name" => name = Some(text(value, "name", NAME)?),
            "arguments" if value.kind() == Kind::Object => inner = Some(value),
            "arguments" => return Err(mismatch("/arguments", "type")),
            _ => return Err(mismatch("", "additionalProperties")),
        }
    }
    Ok((name.ok_or_else(|| mismatch("", "required"))?, inner))
}

fn members(arguments: Option<Node<'_>>) -> Result<impl Iterator<Item = (Cow<'_, str>, Node<'_>)>, Mismatch> {
    let arguments = arguments.ok_or_else(|| mismatch("", "required"))?;
    if arguments.kind() != Kind::Object {
        return Err(mismatch("", "type"));
    }
    Ok(arguments.members().map(|member| (member.name(), member.value)))
}

fn text<'a>(value: Node<'a>, name: &str, most: usize) -> Result<Cow<'a, str>, Mismatch> {
    let text = value.text().ok_or_else(|| mismatch(&format!("/{name}"), "type"))?;
    if text.chars().count() > most { Err(mismatch(&format!("/{name}"), "maxLength")) } else { Ok(text) }
}

fn mismatch(pointer: &str, keyword: &'static str) -> Mismatch {
    Mismatch { pointer: pointer.to_owned(), keyword: Cow::Borrowed(keyword) }
}

/// The two as a list shows them.
pub(super) fn definitions() -> [Map<String, Value>; 2] {
    let word = |most: usize, about: &str| json!({"type": "string", "maxLength": most, "description": about});
    let search = Map::from_iter([
        ("name".to_owned(), json!(SEARCH)),
        (
            "description".to_owned(),
            json!("Finds the tools that may be called here: names, descriptions and input schemas, best match first."),
        ),
        (
            "inputSchema".to_owned(),
            json!({"type": "object", "required": ["query"], "additionalProperties": false, "properties": {
                "query": word(QUERY, "Words to look for in names and descriptions. Empty: all."),
                "server": word(NAME, "Only tools of this server."),
                "limit": {"type": "integer", "minimum": 1, "maximum": FOUND.1, "default": FOUND.0, "description": "How many at most."},
            }}),
        ),
        ("annotations".to_owned(), json!({"readOnlyHint": true, "openWorldHint": false})),
    ]);
    let call = Map::from_iter([
        ("name".to_owned(), json!(CALL)),
        (
            "description".to_owned(),
            json!(format!("Calls a tool that {SEARCH} has found. It is allowed, checked and recorded as that tool.")),
        ),
        (
            "inputSchema".to_owned(),
            json!({"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
                "name": word(NAME, "The name of the tool, as it was found."),
                "arguments": {"type": "object", "description": "What its input schema asks for."},
            }}),
        ),
    ]);
    [search, call]
}

/// The answer to a search: a tool's result.
pub(super) fn answer(gate: &Gate, viewer: Viewer<'_>, sought: &Sought) -> Vec<u8> {
    let at = |server: &Server| sought.server.as_deref().is_none_or(|wanted| wanted == server.name.as_str());
    let seen = lists::seen(gate, viewer, Listing::Tools).filter(|(server, _)| at(server));
    let mut fitting: Vec<_> = seen.filter_map(|(server, item)| sought.weigh(item).map(|weight| (weight, server, item))).collect();
    fitting.sort_by_key(|(weight, ..)| Reverse(*weight));
    let mut tools = Vec::new();
    let mut bytes = 0_usize;
    for (_, server, item) in fitting.iter().take(sought.most) {
        let Some(mut definition) = lists::definition(item, server, viewer.session, Listing::Tools) else { continue };
        definition.retain(|key, _| GIVEN.contains(&key.as_str()));
        let tool = Value::Object(definition);
        bytes = bytes.saturating_add(tool.to_string().len());
        if bytes > BYTES && !tools.is_empty() {
            break;
        }
        tools.push(tool);
    }
    let more = fitting.len() - tools.len();
    let found = json!({"tools": tools, "more": more});
    json!({"content": [{"type": "text", "text": found.to_string()}], "structuredContent": found}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp::{Bounds, Document};

    fn parsed(text: &'static str) -> Document {
        Document::parse(text.into(), &Bounds::default()).unwrap()
    }

    #[test]
    fn a_query_is_taken_apart_into_words() {
        let found = parsed(r#"{"query": "Send-mail, SEND to Ärzte!", "server": "post", "limit": 3}"#);
        let found = Sought::read(Some(found.root())).unwrap();
        assert_eq!(found.words, ["send", "mail", "to", "ärzte"]);
        assert_eq!((found.server.as_deref(), found.most), (Some("post"), 3));
        assert!(Sought::read(Some(parsed(r#"{"query": " ?! "}"#).root())).unwrap().words.is_empty());
    }

    #[test]
    fn what_does_not_fit_a_search_or_a_call_is_said() {
        for (text, pointer, keyword) in [
            ("{}", "", "required"),
            ("[]", "", "type"),
            (r#"{"query": 1}"#, "/query", "type"),
            (r#"{"query": "a", "limit": 0}"#, "/limit", "minimum"),
            (r#"{"query": "a", "limit": 51}"#, "/limit", "maximum"),
            (r#"{"query": "a", "limit": 1.5}"#, "/limit", "type"),
            (r#"{"query": "a", "role": "x"}"#, "", "additionalProperties"),
        ] {
            let found = Sought::read(Some(parsed(text).root())).unwrap_err();
            assert_eq!((found.pointer.as_str(), &*found.keyword), (pointer, keyword), "{text}");
        }
        for (text, pointer, keyword) in [
            ("{}", "", "required"),
            (r#"{"name": "a", "arguments": "{}"}"#, "/arguments", "type"),
            (r#"{"name": ["a"]}"#, "/name", "type"),
            (r#"{"name": "a", "_meta": {}}"#, "", "additionalProperties"),
        ] {
            let found = unwrap(Some(parsed(text).root())).map(|(name, _)| name.into_owned()).unwrap_err();
            assert_eq!((found.pointer.as_str(), &*found.keyword), (pointer, keyword), "{text}");
        }
        assert_eq!(unwrap(None).err().map(|found| found.keyword), Some("required".into()));
    }
}
