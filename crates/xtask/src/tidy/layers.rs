//! Arrows between crates, as `layers.toml` allows them.

use crate::metadata::Metadata;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    crates: BTreeMap<String, Layer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    ring: u8,
    may: Vec<String>,
    job: String,
}

/// What gives a task, a socket, chance or a process; rings 0 and 1 may not depend on it.
const IMPURE: [&str; 16] = [
    "tokio",
    "tokio-util",
    "rand",
    "getrandom",
    "hyper",
    "hyper-util",
    "axum",
    "sqlx",
    "rustix",
    "libc",
    "socket2",
    "tempfile",
    "rustls",
    "tokio-rustls",
    "hickory-resolver",
    "async-nats",
];

/// What `clippy.toml` of a pure crate must ban, among more.
const BANS: [&str; 7] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::fs::File",
    "std::fs::read",
    "std::fs::write",
    "std::net::TcpStream",
    "std::process::Command",
];

/// The faults of every crate's arrows, sentence and bans.
pub fn check(root: &Path, metadata: &Metadata) -> anyhow::Result<Vec<String>> {
    let layers: Layers = toml::from_str(&std::fs::read_to_string(root.join("layers.toml"))?).context("layers.toml")?;
    let mut faults = Vec::new();
    for package in metadata.members() {
        let name = package.layer();
        let Some(layer) = layers.crates.get(name) else {
            faults.push(format!("{name} is not in layers.toml"));
            continue;
        };
        if package.description.as_deref() != Some(&layer.job) {
            faults.push(format!("{name}: `description` is not the sentence of layers.toml"));
        }
        for dependency in &package.dependencies {
            let kind = dependency.kind.as_deref().unwrap_or("normal");
            let to = dependency.name.strip_prefix("bastide-").unwrap_or_default();
            let below = layers.crates.get(to).is_some_and(|other| other.ring <= layer.ring);
            let listed = layer.may.iter().any(|may| may == "*" || may == to);
            let fake = kind == "dev" && matches!(to, "testkit" | "fuzzed");
            if dependency.name.starts_with("bastide-") && !fake && !(listed && below) {
                faults.push(format!("{name} may not depend on {to} ({kind})"));
            }
            if layer.ring <= 1 && kind != "dev" && IMPURE.contains(&dependency.name.as_str()) {
                faults.push(format!("{name} is pure and may not depend on {} ({kind})", dependency.name));
            }
        }
        if layer.ring <= 1 {
            let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
            let bans = std::fs::read_to_string(folder.join("clippy.toml")).unwrap_or_default();
            faults.extend(
                BANS.iter()
                    .filter(|ban| !bans.contains(&format!("\"{ban}\"")))
                    .map(|ban| format!("{name}: clippy.toml does not ban {ban}")),
            );
            faults.extend(impure_sources(name, &folder.join("src"))?);
        }
    }
    Ok(faults)
}

/// Uses of files, sockets and processes in a pure crate, outside its tests.
fn impure_sources(name: &str, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            faults.extend(impure_sources(name, &path)?);
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            // `std::net` holds the address types too, which do nothing by themselves.
            if ["std::fs", "std::process", "std::thread::spawn", "TcpStream", "UdpSocket", "TcpListener"]
                .iter()
                .any(|word| line.contains(word))
            {
                faults.push(format!("{name} is pure: {}:{}: {}", path.file_name().unwrap_or_default().display(), number + 1, line.trim()));
            }
        }
    }
    Ok(faults)
}
