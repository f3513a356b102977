//! Tokens of the session in arguments are turned back into the values that they stand for, where the server may have those.
//!
//! It is done before schema, guards and policy look at the arguments, so that what is judged is what is sent. The record keeps the tokens.

use crate::session::Session;
use crate::session::tokens::Going;
use crate::snapshot::Server;
use mcp::{Bounds, Document, Edits, Kind, Node};
use zeroize::Zeroizing;

/// Arguments with values in the place of tokens.
pub(crate) struct Restored {
    /// The arguments; none where no token was turned back.
    pub(super) arguments: Option<Document>,
    /// The tokens that were turned back.
    pub(crate) restored: Vec<String>,
    /// Those of the session that were not: the server may not have what they stand for.
    pub(crate) kept: Vec<String>,
}

/// Turns back the tokens in arguments on their way to `server`; none where there are no tokens.
pub(super) fn restore(session: &Session, server: &Server, arguments: Option<Node<'_>>) -> Option<Box<Restored>> {
    let arguments = arguments.filter(|_| !session.tokens.is_empty())?;
    let (mut edits, mut restored, mut kept) = (Edits::new(), Vec::new(), Vec::new());
    for node in arguments.all().filter(|node| node.kind() == Kind::Text) {
        let Some(text) = node.text().filter(|text| text.contains('<')) else { continue };
        let mut changed = Zeroizing::new(String::with_capacity(text.len() + 256));
        let mut done = 0;
        // Each is turned back where it was written: what a value holds is no token.
        for (at, stood) in session.tokens.read(&text) {
            let goes = stood.label <= server.clearance && session.tokens.goes(&stood.token) == Going::Goes;
            let list = if goes { &mut restored } else { &mut kept };
            if !list.contains(&stood.token) {
                list.push(stood.token.clone());
            }
            if goes {
                changed.push_str(text.get(done..at).unwrap_or_default());
                changed.push_str(&stood.value);
                done = at + stood.token.len();
            }
        }
        changed.push_str(text.get(done..).unwrap_or_default());
        edits.set_text(node.index(), changed.as_str());
    }
    if restored.is_empty() && kept.is_empty() {
        return None;
    }
    let mut printed = Vec::with_capacity(arguments.raw().len() + 256);
    arguments.print(&edits, &mut printed);
    let document = if restored.is_empty() { None } else { Some(Document::parse(printed.into(), &Bounds::default()).ok()?) };
    Some(Box::new(Restored { arguments: document, restored, kept }))
}
