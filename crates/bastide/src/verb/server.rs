//! `server`: the servers behind the gateway, as configured, as approved, as they run.

use super::{configured, member, watch};
use crate::desk::Desk;
use crate::lock;
use crate::outcome::{Common, Failure};
use crate::screen::table;
use crate::wire::Configured;
use admin::Act;
use clap::Subcommand;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use terms::ServerName;

/// What is done with servers.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List them: what is configured, what was approved, what is put aside
    #[command(after_help = "Example:\n  bastide server list")]
    List,
    /// Show one
    #[command(after_help = "Example:\n  bastide server show github")]
    Show(Which),
    /// Run one to see what it asks for, and propose the smallest `sandbox:` entry that covers it
    #[command(after_help = "Example:\n  bastide server watch files --call 'list_directory={\"path\": \"/srv/docs\"}'")]
    Watch(watch::Args),
    /// Show how one differs from what was approved, and approve it as it is now
    #[command(after_help = "Example:\n  bastide server approve github")]
    Approve(Approve),
    /// Let a server that died too often start again
    #[command(after_help = "Example:\n  bastide server release files")]
    Release(Which),
}

/// One server.
#[derive(clap::Args, Debug)]
pub struct Which {
    /// Its name
    name: ServerName,
}

/// What is approved.
#[derive(clap::Args, Debug)]
pub struct Approve {
    #[command(flatten)]
    which: Which,
    /// Without asking
    #[arg(long)]
    yes: bool,
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub async fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    let configured = match verb {
        Verb::Approve(Approve { which, yes }) => return lock::run(&lock::Args::one(which.name.clone(), *yes), common).await,
        Verb::Watch(args) => return watch::run(args, common).await,
        Verb::List | Verb::Show(_) | Verb::Release(_) => configured(common)?,
    };
    Desk::at(&configured, async |desk| match verb {
        Verb::List => {
            let answer = json!({ "servers": all(&configured, desk).await?, "running": desk.is_running() });
            common.answer(&answer, listed)
        }
        Verb::Show(which) => {
            let servers = all(&configured, desk).await?;
            let found = servers.iter().find(|server| member(server, "name") == which.name.as_str());
            let found = found.ok_or_else(|| Failure::usage(format!("there is no server `{}`", which.name)).next("bastide server list"))?;
            common.answer(found, shown)
        }
        Verb::Approve(_) | Verb::Watch(_) => Ok(()),
        Verb::Release(which) => {
            let answer = desk.perform(Act::ServerRelease { server: which.name.clone() }).await?;
            common.answer(&answer, |answer| format!("{} may start again.\n", member(answer, "server")))
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// What stands, with what is configured beside it.
async fn all(configured: &Configured, desk: &Desk) -> Result<Vec<Value>, Failure> {
    let mut servers = desk.servers().await?;
    for server in &mut servers {
        let name = member(server, "name").to_owned();
        let entry = configured.loaded.file.servers.iter().find(|(known, _)| known.as_str() == name).map(|(_, entry)| entry);
        let (Some(entry), Some(object)) = (entry, server.as_object_mut()) else { continue };
        object.insert(
            "configured".to_owned(),
            json!({
                "run": entry.run,
                "image": entry.image,
                "url": entry.url.as_ref().map(ToString::to_string),
                "trust": entry.trust(),
                "clearance": entry.clearance(),
                "label": entry.label(),
                "secrets": entry.secrets.values().map(|reference| format!("vault:{reference}")).collect::<Vec<_>>(),
            }),
        );
    }
    Ok(servers)
}

fn next(server: &Value) -> &'static str {
    match member(server, "state") {
        "unapproved" => "bastide lock",
        "unverified" => "bastide lock --check",
        "changed" => "bastide lock",
        "aside" => "bastide server release NAME",
        _ => "",
    }
}

fn count(server: &Value, name: &str) -> String {
    server.pointer(&format!("/pinned/{name}")).map_or_else(|| "-".to_owned(), Value::to_string)
}

/// Registry, name and version of the package that was approved.
pub(super) fn package(server: &Value) -> String {
    let content = server.pointer("/pinned/content").filter(|content| member(content, "kind") == "package");
    content.map_or_else(String::new, |content| {
        let named = [member(content, "registry"), member(content, "name"), member(content, "version")];
        named.map(supply::visible).join(" ")
    })
}

fn listed(answer: &Value) -> String {
    let servers = answer.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if servers.is_empty() {
        return "No server is configured.  Add one to `servers:`, then: bastide lock\n".to_owned();
    }
    let row = |server: &Value| {
        let held = server["held"].as_array().map_or(0, Vec::len);
        vec![
            member(server, "name").to_owned(),
            member(server, "carrier").to_owned(),
            member(server, "state").to_owned(),
            count(server, "tools"),
            held.to_string(),
            package(server),
            next(server).replace("NAME", member(server, "name")),
        ]
    };
    table(&["server", "carrier", "state", "tools", "put aside", "package", "next"], &servers.iter().map(row).collect::<Vec<_>>())
}

fn shown(server: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:<10}  {value}");
        }
    };
    line("server", member(server, "name"));
    line("state", member(server, "state"));
    let configured = server.get("configured").cloned().unwrap_or_default();
    line("run", &super::joined(&configured, "run").replace(", ", " "));
    line("package", &package(server));
    line("url", member(&configured, "url"));
    line("trust", member(&configured, "trust"));
    line("clearance", member(&configured, "clearance"));
    line("label", member(&configured, "label"));
    line("secrets", &super::joined(&configured, "secrets"));
    if let Some(pinned) = server.get("pinned").filter(|pinned| !pinned.is_null()) {
        line("revision", member(pinned, "revision"));
        line("offers", &format!("{} tools, {} prompts, {} templates", pinned["tools"], pinned["prompts"], pinned["templates"]));
        line("approved", &format!("by {} at {}", member(pinned, "reviewer"), member(pinned, "approved_at")));
        line("expires", member(pinned, "expires"));
    }
    for held in server["held"].as_array().map(Vec::as_slice).unwrap_or_default() {
        line("put aside", &format!("{} ({})", supply::visible(member(held, "name")), member(held, "why")));
    }
    line("next", &next(server).replace("NAME", member(server, "name")));
    out
}
