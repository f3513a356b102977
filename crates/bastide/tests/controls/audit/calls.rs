//! `audit.calls`: every call is on record, and a call that cannot be recorded does not run.

use serde_json::json;
use testkit::World;

#[test]
fn allowed_and_refused_calls_are_on_record() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    let records = world.audit();
    assert!(records.iter().any(|record| record["tool"] == "echo" && record["server"] == "canary"), "{records:#?}");
    assert!(records.iter().any(|record| record.to_string().contains(refused.reference())), "{records:#?}");
}
