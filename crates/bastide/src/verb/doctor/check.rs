//! What is looked at.

use super::{Finding, tls};
use crate::contents::FileContents;
use crate::desk::{Desk, listed, running};
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::ago;
use crate::sources::{self, Lock};
use crate::verb::audit::FOLDER;
use crate::verb::proposal::many;
use crate::verb::{configured, member};
use crate::wire::{Configured, PACKAGES};
use admin::client::Client;
use audit::read::Folder as _;
use audit::verify::{Against, verify};
use config::{KeySource, ListenTls};
use egress::Resolver as _;
use sandbox::podman::{self, Container, Mount, Reference, Rights};
use sandbox::{Access, Folder, Limits, Network, Standing as Confined};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;
use store::journal::LogFolder;
use terms::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Logs up to this size are verified here; larger ones by `audit verify`.
const MOST_LOG: u64 = 512 << 20;
/// Names of one server's list that are looked up.
const MOST_NAMES: usize = 16;
/// Arguments that may hold any text, of which so many are named.
const MOST_OPEN: usize = 24;
/// How long a listener may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The certificate authority of our own: when its issuer ends, and whether it is late.
fn authority(configured: &Configured, found: &mut Vec<Finding>) {
    let file = &configured.loaded.file;
    let (Some(ca), now) = (&file.ca, SystemClock::new().utc()) else { return };
    let Some((begins, ends)) = crate::ca::validity_in(&file.state) else {
        return found.push(Finding::problem("ca", format!("there is no authority of {} yet", ca.domain)).next("bastide ca init"));
    };
    let due = identity::authority::renewal(begins, ends);
    found.push(if ends <= now {
        Finding::problem("ca", format!("the issuer of {} has ended", ca.domain)).next("bastide ca renew, or bastide ca import")
    } else if due <= now {
        Finding::problem("ca", format!("the issuer of {} ends {} and is not renewed", ca.domain, ago(ends, now))).next("bastide ca renew")
    } else {
        Finding::ok("ca", format!("the issuer of {} ends {}, to be renewed {}", ca.domain, ago(ends, now), ago(due, now)))
    });
}

/// Looks at everything, in the order in which one thing needs another.
pub(super) async fn all(common: &Common) -> Vec<Finding> {
    let configured = match configured(common) {
        Ok(configured) => configured,
        Err(failure) => {
            return vec![
                Finding::problem("config", failure.to_string()).next("mend it; `bastide init` writes a first one where there is none"),
            ];
        }
    };
    let mut found = vec![Finding::ok("config", configured.path.display().to_string())];
    found.extend(configured.loaded.warning_lines(&configured.name()).lines().map(|line| Finding::note("config", line)));
    policy(&configured, &mut found);
    state(&configured, &mut found);
    lock(&configured, &mut found);
    authority(&configured, &mut found);
    tls::look(&configured, &mut found);
    gateway(&configured, &mut found).await;
    log(&configured, &mut found);
    confinement(&mut found);
    images(&configured, &mut found).await;
    outward(&configured, &mut found).await;
    for risk in &configured.loaded.risks {
        let detail =
            format!("accepted: {} at {} until {} ({})", risk.entry.control.id(), risk.entry.scope, risk.entry.until, risk.entry.reason);
        found.push(Finding::note("risk", detail));
    }
    found
}

fn policy(configured: &Configured, found: &mut Vec<Finding>) {
    match sources::policy(configured) {
        Err(failure) => found.push(Finding::problem("policy", failure.to_string()).next("bastide policy check")),
        Ok(engine) => {
            found.push(Finding::ok(
                "policy",
                format!("{} in {}", many(engine.len() as u64, "rule"), many(engine.role_names().count() as u64, "role")),
            ));
            let notices = engine.check(&sources::inventory(configured));
            found.extend(notices.iter().map(|notice| Finding::note("policy", notice.to_string())));
        }
    }
}

fn state(configured: &Configured, found: &mut Vec<Finding>) {
    let path = &configured.loaded.file.state;
    let shown = path.display();
    let finding = match path.symlink_metadata() {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            Finding::note("state", format!("{shown} is not there yet; the first verb that needs it makes it"))
        }
        Err(cause) => Finding::problem("state", format!("{shown} cannot be read: {cause}")),
        Ok(about) if !about.is_dir() => Finding::problem("state", format!("{shown} is not a folder")),
        Ok(about) if about.uid() != rustix::process::geteuid().as_raw() => {
            Finding::problem("state", format!("{shown} belongs to user {}", about.uid()))
        }
        Ok(about) if about.mode() & 0o077 != 0 => {
            Finding::problem("state", format!("{shown} can be reached by others (mode {:o})", about.mode() & 0o777))
                .next(format!("chmod 700 '{shown}'"))
        }
        Ok(_) => Finding::ok("state", format!("{shown} (0700)")),
    };
    found.push(finding);
}

fn lock(configured: &Configured, found: &mut Vec<Finding>) {
    let servers = &configured.loaded.file.servers;
    match sources::lock(configured) {
        Err(failure) => found.push(Finding::problem("lock", failure.to_string())),
        Ok(Lock::Broken(why)) => found.push(Finding::problem("lock", format!("{why}: no server starts")).next("bastide lock")),
        Ok(Lock::Absent) if servers.is_empty() => found.push(Finding::note("lock", "no server is configured yet")),
        Ok(Lock::Absent) => found.push(Finding::problem("lock", "nothing was approved yet: no server starts").next("bastide lock")),
        Ok(Lock::Read(lock)) => {
            let open: Vec<&str> = servers.keys().filter(|name| !lock.servers.contains_key(*name)).map(terms::ServerName::as_str).collect();
            found.push(match open.as_slice() {
                [] => Finding::ok("lock", format!("signed; all {} servers are approved", servers.len())),
                open => Finding::problem("lock", format!("not approved: {}", open.join(", "))).next("bastide lock"),
            });
            packages(configured, &lock, found);
            tools(configured, found);
        }
    }
}

/// What is odd about the approved tools: schemas that cannot be checked, words that say less than the tool itself, texts that nothing bounds.
fn tools(configured: &Configured, found: &mut Vec<Finding>) {
    use terms::Clock as _;
    let Ok(snapshot) = sources::snapshot(configured, SystemClock::new().utc()) else { return };
    let mut open = Vec::new();
    for (server, pinned) in snapshot.servers.values().filter_map(|server| Some((&server.name, server.pinned.as_ref().ok()?))) {
        for item in pinned.tools.iter() {
            let tool = supply::visible(&format!("{server}__{}", item.name)).to_string();
            if let Some(Err(cause)) = &item.input {
                found.push(Finding::note("tool", format!("{tool}: its schema cannot be checked, so every call is refused: {cause}")));
            }
            if let Some(graver) = item.kinds.contradicts() {
                let word = item.operation.map_or("-", terms::Operation::as_str);
                let detail = format!("{tool}: `operation: {word}` by your word; by its name and annotations it is a {}", graver.as_str());
                found.push(Finding::note("tool", detail));
            }
            if item.operation != Some(terms::Operation::Read) {
                open.extend(item.open.names().map(|name| format!("{tool} {}", supply::visible(name))));
            }
        }
    }
    if !open.is_empty() {
        let more = open.len().saturating_sub(MOST_OPEN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown: Vec<&str> = open.iter().take(MOST_OPEN).map(String::as_str).collect();
        let detail =
            format!("may hold any text, and the tool may change something: {}{rest}; bound them, or write `text: free`", shown.join(", "));
        found.push(Finding::note("tool", detail));
    }
}

/// The installed packages, each compared with what was approved.
fn packages(configured: &Configured, lock: &supply::Lock, found: &mut Vec<Finding>) {
    let Ok(folder) = configured.loaded.file.state.join(PACKAGES).canonicalize() else { return };
    let contents = FileContents::new(folder, configured.private(), configured.loaded.file.state.clone());
    for (name, pin) in &lock.servers {
        let supply::Content::Package(package) = &pin.content else { continue };
        let title = supply::visible(&package.title());
        let changed = |cause: String| {
            Finding::problem("package", format!("{name}: {title}: it is not as it was approved: {cause}"))
                .next(format!("bastide lock --update {name}"))
        };
        found.push(match contents.package(package) {
            Ok(now) if now.content == pin.content => Finding::ok("package", format!("{name}: {title}")),
            Ok(now) => changed(format!("{}", now.content)),
            Err(cause) => changed(cause),
        });
    }
}

/// The gateway that runs, its listeners, its vault; else the vault of the state.
async fn gateway(configured: &Configured, found: &mut Vec<Finding>) {
    match running(configured).await {
        Err(failure) => found.push(Finding::problem("gateway", failure.to_string())),
        Ok(Some(client)) => {
            let status: Result<Value, _> = client.get("/api/v1/status").await;
            match status {
                Ok(status) => standing(&status, found),
                Err(cause) => found.push(Finding::problem("gateway", format!("it does not say how it is: {cause}")).next("bastide serve")),
            }
            let file = &configured.loaded.file;
            found.push(listener("data", file.listen.data.address, file.listen.data.tls.as_ref()).await);
            found.push(listener("admin", file.listen.admin.address, file.listen.admin.tls.as_ref()).await);
            if let Some(address) = file.ca.as_ref().and_then(|ca| ca.enrol) {
                found.push(secured("enrol", address).await);
            }
            credentials(configured, held(&client).await, found);
        }
        Ok(None) => {
            found.push(Finding::note("gateway", "it does not run").next("bastide serve"));
            // Only a state that is there is looked at: looking does not make one.
            if configured.loaded.file.state.is_dir() {
                credentials(configured, Desk::at(configured, async |desk| desk.secrets().await).await, found);
            }
        }
    }
}

async fn held(client: &Client) -> Result<Vec<Value>, Failure> {
    listed(client, "secrets").await
}

fn standing(status: &Value, found: &mut Vec<Finding>) {
    found.push(Finding::ok("gateway", format!("runs at {}, {} sessions", member(status, "data"), status["sessions"])));
    found.push(match member(status, "audit") {
        "healthy" => Finding::ok("audit", "takes records"),
        "nearly-full" => {
            Finding::note("audit", "takes records; the volume is nearly full").next("make room on the volume of the state folder")
        }
        state => Finding::problem("audit", format!("takes no records ({state}): every call is refused"))
            .next("make room, or restart the gateway"),
    });
    for stop in status["stops"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let detail = format!("{} is stopped: {}", member(stop, "scope"), supply::visible(member(stop, "reason")));
        found.push(Finding::note("kill", detail).next("bastide release"));
    }
}

/// Whether each credential that is needed is in the vault.
fn credentials(configured: &Configured, held: Result<Vec<Value>, Failure>, found: &mut Vec<Finding>) {
    let held = match held {
        Err(failure) => return found.push(Finding::problem("vault", failure.to_string())),
        Ok(held) => held,
    };
    let held: BTreeSet<&str> = held.iter().map(|one| member(one, "address")).collect();
    found.push(Finding::ok("vault", format!("open, {} entries", held.len())));
    for (who, reference) in needed(&configured.loaded.file) {
        if !held.contains(format!("vault:{reference}").as_str()) {
            found.push(
                Finding::problem("vault", format!("{who} needs {reference}, which is not there"))
                    .next(format!("bastide secret put {reference}")),
            );
        }
    }
}

/// Every place in the vault that the configuration names, with who needs what is there.
fn needed(file: &config::File) -> Vec<(String, &config::Reference)> {
    let mut needed = Vec::new();
    for (name, server) in &file.servers {
        let bearer = server.auth.as_ref().and_then(|auth| auth.bearer.as_ref());
        let key = server.auth.as_ref().and_then(|auth| auth.certificate.as_ref()).map(|ours| &ours.key);
        needed.extend(server.secrets.values().chain(bearer).chain(key).map(|reference| (name.to_string(), reference)));
    }
    let headers = file.telemetry.iter().flat_map(|telemetry| &telemetry.headers);
    needed.extend(headers.map(|(header, reference)| (format!("telemetry.headers.{header}"), reference)));
    for (name, entry) in [("data", &file.listen.data.tls), ("admin", &file.listen.admin.tls)] {
        if let Some(KeySource::Vault(reference)) = entry.as_ref().and_then(ListenTls::files).map(|files| &files.key) {
            needed.push((format!("listen.{name}.tls.key"), reference));
        }
    }
    needed
}

/// Whether a listener is there; in the clear it is asked how it is.
async fn listener(name: &'static str, address: SocketAddr, tls: Option<&ListenTls>) -> Finding {
    if tls.is_some() {
        return secured(name, address).await;
    }
    match tokio::time::timeout(PATIENCE, health(address)).await {
        Ok(Ok(line)) if line.contains(" 200") => Finding::ok(name, format!("{address} answers")),
        Ok(Ok(line)) => Finding::problem(name, format!("{address} answers something else: {}", supply::visible(&line))),
        Ok(Err(cause)) => unreached(name, address, &cause),
        Err(_) => silent(name, address),
    }
}

/// Whether a listener inside TLS is there. Nothing is said to it: it may ask for a certificate that we have not, and a handshake that fails is put on
/// record, while a client that just leaves is not.
async fn secured(name: &'static str, address: SocketAddr) -> Finding {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Finding::ok(name, format!("{address} listens, inside TLS")),
        Ok(Err(cause)) => unreached(name, address, &cause),
        Err(_) => silent(name, address),
    }
}

fn unreached(name: &'static str, address: SocketAddr, cause: &std::io::Error) -> Finding {
    Finding::problem(name, format!("{address} cannot be reached: {cause}"))
}

fn silent(name: &'static str, address: SocketAddr) -> Finding {
    Finding::problem(name, format!("{address} does not answer within {} s", PATIENCE.as_secs()))
}

/// The first line that `/health` answers.
async fn health(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(4096).read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned())
}

fn log(configured: &Configured, found: &mut Vec<Finding>) {
    let path = configured.loaded.file.state.join(FOLDER);
    if !path.is_dir() {
        return found.push(Finding::note("log", "there is none yet"));
    }
    if size(&path).is_none_or(|bytes| bytes > MOST_LOG) {
        return found.push(Finding::note("log", "it is too large to be verified here").next("bastide audit verify"));
    }
    let folder = LogFolder::new(path);
    let report = verify(&folder, &Against::default());
    found.push(if report.ok {
        Finding::ok("log", format!("{} records verify", report.records))
    } else {
        Finding::problem("log", format!("{} problems", report.problems.len())).next("bastide audit verify")
    });
    if let (audit::Live::Stopped, Some(bytes)) = (folder.live(), report.checkpoint.as_ref().map(|point| point.size))
        && bytes < report.records
    {
        found.push(Finding::note("log", "its last writer did not close it").next("the next start takes care of it"));
    }
}

fn size(path: &Path) -> Option<u64> {
    let mut bytes = 0_u64;
    for node in LogFolder::new(path).walk().ok()? {
        if let audit::Sort::File { bytes: more, .. } = node.sort {
            bytes = bytes.saturating_add(more);
        }
    }
    Some(bytes)
}

/// What local servers may reach, and where that leads from here.
async fn outward(configured: &Configured, found: &mut Vec<Finding>) {
    let lists = configured.loaded.file.servers.iter().filter(|(_, server)| !server.sandbox.egress.is_empty());
    let lists: Vec<_> = lists.filter_map(|(name, server)| Some((name, egress::Rules::new(&server.sandbox.egress).ok()?))).collect();
    if lists.is_empty() {
        return;
    }
    for (server, rules) in &lists {
        let ports: Vec<String> = rules.ports().iter().map(u16::to_string).collect();
        found.push(Finding::ok("egress", format!("{server} reaches what is listed, at ports {}", ports.join(", "))));
        for (name, port) in rules.exact().take(MOST_NAMES) {
            let led = tokio::time::timeout(PATIENCE, egress::System.resolve(name)).await;
            let addresses = led.map_err(|_| "it takes too long".to_owned()).and_then(|led| led.map_err(|cause| cause.to_string()));
            found.extend(match addresses {
                Err(cause) => Some(Finding::note("egress", format!("{server}: {name} cannot be resolved here: {cause}"))),
                Ok(addresses) => addresses.into_iter().find_map(|address| {
                    let reach = rules.may_lead(address, port).err()?;
                    let detail = format!("{server}: {name} leads to {address}, which is {reach} and not listed, so it is refused");
                    Some(Finding::note("egress", detail).next(format!("list the address too: {}", entry(address, port))))
                }),
            });
        }
    }
    found.push(if egress::can_mark() {
        Finding::ok("egress", "outgoing connections of local servers are marked, each server with a mark of its own")
    } else {
        Finding::note("egress", "outgoing connections of local servers are not marked: that needs CAP_NET_ADMIN")
    });
}

fn entry(address: std::net::IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// Whether Podman can hold the servers that are started from images, each tried without the server itself.
async fn images(configured: &Configured, found: &mut Vec<Finding>) {
    let file = &configured.loaded.file;
    let servers = file.servers.iter().filter_map(|(name, server)| Some((name, server, server.image.as_ref()?)));
    let servers: Vec<_> = servers.map(|(name, server, image)| (name.clone(), server.clone(), image.clone())).collect();
    // Looking does not make a state.
    if servers.is_empty() || !file.state.is_dir() {
        return;
    }
    let contents = FileContents::new(file.state.join(PACKAGES), configured.private(), file.state.clone());
    let tried = tokio::task::spawn_blocking(move || servers.into_iter().map(|server| image(&contents, server)).collect::<Vec<_>>());
    found.extend(tried.await.unwrap_or_else(|cause| vec![Finding::problem("podman", cause.to_string())]));
}

fn image(contents: &FileContents, (name, server, image): (terms::ServerName, config::Server, String)) -> Finding {
    let attempt = || {
        let engine = contents.engine()?;
        let image = Reference::new(&image)?;
        engine.has(&image)?;
        if engine.rights() == Rights::Rootless && !server.sandbox.egress.is_empty() {
            return Err(sandbox::Error::ContainerDoors);
        }
        let folders = [(&server.sandbox.read, Access::Read), (&server.sandbox.write, Access::Write)];
        let folders = folders.into_iter().flat_map(|(paths, access)| paths.iter().map(move |path| Folder { path: path.clone(), access }));
        engine.attempt(&Container {
            name: podman::name(name.as_str(), terms::Clock::utc(&SystemClock::new())),
            server: name.as_str().to_owned(),
            image,
            command: server.run.clone(),
            plain: Vec::new(),
            sealed: Vec::new(),
            limits: Limits {
                memory_bytes: Some(server.sandbox.memory.bytes()),
                cpu_cores: Some(f64::from(server.sandbox.cpu)),
                processes: server.sandbox.processes,
                files: u64::from(server.sandbox.files),
                ..Limits::default()
            },
            mounts: folders.map(|folder| Mount::of(&folder)).collect::<Result<_, _>>()?,
            private: Vec::new(),
            network: Network::Closed,
        })
    };
    match attempt() {
        Ok(()) => Finding::ok("podman", format!("{name}: holds a container of {image}, which was made for this and removed")),
        Err(cause @ sandbox::Error::ImageAbsent(_)) => {
            Finding::problem("podman", format!("{name}: {cause}")).next(format!("podman pull {image}"))
        }
        Err(cause) => Finding::problem("podman", format!("{name}: {}", supply::visible(&cause.to_string()))),
    }
}

/// What confines a local server here, each layer tried, and, as plainly, what does not.
fn confinement(found: &mut Vec<Finding>) {
    for one in sandbox::capabilities().all {
        found.push(match one.standing {
            Confined::Holds => Finding::ok("sandbox", one.detail()),
            Confined::Weaker(_) => Finding::note("sandbox", one.detail()),
            Confined::Missing(_) => Finding::problem("sandbox", one.detail()),
        });
    }
}
