//! What can go wrong with a server.

use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;

/// Why an exchange with a server failed. The text names no credential and nothing that the server wrote.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Our own fault: a value that cannot be a header.
    #[error("the {0} cannot be sent")]
    Header(&'static str),
    /// The server could not be reached, or its answer was lost.
    #[error("the server could not be asked: {0}")]
    Egress(#[from] egress::Error),
    /// The server redirects; we follow nobody.
    #[error("the server redirects ({0})")]
    Redirect(StatusCode),
    /// Another status than the protocol foresees. Its body is kept when it says that it is JSON: it may be a JSON-RPC error.
    #[error("the server answers with status {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The bounded body, if it is `application/json`.
        frame: Option<Bytes>,
    },
    /// Neither JSON nor an event stream.
    #[error("the server's answer has another content type")]
    ContentType,
    /// An encoding that was not asked for.
    #[error("the server's answer is encoded")]
    ContentEncoding,
    /// A session id outside 0x21 to 0x7E, or over 256 bytes.
    #[error("the server's session id is not one")]
    SessionId,
    /// The event stream broke a bound.
    #[error("the server's event stream breaks a bound")]
    Stream(#[from] crate::sse::Fault),
    /// The event stream lasted too long.
    #[error("the server's event stream lasted over {0:?}")]
    Slow(Duration),
    /// Data came after the final response.
    #[error("the server sent more after its response")]
    AfterResponse,
    /// The event stream ended without the final response.
    #[error("the server's event stream ended without a response")]
    NoResponse,
    /// Where it wants to be told cannot be used, or is not said.
    #[error("the server's endpoint cannot be used: {0}")]
    Endpoint(&'static str),
    /// The lines of a local server.
    #[error("the server's lines cannot be used")]
    Line(#[from] crate::line_frame::Fault),
}

impl Fault {
    /// Whether all connections to the server are in use, and nothing is wrong with it.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Egress(egress::Error::Exhausted(_)))
    }

    /// Whether the frame certainly did not reach the server, so that it may be sent again.
    pub const fn never_sent(&self) -> bool {
        match self {
            Self::Header(_) => true,
            Self::Egress(cause) => cause.never_sent(),
            Self::Line(cause) => matches!(cause, crate::line_frame::Fault::Full(_) | crate::line_frame::Fault::NotOneLine),
            Self::Redirect(_)
            | Self::Status { .. }
            | Self::ContentType
            | Self::ContentEncoding
            | Self::SessionId
            | Self::Stream(_)
            | Self::Slow(_)
            | Self::AfterResponse
            | Self::NoResponse
            | Self::Endpoint(_) => false,
        }
    }
}
