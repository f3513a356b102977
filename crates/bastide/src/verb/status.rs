//! `bastide` alone: the state in five lines.

use super::{audit, configured, member};
use crate::desk::running;
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::ago;
use crate::wire::Configured;
use ::audit::read::{self, Query};
use ::audit::record::Kind;
use ::audit::show;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;
use store::journal::LogFolder;
use terms::{Clock as _, Utc};

/// What is counted as today.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Says it.
///
/// # Errors
/// [`Failure`].
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let configured = configured(common)?;
    let status: Option<Value> = match running(&configured).await? {
        Some(client) => Some(client.get("/api/v1/status").await?),
        None => None,
    };
    let risks: Vec<Value> = configured
        .loaded
        .risks
        .iter()
        .map(|risk| json!({ "control": risk.entry.control.id(), "where": risk.entry.scope.to_string(), "until": risk.entry.until.to_string() }))
        .collect();
    let answer = json!({
        "running": status.is_some(),
        "gateway": status,
        "day": day(&configured)?,
        "servers": configured.loaded.file.servers.len(),
        "risks": risks,
        "authority": authority(&configured),
    });
    common.answer(&answer, |answer| said(answer, &configured))?;
    Ok(ExitCode::SUCCESS)
}

/// When the issuer of the authority of our own ends and is to be renewed, where there is one.
fn authority(configured: &Configured) -> Option<Value> {
    configured.loaded.file.ca.as_ref()?;
    let (begins, ends) = crate::ca::validity_in(&configured.loaded.file.state)?;
    Some(json!({ "ends": ends.to_string(), "renews": identity::authority::renewal(begins, ends).to_string() }))
}

/// The calls of the last day, by verdict. Probes are none.
fn day(configured: &Configured) -> Result<Value, Failure> {
    let folder = configured.loaded.file.state.join(audit::FOLDER);
    let mut counts = [0_u64; 4];
    if folder.is_dir() {
        let now = SystemClock::new().utc();
        let since = Utc::from_nanos(now.nanos().saturating_sub(u64::try_from(DAY.as_nanos()).unwrap_or(u64::MAX)));
        let query = Query { since: Some(since), kinds: vec![Kind::Intent, Kind::Outcome, Kind::Decision], ..Query::default() };
        let mut joiner = show::Joiner::default();
        read::records(&LogFolder::new(folder), &query, |entry| {
            joiner.push(&entry).iter().for_each(|line| count(line, &mut counts));
            ControlFlow::Continue(())
        })?;
        joiner.finish().iter().for_each(|line| count(line, &mut counts));
    }
    let [allowed, changed, held, refused] = counts;
    Ok(json!({ "allowed": allowed, "changed": changed, "held": held, "refused": refused }))
}

/// Counts the call of one line: allowed, changed, held, refused.
fn count(line: &Value, counts: &mut [u64; 4]) {
    let calls = matches!(member(line, "method"), "tools/call" | "prompts/get" | "resources/read");
    let slot = match line.pointer("/decision/verdict").and_then(Value::as_str) {
        Some("allowed") => 0,
        Some("changed") => 1,
        Some("held") => 2,
        Some(_) => 3,
        None => return,
    };
    if let Some(count) = counts.get_mut(slot).filter(|_| calls || slot == 3) {
        *count += 1;
    }
}

fn said(answer: &Value, configured: &Configured) -> String {
    let gateway = answer.get("gateway").filter(|gateway| !gateway.is_null());
    let first = match gateway {
        Some(gateway) => {
            format!("runs at {}: {} sessions, {} calls under way", member(gateway, "data"), gateway["sessions"], gateway["calls"])
        }
        None => "does not run   bastide serve".to_owned(),
    };
    let day = &answer["day"];
    let second = format!("{} allowed, {} changed, {} held, {} refused", day["allowed"], day["changed"], day["held"], day["refused"]);
    let third = match gateway {
        Some(gateway) => format!(
            "{} of {} may be used   audit {}, vault {}",
            gateway["usable"],
            gateway["servers"],
            member(gateway, "audit"),
            member(gateway, "vault")
        ),
        None => format!("{} configured in {}", answer["servers"], configured.path.display()),
    };
    let stops = gateway.and_then(|gateway| gateway["stops"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let fourth = match stops {
        [] => "nothing".to_owned(),
        stops => stops
            .iter()
            .map(|stop| format!("{} ({})", member(stop, "scope"), supply::visible(member(stop, "reason"))))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let risks = answer["risks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fifth = match risks.iter().min_by_key(|risk| member(risk, "until").to_owned()) {
        None => "none accepted".to_owned(),
        Some(next) => format!(
            "{} accepted, the next ends on {}: {} at {}",
            risks.len(),
            member(next, "until"),
            member(next, "control"),
            member(next, "where")
        ),
    };
    let now = SystemClock::new().utc();
    let when = |name: &str| Utc::parse(member(&answer["authority"], name)).map(|at| ago(at, now));
    let sixth = match when("ends").zip(when("renews")) {
        Some((ends, renews)) => format!("ca        its issuer ends {ends}, to be renewed {renews}\n"),
        None => String::new(),
    };
    format!("gateway   {first}\n24 hours  {second}\nservers   {third}\nstopped   {fourth}\nrisks     {fifth}\n{sixth}")
}
