//! The verbs that need no gateway, through the built program: exit codes, the shapes that scripts rely on, and what must never be printed or written.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use testkit::pki::Authority;

/// A home folder with a configuration in it.
struct Home(tempfile::TempDir);

const CONFIG: &str = "\
profile: local
state: {root}/state
listen:
  data:  { address: 127.0.0.1:18420 }
  admin: { address: 127.0.0.1:18421 }
people:
  - { name: ana, may: [view, approve, operate, audit, kill] }
servers:
  files: { run: [/bin/cat] }
  github: { url: https://mcp.example.com/mcp, auth: { bearer: vault:github/token } }
roles:
  coder:
    members: [\"agent:coder\"]
    allow: { files: [\"read_*\"] }
";

impl Home {
    /// Nothing in it.
    fn empty() -> Self {
        Self(tempfile::Builder::new().prefix("bastide-cli-").tempdir().unwrap())
    }

    fn new() -> Self {
        let home = Self::empty();
        let text = CONFIG.replace("{root}", home.path("").display().to_string().trim_end_matches('/'));
        fs::write(home.path("bastide.yaml"), text).unwrap();
        fs::set_permissions(home.path("bastide.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("bastide.yaml")).unwrap();
        assert!(text.contains(from));
        fs::write(self.path("bastide.yaml"), text.replace(from, to)).unwrap();
    }

    fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bastide"));
        command.args(arguments).current_dir(self.0.path()).env("HOME", self.path("home")).env("NO_COLOR", "1");
        command.env_remove("BASTIDE_CONFIG").env_remove("XDG_CONFIG_HOME");
        command
    }

    fn with(&self, arguments: &[&str], input: &[u8]) -> Output {
        testkit::run(self.bare(arguments).arg("--config").arg(self.path("bastide.yaml")), input)
    }

    /// The code and the JSON answer.
    fn json(&self, arguments: &[&str], input: &[u8]) -> (i32, Value) {
        let output = self.with(&[arguments, &["--json"]].concat(), input);
        let said = String::from_utf8(output.stdout).unwrap();
        let value = if said.is_empty() { Value::Null } else { serde_json::from_str(&said).unwrap() };
        (output.status.code().unwrap(), value)
    }

    /// The JSON answer of what must go well.
    fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.with(&[arguments, &["--json"]].concat(), b"");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The code of what must not, and what was said about it.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.with(arguments, b"");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.with(arguments, b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The members of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().any(|entry| holds(&entry.path(), needle)),
        Err(_) => fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle)),
    }
}

#[test]
fn init_writes_once_what_then_loads() {
    let home = Home::empty();
    fs::create_dir(home.path("home")).unwrap();
    let output = testkit::run(home.bare(&["init", "--json"]).arg("--profile").arg("local"), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let config = PathBuf::from(answer["config"].as_str().unwrap());
    assert_eq!(config, home.path("home/.config/bastide/bastide.yaml"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&config), mode(Path::new(answer["state"].as_str().unwrap()))), (0o600, 0o700));
    assert!(fs::read_to_string(&config).unwrap().starts_with("# yaml-language-server: $schema=./bastide.schema.json"));
    assert!(config.with_file_name("bastide.schema.json").exists());
    let before = fs::read(&config).unwrap();
    let again = testkit::run(&mut home.bare(&["init"]), b"");
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read(&config).unwrap(), before);
    let alone = testkit::run(&mut home.bare(&[]), b"");
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    assert_eq!(String::from_utf8(alone.stdout).unwrap().lines().count(), 5);
}

#[test]
fn without_a_configuration_it_says_what_writes_one() {
    let home = Home::empty();
    fs::write(home.path("bastide.yaml"), "profile: local\n").unwrap();
    let output = testkit::run(&mut home.bare(&["token", "list"]), b"");
    assert_eq!(output.status.code(), Some(2), "a file in the working folder was used");
    assert!(String::from_utf8_lossy(&output.stderr).contains("bastide init"));
}

#[test]
fn every_fault_of_the_file_is_told_with_its_place() {
    let home = Home::new();
    home.edit("allow: { files", "alow: { files");
    home.edit("profile: local", "profile: lokal");
    for verb in [&["policy", "check"][..], &["token", "list"], &["server", "list"], &["serve"]] {
        let (code, said) = home.refused(verb);
        assert_eq!(code, 2, "{verb:?}");
        assert!(said.contains("bastide.yaml:1:10") && said.contains("did you mean \"allow\"?"), "{said}");
    }
}

#[test]
fn usage_errors_are_2() {
    let home = Home::new();
    for wrong in [
        &["nonsense"][..],
        &["kill", "--all"],
        &["kill", "--reason", "x"],
        &["kill", "--all", "--server", "files", "--reason", "x"],
        &["token", "issue"],
        &["token", "issue", "--principal", "coder"],
        &["token", "issue", "--principal", "agent:coder", "--ttl", "25h"],
        &["token", "issue", "--principal", "agent:coder", "--servers", "nope"],
        &["token", "show", "T-1"],
        &["secret", "put", "github"],
        &["audit", "show", "--since", "yesterday"],
        &["audit", "show", "--kind", "gossip"],
        &["explain", "C-"],
        &["inspect", "--task", "pii"],
        &["inspect", "--server", "nope"],
        &["inspect", "report"],
        &["init", "--profile", "production"],
    ] {
        let (code, said) = home.refused(wrong);
        assert_eq!(code, 2, "{wrong:?}: {said}");
        assert!(!said.is_empty());
    }
}

#[test]
fn a_token_is_issued_listed_and_taken_back_without_a_gateway() {
    let home = Home::new();
    let issued = home.ok(&["token", "issue", "--principal", "agent:coder", "--ttl", "2h"]);
    assert_eq!(keys(&issued), ["expires_at", "id", "token"]);
    let id = issued["id"].as_str().unwrap();
    let listed = home.ok(&["token", "list"]);
    assert_eq!(listed["tokens"][0]["servers"], serde_json::json!(["files"]), "{listed}");
    let shown = home.ok(&["token", "show", &id[..8]]);
    assert_eq!((&shown["id"], &shown["revoked"]), (&issued["id"], &Value::Null));
    home.ok(&["token", "revoke", id]);
    assert!(home.ok(&["token", "show", id])["revoked"].is_string());
    assert!(!holds(&home.path("state"), issued["token"].as_str().unwrap().as_bytes()), "the token was kept");
}

#[test]
fn a_secret_goes_in_by_standard_input_and_is_never_seen_again() {
    let home = Home::new();
    let value = b"hunter2-and-some-more";
    let (code, kept) = home.json(&["secret", "put", "github/token"], &[value, &b"\n"[..]].concat());
    assert_eq!((code, &kept["address"], &kept["version"]), (0, &Value::from("vault:github/token"), &Value::from(1)));
    fs::write(home.path("value"), "another-value-of-it\n").unwrap();
    let from = home.path("value").display().to_string();
    assert_eq!(home.ok(&["secret", "put", "vault:github/token", "--from-file", &from])["version"], 2);
    let listed = home.ok(&["secret", "list"]).to_string();
    assert!(listed.contains("vault:github/token") && !listed.contains("hunter2") && !listed.contains("another-value"), "{listed}");
    assert!(!holds(&home.path("state"), value) && !holds(&home.path("state"), b"another-value-of-it"));
    assert_eq!(home.json(&["secret", "put", "github/token"], b"\n").0, 2, "an empty value was taken");
    home.ok(&["secret", "remove", "github/token"]);
    assert_eq!(home.json(&["secret", "remove", "github/token"], b"").0, 2);
}

#[test]
fn a_kill_without_a_gateway_is_kept_until_it_is_released() {
    let home = Home::new();
    let cut = home.ok(&["kill", "--principal", "agent:codex", "--reason", "token in paste"]);
    assert_eq!(keys(&cut), ["ended_calls", "ended_sessions", "ms", "scope"]);
    assert_eq!((&cut["scope"], &cut["ended_calls"]), (&Value::from("agent:codex"), &Value::from(0)));
    assert_eq!(home.ok(&["release", "--principal", "agent:codex", "--reason", "replaced"])["scope"], "agent:codex");
    assert_eq!(home.json(&["release", "--principal", "agent:codex", "--reason", "again"], b"").0, 2);
    assert_eq!(home.json(&["kill", "--all", "--reason", " "], b"").0, 2, "a kill without a reason");
}

#[test]
fn acts_are_on_record_and_the_record_verifies() {
    let home = Home::new();
    home.ok(&["kill", "--all", "--reason", "drill"]);
    home.ok(&["release", "--all", "--reason", "over"]);
    let acts = home.lines(&["audit", "show", "--kind", "act"]);
    let names: Vec<_> = acts.iter().map(|act| act["act"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["kill", "release"]);
    assert_eq!(acts[0]["act"]["outcome"], "ok");
    assert_eq!(home.lines(&["audit", "show", "--raw"]).len(), 4);
    assert_eq!(home.lines(&["audit", "show", "--limit", "1"])[0]["act"]["name"], "release");
    assert!(home.lines(&["audit", "show", "--session", "S-00000"]).is_empty());

    let report = home.ok(&["audit", "verify"]);
    assert_eq!(keys(&report), ["checkpoint", "key_from", "ok", "problems", "records"]);
    assert_eq!((&report["ok"], &report["records"], &report["key_from"]), (&Value::from(true), &Value::from(4), &Value::from("folder")));
    let log = home.path("state/audit");
    let key = log.join("log.pub").display().to_string();
    let given = home.ok(&["audit", "verify", &log.display().to_string(), "--key", &key]);
    assert_eq!(given["key_from"], "given");

    let reference = acts[0]["request"].as_str().unwrap();
    let proof = home.ok(&["audit", "prove", &reference[..9]]);
    assert_eq!(proof["records"].as_array().unwrap().len(), 2);
    let pack = home.path("pack.jsonl");
    assert_eq!(home.ok(&["audit", "export", "--bundle", &pack.display().to_string()])["records"], 4);
    assert_eq!(fs::read_to_string(&pack).unwrap().lines().count(), 5);
    assert_eq!(home.lines(&["audit", "export"]).len(), 4);

    let said = String::from_utf8(home.with(&["explain", reference], b"").stdout).unwrap();
    assert!(said.contains("kill by") && said.contains("index 0"), "{said}");
    assert_eq!(home.json(&["explain", "C-ZZZZZ"], b"").0, 1);
}

#[test]
fn a_log_that_was_changed_is_a_no() {
    let home = Home::new();
    home.ok(&["kill", "--all", "--reason", "drill"]);
    let copy = home.path("copy");
    let copied = Command::new("cp").arg("-r").arg(home.path("state/audit")).arg(&copy).status().unwrap();
    assert!(copied.success());
    let folder = copy.display().to_string();
    assert_eq!(home.json(&["audit", "verify", &folder], b"").0, 0);
    fs::write(copy.join("stranger"), "x").unwrap();
    let (code, report) = home.json(&["audit", "verify", &folder], b"");
    assert_eq!((code, &report["ok"]), (1, &Value::from(false)));
    assert!(report["problems"][0]["file"].as_str().unwrap().contains("stranger"));
    assert_eq!(home.json(&["audit", "verify", "/nowhere"], b"").0, 2);
}

#[test]
fn the_rules_are_checked_and_printed() {
    let home = Home::new();
    let answer = home.ok(&["policy", "check"]);
    assert_eq!((&answer["ok"], &answer["rules"]), (&Value::from(true), &Value::from(1)));
    let text = String::from_utf8(home.with(&["policy", "check", "--as-text"], b"").stdout).unwrap();
    assert!(text.contains("coder (agent:coder) may use read_* on files; nothing else."), "{text}");
    let cedar = String::from_utf8(home.with(&["policy", "check", "--as-cedar"], b"").stdout).unwrap();
    assert!(cedar.contains("bastide.yaml:14") && cedar.contains("permit (principal in Role::\"coder\""), "{cedar}");
    fs::create_dir(home.path("policies")).unwrap();
    fs::write(home.path("policies/x.cedar"), "permit (principal, action, nonsense);").unwrap();
    let (code, said) = home.refused(&["policy", "check"]);
    assert!(code == 2 && said.contains("x.cedar:1"), "{said}");
}

#[test]
fn a_supposed_call_to_what_nobody_approved_is_a_no() {
    let home = Home::new();
    let (code, answer) = home.json(&["explain", "--as", "agent:coder", "files__read_file", "{}"], b"");
    assert_eq!((code, &answer["allowed"], &answer["code"]), (1, &Value::from(false), &Value::from("supply.allowlist/unapproved")));
    assert_eq!(answer["decided"][0]["place"], "bastide.yaml:14");
    assert_eq!(home.json(&["explain", "--as", "agent:coder", "nope__x"], b"").0, 2);
    assert_eq!(home.json(&["explain", "--as", "agent:coder", "files__x", "[]"], b"").0, 2);
}

#[test]
fn servers_and_sessions_are_listed_without_a_gateway() {
    let home = Home::new();
    let answer = home.ok(&["server", "list"]);
    assert_eq!((&answer["running"], &answer["servers"][0]["name"]), (&Value::from(false), &Value::from("files")));
    assert_eq!(answer["servers"][0]["state"], "unverified");
    assert_eq!(home.ok(&["server", "show", "github"])["configured"]["secrets"], serde_json::json!([]));
    assert_eq!(home.json(&["server", "show", "nope"], b"").0, 2);
    assert_eq!(home.ok(&["session", "list"]), serde_json::json!({ "sessions": [] }));
}

#[test]
fn doctor_names_what_mends_what_does_not_hold() {
    let home = Home::new();
    home.ok(&["secret", "list"]);
    let (code, answer) = home.json(&["doctor"], b"");
    assert_eq!((code, &answer["ok"]), (1, &Value::from(false)));
    let findings = answer["findings"].as_array().unwrap();
    let next: Vec<_> = findings.iter().filter_map(|finding| finding["next"].as_str()).collect();
    assert!(next.contains(&"bastide secret put github/token") && next.contains(&"bastide lock"), "{next:?}");
    fs::set_permissions(home.path("state"), fs::Permissions::from_mode(0o750)).unwrap();
    let (_, answer) = home.json(&["doctor"], b"");
    assert!(answer.to_string().contains("chmod 700"), "{answer}");
    home.edit("profile: local", "profile: lokal");
    let (code, answer) = home.json(&["doctor"], b"");
    assert_eq!((code, &answer["findings"][0]["name"]), (1, &Value::from("config")));
}

#[test]
fn doctor_looks_at_what_remote_servers_are_known_by_and_shown() {
    let (home, authority) = (Home::new(), Authority::new("inside"));
    let day = Duration::from_secs(24 * 3600);
    let root = home.path("").display().to_string();
    home.edit(
        "auth: { bearer: vault:github/token }",
        &format!(
            "auth: {{ certificate: {{ chain: {root}ours.pem, key: vault:github/key }} }}, tls: {{ ca: {root}ca.pem, crl: {root}crl.pem }}"
        ),
    );
    home.edit(
        "people:\n",
        "telemetry: { otlp: \"https://otel.example.com\", headers: { authorization: vault:telemetry/token } }\npeople:\n",
    );
    let ours = authority.client("spiffe://example.org/gateway");
    let good =
        [("ours.pem", ours.certificate.clone()), ("ca.pem", authority.pem().to_owned()), ("crl.pem", authority.taken_back(&[], day))];
    let put = |name: &str, text: &str| fs::write(home.path(name), text).unwrap();
    good.iter().for_each(|(name, text)| put(name, text));
    home.ok(&["secret", "list"]);
    let found = |name: &str| -> Vec<(String, String)> {
        let (_, answer) = home.json(&["doctor"], b"");
        let findings = answer["findings"].as_array().unwrap().iter().filter(|finding| finding["name"] == name);
        let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        findings.map(|finding| (of(finding, "standing"), format!("{} {}", of(finding, "detail"), of(finding, "next")))).collect()
    };
    let tls = found("tls");
    assert!(tls.len() == 3 && tls.iter().all(|(standing, _)| standing == "ok"), "{tls:?}");
    // What the vault lacks is named with what puts it there, until it is.
    for reference in ["github/key", "telemetry/token"] {
        let lacks = || found("vault").iter().any(|(_, said)| said.contains(&format!("bastide secret put {reference}")));
        assert!(lacks(), "{reference}: {:?}", found("vault"));
        assert!(home.with(&["secret", "put", reference], b"a value").status.success());
        assert!(!lacks(), "{reference}: {:?}", found("vault"));
    }
    let ended = authority.leaf(|parameters| parameters.not_after = (SystemTime::now() - Duration::from_secs(5)).into());
    let future = authority.leaf(|parameters| parameters.not_before = (SystemTime::now() + day / 2).into());
    let cases: [(&str, &str, &str, &str); 7] = [
        ("ours.pem", "nothing", "auth.certificate.chain", "is not PEM with a certificate"),
        ("ours.pem", &ended.certificate, "auth.certificate.chain", "ended"),
        ("ours.pem", &future.certificate, "auth.certificate.chain", "begins in"),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "tls.ca", "cannot be read"),
        ("ca.pem", &ours.key, "tls.ca", "is not PEM with a certificate"),
        ("crl.pem", authority.pem(), "tls.crl", "is not PEM with a list"),
        ("crl.pem", &authority.taken_back(&[], Duration::ZERO), "tls.crl", "ended"),
    ];
    for (file, text, key, wanted) in cases {
        put(file, text);
        let tls = found("tls");
        let problems: Vec<_> = tls.iter().filter(|(standing, _)| standing == "problem").collect();
        assert!(
            matches!(problems.as_slice(), [(_, said)] if said.starts_with(&format!("servers.github.{key}: ")) && said.contains(wanted)),
            "{file}: {tls:?}"
        );
        good.iter().for_each(|(name, text)| put(name, text));
    }
    fs::remove_file(home.path("ca.pem")).unwrap();
    assert!(found("tls").iter().any(|(_, said)| said.starts_with("servers.github.tls.ca: ") && said.contains("cannot be read")));
}

#[test]
fn the_screens_answer_line_by_line() {
    let home = Home::empty();
    let input = "{\"id\":1,\"task\":\"secrets\",\"text\":\"key AKIAIOSFODNN7EXAMPLF ok\"}\nnonsense\n{\"id\":2,\"task\":\"weather\",\"text\":\"\"}\n";
    let output = testkit::run(&mut home.bare(&["inspect", "--stdin-jsonl"]), input.as_bytes());
    assert!(output.status.success());
    let lines: Vec<Value> = String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["id"], 1);
    assert!(lines[0]["spans"].is_array() && lines[1]["error"].is_string() && lines[2]["unsupported"] == true);
}

#[test]
fn shells_editors_and_manuals_are_served() {
    let home = Home::empty();
    let said = |arguments: &[&str]| {
        let output = testkit::run(&mut home.bare(arguments), b"");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let schema: Value = serde_json::from_str(&said(&["schema"])).unwrap();
    assert!(schema["properties"]["servers"].is_object());
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("bastide"), "{shell}");
    }
    let page = said(&["man"]);
    assert!(page.contains(".TH") && page.contains("BASTIDE AUDIT VERIFY"));
    assert!(said(&["token", "issue", "--help"]).contains("Example:"));
}

#[test]
fn nothing_is_coloured_for_a_pipe() {
    let home = Home::new();
    for arguments in [&["doctor"][..], &["policy", "check"], &["server", "list"], &[]] {
        let mut command = home.bare(arguments);
        command.env_remove("NO_COLOR").arg("--config").arg(home.path("bastide.yaml"));
        let output = testkit::run(&mut command, b"");
        assert!(!output.stdout.contains(&0x1b), "{arguments:?}");
    }
}
