//! Servers that misbehave, through the built binary: each harms its own calls and nobody else's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use serde_json::json;
use std::time::{Duration, Instant};
use testkit::{Answer, Http, World};

/// The longest time of one call of the hostile server, as its entry says.
const CALL: Duration = Duration::from_secs(6);
const TIMEOUT: &str = "runtime.limits/timeout";
const GONE: &str = "runtime.restart/unavailable";
const MALFORMED: &str = "transport.strict-messages/server";
const TOO_LARGE: &str = "transport.bounds/result";
/// Most memory of the gateway, in KiB, beside a server that sends a gigabyte.
const MEMORY: u64 = 400 << 10;

#[test]
fn a_flood_of_notes() {
    refused("flood", &[GONE, TIMEOUT]);
}

#[test]
fn no_answer() {
    refused("hang", &[TIMEOUT]);
}

#[test]
fn an_end_without_an_answer() {
    refused("die", &[GONE]);
}

#[test]
fn an_answer_to_nobody() {
    refused("wrong-id", &[TIMEOUT]);
}

#[test]
fn a_line_of_a_gigabyte() {
    refused("gigabyte", &[GONE, TOO_LARGE]);
}

#[test]
fn bytes_that_are_no_text() {
    refused("invalid-utf8", &[GONE, MALFORMED]);
}

#[test]
fn noise_before_the_answer() {
    refused("noise", &[GONE, MALFORMED]);
}

#[test]
fn keys_that_stand_there_twice() {
    refused("duplicate-keys", &[GONE, MALFORMED]);
}

#[test]
fn a_result_of_no_known_shape() {
    refused("wrong-shape", &[GONE, MALFORMED]);
}

#[test]
fn a_second_answer_reaches_nobody() {
    let world = World::with().evil("twice").start();
    let mut agent = world.agent();
    for _ in 0..5 {
        assert_eq!(agent.call("evil__echo", json!({"text": "hi"})).text(), "first");
        assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    }
}

#[test]
fn a_question_that_the_client_did_not_offer_to_answer() {
    let world = World::with().evil("question").start();
    let mut agent = world.agent();
    let message = agent.request("tools/call", json!({"name": "evil__echo", "arguments": {"text": "hi"}}));
    let response = agent.post(&message, &[]);
    let seen = String::from_utf8_lossy(&response.body).into_owned();
    assert!(!seen.contains("sampling/createMessage"), "the question reached a client that offered nothing: {seen}");
    let told = response.answer().text();
    assert!(told.contains("\"error\"") && !told.contains("\"result\""), "{told}");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
}

/// The answer to a call of the hostile server. Where the stream of notes is more than the client takes, it comes back for the rest.
fn whole(victim: &mut Http) -> Answer {
    let message = victim.request("tools/call", json!({"name": "evil__echo", "arguments": {"text": "hi"}}));
    let mut response = victim.post(&message, &[]);
    loop {
        if let Some(answer) = response.messages().into_iter().find(|found| found.get("id") == message.get("id")) {
            return Answer(answer);
        }
        let body = String::from_utf8_lossy(&response.body).into_owned();
        let last = body.lines().rev().find_map(|line| line.strip_prefix("id:")).unwrap_or_else(|| panic!("{}: {body}", response.status));
        let session = victim.session.clone().unwrap();
        let more = [
            ("Mcp-Session-Id", session.as_str()),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Accept", "text/event-stream"),
            ("Last-Event-ID", last.trim()),
        ];
        response = victim.send("GET", "/mcp", &victim.headers(&more), b"");
    }
}

/// The hostile server's call ends in time with one of `codes`, while the other server answers in the same session and in another.
fn refused(mode: &str, codes: &[&str]) {
    let mut world = World::with().evil(mode).start();
    let mut agent = world.agent();
    let mut other = world.agent();
    for client in [&mut agent, &mut other] {
        assert_eq!(client.call("canary__echo", json!({"text": "warm"})).text(), "warm");
    }
    for round in 0..2 {
        let mut victim = agent.clone();
        let hostile = std::thread::spawn(move || {
            let began = Instant::now();
            let mut answer = whole(&mut victim);
            // A server that died is started again after its delay.
            while round > 0 && answer.refused() == GONE && began.elapsed() < Duration::from_millis(1_500) {
                std::thread::sleep(Duration::from_millis(50));
                answer = whole(&mut victim);
            }
            (answer, began.elapsed())
        });
        // Ids of one session are used once at a time.
        for _ in 0..20 {
            agent.request("skipped", json!({}));
        }
        let begun = Instant::now();
        while !hostile.is_finished() {
            assert!(begun.elapsed() < CALL * 6, "{mode}: the call does not end");
            for client in [&mut agent, &mut other] {
                let began = Instant::now();
                assert_eq!(client.call("canary__echo", json!({"text": "hi"})).text(), "hi");
                assert!(began.elapsed() < CALL, "{mode}: the other server took {:?}", began.elapsed());
            }
        }
        let (answer, took) = hostile.join().unwrap();
        assert!(codes.contains(&answer.refused()), "{mode}: {}", answer.0);
        assert!(took < CALL * 2 + Duration::from_secs(20), "{mode}: {took:?}");
        for client in [&mut agent, &mut other] {
            assert_eq!(client.call("canary__echo", json!({"text": "after"})).text(), "after");
        }
    }
    let pid = world.gateway().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap();
    assert!(peak < MEMORY, "{mode}: the gateway used {peak} KiB");
    assert_eq!(world.stop(), Some(0));
    let report = world.verify();
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn a_server_that_never_takes_a_log_level_holds_nobody_up() {
    let world = World::with().evil("deaf").start();
    let mut agent = world.agent();
    assert_eq!(agent.call("evil__echo", json!({"text": "hi"})).text(), "hi");
    assert!(agent.ask("logging/setLevel", json!({"level": "warning"})).code().is_none());
    assert_eq!(agent.call("evil__echo", json!({"text": "hi"})).text(), "hi");
}
