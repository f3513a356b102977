//! `supply.pinning`: what differs is approved beside the running gateway, and a yes counts for what was shown and nothing else.

use super::until;
use serde_json::{Value, json};
use std::fs;
use testkit::World;

const ROLE: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], evil: [\"*\"], late: [\"*\"] }";
const LATE: &str = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/late.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";

fn acts(world: &World, name: &str) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["act"]["name"] == name).collect()
}

/// The status and the answer of an act over the admin listener.
fn act(world: &World, path: &str, body: Value) -> (u16, Value) {
    let mut admin = world.admin();
    admin.token = Some(fs::read_to_string(world.state().join("admin.key")).unwrap().trim().to_owned());
    let response = admin.send("POST", &format!("/api/v1{path}"), &admin.headers(&[]), body.to_string().as_bytes());
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

/// A world whose `evil` has changed its description, with that put aside.
fn changed() -> World {
    let world = World::with().evil("rug-pull").start();
    fs::write(world.path("box/flag"), "").unwrap();
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    world
}

#[test]
fn a_changed_tool_is_approved_while_the_gateway_runs_and_used_at_once() {
    let world = changed();
    let mut agent = world.agent();
    let mut beside = world.connect(&[]);
    beside.open();
    assert!(!agent.ask("tools/list", json!({})).names().contains(&"evil__echo"));
    let waiting = std::thread::spawn({
        let mut other = world.agent();
        move || other.call("canary__wait", json!({"ms": 1_500}))
    });
    let answer = world.json(&["server", "approve", "evil", "--yes"]);
    assert_eq!(answer["changed"], json!(["evil/tool/echo"]), "{answer}");
    assert_eq!(agent.call("evil__echo", json!({"text": "hi"})).text(), "hi");
    let listed = agent.ask("tools/list", json!({}));
    assert!(listed.names().contains(&"evil__echo") && listed.result().to_string().contains("audit mailbox"), "{}", listed.0);
    assert_eq!(beside.read().unwrap()["method"], "notifications/tools/list_changed");
    assert!(!waiting.join().unwrap().is_error(), "a call to another server was disturbed");

    let approvals = acts(&world, "server.approve");
    let by_socket = |record: &&Value| record["act"]["operator"].as_str().unwrap().contains("via admin socket, uid");
    let last: Vec<_> = approvals.iter().filter(by_socket).collect();
    assert!(last.iter().any(|record| record["act"]["outcome"] == "ok"), "{approvals:#?}");
    assert!(last.iter().all(|record| record["act"]["parameters"]["server"] == "evil"), "{approvals:#?}");
    assert!(acts(&world, "server.look").iter().any(|record| by_socket(&record)));
    assert_eq!(world.run(&["lock", "--check"]).status.code(), Some(0));
}

#[test]
fn looking_approves_nothing_and_a_no_changes_nothing() {
    let world = changed();
    let before = fs::read(world.path("bastide.lock")).unwrap();
    let approvals = acts(&world, "server.approve").len();
    let check = world.run(&["lock", "--check", "--json"]);
    assert_eq!(check.status.code(), Some(1));
    let seen: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(seen["changed"], json!(["evil/tool/echo"]));
    // Nobody can be asked here, which is a no.
    let declined = world.run(&["lock", "--json"]);
    assert_eq!(declined.status.code(), Some(1));
    let declined: Value = serde_json::from_slice(&declined.stdout).unwrap();
    assert_eq!((&declined["changed"], &declined["declined"]), (&json!([]), &json!(["evil"])), "{declined}");
    let evil = declined["servers"].as_array().unwrap().iter().find(|row| row["name"] == "evil").unwrap().clone();
    assert_eq!(evil["approved_at"], world.json(&["server", "show", "evil"])["pinned"]["approved_at"]);
    assert_eq!(fs::read(world.path("bastide.lock")).unwrap(), before);
    assert_eq!(world.agent().call("evil__echo", json!({"text": "hi"})).refused(), "supply.pinning/changed");
    assert_eq!(acts(&world, "server.approve").len(), approvals);
}

#[test]
fn a_yes_to_what_is_no_longer_there_approves_nothing() {
    let world = changed();
    let before = fs::read(world.path("bastide.lock")).unwrap();
    let shown = act(&world, "/servers/evil/look", json!({}));
    assert_eq!(shown.1["open"], true, "{}", shown.1);
    let digest = shown.1["shown"].clone();
    fs::remove_file(world.path("box/flag")).unwrap();
    let (status, answer) = act(&world, "/servers/evil/approve", json!({ "shown": digest }));
    assert_eq!(status, 409, "{answer}");
    assert_eq!(fs::read(world.path("bastide.lock")).unwrap(), before);
    fs::write(world.path("box/flag"), "").unwrap();
    let (status, answer) = act(&world, "/servers/evil/approve", json!({ "shown": digest }));
    assert_eq!(status, 200, "{answer}");
    // What was approved before is part of what was shown: the same yes does not count twice.
    assert_eq!(act(&world, "/servers/evil/approve", json!({ "shown": digest })).0, 409);
    assert_eq!(act(&world, "/servers/evil/approve", json!({ "shown": "sha256:0" })).0, 400);
    assert_eq!(act(&world, "/servers/nobody/look", json!({})).0, 404);
}

#[test]
fn an_older_lock_is_not_taken_again_after_an_approval() {
    let mut world = changed();
    let old = fs::read(world.path("bastide.lock")).unwrap();
    world.json(&["server", "approve", "evil", "--yes"]);
    fs::write(world.path("bastide.lock"), old).unwrap();
    world.stop();
    world.serve();
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.open();
    assert_eq!(agent.call("echo", json!({"text": "hi"})).refused(), "supply.provenance/unverified");
}

#[test]
fn a_server_that_is_new_in_the_file_is_approved_now_and_used_after_a_reload() {
    if !testkit::layers::are_there() {
        return;
    }
    let mut world = World::with().role("tester", ROLE).evil("rug-pull").role("tester", ROLE).server("late", LATE).write();
    let whole = fs::read_to_string(world.config()).unwrap();
    let entry = whole.find("  late:").unwrap();
    let end = entry + whole[entry..].find("roles:").unwrap();
    fs::write(world.config(), [&whole[..entry], &whole[end..]].concat().replace(", late: [\"*\"]", "")).unwrap();
    world.json(&["lock", "--yes"]);
    world.serve();
    fs::write(world.config(), &whole).unwrap();
    let output = world.run(&["lock", "--yes"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("kill -HUP {}", world.gateway().pid())), "{said}");
    assert!(world.agent().call("late__echo", json!({"text": "hi"})).is_error());
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    world.gateway().signal(rustix::process::Signal::HUP);
    until(|| !world.agent().call("late__echo", json!({"text": "hi"})).is_error());
    // Gone from the file, it leaves the lock too.
    world.edit("  late:", "  later:");
    world.edit("late: [\"*\"]", "later: [\"*\"]");
    let answer = world.json(&["lock", "--yes"]);
    assert_eq!(answer["removed"], json!(["late"]), "{answer}");
    assert!(!acts(&world, "server.forget").is_empty());
}

#[test]
fn what_is_stopped_is_not_started_to_be_looked_at() {
    let world = World::new();
    world.json(&["kill", "--server", "canary", "--reason", "drill"]);
    let before = world.journal().len();
    let look = world.run(&["lock", "--check"]);
    assert_eq!(look.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&look.stderr).contains("stopped by the kill"), "{look:?}");
    assert_eq!(world.journal().len(), before);
}

const TAKEN_OUT: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], late: [\"*\"] }";

/// Takes the server `late` out of the file while a call to it is under way, and reloads.
fn taken_out(world: &mut World) {
    let mut agent = world.agent();
    assert_eq!(agent.call("late__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let waiting = std::thread::spawn({
        let mut other = agent.clone();
        move || other.call("late__wait", json!({"ms": 25_000}))
    });
    let calls = world.path("box/late.jsonl");
    until(|| fs::read_to_string(&calls).unwrap_or_default().contains("\"wait\""));
    let whole = fs::read_to_string(world.config()).unwrap();
    let entry = whole.find("  late:").unwrap();
    let end = entry + whole[entry..].find("roles:").unwrap();
    fs::write(world.config(), [&whole[..entry], &whole[end..]].concat().replace(", late: [\"*\"]", "")).unwrap();
    world.gateway().signal(rustix::process::Signal::HUP);
    assert_eq!(waiting.join().unwrap().refused(), "runtime.restart/unavailable");
    assert!(agent.call("late__echo", json!({"text": "hi"})).is_error());
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_server_taken_out_of_the_file_ends_with_the_reload_and_its_calls_are_refused() {
    if !testkit::layers::are_there() {
        return;
    }
    let mut world = World::with().server("late", LATE).role("tester", TAKEN_OUT).start();
    taken_out(&mut world);
    until(|| world.json(&[])["gateway"]["processes"] == 1);
}

#[test]
fn calls_to_a_remote_server_taken_out_of_the_file_are_refused() {
    let more = "call: 40s\nclearance: restricted\ntrust: internal";
    let mut world = World::with().remote("late", more).role("tester", TAKEN_OUT).start();
    taken_out(&mut world);
}

#[test]
fn a_look_that_nobody_waits_for_any_more_ends_what_it_started() {
    if !testkit::layers::are_there() {
        return;
    }
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let mute = world.path("bin/mute");
    fs::write(&mute, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&mute, fs::Permissions::from_mode(0o755)).unwrap();
    world.edit("roles:", &format!("  mute:\n    run: [{}]\n    sandbox: {{ read: [/bin] }}\nroles:", mute.display()));
    let processes = || world.json(&[])["gateway"]["processes"].clone();
    let mut operator = std::os::unix::net::UnixStream::connect(world.state().join("admin.sock")).unwrap();
    operator.write_all(b"POST /api/v1/servers/mute/look HTTP/1.1\r\nHost: bastide\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    until(|| processes() == 1);
    drop(operator);
    // Sooner than the look would have given up by itself.
    until(|| processes() == 0);
}

#[test]
fn a_list_without_end_is_not_collected() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = World::new();
    let pages = world.path("box/pages");
    let run = format!("[{}, --mode, hoard, --flag, {}]", world.path("bin/evil-server").display(), pages.display());
    let entry = format!("  hoard:\n    run: {run}\n    sandbox: {{ read: [/bin], write: [{}] }}\nroles:", world.path("box").display());
    world.edit("roles:", &entry);
    let (status, answer) = act(&world, "/servers/hoard/look", json!({}));
    assert!(status >= 400, "{answer}");
    let given: usize = fs::read_to_string(&pages).unwrap().parse().unwrap();
    assert!(given <= 6, "{given} pages of 5 MB were taken: {answer}");
}
