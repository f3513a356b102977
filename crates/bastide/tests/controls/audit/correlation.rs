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
fn a_trace_of_a_later_version_goes_on_as_far_as_it_is_known() {
    let world = World::new();
    let mut agent = world.agent();
    let later = PARENT.replacen("00", "cc", 1);
    for (sent, seen) in [
        (format!("{later}-what-may-come.later"), json!(PARENT)),
        (later.clone(), json!(PARENT)),
        (format!("{later}.x"), Value::Null),
        (PARENT.replacen("00", "ff", 1), Value::Null),
    ] {
        let call = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"traceparent": sent}});
        assert_eq!(agent.ask("tools/call", call).text(), "hi");
        assert_eq!(world.reached().last().unwrap()["_meta"]["traceparent"], seen, "{sent}");
    }
}

#[test]
fn what_others_keep_of_a_trace_goes_on_with_it() {
    let world = World::new();
    let mut agent = world.agent();
    let many = (0..33).map(|at| format!("k{at}=1")).collect::<Vec<_>>().join(",");
    let long = format!("a=1,l={},b=2,c={}", "x".repeat(250), "y".repeat(250));
    for (parent, sent, seen) in [
        (PARENT, "rojo=1 , congo=t61rcWkgMzE", json!("rojo=1,congo=t61rcWkgMzE")),
        (PARENT, long.as_str(), json!(format!("a=1,l={},b=2", "x".repeat(250)))),
        (PARENT, &many, Value::Null),
        (PARENT, "good=1,bad", Value::Null),
        ("none", "good=1", Value::Null),
    ] {
        let meta = json!({"traceparent": parent, "tracestate": sent});
        let call = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": meta});
        assert_eq!(agent.ask("tools/call", call).text(), "hi");
        assert_eq!(world.reached().last().unwrap()["_meta"]["tracestate"], seen, "{sent}");
        assert_eq!(raw(&world).last().unwrap()["trace"]["state"], seen, "{sent}");
    }
}

#[test]
fn an_answer_of_a_client_is_no_operation() {
    let world = World::new();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    agent.post(&json!({"jsonrpc": "2.0", "id": 4711, "result": {}}), &[]);
    assert!(raw(&world).iter().any(|record| record["method"] == "response"), "it is on record");
    let metrics = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
    assert!(metrics.contains("mcp_method_name=\"tools/call\""), "{metrics}");
    assert!(!metrics.contains("mcp_method_name=\"response\""), "{metrics}");
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
