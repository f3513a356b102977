//! Walks the values of a message through the screens and says what has to change.

use crate::gate::Gate;
use crate::session::tokens::{Stood, Tokens};
use crate::snapshot::Inspect;
use crate::trail::Trail;
use detect::{Actions, Budget, Channel, Echo, Engine, Marks, Personal, Report, Scratch, is_credit, is_credit_key, mark};
use mcp::{Edits, Kind, Node};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use terms::{Action, Class, Entropy, Finding, Label, Span};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Bytes of arguments in which what came back is sought, and how often for one call; beyond, nothing counts as sent.
const SOUGHT_IN: usize = 64 << 10;
const SOUGHT: u32 = 2_000;

/// Places of one text in which a value that went to a server is turned into its token.
const MOST_RETURNED: usize = 1_000;

/// Digits from which on an integer may be a credential, a card or an account.
const DIGITS: usize = 8;

/// The screens for one message: what they do with what they find.
pub(crate) struct Screens<'a> {
    engine: &'a Engine,
    actions: Actions,
    echo: Option<Arc<Echo>>,
    channel: Channel,
    clearance: Label,
    tokens: Option<Giving<'a>>,
    quiet: Vec<&'a str>,
}

/// Where tokens come from.
#[derive(Clone, Copy)]
pub(crate) struct Giving<'a> {
    /// Those of the session.
    pub(crate) tokens: &'a Tokens,
    /// The source of keys.
    pub(crate) entropy: &'a dyn Entropy,
    /// How sensitive what is screened is.
    pub(crate) label: Label,
}

/// What the screens saw of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The class that forbids the whole.
    pub(crate) blocked: Option<Class>,
    /// How sensitive what was found is.
    pub(crate) label: Label,
}

impl<'a> Screens<'a> {
    /// Those of a snapshot, which do `actions` with what comes over `channel`.
    pub(crate) fn new(gate: &Gate, inspect: &'a Inspect, actions: Actions, channel: Channel) -> Self {
        Self {
            engine: &inspect.engine,
            actions,
            echo: Option::clone(&gate.servers.echo()),
            channel,
            clearance: Label::Restricted,
            tokens: None,
            quiet: Vec::new(),
        }
    }

    /// These for who receives what is `clearance` at most: of what is found nothing passes that is above it.
    pub(crate) fn cleared(self, clearance: Label) -> Self {
        Self { clearance, ..self }
    }

    /// These, giving tokens of a session for what is tokenised. Values of it that went to servers come back as tokens, whatever they look like.
    pub(crate) fn giving(self, tokens: Giving<'a>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// These, letting pass what of these kinds is found. Credentials of ours, and what was not seen, are never let pass.
    pub(crate) fn quiet(self, kinds: Vec<&'a str>) -> Self {
        Self { quiet: kinds, ..self }
    }

    /// Screens every string, key and long integer of `node`. Findings are tallied on the trail; texts to be put in place of others are added to `edits`.
    ///
    /// Keys are screened too. One that holds personal data is renamed; a finding of another class in one that asks for more than a flag blocks the whole,
    /// for what it means would change. So does an inspection that was not completed.
    pub(crate) fn screen(&self, node: Node<'_>, trail: &mut Trail, edits: &mut Edits) -> Seen {
        let parts = looked_at(node);
        let nodes: Vec<Node<'_>> = parts.iter().map(|(_, node)| *node).collect();
        let texts: Vec<Cow<'_, str>> =
            nodes.iter().map(|node| node.text().or_else(|| node.number().map(Cow::Borrowed)).unwrap_or_default()).collect();
        let addressed = parts.into_iter().map(|(role, _)| role);
        let parts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let mut reports = SCRATCH.with_borrow_mut(|scratch| self.engine.inspect_parts(&parts, self.channel, &Budget::default(), scratch));
        if let Some(echo) = self.echo.as_deref().filter(|echo| !echo.is_empty()) {
            for (report, found) in reports.iter_mut().zip(echo.find_joined(&parts)) {
                report.findings.extend(found);
            }
        }
        for (((role, node), text), report) in addressed.zip(&nodes).zip(&parts).zip(&mut reports) {
            if leaks_are_sought(role, *node, self.channel) {
                report.findings.extend(leaks(text, trail));
            }
        }
        let sent = self.tokens.map(|giving| giving.tokens.sent()).unwrap_or_default();
        for (text, report) in parts.iter().zip(&mut reports).filter(|_| !sent.is_empty()) {
            report.findings.extend(returned(text, &sent));
        }
        let mut seen = Seen::default();
        if reports.iter().all(Report::is_empty) {
            return seen;
        }
        let credits = Credits::of(node);
        let mut numbers = trail.numbers.take().unwrap_or_default();
        let mut renamed = HashSet::new();
        for ((node, text), report) in nodes.iter().zip(&parts).zip(&reports) {
            if report.findings.is_empty() {
                continue;
            }
            let decided: Vec<(&Finding, Action)> = report
                .findings
                .iter()
                .map(|finding| {
                    if self.quiet.contains(&finding.kind.as_ref()) && !matches!(finding.class, Class::Echo | Class::Unseen) {
                        return (finding, Action::Flag);
                    }
                    let label = sensitivity(finding);
                    seen.label = seen.label.max(label);
                    let chosen = self.actions.on(finding, || credits.hold(*node) || is_credit(text, finding.span));
                    let chosen = if is_returned(text, finding, &sent) { chosen.max(Action::Tokenise) } else { chosen };
                    (finding, if label > self.clearance { chosen.max(Action::Redact) } else { chosen })
                })
                .collect();
            for (finding, action) in &decided {
                trail.found(finding.class, &finding.kind, *action);
                let key = node.kind() == Kind::Key && *action != Action::Flag && finding.class != Class::Pii;
                if *action == Action::Block || key {
                    seen.blocked = Some(finding.class);
                }
            }
            let strongest = decided.iter().map(|(_, action)| *action).max().unwrap_or(Action::Flag);
            if strongest == Action::Flag {
                continue;
            }
            if decided.iter().any(|(finding, action)| finding.class == Class::Leak && *action != Action::Flag) {
                // Nothing but what tells of the machine is kept.
                let others: Vec<_> = decided.iter().copied().filter(|(finding, _)| finding.class != Class::Leak).collect();
                trail.withhold(&mark(text, &others, &mut Marks { numbers: &mut numbers, reference: None, tokens: None }));
            }
            let reference = trail.id.to_string();
            let mut give = |finding: &Finding, value: &str| {
                let Giving { tokens, entropy, label } = self.tokens?;
                tokens.give(entropy, finding, value, label.max(sensitivity(finding)))
            };
            let marks = &mut Marks { numbers: &mut numbers, reference: Some(&reference), tokens: Some(&mut give) };
            let text = mark(text, &decided, marks).into_owned();
            if node.kind() == Kind::Key && !renamed.insert(text.clone()) {
                seen.blocked = Some(Class::Pii);
            }
            edits.set_text(node.index(), text);
        }
        trail.numbers = Some(numbers);
        seen
    }
}

/// Values that went to servers for tokens, where they stand in what comes back.
fn returned(text: &str, sent: &[Stood]) -> Vec<Finding> {
    let places = |one: &Stood| -> Vec<Finding> {
        let found = memchr::memmem::find_iter(text.as_bytes(), one.value.as_bytes());
        let finding = |at: usize| Finding {
            class: one.class,
            kind: Cow::Owned(one.kind.clone()),
            span: Span::new(at, at + one.value.len()),
            confidence: 1.0,
        };
        found.take(MOST_RETURNED).map(finding).collect()
    };
    sent.iter().flat_map(places).collect()
}

/// Whether a finding is a value that went to a server for a token.
fn is_returned(text: &str, finding: &Finding, sent: &[Stood]) -> bool {
    let value = text.get(finding.span.start..finding.span.end).unwrap_or_default();
    sent.iter().any(|one| one.kind == finding.kind && one.value.as_str() == value)
}

/// How sensitive a finding makes what holds it.
fn sensitivity(finding: &Finding) -> Label {
    match finding.class {
        Class::Secret | Class::Echo | Class::Financial => Label::Confidential,
        Class::Pii => match Personal::of(&finding.kind) {
            Personal::Identity => Label::Confidential,
            Personal::Name | Personal::Mail | Personal::Reach => Label::Public,
        },
        Class::Injection | Class::Leak | Class::Unseen => Label::Public,
    }
}

/// The parts of a message that stand under a name which gives credit.
struct Credits(Vec<std::ops::Range<u32>>);

impl Credits {
    fn of(node: Node<'_>) -> Self {
        let mut all = Vec::new();
        let mut under = false;
        for node in node.all() {
            if std::mem::take(&mut under) {
                all.push(node.index()..node.after());
            }
            under = node.kind() == Kind::Key && node.text().is_some_and(|name| is_credit_key(&name));
        }
        Self(all)
    }

    fn hold(&self, node: Node<'_>) -> bool {
        self.0.iter().any(|place| place.contains(&node.index()))
    }
}

/// What of a message is looked at, in the order in which one part is read on into the next: what stands in members `text` comes last and together, as a
/// text in several blocks is read.
fn looked_at(node: Node<'_>) -> Vec<(Role, Node<'_>)> {
    let mut parts = Vec::new();
    let addresses = addresses(node);
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
        let at = addresses.binary_search_by_key(&node.index(), |(at, _)| *at).ok().and_then(|at| addresses.get(at));
        let role = at.map_or(Role::Told, |(_, role)| *role);
        parts.push((place, role, node));
    }
    parts.sort_by_key(|(place, ..)| *place);
    parts.into_iter().map(|(_, role, node)| (role, node)).collect()
}

/// The addresses of a result or of a question, where the protocol has them: what else is called so is text like any other.
fn addresses(node: Node<'_>) -> Vec<(u32, Role)> {
    let mut all = Vec::new();
    let mut address = |node: Option<Node<'_>>, role| all.extend(node.map(|node| (node.index(), role)));
    for item in ["contents", "resources", "resourceTemplates"].into_iter().filter_map(|list| node.get(list)).flat_map(Node::items) {
        address(item.get("uri"), Role::Resource);
        address(item.get("uriTemplate"), Role::Resource);
    }
    let messages = node.get("messages").into_iter().flat_map(Node::items).filter_map(|message| message.get("content"));
    for content in node.get("content").into_iter().chain(messages) {
        for block in content.items().chain((content.kind() == Kind::Object).then_some(content)) {
            match block.get("type").and_then(Node::text).as_deref() {
                Some("resource_link") => address(block.get("uri"), Role::Resource),
                Some("resource") => address(block.get("resource").and_then(|resource| resource.get("uri")), Role::Resource),
                _ => {}
            }
        }
    }
    for page in node.get("elicitations").into_iter().flat_map(Node::items).chain([node]) {
        address(page.get("url"), Role::Page);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    all
}

/// What a text is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To be read.
    Told,
    /// The address of a resource, by which it is asked for.
    Resource,
    /// The address of a page.
    Page,
}

/// Whether a part is looked through for what tells of the machine behind a server: not what the client sends, nor what was approved, nor what it needs
/// to ask for a resource or to visit a page that it is asked to.
fn leaks_are_sought(role: Role, node: Node<'_>, channel: Channel) -> bool {
    let comes_back = match channel {
        Channel::Argument | Channel::Definition => false,
        Channel::Result | Channel::Resource | Channel::Prompt | Channel::Question | Channel::Fault | Channel::Note => true,
    };
    let needed = role == Role::Resource || role == Role::Page && channel == Channel::Question;
    comes_back && !needed && node.kind() != Kind::Number
}

/// What tells of the machine behind a server, without what the client knows: what it sent, and what lies under the folders that were opened to it.
fn leaks(text: &str, trail: &mut Trail) -> Vec<Finding> {
    let mut found = detect::leaks(text);
    found.retain(|finding| {
        let told = text.get(finding.span.start..finding.span.end).unwrap_or_default();
        !is_open(told, trail) && !was_sent(told, trail)
    });
    found
}

/// Whether a path lies under a folder that was opened.
fn is_open(path: &str, trail: &Trail) -> bool {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let plain = !path.split(['/', '\\']).any(|name| name == "..") && !path.contains('%');
    plain
        && trail
            .roots
            .iter()
            .chain(trail.told.iter())
            .any(|root| path.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether the client wrote it itself.
fn was_sent(told: &str, trail: &mut Trail) -> bool {
    if trail.subject.as_deref().is_some_and(|subject| subject.contains(told)) {
        return true;
    }
    let Some(arguments) = trail.arguments.as_ref().filter(|arguments| arguments.len() <= SOUGHT_IN && trail.sought < SOUGHT) else {
        return false;
    };
    trail.sought += 1;
    let mut quoted = Vec::with_capacity(told.len() + 2);
    mcp::json::write_str(&mut quoted, told);
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    !inner.is_empty() && memchr::memmem::find(arguments, inner).is_some()
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
