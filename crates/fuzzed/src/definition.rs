//! Definitions, as they are read from lists and pinned.

use crate::grammar::{Maker, SPOKEN};
use crate::input::Given;
use crate::json::canonical;
use mcp::{Bounds, Definition, Document, Method, Revision, definitions};

const LISTS: [Method; 4] = [Method::ListTools, Method::ListPrompts, Method::ListResources, Method::ListResourceTemplates];

pub(crate) fn read(bytes: &[u8]) {
    match Given::of(bytes) {
        Given::Raw(text) => {
            let Ok(document) = Document::parse(text, &Bounds::default()) else { return };
            let node = document.root().get("result").unwrap_or(document.root());
            let result = Document::parse(canonical(node), &Bounds::default()).expect("canonical text is JSON");
            for revision in SPOKEN {
                LISTS.iter().for_each(|method| listed(&result, *method, revision));
            }
        }
        Given::Built(mut input) => {
            let (revision, method) = (input.pick(&SPOKEN), input.pick(&LISTS));
            let mut tree = Maker { input: &mut input, revision }.result(method);
            for _ in 0..input.below(3) {
                tree.change(&mut input);
            }
            let Ok(document) = Document::parse(tree.spelled(&mut input).into(), &Bounds::default()) else { return };
            listed(&document, method, revision);
        }
    }
}

fn listed(result: &Document, method: Method, revision: Revision) {
    let Ok(found) = definitions(method, result.root(), revision) else { return };
    for definition in &found {
        let text = Document::parse(definition.text.clone().into(), &Bounds::default()).expect("a definition is JSON");
        let again = Definition::read(definition.sort, text.root()).expect("what was read is read again");
        assert_eq!(&again, definition, "a definition says the same when it is read from its pin");
        assert!(!definition.name.is_empty() && definition.name.len() <= Bounds::DEFINITION_NAME);
        if let Some(schema) = &definition.input_schema {
            assert_eq!(schema["type"], "object");
        }
    }
    let names = found.iter().map(|definition| definition.name.as_str());
    let alike = mcp::name::confusable(names);
    assert!(alike.is_sorted() && alike.len() <= found.len() && alike.len() != 1);
}
