//! How facts look to Cedar: the schema, and the entities of one request.

use crate::{Action, Facts, Subject};
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema};
use std::collections::{HashMap, HashSet};
use std::fmt;
use terms::{Label, Name, Workload};

/// The Cedar schema that every policy is checked against.
///
/// The principal is the agent; its roles and its user are its parents, so `principal in Role::"coder"` and `principal in User::"ana"` hold.
/// A resource is named `server/name` and lies in its server.
pub const SCHEMA: &str = r#"entity Role;
entity User;
entity Agent in [Role, User];
entity Server;
entity Tool in [Server] { server: String, name: String };
entity Prompt in [Server] { server: String, name: String };
entity Resource in [Server] { server: String, name: String };
entity Method in [Server] { server: String, name: String };
entity Question in [Server] { server: String, name: String };

type Situation = {
  agent: String,         // which program
  user?: String,         // for whom, where that is known
  workload: String,      // "local", "remote" or "gateway"
  executable?: String,   // of a local peer, where it could be read
  operation?: String,    // "read", "write" or "delete", where that was reviewed
  label?: String,        // of what comes back, where that is known before
  clearance: String,     // the highest of the principal's roles
};

action call      appliesTo { principal: Agent, resource: Tool, context: Situation };
action get       appliesTo { principal: Agent, resource: Prompt, context: Situation };
action read      appliesTo { principal: Agent, resource: Resource, context: Situation };
action subscribe appliesTo { principal: Agent, resource: Resource, context: Situation };
action complete  appliesTo { principal: Agent, resource: [Prompt, Resource], context: Situation };
action list      appliesTo { principal: Agent, resource: Method, context: Situation };
action log       appliesTo { principal: Agent, resource: Method, context: Situation };
action question  appliesTo { principal: Agent, resource: Question, context: Situation };
"#;

/// The type names and actions, parsed once.
pub(crate) struct Model {
    schema: Schema,
    role: EntityTypeName,
    user: EntityTypeName,
    agent: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    method: EntityTypeName,
    question: EntityTypeName,
    actions: [EntityUid; Action::ALL.len()],
}

impl fmt::Debug for Model {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Model")
    }
}

impl Model {
    /// The model, or why Cedar does not take [`SCHEMA`].
    pub(crate) fn new() -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|cause| cause.to_string())?;
        let named = |text: &str| text.parse::<EntityTypeName>().map_err(|cause| cause.to_string());
        let action = named("Action")?;
        let actions = Action::ALL.map(|one| uid(&action, one.as_str()));
        Ok(Self {
            schema,
            role: named("Role")?,
            user: named("User")?,
            agent: named("Agent")?,
            server: named("Server")?,
            tool: named("Tool")?,
            prompt: named("Prompt")?,
            resource: named("Resource")?,
            method: named("Method")?,
            question: named("Question")?,
            actions,
        })
    }

    pub(crate) const fn schema(&self) -> &Schema {
        &self.schema
    }

    fn action(&self, action: Action) -> EntityUid {
        let [call, get, read, list, complete, log, subscribe, question] = &self.actions;
        match action {
            Action::Call => call,
            Action::Get => get,
            Action::Read => read,
            Action::List => list,
            Action::Complete => complete,
            Action::Log => log,
            Action::Subscribe => subscribe,
            Action::Question => question,
        }
        .clone()
    }

    const fn kind(&self, subject: Subject<'_>) -> &EntityTypeName {
        match subject {
            Subject::Tool(_) => &self.tool,
            Subject::Prompt(_) => &self.prompt,
            Subject::Resource(_) => &self.resource,
            Subject::Method(_) => &self.method,
            Subject::Question(_) => &self.question,
        }
    }

    /// What Cedar is asked about `facts`, of a principal in `roles` whose highest clearance is `clearance`.
    pub(crate) fn request<'r>(
        &self,
        facts: &Facts<'_>,
        roles: impl Iterator<Item = &'r Name>,
        clearance: Label,
    ) -> Result<(Request, Entities), String> {
        let agent = uid(&self.agent, facts.principal.agent.as_str());
        let mut parents: HashSet<EntityUid> = roles.map(|role| uid(&self.role, role.as_str())).collect();
        parents.extend(facts.principal.user.as_ref().map(|user| uid(&self.user, user.as_str())));
        let server = facts.server.as_str();
        let name = facts.subject.name();
        let subject = uid(self.kind(facts.subject), &format!("{server}/{name}"));
        let attributes = HashMap::from([("server".to_owned(), text(server)), ("name".to_owned(), text(name))]);
        let object = Entity::new(subject.clone(), attributes, HashSet::from([uid(&self.server, server)]));
        let entities =
            Entities::from_entities([Entity::new_no_attrs(agent.clone(), parents), object.map_err(|cause| cause.to_string())?], None);
        let context = Context::from_pairs(situation(facts, clearance)).map_err(|cause| cause.to_string())?;
        let request = Request::new(agent, self.action(facts.action), subject, context, None);
        Ok((request.map_err(|cause| cause.to_string())?, entities.map_err(|cause| cause.to_string())?))
    }
}

fn situation(facts: &Facts<'_>, clearance: Label) -> Vec<(String, RestrictedExpression)> {
    let (workload, executable) = match &facts.principal.workload {
        Workload::Local { executable, .. } => ("local", executable.as_deref()),
        Workload::Remote => ("remote", None),
        Workload::Gateway => ("gateway", None),
    };
    [
        ("agent", Some(facts.principal.agent.as_str())),
        ("user", facts.principal.user.as_ref().map(Name::as_str)),
        ("workload", Some(workload)),
        ("executable", executable),
        ("operation", facts.operation.map(terms::Operation::as_str)),
        ("label", facts.label.map(Label::as_str)),
        ("clearance", Some(clearance.as_str())),
    ]
    .into_iter()
    .filter_map(|(key, value)| value.map(|value| (key.to_owned(), text(value))))
    .collect()
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Question};
    use terms::{Authenticated, Operation, Principal, ServerName};

    #[test]
    fn every_request_fits_the_schema() {
        let model = Model::new().unwrap();
        let principal = Principal {
            agent: Name::new("codex").unwrap(),
            user: Some(Name::new("ana").unwrap()),
            workload: Workload::Local { uid: 1, executable: Some("/bin/x".to_owned()) },
            authenticated: Authenticated::Peer,
        };
        let server = ServerName::new("files").unwrap();
        let role = Name::new("coder").unwrap();
        let mut subjects = vec![Subject::Tool("a"), Subject::Prompt("a"), Subject::Resource("a:b")];
        subjects.extend(Method::ALL.map(Subject::Method));
        subjects.extend(Question::ALL.map(Subject::Question));
        let mut seen = 0;
        for subject in subjects {
            for action in Action::ALL.into_iter().filter(|action| subject.takes(*action)) {
                let facts = Facts::new(&principal, &server, subject).doing(action).operation(Operation::Read).label(Label::Internal);
                let (request, entities) = model.request(&facts, [&role].into_iter(), Label::Internal).unwrap();
                Entities::from_entities(entities.iter().cloned(), Some(model.schema())).unwrap();
                Request::new(
                    request.principal().unwrap().clone(),
                    request.action().unwrap().clone(),
                    request.resource().unwrap().clone(),
                    request.context().unwrap().clone(),
                    Some(model.schema()),
                )
                .unwrap();
                seen += 1;
            }
        }
        assert_eq!(seen, 12);
    }
}
