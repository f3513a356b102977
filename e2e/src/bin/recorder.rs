//! What stands in the place of programs in a jail, and starts what is tried there.
//!
//! As `driver`: a list of commands in JSON a line on standard input, `{"text"}` for a shell or `{"words"}` for the system, a list of what came of
//! them a line out. By any other name: notes the words that it was started with, and ends.
#![allow(clippy::expect_used, reason = "a harness fails by panicking")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RECORD: &str = "/record";
const WORK: &str = "/work";
/// What stands in files that may not be read.
const MARK: [&str; 2] = ["KEPT-FROM", "-YOU"];

fn main() {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let name = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    if name != "driver" {
        return record(&words);
    }
    for line in std::io::stdin().lock().lines() {
        let cases: Vec<Value> = serde_json::from_str(&line.expect("a line")).expect("a list");
        let answers: Vec<Value> = cases.iter().map(tried).collect();
        println!("{}", Value::from(answers));
    }
}

fn record(words: &[String]) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(RECORD);
    // Without one the system looks in its own places.
    let path = std::env::var("PATH").unwrap_or_else(|_| "/bin".to_owned());
    let outside: Vec<&String> = words.iter().skip(1).filter(|word| leads_out(word)).collect();
    let said = json!({"words": words, "outside": outside, "place": place(words, &path)});
    let _ = file.and_then(|mut file| file.write_all(format!("{said}\n").as_bytes()));
}

/// Where the program lies that was started under its first word.
fn place(words: &[String], path: &str) -> Option<PathBuf> {
    let first = words.first()?;
    if first.contains('/') { Path::new(first).canonicalize().ok() } else { Some(Path::new(path).join(first)) }
}

/// Whether a word, or what stands behind its option, is something that is there and not in the folder.
fn leads_out(word: &str) -> bool {
    let value = word.split_once('=').map(|(_, value)| value);
    let short = word.strip_prefix('-').and_then(|rest| rest.get(1..));
    [Some(word), value, short].into_iter().flatten().filter(|part| !part.is_empty()).any(|part| {
        let real = Path::new(part).canonicalize();
        real.is_ok_and(|real| !real.starts_with(WORK) && real != Path::new("/dev/null"))
    })
}

fn tried(case: &Value) -> Value {
    let words: Vec<&str> = case["words"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (case["text"].as_str(), words.split_first()) {
        (Some(text), _) => {
            json!({"sh": ran(Command::new("/real/sh").args(["-c", text])), "bash": ran(Command::new("/real/bash").args(["--norc", "-c", text]))})
        }
        (None, Some((program, rest))) => json!({"exec": ran(Command::new(program).args(rest))}),
        (None, None) => Value::Null,
    }
}

fn ran(command: &mut Command) -> Value {
    let _ = std::fs::remove_file(RECORD);
    let (before, folder) = (files(Path::new("/outside")), files(Path::new(WORK)));
    command.current_dir(WORK).env_clear().env("PATH", "/bin").env("HOME", "/home").env("GIT_CONFIG_NOSYSTEM", "1").process_group(0);
    let out = std::fs::File::create("/out").expect("a file");
    let also = out.try_clone().expect("a file");
    let nothing = std::fs::File::open("/dev/null").expect("a file");
    let code = match command.stdin(Stdio::from(nothing)).stdout(Stdio::from(out)).stderr(Stdio::from(also)).spawn() {
        Err(fault) => json!(fault.to_string()),
        Ok(mut child) => {
            let end = Instant::now() + Duration::from_secs(10);
            loop {
                match child.try_wait() {
                    Ok(Some(status)) => break json!(status.code()),
                    Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_micros(300)),
                    Ok(None) | Err(_) => {
                        let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
                        if let Some(group) = group {
                            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                        }
                        let _ = child.wait();
                        break json!("too long");
                    }
                }
            }
        }
    };
    let records = std::fs::read_to_string(RECORD).unwrap_or_default();
    let records: Vec<Value> = records.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said = std::fs::read("/out").unwrap_or_default();
    let after = files(Path::new(WORK));
    let changed = after != folder;
    if changed {
        restore(&folder);
    }
    // This program lies there too, and has no such text in it.
    let mark = MARK.concat().into_bytes();
    let told = said.windows(mark.len()).any(|part| part == mark);
    let outside = files(Path::new("/outside")) != before;
    if outside {
        restore(&before);
    }
    json!({"code": code, "records": records, "changed": changed, "told": told, "outside": outside, "said": String::from_utf8_lossy(said.get(..said.len().min(200)).unwrap_or_default())})
}

type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// All files and folders below a folder, the repository's own left out.
fn files(folder: &Path) -> Files {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
            found.insert(path, None);
        } else {
            // Programs lie there too, which nobody here writes to but as a whole.
            let small = path.metadata().is_ok_and(|found| found.len() < 64 << 10);
            found.insert(path.clone(), if small { std::fs::read(&path).ok() } else { Some(b"large".to_vec()) });
        }
    }
    found
}

fn restore(files: &Files) {
    for (path, content) in files {
        match content {
            None => drop(std::fs::create_dir_all(path)),
            Some(content) if content != b"large" && std::fs::read(path).ok().as_ref() != Some(content) => {
                let _ = path.parent().map(std::fs::create_dir_all);
                let _ = std::fs::write(path, content);
            }
            Some(_) => {}
        }
    }
    let root = files.keys().find_map(|path| path.components().nth(1)).map(|first| Path::new("/").join(first));
    for path in root.iter().flat_map(|root| self::files(root).into_keys().collect::<Vec<_>>()) {
        if !files.contains_key(&path) {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    }
}
