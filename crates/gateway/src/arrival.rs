//! What arrives at the gateway, before anything about it is believed.

use crate::session::Session;
use bytes::Bytes;
use hyper::body::Incoming;
use std::sync::Arc;
use terms::{Principal, ServerName};
use transport::http::Peer;

/// What a client speaks to: all servers under prefixed names, or one under bare ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/mcp`.
    All,
    /// `/mcp/{server}`.
    Server(ServerName),
}

impl Endpoint {
    /// The endpoint at exactly this path.
    pub fn at(path: &str) -> Option<Self> {
        match path.strip_prefix("/mcp")? {
            "" => Some(Self::All),
            rest => ServerName::new(rest.strip_prefix('/')?).ok().map(Self::Server),
        }
    }

    /// The path of the endpoint on the data listener.
    pub fn path(&self) -> String {
        match self {
            Self::All => "/mcp".to_owned(),
            Self::Server(server) => format!("/mcp/{server}"),
        }
    }
}

/// What an HTTP request asks of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To take a message.
    Post,
    /// To open or resume a stream.
    Get,
    /// To end the session.
    Delete,
}

/// One message on its way in.
pub struct Arrival {
    /// Where it came from.
    pub source: Source,
}

/// The two ways in.
pub enum Source {
    /// A request on the data listener.
    Http(Box<HttpArrival>),
    /// A line on the local socket.
    Local(Box<LocalArrival>),
}

/// A request whose head was read.
pub struct HttpArrival {
    /// Its head.
    pub head: http::request::Parts,
    /// Its body, unread; taken once.
    pub body: Option<Incoming>,
    /// Who is at the other end of the connection.
    pub peer: Peer,
}

/// A line of a process on this host.
pub struct LocalArrival {
    /// The line without its end.
    pub line: Bytes,
    /// Who the socket's credentials and its claim say it is.
    pub principal: Arc<Principal>,
    /// What it asked for when it connected.
    pub endpoint: Endpoint,
    /// The session of the connection, once there is one.
    pub session: Option<Arc<Session>>,
    /// Where the answers of the connection go.
    pub outlet: tokio::sync::mpsc::Sender<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_paths_are_endpoints() {
        assert_eq!(Endpoint::at("/mcp"), Some(Endpoint::All));
        assert_eq!(Endpoint::at("/mcp/files"), ServerName::new("files").ok().map(Endpoint::Server));
        for other in ["/", "/mcp/", "//mcp", "/MCP", "/mcp/files/", "/mcp/Files", "/mcp/%66iles", "/mcp/../mcp", "/mcpx"] {
            assert_eq!(Endpoint::at(other), None, "{other}");
        }
    }
}
