//! The system calls that have no safe wrapper. All `unsafe` of the gateway stands here.
#![allow(unsafe_code)]

use rustix::process::Signal;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;

const WATCHED: [i32; 4] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Takes over the descriptor of number `fd`, which whoever executed this process left open for it.
///
/// Called once for each number, before anything else could have opened or taken it.
pub(crate) fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    if fd <= libc::STDERR_FILENO {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: F_GETFD takes any number and touches no memory.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as just asked, and by the contract above nobody else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Marks every descriptor from 3 on to be closed by the next `execve`.
pub(crate) fn close_on_exec_from_3() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: close_range(2) with CLOEXEC changes flags only and touches no memory.
    let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set; sigaddset takes an initialised set and valid numbers.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Sets every signal but SIGPIPE to its default, which an ignored one would not be after `execve`. For a process of one thread.
pub(crate) fn default_signals() {
    const LAST: i32 = 64;
    // Larger than the kernel's `struct sigaction` anywhere; all zero is SIG_DFL without flags.
    let default = [0_u64; 8];
    for signal in (1..=LAST).filter(|signal| *signal != libc::SIGPIPE) {
        // SAFETY: reads one structure of the kernel from memory that is larger and lives longer than the call; runs no code of ours.
        // The system call itself, because the C library hides two signals that may be ignored like any other.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), size_of::<u64>()) };
    }
}

/// Blocks SIGCHLD, SIGTERM, SIGINT and SIGHUP, and gives a descriptor from which they can be read. For a process of one thread.
pub(crate) fn watch_signals() -> io::Result<OwnedFd> {
    let set = set_of(&WATCHED);
    // SAFETY: both take a pointer to an initialised set that lives longer than the call.
    let fd = unsafe {
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd has just made it, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The next signal that waits on a descriptor of [`watch_signals`].
pub(crate) fn next_signal(fd: &OwnedFd) -> Option<i32> {
    let mut bytes = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(fd, &mut bytes) {
        // `ssi_signo` is the first field, of 32 bits (signalfd(2)).
        Ok(read) if read == bytes.len() => bytes.first_chunk::<4>().map(|first| i32::from_ne_bytes(*first)),
        Ok(_) | Err(_) => None,
    }
}

/// Lets the helper be started with just `kept` open beside its standard streams.
pub(crate) fn keep_only(command: &mut tokio::process::Command, kept: [OwnedFd; 2]) {
    let prepare = move || {
        close_on_exec_from_3()?;
        for fd in &kept {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and execve the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// Lets the server be started with no signal blocked, and killed when the helper dies.
pub(crate) fn die_with_parent(command: &mut std::process::Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        let none = set_of(&[]);
        // SAFETY: a pointer to an initialised set that lives longer than the call.
        if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: between fork and execve the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}
