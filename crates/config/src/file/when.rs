//! Conditions beside the entries of a role.

use crate::decode::{Decode, Reader, section, word};
use crate::tree::{Node, Value};
use policy::{Compare, Environment, Glob, Member, Network, Range, Scalar, Test};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use terms::{Label, Operation};

section! {
    /// What must hold beside: all of it. Of several values any will do.
    When {
        /// The server's name: globs.
        server, "server": Option<Several<Glob>> = None;
        /// The name of the tool: globs.
        tool, "tool": Option<Several<Glob>> = None;
        /// The name of the prompt: globs.
        prompt, "prompt": Option<Several<Glob>> = None;
        /// The address of the resource: globs.
        resource, "resource": Option<Several<Glob>> = None;
        /// The method of MCP.
        method, "method": Option<Several<Method>> = None;
        /// What the tool does to the world, by the operator's word.
        operation, "operation": Option<Several<Operation>> = None;
        /// The label of what comes back.
        label, "label": Option<Several<Label>> = None;
        /// What the client calls itself, a claim: globs.
        client, "client": Option<Several<Glob>> = None;
        /// Where the client comes from: networks such as 10.0.0.0/8.
        network, "network": Option<Several<Network>> = None;
        /// How it comes in: transport=local, transport=http, executable=GLOB.
        environment, "environment": Option<Several<Environment>> = None;
        /// How many calls the session has made, this one included.
        depth, "depth": Option<Range> = None;
        /// Arguments of tools that are named in full.
        arguments, "arguments": BTreeMap<String, Compare> = BTreeMap::new();
        /// What the session is for. Not built.
        purpose, "purpose": Option<Json> = None;
        /// What has come into the session. Not built.
        taint, "taint": Option<Json> = None;
        /// How unusual the session is. Not built.
        anomaly, "anomaly": Option<Json> = None;
    }
}

impl Decode for policy::When {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let When { server, tool, prompt, resource, method, operation, label, client, network, environment, depth, arguments, .. } =
            When::decode(node, reader)?;
        let fixed = [
            server.map(|all| Test::Server(all.0)),
            tool.map(|all| Test::Tool(all.0)),
            prompt.map(|all| Test::Prompt(all.0)),
            resource.map(|all| Test::Resource(all.0)),
            method.map(|all| Test::Method(all.0.into_iter().map(|method| method.0.to_owned()).collect())),
            operation.map(|all| Test::Operation(all.0)),
            label.map(|all| Test::Label(all.0)),
            client.map(|all| Test::Client(all.0)),
            network.map(|all| Test::Network(all.0)),
            environment.map(|all| Test::Environment(all.0)),
            depth.map(Test::Depth),
        ];
        let arguments = arguments.into_iter().map(|(name, compare)| Test::Argument(name, compare));
        Some(Self(fixed.into_iter().flatten().chain(arguments).collect()))
    }
    fn schema() -> Json {
        When::schema()
    }
}

/// One value, or a list of some.
#[derive(Clone, Debug, PartialEq)]
pub struct Several<T>(Vec<T>);

impl<T: Decode> Decode for Several<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() => reader.wrong(node, "one value or a list of some"),
            Value::List(_) => Vec::decode(node, reader).map(Self),
            Value::Null | Value::Text { .. } | Value::Map(_) => T::decode(node, reader).map(|one| Self(vec![one])),
        }
    }
    fn schema() -> Json {
        json!({"anyOf": [T::schema(), {"type": "array", "minItems": 1, "items": T::schema()}]})
    }
}

/// A method of MCP that decisions are made about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(&'static str);

impl Method {
    const ALL: [&'static str; 11] = [
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/list",
        "resources/templates/list",
        "completion/complete",
        "logging/setLevel",
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
    ];
}

impl Decode for Method {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        word(node, reader, Self::ALL.into_iter().map(|method| (method, Self(method))))
    }
    fn schema() -> Json {
        json!({"enum": Self::ALL})
    }
}

/// Reads a text whose parser says itself what is wrong.
fn said<T: FromStr<Err: Display>>(node: &Node, reader: &mut Reader, expected: &str) -> Option<T> {
    let Some(text) = node.text() else { return reader.wrong(node, expected) };
    match text.parse() {
        Ok(value) => Some(value),
        Err(cause) => {
            let key = reader.key();
            reader.note(node.place, crate::problem::Fault::Value, format!("{key}: {cause}"), None);
            None
        }
    }
}

macro_rules! by_its_parser {
    ($( $ty:ty, $expected:literal, $schema:tt; )*) => { $(
        impl Decode for $ty {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                said(node, reader, $expected)
            }
            fn schema() -> Json {
                json!($schema)
            }
        }
    )* };
}

by_its_parser! {
    Member, "a member such as agent:NAME", {"type": "string", "pattern": "^(agent|user|group|client|certificate|network|environment):.+$"};
    Network, "a network such as 10.0.0.0/8", {"type": "string"};
    Environment, "transport=local, transport=http or executable=GLOB", {"type": "string", "pattern": "^(transport|executable)=.+$"};
}

impl Decode for Glob {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text().map(Self::new) {
            Some(Ok(glob)) => Some(glob),
            Some(Err(_)) | None => reader.wrong(node, "a glob: text in which * is any run of characters"),
        }
    }
    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": 256})
    }
}

impl Decode for i64 {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text().map(str::parse) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) | None => reader.wrong(node, "a whole number"),
        }
    }
    fn schema() -> Json {
        json!({"type": "integer"})
    }
}

section! {
    /// Whole numbers from one to another, both included.
    Between {
        /// The least.
        from, "from": Option<i64> = None;
        /// The greatest.
        to, "to": Option<i64> = None;
    }
}

impl Decode for Range {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Between { from, to } = Between::decode(node, reader)?;
        range(node, reader, from, to)
    }
    fn schema() -> Json {
        Between::schema()
    }
}

fn range(node: &Node, reader: &mut Reader, from: Option<i64>, to: Option<i64>) -> Option<Range> {
    let empty = from.zip(to).is_some_and(|(from, to)| from > to);
    if empty || (from.is_none() && to.is_none()) {
        return reader.wrong(node, "a range: from, to, or both, in this order");
    }
    Some(Range { from, to })
}

section! {
    /// What an argument is compared with beside plain values.
    Likeness {
        /// Globs on the whole text.
        like, "like": Option<Several<Glob>> = None;
        /// The least whole number.
        from, "from": Option<i64> = None;
        /// The greatest whole number.
        to, "to": Option<i64> = None;
    }
}

impl Decode for Compare {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            return Several::<Scalar>::decode(node, reader).map(|all| Self::OneOf(all.0));
        }
        match Likeness::decode(node, reader)? {
            Likeness { like: Some(globs), from: None, to: None } => Some(Self::Like(globs.0)),
            Likeness { like: None, from, to } => range(node, reader, from, to).map(Self::Within),
            Likeness { like: Some(_), .. } => reader.wrong(node, "either like, or from and to"),
        }
    }
    fn schema() -> Json {
        json!({"anyOf": [Several::<Scalar>::schema(), Likeness::schema()]})
    }
}

impl Decode for Scalar {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match Json::decode(node, reader)? {
            Json::String(text) => Some(Self::Text(text)),
            Json::Bool(truth) => Some(Self::Truth(truth)),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Some(Self::Whole(number)),
                None => reader.wrong(node, "a text, a whole number, true or false"),
            },
            Json::Null | Json::Array(_) | Json::Object(_) => reader.wrong(node, "a text, a whole number, true or false"),
        }
    }
    fn schema() -> Json {
        json!({"type": ["string", "integer", "boolean"]})
    }
}
