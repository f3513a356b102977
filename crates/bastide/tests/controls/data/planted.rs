//! A server that plants values in every place in which it can say something.

use serde_json::{Value, json};
use testkit::{Answer, Http, Setup, World};

/// A schema that says exactly what the tool `typed` gives back.
fn typed() -> Value {
    json!({"name": "typed", "description": "Gives fields.", "annotations": {"readOnlyHint": true},
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "outputSchema": {"type": "object", "additionalProperties": false, "properties": {
            "about": {"type": "string"}, "mail": {"type": "string", "format": "email"}, "card": {"type": "integer"},
            "born": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}, "kind": {"enum": ["536-90-4399", "none"]}}}})
}

/// What the server says, by act, with `text` in all of it.
pub fn script(text: &str) -> Value {
    let line = |message: Value| {
        let text = message.to_string();
        json!([text.replace("\"$ID\"", "$ID").replace("\"$TOKEN\"", "$TOKEN")])
    };
    let result = |result: Value| json!([line(json!({"jsonrpc": "2.0", "id": "$ID", "result": result}))]);
    let block = |text: &str| json!([{"type": "text", "text": text}]);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "$TOKEN", "progress": 1, "message": text}});
    let done = json!({"jsonrpc": "2.0", "id": "$ID", "result": {"content": block("done")}});
    let question = json!({"jsonrpc": "2.0", "id": 900, "method": "elicitation/create",
        "params": {"message": text, "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}}}});
    json!({"tools": [typed()], "capabilities": {"tools": {}, "resources": {}, "prompts": {}}, "acts": {
        "result": result(json!({"content": block(text)})),
        "twice": result(json!({"content": block(&json!({"about": text}).to_string()), "structuredContent": {"about": text}})),
        "failed": result(json!({"content": block(text), "isError": true})),
        "fault": [line(json!({"jsonrpc": "2.0", "id": "$ID", "error": {"code": -32000, "message": text, "data": {"about": text}}}))],
        "linked": result(json!({"content": [{"type": "resource", "resource": {"uri": "odd://x", "text": text, "_meta": {"about": text}}}]})),
        "progress": [[line(note)[0], line(done.clone())[0]]],
        "question": [line(question), line(done)],
        "odd://page": result(json!({"contents": [{"uri": "odd://page", "mimeType": "text/plain", "text": text}]})),
        "prompt": result(json!({"description": text, "messages": [{"role": "user", "content": {"type": "text", "text": text}}]})),
        "card": result(json!({"content": block("4111111111111111"), "structuredContent": {"card": 4_111_111_111_111_111_u64, "mail": "jane.doe@example.com"}})),
        "kind": result(json!({"content": block("SSN 536-90-4399"), "structuredContent": {"kind": "536-90-4399", "about": "SSN 536-90-4399"}})),
    }})
}

/// A world with the server `odd` over pipes, which says `text` everywhere; `more` are further lines of its entry.
pub fn setup(text: &str, more: &str) -> Setup {
    let run = "run: [{bin}/evil-server, --script, {box}/odd.json, --flag, {box}/odd.flag]\nsandbox: { read: [{bin}], write: [{box}] }";
    World::with()
        .file("box/odd.json", &script(text).to_string())
        .server("odd", &format!("{run}\n{more}"))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], odd: [\"*\"] }")
}

/// Everything that the server says to a client at its own endpoint, by where it says it: over HTTP of both eras and over pipes.
pub fn everywhere(world: &World) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut legacy = world.client("agent:tester", "/mcp/odd");
    legacy.open();
    let mut modern = world.client("agent:tester", "/mcp/odd");
    let mut pipes = world.connect(&["--server", "odd"]);
    pipes.open();
    let asked = [
        ("result", "tools/call", json!({"name": "echo", "arguments": {"text": "result"}})),
        ("structured", "tools/call", json!({"name": "echo", "arguments": {"text": "twice"}})),
        ("failure", "tools/call", json!({"name": "echo", "arguments": {"text": "failed"}})),
        ("error", "tools/call", json!({"name": "echo", "arguments": {"text": "fault"}})),
        ("embedded", "tools/call", json!({"name": "echo", "arguments": {"text": "linked"}})),
        ("resource", "resources/read", json!({"uri": "odd://page"})),
        ("prompt", "prompts/get", json!({"name": "greet", "arguments": {"who": "prompt"}})),
    ];
    for (place, method, params) in asked {
        all.push((format!("{place}, legacy"), legacy.ask(method, params.clone()).0));
        all.push((format!("{place}, modern"), modern.ask_modern(method, params.clone()).answer().0));
        all.push((format!("{place}, pipes"), pipes.ask(method, params).0));
    }
    let mut call = json!({"name": "echo", "arguments": {"text": "progress"}});
    call["_meta"] = json!({"progressToken": "p"});
    let message = legacy.request("tools/call", call.clone());
    all.push(("progress, legacy".to_owned(), Value::from(legacy.post(&message, &[]).messages())));
    pipes.beside.clear();
    pipes.ask("tools/call", call);
    all.push(("progress, pipes".to_owned(), Value::from(std::mem::take(&mut pipes.beside))));
    all.push(("question, legacy".to_owned(), asked_of(world)));
    all
}

/// The question that the server puts to a client that takes questions.
fn asked_of(world: &World) -> Value {
    let mut client: Http = world.client("agent:tester", "/mcp/odd");
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "1"}});
    let message = client.request("initialize", hello);
    client.session = client.post(&message, &[]).header("mcp-session-id").map(str::to_owned);
    client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &[]);
    client.patience = std::time::Duration::from_secs(20);
    let message = client.request("tools/call", json!({"name": "echo", "arguments": {"text": "question"}}));
    let mut headers = client.headers(&[("MCP-Protocol-Version", "2025-11-25")]);
    headers.extend(client.session.clone().map(|session| ("Mcp-Session-Id".to_owned(), session)));
    let body = message.to_string();
    let mut bytes = format!("POST /mcp/odd HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n", world.data(), body.len());
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str(&format!("\r\n{body}"));
    let said = client.raw_until(bytes.as_bytes(), |said| said.contains("elicitation/create") && said.contains("requestedSchema"));
    Value::from(String::from_utf8_lossy(&said).into_owned())
}

/// What a call of `tool` of the server gives back.
pub fn call(world: &World, tool: &str, act: &str) -> Answer {
    let mut client = world.client("agent:tester", "/mcp/odd");
    client.open();
    client.call(tool, json!({"text": act}))
}

/// The obligations of the last call that went to the server, as class, kind and action.
pub fn obligations(world: &World) -> Vec<(String, String, String)> {
    let audit = world.audit();
    let call = audit.iter().rfind(|record| record["server"] == "odd" && record["method"] == "tools/call").unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    call["obligations"].as_array().into_iter().flatten().map(|one| (text(one, "class"), text(one, "kind"), text(one, "action"))).collect()
}
