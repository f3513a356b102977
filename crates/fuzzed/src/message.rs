//! Messages: the envelope from either side, and results.

use crate::grammar::{ANSWERED, MODERN, Maker, SPOKEN};
use crate::input::Given;
use crate::json::{alike, canonical, compact, others, spoil};
use crate::{Input, Tree};
use bytes::Bytes;
use mcp::{Bounds, Document, Id, Message, Method, Outcome, Peer, Revision, check_result, parse_message};
use serde_json::Value;

pub(crate) fn client(bytes: &[u8]) {
    side(bytes, Peer::Client);
}

pub(crate) fn server(bytes: &[u8]) {
    side(bytes, Peer::Server);
}

/// A message as it was built.
struct Built {
    text: Bytes,
    revision: Revision,
    /// Its method, where nothing was changed: then it must be accepted.
    whole: Option<Method>,
}

fn build(input: &mut Input<'_>, peer: Peer) -> Built {
    let revision = input.pick(&SPOKEN);
    let answers = input.rarely(4);
    let mut maker = Maker { input: &mut *input, revision };
    let (method, mut tree) = maker.message(peer);
    if answers {
        tree = response(&mut maker, peer);
    }
    let changes = input.below(4);
    for _ in 0..changes {
        tree.change(input);
    }
    let mut text = tree.spelled(input);
    let before = text.clone();
    spoil(&mut text, input);
    let whole = (changes == 0 && !answers && text == before).then_some(method);
    Built { text: text.into(), revision, whole }
}

/// An answer, of the modern revision too, where clients give none.
fn response(maker: &mut Maker<'_, '_>, peer: Peer) -> Tree {
    let mut tree = crate::tree::object([("jsonrpc", "2.0".into()), ("id", 7.into())]);
    if maker.input.rarely(3) {
        let mut error = crate::tree::object([("code", (-32602).into()), ("message", "no".into())]);
        if maker.input.flip() {
            error.put("data", maker.anything());
        }
        tree.put("error", error);
    } else {
        let result = match peer {
            Peer::Client => maker.answer(Method::Elicit),
            Peer::Server => maker.result(Method::CallTool),
        };
        tree.put("result", result);
    }
    tree
}

/// The message that a client's input of [`crate::Target::Client`] is: what goes over the wire.
pub fn sent(bytes: &[u8]) -> Vec<u8> {
    match Given::of(bytes) {
        Given::Raw(text) => text.to_vec(),
        Given::Built(mut input) => build(&mut input, Peer::Client).text.to_vec(),
    }
}

/// The message that a server's input of [`crate::Target::Server`] is.
pub fn answered(bytes: &[u8]) -> Vec<u8> {
    match Given::of(bytes) {
        Given::Raw(text) => text.to_vec(),
        Given::Built(mut input) => build(&mut input, Peer::Server).text.to_vec(),
    }
}

fn side(bytes: &[u8], peer: Peer) {
    match Given::of(bytes) {
        Given::Raw(text) => SPOKEN.iter().for_each(|revision| held(&text, peer, *revision)),
        Given::Built(mut input) => {
            let built = build(&mut input, peer);
            if let Some(method) = built.whole
                && let Err(fault) = parse_message(built.text.clone(), peer, built.revision, &Bounds::default())
            {
                panic!("row {} refuses {method} of {}: {}", fault.row, built.revision, String::from_utf8_lossy(&built.text));
            }
            held(&built.text, peer, built.revision);
        }
    }
}

fn held(text: &Bytes, peer: Peer, revision: Revision) {
    let theirs = others(text);
    match parse_message(text.clone(), peer, revision, &Bounds::default()) {
        Ok(message) => {
            let theirs = match theirs {
                Ok(theirs) => theirs,
                Err(why) => {
                    assert!(why.contains("number out of range"), "others refuse what we accept: {why}");
                    return;
                }
            };
            assert!(alike(message.document().root(), &theirs));
            assert_eq!(theirs["jsonrpc"], "2.0");
            let known = ["jsonrpc", "id", "method", "params", "result", "error"];
            assert!(theirs.as_object().is_some_and(|members| members.keys().all(|key| known.contains(&key.as_str()))));
            said(&message, &theirs, peer, revision);
            let again = parse_message(reprinted(&message).into(), peer, revision, &Bounds::default());
            let again = again.unwrap_or_else(|fault| panic!("row {} refuses our own print", fault.row));
            assert_eq!(Tree::of(again.document().root()), sorted(&message), "our print says the same");
        }
        Err(fault) => {
            assert!((1..=68).contains(&fault.row), "row {}", fault.row);
            let body = fault.body();
            assert!(fault.is_silent() == body.is_empty(), "what is not told in silence is told");
            if !fault.is_silent() {
                let told = others(&body).expect("a fault is told in JSON");
                assert_eq!(told["jsonrpc"], "2.0");
                assert!(told["error"]["code"].is_i64() && told["error"]["message"].is_string());
            }
            if let (Some(id), Ok(theirs)) = (&fault.id, &theirs) {
                assert!(is(Some(id), theirs.get("id")), "the id of a fault is that of the message");
            }
            assert!(matches!(fault.http, 200 | 202 | 400 | 404 | 413), "{}", fault.http);
        }
    }
}

/// Whether an id is the one that others read.
fn is(ours: Option<&Id>, theirs: Option<&Value>) -> bool {
    match (ours, theirs) {
        (Some(Id::Number(one)), Some(Value::Number(other))) => other.as_i64() == Some(*one),
        (Some(Id::Text(one)), Some(Value::String(other))) => **one == **other,
        (None, None | Some(Value::Null)) => true,
        _ => false,
    }
}

fn said(message: &Message, theirs: &Value, peer: Peer, revision: Revision) {
    let (id, method) = match message {
        Message::Request(request) => (Some(&request.id), Some(request.method)),
        Message::Notification(notification) => (None, Some(notification.method)),
        Message::Response(response) => (response.id.as_ref(), None),
    };
    assert!(is(id, theirs.get("id")), "another id than others read");
    assert_eq!(method.map(Method::as_str), theirs.get("method").and_then(Value::as_str), "another method than others read");
    if let Some(method) = method {
        assert!(method.may_come_from(peer, revision), "{method} of {revision}");
    }
}

/// Our own print of a message, from its parts.
fn reprinted(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |node: Option<mcp::Node<'_>>| node.map(canonical);
    match message {
        Message::Request(request) => {
            mcp::print_request(&mut out, &request.id, request.method.as_str(), text(request.params()).as_deref());
        }
        Message::Notification(notification) => {
            mcp::print_notification(&mut out, notification.method.as_str(), text(notification.params()).as_deref());
        }
        Message::Response(response) => match (response.outcome(), &response.id) {
            (Outcome::Result(result), Some(id)) => mcp::print_result(&mut out, id, &canonical(result)),
            (Outcome::Result(result), None) => unreachable!("a result without an id: {result:?}"),
            (Outcome::Error { code, message, data }, id) => {
                mcp::print_error(&mut out, id.as_ref(), code, &message, text(data).as_deref());
            }
        },
    }
    out
}

/// What [`reprinted`] must say.
fn sorted(message: &Message) -> Tree {
    let mut tree = crate::tree::object([("jsonrpc", "2.0".into())]);
    let of = |node: mcp::Node<'_>| Tree::of(Document::parse(canonical(node), &Bounds::default()).expect("canonical text").root());
    let id = |tree: &mut Tree, id: &Id| match id {
        Id::Number(number) => tree.put("id", (*number).into()),
        Id::Text(text) => tree.put("id", (&**text).into()),
    };
    match message {
        Message::Request(request) => {
            id(&mut tree, &request.id);
            tree.put("method", request.method.as_str().into());
            request.params().into_iter().for_each(|params| tree.put("params", of(params)));
        }
        Message::Notification(notification) => {
            tree.put("method", notification.method.as_str().into());
            notification.params().into_iter().for_each(|params| tree.put("params", of(params)));
        }
        Message::Response(response) => {
            response.id.iter().for_each(|own| id(&mut tree, own));
            match response.outcome() {
                Outcome::Result(result) => tree.put("result", of(result)),
                Outcome::Error { code, message, data } => {
                    let mut error = crate::tree::object([("code", code.into()), ("message", (&*message).into())]);
                    data.into_iter().for_each(|data| error.put("data", of(data)));
                    tree.put("error", error);
                }
            }
        }
    }
    tree
}

pub(crate) fn results(bytes: &[u8]) {
    match Given::of(bytes) {
        Given::Raw(text) => {
            let Ok(document) = Document::parse(text, &Bounds::default()) else { return };
            let node = document.root().get("result").unwrap_or(document.root());
            let Ok(document) = Document::parse(canonical(node), &Bounds::default()) else { return };
            for revision in SPOKEN {
                ANSWERED.iter().for_each(|method| passes(&document, *method, revision));
            }
        }
        Given::Built(mut input) => {
            let revision = input.pick(&SPOKEN);
            let method = input.pick(&ANSWERED);
            if !asked(method, revision) {
                return;
            }
            let questions = revision == MODERN && method.may_ask() && input.rarely(3);
            let mut maker = Maker { input: &mut input, revision };
            let mut tree = if questions { maker.input_required() } else { maker.result(method) };
            let changes = input.below(3);
            for _ in 0..changes {
                tree.change(&mut input);
            }
            let text = Bytes::from(tree.spelled(&mut input));
            let Ok(document) = Document::parse(text.clone(), &Bounds::default()) else { return };
            let checked = check_result(method, document.root(), revision);
            if let (0, Err(fault)) = (changes, &checked) {
                panic!("row {} refuses a result of {method} of {revision}: {}", fault.row, String::from_utf8_lossy(&text));
            }
            passes(&document, method, revision);
        }
    }
}

/// Whether a client of `revision` may ask so, as a message or by opening.
pub(crate) fn asked(method: Method, revision: Revision) -> bool {
    method.may_come_from(Peer::Client, revision)
}

/// What must hold of a result that passes its check.
fn passes(document: &Document, method: Method, revision: Revision) {
    if check_result(method, document.root(), revision).is_err() {
        return;
    }
    for text in [compact(document), canonical(document.root())] {
        let again = Document::parse(text, &Bounds::default()).expect("our print is JSON");
        assert!(
            check_result(method, again.root(), revision).is_ok(),
            "{method} of {revision}: what passes does not depend on its spelling"
        );
    }
    assert_eq!(document.root().kind(), mcp::Kind::Object);
    let tree = Tree::of(document.root());
    for (key, row) in [("zzz", 8), ("__proto__", 10)] {
        let mut more = tree.clone();
        more.put(key, Tree::Null);
        let more = Document::parse(more.text().into(), &Bounds::default()).expect("one more member");
        let fault = check_result(method, more.root(), revision).err().map(|fault| fault.row);
        assert_eq!(fault, Some(row), "{method} of {revision}: nothing is left over");
    }
    let _ = (mcp::view::call_result(document.root()), mcp::view::input_required(document.root()), mcp::view::discovered(document.root()));
    let _ = (mcp::view::initialized(document.root()), mcp::view::subscription(document.root()), mcp::view::filter(document.root()));
}
