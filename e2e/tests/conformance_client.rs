//! The conformance suite's client leg, alone and through the gateway: the suite is the server, and its checks look at what the gateway sends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::Peers;
use e2e::conformance::{Outcome, compare, read, score, suite};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use testkit::binary;

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// A scenario of the suite.
struct Scenario {
    name: &'static str,
    /// The revision that its server speaks.
    spoken: &'static str,
}

/// What a revision requires of clients, but for authorization: that is between a client and its authorization server.
struct Requirements {
    revision: &'static str,
    scenarios: &'static [Scenario],
    /// What the client passes and fails alone.
    alone: (usize, usize),
    outcome: OnceLock<Outcome>,
}

static OF_2026: Requirements = Requirements {
    revision: MODERN,
    scenarios: &[
        Scenario { name: "tools_call", spoken: MODERN },
        Scenario { name: "request-metadata", spoken: MODERN },
        Scenario { name: "sep-2322-client-request-state", spoken: MODERN },
        Scenario { name: "http-standard-headers", spoken: MODERN },
        Scenario { name: "http-custom-headers", spoken: MODERN },
        Scenario { name: "http-invalid-tool-headers", spoken: MODERN },
        // Its server knows the handshake alone, whatever revision the suite is at.
        Scenario { name: "json-schema-ref-no-deref", spoken: LEGACY },
        Scenario { name: "json-schema-2020-12-preservation", spoken: MODERN },
    ],
    alone: (71, 1),
    outcome: OnceLock::new(),
};

static OF_2025: Requirements = Requirements {
    revision: LEGACY,
    scenarios: &[
        Scenario { name: "initialize", spoken: LEGACY },
        Scenario { name: "tools_call", spoken: LEGACY },
        Scenario { name: "elicitation-sep1034-client-defaults", spoken: LEGACY },
        Scenario { name: "sse-retry", spoken: LEGACY },
        Scenario { name: "json-schema-2020-12-preservation", spoken: LEGACY },
    ],
    alone: (25, 0),
    outcome: OnceLock::new(),
};

#[test]
fn a_modern_client_of_a_modern_server_sends_what_it_sends_alone() {
    through(&OF_2026, MODERN, include_str!("../expected/client-leg-modern.txt"));
}

#[test]
fn a_legacy_client_of_a_legacy_server_sends_what_it_sends_alone() {
    through(&OF_2025, LEGACY, include_str!("../expected/client-leg-legacy.txt"));
}

#[test]
fn a_legacy_client_of_a_modern_server_is_a_modern_client_there() {
    through(&OF_2026, LEGACY, include_str!("../expected/client-leg-legacy-client.txt"));
}

#[test]
fn a_modern_client_of_a_legacy_server_is_a_legacy_client_there() {
    through(&OF_2025, MODERN, include_str!("../expected/client-leg-modern-client.txt"));
}

/// The same checks with the same outcome as those of the client alone, but for what `expected` lists.
fn through(requirements: &Requirements, client: &str, expected: &str) {
    let Some(peers) = Peers::find() else { return };
    let python = format!("{} {}", peers.python("python"), peers.conformance_client().display());
    let direct = requirements.outcome.get_or_init(|| {
        let direct = run(&peers, requirements, "alone", |_| python.clone());
        assert_eq!(score(&direct), requirements.alone, "the suite or its client changed: {direct:#?}");
        direct
    });
    for (package, name) in [("bastide", "bastide"), ("bastide-testkit", "token-relay")] {
        binary(package, name);
    }
    let wrapper = env!("CARGO_BIN_EXE_behind-gateway");
    let through = run(&peers, requirements, client, |scenario| format!("{wrapper} {} {client}", scenario.spoken));
    compare(direct, &through, expected);
}

/// What the suite finds at what `command` starts.
fn run(peers: &Peers, requirements: &Requirements, name: &str, command: impl Fn(&Scenario) -> String) -> Outcome {
    let folder = folder(requirements.revision, name);
    let mut found = Outcome::new();
    for scenario in requirements.scenarios {
        let out = folder.join(scenario.name);
        let arguments = ["client", "--scenario", scenario.name, "--spec-version", requirements.revision, "--timeout", "60000", "--command"];
        let output = suite(peers, &out, &[&arguments[..], &[&command(scenario)]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        std::fs::write(out.join("said"), &said).unwrap();
        found.extend(read(&out, &output));
        // A check may be content with what the gateway says for itself.
        let ends = if said.contains("CLIENT EXITED WITH ERROR") || said.contains("CLIENT TIMED OUT") { (0, 1) } else { (1, 0) };
        found.insert((scenario.name.to_owned(), "client-ends-well".to_owned()), ends);
    }
    remove(&folder);
    found
}

fn folder(revision: &str, name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("conformance-client-{}-{revision}-{name}", std::process::id()))
}

fn remove(folder: &Path) {
    if std::env::var_os("BASTIDE_KEEP").is_none() {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
