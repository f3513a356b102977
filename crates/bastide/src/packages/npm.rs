//! Packages of npm: `npm install` without scripts, everything from one registry and with the digest that it states; run by `node`.

use super::settings::{self, Npm};
use super::tool::{self, Head, Stage};
use super::{Error, Installed, Started};
use crate::contents::LOADERS;
use serde_json::{Value, json};
use std::path::{Component, Path, PathBuf};
use supply::{Registry, Runner, Wanted};

/// The user's settings that npm sees, besides proxies and what it is told of in a file.
const SETTINGS: [&str; 3] = ["npm_config_cafile", "NPM_CONFIG_CAFILE", "NODE_EXTRA_CA_CERTS"];
/// The file that npm takes for the user's.
const USER: &str = "user.npmrc";
/// No script of a package runs, git is not asked for one, no configuration but ours is read, nothing is said home.
const INSTALL: [&str; 14] = [
    "install",
    "--ignore-scripts",
    "--git=/bin/false",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-progress",
    "--omit=dev",
    "--package-lock=true",
    "--omit-lockfile-registry-resolved=false",
    "--install-links=false",
    "--fetch-retries=1",
    "--fetch-timeout=60000",
    "--loglevel=error",
];

/// Installs what `runner` names into the tree of `stage`.
pub(super) async fn install(stage: &Stage, runner: &Runner, run: &[String]) -> Result<Installed, Error> {
    let (npm, node) = (program(run, "npm")?, program(run, "node")?);
    let tree = stage.tree();
    let version = match &runner.wanted {
        Wanted::Newest => "latest",
        Wanted::Exact(version) => version,
    };
    let manifest = json!({ "name": "tree", "private": true, "dependencies": { &runner.package: version } });
    std::fs::write(tree.join("package.json"), manifest.to_string())?;
    let settings = Npm::read(&runner.package, &node, &settings::environment)?;
    // Beside the tree, and gone with the stage: a credential of the registry may be in it.
    std::fs::write(stage.beside(USER), &settings.file)?;
    let mut command = stage.command(&npm, &SETTINGS);
    let folder = node.parent().unwrap_or_else(|| Path::new("/usr/bin"));
    command.env("PATH", format!("{}:{}", folder.display(), sandbox::MINIMAL_PATH)).args(INSTALL).arg("--prefix").arg(&tree);
    for (option, place) in [("--cache", "cache"), ("--userconfig", USER), ("--globalconfig", "global.npmrc")] {
        command.arg(option).arg(stage.beside(place));
    }
    let (status, said) = stage.run(&mut command).await?;
    if !status.success() {
        return Err(failed(runner, &said));
    }
    let lock = tool::json(&tree.join("package-lock.json"))?;
    pinned(&lock, &settings)?;
    let own = lock.get("packages").and_then(|all| all.get(format!("node_modules/{}", runner.package)));
    let text = |key: &str| own.and_then(|own| own.get(key)).and_then(Value::as_str).map(str::to_owned);
    let missing = || Error::Unreadable(format!("npm did not say what it installed of {}", runner.package));
    Ok(Installed { version: text("version").ok_or_else(missing)?, integrity: text("integrity").ok_or_else(missing)? })
}

/// `npm` or `node`: beside a runner that is named by its path, else where programs are looked for.
fn program(run: &[String], name: &'static str) -> Result<PathBuf, Error> {
    let beside = run.first().map(Path::new).filter(|runner| runner.is_absolute()).map(|runner| runner.with_file_name(name));
    let found = match beside {
        Some(path) => sandbox::program_lookup(&path.to_string_lossy()),
        None => sandbox::program_lookup(name),
    };
    let next = "install Node.js with npm, or write the runner's absolute path in `run`";
    found.map_err(|_| Error::Absent { program: name, registry: Registry::Npm, next })
}

fn failed(runner: &Runner, said: &str) -> Error {
    let code = said.lines().find_map(|line| line.strip_prefix("npm error code ")).unwrap_or_default().trim();
    let asked = runner.to_string();
    match code {
        _ if tool::is_full(said) => Error::Full,
        "E404" | "E401" | "E403" => {
            Error::Unknown { asked, next: format!("look at the spelling, and at the registry: {}", tool::shown(said)) }
        }
        "ETARGET" => Error::Unknown { asked, next: format!("name a version that it has: {}", tool::shown(said)) },
        "EINTEGRITY" => Error::Integrity { asked, said: tool::shown(said) },
        "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "ETIMEDOUT" | "ENETUNREACH" | "EHOSTUNREACH" | "ERR_SOCKET_TIMEOUT"
        | "FETCH_ERROR" => Error::Unreached(tool::shown(said)),
        _ => Error::Failed { tool: "npm", said: tool::shown(said) },
    }
}

/// Everything that was installed is from the registry, and is what that said it would be.
fn pinned(lock: &Value, settings: &Npm) -> Result<(), Error> {
    let packages = lock.get("packages").and_then(Value::as_object).ok_or_else(|| Error::Unreadable("npm wrote no lock".to_owned()))?;
    for (place, entry) in packages.iter().filter(|(place, _)| !place.is_empty()) {
        // What a package brings along in its own archive has that one's digest.
        if entry.get("inBundle").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let refused = |why| Err(Error::Unpinnable { part: supply::visible(place), why });
        if entry.get("link").is_some() || origin(text("resolved")).is_none_or(|found| Some(found) != origin(&settings.registry)) {
            return refused("does not come from the registry");
        }
        if settings.is_foreign(name_of(place, entry)) {
            return refused("has a registry of its own in the settings of npm");
        }
        if !text("integrity").starts_with("sha512-") {
            return refused("has no SHA-512 digest in the registry");
        }
    }
    Ok(())
}

/// The name of a package, which is its entry's where it was installed under another one.
fn name_of<'a>(place: &'a str, entry: &'a Value) -> &'a str {
    let placed = place.rsplit_once("node_modules/").map_or(place, |(_, name)| name);
    entry.get("name").and_then(Value::as_str).unwrap_or(placed)
}

/// Scheme, host and port of an address.
fn origin(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let end = rest.find('/').unwrap_or(rest.len()) + address.len() - rest.len();
    address.get(..end)
}

/// What is started of the tree at `root`: as npx chooses it.
pub(super) fn started(root: &Path, runner: &Runner, run: &[String]) -> Result<Started, Error> {
    let folder = root.join("node_modules").join(&runner.package);
    let manifest = tool::json(&folder.join("package.json"))?;
    let short = runner.package.rsplit('/').next().unwrap_or_default();
    let refused = |name: &str, why: String| Error::Program { program: supply::visible(name), package: runner.package.clone(), why };
    let programs: Vec<(&str, &str)> = match manifest.get("bin") {
        Some(Value::String(path)) => vec![(short, path)],
        Some(Value::Object(all)) => all.iter().filter_map(|(name, path)| Some((name.as_str(), path.as_str()?))).collect(),
        Some(_) | None => Vec::new(),
    };
    let named = |name: &str| programs.iter().find(|(known, _)| *known == name).copied();
    let one = programs.first().copied().filter(|(_, first)| programs.iter().all(|(_, path)| path == first));
    let chosen = match &runner.program {
        Some(name) => named(name),
        None => one.or_else(|| named(short)),
    };
    let (name, path) = chosen.ok_or_else(|| {
        let known: Vec<String> = programs.iter().map(|(name, _)| supply::visible(name)).collect();
        let why = format!("it has [{}]: write `npx -y --package {} PROGRAM`", known.join(", "), runner.package);
        refused(runner.program.as_deref().unwrap_or(short), why)
    })?;
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let script = folder.join(path).canonicalize().ok().filter(|script| inside && script.starts_with(root) && script.is_file());
    let script = script.ok_or_else(|| refused(name, "its file is not in the package".to_owned()))?;
    let own = |script: &Path| script.to_string_lossy().into_owned();
    let options = match tool::head(&script)? {
        Head::Native => return Ok(Started { program: script, arguments: runner.arguments.clone() }),
        Head::Script(words) => options(&words).ok_or_else(|| refused(name, "it is not run by node".to_owned()))?,
        Head::Silent if script.extension().is_some_and(|kind| ["js", "mjs", "cjs"].iter().any(|known| kind == *known)) => Vec::new(),
        Head::Silent => return Err(refused(name, "it is not run by node".to_owned())),
    };
    let arguments = options.into_iter().chain([own(&script)]).chain(runner.arguments.iter().cloned()).collect();
    Ok(Started { program: program(run, "node")?, arguments })
}

/// The options of node that a script's first line names; none when that is not for node, or loads more.
fn options(words: &[String]) -> Option<Vec<String>> {
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut rest = words.iter().peekable();
    if rest.peek().is_some_and(|word| name(word) == "env") {
        rest.next();
        rest.next_if(|word| *word == "-S");
    }
    rest.next().filter(|word| ["node", "nodejs"].contains(&name(word).as_str()))?;
    let options: Vec<String> = rest.cloned().collect();
    let plain = |option: &String| option.starts_with("--") && !LOADERS.contains(&option.split('=').next().unwrap_or(option));
    options.iter().all(plain).then_some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_does_not_pin_is_refused() {
        let lock = |entry: Value| json!({ "packages": { "": {}, "node_modules/a/node_modules/@corp/b": entry } });
        let settings = |registry: &str, scopes: &[(&str, &str)]| Npm {
            registry: registry.to_owned(),
            scopes: scopes.iter().map(|(scope, registry)| ((*scope).to_owned(), (*registry).to_owned())).collect(),
            file: String::new(),
        };
        let one = settings("http://127.0.0.1:1/", &[("@corp", "http://127.0.0.1:1")]);
        let good = json!({ "resolved": "http://127.0.0.1:1/a.tgz", "integrity": "sha512-x" });
        assert!(pinned(&lock(good.clone()), &one).is_ok());
        assert!(pinned(&lock(good), &settings("http://127.0.0.1:1", &[("@corp", "http://127.0.0.1:2")])).is_err());
        for bad in [
            json!({ "resolved": "http://127.0.0.1:2/a.tgz", "integrity": "sha512-x" }),
            json!({ "resolved": "http://127.0.0.1:1.evil.example/a.tgz", "integrity": "sha512-x" }),
            json!({ "resolved": "git+ssh://git@x/y", "integrity": "sha512-x" }),
            json!({ "resolved": "file:../a", "integrity": "sha512-x" }),
            json!({ "resolved": "http://127.0.0.1:1/a.tgz", "link": true, "integrity": "sha512-x" }),
            json!({ "resolved": "http://127.0.0.1:1/a.tgz" }),
            json!({ "resolved": "http://127.0.0.1:1/a.tgz", "integrity": "sha1-x" }),
            json!({ "integrity": "sha512-x" }),
        ] {
            assert!(pinned(&lock(bad.clone()), &one).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_node_runs_scripts_and_loads_nothing_more() {
        let read = |line: &str| options(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read("/usr/bin/env node"), Some(vec![]));
        assert_eq!(read("/usr/bin/env -S node --no-warnings"), Some(vec!["--no-warnings".to_owned()]));
        for refused in ["/bin/sh", "/usr/bin/env", "/usr/bin/env bash", "/usr/bin/env -S node --require=/x", "/usr/bin/node -e 1"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
