//! `secrets.isolation`: the agent never holds a credential of a server, and one that a server gives back does not come through.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::{Running, Setup, World};

/// Nothing that a screen would find by its look.
const VALUE: &str = "Harbour-Lantern-Gravel-Sonnet";

fn forms() -> [String; 6] {
    let reversed = VALUE.chars().rev().collect();
    let url = URL_SAFE_NO_PAD.encode(VALUE);
    [VALUE.to_owned(), STANDARD.encode(VALUE), url, hex(VALUE), STANDARD.encode(STANDARD.encode(VALUE)), reversed]
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A local server that gives its credential back in ten encodings.
fn local() -> Setup {
    let entry = "run: [{bin}/evil-server, --mode, echo, --env, LEDGER]\nsecrets: { LEDGER: vault:evil/token }\nsandbox: { read: [{bin}], write: [{box}] }";
    World::with().evil("echo").server("evil", entry).secret("evil/token", VALUE)
}

/// The same over HTTP.
fn remote() -> (Setup, Running) {
    let program = testkit::binary("bastide-testkit", "evil-server");
    let server = Running::start(Command::new(program).args(["--mode", "echo", "--http"]), std::path::Path::new("/dev/null"));
    let address = server.line(Duration::from_secs(60)).unwrap();
    let entry = format!("url: http://{address}/mcp\nauth: {{ bearer: vault:evil/token }}\ntrust: internal");
    (World::with().evil("echo").server("evil", &entry).secret("evil/token", VALUE), server)
}

/// The credential is found, and not one of its encodings comes back or is kept.
fn assert_taken_out(world: &World) {
    let answer = world.agent().call("evil__echo", json!({"text": "hi"}));
    let text = answer.text();
    assert_eq!(text.lines().count(), 10, "{}", answer.0);
    let whole = answer.0.to_string();
    for form in forms() {
        assert!(!whole.contains(&form), "{form} came back: {whole}");
        assert!(!world.holds("state", form.as_bytes()), "{form} was kept");
    }
    for line in text.lines() {
        assert!(line.contains("redacted") || line.contains('['), "not taken out: {line}");
    }
    let audit = world.audit();
    let call = audit.iter().find(|record| record["server"] == "evil").unwrap();
    let found = call["obligations"].as_array().unwrap();
    assert!(found.iter().any(|found| found["class"] == "echo" && found["kind"] == "vault:evil/token"), "{call}");
    assert_eq!(call["decision"]["verdict"], "changed");
}

#[test]
fn a_local_server_cannot_hand_its_credential_out() {
    assert_taken_out(&local().start());
}

#[test]
fn a_remote_server_cannot_hand_its_credential_out() {
    let (setup, _server) = remote();
    assert_taken_out(&setup.start());
}

#[test]
fn another_server_cannot_hand_it_out_either() {
    let world = local().start();
    let answer = world.agent().call("canary__echo", json!({"text": format!("it is {}", hex(VALUE))}));
    assert!(!answer.0.to_string().contains(&hex(VALUE)), "{}", answer.0);
    let audit = world.audit();
    let call = audit.iter().find(|record| record["server"] == "canary").unwrap();
    assert!(!call.to_string().contains(&hex(VALUE)), "it stands in the arguments on record: {call}");
}

#[test]
fn a_value_put_while_it_runs_is_known_at_once() {
    let world = local().start();
    let put = testkit::run(&mut world.command(&["secret", "put", "canary/later"]), b"Compass-Orchard-Velvet-Thimble");
    assert!(put.status.success());
    let answer = world.agent().call("canary__echo", json!({"text": "Compass-Orchard-Velvet-Thimble"}));
    assert!(!answer.text().contains("Velvet"), "{}", answer.0);
}

#[test]
fn a_local_server_gets_its_own_credential_alone() {
    let world = local()
        .server("canary", "run: [{bin}/canary-server]\nsecrets: { OTHER: vault:canary/token }\nsandbox: { read: [{bin}] }")
        .secret("canary/token", "Quarry-Juniper-Saddle-Mitten")
        .start();
    let names = world.agent().call("canary__environment", json!({})).text();
    let names: Vec<&str> = names.lines().collect();
    assert!(names.contains(&"OTHER") && !names.contains(&"LEDGER"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("BASTIDE") || name.contains("CARGO") || *name == "HOME"), "{names:?}");
}

#[test]
fn a_credential_does_not_follow_a_redirect() {
    let (target, trap) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (address, elsewhere) = (target.local_addr().unwrap(), trap.local_addr().unwrap());
    let (asked, caught) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for (listener, count) in [(target, Arc::clone(&asked)), (trap, Arc::clone(&caught))] {
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0_u8; 4096]);
                let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{elsewhere}/mcp\r\n");
                let _ = stream.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
            }
        });
    }
    let entry = format!("url: http://{address}/mcp\nauth: {{ bearer: vault:evil/token }}");
    let world = World::with().server("evil", &entry).secret("evil/token", VALUE).write();
    assert!(!world.run(&["lock", "--yes"]).status.success(), "a server that redirects was locked");
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert_eq!(caught.load(Ordering::SeqCst), 0, "the redirect was followed");
}

#[test]
fn no_credential_is_given_out_while_not_all_can_be_searched_for() {
    let mut world = local().secret("evil/spare", "Pebble-Cinder-Marble-Anchor").start();
    world.stop();
    assert!(world.tamper("evilspare", "evilspore") > 0);
    world.serve();
    let mut agent = world.agent();
    let refused = agent.call("evil__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "secrets.vault/locked", "a credential went to a server whose answers are not searched for it");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "secrets.vault/locked");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_credential_cannot_be_handed_out_in_pieces() {
    let entry = "run: [{bin}/evil-server, --mode, pieces, --env, LEDGER]\nsecrets: { LEDGER: vault:evil/token }\nsandbox: { read: [{bin}], write: [{box}] }";
    let world = World::with().evil("pieces").server("evil", entry).secret("evil/token", VALUE).start();
    let answer = world.agent().call("evil__echo", json!({"text": "hi"}));
    let (first, last) = VALUE.split_at(VALUE.len() / 2);
    let whole = answer.0.to_string();
    assert!(!whole.contains(first) && !whole.contains(last), "{whole}");
}
