//! `response.compliance`: the state of every control is assessed live, with evidence.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::World;

#[test]
fn every_control_of_the_catalogue_has_an_outcome_and_evidence() {
    let world = World::new();
    let answer = world.json(&["assess"]);
    let catalogue = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../controls.yaml")).unwrap();
    let wanted: BTreeSet<&str> = catalogue.lines().filter_map(|line| line.trim().strip_prefix("- id: ")).collect();
    let controls = answer["controls"].as_array().unwrap();
    let found: BTreeSet<&str> = controls.iter().map(|control| control["id"].as_str().unwrap()).collect();
    assert_eq!((controls.len(), &found), (72, &wanted));
    for control in controls {
        let outcome = control["outcome"].as_str().unwrap();
        assert!(["pass", "part", "fail", "stale", "accepted", "error", "absent", "n/a"].contains(&outcome), "{control:#}");
        assert!(control.get("evidence").is_some_and(|evidence| !evidence.is_null() && evidence != &json!([])), "{control:#}");
    }
    assert!((0..=3).contains(&answer["level"].as_u64().unwrap()));
    assert_eq!(outcome(&answer, "audit.chain"), "pass");
    let text = answer.to_string().to_lowercase();
    assert!(!text.contains("compliant") && !text.contains("certified"), "it says which controls hold, and no more");
}

#[test]
fn a_control_that_stopped_to_hold_does_not_pass() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    world.stop();
    let segment = world.state().join("audit/segment/0000000000");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(6).position(|window| window == b"canary").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let output = world.run(&["assess", "--control", "audit.chain", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_ne!(outcome(&answer, "audit.chain"), "pass", "{answer:#}");
}

#[test]
fn without_a_running_gateway_nothing_that_needs_one_passes() {
    let mut world = World::new();
    world.stop();
    let output = world.run(&["assess", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["level"], 0);
    for control in ["access.deny-by-default", "identity.tokens", "audit.calls", "response.kill-switch", "data.secrets"] {
        assert_ne!(outcome(&answer, control), "pass", "{control}");
    }
}

#[test]
fn a_level_that_is_not_reached_is_a_no() {
    let world = World::new();
    let reached = world.json(&["assess"])["level"].as_u64().unwrap();
    assert!(reached < 3, "one person alone cannot reach level 3");
    assert_eq!(world.run(&["assess", "--min-level", "3"]).status.code(), Some(1));
    assert_eq!(world.run(&["assess", "--min-level", &reached.to_string()]).status.code(), Some(0));
}

fn outcome<'a>(answer: &'a Value, id: &str) -> &'a str {
    let control = answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == id);
    control.unwrap()["outcome"].as_str().unwrap()
}
