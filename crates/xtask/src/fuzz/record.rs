//! Recorded traffic as inputs: messages, or the calls that the audit log holds.

use super::corpus;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// How the names of recorded inputs begin.
pub const PREFIX: &str = "recorded-";
/// Most bytes of one message.
const LONGEST: usize = 2048;
/// Most recorded inputs of one target.
const MOST: usize = 16;
/// Most bytes of them.
const BYTES: u64 = 6 * 1024;

/// What clients say goes to these.
const SAID: [&str; 3] = ["client", "json", "edits"];
/// What servers say goes to these.
const ANSWERED: [&str; 9] = ["server", "results", "definitions", "to_modern", "to_legacy", "modern", "older", "json", "ladder"];

/// Puts the messages of `source` into the corpora: of a file of JSON lines, or of each such file (`.jsonl`, `.json`) in a folder.
///
/// A line is a message of JSON-RPC, or a record as `bastide audit show --raw --json` prints it: its arguments, redacted as they are there, become a call.
/// Of each kind of message (method, names of members) one is kept, the shortest.
///
/// # Errors
/// When nothing can be read, or no line is one of these.
pub fn extend(root: &Path, source: &Path) -> anyhow::Result<()> {
    let mut kinds: BTreeMap<String, Value> = BTreeMap::new();
    for path in sources(source)? {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for message in text.lines().filter_map(|line| message(serde_json::from_str(line).ok()?)) {
            if message.to_string().len() > LONGEST {
                continue;
            }
            let kept = kinds.entry(kind(&message)).or_insert_with(|| message.clone());
            if message.to_string().len() < kept.to_string().len() {
                *kept = message;
            }
        }
    }
    ensure!(!kinds.is_empty(), "{}: no line is a message or a record of a call", source.display());
    let mut added = 0;
    for message in kinds.values() {
        let targets = if message.get("method").is_some() { &SAID[..] } else { &ANSWERED[..] };
        for target in targets {
            let folder = root.join("fuzz/corpus").join(target);
            std::fs::create_dir_all(&folder)?;
            added += usize::from(put(&folder, &message.to_string())?);
        }
    }
    println!("fuzz: {} kinds of messages, {added} inputs added; look at them before they are committed", kinds.len());
    Ok(())
}

fn sources(source: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if source.is_file() {
        return Ok(vec![source.to_owned()]);
    }
    let all = corpus::files(source)?.into_iter().map(|(_, path)| path);
    let paths: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|kind| kind == "jsonl" || kind == "json")).collect();
    ensure!(!paths.is_empty(), "{}: no file of JSON lines", source.display());
    Ok(paths)
}

/// The message that a line is or tells of.
fn message(line: Value) -> Option<Value> {
    if line.get("jsonrpc").is_some() {
        return Some(line);
    }
    let (tool, arguments) = (line.get("tool")?.as_str()?, line.get("arguments").filter(|arguments| arguments.is_object())?);
    let name = line.get("server").and_then(Value::as_str).map_or_else(|| tool.to_owned(), |server| format!("{server}__{tool}"));
    Some(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}))
}

/// What messages of one kind have in common: the method, and the names of the members down to the third level.
fn kind(message: &Value) -> String {
    fn names(value: &Value, levels: usize, out: &mut String) {
        match value {
            Value::Object(members) if levels > 0 => {
                for (name, value) in members {
                    out.push_str(name);
                    out.push('{');
                    names(value, levels - 1, out);
                    out.push('}');
                }
            }
            Value::Array(items) if levels > 0 => items.iter().take(1).for_each(|item| names(item, levels - 1, out)),
            _ => {}
        }
    }
    let mut out = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
    names(message, 4, &mut out);
    out
}

/// Adds one input, if there is room for it and it is not there; says whether it was added.
fn put(folder: &Path, text: &str) -> anyhow::Result<bool> {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let path = folder.join(format!("{PREFIX}{:016x}", hasher.finish()));
    let there = corpus::files(folder)?.into_iter();
    let there: Vec<_> = there.filter(|(_, path)| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))).collect();
    let room = there.len() < MOST && there.iter().map(|(size, _)| size).sum::<u64>() + text.len() as u64 <= BYTES;
    if path.exists() || !room {
        return Ok(false);
    }
    std::fs::write(path, text)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_call_becomes_that_call() {
        let record = json!({"kind": "intent", "server": "files", "tool": "read", "arguments": {"path": "/a"}});
        let call = message(record).unwrap();
        assert_eq!(call["params"], json!({"name": "files__read", "arguments": {"path": "/a"}}));
        let own = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        assert_eq!(message(own.clone()), Some(own));
        assert_eq!(message(json!({"kind": "act"})), None);
    }

    #[test]
    fn messages_of_one_kind_are_known() {
        let call = |text: &str| json!({"method": "tools/call", "params": {"name": text}});
        assert_eq!(kind(&call("a")), kind(&call("b")));
        assert_ne!(kind(&call("a")), kind(&json!({"method": "tools/list", "params": {"name": "a"}})));
        assert_ne!(kind(&call("a")), kind(&json!({"method": "tools/call", "params": {"uri": "a"}})));
    }
}
