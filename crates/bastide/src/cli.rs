//! The verbs as a tree, and where each is answered.

use crate::outcome::{Common, Failure};
use crate::{assess, connect, lock, serve, trial, verb};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Stands between AI agents and the tools that MCP servers offer: every call is identified, allowed, checked, recorded and screened, or it does not happen.
///
/// Without a verb it prints the state in five lines.
#[derive(Parser, Debug)]
#[command(
    name = "bastide",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Example:\n  bastide init && bastide lock && bastide serve"
)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show the whole story on built-in parts: calls that pass, attacks that do not, and the proof
    #[command(after_help = "Example:\n  bastide try")]
    Try(trial::Args),
    /// Write a first configuration and make the state folder
    #[command(after_help = "Example:\n  bastide init --profile local")]
    Init(verb::init::Args),
    /// Look at everything that must hold, and say what mends what does not
    #[command(after_help = "Example:\n  bastide doctor --json")]
    Doctor,
    /// Print the JSON Schema of the configuration
    #[command(after_help = "Example:\n  bastide schema > bastide.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  bastide completions bash > ~/.local/share/bash-completion/completions/bastide")]
    Completions(verb::shell::Completions),
    /// Print the manual page
    #[command(after_help = "Example:\n  bastide man > bastide.1")]
    Man,
    /// Run the gateway
    #[command(after_help = "Example:\n  bastide serve --config /etc/bastide/bastide.yaml")]
    Serve(serve::Args),
    /// Speak MCP on standard input and output for a client that launches commands
    #[command(
        after_help = "Examples:\n  bastide connect --as claude-code --server github\n  bastide connect https://gateway.example.com:8420 --identity ~/.config/bastide/agent --token-file ~/.config/bastide/token"
    )]
    Connect(connect::Args),
    /// Look at what servers offer, show what is new or changed, and sign what is approved
    #[command(after_help = "Examples:\n  bastide lock --yes\n  bastide lock --update files")]
    Lock(lock::Args),
    /// Issue, list and revoke the tokens that agents hold
    #[command(subcommand)]
    Token(verb::token::Verb),
    /// The certificate authority of our own: certificates for agents, servers, operators and replicas
    #[command(subcommand)]
    Ca(verb::ca::Verb),
    /// Keep the credentials of servers in the vault
    #[command(subcommand)]
    Secret(verb::secret::Verb),
    /// The clients' open sessions
    #[command(subcommand)]
    Session(verb::session::Verb),
    /// Stop everything, a server, a principal or a session, at once
    #[command(after_help = "Example:\n  bastide kill --principal agent:codex --reason \"token in paste\"")]
    Kill(verb::kill::Args),
    /// Let go on what a kill stopped
    #[command(after_help = "Example:\n  bastide release --principal agent:codex --reason \"token replaced\"")]
    Release(verb::kill::Args),
    /// The servers behind the gateway
    #[command(subcommand)]
    Server(verb::server::Verb),
    /// The rules, as sentences and as Cedar
    #[command(subcommand)]
    Policy(verb::policy::Verb),
    /// Say what became of a call and why, or what would become of one
    #[command(
        after_help = "Examples:\n  bastide explain C-7K3M9\n  bastide explain --as agent:codex ledger__query '{\"sql\":\"select 1\"}'"
    )]
    Explain(verb::explain::Args),
    /// The audit log: show, verify, prove, export
    #[command(subcommand)]
    Audit(verb::audit::Verb),
    /// Show what the content screens find on standard input and why, score them on a set, and report false alarms
    #[command(
        after_help = "Examples:\n  bastide inspect --server github --tool get_file < answer.json\n  bastide inspect --eval set.jsonl --task pii\n  \
        echo '{\"id\":1,\"task\":\"secrets\",\"text\":\"…\"}' | bastide inspect --stdin-jsonl"
    )]
    Inspect(verb::inspect::Args),
    /// Say which controls hold now, on what evidence
    #[command(after_help = "Example:\n  bastide assess --min-level 2")]
    Assess(assess::Args),
}

impl Cli {
    /// The runtime that the verb needs: all cores where traffic passes, one thread else.
    ///
    /// # Errors
    /// Those of the system.
    pub fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        let traffic = matches!(self.verb, Some(Verb::Serve(_) | Verb::Try(_)));
        let mut builder = if traffic { tokio::runtime::Builder::new_multi_thread() } else { tokio::runtime::Builder::new_current_thread() };
        builder.enable_all().build()
    }

    /// Answers, and says on standard error what kept it from answering.
    pub async fn run(&self) -> ExitCode {
        match self.dispatch().await {
            Ok(code) => code,
            Err(failure) => failure.report(&self.common),
        }
    }

    async fn dispatch(&self) -> Result<ExitCode, Failure> {
        let common = &self.common;
        match &self.verb {
            None => verb::status::run(common).await,
            Some(Verb::Try(args)) => trial::run(args, common).await,
            Some(Verb::Init(args)) => verb::init::run(args, common),
            Some(Verb::Doctor) => verb::doctor::run(common).await,
            Some(Verb::Schema) => verb::shell::schema(),
            Some(Verb::Completions(args)) => verb::shell::completions(args),
            Some(Verb::Man) => verb::shell::man(),
            Some(Verb::Serve(args)) => serve::run(args, common).await,
            Some(Verb::Connect(args)) => connect::run(args, common).await,
            Some(Verb::Lock(args)) => lock::run(args, common).await,
            Some(Verb::Token(verb)) => verb::token::run(verb, common).await,
            Some(Verb::Ca(verb)) => verb::ca::run(verb, common).await,
            Some(Verb::Secret(verb)) => verb::secret::run(verb, common).await,
            Some(Verb::Session(verb)) => verb::session::run(verb, common).await,
            Some(Verb::Kill(args)) => verb::kill::kill(args, common).await,
            Some(Verb::Release(args)) => verb::kill::release(args, common).await,
            Some(Verb::Server(verb)) => verb::server::run(verb, common).await,
            Some(Verb::Policy(verb)) => verb::policy::run(verb, common),
            Some(Verb::Explain(args)) => verb::explain::run(args, common),
            Some(Verb::Audit(verb)) => verb::audit::run(verb, common),
            Some(Verb::Inspect(args)) => verb::inspect::run(args, common),
            Some(Verb::Assess(args)) => assess::run(args, common).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().for_each(|inner| walk(inner, &path));
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("bastide"), "{path} shows no example");
            }
        }
        walk(&Cli::command(), "");
    }

    #[test]
    fn the_common_options_may_stand_after_the_verb() {
        let cli = Cli::try_parse_from(["bastide", "token", "list", "--config", "/x.yaml", "--json"]).unwrap();
        assert!(cli.common.json);
        assert_eq!(cli.common.config.as_deref(), Some(std::path::Path::new("/x.yaml")));
    }
}
