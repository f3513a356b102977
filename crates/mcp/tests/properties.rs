//! What must hold for every input.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use mcp::{Bounds, Document, Edits, Kind, Peer, Revision, parse_message};
use proptest::prelude::*;
use serde_json::Value;

const SEEDS: [&str; 8] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[1,{"y":"\u00e9"}]},"_meta":{"progressToken":"t"}}}"#,
    r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"}]}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":null}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","requestState":"s","inputResponses":{"a":{"action":"accept","content":{"x":1}}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5e1}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{"a":{"type":"number"}}}}}"#,
];

fn value() -> impl Strategy<Value = Value> {
    let key = || any::<String>().prop_filter("no controls", |key| key.bytes().all(|byte| byte >= 0x20));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn parse(source: impl Into<Vec<u8>>) -> Document {
    Document::parse(Bytes::from(source.into()), &Bounds::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn printing_what_was_parsed_gives_it_back(value in value()) {
        let compact = serde_json::to_string(&value).unwrap();
        for source in [compact.clone(), serde_json::to_string_pretty(&value).unwrap()] {
            let mut out = Vec::new();
            parse(source).print(&Edits::new(), &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), compact.clone());
        }
    }

    #[test]
    fn an_edited_text_is_json_and_says_what_the_edit_said(value in value(), text in any::<String>(), at in any::<prop::sample::Index>()) {
        let document = parse(serde_json::to_string(&value).unwrap());
        let values: Vec<_> = (0..document.nodes()).filter(|at| document.node(*at).unwrap().kind() != Kind::Key).collect();
        let node = document.node(values[at.index(values.len())]).unwrap();
        let mut edits = Edits::new();
        edits.set_text(node.index(), text.clone());
        let mut out = Vec::new();
        document.print(&edits, &mut out);
        let mut want = value.clone();
        *want.pointer_mut(&node.pointer()).unwrap() = Value::String(text);
        prop_assert_eq!(parse(out).root().to_value().unwrap(), want);
    }

    #[test]
    fn a_damaged_message_never_panics_and_if_taken_reads_as_serde_reads_it(
        seed in 0..SEEDS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte, how) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        for peer in [Peer::Client, Peer::Server] {
            for revision in Revision::ALL {
                match parse_message(Bytes::from(bytes.clone()), peer, revision, &Bounds::default()) {
                    Ok(message) => {
                        let theirs: Value = serde_json::from_slice(&bytes).unwrap();
                        prop_assert_eq!(message.document().root().to_value().unwrap(), theirs);
                    }
                    Err(fault) => {
                        prop_assert!((1..=71).contains(&fault.row));
                        let _ = fault.body();
                    }
                }
            }
        }
    }
}
