//! What servers may do to harm, each in turn: the caller is told what the table says, it is on record, nobody else is harmed, and the same server
//! serves again when it behaves.

use crate::servers::{Act, Ask, By, MARK, On, Told, acts};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use testkit::{Answer, Http, Response, World};

const TYPED: &str = r#"[{"name":"typed","description":"Counts.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}},
    "outputSchema":{"type":"object","properties":{"count":{"type":"integer","maximum":9007199254740991}},"required":["count"],"additionalProperties":false}}]"#;
const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"prompts":{},"logging":{}}"#;
/// Longest until a server that died serves again.
const AGAIN: Duration = Duration::from_secs(60);

fn script(on: On, all: &[Act]) -> String {
    let mut acts: BTreeMap<String, Value> = all.iter().filter(|act| act.on == on).map(|act| (about(act), act.stages.clone())).collect();
    let good = json!({"jsonrpc": "2.0", "id": "$ID", "result": {"content": [{"type": "text", "text": "typed"}], "structuredContent": {"count": 1}}});
    let good = good.to_string().replace("\"$ID\"", "$ID");
    let good = if on.is_web() { format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{good}") } else { good };
    acts.insert("count".to_owned(), json!([[good]]));
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    json!({"era": on.era(), "capabilities": parse(CAPABILITIES), "tools": parse(TYPED), "acts": acts}).to_string()
}

/// What names an act to its server.
fn about(act: &Act) -> String {
    match act.ask {
        Ask::Tool(_) | Ask::Prompt => act.name.to_owned(),
        Ask::Read => format!("evil:{}", act.name.replace(' ', "-")),
    }
}

/// The server of a class on a carrier.
fn server(class: &str, on: On) -> String {
    format!("{class}-{}", on.word())
}

/// A world with a server for each class and carrier that has acts.
fn world(acts: &[Act]) -> World {
    let used: BTreeSet<(&str, On)> = acts.iter().map(|act| (act.class, act.on)).collect();
    let mut setup = World::with().section("bounds", "result: 1MiB\ninflight: 64");
    let mut allowed = vec!["canary: [\"*\"]".to_owned()];
    for on in On::ALL {
        let name = format!("box/{}.json", on.word());
        setup = setup.file(&name, &script(on, acts));
        let names: Vec<String> = used.iter().filter(|(_, other)| *other == on).map(|(class, _)| server(class, on)).collect();
        allowed.extend(names.iter().map(|name| format!("{name}: [\"*\"]")));
        if on.is_web() && !names.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            setup = setup.scripted(&names, &name, "call: 4s\ntrust: internal\nclearance: restricted");
        } else {
            for name in names {
                let entry = format!(
                    "run: [{{bin}}/evil-server, --script, {{box}}/{}.json]\ncall: 4s\nrestart: {{ delay: 10ms, most: 60, within: 1s }}\nsandbox: {{ read: [{{bin}}], write: [{{box}}] }}",
                    on.word()
                );
                setup = setup.server(&name, &entry);
            }
        }
    }
    let role = format!("members: [\"agent:tester\"]\nclearance: restricted\nallow: {{ {} }}", allowed.join(", "));
    setup.role("tester", &role).start()
}

/// One client of one server, in both eras.
struct Client {
    old: Http,
    new: Http,
}

impl Client {
    fn of(world: &World, token: &str, server: &str) -> Self {
        let path = format!("/mcp/{server}");
        let new = Http::new(world.data(), &path, Some(token));
        let mut old = new.clone();
        old.open();
        Self { old, new }
    }

    fn ask(&mut self, by: By, method: &str, mut params: Value) -> Response {
        let By::New(capabilities) = by else {
            let message = self.old.request(method, params);
            return self.old.post(&message, &[]);
        };
        let capabilities: Value = serde_json::from_str(capabilities).unwrap();
        let name = ["name", "uri"].iter().find_map(|key| params.get(key)?.as_str()).unwrap_or_default().to_owned();
        params["_meta"] =
            json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": capabilities});
        let message = self.new.request(method, params);
        self.new.post(&message, &[("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", &name)])
    }

    /// Does what an act wants, and comes back as often as it says.
    fn provoke(&mut self, act: &Act) -> Response {
        let about = about(act);
        let (method, mut params) = match act.ask {
            Ask::Tool(tool) => ("tools/call", json!({"name": tool, "arguments": {"text": about}})),
            Ask::Prompt => ("prompts/get", json!({"name": "greet", "arguments": {"who": about}})),
            Ask::Read => ("resources/read", json!({"uri": about})),
        };
        let mut response = self.ask(act.by, method, params.clone());
        while act.by == By::Old && !response.messages().iter().any(|message| message.get("result").is_some() || message.get("error").is_some()) {
            let Some(rest) = self.rest(&response) else { break };
            response = rest;
        }
        for _ in 0..act.returns {
            let Some(state) = response.messages().last().and_then(|message| message["result"].get("requestState").cloned()) else { break };
            params["requestState"] = state;
            response = self.ask(act.by, method, params.clone());
        }
        response
    }

    /// What comes behind the last event of a stream that was more than this client took at once.
    fn rest(&self, response: &Response) -> Option<Response> {
        let body = String::from_utf8_lossy(&response.body).into_owned();
        let last = body.lines().rev().find_map(|line| line.strip_prefix("id:"))?.trim().to_owned();
        let own = [("Mcp-Session-Id", self.old.session.as_deref()?), ("MCP-Protocol-Version", "2025-11-25"), ("Last-Event-ID", &last)];
        Some(self.old.send("GET", &self.old.path, &self.old.headers(&own), b""))
    }

    fn echo(&mut self, by: By) -> Answer {
        self.ask(by, "tools/call", json!({"name": "echo", "arguments": {"text": "hi"}})).answer()
    }
}

/// All that an answer says as text.
fn text(answer: &Answer) -> String {
    let of = |list: &str, inner: &str| {
        let found = answer.0.pointer(&format!("/result/{list}")).and_then(Value::as_array);
        let texts = found.into_iter().flatten().filter_map(|one| one.pointer(inner)?.as_str().map(str::to_owned));
        texts.collect::<Vec<_>>().join("\n")
    };
    of("content", "/text") + &of("contents", "/text") + &of("messages", "/content/text")
}

/// What is wrong with an answer, if anything is.
fn judged(act: &Act, response: &Response) -> Result<(), String> {
    let body = String::from_utf8_lossy(&response.body);
    let Some(message) = response.messages().into_iter().rfind(|message| message.get("result").is_some() || message.get("error").is_some()) else {
        return Err(format!("no answer: {} {body:.300}", response.status));
    };
    let answer = Answer(message);
    let right = match act.told {
        Told::Refused(codes) => answer.refusal().and_then(|refusal| refusal["code"].as_str()).is_some_and(|code| codes.contains(&code)),
        Told::Says(wanted) => answer.code().is_none() && answer.refusal().is_none() && (wanted.is_empty() || text(&answer) == wanted),
        Told::Fault(code) => answer.code() == Some(code) && answer.refusal().is_none(),
    };
    let held = body.contains(act.holds) && !body.contains(MARK) && !body.contains("ghp_q7Zt3LwX");
    if right && held { Ok(()) } else { Err(format!("wanted {:?} holding {:?}, got {} {body:.600}", act.told, act.holds, response.status)) }
}

/// All acts of a class. What is wrong, and the reference of each refusal by the act's place.
fn play(world: &World, token: &str, acts: &[&Act]) -> (Vec<String>, BTreeMap<String, String>) {
    let mut clients: BTreeMap<On, Client> = BTreeMap::new();
    let mut canary = Http::new(world.data(), "/mcp/canary", Some(token));
    canary.open();
    let (mut wrong, mut references) = (Vec::new(), BTreeMap::new());
    for act in acts {
        let server = server(act.class, act.on);
        let client = clients.entry(act.on).or_insert_with(|| Client::of(world, token, &server));
        let behaves = |client: &mut Client| {
            let begun = Instant::now();
            let mut answer = client.echo(act.by);
            while answer.text() != "hi" && begun.elapsed() < AGAIN {
                std::thread::sleep(Duration::from_millis(20));
                answer = client.echo(act.by);
            }
            answer.text() == "hi"
        };
        if !behaves(client) {
            wrong.push(format!("{server}: {}: it did not behave before", act.name));
            continue;
        }
        let response = client.provoke(act);
        if let Err(why) = judged(act, &response) {
            wrong.push(format!("{server}: {}: {why}", act.name));
        }
        let refusal = response.messages().into_iter().find_map(|message| Answer(message).refusal()?["reference"].as_str().map(str::to_owned));
        references.extend(refusal.map(|reference| (act.name.to_owned(), reference)));
        if canary.call("echo", json!({"text": "hi"})).text() != "hi" {
            wrong.push(format!("{server}: {}: another server was harmed", act.name));
        }
        if !behaves(client) {
            wrong.push(format!("{server}: {}: it did not behave again", act.name));
        }
    }
    (wrong, references)
}

/// What is wrong with the record of an act.
fn recorded(audit: &[Value], act: &Act, reference: Option<&String>) -> Result<(), String> {
    let server = server(act.class, act.on);
    let of = |record: &&Value| record["server"] == server.as_str();
    let about = about(act);
    let asked = audit.iter().filter(of).find(|record| match reference {
        Some(reference) => record["request"] == reference.as_str(),
        None => record["arguments"]["text"] == about.as_str() || record["arguments"]["who"] == about.as_str() || record["tool"] == about.as_str(),
    });
    let asked = asked.ok_or_else(|| format!("{server}: {}: not on record", act.name))?;
    let ended = audit.iter().filter(of).rfind(|record| record["request"] == asked["request"] && record.get("result").is_some());
    let ended = ended.ok_or_else(|| format!("{server}: {}: without an outcome", act.name))?;
    let (verdict, code, status) = (&ended["decision"]["verdict"], &ended["decision"]["code"], &ended["result"]["status"]);
    let fits = match act.told {
        Told::Refused(codes) => verdict == "refused" && codes.iter().any(|one| code == one),
        Told::Says(_) => verdict != "refused" && code.is_null() && status == "ok",
        Told::Fault(-32021) => verdict == "refused" && code == crate::servers::QUESTION,
        Told::Fault(_) => code.is_null() && status == "error",
    };
    if !fits {
        return Err(format!("{server}: {}: recorded as {ended}", act.name));
    }
    match act.event {
        Some(event) if !audit.iter().filter(of).any(|record| record["event"] == event) => Err(format!("{server}: {}: no event {event}", act.name)),
        _ => Ok(()),
    }
}

#[test]
fn the_caller_is_told_it_is_on_record_and_nobody_else_is_harmed() {
    let acts = acts();
    let world = world(&acts);
    let token = world.token("agent:tester", &[]);
    let classes: BTreeSet<&str> = acts.iter().map(|act| act.class).collect();
    let played: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = classes
            .iter()
            .map(|class| {
                let own: Vec<&Act> = acts.iter().filter(|act| act.class == *class).collect();
                let (world, token) = (&world, &token);
                scope.spawn(move || play(world, token, &own))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong: Vec<String> = played.iter().flat_map(|(wrong, _)| wrong.clone()).collect();
    let raw = world.run(&["audit", "show", "--raw", "--limit", "100000"]);
    let audit: Vec<Value> = String::from_utf8(raw.stdout).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for act in &acts {
        let reference = played.iter().find_map(|(_, references)| references.get(act.name));
        wrong.extend(recorded(&audit, act, reference).err());
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), acts.len(), wrong.join("\n"));
    assert_eq!(world.verify()["ok"], true);
}

#[test]
fn there_are_enough_of_them_and_no_class_makes_up_a_tenth() {
    let acts = acts();
    assert!(acts.len() >= 100, "{}", acts.len());
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    acts.iter().for_each(|act| *classes.entry(act.class).or_default() += 1);
    assert!(classes.len() >= 10 && classes.values().all(|count| count * 10 <= acts.len()), "{classes:?}");
    let names: BTreeSet<&str> = acts.iter().map(|act| act.name).collect();
    assert_eq!(names.len(), acts.len(), "each has a name of its own");
    for on in On::ALL {
        assert!(acts.iter().filter(|act| act.on == on).count() * 10 > acts.len(), "{on:?}");
    }
}
