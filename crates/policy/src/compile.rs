//! Sources to one checked Cedar policy set.

use crate::misnamed::misnamed;
use crate::model::{Model, Reads};
use crate::place::{Place, Problem};
use crate::raw::{self, Raw};
use crate::role::{self, Role};
use crate::rule::Origin;
use crate::{Rule, Sources};
use cedar_policy::{Policy, PolicySet, ValidationMode, Validator};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use terms::Label;

/// A rule, and its Cedar policy where it came as one: entries of roles are decided without.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rule: Arc<Rule>,
    pub(crate) policy: Option<Policy>,
}

impl Compiled {
    /// What it means, in Cedar.
    pub(crate) fn cedar(&self) -> String {
        match &self.rule.origin {
            Origin::Entry { role, server, pattern, when } => role::permit(&self.rule.id, role, server, pattern, when),
            Origin::Cedar => self.rule.text.to_string(),
        }
    }
}

/// What an engine is built of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) model: Model,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Compiled>,
}

/// The most rules of one engine.
const MOST: usize = 100_000;

/// Compiles everything and finds every problem.
pub(crate) fn compile(sources: Sources) -> Result<Parts, Vec<Problem>> {
    let mut problems = Vec::new();
    let unseen: Vec<String> =
        sources.servers.iter().filter(|server| !sources.tools.contains_key(*server)).map(|server| format!("{server}__")).collect();
    let model = Model::new(sources.tools).map_err(|cause| vec![Problem::new(&Place::new("schema", 1, 0), cause)])?;
    let (roles, entries) = role::compile(sources.roles, &sources.servers, &mut problems);
    let clearances: HashMap<&str, Label> = roles.iter().map(|role| (role.source.name.as_str(), role.source.clearance)).collect();
    let mut rules: Vec<Compiled> = entries.into_iter().map(|rule| Compiled { rule: Arc::new(rule), policy: None }).collect();
    for source in &sources.cedar {
        let raws = raw::compile(source, &clearances, &mut problems);
        rules.extend(raws.into_iter().map(|Raw { rule, policy }| Compiled { rule: Arc::new(rule), policy: Some(policy) }));
    }
    if rules.len() > MOST {
        problems.push(Problem::new(&Place::new("roles", 1, 0), format!("more than {MOST} rules")));
    }
    validate(&model, &rules, &sources.cedar, &unseen, &mut problems);
    if problems.is_empty() {
        Ok(Parts { model, roles, rules })
    } else {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        Err(problems)
    }
}

/// What does not fit the schema. A policy about tools of servers that are not approved yet is checked once they are: until then nobody calls them.
fn validate(model: &Model, rules: &[Compiled], files: &[crate::CedarSource], unseen: &[String], problems: &mut Vec<Problem>) {
    let mut set = PolicySet::new();
    let mut places: BTreeMap<&str, &Place> = BTreeMap::new();
    for compiled in rules {
        let rule = &compiled.rule;
        if let Some(first) = places.insert(&rule.id, &rule.place) {
            problems.push(Problem::new(&rule.place, format!("the id \"{}\" is already at {}", rule.id, first.short())));
        } else if let Some(policy) = compiled.policy.clone()
            && let Err(cause) = set.add(policy)
        {
            problems.push(Problem::new(&rule.place, cause.to_string()));
        }
    }
    for (rule, policy) in rules.iter().filter_map(|compiled| Some((&compiled.rule, compiled.policy.as_ref()?))) {
        if let Ok(json) = policy.to_json() {
            let source = files.iter().find(|file| *file.file == *rule.place.file);
            problems.extend(misnamed(&json, model.tools(), unseen, rule, source));
        }
    }
    let outcome = Validator::new(model.schema().clone()).validate(&set, ValidationMode::Strict);
    for error in outcome.validation_errors() {
        let message = error.to_string();
        let policy = set.policy(error.policy_id());
        if policy.is_some_and(|policy| Reads::of([policy]).is_some_and(|reads| reads.begins(unseen))) {
            continue;
        }
        let place = places.get(error.policy_id().to_string().as_str()).copied();
        let text = place.and_then(|place| files.iter().find(|file| *file.file == *place.file));
        problems.push(match (place, text) {
            (Some(place), Some(source)) => raw::located(&place.file, &source.text, error, message),
            (Some(place), None) => Problem::new(place, message),
            (None, _) => Problem::new(&Place::new("policies", 1, 0), message),
        });
    }
}
