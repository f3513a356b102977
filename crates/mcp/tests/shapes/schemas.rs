//! Whatever we take, the published schemas take too. They are no part of this repository: `BASTIDE_SCHEMAS` names the folder that holds
//! `2025-11-25.json` and `2026-07-28.json`.

use super::examples::{BOTH, NOVEMBER, all};
use mcp::Revision;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[allow(clippy::disallowed_methods, reason = "only a test knows where the schemas are")]
fn schema(revision: Revision) -> Option<Value> {
    let folder = std::env::var_os("BASTIDE_SCHEMAS")?;
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join(format!("{revision}.json"))).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    if revision == NOVEMBER {
        // As released: the limits of a number in a form are numbers. Copies of older drafts say that they are integers.
        for limit in ["minimum", "maximum", "default"] {
            schema["$defs"]["NumberSchema"]["properties"][limit] = json!({"type": "number"});
        }
    }
    Some(schema)
}

fn validators(schema: &Value) -> BTreeMap<&'static str, jsonschema::Validator> {
    let mut validators = BTreeMap::new();
    for (example, _, _) in all().filter(|(example, ..)| schema["$defs"].get(example.definition).is_some()) {
        let mut root = schema.clone();
        root["$ref"] = json!(format!("#/$defs/{}", example.definition));
        validators.entry(example.definition).or_insert_with(|| jsonschema::draft202012::new(&root).unwrap());
    }
    validators
}

#[test]
fn examples_fit_the_published_schemas_and_so_does_what_we_take_of_damaged_ones() {
    for revision in BOTH {
        let Some(schema) = schema(*revision) else {
            eprintln!("skipped: BASTIDE_SCHEMAS does not name the folder of the published schemas");
            return;
        };
        let validators = validators(&schema);
        let mut compared = 0_usize;
        for (example, _, value) in all().filter(|(_, own, _)| own == revision) {
            let validator = &validators[example.definition];
            let fault = validator.validate(&example.whole(&value)).err().map(|error| format!("{error} at {}", error.instance_path()));
            assert_eq!(fault, None, "{revision} {}", example.definition);
            for damaged in damaged(&value) {
                if example.taken(&damaged.value, *revision) && !damaged.is_lenient() {
                    compared += 1;
                    let fits = validator.is_valid(&example.whole(&damaged.value));
                    assert!(fits, "{revision} {} {}: {}", example.definition, damaged.at, damaged.value);
                }
            }
        }
        assert!(compared > 500, "{compared}");
    }
}

struct Damaged {
    at: String,
    value: Value,
}

impl Damaged {
    /// Where we let pass what the schema does not, since somebody else judges it or real peers do it.
    fn is_lenient(&self) -> bool {
        let inside = |part: &str| self.at.contains(part);
        // Open objects; schemas, which are compiled; sizes that nobody is harmed by; numbers in answers, whose schema allows integers alone.
        ["apabilities/", "inputSchema/", "outputSchema/", "riority", "/items", "/content/a", "/content/b", "/content/c", "/content/d", "metadata/"].into_iter().any(inside)
            // A result that does not say what kind it is, is a whole one.
            || self.at == "/resultType"
    }
}

/// `value` with one member or item taken out, or turned into something else.
fn damaged(value: &Value) -> Vec<Damaged> {
    let mut pointers = Vec::new();
    collect(value, String::new(), &mut pointers);
    let mut all = Vec::new();
    for at in pointers {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        let mut without = value.clone();
        match without.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.remove(&name)),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            _ => {}
        }
        all.push(Damaged { at: at.clone(), value: without });
        for other in
            [json!(null), json!(true), json!(7), json!(-1), json!(1.5), json!("x"), json!([]), json!({}), json!(["x"]), json!({"x": 1})]
        {
            let mut with = value.clone();
            *with.pointer_mut(&at).unwrap() = other;
            all.push(Damaged { at: at.clone(), value: with });
        }
    }
    all
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in inner {
        let at = format!("{at}/{step}");
        pointers.push(at.clone());
        collect(value, at, pointers);
    }
}
