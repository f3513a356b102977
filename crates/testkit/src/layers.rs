//! What this machine lacks of a sandbox, as the program itself finds it.
//!
//! Where layers are missing, as in many containers, the sample servers of a [`World`](crate::World) start in spite of it, and tests of the layers are
//! skipped with the reason. Neither happens where `BASTIDE_REQUIRE_EXTERNAL` is `1`.

use crate::process;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use terms::Utc;

/// What the program calls what `accept_risk` takes.
const NAMED: &str = "`accept_risk` can name it `";
/// How long a weakness is accepted, at most twice as long.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether servers are held by every layer here; where not, the test is skipped with the reason.
pub fn are_there() -> bool {
    let missing = missing();
    if !missing.is_empty() {
        skip(&format!("this machine lacks layers of the sandbox: {}", names(missing)));
    }
    missing.is_empty()
}

/// Says that a test is skipped and why, and has it counted.
pub fn skip(reason: &str) {
    println!("skipped: {reason}");
    let file = std::env::var_os("BASTIDE_SKIPS").and_then(|path| std::fs::OpenOptions::new().append(true).open(path).ok());
    if let Some(mut file) = file {
        let _ = writeln!(file, "{reason}");
    }
}

/// Whether what is missing must be there.
pub fn is_required() -> bool {
    std::env::var("BASTIDE_REQUIRE_EXTERNAL").is_ok_and(|value| value == "1")
}

/// The entries of `accept_risk` that let `servers` start here, a line each.
pub(crate) fn accepted<'a>(servers: impl Iterator<Item = &'a str>) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that was set").as_secs();
    let tomorrow = Utc::from_seconds(now).after(DAY).to_string();
    let until = tomorrow.split('T').next().unwrap_or_default();
    let entry = |server: &str, weakness: &str| {
        let reason = "a sample server of the tests";
        format!(
            "- {{ control: runtime.sandbox, where: server/{server}, weakness: {weakness}, reason: {reason}, owner: tests, until: {until} }}\n"
        )
    };
    servers.flat_map(|server| missing().iter().map(move |weakness| entry(server, weakness))).collect()
}

/// The weaknesses of this machine, looked for once; said once, past what hides the output of tests. None where all must be there.
fn missing() -> &'static BTreeSet<String> {
    static MISSING: OnceLock<BTreeSet<String>> = OnceLock::new();
    MISSING.get_or_init(|| {
        if is_required() {
            return BTreeSet::new();
        }
        let found = found();
        if !found.is_empty() {
            let said = "the sample servers of the tests start in spite of it, and tests of the layers are skipped";
            let _ = writeln!(std::io::stderr(), "this machine lacks layers of the sandbox ({}): {said}", names(&found));
        }
        found
    })
}

fn found() -> BTreeSet<String> {
    let folder = tempfile::Builder::new().prefix("bastide-layers-").tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    let config = folder.path().join("bastide.yaml");
    std::fs::write(&config, format!("profile: local\nstate: {}/state\n", folder.path().display())).expect("a configuration");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).expect("a configuration");
    let mut doctor = Command::new(process::binary("bastide", "bastide"));
    doctor.args(["doctor", "--json", "--config"]).arg(&config).env("HOME", folder.path());
    let output = process::run(&mut doctor, b"");
    let wrong = || String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("doctor: {fault}: {}", wrong()));
    let findings = answer["findings"].as_array().into_iter().flatten();
    let details: Vec<&str> =
        findings.filter(|finding| finding["name"] == "sandbox").filter_map(|finding| finding["detail"].as_str()).collect();
    assert!(!details.is_empty(), "doctor says nothing of the sandbox: {answer}");
    details.iter().filter_map(|detail| detail.split_once(NAMED)?.1.split('`').next()).map(str::to_owned).collect()
}

fn names(weaknesses: &BTreeSet<String>) -> String {
    weaknesses.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
