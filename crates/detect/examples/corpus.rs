//! What the engine finds in the files under a folder: one JSON line a finding, totals at the end on standard error.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]

use detect::{Budget, Channel, Engine, Rules, Scratch};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use terms::Class;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::new(&Rules::built_in()?)?;
    let mut scratch = Scratch::default();
    let (mut bytes, mut files) = (0_usize, 0_usize);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let start = std::time::Instant::now();
    while let Some(path) = folders.pop() {
        if path.is_dir() && !path.is_symlink() {
            folders.extend(std::fs::read_dir(&path)?.filter_map(Result::ok).map(|entry| entry.path()));
            continue;
        }
        let Some(text) = text(&path) else { continue };
        bytes += text.len();
        files += 1;
        for finding in engine.inspect(&text, Channel::Resource, &Budget::default(), &mut scratch).findings {
            *kinds.entry(format!("{}:{}", finding.class.as_str(), finding.kind)).or_default() += 1;
            if finding.class == Class::Unseen {
                continue;
            }
            let from = text.floor_char_boundary(finding.span.start.saturating_sub(50));
            let to = text.ceil_char_boundary((finding.span.end + 20).min(text.len()));
            let found = text.get(finding.span.start..finding.span.end).unwrap_or_default();
            let line = serde_json::json!({"class": finding.class.as_str(), "kind": finding.kind, "found": found.chars().take(120).collect::<String>(), "around": text.get(from..to).unwrap_or_default().chars().take(240).collect::<String>(), "file": path});
            println!("{line}");
        }
    }
    eprintln!("{files} files, {:.1} MB, {:.1} s", bytes as f64 / 1e6, start.elapsed().as_secs_f64());
    for (kind, count) in kinds {
        eprintln!("  {count:>6}  {kind}");
    }
    Ok(())
}

fn text(path: &Path) -> Option<String> {
    let size = std::fs::symlink_metadata(path).ok().filter(|meta| meta.is_file())?.len();
    if size > 4 << 20 {
        return None;
    }
    String::from_utf8(std::fs::read(path).ok()?).ok()
}
