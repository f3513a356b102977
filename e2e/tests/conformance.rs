//! The conformance suite's server leg, directly and through the gateway: the same checks with the same outcome.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::Peers;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Running, World, binary, free_port, run};

/// Each check of the suite by scenario and id, with how often it passed and failed.
type Outcome = BTreeMap<(String, String), (usize, usize)>;

/// What the fixture passes and fails alone.
const ALONE: [(&str, (usize, usize)); 2] = [("2025-11-25", (84, 0)), ("2026-07-28", (169, 25))];

#[test]
fn both_legs_of_2025_11_25_score_what_the_fixture_scores() {
    same("2025-11-25");
}

#[test]
fn both_legs_of_2026_07_28_score_what_the_fixture_scores() {
    same("2026-07-28");
}

#[test]
fn a_modern_client_of_a_legacy_server_misses_what_cannot_be_bridged_alone() {
    across("2026-07-28", "2025-11-25", include_str!("../expected/modern-client-legacy-server.txt"));
}

#[test]
fn a_legacy_client_of_a_modern_server_misses_what_cannot_be_bridged_alone() {
    across("2025-11-25", "2026-07-28", include_str!("../expected/legacy-client-modern-server.txt"));
}

fn same(revision: &str) {
    let Some((direct, through)) = run_pair(revision, revision) else { return };
    let differs = worse(&direct, &through);
    assert!(differs.is_empty(), "{} checks differ: {differs:#?}", differs.len());
}

/// What differs is what the file says, no more and no less.
fn across(client: &str, server: &str, expected: &str) {
    let Some((direct, through)) = run_pair(client, server) else { return };
    let lines = expected.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let expected: BTreeSet<&str> = lines.map(|line| line.split_once(": ").unwrap().0).collect();
    let differs = worse(&direct, &through);
    let new: Vec<_> = differs.iter().filter(|(check, _)| !expected.contains(check.as_str())).collect();
    assert!(new.is_empty(), "{} checks differ: {new:#?}", new.len());
    let gone: Vec<_> = expected.iter().filter(|check| !differs.contains_key(**check)).collect();
    assert!(gone.is_empty(), "these are bridged now, so their lines can go: {gone:#?}");
}

/// The checks that went well directly and did not through the gateway, as `scenario/check`, with how often they passed and failed.
fn worse(direct: &Outcome, through: &Outcome) -> BTreeMap<String, String> {
    let lost = |((scenario, check), outcome): (&(String, String), &(usize, usize))| {
        let seen = through.get(&(scenario.clone(), check.clone())).copied();
        let good = seen.is_some_and(|seen| seen.0 >= outcome.0 && seen.1 <= outcome.1);
        let scenario = scenario.strip_prefix("server-").unwrap_or(scenario);
        (!good).then(|| (format!("{scenario}/{check}"), format!("{outcome:?}, through the gateway {seen:?}")))
    };
    direct.iter().filter_map(lost).collect()
}

/// The outcome of the suite of revision `client` at the fixture, and through a gateway that speaks `server` with it.
fn run_pair(client: &str, server: &str) -> Option<(Outcome, Outcome)> {
    let peers = Peers::find()?;
    let port = free_port();
    let folder = std::env::temp_dir().join(format!("conformance-{}-{client}-{server}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(peers.python("mcp-everything-server"));
    let _fixture = Running::start(command.args(["--port", &port.to_string()]), &folder.join("fixture.log"));
    listening(port);
    let direct = suite(&peers, port, "mcp", &folder.join("direct"), client);
    let (passed, failed) = direct.values().fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1));
    let alone = ALONE.iter().find(|(revision, _)| *revision == client).unwrap().1;
    assert_eq!((passed, failed), alone, "the suite or the fixture changed");

    let screens = ["secrets", "financial", "pii", "injection", "errors"].map(|kind| format!("{kind}: {{ action: flag }}"));
    let world = World::with()
        .server("fixture", &format!("url: http://127.0.0.1:{port}/mcp\nrevision: \"{server}\""))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { fixture: [\"*\"] }")
        .section("inspect", &screens.join("\n"))
        .section("accept_risk", "- { control: supply.pinning, where: server/fixture, reason: \"the fixture changes its lists on purpose\", owner: ana, until: 2099-12-31 }")
        .start();
    let mut command = Command::new(binary("bastide-testkit", "token-relay"));
    let relay = Running::start(
        command.arg(world.data().to_string()).env("RELAY_TOKEN", world.token("agent:tester", &[])),
        &folder.join("relay.log"),
    );
    let address = relay.line(Duration::from_secs(5)).unwrap();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let through = suite(&peers, port, "mcp/fixture", &folder.join("through"), client);
    if std::env::var_os("BASTIDE_KEEP").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    Some((direct, through))
}

fn suite(peers: &Peers, port: u16, path: &str, out: &Path, revision: &str) -> Outcome {
    std::fs::create_dir_all(out).unwrap();
    let mut command = Command::new(peers.node("conformance"));
    command
        .args(["server", "--url", &format!("http://localhost:{port}/{path}"), "--requirements", revision, "-o"])
        .arg(out)
        .current_dir(out);
    let output = run(peers.prepare(&mut command).env("HOME", out), b"");
    let mut found = Outcome::new();
    for entry in std::fs::read_dir(out).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `server-NAME-2026-11-21T10-37-26-151Z`: a folder a scenario and run.
        let scenario = name.rsplitn(7, '-').last().unwrap_or(&name).to_owned();
        let Ok(text) = std::fs::read_to_string(entry.path().join("checks.json")) else { continue };
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap();
        for check in checks.iter().filter(|check| !["INFO", "SKIPPED"].iter().any(|status| check["status"] == *status)) {
            let counts = found.entry((scenario.clone(), check["id"].as_str().unwrap_or_default().to_owned())).or_default();
            if check["status"] == "SUCCESS" { counts.0 += 1 } else { counts.1 += 1 }
        }
    }
    assert!(!found.is_empty(), "no checks: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    found
}

fn listening(port: u16) {
    let end = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
