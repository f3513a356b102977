//! Raw Cedar files to rules.

use crate::place::{Problem, nearest};
use crate::rule::Origin;
use crate::{CedarSource, Effect, Obligation, Place, Rule};
use cedar_policy::{Policy, PolicyId, PolicySet, PrincipalConstraint};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use terms::{Label, Name};

/// The longest file.
const LONGEST: usize = 1024 * 1024;
/// The annotations that mean something here.
const ANNOTATIONS: [&str; 5] = ["id", "clearance", "cap", "redact", "description"];

/// A raw policy with the rule that stands for it.
pub(crate) struct Raw {
    pub(crate) rule: Rule,
    pub(crate) policy: Policy,
}

/// Parses `source`; `clearances` gives those of the roles.
pub(crate) fn compile(source: &CedarSource, clearances: &HashMap<&str, Label>, problems: &mut Vec<Problem>) -> Vec<Raw> {
    let file: Arc<str> = source.file.as_str().into();
    if source.text.len() > LONGEST {
        problems.push(Problem::new(&Place::new(file, 1, 0), format!("a policy file has at most {LONGEST} bytes")));
        return Vec::new();
    }
    let set = match PolicySet::from_str(&source.text) {
        Ok(set) => set,
        Err(errors) => {
            problems.extend(errors.iter().map(|error| located(&file, &source.text, error, error.to_string())));
            return Vec::new();
        }
    };
    for template in set.templates() {
        let start = template.as_ref().loc().map_or(0, |loc| loc.span.offset());
        problems.push(Problem::in_text(&file, &source.text, start, 1, "templates (?principal, ?resource) are not taken".to_owned()));
    }
    let mut policies: Vec<(usize, usize, &Policy)> = set
        .policies()
        .map(|policy| policy.as_ref().loc().map_or((0, 1, policy), |loc| (loc.span.offset(), loc.span.len(), policy)))
        .collect();
    policies.sort_by_key(|(start, _, _)| *start);
    let mut raws = Vec::new();
    for (at, (start, length, policy)) in policies.into_iter().enumerate() {
        let place = Place::of_offset(&file, &source.text, start);
        let id: Arc<str> = match policy.annotation("id") {
            Some(id) if !id.is_empty() => id.into(),
            _ => format!("{file}#{}", at + 1).into(),
        };
        let Ok((clearance, obligations)) = meanings(policy, clearances, &place, problems) else { continue };
        let effect = match policy.effect() {
            cedar_policy::Effect::Permit => Effect::Allow,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        };
        let text: Arc<str> = source.text.get(start..start + length).unwrap_or_default().into();
        let scope = role(policy).and_then(|role| Name::new(&role).ok());
        let rule = Rule { id: id.clone(), place, text, effect, clearance, obligations, scope, origin: Origin::Cedar };
        raws.push(Raw { rule, policy: policy.new_id(PolicyId::new(&id)) });
    }
    raws
}

/// A problem at the first label of a Cedar error.
pub(crate) fn located(file: &Arc<str>, text: &str, error: &dyn miette::Diagnostic, message: String) -> Problem {
    let label = error.labels().and_then(|mut labels| labels.next());
    let (offset, length) = label.map_or((0, 1), |label| (label.offset(), label.len()));
    let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
    Problem::in_text(file, text, offset, length, format!("{message}{help}"))
}

type Meanings = (Label, Arc<[Obligation]>);

fn meanings(policy: &Policy, clearances: &HashMap<&str, Label>, place: &Place, problems: &mut Vec<Problem>) -> Result<Meanings, ()> {
    let mut clearance = scope(policy, clearances);
    let mut obligations = Vec::new();
    let before = problems.len();
    for (key, value) in policy.annotations() {
        match key {
            "id" | "description" => {}
            "clearance" => match label(value) {
                Some(label) => clearance = label,
                None => {
                    problems.push(Problem::new(place, "@clearance is public, internal, confidential or restricted"));
                }
            },
            "cap" => match value.parse::<u64>() {
                Ok(bytes) => obligations.push(Obligation::Cap(bytes)),
                Err(_) => problems.push(Problem::new(place, "@cap is a number of bytes")),
            },
            "redact" if value == "all" => obligations.push(Obligation::Redact),
            "redact" => problems.push(Problem::new(place, "@redact is \"all\"")),
            _ => {
                let near = nearest(key, ANNOTATIONS);
                problems.push(Problem::new(place, format!("@{key} has no meaning here")).near(near));
            }
        }
    }
    if problems.len() == before { Ok((clearance, obligations.into())) } else { Err(()) }
}

/// The clearance of the role that a policy's scope names, else the lowest.
fn scope(policy: &Policy, clearances: &HashMap<&str, Label>) -> Label {
    role(policy).and_then(|role| clearances.get(role.as_str()).copied()).unwrap_or(Label::Public)
}

/// The role that a policy's scope names.
fn role(policy: &Policy) -> Option<String> {
    match policy.principal_constraint() {
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) if uid.type_name().basename() == "Role" => {
            Some(uid.id().unescaped().to_owned())
        }
        PrincipalConstraint::Any
        | PrincipalConstraint::In(_)
        | PrincipalConstraint::Eq(_)
        | PrincipalConstraint::Is(_)
        | PrincipalConstraint::IsIn(_, _) => None,
    }
}

fn label(text: &str) -> Option<Label> {
    [Label::Public, Label::Internal, Label::Confidential, Label::Restricted].into_iter().find(|label| label.as_str() == text)
}
