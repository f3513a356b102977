//! Probes of what principals are shown and may use.

use super::canaries::Reached;
use super::ground::{B, Ground, phase};
use super::steps::{Finding, Probed, Steps, Trouble};
use config::Entry;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A tool that nobody offers.
const NOBODY: &str = "bastide-assess-nobody__nothing";
/// How the policy refuses what a principal may not see: as if it were not there.
const UNSEEN: [&str; 2] = ["access.deny-by-default/denied", "access.filtered-discovery/unknown"];
/// Tools that are called at most.
const MOST_TOOLS: usize = 20;
/// How often each of two answers is timed.
const TIMES: usize = 15;
/// How often that is done at most.
const ROUNDS: usize = 4;
/// How far two medians may lie apart.
const APART: Duration = Duration::from_millis(5);

/// What a principal without a role may do.
pub async fn deny_by_default(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut agent = ground.agent(B).await?;
    for (method, list) in [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/templates/list", "resourceTemplates"),
        ("resources/list", "resources"),
    ] {
        let names = agent.names(method, list).await?;
        steps.none(format!("asked `{method}` as a principal that no role names"), &names);
    }
    let tools = ground.pinned_tools();
    let mut ran = Vec::new();
    let mut references = Vec::new();
    for tool in tools.iter().take(MOST_TOOLS) {
        let reply = agent.call(tool, json!({})).await?;
        // A probe that the policy would let through is held back before a real server: that is no refusal of the policy.
        match (reply.code(), reply.reference()) {
            (Some(code), Some(reference)) if !reply.ran() && UNSEEN.contains(&code.as_str()) => references.push(reference),
            _ => ran.push(format!("{tool} {}", reply.said())),
        }
    }
    let called = tools.len().min(MOST_TOOLS);
    steps.none(format!("called {called} of {} pinned tools; looked for those that were not refused", tools.len()), &ran);
    for method in ["prompts/get", "resources/read"] {
        let params = if method == "prompts/get" { json!({"name": NOBODY}) } else { json!({"uri": "bastide://nobody/nothing"}) };
        let reply = agent.ask(method, params).await?;
        let unseen = reply.code().is_some_and(|code| UNSEEN.contains(&code.as_str()));
        steps.note(format!("asked `{method}`"), "refused", reply.said(), !reply.ran() && unseen);
    }
    let mut sent = Vec::new();
    for reference in &references {
        let records = ground.records_of(reference, 1).await?;
        let denied = |record: &Value| record.pointer("/decision/verdict").and_then(Value::as_str) == Some("refused");
        if records.is_empty() || !records.iter().all(|record| denied(record) && phase(record) == "decision") {
            sent.push(reference.clone());
        }
    }
    steps.none(format!("looked in the log for calls that were not recorded as refused, among {}", references.len()), &sent);
    let wild: Vec<String> = ground
        .file()
        .roles
        .iter()
        .flat_map(|(role, rules)| {
            rules
                .allow
                .iter()
                .filter(|(_, entries)| entries.contains(&Entry::Everything))
                .map(move |(server, _)| format!("{role} on {server}"))
        })
        .collect();
    steps.none("looked for roles that may use everything of a server", &wild);
    let claimed = |rules: &config::Role| rules.members.iter().any(|member| matches!(member, config::Member::Client(_)));
    let claimed: Vec<String> = ground.file().roles.iter().filter(|(_, rules)| claimed(rules)).map(|(role, _)| role.to_string()).collect();
    steps.none("looked for roles that are had for what a client calls itself", &claimed);
    agent.close().await;
    Ok(Finding::Judged)
}

/// Whether a hidden name differs from an unknown one.
pub async fn filtered_discovery(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut agent = ground.agent(B).await?;
    let names = agent.names("tools/list", "tools").await?;
    steps.none("asked `tools/list` as a principal that no role names", &names);
    let Some(hidden) = ground.pinned_tools().into_iter().next() else {
        steps.note("looked for a pinned tool", "one", "none is pinned, so that none can be hidden", true);
        agent.close().await;
        return Ok(Finding::Judged);
    };
    let mut faces = [Vec::new(), Vec::new()];
    let mut medians = [Duration::ZERO; 2];
    // What else the machine does moves a median; what the answers tell moves it in every round.
    for _ in 0..ROUNDS {
        let mut spent = [Vec::new(), Vec::new()];
        for _ in 0..TIMES {
            for ((tool, faces), spent) in [hidden.as_str(), NOBODY].into_iter().zip(&mut faces).zip(&mut spent) {
                let began = Instant::now();
                let reply = agent.call(tool, json!({})).await?;
                spent.push(began.elapsed());
                faces.push(reply.face());
            }
        }
        medians = spent.map(median);
        if medians[0].abs_diff(medians[1]) < APART {
            break;
        }
    }
    let [hidden_faces, unknown_faces] = &faces;
    let same = hidden_faces.iter().chain(unknown_faces).all(|face| Some(face) == unknown_faces.first());
    let first = |faces: &[String]| faces.first().map_or_else(String::new, |face| face.chars().take(200).collect());
    let found =
        if same { "equal but for id and reference".to_owned() } else { format!("{} and {}", first(hidden_faces), first(unknown_faces)) };
    steps.note("compared the answers for a hidden tool and for a name that nobody offers", "equal but for id and reference", found, same);
    let [hidden_median, unknown_median] = medians;
    let found = format!("{hidden_median:.1?} and {unknown_median:.1?}");
    let close = hidden_median.abs_diff(unknown_median) < APART;
    steps.note(
        format!("compared the median times of {TIMES} of each, {ROUNDS} rounds at most"),
        format!("less than {APART:?} apart"),
        found,
        close,
    );
    agent.close().await;
    listed(ground, steps).await?;
    Ok(Finding::Judged)
}

/// Whether a principal that may use some tools is shown one that it may not use. No tool takes the argument that is sent.
async fn listed(ground: &Ground, steps: &mut Steps) -> Result<(), Trouble> {
    let Reached { mut agent, .. } = Reached::find(ground).await?;
    let names = agent.names("tools/list", "tools").await?;
    let mut closed = Vec::new();
    for name in names.iter().take(MOST_TOOLS) {
        let reply = agent.call(name, json!({"bastide-assess-nothing": true})).await?;
        if reply.code().is_some_and(|code| UNSEEN.contains(&code.as_str())) {
            closed.push(name.clone());
        }
    }
    agent.close().await;
    let called = names.len().min(MOST_TOOLS);
    steps.none(
        format!("called {called} of {} tools that another principal is shown; looked for those that it may not use", names.len()),
        &closed,
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
