//! Stands in until its builder is done.

use crate::outcome::{Common, Failure};
use std::process::ExitCode;

/// None yet.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Refuses.
///
/// # Errors
/// Always.
pub async fn run(_: &Args, _: &Common) -> Result<ExitCode, Failure> {
    Err(Failure::system("this verb is not wired yet"))
}
