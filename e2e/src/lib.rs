//! Real clients and real servers, for tests of the built binary.
//!
//! The peers lie in `target/peers`, where `cargo xtask setup` puts them. A test whose peers are missing is skipped with a printed reason, unless
//! `BASTIDE_REQUIRE_EXTERNAL` is `1`.
#![allow(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]

mod agent;
pub mod conformance;
mod double;
mod postgres;
mod servers;
mod wire;

pub use agent::{Agent, Held};
pub use double::{Double, Says};
pub use postgres::Postgres;
pub use servers::{outcomes, until};
pub use wire::{Arrived, Wire};

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
pub use testkit::layers::skip;
use testkit::{Running, World, layers, run};

/// The installed peers.
#[derive(Clone, Debug)]
pub struct Peers {
    folder: PathBuf,
}

/// A client of someone else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The Python SDK.
    Python,
    /// The TypeScript SDK.
    TypeScript,
    /// The inspector's command line.
    Inspector,
}

/// How a client reaches its server.
#[derive(Clone, Debug)]
pub enum Way {
    /// Streamable HTTP with a bearer token.
    Http {
        /// The endpoint.
        url: String,
        /// The token; none for a server without a gateway.
        token: Option<String>,
    },
    /// HTTP+SSE with a bearer token.
    Sse {
        /// Where the stream is.
        url: String,
        /// The token.
        token: String,
    },
    /// A launched command.
    Stdio(Vec<String>),
}

/// Whether a client can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Able {
    /// It samples, fills forms in, has a root and wants logs.
    Yes,
    /// It only asks.
    No,
}

/// Which revision a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// What it finds out that its server speaks.
    Auto,
    /// The newest that begins with a handshake.
    Legacy,
    /// 2026-07-28 and no other.
    Modern,
}

impl Speaks {
    /// The revision without a handshake.
    pub const MODERN: &'static str = "2026-07-28";
    /// The newest revision with one.
    pub const LEGACY: &'static str = "2025-11-25";

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Legacy => "legacy",
            Self::Modern => Self::MODERN,
        }
    }
}

/// A client's session that takes steps, until dropped.
#[derive(Debug)]
pub struct Driven {
    running: Running,
    log: PathBuf,
    revision: String,
}

/// What one step of a plan gave.
#[derive(Clone, Debug)]
pub struct Step(pub Value);

impl Peers {
    /// The peers; `None`, with a printed reason, where they are not installed, or where this machine cannot hold them as servers.
    pub fn find() -> Option<Self> {
        if !layers::are_there() {
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let folder = target.join("peers");
        let there = ["node/stamp", "python/stamp", "sqlite/stamp", "postgres/stamp"].iter().all(|stamp| folder.join(stamp).exists());
        if there {
            return Some(Self { folder: folder.canonicalize().expect("a folder that exists") });
        }
        assert!(!layers::is_required(), "the real clients and servers are missing: cargo xtask setup");
        skip("the real clients and servers are missing: cargo xtask setup");
        None
    }

    /// A program of the node peers.
    pub fn node(&self, name: &str) -> String {
        self.folder.join("node/node_modules/.bin").join(name).display().to_string()
    }

    /// A program of the Python peers.
    pub fn python(&self, name: &str) -> String {
        self.folder.join("python/bin").join(name).display().to_string()
    }

    /// A program of the environment of the SQLite server.
    pub fn sqlite(&self, name: &str) -> String {
        self.folder.join("sqlite/bin").join(name).display().to_string()
    }

    /// The package folder of the PostgreSQL server, with the driver beside it.
    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres/node_modules")
    }

    /// The conformance suite's Python client.
    pub fn conformance_client(&self) -> PathBuf {
        let sdk = std::fs::read_dir(self.folder.join("python/source")).expect("the SDK's source").flatten().map(|entry| entry.path());
        let clients = sdk.map(|folder| folder.join(".github/actions/conformance/client.py"));
        clients.into_iter().find(|client| client.exists()).expect("the client in the SDK's source")
    }

    /// The folder of all peers.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The `run` list of a node server for a configuration, the interpreter spelt out: a server in the sandbox has no path of ours.
    pub fn node_server(&self, package: &str, arguments: &[&str]) -> String {
        let script = self.folder.join("node/node_modules/@modelcontextprotocol").join(package).join("dist/index.js");
        let node = self.folder.join("node/node_modules/node/bin/node").display().to_string();
        list([node.as_str(), &script.display().to_string()].into_iter().chain(arguments.iter().copied()))
    }

    /// The `run` list of a Python server for a configuration.
    pub fn python_server(&self, module: &str, arguments: &[&str]) -> String {
        let python = self.python("python");
        list([python.as_str(), "-m", module].into_iter().chain(arguments.iter().copied()))
    }

    /// `command` with the node of the peers first in its path.
    pub fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let bin = self.folder.join("node/node_modules/node/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("BASTIDE_PEERS", &self.folder).env("PATH", format!("{}:{}:{path}", bin.display(), self.node("")))
    }

    /// Drives `client` along `plan`, a list of steps as in `clients/session.py`.
    ///
    /// Panics when the client ends badly: a refusal is an answer, and never its end.
    pub fn drive(&self, client: Client, way: &Way, home: &Path, plan: &Value) -> Vec<Step> {
        self.drive_as(client, Speaks::Legacy, way, home, plan)
    }

    /// As [`Peers::drive`], in another revision. The inspector finds none out: [`Speaks::Auto`] is what it speaks when it is told nothing.
    pub fn drive_as(&self, client: Client, speaks: Speaks, way: &Way, home: &Path, plan: &Value) -> Vec<Step> {
        let steps = plan.as_array().expect("a list of steps");
        if client == Client::Inspector {
            return steps.iter().map(|step| self.inspect(speaks, way, home, step)).collect();
        }
        let mut driven = self.speaking(client, speaks, Able::No, way, home);
        steps.iter().map(|step| driven.step(step)).collect()
    }

    /// A session that begins with a handshake and is driven step by step, with the Python or the TypeScript SDK.
    pub fn session(&self, client: Client, able: Able, way: &Way, home: &Path) -> Driven {
        self.speaking(client, Speaks::Legacy, able, way, home)
    }

    /// As [`Peers::session`], in another revision.
    pub fn speaking(&self, client: Client, speaks: Speaks, able: Able, way: &Way, home: &Path) -> Driven {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let mut command = match client {
            Client::Python => {
                let mut command = Command::new(self.python("python"));
                command.arg(scripts.join("session.py"));
                command
            }
            Client::TypeScript => {
                let mut command = Command::new(self.folder.join("node/node_modules/node/bin/node"));
                command.arg(scripts.join("session.mjs"));
                command
            }
            Client::Inspector => panic!("the inspector's command line has a session a call"),
        };
        command.arg(if able == Able::Yes { "able" } else { "unable" }).arg(speaks.word());
        match way {
            Way::Http { url, token } => command.arg("http").arg(url).args(token),
            Way::Sse { url, token } => command.arg("sse").args([url, token]),
            Way::Stdio(words) => command.arg("stdio").args(words),
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let log = home.join(format!("{client:?}-{}.log", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let running = Running::start(self.prepare(&mut command).env("HOME", home), &log);
        let mut driven = Driven { running, log, revision: String::new() };
        let server = driven.line();
        let revision = server["revision"].as_str().unwrap_or_else(|| panic!("{client:?} over {way:?}: {server}"));
        driven.revision = revision.to_owned();
        driven
    }

    fn inspect(&self, speaks: Speaks, way: &Way, home: &Path, step: &Value) -> Step {
        let mut command = Command::new(self.node("mcp-inspector"));
        command.arg("--cli");
        match speaks {
            Speaks::Auto => {}
            Speaks::Legacy => drop(command.args(["--protocol-era", "legacy"])),
            Speaks::Modern => drop(command.args(["--protocol-era", "modern"])),
        }
        match way {
            Way::Http { url, token } => {
                command.args([url, "--transport", "http"]);
                if let Some(token) = token {
                    command.arg("--header").arg(format!("Authorization: Bearer {token}"));
                }
            }
            Way::Sse { url, token } => {
                command.args([url, "--transport", "sse", "--header"]).arg(format!("Authorization: Bearer {token}"));
            }
            Way::Stdio(words) => {
                // Arguments of the server's would be taken for the inspector's own.
                let (program, arguments) = words.split_first().expect("a command");
                let file = home.join("inspector.json");
                let entry = json!({"mcpServers": {"one": {"command": program, "args": arguments}}});
                std::fs::write(&file, entry.to_string()).expect("a folder that can be written");
                command.arg("--config").arg(file).args(["--server", "one"]);
            }
        }
        if let Some(name) = step["call"].as_str() {
            command.args(["--method", "tools/call", "--tool-name", name]);
            for (key, value) in step["arguments"].as_object().into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                command.arg("--tool-arg").arg(format!("{key}={value}"));
            }
        } else {
            command.args(["--method", "tools/list"]);
        }
        let output = run(self.prepare(&mut command).env("HOME", home), b"");
        let said = String::from_utf8_lossy(&output.stdout);
        let Ok(result) = serde_json::from_str::<Value>(said.trim()) else {
            let wrong = format!("{}{said}", String::from_utf8_lossy(&output.stderr));
            return Step(json!({"fault": {"code": output.status.code(), "message": wrong}}));
        };
        if let Some(tools) = result["tools"].as_array() {
            return Step(json!({"tools": tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>()}));
        }
        let blocks = result["content"].as_array().into_iter().flatten();
        let text: Vec<_> = blocks.filter_map(|block| block["text"].as_str()).collect();
        Step(json!({"error": result["isError"] == true, "text": text, "meta": result["_meta"]}))
    }
}

impl Way {
    /// Over HTTP to `path` of the world's gateway, with a fresh token of `agent:tester`.
    pub fn http(world: &World, path: &str) -> Self {
        Self::Http { url: format!("http://{}{path}", world.data()), token: Some(world.token("agent:tester", &[])) }
    }

    /// Over HTTP+SSE to all servers of the world's gateway, with a fresh token of `agent:tester`.
    pub fn sse(world: &World) -> Self {
        Self::Sse { url: format!("http://{}/sse", world.data()), token: world.token("agent:tester", &[]) }
    }

    /// Through `bastide connect --server SERVER`, launched by the client.
    pub fn connect(world: &World, server: &str) -> Self {
        let command = world.command(&["connect", "--as", "tester", "--server", server]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        Self::Stdio(words.map(|word| word.to_string_lossy().into_owned()).collect())
    }
}

impl Driven {
    /// The revision that it settled on.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Takes a step and waits for what it gives.
    pub fn step(&mut self, step: &Value) -> Step {
        writeln!(self.running.stdin(), "{step}").expect("a client that reads");
        Step(self.line())
    }

    fn line(&self) -> Value {
        let wrong = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let line = self.running.line(Duration::from_secs(60)).unwrap_or_else(|| panic!("the client ended: {}", wrong()));
        serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}{}", wrong()))
    }
}

impl Step {
    /// The names of a list.
    pub fn tools(&self) -> Vec<&str> {
        self.0["tools"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The text of a result.
    pub fn text(&self) -> String {
        self.0["text"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Whether the call gave a good result.
    pub fn good(&self) -> bool {
        self.0["error"] == false
    }

    /// The refusal's code, where the gateway refused.
    pub fn refused(&self) -> Option<&str> {
        self.0["meta"]["dev.bastide/refusal"]["code"].as_str()
    }

    /// The reference that the refusal is found by.
    pub fn reference(&self) -> Option<&str> {
        self.0["meta"]["dev.bastide/refusal"]["reference"].as_str()
    }
}

/// The `run` list of a configuration for these words.
pub fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", words.map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "))
}
