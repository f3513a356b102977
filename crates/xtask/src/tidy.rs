//! What no compiler checks: layers, names, generated files, licences.

mod layers;
mod licences;
mod text;

use crate::codegen;
use crate::metadata::Metadata;
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks everything, and lists every fault before it fails.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let metadata = Metadata::read(root)?;
    let files = tracked(root)?;
    let mut faults = layers::check(root, &metadata)?;
    faults.extend(licences::check(&metadata));
    faults.extend(text::check(root, &files)?);
    if let Err(stale) = codegen::all(root, codegen::Mode::Check) {
        faults.push(stale.to_string());
    }
    text::sizes(root, &files)?;
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults", faults.len());
    }
    Ok(())
}

/// The files that belong to the repository: tracked, or new and not ignored.
fn tracked(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = Command::new("git").current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).filter(|path| root.join(path).is_file()).collect())
}
