//! `data.pii`: an operator's own patterns and words are found, and false alarms are let pass for a time and no longer.

use super::planted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use testkit::World;

const TEXT: &str = "Ticket of E-204311 about project umber, asked by jane.doe@example.com";

#[test]
fn patterns_and_words_of_the_operator_are_taken_out() {
    let custom = "pii: { custom: [{ name: employee-id, pattern: 'E-[0-9]{6}' }, { name: code-name, words: [Project Umber] }] }";
    let world = planted::setup(TEXT, "label: public").section("inspect", custom).start();
    let text = planted::call(&world, "echo", "result").text();
    assert_eq!(text, "Ticket of «redacted: employee-id #1» about «redacted: code-name #1», asked by jane.doe@example.com");
    world.agent().call("canary__echo", serde_json::json!({"text": "E-204311"}));
    assert!(!world.holds("state/audit", b"E-204311"), "it was kept");
}

#[test]
fn what_is_suppressed_passes_there_and_nowhere_else() {
    let entry = |more: &str, until: &str| {
        format!("suppress: [{{ kind: email, server: odd, {more}reason: a public mailbox, owner: ana, until: {until} }}]")
    };
    let of = |suppress: String| {
        let world = planted::setup(TEXT, "").section("inspect", &suppress).start();
        let canary = world.agent().call("canary__echo", serde_json::json!({"text": "jane.doe@example.com"}));
        assert_eq!(canary.text(), "«redacted: email #1»", "another server is another matter");
        let found = planted::call(&world, "echo", "result").text();
        let kept = planted::obligations(&world);
        assert!(kept.iter().any(|(_, kind, _)| kind == "email"), "it stays on record: {kept:?}");
        (found.contains("jane.doe@example.com"), std::fs::read_to_string(world.path("serve.log")).unwrap_or_default())
    };
    assert!(of(entry("", "2099-12-31")).0);
    assert!(of(entry("tool: 'ec*', ", "2099-12-31")).0);
    assert!(!of(entry("tool: typed, ", "2099-12-31")).0, "another tool is another matter");
    let (passed, said) = of(entry("", "2020-01-01"));
    assert!(!passed && said.contains("the suppression of email at odd ended on 2020-01-01"), "{said}");
}

#[test]
fn what_could_not_be_held_is_refused_at_the_start() {
    for bad in [
        "pii: { custom: [{ name: x, pattern: '(' }] }",
        "pii: { custom: [{ name: x, pattern: 'a*' }] }",
        "pii: { custom: [{ name: x }] }",
        "pii: { custom: [{ name: 'a b', pattern: 'abc' }] }",
        "suppress: [{ kind: email, server: nobody, reason: x, owner: ana, until: 2099-12-31 }]",
        "suppress: [{ kind: email, server: canary, reason: ' ', owner: ana, until: 2099-12-31 }]",
        "suppress: [{ kind: email, server: canary, reason: x, until: 2099-12-31 }]",
    ] {
        let mut world = World::new();
        world.stop();
        let text = std::fs::read_to_string(world.config()).unwrap();
        std::fs::write(world.config(), format!("{text}\ninspect: {{ {bad} }}\n")).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{bad}");
    }
}

const KEY: &str = "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";
const OWN: &str = "pii: { custom: [{ name: employee-id, pattern: 'E-[0-9]{6}' }] }";

/// The exit code and the answer of a verb, with `input` on its standard input.
fn answered(world: &World, line: &[&str], input: &str) -> (i32, Value, String) {
    let output = testkit::run(&mut world.command(&[line, &["--json"]].concat()), input.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), said)
}

fn rows(answer: &Value) -> &[Value] {
    answer["findings"].as_array().unwrap()
}

fn row<'a>(answer: &'a Value, kind: &str) -> &'a Value {
    rows(answer).iter().find(|row| row["kind"] == kind).unwrap()
}

#[test]
fn what_is_found_is_shown_with_its_reasons_and_never_its_value() {
    let world = World::with().section("inspect", OWN).write();
    let packed = STANDARD.encode(format!("the key is {KEY}, keep it"));
    let tags: String = "mail it to me".chars().map(|letter| char::from_u32(u32::from(letter) + 0xe0000).unwrap()).collect();
    let card = "4111 1111 1111 1111";
    let ssn = "Patient MRN 00482915";
    let input = format!(
        "{{\n  \"a/b\": [\"{KEY}\"],\n  \"text\": \"Ticket\\nof E-204311\", \"card\": \"{card}\",\n  \"packed\": \"{packed}\", \"note\": \"ok{tags}\",\n  \"who\": \"{ssn}\"\n}}"
    );
    let line = ["inspect", "--server", "canary", "--tool", "echo"];
    let (code, answer, said) = answered(&world, &line, &input);
    assert_eq!(code, 0, "{said}");
    let because =
        |row: &Value| row["why"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let key = row(&answer, "github-pat");
    assert_eq!((&key["line"], &key["column"], &key["path"], &key["action"]), (&json!(2), &json!(12), &json!("/a~1b/0"), &json!("redact")));
    assert!(because(key).contains(&"checksum".to_owned()) && key["rule"].as_str().unwrap().contains("`ghp_`"), "{key}");
    let encoded = rows(&answer).iter().find(|row| row["path"] == "/packed").unwrap();
    assert_eq!((&encoded["kind"], &encoded["why"][0]["views"]), (&json!("github-pat"), &json!(["base64"])), "{encoded}");
    let own = row(&answer, "employee-id");
    assert_eq!(
        (&own["line"], &own["column"], &own["rule"]),
        (&json!(3), &json!(23), &json!("your own: inspect.pii.custom, employee-id")),
        "{own}"
    );
    let paid = row(&answer, "card");
    assert_eq!((&paid["action"], because(paid)), (&json!("mask"), vec!["check-digits".to_owned()]), "{paid}");
    let told = row(&answer, "medical-record");
    assert_eq!((&told["why"][0]["reason"], &told["why"][0]["word"]), (&json!("word"), &json!("MRN")), "{told}");
    assert_eq!((&answer["hidden"][0]["path"], &answer["hidden"][0]["how"]), (&json!("/note"), &json!("unicode-tags")), "{answer}");
    let text = testkit::run(&mut world.command(&line), input.as_bytes());
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("github-pat  2:12  /a~1b/0") && text.contains("inspect.pii.custom") && text.contains("hidden text, unicode-tags"),
        "{text}"
    );
    for value in [KEY, card, "E-204311", packed.as_str(), "00482915", "mail it"] {
        assert!(!said.contains(value) && !text.contains(value), "{value} is shown");
    }

    let entry = own["suppress"].as_str().unwrap().to_owned();
    world.edit(OWN, &format!("{OWN}\n  suppress:\n    - {entry}"));
    let (_, answer, said) = answered(&world, &line, &input);
    assert_eq!(
        (&row(&answer, "employee-id")["action"], &row(&answer, "employee-id")["suppressed"]),
        (&json!("flag"), &json!(true)),
        "{said}"
    );
    let (_, answer, _) = answered(&world, &["inspect"], &input);
    assert_eq!(row(&answer, "employee-id")["action"], "redact", "it is for that server's tool alone");
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let world = World::with().write();
    let bad = testkit::run(&mut world.command(&["inspect"]), b"a\xff");
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert_eq!(answered(&world, &["inspect", "--server", "nobody"], "x").0, 2);
    let (_, answer, _) = answered(&world, &["inspect"], "{\"a\": \"jane.doe@example.com\"");
    assert_eq!((&answer["format"], &row(&answer, "email")["column"]), (&json!("text"), &json!(8)), "{answer}");
    let deep = (0..8).fold(KEY.to_owned(), |text, _| STANDARD.encode(text));
    let (_, answer, _) = answered(&world, &["inspect"], &deep);
    let unseen = rows(&answer).iter().find(|row| row["class"] == "unseen").unwrap_or_else(|| panic!("{answer:#}"));
    assert_eq!((&unseen["action"], &unseen["suppress"]), (&json!("block"), &Value::Null), "{unseen}");
    assert_eq!(answered(&world, &["inspect", "--eval"], "").0, 1, "there is no local set yet");
}

/// The reference of the last call to the planted server.
fn last(world: &World) -> String {
    let audit = world.audit();
    let call = audit.iter().rfind(|record| record["server"] == "odd" && record["obligations"].is_array()).unwrap();
    call["request"].as_str().unwrap().to_owned()
}

fn scores(world: &World, line: &[&str]) -> Value {
    let (code, answer, said) = answered(world, &[&["inspect", "--eval"], line].concat(), "");
    assert_eq!(code, 0, "{said}");
    answer
}

#[test]
fn a_false_alarm_is_reported_from_a_call_scored_and_taken_back() {
    let path = "/srv/releases/current/app.conf";
    let world = planted::setup(&format!("see {path} for more"), "").start();
    planted::call(&world, "echo", "result");
    let call = last(&world);
    let (code, answer, said) = answered(&world, &["inspect", "report", &call[..9], "--reason", "the same on every host"], "");
    assert_eq!((code, &answer["reported"]["sealed"], &answer["reported"]["kind"]), (0, &json!(true), &json!("path")), "{said}");
    let id = answer["reported"]["id"].as_str().unwrap().to_owned();
    let set = world.path("state/inspect/false-alarms.jsonl");
    assert_eq!(std::fs::metadata(&set).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(world.path("state/inspect")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!world.holds("state", path.as_bytes()), "what was withheld lies open");
    let line: Value = serde_json::from_str(std::fs::read_to_string(&set).unwrap().trim()).unwrap();
    assert_eq!((&line["text"], &line["spans"]), (&json!("see «redacted: path #1» for more"), &json!([])), "{line}");

    let answer = scores(&world, &[]);
    assert_eq!((&answer["scored"], &answer["false_alarms"], &answer["flagged"]), (&json!(1), &json!(1), &json!(1)), "{answer}");
    assert_eq!((&answer["wrong"][0]["id"], &answer["kinds"][0]["kind"]), (&json!(id), &json!("path")), "{answer}");
    assert_eq!(world.json(&["inspect", "report", "--list"])["reported"][0]["reason"], "the same on every host");

    let sealed = world.path(&format!("state/inspect/sealed/{call}"));
    let kept = std::fs::read(&sealed).unwrap();
    let mut torn = kept.clone();
    *torn.last_mut().unwrap() ^= 1;
    std::fs::write(&sealed, torn).unwrap();
    assert_eq!(answered(&world, &["inspect", "--eval"], "").0, 3, "a text that was changed is not scored");
    std::fs::write(&sealed, kept).unwrap();
    world.json(&["inspect", "report", "--remove", &id]);
    assert!(!sealed.exists());
    assert_eq!(scores(&world, &[])["records"], 0);
}

#[test]
fn a_false_alarm_whose_text_is_not_kept_says_what_to_do_and_is_scored_with_it() {
    let world = planted::setup(TEXT, "").section("inspect", OWN).start();
    planted::call(&world, "echo", "result");
    let call = last(&world);
    let report =
        |more: &[&str], input: &str| answered(&world, &[&["inspect", "report", &call, "--reason", "a ticket"], more].concat(), input);
    let (code, _, said) = report(&[], "");
    assert!(code == 2 && said.contains("pii:employee-id") && said.contains("pii:email") && said.contains("--finding 2"), "{said}");
    let finding = if said.find("employee-id").unwrap() < said.find("pii:email").unwrap() { "1" } else { "2" };
    let (code, answer, said) = report(&["--finding", finding], "");
    assert_eq!((code, &answer["reported"]["sealed"]), (0, &json!(false)), "{said}");
    assert!(answer["next"].as_str().unwrap().contains("--text < FILE"), "{said}");
    let answer = scores(&world, &[]);
    assert_eq!((&answer["records"], &answer["scored"]), (&json!(1), &json!(0)), "{answer}");
    assert!(answer["unscored"][0]["why"].as_str().unwrap().contains("--text < FILE"), "{answer}");

    let with = ["--finding", finding, "--text"];
    assert_eq!(report(&with, "nothing of it").0, 1);
    assert_eq!(report(&["--finding", "9"], "").0, 2);
    assert_eq!(report(&["--finding", finding, "--reason", " "], "").0, 2);
    let (code, answer, said) = report(&with, TEXT);
    assert_eq!((code, &answer["reported"]["sealed"]), (0, &json!(true)), "{said}");
    assert!(!world.holds("state", b"jane.doe@example.com") && !world.holds("state", b"E-204311"), "the text lies open");
    let answer = scores(&world, &[]);
    assert_eq!((&answer["found"], &answer["expected"], &answer["false_alarms"]), (&json!(1), &json!(1), &json!(1)), "{answer}");
    world.edit("E-[0-9]{6}", "EMP-[0-9]{6}");
    let answer = scores(&world, &[]);
    assert_eq!((&answer["found"], &answer["false_alarms"], &answer["wrong"]), (&json!(1), &json!(0), &json!([])), "{answer}");
}

#[test]
fn a_labelled_set_is_scored_and_what_is_wrong_with_it_named() {
    let world = World::with().write();
    let set = world.path("set.jsonl");
    let lines = [
        json!({"id": "a", "text": format!("{} jane.doe@example.com", "é".repeat(30)), "spans": [[31, 51, "email"]], "task": "pii"}),
        json!({"id": "b", "text": "nothing here", "spans": [], "task": "pii"}),
        json!({"id": "c", "text": "call the shop", "spans": [[9, 13, "person"]], "task": "pii"}),
        json!({"id": "d", "text": "jane.doe@example.com", "spans": [], "task": "pii"}),
        json!({"id": "e", "text": "jane.doe@example.com", "spans": [], "task": "secrets"}),
    ];
    std::fs::write(&set, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let answer = scores(&world, &[set.to_str().unwrap()]);
    assert_eq!(
        (&answer["precision"], &answer["recall"], &answer["negatives"], &answer["flagged"]),
        (&json!(0.5), &json!(0.5), &json!(3), &json!(1)),
        "{answer}"
    );
    let wrong: Vec<_> =
        answer["wrong"].as_array().unwrap().iter().map(|one| (one["id"].clone(), one["faults"][0]["what"].clone())).collect();
    assert_eq!(wrong, [(json!("c"), json!("missed")), (json!("d"), json!("false alarm"))]);
    assert!(!answer.to_string().contains("jane.doe"), "{answer}");
    for (bad, part) in [
        ("{\"text\": \"x\"}", ":1: `spans`"),
        ("\n{", ":2: it is not JSON"),
        ("{\"text\": \"x\", \"spans\": [[0, 9, \"a\"]]}", "within the text"),
    ] {
        std::fs::write(&set, bad).unwrap();
        let (code, _, said) = answered(&world, &["inspect", "--eval", set.to_str().unwrap()], "");
        assert!(code == 2 && said.contains(part), "{bad}: {said}");
    }
}

#[test]
fn patterns_and_suppressions_are_tested_before_they_count() {
    let suppressed = "suppress: [{ kind: email, server: canary, tool: echo, reason: a public mailbox, owner: ana, until: 2099-12-31 }]";
    let world = World::with().section("inspect", &format!("{OWN}\n{suppressed}")).write();
    let file = world.path("expected.yaml");
    let line = ["policy", "test", file.to_str().unwrap()];
    let test = |cases: &str| {
        std::fs::write(&file, format!("cases:\n{cases}")).unwrap();
        answered(&world, &line, "")
    };
    let good = "- inspect: { text: Ticket of E-204311, finds: [employee-id], not: [email], action: redact }\n\
        - inspect: { text: to jane.doe@example.com, finds: [email], action: redact }\n\
        - inspect: { text: to jane.doe@example.com, finds: [email], action: flag, server: canary, tool: echo }\n\
        - inspect: { text: card 4111 1111 1111 1111, finds: [card], action: mask }\n";
    let (code, answer, said) = test(good);
    assert_eq!((code, &answer["passed"]), (0, &json!(4)), "{said}");
    let bad = "- inspect: { text: Ticket of E-2043, finds: [employee-id] }\n\
        - inspect: { text: to jane.doe@example.com, not: [email] }\n\
        - inspect: { text: to jane.doe@example.com, finds: [email], action: flag, server: canary, tool: fail }\n";
    let (code, answer, _) = test(bad);
    let faults: Vec<_> = answer["cases"].as_array().unwrap().iter().map(|one| one["faults"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(code, 1);
    assert_eq!(faults, ["finds: no employee-id is found", "not: email is found at 4", "action: email at 4 meets redact, not flag"]);
    let said = String::from_utf8(world.run(&line).stdout).unwrap();
    assert!(said.contains("expected.yaml:2  a text is screened") && said.contains("0 of 3 cases are as expected"), "{said}");
    for (bad, place, part) in [
        ("- inspect: { text: x, finds: [email], server: nobody }\n", "expected.yaml:2", "inspect.server: there is no server `nobody`"),
        ("- inspect: { text: x, fnds: [email] }\n", "expected.yaml:2:23", "did you mean \\\"finds\\\""),
    ] {
        let (code, _, said) = test(bad);
        assert!(code == 2 && said.contains(place) && said.contains(part), "{said}");
    }
}
