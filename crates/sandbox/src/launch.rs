//! Starting a server through the helper, and ending it.

use crate::doors::{Doors, MOST};
use crate::forbidden::Call;
use crate::group::Group;
use crate::helper::ARGUMENT;
use crate::layer::{Layer, Layers};
use crate::observe::Observer;
use crate::outcome::{Breach, Ended, Grace};
use crate::podman::Remains;
use crate::process::{Meter, kill_session};
use crate::running::Running;
use crate::scratch::Scratch;
use crate::spec::{Limits, Network, Spec};
use crate::{Error, probe, sys};
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType};
use rustix::process::Signal;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Longest time for the helper to limit itself and to execute the program.
const START: Duration = Duration::from_secs(10);
/// Longest time for the helper to end everyone, above its own patience.
const END: Duration = Duration::from_secs(12);
const QUEUE: usize = 64;
const REPLY_BYTES: usize = 4096;

/// A server's life.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    helper: Child,
    helper_pid: i32,
    control: Option<UnixDatagram>,
    group: Option<Group>,
    layers: Layers,
    remains: Option<Remains>,
}

/// The status of a server that the filter killed: 128 and SIGSYS.
const FORBIDDEN: i32 = 128 + libc::SIGSYS;

/// Starts `spec` through the helper and waits until the program was executed.
///
/// Layers that this machine does not have keep it from starting; `spec.layers` says which of them nobody asks for.
///
/// # Errors
/// What [`Spec`] holds cannot be executed; [`Error::Unavailable`], [`Error::Launcher`], [`Error::Refused`], [`Error::Silent`]. Nothing runs
/// after an error.
pub async fn launch(spec: &Spec) -> Result<Running, Error> {
    let layers = available(spec).await?;
    let group = if layers.has(Layer::Group) { Group::new(&spec.limits).map_err(Error::Launcher)? } else { None };
    let order = spec.seal(beside(spec.limits, group.as_ref()), layers)?;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|cause| Error::Launcher(cause.into()))?;
    // A socket of packets, read and written as one of datagrams is; other than with those, its other end's end is seen.
    let ours = std::os::unix::net::UnixDatagram::from(ours);
    ours.set_nonblocking(true).map_err(Error::Launcher)?;
    let control = UnixDatagram::from_std(ours).map_err(Error::Launcher)?;
    let remains = spec.container.clone().map(|(engine, name)| Remains::new(engine, name));
    let entrances = group.as_ref().map(Group::entrances).transpose().map_err(Error::Launcher)?.unwrap_or_default();
    let mut helper = spawn(Start { order, control: theirs, entrances }).await.map_err(Error::Launcher)?;
    let missing = || Error::Launcher(io::Error::other("a stream is missing"));
    let id = helper.id().ok_or_else(missing)?;
    let helper_pid = i32::try_from(id).map_err(|_| missing())?;
    let stdin = helper.stdin.take().ok_or_else(missing)?;
    let stdout = helper.stdout.take().ok_or_else(missing)?;
    let stderr = helper.stderr.take().ok_or_else(missing)?;
    let Handed { reply, doors, scratch, observer } =
        tokio::time::timeout(START, answer(&control, &spec.network)).await.map_err(|_| Error::Silent(START))??;
    match reply.split_once(' ') {
        Some(("ok", pid)) => {
            let pid = pid.parse().map_err(|_| Error::Refused("its answer cannot be read".to_owned()))?;
            // Of a container the filter is Podman's to put on: it is not among what the helper confines Podman by.
            let layers = if remains.is_some() { layers.with(Layer::Hostile) } else { layers };
            let process = Process { pid, helper, helper_pid, control: Some(control), group, layers, remains };
            Ok(Running { stdin, stdout, stderr, doors, scratch, observer, process })
        }
        Some(("no", reason)) => Err(Error::Refused(reason.to_owned())),
        _ => Err(Error::Refused("it ended before it answered".to_owned())),
    }
}

/// The layers of `spec` without those that it can spare and this machine does not have.
async fn available(spec: &Spec) -> Result<Layers, Error> {
    let attempts = probe::attempts().await.map_err(Error::Launcher)?;
    let mut layers = spec.layers;
    for layer in spec.layers.iter() {
        match attempts.reason(layer) {
            None => {}
            Some(_) if spec.spare.has(layer) => layers = layers.without(layer),
            Some(reason) => return Err(Error::Unavailable { layer, reason: reason.to_owned() }),
        }
    }
    Ok(layers)
}

/// What the helper has to look after itself: memory and processors are the group's, where there is one.
fn beside(limits: Limits, group: Option<&Group>) -> Limits {
    match group {
        Some(_) => Limits { memory_bytes: None, cpu_cores: None, ..limits },
        None => limits,
    }
}

/// The helper's answer, and what it handed out before.
#[derive(Default)]
struct Handed {
    reply: String,
    doors: Option<Doors>,
    scratch: Option<Scratch>,
    observer: Option<Observer>,
}

async fn answer(control: &UnixDatagram, network: &Network) -> Result<Handed, Error> {
    let mut handed = Handed::default();
    loop {
        let (text, mut fds) = packet(control).await.map_err(Error::Launcher)?;
        match (text.as_str(), network) {
            ("doors", Network::Doors { ports }) => handed.doors = Some(Doors::of(fds, ports).map_err(Error::Launcher)?),
            ("scratch", _) => handed.scratch = Some(Scratch::of(fds)),
            ("calls", _) => handed.observer = fds.pop().map(Observer::start).transpose().map_err(Error::Launcher)?,
            _ => {
                handed.reply = text;
                return Ok(handed);
            }
        }
    }
}

impl Process {
    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What tells how much it takes up.
    pub fn meter(&self) -> Meter {
        Meter::of(self.helper_pid)
    }

    /// Waits until the server has ended, by itself or not, and its descendants with it. Cancel-safe until it gives an answer; the breach is
    /// in the first answer only.
    ///
    /// # Errors
    /// [`Error::Wait`].
    pub async fn wait(&mut self) -> Result<Ended, Error> {
        let status = self.helper.wait().await.map_err(Error::Wait)?;
        let told = match &self.control {
            Some(control) => packet(control).await.map(|(text, _)| text).unwrap_or_default(),
            None => String::new(),
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
        if let Some(remains) = self.remains.take() {
            remains.remove().await;
        }
        let starved = self.group.take().is_some_and(|group| group.starved() > 0);
        let breach = match (told.split_once(' '), told.as_str()) {
            (Some(("forbidden", noted)), _) => Some(Breach::Call(Call::named(noted))),
            (_, "memory") => Some(Breach::Memory),
            _ if starved => Some(Breach::Memory),
            // The kernel itself killed for it.
            _ if code == FORBIDDEN && self.layers.has(Layer::Hostile) => Some(Breach::Call(None)),
            _ => None,
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
        if let Some(group) = &self.group {
            group.kill();
        }
        if let Some(control) = &self.control {
            let _ = control.shutdown(Shutdown::Both);
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

/// The next packet of the helper with the descriptors in it; empty at the end.
async fn packet(control: &UnixDatagram) -> io::Result<(String, Vec<OwnedFd>)> {
    control
        .async_io(Interest::READABLE, || {
            let mut text = vec![0_u8; REPLY_BYTES];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST + 2))];
            let mut message = RecvAncillaryBuffer::new(&mut space);
            let received = rustix::net::recvmsg(
                control,
                &mut [IoSliceMut::new(&mut text)],
                &mut message,
                RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
            )?;
            let mut fds = Vec::new();
            for part in message.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = part {
                    fds.extend(rights);
                }
            }
            text.truncate(received.bytes);
            Ok((String::from_utf8_lossy(&text).into_owned(), fds))
        })
        .await
}

/// What a helper is started with.
struct Start {
    order: OwnedFd,
    control: OwnedFd,
    /// Of its control group.
    entrances: Vec<OwnedFd>,
}

struct Job {
    start: Start,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Spawns the helper from the one thread that never ends: the signal of a parent's death is sent when the parent *thread* ends (prctl(2)).
async fn spawn(start: Start) -> io::Result<Child> {
    static SPAWNER: OnceLock<io::Result<SyncSender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || serve(receiver))?;
        Ok(sender)
    });
    let Ok(spawner) = spawner else { return Err(io::Error::other("the spawning thread could not be started")) };
    let (reply, answer) = oneshot::channel();
    let job = Job { start, runtime: Handle::current(), reply };
    spawner.try_send(job).map_err(|_| io::Error::other("too many servers are being started"))?;
    answer.await.map_err(|_| io::Error::other("the spawning thread has ended"))?
}

fn serve(jobs: Receiver<Job>) {
    while let Ok(Job { start, runtime, reply }) = jobs.recv() {
        let _runtime = runtime.enter();
        // A receiver that has gone drops the child, whose control socket has then no other end: it leaves.
        let _ = reply.send(execute(start));
    }
}

fn execute(Start { order, control, entrances }: Start) -> io::Result<Child> {
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
    sys::prepare(&mut command, [order, control], entrances);
    command.spawn()
}
