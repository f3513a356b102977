//! What is kept of a run: a small corpus that reaches much.

use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Most inputs that one target keeps.
const FILES: usize = 48;
/// Most bytes of them all.
const BYTES: u64 = 10 * 1024;

/// How the names of inputs begin that were written by hand.
const SEED: &str = "seed-";

/// What is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// How many inputs.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The files of a folder by size, then by name; none when there is no folder.
pub fn files(folder: &Path) -> anyhow::Result<Vec<(u64, PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push((entry.metadata()?.len(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Leaves out what reaches nothing that a smaller input does not reach: `into` becomes the rest of `from`.
pub fn merge(program: &Path, limits: &[String], into: &Path, from: &[PathBuf]) -> anyhow::Result<PathBuf> {
    if into.exists() {
        std::fs::remove_dir_all(into)?;
    }
    std::fs::create_dir_all(into)?;
    let mut merge = Command::new("nice");
    merge.args(["-n", "19"]).arg(program).arg("-merge=1").args(limits).arg(into).args(from);
    let output = merge.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().context("the merge runs")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{merge:?}: {}\n{}", output.status, said.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
    Ok(into.to_owned())
}

/// Makes `kept` what is chosen of `merged`: of all sizes, as many as there is room for. Inputs that were recorded or written by hand stay.
pub fn keep(merged: &Path, kept: &Path) -> anyhow::Result<Kept> {
    let lasting = |name: &str| [super::record::PREFIX, SEED].iter().any(|prefix| name.starts_with(prefix));
    let lasting = |path: &Path| path.file_name().is_some_and(|name| lasting(&name.to_string_lossy()));
    let mut stays = Kept::default();
    for (size, path) in files(kept)? {
        if lasting(&path) {
            stays = Kept { files: stays.files + 1, bytes: stays.bytes + size };
        } else {
            std::fs::remove_file(&path)?;
        }
    }
    for (size, path) in chosen(&files(merged)?, BYTES.saturating_sub(stays.bytes), FILES.saturating_sub(stays.files)) {
        let name = path.file_name().context("a file has a name")?;
        std::fs::copy(&path, kept.join(name))?;
        stays = Kept { files: stays.files + 1, bytes: stays.bytes + size };
    }
    Ok(stays)
}

/// Inputs of all sizes, evenly, within the room that there is; as many of them as possible.
fn chosen(all: &[(u64, PathBuf)], bytes: u64, most: usize) -> Vec<(u64, PathBuf)> {
    for count in (1..=most.min(all.len())).rev() {
        let chosen: Vec<_> = (0..count).filter_map(|place| all.get(place * all.len() / count)).cloned().collect();
        if chosen.iter().map(|(size, _)| size).sum::<u64>() <= bytes {
            return chosen;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_all_sizes_are_chosen_within_bounds() {
        let all: Vec<_> = (0..100).map(|size| (size, PathBuf::from(size.to_string()))).collect();
        let few = chosen(&all, 10_000, 10);
        assert_eq!(few.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
        let small = chosen(&all, 100, 50);
        assert!(!small.is_empty() && small.iter().map(|(size, _)| size).sum::<u64>() <= 100);
        assert!(chosen(&[], 10, 10).is_empty());
    }
}
