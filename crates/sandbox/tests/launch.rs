//! Real processes, started as the gateway starts them. This program is its own helper.
#![expect(clippy::unwrap_used, reason = "a test; with a main of its own it is not seen as one")]

use sandbox::podman::{Container, Engine, Reference};
use sandbox::{Breach, Ended, Error, Grace, Most, Running, Spec, Tail, Watched, Wish, capture, launch, program_lookup};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terms::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some(sandbox::ARGUMENT) => sandbox::enter(),
        Some("__gateway") => gateway(),
        _ => {}
    }
    // A descriptor that must not reach a server, and a variable that must not either.
    let leaked = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let own = rustix::process::geteuid();
    println!("as user {own}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        macro_rules! run {
            ($($test:ident),* $(,)?) => {$(
                let begun = Instant::now();
                $test().await;
                println!("test {} ... ok ({} ms)", stringify!($test), begun.elapsed().as_millis());
            )*};
        }
        run!(
            environment_is_what_was_given,
            descriptors_are_three,
            privileges_and_limits_are_gone,
            bytes_pass_and_closing_ends,
            status_is_handed_up,
            absent_programs_are_refused,
            only_the_file_that_was_looked_at_is_executed,
            arguments_are_not_read_by_a_shell,
            grandchildren_end_with_the_server,
            grandchildren_end_when_the_handle_is_dropped,
            everything_ends_with_the_gateway,
            a_stubborn_server_is_killed,
            a_polite_server_hears_sigterm,
            memory_is_bounded,
            processes_are_bounded,
            a_killed_helper_leaves_nobody,
            a_flood_on_stderr_is_bounded,
            the_helper_cannot_be_read,
            starting_and_ending_leaks_no_descriptor,
            python_runs_unchanged,
            node_runs_unchanged,
            what_a_killed_server_wrote_is_kept,
            what_a_server_asks_for_is_noted,
            podman_is_told_what_was_decided,
            a_server_from_an_image_is_held_too,
        );
    });
    if own.is_root() {
        // Everything once more, as an account without rights.
        use std::os::unix::process::CommandExt as _;
        let ended = std::process::Command::new("/proc/self/exe").uid(65534).gid(65534).env("HOME", "/nonexistent").status().unwrap();
        assert!(ended.success(), "as user 65534: {ended}");
    }
}

fn spec(program: &str, args: &[&str]) -> Spec {
    let mut spec = Spec::new(program_lookup(program).unwrap());
    spec.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    spec
}

fn python(code: &str) -> Spec {
    spec("/usr/bin/python3", &["-c", code])
}

async fn output(spec: &Spec) -> (String, Ended) {
    let Running { stdin, mut stdout, mut stderr, mut process, .. } = launch(spec).await.unwrap();
    drop(stdin);
    let (mut text, mut fault) = (String::new(), String::new());
    let (_, _) = tokio::join!(stdout.read_to_string(&mut text), stderr.read_to_string(&mut fault));
    let ended = process.wait().await.unwrap();
    (text + &fault, ended)
}

async fn line(stdout: &mut tokio::process::ChildStdout) -> String {
    let mut text = String::new();
    loop {
        match stdout.read_u8().await {
            Ok(b'\n') | Err(_) => return text,
            Ok(byte) => text.push(byte as char),
        }
    }
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

async fn gone(pids: &[String]) {
    let begun = Instant::now();
    while pids.iter().any(|pid| alive(pid)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "still there: {pids:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn environment_is_what_was_given() {
    let mut given = spec("/usr/bin/cat", &["/proc/self/environ"]);
    given.env.set("REGION", "eu".into()).unwrap();
    given.env.seal("KEY", Secret::new("s3cret".into())).unwrap();
    let (text, _) = output(&given).await;
    let mut variables: Vec<&str> = text.split_terminator('\0').collect();
    variables.sort_unstable();
    assert_eq!(variables, ["KEY=s3cret", "PATH=/usr/local/bin:/usr/bin:/bin", "REGION=eu"]);
}

async fn descriptors_are_three() {
    let (text, _) = output(&python("import os\nfor fd in range(4096):\n try: os.fstat(fd); print(fd)\n except OSError: pass")).await;
    assert_eq!(text, "0\n1\n2\n");
}

async fn privileges_and_limits_are_gone() {
    let (text, _) = output(&spec("/usr/bin/cat", &["/proc/self/status", "/proc/self/limits"])).await;
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Umask:"), "0077");
    assert_eq!(field("SigBlk:"), "0000000000000000");
    assert_eq!(field("SigIgn:"), "0000000000000000");
    assert_eq!(field("Max core file size"), "0 0 bytes");
    assert_eq!(field("Max open files"), "256 256 files");
    assert_eq!(field("Max file size"), "1073741824 1073741824 bytes");
    let (text, _) = output(&python("import os; print(os.getpid() == os.getpgid(0), os.getsid(0) == os.getppid(), os.getcwd())")).await;
    assert_eq!(text, "True True /\n");
}

async fn bytes_pass_and_closing_ends() {
    let Running { mut stdin, mut stdout, stderr: _stderr, mut process, .. } = launch(&spec("cat", &[])).await.unwrap();
    let sent = vec![b'x'; 300_000];
    let write = tokio::spawn({
        let sent = sent.clone();
        async move { stdin.write_all(&sent).await.unwrap() }
    });
    let mut seen = Vec::new();
    stdout.read_to_end(&mut seen).await.unwrap();
    write.await.unwrap();
    assert_eq!(seen, sent);
    assert_eq!(process.end(Grace::default()).await.unwrap(), Ended { code: 0, breach: None });
}

async fn status_is_handed_up() {
    assert_eq!(output(&python("import sys; sys.exit(7)")).await.1.code, 7);
    assert_eq!(output(&python("import os; os.kill(os.getpid(), 11)")).await.1.code, 128 + 11);
}

/// A program of its own, with the image that it has now.
fn looked_at(folder: &Path, name: &str, from: &str) -> Spec {
    let program = folder.join(name);
    std::fs::copy(from, &program).unwrap();
    let mut spec = Spec::new(program.clone());
    spec.needs = vec![folder.to_owned()];
    spec.image = Some(sandbox::Image::of(&std::fs::File::open(&program).unwrap().metadata().unwrap()));
    spec
}

async fn only_the_file_that_was_looked_at_is_executed() {
    let folder = tempfile::tempdir().unwrap();
    let ended = |running: Running| async move {
        let Running { stdin, mut process, .. } = running;
        drop(stdin);
        process.wait().await.unwrap().code
    };
    let spec = looked_at(folder.path(), "true", "/bin/true");
    assert_eq!(ended(launch(&spec).await.unwrap()).await, 0);
    // Another file under its name, one that was written to, and a link to another.
    std::fs::copy("/bin/true", folder.path().join("other")).unwrap();
    std::fs::rename(folder.path().join("other"), &spec.program).unwrap();
    assert!(matches!(launch(&spec).await, Err(sandbox::Error::Refused(_))));
    let spec = looked_at(folder.path(), "written", "/bin/true");
    let mut file = std::fs::OpenOptions::new().append(true).open(&spec.program).unwrap();
    std::io::Write::write_all(&mut file, b"x").unwrap();
    drop(file);
    assert!(matches!(launch(&spec).await, Err(sandbox::Error::Refused(_))));
    let spec = looked_at(folder.path(), "linked", "/bin/true");
    std::fs::remove_file(&spec.program).unwrap();
    std::os::unix::fs::symlink("/bin/true", &spec.program).unwrap();
    assert!(matches!(launch(&spec).await, Err(sandbox::Error::Refused(_))));
    // The program sees its own name, and no descriptor of its file; a script runs as well.
    let mut spec = looked_at(folder.path(), "python3", "/usr/bin/python3");
    spec.args = ["-c", "import os, sys; sys.exit(0 if sorted(os.listdir('/proc/self/fd'))[:3] == ['0', '1', '2'] and len(os.listdir('/proc/self/fd')) == 4 else 1)"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(ended(launch(&spec).await.unwrap()).await, 0);
    let script = folder.path().join("from");
    std::fs::write(&script, "#!/bin/sh\nexit 7\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let spec = looked_at(folder.path(), "script", script.to_str().unwrap());
    assert_eq!(ended(launch(&spec).await.unwrap()).await, 7);
}

async fn absent_programs_are_refused() {
    assert!(launch(&Spec::new("/nonexistent/program".into())).await.unwrap_err().to_string().contains("cannot be executed"));
    assert!(launch(&Spec::new("/etc/passwd".into())).await.is_err());
    let mut nowhere = spec("cat", &[]);
    nowhere.cwd = "/nonexistent".into();
    assert!(launch(&nowhere).await.is_err());
}

async fn arguments_are_not_read_by_a_shell() {
    let text = "$(id); `id` && id | id > /tmp/x * ~ \\ \" '";
    assert_eq!(output(&spec("printf", &["%s", text])).await.0, text);
}

/// A child in the same group, one in a session of its own, and one that was orphaned by a double fork; all deaf to SIGTERM and SIGHUP.
const FAMILY: &str = "
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
def rest(pipe):
    os.write(pipe, b'x'); time.sleep(600); os._exit(0)
read, write = os.pipe()
if os.fork() == 0: rest(write)
if os.fork() == 0: os.setsid(); rest(write)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: rest(write)
    os._exit(0)
os.wait()
seen = b''
while len(seen) < 3: seen += os.read(read, 100)
print('up', flush=True)
";

/// The processes in the server's namespace, as they are seen from outside; the first one is the launcher's own.
fn inside(running: &Running) -> Vec<String> {
    let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = space(&running.process.pid().to_string()).unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter(|pid| space(pid).as_ref() == Some(&own)).collect()
}

/// The parent of a process.
fn parent(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned()
}

async fn family(after: &str) -> (Running, Vec<String>) {
    let mut running = launch(&python(&format!("{FAMILY}{after}"))).await.unwrap();
    assert_eq!(line(&mut running.stdout).await, "up");
    let mut pids = inside(&running);
    pids.push(parent(&running.process.pid().to_string()));
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 5, "{pids:?}");
    assert!(pids.contains(&running.process.pid().to_string()));
    assert!(pids.iter().all(|pid| alive(pid)));
    (running, pids)
}

async fn grandchildren_end_with_the_server() {
    let (mut running, pids) = family("sys.stdin.read()").await;
    drop(running.stdin);
    assert_eq!(running.process.wait().await.unwrap().code, 0);
    assert!(!pids.iter().any(|pid| alive(pid)), "{pids:?}");
}

async fn grandchildren_end_when_the_handle_is_dropped() {
    let (running, pids) = family("time.sleep(600)").await;
    drop(running);
    gone(&pids).await;
}

/// Stands in for a gateway: starts the family, says who they are, and waits to be killed.
fn gateway() -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_running, pids) = family("time.sleep(600)").await;
        println!("{}", pids.join(" "));
        std::future::pending::<()>().await;
    });
    std::process::exit(0)
}

async fn everything_ends_with_the_gateway() {
    let mut gateway = tokio::process::Command::new("/proc/self/exe").arg("__gateway").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pids: Vec<String> = line(gateway.stdout.as_mut().unwrap()).await.split_whitespace().map(str::to_owned).collect();
    assert!(pids.len() == 5 && pids.iter().all(|pid| alive(pid)));
    gateway.kill().await.unwrap();
    gone(&pids).await;
}

async fn a_stubborn_server_is_killed() {
    let (mut running, pids) = family("\nwhile True: time.sleep(600)").await;
    drop(running.stdin);
    let begun = Instant::now();
    let grace = Grace { input: Duration::from_millis(100), term: Duration::from_millis(100) };
    assert_eq!(running.process.end(grace).await.unwrap().code, 128 + 9);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(!pids.iter().any(|pid| alive(pid)), "{pids:?}");
}

async fn a_polite_server_hears_sigterm() {
    let code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\nprint('up', flush=True)\ntime.sleep(600)";
    let mut running = launch(&python(code)).await.unwrap();
    assert_eq!(line(&mut running.stdout).await, "up");
    let grace = Grace { input: Duration::from_millis(50), term: Duration::from_secs(5) };
    assert_eq!(running.process.end(grace).await.unwrap().code, 3);
}

async fn memory_is_bounded() {
    let mut hungry = python("import time\nx = bytearray(b'x') * 200_000_000\ntime.sleep(600)");
    hungry.limits.memory_bytes = Some(100_000_000);
    assert_eq!(output(&hungry).await.1, Ended { code: 128 + 9, breach: Some(Breach::Memory) });
}

async fn processes_are_bounded() {
    let bomb = "import os, time\nmade = 0\ntry:\n while made < 200:\n  if os.fork() == 0: time.sleep(600)\n  made += 1\nexcept OSError: pass\nprint(made)";
    let mut many = python(bomb);
    many.limits.processes = 10;
    let (text, ended) = output(&many).await;
    assert_eq!((text.as_str(), ended.code), ("9\n", 0));
}

async fn a_killed_helper_leaves_nobody() {
    let (mut running, pids) = family("time.sleep(600)").await;
    let helper = parent(&parent(&running.process.pid().to_string()));
    let helper = rustix::process::Pid::from_raw(helper.parse().unwrap()).unwrap();
    rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
    assert_eq!(running.process.wait().await.unwrap().code, 128 + 9);
    gone(&pids).await;
}

async fn a_flood_on_stderr_is_bounded() {
    let flood = python("import sys\nfor at in range(300000): sys.stderr.write(f'noise {at}\\n')\nsys.stderr.write('\\x1b[31mlast')");
    let Running { stdin, stdout: _stdout, stderr, mut process, .. } = launch(&flood).await.unwrap();
    drop(stdin);
    let tail = Tail::new();
    capture(stderr, &tail).await;
    assert_eq!(process.wait().await.unwrap().code, 0);
    let lines = tail.lines();
    assert_eq!(lines.last().map(|line| &**line), Some("\\u{1b}[31mlast"));
    assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= 64 * 1024);
    assert_eq!(tail.dropped() + lines.len() as u64, 300_001);
}

async fn the_helper_cannot_be_read() {
    let code = "
import os
def tried(path):
    try: open(path, 'rb').read(1); return 'read ' + path
    except OSError: return ''
print(''.join(tried('/proc/1/' + name) for name in ('environ', 'mem', 'maps', 'cmdline', 'root/etc/passwd', 'fd/0')), os.path.exists('/proc/1'), flush=True)
input()";
    let mut running = launch(&python(code)).await.unwrap();
    assert_eq!(line(&mut running.stdout).await, " False");
    let inner = parent(&running.process.pid().to_string());
    for helper in [parent(&inner), inner] {
        let folder = Path::new("/proc").join(&helper);
        // Files of a process that cannot be dumped belong to root, so that a server of the same account cannot read its memory.
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(std::fs::metadata(folder.join("environ")).unwrap().uid(), 0);
        match std::fs::read(folder.join("environ")) {
            Ok(variables) => assert_eq!(variables, b""),
            Err(cause) => assert_eq!(cause.kind(), std::io::ErrorKind::PermissionDenied),
        }
    }
    running.process.kill().await.unwrap();
}

async fn starting_and_ending_leaks_no_descriptor() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..20 {
        assert_eq!(output(&spec("cat", &[])).await.1.code, 0);
        assert!(launch(&Spec::new("/nonexistent/program".into())).await.is_err());
    }
    let begun = Instant::now();
    while open() > before {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} descriptors, {before} before", open());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn python_runs_unchanged() {
    let code = "
import asyncio, concurrent.futures, getpass, hashlib, json, multiprocessing, os, pathlib, pwd, socket, sqlite3, ssl, subprocess, tempfile, threading, time, zoneinfo
def double(x): return 2 * x
ssl.create_default_context()
base = sqlite3.connect(os.path.join(tempfile.mkdtemp(), 'x.db')); base.execute('create table t (x)'); base.execute('insert into t values (1)'); base.commit()
with multiprocessing.get_context('fork').Pool(2) as pool: assert pool.map(double, [1, 2]) == [2, 4]
with concurrent.futures.ThreadPoolExecutor(4) as pool: assert list(pool.map(double, [1, 2])) == [2, 4]
async def main():
    process = await asyncio.create_subprocess_exec('/bin/echo', 'hi', stdout=subprocess.PIPE)
    return (await process.communicate())[0]
assert asyncio.run(main()) == b'hi\\n'
assert subprocess.run(['sh', '-c', 'ls / | head -1; awk 1 /etc/hosts'], capture_output=True).returncode == 0
assert pwd.getpwuid(os.getuid()).pw_name == 'server' and pathlib.Path.home() == pathlib.Path('/tmp')
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
os.chmod(tempfile.mkstemp()[1], 0o640); time.tzset()
print('works', os.cpu_count() > 0)";
    let (text, ended) = output(&python(code)).await;
    assert_eq!((text.as_str(), ended.code), ("works True\n", 0));
}

async fn node_runs_unchanged() {
    let Ok(node) = program_lookup("node") else {
        println!("skipped: there is no node");
        return;
    };
    let code = "
const fs = require('fs'), os = require('os'), { Worker } = require('worker_threads'), { execFileSync, spawn } = require('child_process');
fs.writeFileSync('/tmp/x', 'y'); fs.watch('/tmp').close();
if (os.cpus().length === 0 || os.homedir() !== '/tmp' || os.networkInterfaces().eth0) throw 1;
if (execFileSync('/bin/echo', ['hi']).toString() !== 'hi\\n') throw 2;
if (new Intl.DateTimeFormat('de', { timeZone: 'Europe/Berlin' }).format(0) === '') throw 3;
new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
require('crypto').scryptSync('a', 'b', 16);
const worker = new Worker('require(\\'worker_threads\\').parentPort.postMessage(1)', { eval: true });
worker.on('message', () => fetch('http://127.0.0.1:9/').catch(() => console.log('works')));";
    let mut spec = Spec::new(node);
    spec.args = vec!["-e".into(), code.into()];
    let (text, ended) = output(&spec).await;
    assert_eq!((text.as_str(), ended.code), ("works\n", 0));
}

async fn what_a_killed_server_wrote_is_kept() {
    let code = "open('/tmp/plan', 'w').write('steal'); open('/dev/shm/more', 'w').write('x'); print('written', flush=True); import time; time.sleep(600)";
    let mut running = launch(&python(code)).await.unwrap();
    let mut said = [0; 8];
    running.stdout.read_exact(&mut said).await.unwrap();
    running.process.kill().await.unwrap();
    // Of another account than what runs the test: it makes its folder itself.
    let folder = std::env::temp_dir().join(format!("bastide-scratch-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let kept = running.scratch.take().unwrap().keep(&folder, Most { bytes: 1 << 20, file_bytes: 1 << 20, entries: 100 }).unwrap();
    let found = [folder.join("tmp/plan"), folder.join("shm/more")].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((kept.files, kept.bytes, kept.left_out), (2, 6, 0));
    assert_eq!(found, ["steal", "x"]);
}

async fn what_a_server_asks_for_is_noted() {
    let code = "
import os, socket
os.chdir('/usr')
for path in ['/home/ana/notes', 'made-up/../lib']:
    os.path.exists(path)
for path, mode in [('/srv/book', 'r'), ('/srv/ledger', 'a')]:
    try: open(path, mode)
    except OSError as fault: print(fault.errno)
try: socket.create_connection(('203.0.113.9', 5432), 1)
except OSError: print('closed')
";
    let mut spec = python(code);
    spec.watched = Watched::Calls;
    let Running { stdin, mut stdout, observer, mut process, .. } = launch(&spec).await.unwrap();
    drop(stdin);
    let mut said = String::new();
    stdout.read_to_string(&mut said).await.unwrap();
    assert_eq!(process.wait().await.unwrap().code, 0);
    // What it may do is what it may do unwatched.
    assert_eq!(said, "2\n2\nclosed\n");
    let seen = observer.unwrap().seen();
    let wish = |path: &str| seen.files.get(Path::new(path)).copied();
    assert_eq!((wish("/home/ana/notes"), wish("/usr/lib")), (Some(Wish::Look), Some(Wish::Look)), "{seen:?}");
    assert_eq!((wish("/srv/book"), wish("/srv/ledger")), (Some(Wish::Read), Some(Wish::Write)));
    assert!(seen.addresses.contains(&"203.0.113.9:5432".parse().unwrap()), "{:?}", seen.addresses);
}

/// A file system of one program, which says what it may do, then echoes.
const PROBE: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **words) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "CapBnd", 6) || !strncmp(line, "CapEff", 6) || !strncmp(line, "NoNewPrivs", 10) || !strncmp(line, "Seccomp:", 8)) fputs(line, stdout);
    printf("root %d write %d tmp %d key %s\n", getuid() == 0, open("/x", O_CREAT | O_WRONLY, 0600) >= 0, open("/tmp/x", O_CREAT | O_WRONLY, 0600) >= 0, getenv("KEY"));
    file = fopen("/proc/net/dev", "r");
    int links = 0;
    while (file && fgets(line, sizeof line, file)) links += strchr(line, ':') != NULL;
    printf("links %d\n", links);
    printf("absent %d\n", syscall(SYS_clone3, 0, 0) < 0 ? errno : 0);
    fflush(stdout);
    if (count > 1 && !strcmp(words[1], "attack")) syscall(SYS_ptrace, 0, 0, 0, 0);
    if (count > 1 && !strcmp(words[1], "connect")) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0xc6120001)};
        struct sockaddr_in beside = {.sin_family = AF_INET, .sin_port = htons(443), .sin_addr.s_addr = htonl(0x09090909)};
        int own = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
        printf("listed %d other %d\n", connect(own, (void *)&to, sizeof to), connect(other, (void *)&beside, sizeof beside) < 0 ? errno == ENETUNREACH : -1);
        file = fopen("/etc/resolv.conf", "r");
        while (file && fgets(line, sizeof line, file)) fputs(line, stdout);
        file = fdopen(own, "r+");
        if (fgets(line, sizeof line, file)) fputs(line, stdout);
        fflush(stdout);
    }
    while (fgets(line, sizeof line, stdin)) { fputs(line, stdout); fflush(stdout); }
    return 7;
}
"#;

/// What a server in the image of these tests is: a program that is there already, with a credential and no folder.
fn container(name: String, image: &str, command: &[&str]) -> Container {
    Container {
        name,
        server: "probe".to_owned(),
        image: Reference::new(image).unwrap(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        plain: Vec::new(),
        sealed: vec![("KEY".to_owned(), Secret::new("s3cret".to_owned()))],
        limits: sandbox::Limits::default(),
        mounts: Vec::new(),
        private: Vec::new(),
        network: sandbox::Network::Closed,
    }
}

async fn a_server_from_an_image_is_held_too() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: an account without a home has no images");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let engine = match Engine::find(folder.path(), std::env::vars()) {
        Ok(engine) => Arc::new(engine),
        Err(cause) => {
            println!("skipped: {cause}");
            return;
        }
    };
    std::fs::create_dir_all(folder.path().join("root/tmp")).unwrap();
    std::fs::set_permissions(folder.path().join("root/tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    std::fs::write(folder.path().join("probe.c"), PROBE).unwrap();
    let ran = |program: &Path, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    ran(Path::new("cc"), &["-static", "-o", "root/probe", "probe.c"]);
    ran(Path::new("tar"), &["-C", "root", "-cf", "image.tar", "probe", "tmp"]);
    let tag = format!("localhost/bastide-probe:{}", std::process::id());
    let podman = engine.program().to_owned();
    ran(&podman, &["import", "--quiet", "image.tar", &tag]);
    let digest = ran(&podman, &["image", "inspect", &tag, "--format", "{{.Digest}}"]);
    let image = format!("localhost/bastide-probe@{digest}");
    let (said, killed) = (format!("bastide-said-{}", std::process::id()), format!("bastide-killed-{}", std::process::id()));
    let probe = |name: &str| container(name.to_owned(), &image, &["/probe"]);
    assert!(matches!(
        engine.has(&Reference::new(&image.replace(&digest, &format!("sha256:{}", "0a".repeat(32)))).unwrap()),
        Err(Error::ImageAbsent(_))
    ));
    engine.has(&Reference::new(&image).unwrap()).unwrap();
    if let Err(cause) = engine.attempt(&probe("bastide-tried")) {
        println!("skipped: Podman is there and holds no container on this machine: {cause}");
        ran(&podman, &["rmi", &tag]);
        return;
    }
    let Running { mut stdin, mut stdout, mut stderr, mut process, .. } = launch(&probe(&said).spec(&engine).unwrap()).await.unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    drop(stdin);
    let (mut out, mut fault) = (String::new(), String::new());
    let _ = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut fault));
    let ended = process.wait().await.unwrap();
    assert_eq!(ended.code, 7, "{out}{fault}");
    for wanted in [
        "CapBnd:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "root 0 write 0 tmp 1 key s3cret",
        "links 1",
        "absent 38",
        "hello",
    ] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    // A call that only attacks need ends it, and that is seen.
    let mut attacker = launch(&container("bastide-breach".to_owned(), &image, &["/probe", "attack"]).spec(&engine).unwrap()).await.unwrap();
    let _ = tokio::join!(attacker.stdout.read_to_string(&mut out), attacker.stderr.read_to_string(&mut fault));
    assert_eq!(attacker.process.wait().await.unwrap(), Ended { code: 159, breach: Some(Breach::Call(None)) }, "{fault}");
    // With ways out it finds the gateway's doors and the stub for names, and no other way.
    let outward = Container {
        network: sandbox::Network::Doors { ports: vec![7777] },
        ..container("bastide-outward".to_owned(), &image, &["/probe", "connect"])
    };
    let mut outward = launch(&outward.spec(&engine).unwrap()).await.unwrap();
    let doors = outward.doors.take().unwrap();
    let at_door = std::thread::spawn(move || {
        let (mut stream, _) = doors.ports[0].1.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"from the door\n").unwrap();
    });
    drop(outward.stdin);
    out.clear();
    let _ = tokio::join!(outward.stdout.read_to_string(&mut out), outward.stderr.read_to_string(&mut fault));
    assert_eq!(outward.process.wait().await.unwrap().code, 7, "{out}{fault}");
    at_door.join().unwrap();
    assert!(["listed 0 other 1", "nameserver 127.0.0.53", "from the door", "links 1"].iter().all(|line| out.contains(line)), "{out}");
    // Killed, nothing of it is left running, nor known to Podman.
    let mut running = launch(&probe(&killed).spec(&engine).unwrap()).await.unwrap();
    let mut first = [0; 1];
    running.stdout.read_exact(&mut first).await.unwrap();
    let pid = ran(&podman, &["inspect", "--format", "{{.State.Pid}}", &killed]);
    let process = Path::new("/proc").join(&pid);
    assert!(pid != "0" && process.exists(), "{pid}");
    running.process.kill().await.unwrap();
    assert!(!process.exists(), "{pid}");
    let known = || ran(&podman, &["ps", "--all", "--format", "{{.Names}}", "--filter=name=bastide-"]);
    assert!(!known().contains(&std::process::id().to_string()), "{}", known());
    // What a gateway that was killed leaves is swept by the next one.
    let mut left = launch(&probe(&killed).spec(&engine).unwrap()).await.unwrap();
    left.stdout.read_exact(&mut first).await.unwrap();
    assert!(known().contains(&killed));
    engine.sweep().unwrap();
    assert!(!known().contains(&killed));
    drop(left);
    ran(&podman, &["rmi", "--force", &tag]);
}

/// A stand-in for Podman: notes how it was called, and runs the words behind the image as they are.
const DOUBLE: &str = r#"#!/bin/sh
echo "$*" >> NOTES
case "$1" in
run) while [ "$1" != "--" ]; do shift; done; shift 2; exec "$@" ;;
image) case "$3" in *@sha256:0b*) exit 1 ;; esac ;;
esac
"#;

async fn podman_is_told_what_was_decided() {
    let folder = tempfile::tempdir().unwrap();
    let (double, notes) = (folder.path().join("double"), folder.path().join("notes"));
    std::fs::write(&double, DOUBLE.replace("NOTES", &notes.display().to_string())).unwrap();
    std::fs::set_permissions(&double, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let engine = Arc::new(
        Engine::at(double, folder.path(), [("HOME".to_owned(), "/".to_owned()), ("LD_PRELOAD".to_owned(), "x".to_owned())].into_iter())
            .unwrap(),
    );
    let image = |digit: &str| format!("localhost/a@sha256:{}", digit.repeat(32));
    engine.has(&Reference::new(&image("0a")).unwrap()).unwrap();
    assert!(matches!(engine.has(&Reference::new(&image("0b")).unwrap()), Err(Error::ImageAbsent(_))));
    let spec = |name: &str, command: &[&str]| container(name.to_owned(), &image("0a"), command).spec(&engine).unwrap();
    let Running { stdin, mut stdout, mut process, .. } = launch(&spec("one", &["/usr/bin/env"])).await.unwrap();
    drop(stdin);
    let mut said = String::new();
    stdout.read_to_string(&mut said).await.unwrap();
    assert_eq!(process.wait().await.unwrap().code, 0);
    let mut lines: Vec<&str> =
        said.lines().filter(|line| !["PWD=", "_=", "SHLVL=", "OLDPWD="].iter().any(|own| line.starts_with(own))).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["HOME=/", "KEY=s3cret", "PATH=/usr/local/bin:/usr/bin:/bin"]);
    let noted = || std::fs::read_to_string(&notes).unwrap();
    let run = noted().lines().find(|line| line.starts_with("run ")).unwrap().to_owned();
    let wanted = [
        "--pull=never",
        "--network=none",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--read-only",
        "--pids-limit=64",
        "--name=one",
        "--env=KEY",
    ];
    for word in wanted {
        assert!(run.split(' ').any(|found| found == word), "{word}: {run}");
    }
    assert!(run.ends_with(&format!("-- {} /usr/bin/env", image("0a"))) && !run.contains("s3cret"), "{run}");
    let profile = run.split(' ').find_map(|word| word.strip_prefix("--security-opt=seccomp=")).unwrap();
    let profile: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(profile).unwrap()).unwrap();
    assert_eq!((&profile["defaultAction"], &profile["defaultErrnoRet"]), (&"SCMP_ACT_ERRNO".into(), &38.into()));
    // Whatever ends it, what Podman keeps is removed.
    let removed = |name: &str| noted().lines().any(|line| line == format!("rm --force --ignore --time=0 --volumes -- {name}"));
    assert!(removed("one"));
    let mut killed = launch(&spec("two", &["/bin/sleep", "60"])).await.unwrap();
    killed.process.kill().await.unwrap();
    assert!(removed("two"));
    drop(launch(&spec("three", &["/bin/sleep", "60"])).await.unwrap());
    let until = Instant::now() + Duration::from_secs(30);
    while !removed("three") {
        assert!(Instant::now() < until, "{}", noted());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
