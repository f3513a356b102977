//! Starts, confines and supervises local servers.
//!
//! A server is started by a helper: this very binary, executed anew without environment, descriptors or privileges of the gateway. The
//! helper leaves the gateway's namespaces, makes a root that holds only what the server was given, lays down every right, puts filters of
//! system calls on, starts the server, adopts what the server leaves behind, and ends all of it when the server or the gateway ends. No
//! shell is ever involved.
//!
//! Every [`Layer`] is tried before the first start. One that this machine does not have keeps servers from starting, unless an operator has
//! accepted the [`Weakness`]; [`capabilities`] says how each stands.
//!
//! Controls: `runtime.sandbox`, `runtime.environment`, `runtime.limits`, `runtime.identities`, `runtime.restart`, `tools.process`.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "what only confinement needs"))]

#[cfg(not(unix))]
compile_error!(
    "Bastide is built on Linux, and on other Unix systems for remote servers alone; Windows has no sandbox for servers here yet"
);

mod account;
mod capability;
mod doors;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod env;
mod error;
mod forbidden;
mod image;
mod layer;
mod lookup;
mod outcome;
pub mod podman;
mod running;
mod spec;
mod supervise;
mod tail;

// What confines is Linux's: the one place where that is told apart. Elsewhere the same names stand for what refuses.
#[cfg(not(target_os = "linux"))]
use elsewhere::{helper, launch, observe, probe, process, scratch};
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod helper;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod observe;
#[cfg(target_os = "linux")]
mod order;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod scratch;
#[cfg(target_os = "linux")]
mod sys;

pub use account::account;
pub use capability::{Capabilities, Capability, Standing, capabilities};
pub use doors::Doors;
pub use env::{Environment, MINIMAL_PATH};
pub use error::Error;
pub use forbidden::{Aim, Call};
pub use helper::{ARGUMENT, enter};
pub use image::Image;
pub use launch::{Process, launch};
pub use layer::{Layer, Layers, Weakness};
pub use lookup::program_lookup;
pub use observe::Observer;
pub use outcome::{Breach, Ended, Grace, Kept, Most, Seen, Usage, Wish};
pub use process::Meter;
pub use running::Running;
pub use scratch::Scratch;
pub use spec::{Access, Folder, Limits, Network, Spec, Watched};
pub use supervise::{Next, RestartPolicy, Supervisor};
pub use tail::{Tail, capture};
