//! Why a message goes no further, and how its sender is told.

use terms::Refusal;

/// A refusal together with the shape that the wire demands for it. Only [`crate::trail::Trail`] makes one.
#[derive(Debug)]
pub struct Halt {
    pub(crate) refusal: Refusal,
    pub(crate) shape: Shape,
}

/// How a refusal looks on the wire.
#[derive(Debug)]
pub(crate) enum Shape {
    /// As the method has it: a tool's result, or an error with our code.
    Method,
    /// A bare HTTP status, before a message was understood.
    Status {
        /// The status.
        status: u16,
        /// What becomes of the connection.
        fate: mcp::Fate,
    },
    /// 503 and when to come back (RFC 9110 §15.6.4), with the answer that the method has where the message was read.
    Busy,
    /// 401 or 400 with the challenge of RFC 6750 and RFC 9728.
    Challenge {
        /// The status.
        status: u16,
        /// The `error` parameter; none when no token was sent.
        error: Option<&'static str>,
    },
    /// A fault of the protocol.
    Fault(Box<mcp::Fault>),
}

impl Halt {
    /// Whether the message could not be parsed.
    pub(crate) fn is_malformed(&self) -> bool {
        matches!(&self.shape, Shape::Fault(fault) if fault.code == mcp::PARSE_ERROR)
    }
}
