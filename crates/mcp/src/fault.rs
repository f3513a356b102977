//! What a message that is refused by its form is answered with: the table of strict parsing.

use crate::id::Id;
use crate::json::Object;
use crate::revision::{Era, Revision};

/// A JSON-RPC error: the text is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// A JSON-RPC error: not a message.
pub const INVALID_REQUEST: i64 = -32600;
/// A JSON-RPC error: no such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// A JSON-RPC error: the params do not fit.
pub const INVALID_PARAMS: i64 = -32602;
/// A JSON-RPC error: our fault.
pub const INTERNAL_ERROR: i64 = -32603;
/// MCP, revisions with a handshake: no such resource.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// MCP 2025-11-25: pages must be visited first, which `data.elicitations` lists.
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// MCP 2026-07-28: a header does not say what the body says.
pub const HEADER_MISMATCH: i64 = -32020;
/// MCP 2026-07-28: the client lacks a capability.
pub const CAPABILITY_MISSING: i64 = -32021;
/// MCP 2026-07-28: the revision is not spoken here.
pub const REVISION_UNSUPPORTED: i64 = -32022;
/// Ours: refused by policy.
pub const REFUSED: i64 = -31403;
/// Ours: a limit is reached.
pub const LIMITED: i64 = -31429;
/// Ours: a server or something it needs is not available.
pub const UNAVAILABLE: i64 = -31503;

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It may stay.
    Keep,
    /// It ends: what stands behind such a message cannot be trusted to begin where it seems to.
    Close,
}

/// What the refused message was, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// Not read so far.
    Unread,
    /// A request: it wants an answer.
    Request,
    /// A notification: nobody waits.
    Notification,
    /// A response: whoever asked waits.
    Response,
}

/// Where in a message the fault is, which decides the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Around `method`, `params`, `result`.
    Envelope,
    /// In `params`.
    Params,
    /// In a result or what it holds.
    Result,
}

/// Why a message is refused for its form, and how the writer is told.
///
/// `row` is the row of the table of strict parsing. A fault in a response is not told to its writer: `http` and `code` are then what the one who
/// asked is told (200, [`UNAVAILABLE`]), and `id` is the one of the response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not fit the protocol (row {row})")]
pub struct Fault {
    /// The row of the table.
    pub row: u8,
    /// The status over HTTP.
    pub http: u16,
    /// The JSON-RPC code; 0 when nothing is answered (status 202).
    pub code: i64,
    /// The id to answer with, when exactly one valid one was read.
    pub id: Option<Id>,
    /// What becomes of the connection.
    pub fate: Fate,
    /// What the message was.
    pub about: About,
    /// What goes with the code, one JSON value.
    pub data: Option<Box<[u8]>>,
}

impl Fault {
    pub(crate) fn at(row: u8, place: Place, about: About) -> Self {
        Self::build(row, place, about, Era::Legacy)
    }

    pub(crate) fn build(row: u8, place: Place, about: About, era: Era) -> Self {
        let fate = fate(row);
        let (http, code) = match place {
            Place::Result if row != 67 => (200, UNAVAILABLE),
            Place::Envelope | Place::Params | Place::Result => (status(row, era), code(row, place)),
        };
        Self { row, http, code, id: None, fate, about, data: None }
    }

    /// The fault of `row` in a message of `revision`, for the rows that are found with state or headers at hand: 22, 26, 28, 29, 31, 34, 35, 38 to
    /// 42, 44 to 46, 62 to 71.
    pub fn of_row(row: u8, revision: Revision, id: Option<Id>) -> Self {
        let place = match row {
            66..=71 => Place::Result,
            10 | 28 | 29 | 31 | 37 | 38 | 62..=64 => Place::Params,
            _ => Place::Envelope,
        };
        Self { id, ..Self::build(row, place, About::Request, revision.era()) }
    }

    /// The same with this id, unless the row forbids one.
    #[must_use]
    pub fn with_id(mut self, id: Option<Id>) -> Self {
        self.id = if echoes(self.row) { id } else { None };
        self
    }

    /// The same as the one who asked is told it, when it was a server that wrote the message: status 200 and [`UNAVAILABLE`].
    #[must_use]
    pub fn upstream(mut self, id: Option<Id>) -> Self {
        (self.http, self.code, self.id) = (200, UNAVAILABLE, id);
        self
    }

    /// Whether nothing is answered: the message is dropped and recorded.
    pub fn is_silent(&self) -> bool {
        self.code == 0
    }

    /// The JSON-RPC error to send, without `id` when none is known; empty when nothing is answered.
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.is_silent() {
            crate::print::print_error(&mut out, self.id.as_ref(), self.code, self.message(), self.data.as_deref());
        }
        out
    }

    /// The sentence that goes with the code. It never holds text of the message.
    pub fn message(&self) -> &'static str {
        match self.code {
            PARSE_ERROR => "The text is not JSON as the protocol wants it.",
            INVALID_REQUEST => "The message does not fit the protocol.",
            METHOD_NOT_FOUND => "There is no such method.",
            INVALID_PARAMS => "The params do not fit the method.",
            HEADER_MISMATCH => "A header does not say what the body says.",
            CAPABILITY_MISSING => "The client did not say that it can be asked what this needs.",
            REVISION_UNSUPPORTED => "This revision of the protocol is not in use here.",
            UNAVAILABLE => "The server's answer does not fit the protocol.",
            _ => "The message was refused.",
        }
    }

    /// The fault of a request whose server asks what the client did not say that it can be asked: `required` is a capabilities object.
    pub fn incapable(required: &[u8], id: Option<Id>) -> Self {
        let mut out = Vec::new();
        let mut data = Object::open(&mut out);
        data.raw("requiredCapabilities", required);
        data.close();
        Self { code: CAPABILITY_MISSING, http: 400, data: Some(out.into()), ..Self::of_row(68, Revision::R2026_07_28, id) }
    }

    /// The fault of row 39: the revision that was asked for is not one of those that are spoken, both of which it tells. Of the first, a part.
    pub fn unsupported(supported: &[Revision], requested: &str, id: Option<Id>) -> Self {
        let mut out = Vec::new();
        let mut data = Object::open(&mut out);
        let list = data.key("supported");
        list.push(b'[');
        for (place, revision) in supported.iter().filter(|revision| !revision.is_legacy()).enumerate() {
            if place > 0 {
                list.push(b',');
            }
            crate::json::write_str(list, revision.as_str());
        }
        list.push(b']');
        data.text("requested", &requested.chars().take(REQUESTED).collect::<String>());
        data.close();
        Self { data: Some(out.into()), ..Self::of_row(39, Revision::R2026_07_28, id) }
    }
}

/// How many characters of a revision that there is not are told back.
const REQUESTED: usize = 64;

const fn fate(row: u8) -> Fate {
    match row {
        4 | 6 | 7 | 9 | 11 | 12 | 13 | 15 | 32 | 33 | 66 | 67 | 69 | 70 | 71 => Fate::Close,
        _ => Fate::Keep,
    }
}

const fn status(row: u8, era: Era) -> u16 {
    match (row, era) {
        (12 | 13, _) => 413,
        (26 | 35 | 65 | 67, _) => 202,
        (24, Era::Modern) => 404,
        (24 | 28 | 29 | 46, Era::Legacy) | (31 | 62 | 63, _) => 200,
        (45, _) => 404,
        _ => 400,
    }
}

const fn code(row: u8, place: Place) -> i64 {
    match row {
        1..=5 | 30 => PARSE_ERROR,
        24 => METHOD_NOT_FOUND,
        26 | 35 | 65 | 67 => 0,
        10 | 28 | 29 | 31 | 37 | 38 | 62 | 63 | 64 => INVALID_PARAMS,
        39 => REVISION_UNSUPPORTED,
        40..=42 => HEADER_MISMATCH,
        8 | 9 | 14 => match place {
            Place::Params => INVALID_PARAMS,
            Place::Envelope | Place::Result => INVALID_REQUEST,
        },
        66 | 68..=71 => UNAVAILABLE,
        _ => INVALID_REQUEST,
    }
}

/// Whether the answer to a fault of this row may carry an id.
const fn echoes(row: u8) -> bool {
    !matches!(row, 1..=5 | 12 | 15 | 16 | 18..=21 | 25 | 30 | 45)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_leaves_out_the_id_it_does_not_know() {
        let fault = Fault::at(1, Place::Envelope, About::Unread);
        assert_eq!(
            String::from_utf8(fault.body()).unwrap(),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"The text is not JSON as the protocol wants it."}}"#
        );
        let fault = Fault::of_row(22, Revision::R2025_11_25, Some(Id::Text("a".into())));
        assert!(String::from_utf8(fault.body()).unwrap().starts_with(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32600,"#));
        assert!(Fault::of_row(26, Revision::R2025_11_25, None).body().is_empty());
    }
}
