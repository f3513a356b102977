//! Packages of PyPI: wheels in a virtual environment, put there by a pip from outside of it; run by the environment's `python`.
//!
//! The environment's own interpreter is not started while it is filled: Python runs what an installed `.pth` file says at every start.

use super::settings::{self, Pip};
use super::tool::{self, Head, Stage};
use super::{Error, Installed, Started};
use serde_json::Value;
use std::path::{Path, PathBuf};
use supply::{Registry, Runner, Wanted};

/// The user's settings that pip sees, besides proxies.
const SETTINGS: [&str; 4] = ["PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY", "REQUESTS_CA_BUNDLE"];
/// What was installed, with the digest of each archive; part of the tree.
const REPORT: &str = "installed.json";
/// Where programs are, as the records of a package name them from its library.
const PROGRAMS: &str = "../../../bin/";

/// Installs what `runner` names into the tree of `stage`.
pub(super) async fn install(stage: &Stage, runner: &Runner) -> Result<Installed, Error> {
    let next = "install Python 3 with its `venv` module";
    let absent = |program| Error::Absent { program, registry: Registry::Pypi, next };
    let python = sandbox::program_lookup("python3").map_err(|_| absent("python3"))?;
    let (tree, aside) = (stage.tree(), stage.beside("aside"));
    for (folder, more) in [(&tree, Some("--without-pip")), (&aside, None)] {
        let mut command = stage.command(&python, &[]);
        let (status, said) = stage.run(command.args(["-I", "-m", "venv"]).args(more).arg(folder)).await?;
        if !status.success() {
            return Err(if tool::is_full(&said) { Error::Full } else { absent("python3 -m venv") });
        }
    }
    let wanted = match &runner.wanted {
        Wanted::Newest => runner.package.clone(),
        Wanted::Exact(version) => format!("{}=={version}", runner.package),
    };
    let report = tree.join(REPORT);
    let mut command = stage.command(&aside.join("bin/python"), &SETTINGS);
    command.envs(Pip::read(&settings::environment)?.variables);
    command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INPUT", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command.args(["-m", "pip", "--python"]).arg(tree.join("bin/python")).args(["install", "--only-binary", ":all:", "--no-compile"]);
    command.args(["--no-cache-dir", "--quiet", "--retries", "1", "--timeout", "60", "--report"]).arg(&report).arg("--").arg(&wanted);
    let (status, said) = stage.run(&mut command).await?;
    if !status.success() {
        return Err(failed(runner, &said));
    }
    let installed = installed(&tool::json(&report)?, runner)?;
    // Modules are compiled here, so that they are part of the tree; what cannot be compiled is an example or a template, and no fault.
    let mut command = stage.command(&aside.join("bin/python"), &[]);
    command.args(["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s"]).arg(&tree).arg(tree.join("lib"));
    let (_, said) = stage.run(&mut command).await?;
    if tool::is_full(&said) { Err(Error::Full) } else { Ok(installed) }
}

fn failed(runner: &Runner, said: &str) -> Error {
    let asked = runner.to_string();
    let line = |mark: &str| said.lines().find(|line| line.contains(mark)).map(tool::shown);
    if tool::is_full(said) {
        Error::Full
    } else if let Some(said) = line("connection broken by") {
        Error::Unreached(said)
    } else if said.contains("DO NOT MATCH THE HASHES") {
        Error::Integrity { asked, said: "the digest of an archive is another one".to_owned() }
    } else if let Some(said) = line("Could not find a version") {
        let next = "look at the spelling and at the index; packages without a wheel for this Python are not installed, since building runs their code";
        Error::Unknown { asked, next: format!("{next} ({said})") }
    } else if said.contains("no such option") {
        Error::Failed { tool: "pip", said: format!("pip 22.3 or later is needed ({})", tool::shown(said)) }
    } else {
        Error::Failed { tool: "pip", said: tool::shown(said) }
    }
}

/// What the report of pip says of the package that was asked for; every part must be a pinned archive.
fn installed(report: &Value, runner: &Runner) -> Result<Installed, Error> {
    let parts = report.get("install").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut own = None;
    for part in parts {
        let text = |path: &str| part.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let digest = text("/download_info/archive_info/hashes/sha256");
        if digest.is_empty() {
            return Err(Error::Unpinnable { part: supply::visible(&text("/metadata/name")), why: "has no SHA-256 digest in the index" });
        }
        if plain(&text("/metadata/name")) == plain(&runner.package) {
            own = Some(Installed { version: text("/metadata/version"), integrity: format!("sha256:{digest}") });
        }
    }
    own.ok_or_else(|| Error::Unreadable(format!("pip did not say what it installed of {}", runner.package)))
}

/// A name as the index compares it (PEP 503).
fn plain(name: &str) -> String {
    let letters: String = name.chars().map(|letter| if "-_.".contains(letter) { '-' } else { letter.to_ascii_lowercase() }).collect();
    letters.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// What is started of the tree at `root`: the program that bears the package's name, or the one that the line names.
pub(super) fn started(root: &Path, runner: &Runner) -> Result<Started, Error> {
    let name = runner.program.as_deref().unwrap_or(&runner.package);
    let refused = |why: String| Error::Program { program: supply::visible(name), package: runner.package.clone(), why };
    let programs = programs(root, &runner.package)?;
    if !programs.iter().any(|known| known == name) {
        let known: Vec<String> = programs.iter().map(|name| supply::visible(name)).collect();
        return Err(refused(format!("it has [{}]: write `uvx --from {} PROGRAM`", known.join(", "), runner.package)));
    }
    let path = root.join("bin").join(name);
    if !path.symlink_metadata()?.is_file() {
        return Err(refused("its file is not in the package".to_owned()));
    }
    match tool::head(&path)? {
        Head::Native => Ok(Started { program: path, arguments: runner.arguments.clone() }),
        Head::Script(words) if words.iter().any(|word| word.contains("python") || word.contains("/bin/sh")) => {
            let script = path.to_string_lossy().into_owned();
            Ok(Started {
                program: root.join("bin/python"),
                arguments: [script].into_iter().chain(runner.arguments.iter().cloned()).collect(),
            })
        }
        Head::Script(_) | Head::Silent => Err(refused("it is not run by Python".to_owned())),
    }
}

/// The programs that the records of the package name.
fn programs(root: &Path, package: &str) -> Result<Vec<String>, Error> {
    let record = record(root, package).ok_or_else(|| Error::Unreadable(format!("there are no records of {package}")))?;
    let text = std::fs::read_to_string(&record)?;
    let names = text.lines().filter_map(|line| line.strip_prefix(PROGRAMS)).filter_map(|line| line.split(',').next());
    Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
}

fn record(root: &Path, package: &str) -> Option<PathBuf> {
    let folders = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let library = folders(root.join("lib")).map(|version| version.join("site-packages")).find(|path| path.is_dir())?;
    let is_own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".dist-info"));
        name.and_then(|name| name.rsplit_once('-')).is_some_and(|(name, _)| plain(name) == plain(package))
    };
    folders(library).find(is_own).map(|path| path.join("RECORD"))
}
