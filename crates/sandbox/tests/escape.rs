//! Hostile programs. Each fails under every layer, and has its effect when the layers that stop it are left out: so each layer is real, and
//! where two stop the same thing, each of them does alone. This program is its own helper.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test; with a main of its own it is not seen as one")]

use sandbox::{Access, Breach, Ended, Folder, Layer, Layers, Limits, Network, Running, Spec, Watched, launch, program_lookup};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use tokio::io::AsyncReadExt as _;

/// What a hostile program prints when it had its effect.
const DONE: &str = "DONE";
const CALL: &str = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    result = libc.syscall(*words)
    return 0 if result >= 0 else ctypes.get_errno()
";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(sandbox::ARGUMENT) {
        sandbox::enter();
    }
    let own = rustix::process::geteuid();
    println!("as user {own}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        macro_rules! run {
            ($($test:ident),* $(,)?) => {$(
                $test().await;
                println!("test {} ... ok", stringify!($test));
            )*};
        }
        run!(
            attacks_fail_and_have_their_effect_without_what_stops_them,
            each_of_two_layers_holds_alone,
            calls_that_only_attacks_need_kill,
            the_whole_family_is_gone_after_a_breach,
            what_a_server_left_to_itself_is_the_server_too,
            a_child_is_seen_whoever_waits_for_it,
            a_call_that_is_taken_back_is_seen,
            a_watched_server_is_killed_for_it,
            memory_of_all_processes_counts,
            a_control_group_bounds_processors_and_goes_with_its_server,
            given_folders_are_what_they_were_given_as,
            folders_of_others_and_of_the_gateway_are_not_given,
            doors_are_the_only_way_out,
            two_servers_do_not_meet,
            a_machine_without_namespaces_is_held_by_the_rest,
            accounts_are_apart,
        );
    });
    if own.is_root() {
        use std::os::unix::process::CommandExt as _;
        let ended = std::process::Command::new("/proc/self/exe").uid(65534).gid(65534).env("HOME", "/nonexistent").status().unwrap();
        assert!(ended.success(), "as user 65534: {ended}");
    }
}

/// What attacks are aimed at: everything of it is outside of every sandbox.
struct Targets {
    folder: tempfile::TempDir,
    victim: Child,
    tcp: std::net::TcpListener,
    udp: std::net::UdpSocket,
    _local: std::os::unix::net::UnixListener,
}

impl Targets {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        open(folder.path(), 0o755);
        for name in ["given", "other"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            open(&folder.path().join(name), 0o777);
        }
        std::fs::write(folder.path().join("other/secret"), DONE).unwrap();
        open(&folder.path().join("other/secret"), 0o666);
        std::os::unix::fs::symlink(folder.path().join("other/secret"), folder.path().join("given/link")).unwrap();
        let victim = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let name = format!("bastide-escape-{}", std::process::id());
        let address = <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).unwrap();
        let local = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
        Self { folder, victim, tcp, udp, _local: local }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `code` with the places of the targets put in, in Python, with a folder of its own.
    fn attack(&self, code: &str, layers: Layers) -> Spec {
        let shm = 0x0ba5_0000 | (std::process::id() & 0xffff);
        let code = code
            .replace("{GIVEN}", &self.path("given"))
            .replace("{OTHER}", &self.path("other"))
            .replace("{VICTIM}", &self.victim.id().to_string())
            .replace("{TCP}", &self.tcp.local_addr().unwrap().port().to_string())
            .replace("{UDP}", &self.udp.local_addr().unwrap().port().to_string())
            .replace("{ABSTRACT}", &format!("bastide-escape-{}", std::process::id()))
            .replace("{HOST}", &rustix::system::uname().nodename().to_string_lossy())
            .replace("{SHM}", &shm.to_string());
        let mut spec = Spec::new(program_lookup("python3").unwrap());
        spec.args = vec!["-c".into(), format!("{CALL}{code}")];
        spec.folders = vec![Folder { path: self.path("given").into(), access: Access::Write }];
        spec.layers = layers;
        spec
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

async fn output(spec: &Spec) -> (String, Ended) {
    let running = match launch(spec).await {
        Ok(running) => running,
        Err(cause) => return (format!("not started: {cause}"), Ended { code: -1, breach: None }),
    };
    let Running { stdin, mut stdout, mut stderr, mut process, doors, .. } = running;
    drop((stdin, doors));
    let (mut text, mut fault) = (String::new(), String::new());
    let (_, _) = tokio::join!(stdout.read_to_string(&mut text), stderr.read_to_string(&mut fault));
    let ended = process.wait().await.unwrap();
    (text + &fault, ended)
}

fn less(layers: &[Layer]) -> Layers {
    layers.iter().fold(Layers::FULL, |rest, layer| rest.without(*layer))
}

/// A hostile program: what it is, its code, and the layers that stop it.
type Attack = (&'static str, &'static str, &'static [Layer]);

const NETWORK: &[Layer] = &[Layer::Network, Layer::Sockets];
const FOLDERS: &[Layer] = &[Layer::Files, Layer::Landlock];
const PROCESSES: &[Layer] = &[Layer::Account, Layer::Processes, Layer::Landlock, Layer::Files];
const FILTERS: &[Layer] = &[Layer::Hostile, Layer::Calls];

const ATTACKS: &[Attack] = &[
    ("reads a file of others", "print(open('{OTHER}/secret').read())", FOLDERS),
    ("writes into a folder of others", "open('{OTHER}/new', 'w').write('x'); print('DONE')", FOLDERS),
    ("changes a file of others", "open('{OTHER}/secret', 'a').close(); print('DONE')", FOLDERS),
    ("lists what there is", "print('DONE' if 'secret' in os.listdir('{OTHER}') else '')", FOLDERS),
    ("follows a link out of its folder", "print(open('{GIVEN}/link').read())", FOLDERS),
    (
        "makes a link out of its folder",
        "os.symlink('{OTHER}', '{GIVEN}/s'); p = os.path.join('{GIVEN}', 's', 'secret')\ntry: print(open(p).read())\nfinally: os.remove('{GIVEN}/s')",
        FOLDERS,
    ),
    (
        "makes a hard link to a file of others",
        "os.link('{OTHER}/secret', '{OTHER}/hard'); print(open('{OTHER}/hard').read()); os.remove('{OTHER}/hard')",
        FOLDERS,
    ),
    (
        "moves a file of others away",
        "os.rename('{OTHER}/secret', '{OTHER}/moved'); os.rename('{OTHER}/moved', '{OTHER}/secret'); print('DONE')",
        FOLDERS,
    ),
    ("goes up and down again", "print(open('{GIVEN}/../other/secret').read())", FOLDERS),
    ("goes through the working directory", "os.chdir('{OTHER}'); print(open('secret').read())", FOLDERS),
    ("reads through its own root", "print(open('/proc/self/root{OTHER}/secret').read())", &[Layer::Files, Layer::Landlock, Layer::Proc]),
    ("reads the users of the host", "print('DONE' if 'root:' in open('/etc/passwd').read() else '')", FOLDERS),
    ("looks at the host's temporary files", "print('DONE' if os.path.exists('{OTHER}') else '')", &[Layer::Files]),
    ("ends a process of others", "os.kill({VICTIM}, 0); print('DONE')", PROCESSES),
    ("finds processes of others", "print('DONE' if os.path.exists('/proc/{VICTIM}/cmdline') else '')", PROCESSES),
    ("reads how others were started", "print('DONE' if b'sleep' in open('/proc/{VICTIM}/cmdline', 'rb').read() else '')", PROCESSES),
    ("asks for a process by its number", "print('DONE' if call(434, {VICTIM}, 0) == 0 else '')", &[Layer::Processes, Layer::Proc]),
    ("connects to a port of the host", "import socket; socket.create_connection(('127.0.0.1', {TCP}), 3); print('DONE')", NETWORK),
    ("connects over version 6", "import socket; socket.create_connection(('::ffff:127.0.0.1', {TCP}), 3); print('DONE')", NETWORK),
    (
        "sends a datagram to the host",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {UDP})); print('DONE')",
        NETWORK,
    ),
    (
        "finds a route out",
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9)); print('DONE')",
        NETWORK,
    ),
    (
        "sees the interfaces of the host",
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); import fcntl; f = fcntl.ioctl(s, 0x8913, b'lo'.ljust(40, b'\\0')); print('DONE' if f[16] & 1 else '')",
        NETWORK,
    ),
    (
        "speaks to an abstract socket",
        "import socket; socket.socket(socket.AF_UNIX).connect('\\0{ABSTRACT}'); print('DONE')",
        &[Layer::Network, Layer::Landlock, Layer::Sockets],
    ),
    ("reads the name of the host", "print('DONE' if os.uname().nodename == '{HOST}' else '')", &[Layer::Objects]),
    ("finds shared memory of others", "print('DONE' if libc.shmget({SHM}, 0, 0) >= 0 else '')", &[Layer::Objects]),
    (
        "gives a file the rights of its owner",
        "open('{GIVEN}/set', 'w').close(); os.chmod('{GIVEN}/set', 0o4755); print('DONE')",
        &[Layer::Calls],
    ),
    (
        "makes a file with the rights of its owner",
        "fd = os.open('{GIVEN}/made', os.O_CREAT | os.O_WRONLY, 0o6755); print('DONE' if os.fstat(fd).st_mode & 0o6000 else ''); os.remove('{GIVEN}/made')",
        &[Layer::Calls],
    ),
    ("asks for a ring of system calls", "print('DONE' if call(425, 4, ctypes.create_string_buffer(256)) != 38 else '')", &[Layer::Calls]),
    (
        "makes a namespace with a new process",
        "pid = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nprint('DONE' if pid > 0 else '')",
        &[Layer::Calls],
    ),
    ("makes a namespace in the newer way", "print('DONE' if call(435, 0, 0) != 38 else '')", &[Layer::Calls]),
    ("opens a file where no filter sees how", "print('DONE' if call(437, -100, b'/', 0, 0) != 38 else '')", &[Layer::Calls]),
    (
        "has a raw socket",
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print('DONE')",
        &[
            Layer::Calls,
            Layer::Privileges,
            Layer::Account,
            Layer::User,
            Layer::Processes,
            Layer::Network,
            Layer::Sockets,
            Layer::Objects,
            Layer::Proc,
        ],
    ),
    ("speaks to the kernel's audit", "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9); print('DONE')", &[Layer::Calls]),
    ("speaks to a virtual machine's host", "import socket; socket.socket(40, socket.SOCK_STREAM); print('DONE')", &[Layer::Calls]),
    (
        "could get capabilities back",
        "bound = [l for l in open('/proc/self/status') if l.startswith('CapBnd')][0].split()[1]; print('DONE' if int(bound, 16) else '')",
        &[Layer::Privileges],
    ),
    ("opens many files", "f = [open('/dev/null') for _ in range(900)]; print('DONE')", &[Layer::Limits]),
    (
        "writes a file without end",
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = open('{GIVEN}/large', 'wb'); f.truncate(2 << 30); print('DONE')",
        &[Layer::Limits],
    ),
    ("leaves a core", "import resource; print('DONE' if resource.getrlimit(resource.RLIMIT_CORE)[1] else '')", &[Layer::Limits]),
    (
        "forks without end",
        "made = 0\ntry:\n for made in range(150):\n  if os.fork() == 0: import time; time.sleep(30); os._exit(0)\n print('DONE')\nexcept OSError: pass",
        &[Layer::Limits, Layer::Group],
    ),
];

/// Attacks whose effect depends on what this machine lets root or anyone do at all, so that the twin cannot be told apart everywhere.
fn has_twin(name: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    match name {
        "has a raw socket" => root,
        "leaves a core" => rustix::process::getrlimit(rustix::process::Resource::Core).maximum != Some(0),
        _ => true,
    }
}

async fn attacks_fail_and_have_their_effect_without_what_stops_them() {
    let targets = Targets::new();
    let _shared = SharedMemory::new();
    let mut wrong = Vec::new();
    for (name, code, layers) in ATTACKS {
        let (said, _) = output(&targets.attack(code, Layers::FULL)).await;
        if said.contains(DONE) {
            wrong.push(format!("{name}, in spite of every layer: {said}"));
        }
        if !has_twin(name) {
            continue;
        }
        let (said, ended) = output(&targets.attack(code, less(layers))).await;
        if !said.contains(DONE) {
            wrong.push(format!("{name}, without effect when {layers:?} are left out: {ended:?} {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A segment with the key that the attack knows.
struct SharedMemory(Child);

impl SharedMemory {
    fn new() -> Self {
        let shm = 0x0ba5_0000 | (std::process::id() & 0xffff);
        let code = format!("import ctypes, time; i = ctypes.CDLL(None).shmget({shm}, 4096, 0o1666); print(i, flush=True); time.sleep(600)");
        let mut holder =
            std::process::Command::new("/usr/bin/python3").args(["-c", &code]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut byte).unwrap();
        Self(holder)
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let shm = 0x0ba5_0000 | (std::process::id() & 0xffff);
        let _ = self.0.kill();
        let _ = self.0.wait();
        let remove = format!("import ctypes; c = ctypes.CDLL(None); c.shmctl(c.shmget({shm}, 0, 0), 0, None)");
        let _ = std::process::Command::new("/usr/bin/python3").args(["-c", &remove]).status();
    }
}

async fn each_of_two_layers_holds_alone() {
    let targets = Targets::new();
    for (name, code, layers) in ATTACKS.iter().filter(|(_, _, layers)| *layers == FOLDERS || *layers == NETWORK) {
        for layer in *layers {
            let (said, _) = output(&targets.attack(code, Layers::FULL.without(*layer))).await;
            // A root of its own has a list of users of its own, and Landlock lets no more be read than the plan names.
            assert!(!said.contains(DONE), "{name}, without {layer}: {said}");
        }
    }
}

/// The forbidden call that a server was ended for.
fn forbidden(ended: Ended) -> Option<&'static str> {
    match ended.breach {
        Some(Breach::Call(call)) => call.map(sandbox::Call::name),
        Some(Breach::Memory) | None => None,
    }
}

/// Numbers of x86-64 and arguments that do no harm.
const HOSTILE: &[(&str, &str)] = &[
    ("ptrace", "101, 0, 0, 0, 0"),
    ("process_vm_readv", "310, os.getpid(), 0, 0, 0, 0, 0"),
    ("process_vm_writev", "311, os.getpid(), 0, 0, 0, 0, 0"),
    ("bpf", "321, 99, 0, 0"),
    ("perf_event_open", "298, 0, 0, -1, -1, 0"),
    ("kexec_load", "246, 0, 0, 0, 0xffff"),
    ("init_module", "175, 0, 0, 0"),
    ("finit_module", "313, -1, 0, 0"),
    ("delete_module", "176, 0, 0"),
    ("mount", "165, b'x', b'/nowhere', b'tmpfs', 0, 0"),
    ("umount2", "166, b'/nowhere', 0"),
    ("open_tree", "428, -1, b'', 0"),
    ("move_mount", "429, -1, b'', -1, b'', 0"),
    ("fsopen", "430, 0, 0"),
    ("mount_setattr", "442, -1, b'', 0, 0, 0"),
    ("pivot_root", "155, b'/nowhere', b'/nowhere'"),
    ("chroot", "161, b'/nowhere'"),
    ("setns", "308, -1, 0"),
    ("unshare", "272, 0x10000000"),
    ("keyctl", "250, 0, -3, 0"),
    ("add_key", "248, 0, 0, 0, 0, 0"),
    ("request_key", "249, 0, 0, 0, 0"),
    ("userfaultfd", "323, 0xffff"),
    ("open_by_handle_at", "304, -1, 0, 0"),
    ("iopl", "172, 9"),
    ("ioperm", "173, 0xffffff, 1, 1"),
    ("reboot", "169, 0, 0, 0, 0"),
    ("swapon", "167, b'/nowhere', 0"),
    ("clock_settime", "227, 99, 0"),
    ("settimeofday", "164, 0, 0"),
    ("pidfd_getfd", "438, -1, 0, 0"),
    ("acct", "163, b'/nowhere'"),
    ("syslog", "103, 99, 0, 0"),
];

#[cfg(target_arch = "x86_64")]
async fn calls_that_only_attacks_need_kill() {
    let targets = Targets::new();
    let asked = |arguments: &str| format!("print('errno', call({arguments}), flush=True)");
    for (name, arguments) in HOSTILE {
        let (said, ended) = output(&targets.attack(&asked(arguments), Layers::FULL)).await;
        assert_eq!((ended.code, forbidden(ended)), (128 + 31, Some(*name)), "{ended:?}: {said}");
        assert_eq!(said, "", "{name}");
    }
    // Without the filter that kills, the other one does not know them; without both, the kernel answers.
    let all: String = HOSTILE.iter().map(|(name, arguments)| format!("print('{name}', call({arguments}), flush=True)\n")).collect();
    let (said, ended) = output(&targets.attack(&all, Layers::FULL.without(Layer::Hostile))).await;
    assert_eq!(ended.code, 0, "{said}");
    assert!(said.lines().all(|line| line.ends_with(" 38")) && said.lines().count() == HOSTILE.len(), "{said}");
    let (said, ended) = output(&targets.attack(&all, less(FILTERS))).await;
    assert_eq!((ended.code, ended.breach), (0, None), "{said}");
    let reached = said.lines().filter(|line| !line.ends_with(" 38")).count();
    assert!(reached + 6 >= HOSTILE.len(), "{said}");
}

#[cfg(not(target_arch = "x86_64"))]
async fn calls_that_only_attacks_need_kill() {
    println!("skipped: the numbers of system calls in this test are those of x86-64");
}

async fn what_a_server_left_to_itself_is_the_server_too() {
    let targets = Targets::new();
    let code = "
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid(); os.read(read, 1); call(101, 0, 0, 0, 0)
    os._exit(0)
os.wait(); os.write(write, b'x')
import time; time.sleep(600)";
    let (_, ended) = output(&targets.attack(code, Layers::FULL)).await;
    assert_eq!(forbidden(ended), Some("ptrace"), "{ended:?}");
}

async fn a_child_is_seen_whoever_waits_for_it() {
    let targets = Targets::new();
    let hidden = [
        // Its parent takes the status, and says nothing.
        "
pid = os.fork()
if pid == 0: call(101, 0, 0, 0, 0); os._exit(0)
os.waitpid(pid, 0); print('DONE', flush=True)
import time; time.sleep(600)",
        // Nobody takes it.
        "
import signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0: call(101, 0, 0, 0, 0); os._exit(0)
time.sleep(600)",
        // One of many threads of a child of a child.
        "
import threading, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        one = threading.Thread(target=lambda: call(101, 0, 0, 0, 0)); one.start(); one.join(); print('DONE', flush=True)
    time.sleep(600)
time.sleep(600)",
        // Another program.
        "
import subprocess, sys, time
subprocess.run([sys.executable, '-c', 'import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)'])
print('DONE', flush=True); time.sleep(600)",
        // With a filter of its own that would be asked first.
        "
import struct, time
rows = struct.pack('HBBI', 0x20, 0, 0, 0) + struct.pack('HBBI', 0x15, 0, 1, 101) + struct.pack('HBBI', 6, 0, 0, 0x7fc00000) + struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
room = ctypes.create_string_buffer(rows); program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(room)))
listener = libc.syscall(317, 1, 8, program)
if listener >= 0: print('DONE', flush=True)
call(101, 0, 0, 0, 0); print('DONE', flush=True)
time.sleep(600)",
    ];
    for code in hidden {
        let (said, ended) = output(&targets.attack(code, Layers::FULL)).await;
        assert_eq!((forbidden(ended), said.as_str()), (Some("ptrace"), ""), "{ended:?}: {code}");
    }
}

/// Where the one listener is taken, the kernel kills: of the server itself that is seen, though not which call it was.
async fn a_watched_server_is_killed_for_it() {
    let targets = Targets::new();
    let mut spec = targets.attack("call(101, 0, 0, 0, 0); print('DONE', flush=True)", Layers::FULL);
    spec.watched = Watched::Calls;
    let (said, ended) = output(&spec).await;
    assert_eq!((ended, said.as_str()), (Ended { code: 128 + 31, breach: Some(Breach::Call(None)) }, ""));
}

/// A call that is taken back by a signal before anyone looked does nothing, and is seen all the same.
async fn a_call_that_is_taken_back_is_seen() {
    let targets = Targets::new();
    let code = "
import signal
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.00002, 0.00002)
while True: call(101, 0, 0, 0, 0)";
    for _ in 0..20 {
        let (said, ended) = output(&targets.attack(code, Layers::FULL)).await;
        let Some(Breach::Call(call)) = ended.breach else { panic!("{ended:?}: {said}") };
        assert!(call.is_none_or(|call| call.name() == "ptrace"), "{call:?}");
    }
}

async fn the_whole_family_is_gone_after_a_breach() {
    let targets = Targets::new();
    let code = "
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        import time; time.sleep(600)
print('up', flush=True)
import sys; sys.stdin.read()
call(101, 0, 0, 0, 0)";
    let mut running = launch(&targets.attack(code, Layers::FULL)).await.unwrap();
    assert_eq!(running.stdout.read_u8().await.unwrap(), b'u');
    let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = space(&running.process.pid().to_string()).unwrap();
    let left = || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|pid| space(pid).as_ref() == Some(&own))).count()
    };
    assert!(left() >= 6);
    drop(running.stdin);
    assert_eq!(forbidden(running.process.wait().await.unwrap()), Some("ptrace"));
    assert_eq!(left(), 0);
}

async fn memory_of_all_processes_counts() {
    let targets = Targets::new();
    let code = "
for _ in range(4):
    if os.fork() == 0: break
x = bytearray(b'x') * 60_000_000
import time; time.sleep(600)";
    let mut spec = targets.attack(code, Layers::FULL);
    spec.limits = Limits { memory_bytes: Some(150_000_000), ..Limits::default() };
    let running = launch(&spec).await.unwrap();
    let Running { stdin, mut process, stdout, stderr, .. } = running;
    // With a control group the kernel ends one of them, else all are ended once that was seen.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), process.wait()).await;
    drop((stdin, stdout, stderr));
    let ended = match ended {
        Ok(ended) => ended.unwrap(),
        Err(_) => process.kill().await.unwrap(),
    };
    assert_eq!(ended.breach, Some(Breach::Memory), "{ended:?}");
}

async fn a_control_group_bounds_processors_and_goes_with_its_server() {
    let grouped = sandbox::capabilities().gaps().all(|gap| gap.layer != Layer::Group);
    if !grouped {
        println!("skipped: no control group can be had here");
        return;
    }
    let targets = Targets::new();
    let mut spec = targets.attack("print('up', flush=True)\nimport sys; sys.stdin.read()", Layers::FULL);
    spec.limits.cpu_cores = Some(0.5);
    let mut running = launch(&spec).await.unwrap();
    assert_eq!(running.stdout.read_u8().await.unwrap(), b'u');
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", running.process.pid())).unwrap();
    let name = groups.lines().find_map(|line| line.rsplit_once("/bastide-")).map(|(_, name)| format!("bastide-{name}")).unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let places: Vec<_> = mounts
        .lines()
        .filter(|line| line.contains(" cgroup"))
        .filter_map(|line| line.split(' ').nth(1))
        .filter_map(|root| find(Path::new(root), &name, 4))
        .collect();
    let read = |file: &str| places.iter().find_map(|place| std::fs::read_to_string(place.join(file)).ok()).unwrap_or_default();
    assert!(read("cpu.cfs_quota_us") == "50000\n" || read("cpu.max") == "50000 100000\n", "{places:?}");
    assert_eq!(read("pids.max"), "67\n");
    running.process.kill().await.unwrap();
    assert!(places.iter().all(|place| !place.exists()), "{places:?}");
}

/// The folder called `name` at most `depth` below `root`.
fn find(root: &Path, name: &str, depth: usize) -> Option<std::path::PathBuf> {
    let own = root.join(name);
    if own.is_dir() {
        return Some(own);
    }
    let deeper = depth.checked_sub(1)?;
    std::fs::read_dir(root).ok()?.flatten().filter(|entry| entry.path().is_dir()).find_map(|entry| find(&entry.path(), name, deeper))
}

async fn given_folders_are_what_they_were_given_as() {
    let targets = Targets::new();
    let code = "
open('{GIVEN}/mine', 'w').write('kept')
def tried(what):
    try: what(); return 'yes'
    except OSError as fault: return str(fault.errno)
print(open('{OTHER}/secret').read(), tried(lambda: open('{OTHER}/new', 'w')), tried(lambda: open('/tmp/scratch', 'w')), tried(lambda: open('/usr/x', 'w')), os.getuid(), os.getgid(), os.listdir('/tmp') == ['scratch'] or os.listdir('/tmp'))";
    let mut spec = targets.attack(code, Layers::FULL);
    spec.folders.push(Folder { path: targets.path("other").into(), access: Access::Read });
    // Closed to every account but its owner's, as homes are.
    std::fs::set_permissions(targets.path("given"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let (said, _) = output(&spec).await;
    let own = targets.folder.path().components().nth(2).unwrap().as_os_str().to_str().unwrap().to_owned();
    assert!(said.starts_with("DONE 30 yes 30 1000 1000 ") || said.starts_with("DONE 30 yes 13 1000 1000 "), "{said}");
    assert!(said.contains(&own) && !said.contains("bastide-escape"), "{said}");
    let made = targets.folder.path().join("given/mine");
    assert_eq!(std::fs::read_to_string(&made).unwrap(), "kept");
    // What it makes belongs to whoever gave the folder.
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(&made).unwrap().uid(), rustix::process::geteuid().as_raw());
    assert!(!Path::new("/tmp/scratch").exists());
}

async fn folders_of_others_and_of_the_gateway_are_not_given() {
    let targets = Targets::new();
    let refused = |change: fn(&mut Spec, &Targets)| {
        let mut spec = targets.attack("print('DONE')", Layers::FULL);
        change(&mut spec, &targets);
        async move { launch(&spec).await.unwrap_err().to_string() }
    };
    assert!(refused(|spec, targets| spec.private = vec![targets.path("given").into()]).await.contains("the gateway's own"));
    assert!(refused(|spec, targets| spec.needs = vec![targets.path("absent").into()]).await.contains("absent"));
    assert!(refused(|spec, _| spec.folders[0].path = "/proc".into()).await.contains("no server is given this"));
    assert!(refused(|spec, _| spec.folders[0].path = "/".into()).await.contains("no server is given this"));
    assert!(refused(|spec, _| spec.folders[0].path = "relative".into()).await.contains("absolute"));
}

async fn doors_are_the_only_way_out() {
    let targets = Targets::new();
    let code = "
import socket, errno
def tried(address, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    s = socket.socket(family, kind); s.settimeout(3)
    try:
        s.connect(address); s.send(b'x'); return 'open'
    except OSError as fault: return errno.errorcode.get(fault.errno, str(fault))
print(tried(('198.18.7.9', 8443)), tried(('198.19.255.1', 8443)), tried(('127.0.0.1', 3128)), tried(('127.0.0.53', 53), socket.SOCK_DGRAM), flush=True)
print(tried(('198.18.7.9', 8444)), tried(('1.1.1.1', 443)), tried(('169.254.169.254', 80)), tried(('127.0.0.1', {TCP})), tried(('::1', {TCP}), family=socket.AF_INET6), tried(('2606:4700::1', 443), family=socket.AF_INET6), flush=True)
print(open('/etc/resolv.conf').readline().strip())";
    let mut spec = targets.attack(code, Layers::FULL);
    spec.network = Network::Doors { ports: vec![8443] };
    let mut running = launch(&spec).await.unwrap();
    let doors = running.doors.take().unwrap();
    assert_eq!((doors.proxy.local_addr().unwrap().port(), doors.ports.len(), doors.ports[0].0), (3128, 1, 8443));
    let mut text = String::new();
    running.stdout.read_to_string(&mut text).await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        ["open open open open", "ECONNREFUSED ENETUNREACH ENETUNREACH ECONNREFUSED ECONNREFUSED ENETUNREACH", "nameserver 127.0.0.53"]
    );
    // What the server dialled is learnt from the accepted connection, in the gateway's own process.
    let (stream, _) = doors.ports[0].1.accept().unwrap();
    assert_eq!(stream.local_addr().unwrap().to_string(), "198.18.7.9:8443");
    assert_eq!(doors.names.recv_from(&mut [0; 16]).unwrap().0, 1);
    // Closed, they refuse.
    drop(doors);
    let (text, _) = output(&spec).await;
    assert!(text.starts_with("ECONNREFUSED ECONNREFUSED ECONNREFUSED "), "{text}");
}

async fn two_servers_do_not_meet() {
    let targets = Targets::new();
    let first = "
import socket
open('/tmp/mine', 'w').write('x'); open('/dev/shm/mine', 'w').write('x')
s = socket.socket(socket.AF_UNIX); s.bind('\\0between'); s.listen()
libc.shmget(77, 4096, 0o1666)
print('up', flush=True)
import sys; sys.stdin.read()";
    let mut spec = targets.attack(first, Layers::FULL);
    spec.env.set("KEY", "of-the-first".into()).unwrap();
    let mut running = launch(&spec).await.unwrap();
    assert_eq!(running.stdout.read_u8().await.unwrap(), b'u');
    let second = "
import socket
def tried(what):
    try: what(); return 'DONE'
    except OSError: return 'no'
print(os.listdir('/tmp'), os.listdir('/dev/shm'), libc.shmget(77, 0, 0), tried(lambda: socket.socket(socket.AF_UNIX).connect('\\0between')))
print([name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()])
print('DONE' if any(b'of-the-first' in open(f'/proc/{name}/environ', 'rb').read() for name in os.listdir('/proc') if name.isdigit()) else '')";
    let mut spec = targets.attack(second, Layers::FULL);
    spec.folders.clear();
    let (said, _) = output(&spec).await;
    assert_eq!(said, "[] [] -1 no\n[]\n\n");
    running.process.kill().await.unwrap();
}

async fn a_machine_without_namespaces_is_held_by_the_rest() {
    let targets = Targets::new();
    let shared = less(sandbox::Weakness::SharedNamespaces.layers());
    let stopped = ATTACKS.iter().filter(|(_, _, layers)| *layers == FOLDERS || *layers == NETWORK || layers.contains(&Layer::Calls));
    for (name, code, _) in stopped.filter(|(name, ..)| *name != "reads the users of the host") {
        let (said, _) = output(&targets.attack(code, shared)).await;
        assert!(!said.contains(DONE), "{name}: {said}");
    }
    for code in [
        "os.kill({VICTIM}, 9); print('DONE')",
        "import socket; socket.socket(socket.AF_UNIX).connect('\\0{ABSTRACT}'); print('DONE')",
        "print(open('/proc/{VICTIM}/environ').read(), 'DONE')",
    ] {
        let (said, _) = output(&targets.attack(code, shared)).await;
        assert!(!said.contains(DONE), "{code}: {said}");
    }
    let (said, _) =
        output(&targets.attack("open('{GIVEN}/x', 'w').write('y'); print('works', open('/dev/null', 'w').write('x'))", shared)).await;
    assert_eq!(said, "works 1\n");
}

async fn accounts_are_apart() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::MetadataExt as _;
    let targets = Targets::new();
    let mut users = Vec::new();
    for server in ["one", "two", "one"] {
        let mut spec = targets.attack("print('up', flush=True)\nimport sys; sys.stdin.read()", Layers::FULL);
        spec.account = sandbox::account("/state", server);
        let mut running = launch(&spec).await.unwrap();
        assert_eq!(running.stdout.read_u8().await.unwrap(), b'u');
        users.push(std::fs::metadata(format!("/proc/{}", running.process.pid())).unwrap().uid());
        running.process.kill().await.unwrap();
    }
    assert!(users[0] == users[2] && users[0] != users[1] && users[0] == sandbox::account("/state", "one"), "{users:?}");
}
