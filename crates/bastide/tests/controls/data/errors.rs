//! `data.errors`: answers give away no absolute path, internal address or stack trace; a reference stands for them, by which an operator finds them.

use serde_json::{Value, json};
use testkit::{Answer, World};

/// What the tool `fail` of the canary says.
const PATH: &str = "/home/jane/ledger/private.db";
const ADDRESS: &str = "10.20.30.40";

fn world(inspect: &str) -> World {
    let setup = World::with().file("box/odd.json", &script()).scripted(&["odd"], "box/odd.json", "trust: internal\nclearance: restricted");
    let setup = setup.role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], odd: [\"*\"] }");
    if inspect.is_empty() { setup.start() } else { setup.section("inspect", inspect).start() }
}

/// Errors and results of the sorts that there are.
fn script() -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let stage = |body: Value| {
        let text = body.to_string().replace("\"$ID\"", "$ID");
        json!([[format!("{head}{text}")]])
    };
    let error = |message: &str| stage(json!({"jsonrpc": "2.0", "id": "$ID", "error": {"code": -32000, "message": message}}));
    let result = |result: Value| stage(json!({"jsonrpc": "2.0", "id": "$ID", "result": result}));
    let trace = "Traceback (most recent call last):\n  File \"server.py\", line 3, in main\n    run()\nValueError: bad row";
    json!({"acts": {
        "fault": error("connect ECONNREFUSED db.internal:5432, see /var/log/app.log"),
        "trace": result(json!({"isError": true, "content": [{"type": "text", "text": trace}]})),
        "data": result(json!({"content": [{"type": "text", "text": "ok"}], "structuredContent": {"at": r"C:\Users\jane\x.txt", "n": 3}})),
        "plain": result(json!({"content": [{"type": "text", "text": "GET /api/v1/users at http://127.0.0.1:8080, version 1.10.0.1, /usr/bin/env"}]})),
    }})
    .to_string()
}

fn told(answer: &Answer) -> String {
    answer.0.to_string()
}

/// The reference that stands in an answer in place of what was taken out.
fn reference(text: &str) -> String {
    let at = text.find(", C-").unwrap();
    text[at + 2..at + 16].to_owned()
}

#[test]
fn an_error_gives_nothing_of_its_machine_away_and_can_be_looked_up() {
    let world = world("");
    let mut agent = world.agent();
    let answer = agent.call("canary__fail", json!({}));
    let text = told(&answer);
    for inner in [PATH, "jane", ADDRESS, "index.js", "Object.<anonymous>"] {
        assert!(!text.contains(inner), "{inner}: {text}");
    }
    assert!(
        text.contains("Error: cannot open «redacted: path #1, C-") && text.contains("«redacted: trace #1, C-"),
        "what went wrong is told: {text}"
    );
    let found = world.json(&["explain", &reference(&text)]);
    let originals = found["originals"].to_string();
    assert!(originals.contains(PATH) && originals.contains(ADDRESS) && originals.contains("Object.<anonymous>"), "{found:#}");
    assert!(found["obligations"].to_string().contains("leak"), "{found:#}");
    assert!(!world.holds("withheld", b"private.db") && !world.holds("audit", b"private.db"), "kept sealed, and nowhere else");
}

#[test]
fn errors_of_the_protocol_and_structured_results_are_looked_through() {
    let world = world("");
    let mut agent = world.agent();
    for (act, inner) in [("fault", "db.internal"), ("fault", "/var/log"), ("trace", "server.py"), ("data", "jane")] {
        let text = told(&agent.call("odd__echo", json!({"text": act})));
        assert!(!text.contains(inner), "{act}: {text}");
        assert!(world.json(&["explain", &reference(&text)])["originals"].to_string().contains(inner), "{act}");
    }
    assert!(told(&agent.call("odd__echo", json!({"text": "trace"}))).contains("ValueError: bad row"), "what went wrong is told");
    let plain = told(&agent.call("odd__echo", json!({"text": "plain"})));
    assert!(plain.contains("GET /api/v1/users at http://127.0.0.1:8080, version 1.10.0.1, /usr/bin/env"), "{plain}");
}

#[test]
fn what_the_agent_sent_and_what_it_was_given_stays_readable() {
    let world = world("");
    let mut agent = world.agent();
    for sent in ["see /var/log/syslog", "http://10.1.2.3:8080/x and db.internal", r"C:\Users\ana\x"] {
        assert_eq!(agent.call("canary__echo", json!({"text": sent})).text(), sent);
    }
    let folder = world.path("box");
    let missing = told(&agent.call("canary__read_note", json!({"name": "../../etc/none"})));
    assert!(!missing.contains("«redacted: path"), "{missing}");
    std::fs::write(folder.join("listing"), format!("{}/notes.txt and /home/jane/other.txt", folder.display())).unwrap();
    let listing = agent.call("canary__read_note", json!({"name": "listing"})).text();
    assert!(listing.contains(&format!("{}/notes.txt", folder.display())), "a folder of its own is readable: {listing}");
    assert!(!listing.contains("jane"), "{listing}");
}

#[test]
fn the_action_is_the_operators() {
    let flagged = world("{ errors: { action: flag } }");
    let answer = flagged.agent().call("canary__fail", json!({}));
    assert!(told(&answer).contains(PATH));
    let record = flagged.audit().into_iter().find(|record| record["tool"] == "fail").unwrap();
    assert!(record["obligations"].to_string().contains("leak"), "it is on record: {record}");
    let blocked = world("{ errors: { action: block } }");
    assert_eq!(blocked.agent().call("canary__fail", json!({})).refused(), "data.errors/blocked");
}

#[test]
fn an_original_that_was_tampered_with_is_not_shown() {
    let world = world("");
    let text = told(&world.agent().call("canary__fail", json!({})));
    let reference = reference(&text);
    let path = world.state().join("withheld").join(&reference);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = world.json(&["explain", &reference]);
    assert!(found["originals"].to_string().contains("cannot be read") && !found.to_string().contains("jane"), "{found:#}");
}

#[test]
fn only_where_the_protocol_has_an_address_is_one_left_as_it_is() {
    let line = |result: Value| {
        let text = json!({"jsonrpc": "2.0", "id": "$ID", "result": result}).to_string().replace("\"$ID\"", "$ID");
        json!([[text]])
    };
    let link = json!({"type": "resource_link", "uri": "file:///home/jane/linked.txt", "name": "linked"});
    let script = json!({"capabilities": {"tools": {}, "resources": {}}, "acts": {
        "own": line(json!({"content": [link], "structuredContent": {"uri": "file:///home/jane/private.txt"}})),
        "odd://page": line(json!({"contents": [{"uri": "odd://page", "text": "x", "_meta": {"uri": "/home/jane/meta.txt"}}]})),
    }});
    let world = super::planted::setup("", "").file("box/odd.json", &script.to_string()).start();
    let answer = super::planted::call(&world, "echo", "own");
    assert_eq!(answer.result()["content"][0]["uri"], "file:///home/jane/linked.txt", "{}", answer.0);
    assert!(!answer.0.to_string().contains("private.txt"), "what is only called so tells of the machine: {}", answer.0);
    let mut client = world.client("agent:tester", "/mcp/odd");
    client.open();
    assert!(!told(&client.ask("resources/read", json!({"uri": "odd://page"}))).contains("meta.txt"));
}

#[test]
fn folders_that_the_client_told_of_are_no_secret_to_it() {
    let said = |message: Value| message.to_string().replace("\"$ID\"", "$ID");
    let text = "see /home/jane/work/notes.txt and /home/jane/other/notes.txt";
    let result = json!({"jsonrpc": "2.0", "id": "$ID", "result": {"content": [{"type": "text", "text": text}]}});
    let question = json!({"jsonrpc": "2.0", "id": 900, "method": "roots/list"});
    let script =
        json!({"capabilities": {"tools": {}}, "acts": {"roots": [[said(question)], [said(result.clone())]], "plain": [[said(result)]]}});
    let world = super::planted::setup("", "").file("box/odd.json", &script.to_string()).start();
    let mut pipes = world.connect(&["--server", "odd"]);
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": {"name": "t", "version": "1"}});
    pipes.ask("initialize", hello);
    pipes.line(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    let call = |act: &str| {
        json!({"jsonrpc": "2.0", "id": act, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": act}}}).to_string()
    };
    pipes.line(&call("plain"));
    let before = pipes.read().unwrap().to_string();
    assert!(!before.contains("jane"), "{before}");
    pipes.line(&call("roots"));
    let answer = loop {
        let message = pipes.read().unwrap();
        if message["method"] == "roots/list" {
            let roots = json!({"roots": [{"uri": "file:///home/jane/work"}, {"uri": "file:///"}]});
            pipes.line(&json!({"jsonrpc": "2.0", "id": message["id"], "result": roots}).to_string());
        } else if message["id"] == "roots" {
            break message.to_string();
        }
    };
    assert!(answer.contains("/home/jane/work/notes.txt") && !answer.contains("jane/other"), "{answer}");
}
