//! Who a caller is by more than its name, from where and when it calls, and with which arguments.

use super::assert_denied;
use serde_json::json;
use std::time::SystemTime;
use testkit::World;

const BARE: &str = "clearance: restricted\nallow: { canary: [echo] }";

/// A world in which only these members may use `echo`.
fn of(members: &str) -> World {
    World::with().role("tester", &format!("members: [{members}]\n{BARE}")).start()
}

fn echoes(world: &World, principal: &str) -> bool {
    let mut client = world.client(principal, "/mcp");
    client.open();
    let answer = client.call("canary__echo", json!({"text": "hi"}));
    if answer.is_error() {
        assert_denied(world, answer.reference());
        assert_eq!(client.ask("tools/list", json!({})).names(), Vec::<&str>::new());
    } else {
        assert_eq!(client.ask("tools/list", json!({})).names(), ["canary__echo"]);
    }
    !answer.is_error()
}

#[test]
fn members_are_named_by_globs() {
    let world = of("\"agent:ci-*\"");
    assert!(echoes(&world, "agent:ci-7") && echoes(&world, "agent:ci-"));
    assert!(!echoes(&world, "agent:ci") && !echoes(&world, "agent:my-ci-7"));
    assert_eq!(world.reached().len(), 2);
}

#[test]
fn members_are_known_by_where_and_as_what_they_come() {
    let world = of("\"network:127.0.0.0/8\"");
    assert!(echoes(&world, "agent:anyone"));
    let mut local = world.connect(&[]);
    local.open();
    assert!(local.call("canary__echo", json!({"text": "hi"})).is_error(), "the local socket has no address");
    assert!(!echoes(&of("\"network:10.0.0.0/8\", \"network:::1/128\""), "agent:anyone"));

    let world = of("\"environment:transport=local\"");
    assert!(!echoes(&world, "agent:anyone"));
    let mut local = world.connect(&[]);
    local.open();
    assert_eq!(local.call("canary__echo", json!({"text": "hi"})).text(), "hi");

    let world = of("\"client:test*\"");
    assert!(echoes(&world, "agent:anyone"), "what testkit calls itself");
    assert!(!echoes(&of("\"client:Test\""), "agent:anyone"));
    let record = world.audit().into_iter().find(|record| record["method"] == "tools/call").unwrap();
    assert!(record["facts"]["client"].as_str().unwrap().starts_with("test"), "{record}");
    assert_eq!(record["facts"]["transport"], "http");
    assert!(record["facts"]["depth"].as_u64().unwrap() >= 1, "{record}");
}

#[test]
fn nobody_is_in_a_group_or_has_a_certificate_yet() {
    let world = of("\"group:*\", \"certificate:*\"");
    assert!(!echoes(&world, "agent:tester") && !echoes(&world, "agent:certificate"));
    assert!(world.reached().is_empty());
}

#[test]
fn a_claim_in_another_place_is_none() {
    let world = World::with().role("tester", &format!("members: [\"client:trusted\"]\n{BARE}")).start();
    let mut client = world.client("agent:anyone", "/mcp");
    let info = json!({"name": "mallory", "title": "trusted", "version": "trusted"});
    client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}));
    let answer =
        client.ask_modern("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}, "clientInfo": {"name": "trusted"}}));
    assert!(!answer.answer().0.to_string().contains("\"hi\""), "{:?}", answer.answer());
    assert!(world.reached().is_empty());
}

/// Hours that it is now, and hours that it is not.
fn hours() -> (&'static str, &'static str) {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    // Away from the ends of the spans: a slow test stays within them.
    if (6..18).contains(&(seconds / 3600 % 24)) {
        ("Mon-Sun 04:00-20:00 UTC", "Mon-Sun 20:00-04:00 UTC")
    } else {
        ("Mon-Sun 16:00-08:00 UTC", "Mon-Sun 08:00-16:00 UTC")
    }
}

#[test]
fn outside_of_strict_hours_it_is_refused_and_said() {
    let (now, never) = hours();
    let role = |hours: &str| format!("members: [\"agent:tester\"]\n{BARE}\nhours: {{ in: \"{hours}\", strict: true }}");
    let world = World::with().role("tester", &role(now)).start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");

    let world = World::with().role("tester", &role(never)).start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo"], "it may be used at another hour");
    let refused = agent.call("canary__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "access.deny-by-default/hours");
    assert_eq!(world.record(refused.reference())["event"], "access.outside-hours");
    assert!(world.reached().is_empty());
}

#[test]
fn outside_of_other_hours_it_passes_and_is_an_event() {
    let (_, never) = hours();
    let world = World::with().role("tester", &format!("members: [\"agent:tester\"]\n{BARE}\nhours: {{ in: \"{never}\" }}")).start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let record = world.audit().into_iter().find(|record| record["tool"] == "echo").unwrap();
    assert_eq!((&record["event"], &record["facts"]["late"]), (&json!("access.outside-hours"), &json!("tester")), "{record}");
}

#[test]
fn arguments_are_compared_and_the_tool_is_seen() {
    let rule = "members: [\"agent:tester\"]\nclearance: restricted\nallow:\n  canary:\n    - { tools: [add], when: { arguments: { a: { from: 1, to: 9 }, b: [1, 2] } } }\n    - { tools: [echo], when: { arguments: { text: { like: \"ok *\" } } } }";
    let world = World::with().role("tester", rule).start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo", "canary__add"]);
    assert_eq!(agent.call("canary__add", json!({"a": 9, "b": 2})).text(), "11");
    assert_eq!(agent.call("canary__echo", json!({"text": "ok then"})).text(), "ok then");
    for (tool, arguments) in [
        ("canary__add", json!({"a": 10, "b": 2})),
        ("canary__add", json!({"a": 9, "b": 3})),
        ("canary__echo", json!({"text": "not ok "})),
        ("canary__echo", json!({"text": "OK then"})),
        ("canary__echo", json!({"text": "\u{ff4f}k then"})),
    ] {
        let refused = agent.call(tool, arguments.clone());
        assert_eq!(refused.refused(), "access.deny-by-default/arguments", "{arguments}");
        assert_eq!(world.record(refused.reference())["facts"]["reason"], "Arguments");
    }
    assert_eq!(world.reached().len(), 2);
    // Who may use it with no arguments at all does not see it.
    let mut stranger = world.client("agent:stranger", "/mcp");
    stranger.open();
    let hidden = stranger.call("canary__add", json!({"a": 1, "b": 1}));
    assert_eq!(hidden.refused(), "access.filtered-discovery/unknown");
}

#[test]
fn a_guarded_argument_is_compared_in_its_normal_form() {
    let rule = "members: [\"agent:tester\"]\nclearance: restricted\nallow:\n  canary:\n    - { tools: [echo], when: { arguments: { text: { like: \"/srv/out/*\" } } } }";
    let guard = "canary__echo:\n  arguments: { text: { guard: files, roots: [/srv], write: true } }";
    let world = World::with().role("tester", rule).section("tools", guard).start();
    let mut agent = world.agent();
    for inside in ["/srv/out/a", "/srv/in/../out/a", "/srv//out/./a"] {
        assert!(!agent.call("canary__echo", json!({ "text": inside })).is_error(), "{inside}");
    }
    let reached = world.reached().len();
    for outside in ["/srv/out/../in/a", "/srv/out/../../etc/passwd", "/srv/outer"] {
        assert!(agent.call("canary__echo", json!({ "text": outside })).is_error(), "{outside}");
    }
    assert_eq!(world.reached().len(), reached);
}

#[test]
fn a_condition_of_a_role_is_one_of_every_entry() {
    let rule =
        "members: [\"agent:tester\"]\nclearance: restricted\nwhen: { operation: read, depth: { to: 2 } }\nallow: { canary: [echo, add] }";
    let world = World::with().role("tester", rule).section("tools", "canary__echo: { operation: read }").start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo"], "nobody said that `add` reads");
    assert!(agent.call("canary__add", json!({"a": 1, "b": 1})).is_error());
    assert_eq!(agent.call("canary__echo", json!({"text": "two"})).text(), "two");
    assert!(agent.call("canary__echo", json!({"text": "three"})).is_error(), "the third call of the session");
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn cedar_speaks_of_arguments_in_the_types_of_the_tools() {
    let mut world = World::with().allow("[echo, add]").write();
    let policy = |text: &str| {
        std::fs::create_dir_all(world.path("policies")).unwrap();
        std::fs::write(world.path("policies/extra.cedar"), text).unwrap();
    };
    let text = "forbid (principal, action == Action::\"call\", resource in Server::\"canary\")\nwhen { context has arguments.canary__echo.text && context.arguments.canary__echo.text like \"*secret*\" };\n";
    policy(text);
    world.json(&["lock", "--yes"]);
    let schema = world.json(&["policy", "check", "--schema"]);
    assert!(schema["schema"].as_str().unwrap().contains("\"canary__echo\"?: { \"text\": String }"), "{schema}");
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "open"})).text(), "open");
    assert_eq!(agent.call("canary__echo", json!({"text": "a secret"})).refused(), "access.deny-by-default/arguments");
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo", "canary__add"]);
    assert_eq!(world.reached().len(), 1);
    world.stop();
    for wrong in
        [text.replace("like", ">"), text.replace("canary__echo.text", "canary__echo.txt"), text.replace("canary__echo", "canary__ech")]
    {
        std::fs::write(world.path("policies/extra.cedar"), &wrong).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{wrong}");
        let said = world.run(&["policy", "check"]);
        let said = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.contains("extra.cedar:2:") && said.contains('^'), "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    for (rule, part) in [
        ("members: [\"network:10.0.0.1/8\"]", "10.0.0.0/8"),
        ("members: [\"agnet:x\"]", "did you mean"),
        ("members: [\"agent:x\"]\nhours: { in: \"Mon-Fri 07:00-20:00 Berlin\" }", "IANA"),
        ("members: [\"agent:x\"]\nwhen: { purpose: build }", "not built"),
        ("members: [\"agent:x\"]\nwhen: { depth: { from: 3, to: 2 } }", "range"),
        ("members: [\"agent:x\"]\nwhen: { arguments: { a: 1 } }\nallow: { canary: [echo] }", "belong to entries"),
        ("members: [\"agent:x\"]\nallow: { canary: [{ tools: [\"e*\"], when: { arguments: { a: 1 } } }] }", "named in full"),
        ("members: [\"agent:x\"]\nallow: { canary: [{ tools: [echo], when: { tol: x } }] }", "did you mean \"tool\"?"),
    ] {
        let world = World::with().role("tester", rule).write();
        let said = world.run(&["policy", "check"]);
        let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert_eq!(said.status.code(), Some(2), "{rule}: {text}");
        assert!(text.contains(part) && text.contains("bastide.yaml:"), "{rule}: {text}");
    }
}
