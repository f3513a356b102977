//! The narrowest change that alters a refusal: candidates are put into the text of the configuration, compiled, and asked again; what else each opens is told by
//! comparing the rules before and after.

use super::super::judge::judge;
use super::super::{policy as rules, proposal};
use super::supposed::{Fault, operation};
use crate::host::SystemClock;
use crate::outcome::Failure;
use crate::screen::plain;
use crate::sources;
use crate::wire::Configured;
use config::{Edited, Put, ToolKey};
use gateway::snapshot::{Item, Snapshot};
use policy::{Direction, Ending, Facts, Reason, Side, Spoken, Subject, Verdict};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use terms::{Clock as _, Code, Label, Name};

/// The most changes that are shown.
const SHOWN: usize = 3;
/// The most changes that are tried.
const TRIED: usize = 24;
/// How many of the decisions that a change opens beside the one are told.
const TOLD: usize = 4;

/// A call that is refused.
pub(super) struct Refused<'a> {
    /// What is asked of the rules.
    pub(super) facts: Facts<'a>,
    /// Its arguments, where they are known.
    pub(super) arguments: Option<&'a Map<String, Value>>,
    /// What the rules say.
    pub(super) verdict: &'a Verdict,
    /// As what it is refused.
    pub(super) fault: &'a Fault,
}

/// A change under which the call is allowed.
pub(super) struct Change {
    /// In words.
    pub(super) what: String,
    /// The text with it.
    pub(super) edited: Edited,
    /// What it opens beside the call, in words.
    pub(super) opens: Vec<String>,
    /// How many decisions it opens beside it.
    pub(super) count: usize,
}

/// A change that is to be tried.
struct Candidate {
    what: String,
    changes: Vec<(Vec<String>, Put)>,
    /// What it opens that no comparison of rules shows.
    opens: Option<String>,
}

impl Candidate {
    fn new(what: String, path: &[&str], put: Put) -> Self {
        Self { what, changes: vec![(path.iter().map(|key| (*key).to_owned()).collect(), put)], opens: None }
    }

    fn opening(mut self, words: String) -> Self {
        self.opens = Some(words);
        self
    }
}

/// The changes that allow it, the one that opens least first. None where no line of the configuration alters it.
///
/// # Errors
/// [`Failure`] when the configuration cannot be read.
pub(super) fn narrowest(call: &Refused<'_>, snapshot: &Snapshot, configured: &Configured) -> Result<Vec<Change>, Failure> {
    let text = proposal::text(configured)?;
    let now = SystemClock::new().utc();
    let mut found = Vec::new();
    for candidate in candidates(call, snapshot, configured).into_iter().take(TRIED) {
        let Some(edited) = proposal::edited(&text, &candidate.changes) else { continue };
        // What does not load, or does not allow it, is no change to speak of.
        let Ok(amended) = proposal::with(configured, &edited.text) else { continue };
        let Ok(after) = sources::snapshot(&amended, now) else { continue };
        if judge(&call.facts, call.arguments, &after, &amended.loaded.file).ending() != Ending::Allowed {
            continue;
        }
        let (mut opens, count) = opened(call, (snapshot, configured), (&after, &amended));
        opens.extend(candidate.opens.clone());
        let count = count + usize::from(candidate.opens.is_some());
        found.push(Change { what: candidate.what, edited, opens, count });
    }
    found.sort_by_key(|change| (change.count, change.edited.after.len() + change.edited.before.len()));
    found.truncate(SHOWN);
    Ok(found)
}

/// What is let in beside the call.
fn opened(call: &Refused<'_>, old: (&Snapshot, &Configured), new: (&Snapshot, &Configured)) -> (Vec<String>, usize) {
    let inventory = sources::inventory(new.1);
    let space = old.0.policy.space(&inventory).and(new.0.policy.space(&inventory));
    let (before, after) = (&old.1.loaded.file, &new.1.loaded.file);
    let known = (
        |server: &terms::ServerName, subject: &Spoken| rules::known(before, server, subject),
        |server: &terms::ServerName, subject: &Spoken| rules::known(after, server, subject),
    );
    let sides = (Side { engine: &old.0.policy, known: &known.0 }, Side { engine: &new.0.policy, known: &known.1 });
    let Ok(found) = policy::diff(&sides.0, &sides.1, &space) else {
        return (vec!["more principals than can be compared: `bastide policy diff` cannot tell".to_owned()], usize::MAX / 2);
    };
    let asked = call.facts.principal;
    let mut lines = Vec::new();
    let mut count = 0;
    for change in found.changes.iter().filter(|change| change.direction == Direction::Wider) {
        let is_it =
            change.server == *call.facts.server && change.subject.subject() == call.facts.subject && change.action == call.facts.action;
        let who: Vec<_> = change.who.iter().filter(|one| !(is_it && one.agent == asked.agent && one.user == asked.user)).cloned().collect();
        if !who.is_empty() {
            count += who.len();
            let name = plain(change.subject.subject().name(), 80);
            lines.push(format!(
                "{} may {} {name} of {}",
                rules::named(&who, &space),
                rules::word(change.action, &change.subject),
                change.server
            ));
        }
    }
    if lines.len() > TOLD {
        let more = lines.len() - TOLD;
        lines.truncate(TOLD);
        lines.push(format!("and {more} more"));
    }
    (lines, count)
}

fn candidates(call: &Refused<'_>, snapshot: &Snapshot, configured: &Configured) -> Vec<Candidate> {
    match call.fault.code {
        Code::Denied | Code::Hours | Code::Arguments | Code::OperationDenied => denied(call, snapshot, configured),
        Code::Clearance => cleared(call, snapshot, configured),
        _ => match (call.facts.subject, call.arguments) {
            (Subject::Tool(name), Some(arguments)) => {
                let item = snapshot.servers.get(call.facts.server).and_then(|server| server.pinned.as_ref().ok()?.tools.own(name));
                item.map(|item| bounded(call, item, arguments, configured)).unwrap_or_default()
            }
            _ => Vec::new(),
        },
    }
}

/// The entry that names what was asked for, and nothing else.
fn entry(call: &Refused<'_>, snapshot: &Snapshot) -> Option<String> {
    let text = match call.facts.subject {
        Subject::Tool(name) if call.fault.code == Code::OperationDenied => {
            let item = snapshot.servers.get(call.facts.server)?.pinned.as_ref().ok()?.tools.own(name)?;
            format!("{}:{name}", operation(item, call.arguments)?.as_str())
        }
        Subject::Tool(name) => name.to_owned(),
        Subject::Prompt(name) => format!("prompt:{name}"),
        Subject::Resource(uri) => format!("resource:{uri}"),
        Subject::Question(question) => format!("question:{}", question.as_str()),
        Subject::Method(_) => return None,
    };
    (!text.contains('*')).then_some(text)
}

fn denied(call: &Refused<'_>, snapshot: &Snapshot, configured: &Configured) -> Vec<Candidate> {
    // What a Cedar policy forbids, no role allows.
    if call.verdict.reason == Reason::Forbidden {
        return Vec::new();
    }
    let Some(entry) = entry(call, snapshot) else { return Vec::new() };
    let principal = call.facts.principal;
    let server = call.facts.server.as_str();
    let mut all = Vec::new();
    for role in snapshot.policy.roles_of(principal) {
        let what = format!("the role {role} allows it");
        all.push(Candidate::new(what, &["roles", role.as_str(), "allow", server], Put::Entry(config::scalar(&entry))));
    }
    all.extend(own(call, snapshot, configured, label(call, snapshot)));
    let members = std::iter::once(format!("agent:{}", principal.agent)).chain(principal.user.iter().map(|user| format!("user:{user}")));
    for member in members {
        for role in configured.loaded.file.roles.keys() {
            let what = format!("{member} gets the role {role}");
            all.push(Candidate::new(what, &["roles", role.as_str(), "members"], Put::Entry(config::scalar(&member))));
        }
    }
    all
}

/// The label of what it returns.
fn label(call: &Refused<'_>, snapshot: &Snapshot) -> Label {
    let Some(server) = snapshot.servers.get(call.facts.server) else { return Label::default() };
    let own = match (call.facts.subject, &server.pinned) {
        (Subject::Tool(name), Ok(pinned)) => pinned.tools.own(name).map(|item| item.label),
        _ => None,
    };
    own.unwrap_or(server.label)
}

/// A role of the principal's own for this one thing.
fn own(call: &Refused<'_>, snapshot: &Snapshot, configured: &Configured, clearance: Label) -> Option<Candidate> {
    let principal = call.facts.principal;
    let roles = &configured.loaded.file.roles;
    let stem = principal.agent.as_str();
    let names = [stem.to_owned(), format!("{stem}-more")].into_iter().chain((2..100).map(|at| format!("{stem}-more-{at}")));
    let name = names.filter_map(|name| Name::new(&name).ok()).find(|name| !roles.contains_key(name))?;
    let entry = entry(call, snapshot)?;
    let value = format!(
        "{{ members: [{}], clearance: {}, allow: {{ {}: [{}] }} }}",
        config::scalar(&format!("agent:{stem}")),
        clearance.as_str(),
        call.facts.server,
        config::scalar(&entry)
    );
    Some(Candidate::new(format!("a role {name} for this alone"), &["roles", name.as_str()], Put::Value(value)))
}

fn cleared(call: &Refused<'_>, snapshot: &Snapshot, configured: &Configured) -> Vec<Candidate> {
    let Reason::Clearance { label, clearance } = call.verdict.reason else { return Vec::new() };
    let mut all: Vec<Candidate> = own(call, snapshot, configured, label).into_iter().collect();
    if let Subject::Tool(name) = call.facts.subject {
        let key = ToolKey { server: call.facts.server.clone(), tool: name.to_owned() }.to_string();
        let what = format!("what {key} returns is labelled {}", clearance.as_str());
        let put = Put::Value(clearance.as_str().to_owned());
        let careful = format!("what it returns goes wherever {} may go: the label is a promise about it", clearance.as_str());
        all.push(Candidate::new(what, &["tools", &key, "result", "label"], put).opening(careful));
    }
    for role in snapshot.policy.roles_of(call.facts.principal) {
        let what = format!("the role {role} is cleared for {}", label.as_str());
        all.push(Candidate::new(what, &["roles", role.as_str(), "clearance"], Put::Value(label.as_str().to_owned())));
    }
    all
}

/// Bounds and guards of an argument, widened to let this value in.
fn bounded(call: &Refused<'_>, item: &Item, arguments: &Map<String, Value>, configured: &Configured) -> Vec<Candidate> {
    let key = ToolKey { server: call.facts.server.clone(), tool: item.name.clone() };
    let spelled = key.to_string();
    let put = |argument: &str, word: &str, put: Put, what: String, opens: String| {
        Candidate::new(what, &["tools", &spelled, "arguments", argument, word], put).opening(opens)
    };
    let everyone = format!("for everyone who may call {spelled}");
    match call.fault.code {
        Code::ArgumentConstraint => {
            let Err(mismatch) = item.constraints.check(arguments) else { return Vec::new() };
            let argument = mismatch.pointer.trim_start_matches('/').to_owned();
            let Some(value) = arguments.get(&argument) else { return Vec::new() };
            let word = mismatch.keyword.to_string();
            let length = value.as_str().map(|text| text.chars().count().to_string());
            let number = value.as_number().map(ToString::to_string);
            let bound = match word.as_str() {
                "maxLength" | "minLength" => length.map(|length| (Put::Value(length.clone()), length)),
                "maximum" | "minimum" => number.map(|number| (Put::Value(number.clone()), number)),
                "enum" => value.as_str().map(|text| (Put::Entry(config::scalar(text)), plain(text, 40))),
                _ => None,
            };
            let Some((new, shown)) = bound else { return Vec::new() };
            let what = format!("{word} of `{}` {} {shown}", plain(&argument, 60), if word == "enum" { "names" } else { "is" });
            vec![put(&argument, &word, new, what, format!("every value within that, {everyone}"))]
        }
        Code::DatabaseStatement => {
            let Err((argument, _)) = item.guards.judge(arguments, &guards::path::Lexical) else { return Vec::new() };
            let what = format!("mode of `{}` is read-write", plain(&argument, 60));
            let opens = format!("inserting, changing and deleting rows of the tables that it names, {everyone}");
            vec![put(&argument, "mode", Put::Value("read-write".to_owned()), what, opens)]
        }
        Code::FilesOutside | Code::HttpHost | Code::ProcessProgram | Code::DatabaseTable | Code::DatabaseFunction => {
            let Err((argument, _)) = item.guards.judge(arguments, &guards::path::Lexical) else { return Vec::new() };
            let Some(value) = arguments.get(&argument).and_then(Value::as_str) else { return Vec::new() };
            let tool = configured.loaded.file.tools.get(&key);
            if tool.is_none_or(|tool| !tool.arguments.contains_key(&argument)) {
                return Vec::new();
            }
            let (word, values): (&str, Vec<String>) = match call.fault.code {
                Code::FilesOutside => ("roots", folders(value)),
                Code::HttpHost => ("allow_hosts", host(value).into_iter().collect()),
                Code::DatabaseTable => ("tables", names(value).map(|(name, _)| name.to_owned()).collect()),
                Code::DatabaseFunction => (
                    "functions",
                    names(value).filter(|(_, rest)| rest.starts_with('(')).map(|(name, _)| name.to_ascii_lowercase()).collect(),
                ),
                _ => ("allowed", value.split_whitespace().next().map(str::to_owned).into_iter().collect()),
            };
            let each = |value: String| {
                let within = match word {
                    "roots" => format!("everything below {}", plain(&value, 80)),
                    "allow_hosts" => format!("every path of {}", plain(&value, 80)),
                    "tables" => format!("every row and column of {}", plain(&value, 80)),
                    "functions" => format!("whatever {} does", plain(&value, 80)),
                    _ => format!("{} with every option that the guard lets through", plain(&value, 80)),
                };
                let what = format!("{word} of `{}` names {}", plain(&argument, 60), plain(&value, 80));
                put(&argument, word, Put::Entry(config::scalar(&value)), what, format!("{within}, {everyone}"))
            };
            values.into_iter().map(each).collect()
        }
        _ => Vec::new(),
    }
}

/// The path itself, then the folder that it is in.
fn folders(path: &str) -> Vec<String> {
    let path = PathBuf::from(path);
    let known = |path: &std::path::Path| (path.is_absolute() && path.parent().is_some()).then(|| path.display().to_string());
    [known(&path), path.parent().and_then(known)].into_iter().flatten().collect()
}

/// The names in a statement, each with what stands behind it. Which of them is meant is found by asking again.
fn names(sql: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_of_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    let mut rest = sql;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|letter: char| !is_of_name(letter));
        let (name, behind) = rest.split_at(rest.find(|letter: char| !is_of_name(letter)).unwrap_or(rest.len()));
        rest = behind;
        (!name.is_empty()).then_some((name, behind.trim_start()))
    })
}

/// The host of a URL, where it is plainly there.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    is_plain.then(|| host.to_ascii_lowercase())
}

/// The changes as data.
pub(super) fn shown(changes: &[Change], configured: &Configured) -> Vec<Value> {
    let one = |change: &Change| {
        json!({
            "change": change.what,
            "place": format!("{}:{}", configured.name(), change.edited.line),
            "before": change.edited.before,
            "after": change.edited.after,
            "opens": change.opens,
            "opens_decisions": change.count,
        })
    };
    changes.iter().map(one).collect()
}

/// The rows of a change list, as name and text.
pub(super) fn rows(changes: &[Value]) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let texts = |one: &Value, key: &str| -> Vec<String> {
        let list = one.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(|text| plain(text, 200)).collect()
    };
    for (at, one) in changes.iter().enumerate() {
        let name = if at == 0 { "to allow" } else { "or" };
        rows.push((name, format!("{}  {}", super::super::member(one, "place"), plain(super::super::member(one, "change"), 160))));
        rows.extend(texts(one, "before").into_iter().map(|line| ("", format!("- {line}"))));
        rows.extend(texts(one, "after").into_iter().map(|line| ("", format!("+ {line}"))));
        let opens = texts(one, "opens");
        match opens.as_slice() {
            [] => rows.push(("", "opens nothing else".to_owned())),
            lines => rows.extend(lines.iter().map(|line| ("", format!("also opens: {line}")))),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_taken_where_it_is_plain() {
        assert_eq!(host("https://Api.Example.com:443/x?y").as_deref(), Some("api.example.com"));
        for odd in ["https://a@b/", "https://[::1]/", "x", "https:///"] {
            assert_eq!(host(odd), None, "{odd}");
        }
        assert_eq!(folders("/data/a/b"), ["/data/a/b", "/data/a"]);
        assert_eq!(folders("a/b"), Vec::<String>::new());
        assert_eq!(folders("/a"), ["/a"]);
    }
}
