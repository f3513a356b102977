//! `access.rate-limits`: what a principal, a role, a tool, a server and the interface behind it may be asked, however the calls come.

use serde_json::json;
use std::sync::Barrier;
use std::time::Duration;
use testkit::{Http, World};

fn world(limit: &str) -> World {
    let role = |who: &str| {
        format!("members: [\"agent:{who}\"]\nclearance: restricted\nallow: {{ canary: [\"*\"] }}\nlimits: {{ calls: {limit} }}")
    };
    World::with().role("tester", &role("tester")).role("other", &role("other")).start()
}

#[test]
fn calls_over_the_limit_are_refused_and_told_when_to_come_back() {
    let world = world("2/min");
    let mut agent = world.agent();
    for _ in 0..2 {
        assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    }
    let refused = agent.call("canary__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "access.rate-limits/calls");
    let refusal = refused.refusal().unwrap();
    let retry = refusal["retry_after"].as_u64().unwrap();
    assert!((20..=62).contains(&retry), "{retry}");
    assert_eq!(refusal["message"], "The limit of 2 calls is reached.");
    let other = agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"}));
    assert_eq!((other.code(), other.refused()), (Some(-31429), "access.rate-limits/calls"), "other methods count, too");
    assert_eq!(world.record(refused.reference())["decision"]["code"], "access.rate-limits/calls");
    assert_eq!(world.reached().len(), 2);
    assert!(!agent.ask("tools/list", json!({})).is_error(), "a list costs no server anything");
}

#[test]
fn a_subscription_counts_as_what_it_asks_of_servers() {
    let world = world("3/min");
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.patience = Duration::from_secs(12);
    let mut listens = |count: usize| {
        let resources: Vec<_> = (0..count).map(|number| format!("canary://page/{number}")).collect();
        agent.ask_modern("subscriptions/listen", json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": resources}}))
    };
    let acknowledged = listens(2);
    assert!(acknowledged.messages().first().is_some_and(|first| first["method"] == "notifications/subscriptions/acknowledged"));
    assert_eq!(listens(2).answer().refused(), "access.rate-limits/calls");
    let asked = world.journal().iter().filter(|message| message["method"] == "resources/subscribe").count();
    assert_eq!(asked, 2, "a server was asked for what was refused");
}

#[test]
fn neither_a_session_nor_a_token_more_is_a_call_more() {
    let world = world("1/min");
    assert!(!world.agent().call("canary__echo", json!({"text": "hi"})).is_error());
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).refused(), "access.rate-limits/calls");
    let mut bare = world.client("agent:tester", "/mcp/canary");
    bare.open();
    assert_eq!(bare.call("echo", json!({"text": "hi"})).refused(), "access.rate-limits/calls");
    let mut other = world.client("agent:other", "/mcp");
    other.open();
    assert!(!other.call("canary__echo", json!({"text": "hi"})).is_error(), "another principal's limit is its own");
    assert_eq!(world.reached().len(), 2);
}

#[test]
fn what_is_refused_is_counted_too() {
    let world = world("2/min");
    let mut agent = world.agent();
    agent.call("canary__nothing", json!({}));
    agent.call("canary__nothing", json!({}));
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).refused(), "access.rate-limits/calls", "names can be tried without end");
}

#[test]
fn a_burst_at_once_gets_no_more_than_the_limit() {
    let world = world("5/min");
    let mut agent = world.agent();
    agent.ask("ping", json!({}));
    let calls: Vec<_> = (0..20)
        .map(|at| {
            let agent: Http = agent.clone();
            let call = json!({"jsonrpc": "2.0", "id": format!("b{at}"), "method": "tools/call", "params": {"name": "canary__echo", "arguments": {"text": "x"}}});
            std::thread::spawn(move || agent.post(&call, &[]).answer().is_error())
        })
        .collect();
    let passed = calls.into_iter().filter(|_| true).map(|call| call.join().unwrap()).filter(|refused| !refused).count();
    assert_eq!((passed, world.reached().len()), (5, 5));
}

#[test]
fn after_the_time_told_there_is_room_again() {
    let world = world("1/s");
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    let refused = (0..20).find_map(|_| {
        let answer = agent.call("canary__echo", json!({"text": "hi"}));
        answer.refusal().and_then(|refusal| refusal["retry_after"].as_u64())
    });
    let wait = refused.unwrap();
    assert!((1..=2).contains(&wait));
    std::thread::sleep(Duration::from_secs(wait) + Duration::from_millis(50));
    assert!(!agent.call("canary__echo", json!({"text": "hi"})).is_error());
}

/// A world with the canary's `more`, where `tester` and `other` each have a role with `limits`.
fn limited(limits: &str, more: &str, tools: &str) -> World {
    let role =
        |who: &str| format!("members: [\"agent:{who}\"]\nclearance: restricted\nallow: {{ canary: [\"*\"] }}\nlimits: {{ {limits} }}");
    let server = format!(
        "run: [{{bin}}/canary-server, --notes, {{box}}, --journal, {{box}}/canary.jsonl]\nsandbox: {{ read: [{{bin}}], write: [{{box}}] }}\n{more}"
    );
    World::with().server("canary", &server).role("tester", &role("tester")).role("other", &role("other")).section("tools", tools).start()
}

fn other(world: &World) -> Http {
    let mut other = world.client("agent:other", "/mcp");
    other.open();
    other
}

/// The codes of `count` calls of a tool, `ok` for those that ran.
fn calls(agent: &mut Http, tool: &str, arguments: &serde_json::Value, count: usize) -> Vec<String> {
    let one = |_| loop {
        let answer = agent.call(tool, arguments.clone());
        match answer.refusal() {
            None => return "ok".to_owned(),
            // A machine that is busy elsewhere: it is refused before it counts.
            Some(_) if answer.refused() == "transport.bounds/overload" => std::thread::sleep(Duration::from_millis(50)),
            Some(_) => return answer.refused().to_owned(),
        }
    };
    (0..count).map(one).collect()
}

#[test]
fn a_session_has_calls_of_its_own_and_several_rates_hold_together() {
    let world = limited("calls: [2/session, 3/h]", "", "{}");
    let (mut one, mut two) = (world.agent(), world.agent());
    let add = json!({"a": 1, "b": 2});
    assert_eq!(calls(&mut one, "canary__add", &add, 3), ["ok", "ok", "access.rate-limits/calls"]);
    let refused = one.call("canary__add", add.clone());
    assert_eq!(refused.refusal().unwrap().get("retry_after"), None, "waiting does not help a session");
    assert_eq!(calls(&mut two, "canary__add", &add, 2), ["ok", "access.rate-limits/calls"], "the hour has three in all");
    assert!(two.call("canary__add", add).refusal().unwrap()["retry_after"].as_u64().is_some_and(|wait| wait > 3_000));
}

#[test]
fn tools_servers_and_what_is_behind_them_have_limits_and_none_takes_from_another() {
    let tools = "canary__add: { limits: { each: { calls: 1/h } } }\ncanary__big: { limits: { calls: 2/h } }";
    let world = limited("calls: 6/h", "limits: { each: { calls: 4/h }, calls: 7/h }", tools);
    let (mut tester, mut other) = (world.agent(), other(&world));
    let (add, big, echo) = (json!({"a": 1, "b": 2}), json!({"bytes": 1}), json!({"text": "x"}));
    assert_eq!(calls(&mut tester, "canary__add", &add, 9)[..2], ["ok", "access.rate-limits/tool"]);
    assert_eq!(calls(&mut tester, "canary__big", &big, 1), ["ok"]);
    assert_eq!(calls(&mut other, "canary__big", &big, 2), ["ok", "access.rate-limits/interface"], "the tool's interface is shared");
    // Eight calls were refused by the tool: none of them was taken from the server or the role.
    assert_eq!(calls(&mut tester, "canary__echo", &echo, 3), ["ok", "ok", "access.rate-limits/server"]);
    assert_eq!(calls(&mut other, "canary__echo", &echo, 3), ["ok", "ok", "access.rate-limits/interface"], "seven in all");
    assert_eq!(world.reached().len(), 7);
    // What nobody offers counts for the role alone.
    let nothing = calls(&mut tester, "canary__nothing", &json!({}), 3);
    assert_eq!(nothing, ["access.filtered-discovery/unknown", "access.filtered-discovery/unknown", "access.rate-limits/calls"]);
    let refused = tester.call("canary__add", add);
    assert_eq!(refused.refused(), "access.rate-limits/calls", "a limit that is told of no tool comes first");
}

#[test]
fn who_may_not_see_a_tool_does_not_learn_of_its_limit() {
    let world = World::with().allow("[echo]").section("tools", "canary__add: { limits: { calls: 1/h } }").start();
    let mut agent = world.agent();
    for _ in 0..3 {
        assert_eq!(agent.call("canary__add", json!({"a": 1, "b": 2})).refused(), "access.filtered-discovery/unknown");
    }
}

#[test]
fn a_role_may_have_a_limit_for_all_of_its_members_together() {
    let role = "members: [\"agent:tester\", \"agent:other\"]\nclearance: restricted\nallow: { canary: [\"*\"] }\nlimits: { calls: 2/h, together: { calls: 3/h } }";
    let world = World::with().role("tester", role).start();
    let (mut tester, mut other) = (world.agent(), other(&world));
    assert_eq!(calls(&mut tester, "canary__echo", &json!({"text": "a"}), 3), ["ok", "ok", "access.rate-limits/calls"]);
    assert_eq!(calls(&mut other, "canary__echo", &json!({"text": "a"}), 2), ["ok", "access.rate-limits/role"]);
}

#[test]
fn calls_under_way_are_bounded_and_their_end_makes_room() {
    let world = limited("calls: 100/h", "instances: session", "canary__wait: { limits: { each: { inflight: 1 } } }");
    let (slow, mut fast) = (world.agent(), world.agent());
    let waiting = std::thread::spawn(move || {
        let mut slow = slow;
        slow.call("canary__wait", json!({"ms": 3_000})).text().to_owned()
    });
    while world.reached().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = fast.call("canary__wait", json!({"ms": 0}));
    assert_eq!(refused.refused(), "access.rate-limits/inflight");
    assert_eq!(refused.refusal().unwrap()["retry_after"], 1);
    assert!(!fast.call("canary__echo", json!({"text": "hi"})).is_error(), "other tools go on");
    assert!(!other(&world).call("canary__wait", json!({"ms": 0})).is_error(), "another principal's calls are its own");
    assert_eq!(waiting.join().unwrap(), "waited");
    assert!(!fast.call("canary__wait", json!({"ms": 0})).is_error(), "what has ended is under way no more");
}

#[test]
fn an_interface_is_asked_at_an_even_pace() {
    let world = limited("calls: 100/h", "limits: { pace: 60/h }", "{}");
    let mut agent = world.agent();
    assert_eq!(calls(&mut agent, "canary__echo", &json!({"text": "x"}), 2), ["ok", "access.rate-limits/interface"]);
    let wait = agent.call("canary__echo", json!({"text": "x"})).refusal().unwrap()["retry_after"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(other(&world).call("canary__echo", json!({"text": "x"})).refused(), "access.rate-limits/interface");
}

#[test]
fn sixty_four_sessions_at_once_get_what_is_stated() {
    const SESSIONS: usize = 64;
    const MOST: usize = 500;
    let role = format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ canary: [\"*\"] }}\nlimits: {{ calls: {MOST}/h }}");
    let server = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }\n\
        instances: shared\ncall: 120s";
    let world = World::with().server("canary", server).role("tester", &role).section("bounds", "inflight: 256").start();
    let first = world.agent();
    let agents: Vec<Http> = (0..SESSIONS)
        .map(|_| {
            let mut agent = first.clone();
            agent.session = None;
            agent.open();
            agent
        })
        .collect();
    let together = Barrier::new(SESSIONS);
    let (mut passed, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let all: Vec<_> = agents
            .into_iter()
            .map(|mut agent| {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    calls(&mut agent, "canary__echo", &json!({"text": "x"}), 2 * MOST / SESSIONS)
                })
            })
            .collect();
        for codes in all.into_iter().map(|one| one.join().unwrap()) {
            passed += codes.iter().filter(|code| *code == "ok").count();
            refused += codes.iter().filter(|code| *code == "access.rate-limits/calls").count();
        }
    });
    assert_eq!(passed + refused, SESSIONS * (2 * MOST / SESSIONS));
    assert_eq!((passed, world.reached().len()), (MOST, MOST));
}

#[test]
fn limits_that_cannot_be_read_or_allow_nothing_are_no_limits_to_start_with() {
    for (limits, said) in [
        ("{ calls: 0/min }", "must be more than nothing"),
        ("{ calls: many }", "a rate such as 120/min"),
        ("{ calls: [2/min, 3/min] }", "two of one unit"),
        ("{ calls: 2/min, call: 3/min }", "unknown key"),
        ("{ together: { calls: 2/session } }", "share no session"),
    ] {
        let mut world = World::new();
        world.stop();
        world.edit("clearance: restricted", &format!("clearance: restricted\n    limits: {limits}"));
        assert_eq!(world.serve_in_vain(), Some(2), "{limits}");
        let log = std::fs::read_to_string(world.path("serve.log")).unwrap();
        assert!(log.contains(said), "{limits}: {log}");
    }
}
