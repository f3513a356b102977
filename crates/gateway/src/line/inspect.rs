//! Stage 6: the facts that a decision may read are gathered. Nothing is judged here.

use super::resolve::{Resolved, Target};
use crate::content;
use crate::gate::Gate;
use crate::trail::{Stage, Trail};
use detect::Channel;
use mcp::{Edits, Node};
use sha2::{Digest, Sha256};
use terms::Class;

/// What arrived, with the facts about it.
pub struct Inspected {
    resolved: Resolved,
    blocked: Option<Class>,
    canonical: Vec<u8>,
}

impl Inspected {
    pub(super) fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// The class of content that the configuration does not let out to a server.
    pub(super) fn blocked(&self) -> Option<Class> {
        self.blocked
    }

    /// The canonical text of the arguments: what is decided on, recorded and sent.
    pub(super) fn canonical(&self) -> &[u8] {
        &self.canonical
    }
}

/// The member of the params that holds what a server is given.
fn payload(resolved: &Resolved) -> Option<Node<'_>> {
    match resolved.target() {
        Target::Tool(..) | Target::Prompt(..) => resolved.params()?.get("arguments"),
        Target::Completion(..) => resolved.params()?.get("argument"),
        Target::Reply(..) => resolved.reply(),
        Target::Initialize
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

pub(super) fn run(gate: &Gate, trail: &mut Trail, resolved: Resolved) -> Inspected {
    let mut canonical = Vec::new();
    let mut blocked = None;
    if let Some(arguments) = payload(&resolved) {
        canonical.reserve(arguments.raw().len());
        arguments.canonical(&mut canonical);
        let snapshot = resolved.snapshot();
        let before = trail.tally.len();
        let mut edits = Edits::new();
        blocked = content::screen(&snapshot.inspect, gate.servers.echo().as_deref(), arguments, Channel::Argument, trail, &mut edits);
        for tally in trail.tally.iter_mut().skip(before) {
            tally.action = terms::Action::Flag;
        }
        let mut shown = Vec::new();
        if edits.is_empty() {
            shown.extend_from_slice(&canonical);
        } else {
            arguments.print(&edits, &mut shown);
        }
        trail.arguments = Some(shown);
    }
    if let (Some(server), Some(subject)) = (&trail.server, &trail.subject) {
        let mut whole = Sha256::new();
        whole.update(b"{\"arguments\":");
        whole.update(if canonical.is_empty() { b"{}".as_slice() } else { &canonical });
        whole.update(b",\"server\":");
        whole.update(quoted(server.as_str()));
        whole.update(b",\"tool\":");
        whole.update(quoted(subject));
        whole.update(b"}");
        trail.canonical = Some(whole.finalize().into());
    }
    trail.passed(gate, Stage::Inspect);
    Inspected { resolved, blocked, canonical }
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    mcp::json::write_str(&mut out, text);
    out
}
