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
    agent.patience = std::time::Duration::from_secs(60);
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

/// A request without a token and with exactly these headers beside Host.
fn bare(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let headers: Vec<(String, String)> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.stranger().send(method, path, &headers, b"")
}

const OPEN: [&str; 4] = ["/health", "/ready", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp/canary"];

#[test]
fn what_needs_no_token_needs_the_right_host_and_page_too() {
    let world = World::new();
    let port = world.data().port();
    for path in OPEN {
        for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
            let response = bare(&world, "GET", path, &[("Host", &host)]);
            assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")), "{path} {host}");
        }
        assert_eq!(bare(&world, "HEAD", path, &[]).status, 200, "{path}");
        for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", &format!("localhost.:{port}"), ""] {
            let response = bare(&world, "GET", path, &[("Host", host)]);
            assert_eq!((response.status, response.header("connection")), (403, Some("close")), "{path} {host}");
            let body = String::from_utf8_lossy(&response.body);
            assert!(!body.contains("\"ok\"") && !body.contains("\"ready\"") && !body.contains("resource\":"), "{path} {host}: {body}");
        }
        assert_eq!(bare(&world, "GET", path, &[("Host", &world.data().to_string()), ("Host", "evil.example")]).status, 400, "{path}");
        for origin in ["null", "https://evil.example", ""] {
            assert_eq!(bare(&world, "GET", path, &[("Origin", origin)]).status, 403, "{path} {origin}");
        }
        let post = bare(&world, "POST", path, &[]);
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")), "{path}");
        assert_eq!(bare(&world, "GET", &format!("{path}?x=1"), &[]).status, 400, "{path}");
        assert!(matches!(bare(&world, "GET", &format!("{path}/"), &[]).status, 404), "{path}/");
    }
    let missing = bare(&world, "GET", "/metrics", &[]);
    assert_eq!(missing.status, 404, "metrics are the operators'");
    let health = bare(&world, "GET", "http://evil.example/health", &[]);
    assert_eq!(health.status, 403, "an absolute target of elsewhere");
}

#[test]
fn a_page_that_may_call_is_told_what_it_may_send() {
    let mut world = World::new();
    world.stop();
    let address = world.data().to_string();
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, origins: [\"https://app.example\"] }}"));
    world.serve();
    let agent = world.agent();
    let own = format!("http://127.0.0.1:{}", world.data().port());
    let asked =
        [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,content-type,mcp-session-id")];
    let preflight = |path: &str, origin: &str| bare(&world, "OPTIONS", path, &[("Origin", origin), asked[0], asked[1]]);
    let names = |list: Option<&str>| {
        let mut names: Vec<_> = list.unwrap().split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        names.sort();
        names
    };
    for origin in ["https://app.example", &own] {
        for path in ["/mcp", "/mcp/canary", "/mcp/nothing"] {
            let response = preflight(path, origin);
            assert_eq!((response.status, response.body.len()), (204, 0), "{path} {origin}");
            assert_eq!(response.header("access-control-allow-origin"), Some(origin));
            assert_eq!(names(response.header("access-control-allow-methods")), ["delete", "get", "post"]);
            let headers = names(response.header("access-control-allow-headers"));
            let known = [
                "accept",
                "authorization",
                "content-type",
                "last-event-id",
                "mcp-method",
                "mcp-name",
                "mcp-protocol-version",
                "mcp-session-id",
            ];
            assert_eq!(headers, known);
            assert_eq!(response.header("vary"), Some("Origin"));
            assert!(response.header("access-control-allow-credentials").is_none());
        }
        for path in OPEN {
            let response = preflight(path, origin);
            assert_eq!((response.status, response.header("access-control-allow-methods")), (204, Some("GET")), "{path}");
            assert_eq!(response.header("access-control-allow-headers"), Some("MCP-Protocol-Version"), "{path}");
            let read = bare(&world, "GET", path, &[("Origin", origin)]);
            assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some(origin)), "{path}");
        }
        assert_eq!(preflight("/nothing", origin).status, 404);
        assert_eq!(preflight("/mcp?x=1", origin).status, 400);
        let foreign = [("Origin", origin), asked[0], ("Host", "evil.example")];
        let rebound = bare(&world, "OPTIONS", "/mcp", &foreign);
        assert_eq!((rebound.status, rebound.header("access-control-allow-origin")), (403, None));
        for answer in [send(&agent, "POST", "/mcp", &[("Origin", origin)]), bare(&world, "POST", "/mcp", &[("Origin", origin)])] {
            assert!(matches!(answer.status, 200 | 401));
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{}", answer.status);
            assert_eq!(names(answer.header("access-control-expose-headers")), ["mcp-session-id", "www-authenticate"]);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        assert_eq!(bare(&world, "OPTIONS", "/mcp", &[("Origin", origin)]).status, 405, "no preflight");
    }
    for origin in ["https://evil.example", "null", "https://app.example.evil", "http://app.example", "https://app.example:444", "*", ""] {
        for path in ["/mcp", "/health"] {
            let response = preflight(path, origin);
            assert_eq!(response.status, 403, "{path} {origin}");
            assert!(
                !response.headers.iter().any(|(name, _)| name.starts_with("access-control-")),
                "{path} {origin}: {:?}",
                response.headers
            );
        }
    }
    let plain = send(&agent, "POST", "/mcp", &[]);
    assert_eq!((plain.header("vary"), plain.header("access-control-allow-origin")), (Some("Origin"), None));
}

/// Row, verb, path, the header that differs (none: it is left out), status, code (0: any), whether the connection ends.
type HeadRow<'a> = (u8, &'a str, &'a str, Option<(&'a str, Option<&'a str>)>, u16, i64, bool);

#[test]
fn the_head_of_a_refusal_is_as_the_table_says() {
    let world = World::new();
    let agent = world.agent();
    let session = agent.session.clone().unwrap();
    let own = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
    let token = agent.token.clone().unwrap();
    let fat = "x".repeat(33 << 10);
    let unlike = format!("{}{}", if session.starts_with('0') { 1 } else { 0 }, &session[1..]);
    let mut wrong = Vec::new();
    #[rustfmt::skip]
    let rows: &[HeadRow<'_>] = &[
        (44, "POST", "/mcp", Some(("MCP-Protocol-Version", Some("2024-11-05"))), 400, -32600, false),
        (45, "POST", "/mcp", Some(("Mcp-Session-Id", None)), 400, -32600, false),
        (45, "POST", "/mcp", Some(("Mcp-Session-Id", Some(&unlike))), 404, -32600, false),
        (48, "POST", "/mcp", Some(("Content-Type", None)), 415, 0, false),
        (48, "POST", "/mcp", Some(("Content-Type", Some("text/plain"))), 415, 0, false),
        (49, "POST", "/mcp", Some(("Accept", Some("application/json"))), 406, 0, false),
        (50, "POST", "/mcp", Some(("Content-Encoding", Some("gzip"))), 415, 0, true),
        (56, "POST", "/mcp", Some(("Host", Some("evil.example"))), 403, 0, true),
        (56, "POST", "/mcp", Some(("Host", None)), 400, 0, true),
        (57, "POST", "/mcp", Some(("Origin", Some("null"))), 403, 0, true),
        (58, "POST", "/mcp?access_token=x", None, 400, 0, true),
        (58, "POST", "/mcp", Some(("authorization", Some("Bearer other"))), 400, 0, true),
        (59, "POST", "/mcp/", None, 404, 0, false),
        (59, "POST", "/mcp?x=1", None, 400, 0, false),
        (60, "PUT", "/mcp", None, 405, 0, false),
        (61, "POST", "/mcp", Some(("X-Fat", Some(&fat))), 431, 0, true),
    ];
    for (row, verb, path, differs, status, code, close) in rows {
        let mut headers = agent.headers(&own);
        headers.push(("Host".into(), world.data().to_string()));
        headers.push(("Content-Length".into(), PING.len().to_string()));
        if let Some((name, value)) = differs {
            headers.retain(|(found, _)| found != name);
            headers.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
        }
        let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let answer = agent.raw_answer(format!("{verb} {path} HTTP/1.1\r\n{head}\r\n{PING}").as_bytes());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let head = head.to_ascii_lowercase();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let fits = head.starts_with(&format!("http/1.1 {status} "))
            && head.contains("\r\nconnection: close") == *close
            && (*code == 0 || body["error"]["code"] == *code)
            && body.get("id").is_none()
            && (*row != 60 || head.contains("\r\nallow: post, get, delete"))
            && (*row == 58) == head.contains("\r\nwww-authenticate: bearer resource_metadata=");
        if !fits {
            wrong.push(format!("row {row} {verb} {path} {differs:?}: wanted {status} {code} close={close}\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown = agent.send("POST", &format!("/mcp/canary?access_token={token}"), &agent.headers(&own), PING.as_bytes());
    let challenge = shown.header("www-authenticate").unwrap();
    assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp/canary\""), "{challenge}");
    assert!(challenge.ends_with("error=\"invalid_request\""), "{challenge}");
    assert!(world.reached().is_empty());
}

#[test]
fn the_metadata_names_no_issuer_that_is_not_there() {
    let world = World::new();
    for (path, resource) in [("", "/mcp"), ("/mcp", "/mcp"), ("/mcp/canary", "/mcp/canary")] {
        let response = bare(&world, "GET", &format!("/.well-known/oauth-protected-resource{path}"), &[]);
        let document: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(document, json!({"resource": format!("http://{}{resource}", world.data()), "bearer_methods_supported": ["header"]}));
    }
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/token"] {
        assert_eq!(bare(&world, "GET", path, &[]).status, 404, "{path}");
    }
}

#[test]
fn the_admin_listener_has_the_same_guard() {
    let world = World::new();
    let admin = world.admin();
    for path in ["/metrics", "/health", "/ready"] {
        assert!(matches!(admin.send("GET", path, &[], b"").status, 200), "{path}");
        for (name, value) in [("Host", "evil.example"), ("Origin", "https://evil.example"), ("Origin", "null")] {
            let response = admin.send("GET", path, &[(name.to_owned(), value.to_owned())], b"");
            assert!(matches!(response.status, 400 | 403 | 421), "{path} {name}: {}", response.status);
        }
    }
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
