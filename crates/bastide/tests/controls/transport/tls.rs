//! `transport.tls`: TLS 1.3 and nothing below it, a verified chain, certificates that are replaced while connections go on.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::pki::{self, Authority};
use testkit::{Http, World};

const ANA: &str = "spiffe://example.org/agent/ana";
const DAY: Duration = Duration::from_secs(24 * 3600);
const CLIENTS: &str = ", client_ca: {root}/tls/clients.pem";

/// A hello of TLS 1.2: its version, a random number, no session, one suite, no extension that says more.
fn old_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2f, 0xc0, 0x30, 1, 0]);
    hello.extend([0, 18, 0, 10, 0, 4, 0, 2, 0, 29, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4]);
    let mut message = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

/// What the data listener says to these bytes.
fn told(world: &World, bytes: &[u8]) -> Vec<u8> {
    told_at(world.data(), bytes)
}

/// What the listener at `address` says to these bytes.
fn told_at(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn nothing_below_1_3_is_spoken_and_nothing_in_the_clear() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    // RFC 8446 §6: a fatal alert, protocol_version.
    let alert = told(&world, &old_hello());
    assert_eq!((alert.first(), &alert[5..]), (Some(&21), &[2, 70][..]), "{alert:?}");
    let plain = told(&world, format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", world.data()).as_bytes());
    assert!(!String::from_utf8_lossy(&plain).contains("HTTP/1.1"), "{plain:?}");
    // Each is on record.
    wait(|| world.audit().iter().filter(|record| record["decision"]["code"] == "transport.tls/refused").count() == 2);
    let metrics = String::from_utf8(world.admin().send("GET", "/metrics", &[], b"").body).unwrap();
    assert!(metrics.contains(r#"bastide_handshakes_failed_total{listener="data",fault="old"} 1"#), "{metrics}");
}

/// A gateway whose listeners are all inside TLS by an authority of its own; where its admin and its enrolment listener are.
fn secured_everywhere() -> (World, SocketAddr, SocketAddr) {
    let mut world = World::with().authority("1h").write();
    let admin = world.admin().address;
    world.edit(&format!("admin: {{ address: {admin} }}"), &format!("admin: {{ address: {admin}, tls: {{ authority: own }} }}"));
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    let enrol = world.ready["enrol"].as_str().unwrap().strip_prefix("https://").unwrap().parse().unwrap();
    (world, admin, enrol)
}

/// The settings of who holds a certificate of `role` that was issued just now.
fn holder(world: &World, role: &str) -> Arc<rustls::ClientConfig> {
    let folder = world.path(role);
    world.json(&["ca", "issue", "--role", role, "ana", "--out", &folder.display().to_string()]);
    pki::holder(&folder)
}

#[test]
fn no_listener_speaks_anything_below_1_3() {
    let (world, admin, enrol) = secured_everywhere();
    let doors = [("data", world.data()), ("admin", admin), ("enrolment", enrol)];
    for (name, address) in doors {
        let alert = told_at(address, &old_hello());
        assert_eq!((alert.first(), alert.get(5..)), (Some(&21), Some(&[2, 70][..])), "{name}: {alert:?}");
        let plain = told_at(address, format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        assert!(!String::from_utf8_lossy(&plain).contains("HTTP/1.1"), "{name}: {plain:?}");
    }
    wait(|| world.audit().iter().filter(|record| record["decision"]["code"] == "transport.tls/refused").count() == 2 * doors.len());
    let metrics = world.admin().secured(holder(&world, "operator")).send("GET", "/metrics", &[], b"").body;
    let metrics = String::from_utf8(metrics).unwrap();
    for (name, _) in doors {
        let counted = format!(r#"bastide_handshakes_failed_total{{listener="{name}",fault="old"}} 1"#);
        assert!(metrics.contains(&counted), "{counted}: {metrics}");
    }
}

#[test]
fn every_answer_inside_tls_has_browsers_come_back_by_it_and_none_in_the_clear_does() {
    const HSTS: &str = "strict-transport-security";
    let (world, admin, enrol) = secured_everywhere();
    let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
    let stranger = pki::client(&roots, None, "http/1.1").unwrap();
    let doors = [
        (Http::new(world.data(), "/mcp", None).secured(holder(&world, "agent")), [("GET", "/health", 200), ("POST", "/mcp", 401)]),
        (Http::new(admin, "/", None).secured(holder(&world, "operator")), [("GET", "/health", 200), ("GET", "/api/v1/status", 401)]),
        (Http::new(enrol, "/", None).secured(stranger), [("GET", "/health", 404), ("GET", "/enrol", 405)]),
    ];
    for (client, requests) in doors {
        for (method, path, status) in requests {
            let answer = client.send(method, path, &[], b"");
            assert_eq!((answer.status, answer.header(HSTS)), (status, Some("max-age=63072000; includeSubDomains")), "{method} {path}");
        }
        // What is refused before it is read as a request: no host.
        let answer = String::from_utf8(client.raw(b"GET /health HTTP/1.1\r\n\r\n")).unwrap().to_ascii_lowercase();
        assert!(
            answer.starts_with("http/1.1 400 ") && answer.contains(&format!("\r\n{HSTS}: max-age=63072000; includesubdomains\r\n")),
            "{answer}"
        );
    }
    // RFC 6797 §7.2.
    let clear = World::with().start();
    for client in [Http::new(clear.data(), "/mcp", None), clear.admin()] {
        let answer = client.send("GET", "/health", &[], b"");
        assert_eq!((answer.status, answer.header(HSTS)), (200, None));
        let answer = String::from_utf8(client.raw(b"GET /health HTTP/1.1\r\n\r\n")).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 400 ") && !answer.contains(HSTS), "{answer}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_and_calls_go_beside_one_another() {
    let authority = Authority::new("clients");
    let (world, token, settings) = tokio::task::spawn_blocking(move || {
        let world = World::with().secured(&authority, CLIENTS).start();
        let token = world.token("agent:tester", &[]);
        let settings = authority.trusting(Some(&authority.client(ANA)), "h2");
        (world, token, settings)
    })
    .await
    .unwrap();
    let stream = tokio::net::TcpStream::connect(world.data()).await.unwrap();
    let name = rustls_pki_types::ServerName::from(world.data().ip());
    let stream = tokio_rustls::TlsConnector::from(settings).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // Post-quantum: the hybrid that the listener prefers.
    assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let base = format!("https://{}/mcp", world.data());
    let ask = |message: Value, session: Option<String>| {
        let mut request = hyper::Request::post(&base)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
        let mut sender = sender.clone();
        async move {
            let response = sender.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            (head, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
        }
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let (head, _) = ask(hello, None).await;
    assert!(head.headers.contains_key("strict-transport-security"));
    let session = head.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let (noted, _) = ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), Some(session.clone())).await;
    assert_eq!(noted.status, 202);
    let call = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "canary__echo", "arguments": {"text": format!("n{id}")}}});
    let calls = futures_util::future::join_all((2..22).map(|id| ask(call(id), Some(session.clone())))).await;
    for (at, (head, body)) in calls.into_iter().enumerate() {
        assert!(head.status == 200 && body.contains(&format!("n{}", at + 2)), "{} {body}", head.status);
    }
    // What is no request of ours is refused as over HTTP/1.1: a host that is not ours.
    let stranger =
        hyper::Request::get(format!("https://{}/health", world.data())).header("host", "other.example").body(Full::new(Bytes::new()));
    let answer = sender.clone().send_request(stranger.unwrap()).await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
    tokio::task::spawn_blocking(move || drop(world)).await.unwrap();
}

#[test]
fn a_certificate_is_replaced_without_dropping_anything_and_a_broken_one_is_not_taken() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).section("bounds", "header: 10m").start();
    let settings = authority.trusting(Some(&authority.client(ANA)), "http/1.1");
    let mut open = connected(&world, &settings);
    let first = shown(&world, &settings);
    let put = |name: &str, text: &str| {
        fs::write(world.path(&format!("tls/{name}")), text).unwrap();
        fs::set_permissions(world.path(&format!("tls/{name}")), fs::Permissions::from_mode(0o600)).unwrap();
    };
    // Half of a file, an ended one, one whose key is another: the last good one stays, and that is on record.
    let next = authority.server();
    let ended = authority.leaf(|parameters| {
        parameters.not_after = (std::time::SystemTime::now() - Duration::from_secs(5)).into();
    });
    for broken in [&next.certificate[..next.certificate.len() / 2], &ended.certificate, &next.certificate] {
        let before = events(&world, "transport.tls-kept");
        put("server.pem", broken);
        wait(|| events(&world, "transport.tls-kept") > before);
        assert_eq!(shown(&world, &settings), first);
    }
    put("server.key", &next.key);
    wait(|| shown(&world, &settings) != first);
    assert!(events(&world, "transport.tls-replaced") >= 1);
    asked(&mut open, &world);
}

#[test]
fn a_certificate_is_taken_when_it_begins_and_one_that_cannot_be_read_is_on_record() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    let settings = authority.trusting(Some(&authority.client(ANA)), "http/1.1");
    let first = shown(&world, &settings);
    let put = |name: &str, text: &str, mode: u32| {
        let (place, beside) = (world.path(&format!("tls/{name}")), world.path("tls/beside"));
        fs::write(&beside, text).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(beside, place).unwrap();
    };
    let key = fs::read_to_string(world.path("tls/server.key")).unwrap();
    // Others may read it: it is not used, and the last good one stays.
    put("server.key", &key, 0o644);
    let kept = || -> Vec<String> {
        let of = |record: Value| record["detail"]["cause"].as_str().unwrap().to_owned();
        world.audit().into_iter().filter(|record| record["event"] == "transport.tls-kept").map(of).collect()
    };
    wait(|| kept().iter().any(|cause| cause.starts_with("listen.data.tls.key: ")));
    assert_eq!(shown(&world, &settings), first);
    put("server.key", &key, 0o600);
    let begins = std::time::SystemTime::now() + Duration::from_secs(10);
    let next = authority.leaf(|parameters| {
        parameters.not_before = begins.into();
        parameters.subject_alt_names = vec![rcgen::SanType::IpAddress(world.data().ip())];
    });
    put("server.key", &next.key, 0o600);
    put("server.pem", &next.certificate, 0o600);
    wait(|| kept().iter().any(|cause| cause.contains("not valid yet")));
    wait(|| shown(&world, &settings) != first);
    assert!(std::time::SystemTime::now() >= begins - Duration::from_secs(1));
    let count = kept().len();
    assert!(count <= 4, "each cause is on record once: {:?}", kept());
}

#[test]
fn a_reload_that_could_not_do_what_it_says_is_refused() {
    let mut world = World::with().section("bounds", "connections: 100\nstreams: 10").start();
    let admin = format!("admin: {{ address: {} }}", world.admin().address);
    let named = admin.replace(" }", ", hosts: [gateway.example] }");
    let bounds = "of `bounds` cannot change while the gateway runs";
    let cases = [
        ("connections: 100", "connections: 50", bounds),
        ("streams: 10", "streams: 5", bounds),
        (&admin, &named, "`listen.admin.hosts` cannot change while the gateway runs"),
    ];
    let mut said = 0;
    for (from, to, told) in cases {
        world.edit(from, to);
        world.gateway().signal(rustix::process::Signal::HUP);
        wait(|| {
            let log = fs::read_to_string(world.path("serve.log")).unwrap();
            let news = log.get(said..).unwrap_or_default();
            assert!(!news.contains("configuration reloaded"), "{to}: {news}");
            let is_told = news.contains(told);
            if is_told {
                said = log.len();
            }
            is_told
        });
        world.edit(to, from);
    }
    world.gateway().signal(rustix::process::Signal::HUP);
    wait(|| world.holds("serve.log", b"configuration reloaded"));
}

#[test]
fn the_key_may_lie_in_the_vault() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).write();
    let text = fs::read_to_string(world.config()).unwrap();
    let file = world.path("tls/server.key");
    fs::write(world.config(), text.replace(&file.display().to_string(), "vault:tls/key")).unwrap();
    world.json(&["lock", "--yes"]);
    assert_eq!(world.serve_in_vain(), Some(2), "it started without its key");
    let said = fs::read_to_string(world.path("serve.log")).unwrap();
    assert!(said.contains("bastide secret put tls/key"), "{said}");
    let mut put = world.command(&["secret", "put", "tls/key"]);
    assert!(testkit::run(&mut put, &fs::read(&file).unwrap()).status.success());
    fs::remove_file(&file).unwrap();
    let mut world = world;
    world.serve();
    connected(&world, &authority.trusting(Some(&authority.client(ANA)), "http/1.1"));
}

#[test]
fn what_cannot_be_used_does_not_start() {
    let authority = Authority::new("clients");
    let cases: [(&str, &str, String, &str); 5] = [
        ("server.pem", CLIENTS, "no PEM".into(), "is not PEM"),
        ("server.pem", CLIENTS, Authority::nobody(ANA).certificate, "the key is not that of the certificate"),
        ("clients.pem", CLIENTS, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(), "client_ca"),
        ("crl.pem", ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem", authority.taken_back(&[], Duration::ZERO), "has ended"),
        (
            "crl.pem",
            ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem",
            Authority::new("clients").taken_back(&[], DAY),
            "is not signed by",
        ),
    ];
    for (file, more, text, wanted) in cases {
        let world = World::with().secured(&authority, more).file(&format!("tls/{file}"), &text).write();
        world.json(&["lock", "--yes"]);
        assert_eq!(world.serve_in_vain(), Some(2), "{file}: {wanted}");
        let said = fs::read_to_string(world.path("serve.log")).unwrap();
        assert!(said.contains(wanted) && said.contains("listen.data.tls"), "{file}: {said}");
    }
}

type Secured = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

fn connected(world: &World, settings: &std::sync::Arc<rustls::ClientConfig>) -> Secured {
    let stream = TcpStream::connect(world.data()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let session = rustls::ClientConnection::new(settings.clone(), rustls_pki_types::ServerName::from(world.data().ip())).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    asked(&mut stream, world);
    stream
}

fn asked(stream: &mut Secured, world: &World) {
    write!(stream, "GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", world.data()).unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
}

/// The certificate that the listener shows now.
fn shown(world: &World, settings: &std::sync::Arc<rustls::ClientConfig>) -> Vec<u8> {
    connected(world, settings).conn.peer_certificates().unwrap()[0].to_vec()
}

fn events(world: &World, event: &str) -> usize {
    world.audit().iter().filter(|record| record["event"] == event).count()
}

fn wait(mut until: impl FnMut() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_plain_client_finds_no_way_around() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    assert_eq!(Http::new(world.data(), "/mcp", None).send("GET", "/health", &[], b"").status, 0);
}

/// How `doctor` finds what has this name to stand, and what it says of it.
fn found(world: &World, name: &str) -> Vec<(String, String)> {
    let said: Value = serde_json::from_slice(&world.run(&["doctor", "--json"]).stdout).unwrap();
    let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = said["findings"].as_array().unwrap().iter().filter(|finding| finding["name"] == name);
    findings.map(|finding| (of(finding, "standing"), format!("{} {}", of(finding, "detail"), of(finding, "next")))).collect()
}

/// Whether `doctor` names nothing but `key` of what TLS is made of as a problem, and says this.
#[track_caller]
fn faults(world: &World, key: &str, wanted: &str) {
    let tls = found(world, "tls");
    let problems: Vec<_> = tls.iter().filter(|(standing, _)| standing == "problem").map(|(_, said)| said).collect();
    assert!(
        matches!(problems.as_slice(), [said] if said.starts_with(&format!("{key}: ")) && said.contains(wanted)),
        "{key}, {wanted}: {tls:#?}"
    );
}

#[test]
fn doctor_takes_a_listener_inside_tls_for_what_it_is_and_leaves_no_trace_there() {
    let authority = Authority::new("clients");
    let world = World::with().secured(&authority, CLIENTS).start();
    assert_eq!(found(&world, "data"), [("ok".to_owned(), format!("{} listens, inside TLS ", world.data()))]);
    let tls = found(&world, "tls");
    assert!(
        matches!(tls.as_slice(), [(standing, said)] if standing == "ok" && said.starts_with("listen.data.tls.certificate: the certificate ends in ")),
        "{tls:?}"
    );
    // Records stand in the order in which they were made: behind this one, one of doctor's would be there too.
    let refused = || world.audit().iter().filter(|record| record["decision"]["code"] == "transport.tls/refused").count();
    told(&world, b"GET /health HTTP/1.1\r\n\r\n");
    wait(|| refused() > 0);
    assert_eq!(refused(), 1, "doctor is on record as somebody who was not let in");
    // A listener without TLS is asked as ever.
    assert!(matches!(found(&world, "admin").as_slice(), [(standing, said)] if standing == "ok" && said.contains(" answers")));
    drop(world);
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    for name in ["data", "enrol"] {
        let findings = found(&world, name);
        assert!(
            matches!(findings.as_slice(), [(standing, said)] if standing == "ok" && said.contains("inside TLS")),
            "{name}: {findings:?}"
        );
    }
    assert!(found(&world, "tls").is_empty(), "there are no files of TLS");
}

#[test]
fn doctor_names_what_a_start_would_not_take_beside_a_gateway_that_runs_and_without() {
    let authority = Authority::new("clients");
    let more = ", client_ca: {root}/tls/clients.pem, crl: {root}/tls/crl.pem";
    let mut world = World::with().secured(&authority, more).file("tls/crl.pem", &authority.taken_back(&[], DAY)).start();
    let ago = |time: Duration| std::time::SystemTime::now() - time;
    let good: Vec<_> = ["server.pem", "server.key", "clients.pem", "crl.pem"]
        .map(|name| (name, fs::read_to_string(world.path(&format!("tls/{name}"))).unwrap()))
        .into();
    let put = |world: &World, name: &str, text: &str| fs::write(world.path(&format!("tls/{name}")), text).unwrap();
    let ended = authority.leaf(|parameters| parameters.not_after = ago(Duration::from_secs(5)).into());
    let future = authority.leaf(|parameters| parameters.not_before = (std::time::SystemTime::now() + DAY / 2).into());
    let other = authority.server();
    let cases: [(&str, &str, &str, &str); 8] = [
        ("server.pem", &good[0].1[..good[0].1.len() / 2], "certificate", "is not PEM"),
        ("server.pem", &ended.certificate, "certificate", "has expired"),
        ("server.pem", &future.certificate, "certificate", "is not valid yet"),
        ("server.pem", &other.certificate, "key", "is not that of the certificate"),
        ("server.key", "no key", "key", "is not PEM"),
        ("clients.pem", "no certificate", "client_ca", "is not PEM"),
        ("crl.pem", &authority.taken_back(&[], Duration::ZERO), "crl", "has ended"),
        ("crl.pem", &Authority::new("clients").taken_back(&[], DAY), "crl", "is not signed by"),
    ];
    for running in [true, false] {
        for (file, text, key, wanted) in cases {
            put(&world, file, text);
            faults(&world, &format!("listen.data.tls.{key}"), wanted);
            good.iter().for_each(|(name, text)| put(&world, name, text));
        }
        if running {
            world.stop();
        }
    }
    let key = world.path("tls/server.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    faults(&world, "listen.data.tls.key", "can be reached by others");
    fs::remove_file(&key).unwrap();
    faults(&world, "listen.data.tls.key", "is not there");
    // In the vault the key is not looked at, and all the rest is.
    world.edit(&key.display().to_string(), "vault:tls/key");
    assert!(found(&world, "tls").iter().all(|(standing, _)| standing == "ok"), "{:?}", found(&world, "tls"));
    let vault = found(&world, "vault");
    assert!(
        vault.iter().any(|(_, said)| said.contains("listen.data.tls.key needs tls/key") && said.contains("bastide secret put tls/key")),
        "{vault:?}"
    );
    put(&world, "crl.pem", "no list");
    faults(&world, "listen.data.tls.crl", "is not PEM");
    put(&world, "crl.pem", &good[3].1);
    // What soon ends is no problem yet.
    let soon = authority.leaf(|parameters| {
        parameters.not_before = ago(DAY * 9).into();
        parameters.not_after = (std::time::SystemTime::now() + DAY).into();
    });
    put(&world, "server.pem", &soon.certificate);
    let tls = found(&world, "tls");
    assert!(
        tls.iter().any(|(standing, said)| standing == "note" && said.starts_with("listen.data.tls.certificate: the certificate ends in ")),
        "{tls:?}"
    );
}
