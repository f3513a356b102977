//! `audit.calls`: every call is on record, and a call that cannot be recorded does not run.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testkit::World;

const KEY: &str = "AKIAQ7XJ2V5TN3KD6WRB";

#[test]
fn allowed_and_refused_calls_are_on_record() {
    let world = World::with().allow("[echo]").start();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    let refused = agent.call("canary__add", json!({"a": 1, "b": 2}));
    let records = world.audit();
    assert!(records.iter().any(|record| record["tool"] == "echo" && record["server"] == "canary"), "{records:#?}");
    assert!(records.iter().any(|record| record.to_string().contains(refused.reference())), "{records:#?}");
}

#[test]
fn the_record_of_a_call_says_all_that_it_must() {
    let world = World::with().section("tools", "canary__echo: { operation: read }").start();
    world.agent().call("canary__echo", json!({"text": "hi"}));
    let records = world.audit();
    let record = records.iter().find(|record| record["tool"] == "echo").unwrap();
    let pointers = [
        "/time",
        "/ended",
        "/request",
        "/principal/agent",
        "/session/id",
        "/session/binding",
        "/client",
        "/server",
        "/method",
        "/tool",
        "/operation",
        "/class",
        "/arguments/text",
        "/digest",
        "/decision/verdict",
        "/decision/policies/0",
        "/result/status",
        "/result/size",
        "/result/digest",
        "/result/label",
        "/latency/forward",
    ];
    let missing: Vec<_> = pointers.into_iter().filter(|pointer| record.pointer(pointer).is_none_or(Value::is_null)).collect();
    assert!(missing.is_empty(), "{missing:?} of {record:#}");
    assert_eq!(record["decision"]["verdict"], "allowed");
    assert_eq!(record["result"]["status"], "ok");
    let kinds: Vec<_> = record["records"].as_array().unwrap().iter().map(|part| part["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["intent", "outcome"]);
}

#[test]
fn a_secret_in_an_argument_is_not_written_down() {
    let mut world = World::new();
    world.agent().call("canary__echo", json!({"text": format!("aws_access_key_id = {KEY}")}));
    assert!(world.audit().iter().any(|record| record["tool"] == "echo"));
    world.stop();
    assert!(!world.holds("state", KEY.as_bytes()));
}

#[test]
fn a_call_that_cannot_be_recorded_does_not_run() {
    let mut world = World::with().section("tools", "canary__read_note: { operation: read }").start();
    let mut agent = world.agent();
    agent.call("canary__write_note", json!({"name": "n", "text": "kept"}));
    let before = world.reached().len();
    files(&mut world, Some(0));
    let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
    assert_eq!(refused.refused(), "audit.calls/unavailable");
    assert_eq!(world.reached().len(), before, "it ran");
    assert_eq!(std::fs::read_to_string(world.path("box/n")).unwrap(), "kept");
    let held = agent.call("canary__read_note", json!({"name": "n"}));
    assert_eq!(held.refused(), "audit.calls/unavailable", "what it read was handed out without a record");
    let denied = agent.call("canary__nothing", json!({}));
    assert_eq!(denied.refused(), "audit.calls/unavailable", "a refusal that is not on record");

    files(&mut world, None);
    let end = Instant::now() + Duration::from_secs(90);
    while agent.call("canary__echo", json!({"text": "again"})).is_error() {
        assert!(Instant::now() < end, "the log does not heal");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.stop(), Some(0));
    let report = world.verify();
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn a_log_that_was_removed_takes_no_more_calls() {
    let mut world = World::new();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "hi"}));
    std::fs::remove_dir_all(world.state().join("audit")).unwrap();
    let refused = agent.call("canary__write_note", json!({"name": "n", "text": "lost"}));
    assert_eq!(refused.refused(), "audit.calls/unavailable");
    assert!(world.reached().iter().all(|call| call["name"] != "write_note"), "it ran");
    assert!(!world.path("box/n").exists());
    assert!(world.gateway().alive());
}

/// Bounds the size of files that the gateway may write from now on.
fn files(world: &mut World, most: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(world.gateway().pid()).unwrap()).unwrap();
    let hard = prlimit(Some(pid), Resource::Fsize, Rlimit { current: most, maximum: None }).unwrap().maximum;
    assert_eq!(hard, None, "the limit could not be lifted again");
}

/// The decisions with this code: how many stand by themselves, and how many the summaries count.
fn refusals(world: &World, code: &str) -> (u64, u64) {
    let raw = world.run(&["audit", "show", "--raw", "--kind", "decision", "--limit", "100000"]);
    let text = String::from_utf8(raw.stdout).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["decision"]["code"] == code).fold((0, 0), |(alone, counted), record| match &record["detail"]["count"] {
        Value::Null => (alone + 1, counted),
        count => (alone, counted + count.as_u64().unwrap()),
    })
}

#[test]
fn strangers_are_counted_and_who_is_known_is_recorded() {
    let mut world = World::new();
    let mut agent = world.agent();
    let address = world.data();
    // Many requests on one connection, none of them with a token that is any good.
    let flood = |count: usize, line: &str, more: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{more}Content-Length: 0\r\n\r\n");
        let last = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let answers = world.stranger().raw((request.repeat(count) + &last).as_bytes());
        let answers = String::from_utf8_lossy(&answers).into_owned();
        assert_eq!(answers.matches("HTTP/1.1 40").count(), count, "{line}");
        answers
    };
    let answers = flood(900, "POST /mcp", "");
    let (before, after) = answers.split_at(answers.len() / 2);
    flood(700, "POST /mcp", "Authorization: Bearer nonsense\r\n");
    let refused = agent.call("canary__nothing", json!({}));
    assert_eq!(refused.refused(), "access.filtered-discovery/unknown");
    flood(400, "GET /nothing", "");

    assert_eq!(world.record(refused.reference())["principal"]["agent"], "tester");
    for _ in 0..30 {
        let missing = agent.call("canary__nothing", json!({}));
        assert_eq!(world.record(missing.reference())["principal"]["agent"], "tester", "whom we know is never only counted");
    }
    let references =
        |text: &str| text.split("\"reference\":\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(world.record(&references(before)[0])["detail"]["count"].is_null());
    assert_eq!(world.stop(), Some(0));
    for (code, total) in [("identity.tokens/missing", 900), ("identity.tokens/invalid", 700)] {
        let (alone, counted) = refusals(&world, code);
        assert_eq!(alone + counted, total, "{code}: {alone} alone, {counted} counted");
        assert!(alone < 100, "{code}: {alone} records");
    }
    let (alone, counted) = refusals(&world, "access.filtered-discovery/unknown");
    assert!(alone + counted >= 400 && alone < 150, "{alone} alone, {counted} counted");
    let summary = world.record(references(after).last().unwrap());
    assert_eq!((&summary["event"], &summary["decision"]["verdict"]), (&json!("identity.token-missing"), &json!("refused")));
    assert_eq!(summary["detail"]["sources"]["loopback"], summary["detail"]["count"]);
    assert_eq!(summary["detail"]["elsewhere"], 0);
    assert_eq!(world.verify()["ok"], true);
}

/// Five arguments that together are more than one record can hold.
fn many(name: &str, value: &str) -> Value {
    let mut arguments = serde_json::Map::from_iter((0..5).map(|at| (format!("x{at}"), json!("x".repeat(1_000_000)))));
    arguments.insert(name.into(), json!(value));
    arguments.into()
}

#[test]
fn a_read_whose_intent_does_not_fit_the_log_is_not_answered() {
    let world = World::with().section("bounds", "message: 8MiB").start();
    let mut agent = world.agent();
    let ask =
        |agent: &mut testkit::Http, arguments: Value| agent.ask("prompts/get", json!({"name": "canary__greet", "arguments": arguments}));
    assert!(ask(&mut agent, json!({"who": "Ana"})).code().is_none());
    let held = ask(&mut agent, many("who", "Ana"));
    assert_eq!(held.refused(), "audit.calls/unavailable", "its arguments are nowhere on record");
    assert!(world.record(held.reference()).to_string().contains("audit.calls/unavailable"));
}

#[test]
fn a_refusal_is_on_record_however_large_the_arguments() {
    let world = World::with().section("bounds", "message: 8MiB").start();
    let refused = world.agent().call("canary__write_note", many("name", "n"));
    assert_eq!(refused.refused(), "access.argument-schemas/mismatch");
    let record = world.record(refused.reference());
    assert_eq!((&record["tool"], &record["decision"]["code"]), (&json!("write_note"), &json!("access.argument-schemas/mismatch")));
    assert!(record["digest"].is_string() && record["arguments"].is_null(), "{record:#}");
    assert!(record["detail"]["arguments_bytes"].as_u64().unwrap() > 5_000_000, "{record:#}");
}

#[test]
fn who_hangs_up_hides_no_refusal() {
    use std::io::Write as _;
    let world = World::new();
    let agent = world.agent();
    let body =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "canary__nothing", "arguments": {}}}).to_string();
    let headers: String = agent.headers(&[]).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let session = agent.session.clone().unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nMcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n{headers}",
        world.data()
    );
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    // Each waits a little longer, so that they go away at every moment of it; the last one stays for its answer.
    for turn in 0..300 {
        let mut stream = std::net::TcpStream::connect(world.data()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_micros(turn * 40));
    }
    assert!(String::from_utf8_lossy(&agent.raw_answer(request.as_bytes())).starts_with("HTTP/1.1 200"));
    let counted = || {
        let text = String::from_utf8(world.admin().at("/").send("GET", "/metrics", &[], b"").body).unwrap();
        let line =
            text.lines().find(|line| line.starts_with("bastide_messages_total{verdict=\"refused\",control=\"access.filtered-discovery\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
    };
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let (alone, _) = refusals(&world, "access.filtered-discovery/unknown");
        if alone > 0 && alone == counted() {
            break;
        }
        assert!(Instant::now() < end, "{alone} on record, {} counted", counted());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn all_of_an_address_that_goes_to_a_server_is_on_record() {
    let world = World::new();
    let mut agent = world.client("agent:tester", "/mcp/canary");
    agent.open();
    let address = format!("canary://page?{}=the-end-of-it", "x".repeat(500));
    assert!(agent.ask("resources/read", json!({"uri": address})).code().is_some());
    assert!(world.journal().iter().any(|message| message["params"]["uri"] == address), "it did not go out");
    let audit = world.audit();
    assert!(audit.iter().any(|record| record["method"] == "resources/read" && record["tool"] == address), "{audit:#?}");
}

#[test]
fn what_stands_around_an_argument_to_be_completed_is_on_record() {
    let world = World::new();
    let mut agent = world.agent();
    let mut complete = |other: &str| {
        let context = json!({"arguments": {"other": other}});
        let reference = json!({"type": "ref/prompt", "name": "canary__greet"});
        agent.ask("completion/complete", json!({"ref": reference, "argument": {"name": "who", "value": "An"}, "context": context}));
    };
    complete("words that go out");
    complete("other words, aws_access_key_id = AKIAQ7XJ2V5TN3KD6WRB");
    assert!(
        world.journal().iter().any(|message| message["params"]["context"]["arguments"]["other"] == "words that go out"),
        "it did not go out"
    );
    let audit = world.audit();
    let calls: Vec<_> = audit.iter().filter(|record| record["method"] == "completion/complete").collect();
    assert_eq!(calls.len(), 2, "{audit:#?}");
    let plain = calls.iter().find(|record| record["arguments"]["context"]["arguments"]["other"] == "words that go out");
    assert_eq!(plain.unwrap()["arguments"]["argument"], json!({"name": "who", "value": "An"}));
    assert_ne!(calls[0]["digest"], calls[1]["digest"]);
    assert!(!world.holds("state", KEY.as_bytes()), "a secret was written down");
}

#[test]
fn what_the_admin_listener_refuses_is_on_record() {
    let world = World::with().start();
    let admin = world.admin();
    let bearer = |key: &str| [("Authorization".to_owned(), format!("Bearer {key}"))];
    assert_eq!(admin.send("GET", "/api/v1/status", &bearer("guessed"), b"").status, 401);
    assert_eq!(admin.send("GET", "/api/v1/status", &[], b"").status, 401);
    assert_eq!(admin.send("GET", "/health", &[("Host".to_owned(), "evil.example".to_owned())], b"").status, 403);
    let answer = String::from_utf8_lossy(&admin.raw(b"GET /health HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n")).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(admin.send("GET", "/health", &[], b"").status, 200);
    let records = world.audit();
    let refused: Vec<&Value> = records
        .iter()
        .filter(|record| record["detail"]["cause"].as_str().is_some_and(|cause| cause.starts_with("at the admin listener: ")))
        .collect();
    let codes: Vec<&str> = refused.iter().map(|record| record["decision"]["code"].as_str().unwrap()).collect();
    let expected = [
        "identity.tokens/invalid",
        "identity.tokens/invalid",
        "transport.strict-messages/malformed",
        "transport.strict-messages/malformed",
    ];
    assert_eq!(codes, expected, "{refused:#?}");
    assert!(!records.iter().any(|record| record.to_string().contains("guessed")), "the key that was tried is on record");
}

#[test]
fn an_act_whose_operator_has_gone_comes_to_its_end_on_record() {
    let world = World::with().start();
    let key = std::fs::read_to_string(world.state().join("admin.key")).unwrap();
    let body = r#"{"agent":"tester","life_seconds":60}"#;
    let head = format!("POST /api/v1/tokens HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n", world.admin().address, key.trim());
    // Who leaves before he is read has asked for nothing: some of them stay a little longer.
    for at in 0..40 {
        let mut stream = std::net::TcpStream::connect(world.admin().address).unwrap();
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        std::io::Write::write_all(&mut stream, format!("{head}{rest}").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(1) * at);
    }
    let acts = || -> Vec<Value> { world.audit().into_iter().filter(|record| record["act"]["name"] == "token.issue").collect() };
    let began = Instant::now();
    loop {
        let acts = acts();
        let open = acts.iter().filter(|record| record["act"]["outcome"].is_null()).count();
        if acts.len() >= 20 && open == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{open} acts of {} have no end", acts.len());
        std::thread::sleep(Duration::from_millis(100));
    }
}
