//! `serve`: runs the gateway until it is told to end.

use crate::host::SystemClock;
use crate::log_line::LogLine;
use crate::outcome::{Common, Failure, tell, warn};
use crate::room::Room;
use crate::secured::{self, Doors, Lobby, Secured};
use crate::wire::{Configured, Wired, reconcile, user_name, wire};
use gateway::front::Front;
use gateway::gate::Gate;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use transport::http::{Limits, Most};
use transport::lanes::Lanes;
use transport::local::Listener;
use transport::tls::Inside;

/// How many times the connections of another source this machine may have: all its clients share one address.
const LOOPBACK: usize = 8;
/// How often it is looked which tokens have ended.
const EXPIRY: Duration = Duration::from_millis(500);

/// How often the files are looked at by which remote servers are known.
const PAPERS: Duration = Duration::from_secs(1);

/// How long open calls and streams are given at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// How it runs.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Log what is less than a warning too: error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
    /// Leave the terminal and the session of whoever starts it
    #[arg(long, hide = true)]
    background: bool,
}

/// Serves until SIGTERM or SIGINT; SIGHUP reloads.
///
/// # Errors
/// [`Failure`] when it cannot start.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    if args.background {
        // Whoever started it may end, and its terminal close.
        let _ = rustix::process::setsid();
    }
    // What cannot be logged must not end the thread that logs it, as it would by default on a full disk.
    tracing_subscriber::fmt().log_internal_errors(false).event_format(LogLine).with_writer(std::io::stderr).with_max_level(args.log).init();
    let configured = Configured::read(common.config.as_deref(), &SystemClock::new())?;
    let wired = Arc::new(wire(&configured).await?);
    let served = serving(&configured, &wired, common).await;
    wired.gate.sum_up().await;
    wired.close().await;
    served
}

async fn serving(configured: &Configured, wired: &Arc<Wired>, common: &Common) -> Result<ExitCode, Failure> {
    let file = &configured.loaded.file;
    let gate = &wired.gate;
    // A file that may not grow is a fault of that write, which refuses; by default this signal would end the process.
    let _too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    let told = Told::listen()?;
    announce(configured, wired);
    if !wired.recovery.clean {
        let count = reconcile(wired).await?;
        if count > 0 {
            warn(&format!("audit: {count} calls were under way when the last gateway ended; what became of them cannot be told"));
        }
    }
    let listen = &file.listen;
    wired.authority.prepare(listen).await?;
    let lobby = listen.data.tls.as_ref().map(|_| Lobby::new().map(Arc::new)).transpose()?;
    let open = |listener, entry: Option<&_>, inside, lobby| {
        entry.map(|entry| Secured::open(listener, entry, file.profile, inside, lobby, wired).map(Arc::new)).transpose()
    };
    let data_tls = open("data", listen.data.tls.as_ref(), &[Inside::Http2, Inside::Http1], lobby.clone())?;
    let admin_tls = open("admin", listen.admin.tls.as_ref(), &[Inside::Http1], None)?;
    let enrol = crate::ca::enrol::open(file, wired).await?;
    let data = bind(listen.data.address, "listen.data.address").await?;
    let socket = Listener::bind(&file.state.join("bastide.sock"), &[]).await.map_err(|cause| Failure::caused(&cause))?;
    let admin = crate::acts::open(configured, wired, Doors { data: data_tls.clone(), admin: admin_tls.clone(), lobby }).await?;
    let bounds = gate.snapshot().bounds;
    let room = Room::make();
    let connections = Most { total: room.data, source: bounds.connections, loopback: bounds.connections.saturating_mul(LOOPBACK) };
    let limits = Limits { connections, header: bounds.header, write: bounds.write, idle: bounds.idle, streams: bounds.streams };
    let front = Arc::new(Front::new(Arc::clone(gate)));
    let answered = data.local_addr()?;
    let socket_path = socket.path().to_owned();
    let lanes = Arc::new(Lanes::start(std::thread::available_parallelism()?)?);
    let (on, ending) = (Arc::clone(&lanes), gate.ending.clone());
    let tls = data_tls.as_ref().map(|secured| Arc::clone(&secured.tls));
    let serving = tokio::spawn(async move { transport::http::serve(data, tls, limits, front, &on, ending).await });
    let tls = tokio::spawn(secured::watch(
        data_tls.iter().chain(&admin_tls).chain(enrol.as_ref().map(|enrol| &enrol.secured)).cloned().collect(),
        Arc::clone(wired),
    ));
    let tending = tokio::spawn(crate::ca::tend(Arc::clone(wired)));
    let enrol_address = enrol.as_ref().map(|enrol| enrol.address);
    let enrolling = tokio::spawn(crate::ca::enrol::serve(enrol, Arc::clone(wired)));
    let (on, at) = (Arc::clone(&lanes), Arc::clone(gate));
    let local = tokio::spawn(async move { gateway::local::serve(at, socket, room.local, &on, Arc::new(user_name)).await });
    let ends = tokio::spawn(expiry(Arc::clone(gate)));
    let papers = tokio::spawn(papers(Arc::clone(gate)));
    let house = tokio::spawn(housekeeping(Arc::clone(wired)));
    let retention = tokio::spawn(crate::retention::keep(Arc::clone(wired)));
    let untold = CancellationToken::new();
    let report = tokio::spawn(gateway::report::run(Arc::clone(gate), untold.clone()));
    let interruptions = tokio::spawn(crate::retention::interruptions(Arc::clone(wired)));
    let ready = serde_json::json!({
        "ready": true,
        "data": if gate.snapshot().listen.is_secured() { format!("{}/mcp", gate.snapshot().listen.base) } else { format!("http://{answered}/mcp") },
        "admin": format!("{}://{}", if listen.admin.tls.is_some() { "https" } else { "http" }, admin.address()),
        "socket": socket_path,
        "enrol": enrol_address.map(|address| format!("https://{address}")),
    });
    crate::outcome::say(&format!("{ready}\n"))?;
    if !common.json {
        tell(&format!("tools {}/mcp   {} servers   ready", gate.snapshot().listen.base, gate.snapshot().servers.len()));
    }
    told.until_over(&configured.path, wired).await;
    drain(gate).await;
    for task in [serving, local, ends, papers, house, retention, interruptions, tls, tending, enrolling] {
        if tokio::time::timeout(DRAIN, task).await.is_err() {
            tracing::warn!("something was still open at the end");
        }
    }
    // Last of all: every call is over, and is told.
    untold.cancel();
    if tokio::time::timeout(DRAIN, report).await.is_err() {
        tracing::warn!("telemetry was still under way at the end");
    }
    admin.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Listens on `address`, which the key `key` of the configuration names.
///
/// # Errors
/// [`Failure`].
pub async fn bind(address: std::net::SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|cause| {
        Failure::system(format!("{key}: {address} cannot be listened on"))
            .because(&cause)
            .next("end what listens there, or choose another port")
    })
}

/// Says what is weaker than it could be: nothing of it is silent.
fn announce(configured: &Configured, wired: &Wired) {
    for line in configured.loaded.warning_lines(&configured.name()).lines() {
        warn(line);
    }
    let local = |server: &std::sync::Arc<gateway::snapshot::Server>| matches!(server.carrier, gateway::snapshot::Carrier::Run(_));
    let servers = &wired.gate.snapshot().servers;
    if servers.values().any(local) {
        for capability in sandbox::capabilities().gaps() {
            warn(&format!("sandbox: {}", capability.detail()));
        }
    }
    if let Some(fault) = &wired.lock_fault {
        warn(&format!("lock: {fault}. No server starts until it is signed: bastide lock"));
    }
    if wired.vault.is_none() {
        warn("vault: locked. Servers that need a credential are refused");
    }
    for risk in &configured.loaded.risks {
        warn(&format!("accepted risk: {} at {} until {} ({})", risk.entry.control.id(), risk.server, risk.entry.until, risk.entry.reason));
    }
    if wired.recovery.torn_bytes > 0 {
        crate::acts::recovered(wired);
    }
}

/// What the gateway is told by signals. They are listened to before it says that it is ready: by default each of them would end the process at once.
struct Told {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Told {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the end; reloads on the way.
    async fn until_over(mut self, path: &std::path::Path, wired: &Arc<Wired>) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.interrupt.recv() => return,
                () = wired.gate.ending.cancelled() => return,
                _ = self.hangup.recv() => match crate::acts::reload(path.to_owned(), wired).await {
                    Ok(()) => tell("configuration reloaded"),
                    Err(cause) => tell(&format!("! the configuration was not reloaded, the last one stays in force\n{cause}")),
                },
            }
        }
    }
}

/// Puts the file as it is now in force, all of it or nothing.
///
/// # Errors
/// [`Failure`]; the last good configuration then stays.
pub async fn reload(path: &std::path::Path, wired: &Wired) -> Result<(), Failure> {
    let mut in_force = wired.reviews.in_force().lock().await;
    let configured = Configured::read(Some(path), &*wired.clock)?;
    let before = wired.gate.snapshot();
    let (snapshot, fault) = configured.snapshot(&wired.lock_key.verifying_key(), &*wired.clock)?;
    if snapshot.listen.base != before.listen.base || configured.loaded.file.listen.places() != in_force.loaded.file.listen.places() {
        return Err(Failure::usage("`listen` cannot change while the gateway runs").next("restart it"));
    }
    if configured.loaded.file.listen.admin.hosts != in_force.loaded.file.listen.admin.hosts {
        return Err(Failure::usage("`listen.admin.hosts` cannot change while the gateway runs").next("restart it"));
    }
    let held = |bounds: &gateway::snapshot::Bounds| {
        let gateway::snapshot::Bounds { connections, header, write, idle, streams, .. } = *bounds;
        (connections, header, write, idle, streams)
    };
    if held(&snapshot.bounds) != held(&before.bounds) {
        let keys = "`connections`, `header`, `write`, `idle` and `streams` of `bounds`";
        return Err(Failure::usage(format!("{keys} cannot change while the gateway runs")).next("restart it"));
    }
    if configured.loaded.file.ca != in_force.loaded.file.ca {
        return Err(Failure::usage("`ca` cannot change while the gateway runs").next("restart it"));
    }
    if configured.loaded.file.dns != in_force.loaded.file.dns {
        return Err(Failure::usage("`dns` cannot change while the gateway runs").next("restart it"));
    }
    if configured.loaded.file.proxy != in_force.loaded.file.proxy {
        return Err(Failure::usage("`proxy` cannot change while the gateway runs").next("restart it"));
    }
    if configured.loaded.file.telemetry != in_force.loaded.file.telemetry {
        return Err(Failure::usage("`telemetry` cannot change while the gateway runs").next("restart it"));
    }
    if let Some(fault) = fault {
        tracing::warn!(%fault, "the lock cannot be used");
    }
    wired.gate.servers.learn();
    wired.gate.replace(Arc::new(snapshot));
    *in_force = configured;
    Ok(())
}

/// Lets calls end, then ends everything.
async fn drain(gate: &Arc<Gate>) {
    let until = tokio::time::Instant::now() + DRAIN.mul_f32(0.6);
    while gate.calls.count() > 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.ending.cancel();
    gate.calls.stop(gateway::calls::Stop::Cancelled, |_| true);
    let sessions = gate.sessions.end(|_| true);
    let leaving = sessions.iter().map(|session| gate.leave(session));
    let _ = tokio::time::timeout(DRAIN.mul_f32(0.3), futures_util::future::join_all(leaving)).await;
    gate.servers.cut(None);
}

/// Ends what hangs on a token soon after the token has ended.
async fn expiry(gate: Arc<Gate>) {
    let mut tick = tokio::time::interval(EXPIRY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = gate.ending.cancelled() => return,
            _ = tick.tick() => gate.expire(),
        }
    }
}

/// Looks after how remote servers are known.
async fn papers(gate: Arc<Gate>) {
    let mut tick = tokio::time::interval(PAPERS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = gate.ending.cancelled() => return,
            _ = tick.tick() => gate.servers.look_at_papers(&gate).await,
        }
    }
}

/// What is done now and then: refusals of strangers are summed up, sessions and tokens that nobody uses any more are let go.
async fn housekeeping(wired: Arc<Wired>) {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = wired.gate.ending.cancelled() => return,
            _ = tick.tick() => {}
        }
        wired.gate.sum_up().await;
        wired.gate.end_outlived();
        wired.gate.sweep(Duration::from_secs(30 * 60)).await;
        if let Err(cause) = wired.tokens().forget(wired.clock.utc()).await {
            tracing::warn!(%cause, "ended tokens could not be forgotten");
        }
    }
}
