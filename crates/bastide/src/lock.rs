//! `lock`: looks at what every server offers, shows what is new or changed, and signs what is approved.
//!
//! The work is done by [`admin::Act`]s, at the running gateway or on the state itself. A yes carries the digest of what was shown.

use crate::definition;
use crate::desk::Desk;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO, ask, say, warn};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::wire::{Configured, LOCK};
use admin::{Act, Approved, Differs, Look, Noted, Seek};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use terms::ServerName;

/// What is done with differences.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only look: exit 1 when anything differs from what was signed
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Approve definitions and digests without asking
    #[arg(long)]
    yes: bool,
    /// Look at this server alone
    #[arg(long, value_name = "NAME")]
    server: Option<ServerName>,
    /// Look at this server alone, and install its package afresh: the newest version that its line allows
    #[arg(long, value_name = "NAME", conflicts_with_all = ["check", "server"])]
    update: Option<ServerName>,
}

impl Args {
    /// Looks at one server and asks: `server approve NAME`.
    pub fn one(server: ServerName, yes: bool) -> Self {
        Self { check: false, yes, server: Some(server), update: None }
    }

    /// The one server that is looked at; none: all.
    fn only(&self) -> Option<&ServerName> {
        self.update.as_ref().or(self.server.as_ref())
    }
}

/// A server that could not be looked at or approved.
#[derive(Serialize)]
struct Failed {
    name: ServerName,
    cause: String,
}

/// What was found and done. Of a server whose difference was not approved nothing is counted: nothing changed.
#[derive(Default, Serialize)]
struct Answer {
    servers: Vec<Value>,
    #[serde(flatten)]
    differs: Differs,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    declined: Vec<ServerName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
    /// What the screens found in what is new or changed, and in the prompts of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Value>,
    /// What could be said of tools; never applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proposals: Vec<Value>,
}

/// Looks, shows, asks, signs.
///
/// # Errors
/// [`Failure`] when the configuration, the gateway or the state cannot be used.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = Configured::read(common.config.as_deref(), &SystemClock::new())?;
    let known = |name: &ServerName| configured.loaded.file.servers.contains_key(name);
    if let Some(name) = args.only().filter(|name| !known(name)) {
        return Err(Failure::usage(format!("no server is called `{name}`")).next("bastide server list"));
    }
    Desk::at(&configured, async |desk| lock(args, common, &configured, desk).await).await
}

async fn lock(args: &Args, common: &Common, configured: &Configured, desk: &Desk) -> Result<ExitCode, Failure> {
    let servers = &configured.loaded.file.servers;
    let locked = match sources::lock(configured)? {
        sources::Lock::Read(lock) => lock,
        sources::Lock::Absent => supply::Lock::default(),
        sources::Lock::Broken(why) if args.check => return Err(Failure::no(format!("{LOCK}: {why}"))),
        sources::Lock::Broken(why) => {
            warn(&format!("{LOCK}: {why}. Every server is looked at as if for the first time."));
            supply::Lock::default()
        }
    };
    let seek = if args.update.is_some() { Seek::Newest } else { Seek::Approved };
    let mut answer = Answer::default();
    let mut behind = false;
    let mut fresh = Vec::new();
    for name in locked.servers.keys().filter(|name| args.only().is_none() && !servers.contains_key(*name)) {
        if !args.check {
            desk.perform(Act::ServerForget { server: name.clone() }).await?;
        }
        answer.differs.removed.push(name.to_string());
    }
    for name in servers.keys().filter(|name| args.only().is_none_or(|only| only == *name)) {
        let look: Look = match desk.perform(Act::ServerLook { server: name.clone(), seek }).await {
            Ok(look) => read(look)?,
            Err(failure) => {
                answer.failed(name, &failure, common);
                continue;
            }
        };
        if look.open {
            fresh.push(name);
        }
        if look.open && !common.json {
            say(&look.text)?;
            say(&notes(&look.noted))?;
        }
        if !look.open || args.check {
            if look.open {
                answer.found(name, look.noted);
            }
            answer.differs.extend(look.differs);
            answer.servers.extend(Some(look.pinned).filter(|row| !row.is_null()));
            continue;
        }
        let grave = look.noted.iter().any(|note| note.grave);
        answer.found(name, look.noted);
        if grave && args.yes {
            warn(&format!(
                "{name} was not approved: what stands in its prompts or templates has to be looked at: bastide server approve {name}"
            ));
        }
        if (grave && args.yes) || (!args.yes && !asked(name)?) {
            answer.declined.push(name.clone());
            answer.servers.extend(Some(look.pinned).filter(|row| !row.is_null()));
            continue;
        }
        match desk.perform(Act::ServerApprove { server: name.clone(), shown: look.shown }).await {
            Ok(approved) => {
                let approved: Approved = read(approved)?;
                behind |= approved.behind;
                answer.differs.extend(approved.differs);
                answer.servers.push(approved.row);
            }
            Err(failure) => answer.failed(name, &failure, common),
        }
    }
    if behind && desk.is_running() {
        warn(&format!(
            "the gateway runs on an older {}: what is new in it counts after a reload: {}",
            configured.name(),
            hang_up(configured)
        ));
    }
    answer.proposals = proposals(configured, &fresh)?;
    in_prompts(configured, &mut answer, common)?;
    common.answer(&answer, summary)?;
    let open = !answer.failed.is_empty() || !answer.declined.is_empty() || (args.check && !answer.differs.is_empty());
    Ok(if open { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

/// Notes what the screens found in the approved templates of the configuration.
fn in_prompts(configured: &Configured, answer: &mut Answer, common: &Common) -> Result<(), Failure> {
    let file = &configured.loaded.file;
    if file.prompts.is_empty() {
        return Ok(());
    }
    let screens = config::screens(&file.inspect, &[]).map_err(|cause| Failure::caused(&cause))?;
    for (prompt, what) in definition::in_prompts(&screens.engine, &file.prompts) {
        if !common.json {
            warn(&format!("prompts.{prompt} holds {what}"));
        }
        answer.findings.push(json!({ "server": null, "item": format!("prompts.{prompt}"), "path": null, "what": what, "grave": false }));
    }
    Ok(())
}

/// What could be said of the tools of servers that were approved just now, as far as the file does not say it.
fn proposals(configured: &Configured, fresh: &[&ServerName]) -> Result<Vec<Value>, Failure> {
    let sources::Lock::Read(lock) = sources::lock(configured)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (name, pin) in fresh.iter().filter_map(|name| Some((*name, lock.servers.get(*name)?))) {
        let pins = pin.of(supply::Kind::Tool).iter().filter(|pin| pin.aside.is_none());
        let tools: Vec<(&str, serde_json::Map<String, Value>)> =
            pins.filter_map(|pin| Some((pin.name.as_str(), serde_json::from_str(pin.definition.as_str()).ok()?))).collect();
        let proposed = config::propose(&configured.loaded.file, name, tools.iter().map(|(name, definition)| (*name, definition)));
        all.extend(proposed.into_iter().map(|one| json!({ "tool": one.tool, "says": one.says })));
    }
    Ok(all)
}

impl Answer {
    fn found(&mut self, name: &ServerName, noted: Vec<Noted>) {
        let row = |note: Noted| json!({ "server": name, "item": note.item, "path": note.path, "what": note.what, "grave": note.grave });
        self.findings.extend(noted.into_iter().map(row));
    }

    fn failed(&mut self, name: &ServerName, failure: &Failure, common: &Common) {
        if !common.json {
            warn(&format!("{name}: {}", failure.sentence()));
        }
        self.failed.push(Failed { name: name.clone(), cause: failure.sentence().to_owned() });
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|cause| Failure::system("the gateway's answer cannot be read").because(&cause))
}

/// What the screens found, a line each.
fn notes(noted: &[Noted]) -> String {
    let line = |note: &Noted| {
        let mark = if note.grave { Mark::Bad } else { Mark::Note };
        format!("  {} {}  {}  at {}\n", mark.sign(), plain(&note.item, 120), plain(&note.what, 80), plain(&note.path, 200))
    };
    noted.iter().map(line).collect()
}

/// The command that lets the running gateway read its file again.
fn hang_up(configured: &Configured) -> String {
    let owner = std::fs::read_to_string(configured.loaded.file.state.join("owner.pid")).unwrap_or_default();
    let pid = owner.trim();
    let known = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    format!("kill -HUP {}", if known { pid } else { "PID" })
}

/// Asks on a terminal; elsewhere the answer is no.
fn asked(name: &ServerName) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        warn(&format!("{name} was not approved: nobody could be asked. `--yes` approves without asking."));
        return Ok(false);
    }
    ask(&format!("  Approve {name}? [y/N] "));
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn summary(answer: &Answer) -> String {
    let mut text = String::new();
    for row in &answer.servers {
        let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("  {name}  {} tools, {} prompts, {} templates\n", row["tools"], row["prompts"], row["templates"]));
    }
    for name in &answer.declined {
        text.push_str(&format!("  {name}  not approved: nothing changed\n"));
    }
    for failed in &answer.failed {
        text.push_str(&format!("  {}  not approved: {}\n", failed.name, failed.cause));
    }
    let Differs { added, changed, removed } = &answer.differs;
    text.push_str(&format!("{} added, {} changed, {} removed\n", added.len(), changed.len(), removed.len()));
    if !answer.proposals.is_empty() {
        text.push_str("\nWhat could stand under `tools:`, with your own folders, hosts and programs; none of it is applied:\n");
        for one in &answer.proposals {
            let part = |key: &str| supply::visible(one.get(key).and_then(Value::as_str).unwrap_or_default());
            text.push_str(&format!("  {}: {}\n", part("tool"), part("says")));
        }
    }
    text
}
