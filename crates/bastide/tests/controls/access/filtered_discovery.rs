//! `access.filtered-discovery`: lists show what may be used, and what may not be used does not exist.

use serde_json::{Value, json};
use testkit::{Answer, World};

fn plain(answer: &Answer) -> Value {
    let mut message: Value = serde_json::from_str(&answer.0.to_string().replace(answer.reference(), "REFERENCE")).unwrap();
    message["id"] = Value::Null;
    message
}

#[test]
fn lists_show_what_is_allowed_alone() {
    let world = World::with().allow("[echo, \"read_*\", \"prompt:greet\", \"resource:canary://*\"]").start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), ["canary__echo", "canary__read_note"]);
    assert_eq!(agent.ask("prompts/list", json!({})).names(), ["canary__greet"]);
    let page = agent.ask("resources/list", json!({}));
    assert_eq!(page.result()["resources"][0]["uri"], "bastide://canary/canary%3A%2F%2Fpage");
    assert_eq!(
        agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"})).result()["contents"][0]["text"],
        "A page about birds."
    );
}

#[test]
fn lists_show_nothing_of_what_is_not_allowed() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    assert_eq!(agent.ask("prompts/list", json!({})).names(), Vec::<&str>::new());
    assert_eq!(agent.ask("resources/list", json!({})).names(), Vec::<&str>::new());
    assert_eq!(agent.ask("resources/templates/list", json!({})).result()["resourceTemplates"], json!([]));
    let mut bare = world.client("agent:tester", "/mcp/canary");
    bare.open();
    assert_eq!(bare.ask("tools/list", json!({})).names(), ["echo"]);
    assert_eq!(bare.call("echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(bare.call("add", json!({"a": 1, "b": 2})).refused(), "access.filtered-discovery/unknown");
}

#[test]
fn forbidden_and_unknown_are_the_same_but_for_the_reference() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    for (method, forbidden, unknown) in [
        ("tools/call", json!({"name": "canary__add", "arguments": {}}), json!({"name": "canary__nothing", "arguments": {}})),
        ("tools/call", json!({"name": "canary__add", "arguments": {"a": 1, "b": 2}}), json!({"name": "nowhere__echo", "arguments": {}})),
        ("prompts/get", json!({"name": "canary__greet"}), json!({"name": "canary__nothing"})),
        ("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"}), json!({"uri": "bastide://nowhere/canary%3A%2F%2Fpage"})),
        ("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fpage"}), json!({"uri": "file:///etc/passwd"})),
    ] {
        let (forbidden, unknown) = (agent.ask(method, forbidden), agent.ask(method, unknown));
        assert_eq!(plain(&forbidden), plain(&unknown), "{method}");
        assert_eq!(forbidden.refused(), "access.filtered-discovery/unknown");
        let code = |answer: &Answer| world.record(answer.reference())["decision"]["code"].clone();
        assert_eq!(code(&forbidden), "access.deny-by-default/denied", "to the operator a denial is one");
        assert_eq!(code(&unknown), "access.filtered-discovery/unknown");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_server_that_may_not_be_used_has_no_endpoint() {
    let world = World::with().server("hidden", "run: [{bin}/canary-server]\nsandbox: { read: [{bin}] }").start();
    let answer = |path: &str| {
        let response = world.client("agent:tester", path).post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]);
        let reference = response.answer().reference().to_owned();
        (response.status, String::from_utf8_lossy(&response.body).replace(&reference, "REFERENCE"))
    };
    assert_eq!(answer("/mcp/hidden"), answer("/mcp/nowhere"));
    assert!(!world.agent().ask("tools/list", json!({})).0.to_string().contains("hidden"));
}

#[test]
fn a_cursor_is_good_in_its_own_session_alone() {
    let world = World::with().server("second", "run: [{bin}/canary-server]\nsandbox: { read: [{bin}] }");
    let both = "members: [\"agent:tester\", \"agent:other\"]\nallow: { canary: [\"*\"], second: [\"*\"] }";
    let world = world.role("tester", both).start();
    let mut agent = world.agent();
    let first = agent.ask("resources/list", json!({}));
    let cursor = first.result()["nextCursor"].as_str().unwrap().to_owned();
    let again = agent.ask("resources/list", json!({"cursor": cursor}));
    assert_eq!(again.result()["resources"][0]["uri"], "bastide://second/canary%3A%2F%2Fpage");

    let mut altered = cursor.clone().into_bytes();
    altered[20] ^= 1;
    let mut other = world.client("agent:other", "/mcp");
    other.open();
    let refused = |agent: &mut testkit::Http, method: &str, cursor: &str| agent.ask(method, json!({"cursor": cursor})).code();
    assert_eq!(refused(&mut other, "resources/list", &cursor), Some(-32602), "another's");
    assert_eq!(refused(&mut agent, "tools/list", &cursor), Some(-32602), "another list's");
    assert_eq!(refused(&mut agent, "resources/list", &String::from_utf8_lossy(&altered)), Some(-32602), "altered");
    assert_eq!(refused(&mut agent, "resources/list", "second"), Some(-32602), "a server's own");
    assert_eq!(refused(&mut agent, "resources/list", ""), Some(-32602), "empty");
}

#[test]
fn what_the_lock_cannot_vouch_for_is_in_no_list() {
    let mut world = World::new();
    world.stop();
    let path = world.path("bastide.lock");
    let mut lock = std::fs::read(&path).unwrap();
    let middle = lock.len() / 2;
    lock[middle] ^= 1;
    std::fs::write(&path, lock).unwrap();
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.ask("tools/list", json!({})).names(), Vec::<&str>::new());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).refused(), "supply.provenance/unverified");
    assert!(world.reached().is_empty());
}
