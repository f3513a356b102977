//! What a world is made of, before it starts.

use super::World;
use crate::pki::Authority;
use crate::{Running, layers, process};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CANARY: &str =
    "run: [{bin}/canary-server, --notes, {box}, --journal, {box}/canary.jsonl]\nsandbox: { read: [{bin}], write: [{box}] }";
const TESTER: &str = "members: [\"agent:tester\"]\nclearance: restricted\nallow: { canary: [\"*\"] }";

/// A world in the making. In every YAML text `{bin}`, `{box}` and `{root}` stand for its folders.
#[derive(Debug)]
pub struct Setup {
    program: PathBuf,
    root: tempfile::TempDir,
    servers: Vec<(String, String)>,
    roles: Vec<(String, String)>,
    sections: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    others: Vec<Running>,
    data_tls: Option<String>,
}

impl Setup {
    /// The canary and the role `tester`, in a fresh folder.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("bastide-").tempdir().expect("a temporary folder");
        let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("a folder of ours");
        open(root.path(), 0o755);
        for (name, mode) in [("state", 0o700), ("home", 0o700), ("bin", 0o755), ("box", 0o777)] {
            fs::create_dir(root.path().join(name)).expect("a fresh folder");
            open(&root.path().join(name), mode);
        }
        for name in ["canary-server", "evil-server"] {
            let (from, to) = (process::binary("bastide-testkit", name), root.path().join("bin").join(name));
            // A link would change under the eyes of whoever reads the same file in another world.
            fs::copy(&from, &to).expect("a server's program");
        }
        Self {
            program: process::binary("bastide", "bastide"),
            root,
            servers: vec![("canary".into(), CANARY.into())],
            roles: vec![("tester".into(), TESTER.into())],
            sections: Vec::new(),
            secrets: Vec::new(),
            others: Vec::new(),
            data_tls: None,
        }
    }

    /// The data listener inside TLS, with `{root}/tls/server.pem` and its key of `authority`, and these further entries of its `tls`.
    #[must_use]
    pub fn secured(mut self, authority: &Authority, more: &str) -> Self {
        let leaf = authority.server();
        self.data_tls = Some(format!(", tls: {{ certificate: {{root}}/tls/server.pem, key: {{root}}/tls/server.key{more} }}"));
        let setup =
            self.file("tls/server.pem", &leaf.certificate).file("tls/server.key", &leaf.key).file("tls/clients.pem", authority.pem());
        let key = setup.root.path().join("tls/server.key");
        fs::set_permissions(key, Permissions::from_mode(0o600)).expect("a file of ours");
        setup
    }

    /// An authority of the gateway's own whose certificates live for `life`, with its enrolment listener; the data listener inside TLS by it.
    /// `bastide ca init` makes it, before the start.
    #[must_use]
    pub fn authority(mut self, life: &str) -> Self {
        self.data_tls = Some(", tls: { authority: own }".to_owned());
        let enrol = process::free_port();
        self.section("ca", &format!("domain: example.internal\nlife: {life}\nenrol: 127.0.0.1:{enrol}"))
    }

    /// A file of the world, such as a server's script.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.root.path().join(name);
        let folder = path.parent().unwrap_or(self.root.path());
        fs::create_dir_all(folder).expect("a folder of ours");
        fs::write(&path, text).expect("a file of ours");
        self
    }

    /// The folder of the world.
    pub fn path(&self) -> PathBuf {
        self.root.path().to_owned()
    }

    /// The gateway's program, instead of the one of this workspace.
    #[must_use]
    pub fn program(mut self, path: &str) -> Self {
        self.program = path.into();
        self
    }

    /// Has a shell start the gateway's program by these lines, of which the last ends where its path stands, as in `exec nice`.
    #[must_use]
    pub fn started_by(self, lines: &str) -> Self {
        let script = format!("#!/bin/sh\n{lines} '{}' \"$@\"\n", self.program.display());
        let setup = self.file("bin/started", &script);
        let script = setup.root.path().join("bin/started");
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("a file of ours");
        setup.program(&script.display().to_string())
    }

    /// The entry of a server, new or instead of the one of that name.
    #[must_use]
    pub fn server(mut self, name: &str, yaml: &str) -> Self {
        put(&mut self.servers, name, yaml);
        self
    }

    /// A server `evil` that misbehaves in `mode` (see `evil-server`); the role `tester` may use it too.
    #[must_use]
    pub fn evil(self, mode: &str) -> Self {
        let entry = format!(
            "run: [{{bin}}/evil-server, --mode, {mode}, --flag, {{box}}/flag]\ncall: 6s\nsandbox: {{ read: [{{bin}}], write: [{{box}}] }}"
        );
        let entry = if matches!(mode, "rug-pull" | "downgrade") { entry } else { entry.replace(", --flag, {box}/flag", "") };
        self.server("evil", &entry).role("tester", &TESTER.replace("canary: [\"*\"]", "canary: [\"*\"], evil: [\"*\"]"))
    }

    /// A canary over HTTP under `name`, with further lines of its entry (such as `auth`).
    #[must_use]
    pub fn remote(mut self, name: &str, more: &str) -> Self {
        let mut command = Command::new(self.root.path().join("bin/canary-server"));
        command.arg("--http").arg("--journal").arg(self.root.path().join(format!("box/{name}.jsonl")));
        let server = Running::start(&mut command, &self.root.path().join("remote.log"));
        let address = server.line(Duration::from_secs(60)).expect("a server that listens");
        self.others.push(server);
        self.server(name, &format!("url: http://{address}/mcp\n{more}"))
    }

    /// A server over HTTP that follows the script in the file `script` of this world (see `evil-server --script`), with `box/NAME.flag` and
    /// `box/NAME.jsonl` for its flags and its journal; an entry for each of `names`, with these further lines.
    #[must_use]
    pub fn scripted(mut self, names: &[&str], script: &str, more: &str) -> Self {
        let first = names.first().expect("a name");
        let within = |name: String| self.root.path().join(name);
        let mut command = Command::new(within("bin/evil-server".into()));
        command.arg("--http").arg("--script").arg(within(script.into()));
        command.arg("--flag").arg(within(format!("box/{first}.flag"))).arg("--journal").arg(within(format!("box/{first}.jsonl")));
        let server = Running::start(&mut command, &self.root.path().join("remote.log"));
        let address = server.line(Duration::from_secs(120)).expect("a server that listens");
        self.others.push(server);
        for name in names {
            put(&mut self.servers, name, &format!("url: http://{address}/mcp\n{more}"));
        }
        self
    }

    /// A role, new or instead of the one of that name.
    #[must_use]
    pub fn role(mut self, name: &str, yaml: &str) -> Self {
        put(&mut self.roles, name, yaml);
        self
    }

    /// The patterns that `tester` may use of the canary, instead of all.
    #[must_use]
    pub fn allow(self, patterns: &str) -> Self {
        self.role("tester", &TESTER.replace("[\"*\"]", patterns))
    }

    /// A further top-level section, such as `tools` or `inspect`.
    #[must_use]
    pub fn section(mut self, key: &str, yaml: &str) -> Self {
        put(&mut self.sections, key, yaml);
        self
    }

    /// A secret to put into the vault before the start.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.into(), value.into()));
        self
    }

    /// Writes the configuration, locks and approves what there is, and starts the gateway.
    pub fn start(self) -> World {
        let mut world = self.write();
        world.json(&["lock", "--yes"]);
        world.serve();
        world
    }

    /// Writes the configuration and puts the secrets away; nothing is locked and nothing runs yet.
    pub fn write(self) -> World {
        let [data, admin] = [0; 2].map(|_| SocketAddr::from(([127, 0, 0, 1], process::free_port())));
        let tls = self.data_tls.as_deref().unwrap_or_default();
        let mut text = format!(
            "profile: local\nstate: {{root}}/state\nlisten:\n  data: {{ address: {data}{tls} }}\n  admin: {{ address: {admin} }}\n\
             people:\n  - {{ name: ana, may: [view, approve, operate, audit, kill] }}\n"
        );
        for (key, entries) in [("servers", &self.servers), ("roles", &self.roles)] {
            let _ = writeln!(text, "{key}:");
            for (name, yaml) in entries {
                let _ = writeln!(text, "  {name}:\n{}", indent(yaml, 4));
            }
        }
        // Whoever has a program of somebody else here asks for the layers first.
        let samples = self.servers.iter().filter(|(_, yaml)| yaml.contains("run:")).map(|(name, _)| name.as_str());
        let accepted = layers::accepted(samples);
        let mut sections = self.sections;
        match sections.iter_mut().find(|(key, _)| key == "accept_risk") {
            Some((_, yaml)) => *yaml = format!("{yaml}\n{accepted}"),
            None if accepted.is_empty() => {}
            None => sections.push(("accept_risk".into(), accepted)),
        }
        // Builds for tests, many at a time on a small machine, are late with everything.
        match sections.iter_mut().find(|(key, _)| key == "bounds") {
            Some((_, yaml)) if yaml.contains("turn:") => {}
            Some((_, yaml)) => yaml.push_str("\nturn: 60s"),
            None => sections.push(("bounds".into(), "turn: 60s".into())),
        }
        for (key, yaml) in &sections {
            let _ = writeln!(text, "{key}:\n{}", indent(yaml, 2));
        }
        let folder = self.root.path().display().to_string();
        let text = text.replace("{bin}", &format!("{folder}/bin")).replace("{box}", &format!("{folder}/box")).replace("{root}", &folder);
        let world = World { gateway: None, program: self.program, root: self.root, data, admin, ready: Value::Null, others: self.others };
        fs::write(world.config(), text).expect("a configuration");
        fs::set_permissions(world.config(), Permissions::from_mode(0o600)).expect("a configuration");
        for (name, value) in &self.secrets {
            let put = process::run(&mut world.command(&["secret", "put", name]), value.as_bytes());
            assert!(put.status.success(), "secret put: {}", String::from_utf8_lossy(&put.stderr));
        }
        world
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

fn put(list: &mut Vec<(String, String)>, name: &str, yaml: &str) {
    list.retain(|(found, _)| found != name);
    list.push((name.into(), yaml.into()));
}

fn indent(yaml: &str, by: usize) -> String {
    yaml.lines().map(|line| format!("{:by$}{line}", "")).collect::<Vec<_>>().join("\n")
}
