//! `transport.protocol-pin`: the revisions in use are pinned on both legs; who speaks another one is refused.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
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

#[test]
fn both_eras_are_spoken_to_clients_and_servers_alike() {
    let world = World::with().evil("downgrade").start();
    let mut modern = world.client("agent:tester", "/mcp");
    let found = modern.ask_modern("server/discover", json!({})).answer();
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

#[test]
fn a_server_that_speaks_an_older_revision_than_it_was_approved_with_is_not_used() {
    let mut world = World::with().evil("downgrade").start();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).text(), "hi");
    std::fs::write(world.path("box/flag"), "").unwrap();
    world.stop();
    world.serve();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "transport.protocol-pin/server");
    let mut modern = world.client("agent:tester", "/mcp");
    let end = Instant::now() + Duration::from_secs(30);
    let refused = loop {
        let called = modern.ask_modern("tools/call", json!({"name": "evil__echo", "arguments": {"text": "hi"}})).answer();
        // It is not started anew at once.
        if called.refused() != "runtime.restart/unavailable" || Instant::now() > end {
            break called.refused().to_owned();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(refused, "transport.protocol-pin/server");
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
