//! `lock`: looks at what every server offers, shows what is new or changed, and signs what is approved.

use crate::contents::FileContents;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO, say};
use crate::wire::{Configured, LOCK, Wired, user_name, wire};
use gateway::doors::{Contents, fetch};
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use supply::{Approval, Difference, Fetched, Lock, LockAnswer, ServerPin, ServerRow};
use terms::{Name, ServerName};

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
}

impl Args {
    /// Looks at one server and asks: `server approve NAME`.
    pub fn one(server: ServerName, yes: bool) -> Self {
        Self { check: false, yes, server: Some(server) }
    }
}

/// What was found of one server.
struct Look {
    name: ServerName,
    outcome: Result<(Fetched, Option<Difference>), String>,
}

#[derive(Serialize)]
struct Unlooked {
    name: ServerName,
    cause: String,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    lock: LockAnswer,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Unlooked>,
}

/// Looks, shows, asks, signs.
///
/// # Errors
/// [`Failure`] when the configuration or the state cannot be used.
pub async fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = Configured::read(common.config.as_deref(), &SystemClock::new())?;
    let known = |name: &ServerName| configured.loaded.file.servers.contains_key(name);
    if let Some(name) = args.server.as_ref().filter(|name| !known(name)) {
        return Err(Failure::usage(format!("no server is called `{name}`")).next("bastide server list"));
    }
    let wired = wire(&configured).await?;
    let done = lock(args, common, &configured, &wired).await;
    wired.gate.ending.cancel();
    wired.gate.servers.cut(None);
    wired.close().await;
    done
}

async fn lock(args: &Args, common: &Common, configured: &Configured, wired: &Wired) -> Result<ExitCode, Failure> {
    let mut signed = match configured.lock(&wired.lock_key.verifying_key()) {
        Ok(lock) => lock,
        Err(supply::Error::Missing) => Lock::default(),
        Err(fault) if args.check => return Err(Failure::no(format!("{LOCK}: {fault}"))),
        Err(fault) => {
            eprintln!("! {LOCK}: {fault}. Every server is looked at as if for the first time.");
            Lock::default()
        }
    };
    let looks = look(args, wired, &signed).await;
    let gone: Vec<ServerName> = match args.server {
        Some(_) => Vec::new(),
        None => signed.servers.keys().filter(|name| !configured.loaded.file.servers.contains_key(*name)).cloned().collect(),
    };
    let approval = Approval { reviewer: reviewer(), at: wired.clock.utc(), expires: None };
    let mut answer = Answer { lock: LockAnswer::default(), failed: Vec::new() };
    let mut differs = false;
    for name in gone {
        answer.lock.removed.push(name.to_string());
        differs = true;
        if !args.check {
            signed.servers.remove(&name);
        }
    }
    for look in looks {
        let (fetched, difference) = match look.outcome {
            Ok(found) => found,
            Err(cause) => {
                if !common.json {
                    eprintln!("! {}: {cause}", look.name);
                }
                answer.failed.push(Unlooked { name: look.name, cause });
                continue;
            }
        };
        let pin = supply::approve(&look.name, &fetched, &approval).map_err(|cause| Failure::system(format!("{}: {cause}", look.name)))?;
        let change = difference.clone().unwrap_or_else(|| first(&fetched));
        if difference.as_ref().is_some_and(Difference::is_empty) {
            let pinned = signed.servers.get(&look.name).unwrap_or(&pin);
            answer.lock.note(ServerRow::of(&look.name, pinned), &change);
            continue;
        }
        differs = true;
        if !common.json {
            say(&shown(&look.name, &pin, difference.as_ref()))?;
        }
        answer.lock.note(ServerRow::of(&look.name, &pin), &change);
        if !args.check && (args.yes || asked(&look.name)?) {
            signed.servers.insert(look.name, pin);
        }
    }
    if !args.check {
        let bytes = signed.write(&wired.lock_key)?;
        record(wired, &answer, &bytes).await?;
        replace(&configured.folder().join(LOCK), &bytes)?;
        replace(&configured.latest(), supply::Digest::of(&bytes).to_string().as_bytes())?;
    }
    common.answer(&answer, summary)?;
    let failed = !answer.failed.is_empty();
    Ok(if failed || (args.check && differs) { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

/// Everything that a server offers, as differences from nothing.
fn first(fetched: &Fetched) -> Difference {
    let mut difference = Difference::default();
    for kind in supply::Kind::ALL {
        difference.added.extend(fetched.of(kind).iter().map(|one| supply::Item { kind, name: one.name.clone() }));
    }
    difference
}

async fn look(args: &Args, wired: &Wired, signed: &Lock) -> Vec<Look> {
    let snapshot = wired.gate.snapshot();
    let contents: Arc<dyn Contents> = Arc::new(FileContents::default());
    let mut looks = Vec::new();
    for (name, server) in snapshot.servers.iter().filter(|(name, _)| args.server.as_ref().is_none_or(|only| only == *name)) {
        let outcome = match fetch(&wired.gate, server, &contents).await {
            Err(cause) => Err(cause.to_string()),
            Ok(fetched) => match fetched.check() {
                Err(cause) => Err(cause.to_string()),
                Ok(()) => {
                    let difference = signed.servers.get(name).map(|pin| supply::compare(pin, &fetched));
                    Ok((fetched, difference))
                }
            },
        };
        looks.push(Look { name: name.clone(), outcome });
    }
    looks
}

fn shown(name: &ServerName, pin: &ServerPin, difference: Option<&Difference>) -> String {
    match difference {
        Some(difference) => format!("~ {name} differs from what was approved\n{}\n", difference.render()),
        None => {
            let mut text = format!("+ {name}  {}\n", pin.content);
            for kind in supply::Kind::ALL {
                for one in pin.of(kind) {
                    let described = one.definition.text("description").unwrap_or_default();
                    let line: String = supply::visible(described.lines().next().unwrap_or_default()).chars().take(90).collect();
                    text.push_str(&format!("  + {} {}  {line}\n", kind.as_str(), supply::visible(&one.name)));
                }
            }
            text
        }
    }
}

/// Asks on a terminal; elsewhere the answer is no.
fn asked(name: &ServerName) -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("! {name} was not approved: nobody could be asked. `--yes` approves without asking.");
        return Ok(false);
    }
    eprint!("  Approve {name}? [y/N] ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn reviewer() -> Name {
    let named = user_name(rustix::process::getuid().as_raw());
    named.or_else(|| Name::new("operator").ok()).unwrap_or_else(|| std::process::abort())
}

/// Writes the whole file beside the old one, then takes its place.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|cause| Failure::caused(&cause.error))?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// Puts on record what takes the place of the lock, before it does.
async fn record(wired: &Wired, answer: &Answer, lock: &[u8]) -> Result<(), Failure> {
    use audit::record::{Act, Kind, Object};
    let mut record = audit::Record::new(terms::RecordId::new(&*wired.entropy), Kind::Act, wired.clock.utc(), wired.clock.instant());
    let parameters = serde_json::to_vec(&serde_json::json!({
        "added": answer.lock.added.len(), "changed": answer.lock.changed, "removed": answer.lock.removed,
        "digest": supply::Digest::of(lock).to_string(),
    }))?;
    let operator = reviewer();
    record.act =
        Some(Act { operator: operator.as_str(), name: "lock", parameters: Object::new(&parameters).ok(), outcome: Some("signed") });
    let ticket = audit::Journal::append_reserved(&*wired.journal, record.encode());
    ticket.await.map_err(|cause| Failure::caused(&cause))?;
    Ok(())
}

fn summary(answer: &Answer) -> String {
    let mut text = String::new();
    for row in &answer.lock.servers {
        text.push_str(&format!("  {}  {} tools, {} prompts, {} templates\n", row.name, row.tools, row.prompts, row.templates));
    }
    for failed in &answer.failed {
        text.push_str(&format!("  {}  not looked at: {}\n", failed.name, failed.cause));
    }
    let counts = (answer.lock.added.len(), answer.lock.changed.len(), answer.lock.removed.len());
    text.push_str(&format!("{} added, {} changed, {} removed\n", counts.0, counts.1, counts.2));
    text
}
