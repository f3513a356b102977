//! Probe of `supply.fuzzing`: messages that differ from a good one in ways that nobody has listed.

use super::agent::Reply;
use super::canaries::Reached;
use super::ground::{Ground, phase};
use super::secrets::drawn;
use super::steps::{Finding, Probed, Steps};
use crate::host::SystemEntropy;
use http::Method;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use terms::Entropy;
use tokio::time::Instant;

/// Messages that are sent.
const COUNT: usize = 200;
/// How many must have been sent for the probe to show something.
const LEAST: usize = 50;
/// How long sending may take.
const TIME: Duration = Duration::from_secs(8);

/// Texts that are put somewhere into a message.
const PIECES: [&str; 21] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e400",
    "9007199254740993",
    "\\u0000",
    "\\ud800",
    "\\",
    "/*",
    "\u{feff}",
    "\u{200b}",
    "\0",
    "\n",
    "é",
];

/// Members that are put where one may begin.
const MEMBERS: [&str; 9] = [
    "\"id\":7,",
    "\"method\":\"ping\",",
    "\"params\":{},",
    "\"result\":{},",
    "\"error\":{\"code\":1,\"message\":\"\"},",
    "\"more\":null,",
    "\"__proto__\":{},",
    "\"_meta\":{\"progressToken\":[]},",
    "\"more\":[[[[[[[[[[]]]]]]]]]],",
];

/// Changes that follow from a seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct Changes(u64);

impl Changes {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or(0) % most.max(1)
    }

    /// A stretch of `letters`, not longer than 24.
    fn stretch(&mut self, letters: &[char]) -> (usize, usize) {
        let from = self.below(letters.len());
        (from, (from + 1 + self.below(24)).min(letters.len()))
    }

    /// `text` with one or two things changed.
    fn apply(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..1 + self.below(2) {
            if letters.is_empty() {
                break;
            }
            let (from, to) = self.stretch(&letters);
            let stretch: Vec<char> = letters.get(from..to).unwrap_or_default().to_vec();
            match self.below(8) {
                0 => drop(letters.drain(from..to)),
                1 => drop(letters.splice(to..to, stretch)),
                2 => {
                    let at = self.below(letters.len());
                    drop(letters.splice(at..at, stretch));
                }
                3 => letters.truncate(from),
                4 => {
                    let other = stretch
                        .iter()
                        .map(|letter| if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
                    let other: Vec<char> = other.collect();
                    drop(letters.splice(from..to, other));
                }
                5 => {
                    let place = self.below(PIECES.len());
                    drop(letters.splice(from..from, PIECES.get(place).into_iter().flat_map(|piece| piece.chars())));
                }
                _ => {
                    let begins = letters.iter().enumerate().filter(|(_, letter)| matches!(letter, '{' | ',')).map(|(at, _)| at + 1);
                    let begins: Vec<usize> = begins.collect();
                    let (at, place) = (self.below(begins.len()), self.below(MEMBERS.len()));
                    let at = begins.get(at).copied().unwrap_or(from);
                    drop(letters.splice(at..at, MEMBERS.get(place).into_iter().flat_map(|member| member.chars())));
                }
            }
        }
        letters.into_iter().collect()
    }
}

/// Messages that were changed at random: each is answered, none that is no good call reaches the canary, and the gateway goes on.
pub async fn fuzzing(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let (tool, mark) = (format!("{}__echo", reached.server.name), drawn());
    let good = reached.call("echo", json!({"text": "whole"})).await?;
    steps.note("made a good call", "200", good.said(), good.ran());
    let mut seed = [0; 8];
    SystemEntropy.fill(&mut seed);
    let seed = u64::from_le_bytes(seed);
    let mut changes = Changes(seed);
    let until = Instant::now() + TIME;
    let (mut sent, mut called, mut unanswered, mut wrongly) = (0_usize, 0_usize, Vec::new(), Vec::new());
    while sent < COUNT && Instant::now() < until {
        let body = changes.apply(&message(&tool, &mark, sent));
        // What it is, another reader says.
        let fits = is_call(&body, &tool);
        match reached.agent.send(Method::POST, "/mcp", &body, &[]).await {
            Ok(reply) if !answers(&reply, &body) => unanswered.push(format!("message {sent}: {}", reply.said())),
            Ok(reply) if reply.ran() && names_call(&body) && !fits => wrongly.push(format!("message {sent}")),
            Ok(_) => {}
            Err(trouble) => unanswered.push(format!("message {sent}: {}", trouble.why)),
        }
        sent += 1;
        called += usize::from(fits && body.contains(&mark));
    }
    steps.note(format!("sent messages that were changed at random, seed {seed}"), format!("{LEAST} at least"), sent, sent >= LEAST);
    steps.none("looked for messages without an answer", &unanswered);
    steps.none("looked for results of calls that were none", &wrongly);
    let after = reached.call("echo", json!({"text": "whole"})).await?;
    steps.note("made a good call after them", "200", after.said(), after.ran());
    let is_of = |record: &&Value| {
        phase(record) == "intent" && record.get("arguments").is_some_and(|arguments| arguments.to_string().contains(&mark))
    };
    let intents = ground.records().await?.iter().filter(is_of).count();
    steps.note("looked in the log for those that went to the canary", format!("{called} at most"), intents, intents <= called);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// One of a few good messages, most of them a call.
fn message(tool: &str, mark: &str, place: usize) -> String {
    let id = place + 100;
    match place % 6 {
        0 => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{}}}}"#),
        1 => format!(r#"{{"jsonrpc":"2.0","id":"p-{id}","method":"ping"}}"#),
        2 => format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{mark}"}}}}"#),
        _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{mark}"}}}}}}"#),
    }
}

fn names_call(body: &str) -> bool {
    body.contains("tools/call")
}

/// Whether another reader takes it for a call of the tool with a text, and for nothing beside it.
fn is_call(body: &str, tool: &str) -> bool {
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(body) else { return false };
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    let params = message.get("params");
    let named = params.and_then(|params| params.get("name")).and_then(Value::as_str) == Some(tool);
    let whole = params.and_then(|params| params.pointer("/arguments/text")).is_some_and(Value::is_string);
    let known = message.keys().all(|key| ["jsonrpc", "id", "method", "params"].contains(&key.as_str()));
    let id = message.get("id").is_some_and(|id| id.is_string() || id.is_i64());
    known && id && named && whole && text("jsonrpc") == Some("2.0") && text("method") == Some("tools/call")
}

/// Whether it is an answer to `body`: a result, an error, or nothing to what wants none.
fn answers(reply: &Reply, body: &str) -> bool {
    let message = reply.message();
    let told = reply.status < 500 && (message.get("error").is_some() || message.get("result").is_some());
    told || (reply.status == 202 && wants_none(body))
}

/// Whether another reader takes it for a message, but for no request.
fn wants_none(body: &str) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(body);
    members.is_ok_and(|members| !(members.contains_key("id") && members.contains_key("method")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_follow_from_their_seed_and_change_something() {
        let good = message("canary__echo", "mark", 5);
        assert!(is_call(&good, "canary__echo"));
        let all = |seed| {
            let mut changes = Changes(seed);
            (0..200).map(|_| changes.apply(&good)).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let refused = all(1).iter().filter(|body| !is_call(body, "canary__echo")).count();
        assert!((100..200).contains(&refused), "most are no call any more, some still are: {refused}");
    }

    #[test]
    fn what_is_more_than_a_call_is_none() {
        let good = message("canary__echo", "mark", 5);
        for bad in [
            good.replace("\"id\":105", "\"id\":null"),
            good.replace("\"id\":105", "\"id\":105,\"result\":{}"),
            good.replace("canary__echo", "canary__add"),
            good.replace("\"2.0\"", "\"1.0\""),
            format!("{good}{good}"),
        ] {
            assert!(!is_call(&bad, "canary__echo"), "{bad}");
        }
    }

    #[test]
    fn silence_is_an_answer_to_what_is_no_request() {
        assert!(wants_none(&message("canary__echo", "mark", 2)));
        assert!(wants_none(r#"{"jsonrpc":"2.0","id":1,"result":{"number":1e400}}"#));
        for wanting in [message("canary__echo", "mark", 1), r#"{"method":"ping","id":null}"#.to_owned(), "{".to_owned(), "[]".to_owned()] {
            assert!(!wants_none(&wanting), "{wanting}");
        }
    }
}
