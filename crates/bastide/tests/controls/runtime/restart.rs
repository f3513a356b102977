//! `runtime.restart`: a server that dies comes back after a growing delay, and not for ever; nothing of it is left behind.

use super::servers;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use testkit::{Http, World};

const CANARY: &str = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\n\
    sandbox: { read: [{bin}], write: [{box}] }\n";
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn a_dead_server_comes_back_after_a_delay_that_doubles() {
    let world = World::with().server("canary", &format!("{CANARY}restart: {{ delay: 400ms, most: 5, within: 10m }}")).start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    for least in [400, 800] {
        let before = servers(&world);
        let killed = Instant::now();
        kill(&before);
        until_gone(&world, &before);
        assert_eq!(agent.call("canary__echo", json!({"text": "at once"})).refused(), "runtime.restart/unavailable");
        until_back(&mut agent);
        assert!(killed.elapsed() >= Duration::from_millis(least), "back after {:?}", killed.elapsed());
        assert!(servers(&world).iter().all(|pid| !before.contains(pid)));
    }
    let events = world.audit().into_iter().filter(|record| record["event"] == "runtime.server-died").count();
    assert_eq!(events, 2);
}

#[test]
fn what_keeps_dying_is_put_aside_until_someone_has_looked() {
    let world = World::with().server("canary", &format!("{CANARY}restart: {{ delay: 10ms, most: 2, within: 10m }}")).start();
    let mut agent = world.agent();
    for _ in 0..3 {
        until_back(&mut agent);
        let before = servers(&world);
        kill(&before);
        until_gone(&world, &before);
    }
    until(|| agent.call("canary__echo", json!({"text": "hi"})).refused() == "runtime.restart/aside");
    let reached = world.reached().len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).refused(), "runtime.restart/aside");
    assert_eq!(world.reached().len(), reached);
    let shown = world.json(&["server", "show", "canary"]);
    assert_eq!(shown["state"], "aside", "{shown}");
    assert!(world.audit().iter().any(|record| record["event"] == "runtime.server-aside" && record["severity"] == "high"));
    world.json(&["server", "release", "canary"]);
    assert_eq!(agent.call("canary__echo", json!({"text": "again"})).text(), "again");
}

#[test]
fn a_call_that_its_server_did_not_survive_is_refused_and_not_sent_twice() {
    let world = World::new();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    let mut other = agent.clone();
    let waiting = std::thread::spawn(move || other.call("canary__wait", json!({"ms": 20_000})));
    until(|| world.reached().len() == 2);
    kill(&servers(&world));
    assert_eq!(waiting.join().unwrap().refused(), "runtime.restart/unavailable");
    until_back(&mut agent);
    let waits = world.reached().into_iter().filter(|call| call["name"] == "wait").count();
    assert_eq!(waits, 1);
}

#[test]
fn what_a_server_left_running_ends_with_it() {
    let setup = World::with().server(
        "canary",
        "run: [{bin}/leaver, {bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }",
    );
    let mut world = setup.write();
    let leaver = world.path("bin/leaver");
    std::fs::copy("/bin/sleep", world.path("bin/sleeper")).unwrap();
    std::fs::write(&leaver, format!("#!/bin/sh\nsetsid {} 600 &\nexec \"$@\"\n", world.path("bin/sleeper").display())).unwrap();
    std::fs::set_permissions(&leaver, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.json(&["lock", "--yes"]);
    assert!(servers(&world).is_empty(), "left behind by the look of `lock`");
    world.serve();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    until(|| servers(&world).len() == 2);
    let before = servers(&world);
    let main = before.iter().copied().find(|pid| command(*pid).contains("canary-server")).unwrap();
    kill(&[main]);
    until_gone(&world, &before);
}

fn command(pid: u32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

fn kill(pids: &[u32]) {
    assert!(!pids.is_empty(), "no server runs");
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn until_gone(world: &World, pids: &[u32]) {
    until(|| servers(world).iter().all(|pid| !pids.contains(pid)));
}

fn until_back(agent: &mut Http) {
    until(|| !agent.call("canary__echo", json!({"text": "back"})).is_error());
}

#[track_caller]
fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + LONGEST;
    while !done() {
        assert!(Instant::now() < end, "not within {LONGEST:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
