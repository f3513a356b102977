//! What a resource or a tool gives back at once is bounded in bytes and lines.
//!
//! A resource is handed out in pages. What ends a page says so, and names the address of the next: `bastide-page:` and a sealed cursor, read by
//! `resources/read` as any resource is, which every revision of the protocol has. Each page is a call of its own on the whole line, and the resource
//! is read anew for it; where it has changed, the page is refused. The result of a tool is cut, since no call is made twice: what was cut off is gone.
//!
//! What is cut was screened whole before, so that nothing passes that lies across the border.

use super::forward::Forwarded;
use super::resolve::Target;
use super::screen::own_bounds;
use crate::cursor::Cursor;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::snapshot::Bound;
use crate::trail::{Shown, Trail};
use mcp::{Document, Edits, Node, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use terms::{Code, Hole};

/// What the address of a further page begins with.
pub(super) const PAGE: &str = "bastide-page:";

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// After how many bytes.
    pub(crate) from: usize,
    /// Of what, by [`digest`].
    pub(crate) digest: String,
}

/// A part of a result that has a length.
struct Piece<'a> {
    item: Node<'a>,
    node: Node<'a>,
    text: Cow<'a, str>,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// Text: cut between two characters.
    Text,
    /// Bytes in Base64: cut between two groups of four characters.
    Bytes,
}

/// How bytes in Base64 are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// Between groups.
    Groups,
    /// Not at all: an image of which a part is missing is none.
    Never,
}

/// Bounds `text`, a result that is clean and about to go out.
pub(super) fn bounded(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, text: Vec<u8>) -> Result<Vec<u8>, Halt> {
    match forwarded.target() {
        Target::Resource(server, uri) => {
            let page = trail.page.take();
            if page.is_none() && fits(&text, server.resources) {
                return Ok(text);
            }
            let next = |from: usize, digest: String| {
                let cursor = Cursor::Page { server: server.name.clone(), uri: uri.clone(), from, digest };
                let configuration = &forwarded.recorded().authorized().decided().inspected().resolved().snapshot().digest;
                let sealed = gate.cursors.seal(&*gate.entropy, &cursor, forwarded.session().id, configuration, gate.clock.utc());
                sealed.map(|sealed| format!("{PAGE}{sealed}"))
            };
            resource(trail, text, server.resources, page.as_deref(), next)
        }
        Target::Tool(_, item, _) => match item.bound {
            Some(bound) if !fits(&text, bound) => tool(trail, text, bound, item.output.is_some()),
            _ => Ok(text),
        },
        _ => Ok(text),
    }
}

/// Whether it certainly fits: what is printed is no shorter than what it says, and a line's end takes two bytes of it.
fn fits(text: &[u8], bound: Bound) -> bool {
    let ends = || text.windows(2).filter(|pair| pair == b"\\n").count();
    text.len() <= bound.bytes && (text.len() / 2 < bound.lines || ends() < bound.lines)
}

fn resource(
    trail: &mut Trail,
    text: Vec<u8>,
    bound: Bound,
    page: Option<&Page>,
    next: impl FnOnce(usize, String) -> Option<String>,
) -> Result<Vec<u8>, Halt> {
    let document = read(trail, text)?;
    let root = document.root();
    let Some(contents) = root.get("contents") else { return Ok(root.raw().to_vec()) };
    let pieces: Vec<Piece<'_>> = contents.items().filter_map(|item| Piece::new(item, item)).collect();
    let whole: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    let digest = digest(&pieces);
    let from = page.map_or(0, |page| page.from);
    if page.is_some_and(|page| page.digest != digest || page.from >= whole) {
        return Err(trail.refuse(Code::ResourceChanged));
    }
    let to = end(&pieces, from, bound, Split::Groups);
    if from == 0 && to == whole {
        return Ok(root.raw().to_vec());
    }
    trail.shown = Some(Box::new(Shown { from, to, whole }));
    let mut list = shown(contents, &pieces, from, to);
    let mut edits = Edits::new();
    if to < whole {
        let address = next(to, digest).ok_or_else(|| trail.refuse(Code::ScreenFault))?;
        if address.len() > mcp::Bounds::URI {
            return Err(trail.refuse_with(Code::ResourceLarge, Hole::Most(bound.bytes as u64)));
        }
        let said = format!(
            "[Bastide: bytes {from} to {to} of {whole}. What follows is the resource {address}, to be read by resources/read within the hour.]"
        );
        let mut note = Vec::with_capacity(said.len() + address.len() + 64);
        let mut object = json::Object::open(&mut note);
        object.text("mimeType", "text/plain").text("text", &said).text("uri", &address);
        object.close();
        list.push(note);
        let mut quoted = Vec::with_capacity(address.len() + 2);
        json::write_str(&mut quoted, &address);
        annotate(&mut edits, root, "dev.bastide/next", quoted);
    }
    edits.replace(contents.index(), array(&list));
    Ok(printed(root, &edits))
}

/// Notes `value`, one JSON value, in the `_meta` of a result or of params: where programs look.
pub(super) fn annotate(edits: &mut Edits, root: Node<'_>, name: &'static str, value: Vec<u8>) {
    match root.get("_meta") {
        Some(meta) => drop(edits.append(meta.index(), name, value)),
        None => {
            let mut meta = Vec::with_capacity(value.len() + name.len() + 8);
            let mut object = json::Object::open(&mut meta);
            object.raw(name, &value);
            object.close();
            edits.append(root.index(), "_meta", meta);
        }
    }
}

fn tool(trail: &mut Trail, text: Vec<u8>, bound: Bound, schema: bool) -> Result<Vec<u8>, Halt> {
    let document = read(trail, text)?;
    let root = document.root();
    let pieces: Vec<Piece<'_>> = root.get("content").into_iter().flat_map(Node::items).filter_map(Piece::of_block).collect();
    let whole: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    let to = end(&pieces, 0, bound, Split::Never);
    let structured = root.get("structuredContent");
    let large = structured.is_some_and(|content| content.raw().len() > bound.bytes);
    if to == whole && !large {
        return Ok(root.raw().to_vec());
    }
    if structured.is_some() && schema {
        // Whoever reads it by its schema would take what is left for the whole.
        return Err(trail.refuse_with(Code::ResourceLarge, Hole::Most(bound.bytes as u64)));
    }
    trail.shown = Some(Box::new(Shown { from: 0, to, whole }));
    let mut edits = Edits::new();
    if let Some(content) = structured {
        edits.remove(content.index());
    }
    if let Some(content) = root.get("content") {
        let mut list = shown(content, &pieces, 0, to);
        let said = format!("[Bastide: cut after {to} of {whole} bytes. Ask the tool for less at once.]");
        let mut note = Vec::with_capacity(said.len() + 32);
        let mut object = json::Object::open(&mut note);
        object.text("text", &said).text("type", "text");
        object.close();
        list.push(note);
        edits.replace(content.index(), array(&list));
    }
    Ok(printed(root, &edits))
}

impl<'a> Piece<'a> {
    /// What of `holder` has a length, for the item that it stands in.
    fn new(item: Node<'a>, holder: Node<'a>) -> Option<Self> {
        let member = |name: &str, sort| holder.get(name).and_then(|node| Some(Self { item, node, text: node.text()?, sort }));
        member("text", Sort::Text).or_else(|| member("blob", Sort::Bytes)).or_else(|| member("data", Sort::Bytes))
    }

    fn of_block(block: Node<'a>) -> Option<Self> {
        Self::new(block, block.get("resource").unwrap_or(block))
    }
}

/// Where a page that begins after `from` bytes ends.
fn end(pieces: &[Piece<'_>], from: usize, bound: Bound, split: Split) -> usize {
    let (mut bytes, mut lines) = (bound.bytes, bound.lines);
    let mut begins = 0;
    for piece in pieces {
        let length = piece.text.len();
        let skipped = from.saturating_sub(begins).min(length);
        let Some(rest) = piece.text.get(skipped..).filter(|rest| !rest.is_empty()) else {
            begins += length;
            continue;
        };
        let taken = match (piece.sort, split) {
            (Sort::Text, _) => {
                let taken = text_end(rest, bytes, lines);
                let given = rest.get(..taken).unwrap_or_default();
                lines = lines.saturating_sub(given.lines().count());
                taken
            }
            (Sort::Bytes, Split::Groups) => rest.len().min(bytes / 4 * 4),
            (Sort::Bytes, Split::Never) => {
                if rest.len() <= bytes {
                    rest.len()
                } else {
                    0
                }
            }
        };
        bytes -= taken.min(bytes);
        if taken < rest.len() {
            return begins + skipped + taken;
        }
        begins += length;
    }
    begins
}

/// How much of a text is at most so many bytes and lines, between two characters.
fn text_end(text: &str, bytes: usize, lines: usize) -> usize {
    if lines == 0 {
        return 0;
    }
    let within = text.floor_char_boundary(bytes);
    let ends = text.as_bytes().iter().take(within).enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(within)
}

/// The items of which something lies in `from..to`, each with that alone; those without a length with what follows them.
fn shown(list: Node<'_>, pieces: &[Piece<'_>], from: usize, to: usize) -> Vec<Vec<u8>> {
    let whole: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    let mut printed_items = Vec::new();
    let mut begins = 0;
    let within = |at: usize| at >= from && (at < to || to == whole);
    for item in list.items() {
        let Some(piece) = pieces.iter().find(|piece| piece.item.index() == item.index()) else {
            if within(begins) {
                printed_items.push(printed(item, &Edits::new()));
            }
            continue;
        };
        let length = piece.text.len();
        let (first, last) = (from.saturating_sub(begins).min(length), to.saturating_sub(begins).min(length));
        let empty = length == 0 && within(begins);
        if first < last || empty {
            let mut edits = Edits::new();
            if (first, last) != (0, length) {
                edits.set_text(piece.node.index(), piece.text.get(first..last).unwrap_or_default());
            }
            printed_items.push(printed(item, &edits));
        }
        begins += length;
    }
    printed_items
}

/// What all pages of a resource have in common as long as it does not change.
fn digest(pieces: &[Piece<'_>]) -> String {
    let mut whole = Sha256::new();
    for piece in pieces {
        whole.update((piece.text.len() as u64).to_be_bytes());
        whole.update(piece.text.as_bytes());
    }
    hex::encode(whole.finalize())
}

fn read(trail: &mut Trail, text: Vec<u8>) -> Result<Document, Halt> {
    // It is our own print of what was parsed within the bounds of a server's answer.
    let bounds = mcp::Bounds { message: usize::MAX, text: usize::MAX, ..own_bounds() };
    Document::parse(text.into(), &bounds).map_err(|fault| {
        trail.cause(&fault);
        trail.refuse(Code::ScreenFault)
    })
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut list = Vec::with_capacity(items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
    list.push(b'[');
    list.extend_from_slice(&items.join(&b','));
    list.push(b']');
    list
}

fn printed(node: Node<'_>, edits: &Edits) -> Vec<u8> {
    let mut text = Vec::with_capacity(node.raw().len() + 256);
    node.print(edits, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pieces_of(document: &Document) -> Vec<Piece<'_>> {
        document.root().get("contents").into_iter().flat_map(Node::items).filter_map(|item| Piece::new(item, item)).collect()
    }

    /// The pages of `contents`, put together again item by item.
    fn together(contents: &Value, bound: Bound) -> Vec<String> {
        let document = Document::parse(json!({"contents": contents}).to_string().into_bytes().into(), &own_bounds()).unwrap();
        let pieces = pieces_of(&document);
        let whole: usize = pieces.iter().map(|piece| piece.text.len()).sum();
        let mut texts: Vec<(String, String)> = Vec::new();
        let mut from = 0;
        loop {
            let to = end(&pieces, from, bound, Split::Groups);
            assert!(to > from || whole == 0, "a page moves on");
            assert!(to - from <= bound.bytes);
            let list = document.root().get("contents").unwrap();
            let mut lines = 0;
            for item in shown(list, &pieces, from, to) {
                let item: Value = serde_json::from_slice(&item).unwrap();
                let text = item.get("text").or_else(|| item.get("blob")).and_then(Value::as_str).unwrap().to_owned();
                if item.get("text").is_some() {
                    lines += text.lines().count();
                } else {
                    assert_eq!(text.len() % 4, 0);
                }
                let uri = item["uri"].as_str().unwrap().to_owned();
                match texts.last_mut().filter(|(last, _)| *last == uri) {
                    Some((_, before)) => before.push_str(&text),
                    None => texts.push((uri, text)),
                }
            }
            assert!(lines <= bound.lines, "{lines} lines");
            from = to;
            if from == whole {
                return texts.into_iter().map(|(_, text)| text).collect();
            }
        }
    }

    #[test]
    fn pages_put_together_are_the_whole() {
        let letters = ['a', 'b', '\n', '\u{e4}', '\u{20ac}', '\u{1f600}'];
        let mut state = 7_u64;
        let mut below = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((state >> 33) % most).unwrap()
        };
        for _ in 0..2_000 {
            let mut wanted: Vec<String> = (0..1 + below(3)).map(|_| (0..below(40)).map(|_| letters[below(6)]).collect()).collect();
            let mut items: Vec<Value> =
                wanted.iter().enumerate().map(|(at, text)| json!({"uri": format!("a:{at}"), "text": text})).collect();
            if below(2) == 0 {
                let blob = "AbC1".repeat(below(20));
                items.push(json!({"uri": "a:blob", "blob": blob}));
                wanted.push(blob);
            }
            let bound = Bound { bytes: 4 + below(50), lines: 1 + below(9) };
            let full = |list: Vec<String>| list.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            assert_eq!(full(together(&Value::Array(items), bound)), full(wanted), "{bound:?}");
        }
    }

    #[test]
    fn what_certainly_fits_is_not_read_again() {
        let bound = Bound { bytes: 100, lines: 2 };
        assert!(fits(br#"{"text":"a\nb"}"#, bound) && !fits(br#"{"text":"a\nb\nc"}"#, bound));
        assert!(!fits(&[b'x'; 101], bound) && fits(&[b'x'; 100], bound));
    }
}
