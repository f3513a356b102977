//! The servers, through the clients of this crate.

use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::{Http, Running, Stdio};

fn evil(mode: &str) -> Stdio {
    let mut server = Stdio::launch(
        Command::new(env!("CARGO_BIN_EXE_evil-server")).args(["--mode", mode, "--env", "CREDENTIAL"]).env("CREDENTIAL", "s3cr3t"),
        Path::new("/dev/null"),
    );
    server.open();
    server
}

#[test]
fn canary_answers_on_both_wires() {
    let mut server = Stdio::launch(&mut Command::new(env!("CARGO_BIN_EXE_canary-server")), Path::new("/dev/null"));
    server.open();
    assert_eq!(server.call("add", json!({"a": 2, "b": 40})).text(), "42");
    assert!(server.ask("tools/list", json!({})).names().contains(&"secret_leak"));
    assert!(server.call("fail", json!({})).is_error());

    let running = Running::start(Command::new(env!("CARGO_BIN_EXE_canary-server")).arg("--http"), Path::new("/dev/null"));
    let address = running.line(Duration::from_secs(60)).unwrap().parse().unwrap();
    let mut client = Http::new(address, "/mcp", Some("t"));
    client.open();
    assert_eq!(client.call("echo", json!({"text": "hi"})).text(), "hi");
    assert!(client.call("headers", json!({})).text().contains("authorization"));
}

#[test]
fn evil_does_what_its_mode_says() {
    let told = evil("echo").call("echo", json!({})).text();
    assert_eq!(told.lines().count(), 10);
    assert!(told.contains("base64: czNjcjN0") && told.contains("hex: 733363723374") && told.contains("reversed: t3rc3s"));

    let mut dying = evil("die");
    dying.line(r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo"}}"#);
    assert_eq!(dying.read(), None);

    let mut pulling = evil("rug-pull");
    let before = pulling.ask("tools/list", json!({})).0["result"].clone();
    pulling.call("echo", json!({"text": "x"}));
    assert_ne!(pulling.ask("tools/list", json!({})).0["result"], before);

    let mut asking = evil("question");
    asking.line(r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo"}}"#);
    assert_eq!(asking.read().unwrap()["method"], "sampling/createMessage");
    asking.line(r#"{"jsonrpc":"2.0","id":"q1","error":{"code":-32601,"message":"no"}}"#);
    assert_eq!(asking.read().unwrap()["id"], 9);

    let mut twice = evil("twice");
    assert_eq!(twice.call("echo", json!({})).text(), "first");
    assert_eq!(testkit::Answer(twice.read().unwrap()).text(), "second");
}

#[test]
fn relay_adds_the_token() {
    let server = Running::start(Command::new(env!("CARGO_BIN_EXE_canary-server")).arg("--http"), Path::new("/dev/null"));
    let target = server.line(Duration::from_secs(60)).unwrap();
    let relay =
        Running::start(Command::new(env!("CARGO_BIN_EXE_token-relay")).arg(&target).env("RELAY_TOKEN", "abc"), Path::new("/dev/null"));
    let mut client = Http::new(relay.line(Duration::from_secs(60)).unwrap().parse().unwrap(), "/mcp", None);
    client.open();
    assert!(client.call("headers", json!({})).text().contains("authorization"));
}
