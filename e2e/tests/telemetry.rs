//! What the gateway tells a collector is read by the protocol's own package, and one call is found whole in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use base64::Engine as _;
use e2e::{Peers, until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use testkit::{World, free_port};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the collector was told at this path.
fn told(kept: &Path, path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(kept).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["path"] == path).map(|line| line["said"].clone()).collect()
}

/// Everything at the end of a path of lists.
fn all(from: &[Value], path: &[&str]) -> Vec<Value> {
    path.iter().fold(from.to_vec(), |found, step| found.iter().flat_map(|one| one[*step].as_array().cloned().unwrap_or_default()).collect())
}

fn attribute(of: &Value, key: &str) -> Value {
    let all = of["attributes"].as_array().unwrap();
    all.iter().find(|one| one["key"] == key).map_or(Value::Null, |one| one["value"]["stringValue"].clone())
}

/// An id as it stands in a record, out of the base64 of the JSON mapping.
fn hex(id: &Value) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(id.as_str().unwrap_or_default()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_call_is_found_whole_by_its_request_id() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (kept, port) = (folder.path().join("told.jsonl"), free_port());
    let mut command = Command::new(peers.python("python"));
    command.arg(Peers::script("collector.py")).arg(port.to_string()).arg(&kept);
    let _collector = peers.listening(command, port, &folder.path().join("log"));
    let mut world = World::with().section("telemetry", &format!("otlp: http://127.0.0.1:{port}")).start();
    let mut agent = world.agent();
    let call = json!({"name": "canary__echo", "arguments": {"text": "hi"}, "_meta": {"traceparent": PARENT}});
    let answer = agent.ask("tools/call", call);
    let request = answer.result()["_meta"]["dev.bastide/request"].as_str().unwrap().to_owned();
    let own = || -> Vec<Value> {
        let spans = all(&told(&kept, "/v1/traces"), &["resourceSpans", "scopeSpans", "spans"]);
        spans.into_iter().filter(|span| attribute(span, "bastide.request") == request).collect()
    };
    until("the call is told", || own().len() == 2);
    let spans = own();
    let of = |kind: &str| spans.iter().find(|span| span["kind"] == kind).unwrap();
    let (ours, asking) = (of("SPAN_KIND_SERVER"), of("SPAN_KIND_CLIENT"));
    assert_eq!((hex(&ours["traceId"]), hex(&ours["parentSpanId"])), (PARENT[3..35].to_owned(), PARENT[36..52].to_owned()));
    assert_eq!((&asking["traceId"], &asking["parentSpanId"]), (&ours["traceId"], &ours["spanId"]));
    assert_eq!((&ours["name"], attribute(ours, "gen_ai.operation.name")), (&json!("tools/call echo"), json!("execute_tool")));
    let meta = &world.reached()[0]["_meta"];
    assert_eq!(meta["dev.bastide/request"], request);
    assert_eq!(meta["traceparent"], format!("00-{}-{}-01", hex(&ours["traceId"]), hex(&asking["spanId"])));
    let records: Vec<Value> = world.audit().into_iter().filter(|record| record["request"] == request).collect();
    assert!(!records.is_empty());
    assert!(records.iter().all(|record| record["trace"]["span"] == hex(&ours["spanId"])), "{records:#?}");

    world.stop();
    let metrics = all(&told(&kept, "/v1/metrics"), &["resourceMetrics", "scopeMetrics", "metrics"]);
    let named = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name}: {metrics:#?}"));
    let durations = named("mcp.server.operation.duration");
    let points = durations["histogram"]["dataPoints"].as_array().unwrap();
    let point = points.iter().find(|point| attribute(point, "mcp.method.name") == "tools/call").unwrap();
    assert_eq!(
        (&point["count"], &durations["histogram"]["aggregationTemporality"]),
        (&json!("1"), &json!("AGGREGATION_TEMPORALITY_CUMULATIVE"))
    );
    assert_eq!(point["bucketCounts"].as_array().unwrap().len(), point["explicitBounds"].as_array().unwrap().len() + 1);
    assert_eq!(named("bastide_messages")["sum"]["isMonotonic"], true);
    assert!(named("bastide_sessions")["gauge"]["dataPoints"].is_array());
}
