//! What is done to this repository: checks, generated files, tests, proofs, benchmarks.

mod codegen;
mod fuzz;
mod metadata;
mod prove;
mod setup;
mod test;
mod tidy;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(name = "xtask", about = "What is done to this repository")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs every check and every test.
    Test,
    /// Checks layers, names, generated files and licences.
    Tidy,
    /// Writes the generated files.
    Codegen {
        /// Fail when one is stale, write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Shows that no stage of the line can be left out, forged or used twice.
    Prove,
    /// Installs the real clients and servers for the end-to-end tests.
    Setup,
    /// Kills the gateway under load at random moments and looks whether anything is missing from its log.
    Faults {
        /// How often.
        #[arg(long, default_value_t = 200)]
        count: u32,
    },
    /// Asks the system, URL libraries, databases and shells what they make of whatever the guards let through.
    Oracles {
        /// How many cases for each guard.
        #[arg(long, default_value_t = 100_000)]
        count: u32,
    },
    /// Fuzzes every target, or those named, and keeps what was reached in `fuzz/corpus`, what was found in `fuzz/artifacts`.
    Fuzz {
        /// Such as `client`, `head`.
        targets: Vec<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 30.0)]
        minutes: f64,
        /// How many run at once.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Fuzz nothing; add the messages of a file of JSON lines, or of a folder of such, to the corpora.
        #[arg(long, value_name = "PATH", conflicts_with = "targets")]
        record: Option<PathBuf>,
    },
    /// Scores the screens on labelled sets, beside what they find of families that nothing was made for.
    Eval {
        /// A folder of `secrets.jsonl`, `pii.jsonl`, `financial.jsonl`, `hidden.jsonl`; the repository's own where none is named.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Print every record that is missed or wrong.
        #[arg(long, conflicts_with = "corpus")]
        misses: bool,
        /// Score nothing; run over the files of folders of packages, and count what is found by kind, apart in files that are about such data.
        #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "data")]
        corpus: Vec<PathBuf>,
        /// How many examples of each kind are shown of a corpus, masked.
        #[arg(long, default_value_t = 3, requires = "corpus")]
        examples: u32,
    },
    /// Measures the gateway beside a null proxy; further arguments go to `bastide-bench run`, or to the verb of it that they begin with.
    Bench {
        /// Measure the null proxy alone.
        #[arg(long)]
        without_gateway: bool,
        /// Such as `--json`, `--rounds 5`; `eras --rounds 5`, `suspended`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        more: Vec<OsString>,
    },
    /// Attacks the built gateway: floods, slow clients, broken TLS, bad certificates; each must have its end while a good client goes on.
    Hostile {
        /// Such as `--list`, `--json`, `--only CASE`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        more: Vec<OsString>,
    },
    /// Measures idle streams, overload, handshakes and TLS beside their goals.
    Load {
        /// Such as `--json`, `--only streams`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        more: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("xtask: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let root = root()?;
    match verb {
        Verb::Test => return test::all(&root),
        Verb::Tidy => tidy::check(&root)?,
        Verb::Codegen { check } => codegen::all(&root, if check { codegen::Mode::Check } else { codegen::Mode::Write })?,
        Verb::Prove => prove::all(&root)?,
        Verb::Setup => setup::install(&root)?,
        Verb::Faults { count } => {
            let test = ["test", "--package", "bastide", "--test", "crash", "--", "--nocapture"];
            done(cargo(&root).args(test).env("BASTIDE_CRASHES", count.to_string()))?;
        }
        Verb::Oracles { count } => {
            setup::install(&root)?;
            let test = ["test", "--package", "bastide-e2e", "--test", "oracles", "--", "--nocapture"];
            done(cargo(&root).args(test).env("BASTIDE_CASES", count.to_string()).env("BASTIDE_REQUIRE_EXTERNAL", "1"))?;
        }
        Verb::Fuzz { record: Some(source), .. } => fuzz::extend(&root, &source)?,
        Verb::Fuzz { targets, minutes, jobs, record: None } => fuzz::run(&root, &targets, minutes, jobs)?,
        Verb::Eval { data, misses, corpus, examples } => {
            let example = if corpus.is_empty() { "eval" } else { "corpus" };
            let mut run = cargo(&root);
            run.args(["run", "--release", "--quiet", "--package", "bastide-detect", "--example", example, "--"]);
            if corpus.is_empty() {
                run.args(misses.then_some("--misses")).args(data);
            } else {
                run.args(["--examples", &examples.to_string()]).args(corpus);
            }
            done(&mut run)?;
        }
        Verb::Bench { without_gateway, more } => bench(&root, without_gateway, &more)?,
        Verb::Hostile { more } => {
            let folder = built(&root, &["bastide", "bastide-testkit", "bastide-hostile"])?;
            done(Command::new(folder.join("bastide-hostile")).args(more).env("BASTIDE_BIN_DIR", &folder))?;
        }
        Verb::Load { more } => {
            let folder = built(&root, &["bastide", "bastide-bench"])?;
            done(Command::new(folder.join("bastide-bench")).arg("goals").arg("--bastide").arg(folder.join("bastide")).args(more))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn bench(root: &Path, without_gateway: bool, more: &[OsString]) -> anyhow::Result<()> {
    let packages = if without_gateway { &["bastide-bench"][..] } else { &["bastide-bench", "bastide"] };
    let folder = built(root, packages)?;
    let mut bench = Command::new(folder.join("bastide-bench"));
    if more.first().is_none_or(|first| first.to_string_lossy().starts_with('-')) {
        bench.arg("run");
    }
    bench.args(more);
    if !without_gateway {
        bench.arg("--bastide").arg(folder.join("bastide"));
    }
    done(&mut bench)
}

/// Builds the programs of `packages` as they are given to users; the folder that they are in.
fn built(root: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let named = packages.iter().flat_map(|package| ["--package", package]);
    done(cargo(root).args(["build", "--profile", "dist"]).args(named))?;
    Ok(target(root).join("dist"))
}

/// The root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).map(Path::to_owned).context("this crate lies two folders down")
}

/// The build folder.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// `cargo` at the root.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs `command`; anything but success is a fault.
fn done(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
