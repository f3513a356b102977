//! The outer process: between the gateway and the inner process, from the server's first to its last moment.

use super::inner;
use crate::process::{children, descendants, own_bytes, signal};
use crate::spec::Limits;
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the helper goes on killing what does not go, such as a process that hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);

/// A started server. The helper is its last resort.
pub(super) struct Family {
    own: i32,
    inner: Pid,
    limits: Limits,
    ended: Option<WaitStatus>,
}

impl Family {
    /// The family of the inner process; lets go of the server's streams.
    pub(super) fn new(inner: Pid, limits: Limits) -> io::Result<Self> {
        inner::quiet()?;
        Ok(Self { own: rustix::process::getpid().as_raw_nonzero().get(), inner, limits, ended: None })
    }

    /// The server's process id, as the gateway sees it.
    pub(super) fn server(&self) -> i32 {
        let inner = self.inner.as_raw_nonzero().get();
        children(inner).first().copied().unwrap_or(inner)
    }

    /// Waits for an end of the server, of the gateway, or of its patience; ends everyone, and gives the exit status.
    pub(super) fn watch(mut self, control: &UnixDatagram, signals: &OwnedFd) -> i32 {
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
                if self.is_over() {
                    let _ = control.send(b"memory");
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
            let _ = rustix::process::kill_process(self.inner, signal);
        }
    }

    /// Takes the status of every ended child; yes when there is no child any more, ended or not.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.inner => self.ended = Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    fn is_over(&self) -> bool {
        let Some(most) = self.limits.memory_bytes else { return false };
        children(self.own).into_iter().map(own_bytes).fold(0_u64, u64::saturating_add) > most
    }

    /// Kills until there is no child left. The inner process takes its namespace with it; without one, this process has a child as long as any
    /// descendant lives, since it adopts orphans.
    fn end_all(&mut self) {
        let patience = Instant::now() + PATIENCE;
        if self.ended.is_none() {
            let _ = rustix::process::kill_process(self.inner, Signal::KILL);
        }
        while !self.reap() && Instant::now() < patience {
            let family = descendants(self.own);
            // Stopped first, so that nobody forks while the others are killed.
            for pid in &family {
                signal(*pid, Signal::STOP);
            }
            for pid in family {
                signal(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn poll(signals: &OwnedFd, control: &UnixDatagram, wait: Duration) -> Option<(bool, bool)> {
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
fn leave(control: &UnixDatagram) -> bool {
    !matches!(control.recv(&mut [0_u8; 16]), Err(cause) if cause.kind() == io::ErrorKind::Interrupted)
}

fn status(ended: Option<WaitStatus>) -> i32 {
    match ended {
        None => 128 + libc::SIGKILL,
        Some(status) => status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(128),
    }
}
