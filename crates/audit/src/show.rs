//! Joins records to one line a call.

use crate::read::Entry;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};

/// The most lines that wait for further records of their calls.
const MOST_LINES: usize = 8192;
/// The most bytes of records that they hold.
const MOST_BYTES: usize = 32 << 20;

/// Joins records by request id, in bounded memory: one JSON object a call, and one for each record that belongs to none, in the order of their first records.
///
/// A call has the fields of its records, those of later ones winning, `time` of the first and `ended` of the last, and `records`: `[{index, id, kind}]`.
/// What is not JSON is left out. A record that comes more than 8,192 lines or 32 MiB of records after the first one of its call makes a line of its own.
#[derive(Debug)]
pub struct Joiner {
    lines: VecDeque<(Map<String, Value>, usize)>,
    calls: HashMap<String, u64>,
    /// Lines that were handed on.
    gone: u64,
    bytes: usize,
    most: (usize, usize),
}

impl Default for Joiner {
    fn default() -> Self {
        Self::within(MOST_LINES, MOST_BYTES)
    }
}

impl Joiner {
    fn within(lines: usize, bytes: usize) -> Self {
        Self { lines: VecDeque::new(), calls: HashMap::new(), gone: 0, bytes: 0, most: (lines, bytes) }
    }

    /// Takes the next record; gives the lines that are done with.
    pub fn push(&mut self, entry: &Entry) -> Vec<Value> {
        let Ok(Value::Object(mut record)) = serde_json::from_slice(&entry.body) else { return Vec::new() };
        let part = serde_json::json!({ "index": entry.index, "id": record.remove("id"), "kind": record.get("kind") });
        let request = record.get("request").and_then(Value::as_str).map(str::to_owned);
        let known = request.as_ref().and_then(|request| self.calls.get(request)).and_then(|at| usize::try_from(at - self.gone).ok());
        match known.and_then(|at| self.lines.get_mut(at)) {
            Some((line, size)) => {
                *size += entry.body.len();
                let ended = record.remove("time");
                for (name, value) in record {
                    line.insert(name, value);
                }
                if let Some(ended) = ended {
                    line.insert("ended".into(), ended);
                }
                if let Some(Value::Array(parts)) = line.get_mut("records") {
                    parts.push(part);
                }
            }
            None => {
                if let Some(request) = request {
                    self.calls.insert(request, self.gone + u64::try_from(self.lines.len()).unwrap_or(u64::MAX));
                }
                record.insert("records".into(), Value::Array(vec![part]));
                self.lines.push_back((record, entry.body.len()));
            }
        }
        self.bytes += entry.body.len();
        let mut done = Vec::new();
        while self.lines.len() > self.most.0 || (self.bytes > self.most.1 && self.lines.len() > 1) {
            done.extend(self.pop());
        }
        done
    }

    fn pop(&mut self) -> Option<Value> {
        let (line, size) = self.lines.pop_front()?;
        if let Some(request) = line.get("request").and_then(Value::as_str) {
            self.calls.remove(request);
        }
        self.gone += 1;
        self.bytes -= size;
        Some(Value::Object(line))
    }

    /// The lines that are left.
    pub fn finish(mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

/// Joins `entries`, as a [`Joiner`] does, all of them at once.
pub fn join(entries: &[Entry]) -> Vec<Value> {
    let mut joiner = Joiner::within(usize::MAX, usize::MAX);
    for entry in entries {
        joiner.push(entry);
    }
    joiner.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_and_its_outcome_are_one_line() {
        let bodies = [
            r#"{"id":"R-1","kind":"intent","time":"a","request":"C-1","tool":"x"}"#,
            r#"{"id":"R-2","kind":"event","time":"b","event":"e"}"#,
            r#"{"id":"R-3","kind":"outcome","time":"c","request":"C-1","result":{"status":"ok"}}"#,
        ];
        let entries: Vec<Entry> = (0..).zip(bodies).map(|(index, body)| Entry { index, body: body.into() }).collect();
        let lines = join(&entries);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["tool"], "x");
        assert_eq!(lines[0]["result"]["status"], "ok");
        assert_eq!((&lines[0]["time"], &lines[0]["ended"]), (&Value::from("a"), &Value::from("c")));
        assert_eq!(lines[0]["records"].as_array().map(Vec::len), Some(2));
        assert_eq!(lines[1]["event"], "e");
    }

    #[test]
    fn a_line_waits_for_its_call_and_not_for_ever() {
        let body = |kind: &str, call: u64| format!(r#"{{"id":"R-1","kind":"{kind}","time":"a","request":"C-{call}"}}"#).into_bytes();
        let bodies = [body("intent", 1), body("intent", 2), body("outcome", 1), body("intent", 3), body("outcome", 2), body("intent", 4)];
        let mut joiner = Joiner::within(2, usize::MAX);
        let mut lines = Vec::new();
        for (index, body) in (0..).zip(bodies.clone().into_iter().chain([body("outcome", 1)])) {
            lines.extend(joiner.push(&Entry { index, body }));
        }
        lines.extend(joiner.finish());
        let shown: Vec<_> =
            lines.iter().map(|line| (line["request"].as_str().unwrap(), line["records"].as_array().unwrap().len())).collect();
        assert_eq!(shown, [("C-1", 2), ("C-2", 2), ("C-3", 1), ("C-4", 1), ("C-1", 1)]);
        let mut tight = Joiner::within(usize::MAX, bodies[0].len());
        assert!(tight.push(&Entry { index: 0, body: bodies[0].clone() }).is_empty());
        assert_eq!(tight.push(&Entry { index: 1, body: bodies[1].clone() }).len(), 1, "bytes are bounded");
    }
}
