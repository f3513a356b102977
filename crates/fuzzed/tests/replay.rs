//! Every input that was kept, and some that were not, put to its invariant again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use fuzzed::Target;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(name)
}

/// The files of a folder, in order; none when there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The names of the inputs for which the invariant does not hold, five at most.
fn lost(target: Target, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
    let lost = inputs.into_iter().filter(|(_, bytes)| catch_unwind(|| target.run(bytes)).is_err());
    lost.take(5).map(|(name, _)| format!("{}: {name}", target.name())).collect()
}

#[test]
fn what_was_kept_holds() {
    let mut gone = Vec::new();
    for target in Target::ALL {
        for kept in ["corpus", "artifacts"] {
            let paths = files(&folder(kept).join(target.name()));
            assert!(!paths.is_empty() || kept == "artifacts", "{} has no corpus", target.name());
            gone.extend(lost(*target, paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))));
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn what_chance_makes_up_holds() {
    let most = std::env::var("BASTIDE_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(300_u64);
    let gone = Target::ALL.iter().flat_map(|target| lost(*target, (0..most).map(|seed| (format!("seed {seed}"), made_up(seed)))));
    let gone: Vec<String> = gone.collect();
    assert!(gone.is_empty(), "{gone:#?}");
}

/// Bytes that follow from a seed, of any length up to 400; the first one asks for a message to be built.
fn made_up(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 32
    };
    let length = next() % 400;
    std::iter::once(0).chain((0..length).map(|_| next() as u8)).collect()
}

#[test]
fn every_target_has_a_program_and_a_folder() {
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    let named: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\"")).collect();
    let wanted: Vec<&str> = Target::ALL.iter().map(|target| target.name()).collect();
    assert_eq!(named, wanted);
    for target in Target::ALL {
        let program = std::fs::read_to_string(folder("fuzz_targets").join(format!("{}.rs", target.name()))).unwrap();
        assert!(program.contains(&format!("fuzzed::Target::{target:?}.run(")), "{}", target.name());
        assert_eq!(Target::parse(target.name()), Some(*target));
    }
    let kept: Vec<PathBuf> = Target::ALL.iter().flat_map(|target| files(&folder("corpus").join(target.name()))).collect();
    let bytes: u64 = kept.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= 200 * 1024, "{bytes} bytes of corpus are too many to carry along");
}
