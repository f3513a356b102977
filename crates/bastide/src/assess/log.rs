//! Probes of the group `audit`.

use super::agent::Reply;
use super::canaries::{NO_CANARY, Reached};
use super::ground::{B, Ground, phase};
use super::steps::{Finding, Probed, Steps, Trouble};
use audit::read::{self, Folder, Live, Node};
use audit::segment;
use audit::verify::Against;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use store::journal::LogFolder;

/// A tool that nobody offers.
const NOBODY: &str = "bastide-assess-nobody__nothing";
/// Fields that a record of a refused call has.
const REFUSED: [&str; 10] = ["id", "kind", "time", "request", "principal", "session", "method", "decision", "result", "latency"];
/// Fields that the records of a call that ran have together.
const RAN: [&str; 14] = [
    "id",
    "kind",
    "time",
    "request",
    "principal",
    "session",
    "server",
    "method",
    "tool",
    "arguments",
    "digest",
    "decision",
    "result",
    "latency",
];
/// Where in the first record of the oldest segment a byte is turned: behind the header and the head of the frame.
const WITHIN_RECORD: usize = segment::HEADER + segment::PREFIX + 8;
/// Before the first digit of a record's monotonic time.
const CLOCK: &[u8] = b"\"monotonic\":";

/// Whether calls are on record.
pub async fn calls(ground: &Ground, steps: &mut Steps) -> Probed {
    let mut agent = ground.agent(B).await?;
    let refused = agent.call(NOBODY, json!({"text": "assessment"})).await?;
    let reference = refused
        .reference()
        .ok_or_else(|| Trouble::new("made a call that is refused", format!("the answer {} has no reference", refused.said())))?;
    let records = ground.records_of(&reference, 1).await?;
    steps.note("looked for the refused call in the log", "one record", records.len(), records.len() == 1);
    steps.none("looked for fields that its record lacks", &missing(&records, &REFUSED));
    let who = records.first().and_then(|record| record.pointer("/principal/agent")?.as_str()).unwrap_or("nobody");
    steps.equal("read for whom it was", B, who);
    agent.close().await;

    let mut reached = match Reached::find(ground).await {
        Ok(reached) => reached,
        Err(Trouble { .. }) => {
            steps.note("made a call that runs", "on record", NO_CANARY, false);
            return Ok(Finding::Judged);
        }
    };
    let mark = format!("assessment-{}", ground.now().nanos());
    let ran = reached.call("echo", json!({"text": mark})).await?;
    steps.note("made a call that runs", "it runs", ran.said(), ran.ran());
    let of_mark = |record: &Value| record.pointer("/arguments/text").and_then(Value::as_str) == Some(&mark);
    let first = ground.recorded(1, of_mark).await?;
    let request = first.first().and_then(|record| record.get("request")?.as_str()).unwrap_or_default().to_owned();
    let records = ground.records_of(&request, 2).await?;
    let outcomes = records.iter().filter(|record| phase(record) == "outcome").count();
    steps.note(
        "looked for the call in the log",
        "intent and one outcome",
        format!("{} records, {outcomes} outcome", records.len()),
        records.len() == 2 && outcomes == 1,
    );
    steps.none("looked for fields that its records lack", &missing(&records, &RAN));
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// The fields of `wanted` that none of `records` has.
fn missing(records: &[Value], wanted: &[&str]) -> Vec<String> {
    wanted
        .iter()
        .filter(|field| !records.iter().any(|record| record.get(**field).is_some_and(|value| !value.is_null())))
        .map(|field| (*field).to_owned())
        .collect()
}

/// What is done to a file of the log.
type Damage = fn(&mut [u8]);

/// A log of which one file is damaged, read as if it had been written so.
struct Damaged {
    log: LogFolder,
    file: String,
    damage: Damage,
}

impl Folder for Damaged {
    fn walk(&self) -> io::Result<Vec<Node>> {
        self.log.walk()
    }

    fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.log.read(path, most)?;
        if path == self.file {
            (self.damage)(&mut bytes);
        }
        Ok(bytes)
    }

    fn start(&self, path: &str, bytes: usize) -> io::Result<Vec<u8>> {
        let mut start = self.log.start(path, bytes)?;
        if path == self.file {
            (self.damage)(&mut start);
        }
        Ok(start)
    }

    fn live(&self) -> Live {
        self.log.live()
    }
}

/// Turns the byte at `AT`.
fn turned<const AT: usize>(bytes: &mut [u8]) {
    if let Some(byte) = bytes.get_mut(AT) {
        *byte ^= 1;
    }
}

/// Tells the first record of a segment anew, as someone would who knows the format: the frame is whole and has the hash of what it now holds.
fn retold(bytes: &mut [u8]) {
    let mut at = segment::HEADER;
    let frame = loop {
        match segment::step(bytes, at) {
            segment::Step::Frame(frame) if frame.sort == segment::Sort::Record => break frame,
            segment::Step::Frame(frame) => at = frame.next,
            segment::Step::End | segment::Step::Broken(_) => return,
        }
    };
    let from = at;
    let mut body = frame.body.to_vec();
    let Some(at) = body.windows(CLOCK.len()).position(|window| window == CLOCK) else { return };
    if let Some(digit) = body.get_mut(at + CLOCK.len()) {
        *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    }
    let mut told = Vec::new();
    segment::put(&mut told, frame.sort, &body);
    if let Some(place) = bytes.get_mut(from..from + told.len()) {
        place.copy_from_slice(&told);
    }
}

/// The log as it is, and as it would be with something changed. Needs no running gateway.
pub async fn chain(ground: &Ground, steps: &mut Steps) -> Probed {
    let log = ground.log();
    let whole = verify(log.clone()).await?;
    let found = whole
        .problems
        .first()
        .map_or_else(|| format!("{} records, no problem", whole.records), |problem| format!("{}: {}", problem.file, problem.what));
    steps.note("verified the whole log", "no problem", found, whole.ok);
    let covered = whole
        .checkpoint
        .as_ref()
        .map_or_else(|| "none".to_owned(), |checkpoint| format!("{} records, {}", checkpoint.size, checkpoint.time));
    steps.note("looked for a signed checkpoint", "one", covered, whole.checkpoint.is_some());
    let segment = read::segments(&log).map_err(|fault| Trouble::new("listed the log", fault))?.first().copied().unwrap_or(0);
    let file = segment::path(segment);
    let damages: [(&str, String, Damage); 4] = [
        ("one byte turned in a record", file.clone(), turned::<WITHIN_RECORD>),
        ("a record told anew, its own hash made to fit", file, retold),
        ("one byte turned in the checkpoint", read::CHECKPOINT.to_owned(), turned::<20>),
        ("one byte turned in the key", read::KEY.to_owned(), turned::<30>),
    ];
    for (what, file, damage) in damages {
        let report = verify(Damaged { log: log.clone(), file, damage }).await?;
        let found = report.problems.first().map_or_else(|| "nothing".to_owned(), |problem| format!("{}: {}", problem.file, problem.what));
        steps.note(format!("verified it with {what}"), "the place is named", found, !report.ok && !report.problems.is_empty());
    }
    Ok(Finding::Judged)
}

async fn verify(folder: impl Folder + Send + 'static) -> Result<audit::Report, Trouble> {
    let verified = tokio::task::spawn_blocking(move || audit::verify(&folder, &Against::default())).await;
    verified.map_err(|fault| Trouble::new("verified the log", fault))
}

/// Whether attacks leave events.
pub async fn events(ground: &Ground, steps: &mut Steps) -> Probed {
    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}"#;
    let stranger = ground.stranger().await?;
    let mut lost = ground.agent(B).await?;
    let mut asking = lost.clone();
    lost.session = Some("0".repeat(62) + "a2");
    let post = |path: &'static str| (Method::POST, path);
    let forged = stranger.with(Some("bastide-static-key-0123456789abcdef"));
    let mut attacks = Vec::new();
    for (what, event, agent, (method, path)) in [
        ("no token", "identity.token-missing", &stranger, post("/mcp")),
        ("a forged token", "identity.token-refused", &forged, post("/mcp")),
        ("a token in the URL", "secrets.url", &stranger, post("/mcp?access_token=bastide-static-key")),
        ("a session of nobody", "identity.session-refused", &lost, post("/mcp")),
    ] {
        attacks.push((what, event, agent.send(method, path, PING, &[]).await?));
    }
    attacks.push(("a tool that is not allowed", "access.denied", asking.call(&denied_tool(ground), json!({})).await?));
    for (what, event, reply) in attacks {
        let record = ground.record_of(&reply).await?;
        let word = |key: &str| record.as_ref().and_then(|record| record.get(key)?.as_str()).unwrap_or("nothing").to_owned();
        let techniques = record.as_ref().and_then(|record| record.get("mitre")?.as_array()).map(Vec::as_slice).unwrap_or_default();
        let told = word("event") == event && word("severity") != "nothing" && !techniques.is_empty() && techniques.iter().all(technique);
        let ids: Vec<&str> = techniques.iter().filter_map(Value::as_str).collect();
        let found = format!("{}, severity {}, {}", word("event"), word("severity"), ids.join(" "));
        steps.note(format!("presented {what} and looked for the event"), format!("{event}, with severity and technique"), found, told);
    }
    asking.close().await;
    let all: Vec<Value> = ground.records().await?.into_iter().filter(|record| record.get("event").is_some()).collect();
    let kinds: BTreeSet<&str> = all.iter().filter_map(|record| record.get("event")?.as_str()).collect();
    let bare = |record: &&Value| {
        record.get("severity").is_none() || !record.get("mitre").and_then(Value::as_array).is_some_and(|ids| ids.iter().any(technique))
    };
    let lacking: BTreeSet<String> = all.iter().filter(bare).filter_map(|record| record.get("event")?.as_str()).map(str::to_owned).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    steps.none(
        format!("looked for events of this run without severity or technique, among {}", kinds.join(", ")),
        &lacking.into_iter().collect::<Vec<_>>(),
    );
    Ok(Finding::Judged)
}

/// A tool that is there and that probe b may not use; where none is pinned, one that nobody offers.
fn denied_tool(ground: &Ground) -> String {
    ground.pinned_tools().into_iter().next().unwrap_or_else(|| NOBODY.to_owned())
}

/// Whether `id` has the form of a technique of ATT&CK or ATLAS.
fn technique(id: &Value) -> bool {
    let Some(number) = id.as_str().and_then(|id| id.strip_prefix("AML.").unwrap_or(id).strip_prefix('T')) else { return false };
    let (main, sub) = number.split_once('.').unwrap_or((number, "001"));
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(main, 4) && digits(sub, 3)
}

/// Whether one id joins all records of a call.
pub async fn correlation(ground: &Ground, steps: &mut Steps) -> Probed {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let mut agent = ground.agent(B).await?;
    let refused = agent.call_in(NOBODY, json!({}), &parent).await?;
    let reference = refused.reference().unwrap_or_default();
    let records = ground.records_of(&reference, 1).await?;
    let traced = |record: &Value| record.pointer("/trace/parent").and_then(Value::as_str).is_some_and(|found| found.contains(TRACE));
    steps.note(
        "made a refused call within a trace",
        "its record has the trace",
        if records.iter().any(traced) { "it has" } else { "it has not" },
        records.iter().any(traced),
    );
    agent.close().await;
    let mut reached = match Reached::find(ground).await {
        Ok(reached) => reached,
        Err(Trouble { .. }) => {
            steps.note("made a call that runs within a trace", "one id in intent and outcome", NO_CANARY, false);
            return Ok(Finding::Judged);
        }
    };
    let mark = format!("correlation-{}", ground.now().nanos());
    let tool = format!("{}__echo", reached.server.name);
    let ran = reached.agent.call_in(&tool, json!({"text": mark}), &parent).await?;
    steps.note("made a call that runs within a trace", "it runs", ran.said(), ran.ran());
    let first = ground.recorded(1, |record| record.pointer("/arguments/text").and_then(Value::as_str) == Some(&mark)).await?;
    let request = first.first().and_then(|record| record.get("request")?.as_str()).unwrap_or_default().to_owned();
    let records = ground.records_of(&request, 2).await?;
    let phases: BTreeSet<&str> = records.iter().map(phase).collect();
    let kinds: Vec<&str> = phases.into_iter().collect();
    steps.note(format!("joined its records by {request}"), "intent, outcome", kinds.join(", "), kinds == ["intent", "outcome"]);
    steps.note(
        "looked for the trace in them",
        "in each",
        records.iter().filter(|record| traced(record)).count(),
        !records.is_empty() && records.iter().all(traced),
    );
    let tool = format!("{}__meta", reached.server.name);
    let carried = reached.agent.call_in(&tool, json!({}), &parent).await?;
    let there = carried.text().contains(TRACE);
    steps.note(
        "asked the canary which trace reached it",
        "the same",
        if there { "the same".to_owned() } else { format!("not that one: {}", carried.said()) },
        there,
    );
    if ground.file().telemetry.is_some() {
        followed(ground, steps, &carried, TRACE).await?;
    }
    reached.agent.close().await;
    Ok(Finding::Judged)
}

/// Whether a call is the same one at the client, in the log and at the server, where a collector is told of calls.
async fn followed(ground: &Ground, steps: &mut Steps, carried: &Reply, trace: &str) -> Result<(), Trouble> {
    let message = carried.message();
    let told = message.pointer("/result/_meta/dev.bastide~1request").and_then(Value::as_str).unwrap_or("nothing");
    let reached = message.pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_default();
    let reached: Value = serde_json::from_str(reached).unwrap_or_default();
    let there = reached.get("dev.bastide/request").and_then(Value::as_str).unwrap_or("nothing");
    steps.equal("held the request id at the canary against the one that the client was told", told, there);
    let records = ground.records_of(told, 2).await?;
    let own: BTreeSet<(&str, &str)> = records
        .iter()
        .filter_map(|record| Some((record.pointer("/trace/id")?.as_str()?, record.pointer("/trace/span")?.as_str()?)))
        .collect();
    let one = own.len() == 1 && own.iter().all(|(id, _)| *id == trace);
    steps.note("looked in its records for the trace and our own span of it", "one of that trace", format!("{own:?}"), one);
    let parent = reached.get("traceparent").and_then(Value::as_str).unwrap_or("nothing");
    let ours = parent.split('-').nth(1) == Some(trace) && !parent.contains("00f067aa0ba902b7");
    steps.note("looked at the parent that the canary was told", "a span of ours in that trace", parent, ours);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_have_their_form() {
        for good in ["T1552", "T1550.001", "AML.T0010", "AML.T0011.002"] {
            assert!(technique(&json!(good)), "{good}");
        }
        for bad in ["", "1552", "T155", "T1552.1", "AML.1234", "TA0001"] {
            assert!(!technique(&json!(bad)), "{bad}");
        }
    }

    #[test]
    fn a_record_that_is_told_anew_is_a_whole_frame_of_the_same_length() {
        let mut bytes = vec![0; segment::HEADER];
        segment::put(&mut bytes, segment::Sort::Checkpoint, b"the first frame is no record");
        let from = bytes.len();
        segment::put(&mut bytes, segment::Sort::Record, br#"{"kind":"act","monotonic":9,"act":{}}"#);
        let mut forged = bytes.clone();
        retold(&mut forged);
        let segment::Step::Frame(frame) = segment::step(&forged, from) else { panic!("no frame") };
        assert_eq!((frame.body, forged.len()), (&br#"{"kind":"act","monotonic":8,"act":{}}"#[..], bytes.len()));
    }

    #[test]
    fn a_field_is_missing_when_no_record_has_it() {
        let records = [json!({"id": 1, "kind": null}), json!({"time": 1})];
        assert_eq!(missing(&records, &["id", "kind", "time", "tool"]), ["kind", "tool"]);
    }
}
