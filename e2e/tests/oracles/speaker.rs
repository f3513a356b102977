//! An oracle that is a program: a line of JSON in, a line of JSON out.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::Running;

pub struct Speaker {
    running: Running,
    log: PathBuf,
}

impl Speaker {
    /// Starts `command`; what it complains of goes to a file in `folder`.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        Self { running: Running::start(command, &log), log }
    }

    /// A script of `oracles`.
    pub fn script(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles").join(name)
    }

    /// Asks about all of `cases` at once; an answer each.
    pub fn ask(&mut self, cases: &[Value]) -> Vec<Value> {
        writeln!(self.running.stdin(), "{}", Value::from(cases)).expect("an oracle that reads");
        let wrong = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let line = self.running.line(Duration::from_secs(300)).unwrap_or_else(|| panic!("the oracle ended: {}", wrong()));
        let answers: Vec<Value> = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}\n{}", wrong()));
        assert_eq!(answers.len(), cases.len(), "an answer each");
        answers
    }
}
