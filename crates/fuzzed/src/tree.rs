//! JSON as it may be written: members in any order and number, numbers as they are spelled.

use crate::Input;
use mcp::{Kind, Node};

/// A value that can say what no parser lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is spelled.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object.
    Object(Vec<(String, Tree)>),
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Tree {
    fn from(number: i64) -> Self {
        Self::Number(number.to_string())
    }
}

/// An object of these members.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Tree)>) -> Tree {
    Tree::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Ways in which a value is changed.
#[derive(Clone, Copy, Debug)]
enum Change {
    Drop,
    Double,
    Rename,
    Replace,
    Add,
    Enclose,
    Bury,
    Lengthen,
    Respell,
    Graft,
    Soil,
    Empty,
}

const CHANGES: [Change; 12] = [
    Change::Drop,
    Change::Double,
    Change::Rename,
    Change::Replace,
    Change::Add,
    Change::Enclose,
    Change::Bury,
    Change::Lengthen,
    Change::Respell,
    Change::Graft,
    Change::Soil,
    Change::Empty,
];

/// Numbers that readers differ on.
const NUMBERS: [&str; 16] = [
    "-0",
    "0",
    "1.0",
    "1e0",
    "1E+2",
    "-1",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e400",
    "0.1",
    "5e-324",
    "1.50",
    "123456789012345678901234567890",
];
/// Keys that mean something to some reader.
const KEYS: [&str; 16] = [
    "__proto__",
    "constructor",
    "",
    "id",
    "method",
    "result",
    "error",
    "_meta",
    "task",
    "type",
    "io.modelcontextprotocol/x",
    "dev.bastide/x",
    "name",
    "params",
    "requestState",
    "inputResponses",
];

impl Tree {
    /// The value of a node.
    pub fn of(node: Node<'_>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(node.truth() == Some(true)),
            Kind::Number => Self::Number(node.number().unwrap_or_default().to_owned()),
            Kind::Text | Kind::Key => Self::Text(node.text().unwrap_or_default().into_owned()),
            Kind::Array => Self::Array(node.items().map(Self::of).collect()),
            Kind::Object => Self::Object(node.members().map(|member| (member.name().into_owned(), Self::of(member.value))).collect()),
        }
    }

    /// The member `key`, of which there may be one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Puts a member at the end.
    pub fn put(&mut self, key: &str, value: Self) {
        if let Self::Object(members) = self {
            members.push((key.to_owned(), value));
        }
    }

    /// How many values it is, itself included.
    fn count(&self) -> usize {
        1 + match self {
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.count()).sum(),
            _ => 0,
        }
    }

    /// The value of this place in the order of [`Self::count`].
    fn at(&mut self, place: usize) -> Option<&mut Self> {
        if place == 0 {
            return Some(self);
        }
        let mut left = place - 1;
        let values: Vec<&mut Self> = match self {
            Self::Array(items) => items.iter_mut().collect(),
            Self::Object(members) => members.iter_mut().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        for value in values {
            let size = value.count();
            if left < size {
                return value.at(left);
            }
            left -= size;
        }
        None
    }

    /// Changes one thing somewhere in it.
    pub fn change(&mut self, input: &mut Input<'_>) {
        let count = self.count();
        let (place, other) = (input.below(count), input.below(count));
        let graft = self.at(other).cloned();
        let change = input.pick(&CHANGES);
        if let Some(value) = self.at(place) {
            value.apply(change, graft, input);
        }
    }

    fn apply(&mut self, change: Change, graft: Option<Self>, input: &mut Input<'_>) {
        let key = input.pick(&KEYS);
        match (change, &mut *self) {
            (Change::Drop, Self::Array(items)) if !items.is_empty() => drop(items.remove(input.below(items.len()))),
            (Change::Drop, Self::Object(members)) if !members.is_empty() => drop(members.remove(input.below(members.len()))),
            (Change::Double, Self::Object(members)) if !members.is_empty() => {
                let member = members[input.below(members.len())].clone();
                let at = input.below(members.len() + 1);
                members.insert(at, member);
            }
            (Change::Double, Self::Array(items)) if !items.is_empty() => {
                let item = items[input.below(items.len())].clone();
                for _ in 0..1 + input.below(70) {
                    items.push(item.clone());
                }
            }
            (Change::Rename, Self::Object(members)) if !members.is_empty() => {
                let at = input.below(members.len());
                let name = &mut members[at].0;
                *name = match input.below(5) {
                    0 => name.to_uppercase(),
                    1 => name.chars().map(wide).collect(),
                    2 => format!("{name} "),
                    3 => key.to_owned(),
                    _ => input.own(12),
                };
            }
            (Change::Add, Self::Object(members)) => {
                let at = input.below(members.len() + 1);
                members.insert(at, (key.to_owned(), graft.unwrap_or(Self::Null)));
            }
            (Change::Add, Self::Array(items)) => items.push(graft.unwrap_or(Self::Null)),
            (Change::Enclose, value) => *value = Self::Array(vec![std::mem::replace(value, Self::Null)]),
            (Change::Bury, value) => {
                for level in 0..input.pick(&[3_usize, 60, 64, 70, 130]) {
                    let inner = std::mem::replace(value, Self::Null);
                    *value = if level % 2 == 0 { Self::Array(vec![inner]) } else { object([("a", inner)]) };
                }
            }
            (Change::Lengthen, Self::Text(text)) => {
                let length = input.pick(&[2_usize, 64, 100, 128, 256, 1024, 8192, 65_537]);
                *text = text.chars().chain(['x']).cycle().take(length + input.below(2)).collect();
            }
            (Change::Respell, value) => *value = Self::Number(input.pick(&NUMBERS).to_owned()),
            (Change::Soil, Self::Text(text)) => {
                text.push(input.pick(&['\0', '\n', '\u{7f}', ' ', '\u{200b}', '\u{feff}', '\u{10ffff}', '"', '\\']))
            }
            (Change::Soil, Self::Object(members)) if !members.is_empty() => {
                let at = input.below(members.len());
                members[at].0.push(input.pick(&['\0', '\t', '\u{200b}', '\u{301}']));
            }
            (Change::Empty, value) => {
                *value = match input.below(6) {
                    0 => Self::Null,
                    1 => Self::Text(String::new()),
                    2 => Self::Array(Vec::new()),
                    3 => Self::Object(Vec::new()),
                    4 => Self::Bool(true),
                    _ => Self::from(0),
                };
            }
            (_, value) => *value = graft.unwrap_or(Self::Null),
        }
    }

    /// Appends its compact print.
    pub fn print(&self, out: &mut Vec<u8>) {
        self.write(&mut None, out);
    }

    /// Its compact print.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.print(&mut out);
        out
    }

    /// Its print with blanks and escapes as `input` has it.
    pub fn spelled(&self, input: &mut Input<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut Some(input), &mut out);
        out
    }

    fn write(&self, input: &mut Option<&mut Input<'_>>, out: &mut Vec<u8>) {
        blank(input, out);
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.as_bytes()),
            Self::Text(text) => write_text(text, input, out),
            Self::Array(items) => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.write(input, out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (place, (key, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    blank(input, out);
                    write_text(key, input, out);
                    blank(input, out);
                    out.push(b':');
                    value.write(input, out);
                }
                out.push(b'}');
            }
        }
        blank(input, out);
    }
}

/// A letter of ASCII in its wide form, which looks alike.
fn wide(letter: char) -> char {
    if letter.is_ascii_alphanumeric() { char::from_u32(u32::from(letter) + 0xFEE0).unwrap_or(letter) } else { letter }
}

fn blank(input: &mut Option<&mut Input<'_>>, out: &mut Vec<u8>) {
    if let Some(input) = input
        && input.rarely(8)
    {
        out.push(input.pick(b" \t\r\n"));
    }
}

fn write_text(text: &str, input: &mut Option<&mut Input<'_>>, out: &mut Vec<u8>) {
    out.push(b'"');
    for letter in text.chars() {
        let odd = input.as_mut().is_some_and(|input| input.rarely(16));
        match letter {
            '"' | '\\' if !odd => out.extend([b'\\', letter as u8]),
            '/' if odd => out.extend_from_slice(b"\\/"),
            _ if odd || letter < ' ' => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
