//! The one command: every check, every test, one closing line.

use crate::{cargo, done, prove, setup, tidy};
use anyhow::Context as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs everything in order, goes on after a fault, prints `N passed, N failed, N skipped` last. A step that is not a test counts as one.
pub fn all(root: &Path) -> anyhow::Result<ExitCode> {
    let mut tally = Tally::default();
    step(&mut tally, "format", || done(cargo(root).args(["fmt", "--all", "--check"])));
    step(&mut tally, "clippy", || {
        done(cargo(root).args(["clippy", "--locked", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    step(&mut tally, "tidy", || tidy::check(root));
    step(&mut tally, "setup", || setup::install(root));
    step(&mut tally, "build", || {
        done(cargo(root).args(["build", "--locked", "--quiet", "--package", "bastide", "--package", "bastide-testkit", "--bins"]))
    });
    let began = Instant::now();
    println!("== tests");
    tests(&mut tally, cargo(root).args(["test", "--locked", "--workspace", "--no-fail-fast"]))?;
    println!("== tests: {:.0} s", began.elapsed().as_secs_f64());
    step(&mut tally, "docs", || {
        done(cargo(root).args(["doc", "--locked", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
    });
    step(&mut tally, "prove", || prove::all(root));
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn step(tally: &mut Tally, name: &str, run: impl FnOnce() -> anyhow::Result<()>) {
    let began = Instant::now();
    println!("== {name}");
    match run() {
        Ok(()) => tally.passed += 1,
        Err(fault) => {
            println!("{name}: {fault:#}");
            tally.failed += 1;
        }
    }
    println!("== {name}: {:.0} s", began.elapsed().as_secs_f64());
}

/// Runs a test command, shows what it says, counts its summary lines. Tests skip themselves by printing a line that begins with `skipped: `.
fn tests(tally: &mut Tally, command: &mut Command) -> anyhow::Result<()> {
    let skips = std::env::temp_dir().join(format!("bastide-skips-{}", std::process::id()));
    std::fs::write(&skips, "")?;
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .env("BASTIDE_SKIPS", &skips)
        .env("NO_COLOR", "1")
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    // The command holds the writing ends, and reading would not end while it lives.
    *command = Command::new("true");
    let mut failed = 0;
    for line in BufReader::new(reader).lines() {
        let line = line?;
        writeln!(std::io::stdout(), "{line}")?;
        let (passed, lost, ignored) = summary(&line);
        tally.passed += passed;
        tally.skipped += ignored;
        failed += lost;
    }
    let status = child.wait()?;
    tally.failed += if status.success() { failed } else { failed.max(1) };
    let reasons = std::fs::read_to_string(&skips)?;
    std::fs::remove_file(&skips)?;
    for reason in reasons.lines() {
        println!("skipped: {reason}");
        tally.skipped += 1;
        tally.passed = tally.passed.saturating_sub(1);
    }
    Ok(())
}

/// Passed, failed and skipped of a closing line of libtest; zeros for any other line.
fn summary(line: &str) -> (u64, u64, u64) {
    let trimmed = line.trim_start();
    let rest = match trimmed.strip_prefix("test result: ") {
        Some(rest) => rest.replace([';', '.', ':'], ","),
        None => return (0, 0, 0),
    };
    let count = |word: &str| {
        let found = rest.split(',').find_map(|part| part.trim().strip_suffix(word)?.split_whitespace().next_back()?.parse::<u64>().ok());
        found.unwrap_or(0)
    };
    (count("passed"), count("failed"), count("ignored"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted() {
        assert_eq!(summary("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.08s"), (12, 0, 1));
        assert_eq!(summary("running 3 tests"), (0, 0, 0));
    }
}
