//! What must hold across revisions for every result, definition and question.

use super::examples::{EXAMPLES, Example, MODERN, NOVEMBER, Part};
use bytes::Bytes;
use mcp::definition::Sort;
use mcp::{Bounds, Document, Edits, Envelope, Legs, Method, Output, Peer, Revision, check_question, check_result, header, view};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

const KNOWN: [Revision; 4] = [Revision::R2025_03_26, Revision::R2025_06_18, NOVEMBER, MODERN];

fn document(text: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()), &Bounds::default()).unwrap()
}

fn printed(document: &Document, edits: &Edits) -> String {
    let mut out = Vec::new();
    document.print(edits, &mut out);
    String::from_utf8(out).unwrap()
}

/// Takes some members and items out.
fn thinned(mut value: Value, cuts: &[Index]) -> Value {
    for cut in cuts {
        let mut pointers = Vec::new();
        collect(&value, String::new(), &mut pointers);
        let Some(at) = (!pointers.is_empty()).then(|| &pointers[cut.index(pointers.len())]) else { break };
        let (parent, name) = at.rsplit_once('/').unwrap();
        match value.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.remove(&name.replace("~1", "/"))),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            _ => {}
        }
    }
    value
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let at = format!("{at}/{}", name.replace('/', "~1"));
                pointers.push(at.clone());
                collect(value, at, pointers);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                let at = format!("{at}/{place}");
                pointers.push(at.clone());
                collect(value, at, pointers);
            }
        }
        _ => {}
    }
}

/// An example of this part, thinned, that is still one of its revision.
fn example(part: fn(&Example) -> bool) -> impl Strategy<Value = (Method, Revision, String)> {
    let all: Vec<_> = EXAMPLES
        .iter()
        .filter(|example| part(example))
        .flat_map(|example| example.revisions.iter().map(move |own| (example, *own)))
        .collect();
    (prop::sample::select(all), prop::collection::vec(any::<Index>(), 0..4)).prop_filter_map(
        "not one any more",
        |((example, revision), cuts)| {
            let value = thinned(serde_json::from_str(&example.text(revision)).unwrap(), &cuts);
            example.taken(&value, revision).then(|| (example.method, revision, value.to_string()))
        },
    )
}

fn is_result(example: &Example) -> bool {
    example.part == Part::Result
        && example.method != Method::Listen
        && !example.method.is_task()
        && !example.method.is_question()
        && example.definition != "InputRequiredResult"
}

fn translated(method: Method, legs: Legs, text: &str, output: Output) -> String {
    let document = document(text);
    let mut edits = Edits::new();
    legs.result(method, document.root(), output, &mut edits);
    printed(&document, &edits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_translated_result_is_one_of_the_clients_revision((method, server, text) in example(is_result), enclosed in any::<bool>()) {
        for client in KNOWN.into_iter().filter(|client| method.is_in(*client)) {
            let output = if enclosed { Output::Enclosed } else { Output::Plain };
            let there = translated(method, Legs { client, server }, &text, output);
            let checked = check_result(method, document(&there).root(), client);
            prop_assert!(checked.is_ok(), "{server} {client} {method}: {checked:?}\n{text}\n{there}");
            prop_assert!(client != MODERN || view::result_kind(document(&there).root()) == view::ResultKind::Complete);
            prop_assert!(client != MODERN || there.contains("\"resultType\":\"complete\""));
            prop_assert!(!there.contains("\"public\""));
        }
    }

    #[test]
    fn from_legacy_to_modern_and_back_is_the_same_text(
        (method, _, text) in example(|example| is_result(example) && example.revisions.contains(&NOVEMBER) && example.method.is_in(MODERN)),
    ) {
        let there = translated(method, Legs { client: MODERN, server: NOVEMBER }, &text, Output::Plain);
        let back = translated(method, Legs { client: NOVEMBER, server: MODERN }, &there, Output::Plain);
        // How a tool runs as a task is not known there, so that it does not come back.
        let mut want: Value = serde_json::from_str(&text).unwrap();
        for tool in want.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
            tool.as_object_mut().unwrap().remove("execution");
        }
        prop_assert_eq!(back, want.to_string());
    }

    #[test]
    fn a_translated_question_is_one_of_the_clients_revision(
        (method, server, text) in example(|example| example.method.is_question() && example.part != Part::Result),
    ) {
        for client in KNOWN {
            let document = document(&text);
            let mut edits = Edits::new();
            if (Legs { client, server }).question(method, document.root(), "q", &mut edits).is_ok() {
                let there = printed(&document, &edits);
                let checked = check_question(method, self::document(&there).root(), client);
                prop_assert!(checked.is_ok(), "{server} {client} {method}: {checked:?}\n{text}\n{there}");
                let mut edits = Edits::new();
                let again = self::document(&there);
                if client == MODERN && (Legs { client: server, server: client }).question(method, again.root(), "q", &mut edits).is_ok() {
                    let back = printed(&again, &edits);
                    prop_assert!(check_question(method, self::document(&back).root(), server).is_ok(), "{back}");
                }
            } else {
                prop_assert!(client < server, "{server} {client} {method}: {text}");
            }
        }
    }

    #[test]
    fn nothing_panics_on_what_was_never_checked(
        at in 0..EXAMPLES.len(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        turned in any::<Index>(),
        other in prop::sample::select(vec![Value::Null, Value::Bool(true), Value::from(7), Value::from("x"), Value::Array(vec![]), serde_json::json!({"x": 1})]),
        to in 0..KNOWN.len(),
        from in 0..KNOWN.len(),
    ) {
        let example = &EXAMPLES[at];
        let mut value = thinned(serde_json::from_str(&example.text(example.revisions[0])).unwrap(), &cuts);
        let mut pointers = vec![String::new()];
        collect(&value, String::new(), &mut pointers);
        *value.pointer_mut(&pointers[turned.index(pointers.len())]).unwrap() = other;
        let document = document(&value.to_string());
        let root = document.root();
        let legs = Legs { client: KNOWN[to], server: KNOWN[from] };
        let mut edits = Edits::new();
        for method in Method::ALL {
            legs.result(*method, root, Output::Plain, &mut edits);
            legs.answer(*method, root, &mut edits);
            let _ = legs.question(*method, root, "q", &mut edits);
            let _ = check_result(*method, root, legs.client);
            let _ = check_question(*method, root, legs.client);
        }
        for sort in [Sort::Tool, Sort::Prompt, Sort::Template, Sort::Resource] {
            legs.definition(sort, root, &mut edits);
        }
        mcp::translate::sign(root, "1", &mut edits);
        prop_assert!(serde_json::from_str::<Value>(&printed(&document, &edits)).is_ok());
        let _ = (view::declared(root), view::retry(root), view::input_required(root), view::discovered(root));
        let _ = (view::supported(root), view::filter(root), view::subscription(root), view::result_kind(root));
        let _ = header::declared(&value);
        if let Ok(envelope) = Envelope::read(example.whole(&value).to_string().into(), Peer::Client, &Bounds::default()) {
            let none = header::Received::Absent;
            let _ = header::Routing { version: none, method: none, name: none }.check(&envelope, MODERN);
            let _ = envelope.claim().judge(&KNOWN, envelope.id());
            let _ = envelope.message(legs.client);
        }
    }
}
