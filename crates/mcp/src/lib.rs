//! frames and messages of each pinned MCP revision, strictly parsed and printed
//!
//! The one reader and the one writer of the protocol. Bytes become a [`Document`] in a single pass, a document becomes a [`Message`] of one
//! [`Revision`], and whatever is doubled, unknown, left over or out of bounds becomes a [`Fault`] that says how the peer is told. Nothing is
//! forwarded as it came: what goes out is our own print of the one parse, so that we and the next reader cannot disagree on what was said.
//!
//! - [`parse_message`] and [`check_result`] are the way in; `call_tool` and its siblings in [`view`] read a message that passed. Where the revision
//!   is known only from the message, [`Envelope`] is read first, and what it [claims](Envelope::claim) and what the [`header`]s say come between.
//! - [`Legs`] says what changes between a client of one revision and a server of another.
//! - [`canonical_call`], [`Document::print`] with [`Edits`], and the `print_…` functions are the way out.
//! - [`Definition`] is a tool, prompt or resource as its server states it; [`name`] and [`address`] say what it is called on our side.
//!
//! The rows named throughout are those of `docs/strict-parsing.md`. Control: `transport.strict-messages`.

pub mod address;
pub mod bounds;
pub mod definition;
pub mod document;
pub mod fault;
pub mod fold;
pub mod header;
pub mod id;
pub mod json;
pub mod message;
pub mod method;
pub mod name;
pub mod print;
pub mod revision;
mod scan;
mod schema;
pub mod shape;
pub mod translate;
pub mod view;

pub use address::{unwrap as unwrap_address, wrap as wrap_address};
pub use bounds::Bounds;
pub use definition::{Definition, definitions};
pub use document::{Document, Edits, Kind, Member, Node};
pub use fault::{
    About, CAPABILITY_MISSING, Fate, Fault, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, LIMITED, METHOD_NOT_FOUND,
    PARSE_ERROR, REFUSED, RESOURCE_NOT_FOUND, REVISION_UNSUPPORTED, UNAVAILABLE, URL_ELICITATION_REQUIRED,
};
pub use id::Id;
pub use message::{Claim, Envelope, Message, Notification, Outcome, Request, Response, parse_message};
pub use method::{Direction, Method, Need, Peer, Sort};
pub use name::{qualified, split_qualified};
pub use print::{
    Meta, REFUSAL_KEY, canonical_call, print_acknowledged, print_answers, print_call_params, print_error, print_filter,
    print_input_required, print_listened, print_meta, print_notification, print_own_meta, print_refusal, print_request, print_result,
};
pub use revision::{Era, Revision};
pub use shape::{VERSION_KEY, check_elicitations, check_missing, check_question, check_result};
pub use translate::{Legs, Output, Unbridged};
pub use view::{CallTool, Complete, GetPrompt, Initialize, LogMessage, Progress, ReadResource, Reference};
