//! Stage 12: what goes back was seen whole, and everything that must not go out is out of it.

use super::decide::{Found, Passing};
use super::forward::{Forwarded, Way};
use super::pair::{Answer, Paired};
use super::questions::{Asked, Gathered};
use super::resolve::Target;
use super::{cut, decide, questions, stand_in};
use crate::arrival::Endpoint;
use crate::content::{Giving, Screens};
use crate::cursor::Cursor;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::names;
use crate::rounds::{self, Suspended, Upstream};
use crate::session::Ability;
use crate::snapshot::{Server, Source};
use crate::trail::{Returned, Stage, Trail};
use bytes::Bytes;
use detect::Channel;
use mcp::view::ResultKind;
use mcp::{Document, Edits, Method, Node, Notification, Outcome, Response, Revision};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use terms::{Action, Class, Code, Label, Trust};
use tokio::sync::mpsc;

/// An answer that may go out.
pub struct Screened {
    release: Release,
}

/// What may go out.
pub(super) enum Release {
    /// A result, printed.
    Result(Vec<u8>),
    /// A server's error.
    Fault {
        /// The JSON-RPC code.
        code: i64,
        /// The screened sentence.
        message: String,
        /// The screened data, one JSON value.
        data: Option<Vec<u8>>,
    },
    /// A result that asks for more, and the call that waits for it.
    Wait(Vec<u8>, Box<Suspended>),
    /// A message on the way, printed whole.
    Interim(Bytes),
    /// A message on the way that is not passed on.
    Dropped,
    /// See [`Answer::Accepted`].
    Accepted,
    /// See [`Answer::Opened`].
    Opened(mpsc::Receiver<Bytes>),
    /// See [`Answer::Ended`].
    Ended,
    /// See [`Answer::Parted`].
    Parted,
    /// See [`Answer::Cancelled`].
    Cancelled,
}

impl Screened {
    pub(super) fn open(self) -> Release {
        self.release
    }
}

pub(super) async fn run(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded, paired: Paired) -> Result<Screened, Halt> {
    let release = match paired.open() {
        Answer::Accepted => Release::Accepted,
        Answer::Opened(subscriber) => Release::Opened(subscriber),
        Answer::Ended => Release::Ended,
        Answer::Cancelled => Release::Cancelled,
        Answer::Parted => Release::Parted,
        Answer::Own(result) => own(gate, trail, forwarded, result)?,
        Answer::Response(response) => response_of(gate, trail, forwarded, &response)?,
        Answer::Note(note) => match forwarded.notes_mut().take(gate.clock.instant()) {
            Some(()) => note_of(gate, trail, forwarded, &note),
            None => {
                trail.unheard = trail.unheard.saturating_add(1);
                Release::Dropped
            }
        },
        Answer::Question(question) => match Box::pin(questions::ask(gate, trail, forwarded, &question)).await {
            Asked::Client(text) => Release::Interim(text),
            Asked::Wait(result, suspended) => {
                returned(trail, "input_required", &result);
                Release::Wait(result, suspended)
            }
            Asked::Declined => Release::Dropped,
            Asked::Endless => {
                if let Way::Server(flight, _) = forwarded.way_mut() {
                    flight.cancel().await;
                }
                return Err(trail.refuse_with(Code::QuestionRounds, terms::Hole::Most(u64::from(rounds::MOST))));
            }
        },
        Answer::Ask(text) => {
            trail.notes = trail.notes.saturating_add(1);
            Release::Interim(text)
        }
        Answer::Stray(row) => {
            trail.cause(&mcp::Fault::of_row(row, forwarded.spoken(), None));
            Release::Dropped
        }
        Answer::Gathered => Release::Dropped,
    };
    trail.passed(gate, Stage::Screen);
    Ok(Screened { release })
}

fn own(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, result: Vec<u8>) -> Result<Release, Halt> {
    let document = Document::parse(Bytes::from(result), &own_bounds()).map_err(|fault| trail.fault(fault))?;
    let mut edits = Edits::new();
    let kind = mcp::view::result_kind(document.root());
    let client = forwarded.session().revision;
    if let (Some(method), ResultKind::Complete) = (forwarded.asked_for(), kind) {
        // Each definition of a list was made one of the client's revision by itself, from that of its own server.
        let server = if matches!(forwarded.target(), Target::List(..)) { client } else { Revision::NEWEST_LEGACY };
        let legs = mcp::Legs { client, server };
        legs.result(method, document.root(), mcp::Output::Plain, &mut edits);
    }
    if !client.is_legacy() {
        mcp::translate::sign(document.root(), env!("CARGO_PKG_VERSION"), &mut edits);
    }
    let text = clean(gate, trail, forwarded, document.root(), edits, Channel::Definition)?;
    returned(trail, if kind == ResultKind::InputRequired { "input_required" } else { "ok" }, &text);
    Ok(Release::Result(text))
}

/// Lists of ours may be longer than a server's answer.
pub(super) fn own_bounds() -> mcp::Bounds {
    mcp::Bounds { message: 64 << 20, members: 1 << 20, values: 1 << 24, nesting: mcp::Bounds::DEEPEST, ..mcp::Bounds::default() }
}

fn response_of(gate: &Gate, trail: &mut Trail, forwarded: &mut Forwarded, response: &Response) -> Result<Release, Halt> {
    match response.outcome() {
        Outcome::Result(result) => {
            check(trail, forwarded, result)?;
            if mcp::view::result_kind(result) == ResultKind::InputRequired {
                return Ok(match questions::gather(gate, trail, forwarded, result)? {
                    Gathered::Wait(result) => {
                        returned(trail, "input_required", &result);
                        Release::Result(result)
                    }
                    Gathered::Ask(gathering) => {
                        forwarded.gather(gathering);
                        Release::Dropped
                    }
                });
            }
            prompted(trail, forwarded, result)?;
            let edits = rewrite(gate, forwarded, result);
            let text = whole(gate, trail, forwarded, result, edits, Channel::Result)?;
            let text = cut::bounded(gate, trail, forwarded, text)?;
            let text = labelled(trail, forwarded, text)?;
            received(gate, trail, forwarded, &text)?;
            let failed = result.get("isError").and_then(Node::truth) == Some(true);
            returned(trail, if failed { "error" } else { "ok" }, &text);
            Ok(Release::Result(text))
        }
        Outcome::Error { code, message, data } => {
            let text = screened_text(gate, trail, forwarded, &message)?;
            let pages = data.filter(|data| code == mcp::URL_ELICITATION_REQUIRED && sends_elsewhere(forwarded, *data));
            if let (Some(pages), false) = (pages, forwarded.session().revision.is_legacy()) {
                let result = visits(gate, trail, forwarded, pages)?;
                returned(trail, "input_required", &result);
                return Ok(Release::Result(result));
            }
            let modern = !forwarded.session().revision.is_legacy() && !forwarded.spoken().is_legacy();
            let missing = data.filter(|data| modern && code == mcp::CAPABILITY_MISSING && mcp::check_missing(*data).is_ok());
            let (code, data) = match pages.or(missing) {
                Some(pages) => (code, Some(clean(gate, trail, forwarded, pages, Edits::new(), Channel::Question)?)),
                None => passed_on(forwarded, code, data),
            };
            returned(trail, "error", text.as_bytes());
            trail.fault = Some(code);
            Ok(Release::Fault { code, message: text, data })
        }
    }
}

/// Whether an error may send the client to pages first: it is a question in another form, and goes where questions go.
fn sends_elsewhere(forwarded: &Forwarded, data: Node<'_>) -> bool {
    let resolved = forwarded.recorded().authorized().decided().inspected().resolved();
    let asks = super::resolve::server(forwarded.target())
        .is_some_and(|server| decide::may_ask_of(resolved, server, policy::Question::Elicitation));
    asks && resolved.admitted().abilities().url == Ability::Declared && mcp::check_elicitations(data, forwarded.spoken()).is_ok()
}

/// The pages of an error as questions of a result: the client visits them and makes its request again.
fn visits(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, data: Node<'_>) -> Result<Vec<u8>, Halt> {
    if forwarded.rounds() >= rounds::MOST {
        return Err(trail.refuse_with(Code::QuestionRounds, terms::Hole::Most(u64::from(rounds::MOST))));
    }
    let mut pages = Vec::new();
    for page in data.get("elicitations").into_iter().flat_map(Node::items) {
        match params(gate, trail, forwarded, Some(page), Method::Elicit) {
            Some(params) => pages.push((String::new(), Method::Elicit, params)),
            None => return Err(trail.refuse(Code::QuestionRefused)),
        }
    }
    questions::wait(gate, trail, forwarded, pages, Upstream::Fresh)
}

/// A server's code as the client reads it, with the data that goes with that.
fn passed_on(forwarded: &Forwarded, code: i64, data: Option<Node<'_>>) -> (i64, Option<Vec<u8>>) {
    let Some(method) = method(forwarded.target()) else { return (mcp::INTERNAL_ERROR, None) };
    let told = forwarded.legs().code(method, code, data);
    let session = forwarded.session();
    let missing = told == mcp::INVALID_PARAMS && (code == mcp::RESOURCE_NOT_FOUND || data.is_some_and(|data| data.get("uri").is_some()));
    let data = match forwarded.target() {
        Target::Resource(server, uri) if missing && !session.revision.is_legacy() => {
            let shown = if session.endpoint == Endpoint::All { mcp::wrap_address(&server.name, uri) } else { uri.clone() };
            Some(mcp::translate::not_found(&shown))
        }
        _ => None,
    };
    (told, data)
}

/// The shape of the method's result, and what the tool's own output schema says.
fn check(trail: &mut Trail, forwarded: &Forwarded, result: Node<'_>) -> Result<(), Halt> {
    let Some(method) = method(forwarded.target()) else { return Ok(()) };
    mcp::check_result(method, result, forwarded.spoken()).map_err(|fault| {
        trail.cause(&fault);
        trail.refuse(Code::ServerMalformed)
    })?;
    if mcp::view::result_kind(result) == ResultKind::InputRequired {
        return Ok(());
    }
    let Target::Tool(_, item, _) = forwarded.target() else { return Ok(()) };
    let Some(schema) = &item.output else { return Ok(()) };
    if result.get("isError").and_then(Node::truth) == Some(true) {
        return Ok(());
    }
    let fits = match (schema, result.get("structuredContent").map(Node::to_value)) {
        (Ok(schema), Some(Ok(value))) => schema.check(&value).map_err(|mismatch| format!("`{}` at {}", mismatch.keyword, mismatch.pointer)),
        (_, None) => Err("there is no structuredContent".to_owned()),
        (Err(cause), _) => Err(cause.clone()),
        (_, Some(Err(_))) => Err("a number in structuredContent cannot be checked".to_owned()),
    };
    fits.map_err(|cause| {
        trail.cause(&cause);
        trail.refuse(Code::ServerMalformed)
    })
}

/// Holds a prompt against the template that was approved.
fn prompted(trail: &mut Trail, forwarded: &Forwarded, result: Node<'_>) -> Result<(), Halt> {
    let Target::Prompt(_, item) = forwarded.target() else { return Ok(()) };
    let Some(template) = &item.template else { return Ok(()) };
    trail.template = Some(Box::new((template.version.clone(), template.digest())));
    let arguments = forwarded.recorded().authorized().decided().inspected().resolved().arguments();
    template.check(arguments, result).map_err(|cause| {
        trail.cause(&cause);
        returned(trail, "withheld", b"");
        trail.refuse(Code::PromptChanged)
    })
}

/// Whether a prompt brings a secret that was not in its arguments.
fn brings_secret(trail: &Trail, forwarded: &Forwarded) -> bool {
    let sent = forwarded.recorded().authorized().decided().inspected().sends_secret();
    matches!(forwarded.target(), Target::Prompt(..)) && !sent && trail.tally.iter().any(|tally| tally.class == Class::Secret)
}

/// The key of the request id in `_meta`.
const REQUEST: &str = "dev.bastide/request";

/// What is changed in a result before it is screened: addresses are wrapped on `/mcp`, cursors sealed, and no server speaks in our name.
fn rewrite(gate: &Gate, forwarded: &Forwarded, result: Node<'_>) -> Edits {
    let mut edits = Edits::new();
    disown(&mut edits, result);
    if forwarded.call().context().is_some() {
        // Who traces the client finds the same id there as with us, at the server and in the log.
        let mut id = Vec::with_capacity(16);
        mcp::json::write_str(&mut id, &forwarded.call().id.to_string());
        cut::annotate(&mut edits, result, REQUEST, id);
    }
    let session = forwarded.session();
    let Some(server) = super::resolve::server(forwarded.target()) else { return edits };
    if session.endpoint == Endpoint::All {
        wrap(&mut edits, server, result);
    }
    if let Target::Resources(..) = forwarded.target() {
        cursor(gate, forwarded, server, result, &mut edits);
    }
    if let Some(method) = method(forwarded.target()) {
        let output = match forwarded.target() {
            Target::Tool(_, item, _) => item.shown_output,
            _ => mcp::Output::Plain,
        };
        forwarded.legs().result(method, result, output, &mut edits);
    }
    if !session.revision.is_legacy() {
        mcp::translate::sign(result, env!("CARGO_PKG_VERSION"), &mut edits);
    }
    edits
}

/// The method whose result a server gives.
fn method(target: &Target) -> Option<Method> {
    match target {
        Target::Tool(..) => Some(Method::CallTool),
        Target::Prompt(..) => Some(Method::GetPrompt),
        Target::Resource(..) => Some(Method::ReadResource),
        Target::Resources(..) => Some(Method::ListResources),
        Target::Completion(..) => Some(Method::Complete),
        Target::Subscription(_, _, method) => Some(*method),
        _ => None,
    }
}

/// What of the protocol may have a `_meta` in a result or in params.
const SAID: [&str; 6] = ["content", "contents", "messages", "resource", "resources", "tools"];

/// Takes out what stands in our name in the `_meta` of a server's result or params, and of what the protocol has in them.
fn disown(edits: &mut Edits, node: Node<'_>) {
    let members = node.get("_meta").into_iter().flat_map(Node::members);
    for member in members.filter(|member| member.name().starts_with("dev.bastide/")) {
        edits.remove(member.value.index());
    }
    for inner in SAID.into_iter().filter_map(|name| node.get(name)) {
        disown(edits, inner);
        inner.items().for_each(|item| disown(edits, item));
    }
}

/// Wraps every address of a resource that stands where the protocol has one.
fn wrap(edits: &mut Edits, server: &Server, result: Node<'_>) {
    let mut address = |node: Option<Node<'_>>| {
        if let Some(node) = node
            && let Some(uri) = node.text()
        {
            edits.set_text(node.index(), mcp::wrap_address(&server.name, &uri));
        }
    };
    for list in ["contents", "resources"] {
        for item in result.get(list).into_iter().flat_map(Node::items) {
            address(item.get("uri"));
        }
    }
    let messages = result.get("messages").into_iter().flat_map(Node::items).filter_map(|message| message.get("content"));
    for block in result.get("content").into_iter().flat_map(Node::items).chain(messages) {
        match block.get("type").and_then(Node::text).as_deref() {
            Some("resource_link") => address(block.get("uri")),
            Some("resource") => address(block.get("resource").and_then(|resource| resource.get("uri"))),
            _ => {}
        }
    }
}

/// The server's cursor sealed into ours; where it has none, ours to the next server's first page.
fn cursor(gate: &Gate, forwarded: &Forwarded, server: &Server, result: Node<'_>, edits: &mut Edits) {
    let session = forwarded.session();
    let resolved = forwarded.recorded().authorized().decided().inspected().resolved();
    let snapshot = resolved.snapshot();
    let own = result.get("nextCursor");
    let next = match own.and_then(Node::text) {
        Some(own) => Some(Cursor::Resources { server: server.name.clone(), own: Some(own.into_owned()) }),
        None => decide::resource_servers(decide::Viewer::of(resolved.admitted()))
            .skip_while(|other| other.name != server.name)
            .nth(1)
            .map(|next| Cursor::Resources { server: next.name.clone(), own: None }),
    };
    let sealed = next.and_then(|next| gate.cursors.seal(&*gate.entropy, &next, session.id, &snapshot.digest, gate.clock.utc()));
    match (own, sealed) {
        (Some(own), Some(sealed)) => drop(edits.set_text(own.index(), sealed)),
        (Some(own), None) => drop(edits.remove(own.index())),
        (None, Some(sealed)) => {
            let mut text = Vec::with_capacity(sealed.len() + 2);
            mcp::json::write_str(&mut text, &sealed);
            edits.append(result.index(), "nextCursor", text);
        }
        (None, None) => {}
    }
}

/// Screens a node and prints what is left of it, which is about to be received.
fn clean(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, node: Node<'_>, edits: Edits, channel: Channel) -> Result<Vec<u8>, Halt> {
    let text = whole(gate, trail, forwarded, node, edits, channel)?;
    if channel == Channel::Result {
        received(gate, trail, forwarded, &text)?;
    }
    Ok(text)
}

/// Takes what a client receives from what it may.
fn received(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, text: &[u8]) -> Result<(), Halt> {
    match forwarded.recorded().authorized().taken() {
        Some(taken) => taken.receive(gate, trail, text.len() as u64),
        None => Ok(()),
    }
}

/// A result with a note in its `_meta`.
fn noted(trail: &mut Trail, text: Vec<u8>, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, Halt> {
    let document = Document::parse(text.into(), &own_bounds()).map_err(|fault| trail.fault(fault))?;
    let mut edits = Edits::new();
    cut::annotate(&mut edits, document.root(), name, value);
    let mut text = Vec::with_capacity(document.source().len() + 128);
    document.print(&edits, &mut text);
    Ok(text)
}

/// The key of a label in `_meta`: of ours to clients that want to be told, and of a server of our own about what it says.
const LABEL: &str = "dev.bastide/label";

/// The result with its label, where the client wants to be told.
fn labelled(trail: &mut Trail, forwarded: &Forwarded, text: Vec<u8>) -> Result<Vec<u8>, Halt> {
    let admitted = forwarded.recorded().authorized().decided().inspected().resolved().admitted();
    match trail.sensitivity().filter(|_| admitted.abilities().labels == Ability::Declared) {
        Some(label) => noted(trail, text, LABEL, format!("\"{}\"", label.as_str()).into_bytes()),
        None => Ok(text),
    }
}

/// The highest label that a server states of what it says. What is no label counts as the highest there is.
fn stated(node: Node<'_>) -> Option<Label> {
    let own = node.get("_meta").and_then(|meta| meta.get(LABEL)).map(|label| {
        let all = [Label::Public, Label::Internal, Label::Confidential, Label::Restricted];
        all.into_iter().find(|one| label.is_text(one.as_str())).unwrap_or(Label::Restricted)
    });
    let inner = SAID.into_iter().filter_map(|name| node.get(name));
    inner.flat_map(|inner| std::iter::once(inner).chain(inner.items())).filter_map(stated).max().max(own)
}

/// Where what comes back comes from, as far as what is done with it depends on that.
fn source(forwarded: &Forwarded, trail: &Trail) -> Source {
    match super::resolve::server(forwarded.target()) {
        Some(server) => Source { trust: server.trust, label: told(forwarded, trail) },
        None => Source::UNTOLD,
    }
}

/// The kinds that are let pass in what comes back.
fn quiet<'a>(gate: &Gate, forwarded: &'a Forwarded) -> Vec<&'a str> {
    let suppressed = &forwarded.recorded().authorized().decided().inspected().resolved().snapshot().inspect.suppressed;
    let Some(server) = super::resolve::server(forwarded.target()).filter(|_| !suppressed.is_empty()) else { return Vec::new() };
    let tool = match forwarded.target() {
        Target::Tool(_, item, _) => Some(item.upstream()),
        _ => None,
    };
    let now = gate.clock.utc();
    suppressed.iter().filter(|one| one.covers(&server.name, tool, now)).map(|one| one.kind.as_str()).collect()
}

/// How sensitive what comes back is, where that was said.
fn told(forwarded: &Forwarded, trail: &Trail) -> Option<Label> {
    let told = match forwarded.target() {
        Target::Tool(_, item, _) => item.told,
        Target::Resource(server, uri) => server.told_of(uri),
        target => super::resolve::server(target).and_then(|server| server.told),
    };
    trail.label.filter(|label| *label > Label::Public).or(told)
}

/// Screens a node and prints what is left of it, all of it.
fn whole(
    gate: &Gate,
    trail: &mut Trail,
    forwarded: &Forwarded,
    node: Node<'_>,
    mut edits: Edits,
    channel: Channel,
) -> Result<Vec<u8>, Halt> {
    trail.told = Arc::clone(&forwarded.session().roots.lock());
    if super::resolve::server(forwarded.target()).is_some_and(|server| server.trust == Trust::Internal)
        && let Some(stated) = stated(node)
    {
        trail.label = trail.label.max(Some(stated));
    }
    let decided = forwarded.recorded().authorized().decided();
    let snapshot = decided.inspected().resolved().snapshot();
    let Passing { clearance, found } = decided.passing();
    let handled = snapshot.inspect.handling.of(source(forwarded, trail));
    let actions = match found {
        Found::Handled => handled,
        Found::Redacted => handled.closed(),
    };
    // Somebody read and approved what tools and arguments are called and described as, and calls are made by those names.
    let actions = if channel == Channel::Definition { actions.with(Class::Pii, Action::Flag) } else { actions };
    let mut redacted = Edits::new();
    let label = told(forwarded, trail).unwrap_or(Label::Internal);
    let giving = Giving { tokens: &forwarded.session().tokens, entropy: &*gate.entropy, label };
    let screens = Screens::new(gate, &snapshot.inspect, actions, channel).cleared(clearance).giving(giving).quiet(quiet(gate, forwarded));
    let seen = screens.screen(node, trail, &mut redacted);
    trail.held = trail.held.max(seen.label);
    if channel == Channel::Result && brings_secret(trail, forwarded) {
        returned(trail, "withheld", b"");
        return Err(trail.refuse(Code::PromptCredential));
    }
    if let Some(class) = seen.blocked {
        returned(trail, "withheld", b"");
        return Err(trail.refuse(decide::blocked(class)));
    }
    if let Some(label) = trail.label
        && policy::release(label, clearance) == policy::Release::Withheld
    {
        returned(trail, "withheld", b"");
        return Err(trail.refuse(Code::Clearance));
    }
    let mut stood_in = Vec::new();
    if let (Channel::Result, Target::Tool(_, item, _)) = (channel, forwarded.target()) {
        stood_in = stand_in::fit(item, node, &mut redacted).map_err(|cause| {
            trail.cause(&cause);
            returned(trail, "withheld", b"");
            trail.refuse(Code::OutputUnfit)
        })?;
    }
    edits.extend(redacted);
    let mut text = Vec::with_capacity(node.raw().len() + 64);
    node.print(&edits, &mut text);
    if !stood_in.is_empty() {
        text = noted(trail, text, stand_in::TOLD, serde_json::Value::from(stood_in).to_string().into_bytes())?;
    }
    if text.len() > snapshot.bounds.result {
        return Err(trail.refuse_with(Code::BoundResult, terms::Hole::Most(snapshot.bounds.result as u64)));
    }
    Ok(text)
}

/// Whether a server's name of something holds nothing that must not go out.
pub(super) fn is_clean(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, name: &str) -> bool {
    let screened = screened_text(gate, trail, forwarded, name);
    screened.map_err(|_| trail.code = None).is_ok_and(|screened| screened == name)
}

/// Screens one sentence of a server's.
fn screened_text(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, text: &str) -> Result<String, Halt> {
    let mut quoted = Vec::with_capacity(text.len() + 16);
    mcp::json::write_str(&mut quoted, text);
    let document = Document::parse(Bytes::from(quoted), &own_bounds()).map_err(|fault| trail.fault(fault))?;
    let clean = clean(gate, trail, forwarded, document.root(), Edits::new(), Channel::Result)?;
    let clean: String = serde_json::from_slice(&clean).unwrap_or_default();
    Ok(clean.chars().take(1024).collect())
}

fn returned(trail: &mut Trail, status: &'static str, text: &[u8]) {
    trail.returned = Some(Returned { status, size: text.len(), digest: Sha256::digest(text).into() });
}

/// A note on the way: progress under the client's own token, log messages at or above its level, nothing else.
fn note_of(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, note: &Notification) -> Release {
    let Some(params) = note.params() else { return Release::Dropped };
    let mut edits = Edits::new();
    disown(&mut edits, params);
    match note.method {
        Method::Progress => {
            let (Some(token), Some(own)) = (forwarded.progress_token(), params.get("progressToken")) else { return Release::Dropped };
            let sent = if let Way::Server(flight, _) = forwarded.way() { Some(flight.id()) } else { None };
            if own.integer() != sent {
                return Release::Dropped;
            }
            edits.replace(own.index(), token.raw().to_vec());
        }
        Method::LogMessage => {
            let level = params.get("level").and_then(Node::text).and_then(|level| names::level(&level));
            let wanted = forwarded.recorded().authorized().decided().inspected().resolved().admitted().level();
            if level.zip(wanted).is_none_or(|(level, wanted)| level < wanted) {
                return Release::Dropped;
            }
        }
        _ => return Release::Dropped,
    }
    trail.notes = trail.notes.saturating_add(1);
    match clean(gate, trail, forwarded, params, edits, Channel::Result) {
        Ok(params) => {
            let mut text = Vec::with_capacity(params.len() + 64);
            mcp::print_notification(&mut text, note.method.as_str(), Some(&params));
            Release::Interim(text.into())
        }
        Err(_) => {
            trail.code = None;
            Release::Dropped
        }
    }
}

/// The params of a server's question, screened; `None` when they must not go out.
pub(super) fn params(gate: &Gate, trail: &mut Trail, forwarded: &Forwarded, params: Option<Node<'_>>, method: Method) -> Option<Vec<u8>> {
    let Some(params) = params else { return Some(b"{}".to_vec()) };
    let mut edits = Edits::new();
    disown(&mut edits, params);
    forwarded.legs().question(method, params, &trail.id.to_string(), &mut edits).ok()?;
    let clean = clean(gate, trail, forwarded, params, edits, Channel::Question);
    clean.map_err(|_| trail.code = None).ok()
}
