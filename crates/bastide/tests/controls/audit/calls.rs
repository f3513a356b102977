//! `audit.calls`: every call is on record, and a call that cannot be recorded does not run.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::World;

const KEY: &str = "AKIAQ7XJ2V5TN3KD6WRB";

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

#[test]
fn the_record_of_a_call_says_all_that_it_must() {
    let world = World::with().section("tools", "canary__echo: { operation: read }").start();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    let records = world.audit();
    let record = records.iter().find(|record| record["tool"] == "echo").unwrap();
    let pointers = [
        "/time",
        "/ended",
        "/request",
        "/principal/agent",
        "/session/id",
        "/session/binding",
        "/client",
        "/server",
        "/method",
        "/tool",
        "/operation",
        "/class",
        "/arguments/text",
        "/digest",
        "/decision/verdict",
        "/decision/policies/0",
        "/result/status",
        "/result/size",
        "/result/digest",
        "/result/label",
        "/latency/forward",
    ];
    let missing: Vec<_> = pointers.into_iter().filter(|pointer| record.pointer(pointer).is_none_or(Value::is_null)).collect();
    assert!(missing.is_empty(), "{missing:?} of {record:#}");
    assert_eq!(record["decision"]["verdict"], "allowed");
    assert_eq!(record["result"]["status"], "ok");
    let kinds: Vec<_> = record["records"].as_array().unwrap().iter().map(|part| part["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intent", "outcome"]);
}

#[test]
fn a_secret_in_an_argument_is_not_written_down() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": format!("aws_access_key_id = {KEY}")}));
    assert!(world.audit().iter().any(|record| record["tool"] == "echo"));
    world.stop();
    assert!(!world.holds("state", KEY.as_bytes()));
}

#[test]
fn a_call_that_cannot_be_recorded_does_not_run() {
    let mut world = World::with().section("tools", "canary__read_note: { operation: read }").start();
    let mut agent = world.agent();
    agent.call("canary__write_note", json!({"name": "n", "text": "kept"}));
    let before = world.reached().len();
    files(&mut world, Some(0));
    let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
    assert_eq!(refused.refused(), "audit.calls/unavailable");
    assert_eq!(world.reached().len(), before, "it ran");
    assert_eq!(std::fs::read_to_string(world.path("box/n")).unwrap(), "kept");
    let held = agent.call("canary__read_note", json!({"name": "n"}));
    assert_eq!(held.refused(), "audit.calls/unavailable", "what it read was handed out without a record");
    let denied = agent.call("canary__nothing", json!({}));
    assert_eq!(denied.refused(), "audit.calls/unavailable", "a refusal that is not on record");

    files(&mut world, None);
    let end = Instant::now() + Duration::from_secs(10);
    while agent.call("canary__echo", json!({"text": "again"})).is_error() {
        assert!(Instant::now() < end, "the log does not heal");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.stop(), Some(0));
    let report = world.verify();
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn a_log_that_was_removed_takes_no_more_calls() {
    let mut world = World::new();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    std::fs::remove_dir_all(world.state().join("audit")).unwrap();
    let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
    assert_eq!(refused.refused(), "audit.calls/unavailable");
    assert!(world.reached().iter().all(|call| call["name"] != "write_note"), "it ran");
    assert!(!world.path("box/n").exists());
    assert!(world.gateway().alive());
}

/// Bounds the size of files that the gateway may write from now on.
fn files(world: &mut World, most: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(world.gateway().pid()).unwrap()).unwrap();
    let hard = prlimit(Some(pid), Resource::Fsize, Rlimit { current: most, maximum: None }).unwrap().maximum;
    assert_eq!(hard, None, "the limit could not be lifted again");
}
