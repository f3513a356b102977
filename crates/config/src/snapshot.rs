//! The file, the lock and the policies as one immutable snapshot for the gateway.

mod parts;
mod preset;
mod template;

use crate::file::{self, Action as Chosen, Argument, File, Profile, Screen};
use crate::load::Loaded;
use crate::risk::end_of;
use crate::unit::Size;
use gateway::snapshot::{
    Bound, Bounds, Carrier, Handling, Inspect, Instances, Item, Listen, Pinned, Remote, Restart, Run, Server, Shown, Snapshot, Spoken,
    Suppression, Table, Taking, Unbounded, Unpinned,
};
use guards::operation::Kinds;
use guards::schema::{Compiled, SchemaBounds};
use guards::smuggling::Declared;
use guards::{Constraint, Constraints, Format, Guards, Kind as JsonKind, OpenText, Text};
use sandbox::podman::Reference;
use sandbox::{Access, Folder};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use supply::{Definition, Kind, Lock, Pin, ServerPin};
use terms::{Control, ServerName, Utc};

/// Why no snapshot could be made: sentences for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The policies do not compile.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Policy(Vec<policy::Problem>),
    /// A constraint of a tool cannot be checked.
    #[error("tools.{tool}.arguments.{argument}: {cause}")]
    Constraint {
        /// The key of the tool.
        tool: String,
        /// The argument.
        argument: String,
        /// Why.
        cause: String,
    },
    /// An entry of a server's list cannot be used.
    #[error("servers.{server}.sandbox.egress: {cause}")]
    Egress {
        /// The server.
        server: ServerName,
        /// Why.
        cause: egress::Unfit,
    },
    /// The image of a server cannot be used.
    #[error("servers.{server}.image: {cause}")]
    Image {
        /// The server.
        server: ServerName,
        /// Why.
        cause: sandbox::Error,
    },
    /// A template of a prompt cannot be used.
    #[error("prompts.{prompt}: {cause}")]
    Template {
        /// The key of the prompt.
        prompt: String,
        /// Why.
        cause: String,
    },
    /// The screens cannot be built.
    #[error("the content screens cannot be built: {0}")]
    Screens(#[from] detect::Error),
}

/// What the lock said when it was read.
pub enum Locked {
    /// It holds these pins.
    Read(Lock),
    /// It is missing, unsigned or not what was signed.
    Unverified,
}

/// Builds the snapshot. `cedar` are the policies beside the file.
///
/// # Errors
/// [`Unfit`].
pub fn snapshot(loaded: &Loaded, name: &str, cedar: Vec<policy::CedarSource>, locked: &Locked, now: Utc) -> Result<Snapshot, Unfit> {
    let file = &loaded.file;
    let sources = policy::Sources { tools: tools(locked), ..crate::sources::sources(loaded, name, cedar) };
    let policy = policy::Engine::compile(sources).map_err(Unfit::Policy)?;
    let servers = servers(loaded, locked, now)?;
    let inspect = screens(&file.inspect, &loaded.suppressed)?;
    template::check(&file.prompts, &inspect.engine)?;
    Ok(Snapshot {
        digest: hex::encode(loaded.digest),
        bounds: bounds(&file.bounds),
        listen: listen(&file.listen),
        policy: Arc::new(policy),
        servers,
        inspect,
        unbounded: unbounded(file),
        retain: file.audit.retain.duration(),
    })
}

/// The content screens as `inspect` sets them, with the suppressions that count.
///
/// # Errors
/// [`detect::Error`] for a pattern of the operator's that does not compile; [`load`](crate::load) takes none.
pub fn screens(inspect: &crate::file::Inspect, suppressed: &[crate::suppress::Suppressed]) -> Result<Inspect, detect::Error> {
    Ok(Inspect {
        engine: Arc::new(detect::Engine::new(&preset::rules(inspect)?)?),
        handling: Handling::new(|source| preset::actions(inspect, source)),
        suppressed: suppressed.iter().map(suppression).collect(),
    })
}

fn suppression(one: &crate::suppress::Suppressed) -> Suppression {
    Suppression { kind: one.kind.clone(), server: one.server.clone(), tool: one.tool.clone(), ends: one.ends }
}

/// What is in force, with the pins of another lock: nothing else of it changes, but that policies are checked against the arguments that tools have now.
///
/// # Errors
/// [`Unfit`].
pub fn repinned(loaded: &Loaded, in_force: &Snapshot, locked: &Locked, now: Utc) -> Result<Snapshot, Unfit> {
    let policy = match in_force.policy.with_tools(tools(locked)).map_err(Unfit::Policy)? {
        None => Arc::clone(&in_force.policy),
        Some(policy) => Arc::new(policy),
    };
    Ok(Snapshot { servers: servers(loaded, locked, now)?, policy, ..in_force.clone() })
}

/// What policies may say of the arguments of tools.
fn tools(locked: &Locked) -> policy::Tools {
    match locked {
        Locked::Read(lock) => crate::parameters::parameters(lock),
        Locked::Unverified => policy::Tools::new(),
    }
}

fn servers(loaded: &Loaded, locked: &Locked, now: Utc) -> Result<BTreeMap<ServerName, Arc<Server>>, Unfit> {
    let mut servers = BTreeMap::new();
    for (name, entry) in &loaded.file.servers {
        let mut server = server(&loaded.file, name, entry, locked, now)?;
        let accepted = loaded.risks.iter().filter(|risk| risk.server == *name && risk.entry.control == Control::SupplyPinning);
        server.taking = accepted.map(|risk| risk.ends).max().map(|until| {
            let (file, name, entry) = (loaded.file.clone(), name.clone(), entry.clone());
            let make = move |pin| pinned(&file, &name, &entry, &pin).map_err(|cause| cause.to_string());
            Taking { until, make: Arc::new(make) }
        });
        if let Carrier::Run(run) = &mut server.carrier {
            let risks = loaded.risks.iter().filter(|risk| risk.server == *name && risk.entry.control == Control::RuntimeSandbox);
            run.weaknesses = risks.filter_map(|risk| Some((risk.entry.weakness?.known(), risk.ends))).collect();
        }
        servers.insert(name.clone(), Arc::new(server));
    }
    Ok(servers)
}

fn bounds(bounds: &file::Bounds) -> Bounds {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Bounds {
        message: usize::try_from(bounds.message.bytes()).unwrap_or(usize::MAX),
        result: usize::try_from(bounds.result.bytes()).unwrap_or(usize::MAX),
        nesting: count(bounds.nesting),
        streams: count(bounds.streams),
        inflight: count(bounds.inflight),
        connections: count(bounds.connections),
        header: bounds.header.duration(),
        body: bounds.body.duration(),
        idle: bounds.idle.duration(),
        write: bounds.write.duration(),
        turn: bounds.turn.duration(),
    }
}

/// The listener's own address in every form that a loopback client may write it, and what the file adds.
pub fn listen(listen: &file::Listen) -> Listen {
    let address = listen.data.address;
    let port = address.port();
    let mut hosts = vec![address.to_string()];
    if address.ip().is_loopback() {
        hosts.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
    }
    let scheme = if listen.data.tls.is_some() { "https" } else { "http" };
    let mut origins: Vec<String> = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
    hosts.extend(listen.data.hosts.iter().cloned());
    hosts.extend(listen.data.hosts.iter().map(|host| with_port(host, port)));
    origins.extend(listen.data.origins.iter().map(|origin| origin.origin().ascii_serialization()));
    let revisions = listen.data.revisions.iter().map(|one| revision(*one)).collect();
    let spoken = if listen.data.legacy_sse { Spoken::OneStreamToo } else { Spoken::Streamable };
    let named = listen.data.hosts.first().filter(|_| !address.ip().is_loopback()).map(|host| with_port(host, port));
    Listen { base: format!("{scheme}://{}", named.unwrap_or_else(|| address.to_string())), hosts, origins, revisions, spoken }
}

/// A host as a URL names it: with the port, unless it has one or the port is that of https.
fn with_port(host: &str, port: u16) -> String {
    let ported = host.rsplit_once(':').is_some_and(|(name, port)| !name.ends_with(':') && !name.is_empty() && port.parse::<u16>().is_ok());
    if ported || port == 443 { host.to_owned() } else { format!("{host}:{port}") }
}

/// What becomes of text that nothing bounds, on its way to a tool that changes something: in production it goes no further.
fn unbounded(file: &File) -> Unbounded {
    match (&file.inspect.open_text, file.profile) {
        (Some(Screen { action: Chosen::Block }), _) | (_, Profile::Production) => Unbounded::Refused,
        (Some(_) | None, Profile::Local) => Unbounded::Flagged,
    }
}

fn server(file: &File, name: &ServerName, entry: &file::Server, locked: &Locked, now: Utc) -> Result<Server, Unfit> {
    let carrier = match &entry.url {
        Some(url) => Carrier::Remote(Box::new(Remote {
            url: url.clone(),
            bearer: entry.auth.as_ref().and_then(|auth| auth.bearer.as_ref()).map(ToString::to_string),
            pins: entry.tls.as_ref().map(|tls| tls.pin.clone()).unwrap_or_default(),
            tried_until: entry.tls.as_ref().and_then(|tls| tls.report_until).and_then(end_of),
            authorities: entry.tls.as_ref().and_then(|tls| tls.ca.clone()),
            revoked: entry.tls.as_ref().and_then(|tls| tls.crl.clone()),
            self_signed: match file.profile {
                Profile::Production => egress::SelfSigned::Refused,
                Profile::Local => egress::SelfSigned::Taken,
            },
            certificate: entry
                .auth
                .as_ref()
                .and_then(|auth| auth.certificate.as_ref())
                .map(|ours| Shown { chain: ours.chain.clone(), key: ours.key.to_string() }),
            transport: match entry.transport {
                file::Transport::Http => supply::Transport::Streamable,
                file::Transport::Sse => supply::Transport::OneStream,
            },
        })),
        None => Carrier::Run(Box::new(Run {
            image: match &entry.image {
                None => None,
                Some(image) => Some(Reference::new(image).map_err(|cause| Unfit::Image { server: name.clone(), cause })?),
            },
            command: entry.run.clone(),
            env: entry.env.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect(),
            secrets: entry.secrets.iter().map(|(name, reference)| (name.as_str().to_owned(), reference.to_string())).collect(),
            instances: match entry.instances {
                file::Instances::Session => Instances::Session,
                file::Instances::Shared => Instances::Shared,
            },
            idle: entry.idle.duration(),
            restart: Restart { delay: entry.restart.delay.duration(), most: entry.restart.most, within: entry.restart.within.duration() },
            memory: entry.sandbox.memory.bytes(),
            cores: entry.sandbox.cpu,
            processes: u64::from(entry.sandbox.processes),
            files: u64::from(entry.sandbox.files),
            folders: folders(&entry.sandbox),
            egress: rules(name, &entry.sandbox.egress)?,
            traffic: traffic(&entry.sandbox.traffic),
            account: sandbox::account(&file.state.to_string_lossy(), name.as_str()),
            weaknesses: Vec::new(),
        })),
    };
    let pinned = match locked {
        Locked::Unverified => Err(Unpinned::Unverified),
        Locked::Read(lock) => match lock.servers.get(name) {
            None => Err(Unpinned::Unapproved),
            Some(pin) if !pin.is_current(now) => Err(Unpinned::Unapproved),
            Some(pin) if !same_way(pin, &carrier) => Err(Unpinned::Changed),
            Some(pin) => Ok(pinned(file, name, entry, pin)?),
        },
    };
    Ok(Server {
        name: name.clone(),
        carrier,
        revision: entry.revision.map(revision),
        call: entry.call.duration(),
        trust: entry.trust(),
        clearance: entry.clearance(),
        label: entry.label(),
        told: entry.label,
        labels: entry.resources.labels.iter().map(|one| (one.uri.clone(), one.label)).collect(),
        quotas: crate::quota::served(&entry.limits),
        roots: roots(file, name, entry),
        resources: bound(Some(entry.resources.max), Some(entry.resources.lines)),
        crowd: Arc::default(),
        taking: None,
        approved: None,
        digest: supply::Digest::of(format!("{entry:?}").as_bytes()).to_string(),
        pinned,
    })
}

/// The protocol's own name for a revision.
fn revision(revision: file::Revision) -> mcp::Revision {
    match revision {
        file::Revision::R20250326 => mcp::Revision::R2025_03_26,
        file::Revision::R20250618 => mcp::Revision::R2025_06_18,
        file::Revision::R20251125 => mcp::Revision::R2025_11_25,
        file::Revision::R20260728 => mcp::Revision::R2026_07_28,
    }
}

/// The folders that a server and the paths of its tools were given, but for the root of the file system.
fn roots(file: &File, name: &ServerName, entry: &file::Server) -> Arc<[String]> {
    let given = entry.sandbox.read.iter().chain(&entry.sandbox.write).map(|path| path.to_string_lossy().into_owned());
    let tools = file.tools.iter().filter(|(key, _)| key.server == *name).flat_map(|(_, tool)| tool.arguments.values());
    let named = tools.flat_map(|argument| argument.roots.iter().flatten().chain(&argument.cwd).cloned());
    let mut all: Vec<String> = given.chain(named).map(|root| root.trim_end_matches('/').to_owned()).filter(|root| root.len() > 1).collect();
    all.sort();
    all.dedup();
    all.into()
}

fn folders(entry: &file::Sandbox) -> Vec<Folder> {
    let of = |list: &[std::path::PathBuf], access| list.iter().map(|path| Folder { path: path.clone(), access }).collect::<Vec<_>>();
    [of(&entry.read, Access::Read), of(&entry.write, Access::Write)].concat()
}

fn traffic(entry: &file::Traffic) -> egress::Limits {
    egress::Limits {
        connections: usize::try_from(entry.connections).unwrap_or(usize::MAX),
        opening: entry.opening,
        bytes_out: entry.out.bytes(),
        bytes_back: entry.back.bytes(),
        rate: entry.rate.bytes(),
        ..egress::Limits::default()
    }
}

fn rules(server: &ServerName, entries: &[String]) -> Result<egress::Rules, Unfit> {
    egress::Rules::new(entries).map_err(|(_, cause)| Unfit::Egress { server: server.clone(), cause })
}

/// Whether the pin was made for what the file says now, as far as the file alone tells.
fn same_way(pin: &ServerPin, carrier: &Carrier) -> bool {
    match (&pin.content, carrier) {
        (supply::Content::Remote { url, transport, spki }, Carrier::Remote(remote)) => {
            *url == remote.url.as_str() && *transport == remote.transport && *spki == remote.pins
        }
        (supply::Content::Executable { arguments, .. } | supply::Content::Tree { arguments, .. }, Carrier::Run(run)) => {
            run.image.is_none() && run.command.split_first().is_some_and(|(_, rest)| rest == arguments.as_slice())
        }
        (supply::Content::Package(package), Carrier::Run(run)) => run.image.is_none() && run.command == package.run,
        (supply::Content::Image { image, arguments }, Carrier::Run(run)) => {
            run.image.as_ref().is_some_and(|found| found.as_str() == image) && run.command == *arguments
        }
        (supply::Content::Remote { .. }, Carrier::Run(_))
        | (
            supply::Content::Executable { .. } | supply::Content::Tree { .. } | supply::Content::Package(_) | supply::Content::Image { .. },
            Carrier::Remote(_),
        ) => false,
    }
}

fn pinned(file: &File, name: &ServerName, entry: &file::Server, pin: &ServerPin) -> Result<Pinned, Unfit> {
    let mut tools = Vec::new();
    let modern = mcp::Revision::parse(&pin.revision).is_some_and(|revision| !revision.is_legacy());
    for one in usable(pin, Kind::Tool) {
        for mut tool in parts::of(file, name, pin, one, || tool(file, name, entry, one))? {
            if modern {
                match tool.definition.get("inputSchema").map(mcp::header::declared) {
                    Some(Ok(headers)) => tool.headers = headers,
                    // It could not be called over HTTP, so nobody has it there (MCP 2026-07-28, `x-mcp-header`).
                    Some(Err(_)) if entry.url.is_some() => continue,
                    Some(Err(_)) | None => {}
                }
            }
            tools.push(tool);
        }
    }
    let plain = |one: &Pin| Item {
        name: one.name.clone(),
        shown: one.shown_as.clone(),
        definition: object(&one.definition),
        input: None,
        output: None,
        headers: Vec::new(),
        shown_output: mcp::Output::Plain,
        constraints: Constraints::default(),
        guards: Guards::default(),
        declared: Declared::default(),
        open: OpenText::default(),
        operation: None,
        kinds: Kinds::UNKNOWN,
        label: entry.label(),
        told: entry.label,
        template: None,
        bound: None,
        cost: 1,
        quotas: policy::Quotas::default(),
    };
    let prompt = |one: &Pin| {
        let key = file::ToolKey { server: name.clone(), tool: one.name.clone() };
        Item { template: file.prompts.get(&key).map(template::of), ..plain(one) }
    };
    let template = |one: &Pin| Item { shown: mcp::address::wrap_template(name, &one.name), ..plain(one) };
    Ok(Pinned {
        pin: pin.clone(),
        capabilities: object(&pin.capabilities),
        instructions: pin.instructions.clone(),
        tools: Table::new(tools),
        prompts: Table::new(usable(pin, Kind::Prompt).map(prompt)),
        templates: Table::new(usable(pin, Kind::Template).map(template)),
    })
}

/// What was not put aside when it was approved.
fn usable(pin: &ServerPin, kind: Kind) -> impl Iterator<Item = &Pin> {
    pin.of(kind).iter().filter(|one| one.aside.is_none())
}

fn object(definition: &Definition) -> Map<String, Value> {
    match serde_json::from_str(definition.as_str()) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn tool(file: &File, server: &ServerName, entry: &file::Server, pin: &Pin) -> Result<Item, Unfit> {
    let definition = object(&pin.definition);
    let key = file::ToolKey { server: server.clone(), tool: pin.name.clone() };
    let rule = file.tools.get(&key);
    let compiled =
        |name: &str| definition.get(name).map(|schema| Compiled::new(schema, &SchemaBounds::default()).map_err(|cause| cause.to_string()));
    let (constraints, guards) = match rule {
        None => (Constraints::default(), Guards::default()),
        Some(rule) => (constraints(&key, &rule.arguments)?, guarded(&key, &rule.arguments)?),
    };
    let bounded = || rule.into_iter().flat_map(|rule| rule.arguments.keys().map(String::as_str));
    let declared = Declared::new(definition.get("inputSchema"), bounded());
    let bounding = rule.into_iter().flat_map(|rule| &rule.arguments).filter(|(_, argument)| argument.bounds_text());
    let open = OpenText::new(definition.get("inputSchema"), bounding.map(|(name, _)| name.as_str()));
    let operation = rule.and_then(|rule| rule.operation);
    let kinds = Kinds::new(operation, &definition, &guards, bounded());
    Ok(Item {
        name: pin.name.clone(),
        shown: pin.shown_as.clone(),
        input: compiled("inputSchema"),
        output: compiled("outputSchema"),
        headers: Vec::new(),
        shown_output: mcp::Output::of(definition.get("outputSchema")),
        constraints,
        guards,
        declared,
        open,
        operation,
        kinds,
        label: rule.and_then(|rule| rule.result.as_ref()?.label).unwrap_or_else(|| entry.label()),
        told: rule.and_then(|rule| rule.result.as_ref()?.label).or(entry.label),
        template: None,
        bound: rule
            .and_then(|rule| rule.result.as_ref())
            .filter(|result| result.max.is_some() || result.lines.is_some())
            .map(|result| bound(result.max, result.lines)),
        cost: rule.and_then(|rule| rule.cost).unwrap_or(1).into(),
        quotas: rule.map(|rule| crate::quota::served(&rule.limits)).unwrap_or_default(),
        definition,
    })
}

fn bound(max: Option<Size>, lines: Option<u32>) -> Bound {
    let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Bound { bytes: max.map_or(usize::MAX, |max| whole(max.bytes())), lines: lines.map_or(usize::MAX, |lines| whole(lines.into())) }
}

fn constraints(key: &file::ToolKey, arguments: &BTreeMap<String, Argument>) -> Result<Constraints, Unfit> {
    let unfit = |argument: &str, cause: String| Unfit::Constraint { tool: key.to_string(), argument: argument.to_owned(), cause };
    let mut all = BTreeMap::new();
    for (name, argument) in arguments {
        let format = match &argument.format {
            None => None,
            Some(format) => {
                let known = Format::named(format);
                let formats = || Format::ALL.map(Format::as_str).join(", ");
                Some(known.ok_or_else(|| unfit(name, format!("`{format}` is no format; these are: {}", formats())))?)
            }
        };
        let constraint = Constraint {
            kind: argument.kind.map(kind),
            minimum: argument.minimum.clone(),
            maximum: argument.maximum.clone(),
            above: argument.above.clone(),
            below: argument.below.clone(),
            multiple_of: argument.multiple_of,
            min_items: argument.min_items,
            max_items: argument.max_items,
            not: argument.not.as_ref().map(|not| guards::Denied { one_of: not.one_of.clone(), pattern: not.pattern.clone() }),
            one_of: argument.one_of.clone(),
            min_length: argument.min_length,
            max_length: argument.max_length,
            pattern: argument.pattern.clone(),
            format,
            text: if argument.text.is_some() { Text::Free } else { Text::Bounded },
        };
        all.insert(name.clone(), constraint);
    }
    Constraints::compile(all).map_err(|mut errors| match errors.pop() {
        Some((argument, cause)) => unfit(&argument, cause.to_string()),
        None => unfit("-", "it cannot be checked".to_owned()),
    })
}

fn guarded(key: &file::ToolKey, arguments: &BTreeMap<String, Argument>) -> Result<Guards, Unfit> {
    let mut guards = BTreeMap::new();
    for (name, argument) in arguments {
        let unfit = |cause: guards::Error| Unfit::Constraint { tool: key.to_string(), argument: name.clone(), cause: cause.to_string() };
        if let Some(guard) = argument.guarded().map_err(unfit)? {
            guards.insert(name.clone(), guard);
        }
    }
    Ok(Guards::new(guards))
}

fn kind(kind: file::JsonType) -> JsonKind {
    match kind {
        file::JsonType::String => JsonKind::String,
        file::JsonType::Integer => JsonKind::Integer,
        file::JsonType::Number => JsonKind::Number,
        file::JsonType::Boolean => JsonKind::Boolean,
        file::JsonType::Array => JsonKind::Array,
        file::JsonType::Object => JsonKind::Object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_nothing_bounds_goes_no_further_in_production() {
        let source = crate::load::Source {
            path: std::path::Path::new("/home/ana/bastide.yaml"),
            bytes: b"profile: local\n",
            home: Some(std::path::Path::new("/home/ana")),
            user: None,
            now: Utc::parse("2026-11-21T10:00:00Z").unwrap(),
            facts: None,
        };
        let mut file = crate::load::load(&source).map(|loaded| loaded.file).ok().unwrap();
        assert_eq!(unbounded(&file), Unbounded::Flagged);
        file.inspect.open_text = Some(Screen { action: Chosen::Block });
        assert_eq!(unbounded(&file), Unbounded::Refused);
        file.inspect.open_text = None;
        file.profile = Profile::Production;
        assert_eq!(unbounded(&file), Unbounded::Refused);
        file.inspect.open_text = Some(Screen { action: Chosen::Flag });
        assert_eq!(unbounded(&file), Unbounded::Refused, "a switch does not take it away there");
    }
}
