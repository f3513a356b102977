//! `identity.private-ca`: an authority used for nothing else issues short-lived certificates, renews them without a restart, and takes them back at once.

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::pki::{self, Authority};
use testkit::{Http, Response, Running, Stdio, World};

/// A gateway with an authority of its own, whose certificates live for `life`.
fn founded(life: &str) -> World {
    // No connection here ends for idleness while a test looks whether it is cut.
    let mut world = World::with().authority(life).section("bounds", "header: 10m\nidle: 10m").write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    world
}

fn enrol_address(world: &World) -> SocketAddr {
    world.ready["enrol"].as_str().unwrap().strip_prefix("https://").unwrap().parse().unwrap()
}

fn code(world: &World, arguments: &[&str]) -> String {
    let mut all = vec!["ca", "issue", "--code"];
    all.extend_from_slice(arguments);
    world.json(&all)["code"].as_str().unwrap().to_owned()
}

/// Runs `ca enrol` into the folder `name` of the world, which needs no configuration; its exit code.
fn enrol(world: &World, code: &str, name: &str) -> Option<i32> {
    let url = format!("https://{}", enrol_address(world));
    let out = world.path(name).display().to_string();
    let output = world.run(&["ca", "enrol", &url, "--code", code, "--out", &out]);
    output.status.code()
}

/// An agent that is enrolled in the folder `name`.
fn enrolled(world: &World, name: &str) -> PathBuf {
    assert_eq!(enrol(world, &code(world, &["--role", "agent", name]), name), Some(0));
    world.path(name)
}

/// A certificate of this role that was issued into the folder `name`.
fn issued(world: &World, role: &str, name: &str, more: &[&str]) -> PathBuf {
    let folder = world.path(name);
    let out = folder.display().to_string();
    let mut all = vec!["ca", "issue", "--role", role, name, "--out", &out];
    all.extend_from_slice(more);
    world.json(&all);
    folder
}

/// The status of a call with a good token and what is in `folder`; 0 where the handshake failed.
fn knock(world: &World, folder: &Path, token: &str) -> u16 {
    let client = Http::new(world.data(), "/mcp", Some(token)).secured(pki::holder(folder));
    client.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]).status
}

/// What the enrolment listener says to `body` at `path`, where `shown` is shown.
fn ask(world: &World, path: &str, body: &Value, shown: Option<&Path>) -> Response {
    let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
    let tls = match shown {
        Some(folder) => pki::holder(folder),
        None => pki::client(&roots, None, "http/1.1").unwrap(),
    };
    Http::new(enrol_address(world), path, None).secured(tls).send("POST", path, &[], body.to_string().as_bytes())
}

fn certificates(world: &World) -> Vec<Value> {
    world.json(&["ca", "list", "--all"])["certificates"].as_array().unwrap().clone()
}

fn of<'a>(certificates: &'a [Value], name: &str) -> Vec<&'a Value> {
    certificates.iter().filter(|one| one["name"] == name).collect()
}

fn events(world: &World, event: &str) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == event).collect()
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(90), "{what} never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A connection whose handshake is done, with one answered request.
fn open(address: SocketAddr, tls: Arc<rustls::ClientConfig>) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let name = rustls_pki_types::ServerName::from(address.ip());
    let session = rustls::ClientConnection::new(tls, name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(address).unwrap());
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    stream
}

/// Whether the other side soon ends it, though it is not idle.
fn is_cut(mut stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>) -> bool {
    let (began, address) = (Instant::now(), stream.sock.peer_addr().unwrap());
    while began.elapsed() < Duration::from_secs(60) {
        if write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").is_err()
            || !stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0)
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

/// Revokes and looks that nothing is renewed and no new handshake taken from then on, and that an open connection is cut.
fn taken_back(world: &World, folder: &Path, name: &str, token: &str) {
    let held = open(world.data(), pki::holder(folder));
    world.json(&["ca", "revoke", name, "--reason", "a drill"]);
    let (csr, _) = pki::request(&[]);
    assert_eq!(ask(world, "/renew", &json!({ "csr": csr }), Some(folder)).status, 0, "it is renewed");
    assert_eq!(knock(world, folder, token), 0, "a new handshake is let in");
    assert!(is_cut(held), "an open connection goes on after its certificate was taken back");
}

#[test]
fn a_certificate_lives_from_its_code_to_its_end_and_no_call_fails_on_the_way() {
    let world = founded("60s");
    let url = format!("https://{}", enrol_address(&world));
    let (folder, code) = (world.path("codex"), code(&world, &["--role", "agent", "codex"]));
    let out = folder.display().to_string();
    let mut keeper =
        Running::start(&mut world.command(&["ca", "enrol", &url, "--code", &code, "--out", &out, "--keep"]), &world.path("keep.log"));
    keeper.line(Duration::from_secs(60)).expect("a certificate");
    let token = world.token("agent:tester", &[]);
    let first = (fs::read(folder.join("chain.pem")).unwrap(), fs::read(folder.join("key.pem")).unwrap());
    // A client that launches a command renews what the command shows.
    let launched = enrolled(&world, "launched");
    let shown = fs::read(launched.join("chain.pem")).unwrap();
    let mut command = world.command(&["connect", &format!("https://{}", world.data())]);
    command.arg("--identity").arg(&launched).env("BASTIDE_TOKEN", &token);
    let mut stdio = Stdio::launch(&mut command, &world.path("connect.log"));
    stdio.open();
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let serials = |name: &str| of(&certificates(&world), name).len();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut agent = Http::new(world.data(), "/mcp", Some(&token)).secured(pki::holder(&folder));
            agent.open();
            while !stop.load(Ordering::Relaxed) {
                agent = agent.secured(pki::holder(&folder));
                assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "after {calls:?}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Both renew themselves, at two thirds of a life of a minute that began a minute ago.
        let renewed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait("a renewal of both", || load.is_finished() || (serials("codex") > 1 && serials("gateway-data") > 1));
            wait("the folder's renewal", || load.is_finished() || fs::read(folder.join("chain.pem")).unwrap() != first.0);
        }));
        stop.store(true, Ordering::Relaxed);
        load.join().expect("no call fails");
        renewed.expect("both are renewed");
    });
    wait("the command's renewal", || fs::read(launched.join("chain.pem")).unwrap() != shown);
    assert_eq!(stdio.call("canary__echo", json!({"text": "still"})).text(), "still");
    assert!(calls.load(Ordering::Relaxed) > 20, "{calls:?}");
    assert_ne!(fs::read(folder.join("key.pem")).unwrap(), first.1, "a renewal brings a new key");
    assert_eq!((events(&world, "identity.enrolled").len(), events(&world, "identity.renewed").is_empty()), (2, false));
    taken_back(&world, &folder, "agent/codex", &token);
    assert!(keeper.alive());
}

#[test]
fn what_is_renewed_by_hand_cuts_nobody() {
    let world = founded("1h");
    let folder = enrolled(&world, "codex");
    let token = world.token("agent:tester", &[]);
    let mut held = open(world.data(), pki::holder(&folder));
    // Two issuers within a second are two all the same.
    for what in ["data", "enrol", "issuer", "issuer"] {
        world.json(&["ca", "renew", what]);
    }
    // The list is another, the issuer too: who is in stays in, and the new issuer's and the old issuer's clients get in.
    write!(held, "GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", world.data()).unwrap();
    assert!(held.read(&mut [0; 4096]).unwrap() > 0, "a renewal has cut a connection");
    let next = enrolled(&world, "next");
    for folder in [&folder, &next] {
        assert_ne!(knock(&world, folder, &token), 0);
    }
    assert_eq!(world.json(&["ca", "list"])["issuers"].as_array().unwrap().len(), 3);
    // What the first issuer has signed is taken back, too.
    taken_back(&world, &folder, "codex", &token);
    assert_ne!(knock(&world, &next, &token), 0, "another's certificate went with it");
}

#[test]
fn a_code_is_good_once_for_one_name_and_for_minutes() {
    let world = founded("1h");
    let good = code(&world, &["--role", "agent", "codex"]);
    let (csr, _) = pki::request(&["spiffe://example.internal/agent/codex"]);
    let (other, _) = pki::request(&["spiffe://example.internal/agent/other"]);
    let (grown, _) = pki::request(&["spiffe://example.internal/operator/codex"]);
    let at = good.len() - 60;
    let wrong = format!("{}{}{}", &good[..at], if &good[at..=at] == "A" { "B" } else { "A" }, &good[at + 1..]);
    let broken = {
        let at = csr.rfind("-----END").unwrap() - 12;
        format!("{}{}{}", &csr[..at], if &csr[at..=at] == "A" { "B" } else { "A" }, &csr[at + 1..])
    };
    let issued = certificates(&world).len();
    let tries = [
        ("a wrong code", json!({"code": wrong, "csr": csr}), 403),
        ("no code", json!({"code": "", "csr": csr}), 403),
        ("another's name", json!({"code": good, "csr": other}), 400),
        ("another role", json!({"code": good, "csr": grown}), 400),
        ("a request that its key has not signed", json!({"code": good, "csr": broken}), 400),
        ("no request", json!({"code": good, "csr": "x"}), 400),
        ("a huge request", json!({"code": good, "csr": format!("{csr}{}", "A".repeat(14_000))}), 400),
        ("a huge body", json!({"code": good, "csr": "A".repeat(40_000)}), 413),
        ("a member more", json!({"code": good, "csr": csr, "role": "operator"}), 400),
    ];
    for (what, body, status) in &tries {
        assert_eq!(ask(&world, "/enrol", body, None).status, *status, "{what}");
    }
    assert_eq!(certificates(&world).len(), issued, "something was issued");
    // None of it has used the code up.
    let answer = ask(&world, "/enrol", &json!({"code": good, "csr": csr}), None);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(ask(&world, "/enrol", &json!({"code": good, "csr": csr}), None).status, 403, "a code is used twice");
    let short = code(&world, &["--role", "agent", "late", "--within", "1s"]);
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(ask(&world, "/enrol", &json!({"code": short, "csr": pki::request(&[]).0}), None).status, 403, "a code that has ended");
    let withdrawn = code(&world, &["--role", "agent", "gone"]);
    world.json(&["ca", "revoke", "agent/gone", "--reason", "sent to the wrong place"]);
    assert_eq!(
        ask(&world, "/enrol", &json!({"code": withdrawn, "csr": pki::request(&[]).0}), None).status,
        403,
        "a code that was withdrawn"
    );
    let causes: Vec<String> =
        events(&world, "identity.enrolment-refused").iter().map(|record| record["detail"]["cause"].as_str().unwrap().to_owned()).collect();
    for cause in ["unknown code", "no code", "the request names somebody else", "the code was used or withdrawn", "the code has ended"] {
        assert!(causes.iter().any(|found| found == cause), "{cause}: {causes:?}");
    }
    for (path, method, status) in [("/", "POST", 404), ("/enrol?x=1", "POST", 404), ("/enrol", "GET", 405), ("/mcp", "POST", 404)] {
        let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
        let client = Http::new(enrol_address(&world), path, None).secured(pki::client(&roots, None, "http/1.1").unwrap());
        assert_eq!(client.send(method, path, &[], b"{}").status, status, "{method} {path}");
    }
    assert!(!world.holds("state", good.as_bytes()), "a code is kept as it is");
}

#[test]
fn a_source_that_guesses_is_stopped() {
    let world = founded("1h");
    let statuses: Vec<u16> = (0..25).map(|_| ask(&world, "/enrol", &json!({"code": "bstd1.x", "csr": "x"}), None).status).collect();
    assert_eq!((statuses[0], statuses[24]), (403, 429), "{statuses:?}");
    // Whoever holds a certificate renews it, from the same address, too.
    let folder = issued(&world, "agent", "codex", &[]);
    let (csr, _) = pki::request(&[]);
    assert_eq!(ask(&world, "/renew", &json!({ "csr": csr }), Some(&folder)).status, 200);
    assert_eq!(ask(&world, "/enrol", &json!({"code": "bstd1.x", "csr": "x"}), None).status, 429);
}

#[test]
fn what_is_no_request_for_a_certificate_is_on_record() {
    let world = founded("1h");
    let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
    let client = Http::new(enrol_address(&world), "/enrol", None).secured(pki::client(&roots, None, "http/1.1").unwrap());
    assert_eq!(client.send("POST", "/enrol", &[], b"{\"code\":").status, 400);
    assert_eq!(client.send("GET", "/enrol", &[], b"").status, 405);
    assert_eq!(client.send("POST", "/nowhere", &[], b"{}").status, 404);
    let code = "transport.strict-messages/malformed";
    let causes = || -> Vec<Value> {
        let audit = world.audit();
        audit.iter().filter(|record| record["decision"]["code"] == code).map(|record| record["detail"]["cause"].clone()).collect()
    };
    wait("a record of each", || causes().len() == 3);
    assert!(causes().iter().all(|cause| cause.as_str().unwrap().starts_with("at the enrolment listener: ")), "{:?}", causes());
}

/// A handshake whose last flight is held back.
struct Held(rustls::ClientConnection, TcpStream);

impl Held {
    fn new(address: SocketAddr, tls: Arc<rustls::ClientConfig>) -> Self {
        let mut session = rustls::ClientConnection::new(tls, rustls_pki_types::ServerName::from(address.ip())).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        session.write_tls(&mut socket).unwrap();
        while session.is_handshaking() {
            session.read_tls(&mut socket).unwrap();
            session.process_new_packets().unwrap();
        }
        Self(session, socket)
    }

    /// Sends it, and a request behind it; what comes.
    fn finish(mut self) -> String {
        let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.1.peer_addr().unwrap());
        self.0.writer().write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut bytes).unwrap();
        }
        let _ = self.1.write_all(&bytes);
        let mut answer = Vec::new();
        while self.0.read_tls(&mut self.1).is_ok_and(|count| count > 0) && self.0.process_new_packets().is_ok() {
            let _ = self.0.reader().read_to_end(&mut answer);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[test]
fn a_handshake_is_judged_by_what_is_in_force_at_its_end() {
    let world = founded("1h");
    let [bad, good] = ["bad", "good"].map(|name| enrolled(&world, name));
    let held: Vec<Held> = (0..12).map(|_| Held::new(world.data(), pki::holder(&bad))).collect();
    let other = Held::new(world.data(), pki::holder(&good));
    world.json(&["ca", "revoke", "agent/bad", "--reason", "a drill"]);
    for one in held {
        assert_eq!(one.finish(), "", "who was taken back is served");
    }
    assert!(other.finish().starts_with("HTTP/1.1 200"), "another is not");
    let refused = |record: &Value| {
        record["decision"]["code"] == "identity.mtls/refused"
            && record["detail"]["cause"].as_str().is_some_and(|cause| cause.contains("revoked"))
    };
    wait("a record of each", || world.audit().iter().filter(|record| refused(record)).count() == 12);
}

#[test]
fn who_breaks_off_while_it_enrols_leaves_no_certificate_unsaid() {
    let world = founded("1h");
    let codes: Vec<String> = (0..40).map(|at| code(&world, &["--role", "agent", &format!("of-{at}")])).collect();
    for (at, code) in (0_u8..).zip(&codes) {
        let (csr, _) = pki::request(&[]);
        let mut stream = enrolling_from(&world, [127, 0, 2, at + 1]);
        post(&mut stream, &json!({"code": code, "csr": csr}));
        std::thread::sleep(Duration::from_micros(300) * u32::from(at));
        // It is gone at once, not after what is still to be said.
        rustix::net::sockopt::set_socket_linger(&stream.sock, Some(Duration::ZERO)).unwrap();
    }
    // A code that brought no certificate is as good as it was.
    for (at, code) in (0_u8..).zip(&codes) {
        let (name, (csr, _)) = (format!("of-{at}"), pki::request(&[]));
        wait("an end", || {
            let answer = post_from(&world, [127, 0, 1, at + 1], &json!({"code": code, "csr": csr}));
            answer.starts_with("HTTP/1.1 200") || of(&certificates(&world), &name).len() == 1
        });
    }
    let serials = |of: Vec<Value>| -> BTreeSet<String> { of.iter().map(|one| one["serial"].as_str().unwrap().to_owned()).collect() };
    wait("a record of each", || {
        let issued = certificates(&world).into_iter().filter(|one| one["role"] == "agent").collect();
        let recorded = events(&world, "identity.enrolled").iter().map(|record| record["detail"].clone()).collect();
        serials(issued) == serials(recorded)
    });
}

/// A connection to the enrolment listener from the address `from` of this machine, its handshake done.
fn enrolling_from(world: &World, from: [u8; 4]) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let open = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&open, &SocketAddr::from((from, 0))).unwrap();
    connect(&open, &enrol_address(world)).unwrap();
    let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
    let name = rustls_pki_types::ServerName::from(enrol_address(world).ip());
    let session = rustls::ClientConnection::new(pki::client(&roots, None, "http/1.1").unwrap(), name).unwrap();
    let socket = TcpStream::from(open);
    socket.set_nodelay(true).unwrap();
    let mut stream = rustls::StreamOwned::new(session, socket);
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream
}

/// Posts `body` to it.
fn post(stream: &mut impl Write, body: &Value) {
    let body = body.to_string();
    write!(stream, "POST /enrol HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.flush().unwrap();
}

/// Posts `body` to the enrolment listener from the address `from`, and gives the head of the answer.
fn post_from(world: &World, from: [u8; 4], body: &Value) -> String {
    let mut stream = enrolling_from(world, from);
    post(&mut stream, body);
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[test]
fn a_flood_of_guesses_from_everywhere_is_summed_up() {
    let mut world = founded("1h");
    for from in 2..8 {
        for _ in 0..20 {
            let answer = post_from(&world, [127, 0, 0, from], &json!({"code": "bstd1.x", "csr": "x"}));
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        }
    }
    // What a known holder is refused has a record each.
    let folder = enrolled(&world, "codex");
    for _ in 0..3 {
        assert_eq!(ask(&world, "/renew", &json!({"csr": "x"}), Some(&folder)).status, 400);
    }
    world.stop();
    let records = events(&world, "identity.enrolment-refused");
    let (summed, alone): (Vec<_>, Vec<_>) = records.iter().partition(|record| record["detail"]["count"].is_u64());
    let counted: u64 = summed.iter().map(|record| record["detail"]["count"].as_u64().unwrap()).sum();
    assert_eq!(alone.len() as u64 + counted, 120, "{records:#?}");
    assert!(!summed.is_empty() && alone.len() < 100, "{} records and {} summaries", alone.len(), summed.len());
    assert_eq!(summed[0]["decision"]["code"], "identity.private-ca/refused");
    assert_eq!(events(&world, "identity.renewal-refused").len(), 3);
}

#[test]
fn a_code_is_given_in_a_file_in_the_environment_or_in_a_line() {
    let world = founded("1h");
    let url = format!("https://{}", enrol_address(&world));
    let run = |name: &str, more: &[&str], variable: Option<&str>, line: &str| {
        let out = world.path(name).display().to_string();
        let mut command = world.command(&["ca", "enrol", &url, "--out", &out]);
        command.args(more).env_remove("BASTIDE_CODE").envs(variable.map(|code| ("BASTIDE_CODE", code)));
        testkit::run(&mut command, line.as_bytes())
    };
    let code = || code(&world, &["--role", "agent", "codex"]);
    let path = world.path("code").display().to_string();
    fs::write(&path, format!("{}\n", code())).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let open = run("open", &["--code-file", &path], None, "");
    assert!(open.status.code() == Some(2) && String::from_utf8_lossy(&open.stderr).contains("chmod 600"), "{open:?}");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (name, more, variable, line) in [
        ("file", &["--code-file", path.as_str()][..], None, String::new()),
        ("variable", &[], Some(code()), String::new()),
        ("line", &["--code", "-"], None, format!("{}\nand more", code())),
    ] {
        let output = run(name, more, variable.as_deref(), &line);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(world.path(name).join("key.pem").exists(), "{name}");
    }
    let none = run("none", &["--keep"], None, "");
    assert!(none.status.code() == Some(2) && String::from_utf8_lossy(&none.stderr).contains("BASTIDE_CODE"), "{none:?}");
    assert!(!world.path("none").exists());
}

#[test]
fn a_renewal_that_was_cut_off_is_finished_by_who_uses_the_folder_next() {
    let world = founded("1h");
    let token = world.token("agent:tester", &[]);
    let cut = |name: &str| {
        let (folder, newer) = (enrolled(&world, name), enrolled(&world, &format!("{name}-newer")));
        // The key is in place, and its chain is not yet.
        fs::rename(newer.join("key.pem"), folder.join("key.pem")).unwrap();
        fs::copy(newer.join("chain.pem"), folder.join("chain.pem.next")).unwrap();
        (folder, fs::read(newer.join("chain.pem")).unwrap())
    };
    let (folder, chain) = cut("connected");
    let mut command = world.command(&["connect", &format!("https://{}", world.data())]);
    command.arg("--identity").arg(&folder).env("BASTIDE_TOKEN", &token);
    let mut stdio = Stdio::launch(&mut command, &world.path("connect.log"));
    stdio.open();
    assert_eq!(stdio.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(fs::read(folder.join("chain.pem")).unwrap(), chain);
    assert!(!folder.join("chain.pem.next").exists());
    // Who keeps a folder that was enrolled before needs no code, and finishes it too: other programs read the folder.
    let (folder, chain) = cut("kept");
    let url = format!("https://{}", enrol_address(&world));
    let out = folder.display().to_string();
    let mut command = world.command(&["ca", "enrol", &url, "--out", &out, "--keep"]);
    let mut keeper = Running::start(command.env_remove("BASTIDE_CODE"), &world.path("keep.log"));
    keeper.line(Duration::from_secs(60)).expect("a certificate");
    assert_eq!(fs::read(folder.join("chain.pem")).unwrap(), chain);
    assert_ne!(knock(&world, &folder, &token), 0);
    assert!(keeper.alive());
}

#[test]
fn what_was_taken_back_stays_so_whatever_the_clock_says() {
    let mut world = founded("1h");
    let token = world.token("agent:tester", &[]);
    let (folder, late) = (enrolled(&world, "codex"), enrolled(&world, "late"));
    world.json(&["ca", "revoke", "codex", "--reason", "a drill"]);
    let serial = unhex(of(&certificates(&world), "codex")[0]["serial"].as_str().unwrap());
    let is_listed = |world: &World| {
        let mut lists = CertificateRevocationListDer::pem_file_iter(world.state().join("ca/crl.pem")).unwrap();
        lists.any(|list| list.unwrap().windows(serial.len()).any(|window| window == serial))
    };
    assert!(is_listed(&world));
    assert_eq!(knock(&world, &folder, &token), 0);
    // As a clock that is far ahead sees them: ended long ago, and an hour ago.
    let aged = |world: &World, name: &str, ends: &str| {
        let change = format!(
            "import sqlite3, time\nwith sqlite3.connect({:?}) as state:\n    state.execute(\"UPDATE certificates SET ends = {ends} WHERE name = ?\", ({name:?},))",
            world.state().join("state.db").display().to_string()
        );
        let output = testkit::run(std::process::Command::new("/usr/bin/python3").args(["-c", &change]), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    world.stop();
    aged(&world, "codex", "1");
    aged(&world, "late", "(SELECT ends - 7200000000000 FROM certificates WHERE name = 'late')");
    world.serve();
    // The clock has gone back: both are as good as the day that they were issued for.
    assert_eq!(knock(&world, &folder, &token), 0, "what was taken back is let in");
    assert!(is_listed(&world), "it is no longer on the list");
    assert_ne!(knock(&world, &late, &token), 0);
    world.json(&["ca", "revoke", "late", "--reason", "a drill"]);
    wait("the refusal", || knock(&world, &late, &token) == 0);
}

#[test]
fn the_root_that_signs_is_our_own_and_who_enrols_meets_the_issuer_in_place() {
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    let root = world.path("root.pem").display().to_string();
    world.json(&["ca", "init", "--root-out", &root]);
    world.serve();
    let token = world.token("agent:tester", &[]);
    let own = world.json(&["ca", "list"])["issuers"][0]["root"].clone();
    let company = Authority::new("company root");
    let issuer = company.issuer("company issuer");
    let files = [("tls.crt", issuer.certificate.as_str()), ("tls.key", &issuer.key), ("ca.crt", company.pem())];
    let [certificate, key, ca] = files.map(|(name, text)| {
        fs::write(world.path(name), text).unwrap();
        world.path(name).display().to_string()
    });
    let met = |name: &str| {
        let code = code(&world, &["--role", "agent", name]);
        wait("a listener of the issuer in place", || enrol(&world, &code, name) == Some(0));
        assert_ne!(knock(&world, &world.path(name), &token), 0, "{name}");
    };
    world.json(&["ca", "import", "--certificate", &certificate, "--key", &key, "--root", &ca]);
    met("imported");
    // The company's root is now the oldest and the newest of the file in turn.
    for name in ["first", "second"] {
        world.json(&["ca", "renew", "issuer", "--root", &root]);
        let issuers = world.json(&["ca", "list"])["issuers"].clone();
        assert_eq!((&issuers[0]["origin"], &issuers[0]["root"]), (&json!("own"), &own), "{name}");
        met(name);
    }
}

#[test]
fn operators_come_to_the_admin_listener_by_certificates_of_our_own_and_no_renewal_cuts_them() {
    let mut world = World::with().authority("1h").write();
    let address = fs::read_to_string(world.config()).unwrap();
    let address = address.lines().find_map(|line| line.trim().strip_prefix("admin: { address: ")?.strip_suffix(" }")).unwrap().to_owned();
    world.edit(&format!("admin: {{ address: {address} }}"), &format!("admin: {{ address: {address}, tls: {{ authority: own }} }}"));
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    assert_eq!(world.ready["admin"], format!("https://{address}"));
    let admin: SocketAddr = address.parse().unwrap();
    let operator = issued(&world, "operator", "ana", &[]);
    let agent = issued(&world, "agent", "codex", &[]);
    let get = |folder: Option<&Path>, path: &str, headers: &[(String, String)]| {
        let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
        let tls = folder.map_or_else(|| pki::client(&roots, None, "http/1.1").unwrap(), pki::holder);
        world.admin().at("/").secured(tls).send("GET", path, headers, b"").status
    };
    assert_eq!(get(Some(&operator), "/health", &[]), 200);
    assert_eq!((get(Some(&agent), "/health", &[]), get(None, "/health", &[])), (0, 0), "an agent or nobody gets in");
    // The certificate is one thing, the operator's key another.
    assert_eq!(get(Some(&operator), "/api/v1/status", &[]), 401);
    let key = fs::read_to_string(world.state().join("admin.key")).unwrap();
    let key = [("Authorization".to_owned(), format!("Bearer {}", key.trim()))];
    assert_eq!(get(Some(&operator), "/api/v1/status", &key), 200);

    let shown = || {
        let all = certificates(&world);
        of(&all, "gateway-admin").iter().map(|one| one["serial"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let serial_at_the_door = || {
        let mut stream = open(admin, pki::holder(&operator));
        let leaf = stream.conn.peer_certificates().unwrap()[0].to_vec();
        stream.conn.send_close_notify();
        shown().into_iter().find(|serial| leaf.windows(serial.len() / 2).any(|window| window == unhex(serial))).expect("one of ours")
    };
    let (before, mut held) = (serial_at_the_door(), open(admin, pki::holder(&operator)));
    world.json(&["ca", "renew", "admin"]);
    wait("the new certificate", || {
        write!(held, "GET /health HTTP/1.1\r\nHost: {admin}\r\n\r\n").unwrap();
        assert!(held.read(&mut [0; 4096]).unwrap() > 0, "the renewal has cut a connection");
        serial_at_the_door() != before
    });
    world.json(&["ca", "revoke", "operator/ana", "--reason", "a drill"]);
    assert!(is_cut(held), "an open connection goes on after its certificate was taken back");
    assert_eq!(get(Some(&operator), "/health", &[]), 0);
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn who_enrols_speaks_with_nobody_but_the_root_of_the_code() {
    let (world, other) = (founded("1h"), founded("1h"));
    let code = code(&world, &["--role", "agent", "codex"]);
    let url = format!("https://{}", enrol_address(&other));
    let out = world.path("codex").display().to_string();
    let output = world.run(&["ca", "enrol", &url, "--code", &code, "--out", &out]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!world.path("codex").exists());
    assert!(events(&other, "identity.enrolment-refused").is_empty(), "the code was sent to another");
    assert_eq!(enrol(&world, &code, "codex"), Some(0), "its twin at the right gateway");
}

#[test]
fn a_renewal_is_for_who_holds_a_good_certificate_and_a_new_key() {
    let world = founded("1h");
    let (folder, server) = (enrolled(&world, "codex"), issued(&world, "server", "ledger", &["--host", "ledger.internal"]));
    let (csr, _) = pki::request(&[]);
    let body = json!({ "csr": csr });
    assert_eq!(ask(&world, "/renew", &body, None).status, 403, "without a certificate");
    let key = fs::read_to_string(folder.join("key.pem")).unwrap();
    assert_eq!(ask(&world, "/renew", &json!({"csr": pki::request_of(&key)}), Some(&folder)).status, 400, "with the key that it has");
    let named = pki::request(&["spiffe://example.internal/operator/codex"]).0;
    assert_eq!(ask(&world, "/renew", &json!({ "csr": named }), Some(&folder)).status, 400, "with another name");
    // A foreign authority's certificate of the same name.
    let roots = fs::read_to_string(world.state().join("ca/authority.pem")).unwrap();
    let foreign = Authority::new("example.internal root").client("spiffe://example.internal/agent/codex");
    let tls = pki::client(&roots, Some((&foreign.certificate, &foreign.key)), "http/1.1").unwrap();
    let answer = Http::new(enrol_address(&world), "/renew", None).secured(tls).send("POST", "/renew", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 0, "a foreign certificate");
    // Agents and servers renew; each gets what it had.
    for (folder, name) in [(&folder, "codex"), (&server, "ledger")] {
        let answer = ask(&world, "/renew", &json!({ "csr": pki::request(&[]).0 }), Some(folder));
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
        let all = certificates(&world);
        let found = of(&all, name);
        assert_eq!(found.len(), 2, "{name}");
        for key in ["role", "hosts"] {
            assert_eq!(found[0][key], found[1][key], "{name} {key}");
        }
    }
    assert_eq!(events(&world, "identity.renewal-refused").len(), 3);
    // What was issued before is good until it ends or is taken back.
    world.json(&["ca", "revoke", "codex", "--reason", "a drill"]);
    wait("the refusal", || ask(&world, "/renew", &body, Some(&folder)).status == 0);
}

#[test]
fn a_certificate_is_good_for_its_role_alone() {
    let world = founded("1h");
    let token = world.token("agent:tester", &[]);
    let agent = issued(&world, "agent", "codex", &[]);
    assert_ne!(knock(&world, &agent, &token), 0, "an agent gets in");
    assert_ne!(knock(&world, &issued(&world, "replica", "gw-2", &["--host", "gw-2.internal"]), &token), 0, "so does a replica");
    for (role, name, more) in [("server", "ledger", &["--host", "127.0.0.1"][..]), ("operator", "ana", &[])] {
        assert_eq!(knock(&world, &issued(&world, role, name, more), &token), 0, "{role}");
    }
    // An agent's certificate is no server's: who connects to it is told so by its own TLS.
    let serves = |folder: &Path| {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let leaf = pki::Leaf::of(&read("chain.pem"), &read("key.pem"));
        leaf.serves(&pki::client(&read("authority.pem"), None, "http/1.1").unwrap())
    };
    assert!(serves(&world.path("ledger")), "a server's is");
    assert!(!serves(&agent), "an agent's certificate passes for a server's");
    let key = world.path("codex/key.pem");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(key).unwrap().permissions()) & 0o777, 0o600);
    for bad in [
        &["ca", "issue", "--role", "agent", "x", "--host", "a.internal"][..],
        &["ca", "issue", "--role", "server", "x"],
        &["ca", "issue", "--role", "agent", "a/b"],
        &["ca", "issue", "--role", "agent", "x", "--life", "31d"],
        &["ca", "issue", "--role", "agent", "x", "--life", "1s"],
        &["ca", "revoke", "nobody", "--reason", "x"],
        &["ca", "revoke", "codex", "--reason", " "],
        &["ca", "renew", "admin"],
    ] {
        assert_eq!(world.run(bad).status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn what_another_holds_is_not_written_over() {
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    let folder = issued(&world, "agent", "codex", &[]);
    let out = folder.display().to_string();
    let held = || ["key.pem", "chain.pem"].map(|name| fs::read(folder.join(name)).unwrap());
    let before = held();
    for other in [&["agent", "claude"][..], &["server", "codex", "--host", "a.internal"]] {
        let refused = world.run(&[&["ca", "issue", "--out", &out, "--role"][..], other].concat());
        assert_eq!(refused.status.code(), Some(2), "{other:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("/agent/codex"), "{refused:?}");
    }
    assert_eq!(held(), before);
    issued(&world, "agent", "codex", &[]);
    assert_ne!(held(), before, "its own is");
    fs::remove_file(folder.join("chain.pem")).unwrap();
    let key = fs::read(folder.join("key.pem")).unwrap();
    assert_eq!(world.run(&["ca", "issue", "--role", "agent", "codex", "--out", &out]).status.code(), Some(2), "a key of something else");
    assert_eq!(fs::read(folder.join("key.pem")).unwrap(), key);
    let endless = world.run(&["ca", "issue", "--role", "agent", "x", "--csr", "/dev/zero", "--out", &out]);
    assert_eq!(endless.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&endless.stderr).contains("larger than 128 KiB"), "{endless:?}");
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn who_enrols_into_a_folder_of_somebody_else_is_refused_and_the_code_stays_good() {
    let (world, other) = (founded("1h"), founded("1h"));
    let ledger = issued(&world, "server", "ledger", &["--host", "ledger.internal"]);
    let (before, good) = (files(&ledger), code(&world, &["--role", "agent", "bob"]));
    assert_eq!(enrol(&world, &good, "ledger"), Some(2));
    assert_eq!(files(&ledger), before, "what another holds is written over");
    // The same at another gateway, which is not asked at all.
    let (url, out) = (format!("https://{}", enrol_address(&other)), ledger.display().to_string());
    let strange = code(&other, &["--role", "server", "ledger", "--host", "ledger.internal"]);
    assert_eq!(world.run(&["ca", "enrol", &url, "--code", &strange, "--out", &out]).status.code(), Some(2));
    assert!(files(&ledger) == before && events(&other, "identity.enrolment-refused").is_empty());
    let bare = world.path("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(ledger.join("key.pem"), bare.join("key.pem")).unwrap();
    let before = files(&bare);
    assert_eq!(enrol(&world, &good, "bare"), Some(2), "a key of something else");
    assert_eq!(files(&bare), before);
    assert_eq!(enrol(&world, &good, "bob"), Some(0), "the code is used up");
    // Its own holder enrols again, a server too.
    for (role, name, more) in [("agent", "bob", &[][..]), ("server", "ledger", &["--host", "ledger.internal"])] {
        let key = fs::read(world.path(name).join("key.pem")).unwrap();
        let again = code(&world, &[&["--role", role, name], more].concat());
        assert_eq!(enrol(&world, &again, name), Some(0), "{name}");
        assert_ne!(fs::read(world.path(name).join("key.pem")).unwrap(), key, "{name}");
    }
}

#[test]
fn a_folder_that_takes_no_certificate_leaves_the_code_good() {
    let world = founded("1h");
    let good = code(&world, &["--role", "agent", "codex"]);
    fs::write(world.path("afile"), "").unwrap();
    fs::create_dir_all(world.path("odd/key.pem")).unwrap();
    fs::create_dir_all(world.path("stuck/key.pem.next")).unwrap();
    for name in ["afile", "afile/x", "odd", "stuck"] {
        assert_eq!(enrol(&world, &good, name), Some(3), "{name}");
    }
    assert!(events(&world, "identity.enrolled").is_empty());
    assert_eq!(enrol(&world, &good, "codex"), Some(0), "the code is used up");
}

#[test]
fn a_pipe_in_a_folder_holds_nobody_up() {
    let world = founded("1h");
    let (folder, good) = (enrolled(&world, "codex"), code(&world, &["--role", "agent", "codex"]));
    let (url, out) = (format!("https://{}", enrol_address(&world)), folder.display().to_string());
    for name in ["chain.pem", "key.pem"] {
        let (path, aside) = (folder.join(name), world.path("aside"));
        fs::rename(&path, &aside).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        for arguments in [
            &["ca", "enrol", &url, "--code", &good, "--out", &out][..],
            &["ca", "enrol", &url, "--out", &out, "--keep"],
            &["ca", "issue", "--role", "agent", "codex", "--out", &out],
        ] {
            let mut command = world.command(arguments);
            let mut running = Running::start(command.env_remove("BASTIDE_CODE"), &world.path("pipe.log"));
            assert_eq!(running.wait(Duration::from_secs(60)), Some(3), "{name}: {arguments:?}");
        }
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(enrol(&world, &good, "codex"), Some(0), "the code is used up");
}

#[test]
fn of_two_that_write_a_folder_at_once_one_does_and_what_is_signed_is_kept() {
    let world = founded("1h");
    let token = world.token("agent:tester", &[]);
    for round in 0..6 {
        let (folder, names) = (world.path(&format!("shared-{round}")), [format!("one-{round}"), format!("two-{round}")]);
        let out = folder.display().to_string();
        let issue = |name: &str| world.run(&["ca", "issue", "--role", "agent", name, "--out", &out]).status.code();
        let ended = std::thread::scope(|scope| names.each_ref().map(|name| scope.spawn(|| issue(name))).map(|one| one.join().unwrap()));
        assert_eq!(ended.iter().filter(|code| **code == Some(0)).count(), 1, "{ended:?}");
        assert_ne!(knock(&world, &folder, &token), 0, "a key and another's chain");
        let all = certificates(&world);
        let signed = names.each_ref().map(|name| of(&all, name).len());
        assert_eq!(signed, ended.map(|code| usize::from(code == Some(0))), "a certificate was signed and lost");
    }
}

#[test]
fn nobody_else_gets_a_name_of_the_gateway() {
    let world = founded("1h");
    let out = world.path("out").display().to_string();
    for more in [&["--out", out.as_str()][..], &["--code"]] {
        let refused = world.run(&[&["ca", "issue", "--role", "server", "gateway-enrol", "--host", "localhost"], more].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is kept for the gateway itself"), "{refused:?}");
    }
    issued(&world, "agent", "gateway-enrol", &[]);
}

/// Stands in the place of the enrolment listener with what `folder` holds; whether the one client said anything to it.
fn impostor(folder: &Path) -> (SocketAddr, std::thread::JoinHandle<bool>) {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let certificates = |bytes: &[u8]| rustls_pki_types::CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().unwrap();
    let chain = [certificates(&read("chain.pem")), certificates(&read("authority.pem"))].concat();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    let settings = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let server = rustls::ServerConnection::new(Arc::new(settings)).unwrap();
        let mut stream = rustls::StreamOwned::new(server, stream);
        matches!(stream.read(&mut [0; 4096]), Ok(count) if count > 0)
    });
    (address, heard)
}

#[test]
fn a_server_of_the_same_authority_does_not_stand_in_the_listeners_place() {
    let world = founded("1h");
    let ledger = issued(&world, "server", "ledger", &["--host", "127.0.0.1"]);
    // The twin: whoever trusts the authority alone says to it what he has to say.
    let roots = fs::read_to_string(ledger.join("authority.pem")).unwrap();
    let (address, heard) = impostor(&ledger);
    let trusting = pki::client(&roots, None, "http/1.1").unwrap();
    let twin = std::thread::spawn(move || {
        let name = rustls_pki_types::ServerName::from(address.ip());
        let mut client =
            rustls::StreamOwned::new(rustls::ClientConnection::new(trusting, name).unwrap(), TcpStream::connect(address).unwrap());
        client.write_all(b"a code").unwrap();
        client.conn.send_close_notify();
        let _ = client.flush();
    });
    assert!(heard.join().unwrap(), "the twin says nothing");
    twin.join().unwrap();

    let good = code(&world, &["--role", "agent", "codex"]);
    let (address, heard) = impostor(&ledger);
    let out = world.path("codex").display().to_string();
    let refused = world.run(&["ca", "enrol", &format!("https://{address}"), "--code", &good, "--out", &out]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(!heard.join().unwrap(), "it heard the code");
    assert!(!world.path("codex").exists());
    assert_eq!(enrol(&world, &good, "codex"), Some(0), "the code is used up");
}

#[test]
fn who_takes_one_certificate_back_hears_of_the_others() {
    let world = founded("1h");
    for _ in 0..3 {
        issued(&world, "agent", "zed", &[]);
    }
    let out = world.path("server").display().to_string();
    world.json(&["ca", "issue", "--role", "server", "zed", "--host", "zed.internal", "--out", &out]);
    let all = certificates(&world);
    let serials: Vec<&str> =
        of(&all, "zed").iter().filter(|one| one["role"] == "agent").map(|one| one["serial"].as_str().unwrap()).collect();
    let taken = world.json(&["ca", "revoke", serials[0], "--reason", "a drill"]);
    assert_eq!(taken["still_good"], json!(["agent/zed"]));
    let said = world.run(&["ca", "revoke", serials[1], "--reason", "a drill"]).stdout;
    assert!(String::from_utf8_lossy(&said).contains("bastide ca revoke agent/zed"), "{said:?}");
    assert_eq!(world.json(&["ca", "revoke", "agent/zed", "--reason", "a drill"])["still_good"], json!([]));
}

#[test]
fn nothing_starts_without_its_authority_and_a_second_one_changes_nothing() {
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    assert_eq!(world.serve_in_vain(), Some(2), "without an authority");
    assert!(fs::read_to_string(world.path("serve.log")).unwrap().contains("bastide ca init"));
    assert_eq!(world.run(&["ca", "init", "--domain", "other.internal"]).status.code(), Some(2), "of another domain");
    world.json(&["ca", "init"]);
    let before = fs::read(world.state().join("ca/authority.pem")).unwrap();
    assert_eq!(world.run(&["ca", "init"]).status.code(), Some(2), "twice");
    world.serve();
    assert_eq!(world.run(&["ca", "init"]).status.code(), Some(2), "twice, at the running gateway");
    assert_eq!(fs::read(world.state().join("ca/authority.pem")).unwrap(), before);
    enrolled(&world, "codex");
    world.stop();
    world.edit("domain: example.internal", "domain: other.internal");
    assert_eq!(world.serve_in_vain(), Some(2), "with another domain than it was made for");
    world.edit("domain: other.internal", "domain: example.internal");
    // The keys of the authority are in the vault: who cannot open it shows and signs nothing.
    world.edit("listen:", "vault: { unlock: passphrase }\nlisten:");
    assert!(matches!(world.serve_in_vain(), Some(2 | 3)), "with a vault that stays locked");
    assert_ne!(
        world.run(&["ca", "issue", "--role", "agent", "x", "--code"]).status.code(),
        Some(0),
        "a code that nothing could be signed by"
    );
}

#[test]
fn a_list_that_somebody_else_has_written_lets_nobody_back_in() {
    let mut world = founded("1h");
    let token = world.token("agent:tester", &[]);
    let (folder, good) = (enrolled(&world, "codex"), enrolled(&world, "good"));
    let list = world.state().join("ca/crl.pem");
    let before = fs::read(&list).unwrap();
    world.json(&["ca", "revoke", "codex", "--reason", "a drill"]);
    wait("the refusal", || knock(&world, &folder, &token) == 0);
    let authority = Authority::new("example.internal root");
    for forged in
        [before, b"-----BEGIN X509 CRL-----\nMIIB".to_vec(), authority.taken_back(&[], Duration::from_secs(60)).into_bytes(), Vec::new()]
    {
        fs::write(&list, &forged).unwrap();
        // Whatever is read of it meanwhile, it is written anew.
        wait("a new list", || fs::read(&list).unwrap() != forged);
        wait("the refusal", || knock(&world, &folder, &token) == 0);
        wait("the other's way in", || knock(&world, &good, &token) != 0);
    }
    fs::remove_file(&list).unwrap();
    wait("a new list", || list.exists());
    // Taken back while no gateway runs, it is refused by the next.
    world.stop();
    world.json(&["ca", "revoke", "good", "--reason", "a drill"]);
    world.serve();
    assert_eq!(knock(&world, &good, &token), 0, "what was taken back meanwhile is let in");
    assert_eq!(world.run(&["ca", "revoke", "codex", "--reason", "again"]).status.code(), Some(0), "again is no error");
}

#[test]
fn an_outside_issuer_takes_the_place_of_our_own() {
    let world = founded("1h");
    let token = world.token("agent:tester", &[]);
    let (root, other) = (Authority::new("company root"), Authority::new("another root"));
    let issuer = root.issuer("company issuer");
    let write = |name: &str, text: &str| {
        fs::write(world.path(name), text).unwrap();
        world.path(name).display().to_string()
    };
    let (certificate, key, ca) = (write("tls.crt", &issuer.certificate), write("tls.key", &issuer.key), write("ca.crt", root.pem()));
    let leaf = root.client("spiffe://example.internal/agent/x");
    let (leaf, leaf_key) = (write("leaf.crt", &leaf.certificate), write("leaf.key", &leaf.key));
    let stranger = write("other.crt", other.pem());
    let ended = root.leaf(|parameters| {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        parameters.not_after = (std::time::SystemTime::now() - Duration::from_secs(60)).into();
    });
    let (ended, ended_key) = (write("ended.crt", &ended.certificate), write("ended.key", &ended.key));
    for (what, certificate, key, root) in [
        ("a certificate that is no authority", &leaf, &leaf_key, &ca),
        ("another's key", &certificate, &leaf_key, &ca),
        ("another's root", &certificate, &key, &stranger),
        ("one that has ended", &ended, &ended_key, &ca),
    ] {
        let output = world.run(&["ca", "import", "--certificate", certificate, "--key", key, "--root", root]);
        assert_eq!(output.status.code(), Some(2), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let before = enrolled(&world, "before");
    world.json(&["ca", "import", "--certificate", &certificate, "--key", &key, "--root", &ca]);
    let folder = enrolled(&world, "codex");
    assert_eq!(fs::read_to_string(folder.join("authority.pem")).unwrap().matches("BEGIN").count(), 2, "both roots, as both are in use");
    // Both are let in; the listener shows the company's by now.
    let old = Arc::new(|| {
        let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let shown = (read(&before, "chain.pem"), read(&before, "key.pem"));
        let tls = pki::client(&read(&folder, "authority.pem"), Some((&shown.0, &shown.1)), "http/1.1").unwrap();
        Http::new(world.data(), "/mcp", Some(&token)).secured(tls).post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]).status
    });
    wait("the new certificate", || knock(&world, &folder, &token) != 0);
    assert_ne!(old(), 0, "who came before is shut out");
    let answer = ask(&world, "/renew", &json!({ "csr": pki::request(&[]).0 }), Some(&folder));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(world.run(&["ca", "renew", "issuer"]).status.code(), Some(0), "our own root goes on where it is asked to");
    taken_back(&world, &folder, "codex", &token);
}

#[test]
fn an_outside_certificate_may_ask_for_clients_of_our_own() {
    let authority = Authority::new("public");
    let more = ", client_ca: {root}/state/ca/authority.pem, crl: {root}/state/ca/crl.pem";
    let mut world = World::with().authority("24h").secured(&authority, more).write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    let token = world.token("agent:tester", &[]);
    let folder = enrolled(&world, "codex");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let tls = || pki::client(authority.pem(), Some((&read("chain.pem"), &read("key.pem"))), "http/1.1").unwrap();
    let ping = || {
        let client = Http::new(world.data(), "/mcp", Some(&token)).secured(tls());
        client.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]).status
    };
    assert_ne!(ping(), 0);
    let held = open(world.data(), tls());
    world.json(&["ca", "revoke", "codex", "--reason", "a drill"]);
    assert!(is_cut(held), "an open connection goes on");
    assert_eq!(ping(), 0);
}

#[test]
fn a_root_that_is_kept_elsewhere_signs_when_it_is_brought() {
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    let root = world.path("root.pem").display().to_string();
    world.json(&["ca", "init", "--root-out", &root]);
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&root).unwrap().permissions()) & 0o777, 0o600);
    world.serve();
    assert_eq!(world.json(&["ca", "list"])["issuers"][0]["renews_itself"], false);
    assert_eq!(world.run(&["ca", "renew", "issuer"]).status.code(), Some(2), "without the root");
    let (other, _) = (world.path("other.pem"), fs::write(world.path("other.pem"), pki::request(&[]).1));
    assert_eq!(world.run(&["ca", "renew", "issuer", "--root", &other.display().to_string()]).status.code(), Some(2), "another's key");
    let folder = enrolled(&world, "codex");
    world.json(&["ca", "renew", "issuer", "--root", &root]);
    let issuers = world.json(&["ca", "list"])["issuers"].as_array().unwrap().clone();
    assert_eq!((issuers.len(), issuers[0]["origin"].as_str()), (2, Some("own")));
    let token = world.token("agent:tester", &[]);
    wait("the way in", || knock(&world, &folder, &token) != 0);
    assert!(!world.holds("state", fs::read(&root).unwrap().as_slice()));
}

/// Where Debian has SoftHSM, a token in software.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn a_root_in_a_token_signs_and_never_leaves_it() {
    if !Path::new(SOFTHSM).exists() {
        let wanted = std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_some_and(|value| value == "1");
        assert!(!wanted, "SoftHSM is missing: apt-get install softhsm2");
        eprintln!("skipped: {SOFTHSM} is not there");
        return;
    }
    let mut world = World::with().authority("1h").file("tokens/.keep", "").file("pin", "1234\n").file("bad", "4321\n").write();
    let tokens = world.path("tokens").display().to_string();
    let settings = world.path("softhsm2.conf");
    fs::write(&settings, format!("directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")).unwrap();
    let made = testkit::run(
        std::process::Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "ca", "--pin", "1234", "--so-pin", "5678"])
            .env("SOFTHSM2_CONF", &settings),
        b"",
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let place = format!("pkcs11:{SOFTHSM}?token=ca&object=root");
    let with = |arguments: &[&str], pin: &str| {
        let pin = world.path(pin).display().to_string();
        let mut command = world.command(arguments);
        testkit::run(command.args(["--root", &place, "--pin", &pin]).env("SOFTHSM2_CONF", &settings), b"").status.code()
    };
    assert_eq!(with(&["ca", "init"], "bad"), Some(3), "with another PIN");
    assert_eq!(with(&["ca", "init"], "pin"), Some(0));
    world.json(&["lock", "--yes"]);
    world.serve();
    let folder = enrolled(&world, "codex");
    assert_eq!(world.run(&["ca", "renew", "issuer"]).status.code(), Some(2), "without the token");
    let pin = world.path("pin").display().to_string();
    let mut command = world.command(&["ca", "renew", "issuer", "--root", &place, "--pin", &pin]);
    let renewed = testkit::run(command.env("SOFTHSM2_CONF", &settings), b"");
    assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
    let token = world.token("agent:tester", &[]);
    wait("the way in", || knock(&world, &folder, &token) != 0);
    assert_eq!(world.json(&["ca", "list"])["issuers"].as_array().unwrap().len(), 2);
    assert!(world.json(&["secret", "list"])["secrets"].as_array().unwrap().iter().all(|kept| kept["address"] != "vault:ca/root"));
}

#[test]
fn the_assessor_lives_through_a_certificate() {
    let mut world = World::with().authority("1h").write();
    world.json(&["lock", "--yes"]);
    world.json(&["ca", "init"]);
    world.serve();
    let judged = |world: &World, id: &str| {
        let answer = world.json(&["assess", "--control", id]);
        answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == id).unwrap().clone()
    };
    let of = |world: &World| judged(world, "identity.private-ca");
    let found = of(&world);
    assert_eq!(found["outcome"], "pass", "{found:#}");
    assert_eq!(found["evidence"]["steps"].as_array().unwrap().len(), 7, "{found:#}");
    // What is spoken where it enrols is looked at as at the other listeners.
    let found = judged(&world, "transport.tls");
    let steps = found["evidence"]["steps"].as_array().unwrap();
    let there: Vec<_> = steps.iter().filter(|step| step.to_string().contains("the enrolment listener")).collect();
    assert!(there.len() == 2 && there.iter().all(|step| step["ok"] == true), "{found:#}");
    // One that lives longer than the configuration says is found, until it is taken back.
    issued(&world, "agent", "long", &["--life", "2h"]);
    let found = of(&world);
    assert_ne!(found["outcome"], "pass", "{found:#}");
    let steps = found["evidence"]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["ok"] == false && step["found"].as_str().unwrap().contains("agent/long")), "{found:#}");
    world.json(&["ca", "revoke", "long", "--reason", "a drill"]);
    let found = of(&world);
    assert_eq!(found["outcome"], "pass", "{found:#}");
    let plain = World::new();
    let found = of(&plain);
    assert_eq!(found["outcome"], "n/a", "{found:#}");
    assert!(found.to_string().contains("bastide ca init"));
}
