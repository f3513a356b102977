//! The server and all that comes from it, from the first to the last process.

use crate::image::Opened;
use crate::process::{children, descendants, own_bytes, signal};
use crate::spec::{Limits, Order};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often memory and processes are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the helper goes on killing what does not go, such as a process that hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);

/// A started server. The helper is its parent and its descendants' last resort.
pub(super) struct Family {
    own: i32,
    server: Pid,
    limits: Limits,
    ended: Option<WaitStatus>,
}

impl Family {
    /// Executes the program in a process group of its own.
    pub(super) fn start(order: &Order) -> io::Result<Self> {
        let program = match &order.image {
            Some(image) => image.open(&order.program)?,
            None => Opened::unseen(&order.program),
        };
        let mut command = Command::new(&program.path);
        command.arg0(&order.program).args(&order.args).env_clear().envs(&order.env).current_dir(&order.cwd).process_group(0);
        sys::die_with_parent(&mut command);
        let child = command.spawn()?;
        let server = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
        drop(command);
        // The helper keeps no end of the server's streams, so that the gateway sees them end with the server.
        let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        rustix::stdio::dup2_stderr(&nothing)?;
        let own = rustix::process::getpid().as_raw_nonzero().get();
        Ok(Self { own, server, limits: order.limits, ended: None })
    }

    /// The server's process id.
    pub(super) fn server(&self) -> i32 {
        self.server.as_raw_nonzero().get()
    }

    /// Waits for an end of the server, of the gateway, or of its patience; ends everyone, and gives the exit status.
    pub(super) fn watch(mut self, control: &mut UnixStream, signals: &OwnedFd) -> i32 {
        let mut next_look = Instant::now() + LOOK;
        while self.ended.is_none() {
            let wait = next_look.saturating_duration_since(Instant::now());
            let Some((heard, told)) = poll(signals, control, wait) else { break };
            if told && leave(control) {
                break;
            }
            if heard && self.hear(signals) {
                break;
            }
            if Instant::now() >= next_look {
                next_look = Instant::now() + LOOK;
                if let Some(limit) = self.breach() {
                    let _ = writeln!(control, "breach {limit}");
                    break;
                }
            }
        }
        self.end_all();
        status(self.ended)
    }

    /// Acts on the signals that wait; yes when the gateway is gone.
    fn hear(&mut self, signals: &OwnedFd) -> bool {
        while let Some(number) = sys::next_signal(signals) {
            match number {
                libc::SIGCHLD => {
                    self.reap();
                }
                libc::SIGTERM => self.forward(Signal::TERM),
                libc::SIGINT => self.forward(Signal::INT),
                libc::SIGHUP => return true,
                _ => {}
            }
        }
        false
    }

    fn forward(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = rustix::process::kill_process_group(self.server, signal);
        }
    }

    /// Takes the status of every ended child; yes when there is no child any more, ended or not.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.server => self.ended = Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    fn breach(&self) -> Option<&'static str> {
        let family = children(self.own);
        if family.len() > self.limits.processes as usize {
            return Some("processes");
        }
        let most = self.limits.memory_bytes?;
        let bytes = family.into_iter().map(own_bytes).fold(0_u64, u64::saturating_add);
        (bytes > most).then_some("memory")
    }

    /// Kills until there is no child left. As the reaper of all orphans it has a child as long as any descendant lives.
    fn end_all(&mut self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let family = descendants(self.own);
            // Stopped first, so that nobody forks while the others are killed.
            for pid in &family {
                signal(*pid, Signal::STOP);
            }
            for pid in family {
                signal(pid, Signal::KILL);
            }
            if self.reap() || Instant::now() >= patience {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn poll(signals: &OwnedFd, control: &UnixStream, wait: Duration) -> Option<(bool, bool)> {
    let mut fds = [PollFd::new(signals, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
    let wait = Timespec::try_from(wait).ok()?;
    match rustix::event::poll(&mut fds, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(_) => return None,
    }
    let [signals, control] = fds;
    Some((!signals.revents().is_empty(), !control.revents().is_empty()))
}

/// Whether what the gateway says, or that it says nothing more, means the end.
fn leave(control: &mut UnixStream) -> bool {
    !matches!(control.read(&mut [0_u8; 16]), Err(cause) if cause.kind() == io::ErrorKind::Interrupted)
}

fn status(ended: Option<WaitStatus>) -> i32 {
    match ended {
        None => 128 + libc::SIGKILL,
        Some(status) => status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(128),
    }
}
