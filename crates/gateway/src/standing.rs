//! What servers say outside of any call: lists that changed, resources that were updated, log messages of nobody's.

use crate::arrival::Endpoint;
use crate::doors::Link;
use crate::gate::Gate;
use crate::session::{News, Session};
use crate::snapshot::Server;
use mcp::{Method, Node, Notification};
use std::sync::Arc;
use supply::Kind;

/// Takes note of a notification that belongs to no call.
///
/// A changed list is compared with the pins, and clients are told only when what they see changed. An update goes to the sessions that subscribed.
/// All else is dropped: over a pipe nothing says whose it is.
pub(crate) async fn note(gate: &Arc<Gate>, link: &Arc<Link>, server: &Arc<Server>, session: Option<&Arc<Session>>, note: Notification) {
    match note.method {
        Method::ToolsChanged | Method::PromptsChanged | Method::ResourcesChanged => {
            if link.changes().said() {
                let kind = match note.method {
                    Method::ToolsChanged => Kind::Tool,
                    Method::PromptsChanged => Kind::Prompt,
                    _ => Kind::Template,
                };
                let (gate, link, server) = (Arc::clone(gate), Arc::clone(link), Arc::clone(server));
                tokio::spawn(async move { gate.servers.compare_again(&gate, &link, &server, kind).await });
            }
        }
        Method::ResourceUpdated => {
            let Some(uri) = note.params().and_then(|params| params.get("uri")).and_then(Node::text) else { return };
            match session {
                Some(session) => updated(session, server, &uri),
                None => gate.sessions.list().iter().for_each(|session| updated(session, server, &uri)),
            }
        }
        Method::ListenAcknowledged => link.subscribing().acknowledged(),
        _ => drop(gate.metrics.strays.inc()),
    }
}

fn updated(session: &Session, server: &Server, uri: &str) {
    if !session.subscribed(&server.name, uri) {
        return;
    }
    let shown = match &session.endpoint {
        Endpoint::All => mcp::wrap_address(&server.name, uri),
        Endpoint::Server(_) => uri.to_owned(),
    };
    session.announce(&News::Updated { server: &server.name, uri, shown: &shown });
}
