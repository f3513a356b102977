//! What a configuration makes of a call: its rules, and its bounds of arguments, asked as the line asks them.

use super::explain::supposed::{Fault, fault, item, operation};
use super::recorded::{Given, Recorded};
use config::File;
use gateway::snapshot::{Item, Snapshot, Unpinned};
use policy::{Arguments, Decided, Ending, Explanation, Facts, Judgement, Situation, Spoken, Verdict};
use serde_json::{Map, Value};
use terms::{Code, ServerName};

/// What it comes to.
pub(super) struct Judged {
    /// What the rules say.
    pub(super) verdict: Verdict,
    /// Why it is refused.
    pub(super) fault: Option<Fault>,
    /// How far it was decided.
    pub(super) decided: Decided,
}

impl Judged {
    /// In what it ends.
    pub(super) const fn ending(&self) -> Ending {
        match (&self.fault, &self.verdict.judgement) {
            (None, _) => Ending::Allowed,
            (Some(Fault { code: Code::Denied, .. }), Judgement::Hold(_)) => Ending::Held,
            (Some(Fault { code, .. }), _) => Ending::Refused(*code),
        }
    }

    /// Why, in lines.
    pub(super) fn why(&self) -> Vec<String> {
        let detail = self.fault.as_ref().map(|fault| match &fault.detail {
            Some(detail) => format!("{}: {detail}", fault.code),
            None => fault.code.to_string(),
        });
        let rule = |rule: &std::sync::Arc<policy::Rule>| {
            let text = rule.text.lines().next().unwrap_or_default();
            format!("{}  {} {}", rule.place.short(), rule.effect.as_str(), crate::screen::plain(text, 80))
        };
        detail.into_iter().chain(self.verdict.rules.iter().take(2).map(rule)).collect()
    }
}

/// Asks `snapshot`, made of `file`, about `facts`, whose operation and label are filled in as they are known under it. Without `arguments` the rules decide alone.
pub(super) fn judge(facts: &Facts<'_>, arguments: Option<&Map<String, Value>>, snapshot: &Snapshot, file: &File) -> Judged {
    let spoken = match facts.subject {
        policy::Subject::Tool(name) => Spoken::Tool(name.to_owned()),
        policy::Subject::Prompt(name) => Spoken::Prompt(name.to_owned()),
        policy::Subject::Resource(uri) => Spoken::Resource(uri.to_owned()),
        policy::Subject::Method(method) => Spoken::Method(method),
        policy::Subject::Question(question) => Spoken::Question(question),
    };
    let Some(server) = snapshot.servers.get(facts.server) else {
        let fault = Some(Fault { detail: Some(format!("there is no server {}", facts.server)), ..Fault::of(Code::Unknown) });
        return Judged { verdict: snapshot.policy.suppose(facts), fault, decided: Decided::Wholly };
    };
    let mut facts = *facts;
    let recorded = facts.operation;
    let known = super::policy::known(file, facts.server, &spoken);
    (facts.operation, facts.label) = (known.operation, known.label);
    let closed = match &server.pinned {
        Ok(_) => None,
        Err(Unpinned::Unapproved | Unpinned::Unverified) => Some(Decided::RulesAlone),
        Err(Unpinned::Changed) => Some(Decided::Wholly),
    };
    let tool = match (&spoken, closed) {
        (Spoken::Tool(name), None) => Some(item(server, name)),
        _ => None,
    };
    let mut normal = None;
    if let Some(Ok(item)) = &tool {
        // A call that has no arguments on record is of the kind that stands there, where the configuration does not say one.
        let known = if arguments.is_some() { operation(item, arguments) } else { item.operation.or(recorded) };
        (facts.operation, facts.label) = (known, Some(item.label));
        normal = arguments.and_then(|arguments| normalised(item, arguments));
    }
    if let Some(normal) = &normal {
        facts.arguments = Arguments::Are(normal);
    }
    let verdict = snapshot.policy.suppose(&facts);
    let refused = |verdict: &Verdict| verdict.code().map(Fault::of);
    let gone = match (&spoken, &server.pinned) {
        (Spoken::Prompt(name), Ok(pinned)) => pinned.prompts.own(name).is_none(),
        _ => false,
    };
    let (fault, decided) = match (tool, closed, arguments) {
        (_, Some(Decided::Wholly), _) => (Some(Fault::of(Code::PinChanged)), Decided::Wholly),
        (_, Some(decided), _) => (refused(&verdict), decided),
        (Some(Err(code)), None, _) => (Some(Fault::of(code)), Decided::Wholly),
        (Some(Ok(item)), None, arguments) => {
            let explanation = Explanation { verdict: verdict.clone(), roles: Vec::new(), near: Vec::new() };
            let fault = fault(Ok(item), &explanation, arguments);
            // What the rules refuse is refused whatever the arguments are.
            let decided = if arguments.is_some() || fault.is_some() { Decided::Wholly } else { Decided::RulesAlone };
            (fault, decided)
        }
        (None, None, _) if gone => (Some(Fault::of(Code::Unknown)), Decided::Wholly),
        (None, None, _) => (refused(&verdict), Decided::Wholly),
    };
    Judged { verdict, fault, decided }
}

/// The arguments in the normal forms that guards give them, where all of them pass.
pub(super) fn normalised(item: &Item, arguments: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut normal = arguments.clone();
    for found in item.guards.judge(arguments, &guards::path::Lexical).ok()? {
        let form = match (arguments.get(&found.argument), found.judged.as_slice()) {
            (Some(Value::String(_)), [one]) => Value::String(one.normal.clone()),
            (Some(Value::Array(_)), many) => many.iter().map(|one| Value::String(one.normal.clone())).collect(),
            _ => continue,
        };
        normal.insert(found.argument, form);
    }
    Some(normal)
}

/// What a recorded call would come to, and what of it is not on record and would decide; `None` in the place of the first where nothing can be said.
pub(super) fn again(call: &Recorded, snapshot: &Snapshot, file: &File) -> (Option<Judged>, Option<String>) {
    let Some((server, spoken)) = &call.target else {
        let verdict = Verdict { judgement: Judgement::Refuse, reason: policy::Reason::NoRule, rules: std::sync::Arc::new([]), late: None };
        return (Some(Judged { verdict, fault: Some(Fault::of(Code::Unknown)), decided: Decided::Wholly }), None);
    };
    if let (Spoken::Resource(_), Given::Unkept(what)) = (spoken, &call.given) {
        return (None, Some((*what).to_owned()));
    }
    let (circumstances, missing) = call.circumstances();
    let ask = |server: &ServerName, situation: Situation<'_>, unknown: Arguments<'_>| {
        let whole = match &call.given {
            Given::Whole(members) => Some(members),
            Given::Unkept(_) => None,
        };
        let arguments = whole.map_or(unknown, Arguments::Are);
        let mut facts = Facts::new(&call.principal, server, spoken.subject()).doing(call.action).situation(situation).arguments(arguments);
        facts.operation = call.operation;
        judge(&facts, whole, snapshot, file)
    };
    let judged = ask(server, Situation::Is(circumstances), Arguments::Absent);
    let mut lacks: Vec<&str> = Vec::new();
    if !missing.is_empty() && ask(server, Situation::Any, Arguments::Absent).ending() != judged.ending() {
        lacks.extend(missing);
    }
    if let Given::Unkept(what) = &call.given {
        if ask(server, Situation::Is(circumstances), Arguments::Any).ending() != judged.ending() {
            lacks.push(what);
        } else if judged.decided == Decided::RulesAlone {
            return (Some(judged), Some((*what).to_owned()));
        }
    }
    if !lacks.is_empty() {
        return (None, Some(lacks.join(", ")));
    }
    let alone = (judged.decided == Decided::RulesAlone)
        .then(|| "what its server offers, which is not approved under this configuration".to_owned());
    (Some(judged), alone)
}
