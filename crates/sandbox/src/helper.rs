//! The helper: this binary, executed anew to limit itself, start one server, and outlive it just long enough to end what it left behind.
//!
//! It speaks with the gateway over a socket: `g` comes when it may go on; `ok PID` or `no REASON` goes back, and `breach LIMIT` when a limit
//! ends the server. The socket's end means that the gateway is gone, or wants an end now.

mod confine;
mod reap;

use crate::spec::Order;
use crate::sys;
use rustix::process::{DumpableBehavior, Signal};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// The first argument of the binary when it is the helper.
pub const ARGUMENT: &str = "__sandbox";

/// Exit status of a helper that could not do its work.
const OWN_FAULT: i32 = 125;

/// Does the helper's work and ends the process with the server's exit status, or 128 and the number of the signal that ended it.
///
/// The binary's `main` calls this before anything else when its first argument is [`ARGUMENT`]; no thread and no descriptor may exist yet
/// but those that the process began with.
pub fn enter() -> ! {
    std::process::exit(run().unwrap_or(OWN_FAULT))
}

fn run() -> io::Result<i32> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut numbers = std::env::args().skip(2).map(|text| text.parse().unwrap_or(-1));
    let spec = sys::inherited(numbers.next().unwrap_or(-1))?;
    let mut control = UnixStream::from(sys::inherited(numbers.next().unwrap_or(-1))?);
    let mut go = [0_u8; 1];
    control.read_exact(&mut go)?;
    match prepare(spec) {
        Ok((family, status)) => {
            writeln!(control, "ok {}", family.server())?;
            // From here on the signal of the parent's death must not kill the helper: it has a family to end.
            rustix::process::set_parent_process_death_signal(Some(Signal::HUP))?;
            Ok(family.watch(&mut control, &status))
        }
        Err(reason) => {
            writeln!(control, "no {}", reason.replace('\n', " "))?;
            Ok(OWN_FAULT)
        }
    }
}

/// Limits this process, and starts the server as its child.
fn prepare(spec: OwnedFd) -> Result<(reap::Family, OwnedFd), String> {
    let order = Order::read(spec).map_err(|cause| format!("the order cannot be read: {cause}"))?;
    confine::confine(&order.limits).map_err(|(what, cause)| format!("{what}: {cause}"))?;
    let signals = sys::watch_signals().map_err(|cause| format!("signals: {cause}"))?;
    let family = reap::Family::start(&order).map_err(|cause| format!("`{}` cannot be executed: {cause}", order.program.display()))?;
    Ok((family, signals))
}
