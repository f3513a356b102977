//! Probes of the way out of a sandbox, tried from inside by the canary.
//!
//! The names are those that nobody has (RFC 6761): what is refused is refused before anything leaves, and what is let through finds nobody.

use super::canaries::Reached;
use super::confinement::local;
use super::ground::Ground;
use super::secrets::drawn;
use super::steps::{Finding, Probed, Steps, Trouble};
use serde_json::{Value, json};
use terms::Utc;

/// A name that the canary lists and nobody has.
const LISTED: &str = "probe.invalid";
/// A name that the canary lists and that leads to this host.
const INNER: &str = "localhost";
/// The port of both.
const PORT: u16 = 443;

/// The canary, where its list has what the probes try.
async fn outward(ground: &Ground) -> Result<Reached, Trouble> {
    let reached = Reached::find(ground).await?;
    let list = ground.file().servers.get(&reached.server.name).map(|server| server.sandbox.egress.as_slice()).unwrap_or_default();
    let missing: Vec<String> =
        [LISTED, INNER].map(|name| format!("{name}:{PORT}")).into_iter().filter(|entry| !list.contains(entry)).collect();
    if missing.is_empty() {
        return Ok(reached);
    }
    let add = format!("`{}` lacks `sandbox: {{ egress: [{}] }}`", reached.server.name, missing.join(", "));
    Err(Trouble::new("looked for the names that the canary lists", add))
}

/// Lets the canary try `host`, and gives what it tells.
async fn tried(reached: &mut Reached, host: &str, say: &str, name: &str) -> Result<String, Trouble> {
    tried_at(reached, (host, PORT), say, name).await
}

pub(super) async fn tried_at(reached: &mut Reached, (host, port): (&str, u16), say: &str, name: &str) -> Result<String, Trouble> {
    let reply = reached.call("reach", json!({"host": host, "port": port, "say": say, "name": name})).await?;
    let message = reply.message();
    if let Some(said) = message.pointer("/result/content/0/text").and_then(Value::as_str).filter(|_| reply.ran()) {
        return Ok(said.to_owned());
    }
    Err(Trouble::new("let the canary try", format!("{}; its tool reach has to be allowed to agent:probe/a", reply.said())))
}

/// Looks for the event of a refusal for `reason`, which belongs to `control`.
pub(super) async fn recorded(
    ground: &Ground,
    reached: &Reached,
    since: Utc,
    (reason, control): (&str, &str),
    steps: &mut Steps,
) -> Result<(), Trouble> {
    let server = reached.server.name.as_str();
    let text = |record: &Value, at: &str| record.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let means = |record: &Value| {
        text(record, "/kind") == "probe"
            && text(record, "/event") == "network.refused"
            && text(record, "/server") == server
            && text(record, "/detail/reason") == reason
            && Utc::parse(&text(record, "/time")).is_some_and(|time| time >= since)
    };
    let found = ground.recorded(1, means).await?;
    let said = found
        .last()
        .map_or_else(|| "none".to_owned(), |record| format!("{}, {}", text(record, "/severity"), text(record, "/decision/control")));
    let good = found.last().is_some_and(|record| {
        text(record, "/decision/control") == control && record.pointer("/mitre/0").is_some() && !text(record, "/severity").is_empty()
    });
    steps.note(format!("looked in the log for the refusal, {reason}"), format!("a severity, a technique, {control}"), said, good);
    Ok(())
}

/// Names: listed ones stand for addresses that nobody has, and nothing goes out by a question.
pub async fn names(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let mut reached = outward(ground).await?;
    let since = ground.now();
    let said = tried(&mut reached, LISTED, "nothing", "").await?;
    steps.note(
        "asked for a listed name from inside",
        "an address of 198.18.0.0/15",
        &said,
        said.starts_with("198.18.") || said.starts_with("198.19."),
    );
    let (other, data) = (format!("{}.invalid", drawn().to_lowercase()), format!("{}.{LISTED}", drawn().to_lowercase()));
    for (what, name) in [("a name that is not listed", other), ("a name that carries data below a listed one", data)] {
        let said = tried(&mut reached, &name, "nothing", "").await?;
        steps.equal(format!("asked for {what}"), "no address", said.as_str());
    }
    let said = tried(&mut reached, LISTED, "question", "").await?;
    steps.note("asked for the texts of a listed name", "0 records", &said, said.ends_with(" 0 records"));
    recorded(ground, &reached, since, ("name", "network.egress"), steps).await?;
    recorded(ground, &reached, since, ("question", "network.dns"), steps).await?;
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Protocols: the first bytes have to be what is expected on the port, and name who is meant.
pub async fn protocols(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let mut reached = outward(ground).await?;
    let since = ground.now();
    for (what, say, name) in [("SSH where TLS is expected", "ssh", ""), ("TLS that names another server", "tls", "other.invalid")] {
        let said = tried(&mut reached, LISTED, say, name).await?;
        steps.note(format!("spoke {what}"), "closed without an answer", &said, said.ends_with("closed without an answer"));
    }
    recorded(ground, &reached, since, ("unlisted-protocol", "network.protocols"), steps).await?;
    recorded(ground, &reached, since, ("other-server-name", "network.egress"), steps).await?;
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// A listed name that leads inwards is refused when it is connected to.
pub async fn inner_addresses(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let mut reached = outward(ground).await?;
    let since = ground.now();
    // Inside, this name is known without being asked for: the proxy is told it.
    let said = tried_at(&mut reached, ("127.0.0.1", ::egress::PROXY_PORT), "connect", INNER).await?;
    steps.note(
        "connected through the proxy to a listed name that leads to this host",
        "closed without an answer",
        &said,
        said.ends_with("closed without an answer"),
    );
    recorded(ground, &reached, since, ("inner-address", "tools.http"), steps).await?;
    reached.agent.close().await;
    super::guarded::guard(ground, terms::Control::ToolsHttp, steps).await
}

/// What a server tries is counted.
pub async fn telemetry(ground: &Ground, steps: &mut Steps) -> Probed {
    ground.running()?;
    if !local(ground, steps) {
        return Ok(Finding::NotApplicable);
    }
    let mut reached = outward(ground).await?;
    let (server, since) = (reached.server.name.clone(), ground.now());
    let counter = format!("bastide_probe_egress_stopped_total{{server=\"{server}\",reason=\"name\"}} ");
    let count = async || -> Result<u64, Trouble> {
        let metrics = ground.running()?.admin.text("/metrics").await.map_err(|fault| Trouble::new("read the metrics", fault))?;
        Ok(metrics.lines().find_map(|line| line.strip_prefix(&counter)?.parse().ok()).unwrap_or(0))
    };
    let before = count().await?;
    let said = tried(&mut reached, &format!("{}.invalid", drawn().to_lowercase()), "nothing", "").await?;
    steps.equal("asked for a name that is not listed", "no address", said.as_str());
    let after = count().await?;
    steps.note("compared the count of refused names of the canary", "one more at least", format!("{before}, then {after}"), after > before);
    recorded(ground, &reached, since, ("name", "network.egress"), steps).await?;
    steps.note("looked for baselines and alerts on departures from them", "both", "not in this build", false);
    reached.agent.close().await;
    Ok(Finding::Judged)
}
