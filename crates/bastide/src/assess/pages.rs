//! Probe of resources: handed out in pages, each screened with the whole.

use super::agent::Reply;
use super::canaries::Reached;
use super::ground::Ground;
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::canary;
use serde_json::{Value, json};

/// The longest page that the probe tries: of a server with longer ones it is not told whether they are bounded.
const LONGEST: u64 = 3 << 20;

/// Whether a resource comes in pages, nothing of which holds what the screens take out of the whole.
pub async fn resources(ground: &Ground, steps: &mut Steps) -> Probed {
    let Reached { server, mut agent } = Reached::find(ground).await?;
    let most = ground.file().servers.get(&server.name).map_or(0, |entry| entry.resources.max.bytes());
    if most > LONGEST {
        steps.note("looked for the length of a page of the canary", format!("at most {LONGEST} bytes"), most, false);
        agent.close().await;
        return Ok(Finding::Judged);
    }
    let book = canary::book(usize::try_from(most).unwrap_or_default());
    let key = canary::fakes().key;
    let uri = json!({"uri": mcp::wrap_address(&server.name, &format!("{}{most}", canary::BOOK))});
    let first = agent.ask("resources/read", uri).await?;
    if !first.ran() {
        agent.close().await;
        let why = format!("{}: name \"resource:canary://*\" in a role of agent:probe/a, and run `bastide lock`", first.said());
        return Err(Trouble::new("read a resource of the canary", why));
    }
    let mut read = text(&first);
    let bounded = u64::try_from(read.len()).is_ok_and(|length| length <= most);
    steps.note(format!("read a resource of {} bytes where {most} are a page", book.len()), format!("at most {most}"), read.len(), bounded);
    let mut next = address(&first);
    steps.note("looked for the address of the next page", "one", if next.is_some() { "one" } else { "none" }, next.is_some());
    let mut pages = vec![first];
    while let Some(uri) = next.filter(|_| pages.len() < 8) {
        let page = agent.ask("resources/read", json!({"uri": uri})).await?;
        read.push_str(&text(&page));
        next = address(&page);
        pages.push(page);
    }
    let long = pages.iter().map(|page| text(page).len()).filter(|length| u64::try_from(*length).is_ok_and(|length| length > most)).count();
    steps.equal(format!("read all {} pages; counted those that were longer", pages.len()), 0, long);
    let (before, after) = book.split_once(&key).unwrap_or_default();
    let whole = read.starts_with(before) && read.ends_with(after);
    steps.note(
        "put the pages together",
        "the resource, but for what was taken out",
        if whole { "the resource" } else { "another text" },
        whole,
    );
    let (head, tail) = key.split_at(key.len() / 2);
    let held = read.contains(&key) || pages.iter().any(|page| page.text().contains(head) || page.text().contains(tail));
    steps.note(
        "looked for the key that lies across the end of the first page",
        "no part of it",
        if held { "a part of it" } else { "no part of it" },
        !held,
    );
    if let Some(uri) = pages.first().and_then(address) {
        let mut other = ground.agent(super::ground::A).await?;
        let reply = other.ask("resources/read", json!({"uri": uri})).await?;
        steps.note("asked for the next page in another session", "no page", reply.said(), !reply.ran());
        other.close().await;
    }
    agent.close().await;
    Ok(Finding::Judged)
}

/// What a page holds of the resource: all but the word that more follows.
fn text(page: &Reply) -> String {
    let message = page.message();
    let contents = message.pointer("/result/contents").and_then(Value::as_array);
    let own = contents
        .into_iter()
        .flatten()
        .filter(|item| item.get("uri").and_then(Value::as_str).is_none_or(|uri| !uri.starts_with("bastide-page:")));
    own.filter_map(|item| item.get("text")?.as_str().map(str::to_owned)).collect()
}

/// The address of the page after it.
fn address(page: &Reply) -> Option<String> {
    page.message().pointer("/result/_meta/dev.bastide~1next")?.as_str().map(str::to_owned)
}
