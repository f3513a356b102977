//! Stage 10: it goes out, or is answered by us.
//!
//! The last look at the kill switch is here, as close to the wire as can be; a kill after it stops the call from the other side.

use super::allowance::Allowance;
use super::lists;
use super::record::Recorded;
use super::resolve::{Listing, Reference, Target};
use crate::calls::{Call, Stop};
use crate::doors::{Broken, Frame, InFlight, Link, era};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::{Form, Session, Streams, Wants};
use crate::snapshot::{Server, Snapshot};
use crate::trail::{Stage, Trail, is_traceparent};
use mcp::{Id, Method, Node, json};
use std::sync::Arc;
use std::time::Duration;
use terms::Code;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages that a subscription may be behind.
const LISTENED: usize = 64;
/// Resources that one session may be subscribed to.
const SUBSCRIPTIONS: usize = 1024;

/// What was sent, or what we answer ourselves.
pub struct Forwarded {
    recorded: Recorded,
    way: Way,
    deadline: Instant,
    notes: Allowance,
}

/// Where the answer comes from.
pub(super) enum Way {
    /// A server.
    Server(InFlight, Arc<Server>),
    /// Ourselves: one JSON result.
    Own(Option<Vec<u8>>),
    /// Nothing is said: it was taken note of.
    Accepted,
    /// A stream.
    Opened(Option<mpsc::Receiver<bytes::Bytes>>),
    /// The session is over.
    Ended,
}

impl Forwarded {
    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    pub(super) fn recorded_mut(&mut self) -> &mut Recorded {
        &mut self.recorded
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    pub(super) fn way_mut(&mut self) -> &mut Way {
        &mut self.way
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The notes on the way that are still passed on.
    pub(super) fn notes_mut(&mut self) -> &mut Allowance {
        &mut self.notes
    }

    pub(super) fn target(&self) -> &Target {
        self.recorded.authorized().decided().inspected().resolved().target()
    }

    pub(super) fn call(&self) -> &Arc<Call> {
        self.recorded.call()
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.recorded.authorized().decided().inspected().resolved().admitted().session()
    }

    /// The client's progress token, where it gave one.
    pub(super) fn progress_token(&self) -> Option<Node<'_>> {
        let params = self.recorded.authorized().decided().inspected().resolved().params()?;
        params.get("_meta")?.get("progressToken")
    }
}

pub(super) async fn run(gate: &Arc<Gate>, trail: &mut Trail, recorded: Recorded) -> Result<Forwarded, Halt> {
    alive(gate, trail, &recorded)?;
    let resolved = recorded.authorized().decided().inspected().resolved();
    let session = Arc::clone(resolved.admitted().session());
    let snapshot = Arc::clone(resolved.snapshot());
    let mut deadline = Instant::now() + Duration::from_secs(30);
    let way = match resolved.target() {
        Target::Initialize => {
            let scope = resolved.admitted().parsed().identified().scope();
            Way::Own(Some(lists::initialize(&snapshot, &session, scope)))
        }
        Target::Discover => {
            let scope = resolved.admitted().parsed().identified().scope();
            Way::Own(Some(lists::discover(&snapshot, &session, scope)))
        }
        Target::Listen(..) => Box::pin(listen(gate, trail, &recorded, &session, &snapshot)).await?,
        Target::Ping => Way::Own(Some(b"{}".to_vec())),
        Target::List(listing, position) => {
            let scope = resolved.admitted().parsed().identified().scope();
            Way::Own(Some(lists::page(gate, &snapshot, &session, scope, *listing, *position)))
        }
        Target::NoResources => Way::Own(Some(br#"{"resources":[]}"#.to_vec())),
        Target::Level(level) => {
            session.set_level(*level);
            Box::pin(gate.servers.set_level(&session, *level)).await;
            Way::Own(Some(b"{}".to_vec()))
        }
        Target::Noted(Method::Initialized) => Way::Accepted,
        Target::Noted(_) => {
            Box::pin(gate.servers.roots_changed(&session)).await;
            Way::Accepted
        }
        Target::Cancel(id) => {
            if let Some(call) = session.flies(id) {
                call.stop(Stop::Cancelled);
            } else if let Some(wants) = session.listeners.cancel(id) {
                gate.servers.unwatch(&session, &wants);
            }
            Way::Accepted
        }
        Target::Dropped => Way::Accepted,
        Target::Stream(last) => {
            let bound = snapshot.bounds.streams;
            if session.listening() >= bound {
                return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(bound as u64)));
            }
            let subscriber = session.streams.stand(last.as_deref()).ok_or_else(|| trail.status(404, Code::SessionUnknown))?;
            Way::Opened(Some(subscriber))
        }
        Target::End => {
            Box::pin(gate.end_session(&session)).await;
            Way::Ended
        }
        Target::Reply(..) => {
            Box::pin(gate.servers.reply(&recorded, &session)).await.map_err(|broken| lost(trail, &broken))?;
            Way::Accepted
        }
        Target::Absent | Target::Closed(..) => return Err(trail.refuse(Code::Unknown)),
        Target::Tool(server, ..)
        | Target::Prompt(server, _)
        | Target::Resource(server, _)
        | Target::Resources(server, _)
        | Target::Completion(server, _)
        | Target::Subscription(server, ..) => {
            if let Target::Subscription(_, _, Method::Subscribe) = resolved.target()
                && session.subscription_count() >= SUBSCRIPTIONS
            {
                return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(SUBSCRIPTIONS as u64)));
            }
            let server = Arc::clone(server);
            deadline = Instant::now() + server.call;
            let sending = tokio::time::timeout_at(deadline, gate.servers.send(gate, &recorded, &server));
            let sent = tokio::select! {
                biased;
                code = ended(recorded.call()) => return Err(trail.refuse(code)),
                sent = sending => sent,
            };
            let flight = match sent {
                Ok(Ok(flight)) => flight,
                Ok(Err(closed)) => return Err(unavailable(trail, closed)),
                Err(_) => return Err(trail.refuse(Code::CallTimeout)),
            };
            Way::Server(flight, server)
        }
    };
    trail.passed(gate, Stage::Forward);
    let notes = Allowance::new(gate.clock.instant());
    Ok(Forwarded { recorded, way, deadline, notes })
}

/// Opens a subscription: its resources are asked of their servers first, so that what is acknowledged is what will be heard.
async fn listen(gate: &Arc<Gate>, trail: &mut Trail, recorded: &Recorded, session: &Arc<Session>, snapshot: &Snapshot) -> Result<Way, Halt> {
    let bound = snapshot.bounds.streams;
    let full = session.listening() >= bound || session.subscription_count() >= SUBSCRIPTIONS;
    let Some(id) = trail.client_id.clone().filter(|_| !full) else {
        return Err(trail.refuse_with(Code::BoundStreams, terms::Hole::Most(bound as u64)));
    };
    let asked = recorded.authorized().decided().honoured();
    let mut wants = Wants { lists: asked.lists.clone(), ..Wants::default() };
    for ((name, uri), shown) in &asked.resources {
        let Some(server) = snapshot.servers.get(name) else { continue };
        match gate.servers.watch(gate, recorded, server, uri).await {
            Ok(()) => drop(wants.resources.insert((name.clone(), uri.clone()), shown.clone())),
            Err(closed) => trail.cause(&closed),
        }
    }
    match &session.streams {
        Streams::Lines(outlet) => {
            session.listeners.add(id, wants, outlet.clone(), Form::Line);
            Ok(Way::Accepted)
        }
        Streams::Own | Streams::Events(_) => {
            let (sink, subscriber) = mpsc::channel(LISTENED);
            session.listeners.add(id, wants.clone(), sink.clone(), Form::Event);
            if !wants.resources.is_empty() {
                let (gate, session) = (Arc::clone(gate), Arc::clone(session));
                tokio::spawn(async move {
                    tokio::select! {
                        () = sink.closed() => {}
                        () = session.ended.cancelled() => {}
                    }
                    gate.servers.unwatch(&session, &wants);
                });
            }
            Ok(Way::Opened(Some(subscriber)))
        }
    }
}

/// Waits until an operator's kill ends the call, or its token does; says what the client is told. What the client cancels is sent all the same, and
/// then taken back.
async fn ended(call: &crate::calls::Call) -> Code {
    match call.stopped().await {
        Stop::Killed => Code::Killed,
        Stop::Expired => Code::TokenInvalid,
        Stop::Cancelled => std::future::pending().await,
    }
}

/// No kill that means this call has come since it was admitted.
fn alive(gate: &Gate, trail: &mut Trail, recorded: &Recorded) -> Result<(), Halt> {
    recorded.still_alive(gate).map_err(|stopped| {
        trail.cause(&stopped);
        trail.refuse(Code::Killed)
    })
}

/// Refuses because a server broke.
pub(super) fn lost(trail: &mut Trail, broken: &Broken) -> Halt {
    trail.cause(broken);
    match broken {
        Broken::Malformed(_) | Broken::Revision => trail.refuse(Code::ServerMalformed),
        Broken::Slow => trail.refuse(Code::CallTimeout),
        Broken::Wire(_) | Broken::Gone | Broken::Refused { .. } => trail.refuse(Code::ServerUnavailable),
    }
}

fn unavailable(trail: &mut Trail, closed: crate::doors::Closed) -> Halt {
    trail.cause(&closed);
    match closed {
        crate::doors::Closed::Broken(broken) => lost(trail, &broken),
        other => trail.refuse(other.code()),
    }
}

/// The request as it goes up: our id, our progress token, the canonical arguments, and of `_meta` only what we put there.
pub(crate) fn print(recorded: &Recorded, link: &Link, id: &Id) -> Frame {
    let (call, revision) = (recorded.call().id, link.revision());
    let inspected = recorded.authorized().decided().inspected();
    let resolved = inspected.resolved();
    let params = resolved.params();
    let meta = params.and_then(|params| params.get("_meta"));
    let canonical: &[u8] = if inspected.canonical().is_empty() { b"{}" } else { inspected.canonical() };
    let mut out = Vec::with_capacity(canonical.len() + 384);
    let mut body = Vec::with_capacity(canonical.len() + 256);
    let mut object = json::Object::open(&mut body);
    let mut own = Vec::with_capacity(96);
    let mut kept = json::Object::open(&mut own);
    if meta.is_some_and(|meta| meta.get("progressToken").is_some()) {
        id.write(kept.key("progressToken"));
    }
    let text = |name: &str| meta.and_then(|meta| meta.get(name)).and_then(Node::text);
    if let Some(parent) = text("traceparent").filter(|parent| is_traceparent(parent)) {
        kept.text("traceparent", &parent);
        if let Some(state) =
            text("tracestate").filter(|state| state.len() <= 512 && state.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        {
            kept.text("tracestate", &state);
        }
    }
    kept.text("dev.bastide/request", &call.to_string());
    era::state(&mut kept, revision, link.may().and(resolved.admitted().abilities()), resolved.admitted().level());
    kept.close();
    object.raw("_meta", &own);
    let method = match resolved.target() {
        Target::Tool(_, item, _) => {
            object.raw("arguments", canonical).text("name", &item.name);
            Method::CallTool
        }
        Target::Prompt(_, item) => {
            object.raw("arguments", canonical).text("name", &item.name);
            Method::GetPrompt
        }
        Target::Resource(_, uri) => {
            object.text("uri", uri);
            Method::ReadResource
        }
        Target::Resources(_, own) => {
            if let Some(own) = own {
                object.text("cursor", own);
            }
            Method::ListResources
        }
        Target::Completion(_, reference) => {
            let mut text = Vec::with_capacity(64);
            let mut inner = json::Object::open(&mut text);
            match reference {
                Reference::Prompt(name) => inner.text("type", "ref/prompt").text("name", name),
                Reference::Template(uri) => inner.text("type", "ref/resource").text("uri", uri),
            };
            inner.close();
            object.raw("ref", &text).raw("argument", canonical);
            if let Some(context) = params.and_then(|params| params.get("context")) {
                context.canonical(object.key("context"));
            }
            Method::Complete
        }
        Target::Subscription(_, uri, method) => {
            object.text("uri", uri);
            *method
        }
        _ => Method::Ping,
    };
    object.close();
    mcp::print_request(&mut out, id, method.as_str(), Some(&body));
    let fields = match resolved.target() {
        _ if revision.is_legacy() => Vec::new(),
        Target::Tool(_, item, _) => {
            let mut fields = era::fields(revision, method, Some(&item.name));
            let arguments = params.and_then(|params| params.get("arguments"));
            fields.extend(item.headers.iter().filter_map(|header| header.field(arguments?)));
            fields
        }
        Target::Prompt(_, item) => era::fields(revision, method, Some(&item.name)),
        Target::Resource(_, uri) => era::fields(revision, method, Some(uri)),
        _ => era::fields(revision, method, None),
    };
    Frame { text: out, fields }
}

/// The method that a listing answers, for the tables of `lists`.
pub(super) const fn method(listing: Listing) -> Method {
    match listing {
        Listing::Tools => Method::ListTools,
        Listing::Prompts => Method::ListPrompts,
        Listing::Templates => Method::ListResourceTemplates,
    }
}

