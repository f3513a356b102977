//! `access.argument-schemas`: arguments fit the pinned schema and what the operator allows, or the server sees none of them.

use serde_json::{Value, json};
use testkit::World;

#[test]
fn arguments_that_fit_arrive_as_they_are() {
    let world = World::new();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__add", json!({"a": -3, "b": 45})).text(), "42");
    assert_eq!(agent.call("canary__echo", json!({"text": ""})).0["result"]["isError"], false);
    assert_eq!(agent.call("canary__environment", json!({})).0["result"]["isError"], false);
    let first = &world.reached()[0];
    assert_eq!((&first["name"], &first["arguments"]), (&json!("add"), &json!({"a": -3, "b": 45})));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let world = World::new();
    let mut agent = world.agent();
    for (tool, arguments, place) in [
        ("echo", json!({}), ""),
        ("echo", json!({"text": 7}), "/text"),
        ("echo", json!({"text": null}), "/text"),
        ("echo", json!({"text": ["hi"]}), "/text"),
        ("echo", json!({"text": {"text": "hi"}}), "/text"),
        ("echo", json!({"text": "hi", "confirm": true}), ""),
        ("echo", json!({"text": "hi", "Text": "ho"}), ""),
        ("add", json!({"a": "1", "b": 2}), "/a"),
        ("add", json!({"a": 1.5, "b": 2}), "/a"),
        ("add", json!({"a": 1}), ""),
        ("environment", json!({"all": true}), ""),
    ] {
        let refused = agent.call(&format!("canary__{tool}"), arguments.clone());
        assert_eq!(refused.refused(), "access.argument-schemas/mismatch", "{tool} {arguments}");
        let message = refused.refusal().unwrap()["message"].as_str().unwrap();
        assert!(place.is_empty() || message.contains(&format!("`{place}`")), "{tool} {arguments}: {message}");
        let record = world.record(refused.reference());
        assert_eq!((&record["decision"]["code"], &record["tool"]), (&json!("access.argument-schemas/mismatch"), &json!(tool)));
        assert_eq!(record["arguments"], arguments, "what was refused is on record");
    }
    assert_eq!(world.reached(), Vec::<Value>::new());
}

#[test]
fn a_refusal_says_nothing_of_what_was_sent() {
    let world = World::new();
    let refused = world.agent().call("canary__echo", json!({"a_name_of_the_model's_own": "marzipan"}));
    let told = refused.0.to_string();
    assert!(!told.contains("a_name_of") && !told.contains("marzipan"), "{told}");
}

#[test]
fn the_operators_constraints_hold_beside_the_schema() {
    let constraints = "canary__echo:\n  arguments: { text: { maxLength: 5, pattern: '^[a-z]+$' } }\ncanary__add:\n  arguments: { a: { minimum: 0, maximum: 9 } }";
    let world = World::with().section("tools", constraints).start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "short"})).text(), "short");
    assert_eq!(agent.call("canary__add", json!({"a": 9, "b": 100})).text(), "109");
    for (tool, arguments) in [
        ("canary__echo", json!({"text": "longer"})),
        ("canary__echo", json!({"text": "UP"})),
        ("canary__echo", json!({"text": "a\nb"})),
        ("canary__add", json!({"a": -1, "b": 1})),
        ("canary__add", json!({"a": 10, "b": 1})),
    ] {
        let refused = agent.call(tool, arguments.clone());
        assert_eq!(refused.refused(), "access.argument-schemas/constraint", "{arguments}");
        assert_eq!(world.record(refused.reference())["decision"]["code"], "access.argument-schemas/constraint");
    }
    assert_eq!(world.reached().len(), 2);
}

#[test]
fn a_constraint_that_cannot_be_read_stops_the_start() {
    for wrong in
        ["{ text: { maxLength: many } }", "{ text: { pattern: '(' } }", "{ text: { guard: nonsense } }", "{ text: { maxLenght: 5 } }"]
    {
        let mut world = World::new();
        world.stop();
        let path = world.config();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}tools:\n  canary__echo:\n    arguments: {wrong}\n")).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{wrong}");
    }
}

#[test]
fn numbers_that_cannot_be_judged_do_not_pass() {
    let world = World::new();
    let agent = world.agent();
    for number in ["123456789012345678901234567890", "1e400", "9007199254740993"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"canary__add","arguments":{{"a":{number},"b":1}}}}}}"#
        );
        let answer = agent.post_text(&body, &[]).answer();
        let passed = world.reached().last().map(|params| params["arguments"]["a"].to_string());
        assert!(answer.is_error() || passed.as_deref() == Some(number), "{number} reached the server as {passed:?}: {}", answer.0);
    }
}
