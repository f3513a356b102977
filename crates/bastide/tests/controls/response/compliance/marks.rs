//! The records of probes are marked, and only theirs.

use super::world;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use testkit::{Http, World};

/// Every record as it stands in the log.
fn raw(world: &World) -> Vec<Value> {
    let output = world.run(&["audit", "show", "--raw"]);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn metrics(world: &World) -> String {
    admin(world, "GET", "/metrics", "").1
}

/// The status and the body of one request to the admin socket, as an operator.
fn admin(world: &World, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(world.state().join("admin.sock")).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: bastide\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A token made for probing, as the assessor asks for it.
fn probing(world: &World, agent: &str, servers: &[&str]) -> (u16, String) {
    let wish = json!({"agent": agent, "life_seconds": 60, "servers": servers, "purpose": "probe"});
    let (status, body) = admin(world, "POST", "/api/v1/tokens", &wish.to_string());
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["token"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_probes_do_is_on_record_as_theirs_and_nothing_else_is() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    let mut agent = world.agent();
    agent.call("canary__echo", json!({"text": "work"}));
    world.json(&["assess"]);
    agent.call("canary__echo", json!({"text": "more work"}));
    assert_eq!(agent.call("canary__nothing", json!({})).refused(), "access.filtered-discovery/unknown");

    let records = raw(&world);
    let probes: Vec<&Value> = records.iter().filter(|record| record["kind"] == "probe").collect();
    for phase in ["intent", "outcome", "decision", "event"] {
        assert!(probes.iter().any(|record| record["phase"] == phase), "no record of a probe is one of a {phase}");
    }
    // Attacks without an identity are marked too: a forged token, none, one in the URL.
    for event in [
        "identity.token-refused",
        "identity.token-missing",
        "secrets.url",
        "supply.changed",
        "runtime.server-died",
        "network.refused",
        "network.failed",
    ] {
        let marked = |record: &&Value| record["event"] == event;
        assert!(probes.iter().any(marked), "{event} by probes");
        assert!(!records.iter().any(|record| marked(&record) && record["kind"] != "probe"), "{event} looks like an attack");
    }
    for record in &records {
        let agent = record["principal"]["agent"].as_str().unwrap_or_default();
        assert!(!agent.starts_with("probe/") || record["kind"] == "probe", "{record:#}");
        assert!(agent != "tester" || (record["kind"] != "probe" && record["phase"].is_null()), "{record:#}");
    }
    let work = |text: &str| records.iter().any(|record| record["kind"] == "intent" && record["arguments"]["text"] == text);
    assert!(work("work") && work("more work"));
    assert_eq!(world.verify()["ok"], true);

    let lines = world.run(&["audit", "show", "--kind", "probe"]).stdout;
    assert!(String::from_utf8(lines).unwrap().lines().all(|line| line.contains("\"kind\":\"probe\"")));
    let day = &world.json(&[])["day"];
    assert_eq!((&day["allowed"], &day["refused"]), (&json!(2), &json!(1)), "probes are no calls of the day");
    let metrics = metrics(&world);
    assert!(metrics.contains("bastide_messages_total{verdict=\"refused\",control=\"access.filtered-discovery\"} 1\n"), "{metrics}");
    let counted = |start: &str| metrics.lines().any(|line| line.contains(start) && !line.ends_with(" 0"));
    assert!(!counted("control=\"identity.tokens\""), "{metrics}");
    assert!(!counted("bastide_egress_stopped_total{"), "{metrics}");
    assert!(metrics.contains("bastide_probe_egress_stopped_total{server=\"probed\",reason=\"name\"}"), "{metrics}");
    assert!(metrics.lines().any(|line| line.starts_with("bastide_probes_total ") && !line.ends_with(" 0")), "{metrics}");
    let called: Vec<Value> = world.reached().into_iter().filter(|call| !call["arguments"].to_string().contains("work")).collect();
    assert_eq!(called, Vec::<Value>::new(), "a real server saw a call of a probe");
}

#[test]
fn what_the_canary_tries_for_somebody_else_is_their_work() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    let mut visitor = world.client("agent:visitor", "/mcp");
    visitor.open();
    let said = visitor.call("probed__reach", json!({"host": "nobody.invalid", "port": 443, "say": "nothing", "name": ""}));
    assert_eq!(said.text(), "no address");
    let refused = || raw(&world).into_iter().filter(|record| record["event"] == "network.refused").collect::<Vec<_>>();
    crate::runtime::until(|| !refused().is_empty());
    assert!(refused().iter().all(|record| record["kind"] == "event" && record["phase"].is_null()), "{:#?}", refused());
    let metrics = metrics(&world);
    assert!(metrics.contains("bastide_egress_stopped_total{server=\"probed\",reason=\"name\"}"), "{metrics}");
    assert!(!metrics.contains("bastide_probe_egress_stopped_total{"), "{metrics}");
}

#[test]
fn no_client_makes_itself_a_probe() {
    if !testkit::layers::are_there() {
        return;
    }
    let world = world();
    let own = world.token("agent:tester", &[]);
    let named = world.token("agent:probe/a", &[]);
    for pass in ["", "yes", "probe", own.as_str(), named.as_str()] {
        let mut agent = world.agent();
        agent.call("canary__echo", json!({"text": "hi"}));
        let message = json!({"jsonrpc": "2.0", "id": 9, "method": "ping", "params": {"_meta": {"bastide-probe": true, "kind": "probe"}}});
        assert_eq!(agent.post(&message, &[("bastide-probe", pass), ("x-bastide-probe", "1")]).status, 200);
        assert_eq!(world.stranger().post(&message, &[("bastide-probe", pass)]).status, 401);
    }
    // The name alone, by a token of work and by the local socket, is a name.
    let mut local = testkit::Stdio::launch(&mut world.command(&["connect", "--as", "probe/a"]), &world.path("connect.log"));
    local.open();
    let mut named = Http::new(world.data(), "/mcp", Some(&named));
    named.open();
    let marked: Vec<Value> = raw(&world).into_iter().filter(|record| record["kind"] == "probe" || !record["phase"].is_null()).collect();
    assert_eq!(marked, Vec::<Value>::new());
    assert!(raw(&world).iter().any(|record| record["principal"]["agent"] == "probe/a"));
}

#[test]
fn a_token_for_probing_is_for_probes_and_for_the_canary_alone() {
    let world = World::with().role("prober", "members: [\"agent:probe/a\"]\nallow: { canary: [\"*\"] }").start();
    assert_eq!(probing(&world, "tester", &["canary"]).0, 400, "no agent's work passes for a probe's");
    let (status, token) = probing(&world, "probe/a", &["canary"]);
    assert_eq!(status, 200);
    let mut probe = Http::new(world.data(), "/mcp", Some(&token));
    probe.open();
    let reply = probe.call("canary__echo", json!({"text": "hi"}));
    assert_eq!(reply.refused(), "response.compliance/probe", "the policy allows it, and the canary is a real server here");
    // Shown by an agent beside its own token it marks, and narrows.
    let mut agent = world.agent();
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "canary__echo", "arguments": {"text": "hi"}}});
    let answer = agent.post(&call, &[("bastide-probe", &token)]).answer();
    assert_eq!(answer.refused(), "response.compliance/probe");
    assert_eq!(world.reached(), Vec::<Value>::new());
    // Once it is taken back it marks nothing.
    let id = world.json(&["token", "list"])["tokens"].as_array().map_or_else(String::new, |tokens| {
        tokens.iter().find(|token| token["agent"] == "probe/a").unwrap()["id"].as_str().unwrap().to_owned()
    });
    world.json(&["token", "revoke", &id]);
    assert_eq!(agent.post(&call, &[("bastide-probe", &token)]).answer().text(), "hi");
    agent.close();
}
