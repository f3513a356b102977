//! The system calls that have no safe wrapper. All `unsafe` of the gateway stands here.
#![allow(unsafe_code)]

use rustix::process::Pid;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

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

/// Lets the helper be started within the control group of `entrances`, and with just `kept` open beside its standard streams.
pub(crate) fn prepare(command: &mut tokio::process::Command, kept: [OwnedFd; 2], entrances: Vec<OwnedFd>) {
    let prepare = move || {
        for entrance in &entrances {
            rustix::io::write(entrance, b"0")?;
        }
        close_on_exec_from_3()?;
        for fd in &kept {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and execve the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The one that was there before, and the other's process id.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Makes a second process like this one.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the helper has one thread until its last fork, so that no lock is held by a thread which the child does not have.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid).map(Fork::Parent).ok_or_else(|| io::Error::other("no process id")),
    }
}

/// Ends this process at once: nothing that it shares with the one it was forked from is flushed or run.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: _exit(2) takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Kills every other process of the namespace of which this is the first one; nobody where it is not.
pub(crate) fn kill_namespace() {
    if std::process::id() == 1 {
        // SAFETY: kill(2) takes two numbers and touches no memory. From the first process of a namespace, -1 is everyone in it but itself.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Leaves the namespaces of `flags` for new ones (`CLONE_NEW*`, unshare(2)).
pub(crate) fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: only flags of namespaces are passed, which share no memory and no descriptors.
    if unsafe { libc::unshare(flags) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The attributes of a mount, as mount_setattr(2) takes them.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// How far an attribute reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The mount alone.
    One,
    /// And every mount below it.
    Below,
}

/// `MOUNT_ATTR_IDMAP` of mount_setattr(2).
const MAPPED: u64 = 0x10_0000;

/// Sets `attributes` (`MOUNT_ATTR_*`) on the mount `tree`; `mapping` is the user namespace that translates its owners.
pub(crate) fn mount_attributes(tree: &OwnedFd, reach: Reach, attributes: u64, mapping: Option<&OwnedFd>) -> io::Result<()> {
    let wanted = MountAttributes {
        set: attributes | if mapping.is_some() { MAPPED } else { 0 },
        clear: 0,
        // What is mounted on the host later does not show up inside.
        propagation: libc::MS_PRIVATE,
        namespace: mapping.and_then(|fd| u64::try_from(fd.as_raw_fd()).ok()).unwrap_or(0),
    };
    let flags = libc::AT_EMPTY_PATH
        | match reach {
            Reach::One => 0,
            Reach::Below => libc::AT_RECURSIVE,
        };
    // SAFETY: the path is an empty C string, and the structure is of the size that is passed; both outlive the call, which changes neither.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, &raw const wanted, size_of::<MountAttributes>())
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// No signal blocked, and SIGPIPE as every program expects it.
pub(crate) fn plain_signals() -> io::Result<()> {
    let none = set_of(&[]);
    // SAFETY: a pointer to an initialised set that lives longer than the call.
    if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the default disposition runs no code of ours.
    if unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Executes the open file `program` (execveat(2)) in place of this process.
pub(crate) fn execute_file(program: &impl AsRawFd, arguments: &[CString], environment: &[CString]) -> io::Error {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end in a null and point to C strings that outlive the call, as the empty path does.
    unsafe {
        libc::syscall(libc::SYS_execveat, program.as_raw_fd(), c"".as_ptr(), arguments.as_ptr(), environment.as_ptr(), libc::AT_EMPTY_PATH)
    };
    io::Error::last_os_error()
}

/// Executes what is at `program` (execve(2)) in place of this process.
pub(crate) fn execute_name(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end in a null and point to C strings that outlive the call, as the path does.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const seccompiler::sock_filter,
}

/// Puts a filter on this process whose notifications come from the descriptor that is given back.
pub(crate) fn listen_to_calls(instructions: &[seccompiler::sock_filter]) -> io::Result<OwnedFd> {
    const MODE_FILTER: libc::c_uint = 1;
    const NEW_LISTENER: libc::c_uint = 1 << 3;
    rustix::thread::set_no_new_privs(true)?;
    let length = u16::try_from(instructions.len()).map_err(io::Error::other)?;
    let program = Program { length, instructions: instructions.as_ptr() };
    // SAFETY: the structure points to `length` instructions; both outlive the call, which reads them only.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, MODE_FILTER, NEW_LISTENER, &raw const program) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: seccomp has just made it, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A system call that waits to be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) id: u64,
    pub(crate) pid: u32,
    pub(crate) call: i64,
    pub(crate) arguments: [u64; 6],
}

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    call: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `SECCOMP_IOCTL_NOTIF_RECV`, `_SEND` and `_ID_VALID` of linux/seccomp.h.
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const VALID: libc::c_ulong = 0x4008_2102;

/// The next call that waits; none when no process has the filter any more.
pub(crate) fn next_call(listener: &OwnedFd) -> io::Result<Option<Asked>> {
    use rustix::event::{PollFd, PollFlags};
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    rustix::event::poll(&mut fds, None)?;
    let [polled] = fds;
    if !polled.revents().contains(PollFlags::IN) {
        return Ok(None);
    }
    receive_call(listener).map(Some)
}

/// The next call that waits, however long that takes. `NotFound` when one was taken back, or, on newer kernels, when no process has the
/// filter any more.
pub(crate) fn receive_call(listener: &OwnedFd) -> io::Result<Asked> {
    let mut found = Notification::default();
    // SAFETY: the kernel writes one structure of this layout, which is zeroed as it demands and outlives the call.
    if unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut found) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Asked { id: found.id, pid: found.pid, call: found.call.into(), arguments: found.arguments })
}

/// Whether no process has the filter of `listener` any more.
pub(crate) fn is_unwatched(listener: &OwnedFd) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec};
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    let [polled] = fds;
    Ok(polled.revents().contains(PollFlags::HUP))
}

/// Whether the call `id` still waits, and so its process still is the one that asked.
pub(crate) fn still_asks(listener: &OwnedFd, id: u64) -> bool {
    // SAFETY: the kernel reads one number that outlives the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), VALID as _, &raw const id) == 0 }
}

/// Lets the call `id` go on as if it had not waited.
pub(crate) fn let_call(listener: &OwnedFd, id: u64) -> io::Result<()> {
    // SECCOMP_USER_NOTIF_FLAG_CONTINUE
    let response = Response { id, value: 0, error: 0, flags: 1 };
    // SAFETY: the kernel reads one structure of this layout that outlives the call.
    let done = unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const response) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
