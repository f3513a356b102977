//! A real server inside TLS that asks for certificates: it is called with ours, and nobody else is taken for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Client, Peers, Way, until};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::pki::{Authority, Leaf};
use testkit::{Http, Running, Setup, World, free_port};

const US: &str = "spiffe://example.org/gateway";

/// The server on its port, in `folder`.
fn secured(peers: &Peers, folder: &Path, authority: &Authority, more: &[&str]) -> (Running, u16) {
    shown(peers, folder, authority, &authority.server(), more)
}

/// The same, with this certificate.
fn shown(peers: &Peers, folder: &Path, authority: &Authority, leaf: &Leaf, more: &[&str]) -> (Running, u16) {
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

const DAY: Duration = Duration::from_secs(24 * 3600);
const ASKED: &str = "tls: { ca: {root}/tls/ca.pem, crl: {root}/tls/crl.pem }";

/// An agent of the server `safe`, its session open.
fn agent(world: &World) -> Http {
    let mut agent = world.client("agent:tester", "/mcp/safe");
    agent.open();
    agent
}

/// Whether a call of `safe` comes to what is wanted within a minute.
fn comes_to(agent: &mut Http, wanted: &str) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let answer = agent.call("echo", json!({"text": "hi"}));
        if answer.0.to_string().contains(wanted) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// Puts `list` in place at once, so that nobody reads half of it.
fn put(place: &Path, list: &str) {
    let beside = place.with_extension("new");
    std::fs::write(&beside, list).unwrap();
    std::fs::rename(beside, place).unwrap();
}

/// How often `event` is on record of the server.
fn events(world: &World, event: &str) -> usize {
    world.audit().iter().filter(|record| record["event"] == event && record["server"] == "safe").count()
}

#[test]
fn a_server_whose_certificate_was_taken_back_is_not_spoken_to_any_more() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("inside");
    let (leaf, ours) = (authority.server(), authority.client(US));
    let (_server, port) = shown(&peers, folder.path(), &authority, &leaf, &[]);
    let with = |list: &str| setup(port, &authority, &ours, &format!("{SHOWN}\n{ASKED}")).file("tls/crl.pem", list);
    let world = with(&authority.taken_back(&[], DAY)).start();
    let mut agent = agent(&world);
    assert_eq!(agent.call("echo", json!({"text": "hi"})).text(), "hi");
    // A list that cannot be used leaves the last good one in force, on record.
    let crl = world.path("tls/crl.pem");
    put(&crl, "-----BEGIN X509 CRL-----\nMIIB");
    until("the bad list is on record", || events(&world, "transport.tls-kept") > 0);
    assert_eq!(agent.call("echo", json!({"text": "still"})).text(), "still");
    assert_eq!(events(&world, "transport.tls-kept"), 1);
    // So does one that is gone, for what begins anew, too.
    std::fs::remove_file(&crl).unwrap();
    until("the list that is gone is on record", || events(&world, "transport.tls-kept") > 1);
    assert_eq!(self::agent(&world).call("echo", json!({"text": "new"})).text(), "new");
    put(&crl, &authority.taken_back(&[&leaf], DAY));
    assert!(comes_to(&mut agent, "dev.bastide/refusal"), "it is still spoken to");
    assert_eq!(events(&world, "transport.tls-replaced"), 1);
    let lost = world.audit().into_iter().rfind(|record| record["tool"] == "echo").unwrap();
    assert!(lost.to_string().contains("its certificate was revoked"), "{lost}");
    put(&crl, &authority.taken_back(&[], DAY));
    assert!(comes_to(&mut agent, "hi"), "it is not spoken to again");
    for (case, list, why) in [
        ("stale", authority.taken_back(&[], Duration::ZERO), "the list of revocations has ended"),
        ("forged", Authority::new("inside").taken_back(&[], DAY), "list"),
    ] {
        let (good, said) = locked(with(&list));
        assert!(!good && said.contains(why), "{case}: {said}");
    }
}

#[test]
fn pins_are_tried_out_before_they_refuse() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("inside");
    let ours = authority.client(US);
    let (_server, port) = secured(&peers, folder.path(), &authority, &[]);
    let other = "pin: [\"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\", \"sha256/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\"]";
    let known = |until: &str| format!("{SHOWN}\ntls: {{ ca: {{root}}/tls/ca.pem, {other}, report_until: {until} }}");
    let world = setup(port, &authority, &ours, &known("2200-01-01")).start();
    let mut agent = agent(&world);
    assert_eq!(agent.call("echo", json!({"text": "hi"})).text(), "hi");
    let audit = world.audit();
    let seen = audit.iter().find(|record| record["event"] == "transport.key-reported").unwrap();
    let key = seen["detail"]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("sha256/") && seen["severity"] == "high", "{seen}");
    // What was seen is what to write.
    let pinned = setup(port, &authority, &ours, &format!("{SHOWN}\ntls: {{ ca: {{root}}/tls/ca.pem, pin: [\"{key}\"] }}")).start();
    assert_eq!(self::agent(&pinned).call("echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(events(&pinned, "transport.key-reported"), 0);
    let (good, said) = locked(setup(port, &authority, &ours, &known("2020-01-01")));
    assert!(!good && said.contains(&key), "the time of trying out is over: {said}");
}

#[test]
fn clients_that_launch_commands_reach_a_gateway_elsewhere() {
    let Some(peers) = Peers::find() else { return };
    let authority = Authority::new("inside");
    let ours = authority.client("spiffe://example.org/agent/ana");
    let run = peers.node_server("server-everything", &["stdio"]);
    let sandbox = format!("sandbox: {{ read: [{:?}], write: [\"{{box}}\"] }}", peers.folder().display().to_string());
    let world = World::with()
        .secured(&authority, ", client_ca: {root}/tls/clients.pem")
        .server("everything", &format!("run: {run}\n{sandbox}"))
        .role(
            "tester",
            "members: [\"agent:tester\"]\nclearance: restricted\nallow: { everything: [echo, get-sum, trigger-long-running-operation] }",
        )
        .file("ana/chain.pem", &ours.certificate)
        .file("ana/key.pem", &ours.key)
        .file("ana/authority.pem", authority.pem())
        .start();
    let token = world.token("agent:tester", &[]);
    std::fs::write(world.path("ana/token"), &token).unwrap();
    for private in ["ana/key.pem", "ana/token"] {
        std::fs::set_permissions(world.path(private), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let mut command = world.command(&["connect", &format!("https://{}", world.data()), "--server", "everything"]);
    command.arg("--identity").arg(world.path("ana")).arg("--token-file").arg(world.path("ana/token"));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let way = Way::Stdio(words.map(|word| word.to_string_lossy().into_owned()).collect());
    let plan = json!([
        {"list": true},
        {"call": "echo", "arguments": {"message": "hi"}},
        {"call": "get-sum", "arguments": {"a": 2, "b": 3}},
    ]);
    for client in [Client::Python, Client::TypeScript, Client::Inspector] {
        let steps = peers.drive(client, &way, &world.path("home"), &plan);
        let mut tools = steps[0].tools();
        tools.sort_unstable();
        assert_eq!(tools, ["echo", "get-sum", "trigger-long-running-operation"], "{client:?}");
        assert!(steps[1].text().contains("hi") && steps[2].text().contains('5'), "{client:?}: {steps:?}");
    }
    assert_eq!(world.audit().iter().filter(|record| record["tool"] == "echo").count(), 3);
}
