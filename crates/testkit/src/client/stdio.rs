//! A client over standard input and output, as agents launch `bastide connect`.

use super::Answer;
use crate::Running;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// An agent that launched its server. Dropping closes the server's input and ends it.
#[derive(Debug)]
pub struct Stdio {
    running: Running,
    next: u64,
    /// What came beside the answers: notifications and questions.
    pub beside: Vec<Value>,
    /// How long it waits for a line.
    pub patience: Duration,
}

impl Stdio {
    /// Launches `command`, its standard error going to `log`.
    pub fn launch(command: &mut Command, log: &Path) -> Self {
        Self { running: Running::start(command, log), next: 0, beside: Vec::new(), patience: Duration::from_secs(90) }
    }

    /// `initialize`, then `notifications/initialized`.
    pub fn open(&mut self) -> Answer {
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "testkit", "version": "1"}});
        let answer = self.ask("initialize", hello);
        self.line(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        answer
    }

    /// Calls a tool.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a request and waits for its answer; what comes in between is kept in [`Stdio::beside`].
    pub fn ask(&mut self, method: &str, params: Value) -> Answer {
        self.next += 1;
        let id = json!(self.next);
        self.line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        loop {
            let message = self.read().unwrap_or_else(|| panic!("closed before the answer to {method}"));
            if message.get("id") == Some(&id) && message.get("method").is_none() {
                return Answer(message);
            }
            self.beside.push(message);
        }
    }

    /// Writes one line as it is.
    pub fn line(&mut self, text: &str) {
        let stdin = self.running.stdin();
        stdin.write_all(format!("{text}\n").as_bytes()).and_then(|()| stdin.flush()).expect("the server reads");
    }

    /// The next message; `None` when the server closed its output. Panics on a line that is not JSON.
    pub fn read(&mut self) -> Option<Value> {
        let line = self.running.line(self.patience)?;
        Some(serde_json::from_str(&line).unwrap_or_else(|fault| panic!("not JSON ({fault}): {line}")))
    }

    /// The process behind it.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
}
