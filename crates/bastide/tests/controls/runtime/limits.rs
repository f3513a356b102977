//! `runtime.limits`: memory, processors, processes and files of a server are capped, and a call that runs too long ends with its children.

use super::{python, until};
use serde_json::json;
use testkit::World;

#[test]
fn memory_beyond_the_limit_ends_the_server_and_is_on_record() {
    let code = "x = bytearray(b'x') * 300_000_000\nimport time; time.sleep(20)\nsaid = 'still here'";
    let mut world = python("script", code, "sandbox: { memory: 100MiB }").write();
    world.json(&["lock", "--yes"]);
    world.serve();
    assert_eq!(world.agent().call("script__run", json!({})).refused(), "runtime.restart/unavailable");
    until(|| world.audit().iter().any(|record| record["event"] == "sandbox.limit"));
    let audit = world.audit();
    let event = audit.iter().find(|record| record["event"] == "sandbox.limit").unwrap();
    assert_eq!((&event["server"], &event["detail"]["limit"]), (&json!("script"), &json!("memory")), "{event}");
    assert!(event["severity"].is_string() && event["mitre"][0].is_string(), "{event}");
}

#[test]
fn a_fork_bomb_stays_small_and_harms_nobody_else() {
    let code = "
made = 0
try:
    for _ in range(500):
        if os.fork() == 0:
            import time; time.sleep(60); os._exit(0)
        made += 1
except OSError: pass
said = str(made)";
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], script: [\"*\"] }";
    let mut world = python("script", code, "sandbox: { processes: 20 }").role("tester", role).write();
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    let made: usize = agent.call("script__run", json!({})).text().parse().unwrap();
    assert!((10..20).contains(&made), "{made}");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn killed_a_server_is_gone_with_all_its_processes_and_is_not_asked_first() {
    let code = "
import signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, lambda *_: open('GIVEN/asked', 'w'))
for _ in range(8):
    if os.fork() == 0:
        os.setsid(); time.sleep(600); os._exit(0)
time.sleep(600)
said = ''";
    let mut world = python("script", code, "sandbox: { write: [{root}/given] }").write();
    std::fs::create_dir(world.path("given")).unwrap();
    super::replace(&world, "GIVEN", &world.path("given").display().to_string());
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    let family = |world: &testkit::World| super::servers(world).iter().filter(|pid| super::command(**pid).contains("script.py")).count();
    let call = std::thread::spawn(move || agent.call("script__run", json!({})).refused().to_owned());
    until(|| family(&world) == 9);
    world.json(&["kill", "--server", "script", "--reason", "trial"]);
    until(|| family(&world) == 0);
    assert!(!world.path("given/asked").exists(), "it was told before it was killed");
    assert_eq!(call.join().unwrap(), "response.kill-switch/stopped");
}

#[test]
fn open_files_are_those_of_the_entry_and_no_file_is_endless() {
    let code = "
made = []
try:
    for _ in range(500): made.append(open('/dev/null'))
except OSError: pass
count = len(made)
made = None
import resource
said = json.dumps([count < 40, *(resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE))])";
    let mut world = python("script", code, "sandbox: { files: 40 }").write();
    world.json(&["lock", "--yes"]);
    world.serve();
    assert_eq!(world.agent().call("script__run", json!({})).text(), "[true, [40, 40], [0, 0], [1073741824, 1073741824]]");
}

#[test]
fn a_call_that_takes_too_long_is_ended_with_all_that_its_server_started() {
    let code = "
import time
if message['params']['arguments'].get('stay'):
    for _ in range(4):
        if os.fork() == 0:
            os.setsid(); time.sleep(600); os._exit(0)
    time.sleep(600)
said = 'here'";
    let mut world = python("script", code, "call: 5s").write();
    world.json(&["lock", "--yes"]);
    world.serve();
    let family = || -> Vec<u32> {
        let all = super::servers(&world);
        all.into_iter().filter(|pid| super::command(*pid).contains("script.py")).collect()
    };
    let mut agent = world.agent();
    assert_eq!(agent.call("script__run", json!({})).text(), "here");
    let first = family();
    assert_eq!(first.len(), 1, "{first:?}");
    for _ in 0..2 {
        let mut late = agent.clone();
        let call = std::thread::spawn(move || late.call("script__run", json!({"stay": true})).refused().to_owned());
        until(|| family().len() == 5);
        assert_eq!(call.join().unwrap(), "runtime.limits/timeout");
        until(|| family().is_empty());
        assert_eq!(agent.call("script__run", json!({})).text(), "here", "the next call starts another one");
    }
    assert!(family().iter().all(|pid| !first.contains(pid)));
    let audit = world.audit();
    assert!(audit.iter().all(|record| record["event"] != "runtime.server-died"), "what we end has not died: {audit:#?}");
}

#[test]
fn a_server_that_does_not_take_a_call_is_ended_with_all_that_it_started() {
    let code = "
import time
said = 'here'
if message['params']['arguments'].get('stop'):
    for _ in range(4):
        if os.fork() == 0:
            os.setsid(); time.sleep(600); os._exit(0)
    print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': {'content': [{'type': 'text', 'text': 'stopped'}]}}), flush=True)
    time.sleep(600)";
    let mut world = python("script", code, "call: 5s").write();
    world.json(&["lock", "--yes"]);
    world.serve();
    let family = || super::servers(&world).into_iter().filter(|pid| super::command(*pid).contains("script.py")).count();
    let mut agent = world.agent();
    assert_eq!(agent.call("script__run", json!({"stop": true})).text(), "stopped");
    until(|| family() == 5);
    // More than its pipe holds.
    assert_eq!(agent.call("script__run", json!({"text": "x".repeat(900_000)})).refused(), "runtime.limits/timeout");
    until(|| family() == 0);
    assert_eq!(agent.call("script__run", json!({})).text(), "here", "the next call starts another one");
}

#[test]
fn a_server_that_others_use_too_is_told_that_a_call_took_too_long() {
    let entry = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";
    let world = World::with().server("canary", &format!("{entry}\ncall: 4s\ninstances: shared")).start();
    let (mut one, mut two) = (world.agent(), world.agent());
    assert_eq!(two.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let before = super::servers(&world);
    assert_eq!(one.call("canary__wait", json!({"ms": 8_000})).refused(), "runtime.limits/timeout");
    until(|| world.journal().iter().any(|message| message["method"] == "notifications/cancelled"));
    until(|| two.call("canary__echo", json!({"text": "hi"})).text() == "hi");
    assert_eq!(super::servers(&world), before, "it was ended");
}
