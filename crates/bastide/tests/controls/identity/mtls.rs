//! `identity.mtls`: whoever comes in shows a certificate; a listener off loopback that does not ask for one does not start.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testkit::pki::{Authority, Leaf};
use testkit::{Http, World};

const ANA: &str = "spiffe://example.org/agent/ana";
const BEN: &str = "spiffe://example.org/agent/ben";
const DAY: Duration = Duration::from_secs(24 * 3600);
const CLIENTS: &str = ", client_ca: {root}/tls/clients.pem";
const WITH_LIST: &str = ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem";

/// An agent with a token and this certificate, its session open.
fn agent(world: &World, authority: &Authority, leaf: &Leaf) -> Http {
    let mut agent = world.client("agent:tester", "/mcp").secured(authority.trusting(Some(leaf), "http/1.1"));
    agent.open();
    agent
}

/// The status of a request with a good token and this certificate, or none; 0 where the handshake failed.
fn knock(world: &World, authority: &Authority, leaf: Option<&Leaf>, token: &str) -> u16 {
    let client = Http::new(world.data(), "/mcp", Some(token)).secured(authority.trusting(leaf, "http/1.1"));
    client.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]).status
}

/// The codes on record, with the causes that stand beside them.
fn refused(world: &World, code: &str) -> usize {
    world.audit().iter().filter(|record| record["decision"]["code"] == code).count()
}

#[test]
fn a_certificate_says_from_where_a_call_comes() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    assert!(world.ready["data"].as_str().unwrap().starts_with("https://127.0.0.1:"), "{}", world.ready);
    let leaf = authority.client(ANA);
    let mut agent = agent(&world, &authority, &leaf);
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "echo").unwrap();
    assert_eq!(call["principal"]["workload"], json!({"kind": "certificate", "identity": ANA}));
    assert!(call["session"]["binding"].as_str().unwrap().contains(" sha256:"), "{}", call["session"]);
    let health = agent.send("GET", "/health", &[], b"");
    assert_eq!(health.status, 200);
    assert!(health.header("strict-transport-security").unwrap().starts_with("max-age="));
    // Another workload with the same token is somebody else: the session is not its own.
    let mut other = agent.clone().secured(authority.trusting(Some(&authority.client(BEN)), "http/1.1"));
    assert_eq!(other.ask("tools/list", json!({})).refused(), "identity.session-binding/unknown");
}

#[test]
fn whoever_lacks_a_good_certificate_gets_no_byte_further() {
    let (authority, other) = (Authority::new("clients"), Authority::new("others"));
    let world = World::with().secured(&authority, CLIENTS).start();
    let token = world.token("agent:tester", &[]);
    let names = |parameters: &mut CertificateParams, names: &[&str]| {
        parameters.subject_alt_names = names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
    };
    let now = std::time::SystemTime::now;
    assert_ne!(knock(&world, &authority, Some(&authority.client(ANA)), &token), 0, "the twin with a good certificate gets in");
    let bad: Vec<(&str, Option<Leaf>)> = vec![
        ("none", None),
        ("of another authority", Some(other.client(ANA))),
        ("signed by itself", Some(Authority::nobody(ANA))),
        (
            "ended",
            Some(authority.client_with(ANA, |parameters| {
                (parameters.not_before, parameters.not_after) = ((now() - DAY * 2).into(), (now() - DAY).into());
            })),
        ),
        (
            "not begun",
            Some(authority.client_with(ANA, |parameters| {
                (parameters.not_before, parameters.not_after) = ((now() + DAY).into(), (now() + DAY * 2).into());
            })),
        ),
        (
            "for servers",
            Some(authority.client_with(ANA, |parameters| parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        ),
        ("of nobody", Some(authority.client_with(ANA, |parameters| names(parameters, &[])))),
        ("of two", Some(authority.client_with(ANA, |parameters| names(parameters, &[ANA, BEN])))),
        ("of a web page", Some(authority.client_with(ANA, |parameters| names(parameters, &["https://example.org/ana"])))),
    ];
    let count = bad.len();
    for (case, leaf) in bad {
        assert_eq!(knock(&world, &authority, leaf.as_ref(), &token), 0, "{case}");
    }
    wait(|| refused(&world, "identity.mtls/refused") == count);
    // Nor does who speaks no TLS at all.
    assert_eq!(Http::new(world.data(), "/health", None).send("GET", "/health", &[], b"").status, 0);
    assert_eq!(world.reached().len(), 0);
}

#[test]
fn what_was_taken_back_is_cut_at_once_and_the_others_go_on() {
    let authority = Authority::new("clients");
    let (ana, ben) = (authority.client(ANA), authority.client(BEN));
    let world = World::with()
        .secured(&authority, WITH_LIST)
        .file("tls/crl.pem", &authority.taken_back(&[], DAY))
        .section("bounds", "header: 10m")
        .start();
    let token = world.token("agent:tester", &[]);
    let mut good = agent(&world, &authority, &ben);
    let bad = agent(&world, &authority, &ana);
    let (open, kept) = (idle(&bad), idle(&good));
    let crl = world.path("tls/crl.pem");
    fs::write(&crl, authority.taken_back(&[&ana], DAY)).unwrap();
    let cut = open.ended_within(Duration::from_secs(60));
    assert!(cut, "an open connection of a certificate that was taken back goes on");
    assert_eq!(knock(&world, &authority, Some(&ana), &token), 0, "a new one is let in");
    assert_eq!(good.call("canary__echo", json!({"text": "still"})).text(), "still");
    assert!(!kept.ended_within(Duration::from_millis(300)), "another client's connection was cut too");
    // A list that cannot be used leaves the last good one in force, and so does one of somebody else.
    for broken in [
        "-----BEGIN X509 CRL-----\nMIIB".to_owned(),
        Authority::new("clients").taken_back(&[], DAY),
        authority.taken_back(&[], Duration::ZERO),
    ] {
        let before = kept_count(&world);
        fs::write(&crl, broken).unwrap();
        wait(|| kept_count(&world) > before);
        assert_eq!(knock(&world, &authority, Some(&ana), &token), 0);
        assert_ne!(knock(&world, &authority, Some(&ben), &token), 0);
    }
}

#[test]
fn authorities_of_one_name_are_told_apart_by_their_keys() {
    let (before, after) = (Authority::new("clients"), Authority::new("clients"));
    // Both have the same serial number.
    let (ana, ben) = (before.client(ANA), after.client(BEN));
    let lists = |old: &[&Leaf], new: &[&Leaf]| format!("{}\n{}", before.taken_back(old, DAY), after.taken_back(new, DAY));
    let world = World::with()
        .secured(&before, WITH_LIST)
        .file("tls/clients.pem", &format!("{}\n{}", before.pem(), after.pem()))
        .file("tls/crl.pem", &lists(&[], &[]))
        .start();
    let token = world.token("agent:tester", &[]);
    // The listener's own certificate is of the one before.
    let asks = |leaf: &Leaf| knock(&world, &before, Some(leaf), &token) != 0;
    assert_eq!((asks(&ana), asks(&ben)), (true, true));
    assert!(!asks(&Authority::new("clients").client(ANA)), "a third one of that name is let in");
    for (old, new, expected) in [(&[&ana][..], &[][..], (false, true)), (&[], &[&ben], (true, false)), (&[&ana], &[&ben], (false, false))] {
        fs::write(world.path("tls/crl.pem"), lists(old, new)).unwrap();
        wait(|| (asks(&ana), asks(&ben)) == expected);
    }
    // Of whom no list speaks nobody knows what was taken back.
    fs::write(world.path("tls/crl.pem"), before.taken_back(&[], DAY)).unwrap();
    wait(|| (asks(&ana), asks(&ben)) == (true, false));
}

#[test]
fn a_token_may_be_bound_to_a_certificate() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    let bound = world.token("agent:tester", &["--workload", ANA]);
    let with =
        |uri: &str| Http::new(world.data(), "/mcp", Some(&bound)).secured(authority.trusting(Some(&authority.client(uri)), "http/1.1"));
    with(ANA).open();
    let other = with(BEN).post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]);
    assert_eq!((other.status, other.answer().refused()), (401, "identity.mtls/other"));
    assert!(other.header("www-authenticate").is_some());
}

#[test]
fn a_role_may_be_of_a_certificate() {
    let authority = Authority::new("clients");
    let world = World::with()
        .secured(&authority, CLIENTS)
        .role("tester", "members: [\"certificate:spiffe://example.org/agent/a*\"]\nclearance: restricted\nallow: { canary: [\"*\"] }")
        .start();
    let token = world.token("agent:tester", &["--servers", "canary"]);
    let call = |uri: &str| {
        let leaf = authority.client(uri);
        let mut agent = Http::new(world.data(), "/mcp", Some(&token)).secured(authority.trusting(Some(&leaf), "http/1.1"));
        agent.open();
        agent.call("canary__echo", json!({"text": "hi"}))
    };
    assert_eq!(call(ANA).text(), "hi");
    assert_eq!(call(BEN).refused(), "access.filtered-discovery/unknown");
}

#[test]
fn a_plain_or_one_sided_listener_off_loopback_does_not_start() {
    let authority = Authority::new("clients");
    for (listener, tls, wanted) in [
        ("data", "", "tls with a certificate, a key and a client_ca"),
        ("data", ", tls: { certificate: {root}/tls/server.pem, key: {root}/tls/server.key }", "a client_ca in its tls"),
        ("admin", "", "tls with a certificate, a key and a client_ca"),
    ] {
        let world = World::with().secured(&authority, CLIENTS).write();
        let text = fs::read_to_string(world.config()).unwrap();
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{listener}: {{"))).unwrap().to_owned();
        let root = world.path("").display().to_string();
        let entry = format!(
            "  {listener}: {{ address: \"0.0.0.0:8499\", hosts: [gw.example.org]{} }}",
            tls.replace("{root}", root.trim_end_matches('/'))
        );
        fs::write(world.config(), text.replace(&line, &entry)).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{listener} {tls}");
        let said = String::from_utf8_lossy(&world.run(&["doctor"]).stderr).into_owned()
            + &fs::read_to_string(world.path("serve.log")).unwrap_or_default();
        assert!(said.contains(wanted) && said.contains(&format!("listen.{listener}.address")), "{said}");
    }
}

#[test]
fn the_assessor_is_let_in_by_a_certificate_of_its_own_and_finds_nobody_else_is() {
    if !testkit::layers::are_there() {
        return;
    }
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, WITH_LIST).file("tls/crl.pem", &authority.taken_back(&[], DAY)).start();
    let of = |id: &str| {
        let answer = world.json(&["assess", "--control", id]);
        answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == id).unwrap().clone()
    };
    for id in ["identity.mtls", "transport.tls", "identity.tokens"] {
        assert_eq!(of(id)["outcome"], "pass", "{:#}", of(id));
    }
    assert_eq!(of("identity.mtls")["evidence"]["steps"].as_array().unwrap().len(), 5);
}

/// A connection whose handshake is done, on which nothing is asked.
struct Idle(rustls::StreamOwned<rustls::ClientConnection, TcpStream>);

fn idle(agent: &Http) -> Idle {
    let stream = TcpStream::connect(agent.address).unwrap();
    let name = rustls_pki_types::ServerName::from(agent.address.ip());
    let session = rustls::ClientConnection::new(agent.tls.clone().unwrap(), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    write!(stream, "GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", agent.address).unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    Idle(stream)
}

impl Idle {
    /// Whether the other side ends it in this time. A listener ends one that is idle by itself after `bounds.header`.
    fn ended_within(mut self, time: Duration) -> bool {
        let began = Instant::now();
        self.0.sock.set_read_timeout(Some(time)).unwrap();
        match self.0.read(&mut [0; 64]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(cause) => !matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) && began.elapsed() < time,
        }
    }
}

fn kept_count(world: &World) -> usize {
    world.audit().iter().filter(|record| record["event"] == "transport.tls-kept").count()
}

fn wait(mut until: impl FnMut() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_operator_without_a_good_certificate_is_kept_out_on_record() {
    let (authority, other) = (Authority::new("clients"), Authority::new("others"));
    let mut world = World::with().secured(&authority, CLIENTS).start();
    world.stop();
    let tls = "tls: { certificate: {root}/tls/server.pem, key: {root}/tls/server.key, client_ca: {root}/tls/clients.pem }";
    let root = world.path("");
    let tls = tls.replace("{root}", root.display().to_string().trim_end_matches('/'));
    let address = world.ready["admin"].as_str().unwrap().trim_start_matches("http://").to_owned();
    world.edit(&format!("admin: {{ address: {address} }}"), &format!("admin: {{ address: {address}, {tls} }}"));
    world.serve();
    let knock = |leaf: Option<&Leaf>| world.admin().secured(authority.trusting(leaf, "http/1.1")).send("GET", "/health", &[], b"").status;
    assert_eq!(knock(Some(&authority.client("spiffe://example.org/operator/ana"))), 200);
    assert_eq!((knock(None), knock(Some(&other.client(ANA)))), (0, 0));
    wait(|| refused(&world, "identity.mtls/refused") == 2);
    let audit = world.audit();
    let causes: Vec<_> = audit.iter().filter(|record| record["decision"]["code"] == "identity.mtls/refused").collect();
    assert!(causes.iter().all(|record| record["detail"]["cause"].as_str().unwrap().starts_with("at the admin listener")), "{causes:#?}");
}
