//! The YAML tree, each node with its place.
//!
//! Scalars stay text: a value is read as what its key expects, so `no` is never false and `1.10` never 1.1. Refused:
//! doubled keys, tags, keys that are not text, further documents. Aliases are copied under a bound on all nodes.

use crate::problem::{Fault, Place, Problem};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use std::collections::BTreeMap;

/// Most nodes of a file, copies of aliases included.
const MOST_NODES: usize = 100_000;
/// Most bytes of all scalars, copies of aliases included.
const MOST_TEXT: usize = 8 << 20;
/// Deepest nesting.
const MOST_DEPTH: usize = 32;

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `null`, `~` or nothing, unquoted.
    Null,
    /// Any other scalar.
    Text { text: String, plain: Plain },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Member>),
}

/// Whether a scalar was written without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Bare,
    Quoted,
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    /// What sort of value it is, for people.
    pub(crate) fn sort(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Text { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The entry `key` of a mapping.
    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        match &self.value {
            Value::Map(members) => members.iter().find(|member| member.key == key),
            Value::Null | Value::Text { .. } | Value::List(_) => None,
        }
    }

    /// The scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The node that `path` leads to, list entries by their number.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        let Some((step, rest)) = path.split_first() else { return Some(self) };
        match &self.value {
            Value::Map(_) => self.member(step)?.node.at(rest),
            Value::List(items) => items.get(step.parse::<usize>().ok()?)?.at(rest),
            Value::Null | Value::Text { .. } => None,
        }
    }

    /// The node that `path` leads to, list entries by their number, or the place of the nearest one above it.
    pub(crate) fn place_of(&self, path: &[&str]) -> Place {
        let Some((step, rest)) = path.split_first() else { return self.place };
        match &self.value {
            Value::Map(members) => match members.iter().find(|member| member.key == *step) {
                Some(member) if rest.is_empty() => member.place,
                Some(member) => member.node.deeper(rest, member.place),
                None => self.place,
            },
            Value::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)).map_or(self.place, |item| item.place_of(rest)),
            Value::Null | Value::Text { .. } => self.place,
        }
    }

    fn deeper(&self, rest: &[&str], above: Place) -> Place {
        match &self.value {
            Value::Map(members) if !members.iter().any(|member| Some(&member.key.as_str()) == rest.first()) => above,
            Value::Null => above,
            Value::Map(_) | Value::List(_) | Value::Text { .. } => self.place_of(rest),
        }
    }

    fn weight(&self) -> (usize, usize) {
        let add = |one: (usize, usize), two: (usize, usize)| (one.0.saturating_add(two.0), one.1.saturating_add(two.1));
        match &self.value {
            Value::Null => (1, 0),
            Value::Text { text, .. } => (1, text.len()),
            Value::List(items) => items.iter().map(Self::weight).fold((1, 0), add),
            Value::Map(members) => members.iter().map(|member| add(member.node.weight(), (1, member.key.len()))).fold((1, 0), add),
        }
    }
}

/// Reads `text`; problems that leave a tree (doubled keys, tags) come beside it.
pub(crate) fn read(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut options = Options::default();
    options.emit_comments = false;
    options.disallow_directives = true;
    options.strict_indentation = false;
    options.flow_nesting_limit = MOST_DEPTH;
    options.block_nesting_limit = MOST_DEPTH;
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        problems: Vec::new(),
        nodes: 0,
        bytes: 0,
    };
    let root = match composer.document() {
        Ok(root) => root,
        Err(problem) => {
            composer.problems.push(*problem);
            None
        }
    };
    (root, composer.problems)
}

type Step<T> = Result<T, Box<Problem>>;

struct Composer<'input> {
    events: Parser<'input, granit_parser::StrInput<'input>>,
    anchors: BTreeMap<usize, Node>,
    problems: Vec<Problem>,
    nodes: usize,
    bytes: usize,
}

impl<'input> Composer<'input> {
    fn document(&mut self) -> Step<Option<Node>> {
        let mut root = None;
        loop {
            let Some((event, span)) = self.next()? else { return Ok(root) };
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(syntax(place(span), "a second document is not read here; keep one"));
                }
                Event::DocumentStart(..) => {}
                Event::StreamEnd => return Ok(root),
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Step<Option<(Event<'input>, Span)>> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(cause)) => {
                let marker = cause.marker();
                let place = Place { line: number(marker.line()), column: number(marker.col().saturating_add(1)), length: 1 };
                Err(syntax(place, &format!("this is not valid YAML: {}", cause.info())))
            }
        }
    }

    fn take(&mut self) -> Step<(Event<'input>, Span)> {
        self.next()?.ok_or_else(|| syntax(Place::START, "the file ends in the middle"))
    }

    fn charge(&mut self, (nodes, bytes): (usize, usize), place: Place) -> Step<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MOST_NODES || self.bytes > MOST_TEXT {
            return Err(syntax(place, "the file is larger than the bound once its aliases are copied"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Step<Node> {
        let place = place(span);
        if depth > MOST_DEPTH {
            return Err(syntax(place, &format!("nesting is deeper than {MOST_DEPTH}")));
        }
        self.charge((1, 0), place)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.charge((0, text.len()), place)?;
                self.refuse_tag(tag.is_some(), place);
                (scalar(&text, style), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), place);
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), place);
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| syntax(place, "an alias cannot stand inside what it means"))?;
                self.charge(node.weight(), place)?;
                return Ok(node);
            }
            _ => return Err(syntax(place, "a value was expected")),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.charge(node.weight(), place)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Step<Value> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.take()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span, depth.saturating_add(1))?);
        }
    }

    fn map(&mut self, depth: usize) -> Step<Value> {
        let mut members: Vec<Member> = Vec::new();
        let mut seen: BTreeMap<String, Place> = BTreeMap::new();
        loop {
            let (event, span) = self.take()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Map(members));
            }
            let key = self.node(event, span, depth.saturating_add(1))?;
            let (event, span) = self.take()?;
            let node = self.node(event, span, depth.saturating_add(1))?;
            let Some(text) = key.text().map(str::to_owned) else {
                self.problems.push(*syntax(key.place, "a key must be text"));
                continue;
            };
            match seen.get(&text) {
                Some(first) => {
                    let message = format!("the key {text:?} is here twice; it stands on line {} already", first.line);
                    self.problems.push(*syntax(key.place, &message));
                }
                None => {
                    seen.insert(text.clone(), key.place);
                    members.push(Member { key: text, place: key.place, node });
                }
            }
        }
    }

    fn refuse_tag(&mut self, tagged: bool, place: Place) {
        if tagged {
            self.problems.push(*syntax(place, "tags are not read here; remove the \"!…\""));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = if style == ScalarStyle::Plain { Plain::Bare } else { Plain::Quoted };
    match (plain, text) {
        (Plain::Bare, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        _ => Value::Text { text: text.to_owned(), plain },
    }
}

fn syntax(place: Place, message: &str) -> Box<Problem> {
    Box::new(Problem { place, key: String::new(), fault: Fault::Syntax, message: message.to_owned(), nearest: None })
}

fn place(span: Span) -> Place {
    let one_line = span.start.line() == span.end.line();
    let length = if one_line { span.end.index().saturating_sub(span.start.index()) } else { 1 };
    Place { line: number(span.start.line()), column: number(span.start.col().saturating_add(1)), length: number(length.max(1)) }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_bomb_is_bounded() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        let (root, problems) = read(&text);
        assert!(root.is_none());
        assert!(problems[0].message.contains("larger than the bound"), "{problems:?}");
    }

    #[test]
    fn doubled_keys_tags_and_second_documents_are_refused() {
        for bad in ["a: 1\na: 2\n", "a: !!int 1\n", "a: 1\n---\nb: 2\n", "? [x]\n: 1\n", "%YAML 1.1\n---\na: 1\n", "a: &x [*x]\n"] {
            assert!(!read(bad).1.is_empty(), "{bad}");
        }
    }

    #[test]
    fn places_count_from_one() {
        let (root, problems) = read("a:\n  bc: [x, yy]\n");
        assert!(problems.is_empty());
        let root = root.unwrap();
        assert_eq!(root.place_of(&["a", "bc"]), Place { line: 2, column: 3, length: 2 });
        assert_eq!(root.place_of(&["a", "bc", "1"]), Place { line: 2, column: 11, length: 2 });
        assert_eq!(root.place_of(&["a", "zz"]), Place { line: 1, column: 1, length: 1 });
    }
}
