//! The screens on standard input: one JSON request a line, one JSON answer a line.

use crate::budget::Budget;
use crate::engine::{Channel, Engine, Scratch};
use crate::hidden::hidden;
use crate::redact::{Actions, redact};
use serde_json::{Value, json};
use terms::Class;

/// Answers one request: `{id, task, text, channel}` gives `{id, spans, redacted}`, and for the task `hidden` `{id, label, decoded}`.
///
/// Spans are `[start, end, "class:kind"]` in code points. A task that there is no screen for is answered `{id, unsupported: true}`,
/// a line that is no request `{error}`.
pub fn answer(line: &str, engine: &Engine, scratch: &mut Scratch) -> String {
    let Ok(request) = serde_json::from_str::<Value>(line) else {
        return json!({ "error": "the line is not JSON" }).to_string();
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let task = request.get("task").and_then(Value::as_str);
    if !matches!(task, Some("secrets" | "pii" | "financial" | "hidden") | None) {
        return json!({ "id": id, "unsupported": true }).to_string();
    }
    let Some(text) = request.get("text").and_then(Value::as_str) else {
        return json!({ "id": id, "error": "the request has no text" }).to_string();
    };
    if task == Some("hidden") {
        let found = hidden(text, &Budget::default(), scratch);
        let label = if found.is_empty() { "clean" } else { "hidden" };
        let decoded: Vec<String> = found.into_iter().map(|one| one.reads).collect();
        return json!({ "id": id, "label": label, "decoded": decoded }).to_string();
    }
    let channel = match request.get("channel").and_then(Value::as_str) {
        Some("argument") => Channel::Argument,
        Some("resource") => Channel::Resource,
        Some("definition") => Channel::Definition,
        Some(_) | None => Channel::Result,
    };
    let report = engine.inspect(text, channel, &Budget::default(), scratch);
    let mut points = Points { text, at: 0, count: 0 };
    let spans: Vec<Value> = report
        .findings
        .iter()
        .filter(|finding| finding.class != Class::Unseen)
        .map(|finding| {
            let kind =
                if finding.class == Class::Secret && report.decoded.contains(&finding.span) { "encoded-secret" } else { &finding.kind };
            let start = points.count(finding.span.start);
            let end = start + text.get(finding.span.start..finding.span.end).map_or(0, |value| value.chars().count());
            json!([start, end, format!("{}:{kind}", finding.class.as_str())])
        })
        .collect();
    let unseen: Vec<&str> = report.findings.iter().filter(|one| one.class == Class::Unseen).map(|one| one.kind.as_ref()).collect();
    let mut answer = json!({ "id": id, "spans": spans, "redacted": redact(text, &report.findings, &Actions::default()) });
    if let (false, Some(object)) = (unseen.is_empty(), answer.as_object_mut()) {
        object.insert("unseen".to_owned(), json!(unseen));
    }
    answer.to_string()
}

/// Counts code points up to rising places, each byte once.
struct Points<'a> {
    text: &'a str,
    at: usize,
    count: usize,
}

impl Points<'_> {
    fn count(&mut self, to: usize) -> usize {
        if to >= self.at {
            self.count += self.text.get(self.at..to).map_or(0, |part| part.chars().count());
            self.at = to;
        }
        self.count
    }
}
