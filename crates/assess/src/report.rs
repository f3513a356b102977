//! The assessment as JSON, and what every print of it says.

use crate::{Assessment, Catalogue, Evidence, Level};
use serde_json::{Map, Value, json};
use terms::{Priority, Utc};

/// What a level belongs to.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The version of the gateway.
    pub version: String,
    /// The configuration file.
    pub configuration: String,
    /// SHA-256 of its bytes, hexadecimal; empty when it could not be read.
    pub digest: String,
    /// How many people may stop it.
    pub people: usize,
    /// When the assessment began.
    pub began: Utc,
    /// When it was complete.
    pub ended: Utc,
}

/// People that the kill switch needs, and with it level 3.
const CREW: usize = 3;

impl Scope {
    /// What to say before the level is read: what no configuration of this scope can reach.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.people < CREW {
            let who = match self.people {
                0 => "nobody is".to_owned(),
                1 => "one person is".to_owned(),
                some => format!("{some} people are"),
            };
            notes.push(format!("{who} named who may stop everything; level 3 takes {CREW}, so {} is the most for now", Level::Managed));
        }
        notes
    }
}

/// The assessment as `{level, controls: [{id, outcome, evidence}], …}`, only those of `controls` that `wanted` means.
///
/// Levels and sums are always those of the whole. It says which control holds, on what evidence, and which criteria that evidence supports.
pub fn json(assessment: &Assessment, catalogue: &Catalogue, scope: &Scope, wanted: impl Fn(&Evidence) -> bool) -> Value {
    let controls: Vec<Value> =
        assessment.evidence.iter().filter(|evidence| wanted(evidence)).map(|evidence| control(evidence, catalogue)).collect();
    let groups: Map<String, Value> = assessment.groups.iter().map(|(name, tally)| ((*name).to_owned(), json!(tally))).collect();
    let priorities: Map<String, Value> =
        assessment.priorities.iter().map(|(priority, tally)| (priority_word(*priority).to_owned(), json!(tally))).collect();
    let checklists: Vec<Value> = assessment
        .checklists
        .iter()
        .map(|list| json!({"list": list.list.letter(), "title": list.list.title(), "holding": list.holding, "open": list.open}))
        .collect();
    let next = assessment.next.as_ref().map(|next| {
        let blocking: Vec<&str> = next.blocking.iter().map(|control| control.id()).collect();
        json!({"level": next.level.number(), "name": next.level.as_str(), "blocking": blocking, "high_missing": next.high_missing})
    });
    json!({
        "level": assessment.level.number(),
        "name": assessment.level.as_str(),
        "notes": scope.notes(),
        "next": next,
        "controls": controls,
        "total": assessment.total(),
        "groups": groups,
        "priorities": priorities,
        "checklists": checklists,
        "scope": {"version": scope.version, "configuration": scope.configuration, "digest": scope.digest},
        "began": scope.began.to_string(),
        "ended": scope.ended.to_string(),
    })
}

fn control(evidence: &Evidence, catalogue: &Catalogue) -> Value {
    let entry = catalogue.of(evidence.control);
    let mut object = json!({
        "id": evidence.control.id(),
        "outcome": evidence.outcome,
        "priority": priority_word(evidence.control.priority()),
        "wants": evidence.control.wants(),
        "items": evidence.control.items(),
        "evidence": {"how": evidence.how, "at": evidence.at.to_string(), "steps": evidence.steps},
        "mappings": entry.map(|entry| &entry.mapping),
    });
    if let (false, Some(entry), Some(object)) = (evidence.outcome.holds(), entry, object.as_object_mut()) {
        object.insert("next".into(), entry.off_means.clone().into());
    }
    object
}

/// The word of the catalogue.
pub(crate) const fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::High => "high",
        Priority::Medium => "medium",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{How, Step, catalogue, score};
    use terms::Control;

    #[test]
    fn the_promised_fields_are_there() {
        let step = Step { did: "d".into(), expected: "e".into(), found: "f".into(), ok: true };
        let evidence = Evidence::of(Control::AuditCalls, How::Probe, vec![step], Utc::from_seconds(1));
        let printed = json(&score(&[evidence]), catalogue().unwrap(), &Scope::default(), |_| true);
        assert_eq!(printed["level"], 0);
        assert_eq!(printed["controls"].as_array().unwrap().len(), 72);
        let calls = printed["controls"].as_array().unwrap().iter().find(|control| control["id"] == "audit.calls").unwrap();
        assert_eq!(calls["outcome"], "pass");
        assert_eq!(calls["evidence"]["steps"][0]["found"], "f");
        assert_eq!(calls["evidence"]["at"], "1970-01-01T00:00:01.000000000Z");
        assert!(calls.get("next").is_none());
        assert!(calls["mappings"]["soc2"].as_array().unwrap().iter().all(Value::is_string));
        let chain = printed["controls"].as_array().unwrap().iter().find(|control| control["id"] == "audit.chain").unwrap();
        assert_eq!(chain["outcome"], "absent");
        assert!(chain["next"].as_str().unwrap().contains("bastide audit verify"));
        assert_eq!(printed["next"]["blocking"], json!(["secrets.config-scan", "transport.tls"]));
    }

    #[test]
    fn one_person_alone_is_told_so() {
        assert!(Scope { people: 1, ..Scope::default() }.notes().concat().contains("one person is named"));
        assert!(Scope { people: 2, ..Scope::default() }.notes().concat().contains("2, Managed"));
        assert_eq!(Scope { people: 3, ..Scope::default() }.notes(), Vec::<String>::new());
    }
}
