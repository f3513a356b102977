//! `data.pii`: an operator's own patterns and words are found, and false alarms are let pass for a time and no longer.

use super::planted;
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
