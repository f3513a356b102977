//! What could be said of a server's tools: their kinds of operations, and guards for their arguments.
//!
//! Proposals are printed and never applied. Nothing is proposed of what the file says already, so that none can weaken it; where a folder, a host or a
//! program is not known, a name stands that fits nothing.

use crate::file::{File, Server, ToolKey};
use guards::operation::hint;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use terms::{Operation, ServerName};

/// Servers that are known by the package or program in their line, the dialect of their SQL, and what their tools do.
const KNOWN: [Known; 5] = [
    Known {
        word: "server-filesystem",
        dialect: None,
        reads: &[
            "read_file",
            "read_text_file",
            "read_media_file",
            "read_multiple_files",
            "list_directory",
            "list_directory_with_sizes",
            "directory_tree",
            "search_files",
            "get_file_info",
            "list_allowed_directories",
        ],
        writes: &["write_file", "edit_file", "create_directory", "move_file"],
    },
    Known {
        word: "server-git",
        dialect: None,
        reads: &["git_status", "git_diff_unstaged", "git_diff_staged", "git_diff", "git_log", "git_show", "git_branch"],
        writes: &["git_add", "git_commit", "git_create_branch", "git_checkout", "git_reset", "git_init"],
    },
    Known { word: "server-fetch", dialect: None, reads: &["fetch"], writes: &[] },
    Known {
        word: "server-sqlite",
        dialect: Some("sqlite"),
        reads: &["read_query", "list_tables", "describe_table"],
        writes: &["write_query", "create_table", "append_insight"],
    },
    Known { word: "postgres", dialect: Some("postgres"), reads: &["query"], writes: &[] },
];

/// Names of arguments that hold paths, URLs, SQL and commands.
const PATHS: [&str; 17] = [
    "path",
    "paths",
    "file",
    "files",
    "filename",
    "file_path",
    "filepath",
    "directory",
    "dir",
    "folder",
    "source",
    "destination",
    "repo_path",
    "repository",
    "root",
    "target_path",
    "output_path",
];
const URLS: [&str; 5] = ["url", "urls", "uri", "link", "endpoint"];
const STATEMENTS: [&str; 3] = ["sql", "statement", "query"];
const COMMANDS: [&str; 5] = ["command", "cmd", "argv", "shell", "script"];

struct Known {
    word: &'static str,
    dialect: Option<&'static str>,
    reads: &'static [&'static str],
    writes: &'static [&'static str],
}

/// What could be said of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The tool, `server__tool`.
    pub tool: String,
    /// What could stand under it in `tools:`, one YAML flow mapping.
    pub says: String,
}

/// What could be said of the tools of a server, each by its name and definition.
pub fn propose<'a>(file: &File, server: &ServerName, tools: impl Iterator<Item = (&'a str, &'a Map<String, Value>)>) -> Vec<Proposal> {
    let Some(entry) = file.servers.get(server) else { return Vec::new() };
    let line = entry.run.iter().map(String::as_str).chain(entry.image.as_deref()).collect::<Vec<_>>().join(" ");
    let known = KNOWN.iter().find(|known| line.contains(known.word));
    tools.filter_map(|(name, definition)| one(file, server, entry, known, name, definition)).collect()
}

fn one(
    file: &File,
    server: &ServerName,
    entry: &Server,
    known: Option<&Known>,
    name: &str,
    definition: &Map<String, Value>,
) -> Option<Proposal> {
    let key = ToolKey { server: server.clone(), tool: name.to_owned() };
    let rule = file.tools.get(&key);
    let said = rule.and_then(|rule| rule.operation);
    let operation = said.or_else(|| likely(known, name, definition));
    let mut parts = Vec::new();
    if said.is_none()
        && rule.is_none_or(|rule| rule.split.is_none())
        && let Some(operation) = operation
    {
        parts.push(format!("operation: {}", operation.as_str()));
    }
    let properties = definition.get("inputSchema").and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let unsaid = |argument: &str| rule.is_none_or(|rule| !rule.arguments.contains_key(argument));
    let mut guards: Vec<String> = properties
        .into_iter()
        .flatten()
        .filter(|(argument, schema)| unsaid(argument) && is_textual(schema))
        .filter_map(|(argument, schema)| {
            let guard = guard(entry, known, name, argument, schema, operation)?;
            Some(format!("{}: {{ {guard} }}", quoted(argument)))
        })
        .collect();
    // The order of members depends on how the JSON library was built.
    guards.sort();
    if !guards.is_empty() {
        parts.push(format!("arguments: {{ {} }}", guards.join(", ")));
    }
    (!parts.is_empty()).then(|| Proposal { tool: key.to_string(), says: format!("{{ {} }}", parts.join(", ")) })
}

/// What a tool does: as it is known, else as it says of itself. That it deletes or writes is believed by name too, that it reads only where it says so.
fn likely(known: Option<&Known>, name: &str, definition: &Map<String, Value>) -> Option<Operation> {
    let graver = hint(definition);
    if let Some(known) = known {
        if known.reads.contains(&name) {
            return Some(Operation::Read);
        }
        if known.writes.contains(&name) {
            return Some(Operation::Write);
        }
    }
    let reads =
        definition.get("annotations").and_then(|annotations| annotations.get("readOnlyHint")).and_then(Value::as_bool) == Some(true);
    graver.or_else(|| reads.then_some(Operation::Read))
}

fn is_textual(schema: &Value) -> bool {
    match schema.get("type") {
        None => true,
        Some(Value::String(one)) => {
            one == "string"
                || one == "array" && schema.get("items").is_none_or(|items| items.get("type").is_none_or(|kind| kind == "string"))
        }
        Some(Value::Array(some)) => some.iter().any(|kind| kind == "string"),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    }
}

fn guard(
    entry: &Server,
    known: Option<&Known>,
    tool: &str,
    argument: &str,
    schema: &Value,
    operation: Option<Operation>,
) -> Option<String> {
    let name = argument.to_ascii_lowercase();
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let writes = operation != Some(Operation::Read);
    if URLS.contains(&name.as_str()) {
        return Some(format!("guard: http, schemes: [https], allow_hosts: [{}]", hosts(entry).join(", ")));
    }
    // Definitions of tables are open to no mode of the guard.
    let defines = tool.contains("create_table");
    let dialect = known.and_then(|known| known.dialect);
    if STATEMENTS.contains(&name.as_str()) && !defines && (dialect.is_some() || name == "sql" || about.contains("sql")) {
        let mode = if writes { "read-write" } else { "read-only" };
        return Some(format!("guard: sql, dialect: {}, mode: {mode}", dialect.unwrap_or("ansi")));
    }
    if COMMANDS.contains(&name.as_str()) {
        return Some("guard: process, allowed: [PROGRAM]".to_owned());
    }
    // What stands below a repository is not a path of its own.
    if PATHS.contains(&name.as_str()) && !(name == "files" && known.is_some_and(|known| known.word == "server-git")) {
        let write = if writes { ", write: true" } else { "" };
        return Some(format!("guard: files, roots: [{}]{write}", roots(entry).join(", ")));
    }
    None
}

/// The folders that the entry speaks of.
fn roots(entry: &Server) -> Vec<String> {
    let sandbox = entry.sandbox.write.iter().chain(&entry.sandbox.read).map(|path| path.to_string_lossy().into_owned());
    let words = entry
        .run
        .iter()
        .skip(1)
        .filter(|word| word.starts_with('/') && !word.ends_with(".js") && !word.ends_with(".py") && !word.ends_with(".db"));
    let all: BTreeSet<String> = sandbox.chain(words.cloned()).filter(|root| root.len() > 1).map(|root| quoted(&root)).collect();
    if all.is_empty() { vec!["/FOLDER".to_owned()] } else { all.into_iter().collect() }
}

/// The hosts that the entry may reach.
fn hosts(entry: &Server) -> Vec<String> {
    let bare = |entry: &String| {
        let rest = entry.split_once("://").map_or(entry.as_str(), |(_, rest)| rest);
        let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
        let public = host.bytes().any(|byte| byte.is_ascii_alphabetic()) && !host.contains(['[', '/']);
        public.then(|| quoted(host))
    };
    let all: BTreeSet<String> = entry.sandbox.egress.iter().filter_map(bare).collect();
    if all.is_empty() { vec!["HOST.example".to_owned()] } else { all.into_iter().collect() }
}

/// A text as YAML reads it in a flow.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') { text.to_owned() } else { Value::from(text).to_string() }
}
