//! What a kill ends: calls under way, sessions with their streams, processes of servers.

use crate::calls::Stop;
use crate::gate::Gate;
use crate::session::Session;
use response::{CallScope, Scope};
use std::path::PathBuf;
use std::sync::Arc;
use terms::ServerName;

/// What was ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: usize,
    /// Calls under way.
    pub calls: usize,
    /// Where what local servers leave behind is being kept, a folder each. It is copied when their processes have ended, and recorded then.
    pub kept: Vec<PathBuf>,
}

impl Gate {
    /// Ends what a kill of `scope` means. The epoch was raised before, so nothing new begins.
    pub fn cut(self: &Arc<Self>, scope: &Scope) -> Ended {
        // INVARIANT: before the sessions, since whoever serves one lets go of its servers when it ends.
        let mut kept = self.servers.keep(self, scope);
        let sessions = match scope {
            Scope::Server(_) => Vec::new(),
            Scope::All | Scope::Principal(_) | Scope::Session(_) => self.sessions.end(|session| means(scope, session, None)),
        };
        // INVARIANT: after the sessions, so that a call that is admitted just now is found here or finds that its session is over; and before the
        // servers, so that a call that ends with its server says that it was stopped.
        let calls = self.calls.stop(Stop::Killed, |call| means(scope, &call.session, call.server()));
        // What was begun meanwhile is ended too.
        kept.extend(self.servers.keep(self, scope));
        self.servers.kill(scope);
        let ended = Ended { sessions: sessions.len(), calls, kept };
        for session in sessions {
            let gate = Arc::clone(self);
            tokio::spawn(async move { gate.servers.cut_session(&session).await });
        }
        self.metrics.sessions.set(i64::try_from(self.sessions.count()).unwrap_or(i64::MAX));
        ended
    }

    /// Ends the sessions whose token has ended, with their streams and calls: no request could use them any more.
    pub fn expire(self: &Arc<Self>) {
        let (utc, now) = (self.clock.utc(), self.clock.instant());
        let over = |session: &Session| session.ends.is_some_and(|ends| ends.have_come(utc, now));
        let sessions = self.sessions.end(over);
        if sessions.is_empty() {
            return;
        }
        self.calls.stop(Stop::Expired, |call| over(&call.session));
        self.part(sessions);
    }

    /// Lets go of the servers of sessions that have ended, without waiting for it.
    fn part(self: &Arc<Self>, sessions: Vec<Arc<Session>>) {
        for session in sessions {
            let gate = Arc::clone(self);
            tokio::spawn(async move { gate.servers.leave(&session).await });
        }
        self.metrics.sessions.set(i64::try_from(self.sessions.count()).unwrap_or(i64::MAX));
    }

    /// Lets go of the servers of a session that has ended.
    pub async fn leave(&self, session: &Arc<Session>) {
        self.servers.leave(session).await;
    }

    /// Ends sessions that nobody used for `idle` and that have nothing under way.
    pub async fn sweep(self: &Arc<Self>, idle: std::time::Duration) {
        let now = self.clock.instant();
        let unused = |session: &Session| now.since(session.used()) > idle && session.flying() == 0 && session.listening() == 0;
        for session in self.sessions.end(unused) {
            self.servers.leave(&session).await;
        }
        self.metrics.sessions.set(i64::try_from(self.sessions.count()).unwrap_or(i64::MAX));
    }

    /// Ends one session in peace.
    pub(crate) async fn end_session(self: &Arc<Self>, session: &Arc<Session>) {
        self.sessions.end(|other| other.id == session.id);
        self.calls.stop(Stop::Cancelled, |call| call.session.id == session.id && call.server().is_some());
        self.servers.leave(session).await;
        self.metrics.sessions.set(i64::try_from(self.sessions.count()).unwrap_or(i64::MAX));
    }
}

fn means(scope: &Scope, session: &Session, server: Option<&ServerName>) -> bool {
    let call = CallScope { principal: &session.principal, session: Some(session.id), server };
    scope.means(&call)
}
