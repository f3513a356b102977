//! The clients against the servers with nothing in between: when these fail, the peers changed and not the gateway.

use e2e::{Client, Peers, Way};
use serde_json::json;

#[test]
fn every_client_reaches_a_server() {
    let Some(peers) = Peers::find() else { return };
    let home = std::env::temp_dir().join(format!("e2e-home-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let way = Way::Stdio(vec![peers.node("mcp-server-everything"), "stdio".into()]);
    let plan = json!([{"list": true}, {"call": "echo", "arguments": {"message": "hi"}}]);
    for client in [Client::Python, Client::TypeScript, Client::Inspector] {
        let steps = peers.drive(client, &way, &home, &plan);
        // The server offers more to a client that declares more, so the number differs.
        assert!(steps[0].tools().contains(&"echo"), "{client:?}: {steps:?}");
        assert_eq!(steps[1].text(), "Echo: hi", "{client:?}");
    }
    std::fs::remove_dir_all(&home).unwrap();
}
