//! `policy`: the rules, as sentences and as Cedar, what is odd about them, what a change of them changes, and whether they decide as expected.

mod diff;
mod replay;
mod suggest;
mod test;

pub(super) use diff::{known, named, word};

use super::configured;
use super::proposal::many;
use crate::outcome::{Common, Failure};
use crate::screen::Mark;
use crate::sources;
use crate::wire::Configured;
use clap::Subcommand;
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;

/// What is done with the rules.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Compile the rules and say what can never take effect
    #[command(after_help = "Example:\n  bastide policy check --as-text")]
    Check(Check),
    /// Say in words what another configuration lets in or shuts out, over all principals, tools and prompts that either names
    #[command(after_help = "Examples:\n  bastide policy diff bastide.yaml proposed.yaml\n  \
        git show main:bastide.yaml > /tmp/old.yaml && bastide policy diff /tmp/old.yaml bastide.yaml --no-wider")]
    Diff(diff::Args),
    /// Compare decisions, and what the screens find, with what files expect
    #[command(after_help = "Example:\n  bastide policy test expected.yaml\n\nA file:\n  cases:\n  \
        - { as: agent:coder, call: files__read_file, expect: allow }\n  \
        - { as: agent:coder, user: ana, call: db__run, arguments: { sql: DROP TABLE t }, expect: refuse }\n  \
        - inspect: { text: \"Ticket of E-204311\", finds: [employee-id], not: [email], action: redact, server: files }")]
    Test(test::Args),
    /// Print the least that roles need, learnt from what they used: YAML to paste, with counts and what was never used
    #[command(after_help = "Examples:\n  bastide policy suggest --since 7d --role coder\n  \
        bastide policy suggest --since 7d --propose suggested.yaml && bastide policy replay --since 7d --against suggested.yaml --no-change")]
    Suggest(suggest::Args),
    /// Decide recorded calls again under another configuration, from the facts in their records, and say what changes
    #[command(after_help = "Examples:\n  bastide policy replay --since 7d --against proposed.yaml --no-wider\n  \
        bastide policy replay --since 24h --no-change --json")]
    Replay(replay::Args),
}

/// In which form.
#[derive(clap::Args, Debug)]
pub struct Check {
    /// Print the rules as plain sentences
    #[arg(long)]
    as_text: bool,
    /// Print the compiled Cedar policies, each with the line that it comes from
    #[arg(long, conflicts_with = "as_text")]
    as_cedar: bool,
    /// Print the Cedar schema that policies are checked against: the approved tools and what their arguments are
    #[arg(long, conflicts_with_all = ["as_text", "as_cedar"])]
    schema: bool,
}

/// Does it. The answer is no when the rules do not compile; what is odd is a warning.
///
/// # Errors
/// [`Failure`] with every problem.
pub fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    let args = match verb {
        Verb::Check(args) => args,
        Verb::Diff(args) => return diff::run(args, common),
        Verb::Test(args) => return test::run(args, common),
        Verb::Suggest(args) => return suggest::run(args, common),
        Verb::Replay(args) => return replay::run(args, common),
    };
    let configured = configured(common)?;
    let engine = sources::policy(&configured)?;
    let inventory = sources::inventory(&configured);
    let label = |server: &terms::ServerName, subject: &policy::Spoken| known(&configured.loaded.file, server, subject);
    let mut notices = engine.check(&inventory);
    notices.extend(engine.check_labels(&inventory, &label));
    notices.sort();
    let texts = Texts::read(&configured)?;
    let next = next(&notices, common);
    let print = match (args.as_text, args.as_cedar, args.schema) {
        (true, ..) => Some(("text", engine.as_text())),
        (_, true, _) => Some(("cedar", engine.as_cedar())),
        (.., true) => Some(("schema", engine.schema().to_owned())),
        (false, false, false) => None,
    };
    let list: Vec<_> = notices
        .iter()
        .map(|notice| {
            let (line, column) = (notice.place.line, notice.place.column);
            json!({ "place": notice.place.to_string(), "line": line, "column": column, "what": notice.what, "message": notice.to_string() })
        })
        .collect();
    let mut answer = json!({
        "ok": true,
        "rules": engine.len(),
        "roles": engine.role_names().collect::<Vec<_>>(),
        "digest": engine.digest_hex(),
        "notices": list,
        "next": next,
    });
    if let (Some((name, text)), Some(object)) = (&print, answer.as_object_mut()) {
        object.insert((*name).to_owned(), json!(text));
    }
    common.answer(&answer, |_| match &print {
        Some((_, text)) => text.clone(),
        None => {
            let mut out = format!(
                "{} {} in {}, compiled.\n",
                Mark::Good.sign(),
                many(engine.len() as u64, "rule"),
                many(engine.role_names().count() as u64, "role")
            );
            for notice in &notices {
                let _ = write!(out, "{} {}", Mark::Note.sign(), texts.pointed(notice));
            }
            if let Some(next) = &next {
                let _ = writeln!(out, "  next  {next}");
            }
            out
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The texts that rules are written in, by the names that places have.
struct Texts(Vec<(String, String)>);

impl Texts {
    fn read(configured: &Configured) -> Result<Self, Failure> {
        let cedar = configured.cedar()?.into_iter().map(|source| (source.file, source.text));
        Ok(Self(std::iter::once((configured.name(), super::proposal::text(configured)?)).chain(cedar).collect()))
    }

    /// What is odd, with its line and a caret.
    fn pointed(&self, notice: &policy::Notice) -> String {
        let place = &notice.place;
        match self.0.iter().find(|(file, _)| **file == *place.file) {
            Some((_, text)) => config::pointed(&notice.to_string(), place.line, place.column, text),
            None => format!("{notice}\n"),
        }
    }
}

/// Where to look: at what the server of the first line offers that fits nothing, else at what the rules mean.
fn next(notices: &[policy::Notice], common: &Common) -> Option<String> {
    let first = notices.first()?;
    let is_unmatched = |notice: &&policy::Notice| matches!(notice.why, policy::Why::Matches { .. });
    let server = notices.iter().find(is_unmatched).and_then(|notice| notice.server.as_ref());
    Some(match (server, &first.place.file) {
        (Some(server), _) => super::proposal::command(&format!("server show {server}"), common),
        (None, file) if file.ends_with(".cedar") => super::proposal::command("policy check --as-cedar", common),
        (None, _) => super::proposal::command("policy check --as-text", common),
    })
}
