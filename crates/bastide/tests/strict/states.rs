//! What a client brings back from us (states of rounds, cursors, ids of questions) is good for the one it was given to, as it was given, once.

use serde_json::{Value, json};
use testkit::{Http, Response, World};

const ABILITIES: &str = r#"{"elicitation":{"form":{}}}"#;

/// A server that asks for a form in its result, and is fine with any answer; and one of more tools than a page holds.
fn script() -> String {
    let asks = r#"{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"input_required","requestState":"theirs","inputRequests":{"who":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}}}}"#;
    let fine = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"fine"}]}}"#;
    let form = |message: &str| {
        format!(
            r#"{{"method":"elicitation/create","params":{{"message":"{message}","requestedSchema":{{"type":"object","properties":{{}}}}}}}}"#
        )
    };
    let nameless = format!(
        r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"resultType":"input_required","inputRequests":{{"":{},"1":{},"3":{}}}}}}}"#,
        form("nameless"),
        form("one"),
        form("three")
    );
    let told = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":$ANSWER}]}}"#;
    let tools: Vec<Value> = (0..250)
        .map(|at| json!({"name": format!("tool-{at:03}"), "description": "One of many.", "inputSchema": {"type": "object"}}))
        .collect();
    json!({"era": "2026-07-28", "capabilities": {"tools": {}, "resources": {}, "prompts": {}}, "tools": tools,
        "acts": {"ask": [[asks], [fine]], "ask too": [[asks], [fine]], "nameless": [[nameless], [told]]}})
    .to_string()
}

/// A server of the era with a handshake that asks twice under one id, tells of its progress, and says what it was answered.
fn twice() -> String {
    let form = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}"#;
    let told = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":$ANSWER}]}}"#;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$TOKEN,"progress":1}}"#;
    json!({"era": "2025-11-25", "acts": {"ask": [[form, form.replace("Who", "Where"), progress, {"sleep": 200}], [told]]}}).to_string()
}

fn world() -> World {
    let entry =
        "run: [{bin}/evil-server, --script, {box}/asker.json, --journal, {box}/NAME.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";
    let role = |name: &str| {
        format!(
            "members: [\"agent:{name}\"]\nclearance: restricted\nallow: {{ canary: [\"*\"], asker: [\"*\"], other: [\"*\"], twice: [\"*\"] }}"
        )
    };
    World::with()
        .file("box/asker.json", &script())
        .file("box/twice.json", &twice())
        .server("twice", "run: [{bin}/evil-server, --script, {box}/twice.json]\nsandbox: { read: [{bin}], write: [{box}] }")
        .server("asker", &entry.replace("NAME", "asker"))
        .server("other", &entry.replace("NAME", "other"))
        .role("tester", &role("tester"))
        .role("second", &role("second"))
        .role("narrow", "members: [\"agent:narrow\"]\nallow: { canary: [echo] }")
        .start()
}

fn modern(client: &Http, method: &str, mut params: Value) -> Response {
    let name = ["name", "uri"].iter().find_map(|key| params.get(key)?.as_str()).unwrap_or_default().to_owned();
    let abilities: Value = serde_json::from_str(ABILITIES).unwrap();
    params["_meta"] =
        json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": abilities});
    let message = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
    client.post(&message, &[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", &name)])
}

fn call(text: &str) -> Value {
    json!({"name": "asker__echo", "arguments": {"text": text}})
}

/// A state that this client was given.
fn state(client: &Http, text: &str) -> String {
    let answer = modern(client, "tools/call", call(text)).answer();
    answer.result()["requestState"].as_str().unwrap_or_else(|| panic!("not asked: {}", answer.0)).to_owned()
}

fn accept() -> Value {
    json!({"who": {"action": "accept", "content": {"name": "Ana"}}})
}

/// What the askers heard of calls.
fn heard(world: &World) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(world.path(name)).unwrap_or_default();
    let text = read("box/asker.jsonl") + &read("box/other.jsonl");
    text.lines()
        .filter(|line| line.contains("tools/call") || line.contains("prompts/get") || line.contains("resources/read"))
        .map(str::to_owned)
        .collect()
}

/// `params` with a state and answers.
fn with(mut params: Value, state: &str, answers: Value) -> Value {
    params["requestState"] = json!(state);
    params["inputResponses"] = answers;
    params
}

#[test]
fn a_state_is_good_for_its_own_request_as_it_was_given_and_once() {
    let world = world();
    let (client, second) = (world.client("agent:tester", "/mcp"), world.client("agent:second", "/mcp"));
    let elsewhere = client.at("/mcp/asker");
    // It is given again for the other token of the same agent.
    let again = world.client("agent:tester", "/mcp");
    let spent = state(&client, "ask");
    assert_eq!(modern(&client, "tools/call", with(call("ask"), &spent, accept())).answer().text(), "fine");
    let good = state(&client, "ask");
    let flip = |at: usize| {
        let mut letters = good.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(letters).unwrap()
    };
    let last = good.len() - 1;
    let mut swapped = state(&client, "ask too");
    swapped.replace_range(..16, &good[..16]);
    let echo = call("ask");
    let cases: Vec<(&str, &Http, &str, Value)> = vec![
        ("its first letter", &client, "tools/call", with(echo.clone(), &flip(0), accept())),
        ("a letter of its nonce", &client, "tools/call", with(echo.clone(), &flip(9), accept())),
        ("a letter in the middle", &client, "tools/call", with(echo.clone(), &flip(last / 2), accept())),
        ("its last letters", &client, "tools/call", with(echo.clone(), &flip(last - 4), accept())),
        ("cut", &client, "tools/call", with(echo.clone(), &good[..last - 7], accept())),
        ("longer", &client, "tools/call", with(echo.clone(), &format!("{good}AAAA"), accept())),
        ("twice over", &client, "tools/call", with(echo.clone(), &good.repeat(2), accept())),
        ("padded", &client, "tools/call", with(echo.clone(), &format!("{good}="), accept())),
        ("in another case", &client, "tools/call", with(echo.clone(), &good.to_uppercase(), accept())),
        ("another one's nonce", &client, "tools/call", with(echo.clone(), &swapped, accept())),
        ("spent", &client, "tools/call", with(echo.clone(), &spent, accept())),
        ("other arguments", &client, "tools/call", with(call("ask too"), &good, accept())),
        (
            "more arguments",
            &client,
            "tools/call",
            with(json!({"name": "asker__echo", "arguments": {"text": "ask", "more": 1}}), &good, accept()),
        ),
        ("no arguments", &client, "tools/call", with(json!({"name": "asker__echo"}), &good, accept())),
        ("another tool", &client, "tools/call", with(json!({"name": "asker__read_note", "arguments": {"text": "ask"}}), &good, accept())),
        ("another server", &client, "tools/call", with(json!({"name": "other__echo", "arguments": {"text": "ask"}}), &good, accept())),
        ("another method", &client, "prompts/get", with(json!({"name": "asker__greet", "arguments": {"who": "ask"}}), &good, accept())),
        ("a resource", &client, "resources/read", with(json!({"uri": "bastide://asker/canary%3A%2F%2Fpage"}), &good, accept())),
        ("another principal", &second, "tools/call", with(echo.clone(), &good, accept())),
        ("another endpoint", &elsewhere, "tools/call", with(json!({"name": "echo", "arguments": {"text": "ask"}}), &good, accept())),
    ];
    let before = heard(&world);
    let mut told = Vec::new();
    for (what, client, method, params) in cases {
        let response = modern(client, method, params);
        let answer = response.answer();
        assert_eq!((response.status, answer.code(), &answer.0["id"]), (200, Some(-32602), &json!(5)), "{what}: {}", answer.0);
        told.push(answer.0.to_string());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "they are told apart: {told:#?}");
    let misfit: [(&str, Value); 5] = [
        ("roots", json!({"who": {"roots": []}})),
        ("a sample", json!({"who": {"role": "user", "content": {"type": "text", "text": "x"}, "model": "m"}})),
        ("no such action", json!({"who": {"action": "agree"}})),
        ("deep content", json!({"who": {"action": "accept", "content": {"name": {"first": "Ana"}}}})),
        ("no object", json!({"who": []})),
    ];
    for (what, answers) in misfit {
        let response = modern(&client, "tools/call", with(echo.clone(), &good, answers));
        assert_eq!((response.status, response.answer().code()), (400, Some(-32602)), "{what}: {}", response.answer().0);
    }
    assert_eq!(heard(&world), before, "a server heard of it");
    // None of it has used the state up, and what nobody asked for goes no further.
    let answers = json!({"who": {"action": "accept", "content": {"name": "Ana"}}, "nobody": {"action": "decline"}});
    assert_eq!(modern(&client, "tools/call", with(echo.clone(), &good, answers)).answer().text(), "fine");
    let last: Value = serde_json::from_str(heard(&world).last().unwrap()).unwrap();
    assert_eq!(last["params"]["inputResponses"], accept());
    assert_eq!(last["params"]["requestState"], "theirs");
    assert!(!state(&again, "ask").contains("theirs"));
    let audit = world.audit();
    let refused = audit.iter().filter(|record| record["detail"]["cause"].as_str().is_some_and(|cause| cause.contains("(row 63)"))).count();
    assert_eq!(refused, 20, "each is on record");
}

#[test]
fn a_question_without_a_name_gets_one_that_no_other_has() {
    let world = world();
    let client = world.client("agent:tester", "/mcp");
    let asked = modern(&client, "tools/call", call("nameless")).answer();
    let questions = asked.result()["inputRequests"].as_object().unwrap();
    assert_eq!(questions.keys().collect::<Vec<_>>(), ["2", "1", "3"], "{}", asked.0);
    let answers: serde_json::Map<String, Value> = questions
        .iter()
        .map(|(key, question)| (key.clone(), json!({"action": "accept", "content": {"was": question["params"]["message"]}})))
        .collect();
    let state = asked.result()["requestState"].as_str().unwrap();
    let told = modern(&client, "tools/call", with(call("nameless"), state, Value::Object(answers))).answer();
    let was = |message: &str| json!({"action": "accept", "content": {"was": message}});
    let heard: Value = serde_json::from_str(&told.text()).unwrap_or_else(|fault| panic!("{fault}: {}", told.0));
    assert_eq!(heard, json!({"": was("nameless"), "1": was("one"), "3": was("three")}));
}

#[test]
fn a_cursor_is_good_for_its_own_list_and_whom_it_was_given_to() {
    let world = world();
    let (client, second) = (world.client("agent:tester", "/mcp"), world.client("agent:second", "/mcp"));
    let old = world.agent();
    let first = modern(&client, "tools/list", json!({})).answer();
    let good = first.result()["nextCursor"].as_str().unwrap().to_owned();
    let ask = |client: &Http, method: &str, cursor: &str| modern(client, method, json!({"cursor": cursor}));
    let flip = |at: usize| {
        let mut letters = good.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(letters).unwrap()
    };
    let of_state = state(&client, "ask");
    for (what, response) in [
        ("its first letter", ask(&client, "tools/list", &flip(0))),
        ("a letter in the middle", ask(&client, "tools/list", &flip(good.len() / 2))),
        ("cut", ask(&client, "tools/list", &good[..good.len() - 2])),
        ("longer", ask(&client, "tools/list", &format!("{good}AA"))),
        ("another list", ask(&client, "prompts/list", &good)),
        ("a list of another sort", ask(&client, "resources/list", &good)),
        ("templates", ask(&client, "resources/templates/list", &good)),
        ("another principal", ask(&second, "tools/list", &good)),
        ("another endpoint", ask(&client.at("/mcp/asker"), "tools/list", &good)),
        ("a state of a round", ask(&client, "tools/list", &of_state)),
        ("the other era", old.post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {"cursor": good}}), &[])),
    ] {
        assert_eq!((response.status, response.answer().code(), &response.answer().0["id"]), (200, Some(-32602), &json!(5)), "{what}");
    }
    let rest = ask(&client, "tools/list", &good).answer();
    assert!(!rest.names().is_empty() && rest.names().iter().all(|name| !first.names().contains(name)));
}

#[test]
fn nobody_listens_to_what_it_may_not_see_or_to_more_than_there_may_be() {
    let world = world();
    let narrow = world.client("agent:narrow", "/mcp");
    let listen = |client: &Http, filter: Value| {
        let mut client = client.clone();
        client.patience = std::time::Duration::from_secs(90);
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": "subscriptions/listen", "params": {"notifications": filter, "_meta": meta}})
            .to_string();
        let head: String = client
            .headers(&[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen"), ("Host", &world.data().to_string())])
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!("POST /mcp HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
        String::from_utf8_lossy(&client.raw_until(request.as_bytes(), |text| text.contains("acknowledged") || text.contains("\"error\"")))
            .into_owned()
    };
    let before = world.journal();
    for count in [257, 1_000] {
        let many: Vec<String> = (0..count).map(|at| format!("bastide://canary/a%3A{at}")).collect();
        let told = listen(&narrow, json!({"resourceSubscriptions": many}));
        assert!(told.contains("-31429") && told.contains("transport.bounds/streams"), "{count}: {told}");
    }
    let foreign = [
        "bastide://asker/canary%3A%2F%2Fpage",
        "bastide://nobody/a%3Ab",
        "bastide://canary/canary%3A%2F%2Fpage",
        "canary://page",
        "file:///etc/passwd",
    ];
    let told = listen(&narrow, json!({"toolsListChanged": true, "resourceSubscriptions": foreign}));
    let (_, event) = told.split_once("data: ").unwrap();
    let note: Value = serde_json::from_str(event.lines().next().unwrap()).unwrap();
    assert_eq!(note["params"]["notifications"].get("resourceSubscriptions").unwrap_or(&json!([])), &json!([]), "{note}");
    assert_eq!(note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 5, "{note}");
    assert_eq!(world.journal(), before, "a server heard of it");
}

#[test]
fn nobody_takes_back_or_answers_what_is_anothers() {
    let world = world();
    let (mut owner, mut other) = (world.agent(), world.agent());
    let mut stranger = world.client("agent:second", "/mcp");
    stranger.open();
    owner.call("canary__echo", json!({"text": "hi"}));
    let slow = owner.clone();
    let body = r#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"canary__wait","arguments":{"ms":1500}}}"#;
    let waits = std::thread::spawn(move || slow.post_text(body, &[]).answer().text());
    while !world.reached().iter().any(|sent| sent["name"] == "wait") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}});
    let modern_cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "notifications/cancelled")];
    for response in
        [other.post(&cancel, &[]), stranger.post(&cancel, &[]), world.client("agent:tester", "/mcp").post(&modern_cancel, &headers)]
    {
        assert_eq!((response.status, response.body.len()), (202, 0));
    }
    for id in [json!(0), json!(1), json!(77), json!("77")] {
        let reply = json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {}}});
        for client in [&mut other, &mut stranger] {
            assert_eq!(client.post(&reply, &[]).status, 202);
        }
    }
    assert_eq!(waits.join().unwrap(), "waited");
    let cancelled = world.journal().iter().filter(|message| message["method"] == "notifications/cancelled").count();
    assert_eq!(cancelled, 0, "a server was told");
}

#[test]
fn a_second_question_under_an_id_that_is_in_use_reaches_nobody() {
    let world = world();
    let mut agent = world.connect(&[]);
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}});
    agent.ask("initialize", hello);
    agent.line(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    let params = json!({"name": "twice__echo", "arguments": {"text": "ask"}, "_meta": {"progressToken": "p"}});
    agent.line(&json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": params}).to_string());
    let question = agent.read().unwrap();
    assert_eq!((&question["method"], &question["params"]["message"]), (&json!("elicitation/create"), &json!("Who?")));
    // It was written behind the second one, and messages of one call keep their order.
    let progress = agent.read().unwrap();
    assert_eq!(progress["method"], "notifications/progress", "another question came: {progress}");
    agent.line(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}).to_string());
    let answer = agent.read().unwrap();
    assert_eq!(answer["id"], "c", "another question came: {answer}");
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("decline"), "{answer}");
    let audit = world.audit();
    assert!(
        audit.iter().any(|record| record["detail"]["cause"].as_str().is_some_and(|cause| cause.contains("id that is in use"))),
        "{audit:#?}"
    );
}

#[test]
fn subscriptions_that_are_asked_for_at_once_are_no_more_than_there_may_be() {
    let subscribed = r#"{"jsonrpc":"2.0","id":$ID,"result":{}}"#;
    let script = json!({"era": "2025-11-25", "capabilities": {"resources": {"subscribe": true}},
        "acts": {"slow": [[{"sleep": 3000}, subscribed]]}});
    let world = World::with()
        .file("box/slow.json", &script.to_string())
        .file("box/slow.flag", r#"{"resources/subscribe": "slow"}"#)
        .server(
            "slow",
            "run: [{bin}/evil-server, --script, {box}/slow.json, --flag, {box}/slow.flag, --journal, {box}/slow.jsonl]\n\
             sandbox: { read: [{bin}], write: [{box}] }",
        )
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { slow: [\"*\"] }")
        .section("bounds", "streams: 1")
        .start();
    let client = world.client("agent:tester", "/mcp/slow");
    let listen = |id: u32| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        let params = json!({"notifications": {"resourceSubscriptions": ["canary://page"]}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params}).to_string();
        let head: String = client
            .headers(&[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "subscriptions/listen"), ("Host", &world.data().to_string())])
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!("POST /mcp/slow HTTP/1.1\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let enough = |text: &str| text.contains("acknowledged") || text.contains("\"error\"");
        String::from_utf8_lossy(&client.raw_until(request.as_bytes(), enough)).into_owned()
    };
    let told: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|id| scope.spawn(move || listen(id))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let many = |text: &str| told.iter().filter(|told| told.contains(text)).count();
    assert_eq!((many("acknowledged"), many("transport.bounds/streams")), (1, 3), "{told:#?}");
}

#[test]
fn questions_that_wait_together_come_together() {
    let form = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"elicitation/create","params":{{"message":"{id}?","requestedSchema":{{"type":"object","properties":{{}}}}}}}}"#
        )
    };
    let fine = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":$ANSWER}]}}"#;
    let script = json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "acts": {"both": [[form("who"), form("where"), form("who")], [], [fine]]}});
    let world = World::with()
        .file("box/both.json", &script.to_string())
        .server(
            "both",
            "run: [{bin}/evil-server, --script, {box}/both.json, --journal, {box}/both.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }",
        )
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { both: [\"*\"] }")
        .start();
    let client = world.client("agent:tester", "/mcp/both");
    let params = json!({"name": "echo", "arguments": {"text": "both"}});
    let asked = modern(&client, "tools/call", params.clone()).answer();
    let questions = asked.result()["inputRequests"].as_object().unwrap();
    let messages: Vec<_> = questions.values().map(|question| question["params"]["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["who?", "where?"], "each once: {}", asked.0);
    let answers: serde_json::Map<String, Value> =
        questions.keys().map(|key| (key.clone(), json!({"action": "accept", "content": {"key": key}}))).collect();
    let state = asked.result()["requestState"].as_str().unwrap();
    let told = modern(&client, "tools/call", with(params, state, Value::Object(answers))).answer();
    assert!(told.text().contains("accept"), "{}", told.0);
    let journal = std::fs::read_to_string(world.path("box/both.jsonl")).unwrap();
    let replies: Vec<Value> =
        journal.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(|line: &Value| line.get("result").is_some()).collect();
    assert_eq!(replies.iter().map(|reply| reply["id"].as_str().unwrap()).collect::<Vec<_>>(), ["who", "where"]);
}

#[test]
fn a_server_that_goes_on_asking_does_not_hold_its_call() {
    let form = |id: &str, method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{{"message":"Who?","requestedSchema":{{"type":"object","properties":{{}}}}}}}}"#
        )
    };
    // The same one again for a minute, more often than questions are gathered for.
    let again = (0..2_000).flat_map(|_| [json!(form("who", "elicitation/create")), json!({"sleep": 30})]);
    let says: Vec<Value> = std::iter::once(json!(form("who", "elicitation/create"))).chain(again).collect();
    let script = json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "acts": {"endless": [says]}});
    let world = World::with()
        .file("box/endless.json", &script.to_string())
        .server("endless", "run: [{bin}/evil-server, --script, {box}/endless.json]\nsandbox: { read: [{bin}], write: [{box}] }")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { endless: [\"*\"] }")
        .start();
    let mut client = world.client("agent:tester", "/mcp/endless");
    client.patience = std::time::Duration::from_secs(30);
    let asked = modern(&client, "tools/call", json!({"name": "echo", "arguments": {"text": "endless"}})).answer();
    assert_eq!(asked.result()["inputRequests"].as_object().map(serde_json::Map::len), Some(1), "{}", asked.0);
}

#[test]
fn a_question_that_may_be_anothers_is_asked_of_nobody() {
    let form = r#"{"jsonrpc":"2.0","id":"whose","method":"elicitation/create","params":{"message":"Whose?","requestedSchema":{"type":"object","properties":{}}}}"#;
    let fine = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"fine"}]}}"#;
    // A server that takes one request after another: the first one is still open when it asks.
    let script = json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "acts": {"open": [[], [fine]], "ask": [[form, fine], []]}});
    let http = json!({"era": "2025-11-25", "capabilities": {"tools": {}}, "acts": {
        "get": [[{"raw": format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")}, {"sleep": 1500},
            {"raw": format!("data: {form}\n\n")}, {"sleep": 30_000}]],
        "slow": [[{"sleep": 3000}, {"behave": true}]]}});
    let world = World::with()
        .file("box/open.json", &script.to_string())
        .file("box/far.json", &http.to_string())
        .file("box/far.flag", r#"{"GET": "get"}"#)
        .server("open", "run: [{bin}/evil-server, --script, {box}/open.json, --journal, {box}/open.jsonl]\ncall: 4s\nsandbox: { read: [{bin}], write: [{box}] }")
        .scripted(&["far"], "box/far.json", "trust: internal\nclearance: restricted")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { open: [\"*\"], far: [\"*\"] }")
        .start();
    let declined = |name: &str| {
        let journal = std::fs::read_to_string(world.path(&format!("box/{name}.jsonl"))).unwrap_or_default();
        journal
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .any(|line| line["id"] == "whose" && line["result"]["action"] == "decline")
    };
    let client = |path: &str| {
        let mut client = world.client("agent:tester", path);
        let hello =
            json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}});
        let message = client.request("initialize", hello);
        client.session = client.post(&message, &[]).header("mcp-session-id").map(str::to_owned);
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &[]);
        client
    };
    let two = client("/mcp/open");
    let call = |id: u32, text: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": text}}});
    std::thread::scope(|scope| {
        let first = scope.spawn(|| two.post(&call(1, "open"), &[]));
        while !std::fs::read_to_string(world.path("box/open.jsonl")).unwrap_or_default().contains("\"open\"") {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let second = two.post(&call(2, "ask"), &[]);
        assert_eq!(second.answer().text(), "fine");
        for response in [second, first.join().unwrap()] {
            assert!(response.messages().iter().all(|message| message.get("method").is_none()), "{:?}", response.messages());
        }
    });
    assert!(declined("open"));
    let far = client("/mcp/far");
    let answered = far.post(&call(1, "slow"), &[]);
    assert_eq!(answered.messages().len(), 1, "{:?}", answered.messages());
    assert_eq!(answered.answer().text(), "slow");
    assert!(declined("far"));
    let audit = world.audit();
    for server in ["open", "far"] {
        let told = audit.iter().filter(|record| record["event"] == "transport.server-question" && record["server"] == server);
        assert_eq!(told.map(|record| &record["detail"]["method"]).collect::<Vec<_>>(), ["elicitation/create"], "{server}");
    }
}
