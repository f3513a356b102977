//! Probes of the group `transport`.

use super::agent::{Agent, Reply};
use super::canaries::Reached;
use super::ground::{A, Ground};
use super::steps::{Finding, Probed, Steps, Trouble};
use http::{HeaderName, Method};
use mcp::Revision;
use mcp::header::{METHOD, NAME, VERSION};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a token of this probe lives at most.
const LIFE: Duration = Duration::from_secs(120);
/// A revision that there never was.
const NEVER: &str = "1999-01-01";

/// Revisions that are spoken, and those that are not; what a server was approved with.
pub async fn protocol_pin(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    let agent = ground.agent(A).await?;
    let newest = Revision::NEWEST_LEGACY.as_str();
    let hello = |revision: &str| {
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "bastide-assess", "version": "1"}});
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string()
    };
    let mut alone = agent.clone();
    alone.session = None;
    let offered = alone.send(Method::POST, "/mcp", &hello(NEVER), &[]).await?;
    let settled = offered.message().pointer("/result/protocolVersion").and_then(Value::as_str).unwrap_or("none").to_owned();
    let spoken = Revision::parse(&settled).is_some();
    steps.note("asked for a revision that there never was", "one that is spoken, or a refusal", &settled, spoken || offered.status >= 400);
    alone.session = offered.header("mcp-session-id").map(str::to_owned);
    if alone.session.is_some() {
        let other = alone.send(Method::POST, "/mcp", PING, &[(HeaderName::from_static(VERSION), NEVER)]).await?;
        steps.note("named another revision than the session's", "400", other.said(), other.status == 400);
        alone.close().await;
    }

    let modern = Revision::R2026_07_28.as_str();
    let known = discover(&alone, modern, modern).await?;
    if known.status == 200 {
        let good = known.message().pointer("/result/supportedVersions/0").and_then(Value::as_str) == Some(modern);
        steps.note("asked what there is in a revision without a handshake", modern, known.said(), good);
        let never = discover(&alone, NEVER, NEVER).await?;
        steps.note(
            "asked so in a revision that there never was",
            "400 and -32022",
            never.said(),
            fault(&never) == (400, mcp::REVISION_UNSUPPORTED),
        );
        let legacy = discover(&alone, newest, newest).await?;
        steps.note(
            "asked so in a revision with a handshake",
            "400 and -32022",
            legacy.said(),
            fault(&legacy) == (400, mcp::REVISION_UNSUPPORTED),
        );
        let unlike = discover(&alone, newest, modern).await?;
        steps.note("named another revision in the header", "400 and -32020", unlike.said(), fault(&unlike) == (400, mcp::HEADER_MISMATCH));
    }
    // The signature stands behind it.
    let unpinned: Vec<String> = match serde_json::Deserializer::from_slice(&ground.lock()).into_iter::<Value>().next() {
        Some(Ok(lock)) => {
            let servers = lock.get("servers").and_then(Value::as_object);
            let known = |pin: &Value| pin.get("revision").and_then(Value::as_str).and_then(Revision::parse).is_some();
            servers.into_iter().flatten().filter(|(_, pin)| !known(pin)).map(|(name, _)| name.clone()).collect()
        }
        Some(Err(_)) | None => vec!["the lock cannot be read".to_owned()],
    };
    steps.none("looked for servers whose revision is not in the lock", &unpinned);
    Ok(Finding::Judged)
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#;

async fn discover(agent: &Agent, header: &str, claimed: &str) -> Result<Reply, Trouble> {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": claimed, "io.modelcontextprotocol/clientCapabilities": {}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}).to_string();
    let headers = [(HeaderName::from_static(VERSION), header), (HeaderName::from_static(METHOD), "server/discover")];
    agent.send(Method::POST, "/mcp", &message, &headers).await
}

fn fault(reply: &Reply) -> (u16, i64) {
    (reply.status, reply.message().pointer("/error/code").and_then(Value::as_i64).unwrap_or(0))
}

/// Messages that differ from a good call in one thing each. Each would call the canary if that thing were overlooked.
pub async fn strict_messages(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut reached = Reached::find(ground).await?;
    let tool = format!("{}__echo", reached.server.name);
    let good = |text: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}}}}}}"#)
    };
    let ran = reached.agent.send(Method::POST, "/mcp", &good("whole"), &[]).await?;
    steps.note("made a good call", "200", ran.said(), ran.ran());
    let call = good("strict");
    let forms = [
        ("a key twice", call.replace("\"id\":41", "\"id\":41,\"id\":41")),
        ("a tool's name twice, once escaped", call.replace("\"name\":", "\"na\\u006de\":\"none\",\"name\":")),
        ("a member that is not of the protocol", call.replace("\"id\":41", "\"id\":41,\"more\":1")),
        ("a batch of one", format!("[{call}]")),
        ("another version of JSON-RPC", call.replace("\"2.0\"", "\"1.0\"")),
        ("an id that is null", call.replace("\"id\":41", "\"id\":null")),
        ("an id with a fraction", call.replace("\"id\":41", "\"id\":41.0")),
        ("no id", call.replace("\"id\":41,", "")),
        ("arguments that are a list", call.replace("{\"text\":\"strict\"}", "[\"strict\"]")),
        ("a byte order mark", format!("\u{feff}{call}")),
        ("more after the end", format!("{call}{{}}")),
        ("a lone surrogate", call.replace("strict", "\\ud800")),
        ("a key of another case", call.replace("\"params\"", "\"Params\"")),
        ("a result and a method", call.replace("\"id\":41", "\"id\":41,\"result\":{}")),
    ];
    for (what, body) in forms {
        let reply = reached.agent.send(Method::POST, "/mcp", &body, &[]).await?;
        let refused = !reply.ran() && reply.message().pointer("/error/code").is_some();
        steps.note(format!("sent the call with {what}"), "an error of the protocol", reply.said(), refused);
    }
    let modern = Revision::R2026_07_28.as_str();
    let token = ground.issue(A, LIFE, None).await?;
    let alone = ground.stranger().await?.with(Some(&token.text));
    if discover(&alone, modern, modern).await?.status == 200 {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": modern, "io.modelcontextprotocol/clientCapabilities": {}});
        let params = json!({"name": tool, "arguments": {"text": "whole"}, "_meta": meta});
        let message = json!({"jsonrpc": "2.0", "id": 42, "method": "tools/call", "params": params}).to_string();
        let headers = |name| {
            [
                (HeaderName::from_static(VERSION), modern),
                (HeaderName::from_static(METHOD), "tools/call"),
                (HeaderName::from_static(NAME), name),
            ]
        };
        let ran = alone.send(Method::POST, "/mcp", &message, &headers(&tool)).await?;
        steps.note("made a good call without a session", "200", ran.said(), ran.ran());
        let unlike = alone.send(Method::POST, "/mcp", &message, &headers("another")).await?;
        steps.note("named another tool in the header", "400 and -32020", unlike.said(), fault(&unlike) == (400, mcp::HEADER_MISMATCH));
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let told = alone.send(Method::POST, "/mcp", response, &[(HeaderName::from_static(VERSION), modern)]).await?;
        steps.note("posted a response where there are none", "400", told.said(), told.status == 400);
    }
    // What it has called ends with the token.
    ground.revoke(&token).await?;
    let is_of = |record: &Value| record.get("arguments").is_some_and(|arguments| arguments.to_string().contains("strict"));
    let went =
        ground.records().await?.into_iter().filter(is_of).map(|record| record.get("id").map(ToString::to_string).unwrap_or_default());
    steps.none("looked in the log for such a call that went further", &went.collect::<Vec<_>>());
    reached.agent.close().await;
    Ok(Finding::Judged)
}
