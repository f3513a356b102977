//! Every line of the log that is written during a call names it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::World;

fn lines(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path("serve.log")).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(|line: &Value| line["level"].is_string()).collect()
}

#[test]
fn every_line_of_a_call_has_its_request_id() {
    let mut world = World::with().allow("[echo]").start();
    world.stop();
    std::fs::remove_file(world.path("serve.log")).unwrap();
    world.serve_logging("debug");
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    let reached = world.reached()[0]["_meta"]["dev.bastide/request"].as_str().unwrap().to_owned();
    world.stop();
    let lines = lines(&world);
    let settled = |request: &str| lines.iter().filter(|line| line["request"] == request && line["fields"]["message"] == "settled").count();
    assert_eq!((settled(&reached), settled(refused.reference())), (1, 1), "{lines:#?}");
    // What the line itself says is said within a call; what has no id comes from what is beside it.
    let nameless: BTreeSet<&str> =
        lines.iter().filter(|line| line["request"].is_null()).filter_map(|line| line["target"].as_str()).collect();
    assert!(nameless.iter().all(|target| !target.starts_with("gateway::line")), "{nameless:?}");
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string() && line["target"].is_string() && line["fields"].is_object()),
        "{lines:#?}"
    );
}
