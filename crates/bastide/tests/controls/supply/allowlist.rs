//! `supply.allowlist`: only servers that were approved, by name and exact content, are started or reached.

use serde_json::json;
use std::fs;
use testkit::World;

const SECOND: &str =
    "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/second.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";

#[test]
fn what_was_approved_runs() {
    let world = World::new();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.json(&["server", "show", "canary"])["state"], "approved");
}

#[test]
fn a_server_that_nobody_approved_is_never_started() {
    let mut world = World::with()
        .server("second", SECOND)
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], second: [\"*\"] }")
        .write();
    world.json(&["lock", "--yes", "--server", "canary"]);
    world.serve();
    let mut agent = world.agent();
    assert!(agent.call("second__echo", json!({"text": "hi"})).is_error());
    let mut direct = world.client("agent:tester", "/mcp/second");
    direct.open();
    assert_eq!(direct.call("echo", json!({"text": "hi"})).refused(), "supply.allowlist/unapproved");
    assert!(!world.path("box/second.jsonl").exists());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert!(agent.ask("tools/list", json!({})).names().iter().all(|name| name.starts_with("canary__")));
}

#[test]
fn a_program_that_was_exchanged_is_not_started() {
    let mut world = World::new();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let program = world.path("bin/canary-server");
    let mut bytes = fs::read(&program).unwrap();
    bytes.extend_from_slice(b"\0");
    fs::remove_file(&program).unwrap();
    fs::write(&program, bytes).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = world.journal().len();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    world.stop();
    world.serve();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    assert_eq!(world.journal().len(), before, "it was started");
}

#[test]
fn other_arguments_are_another_server() {
    let mut world = World::new();
    world.stop();
    let before = world.journal().len();
    world.edit("canary-server, --notes", "canary-server, --http, --notes");
    world.serve();
    let refused = world.agent().call("canary__echo", json!({"text": "hi"}));
    assert!(refused.is_error(), "{}", refused.0);
    assert_eq!(world.record(refused.reference())["decision"]["verdict"], "refused");
    assert_eq!(world.journal().len(), before, "it was started");
}

#[test]
fn a_lock_that_is_not_as_it_was_signed_starts_nothing() {
    let mut world = World::new();
    world.stop();
    let path = world.path("bastide.lock");
    let whole = fs::read_to_string(&path).unwrap();
    let turned = whole.replacen("Gives a text back.", "Gives a text away.", 1);
    assert_ne!(whole, turned);
    let before = world.journal().len();
    for contents in [Some(turned), Some(String::new()), None] {
        match &contents {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        world.serve();
        let refused = world.agent().call("canary__echo", json!({"text": "hi"}));
        assert!(["supply.provenance/unverified", "supply.allowlist/unapproved"].contains(&refused.refused()), "{}", refused.0);
        world.stop();
    }
    fs::write(&path, whole).unwrap();
    world.serve();
    assert_eq!(world.journal().len(), before, "it was started");
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_program_that_cannot_be_read_is_not_started() {
    let world = World::new();
    fs::remove_file(world.path("bin/canary-server")).unwrap();
    assert!(world.agent().call("canary__echo", json!({"text": "hi"})).is_error());
    assert!(world.reached().is_empty());
}

#[test]
fn a_lock_that_was_signed_before_the_last_one_is_not_taken() {
    let mut world = World::with().server("second", SECOND).write();
    world.json(&["lock", "--yes"]);
    let old = fs::read(world.path("bastide.lock")).unwrap();
    world.edit("second.jsonl", "third.jsonl");
    world.json(&["lock", "--yes"]);
    assert_eq!(world.run(&["lock", "--check"]).status.code(), Some(0));
    world.edit("third.jsonl", "second.jsonl");
    fs::write(world.path("bastide.lock"), old).unwrap();
    assert_eq!(world.run(&["lock", "--check"]).status.code(), Some(1));
    world.serve();
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.open();
    assert_eq!(agent.call("echo", json!({"text": "hi"})).refused(), "supply.provenance/unverified");
}

#[test]
fn a_program_that_is_exchanged_while_it_is_looked_at_is_not_started() {
    let restart = "run: [{bin}/canary-server, --notes, {box}]\nsandbox: { read: [{bin}], write: [{box}] }\n\
        restart: { delay: 1ms, most: 1000, within: 1m }";
    let world = World::with().server("canary", restart).start();
    let (good, evil) = (world.path("bin/canary-server"), world.path("bin/exchanged"));
    let own = world.path("box/owned");
    fs::write(&evil, format!("#!/bin/sh\necho >> {}\n", own.display())).unwrap();
    fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let exchanging = std::thread::spawn({
        let ended = std::sync::Arc::clone(&ended);
        move || {
            let exchange = || {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &good, rustix::fs::CWD, &evil, flags).unwrap();
            };
            let mut count = 0_u64;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                exchange();
                // About as long as the look at the program takes, and its start.
                std::thread::sleep(std::time::Duration::from_millis(5 + (count * 37) % 120));
                count += 1;
            }
            if count % 2 == 1 {
                exchange();
            }
        }
    });
    let mut answers = (0, 0);
    for _ in 0..60 {
        let answer = world.agent().call("canary__echo", json!({"text": "hi"}));
        if answer.is_error() {
            answers.1 += 1;
        } else {
            answers.0 += 1;
        }
    }
    ended.store(true, std::sync::atomic::Ordering::Relaxed);
    exchanging.join().unwrap();
    assert!(answers.1 > 0, "it was never exchanged in time: {answers:?}");
    assert!(!own.exists(), "another program than the approved one was executed: {answers:?}");
}
