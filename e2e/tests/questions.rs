//! Questions of servers to clients, in every pair of eras: forms and samples, several rounds, and states that a client brings back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Agent, Client, Double, Driven, Peers, Says, Speaks, Step, Way, Wire, outcomes};
use serde_json::{Value, json};
use std::path::PathBuf;
use testkit::{Answer, Running, World, free_port};

const CLIENTS: [Client; 2] = [Client::Python, Client::TypeScript];
const ERAS: [Speaks; 2] = [Speaks::Legacy, Speaks::Modern];

fn log(name: &str, port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{port}.log"))
}

fn role(agent: &str, allow: &str) -> String {
    format!("members: [\"agent:{agent}\"]\nclearance: restricted\nallow: {{ {allow} }}")
}

/// A world with one server on `port`, in `revision`, that two agents may use.
fn world(name: &str, port: u16, revision: &str) -> World {
    let allow = format!("{name}: [\"*\"]");
    World::with()
        .server(name, &format!("url: http://localhost:{port}/mcp\nrevision: \"{revision}\""))
        .role("tester", &role("tester", &allow))
        .role("other", &role("other", &allow))
        .start()
}

fn call(client: &mut Driven, name: &str, arguments: Value) -> Step {
    client.step(&json!({"call": name, "arguments": arguments}))
}

/// The asker, and what its tools say that they live through.
fn asker(peers: &Peers) -> (Running, u16, PathBuf) {
    let port = free_port();
    let log = log("asker", port);
    let _ = std::fs::remove_file(&log);
    (peers.python_script("asker.py", port, &log), port, log)
}

/// What is recorded as said by the client, anywhere.
fn recorded(world: &World, words: &str) -> bool {
    world.audit().iter().any(|record| record.to_string().contains(words))
}

#[test]
fn a_legacy_server_asks_a_modern_client_within_one_call() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.everything("streamableHttp", port, &log("everything", port));
    let wire = Wire::to(port);
    let world = world("everything", wire.port(), Speaks::LEGACY);
    let ways = [Way::http(&world, "/mcp/everything"), Way::connect(&world, "everything")];
    for (way, client) in ways.into_iter().flat_map(|way| CLIENTS.map(|client| (way.clone(), client))) {
        let mut driven = peers.speaking(client, Speaks::Modern, Able::Yes, &way, &world.path("home"));
        let before = wire.of("tools/call").len();
        let form = call(&mut driven, "trigger-elicitation-request", json!({}));
        assert!(form.text().contains("Name: blue"), "{client:?}: {form:?}");
        let sampled = call(&mut driven, "trigger-sampling-request", json!({"prompt": "say hi", "maxTokens": 10}));
        assert!(sampled.text().contains("a sampled answer"), "{client:?}: {sampled:?}");
        let page = call(&mut driven, "trigger-url-elicitation", json!({"url": "https://example.com/one"}));
        assert!(page.text().contains("User completed"), "{client:?}: {page:?}");
        assert_eq!(wire.of("tools/call").len(), before + 3, "a call was made anew");
    }
    // What passes between: the question in the result, then the answer with the same name and arguments.
    let mut raw = Agent::new(&world, "agent:tester", "/mcp/everything").able();
    let asked = raw.call("trigger-elicitation-request", json!({}));
    assert_eq!(asked.result()["resultType"], "input_required", "{}", asked.0);
    let (key, question) = only(&asked);
    assert_eq!(question["method"], "elicitation/create");
    let declined = retry(&mut raw, "trigger-elicitation-request", json!({}), &asked, json!({key: {"action": "decline"}}));
    assert!(declined.text().contains("declined") && declined.result()["resultType"] == "complete", "{}", declined.0);
    assert!(recorded(&world, "a sampled answer"), "the answer is not on record");
    let statuses = outcomes(&world, "trigger-elicitation-request");
    assert_eq!(statuses.len(), 10, "{statuses:?}");
    assert!(statuses.iter().all(|status| status != "unknown"), "{statuses:?}");
}

/// The only question of a result, with its name.
fn only(asked: &Answer) -> (String, Value) {
    let questions = asked.result()["inputRequests"].as_object().unwrap_or_else(|| panic!("no questions: {}", asked.0));
    assert_eq!(questions.len(), 1, "{}", asked.0);
    let (key, question) = questions.iter().next().unwrap();
    (key.clone(), question.clone())
}

/// The call again, with the state of `asked` and these answers.
fn retry(agent: &mut Agent, tool: &str, arguments: Value, asked: &Answer, answers: Value) -> Answer {
    let state = &asked.result()["requestState"];
    let params = json!({"name": tool, "arguments": arguments, "requestState": state, "inputResponses": answers});
    agent.ask("tools/call", params).answer()
}

#[test]
fn a_modern_server_asks_a_legacy_client_on_the_stream_of_its_call() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.fixture(port, &log("fixture", port));
    let wire = Wire::to(port);
    let world = world("fixture", wire.port(), Speaks::MODERN);
    for way in [Way::http(&world, "/mcp/fixture"), Way::connect(&world, "fixture")] {
        for client in CLIENTS {
            let mut driven = peers.speaking(client, Speaks::Legacy, Able::Yes, &way, &world.path("home"));
            let noted = || {
                let mut calls = wire.of("tools/call");
                calls.retain(|call| call.body["params"]["name"] == "test_input_required_result_request_state");
                calls
            };
            let before = noted().len();
            let state = call(&mut driven, "test_input_required_result_request_state", json!({}));
            assert_eq!(state.text(), "state-ok: confirmation received", "{client:?}: {state:?}");
            // In the order of connections, not of time.
            let calls = noted();
            assert_eq!(calls.len(), before + 2, "one call and one with the answer");
            let (again, first): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.body["params"]["requestState"].is_string());
            assert_eq!(again.len(), first.len(), "{calls:?}");
            assert!(again.iter().all(|call| call.body["params"]["inputResponses"]["confirm"]["action"] == "accept"), "{again:?}");
            let form = call(&mut driven, "test_input_required_result_elicitation", json!({}));
            assert_eq!(form.text(), "Hello, blue!", "{client:?}: {form:?}");
            let sampled = call(&mut driven, "test_input_required_result_sampling", json!({}));
            assert_eq!(sampled.text(), "Model said: a sampled answer", "{client:?}: {sampled:?}");
            let rooted = call(&mut driven, "test_input_required_result_list_roots", json!({}));
            assert_eq!(rooted.text(), "Client exposed 1 root(s).", "{client:?}: {rooted:?}");
        }
    }
    assert!(recorded(&world, "a sampled answer"), "the answer is not on record");
    assert_eq!(outcomes(&world, "test_input_required_result_elicitation"), ["ok"; 4]);
}

#[test]
fn who_cannot_be_asked_is_not_and_no_server_waits() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.fixture(port, &log("fixture", port));
    let (_asker, asking, said) = asker(&peers);
    let wire = Wire::to(port);
    let modern = world("fixture", wire.port(), Speaks::MODERN);
    let legacy = world("asker", asking, Speaks::LEGACY);
    for (client, speaks) in CLIENTS.into_iter().flat_map(|client| ERAS.map(|speaks| (client, speaks))) {
        let before = wire.of("tools/call").len();
        let way = Way::http(&modern, "/mcp/fixture");
        let mut driven = peers.speaking(client, speaks, Able::No, &way, &modern.path("home"));
        let refused = call(&mut driven, "test_input_required_result_sampling", json!({}));
        match speaks {
            Speaks::Modern => assert_eq!(refused.0["fault"]["code"], -32021, "{client:?}: {refused:?}"),
            _ => assert_eq!(refused.refused(), Some("access.deny-by-default/question"), "{client:?}: {refused:?}"),
        }
        assert_eq!(wire.of("tools/call").len(), before + 1, "it was tried again");
        let way = Way::http(&legacy, "/mcp/asker");
        let mut driven = peers.speaking(client, speaks, Able::No, &way, &legacy.path("home"));
        let ended = call(&mut driven, "both", json!({}));
        assert!(!ended.good() && ended.0.get("gone").is_none(), "{client:?} {speaks:?}: {ended:?}");
    }
    let mut raw = Agent::new(&modern, "agent:tester", "/mcp/fixture");
    let refused = raw.call("test_input_required_result_sampling", json!({}));
    assert_eq!(
        (refused.code(), &refused.0["error"]["data"]["requiredCapabilities"]),
        (Some(-32021), &json!({"sampling": {}})),
        "{}",
        refused.0
    );
    let codes = outcomes(&modern, "test_input_required_result_sampling");
    assert_eq!(codes, ["access.deny-by-default/question"; 5]);
    assert_eq!(outcomes(&legacy, "both").len(), 4);
    assert_eq!(std::fs::read_to_string(said).unwrap().lines().filter(|line| *line == "both").count(), 4);
}

#[test]
fn rounds_and_several_questions_in_every_pair_of_eras() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, said) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let wire = Wire::to(port);
        let world = world("asker", wire.port(), revision);
        for (client, speaks) in CLIENTS.into_iter().flat_map(|client| ERAS.map(|speaks| (client, speaks))) {
            let pair = format!("{client:?} {speaks:?}, server {revision}");
            let mut driven = peers.speaking(client, speaks, Able::Yes, &Way::http(&world, "/mcp/asker"), &world.path("home"));
            let both = call(&mut driven, "both", json!({}));
            assert_eq!(both.text(), "blue: a sampled answer", "{pair}: {both:?}");
            let two = call(&mut driven, "rounds", json!({"count": 2}));
            assert_eq!(two.text(), "blue blue", "{pair}: {two:?}");
            let ten = call(&mut driven, "rounds", json!({"count": 10}));
            assert_eq!(ten.text(), ["blue"; 10].join(" "), "{pair}: {ten:?}");
            let eleven = call(&mut driven, "rounds", json!({"count": 11}));
            assert_eq!(eleven.refused(), Some("transport.bounds/rounds"), "{pair}: {eleven:?}");
            let record = world.record(eleven.reference().unwrap());
            assert_eq!(record["decision"]["verdict"], "refused", "{record}");
            assert!(call(&mut driven, "echo", json!({"text": "after"})).good(), "{pair}");
        }
        // The server's own state is never the client's to see.
        if revision == Speaks::MODERN {
            let mut raw = Agent::new(&world, "agent:tester", "/mcp/asker").able();
            let asked = raw.call("rounds", json!({"count": 2}));
            let sealed = asked.result()["requestState"].as_str().unwrap().to_owned();
            assert!(!wire.said().contains(&sealed), "the state is the server's");
        }
        assert_eq!(outcomes(&world, "rounds").iter().filter(|code| *code == "transport.bounds/rounds").count(), 4);
    }
    let said = std::fs::read_to_string(said).unwrap();
    assert_eq!(said.matches("rounds 11: ").count(), 4, "a legacy server that asks without end is told that nobody waits: {said}");
}

#[test]
fn a_state_is_good_once_for_its_own_request() {
    let Some(peers) = Peers::find() else { return };
    let (_server, port, _) = asker(&peers);
    for revision in [Speaks::LEGACY, Speaks::MODERN] {
        let wire = Wire::to(port);
        let world = world("asker", wire.port(), revision);
        let mut agent = Agent::new(&world, "agent:tester", "/mcp/asker").able();
        let mut other = Agent::new(&world, "agent:other", "/mcp/asker").able();
        let two = json!({"count": 2});
        let answer = json!({"action": "accept", "content": {"name": "blue"}});
        let asked = agent.call("rounds", two.clone());
        let (key, _) = only(&asked);
        let answers = json!({key.clone(): answer});
        let mut altered = asked.clone();
        let state = asked.result()["requestState"].as_str().unwrap();
        let (first, rest) = state.split_at(state.len() / 2);
        let swapped = if rest.starts_with('A') { "B" } else { "A" };
        altered.0["result"]["requestState"] = json!(format!("{first}{swapped}{}", &rest[1..]));
        let sent = wire.of("tools/call").len();
        let mut refusals = vec![
            retry(&mut agent, "rounds", two.clone(), &altered, answers.clone()),
            retry(&mut other, "rounds", two.clone(), &asked, answers.clone()),
            retry(&mut agent, "rounds", json!({"count": 3}), &asked, answers.clone()),
            retry(&mut agent, "echo", json!({"text": "hi"}), &asked, answers.clone()),
        ];
        assert_eq!(wire.of("tools/call").len(), sent, "a server was asked");
        let next = retry(&mut agent, "rounds", two.clone(), &asked, answers.clone());
        let sent = wire.of("tools/call").len();
        refusals.push(retry(&mut agent, "rounds", two.clone(), &asked, answers.clone()));
        assert_eq!(wire.of("tools/call").len(), sent, "a server was asked");
        let (key, _) = only(&next);
        let done = retry(&mut agent, "rounds", two, &next, json!({key: answer}));
        assert_eq!(done.text(), "blue blue", "{}", done.0);
        let bare = |refusal: &Answer| {
            let mut error = refusal.0["error"].clone();
            if error["data"]["reference"].is_string() {
                error["data"]["reference"] = json!("REFERENCE");
            }
            error
        };
        for refusal in &refusals {
            assert_eq!(refusal.code(), Some(-32602), "{revision}: {}", refusal.0);
            assert_eq!(bare(refusal), bare(&refusals[0]), "{revision}: they can be told apart");
        }
        let refused =
            world.audit().into_iter().filter(|record| record["method"] == "tools/call" && record["decision"]["verdict"] == "refused");
        assert_eq!(refused.count(), refusals.len());
    }
}

#[test]
fn what_a_modern_server_may_not_ask_refuses_the_whole_call() {
    let tools = json!([{"name": "ask", "inputSchema": {"type": "object"}}]);
    let question =
        json!({"method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}});
    let sample = json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}});
    let asks = json!({"resultType": "input_required", "inputRequests": {"one": question, "two": sample}, "requestState": "s"});
    let double = Double::modern(tools, move |_| Says::Result(asks.clone()));
    let world = World::with()
        .server("double", &format!("url: http://127.0.0.1:{}/mcp", double.port()))
        .role("tester", &role("tester", "double: [ask, \"question:elicitation\"]"))
        .start();
    let mut agent = Agent::new(&world, "agent:tester", "/mcp/double").able();
    let refused = agent.call("ask", json!({}));
    assert!(!refused.0.to_string().contains("inputRequests") && refused.is_error(), "{}", refused.0);
    assert_eq!(double.of("tools/call").len(), 1);
    assert_eq!(outcomes(&world, "ask"), ["access.deny-by-default/question"]);
}
