//! `data.pii`: what names, reaches or identifies a person is taken out wherever a server says it, and told apart by number.

use super::planted;
use serde_json::{Value, json};
use testkit::World;

const PERSON: &str = "Customer: Jane Doe, jane.doe@example.com, phone +1 202 555 0143, SSN 536-90-4399";
const VALUES: [&str; 4] = ["Jane Doe", "jane.doe@example.com", "202 555 0143", "536-90-4399"];

#[test]
fn nothing_of_a_person_comes_through_wherever_it_is_said() {
    let world = planted::setup(PERSON, "").start();
    for (place, said) in planted::everywhere(&world) {
        let said = said.to_string();
        for value in VALUES {
            assert!(!said.contains(value), "{place}: {value}: {said}");
        }
        assert!(said.contains("Customer:") && said.contains("«redacted: person #1»"), "what is left can be read: {place}: {said}");
    }
    for value in VALUES {
        assert!(!world.holds("state", value.as_bytes()), "{value} was kept");
    }
    planted::call(&world, "echo", "result");
    let found = planted::obligations(&world);
    assert!(found.contains(&("pii".into(), "person".into(), "redact".into())), "{found:?}");
}

#[test]
fn what_is_no_person_passes() {
    let text = "Release 2.4.1 of 2026-03-14 fixed ticket 48213: 17 tests in 3.2 s, commit 1a2b3c4d5e6f, port 8420.";
    let world = planted::setup(text, "").start();
    assert_eq!(planted::call(&world, "echo", "result").text(), text);
}

#[test]
fn the_same_value_has_the_same_number_in_text_and_structure() {
    let world = planted::setup("a@x.example.org, b@x.example.org, again A@x.example.org", "").start();
    let answer = planted::call(&world, "echo", "twice");
    let marked = "«redacted: email #1», «redacted: email #2», again «redacted: email #1»";
    assert_eq!(answer.result()["structuredContent"]["about"], marked, "{}", answer.0);
    let text: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(text, answer.result()["structuredContent"], "the text is JSON that says the same");
}

#[test]
fn structured_content_stays_true_to_its_schema() {
    let world = planted::setup(PERSON, "").start();
    let answer = planted::call(&world, "typed", "card");
    let content = &answer.result()["structuredContent"];
    assert!(content["card"].is_u64() && content["card"] != 4_111_111_111_111_111_u64, "{}", answer.0);
    let mail = content["mail"].as_str().unwrap();
    assert!(!mail.contains("jane"), "{}", answer.0);
    assert_eq!(
        answer.result()["_meta"]["dev.bastide/stand-ins"],
        json!(["/card"]),
        "the client is told what is not the server's: {}",
        answer.0
    );
}

#[test]
fn what_cannot_be_shown_without_it_is_withheld() {
    let world = planted::setup(PERSON, "").start();
    let answer = planted::call(&world, "typed", "kind");
    assert_eq!(answer.refused(), "intent.output-screening/unfit", "{}", answer.0);
    assert!(!answer.0.to_string().contains("536-90-4399"), "{}", answer.0);
    let record = world.record(answer.reference());
    assert!(record["detail"]["cause"].as_str().unwrap().contains("/kind"), "{record}");
}

#[test]
fn what_could_not_be_looked_through_does_not_pass() {
    let nested = (0..7).fold(PERSON.to_owned(), |text, _| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    });
    let world = planted::setup(&nested, "").start();
    let answer = planted::call(&world, "echo", "result");
    assert_eq!(answer.refused(), "intent.input-screening/fault", "{}", answer.0);
}

/// What a call gives back where the preset is `preset`, and the server's entry has these lines.
fn told(preset: &str, more: &str, text: &str) -> String {
    let world = planted::setup(text, more).section("inspect", preset).start();
    planted::call(&world, "echo", "result").text()
}

#[test]
fn presets_say_what_passes_from_where() {
    let text = "Customer: Jane Doe, jane.doe@example.com, SSN 536-90-4399, card 4111 1111 1111 1111";
    let of = |preset: &str, more: &str| told(preset, more, text);
    let strict = of("preset: strict", "label: public");
    assert!(VALUES.iter().all(|value| !strict.contains(value)) && !strict.contains("1111"), "{strict}");
    let public = of("preset: balanced", "label: public");
    assert!(public.contains("Jane Doe, jane.doe@example.com, SSN «redacted: us-ssn #1», card •••• 1111"), "{public}");
    let strangers = of("preset: balanced", "label: public\ntrust: external");
    assert!(strangers.contains("Jane Doe, «redacted: email #1»"), "{strangers}");
    let restricted = of("preset: balanced", "label: restricted");
    assert!(VALUES.iter().all(|value| !restricted.contains(value)) && !restricted.contains("1111"), "{restricted}");
    let explicit = of("{ preset: strict, pii: { action: flag } }", "");
    assert!(explicit.contains("Jane Doe") && explicit.contains("536-90-4399") && !explicit.contains("4111"), "{explicit}");
}

#[test]
fn who_is_given_credit_stays_readable_for_code() {
    let text = "commit 1a2b3c4d\nAuthor: Jane Doe <jane.doe@example.com>\n\n    Call Customer: John Miller, SSN 536-90-4399\n\n    Signed-off-by: Ana Lima <ana@example.org>";
    let code = told("preset: code", "", text);
    assert!(code.contains("Author: Jane Doe <jane.doe@example.com>") && code.contains("Ana Lima <ana@example.org>"), "{code}");
    assert!(!code.contains("John Miller") && !code.contains("536-90-4399"), "{code}");
    let restricted = told("preset: code", "label: restricted", text);
    assert!(!restricted.contains("Jane Doe") && !restricted.contains("ana@example.org"), "{restricted}");
    let balanced = told("preset: balanced", "", text);
    assert!(!balanced.contains("Jane Doe") && balanced.contains("Author: «redacted: person #1» <«redacted: email #1»>"), "{balanced}");
}

#[test]
fn a_preset_that_is_none_is_refused() {
    let mut world = World::new();
    world.stop();
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("{text}\ninspect: {{ preset: relaxed }}\n")).unwrap();
    assert_eq!(world.serve_in_vain(), Some(2));
}

#[test]
fn what_tools_are_called_is_no_data() {
    let tool = json!({"name": "rich", "title": "Rich", "description": "Asks Martha Ellison, 41 Elm Street, martha@birchwood-lane.org.", "inputSchema": {"type": "object",
        "properties": {"Jane Doe": {"type": "string"}, "Martha Ellison": {"type": "string"}}}});
    let script = json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "tools": [tool], "acts": {}}).to_string();
    let world = World::with()
        .file("box/rich.json", &script)
        .server("rich", "run: [{bin}/evil-server, --script, {box}/rich.json]\nsandbox: { read: [{bin}], write: [{box}] }")
        .role("tester", "members: [\"agent:tester\"]\nallow: { rich: [\"*\"] }")
        .section("inspect", "preset: strict")
        .start();
    let mut agent = world.agent();
    let listed = agent.ask("tools/list", json!({}));
    let shown = listed.result()["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "rich__rich").unwrap();
    assert_eq!((&shown["title"], &shown["inputSchema"]), (&tool["title"], &tool["inputSchema"]), "{}", listed.0);
    assert_eq!(shown["description"], tool["description"]);
}

#[test]
fn people_of_whom_no_list_knows_do_not_come_through() {
    let said = [
        ("ticket of Qorvan Zeldriff, q.zeldriff@mail.example.org", "Zeldriff"),
        ("ΑΜΚΑ: 23017804792", "23017804792"),
        ("{\"kind\": \"citizen\", \"label\": \"Personal ID\", \"value\": \"88213-4471\"}", "88213-4471"),
        ("Ημερομηνία γέννησης 7/3/1991", "7/3/1991"),
        ("נייד: 052-233-6593", "052-233-6593"),
        ("lives at Vinohradská 48, 120 00 Praha 2 since May", "Vinohradská"),
    ];
    for (text, value) in said {
        let world = planted::setup(text, "").start();
        let answer = planted::call(&world, "echo", "result").text();
        assert!(!answer.contains(value) && answer.contains("«redacted: "), "{text}: {answer}");
    }
}

#[test]
fn a_number_whose_check_digits_are_wrong_is_nobodys() {
    let text = "BSN 123456789 is refused; An Aho-Corasick automaton; Grace Hopper Celebration; at 1531590545089 ms; f'@functools.cache'";
    let world = planted::setup(text, "").start();
    assert_eq!(planted::call(&world, "echo", "result").text(), text);
}
