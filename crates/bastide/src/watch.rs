//! `server watch`: runs a server until nothing new is asked for, or watches the use that its clients make of it, and proposes the smallest entry that
//! covers what was seen.

mod propose;

use admin::{Watched, Watching, Withheld};
use egress::Protocol;
use gateway::doors::{Closed, Contents, Observed, PORTS, Sight, observe, overhear};
use gateway::gate::Gate;
use gateway::snapshot::{Carrier, Server};
use propose::Scene;
use sandbox::Wish;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use supply::Content;

/// Runs at most: each one may show what the one before kept from being asked for.
const ROUNDS: u32 = 6;
/// When no further run is begun, so that the last one ends before whoever asked goes away.
const LONG: Duration = Duration::from_secs(25);
/// Longest that a server is left to itself.
const LINGER: Duration = Duration::from_secs(20);
/// What is proposed is this much more than what was seen.
const HEADROOM: u64 = 2;
/// No less memory and no fewer processes are proposed.
const LEAST: (u64, u64) = (128 << 20, 16);
/// Processes are proposed in steps.
const STEP: u64 = 8;

/// Watches `server`; where it is a package, the one that is `installed`.
///
/// # Errors
/// [`Closed`] when it cannot be started at all.
pub async fn watch(
    gate: &Arc<Gate>,
    server: &Arc<Server>,
    contents: &Arc<dyn Contents>,
    installed: Option<&Content>,
    wish: &Watching,
) -> Result<Watched, Closed> {
    let begun = Instant::now();
    let home = home();
    let hints = hints(server);
    let mut all = Observed::default();
    let mut sight = Sight {
        read: Vec::new(),
        calls: wish.calls.iter().map(|call| (call.tool.clone(), serde_json::Value::from(call.arguments.clone()).to_string())).collect(),
        linger: Duration::from_secs(wish.seconds).min(LINGER),
        ports: Vec::new(),
    };
    // Nothing beyond its entry at first: then it is known what it needs to be run, and what is the gateway's own.
    let mut rounds = 0;
    loop {
        rounds += 1;
        let seen = Box::pin(observe(gate, server, contents, installed, &sight)).await?;
        merge(&mut all, seen);
        let scene = Scene { hints: &hints, home: home.as_deref(), needs: &all.needs, private: &all.private };
        let draft = propose::draft(&all.files, &scene);
        let read: Vec<PathBuf> = scene.given().into_iter().chain(draft.read.iter().chain(&draft.write).cloned()).collect();
        let read: Vec<PathBuf> = read.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let ports: BTreeSet<u16> = all.hosts.keys().map(|(_, port)| *port).filter(|port| *port != egress::PROXY_PORT).collect();
        let ports: Vec<u16> = ports.into_iter().take(PORTS).collect();
        let complete = read == sight.read && ports == sight.ports;
        if complete || rounds == ROUNDS || begun.elapsed() > LONG {
            let (egress, refused) = hosts(std::mem::take(&mut all.hosts));
            let watched = proposed(server, all, draft, egress);
            let withheld = watched.withheld.into_iter().chain(refused).collect();
            return Ok(Watched { rounds, complete: complete && watched.complete, withheld, ..watched });
        }
        (sight.read, sight.ports) = (read, ports);
    }
}

/// Watches the use that its clients make of `server`, of whose entry `egress` is: that stays, since what is not in it is on record already.
///
/// # Errors
/// [`Closed`] when it cannot be watched.
pub async fn overheard(gate: &Arc<Gate>, server: &Arc<Server>, egress: &[String], wish: &Watching) -> Result<Watched, Closed> {
    let all = overhear(gate, server, Duration::from_secs(wish.seconds).min(LINGER)).await?;
    let home = home();
    let hints = hints(server);
    let scene = Scene { hints: &hints, home: home.as_deref(), needs: &all.needs, private: &all.private };
    let draft = propose::draft(&all.files, &scene);
    Ok(proposed(server, all, draft, egress.to_vec()))
}

/// The answer of one run.
fn proposed(server: &Server, all: Observed, draft: propose::Draft, egress: Vec<String>) -> Watched {
    Watched {
        server: server.name.clone(),
        rounds: 1,
        complete: all.fault.is_none(),
        fault: all.fault,
        failed: all.failed,
        read: draft.read,
        write: draft.write,
        egress,
        memory: all.peak.memory_bytes.saturating_mul(HEADROOM).max(LEAST.0).next_power_of_two(),
        processes: all.peak.processes.saturating_mul(HEADROOM).max(LEAST.1).next_multiple_of(STEP),
        peak_memory: all.peak.memory_bytes,
        peak_processes: all.peak.processes,
        withheld: draft.withheld,
        missed: all.missed,
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// What the last run came to counts; what was asked for in any of them does.
fn merge(all: &mut Observed, seen: Observed) {
    for (path, wish) in seen.files {
        let known = all.files.entry(path).or_insert(Wish::Look);
        *known = wish.max(*known);
    }
    for (host, spoken) in seen.hosts {
        let known = all.hosts.entry(host).or_insert(None);
        *known = known.or(spoken);
    }
    all.peak = all.peak.max(seen.peak);
    all.missed = all.missed.saturating_add(seen.missed);
    (all.fault, all.failed, all.needs, all.private) = (seen.fault, seen.failed, seen.needs, seen.private);
}

/// What can be an entry as it is, and what needs the operator's word.
fn hosts(seen: BTreeMap<(String, u16), Option<Protocol>>) -> (Vec<String>, Vec<Withheld>) {
    let mut refused = Vec::new();
    let entries = seen.into_iter().map(|((host, port), spoken)| Protocol::entry(&host, port, spoken));
    let fit = entries.filter(|host| match egress::Rules::new(std::slice::from_ref(host)) {
        Ok(_) => true,
        Err((_, cause)) => {
            refused.push(Withheld { path: PathBuf::from(host), why: cause.to_string() });
            false
        }
    });
    let fit = fit.collect();
    (fit, refused)
}

/// The paths that the operator wrote into the entry: what lies below one is proposed as that one.
fn hints(server: &Server) -> Vec<PathBuf> {
    let Carrier::Run(run) = &server.carrier else { return Vec::new() };
    let words = run.command.iter().skip(1).chain(run.env.values());
    let paths = words.flat_map(|word| [Some(word.as_str()), word.split_once('=').map(|(_, value)| value)]).flatten();
    let written = paths.filter(|word| word.starts_with('/')).map(PathBuf::from);
    let given = run.folders.iter().map(|folder| folder.path.clone());
    written.chain(given).filter(|path| Path::new(path).exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_needs_its_word_is_not_proposed() {
        let seen = [
            ("api.example.com", 443, Some(Protocol::Tls)),
            ("web.example.com", 8081, Some(Protocol::Http)),
            ("chat.example.com", 9000, Some(Protocol::Ssh)),
            ("plain.example.com", 9000, None),
            ("mail.example.com", 25, None),
            ("203.0.113.9", 22, Some(Protocol::Ssh)),
        ];
        let (fit, refused) = hosts(seen.map(|(host, port, spoken)| ((host.to_owned(), port), spoken)).into());
        assert_eq!(fit, ["api.example.com:443", "chat.example.com:9000", "plain.example.com:9000", "http://web.example.com:8081"]);
        assert!(refused.iter().all(|one| !one.why.is_empty()) && refused.len() == 2, "{refused:?}");
    }
}
