//! `policy diff`: what another configuration lets in or shuts out.

use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::wire::Configured;
use config::{Amount, File, Rate, Several, ToolKey, Unit};
use policy::{Action, Change, Difference, Direction, Inventory, Judgement, Known, Obligation, Side, Space, Spoken, Verdict, Wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terms::{Principal, ServerName};

/// The two.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration as it was
    old: PathBuf,
    /// The configuration as it is to be
    new: PathBuf,
    /// End with 1 when anything is wider
    #[arg(long)]
    no_wider: bool,
}

/// How many principals of one change are named.
const NAMED: usize = 4;

/// A bound that is another one: of a role or of a tool.
struct Bound {
    direction: Direction,
    what: String,
    change: String,
}

/// Compares. With `--no-wider` the exit code says whether nothing is wider.
///
/// # Errors
/// [`Failure`] when one of the two cannot be read.
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let clock = SystemClock::new();
    let read = |path: &PathBuf| Configured::read(Some(path), &clock);
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let engines = (sources::policy(&old)?, sources::policy(&new)?);
    let (before, after) = (&old.loaded.file, &new.loaded.file);
    let inventory = inventory(&old, &new);
    let space = engines.0.space(&inventory).and(engines.1.space(&inventory));
    let facts = (
        |server: &ServerName, subject: &Spoken| known(before, server, subject),
        |server: &ServerName, subject: &Spoken| known(after, server, subject),
    );
    let sides = (Side { engine: &engines.0, known: &facts.0 }, Side { engine: &engines.1, known: &facts.1 });
    let found = policy::diff(&sides.0, &sides.1, &space).map_err(Failure::usage)?;
    let bounds = bounds(before, after);
    let directions = || found.changes.iter().map(|change| change.direction).chain(bounds.iter().map(|bound| bound.direction));
    let count = |direction| directions().filter(|one| *one == direction).count();
    let (wider, narrower) = (count(Direction::Wider), count(Direction::Narrower));
    let answer = json!({
        "ok": wider == 0 || !args.no_wider,
        "wider": wider,
        "narrower": narrower,
        "principals": found.principals,
        "decisions": found.decisions,
        "changes": found.changes.iter().map(|change| said(change, &space)).collect::<Vec<_>>(),
        "bounds": bounds.iter().map(|bound| json!({ "direction": bound.direction.as_str(), "what": bound.what, "change": bound.change })).collect::<Vec<_>>(),
    });
    common.answer(&answer, |_| text(&found, &bounds, &space, wider, narrower, args))?;
    Ok(if wider > 0 && args.no_wider { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

/// The tools of both: those that the locks beside the files name, and those that the files speak of.
fn inventory(old: &Configured, new: &Configured) -> Inventory {
    let mut all = Inventory::new();
    for configured in [old, new] {
        let spoken =
            configured.loaded.file.tools.keys().map(|key| (key.server.clone(), configured.loaded.file.names_of(&key.server, &key.tool)));
        for (server, tools) in sources::inventory(configured).into_iter().chain(spoken) {
            all.entry(server).or_default().extend(tools);
        }
    }
    for tools in all.values_mut() {
        tools.sort();
        tools.dedup();
    }
    all
}

/// What the file says of a subject beside the rules.
pub(in crate::verb) fn known(file: &File, server: &ServerName, subject: &Spoken) -> Known {
    let label = file.servers.get(server).map(config::Server::label);
    match subject {
        Spoken::Tool(name) => {
            let tool = file.tools.get(&ToolKey { server: server.clone(), tool: name.clone() });
            let own = tool.and_then(|tool| tool.result.as_ref()?.label);
            Known { operation: file.operation_of(server, name), label: own.or(label) }
        }
        Spoken::Prompt(_) | Spoken::Resource(_) => Known { operation: None, label },
        Spoken::Method(_) | Spoken::Question(_) => Known::default(),
    }
}

/// Bounds of roles and tools that differ. Whether another bound of an argument is wider cannot be told in general: it counts as wider.
fn bounds(before: &File, after: &File) -> Vec<Bound> {
    let mut found = Vec::new();
    for (name, role) in &after.roles {
        let Some(old) = before.roles.get(name) else { continue };
        let rates = [
            ("calls", &old.limits.calls, &role.limits.calls),
            ("mutations", &old.limits.mutations, &role.limits.mutations),
            ("cost", &old.limits.cost, &role.limits.cost),
            ("together.calls", &old.limits.together.calls, &role.limits.together.calls),
            ("together.cost", &old.limits.together.cost, &role.limits.together.cost),
        ];
        let rates = rates.map(|(key, was, is)| (key, of_rates(was), was.to_string(), of_rates(is), is.to_string()));
        let (was, is) = (&old.limits.bytes, &role.limits.bytes);
        let bytes = ("bytes", of_amounts(was), was.to_string(), of_amounts(is), is.to_string());
        for (key, was, before, is, after) in rates.into_iter().chain([bytes]) {
            found.extend(differs(name.as_str(), key, before, after, allows_more(&was, &is)));
        }
        let counts = [
            ("depth", old.limits.depth, role.limits.depth),
            ("inflight", old.limits.inflight, role.limits.inflight),
            ("repeats", old.limits.repeats, role.limits.repeats),
            ("together.inflight", old.limits.together.inflight, role.limits.together.inflight),
        ];
        for (key, was, is) in counts {
            let said = |count: Option<u32>| count.map_or_else(|| "none".to_owned(), |count| count.to_string());
            found.extend(differs(name.as_str(), key, said(was), said(is), was.is_some() && is.is_none_or(|is| Some(is) > was)));
        }
    }
    let keys: BTreeSet<&ToolKey> = before.tools.keys().chain(after.tools.keys()).collect();
    for key in keys {
        let arguments = |file: &File| file.tools.get(key).map(|tool| tool.arguments.clone()).unwrap_or_default();
        let (old, new) = (arguments(before), arguments(after));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (direction, change) = match (old.get(name), new.get(name)) {
                (Some(_), None) => (Direction::Wider, "is bounded no more"),
                (None, Some(_)) => (Direction::Narrower, "is bounded now"),
                (Some(old), Some(new)) if old != new => (Direction::Wider, "has other bounds, which may let more in"),
                (Some(_), Some(_)) | (None, None) => continue,
            };
            found.push(Bound { direction, what: format!("argument {} of {key}", plain(name, 60)), change: change.to_owned() });
        }
    }
    found
}

/// The bound `limits.KEY` of a role where it was `before` and is `after`.
fn differs(role: &str, key: &str, before: String, after: String, wider: bool) -> Option<Bound> {
    let direction = if wider { Direction::Wider } else { Direction::Narrower };
    (before != after).then(|| Bound { direction, what: format!("role {role}"), change: format!("limits.{key} was {before}, is {after}") })
}

fn of_rates(rates: &Several<Rate>) -> Vec<(u64, Unit)> {
    rates.0.iter().map(|rate| (rate.count, rate.per)).collect()
}

fn of_amounts(amounts: &Several<Amount>) -> Vec<(u64, Unit)> {
    amounts.0.iter().map(|amount| (amount.size.bytes(), amount.per)).collect()
}

/// Whether `is` lets more through than `was`: one of the old rates is not implied by a new one. Rates of units that cannot be compared imply nothing.
fn allows_more(was: &[(u64, Unit)], is: &[(u64, Unit)]) -> bool {
    let implies = |(most, per): (u64, Unit), (before, old): (u64, Unit)| match (per.span(), old.span()) {
        (Some(span), Some(spanned)) => u128::from(most) * u128::from(spanned.as_secs()) <= u128::from(before) * u128::from(span.as_secs()),
        (Some(_) | None, Some(_) | None) => per == old && most <= before,
    };
    was.iter().any(|old| !is.iter().any(|new| implies(*new, *old)))
}

/// What is done, in words.
pub(in crate::verb) fn word(action: Action, subject: &Spoken) -> &'static str {
    match (action, subject) {
        (Action::Call, _) => "call the tool",
        (Action::Get, _) => "get the prompt",
        (Action::Read, _) => "read the resource",
        (Action::Subscribe, _) => "subscribe to the resource",
        (Action::Complete, Spoken::Prompt(_)) => "have completed the prompt",
        (Action::Complete, _) => "have completed the resource",
        (Action::List | Action::Log, _) => "use",
        (Action::Question, _) => "be asked for",
    }
}

/// How a decision stands, in a few words.
fn standing(verdict: &Verdict) -> String {
    match &verdict.judgement {
        Judgement::Refuse => "refused".to_owned(),
        Judgement::Hold(Wait::Approval) => "waits for a person".to_owned(),
        Judgement::Hold(Wait::Grant) => "closed until granted".to_owned(),
        Judgement::Allow(obligations) => {
            let each = obligations.iter().map(|one| match one {
                Obligation::Clearance(label) => format!("up to {}", label.as_str()),
                Obligation::Cap(bytes) => format!("{bytes} bytes at most"),
                Obligation::Redact => "redacted".to_owned(),
            });
            format!("allowed {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The lines that decide now; of what is shut out, those that decided before.
fn because(change: &Change) -> Vec<String> {
    let rules = if change.after.rules.is_empty() { &change.before.rules } else { &change.after.rules };
    let first = |text: &str| plain(text.lines().next().unwrap_or_default(), 80);
    rules.iter().map(|rule| format!("{}  {} {}", rule.place.short(), rule.effect.as_str(), first(&rule.text))).collect()
}

fn said(change: &Change, space: &Space) -> Value {
    let subject = change.subject.subject();
    json!({
        "direction": change.direction.as_str(),
        "who": change.who.iter().map(|one| space.name(one)).collect::<Vec<_>>(),
        "server": change.server,
        "kind": subject.kind(),
        "name": subject.name(),
        "action": change.action.as_str(),
        "before": standing(&change.before),
        "after": standing(&change.after),
        "because": because(change),
    })
}

/// Who, in words; of many the first.
pub(in crate::verb) fn named(who: &[Principal], space: &Space) -> String {
    let mut names: Vec<String> = who.iter().take(NAMED).map(|one| space.name(one)).collect();
    if who.len() > NAMED {
        names.push(format!("{} more", who.len() - NAMED));
    }
    names.join(", ")
}

fn text(found: &Difference, bounds: &[Bound], space: &Space, wider: usize, narrower: usize, args: &Args) -> String {
    let sign = |direction: Direction| match direction {
        Direction::Wider => "+",
        Direction::Narrower => "-",
    };
    let mut out = String::new();
    for change in &found.changes {
        let what = format!("{} {} of {}", word(change.action, &change.subject), plain(change.subject.subject().name(), 80), change.server);
        let may = match change.direction {
            Direction::Wider => "may now",
            Direction::Narrower if change.after.shows() => "may only now",
            Direction::Narrower => "may no longer",
        };
        let may = if change.after.allows() && change.before.allows() { "may still" } else { may };
        let _ = writeln!(
            out,
            "{} {} {may} {what}: was {}, is {}",
            sign(change.direction),
            named(&change.who, space),
            standing(&change.before),
            standing(&change.after)
        );
        for line in because(change).iter().take(2) {
            let _ = writeln!(out, "    {line}");
        }
    }
    for bound in bounds {
        let _ = writeln!(out, "{} {}: {}", sign(bound.direction), bound.what, bound.change);
    }
    let compared = format!("{} decisions of {} principals compared", found.decisions, found.principals);
    if wider + narrower == 0 {
        let _ = writeln!(out, "{} The two decide alike: {compared}.", Mark::Good.sign());
        return out;
    }
    let mark = if wider > 0 && args.no_wider { Mark::Bad } else { Mark::Note };
    let _ = writeln!(out, "{} {wider} wider, {narrower} narrower; {compared}.", mark.sign());
    if let Some(next) = next(found, space, args) {
        let _ = writeln!(out, "  next  {next}");
    }
    out
}

/// Where to look closer: the first call of a program that is written out.
fn next(found: &Difference, space: &Space, args: &Args) -> Option<String> {
    found.changes.iter().find_map(|change| {
        let Spoken::Tool(tool) = &change.subject else { return None };
        let who = change.who.iter().find(|one| !space.is_stranger(one) && space.name(one).starts_with(&format!("agent:{}", one.agent)))?;
        let user = who.user.as_ref().map(|user| format!(" --user {user}")).unwrap_or_default();
        let path = args.new.display();
        Some(format!("bastide explain --config {path} --as agent:{}{user} {}__{}", who.agent, change.server, plain(tool, 120)))
    })
}
