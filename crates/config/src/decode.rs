//! From the tree to types, collecting every problem; the JSON Schema comes from the same declarations.

use crate::problem::{Fault, MOST, Place, Problem, nearest};
use crate::tree::{Member, Node, Plain, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

/// A type that can stand in the file.
pub(crate) trait Decode: Sized {
    /// Reads `node`; on `None` the reader has at least one problem more.
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self>;
    /// Its JSON Schema.
    fn schema() -> Json;
}

/// Where reading stands, and what was wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    /// The path of the key that is read, such as `roles.coder.members[0]`.
    pub(crate) fn key(&self) -> String {
        show(self.path.iter().map(String::as_str))
    }

    /// Notes a problem at `place`.
    pub(crate) fn note(&mut self, place: Place, fault: Fault, message: String, nearest: Option<String>) {
        if self.problems.len() < MOST {
            self.problems.push(Problem { place, key: self.key(), fault, message, nearest });
        }
    }

    /// Notes that `node` is not `expected`.
    pub(crate) fn wrong<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let found = match &node.value {
            Value::Text { text, .. } => format!("{:?}", text.chars().take(60).collect::<String>()),
            Value::Null | Value::List(_) | Value::Map(_) => node.sort().to_owned(),
        };
        let key = self.key();
        let subject = if key.is_empty() { "the file".to_owned() } else { key };
        self.note(node.place, Fault::Value, format!("{subject} must be {expected}, not {found}"), None);
        None
    }

    /// Reads below the entry `step`.
    pub(crate) fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.path.push(step.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    /// The entries of a mapping that has no others than `known`.
    pub(crate) fn members<'a>(&mut self, node: &'a Node, known: &[&str]) -> Option<&'a [Member]> {
        let Value::Map(members) = &node.value else { return self.wrong(node, "a mapping") };
        for member in members.iter().filter(|member| !known.contains(&member.key.as_str())) {
            let key = self.key();
            let place = if key.is_empty() { String::new() } else { format!(" in {key}") };
            let near = nearest(&member.key, known.iter().copied());
            let expected = if near.is_some() { String::new() } else { format!("; known are {}", known.join(", ")) };
            let shown: String = member.key.chars().take(60).collect();
            self.path.push(member.key.clone());
            self.note(member.place, Fault::UnknownKey, format!("unknown key {shown:?}{place}{expected}"), near);
            self.path.pop();
        }
        Some(members)
    }

    /// Reads the entry `key`, if it is there and not empty.
    pub(crate) fn field<T: Decode>(&mut self, members: &[Member], key: &str) -> Field<T> {
        match members.iter().find(|member| member.key == key) {
            None => Field::Absent,
            Some(member) => match &member.node.value {
                Value::Null => Field::Absent,
                Value::Text { .. } | Value::List(_) | Value::Map(_) => {
                    self.within(key, |reader| T::decode(&member.node, reader)).map_or(Field::Wrong, Field::Read)
                }
            },
        }
    }

    /// Notes that `key` must be there.
    pub(crate) fn missing(&mut self, node: &Node, key: &str) {
        let owner = self.key();
        let owner = if owner.is_empty() { "the file".to_owned() } else { owner };
        self.note(node.place, Fault::MissingKey, format!("{owner} needs the key \"{key}\""), None);
    }
}

/// What was found under a key.
pub(crate) enum Field<T> {
    Absent,
    Wrong,
    Read(T),
}

/// A path as it is shown.
pub(crate) fn show<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    path.into_iter().fold(String::new(), |mut out, step| {
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !step.is_empty() && !out.is_empty() {
            let _ = write!(out, "[{step}]");
        } else {
            out.push_str(if out.is_empty() { "" } else { "." });
            out.extend(step.chars().take(60));
        }
        out
    })
}

/// Declares a mapping of the file: its struct, how it is read, its schema. With `defaulted` every key may be absent.
macro_rules! section {
    ($(#[doc = $doc:literal])* defaulted $name:ident { $( $(#[doc = $text:literal])* $field:ident, $key:literal: $ty:ty = $default:expr; )* }) => {
        $crate::decode::section! { $(#[doc = $doc])* $name { $( $(#[doc = $text])* $field, $key: $ty = $default; )* } }
        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }
    };
    ($(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $text:literal])* $field:ident, $key:literal: $ty:ty $(= $default:expr)?; )* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $text])* pub $field: $ty, )*
        }
        impl $crate::decode::Decode for $name {
            fn decode(node: &$crate::tree::Node, reader: &mut $crate::decode::Reader) -> Option<Self> {
                let members = reader.members(node, &[$($key),*])?;
                $( let $field: Option<$ty> = match reader.field(members, $key) {
                    $crate::decode::Field::Read(value) => Some(value),
                    $crate::decode::Field::Wrong => None,
                    $crate::decode::Field::Absent => $crate::decode::section!(@absent reader, node, $key $(, $default)?),
                }; )*
                Some(Self { $( $field: $field?, )* })
            }
            fn schema() -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                let required: [Option<&str>; _] = [$( $crate::decode::section!(@required $key $(, $default)?) ),*];
                let required: Vec<&str> = required.into_iter().flatten().collect();
                $(
                    let mut schema = <$ty as $crate::decode::Decode>::schema();
                    if let Some(object) = schema.as_object_mut() {
                        object.insert("description".into(), concat!($($text),*).trim().into());
                    }
                    properties.insert($key.into(), schema);
                )*
                serde_json::json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
            }
        }
    };
    (@absent $reader:ident, $node:ident, $key:literal) => {{ $reader.missing($node, $key); None }};
    (@absent $reader:ident, $node:ident, $key:literal, $default:expr) => { Some($default) };
    (@required $key:literal) => { Some($key) };
    (@required $key:literal, $default:expr) => { None };
}
pub(crate) use section;

/// Declares a closed set of words.
macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $( $(#[doc = $text:literal])* $variant:ident = $word:literal, )* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $text])* $variant, )*
        }
        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl $crate::decode::Decode for $name {
            fn decode(node: &$crate::tree::Node, reader: &mut $crate::decode::Reader) -> Option<Self> {
                $crate::decode::word(node, reader, Self::ALL.iter().map(|one| (one.as_str(), *one)))
            }
            fn schema() -> serde_json::Value {
                serde_json::json!({"enum": [$($word),*]})
            }
        }
    };
}
pub(crate) use choice;

/// Reads one of a closed set of words.
pub(crate) fn word<T>(node: &Node, reader: &mut Reader, words: impl Iterator<Item = (&'static str, T)> + Clone) -> Option<T> {
    let found = node.text().and_then(|text| words.clone().find(|(word, _)| *word == text));
    if let Some((_, value)) = found {
        return Some(value);
    }
    let list: Vec<&str> = words.map(|(word, _)| word).collect();
    let near = node.text().and_then(|text| nearest(text, list.iter().copied()));
    let before = reader.problems.len();
    let nothing = reader.wrong(node, &format!("one of {}", list.join(", ")));
    if let Some(problem) = reader.problems.get_mut(before) {
        problem.nearest = near;
    }
    nothing
}

/// Reads a text by its `FromStr`.
pub(crate) fn parsed<T: FromStr>(node: &Node, reader: &mut Reader, expected: &str) -> Option<T> {
    match node.text().map(str::parse) {
        Some(Ok(value)) => Some(value),
        Some(Err(_)) | None => reader.wrong(node, expected),
    }
}

macro_rules! by_text {
    ($( $ty:ty, $expected:literal, $schema:tt; )*) => { $(
        impl Decode for $ty {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                parsed(node, reader, $expected)
            }
            fn schema() -> Json {
                json!($schema)
            }
        }
    )* };
}

by_text! {
    crate::unit::Span, "a span of time such as 30s, 10m or 400d", {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"};
    crate::unit::Size, "a size such as 200KiB or 4MiB", {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"};
    crate::unit::Rate, "a rate such as 120/min or 20/session", {"type": "string", "pattern": "^[0-9]+/(s|min|h|d|day|session)$"};
    crate::unit::Amount, "an amount such as 50MiB/session", {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)/(s|min|h|d|day|session)$"};
    crate::unit::Share, "a share such as 100%, 5% or 0.25%", {"type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,4})?%$"};
    std::net::SocketAddr, "an address with a port such as 127.0.0.1:8420", {"type": "string"};
    identity::authority::Domain, "a trust domain: a-z, 0-9, dots, hyphens and underscores", {"type": "string", "pattern": "^[a-z0-9._-]{1,200}$"};
    url::Url, "a URL", {"type": "string", "format": "uri"};
    terms::Name, "a name of letters, digits and -_.@+/", {"type": "string", "pattern": "^[A-Za-z0-9_.@+/-]{1,128}$"};
    terms::ServerName, "a server's name: a-z, 0-9 and inner hyphens, at most 32", {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"};
    jiff::civil::Date, "a date such as 2027-01-31", {"type": "string", "format": "date"};
}

macro_rules! by_word {
    ($( $ty:ty { $($variant:ident),* } )*) => { $(
        impl Decode for $ty {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                word(node, reader, [$(<$ty>::$variant),*].into_iter().map(|one| (one.as_str(), one)))
            }
            fn schema() -> Json {
                json!({"enum": [$(<$ty>::$variant.as_str()),*]})
            }
        }
    )* };
}

by_word! {
    terms::Label { Public, Internal, Confidential, Restricted }
    terms::Operation { Read, Write, Delete }
}

/// The most rates of one sort.
const RATES: usize = 4;

impl<T: Decode> Decode for crate::unit::Several<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() || items.len() > RATES => reader.wrong(node, "one value, or a list of up to four"),
            Value::List(_) => Vec::decode(node, reader).map(Self),
            Value::Text { .. } | Value::Map(_) | Value::Null => T::decode(node, reader).map(|one| Self(vec![one])),
        }
    }
    fn schema() -> Json {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema(), "minItems": 1, "maxItems": RATES}]})
    }
}

impl Decode for terms::Trust {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        word(node, reader, [("internal", Self::Internal), ("external", Self::External)].into_iter())
    }
    fn schema() -> Json {
        json!({"enum": ["internal", "external"]})
    }
}

impl Decode for terms::Control {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Some(control) = node.text().and_then(Self::from_id) {
            return Some(control);
        }
        let near = node.text().and_then(|text| nearest(text, Self::ALL.iter().map(|control| control.id())));
        let before = reader.problems.len();
        let nothing = reader.wrong(node, "the id of a control such as supply.pinning");
        if let Some(problem) = reader.problems.get_mut(before) {
            problem.nearest = near;
        }
        nothing
    }
    fn schema() -> Json {
        json!({"enum": Self::ALL.iter().map(|control| control.id()).collect::<Vec<_>>()})
    }
}

impl Decode for String {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => reader.wrong(node, "text"),
        }
    }
    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

impl Decode for PathBuf {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text().filter(|text| !text.is_empty() && !text.contains('\0')) {
            Some(text) => Some(text.into()),
            None => reader.wrong(node, "a path"),
        }
    }
    fn schema() -> Json {
        json!({"type": "string"})
    }
}

impl Decode for bool {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text { text, plain: Plain::Bare } if text == "true" => Some(true),
            Value::Text { text, plain: Plain::Bare } if text == "false" => Some(false),
            Value::Text { .. } | Value::Null | Value::List(_) | Value::Map(_) => reader.wrong(node, "true or false"),
        }
    }
    fn schema() -> Json {
        json!({"type": "boolean"})
    }
}

macro_rules! whole {
    ($($ty:ty),*) => { $(
        impl Decode for $ty {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
                match node.text().filter(digits).map(str::parse) {
                    Some(Ok(value)) => Some(value),
                    Some(Err(_)) | None => reader.wrong(node, &format!("a whole number from 0 to {}", <$ty>::MAX)),
                }
            }
            fn schema() -> Json {
                json!({"type": "integer", "minimum": 0})
            }
        }
    )* };
}
whole!(u32, u64);

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::decode(node, reader).map(Some)
    }
    fn schema() -> Json {
        T::schema()
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &node.value else { return reader.wrong(node, "a list") };
        let mut all = Some(Self::with_capacity(items.len()));
        for (at, item) in items.iter().enumerate() {
            let value = reader.within(&at.to_string(), |reader| T::decode(item, reader));
            all = all.zip(value).map(|(mut list, value)| {
                list.push(value);
                list
            });
        }
        all
    }
    fn schema() -> Json {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<K: Decode + Ord, T: Decode> Decode for BTreeMap<K, T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Map(members) = &node.value else { return reader.wrong(node, "a mapping") };
        let mut all = Some(Self::new());
        for member in members {
            let name = Node { place: member.place, value: Value::Text { text: member.key.clone(), plain: Plain::Quoted } };
            let entry = reader.within(&member.key, |reader| {
                let key = K::decode(&name, reader);
                let value = T::decode(&member.node, reader);
                key.zip(value)
            });
            all = all.zip(entry).map(|(mut map, (key, value))| {
                map.insert(key, value);
                map
            });
        }
        all
    }
    fn schema() -> Json {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// A scalar as JSON: unquoted `true`, `false` and numbers are what they look like.
impl Decode for Json {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Null => Some(Self::Null),
            Value::Text { text, plain: Plain::Quoted } => Some(Self::String(text.clone())),
            Value::Text { text, plain: Plain::Bare } => Some(match serde_json::from_str::<Self>(text) {
                Ok(value @ (Self::Bool(_) | Self::Number(_))) => value,
                Ok(_) | Err(_) => Self::String(text.clone()),
            }),
            Value::List(_) | Value::Map(_) => reader.wrong(node, "a single value"),
        }
    }
    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean", "null"]})
    }
}

impl Decode for serde_json::Number {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text().map(serde_json::from_str::<Self>) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) | None => reader.wrong(node, "a number"),
        }
    }
    fn schema() -> Json {
        json!({"type": "number"})
    }
}
