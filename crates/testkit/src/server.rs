//! MCP servers to put behind the gateway. Plain threads and blocking I/O: what goes wrong with them is meant.

mod canary;
mod carrier;
mod evil;
mod scripted;

pub use canary::Canary;
pub use carrier::{serve_http, serve_stdio};
use evil::modern;
pub use evil::{Evil, Mode};
pub use scripted::Scripted;

use serde_json::Value;
use std::io::Write;

/// One server, whatever carries its messages.
pub trait Server: Send {
    /// Takes one message and writes what it has to say, one message a line. `false` ends the process.
    ///
    /// # Errors
    /// When the client no longer reads.
    fn take(&mut self, message: &Value, out: &mut dyn Write) -> std::io::Result<bool>;

    /// What came with the message on HTTP: headers in lower case.
    fn arrived(&mut self, _headers: &[(String, String)]) {}
}
