//! Shows that the compiler, and not care, keeps the line whole.
//!
//! In a copy of the gateway's crate each stage of `line.rs` is taken out of a copy of its function (`let next = state;` instead of the call), each is
//! called twice with the same state, and in a sibling file each state is built by hand, cloned, made by default, and each of its fields read. rustc
//! must refuse every single one of them: with E0308, E0382, E0451, E0277 and E0616. One `cargo check` a kind; a mutant that is not refused is a fault.

use crate::{cargo, target};
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One call of a stage: `let NAME = STAGE::run(…, STATE).await?;`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    stage: String,
    name: String,
    state: String,
    /// The statement's place in the file.
    from: usize,
    to: usize,
}

/// Proves every stage that `line.rs` calls, and that it calls every stage there is.
pub fn all(root: &Path) -> anyhow::Result<()> {
    let source = root.join("crates/gateway/src/line.rs");
    let text = std::fs::read_to_string(&source).with_context(|| source.display().to_string())?;
    let calls = calls(&text);
    ensure!(!calls.is_empty(), "{}: no stage is called", source.display());
    let stages = stages(&root.join("crates/gateway/src/line"))?;
    let called: BTreeSet<_> = calls.iter().map(|call| call.stage.as_str()).collect();
    for (stage, _) in &stages {
        ensure!(called.contains(stage.as_str()), "stage `{stage}` is not called as `let … = {stage}::run(…)` in line.rs");
    }
    let copy = Copy::new(root)?;
    copy.check("unchanged", &[], None)?;
    let moving: Vec<Call> = calls.iter().filter(|call| takes_state(&root.join("crates/gateway/src/line"), &call.stage)).cloned().collect();
    ensure!(moving.len() + 1 >= calls.len(), "more than one stage borrows its state instead of taking it");
    for (kind, code, calls) in [("left out", "E0308", &calls), ("used twice", "E0382", &moving)] {
        let (mutated, marks) = mutate(&text, calls, kind)?;
        copy.write("line.rs", &mutated)?;
        copy.check(kind, &marks, Some(code))?;
    }
    copy.write("line.rs", &format!("mod forged;\n{}", after_inner(&text)))?;
    for (kind, code, write) in
        [("forged", "E0451", literal as fn(&str, &State) -> Vec<String>), ("copied", "E0277", copied), ("opened", "E0616", opened)]
    {
        let (forged, marks) = forge(&stages, kind, write);
        copy.write("line/forged.rs", &forged)?;
        copy.check(kind, &marks, Some(code))?;
    }
    println!(
        "prove: {} calls of {} stages: none can be left out or used twice, no state forged, copied or opened",
        calls.len(),
        stages.len()
    );
    Ok(())
}

/// `text` without its inner docs and attributes, which a module before them would displace.
fn after_inner(text: &str) -> String {
    let inner = |line: &&str| line.starts_with("//!") || line.starts_with("#![") || line.trim().is_empty();
    text.lines().skip_while(inner).collect::<Vec<_>>().join("\n")
}

fn calls(text: &str) -> Vec<Call> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("let ")).map(|offset| at + offset) {
        at = start + 4;
        let Some(end) = text.get(start..).and_then(statement_end).map(|offset| start + offset) else { break };
        if let Some(call) = text.get(start..end).and_then(|statement| call(statement, start)) {
            found.push(call);
            at = end;
        }
    }
    found
}

/// The length of the statement that `text` begins with: to the first semicolon outside brackets.
fn statement_end(text: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' if depth == 0 => return Some(at),
            '}' | ')' | ']' => depth -= 1,
            ';' if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn call(statement: &str, from: usize) -> Option<Call> {
    let (name, rest) = statement.strip_prefix("let ")?.split_once('=')?;
    // `let … = loop { … stage::run(…) … };` counts too: the stage is the word before the call.
    let (before, rest) = rest.trim().split_once("::run(")?;
    let stage = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
    let (arguments, _) = rest.split_once(')')?;
    let state = arguments.rsplit(',').map(str::trim).find(|part| !part.is_empty())?;
    let word = |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let name = name.trim().trim_start_matches("mut ").split(':').next()?.trim();
    (word(name) && word(stage) && word(state)).then(|| Call {
        stage: stage.into(),
        name: name.into(),
        state: state.into(),
        from,
        to: from + statement.len(),
    })
}

/// The stages: files of `line/` with a function `run`, and the states that they make.
fn stages(folder: &Path) -> anyhow::Result<Vec<(String, Vec<State>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(stage) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| path.extension().is_some_and(|kind| kind == "rs"))
        else {
            continue;
        };
        let text = std::fs::read_to_string(&path)?;
        let runs = text
            .lines()
            .any(|line| line.starts_with("pub") && line.contains("fn run(") || line.starts_with("pub") && line.contains("fn run<"));
        if runs {
            let made: Vec<State> = states(&text).into_iter().filter(|state| returned(&text, &state.name)).collect();
            ensure!(!made.is_empty(), "{}: `run` gives no state of this file", path.display());
            found.push((stage.to_owned(), made));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

/// Whether `run` of the stage takes its state by value. `pair` alone borrows: it is asked again for each message of a call in flight.
fn takes_state(folder: &Path, stage: &str) -> bool {
    let text = std::fs::read_to_string(folder.join(stage).with_extension("rs")).unwrap_or_default();
    let parameters = text.split_once("fn run").and_then(|(_, rest)| rest.split_once(')')).map_or("", |(parameters, _)| parameters);
    parameters.trim().trim_end_matches(',').rsplit(':').next().is_some_and(|kind| !kind.trim().starts_with('&'))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    name: String,
    fields: Vec<String>,
}

/// Whether `run` mentions the type in what it gives.
fn returned(text: &str, name: &str) -> bool {
    let run = text.find("fn run").and_then(|at| text.get(at..)).unwrap_or_default();
    run.split('{')
        .next()
        .and_then(|signature| signature.rsplit_once("->"))
        .is_some_and(|(_, gives)| gives.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name))
}

fn states(text: &str) -> Vec<State> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((_, rest)) = line.split_once("struct ").filter(|(before, _)| before.starts_with("pub")) else { continue };
        let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let Some((_, body)) = rest.split_once('{') else { continue };
        let mut body = body.to_owned();
        while !body.contains('}') {
            match lines.next() {
                Some(next) if next.trim_start().starts_with("//") || next.trim_start().starts_with("#[") => {}
                Some(next) => writeln!(body, "{next}").unwrap_or_default(),
                None => break,
            }
        }
        let fields = body.split('}').next().unwrap_or_default();
        let fields =
            split_fields(fields).iter().filter_map(|field| field.split_once(':')).map(|(name, _)| field_name(name).to_owned()).collect();
        found.push(State { name, fields });
    }
    found
}

/// The name of a field without `pub` or `pub(…)` before it.
fn field_name(declared: &str) -> &str {
    declared.split_whitespace().next_back().unwrap_or_default()
}

/// Splits at the commas that are not inside brackets.
fn split_fields(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for letter in text.chars() {
        depth += match letter {
            '<' | '(' | '[' => 1,
            '>' | ')' | ']' => -1,
            _ => 0,
        };
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// A place in a mutated file where rustc must complain: lines, counted from one, and what was done.
struct Mark {
    from: usize,
    to: usize,
    what: String,
    file: &'static str,
}

/// `text` with a mutated copy of the enclosing function behind each function that calls stages.
fn mutate(text: &str, calls: &[Call], kind: &str) -> anyhow::Result<(String, Vec<Mark>)> {
    let mut copies: Vec<(usize, String, String)> = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let (from, to) = function(text, call.from).with_context(|| format!("the function around `{}`", call.stage))?;
        let (head, tail) = (text.get(from..call.from).context("a head")?, text.get(call.to..to).context("a tail")?);
        let statement = text.get(call.from..call.to).context("a statement")?;
        let changed = match kind {
            "left out" => format!("let {} = {};", call.name, call.state),
            _ => format!("let _ = {};\n{statement}", statement.split_once('=').context("a call")?.1.trim().trim_end_matches(';')),
        };
        let at = head.find("fn ").context("a function")? + 3;
        let (before, name) = head.split_at(at);
        copies.push((
            to,
            format!("\n#[allow(dead_code)]\n{before}mutant_{number}_{name}{changed}{tail}\n"),
            format!("{} {kind}", call.stage),
        ));
    }
    let (mut mutated, mut marks, mut done) = (String::new(), Vec::new(), 0);
    copies.sort_by_key(|(at, ..)| *at);
    for (at, copy, what) in copies {
        mutated.push_str(text.get(done..at).unwrap_or_default());
        done = at;
        let from = mutated.lines().count() + 1;
        mutated.push_str(&copy);
        marks.push(Mark { from, to: mutated.lines().count() + 1, what, file: "line.rs" });
    }
    mutated.push_str(text.get(done..).unwrap_or_default());
    Ok((mutated, marks))
}

/// The function around `at`: from the line of its `fn` to the brace of the same depth that ends it.
fn function(text: &str, at: usize) -> Option<(usize, usize)> {
    let mut from = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let begins = start.starts_with("fn ") || start.starts_with("async fn ") || (start.starts_with("pub") && start.contains("fn "));
        if begins && offset <= at {
            from = Some((offset, line.len() - start.len()));
        }
        offset += line.len();
    }
    let (from, indent) = from?;
    let end = format!("\n{}}}\n", " ".repeat(indent));
    let to = text.get(at..)?.find(&end)? + at + end.len();
    Some((from, to))
}

/// The sibling file: what `write` makes of each state, one line an attempt.
fn forge(stages: &[(String, Vec<State>)], kind: &str, write: fn(&str, &State) -> Vec<String>) -> (String, Vec<Mark>) {
    let (mut text, mut marks) = ("//! States misused.\n#![allow(dead_code, unreachable_code)]\n".to_owned(), Vec::new());
    for (stage, states) in stages {
        for state in states {
            for (number, attempt) in write(stage, state).iter().enumerate() {
                let from = text.lines().count() + 1;
                let _ = writeln!(text, "fn {kind}_{stage}_{}_{number}() {{ {attempt} }}", state.name.to_lowercase());
                marks.push(Mark { from, to: from, what: format!("{stage}::{} {kind}: {attempt}", state.name), file: "forged.rs" });
            }
        }
    }
    (text, marks)
}

/// The state, built by hand.
fn literal(stage: &str, state: &State) -> Vec<String> {
    let fields = state.fields.iter().map(|field| format!("{field}: loop {{}}")).collect::<Vec<_>>().join(", ");
    vec![format!("let _ = super::{stage}::{} {{ {fields} }};", state.name)]
}

/// The state, out of another one or out of nothing.
fn copied(stage: &str, state: &State) -> Vec<String> {
    let name = &state.name;
    vec![format!("let _ = <super::{stage}::{name} as Clone>::clone;"), format!("let _ = <super::{stage}::{name} as Default>::default;")]
}

/// Each field of the state, read from outside.
fn opened(stage: &str, state: &State) -> Vec<String> {
    let read = |field: &String| format!("let state: &super::{stage}::{} = loop {{}}; let _ = &state.{field};", state.name);
    state.fields.iter().map(read).collect()
}

/// A copy of the gateway's crate in a workspace of its own, which shares the build folder.
struct Copy {
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new(root: &Path) -> anyhow::Result<Self> {
        let target = target(root);
        let folder = target.join("prove");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        copy(&root.join("crates/gateway"), &folder.join("gateway"))?;
        let mut manifest: toml::Table = toml::from_str(&std::fs::read_to_string(root.join("Cargo.toml"))?)?;
        let workspace = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut).context("a workspace")?;
        workspace.insert("members".into(), vec!["gateway"].into());
        workspace.remove("default-members");
        let dependencies = workspace.get_mut("dependencies").and_then(toml::Value::as_table_mut).context("dependencies")?;
        for (_, entry) in dependencies.iter_mut() {
            if let Some(path) = entry.get_mut("path") {
                let inner = path.as_str().context("a path")?;
                *path = root.join(inner).display().to_string().into();
            }
        }
        std::fs::write(folder.join("Cargo.toml"), toml::to_string(&manifest)?)?;
        std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder, target })
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.folder.join("gateway/src").join(name), text)?)
    }

    /// Compiles; without `code` it must succeed, with one every mark must draw an error of that code.
    fn check(&self, kind: &str, marks: &[Mark], code: Option<&str>) -> anyhow::Result<()> {
        let output = cargo(&self.folder)
            .args(["check", "--offline", "--quiet", "--package", "bastide-gateway", "--lib", "--message-format", "json"])
            .env("CARGO_TARGET_DIR", &self.target)
            .output()?;
        let errors: Vec<(String, String, usize)> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .flat_map(|line: Value| error(&line))
            .collect();
        let Some(code) = code else {
            ensure!(output.status.success(), "{kind}: does not compile: {errors:?}\n{}", String::from_utf8_lossy(&output.stderr));
            return Ok(());
        };
        let hit = |mark: &Mark| {
            errors.iter().any(|(found, file, line)| found == code && file.ends_with(mark.file) && (mark.from..=mark.to).contains(line))
        };
        let missed: Vec<_> = marks.iter().filter(|mark| !hit(mark)).map(|mark| mark.what.as_str()).collect();
        if !missed.is_empty() {
            bail!("not refused with {code}: {}; rustc said {errors:?}", missed.join(", "));
        }
        println!("prove: {} {kind}: {code} each", marks.len());
        Ok(())
    }
}

/// Code, file and line of each primary span of an error.
fn error(line: &Value) -> Vec<(String, String, usize)> {
    let message = &line["message"];
    if message["level"] != "error" {
        return Vec::new();
    }
    let code = message["code"]["code"].as_str().unwrap_or("none").to_owned();
    let spans = message["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true);
    spans
        .map(|span| {
            (code.clone(), span["file_name"].as_str().unwrap_or_default().to_owned(), span["line_start"].as_u64().unwrap_or(0) as usize)
        })
        .collect()
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "//! The line.\nuse x;\nasync fn request(gate: &Gate, trail: &mut Trail, arrival: Arrival) -> Result<Settled, Refusal> {\n    \
        let framed = accept::run(gate, trail, arrival).await?;\n    let parsed: Parsed = parse::run(\n        gate,\n        framed,\n    )?;\n    Ok(parsed)\n}\nfn other() {}\n";

    #[test]
    fn calls_are_found_and_taken_out() {
        let found = calls(LINE);
        assert_eq!(
            found.iter().map(|call| (call.stage.as_str(), call.name.as_str(), call.state.as_str())).collect::<Vec<_>>(),
            [("accept", "framed", "arrival"), ("parse", "parsed", "framed")]
        );
        let (mutated, marks) = mutate(LINE, &found, "left out").unwrap();
        assert!(mutated.contains("async fn mutant_0_request(") && mutated.contains("let framed = arrival;"));
        assert!(mutated.contains("let parsed = framed;") && mutated.ends_with("fn other() {}\n"));
        assert_eq!(marks.len(), 2);
        let (twice, _) = mutate(LINE, &found, "used twice").unwrap();
        assert!(twice.contains("let _ = accept::run(gate, trail, arrival).await?;\nlet framed = accept::run"));
    }

    #[test]
    fn states_and_their_fields_are_found() {
        let file = "/// Doc.\npub struct Recorded {\n    /// Of the call.\n    pub(super) authorized: Authorized,\n    map: HashMap<u8, u8>,\n}\n\
            pub(super) async fn run(gate: &Gate, authorized: Authorized) -> Result<Recorded, Refusal> {\n";
        assert_eq!(states(file), [State { name: "Recorded".into(), fields: vec!["authorized".into(), "map".into()] }]);
        assert!(returned(file, "Recorded") && !returned(file, "Authorized"));
    }
}
