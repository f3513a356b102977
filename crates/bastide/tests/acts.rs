//! Acts on a running gateway, by the command line over the admin socket and by the key over the admin listener.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use testkit::World;

/// The status and the body of one request to the admin listener.
fn ask(world: &World, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let address = world.ready["admin"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn key(world: &World) -> String {
    format!("Authorization: Bearer {}\r\n", std::fs::read_to_string(world.state().join("admin.key")).unwrap().trim())
}

#[test]
fn a_kill_ends_sessions_and_keeps_new_calls_out_until_it_is_released() {
    let world = World::new();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(world.json(&["session", "list"])["sessions"][0]["agent"], "tester");
    let cut = world.json(&["kill", "--principal", "agent:tester", "--reason", "drill"]);
    assert_eq!((&cut["scope"], &cut["ended_sessions"]), (&json!("agent:tester"), &json!(1)), "{cut}");
    assert_eq!(world.json(&["session", "list"])["sessions"], json!([]));
    assert_eq!(world.json(&[])["gateway"]["stops"][0]["reason"], "drill");
    let before = world.reached().len();
    let refused = std::panic::catch_unwind(|| {
        let mut agent = world.agent();
        agent.call("canary__echo", json!({"text": "again"}));
    });
    drop(refused);
    assert_eq!(world.reached().len(), before, "a call passed while its principal is stopped");
    world.json(&["release", "--principal", "agent:tester", "--reason", "over"]);
    assert_eq!(world.agent().call("canary__echo", json!({"text": "back"})).text(), "back");
}

#[test]
fn a_revoked_token_ends_its_sessions() {
    let world = World::new();
    let mut agent = world.agent();
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    let id = world.json(&["token", "list"])["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.json(&["token", "revoke", &id])["ended_sessions"], 1);
    assert!(world.json(&["token", "show", &id])["revoked"].is_string());
}

#[test]
fn the_listener_lets_in_only_the_key() {
    let world = World::new();
    assert_eq!(ask(&world, "GET", "/health", "", "").0, 200);
    assert_eq!(ask(&world, "GET", "/ready", "", "").0, 200);
    assert!(ask(&world, "GET", "/metrics", "", "").1.contains("bastide_"));
    assert_eq!(ask(&world, "GET", "/api/v1/status", "", "").0, 401);
    let token = format!("Authorization: Bearer {}\r\n", world.token("agent:tester", &[]));
    assert_eq!(ask(&world, "GET", "/api/v1/status", &token, "").0, 401, "an agent's token was taken");
    let (status, body) = ask(&world, "GET", "/api/v1/status", &key(&world), "");
    let status_of: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &status_of["usable"]), (200, &json!(1)));
    let foreign = format!("{}Origin: https://evil.example\r\n", key(&world));
    assert_eq!(ask(&world, "POST", "/api/v1/kill", &foreign, r#"{"scope":"all","reason":"x"}"#).0, 403);
    assert_eq!(world.json(&[])["gateway"]["stops"], json!([]));
}

#[test]
fn a_reload_takes_the_file_whole_or_not_at_all() {
    let world = World::with().allow("[echo]").start();
    let (status, _) = ask(&world, "POST", "/api/v1/reload", &key(&world), "");
    assert_eq!(status, 200);
    let mut agent = world.agent();
    world.edit("allow: {", "alow: {");
    let (status, body) = ask(&world, "POST", "/api/v1/reload", &key(&world), "");
    assert!(status == 400 && body.contains("did you mean"), "{body}");
    assert_eq!(agent.call("canary__echo", json!({"text": "hi"})).text(), "hi");
    assert_eq!(
        world.json(&["kill", "--all", "--reason", "the file is broken"])["ended_sessions"],
        1,
        "a broken file kept a kill from being thrown"
    );
}

#[test]
fn a_refused_call_is_explained_by_its_reference() {
    let world = World::with().allow("[echo]").start();
    let refused = world.agent().call("canary__add", json!({"a": 1, "b": 2}));
    let reference = refused.reference().to_owned();
    let told = world.json(&["explain", &reference[..7]]);
    assert_eq!((&told["reference"], &told["verdict"]), (&json!(reference), &json!("refused")));
    assert_eq!((&told["code"], &told["sent"]), (&json!("access.deny-by-default/denied"), &json!(false)));
    assert!(told["now"]["near"][0]["place"].as_str().unwrap().starts_with("bastide.yaml:"), "{told}");
    let supposed = world.run(&["explain", "--as", "agent:tester", "canary__add", r#"{"a":1,"b":2}"#]);
    assert_eq!(supposed.status.code(), Some(1));
    let allowed = world.run(&["explain", "--as", "agent:tester", "canary__echo", r#"{"text":"hi"}"#]);
    assert_eq!(allowed.status.code(), Some(0), "{}", String::from_utf8_lossy(&allowed.stderr));
}
