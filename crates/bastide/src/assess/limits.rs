//! Probes of rates and budgets.
//!
//! A probe of a limit is made for a user whose name says which: such a principal has a small quota of that measure, counted where everybody's are.

use super::agent::Reply;
use super::canaries::NO_CANARY;
use super::ground::{A, B, Ground};
use super::secrets::drawn;
use super::steps::{Finding, Probed, Steps, Trouble};
use gateway::line::PROBES;
use serde_json::{Value, json};

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
    steps.equal(
        format!("made {QUOTA} calls in two sessions of a principal that may make {QUOTA} in a minute; counted those that no limit met"),
        QUOTA,
        counted.iter().filter(|met| **met).count(),
    );
    over(ground, steps, "made one more", "access.rate-limits/calls", last.as_ref()).await?;
    let wait = last.as_ref().and_then(Reply::retry_after);
    let told = wait.is_some_and(|seconds| (1..=61).contains(&seconds));
    steps.note(
        "looked whether it says when to come back",
        "within a minute",
        wait.map_or_else(|| "it does not".to_owned(), |wait| format!("after {wait} s")),
        told,
    );
    for agent in &mut agents {
        agent.close().await;
    }
    let mut bounded = ground.agents_for(B, &user("session"), 2).await?;
    let mut codes = Vec::new();
    for agent in &mut bounded {
        for _ in 0..=QUOTA {
            codes.push(agent.call(NOBODY, json!({})).await?.code().unwrap_or_default());
        }
        agent.close().await;
    }
    let over = codes.iter().filter(|code| *code == "access.rate-limits/calls").count();
    steps.equal(
        format!("made {} calls in each of two sessions that may make {QUOTA} each; counted those that were refused", QUOTA + 1),
        2,
        over,
    );
    served(ground, steps).await?;
    let mut other = ground.agents_for(B, &user("calls"), 1).await?;
    for agent in &mut other {
        let reply = agent.call(NOBODY, json!({})).await?;
        let met = reply.code().is_some_and(|code| UNSEEN.contains(&code.as_str()));
        steps.note("called as another principal", "not met by that limit", reply.said(), met);
        agent.close().await;
    }
    let bare = lacking(ground, |role| role.limits.calls.0.is_empty());
    steps.none("looked for roles that may use something and have no `limits.calls`", &bare);
    Ok(Finding::Judged)
}

/// Whether a tool, and a server, are asked no more than they may be.
async fn served(ground: &Ground, steps: &mut Steps) -> Result<(), Trouble> {
    let Some(canary) = ground.canary() else {
        steps.note("looked for the canary server, to try the limits of a tool and a server", "one", "none", false);
        return Ok(());
    };
    let (echo, add) = (format!("{}__echo", canary.name), format!("{}__add", canary.name));
    for (measure, code, beside) in [("tool", "access.rate-limits/tool", true), ("server", "access.rate-limits/server", false)] {
        let agents = ground.agents_for(A, &user(measure), 1).await?;
        for mut agent in agents {
            let mut ran = 0;
            for _ in 0..QUOTA {
                ran += usize::from(agent.call(&echo, json!({"text": "limit"})).await?.ran());
            }
            steps.equal(format!("made {QUOTA} calls where a {measure} may be asked {QUOTA}; counted those that ran"), QUOTA, ran);
            over(ground, steps, "made one more", code, Some(&agent.call(&echo, json!({"text": "limit"})).await?)).await?;
            let another = agent.call(&add, json!({"a": 1, "b": 2})).await?;
            steps.note(
                "called another tool of that server",
                if beside { "not met by that limit" } else { code },
                another.said(),
                another.ran() == beside,
            );
            agent.close().await;
        }
    }
    Ok(())
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
            steps.note(
                format!("looked for a tool of the canary that may change something, for {about}"),
                "one",
                "its `echo` is declared as one that reads",
                true,
            );
            continue;
        }
        let mut agents = ground.agents_for(A, &user(measure), 2).await?;
        if let Some(agent) = agents.first_mut() {
            let mut ran = 0;
            for text in ["one", "two", "three"] {
                let text = if measure == "loop" { "same" } else { text };
                ran += usize::from(agent.call(&echo, json!({"text": text})).await?.ran());
            }
            steps.equal(format!("made {QUOTA} {about} in a session that may make {QUOTA}; counted those that ran"), QUOTA, ran);
            let text = if measure == "loop" { "same" } else { "four" };
            let reply = agent.call(&echo, json!({"text": text})).await?;
            over(ground, steps, "made one more", code, Some(&reply)).await?;
        }
        if let (Some(agent), "cost") = (agents.get_mut(1), measure) {
            let reply = agent.call(&echo, json!({"text": "five"})).await?;
            over(ground, steps, "made one more in another session of that principal", code, Some(&reply)).await?;
        }
        for agent in &mut agents {
            agent.close().await;
        }
    }
    bytes(ground, steps, &echo).await?;
    let bare = lacking(ground, |role| role.limits.mutations.0.is_empty());
    steps.none("looked for roles that may use something and have no `limits.mutations`", &bare);
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

/// The roles of others than probes that may use something and lack what `lacks` looks for.
fn lacking(ground: &Ground, lacks: impl Fn(&config::Role) -> bool) -> Vec<String> {
    let roles = ground.file().roles.iter();
    let others = roles.filter(|(_, role)| !role.members.iter().all(|member| member.to_string().starts_with("agent:probe/")));
    others.filter(|(_, role)| !role.allow.is_empty() && lacks(role)).map(|(name, _)| name.to_string()).collect()
}

/// Notes that a call was refused under `code`, and is on record as that.
async fn over(ground: &Ground, steps: &mut Steps, did: &str, code: &str, reply: Option<&Reply>) -> Result<(), Trouble> {
    let Some(reply) = reply else { return Ok(()) };
    let found = reply.code();
    let refused = found.as_deref() == Some(code) && !reply.ran();
    steps.note(did, format!("refused as {code}"), reply.said(), refused);
    // What was refused after it was sent has its intent on record, too.
    let kept = match reply.reference() {
        Some(reference) => {
            let code = |record: &Value| record.pointer("/decision/code").and_then(Value::as_str).map(str::to_owned);
            let first = ground.records_of(&reference, 1).await?.iter().find_map(code);
            if first.is_some() { first } else { ground.records_of(&reference, 2).await?.iter().find_map(code) }
        }
        None => None,
    };
    let same = kept.as_deref() == Some(code);
    steps.note("looked for its record", code, kept.unwrap_or_else(|| "none".to_owned()), same);
    Ok(())
}
