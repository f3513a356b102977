//! From bytes to a message of one revision: the envelope, and the params of its method.
//!
//! What comes out is whole: nothing unknown, doubled or left over outside of the places that a revision leaves open. What is not whole is a
//! [`Fault`] with its row.

mod envelope;

pub use envelope::{Claim, Envelope};

use crate::bounds::Bounds;
use crate::document::{Document, Node};
use crate::fault::Fault;
use crate::fold;
use crate::id::Id;
use crate::method::{Method, Peer};
use crate::revision::Revision;
use bytes::Bytes;
use std::borrow::Cow;

/// A message, strictly parsed.
#[derive(Clone, Debug)]
pub enum Message {
    /// It wants an answer.
    Request(Request),
    /// It wants none.
    Notification(Notification),
    /// It is one.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id, the sender's own.
    pub id: Id,
    /// What is asked.
    pub method: Method,
    document: Document,
    params: Option<u32>,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// What is told.
    pub method: Method,
    document: Document,
    params: Option<u32>,
}

/// A response. That a result has the shape of its method is checked by [`crate::check_result`], as only the one who asked knows the method.
#[derive(Clone, Debug)]
pub struct Response {
    /// The id of the request; none only with an error.
    pub id: Option<Id>,
    document: Document,
    outcome: u32,
    sort: Ending,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Result,
    Error(i64),
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// With a result, an object.
    Result(Node<'a>),
    /// With an error.
    Error {
        /// The JSON-RPC code.
        code: i64,
        /// The peer's sentence.
        message: Cow<'a, str>,
        /// Whatever it added.
        data: Option<Node<'a>>,
    },
}

impl Message {
    /// The text it was parsed from.
    pub fn document(&self) -> &Document {
        match self {
            Self::Request(message) => &message.document,
            Self::Notification(message) => &message.document,
            Self::Response(message) => &message.document,
        }
    }
}

impl Request {
    /// The `params`, an object.
    pub fn params(&self) -> Option<Node<'_>> {
        self.params.and_then(|at| self.document.node(at))
    }

    /// The text it was parsed from.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

impl Notification {
    /// The `params`, an object.
    pub fn params(&self) -> Option<Node<'_>> {
        self.params.and_then(|at| self.document.node(at))
    }

    /// The text it was parsed from.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

impl Response {
    /// How it ended.
    pub fn outcome(&self) -> Outcome<'_> {
        let node = self.document.node(self.outcome).unwrap_or_else(|| self.document.root());
        match self.sort {
            Ending::Result => Outcome::Result(node),
            Ending::Error(code) => {
                Outcome::Error { code, message: node.get("message").and_then(Node::text).unwrap_or_default(), data: node.get("data") }
            }
        }
    }

    /// The text it was parsed from.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

/// Parses one message of `revision`, written by `peer`.
///
/// The two steps of it, for where the revision is known only from the message: [`Envelope::read`] and [`Envelope::message`].
///
/// # Errors
/// The [`Fault`] of the first row that refuses it: 1 to 21, 23 to 30, 32 to 34, 37, 38, 64, 67. Rows 26, 35 and 67 say to drop it in silence.
pub fn parse_message(source: Bytes, peer: Peer, revision: Revision, bounds: &Bounds) -> Result<Message, Fault> {
    Envelope::read(source, peer, bounds)?.message(revision)
}

/// The row of a key that an object does not have.
pub(crate) fn stranger(name: &str, known: impl IntoIterator<Item = &'static str>) -> u8 {
    match name {
        "__proto__" | "constructor" | "prototype" => 10,
        _ if known.into_iter().any(|known| fold::alike(name, known)) => 7,
        _ => 8,
    }
}
