//! Runs a local server once to see what it asks for: in its sandbox, with more to read where that is wished, and with no way out at all.

mod names;

use super::fetch::offered;
use super::{Broken, Closed, Contents, Unopened, content_of, local};
use crate::gate::Gate;
use crate::snapshot::{Carrier, Server};
use mcp::{Method, Outcome};
use response::Scope;
use sandbox::{Access, Folder, Network, Seen, Usage, Watched};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use supply::Content;

/// How often memory and processes are looked at.
const LOOK: Duration = Duration::from_millis(25);
/// Until a server that was let go has ended.
const END: Duration = Duration::from_secs(8);

/// One run.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// What it may read beyond its entry.
    pub read: Vec<PathBuf>,
    /// The tools that are called, with their arguments as JSON objects.
    pub calls: Vec<(String, String)>,
    /// How long it is left to itself after that.
    pub linger: Duration,
}

/// What came of one run.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The files that it named.
    pub files: BTreeMap<PathBuf, sandbox::Wish>,
    /// What it would have connected to: a name, where it had asked for one, else an address; and the port.
    pub hosts: Vec<String>,
    /// Requests of its own that could not be noted.
    pub missed: u64,
    /// The most that it took up.
    pub peak: Usage,
    /// What it needs to be run, which it reads in any case.
    pub needs: Vec<PathBuf>,
    /// The gateway's own, that no server may reach.
    pub private: Vec<PathBuf>,
    /// Why it did not come to the end, if it did not.
    pub fault: Option<String>,
    /// Calls that it answered with an error, by their tools.
    pub failed: Vec<String>,
}

/// Starts `server`, where it is a package the one that is `installed`, asks it what it offers, calls what `sight` names, and ends it.
///
/// Nothing that it says leaves this function, and nothing that it sends leaves its sandbox. Where it may read more than its entry says, it may
/// write nowhere but to its own `/tmp`.
///
/// # Errors
/// [`Closed`] when it cannot be started; what goes wrong after that is a part of what was observed.
pub async fn observe(
    gate: &Arc<Gate>,
    server: &Arc<Server>,
    contents: &Arc<dyn Contents>,
    installed: Option<&Content>,
    sight: &Sight,
) -> Result<Observed, Closed> {
    let Carrier::Run(run) = &server.carrier else { return Err(Closed::Entry("it does not run on this machine".to_owned())) };
    let stopped = |scope: &Scope| *scope == Scope::All || *scope == Scope::Server(server.name.clone());
    if let Some(stop) = gate.epochs.stops().into_iter().find(|stop| stopped(&stop.scope)) {
        return Err(Closed::Stopped(response::Stopped { scope: stop.scope }));
    }
    if run.image.is_some() {
        return Err(Closed::Entry("it is started from an image, whose system calls are not noted".to_owned()));
    }
    let found = content_of(contents, run, installed).await?;
    let content = found.content.clone();
    let mut observed =
        Observed { needs: [found.needs.clone(), found.lent.clone()].concat(), private: found.private.clone(), ..Observed::default() };
    let mut spec = local::spec(&gate.servers, run, found, gate.clock.utc())?;
    spec.watched = Watched::Calls;
    spec.network = Network::Doors { ports: Vec::new() };
    let known: Vec<PathBuf> = spec.folders.iter().map(|folder| folder.path.clone()).collect();
    let more: Vec<&PathBuf> = sight.read.iter().filter(|path| !known.contains(path)).collect();
    if !more.is_empty() {
        // INVARIANT: what it reads beyond its entry it can leave nowhere.
        spec.folders.iter_mut().for_each(|folder| folder.access = Access::Read);
    }
    spec.folders.extend(more.into_iter().map(|path| Folder { path: path.clone(), access: Access::Read }));
    let (mut running, count) = local::launched(&gate.servers, &spec).await?;
    let (observer, meter) = (running.observer.take(), running.process.meter());
    // The listeners close: whoever connects is refused, and was noted before.
    let names = running.doors.take().map(|doors| names::Names::answer(doors.names)).transpose();
    let names = names.map_err(|cause| Closed::Entry(cause.to_string()))?;
    let link = local::attend(gate, None, server, run, running, None, count);
    let _ended = Unopened(Some(Arc::clone(&link)));
    gate.servers.state(server).enter(&link);
    let used = async {
        link.open(super::ABILITIES).await?;
        offered(&link, content).await?;
        for (tool, arguments) in &sight.calls {
            let mut params = Vec::with_capacity(arguments.len() + 64);
            let mut object = mcp::json::Object::open(&mut params);
            object.text("name", tool).raw("arguments", arguments.as_bytes());
            object.close();
            let asked = tokio::time::timeout(server.call, link.ask(Method::CallTool, Some(&params)));
            match asked.await.unwrap_or(Err(Broken::Slow)) {
                Ok(response) => {
                    let good = match response.outcome() {
                        Outcome::Result(result) => result.get("isError").is_none_or(|flag| flag.raw() != b"true"),
                        Outcome::Error { .. } => false,
                    };
                    if !good {
                        observed.failed.push(tool.clone());
                    }
                }
                Err(Broken::Slow) => observed.failed.push(tool.clone()),
                Err(broken) => return Err(broken),
            }
        }
        tokio::time::sleep(sight.linger).await;
        Ok::<(), Broken>(())
    };
    let mut peak = Usage::default();
    let looked = async {
        loop {
            peak = peak.max(meter.usage());
            tokio::time::sleep(LOOK).await;
        }
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(super::OPENING + sight.linger, used) => ended.unwrap_or(Err(Broken::Slow)),
        () = looked => Ok(()),
    };
    observed.fault = ended.err().map(|cause| cause.to_string());
    link.leave().await;
    let gone = async {
        while meter.usage().processes > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(END, gone).await;
    let seen = observer.map(|observer| observer.seen()).unwrap_or_default();
    observed.peak = peak;
    observed.hosts = hosts(&seen, names.as_ref());
    observed.missed = seen.missed;
    observed.files = seen.files;
    Ok(observed)
}

/// What it would have connected to, as an entry names it.
fn hosts(seen: &Seen, names: Option<&names::Names>) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for address in &seen.addresses {
        let own = address.port() == 0 || (address.ip().is_loopback() && matches!(address.port(), 53 | 3128));
        if own {
            continue;
        }
        let host = match (address.ip(), names) {
            (IpAddr::V4(ip), Some(names)) => names.name_of(ip).map(|name| format!("{name}:{}", address.port())),
            _ => None,
        };
        hosts.push(host.unwrap_or_else(|| SocketAddr::to_string(address)));
    }
    hosts.sort();
    hosts.dedup();
    hosts
}
