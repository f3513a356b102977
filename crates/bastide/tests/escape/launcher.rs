//! The launcher that stands beside a server: its channel, its memory and its life; and programs that nobody approved.

use crate::attempt::Effect::{Changed, Done, Told};
use crate::attempt::{Class, c, hostile, node, py};
use sandbox::Layer::{self, Account, Calls, Descriptors, Files, Hostile, Landlock, Network, Objects, Privileges, Proc, Processes, User};

const FOLDERS: &[Layer] = &[Files, Landlock];
/// What keeps processes apart.
const APART: &[Layer] = &[Account, Processes, Landlock, Files, Proc];
/// Beside that, what keeps one that has no rights from those that have some.
const SEEN: &[Layer] = &[Account, User, Processes, Landlock, Files, Proc, Network, Objects, Privileges];
const TRACED: &[Layer] = &[Account, User, Processes, Landlock, Files, Proc, Hostile, Calls, Network, Objects, Privileges];

pub(crate) const LAUNCHER: Class = Class {
    name: "the launcher",
    attempts: &[
        // The launcher's is a socket of packets, which no other one is.
        py("finds a channel of the launcher", Done, &[Descriptors], "for fd in range(3, 200):\n    try: one = socket.socket(fileno=os.dup(fd))\n    except OSError: continue\n    if one.type == socket.SOCK_SEQPACKET: done(True)"),
        c("says on the launcher's channel that it broke a limit", Done, &[Descriptors], "for (int fd = 3; fd < 200; fd++) if (is_channel(fd) && send(fd, \"memory\", 6, MSG_NOSIGNAL | MSG_DONTWAIT) == 6) done(1);"),
        c("hears what the launcher is told", Done, &[Descriptors], "char text[8]; for (int fd = 3; fd < 200; fd++) if (is_channel(fd) && (recv(fd, text, 8, MSG_DONTWAIT) >= 0 || errno == EAGAIN)) done(1);"),
        py("reads how the launcher was started", Done, APART, "done('__sandbox' in open(f'/proc/{os.getppid()}/cmdline').read())"),
        py("reads the environment of the launcher", Done, SEEN, "open(f'/proc/{os.getppid()}/environ').read(); done(True)").where_possible(),
        node("lists what the launcher has open", Done, SEEN, "done(fs.readdirSync(`/proc/${process.ppid}/fd`).length)").where_possible(),
        c("opens what the launcher has open", Done, SEEN, r#"char at[64], to[512]; for (int fd = 3; fd < 40; fd++) { snprintf(at, 64, "/proc/%d/fd/%d", getppid(), fd); if (readlink(at, to, 512) > 0) { done(1); return; } } say(strerror(errno));"#).where_possible(),
        c("opens the memory of the launcher", Done, SEEN, r#"char at[64]; snprintf(at, 64, "/proc/%d/mem", getppid()); done(open(at, O_RDWR) >= 0);"#).where_possible(),
        node("looks at what the launcher has mapped", Done, SEEN, "done(fs.readFileSync(`/proc/${process.ppid}/maps`, 'utf8').length)").where_possible(),
        py("stops the launcher", Done, APART, "up = os.getppid(); os.kill(up, signal.SIGSTOP); time.sleep(0.1)\nwith open(f'/proc/{up}/stat') as f: is_stopped = f.read().rsplit(')', 1)[1].split()[0] == 'T'\nos.kill(up, signal.SIGCONT); done(is_stopped)"),
        c("traces the launcher", Done, TRACED, "done(ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0);").killed("ptrace").where_possible(),
        c("takes a descriptor of the launcher", Done, TRACED, "int up = syscall(SYS_pidfd_open, getppid(), 0); for (int fd = 3; fd < 40; fd++) if (syscall(SYS_pidfd_getfd, up, fd, 0) >= 0) { done(1); return; } say(strerror(errno));").killed("pidfd_getfd").where_possible(),
        hostile("reads the launcher's memory by call", "process_vm_readv", "reached(syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0));"),
        c("would be asked in the launcher's place", Done, &[Hostile], "unsigned short rows[] = {6, 0, 0, 0x7fff}; struct { unsigned short length; void *rows; } program = {1, rows}; errno = 0; prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); done(syscall(SYS_seccomp, 1, 8, &program) >= 0);"),
        c(
            "ends who looks at its calls, and makes one",
            Done,
            &[Hostile, Calls],
            "for (int id = 1; id < 32; id++) if (id != getpid()) kill(id, SIGKILL), syscall(SYS_tgkill, 1, id, SIGSTOP); done(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);",
        )
        .killed("ptrace"),
    ],
};

/// A copy of a program in memory, run with arguments; what it says is said.
pub(crate) const FOREIGN: Class = Class {
    name: "programs that nobody approved",
    attempts: &[
        c("runs a program from memory", Told, FOLDERS, r#"char *words[] = {"cat", OTHER "/secret", 0}; from_memory("/bin/cat", words);"#),
        c("runs a program from memory by a copied number", Told, FOLDERS, r#"char *words[] = {"head", "-c", "64", OTHER "/secret", 0}; from_memory("/usr/bin/head", words);"#),
        py("runs a program from memory that looks at others", Told, SEEN, "from_memory('/bin/cat', ['cat', f'/proc/{VICTIM}/environ'])"),
        py("runs a program from memory that changes others", Changed, APART, "from_memory('/bin/sh', ['sh', '-c', f'kill -STOP {VICTIM}'])"),
        py("has a program from memory make a forbidden call", Done, &[Hostile, Calls], "from_memory('/usr/bin/python3', ['python3', '-c', 'import ctypes; print(\"DONE\" if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0 else \"no\")'])").killed("ptrace"),
        node("runs a program that it wrote", Told, FOLDERS, "fs.copyFileSync('/bin/cat', GIVEN + '/own'); fs.chmodSync(GIVEN + '/own', 0o755); try { say(child.execFileSync(GIVEN + '/own', [OTHER + '/secret'])) } finally { fs.unlinkSync(GIVEN + '/own') }"),
        node("runs a program that it wrote into its scratch", Told, FOLDERS, "const own = '/tmp/own-' + MARK; fs.copyFileSync('/bin/cat', own); fs.chmodSync(own, 0o755); try { say(child.execFileSync(own, [OTHER + '/secret'])) } finally { fs.unlinkSync(own) }"),
    ],
};
