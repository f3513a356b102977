//! Every client in every era with every server, through one gateway: what is listed, a call that is allowed, and one that is not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Able, Client, Peers, Speaks, Way, list};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use testkit::{Running, Setup, World, free_port};

const DENIED: &str = "access.deny-by-default/denied";
const UNKNOWN: &str = "access.filtered-discovery/unknown";

/// What is called of a server: allowed, with arguments and a piece of the answer; and not allowed.
struct Server {
    name: &'static str,
    allowed: (&'static str, Value, &'static str),
    forbidden: (&'static str, Value),
    /// How the gateway reaches it.
    entry: String,
}

/// Those over HTTP, with what keeps them running.
fn remote(peers: &Peers) -> (Vec<Server>, Vec<Running>) {
    let ports = [free_port(), free_port(), free_port(), free_port(), free_port()];
    let log = |port: u16| -> PathBuf { std::env::temp_dir().join(format!("matrix-{port}.log")) };
    let running = vec![
        peers.everything("streamableHttp", ports[0], &log(ports[0])),
        peers.fixture(ports[1], &log(ports[1])),
        peers.python_script("fast.py", ports[2], &log(ports[2])),
        peers.node_script("two.mjs", ports[3], &log(ports[3])),
        peers.everything("sse", ports[4], &log(ports[4])),
    ];
    let url = |at: usize| format!("url: http://localhost:{}/mcp", ports[at]);
    let hi = || json!({"message": "hi"});
    let servers = vec![
        Server { name: "everything", allowed: ("echo", hi(), "Echo: hi"), forbidden: ("get-env", json!({})), entry: url(0) },
        Server {
            name: "fixture",
            allowed: ("test_simple_text", json!({}), "simple text"),
            forbidden: ("test_error_handling", json!({})),
            entry: url(1),
        },
        Server { name: "fast", allowed: ("echo", hi(), "Echo: hi"), forbidden: ("hidden", json!({})), entry: url(2) },
        Server {
            name: "stream",
            allowed: ("echo", hi(), "Echo: hi"),
            forbidden: ("get-env", json!({})),
            entry: format!("url: http://localhost:{}/sse\ntransport: sse", ports[4]),
        },
        Server { name: "two", allowed: ("echo", hi(), "Echo: hi"), forbidden: ("hidden", json!({})), entry: url(3) },
    ];
    (servers, running)
}

/// Those that are launched.
fn local(peers: &Peers, setup: &str) -> Vec<Server> {
    let entry = |run: String| format!("run: {run}\n{}", peers.sandbox());
    let thought = json!({"thought": "it rains", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1});
    let repository = format!("{setup}/box/repository");
    let (python, script) = (peers.sqlite("python"), peers.sqlite("mcp-server-sqlite"));
    vec![
        Server {
            name: "git",
            allowed: ("git_status", json!({"repo_path": repository}), "No commits yet"),
            forbidden: ("git_commit", json!({"repo_path": repository, "message": "x"})),
            entry: entry(peers.python_server("mcp_server_git", &["--repository", "{box}/repository"])),
        },
        Server {
            name: "time",
            allowed: ("get_current_time", json!({"timezone": "UTC"}), "UTC"),
            forbidden: ("convert_time", json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"})),
            entry: entry(peers.python_server("mcp_server_time", &["--local-timezone", "UTC"])),
        },
        Server {
            name: "memory",
            allowed: ("read_graph", json!({}), "entities"),
            forbidden: ("delete_entities", json!({"entityNames": []})),
            entry: entry(peers.node_server("server-memory", &[])) + "\nenv: { MEMORY_FILE_PATH: \"{box}/memory.jsonl\" }",
        },
        Server {
            name: "files",
            allowed: ("read_text_file", json!({"path": format!("{setup}/box/words.txt")}), "plain words"),
            forbidden: ("write_file", json!({"path": format!("{setup}/box/new.txt"), "content": "x"})),
            entry: entry(peers.node_server("server-filesystem", &["{box}"])),
        },
        Server {
            name: "thinking",
            allowed: ("sequentialthinking", thought, "thoughtHistoryLength"),
            forbidden: ("nothing", json!({})),
            entry: entry(peers.node_server("server-sequential-thinking", &[])),
        },
        Server {
            name: "sqlite",
            allowed: ("list_tables", json!({}), "["),
            forbidden: ("append_insight", json!({"insight": "x"})),
            entry: entry(list([python.as_str(), script.as_str(), "--db-path", "{box}/data.db"].into_iter())),
        },
    ]
}

fn start(peers: &Peers, remote: Vec<Server>) -> (World, Vec<Server>) {
    let setup = World::with().file("box/words.txt", "plain words\n");
    let folder = setup.path().display().to_string();
    let servers: Vec<Server> = remote.into_iter().chain(local(peers, folder.trim_end_matches('/'))).collect();
    let allow: Vec<_> = servers.iter().map(|server| format!("{}: [{}]", server.name, server.allowed.0)).collect();
    let role = format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ {} }}", allow.join(", "));
    let setup = servers.iter().fold(setup.role("tester", &role), |setup: Setup, server| setup.server(server.name, &server.entry));
    let mut world = setup.write();
    assert!(Command::new("git").args(["init", "-q"]).arg(world.path("box/repository")).output().unwrap().status.success());
    world.json(&["lock", "--yes"]);
    world.serve();
    (world, servers)
}

#[test]
fn every_client_in_every_era_with_every_server() {
    let Some(peers) = Peers::find() else { return };
    let (remote, _running) = remote(&peers);
    let (world, servers) = start(&peers, remote);
    let home = world.path("home");
    let (mut allowed, mut refused) = (0, 0);
    for client in [Client::Python, Client::TypeScript] {
        for speaks in [Speaks::Auto, Speaks::Legacy, Speaks::Modern] {
            let mut driven = peers.speaking(client, speaks, Able::No, &Way::http(&world, "/mcp"), &home);
            assert_eq!(driven.revision() == Speaks::LEGACY, speaks == Speaks::Legacy, "{client:?} {speaks:?}: {}", driven.revision());
            let listed = driven.step(&json!({"list": true}));
            assert_eq!(listed.tools().len(), servers.len(), "{client:?} {speaks:?}: {listed:?}");
            for server in &servers {
                let pair = format!("{client:?} {speaks:?}, {}", server.name);
                let (tool, arguments, answer) = &server.allowed;
                assert!(listed.tools().contains(&format!("{}__{tool}", server.name).as_str()), "{pair}: {listed:?}");
                let good = driven.step(&json!({"call": format!("{}__{tool}", server.name), "arguments": arguments}));
                assert!(good.good() && good.text().contains(answer), "{pair}: {good:?}");
                let (tool, arguments) = &server.forbidden;
                let bad = driven.step(&json!({"call": format!("{}__{tool}", server.name), "arguments": arguments}));
                assert_eq!(bad.refused(), Some(UNKNOWN), "{pair}: {bad:?}");
            }
            allowed += 1;
            refused += 1;
        }
    }
    // Each of its steps is a process and a session.
    for speaks in [Speaks::Auto, Speaks::Modern] {
        for server in &servers {
            let pair = format!("inspector {speaks:?}, {}", server.name);
            let way = Way::http(&world, &format!("/mcp/{}", server.name));
            let plan = json!([{"call": server.allowed.0, "arguments": server.allowed.1}]);
            let steps = peers.drive_as(Client::Inspector, speaks, &way, &home, &plan);
            assert!(steps[0].good() && steps[0].text().contains(server.allowed.2), "{pair}: {steps:?}");
        }
        // It looks a name up in the list before it calls, so that nothing arrives.
        let plan = json!([{"list": true}, {"call": servers[0].forbidden.0, "arguments": {}}]);
        let steps = peers.drive_as(Client::Inspector, speaks, &Way::http(&world, "/mcp/everything"), &home, &plan);
        assert_eq!(steps[0].tools(), [servers[0].allowed.0], "{steps:?}");
        assert!(steps[1].0["fault"]["message"].as_str().is_some_and(|said| said.contains("tool_not_found")), "{steps:?}");
        allowed += 1;
    }
    let audit = world.audit();
    let count = |server: &str, tool: &str, good: &dyn Fn(&Value) -> bool| {
        audit.iter().filter(|record| record["server"] == server && record["tool"] == tool && good(record)).count()
    };
    for server in &servers {
        let ok = count(server.name, server.allowed.0, &|record| record["result"]["status"] == "ok");
        assert_eq!(ok, allowed, "{}", server.name);
        let code = if server.forbidden.0 == "nothing" { UNKNOWN } else { DENIED };
        let denied = audit.iter().filter(|record| {
            let named = record["tool"] == server.forbidden.0 || record["tool"] == format!("{}__{}", server.name, server.forbidden.0);
            named && record["decision"]["code"] == code && record["server"].as_str().is_none_or(|name| name == server.name)
        });
        assert_eq!(denied.count(), refused, "{}", server.name);
    }
    assert_eq!(world.verify()["ok"], true);
    let revision = |name: &str| world.json(&["server", "show", name])["pinned"]["revision"].clone();
    for server in &servers {
        let both = ["fixture", "fast", "two", "git", "time"].contains(&server.name);
        assert_eq!(revision(server.name), if both { Speaks::MODERN } else { Speaks::LEGACY }, "{}", server.name);
    }
}
