//! From bytes to a checked file.

use crate::decode::{Decode, Reader};
use crate::file::{File, KeySource, ListenTls};
use crate::locate::Facts;
use crate::problem::{Fault, Place, Problem, Problems};
use crate::risk::Risk;
use crate::suppress::{self, Suppressed};
use crate::tree::{self, Node};
use crate::{amend, built, client, cross, risk};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use terms::{Name, Utc};

/// Largest file, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// The bytes of a file and what the host knows about it.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Where it is; its last part is shown in problems.
    pub path: &'a Path,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The home folder, for `~`.
    pub home: Option<&'a Path>,
    /// The user of this machine, for a file in the form of an MCP client.
    pub user: Option<Name>,
    /// Now, for accepted risks.
    pub now: Utc,
    /// Owner and mode of the file; `None` where the system has none.
    pub facts: Option<Facts>,
}

/// A file that may be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says, defaults filled in, `~` expanded.
    pub file: File,
    /// What is worth knowing.
    pub warnings: Vec<Problem>,
    /// The accepted risks that count now.
    pub risks: Vec<Risk>,
    /// The findings that are let pass now.
    pub suppressed: Vec<Suppressed>,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    root: Node,
}

impl Loaded {
    /// Where the value of `path` stands: keys, and numbers for entries of lists. Falls back to what is above it.
    pub fn place(&self, path: &[&str]) -> Place {
        self.root.place_of(path)
    }

    /// The value of `path` as YAML on one line, comments left out.
    pub fn printed(&self, path: &[&str]) -> Option<String> {
        self.root.at(path).map(amend::printed)
    }

    /// The warnings, one line each, as problems are shown.
    pub fn warning_lines(&self, file: &str) -> String {
        Problems::new(file, "", self.warnings.clone()).lines()
    }
}

/// Reads, checks and completes a file: YAML of our own, or a plain `{"mcpServers": {...}}`.
///
/// # Errors
/// [`Problems`] with everything that is wrong: the operator's fault. Nothing of such a file may be used.
pub fn load(source: &Source<'_>) -> Result<Loaded, Problems> {
    let name = source.path.file_name().map_or_else(|| source.path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let whole = |fault, message: String| Problem { place: Place::START, key: String::new(), fault, message, nearest: None };
    if source.bytes.len() > MOST_BYTES {
        return Err(Problems::new(&name, "", vec![whole(Fault::Syntax, format!("the file is larger than {MOST_BYTES} bytes"))]));
    }
    let Ok(text) = std::str::from_utf8(source.bytes) else {
        return Err(Problems::new(&name, "", vec![whole(Fault::Syntax, "the file is not UTF-8".into())]));
    };
    let (root, mut problems) = tree::read(text);
    problems.extend(source.facts.as_ref().and_then(Facts::fault));
    let Some(root) = root else {
        if problems.is_empty() {
            problems.push(whole(Fault::Syntax, "the file is empty; `bastide init` writes one to start from".into()));
        }
        return Err(Problems::new(&name, text, problems));
    };
    let mut warnings = Vec::new();
    let file = if root.member("mcpServers").is_some() {
        client::read(&root, source.user.as_ref(), &mut problems, &mut warnings)
    } else {
        let mut reader = Reader::default();
        let file = File::decode(&root, &mut reader);
        let wrong: Vec<String> = reader.problems.iter().map(|problem| problem.key.clone()).collect();
        problems.extend(built::check(&root).into_iter().filter(|problem| !wrong.contains(&problem.key)));
        problems.extend(reader.problems);
        file
    };
    let Some(mut file) = file else { return Err(Problems::new(&name, text, problems)) };
    expand(&mut file, source.home, &root, &mut problems);
    cross::check(&file, &root, source.path, &mut problems, &mut warnings);
    let suppressed = suppress::check(&file, &root, source.now, &mut problems, &mut warnings);
    let risks = risk::check(&file, &root, source.now, &mut problems, &mut warnings);
    if !problems.is_empty() {
        return Err(Problems::new(&name, text, problems));
    }
    warnings.sort_by_key(|warning| warning.place);
    Ok(Loaded { file, warnings, risks, suppressed, digest: Sha256::digest(source.bytes).into(), root })
}

/// The JSON Schema of the file, as `bastide schema` prints it.
pub fn schema() -> serde_json::Value {
    let mut schema = File::schema();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), "bastide.yaml".into());
    }
    schema
}

/// Replaces a leading `~` by the home folder.
fn expand(file: &mut File, home: Option<&Path>, root: &Node, problems: &mut Vec<Problem>) {
    let mut one = |path: &mut PathBuf, place: Place, key: String| {
        let Ok(rest) = path.strip_prefix("~") else { return };
        match home {
            Some(home) => *path = home.join(rest),
            None => problems.push(Problem {
                place,
                key,
                fault: Fault::Value,
                message: "the home folder is not known; write the whole path".into(),
                nearest: None,
            }),
        }
    };
    one(&mut file.state, root.place_of(&["state"]), "state".into());
    for (name, tls) in [("data", &mut file.listen.data.tls), ("admin", &mut file.listen.admin.tls)] {
        let Some(ListenTls::Files(tls)) = tls else { continue };
        let key = match &mut tls.key {
            KeySource::File(path) => Some(path),
            KeySource::Vault(_) => None,
        };
        let files =
            [("certificate", Some(&mut tls.certificate)), ("key", key), ("client_ca", tls.client_ca.as_mut()), ("crl", tls.crl.as_mut())];
        for (key, path) in files.into_iter().filter_map(|(key, path)| Some((key, path?))) {
            one(path, root.place_of(&["listen", name, "tls", key]), format!("listen.{name}.tls.{key}"));
        }
    }
    if let Some(tls) = file.telemetry.as_mut().and_then(|telemetry| telemetry.tls.as_mut()) {
        one(&mut tls.ca, root.place_of(&["telemetry", "tls", "ca"]), "telemetry.tls.ca".into());
    }
    for (name, server) in &mut file.servers {
        let name = name.as_str();
        for (key, folders) in [("read", &mut server.sandbox.read), ("write", &mut server.sandbox.write)] {
            for (at, folder) in folders.iter_mut().enumerate() {
                let place = root.place_of(&["servers", name, "sandbox", key, &at.to_string()]);
                one(folder, place, format!("servers.{name}.sandbox.{key}[{at}]"));
            }
        }
        if let Some(chain) = server.auth.as_mut().and_then(|auth| auth.certificate.as_mut()).map(|certificate| &mut certificate.chain) {
            let place = root.place_of(&["servers", name, "auth", "certificate", "chain"]);
            one(chain, place, format!("servers.{name}.auth.certificate.chain"));
        }
        let (ca, crl) = server.tls.as_mut().map(|tls| (tls.ca.as_mut(), tls.crl.as_mut())).unwrap_or_default();
        for (key, path) in [("ca", ca), ("crl", crl)].into_iter().filter_map(|(key, path)| Some((key, path?))) {
            one(path, root.place_of(&["servers", name, "tls", key]), format!("servers.{name}.tls.{key}"));
        }
        if let Some(program) = server.run.first_mut() {
            let mut path = PathBuf::from(program.as_str());
            one(&mut path, root.place_of(&["servers", name, "run", "0"]), format!("servers.{name}.run[0]"));
            if let Some(text) = path.to_str() {
                *program = text.to_owned();
            }
        }
    }
}
