//! What the policy verbs and `explain` print, word for word (`tests/said`; `BASTIDE_SAY=1` writes it anew), and that the next step that each names works as it stands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testkit::World;

const CODER: &str = "members: [\"agent:coder\", \"agent:ci\"]\nclearance: internal\nallow: { canary: [echo, add, delete_note] }\nlimits: { calls: 6000/min }";
const GUEST: &str =
    "members: [\"user:guest\", \"user:guest\", \"group:all\"]\nclearance: public\nallow:\n  canary: [ech, \"write_*\", write_note]";
const IDLE: &str = "members: []\nclearance: restricted\nallow: {}";
const LATE: &str = "members: [\"agent:late\"]\nclearance: confidential\nallow:\n  canary:\n    - \"read_*\"\n    - { tools: [echo], when: { server: files } }";
const TOOLS: &str =
    "canary__add: { arguments: { a: { type: integer, maximum: 10 } } }\ncanary__delete_note: { result: { label: confidential } }";
const CEDAR: &str = r#"@id("typo")
permit (principal in Role::"codr", action == Action::"call", resource in Server::"canary");

@id("never")
forbid (principal, action == Action::"get", resource is Tool);
"#;

fn world() -> World {
    let world = World::with()
        .allow("[echo]")
        .role("coder", CODER)
        .role("guest", GUEST)
        .role("idle", IDLE)
        .role("late", LATE)
        .section("tools", TOOLS)
        .file("policies/extra.cedar", CEDAR)
        .write();
    world.json(&["lock", "--yes"]);
    world
}

/// Runs a line as it was printed, `bastide` being the built one.
fn pasted(world: &World, line: &str) -> Output {
    let folder = testkit::binary("bastide", "bastide").parent().unwrap().display().to_string();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).current_dir(world.path("home")).env("HOME", world.path("home")).env("NO_COLOR", "1");
    command.env_remove("BASTIDE_CONFIG").env("PATH", format!("{folder}:/usr/bin:/bin"));
    testkit::run(&mut command, b"")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn next(said: &str) -> String {
    let found = said.lines().rev().find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("next "));
    found.unwrap_or_else(|| panic!("no next step:\n{said}")).trim().to_owned()
}

/// The same without what differs from run to run: paths, ids and times.
fn settled(world: &World, text: &str) -> String {
    let mut out = text.replace(&world.path("").display().to_string(), "ROOT/");
    for (start, length, word) in [("C-", 14, "C-…"), ("R-", 14, "R-…"), ("S-", 14, "S-…"), ("2026-", 10, "DAY"), ("2027-", 10, "DAY")]
    {
        let mut rest = out.as_str();
        let mut kept = String::new();
        while let Some(at) = rest.find(start) {
            let found: String = rest[at..].chars().take(length).collect();
            let is_id = found[start.len()..].bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
            kept.push_str(&rest[..at]);
            kept.push_str(if is_id && found.len() == length { word } else { &found });
            rest = &rest[at + found.len()..];
        }
        out = kept + rest;
    }
    let mut lines: Vec<String> = Vec::new();
    for line in out.lines() {
        // The time of day after a day, and places in the log.
        let mut text = String::new();
        let mut parts = line.split("DAYT");
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            text.push_str("TIME");
            text.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit() || ":.Z".contains(letter)));
        }
        while let Some(at) = text.find("(index ") {
            let end = text[at..].find(')').map_or(text.len(), |end| at + end + 1);
            text.replace_range(at..end, "(at …)");
        }
        lines.push(text);
    }
    lines.join("\n") + "\n"
}

fn assert_said(world: &World, name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/said").join(format!("{name}.txt"));
    let settled = settled(world, text);
    if std::env::var_os("BASTIDE_SAY").is_some() {
        fs::write(&path, &settled).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(settled, expected, "{name}: what is said has changed; BASTIDE_SAY=1 writes it anew");
}

#[test]
fn check_points_at_what_is_odd() {
    let world = world();
    let output = world.run(&["policy", "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_said(&world, "check", &said(&output));
    let shown = pasted(&world, &next(&said(&output)));
    assert!(shown.status.success() && said(&shown).contains("11 tools"), "{}", said(&shown));
    let answer: Value = serde_json::from_slice(&world.run(&["policy", "check", "--json"]).stdout).unwrap();
    let first = &answer["notices"][0];
    assert!(first["line"].as_u64() > Some(1) && first["column"].as_u64() >= Some(1), "{answer}");

    world.edit("clearance: internal", "clearnce: internal");
    let output = world.run(&["policy", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean \"clearance\"?") && said(&output).contains("^^^^^^^^"), "{}", said(&output));
}

#[test]
fn a_denial_is_explained_with_the_narrowest_change_and_each_next_step_works() {
    let world = world();
    let call = ["explain", "--as", "agent:coder", "canary__write_note", r#"{"name":"it's","text":"t"}"#];
    let output = world.run(&call);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_said(&world, "explain-denied", &said(&output));

    let proposed = pasted(&world, &next(&said(&output)));
    assert_eq!(proposed.status.code(), Some(0), "{}", said(&proposed));
    assert_said(&world, "explain-proposed", &said(&proposed));
    let diff = pasted(&world, &next(&said(&proposed)));
    assert_eq!(diff.status.code(), Some(0), "{}", said(&diff));
    assert_said(&world, "diff", &said(&diff));
    let explained = pasted(&world, &next(&said(&diff)));
    assert_eq!(explained.status.code(), Some(0), "{}", said(&explained));
    assert_said(&world, "explain-allowed", &said(&explained));

    let second = world.run(&[&call[..], &["--propose", "second.yaml", "--change", "2"]].concat());
    assert_eq!(second.status.code(), Some(0), "{}", said(&second));
    let none = world.run(&[&call[..], &["--propose", "third.yaml", "--change", "9"]].concat());
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(!world.path("third.yaml").exists());
}

#[test]
fn the_narrowest_change_opens_nothing_else_where_that_is_possible() {
    let world = world();
    let answer: Value = serde_json::from_slice(
        &world.run(&["explain", "--as", "agent:nobody", "canary__write_note", r#"{"name":"n","text":"t"}"#, "--json"]).stdout,
    )
    .unwrap();
    let changes = answer["changes"].as_array().unwrap();
    assert!(!changes.is_empty(), "{answer}");
    assert_eq!((&changes[0]["opens"], &changes[0]["opens_decisions"]), (&json!([]), &json!(0)), "{answer}");
    let counts: Vec<u64> = changes.iter().map(|change| change["opens_decisions"].as_u64().unwrap()).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    // What a change is said to open is what a comparison of the two files finds.
    for (at, count) in counts.iter().enumerate() {
        let name = format!("change-{at}.yaml");
        let path = world.path(&name);
        let number = (at + 1).to_string();
        let line = ["explain", "--as", "agent:nobody", "canary__write_note", "{\"name\":\"n\",\"text\":\"t\"}", "--propose"];
        let output = world.run(&[&line[..], &[path.to_str().unwrap(), "--change", &number]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let own = world.config();
        let diff = world.run(&["policy", "diff", own.to_str().unwrap(), path.to_str().unwrap(), "--json"]);
        let found: Value = serde_json::from_slice(&diff.stdout).unwrap();
        let wider: usize = found["changes"].as_array().unwrap().iter().map(|change| change["who"].as_array().unwrap().len()).sum();
        assert_eq!(wider as u64, count + 1, "{found}");
    }
}

#[test]
fn bounds_and_clearances_are_explained_with_their_lines() {
    let world = world();
    for (name, line, code) in [
        ("explain-constraint", &["--as", "agent:coder", "canary__add", r#"{"a":11,"b":1}"#][..], 1),
        ("explain-clearance", &["--as", "agent:coder", "canary__delete_note", r#"{"name":"n"}"#], 1),
        ("explain-mismatch", &["--as", "agent:coder", "canary__add", r#"{"a":"x","b":1}"#], 1),
        ("explain-nowhere", &["--as", "agent:coder", "canary__eco"], 1),
    ] {
        let output = world.run(&[&["explain"], line].concat());
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
        assert_said(&world, name, &said(&output));
        let next = next(&said(&output));
        if next.starts_with("bastide") {
            let done = pasted(&world, &next);
            assert_eq!(done.status.code(), Some(0), "{name}: {next}\n{}", said(&done));
            let _ = fs::remove_file(world.path("proposed.yaml"));
        }
    }
}

#[test]
fn what_a_guard_refuses_is_explained_with_what_would_open_it() {
    let guards = "canary__write_note: { operation: write, arguments: { name: { guard: files, roots: [/srv/data], write: true }, text: { guard: sql, dialect: postgres, tables: [orders] } } }\n\
        canary__echo: { arguments: { text: { guard: http, allow_hosts: [a.example.com] } } }\n\
        canary__delete_note: { operation: delete, arguments: { name: { guard: process, allowed: [git], cwd: /srv/data } } }";
    let world = World::with().allow("[write_note, echo, delete_note]").section("tools", guards).write();
    world.json(&["lock", "--yes"]);
    let note = |path: &str, sql: &str| json!({"name": path, "text": sql});
    let query = |sql: &str| note("/srv/data/x", sql);
    for (name, tool, arguments) in [
        ("guard-path", "canary__write_note", note("/srv/other/x", "SELECT id FROM orders")),
        ("guard-host", "canary__echo", json!({"text": "https://b.example.com/x"})),
        ("guard-table", "canary__write_note", query("SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer")),
        ("guard-function", "canary__write_note", query("SELECT refresh_all(id) FROM orders")),
        ("guard-write", "canary__write_note", query("UPDATE orders SET total = 1 WHERE id = 7")),
        ("guard-program", "canary__delete_note", json!({"name": "ls -l"})),
    ] {
        let arguments = arguments.to_string();
        let output = world.run(&["explain", "--as", "agent:tester", tool, &arguments]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert_said(&world, &format!("explain-{name}"), &said(&output));
        let proposed = pasted(&world, &next(&said(&output)));
        assert_eq!(proposed.status.code(), Some(0), "{name}: {}", said(&proposed));
        let path = world.path("proposed.yaml");
        let opened = pasted(&world, &format!("bastide explain --config {} --as agent:tester {tool} '{arguments}'", path.display()));
        assert_eq!(opened.status.code(), Some(0), "{name}: {}", said(&opened));
        fs::remove_file(path).unwrap();
    }
    // What no line of the configuration opens is told without one.
    let output = world.run(&["explain", "--as", "agent:tester", "canary__write_note", r#"{"name":"/srv/data/a\u0000","text":"SELECT 1"}"#]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("tools.files/form") && !said(&output).contains("to allow"), "{}", said(&output));
}

#[test]
fn a_recorded_refusal_is_explained_and_use_is_learnt_and_replayed() {
    let mut world = world();
    world.serve();
    let mut coder = world.client("agent:coder", "/mcp");
    coder.open();
    for at in 0..3 {
        assert_eq!(coder.call("canary__echo", json!({"text": "hi"})).text(), "hi");
        assert_eq!(coder.call("canary__add", json!({"a": at, "b": 1})).text(), (at + 1).to_string());
    }
    let refused = coder.call("canary__write_note", json!({"name": "n", "text": "t"}));
    let output = world.run(&["explain", refused.reference()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_said(&world, "explain-recorded", &said(&output));
    let proposed = pasted(&world, &next(&said(&output)));
    assert_eq!(proposed.status.code(), Some(0), "{}", said(&proposed));

    // Under the proposal the call of the past would have passed, and nothing else changes.
    let replayed = world.run(&["policy", "replay", "--against", world.path("proposed.yaml").to_str().unwrap()]);
    assert_eq!(replayed.status.code(), Some(0), "{}", said(&replayed));
    assert_said(&world, "replay", &said(&replayed));
    let explained = pasted(&world, &next(&said(&replayed)));
    assert!(explained.status.success() && said(&explained).contains("the configuration as it is now allows it"), "{}", said(&explained));

    let learnt = world.run(&["policy", "suggest"]);
    assert_eq!(learnt.status.code(), Some(0), "{}", said(&learnt));
    assert_said(&world, "suggest", &said(&learnt));
    let written = pasted(&world, &next(&said(&learnt)));
    assert_eq!(written.status.code(), Some(0), "{}", said(&written));
    let unchanged = pasted(&world, &next(&said(&written)));
    assert_eq!(unchanged.status.code(), Some(0), "{}", said(&unchanged));
    assert_said(&world, "replay-unchanged", &said(&unchanged));
    let narrower = world.run(&["policy", "check", "--as-text", "--config", world.path("suggested.yaml").to_str().unwrap()]);
    assert!(!narrower.status.success() || said(&narrower).contains("may use add and echo on canary"), "{}", said(&narrower));
}
