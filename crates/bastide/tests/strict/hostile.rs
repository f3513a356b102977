//! What servers may do to harm, each in turn: the caller is told what the table says, it is on record, nobody else is harmed, and the same server
//! serves again when it behaves.

use crate::servers::{Act, Ask, By, DIED, GONE, MALFORMED, MARK, On, STRAY, Told, UNOWNED, acts};
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
    let good =
        if on.is_web() { format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{good}") } else { good };
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

/// The lines of an entry for a server that runs here and follows the script of `on`.
fn local(on: On, more: &str) -> String {
    let script = format!("{{bin}}/evil-server, --script, {{box}}/{}.json{more}", on.word());
    format!(
        "run: [{script}]\ncall: 6s\nrestart: {{ delay: 1ms, most: 1000, within: 1s }}\nsandbox: {{ read: [{{bin}}], write: [{{box}}] }}"
    )
}

/// The lines of an entry for one that does not.
const REMOTE: &str = "call: 6s\ntrust: internal\nclearance: restricted";

/// A world with a server for each carrier, and an agent for each class.
fn world(acts: &[Act], flag: &str) -> World {
    let mut setup = World::with().section("bounds", "result: 1MiB\ninflight: 64");
    for on in On::ALL {
        let script_file = format!("box/{}.json", on.word());
        setup = setup.file(&script_file, &script(on, acts));
        setup = if on.is_web() { setup.scripted(&[on.word()], &script_file, REMOTE) } else { setup.server(on.word(), &local(on, flag)) };
    }
    let allowed: Vec<String> = On::ALL.iter().map(|on| format!("{}: [\"*\"]", on.word())).collect();
    let members: BTreeSet<String> = acts.iter().map(|act| format!("\"agent:{}\"", act.class)).collect();
    let members = members.into_iter().collect::<Vec<_>>().join(", ");
    let role =
        format!("members: [\"agent:tester\", {members}]\nclearance: restricted\nallow: {{ canary: [\"*\"], {} }}", allowed.join(", "));
    setup.role("tester", &role.replace(", ]", "]")).start()
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
        while act.by == By::Old
            && !response.messages().iter().any(|message| message.get("result").is_some() || message.get("error").is_some())
        {
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
    let Some(message) = response.messages().into_iter().rfind(|message| message.get("result").is_some() || message.get("error").is_some())
    else {
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

/// All acts of a class on one carrier. What is wrong, and the reference of each refusal by the act's name.
fn play(world: &World, token: &str, acts: &[&Act]) -> (Vec<String>, BTreeMap<String, String>) {
    let mut canary = Http::new(world.data(), "/mcp/canary", Some(token));
    canary.open();
    let (mut wrong, mut references) = (Vec::new(), BTreeMap::new());
    let mut client = None;
    for act in acts {
        let server = format!("{} of {}", act.on.word(), act.class);
        let client = client.get_or_insert_with(|| Client::of(world, token, act.on.word()));
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
        let refusal =
            response.messages().into_iter().find_map(|message| Answer(message).refusal()?["reference"].as_str().map(str::to_owned));
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
    let server = act.on.word();
    let of = |record: &&Value| record["server"] == server;
    let about = about(act);
    let asked = audit.iter().filter(of).find(|record| match reference {
        Some(reference) => record["request"] == reference.as_str(),
        None => {
            record["arguments"]["text"] == about.as_str()
                || record["arguments"]["who"] == about.as_str()
                || record["tool"] == about.as_str()
        }
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
    Ok(())
}

/// The events that the acts of `on` must leave: of deaths one for each, of strays the first of each process.
fn remembered(audit: &[Value], acts: &[Act], on: On, event: &str) -> Result<(), String> {
    let of: Vec<&Act> = acts.iter().filter(|act| act.on == on && act.event == Some(event)).collect();
    let classes: BTreeSet<&str> = of.iter().map(|act| act.class).collect();
    let wanted = if event == DIED { of.len() } else { classes.len() };
    let found: Vec<&Value> = audit.iter().filter(|record| record["server"] == on.word() && record["event"] == event).collect();
    let told = found.iter().all(|record| ["row", "stderr", "method"].iter().any(|key| record["detail"].get(key).is_some()));
    if found.len() >= wanted && told { Ok(()) } else { Err(format!("{}: {} of {wanted} {event}", on.word(), found.len())) }
}

#[test]
fn the_caller_is_told_it_is_on_record_and_nobody_else_is_harmed() {
    let acts = acts();
    let world = world(&acts, "");
    let classes: BTreeSet<&str> = acts.iter().map(|act| act.class).collect();
    let tokens: BTreeMap<&str, String> = classes.iter().map(|class| (*class, world.token(&format!("agent:{class}"), &[]))).collect();
    let parts: BTreeSet<(&str, On)> = acts.iter().map(|act| (act.class, act.on)).collect();
    let played: Vec<_> = std::thread::scope(|scope| {
        let play = |(class, on): (&'static str, On)| {
            let own: Vec<&Act> = acts.iter().filter(|act| act.class == class && act.on == on).collect();
            let (world, token) = (&world, &tokens[class]);
            scope.spawn(move || play(world, token, &own))
        };
        let threads: Vec<_> = parts.into_iter().map(play).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong: Vec<String> = played.iter().flat_map(|(wrong, _)| wrong.clone()).collect();
    let raw = world.run(&["audit", "show", "--raw", "--limit", "100000"]);
    let audit: Vec<Value> = String::from_utf8(raw.stdout).unwrap().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for act in &acts {
        let reference = played.iter().find_map(|(_, references)| references.get(act.name));
        wrong.extend(recorded(&audit, act, reference).err());
    }
    for on in On::ALL {
        wrong.extend([DIED, STRAY, UNOWNED].iter().filter_map(|event| remembered(&audit, &acts, on, event).err()));
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

/// What a server does while it is opened: who, on which question, the bytes, and the codes with which the call that opened it may be refused.
fn openings() -> Vec<(On, &'static str, Value, &'static [&'static str])> {
    const REVISION: &str = "transport.protocol-pin/server";
    const CHANGED: &str = "supply.pinning/changed";
    let web = |head: &str, body: &str| {
        json!([format!("HTTP/1.1 200 OK\r\nContent-Type: application/json{head}\r\nConnection: close\r\n\r\n{body}")])
    };
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{result}}}"#);
    let hello = |version: &str, capabilities: &str| {
        result(&format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{{"name":"canary","version":"1.0.0"}}}}"#
        ))
    };
    let about = |versions: &str, capabilities: &str| {
        result(&format!(
            r#"{{"supportedVersions":{versions},"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private","resultType":"complete"}}"#
        ))
    };
    let tools = |more: &str, tools: &str| result(&format!(r#"{{{more}"tools":{tools}}}"#));
    let fault = |code: i64| {
        format!(r#"{{"jsonrpc":"2.0","id":$ID,"error":{{"code":{code},"message":"{MARK}","data":{{"supported":["{MARK}"]}}}}}}"#)
    };
    let echo = |about: &str| {
        format!(
            r#"{{"name":"echo","description":"{about}","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string"}}}}}}}}"#
        )
    };
    let (old, new) = ("2025-11-25", r#"["2026-07-28"]"#);
    let fresh = r#""ttlMs":0,"cacheScope":"private","#;
    vec![
        (On::OldWeb, "initialize", web("", &hello("2024-11-05", CAPABILITIES)), &[REVISION]),
        (On::OldWeb, "initialize", web("", &hello("wicked-7Qx", CAPABILITIES)), &[REVISION]),
        (On::OldWeb, "initialize", web("", &fault(-32603)), &[GONE]),
        (On::OldWeb, "initialize", web("", &result("{}")), &[REVISION]),
        (On::OldWeb, "initialize", web("", &hello(old, "[]")), &[MALFORMED, CHANGED]),
        (On::OldWeb, "initialize", web("", &hello(old, CAPABILITIES).replace(r#","version":"1.0.0""#, "")), &[MALFORMED]),
        (On::OldWeb, "initialize", web("", &hello(old, CAPABILITIES).replace("serverInfo", r#"wicked":1,"serverInfo"#)), &[MALFORMED]),
        (On::OldWeb, "initialize", web("", &hello(old, r#"{"tools":{},"Tools":{}}"#)), &[MALFORMED]),
        (On::OldWeb, "initialize", web("\r\nMcp-Session-Id: wicked 7Qx", &hello(old, CAPABILITIES)), &[GONE]),
        (On::OldWeb, "initialize", web("\r\nMcp-Session-Id: a\r\nMcp-Session-Id: b", &hello(old, CAPABILITIES)), &[GONE]),
        (On::OldWeb, "tools/list", web("", &tools(r#""nextCursor":"again","#, "[]")), &[MALFORMED]),
        (On::OldWeb, "tools/list", web("", &tools("", &format!("[{}]", echo(MARK)))), &[CHANGED]),
        (On::OldWeb, "tools/list", web("", &tools("", &format!("[{},{}]", echo("a"), echo("b")))), &[MALFORMED, CHANGED]),
        (On::OldWeb, "tools/list", web("", &tools("", r#"{"name":"wicked-7Qx"}"#)), &[MALFORMED]),
        (On::NewWeb, "server/discover", web("", &about(r#"["2025-11-25"]"#, CAPABILITIES)), &[REVISION]),
        (On::NewWeb, "server/discover", web("", &about("\"2026-07-28\"", CAPABILITIES)), &[REVISION, MALFORMED]),
        (On::NewWeb, "server/discover", web("", &about(r#"["2026-07-28"]"#, "\"all\"")), &[MALFORMED, CHANGED]),
        (On::NewWeb, "server/discover", web("", &about(new, CAPABILITIES).replace(r#""ttlMs":0,"#, "")), &[MALFORMED]),
        (On::NewWeb, "server/discover", web("", &about(new, CAPABILITIES).replace("ttlMs", r#"wicked":1,"ttlMs"#)), &[MALFORMED]),
        (On::NewWeb, "server/discover", web("", &about(new, CAPABILITIES).replace("complete", "input_required")), &[MALFORMED]),
        (On::NewWeb, "server/discover", web("", &fault(-32022)), &[REVISION]),
        (On::NewWeb, "tools/list", web("", &tools("", "[]")), &[MALFORMED]),
        (On::NewWeb, "tools/list", web("", &tools(&format!(r#"{fresh}"resultType":"input_required","#), "[]")), &[MALFORMED]),
        (On::NewWeb, "tools/list", web("", &fault(-32020)), &[GONE]),
        (On::Old, "initialize", json!([format!("listening as {MARK}"), {"behave": true}]), &[GONE]),
        (On::Old, "initialize", json!([{"die": true}]), &[GONE]),
        (On::Old, "initialize", json!([hello("2026-07-28", CAPABILITIES)]), &[REVISION]),
        (On::New, "server/discover", json!([fault(-32601)]), &[REVISION]),
        (On::New, "server/discover", json!([about("[]", CAPABILITIES)]), &[REVISION]),
        (
            On::New,
            "prompts/list",
            json!([result(&format!(r#"{{{fresh}"prompts":[{{"name":"greet","description":"{MARK}"}}]}}"#)), {"die": true}]),
            &[GONE],
        ),
    ]
}

#[test]
fn a_server_that_lies_when_it_is_opened_is_not_used_until_it_does_not() {
    let openings = openings();
    assert!(openings.len() >= 20);
    let mut acts = Vec::new();
    let names: Vec<String> = (0..openings.len()).map(|at| format!("opening {at}")).collect();
    for ((on, _, steps, _), name) in openings.iter().zip(&names) {
        acts.push(Act::opening(name.clone().leak(), *on, steps.clone()));
    }
    let world = world(&acts, ", --flag, {box}/local.flag");
    let token = world.token("agent:tester", &[]);
    let mut canary = Http::new(world.data(), "/mcp/canary", Some(&token));
    canary.open();
    let mut wrong = Vec::new();
    for ((on, method, _, codes), name) in openings.iter().zip(&names) {
        let flag = world.path(&if on.is_web() { format!("box/{}.flag", on.word()) } else { "box/local.flag".to_owned() });
        std::fs::write(&flag, json!({*method: name}).to_string()).unwrap();
        let mut client = Client::of(&world, &token, on.word());
        let begun = Instant::now();
        let mut answer = client.echo(By::Old);
        // One that failed a moment ago is not tried again at once.
        while answer.refusal().is_some_and(|refusal| refusal["code"] == GONE) && !codes.contains(&GONE) && begun.elapsed() < AGAIN {
            std::thread::sleep(Duration::from_millis(50));
            answer = client.echo(By::Old);
        }
        let code = answer.refusal().and_then(|refusal| refusal["code"].as_str()).unwrap_or_default().to_owned();
        if !codes.contains(&code.as_str()) || answer.0.to_string().contains(MARK) {
            wrong.push(format!("{}: {method}: {name}: wanted {codes:?}, got {}", on.word(), answer.0));
        } else if world.record(answer.reference())["decision"]["verdict"] != "refused" {
            wrong.push(format!("{}: {method}: {name}: not on record", on.word()));
        }
        if canary.call("echo", json!({"text": "hi"})).text() != "hi" {
            wrong.push(format!("{}: {method}: {name}: another server was harmed", on.word()));
        }
        std::fs::write(&flag, "{}").unwrap();
        let begun = Instant::now();
        // What was put aside is compared again when another call opens a way.
        let mut serves = || {
            client.old.close();
            client = Client::of(&world, &token, on.word());
            client.ask(By::Old, "resources/read", json!({"uri": "canary://page"})).answer().code().is_none()
                && client.echo(By::Old).text() == "hi"
        };
        while !serves() {
            if begun.elapsed() > AGAIN {
                wrong.push(format!("{}: {method}: {name}: it did not behave again", on.word()));
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        client.old.close();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), openings.len(), wrong.join("\n"));
}
