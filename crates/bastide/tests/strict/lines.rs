//! `transport.strict-messages`: the same tables over the local socket, a message a line.

use crate::{messages, modern};
use serde_json::{Value, json};
use std::io::Write;
use testkit::{Stdio, World};

/// A malformed line: its row, its text, the code and the id of the answer (0: none).
pub(crate) type Line = (u8, Vec<u8>, i64, Option<Value>);

/// What is told of a head, what is not one line, and what is too long to be one.
fn is_line(row: u8, body: &[u8]) -> bool {
    !matches!(row, 2 | 12 | 40..=60) && !body.contains(&b'\n') && !body.is_empty()
}

/// Those of a session.
pub(crate) fn legacy() -> Vec<Line> {
    messages::rows().into_iter().filter(|row| is_line(row.0, &row.1)).map(|(row, body, _, code, id)| (row, body, code, id)).collect()
}

/// Those that stand alone. What only the headers tell apart is of a session here, and without one refused as such.
pub(crate) fn modern() -> Vec<Line> {
    let alone = |entry: &modern::Entry| {
        let claims = entry.body.windows(7).any(|window| window == b"\"_meta\"");
        !entry.head.iter().any(|(name, _)| *name == "Mcp-Session-Id")
            && (claims || entry.status == 413)
            && entry.row != 38
            && entry.row != 37
    };
    let rows = modern::rows().into_iter().filter(|entry| is_line(entry.row, &entry.body) && alone(entry));
    rows.map(|entry| (entry.row, entry.body, entry.code, entry.id)).collect()
}

/// Sends each line and a good one behind it, by which it is known that nothing more is said.
fn sent(world: &World, agent: &mut Stdio, rows: &[Line], good: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let before = world.journal();
    for (row, line, code, id) in rows {
        let stdin = agent.process().stdin();
        stdin.write_all(line).and_then(|()| stdin.write_all(b"\n")).unwrap();
        agent.line(&good.to_string());
        let mut answers = Vec::new();
        loop {
            let Some(message) = agent.read() else { panic!("row {row}: the connection ended: {}", String::from_utf8_lossy(line)) };
            if message["id"] == good["id"] && message.get("result").is_some() {
                break;
            }
            answers.push((message["error"]["code"].as_i64().unwrap_or(0), message.get("id").cloned()));
        }
        let wanted: Vec<_> = (*code != 0).then(|| (*code, id.clone())).into_iter().collect();
        if answers != wanted {
            let shown: String = String::from_utf8_lossy(line).chars().take(160).collect();
            wrong.push(format!("row {row}: {shown}\n  wanted {wanted:?}, got {answers:?}"));
        }
    }
    assert_eq!(world.journal(), before, "a server heard of it");
    wrong
}

#[test]
fn in_a_session_every_line_is_answered_as_the_table_says() {
    let world = World::new();
    let mut agent = world.connect(&[]);
    agent.open();
    assert_eq!(agent.call("canary__echo", json!({"text": "before"})).text(), "before");
    let rows = legacy();
    let wrong = sent(&world, &mut agent, &rows, &json!({"jsonrpc": "2.0", "id": "good", "method": "ping"}));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert_eq!(agent.call("canary__echo", json!({"text": "after"})).text(), "after");
}

#[test]
fn without_a_session_every_line_is_answered_as_the_table_says() {
    let world = World::new();
    let mut agent = world.connect(&[]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "canary__echo", "arguments": {"text": "before"}, "_meta": meta}});
    agent.line(&call.to_string());
    assert_eq!(agent.read().unwrap()["result"]["content"][0]["text"], "before");
    let rows = modern();
    let good = json!({"jsonrpc": "2.0", "id": "good", "method": "server/discover", "params": {"_meta": meta}});
    let wrong = sent(&world, &mut agent, &rows, &good);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_tables_are_large_enough_and_no_row_makes_up_a_tenth_of_them() {
    let rows: Vec<u8> = messages::rows().iter().map(|row| row.0).chain(modern::rows().iter().map(|entry| entry.row)).collect();
    let lines = legacy().len() + modern().len();
    assert!(rows.len() >= 200 && lines >= 150, "{} posted, {lines} lines", rows.len());
    for row in 1..=65_u8 {
        let count = rows.iter().filter(|one| **one == row).count();
        assert!(count * 10 <= rows.len(), "row {row}: {count} of {}", rows.len());
        // 22, 31, 46: each has a test of its own. 51 to 55, 59, 61: of heads. The rest belongs to no revision that is spoken, or to no client.
        let elsewhere = matches!(row, 22 | 31 | 36 | 43 | 46 | 47 | 51..=55 | 59 | 61);
        assert_eq!(count == 0, elsewhere, "row {row}");
    }
}
