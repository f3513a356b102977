//! The envelope: what a message is, before it is known which revision it belongs to.

use super::{Ending, Message, Notification, Request, Response, stranger};
use crate::bounds::Bounds;
use crate::document::{Document, Kind, Node};
use crate::fault::{About, Fault, Place};
use crate::id::{Id, SAFE};
use crate::method::{Method, Need, Peer, Sort};
use crate::revision::{Era, Revision};
use crate::scan::Flaw;
use crate::shape::{self, CAPABILITIES_KEY, VERSION_KEY};
use bytes::Bytes;
use std::borrow::Cow;

/// A message whose envelope is whole. Its params are not checked yet, as they depend on the revision.
#[derive(Clone, Debug)]
pub struct Envelope {
    document: Document,
    peer: Peer,
    about: About,
    id: Option<Id>,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Call { method: u32, params: Option<u32> },
    Response { outcome: u32, sort: Ending },
}

/// Which revision a message says that it is of: `_meta` of its params, where every request of the modern revision names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// None: the header and the session tell.
    None,
    /// This one.
    Revision(Revision),
    /// One that there is not; empty if it is not even a string.
    Unknown(Cow<'a, str>),
}

impl Claim<'_> {
    /// How it is spelled; none if there is none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Revision(revision) => Some(revision.as_str()),
            Self::Unknown(text) => Some(text),
        }
    }

    /// The revision that is claimed, if it is a modern one of `supported`; none if none is claimed.
    ///
    /// # Errors
    /// The [`Fault`] of row 39, with what is supported, for any other; a legacy revision is negotiated by a handshake and never claimed.
    pub fn judge(&self, supported: &[Revision], id: Option<&Id>) -> Result<Option<Revision>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::Revision(revision) if !revision.is_legacy() && supported.contains(revision) => Ok(Some(*revision)),
            Self::Revision(revision) => Err(Fault::unsupported(supported, revision.as_str(), id.cloned())),
            Self::Unknown(text) => Err(Fault::unsupported(supported, text, id.cloned())),
        }
    }
}

impl Envelope {
    /// Reads the envelope of one message, written by `peer`.
    ///
    /// # Errors
    /// The [`Fault`] of the first row that refuses it: 1 to 21, 23, 30, 32, 33. They are told alike in every revision.
    pub fn read(source: Bytes, peer: Peer, bounds: &Bounds) -> Result<Self, Fault> {
        let (message, text) = match peer {
            Peer::Client => (bounds.message, bounds.text),
            Peer::Server => (bounds.result, bounds.result),
        };
        let bounds = Bounds { message, text, ..*bounds };
        let mut teller = Teller { peer, era: Era::Legacy, about: About::Unread, id: None };
        let document = Document::scan(source, &bounds).map_err(|flaw| teller.fault(flaw.row, Place::Envelope))?;
        let root = document.root();
        match root.kind() {
            Kind::Object => {}
            Kind::Array => return Err(teller.fault(15, Place::Envelope)),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Text | Kind::Key => return Err(teller.fault(16, Place::Envelope)),
        }
        teller.id = document.only_id();
        teller.about = about(root, teller.id.is_some());
        if let Some(flaw) = document.flaw() {
            return Err(teller.fault(flaw.row, place_of(root, flaw)));
        }
        let members = Members::read(root).map_err(|row| teller.fault(row, Place::Envelope))?;
        if !members.jsonrpc.is_some_and(|version| version.is_text("2.0")) {
            return Err(teller.fault(17, Place::Envelope));
        }
        let nameless = members.error.is_some() && members.method.is_none() && members.id.is_some_and(Node::is_null);
        match members.id {
            Some(id) if teller.id.is_none() && !(nameless && peer == Peer::Server) => {
                teller.id = Some(Id::read(id).map_err(|row| teller.fault(row, Place::Envelope))?);
            }
            Some(_) | None => {}
        }
        let content = teller.content(&members)?;
        let Teller { about, id, .. } = teller;
        Ok(Self { document, peer, about, id, content })
    }

    /// Its id.
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// What it is: never [`About::Unread`].
    pub fn about(&self) -> About {
        self.about
    }

    /// The text it was read from.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The method as it is spelled, known or not; none of a response.
    pub fn method(&self) -> Option<Cow<'_, str>> {
        match self.content {
            Content::Call { method, .. } => self.document.node(method).and_then(Node::text),
            Content::Response { .. } => None,
        }
    }

    /// The `params`, of whatever kind, unchecked.
    pub fn params(&self) -> Option<Node<'_>> {
        match self.content {
            Content::Call { params, .. } => params.and_then(|at| self.document.node(at)),
            Content::Response { .. } => None,
        }
    }

    /// Which revision it says that it is of.
    pub fn claim(&self) -> Claim<'_> {
        let Some(version) = self.params().and_then(|params| params.get("_meta")).and_then(|meta| meta.get(VERSION_KEY)) else {
            return Claim::None;
        };
        let text = if version.kind() == Kind::Text { version.text().unwrap_or_default() } else { Cow::Borrowed("") };
        match Revision::parse(&text) {
            Some(revision) => Claim::Revision(revision),
            None => Claim::Unknown(text),
        }
    }

    /// Whether it opens a handshake.
    pub fn is_initialize(&self) -> bool {
        match self.content {
            Content::Call { method, .. } => self.document.node(method).is_some_and(|node| node.is_text(Method::Initialize.as_str())),
            Content::Response { .. } => false,
        }
    }

    /// Reads the rest of it, as a message of `revision`.
    ///
    /// # Errors
    /// The [`Fault`] of the first row that refuses it: 7 to 10, 14, 24 to 29, 34, 37 to 39, 64, 67, in the order `_meta`, method, params.
    pub fn message(self, revision: Revision) -> Result<Message, Fault> {
        let Self { document, peer, about, id, content } = self;
        let teller = Teller { peer, era: revision.era(), about, id };
        match content {
            Content::Response { .. } if peer == Peer::Client && !revision.is_legacy() => Err(teller.fault(34, Place::Envelope)),
            Content::Response { outcome, sort } => Ok(Message::Response(Response { id: teller.id, document, outcome, sort })),
            Content::Call { method, params } => {
                let given = params.and_then(|at| document.node(at));
                if !revision.is_legacy() {
                    teller.meta(given, revision)?;
                }
                let name = document.node(method).and_then(Node::text).unwrap_or_default();
                let method = teller.method(&name, revision)?;
                let params = teller.params(method, given, revision)?;
                drop(name);
                Ok(match (method.sort(), teller.id) {
                    (Sort::Request, Some(id)) => Message::Request(Request { id, method, document, params }),
                    _ => Message::Notification(Notification { method, document, params }),
                })
            }
        }
    }
}

/// The members of an envelope.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<Node<'a>>,
    id: Option<Node<'a>>,
    method: Option<Node<'a>>,
    params: Option<Node<'a>>,
    result: Option<Node<'a>>,
    error: Option<Node<'a>>,
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

impl<'a> Members<'a> {
    fn read(root: Node<'a>) -> Result<Self, u8> {
        let mut members = Self::default();
        let mut unknown = None;
        for member in root.members() {
            let slot = match &*member.name() {
                "jsonrpc" => &mut members.jsonrpc,
                "id" => &mut members.id,
                "method" => &mut members.method,
                "params" => &mut members.params,
                "result" => &mut members.result,
                "error" => &mut members.error,
                name => {
                    unknown.get_or_insert_with(|| stranger(name, MEMBERS));
                    continue;
                }
            };
            *slot = Some(member.value);
        }
        match unknown {
            Some(row) => Err(row),
            None => Ok(members),
        }
    }
}

/// Who wrote the message, and what of it is known to tell a fault with.
struct Teller {
    peer: Peer,
    era: Era,
    about: About,
    id: Option<Id>,
}

impl Teller {
    fn fault(&self, row: u8, place: Place) -> Fault {
        let place = if self.about == About::Response && self.peer == Peer::Server { Place::Result } else { place };
        let fault = Fault::build(row, place, self.about, self.era);
        if place == Place::Result { Fault { id: self.id.clone(), ..fault } } else { fault.with_id(self.id.clone()) }
    }

    fn content(&self, members: &Members<'_>) -> Result<Content, Fault> {
        let (method, params, result, error) = (members.method, members.params, members.result, members.error);
        match (method, result, error) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(self.fault(33, Place::Envelope)),
            (None, None, None) if self.id.is_none() || params.is_some() => Err(self.fault(23, Place::Envelope)),
            (None, None, None) | (None, Some(_), Some(_)) => Err(self.fault(32, Place::Envelope)),
            (None, Some(result), None) => {
                if self.id.is_none() {
                    return Err(self.fault(20, Place::Envelope));
                }
                self.response(params)?;
                if result.kind() == Kind::Object {
                    Ok(Content::Response { outcome: result.index(), sort: Ending::Result })
                } else {
                    Err(self.fault(32, Place::Envelope))
                }
            }
            (None, None, Some(error)) => {
                let code = self.error(params, error)?;
                Ok(Content::Response { outcome: error.index(), sort: Ending::Error(code) })
            }
            (Some(method), None, None) => {
                self.name(method)?;
                Ok(Content::Call { method: method.index(), params: params.map(Node::index) })
            }
        }
    }

    fn response(&self, params: Option<Node<'_>>) -> Result<(), Fault> {
        if params.is_some() { Err(self.fault(8, Place::Envelope)) } else { Ok(()) }
    }

    fn error(&self, params: Option<Node<'_>>, error: Node<'_>) -> Result<i64, Fault> {
        self.response(params)?;
        for member in error.members() {
            let name = member.name();
            if !["code", "message", "data"].contains(&&*name) {
                return Err(self.fault(stranger(&name, ["code", "message", "data"]), Place::Envelope));
            }
        }
        let code = error.get("code").and_then(Node::integer).filter(|code| (-SAFE..=SAFE).contains(code));
        let worded = error.get("message").is_some_and(|message| message.kind() == Kind::Text);
        code.filter(|_| worded).ok_or_else(|| self.fault(32, Place::Envelope))
    }

    /// A method's name, whether there is such a method or not.
    fn name(&self, node: Node<'_>) -> Result<(), Fault> {
        let name = node.text().ok_or_else(|| self.fault(23, Place::Envelope))?;
        if name.is_empty() || name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(self.fault(if name.bytes().any(|byte| byte < 0x20) { 9 } else { 23 }, Place::Envelope));
        }
        if name.len() > Bounds::METHOD { Err(self.fault(14, Place::Envelope)) } else { Ok(()) }
    }

    /// The `_meta` of a modern message: a client's request must say the revision and what the client can do.
    fn meta(&self, params: Option<Node<'_>>, revision: Revision) -> Result<(), Fault> {
        let asks = self.peer == Peer::Client && self.id.is_some();
        let meta = match params {
            Some(params) if params.kind() != Kind::Object => return Err(self.fault(28, Place::Params)),
            Some(params) => params.get("_meta"),
            None => None,
        };
        let Some(meta) = meta else {
            return if asks { Err(self.fault(38, Place::Params)) } else { Ok(()) };
        };
        if asks {
            let named = meta.get(VERSION_KEY).filter(|version| version.kind() == Kind::Text);
            if named.is_some_and(|version| !version.is_text(revision.as_str())) {
                let requested = named.and_then(Node::text).unwrap_or_default();
                return Err(Fault::unsupported(&[revision], &requested, self.id.clone()));
            }
            if meta.kind() == Kind::Object && (named.is_none() || meta.get(CAPABILITIES_KEY).is_none_or(|node| node.kind() != Kind::Object))
            {
                return Err(self.fault(38, Place::Params));
            }
        }
        shape::message_meta(meta).map_err(|row| self.fault(row, Place::Params))
    }

    fn method(&self, name: &str, revision: Revision) -> Result<Method, Fault> {
        let known = Method::parse(name);
        let told = known.map_or(name.starts_with("notifications/"), |method| method.sort() == Sort::Notification);
        let fits = known.filter(|method| method.may_come_from(self.peer, revision));
        match (told, self.id.is_some(), fits) {
            (_, true, _) if self.peer == Peer::Server && !revision.is_legacy() => Err(self.fault(67, Place::Envelope)),
            (true, true, _) => Err(self.fault(27, Place::Envelope)),
            (true, false, None) | (false, false, None) if known.is_none() || told => Err(self.fault(26, Place::Envelope)),
            (false, false, _) => Err(self.fault(25, Place::Envelope)),
            (false, true, None) => Err(self.fault(24, Place::Envelope)),
            (_, _, Some(method)) => Ok(method),
            (true, false, None) => Err(self.fault(26, Place::Envelope)),
        }
    }

    fn params(&self, method: Method, params: Option<Node<'_>>, revision: Revision) -> Result<Option<u32>, Fault> {
        let needed = method.params() == Need::Must || (!revision.is_legacy() && method.sort() == Sort::Request);
        match params {
            None if needed => Err(self.fault(28, Place::Params)),
            None => Ok(None),
            Some(params) if params.kind() != Kind::Object => Err(self.fault(28, Place::Params)),
            Some(params) => match shape::params(method, revision, params) {
                Ok(()) => Ok(Some(params.index())),
                Err(row) => Err(self.fault(row, Place::Params)),
            },
        }
    }
}

/// What a message seems to be, before it is known to be well formed.
fn about(root: Node<'_>, named: bool) -> About {
    if root.get("method").is_some() {
        if named { About::Request } else { About::Notification }
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
