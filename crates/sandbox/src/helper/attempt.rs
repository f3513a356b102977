//! Every layer, tried: not what a version says counts, but what happened.

use super::inner::{self, Report};
use super::{Named as _, Step, account, confine, enclose, filter};
use crate::layer::{Layer, Layers};
use crate::order::Order;
use crate::spec::Watched;
use crate::sys;
use rustix::process::WaitOptions;
use std::io::{self, Read as _, Write as _};

/// Exit status of a process that was told that there is no such call.
const DENIED: i32 = 3;

/// Prints one line a layer: its name, and, where it failed, a blank and the reason.
pub(super) fn all() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for layer in Layer::ALL.into_iter().filter(|layer| *layer != Layer::Group) {
        match apart(|| tried(layer)) {
            Ok(()) => writeln!(out, "{layer}")?,
            Err(reason) => writeln!(out, "{layer} {}", reason.replace('\n', " "))?,
        }
    }
    Ok(())
}

/// The layers that `layer` is tried with: those that it stands on.
fn with(layer: Layer) -> Layers {
    let alone = Layers::NONE.with(layer);
    let apart = alone.with(Layer::Account).with(Layer::User);
    match layer {
        Layer::Account
        | Layer::Limits
        | Layer::Descriptors
        | Layer::Hostile
        | Layer::Calls
        | Layer::Sockets
        | Layer::Privileges
        | Layer::Landlock
        | Layer::Group => alone,
        Layer::User | Layer::Processes | Layer::Network | Layer::Objects | Layer::Files => apart,
        Layer::Proc => apart.with(Layer::Processes).with(Layer::Files),
    }
}

fn tried(layer: Layer) -> Step<()> {
    let order = Order::trial(with(layer), crate::account("", "attempt"));
    let layers = order.layers;
    match layer {
        Layer::Descriptors => sys::close_on_exec_from_3().named("descriptors"),
        Layer::Limits => confine::confine(&order.limits),
        Layer::Hostile => denied(layers),
        Layer::Calls | Layer::Sockets => {
            filter::Filters::of(layers, Watched::No).and_then(|filters| filters.put_on()).map(drop).named("filter of system calls")
        }
        Layer::Account | Layer::User | Layer::Processes | Layer::Network | Layer::Objects | Layer::Files | Layer::Proc => {
            let plan = enclose(&order)?;
            below(|report| inner::confine(&order, plan, &report))
        }
        Layer::Landlock => {
            let plan = enclose(&order)?;
            below(|report| {
                inner::confine(&order, plan, &report)?;
                match std::fs::read_dir("/proc") {
                    Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                    Ok(_) | Err(_) => Err("a folder that no rule names can be read".to_owned()),
                }
            })
        }
        Layer::Privileges => {
            // With something to lose, where that can be had.
            let _ = account::leave_namespaces(Layers::NONE.with(Layer::User));
            super::privilege::drop_all().named("privileges")
        }
        Layer::Group => Ok(()),
    }
}

/// Whether the filter kills, and, where it tells instead, denies when nobody listens.
fn denied(layers: Layers) -> Step<()> {
    for watched in [Watched::Calls, Watched::No] {
        let pid = match sys::fork().named("fork")? {
            sys::Fork::Child => {
                let put_on = filter::Filters::of(layers, watched).and_then(|filters| filters.put_on());
                let Ok(listener) = put_on else { sys::leave(1) };
                drop(listener);
                // A root that is the root already: nothing happens, where nobody minds.
                let said = rustix::process::chroot("/");
                sys::leave(if said == Err(rustix::io::Errno::NOSYS) { DENIED } else { 1 })
            }
            sys::Fork::Parent(pid) => pid,
        };
        let ended = rustix::process::waitpid(Some(pid), WaitOptions::empty()).named("fork")?;
        let (killed, code) = ended.map_or((None, None), |(_, status)| (status.terminating_signal(), status.exit_status()));
        if killed != Some(libc::SIGSYS) && (code, watched) != (Some(DENIED), Watched::No) {
            return Err("a forbidden system call was not denied".to_owned());
        }
    }
    Ok(())
}

/// Does `what` in a process of its own, so that nothing of it stays with this one.
fn apart(what: impl FnOnce() -> Step<()>) -> Step<()> {
    below(|_| what())
}

fn below(what: impl FnOnce(Report) -> Step<()>) -> Step<()> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).named("pipe")?;
    let pid = match sys::fork().named("fork")? {
        sys::Fork::Child => {
            drop(reader);
            let up = writer.try_clone().map(std::fs::File::from);
            if let Err(reason) = what(Report(writer)) {
                let _ = up.and_then(|mut up| up.write_all(reason.as_bytes()));
                sys::leave(1)
            }
            sys::leave(0)
        }
        sys::Fork::Parent(pid) => pid,
    };
    drop(writer);
    let mut reason = String::new();
    std::fs::File::from(reader).take(4096).read_to_string(&mut reason).named("report")?;
    let ended = rustix::process::waitpid(Some(pid), WaitOptions::empty()).named("fork")?;
    let code = ended.and_then(|(_, status)| status.exit_status());
    match code {
        Some(0) => Ok(()),
        Some(_) | None if reason.is_empty() => Err("it ended without a word".to_owned()),
        Some(_) | None => Err(reason),
    }
}
