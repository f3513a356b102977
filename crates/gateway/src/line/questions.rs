//! Questions of servers on their way to a client: asked only where policy lets the server and the client said that it can be asked.

use super::decide;
use super::forward::{Forwarded, Way};
use crate::gate::Gate;
use crate::session::{Ability, Question};
use crate::trail::Trail;
use bytes::Bytes;
use mcp::{Method, Node, Request};
use std::sync::Arc;

/// The question as the client gets it, under our id; `None` when it was answered for the client.
pub(super) async fn ask(gate: &Arc<Gate>, trail: &mut Trail, forwarded: &Forwarded, request: &Request) -> Option<Bytes> {
    let Way::Server(flight, server) = forwarded.way() else { return None };
    let session = forwarded.session();
    let snapshot = forwarded.recorded().authorized().decided().inspected().resolved().snapshot();
    let declared = match request.method {
        Method::CreateMessage => session.abilities.sampling,
        Method::ListRoots => session.abilities.roots,
        Method::Elicit => match request.params().and_then(|params| params.get("mode")).and_then(Node::text).as_deref() {
            Some("url") => session.abilities.url,
            _ => session.abilities.form,
        },
        _ => Ability::Absent,
    };
    let allowed = decide::question(request.method).is_some_and(|question| decide::may_ask(snapshot, &session.principal, server, question));
    let clean =
        if allowed && declared == Ability::Declared { super::screen::params(gate, trail, forwarded, request.params()) } else { None };
    let asked = clean.and_then(|params| {
        let question = Question {
            method: request.method,
            server: server.name.clone(),
            link: Arc::clone(flight.link()),
            id: request.id.clone(),
            call: Some(trail.id),
        };
        session.questions.ask(question).map(|id| (id, params))
    });
    match asked {
        Some((id, params)) => {
            trail.notes = trail.notes.saturating_add(1);
            let mut text = Vec::with_capacity(params.len() + 96);
            mcp::print_request(&mut text, &id, request.method.as_str(), Some(&params));
            Some(text.into())
        }
        None => {
            trail.cause = Some(format!("the question `{}` was declined", request.method.as_str()));
            let _ = flight.link().decline(&request.id, request.method).await;
            None
        }
    }
}
