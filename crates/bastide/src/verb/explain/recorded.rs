//! A call that was: read from the log, with the lines that would decide it now.

use super::change::{self, Refused};
use super::{Proposal, line, lines, near};
use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::verb::audit::{FOLDER, missing, reference};
use crate::verb::judge::judge;
use crate::verb::member;
use crate::verb::proposal::because;
use crate::verb::recorded::{self, Given, Read, Was};
use crate::wire::{Configured, WITHHELD};
use audit::read::{self, Query};
use audit::show;
use gateway::withheld::Withheld;
use policy::{Arguments, Explanation, Facts, Situation, Subject};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use store::journal::LogFolder;
use terms::{Authenticated, CallId, Clock as _, Code, Label, Name, Operation, Principal, ServerName, TokenId, Workload};

/// The order of the line, as records have it.
const STAGES: [&str; 13] =
    ["accept", "identify", "parse", "admit", "resolve", "inspect", "decide", "enforce", "record", "forward", "pair", "screen", "settle"];

/// Explains the one record or call that begins with `start`.
pub(super) fn run(start: &str, proposal: &Proposal<'_>, configured: &Configured, common: &Common) -> Result<ExitCode, Failure> {
    let (entries, call) = find(start, configured)?;
    let mut answer = answer(&call, configured);
    let (now, changes) = changes(&entries, configured)?;
    let next = proposal.settle(&changes, configured)?;
    if let Some(object) = answer.as_object_mut() {
        object.insert("changes".to_owned(), Value::Array(change::shown(&changes, configured)));
        object.insert("proposed".to_owned(), json!(proposal.file));
        object.insert("today".to_owned(), json!(now.map(policy::Ending::as_str)));
        if let Some(next) = next {
            object.insert("next".to_owned(), json!(next));
        }
    }
    common.answer(&answer, said)?;
    Ok(ExitCode::SUCCESS)
}

/// The one record or call that begins with `start`: its entries, and all of it joined.
///
/// # Errors
/// [`Failure`] when there is none or more than one.
pub(in crate::verb) fn find(start: &str, configured: &Configured) -> Result<(Vec<read::Entry>, Value), Failure> {
    let wanted = reference(start).map_err(|cause| Failure::usage(cause).next("bastide audit show"))?;
    let folder = configured.loaded.file.state.join(FOLDER);
    if !folder.is_dir() {
        return Err(Failure::no("there is no audit log yet"));
    }
    let query = Query { reference: Some(wanted), ..Query::default() };
    let folder = LogFolder::new(folder);
    let entries = read::find(&folder, &query)?;
    let mut calls = show::join(&entries);
    let call = match calls.as_slice() {
        [] => {
            let next = missing(&folder, None)?.unwrap_or_else(|| "bastide audit show --since 24h".to_owned());
            return Err(Failure::no(format!("no call and no record begins with `{start}`")).next(next));
        }
        [_] => calls.remove(0),
        many => {
            let ids = many.iter().take(10).map(|call| id(call).to_owned()).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("more than one begins with `{start}`: {ids}")).next("write more of it"));
        }
    };
    Ok((entries, call))
}

/// In what a call that was refused by rules or arguments would end today, and the changes that would allow it.
fn changes(entries: &[audit::read::Entry], configured: &Configured) -> Result<(Option<policy::Ending>, Vec<change::Change>), Failure> {
    let call = entries.iter().find_map(|entry| match recorded::read(&entry.body) {
        Read::Call(call) => Some(call),
        Read::Other | Read::Lacking { .. } => None,
    });
    let nothing = (None, Vec::new());
    let Some(call) = call.filter(|call| matches!(call.was, Was::Decided(policy::Ending::Refused(_)))) else { return Ok(nothing) };
    let Some((server, spoken)) = &call.target else { return Ok(nothing) };
    // Without a configuration that holds, what was is told all the same.
    let Ok(snapshot) = sources::snapshot(configured, SystemClock::new().utc()) else { return Ok(nothing) };
    let (circumstances, _) = call.circumstances();
    let arguments = match &call.given {
        Given::Whole(members) => Some(members),
        Given::Unkept(_) => None,
    };
    let facts = Facts::new(&call.principal, server, spoken.subject()).doing(call.action).situation(Situation::Is(circumstances));
    let facts = facts.arguments(arguments.map_or(Arguments::Any, Arguments::Are));
    let judged = judge(&facts, arguments, &snapshot, &configured.loaded.file);
    let found = match &judged.fault {
        None => Vec::new(),
        Some(fault) => change::narrowest(&Refused { facts, arguments, verdict: &judged.verdict, fault }, &snapshot, configured)?,
    };
    Ok((Some(judged.ending()), found))
}

fn id(call: &Value) -> &str {
    match member(call, "request") {
        "" => call.pointer("/records/0/id").and_then(Value::as_str).unwrap_or_default(),
        request => request,
    }
}

fn at<'a>(call: &'a Value, pointer: &str) -> &'a str {
    call.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Everything that is said, as data.
fn answer(call: &Value, configured: &Configured) -> Value {
    let code = Code::ALL.iter().find(|code| code.to_string() == at(call, "/decision/code"));
    let again = sources::policy(configured).ok().and_then(|engine| decide(call, &engine));
    // Every message is settled, so that says nothing about how far it came.
    let timed = |stage: &&str| *stage != "settle" && call.pointer(&format!("/latency/{stage}")).is_some();
    let passed: Vec<&str> = STAGES.into_iter().filter(timed).collect();
    json!({
        "reference": id(call),
        "verdict": at(call, "/decision/verdict"),
        "time": member(call, "time"),
        "agent": at(call, "/principal/agent"),
        "user": at(call, "/principal/user"),
        "session": at(call, "/session/id"),
        "server": member(call, "server"),
        "method": member(call, "method"),
        "tool": member(call, "tool"),
        "act": call.get("act"),
        "event": call.get("event"),
        "code": at(call, "/decision/code"),
        "control": at(call, "/decision/control"),
        "because": code.map(|code| because(*code, None)),
        "cause": at(call, "/detail/cause"),
        "reason": at(call, "/facts/reason"),
        "policies": call.pointer("/decision/policies"),
        "obligations": call.get("obligations"),
        "status": at(call, "/result/status"),
        "originals": originals(call, configured),
        "passed": passed,
        "sent": sent(call),
        "now": again.as_ref().map(|again| json!({ "decided": lines(again), "near": near(again), "roles": again.roles })),
        "next": code.map(|code| next(*code, call)),
        "records": call.get("records"),
    })
}

/// What was taken out of the answer because it tells of the machine behind the server, as it was; nothing where nothing was, or is kept no more.
fn originals(call: &Value, configured: &Configured) -> Value {
    let Ok(reference) = member(call, "request").parse::<CallId>() else { return Value::Null };
    match Withheld::at(configured.loaded.file.state.join(WITHHELD)).originals(reference) {
        Ok(originals) if originals.is_empty() => Value::Null,
        Ok(originals) => json!(originals),
        Err(cause) => json!([format!("(it cannot be read: {cause})")]),
    }
}

/// Whether anything left for the server: an intent stands in the log.
fn sent(call: &Value) -> bool {
    let records = call["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    records.iter().any(|record| member(record, "phase") == "intent" || member(record, "kind") == "intent")
}

/// What the person can do.
fn next(code: Code, call: &Value) -> String {
    let tool = match member(call, "server") {
        "" => plain(member(call, "tool"), 80),
        server => format!("{server}__{}", plain(member(call, "tool"), 80)),
    };
    let agent = at(call, "/principal/agent");
    match code {
        Code::Denied | Code::Unknown if tool.contains("__") => {
            format!("to see what would allow it: bastide explain --as agent:{agent} {tool}")
        }
        Code::Unknown => "no server offers this name; `bastide server list` shows what there is".to_owned(),
        Code::Killed => "bastide   shows what is stopped;  bastide release   lets go".to_owned(),
        Code::NotApproved | Code::PinChanged => "bastide lock".to_owned(),
        Code::LockUnverified => "bastide lock --check".to_owned(),
        Code::VaultAbsent | Code::VaultLocked | Code::SandboxUnavailable => "bastide doctor".to_owned(),
        Code::TokenInvalid | Code::TokenMissing | Code::TokenScope => "bastide token issue".to_owned(),
        _ => code.next().to_owned(),
    }
}

/// The decision as it would fall now, on what the record says that it read.
fn decide(call: &Value, engine: &policy::Engine) -> Option<Explanation> {
    let principal = Principal {
        agent: Name::new(at(call, "/principal/agent")).ok()?,
        user: Name::new(at(call, "/principal/user")).ok(),
        workload: Workload::Remote,
        authenticated: Authenticated::Token { id: TokenId::from_bits(0) },
    };
    let name = member(call, "tool");
    let (server, name) = match member(call, "server") {
        "" => name.split_once("__")?,
        server => (server, name),
    };
    let server = ServerName::new(server).ok()?;
    let subject = match member(call, "method") {
        "tools/call" => Subject::Tool(name),
        "prompts/get" => Subject::Prompt(name),
        "resources/read" => Subject::Resource(name),
        _ => return None,
    };
    let mut facts = Facts::new(&principal, &server, subject);
    facts.operation =
        [Operation::Read, Operation::Write, Operation::Delete].into_iter().find(|one| one.as_str() == member(call, "operation"));
    let labels = [Label::Public, Label::Internal, Label::Confidential, Label::Restricted];
    facts.label = labels.into_iter().find(|one| one.as_str() == at(call, "/facts/label"));
    Some(engine.explain(&facts))
}

/// The same for people.
fn said(answer: &Value) -> String {
    let mut out = String::new();
    let verdict = member(answer, "verdict");
    let what = match (member(answer, "server"), member(answer, "tool")) {
        ("", "") => member(answer, "method").to_owned(),
        ("", tool) => plain(tool, 120),
        (server, "") => format!("{server} {}", member(answer, "method")),
        (server, tool) => format!("{server}__{}", plain(tool, 120)),
    };
    if let Some(act) = answer.get("act").filter(|act| !act.is_null()) {
        let _ = writeln!(
            out,
            "{} {} by {} at {}",
            Mark::Note.sign(),
            member(act, "name"),
            plain(member(act, "operator"), 120),
            member(answer, "time")
        );
    } else {
        let sign = if verdict.is_empty() { Mark::Note.sign() } else { Mark::of_verdict(verdict).sign() };
        let word = if verdict.is_empty() { member(answer, "event") } else { verdict };
        let user = match member(answer, "user") {
            "" => String::new(),
            user => format!(", user {user}"),
        };
        let session = member(answer, "session");
        let _ = writeln!(
            out,
            "{sign} {word} at {}  {what}  agent {}{user}, session {session}",
            member(answer, "time"),
            member(answer, "agent")
        );
    }
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<9} {text}");
        }
    };
    if !member(answer, "code").is_empty() {
        line("because", &format!("{}: {}", member(answer, "code"), member(answer, "because")));
    }
    line("", &plain(member(answer, "cause"), 512));
    if verdict == "changed" || answer["obligations"].is_array() {
        let did =
            |one: &Value| format!("{} {} {}:{}", member(one, "action"), one["count"], member(one, "class"), plain(member(one, "kind"), 40));
        let list = answer["obligations"].as_array().map(Vec::as_slice).unwrap_or_default();
        line("changed", &list.iter().map(did).collect::<Vec<_>>().join(", "));
    }
    for original in answer["originals"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for (at, row) in original.as_str().unwrap_or_default().lines().take(40).enumerate() {
            line(if at == 0 { "original" } else { "" }, &plain(row, 200));
        }
    }
    let recorded = answer["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
    for rule in rules(answer, recorded) {
        line("rule", &rule);
    }
    if verdict == "refused" {
        for one in answer.pointer("/now/near").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().take(3) {
            line("near", &format!("{}   {}", super::line(one), member(one, "why")));
        }
    }
    let passed = answer["passed"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let (Some(last), false) = (passed.last().and_then(Value::as_str), verdict.is_empty()) {
        let sent = if answer["sent"] == true { "It was sent" } else { "Nothing was sent" };
        let status = member(answer, "status");
        line("checked", &format!("accept to {last}.  {sent}.  It ended: {status}"));
    }
    if member(answer, "today") == "allowed" {
        line("today", "the configuration as it is now allows it");
    }
    for (name, text) in change::rows(answer["changes"].as_array().map(Vec::as_slice).unwrap_or_default()) {
        line(name, &text);
    }
    if let Some(path) = answer["proposed"].as_str() {
        line("proposed", &format!("{} {path}", Mark::Good.sign()));
    }
    line("next", member(answer, "next"));
    let parts = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parts: Vec<String> =
        parts.iter().map(|part| format!("{} {} (index {})", member(part, "kind"), member(part, "id"), part["index"])).collect();
    line("record", &parts.join(", "));
    out
}

/// The lines that the record names: with their text where they stand in the configuration now.
fn rules(answer: &Value, recorded: &[Value]) -> Vec<String> {
    let now = answer.pointer("/now/decided").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown = |id: &Value| {
        let id = id.as_str().unwrap_or_default();
        match now.iter().find(|rule| member(rule, "id") == id) {
            Some(rule) => line(rule),
            None => format!("{id}   (the configuration does not decide by it now)"),
        }
    };
    recorded.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_people() {
        let answer = json!({
            "reference": "C-000000000001", "verdict": "refused", "time": "t", "agent": "codex", "user": "", "session": "S-1",
            "server": "ledger", "method": "tools/call", "tool": "query", "code": "access.deny-by-default/denied",
            "because": Code::Denied.message(), "policies": [], "passed": ["accept", "decide"], "sent": false, "status": "refused",
            "now": { "near": [{ "place": "bastide.yaml:9", "effect": "allow", "text": "get_*", "why": "it speaks of another name, 3 edits away" }] },
            "next": "ask", "records": [{ "index": 4, "id": "R-1", "kind": "decision" }],
        });
        let text = said(&answer);
        for part in [
            "refused at t  ledger__query  agent codex",
            "access.deny-by-default/denied",
            "bastide.yaml:9  allow get_*",
            "Nothing was sent",
            "R-1 (index 4)",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_peers_name_cannot_move_the_cursor() {
        let answer = json!({ "verdict": "refused", "server": "", "tool": "x\u{1b}[2J", "records": [] });
        assert!(!said(&answer).contains("\u{1b}[2J"));
    }
}
