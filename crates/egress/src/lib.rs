//! The only way out: every outgoing connection of the gateway is opened here.
//!
//! An HTTP/1.1 client that follows no redirect, knows no proxy, speaks `http:` to loopback alone and TLS 1.3 to everyone else,
//! checks the addresses that a name resolved to and connects to those very addresses, and keeps few idle connections.
//! A request runs in the caller's own task: its connection is polled there, so a call costs no task and no wake-up across threads.
//!
//! Controls: `tools.http`, `network.egress`, `transport.tls`.

mod address;
mod client;
mod connection;
mod error;
mod pool;
mod target;
mod tls;

pub use address::{Reach, reach};
pub use client::{Client, Egress, Response};
pub use error::Error;
pub use target::{Bounds, ServerTarget, SpkiPin};
pub use tls::ClientIdentity;
