//! `access.deny-by-default`: a role calls only what a policy lists for it.

use serde_json::json;
use testkit::World;

#[test]
fn what_is_listed_runs() {
    let world = World::with().allow("[echo]").start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn what_is_not_listed_never_reaches_the_server() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    assert!(agent.call("canary__write_note", json!({"name": "n", "text": "t"})).is_error());
    assert!(agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"})).is_error());
    assert!(agent.ask("prompts/get", json!({"name": "canary__greet", "arguments": {"who": "x"}})).is_error());
    assert_eq!(world.reached(), Vec::<serde_json::Value>::new());
    assert!(world.journal().iter().all(|message| message["method"] != "resources/read" && message["method"] != "prompts/get"));
}

#[test]
fn a_principal_without_a_role_may_do_nothing() {
    let world = World::new();
    let mut stranger = world.client("agent:nobody", "/mcp");
    stranger.open();
    assert!(stranger.call("canary__echo", json!({"text": "hi"})).is_error());
    assert!(world.reached().is_empty());
}
