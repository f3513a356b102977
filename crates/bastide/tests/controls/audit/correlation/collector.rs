//! What a collector is told of calls, and what is the same there, at the client, at the server and in the log.

use super::{PARENT, raw};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{TcpListener, ToSocketAddrs as _};
use std::time::{Duration, Instant};
use testkit::{Collector, Manner, Setup, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn telling(collector: &Collector, more: &str) -> Setup {
    World::with().section("telemetry", &format!("otlp: {}\n{more}", collector.url()))
}

/// With a second server, over HTTP.
fn telling_of_two(collector: &Collector) -> Setup {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], far: [\"*\"] }";
    telling(collector, "").remote("far", "").role("tester", role)
}

/// The spans of one request, ours first.
fn of(spans: &[Value], request: &str) -> Vec<Value> {
    let mut own: Vec<Value> = spans.iter().filter(|span| span["attributes"]["bastide.request"] == request).cloned().collect();
    own.sort_by_key(|span| span["kind"] == "client");
    own
}

fn answering(name: &str) -> impl Fn(&[Value]) -> bool {
    move |spans| spans.iter().any(|span| span["kind"] == "server" && span["name"] == name)
}

#[test]
fn one_request_id_and_one_trace_are_at_the_client_the_gateway_the_server_and_in_the_log() {
    let collector = Collector::new();
    let world = telling_of_two(&collector).start();
    let mut agent = world.agent();
    for (server, journal) in [("canary", "box/canary.jsonl"), ("far", "box/far.jsonl")] {
        let call = json!({"name": format!("{server}__echo"), "arguments": {"text": "hi"}, "_meta": {"traceparent": PARENT}});
        let answer = agent.ask("tools/call", call);
        assert_eq!(answer.text(), "hi");
        let request = answer.result()["_meta"]["dev.bastide/request"].as_str().unwrap().to_owned();
        let told = |spans: &[Value]| spans.iter().any(|span| span["attributes"]["bastide.request"] == *request);
        let spans = of(&collector.spans_until(told), &request);
        let [ours, asking] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!((&ours["trace"], &ours["parent"]), (&json!(TRACE), &json!(&PARENT[36..52])));
        assert_eq!((&asking["trace"], &asking["parent"]), (&json!(TRACE), &ours["id"]));
        let between = ours["from"].as_u64() <= asking["from"].as_u64() && asking["to"].as_u64() <= ours["to"].as_u64();
        assert!(between && asking["from"].as_u64() < asking["to"].as_u64(), "{spans:#?}");
        let reached = std::fs::read_to_string(world.path(journal)).unwrap();
        let reached =
            reached.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).rfind(|sent| sent["method"] == "tools/call").unwrap();
        let meta = &reached["params"]["_meta"];
        assert_eq!(meta["dev.bastide/request"], request);
        assert_eq!(meta["traceparent"], format!("00-{TRACE}-{}-01", asking["id"].as_str().unwrap()));
        let own: Vec<Value> = raw(&world).into_iter().filter(|record| record["request"] == request).collect();
        assert_eq!(own.len(), 2);
        for record in &own {
            assert_eq!(record["trace"], json!({"id": TRACE, "parent": PARENT, "span": ours["id"]}));
        }
        let told = &ours["attributes"];
        let session = own[0]["session"]["id"].as_str().unwrap();
        let client = if server == "canary" { "pipe" } else { "tcp" };
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", "2025-11-25"),
            ("mcp.session.id", session),
            ("gen_ai.operation.name", "execute_tool"),
            ("network.transport", "tcp"),
            ("network.protocol.name", "http"),
            ("bastide.verdict", "allowed"),
            ("bastide.server", server),
        ] {
            assert_eq!(told[key], value, "{key}: {told:#?}");
        }
        assert_eq!(asking["attributes"]["network.transport"], client);
        assert!(told.get("error.type").is_none() && ours["status"].is_null());
        let stages: Vec<_> = ours["events"].as_array().unwrap().iter().map(|event| event.as_str().unwrap()).collect();
        assert!(["accept", "decide", "forward", "settle"].iter().all(|stage| stages.contains(stage)), "{stages:?}");
    }
    assert!(agent.call("far__headers", json!({})).text().contains("traceparent"));
    let key = agent.session.clone().unwrap();
    assert!(collector.exports().iter().all(|export| !export.body.windows(key.len()).any(|window| window == key.as_bytes())));
}

#[test]
fn a_trace_begins_here_where_the_client_has_none() {
    let collector = Collector::new();
    let world = telling(&collector, "").start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let spans = collector.spans_until(answering("tools/call echo"));
    let ours = spans.iter().find(|span| span["name"] == "tools/call echo" && span["kind"] == "server").unwrap();
    let asking = spans.iter().find(|span| span["kind"] == "client").unwrap();
    assert_eq!(ours["parent"], Value::Null);
    assert_eq!(
        world.reached()[0]["_meta"]["traceparent"],
        format!("00-{}-{}-01", ours["trace"].as_str().unwrap(), asking["id"].as_str().unwrap())
    );
    let names: BTreeSet<&str> = spans.iter().filter_map(|span| span["name"].as_str()).collect();
    assert!(names.contains("initialize"), "{names:?}");
}

#[test]
fn the_head_of_the_request_names_the_trace_where_the_message_does_not() {
    let collector = Collector::new();
    let world = telling(&collector, "").start();
    let mut agent = world.agent();
    let other = PARENT.replace("4bf9", "aaaa");
    for (meta, seen) in [(json!({}), &other[3..35]), (json!({"traceparent": PARENT}), TRACE)] {
        let call = agent.request("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": meta}));
        assert_eq!(agent.post(&call, &[("traceparent", &other)]).answer().text(), "hi");
        let reached = world.reached();
        assert_eq!(&reached.last().unwrap()["_meta"]["traceparent"].as_str().unwrap()[3..35], seen);
    }
    // Two of them are none, and neither is taken.
    let call = agent.request("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}}));
    assert_eq!(agent.post(&call, &[("traceparent", &other), ("traceparent", PARENT)]).answer().text(), "hi");
    let last = world.reached().last().unwrap()["_meta"]["traceparent"].as_str().unwrap().to_owned();
    assert!(!last.contains(TRACE) && !last.contains(&other[3..35]), "{last}");
}

#[test]
fn what_others_keep_of_a_trace_is_taken_from_where_the_trace_is() {
    let collector = Collector::new();
    let world = telling_of_two(&collector).start();
    let mut agent = world.agent();
    let head = [("traceparent", PARENT), ("tracestate", "rojo=1"), ("tracestate", " , congo=2 ")];
    let bad = [("traceparent", PARENT), ("tracestate", "rojo=1"), ("tracestate", "congo")];
    let lone = [("tracestate", "rojo=1")];
    let own = json!({"traceparent": PARENT, "tracestate": "own=1"});
    let bare = json!({"traceparent": PARENT});
    for (meta, head, seen) in [
        (json!({}), &head[..], json!("rojo=1,congo=2")),
        (own, &head, json!("own=1")),
        (bare, &head, Value::Null),
        (json!({}), &bad, Value::Null),
        (json!({}), &lone, Value::Null),
    ] {
        let call = agent.request("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": meta}));
        assert_eq!(agent.post(&call, head).answer().text(), "hi");
        assert_eq!(world.reached().last().unwrap()["_meta"]["tracestate"], seen, "{meta} {head:?}");
    }
    for (head, there) in [(&head[..], true), (&bad, false)] {
        let call = agent.request("tools/call", json!({"name": "far__headers", "arguments": {}}));
        let headers = agent.post(&call, head).answer().text();
        assert_eq!((headers.contains("traceparent"), headers.contains("tracestate")), (true, there), "{headers}");
    }
}

#[test]
fn who_waits_for_a_server_in_vain_waits_for_the_server() {
    let collector = Collector::new();
    let entry =
        "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\ncall: 20s\nsandbox: { read: [{bin}], write: [{box}] }";
    let world = telling(&collector, "").server("canary", entry).start();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let refused = agent.call("canary__wait", json!({"ms": 60_000}));
    let code = refused.refused().to_owned();
    let told = |spans: &[Value]| spans.iter().any(|span| span["attributes"]["bastide.request"] == refused.reference());
    let spans = of(&collector.spans_until(told), refused.reference());
    let [ours, asking] = &spans[..] else { panic!("{spans:#?}") };
    for span in [ours, asking] {
        assert_eq!((&span["attributes"]["error.type"], &span["status"]), (&json!(code), &json!(2)), "{span:#?}");
    }
    let lasted = asking["to"].as_u64().unwrap() - asking["from"].as_u64().unwrap();
    assert!(lasted >= 1_900_000_000, "{spans:#?}");
    let events = ours["events"].as_array().unwrap();
    assert!(events.contains(&json!("pair")) && !events.contains(&json!("settle")), "{events:?}");
    let spent = |stage: &str| counter(&world, &format!("bastide_stage_nanoseconds_total{{stage=\"{stage}\"}}"));
    assert!(spent("forward") + spent("pair") >= 1_900_000_000);
    let latency = world.record(refused.reference())["latency"].clone();
    assert!(latency["settle"].is_null() && latency["pair"].is_u64(), "{latency}");
}

#[test]
fn a_refusal_is_told_with_its_reference_and_nothing_of_what_was_sent() {
    let collector = Collector::new();
    let world = telling(&collector, "").allow("[echo]").start();
    let mut agent = world.agent();
    let refused = agent.call("canary__add", json!({"a": 424_242, "b": 1}));
    let invented = agent.call("no-such-tool-0815", json!({"text": "mark-4711"}));
    agent.call("canary__echo", json!({"text": "mark-4712"}));
    let spans = collector.spans_until(answering("tools/call echo"));
    let of_refused = of(&spans, refused.reference());
    assert_eq!(of_refused.len(), 1, "no server was asked: {of_refused:#?}");
    let told = &of_refused[0]["attributes"];
    let record = world.record(refused.reference());
    assert_eq!(told["bastide.verdict"], "refused");
    assert_eq!(told["bastide.control"], record["decision"]["control"]);
    assert_eq!(told["error.type"], record["decision"]["code"]);
    assert_eq!(of_refused[0]["status"], 2);
    let of_invented = of(&spans, invented.reference());
    assert_eq!(
        (&of_invented[0]["name"], &of_invented[0]["attributes"]["gen_ai.tool.name"]),
        (&json!("tools/call _other"), &json!("_other"))
    );
    let bodies: Vec<u8> = collector.exports().into_iter().flat_map(|export| export.body).collect();
    for content in ["mark-4711", "mark-4712", "no-such-tool-0815", "424242", agent.token.as_deref().unwrap()] {
        assert!(!bodies.windows(content.len()).any(|window| window == content.as_bytes()), "{content}");
    }
}

#[test]
fn what_a_server_does_wrong_is_told_of_the_asking() {
    let collector = Collector::new();
    let world = telling(&collector, "").start();
    let mut agent = world.agent();
    let missing = agent.ask("resources/read", json!({"uri": "bastide://canary/canary%3A%2F%2Fnote%2Fnone"}));
    assert!(missing.code().is_some(), "{missing:?}");
    let spans = collector.spans_until(|spans| spans.iter().any(|span| span["name"] == "resources/read"));
    let asking = spans.iter().find(|span| span["name"] == "resources/read" && span["kind"] == "server").unwrap();
    assert!(asking["attributes"].get("error.type").is_some(), "{asking:#?}");
    // Addresses are the client's and may hold anything.
    assert!(spans.iter().all(|span| !span.to_string().contains("note")));
}

#[test]
fn only_as_many_are_told_as_the_file_says_and_the_client_cannot_change_that() {
    let collector = Collector::new();
    let mut world = telling(&collector, "sample: 0%\nevery: 1s").start();
    let mut agent = world.agent();
    let call = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"traceparent": PARENT}});
    assert_eq!(agent.ask("tools/call", call).text(), "hi");
    let sent = world.reached()[0]["_meta"]["traceparent"].as_str().unwrap().to_owned();
    assert!(sent.contains(TRACE) && sent.ends_with("-00"), "{sent}");
    world.stop();
    assert_eq!(collector.spans(), Vec::<Value>::new());
    assert!(collector.metrics().contains_key("bastide_messages"));
}

#[test]
fn metrics_are_told_with_what_is_shown_and_what_waits_is_told_at_the_end() {
    let collector = Collector::new();
    let mut world = telling(&collector, "every: 1h\nheaders: { authorization: vault:telemetry/token }")
        .secret("telemetry/token", "Bearer t0ken-of-the-collector")
        .start();
    let mut agent = world.agent();
    for _ in 0..3 {
        assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    }
    world.stop();
    let durations = &collector.metrics()["mcp.server.operation.duration"];
    let calls =
        durations["points"].as_array().unwrap().iter().find(|point| point["attributes"]["mcp.method.name"] == "tools/call").unwrap();
    assert_eq!((&calls["count"], &calls["attributes"]["bastide.server"], &durations["unit"]), (&json!(3), &json!("canary"), &json!("s")));
    let told = collector.spans();
    assert_eq!(told.iter().filter(|span| span["name"] == "tools/call echo").count(), 6, "{told:#?}");
    let shown = |export: &testkit::Export| export.head.to_lowercase().contains("authorization: bearer t0ken-of-the-collector");
    assert!(!collector.exports().is_empty() && collector.exports().iter().all(shown));
    assert!(!world.holds("serve.log", b"t0ken-of-the-collector"));
}

/// A counter of `/metrics`.
fn counter(world: &World, start: &str) -> u64 {
    let text = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
    text.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok()).unwrap()
}

fn dropped(world: &World, reason: &str) -> u64 {
    counter(world, &format!("bastide_telemetry_dropped_total{{signal=\"spans\",reason=\"{reason}\"}}"))
}

fn until(enough: impl Fn() -> bool) {
    let began = Instant::now();
    while !enough() {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing happened in a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_collector_that_fails_holds_no_call_up_and_what_it_missed_is_counted() {
    let elsewhere = Collector::new();
    let manners = [Manner::Answers(500), Manner::Redirects(format!("{}/v1/traces", elsewhere.url())), Manner::Answers(400)];
    for manner in manners {
        let collector = Collector::of(manner.clone());
        let world = telling(&collector, "").start();
        let mut agent = world.agent();
        assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
        until(|| dropped(&world, "unsent") >= 3);
        assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi", "{manner:?}");
    }
    assert!(elsewhere.exports().is_empty(), "a redirect was followed");
    let collector = Collector::of(Manner::Rejects(2));
    let world = telling(&collector, "").start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    until(|| dropped(&world, "rejected") >= 2);
}

#[test]
fn a_collector_that_is_not_there_or_never_answers_holds_neither_calls_nor_the_end_up() {
    let gone = format!("otlp: http://127.0.0.1:{}", testkit::free_port());
    let slow = Collector::of(Manner::Sleeps);
    for section in [gone, format!("otlp: {}", slow.url())] {
        let mut world = World::with().section("telemetry", &section).start();
        let mut agent = world.agent();
        for _ in 0..20 {
            assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
        }
        assert_eq!(world.stop(), Some(0), "{section}");
    }
    assert!(!slow.exports().is_empty());
}

#[test]
fn a_name_that_leads_inwards_is_not_followed() {
    // The name of this host is never public.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let name = host.trim();
    if (name, 0).to_socket_addrs().is_err() || name == "localhost" {
        testkit::layers::skip("this host does not know its own name");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::with().section("telemetry", &format!("otlp: https://{name}:{port}")).start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    until(|| world.holds("serve.log", b"is not listed"));
    assert!(listener.accept().is_err(), "it was connected to");
}

#[test]
fn a_collector_that_comes_back_is_told_what_was_kept() {
    let collector = Collector::of(Manner::Answers(503));
    let world = telling(&collector, "").start();
    assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
    until(|| !collector.exports().is_empty());
    let before = collector.spans().len();
    collector.turns(Manner::Takes);
    collector.spans_until(|spans| spans.len() > before && answering("tools/call echo")(spans));
    assert_eq!(dropped(&world, "unsent"), 0);
}

#[test]
fn nothing_is_told_where_nobody_is_named() {
    let world = World::new();
    let mut agent = world.agent();
    let call = agent.request("tools/call", json!({"name": "canary__echo", "arguments": {"text": "hi"}}));
    let answer = agent.post(&call, &[("traceparent", PARENT)]).answer();
    assert!(answer.result().get("_meta").is_none());
    assert!(world.reached()[0]["_meta"].get("traceparent").is_none());
    assert!(raw(&world).iter().all(|record| record["trace"].is_null()));
}

#[test]
fn names_that_nobody_offers_make_no_series() {
    let world = World::new();
    let mut agent = world.agent();
    let series = |world: &World| {
        let text = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
        assert!(!text.contains("made-up"), "{text}");
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let flood = |agent: &mut testkit::Http, from: usize, to: usize| {
        for at in from..to {
            match at % 4 {
                0 => agent.call(&format!("made-up-{at}__tool"), json!({})),
                1 => agent.call(&format!("canary__made-up-{at}"), json!({})),
                2 => agent.ask("prompts/get", json!({"name": format!("canary__made-up-{at}")})),
                _ => agent.ask("resources/read", json!({"uri": format!("made-up:{at}")})),
            };
        }
    };
    flood(&mut agent, 0, 40);
    let before = series(&world);
    flood(&mut agent, 40, 10_000);
    assert_eq!(series(&world), before);
}

#[test]
fn the_assessor_follows_a_call_to_the_canary_and_nobody_is_told() {
    if !testkit::layers::are_there() {
        return;
    }
    let collector = Collector::new();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_bastide"));
    let folder = program.parent().unwrap().display();
    let entry = format!(
        "run: [{}, __canary]\nsecrets: {{ CANARY_SECRET: vault:probed/secret }}\nsandbox: {{ read: [{folder}] }}",
        program.display()
    );
    let mut world = telling(&collector, "")
        .server("probed", &entry)
        .role("prober", "members: [\"agent:probe/a\"]\nallow: { probed: [echo, meta] }")
        .secret("probed/secret", "first-credential-of-the-canary")
        .start();
    let answer = world.json(&["assess", "--control", "audit.correlation"]);
    let control = answer["controls"].as_array().unwrap().iter().find(|control| control["id"] == "audit.correlation").unwrap();
    assert_eq!(control["outcome"], "pass", "{control:#}");
    let steps = control["evidence"]["steps"].as_array().unwrap();
    let own: Vec<&Value> =
        steps.iter().filter(|step| step.to_string().contains("span of ours") || step.to_string().contains("the client was told")).collect();
    assert_eq!(own.len(), 2, "{control:#}");
    world.stop();
    assert!(collector.spans().iter().all(|span| !span.to_string().contains("probed")));
}
