//! Small looks into names that several stages share.

use crate::arrival::Endpoint;
use crate::session::Session;
use crate::snapshot::{Server, Snapshot};
use std::sync::Arc;

/// The levels of log messages, from least to most grave (RFC 5424 §6.2.1).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The rank of a level.
pub(crate) fn level(name: &str) -> Option<u8> {
    LEVELS.iter().position(|level| *level == name).and_then(|at| u8::try_from(at).ok())
}

/// The name of a rank.
pub(crate) fn level_name(rank: u8) -> &'static str {
    LEVELS.get(usize::from(rank)).copied().unwrap_or("debug")
}

/// The servers of a session's endpoint.
pub(crate) fn servers<'a>(snapshot: &'a Snapshot, session: &'a Session) -> impl Iterator<Item = &'a Arc<Server>> {
    snapshot.servers.values().filter(|server| match &session.endpoint {
        Endpoint::All => true,
        Endpoint::Server(one) => *one == server.name,
    })
}
