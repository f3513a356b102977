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

/// Archives here, archives moved away, archives changed, and a log that is being written and archived meanwhile.
#[test]
fn a_stranger_knows_archives_and_a_running_log() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("BASTIDE_REQUIRE_EXTERNAL").is_none(), "python3 is not there");
        eprintln!("skipped: python3 is not there");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (journal, _) = FileJournal::open(root, key(), &Options { checkpoint_every: Duration::from_millis(200), ..options() }).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while number < 700 || (number < 2500 && !over.load(Ordering::SeqCst)) {
                wait(journal.append(record(number))).unwrap();
                if number.is_multiple_of(100) {
                    archive::retained(&journal, Utc::from_seconds(1_700_000_000 + number / 2));
                }
                std::thread::sleep(Duration::from_millis(1));
                number += 1;
            }
            number
        });
        for _ in 0..3 {
            assert!(judged(root), "while it is written");
        }
        over.store(true, Ordering::SeqCst);
        let records = writer.join().unwrap();
        journal.close().unwrap();
        whole(root, records);
    });
    drop(journal);
    assert!(judged(root));
    let archives: Vec<PathBuf> = files(root).into_iter().filter(|path| path.starts_with(audit::archive::FOLDER)).collect();
    assert!(archives.len() >= 2, "{archives:?}");
    let mut dice = Dice::new(0xA2C);
    for round in 0..16 {
        let path = root.join(&archives[dice.roll(archives.len())]);
        let bytes = std::fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let at = dice.roll(if round % 2 == 0 { 400 } else { bytes.len() });
        changed[at] ^= u8::try_from(1 + dice.roll(255)).unwrap();
        std::fs::write(&path, &changed).unwrap();
        assert!(!judged(root), "round {round}: {} at {at}", path.display());
        assert!(!verify(root).ok, "round {round}");
        std::fs::write(&path, &bytes).unwrap();
    }
    let second = std::fs::read(root.join(&archives[1])).unwrap();
    std::fs::copy(root.join(&archives[0]), root.join(&archives[1])).unwrap();
    assert!(!judged(root) && !verify(root).ok, "an archive in the place of another");
    std::fs::write(root.join(&archives[1]), second).unwrap();
    for path in archives {
        std::fs::remove_file(root.join(&path)).unwrap();
        assert!(judged(root) && verify(root).ok, "{} moved away", path.display());
    }
}
