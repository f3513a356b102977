//! Probes of the group `runtime`.

use super::canaries::Reached;
use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use terms::Utc;

/// Variables that a server may have without being given them: one that every server gets, and one that keeps an environment of Python as it was pinned.
const PLAIN: [&str; 2] = ["PATH", "PYTHONDONTWRITEBYTECODE"];

/// A process and what is known of it.
struct Process {
    pid: u32,
    parent: u32,
    command: Vec<String>,
}

/// The environment of every local server that runs.
pub async fn environment(ground: &Ground, steps: &mut Steps) -> Probed {
    let local: BTreeMap<String, &config::Server> =
        ground.file().servers.iter().filter(|(_, server)| server.is_local()).map(|(name, server)| (name.to_string(), server)).collect();
    ground.running()?;
    if local.is_empty() {
        steps.note("looked for local servers", "none", "every server is remote", true);
        return Ok(Finding::NotApplicable);
    }
    let gateway = pid_of_gateway(ground)?;
    let seen = |process: &Process| process.command.get(1).is_some_and(|verb| verb == crate::canary::VERB);
    // A call keeps a canary running for as long as its session is open.
    let mut reached = Reached::find(ground).await.ok();
    if let Some(reached) = &mut reached {
        reached.call("echo", json!({"text": "assessment"})).await?;
    }
    let family = descendants(gateway);
    let held: BTreeSet<u32> = contained(gateway, &family);
    if !held.is_empty() {
        let what = format!("set {} processes aside that Podman and its containers are", held.len());
        steps.note(what, "their variables are Podman's, their images' and their entries'", "not read", true);
    }
    let mut looked = 0;
    for process in family.iter().filter(|process| !held.contains(&process.pid)) {
        // The launcher between the gateway and a server is our own binary.
        if process.command.get(1).is_some_and(|first| first == sandbox::ARGUMENT) {
            continue;
        }
        let names = match std::fs::read(format!("/proc/{}/environ", process.pid)) {
            Ok(bytes) => variables(&bytes),
            // It ended meanwhile: ESRCH where it was open already.
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound || fault.raw_os_error() == Some(3) => continue,
            Err(fault) => {
                steps.note(format!("read the environment of process {}", process.pid), "its names", fault, false);
                continue;
            }
        };
        let server = server_of(process, &family, &local);
        let given: BTreeSet<&str> = match server {
            Some(server) => server.env.keys().chain(server.secrets.keys()).map(config::Environment::as_str).collect(),
            None => BTreeSet::new(),
        };
        let more: Vec<String> =
            names.keys().filter(|name| !given.contains(name.as_str()) && !PLAIN.contains(&name.as_str())).cloned().collect();
        let who = server.and_then(|server| server.run.first()).map_or("a process", String::as_str);
        steps.none(format!("looked for variables of process {} ({who}) that it was not given", process.pid), &more);
        let path = names.get("PATH").cloned().unwrap_or_default();
        let minimal = given.contains("PATH") || path == sandbox::MINIMAL_PATH || path.is_empty();
        steps.note(format!("read PATH of process {}", process.pid), sandbox::MINIMAL_PATH, path, minimal);
        looked += 1;
    }
    if let Some(mut reached) = reached {
        let found = family.iter().any(seen);
        steps.note("looked for the canary among them", "there", if found { "there" } else { "nowhere" }, found);
        reached.agent.close().await;
    }
    if looked == 0 {
        return Err(Trouble::new(
            "looked for local servers that run",
            "none runs now; assess again while one is in use, or add the canary server",
        ));
    }
    Ok(Finding::Judged)
}

/// The names of an environment, with the value of `PATH` alone: others may be credentials.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(String::from_utf8_lossy);
    entries
        .map(|entry| match entry.split_once('=') {
            Some(("PATH", value)) => ("PATH".to_owned(), value.to_owned()),
            Some((name, _)) => (name.to_owned(), String::new()),
            None => (entry.into_owned(), String::new()),
        })
        .collect()
}

/// The server that a process or the one above it is.
fn server_of<'a>(process: &Process, family: &[Process], local: &BTreeMap<String, &'a config::Server>) -> Option<&'a config::Server> {
    let mut at = Some(process);
    while let Some(found) = at {
        let arguments = found.command.get(1..).unwrap_or_default();
        let same = |server: &&&config::Server| server.run.get(1..).unwrap_or_default() == arguments;
        if let Some(server) = local.values().find(same) {
            return Some(server);
        }
        at = family.iter().find(|other| other.pid == found.parent);
    }
    None
}

/// The processes below a launcher that started Podman.
fn contained(gateway: u32, family: &[Process]) -> BTreeSet<u32> {
    let launcher = |process: &Process| {
        let mut at = process;
        while let Some(above) = family.iter().find(|other| other.pid == at.parent) {
            at = above;
        }
        (at.parent == gateway).then_some(at.pid)
    };
    let podman = |process: &&Process| process.command.first().is_some_and(|program| program.ends_with("/podman"));
    let launchers: BTreeSet<u32> = family.iter().filter(podman).filter_map(launcher).collect();
    let below = |process: &&Process| launcher(process).is_some_and(|found| launchers.contains(&found));
    family.iter().filter(below).map(|process| process.pid).collect()
}

/// Every process under `root`.
fn descendants(root: u32) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<Process> = entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect();
    let mut family: Vec<Process> = Vec::new();
    loop {
        let (mine, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|process| process.parent == root || family.iter().any(|known| known.pid == process.parent));
        all = rest;
        if mine.is_empty() {
            return family;
        }
        family.extend(mine);
    }
}

fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc_pid_stat(5): the name stands in brackets and may hold anything; state and parent follow.
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command =
        line.split(|byte| *byte == 0).filter(|part| !part.is_empty()).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    Some(Process { pid, parent, command })
}

/// What happens to a server that dies.
pub async fn restart(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let local: Vec<_> = ground.file().servers.iter().filter(|(_, server)| server.is_local()).collect();
    if local.is_empty() {
        steps.note("looked for local servers", "none", "every server is remote", true);
        return Ok(Finding::NotApplicable);
    }
    let unbound: Vec<String> = local.iter().filter(|(_, server)| server.restart.most == 0).map(|(name, _)| name.to_string()).collect();
    steps.none(format!("looked for servers without a bound on restarts, among {}", local.len()), &unbound);
    let mut reached = Reached::find(ground).await?;
    let before = reached.call("echo", json!({"text": "before"})).await?;
    steps.note("called the canary", "it runs", before.said(), before.ran());
    let dying = canaries(ground);
    ground.upset(&reached.server.name);
    let since = ground.now();
    let stopped = reached.call("stop", json!({})).await?;
    steps.note("let the canary die during a call", "the call fails", stopped.said(), !stopped.ran());
    let died = |record: &Value| {
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        text("event").starts_with("runtime.server-")
            && text("server") == reached.server.name.as_str()
            && Utc::parse(text("time")).is_some_and(|time| time >= since)
    };
    let events = ground.recorded(1, died).await?;
    let severe = events.iter().all(|event| event.get("severity").is_some());
    steps.note("looked for the event in the log", "one, with a severity", events.len(), !events.is_empty() && severe);
    let mut again = reached.call("echo", json!({"text": "after"})).await?;
    for _ in 0..20 {
        if again.ran() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        again = reached.call("echo", json!({"text": "after"})).await?;
    }
    steps.note("called it again", "it was started anew", again.said(), again.ran());
    let left: Vec<String> = canaries(ground).into_iter().filter(|pid| dying.contains(pid)).map(|pid| format!("process {pid}")).collect();
    steps.none(format!("looked for what is left of {} processes", dying.len()), &left);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// The gateway's process.
pub(super) fn pid_of_gateway(ground: &Ground) -> Result<u32, Trouble> {
    let found = ground.running()?.pid;
    found.ok_or_else(|| Trouble::new("looked for the process of the gateway", "the system does not say which it is"))
}

/// The processes of canaries under the gateway.
pub(super) fn canaries(ground: &Ground) -> Vec<u32> {
    let Some(gateway) = ground.running().ok().and_then(|running| running.pid) else { return Vec::new() };
    let is = |process: &Process| process.command.get(1).is_some_and(|verb| verb == crate::canary::VERB);
    descendants(gateway).into_iter().filter(is).map(|process| process.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_not_kept() {
        let found = variables(b"PATH=/bin\0TOKEN=s3cret\0ODD\0\0");
        assert_eq!(found.get("PATH").map(String::as_str), Some("/bin"));
        assert_eq!(found.get("TOKEN").map(String::as_str), Some(""));
        assert!(found.contains_key("ODD") && found.len() == 3);
    }

    #[test]
    fn our_own_children_are_found() {
        let child = std::process::Command::new("sleep").arg("30").spawn();
        let mut child = child.unwrap();
        let found = descendants(std::process::id()).iter().any(|process| process.pid == child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
