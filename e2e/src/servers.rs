//! Real servers over HTTP, each on a port of its own.

use crate::Peers;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::Running;

impl Peers {
    /// A server of this repository, made with someone else's SDK: a script of `servers`.
    pub fn script(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
    }

    /// The everything server, `streamableHttp` on `/mcp` or `sse` on `/sse`.
    pub fn everything(&self, kind: &str, port: u16, log: &Path) -> Running {
        // All that it says goes to the log.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$0\" \"$1\" >&2"]).arg(self.node("mcp-server-everything")).arg(kind).env("PORT", port.to_string());
        self.listening(command, port, log)
    }

    /// The fixture of the conformance suite, both eras.
    pub fn fixture(&self, port: u16, log: &Path) -> Running {
        let mut command = Command::new(self.python("mcp-everything-server"));
        command.args(["--port", &port.to_string()]);
        self.listening(command, port, log)
    }

    /// The server of `servers/NAME.py`, both eras.
    pub fn python_script(&self, name: &str, port: u16, log: &Path) -> Running {
        let mut command = Command::new(self.python("python"));
        command.arg(Self::script(name)).arg(port.to_string());
        self.listening(command, port, log)
    }

    /// The server of `servers/NAME.mjs`, both eras.
    pub fn node_script(&self, name: &str, port: u16, log: &Path) -> Running {
        let mut command = Command::new(self.folder().join("node/node_modules/node/bin/node"));
        command.arg(Self::script(name)).arg(port.to_string());
        self.listening(command, port, log)
    }

    /// The entry of a Python module that is launched, all that it is sent kept in `box/FILE` of the world, a line a message.
    pub fn journaled(&self, file: &str, module: &str, arguments: &[&str]) -> String {
        let (python, script, kept) = (self.python("python"), Self::script("journal.py").display().to_string(), format!("{{box}}/{file}"));
        let run = crate::list([python.as_str(), &script, &kept, module].into_iter().chain(arguments.iter().copied()));
        format!("run: {run}\n{}", self.sandbox())
    }

    /// A sandbox that reads the peers and writes to the box.
    pub fn sandbox(&self) -> String {
        let (peers, scripts) = (self.folder().display().to_string(), Self::script("").display().to_string());
        format!("sandbox: {{ read: [{peers:?}, {:?}], write: [\"{{box}}\"] }}", scripts.trim_end_matches('/'))
    }

    /// `command`, once it listens on `port`.
    pub fn listening(&self, mut command: Command, port: u16, log: &Path) -> Running {
        let mut server = Running::start(self.prepare(&mut command), log);
        until("the server listens", || {
            assert!(server.alive(), "it ended: {}", std::fs::read_to_string(log).unwrap_or_default());
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }
}

/// Waits until `so`. Panics when it is not after a minute.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < end, "not in a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the audit says of the calls of `tool`, in order: `ok`, `cancelled`, … or the code of the refusal.
pub fn outcomes(world: &testkit::World, tool: &str) -> Vec<String> {
    let outcome = |record: serde_json::Value| {
        let said = if record["decision"]["verdict"] == "refused" { &record["decision"]["code"] } else { &record["result"]["status"] };
        (record["tool"] == tool).then(|| said.as_str().unwrap_or_default().to_owned())
    };
    world.audit().into_iter().filter_map(outcome).collect()
}
