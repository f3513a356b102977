//! `data.resources`: what is read is bounded in bytes and lines and comes in pages, each screened with the whole.

use base64::Engine as _;
use serde_json::{Value, json};
use testkit::{Answer, Http, World};

const SECRET: &str = "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";

fn world(resources: &str, tools: &str) -> World {
    let server = format!(
        "run: [{{bin}}/canary-server, --notes, {{box}}, --journal, {{box}}/canary.jsonl]\nsandbox: {{ read: [{{bin}}], write: [{{box}}] }}\n\
         resources: {resources}"
    );
    World::with().server("canary", &server).section("tools", tools).start()
}

fn keep(world: &World, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(world.path("box").join(name), text).unwrap();
}

/// An agent at the canary's own endpoint, where its addresses are written as it writes them.
fn agent(world: &World) -> Http {
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.open();
    agent
}

fn read(agent: &mut Http, uri: &str) -> Answer {
    agent.ask("resources/read", json!({"uri": uri}))
}

/// What a page holds of the resource, and the address of the next one.
fn page(answer: &Answer) -> (String, Option<String>) {
    let contents = answer.result()["contents"].as_array().unwrap();
    let own = contents.iter().filter(|item| !item["uri"].as_str().unwrap().starts_with("bastide-page:"));
    let text = own.map(|item| item.get("text").or_else(|| item.get("blob")).and_then(Value::as_str).unwrap()).collect();
    (text, answer.result()["_meta"]["dev.bastide/next"].as_str().map(str::to_owned))
}

fn pages(agent: &mut Http, uri: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = Some(uri.to_owned());
    while let Some(uri) = next {
        let answer = read(agent, &uri);
        let (text, after) = page(&answer);
        found.push(text);
        next = after;
        assert!(found.len() < 100, "it has no end");
    }
    found
}

fn lines(count: usize) -> String {
    (0..count).map(|at| format!("line {at} \u{e4}\u{20ac}\n")).collect()
}

#[test]
fn a_long_resource_comes_in_pages_that_are_the_whole_together() {
    let world = world("{ max: 2KiB, lines: 50 }", "{}");
    let mut agent = agent(&world);
    for text in [lines(400), "x".repeat(9_000), format!("{}{}", "y".repeat(3_000), lines(70))] {
        keep(&world, "book", &text);
        let found = pages(&mut agent, "canary://note/book");
        assert_eq!(found.concat(), text);
        assert!(found.len() > 2 && found.iter().all(|page| page.len() <= 2_048 && page.lines().count() <= 50));
    }
    keep(&world, "book", "w".repeat(1_500_000));
    assert_eq!(page(&read(&mut agent, "canary://note/book")).0.len(), 2_048, "a text of any length that a server may give");
    keep(&world, "short", "a page about birds");
    assert_eq!(pages(&mut agent, "canary://note/short"), ["a page about birds"]);
    let bytes: Vec<u8> = (0..6_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    keep(&world, "image", &bytes);
    let parts = pages(&mut agent, "canary://blob/image").into_iter();
    let found: Vec<u8> = parts.flat_map(|part| base64::engine::general_purpose::STANDARD.decode(part).unwrap()).collect();
    assert_eq!(found, bytes, "each part of it can be decoded by itself");
}

#[test]
fn the_next_page_is_told_in_words_and_in_both_eras() {
    let world = world("{ max: 1KiB }", "{}");
    keep(&world, "book", lines(200));
    let mut agent = world.agent();
    let first = agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fnote%2Fbook"}));
    let (text, next) = page(&first);
    let next = next.unwrap();
    let last = first.result()["contents"].as_array().unwrap().last().unwrap();
    assert_eq!(last["uri"], json!(next));
    let said = last["text"].as_str().unwrap();
    assert!(said.contains(&format!("bytes 0 to {} of {}", text.len(), lines(200).len())) && said.contains(&next), "{said}");
    let (more, _) = page(&agent.ask("resources/read", json!({"uri": next})));
    assert!(lines(200).starts_with(&format!("{text}{more}")));
    let mut modern = world.client("agent:tester", "/mcp/canary");
    let first = modern.ask_modern("resources/read", json!({"uri": "canary://note/book"})).answer();
    let (text, next) = page(&first);
    let (more, _) = page(&modern.ask_modern("resources/read", json!({"uri": next.unwrap()})).answer());
    assert!(lines(200).starts_with(&format!("{text}{more}")));
    let records: Vec<Value> = world.audit().into_iter().filter(|record| record["detail"]["shown_of"].is_u64()).collect();
    assert!(records.iter().any(|record| record["detail"]["shown_from"] == json!(text.len())), "what was shown is on record");
}

#[test]
fn a_secret_across_the_border_of_a_page_does_not_pass() {
    let world = world("{ max: 1KiB }", "canary__read_note: { result: { max: 1KiB } }");
    let mut agent = agent(&world);
    for before in [990, 1_000, 1_010, 1_020] {
        let text = format!("{}\ntoken: {SECRET}\n{}", "word ".repeat(300).split_at(before).0, "end ".repeat(300));
        keep(&world, "book", &text);
        let found = pages(&mut agent, "canary://note/book");
        assert!(found.len() > 1);
        let whole = found.concat();
        assert!(whole.ends_with(&"end ".repeat(300)) && !whole.contains(SECRET));
        for part in [&SECRET[..16], &SECRET[20..36]] {
            assert!(found.iter().all(|page| !page.contains(part)), "a part of it passed: {part}");
        }
        let cut = agent.call("read_note", json!({"name": "book"})).text();
        assert!(cut.len() < 1_200 && !cut.contains(&SECRET[..16]), "{cut}");
    }
}

#[test]
fn a_page_is_of_one_session_one_caller_and_one_state_of_the_resource() {
    let world = world("{ max: 1KiB }", "{}");
    let mut first = agent(&world);
    keep(&world, "book", lines(200));
    let (_, next) = page(&read(&mut first, "canary://note/book"));
    let next = next.unwrap();
    assert!(agent(&world).ask("resources/read", json!({"uri": next})).0.get("error").is_some(), "another session's");
    let mut altered = next.clone();
    altered.replace_range(next.len() - 6..next.len() - 5, if &next[next.len() - 6..next.len() - 5] == "A" { "B" } else { "A" });
    for bad in [altered.as_str(), "bastide-page:", "bastide-page:AAAA", &next[..next.len() - 1]] {
        let answer = read(&mut first, bad);
        assert!(answer.0.get("error").is_some() && !answer.0.to_string().contains("line 5"), "{bad}: {}", answer.0);
    }
    assert!(!page(&read(&mut first, &next)).0.is_empty());
    keep(&world, "book", lines(201));
    let answer = read(&mut first, &next);
    assert_eq!((answer.refused(), answer.code()), ("data.resources/changed", Some(-31503)));
    assert_eq!(world.record(answer.reference())["server"], "canary");
}

#[test]
fn a_further_page_is_decided_on_like_the_first() {
    let mut world = world("{ max: 1KiB }", "{}");
    keep(&world, "book", lines(200));
    let mut agent = agent(&world);
    let (_, next) = page(&read(&mut agent, "canary://note/book"));
    world.json(&["kill", "--server", "canary", "--reason", "a test"]);
    assert_eq!(read(&mut agent, &next.clone().unwrap()).refused(), "response.kill-switch/stopped");
    world.json(&["release", "--server", "canary", "--reason", "a test"]);
    world.edit("allow: { canary: [\"*\"] }", "allow: { canary: [echo] }");
    world.gateway().signal(rustix::process::Signal::HUP);
    let began = std::time::Instant::now();
    while !agent.call("add", json!({"a": 1, "b": 1})).is_error() {
        assert!(began.elapsed().as_secs() < 60, "the configuration was not read anew");
    }
    assert!(read(&mut agent, &next.unwrap()).0.get("error").is_some());
}

#[test]
fn the_result_of_a_tool_is_cut_where_it_is_too_long() {
    let world = world("{}", "canary__read_note: { result: { max: 2KiB, lines: 20 } }");
    let mut agent = agent(&world);
    keep(&world, "book", lines(400));
    let cut = agent.call("read_note", json!({"name": "book"}));
    let blocks = cut.result()["content"].as_array().unwrap();
    let text = blocks[0]["text"].as_str().unwrap();
    assert_eq!((blocks.len(), text.lines().count()), (2, 20));
    assert!(lines(400).starts_with(text));
    let said = blocks[1]["text"].as_str().unwrap();
    assert!(said.contains(&format!("cut after {} of {} bytes", text.len(), lines(400).len())), "{said}");
    keep(&world, "book", "z".repeat(5_000));
    assert_eq!(agent.call("read_note", json!({"name": "book"})).result()["content"][0]["text"], json!("z".repeat(2_048)));
    keep(&world, "book", lines(20));
    assert_eq!(agent.call("read_note", json!({"name": "book"})).text(), lines(20));
    assert_eq!(agent.call("echo", json!({"text": lines(400)})).text(), lines(400), "another tool has no such bound");
}

#[test]
fn pages_of_nothing_are_none_to_start_with() {
    for resources in ["{ max: 1023B }", "{ max: 0B }", "{ lines: 0 }", "{ most: 1KiB }"] {
        let mut world = World::new();
        world.stop();
        world.edit("    sandbox:", &format!("    resources: {resources}\n    sandbox:"));
        assert_eq!(world.serve_in_vain(), Some(2), "{resources}");
    }
}
