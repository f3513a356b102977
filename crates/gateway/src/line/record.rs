//! Stage 9: the intent is on record. What may change something waits until it is durable; what only reads is waited for in `settle`.

use super::enforce::{Authorized, Effect};
use super::resolve::Target;
use crate::calls::Call;
use crate::gate::Gate;
use crate::halt::Halt;
use crate::session::Session;
use crate::trail::{Intended, Stage, Trail};
use audit::Ticket;
use response::{CallScope, Stopped};
use std::sync::Arc;
use terms::{Code, ServerName};

/// What arrived, on record.
pub struct Recorded {
    authorized: Authorized,
    intent: Option<Ticket>,
}

impl Recorded {
    pub(super) fn authorized(&self) -> &Authorized {
        &self.authorized
    }

    /// The ticket of an intent that was not waited for.
    pub(super) fn take_intent(&mut self) -> Option<Ticket> {
        self.intent.take()
    }

    /// What it is about.
    pub(crate) fn target(&self) -> &Target {
        self.authorized.decided().inspected().resolved().target()
    }

    /// The call that it is.
    pub(crate) fn call(&self) -> &Arc<Call> {
        self.authorized.decided().inspected().resolved().admitted().call()
    }

    /// The session that it runs in.
    pub(crate) fn session(&self) -> &Arc<Session> {
        self.authorized.decided().inspected().resolved().admitted().session()
    }

    /// Whether no kill that means it has come since it was admitted.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn still_alive(&self, gate: &Gate) -> Result<(), Stopped> {
        self.still_alive_at(gate, self.call().server())
    }

    /// As [`Recorded::still_alive`], as far as `server` goes: a subscription may go to several.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(crate) fn still_alive_at(&self, gate: &Gate, server: Option<&ServerName>) -> Result<(), Stopped> {
        let admitted = self.authorized.decided().inspected().resolved().admitted();
        let session = admitted.session();
        let scope = CallScope { principal: &session.principal, session: Some(session.id), server };
        gate.epochs.still_alive(admitted.epoch(), &scope)
    }

    /// Whether it may be sent again after a server forgot the session: only what changes nothing.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.authorized.effect() == Effect::Reads
    }

    /// The result of a client's reply to a question, canonical; `None` when it is an error or not what the question asks for.
    pub(crate) fn reply_result(&self) -> Option<Vec<u8>> {
        let Target::Reply(_, method, _) = self.target() else { return None };
        let result = self.authorized.decided().inspected().resolved().reply()?;
        mcp::check_result(*method, result, self.session().revision).ok()?;
        let mut text = Vec::with_capacity(result.raw().len());
        result.canonical(&mut text);
        Some(text)
    }
}

pub(super) async fn run(gate: &Gate, trail: &mut Trail, authorized: Authorized) -> Result<Recorded, Halt> {
    let intent = match authorized.effect() {
        Effect::Own => None,
        Effect::Reads => {
            let ticket = gate.journal.append_soon(trail.intent(gate));
            trail.intended = Intended::Yes;
            Some(ticket)
        }
        Effect::Changes => {
            let kept = gate.keep(trail.intent(gate)).await;
            kept.map_err(|cause| {
                trail.cause(&cause);
                trail.refuse(Code::RecordUnavailable)
            })?;
            trail.intended = Intended::Yes;
            None
        }
    };
    trail.passed(gate, Stage::Record);
    Ok(Recorded { authorized, intent })
}
