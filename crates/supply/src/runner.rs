//! Command lines of package runners, read strictly: which package of which registry they name, and what is run of it.
//!
//! `npx [-y] NAME[@VERSION] ARGUMENTS…`, `npx [-y] --package NAME[@VERSION] PROGRAM ARGUMENTS…`,
//! `uvx NAME[==VERSION] ARGUMENTS…` and `uvx --from NAME[==VERSION] PROGRAM ARGUMENTS…`. Whatever else a runner understands (other options,
//! version ranges, tags, git, addresses, files, aliases, extras) is refused: one version of one package of the registry is what can be pinned.

use crate::{Error, visible};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name, as npm has it.
const LONGEST: usize = 214;
/// Endings by which installers take a name for a file.
const FILES: [&str; 6] = [".tgz", ".tar", ".gz", ".zip", ".whl", ".bz2"];

/// Where packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// The registry of npm.
    Npm,
    /// The Python package index.
    Pypi,
}

impl Registry {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        }
    }

    /// What stands between a name and its version.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Npm => "@",
            Self::Pypi => "==",
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The version that a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None in particular: the newest one when it is locked.
    Newest,
    /// This one.
    Exact(String),
}

impl Wanted {
    /// Whether `version` is what is asked for.
    pub fn fits(&self, version: &str) -> bool {
        match self {
            Self::Newest => true,
            Self::Exact(wanted) => wanted == version,
        }
    }
}

/// What a package runner is told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Where the package is.
    pub registry: Registry,
    /// Its name.
    pub package: String,
    /// Its version.
    pub wanted: Wanted,
    /// The package's program; none: the one that bears its name.
    pub program: Option<String>,
    /// The program's arguments.
    pub arguments: Vec<String>,
}

impl Runner {
    /// The runner line that `run` is, if it is one.
    ///
    /// # Errors
    /// [`Error::Runner`]: the operator's, with what to write instead.
    pub fn parse(run: &[String]) -> Result<Option<Self>, Error> {
        let Some((program, arguments)) = run.split_first() else { return Ok(None) };
        match program.rsplit('/').next().unwrap_or_default() {
            "npx" => line(&NPX, arguments).map(Some),
            "uvx" => line(&UVX, arguments).map(Some),
            known @ ("bunx" | "pnpx" | "npm" | "pnpm" | "yarn" | "bun" | "deno") => Err(foreign(known, "npx -y NAME@VERSION ARGUMENTS")),
            known @ ("pipx" | "uv") => Err(foreign(known, "uvx NAME==VERSION ARGUMENTS")),
            known @ ("docker" | "podman") => Err(foreign(known, "the server's own executable, or npx or uvx with its package")),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} package {}", self.registry, self.package)?;
        match &self.wanted {
            Wanted::Newest => Ok(()),
            Wanted::Exact(version) => write!(out, "{}{version}", self.registry.mark()),
        }
    }
}

/// How one runner is written.
struct Grammar {
    name: &'static str,
    registry: Registry,
    /// Options that change nothing here.
    idle: &'static [&'static str],
    /// Options that name the package, so that the first word is its program.
    package: &'static [&'static str],
    form: &'static str,
}

const NPX: Grammar = Grammar {
    name: "npx",
    registry: Registry::Npm,
    idle: &["-y", "--yes"],
    package: &["--package", "-p"],
    form: "npx -y NAME@VERSION ARGUMENTS, or npx -y --package NAME@VERSION PROGRAM ARGUMENTS",
};
const UVX: Grammar = Grammar {
    name: "uvx",
    registry: Registry::Pypi,
    idle: &[],
    package: &["--from"],
    form: "uvx NAME==VERSION ARGUMENTS, or uvx --from NAME==VERSION PROGRAM ARGUMENTS",
};

fn line(grammar: &Grammar, words: &[String]) -> Result<Runner, Error> {
    let refused = |found: &str, why: &str| Error::Runner {
        found: format!("{} {}", grammar.name, visible(found)),
        why: why.to_owned(),
        instead: grammar.form.to_owned(),
    };
    let mut package: Option<&str> = None;
    let mut words = words.iter().map(String::as_str);
    let first = loop {
        let Some(word) = words.next() else { return Err(refused("", "it names no package or no program of it")) };
        if word == "--" {
            break words.next().ok_or_else(|| refused("--", "it names no package or no program of it"))?;
        }
        if !word.starts_with('-') {
            break word;
        }
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        if value.is_none() && grammar.idle.contains(&option) {
            continue;
        }
        if !grammar.package.contains(&option) {
            return Err(refused(option, "this option is not supported"));
        }
        let named = value.or_else(|| words.next()).ok_or_else(|| refused(option, "it names no package"))?;
        if package.replace(named).is_some() {
            return Err(refused(option, "only one package can be pinned"));
        }
    };
    let named = package.unwrap_or(first);
    let (name, wanted) = parse(grammar.registry, named).map_err(|why| refused(named, why))?;
    let program = package.is_some().then(|| first.to_owned());
    if program.as_deref().is_some_and(|program| !is_plain(program)) {
        return Err(refused(first, "this is not the name of a program"));
    }
    Ok(Runner { registry: grammar.registry, package: name.to_owned(), wanted, program, arguments: words.map(str::to_owned).collect() })
}

fn foreign(known: &str, instead: &str) -> Error {
    Error::Runner { found: known.to_owned(), why: "what it would fetch cannot be pinned".to_owned(), instead: instead.to_owned() }
}

/// Name and version of one package of a registry.
fn parse(registry: Registry, named: &str) -> Result<(&str, Wanted), &'static str> {
    let (name, version) = match registry {
        Registry::Npm => match named.char_indices().skip(1).find(|(_, letter)| *letter == '@') {
            Some((at, _)) => (named.get(..at).unwrap_or_default(), named.get(at + 1..)),
            None => (named, None),
        },
        Registry::Pypi => match named.split_once("==").or_else(|| named.split_once('@')) {
            Some((name, version)) => (name, Some(version)),
            None => (named, None),
        },
    };
    let fits = match registry {
        Registry::Npm => is_npm(name),
        Registry::Pypi => is_python(name),
    };
    if !fits || FILES.iter().any(|ending| name.ends_with(ending)) {
        return Err("this is not the name of a package in the registry, as git, addresses, files, aliases and extras are not");
    }
    match version {
        None | Some("latest") => Ok((name, Wanted::Newest)),
        Some(version) if is_version(registry, version) => Ok((name, Wanted::Exact(version.to_owned()))),
        Some(_) => Err("this is not one version: ranges and tags cannot be pinned. Name one, or none to lock the newest"),
    }
}

/// `name` or `@scope/name`, as validate-npm-package-name has it for new packages.
fn is_npm(name: &str) -> bool {
    let part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        part.bytes().all(letter) && part.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
    };
    let parts = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    };
    parts && name.len() <= LONGEST && name != "node_modules"
}

/// A name as in the core metadata specification of Python packages.
fn is_python(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = [name.bytes().next(), name.bytes().next_back()];
    name.len() <= LONGEST && name.bytes().all(letter) && ends.iter().all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
}

/// One version: `1.2.3`, `1.2.3-beta.1`, `2.0rc1`; no range, no tag.
fn is_version(registry: Registry, version: &str) -> bool {
    let marks: &[u8] = match registry {
        Registry::Npm => b".-+",
        Registry::Pypi => b".+!",
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let numbers = release.split('.').filter(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())).count();
    let whole = match registry {
        Registry::Npm => numbers == 3 && release.split('.').count() == 3,
        Registry::Pypi => version.bytes().next().is_some_and(|first| first.is_ascii_digit()),
    };
    whole && version.len() <= 64 && version.bytes().all(letter)
}

/// The bare name of a program.
fn is_plain(program: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    program.len() <= LONGEST && program.bytes().all(letter) && program.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Option<Runner>, Error> {
        Runner::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn lines_as_users_write_them_are_read() {
        type Case = (&'static [&'static str], &'static str, Option<&'static str>, &'static [&'static str]);
        let cases: [Case; 11] = [
            (&["npx", "-y", "@a/b@1.2.3", "/home"], "npm package @a/b@1.2.3", None, &["/home"]),
            (&["/opt/node/bin/npx", "--yes", "b", "-v"], "npm package b", None, &["-v"]),
            (&["npx", "b@latest", "--", "x"], "npm package b", None, &["--", "x"]),
            (&["npx", "-y", "--", "b@1.2.3-rc.1"], "npm package b@1.2.3-rc.1", None, &[]),
            (&["npx", "--package", "@a/b", "cmd", "-y"], "npm package @a/b", Some("cmd"), &["-y"]),
            (&["npx", "--package=b@1.0.0", "-y", "--", "cmd"], "npm package b@1.0.0", Some("cmd"), &[]),
            (&["npx", "-p", "b", "cmd"], "npm package b", Some("cmd"), &[]),
            (
                &["uvx", "mcp-server-time==2026.10.19", "--local-timezone=UTC"],
                "pypi package mcp-server-time==2026.10.19",
                None,
                &["--local-timezone=UTC"],
            ),
            (&["uvx", "a@1.2"], "pypi package a==1.2", None, &[]),
            (&["uvx", "a@latest"], "pypi package a", None, &[]),
            (&["uvx", "--from", "A_b==1!2.0rc1", "cmd", "x"], "pypi package A_b==1!2.0rc1", Some("cmd"), &["x"]),
        ];
        for (words, shown, program, arguments) in cases {
            let runner = read(words).unwrap().unwrap();
            assert_eq!((runner.to_string().as_str(), runner.program.as_deref()), (shown, program), "{words:?}");
            assert_eq!(runner.arguments, arguments, "{words:?}");
        }
        assert!(read(&["node", "/x.js"]).unwrap().is_none() && read(&[]).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_pinned_is_refused_with_what_to_write() {
        let refused: [&[&str]; 34] = [
            &["npx"],
            &["npx", "-y"],
            &["npx", "-c", "x"],
            &["npx", "--call=x"],
            &["npx", "--registry", "http://x", "b"],
            &["npx", "--yes=false", "b"],
            &["npx", "--package", "a", "--package", "b", "c"],
            &["npx", "--package", "a"],
            &["npx", "--package", "a", "../c"],
            &["npx", "./b"],
            &["npx", "/b"],
            &["npx", "../b"],
            &["npx", "a/b"],
            &["npx", "file:b"],
            &["npx", "git+https://x/y"],
            &["npx", "https://x/y.tgz"],
            &["npx", "y.tgz"],
            &["npx", "a@npm:b@1.0.0"],
            &["npx", "a@^1.0.0"],
            &["npx", "a@1"],
            &["npx", "a@next"],
            &["npx", "a@"],
            &["npx", "@a"],
            &["npx", "A"],
            &["npx", ".a"],
            &["uvx", "--with", "x", "a"],
            &["uvx", "--from", "git+https://x/y", "a"],
            &["uvx", "a[cli]"],
            &["uvx", "a>=1"],
            &["uvx", "a @ https://x"],
            &["uvx", "a==*"],
            &["uvx", "a.whl"],
            &["bunx", "a"],
            &["pipx", "run", "a"],
        ];
        for words in refused {
            let fault = read(words).unwrap_err().to_string();
            assert!(fault.contains("write `"), "{words:?}: {fault}");
        }
        let fault = read(&["npx", "--registry=http://x", "b"]).unwrap_err().to_string();
        assert!(fault.contains("`npx --registry`") && !fault.contains("http"), "{fault}");
    }
}
