//! Changing a parsed text without parsing it anew: what was redacted, renamed or taken out is known by the index of its node.

use super::{Document, Kind, Node};
use crate::json;
use std::collections::BTreeMap;

/// What becomes of a node.
#[derive(Clone, Debug)]
enum Edit {
    Text(String),
    Raw(Vec<u8>),
    Remove,
}

/// Changes to one document, by the index of the node; the last change of a node counts.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    nodes: BTreeMap<u32, Edit>,
    enclosed: BTreeMap<u32, &'static str>,
    appended: BTreeMap<u32, Vec<(String, Vec<u8>)>>,
}

impl Edits {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.enclosed.is_empty() && self.appended.is_empty()
    }

    /// The node becomes this string; of a key, the key does.
    pub fn set_text(&mut self, node: u32, text: impl Into<String>) -> &mut Self {
        self.nodes.insert(node, Edit::Text(text.into()));
        self
    }

    /// The node becomes this JSON, which the caller vouches for; for a key it must be a string.
    pub fn replace(&mut self, node: u32, json: impl Into<Vec<u8>>) -> &mut Self {
        self.nodes.insert(node, Edit::Raw(json.into()));
        self
    }

    /// The member with this value (or key), or the item of an array, goes. The outermost value cannot go and becomes `null`.
    pub fn remove(&mut self, node: u32) -> &mut Self {
        self.nodes.insert(node, Edit::Remove);
        self
    }

    /// The object gets a member at its end; `json` is vouched for by the caller, and so is that the key is not there yet.
    pub fn append(&mut self, object: u32, key: impl Into<String>, json: impl Into<Vec<u8>>) -> &mut Self {
        self.appended.entry(object).or_default().push((key.into(), json.into()));
        self
    }

    /// The value, with whatever else is changed in it, becomes the only member of an object: `{"key":value}`. Not for keys.
    pub fn enclose(&mut self, node: u32, key: &'static str) -> &mut Self {
        self.enclosed.insert(node, key);
        self
    }

    /// These changes and `others`, which count where both change a node; but what goes is gone.
    pub fn extend(&mut self, others: Self) -> &mut Self {
        for (node, edit) in others.nodes {
            if !matches!(self.nodes.get(&node), Some(Edit::Remove)) {
                self.nodes.insert(node, edit);
            }
        }
        self.enclosed.extend(others.enclosed);
        for (object, members) in others.appended {
            self.appended.entry(object).or_default().extend(members);
        }
        self
    }

    /// Whether anything in `node` changes.
    pub fn change(&self, node: Node<'_>) -> bool {
        self.touches(node)
    }

    fn removes(&self, node: Node<'_>) -> bool {
        matches!(self.nodes.get(&node.index()), Some(Edit::Remove))
    }

    fn touches(&self, node: Node<'_>) -> bool {
        let span = node.index()..node.after();
        self.nodes.range(span.clone()).next().is_some()
            || self.appended.range(span.clone()).next().is_some()
            || self.enclosed.range(span).next().is_some()
    }
}

impl Document {
    /// Appends the compact print of the whole with `edits` to `out`: source order, numbers as spelled, strings in RFC 8785 form.
    pub fn print(&self, edits: &Edits, out: &mut Vec<u8>) {
        self.root().print(edits, out);
    }
}

impl Node<'_> {
    /// Appends the compact print of this value with `edits` to `out`, as [`Document::print`] does of the whole.
    pub fn print(self, edits: &Edits, out: &mut Vec<u8>) {
        let Some(key) = edits.enclosed.get(&self.index()) else { return self.print_bare(edits, out) };
        out.push(b'{');
        json::write_str(out, key);
        out.push(b':');
        self.print_bare(edits, out);
        out.push(b'}');
    }

    fn print_bare(self, edits: &Edits, out: &mut Vec<u8>) {
        match edits.nodes.get(&self.index()) {
            Some(Edit::Text(text)) => return json::write_str(out, text),
            Some(Edit::Raw(json)) => return out.extend_from_slice(json),
            Some(Edit::Remove) => return out.extend_from_slice(b"null"),
            None => {}
        }
        if !self.inner.tape.notes.loose && !edits.touches(self) {
            return out.extend_from_slice(self.raw());
        }
        match self.kind() {
            Kind::Null | Kind::Bool | Kind::Number => out.extend_from_slice(self.raw()),
            Kind::Text | Kind::Key => self.print_text(out),
            Kind::Array => {
                out.push(b'[');
                let mut first = true;
                for item in self.items().filter(|item| !edits.removes(*item)) {
                    separate(&mut first, out);
                    item.print(edits, out);
                }
                out.push(b']');
            }
            Kind::Object => {
                out.push(b'{');
                let mut first = true;
                for member in self.members().filter(|member| !edits.removes(member.value) && !edits.removes(member.key)) {
                    separate(&mut first, out);
                    member.key.print(edits, out);
                    out.push(b':');
                    member.value.print(edits, out);
                }
                for (key, json) in edits.appended.get(&self.index()).into_iter().flatten() {
                    separate(&mut first, out);
                    json::write_str(out, key);
                    out.push(b':');
                    out.extend_from_slice(json);
                }
                out.push(b'}');
            }
        }
    }
}

fn separate(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bounds;
    use bytes::Bytes;

    fn printed(source: &'static str, change: impl Fn(&Document, &mut Edits)) -> String {
        let document = Document::parse(Bytes::from_static(source.as_bytes()), &Bounds::default()).unwrap();
        let mut edits = Edits::new();
        change(&document, &mut edits);
        let mut out = Vec::new();
        document.print(&edits, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_goes_is_gone_whatever_else_is_said_of_it() {
        let out = printed(r#"{"a":"x","b":"y"}"#, |document, edits| {
            let (a, b) = (document.root().get("a").unwrap().index(), document.root().get("b").unwrap().index());
            let mut others = Edits::new();
            others.set_text(a, "again").set_text(b, "other");
            edits.remove(a).set_text(b, "one");
            edits.extend(others);
        });
        assert_eq!(out, r#"{"b":"other"}"#);
    }

    #[test]
    fn edits_change_what_they_name_and_nothing_else() {
        for source in
            [r#"{"b":[1,"x",2.50],"a":{},"c":{"d":null}}"#, "{ \"b\" : [ 1 , \"\\u0078\" , 2.50 ] ,\n \"a\" : { } , \"c\" : {\"d\":null} }"]
        {
            assert_eq!(printed(source, |_, _| {}), r#"{"b":[1,"x",2.50],"a":{},"c":{"d":null}}"#);
            let out = printed(source, |document, edits| {
                let root = document.root();
                edits.set_text(root.get("b").unwrap().items().nth(1).unwrap().index(), "\"y");
                edits.remove(root.get("b").unwrap().items().next().unwrap().index());
                edits.append(root.get("a").unwrap().index(), "k", *b"[0]");
                edits.append(root.get("a").unwrap().index(), "l", *b"1");
                edits.remove(root.get("c").unwrap().get("d").unwrap().index());
                edits.set_text(root.members().next().unwrap().key.index(), "B");
            });
            assert_eq!(out, r#"{"B":["\"y",2.50],"a":{"k":[0],"l":1},"c":{}}"#);
        }
    }
}
