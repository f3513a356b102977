//! What tools do on behalf of an agent.

mod database;
mod files;
mod http;
mod process;

use serde_json::{Value, json};
use testkit::{Http, World};

/// A world in which the text of `echo` has this guard.
fn guarded(policy: &str) -> World {
    World::with().section("tools", &format!("canary__echo: {{ arguments: {{ text: {policy} }} }}")).start()
}

/// Echoes each text, which must arrive as it is.
fn passes(agent: &mut Http, texts: &[&str]) {
    for text in texts {
        assert_eq!(agent.call("canary__echo", json!({"text": text})).text(), *text);
    }
}

/// Sends each text, which must be refused with its code, be on record with it, and reach no server. What the peer is told holds nothing of it.
fn refuses(world: &World, agent: &mut Http, texts: &[(&str, &str)]) {
    let before = world.reached().len();
    for (text, code) in texts {
        let refused = agent.call("canary__echo", json!({"text": text}));
        assert_eq!(refused.refused(), *code, "{text}");
        let refusal = refused.refusal().unwrap();
        assert!(refusal["message"].as_str().unwrap().contains("`/text`"), "{refusal}");
        let record = world.record(refused.reference());
        assert_eq!((&record["decision"]["code"], &record["tool"]), (&json!(code), &json!("echo")), "{record}");
        assert!(record["facts"]["guards"][0]["refused"].is_string() && record["detail"]["cause"].is_string(), "{record}");
    }
    assert_eq!(world.reached().len(), before, "what was refused reached the server");
}

/// The facts of the guard on the last call that reached a server.
fn facts(world: &World) -> Value {
    let records = world.audit();
    let found = records.iter().rev().map(|record| &record["facts"]["guards"][0]).find(|facts| facts.is_object());
    found.cloned().unwrap_or_default()
}

/// A gateway with this guard does not start, and says why.
fn does_not_start(policy: &str, says: &str) {
    let mut world = World::new();
    world.stop();
    let path = world.config();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}tools:\n  canary__echo:\n    arguments: {{ text: {policy} }}\n")).unwrap();
    assert_eq!(world.serve_in_vain(), Some(2), "{policy}");
    let log = std::fs::read_to_string(world.path("serve.log")).unwrap();
    assert!(log.contains(says) && log.contains("canary__echo"), "{policy}: {log}");
}
