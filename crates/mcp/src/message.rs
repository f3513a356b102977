//! From bytes to a message of one revision: the envelope, and the params of its method.
//!
//! What comes out is whole: nothing unknown, doubled or left over outside of the places that a revision leaves open. What is not whole is a
//! [`Fault`] with its row.

use crate::bounds::Bounds;
use crate::document::{Document, Kind, Node};
use crate::fault::{About, Fault, Place};
use crate::fold;
use crate::id::{Id, SAFE};
use crate::method::{Method, Need, Peer, Sort};
use crate::revision::Revision;
use crate::scan::Flaw;
use crate::shape;
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
/// # Errors
/// The [`Fault`] of the first row that refuses it: 1 to 21, 23 to 30, 32 to 34, 37, 64. Rows 26 and 35 say to drop it in silence.
pub fn parse_message(source: Bytes, peer: Peer, revision: Revision, bounds: &Bounds) -> Result<Message, Fault> {
    let (message, text) = match peer {
        Peer::Client => (bounds.message, bounds.text),
        Peer::Server => (bounds.result, bounds.result),
    };
    let bounds = Bounds { message, text, ..*bounds };
    let reader = Reader { peer, revision, about: About::Unread, id: None };
    let document = Document::scan(source, &bounds).map_err(|flaw| reader.fault(flaw.row, Place::Envelope))?;
    reader.message(document)
}

/// The members of an envelope.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<Node<'a>>,
    id: Option<Node<'a>>,
    method: Option<Node<'a>>,
    params: Option<Node<'a>>,
    result: Option<Node<'a>>,
    error: Option<Node<'a>>,
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

impl<'a> Envelope<'a> {
    fn read(root: Node<'a>) -> Result<Self, u8> {
        let mut envelope = Self::default();
        let mut unknown = None;
        for member in root.members() {
            let slot = match &*member.name() {
                "jsonrpc" => &mut envelope.jsonrpc,
                "id" => &mut envelope.id,
                "method" => &mut envelope.method,
                "params" => &mut envelope.params,
                "result" => &mut envelope.result,
                "error" => &mut envelope.error,
                name => {
                    unknown.get_or_insert_with(|| stranger(name, MEMBERS));
                    continue;
                }
            };
            *slot = Some(member.value);
        }
        match unknown {
            Some(row) => Err(row),
            None => Ok(envelope),
        }
    }
}

/// The row of a key that an object does not have.
pub(crate) fn stranger(name: &str, known: impl IntoIterator<Item = &'static str>) -> u8 {
    match name {
        "__proto__" | "constructor" | "prototype" => 10,
        _ if known.into_iter().any(|known| fold::alike(name, known)) => 7,
        _ => 8,
    }
}

struct Reader {
    peer: Peer,
    revision: Revision,
    about: About,
    id: Option<Id>,
}

impl Reader {
    fn fault(&self, row: u8, place: Place) -> Fault {
        let place = if self.about == About::Response && self.peer == Peer::Server { Place::Result } else { place };
        let fault = Fault::build(row, place, self.about, self.revision.era());
        if place == Place::Result { Fault { id: self.id.clone(), ..fault } } else { fault.with_id(self.id.clone()) }
    }

    fn message(mut self, document: Document) -> Result<Message, Fault> {
        let root = document.root();
        match root.kind() {
            Kind::Object => {}
            Kind::Array => return Err(self.fault(15, Place::Envelope)),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Text | Kind::Key => return Err(self.fault(16, Place::Envelope)),
        }
        self.id = document.only_id();
        self.about = about(root, &self);
        if let Some(flaw) = document.flaw() {
            return Err(self.fault(flaw.row, place_of(root, flaw)));
        }
        let envelope = Envelope::read(root).map_err(|row| self.fault(row, Place::Envelope))?;
        if !envelope.jsonrpc.is_some_and(|version| version.is_text("2.0")) {
            return Err(self.fault(17, Place::Envelope));
        }
        let nameless = envelope.error.is_some() && envelope.method.is_none() && envelope.id.is_some_and(Node::is_null);
        let id = match envelope.id {
            Some(_) if nameless && self.peer == Peer::Server => None,
            Some(id) => Some(Id::read(id).map_err(|row| self.fault(row, Place::Envelope))?),
            None => None,
        };
        let (method, params, result, error) = (envelope.method, envelope.params, envelope.result, envelope.error);
        match (method, result, error) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(self.fault(33, Place::Envelope)),
            (None, None, None) if id.is_none() || params.is_some() => Err(self.fault(23, Place::Envelope)),
            (None, None, None) | (None, Some(_), Some(_)) => Err(self.fault(32, Place::Envelope)),
            (None, Some(result), None) => {
                let at = self.result(id.as_ref(), params, result)?;
                Ok(Message::Response(Response { id, document, outcome: at, sort: Ending::Result }))
            }
            (None, None, Some(error)) => {
                let (at, code) = self.error(params, error)?;
                Ok(Message::Response(Response { id, document, outcome: at, sort: Ending::Error(code) }))
            }
            (Some(method), None, None) => {
                let method = self.method(method, id.as_ref())?;
                let params = self.params(method, params)?;
                Ok(match (method.sort(), id) {
                    (Sort::Request, Some(id)) => Message::Request(Request { id, method, document, params }),
                    _ => Message::Notification(Notification { method, document, params }),
                })
            }
        }
    }

    fn method(&mut self, node: Node<'_>, id: Option<&Id>) -> Result<Method, Fault> {
        let name = node.text().ok_or_else(|| self.fault(23, Place::Envelope))?;
        if name.is_empty() || name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(self.fault(if name.bytes().any(|byte| byte < 0x20) { 9 } else { 23 }, Place::Envelope));
        }
        if name.len() > Bounds::METHOD {
            return Err(self.fault(14, Place::Envelope));
        }
        let known = Method::parse(&name);
        let told = known.map_or(name.starts_with("notifications/"), |method| method.sort() == Sort::Notification);
        let fits = known.filter(|method| method.may_come_from(self.peer, self.revision));
        match (told, id.is_some(), fits) {
            (true, true, _) => Err(self.fault(27, Place::Envelope)),
            (true, false, None) | (false, false, None) if known.is_none() || told => Err(self.fault(26, Place::Envelope)),
            (false, false, _) => Err(self.fault(25, Place::Envelope)),
            (false, true, None) => Err(self.fault(24, Place::Envelope)),
            (_, _, Some(method)) => Ok(method),
            (true, false, None) => Err(self.fault(26, Place::Envelope)),
        }
    }

    fn params(&self, method: Method, params: Option<Node<'_>>) -> Result<Option<u32>, Fault> {
        let needed = method.params() == Need::Must || (!self.revision.is_legacy() && method.sort() == Sort::Request);
        match params {
            None if needed => Err(self.fault(28, Place::Params)),
            None => Ok(None),
            Some(params) if params.kind() != Kind::Object => Err(self.fault(28, Place::Params)),
            Some(params) => match shape::params(method, self.revision, params) {
                Ok(()) => Ok(Some(params.index())),
                Err(row) => Err(self.fault(row, Place::Params)),
            },
        }
    }

    fn result(&self, id: Option<&Id>, params: Option<Node<'_>>, result: Node<'_>) -> Result<u32, Fault> {
        if id.is_none() {
            return Err(self.fault(20, Place::Envelope));
        }
        self.response(params)?;
        if result.kind() == Kind::Object { Ok(result.index()) } else { Err(self.fault(32, Place::Envelope)) }
    }

    fn error(&self, params: Option<Node<'_>>, error: Node<'_>) -> Result<(u32, i64), Fault> {
        self.response(params)?;
        for member in error.members() {
            let name = member.name();
            if !["code", "message", "data"].contains(&&*name) {
                return Err(self.fault(stranger(&name, ["code", "message", "data"]), Place::Envelope));
            }
        }
        let code = error.get("code").and_then(Node::integer).filter(|code| (-SAFE..=SAFE).contains(code));
        let worded = error.get("message").is_some_and(|message| message.kind() == Kind::Text);
        match code {
            Some(code) if worded => Ok((error.index(), code)),
            _ => Err(self.fault(32, Place::Envelope)),
        }
    }

    fn response(&self, params: Option<Node<'_>>) -> Result<(), Fault> {
        if self.peer == Peer::Client && !self.revision.is_legacy() {
            return Err(self.fault(34, Place::Envelope));
        }
        if params.is_some() { Err(self.fault(8, Place::Envelope)) } else { Ok(()) }
    }
}

/// What a message seems to be, before it is known to be well formed.
fn about(root: Node<'_>, reader: &Reader) -> About {
    if root.get("method").is_some() {
        if reader.id.is_some() { About::Request } else { About::Notification }
    } else if root.get("result").is_some() || root.get("error").is_some() {
        About::Response
    } else {
        About::Unread
    }
}

fn place_of(root: Node<'_>, flaw: Flaw) -> Place {
    let inside = |name| root.get(name).is_some_and(|node: Node<'_>| node.index() <= flaw.at && flaw.at < node.after());
    if inside("params") { Place::Params } else { Place::Envelope }
}
