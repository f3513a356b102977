//! The helper: this binary, executed anew to confine itself, start one server, and outlive it just long enough to end what it left behind.
//!
//! It is two processes. The outer one, which the gateway started, speaks with the gateway: `doors` with descriptors, `scratch` with the private
//! places, `calls` with what notes them, `ok PID` or `no REASON` goes back, and `memory` or `forbidden CALL` when that ended the server. The
//! socket's end means that the gateway is gone, or wants an end now. The inner one is the first process of the server's namespaces: its
//! parent, its reaper, and their end.

mod account;
mod attempt;
mod calls;
mod confine;
mod filter;
mod inner;
mod instructions;
mod network;
mod notary;
mod plan;
mod privilege;
mod reap;
mod root;
mod rules;

pub(crate) use filter::profile;

use crate::doors::MOST;
use crate::layer::Layer;
use crate::order::Order;
use crate::spec::Network;
use crate::sys;
use plan::Plan;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{DumpableBehavior, Signal};
use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// The first argument of the binary when it is the helper.
pub const ARGUMENT: &str = "__sandbox";
/// The second argument when it is to try every layer.
pub(crate) const ATTEMPT: &str = "attempt";

/// Exit status of a helper that could not do its work.
const OWN_FAULT: i32 = 125;

/// Sends `text` and `fds` to the gateway.
fn hand(control: &UnixDatagram, text: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST + 2))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !message.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    rustix::net::sendmsg(control, &[IoSlice::new(text)], &mut message, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Why a step could not be taken: a sentence for the operator.
type Step<T> = Result<T, String>;

/// Says which step failed.
trait Named<T> {
    fn named(self, what: &str) -> Step<T>;
}

impl<T, E: std::fmt::Display> Named<T> for Result<T, E> {
    fn named(self, what: &str) -> Step<T> {
        self.map_err(|cause| format!("{what}: {cause}"))
    }
}

/// Does the helper's work and ends the process with the server's exit status, or 128 and the number of the signal that ended it.
///
/// The binary's `main` calls this before anything else when its first argument is [`ARGUMENT`]; no thread and no descriptor may exist yet
/// but those that the process began with.
pub fn enter() -> ! {
    if std::env::args().nth(2).as_deref() == Some(ATTEMPT) {
        std::process::exit(attempt::all().map_or(OWN_FAULT, |()| 0))
    }
    std::process::exit(run().unwrap_or(OWN_FAULT))
}

fn run() -> io::Result<i32> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut numbers = std::env::args().skip(2).map(|text| text.parse().unwrap_or(-1));
    let spec = sys::inherited(numbers.next().unwrap_or(-1))?;
    let control = UnixDatagram::from(sys::inherited(numbers.next().unwrap_or(-1))?);
    match prepare(spec, &control) {
        Ok((family, signals)) => {
            control.send(format!("ok {}", family.server()).as_bytes())?;
            // From here on the signal of the parent's death must not kill the helper: it has a family to end.
            rustix::process::set_parent_process_death_signal(Some(Signal::HUP))?;
            Ok(family.watch(&control, &signals))
        }
        Err(reason) => {
            control.send(reason_of(&reason).as_bytes())?;
            Ok(OWN_FAULT)
        }
    }
}

fn reason_of(reason: &str) -> String {
    let mut text = format!("no {}", reason.replace('\n', " "));
    let end = (0..=text.len().min(2000)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text
}

/// Confines this process, and starts the server below it.
fn prepare(spec: OwnedFd, control: &UnixDatagram) -> Step<(reap::Family, OwnedFd)> {
    let order = Order::read(spec).named("the order cannot be read")?;
    sys::default_signals();
    rustix::process::setsid().named("session")?;
    if order.layers.has(Layer::Descriptors) {
        sys::close_on_exec_from_3().named("descriptors")?;
    }
    if order.layers.has(Layer::Limits) {
        confine::confine(&order.limits)?;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).named("subreaper")?;
    let plan = enclose(&order)?;
    if let Network::Doors { ports } = &order.network
        && order.layers.has(Layer::Network)
    {
        network::doors(ports, control).named("doors")?;
    }
    let signals = sys::watch_signals().named("signals")?;
    let (inner, reason) = descend(&order, plan, control)?;
    let family = reap::Family::new(inner, order.limits).named("streams")?;
    if let Some(reason) = reason {
        return Err(reason);
    }
    Ok((family, signals))
}

/// Becomes the server's account and leaves the gateway's namespaces; what is to be seen of the file system was opened before, where the
/// account could not.
fn enclose(order: &Order) -> Step<Plan> {
    let root = rustix::process::geteuid().is_root();
    let apart = root && order.layers.has(Layer::Account);
    let mut plan = Plan::of(order)?;
    if apart {
        let account = account::known(order.account).named("account")?;
        if order.layers.has(Layer::Files) {
            plan.open(Some(account))?;
        }
        account::put_on(account).named("account")?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).named("account")?;
    }
    account::leave_namespaces(order.layers).named("namespaces")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).named("memory")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).named("parent")?;
    Ok(plan)
}

/// Forks the inner process, and waits until it has executed the server or given a reason why not.
fn descend(order: &Order, plan: Plan, control: &UnixDatagram) -> Step<(rustix::process::Pid, Option<String>)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).named("pipe")?;
    let inner = match sys::fork().named("fork")? {
        sys::Fork::Child => {
            drop(reader);
            inner::run(order, plan, inner::Report(writer), control)
        }
        sys::Fork::Parent(inner) => inner,
    };
    drop(writer);
    let mut reason = String::new();
    std::fs::File::from(reader).take(4096).read_to_string(&mut reason).named("report")?;
    Ok((inner, (!reason.is_empty()).then_some(reason)))
}
