//! `connect`: MCP on standard input and output, for clients that launch commands, carried to a gateway.

mod carry;
mod local;
mod papers;
mod remote;

use crate::outcome::{Common, Failure};
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Name, ServerName};
use url::Url;

/// Where to, and as whom.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A gateway elsewhere, such as `https://gateway.example.com:8420`; without it that of this machine, over its local socket
    #[arg(value_name = "URL")]
    url: Option<Url>,
    /// One server under its own names; without it all of them, as `server__tool`
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
    /// Which agent this is: its roles are those of `agent:NAME`; elsewhere the token says so
    #[arg(long = "as", value_name = "AGENT", default_value = "local", conflicts_with = "url")]
    agent: Name,
    /// Do not start a gateway where none runs
    #[arg(long, conflicts_with = "url")]
    no_start: bool,
    /// The folder of chain.pem, key.pem and authority.pem: what the gateway is shown, and what it is known by. Looked at again while it is used
    #[arg(long, value_name = "DIR", requires = "url")]
    identity: Option<PathBuf>,
    /// The file of the authorities, PEM, that the gateway's certificate may come from, and no other
    #[arg(long, value_name = "FILE", requires = "url", conflicts_with = "identity")]
    ca: Option<PathBuf>,
    /// The file that holds the token, read for each message; without it $BASTIDE_TOKEN
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

/// Carries messages both ways until either side ends.
///
/// # Errors
/// [`Failure`] when there is no gateway to carry them to, or what it is known by cannot be read.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    match &args.url {
        None => local::run(args, common).await,
        Some(url) => remote::run(url, args).await,
    }
}
