//! Walks the values of a message through the screens and says what has to change.

use crate::snapshot::Inspect;
use crate::trail::Trail;
use detect::{Budget, Channel, Echo, Scratch};
use mcp::{Edits, Kind, Node};
use std::borrow::Cow;
use std::cell::RefCell;
use terms::{Action, Class};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Digits from which on an integer may be a credential, a card or an account.
const DIGITS: usize = 8;

/// Screens every string, key and long integer of `node`. Findings are tallied on the trail; texts to be put in place of others are added to `edits`; the
/// class that forbids the whole is returned.
///
/// Keys are screened too, but cannot be rewritten without changing what the rest means: a finding in one that asks for more than a flag
/// blocks the whole. So does an inspection that was not completed.
pub(crate) fn screen(
    inspect: &Inspect,
    echo: Option<&Echo>,
    node: Node<'_>,
    channel: Channel,
    trail: &mut Trail,
    edits: &mut Edits,
) -> Option<Class> {
    let nodes = looked_at(node);
    let texts: Vec<Cow<'_, str>> =
        nodes.iter().map(|node| node.text().or_else(|| node.number().map(Cow::Borrowed)).unwrap_or_default()).collect();
    let parts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let mut reports = SCRATCH.with_borrow_mut(|scratch| inspect.engine.inspect_parts(&parts, channel, &Budget::default(), scratch));
    if let Some(echo) = echo.filter(|echo| !echo.is_empty()) {
        for (report, found) in reports.iter_mut().zip(echo.find_joined(&parts)) {
            report.findings.extend(found);
        }
    }
    let mut blocked = None;
    for ((node, text), report) in nodes.iter().zip(&parts).zip(&reports) {
        if report.findings.is_empty() {
            continue;
        }
        let mut strongest = Action::Flag;
        for finding in &report.findings {
            let action = inspect.actions.of(finding.class);
            trail.found(finding.class, &finding.kind, action);
            if action == Action::Block || (node.kind() == Kind::Key && action != Action::Flag) {
                blocked = Some(finding.class);
            }
            strongest = strongest.max(action);
        }
        if strongest != Action::Flag {
            edits.set_text(node.index(), detect::redact(text, &report.findings, &inspect.actions).into_owned());
        }
    }
    blocked
}

/// What of a message is looked at, in the order in which one part is read on into the next: what stands in members `text` comes last and together, as a
/// text in several blocks is read.
fn looked_at(node: Node<'_>) -> Vec<Node<'_>> {
    let mut parts = Vec::new();
    let mut told = false;
    for node in node.all() {
        let place = match node.kind() {
            Kind::Key => {
                told = node.is_text("text");
                Place::Around
            }
            Kind::Text if told => Place::Told,
            Kind::Text => Place::Around,
            Kind::Number if is_long(node) => Place::Before,
            Kind::Number | Kind::Object | Kind::Array | Kind::Bool | Kind::Null => continue,
        };
        parts.push((place, node));
    }
    parts.sort_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, node)| node).collect()
}

fn is_long(node: Node<'_>) -> bool {
    node.number().is_some_and(|digits| digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where a part stands among the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Before,
    Around,
    Told,
}
