//! `access.budgets`: changes, bytes, cost and depth end where they are stated to, and a session that runs in a circle is stopped.

use serde_json::{Value, json};
use testkit::{Http, World};

const READS: &str = "canary__echo: { operation: read }\ncanary__big: { operation: read }\ncanary__add: { operation: read, cost: 0 }\n\
    canary__write_note: { operation: write, cost: 4 }";

fn world(limits: &str) -> World {
    let role = format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ canary: [\"*\"] }}\nlimits: {{ {limits} }}");
    World::with().role("tester", &role).section("tools", READS).start()
}

fn write(agent: &mut Http, name: &str) -> String {
    let answer = agent.call("canary__write_note", json!({"name": name, "text": "hi"}));
    if answer.refusal().is_some() { answer.refused().to_owned() } else { answer.text().to_owned() }
}

#[test]
fn a_session_changes_no_more_than_its_budget_and_reads_on() {
    let world = world("mutations: 2/session");
    let mut agent = world.agent();
    assert_eq!(write(&mut agent, "a"), "written");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(write(&mut agent, "b"), "written");
    assert_eq!(write(&mut agent, "c"), "access.budgets/mutations");
    assert!(!world.path("box/c").exists());
    let refused = agent.call("canary__delete_note", json!({"name": "a"}));
    assert_eq!(refused.refused(), "access.budgets/mutations", "a tool of which nobody says what it does counts as one that changes");
    assert_eq!(refused.refusal().unwrap()["message"], "The limit of 2 calls that change something is reached.");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "access.budgets/mutations");
    assert!(world.path("box/a").exists());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(write(&mut world.agent(), "d"), "written", "another session has a budget of its own");
}

#[test]
fn a_budget_of_a_principal_is_the_same_in_every_session() {
    let world = world("mutations: [2/session, 3/d]");
    let written: Vec<String> = (0..4).map(|at| write(&mut world.agent(), &format!("n{at}"))).collect();
    assert_eq!(written, ["written", "written", "written", "access.budgets/mutations"]);
    assert!(!world.path("box/n3").exists());
}

#[test]
fn bytes_that_do_not_fit_are_withheld_and_then_nothing_is_asked() {
    let world = world("bytes: 50KiB/session");
    let mut agent = world.agent();
    let mut big = |bytes: u32| agent.call("canary__big", json!({"bytes": bytes}));
    assert_eq!(big(30_000).text().len(), 30_000);
    let withheld = big(30_000);
    assert_eq!(withheld.refused(), "access.budgets/bytes");
    assert!(!withheld.0.to_string().contains("xxxx"), "what did not fit was handed over all the same");
    assert_eq!(big(15_000).text().len(), 15_000, "what fits is still there to be had");
    assert_eq!(big(7_000).refused(), "access.budgets/bytes");
    assert_eq!(world.agent().call("canary__big", json!({"bytes": 100})).text().len(), 100);
}

#[test]
fn cost_is_counted_in_the_units_of_each_tool() {
    let world = world("cost: 10/h");
    let mut agent = world.agent();
    assert_eq!((write(&mut agent, "a"), write(&mut agent, "b")), ("written".into(), "written".into()));
    assert_eq!(write(&mut agent, "c"), "access.budgets/cost", "eight and four are more than ten");
    for _ in 0..2 {
        assert!(!agent.call("canary__echo", json!({"text": "one unit"})).is_error());
    }
    let refused = agent.call("canary__echo", json!({"text": "one unit"}));
    assert_eq!(refused.refused(), "access.budgets/cost");
    assert!(refused.refusal().unwrap()["retry_after"].as_u64().is_some_and(|wait| (3_000..=3_600).contains(&wait)));
    assert!(!agent.call("canary__add", json!({"a": 1, "b": 1})).is_error(), "what costs nothing goes on");
    assert!(!world.path("box/c").exists());
}

#[test]
fn a_chain_of_calls_ends_where_no_person_came_between() {
    let world = world("depth: 3");
    let mut agent = world.agent();
    let ran = (0..5).filter(|at| !agent.call("canary__echo", json!({"text": format!("step {at}")})).is_error()).count();
    assert_eq!(ran, 3);
    let refused = agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"}));
    assert_eq!(refused.refused(), "access.budgets/depth", "other methods are links of the chain, too");
    assert_eq!(refused.refusal().unwrap().get("retry_after"), None);
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

fn loops(world: &World) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == "access.loop").collect()
}

#[test]
fn a_session_that_runs_in_a_circle_is_stopped_and_that_is_on_record() {
    let world = world("repeats: 4");
    let mut agent = world.agent();
    for at in 0..4 {
        assert!(!agent.call("canary__echo", json!({"text": format!("Look at page  {at}")})).is_error());
        assert!(!agent.call("canary__add", json!({"a": at, "b": 1})).is_error(), "each sort of call is counted by itself");
    }
    let refused = agent.call("canary__echo", json!({"text": "look at PAGE 17"}));
    assert_eq!(refused.refused(), "access.budgets/loop");
    assert!(refused.refusal().unwrap()["retry_after"].as_u64().is_some_and(|wait| wait <= 600));
    assert!(agent.call("canary__add", json!({"a": 1234, "b": 99})).refusal().is_some());
    assert!(!agent.call("canary__echo", json!({"text": "look elsewhere"})).is_error());
    assert!(!world.agent().call("canary__echo", json!({"text": "look at page 1"})).is_error());
    let events = loops(&world);
    assert_eq!(events.len(), 2);
    assert_eq!(world.record(refused.reference())["event"], "access.loop");
}

#[test]
fn a_circle_is_told_of_where_nothing_is_limited() {
    let world = World::new();
    let mut agent = world.agent();
    for _ in 0..99 {
        assert!(!agent.call("canary__echo", json!({"text": "again"})).is_error());
    }
    assert_eq!(loops(&world).len(), 0);
    for _ in 0..3 {
        assert!(!agent.call("canary__echo", json!({"text": "again"})).is_error(), "a role without limits has none");
    }
    let events = loops(&world);
    assert_eq!(events.len(), 1, "once, not with each call");
    assert_eq!((&events[0]["tool"], &events[0]["principal"]["agent"]), (&json!("echo"), &json!("tester")));
}

#[test]
fn budgets_that_allow_nothing_are_none_to_start_with() {
    for limits in ["{ mutations: 0/session }", "{ bytes: 0B/session }", "{ depth: 0 }", "{ repeats: 0 }", "{ bytes: 20/session }"] {
        let mut world = World::new();
        world.stop();
        world.edit("clearance: restricted", &format!("clearance: restricted\n    limits: {limits}"));
        assert_eq!(world.serve_in_vain(), Some(2), "{limits}");
    }
}
