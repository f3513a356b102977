//! `access.deny-by-default`: a role calls only what a policy lists for it.

mod attributes;

use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Http, World};

/// That the operator reads a denial, whatever the client was told.
fn assert_denied(world: &World, reference: &str) {
    let record = world.record(reference);
    assert_eq!(record["decision"]["code"], "access.deny-by-default/denied", "{record}");
    assert_eq!((&record["decision"]["verdict"], &record["result"]["status"]), (&json!("refused"), &json!("refused")));
}

#[test]
fn what_is_listed_runs() {
    let world = World::with().allow("[echo]").start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.reached().len(), 1);
    let audit = world.audit();
    let call = audit.iter().find(|record| record["tool"] == "echo").unwrap();
    assert_eq!(call["decision"], json!({"verdict": "allowed", "policies": ["tester.allow.canary[0]"]}));
}

#[test]
fn what_is_not_listed_never_reaches_the_server() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    for (method, params) in [
        ("tools/call", json!({"name": "canary__write_note", "arguments": {"name": "n", "text": "t"}})),
        ("prompts/get", json!({"name": "canary__greet", "arguments": {"who": "x"}})),
        ("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"})),
        ("resources/subscribe", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"})),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "canary__greet"}, "argument": {"name": "who", "value": "a"}})),
    ] {
        let refused = agent.ask(method, params);
        assert_eq!(refused.refused(), "access.filtered-discovery/unknown", "{method}");
        assert_denied(&world, refused.reference());
    }
    assert_eq!(world.reached(), Vec::<Value>::new());
    assert!(world.journal().iter().all(|message| {
        let method = message["method"].as_str().unwrap_or_default();
        matches!(method, "initialize" | "server/discover") || method.starts_with("notifications/") || method.ends_with("/list")
    }));
}

#[test]
fn a_name_is_listed_exactly_or_not_at_all() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    for near in
        ["canary__Echo", "canary__ECHO", "canary__echo ", "canary__ech", "canary__echo2", "canary__", "echo", "canary_echo", "CANARY__echo"]
    {
        let answer = agent.call(near, json!({"text": "hi"}));
        assert!(answer.is_error(), "{near}: {}", answer.0);
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_principal_without_a_role_may_do_nothing() {
    let world = World::new();
    let mut stranger = world.client("agent:nobody", "/mcp");
    stranger.open();
    assert_eq!(stranger.ask("tools/list", json!({})).names(), Vec::<&str>::new());
    let refused = stranger.call("canary__echo", json!({"text": "hi"}));
    assert_denied(&world, refused.reference());
    assert!(world.reached().is_empty());
}

#[test]
fn an_empty_list_allows_nothing() {
    let empty = "members: [\"agent:tester\"]\nallow: { canary: [] }";
    let without = "members: [\"agent:tester\"]";
    let elsewhere = "members: [\"agent:other\"]\nallow: { canary: [\"*\"] }";
    let nobody = "members: []\nallow: { canary: [\"*\"] }";
    let world = World::with().role("tester", empty).role("second", without).role("third", elsewhere).role("fourth", nobody).start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), Vec::<&str>::new());
    let refused = agent.call("canary__echo", json!({"text": "hi"}));
    assert_denied(&world, refused.reference());
    assert!(world.reached().is_empty());
}

#[test]
fn the_local_socket_asks_the_same_policy() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.connect(&[]);
    agent.open();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo"]);
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    assert_denied(&world, refused.reference());
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn without_a_policy_that_can_be_read_nobody_is_served() {
    for (from, to) in [("canary: [\"*\"]", "canary: \"*\""), ("members:", "member:"), ("canary: [\"*\"]", "cannery: [\"*\"]")] {
        let mut world = World::new();
        world.stop();
        world.edit(from, to);
        assert_eq!(world.serve_in_vain(), Some(2), "{to}");
    }
    let mut world = World::new();
    world.stop();
    std::fs::create_dir(world.path("policies")).unwrap();
    std::fs::write(world.path("policies/extra.cedar"), "permit (principal, action, ").unwrap();
    assert_eq!(world.serve_in_vain(), Some(2), "half a set of policies");
}

#[test]
fn a_policy_that_cannot_be_read_leaves_the_last_one_in_force() {
    let mut world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    world.edit("canary: [echo]", "canary: [\"*\"], nowhere: [\"*\"]");
    world.gateway().signal(rustix::process::Signal::HUP);
    std::thread::sleep(Duration::from_millis(500));
    assert!(agent.call("canary__add", json!({"a": 1, "b": 2})).is_error());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    world.edit("canary: [\"*\"], nowhere: [\"*\"]", "canary: [add]");
    world.gateway().signal(rustix::process::Signal::HUP);
    let narrowed = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        agent.ask("tools/list", json!({})).names() == ["canary__add"]
    });
    assert!(narrowed, "a good policy was not put in force");
    let refused = agent.call("canary__echo", json!({"text": "hi"}));
    assert_denied(&world, refused.reference());
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn there_is_no_way_around_the_endpoint() {
    let world = World::with().allow("[echo]").start();
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "x"}}}).to_string();
    let token = world.token("agent:tester", &[]);
    for path in [
        "/",
        "/sse",
        "/messages",
        "/message",
        "/ws",
        "/api/v1/call",
        "/mcp/canary/tools/call",
        "/mcp/../mcp",
        "/mcp%2fcanary",
        "/mcp/canary/",
    ] {
        let response = Http::new(world.data(), path, Some(&token)).post_text(&call, &[]);
        assert!(matches!(response.status, 404 | 405), "{path}: {}", response.status);
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_policy_that_anybody_may_have_written_is_not_taken() {
    let world = World::with().write();
    let text = std::fs::read(world.config()).unwrap();
    let check = |path: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bastide"));
        testkit::run(command.args(["policy", "check", "--config", path]).env("HOME", world.path("home")), &text)
    };
    assert_eq!(check(world.config().to_str().unwrap()).status.code(), Some(0));
    // A pipe has no folder and no owner that could be looked at.
    let piped = check("/dev/stdin");
    assert_eq!(piped.status.code(), Some(2), "{piped:?}");
    assert!(String::from_utf8_lossy(&piped.stderr).contains("who may change"), "{piped:?}");
}
