//! `policy diff` and `policy test`: what a change of the rules changes, and whether they decide as files expect.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use serde_json::{Value, json};
use std::fs;
use testkit::World;

const ROLES: &str = "roles:
  coder:
    members: [\"agent:coder\", \"agent:ci\"]
    clearance: internal
    allow: { canary: [echo] }
    limits: { calls: 60/min }
  guest:
    members: [\"user:guest\"]
    clearance: public
    allow: { canary: [echo] }
";

/// A locked world whose roles are [`ROLES`], and a copy of its file with `from` replaced by `to`.
fn worlds(changes: &[(&str, &str)]) -> (World, String) {
    let world = World::with().write();
    let text = fs::read_to_string(world.config()).unwrap();
    let start = text.find("roles:").unwrap();
    let rest: String =
        text[start..].lines().skip(1).skip_while(|line| line.starts_with(' ') || line.is_empty()).map(|line| format!("{line}\n")).collect();
    let own = format!("{}{ROLES}{rest}", &text[..start]);
    fs::write(world.config(), &own).unwrap();
    world.json(&["lock", "--yes"]);
    let mut changed = own;
    for (from, to) in changes {
        assert!(changed.contains(from), "not in the file: {from}");
        changed = changed.replacen(from, to, 1);
    }
    let path = world.path("proposed.yaml");
    fs::write(&path, changed).unwrap();
    (world, path.to_str().unwrap().to_owned())
}

fn diff(world: &World, proposed: &str, more: &[&str]) -> (Option<i32>, Value, String) {
    let own = world.config();
    let line = [&["policy", "diff", own.to_str().unwrap(), proposed], more].concat();
    let output = world.run(&line);
    let answer = world.run(&[&line[..], &["--json"]].concat());
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), serde_json::from_slice(&answer.stdout).unwrap_or(Value::Null), said)
}

fn lines(answer: &Value) -> Vec<(String, String, String)> {
    let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let who = |one: &Value| one["who"].as_array().unwrap().iter().map(|who| who.as_str().unwrap()).collect::<Vec<_>>().join(", ");
    answer["changes"].as_array().unwrap().iter().map(|one| (word(one, "direction"), who(one), word(one, "name"))).collect()
}

#[test]
fn two_that_decide_alike_are_said_to() {
    let (world, proposed) = worlds(&[("roles:", "# a comment changes nothing\nroles:")]);
    let (code, answer, said) = diff(&world, &proposed, &["--no-wider"]);
    assert_eq!((code, &answer["ok"], &answer["changes"]), (Some(0), &json!(true), &json!([])), "{said}");
    assert!(said.contains("decide alike") && answer["decisions"].as_u64().unwrap() > 10, "{said}");
}

#[test]
fn what_is_let_in_is_told_with_its_line_and_the_next_step_works() {
    let (world, proposed) = worlds(&[("allow: { canary: [echo] }", "allow: { canary: [echo, write_note] }")]);
    let (code, answer, said) = diff(&world, &proposed, &["--no-wider"]);
    assert_eq!((code, &answer["wider"], &answer["narrower"]), (Some(1), &json!(1), &json!(0)), "{said}");
    assert_eq!(lines(&answer), [("wider".to_owned(), "agent:ci, agent:coder".to_owned(), "write_note".to_owned())]);
    assert!(said.contains("may now call the tool write_note of canary: was refused, is allowed up to internal"), "{said}");
    assert!(said.contains("proposed.yaml:") && said.contains("allow write_note"), "{said}");
    assert_eq!(diff(&world, &proposed, &[]).0, Some(0), "without the flag it is no fault");
    let next = said.lines().find_map(|line| line.trim().strip_prefix("next  bastide ")).expect("a next step");
    let next: Vec<&str> = next.split(' ').collect();
    let explained =
        testkit::run(std::process::Command::new(testkit::binary("bastide", "bastide")).args(next).env("HOME", world.path("home")), b"");
    assert!(String::from_utf8_lossy(&explained.stdout).contains("write_note"), "{explained:?}");
    let back = world.run(&["policy", "diff", &proposed, world.config().to_str().unwrap(), "--no-wider"]);
    assert_eq!(back.status.code(), Some(0), "the other way round it is narrower");
    assert!(String::from_utf8_lossy(&back.stdout).contains("may no longer call the tool write_note"), "{back:?}");
}

#[test]
fn what_is_more_than_a_name_counts_too() {
    for (from, to, words) in [
        ("clearance: internal", "clearance: restricted", "is allowed up to restricted"),
        ("[\"user:guest\"]", "[\"user:guest\", \"user:second\"]", "user:second may now call the tool echo"),
        ("[echo] }\n    limits", "[echo, \"read_*\"] }\n    limits", "read_x"),
        ("calls: 60/min", "calls: 2/s", "limits.calls was 60/min, is 2/s"),
        ("    limits: { calls: 60/min }\n", "", "limits.calls was 60/min, is none"),
    ] {
        let (world, proposed) = worlds(&[(from, to)]);
        let (code, answer, said) = diff(&world, &proposed, &["--no-wider"]);
        assert_eq!(code, Some(1), "{to}: {said}");
        assert!(said.contains(words), "{to}: {said}");
        assert_eq!(answer["ok"], false);
        let back = world.run(&["policy", "diff", &proposed, world.config().to_str().unwrap(), "--no-wider"]);
        assert_eq!(back.status.code(), Some(0), "{to}, back: {back:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_usage() {
    let (world, proposed) = worlds(&[("allow: { canary: [echo] }", "alow: { canary: [echo] }")]);
    let (code, _, said) = diff(&world, &proposed, &[]);
    assert!(code == Some(2) && said.contains("alow") && said.contains("allow"), "{said}");
    assert_eq!(diff(&world, "/nowhere.yaml", &[]).0, Some(2));
}

#[test]
fn cases_are_decided_as_they_are_expected_or_are_named() {
    let (world, _) = worlds(&[]);
    let file = world.path("expected.yaml");
    let text = "cases:
- { as: agent:coder, call: canary__echo, expect: allow }
- { as: agent:ci, call: canary__write_note, expect: refuse }
- { as: agent:other, user: guest, call: canary__echo, expect: allow }
- { as: agent:other, call: canary__echo, expect: refuse, code: access.deny-by-default/denied }
- { as: agent:coder, call: canary__nothing, expect: refuse }
- { as: agent:coder, call: canary__echo, arguments: { text: 3 }, expect: refuse, code: access.argument-schemas/mismatch }
";
    fs::write(&file, text).unwrap();
    let line = ["policy", "test", file.to_str().unwrap()];
    let output = world.run(&line);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("6 of 6 cases"));

    fs::write(&file, text.replace("write_note, expect: refuse", "write_note, expect: allow").replace("denied }", "forbidden }")).unwrap();
    let output = world.run(&line);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("expected.yaml:3  agent ci calls canary__write_note") && said.contains("expected allow, found refuse"), "{said}");
    assert!(said.contains("expected.yaml:5") && said.contains("access.deny-by-default/forbidden"), "{said}");
    assert!(said.contains("4 of 6 cases") && said.contains("next  bastide explain --as agent:ci canary__write_note"), "{said}");
    let answer: Value = serde_json::from_slice(&world.run(&[&line[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!((&answer["failed"], &answer["cases"][1]["found"], &answer["cases"][1]["line"]), (&json!(2), &json!("refuse"), &json!(3)));

    fs::write(&file, "cases:\n- { as: agent:coder, call: canary, expect: allow }\n").unwrap();
    let output = world.run(&line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("expected.yaml:2") && said.contains("server__tool"), "{said}");
}

#[test]
fn without_the_state_the_rules_are_tested_alone_and_that_is_said() {
    let (world, _) = worlds(&[]);
    let file = world.path("expected.yaml");
    fs::write(
        &file,
        "cases:\n- { as: agent:coder, call: canary__echo, expect: allow }\n- { as: agent:stranger, call: canary__echo, expect: refuse }\n",
    )
    .unwrap();
    fs::remove_dir_all(world.state()).unwrap();
    let output = world.run(&["policy", "test", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(0) && said.contains("2 of them by the rules alone"), "{said} {output:?}");
}
