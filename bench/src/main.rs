//! Measures the gateway beside a null proxy, in one run, under one load.
//!
//! `bastide-bench run --bastide PATH` starts everything and prints the table; `eras` and `suspended` do so for what two eras of the protocol cost. The other
//! verbs are their parts: `upstream` and `proxy` print their
//! address as one line and serve until they are ended, `load` drives one target.

mod eras;
mod fsync;
mod goals;
mod load;
mod papers;
mod proxy;
mod run;
mod stages;
mod suspended;
mod upstream;
mod usage;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "bastide-bench", about = "Measures the gateway beside a null proxy, in one run, under one load")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serves MCP over Streamable HTTP with one tool, `echo`.
    Upstream {
        /// How many calls it does at once; any number, where it is not said.
        #[arg(long, requires = "takes")]
        at_once: Option<usize>,
        /// How long each takes then, in milliseconds.
        #[arg(long, requires = "at_once")]
        takes: Option<u64>,
    },
    /// Shakes hands with whoever comes, with the certificates of a folder.
    Shake {
        /// The folder.
        folder: PathBuf,
    },
    /// Measures what the listener has to bear, beside its goals; ends with 1 when one is missed.
    Goals {
        /// The gateway's program.
        #[arg(long)]
        bastide: PathBuf,
        /// Only these parts.
        #[arg(long)]
        only: Vec<goals::Part>,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Passes requests to `target` unread.
    Proxy {
        /// Where to.
        target: SocketAddr,
    },
    /// Drives one target and prints what it saw as JSON.
    Load {
        /// Where to.
        target: SocketAddr,
        /// The endpoint's path.
        #[arg(long, default_value = "/mcp")]
        path: String,
        /// A bearer token.
        #[arg(long, env = "BENCH_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// Connections, each with one call at a time.
        #[arg(long, default_value_t = 8)]
        connections: usize,
        /// How long, in seconds.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Speak 2026-07-28.
        #[arg(long)]
        modern: bool,
        /// The process whose CPU time is measured.
        #[arg(long)]
        pid: Option<u32>,
    },
    /// Starts everything, measures in interleaved rounds, prints a table.
    Run {
        /// The gateway's program; without one only the null proxy is measured.
        #[arg(long)]
        bastide: Option<PathBuf>,
        /// Connections of the CPU and latency rounds.
        #[arg(long, default_value_t = 8)]
        connections: usize,
        /// Length of one round, in seconds.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// Rounds for each target.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Measures what a call costs in each pair of eras of client and server, in interleaved rounds.
    Eras {
        /// The gateway's program.
        #[arg(long)]
        bastide: PathBuf,
        /// Connections of a round.
        #[arg(long, default_value_t = 32)]
        connections: usize,
        /// Length of one round, in seconds.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// Rounds for each pair.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Measures what a call holds that waits for its client to come back with an answer.
    Suspended {
        /// The gateway's program.
        #[arg(long)]
        bastide: PathBuf,
        /// Calls that wait at once.
        #[arg(long, default_value_t = 200)]
        calls: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match Arguments::parse().verb {
        Verb::Upstream { at_once, takes } => {
            let narrow = at_once.zip(takes).map(|(at_once, takes)| upstream::Narrow { at_once, takes: Duration::from_millis(takes) });
            runtime.block_on(upstream::serve(narrow))
        }
        Verb::Shake { folder } => runtime.block_on(goals::shake(&folder)),
        Verb::Goals { bastide, only, json } => {
            let report = runtime.block_on(goals::measure(&bastide, &only))?;
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{report}");
            }
            anyhow::ensure!(report.holds(), "a goal is missed");
            Ok(())
        }
        Verb::Proxy { target } => runtime.block_on(proxy::serve(target)),
        Verb::Load { target, path, token, connections, seconds, modern, pid } => {
            let era = if modern { load::Era::Modern } else { load::Era::Legacy };
            let target = load::Target { address: target, path, token, tool: "echo".into(), era, pid, tls: None };
            let seen = runtime.block_on(load::drive(&target, connections, Duration::from_secs(seconds)))?;
            println!("{}", serde_json::to_string(&seen)?);
            Ok(())
        }
        Verb::Run { bastide, connections, seconds, rounds, json } => {
            let plan = run::Plan { bastide, connections, round: Duration::from_secs(seconds), rounds };
            let report = runtime.block_on(run::measure(&plan))?;
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{report}");
            }
            Ok(())
        }
        Verb::Eras { bastide, connections, seconds, rounds } => {
            let report = runtime.block_on(eras::measure(&bastide, connections, Duration::from_secs(seconds), rounds))?;
            print!("{report}");
            Ok(())
        }
        Verb::Suspended { bastide, calls } => {
            print!("{}", runtime.block_on(suspended::measure(&bastide, calls))?);
            Ok(())
        }
    }
}
