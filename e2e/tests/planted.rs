//! Planted values in everything that a real server can say, over both transports and in every pair of eras: none of them reaches the client, and all of
//! them do where the screens only flag.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use e2e::{Agent, Peers, Speaks, until};
use serde_json::{Value, json};
use std::path::PathBuf;
use testkit::{Running, Stdio, World, free_port};

/// Values of each kind, made up, with their check digits: a line each, as a server would say it.
const PLANTED: [(&str, &str); 8] = [
    ("the token is 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", "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"),
    ("DATABASE_URL=postgres://app:tr0ub4dor-and-3x@db.example.com/app", "tr0ub4dor-and-3x"),
    ("card 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("IBAN DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ("SSN: 536-90-4399", "536-90-4399"),
    ("mail Jane Doe <jane.doe@gmail.com>", "jane.doe@gmail.com"),
    ("call her at +1 415 555 2671", "+1 415 555 2671"),
    ("encoded: Z2hwX29lM25mbEM3ZE5ZWHhJekdYU1lCajJFZVhxRHVaTTBFRTh4WQ==", "Z2hwX29lM25mbEM3ZE5ZWHhJekdYU1lCajJFZVhxRHVaTTBFRTh4WQ=="),
];

const REVISIONS: [&str; 2] = [Speaks::LEGACY, Speaks::MODERN];

fn text() -> String {
    PLANTED.map(|(line, _)| line).join("\n")
}

/// A world with the teller behind pipes and over HTTP, in `revision`; dropped, the server over HTTP ends.
struct Tellers {
    world: World,
    kept: PathBuf,
    _remote: Running,
}

fn tellers(peers: &Peers, revision: &str, inspect: &str) -> Tellers {
    let folder = tempfile::Builder::new().prefix("teller-").tempdir().unwrap().keep();
    let file = folder.join("told.txt");
    std::fs::write(&file, text()).unwrap();
    let (port, log) = (free_port(), folder.join("log"));
    let mut command = std::process::Command::new(peers.python("python"));
    command.arg(Peers::script("teller.py")).arg(&file).arg(port.to_string());
    let remote = peers.listening(command, port, &log);
    let run = e2e::list([peers.python("python").as_str(), &Peers::script("teller.py").display().to_string(), "{box}/told.txt"].into_iter());
    let world = World::with()
        .file("box/told.txt", &text())
        .server("piped", &format!("run: {run}\nrevision: \"{revision}\"\n{}", peers.sandbox()))
        .server("remote", &format!("url: http://127.0.0.1:{port}/mcp\nrevision: \"{revision}\""))
        .role("tester", "members: [\"agent:tester\"]\nclearance: restricted\nallow: { piped: [\"*\"], remote: [\"*\"] }")
        .section("inspect", inspect)
        .start();
    let kept = folder.join("told.txt.kept");
    Tellers { world, kept, _remote: remote }
}

/// What is asked of the teller, by the place in which it tells.
fn asked() -> Vec<(&'static str, &'static str, Value)> {
    let call = |name: &str| json!({"name": name, "arguments": {}, "_meta": {"progressToken": "p"}});
    vec![
        ("a result", "tools/call", call("tell")),
        ("structured content", "tools/call", call("tell_fields")),
        ("blocks", "tools/call", call("tell_blocks")),
        ("a failure", "tools/call", call("fail")),
        ("an error", "tools/call", call("fault")),
        ("progress and logs", "tools/call", call("note")),
        ("a resource", "resources/read", json!({"uri": "teller://page"})),
    ]
}

/// Every byte that a client gets of `server`, by the place and the way: over HTTP in both eras, and over pipes.
fn everything(world: &World, server: &str) -> Vec<(String, String)> {
    let path = format!("/mcp/{server}");
    let mut legacy = world.client("agent:tester", &path);
    legacy.open();
    let mut modern = Agent::new(world, "agent:tester", &path);
    modern.level = Some("debug");
    let mut pipes: Stdio = world.connect(&["--server", server]);
    pipes.open();
    let mut all = Vec::new();
    for (place, method, params) in asked() {
        let message = legacy.request(method, params.clone());
        all.push((format!("{place}, legacy"), shown(&legacy.post(&message, &[]).body)));
        all.push((format!("{place}, modern"), shown(&modern.ask(method, params.clone()).body)));
        pipes.beside.clear();
        let answer = pipes.ask(method, params).0;
        all.push((format!("{place}, pipes"), format!("{answer}\n{}", Value::from(std::mem::take(&mut pipes.beside)))));
    }
    all
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn nothing_planted_reaches_a_client() {
    let Some(peers) = Peers::find() else { return };
    for revision in REVISIONS {
        let tellers = tellers(&peers, revision, "preset: strict");
        for server in ["piped", "remote"] {
            for (place, said) in everything(&tellers.world, server) {
                assert!(said.contains("redacted") || said.contains('*'), "{server} {revision}, {place}: {said}");
                for (_, value) in PLANTED {
                    assert!(!said.contains(value), "{server} {revision}, {place}: {value} in {said}");
                }
            }
        }
        let record = shown(&tellers.world.run(&["audit", "show", "--json"]).stdout);
        for (_, value) in PLANTED {
            assert!(!record.contains(value), "on record: {value}");
        }
    }
}

#[test]
fn without_the_screens_all_of_it_does() {
    let Some(peers) = Peers::find() else { return };
    let flag = "secrets: { action: flag }\nfinancial: { action: flag }\npii: { action: flag }\nerrors: { action: flag }";
    for revision in REVISIONS {
        let tellers = tellers(&peers, revision, flag);
        for server in ["piped", "remote"] {
            for (place, said) in everything(&tellers.world, server) {
                for (_, value) in PLANTED {
                    assert!(said.contains(value), "{server} {revision}, {place}: no {value} in {said}");
                }
            }
        }
    }
}

#[test]
fn what_a_token_stands_for_comes_back_to_the_server_alone() {
    let Some(peers) = Peers::find() else { return };
    for revision in REVISIONS {
        let tellers = tellers(&peers, revision, "pii: { action: tokenise }");
        let mut agent = tellers.world.client("agent:tester", "/mcp/remote");
        agent.open();
        let said = agent.call("tell", json!({})).text();
        let token = said.split(['<', '>']).find(|part| part.starts_with("email-")).unwrap_or_else(|| panic!("no token: {said}")).to_owned();
        assert_eq!(agent.call("keep", json!({"text": format!("write to <{token}>")})).text(), "kept");
        until("the server has it", || std::fs::read_to_string(&tellers.kept).is_ok());
        assert_eq!(std::fs::read_to_string(&tellers.kept).unwrap(), "write to jane.doe@gmail.com\n", "{revision}");
    }
}
