//! `identity.tokens`: agents hold short-lived signed tokens that name the audience, the servers, the tools and the expiry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Http, Response, World};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// `initialize` with exactly this Authorization header.
fn knock(world: &World, path: &str, authorization: &str) -> Response {
    Http::new(world.data(), path, None).post_text(HELLO, &[("Authorization", authorization)])
}

/// That it was refused as every bad token is, and is on record as such.
fn assert_refused(world: &World, response: &Response, case: &str) {
    assert_eq!(response.status, 401, "{case}");
    let answer = response.answer();
    assert_eq!(answer.refused(), "identity.tokens/invalid", "{case}");
    assert!(answer.0.get("id").is_none(), "the body of a stranger was read: {case}");
    let challenge = response.header("www-authenticate").unwrap();
    let metadata = format!("resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp", world.data());
    assert!(challenge.starts_with("Bearer ") && challenge.contains(&metadata), "{case}: {challenge}");
    assert!(challenge.ends_with("error=\"invalid_token\""), "{case}: {challenge}");
    let record = world.record(answer.reference());
    assert_eq!((&record["decision"]["code"], &record["decision"]["verdict"]), (&json!("identity.tokens/invalid"), &json!("refused")));
    assert!(record.get("principal").is_none(), "an identity was taken from a bad token: {record}");
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_token_says_who_calls_and_the_record_says_which_token() {
    let world = World::new();
    let issued = world.json(&["token", "issue", "--principal", "agent:tester", "--user", "ana", "--ttl", "10m"]);
    let token = issued["token"].as_str().unwrap();
    let stated = claims(token);
    assert_eq!(stated["servers"], json!(["canary"]));
    assert_eq!(stated["aud"], json!([format!("http://{}/mcp", world.data()), format!("http://{}/mcp/canary", world.data())]));
    assert_eq!(stated["exp"].as_u64().unwrap() - stated["iat"].as_u64().unwrap(), 600);
    let mut agent = Http::new(world.data(), "/mcp", Some(token));
    agent.open();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "echo").unwrap();
    assert_eq!((&call["principal"]["agent"], &call["principal"]["user"]), (&json!("tester"), &json!("ana")));
    assert_eq!(call["principal"]["authenticated"], json!({"by": "token", "id": issued["id"]}));
    assert!(!world.holds("state", token.as_bytes()), "the token was kept");
}

#[test]
fn what_is_no_token_of_ours_is_refused() {
    let world = World::new();
    let other = World::new();
    let good = world.token("agent:tester", &[]);
    let parts: Vec<&str> = good.split('.').collect();
    let recode = |part: &str, from: &str, to: &str| {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        URL_SAFE_NO_PAD.encode(text.replace(from, to))
    };
    let none = recode(parts[0], r#""alg":"EdDSA""#, r#""alg":"none""#);
    let mac = recode(parts[0], r#""alg":"EdDSA""#, r#""alg":"HS256""#);
    let admin = recode(parts[1], r#""sub":"tester""#, r#""sub":"admin1""#);
    let longer = recode(parts[1], r#""tools":[]"#, r#""tools":["*"]"#);
    for (case, authorization) in [
        ("a word", "Bearer nonsense".to_owned()),
        ("no signature", format!("Bearer {}.{}.", parts[0], parts[1])),
        ("alg none", format!("Bearer {none}.{}.", parts[1])),
        ("alg none, written anew", format!("Bearer {}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#), parts[1])),
        ("alg none with a signature", format!("Bearer {none}.{}.{}", parts[1], parts[2])),
        ("alg HS256", format!("Bearer {mac}.{}.{}", parts[1], parts[2])),
        ("another subject", format!("Bearer {}.{admin}.{}", parts[0], parts[2])),
        ("other tools", format!("Bearer {}.{longer}.{}", parts[0], parts[2])),
        ("padded", format!("Bearer {good}=")),
        ("one more part", format!("Bearer {good}.e30")),
        ("another gateway's", format!("Bearer {}", other.token("agent:tester", &[]))),
        ("of 9 KiB", format!("Bearer {}", "a".repeat(9 << 10))),
    ] {
        assert_refused(&world, &knock(&world, "/mcp", &authorization), case);
    }
    assert_eq!(knock(&world, "/mcp", &format!("Bearer {good}")).status, 200);
    assert!(world.reached().is_empty());
}

#[test]
fn without_a_bearer_token_nothing_is_read() {
    let world = World::new();
    let good = world.token("agent:tester", &[]);
    for authorization in ["", "Bearer", "Bearer ", "Basic dGVzdGVyOnRlc3Rlcg==", &format!("Token {good}"), &format!("Bearer  {good}")] {
        let response = knock(&world, "/mcp", authorization);
        assert_eq!((response.status, response.answer().refused()), (401, "identity.tokens/missing"), "{authorization}");
        assert!(!response.header("www-authenticate").unwrap().contains("error="), "{authorization}");
    }
    for name in ["X-Forwarded-User", "X-Bastide-Principal", "X-Remote-User", "Cookie", "Proxy-Authorization"] {
        let stranger = Http::new(world.data(), "/mcp", None);
        let response = stranger.post_text(HELLO, &[(name, &format!("Bearer {good}"))]);
        assert_eq!(response.status, 401, "{name}");
    }
    let unread = Http::new(world.data(), "/mcp", None).post_text("{not json", &[]);
    assert_eq!((unread.status, unread.answer().refused()), (401, "identity.tokens/missing"));
}

#[test]
fn two_authorization_headers_are_none() {
    let world = World::new();
    let good = world.token("agent:tester", &[]);
    let stranger = Http::new(world.data(), "/mcp", None);
    let mut headers = stranger.headers(&[("Authorization", &format!("Bearer {good}"))]);
    headers.push(("Authorization".into(), "Bearer other".into()));
    let response = stranger.send("POST", "/mcp", &headers, HELLO.as_bytes());
    assert_eq!(response.status, 400);
    assert_eq!(response.answer().refused(), "identity.tokens/invalid");
    assert_eq!(response.header("connection"), Some("close"));
    assert!(response.header("www-authenticate").unwrap().ends_with("error=\"invalid_request\""));
}

#[test]
fn a_token_ends() {
    let world = World::new();
    let token = format!("Bearer {}", world.token("agent:tester", &["--ttl", "8s"]));
    assert_eq!(knock(&world, "/mcp", &token).status, 200);
    std::thread::sleep(Duration::from_millis(8_100));
    assert_refused(&world, &knock(&world, "/mcp", &token), "ended");
    let long = world.run(&["token", "issue", "--principal", "agent:tester", "--ttl", "25h"]);
    assert_eq!(long.status.code(), Some(2), "a token of more than a day was issued");
}

#[test]
fn a_token_is_for_the_servers_that_it_names() {
    let world = World::with()
        .server("second", "run: [{bin}/canary-server]\nsandbox: { read: [{bin}] }")
        .role("tester", "members: [\"agent:tester\"]\nallow: { canary: [\"*\"], second: [\"*\"] }")
        .start();
    let token = world.token("agent:tester", &["--servers", "second"]);
    assert_refused(&world, &knock(&world, "/mcp/canary", &format!("Bearer {token}")), "another server's endpoint");
    let mut agent = Http::new(world.data(), "/mcp", Some(&token));
    agent.open();
    assert!(agent.ask("tools/list", json!({})).names().iter().all(|name| name.starts_with("second__")));
    assert_eq!(agent.call("second__echo", json!({"text": "hi"})).text(), "hi");
    let refused = agent.call("canary__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "access.filtered-discovery/unknown");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "identity.tokens/scope");
    assert!(agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"})).is_error());
    assert!(world.reached().is_empty());
}

#[test]
fn a_token_is_for_the_tools_that_it_names() {
    let world = World::new();
    let token = world.token("agent:tester", &["--tools", "canary__read_*,echo"]);
    let mut agent = Http::new(world.data(), "/mcp", Some(&token));
    agent.open();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo", "canary__read_note"]);
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    assert_eq!(refused.refused(), "access.filtered-discovery/unknown");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "identity.tokens/scope");
    assert!(world.reached().is_empty());
}

#[test]
fn a_token_only_narrows() {
    let world = World::with().allow("[echo]").start();
    let token = world.token("agent:tester", &["--tools", "*"]);
    let mut agent = Http::new(world.data(), "/mcp", Some(&token));
    agent.open();
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    assert_eq!(world.record(refused.reference())["decision"]["code"], "access.deny-by-default/denied");
    assert!(world.reached().is_empty());
}

#[test]
fn a_revoked_token_is_refused_at_once_and_after_a_restart() {
    let mut world = World::new();
    let issued = world.json(&["token", "issue", "--principal", "agent:tester"]);
    let token = issued["token"].as_str().unwrap();
    let mut agent = Http::new(world.data(), "/mcp", Some(token));
    agent.open();
    world.json(&["token", "revoke", issued["id"].as_str().unwrap()]);
    let refused = agent.post(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}), &[]);
    assert_refused(&world, &refused, "revoked");
    let cause = world.record(refused.answer().reference())["detail"]["cause"].clone();
    let holder = format!("{} of agent:tester", issued["id"].as_str().unwrap());
    assert!(cause.as_str().unwrap().ends_with(&holder), "whose token it was is not on record: {cause}");
    world.crash();
    world.serve();
    assert_refused(&world, &knock(&world, "/mcp", &format!("Bearer {token}")), "revoked before a crash");
    let other = world.token("agent:tester", &[]);
    assert_eq!(knock(&world, "/mcp", &format!("Bearer {other}")).status, 200);
    assert!(world.reached().is_empty());
}

#[test]
fn a_token_never_goes_up_to_a_server() {
    let world = World::with()
        .remote("far", "trust: internal")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { far: [\"*\"] }")
        .start();
    let mut agent = world.agent();
    let headers = agent.call("far__headers", json!({})).text();
    assert!(headers.contains("mcp-protocol-version"), "{headers}");
    assert!(!headers.contains("authorization"), "{headers}");
}

#[test]
fn nobody_is_served_when_revocations_cannot_be_read() {
    let mut world = World::new();
    let issued = world.json(&["token", "issue", "--principal", "agent:tester"]);
    let id = issued["id"].as_str().unwrap();
    world.json(&["token", "revoke", id]);
    world.stop();
    assert!(world.tamper(id, &"!".repeat(id.len())) > 0);
    assert_eq!(world.serve_in_vain(), Some(3));
}

#[test]
fn nobody_is_served_when_the_revocations_are_gone() {
    let mut world = World::new();
    let issued = world.json(&["token", "issue", "--principal", "agent:tester"]);
    world.json(&["token", "revoke", issued["id"].as_str().unwrap()]);
    world.stop();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(world.state().join(name));
    }
    assert_eq!(world.serve_in_vain(), Some(3), "it began anew and knows of no revocation");
}

/// Opens the standing stream and a call that answers late, both on their own connections; each gives what came on it until it was closed.
fn streams(agent: &Http) -> [std::thread::JoinHandle<String>; 2] {
    let (session, host) = (agent.session.clone().unwrap(), agent.address.to_string());
    let head: String = agent
        .headers(&[("Mcp-Session-Id", &session), ("Host", &host)])
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let body = r#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"canary__wait","arguments":{"ms":55000}}}"#;
    let requests =
        [format!("GET /mcp HTTP/1.1\r\n{head}\r\n"), format!("POST /mcp HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())];
    requests.map(|request| {
        let agent = agent.clone();
        std::thread::spawn(move || String::from_utf8_lossy(&agent.raw_for(request.as_bytes(), Duration::from_secs(50))).into_owned())
    })
}

fn assert_ended(streams: [std::thread::JoinHandle<String>; 2]) {
    for stream in streams {
        let text = stream.join().unwrap();
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("text/event-stream"), "{text}");
        assert!(text.ends_with("0\r\n\r\n"), "it was not ended: {text}");
        assert!(!text.contains("waited"), "an answer came: {text}");
    }
}

#[test]
fn what_is_open_ends_with_its_token() {
    let world = World::new();
    let mut agent = Http::new(world.data(), "/mcp", Some(&world.token("agent:tester", &["--ttl", "25s"])));
    agent.patience = Duration::from_secs(50);
    agent.open();
    let (open, began) = (streams(&agent), std::time::Instant::now());
    assert_ended(open);
    assert!(began.elapsed() < Duration::from_secs(45), "it outlived its token");
    assert_eq!(world.json(&["session", "list"]), json!({"sessions": []}));
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "wait").unwrap();
    assert_eq!(call["decision"]["code"], "identity.tokens/invalid");
    let mut other = world.agent();
    assert_eq!(other.call("canary__echo", json!({"text": "hi"})).text(), "hi", "another token's session ended too");
}

#[test]
fn what_is_open_ends_when_its_token_is_revoked() {
    let world = World::new();
    let issued = world.json(&["token", "issue", "--principal", "agent:tester"]);
    let mut agent = Http::new(world.data(), "/mcp", issued["token"].as_str());
    agent.patience = Duration::from_secs(50);
    agent.open();
    let mut other = world.agent();
    let open = streams(&agent);
    let end = std::time::Instant::now() + Duration::from_secs(45);
    while world.reached().is_empty() {
        assert!(std::time::Instant::now() < end, "the call did not arrive");
        std::thread::sleep(Duration::from_millis(50));
    }
    // The call's answer has become a stream by then.
    std::thread::sleep(Duration::from_secs(8));
    world.json(&["token", "revoke", issued["id"].as_str().unwrap()]);
    assert_ended(open);
    assert_eq!(other.call("canary__echo", json!({"text": "hi"})).text(), "hi", "another token's session ended too");
}

#[test]
fn a_socket_of_another_user_is_told_nothing() {
    if !testkit::layers::are_there() {
        return;
    }
    use std::os::unix::process::CommandExt as _;
    // Nobody else can listen as somebody else.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    const LISTEN: &str = "import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print('ready', flush=True)
print('told: ' + s.accept()[0].makefile().readline(), flush=True)";
    let world = World::with().write();
    let theirs = world.path("box/theirs.sock");
    let mut other = std::process::Command::new("/usr/bin/env");
    other.args(["python3", "-c", LISTEN]).arg(&theirs).current_dir("/").uid(65_534).gid(65_534);
    other.env("PATH", "/usr/bin:/bin");
    let other = testkit::Running::start(&mut other, &world.path("other.log"));
    assert_eq!(other.line(Duration::from_secs(90)).as_deref(), Some("ready"));
    std::os::unix::fs::symlink(&theirs, world.state().join("bastide.sock")).unwrap();
    let output = world.run(&["connect", "--no-start"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("user 65534"), "{output:?}");
    assert_eq!(other.line(Duration::from_secs(90)).as_deref(), Some("told: "));
}
