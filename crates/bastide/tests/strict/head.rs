//! `transport.strict-messages`: what the head of a request must be, before its body is looked at.

use serde_json::json;
use testkit::{Http, Response, World};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn send(agent: &Http, method: &str, path: &str, more: &[(&str, &str)]) -> Response {
    let session = agent.session.as_deref().unwrap_or_default();
    let mut headers = agent.headers(&[("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")]);
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    agent.send(method, path, &headers, PING.as_bytes())
}

/// The status line's number of what answers these lines of a head.
fn raw(agent: &Http, lines: &[String]) -> (u16, bool) {
    let token = agent.token.as_deref().unwrap();
    let mut text = lines.join("\r\n");
    text.push_str(&format!(
        "\r\nAuthorization: Bearer {token}\r\nMcp-Session-Id: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{PING}",
        agent.session.as_deref().unwrap(),
        PING.len()
    ));
    let answer = String::from_utf8_lossy(&agent.raw(text.as_bytes())).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.to_ascii_lowercase().contains("connection: close"))
}

#[test]
fn exactly_one_host_and_one_of_ours() {
    let world = World::new();
    let mut agent = world.agent();
    agent.patience = std::time::Duration::from_secs(2);
    let (address, port) = (world.data(), world.data().port());
    let post = || "POST /mcp HTTP/1.1".to_owned();
    let close = || "Connection: close".to_owned();
    for host in [address.to_string(), format!("localhost:{port}"), format!("LOCALHOST:{port}"), format!("[::1]:{port}")] {
        assert_eq!(raw(&agent, &[post(), format!("Host: {host}"), close()]).0, 200, "{host}");
    }
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.1:{}", port - 1),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.:{port}"),
        format!("127.1:{port}"),
        format!("0.0.0.0:{port}"),
        format!("user@127.0.0.1:{port}"),
        format!("127.0.0.1:{port},evil.example"),
    ] {
        assert_eq!(raw(&agent, &[post(), format!("Host: {host}")]), (403, true), "{host}");
    }
    assert_eq!(raw(&agent, &[post()]), (400, true), "no host");
    assert_eq!(raw(&agent, &[post(), format!("Host: {address}"), format!("Host: {address}")]), (400, true), "two hosts");
    for target in
        ["http://evil.example/mcp".to_owned(), format!("http://evil.example:{port}/mcp"), format!("http://127.0.0.1:{}/mcp", port - 1)]
    {
        let (status, closed) = raw(&agent, &[format!("POST {target} HTTP/1.1"), format!("Host: {address}")]);
        assert!(matches!(status, 400 | 403) && closed, "{target}: {status}");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_page_of_elsewhere_may_not_call() {
    let world = World::new();
    let agent = world.agent();
    let port = world.data().port();
    for origin in [
        "null".to_owned(),
        "https://evil.example".into(),
        format!("http://evil.example:{port}"),
        format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1".into(),
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://127.0.0.1:{port} http://evil.example"),
        String::new(),
    ] {
        let response = send(&agent, "POST", "/mcp", &[("Origin", &origin)]);
        assert_eq!(response.status, 403, "{origin:?}");
        assert!(response.header("access-control-allow-origin").is_none(), "{origin:?}");
        assert!(response.header("connection").is_some_and(|value| value == "close"));
    }
    let own = format!("http://127.0.0.1:{port}");
    assert_eq!(send(&agent, "POST", "/mcp", &[("Origin", &own), ("Origin", &own)]).status, 403, "two origins");
    assert_eq!(send(&agent, "POST", "/mcp", &[("Origin", &own)]).status, 200);
    let audit = world.audit();
    assert!(audit.iter().any(|record| record["decision"]["code"] == "transport.strict-messages/malformed"));
}

#[test]
fn hosts_and_origins_of_the_file_are_taken_beside_our_own() {
    let mut world = World::new();
    world.stop();
    let address = world.data().to_string();
    world.edit(
        &format!("data: {{ address: {address} }}"),
        &format!("data: {{ address: {address}, hosts: [\"gate.example:8420\"], origins: [\"https://app.example\"] }}"),
    );
    world.serve();
    let agent = world.agent();
    assert_eq!(send(&agent, "POST", "/mcp", &[("Host", "gate.example:8420")]).status, 200);
    assert_eq!(send(&agent, "POST", "/mcp", &[("Host", "gate.example")]).status, 403);
    assert_eq!(send(&agent, "POST", "/mcp", &[("Origin", "https://app.example")]).status, 200);
    assert_eq!(send(&agent, "POST", "/mcp", &[("Origin", "https://app.example.evil")]).status, 403);
}

#[test]
fn the_admin_listener_has_the_same_guard() {
    let world = World::new();
    let admin = world.admin();
    for (name, value) in [("Host", "evil.example".to_owned()), ("Origin", "https://evil.example".into()), ("Origin", "null".into())] {
        let response = admin.send("GET", "/api/v1/servers", &[(name.to_owned(), value.clone())], b"");
        assert!(matches!(response.status, 400 | 401 | 403), "{name}: {value}: {}", response.status);
        assert!(!String::from_utf8_lossy(&response.body).contains("canary"), "{name}: {value}");
    }
}

#[test]
fn a_path_is_exact() {
    let world = World::new();
    let agent = world.agent();
    for path in [
        "//mcp",
        "/mcp/",
        "/MCP",
        "/%6dcp",
        "/mcp%2fcanary",
        "/mcp/./canary",
        "/mcp/../mcp",
        "/mcp;x=1",
        "/mcp/canary/",
        "/",
        "/mcp/Canary",
    ] {
        assert_eq!(send(&agent, "POST", path, &[]).status, 404, "{path}");
    }
    for path in ["/mcp?", "/mcp?x=1", "/mcp/canary?x"] {
        assert_eq!(send(&agent, "POST", path, &[]).status, 400, "{path}");
    }
    assert_eq!(send(&agent, "POST", "/mcp", &[]).status, 200);
}

#[test]
fn other_verbs_are_not_allowed() {
    let world = World::new();
    let agent = world.agent();
    for verb in ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "post"] {
        let response = send(&agent, verb, "/mcp", &[]);
        assert_eq!(response.status, 405, "{verb}");
        let allow = response.header("allow").unwrap_or_default();
        assert!(["POST", "GET", "DELETE"].iter().all(|one| allow.contains(one)), "{verb}: {allow:?}");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_head_without_end_is_cut() {
    let world = World::new();
    let agent = world.agent();
    for size in [33 << 10, 40 << 10, 100 << 10] {
        let response = send(&agent, "POST", "/mcp", &[("X-Fat", &"x".repeat(size))]);
        assert!(matches!(response.status, 431 | 0), "{size}: {}", response.status);
    }
    let many: Vec<(String, String)> = (0..80).map(|at| (format!("X-{at}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(matches!(send(&agent, "POST", "/mcp", &many).status, 431 | 0));
    assert_eq!(world.agent().ask("ping", json!({})).0["result"], json!({}));
}
