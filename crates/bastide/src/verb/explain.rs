//! `explain`: what became of a call and why, or what would become of one.

mod change;
pub(super) mod recorded;
pub(super) mod supposed;

use super::{configured, proposal};
use crate::outcome::{Common, Failure};
use crate::wire::Configured;
use change::Change;
use policy::{Explanation, Miss, Near};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use terms::Name;

/// A call that was, or one that was not.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The reference of a call, or a start of it; with --as, the tool as server__tool
    #[arg(value_name = "REFERENCE|TOOL")]
    what: String,
    /// With --as: the arguments, one JSON object
    #[arg(requires = "principal")]
    arguments: Option<String>,
    /// Decide a call of this principal that never was: agent:NAME
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = agent)]
    principal: Option<Name>,
    /// With --as: for this user
    #[arg(long, requires = "principal")]
    user: Option<Name>,
    /// Of a call that is refused: write the configuration with the change that would allow it to a new file
    #[arg(long, value_name = "FILE")]
    propose: Option<PathBuf>,
    /// With --propose: which of the changes that are shown
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "propose")]
    change: usize,
}

/// What is done with the changes that would allow a call.
struct Proposal<'a> {
    file: Option<&'a PathBuf>,
    number: usize,
    /// The command without it.
    again: String,
}

impl Proposal<'_> {
    /// Writes the change that was asked for; gives the next command, where there is one.
    fn settle(&self, changes: &[Change], configured: &Configured) -> Result<Option<String>, Failure> {
        let Some(file) = self.file else {
            return Ok((!changes.is_empty()).then(|| format!("{} --propose {}", self.again, proposal::beside(configured, "proposed.yaml"))));
        };
        let change = self.number.checked_sub(1).and_then(|at| changes.get(at));
        let change = change
            .ok_or_else(|| Failure::usage(format!("there is no change {} that would allow it", self.number)).next(self.again.clone()))?;
        proposal::write(file, &change.edited.text)?;
        let word = |path: &std::path::Path| proposal::word(&path.display().to_string());
        Ok(Some(format!("bastide policy diff {} {}", word(&configured.path), word(file))))
    }
}

fn agent(text: &str) -> Result<Name, String> {
    let name = text.strip_prefix("agent:").ok_or("a principal is written agent:NAME; --user adds for whom")?;
    Name::new(name).map_err(|cause| cause.to_string())
}

/// Explains. With `--as` the exit code says whether the call would be allowed.
///
/// # Errors
/// [`Failure`].
pub fn run(args: &Args, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let mut again = proposal::command("explain", common);
    if let Some(agent) = &args.principal {
        again.push_str(&format!(" --as agent:{agent}"));
    }
    if let Some(user) = &args.user {
        again.push_str(&format!(" --user {user}"));
    }
    for word in std::iter::once(&args.what).chain(&args.arguments) {
        again.push_str(&format!(" {}", proposal::word(word)));
    }
    let proposal = Proposal { file: args.propose.as_ref(), number: args.change, again };
    match &args.principal {
        None => recorded::run(&args.what, &proposal, &configured, common),
        Some(agent) => supposed::run((agent, args.user.as_ref()), (&args.what, args.arguments.as_deref()), &proposal, &configured, common),
    }
}

/// The lines that decided.
fn lines(explanation: &Explanation) -> Vec<Value> {
    let rules = explanation.verdict.rules.iter();
    rules
        .map(|rule| json!({ "id": rule.id, "place": rule.place.short(), "effect": rule.effect.as_str(), "text": rule.text, "role": rule.role() }))
        .collect()
}

/// The lines that come near and did not decide.
fn near(explanation: &Explanation) -> Vec<Value> {
    let why = |near: &Near| match &near.miss {
        Miss::Outweighed => "a stricter line wins over it".to_owned(),
        Miss::Condition => "its condition does not hold".to_owned(),
        Miss::Name { edits } => format!("it speaks of another name, {edits} edits away"),
        Miss::Role(role) => format!("the caller is not in the role {role}"),
        Miss::Kind => "it speaks of something else at this server".to_owned(),
    };
    let shown =
        |one: &Near| json!({ "place": one.rule.place.short(), "effect": one.rule.effect.as_str(), "text": one.rule.text, "why": why(one) });
    explanation.near.iter().map(shown).collect()
}

/// `bastide.yaml:31  allow read_*`.
fn line(rule: &Value) -> String {
    let text = supply::visible(super::member(rule, "text"));
    let first = text.lines().next().unwrap_or_default();
    format!("{}  {} {first}", super::member(rule, "place"), super::member(rule, "effect"))
}
