//! Starting a server through the helper, and ending it.

use crate::helper::ARGUMENT;
use crate::process::kill_session;
use crate::spec::Spec;
use crate::{Error, sys};
use rustix::process::Signal;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Longest time for the helper to limit itself and to execute the program.
const START: Duration = Duration::from_secs(10);
/// Longest time for the helper to end everyone, above its own patience.
const END: Duration = Duration::from_secs(12);
const QUEUE: usize = 64;
const REPLY_BYTES: usize = 4096;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// What it reads.
    pub stdin: ChildStdin,
    /// What it writes.
    pub stdout: ChildStdout,
    /// What it says about itself. Whoever does not read it stops the server.
    pub stderr: ChildStderr,
    /// The handle on its life. Dropping it ends the server with all its descendants.
    pub process: Process,
}

/// A server's life.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    helper: Child,
    helper_pid: i32,
    control: Option<UnixStream>,
}

/// How a server ended; all its descendants have ended too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or 128 and the number of the signal that ended it; 125 when the launcher failed.
    pub code: i32,
    /// The limit that ended it, if one did.
    pub breach: Option<Breach>,
}

/// A limit that was gone over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Too much memory.
    Memory,
    /// Too many processes.
    Processes,
}

/// How long a server is given to leave by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// From the end of its input to SIGTERM.
    pub input: Duration,
    /// From SIGTERM to SIGKILL.
    pub term: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { input: Duration::from_secs(2), term: Duration::from_secs(2) }
    }
}

/// Starts `spec` through the helper and waits until the program was executed.
///
/// # Errors
/// What [`Spec`] holds cannot be executed; [`Error::Launcher`], [`Error::Refused`], [`Error::Silent`]. Nothing runs after an error.
pub async fn launch(spec: &Spec) -> Result<Running, Error> {
    let order = spec.seal()?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(Error::Launcher)?;
    ours.set_nonblocking(true).map_err(Error::Launcher)?;
    let mut control = UnixStream::from_std(ours).map_err(Error::Launcher)?;
    let mut helper = spawn(order, theirs.into()).await.map_err(Error::Launcher)?;
    let missing = || Error::Launcher(io::Error::other("a stream is missing"));
    let helper_pid = helper.id().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(missing)?;
    let stdin = helper.stdin.take().ok_or_else(missing)?;
    let stdout = helper.stdout.take().ok_or_else(missing)?;
    let stderr = helper.stderr.take().ok_or_else(missing)?;
    // Whatever has to know the helper before it does anything is told between the spawn and this byte.
    control.write_all(b"g").await.map_err(Error::Launcher)?;
    let reply = tokio::time::timeout(START, line(&mut control)).await.map_err(|_| Error::Silent(START))?.map_err(Error::Launcher)?;
    match reply.split_once(' ') {
        Some(("ok", pid)) => {
            let pid = pid.parse().map_err(|_| Error::Refused("its answer cannot be read".to_owned()))?;
            Ok(Running { stdin, stdout, stderr, process: Process { pid, helper, helper_pid, control: Some(control) } })
        }
        Some(("no", reason)) => Err(Error::Refused(reason.to_owned())),
        _ => Err(Error::Refused("it ended before it answered".to_owned())),
    }
}

impl Process {
    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the server has ended, by itself or not, and its descendants with it. Cancel-safe until it gives an answer; the breach is
    /// in the first answer only.
    ///
    /// # Errors
    /// [`Error::Wait`].
    pub async fn wait(&mut self) -> Result<Ended, Error> {
        let status = self.helper.wait().await.map_err(Error::Wait)?;
        let breach = match &mut self.control {
            Some(control) => match line(control).await.as_deref() {
                Ok("breach memory") => Some(Breach::Memory),
                Ok("breach processes") => Some(Breach::Processes),
                Ok(_) | Err(_) => None,
            },
            None => None,
        };
        self.control = None;
        let code = match status.code() {
            Some(code) => code,
            None => {
                // The helper itself was killed, so it could end nobody. The server dies with it; its session is what is left.
                kill_session(self.helper_pid);
                128 + status.signal().unwrap_or(0)
            }
        };
        Ok(Ended { code, breach })
    }

    /// Ends the server: waits `grace.input` for it to leave, then SIGTERM, waits `grace.term`, then SIGKILL to it and every descendant.
    ///
    /// The caller has closed its standard input before, by dropping every holder of it.
    ///
    /// # Errors
    /// [`Error::Wait`]; [`Error::Silent`] when not even the kernel could end it.
    pub async fn end(&mut self, grace: Grace) -> Result<Ended, Error> {
        if let Ok(ended) = tokio::time::timeout(grace.input, self.wait()).await {
            return ended;
        }
        self.signal(Signal::TERM);
        if let Ok(ended) = tokio::time::timeout(grace.term, self.wait()).await {
            return ended;
        }
        self.kill().await
    }

    /// Kills the server and every descendant at once.
    ///
    /// # Errors
    /// As [`Process::end`].
    pub async fn kill(&mut self) -> Result<Ended, Error> {
        if let Some(control) = &mut self.control {
            let _ = control.shutdown().await;
        }
        match tokio::time::timeout(END, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.signal(Signal::KILL);
                kill_session(self.helper_pid);
                tokio::time::timeout(END, self.wait()).await.map_err(|_| Error::Silent(END))?
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // `id` is none once the helper was waited for, so that its number is never another's.
        if let Some(pid) = self.helper.id().and_then(|pid| i32::try_from(pid).ok()) {
            crate::process::signal(pid, signal);
        }
    }
}

/// The next line of the helper, or what came before the end.
async fn line(control: &mut UnixStream) -> io::Result<String> {
    let mut text = Vec::new();
    while text.len() < REPLY_BYTES {
        match control.read_u8().await {
            Ok(b'\n') => break,
            Ok(byte) => text.push(byte),
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(cause) => return Err(cause),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

struct Job {
    order: OwnedFd,
    control: OwnedFd,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Spawns the helper from the one thread that never ends: the signal of a parent's death is sent when the parent *thread* ends (prctl(2)).
async fn spawn(order: OwnedFd, control: OwnedFd) -> io::Result<Child> {
    static SPAWNER: OnceLock<io::Result<SyncSender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || serve(receiver))?;
        Ok(sender)
    });
    let Ok(spawner) = spawner else { return Err(io::Error::other("the spawning thread could not be started")) };
    let (reply, answer) = oneshot::channel();
    let job = Job { order, control, runtime: Handle::current(), reply };
    spawner.try_send(job).map_err(|_| io::Error::other("too many servers are being started"))?;
    answer.await.map_err(|_| io::Error::other("the spawning thread has ended"))?
}

fn serve(jobs: Receiver<Job>) {
    while let Ok(Job { order, control, runtime, reply }) = jobs.recv() {
        let _runtime = runtime.enter();
        // A receiver that has gone drops the child, whose control socket has then no other end: it leaves.
        let _ = reply.send(execute(order, control));
    }
}

fn execute(order: OwnedFd, control: OwnedFd) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(ARGUMENT)
        .arg(order.as_raw_fd().to_string())
        .arg(control.as_raw_fd().to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    sys::keep_only(&mut command, [order, control]);
    command.spawn()
}
