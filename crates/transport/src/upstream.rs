//! The way to servers: Streamable HTTP and HTTP+SSE through `egress`, and stdio through the pipes of `sandbox`.
//!
//! Frames go out and come in; what they say is not looked at here. What a server sends is hostile until parsed.

mod fault;
pub mod http;
pub mod stdio;

pub use fault::Fault;
