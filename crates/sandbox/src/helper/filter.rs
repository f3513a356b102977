//! Two filters of system calls, one upon the other (seccomp(2)).
//!
//! The first one lets whoever asks for what only attacks need wait for an answer that never comes, and that is how they are seen (see
//! `notary`); where nobody can be told, the kernel kills for it. The second one knows what servers need, and answers everything else as a
//! kernel would that does not have it, so that programs fall back. Each of them denies by itself.

use super::instructions::{self, Answer};
use crate::forbidden;
use crate::layer::{Layer, Layers};
use crate::spec::Watched;
use crate::sys;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

/// Filters, compiled.
#[derive(Default)]
pub(super) struct Filters {
    programs: Vec<BpfProgram>,
    hostile: Option<Hostile>,
}

/// The filter of what only attacks need.
struct Hostile {
    /// Tells; none where a process's one listener is taken by the notes of what it asks for.
    tells: Option<BpfProgram>,
    kills: BpfProgram,
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Fault = seccompiler::BackendError;

/// Every namespace that `clone` could make, but that of time, whose bit means something else there.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;
/// Set-user-id and set-group-id: files with them would give rights outside of the sandbox.
const SET_ID: u64 = (libc::S_ISUID | libc::S_ISGID) as u64;
/// `O_CREAT`, and the one bit of `O_TMPFILE` that `O_DIRECTORY` does not have: only with them a mode counts.
const CREATES: u64 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
/// Families of sockets; Netlink for its routes alone, which `getifaddrs` reads.
const FAMILIES: [i32; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
/// What puts characters into a terminal as if they were typed: TIOCSTI and TIOCLINUX, whose type differs between C libraries.
const TYPING: [u64; 2] = [0x5412, 0x541c];
/// `fchmodat2`, which not every C library names; the same number everywhere.
const FCHMODAT2: Call = Call { name: "fchmodat2", number: 452 };

impl Filters {
    /// Those that `layers` names. Where the network is shared with the gateway, no socket to it can be had at all.
    pub(super) fn of(layers: Layers, watched: Watched) -> io::Result<Self> {
        let mut filters = Self::default();
        let numbers: Vec<i64> = forbidden::Call::all().map(forbidden::Call::number).collect();
        let told = layers.has(Layer::Hostile) && watched == Watched::No;
        if layers.has(Layer::Hostile) {
            let tells = told.then(|| instructions::rows(&numbers, Answer::Tell).and_then(instructions::whole)).transpose()?;
            filters.hostile = Some(Hostile { tells, kills: instructions::rows(&numbers, Answer::Kill).and_then(instructions::whole)? });
        }
        if layers.has(Layer::Calls) {
            let rules = known().map_err(io::Error::other)?;
            let absent = u32::try_from(libc::ENOSYS).unwrap_or(38);
            filters.add(rules, SeccompAction::Errno(absent), SeccompAction::Allow)?;
            if told && let Some(calls) = filters.programs.last_mut() {
                // A plain refusal would be the stricter answer, and nobody would be told. A filter without a listener that tells is one
                // that refuses (`ENOSYS`), and of two that tell the newer one is asked.
                let mut program = instructions::rows(&numbers, Answer::Tell)?;
                program.append(calls);
                *calls = program;
            }
        }
        if layers.has(Layer::Sockets) && !layers.has(Layer::Network) {
            let rules = remote().map_err(io::Error::other)?;
            let refused = u32::try_from(libc::EAFNOSUPPORT).unwrap_or(97);
            filters.add(rules, SeccompAction::Allow, SeccompAction::Errno(refused))?;
        }
        Ok(filters)
    }

    fn add(&mut self, rules: Rules, otherwise: SeccompAction, found: SeccompAction) -> io::Result<()> {
        let filter = SeccompFilter::new(rules, otherwise, found, architecture()?).map_err(io::Error::other)?;
        self.programs.push(filter.try_into().map_err(|cause: Fault| io::Error::other(cause))?);
        Ok(())
    }

    /// Puts them on this process, for ever; gives what tells of forbidden calls. Where a listener cannot be had, because what surrounds the
    /// gateway has one itself, the kernel kills for them.
    pub(super) fn put_on(&self) -> io::Result<Option<OwnedFd>> {
        self.programs.iter().try_for_each(put_on)?;
        let Some(Hostile { tells, kills }) = &self.hostile else { return Ok(None) };
        match tells.as_ref().map(|program| sys::listen_to_calls(program)) {
            Some(Ok(listener)) => Ok(Some(listener)),
            Some(Err(cause)) if cause.raw_os_error() != Some(libc::EBUSY) => Err(cause),
            Some(Err(_)) | None => put_on(kills).map(|()| None),
        }
    }
}

fn put_on(program: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(program).map_err(io::Error::other)
}

pub(super) fn architecture() -> io::Result<TargetArch> {
    std::env::consts::ARCH.try_into().map_err(|cause: Fault| io::Error::other(cause))
}

fn condition(argument: u8, compare: Compare, value: u64) -> Result<SeccompCondition, Fault> {
    SeccompCondition::new(argument, Length::Dword, compare, value)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, Fault> {
    SeccompRule::new(conditions)
}

/// Without any of the bits of `mask`.
fn without(argument: u8, mask: u64) -> Result<SeccompCondition, Fault> {
    condition(argument, Compare::MaskedEq(mask), 0)
}

fn known() -> Result<Rules, Fault> {
    let mut rules: Rules = [COMMON, OLDER, &UNNAMED].into_iter().flatten().map(|call| (call.number, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![rule(vec![SeccompCondition::new(0, Length::Qword, Compare::MaskedEq(NAMESPACES), 0)?])?]);
    let typing = TYPING.into_iter().map(|call| condition(1, Compare::Ne, call)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, vec![rule(typing)?]);
    let mut sockets = Vec::new();
    for family in FAMILIES {
        sockets.push(rule(vec![condition(0, Compare::Eq, u64::try_from(family).unwrap_or(0))?])?);
    }
    let netlink = u64::try_from(libc::AF_NETLINK).unwrap_or(0);
    sockets.push(rule(vec![condition(0, Compare::Eq, netlink)?, condition(2, Compare::Eq, 0)?])?);
    rules.insert(libc::SYS_socket, sockets);
    for (call, mode) in MODES {
        rules.insert(call.number, vec![rule(vec![without(*mode, SET_ID)?])?]);
    }
    for (call, flags, mode) in OPENING {
        rules.insert(call.number, vec![rule(vec![without(*flags, CREATES)?])?, rule(vec![without(*mode, SET_ID)?])?]);
    }
    Ok(rules)
}

/// Both filters as one profile for a container runtime (OCI runtime specification, "Linux Container Configuration", seccomp): there is one filter, so
/// what only attacks need is killed by it and what is not known is answered as absent. `ioctl` is not looked into: no rule of such a profile can
/// refuse single requests of a call that it lets through, and a container has no terminal.
pub(crate) fn profile() -> Option<serde_json::Value> {
    use serde_json::json;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "SCMP_ARCH_X86_64",
        "aarch64" => "SCMP_ARCH_AARCH64",
        _ => return None,
    };
    let names = |calls: &[&[Call]]| calls.iter().copied().flatten().map(Call::plain).collect::<Vec<_>>();
    let equal = |at: u8, value: u64| json!({"index": at, "value": value, "op": "SCMP_CMP_EQ"});
    let none_of = |at: u8, mask: u64| json!({"index": at, "value": mask, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"});
    let allow = |name: &str, args: &[serde_json::Value]| json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": args});
    let number = |family: i32| u64::try_from(family).unwrap_or(u64::MAX);
    let mut known = names(&[COMMON, OLDER, &UNNAMED]);
    known.push("ioctl");
    let mut rules = vec![
        json!({"names": known, "action": "SCMP_ACT_ALLOW"}),
        json!({"names": forbidden::Call::all().map(forbidden::Call::name).collect::<Vec<_>>(), "action": "SCMP_ACT_KILL_PROCESS"}),
        allow("clone", &[none_of(0, NAMESPACES)]),
        allow("socket", &[equal(0, number(libc::AF_NETLINK)), equal(2, 0)]),
    ];
    rules.extend(FAMILIES.map(|family| allow("socket", &[equal(0, number(family))])));
    rules.extend(MODES.iter().map(|(call, mode)| allow(call.plain(), &[none_of(*mode, SET_ID)])));
    for (call, flags, mode) in OPENING {
        rules.extend([allow(call.plain(), &[none_of(*flags, CREATES)]), allow(call.plain(), &[none_of(*mode, SET_ID)])]);
    }
    let absent = libc::ENOSYS;
    Some(json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": absent, "architectures": [architecture], "syscalls": rules}))
}

/// Sockets that reach beyond this machine's own programs, or its kernel.
fn remote() -> Result<Rules, Fault> {
    let local = u64::try_from(libc::AF_UNIX).unwrap_or(1);
    Ok(BTreeMap::from([(libc::SYS_socket, vec![rule(vec![condition(0, Compare::Ne, local)?])?])]))
}

/// A system call by its name and its number.
#[derive(Clone, Copy)]
struct Call {
    name: &'static str,
    number: i64,
}

impl Call {
    /// Its name as manual pages have it.
    fn plain(&self) -> &'static str {
        self.name.strip_prefix("SYS_").unwrap_or(self.name)
    }
}

macro_rules! calls {
    ($($name:ident)*) => { [$(Call { name: stringify!($name), number: libc::$name }),*] };
}

#[cfg(target_arch = "x86_64")]
const CHMOD: [Call; 4] = calls![SYS_chmod SYS_fchmod SYS_fchmodat SYS_creat];
#[cfg(target_arch = "x86_64")]
const OPEN: [Call; 2] = calls![SYS_open SYS_openat];
#[cfg(not(target_arch = "x86_64"))]
const CHMOD: [Call; 2] = calls![SYS_fchmod SYS_fchmodat];
#[cfg(not(target_arch = "x86_64"))]
const OPEN: [Call; 1] = calls![SYS_openat];
/// Calls whose mode must not set an id, and the place of the mode.
#[cfg(target_arch = "x86_64")]
const MODES: &[(Call, u8)] = &[(CHMOD[0], 1), (CHMOD[1], 1), (CHMOD[2], 2), (FCHMODAT2, 2), (CHMOD[3], 1)];
/// Calls that may make a file, and the places of their flags and of the mode. `openat2`, whose mode no filter can see, is not known.
#[cfg(target_arch = "x86_64")]
const OPENING: &[(Call, u8, u8)] = &[(OPEN[0], 1, 2), (OPEN[1], 2, 3)];
#[cfg(not(target_arch = "x86_64"))]
const MODES: &[(Call, u8)] = &[(CHMOD[0], 1), (CHMOD[1], 2), (FCHMODAT2, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OPENING: &[(Call, u8, u8)] = &[(OPEN[0], 2, 3)];

/// Calls that this kernel's headers may not name.
const UNNAMED: [Call; 5] = [
    Call { name: "cachestat", number: 451 },
    Call { name: "map_shadow_stack", number: 453 },
    Call { name: "futex_wake", number: 454 },
    Call { name: "futex_wait", number: 455 },
    Call { name: "futex_requeue", number: 456 },
];
/// Calls that every architecture has.
const COMMON: &[Call] = &calls![
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_close
    SYS_close_range SYS_fstat SYS_newfstatat SYS_statx SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_getdents64 SYS_lseek SYS_mmap
    SYS_munmap SYS_mprotect SYS_mremap SYS_madvise SYS_msync SYS_mlock SYS_munlock SYS_mincore SYS_brk SYS_memfd_create SYS_membarrier
    SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_dup SYS_dup3 SYS_fcntl SYS_flock SYS_fsync SYS_fdatasync SYS_sync_file_range
    SYS_ftruncate SYS_truncate SYS_fallocate SYS_fadvise64 SYS_readahead SYS_copy_file_range SYS_sendfile SYS_splice SYS_tee SYS_vmsplice
    SYS_renameat SYS_renameat2 SYS_linkat SYS_symlinkat SYS_unlinkat SYS_mkdirat SYS_fchown SYS_fchownat SYS_utimensat SYS_umask SYS_chdir
    SYS_fchdir SYS_getcwd SYS_statfs SYS_fstatfs SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr
    SYS_setxattr SYS_fsetxattr SYS_lsetxattr SYS_removexattr SYS_fremovexattr SYS_lremovexattr SYS_inotify_init1 SYS_inotify_add_watch
    SYS_inotify_rm_watch SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2
    SYS_signalfd4 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_pipe2 SYS_connect SYS_accept SYS_accept4 SYS_bind
    SYS_listen SYS_getsockname SYS_getpeername SYS_socketpair SYS_setsockopt SYS_getsockopt SYS_sendto SYS_recvfrom SYS_sendmsg
    SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_shutdown SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill
    SYS_tkill SYS_tgkill SYS_pidfd_open SYS_pidfd_send_signal SYS_getpid SYS_getppid SYS_gettid SYS_getuid SYS_geteuid SYS_getgid
    SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_getpgid SYS_getsid SYS_setsid SYS_setpgid SYS_setuid SYS_setgid SYS_setreuid
    SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_setfsuid SYS_setfsgid SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn
    SYS_rt_sigpending SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_sigaltstack SYS_getitimer
    SYS_setitimer SYS_futex SYS_futex_waitv SYS_set_robust_list SYS_get_robust_list SYS_set_tid_address SYS_rseq SYS_prctl SYS_sched_yield
    SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getparam SYS_sched_getscheduler SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_setscheduler SYS_sched_setparam SYS_sched_getattr SYS_sched_rr_get_interval SYS_getpriority
    SYS_setpriority SYS_getcpu SYS_ioprio_get SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_gettimeofday SYS_times
    SYS_nanosleep SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_getrandom SYS_uname
    SYS_sysinfo SYS_getrlimit SYS_setrlimit SYS_prlimit64 SYS_getrusage SYS_capget SYS_restart_syscall SYS_shmget SYS_shmat SYS_shmctl
    SYS_shmdt SYS_semget SYS_semop SYS_semctl SYS_semtimedop SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify
    SYS_mq_getsetattr SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self SYS_seccomp SYS_mlock2
];
/// Calls that only the older numbers of one architecture have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Call] = &calls![
    SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents SYS_dup2 SYS_rename SYS_link SYS_symlink SYS_unlink SYS_mkdir SYS_rmdir
    SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_inotify_init SYS_poll SYS_select SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_signalfd SYS_pipe SYS_fork SYS_vfork SYS_getpgrp SYS_pause SYS_alarm SYS_arch_prctl SYS_time
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Call] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_known_and_hostile() {
        let known = known().unwrap();
        assert!(forbidden::Call::all().all(|call| !known.contains_key(&call.number())));
        for call in [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_openat2, libc::SYS_name_to_handle_at] {
            assert!(!known.contains_key(&call), "{call}");
        }
        let filters = Filters::of(Layers::FULL, Watched::No).unwrap();
        let hostile = filters.hostile.as_ref().unwrap();
        assert_eq!((filters.programs.len(), hostile.tells.is_some()), (1, true));
        // BPF_MAXINSNS
        assert!(filters.programs.iter().chain(&hostile.tells).chain([&hostile.kills]).all(|program| program.len() <= 4096));
        assert!(Filters::of(Layers::FULL, Watched::Calls).unwrap().hostile.unwrap().tells.is_none());
        let shared = Layers::FULL.without(Layer::Network);
        assert_eq!(Filters::of(shared, Watched::No).unwrap().programs.len(), 2);
        let none = Filters::of(Layers::NONE, Watched::No).unwrap();
        assert!(none.programs.is_empty() && none.hostile.is_none());
    }
}
