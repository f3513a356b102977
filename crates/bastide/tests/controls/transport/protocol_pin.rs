//! `transport.protocol-pin`: the revisions in use are pinned on both legs; who speaks another one is refused.

use crate::runtime::{prepend, python, until};
use serde_json::{Value, json};
use testkit::World;

const OTHERS: [&str; 5] = ["1999-01-01", "2026-07-29", "2025-11-25", "DRAFT-2026-v1", ""];

/// A request of revision `claimed`, with `header` beside it.
fn asked(world: &World, header: &str, claimed: &str) -> testkit::Response {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": claimed, "io.modelcontextprotocol/clientCapabilities": {}});
    let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"_meta": meta}});
    world.client("agent:tester", "/mcp").post(&message, &[("MCP-Protocol-Version", header), ("Mcp-Method", "tools/list")])
}

fn initialized(world: &World, revision: &str) -> Value {
    let mut agent = world.client("agent:tester", "/mcp");
    let hello = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let message = agent.request("initialize", hello);
    agent.post(&message, &[]).answer().0
}

/// What we answer to `method` has the whole shape that `revision` gives it.
#[track_caller]
fn fits(method: &str, revision: &str, result: &Value) {
    let document = mcp::Document::parse(result.to_string().into(), &mcp::Bounds::default()).unwrap();
    let checked = mcp::check_result(mcp::Method::parse(method).unwrap(), document.root(), mcp::Revision::parse(revision).unwrap());
    assert!(checked.is_ok(), "{method} of {revision}: {checked:?}: {result}");
}

#[test]
fn both_eras_are_spoken_to_clients_and_servers_alike() {
    let world = World::with().evil("downgrade").start();
    let mut modern = world.client("agent:tester", "/mcp");
    let found = modern.ask_modern("server/discover", json!({})).answer();
    fits("server/discover", "2026-07-28", found.result());
    assert_eq!(found.result()["supportedVersions"], json!(["2026-07-28"]));
    for tool in ["canary__echo", "evil__echo"] {
        let called = modern.ask_modern("tools/call", json!({"name": tool, "arguments": {"text": "hi"}})).answer();
        assert_eq!((called.text(), &called.result()["resultType"]), ("hi".to_owned(), &json!("complete")), "{tool}");
        let called = world.agent().call(tool, json!({"text": "hi"}));
        assert_eq!((called.text(), called.result().get("resultType")), ("hi".to_owned(), None), "{tool}");
    }
    let lock: Value = world.json(&["server", "list"]);
    assert!(lock.to_string().contains("2026-07-28"), "{lock}");
}

#[test]
fn a_client_of_another_revision_is_told_which_are_spoken() {
    let world = World::new();
    for other in OTHERS {
        let answer = asked(&world, other, other);
        let told = answer.answer().0;
        assert_eq!((answer.status, &told["error"]["code"]), (400, &json!(-32022)), "{other}: {told}");
        assert_eq!(told["error"]["data"]["supported"], json!(["2026-07-28"]), "{other}");
        assert_eq!(told["id"], 9);
    }
    for (header, claimed) in [("2025-11-25", "2026-07-28"), ("2026-07-28", "2025-11-25"), ("2026-07-28", "1999-01-01")] {
        let answer = asked(&world, header, claimed);
        assert_eq!((answer.status, answer.answer().code()), (400, Some(-32020)), "{header} {claimed}");
    }
    for other in ["1999-01-01", "2024-11-05", "2026-07-28"] {
        assert_eq!(initialized(&world, other)["result"]["protocolVersion"], "2025-11-25", "{other}");
    }
    assert!(world.journal().iter().all(|message| message["method"] != "tools/call"), "a server was asked");
    let audit = world.audit();
    let refused = audit.iter().filter(|record| record["decision"]["code"] == "transport.protocol-pin/unknown").count();
    assert_eq!(refused, OTHERS.len(), "{audit:#?}");
}

#[test]
fn a_revision_that_is_off_is_not_spoken() {
    let mut world = World::new();
    world.stop();
    let address = world.data();
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, revisions: [\"2026-07-28\"] }}"));
    world.serve();
    let refused = initialized(&world, "2025-11-25");
    assert_eq!(refused["error"]["code"], -32601, "{refused}");
    let mut modern = world.client("agent:tester", "/mcp");
    assert_eq!(modern.ask_modern("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}})).answer().text(), "hi");
}

/// A tool with what each older revision does not have yet, and a result of it.
fn rich() -> String {
    let tool = json!({"name": "rich", "title": "Rich", "icons": [{"src": "https://example.com/i.png"}],
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "outputSchema": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}});
    let said = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"three"}],"structuredContent":{"sum":3}}}"#;
    json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "tools": [tool], "acts": {"rich": [[said]]}}).to_string()
}

#[test]
fn older_revisions_are_spoken_where_they_are_named_and_only_as_they_are() {
    let mut world = World::with()
        .file("box/rich.json", &rich())
        .server("rich", "run: [{bin}/evil-server, --script, {box}/rich.json]\nsandbox: { read: [{bin}], write: [{box}] }")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], rich: [\"*\"] }")
        .start();
    for old in ["2025-06-18", "2025-03-26"] {
        assert_eq!(initialized(&world, old)["result"]["protocolVersion"], "2025-11-25", "{old} is off");
    }
    world.stop();
    let address = world.data();
    let named = "revisions: [\"2026-07-28\", \"2025-11-25\", \"2025-06-18\", \"2025-03-26\"]";
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, {named} }}"));
    world.serve();
    for (old, has) in
        [("2025-11-25", vec!["title", "outputSchema", "icons"]), ("2025-06-18", vec!["title", "outputSchema"]), ("2025-03-26", vec![])]
    {
        let mut agent = world.client("agent:tester", "/mcp");
        let hello = json!({"protocolVersion": old, "capabilities": {"roots": {}}, "clientInfo": {"name": "t", "version": "1"}});
        let opened = agent.post(&agent.clone().request("initialize", hello), &[]);
        let result = opened.answer().result().clone();
        assert_eq!(result["protocolVersion"], old);
        fits("initialize", old, &result);
        assert_eq!(result["serverInfo"].get("title").is_some(), old != "2025-03-26", "{old}: {result}");
        agent.session = opened.header("mcp-session-id").map(str::to_owned);
        // The header came with 2025-06-18: before, nobody sends it.
        let header: &[(&str, &str)] = &[("MCP-Protocol-Version", old)];
        let ready = agent.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), header);
        assert_eq!(ready.status, 202, "{old}");
        let other = if old == "2025-11-25" { "2025-06-18" } else { "2025-11-25" };
        let ping = json!({"jsonrpc": "2.0", "id": 40, "method": "ping"});
        assert_eq!(agent.post(&ping, &[("MCP-Protocol-Version", other)]).status, 400, "{old}: the session speaks another one");
        let ask = |method: &str, params: Value| {
            let message = json!({"jsonrpc": "2.0", "id": 41, "method": method, "params": params});
            agent.post(&message, header).answer()
        };
        let listed = ask("tools/list", json!({}));
        assert!(listed.names().contains(&"canary__echo"), "{old}: {}", listed.0);
        fits("tools/list", old, listed.result());
        let tool = listed.result()["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "rich__rich").unwrap().clone();
        for member in ["title", "outputSchema", "icons"] {
            assert_eq!(tool.get(member).is_some(), has.contains(&member), "{old}, {member}: {tool}");
        }
        assert_eq!(ask("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}})).text(), "hi", "{old}");
        let called = ask("tools/call", json!({"name": "rich__rich", "arguments": {"text": "rich"}}));
        assert_eq!(called.text(), "three", "{old}: {}", called.0);
        assert_eq!(called.result().get("structuredContent").is_some(), has.contains(&"outputSchema"), "{old}: {}", called.0);
        let read = ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"}));
        assert!(read.result()["contents"][0]["text"].is_string(), "{old}: {}", read.0);
        assert_eq!(ask("server/discover", json!({})).code(), Some(-32601), "{old}");
    }
    // Without the header a session speaks what it settled on.
    let mut agent = world.client("agent:tester", "/mcp");
    let hello = json!({"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let opened = agent.post(&agent.clone().request("initialize", hello), &[]);
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let bare = [("Mcp-Session-Id", session.as_str())];
    assert_eq!(agent.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &bare).status, 202);
    let call = agent.request("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}}));
    assert_eq!(agent.post(&call, &bare).answer().text(), "hi");
    // Batches, which 2025-03-26 allowed, are refused there too.
    let batch = format!("[{call}]");
    let refused = agent.post_text(&batch, &bare);
    assert_eq!((refused.status, refused.answer().code()), (400, Some(-32600)));
}

#[test]
fn a_server_that_speaks_an_older_revision_than_it_was_approved_with_is_not_used() {
    let mut world = World::with().evil("downgrade").start();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).text(), "hi");
    std::fs::write(world.path("box/flag"), "").unwrap();
    world.stop();
    world.serve();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "transport.protocol-pin/server");
    let mut modern = world.client("agent:tester", "/mcp");
    // After a failure it is left alone for a while.
    let mut said = String::new();
    until(|| {
        let called = modern.ask_modern("tools/call", json!({"name": "evil__echo", "arguments": {"text": "hi"}})).answer();
        called.refused().clone_into(&mut said);
        said != "runtime.restart/unavailable"
    });
    assert_eq!(said, "transport.protocol-pin/server");
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi", "others are not harmed");
    let audit = world.audit();
    let event = audit.iter().find(|record| record["event"] == "protocol.revision").expect("an event");
    assert_eq!((&event["server"], &event["severity"]), (&json!("evil"), &json!("high")));
    assert!(!event["mitre"].as_array().unwrap().is_empty());
}

#[test]
fn a_pin_of_the_operator_is_held_at_the_first_look_too() {
    let pinned = "run: [{bin}/canary-server, --notes, {box}]\nrevision: \"2026-07-28\"\nsandbox: { read: [{bin}], write: [{box}] }";
    let world = World::with().server("old", pinned).write();
    let looked = world.run(&["lock", "--yes"]);
    let said = format!("{}{}", String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert!(said.contains("old") && said.contains("revision"), "{said}");
    let lock = std::fs::read_to_string(world.config().with_file_name("bastide.lock")).unwrap_or_default();
    assert!(!lock.contains("\"old\""), "it was approved all the same");
}

/// What `lock` says of a server of 2026-07-28 that answers `method` with `result`.
fn looked_at(method: &str, result: &str) -> String {
    let script = json!({"era": "2026-07-28", "acts": {"odd": [[format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{result}}}"#)]]}});
    let world = World::with()
        .file("box/odd.json", &script.to_string())
        .file("box/odd.flag", &json!({method: "odd"}).to_string())
        .server(
            "odd",
            "run: [{bin}/evil-server, --script, {box}/odd.json, --flag, {box}/odd.flag]\nsandbox: { read: [{bin}], write: [{box}] }",
        )
        .write();
    let looked = world.run(&["lock", "--yes"]);
    let lock = std::fs::read_to_string(world.path("bastide.lock")).unwrap_or_default();
    assert!(!lock.contains("\"odd\""), "it was approved: {lock}");
    format!("{}{}", String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr))
}

#[test]
fn what_is_wrong_with_a_server_at_the_first_look_is_said_and_nothing_else() {
    let fresh = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;
    let discover = format!(r#"{{{fresh},"supportedVersions":["2026-07-28"],"capabilities":[]}}"#);
    let list = format!(r#"{{{fresh},"tools":[{{"name":"t","inputSchema":{{"type":"array"}}}}]}}"#);
    for (method, result) in [("tools/list", list.as_str()), ("tools/list", "{}"), ("server/discover", &discover)] {
        let said = looked_at(method, result);
        assert!(said.contains("does not fit the protocol") && !said.contains("initialize"), "{method}: {said}");
    }
}

#[test]
fn a_server_that_settles_on_another_revision_than_it_was_asked_for_is_not_approved() {
    let world = python("old", "said = ''", "").write();
    prepend(&world, "dumps = json.dumps\njson.dumps = lambda value: dumps(value).replace('2025-11-25', '2024-11-05')");
    let looked = world.run(&["lock", "--yes"]);
    let said = format!("{}{}", String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert!(said.contains("old") && said.contains("revision"), "{said}");
    let lock = std::fs::read_to_string(world.path("bastide.lock")).unwrap_or_default();
    assert!(!lock.contains("\"old\""), "it was approved all the same");
}
