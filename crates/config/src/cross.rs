//! What must fit together.

mod limit;
mod server;
mod split;
mod telemetry;

pub(crate) use server::sounds_secret;

use crate::file::{Argument, Entry, File, GuardKind, JsonType, Tool, ToolKey};
use crate::problem::{Fault, Place, Problem, nearest};
use crate::tree::Node;
use crate::unit::Span;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use terms::ServerName;

/// Collects problems by the path of their key.
struct Checks<'a> {
    file: &'a File,
    root: &'a Node,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
}

impl Checks<'_> {
    fn problem(&self, path: &[&str], fault: Fault, message: impl Into<String>, nearest: Option<String>) -> Problem {
        let place: Place = self.root.place_of(path);
        Problem { place, key: crate::decode::show(path.iter().copied()), fault, message: message.into(), nearest }
    }

    /// Notes that the values do not fit.
    fn misfit(&mut self, path: &[&str], message: impl Into<String>) {
        let problem = self.problem(path, Fault::Misfit, message, None);
        self.problems.push(problem);
    }

    /// Notes that a credential stands where it must not.
    fn exposed(&mut self, path: &[&str], message: impl Into<String>) {
        let problem = self.problem(path, Fault::Exposed, message, None);
        self.problems.push(problem);
    }

    /// Notes that a server is named that there is not.
    fn no_server(&mut self, path: &[&str], name: &ServerName) {
        let near = nearest(name.as_str(), self.file.servers.keys().map(ServerName::as_str));
        let problem = self.problem(path, Fault::Misfit, format!("there is no server {:?}", name.as_str()), near);
        self.problems.push(problem);
    }

    /// Notes what is worth knowing.
    fn warn(&mut self, path: &[&str], message: impl Into<String>) {
        let problem = self.problem(path, Fault::Warning, message, None);
        self.warnings.push(problem);
    }
}

/// Checks `file`, which was read from `path`.
pub(crate) fn check(file: &File, root: &Node, path: &Path, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let mut checks = Checks { file, root, problems, warnings };
    state(&mut checks);
    listeners(&mut checks);
    authority(&mut checks);
    bounds(&mut checks);
    outside(&mut checks);
    people(&mut checks);
    audit(&mut checks);
    telemetry::check(&mut checks);
    for (name, server) in &file.servers {
        server::check(&mut checks, name, server, path);
        limit::served(&mut checks, ["servers", name.as_str()], &server.limits);
        let pages = &server.resources;
        limit::page(&mut checks, &["servers", name.as_str(), "resources"], Some(pages.max), Some(pages.lines));
    }
    prompts(&mut checks);
    roles(&mut checks);
    for (key, tool) in &file.tools {
        arguments(&mut checks, key, tool);
        limit::served(&mut checks, ["tools", &key.to_string()], &tool.limits);
        split::check(&mut checks, key, tool);
        if let Some(result) = &tool.result {
            limit::page(&mut checks, &["tools", &key.to_string(), "result"], result.max, result.lines);
        }
    }
}

/// Templates are of servers that there are, and say something.
fn prompts(checks: &mut Checks<'_>) {
    for (key, prompt) in &checks.file.prompts {
        let name = key.to_string();
        if !checks.file.servers.contains_key(&key.server) {
            checks.no_server(&["prompts", &name], &key.server);
        }
        if prompt.messages.is_empty() || prompt.version.trim().is_empty() {
            checks.misfit(&["prompts", &name], format!("prompts.{name} needs a version and at least one message"));
        }
    }
}

/// What is asked for names is the system, or can be asked over HTTPS or TLS; what is gone through is a proxy.
fn outside(checks: &mut Checks<'_>) {
    let resolver = checks.file.dns.resolver.as_str();
    let encrypted = |url: url::Url| egress::ServerTarget::new(url).map_err(|cause| cause.to_string());
    let fit = match resolver {
        "system" => Ok(()),
        address if address.starts_with("tls:") => egress::Dot::target(address).map(drop).map_err(|cause| cause.to_string()),
        address => address.parse().map_err(|_| "it is no address".to_owned()).and_then(encrypted).map(drop),
    };
    if let Err(cause) = fit {
        checks.misfit(&["dns", "resolver"], format!("dns.resolver is `system` or an https: or tls: address: {cause}"));
    }
    if let Some(Err(cause)) = checks.file.proxy.as_ref().map(egress::Proxy::new) {
        checks.misfit(&["proxy"], format!("proxy is http://HOST:PORT: {cause}"));
    }
}

fn state(checks: &mut Checks<'_>) {
    let state = &checks.file.state;
    if !state.starts_with("~") && !server::is_plain(state) {
        checks.misfit(&["state"], "state must be an absolute path without \"..\"");
    }
}

/// The shortest time that records stay in the log.
const LEAST_RETAIN: Span = Span::seconds(1);

fn audit(checks: &mut Checks<'_>) {
    if checks.file.audit.retain < LEAST_RETAIN {
        checks.misfit(&["audit", "retain"], format!("retain is at least {LEAST_RETAIN}"));
    }
}

fn listeners(checks: &mut Checks<'_>) {
    let listen = &checks.file.listen;
    let (data, admin) = (listen.data.address, listen.admin.address);
    for (name, address, tls) in [("data", data, listen.data.tls.as_ref()), ("admin", admin, listen.admin.tls.as_ref())] {
        let asks = tls.is_some_and(|tls| tls.asks());
        if !address.ip().is_loopback() && !asks {
            let lacking = if tls.is_none() { "tls with a certificate, a key and a client_ca" } else { "a client_ca in its tls" };
            let message = format!(
                "listen.{name}.address {address} is not a loopback address: that needs {lacking}, so that both sides show who they are; else listen on 127.0.0.1"
            );
            checks.misfit(&["listen", name, "address"], message);
        }
        if tls.is_some_and(|tls| tls.files().is_none()) && checks.file.ca.is_none() {
            checks.misfit(
                &["listen", name, "tls", "authority"],
                "an authority of our own is described by `ca`, such as ca: { domain: example.internal }",
            );
        }
        let tls = tls.and_then(|tls| tls.files());
        for (key, path) in tls
            .iter()
            .flat_map(|tls| [("certificate", Some(&tls.certificate)), ("client_ca", tls.client_ca.as_ref()), ("crl", tls.crl.as_ref())])
        {
            if path.is_some_and(|path| !server::is_plain(path)) {
                checks.misfit(&["listen", name, "tls", key], format!("{key} is an absolute path without \"..\""));
            }
        }
        if tls.is_some_and(|tls| tls.crl.is_some() && tls.client_ca.is_none()) {
            checks.misfit(&["listen", name, "tls", "crl"], "a crl says which clients' certificates were taken back: it needs a client_ca");
        }
    }
    hosts(checks, "data", data, &listen.data.hosts, "what clients call it, the first as they write it in the URL");
    hosts(checks, "admin", admin, &listen.admin.hosts, "what operators call it, as they write it in the URL");
    if data == admin && data.port() != 0 {
        checks.misfit(&["listen", "admin", "address"], format!("both listeners have the address {admin}"));
    }
    for (at, origin) in listen.data.origins.iter().enumerate() {
        let bare = matches!(origin.path(), "" | "/") && origin.query().is_none() && origin.fragment().is_none();
        if !origin.origin().is_tuple() || !bare || !origin.username().is_empty() {
            checks.misfit(
                &["listen", "data", "origins", &at.to_string()],
                "an origin is a scheme, a host and a port, such as https://app.example.com",
            );
        }
    }
    if listen.data.revisions.is_empty() && checks.root.member("listen").is_some() {
        checks.misfit(&["listen", "data", "revisions"], "at least one revision must be spoken; leave `revisions` out");
    }
}

/// Hosts are names and addresses; a listener at every address of the host has at least one, which is `meant`.
fn hosts(checks: &mut Checks<'_>, listener: &str, address: SocketAddr, hosts: &[String], meant: &str) {
    if address.ip().to_canonical().is_unspecified() && hosts.is_empty() {
        let message = format!("listen.{listener}.address {address} is every address of this host: name in listen.{listener}.hosts {meant}");
        checks.misfit(&["listen", listener, "hosts"], message);
    }
    for (at, host) in hosts.iter().enumerate() {
        let plain =
            host.parse::<SocketAddr>().is_ok() || url::Host::parse(host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name)).is_ok();
        if !plain || host.contains(['/', '*', '@']) {
            let message = format!("listen.{listener}.hosts: a host is a name or an address, with or without a port");
            checks.misfit(&["listen", listener, "hosts", &at.to_string()], message);
        }
    }
}

/// The longest that an authority's certificates live, and the shortest.
const CA_LIFE: (Span, Span) = (Span::seconds(60), Span::seconds(30 * 86_400));

/// An authority's certificates are short-lived, and its address is its own.
fn authority(checks: &mut Checks<'_>) {
    let Some(ca) = &checks.file.ca else { return };
    let (least, most) = CA_LIFE;
    if ca.life < least || ca.life > most {
        checks.misfit(&["ca", "life"], format!("a certificate lives for at least {least} and at most {most}"));
    }
    let listen = &checks.file.listen;
    let taken = ca.enrol.is_some_and(|enrol| enrol.port() != 0 && (enrol == listen.data.address || enrol == listen.admin.address));
    if taken {
        checks.misfit(&["ca", "enrol"], "a listener has this address already");
    }
    if ca.enrol.is_some_and(|enrol| enrol.ip().is_unspecified()) && ca.hosts.is_empty() {
        checks.misfit(&["ca", "hosts"], "enrol is every address of this host: name what the enrolling side calls it");
    }
    for (at, host) in ca.hosts.iter().enumerate() {
        if url::Host::parse(host).is_err() || host.contains(['/', '*', '@', ':']) {
            checks.misfit(&["ca", "hosts", &at.to_string()], "a host is a name or an address, without a port");
        }
    }
    if let Some(server) = checks.file.servers.keys().find(|server| server.as_str() == "ca") {
        let server = server.as_str();
        checks.misfit(&["servers", server], "no server is called `ca` beside an authority: its keys are in the vault under that name");
    }
}

fn bounds(checks: &mut Checks<'_>) {
    let bounds = &checks.file.bounds;
    let counts = [
        ("message", bounds.message.bytes()),
        ("result", bounds.result.bytes()),
        ("nesting", bounds.nesting.into()),
        ("streams", bounds.streams.into()),
        ("inflight", bounds.inflight.into()),
        ("connections", bounds.connections.into()),
        ("header", whole_millis(bounds.header)),
        ("body", whole_millis(bounds.body)),
        ("idle", whole_millis(bounds.idle)),
        ("write", whole_millis(bounds.write)),
        ("turn", whole_millis(bounds.turn)),
    ];
    for (key, count) in counts {
        if count == 0 {
            checks.misfit(&["bounds", key], format!("bounds.{key} must be more than nothing"));
        }
    }
    if bounds.nesting > 128 {
        checks.misfit(&["bounds", "nesting"], "bounds.nesting is at most 128");
    }
    for (key, size) in [("message", bounds.message), ("result", bounds.result)] {
        if size.bytes() > 1 << 30 {
            checks.misfit(&["bounds", key], format!("bounds.{key} is at most 1GiB"));
        }
    }
}

fn whole_millis(span: crate::unit::Span) -> u64 {
    u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX)
}

fn people(checks: &mut Checks<'_>) {
    let mut seen = BTreeSet::new();
    let people = &checks.file.people;
    for (at, person) in people.iter().enumerate() {
        if !seen.insert(&person.name) {
            checks.misfit(&["people", &at.to_string(), "name"], format!("{} is here twice", person.name));
        }
    }
}

fn roles(checks: &mut Checks<'_>) {
    let file = checks.file;
    for (name, role) in &file.roles {
        let name = name.as_str();
        let named = role.allow.keys().map(|server| ("allow", server)).chain(role.ask.keys().map(|server| ("ask", server)));
        for (key, server) in named.chain(role.grant.keys().map(|server| ("grant", server))) {
            if !file.servers.contains_key(server) {
                checks.no_server(&["roles", name, key, server.as_str()], server);
            }
        }
        if role.members.is_empty() {
            checks.warn(&["roles", name], format!("roles.{name} has no members, so it allows nobody anything"));
        }
        for (server, entries) in &role.allow {
            if entries.contains(&Entry::Everything) {
                let message = format!("roles.{name} allows everything of {server}, its questions included");
                checks.warn(&["roles", name, "allow", server.as_str()], message);
            }
        }
        limit::role(checks, name, &role.limits);
    }
}

fn arguments(checks: &mut Checks<'_>, key: &ToolKey, tool: &Tool) {
    let shown = key.to_string();
    if !checks.file.servers.contains_key(&key.server) {
        checks.no_server(&["tools", &shown], &key.server);
    }
    for (name, argument) in &tool.arguments {
        let path = |last| ["tools", shown.as_str(), "arguments", name.as_str(), last];
        if argument.guard.is_none() {
            let node = checks.root.member("tools").and_then(|tools| tools.node.member(&shown));
            let node = node.and_then(|tool| tool.node.member("arguments")).and_then(|arguments| arguments.node.member(name));
            let alone: Vec<&str> =
                Argument::OF_GUARDS.iter().copied().filter(|word| node.is_some_and(|node| node.node.member(word).is_some())).collect();
            for word in alone {
                let guards = GuardKind::ALL.iter().map(|guard| guard.as_str()).collect::<Vec<_>>().join(", ");
                checks.misfit(&path(word), format!("{word} belongs to a guard ({guards}), and none is named"));
            }
        }
        match argument.guarded() {
            Ok(_) => {}
            Err(guards::Error::Policy { key, why }) => checks.misfit(&path(key), format!("tools.{shown}.arguments.{name}.{key}: {why}")),
            Err(cause) => checks.misfit(&path("guard"), cause.to_string()),
        }
        let textual = matches!(argument.kind, None | Some(JsonType::String | JsonType::Array));
        if argument.guard.is_some() && !textual {
            checks.misfit(&path("type"), "a guard judges text, or a list of texts");
        }
        if let Some(pattern) = &argument.pattern {
            let built = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
            if pattern.len() > 1_024 || built.is_err() {
                checks.misfit(&path("pattern"), "the pattern is not a regular expression of linear time and bounded size");
            }
        }
        if argument.min_length.zip(argument.max_length).is_some_and(|(least, most)| least > most) {
            checks.misfit(&path("maxLength"), "maxLength is less than minLength");
        }
        let range = argument
            .minimum
            .as_ref()
            .and_then(serde_json::Number::as_f64)
            .zip(argument.maximum.as_ref().and_then(serde_json::Number::as_f64));
        if range.is_some_and(|(least, most)| least > most) {
            checks.misfit(&path("maximum"), "maximum is less than minimum");
        }
        if argument.one_of.as_ref().is_some_and(Vec::is_empty) {
            checks.misfit(&path("enum"), "an empty enum fits no value");
        }
    }
    let files: Vec<&Argument> = tool.arguments.values().filter(|argument| argument.guard == Some(GuardKind::Files)).collect();
    let writes = matches!(tool.operation, Some(terms::Operation::Write | terms::Operation::Delete));
    if writes && !files.is_empty() && !files.iter().any(|argument| argument.write == Some(true)) {
        checks.misfit(
            &["tools", &shown, "operation"],
            "the tool writes, and no path of it may be written; write `write: true` beside the guard of the one that is",
        );
    }
}
