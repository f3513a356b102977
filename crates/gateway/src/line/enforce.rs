//! Stage 8: every obligation of the verdict is discharged.
//!
//! What a verdict asks for today is a clearance, which `screen` holds the answer to; approvals join here. What the call uses up is taken from its limits.
//! A probe of the assessor goes no further than the canary, whatever the policy says of it.

use super::decide::Decided;
use super::limits::{self, Taken};
use super::parse::Intake;
use super::resolve::Target;
use crate::calls::Call;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::Session;
use crate::snapshot::{Carrier, Server};
use crate::trail::{Occasion, Stage, Trail};
use mcp::{Message, Method};
use std::sync::Arc;
use terms::{Code, Operation};

/// What arrived, with leave to act.
pub struct Authorized {
    decided: Decided,
    taken: Option<Box<Taken>>,
}

/// What a call may do to the world, which decides how its intent is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing leaves the gateway.
    Own,
    /// A server is asked and changes nothing, by the operator's word or by the method.
    Reads,
    /// A server may change something.
    Changes,
}

impl Authorized {
    pub(super) fn decided(&self) -> &Decided {
        &self.decided
    }

    /// What it takes from limits while it is under way; none where nothing limits it.
    pub(super) fn taken(&self) -> Option<&Taken> {
        self.taken.as_deref()
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.decided.inspected().resolved().admitted().session()
    }

    /// The call that it is.
    pub(super) fn call(&self) -> &Arc<Call> {
        self.decided.inspected().resolved().admitted().call()
    }

    /// Whether its answer is to be a stream from the first byte on.
    pub(super) fn prefers_stream(&self) -> bool {
        let resolved = self.decided.inspected().resolved();
        let asked = matches!(resolved.admitted().parsed().intake(), Intake::Message(Message::Request(_)));
        asked && !matches!(resolved.target(), Target::Initialize) && resolved.admitted().parsed().prefers_stream()
    }

    /// Whether the messages after it are judged by what it does: a client may send them without waiting.
    pub(super) fn opens(&self) -> bool {
        matches!(self.decided.inspected().resolved().target(), Target::Noted(Method::Initialized))
    }

    pub(super) fn effect(&self) -> Effect {
        match self.decided.inspected().resolved().target() {
            Target::Tool(..) => match self.decided.inspected().operation() {
                Some(Operation::Read) => Effect::Reads,
                Some(Operation::Write | Operation::Delete) | None => Effect::Changes,
            },
            Target::Prompt(..) | Target::Resource(..) | Target::Resources(..) | Target::Completion(..) => Effect::Reads,
            Target::Subscription(..) | Target::Reply(..) => Effect::Changes,
            Target::Listen(_, watched) if !watched.is_empty() => Effect::Changes,
            Target::Listen(..) => Effect::Own,
            Target::Initialize
            | Target::Discover
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
            | Target::Closed(..)
            | Target::Absent => Effect::Own,
        }
    }
}

pub(super) fn run(gate: &Gate, trail: &mut Trail, decided: Decided) -> Result<Authorized, Halt> {
    if trail.occasion == Occasion::Probe && calls_a_real_server(decided.inspected().resolved().target()) {
        return Err(trail.refuse(Code::ProbeReach));
    }
    let taken = limits::take(gate, trail, &decided)?;
    trail.passed(gate, Stage::Enforce);
    Ok(Authorized { decided, taken })
}

/// Whether a server that is not the canary would see more than a listing.
fn calls_a_real_server(target: &Target) -> bool {
    let real = |server: &Server| match &server.carrier {
        Carrier::Run(run) => !run.is_canary(),
        Carrier::Remote(_) => true,
    };
    match target {
        Target::Tool(server, ..)
        | Target::Prompt(server, _)
        | Target::Resource(server, _)
        | Target::Completion(server, _)
        | Target::Subscription(server, ..)
        | Target::Reply(server, ..) => real(server),
        Target::Initialize
        | Target::Discover
        | Target::Listen(..)
        | Target::Ping
        | Target::List(..)
        | Target::Level(_)
        | Target::Resources(..)
        | Target::NoResources
        | Target::Cancel(_)
        | Target::Noted(_)
        | Target::Dropped
        | Target::Stream(_)
        | Target::End
        | Target::Search(_)
        | Target::Misused(_)
        | Target::Closed(..)
        | Target::Absent => false,
    }
}
