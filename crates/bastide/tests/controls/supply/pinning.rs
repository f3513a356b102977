//! `supply.pinning`: a definition that changed is put aside until someone has seen the difference.

use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::World;

const ROLE: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], evil: [\"*\"] }";

#[test]
fn what_did_not_change_stays_in_use() {
    let world = World::with().evil("rug-pull").start();
    for _ in 0..2 {
        assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).text(), "hi");
    }
    assert!(world.agent().ask("tools/list", json!({})).names().contains(&"evil__echo"));
    let checked = world.audit();
    assert!(checked.iter().all(|record| record["event"] != "supply.changed"), "{checked:#?}");
}

#[test]
fn a_changed_description_puts_the_tool_aside_until_it_is_approved() {
    let mut world = World::with().evil("rug-pull").start();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).text(), "hi");
    std::fs::write(world.path("box/flag"), "").unwrap();
    let mut agent = world.agent();
    assert_eq!(agent.call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    assert_eq!(agent.call("evil__add", json!({"a": 1, "b": 2})).text(), "3", "what did not change stays in use");
    let listed = agent.ask("tools/list", json!({}));
    assert!(!listed.names().contains(&"evil__echo") && listed.names().contains(&"evil__add"), "{:?}", listed.names());
    let shown = listed.result().to_string();
    assert!(!shown.contains("audit mailbox"), "the new description was shown");
    let events = world.audit();
    let event = events.iter().find(|record| record["event"] == "supply.changed" && record["kind"] == "event").unwrap();
    assert_eq!((&event["server"], &event["severity"]), (&json!("evil"), &json!("high")));

    world.stop();
    let check = world.run(&["lock", "--check", "--json"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains("echo"));
    world.serve();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed", "looking is not approving");
    world.stop();
    world.json(&["lock", "--yes"]);
    world.serve();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_change_in_the_middle_of_a_session_counts_at_once() {
    let evil = "run: [{bin}/evil-server, --mode, rug-pull]\nsandbox: { read: [{bin}], write: [{box}] }";
    let world = World::with().server("evil", evil).role("tester", ROLE).start();
    let mut agent = world.agent();
    assert_eq!(agent.call("evil__echo", json!({"text": "first"})).text(), "first");
    let end = Instant::now() + Duration::from_secs(5);
    let refused = loop {
        let answer = agent.call("evil__echo", json!({"text": "next"}));
        if answer.is_error() || Instant::now() > end {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(refused.refused(), "supply.pinning/changed");
}

#[test]
fn a_reload_does_not_approve() {
    let mut world = World::with().evil("rug-pull").start();
    std::fs::write(world.path("box/flag"), "").unwrap();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    world.gateway().signal(Signal::HUP);
    let end = Instant::now() + Duration::from_secs(5);
    while !std::fs::read_to_string(world.path("serve.log")).unwrap().contains("reloaded") {
        assert!(Instant::now() < end, "not reloaded");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
}
