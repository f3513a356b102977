//! Server-sent events: a reader that trusts nobody, and a writer of the one form that we send.
//!
//! Source: WHATWG HTML, "Server-sent events"; MCP 2025-11-25, Transports, "Streamable HTTP".
//! Control: `transport.bounds`.

mod reader;
mod writer;

pub use reader::{Bounds, Event, Fault, Kind, Reader};
pub use writer::{KEEP_ALIVE, NotOneLine, message};
