//! The inner process: the first one of the server's namespaces. It makes the root, lays every right down, starts the server, and stays to
//! forward signals and to reap. Its end is the end of everyone in there.

use super::notary::{self, Notary};
use super::plan::Plan;
use super::root::{self, Resolver};
use super::rules::Rules;
use super::{Named as _, Step, calls, confine, filter, privilege};
use crate::image::Opened;
use crate::layer::Layer;
use crate::order::Order;
use crate::scratch::PLACES;
use crate::spec::{Network, Watched};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};
use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;

/// Exit status of a server's process that could not be executed; the reason went up before.
const NOT_EXECUTED: i32 = 127;

/// The way up for the reason why the server was not executed. It closes by itself when it was.
pub(super) struct Report(pub(super) OwnedFd);

impl Report {
    fn tell(self, reason: &str) {
        let _ = std::fs::File::from(self.0).write_all(reason.as_bytes());
    }

    /// Whether nobody listens any more: then the outer process has ended.
    fn is_alone(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_err() || {
            let [fd] = fds;
            !fd.revents().is_empty()
        }
    }
}

/// Starts the server of `order` and ends with it, with its exit status.
pub(super) fn run(order: &Order, plan: Plan, report: Report, control: &UnixDatagram) -> ! {
    let confined = confine(order, plan, &report).and_then(|()| places(order, control));
    let (server, signals, notary) = match confined.and_then(|()| start(order, &report, control)) {
        Ok(started) => started,
        Err(reason) => {
            report.tell(&reason);
            sys::leave(super::OWN_FAULT)
        }
    };
    drop(report);
    if quiet().is_err() {
        sys::leave(super::OWN_FAULT)
    }
    let status = attend(server, &signals);
    notary.settle();
    sys::leave(status)
}

/// Takes everything but the layers that the server's own process puts on.
pub(super) fn confine(order: &Order, plan: Plan, report: &Report) -> Step<()> {
    let has = |layer| order.layers.has(layer);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).named("parent")?;
    if report.is_alone() {
        return Err("the launcher has ended".to_owned());
    }
    rustix::process::setsid().named("session")?;
    let files = has(Layer::Files);
    let rules = if files { Rules::inside(&plan) } else { Rules::shared(&plan) };
    if files {
        let resolver = match order.network {
            Network::Doors { .. } => Resolver::Doors,
            Network::Closed => Resolver::Nowhere,
        };
        root::build(plan, order.layers, resolver)?;
    }
    // Without a user namespace there is none for names either, and this would be the machine's own.
    if has(Layer::Objects) && has(Layer::User) {
        rustix::system::sethostname(b"sandbox").named("name of the host")?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o077));
    if has(Layer::Privileges) {
        privilege::drop_all().named("privileges")?;
    }
    if has(Layer::Landlock) {
        rules.restrict().named("landlock")?;
    }
    // The order was read by this process: nobody in here may look into its memory, nor at what it was started with.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).named("memory")
}

/// Hands the private places out, so that what was written there can be looked at later.
fn places(order: &Order, control: &UnixDatagram) -> Step<()> {
    if !order.layers.has(Layer::Files) {
        return Ok(());
    }
    let open = |(at, _): (&str, _)| std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(at);
    let places = PLACES.into_iter().map(open).collect::<io::Result<Vec<_>>>().named("scratch")?;
    let fds: Vec<_> = places.iter().map(AsFd::as_fd).collect();
    super::hand(control, b"scratch", &fds).named("scratch")
}

fn start(order: &Order, report: &Report, control: &UnixDatagram) -> Step<(Pid, OwnedFd, Notary)> {
    let signals = sys::watch_signals().named("signals")?;
    let filters = filter::Filters::of(order.layers, order.watched).named("filter of system calls")?;
    let (ours, theirs) = notary::channel().named("notes of forbidden calls")?;
    let forked = if order.layers.has(Layer::Limits) { confine::fork(&order.limits, order.layers) } else { sys::fork() };
    match forked.named("limit of processes")? {
        sys::Fork::Parent(server) => {
            drop(theirs);
            // The last fork of this process was the one above.
            let notary = control.try_clone().and_then(|control| Notary::start(ours, control)).named("notes of forbidden calls")?;
            Ok((server, signals, notary))
        }
        sys::Fork::Child => {
            let Err(reason) = execute(order, &filters, control, &theirs);
            if let Ok(mut up) = report.0.try_clone().map(std::fs::File::from) {
                let _ = up.write_all(reason.as_bytes());
            }
            sys::leave(NOT_EXECUTED)
        }
    }
}

/// Becomes the server.
fn execute(order: &Order, filters: &filter::Filters, control: &UnixDatagram, notary: &UnixDatagram) -> Step<Infallible> {
    let named = format!("`{}` cannot be executed", order.program.display());
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).named("parent")?;
    rustix::process::setpgid(None, None).named("group")?;
    if order.layers.has(Layer::Limits) {
        confine::seal().named("limit of processes")?;
    }
    rustix::process::chdir(&order.cwd).named(&order.cwd.display().to_string())?;
    let text = |bytes: &[u8]| CString::new(bytes).named(&named);
    let program = text(order.program.as_os_str().as_bytes())?;
    let mut arguments = vec![program.clone()];
    for argument in &order.args {
        arguments.push(text(argument.as_bytes())?);
    }
    let mut environment = Vec::with_capacity(order.env.len());
    for (name, value) in &order.env {
        environment.push(text(format!("{name}={value}").as_bytes())?);
    }
    let opened = match &order.image {
        Some(image) => image.open(&order.program).named(&named)?,
        None => Opened::Name,
    };
    if order.layers.has(Layer::Descriptors) {
        sys::close_on_exec_from_3().named("descriptors")?;
    }
    sys::plain_signals().named("signals")?;
    if order.watched == Watched::Calls {
        let listener = calls::listen().named("notes of system calls")?;
        super::hand(control, b"calls", &[listener.as_fd()]).named("notes of system calls")?;
    }
    if let Some(listener) = filters.put_on().named("filter of system calls")? {
        super::hand(notary, b"forbidden", &[listener.as_fd()]).named("notes of forbidden calls")?;
    }
    let cause = match &opened {
        Opened::File(file) => sys::execute_file(file, &arguments, &environment),
        Opened::Name => sys::execute_name(&program, &arguments, &environment),
    };
    Err(format!("{named}: {cause}"))
}

/// Keeps no end of the server's streams, so that the gateway sees them end with the server.
pub(super) fn quiet() -> io::Result<()> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

/// Forwards signals and reaps until the server has ended; gives its exit status.
fn attend(server: Pid, signals: &OwnedFd) -> i32 {
    loop {
        let mut fds = [PollFd::new(signals, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return super::OWN_FAULT,
        }
        while let Some(number) = sys::next_signal(signals) {
            let forwarded = match number {
                libc::SIGTERM => Signal::TERM,
                libc::SIGINT => Signal::INT,
                libc::SIGHUP => Signal::HUP,
                _ => continue,
            };
            let _ = rustix::process::kill_process_group(server, forwarded);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == server => return end(status),
                // Killed by the kernel, where nobody could be told. Whatever the server left to itself is the server too.
                Ok(Some((_, status))) if status.terminating_signal() == Some(libc::SIGSYS) => return end(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return super::OWN_FAULT,
            }
        }
    }
}

/// The first process of a namespace takes all others with it. Where there is none, the outer process ends them.
fn end(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(128)
}
