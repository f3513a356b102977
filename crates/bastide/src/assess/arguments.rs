//! Probes of what an agent may do with a tool: kinds of operations, values of arguments; and of what answers tell of the machine behind a server.

use super::canaries::Reached;
use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::canary;
use serde_json::{Value, json};
use terms::Operation;

/// What the configuration has to say for these probes, beside the canary and its role.
const ADD: &str = "add `tools: { canary__write_note: { operation: write, arguments: { title: { not: { enum: [bastide] } } } } }`, and \
    `\"write:write_note\", \"read:fail\"` to what agent:probe/a is allowed, with the canary's own name";

/// A call that is of one kind, and calls that are of another.
pub async fn operations(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let names = listed(&mut reached).await?;
    let since = ground.now();
    let reply = reached.call("write_note", json!({"title": "assessment", "text": "one line"})).await?;
    if !reply.ran() {
        reached.agent.close().await;
        return Err(Trouble::new("called a tool that is granted as a write", format!("{}: {ADD}", reply.said())));
    }
    steps.note("called a tool that is granted as a write", "it runs", reply.said(), true);
    let records = ground.records_of_tool("write_note", since, 1).await?;
    let kinds: Vec<&str> = records.iter().filter_map(|record| record.get("operation")?.as_str()).collect();
    let written = !kinds.is_empty() && kinds.iter().all(|kind| *kind == Operation::Write.as_str());
    steps.note("looked for its kind in the log", "write", kinds.first().copied().unwrap_or("none"), written);
    let hidden = !names.iter().any(|name| name == "fail");
    let reply = reached.call("fail", json!({})).await?;
    let unseen = reply.code().is_some_and(|code| code.starts_with("access."));
    steps.note(
        "called a tool of no known kind that is granted as a read",
        "not listed, and refused",
        format!("{}, {}", if hidden { "not listed" } else { "listed" }, reply.said()),
        hidden && unseen && !reply.ran(),
    );
    let told: Vec<String> = mistold(ground);
    let said = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
    steps.note("listed the tools that say of themselves that they do more than `operation` has it", "a list", said, true);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Values in many spellings.
pub async fn policies(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let note = |title: &str| json!({"title": title, "text": "one line"});
    let name = format!("{}__write_note", reached.server.name);
    let told = |key: &config::ToolKey, rules: &config::Tool| {
        key.to_string() == name && rules.arguments.get("title").is_some_and(|title| title.not.is_some())
    };
    let good = reached.call("write_note", note("assessment")).await?;
    if !good.ran() || !ground.file().tools.iter().any(|(key, rules)| told(key, rules)) {
        reached.agent.close().await;
        return Err(Trouble::new("called a tool with a title that is allowed, where another is denied", format!("{}: {ADD}", good.said())));
    }
    steps.note("called a tool with a title that is allowed", "it runs", good.said(), true);
    for (what, title) in [
        ("as it stands", "bastide"),
        ("in capitals", "BASTIDE"),
        ("in full-width letters", "\u{ff42}\u{ff41}stide"),
        ("with a letter of another script", "b\u{430}stide"),
        ("percent-encoded twice", "%2562astide"),
        ("with a letter that is not seen", "bas\u{200b}tide"),
    ] {
        let reply = reached.call("write_note", note(title)).await?;
        let refused = reply.code().is_some_and(|code| code.starts_with("access.argument"));
        steps.note(format!("called it with the denied title {what}"), "refused", reply.said(), refused && !reply.ran());
    }
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// A result that tells of the machine behind its server.
pub async fn errors(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let since = ground.now();
    let reply = reached.call("read_mail", json!({})).await?;
    let answered = reply.ran() || reply.code().is_some_and(|code| code.starts_with("data."));
    steps.note(
        "called a tool whose result holds a path and an inner address",
        "an answer, or a refusal of group data",
        reply.said(),
        answered,
    );
    for (what, inner) in [("path", canary::PATH), ("address", canary::ADDRESS)] {
        let found = reply.text().contains(inner);
        steps.note(format!("looked for the {what} in the answer"), "nowhere", if found { "there" } else { "nowhere" }, !found);
    }
    let records = ground.records_of_tool("read_mail", since, 1).await?;
    let told: Vec<String> =
        records.iter().filter(|record| record.to_string().contains(canary::PATH)).map(|_| "a record".to_owned()).collect();
    steps.none("looked for the path in the log", &told);
    let acted = records.iter().filter_map(|record| record.get("obligations")?.as_array()).flatten().any(|obligation| {
        obligation.get("class").and_then(Value::as_str) == Some("leak") && obligation.get("action").and_then(Value::as_str) != Some("flag")
    });
    steps.note("looked what the record says was found", "leaks, taken out", if acted { "leaks, taken out" } else { "nothing" }, acted);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// The canary's tools that the probe is shown, by their own names.
async fn listed(reached: &mut Reached) -> Result<Vec<String>, Trouble> {
    let start = format!("{}__", reached.server.name);
    let names = reached.agent.names("tools/list", "tools").await?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(&start)).map(str::to_owned).collect())
}

/// The pinned tools that say of themselves that they do more than the file has it.
fn mistold(ground: &Ground) -> Vec<String> {
    let definitions = ground.pinned_definitions();
    let odd = definitions.iter().filter_map(|(name, definition)| {
        let (server, tool) = name.split_once("__")?;
        let word = ground.file().operation_of(&terms::ServerName::new(server).ok()?, tool)?;
        let graver = guards::operation::hint(definition.as_object()?)?;
        (word < graver).then(|| format!("{name} ({} by your word, {} by its own)", word.as_str(), graver.as_str()))
    });
    odd.take(12).collect()
}
