//! How facts look to Cedar: the schema, and the entities of one request.

use crate::condition::whole;
use crate::glob::quote;
use crate::misnamed::names;
use crate::role::shown;
use crate::{Action, Arguments, Circumstances, Facts, Parameter, ParameterKind, Presence, Situation, Subject, Tools, Transport};
use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, Request, RestrictedExpression, Schema};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fmt::Write as _;
use terms::{Label, Name, Workload};

/// The part of the schema that is the same for everyone.
///
/// The principal is the agent; its roles and its user are its parents, so `principal in Role::"coder"` and `principal in User::"ana"` hold.
/// A resource is named `server/name` and lies in its server.
const ENTITIES: &str = r#"entity Role;
entity User;
entity Agent in [Role, User];
entity Server;
entity Tool in [Server] { server: String, name: String };
entity Prompt in [Server] { server: String, name: String };
entity Resource in [Server] { server: String, name: String };
entity Method in [Server] { server: String, name: String };
entity Question in [Server] { server: String, name: String };

"#;

/// What the context holds of every request.
const SITUATION: &str = r#"  agent: String,         // which program
  user?: String,         // for whom, where that is known
  workload: String,      // "local", "remote" or "gateway"
  executable?: String,   // of a local peer, where it could be read
  client?: String,       // what the client calls itself: a claim
  address?: ipaddr,      // of the client, where it came over a network
  transport?: String,    // "local" or "http"
  time?: datetime,       // when
  depth?: Long,          // how many calls the session has made, this one included
  method: String,        // of MCP
  operation?: String,    // "read", "write" or "delete", where that was reviewed
  label?: String,        // of what comes back, where that is known before
  clearance: String,     // the highest of the principal's roles
"#;

/// The actions other than calls.
const ACTIONS: &str = r#"action call      appliesTo { principal: Agent, resource: Tool, context: Calling };
action get       appliesTo { principal: Agent, resource: Prompt, context: Situation };
action read      appliesTo { principal: Agent, resource: Resource, context: Situation };
action subscribe appliesTo { principal: Agent, resource: Resource, context: Situation };
action complete  appliesTo { principal: Agent, resource: [Prompt, Resource], context: Situation };
action list      appliesTo { principal: Agent, resource: Method, context: Situation };
action log       appliesTo { principal: Agent, resource: Method, context: Situation };
action question  appliesTo { principal: Agent, resource: Question, context: Situation };
"#;

/// The Cedar schema that every policy is checked against, with what the arguments of `tools` are.
fn schema(tools: &Tools) -> String {
    let mut out = format!("{ENTITIES}type Situation = {{\n{SITUATION}}};\n\n");
    out.push_str("// The arguments of a call, under the name of the tool that is called.\ntype Arguments = {\n");
    for (server, tools) in tools {
        for (tool, parameters) in tools {
            let kinds = parameters.iter().map(|one| {
                let optional = if one.presence == Presence::Optional { "?" } else { "" };
                format!("{}{optional}: {}", quote(&one.name), one.kind.as_cedar())
            });
            let _ = writeln!(out, "  {}?: {{ {} }},", quote(&shown(server, tool)), kinds.collect::<Vec<_>>().join(", "));
        }
    }
    let _ = write!(out, "}};\n\ntype Calling = {{\n{SITUATION}  arguments?: Arguments,\n}};\n\n{ACTIONS}");
    out
}

impl ParameterKind {
    const fn as_cedar(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Whole => "Long",
            Self::Number => "decimal",
            Self::Truth => "Bool",
            Self::Texts => "Set<String>",
            Self::Wholes => "Set<Long>",
        }
    }

    /// `value` for Cedar; none where it cannot be said there.
    fn express(self, value: &Value) -> Option<RestrictedExpression> {
        let set = |item: Self, list: &Value| {
            let items: Option<Vec<_>> = list.as_array()?.iter().map(|one| item.express(one)).collect();
            items.map(RestrictedExpression::new_set)
        };
        match self {
            Self::Text => value.as_str().map(text),
            Self::Whole => whole(value).map(RestrictedExpression::new_long),
            Self::Truth => value.as_bool().map(RestrictedExpression::new_bool),
            Self::Number => decimal(&value.as_number()?.to_string()).map(RestrictedExpression::new_decimal),
            Self::Texts => set(Self::Text, value),
            Self::Wholes => set(Self::Whole, value),
        }
    }
}

/// A number in the form that Cedar's `decimal` takes, where it has at most four digits after the point.
fn decimal(number: &str) -> Option<String> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(part) && part.len() <= 4 && whole.len() <= 15;
    fits.then(|| format!("{whole}.{part}"))
}

/// What policies can see of a request: the rest need not be made for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Attributes by name, of whatever they are read.
    names: BTreeSet<String>,
    /// The context as a whole.
    whole: bool,
    /// Entities by type and id.
    entities: HashSet<(String, String)>,
}

impl Reads {
    /// What `policies` see; none where that cannot be told.
    pub(crate) fn of<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Option<Self> {
        let mut reads = Self::default();
        for policy in policies {
            reads.look(&policy.to_json().ok()?);
        }
        Some(reads)
    }

    /// Goes through the JSON form of a policy, its scope included.
    fn look(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                if let (Some(kind), Some(id)) = (members.get("type").and_then(Value::as_str), members.get("id").and_then(Value::as_str)) {
                    self.entities.insert((kind.to_owned(), id.to_owned()));
                }
                for (key, value) in members {
                    match (key.as_str(), value) {
                        ("." | "has", Value::Object(_)) => {
                            let attributes = names(value);
                            self.whole |= attributes.is_empty();
                            self.names.extend(attributes.into_iter().map(str::to_owned));
                            match value.get("left") {
                                Some(left) if left.get("Var").is_some() => {}
                                Some(left) => self.look(left),
                                None => self.whole = true,
                            }
                        }
                        ("Var", Value::String(name)) => self.whole |= name == "context",
                        _ => self.look(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether an attribute of this name is read.
    fn has(&self, name: &str) -> bool {
        self.whole || self.names.contains(name)
    }

    /// Whether an attribute is read whose name begins with one of these.
    pub(crate) fn begins(&self, starts: &[String]) -> bool {
        self.names.iter().any(|name| starts.iter().any(|start| name.starts_with(start)))
    }

    /// Whether arguments are read.
    pub(crate) fn arguments(&self) -> bool {
        self.has("arguments")
    }

    /// Whether anything is read that differs from call to call.
    pub(crate) fn changes(&self) -> bool {
        ["arguments", "time", "depth"].into_iter().any(|name| self.has(name))
    }

    /// Whether an entity is named.
    fn names(&self, uid: &EntityUid) -> bool {
        self.entities.iter().any(|(kind, id)| id == uid.id().unescaped() && kind == uid.type_name().basename())
    }
}

/// What is unknown of a call before there is one.
pub(crate) const ARGUMENTS: [&str; 1] = ["arguments"];
/// The same, and all circumstances.
pub(crate) const ANYTHING: [&str; 6] = ["arguments", "client", "address", "transport", "time", "depth"];

/// The type names and actions, parsed once.
pub(crate) struct Model {
    schema: Schema,
    text: String,
    /// By name in `context.arguments`.
    tools: BTreeMap<String, Vec<Parameter>>,
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
    /// The model, or why Cedar does not take the schema of `tools`.
    pub(crate) fn new(tools: Tools) -> Result<Self, String> {
        let text = schema(&tools);
        let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|cause| cause.to_string())?;
        let named = |(server, tools): (terms::ServerName, BTreeMap<String, Vec<Parameter>>)| {
            tools.into_iter().map(move |(tool, parameters)| (shown(&server, &tool), parameters))
        };
        let tools = tools.into_iter().flat_map(named).collect();
        let named = |text: &str| text.parse::<EntityTypeName>().map_err(|cause| cause.to_string());
        let action = named("Action")?;
        let actions = Action::ALL.map(|one| uid(&action, one.as_str()));
        Ok(Self {
            schema,
            text,
            tools,
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

    /// The approved tools, by their name in `context.arguments`.
    pub(crate) const fn tools(&self) -> &BTreeMap<String, Vec<Parameter>> {
        &self.tools
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
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

    /// What Cedar is asked about `facts`, of a principal in `roles` whose highest clearance is `clearance`, by policies that read no more than `reads`.
    pub(crate) fn request<'r>(
        &self,
        facts: &Facts<'_>,
        roles: impl Iterator<Item = &'r Name>,
        clearance: Label,
        reads: &Reads,
    ) -> Result<(Request, Entities), String> {
        let agent = uid(&self.agent, facts.principal.agent.as_str());
        let user = facts.principal.user.as_ref().map(|user| uid(&self.user, user.as_str()));
        let roles = roles.map(|role| uid(&self.role, role.as_str()));
        let parents: HashSet<EntityUid> = roles.chain(user).filter(|parent| reads.names(parent)).collect();
        let server = facts.server.as_str();
        let name = facts.subject.name();
        let subject = uid(self.kind(facts.subject), &format!("{server}/{name}"));
        let attributes = [("server", server), ("name", name)].into_iter().filter(|(key, _)| reads.has(key));
        let attributes: HashMap<_, _> = attributes.map(|(key, value)| (key.to_owned(), text(value))).collect();
        let server = Some(uid(&self.server, server)).filter(|server| reads.names(server));
        let object = Entity::new(subject.clone(), attributes, server.into_iter().collect());
        let entities =
            Entities::from_entities([Entity::new_no_attrs(agent.clone(), parents), object.map_err(|cause| cause.to_string())?], None);
        let context = Context::from_pairs(self.context(facts, clearance, reads)?).map_err(|cause| cause.to_string())?;
        let request = Request::new(agent, self.action(facts.action), subject, context, None);
        Ok((request.map_err(|cause| cause.to_string())?, entities.map_err(|cause| cause.to_string())?))
    }

    fn context(&self, facts: &Facts<'_>, clearance: Label, reads: &Reads) -> Result<Vec<(String, RestrictedExpression)>, String> {
        let (workload, executable) = match &facts.principal.workload {
            Workload::Local { executable, .. } => ("local", executable.as_deref()),
            Workload::Remote => ("remote", None),
            Workload::Certificate { .. } => ("certificate", None),
            Workload::Gateway => ("gateway", None),
        };
        let texts = [
            ("agent", Some(facts.principal.agent.as_str())),
            ("user", facts.principal.user.as_ref().map(Name::as_str)),
            ("workload", Some(workload)),
            ("executable", executable),
            ("method", Some(facts.method())),
            ("operation", facts.operation.map(terms::Operation::as_str)),
            ("label", facts.label.map(Label::as_str)),
            ("clearance", Some(clearance.as_str())),
        ];
        let texts = texts.into_iter().filter(|(key, _)| reads.has(key));
        let mut pairs: Vec<_> = texts.filter_map(|(key, value)| Some((key.to_owned(), text(value?)))).collect();
        if let Situation::Is(now) = &facts.situation {
            pairs.extend(circumstances(now, reads));
        }
        if let (Arguments::Are(members), true) = (facts.arguments, reads.arguments()) {
            let tool = shown(facts.server, facts.subject.name());
            let of_tool = self.tools.get(&tool).map(|parameters| express(parameters, members)).transpose()?;
            let record = RestrictedExpression::new_record(of_tool.map(|record| (tool, record)));
            pairs.push(("arguments".to_owned(), record.map_err(|cause| cause.to_string())?));
        }
        Ok(pairs)
    }
}

fn circumstances(now: &Circumstances<'_>, reads: &Reads) -> Vec<(String, RestrictedExpression)> {
    let read = |name| reads.has(name).then_some(());
    let client = || now.client.map(text);
    let address = || now.address.map(|address| RestrictedExpression::new_ip(address.to_canonical().to_string()));
    let transport = || now.transport.map(Transport::as_str).map(text);
    let depth = || now.depth.map(|depth| RestrictedExpression::new_long(i64::try_from(depth).unwrap_or(i64::MAX)));
    // Cedar takes three fractional digits of what RFC 3339 has.
    let time = || now.at.and_then(|at| Some(RestrictedExpression::new_datetime(format!("{}Z", at.to_string().get(..23)?))));
    [
        ("client", read("client").and_then(|()| client())),
        ("address", read("address").and_then(|()| address())),
        ("transport", read("transport").and_then(|()| transport())),
        ("depth", read("depth").and_then(|()| depth())),
        ("time", read("time").and_then(|()| time())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}

/// The arguments that the schema knows. One that Cedar has no value for is a fault: a forbid must not pass over it.
fn express(parameters: &[Parameter], members: &Map<String, Value>) -> Result<RestrictedExpression, String> {
    let mut pairs = Vec::with_capacity(parameters.len());
    for one in parameters {
        match members.get(&one.name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                let value = one.kind.express(value).ok_or_else(|| format!("the argument {:?} has no value in Cedar", one.name))?;
                pairs.push((one.name.clone(), value));
            }
        }
    }
    RestrictedExpression::new_record(pairs).map_err(|cause| cause.to_string())
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
        let model = Model::new(Tools::new()).unwrap();
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
                let (request, entities) =
                    model.request(&facts, [&role].into_iter(), Label::Internal, &Reads { whole: true, ..Reads::default() }).unwrap();
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
