//! What a listener must survive, as a table of cases: floods, slow clients, broken TLS, bad certificates.
//!
//! Each case does one thing to the built binary and names the end that it must have; while it does, a good client goes on calling. A case is data and a few
//! bytes; how bytes get there is in `ring`, what comes back in `seen`.
//!
//! A harness fails by panicking, so this crate does what the others may not.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a harness fails by panicking")]

mod arena;
mod case;
mod certificate;
mod flood;
mod frames;
mod good;
mod hello;
mod record;
mod report;
mod ring;
mod run;
mod seen;
mod slow;
mod tls;

pub use case::{Case, Class, Want};
pub use report::Report;
pub use run::{Selection, all, run};
