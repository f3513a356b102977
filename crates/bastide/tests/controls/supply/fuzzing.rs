//! `supply.fuzzing`: what fuzzing reached and found is sent through the front door too.

use fuzzed::Target;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use testkit::{Http, Response, World};

/// Inputs of each corpus that are sent at most.
const MOST: usize = 40;

/// The inputs that were kept for a target, those that were written by hand, recorded or found (`seed-`, `recorded-`, `crash-`) before the others.
fn kept(target: Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let of = |name: &str| std::fs::read_dir(folder.join(name).join(target.name())).into_iter().flatten();
    let mut paths: Vec<PathBuf> = of("corpus").chain(of("artifacts")).map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| Reverse(path.file_name().map(OsStr::to_owned)));
    paths.into_iter().take(MOST).map(|path| std::fs::read(path).unwrap()).collect()
}

/// Posts bytes as a message of the agent's session, or of none where it says the modern revision of itself.
fn posted(agent: &Http, body: &[u8]) -> Response {
    const MODERN: &str = "2026-07-28";
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let modern = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").is_some_and(|version| version == MODERN);
    let method = message["method"].as_str().unwrap_or_default();
    let name = ["name", "uri"].iter().find_map(|key| message["params"].get(key)?.as_str());
    let said = [Some(method), name].map(|text| mcp::header::encode(text.unwrap_or_default()).into_owned());
    let session = agent.session.clone().unwrap_or_default();
    let mut headers = vec![("MCP-Protocol-Version", if modern { MODERN } else { "2025-11-25" })];
    if modern {
        headers.extend([("Mcp-Method", said[0].as_str()), ("Mcp-Name", said[1].as_str())]);
    } else {
        headers.push(("Mcp-Session-Id", session.as_str()));
    }
    agent.send("POST", "/mcp", &agent.headers(&headers), body)
}

/// Whether it is an answer to `body`: a result, an error, or nothing to what another reader takes for a message, but for no request.
fn is_answer(response: &Response, body: &[u8]) -> bool {
    if response.status == 202 {
        let members = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(body);
        return members.is_ok_and(|members| !(members.contains_key("id") && members.contains_key("method")));
    }
    let told = |message: &Value| message.get("error").is_some() || message.get("result").is_some();
    (200..500).contains(&response.status) && response.messages().iter().any(told)
}

#[test]
fn what_was_kept_is_answered_at_the_front_door_and_the_gateway_stays_up() {
    let world = World::new();
    let mut agent = world.agent();
    let mut sent = 0;
    for input in [Target::Client, Target::Server, Target::Json].into_iter().flat_map(kept) {
        let body = fuzzed::sent(&input);
        // Its answer is a stream that stays.
        if String::from_utf8_lossy(&body).contains("subscriptions/listen") {
            continue;
        }
        let response = posted(&agent, &body);
        assert!(is_answer(&response, &body), "{} to {}", response.status, String::from_utf8_lossy(&body));
        sent += 1;
    }
    assert!(sent > 20, "{sent} inputs");
    assert_eq!(agent.call("canary__echo", json!({"text": "after"})).text(), "after");
    for call in world.reached() {
        assert!(call["arguments"].is_object() && call["name"].is_string(), "{call}");
    }
}

#[test]
fn heads_that_were_kept_are_answered_or_closed_and_the_gateway_stays_up() {
    let world = World::new();
    let mut agent = world.agent();
    let mut alone = agent.clone();
    alone.patience = std::time::Duration::from_millis(500);
    for input in kept(Target::Head).into_iter().take(20) {
        let answer = alone.raw_answer(&input);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(agent.call("canary__echo", json!({"text": "after"})).text(), "after");
}
