//! A parsed JSON text: the bytes as they came, and a flat tape of where each value stands in them.
//!
//! Nothing is decoded before it is asked for, and nothing is lost: numbers keep their spelling, members their order. A [`Document`] is shared by
//! cloning; its [`Node`]s are small and borrow from it.

mod canonical;
mod edit;
mod number;
mod value;

pub use edit::Edits;

use crate::bounds::Bounds;
use crate::fault::{About, Fault, Place};
use crate::id::Id;
pub use crate::scan::Kind;
use crate::scan::{self, Entry, Flaw, Notes, Spelling, Tape};
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A JSON text that was parsed strictly. Cloning shares it.
#[derive(Clone)]
pub struct Document {
    inner: Arc<Inner>,
}

struct Inner {
    source: Bytes,
    tape: Tape,
}

const NOTHING: Entry = Entry { start: 0, end: 0, next: u32::MAX, kind: Kind::Null, spelling: Spelling::Plain };

impl Document {
    /// Parses `source`: RFC 8259, well-formed UTF-8 without a BOM, no doubled keys, within `bounds` (`message` is the limit of size).
    ///
    /// # Errors
    /// The [`Fault`] of rows 1 to 6, 9 (keys), 11 to 14 or 30. It carries the id of the message when exactly one valid one was read.
    pub fn parse(source: Bytes, bounds: &Bounds) -> Result<Self, Fault> {
        let document = Self::scan(source, bounds).map_err(|flaw| Fault::at(flaw.row, Place::Envelope, About::Unread))?;
        match document.flaw() {
            None => Ok(document),
            Some(flaw) => Err(Fault::at(flaw.row, Place::Envelope, About::Unread).with_id(document.only_id())),
        }
    }

    /// Parses as far as the structure can be read; the flaws that leave it readable are in [`Self::flaw`].
    pub(crate) fn scan(source: Bytes, bounds: &Bounds) -> Result<Self, Flaw> {
        if source.len() > bounds.message {
            return Err(Flaw { row: 12, at: 0 });
        }
        let tape = scan::scan(&source, bounds)?;
        Ok(Self { inner: Arc::new(Inner { source, tape }) })
    }

    /// The flaw that the scanner went past, a control in a key included.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        let notes = self.notes();
        notes.flaw.or(notes.control_key.map(|at| Flaw { row: 9, at }))
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.inner.tape.notes
    }

    /// The valid id of the outermost object, if it has exactly one member of that name.
    pub(crate) fn only_id(&self) -> Option<Id> {
        let mut ids = self.root().members().filter(|member| member.name() == "id");
        let first = ids.next()?;
        if ids.next().is_some() { None } else { Id::read(first.value).ok() }
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node { inner: &self.inner, at: 0 }
    }

    /// The node of this index, as [`Node::index`] told it.
    pub fn node(&self, index: u32) -> Option<Node<'_>> {
        self.inner.tape.entries.get(index as usize).map(|_| Node { inner: &self.inner, at: index })
    }

    /// The bytes as they came.
    pub fn source(&self) -> &Bytes {
        &self.inner.source
    }

    /// How many nodes there are, keys included.
    pub fn nodes(&self) -> u32 {
        self.inner.tape.entries.len() as u32
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Document({} bytes, {} nodes)", self.inner.source.len(), self.inner.tape.entries.len())
    }
}

/// One value or key of a [`Document`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    inner: &'a Inner,
    at: u32,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The key, of [`Kind::Key`].
    pub key: Node<'a>,
    /// The value.
    pub value: Node<'a>,
}

impl<'a> Member<'a> {
    /// The key's text, unescaped.
    pub fn name(&self) -> Cow<'a, str> {
        self.key.text().unwrap_or_default()
    }
}

impl<'a> Node<'a> {
    fn entry(self) -> &'a Entry {
        self.inner.tape.entries.get(self.at as usize).unwrap_or(&NOTHING)
    }

    fn sibling(self, at: u32) -> Self {
        Self { inner: self.inner, at }
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.entry().kind
    }

    /// Its place on the tape, stable for the life of the document.
    pub fn index(self) -> u32 {
        self.at
    }

    /// The index after it and all that it holds.
    pub fn after(self) -> u32 {
        self.entry().next
    }

    /// Its source: for a string with quotes and escapes, for an object or array with whatever blanks it was sent with.
    pub fn raw(self) -> &'a [u8] {
        let entry = self.entry();
        self.inner.source.get(entry.start as usize..entry.end as usize).unwrap_or_default()
    }

    /// Its source as shared bytes, without a copy.
    pub fn raw_bytes(self) -> Bytes {
        self.inner.source.slice_ref(self.raw())
    }

    /// The text of a string or key, unescaped; none for other kinds.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let entry = self.entry();
        matches!(entry.kind, Kind::Text | Kind::Key).then(|| scan::text(&self.inner.source, entry))
    }

    /// The source spelling of a number.
    pub fn number(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| std::str::from_utf8(self.raw()).unwrap_or_default())
    }

    /// The value of an integer without fraction or exponent that fits; `-0` is not one.
    pub fn integer(self) -> Option<i64> {
        self.number().filter(|text| *text != "-0").and_then(|text| text.parse().ok())
    }

    /// The number as the nearest double.
    pub fn float(self) -> Option<f64> {
        self.number().and_then(|text| text.parse().ok())
    }

    /// Whether it is `true`, or none if it is not a boolean.
    pub fn truth(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == b"true")
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The members of an object in source order; none for other kinds.
    pub fn members(self) -> Members<'a> {
        let end = if self.kind() == Kind::Object { self.after() } else { 0 };
        Members { node: self, at: self.at.saturating_add(1), end }
    }

    /// The items of an array in source order; none for other kinds.
    pub fn items(self) -> Items<'a> {
        let end = if self.kind() == Kind::Array { self.after() } else { 0 };
        Items { node: self, at: self.at.saturating_add(1), end }
    }

    /// The value of the member `key`, compared unescaped.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        self.members().find(|member| member.key.is_text(key)).map(|member| member.value)
    }

    /// Whether it is a string or key of this text.
    pub fn is_text(self, text: &str) -> bool {
        let entry = self.entry();
        match (entry.kind, entry.spelling) {
            (Kind::Text | Kind::Key, Spelling::Plain) => self.raw().get(1..self.raw().len().saturating_sub(1)) == Some(text.as_bytes()),
            (Kind::Text | Kind::Key, Spelling::Escaped | Spelling::Odd) => self.text().is_some_and(|own| own == text),
            _ => false,
        }
    }

    /// Where it stands (RFC 6901): `""` for the outermost value. A key has the pointer of its member.
    pub fn pointer(self) -> String {
        let mut pointer = String::new();
        let mut here = self.sibling(0);
        while here.at < self.at {
            let inside = |node: Node<'_>| node.at <= self.at && self.at < node.after();
            let step = match here.kind() {
                Kind::Object => here.members().find(|member| member.key.at == self.at || inside(member.value)).map(|member| {
                    (member.name().replace('~', "~0").replace('/', "~1"), if member.key.at == self.at { member.key } else { member.value })
                }),
                _ => here.items().enumerate().find(|(_, item)| inside(*item)).map(|(place, item)| (place.to_string(), item)),
            };
            let Some((token, next)) = step else { break };
            pointer.push('/');
            pointer.push_str(&token);
            here = next;
        }
        pointer
    }

    /// Every value and key in it, itself included, in source order.
    pub fn all(self) -> impl Iterator<Item = Node<'a>> {
        (self.at..self.after().min(self.inner.tape.entries.len() as u32)).map(move |at| self.sibling(at))
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Node({:?} at {})", self.kind(), self.at)
    }
}

/// The members of an object.
#[derive(Clone)]
pub struct Members<'a> {
    node: Node<'a>,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;
    fn next(&mut self) -> Option<Member<'a>> {
        if self.at >= self.end {
            return None;
        }
        let member = Member { key: self.node.sibling(self.at), value: self.node.sibling(self.at + 1) };
        self.at = member.value.after();
        Some(member)
    }
}

/// The items of an array.
#[derive(Clone)]
pub struct Items<'a> {
    node: Node<'a>,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;
    fn next(&mut self) -> Option<Node<'a>> {
        if self.at >= self.end {
            return None;
        }
        let item = self.node.sibling(self.at);
        self.at = item.after();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(source: &str) -> Document {
        Document::parse(Bytes::copy_from_slice(source.as_bytes()), &Bounds::default()).unwrap()
    }

    #[test]
    fn nodes_are_found_and_say_where_they_are() {
        let document = document(r#"{"a":{"x/y":[1,{"~":"t\u0065xt"}]},"b":-0}"#);
        let text = document.root().get("a").unwrap().get("x/y").unwrap().items().nth(1).unwrap().get("~").unwrap();
        assert_eq!(text.text().unwrap(), "text");
        assert_eq!(text.pointer(), "/a/x~1y/1/~0");
        assert_eq!(document.node(text.index() - 1).unwrap().pointer(), "/a/x~1y/1/~0");
        assert_eq!(document.root().pointer(), "");
        assert_eq!(document.root().get("b").unwrap().integer(), None);
        let strings: Vec<_> = document.root().all().filter_map(|node| node.text().map(Cow::into_owned)).collect();
        assert_eq!(strings, ["a", "x/y", "~", "text", "b"]);
        for index in 0..document.nodes() {
            assert_eq!(document.node(index).unwrap().index(), index);
            let _ = document.node(index).unwrap().pointer();
        }
    }

    #[test]
    fn a_fault_of_the_keys_carries_the_one_id() {
        let parse = |source: &'static str| Document::parse(Bytes::from_static(source.as_bytes()), &Bounds::default()).unwrap_err();
        assert_eq!(parse(r#"{"id":7,"a":1,"a":2}"#).id, Some(Id::Number(7)));
        assert_eq!(parse(r#"{"id":7,"a":1,"id":7}"#).id, None);
        assert_eq!(parse(r#"{"id":7,"\u0000":1}"#).row, 9);
    }
}
