//! The life of a message, on one page. Each stage takes what only the stage before can make.

mod accept;
mod action;
mod admit;
mod allowance;
mod cut;
mod decide;
mod enforce;
mod forward;
mod identify;
mod inspect;
mod limits;
mod lists;
mod pair;
mod parse;
mod questions;
mod record;
mod reply;
mod resolve;
mod restore;
mod screen;
mod search;
mod settle;
mod stand_in;

pub use action::{Action, Turn};
pub(crate) use cut::Page;
pub use decide::explain;
pub(crate) use decide::{lists_to, may_ask};
pub use enforce::Authorized;
pub(crate) use forward::{Extra, print};
pub use limits::PROBES;
pub(crate) use parse::{TRACEPARENT, TRACESTATE};
pub use record::Recorded;
pub use reply::Reply;
pub use resolve::{Listing, Reference, Target};
pub(crate) use restore::Restored;
pub(crate) use search::CALL;
pub use search::{Sought, is_own};
pub(crate) use settle::error_code;

use crate::arrival::{Arrival, HttpArrival, Source};
use crate::calls::{Call, Stop};
use crate::gate::Gate;
use crate::halt::Halt;
use crate::metrics::Unshaken;
use crate::session::Session;
use crate::trail::Trail;
use crate::within::within;
use forward::Forwarded;
use futures_util::FutureExt;
use settle::{Last, Settled};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use terms::{Code, Hole, Principal};
use transport::http::{Flaw, Peer};
use transport::tls::Handshake;

/// How long a plain answer is waited for before it becomes a stream that can be resumed.
const PLAIN: Duration = Duration::from_secs(2);

/// What became of a message, for who reads the next one.
pub enum Taken {
    /// It was one; it may have opened a session. Its answer comes of the action.
    Understood(Arc<Session>, Action),
    /// It was refused, and that was told; the session that it was in all the same.
    Refused(Option<Arc<Session>>),
    /// It was none, and that was told.
    Malformed,
}

/// Takes a message through the line as far as nothing has left the gateway.
pub async fn request(gate: &Arc<Gate>, arrival: Arrival, mut reply: Reply) -> Taken {
    let peer = match &arrival.source {
        Source::Http(http) => Some(&http.peer),
        Source::Local(_) => None,
    };
    let mut trail = Trail::new(gate, peer);
    let id = trail.id;
    let admitted = within(id, Box::pin(caught(admission(gate, &mut trail, arrival)))).await.unwrap_or_else(|| Err(trail.fell()));
    match admitted {
        Ok(authorized) => {
            let session = Arc::clone(authorized.session());
            let gate = Arc::clone(gate);
            let turn = if authorized.opens() { Turn::First } else { Turn::Beside };
            let rest = Box::pin(async move { within(id, action(&gate, &mut trail, authorized, &mut reply)).await });
            Taken::Understood(session, Action { rest: Some(rest), turn })
        }
        Err(halt) => {
            let taken = if halt.is_malformed() { Taken::Malformed } else { Taken::Refused(trail.bound.take()) };
            end(gate, &mut trail, halt, &mut reply).await;
            taken
        }
    }
}

/// Refuses what the listener found to be no request, before any stage: nobody is known to have sent it.
pub async fn malformed(gate: &Gate, flaw: Flaw, peer: &Peer, mut reply: Reply) {
    let mut trail = Trail::new(gate, Some(peer));
    let halt = accept::malformed(&mut trail, flaw);
    end(gate, &mut trail, halt, &mut reply).await;
}

/// Takes note of a client whose handshake failed. It was sent an alert, where one fits, and is told nothing more.
pub async fn unshaken(gate: &Gate, door: Door, fault: Handshake, address: SocketAddr) {
    gate.metrics.handshakes.get_or_create(&Unshaken { listener: door.as_str(), fault: fault.name() }).inc();
    let mut trail = Trail::new(gate, Some(&Peer { address, certificate: None }));
    let Some(halt) = accept::unshaken(&mut trail, door, fault) else { return };
    let (first, _) = tokio::sync::oneshot::channel();
    end(gate, &mut trail, halt, &mut Reply::http(first)).await;
}

/// Takes note of what another listener has refused with `code`, for this cause, before anything was done.
pub async fn refused(gate: &Gate, door: Door, code: Code, cause: &(dyn std::fmt::Display + Sync), address: SocketAddr) {
    let mut trail = Trail::new(gate, Some(&Peer { address, certificate: None }));
    trail.cause(&format_args!("at the {} listener: {cause}", door.as_str()));
    let halt = trail.close(400, code);
    let (first, _) = tokio::sync::oneshot::channel();
    end(gate, &mut trail, halt, &mut Reply::http(first)).await;
}

/// A listener that is inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// For agents.
    Data,
    /// For operators.
    Admin,
    /// For whoever enrols.
    Enrolment,
}

impl Door {
    /// Its name in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Admin => "admin",
            Self::Enrolment => "enrolment",
        }
    }
}

/// Takes a request as far as its sender is known and `may` does not refuse it: for what is spoken beside the line, and ends in it. Who is refused is
/// told.
pub(crate) async fn sender(
    gate: &Gate,
    arrival: HttpArrival,
    mut reply: Reply,
    may: impl FnOnce(&Arc<Principal>) -> Result<(), Barred>,
) -> Option<Arc<Principal>> {
    let mut trail = Trail::new(gate, Some(&arrival.peer));
    let arrival = Arrival { source: Source::Http(Box::new(arrival)) };
    let identified = accept::run(gate, &mut trail, arrival).and_then(|framed| identify::run(gate, &mut trail, framed));
    let halt = match identified {
        Ok(identified) => {
            let principal = Arc::clone(identified.principal());
            match may(&principal) {
                Ok(()) => return Some(principal),
                Err(Barred::Unknown) => trail.status(404, Code::SessionUnknown),
                Err(Barred::Full(most)) => {
                    let mut halt = trail.status(429, Code::BoundStreams);
                    halt.refusal.hole = Hole::Most(most as u64);
                    halt
                }
            }
        }
        Err(halt) => halt,
    };
    end(gate, &mut trail, halt, &mut reply).await;
    None
}

/// Why who is known may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// What it names is not its own.
    Unknown,
    /// It has so many streams, and may have no more.
    Full(usize),
}

/// The upper row, as far as nothing has left the gateway.
async fn admission(gate: &Arc<Gate>, trail: &mut Trail, arrival: Arrival) -> Result<Authorized, Halt> {
    let framed = accept::run(gate, trail, arrival)?;
    let identified = identify::run(gate, trail, framed)?;
    let parsed = parse::run(gate, trail, identified).await?;
    let admitted = admit::run(gate, trail, parsed)?;
    let resolved = resolve::run(gate, trail, admitted)?;
    let inspected = inspect::run(gate, trail, resolved).await;
    let decided = decide::run(gate, trail, inspected)?;
    let authorized = enforce::run(gate, trail, decided)?;
    Ok(authorized)
}

/// The rest of it, and the lower row for everything that comes back.
async fn action(gate: &Arc<Gate>, trail: &mut Trail, authorized: Authorized, reply: &mut Reply) {
    reply.bind(authorized.session());
    if authorized.prefers_stream() {
        reply.stream();
    }
    let call = Arc::clone(authorized.call());
    let sent = tokio::select! {
        biased;
        sent = caught(departure(gate, trail, authorized)) => sent,
        never = left(reply, &call) => match never {},
    };
    let mut forwarded = match sent.unwrap_or_else(|| Err(trail.fell())) {
        Ok(forwarded) => forwarded,
        Err(halt) => return end(gate, trail, halt, reply).await,
    };
    loop {
        let answered = caught(answer(gate, trail, &mut forwarded, reply)).await.unwrap_or_else(|| Err(trail.fell()));
        let settled = match answered {
            Ok(settled) => settled,
            Err(halt) => settle::refused(gate, trail, halt).await,
        };
        let last = settled.last();
        reply.give(settled).await;
        if last == Last::Yes {
            break;
        }
    }
    forwarded.session().questions.withdraw(trail.id);
    trail.over(gate);
}

/// Takes the call back when its client hangs up, where that means so.
async fn left(reply: &mut Reply, call: &Call) -> Infallible {
    reply.left().await;
    call.stop(Stop::Cancelled);
    std::future::pending().await
}

async fn departure(gate: &Arc<Gate>, trail: &mut Trail, authorized: Authorized) -> Result<Forwarded, Halt> {
    let recorded = record::run(gate, trail, authorized).await?;
    let forwarded = forward::run(gate, trail, recorded).await?;
    Ok(forwarded)
}

/// The lower row, for one message.
async fn answer(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &mut Forwarded, reply: &mut Reply) -> Result<Settled, Halt> {
    if forwarded.has_gathered() {
        Box::pin(forward::again(gate, trail, forwarded)).await?;
    }
    let paired = loop {
        tokio::select! {
            biased;
            paired = pair::run(gate, trail, forwarded) => break paired?,
            () = reply.left(), if forwarded.call().why().is_none() => forwarded.call().stop(Stop::Cancelled),
            () = tokio::time::sleep(PLAIN), if reply.is_plain() => reply.stream(),
        }
    };
    let screened = screen::run(gate, trail, forwarded, paired).await?;
    let settled = settle::run(gate, trail, forwarded, screened).await?;
    Ok(settled)
}

/// Ends a message that goes no further.
async fn end(gate: &Gate, trail: &mut Trail, halt: Halt, reply: &mut Reply) {
    let settled = within(trail.id, Box::pin(settle::refused(gate, trail, halt))).await;
    reply.give(settled).await;
    trail.over(gate);
}

/// Runs stages to their end or to a panic.
fn caught<T>(stages: impl Future<Output = Result<T, Halt>>) -> impl Future<Output = Option<Result<T, Halt>>> {
    AssertUnwindSafe(stages).catch_unwind().map(Result::ok)
}

#[cfg(test)]
mod tests {
    fn size<F: Future>(_: impl FnOnce() -> F) -> usize {
        size_of::<F>()
    }

    fn any<T>() -> T {
        unreachable!("only the type of what would be made is asked for")
    }

    #[test]
    fn what_is_made_and_moved_for_each_call_stays_small() {
        // What a call needs once in a long while (opening a way, a question, a resumed stream) is boxed where it is awaited.
        assert!(size(|| super::request(any(), any(), any())) <= 4 << 10);
        let action = size(|| super::action(any(), any(), any(), any()));
        assert!(action <= 7 << 10, "{action}");
    }
}
