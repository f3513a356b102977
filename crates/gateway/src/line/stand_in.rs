//! Structured content out of which something was taken stays true to the schema that its tool promised.
//!
//! Where a mark does not fit (a number, a date, a short text), a value stands in for it that fits and says nothing, and the client is told where.

use crate::snapshot::Item;
use guards::schema::Compiled;
use mcp::{Edits, Node};
use serde_json::Value;

/// Where the client is told, in `_meta`: a list of places (RFC 6901) in the structured content.
pub(super) const TOLD: &str = "dev.bastide/stand-ins";
/// Places of one answer in which something may stand in; beyond, it is withheld.
const MOST: usize = 256;
/// Texts that stand in, for whatever format a schema asks for; `#` is a number that tells one from another.
const TEXTS: [&str; 9] = [
    "redacted-#@redacted.invalid",
    "redacted:#",
    "https://redacted.invalid/#",
    "redacted",
    "1970-01-01",
    "1970-01-01T00:00:00Z",
    "00000000-0000-0000-0000-000000000000",
    "#",
    "",
];

/// Makes what `redacted` leaves of the structured content of `result` fit what the tool promised; gives the places where something stands in.
///
/// # Errors
/// A sentence for the record, where nothing fits.
pub(super) fn fit(item: &Item, result: Node<'_>, redacted: &mut Edits) -> Result<Vec<String>, String> {
    let Some(content) = result.get("structuredContent").filter(|content| redacted.change(*content)) else { return Ok(Vec::new()) };
    let Some(Ok(schema)) = &item.output else { return Ok(Vec::new()) };
    if result.get("isError").and_then(Node::truth) == Some(true) {
        return Ok(Vec::new());
    }
    let base = content.pointer();
    let changed: Vec<(String, Node<'_>)> = content
        .all()
        .filter(|node| redacted.change(*node) && node.members().next().is_none() && node.items().next().is_none())
        .map(|node| (node.pointer().strip_prefix(base.as_str()).unwrap_or_default().to_owned(), node))
        .collect();
    let mut places = Vec::new();
    while let Err(pointer) = check(schema, content, redacted) {
        let found = changed.iter().find(|(place, _)| *place == pointer && !places.contains(place));
        let (place, node) =
            found.filter(|_| places.len() < MOST).ok_or_else(|| format!("what was taken out leaves what does not fit at {pointer}"))?;
        let mut candidates = candidates(*node, places.len() + 1).into_iter();
        loop {
            let candidate = candidates.next().ok_or_else(|| format!("nothing can stand in at {place}"))?;
            redacted.replace(node.index(), candidate);
            match check(schema, content, redacted) {
                Err(still) if still == *place => {}
                Ok(()) | Err(_) => break,
            }
        }
        places.push(place.clone());
    }
    Ok(places)
}

/// What may stand in for a value of this sort, as JSON.
fn candidates(node: Node<'_>, number: usize) -> Vec<Vec<u8>> {
    let texts = TEXTS.iter().map(|text| Value::from(text.replace('#', &number.to_string())).to_string().into_bytes());
    if node.number().is_some() { vec![b"0".to_vec(), b"1".to_vec()] } else { texts.collect() }
}

/// Whether what is left fits; else the place that does not.
fn check(schema: &Compiled, content: Node<'_>, redacted: &Edits) -> Result<(), String> {
    let mut text = Vec::with_capacity(content.raw().len() + 64);
    content.print(redacted, &mut text);
    let value: Value = serde_json::from_slice(&text).map_err(|_| "?".to_owned())?;
    schema.check(&value).map_err(|mismatch| mismatch.pointer)
}
