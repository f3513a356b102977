//! The built binary through its front door: one file a control of the catalogue, each with the good case, the attack and the fail-closed case.
//!
//! The id of a control gives the file: `access.deny-by-default` is `access/deny_by_default.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod access;
mod audit;
mod data;
mod identity;
mod intent;
mod network;
mod response;
mod runtime;
mod secrets;
mod supply;
mod tools;
mod transport;
