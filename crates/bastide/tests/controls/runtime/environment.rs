//! `runtime.environment`: a local server starts with a minimal `PATH` and only the variables that it was given.

use serde_json::json;
use std::collections::BTreeMap;
use testkit::World;

const CANARY: &str = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\n\
    sandbox: { read: [{bin}], write: [{box}] }\n";

#[test]
fn a_server_gets_what_it_was_given_and_a_minimal_path() {
    let world = World::with()
        .secret("canary/key", "sealed-3f9b27aa10")
        .server("canary", &format!("{CANARY}env: {{ REGION: eu }}\nsecrets: {{ LEDGER_KEY: vault:canary/key }}"))
        .start();
    let mut agent = world.agent();
    let names = agent.call("canary__environment", json!({})).text();
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["LEDGER_KEY", "PATH", "REGION"]);
    let server = super::servers(&world);
    let given = BTreeMap::from([
        ("LEDGER_KEY".to_owned(), "sealed-3f9b27aa10".to_owned()),
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("REGION".to_owned(), "eu".to_owned()),
    ]);
    assert_eq!(environment(server[0]), given);
}

#[test]
fn what_the_gateway_was_started_with_is_not_passed_on() {
    let mut world = World::new();
    let own = environment(world.gateway().pid());
    assert!(own.contains_key("HOME") && own.contains_key("NO_COLOR"), "the test has nothing to find: {own:?}");
    world.agent().call("canary__echo", json!({"text": "hi"}));
    let server = environment(super::servers(&world)[0]);
    assert_eq!(server.keys().collect::<Vec<_>>(), ["PATH"]);
    assert_ne!(server["PATH"], own["PATH"]);
}

#[test]
fn a_variable_that_cannot_be_filled_keeps_the_server_from_starting() {
    let mut world = World::with()
        .server("canary", &format!("{CANARY}secrets: {{ LEDGER_KEY: vault:canary/key }}"))
        .secret("canary/key", "x7Kq90")
        .start();
    world.stop();
    world.json(&["secret", "remove", "canary/key"]);
    world.serve();
    let refused = world.agent().call("canary__echo", json!({"text": "hi"}));
    assert_eq!(refused.refused(), "secrets.vault/absent");
    assert!(world.reached().is_empty());
    assert!(super::servers(&world).is_empty());
}

#[test]
fn a_name_that_is_no_variable_keeps_the_gateway_from_starting() {
    for bad in ["A=B", "1A", "\"A B\""] {
        let world = World::with().server("canary", &format!("{CANARY}env: {{ {bad}: x }}")).write();
        let checked = world.run(&["policy", "check"]);
        assert_eq!(checked.status.code(), Some(2), "{bad}");
    }
}

fn environment(pid: u32) -> BTreeMap<String, String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let pairs = bytes.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| String::from_utf8_lossy(pair).split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect()
}
