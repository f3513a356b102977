//! Stage 4: it belongs to a session of this very principal, and nothing has stopped it.
//!
//! Afterwards the session is bound, the epoch of the kill switch is carried, the id is the only one of its kind in flight, and limits were charged.

use super::identify::Turn;
use super::limits;
use super::parse::{Intake, Parsed, SESSION};
use crate::arrival::Source;
use crate::calls::Entry;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::moment::Moment;
use crate::session::{Abilities, Ability, Caller, Ends, Flight, Opening, Phase, Session, Streams};
use crate::trail::{Stage, Trail};
use mcp::{Fault, Id, Message, Method, Node, Request, Revision};
use policy::Transport;
use response::{CallScope, Carried};
use std::sync::Arc;
use terms::{Code, Hole};

/// What arrived, in its session.
pub struct Admitted {
    parsed: Parsed,
    place: Place,
    session: Arc<Session>,
    epoch: Carried,
    abilities: Abilities,
    level: Option<u8>,
    moment: Arc<Moment>,
}

/// Its place among the calls in flight, given back when dropped.
struct Place {
    entry: Entry,
    flying: Flying,
}

/// What a message counts as while it is on its way.
enum Flying {
    /// As nothing: nothing answers it.
    No,
    /// As a request that nobody can name but who sent it.
    Alone,
    /// As the request of this id.
    Under(Id),
}

impl Drop for Place {
    fn drop(&mut self) {
        let session = &self.entry.call().session;
        match &self.flying {
            Flying::No => {}
            Flying::Alone => session.leave(),
            Flying::Under(id) => {
                session.land(id);
                session.leave();
            }
        }
    }
}

/// A session that was opened for a message that goes no further: nobody will ever hear of it.
struct Unheard<'a> {
    gate: &'a Gate,
    session: Option<Arc<Session>>,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if let Some(unheard) = &self.session {
            self.gate.sessions.end(|session| session.id == unheard.id);
        }
    }
}

impl Admitted {
    pub(super) fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn epoch(&self) -> Carried {
        self.epoch
    }

    pub(super) fn call(&self) -> &Arc<crate::calls::Call> {
        self.place.entry.call()
    }

    /// What the client can do about this message: what it said when it opened the session, or in the message itself.
    pub(super) fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// From where, as what and when it comes.
    pub(super) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// The lowest level of log messages that the client wants of this call; none when it wants none.
    pub(super) fn level(&self) -> Option<u8> {
        if self.session.revision.is_legacy() { Some(self.session.level()) } else { self.level }
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, parsed: Parsed) -> Result<Admitted, Halt> {
    if parsed.identified().turn() == Turn::Nobodys && matches!(parsed.intake(), Intake::Message(Message::Request(_))) {
        return Err(trail.shed());
    }
    let mut unheard = Unheard { gate, session: None };
    let own = stated(&parsed);
    let session = match opening(&parsed) {
        Some((id, params)) => Arc::clone(unheard.session.insert(open(gate, trail, &parsed, id, params)?)),
        None if parsed.revision().is_legacy() => find(trail, &parsed)?,
        None => standing(gate, trail, &parsed)?,
    };
    trail.session(&session);
    if !parsed.revision().is_legacy() {
        trail.bound = Some(Arc::clone(&session));
    }
    let scope = CallScope { principal: &session.principal, session: Some(session.id), server: None };
    let epoch = gate.epochs.admit(&scope).map_err(|stopped| {
        trail.cause(&stopped);
        trail.refuse(Code::Killed)
    })?;
    let now = gate.clock.instant();
    session.touch(now);
    order(trail, &parsed, &session)?;
    let bound = parsed.identified().framed().snapshot().bounds.inflight;
    let entry =
        gate.calls.enter(trail.id, &session, now, bound).ok_or_else(|| trail.refuse_with(Code::BoundInflight, Hole::Most(bound as u64)))?;
    if let Some(context) = &trail.context {
        entry.call().stands(context.clone());
    }
    let mut place = Place { entry, flying: Flying::No };
    if let Intake::Message(Message::Request(_)) = parsed.intake() {
        session.enter();
        place.flying = Flying::Alone;
    }
    if session.phase() == Phase::Ended {
        return Err(trail.status(404, Code::SessionUnknown));
    }
    if let Intake::Message(Message::Notification(notification)) = parsed.intake()
        && notification.method == Method::Initialized
    {
        // Here and not later: the next line of a local client may be read before the task of this one runs.
        session.ready();
    }
    if let Intake::Message(Message::Request(request)) = parsed.intake() {
        // Requests that stand alone are told apart by the connection that each came on, not by their ids.
        if !matches!(session.streams, Streams::Own) {
            match session.fly(request.id.clone(), place.entry.call()) {
                Flight::Entered => place.flying = Flying::Under(request.id.clone()),
                Flight::Doubled => return Err(trail.fault(Fault::of_row(22, parsed.revision(), Some(request.id.clone())))),
            }
        }
        let calls = cost(request);
        if calls > 0 {
            session.count_calls(calls);
            trail.attempt = limits::attempt(gate, trail, &parsed, &session, calls)?;
        }
    }
    trail.passed(gate, Stage::Admit);
    unheard.session = None;
    let (abilities, level) = own.unwrap_or((session.abilities, None));
    let moment = moment(gate, &parsed, &session);
    session.moment.put(&moment);
    trail.moment = Some(Arc::clone(&moment));
    Ok(Admitted { parsed, place, session, epoch, abilities, level, moment })
}

/// What a request that stands alone says of its client: what it can do, and which log messages it wants.
fn stated(parsed: &Parsed) -> Option<(Abilities, Option<u8>)> {
    let Intake::Message(Message::Request(request)) = parsed.intake() else { return None };
    if parsed.revision().is_legacy() {
        return None;
    }
    let declared = mcp::view::declared(request.params()?)?;
    Some((abilities(Some(declared.capabilities)), declared.log_level.map(|level| level as u8)))
}

/// From where, as what and when a message comes. What a client calls itself it says when it opens a session, or with each request.
fn moment(gate: &Gate, parsed: &Parsed, session: &Session) -> Arc<Moment> {
    let (address, transport) = match &parsed.identified().framed().arrival().source {
        Source::Http(http) => (Some(http.peer.address.ip().to_canonical()), Transport::Http),
        Source::Local(_) => (None, Transport::Local),
    };
    let named = |info: Option<Node<'_>>| info.and_then(|info| info.get("name")).and_then(Node::text).and_then(|name| Moment::client(&name));
    let client = match (opening(parsed), parsed.intake()) {
        (Some((_, params)), _) => named(params.get("clientInfo")),
        (None, Intake::Message(Message::Request(request))) if !parsed.revision().is_legacy() => {
            named(request.params().and_then(mcp::view::declared).and_then(|declared| declared.client_info))
        }
        (None, _) => session.moment.get().client.clone(),
    };
    Arc::new(Moment { client, address, transport: Some(transport), at: Some(gate.clock.utc()), depth: session.call_count() })
}

/// The id and params of a message that opens a session.
fn opening(parsed: &Parsed) -> Option<(Id, Node<'_>)> {
    match parsed.intake() {
        Intake::Message(Message::Request(request)) if request.method == Method::Initialize => {
            request.params().map(|params| (request.id.clone(), params))
        }
        _ => None,
    }
}

/// How many calls `limits.calls` counts a request as: one where it costs a server something, as many as it has resources where it subscribes to
/// them together.
fn cost(request: &Request) -> u64 {
    match request.method {
        Method::CallTool | Method::ReadResource | Method::ListResources | Method::GetPrompt | Method::Complete | Method::Subscribe => 1,
        Method::Listen => request.params().map_or(0, |params| mcp::view::filter(params).updates.len().min(super::resolve::WATCHED) as u64),
        _ => 0,
    }
}

fn open(gate: &Gate, trail: &mut Trail, parsed: &Parsed, id: Id, params: Node<'_>) -> Result<Arc<Session>, Halt> {
    let identified = parsed.identified();
    let framed = identified.framed();
    let streams = match &framed.arrival().source {
        Source::Http(http) => {
            if http.head.headers.contains_key(&SESSION) {
                return Err(trail.fault(again(parsed, id)));
            }
            Streams::events()
        }
        Source::Local(local) => {
            if local.session.is_some() {
                return Err(trail.fault(again(parsed, id)));
            }
            Streams::Lines(local.outlet.clone())
        }
    };
    let listen = &framed.snapshot().listen;
    let asked = params.get("protocolVersion").and_then(Node::text).and_then(|text| Revision::parse(&text));
    let spoken = asked.filter(|revision| revision.is_legacy() && listen.revisions.contains(revision)).or_else(|| listen.legacy());
    let Some(revision) = spoken else { return Err(trail.fault(Fault::of_row(24, Revision::R2026_07_28, Some(id)))) };
    let session = Session::open(&*gate.entropy, begun(gate, parsed, revision, abilities(params.get("capabilities")), streams));
    let most = framed.snapshot().bounds.connections;
    gate.sessions.add(&session, most).map_err(|_| trail.refuse_with(Code::BoundStreams, Hole::Most(most as u64)))?;
    gate.metrics.sessions.set(i64::try_from(gate.sessions.count()).unwrap_or(i64::MAX));
    Ok(session)
}

fn begun(gate: &Gate, parsed: &Parsed, revision: Revision, abilities: Abilities, streams: Streams) -> Opening {
    let identified = parsed.identified();
    Opening {
        principal: Arc::clone(identified.principal()),
        endpoint: identified.framed().endpoint().clone(),
        opened: gate.clock.utc(),
        ends: identified.ends().map(|at| Ends::new(at, gate.clock.utc(), gate.clock.instant())),
        revision,
        abilities,
        streams,
    }
}

/// The session of requests that stand alone: on a local connection its own, else that of the caller.
fn standing(gate: &Gate, trail: &mut Trail, parsed: &Parsed) -> Result<Arc<Session>, Halt> {
    let identified = parsed.identified();
    let framed = identified.framed();
    let most = framed.snapshot().bounds.connections;
    // Any request may say that it can do any of these; each is believed for itself alone.
    let any = Abilities::ALL;
    let found = match &framed.arrival().source {
        Source::Local(local) => match &local.session {
            Some(session) => Ok(Arc::clone(session)),
            None => {
                let session =
                    Session::open(&*gate.entropy, begun(gate, parsed, parsed.revision(), any, Streams::Lines(local.outlet.clone())));
                gate.sessions.add(&session, most).map(|()| session)
            }
        },
        Source::Http(_) => {
            let caller =
                Caller { principal: Arc::clone(identified.principal()), endpoint: framed.endpoint().clone(), until: identified.ends() };
            gate.sessions
                .of_caller(caller, most, || Session::open(&*gate.entropy, begun(gate, parsed, parsed.revision(), any, Streams::Own)))
        }
    };
    let session = found.map_err(|_| trail.refuse_with(Code::BoundStreams, Hole::Most(most as u64)))?;
    gate.metrics.sessions.set(i64::try_from(gate.sessions.count()).unwrap_or(i64::MAX));
    Ok(session)
}

/// The fault of an `initialize` in a session: unlike what comes before `initialized`, not one of order alone.
fn again(parsed: &Parsed, id: Id) -> Fault {
    Fault { http: 400, ..Fault::of_row(46, parsed.revision(), Some(id)) }
}

fn abilities(capabilities: Option<Node<'_>>) -> Abilities {
    let declared = |node: Option<Node<'_>>| if node.is_some() { Ability::Declared } else { Ability::Absent };
    let of = |name: &str| capabilities.and_then(|all| all.get(name));
    let elicitation = of("elicitation");
    let form = elicitation.is_some_and(|modes| modes.members().next().is_none() || modes.get("form").is_some());
    Abilities {
        sampling: declared(of("sampling")),
        form: if form { Ability::Declared } else { Ability::Absent },
        url: declared(elicitation.and_then(|modes| modes.get("url"))),
        roots: declared(of("roots")),
        labels: declared(of("experimental").and_then(|all| all.get("dev.bastide/labels"))),
    }
}

fn find(trail: &mut Trail, parsed: &Parsed) -> Result<Arc<Session>, Halt> {
    if let Some(session) = parsed.session() {
        return Ok(Arc::clone(session));
    }
    match &parsed.identified().framed().arrival().source {
        Source::Local(_) => {
            let id = trail.client_id.clone();
            Err(trail.fault(Fault::of_row(46, parsed.revision(), id)))
        }
        Source::Http(http) if http.head.headers.contains_key(&SESSION) => Err(trail.status(404, Code::SessionUnknown)),
        Source::Http(_) => Err(trail.status(400, Code::SessionMissing)),
    }
}

/// Before `initialized` only `ping` may be asked (MCP 2025-11-25, Lifecycle).
fn order(trail: &mut Trail, parsed: &Parsed, session: &Session) -> Result<(), Halt> {
    match parsed.intake() {
        Intake::Message(Message::Request(request))
            if session.phase() == Phase::Opening && !matches!(request.method, Method::Ping | Method::Initialize) =>
        {
            Err(trail.fault(Fault::of_row(46, parsed.revision(), Some(request.id.clone()))))
        }
        _ => Ok(()),
    }
}
