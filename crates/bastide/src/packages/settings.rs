//! What the user's `.npmrc` and `pip.conf` say of registries: a few keys, read here. The installers themselves read none of these files.
//!
//! A key is read as its owner reads it: a variable of the environment wins, then the user's file, then the machine's. Everything else in the files
//! is left alone. A file that others than its owner, us and root may write is refused, since it says where programs come from.

use super::Error;
use rustix::process::geteuid;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The most of one file, in bytes.
const MOST: u64 = 64 * 1024;
/// The registry of npm where nobody names one.
const NPM: &str = "https://registry.npmjs.org/";
/// The keys of `.npmrc` that are handed on as they are.
const HANDED: [&str; 4] = ["cafile", "proxy", "https-proxy", "noproxy"];
/// What a registry's own keys in `.npmrc` end with.
const CREDENTIALS: [&str; 4] = [":_authtoken", ":_auth", ":username", ":_password"];

/// Where npm looks, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Npm {
    /// The one registry of the whole tree.
    pub(super) registry: String,
    /// Registries of scopes: none of their packages may come from another one.
    pub(super) scopes: BTreeMap<String, String>,
    /// The configuration for npm, credentials included.
    pub(super) file: String,
}

/// Where pip looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pip {
    /// Variables for pip: of the index, its authority, and its proxy, each where the files name one and the environment does not.
    pub(super) variables: Vec<(&'static str, String)>,
}

/// Reads a variable of the environment; an empty one is none.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Npm {
    /// For `package`, which `node` will run.
    pub(super) fn read(package: &str, node: &Path, variable: Variable<'_>) -> Result<Self, Error> {
        let set = |name: &str| [name.to_owned(), name.to_uppercase()].iter().find_map(|name| variable(name)).filter(|set| !set.is_empty());
        let own = set("npm_config_userconfig").map(PathBuf::from).or_else(|| Some(home(variable)?.join(".npmrc")));
        // As npm has it: beside the folder of node.
        let shared = node.parent().and_then(Path::parent).map(|prefix| prefix.join("etc/npmrc"));
        let mut keys = BTreeMap::new();
        for path in [shared, own].into_iter().flatten() {
            keys.extend(npmrc(&path, &text(&path)?, variable)?);
        }
        let scopes: BTreeMap<String, String> =
            keys.iter().filter_map(|(key, value)| Some((key.strip_suffix(":registry")?.to_owned(), value.clone()))).collect();
        let scope = scope(package).and_then(|scope| scopes.get(scope));
        let named = scope.cloned().or_else(|| set("npm_config_registry")).or_else(|| keys.get("registry").cloned());
        let registry = named.unwrap_or_else(|| NPM.to_owned());
        let host = registry.split_once(':').map(|(_, rest)| rest.trim_end_matches('/')).unwrap_or_default();
        let is_of_registry = |key: &str| {
            let owner = CREDENTIALS.iter().find_map(|end| key.to_ascii_lowercase().strip_suffix(end).map(str::len));
            let owner = owner.and_then(|length| key.get(..length)).map(|owner| owner.trim_end_matches('/'));
            owner.is_some_and(|owner| {
                owner.len() > 2 && (host == owner || host.strip_prefix(owner).is_some_and(|rest| rest.starts_with('/')))
            })
        };
        let handed = keys.iter().filter(|(key, _)| HANDED.contains(&key.as_str()) || is_of_registry(key));
        let mut file = format!("registry={registry}\n");
        handed.for_each(|(key, value)| file.push_str(&format!("{key}={value}\n")));
        Ok(Self { registry, scopes, file })
    }

    /// Whether a package named `name` has another registry than the tree.
    pub(super) fn is_foreign(&self, name: &str) -> bool {
        let own = scope(name).and_then(|scope| self.scopes.get(scope));
        own.is_some_and(|own| own.trim_end_matches('/') != self.registry.trim_end_matches('/'))
    }
}

impl Pip {
    /// For any package.
    pub(super) fn read(variable: Variable<'_>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|set| !set.is_empty());
        let home = home(variable);
        let places = match set("PIP_CONFIG_FILE") {
            Some(path) => vec![PathBuf::from(path)],
            None => {
                let configuration = set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(home.clone()?.join(".config")));
                let legacy = home.map(|home| home.join(".pip/pip.conf"));
                let own = configuration.map(|folder| folder.join("pip/pip.conf"));
                [Some(PathBuf::from("/etc/pip.conf")), legacy, own].into_iter().flatten().collect()
            }
        };
        let mut keys: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
        for path in places.iter().filter(|path| *path != Path::new("/dev/null")) {
            keys.extend(pip_conf(&text(path)?).into_iter().map(|(key, value)| (key, (value, path.clone()))));
        }
        for (key, name) in [("extra-index-url", "PIP_EXTRA_INDEX_URL"), ("find-links", ""), ("no-index", "")] {
            let (value, place) = match (variable(name), keys.get(key)) {
                (Some(value), _) => (value, name.to_owned()),
                (None, Some((value, path))) => (value.clone(), format!("`{key}` of {}", path.display())),
                (None, None) => continue,
            };
            if !value.is_empty() {
                return Err(Error::Settings {
                    place,
                    why: "says that a name may come from several places, which nobody could review",
                    next: NEXT,
                });
            }
        }
        let named = [("index-url", "PIP_INDEX_URL"), ("cert", "PIP_CERT"), ("proxy", "PIP_PROXY")];
        let wanted = named.into_iter().filter(|(_, name)| set(name).is_none());
        let variables = wanted.filter_map(|(key, name)| Some((name, keys.get(key)?.0.clone()))).collect();
        Ok(Self { variables })
    }
}

/// What to do about a file that names several indexes.
const NEXT: &str = "name the one index that has all of it as PIP_INDEX_URL, and set PIP_CONFIG_FILE=/dev/null";

fn home(variable: Variable<'_>) -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The scope of an npm package's name, with its `@`.
fn scope(name: &str) -> Option<&str> {
    name.split_once('/').map(|(scope, _)| scope).filter(|scope| scope.starts_with('@'))
}

/// The text of a file, which may be missing.
fn text(path: &Path) -> Result<String, Error> {
    let refused = |why| Error::Settings { place: path.display().to_string(), why, next: "mend it, or remove it" };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(_) => return Err(refused("cannot be read")),
    };
    let found = file.metadata()?;
    let ours = [0, geteuid().as_raw()].contains(&found.uid());
    if !found.is_file() || !ours || found.mode() & 0o022 != 0 {
        return Err(refused("may be written by others, and it says where programs come from"));
    }
    let mut text = String::new();
    if found.len() > MOST || (&mut file).take(MOST).read_to_string(&mut text).is_err() {
        return Err(refused("is not a text of at most 64 KiB"));
    }
    Ok(text)
}

/// The keys of an `.npmrc`: lines of `key = value`, up to the first section; `${NAME}` in a value stands for that variable.
fn npmrc(path: &Path, text: &str, variable: Variable<'_>) -> Result<BTreeMap<String, String>, Error> {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let pairs = lines.filter(|line| !line.starts_with(['#', ';'])).filter_map(|line| line.split_once('='));
    let mut keys = BTreeMap::new();
    for (key, value) in pairs {
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        let wanted = key == "registry" || key.starts_with("//") || key.ends_with(":registry") || HANDED.contains(&key);
        if !wanted || value.is_empty() {
            continue;
        }
        let why = "names a variable that is not set";
        let value = filled(value, variable).ok_or_else(|| Error::Settings {
            place: format!("`{}` of {}", supply::visible(key), path.display()),
            why,
            next: "set it for the process that locks",
        })?;
        keys.insert(key.to_owned(), value);
    }
    Ok(keys)
}

/// `value` with `${NAME}` replaced; none where one is not set.
fn filled(value: &str, variable: Variable<'_>) -> Option<String> {
    let mut parts = value.split("${");
    let mut whole = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        whole.push_str(&variable(name)?);
        whole.push_str(rest);
    }
    Some(whole)
}

/// The keys of a `pip.conf` that are for installing: `[install]` before `[global]`; a value goes on in indented lines.
fn pip_conf(text: &str) -> BTreeMap<String, String> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut section, mut last) = (String::new(), None);
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, last) = (name.trim().to_owned(), None);
        } else if line.starts_with([' ', '\t'])
            && let Some(key) = &last
        {
            let value = sections.entry(section.clone()).or_default().entry(String::clone(key)).or_default();
            *value = format!("{value} {trimmed}").trim().to_owned();
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            sections.entry(section.clone()).or_default().insert(key.clone(), value.trim().to_owned());
            last = Some(key);
        }
    }
    let mut keys = sections.remove("global").unwrap_or_default();
    keys.extend(sections.remove("install").unwrap_or_default());
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::os::unix::fs::PermissionsExt as _;

    struct Home {
        folder: tempfile::TempDir,
        variables: HashMap<String, String>,
    }

    impl Home {
        fn with(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            let mut all: HashMap<_, _> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            all.insert("HOME".to_owned(), folder.path().display().to_string());
            Self { folder, variables: all }
        }

        fn npm(&self, package: &str) -> Result<Npm, Error> {
            Npm::read(package, &self.folder.path().join("node/bin/node"), &|name| self.variables.get(name).cloned())
        }

        fn pip(&self) -> Result<Pip, Error> {
            Pip::read(&|name| self.variables.get(name).cloned())
        }
    }

    #[test]
    fn npm_is_told_of_one_registry_and_of_its_credentials_alone() {
        let file = "; mine\nregistry = https://npm.example/r/\n@corp:registry=https://corp.example/\n//npm.example/r/:_authToken=${TOKEN}\n\
                    //npm.example/:_auth=abc\n//evil.example/:_authToken=other\n//npm.example.evil/:_auth=x\nscript-shell=/bin/evil\ncafile=\"/ca.pem\"\n";
        let home = Home::with(&[(".npmrc", file)], &[("TOKEN", "t0ken")]);
        let npm = home.npm("left-pad").unwrap();
        let told = "registry=https://npm.example/r/\n//npm.example/:_auth=abc\n//npm.example/r/:_authToken=t0ken\ncafile=/ca.pem\n";
        assert_eq!((npm.registry.as_str(), npm.file.as_str()), ("https://npm.example/r/", told));
        assert!(npm.is_foreign("@corp/x") && !npm.is_foreign("@other/x") && !npm.is_foreign("corp"));
        let corp = home.npm("@corp/server").unwrap();
        assert_eq!(
            (corp.registry.as_str(), corp.file.as_str()),
            ("https://corp.example/", "registry=https://corp.example/\ncafile=/ca.pem\n")
        );
        let wins = Home::with(&[(".npmrc", "registry=https://a.example"), ("node/etc/npmrc", "registry=https://b.example")], &[]);
        assert_eq!(wins.npm("x").unwrap().registry, "https://a.example");
        let set = Home::with(&[(".npmrc", "registry=https://a.example")], &[("npm_config_registry", "https://c.example")]);
        assert_eq!(set.npm("x").unwrap().registry, "https://c.example");
        assert_eq!(Home::with(&[], &[]).npm("x").unwrap().registry, NPM);
    }

    #[test]
    fn pip_is_told_of_one_index() {
        let file = "[global]\nindex_url = https://a.example/simple\ncert: /ca.pem\n[install]\nindex-url = https://b.example/simple\n[other]\nproxy = x\n";
        let home = Home::with(&[(".config/pip/pip.conf", file), (".pip/pip.conf", "[global]\nproxy = http://p.example\n")], &[]);
        let told = [("PIP_INDEX_URL", "https://b.example/simple"), ("PIP_CERT", "/ca.pem"), ("PIP_PROXY", "http://p.example")];
        assert_eq!(home.pip().unwrap().variables, told.map(|(name, value)| (name, value.to_owned())));
        let set = Home::with(&[(".config/pip/pip.conf", file)], &[("PIP_INDEX_URL", "https://c.example")]);
        assert!(!set.pip().unwrap().variables.iter().any(|(name, _)| *name == "PIP_INDEX_URL"));
        for several in ["[global]\nextra-index-url =\n  https://x.example\n", "[install]\nfind-links=/opt\n", "[global]\nno-index = true\n"]
        {
            assert!(matches!(Home::with(&[(".config/pip/pip.conf", several)], &[]).pip(), Err(Error::Settings { .. })), "{several}");
        }
        let named = [("PIP_EXTRA_INDEX_URL", "https://x.example")];
        assert!(Home::with(&[], &named).pip().is_err());
        let aside = [("PIP_CONFIG_FILE", "/dev/null")];
        assert_eq!(Home::with(&[(".config/pip/pip.conf", file)], &aside).pip().unwrap(), Pip::default());
    }

    #[test]
    fn a_file_that_others_may_write_or_that_cannot_be_understood_is_refused() {
        for (text, mode, good) in
            [("registry=x", 0o644, true), ("registry=x", 0o620, false), ("registry=x", 0o602, false), ("registry=${NO}", 0o600, false)]
        {
            let home = Home::with(&[(".npmrc", text)], &[]);
            std::fs::set_permissions(home.folder.path().join(".npmrc"), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(home.npm("x").is_ok(), good, "{text} {mode:o}");
        }
        assert!(Home::with(&[(".npmrc", &"#".repeat(100_000))], &[]).npm("x").is_err());
    }
}
