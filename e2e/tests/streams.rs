//! What passes beside answers, in every pair of eras: progress, logs, cancelling, resumed streams, changed lists and updated resources.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Agent, Client, Driven, Held, Peers, Speaks, Step, Way, Wire, outcomes, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::{Http, Running, World, free_port};

const CLIENTS: [Client; 2] = [Client::Python, Client::TypeScript];
const ERAS: [Speaks; 2] = [Speaks::Legacy, Speaks::Modern];
const PAGE: &str = "asker://page";

/// A made-up key in the form that a screen must find, its check digits included.
const KEY: &str = "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";

fn role(agent: &str, allow: &str) -> String {
    format!("members: [\"agent:{agent}\"]\nclearance: restricted\nallow: {{ asker: {allow} }}")
}

fn asker(peers: &Peers) -> (Running, u16, PathBuf) {
    let port = free_port();
    let log = std::env::temp_dir().join(format!("asker-{port}.log"));
    let _ = std::fs::remove_file(&log);
    (peers.python_script("asker.py", port, &log), port, log)
}

/// The asker on `port` in `revision`; `agent:tester` may use all of it, `agent:other` some.
fn world(port: u16, revision: &str) -> World {
    World::with()
        .server("asker", &format!("url: http://127.0.0.1:{port}/mcp\nrevision: \"{revision}\""))
        .role("tester", &role("tester", "[\"*\"]"))
        .role("other", &role("other", "[echo, talk, touch]"))
        .start()
}

/// Each client in each era over HTTP, and one of them launched with its server.
fn each(world: &World) -> Vec<(Way, Client, Speaks)> {
    let http = Way::http(world, "/mcp/asker");
    let ways = CLIENTS.map(|client| (http.clone(), client)).into_iter().chain([(Way::connect(world, "asker"), Client::Python)]);
    ways.flat_map(|(way, client)| ERAS.map(|speaks| (way.clone(), client, speaks))).collect()
}

fn call(client: &mut Driven, name: &str, arguments: Value) -> Step {
    client.step(&json!({"call": name, "arguments": arguments}))
}

fn said(log: &Path, words: &str) -> usize {
    std::fs::read_to_string(log).unwrap().lines().filter(|line| *line == words).count()
}

fn notes<'a>(messages: &'a [Value], method: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["method"] == method).map(|message| &message["params"]).collect()
}

#[test]
fn notes_reach_their_own_call_alone() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, _) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let world = world(port, revision);
        for (way, client, speaks) in each(&world) {
            let mut driven = peers.speaking(client, speaks, Able::No, &way, &world.path("home"));
            let one = call(&mut driven, "talk", json!({"word": "one", "steps": 3}));
            assert_eq!(one.0["progress"].as_array().unwrap().len(), 3, "{client:?} {speaks:?}, server {revision}: {one:?}");
        }
        let mut driven = peers.speaking(Client::Python, Speaks::Modern, Able::No, &Way::http(&world, "/mcp/asker"), &world.path("home"));
        let talk = |word: &str, steps: u32| json!({"call": "talk", "arguments": {"word": word, "steps": steps}});
        let both = driven.step(&json!({"calls": [talk("one", 2), talk("two", 4)]}));
        assert_eq!((&both.0["calls"][0]["progress"], &both.0["calls"][1]["progress"]), (&json!([1.0, 2.0]), &json!([1.0, 2.0, 3.0, 4.0])));

        // Two calls at once in one session of the server's, under tokens of two types.
        let mut agent = Agent::new(&world, "agent:tester", "/mcp/asker");
        agent.level = Some("info");
        let talking = |agent: &Agent, id: Value, word: &str, token: Value| {
            let params = json!({"name": "talk", "arguments": {"word": word, "steps": 3}, "_meta": {"progressToken": token}});
            agent.hold(&id, "tools/call", params)
        };
        let held = [talking(&agent, json!(1), "one", json!("token")), talking(&agent, json!("1"), "two", json!(7))];
        agent.level = None;
        let mut asking = agent.clone();
        let silent =
            std::thread::spawn(move || asking.ask("tools/call", json!({"name": "talk", "arguments": {"word": "three", "steps": 3}})));
        for (held, word, token) in [(&held[0], "one", json!("token")), (&held[1], "two", json!(7))] {
            let messages = held.rest();
            let progress = notes(&messages, "notifications/progress");
            assert_eq!(progress.len(), 3, "server {revision}: {messages:#?}");
            assert!(progress.iter().all(|note| note["progressToken"] == token && note["message"] == word), "{messages:#?}");
            let logs = notes(&messages, "notifications/message");
            assert_eq!(logs.len(), 3, "server {revision}: {messages:#?}");
            assert!(logs.iter().all(|note| note["data"].as_str().unwrap().starts_with(word)), "{messages:#?}");
            assert!(messages.last().unwrap()["result"].is_object(), "the answer is not the last: {messages:#?}");
        }
        let messages = silent.join().unwrap().messages();
        assert_eq!(messages.len(), 1, "nobody asked for notes: {messages:#?}");
        assert!(outcomes(&world, "talk").iter().all(|status| status == "ok"));
    }
}

#[test]
fn who_takes_a_call_back_is_heard_by_its_server() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, log) = asker(&peers);
    let mut count = 0;
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let wire = Wire::to(port);
        let world = world(wire.port(), revision);
        for (way, client, speaks) in each(&world) {
            let mut driven = peers.speaking(client, speaks, Able::No, &way, &world.path("home"));
            assert!(call(&mut driven, "echo", json!({"text": "before"})).good());
            let gone = driven.step(&json!({"call": "slow", "arguments": {"seconds": 50}, "within": 4}));
            assert_eq!(gone.0["gone"], true, "{client:?} {speaks:?}: {gone:?}");
            count += 1;
            until(&format!("{client:?} {speaks:?}, server {revision}: it is cancelled"), || said(&log, "slow was cancelled") == count);
            assert!(call(&mut driven, "echo", json!({"text": "after"})).good());
        }
        let agent = Agent::new(&world, "agent:tester", "/mcp/asker");
        let body = agent.request(&json!(1), "tools/call", json!({"name": "slow", "arguments": {"seconds": 50}}));
        let headers = agent.headers(&body, &[]);
        let (address, begun) = (agent.http.address, said(&log, "slow begins"));
        let hung = std::thread::spawn(move || {
            use std::io::Write as _;
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let body = body.to_string();
            write!(stream, "POST /mcp/asker HTTP/1.1\r\nHost: {address}\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            stream
        });
        let stream = hung.join().unwrap();
        until("the call has begun", || said(&log, "slow begins") == begun + 1);
        drop(stream);
        count += 1;
        until("a client that hangs up before the first byte is heard", || said(&log, "slow was cancelled") == count);
        let cancelled = wire.of("notifications/cancelled").len();
        assert_eq!(cancelled, if revision == Speaks::LEGACY { 7 } else { 0 }, "server {revision}");
        until("all outcomes are on record", || outcomes(&world, "slow") == ["cancelled"; 7]);
    }
    assert_eq!(said(&log, "slow ended"), 0);
}

#[test]
fn a_broken_stream_goes_on_where_it_broke_for_its_own_session_alone() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, _) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let world = world(port, revision);
        let open = |principal: &str| {
            let mut http = world.client(principal, "/mcp/asker");
            http.open();
            http
        };
        let (own, other, again) = (open("agent:tester"), open("agent:other"), open("agent:tester"));
        let message = json!({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params":
            {"name": "talk", "arguments": {"word": format!("token: {KEY}"), "steps": 10}, "_meta": {"progressToken": 1}}});
        let held = Held::of(&own, "POST", &[("Accept", "text/event-stream, application/json")], message.to_string().as_bytes());
        let last = loop {
            let (id, message) = held.event().unwrap();
            assert!(message["result"].is_null(), "it ended too soon");
            if message["method"] == "notifications/progress" {
                break id.unwrap();
            }
        };
        drop(held);
        for foreign in [&other, &again] {
            let held = Held::of(foreign, "GET", &[("Accept", "text/event-stream"), ("Last-Event-ID", &last)], b"");
            let heard = if held.status() == 200 { held.so_far() } else { Vec::new() };
            assert!(heard.is_empty(), "another session's events: {heard:?}");
        }
        let resumed = Held::of(&own, "GET", &[("Accept", "text/event-stream"), ("Last-Event-ID", &last)], b"");
        assert_eq!(resumed.status(), 200);
        let rest = resumed.rest();
        let answers: Vec<_> = rest.iter().filter(|message| message["id"] == "long").collect();
        assert_eq!(answers.len(), 1, "server {revision}: {rest:#?}");
        assert!(answers[0].to_string().contains("«redacted") && !json!(rest).to_string().contains(KEY), "{rest:#?}");
        assert_eq!(outcomes(&world, "talk"), ["ok"]);
    }
}

/// A standing stream of a legacy session.
fn stand(http: &Http) -> Held {
    let held = Held::of(http, "GET", &[("Accept", "text/event-stream")], b"");
    assert_eq!(held.status(), 200);
    held
}

#[test]
fn a_list_that_changed_is_told_once_it_is_approved_to_who_sees_it() {
    let Some(peers) = Peers::find() else { return };
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let (_server, port, _) = asker(&peers);
        let wire = Wire::to(port);
        let world = world(wire.port(), revision);
        let way = Way::http(&world, "/mcp/asker");
        let mut legacy = peers.session(Client::TypeScript, Able::No, &way, &world.path("home"));
        let mut modern = peers.speaking(Client::Python, Speaks::Modern, Able::No, &way, &world.path("home"));
        assert_eq!(modern.step(&json!({"listen": {"tools": true}})).0["heard"]["tools_list_changed"], true);
        let mut raw = world.client("agent:tester", "/mcp");
        raw.open();
        let mut other = world.client("agent:other", "/mcp/asker");
        other.open();
        let standing = [stand(&raw), stand(&other)];
        let wants = json!({"toolsListChanged": true});
        let listening = [
            Agent::new(&world, "agent:tester", "/mcp/asker").listen(&json!("own"), wants.clone()),
            Agent::new(&world, "agent:other", "/mcp/asker").listen(&json!("other"), wants),
        ];
        for held in &listening {
            assert_eq!(held.message().unwrap()["method"], "notifications/subscriptions/acknowledged");
        }
        assert!(call(&mut legacy, "echo", json!({"text": "hi"})).good());
        let listens = || wire.arrived().iter().any(|arrived| arrived.verb == "GET" || arrived.method() == "subscriptions/listen");
        until("the gateway listens to the server", listens);
        assert!(call(&mut legacy, "echo", json!({"text": "hi"})).good());
        assert!(call(&mut legacy, "grow", json!({})).good());
        until("the change is on record", || world.audit().iter().any(|record| record["event"] == "supply.changed"));
        for driven in [&mut legacy, &mut modern] {
            assert!(!driven.step(&json!({"list": true})).tools().contains(&"grown"));
            assert!(!call(driven, "grown", json!({})).good(), "it was not approved");
        }
        assert!(standing.iter().chain(&listening).all(|held| held.so_far().is_empty()), "told before it was approved");

        world.json(&["server", "approve", "asker", "--yes"]);
        assert_eq!(standing[0].message().unwrap()["method"], "notifications/tools/list_changed", "server {revision}");
        let told = listening[0].message().unwrap();
        assert_eq!(told["method"], "notifications/tools/list_changed");
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "own");
        until("the SDK's session hears", || {
            legacy.step(&json!({"seen": 1})).0["seen"].as_array().unwrap().contains(&json!({"changed": "tools"}))
        });
        until("the SDK's subscription hears", || modern.step(&json!({"seen": 1})).0["seen"].to_string().contains("ToolsListChanged"));
        for driven in [&mut legacy, &mut modern] {
            assert!(driven.step(&json!({"list": true})).tools().contains(&"grown"));
            assert_eq!(call(driven, "grown", json!({})).text(), "grown");
        }
        let rest: Vec<_> = standing.iter().chain(&listening).map(Held::so_far).collect();
        assert!(rest.iter().all(Vec::is_empty), "told twice, or to who does not see it: {rest:?}");
        assert_eq!(outcomes(&world, "grown").iter().filter(|status| *status == "ok").count(), 2);
    }
}

#[test]
fn subscriptions_are_apart_and_end_in_peace() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, _) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let mut world = world(port, revision);
        let mut agent = Agent::new(&world, "agent:tester", "/mcp/asker");
        let other = Agent::new(&world, "agent:other", "/mcp/asker");
        let page = json!({"resourceSubscriptions": [PAGE]});
        let text = agent.listen(&json!("7"), page.clone());
        let number = agent.listen(&json!(7), json!({"toolsListChanged": true}));
        let apart = other.listen(&json!(7), page);
        let subscription = |message: &Value| message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
        for (held, id, filter) in
            [(&text, json!("7"), json!({"resourceSubscriptions": [PAGE]})), (&number, json!(7), json!({"toolsListChanged": true}))]
        {
            let first = held.message().unwrap();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
            assert_eq!((subscription(&first), &first["params"]["notifications"]), (id, &filter), "{first}");
        }
        // What the other one may not read is not honoured.
        let first = apart.message().unwrap();
        assert!(first["params"]["notifications"].get("resourceSubscriptions").is_none_or(|list| list == &json!([])), "{first}");
        assert_eq!(agent.call("touch", json!({})).text(), "touched");
        let updated = text.message().unwrap();
        assert_eq!((&updated["method"], &updated["params"]["uri"]), (&json!("notifications/resources/updated"), &json!(PAGE)));
        assert_eq!(subscription(&updated), json!("7"));
        assert!(number.so_far().is_empty() && apart.so_far().is_empty());
        assert_eq!(world.stop(), Some(0));
        for (held, id) in [(text, json!("7")), (number, json!(7)), (apart, json!(7))] {
            let rest = held.rest();
            assert_eq!(rest.len(), 1, "server {revision}: {rest:?}");
            let meta = &rest[0]["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            assert_eq!((&rest[0]["id"], meta), (&id, &id), "{rest:?}");
        }
    }
}

#[test]
fn an_updated_resource_reaches_its_subscriber_across_eras() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, log) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let wire = Wire::to(port);
        let world = world(wire.port(), revision);
        for (way, client, speaks) in each(&world) {
            let pair = format!("{client:?} {speaks:?} over {way:?}, server {revision}");
            let mut driven = peers.speaking(client, speaks, Able::No, &way, &world.path("home"));
            let mut beside = peers.speaking(client, speaks, Able::No, &way, &world.path("home"));
            let (subscribed, unsubscribed) = (said(&log, &format!("subscribe {PAGE}")), said(&log, &format!("unsubscribe {PAGE}")));
            let heard = match speaks {
                Speaks::Modern => driven.step(&json!({"listen": {"uris": [PAGE]}})),
                _ => driven.step(&json!({"subscribe": PAGE})),
            };
            assert!(heard.0.get("fault").is_none(), "{pair}: {heard:?}");
            if revision == Speaks::LEGACY {
                assert_eq!(said(&log, &format!("subscribe {PAGE}")), subscribed + 1, "{pair}");
            }
            assert!(call(&mut driven, "touch", json!({})).good());
            until(&format!("{pair}: the update comes"), || driven.step(&json!({"seen": 1})).0["seen"].to_string().contains(PAGE));
            assert!(!beside.step(&json!({"seen": 0})).0.to_string().contains(PAGE), "{pair}");
            let end = if speaks == Speaks::Modern { json!({"hush": true}) } else { json!({"unsubscribe": PAGE}) };
            assert!(driven.step(&end).0.get("fault").is_none());
            if revision == Speaks::LEGACY {
                until(&format!("{pair}: it is unsubscribed"), || said(&log, &format!("unsubscribe {PAGE}")) == unsubscribed + 1);
            } else {
                let last = || wire.of("subscriptions/listen").pop().map_or(Value::Null, |listen| listen.body["params"].clone());
                until(&format!("{pair}: the subscription is opened without it"), || !last().to_string().contains(PAGE));
            }
        }
    }
}
