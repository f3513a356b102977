//! A recorded day: roles learnt from it allow that day and refuse what lies outside of it, both replayed from the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testkit::{Http, World};

const SERVERS: [&str; 5] = ["crm", "git", "wiki", "ops", "pay"];
const VERBS: [&str; 6] = ["list", "get", "search", "create", "update", "delete"];
const NOUNS: [&str; 4] = ["page", "order", "issue", "file"];

const ROLES: [(&str, &str); 4] = [
    (
        "dev",
        "members: [\"agent:coder\", \"agent:reviewer\", \"agent:idle\"]\nclearance: restricted\nallow: { git: [\"*\"], wiki: [\"*\"] }\nlimits: { calls: 100000/min }",
    ),
    ("desk", "members: [\"user:ana\"]\nclearance: confidential\nallow:\n  crm: [\"*\"]\n  # money\n  pay:\n    - \"*\""),
    ("ops", "members: [\"agent:ops-bot\"]\nclearance: internal\nallow: { ops: [\"*\"], git: [\"*\"] }"),
    (
        "audit",
        "members: [\"agent:auditor\"]\nclearance: restricted\nallow: { crm: [\"*\"], git: [\"*\"], wiki: [\"*\"], ops: [\"*\"], pay: [\"*\"] }",
    ),
];

/// Who called, for whom, and what they used by day: servers with their tools, prompts and resources aside.
struct Worker {
    agent: &'static str,
    user: Option<&'static str>,
    servers: &'static [&'static str],
    used: Vec<(&'static str, String)>,
}

fn workers() -> Vec<Worker> {
    let tools = |server: &'static str, names: &[&str]| names.iter().map(|name| (server, (*name).to_owned())).collect::<Vec<_>>();
    let all = |server: &'static str, verb: &str| NOUNS.iter().map(|noun| (server, format!("{verb}_{noun}"))).collect::<Vec<_>>();
    vec![
        Worker {
            agent: "coder",
            user: None,
            servers: &["git", "wiki"],
            used: [all("git", "get"), all("git", "list"), tools("git", &["create_issue", "update_file"])].concat(),
        },
        Worker {
            agent: "reviewer",
            user: None,
            servers: &["git", "wiki"],
            used: [all("git", "search"), tools("wiki", &["get_page", "search_page", "update_page"])].concat(),
        },
        Worker {
            agent: "front",
            user: Some("ana"),
            servers: &["crm", "pay"],
            used: [
                all("crm", "get"),
                tools("crm", &["create_order", "update_order"]),
                tools("pay", &["get_order", "create_order", "list_order"]),
            ]
            .concat(),
        },
        Worker {
            agent: "ops-bot",
            user: None,
            servers: &["ops", "git"],
            used: [all("ops", "delete"), tools("ops", &["list_file", "get_file"])].concat(),
        },
        Worker {
            agent: "auditor",
            user: None,
            servers: &SERVERS,
            used: [
                tools("crm", &["list_order", "list_page"]),
                tools("pay", &["search_order", "search_page"]),
                tools("ops", &["search_file"]),
                tools("wiki", &["list_page", "list_order", "get_order"]),
            ]
            .concat(),
        },
    ]
}

fn script() -> String {
    let schema =
        json!({"type": "object", "properties": {"text": {"type": "string"}, "at": {"type": "integer"}}, "additionalProperties": false});
    let tools: Vec<Value> = VERBS
        .iter()
        .flat_map(|verb| NOUNS.iter().map(move |noun| format!("{verb}_{noun}")))
        .map(|name| json!({"name": name, "description": "Does what it says.", "inputSchema": schema}))
        .collect();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    let done = r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"done"}]}}"#;
    json!({"era": "2025-11-25", "tools": tools, "acts": {"do": [[{"raw": head}, {"raw": done}]]}}).to_string()
}

fn world() -> World {
    let setup = ROLES.iter().fold(World::with(), |setup, (name, yaml)| setup.role(name, yaml));
    setup
        .file("box/day.json", &script())
        .scripted(&SERVERS, "box/day.json", "trust: internal\nclearance: restricted\nlabel: internal")
        .start()
}

fn clients(world: &World) -> Vec<(Worker, Http)> {
    let open = |worker: Worker| {
        let more: Vec<&str> = worker.user.iter().flat_map(|user| ["--user", user]).collect();
        let token = world.token(&format!("agent:{}", worker.agent), &more);
        let mut client = Http::new(world.data(), "/mcp", Some(&token));
        client.open();
        (worker, client)
    };
    workers().into_iter().map(open).collect()
}

fn call(client: &mut Http, server: &str, tool: &str, at: usize) {
    let answer = client.call(&format!("{server}__{tool}"), json!({"text": "do", "at": at}));
    assert_eq!(answer.text(), "done", "{server}__{tool}: {}", answer.0);
}

/// A command as it was printed, run by a shell as it stands, `bastide` being the built one.
fn pasted(world: &World, line: &str) -> Output {
    let program = testkit::binary("bastide", "bastide");
    let folder = program.parent().unwrap().display().to_string();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).current_dir(world.path("home")).env("HOME", world.path("home")).env("NO_COLOR", "1");
    command.env_remove("BASTIDE_CONFIG").env("PATH", format!("{folder}:/usr/bin:/bin"));
    testkit::run(&mut command, b"")
}

fn next(said: &str) -> String {
    let found = said.lines().find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("next  "));
    found.unwrap_or_else(|| panic!("no next step:\n{said}")).to_owned()
}

fn answer(world: &World, line: &[&str]) -> (Option<i32>, Value) {
    let output = world.run(&[line, &["--json"]].concat());
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{line:?}: {fault}: {output:?}"));
    (output.status.code(), answer)
}

/// The moment after everything that was recorded so far.
fn now() -> String {
    terms::Utc::from_nanos(u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()).unwrap())
        .to_string()
}

#[test]
fn roles_learnt_from_a_day_allow_it_and_refuse_what_lies_outside() {
    let world = world();
    let mut clients = clients(&world);

    // The day.
    let (mut calls, mut tools) = (0, BTreeSet::new());
    for at in 0..13 {
        for (worker, client) in &mut clients {
            for (server, tool) in &worker.used {
                call(client, server, tool, at);
                tools.insert((*server, tool.clone()));
                calls += 1;
            }
        }
    }
    for (worker, client) in clients.iter_mut().filter(|(worker, _)| worker.agent == "auditor") {
        let _ = worker;
        let prompt = client.ask("prompts/get", json!({"name": "wiki__greet", "arguments": {"who": "x"}}));
        assert!(prompt.refusal().is_none(), "{}", prompt.0);
        let page = client.ask("resources/read", json!({"uri": "bastide://wiki/canary%3A%2F%2Fpage"}));
        assert!(page.refusal().is_none(), "{}", page.0);
        calls += 2;
    }
    assert!(calls >= 500 && tools.len() >= 40, "{calls} calls of {} tools", tools.len());
    let evening = now();

    // What lies outside: everything else that these roles let the same five do.
    let mut outside = 0;
    for at in 0..3 {
        for (worker, client) in &mut clients {
            // What one of its role used by day lies within the role.
            let role = |agent: &str| if agent == "reviewer" { "coder".to_owned() } else { agent.to_owned() };
            let used: BTreeSet<(&str, String)> =
                workers().into_iter().filter(|other| role(other.agent) == role(worker.agent)).flat_map(|other| other.used).collect();
            for server in worker.servers {
                for name in VERBS.iter().flat_map(|verb| NOUNS.iter().map(move |noun| format!("{verb}_{noun}"))) {
                    if !used.contains(&(*server, name.clone())) {
                        call(client, server, &name, at);
                        outside += 1;
                    }
                }
            }
        }
    }
    assert!(outside >= 500, "{outside}");

    // The roles that the day needs, as a proposal that nothing is lost in.
    let learnt = world.path("learnt.yaml");
    let path = learnt.to_str().unwrap();
    let (code, found) = answer(&world, &["policy", "suggest", "--until", &evening, "--propose", path]);
    assert_eq!((code, &found["calls"], &found["principals"]), (Some(0), &json!(calls), &json!(5)), "{found}");
    let roles: Vec<&str> = found["roles"].as_array().unwrap().iter().map(|role| role["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["audit", "desk", "dev", "ops"]);
    assert_eq!(found["roles"][2]["without_a_call"], json!(["agent:idle"]));
    assert_eq!((&found["roles"][2]["clearance"], &found["roles"][2]["clearance_today"]), (&json!("internal"), &json!("restricted")));
    let git: Vec<&str> = found["roles"][2]["allow"]["git"].as_array().unwrap().iter().map(|one| one["entry"].as_str().unwrap()).collect();
    assert_eq!(git, ["create_issue", "get_*", "list_*", "search_*", "update_file"]);
    let text = fs::read_to_string(&learnt).unwrap();
    assert!(
        text.contains("limits: { calls: 100000/min }") && text.matches("\"*\"").count() == 1,
        "only the canary, which nobody used, stays: {text}"
    );

    // It allows that day, and refuses what was outside.
    let (code, day) = answer(&world, &["policy", "replay", "--against", path, "--until", &evening, "--no-change"]);
    assert_eq!(
        (code, &day["calls"], &day["same"], &day["undecided"], &day["rules_alone"]),
        (Some(0), &json!(calls), &json!(calls), &json!(0), &json!(0)),
        "{day}"
    );
    let (code, night) = answer(&world, &["policy", "replay", "--against", path, "--since", &evening, "--no-change"]);
    assert_eq!((code, &night["newly_refused"], &night["same"]), (Some(1), &json!(outside), &json!(0)), "{night}");
    assert_eq!(answer(&world, &["policy", "replay", "--against", path, "--no-wider"]).0, Some(0), "it is never wider");
    let own = world.config();
    let wider = world.run(&["policy", "diff", own.to_str().unwrap(), path, "--no-wider"]);
    assert_eq!(wider.status.code(), Some(0), "{}", String::from_utf8_lossy(&wider.stdout));

    // Under the configuration in force nothing changes.
    let (code, same) = answer(&world, &["policy", "replay", "--no-change"]);
    assert_eq!((code, &same["same"]), (Some(0), &json!(calls + outside)), "{same}");

    // The gateway itself, under the learnt roles, says the same as the replay.
    proved(world, &learnt, clients);
}

/// Runs the gateway under the configuration at `learnt`: what it allows and refuses is what the replay said.
fn proved(mut world: World, learnt: &Path, mut clients: Vec<(Worker, Http)>) {
    assert_eq!(world.stop(), Some(0));
    fs::copy(learnt, world.config()).unwrap();
    world.serve();
    for (worker, client) in &mut clients {
        client.session = None;
        client.open();
        for (server, tool) in &worker.used {
            call(client, server, tool, 0);
        }
        let refused = client.call(&format!("{}__delete_page", worker.servers[0]), json!({"text": "do"}));
        if worker.agent != "ops-bot" {
            assert_eq!(refused.refused(), "access.filtered-discovery/unknown", "{}", worker.agent);
        }
    }
}

#[test]
fn what_is_printed_is_yaml_that_can_be_pasted_and_its_next_step_works() {
    let world = world();
    for (worker, client) in &mut clients(&world) {
        for (server, tool) in &worker.used {
            call(client, server, tool, 1);
        }
    }
    let output = world.run(&["policy", "suggest", "--role", "desk"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "roles:
  desk:  # 9 calls: agent:front for user:ana 9
    members: [\"user:ana\"]
    clearance: internal  # confidential today; nothing above internal was received
    allow:
      crm:
        - create_order  # 1
        - \"get_*\"  # 4: get_file 1, get_issue 1, get_order 1, get_page 1
        - update_order  # 1
      pay:
        - create_order  # 1
        - get_order  # 1
        - list_order  # 1
    # never used: 61 tools that it may call today
";
    let body: String = said.lines().skip(1).take_while(|line| !line.starts_with("# next")).map(|line| format!("{line}\n")).collect();
    assert_eq!(body, expected, "{said}");
    assert!(said.starts_with("# 40 calls of 5 principals from 2"), "{said}");

    let written = pasted(&world, &next(&said));
    let said = String::from_utf8_lossy(&written.stdout).into_owned();
    assert!(written.status.success() && said.contains("suggested.yaml is the configuration with these roles"), "{written:?}");
    let replayed = pasted(&world, &next(&said));
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains("40 calls decided again") && said.contains("Nothing changes."), "{replayed:?}");
    let again = pasted(&world, &next(&String::from_utf8(world.run(&["policy", "suggest", "--role", "desk"]).stdout).unwrap()));
    assert_eq!(again.status.code(), Some(2), "a file is never written over: {again:?}");

    let alone = String::from_utf8(world.run(&["policy", "suggest", "--as", "agent:auditor", "--exact"]).stdout).unwrap();
    assert!(alone.contains("  auditor:  # 8 calls") && alone.contains("- search_file  # 1"), "{alone}");
    let unknown = world.run(&["policy", "suggest", "--role", "des"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(2) && said.contains("did you mean \"desk\"?"), "{said}");
}

#[test]
fn a_replay_says_what_changes_by_which_line_and_what_is_not_on_record() {
    let world = world();
    let mut clients = clients(&world);
    for (worker, client) in &mut clients {
        for (server, tool) in worker.used.iter().take(3) {
            call(client, server, tool, 1);
        }
    }
    let coder = &mut clients[0].1;
    // A secret is kept redacted, so its call has no arguments that could be judged again.
    coder.call("git__get_page", json!({"text": "AKIAIOSFODNN7EXAMPLE 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", "at": 1}));
    let refused = coder.call("pay__get_order", json!({"text": "do"}));
    assert_eq!(refused.refused(), "access.filtered-discovery/unknown");
    let text = fs::read_to_string(world.config()).unwrap();
    let changed = text
        .replace("allow: { git: [\"*\"], wiki: [\"*\"] }", "allow: { git: [\"get_*\", \"search_*\"], wiki: [\"*\"], pay: [get_order] }")
        .replace("\npeople:", "\ntools:\n  crm__get_page: { arguments: { text: { type: string, maxLength: 1 } } }\npeople:");
    let path = world.path("proposed.yaml");
    fs::write(&path, changed).unwrap();
    let line = ["policy", "replay", "--against", path.to_str().unwrap()];
    let (code, found) = answer(&world, &line);
    assert_eq!((code, &found["calls"]), (Some(0), &json!(17)), "{found}");
    assert_eq!(
        (&found["newly_refused"], &found["newly_allowed"], &found["wider"], &found["narrower"]),
        (&json!(1), &json!(1), &json!(1), &json!(1)),
        "{found}"
    );
    assert_eq!(found["rules_alone"], 1, "{found}");
    assert!(found["partly"][0]["missing"].as_str().unwrap().contains("redacted"), "{found}");
    for (flag, code) in [("--no-change", 1), ("--no-wider", 1)] {
        assert_eq!(answer(&world, &[&line[..], &[flag]].concat()).0, Some(code), "{flag}");
    }
    let output = world.run(&line);
    let said = String::from_utf8(output.stdout).unwrap();
    let reference = found["changes"][0]["first"].as_str().unwrap();
    for words in [
        "17 calls decided again under",
        "- newly refused 1 (1 agent)",
        "1 time  crm__get_page  by front",
        "access.argument-schemas/constraint: maxLength at `/text`",
        "+ newly allowed 1 (1 agent)",
        "1 time  pay__get_order  by coder",
        "allow get_order",
        "1 were decided by the rules alone",
        reference,
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let explained = pasted(&world, &next(&said));
    assert!(explained.status.success() && String::from_utf8_lossy(&explained.stdout).contains("crm__get_page"), "{explained:?}");
    assert_eq!(answer(&world, &[&line[..], &["--as", "agent:ops-bot"]].concat()).1["calls"], 3);
    assert_eq!(answer(&world, &[&line[..], &["--role", "dev"]].concat()).1["calls"], 8);
}
