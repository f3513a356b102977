//! `transport.strict-messages`: the table of malformed messages, over HTTP.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use testkit::{Http, Response, World};

/// A call that would be allowed, with something in place of its parts.
fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{params}}}"#)
}

fn ping(more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0",{more}"method":"ping"}}"#)
}

/// Row, body, status, JSON-RPC code (0: nothing is answered), id in the answer.
pub(crate) type Row = (u8, Vec<u8>, u16, i64, Option<Value>);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut add =
        |row: u8, body: String, http: u16, code: i64, id: Option<i64>| rows.push((row, body.into_bytes(), http, code, id.map(Value::from)));
    let good = ping(r#""id":5,"#);
    for body in [r#"{"jsonrpc":"2.0","id":5"#.to_owned(), "ping".into(), format!("{good}x"), format!("{good}{good}"), format!("{good}\0")] {
        add(1, body, 400, -32700, None);
    }
    for body in ["", " \r\n\t"] {
        add(2, body.into(), 400, -32700, None);
    }
    add(3, format!("\u{feff}{good}"), 400, -32700, None);
    add(5, call(r#"{"name":"canary__echo","arguments":{"text":"\ud800"}}"#), 400, -32700, None);
    add(5, call(r#"{"name":"canary__echo","arguments":{"\udc00":"x"}}"#), 400, -32700, None);
    add(6, call(r#"{"name":"canary__echo","name":"canary__add","arguments":{"text":"x"}}"#), 400, -32600, Some(5));
    add(6, call(r#"{"name":"canary__echo","na\u006de":"canary__add","arguments":{"text":"x"}}"#), 400, -32600, Some(5));
    add(6, call(r#"{"name":"canary__echo","arguments":{"text":"shown","text":"hidden"}}"#), 400, -32600, Some(5));
    add(6, r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/call"}"#.into(), 400, -32600, Some(5));
    add(6, r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"ping"}"#.into(), 400, -32600, None);
    add(7, r#"{"jsonrpc":"2.0","id":5,"method":"ping","Method":"tools/call"}"#.into(), 400, -32600, Some(5));
    add(7, call(r#"{"name":"canary__echo","ｎame":"canary__add","arguments":{"text":"x"}}"#), 400, -32600, Some(5));
    add(8, ping(r#""id":5,"extra":1,"#), 400, -32600, Some(5));
    add(8, call(r#"{"name":"canary__echo","arguments":{"text":"x"},"force":true}"#), 400, -32602, Some(5));
    add(9, r#"{"jsonrpc":"2.0","id":5,"method":"tools/call\u0000","params":{"name":"canary__echo"}}"#.into(), 400, -32600, Some(5));
    add(9, call(r#"{"name":"canary__echo\u0000","arguments":{"text":"x"}}"#), 400, -32602, Some(5));
    add(10, call(r#"{"name":"canary__echo","arguments":{"text":"x"},"__proto__":{"admin":true}}"#), 400, -32602, Some(5));
    add(
        10,
        r#"{"jsonrpc":"2.0","id":5,"method":"prompts/get","params":{"name":"canary__x","arguments":{"constructor":"x"}}}"#.into(),
        400,
        -32602,
        Some(5),
    );
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    add(11, call(&format!(r#"{{"name":"canary__echo","arguments":{{"text":{deep}}}}}"#)), 400, -32600, None);
    let long = "a".repeat((4 << 20) + 1);
    add(12, call(&format!(r#"{{"name":"canary__echo","arguments":{{"text":"{long}"}}}}"#)), 413, -32600, None);
    let members: Vec<String> = (0..10_001).map(|at| format!(r#""k{at}":0"#)).collect();
    add(13, call(&format!(r#"{{"name":"canary__echo","arguments":{{{}}}}}"#, members.join(","))), 413, -32600, None);
    let name = "n".repeat(129);
    add(14, call(&format!(r#"{{"name":"{name}","arguments":{{}}}}"#)), 400, -32602, Some(5));
    add(14, format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{name}"}}"#), 400, -32600, Some(5));
    add(14, format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "i".repeat(257)), 400, -32600, None);
    for body in [format!("[{good}]"), format!("[{good},{good}]"), "[]".into()] {
        add(15, body, 400, -32600, None);
    }
    for body in [r#""ping""#, "1", "true", "null"] {
        add(16, body.into(), 400, -32600, None);
    }
    for version in ["", r#""jsonrpc":"1.0","#, r#""jsonrpc":2.0,"#, r#""jsonrpc":"2.0 ","#, r#""jsonrpc":null,"#] {
        add(17, format!(r#"{{{version}"id":5,"method":"ping"}}"#), 400, -32600, Some(5));
    }
    add(18, ping(r#""id":null,"#), 400, -32600, None);
    for (row, id) in [(19, "1.0"), (19, "1e0"), (19, "-0"), (19, "1.5"), (20, "true"), (20, "{}"), (20, "[1]"), (20, "\"\"")] {
        add(row, ping(&format!(r#""id":{id},"#)), 400, -32600, None);
    }
    for id in ["9007199254740992", "-9007199254740992", "123456789012345678901234567890"] {
        add(21, ping(&format!(r#""id":{id},"#)), 400, -32600, None);
    }
    for method in ["7", "\"\"", "\"tools/ call\"", "null", "[\"ping\"]"] {
        add(23, format!(r#"{{"jsonrpc":"2.0","id":5,"method":{method}}}"#), 400, -32600, Some(5));
    }
    for method in ["tools/run", "Tools/Call", "server/discover", "tasks/list", "sampling/createMessage", "elicitation/create"] {
        add(24, format!(r#"{{"jsonrpc":"2.0","id":5,"method":"{method}","params":{{}}}}"#), 200, -32601, Some(5));
    }
    add(
        25,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"x"}}}"#.into(),
        400,
        -32600,
        None,
    );
    for method in ["notifications/nothing", "notifications/tools/list_changed", "notifications/message"] {
        add(26, format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#), 202, 0, None);
    }
    add(27, r#"{"jsonrpc":"2.0","id":5,"method":"notifications/initialized"}"#.into(), 400, -32600, Some(5));
    add(28, r#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#.into(), 200, -32602, Some(5));
    for params in ["[]", "null", r#"["canary__echo"]"#] {
        add(28, call(params), 200, -32602, Some(5));
    }
    for params in [
        r#"{"name":"canary__echo","arguments":["x"]}"#,
        r#"{"name":"canary__echo","arguments":"x"}"#,
        r#"{"name":"canary__echo","arguments":null}"#,
        r#"{"arguments":{"text":"x"}}"#,
        r#"{"name":7,"arguments":{"text":"x"}}"#,
        r#"{"name":["canary__echo"],"arguments":{"text":"x"}}"#,
    ] {
        add(29, call(params), 200, -32602, Some(5));
    }
    for value in ["1e400", "NaN", "Infinity", "+1", "01", "1.", ".5", "0x10", "1/*c*/", "'x'"] {
        add(30, call(&format!(r#"{{"name":"canary__add","arguments":{{"a":{value},"b":1}}}}"#)), 400, -32700, None);
    }
    add(30, call(r#"{"name":"canary__echo","arguments":{"text":"x",}}"#), 400, -32700, None);
    add(32, r#"{"jsonrpc":"2.0","id":5,"result":{},"error":{"code":1,"message":"x"}}"#.into(), 400, -32600, Some(5));
    add(32, r#"{"jsonrpc":"2.0","id":5,"error":{"code":"1","message":"x"}}"#.into(), 400, -32600, Some(5));
    add(32, r#"{"jsonrpc":"2.0","id":5}"#.into(), 400, -32600, Some(5));
    add(33, r#"{"jsonrpc":"2.0","id":5,"method":"ping","result":{}}"#.into(), 400, -32600, Some(5));
    add(35, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#.into(), 202, 0, None);
    for meta in ["[]", "7", r#"{"bad key":1}"#] {
        add(37, call(&format!(r#"{{"name":"canary__echo","arguments":{{"text":"x"}},"_meta":{meta}}}"#)), 400, -32602, Some(5));
    }
    for token in ["{}", "null", "1.5", "true"] {
        add(
            64,
            call(&format!(r#"{{"name":"canary__echo","arguments":{{"text":"x"}},"_meta":{{"progressToken":{token}}}}}"#)),
            400,
            -32602,
            Some(5),
        );
    }
    add(65, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#.into(), 202, 0, None);
    for bytes in [&b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\xff\"}"[..], b"\xc0\xaf{}", b"\xff\xfe{\0}\0", b"\xed\xa0\x80"] {
        rows.push((4, bytes.to_vec(), 400, -32700, None));
    }
    rows
}

/// The code under which a message of a row is on record, and whether its row is; `None` where it is allowed, and does nothing.
fn record_of(row: u8) -> Option<(&'static str, bool)> {
    match row {
        35 | 65 => None,
        12 => Some(("transport.bounds/size", false)),
        13 => Some(("transport.bounds/size", true)),
        39 => Some(("transport.protocol-pin/unknown", true)),
        45 => Some(("identity.session-binding/", false)),
        58 => Some(("identity.tokens/", false)),
        48..=50 | 56 | 57 | 60 => Some(("transport.strict-messages/malformed", false)),
        _ => Some(("transport.strict-messages/malformed", true)),
    }
}

/// What is no JSON has two rows, which are told apart by where it stops being some.
fn class(row: u8) -> u8 {
    if row == 30 { 1 } else { row }
}

/// What of `rows`, one for each message that was sent, is not on record once, as it should be; and what is and should not be.
pub(crate) fn misrecorded(world: &World, rows: impl Iterator<Item = u8>) -> Vec<String> {
    let mut wanted: BTreeMap<(String, Option<u8>), usize> = BTreeMap::new();
    for (row, (code, known)) in rows.filter_map(|row| Some((row, record_of(row)?))) {
        *wanted.entry((code.to_owned(), known.then_some(row).map(class))).or_default() += 1;
    }
    let raw = world.run(&["audit", "show", "--raw", "--kind", "decision", "--limit", "100000"]);
    let mut found: BTreeMap<(String, Option<u8>), usize> = BTreeMap::new();
    for line in String::from_utf8(raw.stdout).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let decision = &record["decision"];
        if decision["verdict"] != "refused" {
            continue;
        }
        let cause = record["detail"]["cause"].as_str().unwrap_or_default();
        let row = cause.split_once("(row ").and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok()).map(class);
        let code = decision["code"].as_str().unwrap_or_default();
        // Which of its own codes tells a session or a token apart is not for these tables.
        let code = ["identity.session-binding/", "identity.tokens/"].into_iter().find(|group| code.starts_with(group)).unwrap_or(code);
        *found.entry((code.to_owned(), row)).or_default() += 1;
    }
    let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    let differing = keys.into_iter().filter(|key| wanted.get(key) != found.get(key));
    differing.map(|key| format!("{key:?}: wanted {:?}, found {:?}", wanted.get(key), found.get(key))).collect()
}

fn send(agent: &Http, body: &[u8], more: &[(&str, &str)]) -> Response {
    let session = agent.session.as_deref().unwrap_or_default();
    let mut given = vec![("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")];
    given.retain(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    given.extend_from_slice(more);
    agent.send("POST", &agent.path, &agent.headers(&given), body)
}

#[test]
fn every_row_is_answered_as_the_table_says_and_no_server_hears_of_it() {
    let world = World::new();
    let mut agent = world.agent();
    let rows = rows();
    assert!(rows.len() > 100, "{}", rows.len());
    let mut wrong = Vec::new();
    for (row, body, http, code, id) in &rows {
        let response = send(&agent, body, &[]);
        let shown: String = String::from_utf8_lossy(body).chars().take(160).collect();
        let message = response.messages().into_iter().next();
        let got = (
            response.status,
            message.as_ref().and_then(|message| message["error"]["code"].as_i64()).unwrap_or(0),
            message.as_ref().and_then(|message| message.get("id").cloned()),
        );
        if got != (*http, *code, id.clone()) {
            wrong.push(format!("row {row}: {shown}\n  wanted {http} {code} {id:?}, got {got:?}"));
        }
        if *code == 0 && !response.body.is_empty() {
            wrong.push(format!("row {row}: {shown}\n  answered {}", String::from_utf8_lossy(&response.body)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert_eq!(world.reached(), Vec::<Value>::new());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "the session is still good");
    assert_eq!(misrecorded(&world, rows.iter().map(|row| row.0)), Vec::<String>::new());
}

#[test]
fn what_is_unusual_and_right_is_taken() {
    let world = World::new();
    let agent = world.agent();
    for body in [
        r#" {"method":"tools/call","params":{"arguments":{"text":"hi"},"name":"canary__echo"},"id":5,"jsonrpc":"2.0"} "#,
        r#"{"jsonrpc":"2.0","id":5,"m\u0065thod":"tools\/call","params":{"name":"canary__echo","arguments":{"te\u0078t":"h\u0069"}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"hi"},"_meta":{"com.example/x":[1]}}}"#,
    ] {
        let answer = send(&agent, body.as_bytes(), &[]).answer();
        assert_eq!((answer.text().as_str(), &answer.0["id"]), ("hi", &json!(5)), "{body}");
    }
    let text = r#"{"jsonrpc":"2.0","id":"5","method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"hi"}}}"#;
    assert_eq!(send(&agent, text.as_bytes(), &[]).answer().0["id"], "5");
    for arrived in world.reached() {
        assert_eq!(arrived["arguments"], json!({"text": "hi"}));
        assert!(arrived["_meta"].get("com.example/x").is_none(), "what is not known was passed on: {arrived}");
    }
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let world = World::new();
    let agent = world.agent();
    let body = call(r#"{"name":"canary__echo","arguments":{"text":"x"}}"#);
    for (status, name, value) in [
        (415, "Content-Type", "text/plain"),
        (415, "Content-Type", "application/json; charset=utf-16"),
        (415, "Content-Type", "application/json, text/plain"),
        (415, "Content-Type", "application/x-www-form-urlencoded"),
        (415, "Content-Type", "multipart/form-data; boundary=x"),
        (406, "Accept", "application/json"),
        (406, "Accept", "text/event-stream"),
        (406, "Accept", "text/html"),
        (406, "Accept", "application/json;q=0, text/event-stream"),
        (415, "Content-Encoding", "gzip"),
        (400, "MCP-Protocol-Version", "2024-11-05"),
        (400, "MCP-Protocol-Version", "2026-07-28"),
        (400, "MCP-Protocol-Version", "1999-01-01"),
        (400, "MCP-Protocol-Version", ""),
    ] {
        let response = send(&agent, body.as_bytes(), &[(name, value)]);
        assert_eq!(response.status, status, "{name}: {value}");
    }
    for (status, name, value) in
        [(415, "Content-Type", "application/json"), (400, "MCP-Protocol-Version", "2025-11-25"), (415, "Content-Encoding", "br")]
    {
        let mut twice = agent.headers(&[("Mcp-Session-Id", agent.session.as_deref().unwrap()), ("MCP-Protocol-Version", "2025-11-25")]);
        twice.push((name.into(), value.into()));
        assert_eq!(agent.send("POST", "/mcp", &twice, body.as_bytes()).status, status, "{name} once more");
    }
    for accept in ["*/*", "application/json, text/event-stream;q=0.5", "text/event-stream, application/*"] {
        assert_eq!(send(&agent, ping(r#""id":1,"#).as_bytes(), &[("Accept", accept)]).status, 200, "{accept}");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn one_id_is_one_call_in_flight() {
    let world = World::new();
    let agent = world.agent();
    let slow = agent.clone();
    let body = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"canary__wait","arguments":{"ms":5000}}}"#;
    let first = std::thread::spawn(move || send(&slow, body.as_bytes(), &[]).answer().text());
    while world.reached().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let doubled = send(&agent, call(r#"{"name":"canary__echo","arguments":{"text":"x"}}"#).as_bytes(), &[]);
    assert_eq!((doubled.status, doubled.answer().code(), &doubled.answer().0["id"]), (400, Some(-32600), &json!(5)));
    assert_eq!(first.join().unwrap(), "waited");
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn the_handshake_comes_first_and_once() {
    let world = World::new();
    let mut agent = world.agent();
    let hello = agent
        .request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}));
    let again = agent.post(&hello, &[]);
    assert_eq!((again.status, again.answer().code()), (400, Some(-32600)));
    assert!(again.header("mcp-session-id").is_none());

    let mut fresh = world.client("agent:tester", "/mcp");
    let opened = fresh.post(&hello, &[]);
    fresh.session = opened.header("mcp-session-id").map(str::to_owned);
    let early = fresh.post_text(&call(r#"{"name":"canary__echo","arguments":{"text":"x"}}"#), &[]);
    assert_eq!((early.status, early.answer().code(), &early.answer().0["id"]), (200, Some(-32600), &json!(5)));
    assert_eq!(fresh.post_text(&ping(r#""id":1,"#), &[]).status, 200, "a ping may come before");
    let unknown = agent.clone();
    let hello = hello.to_string().replace("2025-11-25", "2099-01-01");
    let offered = Http::new(world.data(), "/mcp", unknown.token.as_deref()).post_text(&hello, &[]);
    assert_eq!(offered.answer().result()["protocolVersion"], "2025-11-25", "what we do speak is offered");
    assert!(world.reached().is_empty());
}

#[test]
fn a_connection_that_carried_nonsense_ends_where_the_table_says() {
    let world = World::new();
    let mut agent = world.agent();
    agent.patience = std::time::Duration::from_secs(60);
    let ends = |body: &str| {
        let session = agent.session.as_deref().unwrap();
        let head: String = agent
            .headers(&[("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25"), ("Host", &world.data().to_string())])
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let post = |body: &str| format!("POST /mcp HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
        // Where the connection stays, this ends it.
        let last = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.data());
        let request = post(body) + &post(&ping(r#""id":5,"#)) + &last;
        let answer = String::from_utf8_lossy(&agent.raw(request.as_bytes())).to_ascii_lowercase();
        let told = answer.split("\r\n\r\n").next().unwrap_or_default().contains("connection: close");
        let answered = answer.contains(r#""result":{}"#);
        assert_ne!(told, answered, "said one thing and did another: {body}");
        assert_eq!(answered, answer.contains(r#"{"ok":true}"#), "{body}: {answer}");
        told
    };
    assert!(!ends("nonsense"), "row 1");
    assert!(!ends(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#), "row 19");
    assert!(ends("[]"), "row 15");
    assert!(ends(r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"ping"}"#), "row 6");
}

#[test]
fn every_row_says_what_becomes_of_the_connection() {
    let world = World::new();
    let mut agent = world.agent();
    agent.patience = std::time::Duration::from_secs(60);
    let ends = [4, 6, 7, 9, 11, 12, 13, 15, 32, 33];
    let head: String = agent
        .headers(&[
            ("Mcp-Session-Id", agent.session.as_deref().unwrap()),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Host", &world.data().to_string()),
        ])
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let mut wrong = Vec::new();
    for (row, body, ..) in rows() {
        let mut request = format!("POST /mcp HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(&body);
        // Where the connection stays, this ends it.
        request.extend_from_slice(format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.data()).as_bytes());
        let answer = String::from_utf8_lossy(&agent.raw(&request)).to_ascii_lowercase();
        let told = answer.split("\r\n\r\n").next().unwrap_or_default().contains("connection: close");
        let went_on = answer.contains("{\"ok\":true}");
        if told != ends.contains(&row) || told == went_on {
            wrong.push(format!(
                "row {row}: {}\n  told {told}, went on {went_on}",
                String::from_utf8_lossy(&body).chars().take(100).collect::<String>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn over_standard_input_the_same_rules_hold() {
    let world = World::new();
    let mut agent = world.connect(&[]);
    agent.open();
    agent.line(&call(r#"{"name":"canary__echo","name":"canary__add","arguments":{"text":"x"}}"#));
    let doubled = agent.read().unwrap();
    assert_eq!((&doubled["error"]["code"], &doubled["id"]), (&json!(-32600), &json!(5)));
    agent.line(&format!("[{}]", ping(r#""id":5,"#)));
    let batch = agent.read().unwrap();
    assert_eq!((&batch["error"]["code"], batch.get("id")), (&json!(-32600), None));
    agent.line(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"canary__echo","arguments":{"text":"x"}}}"#);
    assert_eq!(agent.read().unwrap()["error"]["code"], -32600);
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.reached().len(), 1);
    for _ in 0..3 {
        agent.line("nonsense");
    }
    let ended = (0..5).any(|_| agent.read().is_none());
    assert!(ended, "three lines of nonsense in a row");
}
