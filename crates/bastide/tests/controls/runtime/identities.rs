//! `runtime.identities`: each server has an account and credentials of its own; one cannot reach another's.

use super::{python, until};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use testkit::World;

fn users(world: &World) -> BTreeMap<String, u32> {
    let user = |pid: u32| std::fs::metadata(format!("/proc/{pid}")).map(|found| found.uid()).unwrap_or_default();
    super::servers(world)
        .into_iter()
        .map(|pid| (if super::command(pid).contains("script.py") { "script" } else { "canary" }.to_owned(), user(pid)))
        .collect()
}

#[test]
fn each_server_has_an_account_of_its_own_that_stays() {
    if !testkit::layers::are_there() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only a gateway that runs as root has accounts to give");
        return;
    }
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], script: [\"*\"] }";
    let mut world = python("script", "said = 'hi'", "").role("tester", role).write();
    world.json(&["lock", "--yes"]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        world.serve();
        let mut agent = world.agent();
        agent.call("canary__echo", json!({"text": "hi"}));
        agent.call("script__run", json!({}));
        until(|| users(&world).len() == 2);
        seen.push(users(&world));
        world.stop();
    }
    assert_eq!(seen[0], seen[1], "accounts change with a restart");
    assert!(seen[0]["canary"] != seen[0]["script"] && seen[0].values().all(|user| *user > 65_536), "{seen:?}");
    let elsewhere = World::new();
    elsewhere.agent().call("canary__echo", json!({"text": "hi"}));
    until(|| !users(&elsewhere).is_empty());
    assert_ne!(users(&elsewhere)["canary"], seen[0]["canary"], "an account is shared with another environment");
}

#[test]
fn one_server_finds_neither_credentials_nor_processes_nor_scratch_of_another() {
    if !testkit::layers::are_there() {
        return;
    }
    let code = "
everything = b''
for name in os.listdir('/proc'):
    for file in ('environ', 'cmdline', 'maps'):
        try: everything += open(f'/proc/{name}/{file}', 'rb').read()
        except OSError: pass
for folder, _, files in os.walk('/tmp'):
    everything += ' '.join(files).encode()
said = json.dumps([b'canary-server' in everything, b'of-the-canary' in everything, b'note-of-the-canary' in everything])";
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], script: [\"*\"] }";
    let canary = "run: [{bin}/canary-server, --notes, /tmp, --journal, {box}/canary.jsonl]\nsandbox: { write: [{box}] }\n\
        secrets: { LEDGER_KEY: vault:canary/key }";
    let mut world =
        python("script", code, "").server("canary", canary).secret("canary/key", "of-the-canary-3f9b27aa10").role("tester", role).write();
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__write_note", json!({"name": "note-of-the-canary", "text": "x"})).text(), "written");
    assert_eq!(agent.call("canary__read_note", json!({"name": "note-of-the-canary"})).text(), "x");
    assert_eq!(agent.call("script__run", json!({})).text(), "[false, false, false]");
    assert!(!std::path::Path::new("/tmp/note-of-the-canary").exists());
}
