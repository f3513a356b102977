//! `access.rate-limits`: `limits.calls` of a role is what a principal gets, however it connects.

use serde_json::json;
use std::time::{Duration, Instant};
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
    assert!((58..=62).contains(&retry), "{retry}");
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
    agent.patience = Duration::from_secs(3);
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
    let began = Instant::now();
    let refused = (0..20).find_map(|_| {
        let answer = agent.call("canary__echo", json!({"text": "hi"}));
        answer.refusal().and_then(|refusal| refusal["retry_after"].as_u64())
    });
    let wait = refused.unwrap();
    assert!((1..=2).contains(&wait));
    std::thread::sleep(Duration::from_secs(wait).saturating_sub(began.elapsed()) + Duration::from_millis(50));
    assert!(!agent.call("canary__echo", json!({"text": "hi"})).is_error());
}
