//! The table of malformed messages, over HTTP+SSE: a message is POSTed, and answered on the stream where its form lets it be understood at all.

use crate::messages::{misrecorded, rows};
use serde_json::{Value, json};
use testkit::{OneStream, World};

#[test]
fn every_row_is_answered_as_the_table_says_and_no_server_hears_of_it() {
    let mut world = World::new();
    world.stop();
    let address = world.data().to_string();
    world.edit(&format!("data: {{ address: {address} }}"), &format!("data: {{ address: {address}, legacy_sse: true }}"));
    world.serve();
    let mut client = OneStream::open(world.client("agent:tester", "/sse"));
    client.shake();
    let echo = json!({"name": "canary__echo", "arguments": {"text": "hi"}});
    assert_eq!(client.ask("tools/call", &echo)["result"]["content"][0]["text"], "hi");
    let before = world.journal();
    let rows = rows();
    let mut wrong = Vec::new();
    for (row, body, http, code, id) in &rows {
        let response = client.post_bytes(body);
        let mut streamed = Vec::new();
        let told_of = |message: &Value| (message["error"]["code"].as_i64().unwrap_or(0), message.get("id").cloned());
        if *http == 200 {
            streamed.push(told_of(&client.message()));
        }
        // Nothing more comes before the answer to this.
        let marker = json!({"jsonrpc": "2.0", "id": format!("behind row {row}"), "method": "ping"});
        assert_eq!(client.post(&marker).status, 202, "row {row}");
        loop {
            let message = client.message();
            if message["id"] == marker["id"] {
                break;
            }
            streamed.push(told_of(&message));
        }
        let posted: Vec<(i64, Option<Value>)> = response.messages().iter().map(told_of).collect();
        let told = (*code != 0).then(|| (*code, id.clone()));
        let (status, on_post, on_stream) = match http {
            200 => (202, None, told),
            _ => (*http, told, None),
        };
        if (response.status, posted.clone(), streamed.clone()) != (status, Vec::from_iter(on_post), Vec::from_iter(on_stream)) {
            let shown: String = String::from_utf8_lossy(body).chars().take(160).collect();
            wrong.push(format!(
                "row {row}: {shown}\n  wanted {http} {code} {id:?}, got {} {posted:?}, on the stream {streamed:?}",
                response.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert_eq!(world.journal(), before, "a server heard of it");
    assert_eq!(misrecorded(&world, rows.iter().map(|row| row.0)), Vec::<String>::new());
    assert_eq!(client.ask("tools/call", &echo)["result"]["content"][0]["text"], "hi", "the stream is as good as before");
}
