//! Fakes, and a world for tests of the built binary.
//!
//! [`SetClock`] and [`SeededEntropy`] stand for time and chance. [`World`] starts the real program on a state of its own; [`Http`] and [`Stdio`]
//! are agents that show every byte of what they get. [`server`] is what stands behind the gateway: `canary-server` behaves, `evil-server` does not.
//!
//! A harness fails its test by panicking, so this crate does what the others may not.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a harness fails its test by panicking")]

pub mod client;
mod clock;
mod collector;
mod entropy;
pub mod layers;
pub mod meters;
mod names;
pub mod pki;
mod process;
mod registry;
pub mod server;
mod world;

pub use client::{Answer, Http, OneStream, Response, Stdio};
pub use clock::SetClock;
pub use collector::{Collector, Export, Manner};
pub use entropy::SeededEntropy;
pub use names::Names;
pub use process::{Running, binary, free_port, run};
pub use registry::{Registry, is_there};
pub use world::{Setup, World};
