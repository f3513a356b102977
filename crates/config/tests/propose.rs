//! What is proposed for the tools of well-known servers, by their own definitions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use config::{Loaded, Source, load, propose};
use serde_json::{Map, Value};
use std::path::Path;
use terms::{ServerName, Utc};

const PEERS: &str = include_str!("peers.json");

fn read(text: &str) -> Loaded {
    let source = Source {
        path: Path::new("/home/ana/bastide.yaml"),
        bytes: text.as_bytes(),
        home: Some(Path::new("/home/ana")),
        user: None,
        now: Utc::parse("2026-11-21T10:00:00Z").unwrap(),
        facts: None,
    };
    match load(&source) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{text}\n{}", problems.carets()),
    }
}

fn proposed(peer: &str, name: &str, text: &str) -> Vec<(String, String)> {
    let peers: Map<String, Value> = serde_json::from_str(PEERS).unwrap();
    let tools: Vec<&Map<String, Value>> = peers[peer].as_array().unwrap().iter().map(|tool| tool.as_object().unwrap()).collect();
    let named = tools.into_iter().map(|tool| (tool["name"].as_str().unwrap(), tool));
    let found = propose(&read(text).file, &ServerName::new(name).unwrap(), named);
    found.into_iter().map(|one| (one.tool, one.says)).collect()
}

fn of<'a>(found: &'a [(String, String)], tool: &str) -> &'a str {
    found.iter().find(|(name, _)| name == tool).map_or("", |(_, says)| says)
}

const FILES: &str = "servers: { files: { run: [npx, -y, \"@modelcontextprotocol/server-filesystem@2026.8.31\", /home/ana/work], sandbox: { write: [/home/ana/work] } } }\n";

#[test]
fn well_known_servers_get_kinds_and_guards() {
    let files = proposed("filesystem", "files", FILES);
    assert_eq!(files.len(), 14);
    assert_eq!(of(&files, "files__read_text_file"), "{ operation: read, arguments: { path: { guard: files, roots: [/home/ana/work] } } }");
    assert_eq!(
        of(&files, "files__move_file"),
        "{ operation: write, arguments: { destination: { guard: files, roots: [/home/ana/work], write: true }, source: { guard: files, roots: [/home/ana/work], write: true } } }"
    );
    assert_eq!(of(&files, "files__list_allowed_directories"), "{ operation: read }");

    let fetch = proposed("fetch", "web", "servers: { web: { run: [mcp-server-fetch], sandbox: { egress: [\"*.example.com:443\"] } } }\n");
    assert_eq!(
        of(&fetch, "web__fetch"),
        "{ operation: read, arguments: { url: { guard: http, schemes: [https], allow_hosts: [\"*.example.com\"] } } }"
    );

    let sqlite = proposed(
        "sqlite",
        "db",
        "servers: { db: { run: [uvx, \"mcp-server-sqlite==2025.4.25\", --db-path, /srv/a.db], sandbox: { write: [/srv] } } }\n",
    );
    assert_eq!(
        of(&sqlite, "db__read_query"),
        "{ operation: read, arguments: { query: { guard: sql, dialect: sqlite, mode: read-only } } }"
    );
    assert_eq!(
        of(&sqlite, "db__write_query"),
        "{ operation: write, arguments: { query: { guard: sql, dialect: sqlite, mode: read-write } } }"
    );
    assert_eq!(of(&sqlite, "db__create_table"), "{ operation: write }");

    let git = proposed(
        "git",
        "git",
        "servers: { git: { run: [uvx, \"mcp-server-git==2026.1.14\", --repository, /srv/repo], sandbox: { write: [/srv/repo] } } }\n",
    );
    assert_eq!(of(&git, "git__git_log"), "{ operation: read, arguments: { repo_path: { guard: files, roots: [/srv/repo] } } }");
    assert_eq!(
        of(&git, "git__git_add"),
        "{ operation: write, arguments: { repo_path: { guard: files, roots: [/srv/repo], write: true } } }"
    );
}

#[test]
fn a_proposal_is_configuration_that_loads() {
    for (peer, name, entry) in [
        ("filesystem", "files", FILES),
        ("fetch", "web", "servers: { web: { run: [mcp-server-fetch] } }\n"),
        ("sqlite", "db", "servers: { db: { run: [mcp-server-sqlite, --db-path, /srv/a.db] } }\n"),
        ("git", "git", "servers: { git: { run: [mcp-server-git] } }\n"),
    ] {
        let found = proposed(peer, name, entry);
        assert!(!found.is_empty(), "{peer}");
        let rows: String = found.iter().map(|(tool, says)| format!("  {tool}: {says}\n")).collect();
        let whole = format!("{entry}tools:\n{rows}");
        assert_eq!(read(&whole).file.tools.len(), found.len());
        assert_eq!(proposed(peer, name, &whole), [], "{peer}: nothing is proposed of what the file says");
    }
}

#[test]
fn a_proposal_never_weakens_what_the_file_says() {
    let text = format!(
        "{FILES}tools:\n  files__write_file: {{ operation: delete, arguments: {{ path: {{ guard: files, roots: [/home/ana/work/out], write: true }} }} }}\n  files__read_file: {{ arguments: {{ path: {{ maxLength: 9 }} }} }}\n"
    );
    let found = proposed("filesystem", "files", &text);
    assert_eq!(of(&found, "files__write_file"), "");
    assert_eq!(of(&found, "files__read_file"), "{ operation: read }");
}

#[test]
fn unknown_servers_get_guards_by_the_names_of_arguments() {
    let tool = serde_json::json!({"name": "run", "annotations": {"readOnlyHint": true}, "inputSchema": {"properties": {
        "command": {"type": "string"}, "url": {"type": "string"}, "sql": {"type": "string"}, "file_path": {"type": "string"}, "count": {"type": "integer"}, "query": {"type": "string", "description": "words to look for"}}}});
    let loaded = read("servers: { odd: { run: [/opt/odd] } }\n");
    let found = propose(&loaded.file, &ServerName::new("odd").unwrap(), [("run", tool.as_object().unwrap())].into_iter());
    let says = &found[0].says;
    for part in [
        "operation: read",
        "command: { guard: process, allowed: [PROGRAM] }",
        "url: { guard: http, schemes: [https], allow_hosts: [HOST.example] }",
        "sql: { guard: sql, dialect: ansi, mode: read-only }",
        "file_path: { guard: files, roots: [/FOLDER] }",
    ] {
        assert!(says.contains(part), "{part}: {says}");
    }
    assert!(!says.contains("count") && !says.contains("query:"), "{says}");
}
