//! What the engine finds in the files under folders of packages, a figure a megabyte for each kind: apart what stands in files that are about
//! such data, and what gives credit for a work, which are true more often than not; masked examples of the rest.
//!
//! `corpus [--examples N] [--json] DIR…`; with `--json` every finding outside of those is a line of JSON, unmasked, to look at.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]

use detect::{Budget, Channel, Engine, Rules, Scratch, is_credit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use terms::Finding;

type Fault = Box<dyn std::error::Error>;

/// Words of a path that say that a file is about such data: tests and their material, examples, keys and certificates, parsers and checkers of such
/// values, people's names and addresses, places.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "test", "tests", "testing", "test_suite", "testdata", "fixture", "fixtures", "spec", "specs", "mock", "mocks", "example", "examples", "sample", "samples", "bench", "benches", "benchmark", "benchmarks", "fuzz", "corpus", "snapshot", "snapshots", "vector", "vectors", "demo", "tutorial",
    "pem", "pkcs1", "pkcs7", "pkcs8", "pkcs12", "x509", "phc", "pgpass", "cert", "certs", "certificate", "keys", "oauth1", "oauth2", "authlib", "validator", "validators", "phone", "phonenumber", "iban", "credit", "card", "email", "url", "uri",
    "author", "authors", "contributor", "contributors", "maintainers", "codeowners", "license", "licenses", "licence", "copying", "copyright", "notice", "thanks", "credits", "changelog", "changes", "history", "news", "releases", "sponsors", "backers",
    "locale", "locales", "i18n", "zoneinfo", "tzdata", "timezone", "names", "gazetteer", "metadata", "pkg",
];
/// Files that say whose package it is.
const MANIFESTS: &[&str] = &["package.json", "Cargo.toml", "Cargo.toml.orig", "PKG-INFO", "pyproject.toml", "setup.py", "setup.cfg"];

/// Addresses and names that manuals use for nobody (RFC 2606 and habit).
const NOBODY: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    ".example",
    ".test",
    ".invalid",
    "john doe",
    "jane doe",
    "john smith",
    "jane smith",
    "fred bloggs",
];

/// What was found of one kind.
#[derive(Default)]
struct Count {
    about: usize,
    credit: usize,
    else_where: usize,
    examples: Vec<String>,
}

fn main() -> Result<(), Fault> {
    let (mut most, mut json, mut folders) = (3, false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--examples" => most = arguments.next().ok_or("--examples needs a number")?.parse()?,
            "--json" => json = true,
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    let engine = Engine::new(&Rules::built_in()?)?;
    let mut scratch = Scratch::default();
    let mut kinds: BTreeMap<(&'static str, String), Count> = BTreeMap::new();
    let (mut bytes, mut files, mut packages) = (0_usize, 0_usize, BTreeSet::new());
    let roots = folders.clone();
    while let Some(path) = folders.pop() {
        if path.is_dir() && !path.is_symlink() {
            folders.extend(std::fs::read_dir(&path)?.filter_map(Result::ok).map(|entry| entry.path()));
            continue;
        }
        let Some(text) = text(&path) else { continue };
        bytes += text.len();
        files += 1;
        packages.extend(package(&path));
        let about = is_about(&path, &roots);
        let tests = text.find("#[cfg(test)]").unwrap_or(usize::MAX);
        for finding in engine.inspect(&text, Channel::Resource, &Budget::default(), &mut scratch).findings {
            let count = kinds.entry((finding.class.as_str(), finding.kind.to_string())).or_default();
            if about || finding.span.start > tests {
                count.about += 1;
            } else if matches!(finding.kind.as_ref(), "person" | "email") && (is_credit(&text, finding.span) || is_signed(&text, &finding))
            {
                count.credit += 1;
            } else {
                count.else_where += 1;
                if json {
                    println!("{}", line(&text, &finding, &path));
                } else if count.examples.len() < most {
                    count.examples.push(format!("{} in {}", masked(&text, &finding), shown(&path, &roots)));
                }
            }
        }
    }
    report(&kinds, bytes, files, packages.len());
    Ok(())
}

fn report(kinds: &BTreeMap<(&'static str, String), Count>, bytes: usize, files: usize, packages: usize) {
    let megabytes = bytes as f64 / 1e6;
    eprintln!("{packages} packages, {files} files, {megabytes:.1} MB\n");
    eprintln!(
        "| class | kind | in files about such data | signs a work, or nobody's | elsewhere | elsewhere a MB |\n|---|---|---|---|---|---|"
    );
    let mut classes: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for ((class, kind), count) in kinds {
        eprintln!(
            "| {class} | {kind} | {} | {} | {} | {:.4} |",
            count.about,
            count.credit,
            count.else_where,
            count.else_where as f64 / megabytes
        );
        let sum = classes.entry(class).or_default();
        *sum = (sum.0 + count.about, sum.1 + count.credit, sum.2 + count.else_where);
    }
    for (class, (about, credit, rest)) in classes {
        eprintln!("| {class} | all | {about} | {credit} | {rest} | {:.4} |", rest as f64 / megabytes);
    }
    for ((class, kind), count) in kinds.iter().filter(|(_, count)| !count.examples.is_empty()) {
        eprintln!("\n{class} {kind}:");
        count.examples.iter().for_each(|example| eprintln!("  {example}"));
    }
}

/// Whether a file is about such data: a word of its path below the folders that were named says so, or it is a package's manifest.
fn is_about(path: &Path, roots: &[PathBuf]) -> bool {
    let below = shown(path, roots);
    let manifest = path.file_name().is_some_and(|name| MANIFESTS.iter().any(|one| name.eq_ignore_ascii_case(one)));
    manifest
        || below.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|word| {
            let word = word.to_ascii_lowercase();
            ABOUT.contains(&word.as_str()) || word.split('_').any(|part| ABOUT.contains(&part))
        })
}

/// Whether a name or a mail address signs something by a plain rule: both stand in one line, or the name with a page of its owner, or `by` or `thanks to`
/// directly before it; or it is one that manuals use for nobody.
fn is_signed(text: &str, finding: &Finding) -> bool {
    let (before, rest) = text.split_at(finding.span.start);
    let (found, after) = rest.split_at(finding.span.len());
    let own = before.rsplit('\n').next().unwrap_or_default().to_lowercase();
    let rest = after.split('\n').take(2).collect::<Vec<_>>().join(" ").to_lowercase();
    let line = |part: &str| own.contains(part) || rest.contains(part);
    let low = found.to_lowercase();
    let signed = match finding.kind.as_ref() {
        "email" => {
            own.ends_with('<') || own.ends_with(['(', '"']) && own.trim_end_matches(['<', '(', '"', ' ']).ends_with(char::is_alphabetic)
        }
        _ => line("@") || line("https://github.com/") || line("twitter.com/"),
    };
    let lead =
        ["by ", "by: ", "thanks to ", "due to ", "by\t"].iter().any(|lead| own.trim_end_matches(['*', '[', '`', '"']).ends_with(lead));
    signed || lead || NOBODY.iter().any(|name| low.ends_with(name))
}

/// A path below the folder that it was found in.
fn shown(path: &Path, roots: &[PathBuf]) -> String {
    roots.iter().find_map(|root| path.strip_prefix(root).ok()).unwrap_or(path).display().to_string()
}

/// The folder of the package whose manifest a file is.
fn package(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    matches!(name, "Cargo.toml" | "package.json" | "METADATA" | "PKG-INFO").then(|| path.parent().map(Path::to_owned))?
}

/// What was found, with all but its first two and last letters hidden.
fn masked(text: &str, finding: &Finding) -> String {
    let found: Vec<char> = text.get(finding.span.start..finding.span.end).unwrap_or_default().chars().take(40).collect();
    let hidden = |(place, letter): (usize, &char)| {
        if place < 2 || place + 1 == found.len() || !letter.is_alphanumeric() {
            *letter
        } else if letter.is_ascii_digit() {
            '0'
        } else {
            'x'
        }
    };
    found.iter().enumerate().map(hidden).collect::<String>().escape_debug().to_string()
}

fn line(text: &str, finding: &Finding, path: &Path) -> serde_json::Value {
    let from = text.floor_char_boundary(finding.span.start.saturating_sub(60));
    let to = text.ceil_char_boundary((finding.span.end + 30).min(text.len()));
    let found = text.get(finding.span.start..finding.span.end).unwrap_or_default();
    serde_json::json!({"class": finding.class.as_str(), "kind": finding.kind, "found": found.chars().take(120).collect::<String>(), "around": text.get(from..to).unwrap_or_default().chars().take(260).collect::<String>(), "file": path})
}

fn text(path: &Path) -> Option<String> {
    let size = std::fs::symlink_metadata(path).ok().filter(|meta| meta.is_file())?.len();
    if size > 4 << 20 {
        return None;
    }
    String::from_utf8(std::fs::read(path).ok()?).ok()
}
