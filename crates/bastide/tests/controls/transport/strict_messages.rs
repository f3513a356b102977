//! `transport.strict-messages`: what is no message of the protocol is refused in both directions, and its twin that is one goes through. The tables of
//! everything that is none are in `tests/strict`.

use serde_json::{Value, json};
use testkit::{Http, World};

const MALFORMED: &str = "transport.strict-messages/malformed";
const SERVER: &str = "transport.strict-messages/server";
const GONE: &str = "runtime.restart/unavailable";

/// A call of `echo` with these parameters.
fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{params}}}"#)
}

/// How often a refusal of `code` is on record.
fn recorded(world: &World, code: &str) -> usize {
    world.audit().iter().filter(|record| record["decision"]["code"] == code).count()
}

#[test]
fn what_fits_arrives_as_it_was_meant_and_so_does_its_answer() {
    let world = World::new();
    let mut agent = world.agent();
    for text in ["plain", "\"quoted\\\" {\"a\":1}", "line\nfeed\ttab", "žluť 日本 🦀", "\u{7f}\u{2028}"] {
        assert_eq!(agent.call("canary__echo", json!({"text": text})).text(), text);
        assert_eq!(world.reached().last().unwrap()["arguments"], json!({"text": text}));
    }
    // However it is written.
    let body = " {\r\n\t\"params\" : {\"arguments\":{\"t\\u0065xt\":\"\\u0068i\"},\"name\":\"canary__echo\"},\"method\":\"tools/call\",\"id\":\"x\",\"jsonrpc\":\"2.0\"}\n";
    assert_eq!(agent.post_text(body, &[]).answer().text(), "hi");
    assert_eq!(recorded(&world, MALFORMED), 0);
}

/// A class, the body that is none, its twin that is one, and the code of JSON-RPC that the first is refused with.
fn bodies() -> [(&'static str, String, String, i64); 8] {
    let good = || call(r#"{"name":"canary__echo","arguments":{"text":"twin"}}"#);
    let with = |params: &str| call(&format!(r#"{{"name":"canary__echo",{params}}}"#));
    [
        ("a member twice", with(r#""arguments":{"text":"shown","text":"hidden"}"#), good(), -32600),
        ("a name twice, once in escapes", with(r#""n\u0061me":"canary__add","arguments":{"text":"x"}"#), good(), -32600),
        (
            "a member that nobody knows",
            with(r#""arguments":{"text":"x"},"force":true"#),
            with(r#""arguments":{"text":"twin"},"_meta":{"x.example/force":true}"#),
            -32602,
        ),
        ("another type", good().replace("\"id\":5", "\"id\":[5]"), good(), -32600),
        ("a batch", format!("[{}]", good()), good(), -32600),
        ("something behind it", format!("{}{}", good(), good()), format!("{} \r\n", good()), -32700),
        ("half a letter", with(r#""arguments":{"text":"\ud83e"}"#), with(r#""arguments":{"text":"\ud83e\udd80"}"#), -32700),
        ("another version", good().replace("\"2.0\"", "\"1.0\""), good(), -32600),
    ]
}

#[test]
fn no_server_sees_a_byte_of_what_is_no_message() {
    let world = World::new();
    let agent = world.agent();
    let mut refused = 0;
    for (reached, (class, bad, twin, code)) in bodies().into_iter().enumerate() {
        let answer = agent.post_text(&bad, &[]);
        assert_eq!((answer.status, answer.answer().code()), (400, Some(code)), "{class}");
        refused += 1;
        assert_eq!((recorded(&world, MALFORMED), world.reached().len()), (refused, reached), "{class}");
        let twin = agent.post_text(&twin, &[]).answer();
        assert!(!twin.is_error() && world.reached().len() == reached + 1, "{class}: its twin: {twin:?}");
    }
    // The same message, in a head that does not fit it.
    let good = call(r#"{"name":"canary__echo","arguments":{"text":"twin"}}"#);
    let before = world.reached().len();
    for (class, head, status) in
        [("another type of content", ("Content-Type", "text/plain"), 415), ("a coding", ("Content-Encoding", "gzip"), 415)]
    {
        let answer = agent.post_text(&good, &[head]);
        assert_eq!(answer.status, status, "{class}: {}", String::from_utf8_lossy(&answer.body));
        refused += 1;
    }
    assert_eq!(world.reached().len(), before);
    assert_eq!(recorded(&world, MALFORMED), refused);
    assert_eq!(agent.post_text(&good, &[]).answer().text(), "twin");
}

/// What a server says over HTTP.
fn said(head: &str, body: &str) -> Value {
    json!([[{"raw": format!("HTTP/1.1 200 OK\r\nContent-Type: application/json{head}\r\nConnection: close\r\n\r\n{body}")}]])
}

#[test]
fn no_client_sees_a_byte_of_what_is_no_answer() {
    let result = |text: &str| format!(r#""result":{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
    let (good, wicked) = (result("twin"), result("wicked"));
    let attacks = [
        ("a result twice", SERVER, said("", &format!(r#"{{"jsonrpc":"2.0","id":$ID,{wicked},{wicked}}}"#))),
        (
            "a result and an error",
            SERVER,
            said("", &format!(r#"{{"jsonrpc":"2.0","id":$ID,{wicked},"error":{{"code":1,"message":"wicked"}}}}"#)),
        ),
        ("a member that nobody knows", SERVER, said("", &format!(r#"{{"jsonrpc":"2.0","id":$ID,{wicked},"wicked":1}}"#))),
        ("another type", SERVER, said("", r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":"wicked"}}"#)),
        ("a batch", SERVER, said("", &format!(r#"[{{"jsonrpc":"2.0","id":$ID,{wicked}}}]"#))),
        ("half of it", SERVER, said("", r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"wicked"#)),
        ("a coding", GONE, said("\r\nContent-Encoding: gzip", &format!(r#"{{"jsonrpc":"2.0","id":$ID,{wicked}}}"#))),
    ];
    let mut acts: serde_json::Map<String, Value> = attacks.iter().map(|(class, _, act)| ((*class).to_owned(), act.clone())).collect();
    acts.insert("twin".to_owned(), said("", &format!(r#"{{"jsonrpc":"2.0","id":$ID,{good}}}"#)));
    let world = World::with()
        .file("script.json", &json!({ "acts": acts }).to_string())
        .scripted(&["odd"], "script.json", "call: 20s")
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { odd: [\"*\"] }")
        .start();
    let mut agent = world.agent();
    for (class, code, _) in attacks {
        let answer = agent.call("odd__echo", json!({"text": class}));
        assert_eq!(answer.refused(), code, "{class}");
        assert!(!answer.0.to_string().contains("wicked"), "{class}: {answer:?}");
        assert_eq!(world.record(answer.reference())["decision"]["code"], code, "{class}");
        assert_eq!(until_served(&mut agent), "twin", "{class}");
    }
}

/// What the server says when it behaves. It may have to be connected to again first.
fn until_served(agent: &mut Http) -> String {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let answer = agent.call("odd__echo", json!({"text": "twin"}));
        if !answer.is_error() || std::time::Instant::now() > end {
            return answer.text();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn what_stands_behind_a_flaw_is_not_read() {
    let world = World::new();
    let agent = world.agent();
    let good = call(r#"{"name":"canary__echo","arguments":{"text":"behind"}}"#);
    let post = |lengths: &str, body: &str, more: &str| {
        let (token, session) = (agent.token.as_deref().unwrap(), agent.session.as_deref().unwrap());
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nMcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{lengths}{more}\r\n{body}",
            world.data()
        )
    };
    let length = |body: &str| format!("Content-Length: {}\r\n", body.len());
    let chunked = format!("{:x}\r\n{good}\r\n0\r\n\r\n", good.len());
    let whole = || post(&length(&good), &good, "Connection: close\r\n");
    for (class, flawed) in [
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 4\r\n", "{}", "")),
        ("a length and chunks", post(&format!("{}Transfer-Encoding: chunked\r\n", length(&good)), &chunked, "")),
        ("a line that is no field", post("Content-Length: 2\r\n", "{}", "no field\r\n")),
        ("a chunk without a size", post("Transfer-Encoding: chunked\r\n", "x\r\n{}\r\n0\r\n\r\n", "")),
    ] {
        let answer = String::from_utf8_lossy(&agent.raw(format!("{flawed}{}", whole()).as_bytes())).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{class}: {answer}");
        assert!(world.reached().is_empty(), "{class}");
    }
    assert!(recorded(&world, MALFORMED) >= 4);
    // Behind one without a flaw it is.
    let answer = String::from_utf8_lossy(&agent.raw(format!("{}{}", post(&length(&good), &good, ""), whole()).as_bytes())).into_owned();
    assert_eq!((answer.matches("HTTP/1.1 200 ").count(), world.reached().len()), (2, 2), "{answer}");
}
