//! Processes that end with the test that started them.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A started process, its standard output read line by line. Dropping ends it: SIGTERM, then SIGKILL after two seconds.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Mutex<Receiver<Vec<u8>>>,
    stdin: Option<ChildStdin>,
}

impl Running {
    /// Starts `command`. Standard error goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let name = command.get_program().to_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|fault| panic!("{} does not start: {fault}", name.display()));
        let stdout = child.stdout.take().expect("a piped output");
        let stdin = child.stdin.take();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                match reader.read_until(b'\n', &mut line) {
                    Ok(read) if read > 0 && send.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        Self { child, lines: Mutex::new(lines), stdin }
    }

    /// The next line of standard output, its end cut off. `None` when the process closed it.
    ///
    /// Panics when none comes within `most`.
    pub fn line(&self, most: Duration) -> Option<String> {
        match self.lines.lock().expect("no test panics in here").recv_timeout(most) {
            Ok(line) => Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {most:?}"),
        }
    }

    /// Its standard input, until closed.
    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.stdin.as_mut().expect("standard input is still open")
    }

    /// Closes standard input: the polite end of a stdio peer.
    pub fn close(&mut self) {
        drop(self.stdin.take());
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal`.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Ends it with SIGKILL, and waits.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end; the exit code, or `None` when a signal ended it. Panics when it still runs after `most`.
    pub fn wait(&mut self, most: Duration) -> Option<i32> {
        let end = Instant::now() + most;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < end, "still running after {most:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
        self.signal(rustix::process::Signal::TERM);
        let end = Instant::now() + Duration::from_secs(2);
        while self.alive() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}

/// Runs `command` to its end with `input` on standard input.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    let name = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|fault| panic!("{} does not start: {fault}", name.display()));
    let mut stdin = child.stdin.take().expect("a piped input");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut stdin, &input);
    });
    let output = child.wait_with_output().expect("a child of ours");
    writer.join().expect("the writer ends with the process");
    output
}

/// The larger range of ports that the system does not give to whoever asks for any.
fn beside_the_ephemeral() -> Range<u16> {
    const LEAST: u16 = 10_240;
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ephemeral: Vec<u16> = range.split_whitespace().filter_map(|bound| bound.parse().ok()).collect();
    let [first, last] = ephemeral[..] else { return LEAST..32_240 };
    let (below, above) = (LEAST..first.max(LEAST), last.saturating_add(1)..u16::MAX);
    let widest = if below.len() >= above.len() { below } else { above };
    // Where nearly all are ephemeral, none is safe, and these are as good as others.
    if widest.len() < 2000 { LEAST..32_240 } else { widest }
}

/// A port of 127.0.0.1 that was free a moment ago, and that neither this process was given before nor the system gives to whoever asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static GIVEN: LazyLock<Range<u16>> = LazyLock::new(beside_the_ephemeral);
    let (first, count) = (GIVEN.start, GIVEN.end - GIVEN.start);
    let start = u16::try_from(RandomState::new().hash_one(std::process::id()) % u64::from(count)).expect("less than a port");
    let _ = NEXT.compare_exchange(0, start + 1, Ordering::Relaxed, Ordering::Relaxed);
    (0..count)
        .map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % count)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// The path of a program of this workspace, built when it is missing or older than its sources.
///
/// `BASTIDE_BIN_DIR` names a folder of finished programs instead.
pub fn binary(package: &str, name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("BASTIDE_BIN_DIR") {
        return PathBuf::from(folder).join(name);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let test = std::env::current_exe().expect("the path of the test");
    let folder =
        test.parent().filter(|folder| folder.ends_with("deps")).and_then(Path::parent).unwrap_or_else(|| test.parent().expect("a folder"));
    let path = folder.join(name);
    let built = path.metadata().and_then(|found| found.modified()).ok();
    let sources = if package == "bastide-testkit" { newest(&root.join("crates/testkit/src")) } else { newest(&root.join("crates")) };
    if built.is_none_or(|built| sources.is_some_and(|source| source > built)) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let done =
            Command::new(cargo).current_dir(&root).args(["build", "--quiet", "--package", package, "--bins"]).status().expect("cargo runs");
        assert!(done.success(), "{package} does not build");
    }
    path
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) { newest(&entry.path()) } else { entry.metadata().ok()?.modified().ok() }
        })
        .max()
}
