//! Resources that sessions are subscribed to at a server. They outlive the way to it that they were asked for on: another one is opened when it is lost,
//! and the server is asked anew.

use super::{Link, TELLING, located};
use crate::gate::Gate;
use crate::session::Session;
use mcp::{Method, Outcome};
use response::CallScope;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use terms::ServerName;

/// Until a way that was lost is opened again; it doubles.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest of these.
const AGAIN_MOST: Duration = Duration::from_secs(60);

/// The resources of `server` that `session` is subscribed to; without one, those of every session.
pub(super) fn wanted(gate: &Gate, server: &ServerName, session: Option<&Session>) -> BTreeSet<String> {
    match session {
        Some(session) => session.subscriptions_at(server),
        None => gate.sessions.list().iter().flat_map(|session| session.subscriptions_at(server)).collect(),
    }
}

/// Asks for what is wanted over a link that was just opened.
pub(super) fn renew(gate: &Arc<Gate>, link: &Arc<Link>, server: &ServerName, session: Option<&Arc<Session>>) {
    let uris = wanted(gate, server, session.map(AsRef::as_ref));
    if uris.is_empty() {
        return;
    }
    if link.revision().is_legacy() {
        let (link, server) = (Arc::clone(link), server.clone());
        tokio::spawn(async move {
            for uri in uris {
                let asked = tokio::time::timeout(TELLING, link.ask(Method::Subscribe, Some(&located(&uri)))).await;
                if !asked.is_ok_and(|asked| asked.is_ok_and(|answer| matches!(answer.outcome(), Outcome::Result(_)))) {
                    tracing::warn!(%server, "a subscription could not be made anew");
                }
            }
        });
    } else {
        link.subscribing().begin(uris);
    }
    keep(gate, link, server, session);
}

/// Opens another way when this one is lost, as long as anything is wanted.
pub(super) fn keep(gate: &Arc<Gate>, link: &Arc<Link>, server: &ServerName, session: Option<&Arc<Session>>) {
    if link.is_kept() {
        return;
    }
    let session = session.filter(|_| !link.is_shared()).map(Arc::downgrade);
    let (gate, link, name) = (Arc::clone(gate), Arc::clone(link), server.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = link.ended.cancelled() => drop(link),
            () = gate.ending.cancelled() => return,
        }
        let mut delay = AGAIN;
        loop {
            tokio::select! {
                () = tokio::time::sleep(delay) => delay = (delay * 2).min(AGAIN_MOST),
                () = gate.ending.cancelled() => return,
            }
            let Some(session) = subscriber(&gate, &name, session.as_ref()) else { return };
            let Some(server) = gate.snapshot().servers.get(&name).cloned() else { return };
            let scope = CallScope { principal: &session.principal, session: Some(session.id), server: Some(&name) };
            if server.outlived(gate.clock.utc()) || gate.epochs.stops().iter().any(|stop| stop.scope.means(&scope)) {
                continue;
            }
            match gate.servers.link(&gate, &session, &server).await {
                // Whoever opened it has asked for the rest.
                Ok(_) => return,
                Err(cause) => tracing::debug!(server = %name, %cause, "a server with subscriptions is not there"),
            }
        }
    });
}

/// A session that is subscribed to anything of `server`: `one`, or any.
fn subscriber(gate: &Gate, server: &ServerName, one: Option<&Weak<Session>>) -> Option<Arc<Session>> {
    let subscribed = |session: &Arc<Session>| !session.ended.is_cancelled() && !session.subscriptions_at(server).is_empty();
    match one {
        Some(session) => session.upgrade().filter(subscribed),
        None => gate.sessions.list().into_iter().find(subscribed),
    }
}
