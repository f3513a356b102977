//! Stage 5: what it names meets one approved server and one pinned definition.
//!
//! A name that meets nothing goes on as [`Target::Absent`], so that it is refused where a forbidden one is, with the same bytes.

use super::admit::Admitted;
use super::cut::{PAGE, Page};
use super::decide::Viewer;
use super::parse::Intake;
use super::restore::restore;
use super::search::{self, Own, Sought};
use crate::arrival::{Endpoint, Source};
use crate::crowd::Seat;
use crate::cursor::Cursor;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::names;
use crate::rounds::{Asked, Round};
use crate::session::Session;
use crate::snapshot::{Item, Server, Snapshot, Unpinned};
use crate::trail::{Named, Stage, Trail, Wrapping};
use guards::Mismatch;
use mcp::{Document, Id, Message, Method, Node, Notification, Outcome, Request};
use policy::Subject;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use supply::Kind;
use terms::{Code, ServerName};

/// What a message is about.
pub enum Target {
    /// The opening of a session.
    Initialize,
    /// What there is, asked without opening anything.
    Discover,
    /// To be told of what changes, and the resources that this is asked of.
    Listen(BTreeSet<Kind>, Vec<Watched>),
    /// A sign of life.
    Ping,
    /// A list that is answered from the pins, from this position on.
    List(Listing, usize),
    /// The level of log messages.
    Level(u8),
    /// A tool.
    Tool(Arc<Server>, Arc<Item>, Fit),
    /// A search among the tools that its sender would be listed.
    Search(Box<Sought>),
    /// A tool of our own, with arguments that do not fit it.
    Misused(Box<Mismatch>),
    /// A prompt.
    Prompt(Arc<Server>, Arc<Item>),
    /// A resource, by the server's own address of it.
    Resource(Arc<Server>, String),
    /// The resources of one server, from its own cursor on; then those of the next.
    Resources(Arc<Server>, Option<String>),
    /// No resources at all.
    NoResources,
    /// The completion of an argument.
    Completion(Arc<Server>, Reference),
    /// A subscription, begun or ended.
    Subscription(Arc<Server>, String, Method),
    /// The reply to a question of a server's.
    Reply(Arc<Server>, Method, Id),
    /// The end of a call that is under way.
    Cancel(Id),
    /// A notification that needs no more than to be taken note of.
    Noted(Method),
    /// A message that is dropped.
    Dropped,
    /// The standing stream.
    Stream(Option<String>),
    /// The end of the session.
    End,
    /// A server of which nothing may be used.
    Closed(Arc<Server>, Unpinned),
    /// What it names is not there.
    Absent,
}

/// A resource whose updates a client wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// How the client spells it.
    pub shown: String,
    /// The server and its own address of it, where there is one.
    pub own: Option<(ServerName, String)>,
}

/// What completion refers to.
pub enum Reference {
    /// A prompt, by the server's name of it.
    Prompt(String),
    /// A resource template, by the server's address of it.
    Template(String),
}

/// Resources that one subscription may be about.
pub(super) const WATCHED: usize = 256;

/// Whether arguments fit schema and constraints.
pub enum Fit {
    /// These do.
    Fits(Box<serde_json::Map<String, serde_json::Value>>),
    /// They do not fit what the tool accepts.
    Schema(Mismatch),
    /// They are outside what the operator allows.
    Constraint(Mismatch),
    /// It cannot be told.
    Unchecked,
}

/// The lists that are answered from the pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Listing {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resource templates.
    Templates,
}

impl Wrapping {
    fn of(request: &Request, viewer: Viewer<'_>) -> Self {
        let calls = request.method == Method::CallTool
            && request.params().and_then(|params| params.get("name")?.text()).as_deref() == Some(search::CALL);
        if calls && viewer.searches() { Self::Wrapped } else { Self::Bare }
    }

    /// The arguments of what is named.
    fn arguments(self, params: Option<Node<'_>>) -> Option<Node<'_>> {
        let given = params?.get("arguments");
        match self {
            Self::Bare => given,
            Self::Wrapped => given?.get("arguments"),
        }
    }
}

/// What arrived, its names resolved.
pub struct Resolved {
    admitted: Admitted,
    target: Target,
    wrapping: Wrapping,
    round: Option<Box<Round>>,
    restored: Option<Box<Document>>,
    seat: Option<Seat>,
}

impl Resolved {
    /// Its place among the calls that its server has under way; none where it goes to none.
    pub(super) fn seat(&self) -> Option<&Seat> {
        self.seat.as_ref()
    }

    pub(super) fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// What the client comes back for, where it was asked something before.
    pub(super) fn round(&self) -> Option<&Round> {
        self.round.as_deref()
    }

    /// What it answers, where it was asked something before. A server that wants nothing back may have asked without our knowing.
    pub(super) fn answers(&self) -> Option<Node<'_>> {
        let asks = matches!(&self.target, Target::Tool(..) | Target::Prompt(..) | Target::Resource(..));
        let params = self.params().filter(|_| asks && !self.admitted.session().revision.is_legacy())?;
        mcp::view::retry(params).answers
    }

    /// Digest of the request, by which the answers to a question of its server belong to it.
    pub(super) fn about(&self) -> [u8; 32] {
        about(&self.target, self.written())
    }

    /// The arguments of what is asked for: of a tool that is called through another, its own. Values stand where its client wrote tokens for them.
    pub(super) fn arguments(&self) -> Option<Node<'_>> {
        self.restored.as_deref().map(Document::root).or_else(|| self.written())
    }

    /// The arguments as they were written.
    pub(super) fn written(&self) -> Option<Node<'_>> {
        self.wrapping.arguments(self.params())
    }

    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        self.admitted.parsed().identified().framed().snapshot()
    }

    /// The result of a client's reply, where it is one.
    pub(super) fn reply(&self) -> Option<Node<'_>> {
        match self.admitted.parsed().intake() {
            Intake::Message(Message::Response(response)) => match response.outcome() {
                Outcome::Result(result) => Some(result),
                Outcome::Error { .. } => None,
            },
            _ => None,
        }
    }

    /// The params, where there are any.
    pub(super) fn params(&self) -> Option<Node<'_>> {
        match self.admitted.parsed().intake() {
            Intake::Message(Message::Request(request)) => request.params(),
            Intake::Message(Message::Notification(notification)) => notification.params(),
            _ => None,
        }
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, admitted: Admitted) -> Result<Resolved, Halt> {
    let session = Arc::clone(admitted.session());
    let snapshot = Arc::clone(admitted.parsed().identified().framed().snapshot());
    let mut wrapping = Wrapping::Bare;
    let target = match admitted.parsed().intake() {
        Intake::Stream(last) => Target::Stream(last.clone()),
        Intake::End => Target::End,
        Intake::Message(Message::Request(request)) => {
            let identified = admitted.parsed().identified();
            match turned(gate, trail, &snapshot, &session, request)? {
                Some((target, begins)) => {
                    trail.page = Some(Box::new(begins));
                    target
                }
                None => {
                    let viewer = Viewer::of(&admitted);
                    wrapping = Wrapping::of(request, viewer);
                    asked(gate, trail, viewer, &identified.framed().arrival().source, request, wrapping)?
                }
            }
        }
        Intake::Message(Message::Notification(notification)) => noted(notification),
        Intake::Message(Message::Response(response)) => replied(&snapshot, &session, response.id.as_ref()),
    };
    if let Some(server) = server(&target) {
        trail.server = Some(server.name.clone());
        trail.roots = Arc::clone(&server.roots);
        let told = match &target {
            Target::Resource(server, uri) | Target::Subscription(server, uri, _) | Target::Completion(server, Reference::Template(uri)) => {
                server.told_of(uri)
            }
            _ => None,
        };
        trail.label.get_or_insert(told.unwrap_or(server.label));
        admitted.call().goes_to(&server.name);
    }
    let seat = seat(gate, trail, &admitted, &target)?;
    let round = match admitted.parsed().intake() {
        Intake::Message(Message::Request(request)) => round(gate, trail, &session, request, &target, wrapping)?,
        _ => None,
    };
    trail.passed(gate, Stage::Resolve);
    let restored = trail.restored.as_mut().and_then(|restored| restored.arguments.take()).map(Box::new);
    Ok(Resolved { admitted, target, wrapping, round, restored, seat })
}

/// Takes the call's place at its server, before anything dear is done for it. Who would not be shown what it names learns nothing of how busy that is.
///
/// # Errors
/// The server has as many as it can do with.
fn seat(gate: &Gate, trail: &mut Trail, admitted: &Admitted, target: &Target) -> Result<Option<Seat>, Halt> {
    let (server, subject, item) = match target {
        Target::Tool(server, item, _) => (server, Subject::Tool(&item.name), Some(&**item)),
        Target::Prompt(server, item) => (server, Subject::Prompt(&item.name), Some(&**item)),
        Target::Resource(server, uri) => (server, Subject::Resource(uri), None),
        _ => return Ok(None),
    };
    let party = admitted.parsed().identified().party();
    let seat = server.crowd.enter(party, gate.clock.instant());
    if seat.is_none() && Viewer::of(admitted).sees(server, subject, item) {
        return Err(trail.shed());
    }
    Ok(seat)
}

/// A further page of a resource: the resource itself, and where to go on. What its cursor does not say, or says to another session, is none.
fn turned(
    gate: &Gate,
    trail: &mut Trail,
    snapshot: &Snapshot,
    session: &Session,
    request: &Request,
) -> Result<Option<(Target, Page)>, Halt> {
    let uri = request.params().filter(|_| request.method == Method::ReadResource).and_then(|params| params.get("uri")).and_then(Node::text);
    let Some(sealed) = uri.as_deref().and_then(|uri| uri.strip_prefix(PAGE)) else { return Ok(None) };
    let opened = gate.cursors.open(sealed, session.id, &snapshot.digest, gate.clock.utc());
    let Some(Cursor::Page { server, uri, from, digest }) = opened else { return Err(fault(trail, 62, session, request)) };
    trail.subject = Some(uri.clone());
    let target = match snapshot.servers.get(&server) {
        Some(server) if server.pinned.is_ok() => Target::Resource(Arc::clone(server), uri),
        server => missing(snapshot, server.map(|server| server.name.clone())),
    };
    Ok(Some((target, Page { from, digest })))
}

/// What a request comes back for. One that brings answers and no state is a first one (MCP 2026-07-28, "Multi Round-Trip Requests").
fn round(
    gate: &Gate,
    trail: &mut Trail,
    session: &Session,
    request: &Request,
    target: &Target,
    wrapping: Wrapping,
) -> Result<Option<Box<Round>>, Halt> {
    let asks = matches!(request.method, Method::CallTool | Method::GetPrompt | Method::ReadResource);
    let Some(params) = request.params().filter(|_| asks && !session.revision.is_legacy()) else { return Ok(None) };
    let Some(state) = mcp::view::retry(params).state else { return Ok(None) };
    match gate.rounds.states.open(&state, session.id, &session.rounds, &about(target, wrapping.arguments(Some(params))), gate.clock.utc()) {
        Some(round) => {
            let fits = |asked: &Asked| {
                let answer = mcp::view::retry(params).answers.and_then(|answers| answers.get(&asked.key));
                answer.is_none_or(|answer| asked.method().is_some_and(|method| mcp::check_result(method, answer, session.revision).is_ok()))
            };
            if round.state.asked.iter().all(fits) { Ok(Some(Box::new(round))) } else { Err(fault(trail, 29, session, request)) }
        }
        None => Err(fault(trail, 63, session, request)),
    }
}

fn about(target: &Target, given: Option<Node<'_>>) -> [u8; 32] {
    let (kind, server, name) = match target {
        Target::Tool(server, item, _) => ("tool", server, item.name.as_str()),
        Target::Prompt(server, item) => ("prompt", server, item.name.as_str()),
        Target::Resource(server, uri) => ("resource", server, uri.as_str()),
        _ => return [0; 32],
    };
    let mut digest = Sha256::new();
    for part in [kind, server.name.as_str(), name] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut arguments = Vec::new();
    if let Some(given) = given {
        given.canonical(&mut arguments);
    }
    digest.update(&arguments);
    digest.finalize().into()
}

/// The server that a target is at.
pub(super) fn server(target: &Target) -> Option<&Arc<Server>> {
    match target {
        Target::Tool(server, ..)
        | Target::Prompt(server, _)
        | Target::Resource(server, _)
        | Target::Resources(server, _)
        | Target::Completion(server, _)
        | Target::Subscription(server, ..)
        | Target::Reply(server, ..)
        | Target::Closed(server, _) => Some(server),
        Target::Initialize
        | Target::Discover
        | Target::Listen(..)
        | Target::Ping
        | Target::List(..)
        | Target::Level(_)
        | Target::NoResources
        | Target::Cancel(_)
        | Target::Noted(_)
        | Target::Dropped
        | Target::Stream(_)
        | Target::End
        | Target::Search(_)
        | Target::Misused(_)
        | Target::Absent => None,
    }
}

fn asked(
    gate: &Gate,
    trail: &mut Trail,
    viewer: Viewer<'_>,
    source: &Source,
    request: &Request,
    wrapping: Wrapping,
) -> Result<Target, Halt> {
    let Viewer { snapshot, session, .. } = viewer;
    let params = request.params();
    let text = |name: &str| params.and_then(|params| params.get(name)).and_then(Node::text).map(std::borrow::Cow::into_owned);
    Ok(match request.method {
        Method::Initialize => Target::Initialize,
        Method::Discover => Target::Discover,
        Method::Listen => listen(trail, snapshot, session, request, params)?,
        Method::Ping => Target::Ping,
        Method::SetLevel => {
            Target::Level(text("level").and_then(|level| names::level(&level)).ok_or_else(|| fault(trail, 29, session, request))?)
        }
        Method::ListTools => list(gate, trail, session, snapshot, request, Listing::Tools, text("cursor"))?,
        Method::ListPrompts => list(gate, trail, session, snapshot, request, Listing::Prompts, text("cursor"))?,
        Method::ListResourceTemplates => list(gate, trail, session, snapshot, request, Listing::Templates, text("cursor"))?,
        Method::CallTool => {
            let name = text("name").unwrap_or_default();
            let arguments = params.and_then(|params| params.get("arguments"));
            match (wrapping, Own::named(&name)) {
                (Wrapping::Wrapped, _) => wrapped(trail, snapshot, session, arguments),
                (Wrapping::Bare, Some(Own::Search)) if viewer.searches() => {
                    trail.subject = Some(name);
                    trail.named = Named::Offered;
                    match Sought::read(arguments) {
                        Ok(sought) => Target::Search(Box::new(sought)),
                        Err(mismatch) => Target::Misused(Box::new(mismatch)),
                    }
                }
                (Wrapping::Bare, _) => {
                    let target = tool(trail, snapshot, session, &name, arguments);
                    repeated(trail, session, request, source, &target, arguments)?;
                    target
                }
            }
        }
        Method::GetPrompt => {
            let name = text("name").unwrap_or_default();
            let found = find(snapshot, &session.endpoint, &name, |server| match &server.pinned {
                Ok(pinned) => Some(&pinned.prompts),
                Err(_) => None,
            });
            trail.subject = Some(bounded(&name));
            match found {
                Some((server, item)) => {
                    trail.subject = Some(item.name.clone());
                    trail.named = Named::Offered;
                    trail.restored = restore(session, &server, params.and_then(|params| params.get("arguments")));
                    Target::Prompt(server, item)
                }
                None => missing(snapshot, named(&session.endpoint, &name)),
            }
        }
        Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
            let uri = text("uri").unwrap_or_default();
            match (address(trail, snapshot, session, &uri), request.method) {
                (Some((server, own)), Method::ReadResource) => Target::Resource(server, own),
                (Some((server, own)), method) => Target::Subscription(server, own, method),
                (None, _) => missing(snapshot, located(&session.endpoint, &uri)),
            }
        }
        Method::ListResources => resources(gate, trail, viewer, request, text("cursor"))?,
        Method::Complete => completion(trail, snapshot, session, params),
        _ => return Err(fault(trail, 24, session, request)),
    })
}

/// The headers that a tool asks for say what its arguments say (row 42). Over a pipe there are none.
fn repeated(
    trail: &mut Trail,
    session: &Session,
    request: &Request,
    source: &Source,
    target: &Target,
    arguments: Option<Node<'_>>,
) -> Result<(), Halt> {
    let (Target::Tool(_, item, _), Source::Http(http)) = (target, source) else { return Ok(()) };
    if session.revision.is_legacy() || item.headers.is_empty() {
        return Ok(());
    }
    let received = |name: &str| super::parse::received(&http.head.headers, name);
    mcp::header::check_arguments(&item.headers, arguments, session.revision, &request.id, received).map_err(|fault| trail.fault(fault))
}

fn fault(trail: &mut Trail, row: u8, session: &Session, request: &Request) -> Halt {
    trail.fault(mcp::Fault::of_row(row, session.revision, Some(request.id.clone())))
}

/// A peer's name as it may stand in a record.
fn bounded(name: &str) -> String {
    name.chars().take(128).collect()
}

fn list(
    gate: &Gate,
    trail: &mut Trail,
    session: &Session,
    snapshot: &Snapshot,
    request: &Request,
    listing: Listing,
    cursor: Option<String>,
) -> Result<Target, Halt> {
    let Some(cursor) = cursor else { return Ok(Target::List(listing, 0)) };
    let opened = gate.cursors.open(&cursor, session.id, &snapshot.digest, gate.clock.utc());
    match opened {
        Some(Cursor::Pinned { list, position }) if list == listing => Ok(Target::List(listing, position)),
        _ => Err(fault(trail, 62, session, request)),
    }
}

fn tool(trail: &mut Trail, snapshot: &Snapshot, session: &Session, name: &str, arguments: Option<Node<'_>>) -> Target {
    let found = find(snapshot, &session.endpoint, name, |server| match &server.pinned {
        Ok(pinned) => Some(&pinned.tools),
        Err(_) => None,
    });
    trail.subject = Some(bounded(name));
    let Some((server, item)) = found.filter(|(_, item)| !item.needs_task()) else {
        return missing(snapshot, named(&session.endpoint, name));
    };
    trail.subject = Some(item.name.clone());
    trail.named = Named::Offered;
    trail.operation = item.operation;
    trail.inner = item.kinds.part().map(|part| part.tool.clone());
    trail.label = Some(item.label);
    trail.restored = restore(session, &server, arguments);
    let restored = trail.restored.as_ref().and_then(|restored| restored.arguments.as_ref()).map(Document::root);
    let fit = fit(&item, restored.or(arguments));
    Target::Tool(server, item, fit)
}

/// The tool that is called through another. It is unwrapped once: a tool of our own is at no server, so that none is found inside.
fn wrapped(trail: &mut Trail, snapshot: &Snapshot, session: &Session, arguments: Option<Node<'_>>) -> Target {
    match search::unwrap(arguments) {
        Ok((name, arguments)) => {
            trail.wrapping = Wrapping::Wrapped;
            tool(trail, snapshot, session, &name, arguments)
        }
        Err(mismatch) => {
            trail.subject = Some(search::CALL.to_owned());
            trail.named = Named::Offered;
            Target::Misused(Box::new(mismatch))
        }
    }
}

fn fit(item: &Item, arguments: Option<Node<'_>>) -> Fit {
    let value = match arguments.map(Node::to_value) {
        None => serde_json::Value::Object(serde_json::Map::new()),
        Some(Ok(value)) => value,
        Some(Err(_)) => return Fit::Unchecked,
    };
    match &item.input {
        None => {}
        Some(Err(_)) => return Fit::Unchecked,
        Some(Ok(schema)) => {
            if let Err(mismatch) = schema.check(&value).and_then(|()| schema.check_inherited(&value)) {
                return Fit::Schema(mismatch);
            }
        }
    }
    let serde_json::Value::Object(members) = value else { return Fit::Unchecked };
    match item.constraints.check(&members) {
        Ok(_) => Fit::Fits(Box::new(members)),
        Err(mismatch) => Fit::Constraint(mismatch),
    }
}

/// The server that a name is at.
fn named(endpoint: &Endpoint, name: &str) -> Option<ServerName> {
    match endpoint {
        Endpoint::Server(server) => Some(server.clone()),
        Endpoint::All => mcp::split_qualified(name).map(|(server, _)| server),
    }
}

/// The server that an address is at.
fn located(endpoint: &Endpoint, uri: &str) -> Option<ServerName> {
    match endpoint {
        Endpoint::Server(server) => Some(server.clone()),
        Endpoint::All => mcp::unwrap_address(uri).map(|(server, _)| server),
    }
}

/// What stands for a name that no pin has: a server of which nothing may be used, or nothing.
fn missing(snapshot: &Snapshot, server: Option<ServerName>) -> Target {
    match server.and_then(|name| snapshot.servers.get(&name)) {
        Some(server) => match &server.pinned {
            Ok(_) => Target::Absent,
            Err(why) => Target::Closed(Arc::clone(server), *why),
        },
        None => Target::Absent,
    }
}

/// Looks a name up: bare at one server, `server__name` at all.
fn find<'a>(
    snapshot: &'a Snapshot,
    endpoint: &Endpoint,
    name: &str,
    table: impl Fn(&'a Server) -> Option<&'a crate::snapshot::Table>,
) -> Option<(Arc<Server>, Arc<Item>)> {
    match endpoint {
        Endpoint::Server(server) => {
            let server = snapshot.servers.get(server)?;
            Some((Arc::clone(server), Arc::clone(table(server)?.own(name)?)))
        }
        Endpoint::All => {
            let (server, _) = mcp::split_qualified(name)?;
            let server = snapshot.servers.get(&server)?;
            Some((Arc::clone(server), Arc::clone(table(server)?.shown(name)?)))
        }
    }
}

/// The server and its own address of a resource that a client names.
fn address(trail: &mut Trail, snapshot: &Snapshot, session: &Session, uri: &str) -> Option<(Arc<Server>, String)> {
    trail.subject = Some(bounded(uri));
    let (server, own) = match &session.endpoint {
        Endpoint::Server(server) => (snapshot.servers.get(server)?, uri.to_owned()),
        Endpoint::All => {
            let (server, own) = mcp::unwrap_address(uri)?;
            (snapshot.servers.get(&server)?, own)
        }
    };
    // Whole: all of it goes to the server.
    trail.subject = Some(own.clone());
    match &server.pinned {
        Ok(pinned) if pinned.capabilities.contains_key("resources") => Some((Arc::clone(server), own)),
        _ => None,
    }
}

/// What a subscription asks for. A resource that is not there is left out of what is honoured, like one that may not be seen.
fn listen(trail: &mut Trail, snapshot: &Snapshot, session: &Session, request: &Request, params: Option<Node<'_>>) -> Result<Target, Halt> {
    let Some(filter) = params.map(mcp::view::filter) else { return Err(fault(trail, 29, session, request)) };
    let lists = [(filter.tools, Kind::Tool), (filter.prompts, Kind::Prompt), (filter.resources, Kind::Template)];
    let lists = lists.into_iter().filter_map(|(wanted, kind)| wanted.then_some(kind)).collect();
    if filter.updates.len() > WATCHED {
        return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(WATCHED as u64)));
    }
    let watched = filter.updates.into_iter().map(|shown| {
        let own = address(trail, snapshot, session, &shown).map(|(server, own)| (server.name.clone(), own));
        Watched { shown: shown.into_owned(), own }
    });
    let watched = watched.collect();
    trail.subject = None;
    Ok(Target::Listen(lists, watched))
}

/// Lists of resources are data: one server is asked for one page at a time, in the order of names.
fn resources(gate: &Gate, trail: &mut Trail, viewer: Viewer<'_>, request: &Request, cursor: Option<String>) -> Result<Target, Halt> {
    let Viewer { snapshot, session, .. } = viewer;
    let (from, own) = match cursor {
        None => (None, None),
        Some(cursor) => match gate.cursors.open(&cursor, session.id, &snapshot.digest, gate.clock.utc()) {
            Some(Cursor::Resources { server, own }) => (Some(server), own),
            _ => return Err(fault(trail, 62, session, request)),
        },
    };
    let mut servers = super::decide::resource_servers(viewer);
    let server = match from {
        None => servers.next(),
        Some(name) => servers.find(|server| server.name == name),
    };
    Ok(server.map_or(Target::NoResources, |server| Target::Resources(Arc::clone(server), own)))
}

fn completion(trail: &mut Trail, snapshot: &Snapshot, session: &Session, params: Option<Node<'_>>) -> Target {
    let reference = params.and_then(|params| params.get("ref"));
    let text = |name: &str| reference.and_then(|reference| reference.get(name)).and_then(Node::text).unwrap_or_default();
    match &*text("type") {
        "ref/prompt" => {
            let name = text("name");
            trail.subject = Some(bounded(&name));
            let found = find(snapshot, &session.endpoint, &name, |server| match &server.pinned {
                Ok(pinned) => Some(&pinned.prompts),
                Err(_) => None,
            });
            match found {
                Some((server, item)) => Target::Completion(server, Reference::Prompt(item.name.clone())),
                None => missing(snapshot, named(&session.endpoint, &name)),
            }
        }
        "ref/resource" => {
            let uri = text("uri");
            match address(trail, snapshot, session, &uri) {
                Some((server, own)) => Target::Completion(server, Reference::Template(own)),
                None => missing(snapshot, located(&session.endpoint, &uri)),
            }
        }
        _ => Target::Absent,
    }
}

fn noted(notification: &Notification) -> Target {
    match notification.method {
        Method::Cancelled => {
            notification.params().and_then(|params| mcp::view::cancelled(params).request).map_or(Target::Dropped, Target::Cancel)
        }
        method @ (Method::Initialized | Method::RootsChanged) => Target::Noted(method),
        _ => Target::Dropped,
    }
}

fn replied(snapshot: &Snapshot, session: &Session, id: Option<&Id>) -> Target {
    let question = id.and_then(|id| session.questions.method(id).map(|(method, server)| (method, server, id.clone())));
    match question.and_then(|(method, server, id)| snapshot.servers.get(&server).map(|server| (server, method, id))) {
        Some((server, method, id)) => Target::Reply(Arc::clone(server), method, id),
        None => Target::Dropped,
    }
}
