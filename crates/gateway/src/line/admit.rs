//! Stage 4: it belongs to a session of this very principal, and nothing has stopped it.
//!
//! Afterwards the session is bound, the epoch of the kill switch is carried, the id is the only one of its kind in flight, and limits were charged.

use super::parse::{Intake, Parsed, SESSION};
use crate::arrival::Source;
use crate::calls::Entry;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::{Abilities, Ability, Ends, Flight, Phase, Session, Streams};
use crate::trail::{Stage, Trail};
use mcp::{Fault, Id, Message, Method, Node, Revision};
use policy::Charge;
use response::{CallScope, Carried};
use std::sync::Arc;
use terms::{Code, Hole};

/// What arrived, in its session.
pub struct Admitted {
    parsed: Parsed,
    place: Place,
    session: Arc<Session>,
    epoch: Carried,
}

/// Its place among the calls in flight, given back when dropped.
struct Place {
    entry: Entry,
    flying: Option<Id>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(id) = &self.flying {
            self.entry.call().session.land(id);
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
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, parsed: Parsed) -> Result<Admitted, Halt> {
    let mut unheard = Unheard { gate, session: None };
    let session = match opening(&parsed) {
        Some((id, params)) => Arc::clone(unheard.session.insert(open(gate, trail, &parsed, id, params)?)),
        None => find(gate, trail, &parsed)?,
    };
    trail.session(&session);
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
    let mut place = Place { entry, flying: None };
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
        match session.fly(request.id.clone(), place.entry.call()) {
            Flight::Entered => place.flying = Some(request.id.clone()),
            Flight::Doubled => return Err(trail.fault(Fault::of_row(22, Revision::R2025_11_25, Some(request.id.clone())))),
        }
        if remote(request.method) {
            session.count_call();
            charge(gate, trail, &parsed, &session)?;
        }
    }
    trail.passed(gate, Stage::Admit);
    unheard.session = None;
    Ok(Admitted { parsed, place, session, epoch })
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

/// Methods whose calls cost a server something: those that `limits.calls` counts.
fn remote(method: Method) -> bool {
    matches!(
        method,
        Method::CallTool | Method::ReadResource | Method::ListResources | Method::GetPrompt | Method::Complete | Method::Subscribe
    )
}

fn open(gate: &Gate, trail: &mut Trail, parsed: &Parsed, id: Id, params: Node<'_>) -> Result<Arc<Session>, Halt> {
    let identified = parsed.identified();
    let framed = identified.framed();
    let streams = match &framed.arrival().source {
        Source::Http(http) => {
            if http.head.headers.contains_key(&SESSION) {
                return Err(trail.fault(again(id)));
            }
            Streams::events()
        }
        Source::Local(local) => {
            if local.session.is_some() {
                return Err(trail.fault(again(id)));
            }
            Streams::Lines(local.outlet.clone())
        }
    };
    let session = Session::open(
        &*gate.entropy,
        Arc::clone(identified.principal()),
        framed.endpoint().clone(),
        gate.clock.utc(),
        identified.ends().map(|at| Ends::new(at, gate.clock.utc(), gate.clock.instant())),
        abilities(params),
        streams,
    );
    let most = framed.snapshot().bounds.connections;
    gate.sessions.add(&session, most).map_err(|_| trail.refuse_with(Code::BoundStreams, Hole::Most(most as u64)))?;
    gate.metrics.sessions.set(i64::try_from(gate.sessions.count()).unwrap_or(i64::MAX));
    Ok(session)
}

/// The fault of an `initialize` in a session: unlike what comes before `initialized`, not one of order alone.
fn again(id: Id) -> Fault {
    Fault { http: 400, ..Fault::of_row(46, Revision::R2025_11_25, Some(id)) }
}

fn abilities(params: Node<'_>) -> Abilities {
    let declared = |node: Option<Node<'_>>| if node.is_some() { Ability::Declared } else { Ability::Absent };
    let capabilities = params.get("capabilities");
    let of = |name: &str| capabilities.and_then(|all| all.get(name));
    let elicitation = of("elicitation");
    let form = elicitation.is_some_and(|modes| modes.members().next().is_none() || modes.get("form").is_some());
    Abilities {
        sampling: declared(of("sampling")),
        form: if form { Ability::Declared } else { Ability::Absent },
        url: declared(elicitation.and_then(|modes| modes.get("url"))),
        roots: declared(of("roots")),
    }
}

fn find(gate: &Gate, trail: &mut Trail, parsed: &Parsed) -> Result<Arc<Session>, Halt> {
    let identified = parsed.identified();
    let framed = identified.framed();
    match &framed.arrival().source {
        Source::Local(local) => local.session.clone().ok_or_else(|| {
            let id = trail.client_id.clone();
            trail.fault(Fault::of_row(46, Revision::R2025_11_25, id))
        }),
        Source::Http(http) => {
            let headers = &http.head.headers;
            if !headers.contains_key(&SESSION) {
                return Err(trail.status(400, Code::SessionMissing));
            }
            super::accept::one(headers, &SESSION)
                .and_then(|key| gate.sessions.find(key, identified.principal(), framed.endpoint()))
                .ok_or_else(|| trail.status(404, Code::SessionUnknown))
        }
    }
}

/// Before `initialized` only `ping` may be asked (MCP 2025-11-25, Lifecycle).
fn order(trail: &mut Trail, parsed: &Parsed, session: &Session) -> Result<(), Halt> {
    match parsed.intake() {
        Intake::Message(Message::Request(request))
            if session.phase() == Phase::Opening && !matches!(request.method, Method::Ping | Method::Initialize) =>
        {
            Err(trail.fault(Fault::of_row(46, Revision::R2025_11_25, Some(request.id.clone()))))
        }
        _ => Ok(()),
    }
}

fn charge(gate: &Gate, trail: &mut Trail, parsed: &Parsed, session: &Session) -> Result<(), Halt> {
    let policy = &parsed.identified().framed().snapshot().policy;
    match policy.charge(&session.principal, &*gate.meters, gate.clock.instant()) {
        Ok(Charge::Within) => Ok(()),
        Ok(Charge::Over { limit, retry_after }) => {
            let mut halt = trail.refuse_with(Code::RateCalls, Hole::Most(u64::from(limit.most)));
            halt.refusal.retry_after = Some(retry_after);
            Err(halt)
        }
        Err(cause) => {
            trail.cause(&cause);
            Err(trail.refuse(Code::RateFault))
        }
    }
}
