//! A call that never was: decided as the gateway would, as far as that can be told without making it.

use super::change::{self, Refused};
use super::{Proposal, line, lines, near};
use crate::host::SystemClock;
use crate::outcome::{Common, Failure, NO};
use crate::screen::{Mark, plain};
use crate::sources;
use crate::verb::judge::normalised;
use crate::verb::member;
use crate::verb::proposal::because;
use crate::wire::Configured;
use config::{Case, Expect, File};
use gateway::snapshot::{Item, Server, Snapshot, Unpinned};
use policy::{Arguments, Circumstances, Explanation, Facts, Judgement, Situation, Spoken, Subject, Transport};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use terms::{Authenticated, Clock as _, Code, Name, Operation, Principal, ServerName, TokenId, Workload};

/// What cannot be told without the call.
const UNCHECKED: [&str; 4] =
    ["what the screens find in the arguments and in the result", "rate limits", "kills in force", "what a token narrows its holder to"];

/// Decides `tool` for `agent`, and says by which line.
pub(super) fn run(
    (agent, user): (&Name, Option<&Name>),
    (tool, arguments): (&str, Option<&str>),
    proposal: &Proposal<'_>,
    configured: &Configured,
    common: &Common,
) -> Result<ExitCode, Failure> {
    let snapshot = sources::snapshot(configured, SystemClock::new().utc())?;
    let (server, name) = split(tool, &snapshot)?;
    let arguments = match arguments {
        None => None,
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Some(members),
            Ok(_) | Err(_) => return Err(Failure::usage("the arguments are not one JSON object")),
        },
    };
    let principal = principal(agent, user);
    let item = item(server, name);
    let mut facts = Facts::new(&principal, &server.name, Subject::Tool(name));
    let mut normal = None;
    if let Ok(item) = &item {
        facts.operation = operation(item, arguments.as_ref());
        facts.label = Some(item.label);
        normal = arguments.as_ref().and_then(|arguments| normalised(item, arguments));
    }
    // Of arguments that nobody gave, what would be allowed for some is told.
    facts.arguments = normal.as_ref().or(arguments.as_ref()).map_or(Arguments::Any, Arguments::Are);
    let now = Circumstances { at: Some(SystemClock::new().utc()), transport: Some(Transport::Http), ..Circumstances::UNKNOWN };
    facts.situation = Situation::Is(now);
    let explanation = snapshot.policy.explain(&facts);
    let depends = snapshot.policy.suppose(&facts.situation(Situation::Any)).judgement != explanation.verdict.judgement;
    let fault = fault(item, &explanation, arguments.as_ref());
    let changes = match &fault {
        None => Vec::new(),
        Some(fault) => {
            let refused = Refused { facts, arguments: arguments.as_ref(), verdict: &explanation.verdict, fault };
            change::narrowest(&refused, &snapshot, configured)?
        }
    };
    let next = proposal.settle(&changes, configured)?;
    let mut answer = answer(&principal, server, name, &explanation, fault.as_ref(), arguments.is_some());
    if let (true, Some(list)) = (depends, answer["not_checked"].as_array_mut()) {
        list.insert(0, json!("the client's name, its address, the hour and the session's length, on which it depends"));
    }
    if let Some(object) = answer.as_object_mut() {
        object.insert("changes".to_owned(), Value::Array(change::shown(&changes, configured)));
        object.insert("proposed".to_owned(), json!(proposal.file));
        let own = object.get("next").and_then(Value::as_str).and_then(|text| text.strip_prefix("bastide "));
        let next = next.or_else(|| own.map(|verb| super::proposal::command(verb, common)));
        if let Some(next) = next {
            object.insert("next".to_owned(), json!(next));
        }
    }
    common.answer(&answer, said)?;
    Ok(if fault.is_none() || proposal.file.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// Which kind of operation the call is, as far as its arguments tell.
pub(in crate::verb) fn operation(item: &Item, arguments: Option<&Map<String, Value>>) -> Option<Operation> {
    arguments.and_then(|arguments| item.operation_of(arguments).ok()).unwrap_or(item.operation)
}

/// The server and its own name of the tool.
fn split<'a>(tool: &'a str, snapshot: &'a Snapshot) -> Result<(&'a Server, &'a str), Failure> {
    let wrong = || Failure::usage(format!("`{}` is not written server__tool", plain(tool, 80)));
    let (server, name) = tool.split_once("__").filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
    let known = ServerName::new(server).ok().and_then(|server| snapshot.servers.get(&server));
    let known = known.ok_or_else(|| Failure::usage(format!("there is no server `{}`", plain(server, 40))).next("bastide server list"))?;
    Ok((known, name))
}

/// The approved tool, or why there is none that may be used.
pub(in crate::verb) fn item<'a>(server: &'a Server, name: &str) -> Result<&'a Arc<Item>, Code> {
    match &server.pinned {
        Err(Unpinned::Unapproved) => Err(Code::NotApproved),
        Err(Unpinned::Unverified) => Err(Code::LockUnverified),
        Err(Unpinned::Changed) => Err(Code::PinChanged),
        Ok(pinned) => pinned.tools.own(name).or_else(|| pinned.tools.shown(&format!("{}__{name}", server.name))).ok_or(Code::Unknown),
    }
}

/// Why it would be refused.
pub(in crate::verb) struct Fault {
    /// As what.
    pub(in crate::verb) code: Code,
    /// What of the schema or of the guard.
    pub(in crate::verb) detail: Option<String>,
    /// Which argument.
    pub(in crate::verb) argument: Option<String>,
}

impl Fault {
    /// What there is no more to say of.
    pub(in crate::verb) const fn of(code: Code) -> Self {
        Self { code, detail: None, argument: None }
    }

    /// What does not hold of the argument at `pointer`.
    fn at(code: Code, what: impl std::fmt::Display, pointer: &str) -> Self {
        let argument = pointer.split('/').nth(1).filter(|name| !name.is_empty()).map(str::to_owned);
        Self { code, detail: Some(format!("{what} at `{pointer}`")), argument }
    }
}

/// An expected decision beside what would be decided.
pub(in crate::verb) struct Supposed {
    /// What the rules say.
    pub(in crate::verb) explanation: Explanation,
    /// Why it would be refused.
    pub(in crate::verb) fault: Option<Fault>,
    /// Whether nothing is approved of the server, so that the rules alone were asked.
    pub(in crate::verb) rules_alone: bool,
}

impl Supposed {
    /// Decides `case`. Of a server that nothing is approved of, such as in a check without the state folder, the rules decide alone.
    pub(in crate::verb) fn decide(case: &Case, snapshot: &Snapshot, file: &File) -> Self {
        let principal = principal(&case.caller.0, case.user.as_ref());
        let tool = case.call.tool.as_str();
        let mut facts = Facts::new(&principal, &case.call.server, Subject::Tool(tool));
        let known = super::super::policy::known(file, &case.call.server, &Spoken::Tool(tool.to_owned()));
        (facts.operation, facts.label) = (known.operation, known.label);
        let Some(server) = snapshot.servers.get(&case.call.server) else {
            let fault = Some(Fault { detail: Some(format!("there is no server {}", case.call.server)), ..Fault::of(Code::Unknown) });
            return Self { explanation: snapshot.policy.explain(&facts), fault, rules_alone: false };
        };
        let item = item(server, tool);
        let arguments = case.arguments.as_ref().map(|members| members.clone().into_iter().collect::<Map<_, _>>());
        if let Ok(item) = &item {
            (facts.operation, facts.label) = (operation(item, arguments.as_ref()), Some(item.label));
        }
        let explanation = snapshot.policy.explain(&facts);
        let rules_alone = matches!(&server.pinned, Err(Unpinned::Unapproved | Unpinned::Unverified));
        let fault = if rules_alone { explanation.verdict.code().map(Fault::of) } else { fault(item, &explanation, arguments.as_ref()) };
        Self { explanation, fault, rules_alone }
    }

    /// In what it would end.
    pub(in crate::verb) const fn outcome(&self) -> Expect {
        match (&self.fault, &self.explanation.verdict.judgement) {
            (None, _) => Expect::Allow,
            (Some(Fault { code: Code::Denied, .. }), Judgement::Hold(_)) => Expect::Hold,
            (Some(_), _) => Expect::Refuse,
        }
    }

    /// The code of a refusal.
    pub(in crate::verb) fn code(&self) -> Option<Code> {
        self.fault.as_ref().map(|fault| fault.code)
    }
}

fn principal(agent: &Name, user: Option<&Name>) -> Principal {
    Principal {
        agent: agent.clone(),
        user: user.cloned(),
        workload: Workload::Remote,
        authenticated: Authenticated::Token { id: TokenId::from_bits(0) },
    }
}

/// The first fault in the order of the line: what is not visible does not exist, then the arguments, then the decision.
pub(in crate::verb) fn fault(
    item: Result<&Arc<Item>, Code>,
    explanation: &Explanation,
    arguments: Option<&Map<String, Value>>,
) -> Option<Fault> {
    let item = match item {
        Ok(item) => item,
        Err(code) => return Some(Fault::of(code)),
    };
    if let Some(code) = explanation.verdict.code() {
        return Some(Fault::of(code));
    }
    let arguments = arguments?;
    let value = Value::Object(arguments.clone());
    match &item.input {
        Some(Err(cause)) => return Some(Fault { detail: Some(cause.clone()), ..Fault::of(Code::SchemaFault) }),
        Some(Ok(schema)) => {
            if let Err(mismatch) = schema.check(&value) {
                return Some(Fault::at(Code::ArgumentMismatch, mismatch.keyword, &mismatch.pointer));
            }
        }
        None => {}
    }
    if let Err(mismatch) = item.constraints.check(arguments) {
        return Some(Fault::at(Code::ArgumentConstraint, mismatch.keyword, &mismatch.pointer));
    }
    if let Err(smuggled) = item.declared.check(arguments) {
        return Some(Fault::at(smuggled.reason.code(), smuggled.reason.sentence(), &smuggled.pointer));
    }
    let Err(refused) = item.guards.judge(arguments, &guards::path::Lexical) else {
        return item.operation_of(arguments).err().map(Fault::of);
    };
    Some(Fault { detail: Some(refused.1.to_string()), argument: Some(refused.0), ..Fault::of(refused.1.reason.code()) })
}

fn answer(principal: &Principal, server: &Server, name: &str, explanation: &Explanation, fault: Option<&Fault>, arguments: bool) -> Value {
    let mut unchecked: Vec<&str> = UNCHECKED.to_vec();
    if !arguments {
        unchecked.insert(0, "the arguments: none were given");
    }
    json!({
        "allowed": fault.is_none(),
        "agent": principal.agent,
        "user": principal.user,
        "server": server.name,
        "tool": name,
        "package": package(server),
        "roles": explanation.roles,
        "code": fault.map(|fault| fault.code),
        "control": fault.map(|fault| fault.code.control().id()),
        "because": fault.map(|fault| because(fault.code, fault.argument.as_deref())),
        "detail": fault.and_then(|fault| fault.detail.as_deref()),
        "next": fault.map(|fault| next(fault.code, principal, server, name, explanation)),
        "decided": lines(explanation),
        "near": near(explanation),
        "not_checked": unchecked,
    })
}

/// The package that would be started, by registry, name and version.
fn package(server: &Server) -> Option<String> {
    match server.pinned.as_ref().map(|pinned| &pinned.pin.content) {
        Ok(supply::Content::Package(package)) => {
            Some(supply::visible(&format!("{} {} {}", package.registry, package.name, package.version)))
        }
        Ok(_) | Err(_) => None,
    }
}

/// The narrowest change that would alter it: one exact name, in a role that the caller has.
fn next(code: Code, principal: &Principal, server: &Server, name: &str, explanation: &Explanation) -> String {
    let server = &server.name;
    let name = plain(name, 120);
    match (code, explanation.roles.first()) {
        (Code::Denied, _) if explanation.verdict.reason == policy::Reason::Forbidden => {
            let rule = explanation.verdict.rules.first().map(|rule| rule.place.short()).unwrap_or_default();
            format!("no role allows what {rule} forbids: that policy is to be changed by hand")
        }
        (Code::Denied, Some(role)) => format!("add \"{name}\" to allow.{server} of the role {role}, by hand"),
        (Code::Denied, None) => format!("make agent:{} a member of a role that has allow: {{ {server}: [\"{name}\"] }}", principal.agent),
        (Code::ArgumentMismatch, _) => "no line of the configuration alters it: send what the tool accepts".to_owned(),
        (Code::NotApproved | Code::PinChanged, _) => "bastide lock".to_owned(),
        (Code::LockUnverified, _) => "bastide lock --check".to_owned(),
        (Code::Unknown, _) => format!("bastide server show {server}"),
        (code, _) => code.next().to_owned(),
    }
}

fn said(answer: &Value) -> String {
    let allowed = answer["allowed"] == true;
    let (sign, word) = if allowed { (Mark::Good.sign(), "would be allowed") } else { (Mark::Bad.sign(), "would be refused") };
    let mut out =
        format!("{sign} {word}  {}__{}  agent {}", member(answer, "server"), plain(member(answer, "tool"), 120), member(answer, "agent"));
    if !member(answer, "user").is_empty() {
        let _ = write!(out, ", user {}", member(answer, "user"));
    }
    out.push('\n');
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {name:<12} {text}");
        }
    };
    if !allowed {
        row("because", &format!("{}: {}", member(answer, "code"), member(answer, "because")));
        row("", member(answer, "detail"));
    }
    let roles = super::super::joined(answer, "roles");
    row("package", member(answer, "package"));
    row("roles", if roles.is_empty() { "none" } else { &roles });
    for rule in answer["decided"].as_array().map(Vec::as_slice).unwrap_or_default() {
        row("decided by", &line(rule));
    }
    if !allowed {
        for one in answer["near"].as_array().map(Vec::as_slice).unwrap_or_default().iter().take(3) {
            row("near", &format!("{}   {}", line(one), member(one, "why")));
        }
        for (name, text) in change::rows(answer["changes"].as_array().map(Vec::as_slice).unwrap_or_default()) {
            row(name, &text);
        }
        if let Some(path) = answer["proposed"].as_str() {
            row("proposed", &format!("{} {path}", Mark::Good.sign()));
        }
        row("next", member(answer, "next"));
    }
    row("not checked", &super::super::joined(answer, "not_checked"));
    out
}
