//! Stage 6: the facts that a decision may read are gathered. Nothing is judged here.

mod guard;

pub(super) use guard::Guarded;

use super::resolve::{Fit, Reference, Resolved, Target};
use crate::content::Screens;
use crate::gate::Gate;
use crate::snapshot::Inspect;
use crate::trail::{Stage, Trail};
use detect::{Actions, Channel};
use guard::Judgement;
use mcp::{Bounds, Document, Edits, Node};
use sha2::{Digest, Sha256};
use std::pin::Pin;
use terms::{Action, Class, Operation};

/// What arrived, with the facts about it.
pub struct Inspected {
    resolved: Resolved,
    blocked: Option<Class>,
    guarded: Guarded,
    operation: Option<Operation>,
    /// Arguments in the normal form that guards gave them, where it differs from what was sent.
    normal: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    canonical: Vec<u8>,
    secrets: Secrets,
}

/// Whether secrets were found in what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    /// Some were.
    Sent,
    /// None were.
    None,
}

impl Inspected {
    pub(super) fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// The class of content that the configuration does not let out to a server.
    pub(super) fn blocked(&self) -> Option<Class> {
        self.blocked
    }

    /// Whether a secret stands in what is sent.
    pub(super) fn sends_secret(&self) -> bool {
        self.secrets == Secrets::Sent
    }

    /// The arguments that a decision reads: those that fit the tool, each in the normal form that its guard gave it.
    pub(super) fn arguments(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        match self.resolved.target() {
            Target::Tool(_, _, Fit::Fits(arguments)) => Some(self.normal.as_deref().unwrap_or(arguments)),
            _ => None,
        }
    }

    /// What the guards of the arguments found.
    pub(super) fn guarded(&self) -> &Guarded {
        &self.guarded
    }

    /// Which kind of operation a call of a tool is, where that is known.
    pub(super) fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// The canonical text of the arguments: what is decided on, recorded and sent.
    pub(super) fn canonical(&self) -> &[u8] {
        &self.canonical
    }
}

/// The member of the params that holds what a server is given.
fn payload(resolved: &Resolved) -> Option<Node<'_>> {
    match resolved.target() {
        Target::Tool(..) | Target::Prompt(..) => resolved.arguments(),
        // What is kept of it goes on record as that of a server's tool.
        Target::Search(_) | Target::Misused(_) => resolved.params()?.get("arguments"),
        Target::Completion(..) => resolved.params()?.get("argument"),
        Target::Reply(..) => resolved.reply(),
        // The addresses in it go to their servers.
        Target::Listen(..) => resolved.params()?.get("notifications"),
        Target::Initialize
        | Target::Discover
        | Target::Ping
        | Target::List(..)
        | Target::Level(_)
        | Target::Resource(..)
        | Target::Resources(..)
        | Target::NoResources
        | Target::Subscription(..)
        | Target::Cancel(_)
        | Target::Noted(_)
        | Target::Dropped
        | Target::Stream(_)
        | Target::End
        | Target::Closed(..)
        | Target::Absent => None,
    }
}

/// The stage, boxed: what it holds while a file system is asked does not make every call larger.
pub(super) fn run<'a>(gate: &'a Gate, trail: &'a mut Trail, resolved: Resolved) -> Pin<Box<dyn Future<Output = Inspected> + Send + 'a>> {
    Box::pin(async move {
        let guarded = guard::run(gate, trail, &resolved).await;
        gathered(gate, trail, resolved, guarded)
    })
}

fn gathered(gate: &Gate, trail: &mut Trail, resolved: Resolved, guarded: Judgement) -> Inspected {
    let mut canonical = Vec::new();
    let mut blocked = None;
    let bounded = payload(&resolved).and_then(|arguments| guard::bounded(arguments, &guarded.replaced));
    if let Some(arguments) = bounded.as_ref().map(Document::root).or_else(|| payload(&resolved)) {
        canonical.reserve(arguments.raw().len());
        arguments.canonical(&mut canonical);
        let inspect = &resolved.snapshot().inspect;
        // What a token stands for does not go on record.
        let restored = trail.restored.as_ref().is_some_and(|restored| !restored.restored.is_empty());
        let arguments = if restored {
            credentials(gate, trail, inspect, arguments);
            resolved.written().unwrap_or(arguments)
        } else {
            arguments
        };
        let before = trail.tally.len();
        let mut edits = Edits::new();
        blocked = screens(gate, inspect, inspect.handling.kept()).screen(arguments, trail, &mut edits).blocked;
        for tally in trail.tally.iter_mut().skip(before) {
            tally.action = Action::Flag;
        }
        if flagged(inspect, trail) {
            // A secret that the configuration lets pass is not let into the log with it.
            let tally = trail.tally.clone();
            edits = Edits::new();
            screens(gate, inspect, keeping(inspect)).screen(arguments, trail, &mut edits);
            trail.tally = tally;
        }
        let mut shown = Vec::new();
        if edits.is_empty() {
            arguments.canonical(&mut shown);
        } else {
            arguments.print(&edits, &mut shown);
        }
        trail.arguments = Some(shown);
    }
    blocked = blocked.or_else(|| beside(gate, trail, &resolved));
    // Agents hold no credential of a server: one that comes from them was got past the gateway, and goes no further.
    let echoed = trail.tally.iter().any(|tally| tally.class == Class::Echo);
    blocked = blocked.or(echoed.then_some(Class::Echo));
    let address = address(&resolved).map(str::to_owned);
    if let (Some(server), Some(subject)) = (&trail.server, address.as_ref().or(trail.subject.as_ref())) {
        let mut whole = Sha256::new();
        whole.update(b"{\"arguments\":");
        match context(&resolved) {
            Some(context) => whole.update(beside_it(&canonical, |out| context.canonical(out))),
            None if canonical.is_empty() => whole.update(b"{}"),
            None => whole.update(&canonical),
        }
        whole.update(b",\"server\":");
        whole.update(quoted(server.as_str()));
        whole.update(b",\"tool\":");
        whole.update(quoted(subject));
        whole.update(b"}");
        trail.canonical = Some(whole.finalize().into());
    }
    // What comes back is numbered by itself.
    trail.numbers = None;
    trail.passed(gate, Stage::Inspect);
    let secrets = if trail.tally.iter().any(|tally| tally.class == Class::Secret) { Secrets::Sent } else { Secrets::None };
    Inspected { resolved, blocked, guarded: guarded.verdict, operation: trail.operation, normal: guarded.normal, canonical, secrets }
}

/// Looks for our own credentials alone in what tokens were turned back into.
fn credentials(gate: &Gate, trail: &mut Trail, inspect: &Inspect, arguments: Node<'_>) {
    let tally = std::mem::take(&mut trail.tally);
    screens(gate, inspect, inspect.handling.kept()).screen(arguments, trail, &mut Edits::new());
    let found = std::mem::replace(&mut trail.tally, tally);
    trail.tally.extend(found.into_iter().filter(|tally| tally.class == Class::Echo));
}

/// The screens for what is sent.
fn screens<'a>(gate: &Gate, inspect: &'a Inspect, actions: Actions) -> Screens<'a> {
    Screens::new(gate, inspect, actions, Channel::Argument)
}

/// What is done with what goes on record: a secret is taken out, whatever else is done with it.
fn keeping(inspect: &Inspect) -> Actions {
    inspect.handling.kept().with(Class::Secret, Action::Redact)
}

/// Whether a secret was found that is only flagged.
fn flagged(inspect: &Inspect, trail: &Trail) -> bool {
    inspect.handling.kept().of(Class::Secret) == Action::Flag && trail.tally.iter().any(|tally| tally.class == Class::Secret)
}

/// Looks at what a server is given beside its arguments: the address of a resource, and what stands around an argument to be completed.
/// Of an address, and of a name that means nothing, the record keeps only what may be kept.
fn beside(gate: &Gate, trail: &mut Trail, resolved: &Resolved) -> Option<Class> {
    let inspect = &resolved.snapshot().inspect;
    let before: Vec<_> = trail.tally.clone();
    let mut blocked = None;
    if let Some(context) = context(resolved) {
        let mut edits = Edits::new();
        blocked = screens(gate, inspect, inspect.handling.kept()).screen(context, trail, &mut edits).blocked;
        let argument = trail.arguments.take().unwrap_or_default();
        trail.arguments = Some(if flagged(inspect, trail) {
            beside_it(&argument, |out| out.extend_from_slice(b"\"(withheld)\""))
        } else {
            beside_it(&argument, |out| context.print(&edits, out))
        });
    }
    if let Some(answers) = resolved.answers() {
        let mut edits = Edits::new();
        let found = screens(gate, inspect, inspect.handling.kept()).screen(answers, trail, &mut edits).blocked;
        blocked = blocked.or(found);
        let mut shown = Vec::with_capacity(answers.raw().len());
        if flagged(inspect, trail) {
            shown.extend_from_slice(b"\"(withheld)\"");
        } else if edits.is_empty() {
            answers.canonical(&mut shown);
        } else {
            answers.print(&edits, &mut shown);
        }
        trail.answers = Some(shown);
    }
    if let Some(address) = address(resolved).map(str::to_owned).or_else(|| unknown(resolved, trail)) {
        let Ok(document) = Document::parse(quoted(&address).into(), &Bounds::default()) else { return Some(Class::Unseen) };
        let mut edits = Edits::new();
        let found = screens(gate, inspect, inspect.handling.kept()).screen(document.root(), trail, &mut edits).blocked;
        if found.is_some() || flagged(inspect, trail) {
            trail.subject = Some("(withheld)".to_owned());
        } else if !edits.is_empty() {
            let mut kept = Vec::with_capacity(address.len());
            document.root().print(&edits, &mut kept);
            let kept: String = serde_json::from_slice(&kept).unwrap_or_default();
            trail.subject = Some(kept);
        }
        blocked = blocked.or(found);
    }
    for tally in trail.tally.iter_mut().filter(|tally| !before.contains(tally)) {
        tally.action = Action::Flag;
    }
    blocked
}

/// What stands around an argument to be completed: it goes to the server as well.
fn context(resolved: &Resolved) -> Option<Node<'_>> {
    match resolved.target() {
        Target::Completion(..) => resolved.params()?.get("context"),
        _ => None,
    }
}

/// An argument to be completed with what stands around it, as one object.
fn beside_it(argument: &[u8], context: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(argument.len() + 64);
    let mut object = mcp::json::Object::open(&mut out);
    object.raw("argument", argument);
    context(object.key("context"));
    object.close();
    out
}

/// The server's own address of the resource that a message is about.
fn address(resolved: &Resolved) -> Option<&str> {
    match resolved.target() {
        Target::Resource(_, uri) | Target::Subscription(_, uri, _) | Target::Completion(_, Reference::Template(uri)) => Some(uri),
        _ => None,
    }
}

/// The peer's own word for what is not there.
fn unknown(resolved: &Resolved, trail: &Trail) -> Option<String> {
    matches!(resolved.target(), Target::Absent | Target::Closed(..)).then(|| trail.subject.clone()).flatten()
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    mcp::json::write_str(&mut out, text);
    out
}
