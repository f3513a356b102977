//! The only way out: every outgoing connection of the gateway is opened here.
//!
//! An HTTP/1.1 client that follows no redirect, knows no proxy but the configured one, speaks `http:` to loopback alone and TLS 1.3 to everyone else,
//! checks the addresses that a name resolved to and connects to those very addresses, and keeps few idle connections.
//! A request runs in the caller's own task: its connection is polled there, so a call costs no task and no wake-up across threads.
//!
//! Sandboxed servers get out here too, see [`Exit`]: to what is on their list and nowhere else.
//!
//! Controls: `tools.http`, `network.egress`, `network.protocols`, `network.dns`, `network.telemetry`, `transport.tls`.

mod address;
mod attempt;
mod book;
mod client;
mod connection;
mod doh;
mod dot;
mod error;
mod exit;
mod head;
mod hello;
mod hostname;
mod limits;
mod lookup;
mod meter;
mod octets;
mod outside;
mod pool;
mod protocol;
mod proxy;
mod query;
mod resolver;
mod rules;
mod target;
mod tls;
mod unshaken;

pub use attempt::{Attempt, Attempts, Door, End, Entry, Kept, Moved, Reason, Stop, Unrecorded};
pub use client::{Client, Egress, Response};
pub use doh::Doh;
pub use dot::Dot;
pub use error::Error;
pub use exit::{Doors, Exit, RANGE, Terms, can_mark};
pub use hostname::HostName;
pub use limits::Limits;
pub use meter::{Destination, Meter, Traffic};
pub use outside::Outside;
pub use protocol::{Protocol, Purpose};
pub use proxy::Proxy;
pub use resolver::{Resolver, Resolving, System};
pub use rules::{PROXY_PORT, Rules, Unfit};
pub use target::{Bounds, ServerTarget, SpkiPin};
pub use terms::{Reach, reach};
pub use tls::{ClientIdentity, Departure, MOST_BEHIND, OtherKey, SelfSigned, Witness};
pub use unshaken::Unshaken;
