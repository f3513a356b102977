//! `access.filtered-discovery`: lists show what may be used, and what may not be used does not exist.

use serde_json::{Value, json};
use testkit::World;

#[test]
fn lists_show_what_is_allowed_alone() {
    let world = World::with().allow("[echo, \"read_*\"]").start();
    assert_eq!(world.agent().ask("tools/list", json!({})).names(), ["canary__echo", "canary__read_note"]);
}

#[test]
fn forbidden_and_unknown_are_the_same_but_for_the_reference() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    let mut plain = |tool: &str| {
        let answer = agent.call(tool, json!({}));
        let reference = answer.reference().to_owned();
        let mut message: Value = serde_json::from_str(&answer.0.to_string().replace(&reference, "REFERENCE")).unwrap();
        message["id"] = Value::Null;
        message
    };
    assert_eq!(plain("canary__add"), plain("canary__nothing"));
    assert_eq!(plain("canary__add"), plain("nowhere__echo"));
}
