//! `audit.chain` over time: old records leave the log as sealed archives, and the log goes on verifying.

use super::chain::stranger;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::{SeededEntropy, World};

/// Calls of which a segment and the next tile are full.
const CALLS: usize = 150;

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A gateway with more than a segment of records.
fn filled(retain: &str) -> World {
    let world = World::with().section("audit", &format!("retain: {retain}")).section("tools", "canary__echo: { operation: read }").start();
    load(&world, CALLS);
    world
}

fn load(world: &World, calls: usize) {
    let mut agent = world.agent();
    let text = "the quick brown fox jumps over the lazy dog ".repeat(900);
    for number in 0..calls {
        assert!(!agent.call("canary__echo", json!({"text": format!("{number} {text}")})).is_error(), "call {number}");
    }
}

fn raw(world: &World) -> Vec<Value> {
    let output = world.run(&["audit", "show", "--raw"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn archive(world: &World, ordinal: u64) -> PathBuf {
    world.state().join(format!("audit/archive/{ordinal:010}"))
}

fn segment(world: &World, ordinal: u64) -> PathBuf {
    world.state().join(format!("audit/segment/{ordinal:010}"))
}

fn shown(world: &World, reference: &str) -> (Option<Value>, String) {
    let output = world.run(&["audit", "show", "--reference", reference]);
    assert!(output.status.success());
    (serde_json::from_slice(&output.stdout).ok(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn old_records_become_an_archive_that_is_found_proved_and_verified() {
    let mut world = filled("2s");
    let log = world.state().join("audit");
    let kept = world.path("kept");
    std::fs::copy(log.join("checkpoint"), &kept).unwrap();
    let first = raw(&world).iter().find(|record| record["kind"] == "intent").unwrap()["request"].as_str().unwrap().to_owned();
    until("it is archived", || archive(&world, 0).exists() && !segment(&world, 0).exists());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&log.join("archive")), mode(&archive(&world, 0))), (0o700, 0o600));

    let records = raw(&world);
    let act = records.iter().find(|record| record["act"]["name"] == "audit.archive").expect("the archiving is on record");
    assert_eq!(act["act"]["parameters"]["archive"], "archive/0000000000");
    assert_eq!(act["act"]["parameters"]["first"], 0);
    let intents = records.iter().filter(|record| record["tool"] == "echo" && record["kind"] == "intent").count();
    assert_eq!(intents, CALLS, "records of the archive are shown too");

    // While the gateway runs, both verifiers take it as it is.
    let answer = world.verify();
    assert_eq!((&answer["ok"], &answer["archives"][0]["here"]), (&json!(true), &json!(true)), "{answer}");
    assert!(answer["in_progress"].is_u64(), "{answer}");
    let (ok, other) = stranger(&log, &["--checkpoint", kept.to_str().unwrap()]);
    assert!(ok && other["in_progress"].is_u64() && other["archives"][0]["here"] == true, "{other}");
    assert_eq!(shown(&world, &first).0.unwrap()["records"].as_array().unwrap().len(), 2);
    assert_eq!(world.json(&["audit", "prove", &first])["records"].as_array().unwrap().len(), 2);
    assert_eq!(world.json(&["explain", &first])["reference"], first.as_str());

    assert_eq!(world.stop(), Some(0));
    let verify = |more: &[&str]| world.run(&[&["audit", "verify", "--checkpoint", kept.to_str().unwrap()], more].concat());
    assert!(verify(&[]).status.success() && stranger(&log, &["--checkpoint", kept.to_str().unwrap()]).0);
    let whole = std::fs::read(archive(&world, 0)).unwrap();
    for at in [10, 200, 5000, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(archive(&world, 0), changed).unwrap();
        assert!(!verify(&[]).status.success() && !stranger(&log, &[]).0, "byte {at}");
    }
    std::fs::write(archive(&world, 0), &whole).unwrap();

    // What was moved away is told, and is no problem; what is put back is read again.
    let away = world.path("away");
    std::fs::rename(archive(&world, 0), &away).unwrap();
    let said = String::from_utf8(verify(&[]).stdout).unwrap();
    assert!(verify(&[]).status.success() && said.contains("archive/0000000000: not here"), "{said}");
    let (ok, other) = stranger(&log, &[]);
    assert!(ok && other["archives"][0]["here"] == false, "{other}");
    let (found, said) = shown(&world, &first);
    assert!(found.is_none() && said.contains("archived and not here: archive/0000000000"), "{said}");
    let proof = world.run(&["audit", "prove", &first]);
    assert_eq!(proof.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&proof.stderr).contains("archive/0000000000"));
    world.serve();
    assert!(!world.agent().call("canary__echo", json!({"text": "hi"})).is_error());
    assert_eq!(world.verify()["ok"], true);
    std::fs::copy(&away, archive(&world, 0)).unwrap();
    assert!(shown(&world, &first).0.is_some());
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn a_gateway_killed_while_it_archives_loses_no_record() {
    let mut world = filled("400d");
    load(&world, CALLS / 2);
    assert_eq!(world.stop(), Some(0));
    let ids = |world: &World| raw(world).iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    let before = ids(&world);
    world.edit("retain: 400d", "retain: 1s");
    let chance = SeededEntropy::new(u64::from(std::process::id()));
    let mut killed = 0;
    for round in 0..8 {
        world.serve();
        // The first look is after 250 ms.
        std::thread::sleep(Duration::from_millis(240 + chance.next() % 60));
        world.crash();
        killed += usize::from(segment(&world, 0).exists());
        // A write that the kill cut in two is told as that, and nothing else may be wrong.
        let answer = world.verify();
        let problems = answer["problems"].as_array().unwrap();
        let told = |problem: &Value| problem["what"].as_str().unwrap().contains("the next start takes it away");
        assert!(problems.iter().all(told), "round {round}: {answer}");
        assert!(ids(&world).is_superset(&before), "round {round}: a record is gone");
    }
    println!("{killed} of 8 before the first segment was dropped");
    world.serve();
    until("it is archived in the end", || !segment(&world, 0).exists());
    assert!(archive(&world, 0).exists() && !world.state().join("audit/archive/preparing").exists());
    assert_eq!(world.stop(), Some(0));
    assert!(ids(&world).is_superset(&before));
    assert_eq!(world.verify()["ok"], true);
    assert!(stranger(&world.state().join("audit"), &[]).0);
}

#[test]
fn what_cannot_be_archived_stays_and_is_told() {
    let world = World::with().section("audit", "retain: 1s").section("tools", "canary__echo: { operation: read }").start();
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let folder = world.state().join("audit/archive");
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    load(&world, CALLS);
    let failed = |world: &World| world.audit().into_iter().filter(|record| record["event"] == "audit.archive-failed").collect::<Vec<_>>();
    until("it is told", || !failed(&world).is_empty());
    assert!(segment(&world, 0).exists(), "it was dropped without an archive");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "it went through the link");
    assert!(!world.agent().call("canary__echo", json!({"text": "on"})).is_error(), "calls go on");
    std::fs::remove_file(&folder).unwrap();
    until("it is archived", || archive(&world, 0).exists() && !segment(&world, 0).exists());
    assert_eq!(failed(&world).len(), 1, "the same is told once");
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn a_reload_changes_how_long_records_stay() {
    let mut world = filled("400d");
    world.edit("retain: 400d", "retain: 999ms");
    world.gateway().signal(Signal::HUP);
    until("it is refused", || std::fs::read_to_string(world.path("serve.log")).unwrap().contains("retain is at least 1s"));
    assert!(segment(&world, 0).exists());
    world.edit("retain: 999ms", "retain: 1s");
    world.gateway().signal(Signal::HUP);
    until("it is archived", || !segment(&world, 0).exists());
}

/// The log, its newest segment, an older one: under another name while the gateway runs.
#[test]
fn a_log_that_is_renamed_under_the_gateway_stops_calls_until_it_is_back() {
    let world = filled("400d");
    let log = world.state().join("audit");
    let away = world.path("away");
    let mut agent = world.agent();
    for (number, from) in [log.clone(), segment(&world, 1), segment(&world, 0)].into_iter().enumerate() {
        assert_eq!(ready(&world), 200);
        std::fs::rename(&from, &away).unwrap();
        // Nobody calls: the gateway looks by itself.
        until(&format!("{} is missed", from.display()), || ready(&world) == 503);
        let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
        assert_eq!(refused.refused(), "audit.calls/unavailable");
        assert!(!world.path("box/n").exists(), "it ran");
        assert!(from != log || !log.exists(), "another log was begun");
        std::fs::rename(&away, &from).unwrap();
        until("it is ready again", || ready(&world) == 200);
        let events = || world.audit().into_iter().filter(|record| record["event"] == "audit.interrupted").collect::<Vec<_>>();
        until("it is on record", || events().len() == number + 1);
        let event = events().pop().unwrap();
        assert!(event["detail"]["cause"].as_str().unwrap().contains("no longer where it was"), "{event}");
        assert_eq!((&event["severity"], event["mitre"].as_array().map(Vec::len)), (&json!("high"), Some(2)));
    }
    assert!(std::fs::read_to_string(world.path("serve.log")).unwrap().contains("no longer where it was"));
    assert!(!agent.call("canary__echo", json!({"text": "on"})).is_error());
    assert_eq!(world.verify()["ok"], true);
}

/// A call right behind the renaming, before the gateway has looked.
#[test]
fn a_call_that_comes_first_finds_a_renamed_log() {
    let world = World::with().start();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    for from in [world.state().join("audit"), segment(&world, 0)] {
        let away = world.path("away");
        std::fs::rename(&from, &away).unwrap();
        let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
        assert_eq!(refused.refused(), "audit.calls/unavailable", "{}", from.display());
        assert!(!world.path("box/n").exists(), "it ran");
        std::fs::rename(&away, &from).unwrap();
        until("it is ready again", || ready(&world) == 200);
    }
}

/// The status of `/ready` on the data listener.
fn ready(world: &World) -> u16 {
    let mut stream = TcpStream::connect(world.data()).unwrap();
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.data()).unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
