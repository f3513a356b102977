//! Starts, confines and supervises local servers.
//!
//! A server is started by a helper: this very binary, executed anew without environment, descriptors or privileges of the gateway. The
//! helper limits itself, starts the server, adopts what the server leaves behind, and ends all of it when the server or the gateway ends.
//! No shell is ever involved.
//!
//! What is not confined yet (files, network, system calls) is said plainly by [`capabilities`].
//!
//! Controls: `runtime.environment`, `runtime.limits`, `runtime.restart`, `tools.process`; in part `runtime.sandbox`.

mod capability;
mod env;
mod error;
mod helper;
mod image;
mod launch;
mod lookup;
mod process;
mod spec;
mod supervise;
mod sys;
mod tail;

pub use capability::{Capabilities, Capability, Measure, Standing, capabilities};
pub use env::{Environment, MINIMAL_PATH};
pub use error::Error;
pub use helper::{ARGUMENT, enter};
pub use image::Image;
pub use launch::{Breach, Ended, Grace, Process, Running, launch};
pub use lookup::program_lookup;
pub use spec::{Limits, Spec};
pub use supervise::{Next, RestartPolicy, Supervisor};
pub use tail::{Tail, capture};
