//! A benign day on real servers of files, git, databases and time, under each preset: what the task needs is still there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use e2e::{Peers, list};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::World;

const SOURCE: &str = "// Copyright (c) 2026 Jane Doe. Licensed under MIT.\n//! Pages of a list.\n\npub const MOST: usize = 4096;\n\n/// The end of the page that begins at `at`.\npub fn page(at: usize) -> usize {\n    at.saturating_add(MOST)\n}\n";
const MANIFEST: &str = "[package]\nname = \"atlas\"\nversion = \"2.4.1\"\nauthors = [\"Jane Doe <jane.doe@atlas-tools.org>\"]\nlicense = \"MIT\"\n\n[dependencies]\nserde = \"1.0.228\"\n";
const LOG: &str = "2026-11-20T08:03:11.204Z INFO  worker started pid=4121 build=7f3c9e1\n2026-11-20T08:03:14.871Z WARN  queue depth 1834 over 1500\n2026-11-20T08:04:02.118Z ERROR job 204311 failed: timeout after 30000 ms (attempt 3 of 5)\n";
const TABLE: &str = "day,visits,share\n2026-11-18,18234,0.412\n2026-11-19,17990,0.405\n2026-11-20,21877,0.498\n";
/// A made-up key in the form that a screen must find, its check digits included.
const KEY: &str = "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";
/// Whose the source is: it stays readable under `code`, and under no other preset.
const AUTHOR: &str = "Jane Doe";

/// A call, and what of its answer a task needs.
struct Asked {
    tool: &'static str,
    arguments: Value,
    needed: &'static [&'static str],
}

fn asked(tool: &'static str, arguments: Value, needed: &'static [&'static str]) -> Asked {
    Asked { tool, arguments, needed }
}

fn git(folder: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=Jane Doe", "-c", "user.email=jane.doe@atlas-tools.org", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").arg("-C").arg(folder).args(who).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A repository with two commits and a change that is not committed.
fn work(folder: &Path) {
    fs::create_dir_all(folder.join("src")).unwrap();
    git(folder, &["init", "-q"]);
    fs::write(folder.join("src/lib.rs"), SOURCE).unwrap();
    fs::write(folder.join("Cargo.toml"), MANIFEST).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-qm", "Pages of a list (#481)"]);
    fs::write(folder.join("worker.log"), LOG).unwrap();
    fs::write(folder.join("visits.csv"), TABLE).unwrap();
    fs::write(folder.join("deploy.env"), format!("REGION=eu-central-1\nGITHUB_TOKEN={KEY}\n")).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-qm", "Fix the border case of pages (#482)"]);
    fs::write(folder.join("src/lib.rs"), SOURCE.replace("4096", "8192")).unwrap();
}

/// The calls of the day, in the folder `at`.
fn day(at: &str) -> Vec<Asked> {
    let file = |name: &str| json!({"path": format!("{at}/{name}")});
    let sql = |query: &str| json!({"query": query});
    vec![
        asked("files__list_directory", json!({"path": at}), &["[FILE] Cargo.toml", "[DIR] src", "[FILE] worker.log"]),
        asked("files__directory_tree", json!({"path": format!("{at}/src")}), &["lib.rs"]),
        asked("files__search_files", json!({"path": at, "pattern": "**/*.rs"}), &["lib.rs"]),
        asked("files__get_file_info", file("Cargo.toml"), &["size: ", "isFile: true", "permissions: "]),
        asked(
            "files__read_text_file",
            file("src/lib.rs"),
            &["pub const MOST: usize = 8192;", "at.saturating_add(MOST)", "Licensed under MIT."],
        ),
        asked("files__read_text_file", file("Cargo.toml"), &["version = \"2.4.1\"", "serde = \"1.0.228\"", "license = \"MIT\""]),
        asked(
            "files__read_text_file",
            file("worker.log"),
            &["2026-11-20T08:04:02.118Z ERROR job 204311 failed: timeout after 30000 ms (attempt 3 of 5)", "pid=4121 build=7f3c9e1"],
        ),
        asked("files__read_text_file", file("visits.csv"), &["2026-11-19,17990,0.405", "2026-11-20,21877,0.498"]),
        asked("files__read_text_file", file("deploy.env"), &["REGION=eu-central-1", "GITHUB_TOKEN="]),
        asked("git__git_status", json!({"repo_path": at}), &["On branch main", "modified:   src/lib.rs"]),
        asked("git__git_log", json!({"repo_path": at}), &["Pages of a list (#481)", "Fix the border case of pages (#482)"]),
        asked(
            "git__git_diff_unstaged",
            json!({"repo_path": at}),
            &["-pub const MOST: usize = 4096;", "+pub const MOST: usize = 8192;", "@@ "],
        ),
        asked("git__git_show", json!({"repo_path": at, "revision": "HEAD"}), &["worker.log", "visits.csv", "+2026-11-18,18234,0.412"]),
        asked("sqlite__create_table", sql("CREATE TABLE orders (id INTEGER, status TEXT, total REAL, sku TEXT, at TEXT)"), &["created"]),
        asked(
            "sqlite__write_query",
            sql(
                "INSERT INTO orders VALUES (204311, 'shipped', 149.9, 'AB-1200-X', '2026-10-02 11:20:05'), (204312, 'open', 20.0, 'CD-77', '2026-10-03 07:01:44')",
            ),
            &["2"],
        ),
        asked("sqlite__list_tables", json!({}), &["orders"]),
        asked("sqlite__describe_table", json!({"table_name": "orders"}), &["status", "TEXT", "total", "REAL"]),
        asked(
            "sqlite__read_query",
            sql("SELECT * FROM orders ORDER BY id"),
            &["204311", "shipped", "149.9", "AB-1200-X", "2026-10-02 11:20:05", "CD-77"],
        ),
        asked(
            "sqlite__read_query",
            sql("SELECT status, count(*) AS n, sum(total) AS s FROM orders GROUP BY status"),
            &["open", "shipped", "149.9"],
        ),
        asked("time__get_current_time", json!({"timezone": "Europe/Berlin"}), &["Europe/Berlin", "datetime"]),
        asked(
            "time__convert_time",
            json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
            &["21:00:00+09:00", "Asia/Tokyo"],
        ),
    ]
}

fn world(peers: &Peers, preset: &str) -> World {
    let entry = |run: String| format!("run: {run}\n{}", peers.sandbox());
    let sqlite = [peers.sqlite("python"), peers.sqlite("mcp-server-sqlite")];
    let sqlite = list([sqlite[0].as_str(), &sqlite[1], "--db-path", "{box}/data.db"].into_iter());
    let world = World::with()
        .server("files", &entry(peers.node_server("server-filesystem", &["{box}/work"])))
        .server("git", &entry(peers.python_server("mcp_server_git", &["--repository", "{box}/work"])))
        .server("sqlite", &entry(sqlite))
        .server("time", &entry(peers.python_server("mcp_server_time", &["--local-timezone", "UTC"])))
        .role(
            "tester",
            "members: [\"agent:tester\"]\nclearance: restricted\nallow: { files: [\"*\"], git: [\"*\"], sqlite: [\"*\"], time: [\"*\"] }",
        )
        .section("inspect", &format!("preset: {preset}"))
        .write();
    let folder = world.path("box/work");
    fs::create_dir_all(&folder).unwrap();
    work(&folder);
    // The account that a server runs under reads what its folder holds.
    assert!(Command::new("chmod").args(["-R", "a+rwX"]).arg(&folder).status().unwrap().success());
    let mut world = world;
    world.json(&["lock", "--yes"]);
    world.serve();
    world
}

#[test]
fn what_a_task_needs_is_there_under_every_preset() {
    let Some(peers) = Peers::find() else { return };
    for preset in ["strict", "balanced", "code"] {
        let world = world(&peers, preset);
        let mut agent = world.client("agent:tester", "/mcp");
        agent.open();
        let mut authors = 0;
        for Asked { tool, arguments, needed } in day(&world.path("box/work").display().to_string()) {
            let answer = agent.call(tool, arguments.clone());
            let said = answer.text();
            for part in needed {
                assert!(said.contains(part), "{preset}: {tool} {arguments}: no {part:?} in {said}");
            }
            assert!(!said.contains(KEY), "{preset}: {tool}: a key");
            authors += usize::from(said.contains(AUTHOR));
        }
        assert_eq!(authors > 0, preset == "code", "{preset}: whose the source is was told in {authors} answers");
    }
}
