//! Stage 2: it is known who sends it.
//!
//! Afterwards a principal stands for the message, from the connection and the headers alone: no body of a stranger is ever read, and none of who has had his
//! share of a gateway that is behind, where it would cost much.

use super::accept::{Framed, one};
use crate::arrival::Source;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::trail::{Stage, Trail};
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use identity::token::{Scope, Verified};
use std::sync::Arc;
use terms::{Code, Principal, Utc, Workload};
use transport::lag::{self, Behind};
use transport::party::Party;

/// What arrived, its sender known.
pub struct Identified {
    framed: Framed,
    principal: Arc<Principal>,
    token: Option<Arc<Verified>>,
    party: Party,
    turn: Turn,
}

/// Whether a message has its turn in a gateway that may be behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has.
    Its,
    /// Its sender has had his share: it has, unless it turns out to be a request.
    Nobodys,
}

impl Identified {
    pub(super) fn framed(&self) -> &Framed {
        &self.framed
    }

    pub(super) fn framed_mut(&mut self) -> &mut Framed {
        &mut self.framed
    }

    pub(super) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// With whom it shares what there is too little of.
    pub(super) fn party(&self) -> Party {
        self.party
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// When the token ends, where there is one.
    pub(super) fn ends(&self) -> Option<Utc> {
        self.token.as_deref().map(|token| token.expires)
    }

    /// What the token names, where there is a token.
    pub(super) fn scope(&self) -> Option<&Scope> {
        self.token.as_deref().map(|token| &token.scope)
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, framed: Framed) -> Result<Identified, Halt> {
    let (principal, token) = match &framed.arrival().source {
        Source::Local(local) => (Arc::clone(&local.principal), None),
        Source::Http(http) => {
            let headers = &http.head.headers;
            if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
                return Err(trail.challenge(400, Some("invalid_request"), Code::TokenInvalid));
            }
            let token = one(headers, &AUTHORIZATION).and_then(bearer).ok_or_else(|| trail.challenge(401, None, Code::TokenMissing))?;
            let audience = framed.snapshot().listen.resource(framed.endpoint());
            let verified = gate.tokens.verify(token, &audience, gate.clock.utc()).map_err(|fault| {
                match gate.tokens.holder(token, fault) {
                    Some(holder) => trail.cause(&format_args!("{fault}: {} of agent:{}", holder.token, holder.principal.agent)),
                    None => trail.cause(&fault),
                }
                trail.challenge(401, Some("invalid_token"), fault.code())
            })?;
            let shown = http.peer.certificate.as_ref().map(|certificate| certificate.identity());
            if verified.workload.is_some() && verified.workload.as_ref() != shown {
                trail.cause(&"the token is bound to a certificate that was not shown");
                return Err(trail.challenge(401, Some("invalid_token"), Code::CertificateOther));
            }
            let principal = match shown {
                None => Arc::clone(&verified.principal),
                Some(identity) => {
                    let workload = Workload::Certificate { identity: Arc::clone(identity) };
                    Arc::new(Principal { workload, ..Principal::clone(&verified.principal) })
                }
            };
            (principal, Some(verified))
        }
    };
    trail.principal(&principal);
    let party = party(&principal);
    let turn = turn(trail, &framed, party)?;
    trail.passed(gate, Stage::Identify);
    Ok(Identified { framed, principal, token, party, turn })
}

/// Who is told apart from others: what a local process calls itself it may choose, so that does not count.
fn party(principal: &Principal) -> Party {
    match &principal.workload {
        Workload::Local { .. } => Party::of(&principal.workload),
        Workload::Remote | Workload::Certificate { .. } | Workload::Gateway => Party::of(&(&principal.agent, &principal.user)),
    }
}

/// Bytes from which on a body is dear to read. What is shorter may be a note or an answer.
const LONG: usize = 4 << 10;

/// Takes the turn of a message.
///
/// # Errors
/// The gateway is behind, the sender has had his share, and it would be dear to find out what it is.
fn turn(trail: &mut Trail, framed: &Framed, party: Party) -> Result<Turn, Halt> {
    let length = match &framed.arrival().source {
        Source::Local(local) => local.line.len(),
        Source::Http(http) if http.head.method == http::Method::POST => {
            one(&http.head.headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(usize::MAX)
        }
        Source::Http(_) => return Ok(Turn::Its),
    };
    let behind = lag::behind(framed.snapshot().bounds.turn);
    if lag::take(party, behind) {
        return Ok(Turn::Its);
    }
    if behind == Behind::Far || length >= LONG { Err(trail.shed()) } else { Ok(Turn::Nobodys) }
}

/// RFC 6750 §2.1: the scheme without case, one blank, the token.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}
