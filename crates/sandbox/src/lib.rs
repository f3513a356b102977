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

mod account;
mod capability;
mod doors;
mod env;
mod error;
mod forbidden;
mod group;
mod helper;
mod image;
mod launch;
mod layer;
mod lookup;
mod observe;
pub mod podman;
mod probe;
mod process;
mod scratch;
mod spec;
mod supervise;
mod sys;
mod tail;

pub use account::account;
pub use capability::{Capabilities, Capability, Standing, capabilities};
pub use doors::Doors;
pub use env::{Environment, MINIMAL_PATH};
pub use error::Error;
pub use forbidden::{Aim, Call};
pub use helper::{ARGUMENT, enter};
pub use image::Image;
pub use launch::{Breach, Ended, Grace, Process, Running, launch};
pub use layer::{Layer, Layers, Weakness};
pub use lookup::program_lookup;
pub use observe::{Observer, Seen, Wish};
pub use process::{Meter, Usage};
pub use scratch::{Kept, Most, Scratch};
pub use spec::{Access, Folder, Limits, Network, Spec, Watched};
pub use supervise::{Next, RestartPolicy, Supervisor};
pub use tail::{Tail, capture};
