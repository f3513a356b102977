//! Headers of the modern revision, and what names and addresses become on our side.

use crate::grammar::{MODERN, Maker};
use crate::tree::object;
use crate::{Input, Tree};
use mcp::header::{DECLARATION, PARAM, Received, Routing, check_arguments, declared as declarations, decode, encode, named};
use mcp::{Bounds, Document, Envelope, Id, Method, Peer};
use terms::ServerName;

pub(crate) fn coded(bytes: &[u8]) {
    if let Some(said) = decode(bytes) {
        assert_eq!(decode(encode(&said).as_bytes()).as_deref(), Some(&*said), "what a header says can be said");
    }
    let mut input = Input::new(bytes);
    let text = input.own(64);
    let code = encode(&text);
    assert!(code.bytes().all(|byte| (0x20..0x7F).contains(&byte)), "a header is visible ASCII");
    assert_eq!(decode(code.as_bytes()).as_deref(), Some(&*text), "decoding undoes coding");
    assert_eq!(decode(format!(" \t{code} ").as_bytes()).as_deref(), Some(&*text), "blanks around it do not count");
    routed(&mut input);
    let server = ServerName::new(input.pick(&["canary", "a", "git-hub", "x0"])).expect("a name of a server");
    let whole = mcp::wrap_address(&server, &text);
    let own = !text.is_empty() && !text.chars().any(|letter| letter.is_control() || letter == ' ');
    assert_eq!(mcp::unwrap_address(&whole), own.then(|| (server.clone(), text.clone())), "unwrapping undoes wrapping");
    let name = mcp::qualified(&server, &text);
    let (split, rest) = mcp::split_qualified(&name).expect("a qualified name splits");
    assert!(split == server && (rest == text || rest.len() <= 49), "a name splits where it was joined");
    if let Some((server, address)) = mcp::unwrap_address(&text) {
        let again = mcp::wrap_address(&server, &address);
        assert_eq!(mcp::unwrap_address(&again), Some((server, address)));
    }
    if let Some((server, template)) = mcp::address::unwrap_template(&text) {
        let wrapped = mcp::address::wrap_template(&server, &template);
        assert!(mcp::address::unwrap_template(&wrapped).is_some_and(|(own, _)| own == server));
    }
}

/// The headers of a request say what its body says, and no other ones do.
fn routed(input: &mut Input<'_>) {
    let mut maker = Maker { input, revision: MODERN };
    let methods = [Method::CallTool, Method::GetPrompt, Method::ReadResource, Method::ListTools];
    let method = maker.input.pick(&methods);
    let params = maker.client_params(method);
    let body = object([("jsonrpc", "2.0".into()), ("id", 1.into()), ("method", method.as_str().into()), ("params", params.clone())]);
    let envelope = Envelope::read(body.text().into(), Peer::Client, &Bounds::default()).expect("a request");
    let name =
        named(method).and_then(|key| params.get(key)).and_then(|name| if let Tree::Text(name) = name { Some(name.clone()) } else { None });
    let said = name.as_deref().map(encode);
    let routing = Routing {
        version: Received::Once(MODERN.as_str().as_bytes()),
        method: Received::Once(method.as_str().as_bytes()),
        name: said.as_ref().map_or(Received::Absent, |said| Received::Once(said.as_bytes())),
    };
    assert!(routing.check(&envelope, MODERN).is_ok(), "headers that say what the body says");
    let other = maker.input.own(24);
    let says = |text: &str| decode(other.as_bytes()).is_some_and(|said| said == text);
    let forged = Routing { name: Received::Once(other.as_bytes()), ..routing };
    let fits = name.as_deref().is_none_or(says);
    assert_eq!(forged.check(&envelope, MODERN).is_ok(), fits, "a name is the body's or none");
    let forged = Routing { method: Received::Once(other.as_bytes()), ..routing };
    assert_eq!(forged.check(&envelope, MODERN).is_ok(), other.as_bytes().trim_ascii() == method.as_str().as_bytes());
    for bad in [Routing { version: Received::Absent, ..routing }, Routing { method: Received::Repeated, ..routing }] {
        assert!(bad.check(&envelope, MODERN).is_err());
    }
}

pub(crate) fn declared(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut maker = Maker { input: &mut input, revision: MODERN };
    let mut schema = maker.schema();
    let arguments = fitting(&schema, &mut maker);
    for _ in 0..input.rarely(3).into() {
        schema.change(&mut input);
    }
    let Ok(parsed) = Document::parse(schema.text().into(), &Bounds::default()) else { return };
    let Ok(value) = parsed.root().to_value() else { return };
    let Ok(found) = declarations(&value) else { return };
    let count = String::from_utf8_lossy(&schema.text()).matches(DECLARATION).count();
    assert!(found.len() <= count, "no header is made up");
    let Ok(arguments) = Document::parse(arguments.spelled(&mut input).into(), &Bounds::default()) else { return };
    let mut names = std::collections::BTreeSet::new();
    for one in &found {
        let header = one.header();
        assert!(names.insert(header), "a header is asked for once");
        let letters = header.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte));
        assert!(header.starts_with(PARAM) && letters, "{header:?} is the name of a header");
        let other = input.own(16);
        for arguments in [Some(arguments.root()), None] {
            let made = one.value(arguments);
            let received = made.as_ref().map_or(Received::Absent, |made| Received::Once(made.as_bytes()));
            assert!(one.agrees(arguments, received), "what we make of the arguments agrees with them");
            assert_eq!(one.agrees(arguments, Received::Absent), made.is_none());
            assert!(!one.agrees(arguments, Received::Repeated));
            if let Some(made) = &made {
                assert!(made.bytes().all(|byte| (0x20..0x7F).contains(&byte)), "a header is visible ASCII");
                let same = |text: &str| decode(made.as_bytes()).is_some_and(|said| said == text);
                let number = decode(made.as_bytes()).and_then(|said| said.parse::<f64>().ok());
                if let (Some(said), None) = (decode(other.as_bytes()), number) {
                    assert_eq!(one.agrees(arguments, Received::Once(other.as_bytes())), same(&said), "another text is another");
                }
            } else {
                assert!(!one.agrees(arguments, Received::Once(other.as_bytes())));
            }
        }
    }
    let all = |name: &str| found.iter().find(|one| one.header() == name).and_then(|one| one.value(Some(arguments.root())));
    let values: Vec<(String, Option<String>)> = found.iter().map(|one| (one.header().to_owned(), all(one.header()))).collect();
    let checked = check_arguments(&found, Some(arguments.root()), MODERN, &Id::Number(1), |name| {
        let value = values.iter().find(|(header, _)| header == name).and_then(|(_, value)| value.as_deref());
        Received::of(value.map(str::as_bytes))
    });
    assert!(checked.is_ok());
}

/// Arguments that a schema asks for, more or less.
fn fitting(schema: &Tree, maker: &mut Maker<'_, '_>) -> Tree {
    let Some(Tree::Object(properties)) = schema.get("properties") else { return maker.open() };
    let mut arguments = object([]);
    for (key, property) in properties {
        let value = match property.get("type") {
            Some(Tree::Text(kind)) if kind == "object" => fitting(property, maker),
            _ => maker.anything(),
        };
        if !maker.input.rarely(5) {
            arguments.put(key, value);
        }
    }
    arguments
}
