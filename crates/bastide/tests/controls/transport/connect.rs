//! `connect URL`: clients that launch commands reach a gateway elsewhere, over TLS with a certificate of their own.

use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use testkit::pki::{Authority, Leaf};
use testkit::{Stdio, World};

const ANA: &str = "spiffe://example.org/agent/ana";
const DAY: Duration = Duration::from_secs(24 * 3600);
const CLIENTS: &str = ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem";

/// A gateway that asks for certificates, and takes none back yet.
fn gateway(authority: &Authority) -> World {
    World::with().secured(authority, CLIENTS).file("tls/crl.pem", &authority.taken_back(&[], DAY)).start()
}

/// Puts what is shown and known into the folder `name`, the key first: whoever looks in between sees a pair that does not fit, and looks again.
fn identity(world: &World, name: &str, authority: &Authority, leaf: &Leaf) {
    let folder = world.path(name);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in [("key.pem", leaf.key.as_str()), ("chain.pem", &leaf.certificate), ("authority.pem", authority.pem())] {
        fs::write(folder.join(file), text).unwrap();
    }
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
}

/// A client that launched `connect` with the token `token`, and shows what is in the folder `name`.
fn launched(world: &World, name: &str, token: &str) -> Stdio {
    let mut command = world.command(&["connect", &format!("https://{}", world.data())]);
    Stdio::launch(command.arg("--identity").arg(world.path(name)).env("BASTIDE_TOKEN", token), &world.path("connect.log"))
}

#[test]
fn a_client_that_launches_commands_reaches_a_gateway_elsewhere() {
    let authority = Authority::new("clients");
    let mut world = gateway(&authority);
    identity(&world, "ana", &authority, &authority.client(ANA));
    let token = world.token("agent:tester", &[]);
    let mut agent = launched(&world, "ana", &token);
    assert_eq!(agent.open().result()["protocolVersion"], "2025-11-25");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(agent.call("canary__nothing", json!({})).refused(), "access.filtered-discovery/unknown");
    let call = world.audit().into_iter().find(|record| record["tool"] == "echo").unwrap();
    assert_eq!(call["principal"]["workload"], json!({"kind": "certificate", "identity": ANA}));
    // Requests that stand alone name their revision, and their heads repeat them.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "testkit", "version": "1"},
    });
    let mut modern = launched(&world, "ana", &token);
    let listed = modern.ask("tools/list", json!({"_meta": meta}));
    assert!(listed.result()["tools"].as_array().unwrap().len() > 3, "{listed:?}");
    let called = modern.ask("tools/call", json!({"name": "canary__echo", "arguments": {"text": "alone"}, "_meta": meta}));
    assert_eq!(called.text(), "alone");
    // A gateway that was started again has forgotten the session; the client does not notice.
    world.stop();
    world.serve();
    assert_eq!(agent.call("canary__echo", json!({"text": "again"})).text(), "again");
    agent.line("{\"jsonrpc\": \"2.0\", \"id\": 1, \"id\": 2, \"method\": \"ping\"}");
    assert!(agent.read().unwrap()["error"]["code"].is_i64());
    assert_eq!(agent.call("canary__echo", json!({"text": "still"})).text(), "still");
}

#[test]
fn whoever_lacks_a_certificate_or_a_token_is_told_so() {
    let (authority, other) = (Authority::new("clients"), Authority::new("others"));
    let world = gateway(&authority);
    let token = world.token("agent:tester", &[]);
    identity(&world, "foreign", &authority, &other.client(ANA));
    identity(&world, "strange", &other, &authority.client(ANA));
    identity(&world, "good", &authority, &authority.client(ANA));
    for (name, token, said) in [
        ("foreign", token.as_str(), "does not accept the certificate"),
        ("strange", &token, "of no authority that is known"),
        ("good", "nonsense", "status 401"),
    ] {
        let answer = launched(&world, name, token).ask("ping", json!({}));
        let message = answer.0["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(said), "{name}: {answer:?}");
        assert!(!message.contains(token), "{message}");
    }
    let url = format!("https://{}", world.data());
    let bare = world.run(&["connect", &url]);
    assert!(bare.status.code() == Some(2) && String::from_utf8_lossy(&bare.stderr).contains("token"), "{bare:?}");
    fs::set_permissions(world.path("good/key.pem"), Permissions::from_mode(0o644)).unwrap();
    let open = world.command(&["connect", &url]).arg("--identity").arg(world.path("good")).env("BASTIDE_TOKEN", &token).output().unwrap();
    assert!(open.status.code() == Some(2) && String::from_utf8_lossy(&open.stderr).contains("key.pem"), "{open:?}");
    assert!(world.reached().is_empty());
}

#[test]
fn a_gateway_that_never_answers_is_told_of_and_holds_nothing_up() {
    let world = World::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = testkit::free_port();
    for (port, said) in [(silent.local_addr().unwrap().port(), "the gateway did not answer in time"), (gone, "could not be made")] {
        let mut command = world.command(&["connect", &format!("http://127.0.0.1:{port}")]);
        let mut client = Stdio::launch(command.env("BASTIDE_TOKEN", "t"), &world.path("connect.log"));
        let answer = client.open();
        let message = answer.0["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{answer:?}");
        // What comes behind is read: a frame that is none is answered at once.
        client.line("{\"jsonrpc\": \"2.0\", \"id\": 1, \"id\": 2, \"method\": \"ping\"}");
        assert!(client.read().unwrap()["error"]["code"].is_i64());
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_a_new_start() {
    let authority = Authority::new("clients");
    let world = gateway(&authority);
    let (first, second) = (authority.client(ANA), authority.client(ANA));
    identity(&world, "ana", &authority, &first);
    let mut agent = launched(&world, "ana", &world.token("agent:tester", &[]));
    agent.open();
    assert_eq!(agent.call("canary__echo", json!({"text": "first"})).text(), "first");
    fs::write(world.path("tls/crl.pem"), authority.taken_back(&[&first], DAY)).unwrap();
    let within = |agent: &mut Stdio, good: bool| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if agent.call("canary__echo", json!({"text": "hi"})).0.get("result").is_some() == good {
                return true;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        false
    };
    assert!(within(&mut agent, false), "what was taken back is still let in");
    identity(&world, "ana", &authority, &second);
    assert!(within(&mut agent, true), "the new one is not shown");
}
