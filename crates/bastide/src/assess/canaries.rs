//! Probes that need the built-in canary among the configured servers.

use super::agent::Agent;
use super::ground::{A, CanaryServer, Ground, phase};
use super::secrets::{drawn, holds, search};
use super::steps::{Finding, Probed, Steps, Trouble};
use crate::canary;
use serde_json::{Value, json};

/// Found where only a canary could show it.
pub const NO_CANARY: &str = "no canary server can be used; `bastide assess --control secrets.isolation` says how to add one";

/// The canary, and an agent that may use it.
pub struct Reached {
    /// The canary.
    pub server: CanaryServer,
    /// Probe a, its session open.
    pub agent: Agent,
}

impl Reached {
    /// Opens a session that reaches the canary.
    ///
    /// # Errors
    /// [`Trouble`] that says what to add to the configuration.
    pub async fn find(ground: &Ground) -> Result<Self, Trouble> {
        const DID: &str = "looked for the canary server";
        ground.running()?;
        let Some(server) = ground.canary() else {
            let add = "none is configured; add `servers: { canary: { run: [/path/to/bastide, __canary], secrets: { CANARY_SECRET: vault:canary/secret }, sandbox: { egress: [\"probe.invalid:443\", \"localhost:443\"] } } }`, \
                a role with `members: [\"agent:probe/a\"]` and `allow: { canary: [echo, add, read_mail, leak, meta, reach, stop, change, guarded, \"resource:canary://*\", \"prompt:*\"] }`, then run `bastide lock`";
            return Err(Trouble::new(DID, add));
        };
        let mut agent = ground.agent(A).await?;
        let names = agent.names("tools/list", "tools").await?;
        if !names.contains(&format!("{}__echo", server.name)) {
            let why = format!(
                "`{}` is configured, but agent:{A} may not use its tool echo: name it in a role, and run `bastide lock`",
                server.name
            );
            return Err(Trouble::new(DID, why));
        }
        Ok(Self { server, agent })
    }

    /// Calls a tool of the canary.
    ///
    /// # Errors
    /// [`Trouble`] when the gateway does not answer.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<super::agent::Reply, Trouble> {
        let name = format!("{}__{tool}", self.server.name);
        self.agent.call(&name, arguments).await
    }
}

/// A server that gives its own credential away.
pub async fn isolation(ground: &Ground, steps: &mut Steps) -> Probed {
    let first = Reached::find(ground).await?;
    let Some(place) = first.server.secret.clone() else {
        return Err(Trouble::new("looked for the credential of the canary", "its entry has no `secrets: { CANARY_SECRET: vault:… }`"));
    };
    let secret = drawn();
    ground.put_secret(&place, &secret).await?;
    // A new session gets a process that was started with the new credential.
    let mut agent = first.agent;
    agent.close().await;
    let mut reached = Reached::find(ground).await?;
    let since = ground.now();
    let reply = reached.call("leak", json!({})).await?;
    let answered = reply.status == 200 && (reply.ran() || reply.code().is_some());
    steps.note(
        "called a tool that returns the credential in several encodings",
        "an answer without it, or a refusal",
        reply.said(),
        answered,
    );
    let known = reply.text().contains("no credential was given");
    steps.note("looked whether the canary had the credential", "it had", if known { "it was given none" } else { "it had" }, !known);
    let forms = canary::encodings(&secret);
    for (encoding, form) in &forms {
        let found = reply.text().contains(form.as_str());
        steps.note(
            format!("looked for the credential in the answer, {encoding}"),
            "nowhere",
            if found { "there" } else { "nowhere" },
            !found,
        );
    }
    let needles: Vec<Vec<u8>> = forms.into_iter().map(|(_, form)| form.into_bytes()).collect();
    let reference = ground.records_of_tool("leak", since, 2).await?;
    steps.note("looked for the call in the log", "on record", format!("{} records", reference.len()), !reference.is_empty());
    let events: Vec<&str> = reference.iter().filter_map(|record| record.get("event")?.as_str()).collect();
    steps.note(
        "looked for the event",
        "secrets.echo",
        if events.is_empty() { "none".to_owned() } else { events.join(", ") },
        events.contains(&"secrets.echo"),
    );
    let files = ground.state_files();
    let (searched, total, hits) = tokio::task::spawn_blocking(move || search(&files, &needles))
        .await
        .map_err(|fault| Trouble::new("searched the state folder", fault))?;
    steps.none(format!("looked for every form in {searched} files of the state folder, {total} bytes"), &hits);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Arguments that do not fit.
pub async fn argument_schemas(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let good = reached.call("echo", json!({"text": "assessment"})).await?;
    steps.note("called echo with a text", "it runs", good.said(), good.ran());
    let cases = [
        ("a number for a text", "echo", json!({"text": 5})),
        ("no argument", "echo", json!({})),
        ("an unknown argument beside it", "echo", json!({"text": "x", "more": true})),
        ("a text that is too long", "echo", json!({"text": "x".repeat(5_000)})),
        ("a fraction for an integer", "add", json!({"a": 1.5, "b": 2})),
        ("a list instead of arguments", "add", json!([1, 2])),
    ];
    for (what, tool, arguments) in cases {
        let reply = reached.call(tool, arguments).await?;
        let code = reply.code().unwrap_or_default();
        // A message that is no call at all gets an error of the protocol.
        let refused = ["access.argument-schemas/", "transport.strict-messages/"].iter().any(|control| code.starts_with(control))
            || (code.is_empty() && reply.message().get("error").is_some());
        steps.note(format!("called {tool} with {what}"), "refused by its schema", reply.said(), refused && !reply.ran());
    }
    let holder = reached.agent.token_id().unwrap_or_default();
    let mine = |record: &Value| record.pointer("/session/binding").and_then(Value::as_str) == Some(holder.as_str());
    let sent = ground.recorded(2, |record| mine(record) && record.get("tool").is_some() && phase(record) != "decision").await?;
    let sent = sent.iter().filter(|record| phase(record) == "intent").count();
    steps.note("looked in the log for those that were sent to the server", "the good call alone", sent, sent == 1);
    let open = open_texts(ground);
    let said = if open.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", open.len(), open.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    steps.note("flagged the text arguments of pinned tools that neither schema nor constraint bounds", "a list", said, true);
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// The text arguments of pinned tools that nothing bounds, as `server__tool argument`.
fn open_texts(ground: &Ground) -> Vec<String> {
    let bounded = |schema: &Value| ["maxLength", "enum", "const", "pattern"].iter().any(|key| schema.get(key).is_some());
    let constrained = |tool: &str, argument: &str| {
        let tools = ground.file().tools.iter().filter(|(key, _)| key.to_string() == tool);
        tools.flat_map(|(_, rules)| rules.arguments.keys()).any(|name| name == argument)
    };
    let mut open = Vec::new();
    for (tool, definition) in ground.pinned_definitions() {
        let properties = definition.pointer("/inputSchema/properties").and_then(Value::as_object);
        for (argument, schema) in properties.into_iter().flatten() {
            let text = schema.get("type").and_then(Value::as_str) == Some("string");
            if text && !bounded(schema) && !constrained(&tool, argument) {
                open.push(format!("{tool} {argument}"));
            }
        }
    }
    open
}

/// A result that holds a key.
pub async fn secrets_in_results(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let key = canary::fakes().key;
    let since = ground.now();
    let reply = reached.call("read_mail", json!({})).await?;
    let found = holds(reply.text().as_bytes(), key.as_bytes());
    let answered = reply.ran() || reply.code().is_some_and(|code| code.starts_with("data."));
    steps.note("called a tool whose result holds a fake key", "an answer, or a refusal of group data", reply.said(), answered);
    steps.note("looked for the key in the answer", "nowhere", if found { "there" } else { "nowhere" }, !found);
    let records = ground.records_of_tool("read_mail", since, 2).await?;
    let told: Vec<String> = records.iter().filter(|record| record.to_string().contains(&key)).map(|_| "a record".to_owned()).collect();
    steps.none(format!("looked for the key in {} records of the call", records.len()), &told);
    let kinds: Vec<String> = records
        .iter()
        .filter_map(|record| record.get("obligations")?.as_array())
        .flatten()
        .filter(|obligation| obligation.get("class").and_then(Value::as_str) == Some("secret"))
        .filter_map(|obligation| Some(format!("{} {}", obligation.get("action")?.as_str()?, obligation.get("kind")?.as_str()?)))
        .collect();
    let acted = !kinds.is_empty() && kinds.iter().all(|kind| !kind.starts_with("flag"));
    steps.note(
        "looked what the record says was found",
        "a secret, taken out",
        if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") },
        acted,
    );
    let events: Vec<&str> = records.iter().filter_map(|record| record.get("event")?.as_str()).collect();
    steps.note(
        "looked for the event",
        "data.secret",
        if events.is_empty() { "none".to_owned() } else { events.join(", ") },
        events.contains(&"data.secret"),
    );
    let sinks = ground.file().audit.siem.len() + ground.file().approvals.notify.len();
    steps.note(
        "looked for a way by which the security team is told",
        "at least one",
        if sinks == 0 { "none is built into this release".to_owned() } else { sinks.to_string() },
        sinks > 0,
    );
    reached.agent.close().await;
    Ok(Finding::Judged)
}
