//! The kernel's own: spaces and mounts, its programs and rings, keys, clocks, devices, and rights.

use crate::attempt::Effect::{Done, Heard, Told};
use crate::attempt::Language::{Node, Python, Static};
use crate::attempt::{Class, c, hostile, left_open, node, py, unknown};
use sandbox::Layer::{self, Account, Calls, Files, Hostile, Landlock, Network, Objects, Privileges, Proc, Processes, User};

/// Only root has rights to lose.
const ENTITLED: &[Layer] = &[Privileges, Account, User, Processes, Network, Objects, Proc];
const MOUNTED: &[Layer] = &[Hostile, Calls, Privileges, Landlock, Account, User, Processes, Network, Objects, Proc];
const EVERYTHING: &[Layer] = &[Account, User, Processes, Network, Objects, Files, Proc, Privileges, Landlock, Hostile, Calls];
const DEVICES: &[Layer] = &[Files, Landlock, Account];

pub(crate) const SPACES: Class = Class {
    name: "namespaces and mounts",
    attempts: &[
        hostile("leaves for a space of users", "unshare", "done(unshare(CLONE_NEWUSER) == 0);"),
        c("leaves for a space of mounts", Done, MOUNTED, "done(unshare(CLONE_NEWNS) == 0);").killed("unshare").where_possible(),
        c("leaves for a network", Done, MOUNTED, "done(unshare(CLONE_NEWNET) == 0);").killed("unshare").where_possible(),
        c("enters a space", Done, MOUNTED, r#"done(setns(open("/proc/self/ns/uts", O_RDONLY), 0) == 0);"#).killed("setns").where_possible(),
        c("mounts a file system", Done, MOUNTED, r#"done(mount("x", "/tmp", "tmpfs", 0, 0) == 0);"#).killed("mount").where_possible(),
        c("binds one place to another", Done, MOUNTED, r#"done(mount("/usr", "/tmp", 0, MS_BIND, 0) == 0);"#)
            .killed("mount")
            .where_possible(),
        c("makes the root writable", Done, MOUNTED, r#"reached(mount("/", "/", 0, MS_REMOUNT | MS_BIND, 0));"#)
            .killed("mount")
            .where_possible(),
        c("takes a mount away", Done, MOUNTED, r#"done(umount2("/dev/shm", MNT_DETACH) == 0);"#).killed("umount2").where_possible(),
        c("changes the root", Done, MOUNTED, r#"done(chroot("/tmp") == 0);"#).killed("chroot").where_possible(),
        hostile("turns the root", "pivot_root", r#"reached(syscall(SYS_pivot_root, "/tmp", "/tmp"));"#),
        hostile("takes a tree of mounts", "open_tree", r#"done(syscall(SYS_open_tree, AT_FDCWD, "/tmp", 0) >= 0);"#),
        hostile("moves a mount", "move_mount", r#"reached(syscall(SYS_move_mount, -1, "", -1, "", 0));"#),
        c("begins a file system", Done, MOUNTED, r#"done(syscall(SYS_fsopen, "tmpfs", 0) >= 0);"#).killed("fsopen").where_possible(),
        hostile("changes what a mount allows", "mount_setattr", r#"reached(syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, 0, 0));"#),
        hostile("opens by a handle", "open_by_handle_at", "reached(syscall(SYS_open_by_handle_at, -1, 0, 0));"),
        unknown("asks for a handle", r#"reached(syscall(SYS_name_to_handle_at, AT_FDCWD, "/", 0, 0, 0));"#),
        c(
            "forks into a space of users",
            Done,
            &[Calls],
            "long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); if (!pid) _exit(0); done(pid > 0);",
        ),
        unknown("forks in the newer way", "reached(syscall(SYS_clone3, 0, 0));"),
    ],
};

pub(crate) const KERNEL: Class = Class {
    name: "the kernel's programs and rings",
    attempts: &[
        hostile("loads a program into the kernel", "bpf", "reached(syscall(SYS_bpf, 99, 0, 0));"),
        hostile("counts events", "perf_event_open", "reached(syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));"),
        hostile("handles faults of pages", "userfaultfd", "reached(syscall(SYS_userfaultfd, 0xffff));"),
        c("handles faults of pages by a device", Done, DEVICES, r#"done(open("/dev/userfaultfd", O_RDWR) >= 0);"#).where_possible(),
        hostile("loads a module", "init_module", "reached(syscall(SYS_init_module, 0, 0, 0));").where_possible(),
        hostile("loads a module from a file", "finit_module", "reached(syscall(SYS_finit_module, -1, 0, 0));").where_possible(),
        hostile("removes a module", "delete_module", "reached(syscall(SYS_delete_module, 0, 0));").where_possible(),
        hostile("loads another kernel", "kexec_load", "reached(syscall(SYS_kexec_load, 0, 0, 0, 0xffff));").where_possible(),
        hostile("traces itself", "ptrace", "done(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);"),
        py(
            "has a child do it",
            Done,
            &[Hostile, Calls],
            "pid = os.fork()\nif pid == 0: libc.ptrace(0, 0, 0, 0); os._exit(0)\ndone(os.waitpid(pid, 0)[1] == 0)",
        )
        .killed("ptrace"),
        hostile("writes into a memory by call", "process_vm_writev", "reached(syscall(SYS_process_vm_writev, getpid(), 0, 0, 0, 0, 0));"),
        unknown("makes a ring", "char of[256] = {0}; done(syscall(SYS_io_uring_setup, 4, of) >= 0);"),
        unknown("enters a ring", "reached(syscall(SYS_io_uring_enter, -1, 0, 0, 0, 0, 0));"),
        unknown("gives a ring descriptors", "reached(syscall(SYS_io_uring_register, -1, 0, 0, 0));"),
        unknown("opens where no filter sees how", r#"reached(syscall(SYS_openat2, AT_FDCWD, "/", 0, 0));"#),
        unknown("watches file systems", "reached(syscall(SYS_fanotify_init, 0, 0));"),
        unknown("makes memory predictable", "done(syscall(SYS_personality, 0x0040000) >= 0);"),
        unknown("hides memory from the kernel", "reached(syscall(SYS_memfd_secret, 0xffff));"),
        unknown("moves pages", "reached(syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));"),
        unknown("advises another's memory", "reached(syscall(SYS_process_madvise, -1, 0, 0, 0, 0));"),
    ],
};

pub(crate) const MACHINE: Class = Class {
    name: "keys, clocks and the machine",
    attempts: &[
        hostile("joins a ring of keys", "keyctl", "done(syscall(SYS_keyctl, 1, 0) >= 0);").where_possible(),
        hostile("adds a key", "add_key", r#"done(syscall(SYS_add_key, "user", "x", "y", 1, -3) >= 0);"#).where_possible(),
        hostile("asks for a key", "request_key", "reached(syscall(SYS_request_key, 0, 0, 0, 0));").where_possible(),
        hostile("sets the clock", "clock_settime", "reached(syscall(SYS_clock_settime, 99, 0));"),
        hostile("sets the time of day", "settimeofday", "reached(syscall(SYS_settimeofday, 1, 0));"),
        hostile("turns the clock's speed", "adjtimex", "reached(syscall(SYS_adjtimex, 0));"),
        hostile("turns another clock's speed", "clock_adjtime", "reached(syscall(SYS_clock_adjtime, 99, 0));"),
        hostile("starts the machine anew", "reboot", "reached(syscall(SYS_reboot, 0, 0, 0, 0));"),
        hostile("adds swap", "swapon", r#"reached(syscall(SYS_swapon, "/nowhere", 0));"#),
        hostile("takes swap", "swapoff", r#"reached(syscall(SYS_swapoff, "/nowhere"));"#),
        hostile("counts processes into a file", "acct", r#"reached(syscall(SYS_acct, "/nowhere"));"#).where_possible(),
        hostile("reads what the kernel said", "syslog", "reached(syscall(SYS_syslog, 99, 0, 0));"),
        hostile("sets a quota", "quotactl", r#"reached(syscall(SYS_quotactl, 0, "/nowhere", 0, 0));"#).where_possible(),
        hostile("hangs the terminal up", "vhangup", "reached(syscall(SYS_vhangup));"),
        unknown("gives the host another name", r#"reached(sethostname("x", -1));"#),
        c("types into a terminal", Done, &[Calls], r#"done(ioctl(0, TIOCSTI, "x") < 0 && errno != ENOSYS);"#),
        c("types into a console", Done, &[Calls], "done(ioctl(0, 0x541c, \"\\3\") < 0 && errno != ENOSYS);"),
    ],
};

pub(crate) const RIGHTS: Class = Class {
    name: "rights",
    attempts: &[
        py("gives its file its owner's rights", Done, &[Calls], "open(GIVEN + '/set', 'w').close(); os.chmod(GIVEN + '/set', 0o4755); done(os.stat(GIVEN + '/set').st_mode & 0o4000)"),
        node("gives its file its group's rights", Done, &[Calls], "fs.writeFileSync(GIVEN + '/set2', ''); fs.chmodSync(GIVEN + '/set2', 0o6755); done(fs.statSync(GIVEN + '/set2').mode & 0o6000)"),
        c("makes a file with rights", Done, &[Calls], r#"struct stat is; int fd = open(GIVEN "/made", O_CREAT | O_WRONLY, 06755); done(fd >= 0 && !fstat(fd, &is) && is.st_mode & 06000); unlink(GIVEN "/made");"#),
        c("makes a file with rights in the old way", Done, &[Calls], r#"struct stat is; int fd = syscall(SYS_creat, GIVEN "/made2", 06755); done(fd >= 0 && !fstat(fd, &is) && is.st_mode & 06000); unlink(GIVEN "/made2");"#),
        c("makes a file without a name with rights", Done, &[Calls], r#"struct stat is; int fd = open(GIVEN, O_TMPFILE | O_WRONLY, 04755); done(fd >= 0 && !fstat(fd, &is) && is.st_mode & 04000);"#).where_possible(),
        c("changes rights in the newest way", Done, &[Calls], r#"struct stat is; close(open(GIVEN "/made3", O_CREAT | O_WRONLY, 0700)); syscall(452, AT_FDCWD, GIVEN "/made3", 04755, 0); done(!stat(GIVEN "/made3", &is) && is.st_mode & 04000); unlink(GIVEN "/made3");"#).where_possible(),
        py("could have its rights back", Done, &[Privileges], "done(int([l for l in open('/proc/self/status') if l.startswith('CapBnd')][0].split()[1], 16))"),
        c("has rights in its own space", Done, ENTITLED, "struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0}; struct __user_cap_data_struct data[2] = {{0}}; syscall(SYS_capget, &head, data); done(data[0].effective);").where_possible(),
        c("gains rights by executing", Done, &[Privileges, Hostile, Calls, Landlock], "done(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);").where_possible(),
        c("keeps rights over a change of users", Done, &[Privileges], "done(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);"),
        c("hands rights on", Done, ENTITLED, "done(prctl(PR_CAPBSET_DROP, 1, 0, 0, 0) == 0);").where_possible(),
        py("becomes root", Done, EVERYTHING, "os.setuid(0); done(os.getuid() == 0)").where_possible(),
        node("opens a terminal", Done, DEVICES, "fs.closeSync(fs.openSync('/dev/ptmx', 'r+')); done(true)"),
        py("sees the devices of the host", Done, DEVICES, "done(any(os.path.exists('/dev/' + name) for name in ('kmsg', 'tty', 'console')))"),
        py("makes a device", Done, EVERYTHING, "os.mknod(GIVEN + '/null', 0o666 | 0o020000, os.makedev(1, 3)); os.remove(GIVEN + '/null'); done(True)").where_possible(),
        node("sees the machine's parts", Done, DEVICES, "done(fs.readdirSync('/sys').includes('kernel'))"),
        c("writes into a control group", Done, EVERYTHING, r#"char at[96]; int made = 0; const char *roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"};
        for (int i = 0; i < 3; i++) { snprintf(at, 96, "%s/escape-%s", roots[i], MARK); if (!mkdir(at, 0755)) made = 1, rmdir(at); } done(made);"#).where_possible(),
    ],
};

/// What the gateway was started with.
pub(crate) const INHERITED: Class = Class {
    name: "inherited descriptors",
    attempts: &[
        left_open(Python, "reads what was left open", Told, "say(os.pread(OPEN_FILE, 100, 0).decode())"),
        left_open(Node, "reads what was left open through /proc", Told, "read('/proc/self/fd/' + OPEN_FILE)"),
        left_open(
            Static,
            "has what was left open sent",
            Told,
            "int two[2]; pipe(two); off_t at = 0; if (sendfile(two[1], OPEN_FILE, &at, 64) < 0) say(strerror(errno)); close(two[1]); tell(two[0]);",
        ),
        left_open(Static, "opens below a folder that was left open", Told, r#"tell(openat(OPEN_FOLDER, "secret", O_RDONLY));"#),
        left_open(Python, "goes to a folder that was left open", Told, "os.fchdir(OPEN_FOLDER); read('secret')"),
        left_open(Static, "writes to a socket that was left open", Heard, "put(dup(OPEN_SOCKET));"),
        left_open(Node, "writes to a socket through its number", Heard, "fs.writeSync(OPEN_SOCKET, TAG)"),
        left_open(
            Static,
            "maps what was left open",
            Told,
            "char *at = mmap(0, 64, PROT_READ, MAP_PRIVATE, OPEN_FILE, 0); if (at != MAP_FAILED) say(at);",
        ),
    ],
};
