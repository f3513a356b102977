//! Probes of rates and budgets.
//!
//! A probe of a limit is made for a user whose name says which: such a principal has a small quota of that measure, counted where everybody's are.

use super::agent::Reply;
use super::canaries::NO_CANARY;
use super::ground::{A, B, Ground};
use super::secrets::drawn;
use super::steps::{Finding, Probed, Steps, Trouble};
use gateway::line::PROBES;
use serde_json::json;

/// A tool that nobody offers: to name it counts as a call.
const NOBODY: &str = "bastide-assess-nobody__nothing";
/// How much such a principal may.
const QUOTA: usize = 3;
/// How a call is refused that nobody offers.
const UNSEEN: [&str; 2] = ["access.deny-by-default/denied", "access.filtered-discovery/unknown"];

/// The user for whom `measure` is limited; another one in each run.
fn user(measure: &str) -> String {
    format!("{PROBES}{measure}/{}", drawn())
}

/// Whether calls beyond a rate are refused, in however many sessions they come.
pub async fn rate_limits(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut agents = ground.agents_for(B, &user("calls"), 2).await?;
    let mut counted = Vec::new();
    let mut last = None;
    for at in 0..=QUOTA {
        let sessions = agents.len();
        let Some(agent) = agents.get_mut(at % sessions) else { break };
        let reply = agent.call(NOBODY, json!({})).await?;
        if at < QUOTA {
            counted.push(reply.code().is_some_and(|code| UNSEEN.contains(&code.as_str())));
        } else {
            last = Some(reply);
        }
    }
    steps.equal(format!("made {QUOTA} calls in two sessions of a principal that may make {QUOTA} in a minute; counted those that no limit met"), QUOTA, counted.iter().filter(|met| **met).count());
    over(ground, steps, "made one more", "access.rate-limits/calls", last.as_ref()).await?;
    let wait = last.as_ref().and_then(Reply::retry_after);
    let told = wait.is_some_and(|seconds| (1..=61).contains(&seconds));
    steps.note("looked whether it says when to come back", "within a minute", wait.map_or_else(|| "it does not".to_owned(), |wait| format!("after {wait} s")), told);
    for agent in &mut agents {
        agent.close().await;
    }
    let mut other = ground.agents_for(B, &user("calls"), 1).await?;
    for agent in &mut other {
        let reply = agent.call(NOBODY, json!({})).await?;
        let met = reply.code().is_some_and(|code| UNSEEN.contains(&code.as_str()));
        steps.note("called as another principal", "not met by that limit", reply.said(), met);
        agent.close().await;
    }
    let bare: Vec<String> = ground
        .file()
        .roles
        .iter()
        .filter(|(_, role)| !role.allow.is_empty() && role.limits.calls.0.is_empty())
        .filter(|(_, role)| !role.members.iter().all(|member| member.to_string().starts_with("agent:probe/")))
        .map(|(name, _)| name.to_string())
        .collect();
    steps.none("looked for roles that may use something and have no `limits.calls`", &bare);
    Ok(Finding::Judged)
}

/// Whether what a session, or a principal, uses up ends where its budget does.
pub async fn budgets(ground: &Ground, steps: &mut Steps) -> Probed {
    let Some(canary) = ground.canary() else { return Err(Trouble::new("looked for the canary server", NO_CANARY)) };
    let echo = format!("{}__echo", canary.name);
    let reads = ground.file().tools.iter().any(|(key, tool)| key.to_string() == echo && tool.operation == Some(terms::Operation::Read));
    for (measure, code, about) in [
        ("depth", "access.budgets/depth", "calls without a person in between"),
        ("cost", "access.budgets/cost", "units of cost"),
        ("mutations", "access.budgets/mutations", "calls that may change something"),
        ("loop", "access.budgets/loop", "calls that hardly differ"),
    ] {
        if measure == "mutations" && reads {
            steps.note(format!("looked for a tool of the canary that may change something, for {about}"), "one", "its `echo` is declared as one that reads", true);
            continue;
        }
        let mut agents = ground.agents_for(A, &user(measure), 1).await?;
        for agent in &mut agents {
            let mut ran = 0;
            for text in ["one", "two", "three"] {
                let text = if measure == "loop" { "same" } else { text };
                ran += usize::from(agent.call(&echo, json!({"text": text})).await?.ran());
            }
            steps.equal(format!("made {QUOTA} {about} in a session that may make {QUOTA}; counted those that ran"), QUOTA, ran);
            let text = if measure == "loop" { "same" } else { "four" };
            let reply = agent.call(&echo, json!({"text": text})).await?;
            over(ground, steps, "made one more", code, Some(&reply)).await?;
            agent.close().await;
        }
    }
    bytes(ground, steps, &echo).await?;
    Ok(Finding::Judged)
}

/// Bytes are known when they have come: what does not fit is withheld, and then nothing more is asked of the server.
async fn bytes(ground: &Ground, steps: &mut Steps, echo: &str) -> Result<(), Trouble> {
    let agents = ground.agents_for(A, &user("bytes"), 1).await?;
    for mut agent in agents {
        let text = |letter: &str| json!({"text": letter.repeat(1_500)});
        let first = agent.call(echo, text("a")).await?;
        steps.note("received 1,500 bytes in a session that may receive 2,048", "received", first.said(), first.ran());
        let second = agent.call(echo, text("b")).await?;
        over(ground, steps, "asked for 1,500 more", "access.budgets/bytes", Some(&second)).await?;
        let held = second.text().contains("bbbbbbbb");
        steps.note("looked for them in the refusal", "none", if held { "they are in it" } else { "none" }, !held);
        agent.close().await;
    }
    Ok(())
}

/// Notes that a call was refused under `code`, and is on record as that.
async fn over(ground: &Ground, steps: &mut Steps, did: &str, code: &str, reply: Option<&Reply>) -> Result<(), Trouble> {
    let Some(reply) = reply else { return Ok(()) };
    let found = reply.code();
    let refused = found.as_deref() == Some(code) && !reply.ran();
    steps.note(did, format!("refused as {code}"), reply.said(), refused);
    let recorded = ground.record_of(reply).await?;
    let kept = recorded.as_ref().and_then(|record| record.pointer("/decision/code")?.as_str().map(str::to_owned));
    let same = kept.as_deref() == Some(code);
    steps.note("looked for its record", code, kept.unwrap_or_else(|| "none".to_owned()), same);
    Ok(())
}
