//! `access.argument-policies`: values are compared in their normal form, in every reading, with what the operator allows; text that nothing bounds is
//! known as such.

use serde_json::{Value, json};
use testkit::World;

/// A world in which the text of `echo` has these bounds.
fn bounded(bounds: &str) -> World {
    World::with().section("tools", &format!("canary__echo: {{ arguments: {{ text: {bounds} }} }}")).start()
}

fn compared(bounds: &str, fits: &[&str], odd: &[&str]) {
    let world = bounded(bounds);
    let mut agent = world.agent();
    for text in fits {
        assert_eq!(agent.call("canary__echo", json!({"text": text})).text(), *text, "{bounds}");
    }
    for text in odd {
        let refused = agent.call("canary__echo", json!({"text": text}));
        assert_eq!(refused.refused(), "access.argument-schemas/constraint", "{bounds}: {text}");
        assert!(!refused.0.to_string().contains(text) || text.len() < 8, "what was sent is not told: {}", refused.0);
    }
    assert_eq!(world.reached().len(), fits.len(), "{bounds}");
}

#[test]
fn a_pattern_holds_in_every_reading_of_a_text() {
    compared(
        "{ pattern: '^[^/:.]+$' }",
        &["report", "100% sure", "日本"],
        &["a/b", "a%2fb", "a%252fb", "a／b", "a∕b", "．．", "a%u2215b", "%c0%af", "a%25252525252fb"],
    );
}

#[test]
fn what_must_not_be_is_known_in_every_spelling() {
    compared(
        "{ not: { enum: [main, release], pattern: '^prod-' } }",
        &["feature", "mainline", "größe"],
        &["main", "MAIN", " main", "ｍａｉｎ", "m\u{430}in", "%6dain", "%256dain", "ma\u{200b}in", "Release", "PROD-1", "\u{440}rod-1"],
    );
}

#[test]
fn formats_are_compared_by_their_normal_form() {
    compared(
        "{ format: uri, pattern: '^https://api\\.example/' }",
        &["https://api.example/v1", "HTTPS://API.example:443/v1"],
        &[
            "https://api.example@evil.example/",
            "http://api.example/v1",
            "https://api.example.evil.example/",
            "https://api.example\\@evil/",
            " https://api.example/",
        ],
    );
    compared(
        "{ format: idn-hostname, enum: [xn--bcher-kva.example] }",
        &["bücher.example", "BÜCHER.example."],
        &["bucher.example", "bücher.example:1", "bücher.evil"],
    );
    compared("{ enum: [get, list] }", &["get"], &["Get", "ｇet", "get ", "%67et"]);
    compared("{ format: date-time }", &["2026-11-21T09:30:00Z"], &["2026-11-21", "2026-11-21T25:00:00Z"]);
}

#[test]
fn ranges_and_lists_are_bounded() {
    let world = World::with()
        .section("tools", "canary__add:\n  arguments: { a: { exclusiveMinimum: 0, exclusiveMaximum: 10, multipleOf: 3 } }")
        .start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__add", json!({"a": 9, "b": 1})).text(), "10");
    for a in [0, 10, 4, -3] {
        assert_eq!(agent.call("canary__add", json!({"a": a, "b": 1})).refused(), "access.argument-schemas/constraint", "{a}");
    }
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn bounds_that_mean_nothing_stop_the_start() {
    for (wrong, says) in [
        ("{ not: {} }", "`not` says nothing"),
        ("{ not: { pattern: 'a)|(b' } }", "linear"),
        ("{ pattern: '(?=a)b' }", "linear"),
        ("{ format: nonsense }", "is no format"),
        ("{ minItems: 1 }", "type: array"),
        ("{ exclusiveMinimum: 3, exclusiveMaximum: 3 }", "exclusiveMinimum"),
    ] {
        let mut world = World::new();
        world.stop();
        let path = world.config();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}tools:\n  canary__echo:\n    arguments: {{ text: {wrong} }}\n")).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{wrong}");
        let log = std::fs::read_to_string(world.path("serve.log")).unwrap();
        assert!(log.contains(says), "{wrong}: {log}");
    }
}

const SCRIPT: &str = r#"{"tools": [
    {"name": "save", "inputSchema": {"type": "object", "additionalProperties": false, "properties": {
        "title": {"type": "string", "maxLength": 9}, "body": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}, "count": {"type": "integer"}}}},
    {"name": "loose", "inputSchema": {"type": "object"}}
]}"#;

fn writing(tools: &str, inspect: &str) -> World {
    let setup = World::with().file("box/pad.json", SCRIPT).scripted(&["pad"], "box/pad.json", "trust: internal\nclearance: restricted");
    let setup = setup.section("tools", tools).section("inspect", inspect);
    setup.role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { pad: [\"*\"] }").start()
}

#[test]
fn open_text_for_a_tool_that_writes_is_refused_unless_it_is_meant() {
    let world = writing("pad__loose: { operation: read }", "{ open_text: { action: block } }");
    let mut agent = world.agent();
    for (arguments, place) in [(json!({"body": "x"}), "`/body`"), (json!({"title": "x", "tags": ["y"]}), "`/tags`")] {
        let refused = agent.call("pad__save", arguments.clone());
        assert_eq!(refused.refused(), "access.argument-policies/open-text", "{arguments}");
        assert!(refused.refusal().unwrap()["message"].as_str().unwrap().contains(place), "{}", refused.0);
    }
    assert!(agent.call("pad__save", json!({"title": "x", "count": 3})).refusal().is_none(), "what is bounded passes");
    assert!(agent.call("pad__loose", json!({"anything": "x"})).refusal().is_none(), "what reads passes");

    let world = writing(
        "pad__save: { arguments: { body: { text: free }, tags: { type: array, maxItems: 3, maxLength: 8 } } }",
        "{ open_text: { action: block } }",
    );
    let mut agent = world.agent();
    assert!(agent.call("pad__save", json!({"body": "x", "tags": ["y"]})).refusal().is_none());
    assert_eq!(agent.call("pad__loose", json!({"anything": "x"})).refused(), "access.argument-policies/open-text");
}

#[test]
fn elsewhere_open_text_is_on_record() {
    let world = writing("pad__loose: { operation: read }", "{ preset: balanced }");
    let mut agent = world.agent();
    assert!(agent.call("pad__save", json!({"body": "x"})).refusal().is_none());
    assert!(agent.call("pad__save", json!({"title": "x"})).refusal().is_none());
    let flags: Vec<Value> =
        world.audit().iter().filter(|record| record["tool"] == "save").map(|record| record["facts"]["open_text"].clone()).collect();
    assert_eq!(flags, [json!("body"), Value::Null]);
    let doctor = world.json(&["doctor"]).to_string();
    assert!(doctor.contains("pad__save body") && !doctor.contains("pad__save title") && !doctor.contains("pad__loose"), "{doctor}");
}

#[test]
fn a_schema_that_cannot_be_checked_is_refused_with_the_reason() {
    for (schema, says) in [
        (r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}"##, "refers to itself"),
        (r#"{"type": "object", "properties": {"a": {"$ref": "https://evil.example/s.json"}}}"#, "reference"),
        (r#"{"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+\\1"}}}"#, "pattern"),
    ] {
        let script = format!(r#"{{"tools": [{{"name": "odd", "inputSchema": {schema}}}]}}"#);
        let setup =
            World::with().file("box/pad.json", &script).scripted(&["pad"], "box/pad.json", "trust: internal\nclearance: restricted");
        let world = setup.role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { pad: [\"*\"] }").start();
        let answer = world.agent().call("pad__odd", json!({"a": "x"}));
        let code = answer.refused().to_owned();
        assert!(["access.argument-schemas/fault", "access.filtered-discovery/unknown"].contains(&code.as_str()), "{schema}: {code}");
        let doctor = world.json(&["doctor"]).to_string();
        assert!(doctor.contains("pad__odd") && doctor.to_lowercase().contains(says), "{schema}: {doctor}");
    }
}

#[test]
fn guards_are_proposed_and_never_applied() {
    let script = r#"{"tools": [{"name": "save_page", "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}, "path": {"type": "string"}}}},
        {"name": "load", "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}}}]}"#;
    let setup = World::with().file("box/pad.json", script).scripted(&["pad"], "box/pad.json", "trust: internal\nclearance: restricted");
    let mut world = setup.section("tools", "pad__load: { arguments: { path: { maxLength: 9 } } }").start();
    world.stop();
    let config = world.config();
    let before = std::fs::read(&config).unwrap();
    std::fs::remove_file(config.with_file_name("bastide.lock")).unwrap();
    let answer = world.json(&["lock", "--yes"]);
    let says = |tool: &str| {
        let all = answer["proposals"].as_array().unwrap();
        all.iter().find(|one| one["tool"] == tool).map_or(String::new(), |one| one["says"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        says("pad__save_page"),
        "{ operation: write, arguments: { path: { guard: files, roots: [/FOLDER], write: true }, url: { guard: http, schemes: [https], allow_hosts: [HOST.example] } } }"
    );
    assert_eq!(says("pad__load"), "{ operation: read }", "what the file says of an argument stays as it is");
    assert_eq!(std::fs::read(&config).unwrap(), before, "nothing was applied");
    assert_eq!(world.json(&["lock", "--yes"])["proposals"], Value::Null, "what is approved is not proposed for again");
}
