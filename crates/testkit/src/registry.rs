//! A registry of packages on loopback, in the words of npm and of PyPI. It serves what it is told to, hostile archives too.

use crate::{layers, process};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Makes a wheel, a ZIP file, of a JSON object of names and texts.
const ZIP: &str = "
import io, json, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, 'w') as made:
    for name, text in json.load(sys.stdin).items(): made.writestr(name, text)
sys.stdout.buffer.write(out.getvalue())
";

/// A registry that answers until the test ends.
#[derive(Clone, Debug)]
pub struct Registry {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    files: HashMap<String, Vec<u8>>,
    packages: HashMap<String, Value>,
    asked: usize,
    shown: Vec<String>,
}

impl Registry {
    /// An empty one, on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let registry = Self { address: listener.local_addr().expect("an address"), shelf: Arc::default() };
        let shelf = Arc::clone(&registry.shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&shelf);
                std::thread::spawn(move || answer(stream, &shelf));
            }
        });
        registry
    }

    /// What `command` needs in its environment to ask this registry and no other.
    pub fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        Self::untold(command)
            .env("npm_config_registry", self.url(""))
            .env("PIP_INDEX_URL", self.url("simple/"))
            .env("PIP_CONFIG_FILE", "/dev/null")
    }

    /// `command` without what the environment of the tests says of registries, so that it has the files of its home alone.
    pub fn untold(command: &mut Command) -> &mut Command {
        for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"] {
            command.env_remove(name);
        }
        command
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.shelf.lock().expect("a shelf").asked
    }

    /// The credentials that it was shown, as `Authorization` says them.
    pub fn shown(&self) -> Vec<String> {
        self.shelf.lock().expect("a shelf").shown.clone()
    }

    /// Serves `bytes` at `path`.
    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.shelf.lock().expect("a shelf").files.insert(path.to_owned(), bytes);
    }

    /// Publishes a version of an npm package, from then on the newest: `manifest` is what its `package.json` says besides name and version, and
    /// `files` are the entries of its archive, by path. Entries are under `package/` unless they begin with `/`, which stands for the archive's root.
    pub fn npm(&self, name: &str, version: &str, manifest: Value, files: &[(&str, &str)]) {
        let mut whole = json!({ "name": name, "version": version });
        for (key, value) in manifest.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        let text = whole.to_string();
        let mut entries = vec![("package/package.json".to_owned(), text.as_bytes())];
        entries.extend(files.iter().map(|(path, text)| {
            let path = path.strip_prefix('/').map_or_else(|| format!("package/{path}"), str::to_owned);
            (path, text.as_bytes())
        }));
        let archive = gzip(&tar(&entries));
        self.npm_archive(&whole, archive);
    }

    /// Publishes the npm package that lies in a folder, as `tar` packs it.
    pub fn npm_folder(&self, folder: &std::path::Path) {
        let manifest = std::fs::read(folder.join("package.json")).expect("a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest");
        let mut command = Command::new("tar");
        command.args(["--exclude=./node_modules", "--transform=s,^\\.,package,", "-czf", "-", "."]).current_dir(folder);
        let archive = process::run(&mut command, b"").stdout;
        self.npm_archive(&manifest, archive);
    }

    fn npm_archive(&self, manifest: &Value, archive: Vec<u8>) {
        let (name, version) = (manifest["name"].as_str().expect("a name"), manifest["version"].as_str().expect("a version"));
        let path = format!("{name}/-/{version}.tgz");
        let mut entry = manifest.clone();
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(&archive)));
        entry["dist"] = json!({ "tarball": self.url(&path), "integrity": integrity });
        self.put(&path, archive);
        let mut shelf = self.shelf.lock().expect("a shelf");
        let whole = shelf.packages.entry(name.to_owned()).or_insert_with(|| json!({ "name": name, "dist-tags": {}, "versions": {} }));
        whole["dist-tags"]["latest"] = version.into();
        whole["versions"][version] = entry;
    }

    /// Changes what it says of the newest version of an npm package.
    pub fn npm_edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut shelf = self.shelf.lock().expect("a shelf");
        let whole = shelf.packages.get_mut(name).expect("a package");
        let newest = whole["dist-tags"]["latest"].as_str().expect("a version").to_owned();
        edit(&mut whole["versions"][newest]);
    }

    /// Publishes a wheel of pure Python: `files` by path, its metadata with `requires` added, and a program `name` that calls `entry`.
    pub fn wheel(&self, name: &str, version: &str, requires: &[&str], entry: Option<&str>, files: &[(&str, &str)]) {
        let module = name.replace('-', "_");
        let about = format!("{module}-{version}.dist-info");
        let requires: String = requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
        let mut all: Vec<(String, String)> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        all.push((format!("{about}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")));
        all.push((
            format!("{about}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: testkit\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ));
        if let Some(entry) = entry {
            all.push((format!("{about}/entry_points.txt"), format!("[console_scripts]\n{name} = {entry}\n")));
        }
        let record: String = all.iter().map(|(path, _)| format!("{path},,\n")).collect();
        all.push((format!("{about}/RECORD"), format!("{record}{about}/RECORD,,\n")));
        let object: serde_json::Map<String, Value> = all.into_iter().map(|(path, text)| (path, text.into())).collect();
        let made = process::run(Command::new("/usr/bin/python3").args(["-c", ZIP]), Value::Object(object).to_string().as_bytes());
        self.archive(name, &format!("{module}-{version}-py3-none-any.whl"), made.stdout);
    }

    /// Publishes a source archive of a Python project, which a client would build with nothing else at hand: `backend` is the code that it would run.
    pub fn source(&self, name: &str, version: &str, backend: &str) {
        const PROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
        let folder = format!("{name}-{version}");
        let about = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        let files = [("backend.py", backend), ("pyproject.toml", PROJECT), ("PKG-INFO", &about)];
        let entries = files.map(|(path, text)| (format!("{folder}/{path}"), text.as_bytes()));
        self.archive(name, &format!("{folder}.tar.gz"), gzip(&tar(&entries)));
    }

    /// Publishes an archive of a Python project under the name of its file.
    pub fn archive(&self, project: &str, file: &str, bytes: Vec<u8>) {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let page = format!("simple/{}/", project.to_lowercase().replace(['_', '.'], "-"));
        let link = format!("<a href=\"{}#sha256={digest}\">{file}</a>\n", self.url(&format!("files/{file}")));
        self.put(&format!("files/{file}"), bytes);
        self.shelf.lock().expect("a shelf").files.entry(page).or_default().extend_from_slice(link.as_bytes());
    }
}

/// Whether the programs of a test are there; where not, it says why the test is skipped, which fails where `BASTIDE_REQUIRE_EXTERNAL` is `1`.
pub fn is_there(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !std::path::Path::new(program).exists()).collect();
    assert!(missing.is_empty() || !layers::is_required(), "missing: {missing:?}");
    if !missing.is_empty() {
        layers::skip(&format!("{missing:?} are not there"));
    }
    missing.is_empty()
}

fn answer(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.trim_start_matches('/').replace("%2f", "/").replace("%40", "@");
    let mut shown = None;
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? <= 2 {
            break;
        }
        let field = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        shown = field.map(|(_, value)| value.trim().to_owned()).or(shown);
    }
    let found = {
        let mut shelf = shelf.lock().ok()?;
        shelf.asked += 1;
        shelf.shown.extend(shown);
        let package = shelf.packages.get(&path).map(|whole| ("application/json", whole.to_string().into_bytes()));
        package.or_else(|| {
            shelf.files.get(&path).map(|bytes| (if path.ends_with('/') { "text/html" } else { "application/octet-stream" }, bytes.clone()))
        })
    };
    let (status, kind, body) = match found {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "application/json", b"{\"error\":\"not found\"}".to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    process::run(Command::new("gzip").arg("-cn"), bytes).stdout
}

/// An archive of executable files (POSIX ustar), with these paths and no others.
fn tar(entries: &[(String, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, bytes) in entries {
        let mut head = [0_u8; 512];
        head[..path.len()].copy_from_slice(path.as_bytes());
        for (at, text) in [
            (100, "0000755\0"),
            (108, "0000000\0"),
            (116, "0000000\0"),
            (136, "00000000000\0"),
            (148, "        "),
            (257, "ustar\0"),
            (263, "00"),
        ] {
            head[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        head[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        head[156] = b'0';
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&head);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}
