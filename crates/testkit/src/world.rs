//! A gateway of its own: the real binary on a fresh state, ended with the test.
//!
//! ```no_run
//! use serde_json::json;
//! let world = testkit::World::new();
//! assert_eq!(world.agent().call("canary__echo", json!({"text": "hi"})).text(), "hi");
//! ```

mod setup;

pub use setup::Setup;

use crate::{Http, Running, Stdio, process};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// A running gateway with its configuration, state and servers.
#[derive(Debug)]
pub struct World {
    gateway: Option<Running>,
    program: PathBuf,
    root: tempfile::TempDir,
    data: SocketAddr,
    admin: SocketAddr,
    /// What `serve` said when it was ready.
    pub ready: Value,
    others: Vec<Running>,
}

impl World {
    /// The usual one: a canary behind the gateway, and the role `tester` of `agent:tester` that may use all of it.
    pub fn new() -> Self {
        Setup::new().start()
    }

    /// A setup to change before it starts.
    pub fn with() -> Setup {
        Setup::new()
    }

    /// A token of `agent:tester`, in an open legacy session on `/mcp`.
    pub fn agent(&self) -> Http {
        let mut client = self.client("agent:tester", "/mcp");
        client.open();
        client
    }

    /// A client of `principal` on `path`, its session not yet opened.
    pub fn client(&self, principal: &str, path: &str) -> Http {
        Http::new(self.data, path, Some(&self.token(principal, &[])))
    }

    /// A client without a token.
    pub fn stranger(&self) -> Http {
        Http::new(self.data, "/mcp", None)
    }

    /// A client of the admin listener.
    pub fn admin(&self) -> Http {
        Http::new(self.admin, "/api/v1", None)
    }

    /// A token for `principal`; `more` are further arguments of `bastide token issue`.
    pub fn token(&self, principal: &str, more: &[&str]) -> String {
        let mut arguments = vec!["token", "issue", "--principal", principal];
        arguments.extend_from_slice(more);
        let answer = self.json(&arguments);
        answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// `bastide connect --as tester` with further arguments, launched as an agent launches it.
    pub fn connect(&self, more: &[&str]) -> Stdio {
        let mut command = self.command(&["connect", "--as", "tester"]);
        Stdio::launch(command.args(more), &self.path("connect.log"))
    }

    /// The program with `arguments` and this world's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--config").arg(self.config()).current_dir(self.root.path());
        command.env_remove("BASTIDE_CONFIG").env("NO_COLOR", "1").env("HOME", self.path("home"));
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        process::run(&mut self.command(arguments), b"")
    }

    /// Runs the program with `--json`; panics unless it ends with 0 and one JSON value.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = process::run(self.command(arguments).arg("--json"), b"");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&said).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}: {said}"))
    }

    /// The audit records, one a line of `bastide audit show`.
    pub fn audit(&self) -> Vec<Value> {
        let output = process::run(self.command(&["audit", "show"]).arg("--json"), b"");
        assert!(output.status.success(), "audit show: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"))).collect()
    }

    /// The record of the message that was refused under `reference`. Panics when there is none.
    pub fn record(&self, reference: &str) -> Value {
        let found = self.audit().into_iter().find(|record| record["request"] == reference);
        found.unwrap_or_else(|| panic!("not on record: {reference}"))
    }

    /// Starts the gateway on a state that it must not take; gives its exit code. Panics when it still runs after 10 s.
    pub fn serve_in_vain(&self) -> Option<i32> {
        let mut gateway = Running::start(&mut self.command(&["serve", "--json"]), &self.path("serve.log"));
        gateway.wait(Duration::from_secs(120))
    }

    /// Replaces `from` by `to`, of the same length, in the embedded database; gives how often it stood there. The gateway must be stopped.
    pub fn tamper(&self, from: &str, to: &str) -> usize {
        assert_eq!(from.len(), to.len(), "a page of the database keeps its layout");
        assert!(self.gateway.is_none(), "the gateway runs");
        let path = self.state().join("state.db");
        let mut bytes = std::fs::read(&path).expect("a database");
        let places: Vec<_> =
            bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from.as_bytes()).map(|(at, _)| at).collect();
        for at in &places {
            bytes[*at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        std::fs::write(path, bytes).expect("a database");
        places.len()
    }

    /// The answer of `bastide audit verify`, whatever it is.
    pub fn verify(&self) -> Value {
        let output = process::run(self.command(&["audit", "verify"]).arg("--json"), b"");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The messages that reached the canary, in order.
    pub fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("box/canary.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The calls that reached the canary: names and arguments.
    pub fn reached(&self) -> Vec<Value> {
        self.journal().into_iter().filter(|message| message["method"] == "tools/call").map(|message| message["params"].clone()).collect()
    }

    /// The gateway's process; panics while it is stopped.
    pub fn gateway(&mut self) -> &mut Running {
        self.gateway.as_mut().expect("the gateway runs")
    }

    /// Stops the gateway with SIGTERM and waits; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut gateway = self.gateway.take().expect("the gateway runs");
        gateway.signal(rustix::process::Signal::TERM);
        gateway.wait(Duration::from_secs(120))
    }

    /// Kills the gateway as a power cut would.
    pub fn crash(&mut self) {
        self.gateway.take().expect("the gateway runs").kill();
    }

    /// Starts the gateway again on the same state. Panics unless it is ready within two minutes.
    pub fn serve(&mut self) {
        self.serve_logging("warn");
    }

    /// The same, with everything in its log that is at least of `level`.
    pub fn serve_logging(&mut self, level: &str) {
        let gateway = Running::start(&mut self.command(&["serve", "--json", "--log", level]), &self.path("serve.log"));
        let line = gateway.line(Duration::from_secs(120));
        let line = line.unwrap_or_else(|| panic!("serve ended: {}", std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()));
        self.ready = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("not the ready line ({fault}): {line}"));
        assert_eq!(self.ready["ready"], Value::Bool(true), "{line}");
        self.gateway = Some(gateway);
    }

    /// A path in this world's folder: `state`, `bastide.yaml`, `box/…` (which servers may write), `bin/…`, `serve.log`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("bastide.yaml")
    }

    /// The folder of the state.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Where the data listener is.
    pub fn data(&self) -> SocketAddr {
        self.data
    }

    /// Replaces `from` by `to` in the configuration, without a reload. Panics when `from` is not there.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).expect("a configuration");
        assert!(text.contains(from), "not in the configuration: {from}");
        std::fs::write(self.config(), text.replace(from, to)).expect("a configuration");
    }

    /// Whether any file below `folder` of this world holds `needle`.
    pub fn holds(&self, folder: &str, needle: &[u8]) -> bool {
        holds(&self.path(folder), needle)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.gateway = None;
        self.others.clear();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("serve.log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            eprintln!("--- end of serve.log\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    if let Ok(entries) = std::fs::read_dir(path) {
        return entries.flatten().any(|entry| holds(&entry.path(), needle));
    }
    path.is_file() && std::fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}
