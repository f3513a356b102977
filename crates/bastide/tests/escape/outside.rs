//! The world outside of every sandbox: what is to be kept as it is, and ears that hear what comes out.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::World;

/// What stays in the folder of others.
const KEPT: [&str; 3] = ["door.sock", "mail.sock", "pipe"];

/// What is heard when a stream ends.
pub(crate) const ENDED: &str = " ended";

/// Everything that was heard outside.
#[derive(Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<Vec<u8>>>);

impl Ears {
    pub(crate) fn hear(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap();
        all.extend_from_slice(bytes);
        all.push(b'\n');
    }

    pub(crate) fn heard(&self, mark: &str) -> bool {
        self.0.lock().unwrap().windows(mark.len()).any(|window| window == mark.as_bytes())
    }

    /// Hears what comes until the end, in one piece.
    pub(crate) fn listen(&self, mut stream: impl std::io::Read + Send + 'static) {
        let ears = self.clone();
        std::thread::spawn(move || {
            let (mut all, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                all.extend_from_slice(&piece[..count]);
                ears.hear(&all);
            }
            all.extend_from_slice(ENDED.as_bytes());
            ears.hear(&all);
        });
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    fn accept<S: std::io::Read + Send + 'static>(&self, next: impl Fn() -> std::io::Result<S> + Send + 'static) {
        let ears = self.clone();
        std::thread::spawn(move || {
            while let Ok(stream) = next() {
                ears.listen(stream)
            }
        });
    }

    fn receive(&self, next: impl Fn(&mut [u8]) -> std::io::Result<usize> + Send + 'static) {
        let ears = self.clone();
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(count) = next(&mut room) {
                ears.hear(&room[..count]);
            }
        });
    }
}

/// A value that the hostile servers know by a name.
pub(crate) enum Known {
    Text(String),
    Number(u64),
}

pub(crate) struct Outside {
    pub(crate) ears: Ears,
    pub(crate) secret: String,
    pub(crate) mark: String,
    pub(crate) web: u16,
    pub(crate) tls: u16,
    pub(crate) root: PathBuf,
    known: Vec<(&'static str, Known)>,
    victim: Child,
    victim_was: String,
    holder: (Child, Option<ChildStdin>),
    _open: (fs::File, fs::File, UnixStream),
}

fn put(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn folder(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

fn abstract_name(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

/// Takes a number that is the same for everyone that starts with it.
fn inherited<T: std::os::fd::AsFd>(file: T) -> T {
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    file
}

const HOLDER: &str = "
import ctypes, sys
libc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p
key, secret = int(sys.argv[1]), sys.argv[2].encode()
memory, queue, semaphore = libc.shmget(key, 4096, 0o1666), libc.msgget(key, 0o1666), libc.semget(key, 1, 0o1666)
ctypes.memmove(libc.shmat(memory, None, 0), secret, len(secret))
for _ in range(4): libc.msgsnd(queue, ctypes.c_long(1).value.to_bytes(8, 'little') + secret, len(secret), 0)
print('up', flush=True); sys.stdin.read()
libc.shmctl(memory, 0, None); libc.msgctl(queue, 0, None); libc.semctl(semaphore, 0, 0)";

impl Outside {
    pub(crate) fn new(world: &World, web: u16, tls: u16) -> Self {
        let root = world.path("").canonicalize().unwrap();
        let ears = Ears::default();
        let chance = world.data().port().wrapping_mul(31) as u64 * 1_000_003 + u64::from(std::process::id());
        let (mark, secret) = (format!("m{chance}"), format!("marmalade-{}", chance ^ 0x5a5a_5a5a));
        for name in ["given", "other", "left"] {
            folder(&root.join(name));
        }
        put(&root.join("left/secret"), &secret, 0o666);
        put(&root.join("bin/own"), &secret, 0o600);
        put(&root.join("home/.claude.json"), &secret, 0o600);
        put(Path::new(&format!("/dev/shm/escape-{mark}")), &secret, 0o666);
        let local = format!("escape-{mark}");

        let doors = UnixListener::bind(root.join("other/door.sock")).unwrap();
        ears.accept(move || doors.accept().map(|one| one.0));
        let mail = UnixDatagram::bind(root.join("other/mail.sock")).unwrap();
        ears.receive(move |room| mail.recv(room));
        let hidden = UnixListener::bind_addr(&abstract_name(&local)).unwrap();
        ears.accept(move || hidden.accept().map(|one| one.0));
        let hidden = UnixDatagram::bind_addr(&abstract_name(&format!("{local}-d"))).unwrap();
        ears.receive(move |room| hidden.recv(room));
        let listed = UnixListener::bind_addr(&abstract_name(&format!("listens-{secret}"))).unwrap();
        std::thread::spawn(move || while listed.accept().is_ok() {});
        let made = Command::new("mkfifo").arg("-m").arg("666").arg(root.join("other/pipe")).status().unwrap();
        assert!(made.success());
        ears.listen(fs::OpenOptions::new().read(true).write(true).open(root.join("other/pipe")).unwrap());
        for name in ["door.sock", "mail.sock"] {
            fs::set_permissions(root.join("other").join(name), fs::Permissions::from_mode(0o777)).unwrap();
        }
        let port = |ears: &Ears, at: &str| {
            let listener = TcpListener::bind(at).ok()?;
            let port = listener.local_addr().unwrap().port();
            ears.accept(move || listener.accept().map(|one| one.0));
            Some(port)
        };
        let tcp = port(&ears, "127.0.0.1:0").unwrap();
        let six = port(&ears, "[::1]:0").unwrap_or(9);
        port(&ears, &format!("127.0.0.1:{web}")).unwrap();
        port(&ears, &format!("127.0.0.1:{tls}")).unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp = datagrams.local_addr().unwrap().port();
        ears.receive(move |room| datagrams.recv(room));
        let back = testkit::free_port();
        caller(back, &local, root.join("other/back.sock"), &secret);

        let open = (
            inherited(fs::File::open(root.join("left/secret")).unwrap()),
            inherited(fs::OpenOptions::new().read(true).custom_flags(0o200_000).open(root.join("left")).unwrap()),
            UnixStream::pair().unwrap(),
        );
        ears.listen(open.2.1);
        let open = (open.0, open.1, inherited(open.2.0));
        let key = 0x0bb0_0000 | (std::process::id() & 0xffff);
        let mut holder = Command::new("/usr/bin/python3")
            .args(["-c", HOLDER, &key.to_string(), &secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        holder.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let input = holder.stdin.take();

        let text = |path: &Path| Known::Text(path.display().to_string());
        let number = |number: u16| Known::Number(number.into());
        let fd = |fd: i32| Known::Number(u64::try_from(fd).unwrap());
        let known = vec![
            ("MARK", Known::Text(mark.clone())),
            ("GIVEN", text(&root.join("given"))),
            ("OTHER", text(&root.join("other"))),
            ("STATE", text(&root.join("state"))),
            ("KEY", text(&root.join("state/vault.key"))),
            ("LOG", text(&root.join("state/audit"))),
            ("OWN", text(&root.join("bin/own"))),
            ("GATE_SOCKET", text(&root.join("state/bastide.sock"))),
            ("CONFIG", text(&root.join("bastide.yaml"))),
            ("LOCK", text(&root.join("bastide.lock"))),
            ("USER", text(&root.join("home"))),
            ("ABSTRACT", Known::Text(local)),
            ("HOST", Known::Text(rustix::system::uname().nodename().to_string_lossy().into_owned())),
            ("TCP", number(tcp)),
            ("TCP6", number(six)),
            ("UDP", number(udp)),
            ("BACK", number(back)),
            ("WEB", number(web)),
            ("TLS", number(tls)),
            ("GATE", number(world.data().port())),
            ("ADMIN", number(world.admin().address.port())),
            ("SHM", Known::Number(key.into())),
            ("OPEN_FILE", fd(open.0.as_raw_fd())),
            ("OPEN_FOLDER", fd(open.1.as_raw_fd())),
            ("OPEN_SOCKET", fd(open.2.as_raw_fd())),
        ];
        let victim = victim(&root, &secret);
        let mut outside =
            Self { ears, secret, mark, web, tls, root, known, victim, victim_was: String::new(), holder: (holder, input), _open: open };
        outside.restore();
        outside
    }

    /// What the servers know, written down by `line`.
    pub(crate) fn written(&self, line: impl Fn(&str, &str) -> String) -> String {
        let value = |known: &Known| match known {
            Known::Text(text) => format!("{text:?}"),
            Known::Number(number) => number.to_string(),
        };
        self.known.iter().map(|(name, known)| line(name, &value(known))).collect()
    }

    pub(crate) fn victim(&self) -> u32 {
        self.victim.id()
    }

    /// Puts everything back.
    pub(crate) fn restore(&mut self) {
        for (name, kept) in [("other", &KEPT[..]), ("given", &[])] {
            for entry in fs::read_dir(self.root.join(name)).unwrap().flatten() {
                let path = entry.path();
                if kept.iter().any(|kept| entry.file_name() == *kept) {
                    continue;
                }
                if entry.file_type().unwrap().is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
            }
        }
        let _ = fs::remove_file(self.root.join("home/.profile"));
        put(&self.root.join("other/secret"), &self.secret, 0o666);
        put(&self.root.join("other").join(format!("name-{}", self.secret)), "", 0o666);
        std::os::unix::fs::symlink(self.root.join("other/secret"), self.root.join("given/link")).unwrap();
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(self.root.join("other/secret")).unwrap().set_modified(long_ago).unwrap();
        if self.victim_was.is_empty() || self.victim_is() != self.victim_was {
            let _ = self.victim.kill();
            let _ = self.victim.wait();
            self.victim = victim(&self.root, &self.secret);
            self.victim_was = self.victim_is();
        }
    }

    /// What is not as it was.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        let own = [format!("name-{}", self.secret), "secret".to_owned(), "back.sock".to_owned()];
        for entry in fs::read_dir(self.root.join("other")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if !KEPT.contains(&name.as_str()) && !own.contains(&name) {
                changes.push(format!("new: {name}"));
            }
        }
        let secret = self.root.join("other/secret");
        match (fs::symlink_metadata(&secret), fs::read_to_string(&secret)) {
            (Ok(found), Ok(text)) => {
                let is = (found.is_file(), found.mode() & 0o7777, found.nlink(), found.mtime(), text.as_str());
                if is != (true, 0o666, 1, 1_000_000_000, &self.secret) {
                    changes.push(format!("secret: {is:?}"));
                }
            }
            other => changes.push(format!("secret: {other:?}")),
        }
        if self.root.join("home/.profile").exists() {
            changes.push("the home".to_owned());
        }
        let is = self.victim_is();
        if is != self.victim_was {
            changes.push(format!("the victim was {} and is {is}", self.victim_was));
        }
        changes
    }

    fn victim_is(&self) -> String {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.victim.id())).unwrap_or_default();
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or("none");
        let runs = if matches!(field(0), "S" | "R" | "D") { "runs" } else { field(0) };
        let (status, limits) = (read("status"), read("limits"));
        let line = |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        format!(
            "{runs} {} {} {} {} {}",
            field(16),
            field(38),
            line(&status, "Cpus_allowed_list"),
            line(&limits, "Max open files"),
            read("oom_score_adj").trim()
        )
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.holder.1.take());
        let _ = self.holder.0.wait();
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_file(format!("/dev/shm/escape-{}", self.mark));
    }
}

/// A process that holds the secret in each way that a process can.
fn victim(root: &Path, secret: &str) -> Child {
    put(&root.join("left/own"), secret, 0o666);
    let child = Command::new("/bin/sleep")
        .arg0(format!("sleep-{secret}"))
        .arg("100000")
        .env("KEY", secret)
        .current_dir(root.join("left"))
        .stdin(fs::File::open(root.join("left/secret")).unwrap())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Until it is what it will be.
    while !fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains("(sleep) S") {
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// Tells the secret to whoever waits where nobody of ours does.
fn caller(port: u16, local: &str, path: PathBuf, secret: &str) {
    let (hidden, secret) = (abstract_name(&format!("{local}-back")), secret.to_owned());
    std::thread::spawn(move || {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        loop {
            let _ = TcpStream::connect(("127.0.0.1", port)).and_then(|mut one| one.write_all(secret.as_bytes()));
            let _ = datagrams.send_to(secret.as_bytes(), ("127.0.0.1", port));
            let _ = UnixStream::connect_addr(&hidden).and_then(|mut one| one.write_all(secret.as_bytes()));
            let _ = UnixStream::connect(&path).and_then(|mut one| one.write_all(secret.as_bytes()));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}
