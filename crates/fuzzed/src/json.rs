//! JSON: what is read, and what is printed of it.

use crate::grammar::Maker;
use crate::input::Given;
use crate::tree::Tree;
use crate::{Input, grammar};
use bytes::Bytes;
use mcp::{Bounds, Document, Edits, Kind, Node};
use serde_json::Value;

/// The compact print of a document.
pub(crate) fn compact(document: &Document) -> Bytes {
    let mut out = Vec::with_capacity(document.source().len());
    document.print(&Edits::new(), &mut out);
    out.into()
}

/// The canonical print of a value.
pub(crate) fn canonical(node: Node<'_>) -> Bytes {
    let mut out = Vec::new();
    node.canonical(&mut out);
    out.into()
}

/// What another reader makes of a text; none when it does not take it.
pub(crate) fn others(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text).map_err(|fault| fault.to_string())
}

/// Whether a value of ours is that of another reader. Numbers beyond what a double carries are not compared.
pub(crate) fn alike(ours: Node<'_>, theirs: &Value) -> bool {
    match (ours.kind(), theirs) {
        (Kind::Null, Value::Null) => true,
        (Kind::Bool, Value::Bool(truth)) => ours.truth() == Some(*truth),
        (Kind::Number, Value::Number(number)) => match (ours.integer(), number.as_i64(), ours.float(), number.as_f64()) {
            (Some(one), Some(other), ..) => one == other,
            (_, _, Some(one), Some(other)) => one == other || (one - other).abs() <= one.abs() * 1e-15,
            _ => false,
        },
        (Kind::Text, Value::String(text)) => ours.text().as_deref() == Some(text),
        (Kind::Array, Value::Array(items)) => {
            ours.items().count() == items.len() && ours.items().zip(items).all(|(one, other)| alike(one, other))
        }
        (Kind::Object, Value::Object(members)) => {
            ours.members().count() == members.len()
                && ours.members().all(|member| members.get(&*member.name()).is_some_and(|other| alike(member.value, other)))
        }
        _ => false,
    }
}

/// Rows of the table of strict parsing that others do not have: limits, doubled keys, controls in keys.
const OWN_ROWS: [u8; 6] = [6, 9, 11, 12, 13, 14];

pub(crate) fn read(bytes: &[u8]) {
    let (text, bounds) = match Given::of(bytes) {
        Given::Raw(text) => (text, Bounds::default()),
        Given::Built(mut input) => {
            let defaults = Bounds::default();
            let bounds = if input.rarely(4) {
                let (message, text) = (input.pick(&[64, 4096, defaults.message]), input.pick(&[4, 64, defaults.text]));
                Bounds { nesting: 1 + input.below(8), members: 1 + input.below(6), values: 1 + input.below(40), message, text, ..defaults }
            } else {
                defaults
            };
            (built(&mut input), bounds)
        }
    };
    let theirs = others(&text);
    match Document::parse(text.clone(), &bounds) {
        Ok(document) => {
            match &theirs {
                Ok(theirs) => assert!(alike(document.root(), theirs), "we read another value than others do"),
                Err(why) => assert!(why.contains("number out of range"), "others refuse what we accept: {why}"),
            }
            within(document.root(), &bounds);
            assert!(text.len() <= bounds.message);
            let compacted = compact(&document);
            let again = Document::parse(compacted.clone(), &Bounds::default()).expect("our print is JSON");
            assert_eq!(compact(&again), compacted, "the print is a fixed point");
            assert_eq!(Tree::of(again.root()), Tree::of(document.root()), "the print says the same");
            let sorted = canonical(document.root());
            let again = Document::parse(sorted.clone(), &Bounds::default()).expect("the canonical print is JSON");
            assert_eq!(canonical(again.root()), sorted, "the canonical print is a fixed point");
            assert_eq!(compact(&again), sorted, "the canonical print is compact");
            for at in (0..document.nodes()).take(200) {
                let node = document.node(at).expect("a node");
                let pointer = node.pointer();
                assert!(at == 0 || pointer.starts_with('/'));
                if let (Ok(theirs), true) = (&theirs, node.kind() != Kind::Key) {
                    let found = theirs.pointer(&pointer).expect("others find it there too");
                    assert!(alike(node, found), "the pointer {pointer:?} leads elsewhere");
                }
            }
            if let Ok(value) = document.root().to_value() {
                assert!(alike(document.root(), &value));
            }
            let _ = document.root().numbers_exact();
        }
        Err(fault) => {
            assert!(fault.row >= 1 && !fault.body().is_empty());
            assert!(theirs.is_err() || OWN_ROWS.contains(&fault.row), "others accept what we refuse by row {}", fault.row);
        }
    }
}

fn within(node: Node<'_>, bounds: &Bounds) {
    fn depth(node: Node<'_>) -> usize {
        let deepest = node.items().map(depth).chain(node.members().map(|member| depth(member.value))).max().unwrap_or(0);
        usize::from(matches!(node.kind(), Kind::Array | Kind::Object)) + deepest
    }
    assert!(depth(node) <= bounds.nesting, "deeper than allowed");
    let values = node.all().filter(|node| node.kind() != Kind::Key).count();
    assert!(values <= bounds.values, "more values than allowed");
    for inner in node.all() {
        assert!(inner.members().count() <= bounds.members, "more members than allowed");
        assert!(inner.text().is_none() || inner.raw().len() <= bounds.text + 2, "a longer text than allowed");
    }
}

/// A text of JSON, or of what is nearly JSON.
fn built(input: &mut Input<'_>) -> Bytes {
    let revision = input.pick(&grammar::SPOKEN);
    let mut tree = Maker { input, revision }.anything();
    for _ in 0..input.below(4) {
        tree.change(input);
    }
    let mut text = tree.spelled(input);
    spoil(&mut text, input);
    text.into()
}

/// Changes single bytes, rarely.
pub(crate) fn spoil(text: &mut Vec<u8>, input: &mut Input<'_>) {
    if !input.rarely(4) || text.is_empty() {
        return;
    }
    let at = input.below(text.len());
    let pieces: [&[u8]; 12] = [b"\\ud800", b"\xEF\xBB\xBF", b"\xff", b"\0", b",", b"\\", b"\"", b"//", b"+1", b"NaN", b"\\u0000", b"}{"];
    match input.below(4) {
        0 => text.truncate(at),
        1 => drop(text.splice(at..at, input.pick(&pieces).iter().copied())),
        2 => text[at] ^= 1 << input.below(8),
        _ => drop(text.remove(at)),
    }
}

pub(crate) fn edited(bytes: &[u8]) {
    let (text, mut input) = match Given::of(bytes) {
        Given::Raw(text) => (text, Input::new(bytes)),
        Given::Built(mut input) => (built(&mut input), input),
    };
    let Ok(document) = Document::parse(text, &Bounds::default()) else { return };
    let mut edits = Edits::new();
    let mut model = Tree::of(document.root());
    let nodes = document.nodes() as usize;
    // One node at most is changed at each place, and none in what another change takes away.
    let at = input.below(nodes) as u32;
    let node = document.node(at).expect("a node");
    let change = input.below(5);
    if node.kind() == Kind::Key {
        edits.set_text(at, "\"changed\"");
    } else {
        match change {
            0 => edits.set_text(at, "new\n"),
            1 => edits.replace(at, *b"[1,{}]"),
            2 => edits.remove(at),
            3 if node.kind() == Kind::Object && node.get("added").is_none() => edits.append(at, "added", *b"7"),
            _ => edits.enclose(at, "inside"),
        };
    }
    apply(&mut model, document.root(), at, change);
    let mut out = Vec::new();
    document.print(&edits, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&printed(&model)), "what is printed is what the edits make of it");
}

/// The model of [`edited`].
fn apply(tree: &mut Tree, node: Node<'_>, at: u32, change: usize) {
    if node.index() == at {
        *tree = match change {
            0 => "new\n".into(),
            1 => Tree::Array(vec![1.into(), Tree::Object(Vec::new())]),
            2 => Tree::Null,
            3 if node.kind() == Kind::Object && node.get("added").is_none() => {
                tree.put("added", 7.into());
                return;
            }
            _ => Tree::Object(vec![("inside".to_owned(), std::mem::replace(tree, Tree::Null))]),
        };
        return;
    }
    match tree {
        Tree::Array(items) => {
            let gone = node.items().position(|item| item.index() == at && change == 2);
            if let Some(gone) = gone {
                items.remove(gone);
                return;
            }
            items.iter_mut().zip(node.items()).for_each(|(item, node)| apply(item, node, at, change));
        }
        Tree::Object(members) => {
            let gone = node.members().position(|member| member.value.index() == at && change == 2);
            if let Some(gone) = gone {
                members.remove(gone);
                return;
            }
            for ((key, value), member) in members.iter_mut().zip(node.members()) {
                if member.key.index() == at {
                    *key = "\"changed\"".to_owned();
                }
                apply(value, member.value, at, change);
            }
        }
        _ => {}
    }
}

/// The compact print of a tree, strings in the form of RFC 8785.
fn printed(tree: &Tree) -> Vec<u8> {
    fn write(tree: &Tree, out: &mut Vec<u8>) {
        match tree {
            Tree::Text(text) => mcp::json::write_str(out, text),
            Tree::Array(items) => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    write(item, out);
                }
                out.push(b']');
            }
            Tree::Object(members) => {
                out.push(b'{');
                for (place, (key, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    mcp::json::write_str(out, key);
                    out.push(b':');
                    write(value, out);
                }
                out.push(b'}');
            }
            plain => plain.print(out),
        }
    }
    let mut out = Vec::new();
    write(tree, &mut out);
    out
}
