//! The rules as sentences and as Cedar: two of the three forms of one rule.

use crate::role::Role;
use crate::rule::Origin;
use crate::{Effect, Engine, Pattern, ServerEntries};
use std::fmt::Write;

impl Engine {
    /// Each role as a paragraph of plain sentences, then what the Cedar files add.
    pub fn as_text(&self) -> String {
        let mut out = String::new();
        for role in &self.roles {
            let _ = writeln!(out, "{}", sentences(role));
        }
        let cedar: Vec<_> = self.rules.iter().filter(|compiled| compiled.rule.origin == Origin::Cedar).collect();
        for compiled in cedar {
            let rule = &compiled.rule;
            let verb = if rule.effect == Effect::Forbid { "forbids, whatever a role says" } else { "permits, beside the roles" };
            let about = compiled.policy.as_ref().and_then(|policy| policy.annotation("description")).unwrap_or("see the policy");
            let _ = writeln!(out, "{} ({}) {verb}: {about}.", rule.id, rule.place.short());
        }
        if out.is_empty() {
            out.push_str("There is no role and no policy: everything is refused.\n");
        }
        out
    }

    /// The compiled policies as Cedar text, each under a comment that says where it was written.
    pub fn as_cedar(&self) -> String {
        let mut out = String::new();
        for compiled in &self.rules {
            let rule = &compiled.rule;
            let waits = match rule.effect {
                Effect::Ask => "  waits for a person",
                Effect::Grant => "  closed until granted",
                Effect::Allow | Effect::Forbid => "",
            };
            let _ = writeln!(out, "// {}{waits}\n{}\n", rule.place.short(), compiled.cedar().trim());
        }
        out
    }

    /// The Cedar schema that the policies are written against: with the approved tools and what their arguments are.
    pub fn schema(&self) -> &str {
        self.model.text()
    }
}

fn sentences(role: &Role) -> String {
    let source = &role.source;
    let members: Vec<&str> = source.members.iter().map(|entry| entry.text.as_str()).collect();
    let who = if members.is_empty() { "nobody".to_owned() } else { list(&members, "and") };
    let mut clauses = Vec::new();
    if !source.allow.is_empty() {
        clauses.push(format!("may use {}", listed(&source.allow)));
    }
    if !source.ask.is_empty() {
        clauses.push(format!("asks a person for {}", listed(&source.ask)));
    }
    if !source.grant.is_empty() {
        clauses.push(format!("finds {} closed until granted", listed(&source.grant)));
    }
    let may = if clauses.is_empty() { "may use nothing".to_owned() } else { format!("{}; nothing else", clauses.join("; ")) };
    let mut text = format!("{} ({who}) {may}. It receives what is {} at most.", source.name, source.clearance.as_str());
    for (whose, quotas) in [("", &source.limits.each), (" for all of them together", &source.limits.together)] {
        if !quotas.is_empty() {
            let said: Vec<String> = quotas.iter().map(ToString::to_string).collect();
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            let _ = write!(text, " It has at most {}{whose}.", list(&said, "and"));
        }
    }
    if let Some(most) = source.limits.repeats {
        let _ = write!(text, " Of calls that hardly differ, a session makes at most {most} within ten minutes.");
    }
    text
}

fn listed(lists: &[ServerEntries]) -> String {
    let parts = lists.iter().filter(|list| !list.entries.is_empty()).map(|of| {
        let things: Vec<String> = of.entries.iter().map(|entry| thing(&entry.text)).collect();
        let things: Vec<&str> = things.iter().map(String::as_str).collect();
        format!("{} on {}", list(&things, "and"), of.server)
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn thing(entry: &str) -> String {
    match Pattern::new(entry) {
        Ok(Pattern::Everything) => "everything".to_owned(),
        Ok(Pattern::Kind(kind, glob)) if glob.as_str() == "*" => format!("all that {}", verb(kind)),
        Ok(Pattern::Kind(kind, glob)) => format!("{glob} as far as it {}", verb(kind)),
        Ok(Pattern::Prompt(glob)) if glob.as_str() == "*" => "all prompts".to_owned(),
        Ok(Pattern::Prompt(glob)) => format!("the prompts {glob}"),
        Ok(Pattern::Resource(glob)) if glob.as_str() == "*" => "all resources".to_owned(),
        Ok(Pattern::Resource(glob)) => format!("the resources {glob}"),
        Ok(Pattern::Question(question)) => format!("{} questions", question.as_str()),
        Ok(Pattern::Tool(_)) | Err(_) => entry.to_owned(),
    }
}

const fn verb(kind: terms::Operation) -> &'static str {
    match kind {
        terms::Operation::Read => "reads",
        terms::Operation::Write => "writes",
        terms::Operation::Delete => "deletes",
    }
}

fn list(things: &[&str], word: &str) -> String {
    match things {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} {word} {last}", head.join(", ")),
    }
}
