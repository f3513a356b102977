//! `runtime.restart`: what a client is subscribed to outlives the process of the server that it was asked of.

use crate::runtime::until;
use serde_json::{Value, json};
use testkit::World;

const PAGE: &str = "canary://page";

/// A server of `era` that takes subscriptions, and dies when its tool is told to.
fn world(era: &str, more: &str) -> World {
    let subscribed = r#"{"jsonrpc":"2.0","id":$ID,"result":{}}"#;
    let heard = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"resourceSubscriptions":["canary://page"]},"_meta":{"io.modelcontextprotocol/subscriptionId":$ID}}}"#;
    let script = json!({"era": era, "capabilities": {"tools": {}, "resources": {"subscribe": true}},
        "acts": {"subscribe": [[subscribed]], "listen": [[heard]], "die": [[{"die": true}]]}});
    let entry = "run: [{bin}/evil-server, --script, {box}/told.json, --flag, {box}/told.flag, --journal, {box}/told.jsonl]\n\
                 sandbox: { read: [{bin}], write: [{box}] }\nrestart: { delay: 10ms, most: 100, within: 1s }";
    World::with()
        .file("box/told.json", &script.to_string())
        .file("box/told.flag", r#"{"resources/subscribe": "subscribe", "subscriptions/listen": "listen"}"#)
        .server("told", &format!("{entry}\n{more}"))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { told: [\"*\"] }")
        .start()
}

/// How often the server was asked to tell of the page.
fn asked(world: &World) -> usize {
    let text = std::fs::read_to_string(world.path("box/told.jsonl")).unwrap_or_default();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let asks = |message: &Value| match message["method"].as_str() {
        Some("resources/subscribe") => message["params"]["uri"] == PAGE,
        Some("subscriptions/listen") => message["params"]["notifications"]["resourceSubscriptions"] == json!([PAGE]),
        _ => false,
    };
    messages.filter(asks).count()
}

#[test]
fn a_server_that_was_lost_is_asked_anew_by_itself() {
    for (era, more) in [("2025-11-25", ""), ("2026-07-28", ""), ("2025-11-25", "instances: shared")] {
        let world = world(era, more);
        let mut agent = world.client("agent:tester", "/mcp/told");
        agent.open();
        assert_eq!(agent.ask("resources/subscribe", json!({"uri": PAGE})).result(), &json!({}));
        assert_eq!(asked(&world), 1, "{era} {more}");
        assert_eq!(agent.call("echo", json!({"text": "die"})).refused(), "runtime.restart/unavailable");
        until(|| asked(&world) == 2);
        assert_eq!(agent.call("echo", json!({"text": "hi"})).text(), "hi", "{era} {more}");
        assert_eq!(agent.ask("resources/unsubscribe", json!({"uri": PAGE})).0.get("jsonrpc"), Some(&json!("2.0")));
        assert_eq!(agent.call("echo", json!({"text": "die"})).refused(), "runtime.restart/unavailable");
        until(|| agent.call("echo", json!({"text": "hi"})).text() == "hi");
        assert_eq!(asked(&world), 2, "{era} {more}: nobody wants it any more");
    }
}

#[test]
fn a_server_that_somebody_listens_to_is_not_idle() {
    let world = world("2025-11-25", "idle: 1s");
    let mut agent = world.client("agent:tester", "/mcp/told");
    agent.open();
    agent.ask("resources/subscribe", json!({"uri": PAGE}));
    let processes = || world.json(&[])["gateway"]["processes"].clone();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!((processes(), asked(&world)), (json!(1), 1));
    agent.ask("resources/unsubscribe", json!({"uri": PAGE}));
    until(|| processes() == 0);
}
