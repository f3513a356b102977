//! Starts local servers and watches what they say.

use super::pipe::{Pipe, Watched};
use super::{Closed, Found, Heard, Link, PROCESSES, Servers, Standing, State, credential, limits, outward, renew};
use crate::gate::Gate;
use crate::session::Session;
use crate::snapshot::{Run, Server};
use crate::standing;
use crate::trail::Occasion;
use mcp::{Id, Message, Method};
use sandbox::podman::{self, Container, Engine, Mount};
use sandbox::{Breach, Ended, Limits, Network, Running, Scratch, Spec, Tail, Weakness};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use terms::{Code, Secret, Utc};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::line_frame;

/// Until the last words of a process that has ended are read.
const LAST: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a server's standing stream is waited for before its first call.
const STANDING: std::time::Duration = std::time::Duration::from_millis(500);
/// Lines that make no sense before a server is given up.
pub(super) const STRAYS: u32 = 100;

/// Starts the process of a local server and watches it.
pub(super) async fn start(
    servers: &Servers,
    gate: &Arc<Gate>,
    session: Option<&Arc<Session>>,
    server: &Arc<Server>,
    run: &Run,
    found: Found,
    state: &Arc<State>,
) -> Result<Arc<Link>, Closed> {
    let mut spec = match found.engine.clone() {
        Some(engine) => contained(servers, server, run, found, &engine, gate.clock.utc())?,
        None => spec(servers, run, found, gate.clock.utc())?,
    };
    state.overheard.prepare(&mut spec);
    let (mut running, count) = launched(servers, &spec).await?;
    state.overheard.enter(&mut running);
    Ok(attend(gate, session, server, run, running, Some(state), count))
}

/// Starts a process, and counts it.
pub(super) async fn launched(servers: &Servers, spec: &Spec) -> Result<(Running, Count), Closed> {
    if servers.running.fetch_add(1, Ordering::AcqRel) >= PROCESSES {
        servers.running.fetch_sub(1, Ordering::AcqRel);
        return Err(Closed::Many);
    }
    let count = Count(Arc::clone(&servers.running));
    Ok((sandbox::launch(spec).await?, count))
}

/// Watches a process that was started. Without a `state` its death does not count.
pub(super) fn attend(
    gate: &Arc<Gate>,
    session: Option<&Arc<Session>>,
    server: &Arc<Server>,
    run: &Run,
    mut running: Running,
    state: Option<&Arc<State>>,
    count: Count,
) -> Arc<Link> {
    let doors = running.doors.take();
    let snapshot = gate.snapshot();
    let bounds = line_frame::Bounds { line_bytes: snapshot.bounds.result, write: snapshot.bounds.write, ..line_frame::Bounds::default() };
    let (pipe, watched) = Pipe::new(running, bounds);
    // What a real server does is never a probe's doing, whoever looked.
    let occasion = match session {
        Some(session) if session.principal.is_probe() && run.is_canary() => Occasion::Probe,
        Some(_) | None => Occasion::Work,
    };
    if let (Some(doors), Some(state)) = (doors, state) {
        outward::serve(&gate.servers, gate, &server.name, outward::exit(gate, server, run, state, occasion), doors, watched.end.clone());
    }
    let link = Link::over_pipe(server.name.clone(), server.digest.clone(), pipe, limits(&snapshot), session, occasion);
    let watch = Watch {
        gate: Arc::clone(gate),
        link: Arc::clone(&link),
        server: Arc::clone(server),
        state: state.cloned(),
        session: session.map(Arc::downgrade),
        idle: run.idle,
    };
    tokio::spawn(async move {
        watch.run(watched).await;
        drop(count);
    });
    link
}

/// One of the processes that are counted.
pub(super) struct Count(Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is launched for `run`.
pub(super) fn spec(servers: &Servers, run: &Run, found: Found, now: Utc) -> Result<Spec, Closed> {
    let mut spec = Spec::new(found.program);
    spec.image = Some(found.image);
    spec.args = found.arguments;
    spec.cwd = PathBuf::from("/");
    for (name, value) in servers.contents.steadying(&found.content) {
        spec.env.set(name, (*value).to_owned())?;
    }
    for (name, value) in &run.env {
        spec.env.set(name, value.clone())?;
    }
    for (name, value) in secrets(servers, run)? {
        spec.env.seal(&name, value)?;
    }
    spec.limits = bounds(run);
    spec.folders.clone_from(&run.folders);
    spec.needs = found.needs;
    spec.lent = found.lent;
    spec.private = found.private;
    spec.account = run.account;
    spec.network = network(run);
    for (weakness, _) in run.weaknesses.iter().filter(|(_, until)| now < *until) {
        for layer in weakness.layers() {
            match weakness {
                // What the server cannot live with is left out, whatever the machine has.
                Weakness::Relaxed => spec.layers = spec.layers.without(*layer),
                Weakness::NoProc | Weakness::SharedAccount | Weakness::SharedNamespaces | Weakness::NoLandlock => {
                    spec.spare = spec.spare.with(*layer);
                }
            }
        }
    }
    Ok(spec)
}

/// What is launched for `run` where it is an image that `engine` holds.
fn contained(servers: &Servers, server: &Server, run: &Run, found: Found, engine: &Arc<Engine>, now: Utc) -> Result<Spec, Closed> {
    let Some(image) = run.image.clone() else { return Err(Closed::Entry("it names no image".to_owned())) };
    let container = Container {
        name: podman::name(server.name.as_str(), now),
        server: server.name.as_str().to_owned(),
        image,
        command: found.arguments,
        plain: run.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        sealed: secrets(servers, run)?,
        limits: bounds(run),
        mounts: run.folders.iter().map(Mount::of).collect::<Result<_, _>>()?,
        private: found.private,
        network: network(run),
    };
    let mut spec = container.spec(engine)?;
    spec.image = Some(found.image);
    Ok(spec)
}

/// The credentials of a server, by the variables that they are for.
fn secrets(servers: &Servers, run: &Run) -> Result<Vec<(String, Secret<String>)>, Closed> {
    let open = |(name, reference): (&String, &String)| {
        let lease = servers.lease(reference)?;
        let value = lease.open().map_err(|cause| credential(reference, cause.to_string(), Code::VaultLocked))?;
        let text = std::str::from_utf8(value).map_err(|_| credential(reference, "it is not text".to_owned(), Code::VaultAbsent))?;
        Ok((name.clone(), Secret::new(text.to_owned())))
    };
    run.secrets.iter().map(open).collect()
}

fn bounds(run: &Run) -> Limits {
    Limits {
        memory_bytes: Some(run.memory),
        cpu_cores: Some(f64::from(run.cores)),
        processes: u32::try_from(run.processes).unwrap_or(u32::MAX),
        files: run.files,
        ..Limits::default()
    }
}

fn network(run: &Run) -> Network {
    if run.egress.is_empty() { Network::Closed } else { Network::Doors { ports: run.egress.ports() } }
}

struct Watch {
    gate: Arc<Gate>,
    link: Arc<Link>,
    server: Arc<Server>,
    state: Option<Arc<State>>,
    session: Option<Weak<Session>>,
    idle: std::time::Duration,
}

impl Watch {
    async fn run(self, mut watched: Watched) {
        let tail = Arc::new(Tail::new());
        let capture = watched.stderr.take().map(|stderr| {
            let tail = Arc::clone(&tail);
            tokio::spawn(async move { sandbox::capture(stderr, &tail).await })
        });
        let mut why = None;
        let asked = loop {
            tokio::select! {
                biased;
                () = watched.end.cancelled() => break true,
                () = self.gate.ending.cancelled() => break true,
                line = watched.lines.next() => match line {
                    None => break false,
                    Some(Err(cause)) => {
                        tracing::warn!(server = %self.server.name, %cause, "a local server's lines cannot be used");
                        why = Some(cause.to_string());
                        break false;
                    }
                    Some(Ok(line)) => match self.link.parse(line) {
                        Ok(message) => sort(&self.gate, &self.link, &self.server, self.session.as_ref(), message).await,
                        Err(cause) => {
                            tracing::warn!(server = %self.server.name, %cause, "a local server's line is not a message");
                            why = Some(cause.to_string());
                            break false;
                        }
                    },
                },
                () = tokio::time::sleep(self.idle) => {
                    if self.link.waiting() == 0 && !self.is_listened_to() {
                        break true;
                    }
                }
            }
            if self.link.stray_count() > STRAYS {
                why = Some(format!("more than {STRAYS} messages that belong to nothing"));
                break false;
            }
        };
        self.link.end();
        // Counted at once, so that nobody starts it again before. What was asked something that it may not know is asked otherwise anew.
        let counting = self.state.as_ref().filter(|_| !asked && !self.link.is_probed());
        let next = counting.map(|state| state.revival.lock().failed(self.gate.clock.instant()));
        let ended = watched.finish().await;
        if let Some(Ended { breach: Some(breach), .. }) = ended {
            self.tell(breach);
        }
        if let Some(place) = watched.kept.get().cloned() {
            self.keep(place, ended, watched.scratch.take(), capture, &tail).await;
        }
        if let Some(next) = next {
            crate::event::died(&self.gate, &self.link, &self.server.name, why.as_deref(), &tail.lines(), &next);
        }
    }

    /// Whether a session of it is to hear of a resource's updates.
    fn is_listened_to(&self) -> bool {
        match &self.session {
            Some(session) => {
                session.upgrade().is_some_and(|session| !renew::wanted(&self.gate, &self.server.name, Some(&session)).is_empty())
            }
            None => !renew::wanted(&self.gate, &self.server.name, None).is_empty(),
        }
    }

    /// Keeps what it left behind, now that it is gone.
    async fn keep(&self, place: PathBuf, ended: Option<Ended>, scratch: Option<Scratch>, said: Option<JoinHandle<()>>, tail: &Tail) {
        let kept = match ended {
            Some(_) => {
                // Its streams end with it.
                if let Some(said) = said {
                    let _ = tokio::time::timeout(LAST, said).await;
                }
                let (gate, at, lines) = (Arc::clone(&self.gate), place.clone(), tail.lines());
                let copied = tokio::task::spawn_blocking(move || gate.forensics.keep(&at, scratch.as_ref(), &lines)).await;
                copied.unwrap_or_else(|cause| Err(std::io::Error::other(cause))).map_err(|cause| cause.to_string())
            }
            None => Err("its processes could not be ended".to_owned()),
        };
        crate::event::kept(&self.gate, &self.link, &self.server.name, &place, kept);
    }

    fn tell(&self, breach: Breach) {
        match breach {
            Breach::Call(call) => crate::event::breached(&self.gate, &self.link, &self.server.name, call),
            Breach::Memory => crate::event::starved(&self.gate, &self.link, &self.server.name),
        }
    }
}

/// Sorts what came on a way that carries everything; what belongs to no call is answered, noted or counted here.
pub(super) async fn sort(gate: &Arc<Gate>, link: &Arc<Link>, server: &Arc<Server>, session: Option<&Weak<Session>>, heard: Heard) {
    let sorted = match heard {
        Heard::Message(message) => link.sort(message),
        Heard::Stray(row) => Some((Standing::Stray(row), None)),
    };
    match sorted {
        None => {}
        Some((Standing::Unowned(method), Some(id))) => unowned(gate, link, server, &id, method).await,
        Some((Standing::Note(note), _)) => {
            let session = session.and_then(Weak::upgrade);
            standing::note(gate, link, server, session.as_ref(), note).await;
        }
        Some((Standing::Stray(row), _)) => stray(gate, link, server, row),
        Some((Standing::Late | Standing::Unowned(_), _)) => drop(gate.metrics.strays.inc()),
    }
}

/// Answers a question that belongs to no call: nobody is asked it, as whose it is would be a guess. The first of a link goes on record.
async fn unowned(gate: &Gate, link: &Arc<Link>, server: &Server, id: &Id, method: Method) {
    if let Err(cause) = link.decline(id, method).await {
        tracing::debug!(server = %server.name, %cause, "a question could not be declined");
    }
    if method != Method::Ping && link.first_unowned() {
        crate::event::unowned(gate, link, &server.name, method);
    }
}

/// Counts a message that belongs to nothing; the first of a link goes on record.
fn stray(gate: &Gate, link: &Link, server: &Server, row: u8) {
    gate.metrics.strays.inc();
    if link.first_stray() {
        crate::event::stray(gate, link, &server.name, row);
    }
}

/// Listens to the standing stream of a server over HTTP, as long as the link lives and the server has one. Returns when it is open, or was waited for
/// long enough: what a server says of a call there is lost if it is not.
pub(super) async fn listen(gate: &Arc<Gate>, link: &Arc<Link>, server: &Arc<Server>, session: Option<&Arc<Session>>) {
    let (gate, link, server, session) = (Arc::clone(gate), Arc::clone(link), Arc::clone(server), session.map(Arc::downgrade));
    let wanted = ["tools", "prompts", "resources"].iter().any(|name| link.can(name));
    if !wanted {
        return;
    }
    // Without a stream it goes on: what the server says of no call is then not heard.
    let Ok(place) = Arc::clone(&gate.servers.state(&server).streams).try_acquire_owned() else { return };
    let (opened, open) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let _place = place;
        let mut opened = Some(opened);
        let mut delay = std::time::Duration::from_secs(1);
        while link.is_open() && !gate.ending.is_cancelled() {
            let Some(mut answers) = link.stand().await else { return };
            drop(opened.take());
            loop {
                let next = tokio::select! {
                    () = link.ended.cancelled() => return,
                    () = gate.ending.cancelled() => return,
                    next = answers.next() => next,
                };
                let Some(Ok(frame)) = next else { break };
                delay = std::time::Duration::from_secs(1);
                match link.parse(frame) {
                    Ok(Heard::Message(Message::Notification(note))) => {
                        let session = session.as_ref().and_then(Weak::upgrade);
                        standing::note(&gate, &link, &server, session.as_ref(), note).await;
                    }
                    Ok(Heard::Message(Message::Request(request))) => unowned(&gate, &link, &server, &request.id, request.method).await,
                    Ok(Heard::Message(Message::Response(_))) => stray(&gate, &link, &server, 66),
                    Ok(Heard::Stray(row)) => stray(&gate, &link, &server, row),
                    Err(_) => return link.end(),
                }
            }
            tokio::select! {
                () = link.ended.cancelled() => return,
                () = tokio::time::sleep(delay) => delay = (delay * 2).min(std::time::Duration::from_secs(60)),
            }
        }
    });
    let _ = tokio::time::timeout(STANDING, open).await;
}
