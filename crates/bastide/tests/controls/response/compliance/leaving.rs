//! An assessment leaves nothing behind, however it ends.

use super::{outcome, until_probed, with, world};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Running, World};

/// What of probes is at the gateway: tokens that are good, sessions, stops, what is put aside, entries of the vault.
fn left(world: &World) -> Vec<String> {
    let list = |verb: &str, key: &str| {
        let answer = world.json(&[verb, "list"]);
        answer.get(key).unwrap_or(&answer).as_array().unwrap().clone()
    };
    let mut left = Vec::new();
    let good = |token: &&Value| token["revoked"].is_null() && token["agent"].as_str().unwrap().starts_with("probe/");
    left.extend(list("token", "tokens").iter().filter(good).map(Value::to_string));
    left.extend(list("session", "sessions").iter().map(Value::to_string));
    left.extend(world.json(&[])["gateway"]["stops"].as_array().unwrap().iter().map(Value::to_string));
    let odd = |server: &&Value| server["held"] != json!([]) || server["state"] != "approved";
    left.extend(list("server", "servers").iter().filter(odd).map(Value::to_string));
    left.extend(list("secret", "secrets").iter().filter(|entry| entry["address"] != "vault:probed/secret").map(Value::to_string));
    left
}

#[test]
fn a_run_leaves_nothing_and_the_next_one_finds_the_same() {
    if !testkit::layers::are_there() {
        return;
    }
    // One death more would put the canary aside.
    let world = with("restart: { delay: 1s, most: 1, within: 10m }");
    assert_eq!(left(&world), Vec::<String>::new());
    for run in ["first", "second", "third"] {
        let answer = world.json(&["assess"]);
        for control in ["runtime.restart", "supply.pinning", "secrets.isolation", "audit.calls"] {
            assert_eq!(outcome(&answer, control), "pass", "{run}: {answer:#}");
        }
        assert_eq!(left(&world), Vec::<String>::new(), "{run}");
    }
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn an_interrupted_run_takes_back_what_it_made() {
    if !testkit::layers::are_there() {
        return;
    }
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let world = world();
        let mut assess = Running::start(&mut world.command(&["assess"]), &world.path("assess.log"));
        until_probed(&world);
        assess.signal(signal);
        assert_eq!(assess.wait(Duration::from_secs(90)), Some(3));
        let said = std::fs::read_to_string(world.path("assess.log")).unwrap();
        assert!(said.contains("interrupted") && said.contains("taken back"), "{said}");
        assert_eq!(left(&world), Vec::<String>::new());
    }
}

#[test]
fn a_run_lets_go_what_one_that_was_killed_had_stopped() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    world.json(&["kill", "--principal", "agent:probe/c", "--reason", "bastide assess"]);
    world.json(&["kill", "--principal", "agent:rogue", "--reason", "drill"]);
    let answer = world.json(&["assess"]);
    assert_eq!(outcome(&answer, "response.kill-switch"), "part");
    let stops = world.json(&[])["gateway"]["stops"].clone();
    assert_eq!(stops.as_array().unwrap().len(), 1, "what others stopped stays so: {stops}");
    assert_eq!(stops[0]["scope"], "agent:rogue");
}
