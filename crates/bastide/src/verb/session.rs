//! `session`: the clients' open sessions.

use super::{configured, member};
use crate::desk::{listed, running};
use crate::outcome::{Common, Failure};
use crate::screen::{span, table};
use clap::Subcommand;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// What is done with sessions.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List the open ones, oldest first
    #[command(after_help = "Example:\n  bastide session list")]
    List,
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub async fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    match verb {
        Verb::List => {
            let sessions = match running(&configured).await? {
                Some(client) => listed(&client, "sessions").await?,
                None => Vec::new(),
            };
            common.answer(&json!({ "sessions": sessions }), shown)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let sessions = answer.get("sessions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if sessions.is_empty() {
        return "No session is open.\n".to_owned();
    }
    let row = |one: &Value| {
        let idle = Duration::from_secs(one["idle_seconds"].as_u64().unwrap_or_default());
        vec![
            member(one, "id").to_owned(),
            member(one, "agent").to_owned(),
            member(one, "user").to_owned(),
            member(one, "endpoint").to_owned(),
            one["calls"].to_string(),
            one["flying"].to_string(),
            span(idle),
        ]
    };
    table(&["session", "agent", "user", "endpoint", "calls", "under way", "idle"], &sessions.iter().map(row).collect::<Vec<_>>())
}
