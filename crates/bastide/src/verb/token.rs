//! `token`: the tokens that agents hold.

use super::{configured, joined, member, unique};
use crate::desk::Desk;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::{ago, table};
use admin::{Act, TokenWish};
use clap::Subcommand;
use config::Span;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use terms::{Clock as _, Name, ServerName, TokenId, Utc};

/// What is done with tokens.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Issue a token for an agent; it is shown once
    #[command(after_help = "Example:\n  bastide token issue --principal agent:codex --servers files,github --ttl 8h")]
    Issue(Issue),
    /// List what was issued, newest first
    #[command(after_help = "Example:\n  bastide token list --json")]
    List,
    /// Show what is known of one token
    #[command(after_help = "Example:\n  bastide token show T-7K3M9")]
    Show(Which),
    /// Take a token back at once, and end its sessions
    #[command(after_help = "Example:\n  bastide token revoke T-7K3M9")]
    Revoke(Which),
}

/// What a token is good for.
#[derive(clap::Args, Debug)]
pub struct Issue {
    /// The agent that it speaks for, written agent:NAME
    #[arg(long, value_parser = agent)]
    principal: Name,
    /// The user that it speaks for
    #[arg(long)]
    user: Option<Name>,
    /// The servers that it reaches [default: every one that the principal's roles reach]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    servers: Option<Vec<ServerName>>,
    /// Patterns of tools that it is narrowed to
    #[arg(long, value_delimiter = ',', value_name = "PATTERN")]
    tools: Vec<String>,
    /// Whose client certificate it must be shown with: a SPIFFE id, or dns:NAME
    #[arg(long, value_name = "IDENTITY")]
    workload: Option<String>,
    /// How long it lives, at most 24h
    #[arg(long, default_value = "1h", value_parser = ttl)]
    ttl: Span,
}

/// One token.
#[derive(clap::Args, Debug)]
pub struct Which {
    /// Its id, or a start of it
    id: String,
}

fn agent(text: &str) -> Result<Name, String> {
    let name = text.strip_prefix("agent:").ok_or("a principal is written agent:NAME; --user adds for whom")?;
    Name::new(name).map_err(|cause| cause.to_string())
}

fn ttl(text: &str) -> Result<Span, String> {
    text.parse().map_err(|()| "a span is a whole number and s, m, h or d, such as 8h".to_owned())
}

/// Does it.
///
/// # Errors
/// [`Failure`].
pub async fn run(verb: &Verb, common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    Desk::at(&configured, async |desk| match verb {
        Verb::Issue(args) => issue(args, desk, common).await,
        Verb::List => common.answer(&json!({ "tokens": desk.tokens().await? }), listed),
        Verb::Show(which) => common.answer(unique(&desk.tokens().await?, "id", &which.id)?, shown),
        Verb::Revoke(which) => {
            let tokens = desk.tokens().await?;
            let id: TokenId =
                member(unique(&tokens, "id", &which.id)?, "id").parse().map_err(|_| Failure::system("the id cannot be read"))?;
            let answer = desk.perform(Act::TokenRevoke { id }).await?;
            common.answer(&answer, |answer| format!("Token {id} is no longer good; {} sessions ended with it.\n", answer["ended_sessions"]))
        }
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

async fn issue(args: &Issue, desk: &Desk, common: &Common) -> Result<(), Failure> {
    let wish = TokenWish {
        agent: args.principal.clone(),
        user: args.user.clone(),
        servers: args.servers.clone(),
        tools: args.tools.clone(),
        workload: args.workload.as_deref().map(Into::into),
        life: args.ttl.duration(),
        purpose: identity::token::Purpose::Work,
    };
    let answer = desk.perform(Act::TokenIssue(wish)).await?;
    common.answer(&answer, |answer| {
        format!("token    {}\nid       {}\nexpires  {}\n", member(answer, "token"), member(answer, "id"), member(answer, "expires_at"))
    })
}

fn standing(token: &Value, now: Utc) -> &'static str {
    let ended = Utc::parse(member(token, "expires")).is_none_or(|end| end <= now);
    match token.get("revoked") {
        Some(Value::String(_)) => "revoked",
        _ if ended => "ended",
        _ => "good",
    }
}

fn principal(token: &Value) -> String {
    match member(token, "user") {
        "" => format!("agent:{}", member(token, "agent")),
        user => format!("agent:{} user:{user}", member(token, "agent")),
    }
}

fn listed(answer: &Value) -> String {
    let now = SystemClock::new().utc();
    let tokens = answer.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if tokens.is_empty() {
        return "No token was issued.  bastide token issue --principal agent:NAME\n".to_owned();
    }
    let row = |token: &Value| {
        let expires = Utc::parse(member(token, "expires")).map(|end| ago(end, now)).unwrap_or_default();
        vec![member(token, "id").to_owned(), principal(token), standing(token, now).to_owned(), expires, joined(token, "servers")]
    };
    table(&["id", "principal", "state", "ends", "servers"], &tokens.iter().map(row).collect::<Vec<_>>())
}

fn shown(token: &Value) -> String {
    let mut out = format!("id       {}\nfor      {}\n", member(token, "id"), principal(token));
    let _ = writeln!(out, "servers  {}", joined(token, "servers"));
    let tools = joined(token, "tools");
    if !tools.is_empty() {
        let _ = writeln!(out, "tools    {tools}");
    }
    if !member(token, "workload").is_empty() {
        let _ = writeln!(out, "with     the certificate of {}", member(token, "workload"));
    }
    let _ = writeln!(out, "issued   {}\nends     {}", member(token, "issued"), member(token, "expires"));
    let _ = writeln!(out, "state    {}", standing(token, SystemClock::new().utc()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_an_agent() {
        assert_eq!(agent("agent:claude-code").unwrap().as_str(), "claude-code");
        for bad in ["claude-code", "user:ana", "agent:", "agent:a b"] {
            assert!(agent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_good_until_it_ends_or_is_taken_back() {
        let now = Utc::parse("2026-11-21T00:00:00Z").unwrap();
        let token = |expires: &str, revoked: Value| json!({ "expires": expires, "revoked": revoked });
        assert_eq!(standing(&token("2026-11-22T00:00:00Z", Value::Null), now), "good");
        assert_eq!(standing(&token("2026-11-20T00:00:00Z", Value::Null), now), "ended");
        assert_eq!(standing(&token("2026-11-22T00:00:00Z", json!("2026-11-20T00:00:00Z")), now), "revoked");
    }
}
