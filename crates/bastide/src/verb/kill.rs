//! `kill` and `release`.

use super::{configured, member, unique};
use crate::desk::{Desk, despite};
use crate::outcome::{Common, Failure};
use admin::Act;
use response::{Member, Scope};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;
use terms::{ServerName, SessionId};

/// What, and why.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// Why; it goes on record
    #[arg(long)]
    reason: String,
}

/// One of the scopes.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// Everything
    #[arg(long)]
    all: bool,
    /// Every call to this server
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
    /// Every call of agent:NAME or user:NAME
    #[arg(long, value_name = "agent:NAME", value_parser = principal)]
    principal: Option<Member>,
    /// Every call of this session; a start of its id will do
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

fn principal(text: &str) -> Result<Member, String> {
    text.parse().map_err(|_| "a principal is written agent:NAME or user:NAME".to_owned())
}

impl What {
    async fn scope(&self, desk: &Desk) -> Result<Scope, Failure> {
        match self {
            Self { server: Some(server), .. } => Ok(Scope::Server(server.clone())),
            Self { principal: Some(member), .. } => Ok(Scope::Principal(member.clone())),
            Self { session: Some(id), .. } => session(id, desk).await.map(Scope::Session),
            Self { all: true, .. } => Ok(Scope::All),
            Self { all: false, .. } => Err(Failure::usage("say what: --all, --server, --principal or --session")),
        }
    }
}

/// A whole id stands for itself, so that an ended session can be released too.
async fn session(text: &str, desk: &Desk) -> Result<SessionId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let sessions = desk.sessions().await?;
    member(unique(&sessions, "id", text)?, "id").parse().map_err(|_| Failure::system("the id cannot be read"))
}

/// The desk, also where the file is broken and a gateway still runs on the last good one.
async fn desk(common: &Common) -> Result<Desk, Failure> {
    match configured(common) {
        Ok(configured) => Desk::open(&configured).await,
        Err(failure) => despite(common).await.map(Desk::Running).ok_or(failure),
    }
}

/// Stops, at once.
///
/// # Errors
/// [`Failure`].
pub async fn kill(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let reason = args.reason.clone();
    let (answer, running) = desk(common)
        .await?
        .finish(async |desk| {
            let scope = args.what.scope(desk).await?;
            Ok((desk.perform(Act::Kill { scope, reason }).await?, desk.is_running()))
        })
        .await?;
    common.answer(&answer, |cut| {
        let gateway = if running { "" } else { "No gateway runs: it is in force from the next start on.\n" };
        format!("{}{gateway}", stopped(cut))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Lets go.
///
/// # Errors
/// [`Failure`].
pub async fn release(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let reason = args.reason.clone();
    let answer = desk(common)
        .await?
        .finish(async |desk| {
            let scope = args.what.scope(desk).await?;
            desk.perform(Act::Release { scope, reason }).await
        })
        .await?;
    common.answer(&answer, |cut| format!("{} is released.\n", member(cut, "scope")))?;
    Ok(ExitCode::SUCCESS)
}

fn stopped(cut: &Value) -> String {
    let mut out = format!(
        "Stopped {} in {} ms: {} sessions and {} calls under way ended.\n",
        member(cut, "scope"),
        cut["ms"],
        cut["ended_sessions"],
        cut["ended_calls"]
    );
    for folder in cut["kept"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let _ = writeln!(out, "What it left is kept in {folder}");
    }
    out
}
