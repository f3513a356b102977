//! Names of files and crates, calls that have one place, and words that do not belong here.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FORBIDDEN: [&str; 8] = ["core", "common", "utils", "helpers", "misc", "shared", "types", "models"];

/// A call and the only places that may make it; rings, not taste. A decision that permits something is taken in one stage alone.
const PLACES: [(&str, &[&str]); 4] = [
    (".decide(", &["crates/policy/src/", "crates/gateway/src/line/decide.rs"]),
    ("Engine::decide(", &["crates/policy/src/", "crates/gateway/src/line/decide.rs"]),
    (".visible(", &["crates/policy/src/", "crates/gateway/src/line/decide.rs"]),
    ("Engine::visible(", &["crates/policy/src/", "crates/gateway/src/line/decide.rs"]),
];

/// The only places that take a server's credential out of the vault.
const OPENERS: [&str; 2] = ["crates/vault/", "crates/gateway/src/doors"];

/// The faults of every file.
pub fn check(root: &Path, files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let rust = file.extension().is_some_and(|kind| kind == "rs");
        let folder = file.components().nth(1).and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
        if (rust && FORBIDDEN.contains(&stem)) || (name.starts_with("crates/") && FORBIDDEN.contains(&folder)) {
            faults.push(format!("{name}: a name that says nothing"));
        }
        if stem == "mod" && rust {
            faults.push(format!("{name}: modules are name.rs + name/"));
        }
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        if name.starts_with("crates/xtask/") {
            continue;
        }
        faults.extend(machine_paths(&name, &text));
        if rust && name.contains("/src/") {
            faults.extend(places(&name, &text));
        }
    }
    faults.extend(glossary(root, files)?);
    Ok(faults)
}

fn machine_paths(name: &str, text: &str) -> Vec<String> {
    let own = [std::env::var("HOME").unwrap_or_default(), std::env::current_dir().unwrap_or_default().display().to_string()];
    let own: Vec<_> = own.iter().filter(|path| path.len() > 6).collect();
    let found = text.lines().enumerate().filter(|(_, line)| own.iter().any(|path| line.contains(path.as_str())));
    found.map(|(number, _)| format!("{name}:{}: a path of one machine", number + 1)).collect()
}

fn places(name: &str, text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut faults = Vec::new();
    for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for (call, at) in PLACES {
            if line.contains(call) && !at.iter().any(|place| name.starts_with(place)) {
                faults.push(format!("{name}:{}: `{call}…)` belongs in {}", number + 1, at.join(" and ")));
            }
        }
        if (line.contains(".lease(") || line.contains("lease.open(")) && !OPENERS.iter().any(|place| name.starts_with(place)) {
            faults.push(format!("{name}:{}: a credential is taken out of the vault outside {}", number + 1, OPENERS.join(", ")));
        }
    }
    faults
}

/// Every public type of `terms` is an entry of the glossary, once there is one.
fn glossary(root: &Path, files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let Ok(glossary) = std::fs::read_to_string(root.join("docs/glossary.md")) else { return Ok(Vec::new()) };
    let glossary = glossary.to_lowercase();
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.starts_with("crates/terms/src")) {
        let text = std::fs::read_to_string(root.join(file)).with_context(|| file.display().to_string())?;
        for line in text.lines() {
            let named = ["pub struct ", "pub enum ", "pub trait "].iter().find_map(|word| line.strip_prefix(word));
            let noun = named.and_then(|rest| rest.split(|letter: char| !letter.is_alphanumeric()).next()).unwrap_or_default();
            let plumbing = noun.is_empty() || noun.ends_with("Error") || noun.ends_with("Id");
            if !plumbing && !glossary.contains(&spaced(noun)) {
                faults.push(format!("{}: `{noun}` is not in docs/glossary.md", file.display()));
            }
        }
    }
    Ok(faults)
}

/// `ServerName` as `server name`.
fn spaced(noun: &str) -> String {
    let mut words = String::new();
    for letter in noun.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// Prints what is large. Starts a conversation, gates nothing.
pub fn sizes(root: &Path, files: &[PathBuf]) -> anyhow::Result<()> {
    let mut crates: BTreeMap<String, usize> = BTreeMap::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        let lines = std::fs::read_to_string(root.join(file))?.lines().count();
        let name = file.components().take(2).map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        *crates.entry(name).or_default() += lines;
        if lines > 600 {
            println!("tidy: {lines} lines: {}", file.display());
        }
    }
    let all: usize = crates.values().sum();
    for (name, lines) in crates.iter().filter(|(_, lines)| **lines > 8000 || **lines * 4 > all) {
        println!("tidy: {lines} of {all} lines: {name}");
    }
    println!("tidy: {all} lines of Rust in {} crates", crates.len());
    Ok(())
}
