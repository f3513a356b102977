//! Probes of what data may flow out: of persons, of cards and accounts, and by its label.

use super::canaries::Reached;
use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::canary;
use serde_json::{Value, json};

/// What of the made-up mail the answer must not hold, by what it is called.
type Values<'a> = [(&'a str, &'a str)];

/// A result that names and identifies a person.
pub async fn pii(ground: &Ground, steps: &mut Steps) -> Probed {
    let fakes = canary::fakes();
    let values = [("name", fakes.person.as_str()), ("number", fakes.number.as_str()), ("mail address", fakes.address.as_str())];
    taken_out(ground, steps, "pii", &values).await
}

/// A result that holds a card number.
pub async fn financial(ground: &Ground, steps: &mut Steps) -> Probed {
    let card = canary::fakes().card;
    let plain: String = card.chars().filter(char::is_ascii_digit).collect();
    let (head, _) = plain.split_at(plain.len().saturating_sub(5));
    let (spaced, _) = card.split_at(card.len().saturating_sub(5));
    taken_out(
        ground,
        steps,
        "financial",
        &[("card", &card), ("card without blanks", &plain), ("digits before the last", head), ("groups before the last", spaced)],
    )
    .await
}

async fn taken_out(ground: &Ground, steps: &mut Steps, class: &str, values: &Values<'_>) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let since = ground.now();
    let reply = reached.call("read_mail", json!({})).await?;
    let answered = reply.ran() || reply.code().is_some_and(|code| code.starts_with("data."));
    steps.note("called a tool whose result holds made-up data", "an answer, or a refusal of group data", reply.said(), answered);
    let text = reply.text();
    for (what, value) in values {
        let found = text.contains(value);
        steps.note(format!("looked for the {what} in the answer"), "nowhere", if found { "there" } else { "nowhere" }, !found);
    }
    let readable = !reply.ran() || text.contains("Here is the key for the build");
    steps.note("read what is left", "the rest of the text", if readable { "the rest of the text" } else { "another text" }, readable);
    let records = ground.records_of_tool("read_mail", since, 2).await?;
    let held = |record: &Value| values.iter().any(|(_, value)| record.to_string().contains(value));
    let told: Vec<String> = records.iter().filter(|record| held(record)).map(|_| "a record".to_owned()).collect();
    steps.none(format!("looked for it in {} records of the call", records.len()), &told);
    let found: Vec<String> = records
        .iter()
        .filter_map(|record| record.get("obligations")?.as_array())
        .flatten()
        .filter(|one| one.get("class").and_then(Value::as_str) == Some(class))
        .filter_map(|one| Some(format!("{} {}", one.get("action")?.as_str()?, one.get("kind")?.as_str()?)))
        .collect();
    let acted = !found.is_empty() && found.iter().all(|one| !one.starts_with("flag"));
    let said = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    steps.note("looked what the record says was found", "as much, acted upon", said, acted);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// How sensitive an answer is: on record, and told to who asks.
pub async fn labels(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let since = ground.now();
    let plain = reached.call("read_mail", json!({})).await?;
    steps.note("called a tool whose result holds a card number", "an answer", plain.said(), plain.ran());
    let untold = plain.message().pointer("/result/_meta/dev.bastide~1label").is_none();
    steps.note("looked for a label in the answer, without having asked", "none", if untold { "none" } else { "one" }, untold);
    let asks = json!({"experimental": {"dev.bastide/labels": {}}});
    reached.agent.close().await;
    reached.agent.open_with(asks).await?;
    let asked = reached.call("read_mail", json!({})).await?;
    let message = asked.message();
    let label = message.pointer("/result/_meta/dev.bastide~1label").and_then(Value::as_str).unwrap_or("none").to_owned();
    let high = |label: &str| matches!(label, "confidential" | "restricted");
    steps.note("asked for it and looked again", "confidential or more", &label, high(&label));
    let records = ground.records_of_tool("read_mail", since, 4).await?;
    let kept: Vec<&str> = records.iter().filter_map(|record| record.pointer("/result/label")?.as_str()).collect();
    let good = kept.len() >= 2 && kept.iter().all(|label| high(label));
    steps.note(
        "looked for the label on record",
        "confidential or more",
        if kept.is_empty() { "none".to_owned() } else { kept.join(", ") },
        good,
    );
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// What the configuration has to say for the probe of prompts, beside the canary and its role.
const ADD: &str = "add `\"prompt:*\"` to what agent:probe/a is allowed of the canary, `prompts: { CANARY__greet: { version: '1', \
    messages: [{ text: 'Say hello to {{who}}.' }] } }` with the canary's own name, and run `bastide lock`";

/// A prompt that is held against its approved template, and one that brings a key.
pub async fn prompts(ground: &Ground, steps: &mut Steps) -> Probed {
    let Reached { server, mut agent } = Reached::find(ground).await?;
    let [greet, brief] = ["greet", "brief"].map(|name| format!("{}__{name}", server.name));
    let names = agent.names("prompts/list", "prompts").await?;
    let approved = ground.file().prompts.keys().any(|key| key.to_string() == greet);
    if !approved || !names.contains(&greet) || !names.contains(&brief) {
        agent.close().await;
        return Err(Trouble::new("looked for the canary's prompts, one of them with an approved template", ADD));
    }
    let key = canary::fakes().key;
    let since = ground.now();
    let plain = agent.ask("prompts/get", json!({"name": greet, "arguments": {"who": "assessor"}})).await?;
    steps.note("asked for a prompt that is as its template has it", "it comes", plain.said(), plain.ran());
    let swayed = agent.ask("prompts/get", json!({"name": greet, "arguments": {"who": canary::SWAYED}})).await?;
    let refused = swayed.code().is_some_and(|code| code.starts_with("data.prompts/"));
    steps.note("asked for it where it says more than its template", "refused", swayed.said(), refused && !swayed.ran());
    let keyed = agent.ask("prompts/get", json!({"name": brief})).await?;
    let refused = keyed.code().is_some_and(|code| code.starts_with("data.prompts/"));
    steps.note("asked for a prompt that brings a key", "refused", keyed.said(), refused && !keyed.ran());
    let told = keyed.message().to_string().contains(&key);
    steps.note("looked for the key in the answer", "nowhere", if told { "there" } else { "nowhere" }, !told);
    let records = ground.records_of_tool("brief", since, 1).await?;
    let held: Vec<String> = records.iter().filter(|record| record.to_string().contains(&key)).map(|_| "a record".to_owned()).collect();
    steps.none(format!("looked for it in {} records of that", records.len()), &held);
    agent.close().await;
    Ok(Finding::Judged)
}
