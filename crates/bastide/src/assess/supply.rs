//! Probes of the group `supply`.

use super::canaries::{NO_CANARY, Reached};
use super::ground::{A, Ground};
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::sources;
use config::Locked;
use serde_json::{Value, json};
use std::time::Duration;
use terms::{Control, ServerName, Utc};

/// A server that nobody approved.
const NOBODY: &str = "bastide-assess-nobody";

struct Row {
    name: String,
    state: String,
    pinned: Option<Value>,
    held: Vec<String>,
}

async fn rows(ground: &Ground) -> Result<Vec<Row>, Trouble> {
    let servers = ground.view("asked how the servers stand", "/api/v1/servers").await?;
    let list = servers.get("servers").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let held = |row: &Value| {
        let items = row.get("held").and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().map(|item| format!("{} {}", text(item, "name"), text(item, "why"))).collect()
    };
    let pinned = |row: &Value| row.get("pinned").filter(|pinned| pinned.is_object()).cloned();
    Ok(list.iter().map(|row| Row { name: text(row, "name"), state: text(row, "state"), pinned: pinned(row), held: held(row) }).collect())
}

/// What is not approved is not reached.
pub async fn allowlist(ground: &Ground, steps: &mut Steps) -> Probed {
    let rows = rows(ground).await?;
    let unverified: Vec<String> = rows.iter().filter(|row| row.state == "unverified").map(|row| row.name.clone()).collect();
    steps.none("asked for servers whose lock has no good signature", &unverified);
    let open: Vec<String> = rows
        .iter()
        .filter(|row| row.state != "approved" && row.state != "aside" && row.state != "unverified")
        .map(|row| format!("{} {}", row.name, row.state))
        .collect();
    steps.none(format!("asked for servers without a current approval, among {}", rows.len()), &open);
    let configured: Vec<String> = ground.servers().iter().map(ToString::to_string).collect();
    let mut known: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    known.sort();
    steps.note(
        "compared the running servers with the configuration",
        "the same",
        format!("{} and {}", known.len(), configured.len()),
        known == configured,
    );
    judged(ground, steps)?;
    let mut agent = ground.agent(A).await?;
    let unknown = agent.call("bastide-assess-nobody__nothing", json!({})).await?;
    steps.note("called a server that is not approved", "it does not exist", unknown.said(), !unknown.ran());
    let token = ground.issue(A, Duration::from_secs(120), None).await?;
    let reply = ground.stranger().await?.with(Some(&token.text)).initialize("/mcp/bastide-assess-nobody").await?;
    steps.note("opened a session on it", "401 or 404", reply.said(), reply.status == 401 || reply.status == 404);
    let foreign = ServerName::new(NOBODY).map_err(|fault| Trouble::new("named a server", fault))?;
    let issued = ground.issue_for("work", A, Duration::from_secs(1), Some(&[foreign])).await;
    steps.note("asked for a token on it", "refused", if issued.is_ok() { "issued" } else { "refused" }, issued.is_err());
    agent.close().await;
    Ok(Finding::Judged)
}

/// The lock, and copies of it that must not count, judged here by what the gateway judges with.
fn judged(ground: &Ground, steps: &mut Steps) -> Result<(), Trouble> {
    const DID: &str = "judged the lock";
    let (configured, now, bytes) = (ground.configured(), ground.now(), ground.lock());
    let names = |usable: Vec<ServerName>| usable.iter().map(ToString::to_string).collect::<Vec<_>>();
    let usable = |bytes: &[u8]| sources::usable(configured, bytes, now).map(names).map_err(|fault| Trouble::new(DID, fault));
    let good = usable(&bytes)?;
    let unusable: Vec<String> = ground.servers().iter().map(ToString::to_string).filter(|name| !good.contains(name)).collect();
    steps.none("judged the lock as it is; looked for servers without an approval that counts", &unusable);
    // The last line is `signature ed25519 KEY SIGNATURE`, base64: another letter there leaves all else as it is.
    let mut turned = bytes.clone();
    if let Some(letter) = turned.len().checked_sub(20).and_then(|at| turned.get_mut(at)) {
        *letter = if *letter == b'A' { b'B' } else { b'A' };
    }
    steps.none("judged it with one letter of its signature turned; looked for servers that could be used", &usable(&turned)?);
    let unsigned = bytes.iter().rposition(|byte| *byte == b'}').and_then(|end| bytes.get(..=end)).unwrap_or_default();
    steps.none("judged it without its signature; looked for servers that could be used", &usable(unsigned)?);
    let empty = Locked::Read(supply::Lock::default());
    let empty = sources::usable_by(configured, &empty, now).map(names).map_err(|fault| Trouble::new(DID, fault))?;
    steps.none("judged a lock that names no server; looked for servers that could be used", &empty);
    Ok(())
}

/// Every server is pinned, and none floats.
pub async fn pinning(ground: &Ground, steps: &mut Steps) -> Probed {
    let rows = rows(ground).await?;
    let accepted: Vec<String> = ground
        .loaded()
        .risks
        .iter()
        .filter(|risk| risk.entry.control == Control::SupplyPinning && risk.ends > ground.now())
        .map(|risk| risk.server.to_string())
        .collect();
    let unpinned: Vec<String> = rows.iter().filter(|row| row.pinned.is_none()).map(|row| format!("{} {}", row.name, row.state)).collect();
    steps.none(format!("asked for servers without a pinned content and definitions, among {}", rows.len()), &unpinned);
    let definitions: u64 = rows.iter().filter_map(|row| row.pinned.as_ref()?.get("tools")?.as_u64()).sum();
    steps.note("counted the pinned tools", "at least one of each server with tools", definitions, rows.is_empty() || definitions > 0);
    let floating: Vec<String> =
        ground.file().servers.iter().filter(|(_, server)| floats(&server.run)).map(|(name, _)| name.to_string()).collect();
    steps.none("looked for start commands that fetch what they run, or name a floating version", &floating);
    let held: Vec<String> = rows.iter().flat_map(|row| row.held.iter().map(move |item| format!("{}: {item}", row.name))).collect();
    steps.note(
        "asked what is put aside until someone looks",
        "what differs from its pin",
        if held.is_empty() { "nothing differs".to_owned() } else { held.join(", ") },
        true,
    );
    steps.none("looked for servers whose changed definitions are taken at once", &accepted);
    match Reached::find(ground).await {
        Ok(reached) => changed(ground, steps, reached).await?,
        Err(Trouble { .. }) => steps.note("let the canary change a definition", "put aside", NO_CANARY, false),
    }
    let only_accepted = unpinned.is_empty() && floating.is_empty() && !accepted.is_empty();
    Ok(if only_accepted { Finding::Accepted } else { Finding::Judged })
}

/// A definition that changes after its approval.
async fn changed(ground: &Ground, steps: &mut Steps, mut reached: Reached) -> Result<(), Trouble> {
    let sum = json!({"a": 1, "b": 2});
    let before = reached.call("add", sum.clone()).await?;
    steps.note("called add of the canary", "it runs", before.said(), before.ran());
    ground.upset(&reached.server.name);
    let since = ground.now();
    let change = reached.call("change", json!({})).await?;
    steps.note("let the canary change the description of add", "it does", change.said(), change.ran());
    let mut after = reached.call("add", sum.clone()).await?;
    for _ in 0..20 {
        if !after.ran() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = reached.call("add", sum.clone()).await?;
    }
    let aside = after.code().is_some_and(|code| code.starts_with("supply.pinning/"));
    steps.note("called add again", "put aside", after.said(), aside && !after.ran());
    let event = |record: &Value| {
        let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
        text("event") == "supply.changed"
            && text("server") == reached.server.name.as_str()
            && Utc::parse(text("time")).is_some_and(|time| time >= since)
    };
    let events = ground.recorded(1, event).await?;
    steps.note("looked for the event in the log", "supply.changed", events.len(), !events.is_empty());
    reached.agent.close().await;
    let mut anew = Reached::find(ground).await?;
    // Opening the way to it compares what it offers with its pins.
    anew.call("echo", json!({"text": "assessment"})).await?;
    let back = anew.call("add", sum).await?;
    steps.note("called add of a canary that offers what was approved", "it runs", back.said(), back.ran());
    anew.agent.close().await;
    Ok(())
}

/// Whether what is run is chosen when it is started. The line of a package runner that is read stands for the one version that was approved.
fn floats(run: &[String]) -> bool {
    match supply::Runner::parse(run) {
        Ok(Some(_)) => false,
        Ok(None) => run.iter().skip(1).any(|argument| argument.ends_with("@latest") || argument.ends_with(":latest")),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fetches_floats() {
        let run = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for command in [&["npx", "-c", "x"][..], &["/usr/bin/bunx", "x"], &["/opt/run", "image:latest"]] {
            assert!(floats(&run(command)), "{command:?}");
        }
        assert!(!floats(&run(&["npx", "-y", "x@latest"])) && !floats(&run(&["/opt/ledger/mcp-ledger"])) && !floats(&[]));
    }
}
