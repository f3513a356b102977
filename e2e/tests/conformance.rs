//! The conformance suite's server leg, directly and through the gateway: the same checks with the same outcome.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::Peers;
use e2e::conformance::{Outcome, compare, read, score, suite};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Running, World, binary, free_port};

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
    across(revision, revision, "");
}

/// What differs is what the file says, no more and no less.
fn across(client: &str, server: &str, expected: &str) {
    if let Some((direct, through)) = run_pair(client, server) {
        compare(&direct, &through, expected);
    }
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
    let direct = checks(&peers, port, "mcp", &folder.join("direct"), client);
    let alone = ALONE.iter().find(|(revision, _)| *revision == client).unwrap().1;
    assert_eq!(score(&direct), alone, "the suite or the fixture changed");

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
    let address = relay.line(Duration::from_secs(60)).unwrap();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    let through = checks(&peers, port, "mcp/fixture", &folder.join("through"), client);
    if std::env::var_os("BASTIDE_KEEP").is_none() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    Some((direct, through))
}

fn checks(peers: &Peers, port: u16, path: &str, out: &Path, revision: &str) -> Outcome {
    let output = suite(peers, out, &["server", "--url", &format!("http://localhost:{port}/{path}"), "--requirements", revision]);
    read(out, &output)
}

fn listening(port: u16) {
    let end = Instant::now() + Duration::from_secs(90);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
