//! The real clients and servers, in `target/peers`.

use crate::target;
use anyhow::{Context as _, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// Installs what is not there yet. Where that fails the reason is printed, and is a fault if `BASTIDE_REQUIRE_EXTERNAL` is `1`.
pub fn install(root: &Path) -> anyhow::Result<()> {
    let peers = target(root).join("peers");
    std::fs::create_dir_all(&peers)?;
    let mut missing = Vec::new();
    for (name, install) in
        [("node", node as fn(&Path, &Path) -> anyhow::Result<()>), ("python", python), ("sqlite", sqlite), ("postgres", postgres)]
    {
        if let Err(fault) = install(root, &peers).with_context(|| format!("{name} peers")) {
            println!("setup: skipped: {fault:#}");
            missing.push(name);
        }
    }
    if !missing.is_empty() && std::env::var("BASTIDE_REQUIRE_EXTERNAL").is_ok_and(|value| value == "1") {
        bail!("missing: {}", missing.join(", "));
    }
    Ok(())
}

fn node(root: &Path, peers: &Path) -> anyhow::Result<()> {
    packages(&root.join("e2e/peers/node"), &peers.join("node"))
}

/// A server that needs the SDK before its second version, with the driver that its oracle uses too.
fn postgres(root: &Path, peers: &Path) -> anyhow::Result<()> {
    packages(&root.join("e2e/peers/postgres"), &peers.join("postgres"))
}

/// What `package-lock.json` of `from` pins, in `to`.
fn packages(from: &Path, to: &Path) -> anyhow::Result<()> {
    let wanted = std::fs::read_to_string(from.join("package-lock.json"))?;
    if fresh(to, &wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(from.join(name), to.join(name))?;
    }
    quiet(Command::new("npm").current_dir(to).arg("ci"))?;
    stamp(to, &wanted)
}

fn python(root: &Path, peers: &Path) -> anyhow::Result<()> {
    let (list, to) = (root.join("e2e/peers/python/requirements.txt"), peers.join("python"));
    let wanted = std::fs::read_to_string(&list)?;
    if fresh(&to, &wanted) {
        return Ok(());
    }
    environment(&list, &to)?;
    // The conformance fixture is an example in the source package of the SDK.
    let sdk = wanted.lines().find_map(|line| line.strip_prefix("mcp==")).context("requirements.txt pins mcp")?;
    let source = to.join("source");
    quiet(pip(&to).args(["download", "--no-deps", "--no-binary", "mcp", &format!("mcp=={sdk}"), "--dest"]).arg(&source))?;
    quiet(Command::new("tar").arg("xf").arg(source.join(format!("mcp-{sdk}.tar.gz"))).arg("-C").arg(&source))?;
    quiet(pip(&to).args(["install", "--no-deps"]).arg(source.join(format!("mcp-{sdk}/examples/servers/everything-server"))))?;
    stamp(&to, &wanted)
}

/// A server that needs the SDK before its second version.
fn sqlite(root: &Path, peers: &Path) -> anyhow::Result<()> {
    let (list, to) = (root.join("e2e/peers/sqlite/requirements.txt"), peers.join("sqlite"));
    let wanted = std::fs::read_to_string(&list)?;
    if fresh(&to, &wanted) {
        return Ok(());
    }
    environment(&list, &to)?;
    stamp(&to, &wanted)
}

/// A Python environment in `to` with what `list` pins.
fn environment(list: &Path, to: &Path) -> anyhow::Result<()> {
    quiet(Command::new("python3").args(["-m", "venv"]).arg(to))?;
    quiet(pip(to).args(["install", "--requirement"]).arg(list))
}

fn pip(environment: &Path) -> Command {
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
    pip
}

fn fresh(folder: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(folder.join("stamp")).is_ok_and(|found| found == wanted)
}

fn stamp(folder: &Path, wanted: &str) -> anyhow::Result<()> {
    Ok(std::fs::write(folder.join("stamp"), wanted)?)
}

fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let tail = said.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
    ensure!(output.status.success(), "{command:?}: {}\n{tail}", output.status);
    Ok(())
}
