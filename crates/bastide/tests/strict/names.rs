//! `server__tool`: one name is one tool of one server, in lists, in calls and on record.

use serde_json::json;
use testkit::World;

fn world() -> World {
    let second = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/second.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";
    World::with()
        .server("can-ary", second)
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], can-ary: [echo] }")
        .start()
}

fn heard(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("box/second.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains("tools/call")).map(str::to_owned).collect()
}

#[test]
fn the_server_of_a_name_gets_the_call_and_no_other() {
    let world = world();
    let mut agent = world.agent();
    let listed = agent.ask("tools/list", json!({}));
    let names = listed.names();
    assert!(names.contains(&"canary__echo") && names.contains(&"can-ary__echo") && !names.contains(&"can-ary__add"));
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    for tool in listed.result()["tools"].as_array().unwrap() {
        let server = tool["name"].as_str().unwrap().split("__").next();
        assert_eq!(tool["_meta"]["dev.bastide/server"].as_str(), server, "{tool}");
    }
    assert_eq!(agent.call("can-ary__echo", json!({"text": "second"})).text(), "second");
    assert_eq!((heard(&world).len(), world.reached().len()), (1, 0));
    assert_eq!(agent.call("canary__echo", json!({"text": "first"})).text(), "first");
    assert_eq!((heard(&world).len(), world.reached().len()), (1, 1));
    assert_eq!(world.reached()[0]["name"], "echo", "a server hears its own name of the tool");
    let audit = world.audit();
    let calls: Vec<_> =
        audit.iter().filter(|record| record["method"] == "tools/call").map(|record| (&record["server"], &record["tool"])).collect();
    assert_eq!(calls, [(&json!("can-ary"), &json!("echo")), (&json!("canary"), &json!("echo"))]);
}

#[test]
fn a_name_is_split_at_its_first_mark_and_looked_up_exactly() {
    let world = world();
    let mut agent = world.agent();
    for name in [
        "echo",
        "canary_echo",
        "canary___echo",
        "canary____echo",
        "canary__canary__echo",
        "canary__can-ary__echo",
        "__echo",
        "canary__",
        "Canary__echo",
        "canary__Echo",
        "ｃanary__echo",
        " canary__echo",
        "canary__echo\u{200b}",
        "can-ary__add",
        "canary.echo",
        "canary/echo",
    ] {
        let refused = agent.call(name, json!({"text": "x"}));
        assert_eq!(refused.refused(), "access.filtered-discovery/unknown", "{name}");
    }
    assert!(heard(&world).is_empty() && world.reached().is_empty());
}

#[test]
fn at_its_own_endpoint_a_server_has_bare_names() {
    let world = world();
    let mut bare = world.client("agent:tester", "/mcp/can-ary");
    bare.open();
    assert_eq!(bare.ask("tools/list", json!({})).names(), ["echo"]);
    assert_eq!(bare.call("echo", json!({"text": "hi"})).text(), "hi");
    for name in ["can-ary__echo", "canary__echo", "add"] {
        assert!(bare.call(name, json!({"text": "x"})).is_error(), "{name}");
    }
    assert_eq!((heard(&world).len(), world.reached().len()), (1, 0));
}

#[test]
fn a_server_whose_name_could_be_split_twice_is_no_configuration() {
    for name in ["a_b", "a__b", "Canary", "-a", "a-", "a.b", "ä", "a b", &"x".repeat(33)] {
        let world = World::with().server(&format!("\"{name}\""), "run: [/bin/cat]").write();
        assert_eq!(world.run(&["policy", "check"]).status.code(), Some(2), "{name}");
    }
}
