//! A real server inside TLS that asks for certificates: it is called with ours, and nobody else is taken for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::Peers;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use testkit::pki::{Authority, Leaf};
use testkit::{Running, Setup, World, free_port};

const US: &str = "spiffe://example.org/gateway";

/// The server on its port, in `folder`.
fn secured(peers: &Peers, folder: &Path, authority: &Authority, more: &[&str]) -> (Running, u16) {
    let leaf = authority.server();
    for (name, text) in [("server.pem", &leaf.certificate), ("server.key", &leaf.key), ("ca.pem", &authority.pem().to_owned())] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let port = free_port();
    let mut command = Command::new(peers.python("python"));
    command.arg(Peers::script("secured.py")).arg(port.to_string());
    command.args(["server.pem", "server.key", "ca.pem"].map(|name| folder.join(name))).args(more);
    (peers.listening(command, port, &folder.join("log")), port)
}

/// A world whose server `safe` is at `port`, known and shown as `entry` says; `ours` is what there is to show.
fn setup(port: u16, authority: &Authority, ours: &Leaf, entry: &str) -> Setup {
    World::with()
        .file("tls/ca.pem", authority.pem())
        .file("tls/ours.pem", &ours.certificate)
        .secret("safe/key", &ours.key)
        .server("safe", &format!("url: https://127.0.0.1:{port}/mcp\n{entry}"))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { safe: [\"*\"] }")
}

const SHOWN: &str = "auth: { certificate: { chain: {root}/tls/ours.pem, key: vault:safe/key } }";
const KNOWN: &str = "tls: { ca: {root}/tls/ca.pem }";

/// Whether it could be locked at all, and what was said.
fn locked(setup: Setup) -> (bool, String) {
    let world = setup.write();
    let output = world.run(&["lock", "--yes", "--json"]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success() && said.contains("\"safe\""), said)
}

#[test]
fn a_server_is_known_by_its_certificate_and_knows_us_by_ours() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new("inside"), Authority::new("outside"));
    let (_server, port) = secured(&peers, folder.path(), &authority, &[]);
    let ours = authority.client(US);
    let world = setup(port, &authority, &ours, &format!("{SHOWN}\n{KNOWN}")).start();
    let mut agent = world.client("agent:tester", "/mcp/safe");
    agent.open();
    assert_eq!(agent.call("echo", json!({"text": "hi"})).text(), "hi");
    let key = ours.key.lines().nth(1).unwrap();
    assert!(!world.holds("state", key.as_bytes()), "our key lies in the clear");
    let pin = "tls: { ca: {root}/tls/ca.pem, pin: [\"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"] }";
    for (case, setup) in [
        ("nothing is shown", setup(port, &authority, &ours, KNOWN)),
        ("what is shown is of another authority", setup(port, &authority, &other.client(US), &format!("{SHOWN}\n{KNOWN}"))),
        ("its authority is not known", setup(port, &authority, &ours, SHOWN)),
        ("another authority is known", setup(port, &other, &ours, &format!("{SHOWN}\n{KNOWN}"))),
        ("its key is another", setup(port, &authority, &ours, &format!("{SHOWN}\n{pin}"))),
    ] {
        let (good, said) = locked(setup);
        assert!(!good, "{case}: {said}");
    }
}

#[test]
fn a_server_of_tls_1_2_is_not_spoken_to() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("inside");
    let (_server, port) = secured(&peers, folder.path(), &authority, &["old"]);
    let ours = authority.client(US);
    let (good, said) = locked(setup(port, &authority, &ours, &format!("{SHOWN}\n{KNOWN}")));
    assert!(!good, "{said}");
}
