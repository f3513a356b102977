//! What schemas from strangers can and cannot do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what is bounded is time")]

use guards::Error;
use guards::schema::{Compiled, SchemaBounds};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

fn compile(schema: &Value) -> Result<Compiled, Error> {
    Compiled::new(schema, &SchemaBounds::default())
}

fn refused(schema: Value) -> Error {
    compile(&schema).expect_err("refused")
}

/// A stack as small as that of a runtime's worker.
fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(work).unwrap().join().unwrap();
}

fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!({ "type": "string" }), |inner, _| wrap(inner))
}

#[test]
fn access_argument_schemas_name_place_and_keyword_only() {
    let schema = json!({
        "type": "object",
        "properties": {
            "path": { "type": "string", "maxLength": 5 },
            "deep": { "type": "array", "items": { "type": "object", "properties": { "n": { "minimum": 3 } } } },
            "free": { "type": "object", "additionalProperties": { "type": "integer" } }
        },
        "required": ["path"],
        "additionalProperties": false
    });
    let compiled = compile(&schema).unwrap();
    for (value, pointer, keyword) in [
        (json!({ "path": "secret-value" }), "/path", "maxLength"),
        (json!({ "path": 7 }), "/path", "type"),
        (json!({}), "", "required"),
        (json!({ "path": "a", "hunter2": 1 }), "", "additionalProperties"),
        (json!({ "path": "a", "deep": [{ "n": 3 }, { "n": 1 }] }), "/deep/1/n", "minimum"),
        (json!({ "path": "a", "free": { "hunter2": "x" } }), "/free/?", "type"),
        (json!([]), "", "type"),
    ] {
        let mismatch = compiled.check(&value).unwrap_err();
        assert_eq!((mismatch.pointer.as_str(), mismatch.keyword.as_ref()), (pointer, keyword), "{value}");
        let shown = format!("{mismatch:?} {}", terms::Hole::Argument(mismatch.argument()));
        assert!(!shown.contains("hunter2") && !shown.contains("secret"), "{shown}");
    }
    assert_eq!(compiled.check(&json!({ "path": "a", "deep": [{ "n": 3 }] })), Ok(()));
}

#[test]
fn members_that_objects_inherit_are_taken_only_by_name() {
    let open = compile(&json!({ "type": "object" })).unwrap();
    for value in [
        json!({ "__proto__": { "admin": true } }),
        json!({ "a": [{ "constructor": { "prototype": {} } }] }),
        json!({ "a": { "b": { "prototype": 1 } } }),
    ] {
        assert_eq!(open.check(&value), Ok(()), "{value}");
        assert_eq!(open.check_inherited(&value).unwrap_err().keyword, "propertyNames", "{value}");
    }
    let named = compile(&json!({ "type": "object", "properties": { "constructor": { "type": "string" } } })).unwrap();
    assert_eq!(named.check_inherited(&json!({ "constructor": "ana" })), Ok(()));
    assert!(named.check_inherited(&json!({ "prototype": "ana" })).is_err());
    assert_eq!(open.check_inherited(&json!({ "proto": "__proto__", "Constructor": 1 })), Ok(()));
}

#[test]
fn references_stay_inside() {
    for target in ["http://127.0.0.1:1/x", "https://example.com/s.json", "file:///etc/passwd", "other.json", "/etc/passwd", "urn:x"] {
        assert_eq!(refused(json!({ "$ref": target })), Error::Reference, "{target}");
        assert_eq!(refused(json!({ "properties": { "a": { "items": { "$ref": target } } } })), Error::Reference, "{target}");
    }
    assert_eq!(refused(json!({ "$ref": "#/$defs/none" })), Error::Reference);
    assert_eq!(refused(json!({ "$ref": "#none" })), Error::Reference);
    let inside = json!({ "$defs": { "a/b c": { "type": "integer" }, "n": { "$anchor": "n", "type": "string" } },
        "properties": { "x": { "$ref": "#/$defs/a~1b%20c" }, "y": { "$ref": "#n" } } });
    let compiled = compile(&inside).unwrap();
    assert_eq!(compiled.check(&json!({ "x": 1, "y": "s" })), Ok(()));
    assert!(compiled.check(&json!({ "x": "1" })).is_err());
    assert!(compiled.check(&json!({ "y": 1 })).is_err());
}

#[test]
fn what_is_not_taken_is_refused() {
    assert_eq!(refused(json!({ "$schema": "https://example.com/mine" })), Error::Dialect);
    assert_eq!(refused(json!({ "$schema": 7 })), Error::Dialect);
    assert_eq!(refused(json!({ "$dynamicRef": "#a", "$dynamicAnchor": "a" })), Error::Keyword("$dynamicRef"));
    assert_eq!(refused(json!({ "$recursiveRef": "#" })), Error::Keyword("$recursiveRef"));
    assert_eq!(refused(json!({ "properties": { "a": { "$id": "https://example.com/b" } } })), Error::Keyword("$id"));
    assert!(matches!(refused(json!({ "type": "strnig" })), Error::Invalid { .. }));
    assert!(matches!(refused(json!("text")), Error::Invalid { .. }));
    assert!(matches!(refused(json!({ "required": "all" })), Error::Invalid { .. }));
    for dialect in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
        assert!(compile(&json!({ "$schema": dialect, "type": "object" })).is_ok(), "{dialect}");
    }
}

#[test]
fn a_property_may_be_called_like_a_keyword() {
    let schema = json!({ "properties": { "$ref": { "type": "string" }, "$id": { "type": "string" }, "pattern": { "type": "string" } } });
    assert_eq!(compile(&schema).unwrap().check(&json!({ "$ref": "x", "pattern": "(" })), Ok(()));
}

#[test]
fn sizes_are_bounded() {
    let bounds = SchemaBounds::default();
    assert_eq!(refused(nested(33, |inner| json!({ "not": inner }))), Error::TooDeep { most: bounds.depth });
    let values: Vec<String> = (0..60_000).map(|at| at.to_string()).collect();
    assert_eq!(refused(json!({ "enum": values })), Error::TooLarge { most: bounds.bytes });
    let many: Map<String, Value> = (0..2_001).map(|at| (format!("p{at}"), json!({}))).collect();
    assert_eq!(refused(json!({ "properties": many })), Error::TooMany { most: bounds.subschemas });
    assert_eq!(refused(json!({ "pattern": "a".repeat(1_025) })), Error::PatternTooLong { most: bounds.pattern });
    let patterns: Map<String, Value> = (0..257).map(|at| (format!("^{at}$"), json!({}))).collect();
    assert_eq!(refused(json!({ "patternProperties": patterns })), Error::TooManyPatterns { most: bounds.patterns });
}

#[test]
fn patterns_are_matched_in_linear_time() {
    let compiled = compile(&json!({ "pattern": "^(a+)+$" })).unwrap();
    let text = Value::String(format!("{}b", "a".repeat(200_000)));
    let start = Instant::now();
    assert!(compiled.check(&text).is_err());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    for pattern in ["(?=a)b", "(?<!x)y", "(a)\\1", "("] {
        assert_eq!(refused(json!({ "pattern": pattern })), Error::Pattern, "{pattern}");
        let key = Map::from_iter([(pattern.to_owned(), json!({}))]);
        assert_eq!(refused(json!({ "patternProperties": key })), Error::Pattern, "{pattern}");
    }
    assert_eq!(refused(json!({ "pattern": "((a{1,1000}){1,1000}){1,1000}" })), Error::Pattern);
    assert!(compile(&json!({ "pattern": r"^[\w.\-]{1,128}$" })).is_ok());
}

#[test]
fn circles_that_stay_at_one_value_are_refused() {
    assert_eq!(refused(json!({ "$ref": "#" })), Error::Loop);
    assert_eq!(
        refused(json!({ "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } },
        "properties": { "x": { "$ref": "#/$defs/a" } } })),
        Error::Loop
    );
}

#[test]
fn recursion_into_the_value_is_checked() {
    let tree = json!({ "$defs": { "node": { "type": "object", "required": ["v"], "properties": {
        "v": { "type": "integer" }, "children": { "type": "array", "items": { "$ref": "#/$defs/node" } } } } }, "$ref": "#/$defs/node" });
    let compiled = compile(&tree).unwrap();
    let value = |leaf: Value| (0..20).fold(leaf, |inner, _| json!({ "v": 1, "children": [inner] }));
    assert_eq!(compiled.check(&value(json!({ "v": 1 }))), Ok(()));
    assert_eq!(compiled.check(&value(json!({ "v": "x" }))).unwrap_err().keyword, "type");
}

#[test]
fn doubling_references_are_not_followed_without_bound() {
    let thrice = |at: usize| json!({ "allOf": vec![json!({ "$ref": format!("#/$defs/d{at}") }); 3] });
    let mut defs: Map<String, Value> = (0..15).map(|at| (format!("d{at}"), thrice(at + 1))).collect();
    defs.insert("d15".to_owned(), json!({ "type": "integer" }));
    let start = Instant::now();
    let compiled = compile(&json!({ "$defs": defs, "$ref": "#/$defs/d0" })).unwrap();
    assert_eq!(compiled.check(&json!(1)).unwrap_err().keyword, "cost");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn doubling_with_each_level_of_the_value_stays_bounded() {
    // Looks at each child twice: 2^60 looks at the innermost of sixty.
    let schema = json!({ "$defs": { "n": { "anyOf": [
        { "properties": { "c": { "$ref": "#/$defs/n" } }, "required": ["x"] },
        { "properties": { "c": { "$ref": "#/$defs/n" } }, "required": ["y"] } ] } }, "$ref": "#/$defs/n" });
    let compiled = compile(&schema).unwrap();
    let value = |levels| (0..levels).fold(json!({}), |inner, _| json!({ "c": inner }));
    let start = Instant::now();
    assert_eq!(compiled.check(&value(60)).unwrap_err().keyword, "cost");
    assert_ne!(compiled.check(&value(6)).unwrap_err().keyword, "cost");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_unevaluated_is_weighed() {
    let bomb = nested(14, |inner| json!({ "allOf": [inner], "unevaluatedProperties": false, "unevaluatedItems": false }));
    let start = Instant::now();
    if let Ok(compiled) = compile(&bomb) {
        let _ = compiled.check(&json!({ "a": 1 }));
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn long_chains_fit_a_small_stack() {
    on_small_stack(|| {
        let chain: Map<String, Value> = (0..1_900)
            .map(|at| (format!("d{at}"), json!({ "properties": { "x": { "$ref": format!("#/$defs/d{}", (at + 1) % 1_900) } } })))
            .collect();
        let value = (0..60).fold(json!({}), |inner, _| json!({ "x": inner }));
        match compile(&json!({ "$defs": chain, "$ref": "#/$defs/d0" })) {
            Ok(compiled) => drop(compiled.check(&value)),
            Err(error) => assert!(matches!(error, Error::Costly | Error::TooMany { .. }), "{error}"),
        }
    });
}

#[test]
fn the_longest_chain_at_every_level_fits_a_small_stack() {
    on_small_stack(|| {
        for chain in [2_usize, 5, 10, 20, 30] {
            let mut defs: Map<String, Value> =
                (0..chain).map(|at| (format!("d{at}"), json!({ "$ref": format!("#/$defs/d{}", at + 1) }))).collect();
            defs.insert(format!("d{chain}"), json!({ "properties": { "x": { "$ref": "#/$defs/d0" } }, "maxProperties": 1 }));
            let compiled = compile(&json!({ "$defs": defs, "$ref": "#/$defs/d0" })).unwrap();
            for levels in [1, 10, 30, 60] {
                let value = (0..levels).fold(json!({ "x": 1, "y": 1 }), |inner, _| json!({ "x": inner }));
                assert!(compiled.check(&value).is_err());
            }
        }
    });
}

#[test]
fn a_deep_value_is_refused() {
    let compiled = compile(&json!({})).unwrap();
    let value = (0..65).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(compiled.check(&value).unwrap_err().keyword, "depth");
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "$ref",
        "$defs",
        "$id",
        "$anchor",
        "$schema",
        "#",
        "#/$defs/a",
        "#/properties/a",
        "a",
        "allOf",
        "anyOf",
        "not",
        "if",
        "then",
        "items",
        "prefixItems",
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contains",
        "minContains",
        "pattern",
        "(a+)+$",
        "[",
        "type",
        "string",
        "object",
        "enum",
        "const",
        "format",
        "multipleOf",
        "minimum",
        "maxLength",
        "uniqueItems",
        "dependentSchemas",
        "dependencies",
        "required",
        "propertyNames",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        word.clone().prop_map(|text| json!(text)),
        ".{0,8}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_json_as_a_schema_is_taken_or_refused(schema in any_json(), value in any_json()) {
        if let Ok(compiled) = compile(&schema) {
            let once = compiled.check(&value);
            prop_assert_eq!(&once, &compiled.check(&value));
        }
    }
}
