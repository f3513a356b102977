//! `audit.correlation`: one identifier follows a call from client through gateway to server.

mod collector;
mod figures;
mod lines;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::World;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn the_request_id_and_the_trace_are_the_same_on_record_and_at_the_server() {
    let world = World::new();
    let mut agent = world.agent();
    let traced = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"traceparent": PARENT}});
    assert_eq!(agent.ask("tools/call", traced).text(), "hi");
    let reached = world.reached();
    let carried = reached[0]["_meta"]["dev.bastide/request"].as_str().unwrap();
    assert_eq!(reached[0]["_meta"]["traceparent"], PARENT);
    let raw = raw(&world);
    let own: Vec<_> = raw.iter().filter(|record| record["request"] == carried).collect();
    let kinds: Vec<_> = own.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intent", "outcome"]);
    assert!(own.iter().all(|record| record["trace"]["parent"] == PARENT), "{own:#?}");
}

#[test]
fn the_reference_of_a_refusal_is_the_id_of_its_record() {
    let world = World::new();
    let refused = world.agent().call("canary__nothing", json!({}));
    let shown = world.run(&["audit", "show", refused.reference()]);
    let record: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(record["request"], refused.reference());
    assert_eq!(record["decision"]["code"], "access.filtered-discovery/unknown");
}

#[test]
fn a_client_cannot_choose_the_id_nor_carry_more_to_the_server() {
    let world = World::new();
    let mut agent = world.agent();
    for own in [false, true, false, true, false] {
        let mut meta = json!({"example.com/note": "carried", "traceparent": PARENT});
        if own {
            meta["dev.bastide/request"] = json!("C-000000000000");
        }
        let answer = agent.ask("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": meta}));
        if own {
            assert_eq!(answer.refused(), "intent.smuggling/flag");
        } else {
            assert_eq!(answer.text(), "hi");
        }
    }
    let reached = world.reached();
    let ids: BTreeSet<&str> = reached.iter().map(|call| call["_meta"]["dev.bastide/request"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{reached:#?}");
    assert!(!ids.contains("C-000000000000"));
    assert!(reached.iter().all(|call| call["_meta"].get("example.com/note").is_none()));
    let on_record: BTreeSet<String> = raw(&world).iter().filter_map(|record| record["request"].as_str().map(str::to_owned)).collect();
    assert!(ids.iter().all(|id| on_record.contains(*id)));
    assert!(!on_record.contains("C-000000000000"));
}

#[test]
fn a_trace_that_is_none_goes_nowhere() {
    let world = World::new();
    let mut agent = world.agent();
    let long = "4".repeat(5_000);
    for bad in ["", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf9\n\"}{", &long] {
        let call = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"traceparent": bad}});
        let before = world.reached().len();
        agent.ask("tools/call", call);
        for call in &world.reached()[before..] {
            assert_eq!(call["_meta"].get("traceparent"), None, "{bad:.40} was carried on");
        }
        assert!(raw(&world).iter().all(|record| record["trace"].is_null()), "{bad:.40} is on record");
    }
}

/// The records as they stand in the log.
fn raw(world: &World) -> Vec<Value> {
    let output = world.run(&["audit", "show", "--raw"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
