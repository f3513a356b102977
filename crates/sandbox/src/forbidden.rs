//! System calls that only attacks need: which they are, and what each is after.

use std::fmt;

/// What a call is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aim {
    /// The host behind the sandbox: its mounts, namespaces and files.
    Host,
    /// The memory, descriptors and steps of other processes.
    Others,
    /// The kernel's weak places: its programs, counters and faults of pages.
    Kernel,
    /// What the kernel is made of: modules, and another kernel.
    Modules,
    /// Keys that the kernel holds.
    Keys,
    /// The machine as a whole: clocks, swap, ports of devices, what it says, and that it runs.
    Machine,
}

/// A system call that only attacks need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    name: &'static str,
    aim: Aim,
    #[cfg(target_os = "linux")]
    number: i64,
}

impl Call {
    /// Its name in the kernel's manual, section 2.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What it is after.
    pub const fn aim(self) -> Aim {
        self.aim
    }
}

#[cfg(target_os = "linux")]
impl Call {
    pub(crate) const fn number(self) -> i64 {
        self.number
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        CALLS.iter().chain(PORTS).copied().find(|call| call.name == name)
    }

    pub(crate) fn numbered(number: i64) -> Option<Self> {
        CALLS.iter().chain(PORTS).copied().find(|call| call.number == number)
    }

    /// Every one that this architecture has.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        CALLS.iter().chain(PORTS).copied()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

#[cfg(target_os = "linux")]
macro_rules! calls {
    ($($aim:ident: $($name:ident $number:ident)*;)*) => {
        [$($(Call { name: stringify!($name), aim: Aim::$aim, number: libc::$number }),*),*]
    };
}

#[cfg(target_os = "linux")]
const CALLS: &[Call] = &calls! {
    Host: mount SYS_mount umount2 SYS_umount2 open_tree SYS_open_tree move_mount SYS_move_mount fsopen SYS_fsopen fsconfig SYS_fsconfig
        fsmount SYS_fsmount fspick SYS_fspick mount_setattr SYS_mount_setattr pivot_root SYS_pivot_root chroot SYS_chroot setns SYS_setns
        unshare SYS_unshare open_by_handle_at SYS_open_by_handle_at quotactl SYS_quotactl nfsservctl SYS_nfsservctl;
    Others: ptrace SYS_ptrace process_vm_readv SYS_process_vm_readv process_vm_writev SYS_process_vm_writev pidfd_getfd SYS_pidfd_getfd;
    Kernel: bpf SYS_bpf perf_event_open SYS_perf_event_open userfaultfd SYS_userfaultfd;
    Modules: kexec_load SYS_kexec_load kexec_file_load SYS_kexec_file_load init_module SYS_init_module finit_module SYS_finit_module
        delete_module SYS_delete_module;
    Keys: keyctl SYS_keyctl add_key SYS_add_key request_key SYS_request_key;
    Machine: reboot SYS_reboot swapon SYS_swapon swapoff SYS_swapoff clock_settime SYS_clock_settime clock_adjtime SYS_clock_adjtime
        settimeofday SYS_settimeofday adjtimex SYS_adjtimex acct SYS_acct syslog SYS_syslog vhangup SYS_vhangup;
};
/// Direct access to devices' ports, where an architecture has them.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PORTS: &[Call] = &calls! { Machine: iopl SYS_iopl ioperm SYS_ioperm; };
#[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
const PORTS: &[Call] = &[];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_its_name_and_by_its_number() {
        assert!(Call::all().all(|call| Call::named(call.name()) == Some(call) && Call::numbered(call.number()) == Some(call)));
        for odd in ["", "-", "ptrace 1", "\u{1b}[2J"] {
            assert_eq!(Call::named(odd), None, "{odd}");
        }
    }
}
