//! Every client with every server, over HTTP and launched: an allowed call, a forbidden one, and what the audit says of both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Client, Peers, Step, Way};
use serde_json::{Value, json};
use std::path::Path;
use testkit::{Setup, World};

const CLIENTS: [Client; 3] = [Client::Python, Client::TypeScript, Client::Inspector];

/// A made-up key in the form that a screen must find.
const KEY: &str = "ghp_q7Zt3LwXc9Rb2Vn5Kd8Js1Hf4Gm6Py0Aa3Ue";

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

/// The same answer for a forbidden name and for one that nobody offers; which of the two it was is for the audit.
fn unseen(step: &Step) {
    assert!(!step.good(), "{step:?}");
    assert!(!step.text().contains("denied") && !step.0.to_string().contains("policy"), "{step:?}");
}

fn recorded(world: &World, tool: &str, calls: usize) {
    let found = world
        .audit()
        .iter()
        .filter(|record| record["tool"] == tool || record["tool"].as_str().is_some_and(|name| name.ends_with(tool)))
        .count();
    assert!(found >= calls, "{tool}: {found} records for {calls} calls");
}

#[test]
fn filesystem_with_every_client() {
    let Some(peers) = Peers::find() else { return };
    let setup = World::with();
    let run = peers.node_server("server-filesystem", &["BOX"]).replace("BOX", "{box}");
    let world = server(setup, &peers, "files", &run, "[\"read_text_file\", \"list_directory\"]").start();
    let file = world.path("box/key.txt");
    std::fs::write(&file, format!("token: {KEY}\nplain words\n")).unwrap();
    let path = |file: &Path| file.display().to_string();
    let plan = json!([
        {"list": true},
        {"call": "list_directory", "arguments": {"path": path(&world.path("box"))}},
        {"call": "read_text_file", "arguments": {"path": path(&file)}},
        {"call": "write_file", "arguments": {"path": path(&world.path("box/new.txt")), "content": "x"}},
    ]);
    for client in CLIENTS {
        both_ways(&peers, &world, client, "files", &plan, |steps| {
            let mut tools = steps[0].tools();
            tools.sort_unstable();
            assert_eq!(tools, ["list_directory", "read_text_file"]);
            assert!(steps[1].text().contains("key.txt"), "{:?}", steps[1]);
            assert!(steps[2].good() && steps[2].text().contains("plain words"), "{:?}", steps[2]);
            assert!(!steps[2].0.to_string().contains(KEY), "the key came through: {:?}", steps[2]);
            unseen(&steps[3]);
        });
    }
    assert!(!world.path("box/new.txt").exists());
    recorded(&world, "write_file", 6);
    assert!(!world.holds("state", KEY.as_bytes()), "the key lies in the state");
}

#[test]
fn everything_with_every_client() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-everything", &["stdio"]);
    let world = server(World::with(), &peers, "everything", &run, "[echo, get-sum]").start();
    everything(&peers, &world);
}

#[test]
fn everything_over_http_with_every_client() {
    let Some(peers) = Peers::find() else { return };
    let port = testkit::free_port();
    let log = std::env::temp_dir().join(format!("everything-{port}.log"));
    let mut command = std::process::Command::new(peers.node("mcp-server-everything"));
    let _server = testkit::Running::start(peers.prepare(&mut command).arg("streamableHttp").env("PORT", port.to_string()), &log);
    listening(port);
    let world = World::with()
        .server("everything", &format!("url: http://127.0.0.1:{port}/mcp"))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { everything: [echo, get-sum] }")
        .start();
    everything(&peers, &world);
}

fn everything(peers: &Peers, world: &World) {
    let plan = json!([
        {"list": true},
        {"call": "echo", "arguments": {"message": "hi"}},
        {"call": "echo", "arguments": {"message": format!("token: {KEY}")}},
        {"call": "get-env", "arguments": {}},
    ]);
    for client in CLIENTS {
        both_ways(peers, world, client, "everything", &plan, |steps| {
            assert_eq!(steps[0].tools().len(), 2, "{:?}", steps[0]);
            assert_eq!(steps[1].text(), "Echo: hi");
            assert!(!steps[2].0.to_string().contains(KEY), "the key came through: {:?}", steps[2]);
            unseen(&steps[3]);
        });
    }
    recorded(world, "get-env", 6);
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
    both_ways(&peers, &world, Client::TypeScript, "memory", &plan, |steps| {
        assert!(steps[0].good() && steps[1].text().contains("birds"), "{steps:?}");
        unseen(&steps[2]);
    });
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
    both_ways(&peers, &world, Client::Python, "git", &plan, |steps| {
        assert!(steps[0].good(), "{steps:?}");
        unseen(&steps[1]);
    });
}

#[test]
fn time_with_inspector() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.python_server("mcp_server_time", &["--local-timezone", "UTC"]);
    let world = server(World::with(), &peers, "time", &run, "[get_current_time]").start();
    let plan = json!([
        {"call": "get_current_time", "arguments": {"timezone": "UTC"}},
        {"call": "convert_time", "arguments": {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}},
    ]);
    both_ways(&peers, &world, Client::Inspector, "time", &plan, |steps| {
        assert!(steps[0].text().contains("UTC"), "{steps:?}");
        unseen(&steps[1]);
    });
}

fn listening(port: u16) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < end, "nothing listens on {port}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
