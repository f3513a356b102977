//! What `server watch` proposes for real servers, and that they work with it and nothing more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]
use e2e::{Client, Peers, Step, Way};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use testkit::{Names, Setup, World};

/// A server that has no `sandbox:` entry, what is called while it is watched, and what must work with what was proposed.
struct Case<'a> {
    run: String,
    calls: &'a [(&'a str, Value)],
}

/// What is proposed for the case, and that its calls work with that from a real client, launched as its clients launch things.
fn watched(peers: &Peers, case: &Case<'_>) -> (World, Value) {
    let (mut world, calls) = world(World::with(), case);
    let answer = watch(&world, &calls);
    assert_eq!((&answer["written"], &answer["fault"]), (&json!(true), &Value::Null), "{answer:#}");
    let file = std::fs::read_to_string(world.config()).unwrap();
    assert!(file.contains("# the peer") && file.contains("# patience"), "{file}");
    for step in used(peers, &mut world, &calls) {
        assert!(step.good(), "{step:?}");
    }
    (world, answer)
}

/// Locks, serves, and has a real client call.
fn used(peers: &Peers, world: &mut World, calls: &Calls) -> Vec<Step> {
    world.json(&["lock", "--yes"]);
    world.serve();
    let plan = calls.iter().map(|(tool, arguments)| json!({"call": tool, "arguments": arguments})).collect();
    peers.drive(Client::Python, &Way::connect(world, "peer"), &world.path("home"), &plan)
}

type Calls = Vec<(String, Value)>;

/// `bastide server watch` with `calls`, its proposal accepted.
fn watch(world: &World, calls: &Calls) -> Value {
    let mut words: Vec<String> = ["server", "watch", "peer", "--accept", "--json"].map(str::to_owned).to_vec();
    words.extend(calls.iter().map(|(tool, arguments)| format!("--call={tool}={arguments}")));
    let output = world.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn world(setup: Setup, case: &Case<'_>) -> (World, Calls) {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"], peer: [\"*\"] }";
    // As operators write it: with comments, and a block of its own.
    let entry = format!("# the peer\nrun: {}\n# patience\ncall: 20s", case.run);
    let world = setup.server("peer", &entry).role("tester", role).write();
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
    let calls = case.calls.iter();
    let calls =
        calls.map(|(tool, arguments)| ((*tool).to_owned(), serde_json::from_str(&arguments.to_string().replace("{root}", &root)).unwrap()));
    (world, calls.collect())
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
    let (world, answer) = watched(&peers, &Case { run: run.clone(), calls: &calls });
    assert_eq!((paths(&world, &answer["read"]), paths(&world, &answer["write"])), (vec!["docs".to_owned()], Vec::new()), "{answer:#}");
    let calls = [("write_file", json!({"path": "{root}/docs/new.txt", "content": "x"}))];
    let (world, answer) = watched(&peers, &Case { run, calls: &calls });
    assert_eq!((paths(&world, &answer["read"]), paths(&world, &answer["write"])), (Vec::new(), vec!["docs".to_owned()]), "{answer:#}");
    assert_eq!(std::fs::read_to_string(world.path("docs/new.txt")).unwrap(), "x");
}

#[test]
fn the_memory_server() {
    let Some(peers) = Peers::find() else { return };
    let entity = json!({"entities": [{"name": "a", "entityType": "b", "observations": ["c"]}]});
    let run = format!("{}\nenv: {{ MEMORY_FILE_PATH: \"{{root}}/docs/memory.jsonl\" }}", peers.node_server("server-memory", &[]));
    let calls = [("create_entities", entity), ("read_graph", json!({}))];
    let (world, answer) = watched(&peers, &Case { run, calls: &calls });
    assert_eq!(paths(&world, &answer["write"]), ["docs"], "{answer:#}");
    assert!(std::fs::read_to_string(world.path("docs/memory.jsonl")).unwrap().contains("\"a\""));
}

#[test]
fn the_git_server() {
    let Some(peers) = Peers::find() else { return };
    let run = peers.python_server("mcp_server_git", &["--repository", "{root}/repo"]);
    let calls = [("git_log", json!({"repo_path": "{root}/repo", "max_count": 1}))];
    let (world, answer) = watched(&peers, &Case { run, calls: &calls });
    let given = [paths(&world, &answer["read"]), paths(&world, &answer["write"])].concat();
    assert_eq!(given, ["repo"], "{answer:#}");
}

#[test]
fn servers_that_need_nothing() {
    let Some(peers) = Peers::find() else { return };
    let time = peers.python_server("mcp_server_time", &["--local-timezone", "UTC"]);
    let everything = peers.node_server("server-everything", &["stdio"]);
    let thinking = peers.node_server("server-sequential-thinking", &[]);
    let thought = json!({"thought": "it rains", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1});
    for (run, tool, arguments) in [
        (time, "get_current_time", json!({"timezone": "UTC"})),
        (everything, "echo", json!({"message": "hi"})),
        (thinking, "sequentialthinking", thought),
    ] {
        let (world, answer) = watched(&peers, &Case { run, calls: &[(tool, arguments)] });
        let given = [paths(&world, &answer["read"]), paths(&world, &answer["write"])].concat();
        assert_eq!(given, Vec::<String>::new(), "{answer:#}");
        assert_eq!(answer["egress"], json!([]), "{answer:#}");
    }
}

#[test]
fn the_sqlite_server() {
    let Some(peers) = Peers::find() else { return };
    let run = e2e::list([peers.sqlite("mcp-server-sqlite").as_str(), "--db-path", "{root}/docs/data.db"].into_iter());
    let calls = [
        ("create_table", json!({"query": "CREATE TABLE birds (name TEXT)"})),
        ("write_query", json!({"query": "INSERT INTO birds VALUES ('heron')"})),
        ("read_query", json!({"query": "SELECT name FROM birds"})),
    ];
    let (mut world, calls) = world(World::with(), &Case { run, calls: &calls });
    // It makes its file before all else, and cannot while nothing is given to it: what it was proposed for that is tried in the next watch.
    let first = watch(&world, &calls);
    assert_eq!(
        (paths(&world, &first["write"]), &first["written"], &first["complete"]),
        (vec!["docs".to_owned()], &json!(true), &json!(false))
    );
    let second = watch(&world, &calls);
    assert_eq!((&second["differs"], &second["complete"], &second["failed"]), (&json!(false), &json!(true), &json!([])), "{second:#}");
    std::fs::remove_file(world.path("docs/data.db")).unwrap();
    let steps = used(&peers, &mut world, &calls);
    assert!(steps.iter().all(Step::good) && steps[2].text().contains("heron"), "{steps:?}");
    assert!(world.path("docs/data.db").exists());
}

/// A host that has one page for every path, and keeps the heads of what it was asked.
fn host() -> (u16, Arc<Mutex<Vec<String>>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut room = [0; 4096];
            let Ok(count @ 1..) = stream.read(&mut room) else { continue };
            let head = String::from_utf8_lossy(&room[..count]).into_owned();
            let page = if head.contains("robots.txt") { "User-agent: *\nAllow: /\n" } else { "herons stand still" };
            kept.lock().unwrap().push(head);
            let length = page.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{page}").as_bytes());
        }
    });
    (port, asked)
}

#[test]
fn the_fetch_server() {
    let Some(peers) = Peers::find() else { return };
    let (port, asked) = host();
    let names = Names::new(|_, _| [127, 0, 0, 1]);
    let run = peers.python_server("mcp_server_fetch", &["--allow-private-ips"]);
    let calls = [("fetch", json!({"url": format!("http://birds.example:{port}/heron"), "raw": true}))];
    let setup = World::with().section("dns", &format!("resolver: \"{}\"", names.url));
    let (mut world, calls) = world(setup, &Case { run, calls: &calls });
    let answer = watch(&world, &calls);
    let entry = format!("http://birds.example:{port}");
    assert_eq!((&answer["egress"], &answer["fault"], &answer["complete"]), (&json!([entry]), &Value::Null, &json!(true)), "{answer:#}");
    assert_eq!([paths(&world, &answer["read"]), paths(&world, &answer["write"])].concat(), Vec::<String>::new(), "{answer:#}");
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new(), "something left while it was watched");
    // That the name leads inwards needs the operator's word.
    world.edit(&format!("\"{entry}\""), &format!("\"{entry}\", \"http://127.0.0.1:{port}\""));
    let steps = used(&peers, &mut world, &calls);
    assert!(steps[0].good() && steps[0].text().contains("herons stand still"), "{steps:?}");
    assert!(asked.lock().unwrap().iter().any(|head| head.starts_with("GET /heron")));
}

#[test]
fn what_a_client_does_through_connect_is_watched_while_it_is_served() {
    let Some(peers) = Peers::find() else { return };
    let run = format!("{}\nsandbox: {{ read: [\"{{root}}/docs\"] }}", peers.node_server("server-filesystem", &["{root}/docs"]));
    let (mut world, _) = world(World::with(), &Case { run, calls: &[] });
    let watching = ["server", "watch", "peer", "--clients", "--for", "15", "--json"];
    assert_eq!(world.run(&watching).status.code(), Some(2), "nobody uses a server that is not served");
    world.json(&["lock", "--yes"]);
    world.serve();
    let docs = world.path("docs").display().to_string();
    let read = json!({"call": "read_text_file", "arguments": {"path": format!("{docs}/a.txt")}});
    let write = json!({"call": "write_file", "arguments": {"path": format!("{docs}/new.txt"), "content": "x"}});
    let home = world.path("home");
    let mut client = peers.session(Client::Python, e2e::Able::No, &Way::connect(&world, "peer"), &home);
    assert!(client.step(&read).good());
    let watch = testkit::Running::start(&mut world.command(&watching), &world.path("watch.log"));
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let said = std::thread::spawn(move || {
        let line = watch.line(std::time::Duration::from_secs(120));
        drop(tell);
        line
    });
    // As long as it is watched, the same session reads what it may and tries to write what it may not.
    while told.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
        assert!(client.step(&read).good(), "a watched server does what it did before");
        assert!(!client.step(&write).good(), "a watched server may do more than before");
    }
    let line = said.join().unwrap().unwrap_or_else(|| panic!("{}", std::fs::read_to_string(world.path("watch.log")).unwrap()));
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((paths(&world, &answer["write"]), paths(&world, &answer["read"])), (vec!["docs".to_owned()], vec![]), "{answer:#}");
    assert_eq!((&answer["fault"], &answer["written"], &answer["missed"]), (&Value::Null, &json!(false), &json!(0)), "{answer:#}");
    assert!(client.step(&read).good(), "it does not go on afterwards");
    assert!(!world.path("docs/new.txt").exists());
    let acts: Vec<Value> = world.audit().into_iter().filter(|record| record["act"]["name"] == "server.watch").collect();
    assert!(!acts.is_empty() && world.verify()["ok"] == true, "{acts:#?}");
    let idle = world.run(&["server", "watch", "peer", "--clients", "--for", "0", "--json"]);
    assert!(String::from_utf8_lossy(&idle.stdout).contains("none of its clients called it"), "{idle:?}");
}
