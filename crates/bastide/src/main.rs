//! The command line and the wiring.
//!
//! `main` parses, every verb answers, `outcome` turns the answer into an exit code. The wiring of the gateway is in `wire` and `serve`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod acts;
mod assess;
mod ca;
mod canary;
mod cli;
mod collector;
mod connect;
mod contents;
mod definition;
mod desk;
mod enrolled;
mod host;
mod lock;
mod log_line;
mod outcome;
mod packages;
mod passphrase;
mod retention;
mod reviews;
mod room;
mod screen;
mod secured;
mod serve;
mod sources;
mod start;
mod trial;
mod verb;
mod watch;
mod wire;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The helper that starts a server must find the process as it was executed: no thread, no descriptor.
    if std::env::args_os().nth(1).is_some_and(|first| first == sandbox::ARGUMENT) {
        sandbox::enter();
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == canary::VERB) {
        return canary::run();
    }
    let cli = cli::Cli::parse();
    let runtime = match cli.runtime() {
        Ok(runtime) => runtime,
        Err(source) => return outcome::Failure::system("the runtime cannot be started").because(&source).report(&cli.common),
    };
    let ended = runtime.block_on(cli.run());
    // Work on other threads, such as a read of standard input, must not keep the process.
    runtime.shutdown_background();
    ended
}
