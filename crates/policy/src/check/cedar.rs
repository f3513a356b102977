//! Cedar policies that compile and can never apply, or read otherwise than they look.

use super::{Inventory, Notice, Why};
use crate::compile::Compiled;
use crate::place::nearest;
use crate::{Effect, Engine, Place};
use cedar_policy::{EntityUid, PolicySet, PrincipalConstraint, ResourceConstraint, ValidationMode, ValidationWarning, Validator};
use std::collections::HashMap;

impl Engine {
    /// What the validator warns of, and scopes that name what is not there.
    pub(super) fn idle_policies(&self, inventory: &Inventory) -> Vec<Notice> {
        let mut notices: Vec<Notice> = self.rules.iter().filter_map(|compiled| self.astray(compiled, inventory)).collect();
        let mut set = PolicySet::new();
        let mut places: HashMap<&str, &Place> = HashMap::new();
        for compiled in &self.rules {
            if let Some(policy) = compiled.policy.clone() {
                places.insert(&compiled.rule.id, &compiled.rule.place);
                // Ids were found to be unique when they were compiled.
                let _ = set.add(policy);
            }
        }
        let outcome = Validator::new(self.model.schema().clone()).validate(&set, ValidationMode::Strict);
        for warning in outcome.validation_warnings() {
            let why = match warning {
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => Why::Impossible,
                other => Why::Confusing { cause: other.to_string() },
            };
            let id = warning.policy_id().to_string();
            if let Some(place) = places.get(id.as_str()) {
                notices.push(Notice { place: (*place).clone(), what: id, why, server: None });
            }
        }
        notices.dedup();
        notices
    }

    /// A scope that names a role, a server or a tool that is not there.
    fn astray(&self, compiled: &Compiled, inventory: &Inventory) -> Option<Notice> {
        let policy = compiled.policy.as_ref()?;
        let who = match policy.principal_constraint() {
            PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        };
        let what = match policy.resource_constraint() {
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => Some(uid),
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        };
        let missing = who.and_then(|uid| self.role_astray(&uid)).or_else(|| what.and_then(|uid| self.thing_astray(&uid, inventory)))?;
        let (kind, name, near) = missing;
        let forbids = compiled.rule.effect == Effect::Forbid;
        Some(super::notice(&compiled.rule, Why::Nothing { kind, name, nearest: near, forbids }))
    }

    fn role_astray(&self, uid: &EntityUid) -> Option<(&'static str, String, Option<String>)> {
        let name = uid.id().unescaped();
        let roles = || self.roles.iter().map(|role| role.source.name.as_str());
        let is_gone = uid.type_name().basename() == "Role" && !roles().any(|role| role == name);
        is_gone.then(|| ("role", name.to_owned(), nearest(name, roles()).map(str::to_owned)))
    }

    fn thing_astray(&self, uid: &EntityUid, inventory: &Inventory) -> Option<(&'static str, String, Option<String>)> {
        let name = uid.id().unescaped();
        let servers = || self.servers().iter().map(terms::ServerName::as_str);
        match uid.type_name().basename() {
            "Server" => {
                (!servers().any(|server| server == name)).then(|| ("server", name.to_owned(), nearest(name, servers()).map(str::to_owned)))
            }
            "Tool" => {
                let (server, tool) = name.split_once('/')?;
                let tools = inventory.iter().find(|(known, _)| known.as_str() == server)?.1;
                let near = || nearest(tool, tools.iter().map(String::as_str)).map(|near| format!("{server}/{near}"));
                (!tools.iter().any(|known| known == tool)).then(|| ("tool", name.to_owned(), near()))
            }
            _ => None,
        }
    }
}
