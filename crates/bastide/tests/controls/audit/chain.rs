//! `audit.chain`: a change to any byte of the log is found.

use serde_json::json;
use testkit::World;

#[test]
fn an_untouched_log_verifies() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    assert_eq!(world.stop(), Some(0));
    let answer = world.verify();
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(answer["records"].as_u64().unwrap() > 0);
}

#[test]
fn one_turned_byte_is_found_in_every_file() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    world.stop();
    let files = files(&world.state().join("audit"));
    assert!(!files.is_empty());
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        if whole.is_empty() {
            continue;
        }
        let mut turned = whole.clone();
        turned[whole.len() / 2] ^= 1;
        std::fs::write(&file, turned).unwrap();
        assert_eq!(world.verify()["ok"], false, "{}", file.display());
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(world.verify()["ok"], true);
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
