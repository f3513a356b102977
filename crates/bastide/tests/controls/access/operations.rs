//! `access.operations`: a call is a read, a write or a delete; the kinds are granted separately, and tools that mix them are parted.

use serde_json::{Value, json};
use testkit::{Http, World};

/// Tools that take SQL, an action, a command, a URL with a method, and two that do one thing.
const SCRIPT: &str = r#"{"tools": [
    {"name": "execute", "title": "SQL", "description": "Runs SQL.", "annotations": {"readOnlyHint": true},
     "inputSchema": {"type": "object", "properties": {"sql": {"type": "string"}, "limit": {"type": "integer"}}}},
    {"name": "manage", "inputSchema": {"type": "object", "properties": {"action": {"type": "string"}, "id": {"type": "string"}}, "required": ["id"]}},
    {"name": "look", "annotations": {"readOnlyHint": true}, "inputSchema": {"type": "object"}},
    {"name": "change", "inputSchema": {"type": "object"}},
    {"name": "run", "inputSchema": {"type": "object", "properties": {"command": {"type": "string"}}}},
    {"name": "fetch", "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}, "method": {"type": "string"}}}}
]}"#;

const SQL: &str = "arguments: { sql: { guard: sql, dialect: postgres, mode: read-write } }";

fn world(tools: &str, allow: &str) -> World {
    let setup = World::with().file("box/db.json", SCRIPT);
    let setup = setup.scripted(&["db"], "box/db.json", "trust: internal\nclearance: restricted").section("tools", tools);
    setup.role("tester", &format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ db: {allow} }}")).start()
}

fn names(agent: &mut Http) -> Vec<String> {
    agent.ask("tools/list", json!({})).names().into_iter().map(str::to_owned).collect()
}

/// The calls that reached the server: names and arguments.
fn reached(world: &World) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(world.path("box/db.jsonl")).unwrap_or_default();
    let messages =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|message| message["method"] == "tools/call");
    messages.map(|message| (message["params"]["name"].as_str().unwrap().to_owned(), message["params"]["arguments"].clone())).collect()
}

fn sql(agent: &mut Http, tool: &str, text: &str) -> Option<String> {
    let answer = agent.call(tool, json!({"sql": text}));
    answer.refusal().map(|refusal| refusal["code"].as_str().unwrap().to_owned())
}

#[test]
fn kinds_are_granted_separately() {
    let world = world("db__look: { operation: read }\ndb__change: { operation: write }", "[\"read:*\"]");
    let mut agent = world.agent();
    assert_eq!(names(&mut agent), ["db__look"], "what the operator calls a read, and nothing that only says so itself");
    assert!(agent.call("db__look", json!({})).refusal().is_none());
    for other in ["db__change", "db__execute", "db__manage"] {
        let refused = agent.call(other, json!({"id": "1"}));
        assert_eq!(refused.refused(), "access.filtered-discovery/unknown", "{other}");
        assert_eq!(world.record(refused.reference())["decision"]["code"], "access.deny-by-default/denied");
    }
    assert_eq!(reached(&world).len(), 1);
}

#[test]
fn what_no_kind_is_known_of_counts_as_the_gravest() {
    let world = world("db__look: { operation: read }\ndb__change: { operation: write }", "[\"write:*\"]");
    assert_eq!(names(&mut world.agent()), ["db__change"]);
    let world = self::world("db__look: { operation: read }", "[\"delete:*\"]");
    let listed = names(&mut world.agent());
    assert!(["db__execute", "db__manage", "db__change"].iter().all(|tool| listed.iter().any(|one| one == tool)), "{listed:?}");
    assert!(!listed.iter().any(|tool| tool == "db__look"), "{listed:?}");
}

#[test]
fn a_statement_tells_what_a_call_is() {
    let world = world(&format!("db__execute: {{ {SQL} }}"), "[\"read:execute\"]");
    let mut agent = world.agent();
    assert_eq!(names(&mut agent), ["db__execute"]);
    assert_eq!(sql(&mut agent, "db__execute", "SELECT a FROM t"), None);
    for text in ["UPDATE t SET a = 1", "DELETE FROM t", "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x"] {
        let refused = agent.call("db__execute", json!({"sql": text}));
        assert_eq!(refused.refused(), "access.operations/denied", "{text}");
    }
    assert_eq!(agent.call("db__execute", json!({})).refused(), "access.operations/denied", "nothing tells what it would do");
    assert_eq!(sql(&mut agent, "db__execute", "SELEC"), Some("tools.database/unreadable".to_owned()));
    assert_eq!(reached(&world).len(), 1);
    let records = world.audit();
    let run = records.iter().find(|record| record["tool"] == "execute" && record["decision"]["verdict"] == "allowed").unwrap();
    assert_eq!(run["operation"], "read", "the kind is that of the call");
}

#[test]
fn commands_and_methods_tell_what_a_call_is() {
    const RUN: &str = "arguments: { command: { guard: process, allowed: [git, rm, make] } }";
    const URL: &str = "url: { guard: http, allow_hosts: [api.shop.test] }";
    let command = |text: &str| json!({"command": text});
    let request = |method: &str| json!({"url": "https://api.shop.test/a", "method": method});

    let tools = format!("db__run: {{ {RUN} }}\ndb__fetch: {{ arguments: {{ {URL}, method: {{ enum: [GET, POST, DELETE] }} }} }}");
    let world = world(&tools, "[\"read:run\", \"write:fetch\"]");
    let mut agent = world.agent();
    assert_eq!(names(&mut agent), ["db__run", "db__fetch"]);
    assert!(agent.call("db__run", command("git log -n 3")).refusal().is_none());
    assert!(agent.call("db__fetch", request("POST")).refusal().is_none());
    for text in ["git log --output=a", "git push origin main", "rm a", "make a"] {
        assert_eq!(agent.call("db__run", command(text)).refused(), "access.operations/denied", "{text}");
    }
    for arguments in [request("GET"), request("DELETE"), json!({"url": "https://api.shop.test/a"})] {
        assert_eq!(agent.call("db__fetch", arguments.clone()).refused(), "access.operations/denied", "{arguments}");
    }
    assert_eq!(reached(&world).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["run", "fetch"]);

    let tools = format!("db__run: {{ operation: read, {RUN} }}\ndb__fetch: {{ operation: write, arguments: {{ {URL} }} }}");
    let world = self::world(&tools, "[\"*\"]");
    let mut agent = world.agent();
    assert!(agent.call("db__run", command("git status")).refusal().is_none());
    assert!(agent.call("db__fetch", request("GET")).refusal().is_none());
    for (tool, arguments) in [("db__run", command("git commit -m a")), ("db__run", command("rm a")), ("db__fetch", request("DELETE"))] {
        assert_eq!(agent.call(tool, arguments.clone()).refused(), "access.operations/other", "{arguments}");
    }
    assert_eq!(reached(&world).len(), 2);
}

#[test]
fn the_operators_word_is_not_exceeded() {
    let world = world(&format!("db__execute: {{ operation: write, {SQL} }}"), "[\"*\"]");
    let mut agent = world.agent();
    assert_eq!(sql(&mut agent, "db__execute", "INSERT INTO t VALUES (1)"), None);
    assert_eq!(sql(&mut agent, "db__execute", "DELETE FROM t"), Some("access.operations/other".to_owned()));
    assert_eq!(reached(&world).len(), 1);
}

#[test]
fn a_tool_is_split_by_its_statements() {
    let tools = format!("db__execute: {{ {SQL}, split: {{ by: sql }} }}");
    let world = world(&tools, "[\"read:*\", execute.write]");
    let mut agent = world.agent();
    let list = agent.ask("tools/list", json!({}));
    assert_eq!(list.names(), ["db__execute.select", "db__execute.write"]);
    let select = &list.result()["tools"][0];
    assert_eq!((&select["annotations"]["readOnlyHint"], &select["title"]), (&json!(true), &json!("SQL (select)")));
    assert_eq!(select["inputSchema"]["required"], json!(["sql"]));
    assert!(select["description"].as_str().unwrap().starts_with("Runs SQL.\n\nOnly for calls that read"), "{select}");
    assert_eq!(list.result()["tools"][1]["annotations"], json!({"readOnlyHint": false, "destructiveHint": false}));

    assert_eq!(sql(&mut agent, "db__execute.select", "SELECT a FROM t"), None);
    assert_eq!(sql(&mut agent, "db__execute.write", "UPDATE t SET a = 1"), None);
    for (tool, text, code) in [
        ("db__execute.select", "UPDATE t SET a = 1", "access.operations/other"),
        ("db__execute.select", "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x", "access.operations/other"),
        ("db__execute.write", "SELECT a FROM t", "access.operations/other"),
        ("db__execute.write", "DELETE FROM t", "access.operations/other"),
        ("db__execute.delete", "DELETE FROM t", "access.filtered-discovery/unknown"),
        ("db__execute", "SELECT a FROM t", "access.filtered-discovery/unknown"),
    ] {
        assert_eq!(sql(&mut agent, tool, text).as_deref(), Some(code), "{tool} {text}");
    }
    assert_eq!(agent.call("db__execute.select", json!({"limit": 3})).refused(), "access.argument-schemas/mismatch");
    let sent = reached(&world);
    assert_eq!(sent.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["execute", "execute"], "the server knows its own name");
    assert_eq!(sent[0].1, json!({"sql": "SELECT a FROM t"}));
    let records = world.audit();
    let written = records.iter().find(|record| record["tool"] == "execute.write" && record["decision"]["verdict"] == "allowed").unwrap();
    assert_eq!((&written["facts"]["inner"], &written["operation"]), (&json!("execute"), &json!("write")), "both names are on record");
}

#[test]
fn a_tool_is_split_by_the_values_of_an_argument() {
    let tools = "db__manage:\n  split:\n    by: action\n    parts:\n      look: { operation: read, values: [get, list] }\n      end: { operation: delete, values: [purge] }";
    let world = world(tools, "[\"read:*\"]");
    let mut agent = world.agent();
    let list = agent.ask("tools/list", json!({}));
    assert_eq!(list.names(), ["db__manage.look"]);
    let schema = &list.result()["tools"][0]["inputSchema"];
    assert_eq!((&schema["properties"]["action"]["enum"], &schema["required"]), (&json!(["get", "list"]), &json!(["id", "action"])));
    assert!(agent.call("db__manage.look", json!({"id": "1", "action": "get"})).refusal().is_none());
    for other in ["purge", "Get", "get ", "ｇet", "g\u{200b}et", "start", ""] {
        let refused = agent.call("db__manage.look", json!({"id": "1", "action": other}));
        assert_eq!(refused.refused(), "access.argument-schemas/mismatch", "{other}");
    }
    for hidden in ["db__manage.end", "db__manage"] {
        assert_eq!(agent.call(hidden, json!({"id": "1", "action": "purge"})).refused(), "access.filtered-discovery/unknown");
    }
    assert_eq!(reached(&world), [("manage".to_owned(), json!({"action": "get", "id": "1"}))]);
}

#[test]
fn a_split_that_cannot_tell_stops_the_start() {
    for (wrong, says) in [
        ("{ split: { by: text } }", "no guard tells"),
        ("{ operation: read, split: { by: text, parts: { a: { operation: read, values: [x] } } } }", "leave `operation` out"),
        ("{ split: { by: text, parts: { a: { operation: read, values: [x] }, b: { operation: write, values: [x] } } } }", "one part alone"),
        ("{ split: { by: text, parts: { a: { operation: read, values: [x] }, b: { operation: write } } } }", "either all parts"),
        ("{ split: { by: text, parts: { A.b: { operation: read, values: [x] } } } }", "the end of a name"),
    ] {
        let mut world = World::new();
        world.stop();
        let path = world.config();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}tools:\n  canary__echo: {wrong}\n")).unwrap();
        assert_eq!(world.serve_in_vain(), Some(2), "{wrong}");
        let log = std::fs::read_to_string(world.path("serve.log")).unwrap();
        assert!(log.contains(says), "{wrong}: {log}");
    }
}
