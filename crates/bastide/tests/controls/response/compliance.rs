//! `response.compliance`: the state of every control is assessed live, with evidence.

mod leaving;
mod marks;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{Running, World};

#[test]
fn every_control_of_the_catalogue_has_an_outcome_and_evidence() {
    let world = World::new();
    let answer = world.json(&["assess"]);
    let catalogue = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../controls.yaml")).unwrap();
    let wanted: BTreeSet<&str> = catalogue.lines().filter_map(|line| line.trim().strip_prefix("- id: ")).collect();
    let controls = answer["controls"].as_array().unwrap();
    let found: BTreeSet<&str> = controls.iter().map(|control| control["id"].as_str().unwrap()).collect();
    assert_eq!((controls.len(), &found), (72, &wanted));
    for control in controls {
        let outcome = control["outcome"].as_str().unwrap();
        assert!(["pass", "part", "fail", "stale", "accepted", "error", "absent", "n/a"].contains(&outcome), "{control:#}");
        assert!(control.get("evidence").is_some_and(|evidence| !evidence.is_null() && evidence != &json!([])), "{control:#}");
    }
    assert!((0..=3).contains(&answer["level"].as_u64().unwrap()));
    assert_eq!(outcome(&answer, "audit.chain"), "pass");
    let text = answer.to_string().to_lowercase();
    assert!(!text.contains("compliant") && !text.contains("certified"), "it says which controls hold, and no more");
}

#[test]
fn a_control_that_stopped_to_hold_does_not_pass() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    world.stop();
    let segment = world.state().join("audit/segment/0000000000");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(6).position(|window| window == b"canary").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let output = world.run(&["assess", "--control", "audit.chain", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_ne!(outcome(&answer, "audit.chain"), "pass", "{answer:#}");
}

#[test]
fn without_a_running_gateway_nothing_that_needs_one_passes() {
    let mut world = World::new();
    world.stop();
    let output = world.run(&["assess", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["level"], 0);
    for control in ["access.deny-by-default", "identity.tokens", "audit.calls", "response.kill-switch", "data.secrets"] {
        assert_ne!(outcome(&answer, control), "pass", "{control}");
    }
}

#[test]
fn a_level_that_is_not_reached_is_a_no() {
    let world = World::new();
    let reached = world.json(&["assess"])["level"].as_u64().unwrap();
    assert!(reached < 3, "one person alone cannot reach level 3");
    assert_eq!(world.run(&["assess", "--min-level", "3"]).status.code(), Some(1));
    assert_eq!(world.run(&["assess", "--min-level", &reached.to_string()]).status.code(), Some(0));
}

#[test]
fn every_probe_of_a_sound_gateway_runs_to_its_end() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    // What a machine that is busy elsewhere is late with is not proven.
    let runs = || odd(&world.json(&["assess"]));
    let odd = (0..3).map(|_| runs()).find(Vec::is_empty).unwrap_or_else(runs);
    assert!(odd.is_empty(), "one thing each is open where a control holds in part, and none where it holds:\n{}", odd.join("\n"));
}

/// What an assessment of a sound gateway finds other than it should.
fn odd(answer: &Value) -> Vec<String> {
    // What a key in a file, no baselines, one person and no target for alerts leave open.
    let mut part = vec!["secrets.vault", "data.secrets", "network.telemetry", "response.kill-switch", "response.compliance"];
    if !rustix::process::geteuid().is_root() {
        // Only root has accounts to give.
        part.push("runtime.identities");
    }
    let probed: Vec<&Value> = answer["controls"].as_array().unwrap().iter().filter(|control| control["outcome"] != "absent").collect();
    assert_eq!(probed.len(), 49, "{answer:#}");
    let mut odd = Vec::new();
    for control in probed {
        let wanted = match control["id"].as_str().unwrap() {
            id if part.contains(&id) => "part",
            // Nothing listens off this machine.
            "identity.mtls" | "identity.private-ca" => "n/a",
            _ => "pass",
        };
        let steps = control["evidence"]["steps"].as_array().unwrap().iter();
        let open: Vec<&Value> = steps.filter(|step| step["ok"] == false).collect();
        if control["outcome"] != wanted || open.len() != usize::from(wanted == "part") {
            odd.push(format!("{} is {}, not {wanted}: {open:#?}", control["id"], control["outcome"]));
        }
    }
    odd
}

#[test]
fn a_gateway_that_hangs_is_not_proven() {
    if !testkit::layers::are_there() {
        return;
    }
    let mut world = world();
    world.gateway().signal(rustix::process::Signal::STOP);
    let output = world.run(&["assess", "--json"]);
    world.gateway().signal(rustix::process::Signal::CONT);
    assert_eq!(output.status.code(), Some(3));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let passed: Vec<&Value> = answer["controls"].as_array().unwrap().iter().filter(|control| control["outcome"] == "pass").collect();
    assert!(passed.iter().all(|control| control["id"] == "audit.chain"), "{passed:#?}");
    assert!(answer.to_string().contains("does not answer"), "{answer:#}");
}

#[test]
fn a_gateway_that_goes_away_midway_is_not_assessed() {
    if !testkit::layers::are_there() {
        return;
    }
    let mut world = world();
    let assess = Running::start(&mut world.command(&["assess", "--json"]), &world.path("assess.log"));
    until_probed(&world);
    world.crash();
    let mut assess = assess;
    let answer: Value = serde_json::from_str(&assess.line(std::time::Duration::from_secs(120)).unwrap()).unwrap();
    assert_eq!(assess.wait(std::time::Duration::from_secs(90)), Some(3));
    assert_ne!(outcome(&answer, "response.compliance"), "pass");
    assert!(answer["controls"].as_array().unwrap().iter().any(|control| control["outcome"] == "error"), "{answer:#}");
    let said = std::fs::read_to_string(world.path("assess.log")).unwrap();
    assert!(said.contains("went away"), "{said}");
}

#[test]
fn what_cannot_be_asked_is_a_fault_of_usage() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    for arguments in [&["assess", "--control", "audit.nothing"][..], &["assess", "--min-level", "4"]] {
        assert_eq!(world.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    world.edit("profile: local", "profile: lokal");
    let output = world.run(&["assess"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("lokal"), "{output:?}");
}

#[test]
fn one_control_is_shown_with_every_step_and_no_progress_in_a_pipe() {
    if !testkit::layers::are_there() {
        return;
    }
    let output = world().run(&["assess", "--control", "audit.chain"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("pass     audit.chain (critical, probe)\n"), "{text}");
    assert!(text.contains("  ok  verified the whole log\n") && !text.contains("identity.tokens"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The guards that are probed.
const GUARDS: &str = "probed__guarded:
  operation: read
  arguments:
    path: { guard: files, roots: [/srv/bastide-probe] }
    url: { guard: http, allow_hosts: [probe.invalid] }
    sql: { guard: sql, dialect: postgres, tables: [probe] }
    command: { guard: process, allowed: [git], cwd: /srv/bastide-probe }";

/// A gateway with the usual canary as a real server, and the built-in one, called `probed`, for the assessor.
fn world() -> World {
    with("")
}

/// The same, with `more` in the entry of the built-in canary.
fn with(more: &str) -> World {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bastide"));
    let folder = program.parent().unwrap().display();
    let entry = format!(
        "run: [{}, __canary]\nsecrets: {{ CANARY_SECRET: vault:probed/secret }}\nsandbox: {{ read: [{folder}], egress: [\"probe.invalid:443\", \"localhost:443\"] }}\n{more}",
        program.display()
    );
    let role = "members: [\"agent:probe/a\"]\nallow: { probed: [echo, add, read_mail, leak, meta, reach, stop, change, guarded, \"write:write_note\", \"read:fail\", \"resource:canary://*\", \"prompt:*\"] }";
    let limits = "limits: { calls: 100/min, mutations: 1000/h }";
    let tools = format!("probed__write_note: {{ operation: write, arguments: {{ title: {{ not: {{ enum: [bastide] }} }} }} }}\n{GUARDS}");
    World::with()
        .role("tester", &format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ canary: [echo] }}\n{limits}"))
        .server("probed", &entry)
        .role("prober", role)
        .section("tools", &tools)
        .section("prompts", "probed__greet: { version: '1', messages: [{ text: 'Say hello to {{who}}.' }] }")
        .role("visitor", &format!("members: [\"agent:visitor\"]\nallow: {{ probed: [reach] }}\n{limits}"))
        .secret("probed/secret", "first-credential-of-the-canary")
        .start()
}

/// Waits until a probe of an assessment that runs is on record.
fn until_probed(world: &World) {
    let began = std::time::Instant::now();
    while !world.audit().iter().any(|record| record["kind"] == "probe") {
        assert!(began.elapsed().as_secs() < 90, "no probe is on record");
    }
}

fn outcome<'a>(answer: &'a Value, id: &str) -> &'a str {
    let control = answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == id);
    control.unwrap()["outcome"].as_str().unwrap()
}
