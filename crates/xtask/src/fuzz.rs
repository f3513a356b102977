//! Fuzzing: the programs of `fuzz/`, run for a while each, and what is kept of them.

mod corpus;
mod record;

pub use record::extend;

use crate::done;
use anyhow::{Context as _, bail, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The release of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";
/// Most bytes of one input.
const LONGEST: usize = 8192;
/// Seconds after which one input is a fault of ours.
const SLOWEST: u32 = 10;
/// Megabytes after which one run is.
const LARGEST: u32 = 1536;

/// The folder of the fuzzing workspace.
fn folder(root: &Path) -> PathBuf {
    root.join("fuzz")
}

/// The targets, in the order of the manifest.
fn targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let manifest = std::fs::read_to_string(folder(root).join("Cargo.toml"))?;
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    Ok(paths.map(str::to_owned).collect())
}

/// How one target went.
struct Ran {
    target: String,
    took: Duration,
    executions: String,
    coverage: String,
    kept: corpus::Kept,
    found: usize,
}

/// Runs `wanted`, or every target, `minutes` each and `jobs` at once, and keeps what they reached.
///
/// # Errors
/// When something cannot be installed, built or run, and when an invariant did not hold.
pub fn run(root: &Path, wanted: &[String], minutes: f64, jobs: usize) -> anyhow::Result<()> {
    let all = targets(root)?;
    if let Some(unknown) = wanted.iter().find(|target| !all.contains(target)) {
        bail!("no target is called `{unknown}`; there are {}", all.join(", "));
    }
    ensure!(minutes > 0.0 && jobs > 0, "at least one job, and more than no time");
    let wanted: Vec<String> = all.into_iter().filter(|target| wanted.is_empty() || wanted.contains(target)).collect();
    let programs = build(root, &wanted)?;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(wanted.len()) {
            scope.spawn(|| {
                while let Some(target) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    println!("fuzz: {target}");
                    let ran = one(root, &programs, target, minutes);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(ran);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut ran = results.into_iter().collect::<anyhow::Result<Vec<Ran>>>()?;
    ran.sort_by_key(|ran| wanted.iter().position(|target| *target == ran.target));
    println!("{:<14} {:>7} {:>12} {:>9} {:>7} {:>8} {:>6}", "target", "minutes", "executions", "coverage", "inputs", "bytes", "found");
    for Ran { target, took, executions, coverage, kept, found } in &ran {
        let minutes = took.as_secs_f64() / 60.0;
        println!("{target:<14} {minutes:>7.1} {executions:>12} {coverage:>9} {:>7} {:>8} {found:>6}", kept.files, kept.bytes);
    }
    let found: usize = ran.iter().map(|ran| ran.found).sum();
    ensure!(
        found == 0,
        "{found} inputs are in fuzz/artifacts for which an invariant does not hold; `cargo test -p bastide-fuzzed` replays them"
    );
    Ok(())
}

/// Installs what is missing and builds the programs; gives their folder.
fn build(root: &Path, wanted: &[String]) -> anyhow::Result<PathBuf> {
    let there = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !there(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        println!("fuzz: a nightly compiler is installed, as the instrumentation of libFuzzer is not in a stable one");
        done(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))
            .context("rustup installs nightly")?;
    }
    if !there(Command::new("cargo").args(["fuzz", "--version"])) {
        println!("fuzz: cargo-fuzz {CARGO_FUZZ} is installed");
        done(Command::new("cargo").args(["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ]))
            .context("cargo installs cargo-fuzz")?;
    }
    let output = Command::new("rustup").args(["run", "nightly", "rustc", "-vV"]).output().context("rustc")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("the compiler names its host")?;
    // Our code has no `unsafe` but in the sandbox, which is not fuzzed: an address sanitizer would halve the speed and find nothing of ours.
    for target in wanted {
        let mut build = Command::new("rustup");
        build.current_dir(root).args(["run", "nightly", "cargo", "fuzz", "build", "--sanitizer", "none", "--fuzz-dir", "fuzz"]);
        done(build.arg("--target-dir").arg(folder(root).join("target")).arg(target))?;
    }
    Ok(folder(root).join("target").join(host).join("release"))
}

/// Runs one target.
fn one(root: &Path, programs: &Path, target: &str, minutes: f64) -> anyhow::Result<Ran> {
    let place = |name: &str| -> anyhow::Result<PathBuf> {
        let path = folder(root).join(name).join(target);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    };
    let (work, kept, artifacts, log) =
        (place("target/corpus")?, place("corpus")?, place("artifacts")?, place("target/log")?.join("run.log"));
    let before = corpus::files(&artifacts)?.len();
    let began = Instant::now();
    let mut fuzzer = Command::new("nice");
    fuzzer.args(["-n", "19"]).arg(programs.join(target)).args(limits()).arg("-print_final_stats=1");
    fuzzer.arg(format!("-max_total_time={}", (minutes * 60.0).ceil())).arg(format!("-artifact_prefix={}/", artifacts.display()));
    let output = File::create(&log)?;
    let status = fuzzer.args([&work, &kept]).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).status();
    let status = status.with_context(|| format!("{} runs", target))?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let found = corpus::files(&artifacts)?.len().saturating_sub(before);
    ensure!(status.success() || found > 0, "{target} ended with {status} and left no input; see {}", log.display());
    let word = |line: &str, after: &str| line.split_whitespace().skip_while(|word| *word != after).nth(1).map(str::to_owned);
    let executions = said.lines().find_map(|line| word(line, "stat::number_of_executed_units:"));
    let executions =
        executions.or_else(|| said.lines().rev().find_map(|line| line.strip_prefix('#')?.split_whitespace().next().map(str::to_owned)));
    let coverage = said.lines().rev().find_map(|line| word(line, "cov:"));
    let merged = corpus::merge(&programs.join(target), &limits(), &folder(root).join("target/merged").join(target), &[work, kept.clone()])?;
    let kept = corpus::keep(&merged, &kept)?;
    Ok(Ran {
        target: target.to_owned(),
        took,
        executions: executions.unwrap_or_default(),
        coverage: coverage.unwrap_or_default(),
        kept,
        found,
    })
}

/// What ends a run. A report of slow inputs beside that would tell of a machine that stood still for a while.
fn limits() -> [String; 4] {
    let slow = "-report_slow_units=86400".to_owned();
    [format!("-max_len={LONGEST}"), format!("-timeout={SLOWEST}"), format!("-rss_limit_mb={LARGEST}"), slow]
}
