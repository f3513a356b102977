//! What is executed behind a command line: the file that starts, and the package tree that it runs from. The line of a package runner stands for
//! the package that it was resolved to when it was locked.

use gateway::doors::{Contents, Found};
use parking_lot::Mutex;
use sandbox::podman::{Engine, Reference};
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};
use store::{Fingerprint, fingerprint, opened_digest, opened_fingerprint, tree_digest};
use supply::{Content, Digest, Package};

/// Programs that read other programs.
const INTERPRETERS: [&str; 8] = ["node", "nodejs", "python", "python3", "deno", "bun", "ruby", "perl"];
/// Programs that run whatever they are told.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "fish", "env", "busybox", "sudo"];

/// Keeps Python from writing compiled modules into the tree that was approved. They count in its digest like every other file, since Python
/// would run what anyone else put there. Control: `runtime.environment`.
const STEADY_PYTHON: [(&str, &str); 1] = [("PYTHONDONTWRITEBYTECODE", "1")];

/// Options of interpreters that run code from the command line or load more of it.
pub const LOADERS: [&str; 13] =
    ["-c", "-e", "-r", "-p", "-i", "-E", "--eval", "--print", "--require", "--import", "--loader", "--experimental-loader", "--preload"];
/// Files that stand at the root of a project.
const MANIFESTS: [&str; 6] = ["package.json", "pyproject.toml", "setup.py", "deno.json", "Gemfile", "cpanfile"];
/// Folders that belong to no single server.
const SHARED: [&str; 9] = ["/", "/tmp", "/var/tmp", "/home", "/root", "/bin", "/usr/bin", "/usr/local/bin", "/opt"];

/// What was read of a file or tree, and in which state it was then.
#[derive(Clone)]
struct Known {
    fingerprint: Fingerprint,
    digest: Digest,
    entries: u64,
    bytes: u64,
}

/// Looks contents up in the file system; what did not change since is not read again.
#[derive(Default)]
pub struct FileContents {
    /// Where the trees of packages are.
    packages: PathBuf,
    private: Vec<PathBuf>,
    /// The state folder.
    state: PathBuf,
    engine: OnceLock<Arc<Engine>>,
    known: Mutex<HashMap<PathBuf, Known>>,
}

impl Contents for FileContents {
    fn of(&self, command: &[String], installed: Option<&Content>) -> Result<Found, String> {
        if supply::Runner::parse(command).map_err(|cause| cause.to_string())?.is_some() {
            return match installed {
                Some(Content::Package(package)) if package.run == command => self.package(package),
                Some(_) | None => Err("its package was not installed: bastide lock".to_owned()),
            };
        }
        let (program, arguments) = command.split_first().ok_or("`run` is empty")?;
        let path = sandbox::program_lookup(program).map_err(|cause| cause.to_string())?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if SHELLS.contains(&name) {
            return Err(format!("`{name}` runs whatever it is told: name the server's own executable in `run`"));
        }
        let (digest, image) = self.opened(&path)?;
        let mut needs = vec![path.clone()];
        needs.extend(interpreter(&path));
        let shown = path.to_string_lossy().into_owned();
        let content = match self.root(&path, &real(&path)?, arguments)? {
            None => Content::Executable { path: shown, digest, arguments: arguments.to_vec() },
            Some(root) => {
                let Known { digest: tree, entries: files, .. } = self.digest(&root)?;
                needs.push(root.clone());
                needs.extend(["bin/python3", "bin/python"].into_iter().find_map(|name| prefix(&root.join(name))));
                let root = root.to_string_lossy().into_owned();
                Content::Tree { path: shown, digest, arguments: arguments.to_vec(), root, tree, files }
            }
        };
        let (arguments, private) = (arguments.to_vec(), self.private.clone());
        Ok(Found { content, program: path, arguments, image, needs, lent: Vec::new(), private, engine: None })
    }

    fn image(&self, image: &Reference, arguments: &[String]) -> Result<Found, String> {
        let engine = self.engine().map_err(|cause| told(&cause))?;
        engine.has(image).map_err(|cause| told(&cause))?;
        let program = engine.program().to_owned();
        let about = program.metadata().map_err(|cause| format!("{}: {cause}", program.display()))?;
        Ok(Found {
            content: Content::Image { image: image.as_str().to_owned(), arguments: arguments.to_vec() },
            program,
            arguments: arguments.to_vec(),
            image: sandbox::Image::of(&about),
            needs: Vec::new(),
            lent: Vec::new(),
            private: self.private.clone(),
            engine: Some(engine),
        })
    }

    fn steadying(&self, content: &Content) -> &'static [(&'static str, &'static str)] {
        match content {
            Content::Tree { root, .. } | Content::Package(Package { root, .. }) if is_environment(Path::new(root)) => &STEADY_PYTHON,
            Content::Tree { .. } | Content::Package(_) | Content::Executable { .. } | Content::Image { .. } | Content::Remote { .. } => &[],
        }
    }
}

impl FileContents {
    /// Knows nothing yet; packages are installed in `packages`, `private` is what no server may reach, and `state` is the state folder.
    pub fn new(packages: PathBuf, private: Vec<PathBuf>, state: PathBuf) -> Self {
        Self { packages, private, state, engine: OnceLock::new(), known: Mutex::default() }
    }

    /// Podman, once it was found.
    ///
    /// # Errors
    /// As [`Engine::find`].
    pub fn engine(&self) -> Result<Arc<Engine>, sandbox::Error> {
        if let Some(engine) = self.engine.get() {
            return Ok(Arc::clone(engine));
        }
        let text = |value: OsString| value.into_string().ok();
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
        let engine = Arc::new(Engine::find(&self.state, variables)?);
        Ok(Arc::clone(self.engine.get_or_init(|| engine)))
    }

    /// What would be executed for an installed package: as it says, with the digests that its program and its tree have now.
    ///
    /// # Errors
    /// A sentence when that is not a tree that we alone reach and nobody writes to, or cannot be read.
    pub fn package(&self, package: &Package) -> Result<Found, String> {
        let root = Path::new(&package.root);
        let own = |path: &Path, refused: u32| {
            let found = path.symlink_metadata().map_err(|cause| format!("{}: {cause}", path.display()))?;
            let fits = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & refused == 0;
            if fits { Ok(()) } else { Err(format!("{} is not ours, or others can reach or write to it", path.display())) }
        };
        own(&self.packages, 0o077)?;
        own(root, 0o222)?;
        if root.parent() != Some(&self.packages) {
            return Err(format!("{} is no package of this state folder", root.display()));
        }
        let program = PathBuf::from(&package.path);
        let (digest, image) = self.opened(&program)?;
        let Known { digest: tree, entries: files, bytes, .. } = self.digest(root)?;
        let mut needs = interpreter(&program);
        if !program.starts_with(root) {
            needs.push(program.clone());
        }
        needs.extend(prefix(&root.join("bin/python")));
        let content = Content::Package(Package { digest, tree, files, bytes, ..package.clone() });
        let arguments = package.arguments.clone();
        Ok(Found { content, program, arguments, image, needs, lent: vec![root.to_owned()], private: self.private.clone(), engine: None })
    }

    /// The digest of a program, and which file it was of: opened once.
    fn opened(&self, path: &Path) -> Result<(Digest, sandbox::Image), String> {
        let unread = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
        let file = std::fs::File::open(path).map_err(|cause| unread(&cause))?;
        let image = sandbox::Image::of(&file.metadata().map_err(|cause| unread(&cause))?);
        let now = opened_fingerprint(&file, path).map_err(|cause| cause.to_string())?;
        if let Some(known) = self.known.lock().get(path).filter(|known| known.fingerprint == now) {
            return Ok((known.digest, image));
        }
        let read = opened_digest(&file, path).map_err(|cause| cause.to_string())?;
        let digest = Digest::from_bytes(*read.digest.as_bytes());
        self.known.lock().insert(path.to_owned(), Known { fingerprint: read.fingerprint, digest, entries: 1, bytes: read.bytes });
        Ok((digest, image))
    }

    fn digest(&self, path: &Path) -> Result<Known, String> {
        let now = fingerprint(path).map_err(|cause| cause.to_string())?;
        if let Some(known) = self.known.lock().get(path).filter(|known| known.fingerprint == now) {
            return Ok(known.clone());
        }
        let tree = tree_digest(path).map_err(|cause| cause.to_string())?;
        let digest = Digest::from_bytes(*tree.digest.as_bytes());
        let entries = u64::try_from(tree.entries).unwrap_or(u64::MAX);
        let known = Known { fingerprint: tree.fingerprint, digest, entries, bytes: tree.bytes };
        self.known.lock().insert(path.to_owned(), known.clone());
        Ok(known)
    }

    /// The package tree: of the script that an interpreter is given, else of the program itself.
    fn root(&self, path: &Path, resolved: &Path, arguments: &[String]) -> Result<Option<PathBuf>, String> {
        let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_interpreter(stem) {
            return Ok(environment(path).or_else(|| package(resolved)));
        }
        let options = arguments.iter().take_while(|argument| argument.starts_with('-'));
        if let Some(option) = options.map(|option| option.split('=').next().unwrap_or(option)).find(|option| LOADERS.contains(option)) {
            return Err(format!("`{stem} {option}` runs code that is in no package: name the server's script by its absolute path"));
        }
        let script = arguments.iter().find(|argument| !argument.starts_with('-')).map(Path::new);
        match script.filter(|script| script.is_absolute() && script.is_file()) {
            Some(script) => project(&real(script)?).map(Some),
            None => environment(path).map(Some).ok_or_else(|| {
                format!("`{stem}` is an interpreter: name the server's script by its absolute path, so that it can be pinned")
            }),
        }
    }
}

/// A fault with its causes, in a sentence.
fn told(fault: &sandbox::Error) -> String {
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
    supply::visible(&format!("{fault}{cause}"))
}

fn is_interpreter(stem: &str) -> bool {
    INTERPRETERS.iter().any(|known| {
        stem == *known || stem.strip_prefix(known).is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.'))
    })
}

/// What an interpreter needs of where it is installed: `path` itself, or the one that a script names in its first line.
fn interpreter(path: &Path) -> Vec<PathBuf> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_interpreter);
    if name(path) {
        return prefix(path).into_iter().collect();
    }
    let Some(named) = first_line(path).filter(|named| named.exists()) else { return Vec::new() };
    let prefix = if name(&named) { prefix(&named) } else { None };
    std::iter::once(named).chain(prefix).collect()
}

/// The program that a script is run by (execve(2), "Interpreter scripts").
fn first_line(path: &Path) -> Option<PathBuf> {
    use std::io::Read as _;
    const LONGEST: u64 = 256;
    let mut line = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut line).ok()?;
    let text = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = std::str::from_utf8(text).ok()?.split_ascii_whitespace().next()?;
    Some(PathBuf::from(word)).filter(|path| path.is_absolute())
}

/// Where an interpreter is installed: the folder above the `bin` that it really lies in, unless others share it.
fn prefix(path: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(path).ok()?;
    let bin = real.parent().filter(|folder| folder.ends_with("bin"))?;
    let prefix = bin.parent().filter(|prefix| prefix.join("lib").is_dir())?;
    let home = std::env::var_os("HOME").is_some_and(|home| prefix == Path::new(&home));
    (!home && !SHARED.iter().any(|shared| prefix == Path::new(shared))).then(|| prefix.to_owned())
}

/// What a script is run from and may load: its package or environment, the folder of its project's manifest, else its own folder.
fn project(script: &Path) -> Result<PathBuf, String> {
    let manifest = |folder: &&Path| MANIFESTS.iter().any(|name| folder.join(name).is_file());
    let own = script.parent().unwrap_or_else(|| Path::new("/"));
    let found = package(script).or_else(|| script.ancestors().skip(1).take(4).find(manifest).map(Path::to_path_buf));
    let root = found.unwrap_or_else(|| own.to_owned());
    let home = std::env::var_os("HOME").is_some_and(|home| root == Path::new(&home));
    if home || SHARED.iter().any(|folder| root == Path::new(folder)) {
        return Err(format!(
            "{} lies among other things in {}: put the server into a folder of its own, so that it can be pinned",
            script.display(),
            root.display()
        ));
    }
    Ok(root)
}

fn real(path: &Path) -> Result<PathBuf, String> {
    std::fs::canonicalize(path).map_err(|cause| format!("{}: {cause}", path.display()))
}

/// The outermost `node_modules` that a file is in, or the Python environment.
fn package(file: &Path) -> Option<PathBuf> {
    let mut root = PathBuf::new();
    for part in file.components() {
        root.push(part);
        if part == Component::Normal("node_modules".as_ref()) {
            return Some(root);
        }
    }
    environment(file)
}

/// The Python virtual environment that a file is in.
fn environment(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).take(4).find(|folder| is_environment(folder)).map(Path::to_path_buf)
}

fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fetches_or_obeys_is_refused() {
        for program in ["env", "sh"] {
            let refused = FileContents::default().of(&[program.to_owned(), "x".to_owned()], None);
            assert!(refused.is_err(), "{program}");
        }
    }

    #[test]
    fn a_changed_byte_is_another_content() {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("node_modules/server");
        std::fs::create_dir_all(&modules).unwrap();
        let script = modules.join("index.js");
        std::fs::write(&script, "1").unwrap();
        let contents = FileContents::default();
        let command = ["/bin/cat".to_owned(), script.to_string_lossy().into_owned()];
        let node = ["/usr/bin/env".to_owned()];
        assert!(contents.of(&node, None).is_err());
        assert!(matches!(contents.of(&command, None).unwrap().content, Content::Executable { .. }));
        assert_eq!(package(&script).unwrap(), folder.path().join("node_modules"));
    }

    #[test]
    fn a_python_environment_is_pinned_whole_and_kept_from_writing_into_itself() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for made in ["bin", "lib/__pycache__"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        std::fs::write(root.join("pyvenv.cfg"), "").unwrap();
        std::fs::copy("/bin/cat", root.join("bin/server")).unwrap();
        let contents = FileContents::default();
        let command = [root.join("bin/server").to_string_lossy().into_owned()];
        let before = contents.of(&command, None).unwrap().content;
        assert_eq!(contents.steadying(&before), [("PYTHONDONTWRITEBYTECODE", "1")]);
        std::fs::write(root.join("lib/__pycache__/server.cpython-313.pyc"), "hidden").unwrap();
        assert_ne!(contents.of(&command, None).unwrap().content, before);
    }

    #[test]
    fn what_a_script_may_load_is_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (script, beside) = (folder.path().join("main.py"), folder.path().join("lib.py"));
        std::fs::write(&script, "import lib").unwrap();
        std::fs::write(&beside, "1").unwrap();
        let command = ["/usr/bin/python3".to_owned(), script.to_string_lossy().into_owned()];
        if !Path::new("/usr/bin/python3").exists() {
            return;
        }
        let contents = FileContents::default();
        let before = contents.of(&command, None).unwrap().content;
        std::fs::write(&beside, "22").unwrap();
        assert_ne!(contents.of(&command, None).unwrap().content, before);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for refused in [&["/usr/bin/python3", "-c", "1"][..], &["/usr/bin/python3", "-m", "http.server"], &["/usr/bin/python3", "main.py"]]
        {
            assert!(contents.of(&words(refused), None).is_err(), "{refused:?}");
        }
    }
}
