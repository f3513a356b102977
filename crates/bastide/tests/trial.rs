//! `bastide try`, and that it would notice: with each rule loosened in turn it says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn every_step_is_as_it_must_be_and_its_record_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (code, story) = play(folder.path());
    assert_eq!((code, &story["ok"]), (Some(0), &Value::Bool(true)), "{story:#}");
    assert_eq!(story["audit"]["verified"], true);
    assert_eq!(story["state"], folder.path().join("state").to_str().unwrap());
    let steps = story["steps"].as_array().unwrap();
    assert!(steps.len() >= 8, "{steps:#?}");
    for step in steps {
        let reference = step["reference"].as_str().unwrap_or_else(|| panic!("no reference: {step:#}"));
        let output = bastide(&["audit", "show", "--reference", reference], folder.path());
        let record: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{reference}: {fault}"));
        assert_eq!(record["request"], reference);
        let (got, decision) = (step["got"].as_str().unwrap(), &record["decision"]);
        match got.split_once(':') {
            Some((verdict @ ("allowed" | "changed"), _)) => assert_eq!(decision["verdict"], verdict, "{record:#}"),
            // Who may not see a tool is told that there is none; on record a denial looks like a denial.
            _ if got == "access.filtered-discovery/unknown" => assert_eq!(decision["code"], "access.deny-by-default/denied", "{record:#}"),
            _ if got.contains('/') => {
                assert_eq!((&decision["verdict"], &decision["code"]), (&Value::from("refused"), &step["got"]), "{record:#}");
            }
            _ if step["name"] == "a killed session" => assert_eq!(decision["verdict"], "refused", "{record:#}"),
            _ => assert!(["the audit log", "a copy with one bit turned"].contains(&step["name"].as_str().unwrap()), "{step:#}"),
        }
    }
    let records = story["audit"]["records"].as_u64().unwrap();
    let verified: Value = serde_json::from_slice(&bastide(&["audit", "verify", "--json"], folder.path()).stdout).unwrap();
    assert_eq!((&verified["ok"], verified["records"].as_u64()), (&Value::Bool(true), Some(records)));
}

#[test]
fn on_a_machine_without_namespaces_it_plays_too_and_says_what_is_missing() {
    if !testkit::layers::are_there() {
        return;
    }
    // A user namespace in which no other one may be made, as many containers are.
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec {} try --folder {}",
        env!("CARGO_BIN_EXE_bastide"),
        folder.path().display()
    );
    let output = Command::new("unshare").args(["--user", "--map-root-user", "sh", "-c", &script]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("starts in spite of") && said.contains("shared-namespaces"), "{said}");
    let config = std::fs::read_to_string(folder.path().join("bastide.yaml")).unwrap();
    assert!(config.contains("where: server/sample, weakness: shared-namespaces"), "{config}");
}

#[test]
fn a_tool_too_many_is_noticed() {
    noticed("allow: { sample: [add,", "allow: { sample: [write_note, add,", "a tool that is not allowed");
}

#[test]
fn every_tool_allowed_is_noticed() {
    noticed("allow: { sample: [add, read_mail, leak, change] }", "allow: { sample: [\"*\"] }", "a tool that is not allowed");
}

#[test]
fn a_missing_maximum_is_noticed() {
    noticed("    arguments: { b: { maximum: 1000 } }\n", "", "an argument out of bounds");
}

#[test]
fn a_higher_maximum_is_noticed() {
    noticed("maximum: 1000 }", "maximum: 1000000 }", "an argument out of bounds");
}

#[test]
fn keys_let_through_are_noticed() {
    passed_to_the_cleared("secrets: { action: redact }", "secrets: { action: flag }");
}

#[test]
fn card_numbers_let_through_are_noticed() {
    passed_to_the_cleared("financial: { action: mask }", "financial: { action: flag }");
}

#[test]
fn addresses_let_through_are_noticed() {
    noticed("pii: { action: redact }", "pii: { action: flag }", "secrets in a result");
}

#[test]
fn definitions_that_may_change_are_noticed() {
    if !testkit::layers::are_there() {
        return;
    }
    let risk =
        "accept_risk:\n  - { control: supply.pinning, where: server/sample, reason: tested, owner: ana, until: 2099-01-01 }\ninspect:";
    noticed("inspect:", risk, "a definition that changed");
}

/// With `from` replaced by `to` in the configuration, the step `name` and no other goes wrong, and so does the whole.
#[track_caller]
/// What makes a result confidential passes only to who is cleared for that.
fn passed_to_the_cleared(from: &str, to: &str) {
    noticed_after(
        &[(from, to), ("members: [\"agent:visitor\"]", "members: [\"agent:visitor\"]\n    clearance: confidential")],
        "secrets in a result",
    );
}

fn noticed(from: &str, to: &str, name: &str) {
    noticed_after(&[(from, to)], name);
}

fn noticed_after(changes: &[(&str, &str)], name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = configuration(folder.path());
    for (from, to) in changes {
        assert!(config.contains(from), "not in the configuration: {from}\n{config}");
        config = config.replacen(from, to, 1);
    }
    let path = folder.path().join("bastide.yaml");
    std::fs::write(&path, config).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (code, story) = play(folder.path());
    let wrong: Vec<_> = story["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false).map(|step| &step["name"]).collect();
    assert_eq!((code, &story["ok"], wrong), (Some(1), &Value::Bool(false), vec![&Value::from(name)]), "{story:#}");
}

/// The configuration that `try` writes for `folder`, with nothing else left there.
fn configuration(folder: &Path) -> String {
    let (code, _) = play(folder);
    assert_eq!(code, Some(0));
    let text = std::fs::read_to_string(folder.join("bastide.yaml")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    text
}

fn play(folder: &Path) -> (Option<i32>, Value) {
    let mut command = program();
    let output = testkit::run(command.args(["try", "--json", "--folder"]).arg(folder), b"");
    let story = serde_json::from_slice(&output.stdout);
    (output.status.code(), story.unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn bastide(arguments: &[&str], folder: &Path) -> Output {
    testkit::run(program().args(arguments).arg("--config").arg(folder.join("bastide.yaml")), b"")
}

fn program() -> Command {
    let mut command = Command::new(testkit::binary("bastide", "bastide"));
    command.env("NO_COLOR", "1").env_remove("BASTIDE_CONFIG");
    command
}
