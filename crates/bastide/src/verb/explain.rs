//! `explain`: what became of a call and why, or what would become of one.

mod recorded;
pub(super) mod supposed;

use super::configured;
use crate::outcome::{Common, Failure};
use policy::{Explanation, Miss, Near};
use serde_json::{Value, json};
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
    match &args.principal {
        None => recorded::run(&args.what, &configured, common),
        Some(agent) => supposed::run(agent, args.user.as_ref(), &args.what, args.arguments.as_deref(), &configured, common),
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
