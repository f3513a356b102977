//! `audit.events`: what security should know of carries a severity and the technique that it points to.

use serde_json::{Value, json};
use testkit::{Http, World};

#[test]
fn everyday_calls_are_no_events() {
    let world = World::new();
    let mut agent = world.agent();
    agent.ask("tools/list", json!({}));
    agent.call("canary__echo", json!({"text": "hi"}));
    agent.close();
    let events: Vec<_> = world.audit().into_iter().filter(|record| !record["event"].is_null()).collect();
    assert!(events.is_empty(), "{events:#?}");
}

#[test]
fn attacks_are_events_with_severity_and_technique() {
    let world = World::with().evil("rug-pull").start();
    let forged = Http::new(world.data(), "/mcp", Some("bastide-static-key-0123456789abcdef"));
    assert_eq!(initialize(&forged), 401);
    assert_eq!(initialize(&world.stranger()), 401);
    let mut thief = world.client("agent:thief", "/mcp");
    thief.session = world.agent().session;
    assert_eq!(thief.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]).status, 404);
    let mut agent = world.agent();
    agent.call("canary__secret_leak", json!({"kind": "aws"}));
    std::fs::write(world.path("box/flag"), "").unwrap();
    agent.call("evil__echo", json!({"text": "hi"}));
    let malformed = agent.post_text("{\"jsonrpc\":\"2.0\",\"id\":7,\"id\":8,\"method\":\"ping\"}", &[]);
    assert_eq!(malformed.status, 400);
    let token = agent.token.clone().unwrap();
    assert_eq!(agent.send("POST", &format!("/mcp?access_token={token}"), &agent.headers(&[]), b"{}").status, 400);

    let records = world.audit();
    for (event, severity, technique) in [
        ("identity.token-refused", "medium", "T1550.001"),
        ("identity.token-missing", "low", "T1078"),
        ("identity.session-refused", "medium", "T1563"),
        ("data.secret", "high", "T1552"),
        ("supply.changed", "high", "T1195.002"),
        ("transport.malformed", "medium", "T1190"),
        ("secrets.url", "high", "T1552"),
    ] {
        let found = records.iter().find(|record| record["event"] == event);
        let found = found.unwrap_or_else(|| panic!("{event} is not on record"));
        assert_eq!(found["severity"], severity, "{event}");
        assert!(found["mitre"].as_array().unwrap().contains(&json!(technique)), "{found:#}");
    }
    for record in records.iter().filter(|record| !record["event"].is_null()) {
        let has = |name: &str| record.get(name).is_some_and(|value| !value.is_null() && value != &json!([]));
        assert!(has("severity") && has("mitre"), "{record:#}");
    }
}

#[test]
fn a_denied_call_is_an_event_though_the_caller_is_told_that_there_is_nothing() {
    let world = World::with().allow("[echo]").start();
    let refused = world.agent().call("canary__write_note", json!({"name": "n", "text": "t"}));
    assert_eq!(refused.refused(), "access.filtered-discovery/unknown");
    let records = world.audit();
    let record = records.iter().find(|record| record["request"] == refused.reference()).unwrap();
    assert_eq!(record["decision"]["verdict"], "refused");
    assert!(!record["facts"]["reason"].is_null(), "in the operator's log a denial looks like a denial: {record:#}");
}

#[test]
fn no_one_can_write_an_event_of_their_own() {
    let world = World::new();
    let forged = "x\",\"event\":\"forged\",\"severity\":\"critical\",\"y\":\"\n{\"event\":\"forged\"}";
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": forged}));
    agent.call(forged, json!({}));
    agent.ask("resources/read", json!({"uri": forged}));
    let records = world.audit();
    assert!(records.iter().any(|record| record["tool"] == "echo"));
    assert!(records.iter().all(|record| record["event"] != "forged" && record["severity"] != "critical"), "{records:#?}");
}

fn initialize(client: &Http) -> u16 {
    let hello: Value = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "testkit", "version": "1"}}});
    client.post(&hello, &[]).status
}
