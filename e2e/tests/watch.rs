//! What `server watch` proposes for real servers, and that they work with it and nothing more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]
use e2e::Peers;
use serde_json::{Value, json};
use testkit::World;

/// A server that has no `sandbox:` entry, what is called while it is watched, and what must work with what was proposed.
struct Case<'a> {
    run: String,
    calls: &'a [(&'a str, Value)],
}

fn watched(case: &Case<'_>) -> (World, Value) {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], peer: [\"*\"] }";
    // As operators write it: with comments, and a block of its own.
    let entry = format!("# the peer\nrun: {}\n# patience\ncall: 20s", case.run);
    let world = World::with().server("peer", &entry).role("tester", role).write();
    for name in ["docs", "repo", "other"] {
        std::fs::create_dir(world.path(name)).unwrap();
    }
    std::fs::write(world.path("docs/a.txt"), "alpha").unwrap();
    std::fs::write(world.path("other/b.txt"), "beta").unwrap();
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git").current_dir(world.path("repo")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    git(&["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "first"]);
    // What root owns is read with the rights of others, and git takes no repository of another owner's.
    let owner = std::process::Command::new("chown").args(["-R", "12345:12345"]).arg(world.path("repo")).output().unwrap();
    assert!(
        owner.status.success() || std::fs::metadata(world.path("repo")).is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) != 0)
    );
    let root = world.path("").display().to_string();
    let root = root.trim_end_matches('/').to_owned();
    let calls: Vec<(&str, Value)> = case
        .calls
        .iter()
        .map(|(tool, arguments)| (*tool, serde_json::from_str(&arguments.to_string().replace("{root}", &root)).unwrap()))
        .collect();
    let mut words: Vec<String> = ["server", "watch", "peer", "--accept"].map(str::to_owned).to_vec();
    words.extend(calls.iter().map(|(tool, arguments)| format!("--call={tool}={arguments}")));
    let output = world.run(&words.iter().map(String::as_str).chain(["--json"]).collect::<Vec<_>>());
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)));
    assert_eq!((&answer["written"], &answer["fault"]), (&json!(true), &Value::Null), "{answer:#}");
    let file = std::fs::read_to_string(world.config()).unwrap();
    assert!(file.contains("# the peer") && file.contains("# patience"), "{file}");
    let mut world = world;
    world.json(&["lock", "--yes"]);
    world.serve();
    let mut agent = world.agent();
    for (tool, arguments) in calls {
        let answer = agent.call(&format!("peer__{tool}"), arguments);
        assert!(!answer.is_error(), "{tool}: {}", answer.text());
    }
    (world, answer)
}

fn paths(world: &World, list: &Value) -> Vec<String> {
    let root = world.path("");
    let short = |path: &str| std::path::Path::new(path).strip_prefix(&root).map_or(path.to_owned(), |path| path.display().to_string());
    list.as_array().unwrap().iter().map(|path| short(path.as_str().unwrap())).collect()
}

#[test]
fn the_filesystem_server() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.node_server("server-filesystem", &["{root}/docs"]);
    let calls = [("read_text_file", json!({"path": "{root}/docs/a.txt"})), ("list_directory", json!({"path": "{root}/docs"}))];
    let (world, answer) = watched(&Case { run: run.clone(), calls: &calls });
    assert_eq!((paths(&world, &answer["read"]), paths(&world, &answer["write"])), (vec!["docs".to_owned()], Vec::new()), "{answer:#}");
    let calls = [("write_file", json!({"path": "{root}/docs/new.txt", "content": "x"}))];
    let (world, answer) = watched(&Case { run, calls: &calls });
    assert_eq!((paths(&world, &answer["read"]), paths(&world, &answer["write"])), (Vec::new(), vec!["docs".to_owned()]), "{answer:#}");
    assert_eq!(std::fs::read_to_string(world.path("docs/new.txt")).unwrap(), "x");
}

#[test]
fn the_memory_server() {
    let Some(peers) = Peers::find() else { return };
    let entity = json!({"entities": [{"name": "a", "entityType": "b", "observations": ["c"]}]});
    let run = format!("{}\nenv: {{ MEMORY_FILE_PATH: \"{{root}}/docs/memory.jsonl\" }}", peers.node_server("server-memory", &[]));
    let calls = [("create_entities", entity), ("read_graph", json!({}))];
    let (world, answer) = watched(&Case { run, calls: &calls });
    assert_eq!(paths(&world, &answer["write"]), ["docs"], "{answer:#}");
    assert!(std::fs::read_to_string(world.path("docs/memory.jsonl")).unwrap().contains("\"a\""));
}

#[test]
fn the_git_server() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.python_server("mcp_server_git", &["--repository", "{root}/repo"]);
    let calls = [("git_log", json!({"repo_path": "{root}/repo", "max_count": 1}))];
    let (world, answer) = watched(&Case { run, calls: &calls });
    let given = [paths(&world, &answer["read"]), paths(&world, &answer["write"])].concat();
    assert_eq!(given, ["repo"], "{answer:#}");
}

#[test]
fn servers_that_need_nothing() {
    let Some(peers) = Peers::find() else { return };
    let time = peers.python_server("mcp_server_time", &["--local-timezone", "UTC"]);
    let everything = peers.node_server("server-everything", &["stdio"]);
    for (run, tool, arguments) in [(time, "get_current_time", json!({"timezone": "UTC"})), (everything, "echo", json!({"message": "hi"}))] {
        let (world, answer) = watched(&Case { run, calls: &[(tool, arguments)] });
        let given = [paths(&world, &answer["read"]), paths(&world, &answer["write"])].concat();
        assert_eq!(given, Vec::<String>::new(), "{answer:#}");
        assert_eq!(answer["egress"], json!([]), "{answer:#}");
    }
}
