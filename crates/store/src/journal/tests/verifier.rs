//! The stand-alone verifier, which shares nothing with the writer, comes to the same verdicts.

use super::tamper::Dice;
use super::*;
use std::process::Command;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_audit.py")
}

fn judged(folder: &Path) -> bool {
    let out = Command::new("python3").arg(script()).arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    assert_eq!(out.status.code(), Some(i32::from(answer["ok"] != true)), "{text}{errors}");
    answer["ok"] == true
}

#[test]
fn a_stranger_comes_to_the_same_verdict() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "python3 is not there");
        eprintln!("skipped: python3 is not there");
        return;
    }
    let folder = written(300);
    assert!(judged(folder.path()), "the log as it was written");
    let all = files(folder.path());
    let mut dice = Dice::new(0xBA57);
    for round in 0..50 {
        let path = folder.path().join(&all[dice.roll(all.len())]);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let at = dice.roll(changed.len());
        match round % 5 {
            0 => changed.truncate(at),
            1 => changed.extend_from_slice(b"\0"),
            _ => changed[at] ^= 1,
        }
        std::fs::write(&path, &changed).unwrap();
        let own = verify(folder.path()).ok;
        assert!(!own, "round {round}: {} at {at}", path.display());
        assert_eq!(judged(folder.path()), own, "round {round}: {} at {at}", path.display());
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(judged(folder.path()));
}
