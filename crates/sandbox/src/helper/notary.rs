//! Sees every system call that only attacks need, whichever process of the server asks for it, and ends all of them for it.
//!
//! The kernel holds the process that asks until it is answered (seccomp(2), `SECCOMP_RET_USER_NOTIF`). It never is: the call is told, and the
//! inner process, in which this is a thread, ends with everyone below it. Without the thread the kernel says that it has no such call.

use crate::forbidden::Call;
use crate::process::signal;
use crate::sys::{self, Asked};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType};
use rustix::process::Signal;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, OnceLock};

/// Exit status of a server that was ended for a forbidden call: as if the kernel had killed it, 128 and SIGSYS.
const FORBIDDEN: i32 = 128 + libc::SIGSYS;

/// The way of the listener from the process that becomes the server.
pub(super) fn channel() -> io::Result<(UnixDatagram, UnixDatagram)> {
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((ours.into(), theirs.into()))
}

/// What attends to forbidden calls as long as this process lives.
pub(super) struct Notary {
    listener: Arc<OnceLock<OwnedFd>>,
}

impl Notary {
    /// Begins to attend to what comes over `channel`; tells the gateway over `control` of the first forbidden call, and ends this process.
    pub(super) fn start(channel: UnixDatagram, control: UnixDatagram) -> io::Result<Self> {
        let listener = Arc::new(OnceLock::new());
        let kept = Arc::clone(&listener);
        std::thread::Builder::new().name("notary".to_owned()).spawn(move || {
            let attended = receive(&channel).and_then(|found| match found {
                Some(found) => attend(kept.get_or_init(|| found), &control),
                // The kernel itself kills, or the server was not started.
                None => Ok(()),
            });
            if attended.is_err() {
                // Who is not seen any more is not kept.
                sys::leave(super::OWN_FAULT);
            }
        })?;
        Ok(Self { listener })
    }

    /// Waits for the end of this process where someone has asked and was not told of yet.
    pub(super) fn settle(&self) {
        let Some(listener) = self.listener.get() else { return };
        // Output is possible where a call was received and not answered.
        let mut fds = [PollFd::new(listener, PollFlags::IN | PollFlags::OUT)];
        let asked = rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok() && {
            let [polled] = fds;
            polled.revents().intersects(PollFlags::IN | PollFlags::OUT)
        };
        if asked {
            loop {
                std::thread::park();
            }
        }
    }
}

fn attend(listener: &OwnedFd, control: &UnixDatagram) -> io::Result<()> {
    loop {
        let asked = match sys::receive_call(listener) {
            Ok(asked) => Some(asked),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            // Everyone has gone, or someone asked and took it back.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                if sys::is_unwatched(listener)? {
                    return Ok(());
                }
                None
            }
            Err(cause) => return Err(cause),
        };
        let call = asked.and_then(|asked| Call::numbered(asked.call));
        let _ = control.send(format!("forbidden {}", call.map_or("", Call::name)).as_bytes());
        end(listener, asked);
    }
}

/// Kills first: the listener is closed before this process has taken its namespace with it, and then who asked would go on without the call.
fn end(listener: &OwnedFd, asked: Option<Asked>) -> ! {
    sys::kill_namespace();
    if let Some(pid) = asked.filter(|asked| sys::still_asks(listener, asked.id)).and_then(|asked| i32::try_from(asked.pid).ok()) {
        signal(pid, Signal::KILL);
    }
    sys::leave(FORBIDDEN)
}

fn receive(channel: &UnixDatagram) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0_u8; 16];
    rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(channel.as_fd(), &mut [IoSliceMut::new(&mut text)], &mut message, RecvFlags::CMSG_CLOEXEC)
    })?;
    let rights = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    Ok(rights)
}
