//! `data.pii`: values are handed out as tokens, and go back where they may.

use super::planted;
use serde_json::{Value, json};
use testkit::{Answer, Setup, World};

const TEXT: &str = "Customer: Jane Doe, jane.doe@example.com; Customer: John Miller, john@example.org; again jane.doe@example.com";

fn setup(more: &str) -> Setup {
    planted::setup(TEXT, more).section("inspect", "pii: { action: tokenise }")
}

/// What reached the canary as text.
fn reached(world: &World) -> Vec<Value> {
    world.reached().into_iter().map(|call| call["arguments"]["text"].clone()).collect()
}

fn world() -> World {
    setup("label: internal").start()
}

/// Reads and sends back over a way to ask.
fn round_trip(world: &World, mut ask: impl FnMut(&str, Value) -> Answer) {
    let given = ask("odd__echo", json!({"text": "result"})).text();
    assert_eq!(
        given, "Customer: <person-1>, <email-1>; Customer: <person-2>, <email-2>; again <email-1>",
        "the same value is the same token"
    );
    let note = ask("canary__write_note", json!({"name": "n", "text": "write to <email-2> and <person-1>, not <person-9> or <b>"}));
    assert_eq!(note.text(), "written", "{}", note.0);
    assert_eq!(reached(world).last().unwrap(), "write to john@example.org and Jane Doe, not <person-9> or <b>");
    let back = ask("canary__read_note", json!({"name": "n"})).text();
    assert_eq!(back, "write to <email-2> and <person-1>, not <person-9> or <b>", "what comes back is the same token");
}

#[test]
fn a_value_goes_round_as_a_token_over_every_way() {
    for modern in [false, true] {
        let world = world();
        let mut agent = if modern { world.client("agent:tester", "/mcp") } else { world.agent() };
        round_trip(&world, |tool, arguments| match modern {
            false => agent.call(tool, arguments),
            true => agent.ask_modern("tools/call", json!({"name": tool, "arguments": arguments})).answer(),
        });
        for value in ["Jane Doe", "john@example.org"] {
            assert!(!world.holds("state", value.as_bytes()), "{value} was kept");
        }
        let audit = world.audit();
        let call = audit.iter().find(|record| record["tool"] == "write_note").unwrap();
        assert_eq!(call["facts"]["restored"], json!(["<email-2>", "<person-1>"]), "{call}");
        assert_eq!(call["arguments"]["text"], "write to <email-2> and <person-1>, not <person-9> or <b>", "{call}");
        let read = audit.iter().find(|record| record["server"] == "odd" && record["obligations"].is_array()).unwrap();
        assert!(read["obligations"].to_string().contains("tokenise"), "{read}");
    }
    let world = world();
    let mut pipes = world.connect(&[]);
    pipes.open();
    round_trip(&world, |tool, arguments| pipes.call(tool, arguments));
}

#[test]
fn a_value_does_not_go_to_a_server_that_may_not_have_it() {
    let canary = "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }\nclearance: public";
    for more in ["label: internal", ""] {
        let world = setup(more).server("canary", canary).start();
        let mut agent = world.agent();
        agent.call("odd__echo", json!({"text": "result"}));
        agent.call("canary__echo", json!({"text": "to <email-1>"}));
        assert_eq!(reached(&world), ["to <email-1>"]);
        let audit = world.audit();
        let call = audit.iter().find(|record| record["server"] == "canary" && record["facts"]["tokens_kept"].is_array()).unwrap();
        assert_eq!(call["facts"]["tokens_kept"], json!(["<email-1>"]));
    }
}

#[test]
fn tokens_are_of_their_session() {
    let world = world();
    let mut first = world.agent();
    first.call("odd__echo", json!({"text": "result"}));
    world.agent().call("canary__echo", json!({"text": "to <email-1>"}));
    assert_eq!(reached(&world), ["to <email-1>"], "another session of the same agent was not given it");
}

#[test]
fn what_a_token_stands_for_is_judged_by_schema_and_guards() {
    let bound = "canary__write_note: { arguments: { text: { maxLength: 20 }, name: { pattern: '^[a-z]+$' } } }";
    let world = setup("label: internal").section("tools", bound).start();
    let mut agent = world.agent();
    agent.call("odd__echo", json!({"text": "result"}));
    let refused = agent.call("canary__write_note", json!({"name": "<person-1>", "text": "x"}));
    assert_eq!(refused.refused(), "access.argument-schemas/constraint", "{}", refused.0);
    let refused = agent.call("canary__write_note", json!({"name": "n", "text": "to <email-1>"}));
    assert!(refused.is_error(), "the value is longer than what is allowed: {}", refused.0);
    assert!(!refused.0.to_string().contains("jane.doe"), "{}", refused.0);
    assert!(world.reached().is_empty());
    assert!(!world.holds("state", b"jane.doe@example.com"));
}

#[test]
fn a_value_that_spells_a_token_is_not_turned_back_again() {
    let pii = "pii: { action: tokenise, custom: [{ name: badge, pattern: 'B[<]email-1[>]' }] }";
    let text = "Customer mail jane.doe@example.com, badge B<email-1>";
    let world = planted::setup(text, "label: internal").section("inspect", pii).start();
    let mut agent = world.agent();
    let given = agent.call("odd__echo", json!({"text": "result"})).text();
    assert_eq!(given, "Customer mail <email-1>, badge <badge-1>");
    agent.call("canary__write_note", json!({"name": "n", "text": "<badge-1> and <email-1>"}));
    assert_eq!(reached(&world), ["B<email-1> and jane.doe@example.com"]);
}

#[test]
fn a_credential_of_ours_is_found_in_what_a_token_stood_for() {
    let world = world();
    let mut agent = world.agent();
    assert!(agent.call("odd__echo", json!({"text": "result"})).text().contains("<email-2>"));
    let put = testkit::run(&mut world.command(&["secret", "put", "canary/later"]), b"john@example.org");
    assert!(put.status.success());
    agent.call("canary__write_note", json!({"name": "n", "text": "to <email-2>"}));
    agent.call("canary__write_note", json!({"name": "n", "text": "to <email-1>"}));
    let audit = world.audit();
    let found = |record: &&Value| record["obligations"].as_array().is_some_and(|all| all.iter().any(|one| one["class"] == "echo"));
    let calls: Vec<&Value> = audit.iter().filter(|record| record["tool"] == "write_note").filter(found).collect();
    assert!(!calls.is_empty(), "{audit:#?}");
    assert!(calls.iter().all(|call| call["facts"]["restored"] == json!(["<email-2>"])), "{calls:#?}");
    assert!(!world.holds("state/audit", b"john@example.org"));
}
