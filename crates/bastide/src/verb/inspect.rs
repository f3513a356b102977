//! `inspect`: the content screens on standard input.

use crate::outcome::Failure;
use detect::{Engine, Rules, Scratch, jsonl};
use std::io::{BufRead as _, Read as _, Write as _};
use std::process::ExitCode;

/// The longest line, in bytes.
const LONGEST: u64 = 64 << 20;

/// In which form.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// One JSON request a line, {id, task, text, channel}; one JSON answer a line, {id, spans, redacted}. With the task `arguments` a request is
    /// {id, task, guard, policy, value} and its answer {id, decisions}
    #[arg(long, required = true)]
    stdin_jsonl: bool,
}

/// Answers line by line until standard input ends.
///
/// # Errors
/// [`Failure`] when the screens cannot be built, or a line is too long.
pub fn run(_: &Args) -> Result<ExitCode, Failure> {
    let rules = Rules::built_in().map_err(|cause| Failure::caused(&cause))?;
    let engine = Engine::new(&rules).map_err(|cause| Failure::caused(&cause))?;
    let mut scratch = Scratch::default();
    let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if line.last() != Some(&b'\n') && u64::try_from(line.len()).is_ok_and(|length| length == LONGEST) {
            return Err(Failure::usage(format!("a line has at most {LONGEST} bytes")));
        }
        let answer = match std::str::from_utf8(&line) {
            Ok(text) => answer(text.trim_end_matches(['\r', '\n']), &engine, &mut scratch),
            Err(_) => r#"{"error":"the line is not UTF-8"}"#.to_owned(),
        };
        match out.write_all(answer.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written?,
        }
    }
}

/// What a line is answered with: by the guards where it is about an argument, else by the screens.
fn answer(line: &str, engine: &Engine, scratch: &mut Scratch) -> String {
    let about = serde_json::from_str::<serde_json::Value>(line).ok().filter(|request| request["task"] == "arguments");
    about.map_or_else(|| jsonl::answer(line, engine, scratch), |request| guards::jsonl::answer(&request))
}
