//! `runtime.restart`: a server that dies comes back after a growing delay, and not for ever; nothing of it is left behind.

use super::{command, servers, until};
use serde_json::json;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::{Http, World};

const CANARY: &str = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\n\
    sandbox: { read: [{bin}], write: [{box}] }\n";

#[test]
fn a_dead_server_comes_back_after_a_delay_that_doubles() {
    let world = World::with().server("canary", &format!("{CANARY}restart: {{ delay: 5s, most: 5, within: 10m }}")).start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    for least in [5, 10] {
        let before = servers(&world);
        let killed = Instant::now();
        kill(&before);
        until_gone(&world, &before);
        assert_eq!(agent.call("canary__echo", json!({"text": "at once"})).refused(), "runtime.restart/unavailable");
        until_back(&mut agent);
        assert!(killed.elapsed() >= Duration::from_secs(least), "back after {:?}", killed.elapsed());
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

/// Passes connections on to a server until it is cut; counts those that it turned away.
struct Wire {
    address: std::net::SocketAddr,
    cut: Arc<AtomicBool>,
    turned_away: Arc<AtomicUsize>,
}

impl Wire {
    fn to(server: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { address: listener.local_addr().unwrap(), cut: Arc::default(), turned_away: Arc::default() };
        let (cut, turned_away) = (Arc::clone(&wire.cut), Arc::clone(&wire.turned_away));
        std::thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            for near in listener.incoming().flatten() {
                if cut.load(Ordering::SeqCst) {
                    turned_away.fetch_add(1, Ordering::SeqCst);
                    open.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                for (mut from, mut to) in
                    [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far.try_clone().unwrap(), near.try_clone().unwrap())]
                {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.extend([near, far]);
            }
        });
        wire
    }
}

#[test]
fn a_remote_server_that_cannot_be_reached_is_tried_again_and_never_put_aside() {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], far: [\"*\"] }";
    let mut world = World::with().remote("far", "clearance: restricted\ntrust: internal").role("tester", role).write();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let from = text.find("url: http://").unwrap() + "url: http://".len();
    let address = text[from..].split('/').next().unwrap().to_owned();
    let wire = Wire::to(address.parse().unwrap());
    world.edit(&address, &wire.address.to_string());
    world.json(&["lock", "--yes"]);
    world.serve();
    assert_eq!(world.agent().call("far__echo", json!({"text": "hi"})).text(), "hi");
    wire.cut.store(true, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_secs(120);
    while wire.turned_away.load(Ordering::SeqCst) < 8 {
        assert!(Instant::now() < end, "tried only {} times", wire.turned_away.load(Ordering::SeqCst));
        assert_eq!(world.agent().call("far__echo", json!({"text": "down"})).refused(), "runtime.restart/unavailable");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(world.json(&["server", "show", "far"])["state"], "approved");
    wire.cut.store(false, Ordering::SeqCst);
    until(|| !world.agent().call("far__echo", json!({"text": "back"})).is_error());
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
