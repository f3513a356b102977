//! `audit.chain`: a change to any byte of the log is found, and so is a file that is missing, added, exchanged or linked.

use audit::verify::Against;
use audit::{Folder, Live, Node};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use store::journal::LogFolder;
use testkit::{SeededEntropy, World};

/// Random changes over all files.
const CHANGES: usize = 640;

#[test]
fn an_untouched_log_verifies() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    assert_eq!(world.stop(), Some(0));
    let answer = world.verify();
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(answer["records"].as_u64().unwrap() > 0);
    let (ok, other) = stranger(&world.state().join("audit"), &[]);
    assert!(ok, "{other}");
    assert_eq!((&answer["records"], &answer["checkpoint"]["root"]), (&other["records"], &other["checkpoint"]["root"]));
}

#[test]
fn any_changed_byte_of_any_file_is_found() {
    let world = log();
    let folder = world.state().join("audit");
    let held = Held::read(&folder);
    assert!(audit::verify(&held, &Against::default()).ok);
    assert!(held.files.len() >= 4, "{:?}", held.files.keys());
    let chance = SeededEntropy::new(7);
    let names: Vec<&String> = held.files.keys().collect();
    let changes: Vec<Change> = (0..CHANGES).map(|round| Change::draw(&chance, &held, names[round % names.len()])).collect();
    let missed: Vec<&Change> = std::thread::scope(|scope| {
        let halves: Vec<_> = changes
            .chunks(CHANGES.div_ceil(2))
            .map(|half| scope.spawn(|| half.iter().filter(|change| held.misses(change)).collect::<Vec<_>>()))
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{} of {CHANGES} were not found: {:?}", missed.len(), &missed[..missed.len().min(5)]);
    for change in changes.iter().take(2 * names.len()) {
        change.apply(&folder);
        assert!(!stranger(&folder, &[]).0, "the other verifier did not find {change:?}");
        assert_eq!(world.verify()["ok"], false, "{change:?}");
        change.undo(&folder);
    }
    assert!(stranger(&folder, &[]).0);
}

#[test]
fn files_that_are_missing_added_exchanged_or_linked_are_found() {
    let world = log();
    let folder = world.state().join("audit");
    let all = paths(&folder);
    for path in &all {
        let aside = world.path("aside");
        std::fs::rename(path, &aside).unwrap();
        judged(&world, &folder, &format!("{} is missing", path.display()));
        std::fs::write(path, b"").unwrap();
        judged(&world, &folder, &format!("{} is empty", path.display()));
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(&aside, path).unwrap();
        judged(&world, &folder, &format!("{} is a link", path.display()));
        std::fs::remove_file(path).unwrap();
        std::fs::rename(&aside, path).unwrap();
        std::fs::hard_link(path, &aside).unwrap();
        judged(&world, &folder, &format!("{} has two names", path.display()));
        std::fs::remove_file(&aside).unwrap();
    }
    for added in ["segment/0000000007", "segment/preparing", "checkpoint.new", "note", "tile/0/000", "tile/0/x000/000", "segment/x"] {
        let path = folder.join(added);
        let parent = path.parent().unwrap();
        let known = parent.exists();
        let before = std::fs::read(&path).ok();
        std::fs::create_dir_all(parent).unwrap();
        std::fs::write(&path, b"x").unwrap();
        judged(&world, &folder, &format!("{added} was added"));
        match before {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None if known => std::fs::remove_file(&path).unwrap(),
            None => std::fs::remove_dir_all(
                folder.join(added.split('/').take(if added.starts_with("tile/0/x") { 3 } else { 1 }).collect::<PathBuf>()),
            )
            .unwrap(),
        }
    }
    std::fs::create_dir(folder.join("empty")).unwrap();
    judged(&world, &folder, "a folder was added");
    std::fs::remove_dir(folder.join("empty")).unwrap();
    let (first, second) = (&all[0], all.last().unwrap());
    exchange(first, second);
    judged(&world, &folder, "two files were exchanged");
    exchange(first, second);
    assert_eq!(world.verify()["ok"], true);
    assert!(stranger(&folder, &[]).0);
}

#[test]
fn an_older_log_put_in_the_place_of_a_newer_one_is_found_with_a_checkpoint_kept_elsewhere() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "one"}));
    world.stop();
    let (folder, old) = (world.state().join("audit"), world.path("old"));
    copy(&folder, &old);
    world.serve();
    world.agent().call("canary__echo", json!({"text": "two"}));
    world.stop();
    let kept = world.path("kept");
    std::fs::copy(folder.join("checkpoint"), &kept).unwrap();
    let verify = |of: &Path| {
        let output = world.run(&["audit", "verify", of.to_str().unwrap(), "--checkpoint", kept.to_str().unwrap(), "--json"]);
        (output.status.code(), stranger(of, &["--checkpoint", kept.to_str().unwrap()]).0)
    };
    assert_eq!(verify(&folder), (Some(0), true));
    assert_eq!(verify(&old), (Some(1), false));
    assert!(stranger(&old, &[]).0, "without it, nothing tells");
}

/// A log with full tiles, closed cleanly.
fn log() -> World {
    let mut world = World::new();
    let mut agent = world.agent();
    for number in 0..140 {
        agent.call("canary__echo", json!({"text": number.to_string()}));
    }
    assert_eq!(world.stop(), Some(0));
    assert!(world.state().join("audit/tile/0/000").exists(), "no tile was filled");
    world
}

#[track_caller]
fn judged(world: &World, folder: &Path, what: &str) {
    assert_eq!(world.verify()["ok"], false, "not found: {what}");
    assert!(!stranger(folder, &[]).0, "not found by the other verifier: {what}");
}

/// What the verifier that shares no code with the writer says.
pub(super) fn stranger(folder: &Path, more: &[&str]) -> (bool, Value) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_audit.py");
    let output = testkit::run(Command::new("python3").arg(tool).arg(folder).args(more), b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| json!({"ok": false, "fault": String::from_utf8_lossy(&output.stderr)}));
    assert_eq!(answer["ok"] == true, output.status.success());
    (output.status.success(), answer)
}

#[derive(Debug)]
struct Change {
    file: String,
    at: usize,
    with: u8,
}

impl Change {
    /// A byte of `file`: often one of those that are in use, where the rest is zeros.
    fn draw(chance: &SeededEntropy, held: &Held, file: &str) -> Self {
        let bytes = &held.files[file];
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
        let range = if chance.next().is_multiple_of(4) { bytes.len() } else { used };
        let at = usize::try_from(chance.next() % range as u64).unwrap();
        let with = u8::try_from(1 + chance.next() % 255).unwrap();
        Self { file: file.to_owned(), at, with }
    }

    fn apply(&self, folder: &Path) {
        let path = folder.join(&self.file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[self.at] ^= self.with;
        std::fs::write(path, bytes).unwrap();
    }

    fn undo(&self, folder: &Path) {
        self.apply(folder);
    }
}

/// A log in memory, read as it was found.
#[derive(Clone)]
struct Held {
    nodes: Vec<Node>,
    files: Arc<BTreeMap<String, Vec<u8>>>,
    change: Option<(String, usize, u8)>,
}

impl Held {
    fn read(folder: &Path) -> Self {
        let log = LogFolder::new(folder.to_owned());
        let nodes = log.walk().unwrap();
        let is_file = |node: &&Node| matches!(node.sort, audit::Sort::File { .. });
        let files = nodes.iter().filter(is_file).map(|node| (node.path.clone(), std::fs::read(folder.join(&node.path)).unwrap())).collect();
        Self { nodes, files: Arc::new(files), change: None }
    }

    /// Whether the verification does not find `change`.
    fn misses(&self, change: &Change) -> bool {
        let changed = Self { change: Some((change.file.clone(), change.at, change.with)), ..self.clone() };
        audit::verify(&changed, &Against::default()).ok
    }
}

impl Folder for Held {
    fn walk(&self) -> io::Result<Vec<Node>> {
        Ok(self.nodes.clone())
    }

    fn read(&self, path: &str, _: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.files.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        if let Some((file, at, with)) = &self.change
            && file == path
        {
            bytes[*at] ^= with;
        }
        Ok(bytes)
    }

    fn start(&self, path: &str, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(path, u64::MAX)?;
        bytes.truncate(most);
        Ok(bytes)
    }

    fn live(&self) -> Live {
        Live::Stopped
    }
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut all: Vec<_> = entries.flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] }).collect();
    all.sort();
    all
}

fn exchange(first: &Path, second: &Path) {
    let (left, right) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    std::fs::write(first, right).unwrap();
    std::fs::write(second, left).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for path in paths(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(path, target).unwrap();
    }
}
