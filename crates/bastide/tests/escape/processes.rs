//! Processes of others: what `/proc` tells of them, signals, and control over them.

use crate::attempt::Effect::{Changed, Done, Told};
use crate::attempt::{Class, c, node, py};
use sandbox::Layer::{self, Account, Calls, Files, Hostile, Landlock, Network, Objects, Privileges, Proc, Processes, User};

/// What keeps processes apart, in one list: any of them is enough for most of it.
const APART: &[Layer] = &[Account, Processes, Landlock, Files, Proc];
const TRACED: &[Layer] = &[Account, User, Processes, Landlock, Files, Proc, Hostile, Calls, Network, Objects, Privileges];
/// Beside what keeps processes apart, what keeps one that has no rights from those that have some.
const LESS: &[Layer] = &[Account, User, Processes, Network, Objects, Landlock, Files, Proc, Privileges];
const SEEN: &[Layer] = &[Account, User, Processes, Landlock, Files, Proc, Network, Objects, Privileges];
const CALLED: &[Layer] = &[Account, User, Processes, Landlock, Files, Proc, Network, Objects, Calls, Privileges];

pub(crate) const PROC: Class = Class {
    name: "/proc",
    attempts: &[
        py("reads how others were started", Told, APART, "say(open(f'/proc/{VICTIM}/cmdline').read())"),
        py("reads the environment of others", Told, SEEN, "say(open(f'/proc/{VICTIM}/environ').read())"),
        node("reads through the root of others", Told, SEEN, "read(`/proc/${VICTIM}/root${OTHER}/secret`)"),
        node("reads in the working directory of others", Told, SEEN, "read(`/proc/${VICTIM}/cwd/secret`)"),
        node("opens a descriptor of others", Told, SEEN, "read(`/proc/${VICTIM}/fd/0`)"),
        py(
            "reads the memory of others",
            Told,
            SEEN,
            "at = int(open(f'/proc/{VICTIM}/stat').read().rsplit(')', 1)[1].split()[47]); m = open(f'/proc/{VICTIM}/mem', 'rb', 0); m.seek(at); say(m.read(300).decode('latin-1'))",
        )
        .where_possible(),
        py("finds processes of others", Done, APART, "done(str(VICTIM) in os.listdir('/proc'))"),
        c("looks at the spaces of others", Done, SEEN, r#"char at[64], to[64]; snprintf(at, 64, "/proc/%d/ns/net", victim); done(readlink(at, to, 64) > 0);"#),
        node("looks at what others have mapped", Done, SEEN, "done(fs.readFileSync(`/proc/${VICTIM}/maps`, 'utf8').includes('sleep'))"),
        py("gives others to the memory killer", Changed, SEEN, "open(f'/proc/{VICTIM}/oom_score_adj', 'w').write('500')"),
        c("sees what others opened", Done, SEEN, r#"char at[64], to[512] = {0}; snprintf(at, 64, "/proc/%d/fd/0", victim); readlink(at, to, 511); done(strstr(to, "secret") != 0);"#),
        node("sees the local sockets of the host", Told, SEEN, "say(fs.readFileSync('/proc/net/unix', 'utf8').split('\\n').filter(line => line.includes('listens-')).join(' '))"),
        py("sees the ports of the host", Done, SEEN, "done(f':{TCP:04X} ' in open('/proc/net/tcp').read())"),
        c("opens the settings of the kernel", Done, SEEN, r#"done(open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0);"#).where_possible(),
        node("opens the keys of the console", Done, SEEN, "fs.closeSync(fs.openSync('/proc/sysrq-trigger', 'w')); done(true)").where_possible(),
        c("opens the memory of the kernel", Done, SEEN, r#"done(open("/proc/kcore", O_RDONLY) >= 0);"#).where_possible(),
        py("sees what the host has mounted", Done, SEEN, "done(' / ' in open('/proc/1/mounts').read())"),
    ],
};

pub(crate) const CONTROL: Class = Class {
    name: "processes of others",
    attempts: &[
        py("stops another", Changed, APART, "os.kill(VICTIM, signal.SIGSTOP)"),
        node("ends another", Changed, APART, "process.kill(VICTIM, 'SIGKILL')"),
        c("stops a thread of another", Changed, APART, "done(syscall(SYS_tgkill, victim, victim, SIGSTOP) == 0);"),
        c("stops a group of others", Changed, APART, "done(kill(-victim, SIGSTOP) == 0);"),
        c("queues a signal to another", Changed, APART, "done(sigqueue(victim, SIGKILL, (union sigval){0}) == 0);"),
        c("queues a signal to another's thread", Changed, APART, "siginfo_t what = {.si_signo = SIGSTOP, .si_code = SI_QUEUE}; done(syscall(SYS_rt_tgsigqueueinfo, victim, victim, SIGSTOP, &what) == 0);"),
        c("signals by descriptor", Changed, APART, "int fd = syscall(SYS_pidfd_open, victim, 0); done(syscall(SYS_pidfd_send_signal, fd, SIGSTOP, 0, 0) == 0);"),
        c(
            "has the kernel signal another",
            Changed,
            APART,
            "int two[2]; pipe(two); fcntl(two[0], F_SETOWN, victim); fcntl(two[0], F_SETSIG, SIGSTOP); fcntl(two[0], F_SETFL, O_ASYNC | O_NONBLOCK); write(two[1], \"x\", 1); usleep(100000); close(two[0]); close(two[1]);",
        ),
        c("limits another", Changed, LESS, "struct rlimit few = {100, 100}; done(prlimit(victim, RLIMIT_NOFILE, &few, 0) == 0);").where_possible(),
        c("makes another slow", Changed, LESS, "done(setpriority(PRIO_PROCESS, victim, 15) == 0);"),
        node("makes another slower yet", Changed, LESS, "os.setPriority(VICTIM, 18)"),
        c("makes another idle", Changed, LESS, "struct sched_param none = {0}; done(sched_setscheduler(victim, SCHED_IDLE, &none) == 0);"),
        py("moves another to one processor", Changed, LESS, "os.sched_setaffinity(VICTIM, [min(os.sched_getaffinity(0))])").where_possible(),
        c("asks where another waits", Done, LESS, "void *head; size_t size; done(syscall(SYS_get_robust_list, victim, &head, &size) == 0);"),
        c("asks for another by descriptor", Done, &[Processes, Proc], "done(syscall(SYS_pidfd_open, victim, 0) >= 0);"),
        c("traces another", Done, TRACED, "done(ptrace(PTRACE_SEIZE, victim, 0, 0) == 0);").killed("ptrace").where_possible(),
        c(
            "reads another's memory by call",
            Told,
            TRACED,
            r#"char at[64], text[2048] = {0}, got[300] = {0}; snprintf(at, 64, "/proc/%d/stat", victim); read(open(at, O_RDONLY), text, 2047);
            char *word = strrchr(text, ')'); unsigned long from = 0; int field = 0;
            for (word = word ? strtok(word + 1, " ") : 0; word; word = strtok(0, " ")) if (++field == 48) from = strtoul(word, 0, 10);
            struct iovec here = {got, 200}, there = {(void *)from, 200}; process_vm_readv(victim, &here, 1, &there, 1, 0);
            for (int i = 0; i < 200; i++) if (!got[i]) got[i] = ' ';
            say(got);"#,
        )
        .killed("process_vm_readv")
        .where_possible(),
        c("takes a descriptor of another", Told, TRACED, "int fd = syscall(SYS_pidfd_open, victim, 0); tell(syscall(SYS_pidfd_getfd, fd, 0, 0));").killed("pidfd_getfd").where_possible(),
        c("compares itself with another", Done, CALLED, "done(syscall(SYS_kcmp, victim, victim, 0, 0, 0) == 0);").where_possible(),
    ],
};
