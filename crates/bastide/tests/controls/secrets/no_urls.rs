//! `secrets.no-urls`: a credential in a URL is refused, and is not kept by the refusal.

use serde_json::json;
use testkit::{Http, World};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[test]
fn a_token_in_the_query_is_refused_and_forgotten() {
    let world = World::new();
    let token = world.token("agent:tester", &[]);
    for query in [
        format!("access_token={token}"),
        format!("token={token}"),
        format!("a=b&Access_Token={token}"),
        format!("api_key={token}"),
        format!("q={token}"),
        format!("authorization=Bearer%20{token}"),
    ] {
        for client in [world.stranger(), Http::new(world.data(), "/mcp", Some(&token))] {
            let client = client.at(&format!("/mcp?{query}"));
            let response = client.post_text(PING, &[]);
            assert_eq!((response.status, response.answer().refused()), (400, "secrets.no-urls/token"), "{query}");
            assert!(!String::from_utf8_lossy(&response.body).contains(&token), "it was sent back");
            let record = world.record(response.answer().reference());
            assert_eq!(record["decision"]["code"], "secrets.no-urls/token");
            assert!(record.get("principal").is_none(), "it was accepted as an identity: {record}");
        }
    }
    let end = &token[token.len() - 40..];
    assert!(!world.holds("state", end.as_bytes()), "it was kept in the log");
    assert!(!world.holds("serve.log", end.as_bytes()), "it was kept in the program's log");
    assert!(world.reached().is_empty());
}

#[test]
fn no_query_is_taken_at_all() {
    let world = World::new();
    let agent = world.agent();
    for query in ["?", "?a=b", "?session=1", "?%74oken=x"] {
        let response = agent.at(&format!("/mcp{query}")).post_text(PING, &[]);
        assert_eq!(response.status, 400, "{query}");
    }
    assert_eq!(agent.post_text(PING, &[]).status, 200);
}

#[test]
fn a_url_with_a_password_is_no_configuration() {
    for url in
        ["https://user:hunter2@mcp.example.com/mcp", "https://mcp.example.com/mcp?api_key=hunter2", "https://hunter2@mcp.example.com/mcp"]
    {
        let world = World::with().server("far", &format!("url: \"{url}\"")).write();
        let output = world.run(&["policy", "check"]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn the_session_of_a_client_is_not_taken_from_a_url() {
    let world = World::new();
    let mut agent = world.agent();
    let key = agent.session.take().unwrap();
    let response = agent.at(&format!("/mcp?Mcp-Session-Id={key}")).post(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]);
    assert_eq!(response.status, 400);
}
