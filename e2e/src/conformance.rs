//! What the conformance suite finds, and what of it is lost on the way through the gateway.

use crate::Peers;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use testkit::run;

/// Each check of the suite by scenario and id, with how often it passed and failed.
pub type Outcome = BTreeMap<(String, String), (usize, usize)>;

/// Runs the suite with `arguments`, its results below `out`.
pub fn suite(peers: &Peers, out: &Path, arguments: &[&str]) -> Output {
    std::fs::create_dir_all(out).expect("a folder that can be written");
    let mut command = Command::new(peers.node("conformance"));
    command.args(arguments).arg("-o").arg(out).current_dir(out);
    run(peers.prepare(&mut command).env("HOME", out), b"")
}

/// What the suite left below `out`; `output` is what it said. Panics when that is no check at all.
pub fn read(out: &Path, output: &Output) -> Outcome {
    let mut found = Outcome::new();
    for entry in std::fs::read_dir(out).expect("a folder of results").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `server-NAME-2026-11-21T10-37-26-151Z`: a folder a scenario and run.
        let scenario = name.rsplitn(7, '-').last().unwrap_or(&name).to_owned();
        let Ok(text) = std::fs::read_to_string(entry.path().join("checks.json")) else { continue };
        let checks: Vec<Value> = serde_json::from_str(&text).expect("a list of checks");
        for check in checks.iter().filter(|check| !["INFO", "SKIPPED"].iter().any(|status| check["status"] == *status)) {
            let counts = found.entry((scenario.clone(), check["id"].as_str().unwrap_or_default().to_owned())).or_default();
            if check["status"] == "SUCCESS" { counts.0 += 1 } else { counts.1 += 1 }
        }
    }
    assert!(!found.is_empty(), "no checks: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    found
}

/// How many checks passed and failed.
pub fn score(outcome: &Outcome) -> (usize, usize) {
    outcome.values().fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1))
}

/// Panics unless what went well directly and did not through the gateway is what `expected` lists: `scenario/check: why`, one a line.
pub fn compare(direct: &Outcome, through: &Outcome, expected: &str) {
    let lines = expected.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let expected: BTreeSet<&str> = lines.map(|line| line.split_once(": ").expect("a check, then why").0).collect();
    let differs = worse(direct, through);
    let new: Vec<_> = differs.iter().filter(|(check, _)| !expected.contains(check.as_str())).collect();
    assert!(new.is_empty(), "{} checks differ: {new:#?}", new.len());
    let gone: Vec<_> = expected.iter().filter(|check| !differs.contains_key(**check)).collect();
    assert!(gone.is_empty(), "these are bridged now, so their lines can go: {gone:#?}");
}

/// The checks that went well directly and did not through the gateway, as `scenario/check`, with how often they passed and failed.
fn worse(direct: &Outcome, through: &Outcome) -> BTreeMap<String, String> {
    let lost = |((scenario, check), outcome): (&(String, String), &(usize, usize))| {
        let seen = through.get(&(scenario.clone(), check.clone())).copied();
        let good = seen.is_some_and(|seen| seen.0 >= outcome.0 && seen.1 <= outcome.1);
        let scenario = scenario.strip_prefix("server-").unwrap_or(scenario);
        (!good).then(|| (format!("{scenario}/{check}"), format!("{outcome:?}, through the gateway {seen:?}")))
    };
    direct.iter().filter_map(lost).collect()
}
