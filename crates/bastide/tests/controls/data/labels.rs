//! `data.labels`: what is labelled above a caller's clearance does not come through, whoever labelled it, and labels travel to who asks.

use super::planted;
use serde_json::{Value, json};
use testkit::{Answer, Setup, World};

/// A server whose acts carry labels of their own, and a role of its client's that is cleared so.
fn setup(more: &str, clearance: &str) -> Setup {
    let line = |result: Value| {
        let text = json!({"jsonrpc": "2.0", "id": "$ID", "result": result}).to_string().replace("\"$ID\"", "$ID");
        json!([[text]])
    };
    let says = |meta: &str| line(json!({"content": [{"type": "text", "text": "the figures"}], "_meta": {"dev.bastide/label": meta}}));
    let page = |uri: &str| line(json!({"contents": [{"uri": uri, "mimeType": "text/plain", "text": "the figures"}]}));
    let script = json!({"capabilities": {"tools": {}, "resources": {}}, "acts": {
        "plain": line(json!({"content": [{"type": "text", "text": "the figures"}]})),
        "restricted": says("restricted"), "internal": says("internal"), "public": says("public"), "odd": says("very secret"),
        "inner": line(json!({"content": [{"type": "text", "text": "the figures", "_meta": {"dev.bastide/label": "restricted"}}]})),
        "secret": line(json!({"content": [{"type": "text", "text": "token: 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"}]})),
        "odd://open/1": page("odd://open/1"), "odd://pay/1": page("odd://pay/1"),
    }});
    let role = format!("members: [\"agent:tester\"]\nclearance: {clearance}\nallow: {{ odd: [\"*\"] }}");
    planted::setup("", more).file("box/odd.json", &script.to_string()).role("tester", &role)
}

fn call(world: &World, act: &str) -> Answer {
    planted::call(world, "echo", act)
}

fn read(world: &World, uri: &str) -> Answer {
    let mut client = world.client("agent:tester", "/mcp/odd");
    client.open();
    client.ask("resources/read", json!({"uri": uri}))
}

/// The label on record of the last call.
fn recorded(world: &World) -> Value {
    let audit = world.audit();
    audit.iter().rfind(|record| record["server"] == "odd" && record["result"]["label"].is_string()).unwrap()["result"]["label"].clone()
}

#[test]
fn what_the_operator_labels_is_held_against_the_clearance() {
    let world = setup(
        "label: confidential\nresources: { labels: [{ uri: 'odd://open/*', label: internal }, { uri: 'odd://pay/*', label: restricted }] }",
        "confidential",
    )
    .start();
    assert_eq!(call(&world, "plain").text(), "the figures");
    assert_eq!(recorded(&world), "confidential");
    assert!(read(&world, "odd://open/1").0.to_string().contains("the figures"));
    assert_eq!(recorded(&world), "internal");
    let refused = read(&world, "odd://pay/1");
    assert_eq!(refused.refused(), "data.labels/clearance", "{}", refused.0);
    let low = setup("label: confidential", "internal").start();
    let refused = call(&low, "plain");
    assert_eq!(refused.refused(), "data.labels/clearance");
    assert!(!low.path("box/canary.jsonl").exists() || low.reached().is_empty());
}

#[test]
fn a_server_of_our_own_may_raise_the_label_of_what_it_says_and_never_lower_it() {
    let world = setup("trust: internal\nlabel: internal", "internal").start();
    for act in ["plain", "internal", "public"] {
        assert_eq!(call(&world, act).text(), "the figures", "{act}");
        assert_eq!(recorded(&world), "internal", "{act}");
    }
    for act in ["restricted", "inner", "odd"] {
        let answer = call(&world, act);
        assert_eq!(answer.refused(), "data.labels/clearance", "{act}: {}", answer.0);
        assert!(!answer.0.to_string().contains("figures"), "{act}: {}", answer.0);
    }
    let stranger = setup("trust: external\nlabel: internal", "internal").start();
    let answer = call(&stranger, "restricted");
    assert_eq!(answer.text(), "the figures", "a stranger's word counts for nothing");
    assert!(!answer.0.to_string().contains("dev.bastide/label"), "{}", answer.0);
}

#[test]
fn what_is_found_raises_the_label_and_what_is_above_the_clearance_is_taken_out() {
    let world = setup("label: internal", "internal").section("inspect", "secrets: { action: flag }").start();
    let answer = call(&world, "secret");
    assert!(!answer.is_error() && !answer.0.to_string().contains("ghp_q7Zt3Lw"), "{}", answer.0);
    assert_eq!(recorded(&world), "confidential");
    let cleared = setup("label: internal", "confidential").section("inspect", "secrets: { action: flag }").start();
    assert!(call(&cleared, "secret").text().contains("ghp_q7Zt3Lw"), "who is cleared for it is given it where the operator lets it pass");
}

#[test]
fn a_rule_may_say_that_a_caller_gets_things_redacted() {
    let policy = "@id(\"careful\")\n@clearance(\"restricted\")\n@redact(\"all\")\npermit (principal, action == Action::\"call\", resource in Server::\"odd\");\n";
    let setup =
        setup("label: internal", "restricted").section("inspect", "secrets: { action: flag }").file("policies/careful.cedar", policy);
    let world = setup.start();
    let answer = call(&world, "secret");
    assert!(!answer.is_error() && answer.text().contains("«redacted: github-pat #1»"), "{}", answer.0);
}

#[test]
fn the_label_travels_to_clients_that_ask() {
    let world = setup("label: confidential", "restricted").start();
    let mut client = world.client("agent:tester", "/mcp/odd");
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"experimental": {"dev.bastide/labels": {}}},
        "clientInfo": {"name": "t", "version": "1"}});
    let message = client.request("initialize", hello);
    client.session = client.post(&message, &[]).header("mcp-session-id").map(str::to_owned);
    client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &[]);
    let answer = client.call("echo", json!({"text": "restricted"}));
    assert_eq!(answer.result()["_meta"]["dev.bastide/label"], "restricted", "{}", answer.0);
    assert_eq!(client.call("echo", json!({"text": "plain"})).result()["_meta"]["dev.bastide/label"], "confidential");
    assert!(!call(&world, "plain").0.to_string().contains("dev.bastide/label"), "nobody else is told");
}
