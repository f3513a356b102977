//! Real servers by the lines that users write for `npx` and `uvx`: locked, started, called, and refused when one byte of them is another.
//!
//! The registry is on loopback and holds the packages of the peers, packed anew, so that nothing is fetched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use e2e::{Client, Peers, Step, Way, skip};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Registry, World, is_there, run};

/// Packs an installed project and all that it requires as wheels again, into the folder that is named.
const WHEELS: &str = r#"
import re, sys, zipfile
from importlib import metadata
from pathlib import Path
project, out = sys.argv[1], Path(sys.argv[2])
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
all = {plain(one.metadata["Name"]): one for one in metadata.distributions()}
open, seen = [plain(project)], set()
while open:
    name = open.pop()
    if name in seen or name not in all: continue
    seen.add(name)
    one = all[name]
    open += [plain(re.match(r"[A-Za-z0-9._-]+", line).group()) for line in one.requires or []]
    parts = zip(*[line.split(":")[1].strip().split("-") for line in one.read_text("WHEEL").splitlines() if line.startswith("Tag:")])
    tags = "-".join(".".join(sorted({half for part in same for half in part.split(".")})) for same in parts)
    file = f"{plain(name).replace('-', '_')}-{one.version}-{tags}.whl"
    with zipfile.ZipFile(out / file, "w") as made:
        for path in one.files:
            if ".." not in path.parts and path.suffix != ".pyc": made.write(path.locate(), str(path))
    print(name, file)
"#;

/// Publishes `package` of the peers with all that it may require.
fn npm(registry: &Registry, peers: &Peers, package: &str) {
    let root = peers.folder().join("node");
    let lock: Value = serde_json::from_slice(&fs::read(root.join("package-lock.json")).unwrap()).unwrap();
    let places = lock["packages"].as_object().unwrap();
    let (mut open, mut seen) = (vec![package.to_owned()], BTreeSet::new());
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let end = format!("node_modules/{name}");
        for (place, entry) in places.iter().filter(|(place, _)| **place == end || place.ends_with(&format!("/{end}"))) {
            if root.join(place).is_dir() {
                registry.npm_folder(&root.join(place));
            }
            for kind in ["dependencies", "peerDependencies"] {
                open.extend(entry[kind].as_object().into_iter().flat_map(|all| all.keys().cloned()));
            }
        }
    }
}

fn pypi(registry: &Registry, peers: &Peers, project: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(Command::new(peers.python("python")).args(["-c", WHEELS, project]).arg(folder.path()), b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, file) in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.split_once(' ')) {
        registry.archive(name, file, fs::read(folder.path().join(file)).unwrap());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        match (kind.is_dir(), kind.is_file()) {
            (true, _) => found.extend(files(&entry.path())),
            (_, true) => found.push(entry.path()),
            (false, false) => {}
        }
    }
    found.sort();
    found
}

/// Locks `line`, calls a tool, and changes one byte of five files, one after another.
fn lives_and_is_refused_when_changed(registry: &Registry, line: &str, tool: &str, arguments: &dyn Fn(&World) -> Value, said: &str) {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { real: [\"*\"] }";
    let mut world = World::with().server("real", &format!("run: {line}\nsandbox: {{ write: [{{box}}] }}")).role("tester", role).write();
    fs::write(world.path("box/page.txt"), "birds").unwrap();
    let output = run(registry.tell(world.command(&["lock"]).arg("--yes")), b"");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    world.serve();
    let call = || world.agent().call(&format!("real__{tool}"), arguments(&world));
    let text = call().text();
    assert!(text.contains(said), "{text}");
    let [tree] =
        fs::read_dir(world.state().join("packages")).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>().try_into().unwrap();
    let all = files(&tree);
    for (at, file) in (0..5_usize).map(|at| (at, &all[(at * 7919 + 1234) % all.len()])) {
        let (before, mode) = (fs::read(file).unwrap(), fs::metadata(file).unwrap().permissions());
        let write = |bytes: &[u8]| {
            fs::set_permissions(file, fs::Permissions::from_mode(0o700)).unwrap();
            fs::write(file, bytes).unwrap();
            fs::set_permissions(file, mode.clone()).unwrap();
        };
        let mut bytes = before.clone();
        match bytes.len().checked_sub(1 + at) {
            Some(last) => bytes[last] ^= 1,
            None => bytes.push(b'\n'),
        }
        write(&bytes);
        assert_eq!(call().refused(), "supply.pinning/changed", "{}", file.display());
        write(&before);
    }
    assert!(call().text().contains(said), "it does not start again");
}

/// Watches the server of `line`, which nobody approved yet, takes what is proposed, locks, and has a real client call it with the registry gone; then
/// one byte of its script is another, and it is not started. Gives the folders that it may write.
fn is_watched_locked_and_driven(peers: &Peers, registry: &Registry, entry: &str, calls: &[(&str, Value)]) -> (World, Vec<PathBuf>) {
    let role = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { real: [\"*\"] }";
    let mut world = World::with().server("real", entry).role("tester", role).write();
    let said =
        |output: &std::process::Output| format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut watch = world.command(&["server", "watch", "real", "--accept", "--json"]);
    watch.args(calls.iter().map(|(tool, arguments)| format!("--call={tool}={arguments}")));
    let output = run(registry.tell(&mut watch), b"");
    let watched: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {}", said(&output)));
    assert_eq!((&watched["fault"], &watched["written"], &watched["egress"]), (&Value::Null, &json!(true), &json!([])), "{watched:#}");
    assert!(!std::fs::exists(world.path("bastide.lock")).unwrap(), "a watch approved something");
    let output = run(registry.tell(world.command(&["lock"]).arg("--yes")), b"");
    assert!(output.status.success(), "{}", said(&output));
    let asked = registry.asked();
    world.serve();
    let plan: Value = calls.iter().map(|(tool, arguments)| json!({"call": tool, "arguments": arguments})).collect();
    let drive = || peers.drive(Client::TypeScript, &Way::connect(&world, "real"), &world.path("home"), &plan);
    let steps = drive();
    assert!(steps.iter().all(Step::good), "{steps:?}");
    let trees = fs::read_dir(world.state().join("packages")).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    let [tree] = trees.try_into().unwrap();
    let script = world.json(&["server", "show", "real"])["pinned"]["content"]["arguments"][0].as_str().unwrap().to_owned();
    assert!(script.starts_with(tree.to_str().unwrap()), "{script}");
    let (before, mode) = (fs::read(&script).unwrap(), fs::metadata(&script).unwrap().permissions());
    let write = |bytes: &[u8]| {
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(&script, bytes).unwrap();
        fs::set_permissions(&script, mode.clone()).unwrap();
    };
    let mut bytes = before.clone();
    *bytes.last_mut().unwrap() ^= 1;
    write(&bytes);
    assert_eq!(drive()[0].refused(), Some("supply.pinning/changed"));
    write(&before);
    assert!(drive()[0].good(), "it does not start again");
    assert_eq!(registry.asked(), asked, "the registry was asked after the approval");
    let written = watched["write"].as_array().unwrap().iter().map(|path| PathBuf::from(path.as_str().unwrap())).collect();
    (world, written)
}

#[test]
fn the_memory_server_by_npx_is_watched_locked_and_driven() {
    let Some(peers) = Peers::find() else { return };
    if !is_there(&["/usr/bin/npm", "/usr/bin/node"]) {
        return;
    }
    let registry = Registry::start();
    npm(&registry, &peers, "@modelcontextprotocol/server-memory");
    let words = json!(["-y", "@modelcontextprotocol/server-memory@2026.8.31"]);
    let entry =
        format!("run: [npx, {}]\nenv: {{ MEMORY_FILE_PATH: \"{{box}}/memory.jsonl\" }}", words.to_string().trim_matches(['[', ']']));
    let entity = json!({"entities": [{"name": "heron", "entityType": "bird", "observations": ["stands still"]}]});
    let (world, written) =
        is_watched_locked_and_driven(&peers, &registry, &entry, &[("create_entities", entity), ("read_graph", json!({}))]);
    assert_eq!(written, [world.path("box")]);
    assert!(fs::read_to_string(world.path("box/memory.jsonl")).unwrap().contains("heron"));
    // The same words in a client's own file are locked to the same tree.
    let file = world.path("home/client.json");
    fs::write(&file, json!({"mcpServers": {"memory": {"command": "npx", "args": words}}}).to_string()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut lock = Command::new(world.command(&[]).get_program());
    lock.args(["lock", "--yes", "--config"]).arg(&file).env("HOME", world.path("home"));
    let output = run(registry.tell(&mut lock), b"");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let names = |state: &Path| fs::read_dir(state.join("packages")).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert_eq!(names(&world.path("home/.local/state/bastide")), names(&world.state()));
}

#[test]
fn the_time_server_by_uvx_is_watched_locked_and_driven() {
    let Some(peers) = Peers::find() else { return };
    if !is_there(&["/usr/bin/python3"]) || !wheels_fit(&peers) {
        return;
    }
    let registry = Registry::start();
    pypi(&registry, &peers, "mcp-server-time");
    let calls = [("get_current_time", json!({"timezone": "UTC"}))];
    let (_, written) =
        is_watched_locked_and_driven(&peers, &registry, "run: [uvx, mcp-server-time==2026.10.19, --local-timezone=UTC]", &calls);
    assert_eq!(written, Vec::<PathBuf>::new());
}

/// Whether the wheels of the peers are for the Python that installs them.
fn wheels_fit(peers: &Peers) -> bool {
    let minor = |program: &str| {
        let output = run(Command::new(program).args(["-c", "import sys; print(sys.version_info[:2])"]), b"");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let fit = minor("/usr/bin/python3") == minor(&peers.python("python"));
    if !fit {
        skip("the wheels of the peers are for another Python than /usr/bin/python3");
    }
    fit
}

#[test]
fn the_filesystem_server_by_npx() {
    let Some(peers) = Peers::find() else { return };
    if !is_there(&["/usr/bin/npm", "/usr/bin/node"]) {
        return;
    }
    let registry = Registry::start();
    npm(&registry, &peers, "@modelcontextprotocol/server-filesystem");
    let line = "[npx, -y, \"@modelcontextprotocol/server-filesystem@2026.8.31\", {box}]";
    let arguments = |world: &World| json!({ "path": world.path("box").display().to_string() });
    lives_and_is_refused_when_changed(&registry, line, "list_directory", &arguments, "page.txt");
}

#[test]
fn the_time_server_by_uvx() {
    let Some(peers) = Peers::find() else { return };
    if !is_there(&["/usr/bin/python3"]) || !wheels_fit(&peers) {
        return;
    }
    let registry = Registry::start();
    pypi(&registry, &peers, "mcp-server-time");
    let line = "[uvx, mcp-server-time, --local-timezone=UTC]";
    lives_and_is_refused_when_changed(&registry, line, "get_current_time", &|_| json!({ "timezone": "UTC" }), "UTC");
}
