//! Probes of how local servers are confined: looked at from outside, at the canary while it runs.

use super::canaries::Reached;
use super::ground::Ground;
use super::runtime::{canaries, pid_of_gateway};
use super::steps::{Finding, Probed, Steps, Trouble};
use sandbox::Standing;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use terms::Control;

/// Namespaces that a server has of its own.
const SPACES: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
/// Capability sets of proc_pid_status(5).
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// Whether there is any local server to look at.
pub(super) fn local(ground: &Ground, steps: &mut Steps) -> bool {
    let any = ground.file().servers.values().any(config::Server::is_local);
    if !any {
        steps.note("looked for local servers", "none", "every server is remote", true);
    }
    any
}

/// The canary while it runs, and its folder in `/proc`.
pub(super) async fn running(ground: &Ground) -> Result<(Reached, PathBuf), Trouble> {
    let mut reached = Reached::find(ground).await?;
    reached.call("echo", json!({"text": "assessment"})).await?;
    let pid = canaries(ground).first().copied().ok_or_else(|| Trouble::new("looked for the process of the canary", "there is none"))?;
    Ok((reached, Path::new("/proc").join(pid.to_string())))
}

/// The interfaces of a process's network but for loopback, from proc_pid_net(5).
pub(super) fn interfaces(process: &Path) -> Vec<String> {
    let table = std::fs::read_to_string(process.join("net/dev")).unwrap_or_default();
    let names = table.lines().skip(2).filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    names.filter(|name| name != "lo").collect()
}

/// The canary's namespaces, rights, filters and root.
pub async fn sandbox(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let tried = tokio::task::spawn_blocking(::sandbox::capabilities).await.map_err(|fault| Trouble::new("tried every layer", fault))?;
    let missing: Vec<String> =
        tried.all.iter().filter(|one| matches!(one.standing, Standing::Missing(_))).map(|one| one.detail()).collect();
    steps.none(format!("tried each of {} layers of confinement on this machine", tried.all.len()), &missing);
    let (mut reached, process) = running(ground).await?;
    let gateway = Path::new("/proc").join(pid_of_gateway(ground)?.to_string());
    let space = |of: &Path, name: &str| std::fs::read_link(of.join("ns").join(name)).ok();
    let shared: Vec<String> = SPACES
        .into_iter()
        .filter(|name| space(&process, name).is_none() || space(&process, name) == space(&gateway, name))
        .map(str::to_owned)
        .collect();
    steps.none(format!("compared {} namespaces of the canary with the gateway's; looked for shared ones", SPACES.len()), &shared);
    let status = status(&process);
    let field = |name: &str| status.get(name).map_or("", String::as_str);
    let able: Vec<String> =
        SETS.into_iter().filter(|set| field(set).is_empty() || field(set).bytes().any(|digit| digit != b'0')).map(str::to_owned).collect();
    steps.none(format!("read {} sets of capabilities of the canary; looked for any that is not empty", SETS.len()), &able);
    steps.equal("read whether it can gain privileges by executing", "1", field("NoNewPrivs"));
    let filters = field("Seccomp_filters").parse().unwrap_or(0);
    steps.note("counted its filters of system calls", "two at least", filters, field("Seccomp") == "2" && filters >= 2);
    let root = process.join("root");
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let own = [ground.state().to_owned(), ground.configured().path.clone()];
    let seen: Vec<String> = own.iter().filter(|path| inside(path).exists()).map(|path| path.display().to_string()).collect();
    steps.none("looked in its root for the state and the configuration", &seen);
    let there = inside(Path::new("/usr")).exists();
    steps.note("looked in its root for the system's programs", "there", if there { "there" } else { "nowhere" }, there);
    let mounts = std::fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
    steps.none("read its mounts; looked for some that can be written to and were not given", &writable(ground, &reached, &mounts));
    steps.none("read its network interfaces; looked for others than loopback", &interfaces(&process));
    reached.agent.close().await;
    let accepted: Vec<String> = ground
        .loaded()
        .risks
        .iter()
        .filter(|risk| risk.entry.control == Control::RuntimeSandbox && risk.ends > ground.now())
        .map(|risk| risk.server.to_string())
        .collect();
    steps.none("looked for servers that may be weaker", &accepted);
    Ok(if accepted.is_empty() { Finding::Judged } else { Finding::Accepted })
}

/// The places of `mounts` (proc_pid_mountinfo(5)) that the canary may write to, without its scratch and what it was given.
fn writable(ground: &Ground, reached: &Reached, mounts: &str) -> Vec<String> {
    let own = ["/tmp", "/dev/shm"];
    let given: Vec<PathBuf> = ground
        .file()
        .servers
        .get(&reached.server.name)
        .map(|server| server.sandbox.write.iter().filter_map(|path| path.canonicalize().ok()).collect())
        .unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(place), Some(options)) = (fields.next(), fields.next()) else { continue };
        let device = place.starts_with("/dev/");
        let known = own.contains(&place) || device || given.iter().any(|path| path == Path::new(place));
        if options.split(',').any(|option| option == "rw") && !known {
            found.push(place.to_owned());
        }
    }
    found
}

/// The canary's limits, and those of every entry.
pub async fn limits(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let (mut reached, process) = running(ground).await?;
    let Some(entry) = ground.file().servers.get(&reached.server.name) else {
        return Err(Trouble::new("looked for the entry of the canary", "there is none"));
    };
    let text = std::fs::read_to_string(process.join("limits")).unwrap_or_default();
    let hard = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(u64::MAX)
    };
    let most = [
        ("open files", "Max open files", u64::from(entry.sandbox.files)),
        // The launcher's own three count with them.
        ("processes and threads", "Max processes", u64::from(entry.sandbox.processes).saturating_add(3)),
        ("bytes of a core", "Max core file size", 0),
        ("bytes of a file", "Max file size", ::sandbox::Limits::default().file_bytes),
    ];
    for (what, name, wanted) in most {
        let found = hard(name);
        steps.note(format!("read the limit on {what} of the canary"), format!("at most {wanted}"), found, found <= wanted);
    }
    let groups = std::fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    let grouped = groups.lines().any(|line| line.contains("/bastide-"));
    let how =
        if grouped { "by a control group" } else { "looked at once a second, processors by affinity: there is no control group here" };
    steps.note("looked how its memory and processors are limited", "by a control group, or by looking", how, true);
    let endless: Vec<String> =
        ground.file().servers.iter().filter(|(_, server)| server.call.duration().is_zero()).map(|(name, _)| name.to_string()).collect();
    steps.none("looked for servers whose calls may take for ever", &endless);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// The account of every local server that is configured or runs.
pub async fn identities(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let servers: Vec<_> = ground.file().servers.iter().filter(|(_, server)| server.is_program()).map(|(name, _)| name).collect();
    let state = ground.state().to_string_lossy();
    let accounts: BTreeSet<u32> = servers.iter().map(|name| ::sandbox::account(&state, name.as_str())).collect();
    steps.equal("counted the accounts of the local servers", servers.len(), accounts.len());
    let shared: Vec<String> = ground
        .file()
        .servers
        .iter()
        .flat_map(|(name, server)| server.secrets.values().map(move |reference| (name, reference)))
        .filter(|(name, reference)| reference.owner() != name.as_str())
        .map(|(name, reference)| format!("{name} uses {reference}"))
        .collect();
    steps.none("looked for credentials that a server shares with another", &shared);
    let (mut reached, process) = running(ground).await?;
    let expected = ::sandbox::account(&state, reached.server.name.as_str()).to_string();
    let gateway = Path::new("/proc").join(pid_of_gateway(ground)?.to_string());
    let user =
        |of: &Path| status(of).get("Uid").and_then(|text| text.split_ascii_whitespace().next().map(str::to_owned)).unwrap_or_default();
    let (found, own) = (user(&process), user(&gateway));
    steps.note(
        "read the account that the canary runs under",
        "one of its own",
        account_named(&found, &own, &expected),
        found != own && !found.is_empty(),
    );
    reached.agent.close().await;
    Ok(Finding::Judged)
}

fn account_named(found: &str, gateway: &str, expected: &str) -> String {
    if found == gateway {
        return "the gateway's, in namespaces of its own: only a gateway that runs as root has accounts to give".to_owned();
    }
    if found == expected { format!("{found}, its own") } else { format!("{found}, given by a container") }
}

/// The fields of a process's `status`.
fn status(process: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}
