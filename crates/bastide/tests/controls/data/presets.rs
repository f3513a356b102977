//! `data.pii`: what an agent needs for its task is still there, under every preset: answers of the kind that servers of git, files, time, memory, databases
//! and pages give.

use super::planted;
use serde_json::{Value, json};

/// What a server says, and what of it a task needs, under `strict` too; behind it what only `code` leaves.
const DAY: [(&str, &str, &[&str], &[&str]); 8] = [
    (
        "log",
        "Commit history:\nCommit: '1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d'\nAuthor: <git.Actor \"Jane Doe <jane.doe@example.com>\">\nDate: 2026-03-14 09:26:53+00:00\nMessage: 'Fix the border case of pages (#482)'\n",
        &["1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d", "2026-03-14 09:26:53+00:00", "Fix the border case of pages (#482)"],
        &["Jane Doe <jane.doe@example.com>"],
    ),
    (
        "diff",
        "diff --git a/src/lib.rs b/src/lib.rs\nindex 83db48f..bf2a9c1 100644\n--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -10,7 +10,7 @@ pub fn page(at: usize) {\n-    let end = at + 4096;\n+    let end = at.saturating_add(4096);\n",
        &["index 83db48f..bf2a9c1 100644", "@@ -10,7 +10,7 @@", "+    let end = at.saturating_add(4096);"],
        &[],
    ),
    (
        "source",
        "// Copyright (c) 2026 Jane Doe. Licensed under MIT.\nconst PORT: u16 = 8420;\nconst TIMEOUT_MS: u64 = 86_400_000;\nlet id = \"550e8400-e29b-41d4-a716-446655440000\";\nassert_eq!(version, \"10.4.2\");\n",
        &["const PORT: u16 = 8420;", "86_400_000", "550e8400-e29b-41d4-a716-446655440000", "10.4.2", "Licensed under MIT."],
        &["Copyright (c) 2026 Jane Doe"],
    ),
    (
        "manifest",
        "{\n  \"name\": \"atlas\",\n  \"version\": \"2.4.1\",\n  \"author\": \"Jane Doe <jane.doe@example.com>\",\n  \"license\": \"Apache-2.0\",\n  \"dependencies\": { \"left-pad\": \"^1.3.0\" }\n}",
        &["\"version\": \"2.4.1\"", "\"license\": \"Apache-2.0\"", "\"left-pad\": \"^1.3.0\""],
        &["Jane Doe <jane.doe@example.com>"],
    ),
    (
        "time",
        "{\n  \"timezone\": \"Europe/Berlin\",\n  \"datetime\": \"2026-11-22T08:03:11+01:00\",\n  \"day_of_week\": \"Sunday\",\n  \"is_dst\": false\n}",
        &["Europe/Berlin", "2026-11-22T08:03:11+01:00", "Sunday"],
        &[],
    ),
    (
        "graph",
        "{\"entities\":[{\"type\":\"entity\",\"name\":\"atlas_build\",\"entityType\":\"pipeline\",\"observations\":[\"takes 14 minutes\",\"fails on branch release/2.4\"]}],\"relations\":[{\"from\":\"atlas_build\",\"to\":\"staging\",\"relationType\":\"deploys_to\"}]}",
        &["atlas_build", "takes 14 minutes", "release/2.4", "deploys_to"],
        &[],
    ),
    (
        "rows",
        "[{'order_id': 204311, 'status': 'shipped', 'total': 149.9, 'created_at': '2026-10-02 11:20:05', 'sku': 'AB-1200-X'}, {'order_id': 204312, 'status': 'open', 'total': 20.0, 'created_at': '2026-10-03 07:01:44', 'sku': 'CD-77'}]",
        &["204311", "shipped", "149.9", "2026-10-02 11:20:05", "AB-1200-X", "204312", "CD-77"],
        &[],
    ),
    (
        "tree",
        "[FILE] Cargo.toml\n[FILE] README.md\n[DIR] src\nsize: 2048\ncreated: Sat Nov 21 2026 10:00:00 GMT+0000 (Coordinated Universal Time)\nisDirectory: false\npermissions: 644\n",
        &["[FILE] Cargo.toml", "[DIR] src", "size: 2048", "Sat Nov 21 2026 10:00:00", "permissions: 644"],
        &[],
    ),
];

#[test]
fn a_benign_day_stays_of_use() {
    let acts: serde_json::Map<String, Value> = DAY
        .iter()
        .map(|(act, text, ..)| {
            let answer = json!({"jsonrpc": "2.0", "id": "$ID", "result": {"content": [{"type": "text", "text": text}]}});
            ((*act).to_owned(), json!([[answer.to_string().replace("\"$ID\"", "$ID")]]))
        })
        .collect();
    let script = json!({"capabilities": {"tools": {}}, "acts": acts});
    for preset in ["strict", "balanced", "code"] {
        let setup = planted::setup("", "").file("box/odd.json", &script.to_string());
        let world = setup.section("inspect", &format!("preset: {preset}")).start();
        let mut client = world.client("agent:tester", "/mcp/odd");
        client.open();
        for (act, _, needed, credits) in DAY {
            let text = client.call("echo", json!({"text": act})).text();
            for part in needed {
                assert!(text.contains(part), "{preset}: {act}: {part}: {text}");
            }
            for part in credits {
                assert_eq!(text.contains(part), preset == "code", "{preset}: {act}: {part}: {text}");
            }
        }
    }
}
