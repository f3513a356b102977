//! What is no message of the protocol, or does not come as one should, is refused before any server sees a byte of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod channel;
mod framing;
mod head;
mod hostile;
mod lines;
mod messages;
mod modern;
mod names;
mod servers;
mod states;
