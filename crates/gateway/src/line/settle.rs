//! Stage 13: how it ended is durable before anybody is told. Refusals end here too.

use super::forward::Forwarded;
use super::screen::{Release, Screened};
use crate::arrival::Endpoint;
use crate::gate::Gate;
use crate::halt::{Halt, Shape};
use crate::metrics::Outcome;
use crate::plain::METADATA;
use crate::strangers::Noted;
use crate::trail::{Intended, Occasion, Stage, Trail, Verdict};
use audit::Unavailable;
use bytes::Bytes;
use mcp::Fate;
use std::sync::Arc;
use std::time::Duration;
use terms::{Code, Refusal, ServerName, Side};
use tokio::sync::mpsc;

/// How long an answer waits until what was taken out of it is kept.
const KEEPING: Duration = Duration::from_secs(2);

/// What a client may be told.
pub struct Settled {
    outgoing: Outgoing,
    last: Last,
}

/// Whether more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// This is all.
    Yes,
    /// The call goes on.
    No,
}

/// What goes out.
pub(super) enum Outgoing {
    /// A JSON-RPC message.
    Message {
        /// Its text.
        text: Bytes,
        /// The status over HTTP.
        status: u16,
        /// The key of a session that was opened.
        session: Option<String>,
    },
    /// That it was taken note of.
    Accepted,
    /// A stream.
    Opened(mpsc::Receiver<Bytes>),
    /// The session is over.
    Ended,
    /// A status, and perhaps a JSON-RPC error.
    Bare {
        /// The error's text; empty for none.
        text: Bytes,
        /// The status.
        status: u16,
        /// What becomes of the connection.
        fate: Fate,
        /// The challenge of a 401.
        challenge: Option<String>,
    },
    /// That there is too much to do, and when to come back.
    Busy {
        /// The refusal's text.
        text: Bytes,
        /// Seconds.
        after: u64,
    },
    /// Nothing, and the stream is let go of: the client comes back for the rest.
    Parted,
    /// Nothing.
    Silent,
}

impl Settled {
    pub(super) fn open(self) -> (Outgoing, Last) {
        (self.outgoing, self.last)
    }

    pub(super) fn last(&self) -> Last {
        self.last
    }
}

pub(super) async fn run(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded, screened: Screened) -> Result<Settled, Halt> {
    let mut suspended = None;
    let outgoing = match screened.open() {
        Release::Interim(text) => {
            // What a server says on the way is as much an answer as its last word: nothing of it goes out before the intent is durable.
            if let Some(intent) = forwarded.recorded_mut().take_intent() {
                gate.durable(intent).await.map_err(|cause| {
                    trail.cause(&cause);
                    trail.refuse(Code::RecordUnavailable)
                })?;
            }
            return Ok(Settled { outgoing: Outgoing::Message { text, status: 200, session: None }, last: Last::No });
        }
        Release::Parted => return Ok(Settled { outgoing: Outgoing::Parted, last: Last::No }),
        Release::Dropped => return Ok(Settled { outgoing: Outgoing::Silent, last: Last::No }),
        Release::Accepted => Outgoing::Accepted,
        Release::Opened(subscriber) => Outgoing::Opened(subscriber),
        Release::Ended => Outgoing::Ended,
        Release::Cancelled => Outgoing::Silent,
        Release::Wait(result, call) => {
            suspended = Some(call);
            let mut text = Vec::with_capacity(result.len() + 64);
            if let Some(id) = &trail.client_id {
                mcp::print_result(&mut text, id, &result);
            }
            Outgoing::Message { text: text.into(), status: 200, session: None }
        }
        Release::Result(result) => {
            let mut text = Vec::with_capacity(result.len() + 64);
            if let Some(id) = &trail.client_id {
                mcp::print_result(&mut text, id, &result);
            }
            let opened = matches!(forwarded.target(), super::resolve::Target::Initialize).then(|| forwarded.session().key.clone());
            Outgoing::Message { text: text.into(), status: 200, session: opened }
        }
        Release::Fault { code, message, data } => {
            let mut text = Vec::with_capacity(message.len() + 96);
            mcp::print_error(&mut text, trail.client_id.as_ref(), code, &message, data.as_deref());
            let modern = !forwarded.session().revision.is_legacy();
            let status = match code {
                mcp::METHOD_NOT_FOUND if modern => 404,
                mcp::CAPABILITY_MISSING if modern => 400,
                _ => 200,
            };
            Outgoing::Message { text: text.into(), status, session: None }
        }
    };
    if !trail.withheld.is_empty() {
        Box::pin(withheld(gate, trail)).await;
    }
    let intent = forwarded.recorded_mut().take_intent();
    trail.passed(gate, Stage::Settle);
    let record = match trail.intended {
        Intended::Yes => trail.outcome(gate),
        Intended::No => trail.decision(gate),
    };
    let outcome = gate.journal.append(record);
    trail.passed(gate, Stage::Settle);
    let outcome = gate.durable(outcome).await;
    // INVARIANT: the log answers for records in the order in which it is given them: the intent's answer is there by now, and one that did not fit is lost
    // alone.
    let intent = intent.map_or(Ok(()), |intent| intent.peek().unwrap_or(Err(Unavailable::Slow)).map(|_| ()));
    if let Err(cause) = outcome.and(intent) {
        if matches!(forwarded.target(), super::resolve::Target::Initialize) {
            let unheard = forwarded.session().id;
            gate.sessions.end(|session| session.id == unheard);
        }
        if let Some(mut suspended) = suspended {
            // Nobody will ever be told what it asks.
            suspended.flight.cancel().await;
        }
        trail.cause(&cause);
        return Err(trail.refuse(Code::RecordUnavailable));
    }
    count(gate, trail);
    if let Some(suspended) = suspended {
        gate.rounds.hold(gate, trail.id, *suspended, gate.snapshot().bounds.inflight);
    }
    Ok(Settled { outgoing, last: Last::Yes })
}

/// Keeps what was taken out of the answer, to be looked up. What cannot be kept stays out all the same.
async fn withheld(gate: &Arc<Gate>, trail: &mut Trail) {
    let (place, entropy, reference) = (Arc::clone(&gate.withheld), Arc::clone(&gate.entropy), trail.id);
    let originals = std::mem::take(&mut trail.withheld);
    let keeping = tokio::task::spawn_blocking(move || place.keep(&*entropy, reference, &originals));
    match tokio::time::timeout(KEEPING, keeping).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(cause))) => tracing::warn!(%cause, %reference, "what was taken out of an answer could not be kept"),
        Ok(Err(_)) | Err(_) => tracing::warn!(%reference, "what was taken out of an answer could not be kept in time"),
    }
}

/// Settles a refusal: on record like everything else, then told in the shape that the wire demands.
pub(super) async fn refused(gate: &Gate, trail: &mut Trail, halt: Halt) -> Settled {
    trail.stopped(gate);
    // A probe looks for the record of each of its own: none is counted, and none uses up what is recorded of others.
    if trail.occasion == Occasion::Work
        && let Some(source) = trail.stranger()
        && let Noted::Counted(reference) = gate.strangers.note(&*gate.entropy, &*gate.clock, halt.refusal.code, source)
    {
        count(gate, trail);
        let halt = Halt { refusal: Refusal { reference, ..halt.refusal }, shape: halt.shape };
        return Settled { outgoing: shape(gate, trail, halt), last: Last::Yes };
    }
    let record = match trail.intended {
        Intended::Yes => trail.outcome(gate),
        Intended::No => trail.decision(gate),
    };
    // INVARIANT: handed over and counted before anything is waited for: a client that hangs up ends the wait, and hides nothing by it.
    let kept = gate.journal.append(record);
    count(gate, trail);
    let halt = match gate.durable(kept).await {
        Ok(()) => halt,
        Err(cause) => {
            tracing::error!(%cause, reference = %trail.id, "a refusal could not be recorded");
            Halt { refusal: Refusal::new(Code::RecordUnavailable, trail.id), shape: halt.shape }
        }
    };
    Settled { outgoing: shape(gate, trail, halt), last: Last::Yes }
}

fn count(gate: &Gate, trail: &Trail) {
    if trail.occasion == Occasion::Probe {
        gate.metrics.probes.inc();
        return;
    }
    gate.metrics.spent(&trail.stages);
    if let Some(method) = trail.asks() {
        gate.metrics.lasted(method, trail.server.as_ref(), trail.failed(), trail.spent());
    }
    tracing::debug!(
        method = trail.method,
        server = trail.server.as_ref().map(ServerName::as_str),
        verdict = trail.verdict().as_str(),
        code = trail.code.map(tracing::field::display),
        "settled"
    );
    match (trail.verdict(), trail.code) {
        (Verdict::Allowed, _) => drop(gate.metrics.allowed.inc()),
        (verdict, code) => {
            let control = code.map_or("-", |code| code.control().id());
            gate.metrics.settled.get_or_create(&Outcome { verdict: verdict.as_str(), control }).inc();
        }
    }
}

fn shape(gate: &Gate, trail: &Trail, halt: Halt) -> Outgoing {
    let Halt { refusal, shape } = halt;
    match shape {
        Shape::Status { status, fate } => Outgoing::Bare { text: transport_error(&refusal), status, fate, challenge: None },
        Shape::Challenge { status, error } => {
            let challenge = Some(challenge(gate, trail, error));
            let fate = if status == 401 { Fate::Keep } else { Fate::Close };
            Outgoing::Bare { text: transport_error(&refusal), status, fate, challenge }
        }
        Shape::Fault(fault) if fault.is_silent() => Outgoing::Accepted,
        Shape::Fault(fault) => Outgoing::Bare { text: fault.body().into(), status: fault.http, fate: fault.fate, challenge: None },
        Shape::Busy => {
            let after = refusal.retry_after.map_or(1, |span| span.as_secs().max(1));
            let text = trail.client_id.as_ref().map_or_else(|| transport_error(&refusal), |id| answer(trail, id, &refusal).into());
            Outgoing::Busy { text, after }
        }
        Shape::Method => match &trail.client_id {
            None => Outgoing::Accepted,
            Some(id) => Outgoing::Message { text: answer(trail, id, &refusal).into(), status: 200, session: None },
        },
    }
}

/// An error without an id, for a message that was not understood.
fn transport_error(refusal: &Refusal) -> Bytes {
    let mut text = Vec::with_capacity(256);
    let data = serde_json::to_vec(refusal).unwrap_or_default();
    mcp::print_error(&mut text, None, mcp::INVALID_REQUEST, &refusal.message(), Some(&data));
    text.into()
}

/// To a tool call a result that says so, to any other method an error.
fn answer(trail: &Trail, id: &mcp::Id, refusal: &Refusal) -> Vec<u8> {
    let object = serde_json::to_vec(refusal).unwrap_or_default();
    let sentence = refusal.message();
    let mut text = Vec::with_capacity(object.len() * 2 + 256);
    if trail.method == Some(mcp::Method::CallTool.as_str()) {
        let told = format!("Bastide refused this call: {sentence} {} Reference: {}.", refusal.code.next(), refusal.reference);
        let mut result = Vec::with_capacity(object.len() + told.len() + 96);
        mcp::print_refusal(&mut result, &told, &object, trail.revision);
        mcp::print_result(&mut text, id, &result);
    } else {
        mcp::print_error(&mut text, Some(id), error_code(refusal.code), &sentence, Some(&object));
    }
    text
}

/// The code of the JSON-RPC error that says a refusal.
pub(crate) fn error_code(code: Code) -> i64 {
    match code.side() {
        Side::Peer if code == Code::Unknown => mcp::INVALID_PARAMS,
        Side::Peer => mcp::INVALID_REQUEST,
        Side::Policy => mcp::REFUSED,
        Side::Limit => mcp::LIMITED,
        Side::Unavailable => mcp::UNAVAILABLE,
    }
}

/// RFC 6750 §3 and RFC 9728 §5.1.
fn challenge(gate: &Gate, trail: &Trail, error: Option<&'static str>) -> String {
    let base = &gate.snapshot().listen.base;
    let path = trail.endpoint.as_ref().unwrap_or(&Endpoint::All).path();
    let mut text = format!("Bearer resource_metadata=\"{base}{METADATA}{path}\"");
    if let Some(error) = error {
        text.push_str(&format!(", error=\"{error}\""));
    }
    text
}
