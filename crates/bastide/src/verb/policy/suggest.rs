//! `policy suggest`: what roles need, learnt from what they used.

use super::super::audit::Stretch;
use super::super::proposal::many;
use super::super::recorded::{self, Read, Recorded, Was};
use super::super::{configured, proposal};
use crate::outcome::{Common, Failure};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::wire::Configured;
use config::Put;
use policy::{Arguments, Ending, Engine, Facts, Globs, Situation, Suggestion, Usage};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Label, Name, Principal, ServerName, Utc};

/// From which calls, and for whom.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    stretch: Stretch,
    /// Only this role [default: every role that was used]
    #[arg(long, value_name = "ROLE")]
    role: Option<Name>,
    /// Instead of roles, one for this principal alone: agent:NAME or user:NAME
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = member, conflicts_with = "role")]
    principal: Option<String>,
    /// Name every tool, without globs
    #[arg(long)]
    exact: bool,
    /// Write the configuration with these roles to a new file
    #[arg(long, value_name = "FILE", conflicts_with = "principal")]
    propose: Option<PathBuf>,
}

/// A member of a role, as it is written.
pub fn member(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some(("agent" | "user", name)) => Name::new(name).map(|_| text.to_owned()).map_err(|cause| cause.to_string()),
        _ => Err("a principal is written agent:NAME or user:NAME".to_owned()),
    }
}

/// What was used, by role.
#[derive(Default)]
struct Day {
    roles: BTreeMap<Name, Usage>,
    /// Of the one principal that was asked for: its uses, and the roles that allowed them.
    one: Usage,
    calls: u64,
    callers: BTreeSet<String>,
    first: Option<Utc>,
    last: Option<Utc>,
    refused: u64,
    /// Calls that were allowed and that no role of today allows.
    gone: u64,
    /// Calls that a Cedar policy alone allows.
    cedar: u64,
    lacking: u64,
}

/// The most callers that are told apart.
const CALLERS: usize = 10_000;

impl Day {
    fn take(&mut self, call: &Recorded, engine: &Engine, wanted: Option<&str>) {
        let Some((server, spoken)) = &call.target else { return };
        if wanted.is_some_and(|wanted| !call.principal.is(wanted)) {
            return;
        }
        if call.was != Was::Decided(Ending::Allowed) {
            self.refused += 1;
            return;
        }
        self.calls += 1;
        self.first = self.first.into_iter().chain(call.time).min();
        self.last = self.last.max(call.time);
        let caller = caller(&call.principal);
        if self.callers.len() < CALLERS {
            self.callers.insert(caller.clone());
        }
        self.one.count(&caller, (server, spoken), (call.action, call.operation), call.label);
        let mut facts = Facts::new(&call.principal, server, spoken.subject()).doing(call.action);
        facts.operation = call.operation;
        let verdict = engine.suppose(&facts.arguments(Arguments::Any).situation(Situation::Any));
        let roles: BTreeSet<&Name> = verdict.rules.iter().filter_map(|rule| rule.role()).collect();
        match (verdict.shows(), roles.is_empty()) {
            (false, _) => self.gone += 1,
            (true, true) => self.cedar += 1,
            (true, false) => {
                for role in roles {
                    self.roles.entry(role.clone()).or_default().count(&caller, (server, spoken), (call.action, call.operation), call.label);
                }
            }
        }
    }
}

/// As a member would be written; with the user where there is one.
fn caller(principal: &Principal) -> String {
    match &principal.user {
        None => format!("agent:{}", principal.agent),
        Some(user) => format!("agent:{} for user:{user}", principal.agent),
    }
}

/// One role of the answer.
struct Learnt {
    name: String,
    is_new: bool,
    members: Vec<String>,
    quiet: Vec<String>,
    today: Option<Label>,
    stays: Vec<&'static str>,
    usage: Usage,
    found: Suggestion,
    /// Entries with conditions, as YAML, by server.
    conditions: BTreeMap<ServerName, Vec<String>>,
}

impl Learnt {
    fn clearance(&self) -> Label {
        self.today.map_or(self.found.clearance, |today| today.min(self.found.clearance))
    }

    /// With the entries whose conditions stay, of what was used alone, found in the file by their places.
    fn with_conditions(mut self, roles: &[Name], configured: &Configured) -> Self {
        let loaded = &configured.loaded;
        let mut found: BTreeMap<(ServerName, String), BTreeMap<String, u64>> = BTreeMap::new();
        for ((server, place), used) in &self.found.conditions {
            for role in roles {
                let Some(list) = loaded.file.roles.get(role).and_then(|role| role.allow.get(server)) else { continue };
                for (at, entry) in list.iter().enumerate() {
                    let config::Entry::Under(inner, _) = entry else { continue };
                    let at = at.to_string();
                    let path = ["roles", role.as_str(), "allow", server.as_str(), &at];
                    let stands = |inner: usize| {
                        let stands = loaded.place(&[&path[..], &["tools", &inner.to_string()]].concat());
                        (stands.line, stands.column) == (place.line, place.column)
                    };
                    let condition = loaded.printed(&[&path[..], &["when"]].concat());
                    if let (true, Some(condition)) = ((0..inner.len()).any(stands), condition) {
                        let counts = found.entry((server.clone(), condition)).or_default();
                        for (text, count) in used {
                            *counts.entry(text.clone()).or_default() += count;
                        }
                    }
                }
            }
        }
        for ((server, condition), counts) in found {
            let names: Vec<String> = counts.keys().map(|name| config::scalar(name)).collect();
            let each: Vec<String> = counts.iter().map(|(name, count)| format!("{} {count}", plain(name, 60))).collect();
            let entry = format!("{{ tools: [{}], when: {condition} }}  # {}", names.join(", "), each.join(", "));
            self.conditions.entry(server).or_default().push(entry);
        }
        self
    }

    /// The `allow` of it, as lines of YAML without indentation; with counts as comments.
    fn allow(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let servers: BTreeSet<&ServerName> = self.found.allow.keys().chain(self.conditions.keys()).collect();
        for server in servers {
            lines.push(format!("{}:", config::scalar(server.as_str())));
            lines.extend(self.conditions.get(server).into_iter().flatten().map(|entry| format!("  - {entry}")));
            for one in self.found.allow.get(server).into_iter().flatten() {
                let uses: u64 = one.used.iter().map(|(_, count)| count).sum();
                let each = || one.used.iter().map(|(name, count)| format!("{} {count}", plain(name, 60))).collect::<Vec<_>>().join(", ");
                let comment = match one.used.len() {
                    0 => "nothing narrower can name what was used of it".to_owned(),
                    1 => uses.to_string(),
                    _ => format!("{uses}: {}", each()),
                };
                lines.push(format!("  - {}  # {comment}", config::scalar(&one.entry)));
            }
        }
        lines
    }
}

/// Learns. Nothing is written but a file that was asked for.
///
/// # Errors
/// [`Failure`].
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let engine = sources::policy(&configured)?;
    if let Some(role) = args.role.as_ref().filter(|role| !configured.loaded.file.roles.contains_key(*role)) {
        let near = nearest(role.as_str(), configured.loaded.file.roles.keys().map(Name::as_str));
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        return Err(Failure::usage(format!("there is no role \"{role}\"{near}")).next("bastide policy check --as-text"));
    }
    let day = day(&configured, &engine, args)?;
    if day.calls == 0 {
        return Err(Failure::no("no call was allowed in that time").next("bastide audit show --since 24h"));
    }
    let inventory = sources::inventory(&configured);
    let globs = if args.exact { Globs::Never } else { Globs::Tight };
    let file = &configured.loaded.file;
    let learn = |name: &Name, usage: &Usage| {
        let role = file.roles.get(name);
        let members: Vec<String> = role.map(|role| role.members.iter().map(ToString::to_string).collect()).unwrap_or_default();
        let called = |member: &String| usage.callers().keys().any(|caller| caller.split(" for ").any(|part| part == member));
        Learnt {
            name: name.to_string(),
            is_new: false,
            quiet: members.iter().filter(|member| !called(member)).cloned().collect(),
            members,
            today: role.map(|role| role.clearance),
            stays: role.map(stays).unwrap_or_default(),
            usage: usage.clone(),
            conditions: BTreeMap::new(),
            found: engine.suggest(std::slice::from_ref(name), usage, &inventory, globs),
        }
        .with_conditions(std::slice::from_ref(name), &configured)
    };
    let learnt: Vec<Learnt> = match &args.principal {
        Some(member) => vec![alone(member, &day, &engine, &configured, globs)],
        None => day
            .roles
            .iter()
            .filter(|(name, _)| args.role.as_ref().is_none_or(|role| role == *name))
            .map(|(name, usage)| learn(name, usage))
            .collect(),
    };
    let yaml = yaml(&learnt);
    if let Some(path) = &args.propose {
        propose(path, &learnt, &configured)?;
    }
    let next = next(args, &configured, common);
    let answer = answer(&day, &learnt, &yaml, args, &next);
    common.answer(&answer, |_| said(&day, &learnt, &yaml, args, &next))?;
    Ok(ExitCode::SUCCESS)
}

fn day(configured: &Configured, engine: &Engine, args: &Args) -> Result<Day, Failure> {
    let mut day = Day::default();
    recorded::each(configured, &args.stretch, |read| match read {
        Read::Other => {}
        Read::Lacking { .. } => day.lacking += 1,
        Read::Call(call) => day.take(&call, engine, args.principal.as_deref()),
    })?;
    Ok(day)
}

/// A role of one member, within what the roles that it has today allow.
fn alone(member: &str, day: &Day, engine: &Engine, configured: &Configured, globs: Globs) -> Learnt {
    let file = &configured.loaded.file;
    let own = member.split_once(':').map_or(member, |(_, name)| name);
    let taken = |name: &str| file.roles.keys().any(|role| role.as_str() == name);
    let name = if taken(own) { format!("{own}-alone") } else { own.to_owned() };
    let roles: Vec<Name> = day.roles.keys().cloned().collect();
    let today = file.roles.iter().filter(|(name, _)| roles.contains(name)).map(|(_, role)| role.clearance).max();
    Learnt {
        name,
        is_new: true,
        members: vec![member.to_owned()],
        quiet: Vec::new(),
        today,
        stays: Vec::new(),
        usage: day.one.clone(),
        conditions: BTreeMap::new(),
        found: engine.suggest(&roles, &day.one, &sources::inventory(configured), globs),
    }
    .with_conditions(&roles, configured)
}

/// The keys of a role that a suggestion leaves as they are.
fn stays(role: &config::Role) -> Vec<&'static str> {
    let all = [
        ("ask", !role.ask.is_empty()),
        ("grant", !role.grant.is_empty()),
        ("when", role.when != policy::When::default()),
        ("limits", role.limits != config::Limits::default()),
        ("hours", role.hours.is_some()),
        ("listing", role.listing != config::Listing::All),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(key, _)| key).collect()
}

fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.filter(|name| name.contains(wanted) || wanted.contains(name)).min_by_key(|name| name.len())
}

fn yaml(learnt: &[Learnt]) -> String {
    let mut out = String::from("roles:\n");
    for one in learnt {
        let callers = one.usage.callers();
        let mut each: Vec<String> = callers.iter().take(8).map(|(caller, count)| format!("{caller} {count}")).collect();
        if callers.len() > each.len() {
            each.push(format!("{} more", callers.len() - each.len()));
        }
        let _ = writeln!(out, "  {}:  # {}: {}", config::scalar(&one.name), many(one.usage.calls(), "call"), each.join(", "));
        let members: Vec<String> = one.members.iter().map(|member| config::scalar(member)).collect();
        let quiet = if one.quiet.is_empty() { String::new() } else { format!("  # without a call: {}", one.quiet.join(", ")) };
        let _ = writeln!(out, "    members: [{}]{quiet}", members.join(", "));
        let was = one.today.filter(|today| *today != one.clearance());
        let was = was.map(|today| format!("  # {} today; nothing above {} was received", today.as_str(), one.clearance().as_str()));
        let _ = writeln!(out, "    clearance: {}{}", one.clearance().as_str(), was.unwrap_or_default());
        out.push_str("    allow:\n");
        for line in one.allow() {
            let _ = writeln!(out, "      {line}");
        }
        if !one.stays.is_empty() {
            let _ = writeln!(out, "    # {} stay as they are: take them over", one.stays.join(", "));
        }
        if one.found.idle > 0 {
            let _ = writeln!(out, "    # never used: {} tools that it may call today", one.found.idle);
        }
        for unused in &one.found.unused {
            let _ = writeln!(out, "    # never used: {}  {} {}", unused.place.short(), unused.server, plain(&unused.entry, 80));
        }
    }
    out
}

/// The configuration with what was learnt in the place of what the roles allow today.
fn propose(path: &std::path::Path, learnt: &[Learnt], configured: &Configured) -> Result<(), Failure> {
    let mut text = proposal::text(configured)?;
    for one in learnt {
        let key = |key: &str| vec!["roles".to_owned(), one.name.clone(), key.to_owned()];
        let mut changes = vec![(key("allow"), Put::Block(one.allow()))];
        if one.today != Some(one.clearance()) {
            changes.push((key("clearance"), Put::Value(one.clearance().as_str().to_owned())));
        }
        let edited = proposal::edited(&text, &changes).ok_or_else(|| {
            let place = configured.loaded.place(&["roles", &one.name]);
            Failure::usage(format!("{}:{} is not written in a way that is changed by a program", configured.name(), place.line))
                .next("give the role a line for each of its keys, or paste what is printed without --propose")
        })?;
        text = edited.text;
    }
    proposal::with(configured, &text)?;
    proposal::write(path, &text)
}

/// The same selection, as it was given.
fn selection(args: &Args) -> String {
    let mut out = String::new();
    let times = [("since", args.stretch.since), ("until", args.stretch.until)];
    for (name, time) in times {
        if let Some(time) = time {
            let _ = write!(out, " --{name} {time}");
        }
    }
    out
}

fn next(args: &Args, configured: &Configured, common: &Common) -> String {
    let times = selection(args);
    let word = |path: &std::path::Path| proposal::word(&path.display().to_string());
    match (&args.propose, &args.principal) {
        (Some(path), _) => format!("{} --against {}{times} --no-change", proposal::command("policy replay", common), word(path)),
        (None, Some(_)) => proposal::command("policy check --as-text", common),
        (None, None) => {
            let role = args.role.as_ref().map(|role| format!(" --role {role}")).unwrap_or_default();
            let exact = if args.exact { " --exact" } else { "" };
            let path = proposal::beside(configured, "suggested.yaml");
            format!("{}{times}{role}{exact} --propose {path}", proposal::command("policy suggest", common))
        }
    }
}

fn answer(day: &Day, learnt: &[Learnt], yaml: &str, args: &Args, next: &str) -> Value {
    let role = |one: &Learnt| {
        let entries = |list: &[policy::Suggested]| {
            let used = |one: &policy::Suggested| {
                one.used.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<serde_json::Map<_, _>>()
            };
            list.iter().map(|one| json!({ "entry": one.entry, "used": used(one) })).collect::<Vec<_>>()
        };
        json!({
            "role": one.name,
            "new": one.is_new,
            "calls": one.usage.calls(),
            "callers": one.usage.callers(),
            "members": one.members,
            "without_a_call": one.quiet,
            "clearance": one.clearance(),
            "clearance_today": one.today,
            "allow": one.found.allow.iter().map(|(server, list)| (server.to_string(), json!(entries(list)))).collect::<serde_json::Map<_, _>>(),
            "kept": one.found.kept.iter().map(|(server, entry, what)| json!({ "server": server, "entry": entry, "for": what })).collect::<Vec<_>>(),
            "unused": one.found.unused.iter().map(|one| json!({ "place": one.place.short(), "server": one.server, "entry": one.entry })).collect::<Vec<_>>(),
            "unused_tools": one.found.idle,
            "beyond": one.usage.beyond(),
        })
    };
    json!({
        "calls": day.calls,
        "principals": day.callers.len(),
        "from": day.first.map(|time| time.to_string()),
        "to": day.last.map(|time| time.to_string()),
        "refused": day.refused,
        "not_allowed_today": day.gone,
        "by_cedar_alone": day.cedar,
        "not_readable": day.lacking,
        "roles": learnt.iter().map(role).collect::<Vec<_>>(),
        "yaml": yaml,
        "proposed": args.propose,
        "next": next,
    })
}

/// YAML as a whole: what is said beside it is a comment.
fn said(day: &Day, learnt: &[Learnt], yaml: &str, args: &Args, next: &str) -> String {
    let mut out = String::new();
    let time = |time: Option<Utc>| time.map(|time| time.to_string().split('.').next().unwrap_or_default().to_owned()).unwrap_or_default();
    let (from, to) = (time(day.first), time(day.last));
    let _ = writeln!(
        out,
        "# {} of {} from {from} to {to} (UTC): what they used.",
        many(day.calls, "call"),
        many(u64::try_from(day.callers.len()).unwrap_or(u64::MAX), "principal")
    );
    out.push_str(if learnt.is_empty() { "roles: {}\n" } else { yaml });
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            let _ = writeln!(out, "# {count} {what}");
        }
    };
    note(day.refused, "calls were refused: they teach nothing");
    note(day.gone, "calls were allowed then and are not today: no role says so");
    note(day.cedar, "calls are allowed by Cedar policies alone, which stay as they are");
    note(day.lacking, "records do not say who called or what: they teach nothing");
    note(learnt.iter().map(|one| one.usage.beyond()).sum(), "calls are of names that were too many to keep: narrow the time");
    if let Some(path) = &args.propose {
        let _ = writeln!(out, "# {} {} is the configuration with these roles.", Mark::Good.sign(), path.display());
    }
    let _ = writeln!(out, "# next  {next}");
    out
}
