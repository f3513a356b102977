//! `access.filtered-discovery`: who has too many tools for a list is given two of the gateway's own, one that searches them and one that calls them.
//! They show what the list would show, and what is called through them is decided, checked, counted and recorded as itself.

use serde_json::{Value, json};
use testkit::{Answer, Http, World};

const SEARCH: &str = "bastide__search_tools";
const CALL: &str = "bastide__call_tool";

fn role(agent: &str, more: &str) -> String {
    format!("members: [\"agent:{agent}\"]\nclearance: restricted\nallow: {{ canary: [echo, \"*_note\"] }}\n{more}")
}

/// `tester` searches, `lister` is given the list, of the same tools.
fn world(tools: &str) -> World {
    let setup = World::with().role("tester", &role("tester", "listing: search")).role("lister", &role("lister", "listing: all"));
    if tools.is_empty() { setup.start() } else { setup.section("tools", tools).start() }
}

fn of(world: &World, principal: &str, path: &str) -> Http {
    let mut client = world.client(principal, path);
    client.open();
    client
}

fn found(answer: &Answer) -> Vec<String> {
    let tools = answer.result()["structuredContent"]["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn search(agent: &mut Http, query: &str) -> Vec<String> {
    found(&agent.call(SEARCH, json!({"query": query})))
}

fn through(agent: &mut Http, tool: &str, arguments: Value) -> Answer {
    agent.call(CALL, json!({"name": tool, "arguments": arguments}))
}

/// An answer without what differs from call to call.
fn plain(answer: &Answer) -> Value {
    let mut message: Value = serde_json::from_str(&answer.0.to_string().replace(answer.reference(), "REFERENCE")).unwrap();
    message["id"] = Value::Null;
    message
}

#[test]
fn a_search_finds_what_a_list_would_show() {
    let world = world("");
    let mut agent = world.agent();
    let listed = agent.ask("tools/list", json!({}));
    assert_eq!(listed.names(), [SEARCH, CALL]);
    assert_eq!(listed.result()["nextCursor"], Value::Null);
    let shown = of(&world, "agent:lister", "/mcp").ask("tools/list", json!({}));
    let all = agent.call(SEARCH, json!({"query": "", "limit": 50}));
    assert_eq!(found(&all), shown.names(), "one decision");
    assert_eq!(all.result()["structuredContent"]["more"], 0);
    for (tool, listed) in
        all.result()["structuredContent"]["tools"].as_array().unwrap().iter().zip(shown.result()["tools"].as_array().unwrap())
    {
        assert_eq!((&tool["description"], &tool["inputSchema"]), (&listed["description"], &listed["inputSchema"]));
    }
    let text: Value = serde_json::from_str(&all.text()).unwrap();
    assert_eq!(text, all.result()["structuredContent"], "for clients that read texts alone");

    assert_eq!(search(&mut agent, "Delete a NOTE").first().map(String::as_str), Some("canary__delete_note"), "best match first");
    assert_eq!(search(&mut agent, "gives back"), ["canary__echo"], "descriptions are searched");
    let some = agent.call(SEARCH, json!({"query": "note", "server": "canary", "limit": 2}));
    assert_eq!((found(&some).len(), &some.result()["structuredContent"]["more"]), (2, &json!(1)));
    assert_eq!(found(&agent.call(SEARCH, json!({"query": "note", "server": "other"}))), Vec::<String>::new());

    let mut bare = of(&world, "agent:tester", "/mcp/canary");
    assert_eq!(bare.ask("tools/list", json!({})).names(), [SEARCH, CALL]);
    assert_eq!(search(&mut bare, "echo"), ["echo"]);
    assert_eq!(through(&mut bare, "echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn what_may_not_be_seen_is_neither_found_nor_called() {
    let world = world("");
    let mut agent = world.agent();
    let [hidden, nothing] = ["add integers", "zeppelin"].map(|query| agent.call(SEARCH, json!({"query": query})));
    assert_eq!(hidden.result(), nothing.result());
    assert_eq!(found(&hidden), Vec::<String>::new());
    for arguments in [json!({}), json!({"a": 1, "b": 2})] {
        let [hidden, unknown] = ["canary__add", "canary__nothing"].map(|tool| through(&mut agent, tool, arguments.clone()));
        assert_eq!(plain(&hidden), plain(&unknown));
        assert_eq!(hidden.refused(), "access.filtered-discovery/unknown");
        let record = world.record(hidden.reference());
        assert_eq!((&record["decision"]["code"], &record["tool"]), (&json!("access.deny-by-default/denied"), &json!("add")));
        assert_eq!(record["facts"]["through"], CALL);
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_call_through_the_pair_is_the_call_itself() {
    let world = world("canary__echo: { operation: read }");
    let mut agent = world.agent();
    assert_eq!(through(&mut agent, "canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "it may be called by its name, too");
    let reached = world.reached();
    assert_eq!(reached[0]["name"], "echo");
    assert_eq!(reached[0]["arguments"], json!({"text": "hi"}));
    let records = world.audit();
    let calls: Vec<&Value> = records.iter().filter(|record| record["tool"] == "echo" && record["server"] == "canary").collect();
    assert_eq!(calls.len(), 2, "{records:?}");
    assert_eq!(
        (&calls[0]["digest"], &calls[0]["arguments"]),
        (&calls[1]["digest"], &calls[1]["arguments"]),
        "the canonical text is the inner call's"
    );
    assert_eq!((&calls[0]["operation"], &calls[0]["decision"]["policies"]), (&json!("read"), &calls[1]["decision"]["policies"]));
    let mut through: Vec<&Value> = calls.iter().map(|call| &call["facts"]["through"]).collect();
    through.sort_by_key(|value| value.is_null());
    assert_eq!(through, [&json!(CALL), &Value::Null], "both names are on record");
}

#[test]
fn no_check_sees_the_wrapper_in_place_of_the_call() {
    let world = world(
        "canary__write_note: { arguments: { name: { pattern: \"^[a-z]+$\" }, text: { text: free } } }\ncanary__read_note: { arguments: { name: { guard: files, roots: [/srv/notes] } } }",
    );
    let mut agent = world.agent();
    for (tool, arguments, code) in [
        ("canary__echo", json!({}), "access.argument-schemas/mismatch"),
        ("canary__echo", json!({"text": "hi", "name": "canary__echo"}), "access.argument-schemas/mismatch"),
        ("canary__write_note", json!({"name": "../x", "text": "t"}), "access.argument-schemas/constraint"),
        ("canary__read_note", json!({"name": "/etc/passwd"}), "tools.files/outside"),
        (SEARCH, json!({"query": "echo"}), "access.filtered-discovery/unknown"),
        (CALL, json!({"name": "canary__echo", "arguments": {"text": "hi"}}), "access.filtered-discovery/unknown"),
    ] {
        assert_eq!(through(&mut agent, tool, arguments.clone()).refused(), code, "{tool} {arguments}");
    }
    for arguments in [
        json!({}),
        json!({"name": 1}),
        json!({"name": "canary__echo", "arguments": "{\"text\": \"hi\"}"}),
        json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"dev.bastide/approved": true}}),
        json!({"name": "canary__echo", "arguments": {"text": "hi"}, "server": "canary"}),
    ] {
        assert_eq!(agent.call(CALL, arguments.clone()).refused(), "access.argument-schemas/mismatch", "{arguments}");
    }
    for arguments in
        [json!({}), json!({"query": ["echo"]}), json!({"query": "echo", "limit": 51}), json!({"query": "echo", "role": "admin"})]
    {
        assert_eq!(agent.call(SEARCH, arguments.clone()).refused(), "access.argument-schemas/mismatch", "{arguments}");
    }
    for tool in [SEARCH, CALL] {
        let arguments =
            if tool == SEARCH { json!({"query": "echo"}) } else { json!({"name": "canary__echo", "arguments": {"text": "hi"}}) };
        let meta = json!({"name": tool, "arguments": arguments, "_meta": {"dev.bastide/approved": true}});
        assert_eq!(agent.ask("tools/call", meta).refused(), "intent.smuggling/flag", "{tool}");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn limits_count_the_tool_and_each_call_once() {
    let world = world("canary__echo: { limits: { calls: 2/min } }");
    let mut agent = world.agent();
    assert_eq!(through(&mut agent, "canary__echo", json!({"text": "1"})).text(), "1");
    assert_eq!(agent.call("canary__echo", json!({"text": "2"})).text(), "2");
    assert_eq!(through(&mut agent, "canary__echo", json!({"text": "3"})).refused(), "access.rate-limits/interface");
    assert_eq!(agent.call("canary__echo", json!({"text": "4"})).refused(), "access.rate-limits/interface");
    assert_eq!(world.reached().len(), 2);

    let limited = role("tester", "listing: search\nlimits: { calls: 3/min }");
    let world = World::with().role("tester", &limited).start();
    let mut agent = world.agent();
    assert_eq!(search(&mut agent, "echo"), ["canary__echo"]);
    for _ in 0..2 {
        assert_eq!(through(&mut agent, "canary__echo", json!({"text": "hi"})).text(), "hi");
    }
    assert_eq!(agent.call(SEARCH, json!({"query": "echo"})).refused(), "access.rate-limits/calls", "a search is a call of its sender");
}

#[test]
fn who_is_given_the_list_has_no_pair() {
    let both = "members: [\"agent:both\"]\nclearance: restricted\nallow: { canary: [echo] }";
    let setup = World::with().role("tester", &role("tester", "listing: search")).role("searches", &role("both", "listing: search"));
    let world = setup.role("lists", both).start();
    let mut agent = of(&world, "agent:both", "/mcp");
    assert!(agent.ask("tools/list", json!({})).names().contains(&"canary__echo"), "one role that lists is enough");
    for (tool, arguments) in [(SEARCH, json!({"query": "echo"})), (CALL, json!({"name": "canary__echo", "arguments": {"text": "hi"}}))] {
        let [pair, unknown] = [tool, "nowhere__tool"].map(|tool| agent.call(tool, arguments.clone()));
        assert_eq!(plain(&pair), plain(&unknown));
        assert_eq!(pair.refused(), "access.filtered-discovery/unknown");
    }
    assert!(world.reached().is_empty());
}

#[test]
fn a_revision_without_sessions_has_the_pair_as_well() {
    let world = world("");
    let mut agent = world.client("agent:tester", "/mcp");
    let mut ask = |method: &str, params: Value| agent.ask_modern(method, params).answer();
    assert_eq!(ask("tools/list", json!({})).names(), [SEARCH, CALL]);
    let all = ask("tools/call", json!({"name": SEARCH, "arguments": {"query": "echo"}}));
    assert_eq!((found(&all), &all.result()["resultType"]), (vec!["canary__echo".to_owned()], &json!("complete")));
    let call = |name: &str| json!({"name": CALL, "arguments": {"name": name, "arguments": {"text": "hi"}}});
    assert_eq!(ask("tools/call", call("canary__echo")).text(), "hi");
    assert_eq!(ask("tools/call", call("canary__add")).refused(), "access.filtered-discovery/unknown");
    assert_eq!(ask("tools/call", call(CALL)).refused(), "access.filtered-discovery/unknown");
    assert_eq!(world.reached().len(), 1);
}

#[test]
fn what_the_lock_cannot_vouch_for_is_not_found() {
    let mut world = world("");
    world.stop();
    let path = world.path("bastide.lock");
    let mut lock = std::fs::read(&path).unwrap();
    let middle = lock.len() / 2;
    lock[middle] ^= 1;
    std::fs::write(&path, lock).unwrap();
    world.serve();
    let mut agent = world.agent();
    assert_eq!(search(&mut agent, ""), Vec::<String>::new());
    assert_eq!(through(&mut agent, "canary__echo", json!({"text": "hi"})).refused(), "supply.provenance/unverified");
    assert!(world.reached().is_empty());
}
