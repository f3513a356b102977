//! Eras of clients and servers: handshakes, discovery, probes, lists and downgrades.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Agent, Client, Double, Peers, Says, Speaks, Step, Way, Wire, outcomes, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use testkit::{Http, Setup, World, free_port};

const CLIENTS: [Client; 2] = [Client::Python, Client::TypeScript];
const UNKNOWN: &str = "access.filtered-discovery/unknown";
const DENIED: &str = "access.deny-by-default/denied";

fn log(name: &str, port: u16) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{port}.log"))
}

fn role(allow: &str) -> String {
    format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ {allow} }}")
}

fn call(name: &str, arguments: Value) -> Value {
    json!({"call": name, "arguments": arguments})
}

/// That `step` was refused as what nobody offers is, and that the audit knows why.
fn forbidden(world: &World, step: &Step) {
    assert_eq!(step.refused(), Some(UNKNOWN), "{step:?}");
    let record = world.record(step.reference().unwrap());
    assert_eq!((&record["decision"]["verdict"], &record["decision"]["code"]), (&json!("refused"), &json!(DENIED)), "{record}");
}

/// The messages that a launched server was sent, of all its processes.
fn sent(world: &World, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path(file)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The git server behind `git`, its input kept, with an empty repository.
fn git(peers: &Peers, setup: Setup, more: &str) -> Setup {
    let entry = peers.journaled("git.jsonl", "mcp_server_git", &["--repository", "{box}/repository"]);
    setup.server("git", &format!("{entry}\n{more}"))
}

fn repository(world: &World) -> String {
    let path = world.path("box/repository").display().to_string();
    assert!(Command::new("git").args(["init", "-q", &path]).output().unwrap().status.success());
    // It takes no repository of another owner's, and runs as one that has the box.
    let owner = Command::new("stat").args(["-c", "%u:%g"]).arg(world.path("box")).output().unwrap();
    assert!(owner.status.success());
    path
}

#[test]
fn a_legacy_session_is_opened_used_and_ended() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.everything("streamableHttp", port, &log("everything", port));
    let wire = Wire::to(port);
    let world = World::with()
        .server("everything", &format!("url: http://127.0.0.1:{}/mcp", wire.port()))
        .role("tester", &role("everything: [echo]"))
        .start();
    let way = Way::http(&world, "/mcp/everything");
    let mut client = peers.session(Client::TypeScript, Able::No, &way, &world.path("home"));
    assert_eq!(client.revision(), Speaks::LEGACY);
    assert_eq!(client.step(&json!({"list": true})).tools(), ["echo"]);
    assert_eq!(client.step(&call("echo", json!({"message": "hi"}))).text(), "Echo: hi");
    forbidden(&world, &client.step(&call("get-env", json!({}))));
    let session = client.step(&json!({"end": true})).0["session"].as_str().unwrap().to_owned();
    let Way::Http { token, .. } = way else { unreachable!() };
    let mut raw = Http::new(world.data(), "/mcp/everything", token.as_deref());
    raw.session = Some(session);
    let message = raw.request("tools/list", json!({}));
    assert_eq!(raw.post(&message, &[]).status, 404);
    until("the session at the server is ended", || wire.arrived().iter().any(|arrived| arrived.verb == "DELETE"));
    assert_eq!(outcomes(&world, "echo"), ["ok"]);
}

#[test]
fn a_legacy_client_sees_nothing_of_a_modern_server() {
    let Some(peers) = Peers::find() else { return };
    let setup = git(&peers, World::with(), "revision: \"2026-07-28\"");
    let mut world = setup.role("tester", &role("git: [git_status]")).write();
    let path = repository(&world);
    world.json(&["lock", "--yes"]);
    world.serve();
    for client in CLIENTS {
        let mut driven = peers.session(client, Able::No, &Way::http(&world, "/mcp/git"), &world.path("home"));
        assert_eq!(driven.step(&json!({"list": true})).tools(), ["git_status"]);
        let status = driven.step(&call("git_status", json!({"repo_path": path})));
        assert!(status.good() && status.text().contains("No commits yet"), "{client:?}: {status:?}");
        forbidden(&world, &driven.step(&call("git_commit", json!({"repo_path": path, "message": "x"}))));
    }
    let mut raw = world.client("agent:tester", "/mcp/git");
    raw.open();
    for answer in [raw.ask("tools/list", json!({})), raw.call("git_status", json!({"repo_path": path}))] {
        for name in ["ttlMs", "cacheScope", "resultType"] {
            assert!(answer.result().get(name).is_none(), "{name}: {}", answer.0);
        }
    }
    let methods: Vec<_> = sent(&world, "box/git.jsonl").iter().map(|message| message["method"].clone()).collect();
    assert!(methods.contains(&json!("tools/call")) && !methods.contains(&json!("initialize")), "{methods:?}");
    assert_eq!(outcomes(&world, "git_status"), ["ok", "ok", "ok"]);
}

#[test]
fn a_modern_client_of_a_legacy_server() {
    let Some(peers) = Peers::find() else { return };
    let entry = format!(
        "run: {}\nenv: {{ MEMORY_FILE_PATH: \"{{box}}/memory.jsonl\" }}\n{}",
        peers.node_server("server-memory", &[]),
        peers.sandbox()
    );
    let world = World::with().server("memory", &entry).role("tester", &role("memory: [read_graph]")).start();
    for (client, speaks) in CLIENTS.into_iter().flat_map(|client| [(client, Speaks::Auto), (client, Speaks::Modern)]) {
        let mut driven = peers.speaking(client, speaks, Able::No, &Way::http(&world, "/mcp/memory"), &world.path("home"));
        assert_eq!(driven.revision(), Speaks::MODERN, "{client:?} {speaks:?}");
        assert_eq!(driven.step(&json!({"list": true})).tools(), ["read_graph"]);
        assert!(driven.step(&call("read_graph", json!({}))).good());
        forbidden(&world, &driven.step(&call("delete_entities", json!({"entityNames": ["ana"]}))));
    }
    let mut raw = Agent::new(&world, "agent:tester", "/mcp/memory");
    let discovered = raw.ask("server/discover", json!({})).answer();
    assert_eq!(discovered.result()["supportedVersions"], json!([Speaks::MODERN]), "{}", discovered.0);
    let listed = raw.ask("tools/list", json!({})).answer();
    let private = |result: &Value| (result["ttlMs"].clone(), result["cacheScope"].clone(), result["resultType"].clone());
    for result in [discovered.result(), listed.result()] {
        assert_eq!(private(result), (json!(0), json!("private"), json!("complete")), "{result}");
    }
    assert_eq!(raw.call("read_graph", json!({})).result()["resultType"], "complete");
    assert_eq!(outcomes(&world, "read_graph"), ["ok"; 5]);
}

#[test]
fn headers_of_a_modern_server_are_made_from_the_body() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.fixture(port, &log("fixture", port));
    let wire = Wire::to(port);
    let world = World::with()
        .server("fixture", &format!("url: http://localhost:{}/mcp", wire.port()))
        .role("tester", &role("fixture: [test_simple_text, test_x_mcp_header]"))
        .start();
    let mut driven = peers.speaking(Client::Python, Speaks::Modern, Able::No, &Way::http(&world, "/mcp"), &world.path("home"));
    let simple = driven.step(&call("fixture__test_simple_text", json!({})));
    assert!(simple.good() && simple.0["meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "bastide", "{simple:?}");
    forbidden(&world, &driven.step(&call("fixture__test_image_content", json!({}))));
    let raw = Agent::new(&world, "agent:tester", "/mcp");
    let body = raw.request(&json!("a"), "tools/call", json!({"name": "fixture__test_x_mcp_header", "arguments": {"region": "Zürich"}}));
    let region = ("Mcp-Param-Region", "=?base64?WsO8cmljaA==?=");
    let answer = raw.post(&body, &[region, ("Mcp-Param-Other", "smuggled"), ("X-Other", "smuggled")]).answer();
    assert!(answer.text().contains("region=Zürich"), "{}", answer.0);
    let calls = wire.of("tools/call");
    let names: Vec<_> = calls.iter().map(|arrived| arrived.header("mcp-name")).collect();
    assert_eq!(names, [["test_simple_text"], ["test_x_mcp_header"]]);
    for arrived in &calls {
        assert_eq!((arrived.header("mcp-method"), arrived.header("mcp-protocol-version")), (vec!["tools/call"], vec![Speaks::MODERN]));
        assert!(!arrived.headers.iter().any(|(_, value)| value.contains("smuggled")), "{arrived:?}");
        assert!(arrived.header("mcp-session-id").is_empty(), "{arrived:?}");
        let meta = &arrived.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "bastide", "{arrived:?}");
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], Speaks::MODERN);
        assert_eq!(arrived.body["params"]["name"], arrived.header("mcp-name")[0]);
    }
    assert_eq!(calls[1].header("mcp-param-region"), ["=?base64?WsO8cmljaA==?="]);
    assert_eq!(outcomes(&world, "test_simple_text"), ["ok"]);
    assert_eq!(outcomes(&world, "test_image_content"), [DENIED]);
}

#[test]
fn a_server_of_both_eras_is_asked_once_and_stays_modern() {
    let Some(peers) = Peers::find() else { return };
    let entry = peers.journaled("time.jsonl", "mcp_server_time", &["--local-timezone", "UTC"]);
    let mut world = World::with().server("time", &entry).role("tester", &role("time: [get_current_time]")).write();
    world.json(&["lock", "--yes"]);
    let looked = sent(&world, "box/time.jsonl");
    assert_eq!(looked[0]["method"], "server/discover", "{looked:?}");
    std::fs::remove_file(world.path("box/time.jsonl")).unwrap();
    world.serve();
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        for client in CLIENTS {
            let mut driven = peers.speaking(client, speaks, Able::No, &Way::http(&world, "/mcp/time"), &world.path("home"));
            assert!(driven.step(&call("get_current_time", json!({"timezone": "UTC"}))).good());
            let twice = json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
            forbidden(&world, &driven.step(&call("convert_time", twice)));
        }
    }
    let all = [looked, sent(&world, "box/time.jsonl")].concat();
    let count = |method: &str| all.iter().filter(|message| message["method"] == method).count();
    assert_eq!((count("initialize"), count("notifications/initialized")), (0, 0), "{all:?}");
    assert_eq!(count("tools/call"), 4);
    assert_eq!(outcomes(&world, "get_current_time"), ["ok"; 4]);
}

/// Drops what it does not know, as some SDKs do.
const SILENT: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print(message.get("method"), file=sys.stderr, flush=True)
    answer = {
        "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "silent", "version": "1"}},
        "tools/list": {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}, {"name": "other", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "hello"}]},
    }.get(message.get("method"))
    if answer:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}), flush=True)
"#;

#[test]
fn a_server_that_says_nothing_to_the_probe_is_legacy() {
    let Some(peers) = Peers::find() else { return };
    let python = peers.python("python");
    let entry = format!(
        "run: [{python:?}, \"{{root}}/silent/main.py\"]\nsandbox: {{ read: [{:?}, \"{{root}}/silent\"] }}",
        peers.folder().display().to_string()
    );
    let world = World::with().file("silent/main.py", SILENT).server("silent", &entry).role("tester", &role("silent: [hello]")).start();
    for (client, speaks) in [(Client::Python, Speaks::Modern), (Client::TypeScript, Speaks::Legacy)] {
        let mut driven = peers.speaking(client, speaks, Able::No, &Way::http(&world, "/mcp/silent"), &world.path("home"));
        let hello = driven.step(&call("hello", json!({})));
        assert_eq!(hello.text(), "hello", "{hello:?}");
        forbidden(&world, &driven.step(&call("other", json!({}))));
    }
    assert_eq!(outcomes(&world, "hello"), ["ok", "ok"]);
}

#[test]
fn a_server_that_became_legacy_is_not_used() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let mut server = peers.fixture(port, &log("fixture", port));
    let pinned = free_port();
    let _legacy = peers.everything("streamableHttp", pinned, &log("everything", pinned));
    let setup = World::with()
        .server("fixture", &format!("url: http://localhost:{port}/mcp"))
        .server("pinned", &format!("url: http://127.0.0.1:{pinned}/mcp\nrevision: \"2026-07-28\""))
        .role("tester", &role("fixture: [test_simple_text, echo], pinned: [echo]"));
    let mut world = setup.write();
    let locked = world.run(&["lock", "--yes", "--json"]);
    let locked: Value = serde_json::from_slice(&locked.stdout).unwrap();
    assert_ne!(world.json(&["server", "show", "pinned"])["state"], "approved", "{locked}");
    world.serve();
    let mut driven = peers.speaking(Client::Python, Speaks::Modern, Able::No, &Way::http(&world, "/mcp"), &world.path("home"));
    assert!(driven.step(&call("fixture__test_simple_text", json!({}))).good());
    let never = driven.step(&call("pinned__echo", json!({"message": "hi"})));
    assert!(never.refused().is_some(), "{never:?}");
    server.kill();
    let _other = peers.everything("streamableHttp", port, &log("fixture", port));
    let mut last = None;
    until("the refusal names the change", || {
        let step = driven.step(&call("fixture__test_simple_text", json!({})));
        let code = step.refused().map(str::to_owned);
        assert!(!step.good(), "{step:?}");
        last = step.reference().map(|reference| world.record(reference));
        world.audit().iter().any(|record| record["event"] == "protocol.revision") && code.is_some()
    });
    let audit = world.audit();
    let alert = audit.iter().find(|record| record["event"] == "protocol.revision").unwrap();
    assert_eq!((&alert["server"], &alert["severity"]), (&json!("fixture"), &json!("high")), "{alert}");
    assert_eq!(alert["decision"]["verdict"], "refused", "{alert}");
    assert_eq!(last.unwrap()["decision"]["verdict"], "refused");
}

#[test]
fn lists_of_five_servers_are_one() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let _server = peers.everything("streamableHttp", port, &log("everything", port));
    let many = |count: usize| {
        let tool = |number| json!({"name": format!("tool-{number}"), "inputSchema": {"type": "object"}});
        json!((0..count).map(tool).collect::<Vec<_>>())
    };
    let wide = Double::modern(many(250), |_| Says::Result(json!({"resultType": "complete", "content": []})));
    let memory = format!("run: {}\n{}", peers.node_server("server-memory", &[]), peers.sandbox());
    let thinking = format!("run: {}\n{}", peers.node_server("server-sequential-thinking", &[]), peers.sandbox());
    let time = format!("run: {}\n{}", peers.python_server("mcp_server_time", &["--local-timezone", "UTC"]), peers.sandbox());
    let mut world = World::with()
        .server("everything", &format!("url: http://127.0.0.1:{port}/mcp"))
        .server("wide", &format!("url: http://127.0.0.1:{}/mcp", wide.port()))
        .server("memory", &memory)
        .server("thinking", &thinking)
        .server("time", &time)
        .role("tester", &role("everything: [\"*\"], wide: [\"*\"], memory: [read_graph], thinking: [\"*\"], time: [\"*\"]"))
        .start();
    let mut lists: Vec<Vec<String>> = Vec::new();
    for (client, speaks) in [(Client::Python, Speaks::Modern), (Client::TypeScript, Speaks::Legacy)] {
        let mut driven = peers.speaking(client, speaks, Able::No, &Way::http(&world, "/mcp"), &world.path("home"));
        assert!(driven.step(&call("time__get_current_time", json!({"timezone": "UTC"}))).good());
        let (forbidden, unknown) =
            (driven.step(&call("memory__delete_entities", json!({"entityNames": []}))), driven.step(&call("memory__nothing", json!({}))));
        let bare = |step: &Step| step.0.to_string().replace(step.reference().unwrap(), "REFERENCE");
        assert_eq!(bare(&forbidden), bare(&unknown));
        assert_eq!(world.record(forbidden.reference().unwrap())["decision"]["code"], DENIED);
        assert_eq!(world.record(unknown.reference().unwrap())["decision"]["code"], UNKNOWN);
    }
    let mut raw = world.client("agent:tester", "/mcp");
    raw.open();
    for _ in 0..2 {
        let first = raw.ask("tools/list", json!({}));
        let cursor = first.result()["nextCursor"].clone();
        let second = raw.ask("tools/list", json!({"cursor": cursor}));
        assert!(second.result().get("nextCursor").is_none(), "{}", second.0);
        lists.push(first.names().into_iter().chain(second.names()).map(str::to_owned).collect());
    }
    assert_eq!(lists[0], lists[1]);
    let mut sorted = lists[0].clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), lists[0].len(), "two names are one");
    let servers: Vec<&str> = lists[0].iter().map(|name| name.split_once("__").unwrap().0).collect();
    let mut runs = servers.clone();
    runs.dedup();
    assert_eq!(runs, ["everything", "memory", "thinking", "time", "wide"]);
    assert!(lists[0].len() > 260, "{}", lists[0].len());
    // What is visible changes while a client is between two pages.
    let mut modern = Agent::new(&world, "agent:tester", "/mcp");
    let first = modern.ask("tools/list", json!({})).answer();
    let cursor = first.result()["nextCursor"].clone();
    world.edit("memory: [read_graph]", "memory: [read_graph, search_nodes]");
    world.gateway().signal(Signal::HUP);
    until("the gateway has reloaded", || std::fs::read_to_string(world.path("serve.log")).unwrap().contains("reloaded"));
    assert_eq!(modern.ask("tools/list", json!({"cursor": cursor})).answer().code(), Some(-32602));
    let again = modern.ask("tools/list", json!({})).answer();
    assert!(again.names().contains(&"memory__search_nodes") || again.result()["nextCursor"].is_string());
}

#[test]
fn a_path_of_one_server_is_a_resource_of_its_own() {
    let Some(peers) = Peers::find() else { return };
    let (port, other) = (free_port(), free_port());
    let _fast = peers.python_script("fast.py", port, &log("fast", port));
    let _two = peers.node_script("two.mjs", other, &log("two", other));
    let world = World::with()
        .server("fast", &format!("url: http://127.0.0.1:{port}/mcp"))
        .server("two", &format!("url: http://127.0.0.1:{other}/mcp"))
        .role("tester", &role("fast: [echo], two: [echo]"))
        .start();
    let token = world.token("agent:tester", &["--servers", "fast"]);
    let url = |name: &str| format!("http://{}/mcp/{name}", world.data());
    for (client, speaks) in CLIENTS.into_iter().flat_map(|client| [(client, Speaks::Legacy), (client, Speaks::Modern)]) {
        let way = Way::Http { url: url("fast"), token: Some(token.clone()) };
        let mut driven = peers.speaking(client, speaks, Able::No, &way, &world.path("home"));
        assert_eq!(driven.step(&json!({"list": true})).tools(), ["echo"]);
        assert_eq!(driven.step(&call("echo", json!({"message": "hi"}))).text(), "Echo: hi");
        let prefixed = driven.step(&call("fast__echo", json!({"message": "hi"})));
        assert_eq!(prefixed.refused(), Some(UNKNOWN), "{prefixed:?}");
        forbidden(&world, &driven.step(&call("hidden", json!({}))));
    }
    for name in ["fast", "two"] {
        let told = world.stranger().send("GET", &format!("/.well-known/oauth-protected-resource/mcp/{name}"), &[], b"");
        let told: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(told["resource"], url(name), "{told}");
    }
    // As the SDK reads the challenge: without a token, and with the other server's.
    let mut driven = peers.session(Client::TypeScript, Able::No, &Way::http(&world, "/mcp/two"), &world.path("home"));
    let metadata = format!("http://{}/.well-known/oauth-protected-resource/mcp/two", world.data());
    for (token, error) in [(Value::Null, Value::Null), (json!(token), json!("invalid_token"))] {
        let challenge = driven.step(&json!({"challenge": {"url": url("two"), "token": token}})).0;
        assert_eq!(challenge, json!({"status": 401, "metadata": metadata, "scope": null, "error": error}));
    }
    let refused = Http::new(world.data(), "/mcp/two", Some(&token)).post(&json!({}), &[]).answer();
    assert_eq!(world.record(refused.reference())["decision"]["code"], refused.refused());
    assert_eq!(outcomes(&world, "echo"), ["ok"; 4]);
}

#[test]
fn a_modern_client_does_not_notice_that_its_server_forgot_the_session() {
    let Some(peers) = Peers::find() else { return };
    let port = free_port();
    let mut server = peers.everything("streamableHttp", port, &log("everything", port));
    let wire = Wire::to(port);
    let world = World::with()
        .server("everything", &format!("url: http://127.0.0.1:{}/mcp", wire.port()))
        .role("tester", &role("everything: [echo, get-sum]"))
        .section("tools", "everything__get-sum: { operation: read }")
        .start();
    let mut driven = peers.speaking(Client::Python, Speaks::Auto, Able::No, &Way::http(&world, "/mcp/everything"), &world.path("home"));
    assert!(driven.step(&call("echo", json!({"message": "hi"}))).good());
    server.kill();
    let mut server = peers.everything("streamableHttp", port, &log("everything", port));
    let before = wire.of("initialize").len();
    let sum = driven.step(&call("get-sum", json!({"a": 1, "b": 2})));
    assert!(sum.text().contains("is 3"), "a read is asked again: {sum:?}");
    assert!(driven.step(&json!({"list": true})).tools().len() == 2);
    assert_eq!(wire.of("initialize").len(), before + 1);
    server.kill();
    let _server = peers.everything("streamableHttp", port, &log("everything", port));
    let sent = wire.of("tools/call").len();
    let lost = driven.step(&call("echo", json!({"message": "once"})));
    assert_eq!(lost.refused(), Some("runtime.restart/unavailable"), "{lost:?}");
    assert!(wire.of("tools/call").len() <= sent + 1, "it was sent twice");
    assert_eq!(world.record(lost.reference().unwrap())["result"]["status"], "unknown");
    until("the session is open again", || driven.step(&call("echo", json!({"message": "again"}))).good());
    assert_eq!(wire.of("initialize").len(), before + 2);
}
