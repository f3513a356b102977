//! What cargo knows of the workspace and of all it builds on.

use crate::cargo;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `cargo metadata`, as far as it is needed here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package of the resolved graph.
    pub packages: Vec<Package>,
    workspace_members: Vec<String>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub struct Package {
    id: String,
    /// Its name in the registry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// The sentence of its manifest.
    pub description: Option<String>,
    /// What its manifest asks for, of every kind and target.
    pub dependencies: Vec<Dependency>,
    /// Where the manifest is.
    pub manifest_path: PathBuf,
}

/// One line of a manifest's dependencies.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// `None` (normal), `dev` or `build`.
    pub kind: Option<String>,
}

impl Metadata {
    /// Asks cargo.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let output = cargo(root).args(["metadata", "--format-version", "1", "--locked"]).output().context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The packages of this repository.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The packages from outside.
    pub fn outside(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| !self.workspace_members.contains(&package.id))
    }
}

impl Package {
    /// The name that `layers.toml` uses.
    pub fn layer(&self) -> &str {
        self.name.strip_prefix("bastide-").unwrap_or(&self.name)
    }
}
