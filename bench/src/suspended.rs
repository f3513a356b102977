//! What a call holds whose server asks on the way, and whose client comes back with the answer in a request of its own.

use crate::load::{Era, Line, Target};
use crate::run::{Started, gateway};
use crate::usage;
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Resident memory, in bytes.
pub struct Report {
    calls: usize,
    before: u64,
    waiting: u64,
    after: u64,
}

/// Lets `calls` wait at once in `program`, then answers all of them.
pub async fn measure(program: &Path, calls: usize) -> anyhow::Result<Report> {
    let upstream = Started::new(Command::new(std::env::current_exe()?).arg("upstream"))?;
    let server: SocketAddr = upstream.line.parse()?;
    let folder = tempfile::Builder::new().prefix("bastide-bench-").tempdir()?;
    let running = gateway(program, folder.path(), server)?;
    let target = Target { tool: "ask".into(), era: Era::Modern, ..running.target.clone() };
    let mut line = Line::open(&target).await?;
    // What is made once is there before the first look.
    let first = ask(&mut line, 0).await?;
    go_on(&mut line, 0, &first).await?;
    let before = usage::resident(running.pid())?;
    let mut states = Vec::with_capacity(calls);
    for number in 1..=calls {
        states.push(ask(&mut line, number).await?);
    }
    let waiting = usage::resident(running.pid())?;
    for (at, state) in states.iter().enumerate() {
        go_on(&mut line, at + 1, state).await?;
    }
    Ok(Report { calls, before, waiting, after: usage::resident(running.pid())? })
}

/// Makes a call that is suspended; what the client comes back with.
async fn ask(line: &mut Line, number: usize) -> anyhow::Result<String> {
    let answer: Value = last(&line.ask(&format!(r#"{{"number":{number}}}"#), "").await?)?;
    let result = answer.get("result").with_context(|| format!("not a result: {answer}"))?;
    let key = result.get("inputRequests").and_then(Value::as_object).and_then(|asked| asked.keys().next());
    let state = result.get("requestState").and_then(Value::as_str);
    let (key, state) = key.zip(state).with_context(|| format!("not a question: {answer}"))?;
    Ok(format!(r#","inputResponses":{{"{key}":{{"action":"accept","content":{{"sure":true}}}}}},"requestState":"{state}""#))
}

async fn go_on(line: &mut Line, number: usize, more: &str) -> anyhow::Result<()> {
    let answer = last(&line.ask(&format!(r#"{{"number":{number}}}"#), more).await?)?;
    let text = answer.pointer("/result/content/0/text").and_then(Value::as_str);
    ensure!(text == Some("done"), "the call did not go on: {answer}");
    Ok(())
}

/// The answer in a body: the whole of it, or the last event.
fn last(body: &[u8]) -> anyhow::Result<Value> {
    let text = std::str::from_utf8(body)?;
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(data.unwrap_or(text)).with_context(|| format!("not JSON: {text}"))
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mega = |bytes: u64| bytes as f64 / 1e6;
        let each = self.waiting.saturating_sub(self.before) as f64 / 1e3 / self.calls.max(1) as f64;
        writeln!(out, "resident memory before         {:>9.1} MB", mega(self.before))?;
        writeln!(out, "with {:>6} calls that wait    {:>9.1} MB", self.calls, mega(self.waiting))?;
        writeln!(out, "after all of them              {:>9.1} MB", mega(self.after))?;
        writeln!(out, "a call that waits              {each:>9.1} KB   (at most 20)")
    }
}
