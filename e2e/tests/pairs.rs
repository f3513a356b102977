//! Every client with every server, over HTTP and launched: an allowed call, a forbidden one, and what the audit says of both.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Client, Peers, Step, Way};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::Path;
use testkit::{Setup, World};

const CLIENTS: [Client; 3] = [Client::Python, Client::TypeScript, Client::Inspector];

/// A made-up key in the form that a screen must find, its check digits included.
const KEY: &str = "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";

fn home(world: &World) -> std::path::PathBuf {
    world.path("home")
}

fn server(setup: Setup, peers: &Peers, name: &str, run: &str, allow: &str) -> Setup {
    let sandbox = format!("sandbox: {{ read: [{:?}], write: [\"{{box}}\"] }}", peers.folder().display().to_string());
    setup
        .server(name, &format!("run: {run}\n{sandbox}"))
        .role("tester", &format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ {name}: {allow} }}"))
}

/// Both ways in, the plan along each: `check` sees the steps.
fn both_ways(peers: &Peers, world: &World, client: Client, server: &str, plan: &Value, check: impl Fn(&[Step])) {
    for way in [Way::http(world, &format!("/mcp/{server}")), Way::connect(world, server)] {
        check(&peers.drive(client, &way, &home(world), plan));
    }
}

/// What clients were refused: the code in the record of each reference.
#[derive(Default)]
struct Refused(RefCell<Vec<(String, &'static str, &'static str)>>);

impl Refused {
    /// `tool` may not be used, and the answer is the one to a name that nobody offers: which of the two it was is for the audit. The inspector
    /// looks a name up in the list before it calls, so that nothing arrives.
    fn unseen(&self, client: Client, tool: &'static str, step: &Step) {
        if client == Client::Inspector {
            assert!(step.0["fault"]["message"].as_str().is_some_and(|said| said.contains("tool_not_found")), "{step:?}");
            return;
        }
        assert_eq!(step.refused(), Some("access.filtered-discovery/unknown"), "{step:?}");
        assert!(!step.good() && !step.text().contains("denied") && !step.0.to_string().contains("policy"), "{step:?}");
        self.note(tool, step, "access.deny-by-default/denied");
    }

    /// An argument of `tool` is outside what the operator allows.
    fn outside(&self, tool: &'static str, step: &Step) {
        assert_eq!(step.refused(), Some("access.argument-schemas/constraint"), "{step:?}");
        assert!(!step.good(), "{step:?}");
        self.note(tool, step, "access.argument-schemas/constraint");
    }

    fn note(&self, tool: &'static str, step: &Step, code: &'static str) {
        let reference = step.reference().unwrap().to_owned();
        assert!(step.text().contains(&reference), "{step:?}");
        self.0.borrow_mut().push((reference, tool, code));
    }

    /// Every refused call has its record under its reference, every one of the allowed `calls` of `tool` a record with its outcome, and the log
    /// proves whole.
    fn recorded(self, world: &World, tool: &str, calls: usize) {
        let audit = world.audit();
        let refused = self.0.into_inner();
        assert!(!refused.is_empty());
        for (reference, tool, code) in refused {
            let found = audit.iter().find(|record| record["request"] == reference).unwrap_or_else(|| panic!("no record of {reference}"));
            assert_eq!((&found["tool"], &found["decision"]["verdict"]), (&json!(tool), &json!("refused")), "{found}");
            assert_eq!(found["decision"]["code"], code, "{found}");
        }
        let allowed: Vec<_> = audit.iter().filter(|record| record["tool"] == tool && record["decision"]["verdict"] != "refused").collect();
        assert_eq!(allowed.len(), calls, "{allowed:#?}");
        for record in allowed {
            assert_eq!((&record["result"]["status"], &record["principal"]["agent"]), (&json!("ok"), &json!("tester")), "{record}");
        }
        assert_eq!(world.verify()["ok"], true);
    }
}

/// The constraint that `outside` meets: no argument `name` of `tool` beyond 100 characters.
fn short(setup: Setup, tool: &str, name: &str) -> Setup {
    setup.section("tools", &format!("{tool}: {{ arguments: {{ {name}: {{ maxLength: 100 }} }} }}"))
}

#[test]
fn filesystem_with_every_client() {
    let Some(peers) = Peers::find() else { return };
    let setup = World::with();
    let run = peers.node_server("server-filesystem", &["BOX"]).replace("BOX", "{box}");
    let setup = short(setup, "files__read_text_file", "path");
    let world = server(setup, &peers, "files", &run, "[read_text_file, list_directory]").start();
    let file = world.path("box/key.txt");
    std::fs::write(&file, format!("token: {KEY}\nplain words\n")).unwrap();
    let path = |file: &Path| file.display().to_string();
    let plan = json!([
        {"list": true},
        {"call": "list_directory", "arguments": {"path": path(&world.path("box"))}},
        {"call": "read_text_file", "arguments": {"path": path(&file)}},
        {"call": "write_file", "arguments": {"path": path(&world.path("box/new.txt")), "content": "x"}},
        {"call": "read_text_file", "arguments": {"path": "x".repeat(101)}},
    ]);
    let refused = Refused::default();
    for client in CLIENTS {
        both_ways(&peers, &world, client, "files", &plan, |steps| {
            let mut tools = steps[0].tools();
            tools.sort_unstable();
            assert_eq!(tools, ["list_directory", "read_text_file"]);
            assert!(steps[1].text().contains("key.txt"), "{:?}", steps[1]);
            assert!(steps[2].good() && steps[2].text().contains("plain words"), "{:?}", steps[2]);
            assert!(!steps[2].0.to_string().contains(KEY), "the key came through: {:?}", steps[2]);
            assert!(steps[2].text().contains("«redacted"), "{:?}", steps[2]);
            refused.unseen(client, "write_file", &steps[3]);
            refused.outside("read_text_file", &steps[4]);
        });
    }
    assert!(!world.path("box/new.txt").exists());
    refused.recorded(&world, "read_text_file", 6);
    assert!(!world.holds("state", KEY.as_bytes()), "the key lies in the state");
}

#[test]
fn everything_with_every_client() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-everything", &["stdio"]);
    let world = server(short(World::with(), "everything__echo", "message"), &peers, "everything", &run, "[echo, get-sum]").start();
    everything(&peers, &world);
}

#[test]
fn everything_over_http_with_every_client() {
    over_http("streamableHttp", "mcp", "http");
}

#[test]
fn everything_over_one_stream_with_every_client() {
    over_http("sse", "sse", "sse");
}

fn over_http(speaks: &str, path: &str, transport: &str) {
    let Some(peers) = Peers::find() else { return };
    let port = testkit::free_port();
    let log = std::env::temp_dir().join(format!("everything-{port}.log"));
    let mut command = std::process::Command::new(peers.node("mcp-server-everything"));
    let _server = testkit::Running::start(peers.prepare(&mut command).arg(speaks).env("PORT", port.to_string()), &log);
    listening(port);
    let world = short(World::with(), "everything__echo", "message")
        .server("everything", &format!("url: http://127.0.0.1:{port}/{path}\ntransport: {transport}"))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { everything: [echo, get-sum] }")
        .start();
    everything(&peers, &world);
}

#[test]
fn clients_that_want_one_stream() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-everything", &["stdio"]);
    let allow = "[echo, get-sum, trigger-sampling-request]";
    let mut world = server(short(World::with(), "everything__echo", "message"), &peers, "everything", &run, allow).start();
    world.stop();
    let address = world.data().to_string();
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, legacy_sse: true }}"));
    world.edit(allow, "[echo, get-sum, trigger-sampling-request, \"question:sampling\"]");
    world.serve();
    let plan = json!([
        {"list": true},
        {"call": "everything__echo", "arguments": {"message": "hi"}},
        {"call": "everything__echo", "arguments": {"message": format!("token: {KEY}")}},
        {"call": "everything__get-env", "arguments": {}},
        {"call": "everything__echo", "arguments": {"message": "x".repeat(101)}},
    ]);
    let refused = Refused::default();
    for client in [Client::Python, Client::TypeScript] {
        let steps = peers.drive(client, &Way::sse(&world), &home(&world), &plan);
        assert!(steps[0].tools().contains(&"everything__echo") && steps[0].tools().len() <= 3, "{:?}", steps[0]);
        assert_eq!(steps[1].text(), "Echo: hi");
        assert!(steps[2].good() && steps[2].text().starts_with("Echo: token: «redacted"), "{:?}", steps[2]);
        refused.unseen(client, "get-env", &steps[3]);
        refused.outside("echo", &steps[4]);
    }
    let mut able = peers.session(Client::Python, Able::Yes, &Way::sse(&world), &home(&world));
    let sampled = able.step(&json!({"call": "everything__trigger-sampling-request", "arguments": {"prompt": "say hi", "maxTokens": 10}}));
    assert!(sampled.text().contains("a sampled answer"), "a question goes there and back: {sampled:?}");
    refused.recorded(&world, "echo", 4);
}

fn everything(peers: &Peers, world: &World) {
    let plan = json!([
        {"list": true},
        {"call": "echo", "arguments": {"message": "hi"}},
        {"call": "echo", "arguments": {"message": format!("token: {KEY}")}},
        {"call": "get-env", "arguments": {}},
        {"call": "echo", "arguments": {"message": "x".repeat(101)}},
    ]);
    let refused = Refused::default();
    for client in CLIENTS {
        both_ways(peers, world, client, "everything", &plan, |steps| {
            assert_eq!(steps[0].tools().len(), 2, "{:?}", steps[0]);
            assert_eq!(steps[1].text(), "Echo: hi");
            assert!(!steps[2].0.to_string().contains(KEY), "the key came through: {:?}", steps[2]);
            assert!(steps[2].good() && steps[2].text().starts_with("Echo: token: «redacted"), "{:?}", steps[2]);
            refused.unseen(client, "get-env", &steps[3]);
            refused.outside("echo", &steps[4]);
        });
    }
    refused.recorded(world, "echo", 12);
}

#[test]
fn memory_with_typescript() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-memory", &[]);
    let setup = server(World::with(), &peers, "memory", &run, "[create_entities, read_graph]");
    let entry = format!(
        "run: {run}\nenv: {{ MEMORY_FILE_PATH: \"{{box}}/memory.jsonl\" }}\nsandbox: {{ read: [{:?}], write: [\"{{box}}\"] }}",
        peers.folder().display().to_string()
    );
    let world = setup.server("memory", &entry).start();
    let entity = json!({"name": "ana", "entityType": "person", "observations": ["likes birds"]});
    let plan = json!([
        {"call": "create_entities", "arguments": {"entities": [entity]}},
        {"call": "read_graph", "arguments": {}},
        {"call": "delete_entities", "arguments": {"entityNames": ["ana"]}},
    ]);
    let refused = Refused::default();
    both_ways(&peers, &world, Client::TypeScript, "memory", &plan, |steps| {
        assert!(steps[0].good() && steps[1].text().contains("birds"), "{steps:?}");
        refused.unseen(Client::TypeScript, "delete_entities", &steps[2]);
    });
    refused.recorded(&world, "read_graph", 2);
}

#[test]
fn git_with_python() {
    let Some(peers) = Peers::find() else { return };
    let setup = World::with();
    let run = peers.python_server("mcp_server_git", &["--repository", "BOX"]).replace("BOX", "{box}/repository");
    let world = server(setup, &peers, "git", &run, "[git_status, git_log]").write();
    let repository = world.path("box/repository").display().to_string();
    for arguments in [["init", "-q", &repository], ["-C", &repository, "status"]] {
        assert!(std::process::Command::new("git").args(arguments).output().unwrap().status.success());
    }
    let mut world = world;
    world.json(&["lock", "--yes"]);
    world.serve();
    let plan = json!([
        {"call": "git_status", "arguments": {"repo_path": repository}},
        {"call": "git_commit", "arguments": {"repo_path": repository, "message": "x"}},
    ]);
    let refused = Refused::default();
    both_ways(&peers, &world, Client::Python, "git", &plan, |steps| {
        assert!(steps[0].good(), "{steps:?}");
        refused.unseen(Client::Python, "git_commit", &steps[1]);
    });
    refused.recorded(&world, "git_status", 2);
}

#[test]
fn time_with_inspector() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.python_server("mcp_server_time", &["--local-timezone", "UTC"]);
    let world = server(short(World::with(), "time__get_current_time", "timezone"), &peers, "time", &run, "[get_current_time]").start();
    let plan = json!([
        {"call": "get_current_time", "arguments": {"timezone": "UTC"}},
        {"call": "convert_time", "arguments": {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}},
        {"call": "get_current_time", "arguments": {"timezone": "x".repeat(101)}},
    ]);
    let refused = Refused::default();
    both_ways(&peers, &world, Client::Inspector, "time", &plan, |steps| {
        assert!(steps[0].text().contains("UTC"), "{steps:?}");
        refused.unseen(Client::Inspector, "convert_time", &steps[1]);
        refused.outside("get_current_time", &steps[2]);
    });
    refused.recorded(&world, "get_current_time", 2);
}

#[test]
fn sqlite_with_python() {
    let Some(peers) = Peers::find() else { return };
    let run = e2e::list([peers.sqlite("mcp-server-sqlite").as_str(), "--db-path", "BOX/data.db"].into_iter()).replace("BOX", "{box}");
    let world = server(World::with(), &peers, "sqlite", &run, "[create_table, write_query, read_query]").start();
    let plan = json!([
        {"call": "create_table", "arguments": {"query": "CREATE TABLE birds (name TEXT)"}},
        {"call": "write_query", "arguments": {"query": "INSERT INTO birds VALUES ('heron')"}},
        {"call": "read_query", "arguments": {"query": "SELECT name FROM birds"}},
        {"call": "append_insight", "arguments": {"insight": "x"}},
    ]);
    let refused = Refused::default();
    let way = Way::http(&world, "/mcp/sqlite");
    let steps = peers.drive(Client::Python, &way, &home(&world), &plan);
    assert!(steps[0].good() && steps[1].good() && steps[2].text().contains("heron"), "{steps:?}");
    refused.unseen(Client::Python, "append_insight", &steps[3]);
    refused.recorded(&world, "read_query", 1);
    assert!(world.path("box/data.db").exists());
}

#[test]
fn sequential_thinking_with_typescript() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-sequential-thinking", &[]);
    let setup = short(World::with(), "thinking__sequentialthinking", "thought");
    let world = server(setup, &peers, "thinking", &run, "[sequentialthinking]").start();
    let thought = |text: &str| json!({"thought": text, "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1});
    let plan = json!([
        {"call": "sequentialthinking", "arguments": thought("it rains")},
        {"call": "sequentialthinking", "arguments": thought(&"x".repeat(101))},
    ]);
    let refused = Refused::default();
    both_ways(&peers, &world, Client::TypeScript, "thinking", &plan, |steps| {
        assert!(steps[0].good() && steps[0].text().contains("thoughtHistoryLength"), "{steps:?}");
        refused.outside("sequentialthinking", &steps[1]);
    });
    refused.recorded(&world, "sequentialthinking", 2);
}

/// A host that has one page for every path, and keeps the heads of what it was asked.
fn host() -> (u16, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), std::sync::Arc::default());
    let kept: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let kept = std::sync::Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut room = [0; 4096];
                let Ok(count @ 1..) = stream.read(&mut room) else { return };
                let head = String::from_utf8_lossy(&room[..count]).into_owned();
                let page = if head.contains("robots.txt") { "User-agent: *\nAllow: /\n" } else { "herons stand still" };
                kept.lock().unwrap().push(head);
                let length = page.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
                );
            });
        }
    });
    (port, asked)
}

#[test]
fn fetch_with_python() {
    let Some(peers) = Peers::find() else { return };
    let (port, asked) = host();
    let names = testkit::Names::new(|_, _| [127, 0, 0, 1]);
    // In the sandbox every name has an address that stands for it: whether the real one is private is seen to by the gateway.
    let run = peers.python_server("mcp_server_fetch", &["--allow-private-ips"]);
    let setup = server(World::with(), &peers, "fetch", &run, "[fetch]").section("dns", &format!("resolver: \"{}\"", names.url));
    let egress = format!("\"http://birds.example:{port}\", \"http://127.0.0.1:{port}\"");
    let entry = format!("run: {run}\nsandbox: {{ read: [{:?}], egress: [{egress}] }}", peers.folder().display().to_string());
    let world = setup.server("fetch", &entry).start();
    let plan = json!([
        {"call": "fetch", "arguments": {"url": format!("http://birds.example:{port}/heron"), "raw": true}},
        {"call": "fetch", "arguments": {"url": format!("http://evil.example:{port}/heron"), "raw": true}},
    ]);
    let steps = peers.drive(Client::Python, &Way::http(&world, "/mcp/fetch"), &home(&world), &plan);
    assert!(steps[0].good() && steps[0].text().contains("herons stand still"), "{steps:?}");
    assert!(!steps[1].good(), "{steps:?}");
    let heads = asked.lock().unwrap();
    assert!(heads.iter().any(|head| head.starts_with("GET /heron")) && !heads.iter().any(|head| head.contains("evil")), "{heads:?}");
    let audit = world.audit();
    let refused = |record: &&Value| record["event"] == "network.refused" && record["detail"]["name"] == "evil.example";
    assert!(audit.iter().any(|record| refused(&record)), "the other host is not on record");
}

fn listening(port: u16) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < end, "nothing listens on {port}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
