//! The probe of the kill switch.

use super::agent::Agent;
use super::ground::{C, Ground};
use super::steps::{Finding, Probed, Steps, Trouble};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a kill may take.
const MOST: Duration = Duration::from_secs(1);
/// People that the control wants.
const CREW: usize = 3;

/// Stops a session and the principal of a probe, and lets them go.
pub async fn kill_switch(ground: &Ground, steps: &mut Steps) -> Probed {
    let people = ground.people_who_may_kill();
    steps.note("counted the people who may stop everything", format!("at least {CREW}"), people, people >= CREW);
    let before = ground.sessions_of(C).await?;
    let mut agent = ground.agent(C).await?;
    let session = ground.sessions_of(C).await?.into_iter().find(|id| !before.contains(id));
    let session = session.ok_or_else(|| Trouble::new("looked for the session of the probe", "the gateway does not list it"))?;

    let scope = format!("session:{session}");
    timed(ground, steps, &scope, "a session").await?;
    let after = agent.ask("ping", json!({})).await?;
    steps.note("used the session afterwards", "refused", after.said(), !after.ran());
    ground.release(&scope).await?;

    let scope = format!("agent:{C}");
    agent.open().await?;
    timed(ground, steps, &scope, "the principal").await?;
    let after = agent.ask("ping", json!({})).await?;
    steps.note("used its open session afterwards", "refused", after.said(), !after.ran());
    let mut anew = agent.clone();
    let opened = refused_to_open(&mut anew).await?;
    steps.note("opened a new session as the principal", "refused", &opened.1, opened.0);
    ground.release(&scope).await?;
    let opened = refused_to_open(&mut anew).await?;
    steps.note("opened one after it was let go", "200", &opened.1, !opened.0);
    anew.close().await;
    Ok(Finding::Judged)
}

/// Whether a new session is refused, and in which words.
async fn refused_to_open(agent: &mut Agent) -> Result<(bool, String), Trouble> {
    let reply = agent.initialize("/mcp").await?;
    Ok((agent.session.is_none() || reply.message().get("error").is_some(), reply.said()))
}

async fn timed(ground: &Ground, steps: &mut Steps, scope: &str, what: &str) -> Result<(), Trouble> {
    let began = Instant::now();
    let answer = ground.kill(scope).await?;
    let spent = began.elapsed();
    let own = answer.get("ms").and_then(Value::as_u64).map_or(Duration::MAX, Duration::from_millis);
    let ended = answer.get("ended_sessions").and_then(Value::as_u64).unwrap_or(0);
    let found = format!("{} ms by the gateway, {} ms seen from outside, {ended} session ended", own.as_millis(), spent.as_millis());
    steps.note(format!("stopped {what}"), "1 session, within 1000 ms", found, own < MOST && spent < MOST && ended >= 1);
    Ok(())
}
