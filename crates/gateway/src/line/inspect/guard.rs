//! The guards of arguments: what they find, and what they put in place of what was sent.

use super::super::resolve::{Fit, Resolved, Target};
use super::quoted;
use crate::gate::Gate;
use crate::links::FileSystem;
use crate::snapshot::{Carrier, Item, Server, Unbounded};
use crate::trail::{GuardFact, Trail};
use guards::operation::Mistold;
use guards::path::Lexical;
use guards::smuggling::Smuggled;
use guards::{Found, Reason, Refused};
use mcp::{Bounds, Document, Edits, Node};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use terms::Operation;

/// How long a file system may take to tell where paths lead.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the guards found of a call.
pub enum Guarded {
    /// Nothing against it.
    Fit,
    /// An argument that its guard refuses, and why.
    Refused(Box<(String, Refused)>),
    /// An argument that would change the checks.
    Smuggled(Box<Smuggled>),
    /// An argument that may hold any text, on its way to a tool that changes something.
    Open(String),
    /// A kind of operation that the tool is not for, or none that can be told.
    Mistold(Mistold),
}

/// What the guards found, and what is to be sent in place of what.
pub(super) struct Judgement {
    pub(super) verdict: Guarded,
    /// Arguments with the text that bounds them.
    pub(super) replaced: Vec<(String, String)>,
    /// All arguments, those with a guard in its normal form, where one differs.
    pub(super) normal: Option<Box<Map<String, Value>>>,
}

impl Judgement {
    const fn of(verdict: Guarded) -> Self {
        Self { verdict, replaced: Vec::new(), normal: None }
    }
}

/// Runs the guards of a tool on arguments that fit its schema.
pub(super) async fn run(gate: &Gate, trail: &mut Trail, resolved: &Resolved) -> Judgement {
    if let (Target::Search(_), Some(smuggled)) = (resolved.target(), own(resolved)) {
        return Judgement::of(Guarded::Smuggled(Box::new(smuggled)));
    }
    let Target::Tool(server, item, Fit::Fits(arguments)) = resolved.target() else { return Judgement::of(Guarded::Fit) };
    if let Some(smuggled) = own(resolved).or_else(|| item.declared.check(arguments).err()) {
        return Judgement::of(Guarded::Smuggled(Box::new(smuggled)));
    }
    if item.guards.is_empty() {
        return Judgement::of(told(trail, resolved, item, arguments, &[]));
    }
    let judged =
        if item.guards.asks() && is_here(server) { Box::pin(asked(item, arguments)).await } else { item.guards.judge(arguments, &Lexical) };
    match judged {
        Ok(found) => {
            let verdict = told(trail, resolved, item, arguments, &found);
            trail.guarded = found.iter().map(|found| fact(gate, trail, resolved, arguments, found)).collect();
            let normal = normal(arguments, &found);
            let replaced = found.into_iter().filter_map(|found| {
                let text = found.judged.into_iter().next().and_then(|judged| judged.replace)?;
                Some((found.argument, text))
            });
            Judgement { verdict, replaced: replaced.collect(), normal }
        }
        Err((argument, refused)) => {
            let guard = item.guards.kind(&argument).map_or("-", guards::GuardKind::as_str);
            let reason = Some(refused.reason.as_str());
            trail.guarded.push(GuardFact { argument: argument.clone(), guard, operation: None, normal: None, reason });
            Judgement::of(Guarded::Refused(Box::new((argument, refused))))
        }
    }
}

/// Notes which kind of operation the call is, and which of its texts nothing bounds.
fn told(trail: &mut Trail, resolved: &Resolved, item: &Item, arguments: &Map<String, Value>, found: &[Found]) -> Guarded {
    match item.kinds.of(arguments, found) {
        Ok(operation) => trail.operation = operation,
        Err(why) => return Guarded::Mistold(why),
    }
    if trail.operation == Some(Operation::Read) {
        return Guarded::Fit;
    }
    let Some(open) = item.open.first(arguments) else { return Guarded::Fit };
    match resolved.snapshot().unbounded {
        Unbounded::Flagged => {
            trail.open = Some(open.to_owned());
            Guarded::Fit
        }
        Unbounded::Refused => Guarded::Open(open.to_owned()),
    }
}

/// All arguments, those with a guard in its normal form; none where none differs from what was sent.
fn normal(arguments: &Map<String, Value>, found: &[Found]) -> Option<Box<Map<String, Value>>> {
    let mut normal: Option<Box<Map<String, Value>>> = None;
    for found in found {
        let sent = arguments.get(&found.argument)?;
        let form = match (sent, found.judged.as_slice()) {
            (Value::String(_), [one]) => Value::String(one.normal.clone()),
            (Value::Array(_), many) => many.iter().map(|one| Value::String(one.normal.clone())).collect(),
            // A text that is several, such as a command line, is compared as it was sent.
            _ => continue,
        };
        if form != *sent {
            normal.get_or_insert_with(|| Box::new(arguments.clone())).insert(found.argument.clone(), form);
        }
    }
    normal
}

/// The arguments with what bounds them in the place of what was sent; none where nothing does.
pub(super) fn bounded(arguments: Node<'_>, replaced: &[(String, String)]) -> Option<Document> {
    if replaced.is_empty() {
        return None;
    }
    let mut edits = Edits::new();
    for (argument, text) in replaced {
        edits.set_text(arguments.get(argument)?.index(), text.as_str());
    }
    let mut text = Vec::with_capacity(arguments.raw().len() + 64);
    arguments.print(&edits, &mut text);
    Document::parse(text.into(), &Bounds::default()).ok()
}

/// Whether what a server names is on this machine: a program of it, not one in an image with files of its own, and not one elsewhere.
fn is_here(server: &Server) -> bool {
    match &server.carrier {
        Carrier::Run(run) => run.image.is_none(),
        Carrier::Remote(_) => false,
    }
}

/// Judges where the file system is asked, which may take its time, or for ever.
async fn asked(item: &Arc<Item>, arguments: &Map<String, Value>) -> Result<Vec<Found>, (String, Refused)> {
    let guarded: Map<String, Value> =
        arguments.iter().filter(|(name, _)| item.guards.kind(name).is_some()).map(|(name, value)| (name.clone(), value.clone())).collect();
    let first = guarded.keys().next().cloned().unwrap_or_default();
    let item = Arc::clone(item);
    let judging = tokio::task::spawn_blocking(move || item.guards.judge(&guarded, &FileSystem));
    match tokio::time::timeout(PATIENCE, judging).await {
        Ok(Ok(judged)) => judged,
        // It takes too long, or a guard panicked.
        Ok(Err(_)) | Err(_) => Err((first, Refused::unresolved())),
    }
}

/// What stands in the gateway's own name in the `_meta` of a call.
fn own(resolved: &Resolved) -> Option<Smuggled> {
    let meta = resolved.params()?.get("_meta")?;
    let own = meta.members().any(|member| guards::smuggling::is_own_name(&member.name()));
    own.then(|| Smuggled { pointer: "/_meta/?".to_owned(), reason: Reason::OwnName })
}

/// What goes on record of an argument that is let through.
fn fact(gate: &Gate, trail: &mut Trail, resolved: &Resolved, arguments: &Map<String, Value>, found: &Found) -> GuardFact {
    let operation = found.judged.iter().filter_map(|judged| judged.operation).max();
    let sent = arguments.get(&found.argument);
    let normals: Vec<&str> = found.judged.iter().map(|judged| judged.normal.as_str()).collect();
    let same = match (sent, normals.as_slice()) {
        (Some(Value::String(text)), [normal]) => text == normal,
        (Some(Value::Array(items)), normals) => items.iter().map(Value::as_str).eq(normals.iter().map(|normal| Some(*normal))),
        _ => false,
    };
    // The normal form of what a token stands for holds its value.
    let restored = trail.restored.as_ref().is_some_and(|restored| !restored.restored.is_empty());
    let normal = (!same && !restored).then(|| {
        let forms: Vec<Vec<u8>> = normals.iter().map(|normal| screened(gate, trail, resolved, normal)).collect();
        match sent {
            Some(Value::String(_)) => forms.concat(),
            _ => [b"[".as_slice(), &forms.join(&b','), b"]"].concat(),
        }
    });
    GuardFact { argument: found.argument.clone(), guard: found.kind.as_str(), operation, normal, reason: None }
}

/// A text as it may stand in a record: what the screens find in it is taken out, a secret always.
fn screened(gate: &Gate, trail: &mut Trail, resolved: &Resolved, text: &str) -> Vec<u8> {
    let withheld = || b"\"(withheld)\"".to_vec();
    let Ok(document) = Document::parse(quoted(text).into(), &Bounds::default()) else { return withheld() };
    let inspect = &resolved.snapshot().inspect;
    let tally = trail.tally.clone();
    let mut edits = Edits::new();
    let blocked = super::screens(gate, inspect, super::keeping(inspect)).screen(document.root(), trail, &mut edits).blocked;
    trail.tally = tally;
    if blocked.is_some() {
        return withheld();
    }
    let mut out = Vec::with_capacity(text.len() + 2);
    document.root().print(&edits, &mut out);
    out
}
