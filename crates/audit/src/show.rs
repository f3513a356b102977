//! Joins records to one line a call.

use crate::read::Entry;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Joins `entries` by request id: one JSON object a call, and one for each record that belongs to none, in the order of their first records.
///
/// A call has the fields of its records, those of later ones winning, `time` of the first and `ended` of the last, and `records`: `[{index, id, kind, phase?}]`.
/// What is not JSON is left out.
pub fn join(entries: &[Entry]) -> Vec<Value> {
    let mut lines: Vec<Map<String, Value>> = Vec::new();
    let mut calls: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let Ok(Value::Object(mut record)) = serde_json::from_slice(&entry.body) else { continue };
        let mut part = serde_json::json!({ "index": entry.index, "id": record.remove("id"), "kind": record.get("kind") });
        if let (Some(phase), Some(part)) = (record.get("phase"), part.as_object_mut()) {
            part.insert("phase".to_owned(), phase.clone());
        }
        let request = record.get("request").and_then(Value::as_str).map(str::to_owned);
        let known = request.as_ref().and_then(|request| calls.get(request)).copied();
        match known.and_then(|at| lines.get_mut(at)) {
            Some(line) => {
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
                    calls.insert(request, lines.len());
                }
                record.insert("records".into(), Value::Array(vec![part]));
                lines.push(record);
            }
        }
    }
    lines.into_iter().map(Value::Object).collect()
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
}
