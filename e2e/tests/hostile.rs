//! Clients that send what no SDK does, and servers that do what none should: refused, on record, and never passed on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Agent, Double, Peers, Says, Speaks, Wire, outcomes};
use serde_json::{Value, json};
use testkit::{Http, Response, Running, World, free_port};

fn fixture(peers: &Peers) -> (Running, Wire) {
    let port = free_port();
    let server = peers.fixture(port, &std::env::temp_dir().join(format!("fixture-{port}.log")));
    (server, Wire::to(port))
}

fn world(port: u16, revision: &str) -> World {
    World::with()
        .server("fixture", &format!("url: http://localhost:{port}/mcp\nrevision: \"{revision}\""))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { fixture: [\"*\"] }")
        .start()
}

/// How many messages are refused on record.
fn refusals(world: &World) -> usize {
    world.audit().iter().filter(|record| record["decision"]["verdict"] == "refused").count()
}

const VERSION: &str = "MCP-Protocol-Version";

#[test]
fn headers_that_differ_from_the_body_are_refused() {
    let Some(peers) = Peers::find() else { return };
    let (_server, wire) = fixture(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let world = world(wire.port(), revision);
        let agent = Agent::new(&world, "agent:tester", "/mcp/fixture");
        let named = |name: &str, arguments: Value| agent.request(&json!(1), "tools/call", json!({"name": name, "arguments": arguments}));
        let (simple, region) = (named("test_simple_text", json!({})), named("test_x_mcp_header", json!({"region": "us"})));
        assert_eq!(agent.post(&region, &[("Mcp-Param-Region", "us")]).answer().text(), "region=us");
        assert_eq!(agent.post(&region, &[("Mcp-Param-Region", "=?base64?dXM=?=")]).answer().text(), "region=us");
        assert!(!agent.post(&simple, &[("Mcp-Name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA==?=")]).answer().is_error());
        let (before, refused) = (wire.of("tools/call").len(), refusals(&world));
        let cases: [(&Value, &[(&str, &str)]); 11] = [
            (&simple, &[("Mcp-Name", "test_image_content")]),
            (&simple, &[("Mcp-Name", "TEST_SIMPLE_TEXT")]),
            (&simple, &[("Mcp-Name", "")]),
            (&simple, &[("Mcp-Name", "=?base64?dGVzdF9pbWFnZV9jb250ZW50?=")]),
            (&simple, &[("Mcp-Name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA?=")]),
            (&simple, &[("Mcp-Name", "=?base64?dGVzdF9zaW1wbGVfdGV4dA==")]),
            (&simple, &[("Mcp-Name", "=?BASE64?dGVzdF9zaW1wbGVfdGV4dA==?=")]),
            (&simple, &[("Mcp-Method", "tools/list")]),
            (&simple, &[("Mcp-Method", "Tools/Call")]),
            (&simple, &[(VERSION, Speaks::LEGACY)]),
            (&simple, &[(VERSION, "2026-07-29")]),
        ];
        // The tools of a legacy server want no argument repeated.
        let repeated: [(&Value, &[(&str, &str)]); 4] = [
            (&region, &[("Mcp-Param-Region", "eu")]),
            (&region, &[("Mcp-Param-Region", "=?base64?ZXU=?=")]),
            (&region, &[("Mcp-Param-Region", "=?base64?!?=")]),
            (&region, &[]),
        ];
        let repeated = repeated.into_iter().filter(|_| revision == Speaks::MODERN);
        let cases: Vec<_> = cases.into_iter().chain(repeated).collect();
        for (body, more) in &cases {
            let response = agent.post(body, more);
            assert_eq!((response.status, response.answer().code()), (400, Some(-32020)), "{more:?}: {:?}", response.answer());
        }
        let lost = |name: &str| {
            let mut headers = agent.headers(&simple, &[]);
            headers.retain(|(found, _)| found != name);
            headers
        };
        let doubled = |name: &str, value: &str| {
            let mut headers = agent.headers(&simple, &[]);
            headers.push((name.to_owned(), value.to_owned()));
            headers
        };
        let mut odd = vec![lost("Mcp-Name"), lost("Mcp-Method"), lost(VERSION)];
        odd.extend(
            [("Mcp-Name", "test_simple_text"), ("mcp-name", "test_image_content"), ("Mcp-Method", "tools/call"), (VERSION, Speaks::MODERN)]
                .map(|(name, value)| doubled(name, value)),
        );
        let count = odd.len();
        for headers in odd {
            let response = agent.http.send("POST", "/mcp/fixture", &headers, simple.to_string().as_bytes());
            assert_eq!(response.status, 400, "{headers:?}: {}", String::from_utf8_lossy(&response.body));
        }
        assert_eq!(wire.of("tools/call").len(), before, "a server was asked");
        assert_eq!(refusals(&world), refused + cases.len() + count, "not every refusal is on record");
        legacy_headers(&world, &wire);
    }
}

/// In a session: its revision and its id are stated once, and as they are.
fn legacy_headers(world: &World, wire: &Wire) {
    let mut http = world.client("agent:tester", "/mcp/fixture");
    http.open();
    let body = http.request("tools/call", json!({"name": "test_simple_text", "arguments": {}}));
    // Nothing in this revision says what these mean.
    assert!(!http.post(&body, &[("Mcp-Name", "test_image_content"), ("Mcp-Method", "tools/list")]).answer().is_error());
    let (before, refused) = (wire.of("tools/call").len(), refusals(world));
    let session = http.session.clone().unwrap();
    let send = |headers: &[(&str, &str)]| http.send("POST", "/mcp/fixture", &http.headers(headers), body.to_string().as_bytes());
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[("Mcp-Session-Id", &session), (VERSION, Speaks::MODERN)], 400),
        (&[("Mcp-Session-Id", &session), (VERSION, "2025-06-18")], 400),
        (&[("Mcp-Session-Id", &session), (VERSION, "2025-11-25 ,2025-11-25")], 400),
        (&[("Mcp-Session-Id", &session), (VERSION, Speaks::LEGACY), (VERSION, Speaks::LEGACY)], 400),
        (&[("Mcp-Session-Id", &session), ("Mcp-Session-Id", &session), (VERSION, Speaks::LEGACY)], 404),
        (&[("Mcp-Session-Id", &session.to_uppercase()), (VERSION, Speaks::LEGACY)], 404),
        (&[(VERSION, Speaks::LEGACY)], 400),
    ];
    for (headers, status) in cases {
        let response = send(headers);
        assert_eq!(response.status, status, "{headers:?}: {}", String::from_utf8_lossy(&response.body));
    }
    assert_eq!(wire.of("tools/call").len(), before, "a server was asked");
    assert_eq!(refusals(world), refused + 7, "not every refusal is on record");
}

#[test]
fn of_what_can_be_read_in_two_ways_a_server_gets_no_byte() {
    let Some(peers) = Peers::find() else { return };
    let (_server, wire) = fixture(&peers);
    let world = world(wire.port(), Speaks::MODERN);
    let agent = Agent::new(&world, "agent:tester", "/mcp/fixture");
    let mut session = world.client("agent:tester", "/mcp/fixture");
    session.open();
    let whole = |legacy: bool| {
        let body = agent.request(&json!(1), "tools/call", json!({"name": "test_simple_text", "arguments": {"a": "b"}}));
        let mut body = body;
        if legacy {
            body["params"].as_object_mut().unwrap().remove("_meta");
        }
        body.to_string()
    };
    let modern = |text: &str| {
        let body = json!({"method": "tools/call", "params": {"name": "test_simple_text"}});
        agent.http.send("POST", "/mcp/fixture", &agent.headers(&body, &[]), text.as_bytes())
    };
    let legacy = |text: &str| session.post_text(text, &[]);
    type Send<'a> = &'a dyn Fn(&str) -> Response;
    let sends: [(Send<'_>, String); 2] = [(&modern, whole(false)), (&legacy, whole(true))];
    for (send, whole) in &sends {
        assert!(send(whole).status == 200, "{}", String::from_utf8_lossy(&send(whole).body));
    }
    let (bytes, mut refused) = (wire.bytes(), refusals(&world));
    for (send, whole) in &sends {
        let name = r#""name":"test_simple_text""#;
        assert!(whole.contains(name) && whole.contains(r#""a":"b""#) && whole.contains(r#""id":1"#));
        for text in [
            whole.replace(name, &format!(r#"{name},"name":"test_image_content""#)),
            whole.replace(name, &format!(r#"{name},"n\u0061me":"test_image_content""#)),
            whole.replace(r#""a":"b""#, r#""a":"b","a":"c""#),
            whole.replace(r#""a":"b""#, r#""a":{"x":1,"x":2}"#),
            whole.replace(r#""id":1"#, r#""id":1.0"#),
            whole.replace(r#""id":1"#, r#""id":1e0"#),
            whole.replace(r#""id":1"#, r#""id":null"#),
            whole.replace(r#""id":1"#, r#""id":1,"id":2"#),
            whole.replace(r#""method":"#, r#""Method":"tools/list","method":"#),
            format!("[{whole}]"),
            format!("[{whole},{whole}]"),
            format!("\u{feff}{whole}"),
            format!("{whole}{whole}"),
            format!("{whole} x"),
            whole.replace("test_simple_text", "test_simple_text\\ud800"),
            whole.replace(r#""a":"b""#, r#""a":NaN"#),
            whole.replace(r#""a":"b""#, r#""a":01"#),
            whole.replace(r#""a":"b""#, &format!(r#""a":{}{}"#, "[".repeat(200), "]".repeat(200))),
        ] {
            let response = send(&text);
            assert!(response.status == 400 || response.answer().0.get("error").is_some(), "{text}: {response:?}");
            refused += 1;
        }
    }
    assert_eq!(wire.bytes(), bytes, "a server got something");
    assert_eq!(refusals(&world), refused, "not every refusal is on record");
}

/// Seconds of a call that has an end of itself.
const ENDS: u32 = 30;
/// Seconds of a call that only its bound ends.
const HANGS: u32 = 2;

/// A double that misbehaves at its only tool, whose calls may take so many seconds; `call` is given what a good answer would be.
fn misbehaving(revision: &'static str, seconds: u32, call: impl Fn(Value) -> Says + Send + Sync + 'static) -> (Double, World) {
    let output = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let tools = json!([{"name": "act", "inputSchema": {"type": "object"}, "outputSchema": output}]);
    let double = match revision {
        Speaks::LEGACY => Double::legacy(tools, move |asked| call(good(revision, &asked.body["id"]))),
        _ => Double::modern(tools, move |asked| call(good(revision, &asked.body["id"]))),
    };
    let world = World::with()
        .server("double", &format!("url: http://127.0.0.1:{}/mcp\ncall: {seconds}s\nrevision: \"{revision}\"", double.port()))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { double: [\"*\"] }")
        .start();
    (double, world)
}

/// What a client of each era gets of the call, as text.
fn both(world: &World) -> Vec<String> {
    let mut session: Http = world.client("agent:tester", "/mcp/double");
    session.open();
    let body = session.request("tools/call", json!({"name": "act", "arguments": {}}));
    let mut agent = Agent::new(world, "agent:tester", "/mcp/double");
    let responses = [session.post(&body, &[]), agent.ask("tools/call", json!({"name": "act", "arguments": {}}))];
    responses.iter().map(|response| json!(response.messages()).to_string()).collect()
}

fn good(revision: &str, id: &Value) -> Value {
    let mut result = json!({"content": [{"type": "text", "text": "a good answer"}], "structuredContent": {"n": 1}});
    if revision == Speaks::MODERN {
        result["resultType"] = json!("complete");
    }
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

#[test]
fn what_a_server_says_against_the_protocol_reaches_nobody() {
    type Call = fn(Value) -> Says;
    let cases: [(&str, u32, Call); 9] = [
        ("a wrong id", ENDS, |mut good| {
            good["id"] = json!(4711);
            Says::Message(good)
        }),
        ("an id of another type", ENDS, |mut good| {
            good["id"] = json!(good["id"].to_string());
            Says::Message(good)
        }),
        ("an unknown type of result", ENDS, |mut good| {
            good["result"]["resultType"] = json!("gossip");
            Says::Message(good)
        }),
        ("against its schema", ENDS, |mut good| {
            good["result"]["structuredContent"] = json!({"n": "one"});
            Says::Message(good)
        }),
        ("nothing of what its schema demands", ENDS, |mut good| {
            good["result"].as_object_mut().unwrap().remove("structuredContent");
            Says::Message(good)
        }),
        ("a redirect", ENDS, |_| Says::Status(307, "Location: http://127.0.0.1:9/mcp\r\n".to_owned())),
        ("no answer", ENDS, |_| Says::Nothing),
        ("notes without end", HANGS, |_| {
            Says::Endless(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}))
        }),
        ("a stream without an answer", ENDS, |_| Says::Events(Vec::new())),
    ];
    for (name, seconds, call) in cases {
        for revision in [Speaks::LEGACY, Speaks::MODERN] {
            let (double, world) = misbehaving(revision, seconds, call);
            for text in both(&world) {
                let refused = text.contains("dev.bastide/refusal") && !text.contains("a good answer");
                assert!(refused, "{name}, {revision}: {text}");
            }
            assert_eq!(double.of("tools/call").len(), 2, "{name}, {revision}: a call was repeated");
            let codes = outcomes(&world, "act");
            assert!(codes.len() == 2 && codes.iter().all(|code| code.contains('/')), "{name}, {revision}: {codes:?}");
        }
    }
}

#[test]
fn what_a_server_says_too_much_is_not_passed_on() {
    let question = json!({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params":
        {"messages": [{"role": "user", "content": {"type": "text", "text": "the question"}}], "maxTokens": 5}});
    // Asked on the way: declined where servers may ask so, dropped where none may.
    let asks = |question: &Value| {
        let question = question.clone();
        move |good: Value| Says::Events(vec![question.clone(), good])
    };
    let (_double, world) = misbehaving(Speaks::LEGACY, ENDS, asks(&question));
    for text in both(&world) {
        assert!(text.contains("a good answer") && !text.contains("the question"), "{text}");
    }
    assert_eq!(outcomes(&world, "act"), ["ok"; 2]);
    let (_double, world) = misbehaving(Speaks::MODERN, ENDS, asks(&question));
    for text in both(&world) {
        assert!(text.contains("a good answer") && !text.contains("the question"), "{text}");
    }
    assert_eq!(outcomes(&world, "act"), ["ok"; 2]);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let twice = |good: Value| {
            let mut second = good.clone();
            second["result"]["content"][0]["text"] = json!("another answer");
            Says::Events(vec![good, second])
        };
        let (_double, world) = misbehaving(revision, ENDS, twice);
        for text in both(&world) {
            assert!(text.contains("a good answer") && !text.contains("another answer"), "{text}");
        }
        assert_eq!(outcomes(&world, "act"), ["ok"; 2]);
    }
}

#[test]
fn words_among_the_messages_of_a_launched_server_are_not_passed_on() {
    let world = World::with().evil("noise").start();
    let mut agent = Agent::new(&world, "agent:tester", "/mcp");
    let text = agent.ask("tools/call", json!({"name": "evil__echo", "arguments": {"text": "hi"}})).answer().0.to_string();
    assert!(!text.contains("DEBUG"), "{text}");
    assert_eq!(outcomes(&world, "echo").len(), 1);
}
