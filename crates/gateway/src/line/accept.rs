//! Stage 1: the head of what arrived is one that this listener takes.
//!
//! Afterwards Host and Origin are ours, path and verb name an endpoint, and the snapshot of the call is chosen. No body has been read.

use super::Door;
use crate::arrival::{Arrival, Endpoint, Source, Verb};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::place;
use crate::snapshot::Snapshot;
use crate::trail::{Occasion, Stage, Trail};
use http::header::{HeaderMap, HeaderName};
use std::sync::Arc;
use terms::Code;
use transport::http::{Flaw, HEAD_BYTES};
use transport::tls::Handshake;

/// In which a probe shows its token beside a request that has none, or a bad one, on purpose.
pub const PASS: HeaderName = HeaderName::from_static("bastide-probe");

pub(super) use crate::place::one;

/// What arrived, its head accepted.
pub struct Framed {
    arrival: Arrival,
    endpoint: Endpoint,
    verb: Verb,
    snapshot: Arc<Snapshot>,
}

impl Framed {
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb
    }

    pub(super) fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    pub(super) fn arrival_mut(&mut self) -> &mut Arrival {
        &mut self.arrival
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, arrival: Arrival) -> Result<Framed, Halt> {
    let snapshot = gate.snapshot();
    if gate.epochs.all_stopped() {
        return Err(trail.status(503, Code::Killed));
    }
    let (endpoint, verb) = match &arrival.source {
        Source::Local(local) => {
            trail.endpoint = Some(local.endpoint.clone());
            (local.endpoint.clone(), Verb::Post)
        }
        Source::Http(http) => {
            trail.occasion = occasion(gate, &http.head.headers, &snapshot);
            place::check(&http.head, &snapshot.listen).map_err(|misplaced| trail.close(misplaced.status(), Code::MessageMalformed))?;
            trail.endpoint = Endpoint::at(http.head.uri.path());
            query(http.head.uri.query(), trail)?;
            let endpoint = trail.endpoint.clone().ok_or_else(|| trail.status(404, Code::Unknown))?;
            (endpoint, verb(&http.head.method).ok_or_else(|| trail.status(405, Code::MessageMalformed))?)
        }
    };
    trail.passed(gate, Stage::Accept);
    Ok(Framed { arrival, endpoint, verb, snapshot })
}

/// Whether a probe of the assessor sends this, whatever else is wrong with it. The header holds a probe's token, which is judged like any other and gives
/// no right; anything else in it is as if it were not there.
fn occasion(gate: &Gate, headers: &HeaderMap, snapshot: &Snapshot) -> Occasion {
    let Some(token) = one(headers, &PASS) else { return Occasion::Work };
    match gate.tokens.verify(token, &snapshot.listen.resource(&Endpoint::All), gate.clock.utc()) {
        Ok(verified) if verified.principal.is_probe() => Occasion::Probe,
        Ok(_) | Err(_) => Occasion::Work,
    }
}

/// Refuses what the listener found to be no request.
pub(super) fn malformed(trail: &mut Trail, flaw: Flaw) -> Halt {
    trail.cause(&flaw);
    match flaw {
        Flaw::Large => trail.oversize_head(HEAD_BYTES),
        Flaw::Slow => trail.close(flaw.status(), Code::BoundFault),
        Flaw::Flood(_) => trail.close(flaw.status(), Code::BoundFlood),
        Flaw::TwoLengths | Flaw::Length | Flaw::Coding | Flaw::Chunk | Flaw::Line | Flaw::Host | Flaw::Fields | Flaw::Frame => {
            trail.close(flaw.status(), Code::MessageMalformed)
        }
    }
}

/// What is on record of a handshake that failed; nothing of a client that just left.
pub(super) fn unshaken(trail: &mut Trail, door: Door, fault: Handshake) -> Option<Halt> {
    match door {
        Door::Data => trail.cause(&fault),
        Door::Admin | Door::Enrolment => trail.cause(&format_args!("at the {} listener: {fault}", door.as_str())),
    }
    let code = match fault {
        Handshake::Left => return None,
        Handshake::Slow => Code::BoundFault,
        Handshake::Old | Handshake::Garbled | Handshake::Ended => Code::TlsRefused,
        Handshake::Bare
        | Handshake::Nameless
        | Handshake::Expired
        | Handshake::NotYet
        | Handshake::Revoked
        | Handshake::Stranger
        | Handshake::Purpose
        | Handshake::Unclear
        | Handshake::Unfit => Code::CertificateRefused,
    };
    Some(trail.close(400, code))
}

/// No endpoint takes a query; one that looks like a credential is reported as such.
fn query(query: Option<&str>, trail: &mut Trail) -> Result<(), Halt> {
    let Some(query) = query else { return Ok(()) };
    let secret = query.split('&').filter_map(|pair| pair.split('=').next()).any(|name| {
        let name = name.to_ascii_lowercase();
        ["token", "key", "auth", "secret", "password", "bearer", "credential"].iter().any(|word| name.contains(word))
    }) || query.contains("eyJ");
    if secret { Err(trail.challenge(400, Some("invalid_request"), Code::UrlToken)) } else { Err(trail.status(400, Code::MessageMalformed)) }
}

fn verb(method: &http::Method) -> Option<Verb> {
    match *method {
        http::Method::POST => Some(Verb::Post),
        http::Method::GET => Some(Verb::Get),
        http::Method::DELETE => Some(Verb::Delete),
        _ => None,
    }
}
